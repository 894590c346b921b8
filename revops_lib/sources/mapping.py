"""A mapping file: which column of an export feeds which canonical column. Edited by an analyst, no code.

`read_mapping` refuses everything it does not understand and names the nearest valid word, so that a typing error never
becomes an empty column. A question mark after a table or column says that an export may lack it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from .. import money, periods, tables
from ..errors import UsageError, nearest
from .codes import refusal
from .config import only, read_yaml
from .profile import Profile, read_profile

_TOP = ("name", "currency", "currencies", "timezone", "fiscal_year_end", "people", "profile", "fx", "stages", "tables")
_TABLE = ("file", "sheet", "columns", "values", "constants", "extra", "profile", "percent", "skip", "required", "must_exist",
          "fields", "entered", "fill")  # fmt: skip
_STAGE = ("stage", "position", "status", "probability")
PEOPLE = ("pseudonyms", "named")  # how people are called in the dataset
# Columns an export may have instead of the status; they are read and checked, not kept.
FLAGS = ("is_won", "is_closed")
_FLAGGED = ("opportunities", "stages")
# Required columns that can follow from others: the status from the stage or the flags, the order of changes from the file.
_DERIVED = {("opportunities", "status"): ("stage", "is_won"), ("stages", "status"): ("is_won",),
            ("opportunity_history", "change_no"): ("changed_at",), ("events", "event_no"): ("at",)}  # fmt: skip
_PREFIX = re.compile(r"^(?:properties__|property_|properties_)")


@dataclass(frozen=True)
class TableMapping:
    """How one canonical table is filled from one file. `columns`: canonical column -> spellings in the source.

    `optional`: columns the file may lack (`""` stands for the file itself); `fill`: the value where a row has none; `fields`
    (of a history): tracked field -> spellings of the column that holds its value at each row; `entered`: how the columns
    begin that say when a stage was entered.
    """

    table: str
    file: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]
    sheet: str | None = None
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
    profile: Profile = field(default_factory=Profile)
    percent: frozenset[str] = frozenset()
    skip: dict[str, frozenset[str]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    must_exist: tuple[str, ...] = ()
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    entered: str = ""
    optional: frozenset[str] = frozenset()
    fill: dict[str, str] = field(default_factory=dict)

    @property
    def wanted(self) -> set[str]:
        """Every column name it looks for, folded."""
        spellings = [*self.columns.values(), *self.fields.values(), self.extra, tuple(self.skip)]
        return {fold(spelling) for several in spellings for spelling in several}


@dataclass(frozen=True)
class Mapping:
    path: Path
    name: str
    currency: str
    currencies: frozenset[str]
    timezone: str
    fiscal_year_end: str
    stages: list[dict[str, Any]]
    tables: tuple[TableMapping, ...]
    is_named: bool = False  # people keep their names


def read_mapping(path: Path) -> Mapping:
    """The mapping a YAML file holds. Raises UsageError naming the file, the key and the nearest valid names."""
    path = Path(path)
    content = read_yaml(path)
    only(content, _TOP, str(path), required=("name", "currency", "timezone", "fiscal_year_end", "tables"))
    for key in ("name", "currency", "timezone", "fiscal_year_end"):
        _text(content[key], f"{path}, {key}")
    _check_company(content, path)
    profile = content.get("profile") or {}
    mapped = []
    for name, entry in _mapping(content["tables"], f"{path}, tables").items():
        for one in entry if isinstance(entry, list) else [entry]:
            mapped.append(_table_mapping(path, name, one, profile, content["currency"]))
    if not mapped:
        raise UsageError("no table is mapped", f"{path}, tables", nearest("", tables.TABLES))
    stages = _stages(content.get("stages") or [], path)
    there = next((one for one in mapped if one.table == "stages"), None)
    if "opportunities" in {one.table for one in mapped} and not stages and not there:
        raise UsageError("the stages of the sales process are missing", f"{path}, stages", "list stage, position, status")
    if stages and there and "" not in there.optional:
        raise UsageError("stages are given twice", f"{path}, stages and tables.stages", "keep one of them")
    if content.get("fx"):
        mapped.append(_fx(path, content))
    return Mapping(
        path,
        content["name"],
        content["currency"],
        frozenset(content.get("currencies") or money.CURRENCIES),
        content["timezone"],
        content["fiscal_year_end"],
        stages,
        tuple(mapped),
        content.get("people") == "named",
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
            what = f"column {spelling} is there more than once: {both}"
            raise refusal("E_COLUMN_DUPLICATE", what, file, "rename one in the export")
        if found:
            return found[0]
    shown = ", ".join(header[:20]) + (f" and {len(header) - 20} more" if len(header) > 20 else "")
    raise refusal(
        "E_COLUMN_MISSING",
        f"column {spellings[0]} not found; looked for {' or '.join(spellings)}; present: {shown[:500]}",
        f"{file}, header line",
        "correct `columns` or `sep` in the mapping, or export again with the header",
    )


def has_column(header: Sequence[str], spellings: Iterable[str]) -> bool:
    """Whether `find_column` would find one."""
    return bool({fold(spelling) for spelling in spellings} & {fold(name) for name in header})


def fold(name: str) -> str:
    """A name as it is compared: lower case, without spaces, underscores and loader prefixes.

    >>> fold("Close Date"), fold("property_close_date"), fold("properties__closedate")
    ('closedate', 'closedate', 'closedate')
    """
    composed = unicodedata.normalize("NFC", name).strip().lower().replace("’", "'")
    return re.sub(r"[\s_]", "", _PREFIX.sub("", composed))


def _check_company(content: dict[str, Any], path: Path) -> None:
    currencies = content.get("currencies", [])
    if not isinstance(currencies, list):
        raise UsageError("currencies is not a list", f"{path}, currencies", "write it like [EUR, USD]")
    for key, code in [("currency", content["currency"]), *(("currencies", code) for code in currencies)]:
        if not isinstance(code, str) or code not in money.CURRENCIES:
            raise UsageError(f"{code!r} is not a currency code", f"{path}, {key}", "write it like EUR")
    try:
        ZoneInfo(content["timezone"])
    except (KeyError, ValueError, OSError) as failure:
        where = f"{path}, timezone"
        raise UsageError(f"{content['timezone']!r} is not a time zone", where, "write it like Europe/Paris") from failure
    people = content.get("people", PEOPLE[0])
    if people not in PEOPLE:
        raise UsageError(f"{people!r} is not how people are called", f"{path}, people", nearest(str(people), PEOPLE))
    if content["fiscal_year_end"] not in periods.MONTHS:
        what = f"{content['fiscal_year_end']!r} is not a month"
        raise UsageError(what, f"{path}, fiscal_year_end", nearest(content["fiscal_year_end"], periods.MONTHS))


def _table_mapping(path: Path, key: str, entry: Any, profile: dict[str, Any], currency: str) -> TableMapping:
    name, is_optional = _optional(key)
    where = f"{path}, tables.{name}"
    if name not in tables.TABLES:
        raise UsageError(f"unknown table {name!r}", where, nearest(str(name), tables.TABLES))
    spec = tables.TABLES[name]
    only(_mapping(entry, where), _TABLE, where, required=("file", "columns"))
    given = _mapping(entry["columns"], f"{where}.columns")
    columns = {_optional(one)[0]: _spellings(value, f"{where}.columns.{one}") for one, value in given.items()}
    may_lack = {_optional(one)[0] for one in given if _optional(one)[1]} | ({""} if is_optional else set())
    constants = _mapping(entry.get("constants") or {}, f"{where}.constants")
    values = _mapping(entry.get("values") or {}, f"{where}.values")
    fill = _mapping(entry.get("fill") or {}, f"{where}.fill")
    fields, fields_may_lack = _history_fields(name, entry, where)
    valid = [*spec.names, *(FLAGS if name in _FLAGGED else ())]
    lists = {part: entry.get(part) or [] for part in ("required", "must_exist", "percent")}
    parts = {"columns": columns, "constants": constants, "fill": fill, "values": values, **lists}
    for part, names in parts.items():
        if not isinstance(names, dict | list):
            raise UsageError(f"{part} is not a list of columns", f"{where}.{part}", "write it like [owner_id]")
        for one in names:
            allowed = [*valid, *fields] if part == "values" else valid
            if one not in allowed:
                raise UsageError(f"unknown column {one!r} of {name}", f"{where}.{part}", nearest(str(one), allowed))
    for one in set(columns) & set(constants):
        raise UsageError(f"{one} is given twice", f"{where}.columns and {where}.constants", "keep one of them")
    for one in parts["must_exist"]:
        if one in FLAGS or spec.column(one).references in (None, name):
            raise UsageError(f"{one} refers to no other table", f"{where}.must_exist", "leave it out")
    for one in fill:
        if one not in columns and (name, one) != ("opportunities", "status"):
            raise UsageError(f"{one} is filled but not mapped", f"{where}.fill", "map it, or use `constants`")
    # Money without a currency is not money: what the table does not say, the company's currency does.
    if "currency" in spec.names and "currency" not in columns:
        constants = {"currency": currency, **constants}
    filled_in = {"currency": currency} if "currency" in may_lack else {}
    filled = {*columns, *constants, *({"field", "changed_at"} if fields or entry.get("entered") else ())}
    missing = [c.name for c in spec.columns if c.required and not _is_filled(name, c.name, filled)]
    if missing:
        raise UsageError(f"required columns of {name} are not mapped: {', '.join(missing)}", f"{where}.columns", "map them")
    extra = _spellings(entry["extra"], f"{where}.extra") if entry.get("extra") else ()
    for column in extra:
        if column.lower() in spec.names:
            raise UsageError(f"{column!r} is a column of {name} already", f"{where}.extra", "map it under columns")
    own = _mapping(entry.get("profile") or {}, f"{where}.profile")
    return TableMapping(
        table=name,
        file=_spellings(entry["file"], f"{where}.file"),
        columns=columns,
        sheet=_text(entry["sheet"], f"{where}.sheet") if "sheet" in entry else None,
        values={
            key: {
                _text(spelling, f"{where}.values.{key}"): _text(counted, f"{where}.values.{key}", empty=True)
                for spelling, counted in _mapping(pairs, f"{where}.values.{key}").items()
            }
            for key, pairs in values.items()
        },
        constants={key: _text(value, f"{where}.constants.{key}") for key, value in constants.items()},
        extra=extra,
        profile=read_profile({**_mapping(profile, f"{path}, profile"), **own}, where),
        percent=frozenset(parts["percent"]),
        skip=_skip(entry, where),
        required=tuple(parts["required"]),
        must_exist=tuple(parts["must_exist"]),
        fields=fields,
        entered=_text(entry.get("entered", ""), f"{where}.entered", empty=True),
        optional=frozenset(may_lack | fields_may_lack),
        fill=filled_in | {key: _text(value, f"{where}.fill.{key}") for key, value in fill.items()},
    )


def _optional(key: Any) -> tuple[str, bool]:
    return str(key).removesuffix("?"), str(key).endswith("?")


def _history_fields(name: str, entry: dict[str, Any], where: str) -> tuple[dict[str, tuple[str, ...]], set[str]]:
    """The columns of a history that hold the value of a field at each row, and which of them an export may lack."""
    given = _mapping(entry.get("fields") or {}, f"{where}.fields")
    for key in ("fields", "entered"):
        if entry.get(key) and name != "opportunity_history":
            raise UsageError(f"{key} belongs to opportunity_history", f"{where}.{key}", "leave it out")
    fields = {_optional(one)[0]: _spellings(value, f"{where}.fields.{one}") for one, value in given.items()}
    for one in fields:
        if one not in tables.TRACKED:
            raise UsageError(f"{one!r} is no field that changes", f"{where}.fields", nearest(one, tables.TRACKED))
    return fields, {_optional(one)[0] for one in given if _optional(one)[1]}


def _skip(entry: dict[str, Any], where: str) -> dict[str, frozenset[str]]:
    """Rows the mapping leaves out: column of the source -> values; the empty text stands for a missing value."""
    skip = {}
    for column, values in _mapping(entry.get("skip") or {}, f"{where}.skip").items():
        several = values if isinstance(values, list) else [values]
        skip[str(column)] = frozenset(fold(_text(value, f"{where}.skip.{column}", empty=True)) for value in several)
    return skip


def _is_filled(table: str, column: str, filled: set[str]) -> bool:
    return column in filled or any(other in filled for other in _DERIVED.get((table, column), ()))


def _fx(path: Path, content: dict[str, Any]) -> TableMapping:
    """The table of exchange rates, a file beside the plans: currency, month, rate into the company's currency."""
    file = (path.parent / _text(content["fx"], f"{path}, fx")).resolve()
    if not file.is_file():
        raise UsageError("the file of exchange rates does not exist", f"{path}, fx: {file}", "correct the path")
    rate = (f"rate_to_{content['currency'].lower()}", "rate")
    columns = {"currency": ("currency",), "month": ("month", "from", "date"), "rate": rate}
    return TableMapping("fx_rates", (str(file),), columns, profile=Profile(decimal=".", thousands=""))


def _stages(entries: Any, path: Path) -> list[dict[str, Any]]:
    where = f"{path}, stages"
    if not isinstance(entries, list):
        raise UsageError("stages is not a list", where, "write `- {stage: …, position: 1, status: open}`")
    for entry in entries:
        only(_mapping(entry, where), _STAGE, where, required=("stage", "position", "status"))
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
