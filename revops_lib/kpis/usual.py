"""What is usual of a KPI: where its next quarter lies, by its own noise from quarter to quarter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

YEAR = 4  # quarters
LOOKED_AT = 12  # quarters before
BEFORE, ENOUGH = 8, 5  # where season and trend cannot be told: quarters looked back at, and how many of them are needed
SEASONAL = 9  # quarters needed to tell season and trend, and still see the noise


@dataclass(frozen=True)
class Usual:
    """`mean`: what is to be expected; a new quarter lies between `low` and `high` in `level` of cases, further out with the
    probability `p`; from `n` quarters, by their season and trend where `is_seasonal`. Missing with fewer than five quarters, or
    when nothing in them varies."""

    mean: float
    low: float
    high: float
    p: float
    n: int
    is_seasonal: bool


def usual(past: np.ndarray, value: float, *, unit: str, level: float) -> Usual:
    """A quarter's value against those of the quarters before it, the newest last, missing ones as NaN.

    With nine quarters of the last twelve: a season and a steady trend, by least squares (one mean for each quarter of the year
    and a slope), so that neither raises nor hides anything; with fewer the mean of the last eight. Prediction interval of one
    more observation: expected ± t(degrees of freedom) × sd × √(1 + leverage), two-sided p of its own t (Hahn & Meeker 1991,
    Draper & Smith 1998). What is no share and above 0 throughout is looked at in logarithms, because its noise grows with its
    size; the mean is the geometric one then.

    >>> past = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    >>> found = usual(past, 0.9, unit="share", level=0.9)
    >>> round(float((found.high - found.mean) / past.std(ddof=1)), 2)  # EnvStats, predIntNormHalfWidth(n = 5, conf = 0.9)
    2.34
    """
    from scipy.special import stdtr, stdtrit  # Student's t; scipy.stats would take a second to load

    past = np.asarray(past, float)[-LOOKED_AT:]
    ago = np.arange(len(past), 0, -1)[np.isfinite(past)]  # quarters before the one judged
    seen = past[np.isfinite(past)]
    is_log = unit != "share" and value > 0 and bool((seen > 0).all())
    to, back = (np.log, np.exp) if is_log else (np.asarray, np.asarray)
    is_seasonal = len(seen) >= SEASONAL and len({*ago % YEAR}) == YEAR
    if not is_seasonal:
        seen, ago = seen[ago <= BEFORE], ago[ago <= BEFORE]
    n, seen, now = len(seen), to(seen), float(to(value))
    if n < ENOUGH:
        return Usual(float(back(seen.mean())) if n else np.nan, np.nan, np.nan, np.nan, n, is_seasonal)
    known, new = (_terms(quarters, is_seasonal) for quarters in (ago, np.zeros(1, int)))
    fitted = np.linalg.pinv(known)
    mean, free = (new @ fitted @ seen).item(), n - known.shape[1]
    left = seen - known @ (fitted @ seen)
    spread = float(np.sqrt((left**2).sum() / free * (1 + ((new @ fitted) ** 2).sum())))
    if not spread > 1e-9 * max(abs(mean), abs(seen).max()):
        return Usual(float(back(mean)), np.nan, np.nan, np.nan, n, is_seasonal)
    half, p = stdtrit(free, 0.5 + level / 2) * spread, 2 * stdtr(free, -abs(now - mean) / spread)
    return Usual(float(back(mean)), float(back(mean - half)), float(back(mean + half)), float(p), n, is_seasonal)


def _terms(ago: np.ndarray, is_seasonal: bool) -> np.ndarray:
    """What a quarter's value is made of: a mean, or one for its place in the year and the time."""
    if not is_seasonal:
        return np.ones((len(ago), 1))
    return np.column_stack([ago, *(ago % YEAR == place for place in range(YEAR))]).astype(float)
