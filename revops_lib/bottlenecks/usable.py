"""What of a process can be counted, as a log sorted once, and what cannot: found, counted, said in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from ..errors import DataRefused
from ..snapshot import Snapshot
from .eventlog import EventLog, event_log
from .events import ENDINGS, events

COLUMNS = ["finding", "n_events", "n_cases", "is_excluded", "first_cases", "sentence"]
_SAYS = {
    "unknown case": "Events of no known opportunity: {events} in {cases}; left out.",
    "no activity": "Events that do not say what happened: {events} in {cases}; left out.",
    "negative duration": "A step dated before the step it follows: {cases}; left out, with all {events}.",
    "done before begun": "Work done before it began: {events} in {cases}; left out of working and waiting time.",
    "not paired": "Work that began or was done, not both: {events} in {cases}; left out of working and waiting time.",
    "unknown stage": "Stages that are not listed: {events} in {cases}; they have no place in the order of the process.",
    "not in order": "Events that stand after a later one of their case: {events} in {cases}; put in order of time.",
    "tied": "Events at the same time as the one before: {events} in {cases}; the order of the source decides.",
    "single event": "Cases of one event: {cases}; no step, a duration of 0 days.",
}


@dataclass(frozen=True, eq=False)
class Usable:
    """The `log` of what counts, the `events` its rows are positions in, all usable ones with their begins (`whole`), and what
    was found (`findings`, as `unusable` returns it)."""

    log: EventLog
    events: pd.DataFrame
    whole: pd.DataFrame
    findings: pd.DataFrame


def unusable(snapshot: Snapshot, *, process: str = "opportunities") -> pd.DataFrame:
    """What is odd about the events of a process and what is done about it, one row per finding that there is; empty when none.

    Columns: finding, n_events, n_cases, is_excluded (whether they are left out), first_cases (up to three), sentence.
    Raises as `events` does, and DataRefused when nothing is left.

    >>> unusable(Snapshot("data/sample", quarter="2026Q3"), process="leads")["finding"].tolist()
    ['tied', 'single event']
    """
    return usable(snapshot, process).findings.copy()


@lru_cache(maxsize=4)
def usable(snapshot: Snapshot, process: str) -> Usable:
    """The usable events of a process, sorted once however many questions follow."""
    every = events(snapshot, process=process)
    found: list[tuple[str, pd.Series, bool]] = []
    if process == "opportunities":
        unknown = ~every["case_id"].isin(snapshot.opportunities["opportunity_id"])
        found.append(("unknown case", every.loc[unknown, "case_id"], True))
        every = every[~unknown]
    silent = every["activity"].isna()
    found.append(("no activity", every.loc[silent, "case_id"], True))
    every = every[~silent]
    if process in ENDINGS:  # a step of a known process that is dated before the one it follows is a mistake, not an order
        backward = every["at"] < every.groupby("case_id")["at"].shift()
        broken = every["case_id"].isin(every.loc[backward, "case_id"])
        found.append(("negative duration", every.loc[broken, "case_id"], True))
        every = every[~broken]
    pairs = paired(every)
    found.append(("done before begun", pairs.loc[pairs["done_at"] < pairs["begun_at"], "case_id"], True))
    if every["lifecycle"].eq("start").any():
        found.append(("not paired", pairs.loc[pairs["done_at"].isna() | pairs["begun_at"].isna(), "case_id"], True))
    done = every[every["lifecycle"] == "complete"] if every["lifecycle"].eq("complete").any() else every
    if done.empty:
        why = " ".join(_told(found)["sentence"])
        where = f"data {snapshot.data}, as of {snapshot.as_of}"
        raise DataRefused(
            f"no event of the process {process!r} can be counted: {why}", where, "correct the source or the mapping"
        )
    log = event_log(done)
    if process == "opportunities":
        unlisted = ~done["activity"].isin(snapshot.table("stages")["stage"])
        found.append(("unknown stage", done.loc[unlisted, "case_id"], False))
    case = done["case_id"]
    found.append(("not in order", _later_before(log, done), False))
    found.append(("tied", case.iloc[log.row[log.step[log.elapsed == 0] + 1]], False))
    found.append(("single event", case.iloc[log.row[log.first[log.length == 1]]], False))
    return Usable(log, done, every, _told(found))


def paired(every: pd.DataFrame) -> pd.DataFrame:
    """Begins and ends of work put together, one row per activity done or begun: case_id, activity, begun_at, done_at, resource.

    The first begin of an activity in a case goes with its first end, the second with the second; where there is no other the
    side is missing. Empty for a log without begins.
    """
    if not every["lifecycle"].eq("start").any():
        return pd.DataFrame({name: every[:0][column] for name, column in _PAIR.items()})
    ordered = every.sort_values("at", kind="stable")
    number = ordered.groupby(["case_id", "activity", "lifecycle"]).cumcount()
    ordered = ordered.assign(number=number)
    key = ["case_id", "activity", "number"]
    sides = [ordered[ordered["lifecycle"] == side][[*key, "at", "resource"]] for side in ("start", "complete")]
    both = sides[0].merge(sides[1], on=key, how="outer", suffixes=("", "_done"))
    both["resource"] = both["resource"].fillna(both["resource_done"])
    return both.rename(columns={"at": "begun_at", "at_done": "done_at"})[list(_PAIR)]


_PAIR = {"case_id": "case_id", "activity": "activity", "begun_at": "at", "done_at": "at", "resource": "resource"}


def _later_before(log: EventLog, done: pd.DataFrame) -> pd.Series:
    """The cases of events that stand in the source after a later one of their case."""
    moved = log.follows & (np.diff(log.row) < 0)
    mixed = done.iloc[np.sort(log.row[np.isin(log.case, log.case[1:][moved])])]
    return mixed.loc[mixed["at"] < mixed.groupby("case_id")["at"].cummax(), "case_id"]


def _told(found: list[tuple[str, pd.Series, bool]]) -> pd.DataFrame:
    rows = []
    for finding, cases, is_excluded in found:
        if len(cases):
            distinct = cases.drop_duplicates()
            counts = {"events": _counted(len(cases), "event"), "cases": _counted(len(distinct), "case")}
            told = _SAYS[finding].format(**counts)
            rows.append((finding, len(cases), len(distinct), is_excluded, ", ".join(distinct.iloc[:3]), told))
    return pd.DataFrame(rows, columns=COLUMNS)


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
