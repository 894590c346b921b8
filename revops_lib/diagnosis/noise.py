"""What is usual: past quarters judged by the same comparison, and which changes stand out of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..snapshot import Snapshot
from .compared import Comparison, first_whole
from .factors import DRIVERS, mean_before, split

PAST, ENOUGH = 12, 6  # past quarters looked at, and how many are needed
ALPHA = 0.02  # share of false discoveries among changes called beyond noise


def past_comparisons(snapshot: Snapshot, comparison: Comparison) -> list[Comparison]:
    """The same comparison made in up to twelve past quarters, oldest first, as far back as all closed deals are there.

    They end with the first quarter compared: what is to be explained may have begun after it, and is no yardstick of itself.
    """
    first, ago = first_whole(snapshot), (comparison.after - comparison.before[0]).n
    past = [comparison.shifted(back) for back in range(ago + PAST - 1, ago - 1, -1)]
    return [one for one in past if one.before[0] >= first]


def past_parts(table: np.ndarray, quarters: list[pd.Period], past: Sequence[Comparison]) -> pd.DataFrame:
    """Parts of the change in past comparisons, each as a share of the mean bookings of its two periods: one row per quarter, a
    column per driver and one for bookings; NaN where nothing was booked."""
    rows = []
    for one in past:
        before, after = mean_before(table, quarters, one)
        parts = {driver: part.sum() for driver, part in split(before, after).items()}
        booked = (before[2].sum() + after[2].sum()) / 2
        scaled = {name: part / booked if booked > 0 else np.nan for name, part in parts.items()}
        rows.append({"bookings": sum(scaled.values()), **scaled})
    return pd.DataFrame(rows, columns=["bookings", *DRIVERS], dtype="float64")


def against_past(value: float, past: pd.Series, level: float) -> dict[str, float]:
    """How far a value lies from past ones: `usual` (their mean), usual_low and usual_high (where a new one lies in `level` of
    cases), t, n_past. A new value spreads around the mean of n past ones by sd × √(1 + 1/n), as Student's t. With fewer than
    six, or none that differ, only the mean is known."""
    from scipy import stats

    seen = past.dropna()
    n, mean, spread = len(seen), seen.mean(), seen.std() * np.sqrt(1 + 1 / max(len(seen), 1))
    if n < ENOUGH or not spread > 0:
        return {"usual": float(mean), "usual_low": np.nan, "usual_high": np.nan, "t": np.nan, "n_past": n}
    half = stats.t.ppf(0.5 + level / 2, n - 1) * spread
    t = (value - mean) / spread
    return {"usual": mean, "usual_low": mean - half, "usual_high": mean + half, "t": t, "n_past": n}


def two_sided(t: pd.Series, freedom: pd.Series) -> pd.Series:
    """p values of Student's t; missing stays missing."""
    from scipy import stats

    return pd.Series(2 * stats.t.sf(t.abs().to_numpy(float), freedom.to_numpy(float)), index=t.index)


def beyond(p: pd.Series, alpha: float = ALPHA) -> pd.Series:
    """Which p values stand out when at most the share `alpha` of those named may be false (Benjamini & Hochberg 1995)."""
    from scipy import stats

    known = p.dropna()
    if known.empty:
        return pd.Series(False, index=p.index)
    found = pd.Series(stats.false_discovery_control(known), index=known.index) <= alpha
    return found.reindex(p.index, fill_value=False)
