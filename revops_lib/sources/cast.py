"""Text to canonical types, a column at a time. What cannot be read becomes missing and is reported with a code.

Nothing is guessed: numbers and dates are read in the notation of their column (`sniff`). One more spelling of time is
understood everywhere, ISO 8601, which has one meaning; so have milliseconds since 1970.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.compute

from .. import money
from ..tables import DTYPES
from .codes import MAX_AMOUNT
from .mapping import fold
from .profile import SERIALS
from .sniff import Notation

_TRUE = {"true", "t", "yes", "y", "1", "1.0", "x", "oui", "vrai", "ja", "wahr", "si", "sí"}
_FALSE = {"false", "f", "no", "n", "0", "0.0", "non", "faux", "nein", "falsch"}
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
_OFFSET = " ?(?:Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)"
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
           "december")  # fmt: skip
_EXAMPLE = pd.Timestamp("2026-12-25 23:59:58")
_CURRENCY = r"[A-Z]{3}|(?:[A-Z]{1,2})?[€$£¥](?:US)?"
# How each of the three last characters of an 18-character id is written.
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


@dataclass
class Cast:
    """A column in its canonical type, and per code the rows whose text could not be read (`wrong`) or is remarked on."""

    values: pd.Series
    wrong: dict[str, np.ndarray] = field(default_factory=dict)
    noted: dict[str, np.ndarray] = field(default_factory=dict)


def cast(
    kind: str, text: pd.Series, notation: Notation, timezone: str, choices: Iterable[str] = (), percent: bool = False
) -> Cast:
    """A text column (index 0..n-1) as the canonical `kind`; missing stays missing. Every spelling is read once.

    `timezone` is the company's: it says what a day is. `choices` are the valid words of a choice, or the valid currencies.
    A share is written 0.6 or 60 %; `percent` says that it is written 60.
    """
    if kind == "id" and notation.ids != "salesforce":
        return Cast(text)
    if kind == "text":
        return Cast(text)
    codes, unique = pd.factorize(text)
    spellings = pd.Series(unique, dtype="str")
    if kind == "id":
        read = Cast(salesforce_ids(spellings))
    elif kind == "money":
        read = _money(spellings, notation)
    elif kind in ("day", "instant"):
        read = _moment(kind, spellings, notation, timezone)
    elif kind == "month":
        read = _month(spellings, notation, timezone)
    elif kind in ("integer", "share", "rate"):
        read = _number(kind, spellings, notation, percent)
    elif kind == "bool":
        words = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
        read = _known(spellings.str.strip().str.lower().map(words).astype("boolean"))
    elif kind == "choice":
        names = {fold(choice): choice for choice in choices}
        read = _known(spellings.map(fold).map(names).astype("str"))
    elif kind == "currency":
        read = _known(spellings.where(spellings.isin(choices or money.CURRENCIES)), "E_CURRENCY_UNKNOWN")
    else:
        read = _known(spellings.where(_is(spellings, "[0-9]{4}Q[1-4]")))
    canonical: Any = DTYPES[kind]
    values = read.values.astype(canonical).reindex(codes).reset_index(drop=True)
    return Cast(values, _spread(read.wrong, codes), _spread(read.noted, codes))


def salesforce_ids(text: pd.Series) -> pd.Series:
    """Ids of 15 characters as their 18-character form, in which upper and lower case no longer decide; others as written.

    The three last characters say which of the five before each are capitals.

    >>> salesforce_ids(pd.Series(["0067E0000028LZP", "0067E0000028LZPQA2", "D-1"])).tolist()
    ['0067E0000028LZPQA2', '0067E0000028LZPQA2', 'D-1']
    """
    short = _is(text, "[a-zA-Z0-9]{15}")
    return text.where(~short, text.where(short).map(_with_suffix, na_action="ignore")).astype("str")


def _with_suffix(short: str) -> str:
    capitals = [[one.isupper() for one in short[i : i + 5]] for i in (0, 5, 10)]
    return short + "".join(_CHECK[sum(1 << i for i, capital in enumerate(part) if capital)] for part in capitals)


def currency_written(text: pd.Series) -> pd.Series:
    """The currency sign or code written into amounts; missing where there is none."""
    return text.str.extract(f"({_CURRENCY})", expand=False)


def _spread(masks: dict[str, np.ndarray], codes: np.ndarray) -> dict[str, np.ndarray]:
    """Masks over spellings as masks over rows; codes that touch no row are left out."""
    here, found = codes >= 0, {}
    for code, mask in masks.items():
        if mask.any():
            found[code] = np.zeros(len(codes), dtype=bool)
            found[code][here] = mask[codes[here]]
    return found


def _known(values: pd.Series, code: str = "E_VALUE_FORMAT") -> Cast:
    return Cast(values, {code: values.isna().to_numpy()})


def _money(text: pd.Series, notation: Notation) -> Cast:
    """Exact amounts of at most two decimals; a third decimal is refused, because rounding it would be a guess."""
    plain = _plain(text, notation, around=_CURRENCY)
    wrong = plain.isna() | _is(plain, r"-?[0-9]+\.[0-9]{3,}")
    big = ~wrong & _is(plain, r"-?[0-9]{14,}(?:\.[0-9]+)?")
    values = _exact(plain.where(~wrong & ~big), money.DTYPE)
    big |= (values.abs() > MAX_AMOUNT).fillna(False).astype(bool)
    return Cast(values.where(~big), {"E_AMOUNT_FORMAT": wrong.to_numpy(), "E_AMOUNT_RANGE": big.to_numpy()})


def _exact(plain: pd.Series, dtype: Any) -> pd.Series:
    return pd.Series(pyarrow.compute.cast(pyarrow.array(plain, from_pandas=True), dtype.pyarrow_dtype), dtype=dtype)


def _number(kind: str, text: pd.Series, notation: Notation, percent: bool) -> Cast:
    per_hundred = text.str.contains("%", regex=False).fillna(False).astype(bool) | percent
    plain = _plain(text, notation, around="%")
    if kind == "integer":
        whole = plain.where(_is(plain, "-?[0-9]{1,15}") & ~per_hundred)
        return _known(pd.to_numeric(whole).astype("Int64"))
    if kind == "rate":
        return _known(_exact(plain.where(_is(plain, r"(?!0+$)[0-9]{1,9}(?:\.[0-9]{1,8})?") & ~per_hundred), money.RATE))
    values = pd.to_numeric(plain).astype("float64")
    values = values.where(~per_hundred, values / 100)
    return _known(values.where(values.between(0, 1)))


def _plain(text: pd.Series, notation: Notation, around: str = "") -> pd.Series:
    """Numbers as digits with a point and a leading minus, without superfluous zeros; missing where it is no number.

    A negative is written -5, 5- or (5). `around`: what may stand before or after the number.
    """
    point = re.escape(notation.decimal)
    group = f"[{re.escape(notation.thousands)}]" if notation.thousands else ""
    whole = f"(?:[0-9]+|[0-9]{{1,3}}(?:{group}[0-9]{{3}})+)" if group else "[0-9]+"
    number = f"(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)"
    text = text.str.strip()
    if notation.decimal == "." and _is(text, r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]?[1-9])?").all():
        return text
    if around:
        sign, bracket = r"[-+\u2212]?", r"\(?"
        text = text.str.replace(rf"^({sign}{bracket})\s*(?:{around})\s*({sign})(?=[0-9.,(])", r"\1\2", regex=True)
        text = text.str.replace(rf"(?<=[0-9.,\-)])\s*(?:{around})(\)?)$", r"\1", regex=True)
    text = text.str.replace("\u2212", "-", regex=False)
    text = text.where(_is(text, rf"[-+]?{number}|\({number}\)|{number}(?<=[0-9])-"))
    negative = text.str.contains(r"[-(]", regex=True).fillna(False).astype(bool)
    digits = text.str.replace(r"[-+()]", "", regex=True)
    if group:
        digits = digits.str.replace(group, "", regex=True)
    digits = digits.str.replace(",", ".", regex=False)
    for superfluous, kept in ((r"^0+([0-9])", r"\1"), (r"^\.", "0."), (r"(\.[0-9]*?)0+$", r"\1"), (r"\.$", "")):
        digits = digits.str.replace(superfluous, kept, regex=True)
    return digits.where(~negative, "-" + digits)


def _month(text: pd.Series, notation: Notation, timezone: str) -> Cast:
    """A month as its first day; a whole date is that day."""
    return _moment("day", text.str.strip().str.replace(r"^(\d{4}-\d{2})$", r"\1-01", regex=True), notation, timezone)


def _moment(kind: str, text: pd.Series, notation: Notation, timezone: str) -> Cast:
    """Local days, or instants in UTC. Without an offset a time is local in the file's time zone.

    A day written without a time is that day, and begins at the company's midnight; a timestamp lies in the day it has in the
    company's time zone.
    """
    text = text.str.strip()
    local, timed = _local(text, notation)
    offset = _instants(text.where(local.isna()))
    first, last = (pd.Timestamp(day) for day in notation.date_window)
    elsewhere = notation.timezone != timezone
    if kind == "day" and elsewhere:  # midnight in a file of days is no time of day
        timed &= local != local.dt.normalize()
    hours, days = local.where(timed), local.where(~timed)
    twice = np.ones(len(text), dtype=bool)  # an hour that comes twice: take the first
    certain = hours.dt.tz_localize(notation.timezone, ambiguous="NaT", nonexistent="NaT")
    existing = hours.dt.tz_localize(notation.timezone, ambiguous=twice, nonexistent="NaT")
    wall = days.fillna(_wall(offset, timezone)).fillna(_wall(_utc(existing), timezone) if elsewhere else hours)
    wall = wall.fillna(hours)
    outside = wall.notna() & ~wall.dt.normalize().between(first, last)
    wrong = {"E_DATE_FORMAT": wall.isna().to_numpy(), "E_DATE_RANGE": outside.to_numpy()}
    if kind == "day":
        noted = {"W_DATE_FROM_TIMESTAMP": (offset.notna() | (hours.notna() & elsewhere)).to_numpy()}
        return Cast(wall.dt.normalize().where(~outside), wrong, noted)
    wrong["E_TIME_NONEXISTENT"] = (hours.notna() & ~outside & existing.isna()).to_numpy()
    wrong["E_TIME_AMBIGUOUS"] = (existing.notna() & ~outside & certain.isna()).to_numpy()
    start = _utc(days.dt.tz_localize(timezone, ambiguous=twice, nonexistent="shift_forward"))
    return Cast(_utc(certain).fillna(start).fillna(offset).where(~outside), wrong)


def _utc(aware: pd.Series) -> pd.Series:
    return aware.dt.tz_convert("UTC").dt.tz_localize(None)


def _wall(instants: pd.Series, timezone: str) -> pd.Series:
    return instants.dt.tz_localize("UTC").dt.tz_convert(timezone).dt.tz_localize(None)


def _local(text: pd.Series, notation: Notation) -> tuple[pd.Series, pd.Series]:
    """Local times without offset, and which of them have a time of day: declared formats first, then ISO 8601."""
    local = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
    timed = pd.Series(False, index=text.index)
    serials = [name for name in notation.formats if name in SERIALS]
    formats = [name for name in notation.formats if name not in SERIALS]
    readings = [(text, name, "%H" in name or "%I" in name) for name in formats]
    # A declared year-first order other than year-month-day makes ISO 8601 a second reading: then it is not tried.
    if all(name.startswith("%Y-%m-%d") or not name.startswith("%Y-") for name in formats):
        spelled = text if notation.formats else _iso(text, notation.day_first)
        readings += [
            (spelled.where(_is(spelled, _DAY)), "%Y-%m-%d", False),
            (_microseconds(spelled, _DAY + _TIME), "ISO8601", True),
        ]
    for spelled, name, has_time in readings:
        if re.search("%[a-zA-Z]%[a-zA-Z]", name):  # without separators a digit less is another day
            spelled = spelled.where(spelled.str.len() == len(_EXAMPLE.strftime(name)))
        read = pd.to_datetime(spelled.where(local.isna()), format=name, errors="coerce").astype("datetime64[us]")
        timed |= read.notna() & has_time
        local = local.fillna(read)
    for name in serials:
        numbers = text.where(local.isna() & _is(text, r"[0-9]{1,6}(?:[.,][0-9]+)?")).str.replace(",", ".", regex=False)
        days = pd.to_numeric(numbers)
        read = (pd.Timestamp(SERIALS[name]) + pd.to_timedelta(days, unit="D")).dt.round("s").astype("datetime64[us]")
        timed |= read.notna() & (days % 1 != 0)
        local = local.fillna(read)
    return local, timed


def _iso(text: pd.Series, day_first: bool | None) -> pd.Series:
    """Dates in other unambiguous spellings rewritten as ISO 8601, the time behind them left as it is; others as they are."""
    orders = [
        r"(?P<y>\d{4})[/.](?P<m>\d{1,2})[/.](?P<d>\d{1,2})",
        r"(?P<d>\d{1,2})[ -](?P<m>[A-Za-z]{3,9})\.?[ -](?P<y>\d{4})",
        r"(?P<m>[A-Za-z]{3,9})\.? (?P<d>\d{1,2}),? (?P<y>\d{4})",
    ]
    if day_first is not None:
        first, second = ("d", "m") if day_first else ("m", "d")
        orders.append(rf"(?P<{first}>\d{{1,2}})[/.-](?P<{second}>\d{{1,2}})[/.-](?P<y>\d{{4}})")
    other = ~_is(text, f"{_DAY}.*")
    if not other.any():
        return text
    spelled = text.copy()
    for order in orders:
        parts = text[other].str.extract(rf"^{order}(?P<time>(?:,?[ T].*)?)$").dropna()
        if len(parts):
            month = parts["m"].where(_is(parts["m"], r"\d+"), parts["m"].str.lower().map(_month_number))
            date = parts["y"] + "-" + month.str.zfill(2) + "-" + parts["d"].str.zfill(2)
            spelled.loc[parts.index] = date + _clock(parts["time"])
    return spelled


def _month_number(name: str) -> str:
    found = [
        number for number, month in enumerate(_MONTHS, start=1) if name in (month, month[:3], month[:4] if number == 9 else "")
    ]
    return str(found[0]) if found else "0"


def _clock(time: pd.Series) -> pd.Series:
    """Times of day in 24 hours."""
    time = time.str.lstrip(",")
    parts = time.str.extract(r"^[ T](0?[1-9]|1[0-2])((?::\d{2}){1,2}) ?([AaPp])\.?[Mm]\.?$").dropna()
    if parts.empty:
        return time
    hour = parts[0].astype(int) % 12 + 12 * (parts[2].str.lower() == "p")
    time = time.copy()
    time.loc[parts.index] = " " + hour.astype("str").str.zfill(2) + parts[1]
    return time


def _instants(text: pd.Series) -> pd.Series:
    """ISO 8601 times that carry their offset, and milliseconds since 1970, as UTC."""
    spelled = _microseconds(text, _DAY + _TIME + _OFFSET).str.replace(r" ?(?:UTC|GMT|Z)$", "+00:00", regex=True)
    spelled = spelled.str.replace(r" ([+-])", r"\1", regex=True)
    read = pd.to_datetime(spelled, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None).astype("datetime64[us]")
    epoch = pd.to_numeric(text.where(_is(text, "[0-9]{13}"))).astype("Int64")
    return read.fillna(pd.to_datetime(epoch, unit="ms", errors="coerce").astype("datetime64[us]"))


def _microseconds(text: pd.Series, pattern: str) -> pd.Series:
    """The text that matches with two digits of hours, cut to microseconds: finer digits are beyond what a table holds."""
    matching = text.where(_is(text, pattern))
    unusual = matching.str.contains(r"[T ][0-9]:|[.,][0-9]").fillna(False).astype(bool)
    if not unusual.any():
        return matching
    some = matching[unusual].str.replace(r"([T ])([0-9]:)", r"\g<1>0\2", regex=True).str.replace(",", ".", regex=False)
    return matching.where(~unusual, some.str.replace(r"(\.[0-9]{6})[0-9]+", r"\1", regex=True).reindex(matching.index))


def _is(text: pd.Series, pattern: str) -> pd.Series:
    return text.str.fullmatch(pattern).fillna(False).astype(bool)
