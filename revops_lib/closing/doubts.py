"""What has to be looked at before a quarter is closed: disputes, plans edited back, people gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from .. import compensation, periods
from ..compensation import Plan, Problem
from ..errors import DataRefused
from ..snapshot import Snapshot


def disputed(snapshot: Snapshot, plans: Sequence[Plan], lines: pd.DataFrame) -> list[Problem]:
    """The disputes, open or decided in the quarter, on a line that stands neither in `lines` nor in what the two quarters
    before them pay; empty where there are none."""
    known = snapshot.table("disputes")
    of_now = known["decided_date"].isna() | (known["decided_date"] >= pd.Timestamp(periods.first_day(snapshot.quarter)))
    asked = known[of_now & ~known["line_id"].isin(lines["line_id"])]
    raised = {periods.quarter_of(day.date(), snapshot.fiscal_year_end) for day in asked["raised_date"]}
    drawn_up = {line for one in {quarter - n for quarter in raised for n in (0, 1)} for line in _line_ids(snapshot, plans, one)}
    ids = asked.loc[~asked["line_id"].isin(drawn_up), "dispute_id"]
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
    if quarter >= snapshot.quarter:
        return set()
    earlier, found = snapshot.looking_at(quarter), set()
    for plan in plans:
        try:
            found |= {*compensation.entries(earlier, compensation.plan(earlier, name=plan.name))["line_id"]}
        except DataRefused:
            continue
    return found


def edited(corrections: pd.DataFrame, before: pd.DataFrame) -> list[str]:
    """Which plans were edited for days of closed quarters, a sentence each: which quarters that moves, and by how much."""
    of_line = before["link"].where(before["cause"] == "correction", before["line_id"])
    version = dict(zip(of_line, before["version"], strict=True))  # the latest says it
    plans_then = {*zip(before["plan"], before["for_quarter"], strict=True)}
    is_edit = [
        version.get(row.link, row.version) != row.version or (row.plan, row.for_quarter) not in plans_then
        for row in corrections.itertuples()
    ]
    moved = corrections[pd.Series(is_edit, corrections.index, dtype="bool")]
    said = []
    for plan, own in moved.groupby("plan"):
        sums = own.groupby(["for_quarter", "currency"])["pay"].sum()
        told = ", ".join(f"{quarter} by {amount:+,.2f} {currency}" for (quarter, currency), amount in sums.items())
        said.append(f"plan {plan} was edited for closed quarters and moves {told}: date the change if it holds from now on")
    return said


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
