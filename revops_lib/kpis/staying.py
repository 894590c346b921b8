"""How long customers stay: the share still there after so many months, those still there counted as such."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .. import money, statistics
from ..errors import DataRefused, UsageError
from ..snapshot import Snapshot
from . import revenue

DAY = pd.Timedelta(days=1)


def churn_survival(
    snapshot: Snapshot, *, by: str | None = "segment", months: Sequence[float] = (12, 24, 36), since: dt.date | None = None,
    level: float = 0.9,
) -> pd.DataFrame:  # fmt: skip
    """Share of customers still paying so many months after they began, one row per group and number of months.

    A customer stays from the first day of a paid subscription until nothing is paid for a day; who comes back later is not
    counted again. Months are the calendar's: an anniversary is 12. Before `since`, the day from which ends are in the data (the
    first one recorded), nobody was seen leaving: who was a customer then counts from that day on (left truncation). `by`: a
    column of accounts. Columns: by, member, at (months), n (customers), n_ended (left by then), n_at_risk (watched that long),
    value, low, high (Kaplan & Meier 1958, Greenwood; Wilson where none left), level, unit. The value is missing where nobody
    was watched that long. DataRefused without subscriptions.
    """
    stays = _stays(revenue.subscriptions(snapshot), pd.Timestamp(snapshot.as_of))
    begun = pd.Timestamp(since) if since is not None else stays.loc[stays["ended"], "until"].min()
    stays["months"] = _months(stays["first"], stays["until"])
    stays["entry"] = _months(stays["first"], pd.Series(begun - DAY, index=stays.index)).where(stays["first"] < begun, -1.0)
    stays["member"] = "company" if by is None else _members(snapshot, stays, by)
    found = survival_by(stays, by="member", duration="months", ended="ended", entry="entry", at=months, level=level)
    return found.assign(by=by or "company")


def retention(snapshot: Snapshot, *, at: Sequence[int] = (4, 8), n_quarters: int = 12) -> pd.DataFrame:
    """Recurring revenue kept by cohort, one row per quarter in which customers began and each number of quarters in `at`.

    A cohort is the accounts that paid for the first time in a quarter; what they pay at its end is the start. Columns: cohort,
    quarters_later, n (customers), start and now (exact money a month), grr (of each customer what is kept, more than at
    the start left out, ÷ start), nrr (now ÷ start). Cohorts of the last `n_quarters`; those that are not so old have no row. No
    interval: that is all there was. DataRefused without subscriptions.
    """
    moved = revenue.movements(snapshot, every="quarter")
    cohort = moved[moved["movement"] == "new"].set_index("account_id")["period"]
    last = min(snapshot.quarter, revenue.last_quarter(snapshot))
    rows = []
    for quarter in sorted({*cohort[cohort > last - n_quarters]}):
        own = moved[moved["account_id"].isin(cohort.index[cohort == quarter])]
        start = _paid(own, quarter)
        for age in at:
            if quarter + age <= last:
                now = _paid(own, quarter + age)
                kept = np.minimum(start, now).sum()
                rows.append([quarter, age, len(start), start.sum(), now.sum(), kept / start.sum(), now.sum() / start.sum()])
    found = pd.DataFrame(rows, columns=["cohort", "quarters_later", "n", "start", "now", "grr", "nrr"])
    return found.assign(**{name: money.from_cents(found[name].astype("Int64")) for name in ("start", "now")})


def _paid(moved: pd.DataFrame, quarter: pd.Period) -> pd.Series:
    """What each account paid at the end of a quarter, by its movements."""
    upto = moved[moved["period"] <= quarter]
    return upto.drop_duplicates("account_id", keep="last").set_index("account_id")["after"].sort_index()


def survival_by(
    frame: pd.DataFrame, *, by: str, duration: str, ended: str, at: Sequence[float], entry: str | None = None,
    level: float = 0.9,
) -> pd.DataFrame:  # fmt: skip
    """Share still there after each of `at`, one row per value of the column `by` and time, as `churn_survival` gives it.

    Columns of `frame`: `duration`, `ended` (False: still there) and `entry` (duration when first watched).

    >>> frame = pd.DataFrame({"plan": ["a"] * 4, "months": [3, 5, 6, 6], "left": [True, True, False, True]})
    >>> survival_by(frame, by="plan", duration="months", ended="left", at=[4, 12])["value"].tolist()
    [0.75, nan]
    """
    rows = []
    for member, group in frame.groupby(frame[by].astype("object").fillna("(unknown)")):
        time, gone = group[duration].astype("float64"), group[ended].astype(bool)
        start = None if entry is None else group[entry]
        curve = statistics.survival_curve(time, gone, level, entry=start)
        for limit in at:
            watched = time.ge(limit) if start is None else time.ge(limit) & start.lt(limit)
            n_risk, n_ended = int(watched.sum()), int((gone & time.le(limit)).sum())
            share = _share(curve, time.max(), limit, n_risk, level)
            rows.append([by, member, limit, len(group), n_ended, n_risk, *share, level])
    columns = ["by", "member", "at", "n", "n_ended", "n_at_risk", "value", "low", "high", "level"]
    return pd.DataFrame(rows, columns=columns).assign(unit="share")


def _share(curve: pd.DataFrame, longest: float, limit: float, n_risk: int, level: float) -> list[float]:
    """Value, low and high of a curve at a time."""
    own = curve.loc[curve["time"] <= limit, ["value", "low", "high"]].tail(1).to_numpy("float64").ravel()
    if longest < limit and not (len(own) and own[0] == 0):
        return [np.nan] * 3
    if not len(own):
        return [1.0, float(statistics.wilson(n_risk, n_risk, level)[0]), 1.0]
    return [float(value) for value in own]


def _stays(rows: pd.DataFrame, today: pd.Timestamp) -> pd.DataFrame:
    """The first unbroken time of each customer: account_id, first, until (the first day nothing is paid; today where it still
    is), ended."""
    rows = rows[rows["cents"] > 0].sort_values(["account_id", "first", "subscription_id"])
    gone = (rows["last"] + DAY).fillna(pd.Timestamp.max.normalize().as_unit(rows["last"].dt.unit))
    furthest = gone.groupby(rows["account_id"]).cummax()
    is_break = rows["first"] > furthest.groupby(rows["account_id"]).shift()
    own = ~is_break.groupby(rows["account_id"]).cummax()
    spans = pd.DataFrame({"account_id": rows["account_id"], "first": rows["first"], "until": furthest})[own]
    stays = spans.groupby("account_id", as_index=False).agg(first=("first", "min"), until=("until", "max"))
    if stays.empty:
        raise DataRefused("no subscription is paid", "table subscriptions", "ask a later day")
    stays["ended"] = stays["until"] <= today
    return stays.assign(until=stays["until"].where(stays["ended"], today))


def _members(snapshot: Snapshot, stays: pd.DataFrame, by: str) -> pd.Series:
    try:
        return snapshot.members(stays[["account_id"]], by)
    except UsageError as failure:
        raise DataRefused(f"customers cannot be told apart by {by}", "by", "name a column of accounts") from failure


def _months(first: pd.Series, until: pd.Series) -> pd.Series:
    """Calendar months between two days, parts of a month in 31st."""
    whole = (until.dt.year - first.dt.year) * 12 + until.dt.month - first.dt.month
    return whole + (until.dt.day - first.dt.day) / 31
