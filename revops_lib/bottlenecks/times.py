"""How long deals take and how they end, open ones counted as open."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import periods, statistics
from ..errors import DataRefused
from ..snapshot import Snapshot
from .spells import grouped, recent, spells


def time_in_stage(snapshot: Snapshot, *, by: str | None = None, level: float = 0.9) -> pd.DataFrame:
    """Days a deal stays in each stage (Kaplan & Meier 1958), one row per stage, or per stage and group.

    Stays that began in the last eight quarters; running ones are censored. Columns: stage, member, n, n_running, median, low,
    high (interval of the median), p90; a time not reached by the data is missing. Raises NoHistory.
    """
    found = recent(snapshot, spells(snapshot))
    rows = []
    for (_, stage, member), group in grouped(snapshot, found, by):
        curve = statistics.survival_curve(group["days"], group["end"].notna(), level)
        median, low, high = statistics.survival_quantile(curve, 0.5)
        p90, _, _ = statistics.survival_quantile(curve, 0.9)
        rows.append([stage, member, len(group), int(group["end"].isna().sum()), median, low, high, p90])
    return pd.DataFrame(rows, columns=["stage", "member", "n", "n_running", "median", "low", "high", "p90"])


def conversion(snapshot: Snapshot, *, by: str | None = None, level: float = 0.9) -> pd.DataFrame:
    """Share of deals entering each stage that move on from it, one row per stage, or per stage and group.

    Open deals are censored, not failures; a loss or a step back competes (Aalen & Johansen 1978). Columns: stage, member, n,
    advanced, lost, back, n_running (counts), value (share advancing in the end), low, high, unit. Raises NoHistory.
    """
    found = recent(snapshot, spells(snapshot))
    rows = []
    for (_, stage, member), group in grouped(snapshot, found, by):
        counts = [int((group["end"] == end).sum()) for end in ("advanced", "lost", "back")]
        curve = statistics.cumulative_incidence(group["days"], group["end"], level)
        advanced = curve[curve["cause"] == "advanced"]
        value, low, high = advanced.iloc[-1][["value", "low", "high"]] if len(advanced) else (np.nan, np.nan, np.nan)
        rows.append([stage, member, len(group), *counts, int(group["end"].isna().sum()), value, low, high])
    names = ["stage", "member", "n", "advanced", "lost", "back", "n_running", "value", "low", "high"]
    return pd.DataFrame(rows, columns=names).astype({"value": float, "low": float, "high": float}).assign(unit="share")


def survival(snapshot: Snapshot, *, level: float = 0.9) -> pd.DataFrame:
    """Share of deals still in each stage after so many days, one row per stage and end: stage, time, value, low, high."""
    found = recent(snapshot, spells(snapshot))
    curves = [
        statistics.survival_curve(group["days"], group["end"].notna(), level).assign(stage=stage)
        for (_, stage, _), group in grouped(snapshot, found, None)
    ]
    if not curves:
        raise DataRefused("no deal has entered a stage yet", f"data {snapshot.data}, as of {snapshot.as_of}", "ask a later day")
    return pd.concat(curves, ignore_index=True)[["stage", "time", "value", "low", "high"]]


def time_to_close(snapshot: Snapshot, *, by: str | None = None, level: float = 0.9) -> pd.DataFrame:
    """Days from creation to closing with open deals censored, one row per group: works without a stage history.

    Columns: member, n, n_open, median, low, high, p90 (of any closing), won_share, won_low, won_high (share won in the
    end, open deals censored). Deals without a creation date, or closed without a close date, are not counted. A deal created
    before the source kept outcomes is watched only from then on: had it closed earlier, it would not be there.
    """
    deals = aged(snapshot)
    if deals.empty:
        raise DataRefused("no opportunity carries a creation date", f"data {snapshot.data}", "export the creation date")
    member = snapshot.members(deals, by) if by else pd.Series("company", index=deals.index)
    rows = []
    for name, group in deals.groupby(member):
        ended, entry = group["status"] != "open", group["entry"]
        curve = statistics.survival_curve(group["days"], ended, level, entry=entry)
        median, low, high = statistics.survival_quantile(curve, 0.5)
        p90, _, _ = statistics.survival_quantile(curve, 0.9)
        won = statistics.cumulative_incidence(group["days"], group["status"].where(ended), level, entry=entry)
        last = won[won["cause"] == "won"].tail(1)[["value", "low", "high"]].to_numpy().ravel()
        share = list(last) if len(last) else [np.nan] * 3
        rows.append([name, len(group), int((group["status"] == "open").sum()), median, low, high, p90, *share])
    names = ["member", "n", "n_open", "median", "low", "high", "p90", "won_share", "won_low", "won_high"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[3:], float))


def win_rate(snapshot: Snapshot, *, by: str | None = None, level: float = 0.9) -> pd.DataFrame:
    """Won ÷ (won + lost) of the deals closed in the quarter, by close date, one row for the company and one per group.

    Columns: member, n (won + lost), won, lost, n_open (open on the snapshot's day: shown apart, never counted as lost), value
    (missing when nothing closed), low, high (Wilson 1927), unit.
    """
    deals = snapshot.opportunities
    in_quarter = deals["close_date"].dt.to_period(snapshot.quarter.freqstr) == snapshot.quarter
    status = deals["status"].where(in_quarter | (deals["status"] == "open"))
    member = pd.Series("company", index=deals.index)
    if by:
        member, status = pd.concat([member, snapshot.members(deals, by)]), pd.concat([status, status])
    counts = status.groupby([member.rename("member"), status], sort=False).size().unstack(fill_value=0)
    table = counts.reindex(columns=["won", "lost", "open"], fill_value=0).rename(columns={"open": "n_open"}).reset_index()
    table.insert(1, "n", table["won"] + table["lost"])
    table["value"] = table["won"] / table["n"].where(table["n"] > 0)
    table["low"], table["high"] = statistics.wilson(table["won"], table["n"], level)
    return table.rename_axis(columns=None).assign(unit="share")


def aged(snapshot: Snapshot) -> pd.DataFrame:
    """Dated opportunities with `days` from creation to closing, or to the snapshot while open, never negative; and `entry`, the
    days a deal was old when the source began to keep outcomes (below 0 when it was created later)."""
    deals = snapshot.opportunities[snapshot.opportunities["created_at"].notna()].copy()
    created = periods.local_day(deals["created_at"], snapshot.timezone)
    end = deals["close_date"].where(deals["status"] != "open", pd.Timestamp(snapshot.as_of))
    deals["days"] = (end - created).dt.days.clip(lower=0)
    since = pd.Timestamp(snapshot.outcomes_since or snapshot.as_of)
    deals["entry"] = (since - created).dt.days - 0.5  # a deal that closed on the first watched day was seen
    return deals[deals["days"].notna() & (deals["days"] > deals["entry"])]
