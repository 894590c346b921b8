"""Open deals that have waited too long."""

from __future__ import annotations

import pandas as pd

from .. import money
from ..snapshot import Snapshot
from .spells import DAY, recent, spells
from .times import aged


def stalled(snapshot: Snapshot) -> pd.DataFrame:
    """Open deals that have waited longer than nine in ten winners did, one row per deal, largest first.

    With a history: days in the present stage against the P90 of winners' stays there; without: age against the P90 of winners'
    age. Columns: opportunity_id, owner_id, stage, amount, days, p90.
    """
    deals = snapshot.opportunities
    is_open = deals["status"] == "open"
    if "stage" in snapshot.tracked:
        found = recent(snapshot, spells(snapshot))
        winners = found[found["opportunity_id"].isin(deals.loc[deals["status"] == "won", "opportunity_id"])]
        p90 = winners.groupby("stage")["days"].quantile(0.9)
        now = deals[is_open].assign(days=lambda d: (snapshot.cutoff - d["stage_since"]).dt.total_seconds() / DAY)
        now["p90"] = now["stage"].map(p90).astype("float64")
    else:
        dated = aged(snapshot)
        now = dated[dated["status"] == "open"].copy()
        now["p90"] = dated.loc[dated["status"] == "won", "days"].quantile(0.9)
    late = now[now["days"] > now["p90"]].copy()
    late["order"] = money.to_float(late["amount"]).fillna(0)
    late = late.sort_values(["order", "days"], ascending=False, kind="stable", ignore_index=True)
    return late[["opportunity_id", "owner_id", "stage", "amount", "days", "p90"]]
