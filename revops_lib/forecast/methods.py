"""Ways to forecast a quarter from one day, each on its own, and the baselines that people use without a model.

All are fitted on what was known when the quarter began and look at what is open on the day.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from .odds import Odds
from .panel import WEEKS, Panel, start_of_week

YIELDED = 8  # quarters whose yield is averaged


def from_odds(panel: Panel, odds: Odds, chance: np.ndarray, quarter: pd.Period, day: dt.date, created: float) -> float:
    """Won to date, the chance of every open deal times what it would bring, and what deals yet to be
    created bring on the paths."""
    return panel.result(quarter, day) + odds.ratio * float(chance @ panel.open_on(day)["weight"].to_numpy()) + created


def from_yields(panel: Panel, quarter: pd.Period, day: dt.date, created: float) -> float:
    """Won to date, the open amount of each stage times the share of it that past quarters won from the same week, and what
    deals yet to be created bring on the paths. A stage with little behind it leans on the yield of all."""
    won_in, brought = panel.outcome(panel.fitted_on(quarter))
    asked, got = np.zeros(len(panel.stages)), np.zeros(len(panel.stages))
    for past in panel.before(quarter)[-YIELDED:]:
        then = panel.open_on(start_of_week(past, _week(quarter, day)))
        deal, stage = then["deal"].to_numpy(), then["stage"].to_numpy()
        asked += np.bincount(stage, then["weight"], len(asked))
        got += np.bincount(stage, np.where(won_in[deal] == past.ordinal, brought[deal], 0.0), len(got))
    if not asked.sum() > 0:
        return np.nan
    trust = asked.sum() / np.count_nonzero(asked) / 4
    share = (got + trust * got.sum() / asked.sum()) / (asked + trust)
    now = panel.open_on(day)
    return panel.result(quarter, day) + float(share[now["stage"]] @ now["weight"].to_numpy()) + created


def stage_weighted(panel: Panel, quarter: pd.Period, day: dt.date) -> float:
    """Baseline: won to date and every open deal due in the quarter times its stage's probability in the CRM. NaN without
    probabilities or close dates."""
    deals = panel.open_on(day)
    if np.isnan(panel.probability).all() or (len(deals) and not deals["is_dated"].any()):
        return np.nan
    return panel.result(quarter, day) + float(np.nansum(panel.probability[deals["stage"]] * deals["weight"] * deals["due"]))


def last_quarter(panel: Panel, quarter: pd.Period, back: int = 1) -> float:
    """Baseline: the quarter before (or `back` quarters before: 4 is the seasonal naive) again. NaN when it is not known."""
    then = quarter - back
    return panel.result(then, panel.fitted_on(quarter)) if then in panel.before(quarter) else np.nan


def _week(quarter: pd.Period, day: dt.date) -> int:
    """The week whose start is nearest to the end of `day`."""
    return int(np.clip(round((day - start_of_week(quarter, 1)).days / 7) + 1, 1, WEEKS))
