"""A history per week, month or quarter and what follows it: the mean of three models, with intervals widened or narrowed until
they would have held in the past.

A series knows nothing of the pipeline: it is the anchor for horizons beyond it, and the answer where a source has no deals.
"""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pandas as pd

from .. import money, periods
from ..errors import DataRefused, UsageError, nearest
from ..snapshot import Snapshot
from . import members

FEW = 8  # values below which no model is fitted
ORIGINS = 12  # past forecasts below which an interval is called not yet calibrated
MOST_ORIGINS = 14  # past forecasts made at most, spread evenly: each costs nearly as much as the forecast itself
LONGEST_SEASON = 24  # steps; a longer season has too many states for the series of a company
SPARSE = 0.2  # share of missing values above which a series is refused
MEASURES = {"bookings": "opportunities", "mrr": "subscriptions", "leads": "leads", "tickets": "tickets"}  # and their tables
FREQUENCIES = {"week": ("W-SUN", 13), "month": ("M", 12), "quarter": ("Q", 4)}  # pandas frequency, steps per season


def series_outlook(
    snapshot: Snapshot, *, measure: str = "bookings", every: str = "quarter", horizon: int = 4, level: float = 0.8
) -> pd.DataFrame:
    """What the history of a measure lets expect, one row per future period: period, the columns of `project`, unit.

    The first period is the one after the last complete one, so the running one when there is one. Seasons are a year of months
    or quarters, and a quarter of weeks. Raises what `series` and `project` raise.
    """
    history = series(snapshot, measure=measure, every=every)
    frequency, season = _frequency(snapshot, every)
    ahead = project(history["value"], horizon=horizon, season=season, level=level)
    following = pd.period_range(pd.Period(history["period"].iloc[-1], freq=frequency) + 1, periods=horizon, freq=frequency)
    return ahead.assign(period=following.astype("str"), unit=history["unit"].iloc[0])[["period", *ahead.columns, "unit"]]


