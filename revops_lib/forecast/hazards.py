"""How deals move: two weekly hazards that compete, moving on and being lost, and the new deals that flow in.

A deal's way through the stages is not drawn but computed: the share of its chance that sits in each stage, entered in each
week, is carried forward week by week, so that time in the stage and age grow on the way instead of being frozen. What all
deals of a quarter share, the shock, is a number on the log-odds of moving on; the caller draws it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .panel import WEEKS, Panel
from .ridge import DECAY, Ridge

CARRIED = 0.5  # share of a quarter's shock that the next one inherits
USUAL_SHOCK, TRUST = 0.15, 4.0  # standard deviation of the shock that is assumed, and how many quarters that is worth
ENTERED = 0.5  # weeks a deal has been in a stage, on average, at the first origin after it entered
RUSHES = (1, 2, 11, 12, 13)  # weeks in which deals move differently


@dataclass(frozen=True)
class Cohort:
    """Deals that move alike: arrays of one length. `start`: the week of the schedule in which they begin to move."""

    stage: np.ndarray
    in_stage: np.ndarray  # weeks
    age: np.ndarray  # weeks
    segment: np.ndarray
    size: np.ndarray  # log of the amount
    start: np.ndarray

    @classmethod
    def of(cls, deals: pd.DataFrame) -> Cohort:
        days = deals[["in_stage", "age"]].to_numpy(float) / 7
        size = np.log1p(deals["weight"].to_numpy(float))
        return cls(
            deals["stage"].to_numpy(), days[:, 0], days[:, 1], deals["segment"].to_numpy(), size, np.zeros(len(deals), int)
        )

    def __add__(self, other: Cohort) -> Cohort:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Cohort(*(np.concatenate(pair) for pair in pairs))


@dataclass(frozen=True)
class Week:
    """One step of a schedule: quarters ahead of the running one, week of the quarter (1 to 13), position of the quarter in its
    year, length in weeks."""

    ahead: int
    week: int
    season: int
    exposure: float


class Hazards:
    """Weekly chances to move on and to be lost, fitted on what was known when `quarter` began."""

    def __init__(self, panel: Panel, quarter: pd.Period) -> None:
        self._panel = panel
        self._n = len(panel.stages)
        learned = [q.ordinal for q in panel.before(quarter)]
        rows = moves(panel, panel.moved[panel.moved["quarter"].isin(learned)], panel.fitted_on(quarter))
        x, moved, lost = self._history(rows), self._moved(rows), rows["to"] == -1
        weights = DECAY ** (quarter.ordinal - 1 - rows["quarter"].to_numpy())
        self._moving = Ridge(x, moved.to_numpy(float), weights)
        self._losing = Ridge(x, lost.to_numpy(float), weights)
        self._to = _destinations(rows[moved], self._n)
        chance = pd.Series(self._moving.chance(x), index=rows.index)
        sums = pd.DataFrame({"observed": moved, "expected": chance, "variance": chance * (1 - chance)})
        self.sd, self.carried = _shocks(sums.groupby(rows["quarter"]).sum())

    def shock(self, quarter: pd.Period, day: dt.date) -> tuple[float, float]:
        """Mean and standard deviation of the quarter's shock, given what the quarter has shown by `day`."""
        rows = moves(self._panel, self._panel.moved_in(quarter), day)
        mean, variance = self.carried, self.sd**2
        if len(rows):
            chance = self._moving.chance(self._history(rows))
            y, error = _shift(float(self._moved(rows).sum()), chance.sum(), (chance * (1 - chance)).sum())
            mean = (mean / variance + y / error) / (1 / variance + 1 / error)
            variance = 1 / (1 / variance + 1 / error)
        return mean, float(np.sqrt(variance))

    def won(self, cohort: Cohort, schedule: list[Week], shocks: np.ndarray) -> np.ndarray:
        """Chance of each deal to be won in each quarter of the schedule: quarter, deal, shock. A quarter hands on part of its
        shock."""
        n, k, steps = len(cohort.stage), len(shocks), len(schedule)
        # Share of each deal's chance by shock, stage and week of entry; entry 0 is where the deal is today.
        held = np.zeros((n, k, self._n, steps + 1))
        held[np.arange(n), :, cohort.stage, 0] = 1.0
        won = np.zeros((schedule[-1].ahead + 1 if schedule else 1, n, k))
        entry = np.arange(steps + 1)
        moving, losing = self._grid(self._moving), self._grid(self._losing)
        for t, week in enumerate(schedule):
            awake = cohort.start <= t
            own = np.where(awake, t - cohort.start, 0)
            stay = np.where(entry[None, :] == 0, (cohort.in_stage + own)[:, None], np.maximum(t - entry, 0)[None, :] + ENTERED)
            odds = [self._at(model, table, cohort, week, stay[:, : t + 1], cohort.age + own) for model, table in
                    ((self._moving, moving), (self._losing, losing))]  # fmt: skip
            shock = shocks * CARRIED**week.ahead
            move = 1 / (1 + np.exp(-(odds[0][:, None] + shock[None, :, None, None])))
            lose = np.broadcast_to(1 / (1 + np.exp(-odds[1][:, None])), move.shape)
            total = move + lose
            if week.exposure != 1:
                some = 1 - np.maximum(1 - total, 1e-9) ** week.exposure
                move, lose = move * some / total, lose * some / total
            else:
                over = np.maximum(total, 1)
                move, lose = move / over, lose / over
            now = held[:, :, :, : t + 1]
            gone = now * (move * awake[:, None, None, None])
            flow = gone.sum(axis=3)
            held[:, :, :, : t + 1] = now - gone - now * (lose * awake[:, None, None, None])
            won[week.ahead] += flow @ self._to[:, self._n]
            held[:, :, :, t + 1] += flow @ self._to[:, : self._n]
        return won

    def _moved(self, rows: pd.DataFrame) -> pd.Series:
        return (rows["to"] >= 0) & (rows["to"] != rows["stage"])

    def _history(self, rows: pd.DataFrame) -> np.ndarray:
        x = self._columns(rows["stage"], rows["segment"], rows["week"], rows["season"])
        return np.column_stack([x, np.log1p(rows["in_stage"] / 7), np.log1p(rows["age"] / 7), np.log1p(rows["weight"])])

    def _grid(self, model: Ridge) -> np.ndarray:
        """Log-odds of a new deal of size 0 by stage, segment, week and season."""
        shape = (self._n, len(self._panel.segments), WEEKS, 4)
        stage, segment, week, season = (index.ravel() for index in np.indices(shape))
        x = self._columns(stage, segment, week + 1, season)
        return model.log_odds(np.column_stack([x, np.zeros((len(x), 3))])).reshape(shape)

    def _at(self, model: Ridge, grid: np.ndarray, cohort: Cohort, week: Week, stay: np.ndarray, age: np.ndarray) -> np.ndarray:
        """Log-odds per deal, stage and week of entry."""
        base = grid[:, :, week.week - 1, week.season].T[cohort.segment]
        by_stay, by_age, by_size = model.slopes[-3:]
        own = by_age * np.log1p(age) + by_size * cohort.size
        return base[:, :, None] + (by_stay * np.log1p(stay) + own[:, None])[:, None, :]

    def _columns(self, stage: pd.Series, segment: pd.Series, week: pd.Series, season: pd.Series) -> np.ndarray:
        stages, segments = _dummies(stage, range(self._n)), _dummies(segment, range(len(self._panel.segments)))
        cells = (stages[:, :, None] * segments[:, None, :]).reshape(len(stages), -1)
        rushes, seasons = _dummies(week, RUSHES), _dummies(season, range(4))
        last = stages[:, -1:]
        return np.hstack([stages, segments, cells, rushes, rushes * last, seasons, seasons * last])


