"""Moves back to an earlier stage, and what they cost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import periods, statistics
from ..snapshot import Snapshot
from .spells import DAY, LOOKBACK, places, recent, spells


def setbacks(snapshot: Snapshot, *, level: float = 0.9) -> pd.DataFrame:
    """Moves of deals from an open stage to an earlier one in the last eight quarters, one row per pair of stages, most first.

    Columns: from_stage, to_stage, n (moves), n_deals, n_again (moves after which the deal is again where it was, or further),
    n_waiting (still open and not there yet), days (from the move, by which half of those who get there again are there; deals
    still on their way are censored, a loss competes), amount (of these deals as known now, each once; missing where none has
    one), won_share, won_low, won_high (of these deals, once closed: won ÷ closed, Wilson 1927), straight_share, straight_low,
    straight_high (the same of deals that were in from_stage in that time and never moved back). Raises NoHistory.

    >>> setbacks(Snapshot("data/sample", quarter="2026Q3")).empty
    True
    """
    snapshot.require_one_currency()
    found = spells(snapshot)
    moves = _moves(snapshot, found)
    now = snapshot.opportunities.set_index("opportunity_id")
    straight = recent(snapshot, found)[["stage", "opportunity_id"]].drop_duplicates()
    straight = straight[~straight["opportunity_id"].isin(moves["opportunity_id"])]
    rows = []
    for (came, went), group in moves.groupby(["from_stage", "to_stage"]):
        deals = now.loc[group["opportunity_id"].unique()]
        others = now.loc[straight.loc[straight["stage"] == came, "opportunity_id"], "status"]
        again = group["cause"] == "again"
        curve = statistics.cumulative_incidence(group["days"], group["cause"], level)
        curve = curve[curve["cause"] == "again"]
        half = curve.loc[curve["value"] >= curve["value"].max() / 2, "time"].min()
        counts = [len(group), len(deals), int(again.sum()), int(group["cause"].isna().sum())]
        rest = [half, deals["amount"].sum(min_count=1), *_won(deals["status"], level), *_won(others, level)]
        rows.append([came, went, *counts, *rest])
    names = ["from_stage", "to_stage", "n", "n_deals", "n_again", "n_waiting", "days", "amount", "won_share", "won_low",
             "won_high", "straight_share", "straight_low", "straight_high"]  # fmt: skip
    kinds = {**dict.fromkeys(names[:2], "str"), **dict.fromkeys(names[2:6], "int64"), **dict.fromkeys(names[8:], "float64")}
    table = pd.DataFrame(rows, columns=names).astype({**kinds, "days": "float64", "amount": now["amount"].dtype})
    return table.sort_values(["n", "from_stage", "to_stage"], ascending=[False, True, True], kind="stable", ignore_index=True)


def _moves(snapshot: Snapshot, found: pd.DataFrame) -> pd.DataFrame:
    """One row per move back: opportunity_id, from_stage, to_stage, days until the deal was again as far, lost, or now, and
    cause (again, lost; missing while neither)."""
    place, position = snapshot.table("stages").set_index("stage"), places(snapshot)
    target = found["next_stage"].map(position).astype("float64")
    moved = periods.local_day(found["to_at"], snapshot.timezone).dt.to_period(f"Q-{snapshot.fiscal_year_end}")
    is_late = moved > periods.quarter_of(snapshot.as_of, snapshot.fiscal_year_end) - LOOKBACK
    moves = found[(target < found["position"].astype("float64")) & is_late]
    moves = moves.rename(columns={"stage": "from_stage", "next_stage": "to_stage"}).reset_index(drop=True)
    every = snapshot.spells("stage")
    later = (
        moves[["opportunity_id", "to_at", "position"]].reset_index().merge(every, on="opportunity_id", suffixes=("", "_later"))
    )
    later = later[later["from_at"] >= later["to_at"]]
    is_again = later["value"].map(position).astype("float64") >= later["position"]
    again = later[is_again].groupby("index")["from_at"].min().reindex(moves.index)
    lost_stages = place.index[place["status"] == "lost"]
    lost = later[later["value"].isin(lost_stages)].groupby("index")["from_at"].min().reindex(moves.index)
    cause = pd.Series(np.select([again.notna(), lost.notna()], ["again", "lost"], ""), index=moves.index)
    end = again.fillna(lost).fillna(snapshot.cutoff)
    moves["days"] = (end - moves["to_at"]).dt.total_seconds() / DAY
    return moves.assign(cause=cause.mask(cause == ""))[["opportunity_id", "from_stage", "to_stage", "days", "cause"]]


def _won(status: pd.Series, level: float) -> list[float]:
    won, closed = int((status == "won").sum()), int((status != "open").sum())
    low, high = statistics.wilson(won, closed, level)
    return [won / closed if closed else np.nan, float(low), float(high)]
