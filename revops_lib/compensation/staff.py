"""Who held which role, when, and who reported to whom."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pandas as pd

from .. import periods
from ..snapshot import Snapshot

Days = tuple[dt.date, dt.date]  # first and last day, both included


def roster(snapshot: Snapshot) -> pd.DataFrame:
    """Assignments in order, one row per rep and assignment: the columns of `reps`; a missing start is the earliest day there
    is."""
    reps = snapshot.table("reps")
    reps["start_date"] = reps["start_date"].fillna(pd.Timestamp.min.as_unit("us"))
    return reps.sort_values(["start_date", "rep_id"], ignore_index=True)


def on_day(roster: pd.DataFrame, reps: pd.Series, days: pd.Series) -> pd.DataFrame:
    """The assignment each rep had on a day, aligned with `reps`: role, team, manager_id. After the last day of the last one it
    is still that one: who has left is paid for what was sold as what they were."""
    dated = pd.DataFrame({"rep_id": reps.astype("str"), "day": days.astype("datetime64[us]")}).reset_index(names="place")
    dated = dated.sort_values("day", kind="stable")
    columns = ["rep_id", "start_date", "role", "team", "manager_id"]
    found = pd.merge_asof(dated, roster[columns], by="rep_id", left_on="day", right_on="start_date")
    return found.set_index("place")[["role", "team", "manager_id"]].reindex(reps.index)


def days_in_role(roster: pd.DataFrame, role: str) -> dict[str, list[Days]]:
    """The days on which each rep held a role, in order and apart from each other; from the hire on where the start of an
    assignment is missing."""
    found: dict[str, list[Days]] = {}
    for row, first, last in assigned(roster):
        if row.role == role:
            found.setdefault(str(row.rep_id), []).append((first, last))
    return found


def assigned(roster: pd.DataFrame) -> Iterator[tuple[Any, dt.date, dt.date]]:
    """Every assignment with its first and last day, by rep and day; an assignment ends before the next one begins."""
    ordered = roster.sort_values(["rep_id", "start_date"], kind="stable")
    following = ordered.groupby("rep_id")["start_date"].shift(-1)
    for row, next_start in zip(ordered.itertuples(), following, strict=True):
        start = (
            row.hire_date if row.start_date == pd.Timestamp.min.as_unit("us") and pd.notna(row.hire_date) else row.start_date
        )
        ends = [day.date() for day in (row.end_date,) if pd.notna(day)]
        ends += [day.date() - dt.timedelta(days=1) for day in (next_start,) if pd.notna(day)]
        first, last = start.date(), min(ends, default=dt.date.max)
        if first <= last:
            yield row, first, last


def overlapping(roster: pd.DataFrame) -> list[str]:
    """Who has two assignments on one day: one ends after the day on which the next begins. One without an end, or with that
    day as its end, ends the day before."""
    ordered = roster.sort_values(["rep_id", "start_date"], kind="stable")
    following = ordered.groupby("rep_id")["start_date"].shift(-1)
    return sorted({*ordered.loc[ordered["end_date"] > following, "rep_id"]})


def left(roster: pd.DataFrame) -> dict[str, dt.date]:
    """The last day of who has left, or will: the end of the assignment that began last."""
    last = roster.sort_values(["rep_id", "start_date"], kind="stable").drop_duplicates("rep_id", keep="last")
    return {str(rep): day.date() for rep, day in zip(last["rep_id"], last["end_date"], strict=True) if pd.notna(day)}


def hired(roster: pd.DataFrame) -> dict[str, dt.date]:
    """The day each rep was hired; where it is missing, that of the first assignment; nobody for whom both are."""
    earliest = roster.groupby("rep_id")[["hire_date", "start_date"]].min()
    begin = earliest["hire_date"].fillna(earliest["start_date"])
    return {str(rep): day.date() for rep, day in begin.items() if day > pd.Timestamp.min.as_unit("us")}


def within(days: list[Days], period: pd.Period) -> list[Days]:
    """The parts of some days that lie in a period."""
    first, last = periods.first_day(period), periods.last_day(period)
    return [(max(a, first), min(b, last)) for a, b in days if a <= last and b >= first]


def lifted(credits: pd.DataFrame, of: str, roster: pd.DataFrame) -> pd.DataFrame:
    """Credits as they count for somebody: `own` as they are; `reports`: for whom the seller reports to on the day; `team`: for
    everybody above the seller. The seller stays in the line, so that lines of one deal keep apart."""
    if of == "own":
        return credits
    found, below = [], credits.assign(seller=credits["rep_id"], path=credits["rep_id"])
    while True:
        below = below.assign(rep_id=on_day(roster, below["rep_id"], below["event_date"])["manager_id"])
        below = below[below["rep_id"].notna()]
        # Who is already on the way up is nobody's superior again: managers in a circle end here.
        is_new = [boss not in path.split("\n") for boss, path in zip(below["rep_id"], below["path"], strict=True)]
        below = below[is_new]
        if below.empty:
            break
        below = below.assign(path=below["path"] + "\n" + below["rep_id"])
        found.append(below.assign(line=below["line"] + " " + below["seller"]))
        if of == "reports":
            break
    table = pd.concat(found) if found else credits.head(0)
    return table.drop(columns=["seller", "path"], errors="ignore").reset_index(drop=True)
