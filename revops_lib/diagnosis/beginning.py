"""When a change began: the month from which a driver runs on another level, if any does."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import periods
from ..errors import DataRefused, UsageError, nearest
from ..snapshot import Snapshot
from .compared import compare, ever_closed, first_whole
from .drilldown import CELLS, STAFF, members
from .factors import DEAL_VALUE, OPPORTUNITIES

LONGEST, SHORTEST = 48, 24  # months looked at, and how many are needed
MARGIN, RECENT = 2, 24  # months left at the end, and how many may hold the beginning
SHUFFLES = 999
ALPHA = 0.05


def timeline(
    snapshot: Snapshot, *, driver: str = OPPORTUNITIES, by: str = "segment", member: str | None = None, seed: int = 1
) -> pd.DataFrame:
    """A driver month by month and the month its level changed, one row per month.

    Opportunities are counted in the month they were created, before closing delays what happened; win rate and deal value
    belong to the month of the close. Up to 48 whole months; of a `member` of `by`, else of the company. The level is a trend
    and the usual course of the year (months of the quarter, where less than three years are there); for every month of the
    last two years, a step from that month on is added, and the one that explains most is the change point (largest likelihood
    ratio of normal errors). Its p value is how often months in random order do as well, 999 times. Computed on square roots
    of counts, log odds and logarithms of amounts, each with the weight chance gives it. Columns: month (its first day), n
    (what the value rests on), value, fitted (with the step), usual (without it from there on), is_after, began (month;
    missing when p is above 5 %), p, driver, member, measure. DataRefused with fewer than 24 whole months, UsageError of groups
    of people: of a month there can be fewer than five.
    """
    if by in STAFF:
        raise UsageError(f"{by!r} makes groups of people, too small by month", "by", "name a group of deals, such as segment")
    if driver not in CELLS:
        raise UsageError(f"unknown driver {driver!r}", "driver", nearest(driver, CELLS))
    monthly = _monthly(snapshot, driver, by, member)
    if len(monthly) < SHORTEST:
        raise DataRefused(
            f"only {len(monthly)} whole months of deals are known", f"data {snapshot.data}", f"keep {SHORTEST} months or more"
        )
    y, weight = _stable(driver, monthly)
    usual = _usual(monthly["month"], snapshot.fiscal_year_end)
    n = len(monthly)
    starts = np.arange(max(MARGIN, n - RECENT), n - MARGIN + 1)
    steps = (np.arange(n)[:, None] >= starts).astype(float)
    at, p = _scan(y, weight, usual, steps, seed)
    step = steps[:, at] if p <= ALPHA else np.zeros(n)
    root = np.sqrt(weight)[:, None]
    design = np.column_stack([usual, step])
    levels = np.linalg.lstsq(design * root, y * root[:, 0], rcond=None)[0]
    monthly["fitted"] = _back(driver, design @ levels)
    monthly["usual"] = _back(driver, usual @ levels[:-1])
    monthly["is_after"] = step > 0
    monthly["began"] = monthly["month"].iloc[starts[at]] if p <= ALPHA else pd.NaT
    measure = {OPPORTUNITIES: "deals created", DEAL_VALUE: f"{snapshot.currency} a win, geometric mean"}
    return monthly.assign(p=p, driver=driver, member=member or "company", measure=measure.get(driver, "share of deals closed"))


def _monthly(snapshot: Snapshot, driver: str, by: str, member: str | None) -> pd.DataFrame:
    """Months with n and value, and won where it is a rate; only months that are whole."""
    deals = ever_closed(snapshot, compare(snapshot).whole())
    if driver == OPPORTUNITIES:
        deals = snapshot.opportunities
        deals = deals[deals["created_at"].notna()]
        dated = periods.local_day(deals["created_at"], snapshot.timezone)
    else:
        dated = deals["close_date"]
    if member is not None:
        inside = members(snapshot, deals, by, compare(snapshot)) == member
        deals, dated = deals[inside], dated[inside]
    end = pd.Timestamp(min(snapshot.as_of, periods.last_day(snapshot.quarter))) + pd.Timedelta(days=1)
    last = end.to_period("M") - 1
    first = max(first_whole(snapshot).start_time.to_period("M"), last - LONGEST + 1)
    months = pd.period_range(first, last, freq="M")
    groups = deals.groupby(dated.dt.to_period("M"))
    if driver == OPPORTUNITIES:
        n = groups.size().reindex(months, fill_value=0)
        found = pd.DataFrame({"n": n, "value": n.astype(float)})
    elif driver == DEAL_VALUE:
        logs = groups["log_amount"].agg(["count", "mean"]).reindex(months)
        found = pd.DataFrame({"n": logs["count"].fillna(0).astype("int64"), "value": np.exp(logs["mean"])})
    else:
        wins = groups["is_won"].agg(["size", "sum"]).reindex(months, fill_value=0)
        found = pd.DataFrame({"n": wins["size"], "value": wins["sum"] / wins["size"].where(wins["size"] > 0)})
    return found.reset_index(names="month").assign(month=months.start_time)


def _stable(driver: str, monthly: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Values whose variance by chance does not depend on their level, and their weights; a month without any weighs
    nothing."""
    n, value = monthly["n"].to_numpy(float), monthly["value"].fillna(0).to_numpy(float)
    if driver == OPPORTUNITIES:
        return np.sqrt(n + 3 / 8), np.ones(len(n))
    if driver == DEAL_VALUE:
        return np.log(np.where(value > 0, value, 1)), n
    won = n * value
    share = won.sum() / max(n.sum(), 1)
    return np.log((won + 0.5) / (n - won + 0.5)), n * max(share * (1 - share), 1e-9)


def _back(driver: str, y: np.ndarray) -> np.ndarray:
    if driver == OPPORTUNITIES:
        return np.maximum(y, 0) ** 2
    return np.exp(y) if driver == DEAL_VALUE else 1 / (1 + np.exp(-y))


def _usual(month: pd.Series, fiscal_year_end: str) -> np.ndarray:
    """Regressors of what is usual: level, trend, month of the year, or of the quarter where there are less than three
    years."""
    part = month.dt.month if len(month) >= 36 else (month.dt.month - periods.MONTHS.index(fiscal_year_end) - 2) % 3
    season = pd.get_dummies(part, drop_first=True).to_numpy(float)
    return np.column_stack([np.ones(len(month)), np.linspace(-1, 1, len(month)), season])


def _scan(y: np.ndarray, weight: np.ndarray, usual: np.ndarray, steps: np.ndarray, seed: int) -> tuple[int, float]:
    """The step (a column of `steps`) that takes most of what is left beside the usual, and how often shuffled months do as
    well; the first of equals."""
    root = np.sqrt(weight)
    base, _ = np.linalg.qr(usual * root[:, None])
    left = y * root - base @ (base.T @ (y * root))
    moved = steps * root[:, None]
    moved = moved - base @ (base.T @ moved)
    size = np.sqrt((moved**2).sum(axis=0))
    direction = moved / np.where(size > 1e-9, size, np.inf)
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.broadcast_to(left, (SHUFFLES, len(left))), axis=1)
    shuffled = shuffled - (shuffled @ base) @ base.T
    best = np.abs(left @ direction)
    rest = np.abs(shuffled @ direction).max(axis=1) / np.sqrt((shuffled**2).sum(axis=1))
    seen = best.max() / np.sqrt((left**2).sum()) if left.any() else 0.0
    return int(best.argmax()), float((1 + (rest >= seen - 1e-12).sum()) / (1 + SHUFFLES))
