"""Canonical tables read back from a dataset folder, and checked."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow
import pyarrow.parquet

from .. import disk, periods, tables
from ..errors import CannotWrite, DataRefused, RevopsError, UsageError
from .formulas import as_written, harmless

# Rejected rows lie beside the canonical tables, all text; `record` is the row exactly as the file wrote it, `digest` says which
# version of the file that was.
QUARANTINE = ("file", "line", "table", "code", "reason", "digest", "record")
_MAKE_ONE = "create one with `revops import …` or `revops sample …`"
_KEYS = {"name": str, "known_until": str, "timezone": str, "fiscal_year_end": str, "currency": str, "tracked": list,
         "files": list, "aliases": list, "quarantined": list}  # fmt: skip


def read_dataset(directory: Path) -> dict[str, Any]:
    """What a dataset folder says about itself: the content of its dataset.json.

    Raises DataRefused when the folder or its dataset.json is missing, damaged or incomplete.
    """
    disk.recover(Path(directory).resolve())
    path = Path(directory) / "dataset.json"
    try:
        dataset = json.loads(path.read_text(encoding="utf-8"))
    except OSError as failure:
        raise DataRefused("not a dataset folder", f"{directory} has no readable dataset.json", _MAKE_ONE) from failure
    except ValueError as failure:
        raise DataRefused(f"the file is damaged: {failure}", str(path), _MAKE_ONE) from failure
    if not isinstance(dataset, dict):
        raise DataRefused("the file is damaged: it holds no names", str(path), _MAKE_ONE)
    for key, kind in _KEYS.items():
        if not isinstance(dataset.get(key), kind):
            raise DataRefused(f"{key} is missing or has the wrong type", str(path), _MAKE_ONE)
    try:
        periods.day(dataset["known_until"])
        periods.quarter("2000Q1", dataset["fiscal_year_end"])
        ZoneInfo(dataset["timezone"])
    except (RevopsError, KeyError, ValueError, OSError) as failure:
        what = failure.what if isinstance(failure, RevopsError) else str(failure)
        raise DataRefused(what, str(path), _MAKE_ONE) from failure
    return dataset


def read_table(directory: Path, name: str) -> pd.DataFrame:
    """A canonical table of a dataset in canonical types, or its `quarantine` as text; rows as in `tables`.

    A table the source does not have comes back without rows. Raises DataRefused when the folder is no dataset, or when
    a table that its dataset.json lists is gone or damaged; UsageError when there is no such canonical table.
    """
    directory = Path(directory)
    if name != "quarantine":
        tables.table(name)
    dataset = read_dataset(directory)
    path = directory / f"{name}.parquet"
    if not path.exists():
        if name in {file.get("table") for file in dataset["files"] if isinstance(file, dict)}:
            raise DataRefused("a table of the dataset is gone", str(path), "import again")
        return pd.DataFrame(columns=list(QUARANTINE), dtype="str") if name == "quarantine" else tables.empty(name)
    try:
        frame = pyarrow.parquet.read_table(path).to_pandas(types_mapper=_pandas_type, date_as_object=False)
        return frame.astype("str") if name == "quarantine" else tables.conform(name, frame)
    except (pyarrow.ArrowException, OSError, ValueError, TypeError) as failure:
        raise DataRefused(f"the file is damaged: {failure}", str(path), "import again") from failure


def quarantine_csv(rejected: pd.DataFrame) -> str:
    """The quarantine as CSV for a spreadsheet: everything quoted, and no cell that a spreadsheet would compute."""
    texts = rejected.apply(lambda column: harmless(column.astype("str")))
    return str(texts.to_csv(index=False, quoting=csv.QUOTE_ALL, lineterminator="\n"))


def read_fixes(path: Path) -> dict[tuple[str, str, str], dict[int, str]]:
    """The records of a corrected quarantine.csv by file, table and digest of the file, and by the line they stand at.

    Raises UsageError when the file is not a quarantine, or names a line twice with different records.
    """
    do = "give a quarantine.csv of this export, `record` corrected, the other columns as they were"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header, rows = reader.fieldnames or (), list(reader)
    except (OSError, UnicodeError, csv.Error) as failure:
        raise UsageError(f"cannot read the corrected quarantine: {failure}", str(path), do) from failure
    needed = ("file", "line", "table", "digest", "record")
    if not set(needed) <= set(header):
        raise UsageError(f"not a quarantine: it lacks one of the columns {', '.join(needed)}", str(path), do)
    fixes: dict[tuple[str, str, str], dict[int, str]] = {}
    texts = {column: as_written(pd.Series([row[column] or "" for row in rows], dtype="str")) for column in needed}
    for given in pd.DataFrame(texts).to_dict("records"):
        if not given["line"].isdecimal():
            raise UsageError(f"line {given['line']!r} is no number", str(path), do)
        lines = fixes.setdefault((given["file"], given["table"], given["digest"]), {})
        if lines.setdefault(int(given["line"]), given["record"]) != given["record"]:
            raise UsageError(f"line {given['line']} of {given['file']} is there twice", str(path), do)
    return fixes


def rejected_beside(directory: Path, rejected: pd.DataFrame) -> Path:
    """Lay the rejected rows of a refused import beside the dataset folder it would have written; returns the file."""
    disk.write_text(_rejected(directory), quarantine_csv(rejected), mode=0o600)
    return _rejected(directory)


def _rejected(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.rejected.csv")


@contextmanager
def changing(directory: Path, verb: str) -> Iterator[None]:
    """Be the only one who changes a dataset folder, from reading what it holds to replacing it; Locked when somebody else is.

    What writers of it left beside it that were killed goes: it holds people as the source wrote them.
    """
    directory = directory.resolve()
    with disk.locked(directory.parent / f".{directory.name}.lock", {"command": verb, "process": os.getpid()}):
        disk.clear_away(directory)
        disk.clear_away(_rejected(directory))
        yield


def previous(directory: Path) -> dict[str, Any] | None:
    """The dataset.json that an import would replace; None when there is none, or when a table of it is gone or damaged."""
    try:
        dataset = read_dataset(directory)
        for name in (*(file["table"] for file in dataset["files"]), "quarantine"):
            pyarrow.parquet.read_metadata(Path(directory) / f"{name}.parquet")
    except (DataRefused, pyarrow.ArrowException, OSError, KeyError, TypeError):
        return None
    return dataset


def refuse_foreign(directory: Path, name: str) -> None:
    """CannotWrite when dataset `name` would replace a file or a dataset of another name; a damaged one may be replaced."""
    if directory.is_file():
        raise CannotWrite("the target is a file, not a folder", str(directory), "name a folder in --to")
    try:
        there = read_dataset(directory)["name"]
    except DataRefused:
        return
    if there != name:
        what = f"the folder holds dataset {there!r}, the mapping is of {name!r}"
        raise CannotWrite(what, str(directory), "name another folder in --to, or delete this one first")


def _pandas_type(kind: pyarrow.DataType) -> Any:
    """The pandas types that keep what pandas' default loses: exact decimals, whole numbers and booleans with gaps."""
    if pyarrow.types.is_decimal(kind):
        return pd.ArrowDtype(kind)
    if pyarrow.types.is_integer(kind):
        return pd.Int64Dtype()
    return pd.BooleanDtype() if pyarrow.types.is_boolean(kind) else None


def check(directory: Path) -> pd.DataFrame:
    """References that lead nowhere, one row per table and column: table, column, references, n (rows), first (ids).

    Columns that name the key of a table the dataset does not hold are not judged. Raises DataRefused when a table
    breaks its schema.
    """
    directory = Path(directory)
    listed = {file.get("table") for file in read_dataset(directory)["files"] if isinstance(file, dict)}
    there = [name for name in tables.TABLES if name in listed or (directory / f"{name}.parquet").exists()]
    frames = {name: read_table(directory, name) for name in there}
    findings = []
    for name, frame in frames.items():
        tables.check(name, frame)
        for column in tables.TABLES[name].columns:
            if column.references not in frames:
                continue
            known = frames[column.references][tables.TABLES[column.references].key[0]]
            lost = frame.loc[frame[column.name].notna() & ~tables.is_among(frame[column.name], known), column.name]
            if len(lost):
                first = ", ".join(sorted(set(lost))[:3])
                findings.append((name, column.name, column.references, len(lost), first))
    return pd.DataFrame(findings, columns=["table", "column", "references", "n", "first"])
