"""How long deals take and how they end, open ones counted as open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .. import periods, statistics
from ..errors import DataRefused
from ..snapshot import Snapshot
from .spells import grouped, recent, require_open_stages, spells


def time_in_stage(snapshot: Snapshot, *, by: str | None = None, level: float = 0.9) -> pd.DataFrame:
    """Days a deal stays in each stage (Kaplan & Meier 1958), one row per stage, or per stage and group.

    Stays that began in the last eight quarters; running ones are censored. Columns: stage, member, n, n_running, median, low,
    high (interval of the median), p90; a time not reached by the data is missing. Raises NoHistory, and DataRefused where no
    stage of the history is listed.
    """
    found = _entered(snapshot)
    rows = []
    for (_, stage, member), group in grouped(snapshot, found, by):
        curve = statistics.survival_curve(group["days"], group["end"].notna(), level)
        median, low, high = statistics.survival_quantile(curve, 0.5)
        p90, _, _ = statistics.survival_quantile(curve, 0.9)
        rows.append([stage, member, len(group), int(group["end"].isna().sum()), median, low, high, p90])
    return pd.DataFrame(rows, columns=["stage", "member", "n", "n_running", "median", "low", "high", "p90"])


def _entered(snapshot: Snapshot) -> pd.DataFrame:
    require_open_stages(snapshot)
    return recent(snapshot, spells(snapshot))


def conversion(snapshot: Snapshot, *, by: str | None = None, level: float = 0.9) -> pd.DataFrame:
    """Share of deals entering each stage that move on from it, one row per stage, or per stage and group.

    Open deals are censored, not failures; a loss or a step back competes (Aalen & Johansen 1978). Columns: stage, member, n,
    advanced, lost, back, n_running (counts), value (share advancing in the end; missing when nothing has ended), low, high
    (`share_ended`), unit. Raises as `time_in_stage` does.
    """
    found = _entered(snapshot)
    rows = []
    for (_, stage, member), group in grouped(snapshot, found, by):
        counts = [int((group["end"] == end).sum()) for end in ("advanced", "lost", "back")]
        curve = statistics.cumulative_incidence(group["days"], group["end"], level)
        n_running = int(group["end"].isna().sum())
        share = statistics.share_ended(curve, "advanced", len(group) - n_running, level)
        rows.append([stage, member, len(group), *counts, n_running, *share])
    names = ["stage", "member", "n", "advanced", "lost", "back", "n_running", "value", "low", "high"]
    return pd.DataFrame(rows, columns=names).astype({"value": float, "low": float, "high": float}).assign(unit="share")


def survival(snapshot: Snapshot, *, level: float = 0.9) -> pd.DataFrame:
    """Share of deals still in each stage after so many days, one row per stage and end: stage, time, value, low, high.

    Raises as `time_in_stage` does, and DataRefused where no stay has ended.
    """
    found = _entered(snapshot)
    curves = [
        statistics.survival_curve(group["days"], group["end"].notna(), level).assign(stage=stage)
        for (_, stage, _), group in grouped(snapshot, found, None)
    ]
    if not found["end"].notna().any():
        what = f"none of {len(found):,} stays begun in the last eight quarters has ended"
        raise DataRefused(what, f"data {snapshot.data}, as of {snapshot.as_of}", "ask a later day")
    return pd.concat(curves, ignore_index=True)[["stage", "time", "value", "low", "high"]]


def time_to_close(snapshot: Snapshot, *, by: str | None = None, level: float = 0.9) -> pd.DataFrame:
    """Days from creation to closing with open deals censored, one row per group: works without a stage history.

    Columns: member, n, n_open, median, low, high, p90 (of any closing), won_share, won_low, won_high (share won in the
    end, open deals censored). Deals without a creation date, or closed without a close date, are not counted. A deal created
    before the source kept outcomes is watched only from then on: had it closed earlier, it would not be there.
    """
    rows = []
    for name, group in _by_member(snapshot, by):
        ended, entry = group["status"] != "open", group["entry"]
        curve = statistics.survival_curve(group["days"], ended, level, entry=entry)
        median, low, high = statistics.survival_quantile(curve, 0.5)
        p90, _, _ = statistics.survival_quantile(curve, 0.9)
        won = statistics.cumulative_incidence(group["days"], group["status"].where(ended), level, entry=entry)
        share = statistics.share_ended(won, "won", int(ended.sum()), level)
        rows.append([name, len(group), int((group["status"] == "open").sum()), median, low, high, p90, *share])
    names = ["member", "n", "n_open", "median", "low", "high", "p90", "won_share", "won_low", "won_high"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[3:], float))


def outcome(
    snapshot: Snapshot, *, by: str | None = None, within_days: Sequence[int] = (30, 60, 90, 180), level: float = 0.9
) -> pd.DataFrame:
    """Share of deals won, lost and still open so many days after creation, one row per group and number of days.

    Winning and losing compete (Aalen & Johansen 1978), open deals are censored, entry is delayed as in `time_to_close`, whose
    deals these are. Columns: member, days, n (deals), n_watched (those watched beyond that day), won_share, won_low, won_high,
    lost_share, open_share (the three shares sum to 1); missing where no deal has been watched so long and some were open.

    >>> outcome(Snapshot("data/sample", quarter="2026Q3"), within_days=[90])[["won_share", "lost_share", "open_share"]].round(2)
       won_share  lost_share  open_share
    0       0.21        0.67        0.12
    """
    rows = []
    for name, group in _by_member(snapshot, by):
        ended = group["status"] != "open"
        curve = statistics.cumulative_incidence(group["days"], group["status"].where(ended), level, entry=group["entry"])
        for days in within_days:
            n_watched = int(((group["days"] > days) & (group["entry"] < days)).sum())
            rows.append([name, days, len(group), n_watched, *_shares(curve, days, is_known=group["days"].max() >= days)])
    names = ["member", "days", "n", "n_watched", "won_share", "won_low", "won_high", "lost_share", "open_share"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[4:], float))


def _by_member(snapshot: Snapshot, by: str | None) -> list[tuple[str, pd.DataFrame]]:
    """The dated deals of each group, or of the company."""
    deals = aged(snapshot)
    if deals.empty:
        raise DataRefused("no opportunity carries a creation date", f"data {snapshot.data}", "export the creation date")
    return list(deals.groupby(snapshot.members(deals, by) if by else pd.Series("company", index=deals.index)))


def _shares(curve: pd.DataFrame, days: int, *, is_known: bool) -> list[float]:
    """Won with its interval, lost and open by that day; all missing when the curve ends earlier with deals still open."""
    by_then = curve[curve["time"] <= days].groupby("cause")[["value", "low", "high"]].last()
    shares = by_then.reindex(["won", "lost"]).fillna(0.0)
    left = round(1 - shares["value"].sum(), 12)
    if not is_known and left > 0:
        return [np.nan] * 5
    return [*shares.loc["won"], shares.loc["lost", "value"], left]


def win_rate(snapshot: Snapshot, *, by: str | None = None, level: float = 0.9) -> pd.DataFrame:
    """Won ÷ (won + lost) of the deals closed in the quarter, by close date, one row for the company and one per group.

    Columns: member, n (won + lost), won, lost, n_open (open on the snapshot's day: shown apart, never counted as lost), value
    (missing when nothing closed), low, high (Wilson 1927), unit.
    """
    deals = snapshot.opportunities
    in_quarter = deals["close_date"].dt.to_period(snapshot.quarter.freqstr) == snapshot.quarter
    status = deals["status"].where(in_quarter | (deals["status"] == "open"))
    members = [pd.Series("company", index=deals.index), *([snapshot.members(deals, by)] if by else [])]
    counts = [
        status.groupby([member.rename("member"), status], sort=False).size().unstack(fill_value=0)
        .reindex(columns=["won", "lost", "open"], fill_value=0)
        for member in members
    ]  # fmt: skip
    table = pd.concat(counts).rename(columns={"open": "n_open"}).reset_index()
    table.insert(1, "n", table["won"] + table["lost"])
    table["value"] = table["won"] / table["n"].where(table["n"] > 0)
    table["low"], table["high"] = statistics.wilson(table["won"], table["n"], level)
    return table.rename_axis(columns=None).assign(unit="share")


def aged(snapshot: Snapshot) -> pd.DataFrame:
    """Dated opportunities with `days` from creation to closing, or to the snapshot while open; and `entry`, the days a deal was
    old when the source began to keep outcomes (below 0 when it was created later). `not_timed` counts the others."""
    deals = _dated(snapshot)
    return deals[(deals["days"] >= 0) & (deals["days"] > deals["entry"])]


def not_timed(snapshot: Snapshot) -> pd.DataFrame:
    """Deals without a usable duration, which no time from creation counts, one row per reason, 0 included.

    Columns: reason, n, share (of all deals), example (an opportunity_id; missing where n is 0).

    >>> int(not_timed(Snapshot("data/sample", quarter="2026Q3"))["n"].sum())
    0
    """
    deals = _dated(snapshot)
    reasons = {
        "no creation date": deals["created_at"].isna(),
        "closed without a close date": deals["created_at"].notna() & deals["days"].isna(),
        "closed before it was created": deals["days"] < 0,
        "closed before the source kept outcomes": (deals["days"] >= 0) & (deals["days"] <= deals["entry"]),
    }
    rows = [
        [reason, int(is_so.sum()), float(is_so.mean()), deals.loc[is_so, "opportunity_id"].min() if is_so.any() else None]
        for reason, is_so in reasons.items()
    ]
    return pd.DataFrame(rows, columns=["reason", "n", "share", "example"])


def _dated(snapshot: Snapshot) -> pd.DataFrame:
    deals = snapshot.opportunities.copy()
    created = periods.local_day(deals["created_at"], snapshot.timezone)
    end = deals["close_date"].where(deals["status"] != "open", pd.Timestamp(snapshot.as_of))
    deals["days"] = (end - created).dt.days
    since = pd.Timestamp(snapshot.outcomes_since or snapshot.as_of)
    deals["entry"] = (since - created).dt.days - 0.5  # a deal that closed on the first watched day was seen
    return deals
