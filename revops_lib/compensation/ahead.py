"""What the plans will cost in the next quarter."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import money
from ..errors import UsageError
from ..snapshot import Snapshot
from ..snapshot.plans import plan_names
from . import staff
from .book import Book
from .company import Payroll
from .costs import cost
from .curves import has_quota
from .planfile import plan as named
from .plans import Plan
from .simulation import attainment_history, attainments, simulated

PAST = 8  # quarters whose attainments are drawn from


def next_quarter(
    snapshot: Snapshot, payroll: Payroll, *, totals: np.ndarray | None = None, draws: int = 4_000, seed: int = 1
) -> pd.DataFrame:
    """What each plan with quotas will cost in the quarter that follows, one row per plan: plan, quarter, n (people), p10, p50,
    p90, mean (floats, in the plan's currency), attainment (of the quota, in the middle case), attainment_now (of this quarter).

    People are those in the plan's role on the snapshot's day, with their quotas of that quarter (this quarter's where none are
    stated yet); what they attain is drawn from the last eight quarters, the level of a quarter shared by all, each as likely as
    the others: `attainment` is the middle of them and does not go on from `attainment_now`. With `totals`,
    what each path of a forecast books in all, the level is that of the paths. As `simulated`: objectives count as achieved,
    SPIFs, draws and clawbacks are left out. What hangs on the size of each deal is not known, and said by missing numbers.
    """
    ahead = snapshot.looking_at(snapshot.quarter + 1)
    rows, here = [], cost(payroll.statements).set_index("member")["attainment"]
    for now in payroll.plans:
        if not has_quota(now):
            continue
        plan = named(ahead, name=now.name) if now.name in plan_names(snapshot) else now
        people, past = _people(snapshot, ahead, plan), attainment_history(snapshot, plan, quarters=PAST)
        row: list[object] = [plan.name, str(ahead.quarter), len(people)]
        if people.empty or past.empty:
            rows.append([*row, *[np.nan] * 5, here[plan.name]])
            continue
        drawn = np.concatenate(list(attainments(past, people, totals=totals, draws=draws, seed=seed)))
        quota = money.to_float(people["quota"]).to_numpy("float64")
        level = float(np.median(drawn @ quota) / quota.sum())
        try:
            drawn_cost = simulated(plan, people, drawn).set_index("component").loc["all components"]
        except UsageError:  # a rule on single deals: totals do not tell what it costs
            drawn_cost = pd.Series(np.nan, index=["p10", "p50", "p90", "mean"])
        rows.append([*row, *drawn_cost[["p10", "p50", "p90", "mean"]], level, here[plan.name]])
    columns = ["plan", "quarter", "n", "p10", "p50", "p90", "mean", "attainment", "attainment_now"]
    return pd.DataFrame(rows, columns=columns)


def _people(snapshot: Snapshot, ahead: Snapshot, plan: Plan) -> pd.DataFrame:
    """Who is paid by the plan in the coming quarter: rep_id, quota and target."""
    days = staff.days_in_role(staff.roster(snapshot), plan.role)
    here = [rep for rep, own in days.items() if any(first <= snapshot.as_of <= last for first, last in own)]
    for one in (ahead, snapshot):
        quotas = Book(one, plan).quotas.windows(plan.components[0], one.quarter).groupby("rep_id").sum()
        quotas = quotas[quotas.index.isin(here) & (quotas > 0)].sort_index()
        if len(quotas):
            break
    target = pd.Series((plan.variable or 0) // 4, index=quotas.index)
    cents = {"quota": money.from_cents(quotas.astype("Int64")), "target": money.from_cents(target.astype("Int64"))}
    return pd.DataFrame(cents).rename_axis("rep_id").reset_index()
