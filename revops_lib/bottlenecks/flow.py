"""How cases flow: what follows what, in which sequences, how long they take, what is done again."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..snapshot import Snapshot
from ..worktime import Calendar, worked_days
from .eventlog import US_PER_DAY, EventLog
from .usable import usable


def directly_follows(snapshot: Snapshot, *, process: str = "opportunities", calendar: Calendar | None = None) -> pd.DataFrame:
    """How often one activity directly follows another in a case, and after how long; one row per pair, most frequent first.

    Columns: activity, next_activity, n (times), n_cases (that took the step), mean, median (time between the two), unit (days,
    or working days of the `calendar`). Where a log has begins, ends of work are what follow each other. A case that is still
    running adds the steps it has taken: nothing here says how long its present one will last (`time_in_stage` does). What
    cannot be counted: `unusable`.
    """
    log = usable(snapshot, process).log
    table, k = log.directly_follows(elapsed(log, calendar)), len(log.activities)
    taken = log.activity[log.step].astype("int64") * k + log.activity[log.step + 1]
    once = np.unique(np.stack([taken, log.case[log.step]]), axis=1)[0]
    before, after = (log.activities.get_indexer(table[name]) for name in ("activity", "next_activity"))
    table.insert(3, "n_cases", np.bincount(once, minlength=k * k)[before * k + after])
    return table.assign(unit=unit(calendar))


def variants(snapshot: Snapshot, *, process: str = "opportunities") -> pd.DataFrame:
    """Sequences of activities that cases went through so far, one row per sequence, most frequent first.

    Columns: variant (activities joined by arrows), n (cases), share (of cases), n_events (length). An open case counts with
    what it has gone through.
    """
    return usable(snapshot, process).log.variants()


def durations(snapshot: Snapshot, *, process: str = "opportunities", calendar: Calendar | None = None) -> pd.DataFrame:
    """From the first to the last event of each case, one row per case.

    Columns: case_id, n_events, from_at, to_at, days, unit. Of a case that is still running the time to its last event so far:
    for a median with open cases use `time_to_close`. A case of one event takes 0 days.
    """
    log = usable(snapshot, process).log
    table = log.durations()
    if calendar is not None:
        table["days"] = worked_days(calendar, table["from_at"], table["to_at"])
    return table.assign(unit=unit(calendar))


def rework(snapshot: Snapshot, *, process: str = "opportunities", calendar: Calendar | None = None) -> pd.DataFrame:
    """Activities that cases repeat and what the repeats cost, one row per repeated activity, most cases first.

    Columns: activity, n_cases (that repeat it), n_repeats (occurrences after the first of the case), share (of the cases that
    have it), days (sum from each repeat to the event that follows it; one that nothing follows yet costs nothing), unit.
    """
    log = usable(snapshot, process).log
    key = pd.Series(log.case.astype("int64") * len(log.activities) + log.activity)
    again = key.duplicated().to_numpy()[log.step]
    spent = np.bincount(log.activity[log.step], weights=elapsed(log, calendar) * again, minlength=len(log.activities))
    table = log.rework()
    table["days"] = table["activity"].map(pd.Series(spent / US_PER_DAY, index=log.activities)).astype("float64")
    return table.assign(unit=unit(calendar))


def elapsed(log: EventLog, calendar: Calendar | None) -> np.ndarray:
    """Microseconds of each step, or of its working days at 24 hours each: divided by a day both give days."""
    if calendar is None:
        return log.elapsed
    begin, end = (pd.Series(log.at[log.step + side].view("datetime64[us]")) for side in (0, 1))
    return np.rint(worked_days(calendar, begin, end).to_numpy() * US_PER_DAY).astype("int64")


def unit(calendar: Calendar | None) -> str:
    return "days" if calendar is None else "working days"
