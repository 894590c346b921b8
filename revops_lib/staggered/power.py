"""What a design can find at all, told before anybody looks at the outcome."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .panel import CONTROLS, SCALES, Panel, coefficients, comparisons, freedom, require, shares, together, widen


def minimum_detectable_effect(
    panel: pd.DataFrame, *, unit: str, period: str, first_treated: str, outcome: str, exposure: str | None = None,
    cluster: str | None = None, controls: str = "not yet", scale: str = "difference", base: int = 1, smallest: int = 2,
    anticipation: int = 0, level: float = 0.95, power: float = 0.8,
) -> dict[str, float]:  # fmt: skip
    """The effect (simple average) that this design finds with `power` at 1 − `level`, from outcomes before treatment only.

    MDE = (t(1 − α/2) + t(power)) × se (Bloom 1995). The estimate is a sum of observations whose weights per unit add up to 0,
    so its variance follows from how far a unit drifts from the others within h periods, D(h) = ½ Var(y(t + h) − y(t)): per
    unit −Σ c(s) c(t) D(|t − s|), serial correlation included (Burlig, Preonas & Woerman 2020 ask for it). D is measured where
    both periods are untreated; beyond the longest such h it is taken as there. With `cluster` it is the cluster that drifts:
    units of one may move together. The other options are those of `group_time_effects`.

    Keys: mde, se, df, n_treated, n_controls (units compared at all), n_least (the fewest of an arm in one comparison); missing
    or 0 where there is nothing to compare.
    """
    from scipy import stats

    require(controls, CONTROLS, "controls")
    require(scale, SCALES, "scale")
    wide = widen(panel, unit, period, first_treated, outcome, exposure, cluster)
    found = comparisons(wide, controls, base, smallest, anticipation)
    post = [one for one in found if one[0][2] >= 0]
    drift = _drift(wide, scale)
    if not post or np.isnan(drift).all():
        return {"mde": np.nan, "se": np.nan, "df": np.nan, "n_treated": 0, "n_controls": 0, "n_least": 0}
    size = shares(np.array([one[0][3] for one in post], float))
    even, own = (
        np.tensordot(
            size,
            np.array([coefficients(wide, one, other, now, before, weighed) for _, one, other, now, before in post]),
            axes=1,
        )
        for weighed in ("difference", scale)
    )
    even = together(even, wide.clusters)
    lag = np.abs(np.subtract.outer(np.arange(len(wide.periods)), np.arange(len(wide.periods))))
    variance = np.maximum(-np.einsum("us,st,ut->u", even, drift[lag], even), 0)
    se, df = float(np.sqrt(variance.sum())), float(freedom(own[None], wide.clusters)[0])
    treated, control = (np.any([one[arm] for one in post], axis=0).sum() for arm in (1, 2))
    mde = float(stats.t.ppf(0.5 + level / 2, df) + stats.t.ppf(power, df)) * se
    least = min(min(one[0][3:5]) for one in post)
    return {"mde": mde, "se": se, "df": df, "n_treated": int(treated), "n_controls": int(control), "n_least": least}


def _drift(wide: Panel, scale: str) -> np.ndarray:
    """D(h) of untreated outcomes per distance h, relative to their mean on the scale of ratios; all missing without a pair."""
    n = len(wide.periods)
    free = wide.seen & (np.arange(n) < wide.first[:, None])
    y, e = np.where(free, wide.outcome, np.nan), np.where(free, wide.exposure, np.nan)
    if scale == "log ratio":
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.nansum(y, axis=0) / free.sum(axis=0)
            y = (y - np.nansum(y, axis=0) / np.nansum(e, axis=0) * e) / mean
    counts = together(np.where(np.isnan(y), 0.0, 1.0), wide.clusters)
    with np.errstate(invalid="ignore"):
        y = together(np.nan_to_num(y), wide.clusters) / counts  # mean of the cluster's units
    drift = np.full(n, np.nan)
    drift[0] = 0
    for h in range(1, n):
        change = y[:, h:] - y[:, :-h]
        counted = (~np.isnan(change)).sum(axis=0)
        enough = counted > 1
        if enough.any():
            spread = np.nansum((change[:, enough] - np.nanmean(change[:, enough], axis=0)) ** 2)
            drift[h] = spread / (counted[enough] - 1).sum() / 2
    known = pd.Series(drift).where(np.arange(n) > 0)
    return np.where(np.arange(n) == 0, 0.0 if known.notna().any() else np.nan, known.ffill())
