"""Which stages, and which segments of a stage, slowed down: advances observed against those at the own past pace.

What all stages share (a slow market) is removed first, and the spread between past quarters decides what counts as unusual.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pandas as pd

from .. import statistics
from ..snapshot import Snapshot
from .hazards import exposure, stays
from .shifts import ALL, against_past, chosen, compared, ordered
from .spells import LOOKBACK


def ranking(snapshot: Snapshot, *, level: float = 0.9, alpha: float = 0.05) -> pd.DataFrame:
    """Stages, and segments of a stage, by how much they slowed down: one row per stage in all segments (segment "all") and per
    stage and segment. The stage with most evidence of a slowdown comes first (harmonic mean p of its rows, Wilson 2019: slow in
    all segments and slow in one have equal chances), within a stage the row that stands out most.

    The last complete quarter against the eight before it, by advances per day at risk within segment and weeks in the stage
    (in the last stage also week of the quarter). A slowdown that has lasted shows in the last four quarters against the eight
    before; a row tells of them when they stand out more. What is removed: the slowness that the other stages share
    (precision-weighted mean of their log ratios, at most 0). What counts as unusual: chance and one spread between quarters for
    all rows, estimated from the past (half-Cauchy prior, Gelman 2006).

    Columns: stage, segment, quarters (compared: 1 or 4), n (advances), expected (at the own past pace), ratio (observed ÷
    expected, the common factor removed; missing without a past), low, high, z (square-root scale), is_alert (one-sided,
    weighted Holm 1979 over all rows at `alpha`), against_best (pace ÷ that of the fastest segment with ten advances at the same
    stage, for equal weeks in it), lost, lost_expected (at the past pace), lost_ratio, n_open and open_amount (deals there now),
    unit. An open deal is at risk until the snapshot's day. With a single segment only the rows "all" stand. Raises NoHistory,
    and DataRefused when amounts are in several currencies or no deal has entered a stage.

    >>> snapshot = Snapshot("data/sample", quarter="2026Q3")
    >>> print(*ranking(snapshot).iloc[0][["stage", "segment", "quarters", "is_alert"]])
    Proposal SMB 4 True
    """
    snapshot.require_one_currency()
    found = stays(snapshot)
    table = chosen(exposure(snapshot, found), alpha)
    half = statistics.normal_quantile(level) * table["error"]
    table["ratio"] = np.exp(table["effect"])
    table["low"], table["high"] = np.exp(table["effect"] - half), np.exp(table["effect"] + half)
    table = table.merge(_open_now(snapshot, found), how="left", on=["stage", "segment"])
    table["n_open"] = table["n_open"].fillna(0).astype("int64")
    table = ordered(table)
    names = ["stage", "segment", "quarters", "n", "expected", "ratio", "low", "high", "z", "is_alert", "against_best", "lost",
             "lost_expected", "lost_ratio", "n_open", "open_amount"]  # fmt: skip
    return table[names].assign(unit="ratio")


def locate(snapshot: Snapshot, *, level: float = 0.9, alpha: float = 0.05) -> pd.DataFrame:
    """Where the stage that stands out most slowed down: the rows of `ranking` of the stage that comes first there."""
    found = ranking(snapshot, level=level, alpha=alpha)
    return found[found["stage"] == found["stage"].iloc[0]].reset_index(drop=True)


def detectable(snapshot: Snapshot, *, power: float = 0.8, alpha: float = 0.05) -> pd.DataFrame:
    """The mildest slowdown that the last quarter would have shown, one row per row of `ranking`.

    Columns: stage, segment, expected (advances in the quarter), ratio (a pace of this share of the past or below is flagged
    with at least this `power`; missing when even a standstill could hide), unit. It is the distance at which a normal test with
    the row's own variance passes the first step of Holm. Raises as `ranking`.
    """
    snapshot.require_one_currency()
    found = compared(exposure(snapshot, stays(snapshot)), 1)
    mean, slack = found["mean"].to_numpy()[:, None], found["slack"].to_numpy()[:, None]
    critical = -found["share"].map(lambda share: NormalDist().inv_cdf(alpha * share)).to_numpy()[:, None]
    tried = np.arange(0.0, 1.0, 0.005)[None, :]
    distance = 2 * np.sqrt(mean) * (1 - np.sqrt(tried))
    needed = critical * np.sqrt(1 + mean * slack) + NormalDist().inv_cdf(power) * np.sqrt(1 + tried * mean * slack)
    seen = distance >= needed
    found["ratio"] = np.where(seen.any(axis=1), np.where(seen, tried, 0).max(axis=1), np.nan)
    return found[["stage", "segment", "expected", "ratio"]].assign(unit="ratio")


def market(snapshot: Snapshot, *, level: float = 0.9) -> pd.DataFrame:
    """What all stages share: their pace in the last complete quarter and the eight before, one row per quarter.

    Columns: quarter, value (pace ÷ the mean of the eight quarters; the mean over stages without the slowest and the fastest,
    for one stuck stage is no slow market), low, high (the usual spread between quarters around it, t distribution),
    is_market_wide (the last quarter lies below what the eight others let expect: one-sided 5 %; never with fewer than three
    stages, of which one stuck stage would be most), unit. Raises NoHistory, and DataRefused when no deal has entered a stage.
    """
    data = exposure(snapshot, stays(snapshot))
    pace = against_past(data, 1)
    weight = pace.past_expected.sum(axis=1) + 0.5
    y = np.log((pace.past.sum(axis=1) + 0.5) / weight)
    last = np.log((pace.n.sum(axis=1) + 0.5) / (pace.expected.sum(axis=1) + 0.5))
    watched = np.asarray(pace.watched.any(axis=(0, 1)))
    common = np.array([_trimmed(of, w) for of, w in zip(y.T, weight.T, strict=True)])[watched]
    now = _trimmed(last, pace.expected.sum(axis=1) + 0.5)
    quarters = [q for q, seen in zip(data.quarters[-1 - LOOKBACK : -1], watched, strict=True) if seen]
    values = np.append(common, now) - (common.mean() if len(common) else np.nan)
    error = common.std(ddof=1) * np.sqrt(1 + 1 / len(common)) if len(common) > 2 else np.nan
    half = error * _t_quantile(0.5 + level / 2, len(common) - 1)
    table = pd.DataFrame({"quarter": [*quarters, data.quarters[-1]], "value": np.exp(values)})
    table["low"], table["high"] = np.exp(values - half), np.exp(values + half)
    is_slow = len(data.stages) > 2 and bool(values[-1] < -error * _t_quantile(0.95, len(common) - 1))
    table["is_market_wide"] = [*[False] * len(quarters), is_slow]
    return table.assign(unit="ratio")


def _trimmed(y: np.ndarray, weight: np.ndarray) -> float:
    """Weighted mean without the smallest and the largest, where there are more than two."""
    inner = np.argsort(y, kind="stable")[1:-1] if len(y) > 2 else np.arange(len(y))
    return float(np.average(y[inner], weights=weight[inner]))


def _t_quantile(share: float, freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf(share, freedom)) if freedom > 1 else float("nan")


def _open_now(snapshot: Snapshot, found: pd.DataFrame) -> pd.DataFrame:
    """Deals now in each stage, in all segments and in each: stage, segment, n_open, open_amount."""
    running = found[found["end"].isna()].merge(snapshot.opportunities[["opportunity_id", "amount"]], on="opportunity_id")
    both = pd.concat([running.assign(segment=ALL), running])
    return both.groupby(["stage", "segment"]).agg(n_open=("amount", "size"), open_amount=("amount", _known_sum)).reset_index()


def _known_sum(amounts: pd.Series) -> object:
    """The exact sum of the amounts that are known; missing without any."""
    return amounts.sum(min_count=1)
