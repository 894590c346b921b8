"""A mapping file: which column of an export feeds which canonical column. Edited by an analyst, no code.

`read_mapping` refuses everything it does not understand and names the nearest valid word, so that a typing error never
becomes an empty column.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from .. import periods, tables
from ..errors import DataRefused, RevopsError, UsageError, nearest
from .config import read_yaml

_TOP = ("name", "currency", "timezone", "fiscal_year_end", "profile", "stages", "tables")
_TABLE = ("file", "columns", "values", "constants", "extra", "profile")
_STAGE = ("stage", "position", "status", "probability")
# Required columns that can follow from others: the status from the stage, the order of changes from the file.
_DERIVED = {("opportunities", "status"): "stage", ("opportunity_history", "change_no"): "changed_at"}
_PREFIX = re.compile(r"^(?:properties__|property_)")


@dataclass(frozen=True)
class Profile:
    """How a file writes text, numbers and dates."""

    sep: str = ","
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str = ""
    date_format: str = "%Y-%m-%d"
    datetime_format: str = ""
    date_window: tuple[str, str] = ("2000-01-01", "2036-12-31")


@dataclass(frozen=True)
class TableMapping:
    """How one canonical table is filled from one file. `columns`: canonical column -> spellings in the source."""

    table: str
    file: str
    columns: dict[str, tuple[str, ...]]
    values: dict[str, dict[str, str]]
    constants: dict[str, str]
    extra: tuple[str, ...]
    profile: Profile


@dataclass(frozen=True)
class Mapping:
    path: Path
    name: str
    currency: str
    timezone: str
    fiscal_year_end: str
    stages: list[dict[str, Any]]
    tables: tuple[TableMapping, ...]


def read_mapping(path: Path) -> Mapping:
    """The mapping a YAML file holds. Raises UsageError naming the file, the key and the nearest valid names."""
    path = Path(path)
    content = read_yaml(path)
    _only(content, _TOP, str(path), required=("name", "currency", "timezone", "fiscal_year_end", "tables"))
    for key in ("name", "currency", "timezone", "fiscal_year_end"):
        _text(content[key], f"{path}, {key}")
    _check_company(content, path)
    profile = content.get("profile") or {}
    mapped = [
        _table_mapping(path, name, entry, profile, content["currency"])
        for name, entry in _mapping(content["tables"], f"{path}, tables").items()
    ]
    if not mapped:
        raise UsageError("no table is mapped", f"{path}, tables", nearest("", tables.TABLES))
    names = {entry.table for entry in mapped}
    stages = _stages(content.get("stages") or [], path)
    if "opportunities" in names and not stages and "stages" not in names:
        raise UsageError("the stages of the sales process are missing", f"{path}, stages", "list stage, position, status")
    if stages and "stages" in names:
        raise UsageError("stages are given twice", f"{path}, stages and tables.stages", "keep one of them")
    return Mapping(
        path,
        content["name"],
        content["currency"],
        content["timezone"],
        content["fiscal_year_end"],
        stages,
        tuple(mapped),
    )


def find_column(header: Sequence[str], spellings: Iterable[str], file: str) -> int:
    """Position of the column written like one of `spellings`, the first of them that is there.

    Names match exactly, or else after lower-casing and dropping spaces, underscores and loader prefixes. Raises
    DataRefused when no column or more than one matches.
    """
    spellings = tuple(spellings)
    for spelling in spellings:
        exact = [i for i, name in enumerate(header) if name == spelling]
        found = exact or [i for i, name in enumerate(header) if fold(name) == fold(spelling)]
        if len(found) > 1:
            both = ", ".join(f"{header[i]} (column {i + 1})" for i in found)
            raise DataRefused(f"column {spelling} is there more than once: {both}", file, "rename one in the export")
        if found:
            return found[0]
    shown = ", ".join(header[:20]) + (f" and {len(header) - 20} more" if len(header) > 20 else "")
    raise DataRefused(
        f"column {spellings[0]} not found; looked for {' or '.join(spellings)}; present: {shown[:500]}",
        f"{file}, header line",
        "correct `columns` or `sep` in the mapping, or export again with the header",
    )


def fold(name: str) -> str:
    """A name as it is compared: lower case, without spaces, underscores and loader prefixes.

    >>> fold("Close Date"), fold("property_close_date"), fold("properties__closedate")
    ('closedate', 'closedate', 'closedate')
    """
    return re.sub(r"[\s_]", "", _PREFIX.sub("", name.strip().lower()))


def _check_company(content: dict[str, Any], path: Path) -> None:
    if not re.fullmatch("[A-Z]{3}", content["currency"]):
        raise UsageError(f"{content['currency']!r} is not a currency code", f"{path}, currency", "write it like EUR")
    try:
        ZoneInfo(content["timezone"])
    except (KeyError, ValueError, OSError) as failure:
        where = f"{path}, timezone"
        raise UsageError(f"{content['timezone']!r} is not a time zone", where, "write it like Europe/Paris") from failure
    if content["fiscal_year_end"] not in periods.MONTHS:
        what = f"{content['fiscal_year_end']!r} is not a month"
        raise UsageError(what, f"{path}, fiscal_year_end", nearest(content["fiscal_year_end"], periods.MONTHS))


def _table_mapping(path: Path, name: str, entry: Any, profile: dict[str, Any], currency: str) -> TableMapping:
    where = f"{path}, tables.{name}"
    if name not in tables.TABLES:
        raise UsageError(f"unknown table {name!r}", where, nearest(str(name), tables.TABLES))
    spec = tables.TABLES[name]
    _only(_mapping(entry, where), _TABLE, where, required=("file", "columns"))
    columns = _mapping(entry["columns"], f"{where}.columns")
    constants = _mapping(entry.get("constants") or {}, f"{where}.constants")
    values = _mapping(entry.get("values") or {}, f"{where}.values")
    for part, keys in (("columns", columns), ("constants", constants), ("values", values)):
        for key in keys:
            if key not in spec.names:
                raise UsageError(f"unknown column {key!r} of {name}", f"{where}.{part}", nearest(str(key), spec.names))
    for key in set(columns) & set(constants):
        raise UsageError(f"{key} is given twice", f"{where}.columns and {where}.constants", "keep one of them")
    # Money without a currency is not money: what the table does not say, the company's currency does.
    if "currency" in spec.names and "currency" not in columns:
        constants = {"currency": currency, **constants}
    missing = [c.name for c in spec.columns if c.required and not _is_filled(name, c.name, columns, constants)]
    if missing:
        raise UsageError(f"required columns of {name} are not mapped: {', '.join(missing)}", f"{where}.columns", "map them")
    extra = _spellings(entry.get("extra") or [], f"{where}.extra") if entry.get("extra") else ()
    for column in extra:
        if column in spec.names:
            raise UsageError(f"{column!r} is a column of {name} already", f"{where}.extra", "map it under columns")
    return TableMapping(
        table=name,
        file=_text(entry["file"], f"{where}.file"),
        columns={key: _spellings(value, f"{where}.columns.{key}") for key, value in columns.items()},
        values={
            key: {
                _text(spelling, f"{where}.values.{key}"): _text(counted, f"{where}.values.{key}", empty=True)
                for spelling, counted in _mapping(pairs, f"{where}.values.{key}").items()
            }
            for key, pairs in values.items()
        },
        constants={key: _text(value, f"{where}.constants.{key}") for key, value in constants.items()},
        extra=extra,
        profile=_profile(
            {**_mapping(profile, f"{path}, profile"), **_mapping(entry.get("profile") or {}, f"{where}.profile")}, where
        ),
    )


def _is_filled(table: str, column: str, columns: dict[str, Any], constants: dict[str, Any]) -> bool:
    given = {*columns, *constants}
    return column in given or _DERIVED.get((table, column)) in given


def _profile(entry: dict[str, Any], where: str) -> Profile:
    where = f"{where}, profile"
    _only(entry, Profile.__dataclass_fields__, where)
    window = entry.get("date_window", Profile.date_window)
    try:
        if len(window) != 2 or periods.day(window[0]) > periods.day(window[1]):
            raise ValueError
        days = (periods.day(window[0]).isoformat(), periods.day(window[1]).isoformat())
    except (RevopsError, TypeError, ValueError) as failure:
        raise UsageError("date_window is not two days", where, "write it like [2000-01-01, 2036-12-31]") from failure
    given = {key: _text(value, f"{where}.{key}", empty=True) for key, value in entry.items() if key != "date_window"}
    profile = Profile(**given, date_window=days)
    try:
        "".encode(profile.encoding)
    except LookupError as failure:
        raise UsageError(f"unknown encoding {profile.encoding!r}", where, "such as utf-8, cp1252 or utf-16") from failure
    _check_formats(profile, where)
    if len(profile.sep) != 1 or profile.sep in '"\r\n':
        raise UsageError(f"sep {profile.sep!r} is not one character", where, 'such as "," or ";" or "\\t"')
    if profile.decimal not in (".", ",") or profile.thousands not in ("", ".", ",", " ", "'"):
        raise UsageError("decimal or thousands is unknown", where, "decimal: . or ,   thousands: . or , or a space or '")
    if profile.decimal == profile.thousands:
        raise UsageError("decimal and thousands are the same character", where, "they must differ")
    return profile


def _check_formats(profile: Profile, where: str) -> None:
    """A date format must tell year, month and day, or dates would be read as another day without a word."""
    for key in ("date_format", "datetime_format"):
        name = getattr(profile, key)
        example = dt.datetime(2001, 2, 3)
        try:
            whole = "%z" not in name and dt.datetime.strptime(example.strftime(name), name) == example
        except (ValueError, re.error):  # a directive written twice breaks the pattern strptime makes of it
            whole = False
        if name and not whole:
            what = f"{key} {name!r} does not give year, month and day once each"
            raise UsageError(what, where, "write it like %d/%m/%Y %H:%M; times with an offset need no format")


def _stages(entries: Any, path: Path) -> list[dict[str, Any]]:
    where = f"{path}, stages"
    if not isinstance(entries, list):
        raise UsageError("stages is not a list", where, "write `- {stage: …, position: 1, status: open}`")
    for entry in entries:
        _only(_mapping(entry, where), _STAGE, where, required=("stage", "position", "status"))
        _text(entry["stage"], where)
        if entry["status"] not in tables.STATUSES:
            raise UsageError(f"unknown status {entry['status']!r}", where, nearest(str(entry["status"]), tables.STATUSES))
        probability = entry.get("probability")
        if not isinstance(entry["position"], int) or not (
            probability is None or (isinstance(probability, int | float) and 0 <= probability <= 1)
        ):
            what = f"stage {entry['stage']}: position is a whole number, probability lies between 0 and 1"
            raise UsageError(what, where, "correct it")
    folded = [fold(entry["stage"]) for entry in entries]
    for entry, name in zip(entries, folded, strict=True):
        if folded.count(name) > 1:
            raise UsageError(f"stage {entry['stage']!r} is there twice", where, "keep one of them")
    return entries


def _only(entry: dict[str, Any], valid: Iterable[str], where: str, required: Sequence[str] = ()) -> None:
    valid = list(valid)
    for key in entry:
        if key not in valid:
            raise UsageError(f"unknown key {key!r}", where, nearest(str(key), valid))
    for key in required:
        if key not in entry:
            raise UsageError(f"{key} is missing", where, f"needed: {', '.join(required)}")


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError("expected `key: value` lines", where, "correct the mapping")
    return value


def _spellings(value: Any, where: str) -> tuple[str, ...]:
    return tuple(_text(item, where) for item in (value if isinstance(value, list) and value else [value]))


def _text(value: Any, where: str, empty: bool = False) -> str:
    # YAML turns 007, 1.10 and no into something else, so a value that is not text must be quoted.
    if not isinstance(value, str) or not (value or empty):
        raise UsageError(f"{value!r} is not text", where, "put it in quotes")
    return value
