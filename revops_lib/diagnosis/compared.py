"""What is compared with what: a quarter, the quarters before it, and their closed deals counted and added up."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .. import money, periods
from ..errors import DataRefused, UsageError
from ..snapshot import Snapshot

LAST_YEAR, PREVIOUS_YEAR = "last year", "previous year"
COUNTS = ("n", "won", "cents")


@dataclass(frozen=True)
class Comparison:
    """A quarter `after` against the mean of the quarters `before`; of a quarter that still runs, as many days of each."""

    after: pd.Period
    before: tuple[pd.Period, ...]
    days: int | None  # of the quarter that count; None: all

    @property
    def name(self) -> str:
        names = str(self.before[0]) if len(self.before) == 1 else f"the mean of {self.before[0]} to {self.before[-1]}"
        return names if self.days is None else f"the first {self.days} days of {names}"

    def whole(self) -> Comparison:
        """The same quarters, all their days."""
        return replace(self, days=None)

    def shifted(self, quarters: int) -> Comparison:
        """The same comparison so many quarters earlier."""
        return Comparison(self.after - quarters, tuple(one - quarters for one in self.before), self.days)


def compare(snapshot: Snapshot, against: str = "") -> Comparison:
    """The snapshot's quarter against the one before, a quarter like 2025Q3, the same quarter of "last year", or the
    "previous year": the mean of those of the four quarters before whose closed deals are all there."""
    after = snapshot.quarter
    if against == PREVIOUS_YEAR:
        before = tuple(after - back for back in (4, 3, 2, 1) if after - back >= first_whole(snapshot)) or (after - 1,)
    elif against == LAST_YEAR:
        before = (after - 4,)
    else:
        before = (_named(snapshot, against) if against else after - 1,)
    if before[-1] >= after:
        raise UsageError(f"{before[-1]} is not before {after}", "against", "compare with an earlier quarter")
    passed = (snapshot.as_of - periods.first_day(after)).days + 1
    if passed < 1:
        raise DataRefused(f"{after} has not begun", f"data {snapshot.data}, as of {snapshot.as_of}", "ask an earlier quarter")
    return Comparison(after, before, passed if snapshot.as_of < periods.last_day(after) else None)


def _named(snapshot: Snapshot, against: str) -> pd.Period:
    name = f"against (or {LAST_YEAR!r}, {PREVIOUS_YEAR!r})"
    quarter, since = periods.quarter(against, snapshot.fiscal_year_end, name), snapshot.outcomes_since
    if since is not None and periods.last_day(quarter) < since:
        what = f"no closed deal is known in {quarter}: they are there from {since} on"
        raise DataRefused(what, f"data {snapshot.data}", "compare with a later quarter")
    return quarter


def closed(snapshot: Snapshot, comparison: Comparison) -> pd.DataFrame:
    """Closed deals with a close date, one row per deal: those of `opportunities`, quarter, cluster (its account, else the deal
    itself), is_won, cents (of a won deal; without an amount 0), log_amount (of a won deal above 0).

    Of a running quarter's comparison only the days that it has had in every quarter. DataRefused when nothing has closed in
    the periods compared, no won deal carries an amount, or amounts are in several currencies.
    """
    deals = ever_closed(snapshot, comparison)
    if not deals["quarter"].isin([*comparison.before, comparison.after]).any():
        raise DataRefused(
            f"no deal closed in {comparison.after}, nor in {comparison.name}",
            f"data {snapshot.data}, as of {snapshot.as_of}",
            "ask a later day or compare with another quarter",
        )
    if deals["is_won"].any() and deals.loc[deals["is_won"], "amount"].isna().all():
        raise DataRefused("no won deal carries an amount", f"data {snapshot.data}", "export the amounts of deals")
    return deals


def ever_closed(snapshot: Snapshot, comparison: Comparison) -> pd.DataFrame:
    """The same, whether or not one of them lies in the periods compared."""
    snapshot.require_one_currency()
    deals = snapshot.opportunities
    deals = deals[(deals["status"] != "open") & deals["close_date"].notna()].reset_index(drop=True)
    if deals.empty:
        raise DataRefused("no deal has closed yet", f"data {snapshot.data}, as of {snapshot.as_of}", "ask a later day")
    deals["quarter"] = quarter_closed(deals, comparison)
    deals = deals[deals["quarter"].notna()].reset_index(drop=True)
    deals["cluster"] = deals["account_id"].fillna(deals["opportunity_id"])
    deals["is_won"] = deals["status"] == "won"
    cents = money.to_cents(deals["amount"]).fillna(0).astype("int64")
    deals["cents"] = cents.where(deals["is_won"], 0)
    deals["log_amount"] = np.log((deals["cents"] / 100).where(deals["cents"] > 0))
    return deals


def quarter_closed(deals: pd.DataFrame, comparison: Comparison) -> pd.Series:
    """The quarter in which each deal closed; missing while it is open, and of a running quarter's comparison for later days."""
    day = deals["close_date"].where(deals["status"] != "open")
    return day.dt.to_period(comparison.after.freqstr).where(is_early(day, comparison))


def is_early(days: pd.Series, comparison: Comparison) -> pd.Series:
    """Whether days lie in the part of their quarter that is compared."""
    if comparison.days is None:
        return days.notna()
    return (days - days.dt.to_period(comparison.after.freqstr).dt.start_time).dt.days < comparison.days


def counted(deals: pd.DataFrame, member: pd.Series, quarters: list[pd.Period]) -> np.ndarray:
    """Closed deals, wins and won cents: whole numbers by quarter, measure (COUNTS) and member (in order of the alphabet)."""
    names = sorted(member.unique())
    rows = np.searchsorted(np.array([q.ordinal for q in quarters]), deals["quarter"].array.asi8)
    inside = deals["quarter"].isin(quarters).to_numpy()
    column = np.searchsorted(np.array(names, dtype=object), member.to_numpy(dtype=object))
    values = np.stack([np.ones(len(deals), dtype="int64"), deals["is_won"].to_numpy("int64"), deals["cents"].to_numpy()])
    table = np.zeros((len(quarters), len(COUNTS), len(names)), dtype="int64")
    for i, value in enumerate(values):
        np.add.at(table[:, i], (rows[inside], column[inside]), value[inside])
    return table


def smallest(counts: np.ndarray) -> np.ndarray:
    """The smallest count along the first axis, of those that are not 0: nobody is not a group."""
    least = np.where(counts > 0, counts, np.iinfo("int64").max).min(axis=0)
    return np.where((counts > 0).any(axis=0), least, 0)


def first_whole(snapshot: Snapshot) -> pd.Period:
    """The first quarter whose closed deals are all there."""
    return snapshot.first_complete_quarter or snapshot.quarter


def span(first: pd.Period, last: pd.Period) -> list[pd.Period]:
    return list(pd.period_range(first, last, freq=first.freqstr))
