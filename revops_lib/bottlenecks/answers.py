"""What the notebook says: the headline, checks, metrics and advice."""

from __future__ import annotations

import pandas as pd

from .. import statistics
from ..snapshot import Snapshot


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
