"""Values of a plan file, each with the line it stands on: read strictly, told with the line when it cannot be meant."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from .. import sources
from ..errors import nearest

Path = sources.Way
# A decimal or a fraction, of digits that everybody reads alike, and of a size that pay can have.
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?|-?[0-9]{1,9}/0*[1-9][0-9]{0,8}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Reader(sources.Strict):
    """Every method takes the path of a value, the keys and places that lead to it, and says what it means."""

    def __init__(self, values: Mapping[str, Any], lines: Mapping[Path, int], name: str) -> None:
        super().__init__(values, lines, f"plan {name}")
        self.name = name

    def is_none(self, at: Path) -> bool:
        return bool(self.at(at) == "none")

    def keys(self, at: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> None:
        found = self.at(at)
        if not isinstance(found, dict):
            raise self.wrong(at, f"{found!r} stands where {', '.join(needed)} should", "write them as keys, or `none`")
        for key in found:
            if key not in (*needed, *optional):
                raise self.wrong((*at, key), f"unknown key {key!r}", nearest(str(key), [*needed, *optional]))
        for key in needed:
            if key not in found:
                raise self.wrong(at, f"key {key!r} is missing", "a plan states every key, there are no defaults")

    def same(self, at: Path, expected: Any) -> None:
        if self.at(at) != expected:
            raise self.wrong(at, f"{at[-1]} {self.at(at)!r} is not supported", f"write {expected}")

    def places(self, at: Path) -> list[Path]:
        """The paths of the entries of a list that has some."""
        found = self.at(at)
        if not isinstance(found, list) or not found:
            raise self.wrong(at, f"{at[-1]} is {_short(found)}", _undated(found) or "write a list with at least one entry")
        return [(*at, i) for i in range(len(found))]

    def text(self, at: Path) -> str:
        found = self.at(at)
        if not isinstance(found, str) or not found.strip():
            raise self.wrong(at, f"{at[-1]} is {found!r}", "write it as text")
        return found

    def choice(self, at: Path, known: Sequence[str]) -> str:
        found = self.at(at)
        if not isinstance(found, str) or found not in known:
            raise self.wrong(at, f"{_name(at)} {found!r} is not supported", nearest(str(found), list(known)))
        return found

    def flag(self, at: Path) -> bool:
        found = self.at(at)
        if not isinstance(found, bool):
            raise self.wrong(at, f"{at[-1]} is {found!r}", "write true or false")
        return found

    def day(self, at: Path) -> dt.date:
        found = self.at(at)
        if type(found) is dt.date:
            return found
        try:
            return dt.date.fromisoformat(found)
        except (TypeError, ValueError):
            raise self.wrong(at, f"{found!r} is not a day", 'write it like "2026-07-01"') from None

    def number(self, at: Path) -> Fraction:
        found = self.at(at)
        if not isinstance(found, str):
            if isinstance(found, dict | list):
                what = f"{_short(found)} stands where a number should"
                raise self.wrong(at, what, _undated(found) or 'write it like "0.065"')
            raise self.wrong(at, f"{found!r} is a bare number", f'quote it: "{found}"')
        if not _NUMBER.fullmatch(found):
            raise self.wrong(at, f"{_short(found)} is not a number", 'write it like "0.065" or "1/3", with at most 12 decimals')
        return Fraction(found)

    def positive(self, at: Path) -> Fraction:
        found = self.number(at)
        if found < 0:
            raise self.wrong(at, f"{_name(at)} {float(found):g} is below 0", "correct it")
        return found

    def share(self, at: Path) -> Fraction:
        found = self.number(at)
        if not 0 <= found <= 1:
            raise self.wrong(at, f"{_name(at)} {float(found):g} is no share", "write a number from 0 to 1")
        return found

    def whole(self, at: Path, *, least: int = 0) -> int:
        found = self.number(at)
        if found.denominator != 1 or found < least:
            raise self.wrong(at, f"{self.at(at)!r} is no whole number from {least} on", 'write it like "12"')
        return int(found)

    def cents(self, at: Path) -> int:
        cents = self.number(at) * 100
        if cents.denominator != 1 or cents < 0:
            raise self.wrong(at, f"{self.at(at)!r} is no amount", 'write it like "1500.00"')
        return int(cents)


def _short(found: object) -> str:
    """A value as it stands in the file, cut where it is long."""
    told = repr(found)
    return told if len(told) <= 60 else f"{told[:60]}…"


def _undated(found: object) -> str:
    """What to do about values whose days are texts."""
    days = [key for key in found if isinstance(key, str) and _DAY.fullmatch(key)] if isinstance(found, dict) else []
    return f"write the days without quotes: {days[0]}" if days else ""


def _name(at: Path) -> str:
    """The key of a value; of an entry of a list, the list's."""
    return next(str(step) for step in reversed(at) if isinstance(step, str))
