"""Deals that do not exist yet: how many will come, where they begin, and what such deals bring when they are won."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from .hazards import ENTERED, Cohort, Week
from .panel import WEEKS, Panel

USUAL_SD, TRUST = 0.15, 4.0  # assumed standard deviation (log) of a quarter's inflow, and how many quarters that is worth
RARE = 0.01  # share of new deals below which a place to begin (a segment and stage) is left out
PRICED = 8  # quarters whose wins tell what new deals bring
FEW = 5  # wins of a segment below which it borrows the amounts of all


class Inflow:
    """New deals per week, fitted on what was known when `quarter` began.

    The level is the weekly average of the last four quarters, times half of the growth that the four before them show, times
    the season's index (half of it). A deal taken up again counts as new, in the stage where it begins.
    """

    def __init__(self, panel: Panel, quarter: pd.Period) -> None:
        self._panel, self._quarter = panel, quarter
        learned = [q.ordinal for q in panel.before(quarter)]
        came = panel.moved[panel.moved["is_new"] & panel.moved["quarter"].isin(learned)]
        counts = came.groupby("quarter").size().reindex(learned, fill_value=0)
        self._level, self._sd = _level(counts, quarter.ordinal % 4)
        recent = came[came["quarter"].isin(learned[-4:])]
        cells = recent.groupby(["segment", "stage"])["weight"].agg(["size", "median"])
        cells = cells[cells["size"] >= RARE * len(recent)]
        self._share = (cells["size"] / cells["size"].sum()).to_numpy()
        self._size = np.log1p(cells["median"].to_numpy())
        self._segment, self._stage = (cells.index.get_level_values(name).to_numpy() for name in ("segment", "stage"))
        self.amounts = _won_amounts(panel, quarter)

    def expected(self, day: dt.date, schedule: list[Week]) -> tuple[Cohort, np.ndarray, float]:
        """A cohort per week left and place to begin, the number of deals expected in each, and the standard deviation of the
        log of them all. What the running quarter has brought by `day` moves the level."""
        level, sd = self._level, self._sd
        gone = (schedule[0].week if schedule else WEEKS) - 1
        if gone and level > 0:
            rows = self._panel.moved_in(self._quarter)
            came = int((rows["is_new"] & (rows["week"] > 1) & (rows["day"] <= pd.Timestamp(day))).sum())
            y, error = np.log((came + 0.5) / (level * gone + 0.5)), 1 / (came + 0.5)
            level, sd = level * np.exp(y * sd**2 / (sd**2 + error)), float(np.sqrt(1 / (1 / sd**2 + 1 / error)))
        n, steps = len(self._share), len(schedule)
        start = np.repeat(np.arange(steps), n) + 1  # who comes in a week begins to move in the next one
        entered = np.full(n * steps, ENTERED)
        stage, segment, size, share = (np.tile(each, steps) for each in (self._stage, self._segment, self._size, self._share))
        exposure = np.repeat([week.exposure for week in schedule], n)
        return Cohort(stage, entered, entered, segment, size, start), level * share * exposure, sd


def _level(counts: pd.Series, season: int) -> tuple[float, float]:
    """Expected new deals per week, and the standard deviation of the log of a quarter's inflow around such expectations."""
    values, seasons = counts.to_numpy(float), counts.index.to_numpy() % 4

    def expected(upto: int, season: int) -> float:
        past, of = values[:upto], seasons[:upto]
        recent, earlier = past[-4:].mean(), past[-8:-4].mean() if upto >= 8 else 0.0
        growth = (recent / earlier) ** (0.5 * 2.5 / 4) if earlier > 0 else 1.0  # 2.5 quarters on, the four lie 4 apart
        index = (past[of == season].mean() + past.mean()) / (2 * past.mean()) if upto >= 8 and past.mean() > 0 else 1.0
        return float(recent * np.clip(growth, 0.5, 2.0) * index)

    if not values.sum() > 0:
        return 0.0, USUAL_SD
    expectations = np.array([expected(i, seasons[i]) for i in range(4, len(values))])
    misses = np.log((values[4:] + 0.5) / (expectations + 0.5)) ** 2 - 1 / (expectations + 0.5)  # beyond chance
    found = max(0.0, float(misses.mean())) if len(misses) else 0.0
    variance = (TRUST * USUAL_SD**2 + len(misses) * found) / (TRUST + len(misses))
    return expected(len(values), season) / WEEKS, float(np.sqrt(variance))


def _won_amounts(panel: Panel, quarter: pd.Period) -> list[np.ndarray]:
    """Amounts won in the last quarters, a list entry per segment."""
    won = panel.won_on(panel.fitted_on(quarter))
    won = won[won["quarter"].isin([q.ordinal for q in panel.before(quarter)[-PRICED:]])]
    amount, segment = won["weight"].to_numpy(), won["segment"].to_numpy()
    each = [amount[segment == code] for code in range(len(panel.segments))]
    return [own if len(own) >= FEW else amount for own in each]
