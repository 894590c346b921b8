"""The files a mapping is drafted from, every one of their tables read whole as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ...errors import DataRefused, RevopsError, UsageError
from ..members import Member, contents, locate
from ..profile import Profile
from ..records import Records
from .knowledge import folded


@dataclass(frozen=True, eq=False)
class Source:
    """One table of the export. Positions count the columns of `header` from 0."""

    member: Member
    records: Records
    _distinct: dict[int, pd.Series] = field(default_factory=dict)

    @property
    def header(self) -> list[str]:
        return self.records.header

    @cached_property
    def usable(self) -> list[int]:
        """Columns that a mapping can name: they have a name, and no other column has the same."""
        times = Counter(self.header)
        return [i for i, name in enumerate(self.header) if name.strip() and times[name] == 1]

    def text(self, position: int) -> pd.Series:
        return self.records.cells[position]

    def distinct(self, position: int) -> pd.Series:
        """What the column holds, each spelling once, in the order of the file."""
        if position not in self._distinct:
            self._distinct[position] = pd.Series(self.text(position).dropna().unique(), dtype="str")
        return self._distinct[position]

    def position(self, spelling: str) -> int | None:
        """The one usable column of this name, as an import would find it; None when there is none, or more than one."""
        if spelling in self._named:
            return self._named[spelling]
        found = self._folded.get(folded(spelling), [])
        return found[0] if len(found) == 1 and self.header[found[0]] in self._named else None

    def without(self, skip: dict[str, frozenset[str]]) -> Source:
        """The same without the rows that a mapping's `skip` leaves out."""
        skipped = np.zeros(len(self.records.lines), dtype=bool)
        for name, values in skip.items():
            place = self.position(name)
            if place is not None:
                skipped |= self.text(place).fillna("").map(folded).isin(values).to_numpy()
        if not skipped.any():
            return self
        cells = {i: text[~skipped].reset_index(drop=True) for i, text in self.records.cells.items()}
        return Source(self.member, replace(self.records, cells=cells, lines=self.records.lines[~skipped]))

    @cached_property
    def _named(self) -> dict[str, int]:
        return {self.header[i]: i for i in self.usable}

    @cached_property
    def _folded(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for i, name in enumerate(self.header):
            places.setdefault(folded(name), []).append(i)
        return places


def read(files: Sequence[Path], wanted: Iterable[str]) -> tuple[Path, list[Source], list[str]]:
    """The folder of the export, its tables, and a sentence for each file that could not be read.

    A folder stands for its files, a workbook for its sheets, a database for its tables; `wanted` are the folded column names by
    which the separator of a file is found. Raises UsageError when nothing is named, a name does not exist or they lie in
    several folders; DataRefused when no table can be read, or a file named by itself cannot.
    """
    given = [Path(file) for file in files]
    if not given:
        raise UsageError("no file is named", "mapping draft", "name the files or the folder of the export")
    for path in given:
        if not path.exists():
            raise UsageError("the file does not exist", str(path), "correct the path")
    folders = {path.resolve() if path.is_dir() else path.resolve().parent for path in given}
    if len(folders) > 1:
        listed = ", ".join(sorted(folder.name for folder in folders))
        raise UsageError(f"the files lie in several folders: {listed}", "mapping draft", "put the export into one folder")
    wanted = set(wanted)
    sources: list[Source] = []
    unread: list[str] = []
    for member, is_named in _members(given, unread):
        try:
            sources.append(Source(member, _records(member, wanted)))
        except RevopsError as failure:
            if is_named:
                raise
            unread.append(f"{member.name}: {failure.what}")
    if not sources:
        what = f"nothing can be read; {unread[0]}" if unread else "there is no file that can be read"
        raise DataRefused(what, str(given[0]), "name the files or the folder of the export")
    return folders.pop(), sources, unread


def _members(given: list[Path], unread: list[str]) -> list[tuple[Member, bool]]:
    """Every table once, and whether its file was named by itself."""
    found: dict[tuple[Path, str | None], tuple[Member, bool]] = {}
    for path in given:
        is_named = path.is_file()
        for file in [path] if is_named else sorted(path / name for name in contents(path) if not name.startswith(".")):
            try:
                inner: list[str | None] = [*sorted(contents(file))] if _holds_tables(file) else [None]
            except RevopsError as failure:
                if is_named:
                    raise
                unread.append(f"{file.name}: {failure.what}")
                continue
            for one in inner:
                # An empty sheet beside the one that counts is no reason to refuse a workbook.
                alone = is_named and len(inner) == 1
                found.setdefault((file.resolve(), one), (Member(file, one), alone))
    return list(found.values())


def _holds_tables(file: Path) -> bool:
    """Whether it is a workbook or a database: only in those a table can be looked for."""
    try:
        locate(file, [file.name])
    except UsageError:
        return False
    return True


def _records(member: Member, wanted: set[str]) -> Records:
    def every(header: list[str]) -> Sequence[int]:
        return range(len(header))

    return member.records(Profile(), every, wanted)
