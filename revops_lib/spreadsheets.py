"""The results of a run as a workbook or as CSV files, for people; nothing in them is computed when they are opened.

Text that a spreadsheet would compute gets a quote before it (`sources.formulas`), which an import takes off again.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet

from . import disk
from .errors import CannotWrite, DataRefused, UsageError
from .sources.formulas import harmless

_WRITTEN = ".revops-export"  # in a folder of CSV files: the names of those an export wrote
MAX_ROWS, MAX_TEXT, MAX_TITLE = 1_048_576, 32_767, 31  # of a sheet, a cell, the name of a sheet
_NUMBER_WIDTH, _TEXT_WIDTH = 10, 60  # characters that a column of numbers takes, and where texts are wrapped
_HEAD = "heading"
_UNHOLDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True)
class Table:
    """Column by column what a table holds: None, bool, int, float, Decimal, date, datetime (UTC, without offset) or str.
    `formats`: the number format of every cell of the columns, where they have one."""

    header: list[str]
    columns: list[list[Any]]
    formats: list[list[str]] | None = None


def export(run: Path, to: Path, *, public: bool = False) -> list[str]:
    """Write the results of the run in the folder `run` to `to`: a workbook when its name ends in .xlsx, else a folder of CSV.

    One sheet or file per table of `results/`, under the table's name; with `public` the tables of public/report.json and
    nothing else, as the site shows them. Numbers and days are numbers and days; instants are UTC. The workbook or the folder is
    there whole or as it was; a folder that holds anything but an earlier export is refused. Returns sentences about what a
    workbook could not hold. Raises UsageError when there is no such run, DataRefused for a damaged table or one with more rows
    than a sheet, CannotWrite.
    """
    tables = dict(_published(run) if public else _results(run))
    if not tables:
        raise UsageError("the run has no tables", str(run), "`revops run` says why")
    if to.suffix.lower() == ".xlsx":
        return _write_workbook(tables, to)
    if to.suffix or to.is_file():
        raise UsageError(f"{to.name} is neither a workbook nor a folder", str(to), "name FILE.xlsx, or a folder for CSV files")
    _write_folder(tables, to.resolve())
    return []


def workbook(
    frames: Mapping[str, pd.DataFrame],
    to: Path,
    *,
    headings: Mapping[str, list[str]],
    formats: Mapping[str, dict[str, list[str]]],
) -> list[str]:
    """Write frames as a workbook for people, one sheet each under the frame's name: columns wide enough to be read, long texts
    wrapped. `headings`: of each frame's columns; `formats`: a number format per cell, by frame and column. Numbers stay
    numbers, texts are never computed. Returns and raises as `export`."""
    tables = {}
    for name, frame in frames.items():
        columns = [_plain(pyarrow.Array.from_pandas(_told(frame[column])).to_pylist()) for column in frame]
        tables[name] = Table(headings[name], columns, [formats[name][column] for column in frame])
    return _write_workbook(tables, to)


def _told(column: pd.Series) -> pd.Series:
    """Quarters and months as their names."""
    return column.astype("str") if isinstance(column.dtype, pd.PeriodDtype) else column


def _results(run: Path) -> Iterator[tuple[str, Table]]:
    if not (run / "results").is_dir():
        raise UsageError("there is no run", str(run), "name its --out in --runs, or make it with `revops run`")
    for path in sorted((run / "results").glob("*.parquet")):
        try:
            table = pyarrow.parquet.read_table(path)
        except (pyarrow.ArrowException, OSError) as failure:
            raise DataRefused(f"the table is damaged: {failure}", str(path), "run the quarter again") from failure
        yield path.stem, Table(table.column_names, [_plain(column.to_pylist()) for column in table.columns])


def _published(run: Path) -> Iterator[tuple[str, Table]]:
    path = run / "public" / "report.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        for one in report["reports"]:
            for shown in one["tables"]:
                columns = [[str(row[i]) for row in shown["rows"]] for i in range(len(shown["columns"]))]
                yield f"{one['stem']}.{shown['name']}", Table(list(shown["columns"]), columns)
    except OSError as failure:
        raise UsageError("the run has published nothing", str(path), "name its --out in --runs") from failure
    except (ValueError, KeyError, TypeError, IndexError) as failure:
        raise DataRefused(f"the file is damaged: {failure}", str(path), "run the quarter again") from failure


def _plain(column: list[Any]) -> list[Any]:
    """The values of a column in the kinds that a Table holds; instants that are all midnights are days."""
    values = [_value(value) for value in column]
    if all(value.time() == dt.time() for value in values if isinstance(value, dt.datetime)):
        return [value.date() if isinstance(value, dt.datetime) else value for value in values]
    return values


def _value(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None  # no cell holds what is not a number
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
    return value if value is None or isinstance(value, bool | int | Decimal | dt.date | str) else str(value)


def _safe(column: Iterable[Any]) -> list[Any]:
    """The column, its texts harmless."""
    values = list(column)
    texts = harmless(pd.Series([value if isinstance(value, str) else None for value in values], dtype="str"))
    return [text if isinstance(value, str) else value for value, text in zip(values, texts, strict=True)]


# --- CSV -------------------------------------------------------------------------------------------------------------


def _write_folder(tables: Mapping[str, Table], to: Path) -> None:
    try:
        if to.exists() and {path.name for path in to.iterdir()} - _written(to):
            raise CannotWrite("the folder holds something that is not an export", str(to), "name an empty or new folder")
        with disk.beside(to) as new:
            if to.exists():
                shutil.copymode(to, new)
            for name, table in tables.items():
                (new / f"{name}.csv").write_bytes(_csv(table).encode("utf-8"))
            (new / _WRITTEN).write_text("".join(f"{name}.csv\n" for name in tables), encoding="utf-8")
            disk.put(new, to)
    except OSError as failure:
        raise CannotWrite(failure.strerror or "cannot write", str(to), "free space or choose another folder") from failure


def _written(folder: Path) -> set[str]:
    """The names of all files that an earlier export left in a folder."""
    mark = folder / _WRITTEN
    return {_WRITTEN, *mark.read_text(encoding="utf-8").splitlines()} if mark.exists() else set()


def _csv(table: Table) -> str:
    """Texts in quotes, everything else without."""
    rows = [_safe(table.header), *zip(*map(_safe, table.columns), strict=True)]
    return "".join(",".join(map(_field, row)) + "\n" for row in rows)


def _field(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.date):
        return value.isoformat() + ("Z" if isinstance(value, dt.datetime) else "")
    return f"{value:f}" if isinstance(value, Decimal) else repr(value)


# --- workbook --------------------------------------------------------------------------------------------------------


def _write_workbook(tables: Mapping[str, Table], to: Path) -> list[str]:
    from openpyxl import Workbook

    book, said = Workbook(write_only=True), []
    for name, table in tables.items():
        if any(len(column) >= MAX_ROWS for column in table.columns):
            raise DataRefused(f"{name} has more rows than a sheet holds", str(to), "name a folder in --to, for CSV files")
    for (name, table), title in zip(tables.items(), _titles(tables), strict=True):
        if title != name:
            said.append(f"sheet {title} holds {name}")
        columns = [table.header, *table.columns]
        held = [[_held(value) for value in column] for column in columns]
        if held != columns:
            said.append(f"sheet {title}: in some texts control characters were replaced, or what no cell holds was cut off")
        sheet = book.create_sheet(title)
        sheet.freeze_panes = "A2"
        if table.formats:
            _lay_out(sheet, held)
        formats = [[_HEAD, *own] for own in table.formats] if table.formats else []
        for number, row in enumerate((_safe(held[0]), *zip(*map(_safe, held[1:]), strict=True))):
            own = [column[number] for column in formats] or [""] * len(row)
            sheet.append([_cell(sheet, value, form) for value, form in zip(row, own, strict=True)])
    with disk.replacing(to) as new:
        book.save(new)
    return said


def _titles(names: Iterable[str]) -> list[str]:
    """Names of sheets: short enough, without what they must not hold, each once."""
    titles: list[str] = []
    for number, name in enumerate(names, start=1):
        title = re.sub(r"[\[\]:*?/\\]", "_", name)[:MAX_TITLE]
        titles.append(title if title.lower() not in map(str.lower, titles) else f"{title[: MAX_TITLE - 5]}_{number}")
    return titles


def _held(value: Any) -> Any:
    """A text as a cell holds it: no control characters, one kind of line end, room for one quote before it."""
    if not isinstance(value, str):
        return value
    text = _UNHOLDABLE.sub("�", re.sub("\r\n?", "\n", value))
    return text.encode("utf-16-le")[: 2 * (MAX_TEXT - 1)].decode("utf-16-le", errors="ignore")


def _lay_out(sheet: Any, columns: list[list[Any]]) -> None:
    """Columns as wide as their heading and numbers need, long texts wrapped at a width that can be read."""
    for number, heading in enumerate(columns[0]):
        texts = [value for value in columns[number + 1] if isinstance(value, str)]
        need = max([len(heading), _NUMBER_WIDTH, *map(len, texts)]) + 2
        sheet.column_dimensions[_letter(number)].width = min(need, _TEXT_WIDTH)


def _letter(number: int) -> str:
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(number + 1))


def _cell(sheet: Any, value: Any, form: str) -> Any:
    """A cell; `form`: its number format, `_HEAD` for a heading, or empty for none."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment, Font

    cell = WriteOnlyCell(sheet, value=value)
    if form == _HEAD:
        cell.font, cell.alignment = Font(bold=True), Alignment(wrap_text=True, vertical="top")
    elif isinstance(value, str) and form:
        cell.alignment = Alignment(wrap_text=len(value) > _TEXT_WIDTH, vertical="top")
    elif form:
        cell.number_format, cell.alignment = form, Alignment(vertical="top")
    if isinstance(value, str):
        cell.data_type = "s"  # openpyxl would take `=…` for a formula and `#N/A` for an error
    return cell
