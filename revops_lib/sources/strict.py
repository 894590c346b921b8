"""Values of a file written by a person, each with the line it stands on: what cannot be meant is refused with that line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import UsageError, nearest

Way = tuple[str | int, ...]  # the keys and places that lead to a value


class Strict:
    """What `read_yaml` and `yaml_lines` say of a file; `where` names it to people."""

    def __init__(self, values: Mapping[str, Any], lines: Mapping[Way, int], where: str) -> None:
        self.values, self.lines, self.where = values, lines, where

    def at(self, at: Way) -> Any:
        found: Any = self.values
        for step in at:
            found = found[step]
        return found

    def keys(self, at: Way, needed: Sequence[str], optional: Sequence[str] = ()) -> None:
        """Refuse what is no mapping, a key that does not exist, with the nearest, and a needed one that is not there."""
        found = self.at(at)
        if not isinstance(found, dict):
            raise self.wrong(at, f"{found!r} stands where {', '.join(needed)} should", "write them as keys")
        for key in found:
            if key not in (*needed, *optional):
                raise self.wrong((*at, key), f"unknown key {key!r}", nearest(str(key), [*needed, *optional]))
        for key in needed:
            if key not in found:
                raise self.wrong(at, f"key {key!r} is missing", f"every key is stated: {', '.join(needed)}")

    def word(self, at: Way, known: Sequence[str], what: str) -> str:
        found = self.at(at)
        if not isinstance(found, str) or found not in known:
            raise self.wrong(at, f"unknown {what} {found!r}", nearest(str(found), known))
        return found

    def wrong(self, at: Way, what: str, do: str) -> UsageError:
        """The error that names the line of a value, or of the nearest above it that has one."""
        while at and at not in self.lines:
            at = at[:-1]
        line = f", line {self.lines[at]}" if at in self.lines else ""
        return UsageError(what, f"{self.where}{line}", do)
