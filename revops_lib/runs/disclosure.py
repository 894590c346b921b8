"""Small groups in published tables: which rows are hidden, so that no number about fewer than five can be read or worked out.

Readers know totals, from the same table or from elsewhere. So a hidden row is safe only when total minus rest gives neither it
nor a number below five. Rows are looked at along lines: all of a table, and all that share one name (a stage, a segment).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

SMALLEST_GROUP = 5  # people or deals; nothing about fewer is published
# Rows that are no part of a table's sum: totals, and what a forecast is compared with.
TOTALS = {"company", "all teams", "total", "CRM stage probability", "Last quarter again", "Same quarter last year"}
KPI = "kpi"  # the key of a table of KPIs
_DEALS = ("won to date", "open", "pulled in")  # how parts of a forecast begin that count deals; the others count past quarters


@dataclass
class Groups:
    """A published table. `counts`: how many stand behind each row, None where nobody is counted; `hidden`: rows not shown."""

    name: str
    frame: pd.DataFrame
    counts: list[int] | None = None
    hidden: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.counts and "part" in self.keys:  # a forecast
            counted = [any(name.startswith(_DEALS) for name in names) for names in self.names]
            self.counts = [n if is_counted else 0 for n, is_counted in zip(self.counts, counted, strict=True)]

    @cached_property
    def keys(self) -> list[str]:
        """The columns that name a row: the shortest run of leading text columns that tells all rows apart."""
        from pandas.api.types import is_string_dtype

        keys: list[str] = []
        for column in self.frame:
            if not is_string_dtype(self.frame[column]) or (keys and not self.frame.duplicated(keys).any()):
                break
            keys.append(column)
        return keys

    @cached_property
    def names(self) -> list[set[str]]:
        """What each row is called."""
        return [{str(self.frame[key].iloc[row]) for key in self.keys} for row in range(len(self.frame))]

    @cached_property
    def spoken(self) -> list[set[str]]:
        """What sentences call each row: a KPI by its name, not by its id."""
        if KPI not in self.keys or "name" not in self.frame:
            return self.names
        ids, names = self.frame[KPI].astype(str), self.frame["name"].astype(str)
        return [own - {id} | {name} for own, id, name in zip(self.names, ids, names, strict=True)]

    def lines(self) -> list[list[int]]:
        """Rows whose sum a reader may know: all but the totals, and those of each name; at least two rows each. Different KPIs
        have no sum."""
        if KPI in self.keys:
            return []
        parts = [row for row, names in enumerate(self.names) if not names & TOTALS]
        lines = [parts]
        for key in self.keys:
            names = self.frame[key].astype(str)
            lines += [[row for row in parts if names.iloc[row] == name] for name in sorted(set(names.iloc[parts]))]
        return [line for line in lines if len(line) > 1]


def is_few(count: int) -> bool:
    """Whether so many are too few to be told apart; nobody is not a group."""
    return 0 < count < SMALLEST_GROUP


def hide(tables: Sequence[Groups]) -> None:
    """Hide the rows of fewer than five, then the next smallest beside them, until none of the hidden can be worked out."""
    for table in tables:
        table.hidden |= {row for row, count in enumerate(table.counts or []) if is_few(count)}
    while further := _next(tables):
        table, row = further
        table.hidden.add(row)


def _next(tables: Sequence[Groups]) -> tuple[Groups, int] | None:
    """The row to hide next; None when nothing is exposed or nothing is left to hide."""
    for _, _, other, rows in _repeated(tables):
        return other, rows[0]
    for table in tables:
        exposed, counts = _exposed(table), table.counts or [0] * len(table.frame)
        lines = [line for line in table.lines() if exposed & set(line) and set(line) - table.hidden]
        if lines:  # first where one stands hidden by itself
            line = min(lines, key=lambda line: (len(table.hidden & set(line)) > 1, len(line)))
            return table, min(set(line) - table.hidden, key=lambda row: (counts[row], row))
    return None


def _exposed(table: Groups) -> set[int]:
    """Hidden rows that the sums of the lines give away.

    Every line is an equation: hidden counts = sum minus what is shown. One of them is known when it is a combination of these
    equations, that is when projecting on them leaves it as it is.
    """
    hidden, counts, lines = sorted(table.hidden), table.counts or [], table.lines()
    if not hidden or not lines or set(lines[0]) <= table.hidden:  # of a table without a row left nothing can be subtracted
        return set()
    equations = np.array([[row in line for row in hidden] for line in map(set, lines)], dtype=float)
    projected = np.linalg.pinv(equations) @ equations
    exposed = {row for place, row in enumerate(hidden) if projected[place, place] > 1 - 1e-9}
    for line in lines:
        few = table.hidden & set(line)
        if counts and few and len(few) < len(line) and sum(counts[row] for row in few) < SMALLEST_GROUP:
            exposed |= few
    return exposed


def _repeated(tables: Sequence[Groups]) -> Iterator[tuple[Groups, int, Groups, list[int]]]:
    """Hidden rows whose count another table shows for the same group, as one number or as the sum of the group's parts."""
    from pandas.api.types import is_integer_dtype

    for table in tables:
        for row, count in enumerate(table.counts or []):
            if row not in table.hidden:
                continue
            name = table.names[row]
            for other in tables:
                rows = [at for at, names in enumerate(other.names) if other is not table and _is_same(name, names)]
                if not rows or other.hidden & set(rows):
                    continue
                numbers = (other.frame[column].iloc[rows] for column in other.frame if is_integer_dtype(other.frame[column]))
                if any(int(column.sum()) == count for column in numbers if not column.isna().any()):
                    yield table, row, other, rows


def _is_same(name: set[str], other: set[str]) -> bool:
    return bool(name) and bool(other) and (name <= other or other <= name)
