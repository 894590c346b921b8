"""How sure a KPI is: Wilson for shares of cases, the bootstrap for means and rates, order statistics for medians."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .. import statistics
from . import arithmetic
from .counted import Counted, scale
from .definitions import Definition, Ref

DRAWS, SEED = 400, 7
SMALL = 100  # up to so many cases are drawn one by one; of more, the sums they would give: these are normal then
Bounds = tuple[np.ndarray, np.ndarray]


def bounds(counted: Counted, definition: Definition, by: str | None, level: float) -> Bounds:
    """Low and high of every group of a KPI, in the order of its groups; missing for sums."""
    index = counted.groups(definition.population, by)[1]
    if definition.interval == "wilson":
        part, whole = (counted.sums(*definition.inputs[name][0], by).to_numpy() for name in ("part", "whole"))
        return statistics.wilson(part, whole, level)
    if definition.interval == "bootstrap":
        return _bootstrap(counted, definition, by, level)
    if definition.interval == "order":
        return _ordered(counted, definition, by, level)
    return np.full(len(index), np.nan), np.full(len(index), np.nan)


def quotient(sums: Sequence[np.ndarray]) -> np.ndarray:
    """A sum, or the first of two divided by the second."""
    return sums[0] if len(sums) == 1 else arithmetic.ratio(sums[0], sums[1])


def _bootstrap(counted: Counted, definition: Definition, by: str | None, level: float) -> Bounds:
    """Percentiles of the KPI over cases drawn again with replacement (Efron 1979), per group with at least two cases."""
    rows = counted.rows(definition.population)
    refs = list(dict.fromkeys(ref for own in definition.inputs.values() for ref in own))
    cells = np.column_stack([rows[measure].to_numpy() / scale(population, measure) for population, measure in refs])
    found = np.full((len(counted.groups(definition.population, by)[1]), 2), np.nan)
    for i, places in enumerate(counted.places(definition.population, by)):
        if len(places) < 2:
            continue
        sums = _resampled(cells[places])
        values = definition.function(**{name: _of(sums, refs, own) for name, own in definition.inputs.items()})
        values = values[np.isfinite(values)]
        if len(values):
            found[i] = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return found[:, 0], found[:, 1]


def _resampled(cells: np.ndarray) -> np.ndarray:
    """Sums of the columns over as many cases drawn with replacement, one row per draw; the order of the cases is nothing."""
    cells = cells[np.lexsort(cells.T)]
    if len(cells) <= SMALL:
        return _weights(len(cells)) @ cells
    # Of many cases the sums are normal (central limit theorem), with n times the cases' covariance.
    apart = cells - cells.mean(axis=0)
    size = np.sqrt((apart**2).sum(axis=0))
    size[size == 0] = 1.0
    values, vectors = np.linalg.eigh((apart / size).T @ (apart / size))
    chance = np.random.default_rng(SEED).standard_normal((DRAWS, cells.shape[1]))
    return cells.sum(axis=0) + (chance * np.sqrt(values.clip(min=0))) @ vectors.T * size


@lru_cache(maxsize=100)
def _weights(n: int) -> np.ndarray:
    """How often each of n cases is drawn, one row per draw."""
    drawn = np.random.default_rng(SEED).integers(n, size=(DRAWS, n)) + n * np.arange(DRAWS)[:, None]
    return np.bincount(drawn.ravel(), minlength=DRAWS * n).reshape(DRAWS, n).astype("float64")


def _of(sums: np.ndarray, refs: list[Ref], own: tuple[Any, ...]) -> np.ndarray:
    return quotient([sums[:, refs.index(ref)] for ref in own])


def _ordered(counted: Counted, definition: Definition, by: str | None, level: float) -> Bounds:
    """A median lies between the cases at these places (normal approximation of the binomial); of times to an end that not all
    have reached, where the survival curve's interval crosses a half."""
    z, found = statistics.normal_quantile(level), []
    for columns in counted.columns(definition, by):
        if definition.code == "half_reached":
            found.append(arithmetic.half_between(**columns, level=level))
            continue
        values = np.sort(columns["values"])
        n = len(values)
        low, high = np.floor(n / 2 - z * np.sqrt(n) / 2), np.ceil(n / 2 + z * np.sqrt(n) / 2)
        found.append((values[int(low) - 1] if low >= 1 else np.nan, values[int(high)] if high < n else np.nan))
    both = np.array(found, float).reshape(-1, 2)
    return both[:, 0], both[:, 1]
