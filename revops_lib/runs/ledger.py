"""Forecasts as they were made, kept until their quarter has closed and they can be scored: `OUT/ledger/forecast.parquet`.

The file only grows: what stands in it is never changed or dropped. All that is frozen is read from quarters' folders, so the
forecast of a run that was killed after it had put its quarter in place is frozen by the next run, whichever quarter that is of.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import disk
from ..errors import CannotWrite, DataRefused, IntegrityError
from . import inputs, journal

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

FOLDER, FILE = "ledger", "forecast.parquet"
_STEM, _METRIC = "forecast", "forecast"
_QUARTER = r"[0-9]{4}Q[1-4]"
_AS_IT_IS = {"win_rate": 1.0, "new_pipeline": 1.0, "slip": 0.0}  # parameters of what-ifs; a supposition is no forecast
_COMPANY = ("company", "part", "method")  # what is about the company as a whole; nothing about people or groups is frozen
_SAID = {"by": "string", "member": "string", "unit": "string",
         **dict.fromkeys(("value", "n", "low", "high", "level"), "double"), "fingerprint": "string"}  # fmt: skip
_KEY = dict.fromkeys(("data", "quarter", "as_of"), "string")
COLUMNS = {"run": "string", "frozen_at": "timestamp[us]", **_KEY, "revision": "int64", **_SAID, "library": "string"}


def read(out: Path) -> pd.DataFrame:
    """The ledger of a runs folder, one row per frozen number, in the order they were frozen; empty when nothing is.

    Columns: run and frozen_at (UTC instant at which that run had its results), data, quarter (forecast), as_of, revision (0:
    the first forecast of that quarter as of that day; 1, 2, …: other numbers told later), by, member, unit, value, n, low,
    high, level, fingerprint (of the data), library (version). Raises IntegrityError when the file cannot be read as such.
    """
    return _table(out / FOLDER / FILE).to_pandas()


@contextmanager
def freezing(out: Path, stage: Path, run: str) -> Iterator[None]:
    """Freeze the forecasts of the new quarter in the folder `stage`, which the body puts in place.

    What lies in place and is not frozen yet goes before it. The new ledger is on the disk before the body begins and takes its
    place, which needs no more space, when the body has succeeded: a full disk changes neither quarter nor ledger. A kill
    between the two leaves a quarter that the next run freezes; the other way round it would leave a forecast in the ledger that
    no reader ever saw, for good. Raises Locked, CannotWrite, IntegrityError when the ledger is damaged, DataRefused when a
    forecast holds no numbers.
    """
    import pyarrow.parquet

    path = out / FOLDER / FILE
    with disk.locked(out / journal.FOLDER / f"{FOLDER}.lock", {"run": run}, patience=600):  # quarters may end together
        before = _table(path)
        after = _grown(before, [*_in_place(out), *_forecasts(stage, out)])
        if after.num_rows == before.num_rows:
            yield
            return
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as failure:
            raise CannotWrite(failure.strerror or "cannot write", str(path.parent), "move what is there away") from failure
        disk.clear_away(path)
        with disk.replacing(path) as new:
            pyarrow.parquet.write_table(after, new)
            disk.sync(new)
            try:
                yield
            except OSError as failure:  # of the body: the ledger is not to blame
                where = str(failure.filename or out)
                raise CannotWrite(failure.strerror or "cannot write", where, "free space or choose another folder") from failure


def _table(path: Path) -> pyarrow.Table:
    import pyarrow.parquet

    if not path.exists():
        return _schema().empty_table()
    try:
        return pyarrow.parquet.read_table(path, partitioning=None).replace_schema_metadata(None).cast(_schema())
    except (pyarrow.ArrowException, ValueError, OSError) as failure:
        do = "restore it from a backup, or move it away: runs then begin a new one with the quarters in place"
        raise IntegrityError("the ledger of forecasts was altered: it is no table of its columns", str(path), do) from failure


def _schema() -> pyarrow.Schema:
    import pyarrow

    return pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in COLUMNS.items()])


def _grown(before: pyarrow.Table, forecasts: Iterable[pd.DataFrame]) -> pyarrow.Table:
    """The ledger with the forecasts that it lacks at its end."""
    import pyarrow

    told: dict[tuple[str, ...], dict[int, set[tuple[Any, ...]]]] = {}
    for row in before.to_pylist():
        revisions = told.setdefault(tuple(row[name] for name in _KEY), {})
        revisions.setdefault(row["revision"], set()).add(_said(row))
    parts = [before]
    for forecast in forecasts:
        try:
            table = pyarrow.Table.from_pandas(forecast, schema=_schema(), preserve_index=False)
        except pyarrow.ArrowException as failure:
            where = f"{_STEM}.parquet of run {forecast['run'].iloc[0]}"
            raise DataRefused(f"the forecast cannot be frozen: {failure}", where, "write numbers into it") from failure
        rows = table.to_pylist()
        said, revisions = {_said(row) for row in rows}, told.setdefault(tuple(rows[0][name] for name in _KEY), {})
        if said not in revisions.values():
            numbers = pyarrow.array([len(revisions)] * len(rows))
            revisions[len(revisions)] = said
            parts.append(table.set_column(table.column_names.index("revision"), "revision", numbers))
    return pyarrow.concat_tables(parts)


def _said(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _SAID)


def _in_place(out: Path) -> list[pd.DataFrame]:
    """The forecasts of all quarters in place, the earliest first."""
    found = [forecast for path in out.glob(f"*/{journal.MANIFEST}") for forecast in _forecasts(path.parent, out)]
    return sorted(found, key=lambda forecast: (forecast["frozen_at"].iloc[0], forecast["run"].iloc[0]))


def _forecasts(folder: Path, out: Path) -> list[pd.DataFrame]:
    """The forecasts a run left in a quarter's folder, a frame per quarter that had not ended on the day they are as of.

    None when the notebook failed or supposed something, when its files are not as its run made them, or when they are just
    being replaced.
    """
    import pandas as pd

    from .. import periods

    told = journal.read(folder / journal.MANIFEST)
    entry = told.get("notebooks", {}).get(_STEM, {})
    if entry.get("state") != "ok" or any(entry["parameters"].get(name, usual) != usual for name, usual in _AS_IT_IS.items()):
        return []
    files = {folder / "results" / name: entry["results"].get(name) for name in (f"{_STEM}.parquet", f"{_STEM}.json")}
    dataset = told.get("inputs", {}).get(f"{told['data']}/dataset.json", "unknown")
    try:
        results, content, about = (path.read_bytes() for path in (*files, out / inputs.STORE / dataset))
    except OSError:
        return []
    if [hashlib.sha256(one).hexdigest() for one in (results, content, about)] != [*files.values(), dataset]:
        return []
    year_end, stamp = json.loads(about)["fiscal_year_end"], json.loads(content)["stamp"]
    rows = pd.read_parquet(io.BytesIO(results))
    is_frozen = (rows["metric"] == _METRIC) & rows["by"].isin(_COMPANY) & rows["quarter"].astype("str").str.fullmatch(_QUARTER)
    rows = rows[is_frozen]
    frozen = rows.assign(
        run=told["run"],
        frozen_at=dt.datetime.fromisoformat(told["ended"]).astimezone(dt.UTC).replace(tzinfo=None),
        data=told["data"],
        as_of=told["as_of"],
        revision=0,
        fingerprint=stamp.get("fingerprint"),
        library=stamp.get("library"),
    )
    day = periods.day(told["as_of"])
    quarters = {name: periods.quarter(name, year_end) for name in rows["quarter"].unique()}
    return [frozen[frozen["quarter"] == name] for name, quarter in quarters.items() if periods.last_day(quarter) > day]
