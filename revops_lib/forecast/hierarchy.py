"""Forecasts made separately for teams, regions and the company, changed as little as possible until they add up.

Simulated paths add up by construction and need none of this; separate series do.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import UsageError, nearest

METHODS = ("mint_shrink", "wls", "ols")


def summing(groups: pd.DataFrame) -> pd.DataFrame:
    """Which of the finest series each series adds up, one row per series (by, member), one column per finest series: 1 or 0.

    `groups`: one row per finest series, its name in the index, a column per grouping. Rows come in the order company, the
    groupings as their columns stand, the finest. Groupings need not lie within each other.

    >>> teams = pd.DataFrame({"region": ["North", "North", "South"]}, index=pd.Index(["A", "B", "C"], name="team"))
    >>> summing(teams).astype(int).to_numpy().tolist()
    [[1, 1, 1], [1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    """
    levels = {"company": pd.Series("company", index=groups.index), **{name: groups[name] for name in groups}}
    levels[str(groups.index.name or "member")] = groups.index.to_series()
    rows = {(by, member): column == member for by, column in levels.items() for member in column.unique()}
    matrix = pd.DataFrame(rows).T.astype("float64")
    matrix.index.names = ["by", "member"]
    return matrix


def reconcile(
    base: pd.DataFrame, summing: pd.DataFrame, *, residuals: pd.DataFrame | None = None, method: str = "mint_shrink"
) -> pd.DataFrame:
    """Forecasts that add up, as close to `base` as its errors allow: same rows and columns as `base`.

    `base`: one row per series of `summing`, one column per step. `residuals`: past one-step errors of the same forecasts, one
    column per series, one row per period; rows with a gap are left out. ỹ = S(S'W⁻¹S)⁻¹S'W⁻¹ŷ (Wickramasuriya, Athanasopoulos &
    Hyndman 2019), computed as ŷ − WC'(CWC')⁻¹Cŷ with C the sums that must hold, which allows errors of 0: such a series keeps
    its forecast. W is the covariance of the errors, shrunk towards its diagonal (`mint_shrink`, Schäfer & Strimmer 2005), its
    diagonal (`wls`; without residuals the number of series added up) or the identity (`ols`). Forecasts that add up already
    come back unchanged; small ones may turn negative. Raises UsageError for a series without forecast.

    >>> teams = pd.DataFrame(index=pd.Index(["A", "B"], name="team"))
    >>> base = pd.DataFrame({1: [100.0, 40.0, 50.0]}, index=pd.MultiIndex.from_tuples(
    ...     [("company", "company"), ("team", "A"), ("team", "B")]))
    >>> reconcile(base, summing(teams), method="ols")[1].round(2).tolist()
    [96.67, 43.33, 53.33]
    """
    if method not in METHODS:
        raise UsageError(f"unknown method {method!r}", "reconcile", nearest(method, METHODS))
    if method == "mint_shrink" and residuals is None:
        raise UsageError("mint_shrink needs past errors", "residuals", "give them, or use method wls or ols")
    order = summing.index
    absent = [str(series) for series in order if series not in base.index]
    if absent or len(base) != len(order):
        raise UsageError(
            f"{len(base)} forecasts for {len(order)} series",
            f"reconcile, without forecast: {', '.join(absent[:5]) or 'none'}",
            "give one forecast per row of `summing`",
        )
    matrix, asked = summing.to_numpy(), base.loc[order].to_numpy(float)
    errors = None if residuals is None else residuals[list(order)].dropna().to_numpy(float)
    finest = _finest(summing)
    sums = np.delete(np.eye(len(order)) - matrix @ np.eye(len(order))[finest], finest, axis=0)  # C: sums · forecasts = 0
    weight = _weight(matrix, errors, method)
    changed = asked - weight @ sums.T @ np.linalg.pinv(sums @ weight @ sums.T, hermitian=True) @ (sums @ asked)
    return pd.DataFrame(matrix @ changed[finest], index=order, columns=base.columns).loc[base.index]


def _finest(summing: pd.DataFrame) -> np.ndarray:
    """Position of the row that holds each finest series alone: the last such one."""
    matrix = summing.to_numpy()
    found = [np.flatnonzero((matrix == unit).all(axis=1)) for unit in np.eye(matrix.shape[1])]
    if not all(len(rows) for rows in found):
        raise UsageError("a series that is added up has no row of its own", "summing", "build it with `summing`")
    return np.array([rows[-1] for rows in found])


def _weight(matrix: np.ndarray, errors: np.ndarray | None, method: str) -> np.ndarray:
    """W, up to a factor."""
    if method == "ols":
        return np.eye(len(matrix))
    if errors is None:
        return np.diag(matrix.sum(axis=1))
    covariance = errors.T @ errors / len(errors)
    return np.diag(np.diag(covariance)) if method == "wls" else _shrunk(covariance, errors)


def _shrunk(covariance: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """λ·diagonal + (1 − λ)·covariance, λ = Σ var(r_ij) ÷ Σ r_ij² over i ≠ j, within 0 and 1 (Schäfer & Strimmer 2005)."""
    n, sd = len(errors), np.sqrt(np.diag(covariance))
    scaled = np.divide(errors, sd, out=np.zeros_like(errors), where=sd > 0)
    correlation = scaled.T @ scaled / n
    variance = ((scaled**2).T @ scaled**2 - n * correlation**2) / (n * (n - 1))
    off = ~np.eye(len(sd), dtype=bool)
    total = (correlation[off] ** 2).sum()
    shrink = min(max(variance[off].sum() / total, 0.0), 1.0) if total > 0 else 1.0
    return shrink * np.diag(np.diag(covariance)) + (1 - shrink) * covariance
