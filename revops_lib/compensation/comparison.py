"""An old plan and a new one on the same history: who wins, who loses, what it costs, and how fairly it spreads."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import money
from ..snapshot import Snapshot
from .lines import statements
from .plans import Plan
from .simulation import complete

BANDS = {"under 50 %": 0.5, "50–80 %": 0.8, "80–100 %": 1.0, "100–150 %": 1.5, "150 % and more": np.inf}


def compared(snapshot: Snapshot, old: Plan, new: Plan, *, quarters: int = 4) -> pd.DataFrame:
    """What each rep would have earned under either plan, one row per rep with a quota: rep_id, team, n_quarters, credited,
    quota, attainment, old, new, change (exact; all quarters together).

    The last complete quarters, as known on the snapshot's day, both plans as they are now. What people would have done
    otherwise under the other plan is not in it; what somebody decided beside the plan is in both. Names people: for the own
    team's eyes only.
    """
    parts = []
    for quarter in complete(snapshot, quarters):
        one = Snapshot(snapshot.data, quarter=str(quarter), as_of=snapshot.as_of)
        before, after = statements(one, old), statements(one, new)
        parts.append(before.merge(after[["rep_id", "pay"]], on="rep_id", suffixes=("_old", "_new")))
    known = pd.concat(parts, ignore_index=True).dropna(subset=["quota", "pay_old", "pay_new"])
    table = known.groupby("rep_id").agg(
        team=("team", "last"), credited=("credited", "sum"), quota=("quota", "sum"), n_quarters=("quota", "size"),
        old=("pay_old", "sum"), new=("pay_new", "sum"),
    ).reset_index()  # fmt: skip
    table["attainment"] = money.to_float(table["credited"]) / money.to_float(table["quota"])
    table["change"] = money.from_cents(money.to_cents(table["new"]) - money.to_cents(table["old"]))
    return table[["rep_id", "team", "n_quarters", "credited", "quota", "attainment", "old", "new", "change"]]


def effects(compared: pd.DataFrame, old: Plan, new: Plan) -> pd.DataFrame:
    """What changing the plan does, one row per question: what, old, new, unit (floats). Nobody is named.

    cost: pay; cost of sales: pay ÷ credited; pay mix: base ÷ OTE, the pay on target (base + variable); quota ÷ OTE: a year's
    quota of the average rep; marginal pay at quota: what the next 100 sold pay there; Gini: 0 when all earn the same, 1 when
    one earns all; correlation with quota: of attainment, below 0 when those with small quotas attain more. Missing where a
    plan does not state its pay.
    """
    credited, quota = (float(money.to_float(compared[name]).sum()) for name in ("credited", "quota"))
    year = 4 * quota / max(int(compared["n_quarters"].sum()), 1)
    pay = {name: money.to_float(compared[name]).to_numpy("float64") for name in ("old", "new")}
    plans = {"old": old, "new": new}
    change = money.to_cents(compared["change"])
    attained, size = compared["attainment"].to_numpy("float64"), money.to_float(compared["quota"]) / compared["n_quarters"]
    correlation = _correlation(attained, size.to_numpy("float64"))
    rows = [
        ["cost", *(float(pay[name].sum()) for name in pay), old.currency],
        ["cost of sales", *(float(pay[name].sum()) / credited if credited else np.nan for name in pay), "share"],
        ["reps who win", np.nan, float((change > 0).sum()), "reps"],
        ["reps who lose", np.nan, float((change < 0).sum()), "reps"],
        ["reps for whom nothing changes", np.nan, float((change == 0).sum()), "reps"],
        ["largest loss", np.nan, float(min(change.min(), 0)) / 100 if len(change) else np.nan, old.currency],
        ["pay mix", *(_mix(plan) for plan in plans.values()), "share"],
        ["quota ÷ OTE", *(year / _ote(plan) for plan in plans.values()), "times"],
        ["marginal pay at quota", *(marginal(plan, int(year * 100)) for plan in plans.values()), "per 100 sold"],
        ["Gini of pay", *(gini(pay[name]) for name in pay), "0 to 1"],
        ["correlation of attainment with quota", correlation, correlation, "-1 to 1"],
    ]
    return pd.DataFrame(rows, columns=["what", "old", "new", "unit"])


def fairness(compared: pd.DataFrame) -> pd.DataFrame:
    """Who gets the pay, one row per band of attainment: band, n, reps (share of the reps), old, new (share of the pay)."""
    band = pd.cut(compared["attainment"], [-np.inf, *BANDS.values()], right=False, labels=list(BANDS))
    pay = {name: money.to_float(compared[name]) for name in ("old", "new")}
    table = pd.DataFrame({"n": 1, **pay}).groupby(band, observed=False).sum().reset_index(names="band")
    shares = {name: table[name] / (table[name].sum() or np.nan) for name in ("old", "new")}
    return table.assign(band=table["band"].astype("str"), reps=table["n"] / max(len(compared), 1), **shares)[
        ["band", "n", "reps", "old", "new"]
    ]


def gini(values: np.ndarray) -> float:
    """How unequally a sum is spread: 0 when everybody has the same, near 1 when one has all; missing when there is none.

    >>> round(gini(np.array([0.0, 0.0, 0.0, 1.0])), 2), gini(np.array([5.0, 5.0]))
    (0.75, 0.0)
    """
    ordered, n = np.sort(values), len(values)
    if not n or ordered.sum() <= 0:
        return float("nan")
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))


def marginal(plan: Plan, quota: int) -> float:
    """What the next 100 sold pay someone who has just reached a year's quota (cents)."""
    return (plan.pay(quota + 100_00, quota) - plan.pay(quota, quota)) / 100


def _mix(plan: Plan) -> float:
    return float("nan") if plan.base is None else plan.base / 100 / _ote(plan)


def _ote(plan: Plan) -> float:
    """On-target earnings a year."""
    return float("nan") if plan.base is None or plan.variable is None else (plan.base + plan.variable) / 100


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if len(one) < 3 or one.std() == 0 or other.std() == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])
