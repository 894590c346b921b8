"""A delimited text file as records of text: nothing is converted, every record knows its lines.

Lines are counted as a text editor counts them. A record of the wrong length is reported, never padded or cut.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TextIO, cast

import numpy as np
import pyarrow

from ..errors import DataRefused
from .mapping import Profile

# Records are turned into Arrow columns in portions: a file of millions of rows never stands in memory as Python lists.
_PORTION = 50_000


@dataclass(frozen=True)
class Records:
    """The well-formed records of a file, in file order, and those with too many or too few fields.

    `cells[i]` is the source column at position i, all text, missing where the file has nothing between separators.
    `lines` holds the first and last line of each record; `odd` (first line, last line, number of fields).
    """

    header: list[str]
    cells: dict[int, pyarrow.ChunkedArray]
    lines: np.ndarray
    odd: list[tuple[int, int, int]]


def locate(folder: Path, file: str) -> Path:
    """The file of an export, or its gzip copy `<file>.gz`. Raises DataRefused when neither is there."""
    for path in (folder / file, folder / f"{file}.gz"):
        if path.is_file():
            return path
    raise DataRefused(f"file {file} not found", str(folder), "correct --from, or `file` in the mapping")


def read_records(path: Path, profile: Profile, choose: Callable[[list[str]], Sequence[int]]) -> Records:
    """All records of a file; `choose` names, given the header, the positions of the columns that are kept.

    Blank lines are no records. Raises DataRefused for a file without bytes or header, that cannot be decoded, that ends
    within a quoted field or in the middle of its last record.
    """
    lines: list[tuple[int, int]] = []
    odd: list[tuple[int, int, int]] = []
    with _opened(path, profile) as text:
        reader = csv.reader(text, delimiter=profile.sep, strict=True)
        first = 1
        try:
            header = next((row for row in reader if row), None)
            if header is None:
                raise DataRefused("the file is empty", str(path), "export it again")
            width, rows = len(header), []
            columns: dict[int, list[pyarrow.Array]] = {i: [] for i in choose(header)}
            first = reader.line_num + 1
            for row in reader:
                last = reader.line_num
                if len(row) == width:
                    rows.append(row)
                    lines.append((first, last))
                elif row:
                    odd.append((first, last, len(row)))
                if len(rows) == _PORTION:
                    _keep(columns, rows)
                    rows = []
                first = last + 1
            _keep(columns, rows)
        except csv.Error as failure:
            what = f"a quote is not closed, or text follows the closing quote ({failure})"
            raise DataRefused(what, f"{path}, record at line {first}", "correct the line or export again") from failure
    if odd and odd[-1][1] == reader.line_num and odd[-1][2] < width and not _ends_with_newline(path, profile):
        raise DataRefused("the file is truncated in its last record", f"{path}, line {odd[-1][0]}", "export it again")
    cells = {i: pyarrow.chunked_array(arrays, type=pyarrow.string()) for i, arrays in columns.items()}
    return Records(header, cells, np.array(lines, dtype="int64").reshape(-1, 2), odd)


def original_records(path: Path, profile: Profile, spans: Iterable[tuple[int, int]]) -> dict[int, str]:
    """The text of records exactly as the file wrote it, without the final line end, by first line.

    `spans` gives first and last line of each record, in file order.
    """
    records = {}
    with _opened(path, profile) as text:
        at = 1
        for first, last in spans:
            lines = itertools.islice(text, first - at, last - at + 1)
            records[first] = _without_line_end("".join(lines))
            at = last + 1
    return records


@contextmanager
def _opened(path: Path, profile: Profile) -> Iterator[TextIO]:
    # A byte order mark belongs to the encoding, not to the name of the first column.
    encoding = "utf-8-sig" if profile.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else profile.encoding
    try:
        # newline="" leaves line ends alone: a quoted field keeps its own.
        if path.suffix == ".gz":
            with cast(TextIO, gzip.open(path, "rt", encoding=encoding, newline="")) as text:
                yield text
        else:
            with path.open(encoding=encoding, newline="") as text:
                yield text
    except UnicodeError as failure:
        what = f"the file is not {profile.encoding} text"
        raise DataRefused(what, str(path), "declare `encoding` in the mapping, such as cp1252 or utf-16") from failure
    except (EOFError, zlib.error, gzip.BadGzipFile) as failure:
        raise DataRefused(f"the compressed file is damaged: {failure}", str(path), "export it again") from failure
    except OSError as failure:
        raise DataRefused(f"cannot read the file: {failure.strerror}", str(path), "check the file") from failure


def _keep(columns: dict[int, list[pyarrow.Array]], rows: list[list[str]]) -> None:
    for position, arrays in columns.items():
        # Only the empty string is missing; "NA", "None" and "null" are what somebody wrote.
        arrays.append(pyarrow.array([cell or None for cell in map(itemgetter(position), rows)], type=pyarrow.string()))


def _ends_with_newline(path: Path, profile: Profile) -> bool:
    last = ""
    with _opened(path, profile) as text:
        for last in text:  # noqa: B007 - only the last line counts
            pass
    return last.endswith(("\n", "\r"))


def _without_line_end(text: str) -> str:
    return text[:-2] if text.endswith("\r\n") else text[:-1] if text.endswith(("\n", "\r")) else text
