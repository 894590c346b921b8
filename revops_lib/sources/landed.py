"""Typed sources as records of text: Excel workbooks, Parquet, JSON lines, tables of a DuckDB or SQLite file.

Values are written as an export would: exact decimals, ISO dates, `true` and `false`. Lines are rows of the sheet, lines of
the file, or the number of the record.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet

from ..errors import DataRefused
from .codes import refusal
from .records import Odd, Records, as_text

Choose = Callable[[list[str]], Sequence[int]]
_EXACT = 10**15  # a spreadsheet keeps fifteen digits: a longer whole number has lost some


def parquet(path: Path, choose: Choose) -> Records:
    """The rows of a Parquet file. Raises DataRefused when it is damaged."""
    try:
        table = pyarrow.parquet.read_table(path)
        return _typed(table, choose)
    except (pyarrow.ArrowException, OSError, OverflowError, UnicodeError) as failure:
        raise DataRefused(f"the file is damaged: {failure}", str(path), "export it again") from failure


def database(path: Path, table: str, choose: Choose) -> Records:
    """The rows of a table of a DuckDB or SQLite file."""
    schema, _, name = table.rpartition(".")
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name) if part)
    try:
        if is_sqlite(path):
            with closing(sqlite(path)) as connection:
                cursor = connection.execute(f"SELECT * FROM {quoted}")
                header = [column[0] for column in cursor.description]
                return _rows(header, ([as_text(value) for value in row] for row in cursor), choose)
        with duckdb.connect(str(path), read_only=True) as connection:
            return _typed(connection.sql(f"SELECT * FROM {quoted}").to_arrow_table(), choose)
    except (sqlite3.Error, duckdb.Error, pyarrow.ArrowException, OverflowError, UnicodeError) as failure:
        raise DataRefused(f"the table cannot be read: {failure}", f"{path}#{table}", "check the file") from failure


def sqlite(path: Path) -> sqlite3.Connection:
    """The database, for reading only."""
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)


def is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def is_database(path: Path) -> bool:
    """Whether it is one by content: files of other programs end in .db, too."""
    with path.open("rb") as file:
        return is_sqlite(path) or file.read(12)[8:] == b"DUCK" or path.suffix != ".db"


def json_lines(path: Path, choose: Choose) -> Records:
    """One JSON object per line; objects within are opened as `outer__inner`. A line that is no object is odd."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            lines = file.read().decode("utf-8-sig").split("\n")
    except (OSError, EOFError, UnicodeError, zlib.error) as failure:
        raise DataRefused(f"cannot read the file: {failure}", str(path), "export it again") from failure
    objects, numbers, odd = [], [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = _object(line)
        if found is None:
            odd.append(Odd(number, number, "E_FIELD_COUNT", "the line is not a JSON object"))
        else:
            objects.append(found)
            numbers.append((number, number))
    if odd and odd[-1].first == len(lines):  # the last line lacks its line end: the file was cut there
        what = "the file is truncated in its last record"
        raise refusal("E_TRUNCATED", what, f"{path}, line {len(lines)}", "export it again")
    header = list(dict.fromkeys(key for one in objects for key in one))
    if not objects:
        raise refusal("E_EMPTY", "the file is empty", str(path), "export it again")
    return _records(
        header,
        {i: pd.Series([one.get(header[i]) for one in objects], dtype="str") for i in choose(header)},
        numbers,
        odd,
        lambda spans: {first: lines[first - 1].rstrip("\r") for first, _ in spans},
        lambda record: _cells(_object(record), header),
    )


def sheets(path: Path) -> list[str]:
    """Names of the sheets of a workbook that hold cells."""
    with _workbook(path) as book:
        return [sheet.title for sheet in book.worksheets]


def workbook(path: Path, sheet: str | None, choose: Choose, max_columns: int) -> Records:
    """The rows of a sheet: the first row that is not empty is the header. Formulas count as their last result."""
    there = sheets(path)
    if sheet is None and len(there) > 1:
        what = f"the workbook has the sheets {', '.join(there)}"
        raise refusal("E_SHEET_AMBIGUOUS", what, str(path), "name one: `sheet` in the mapping")
    if not there or (sheet is not None and sheet not in there):
        what = f"sheet {sheet!r} not found; there: {', '.join(there)}"
        raise refusal("E_FILE_MISSING", what, str(path), "correct `sheet`")
    rows = _sheet_rows(path, sheet or there[0])
    if not rows:
        raise refusal("E_EMPTY", "the sheet is empty", str(path), "export it again")
    header = [name or "" for name in rows[0][1]]
    while header and not header[-1]:
        header.pop()
    if len(header) > max_columns:
        what = f"{len(header)} columns, at most {max_columns} are read"
        raise refusal("E_TOO_MANY_COLUMNS", what, str(path), "export the columns you need, or raise max_columns")
    texts, numbers, odd, written = [], [], [], {}
    for number, cells in rows[1:]:
        if any(cells[len(header) :]):
            odd.append(Odd(number, number, "E_FIELD_COUNT", f"{len(cells)} fields, the header has {len(header)}"))
            written[number] = _line(cells)
        else:
            texts.append([*cells[: len(header)], *[None] * (len(header) - len(cells))])
            numbers.append((number, number))
            written[number] = _line(texts[-1])
    return _records(
        header,
        {i: pd.Series([cells[i] for cells in texts], dtype="str") for i in choose(header)},
        numbers,
        odd,
        lambda spans: {first: written[first] for first, _ in spans},
        _cells_of_line,
    )


def _sheet_rows(path: Path, sheet: str) -> list[tuple[int, list[str | None]]]:
    """Rows of a sheet that hold something, by number. Raises DataRefused for a formula that was never calculated."""
    rows = []
    with _workbook(path) as book, _workbook(path, formulas=True) as source:
        pairs = zip(book[sheet].iter_rows(), source[sheet].iter_rows(), strict=True)
        for number, (values, formulas) in enumerate(pairs, start=1):
            for value, formula in zip(values, formulas, strict=True):
                # Of type "str": its result is the empty text.
                if value.value is None and formula.data_type == "f" and value.data_type != "str":
                    where = f"{path}#{sheet}, cell {formula.coordinate}"
                    do = "open the workbook in a spreadsheet and save it again"
                    raise refusal("E_FORMULA", f"the formula {str(formula.value)[:40]!r} has no result", where, do)
            cells = [_cell(value.value) for value in values]
            if any(cell is not None for cell in cells):
                rows.append((number, cells))
    return rows


@contextmanager
def _workbook(path: Path, formulas: bool = False) -> Iterator[Any]:
    import openpyxl

    try:
        with closing(openpyxl.load_workbook(path, read_only=True, data_only=not formulas)) as book:
            yield book
    except DataRefused:
        raise
    except Exception as failure:  # a damaged workbook fails in as many ways as a zip of XML can be damaged
        raise refusal(
            "E_NOT_XLSX", f"the file is no sound Excel workbook: {failure}", str(path), "save it as .xlsx"
        ) from failure


def _cells_of_line(record: str) -> list[str | None]:
    rows = list(csv.reader(io.StringIO(record, newline="")))
    return [cell or None for cell in rows[0]] if len(rows) == 1 else []


def _cell(value: Any) -> str | None:
    """A cell as text; days without time as days, whole numbers a spreadsheet cannot hold as what is left of them."""
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= _EXACT:
        return f"{value:.5E}"
    return as_text(value)


def _line(cells: Iterable[str | None]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(["" if cell is None else cell for cell in cells])
    return text.getvalue()


def _object(line: str) -> dict[str, str | None] | None:
    """A JSON object opened into one level of text, numbers digit for digit as written; None when it is none."""
    try:
        found = json.loads(line, parse_float=str, parse_int=str, object_pairs_hook=_once)
        json.dumps(found, ensure_ascii=False).encode("utf-8")  # half a character is none
    except (ValueError, RecursionError):
        return None
    return _open(found) if isinstance(found, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def _open(node: dict[str, Any], prefix: str = "") -> dict[str, str | None]:
    opened: dict[str, str | None] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            opened |= _open(value, f"{prefix}{key}__")
        else:
            opened[prefix + key] = as_text(value)
    return opened


def _typed(table: pyarrow.Table, choose: Choose) -> Records:
    header = list(table.column_names)
    cells = {i: _column(table.column(i)) for i in choose(header)}
    n = table.num_rows

    def original(spans: Sequence[tuple[int, int]]) -> dict[int, str]:
        rows = table.take([first - 1 for first, _ in spans]).to_pylist()
        return {first: json.dumps(row, ensure_ascii=False, default=str) for (first, _), row in zip(spans, rows, strict=True)}

    numbers = np.arange(1, n + 1)
    return _records(
        header, cells, np.stack([numbers, numbers], axis=1), [], original, lambda text: _cells(_object(text), header)
    )


def _column(column: pyarrow.ChunkedArray) -> pd.Series:
    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
        text = pd.Series(column.cast(pyarrow.string()), dtype="str")
        return text.where(text != "")
    # What lies in a file repeats: every value is written once.
    encoded = column.dictionary_encode().combine_chunks() if not pyarrow.types.is_nested(kind) else None
    if encoded is None:
        return pd.Series([as_text(value) for value in column.to_pylist()], dtype="str")
    written = pd.Series([as_text(value) for value in encoded.dictionary.to_pylist()], dtype="str")
    return written.reindex(encoded.indices.to_pandas()).reset_index(drop=True)


def _rows(header: list[str], rows: Iterable[list[str | None]], choose: Choose) -> Records:
    texts = list(rows)

    def original(spans: Sequence[tuple[int, int]]) -> dict[int, str]:
        return {first: json.dumps(dict(zip(header, texts[first - 1], strict=True)), ensure_ascii=False) for first, _ in spans}

    cells = {i: pd.Series([row[i] for row in texts], dtype="str") for i in choose(header)}
    numbers = [(n, n) for n in range(1, len(texts) + 1)]
    return _records(header, cells, numbers, [], original, lambda text: _cells(_object(text), header))


def _cells(found: dict[str, str | None] | None, header: list[str]) -> list[str | None]:
    return [] if found is None else [found.get(name) for name in header]


def _records(
    header: list[str],
    cells: dict[int, pd.Series],
    numbers: Any,
    odd: list[Odd],
    original: Callable[[Sequence[tuple[int, int]]], dict[int, str]],
    parse: Callable[[str], list[str | None]],
) -> Records:
    return Records(header, cells, np.array(numbers, dtype="int64").reshape(-1, 2), odd, original, parse, read_as={})
