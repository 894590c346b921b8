"""Customers and contracts as KPIs count them.

Who ends on a day was there on it, and is gone on the next: what ends on the last day of a quarter is lost in the next one.
"""

from __future__ import annotations

import pandas as pd

from .. import periods
from ..snapshot import Snapshot
from . import cases, revenue

DAY = pd.Timedelta(days=1)


def since(snapshot: Snapshot) -> pd.Timestamp:
    """The day from which subscriptions are there."""
    begun = revenue.subscriptions(snapshot)["first"].min()
    return cases.NEVER if pd.isna(begun) else begun


def customers(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    """Accounts that pay at a quarter's start or end."""
    rows = revenue.by_account(snapshot, quarters)
    paid = {name: rows[name] for name in ("start", "end", *revenue.MOVEMENTS)}
    growth = rows["end"] - rows["start"]
    return cases.frame(
        rows, rows["quarter"], **paid, growth=growth, growth_a_quarter=3 * growth, at_start=rows["start"] > 0,
        at_end=rows["end"] > 0, lost=rows["is_lost"], lost_a_month=rows["is_lost"] / 3, is_new=rows["new"] > 0,
    )  # fmt: skip


def contracts(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    """Paid subscriptions that ran on the eve of a quarter; lost: gone by its end and not continued, however many the customer
    has."""
    rows, parts = revenue.subscriptions(snapshot), []
    for quarter in quarters:
        begin, end = pd.Timestamp(periods.first_day(quarter)), pd.Timestamp(min(periods.last_day(quarter), snapshot.as_of))
        runs = rows[(rows["cents"] > 0) & (rows["first"] < begin) & ~(rows["last"] < begin - DAY)]
        continued = rows.loc[rows["first"].between(begin, end), "subscription_id"]
        lost = (runs["last"] < end) & ~runs["subscription_id"].isin(continued)
        parts.append(runs.assign(quarter=quarter, lost=lost))
    found = pd.concat(parts, ignore_index=True)
    return cases.frame(found, found["quarter"], lost=found["lost"])
