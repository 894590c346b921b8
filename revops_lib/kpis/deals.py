"""Opportunities as KPIs count them: closed, created, open, and due at a quarter's beginning."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import pandas as pd

from .. import periods
from ..snapshot import Snapshot
from . import cases

COHORT_DAYS = 180  # so long an opportunity has to be won in its cohort
UNDATED = 0.05  # with a larger share of closed deals without a date no quarter is complete
STATE = ["opportunity_id", "account_id", "owner_id", "product_id", "source", "type", "status", "stage", "amount", "close_date"]


def since(snapshot: Snapshot) -> pd.Timestamp:
    """The day from which deals are all there."""
    begun, (undated, n) = snapshot.outcomes_since, snapshot.undated_closings
    return cases.NEVER if begun is None or undated > UNDATED * n else pd.Timestamp(begun)


def open_since(snapshot: Snapshot) -> pd.Timestamp:
    """The same of open deals, which may be there before any has closed."""
    if snapshot.outcomes_since is not None:
        return since(snapshot)
    first = periods.local_day(snapshot.opportunities["created_at"], snapshot.timezone).min()
    return cases.NEVER if pd.isna(first) else first


def closed(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    """A deal lost at 0 has no value; won at 0 it is given away."""
    snapshot.require_one_currency()
    deals = snapshot.opportunities
    deals = deals[deals["status"].isin(["won", "lost"])]
    deals, quarter = cases.within(deals, deals["close_date"], quarters)
    days = (deals["close_date"] - periods.local_day(deals["created_at"], snapshot.timezone)).dt.days.clip(lower=0)
    won, amount = deals["status"] == "won", cases.amounts(deals)
    amount = amount.where(won | (amount != 0))
    kinds = {f"{kind}_amount": amount.where(deals["type"].notna()).where(won & (deals["type"].fillna(kind) == kind), 0.0)
             for kind in ("new", "expansion")}  # fmt: skip
    return cases.frame(
        deals, quarter, won=won, lost=~won, priced=amount.notna(), won_amount=amount.where(won, 0.0),
        lost_amount=amount.where(~won, 0.0), won_priced=won & amount.notna(), won_days=days.where(won, 0.0),
        won_dated=won & days.notna(), **kinds,
    )  # fmt: skip


def created(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    snapshot.require_one_currency()
    deals = snapshot.opportunities
    deals = deals.assign(day=periods.local_day(deals["created_at"], snapshot.timezone))
    deals, quarter = cases.within(deals, deals["day"], quarters)
    took = (deals["close_date"] - deals["day"]).dt.days
    won_in_time = (deals["status"] == "won") & (took <= COHORT_DAYS)
    return cases.frame(deals, quarter, amount=cases.amounts(deals), won_in_time=won_in_time)


def open_deals(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    deals = _states(snapshot, {min(periods.last_day(quarter), snapshot.as_of): quarter for quarter in quarters}, "open")
    stages = snapshot.table("stages").set_index("stage")["probability"].astype("float64")
    amount, expected = cases.amounts(deals), deals["close_date"]
    return cases.frame(
        deals, deals["quarter"], amount=amount, weighted=(amount * deals["stage"].map(stages).astype("float64")).round(),
        due_now=amount.where(expected <= cases.last(deals["quarter"]), 0.0).where(expected.notna()),
        dated=expected.notna(), overdue=expected < deals["day"],
    )  # fmt: skip


def due(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    """Open on the eve of a quarter and expected to close in it; slipped: still open at its end. NoHistory where the source does
    not say which day was expected then."""
    snapshot.require_history("stage")
    snapshot.require_history("close_date")
    deals = _states(snapshot, {periods.first_day(quarter) - dt.timedelta(days=1): quarter for quarter in quarters}, "open")
    deals = deals[deals["close_date"] <= cases.last(deals["quarter"])].reset_index(drop=True)
    ends = {min(periods.last_day(quarter), snapshot.as_of): quarter for quarter in quarters}
    later = _states(snapshot, ends, None)[["quarter", "opportunity_id", "status"]]
    deals = deals.drop(columns="status").merge(later, on=["quarter", "opportunity_id"], how="left")
    return cases.frame(deals, deals["quarter"], amount=cases.amounts(deals), slipped=deals["status"] == "open")


def gaps(snapshot: Snapshot) -> list[str]:
    """What deals do not say that figures rest on, in sentences."""
    deals, quarter = snapshot.opportunities, snapshot.quarter
    closed = deals[deals["status"] != "open"]
    now = closed[closed["close_date"].dt.to_period(quarter.freqstr) == quarter]
    won, lost = now[now["status"] == "won"], now[now["status"] == "lost"]
    still = deals[deals["status"] == "open"]
    found = [
        (won, won["amount"].isna(), f"deals won in {quarter} have no amount: sums of money leave them out"),
        (lost, ~(lost["amount"].fillna(0) > 0), f"deals lost in {quarter} have no amount: sums of money leave them out"),
        (still, still["amount"].isna(), "open deals have no amount: the pipeline leaves them out"),
        (still, still["close_date"].isna(), "open deals have no expected date: none of them counts as overdue"),
    ]  # fmt: skip
    if snapshot.has("credits"):
        uncredited = ~won["opportunity_id"].isin(snapshot.table("credits")["opportunity_id"])
        found.append((won, uncredited, f"deals won in {quarter} are credited to nobody: attainment leaves them out"))
    told = [f"{int(which.sum()):,} of {len(rows):,} {what}." for rows, which, what in found if which.any()]
    undated, n = snapshot.undated_closings
    without = "closed deals have no close date and are in no quarter; above"
    return [*told, f"{undated:,} of {n:,} {without} {UNDATED:.0%} no quarter counts as complete."] if undated else told


def _states(snapshot: Snapshot, days: Mapping[dt.date, pd.Period], status: str | None) -> pd.DataFrame:
    """Deals as they stood on one day per quarter; a day that has not come yet has none."""
    snapshot.require_one_currency()
    known = {pd.Timestamp(day): quarter for day, quarter in days.items() if day <= snapshot.as_of}
    frame = snapshot.states([day.date() for day in known], status=status, columns=STATE)
    quarter = pd.Series(pd.PeriodIndex([*known.values()], freq=snapshot.quarter.freq), index=[*known])
    return frame.assign(quarter=frame["day"].map(quarter).astype(quarter.dtype))
