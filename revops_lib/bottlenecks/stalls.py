"""Open deals that have waited too long."""

from __future__ import annotations

import pandas as pd

from .. import money
from ..snapshot import Snapshot
from .spells import DAY, recent, spells
from .times import aged

FEW = 10  # the P90 of fewer winners is little more than the slowest of them


def stalled(snapshot: Snapshot) -> pd.DataFrame:
    """Open deals that have waited longer than nine in ten winners did, one row per deal, largest first.

    With a history: days in the present stage against the P90 of winners' stays there, begun in the last eight quarters.
    Without: age against the P90 of winners' age. Fewer than ten winners say nothing. Columns: opportunity_id, owner_id, stage,
    amount, days, p90, n_alike (closed deals that had waited as long), won_share (of these, won; missing without any).
    """
    deals = snapshot.opportunities
    is_open = deals["status"] == "open"
    if "stage" in snapshot.tracked:
        stays = recent(snapshot, spells(snapshot))[["opportunity_id", "stage", "days"]]
        now = deals[is_open].assign(place=lambda d: d["stage"])
        now["days"] = (snapshot.cutoff - now["stage_since"]).dt.total_seconds() / DAY
    else:
        dated = aged(snapshot)
        stays = dated[["opportunity_id", "days"]].assign(stage="")
        now = dated[dated["status"] == "open"].assign(place="")
    limits = _limits(stays.assign(status=stays["opportunity_id"].map(deals.set_index("opportunity_id")["status"])))
    for column in limits:
        now[column] = now["place"].map(limits[column]).astype("float64")
    late = now[now["days"] > now["p90"]].copy()
    late["n_alike"] = late["n_alike"].astype("int64")
    late["order"] = money.to_float(late["amount"]).fillna(0)
    late = late.sort_values(["order", "days"], ascending=False, kind="stable", ignore_index=True)
    return late[["opportunity_id", "owner_id", "stage", "amount", "days", "p90", "n_alike", "won_share"]]


def _limits(stays: pd.DataFrame) -> pd.DataFrame:
    """Per stage the P90 of winners' stays, and what became of the closed deals that had waited so long."""
    won = stays[stays["status"] == "won"].groupby("stage")["days"]
    p90 = won.quantile(0.9).where(won.size() >= FEW)
    alike = stays[(stays["status"] != "open") & (stays["days"] > stays["stage"].map(p90).astype("float64"))]
    alike = alike.groupby("stage")["status"].agg(n_alike="size", won_share=lambda status: (status == "won").mean())
    return p90.rename("p90").to_frame().join(alike).fillna({"n_alike": 0})
