"""Creation rows for a history that logs changes only: what a field was at first follows from its first change.

Many CRMs keep "field, old value, new value" and no row for the creation of a record. Without creation rows a deal would
not exist before its first change.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from .. import periods, tables


def canonical_text(field: str, values: pd.Series) -> pd.Series:
    """Values of an opportunity's `field` as a history writes them: amounts as 1234.50, days as 2026-09-30."""
    if tables.TABLES["opportunities"].column(field).kind == "day":
        values = values.dt.strftime("%Y-%m-%d")
    return values.astype("str")


def tracked(frames: dict[str, pd.DataFrame]) -> list[str]:
    """Fields of an opportunity that the export dates."""
    if "opportunity_history" not in frames:
        return []
    seen = set(frames["opportunity_history"]["field"])
    return [name for name in tables.TRACKED if name in seen]


def with_creations(frames: dict[str, pd.DataFrame], timezone: str) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables with the creation rows their history lacks, and what dataset.json says of them.

    That is `history_since`, the local day of the first change read, and `deduced`, the number of rows added; nothing when
    none is. Added rows precede the others and have negative numbers. Opportunities without a stage history or without
    creation date get none: the gate places them by their dates.
    """
    if "opportunity_history" not in frames or "opportunities" not in frames:
        return frames, {}
    read = frames["opportunity_history"]
    added = _creations(frames["opportunities"], read, tracked(frames))
    if added.empty:
        return frames, {}
    below = min(0, int(read["change_no"].min()))
    added["change_no"] = range(below - len(added), below)
    since = periods.local_day(read["changed_at"], timezone).min().date()
    whole = pd.concat([tables.conform("opportunity_history", added), read], ignore_index=True)
    whole = tables.conform("opportunity_history", whole)
    return {**frames, "opportunity_history": whole}, {"history_since": str(since), "deduced": len(added)}


def _creations(deals: pd.DataFrame, history: pd.DataFrame, fields: list[str]) -> pd.DataFrame:
    """One row per deal and field without a creation row, ordered by creation, deal and field.

    The value is the old value of the field's first change, or the exported one when the field never changed. A first
    change without old value is itself the creation, and so is any row up to the creation date.
    """
    logged = history.loc[history["field"] == "stage", "opportunity_id"]
    placed = deals[deals["created_at"].notna() & deals["opportunity_id"].isin(logged)]
    first = history.sort_values(["changed_at", "change_no"]).drop_duplicates(["opportunity_id", "field"])
    parts = []
    for position, field in enumerate(fields):
        change = first[first["field"] == field].set_index("opportunity_id").reindex(placed["opportunity_id"])
        change.index = placed.index
        value = canonical_text(field, placed[field]).where(change["changed_at"].isna(), change["old_value"])
        lacking = value.notna() & ~(change["changed_at"] <= placed["created_at"])
        row = {"opportunity_id": placed["opportunity_id"], "changed_at": placed["created_at"], "new_value": value}
        parts.append(pd.DataFrame(row).assign(field=field, position=position)[lacking])
    if not parts:
        return tables.empty("opportunity_history")
    return pd.concat(parts).sort_values(["changed_at", "opportunity_id", "position"], ignore_index=True)
