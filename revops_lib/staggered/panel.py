"""A panel as units × periods, and which observations each effect compares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import UsageError, nearest

CONTROLS, SCALES = ("never", "not yet"), ("difference", "log ratio")


@dataclass(frozen=True)
class Panel:
    """Units × periods; `first` is the position of the first treated period, the number of periods for never."""

    periods: pd.Index
    first: np.ndarray
    outcome: np.ndarray
    exposure: np.ndarray
    clusters: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        return ~np.isnan(self.outcome * self.exposure)


def widen(panel: pd.DataFrame, unit: str, period: str, first_treated: str, outcome: str, exposure: str | None,
          cluster: str | None) -> Panel:  # fmt: skip
    """Units × periods; UsageError when a unit has two rows of a period, two starts or two clusters."""
    for column in (unit, period, first_treated, outcome, exposure or unit, cluster or unit):
        if column not in panel:
            raise UsageError(f"no column {column!r}", "panel", nearest(column, map(str, panel.columns)))
    fixed = panel.groupby(unit)[list({first_treated, cluster or unit} - {unit})].nunique(dropna=False)
    if panel.duplicated([unit, period]).any() or fixed.gt(1).to_numpy().any():
        raise UsageError("a unit has two rows of a period, two starts or two clusters", "panel", "keep one of each")
    rows = panel.set_index([unit, period])
    values = rows[outcome].astype("float64").unstack().sort_index(axis=1)
    weights = values * 0 + 1 if exposure is None else rows[exposure].astype("float64").unstack().reindex_like(values)
    units = panel.drop_duplicates(unit).set_index(unit).loc[values.index]
    start, periods = units[first_treated], values.columns
    first = np.full(len(units), len(periods))
    starts = start.notna().to_numpy()
    first[starts] = periods.searchsorted(start[starts].astype(periods.dtype) if start.dtype.kind != "f" else start[starts])
    clusters = np.asarray(pd.factorize(units.index if cluster is None else units[cluster])[0])
    return Panel(periods, first, values.to_numpy(), weights.to_numpy(), clusters)


def require(value: str, valid: tuple[str, ...], name: str) -> None:
    if value not in valid:
        raise UsageError(f"{value!r} is not known", name, nearest(str(value), valid))


def comparisons(
    wide: Panel, controls: str, base: int, smallest: int, anticipation: int = 0, fixed: bool = False
) -> list[tuple]:  # fmt: skip
    """Every group and period with enough clusters in both arms: labels, who is in which arm, which periods are compared."""
    n, found = len(wide.periods), []
    for start in np.unique(wide.first[wide.first < n]).tolist():
        known = start - anticipation  # from here on the start may already show
        for now in range(n):
            end = known if fixed else min(now, known)
            before = np.arange(end - base, end)
            if before[0] < 0:
                continue
            there = wide.seen[:, [now, *before]].all(axis=1)
            never = wide.first == n
            free = never if controls == "never" else (wide.first - anticipation > max(now, end - 1)) & (wide.first != start)
            treated, control = there & (wide.first == start), there & free
            if min(len(np.unique(wide.clusters[arm])) for arm in (treated, control)) < smallest:
                continue
            row = (wide.periods[start], wide.periods[now], now - start, int(treated.sum()), int(control.sum()), now < known)
            found.append((row, treated, control, now, before))
    return found


def coefficients(
    wide: Panel, treated: np.ndarray, control: np.ndarray, now: int, before: np.ndarray, scale: str = "difference"
) -> np.ndarray:  # fmt: skip
    """How much each observation counts, units × periods."""
    contrast = np.zeros(len(wide.periods))
    contrast[before] = -1 / len(before)
    contrast[now] += 1
    arms = [np.zeros(len(wide.first)) for _ in range(2)]
    for arm, members in zip(arms, (treated, control), strict=True):
        arm[members] = weights(wide, members, now, before, scale)
    return np.outer(arms[0] - arms[1], contrast)


def weights(wide: Panel, arm: np.ndarray, now: int, before: np.ndarray, scale: str) -> np.ndarray:
    """Share of each unit in its arm: of a mean all the same, of a ratio of sums what it brings to them."""
    if scale == "difference":
        return np.full(arm.sum(), 1 / arm.sum())
    exposure = wide.exposure[arm]
    return shares(exposure[:, now] + exposure[:, before].mean(axis=1))


def together(values: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Sums over the units of each cluster; units are the first axis."""
    sums = np.zeros((clusters.max(initial=-1) + 1, *values.shape[1:]))
    np.add.at(sums, clusters, values)
    return sums


def freedom(design: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Satterthwaite's degrees of freedom of effects × units × periods: (Σv)² ÷ Σv² of the clusters' parts v, less two of all
    the clusters for the two means. As exact as needed beside Bell & McCaffrey's own where clusters are of unequal size."""
    parts = (together(design.swapaxes(0, 1), clusters) ** 2).sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):  # no part at all: not known
        effective = parts.sum(axis=0) ** 2 / (parts**2).sum(axis=0)
        return np.maximum(effective * (1 - 2 / (parts > 0).sum(axis=0)), 1)


def shares(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum() if weights.sum() > 0 else weights * np.nan
