"""Stays of cases in stages: when each began and how it ended; one still running on the snapshot's day is censored."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from ..worktime import Calendar, worked_days
from .events import ENDINGS
from .usable import usable

LOOKBACK = 8  # quarters of entries that times and conversion rest on
DAY = 86_400


def spells(snapshot: Snapshot, *, process: str = "opportunities", calendar: Calendar | None = None) -> pd.DataFrame:
    """Stays of cases in stages, one row per stay: of deals in open stages, of other cases after each activity.

    Columns: case_id, stage (of other processes the activity that began the stay), from_at, to_at (missing: running),
    next_stage, days (until the end or the snapshot; working days with a `calendar`), end (advanced, lost, back; missing while
    running), entered (quarter), position (of the stage in the process: as `places` has it). Deals have opportunity_id and
    segment besides, other cases resource (who began the stay).

    Other processes list no stages: an activity's position is its usual place in a case (mean, of first times), a stay ends
    "back" in an activity the case has been through and "lost" in Lost or Disqualified. After what a case ends with there is no
    stay: Won, Lost, Disqualified, Resolved, Ended; in a process of the table `events` every activity that nothing has followed
    in any case. Raises as `events` does.
    """
    found = _of_deals(snapshot) if process == "opportunities" else _of_cases(snapshot, process)
    until = found["to_at"].fillna(snapshot.cutoff)
    if calendar is None:
        found["days"] = (until - found["from_at"]).dt.total_seconds() / DAY
    else:
        found["days"] = worked_days(calendar, found["from_at"], until)
    found["entered"] = periods.local_day(found["from_at"], snapshot.timezone).dt.to_period(f"Q-{snapshot.fiscal_year_end}")
    own = [name for name in ("opportunity_id", "segment", "resource") if name in found]
    names = ["case_id", "stage", "from_at", "to_at", "next_stage", "days", "end", "entered", "position"]
    return found[[*names, *own]].reset_index(drop=True)


def _of_deals(snapshot: Snapshot) -> pd.DataFrame:
    status, place = snapshot.table("stages").set_index("stage")["status"], places(snapshot)
    found = snapshot.spells("stage").rename(columns={"value": "stage", "next_value": "next_stage"})
    found = found[found["stage"].map(status) == "open"]
    position, following = (found[name].map(place).astype("float64") for name in ("stage", "next_stage"))
    lost = found["next_stage"].map(status) == "lost"
    end = np.select([lost, following > position], ["lost", "advanced"], "back")
    found["end"] = pd.Series(end, index=found.index).where(found["to_at"].notna())
    found["position"] = position
    deals = snapshot.opportunities
    found = found[found["opportunity_id"].isin(deals["opportunity_id"])].copy()  # others are counted by `quality`
    segment = pd.Series(snapshot.members(deals, "segment").to_numpy(), index=deals["opportunity_id"])
    found["segment"] = found["opportunity_id"].map(segment)
    return found.assign(case_id=found["opportunity_id"])


def places(snapshot: Snapshot) -> pd.Series:
    """Place of every stage in the process, by stage: open ones by their position, won beyond them all, lost missing.

    Of stages of equal position (two processes, each numbered from 1) the one less likely to be won comes first (`probability`),
    then the first by name, each a fraction after the one before: no two share a place.
    """
    stages = snapshot.table("stages").sort_values(["probability", "stage"]).set_index("stage")
    position = stages["position"].astype("float64")
    place = position + position.groupby(position).cumcount() / (len(position) or 1)
    return place.mask(stages["status"] == "won", np.inf).mask(stages["status"] == "lost")


def require_open_stages(snapshot: Snapshot) -> None:
    """DataRefused where the history knows no stage, or none that the table `stages` lists as open. Raises NoHistory."""
    named = snapshot.spells("stage")["value"].dropna().unique()
    if not len(named):
        raise DataRefused("no deal has entered a stage yet", f"data {snapshot.data}, as of {snapshot.as_of}", "ask a later day")
    if not np.isfinite(places(snapshot).reindex(named)).any():
        told = ", ".join(sorted(named)[:5]) + (" …" if len(named) > 5 else "")
        what = f"the stages of the history ({told}) are not in the table stages as open ones"
        raise DataRefused(what, f"data {snapshot.data}", "list each stage with its position and status")


def _of_cases(snapshot: Snapshot, process: str) -> pd.DataFrame:
    known = usable(snapshot, process)
    log = known.log
    names = pd.Series(log.activities)
    follows = np.zeros(len(log.case), dtype=bool)
    follows[log.step] = True
    nth = np.arange(len(log.case)) - np.repeat(log.first, log.length)
    key = pd.Series(log.case.astype("int64") * len(names) + log.activity)
    again = key.duplicated().to_numpy()
    position = pd.Series(nth[~again]).groupby(log.activity[~again]).mean().rank(method="first")
    following = np.append(log.activity[1:], 0)
    end = np.select([names.isin(("Lost", "Disqualified")).to_numpy()[following], np.append(again[1:], False)], ["lost", "back"],
                    "advanced")  # fmt: skip
    goes_on = names.isin(names.iloc[np.unique(log.activity[log.step])])
    is_end = names.isin(ENDINGS[process]) if process in ENDINGS else ~goes_on
    found = pd.DataFrame(
        {
            "case_id": log.cases[log.case],
            "stage": names.iloc[log.activity].array,
            "from_at": log.at.view("datetime64[us]"),
            "to_at": pd.Series(np.append(log.at[1:], 0).view("datetime64[us]")).where(follows),
            "next_stage": names.iloc[following].reset_index(drop=True).where(follows),
            "end": pd.Series(end, dtype="str").where(follows),
            "position": position.reindex(log.activity).to_numpy(),
            "resource": known.events["resource"].iloc[log.row].array,
        }
    )
    return found[follows | ~is_end.to_numpy()[log.activity]].reset_index(drop=True)


def recent(snapshot: Snapshot, found: pd.DataFrame) -> pd.DataFrame:
    """Stays that began in the last quarters."""
    return found[found["entered"] > periods.quarter_of(snapshot.as_of, snapshot.fiscal_year_end) - LOOKBACK]


def grouped(snapshot: Snapshot, found: pd.DataFrame, by: str | None) -> list[tuple[tuple, pd.DataFrame]]:
    member = pd.Series("company", index=found.index)
    if by:
        deals = snapshot.opportunities
        member = found["opportunity_id"].map(pd.Series(snapshot.members(deals, by).to_numpy(), index=deals["opportunity_id"]))
    return list(found.groupby([found["position"], found["stage"], member]))
