"""Where cases wait: hand-offs between people, waiting against working time, and timers that only look like a queue."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import DataRefused
from ..snapshot import Snapshot
from ..worktime import Calendar, worked_days
from .eventlog import US_PER_DAY, EventLog
from .flow import elapsed, unit
from .usable import paired, usable

FEWEST = 10  # steps below which a timer cannot be told from chance
MINUTE = 60_000_000  # microseconds
# Precision, units in a day, how long at least, share of the steps at least. What is done the same day or the next is no timer.
RULES = (("day", 1, 3, 0.8), ("minute", 24 * 60, 61, 0.5))


def handoffs(snapshot: Snapshot, *, process: str = "opportunities", calendar: Calendar | None = None) -> pd.DataFrame:
    """Cases passing from one person to another, one row per pair of people, most frequent first.

    Columns: resource, next_resource, n, mean, median (time between the two events), unit. Events of nobody are no hand-off.
    Names people (or their pseudonyms): for those who may see them, never for the site. Raises DataRefused for a log that does
    not say who.
    """
    found = usable(snapshot, process)
    who = found.events["resource"].iloc[found.log.row]
    if who.isna().all():
        raise DataRefused(
            f"the events of {process} do not say who did them",
            f"data {snapshot.data}",
            "map the column `resource`, or leave it",
        )
    before, after = (who.iloc[found.log.step + side].reset_index(drop=True) for side in (0, 1))
    steps = pd.DataFrame({"resource": before, "next_resource": after, "days": elapsed(found.log, calendar) / US_PER_DAY})
    steps = steps[(before != after) & before.notna() & after.notna()]
    table = steps.groupby(["resource", "next_resource"], as_index=False)["days"].agg(["size", "mean", "median"])
    table = table.rename(columns={"size": "n"})
    order = {"by": ["n", "resource", "next_resource"], "ascending": [False, True, True]}
    return table.sort_values(**order, ignore_index=True).assign(unit=unit(calendar))


def waiting(snapshot: Snapshot, *, process: str = "opportunities", calendar: Calendar | None = None) -> pd.DataFrame:
    """How long each activity is worked on and how long cases wait for it, one row per activity, longest total wait first.

    For logs that say when work began and when it was done. Columns: activity, n (done), working_mean, working_median (from
    begin to end), n_waited (all but the first of a case), waiting_mean, waiting_median (from the end of whatever was done last
    in the case to the begin; 0 where work began before that), waiting_share (waiting ÷ (waiting + working)), unit. Work begun
    and not done yet, or never begun, or done before it began, is not counted (`unusable`). Raises DataRefused for other logs.
    """
    pairs = paired(usable(snapshot, process).whole)
    pairs = pairs[pairs["begun_at"] <= pairs["done_at"]]
    if pairs.empty:
        where = f"data {snapshot.data}, process {process}"
        raise DataRefused("this log does not say when work began and when it was done", where, "map `lifecycle`, or leave it")
    pairs = pairs.sort_values(["case_id", "begun_at", "done_at"], kind="stable", ignore_index=True)
    last = pairs.groupby("case_id")["done_at"].cummax()
    free = last.groupby(pairs["case_id"]).shift()  # since then nothing was being done
    pairs["working"] = _days(pairs["begun_at"], pairs["done_at"], calendar)
    pairs["waiting"] = _days(free, pairs["begun_at"].where(pairs["begun_at"] > free, free), calendar)
    table = pd.DataFrame({"n": pairs.groupby("activity").size()})
    for what, n in (("working", "n"), ("waiting", "n_waited")):
        of = pairs.groupby("activity")[what]
        table[n] = of.count()
        table[f"{what}_mean"], table[f"{what}_median"], table[what] = of.mean(), of.median(), of.sum()
    whole = table["waiting"] + table["working"]
    table["waiting_share"] = table["waiting"] / whole.where(whole > 0)
    table = table.reset_index().sort_values(["waiting", "activity"], ascending=[False, True], ignore_index=True)
    return table.drop(columns=["working", "waiting"]).assign(unit=unit(calendar))


def timers(snapshot: Snapshot, *, process: str = "opportunities") -> pd.DataFrame:
    """Steps that come after a fixed time in most cases: a timer (an automatic closing, a legal term), not a queue.

    One row per step: activity (missing: counted from the first event of the case), next_activity, n (steps), n_constant (those
    that took that time), share, days, precision ("minute": at least half of the steps take the same time to the minute, and
    more than an hour; "day": at least four in five span the same number of local days, three or more), sentence. Ten steps at
    least; a log of days without times has the second rule only. Time is the company's clock time, so that a term of days
    survives the change of the clock.
    """
    log = usable(snapshot, process).log
    local = pd.Series(log.at.view("datetime64[us]")).dt.tz_localize("UTC").dt.tz_convert(snapshot.timezone).dt.tz_localize(None)
    clock = local.astype("datetime64[us]").to_numpy().view("int64")
    rows = _constant(log, clock, log.step, log.step + 1, log.activity[log.step])
    known = {row[1] for row in rows}
    begin = np.repeat(log.first, log.length)
    later = np.flatnonzero(np.arange(len(clock)) > begin + 1)  # the second event follows the first: that is a step already
    since_start = _constant(log, clock, begin[later], later, np.full(len(later), -1))
    rows += [row for row in since_start if row[1] not in known]
    names = ["activity", "next_activity", "n", "n_constant", "share", "days", "precision"]
    table = pd.DataFrame(rows, columns=names)
    told = [
        f"{row[1]} comes {row[5]:.4g} days after {row[0] or 'the first event'} in {row[3]:,} of {row[2]:,} cases: "
        "a timer, not a queue."
        for row in rows
    ]
    table["sentence"] = pd.Series(told, dtype="str")
    return table.sort_values(["n_constant", "next_activity"], ascending=[False, True], ignore_index=True)


def _constant(log: EventLog, clock: np.ndarray, begin: np.ndarray, end: np.ndarray, activity: np.ndarray) -> list[tuple]:
    """Pairs of `activity` (-1: the first event) and the activity at `end` whose time from `begin` is mostly the same."""
    steps = pd.DataFrame({"activity": activity, "next": log.activity[end]})
    steps["minute"] = (clock[end] - clock[begin] + MINUTE // 2) // MINUTE
    steps["day"] = clock[end] // US_PER_DAY - clock[begin] // US_PER_DAY
    pair = steps.groupby(["activity", "next"])
    n = pair.size()
    found: dict[tuple[int, int], tuple] = {}
    for precision, per_day, longer, share in RULES if (clock % US_PER_DAY).any() else RULES[:1]:
        times = steps.groupby(["activity", "next", precision]).size().rename("times").reset_index()
        top = times.sort_values("times", ascending=False, kind="stable").drop_duplicates(["activity", "next"])
        for before, after, span, same in top.itertuples(index=False):
            of = int(n[before, after])
            if of >= FEWEST and same >= share * of and span >= longer:
                name = log.activities[before] if before >= 0 else None
                found[before, after] = (name, log.activities[after], of, int(same), same / of, span / per_day, precision)
    return list(found.values())


def _days(begin: pd.Series, end: pd.Series, calendar: Calendar | None) -> pd.Series:
    if calendar is None:
        return (end - begin) / pd.Timedelta(days=1)
    return worked_days(calendar, begin, end)
