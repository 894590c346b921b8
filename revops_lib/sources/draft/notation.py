"""Numbers and dates of a file that have two readings: which they are, and what each reading makes of an example."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import pandas as pd

from ...errors import DataRefused
from ..cast import cast
from ..profile import SERIALS, Profile
from ..sniff import DATES, NUMBERS, Column, Notation, digits, notations
from .yamltext import shown

_UNCLEAR = r"[1-9]\d{0,2}[.,]\d{3}"
_SERIAL = r"\d{5}(?:[.,]\d+)?"
_TIMES = {r"\d{1,2}:\d{2}": "%H:%M", r"\d{1,2}:\d{2}:\d{2}": "%H:%M:%S", r"\d{1,2}:\d{2} [AaPp][Mm]": "%I:%M %p",
          r"\d{1,2}:\d{2}:\d{2} [AaPp][Mm]": "%I:%M:%S %p"}  # fmt: skip
_DATE = re.compile(r"\d{1,4}([/.-])\d{1,2}\1(\d{2,4})(?:(,?[ T])(.+))?")
Reading = tuple[dict[str, str], str]  # what a profile would say, and what an example is then


def undecided(columns: Sequence[Column], timezone: str) -> tuple[list[list[Reading]], list[str]]:
    """For each question the file leaves open, its possible readings; and what is wrong with columns no reading fits.

    One question is how numbers are written, another how dates are; a column that the file's other columns decide is none.
    """
    columns = [replace(column, text=pd.Series(column.text.dropna().unique(), dtype="str")) for column in columns]
    if _refused(columns, timezone) is None:
        return [], []
    open_ = [(column, failure) for column in columns if (failure := _refusal(column, columns, timezone))]
    questions, broken = [], []
    for kinds, readings_of in ((NUMBERS, _numbers), (DATES, _dates)):
        asked = [(column, failure) for column, failure in open_ if column.kind in kinds]
        readings = list(readings_of([column for column, _ in asked])) if asked else []
        if len(readings) > 1:
            questions.append(readings)
        else:
            broken += [f"{failure.what}; {failure.do}" for _, failure in asked]
    return questions, broken


def profiles(questions: list[list[Reading]]) -> Iterator[Reading]:
    """Every way to answer all questions."""
    for answers in product(*questions):
        yield {key: value for said, _ in answers for key, value in said.items()}, ", ".join(told for _, told in answers)


def _refused(columns: list[Column], timezone: str) -> DataRefused | None:
    try:
        notations(columns, Profile(), timezone, "")
    except DataRefused as failure:
        return failure
    return None


def _refusal(column: Column, columns: list[Column], timezone: str) -> DataRefused | None:
    """Why this column cannot be read as it is, beside the others of its file."""
    # The refusal names the first column it meets: this one stands first, under a name no other has.
    first = replace(column, name=f"{column.name}\0")
    failure = _refused([first, *(other for other in columns if other is not column)], timezone)
    if failure is None or "\0" not in failure.what:
        return None
    return DataRefused(failure.what.replace("\0", ""), failure.where, failure.do)


def _numbers(columns: list[Column]) -> Iterator[Reading]:
    """Both readings of a value such as 1.234: thousands first, since amounts have two decimals."""
    for column in columns:
        unclear = column.text[digits(column.text).str.fullmatch(_UNCLEAR).fillna(False)]
        if len(unclear):
            example, bare = unclear.iloc[0], digits(unclear).iloc[0]
            sign = "." if "." in bare else ","
            for decimal, value in ((".,".replace(sign, ""), bare.replace(sign, "")), (sign, bare.replace(sign, "."))):
                yield {"decimal": decimal}, f"{shown(column.name)} {shown(example)} is {value}"
            return


def _dates(columns: list[Column]) -> Iterator[Reading]:
    """Formats that read every date in question."""
    for said in _formats(columns):
        notation = Notation(formats=tuple(said.values()))
        read = [cast("instant", column.text, notation, "UTC") for column in columns]
        if any(mask.any() for one in read for mask in one.wrong.values()):
            continue
        told = []
        for column, one in zip(columns, read, strict=True):
            example = int(one.values.argmax())
            day = one.values[example]
            told.append(f"{shown(column.name)} {shown(column.text[example])} is {day.day} {day:%B %Y}")
        yield said, ", ".join(told)


def _formats(columns: list[Column]) -> Iterator[dict[str, str]]:
    texts = pd.concat([column.text for column in columns]).str.strip()
    serials = [{"date_format": name} for name in SERIALS] if texts.str.fullmatch(_SERIAL).any() else [{}]
    parts = [match for match in map(_DATE.fullmatch, texts) if match]
    shapes = sorted({(m[1], len(m[2]), m[3] or "", _time(m[4])) for m in parts})
    ordered = []
    for order in ("%d{0}%m{0}{1}", "%m{0}%d{0}{1}") if shapes else ():
        said = {}
        for sep, n_digits, gap, time in shapes:
            date = order.format(sep, "%Y" if n_digits == 4 else "%y")
            said["datetime_format" if time else "date_format"] = f"{date}{gap}{time}"
        ordered.append(said)
    for one, other in product(serials, ordered or [{}]):
        if not set(one) & set(other):
            yield {**one, **other}


def _time(text: str | None) -> str:
    return next((name for pattern, name in _TIMES.items() if text and re.fullmatch(pattern, text)), "")
