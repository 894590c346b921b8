"""How a file writes text, numbers and dates: the part of a mapping called `profile`.

What is not declared is found out where the file leaves one reading only (`sniff`), and refused where it leaves two.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, fields
from typing import Any
from zoneinfo import ZoneInfo

from .. import periods
from ..errors import RevopsError, UsageError, nearest

# Spreadsheets store days as numbers and do not say from which of two days they count.
SERIALS = {"excel-1900": "1899-12-30", "excel-1904": "1904-01-01"}
_IDS = ("as written", "salesforce")


@dataclass(frozen=True)
class Profile:
    """How a file writes text, numbers and dates; None: not declared. `timezone`: of times without an offset."""

    sep: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    date_format: str | None = None
    datetime_format: str | None = None
    timezone: str | None = None
    ids: str = "as written"
    date_window: tuple[str, str] = ("2000-01-01", "2036-12-31")
    max_columns: int = 500


def read_profile(entry: dict[str, Any], where: str) -> Profile:
    """The profile a mapping declares. Raises UsageError naming the key and what is valid."""
    where = f"{where}, profile"
    names = [field.name for field in fields(Profile)]
    for key, value in entry.items():
        if key not in names:
            raise UsageError(f"unknown key {key!r}", where, nearest(str(key), names))
        if key not in ("date_window", "max_columns") and not isinstance(value, str):
            raise UsageError(f"{key}: {value!r} is not text", where, "put it in quotes")
    given = {**entry, "date_window": _window(entry.get("date_window", Profile.date_window), where)}
    profile = Profile(**given)
    _check(profile, where)
    return profile


def _window(given: Any, where: str) -> tuple[str, str]:
    try:
        first, last = (periods.day(day) for day in given)
        if first > last:
            raise ValueError
    except (RevopsError, TypeError, ValueError) as failure:
        raise UsageError("date_window is not two days", where, "write it like [2000-01-01, 2036-12-31]") from failure
    return first.isoformat(), last.isoformat()


def _check(profile: Profile, where: str) -> None:
    try:
        "".encode(profile.encoding or "utf-8")
    except (LookupError, ValueError) as failure:
        raise UsageError(f"unknown encoding {profile.encoding!r}", where, "such as utf-8, cp1252 or utf-16") from failure
    _check_formats(profile, where)
    if profile.sep is not None and (len(profile.sep) != 1 or profile.sep in '"\r\n'):
        raise UsageError(f"sep {profile.sep!r} is not one character", where, 'such as "," or ";" or "\\t"')
    if profile.decimal not in (None, ".", ",") or profile.thousands not in (None, "", ".", ",", " ", "'"):
        raise UsageError("decimal or thousands is unknown", where, "decimal: . or ,   thousands: . or , or a space or '")
    if profile.decimal is not None and profile.decimal == profile.thousands:
        raise UsageError("decimal and thousands are the same character", where, "they must differ")
    try:
        ZoneInfo(profile.timezone or "UTC")
    except (KeyError, ValueError, OSError) as failure:
        raise UsageError(f"{profile.timezone!r} is not a time zone", where, "write it like Europe/Paris or UTC") from failure
    if profile.ids not in _IDS:
        raise UsageError(f"ids: {profile.ids!r} is unknown", where, nearest(profile.ids, _IDS))
    if isinstance(profile.max_columns, bool) or not isinstance(profile.max_columns, int) or profile.max_columns < 1:
        raise UsageError(f"max_columns {profile.max_columns!r} is not a whole number from 1", where, "such as 500")


def _check_formats(profile: Profile, where: str) -> None:
    """A date format must tell year, month and day, or dates would be read as another day without a word."""
    for key in ("date_format", "datetime_format"):
        name = getattr(profile, key)
        if not name or name in SERIALS:
            continue
        example = dt.datetime(2001, 2, 3)
        try:
            whole = "%z" not in name and dt.datetime.strptime(example.strftime(name), name) == example
        except (ValueError, re.error):  # a directive written twice breaks the pattern strptime makes of it
            whole = False
        if not whole:
            what = f"{key} {name!r} does not give year, month and day once each"
            do = f"write it like %d/%m/%Y %H:%M, or {' or '.join(SERIALS)}; times with an offset need no format"
            raise UsageError(what, where, do)
