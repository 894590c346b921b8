"""A delimited text file as records of text: nothing is converted, every record knows its lines.

Lines are counted as a text editor counts them. A record of the wrong length is reported, never padded or cut.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import numpy as np
import pandas as pd
import pyarrow

from ..errors import DataRefused
from .codes import refusal
from .mapping import fold
from .profile import Profile
from .records import Odd, Records

# Records are turned into Arrow columns in portions: a file of millions of rows never stands in memory as Python lists.
_PORTION = 50_000
_SEPARATORS = (",", ";", "\t", "|")
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# What an export saved under the wrong name begins with, and what it is.
_FOREIGN = {b"PK\x03\x04": "an Excel workbook (.xlsx) or a zip", b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
            b"\x89PNG": "a picture", b"7z\xbc\xaf": "a 7z archive", b"%PDF": "a PDF", b"PAR1": "Parquet", b"\x1f\x8b": "gzip",
            b"SQLite format 3": "an SQLite database"}  # fmt: skip
# A letter beyond ASCII in UTF-8.
_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
csv.field_size_limit(1 << 24)  # a longer text than the usual 128 KiB is a fault of its row, not of the file
_HEADER_LINES = 50  # so many lines are looked at for the header when the separator is found out


def read_records(path: Path, profile: Profile, choose: Callable[[list[str]], Sequence[int]], wanted: Iterable[str]) -> Records:
    """All records of a file; `choose` names, given the header, the positions of the columns that are kept.

    What the profile does not declare is found out: the encoding (byte order mark, UTF-8, else cp1252, said as a guess)
    and the separator, by which `wanted` (folded column names) are found in the header. Blank lines are no records. Raises
    DataRefused for a file that is no delimited text, without bytes or header, with too many columns, that cannot be
    decoded, that ends within a quoted field or in the middle of its last record.
    """
    _refuse_foreign(path)
    encoding, is_guessed = _encoding(path, profile)
    sep, skipped = _separator(path, encoding, profile, set(wanted))
    opened = partial(_opened, path, encoding, skipped)
    lines: list[tuple[int, int]] = []
    odd: list[Odd] = []
    with opened() as text:
        reader = csv.reader(text, delimiter=sep, strict=True)
        first = 1 + skipped
        try:
            header = next((row for row in reader if row), None)
            if header is None or header == [""]:
                raise refusal("E_EMPTY", "the file is empty", str(path), "export it again")
            width, rows = len(header), []
            if width > profile.max_columns:
                what = f"{width} columns, at most {profile.max_columns} are read"
                raise refusal("E_TOO_MANY_COLUMNS", what, str(path), "export the columns you need, or raise max_columns")
            columns: dict[int, list[pyarrow.Array]] = {i: [] for i in choose(header)}
            first = reader.line_num + skipped + 1
            for row in reader:
                last = reader.line_num + skipped
                if last > first and _swallowed(row, sep, width):
                    raise csv.Error("one field holds whole rows")
                if len(row) == width:
                    rows.append(row)
                    lines.append((first, last))
                elif row:
                    odd.append(Odd(first, last, "E_FIELD_COUNT", f"{len(row)} fields, the header has {width}", len(row)))
                if len(rows) == _PORTION:
                    _keep(columns, rows)
                    rows = []
                first = last + 1
            _keep(columns, rows)
        except csv.Error as failure:
            what = f"a quote is not closed, or text follows the closing quote ({failure})"
            where = f"{path}, record at line {first}"
            raise refusal("E_UNCLOSED_QUOTE", what, where, "correct the line or export again") from failure
        ended = reader.line_num + skipped
    _refuse_truncated(path, opened, odd, ended, width)
    cells = {i: pd.Series(pyarrow.chunked_array(arrays, type=pyarrow.string()), dtype="str") for i, arrays in columns.items()}
    return Records(
        header=header,
        cells=cells,
        lines=np.array(lines, dtype="int64").reshape(-1, 2),
        odd=odd,
        original=partial(_original, opened, 1 + skipped),
        parse=partial(_parse, sep=sep),
        read_as={"encoding": encoding, "sep": sep},
        is_guessed=is_guessed,
    )


def header_of(path: Path, profile: Profile) -> tuple[list[str], dict[str, str]]:
    """The header of a file and how it was read, with the checks of `read_records`; for a look before anything is mapped."""
    _refuse_foreign(path)
    encoding, _ = _encoding(path, profile)
    sep, skipped = _separator(path, encoding, profile, set())
    with _opened(path, encoding, skipped) as text:
        header = _first(text, sep)
    if header is None:
        raise refusal("E_EMPTY", "the file is empty", str(path), "export it again")
    return header, {"encoding": encoding, "sep": sep}


def _original(opened: Callable[..., Any], at: int, spans: Iterable[tuple[int, int]]) -> dict[int, str]:
    """The text of records exactly as the file wrote it, without the final line end, by first line; `spans` in order."""
    records = {}
    with opened() as text:
        for first, last in spans:
            lines = itertools.islice(text, first - at, last - at + 1)
            records[first] = _without_line_end("".join(lines))
            at = last + 1
    return records


def _parse(record: str, sep: str) -> list[str | None]:
    try:
        rows = list(csv.reader(io.StringIO(record, newline=""), delimiter=sep, strict=True))
    except csv.Error:
        return []
    return [cell or None for cell in rows[0]] if len(rows) == 1 else []


def _swallowed(row: list[str], sep: str, width: int) -> bool:
    """Whether a quoted field of several lines holds as many separators as the rows it would have swallowed.

    A quote that one row opens and another closes takes the rows between with it.
    """
    breaks = [(field, len(field.splitlines()) - 1) for field in row if "\n" in field or "\r" in field]
    return width > 2 and any(n and field.count(sep) >= (width - 1) * n for field, n in breaks)


# --- what the file does not say about itself -------------------------------------------------------------------------


def _refuse_foreign(path: Path) -> None:
    with _bytes(path) as file:
        start = file.read(4096)
    kind = next((name for magic, name in _FOREIGN.items() if start.startswith(magic)), None)
    # Zeros are what UTF-16 puts between the letters of ASCII.
    text = start.lstrip(codecs.BOM_UTF8 + codecs.BOM_UTF16_LE).replace(b"\0", b"").lstrip()
    if re.match(rb"<[a-zA-Z!?]", text):
        kind = "HTML or XML, such as a login page"
    elif re.match(rb"[{\[]\s*[\"{\[\]}0-9]", text):
        kind = "JSON, such as an error message"
    if kind:
        raise refusal("E_NOT_CSV", f"the file is not delimited text but {kind}", str(path), "export it again")


def _encoding(path: Path, profile: Profile) -> tuple[str, bool]:
    """The encoding, and whether it is a guess. A byte order mark belongs to the encoding, not to the first column's name."""
    with _bytes(path) as file:
        start = file.read(4096)
    marked = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    if profile.encoding is not None:
        declared = profile.encoding.lower().replace("_", "-")
        if marked == "utf-8-sig" and declared in ("utf-8", "utf8"):
            return marked, False
        return profile.encoding, False
    if marked:
        return marked, False
    for guess in _unmarked_utf16(start):
        if _decodes(path, guess):
            return guess, True
    if _decodes(path, "utf-8"):
        return "utf-8", False
    _refuse_damaged(path)
    if _decodes(path, "cp1252"):
        return "cp1252", True
    what = "the file is neither UTF-8 nor cp1252 text"
    raise refusal("E_ENCODING", what, str(path), "declare `encoding` in the mapping's profile, such as utf-16 or mac-roman")


