"""Intervals, survival curves and tidy results: the arithmetic that every topic shares.

Survival counts open cases as open: a case observed for 40 days and still running says "at least 40 days" and nothing more.
Tested against published examples and against statsmodels.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

RESULT_COLUMNS = ["metric", "by", "member", "value", "unit", "n", "low", "high", "level"]


def normal_quantile(level: float) -> float:
    """Half-width of a two-sided interval of a standard normal, in standard deviations.

    >>> round(normal_quantile(0.95), 4)
    1.96
    """
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(successes: pd.Series | float, n: pd.Series | float, level: float = 0.9) -> tuple:
    """Wilson score interval of a share (low, high); NaN where n is 0. Source: Wilson 1927.

    >>> low, high = wilson(8, 10, 0.95)
    >>> float(low.round(4)), float(high.round(4))
    (0.4902, 0.9433)
    """
    z = normal_quantile(level)
    n = np.where(np.asarray(n, dtype=float) > 0, np.asarray(n, dtype=float), np.nan)
    p = np.asarray(successes, dtype=float) / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def survival_curve(
    duration: pd.Series, ended: pd.Series, level: float = 0.9, *, entry: pd.Series | None = None
) -> pd.DataFrame:
    """Share of cases still running after each duration (Kaplan & Meier 1958), one row per distinct end.

    `duration` in any unit, `ended` False for a case still open (censored there). `entry`: the duration a case had when it was
    first watched; a case that ended before that would never have been seen, so it counts as at risk only from then on (left
    truncation). Columns: time, at_risk, ended, value (0–1), low, high (Greenwood on the log scale, as R's survfit). Without a
    single end the frame is empty.
    """
    time, start = _watched(duration, entry)
    times, n_ended = np.unique(time[np.asarray(ended, bool)], return_counts=True)
    curve = pd.DataFrame({"time": times, "at_risk": _at_risk(times, time, start), "ended": n_ended})
    curve["value"] = (1 - curve["ended"] / curve["at_risk"]).cumprod()
    left = curve["at_risk"] - curve["ended"]
    error = np.sqrt((curve["ended"] / (curve["at_risk"] * left.where(left > 0))).cumsum())
    z = normal_quantile(level)
    curve["low"] = curve["value"] * np.exp(-z * error)
    curve["high"] = np.minimum(curve["value"] * np.exp(z * error), 1)
    return curve


def _watched(duration: pd.Series, entry: pd.Series | None) -> tuple[np.ndarray, np.ndarray]:
    """Durations and the durations at first watch; a case is at risk after its entry, up to its end."""
    time = np.asarray(duration, float)
    return time, np.full(len(time), -np.inf) if entry is None else np.asarray(entry, float)


def _at_risk(times: np.ndarray, time: np.ndarray, start: np.ndarray) -> np.ndarray:
    """How many cases are watched and still running just before each of `times`."""
    ended_before = np.searchsorted(np.sort(time), times, side="left")
    begun_before = np.searchsorted(np.sort(start), times, side="left")
    return begun_before - ended_before


def survival_quantile(curve: pd.DataFrame, share: float) -> tuple[float, float, float]:
    """Time by which `share` of the cases have ended, with its interval (value, low, high); NaN when not reached.

    >>> survival_quantile(survival_curve(pd.Series([1, 2, 3, 4]), pd.Series([True] * 4)), 0.5)[0]
    2.0
    """

    def first(column: str) -> float:
        below = curve.loc[curve[column] <= 1 - share + 1e-12, "time"]
        return float(below.iloc[0]) if len(below) else float("nan")

    return first("value"), first("low"), first("high")


def logrank(
    duration: pd.Series,
    ended: pd.Series,
    group: pd.Series,
    *,
    entry: pd.Series | None = None,
    strata: pd.Series | None = None,
) -> tuple[float, float]:
    """Whether two or more groups end at the same pace: chi-square and p value (Mantel 1966, Peto & Peto 1972).

    At each end, the group's share of those at risk is the share of the ends it should have had; the differences add up.
    `entry` as in `survival_curve`. `strata`: ends are compared only within a stratum, so a different mix of strata is no
    difference of pace. (NaN, NaN) where nothing can be compared: one group, or no end with two groups at risk.

    >>> chi_square, p = logrank(pd.Series([1, 2, 3, 4]), pd.Series([True] * 4), pd.Series(["a", "a", "b", "b"]))
    >>> round(chi_square, 2), round(p, 2)
    (2.88, 0.09)
    """
    from scipy.special import chdtrc

    time, start = _watched(duration, entry)
    groups = np.unique(np.asarray(group))
    layers = np.zeros(len(time), int) if strata is None else pd.factorize(strata, use_na_sentinel=False)[0]
    excess, variance = np.zeros(len(groups)), np.zeros((len(groups), len(groups)))
    for layer in np.unique(layers):
        own = layers == layer
        parts = _excess(time[own], np.asarray(ended, bool)[own], np.asarray(group)[own], start[own], groups)
        excess, variance = excess + parts[0], variance + parts[1]
    freedom = int(np.linalg.matrix_rank(variance))
    if freedom == 0:
        return np.nan, np.nan
    chi_square = float(excess @ np.linalg.pinv(variance, hermitian=True) @ excess)
    return chi_square, float(chdtrc(freedom, chi_square))


def _excess(
    time: np.ndarray, ended: np.ndarray, group: np.ndarray, start: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of each group beyond those expected, summed over all ends, and their covariance (hypergeometric at each end)."""
    times = np.unique(time[ended])
    at_risk = np.array([_at_risk(times, time[group == one], start[group == one]) for one in groups], float)
    ends = np.array([np.bincount(np.searchsorted(times, time[ended & (group == one)]), minlength=len(times)) for one in groups])
    n, d = at_risk.sum(axis=0), ends.sum(axis=0)
    share = at_risk / n
    weight = d * (n - d) / np.maximum(n - 1, 1)  # a single case left has no variance
    variance = np.diag((share * weight).sum(axis=1)) - (share * weight) @ share.T
    return (ends - share * d).sum(axis=1), variance


def holm(p: pd.Series) -> pd.Series:
    """P values corrected for being many (Holm 1979): below α, the family's chance of a single false alarm is below α.

    >>> holm(pd.Series([0.01, 0.04, 0.03, None])).round(2).tolist()
    [0.03, 0.06, 0.06, nan]
    """
    ordered = p.dropna().sort_values()
    corrected = (ordered * (len(ordered) - np.arange(len(ordered)))).cummax().clip(upper=1)
    return corrected.reindex(p.index)


def difference(one: tuple[float, float, float], other: tuple[float, float, float]) -> tuple[float, float, float]:
    """Other − one with its interval, from (value, low, high) of each: a missing bound leaves the bound missing.

    Distances to the bounds are squared and added (Newcombe 1998 method 10, Zou & Donner 2008).

    >>> a, b = (0.8, *(float(x) for x in wilson(56, 70, 0.95))), (0.6, *(float(x) for x in wilson(48, 80, 0.95)))
    >>> tuple(round(x, 4) for x in difference(b, a))  # Newcombe 1998, table II: 56/70 − 48/80
    (0.2, 0.0524, 0.3339)
    """
    value = other[0] - one[0]
    low = value - np.hypot(other[0] - other[1], one[2] - one[0])
    high = value + np.hypot(other[2] - other[0], one[0] - one[1])
    return float(value), float(low), float(high)


def cumulative_incidence(
    duration: pd.Series, cause: pd.Series, level: float = 0.9, *, entry: pd.Series | None = None
) -> pd.DataFrame:
    """Share of cases ended by each cause after each duration (Aalen & Johansen 1978), one row per end and cause.

    `cause` is missing for a case still open, `entry` as in `survival_curve`. Columns: cause, time, value (0–1), low, high,
    error (delta method). Causes compete: a lost deal can no longer be won, so the shares of all causes and of the still open
    sum to 1.
    """
    time, start = _watched(duration, entry)
    cases = pd.DataFrame({"time": time, "cause": cause.to_numpy()})
    times = np.unique(cases.loc[cases["cause"].notna(), "time"])
    at_risk = _at_risk(times, time, start)
    ended = cases.dropna().groupby(["time", "cause"]).size().unstack(fill_value=0).reindex(times, fill_value=0)
    total = ended.sum(axis=1).to_numpy()
    survival = np.cumprod(1 - total / at_risk)
    before = np.concatenate([[1.0], survival[:-1]])
    z = normal_quantile(level)
    parts = []
    for name in ended:
        d = ended[name].to_numpy()
        value = np.cumsum(before * d / at_risk)
        error = np.sqrt(_incidence_variance(value, before, d, total, at_risk))
        low, high = np.clip(value - z * error, 0, 1), np.clip(value + z * error, 0, 1)
        parts.append(pd.DataFrame({"cause": name, "time": times, "value": value, "low": low, "high": high, "error": error}))
    columns = ["cause", "time", "value", "low", "high", "error"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _incidence_variance(value: np.ndarray, before: np.ndarray, d: np.ndarray, total: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Delta-method variance of a cumulative incidence (Marubini & Valsecchi 1995, eq. 10.12), by running sums."""
    left = np.where(n > total, n - total, np.nan)
    hazard = np.nan_to_num(total / (n * left))
    own = before**2 * d * (n - d) / n**3
    cross = before * d / n**2
    squares, firsts, zeros = np.cumsum(value**2 * hazard), np.cumsum(value * hazard), np.cumsum(hazard)
    spread = value**2 * zeros - 2 * value * firsts + squares
    return np.maximum(spread + np.cumsum(own) - 2 * (value * np.cumsum(cross) - np.cumsum(value * cross)), 0)


def share_ended(curve: pd.DataFrame, cause: str, n: int, level: float) -> list[float]:
    """Share ended by a cause at the end of a `cumulative_incidence`, low and high. Where its variance is 0, as after all or
    none ended so, the interval is that of Wilson 1927 on the `n` cases watched so far; without any all are missing."""
    if not n:
        return [np.nan] * 3
    last = curve.loc[curve["cause"] == cause, ["value", "low", "high"]].tail(1).to_numpy(dtype="float64").ravel()
    value, low, high = last if len(last) else [0.0] * 3
    if high - low < 1e-6:  # rounding leaves a little
        low, high = wilson(value * n, n, level)
    return [float(value), float(low), float(high)]


def share_of_few(curve: pd.DataFrame, cause: str, n: int, level: float) -> list[float]:
    """Share ended by a cause at the end of a `cumulative_incidence`, low and high, with bounds that hold for few cases, too:
    those of Wilson 1927 for as many cases as would leave this error if none were open (Rothman 1978), which is Wilson's own
    interval where none is. `n`: cases watched so far, taken where the error is 0; without any all are missing.

    >>> curve = cumulative_incidence(pd.Series(range(32)), pd.Series(["won"] * 29 + ["lost"] * 3))
    >>> [round(share, 3) for share in share_of_few(curve, "won", 32, 0.95)]  # 29 of 32
    [0.906, 0.758, 0.968]
    """
    if not n:
        return [np.nan] * 3
    last = curve.loc[curve["cause"] == cause, ["value", "error"]].tail(1).to_numpy(dtype="float64").ravel()
    value, error = last if len(last) else (0.0, 0.0)
    cases = value * (1 - value) / error**2 if error > 1e-9 else float(n)
    low, high = wilson(value * cases, cases, level)
    return [float(value), float(low), float(high)]


def tidy(
    frame: pd.DataFrame,
    *,
    metric: str,
    unit: str,
    level: float | None = None,
    by: str = "company",
    member: str | None = None,
    value: str = "value",
    n: str = "n",
    low: str = "low",
    high: str = "high",
) -> pd.DataFrame:
    """Rows of a results file from a result frame: `member` names the group column, the other words the value columns."""

    def column(name: str) -> pd.Series:
        missing = pd.Series(np.nan, index=frame.index)
        return frame[name].astype("float64") if name in frame else missing

    result = pd.DataFrame(
        {
            "metric": metric,
            "by": by,
            "member": frame[member].astype("str") if member else "company",
            "value": column(value),
            "unit": unit,
            "n": column(n),
            "low": column(low),
            "high": column(high),
            "level": np.nan if level is None else level,
        },
        index=frame.index,
    )
    return result[RESULT_COLUMNS].reset_index(drop=True)
