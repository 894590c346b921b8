"""Where deals get stuck: time in stage with open deals counted as open, conversion per stage, slowed cells, stalled deals.

A spell is one stay of a deal in a stage. A spell still running on the snapshot's day is censored: it has lasted at least so
long. Leaving a stage forward, backward or by a loss are competing ends.

A slowdown is looked for in every stage and segment: advances observed in the last quarters against those expected from the
same cell's past rates by weeks in stage. What all cells share (a slow market) is removed first, and the spread between past
quarters decides what counts as unusual.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from . import money, periods, statistics
from .errors import DataRefused
from .snapshot import Snapshot

LOOKBACK = 8  # quarters of entries that times and conversion rest on
RECENT = 4  # quarters that are compared
WEEK_BOUNDS = (1, 2, 3, 4, 6, 8, 12, 16, 26)  # weeks in stage
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


def time_in_stage(snapshot: Snapshot, *, by: str | None = None, level: float = 0.9) -> pd.DataFrame:
    """Days a deal stays in each stage (Kaplan & Meier 1958), one row per stage, or per stage and group.

    Stays that began in the last eight quarters; running ones are censored. Columns: stage, member, n, n_running, median, low,
    high (interval of the median), p90; a time not reached by the data is missing. Raises NoHistory.
    """
    recent = _recent(snapshot, spells(snapshot))
    rows = []
    for (_, stage, member), group in _grouped(snapshot, recent, by):
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
    recent = _recent(snapshot, spells(snapshot))
    rows = []
    for (_, stage, member), group in _grouped(snapshot, recent, by):
        counts = [int((group["end"] == end).sum()) for end in ("advanced", "lost", "back")]
        curve = statistics.cumulative_incidence(group["days"], group["end"], level)
        advanced = curve[curve["cause"] == "advanced"]
        value, low, high = advanced.iloc[-1][["value", "low", "high"]] if len(advanced) else (np.nan, np.nan, np.nan)
        rows.append([stage, member, len(group), *counts, int(group["end"].isna().sum()), value, low, high])
    names = ["stage", "member", "n", "advanced", "lost", "back", "n_running", "value", "low", "high"]
    return pd.DataFrame(rows, columns=names).astype({"value": float, "low": float, "high": float}).assign(unit="share")


def survival(snapshot: Snapshot, *, level: float = 0.9) -> pd.DataFrame:
    """Share of deals still in each stage after so many days, one row per stage and end: stage, time, value, low, high."""
    recent = _recent(snapshot, spells(snapshot))
    curves = [
        statistics.survival_curve(group["days"], group["end"].notna(), level).assign(stage=stage)
        for (_, stage, _), group in _grouped(snapshot, recent, None)
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
    deals = _aged(snapshot)
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


def ranking(snapshot: Snapshot, *, level: float = 0.9) -> pd.DataFrame:
    """Cells (stage × segment) by how much they slowed down, one row per cell, worst first.

    Last four complete quarters against the eight before them. Columns: stage, segment, n (advances), expected (at the cell's
    past pace), ratio (observed ÷ expected, the quarter's common factor removed; missing without a past), low, high, z, is_alert
    (Holm 5 %, one-sided), n_open and open_amount (deals in the cell now), unit. Raises NoHistory.
    """
    snapshot.require_one_currency()
    found = spells(snapshot)
    last = periods.quarter_of(snapshot.as_of, snapshot.fiscal_year_end)
    last = last if snapshot.as_of >= periods.last_day(last) else last - 1
    weeks = _deal_weeks(snapshot, found)
    recent = weeks[(weeks["quarter"] > last - RECENT) & (weeks["quarter"] <= last)]
    past = weeks[(weeks["quarter"] > last - RECENT - LOOKBACK) & (weeks["quarter"] <= last - RECENT)]
    cells = _observed_expected(recent, past, ["stage", "segment"])
    quarters = _observed_expected(past, past, ["stage", "segment", "quarter"])
    before = quarters.groupby(["stage", "segment"])["n"].sum().rename("n_past")
    cells = cells.join(before, on=["stage", "segment"]).fillna({"n_past": 0})
    spread = _between_quarters(quarters) * (1 / RECENT + 1 / LOOKBACK)
    y = np.log((cells["n"] + 0.5) / (cells["expected"] + 0.5))
    v = 1 / (cells["n"] + 0.5) + 1 / (cells["n_past"] + 0.5) + spread  # the past pace is an estimate, too
    v = v.where(cells["expected"] > 0, np.inf)  # nothing to compare with: says nothing, weighs nothing
    others, others_v = _common_factor(y.to_numpy(), v.to_numpy())
    effect, error = y - others, np.sqrt(v + others_v)
    half = statistics.normal_quantile(level) * error
    cells["ratio"], cells["low"], cells["high"] = np.exp(effect), np.exp(effect - half), np.exp(effect + half)
    unknown = cells["expected"] == 0
    cells.loc[unknown, ["ratio", "low", "high"]] = np.nan
    cells["z"] = (effect / error).mask(unknown)
    cells["is_alert"] = _holm(cells["z"], 0.05)
    running = found[found["end"].isna()].merge(snapshot.opportunities[["opportunity_id", "amount"]], on="opportunity_id")
    now = running.groupby(["stage", "segment"]).agg(n_open=("amount", "size"), open_amount=("amount", "sum"))
    table = cells.join(now, on=["stage", "segment"]).sort_values("z", kind="stable", ignore_index=True)
    table["n_open"] = table["n_open"].fillna(0).astype("int64")
    names = ["stage", "segment", "n", "expected", "ratio", "low", "high", "z", "is_alert", "n_open", "open_amount"]
    return table[names].assign(unit="ratio")


def stalled(snapshot: Snapshot) -> pd.DataFrame:
    """Open deals that have waited longer than nine in ten winners did, one row per deal, largest first.

    With a history: days in the present stage against the P90 of winners' stays there; without: age against the P90 of winners'
    age. Columns: opportunity_id, owner_id, stage, amount, days, p90.
    """
    deals = snapshot.opportunities
    is_open = deals["status"] == "open"
    if "stage" in snapshot.tracked:
        found = _recent(snapshot, spells(snapshot))
        winners = found[found["opportunity_id"].isin(deals.loc[deals["status"] == "won", "opportunity_id"])]
        p90 = winners.groupby("stage")["days"].quantile(0.9)
        now = deals[is_open].assign(days=lambda d: (snapshot.cutoff - d["stage_since"]).dt.total_seconds() / DAY)
        now["p90"] = now["stage"].map(p90).astype("float64")
    else:
        aged = _aged(snapshot)
        now = aged[aged["status"] == "open"].copy()
        now["p90"] = aged.loc[aged["status"] == "won", "days"].quantile(0.9)
    late = now[now["days"] > now["p90"]].copy()
    late["order"] = money.to_float(late["amount"]).fillna(0)
    late = late.sort_values(["order", "days"], ascending=False, kind="stable", ignore_index=True)
    return late[["opportunity_id", "owner_id", "stage", "amount", "days", "p90"]]


def headline(times: pd.DataFrame | str, late: pd.DataFrame, worst: pd.DataFrame | str) -> str:
    """The answer in one sentence: the slowed cell, or the time to close where no stage history exists."""
    if isinstance(times, str):
        return times
    company = times.iloc[0]
    still_open = f"{company['n_open']:,} of {company['n']:,} still open, counted as open"
    half = f"Half of the deals close within {company['median']:.0f} days"
    text = f"{half if pd.notna(company['median']) else 'Fewer than half of the deals have closed'} ({still_open})"
    if isinstance(worst, pd.DataFrame) and worst["ratio"].notna().any():
        cell = worst.iloc[0]
        verdict = "clearly slower than before" if cell["is_alert"] else "what stands out most, within the usual spread"
        pace = f"{cell['ratio']:.0%} of the past pace ({cell['low']:.0%} to {cell['high']:.0%})"
        text = f"{cell['stage']} in {cell['segment']} is {verdict}: {pace}. {text}"
    return (
        f"{text}; {len(late):,} open deal{'s have' if len(late) != 1 else ' has'} waited longer than nine in ten winners did."
    )


def published(worst: pd.DataFrame) -> pd.DataFrame:
    """`ranking` without what is open now: in a small cell that is one customer's deal."""
    return worst.drop(columns=["n_open", "open_amount"])


def checks(
    snapshot: Snapshot, overall: pd.DataFrame | str, groups: pd.DataFrame | str, stages: pd.DataFrame | str
) -> pd.DataFrame:
    """Whether parts sum to the whole, one row per check: check, expected, found, holds."""
    newest = snapshot.newest
    rows = [("nothing later than the snapshot's day", f"before {snapshot.cutoff}", str(newest), newest < snapshot.cutoff)]
    if isinstance(overall, pd.DataFrame) and isinstance(groups, pd.DataFrame):
        n, n_groups = int(overall["n"].iloc[0]), int(groups["n"].sum())
        n_closed = n - int(overall["n_open"].iloc[0])
        rows.append(("groups sum to all deals", f"{n:,}", f"{n_groups:,}", n == n_groups))
        rows.append(("closed deals to learn from", "at least 50", f"{n_closed:,}", n_closed >= 50))
    if isinstance(stages, pd.DataFrame):
        ends = int(stages[["advanced", "lost", "back", "n_running"]].to_numpy().sum())
        rows.append(("ends of stays sum to stays", f"{int(stages['n'].sum()):,}", f"{ends:,}", ends == int(stages["n"].sum())))
    return pd.DataFrame(rows, columns=["check", "expected", "found", "holds"])


def metrics(
    times: pd.DataFrame | str,
    wins: pd.DataFrame,
    late: pd.DataFrame,
    stages: pd.DataFrame | str,
    worst: pd.DataFrame | str,
    *,
    by: str,
    level: float = 0.9,
) -> pd.DataFrame:
    """Rows of the results file: time to close, win rate, stalled deals and, with a history, conversion and pace per stage."""
    parts = [
        statistics.tidy(wins.head(1), metric="win_rate", unit="share", level=level),
        statistics.tidy(wins.iloc[1:], metric="win_rate", by=by, member="member", unit="share", level=level),
        statistics.tidy(pd.DataFrame({"value": [len(late)], "n": [len(late)]}), metric="stalled_deals", unit="deals"),
    ]
    if isinstance(times, pd.DataFrame):
        parts.append(statistics.tidy(times, metric="days_to_close_median", value="median", unit="days", level=level))
    if isinstance(stages, pd.DataFrame):
        parts.append(statistics.tidy(stages, metric="stage_conversion", by="stage", member="stage", unit="share", level=level))
    if isinstance(worst, pd.DataFrame):
        cells = worst.assign(cell=worst["stage"] + " / " + worst["segment"])
        parts.append(
            statistics.tidy(
                cells, metric="pace_against_past", by="stage / segment", member="cell", value="ratio", unit="ratio", level=level
            )
        )
    return pd.concat(parts, ignore_index=True)


def recommendations(late: pd.DataFrame, worst: pd.DataFrame | str) -> pd.DataFrame:
    """What to do about it, one row per advice."""
    rows = []
    if isinstance(worst, pd.DataFrame):
        for cell in worst[worst["is_alert"]].itertuples():
            rows.append(
                (
                    f"{cell.stage} in {cell.segment} moves at {cell.ratio:.0%} of its past pace",
                    "Sit in on deals of this stage and find what changed since",
                    "sales manager of the segment",
                )
            )
    if len(late):
        rows.append(
            (
                f"{len(late):,} open deals have waited longer than nine in ten winners did",
                "Review each with its owner: next step with a date, or close it",
                "sales managers",
            )
        )
    return pd.DataFrame(rows, columns=["finding", "action", "owner"])


def _recent(snapshot: Snapshot, found: pd.DataFrame) -> pd.DataFrame:
    """Stays that began in the last quarters."""
    return found[found["entered"] > periods.quarter_of(snapshot.as_of, snapshot.fiscal_year_end) - LOOKBACK]


def _grouped(snapshot: Snapshot, found: pd.DataFrame, by: str | None) -> list[tuple[tuple, pd.DataFrame]]:
    member = pd.Series("company", index=found.index)
    if by:
        deals = snapshot.opportunities
        member = found["opportunity_id"].map(pd.Series(snapshot.members(deals, by).to_numpy(), index=deals["opportunity_id"]))
    return list(found.groupby([found["position"], found["stage"], member]))


def _aged(snapshot: Snapshot) -> pd.DataFrame:
    """Dated opportunities with `days` from creation to closing, or to the snapshot while open, never negative; and `entry`, the
    days a deal was old when the source began to keep outcomes (below 0 when it was created later)."""
    deals = snapshot.opportunities[snapshot.opportunities["created_at"].notna()].copy()
    created = periods.local_day(deals["created_at"], snapshot.timezone)
    end = deals["close_date"].where(deals["status"] != "open", pd.Timestamp(snapshot.as_of))
    deals["days"] = (end - created).dt.days.clip(lower=0)
    since = pd.Timestamp(snapshot.outcomes_since or snapshot.as_of)
    deals["entry"] = (since - created).dt.days - 0.5  # a deal that closed on the first watched day was seen
    return deals[deals["days"].notna() & (deals["days"] > deals["entry"])]


def _deal_weeks(snapshot: Snapshot, found: pd.DataFrame) -> pd.DataFrame:
    """Weeks spent in each cell and advances, one row per stay and started week: stage, segment, quarter, bucket, advanced."""
    n_weeks = np.maximum(np.ceil(found["days"].to_numpy() / 7), 1).astype(int)
    row = np.repeat(np.arange(len(found)), n_weeks)
    week = np.arange(len(row)) - np.repeat(np.cumsum(n_weeks) - n_weeks, n_weeks)
    stay = found.iloc[row]
    started = stay["from_at"].to_numpy() + week.astype("timedelta64[D]") * 7
    is_last = week == n_weeks[row] - 1
    return pd.DataFrame(
        {
            "stage": stay["stage"].to_numpy(),
            "segment": stay["segment"].to_numpy(),
            "quarter": periods.local_day(pd.Series(started), snapshot.timezone)
            .dt.to_period(f"Q-{snapshot.fiscal_year_end}")
            .array,
            "bucket": np.searchsorted(WEEK_BOUNDS, week, side="right"),
            "advanced": is_last & (stay["end"] == "advanced").to_numpy(),
        }
    )


def _observed_expected(weeks: pd.DataFrame, past: pd.DataFrame, cell: list[str]) -> pd.DataFrame:
    """Advances of each cell against those at the past rate of the same stage, segment and weeks in stage. A stage the past
    never saw has nothing to be compared with: 0 expected."""
    where = weeks.groupby(list(dict.fromkeys([*cell, "bucket"])))["advanced"].agg(["sum", "size"]).reset_index()
    rate = past.groupby(["stage", "segment", "bucket"])["advanced"].mean().rename("rate")
    coarse = past.groupby("stage")["advanced"].mean()  # for weeks in stage, or a segment, the past never saw
    where = where.join(rate, on=["stage", "segment", "bucket"])
    where["expected"] = where["size"] * where["rate"].fillna(where["stage"].map(coarse))
    return where.groupby(cell).agg(n=("sum", "sum"), expected=("expected", "sum")).reset_index()


def _between_quarters(quarters: pd.DataFrame) -> float:
    """One variance of log(observed ÷ expected) between quarters for all cells, the quarter's common factor removed."""
    y = np.log((quarters["n"] + 0.5) / (quarters["expected"] + 0.5))
    w = quarters["n"] + 0.5
    common = (w * y).groupby(quarters["quarter"]).transform("sum") / w.groupby(quarters["quarter"]).transform("sum")
    y = y - common
    cell = [quarters["stage"], quarters["segment"]]
    mean = (w * y).groupby(cell).transform("sum") / w.groupby(cell).transform("sum")
    q = (w * (y - mean) ** 2).sum()
    total = w.groupby(cell).sum()
    freedom = len(quarters) - len(total)
    scale = (total - (w**2).groupby(cell).sum() / total).sum()
    return float(max(0.0, (q - freedom) / scale)) if scale > 0 else 0.0


def _common_factor(y: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision-weighted mean of all other cells, and its variance, for each cell."""
    w = 1 / v
    others = w.sum() - w
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(others > 0, ((w * y).sum() - w * y) / others, 0.0)
        variance = np.where(others > 0, 1 / others, 0.0)
    return mean, variance


def _holm(z: pd.Series, alpha: float) -> pd.Series:
    """Which one-sided tests (small z) stay significant after Holm's correction (Holm 1979)."""
    from statistics import NormalDist

    p = z.dropna().map(NormalDist().cdf).sort_values()
    steps = p <= alpha / (len(p) - np.arange(len(p)))
    return steps.cummin().reindex(z.index, fill_value=False).astype(bool)
