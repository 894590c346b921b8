"""The chance of each open deal to be won by the end of its quarter: a ridge logit on what is known on the day."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from .panel import Panel
from .ridge import DECAY, Ridge

FEW = 5  # wins below which amounts are taken as they stand
PENALTY = 40.0  # 1 / variance of the prior on a coefficient


class Odds:
    """P(won by the end of the quarter), fitted on the weekly origins of the quarters before `quarter`."""

    def __init__(self, panel: Panel, quarter: pd.Period) -> None:
        self._panel = panel
        learned = [q.ordinal for q in panel.before(quarter)]
        past = panel.deals[panel.deals["is_weekly"] & panel.deals["quarter"].isin(learned)]
        won = is_won(panel, past, panel.fitted_on(quarter))
        weights = DECAY ** (quarter.ordinal - 1 - past["quarter"].to_numpy())
        self._model = Ridge(self._columns(past), won.astype(float), weights, penalty=PENALTY)
        mine = past[won]
        brought = panel.outcome(panel.fitted_on(quarter))[1][mine["deal"]]
        self.ratio, self.spread = _won_ratio(mine["weight"].to_numpy(), brought)

    def chance(self, deals: pd.DataFrame) -> np.ndarray:
        return self._model.chance(self._columns(deals)) if len(deals) else np.zeros(0)

    def log_odds(self, deals: pd.DataFrame) -> np.ndarray:
        return self._model.log_odds(self._columns(deals)) if len(deals) else np.zeros(0)

    def _columns(self, deals: pd.DataFrame) -> np.ndarray:
        panel, of = self._panel, {name: deals[name].to_numpy() for name in _READ}
        stage, segment, category, season = (
            (of[name][:, None] == np.arange(n)).astype(float)
            for name, n in (
                ("stage", len(panel.stages)),
                ("segment", len(panel.segments)),
                ("category", len(panel.categories)),
                ("season", 4),
            )
        )
        left = np.log((of["days_left"] + 3) / 45)[:, None]
        due = of["due"].astype(float)[:, None]
        logs = np.log1p(np.column_stack([of[name] for name in ("weight", "in_stage", "age", "pushes")]))
        cells = [(segment[:, :, None] * other[:, None, :]).reshape(len(deals), -1) for other in (stage, category, due)]
        slopes = [left, left**2, stage * left, segment * left, category * left, due * left]
        return np.hstack([stage, segment, category, season, due, logs, *slopes, *cells])


_READ = ("stage", "segment", "category", "season", "days_left", "due", "weight", "in_stage", "age", "pushes")


def is_won(panel: Panel, deals: pd.DataFrame, day: dt.date) -> np.ndarray:
    """Whether each deal was won in the quarter of its row, as known at the end of `day`."""
    return panel.outcome(day)[0][deals["deal"]] == deals["quarter"].to_numpy()


def _won_ratio(asked: np.ndarray, got: np.ndarray) -> tuple[float, float]:
    """Won amount over the amount while open (deals shrink on the way to the signature), and how much its log varies."""
    asked, got = asked[asked > 0], got[asked > 0]
    if len(asked) < FEW or not got.sum() > 0:
        return 1.0, 0.0
    low, high = np.quantile(np.log(got[got > 0] / asked[got > 0]), [0.1, 0.9])
    return float(got.sum() / asked.sum()), float(high - low) / 2.563  # the middle 80 % of a normal: no typing error counts
