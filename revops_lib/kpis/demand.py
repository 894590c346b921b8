"""Leads as KPIs count them, and what was spent on winning customers."""

from __future__ import annotations

import pandas as pd

from .. import periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from . import cases

DAYS = (30, 90, 180)
NAMES = {"mql_at": "when leads were qualified by marketing", "sql_at": "when leads were accepted by sales"}


def leads_since(snapshot: Snapshot) -> pd.Timestamp:
    """The day from which leads are there."""
    cases.require(snapshot, "leads")
    first = periods.local_day(snapshot.table("leads")["created_at"], snapshot.timezone).min()
    return cases.NEVER if pd.isna(first) else first


def leads(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    rows, quarter = _dated(snapshot, quarters, "created_at")
    return cases.frame(
        rows, quarter, mql_30=reached(snapshot, rows, "created_at", "mql_at", 30),
        sql_180=reached(snapshot, rows, "created_at", "sql_at", 180),
    )  # fmt: skip


def mqls(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    rows, quarter = _dated(snapshot, quarters, "mql_at")
    deals = snapshot.opportunities.set_index("opportunity_id")
    won = rows["opportunity_id"].map(deals["close_date"].where(deals["status"] == "won"))
    took = (won - periods.local_day(rows["mql_at"], snapshot.timezone)).dt.days
    return cases.frame(rows, quarter, sql_90=reached(snapshot, rows, "mql_at", "sql_at", 90), won_180=took <= 180)


def sqls(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    rows, quarter = _dated(snapshot, quarters, "sql_at")
    created = rows["opportunity_id"].map(snapshot.opportunities.set_index("opportunity_id")["created_at"])
    return cases.frame(rows, quarter, opportunity_90=created - rows["sql_at"] <= pd.Timedelta(days=90))


def require_dates(snapshot: Snapshot, column: str) -> None:
    """DataRefused when no lead has this date: the source does not keep it."""
    if snapshot.table("leads")[column].isna().all():
        raise DataRefused(f"this source does not say {NAMES[column]}", f"data {snapshot.data}, table leads", f"map {column}")


def reached(snapshot: Snapshot, rows: pd.DataFrame, anchor: str, goal: str, days: int) -> pd.Series:
    """Whether leads got to a goal within so many days of the anchor (before it counts as on it); missing where the source does
    not keep the goal's date."""
    there = (rows[goal] - rows[anchor] <= pd.Timedelta(days=days)).astype("float64")
    return there if snapshot.table("leads")[goal].notna().any() else there * float("nan")


def spend_since(snapshot: Snapshot) -> pd.Timestamp:
    """The month from which spend is there."""
    cases.require(snapshot, "spend")
    first = snapshot.table("spend")["month"].min()
    return cases.NEVER if pd.isna(first) else first


def spending(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    """What was spent in a quarter, and what in the one before it."""
    cases.require(snapshot, "spend")
    rows = snapshot.table("spend")
    rows = rows.assign(cents=cases.in_company_currency(snapshot, rows, "amounts spent"))
    own, quarter = cases.within(rows, rows["month"], quarters)
    past, before = cases.within(rows, rows["month"], [one - 1 for one in quarters])
    now, nothing = own["cents"], past["cents"] * 0
    return pd.concat(
        [
            cases.frame(own, quarter, amount=now, marketing=now.where(own["kind"] == "marketing", 0.0), amount_before=now * 0),
            cases.frame(past, before + 1, amount=nothing, marketing=nothing, amount_before=past["cents"]).assign(all=0.0),
        ],
        ignore_index=True,
    )


def _dated(snapshot: Snapshot, quarters: list[pd.Period], anchor: str) -> tuple[pd.DataFrame, pd.Series]:
    """Leads by the quarter of `anchor`."""
    cases.require(snapshot, "leads")
    if anchor in NAMES:
        require_dates(snapshot, anchor)
    rows = snapshot.table("leads").dropna(subset=anchor)
    return cases.within(rows, periods.local_day(rows[anchor], snapshot.timezone), quarters)
