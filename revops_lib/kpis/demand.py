"""Leads as KPIs count them, and what was spent on winning customers."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from .. import periods
from ..snapshot import Snapshot
from . import cases

DAYS = (30, 90, 180)


def leads(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    return _since(snapshot, quarters, "created_at", {"mql": "mql_at", "sql": "sql_at"})


def mqls(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    return _since(snapshot, quarters, "mql_at", {"sql": "sql_at"})


def sqls(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    return _since(snapshot, quarters, "sql_at", {})


def _since(snapshot: Snapshot, quarters: list[pd.Period], anchor: str, goals: Mapping[str, str]) -> pd.DataFrame:
    """Leads by the quarter of `anchor`: whether they reached each goal within 30, 90 or 180 days of it, led to an opportunity,
    and were won. A quarter is ripe once its last lead had 90 days."""
    cases.require(snapshot, "leads")
    rows = snapshot.table("leads").dropna(subset=anchor)
    rows, quarter = cases.within(rows, periods.local_day(rows[anchor], snapshot.timezone), quarters)
    reached = {
        f"{name}_{days}": (rows[goal] - rows[anchor]).dt.total_seconds().between(0, days * 86_400)
        for name, goal in goals.items()
        for days in DAYS
    }
    status = snapshot.opportunities.set_index("opportunity_id")["status"]
    return cases.frame(
        rows, quarter, ripe=(pd.Timestamp(snapshot.as_of) - cases.last(quarter)).dt.days >= DAYS[1],
        opportunity=rows["opportunity_id"].notna(), won=rows["opportunity_id"].map(status) == "won", **reached,
    )  # fmt: skip


def spending(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    """What was spent in a quarter, and what in the one before it."""
    cases.require(snapshot, "spend")
    rows = snapshot.table("spend")
    own, quarter = cases.within(rows, rows["month"], quarters)
    past, before = cases.within(rows, rows["month"], [one - 1 for one in quarters])
    amount = cases.amounts(own)
    return pd.concat(
        [
            cases.frame(own, quarter, amount=amount, amount_before=amount * 0),
            cases.frame(past, before + 1, amount=cases.amounts(past) * 0, amount_before=cases.amounts(past)).assign(all=0.0),
        ],
        ignore_index=True,
    )
