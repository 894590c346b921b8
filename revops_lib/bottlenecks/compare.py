"""Two processes side by side: after a merger, a reorganisation, a new way of selling."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pandas as pd

from .. import periods, statistics
from ..errors import DataRefused, UsageError, nearest
from ..snapshot import Snapshot
from .spells import DAY, places, recent, require_open_stages, spells
from .times import aged

ALPHA = 0.05


def compare(
    snapshot: Snapshot,
    *,
    by: str = "",
    one: str = "",
    other: str = "",
    since: str | dt.date = "",
    mapping: Mapping[str, str | None] | None = None,
    level: float = 0.9,
) -> pd.DataFrame:
    """Times and conversion of two processes, one row per stage and measure, then two for the whole process.

    Either two groups of deals, `one` and `other` of the column `by`, or the time before and from `since` on (a day; without it
    the last four quarters against those before, in which a changed market is a difference, too). Stays begun in the
    last eight quarters, for the whole process deals created in them; what began before `since` is watched up to that day only,
    for what came later was the new process. Shares of both are read at the same age, the longest at which both could be
    watched: 60 days of the new process stand beside the first 60 of the old one.
    `mapping`: stage as written -> stage it is compared as; None leaves a stage out. Stays of one deal that follow each other in
    the same compared stage are one stay. A stage of `other` that maps to none of `one` is refused.

    Columns: stage ("whole process": creation to closing), measure ("median days", "moves on", "won"), n_one, n_other (stays,
    deals), one, other, difference (other − one), low, high (Newcombe 1998 from the two intervals), p (days: log-rank test of
    the whole curve; shares: normal approximation; both within segments unless grouped by them), is_different (Holm 1979 over
    all rows stays below 5 %), unit, within_days (at which shares are read; of medians missing), of_one, of_other (what is
    compared). Raises NoHistory, UsageError, DataRefused.

    >>> table = compare(Snapshot("data/sample", quarter="2026Q3"), by="segment", one="SMB", other="Enterprise")
    >>> table.loc[table["stage"] == "whole process", ["one", "other", "p"]].round(2).values.tolist()
    [[33.0, 52.0, 0.0], [0.28, 0.3, 0.62]]
    """
    require_open_stages(snapshot)
    stays = _relabelled(snapshot, recent(snapshot, spells(snapshot)), mapping or {})
    stays, names = _halved(snapshot, stays.assign(entry=-np.inf), by, one, other, since)
    _require_counterparts(stays, names)
    deals, _ = _halved(snapshot, recent(snapshot, _deals(snapshot)), by, one, other, since)
    strata = None if by == "segment" else "segment"
    rows = []
    for (_, stage), group in stays.groupby(["position", "stage"]):
        rows += _pair(stage, group, ("moves on", "advanced"), strata, level)
    rows += _pair("whole process", deals, ("won", "won"), strata, level)
    columns = ["stage", "measure", "n_one", "n_other", "one", "other", "difference", "low", "high", "p", "unit", "within_days"]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(10, "is_different", statistics.holm(table["p"]) <= ALPHA)
    return table.assign(of_one=names[0], of_other=names[1])


def _deals(snapshot: Snapshot) -> pd.DataFrame:
    """Deals from creation to closing in the shape of stays."""
    deals = aged(snapshot).rename(columns={"created_at": "from_at"})
    deals["to_at"] = (deals["from_at"] + pd.to_timedelta(deals["days"], unit="D")).where(deals["status"] != "open")
    deals["end"] = deals["status"].where(deals["status"] != "open")
    deals["entered"] = periods.local_day(deals["from_at"], snapshot.timezone).dt.to_period(f"Q-{snapshot.fiscal_year_end}")
    return deals.assign(segment=snapshot.members(deals, "segment"))


def _relabelled(snapshot: Snapshot, stays: pd.DataFrame, mapping: Mapping[str, str | None]) -> pd.DataFrame:
    """Stays under the stages they are compared as, neighbours of the same stage joined."""
    stages = snapshot.table("stages")
    for name in [*mapping, *(goal for goal in mapping.values() if goal is not None)]:
        if name not in set(stages["stage"]):
            raise UsageError(f"unknown stage {name!r}", "mapping", nearest(name, stages["stage"]))
    if not mapping or stays.empty:
        return stays
    common = {stage: mapping.get(stage, stage) for stage in stages["stage"]}
    position = places(snapshot)
    stays = stays.assign(stage=stays["stage"].map(common), next_stage=stays["next_stage"].map(common))
    if stays["stage"].isna().all():
        raise UsageError("the mapping leaves every stage out", "mapping", "map at least one stage to a stage")
    stays = stays[stays["stage"].notna()].sort_values(["opportunity_id", "from_at"], kind="stable")
    run = (stays[["opportunity_id", "stage"]] != stays[["opportunity_id", "stage"]].shift()).any(axis=1).cumsum()
    joined = stays.groupby(run, as_index=False).agg(
        {"opportunity_id": "first", "stage": "first", "from_at": "first", "days": "sum", "segment": "first"}
    )
    last = stays.groupby(run).tail(1).reset_index(drop=True)
    joined[["to_at", "next_stage", "end"]] = last[["to_at", "next_stage", "end"]]
    joined["position"] = joined["stage"].map(position)
    onward = joined["end"].isin(["advanced", "back"]) & joined["next_stage"].notna()
    is_further = joined["next_stage"].map(position).astype("float64") > joined["position"]
    joined["end"] = joined["end"].mask(onward, pd.Series(np.where(is_further, "advanced", "back"), index=joined.index))
    return joined


def _halved(
    snapshot: Snapshot, stays: pd.DataFrame, by: str, one: str, other: str, since: str | dt.date
) -> tuple[pd.DataFrame, tuple[str, str]]:
    """The stays of both processes with `half` 0 or 1 and `watched`, the days each could be seen at most; and what the two are
    called."""
    until = pd.Series(snapshot.cutoff, index=stays.index)
    if since and by:
        raise UsageError("both two groups and a day are named", "compare", "give by, one and other, or since")
    if not by:
        year_ago = periods.quarter_of(snapshot.as_of + dt.timedelta(days=1), snapshot.fiscal_year_end) - 4
        day = periods.day(since) if since else periods.first_day(year_ago)
        begin = periods.cutoff(day - dt.timedelta(days=1), snapshot.timezone)
        half = (stays["from_at"] >= begin).astype("int64")
        is_cut = (half == 0) & ~(stays["to_at"] < begin)
        days = stays["days"].mask(is_cut, (begin - stays["from_at"]).dt.total_seconds() / DAY)
        watched = (until.mask(half == 0, begin) - stays["from_at"]).dt.total_seconds() / DAY
        cut = stays.assign(half=half, days=days, end=stays["end"].mask(is_cut), watched=watched)
        return cut[cut["days"] > cut["entry"]], (f"before {day}", f"from {day}")
    deals = snapshot.opportunities
    member = stays["opportunity_id"].map(pd.Series(snapshot.members(deals, by).to_numpy(), index=deals["opportunity_id"]))
    for name in (one, other):
        if not (member == name).any():
            raise UsageError(f"no stay of {by} {name!r}", "compare", nearest(name, sorted(member.unique())))
    if one == other:
        raise UsageError(f"{by} {one!r} is compared with itself", "compare", "name another group as other")
    watched = (until - stays["from_at"]).dt.total_seconds() / DAY
    stays = stays.assign(half=(member == other).astype("int64"), watched=watched)
    return stays[member.isin([one, other])], (f"{by} {one}", f"{by} {other}")


def _require_counterparts(stays: pd.DataFrame, names: tuple[str, str]) -> None:
    seen = [set(stays.loc[stays["half"] == half, "stage"]) for half in (0, 1)]
    for half, name in enumerate(names):
        if not seen[half]:
            raise DataRefused(f"no deal entered a stage {name} within the last eight quarters", "compare", "choose another day")
    alone = sorted(seen[1] - seen[0])
    if alone:
        what = f"{', '.join(map(repr, alone))} of {names[1]} map to no stage of {names[0]}"
        raise DataRefused(what, "compare", f"map each to one of {', '.join(sorted(seen[0]))}, or to None to leave it out")


def _pair(stage: str, group: pd.DataFrame, goal: tuple[str, str], strata: str | None, level: float) -> list[list]:
    """Two rows: median days, and the share that ends as `goal` (name of the measure, end) says."""
    halves = [group[group["half"] == half] for half in (0, 1)]
    days, shares = [], []
    for half in halves:
        curve = statistics.survival_curve(half["days"], half["end"].notna(), level, entry=half["entry"])
        days.append(statistics.survival_quantile(curve, 0.5))
        shares.append(_share(half, goal[1], _horizon(group), level))
    within = group[strata] if strata else None
    _, p = statistics.logrank(group["days"], group["end"].notna(), group["half"], entry=group["entry"], strata=within)
    start = [stage, "median days", len(halves[0]), len(halves[1])]
    return [
        [*start, *_beside(*days), p, "days", np.nan],
        [stage, goal[0], *start[2:], *_beside(*shares), _p_of_shares(group, goal[1], strata, level), "share", _horizon(group)],
    ]


def _horizon(group: pd.DataFrame) -> float:
    """Days that both halves could be watched."""
    return float(group.groupby("half")["watched"].max().min())


def _share(half: pd.DataFrame, end: str, within_days: float, level: float) -> tuple[float, float, float]:
    """Share that ends so within these days, with its interval; missing when nothing has ended."""
    curve = statistics.cumulative_incidence(half["days"], half["end"], level, entry=half["entry"])
    if curve.empty:
        return np.nan, np.nan, np.nan
    n = int((half["end"].notna() | (half["days"] >= within_days)).sum())
    value, low, high = statistics.share_ended(curve[curve["time"] <= within_days], end, n, level)
    return value, low, high


def _beside(one: tuple[float, float, float], other: tuple[float, float, float]) -> list[float]:
    return [one[0], other[0], *statistics.difference(one, other)]


def _p_of_shares(group: pd.DataFrame, end: str, strata: str | None, level: float) -> float:
    """Two-sided p value of the difference of two shares within the strata, weighted as Cochran 1954 does. The variance is read
    from the intervals, and is at least that of counts with the stratum's common share: few cases tell little."""
    from statistics import NormalDist

    score = variance = 0.0
    for _, layer in group.groupby(strata) if strata else [("", group)]:
        halves = [layer[layer["half"] == half] for half in (0, 1)]
        shares = [_share(half, end, _horizon(layer), level) for half in halves]
        n = [len(half) for half in halves]
        if not min(n) or any(np.isnan(share[0]) for share in shares):
            continue
        half_width = [max(share - low, high - share) for share, low, high in shares]
        common = (n[0] * shares[0][0] + n[1] * shares[1][0]) / sum(n)
        least = common * (1 - common) * (1 / n[0] + 1 / n[1])
        weight = n[0] * n[1] / sum(n)
        score += weight * (shares[1][0] - shares[0][0])
        variance += weight**2 * max(sum(w**2 for w in half_width) / statistics.normal_quantile(level) ** 2, least)
    return 2 * NormalDist().cdf(-abs(score) / variance**0.5) if variance else np.nan
