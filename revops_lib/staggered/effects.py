"""Group-time effects with their influence functions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .panel import CONTROLS, SCALES, Panel, coefficients, comparisons, freedom, require, weights, widen


@dataclass(frozen=True)
class Effects:
    """`rows`, one per effect, and where they come from: `influence` (clusters × effects), `design` (effects × units × periods,
    how much each observation counts), `clusters` (the cluster of each unit, a number) and `level`."""

    rows: pd.DataFrame
    influence: np.ndarray
    design: np.ndarray
    clusters: np.ndarray
    level: float


def group_time_effects(
    panel: pd.DataFrame, *, unit: str, period: str, first_treated: str, outcome: str, exposure: str | None = None,
    cluster: str | None = None, controls: str = "not yet", scale: str = "difference", base: int = 1, smallest: int = 2,
    anticipation: int = 0, fixed: bool = False, level: float = 0.95,
) -> Effects:  # fmt: skip
    """ATT(g, t) of Callaway & Sant'Anna 2021: `rows` has one row per group (first treated period) and period.

    `panel` has a row per unit and period; `first_treated` is missing for units never treated. An effect compares the change
    of the group since the last `base` periods before its start (their mean; 1 as published) with that of its controls: those
    never treated ("never"), or those and whoever is not treated by then ("not yet"). Before the start the periods just before
    take the place of the base (varying base), so such an effect should be 0; with `fixed` it is the same base for all periods,
    as a picture of them needs (Roth 2024). `anticipation`: so many periods before the start the measure may already show; the
    base ends before them and they are neither before nor after. A unit not seen in the period and in every
    period of its base is left out of that comparison; whoever was treated from the start is left out of all. No row has an
    arm of fewer than `smallest` clusters.

    `scale` "log ratio" compares sums instead of means: log(treated ÷ its base) − log(controls ÷ theirs), in which parallel
    trends are equal growth rates and zeros do no harm; with `exposure` the sums are divided by those of it (deals won per
    week at risk). Where an arm has none at all, the effect is missing.

    Columns: group, period, offset (periods since the start), att, se, df, low, high, n_treated, n_controls (units), pre (before
    the start and what is anticipated). UsageError for unknown options and for a column that is not there.

    >>> panel = pd.DataFrame({"rep": [1, 1, 2, 2, 3, 3, 4, 4], "quarter": [1, 2] * 4, "start": [2.0] * 4 + [None] * 4,
    ...                       "wins": [1, 5, 3, 6, 2, 3, 4, 6]})
    >>> effects = group_time_effects(panel, unit="rep", period="quarter", first_treated="start", outcome="wins")
    >>> effects.rows[["group", "period", "att", "se", "n_treated", "n_controls"]].round(3).to_numpy().tolist()
    [[2.0, 2.0, 2.0, 0.707, 2.0, 2.0]]
    """
    require(controls, CONTROLS, "controls")
    require(scale, SCALES, "scale")
    wide = widen(panel, unit, period, first_treated, outcome, exposure, cluster)
    rows, att, influence, design = [], [], [], []
    for row, treated, control, now, before in comparisons(wide, controls, base, smallest, anticipation, fixed):
        (one, own), (other, others) = (_change(wide, arm, now, before, scale) for arm in (treated, control))
        rows.append(row)
        att.append(one - other)
        influence.append(own - others)
        design.append(coefficients(wide, treated, control, now, before, scale))
    names = ["group", "period", "offset", "n_treated", "n_controls", "pre"]
    shape = (len(rows), len(wide.first), len(wide.periods))
    effects = Effects(
        pd.DataFrame(rows, columns=names), np.reshape(influence, (len(rows), wide.clusters.max(initial=-1) + 1)).T,
        np.reshape(design, shape), wide.clusters, level,
    )  # fmt: skip
    ordered = ["group", "period", "offset", "att", "se", "df", "low", "high", "n_treated", "n_controls", "pre"]
    found = with_intervals(effects, np.array(att, float))
    return replace(found, rows=found.rows[ordered])


def _change(wide: Panel, arm: np.ndarray, now: int, before: np.ndarray, scale: str) -> tuple[float, np.ndarray]:
    """The arm's change since its base, and what each cluster added to it."""
    y, e = wide.outcome[arm], wide.exposure[arm]
    if scale == "difference":
        each = y[:, now] - y[:, before].mean(axis=1)
        change, own = each.mean(), (each - each.mean()) / len(each)
    else:
        (late, late_own), (early, early_own) = (_log_rate(y[:, p].sum(axis=1), e[:, p].sum(axis=1)) for p in ([now], before))
        change, own = late - early, late_own - early_own
    own, share = (
        np.bincount(wide.clusters[arm], each, wide.clusters.max() + 1) for each in (own, weights(wide, arm, now, before, scale))
    )
    with np.errstate(invalid="ignore"):  # one cluster is the whole arm: what it varies by is not known
        return float(change), own / np.sqrt(1 - share)


def _log_rate(y: np.ndarray, e: np.ndarray) -> tuple[float, np.ndarray]:
    """Logarithm of a rate and what each unit added to it; missing where nothing was counted."""
    if not (y.sum() > 0 and e.sum() > 0):
        return np.nan, y * np.nan
    return float(np.log(y.sum() / e.sum())), y / y.sum() - e / e.sum()


def with_intervals(effects: Effects, att: np.ndarray) -> Effects:
    """Standard errors, degrees of freedom and intervals of the estimates; missing where nothing varies."""
    from scipy import stats

    se = np.sqrt((effects.influence**2).sum(axis=0))
    se = np.where(se > 0, se, np.nan)
    df = freedom(effects.design, effects.clusters)
    half = stats.t.ppf(0.5 + effects.level / 2, df) * se
    return replace(effects, rows=effects.rows.assign(att=att, se=se, df=df, low=att - half, high=att + half))
