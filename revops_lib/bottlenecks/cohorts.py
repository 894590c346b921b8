"""What becomes of the deals that reached a stage, or were created, in the same quarter; a deal counts once per stage."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import periods, statistics
from ..errors import DataRefused, UsageError, nearest
from ..snapshot import Snapshot
from .spells import DAY, LOOKBACK, places, require_open_stages
from .times import aged

MATURE = 0.9  # share of cases that end within the time that a cohort must have been watched
MONTH = 30  # days
GOALS = ("next", "won")


def cohorts(snapshot: Snapshot, *, until: str = "next", level: float = 0.9) -> pd.DataFrame:
    """Share of the deals reaching a stage in one quarter that get further, one row per stage and quarter, last eight.

    `until`: "next" (a later stage, or won) or "won" (pass-through to the win). A deal that skips a stage reached it, one that
    moves back and forward again counts once; open deals are censored, a loss competes (Aalen & Johansen 1978). Columns: stage,
    cohort, n (deals), reached, n_open (counts now), value (0–1), low, high, watched_days (of the youngest deal), needed_days
    (by which nine in ten deals of that stage, all cohorts, have ended either way: Kaplan & Meier 1958), is_immature (watched
    for less with deals open: the share is that of the time watched so far, later wins are not in it), unit. Raises NoHistory,
    and DataRefused where no stage of the history is listed.

    >>> table = cohorts(Snapshot("data/sample", quarter="2026Q3"), until="won")
    >>> table.loc[table["is_immature"], "cohort"].astype("str").unique().tolist()
    ['2026Q2', '2026Q3']
    """
    if until not in GOALS:
        raise UsageError(f"unknown goal {until!r}", "until", nearest(until, GOALS))
    steps = _ended(snapshot, _recent(snapshot, _steps(snapshot)), f"{until}_at")
    rows = []
    for (_, stage), of_stage in steps.groupby(["position", "stage"]):
        ends = statistics.survival_curve(of_stage["days"], of_stage["cause"].notna())
        needed = statistics.survival_quantile(ends, MATURE)[0]
        for cohort, group in of_stage.groupby("cohort"):
            watched = (snapshot.cutoff - group["reached_at"].max()).total_seconds() / DAY
            n_open = int(group["cause"].isna().sum())
            is_immature = n_open > 0 and not watched >= needed
            counts = [len(group), int((group["cause"] == "reached").sum()), n_open]
            rows.append([stage, cohort, *counts, *_reached(group, level)[:3], watched, needed, is_immature])
    names = ["stage", "cohort", "n", "reached", "n_open", "value", "low", "high", "watched_days", "needed_days", "is_immature"]
    return pd.DataFrame(rows, columns=names).assign(unit="share")


def funnel(snapshot: Snapshot, *, by: str | None = None, level: float = 0.9) -> pd.DataFrame:
    """Share of created deals that reach each stage and are won, one row per step, or per group and step.

    Deals created in the last eight quarters that have a stage history. Columns: member, step, n (deals that came so far),
    n_open (of these still open before the next step), value (share of all created), low, high, previous_share (of the step
    before), days (from the step before, by which half of those who come in the end are there), win_rate (of those who come to
    the step, the share that is won in the end: last value ÷ value), unit.

    Each step's share comes from the deals that reached the step before, open ones censored, a loss competing (Aalen & Johansen
    1978); the shares are multiplied, and the variances of their logarithms added. Raises as `cohorts` does.

    >>> steps = funnel(Snapshot("data/sample", quarter="2026Q3")).set_index("step")
    >>> steps["value"].round(2).to_dict()
    {'Created': 1.0, 'Qualification': 0.63, 'Proposal': 0.45, 'Negotiation': 0.34, 'Contracting': 0.29, 'Won': 0.27}
    >>> float(steps.at["Proposal", "win_rate"].round(2))
    0.6
    """
    steps = _steps(snapshot)
    first = steps.loc[steps["is_first"], ["opportunity_id", "cohort"]].set_index("opportunity_id")["cohort"]
    steps = _recent(snapshot, steps.assign(cohort=steps["opportunity_id"].map(first)))
    if steps.empty:
        raise DataRefused("no deal was created in these quarters", f"data {snapshot.data}", "ask an earlier quarter")
    steps = _ended(snapshot, steps, "next_at")
    member = pd.Series("company", index=steps.index)
    if by:
        deals = snapshot.opportunities
        member = steps["opportunity_id"].map(pd.Series(snapshot.members(deals, by).to_numpy(), index=deals["opportunity_id"]))
    path = _path(snapshot).index.tolist()
    rows = []
    for name, group in steps.groupby(member):
        rows += [[name, *row] for row in _descent(group, path, level)]
    names = ["member", "step", "n", "n_open", "value", "low", "high", "previous_share", "days"]
    found = pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[4:], float))
    won = found.groupby("member")["value"].transform(lambda shares: shares.iloc[-1])
    return found.assign(win_rate=won / found["value"].where(found["value"] > 0), unit="share")


def wins_by_cohort(snapshot: Snapshot, *, months: int = 9, level: float = 0.9) -> pd.DataFrame:
    """Share of the deals created in one quarter that are won so many months later, one row per quarter and month.

    The last eight quarters; a month is 30 days; works without a stage history. Aalen & Johansen 1978 as in `time_to_close`.
    Columns: cohort, month, n (deals), n_watched (watched so long, or closed), value (missing where no deal of the cohort was
    watched so long), low, high (of a share of 0 or 1 Wilson 1927 on the deals watched), is_immature (not every deal was watched
    so long: rests on the cohort's older ones), unit.
    """
    deals = aged(snapshot)
    deals = deals.assign(cohort=_quarter(snapshot, deals["created_at"]))
    age = (snapshot.cutoff - deals["created_at"]).dt.total_seconds() / DAY
    rows = []
    for cohort, group in _recent(snapshot, deals).groupby("cohort"):
        ended = group["status"] != "open"
        curve = statistics.cumulative_incidence(group["days"], group["status"].where(ended), level, entry=group["entry"])
        for month in range(1, months + 1):
            day = month * MONTH
            is_there = (age[group.index] >= day) | ended
            shares = [np.nan] * 3
            if age[group.index].max() >= day or ended.all():
                n_seen = int((is_there & (group["entry"] < day)).sum())
                shares = statistics.share_ended(curve[curve["time"] <= day], "won", n_seen, level)
            rows.append([cohort, month, len(group), int(is_there.sum()), *shares, not is_there.all()])
    if not rows:
        raise DataRefused("no deal was created in these quarters", f"data {snapshot.data}", "ask an earlier quarter")
    names = ["cohort", "month", "n", "n_watched", "value", "low", "high", "is_immature"]
    return pd.DataFrame(rows, columns=names).assign(unit="share")


def _steps(snapshot: Snapshot) -> pd.DataFrame:
    """When a deal first reached each open stage or one beyond, one row per deal and stage reached.

    Columns: opportunity_id, stage, position, reached_at, next_at (a later stage or won), won_at, lost_at (of deals lost now),
    cohort (quarter of reached_at), is_first (the stage is the process's first).
    """
    require_open_stages(snapshot)
    status = snapshot.table("stages").set_index("stage")["status"]
    path = _path(snapshot)
    found = snapshot.spells("stage")
    found = found[found["opportunity_id"].isin(snapshot.opportunities["opportunity_id"])]
    place = found["value"].map(places(snapshot)).astype("float64")
    lost = found[(found["value"].map(status) == "lost") & found["to_at"].isna()].set_index("opportunity_id")["from_at"]
    reached = pd.DataFrame(
        {position: found[place >= position].groupby("opportunity_id")["from_at"].min() for position in [*path, np.inf]}
    )
    parts = []
    for stage, position in path.items():
        after = reached.columns[reached.columns > position]
        parts.append(
            pd.DataFrame({"reached_at": reached[position], "next_at": reached[after[0]], "won_at": reached[np.inf]})
            .dropna(subset="reached_at")
            .assign(stage=stage, position=position, is_first=position == path.iloc[0])
        )
    steps = pd.concat(parts).rename_axis("opportunity_id").reset_index()
    steps["lost_at"] = lost.reindex(steps["opportunity_id"]).to_numpy()
    return steps.assign(cohort=_quarter(snapshot, steps["reached_at"]))


def _path(snapshot: Snapshot) -> pd.Series:
    """Places of the open stages, by stage, in their order."""
    place = places(snapshot)
    return place[np.isfinite(place)].sort_values()


def _quarter(snapshot: Snapshot, instants: pd.Series) -> pd.Series:
    return periods.local_day(instants, snapshot.timezone).dt.to_period(f"Q-{snapshot.fiscal_year_end}")


def _recent(snapshot: Snapshot, frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["cohort"] > periods.quarter_of(snapshot.as_of, snapshot.fiscal_year_end) - LOOKBACK]


def _ended(snapshot: Snapshot, steps: pd.DataFrame, goal: str) -> pd.DataFrame:
    """With `days` until the goal, the loss or the snapshot, and `cause`: reached, lost, missing while open."""
    cause = pd.Series(np.select([steps[goal].notna(), steps["lost_at"].notna()], ["reached", "lost"], ""), index=steps.index)
    end = steps[goal].fillna(steps["lost_at"]).fillna(snapshot.cutoff)
    days = (end - steps["reached_at"]).dt.total_seconds() / DAY
    return steps.assign(days=days, cause=cause.mask(cause == ""))


def _reached(group: pd.DataFrame, level: float) -> list[float]:
    """Share that reaches the goal in the end, its interval (`share_ended`), and the days by which half of these are there; all
    missing when nothing has ended yet."""
    curve = statistics.cumulative_incidence(group["days"], group["cause"], level)
    share = statistics.share_ended(curve, "reached", int(group["cause"].notna().sum()), level)
    half = curve.loc[(curve["cause"] == "reached") & (curve["value"] >= share[0] / 2), "time"].min()
    return [*share, half]


def _descent(group: pd.DataFrame, path: list[str], level: float) -> list[list]:
    """The steps of one group: name, n, n_open, share of all with its interval, share of the step before, median days."""
    z = statistics.normal_quantile(level)
    share, variance, previous, days = 1.0, 0.0, np.nan, np.nan
    rows: list[list] = []

    def add(name: str, n: int, n_open: int) -> None:
        factor = np.exp(z * np.sqrt(variance))
        rows.append([name, n, n_open, share, share / factor, min(share * factor, 1.0), previous, days])

    for stage in path:
        of_stage = group[group["stage"] == stage]
        add(stage if rows else "Created", len(of_stage), int(of_stage["cause"].isna().sum()))
        previous, low, high, days = _reached(of_stage, level)
        variance += (max(previous - low, high - previous) / z / previous) ** 2 if previous else np.nan
        share *= previous
    add("Won", int((of_stage["cause"] == "reached").sum()), 0)
    return rows
