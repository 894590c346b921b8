"""The forecast that people submit, and how far it usually is from what comes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from .. import money, periods
from ..snapshot import Snapshot
from .panel import ORIGINS, Panel

POOLED, SHRUNK = 3.0, 4.0  # rounds' worth of trust in the bias of all weeks, and in no bias at all
LAYERS = ("rep", "manager")  # a manager is somebody to whom others report


@dataclass(frozen=True)
class Round:
    """What a layer submitted for a quarter on one day, and whose deals that is about."""

    layer: str
    quarter: int  # ordinal
    day: pd.Timestamp
    amount: float
    owners: frozenset[str]


@lru_cache(maxsize=4)
def rounds(snapshot: Snapshot) -> list[Round]:
    """All rounds known, the oldest first; who submits several times on one day counts with the last one."""
    rows = snapshot.table("forecast_submissions")
    people = snapshot.table("reps").dropna(subset="manager_id").drop_duplicates(["rep_id", "manager_id"])
    team = people.groupby("manager_id")["rep_id"].agg(frozenset).to_dict()
    rows = rows.assign(
        day=periods.local_day(rows["submitted_at"], snapshot.timezone), value=money.to_float(rows["amount"]),
        layer=np.where(rows["rep_id"].isin(list(team)), "manager", "rep"),
        ordinal=[pd.Period(q, freq=f"Q-{snapshot.fiscal_year_end}").ordinal for q in rows["quarter"]],
    )  # fmt: skip
    rows = rows.sort_values("submitted_at", kind="stable").drop_duplicates(["layer", "ordinal", "day", "rep_id"], keep="last")
    found = []
    for (layer, quarter, day), of in rows.groupby(["layer", "ordinal", "day"], sort=False):
        owners = of["rep_id"] if layer == "rep" else pd.Series([rep for one in of["rep_id"] for rep in team[one]])
        found.append(Round(layer, quarter, day, float(of["value"].sum()), frozenset(owners)))
    return sorted(found, key=lambda one: one.day)


def biases(panel: Panel, rounds: list[Round], quarter: pd.Period) -> pd.DataFrame:
    """What past rounds show, one row per round of the quarters before: layer, quarter, week (1, 4, 8 or 12), bias.

    bias = log of what was submitted beyond the closed over what came beyond it, both of the deals of those who submitted;
    positive: too much was promised.
    """
    won = panel.won_on(panel.fitted_on(quarter))
    of, closed, amount, owner = (won[name].to_numpy() for name in ("quarter", "closed", "weight", "owner"))
    known = {q.ordinal: q for q in panel.before(quarter)}
    rows = []
    for one in rounds:
        if one.quarter in known:
            mine = np.flatnonzero(of == one.quarter)
            mine = mine[[name in one.owners for name in owner[mine]]] if len(mine) else mine
            is_closed = closed[mine] < one.day.to_datetime64()
            come, said = amount[mine][~is_closed].sum(), one.amount - amount[mine][is_closed].sum()
            if come > 0 and said > 0:
                rows.append((one.layer, one.quarter, bucket(known[one.quarter], one.day.date()), np.log(said / come)))
    return pd.DataFrame(rows, columns=["layer", "quarter", "week", "bias"])


def from_submitted(
    panel: Panel, rounds: list[Round], past: pd.DataFrame, quarter: pd.Period, day: dt.date, layer: str = "rep", *,
    corrected: bool = True,
) -> float:  # fmt: skip
    """The latest round for the quarter known on `day`: what is closed, and what is submitted beyond it less its usual bias. NaN
    without a round."""
    mine = [one for one in rounds if one.layer == layer and one.quarter == quarter.ordinal and one.day <= pd.Timestamp(day)]
    if not mine:
        return np.nan
    last, won = mine[-1], panel.won_on(day)
    closed = won[(won["quarter"] == quarter.ordinal) & (won["closed"] < last.day)]
    own = float(closed.loc[closed["owner"].isin(last.owners), "weight"].sum())
    bias = expected_bias(past, layer, bucket(quarter, last.day.date())) if corrected else 0.0
    return max(float(closed["weight"].sum()) + (last.amount - own) * float(np.exp(-bias)), panel.result(quarter, day))


def expected_bias(past: pd.DataFrame, layer: str, week: int) -> float:
    """The bias of a week's rounds, leaning on that of all weeks, and on none while few rounds are known."""
    mine = past[past["layer"] == layer]
    if mine.empty:
        return 0.0
    same = mine.loc[mine["week"] == week, "bias"]
    pooled = (same.sum() + POOLED * mine["bias"].mean()) / (len(same) + POOLED)
    return float(pooled * len(mine) / (len(mine) + SHRUNK))


def bucket(quarter: pd.Period, day: dt.date) -> int:
    """The week among 1, 4, 8 and 12 whose start is nearest to the day."""
    gone = ((day - periods.first_day(quarter)).days + 1) / 7 + 1
    return min(ORIGINS, key=lambda week: abs(week - gone))
