"""The forecast that people submit, and how far it usually is from what comes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import pandas as pd

from .. import money, periods
from ..snapshot import Snapshot
from .panel import ORIGINS, Panel

POOLED, SHRUNK = 3.0, 4.0  # rounds' worth of trust in the bias of all weeks, and in no bias at all
LAYERS = ("rep", "manager")  # a manager is somebody to whom others report; who leads managers is in neither
FIRST_CHOICE = ("commit", "best_case", "pipeline")  # of several numbers that one person submits, the first of these counts


@dataclass(frozen=True)
class Submission:
    """What one person expects of a quarter, and whose deals that is about."""

    layer: str
    person: str
    quarter: int  # ordinal
    day: dt.date
    amount: float
    owners: frozenset[str]


@lru_cache(maxsize=4)
def submissions(snapshot: Snapshot) -> list[Submission]:
    """All submissions known, the oldest first; who submits several times on one day counts with the last one."""
    rows = snapshot.table("forecast_submissions")
    choice = {name: place for place, name in enumerate(FIRST_CHOICE)}
    rows = rows.assign(
        day=periods.local_day(rows["submitted_at"], snapshot.timezone), value=money.to_float(rows["amount"]),
        choice=rows["category"].map(choice).fillna(len(choice)),
        ordinal=[pd.Period(q, freq=f"Q-{snapshot.fiscal_year_end}").ordinal for q in rows["quarter"]],
    ).dropna(subset="value")  # fmt: skip
    rows = rows.sort_values(["choice", "submitted_at"], ascending=[False, True], kind="stable")
    rows = rows.drop_duplicates(["ordinal", "day", "rep_id"], keep="last").sort_values("submitted_at", kind="stable")
    found = []
    teams = _Teams(snapshot)
    for person, quarter, day, value in rows[["rep_id", "ordinal", "day", "value"]].itertuples(index=False):
        team = teams.of(person, day)
        if not any(teams.of(name, day) for name in team):
            layer, owners = ("manager", team) if team else ("rep", frozenset([person]))
            found.append(Submission(layer, person, quarter, day.date(), float(value), owners))
    return found


class _Teams:
    """Who reported to whom on a day, by the assignments in force then."""

    def __init__(self, snapshot: Snapshot) -> None:
        reps = snapshot.table("reps").dropna(subset="manager_id")
        self._by_manager = dict(iter(reps.groupby("manager_id")[["rep_id", "start_date", "end_date"]]))
        self.of = cache(self._of)  # everybody submits on the same days

    def _of(self, person: str, day: pd.Timestamp) -> frozenset[str]:
        rows = self._by_manager.get(person)
        if rows is None:
            return frozenset()
        begun = rows["start_date"].isna() | (rows["start_date"] <= day)
        return frozenset(rows.loc[begun & (rows["end_date"].isna() | (rows["end_date"] >= day)), "rep_id"])


def biases(panel: Panel, told: list[Submission], quarter: pd.Period) -> pd.DataFrame:
    """What past rounds show, one row per layer, quarter and round: layer, quarter, week (1, 4, 8 or 12), said, come.

    A round is what is submitted within one calendar week. said: submitted beyond the closed; come: what came beyond it, both of
    the deals of those who submitted.
    """
    won = panel.won_on(panel.fitted_on(quarter)) if panel.unit != "deals" else panel.wins.iloc[:0]
    by_owner = _by_owner(won)
    known = {q.ordinal: q for q in panel.before(quarter)}
    sums: dict[tuple[str, int, dt.date], tuple[float, float]] = {}
    for one in told:
        if one.quarter in known:
            key = (one.layer, one.quarter, _round(one.day))
            said, come = sums.get(key, (0.0, 0.0))
            closed, later = _closed(by_owner, one)
            sums[key] = (said + one.amount - closed, come + later)
    rows = [(layer, q, bucket(known[q], week), said, come) for (layer, q, week), (said, come) in sums.items()]
    return pd.DataFrame(rows, columns=["layer", "quarter", "week", "said", "come"])


def from_submitted(
    panel: Panel, told: list[Submission], past: pd.DataFrame, quarter: pd.Period, day: dt.date, layer: str = "rep", *,
    corrected: bool = True,
) -> float:  # fmt: skip
    """The latest number for the quarter of each person, known on `day`: what is closed, and what is submitted beyond it less
    its usual bias. NaN without a submission, or where deals are counted and not money."""
    mine = {one.person: one for one in told if one.layer == layer and one.quarter == quarter.ordinal and one.day <= day}
    if not mine or panel.unit == "deals":
        return np.nan
    won = panel.won_on(day)
    by_owner = _by_owner(won[won["quarter"] == quarter.ordinal])
    beyond = sum(one.amount - _closed(by_owner, one)[0] for one in mine.values())
    last = max(one.day for one in mine.values())
    # Of people who submit, closed is what was closed when they did; what they won since is part of what they promised.
    since = sum(_closed(by_owner, one)[1] for one in mine.values())
    bias = expected_bias(past, layer, bucket(quarter, _round(last))) if corrected else 0.0
    return max(panel.result(quarter, day) - since + beyond * float(np.exp(-bias)), panel.result(quarter, day))


_Wins = dict[tuple[int, str], list[tuple[dt.date, float]]]  # by quarter and owner: close date and amount of each win


def _by_owner(won: pd.DataFrame) -> _Wins:
    found: _Wins = {}
    closed = won["closed"].to_numpy().astype("datetime64[D]").tolist()
    for quarter, owner, day, amount in zip(won["quarter"], won["owner"], closed, won["weight"], strict=True):
        found.setdefault((quarter, owner), []).append((day, amount))
    return found


def _closed(wins: _Wins, one: Submission) -> tuple[float, float]:
    """What the deals of those a submission is about brought by the end of its day, and afterwards."""
    mine = [win for owner in one.owners for win in wins.get((one.quarter, owner), [])]
    before = sum(amount for day, amount in mine if day <= one.day)
    return before, sum(amount for _, amount in mine) - before


def expected_bias(past: pd.DataFrame, layer: str, week: int) -> float:
    """The bias of a week's rounds, leaning on that of all weeks, and on none while few rounds are known."""
    mine = past[past["layer"] == layer]
    same = mine[mine["week"] == week]
    if not len(mine):
        return 0.0
    pooled = (len(same) * log_bias(same) + POOLED * log_bias(mine)) / (len(same) + POOLED)
    return pooled * len(mine) / (len(mine) + SHRUNK)


def log_bias(rounds: pd.DataFrame) -> float:
    """Log of what was promised over what came; positive: too much was promised. The sums are compared, not the rounds: a mean
    of logs is too high where what comes varies much. 0 where nothing was promised or nothing came."""
    said, come = rounds["said"].sum(), rounds["come"].sum()
    return float(np.log(said / come)) if said > 0 < come else 0.0


def bucket(quarter: pd.Period, day: dt.date) -> int:
    """The week among 1, 4, 8 and 12 whose first day is nearest to the day."""
    week = (day - periods.first_day(quarter)).days / 7 + 1
    return min(ORIGINS, key=lambda each: abs(each - week))


def _round(day: dt.date) -> dt.date:
    """The Monday that stands for all days of its week."""
    return day - dt.timedelta(days=day.weekday())