def moves(panel: Panel, rows: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    """Those of `rows` of the panel whose next week was over on `day`, with `to`: the stage at the next origin, the
    number of stages when won, −1 when lost. What is open on `day` itself says nothing yet."""
    rows = rows[rows["next_day"] <= pd.Timestamp(day)]
    is_last = rows.groupby("deal")["day"].transform("max") == rows["day"]  # who is seen again later was lost and taken up again
    won = (rows["next_stage"] < 0) & is_last & (panel.outcome(day)[0][rows["deal"]] >= 0)
    return rows.assign(to=np.where(won, len(panel.stages), rows["next_stage"]))


def _destinations(moved: pd.DataFrame, n: int) -> np.ndarray:
    """Where deals that move on go, one row per stage, one column per stage and won; a stage never left leads to the next
    one."""
    counts = np.zeros((n, n + 1))
    np.add.at(counts, (moved["stage"].to_numpy(), moved["to"].to_numpy()), 1)
    counts[np.arange(n), np.arange(n) + 1] += 0.5
    return counts / counts.sum(axis=1, keepdims=True)


def _shocks(seen: pd.DataFrame) -> tuple[float, float]:
    """Standard deviation of the shock between quarters, and what the last ones hand on to the next.

    The variance beyond chance (DerSimonian & Laird 1986) is a rough estimate from a dozen quarters, so the usual one counts
    as much as `TRUST` quarters.
    """
    y, error = _shift(seen["observed"].to_numpy(), seen["expected"].to_numpy(), seen["variance"].to_numpy())
    w = 1 / error
    n = len(y) - 1
    q = (w * (y - (w * y).sum() / w.sum()) ** 2).sum()
    found = max(0.0, (q - n) / (w.sum() - (w**2).sum() / w.sum())) if n > 0 else 0.0
    variance = (TRUST * USUAL_SHOCK**2 + max(n, 0) * found) / (TRUST + max(n, 0))
    mean = 0.0
    for value, noise in zip(y, error, strict=True):
        mean = CARRIED * mean + (value - CARRIED * mean) * variance / (variance + noise)
    return float(np.sqrt(variance)), CARRIED * mean


def _shift(observed: np.ndarray | float, expected: np.ndarray | float, variance: np.ndarray | float) -> tuple:
    """The shift of the log-odds that moves the expected number of moves to the observed (one Newton step), and its variance by
    chance; half a move is added, so that a handful of deals is no certainty."""
    return (observed - expected) / (variance + 0.5), 1 / (variance + 0.5)


def _dummies(codes: pd.Series | np.ndarray, values: object) -> np.ndarray:
    return (np.asarray(codes)[:, None] == np.array(list(values))[None, :]).astype(float)  # type: ignore[call-overload]
