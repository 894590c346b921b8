"""Leads on their way to a customer: how many get there within so many days, those still on the way counted as such."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from .. import periods, statistics
from ..errors import DataRefused, UsageError, nearest
from ..snapshot import Snapshot
from . import cases
from .demand import DAYS, require_dates

GOALS = ("mql", "sql", "opportunity", "won")
COHORTS = ("all", "quarter")
STEPS = {"lead to MQL": ("lead", "mql"), "MQL to SQL": ("mql", "sql"), "SQL to opportunity": ("sql", "opportunity"),
         "opportunity to won": ("opportunity", "won")}  # fmt: skip
REACHED, DROPPED = "reached", "dropped"
RIPE_DAYS = 180
DAY = pd.Timedelta(days=1)


def funnel(
    snapshot: Snapshot, *, by: str | None = "source", goal: str = "sql", days: Sequence[int] = DAYS, cohort: str = "all",
    n_quarters: int = 8, level: float = 0.9,
) -> pd.DataFrame:  # fmt: skip
    """Share of leads that reach a goal within so many days of their creation, one row per cohort, group and number of days.

    `goal`: mql, sql, opportunity (its creation) or won (its close date); `by`: a column of leads or of their owners; `cohort`:
    all leads created in the last `n_quarters`, or by quarter of creation. Cumulative incidence (Aalen & Johansen 1978): a lead
    dropped, or whose opportunity was lost, can no longer get there; one still on the way counts for as long as it was watched.
    A lead that was dropped and came back counts by what it reached. Columns: cohort, by, member (a missing one reads
    "(unknown)"), goal, days, n (leads), n_known (of which is known where they stood after these days), n_reached (by then),
    value, low, high, level, is_ripe (all are known), unit. The value is missing where no lead was watched that long.
    DataRefused without leads or dates of the goal, or for a group that only those have that got through, such as the account's.

    >>> found = funnel(Snapshot("data/sample", quarter="2026Q3"), days=[90])
    >>> found["member"].tolist(), found["is_ripe"].any().item()
    (['event', 'inbound', 'outbound', 'partner'], False)
    """
    for name, value, valid in (("goal", goal, GOALS), ("cohort", cohort, COHORTS)):
        if value not in valid:
            raise UsageError(f"unknown {name} {value!r}", name, nearest(value, valid))
    leads = _created(snapshot, snapshot.quarter, n_quarters)
    if goal in ("mql", "sql"):
        require_dates(snapshot, f"{goal}_at")
    ends = _ends(snapshot, leads, goal)
    ends["member"] = _members(snapshot, leads, by)
    ends["cohort"] = leads["quarter"].astype("str") if cohort == "quarter" else "all"
    rows = [
        [*key, goal, *row] for key, group in ends.groupby(["cohort", "member"]) for row in _within(group, sorted(days), level)
    ]
    columns = ["cohort", "member", "goal", "days", "n", "n_known", "n_reached", "value", "low", "high"]
    found = pd.DataFrame(rows, columns=columns).assign(
        level=level, is_ripe=lambda f: f["n"] == f["n_known"], unit="share"
    )  # fmt: skip
    found.insert(1, "by", by or "company")
    return found


def steps(snapshot: Snapshot, *, by: str | None = None, n_quarters: int = 8, level: float = 0.9) -> pd.DataFrame:
    """Lead, MQL, SQL, opportunity, won: the share that takes each step, one row per group and step.

    Of the leads created in the last `n_quarters` whose last lead is 180 days old; who is further on has taken every step
    before. Columns: by, member, step, n (leads before the step), n_next (after it), n_open (neither after it nor dropped or
    lost yet), value (n_next ÷ n), low, high (Wilson 1927), level, unit. The values of a group multiply to its share won.
    DataRefused without leads that old, or for a group that only those have that got through.
    """
    last = periods.quarter_of((pd.Timestamp(snapshot.as_of) - RIPE_DAYS * DAY + DAY).date(), snapshot.fiscal_year_end) - 1
    leads = _created(snapshot, last, n_quarters)
    status = _status(snapshot, leads)
    took = pd.DataFrame({"won": status == "won", "member": _members(snapshot, leads, by)})
    took["opportunity"] = leads["opportunity_id"].notna() | took["won"]
    took["sql"] = leads["sql_at"].notna() | took["opportunity"]
    took["mql"] = leads["mql_at"].notna() | took["sql"]
    took["lead"] = True
    took["is_over"] = np.where(leads["opportunity_id"].notna(), status == "lost", leads["disqualified_at"].notna())
    rows = []
    for member, group in took.groupby("member"):
        for step, (one, other) in STEPS.items():
            there = group[group[one]]
            n, n_next = len(there), int(there[other].sum())
            n_open = int((~there[other] & ~there["is_over"]).sum())
            value = n_next / n if n else np.nan
            rows.append([by or "company", member, step, n, n_next, n_open, value, *statistics.wilson(n_next, n, level), level])
    columns = ["by", "member", "step", "n", "n_next", "n_open", "value", "low", "high", "level"]
    return pd.DataFrame(rows, columns=columns).astype({"low": "float64", "high": "float64"}).assign(unit="share")


def _created(snapshot: Snapshot, last: pd.Period, n_quarters: int) -> pd.DataFrame:
    """Leads created in the quarters up to `last`, with that quarter."""
    cases.require(snapshot, "leads")
    rows = snapshot.table("leads")
    quarters = [last - i for i in reversed(range(n_quarters))]
    found, quarter = cases.within(rows, periods.local_day(rows["created_at"], snapshot.timezone), quarters)
    if found.empty:
        raise DataRefused(f"no lead was created from {quarters[0]} to {last}", f"data {snapshot.data}", "ask another quarter")
    return found.assign(quarter=quarter).reset_index(drop=True)


def _members(snapshot: Snapshot, leads: pd.DataFrame, by: str | None) -> pd.Series:
    """The group of each lead. A lead gets its account and opportunity once it got through: groups of theirs tell the end."""
    if by is None:
        return pd.Series("company", index=leads.index)
    try:
        return snapshot.members(leads[["lead_id", "source", "owner_id", *leads.columns.difference(_CANONICAL)]], by)
    except UsageError as failure:
        what = f"leads cannot be told apart by {by} before they are through"
        raise DataRefused(what, "by", "name a column of leads or of their owners, such as source or team") from failure


_CANONICAL = ["lead_id", "source", "created_at", "mql_at", "sql_at", "disqualified_at", "account_id", "opportunity_id",
              "owner_id", "quarter"]  # fmt: skip


def _status(snapshot: Snapshot, leads: pd.DataFrame) -> pd.Series:
    return leads["opportunity_id"].map(snapshot.opportunities.set_index("opportunity_id")["status"])


def _ends(snapshot: Snapshot, leads: pd.DataFrame, goal: str) -> pd.DataFrame:
    """Of each lead: time (days from its creation to its end, or until now), cause (missing: on the way), watched (days)."""
    created, deals = leads["created_at"], snapshot.opportunities.set_index("opportunity_id")
    watched = (snapshot.cutoff - created) / DAY
    out = (leads["disqualified_at"] - created) / DAY
    if goal == "won":
        status = _status(snapshot, leads)
        closed = (leads["opportunity_id"].map(deals["close_date"]) - periods.local_day(created, snapshot.timezone)) / DAY
        there = closed.where(status == "won")
        out = closed.where(status == "lost").where(leads["opportunity_id"].notna(), out)
    elif goal == "opportunity":
        begun = leads["opportunity_id"].map(deals["created_at"]).fillna(leads["sql_at"])
        there = ((begun - created) / DAY).where(leads["opportunity_id"].notna())
    else:
        there = (leads[f"{goal}_at"] - created) / DAY
    time = there.fillna(out).fillna(watched).clip(lower=0)
    cause = np.select([there.notna(), out.notna()], [REACHED, DROPPED], default="")
    return pd.DataFrame({"time": time, "cause": pd.Series(cause, dtype="object").replace("", None), "watched": watched})


def _within(group: pd.DataFrame, days: Sequence[int], level: float) -> Iterator[list]:
    """days, n, n_known, n_reached, value, low, high, one row per number of days."""
    curve = statistics.cumulative_incidence(group["time"], group["cause"], level)
    for limit in days:
        ended = group["cause"].notna() & (group["time"] <= limit)
        n_known = int((ended | (group["watched"] >= limit)).sum())
        n_reached = int((ended & (group["cause"] == REACHED)).sum())
        is_seen = (group["watched"] >= limit).any()
        share = statistics.share_ended(curve[curve["time"] <= limit], REACHED, n_known, level) if is_seen else [np.nan] * 3
        yield [limit, len(group), n_known, n_reached, *share]
