"""How deals are worked, one row per deal: pace, care, pushes, and what kind of deals they are."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..snapshot import Snapshot
from . import cases

DAY, WEEK = pd.Timedelta(days=1), pd.Timedelta(weeks=1)
QUICK_DAYS = 14
SOURCES = 6  # the most frequent ones are told apart


def habits(snapshot: Snapshot, deals: pd.DataFrame, *, first_days: int | None = None) -> pd.DataFrame:
    """One row per deal of `deals`: opportunity_id, owner_id, status, segment, all (1), and sums to form rates of.

    moves_early ÷ weeks_early: steps forward per week in the first half of the open stages; is_quick ÷ was_watched: the first
    step forward came within 14 days; weeks_updated ÷ weeks_open: weeks with a change of any field after the creation; n_back:
    steps back; is_pushed: the close date was moved to a later day; is_taken_over: it had another owner before; log_value ÷
    is_priced: logarithm of the first amount over the segment's median; is_new ÷ is_typed: new business; `from <source>`.
    Only what happened in the `first_days` of a deal counts, when given. What the source has no history of is absent.
    """
    frame = deals[["opportunity_id", "owner_id", "status", "created_at"]].reset_index(drop=True)
    frame["segment"] = snapshot.members(deals, "segment").to_numpy() if snapshot.has("accounts") else "(unknown)"
    frame = frame.assign(all=1.0, **_mix(deals.reset_index(drop=True), frame["segment"], _first_amount(snapshot, deals)))
    own = frame.set_index("opportunity_id")
    until = ended(snapshot, deals).set_axis(own.index)
    if first_days is not None:
        until = np.minimum(until, own["created_at"] + first_days * DAY)
    history = snapshot.history[snapshot.history["opportunity_id"].isin(own.index)]
    history = history.merge(until.rename("until").reset_index(), on="opportunity_id").query("changed_at <= until")
    parts = [own]
    if "stage" in snapshot.tracked:
        parts += [_pace(snapshot, until), _updates(history, own["created_at"], until)]
    if "close_date" in snapshot.tracked:
        moves = history[(history["field"] == "close_date") & history["old_value"].notna()]
        parts.append(_any(moves[moves["new_value"] > moves["old_value"]], own, "is_pushed"))
    if "owner_id" in snapshot.tracked:
        parts.append(_any(history[(history["field"] == "owner_id") & history["old_value"].notna()], own, "is_taken_over"))
    return pd.concat(parts, axis=1).reset_index()


def ended(snapshot: Snapshot, deals: pd.DataFrame) -> pd.Series:
    """The instant until which each deal was worked: its last stage's beginning, without a history its close date; now for those
    that are open."""
    closed = deals["stage_since"].fillna(deals["close_date"])
    return closed.where(deals["status"] != "open", snapshot.cutoff).fillna(snapshot.cutoff)


def _first_amount(snapshot: Snapshot, deals: pd.DataFrame) -> pd.Series:
    """The amount a deal was first given, for it is corrected on the way to a win; without a history as it is now."""
    now = cases.amounts(deals)
    if "amount" not in snapshot.tracked:
        return now.reset_index(drop=True)
    given = snapshot.history[(snapshot.history["field"] == "amount") & snapshot.history["new_value"].notna()]
    given = given.sort_values(["changed_at", "change_no"])
    first = given.drop_duplicates("opportunity_id").set_index("opportunity_id")["new_value"].astype("float64") * 100
    return deals["opportunity_id"].map(first).astype("float64").fillna(now).reset_index(drop=True)


def _mix(deals: pd.DataFrame, segment: pd.Series, amount: pd.Series) -> dict[str, pd.Series]:
    amount = amount.where(amount > 0)
    value = np.log(amount / amount.groupby(segment).transform("median"))
    source = deals["source"].astype("object").fillna("(unknown)")
    often = source.value_counts().sort_index().sort_values(ascending=False, kind="stable").index[:SOURCES]
    return {
        "log_value": value.fillna(0.0), "is_priced": amount.notna().astype("float64"),
        "is_new": (deals["type"] == "new").fillna(False).astype("float64"),
        "is_typed": deals["type"].notna().astype("float64"),
        **{f"from {name}": (source == name).astype("float64") for name in sorted(often)},
    }  # fmt: skip


def _pace(snapshot: Snapshot, until: pd.Series) -> pd.DataFrame:
    """moves_early, weeks_early, n_back, is_quick, was_watched of each deal, from its stays in stages until then."""
    stages = snapshot.table("stages").sort_values("position")
    open_stages = stages.loc[stages["status"] == "open", "stage"].tolist()
    early = open_stages[: max(len(open_stages) // 2, 1)]
    position = stages.set_index("stage")["position"].astype("float64")
    lost = stages.loc[stages["status"] == "lost", "stage"]
    stays = snapshot.spells("stage")
    stays = stays.assign(until=stays["opportunity_id"].map(until))
    stays = stays[stays["from_at"] < stays["until"]]
    has_left = stays["to_at"] <= stays["until"]
    took = stays["to_at"].where(has_left, stays["until"]) - stays["from_at"]
    step = (stays["next_value"].map(position) - stays["value"].map(position)).where(has_left & ~stays["next_value"].isin(lost))
    is_early, first = stays["value"].isin(early), ~stays.duplicated("opportunity_id")
    in_time = took <= QUICK_DAYS * DAY
    found = pd.DataFrame(
        {
            "moves_early": is_early & (step > 0), "weeks_early": (took / WEEK).where(is_early, 0.0),
            "n_back": stays["next_value"].isin(open_stages) & (step < 0), "is_quick": first & in_time & (step > 0),
            "was_watched": first & (has_left | ~in_time),
        }
    ).astype("float64")  # fmt: skip
    return found.groupby(stays["opportunity_id"]).sum().reindex(until.index)


def _updates(history: pd.DataFrame, created: pd.Series, until: pd.Series) -> pd.DataFrame:
    """weeks_open and weeks_updated of each deal; what is written at its creation is no update."""
    weeks = np.ceil((until - created) / WEEK).clip(lower=1)
    begun = history["opportunity_id"].map(history.groupby("opportunity_id")["changed_at"].min())
    later = history[history["changed_at"] > begun]
    week = ((later["changed_at"] - later["opportunity_id"].map(created)) / WEEK).clip(lower=0) // 1
    updated = week.groupby(later["opportunity_id"]).nunique().reindex(created.index, fill_value=0)
    return pd.DataFrame({"weeks_open": weeks, "weeks_updated": np.minimum(updated, weeks)})


def _any(rows: pd.DataFrame, own: pd.DataFrame, name: str) -> pd.Series:
    return pd.Series(own.index.isin(rows["opportunity_id"]).astype("float64"), index=own.index, name=name)
