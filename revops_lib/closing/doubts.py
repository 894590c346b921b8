"""What has to be looked at before a quarter is closed: disputes, plans edited back, people gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from .. import compensation, periods
from ..compensation import Plan, Problem
from ..errors import DataRefused
from ..snapshot import Snapshot

Held = Mapping[str, Mapping[str, Sequence[str]]]  # by quarter and plan, the versions that held in it


def disputed(snapshot: Snapshot, plans: Sequence[Plan], lines: pd.DataFrame) -> list[Problem]:
    """The disputes, open or decided in the quarter, on a line that stands neither in `lines` nor in what any earlier quarter
    pays; empty where there are none."""
    known = snapshot.table("disputes")
    of_now = known["decided_date"].isna() | (known["decided_date"] >= pd.Timestamp(periods.first_day(snapshot.quarter)))
    asked = known[of_now & ~known["line_id"].isin(lines["line_id"])]
    missing, deals = {*asked["line_id"]}, snapshot.opportunities
    first = deals.loc[deals["status"] == "won", "close_date"].dropna().dt.to_period(snapshot.quarter.freqstr).min()
    quarter = snapshot.quarter
    while missing and pd.notna(first) and quarter > first:
        quarter -= 1
        missing -= _line_ids(snapshot, plans, quarter)
    ids = asked.loc[asked["line_id"].isin(missing), "dispute_id"]
    return [Problem("disputes of a line that does not exist", tuple(sorted(ids)))] if len(ids) else []


def unpaid(snapshot: Snapshot, lines: pd.DataFrame, closed: Iterable[str]) -> list[Problem]:
    """The adjustments decided in closed quarters that no line pays, an early one or a correction: they came too late for their
    own quarter's checks."""
    rows = snapshot.table("adjustments")
    quarter = rows["decided_date"].dt.to_period(snapshot.quarter.freqstr).astype("str")
    made = lines.loc[(lines["cause"] == "adjustment") | lines["kind"].str.startswith("adjustment "), "deal"]
    ids = rows.loc[quarter.isin([*closed]) & ~rows["adjustment_id"].isin(made), "adjustment_id"]
    return [Problem("adjustments of closed quarters that no plan pays", tuple(sorted(ids)))] if len(ids) else []


def _line_ids(snapshot: Snapshot, plans: Sequence[Plan], quarter: pd.Period) -> set[str]:
    """The lines that plans pay in an earlier quarter; none where that cannot be told."""
    earlier, found = snapshot.looking_at(quarter), set()
    for plan in plans:
        try:
            found |= {*compensation.entries(earlier, compensation.plan(earlier, name=plan.name))["line_id"]}
        except DataRefused:
            continue
    return found


def edited(corrections: pd.DataFrame, before: pd.DataFrame, then: Held, now: Held) -> tuple[list[str], list[Problem]]:
    """Which plans are not as they were for closed quarters: a sentence each, which quarters that moves and by how much; and
    those that are gone, or begin later, for a quarter in which they paid somebody."""
    paid = {*zip(before["plan"], before["for_quarter"], strict=True)}
    said, gone = [], []
    for plan in sorted({plan for one in (then, now) for plans in one.values() for plan in plans}):
        changed = [quarter for quarter in then if then[quarter].get(plan) != now[quarter].get(plan)]
        gone += [f"{plan} in {quarter}" for quarter in changed if plan not in now[quarter] and (plan, quarter) in paid]
        own = corrections[(corrections["plan"] == plan) & corrections["for_quarter"].isin(changed)]
        if own.empty:
            continue
        sums = own.groupby(["for_quarter", "currency"])["pay"].sum()
        told = ", ".join(f"{quarter} by {amount:+,.2f} {currency}" for (quarter, currency), amount in sums.items())
        said.append(f"plan {plan} was edited for closed quarters and moves {told}: date the change if it holds from now on")
    return said, [Problem("plans that paid in closed quarters and are gone, or begin later", tuple(gone))] if gone else []


def renamed(before: pd.DataFrame, snapshot: Snapshot) -> list[str]:
    """Who stands in closed quarters and not in the data any more, in a sentence."""
    gone = sorted({*before["rep_id"]} - {*snapshot.table("reps")["rep_id"]})
    if not gone:
        return []
    return [f"closed quarters paid {_few(gone)}, who are not in the table reps any more: keep the id when a person is renamed"]


def told(failing: Mapping[str, Sequence[str]]) -> list[str]:
    """Failing checks in words, each with the first of what fails it.

    >>> told({"deals split over 100 %": ["A", "B", "C", "D"]})
    ['deals split over 100 %: A, B, C and 1 more']
    """
    return [f"{check}: {_few(ids)}" for check, ids in failing.items()]


def _few(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
