"""What is usual of a KPI: where its next quarter lies, by its own noise from quarter to quarter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BEFORE, ENOUGH = 8, 5  # quarters looked back at, and how many of them are needed


@dataclass(frozen=True)
class Usual:
    """`mean` of the `n` quarters before; a new quarter lies between `low` and `high` in `level` of cases, further out with the
    probability `p`. Missing with fewer than five quarters, or when they are all alike."""

    mean: float
    low: float
    high: float
    p: float
    n: int


def usual(past: np.ndarray, value: float, *, unit: str, level: float) -> Usual:
    """A quarter's value against those of the quarters before it, of which the last eight count and missing ones do not.

    Prediction interval of one more observation: mean ± t(n − 1) × sd × √(1 + 1/n), two-sided p of the value's own t (Hahn &
    Meeker 1991). What is no share and above 0 throughout is looked at in logarithms, because its noise grows with its size; the
    mean is the geometric one then. A season that returns every year counts as noise, and so does growth.

    >>> past = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    >>> found = usual(past, 0.9, unit="share", level=0.9)
    >>> round(float((found.high - found.mean) / past.std(ddof=1)), 2)  # EnvStats, predIntNormHalfWidth(n = 5, conf = 0.9)
    2.34
    """
    from scipy import stats

    seen = past[-BEFORE:]
    seen = seen[np.isfinite(seen)]
    n, is_log = len(seen), unit != "share" and value > 0 and bool((seen > 0).all())
    to, back = (np.log, np.exp) if is_log else (np.asarray, np.asarray)
    seen, now = to(seen), float(to(value))
    mean = float(seen.mean()) if n else np.nan
    spread = float(seen.std(ddof=1) * np.sqrt(1 + 1 / n)) if n >= ENOUGH else np.nan
    if not spread > 1e-12 * abs(mean):
        return Usual(float(back(mean)), np.nan, np.nan, np.nan, n)
    half, p = stats.t.ppf(0.5 + level / 2, n - 1) * spread, 2 * stats.t.sf(abs(now - mean) / spread, n - 1)
    return Usual(float(back(mean)), float(back(mean - half)), float(back(mean + half)), float(p), n)
