"""Recurring revenue: what every account pays per month at the end of each period, and how it moved in between, to the cent."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from .. import money, periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from . import cases

MOVEMENTS = ("new", "expansion", "contraction", "churn", "reactivation")


def movements(snapshot: Snapshot, *, every: str = "month", since: dt.date | None = None) -> pd.DataFrame:
    """How each account's recurring revenue moved, one row per account and period in which it did.

    `every`: month or quarter (fiscal); a movement is what an account pays at the period's end against the end of the one
    before. Columns: period, account_id, movement, before, after, change (cents a month; Σ change of an account = what it pays
    now). New: first time above 0; reactivation: above 0 again; churn: to 0; expansion and contraction: more or less, a second
    subscription and the loss of one of two included. Trials count 0. A subscription counts from its first to its last day; one
    that begins and ends between two period ends is never seen. Accounts that were merged count as the one they became. Amounts
    in another currency count at one rate, the latest known, so that rates move nothing. Up to the last period that has ended
    by the snapshot's day; the running one is seen on that day. DataRefused without subscriptions.
    """
    levels = _levels(snapshot, every)
    before = levels.groupby("account_id")["after"].shift(fill_value=0)
    ever = levels["after"].gt(0).groupby(levels["account_id"]).cummax().groupby(levels["account_id"]).shift(fill_value=False)
    moved = levels.assign(before=before, change=levels["after"] - before, movement=_named(before, levels["after"], ever))
    moved = moved[moved["change"] != 0]
    if since is not None:
        moved = moved[moved["period"] >= pd.Period(since, moved["period"].dtype.freq)]
    return moved[["period", "account_id", "movement", "before", "after", "change"]].reset_index(drop=True)


def bridge(snapshot: Snapshot, *, every: str = "month", n: int = 12) -> pd.DataFrame:
    """Recurring revenue from period to period, one row per period, the last `n` up to the end of the snapshot's quarter:
    period, opening, the five movements, closing (exact money a month; opening + movements = closing), n_opening and n_closing
    (accounts that pay)."""
    moved = movements(snapshot, every=every)
    last = _period_of(snapshot, every, min(snapshot.as_of, periods.last_day(snapshot.quarter)))
    shown = pd.period_range(last - (n - 1), last)
    sums = moved.pivot_table(index="period", columns="movement", values="change", aggfunc="sum", fill_value=0)
    sums = sums.reindex(columns=MOVEMENTS, fill_value=0).reindex(sums.index.union(shown), fill_value=0).astype("int64")
    closing = sums.sum(axis=1).cumsum()
    entered = moved["movement"].isin(["new", "reactivation"]).astype("int64") - moved["movement"].eq("churn").astype("int64")
    paying = entered.groupby(moved["period"]).sum().reindex(sums.index, fill_value=0).cumsum()
    table = sums.assign(
        opening=closing - sums.sum(axis=1), closing=closing, n_opening=paying.shift(fill_value=0), n_closing=paying
    )
    table = table.loc[shown].reset_index(names="period")
    for column in ("opening", *MOVEMENTS, "closing"):
        table[column] = money.from_cents(table[column].astype("Int64"))
    return table[["period", "opening", *MOVEMENTS, "closing", "n_opening", "n_closing"]]


def last_quarter(snapshot: Snapshot) -> pd.Period:
    """The last quarter that has ended by the snapshot's day."""
    running = _period_of(snapshot, "quarter", snapshot.as_of)
    return running if periods.last_day(running) <= snapshot.as_of else running - 1