def _unmarked_utf16(start: bytes) -> list[str]:
    """Text in UTF-16 without a byte order mark has a zero in every second byte."""
    if len(start) < 4:
        return []
    odd, even = start[1::2].count(0) / len(start[1::2]), start[::2].count(0) / len(start[::2])
    return ["utf-16-le"] if odd > 0.8 and even < 0.1 else ["utf-16-be"] if even > 0.8 and odd < 0.1 else []


def _refuse_damaged(path: Path) -> None:
    """Refuse UTF-8 in which some bytes are wrong: read in another encoding, all its accents would be."""
    sound, wrong, line, first = 0, 0, 0, 0
    with _bytes(path) as file:
        for line, text in enumerate(file, start=1):
            whole = len(_SEQUENCE.findall(text))
            broken = sum(byte > 0x7F for byte in _SEQUENCE.sub(b"", text))
            sound, wrong = sound + whole, wrong + broken
            first = first or (line if broken else 0)
    if sound >= wrong:
        what = f"the file is UTF-8 text with {wrong} wrong bytes, the first in line {first} of {line}"
        raise refusal("E_ENCODING", what, str(path), "export it again, or declare `encoding` in the mapping's profile")


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with _bytes(path) as file:
        try:
            while chunk := file.read(1 << 20):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeError:
            return False
    return True


