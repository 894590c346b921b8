"""Which cells (stage × segment) slowed down: advances observed against those at the cell's own past pace.

What all cells share (a slow market) is removed first, and the spread between past quarters decides what counts as unusual.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import periods, statistics
from ..snapshot import Snapshot
from .spells import LOOKBACK, spells

RECENT = 4  # quarters that are compared
WEEK_BOUNDS = (1, 2, 3, 4, 6, 8, 12, 16, 26)  # weeks in stage


def ranking(snapshot: Snapshot, *, level: float = 0.9) -> pd.DataFrame:
    """Cells (stage × segment) by how much they slowed down, one row per cell, worst first.

    Last four complete quarters against the eight before them. Columns: stage, segment, n (advances), expected (at the cell's
    past pace), ratio (observed ÷ expected, the quarter's common factor removed; missing without a past), low, high, z, is_alert
    (Holm 5 %, one-sided), n_open and open_amount (deals in the cell now), unit. Raises NoHistory.
    """
    snapshot.require_one_currency()
    found = spells(snapshot)
    last = periods.quarter_of(snapshot.as_of, snapshot.fiscal_year_end)
    last = last if snapshot.as_of >= periods.last_day(last) else last - 1
    weeks = _deal_weeks(snapshot, found)
    recent = weeks[(weeks["quarter"] > last - RECENT) & (weeks["quarter"] <= last)]
    past = weeks[(weeks["quarter"] > last - RECENT - LOOKBACK) & (weeks["quarter"] <= last - RECENT)]
    cells = _observed_expected(recent, past, ["stage", "segment"])
    quarters = _observed_expected(past, past, ["stage", "segment", "quarter"])
    before = quarters.groupby(["stage", "segment"])["n"].sum().rename("n_past")
    cells = cells.join(before, on=["stage", "segment"]).fillna({"n_past": 0})
    spread = _between_quarters(quarters) * (1 / RECENT + 1 / LOOKBACK)
    y = np.log((cells["n"] + 0.5) / (cells["expected"] + 0.5))
    v = 1 / (cells["n"] + 0.5) + 1 / (cells["n_past"] + 0.5) + spread  # the past pace is an estimate, too
    v = v.where(cells["expected"] > 0, np.inf)  # nothing to compare with: says nothing, weighs nothing
    others, others_v = _common_factor(y.to_numpy(), v.to_numpy())
    effect, error = y - others, np.sqrt(v + others_v)
    half = statistics.normal_quantile(level) * error
    cells["ratio"], cells["low"], cells["high"] = np.exp(effect), np.exp(effect - half), np.exp(effect + half)
    unknown = cells["expected"] == 0
    cells.loc[unknown, ["ratio", "low", "high"]] = np.nan
    cells["z"] = (effect / error).mask(unknown)
    cells["is_alert"] = _holm(cells["z"], 0.05)
    running = found[found["end"].isna()].merge(snapshot.opportunities[["opportunity_id", "amount"]], on="opportunity_id")
    now = running.groupby(["stage", "segment"]).agg(n_open=("amount", "size"), open_amount=("amount", "sum"))
    table = cells.join(now, on=["stage", "segment"]).sort_values("z", kind="stable", ignore_index=True)
    table["n_open"] = table["n_open"].fillna(0).astype("int64")
    names = ["stage", "segment", "n", "expected", "ratio", "low", "high", "z", "is_alert", "n_open", "open_amount"]
    return table[names].assign(unit="ratio")


def _deal_weeks(snapshot: Snapshot, found: pd.DataFrame) -> pd.DataFrame:
    """Weeks spent in each cell and advances, one row per stay and started week: stage, segment, quarter, bucket, advanced."""
    n_weeks = np.maximum(np.ceil(found["days"].to_numpy() / 7), 1).astype(int)
    row = np.repeat(np.arange(len(found)), n_weeks)
    week = np.arange(len(row)) - np.repeat(np.cumsum(n_weeks) - n_weeks, n_weeks)
    stay = found.iloc[row]
    started = stay["from_at"].to_numpy() + week.astype("timedelta64[D]") * 7
    is_last = week == n_weeks[row] - 1
    return pd.DataFrame(
        {
            "stage": stay["stage"].to_numpy(),
            "segment": stay["segment"].to_numpy(),
            "quarter": periods.local_day(pd.Series(started), snapshot.timezone)
            .dt.to_period(f"Q-{snapshot.fiscal_year_end}")
            .array,
            "bucket": np.searchsorted(WEEK_BOUNDS, week, side="right"),
            "advanced": is_last & (stay["end"] == "advanced").to_numpy(),
        }
    )


def _observed_expected(weeks: pd.DataFrame, past: pd.DataFrame, cell: list[str]) -> pd.DataFrame:
    """Advances of each cell against those at the past rate of the same stage, segment and weeks in stage. A stage the past
    never saw has nothing to be compared with: 0 expected."""
    where = weeks.groupby(list(dict.fromkeys([*cell, "bucket"])))["advanced"].agg(["sum", "size"]).reset_index()
    rate = past.groupby(["stage", "segment", "bucket"])["advanced"].mean().rename("rate")
    coarse = past.groupby("stage")["advanced"].mean()  # for weeks in stage, or a segment, the past never saw
    where = where.join(rate, on=["stage", "segment", "bucket"])
    where["expected"] = where["size"] * where["rate"].fillna(where["stage"].map(coarse))
    return where.groupby(cell).agg(n=("sum", "sum"), expected=("expected", "sum")).reset_index()


def _between_quarters(quarters: pd.DataFrame) -> float:
    """One variance of log(observed ÷ expected) between quarters for all cells, the quarter's common factor removed."""
    y = np.log((quarters["n"] + 0.5) / (quarters["expected"] + 0.5))
    w = quarters["n"] + 0.5
    common = (w * y).groupby(quarters["quarter"]).transform("sum") / w.groupby(quarters["quarter"]).transform("sum")
    y = y - common
    cell = [quarters["stage"], quarters["segment"]]
    mean = (w * y).groupby(cell).transform("sum") / w.groupby(cell).transform("sum")
    q = (w * (y - mean) ** 2).sum()
    total = w.groupby(cell).sum()
    freedom = len(quarters) - len(total)
    scale = (total - (w**2).groupby(cell).sum() / total).sum()
    return float(max(0.0, (q - freedom) / scale)) if scale > 0 else 0.0


def _common_factor(y: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision-weighted mean of all other cells, and its variance, for each cell."""
    w = 1 / v
    others = w.sum() - w
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(others > 0, ((w * y).sum() - w * y) / others, 0.0)
        variance = np.where(others > 0, 1 / others, 0.0)
    return mean, variance


def _holm(z: pd.Series, alpha: float) -> pd.Series:
    """Which one-sided tests (small z) stay significant after Holm's correction (Holm 1979)."""
    from statistics import NormalDist

    p = z.dropna().map(NormalDist().cdf).sort_values()
    steps = p <= alpha / (len(p) - np.arange(len(p)))
    return steps.cummin().reindex(z.index, fill_value=False).astype(bool)
