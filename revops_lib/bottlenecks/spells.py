"""Stays of deals in stages: when each began and how it ended; one still running on the snapshot's day is censored."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import periods
from ..snapshot import Snapshot

LOOKBACK = 8  # quarters of entries that times and conversion rest on
DAY = 86_400


def spells(snapshot: Snapshot) -> pd.DataFrame:
    """Stays of deals in open stages, one row per stay.

    Columns: opportunity_id, stage, from_at, to_at (missing: running), next_stage, days (until the end or the snapshot), end
    (advanced, lost, back; missing while running), entered (quarter), segment, position. Raises NoHistory.
    """
    stages = snapshot.table("stages").astype({"position": "float64"}).set_index("stage")
    found = snapshot.spells("stage").rename(columns={"value": "stage", "next_value": "next_stage"})
    found = found[found["stage"].map(stages["status"]) == "open"]
    found["days"] = (found["to_at"].fillna(snapshot.cutoff) - found["from_at"]).dt.total_seconds() / DAY
    position, following = found["stage"].map(stages["position"]), found["next_stage"].map(stages["position"])
    lost = found["next_stage"].map(stages["status"]) == "lost"
    end = np.select([lost, following > position], ["lost", "advanced"], "back")
    found["end"] = pd.Series(end, index=found.index).where(found["to_at"].notna())
    found["entered"] = periods.local_day(found["from_at"], snapshot.timezone).dt.to_period(f"Q-{snapshot.fiscal_year_end}")
    deals = snapshot.opportunities
    found = found[found["opportunity_id"].isin(deals["opportunity_id"])].copy()  # others are counted by `quality`
    segment = pd.Series(snapshot.members(deals, "segment").to_numpy(), index=deals["opportunity_id"])
    found["segment"] = found["opportunity_id"].map(segment)
    found["position"] = position
    return found.reset_index(drop=True)


def recent(snapshot: Snapshot, found: pd.DataFrame) -> pd.DataFrame:
    """Stays that began in the last quarters."""
    return found[found["entered"] > periods.quarter_of(snapshot.as_of, snapshot.fiscal_year_end) - LOOKBACK]


def grouped(snapshot: Snapshot, found: pd.DataFrame, by: str | None) -> list[tuple[tuple, pd.DataFrame]]:
    member = pd.Series("company", index=found.index)
    if by:
        deals = snapshot.opportunities
        member = found["opportunity_id"].map(pd.Series(snapshot.members(deals, by).to_numpy(), index=deals["opportunity_id"]))
    return list(found.groupby([found["position"], found["stage"], member]))