def series(snapshot: Snapshot, *, measure: str = "bookings", every: str = "quarter") -> pd.DataFrame:
    """History of a measure, one row per complete period: period, value, unit.

    `bookings`: won amount by close date (won deals where no won deal has an amount; one without among others counts 0). `mrr`:
    recurring revenue per month on the period's last day, trials left out. `leads`, `tickets`: how many were created, opened.
    `every` is week (Monday to Sunday), month or fiscal quarter. Only periods that ended by the snapshot's day and began when
    the source already kept such events; a period without any is a row with 0. Raises DataRefused without the table, without a
    complete period, and for sums over several currencies.

    >>> series(Snapshot("data/sample", quarter="2026Q3"), measure="leads").columns.tolist()
    ['period', 'value', 'unit']
    """
    if measure not in MEASURES:
        raise UsageError(f"unknown measure {measure!r}", "measure", nearest(measure, MEASURES))
    if measure != "bookings" and not snapshot.has(table := MEASURES[measure]):
        raise DataRefused(f"this source has no {table}", f"data {snapshot.data}", f"bring the table {table} to see {measure}")
    frequency, _ = _frequency(snapshot, every)
    if measure == "mrr":
        values, unit = _recurring(snapshot, frequency), snapshot.currency
    else:
        events, since, unit = _bookings(snapshot) if measure == "bookings" else _created(snapshot, measure)
        length = (pd.Period(since, freq=frequency).end_time - pd.Period(since, freq=frequency).start_time).days
        first = pd.Period(since - dt.timedelta(days=length // 6), freq=frequency) + 1  # a sixth of a period of grace
        complete = _complete(snapshot, first)
        values = events.groupby(events.index.to_period(frequency)).sum().reindex(complete, fill_value=0.0)
    return pd.DataFrame({"period": values.index.astype("str"), "value": values.to_numpy(float), "unit": unit})


def project(
    values: pd.Series, *, horizon: int, season: int, level: float = 0.8, calibrate: bool = True, seasonal: bool | None = None,
    refined: int = members.REFINED,
) -> pd.DataFrame:  # fmt: skip
    """Forecast of a series from its values alone, one row per future step.

    Columns: step, low, value, high, level, p10, p50, p90 (the unit of the series), method and calibration (what was done, in
    words). `value` is the mean of Theta, exponential smoothing and structural components, `low` and `high` the mean of their
    quantiles, stretched by what forecasts of the same kind from earlier origins missed (conformal: the ⌈(k+1)·level⌉-th
    smallest of k, Vovk, Gammerman & Shafer 2005; steps pooled). With fewer than 12 origins they are only ever stretched, and
    called not yet calibrated. `season` steps make a season; it is left out below two seasons and a value; `seasonal=True`
    insists on it and is refused below three. Fewer than 8 values: the last one, the mean change, and the changes' own spread.
    `refined`: how many of the 15 forms of exponential smoothing get their initial states estimated; 0 is several times faster.

    Missing values in between are interpolated, leading ones dropped. A series that was never negative is not forecast negative.
    Raises DataRefused when nothing can be said: no value, the last one missing, more than a fifth missing, a season asked for.

    >>> project(pd.Series([10.0, 12, 11, 13]), horizon=2, season=4)[["step", "value"]].to_dict("list")
    {'step': [1, 2], 'value': [14.0, 15.0]}
    """
    if horizon < 1 or season < 1 or not 0 < level < 1:
        raise UsageError(
            f"horizon {horizon}, season {season}, level {level}", "project", "horizon and season from 1 on, level in (0, 1)"
        )
    known, remark = _known(values)
    season, about_season = _season(len(known), season, seasonal)
    probabilities = [(1 - level) / 2, 0.1, 0.5, 0.9, (1 + level) / 2]
    if known.nunique() == 1:
        answer, method = np.full((5, horizon), np.nan), "the one value ever seen"
        answer[2] = known.iloc[0]
        calibration = "no spread was ever seen, so none is shown"
    elif len(known) < FEW:
        answer = members.drift(known, horizon, probabilities)
        method, calibration = f"last value and mean change: {len(known)} values", "not yet calibrated"
    else:
        answer, replaced = members.mean(known, horizon, season, probabilities, refined=refined)
        method = f"mean of Theta, exponential smoothing and structural components, {about_season}"
        method += f"; {' and '.join(replaced)} replaced by the seasonal naive" if replaced else ""
        answer, calibration = _calibrated(answer, known, season, probabilities) if calibrate else (answer, "not asked for")
    answer = members.bounded(answer, known)
    names = ["low", "p10", "p50", "p90", "high"]
    frame = pd.DataFrame(dict(zip(names, answer, strict=True))).assign(
        step=np.arange(1, horizon + 1), value=answer[2], level=level, method=method + remark, calibration=calibration
    )
    return frame[["step", "low", "value", "high", "level", "p10", "p50", "p90", "method", "calibration"]]


def _frequency(snapshot: Snapshot, every: str) -> tuple[str, int]:
    """The pandas frequency and the steps of a season."""
    if every not in FREQUENCIES:
        raise UsageError(f"unknown period {every!r}", "every", nearest(every, FREQUENCIES))
    frequency, season = FREQUENCIES[every]
    return (f"{frequency}-{snapshot.fiscal_year_end}" if every == "quarter" else frequency), season


def _complete(snapshot: Snapshot, first: pd.Period) -> pd.PeriodIndex:
    """Periods from `first` to the last one that was over on the snapshot's day."""
    last = pd.Period(snapshot.as_of + dt.timedelta(days=1), freq=first.freqstr) - 1
    if last < first:
        raise DataRefused(
            f"no complete period: the first is {first}",
            f"data {snapshot.data}, as of {snapshot.as_of}",
            "ask a later day or shorter periods, or import an export that reaches further back",
        )
    return pd.period_range(first, last, freq=first.freqstr)


def _bookings(snapshot: Snapshot) -> tuple[pd.Series, dt.date, str]:
    """Won amounts by close date, the first day they are complete from, and their unit."""
    snapshot.require_one_currency()
    deals = snapshot.opportunities
    won = deals[(deals["status"] == "won") & deals["close_date"].notna()]
    if snapshot.first_complete_quarter is None or won.empty:
        raise DataRefused("no deal has been won", f"data {snapshot.data}, as of {snapshot.as_of}", "ask a later day")
    is_priced = won["amount"].notna().any()
    weight = money.to_float(won["amount"]).fillna(0.0).to_numpy() if is_priced else 1.0
    events = pd.Series(weight, index=pd.DatetimeIndex(won["close_date"]))
    return events, periods.first_day(snapshot.first_complete_quarter), snapshot.currency if is_priced else "deals"


def _created(snapshot: Snapshot, measure: str) -> tuple[pd.Series, dt.date, str]:
    """One per lead or ticket by local day, the first day they are kept from, and their unit."""
    column = {"leads": "created_at", "tickets": "opened_at"}[measure]
    days = periods.local_day(snapshot.table(measure)[column].dropna(), snapshot.timezone)
    return pd.Series(1.0, index=pd.DatetimeIndex(days)), _since(snapshot, days), measure


def _recurring(snapshot: Snapshot, frequency: str) -> pd.Series:
    """Recurring revenue running on the last day of each complete period: started by then, not ended before it. What ends before
    it starts never ran."""
    contracts = snapshot.table("subscriptions")
    never_ran = contracts["end_date"] < contracts["start_date"]
    contracts = contracts[~contracts["is_trial"].fillna(False).astype("bool") & ~never_ran]
    currencies = sorted({*contracts["currency"].dropna(), snapshot.currency})
    if len(currencies) > 1:
        where = f"data {snapshot.data}, table subscriptions"
        raise DataRefused(f"revenue in {' and '.join(currencies)} cannot be summed", where, f"bring it in {snapshot.currency}")
    complete = _complete(snapshot, pd.Period(_since(snapshot, contracts["start_date"]), freq=frequency))
    ends = complete.end_time.normalize()
    revenue = money.to_float(contracts["mrr"])
    started = revenue.groupby(contracts["start_date"]).sum().cumsum()
    ended = revenue.groupby(contracts["end_date"] + pd.Timedelta(days=1)).sum().cumsum()
    running = [started[:end].iloc[-1:].sum() - ended[:end].iloc[-1:].sum() for end in ends]
    return pd.Series(running, index=complete)


def _since(snapshot: Snapshot, days: pd.Series) -> dt.date:
    """The first of three events within thirty days, so that one mistyped date does not start the series; else the first."""
    ordered = days.dropna().sort_values(ignore_index=True)
    if ordered.empty:
        raise DataRefused("nothing has happened yet", f"data {snapshot.data}, as of {snapshot.as_of}", "ask a later day")
    dense = ordered[(ordered.shift(-2) - ordered).dt.days <= 30]
    return (dense if len(dense) else ordered).iloc[0].date()


def _known(values: pd.Series) -> tuple[pd.Series, str]:
    """The values as floats without leading and inner gaps, and what was done about them."""
    given = money.to_float(pd.Series(values)).reset_index(drop=True)
    first = given.first_valid_index()
    if first is None:
        raise DataRefused("a series without a single value", "project", "ask for a measure that the source has")
    given = given.loc[first:].reset_index(drop=True)
    missing = int(given.isna().sum())
    faults = {
        "a value is infinite": bool(np.isinf(given).any()),
        "the newest value is missing": pd.isna(given.iloc[-1]),
        f"{missing} of {len(given)} values are missing": missing > SPARSE * len(given),
    }
    for fault in (fault for fault, is_so in faults.items() if is_so):
        raise DataRefused(fault, "series to project", "end it where it is known and leave at most a fifth missing")
    return given.interpolate(), f"; {missing} missing interpolated" if missing else ""


def _season(n: int, season: int, seasonal: bool | None) -> tuple[int, str]:
    """The season that n values can carry (1: none) and a few words about it."""
    if seasonal and (season == 1 or season > LONGEST_SEASON or n < 3 * season):
        raise DataRefused(
            f"{n} values cannot carry a seasonal model with a season of {season}",
            "project",
            f"it takes three seasons of at most {LONGEST_SEASON} steps, {3 * season} values here; leave `seasonal` out",
        )
    if seasonal is False or season == 1:
        return 1, "no season"
    if season > LONGEST_SEASON:
        return 1, f"no season: {season} steps are too long for one"
    if n <= 2 * season:
        return 1, f"no season: {n} values are too few for one of {season}"
    return season, f"season of {season}"


def _calibrated(answer: np.ndarray, known: pd.Series, season: int, probabilities: list[float]) -> tuple[np.ndarray, str]:
    """Quantiles moved from or to the middle by one factor per interval, measured on forecasts from earlier origins."""
    n, horizon = len(known), answer.shape[1]
    first = max(FEW, 2 * season)
    origins = np.unique(np.linspace(first, n - 1, min(MOST_ORIGINS, n - first)).astype(int)) if n > first else np.array([], int)
    k, stretched, misses = len(origins), answer.copy(), []
    for origin in origins:
        actual = known.to_numpy()[origin : origin + horizon]
        misses.append((actual, members.mean(known.iloc[:origin], len(actual), season, probabilities, refined=0)[0]))
    for low, high in ((0, 4), (1, 3)):
        level = probabilities[high] - probabilities[low]
        factor = _factor([_score(actual, past[[low, 2, high]]) for actual, past in misses], level)
        stretched[[low, high]] = answer[2] + factor * (answer[[low, high]] - answer[2])
    return stretched, f"{'' if k >= ORIGINS else 'not yet '}calibrated, earlier forecasts measured: {k}"


def _score(actual: np.ndarray, interval: np.ndarray) -> np.ndarray:
    """Error of each step in half-widths of its interval, on the side it missed to; 1 is the bound."""
    low, middle, high = interval
    half = np.where(actual > middle, high - middle, middle - low)
    return np.divide(np.abs(actual - middle), half, out=np.full(len(actual), np.nan), where=half > 0)


def _factor(scores: list[np.ndarray], level: float) -> float:
    """By how much intervals of `level` must be stretched so that they would have held; without enough origins, at least 1."""
    pooled = np.concatenate([[], *scores])
    pooled = pooled[np.isfinite(pooled)]
    if not len(pooled):
        return 1.0
    k = len(scores)
    factor = float(np.quantile(pooled, min(1.0, math.ceil(round((k + 1) * level, 9)) / k), method="higher"))
    return factor if k >= ORIGINS else max(1.0, factor)
