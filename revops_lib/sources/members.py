"""Where the tables of an export are: files of a folder, sheets of a workbook, tables of a database.

A mapping names a member; an exact file name is taken first, then the name with any known ending, then a table of that name in
a database of the folder. Two that fit are refused: which one is meant would be a guess.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ..errors import DataRefused, UsageError
from . import delimited, landed
from .codes import refusal
from .profile import Profile
from .records import Records

_TEXTS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_DATABASES = (".duckdb", ".sqlite", ".sqlite3", ".db")
_LANDED = {".parquet": landed.parquet, ".jsonl": landed.json_lines, ".ndjson": landed.json_lines,
           ".jsonl.gz": landed.json_lines}  # fmt: skip
_WORKBOOK = ".xlsx"
_ENDINGS = (*_TEXTS, _WORKBOOK, *_LANDED)


@dataclass(frozen=True)
class Member:
    """A file, or a sheet or table `inner` of a file."""

    path: Path
    inner: str | None = None

    @property
    def name(self) -> str:
        return f"{self.path.name}#{self.inner}" if self.inner else self.path.name

    @property
    def where(self) -> str:
        return f"{self.path}#{self.inner}" if self.inner else str(self.path)

    @property
    def is_spreadsheet(self) -> bool:
        """Whether people open it in a spreadsheet: delimited text or a workbook."""
        return _ending(self.path.name) in (*_TEXTS, _WORKBOOK)

    def records(self, profile: Profile, choose: Callable[[list[str]], Sequence[int]], wanted: Iterable[str]) -> Records:
        """All records of the member, in text; `choose` and `wanted` as in `delimited.read_records`."""
        kind = _ending(self.path.name)
        if kind == _WORKBOOK:
            return landed.workbook(self.path, self.inner, choose, profile.max_columns)
        if kind in _DATABASES:
            return landed.database(self.path, self.inner or "", _at_most(profile.max_columns, choose, self.where))
        if kind in _LANDED:
            return _LANDED[kind](self.path, _at_most(profile.max_columns, choose, self.where))
        return delimited.read_records(self.path, profile, choose, wanted)


def _at_most(most: int, choose: Callable[[list[str]], Sequence[int]], where: str) -> Callable[[list[str]], Sequence[int]]:
    """`choose`, after a look at how many columns there are."""

    def checked(header: list[str]) -> Sequence[int]:
        if len(header) > most:
            what = f"{len(header)} columns, at most {most} are read"
            raise refusal("E_TOO_MANY_COLUMNS", what, where, "export the columns you need, or raise max_columns")
        return choose(header)

    return checked


def locate(source: Path, names: Sequence[str], sheet: str | None = None) -> Member | None:
    """The member called like the first of `names` that is there; None when none is.

    Raises UsageError when `source` is neither a folder nor a workbook or database, DataRefused when several fit.
    """
    if Path(names[0]).is_absolute():  # exchange rates lie beside the plans, not in the export
        return Member(Path(names[0])) if Path(names[0]).is_file() else None
    if source.is_file():
        return _within(source, names, sheet)
    for name in names:
        found = _in_folder(source, name, sheet)
        if len(found) > 1:
            several = ", ".join(member.name for member in found)
            raise refusal("E_FILE_AMBIGUOUS", f"{name} could be {several}", str(source), "name the file in full in the mapping")
        if found:
            return found[0]
    return None


def absent(source: Path, names: Sequence[str]) -> DataRefused:
    """The refusal of an export that lacks a member, with what is there."""
    there = sorted(contents(source))
    shown = ", ".join(there[:20]) + (f" and {len(there) - 20} more" if len(there) > 20 else "")
    return refusal(
        "E_FILE_MISSING",
        f"file {' or '.join(names)} not found; there: {shown or 'nothing'}",
        str(source),
        "correct --from, or `file` in the mapping",
    )


def contents(source: Path) -> list[str]:
    """Names of what can be read in a folder, workbook or database."""
    if source.is_file():
        return landed.sheets(source) if _ending(source.name) == _WORKBOOK else _tables(source)
    return [path.name for path in source.iterdir() if path.is_file() and _ending(path.name)]


def _within(source: Path, names: Sequence[str], sheet: str | None) -> Member | None:
    kind = _ending(source.name)
    if kind not in (_WORKBOOK, *_DATABASES):
        raise UsageError("neither a folder nor a workbook or database", str(source), "name the folder of the export in --from")
    there = landed.sheets(source) if kind == _WORKBOOK else _tables(source)
    return next((Member(source, inner) for name in (sheet, *names) for inner in there if name and _same(inner, name)), None)


def _in_folder(folder: Path, name: str, sheet: str | None) -> list[Member]:
    if "/" in name:  # a path within the folder
        return [Member(folder / name, sheet)] if (folder / name).is_file() else []
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    for fits in (
        lambda path: path.name in (name, f"{name}.gz"),
        lambda path: path.name.lower() in {name.lower() + ending for ending in ("", *_ENDINGS)},
    ):
        if found := [path for path in files if fits(path)]:
            return [Member(path, sheet) for path in found]
    databases = [path for path in files if _ending(path.name) in _DATABASES and landed.is_database(path)]
    return [Member(path, table) for path in databases for table in _tables(path) if _same(table, name)]


def _ending(name: str) -> str:
    return next((ending for ending in (*_ENDINGS, *_DATABASES) if name.lower().endswith(ending)), "")


def _same(inner: str, name: str) -> bool:
    """Whether a sheet or table is called so, upper and lower case and the schema of a database disregarded."""
    return name.lower() in (inner.lower(), inner.lower().rpartition(".")[2])


def _tables(path: Path) -> list[str]:
    """Tables of a database, `schema.table` where it has schemas of its own."""
    try:
        if landed.is_sqlite(path):
            with closing(landed.sqlite(path)) as connection:
                found = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")
                return [str(name) for (name,) in found]
        with duckdb.connect(str(path), read_only=True) as engine:
            named = engine.execute("SELECT table_schema, table_name FROM information_schema.tables ORDER BY 1, 2").fetchall()
            return [name if schema == "main" else f"{schema}.{name}" for schema, name in named]
    except (sqlite3.Error, duckdb.Error, OSError) as failure:
        raise DataRefused(f"the database cannot be read: {failure}", str(path), "check the file") from failure
