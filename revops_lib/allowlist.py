"""The list of what a run may publish, `playbook/reports.yml`, and what stands where it may not: for runs and for the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .errors import UsageError, nearest

AUDIENCES = ("everyone", "internal")
# What a run publishes in the place of a headline, of a cell, and as the columns of a table that the source cannot support.
TOO_FEW = "Not published: fewer than five people stand behind this number."
NOT_TOLD = "Not published: it is about a group that is hidden below."
FEW, BESIDE = "fewer than five", "not shown"
NOT_AVAILABLE = ["Not available"]
# Every key of an entry, with what it is when it is left out.
_EMPTY: dict[str, Any] = {
    "title": "",
    "tables": [],
    "figures": [],
    "recommendations": False,
    "personal": [],
    "grouped": {},
    "counted": {},
    "audience": AUDIENCES[0],
    "finished": False,
}
_STEM = re.compile(r"[a-z][a-z0-9_]*")


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The entry of each topic, in the order of the file, with every key.

    Raises UsageError for anything that would not be obeyed: a key or an audience that does not exist, a value of another type,
    a rule about a table that is not listed.
    """
    from . import sources

    listed = sources.read_yaml(path)
    for stem, entry in listed.items():
        if not isinstance(stem, str) or not _STEM.fullmatch(stem):
            do = "one word: small letters, digits, underscores"
            raise UsageError(f"{stem!r} is not a notebook's name", str(path), do)
        if not isinstance(entry, dict) or "title" not in entry:
            raise UsageError(f"{stem} has no title", str(path), f"give it: {', '.join(_EMPTY)}")
        _check_types(stem, entry, path)
        _check_names(stem, {**_EMPTY, **entry}, path)
    return {stem: {**_EMPTY, **entry} for stem, entry in listed.items()}


def _check_types(stem: str, entry: dict[str, Any], path: Path) -> None:
    for key, value in entry.items():
        if key not in _EMPTY:
            raise UsageError(f"unknown key {key!r} of {stem}", str(path), nearest(str(key), _EMPTY))
        kind = type(_EMPTY[key])
        if type(value) is not kind or (kind is list and not _are_names(value)):
            raise UsageError(f"{key} of {stem} is not a {kind.__name__}", str(path), "see the other entries")


def _check_names(stem: str, entry: dict[str, Any], path: Path) -> None:
    for key in ("personal", "grouped", "counted"):
        for table in entry[key]:
            if table not in entry["tables"]:
                raise UsageError(f"{key} of {stem} names no table {table!r}", str(path), nearest(str(table), entry["tables"]))
    if not all(isinstance(groups, list) and _are_names(groups) for groups in entry["grouped"].values()):
        raise UsageError(f"grouped of {stem} does not name groups per table", str(path), "write {table: [group]}")
    if not _are_names(entry["counted"].values()):
        raise UsageError(f"counted of {stem} does not name a column per table", str(path), "write {table: column}")
    if entry["audience"] not in AUDIENCES:
        raise UsageError(f"unknown audience {entry['audience']!r} of {stem}", str(path), nearest(entry["audience"], AUDIENCES))


def _are_names(values: Any) -> bool:
    return all(isinstance(value, str) for value in values)
