"""The records of one file or table of an export as text: what every reader hands on, whatever the format.

Nothing is converted: a cell is the text somebody wrote, or missing. Every record knows its lines, and can be had again
exactly as it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataRefused


@dataclass(frozen=True)
class Odd:
    """A record that is no row: its lines, the code and the reason."""

    first: int
    last: int
    code: str
    reason: str
    fields: int = 0


@dataclass(frozen=True)
class Records:
    """The well-formed records of a file, in file order, and the odd ones.

    `cells[i]` is the source column at position i of `header`, all text; `lines` holds the first and last line of each
    record; `original` gives the text of records by first line, exactly as the file wrote it; `parse` splits such a text
    into the cells of one record; `read_as` says how the file was read (encoding, separator) and `is_guessed` whether the
    encoding is a guess.
    """

    header: list[str]
    cells: dict[int, pd.Series]
    lines: np.ndarray
    odd: list[Odd]
    original: Callable[[Sequence[tuple[int, int]]], dict[int, str]]
    parse: Callable[[str], list[str | None]]
    read_as: dict[str, str]
    is_guessed: bool = False

    @property
    def n(self) -> int:
        return len(self.lines) + len(self.odd)

    def corrected(self, fixes: dict[int, str], file: str) -> Records:
        """The records with some replaced by what a corrected quarantine says, by first line; the rest as it was.

        Raises DataRefused when there is no record at such a line.
        """
        if not fixes:
            return self
        spans = {int(first): (int(first), int(last)) for first, last in self.lines}
        spans |= {odd.first: (odd.first, odd.last) for odd in self.odd}
        unknown = sorted(set(fixes) - set(spans))
        if unknown:
            what = f"no record begins at line {unknown[0]}"
            raise DataRefused(what, file, "correct the quarantine of this very file")
        kept = ~np.isin(self.lines[:, 0], list(fixes))
        odd = [one for one in self.odd if one.first not in fixes]
        lines, rows = [*map(tuple, self.lines[kept].tolist())], []
        for first, text in fixes.items():
            cells = self.parse(text)
            if len(cells) == len(self.header):
                rows.append(cells)
                lines.append(spans[first])
            else:
                reason = f"{len(cells)} fields, the header has {len(self.header)}"
                odd.append(Odd(*spans[first], "E_FIELD_COUNT", reason))
        order = np.argsort([first for first, _ in lines], kind="stable")
        cells_ = {
            i: pd.concat([column[kept], pd.Series([row[i] for row in rows], dtype="str")]).iloc[order].reset_index(drop=True)
            for i, column in self.cells.items()
        }

        def original(spans: Sequence[tuple[int, int]]) -> dict[int, str]:
            return {**self.original([span for span in spans if span[0] not in fixes]), **_of(fixes, spans)}

        return replace(self, cells=cells_, lines=np.array(lines, dtype="int64").reshape(-1, 2)[order],
                       odd=sorted(odd, key=lambda one: one.first), original=original)  # fmt: skip


def as_text(value: Any) -> str | None:
    """A typed value as the text an export would write: exact, without locale; missing stays missing.

    >>> [as_text(value) for value in (None, True, 7, 1234.5, 0.1, 1e21, "007")]
    [None, 'true', '7', '1234.5', '0.1', '1000000000000000000000', '007']
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Decimal):
        return _decided(f"{value:f}")
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _number(value: float) -> str | None:
    """A float without its binary noise (fifteen digits are all it holds); missing when it is not a number."""
    if value != value:
        return None
    if value in (float("inf"), float("-inf")):
        return str(value)
    return _decided(np.format_float_positional(float(f"{value:.15g}"), trim="-"))


def _decided(text: str) -> str:
    """Three decimals could be read as thousands; a fourth says that the point is a decimal one."""
    return f"{text}0" if len(text.partition(".")[2]) == 3 else text


def _of(fixes: dict[int, str], spans: Sequence[tuple[int, int]]) -> dict[int, str]:
    return {first: fixes[first] for first, _ in spans if first in fixes}