def by_account(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    """What each account did in each quarter, one row per account and quarter in which it paid at the start or at the end.

    Columns: quarter, account_id, start and end (cents a month), new, expansion, contraction, churn, reactivation (cents, the
    last four as positive amounts), is_start, is_lost.
    """
    moved = movements(snapshot, every="quarter")
    parts = []
    for quarter in quarters:
        upto = moved[moved["period"] <= quarter].drop_duplicates("account_id", keep="last").set_index("account_id")
        inside = upto["period"] == quarter
        frame = pd.DataFrame({"start": upto["before"].where(inside, upto["after"]), "end": upto["after"]})
        for name in MOVEMENTS:
            frame[name] = upto["change"].abs().where(inside & (upto["movement"] == name), 0)
        frame = frame[(frame["start"] > 0) | (frame["end"] > 0)]
        parts.append(frame.reset_index().assign(quarter=quarter))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(is_start=found["start"] > 0, is_lost=(found["start"] > 0) & (found["end"] == 0))


def subscriptions(snapshot: Snapshot) -> pd.DataFrame:
    """Paid subscriptions as known, one row per period: account_id (after merges), product_id, cents a month in the company's
    currency, first and last day (missing: running). One that ends before it begins never ran; `gaps` tells how many do."""
    if not snapshot.has("subscriptions"):
        raise DataRefused(
            "this source has no subscriptions: recurring revenue is not known", f"data {snapshot.data}", "map subscriptions"
        )
    rows = _paid(snapshot)
    rows = rows[~_is_reversed(rows)]
    account = rows["account_id"]
    if snapshot.has("account_merges"):
        account = account.replace(_merged(snapshot.table("account_merges")))
    cents = cases.in_company_currency(snapshot, rows, "subscriptions", "mrr").astype("int64")
    return pd.DataFrame(
        {
            "subscription_id": rows["subscription_id"], "account_id": account, "product_id": rows["product_id"],
            "cents": cents, "first": rows["start_date"], "last": rows["end_date"],
        }
    ).reset_index(drop=True)  # fmt: skip


def gaps(snapshot: Snapshot) -> list[str]:
    """What subscriptions do not say that figures rest on, in sentences."""
    if not snapshot.has("subscriptions"):
        return []
    rows = _paid(snapshot)
    n = int(_is_reversed(rows).sum())
    told = f"{n:,} of {len(rows):,} paid subscriptions end before they start: recurring revenue leaves them out."
    return [told] if n else []


def _paid(snapshot: Snapshot) -> pd.DataFrame:
    rows = snapshot.table("subscriptions")
    return rows[~rows["is_trial"].fillna(False).astype(bool)]


def _is_reversed(rows: pd.DataFrame) -> pd.Series:
    return rows["end_date"] < rows["start_date"]


def _merged(merges: pd.DataFrame) -> dict[str, str]:
    """Account that is gone → the one that is left at the end of its merges."""
    to = dict(zip(merges["old_id"], merges["new_id"], strict=True))
    found = {}
    for old in to:
        new, seen = to[old], {old}
        while new in to and new not in seen:
            seen.add(new)
            new = to[new]
        found[old] = new
    return found


def _levels(snapshot: Snapshot, every: str) -> pd.DataFrame:
    """What an account pays at the end of each period in which something began or ended: account_id, period, after. A credit
    lowers what its account pays, at most to 0."""
    rows, freq = subscriptions(snapshot), _period_of(snapshot, every, snapshot.as_of).freqstr
    begun = rows["first"].dt.to_period(freq)
    # A last day that is a period's last is still in it: what ends shows at the end of the period of the next day. The running
    # period is seen on the snapshot's day.
    gone = (rows["last"] + pd.Timedelta(days=1)).dt.to_period(freq)
    both = pd.concat(
        [
            pd.DataFrame({"account_id": rows["account_id"], "period": begun, "after": rows["cents"]}),
            pd.DataFrame({"account_id": rows["account_id"], "period": gone, "after": -rows["cents"]})[rows["last"].notna()],
        ]
    )
    seen = pd.concat([rows["first"], (rows["last"] + pd.Timedelta(days=1))[rows["last"].notna()]]) <= pd.Timestamp(
        snapshot.as_of
    )
    both = both[seen.to_numpy()]
    levels = both.groupby(["account_id", "period"], sort=True)["after"].sum().reset_index()
    return levels.assign(after=levels.groupby("account_id")["after"].cumsum().clip(lower=0))


def _named(before: pd.Series, after: pd.Series, ever: pd.Series) -> np.ndarray:
    return np.select(
        [(before == 0) & ever, before == 0, after == 0, after > before],
        ["reactivation", "new", "churn", "expansion"], default="contraction",
    )  # fmt: skip


def _period_of(snapshot: Snapshot, every: str, day: dt.date) -> pd.Period:
    return pd.Period(day, "M") if every == "month" else periods.quarter_of(day, snapshot.fiscal_year_end)
