"""Opportunities as KPIs count them: closed, created, open, and due at a quarter's beginning."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import pandas as pd

from .. import periods
from ..snapshot import Snapshot
from . import cases

RIPE_DAYS = 180  # a cohort of opportunities is judged once each had this long
STATE = ["opportunity_id", "account_id", "owner_id", "product_id", "source", "type", "status", "stage", "amount", "close_date"]


def closed(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    snapshot.require_one_currency()
    deals = snapshot.opportunities
    deals = deals[deals["status"].isin(["won", "lost"])]
    deals, quarter = cases.within(deals, deals["close_date"], quarters)
    days = (deals["close_date"] - periods.local_day(deals["created_at"], snapshot.timezone)).dt.days.clip(lower=0)
    won, amount = deals["status"] == "won", cases.amounts(deals)
    kinds = {f"{kind}_amount": amount.where(won & (deals["type"] == kind)) for kind in ("new", "expansion", "renewal")}
    return cases.frame(
        deals, quarter, won=won, lost=~won, amount=amount, won_amount=amount.where(won), won_priced=won & amount.notna(),
        lost_amount=amount.where(~won), won_days=days.where(won), won_dated=won & days.notna(), **kinds,
    )  # fmt: skip


def created(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    snapshot.require_one_currency()
    deals = snapshot.opportunities
    deals = deals.assign(day=periods.local_day(deals["created_at"], snapshot.timezone))
    deals, quarter = cases.within(deals, deals["day"], quarters)
    took = (deals["close_date"] - deals["day"]).dt.days
    ripe = (pd.Timestamp(snapshot.as_of) - cases.last(quarter)).dt.days >= RIPE_DAYS
    amount = cases.amounts(deals)
    return cases.frame(
        deals, quarter, ripe=ripe, amount=amount, priced=amount.notna(),
        won_in_time=(deals["status"] == "won") & (took <= RIPE_DAYS), still_open=deals["status"] == "open",
    )  # fmt: skip


def open_deals(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    deals = _states(snapshot, {min(periods.last_day(quarter), snapshot.as_of): quarter for quarter in quarters}, "open")
    stages = snapshot.table("stages").set_index("stage")["probability"].astype("float64")
    amount = cases.amounts(deals)
    return cases.frame(
        deals, deals["quarter"], amount=amount, weighted=(amount * deals["stage"].map(stages).astype("float64")).round(),
        overdue=deals["close_date"].isna() | (deals["close_date"] < deals["day"]),
    )  # fmt: skip


def due(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    """Open on the eve of a quarter and expected to close in it; slipped: still open at its end."""
    deals = _states(snapshot, {periods.first_day(quarter) - dt.timedelta(days=1): quarter for quarter in quarters}, "open")
    deals = deals[deals["close_date"] <= cases.last(deals["quarter"])].reset_index(drop=True)
    ends = {min(periods.last_day(quarter), snapshot.as_of): quarter for quarter in quarters}
    later = _states(snapshot, ends, None)[["quarter", "opportunity_id", "status"]]
    deals = deals.drop(columns="status").merge(later, on=["quarter", "opportunity_id"], how="left")
    amount, slipped = cases.amounts(deals), deals["status"] == "open"
    return cases.frame(
        deals, deals["quarter"], ripe=cases.last(deals["quarter"]) <= pd.Timestamp(snapshot.as_of), amount=amount,
        slipped=slipped, slipped_amount=amount.where(slipped),
    )  # fmt: skip


def _states(snapshot: Snapshot, days: Mapping[dt.date, pd.Period], status: str | None) -> pd.DataFrame:
    """Deals as they stood on one day per quarter; a day that has not come yet has none."""
    snapshot.require_one_currency()
    known = {pd.Timestamp(day): quarter for day, quarter in days.items() if day <= snapshot.as_of}
    frame = snapshot.states([day.date() for day in known], status=status, columns=STATE)
    quarter = pd.Series(pd.PeriodIndex([*known.values()], freq=snapshot.quarter.freq), index=[*known])
    return frame.assign(quarter=frame["day"].map(quarter).astype(quarter.dtype))