def _separator(path: Path, encoding: str, profile: Profile, wanted: set[str]) -> tuple[str, int]:
    """The separator, and how many lines before the header only declare it (`sep=;`, written by Excel)."""
    with _opened(path, encoding, 0) as text:
        start = "".join(itertools.islice(text, _HEADER_LINES))
    declared = re.match(r"sep=(.)\r?\n", start)
    skipped = 1 if declared else 0
    if profile.sep is not None:
        return profile.sep, skipped
    if declared:
        return declared[1], skipped
    headers = {sep: _first(io.StringIO(start, newline=""), sep) or [] for sep in _SEPARATORS}
    found = {sep: len(wanted & {fold(name) for name in header}) for sep, header in headers.items()}
    best = [sep for sep in _SEPARATORS if found[sep] == max(found.values())]
    widest = [sep for sep in best if len(headers[sep]) == max(len(headers[one]) for one in best)]
    if len(widest) > 1 and len(headers[widest[0]]) > 1:
        what = f"the header can be split by {' or by '.join(map(repr, widest))}"
        raise refusal("E_SEPARATOR_AMBIGUOUS", what, f"{path}, header line", "declare `sep` in the mapping's profile")
    return widest[0], skipped


def _first(text: Iterable[str], sep: str) -> list[str] | None:
    try:
        return next((row for row in csv.reader(text, delimiter=sep) if row), None)
    except csv.Error:
        return None


def _refuse_truncated(path: Path, opened: Callable[..., Any], odd: list[Odd], ended: int, width: int) -> None:
    if not odd or odd[-1].last != ended or odd[-1].fields >= width:
        return
    last = ""
    with opened() as text:
        for last in text:  # noqa: B007 - only the last line counts
            pass
    footer = odd[-1].fields == 1 and " " in last.strip()  # a line of words
    if not last.endswith(("\n", "\r")) and not footer:
        what = "the file is truncated in its last record"
        raise refusal("E_TRUNCATED", what, f"{path}, line {odd[-1].first}", "export it again")


# --- bytes and text --------------------------------------------------------------------------------------------------


@contextmanager
def _bytes(path: Path) -> Iterator[BinaryIO]:
    try:
        with cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb") as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as failure:
        raise DataRefused(f"the compressed file is damaged: {failure}", str(path), "export it again") from failure
    except OSError as failure:
        raise DataRefused(f"cannot read the file: {failure.strerror}", str(path), "check the file") from failure


@contextmanager
def _opened(path: Path, encoding: str, skipped: int) -> Iterator[TextIO]:
    """The text of a file after its first `skipped` lines. newline="" leaves line ends alone: a quoted field keeps its own."""
    try:
        with _bytes(path) as file, io.TextIOWrapper(file, encoding=encoding, newline="") as text:
            for _ in range(skipped):
                text.readline()
            yield text
    except UnicodeError as failure:
        what = f"the file is not {encoding} text"
        do = "declare `encoding` in the mapping's profile, such as cp1252 or utf-16"
        raise refusal("E_ENCODING", what, str(path), do) from failure


def _keep(columns: dict[int, list[pyarrow.Array]], rows: list[list[str]]) -> None:
    for position, arrays in columns.items():
        # Only the empty string is missing; "NA", "None" and "null" are what somebody wrote.
        arrays.append(pyarrow.array([cell or None for cell in map(itemgetter(position), rows)], type=pyarrow.string()))


def _without_line_end(text: str) -> str:
    return text[:-2] if text.endswith("\r\n") else text[:-1] if text.endswith(("\n", "\r")) else text
