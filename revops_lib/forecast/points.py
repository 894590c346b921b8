"""Quarters seen from one day: the deals open then, what had been won by then, what came in the end."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from .. import money, periods
from ..snapshot import Snapshot

PAST = 8  # quarters a forecast learns from
TESTED = 12  # past quarters the method is measured on
AGE_BOUNDS = (30, 90, 180, 365)  # days since creation


@dataclass(frozen=True)
class Point:
    """One quarter seen from one day: the deals open then, and what the quarter had won by then and won in the end."""

    quarter: pd.Period
    day: dt.date
    deals: pd.DataFrame  # open deals: stage_cell, age_cell, weight, crm, won_weight and is_won (while unknown: NaN, absent)
    won_to_date: float
    n_won: int
    won_later: float  # from deals created after the day; NaN while unknown
    trailing: float  # average result of the last four quarters that were over on the day; NaN without any
    last: float  # result of the last quarter that was over on the day; NaN without any

    @property
    def actual(self) -> float:
        return self.won_to_date + float(self.deals["won_weight"].sum(skipna=False)) + self.won_later


def target_quarter(snapshot: Snapshot) -> pd.Period:
    """The quarter that is forecast: the snapshot's own until its last day has passed, then the one after `as_of`."""
    following = periods.quarter_of(snapshot.as_of + dt.timedelta(days=1), snapshot.fiscal_year_end)
    return max(snapshot.quarter, following)


@lru_cache(maxsize=4)
def collect(snapshot: Snapshot) -> tuple[list[Point], str]:
    """The past quarters and, last, the target, each seen from the same point of the quarter; and the unit. Kept: every
    function of this module starts from it."""
    if "amount" in snapshot.tracked:
        snapshot.require_one_currency()
    target = target_quarter(snapshot)
    last = periods.quarter_of(snapshot.as_of + dt.timedelta(days=1), snapshot.fiscal_year_end) - 1
    quarters = [last - back for back in range(PAST + TESTED)][::-1]
    origins = {q: _same_point(snapshot.as_of, target, q) for q in [*quarters, target]}
    ends = {q: periods.last_day(q) for q in [quarters[0] - 4 + i for i in range(4)] + quarters}
    days = sorted({day for day in [*origins.values(), *ends.values()] if day <= snapshot.as_of})
    states = snapshot.states(days)
    by_day = {day.date(): frame for day, frame in states.groupby("day")}
    by_day = {day: by_day.get(day, states.iloc[:0]) for day in days}  # on some days nothing was known yet
    now = by_day[snapshot.as_of]
    is_priced = money.to_float(now.loc[now["status"] == "open", "amount"]).gt(0).any()
    unit = snapshot.currency if is_priced and "amount" in snapshot.tracked else "deals"  # past amounts must be known, too
    results = {q: won(by_day[day], q, unit)["weight"].sum() for q, day in ends.items() if day <= snapshot.as_of}
    complete = snapshot.first_complete_quarter
    results = {q: value for q, value in results.items() if complete is not None and q >= complete}
    quarters = [q for q in quarters if q in results]
    probability = snapshot.table("stages").set_index("stage")["probability"]
    uses_stage = "stage" in snapshot.tracked
    points = [
        _point(q, origins[q], by_day, None if q == target else ends[q], results, probability, unit, uses_stage)
        for q in quarters
        if q != target
    ]
    return [*points, _point(target, snapshot.as_of, by_day, None, results, probability, unit, uses_stage)], unit


def usable(points: list[Point]) -> list[Point]:
    """Past quarters whose outcome is known, those without a single win included."""
    return [p for p in points if np.isfinite(p.actual)]


def _same_point(day: dt.date, target: pd.Period, quarter: pd.Period) -> dt.date:
    """The day of `quarter` that corresponds to `day` in `target`: as many days before the end, or before the start."""
    before_start = (periods.first_day(target) - day).days
    if before_start > 0:
        return periods.first_day(quarter) - dt.timedelta(days=before_start)
    days_left = periods.last_day(target) - day
    return max(periods.last_day(quarter) - days_left, periods.first_day(quarter))


def won(state: pd.DataFrame, quarter: pd.Period, unit: str) -> pd.DataFrame:
    """Deals won in the quarter as one day's state has them: opportunity_id, close_date, weight (amount, or 1 per deal)."""
    won = state[(state["status"] == "won") & (state["close_date"].dt.to_period(quarter.freqstr) == quarter)]
    weight = 1.0 if unit == "deals" else money.to_float(won["amount"]).fillna(0)
    return won[["opportunity_id", "close_date"]].assign(weight=weight)


def _point(
    quarter: pd.Period, day: dt.date, by_day: dict[dt.date, pd.DataFrame], end: dt.date | None, results: dict[pd.Period, float],
    probability: pd.Series, unit: str, uses_stage: bool,
) -> Point:  # fmt: skip
    state = by_day[day]
    deals = state[(state["status"] == "open") & state["created_at"].notna()].copy()
    age = (pd.Timestamp(day) - deals["created_at"]).dt.days
    stage = deals["stage"].astype("object").where(deals["stage"].notna(), "") if uses_stage else ""
    deals["stage_cell"] = stage
    deals["age_cell"] = np.searchsorted(AGE_BOUNDS, age.to_numpy())
    amount = money.to_float(deals["amount"]).fillna(0)
    deals["weight"] = 1.0 if unit == "deals" else amount
    in_quarter = deals["close_date"] <= quarter.end_time
    deals["crm"] = (
        (deals["weight"] * deals["stage"].map(probability).astype("float64")).where(in_quarter, 0) if uses_stage else np.nan
    )
    so_far = won(state, quarter, unit)
    deals["won_weight"] = np.nan
    won_later = np.nan
    if end is not None and end in by_day:
        later = won(by_day[end], quarter, unit)
        later = later[~later["opportunity_id"].isin(so_far["opportunity_id"])]
        from_open = later["opportunity_id"].isin(deals["opportunity_id"])
        deals["won_weight"] = (
            deals["opportunity_id"].map(later.set_index("opportunity_id")["weight"]).astype("float64").fillna(0.0)
        )
        deals["is_won"] = deals["opportunity_id"].isin(later["opportunity_id"])
        won_later = float(later.loc[~from_open, "weight"].sum())
    before = [results[q] for q in sorted(results) if periods.last_day(q) <= day][-4:]
    return Point(
        quarter=quarter,
        day=day,
        deals=deals.reset_index(drop=True),
        won_to_date=float(so_far["weight"].sum()),
        n_won=len(so_far),
        won_later=won_later,
        trailing=float(np.mean(before)) if before else np.nan,
        last=before[-1] if before else np.nan,
    )
