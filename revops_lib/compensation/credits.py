"""Who is credited for what was won, and against which quota."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import pandas as pd

from .. import money, periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from . import targets
from .plans import Component


def won_deals(snapshot: Snapshot, *, priced: bool = True, since: dt.date | None = None) -> pd.DataFrame:
    """Deals won in the quarter, or from a day before it until its end; `priced`: only those with an amount."""
    deals, first = snapshot.opportunities, pd.Timestamp(since or periods.first_day(snapshot.quarter))
    closed = deals["close_date"].between(first, pd.Timestamp(periods.last_day(snapshot.quarter)))
    return deals[(deals["status"] == "won") & closed & (deals["amount"].notna() | (not priced))]


def require_credits(snapshot: Snapshot) -> None:
    """DataRefused unless the source says who is credited."""
    if not snapshot.has("credits"):
        raise DataRefused(
            "this source has no credits: who is paid for a deal is not known",
            f"data {snapshot.data}",
            "map a table of credits",
        )


def credit_lines(snapshot: Snapshot, *, since: dt.date | None = None) -> pd.DataFrame:
    """Credits of the deals of `won_deals` in the plan's order, with `cents` and the rep's `role`."""
    require_credits(snapshot)
    won = won_deals(snapshot, since=since)
    found = snapshot.table("credits").merge(won[["opportunity_id", "close_date", "amount"]], on="opportunity_id")
    found = found.sort_values(["opportunity_id", "kind", "rep_id"], kind="stable")
    cents = money.to_cents(found["amount"])
    # Shares of one deal are cut at rounded cumulative shares, so that they sum to its amount without a cent missing.
    millionths = (found["share"] * 1_000_000).round().astype("int64")
    deal = [found["opportunity_id"], found["kind"]]
    upto = millionths.groupby(deal).cumsum()
    begin = upto - millionths
    shares = millionths.groupby(deal)
    whole = (shares.transform("sum") - 1_000_000).abs() <= 100 * shares.transform("size")  # thirds written as 0.3333
    upto = upto.mask(whole & ~found.duplicated(["opportunity_id", "kind"], keep="last"), 1_000_000)
    found["cents"] = [
        _part(int(amount), end) - _part(int(amount), start) for amount, start, end in zip(cents, begin, upto, strict=True)
    ]
    found["cents"] = found["cents"].astype("Int64")
    found["role"] = _roles(snapshot, found)
    return found.sort_values(["close_date", "opportunity_id", "kind", "rep_id"], kind="stable", ignore_index=True)


def _part(cents: int, millionths: int) -> int:
    return money.round_half_up(Fraction(cents * int(millionths), 1_000_000))


def quota_windows(snapshot: Snapshot, component: Component) -> tuple[dt.date, list[pd.Period]]:
    """The first day whose credits matter for the quarter's pay, and the quarters whose quotas do: the quarter's own, or the
    fiscal year's up to it."""
    quarter = snapshot.quarter
    first = quarter - (quarter.quarter - 1) if component.accumulation == "year" else quarter
    return periods.first_day(first), [first + i for i in range((quarter - first).n + 1)]


def window_of(snapshot: Snapshot, accumulation: str, dates: pd.Series) -> pd.Series:
    """The accumulation period that each day belongs to, by name; every credit is its own where nothing accumulates."""
    if accumulation == "month":
        return dates.dt.strftime("%Y-%m")
    if accumulation == "year":
        return dates.dt.to_period(snapshot.quarter.freqstr).dt.qyear.astype("str")
    return dates.dt.to_period(snapshot.quarter.freqstr).astype("str")


def quotas_of(snapshot: Snapshot, component: Component, currency: str) -> pd.Series:
    """Quota in cents by rep and window of a component; of a quarter, cut into months by their days, or summed over the year
    to date."""
    if component.basis == "amount":
        return pd.Series(dtype="int64", index=pd.MultiIndex.from_arrays([[], []], names=["rep_id", "window"]))
    if not snapshot.has("quotas"):
        raise DataRefused(
            "this source has no quotas: attainment and its tiers are not known",
            f"data {snapshot.data}",
            "map a table of quotas",
        )
    _, quarters = quota_windows(snapshot, component)
    quotas = snapshot.table("quotas")
    quotas = quotas[quotas["quarter"].isin([str(q) for q in quarters]) & (quotas["measure"] == component.measure)]
    others = sorted({*quotas["currency"].dropna()} - {currency})
    if others:
        raise DataRefused(
            f"quotas are in {others[0]}, the plan pays {currency}",
            "table quotas",
            "state quotas in the currency of the plan",
        )
    quotas = quotas.assign(cents=money.to_cents(quotas["amount"]))
    quotas = quotas[quotas["cents"] > 0]  # a quota of 0 is no quota: nothing can be attained against it
    if component.accumulation == "month":
        quarter = snapshot.quarter
        rows = [
            (rep, month.strftime("%Y-%m"), targets.by_days(int(cents), _days(quarter), _days(month)))
            for rep, cents in zip(quotas["rep_id"], quotas["cents"], strict=True)
            for month in pd.period_range(quarter.start_time, quarter.end_time, freq="M")
        ]
    else:
        name = str(snapshot.quarter.qyear) if component.accumulation == "year" else str(snapshot.quarter)
        rows = [(rep, name, int(cents)) for rep, cents in zip(quotas["rep_id"], quotas["cents"], strict=True)]
    table = pd.DataFrame(rows, columns=["rep_id", "window", "cents"])
    return table.groupby(["rep_id", "window"])["cents"].sum().astype("int64")


def _days(period: pd.Period) -> tuple[dt.date, dt.date]:
    return periods.first_day(period), periods.last_day(period)


def _roles(snapshot: Snapshot, credits: pd.DataFrame) -> pd.Series:
    """The role each credited rep held on the deal's close date, aligned with `credits`."""
    reps = snapshot.table("reps")[["rep_id", "role", "start_date"]].copy()
    reps["start_date"] = reps["start_date"].fillna(pd.Timestamp.min.as_unit("us"))
    dated = credits[["rep_id", "close_date"]].reset_index().sort_values("close_date", kind="stable")
    found = pd.merge_asof(dated, reps.sort_values("start_date"), by="rep_id", left_on="close_date", right_on="start_date")
    return found.set_index("index")["role"].reindex(credits.index)


def assignments(snapshot: Snapshot) -> pd.DataFrame:
    """Role and team of each rep in the quarter: the assignment that started last by its end."""
    reps = snapshot.table("reps")
    reps = reps[reps["start_date"].isna() | (reps["start_date"] <= pd.Timestamp(periods.last_day(snapshot.quarter)))]
    return reps.sort_values("start_date", na_position="first").drop_duplicates("rep_id", keep="last").set_index("rep_id")
