"""How the numbers and dates of a file are to be read: as declared, or as the file itself leaves no doubt about.

1.234 may be a thousand or a little more than one, 03/04/2026 may lie in March or April. A column decides by a value that
has one reading only (1.234,56 or 25/12/2026); a column without one follows the other columns of the same file; where nothing
decides, or two values contradict each other, the file is refused and the refusal names what to declare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from .codes import refusal
from .profile import SERIALS, Profile

NUMBERS = ("money", "rate", "share", "integer")
DATES = ("day", "instant")
_SPACES = " \u00a0\u202f\u2009"
_GROUPING = f"{_SPACES}'’"
_DAY_MONTH = r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})"
_TIME = r"(?:,?[ T].*)?"
_SHORT_YEAR = r"[0-9]{1,2}[/. -](?:[0-9]{1,2}|[A-Za-z]{3,9})[/. -][0-9]{2}"
# What can be an amount: words in a column of amounts decide nothing about how the others are written.
_AMOUNT = rf"[-+(\u2212]* *(?:[A-Z]{{0,3}}[€$£¥]?(?:US)?)? *[-+]?[0-9.,{_GROUPING}]+ *(?:[A-Z]{{0,3}}[€$£¥%]?)[)-]?"
_SERIAL = r"[0-9]{5}(?:[.,][0-9]+)?"


@dataclass(frozen=True)
class Notation:
    """How a column is read. `thousands`: every character that may group digits; `day_first`: None where no date needs it."""

    decimal: str = "."
    thousands: str = ""
    formats: tuple[str, ...] = ()
    day_first: bool | None = None
    timezone: str = "UTC"
    date_window: tuple[str, str] = Profile.date_window
    ids: str = "as written"
    is_number: bool = False


@dataclass(frozen=True)
class Column:
    """A column whose text is to be read as `kind`."""

    name: str
    kind: str
    text: pd.Series


def notations(columns: Iterable[Column], profile: Profile, timezone: str, where: str) -> list[Notation]:
    """The notation of every column of one file, in their order. Raises DataRefused where two readings are left."""
    columns = list(columns)
    spellings = [pd.Series(column.text.dropna().unique(), dtype="str").str.strip() for column in columns]
    points = _decided(columns, spellings, NUMBERS, _points)
    orders = _decided(columns, spellings, DATES, _orders)
    plain = Notation(
        formats=tuple(name for name in (profile.date_format, profile.datetime_format) if name),
        timezone=profile.timezone or timezone,
        date_window=profile.date_window,
        ids=profile.ids,
    )
    found = []
    for column, text in zip(columns, spellings, strict=True):
        if column.kind in NUMBERS:
            found.append(_number_notation(column, text, profile, points, where, plain))
        elif column.kind in DATES:
            found.append(_date_notation(column, text, orders, where, plain))
        else:
            found.append(plain)
    return found


def digits(text: pd.Series) -> pd.Series:
    """Numbers without sign, currency and spaces around: what is left tells how they are written."""
    return text.str.replace(rf"[^0-9.,{_GROUPING}]+|^[{_GROUPING}]+|[{_GROUPING}]+$", "", regex=True).str.strip(_GROUPING)


# --- numbers ---------------------------------------------------------------------------------------------------------


def _points(text: pd.Series) -> set[str]:
    """Decimal signs that values of one reading show."""
    text = text[text.str.contains("[.,]", regex=True)]
    plain = text.str.fullmatch(r"-?[0-9]+\.[0-9][0-9]?")
    points = {"."} if plain.any() else set()
    others = text[~plain]
    bare = digits(others[others.str.fullmatch(_AMOUNT)])
    for sign, other in ((".", ","), (",", ".")):
        point, group = f"[{sign}]", f"[{other}{_GROUPING}]"
        shown = (
            rf"(?:0|[0-9]+)?{point}(?:[0-9]{{1,2}}|[0-9]{{4,}})"  # not followed by three digits
            rf"|(?:0|[0-9]{{4,}}){point}[0-9]{{3}}"  # followed by three, but no group can stand before
            rf"|[0-9]{{1,3}}(?:{group}[0-9]{{3}})+{point}[0-9]*"  # after a group of another sign
            rf"|[0-9]{{1,3}}(?:[{other}][0-9]{{3}}){{2,}}"  # the other sign comes twice: it groups
        )
        if bare.str.fullmatch(shown).any():
            points.add(sign)
    return points


def _number_notation(
    column: Column, text: pd.Series, profile: Profile, points: dict[str, set[str]], where: str, plain: Notation
) -> Notation:
    own = {profile.decimal} if profile.decimal else points[column.name]
    if len(own) > 1:
        example = [text[text.str.contains(rf"[{sign}][0-9]{{1,2}}[^0-9]*$", regex=True)].iloc[:1].sum() for sign in ".,"]
        what = f"column {column.name} writes the decimal point and the decimal comma: {example[0]!r} and {example[1]!r}"
        raise refusal("E_AMOUNT_MIXED", what, where, "export it again in one notation")
    if not own:
        unclear = text[digits(text).str.fullmatch(r"[1-9][0-9]{0,2}[.,][0-9]{3}").fillna(False)]
        others = set().union(*points.values())
        if len(unclear) and len(others) != 1:
            what = f"column {column.name}: {unclear.iloc[0]!r} may have thousands or decimals, and no value decides"
            raise refusal(
                "E_AMOUNT_AMBIGUOUS", what, where, 'declare `decimal: "."` or `decimal: ","` in the mapping\'s profile'
            )
        own = others if len(others) == 1 else {"."}
    (decimal,) = own
    if profile.thousands is not None:
        thousands = _GROUPING if profile.thousands in (" ", "'") else profile.thousands
        return replace(plain, decimal=decimal, thousands=thousands, is_number=True)
    return replace(plain, decimal=decimal, thousands=_GROUPING + ("," if decimal == "." else "."), is_number=True)


# --- dates -----------------------------------------------------------------------------------------------------------


def _orders(text: pd.Series) -> set[bool]:
    """Orders that dates of one reading show: True where a day stands first, False where a month does."""
    first, second = _first_two(text)
    shown = set()
    if ((first > 12) & (second <= 12)).any():
        shown.add(True)
    if ((second > 12) & (first <= 12)).any():
        shown.add(False)
    return shown


def _date_notation(column: Column, text: pd.Series, orders: dict[str, set[bool]], where: str, plain: Notation) -> Notation:
    if plain.formats or text.empty:
        return plain
    if text.str.fullmatch(_SERIAL).mean() > 0.5:
        example = text[text.str.fullmatch(_SERIAL)].iloc[0]
        what = f"column {column.name} holds serial numbers of a spreadsheet such as {example!r}"
        do = f"export it as dates, or declare `date_format: {' or '.join(SERIALS)}`"
        raise refusal("E_DATE_SERIAL", what, where, do)
    if text.str.fullmatch(_SHORT_YEAR + _TIME).mean() > 0.5:
        example = text[text.str.fullmatch(_SHORT_YEAR + _TIME)].iloc[0]
        what = f"column {column.name} writes the year with two digits: {example!r}"
        raise refusal("E_DATE_FORMAT", what, where, "export it with four digits, or declare `date_format`")
    own = orders[column.name]
    if len(own) > 1:
        what = f"column {column.name} has dates with the day first and dates with the month first"
        raise refusal("E_DATE_AMBIGUOUS", what, where, "export it again in one format")
    first, second = _first_two(text)
    if not own and (first != second).any():
        own = set().union(*orders.values())
        if len(own) != 1:
            example = text.loc[first.index[(first != second).to_numpy()][0]]
            what = f"column {column.name}: {example!r} may begin with the day or with the month, and no value decides"
            raise refusal("E_DATE_AMBIGUOUS", what, where, "declare `date_format`, such as %d/%m/%Y or %m/%d/%Y")
    return replace(plain, day_first=next(iter(own), True if len(first) else None))


def _first_two(text: pd.Series) -> tuple[pd.Series, pd.Series]:
    """The two numbers before a year of four digits, of the dates that are written so."""
    some = text[text.str.match(_DAY_MONTH)]
    parts = some.str.extract(rf"^{_DAY_MONTH}{_TIME}$").dropna()
    first, second = parts[0].astype(int), parts[1].astype(int)
    # A day that no calendar has, in either order, decides nothing.
    orders = [
        parts[2] + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)
        for day, month in ((parts[0], parts[1]), (parts[1], parts[0]))
    ]
    exists = (
        pd.concat([pd.to_datetime(order, format="%Y-%m-%d", errors="coerce") for order in orders], axis=1).notna().any(axis=1)
    )
    return first[exists], second[exists]


def _decided(
    columns: list[Column], spellings: list[pd.Series], kinds: tuple[str, ...], shown: Callable[[pd.Series], set[Any]]
) -> dict[str, set[Any]]:
    """What each column of some kinds shows by itself, by name."""
    pairs = zip(columns, spellings, strict=True)
    return {column.name: shown(text) for column, text in pairs if column.kind in kinds}
