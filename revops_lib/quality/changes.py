"""Rules about the history of opportunities: what changed when, against itself and against the present state."""

from __future__ import annotations

import pandas as pd

from .. import periods
from ..snapshot import Snapshot
from .rows import Broken, is_in, read
from .rules import IDLE_DAYS, LATE_DAYS, PUSHES, QUICK_SECONDS

_ORDER = ["opportunity_id", "changed_at", "change_no"]


def looked(snapshot: Snapshot) -> Broken:
    """Every rule about changes; none without a stage history."""
    if "stage" not in snapshot.tracked:
        return
    for part in (_whole, _stages, _closings, _owners_work):
        yield from part(snapshot)


def _whole(snapshot: Snapshot) -> Broken:
    """Whether the history belongs to the deals, and is there from their beginning."""
    deals, history = snapshot.opportunities, snapshot.history
    strays = ~is_in(history["opportunity_id"], deals["opportunity_id"])
    yield "history of a deal that is not there", strays, pd.Series(True, index=history.index)
    wrong = snapshot.contradictions
    differs = is_in(deals["opportunity_id"], wrong.loc[wrong["what"] == "stage", "opportunity_id"])
    yield "history and export disagree", differs, pd.Series(True, index=deals.index)
    first = history[history["field"] == "stage"].groupby("opportunity_id")["changed_at"].min()
    began = _day(snapshot, first)
    created = periods.local_day(deals["created_at"], snapshot.timezone)
    yield "no stage history", began.isna(), pd.Series(True, index=deals.index)
    late = (began - created).dt.days > LATE_DAYS
    if "history_since" in snapshot.dataset:  # what a deal was before its first change is deduced since then
        late |= created < pd.Timestamp(snapshot.dataset["history_since"])
    known = began.notna() & created.notna()
    yield "history begins after the deal", known & late, known
    earliest = history.groupby("opportunity_id")["changed_at"].min()
    changed = _day(snapshot, earliest)
    dated = changed.notna() & created.notna()
    yield "changed before it was created", dated & (changed < created), dated


def _stages(snapshot: Snapshot) -> Broken:
    """Moves from stage to stage, each against the one before."""
    deals, stages = snapshot.opportunities, read(snapshot, "stages").set_index("stage")
    moves = snapshot.history[snapshot.history["field"] == "stage"].sort_values(_ORDER)
    by_deal = moves.groupby("opportunity_id")
    before = by_deal["new_value"].shift()
    came_from = before.fillna(moves["old_value"])
    status, position = stages["status"], stages["position"].astype("float64")
    both_open = (came_from.map(status) == "open") & (moves["new_value"].map(status) == "open")
    reopened = moves["old_value"].map(status).isin(["won", "lost"]) & (moves["new_value"].map(status) == "open")
    stay = by_deal["changed_at"].diff().dt.total_seconds()
    logged = is_in(deals["opportunity_id"], moves["opportunity_id"])
    for rule, is_so in (
        ("broken chain of stages", before.notna() & moves["old_value"].notna() & (before != moves["old_value"])),
        ("moved back to an earlier stage", both_open & (moves["new_value"].map(position) < came_from.map(position))),
        ("re-opened after closing", reopened),
        ("stages clicked through", (came_from.map(status) == "open") & (stay < QUICK_SECONDS)),
    ):
        yield rule, is_in(deals["opportunity_id"], moves.loc[is_so, "opportunity_id"]), logged


def _closings(snapshot: Snapshot) -> Broken:
    """When a closing was recorded, and what changed after it."""
    deals, history = snapshot.opportunities, snapshot.history
    is_closed = deals["status"] != "open"
    recorded = periods.local_day(deals["stage_since"], snapshot.timezone)
    yield "closing recorded late", is_closed & ((recorded - deals["close_date"]).dt.days > LATE_DAYS), is_closed
    told = history[history["field"].isin(["amount", "close_date"]) & (history["old_value"] != history["new_value"])]
    last = told.groupby("opportunity_id")["changed_at"].max()
    changed = _day(snapshot, last)
    dated = is_closed & recorded.notna()
    yield "changed after closing", dated & ((changed - recorded).dt.days > LATE_DAYS), dated


def _owners_work(snapshot: Snapshot) -> Broken:
    """Open deals that are pushed ahead or left alone."""
    deals, history = snapshot.opportunities, snapshot.history
    is_open = deals["status"] == "open"
    if "close_date" in snapshot.tracked:
        dates = history[history["field"] == "close_date"].sort_values(_ORDER)
        day = pd.to_datetime(dates["new_value"], format="ISO8601", errors="coerce")
        pushes = dates[day > day.groupby(dates["opportunity_id"]).shift()].groupby("opportunity_id").size()
        yield "close date pushed often", is_open & (deals["opportunity_id"].map(pushes) > PUSHES), is_open
    last = history.groupby("opportunity_id")["changed_at"].max()
    touched = _day(snapshot, last).fillna(periods.local_day(deals["created_at"], snapshot.timezone))
    known = is_open & touched.notna()
    yield "untouched for a quarter", known & ((pd.Timestamp(snapshot.as_of) - touched).dt.days > IDLE_DAYS), known


def _day(snapshot: Snapshot, instants: pd.Series) -> pd.Series:
    """The local day of each opportunity's instant, aligned with the opportunities; missing where it has none."""
    deals = snapshot.opportunities
    return periods.local_day(instants.reindex(deals["opportunity_id"]).set_axis(deals.index), snapshot.timezone)
