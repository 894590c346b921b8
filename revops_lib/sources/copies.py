"""A history for an export that has none: dated copies of the opportunities, kept in the dataset from one import to the next.

What differs between two copies changed between their days and was known on the later one. History so begins with the first
copy; nothing is invented before it.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet

from .. import periods, tables
from ..errors import DataRefused, RevopsError
from .history import canonical_text

_FOLDER = "copies"


def kept(directory: Path) -> dict[str, bytes]:
    """The copies a dataset folder holds, by name within it; a new import takes them over as they are."""
    return {f"{_FOLDER}/{path.name}": path.read_bytes() for path in sorted((directory / _FOLDER).glob("*.parquet"))}


def copy_of(frames: dict[str, pd.DataFrame], day: dt.date) -> dict[str, bytes]:
    """The opportunities as they are on `day`: one row per opportunity, what can change as text. A day has one copy."""
    return {_name(day): _bytes(_state(frames["opportunities"]))} if "opportunities" in frames else {}


def changed(copies: dict[str, bytes], directory: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> dict[str, bytes]:
    """The copies of a dataset folder after a change of their rows. Raises DataRefused for a damaged copy."""
    return {_name(day): _bytes(change(state)) for day, state in read(copies, directory)}


def _name(day: dt.date) -> str:
    return f"{_FOLDER}/{day.isoformat()}.parquet"


def _bytes(state: pd.DataFrame) -> bytes:
    table = pyarrow.Table.from_pandas(state, preserve_index=False).replace_schema_metadata(None)
    content = io.BytesIO()
    pyarrow.parquet.write_table(table, content, compression="zstd")
    return content.getvalue()


def with_history(
    frames: dict[str, pd.DataFrame], copies: dict[str, bytes], directory: Path, known_until: dt.date, timezone: str
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables with the history that the copies of days before `known_until` tell, and what dataset.json says of it.

    Without such a copy the tables come back as they are. Raises DataRefused for a damaged copy.
    """
    states = [(day, state) for day, state in read(copies, directory) if day < known_until]
    if not states:
        return frames, {}
    deals = frames["opportunities"]
    states.append((known_until, _state(deals)))
    long = pd.concat([_long(state, day, timezone) for day, state in states], ignore_index=True)
    long = long[tables.is_among(long["opportunity_id"], deals["opportunity_id"])].sort_values(
        ["opportunity_id", "field", "changed_at"], kind="stable", ignore_index=True
    )
    group = long.groupby(["opportunity_id", "field"], sort=False)["new_value"]
    long["old_value"] = group.shift()
    first = group.cumcount() == 0
    same = (long["new_value"] == long["old_value"]) | (long["new_value"].isna() & long["old_value"].isna())
    # What a deal was in its first copy holds from its creation on, as far as anyone knows.
    created = long["opportunity_id"].map(deals.set_index("opportunity_id")["created_at"])
    long["changed_at"] = created.where(first & (created < long["changed_at"]), long["changed_at"])
    changes = long[~same.fillna(False) | (first & long["new_value"].notna())]
    changes = changes.sort_values(["changed_at", "opportunity_id", "field"], kind="stable", ignore_index=True)
    changes["change_no"] = range(1, len(changes) + 1)
    whole = tables.conform("opportunity_history", changes)
    deduced = int((first & long["new_value"].notna()).sum())
    return {**frames, "opportunity_history": whole}, {"history_since": str(states[0][0]), "deduced": deduced}


def _state(deals: pd.DataFrame) -> pd.DataFrame:
    fields = {field: canonical_text(field, deals[field]) for field in tables.TRACKED}
    return pd.DataFrame({"opportunity_id": deals["opportunity_id"], **fields}).sort_values("opportunity_id", ignore_index=True)


def _long(state: pd.DataFrame, day: dt.date, timezone: str) -> pd.DataFrame:
    """One row per opportunity and field, known in the last second of the copy's day."""
    known = periods.cutoff(day, timezone) - pd.Timedelta(seconds=1)
    long = state.melt("opportunity_id", var_name="field", value_name="new_value")
    return long.assign(changed_at=known.as_unit("us"))


def read(copies: dict[str, bytes], directory: Path) -> list[tuple[dt.date, pd.DataFrame]]:
    """Every copy by its day, all text. Raises DataRefused for a damaged one."""
    found = []
    for name, content in copies.items():
        try:
            day = periods.day(Path(name).stem)
            found.append((day, pyarrow.parquet.read_table(io.BytesIO(content)).to_pandas().astype("str")))
        except (RevopsError, pyarrow.ArrowException, ValueError) as failure:
            do = "take it out of the folder, or bring it back from a backup"
            raise DataRefused(f"a dated copy is damaged: {failure}", str(directory / name), do) from failure
    return found
