"""The history of opportunities in one shape, whatever the source keeps: one row per change of one field.

Some sources write what every field was from a moment on (`unfolded` keeps what changed), some write when each stage was
entered, some log changes only. Without creation rows a deal would not exist before its first change; what a field was at
first follows from that change (`with_creations`).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from .. import periods, tables
from .codes import refusal
from .mapping import fold


def canonical_text(field: str, values: pd.Series) -> pd.Series:
    """Values of an opportunity's `field` as a history writes them: amounts as 1234.50, days as 2026-09-30."""
    if tables.TABLES["opportunities"].column(field).kind == "day":
        values = values.dt.strftime("%Y-%m-%d")
    return values.astype("str")


def tracked(frames: dict[str, pd.DataFrame]) -> list[str]:
    """Fields of an opportunity that the export dates."""
    if "opportunity_history" not in frames:
        return []
    seen = set(frames["opportunity_history"]["field"].unique())
    return [name for name in tables.TRACKED if name in seen]


def unfolded(rows: pd.DataFrame, fields: list[str], entered: str, stages: dict[str, str]) -> pd.DataFrame:
    """A history as one row per change of one field, in order of time.

    `rows` hold, besides the columns of a history, one column per field of `fields` with its value from `changed_at` on, or one
    column per stage, called `entered` and the stage, with the instant it was entered (`stages`: every spelling -> name, in
    order); rows of neither kind are changes already. A value equal to the one before is no change. Raises DataRefused for an
    entered stage that is not listed.
    """
    spec = tables.TABLES["opportunity_history"]
    if entered:
        parts = [_entries(rows, str(column), entered, stages) for column in rows if column not in spec.names]
    elif fields:
        parts = [_values(rows, field) for field in fields if field in rows]
    elif len(rows) and rows["old_value"].isna().all():  # a log of values: each was so until the next
        parts = [rows.assign(order=range(len(rows)))]
    else:
        return rows
    long = pd.concat([part for part in parts if len(part)] or [tables.empty(spec.name)], ignore_index=True)
    if long.empty:
        return tables.empty(spec.name)
    long = long.sort_values(["changed_at", "order"], kind="stable", ignore_index=True)
    before = long.groupby(["opportunity_id", "field"], sort=False)["new_value"]
    long["old_value"] = before.shift()
    is_first = before.cumcount() == 0
    same = (long["new_value"] == long["old_value"]) | (long["new_value"].isna() & long["old_value"].isna())
    return tables.conform(spec.name, long[~same.fillna(False) | (is_first & long["new_value"].notna())].drop(columns="order"))


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Changes of one field at one instant in the order in which each starts from what the one before left.

    Many sources log to the second and write such changes in any order. Where no such order exists they stay as they are.
    """
    key = ["opportunity_id", "field", "changed_at"]
    tied = rows[rows["old_value"].notna() & rows.duplicated(key, keep=False)]
    order = rows["change_no"].copy()
    for _, group in tied.groupby(key, sort=False):
        chain = _chain(list(zip(group["old_value"], group["new_value"], group.index, strict=True)))
        if chain:
            order[chain] = sorted(order[group.index])
    return rows.assign(change_no=order).sort_values("change_no", kind="stable", ignore_index=True) if len(tied) else rows


def _chain(changes: list[tuple[str, str, int]]) -> list[int]:
    """Positions of changes (old, new, position) so that each starts where the one before ended; nothing when not unique."""
    reached = {new for _, new, _ in changes}
    starts = [change for change in changes if change[0] not in reached]
    by_old = {old: (old, new, at) for old, new, at in changes}
    if len(starts) != 1 or len(by_old) != len(changes):
        return []
    chain, at = [starts[0][2]], starts[0][1]
    while at in by_old and len(chain) < len(changes):
        chain.append(by_old[at][2])
        at = by_old[at][1]
    return chain if len(chain) == len(changes) else []


def _values(rows: pd.DataFrame, field: str) -> pd.DataFrame:
    part = rows[["opportunity_id", "changed_at", "changed_by"]]
    return part.assign(field=field, new_value=canonical_text(field, rows[field]), order=range(len(rows)))


def _entries(rows: pd.DataFrame, column: str, entered: str, stages: dict[str, str]) -> pd.DataFrame:
    names = {fold(spelling): name for spelling, name in stages.items()}
    stage = fold(column).removeprefix(fold(entered))
    at = rows.loc[rows[column].notna(), ["opportunity_id", column]].rename(columns={column: "changed_at"})
    if len(at) and stage not in names:
        what = f"column {column} dates the stage {stage!r}, which is not listed"
        raise refusal("E_STAGE_UNKNOWN", what, "table opportunity_history", "list it under stages")
    order = list(names).index(stage) if stage in names else 0
    return at.assign(field="stage", new_value=names.get(stage), order=order, changed_by=None)


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
    placed = deals[deals["created_at"].notna() & tables.is_among(deals["opportunity_id"], logged)]
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
    rows = pd.concat(parts).sort_values(["changed_at", "opportunity_id", "position"], ignore_index=True)
    return rows.drop(columns="position")
