"""Text to canonical types, a column at a time. What cannot be read becomes missing and is reported with a code.

Nothing is guessed: numbers and dates are read as the profile declares them. Only one more spelling of time is
understood, ISO 8601, which has one meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.compute

from .. import money
from ..tables import DTYPES
from .mapping import Profile, fold

MAX_AMOUNT = 10**12
_TRUE = {"true", "t", "yes", "y", "1"}
_FALSE = {"false", "f", "no", "n", "0"}
# What a declared thousands separator looks like in files: exports use three kinds of space and two apostrophes.
_GROUPING = {"": "", " ": "[ \u00a0\u202f]", ".": r"\.", ",": ",", "'": "['’]"}
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
_OFFSET = " ?(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)"


@dataclass
class Cast:
    """A column in its canonical type, and per code the rows whose text could not be read."""

    values: pd.Series
    wrong: dict[str, np.ndarray] = field(default_factory=dict)


def cast(kind: str, text: pd.Series, profile: Profile, timezone: str, choices: Iterable[str] = ()) -> Cast:
    """A text column (index 0..n-1) as the canonical `kind`; missing stays missing. Every spelling is read once."""
    if kind in ("id", "text"):
        return Cast(text)
    codes, unique = pd.factorize(text)
    spellings = pd.Series(unique, dtype="str")
    if kind == "money":
        read = _money(spellings, profile)
    elif kind in ("day", "instant"):
        read = _moment(kind, spellings, profile, timezone)
    elif kind in ("integer", "share"):
        read = _number(kind, spellings, profile)
    elif kind == "bool":
        words = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
        read = _known(spellings.str.strip().str.lower().map(words).astype("boolean"))
    elif kind == "choice":
        names = {fold(choice): choice for choice in choices}
        read = _known(spellings.map(fold).map(names).astype("str"))
    elif kind == "currency":
        read = _known(spellings.where(_is(spellings, "[A-Z]{3}")), "E_CURRENCY_UNKNOWN")
    else:
        read = _known(spellings.where(_is(spellings, "[0-9]{4}Q[1-4]")))
    canonical: Any = DTYPES[kind]
    values = read.values.astype(canonical).reindex(codes).reset_index(drop=True)
    here = codes >= 0
    wrong = {}
    for code, mask in read.wrong.items():
        if mask.any():
            rows = np.zeros(len(codes), dtype=bool)
            rows[here] = mask[codes[here]]
            wrong[code] = rows
    return Cast(values, wrong)


def _known(values: pd.Series, code: str = "E_VALUE_FORMAT") -> Cast:
    return Cast(values, {code: values.isna().to_numpy()})


def _money(text: pd.Series, profile: Profile) -> Cast:
    """Exact amounts of at most two decimals; a third decimal is refused, because rounding it would be a guess."""
    plain = _plain(text, profile)
    wrong = plain.isna() | _is(plain, r"-?[0-9]+\.[0-9]{3,}")
    big = ~wrong & _is(plain, r"-?[0-9]{14,}(?:\.[0-9]+)?")
    exact = pyarrow.compute.cast(pyarrow.array(plain.where(~wrong & ~big), from_pandas=True), money.DTYPE.pyarrow_dtype)
    values = pd.Series(exact, dtype=money.DTYPE)
    big |= (values.abs() > MAX_AMOUNT).fillna(False).astype(bool)
    return Cast(values.where(~big), {"E_AMOUNT_FORMAT": wrong.to_numpy(), "E_AMOUNT_RANGE": big.to_numpy()})


def _number(kind: str, text: pd.Series, profile: Profile) -> Cast:
    plain = _plain(text, profile)
    if kind == "integer":
        whole = plain.where(_is(plain, "-?[0-9]{1,15}"))
        return _known(pd.to_numeric(whole).astype("Int64"))
    values = pd.to_numeric(plain).astype("float64")
    return _known(values.where(values.between(0, 1)))


def _plain(text: pd.Series, profile: Profile) -> pd.Series:
    """Numbers as digits with a point and a leading minus, without superfluous zeros; missing where it is no number.

    A negative is written -5, 5- or (5).
    """
    point, group = ("," if profile.decimal == "," else r"\."), _GROUPING[profile.thousands]
    whole = f"(?:[0-9]+|[0-9]{{1,3}}(?:{group}[0-9]{{3}})+)" if group else "[0-9]+"
    number = f"(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)"
    text = text.str.strip()
    text = text.where(_is(text, rf"[-+]?{number}|\({number}\)|{number}-"))
    negative = text.str.contains(r"[-(]", regex=True).fillna(False).astype(bool)
    digits = text.str.replace(r"[-+()]", "", regex=True)
    if group:
        digits = digits.str.replace(group, "", regex=True)
    digits = digits.str.replace(",", ".", regex=False)
    for superfluous, kept in ((r"^0+([0-9])", r"\1"), (r"^\.", "0."), (r"(\.[0-9]*?)0+$", r"\1"), (r"\.$", "")):
        digits = digits.str.replace(superfluous, kept, regex=True)
    return digits.where(~negative, "-" + digits)


def _moment(kind: str, text: pd.Series, profile: Profile, timezone: str) -> Cast:
    """Local days, or instants in UTC. Without an offset a time is local in `timezone`; a day begins at midnight."""
    text = text.str.strip()
    local, timed = _local(text, profile)
    offset = _instants(text.where(local.isna()))
    first, last = (pd.Timestamp(day) for day in profile.date_window)
    wall = local.fillna(offset.dt.tz_localize("UTC").dt.tz_convert(timezone).dt.tz_localize(None))
    unread = wall.isna()
    outside = ~unread & ~wall.dt.normalize().between(first, last)
    wrong = {"E_DATE_FORMAT": unread.to_numpy(), "E_DATE_RANGE": outside.to_numpy()}
    if kind == "day":
        return Cast(wall.dt.normalize().where(~outside), wrong)
    local = local.where(~outside)
    hours, days = local.where(timed), local.where(~timed)
    certain = hours.dt.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT")
    twice = np.ones(len(text), dtype=bool)  # an hour that comes twice: take the first
    existing = hours.dt.tz_localize(timezone, ambiguous=twice, nonexistent="NaT")
    start = days.dt.tz_localize(timezone, ambiguous=twice, nonexistent="shift_forward")
    wrong["E_TIME_NONEXISTENT"] = (hours.notna() & existing.isna()).to_numpy()
    wrong["E_TIME_AMBIGUOUS"] = (existing.notna() & certain.isna()).to_numpy()
    instants = certain.fillna(start).dt.tz_convert("UTC").dt.tz_localize(None)
    return Cast(instants.fillna(offset.where(~outside)), wrong)


def _local(text: pd.Series, profile: Profile) -> tuple[pd.Series, pd.Series]:
    """Local times without offset, and which of them have a time of day: declared formats first, then ISO 8601."""
    local = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
    timed = pd.Series(False, index=text.index)
    formats = [name for name in (profile.date_format, profile.datetime_format) if name]
    readings = [(text, name, "%H" in name or "%I" in name) for name in formats]
    # A declared year-first order other than year-month-day makes ISO 8601 a second reading: then it is not tried.
    if all(name.startswith("%Y-%m-%d") or not name.startswith("%Y-") for name in formats):
        readings += [
            (text.where(_is(text, _DAY)), "%Y-%m-%d", False),
            (_microseconds(text, _DAY + _TIME), "ISO8601", True),
        ]
    for spelled, name, has_time in readings:
        read = pd.to_datetime(spelled.where(local.isna()), format=name, errors="coerce").astype("datetime64[us]")
        timed |= read.notna() & has_time
        local = local.fillna(read)
    return local, timed


def _instants(text: pd.Series) -> pd.Series:
    """ISO 8601 times that carry their offset, as UTC."""
    spelled = _microseconds(text, _DAY + _TIME + _OFFSET).str.replace(r" ?(?:UTC|Z)$", "+00:00", regex=True)
    spelled = spelled.str.replace(r" ([+-])", r"\1", regex=True)
    read = pd.to_datetime(spelled, format="ISO8601", errors="coerce", utc=True)
    return read.dt.tz_localize(None).astype("datetime64[us]")


def _microseconds(text: pd.Series, pattern: str) -> pd.Series:
    """The text that matches, cut to microseconds: finer digits are beyond what a table holds."""
    return text.where(_is(text, pattern)).str.replace(r"(\.[0-9]{6})[0-9]+", r"\1", regex=True)


def _is(text: pd.Series, pattern: str) -> pd.Series:
    return text.str.fullmatch(pattern).fillna(False).astype(bool)
