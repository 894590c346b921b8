"""What the columns of a file mean: by a known name, by a name much like one, by what they hold. Only the first is sure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import pandas as pd

from ... import money, tables
from ...errors import DataRefused
from .. import sniff
from ..cast import cast
from ..mapping import FLAGS
from ..profile import Profile
from .knowledge import FIELDS, Knowledge, Model, folded, words
from .reading import Source
from .recognition import LIKE, exact
from .yamltext import shown

_LOOKED_AT = 500  # spellings of a column that are tried
_MOSTLY, _HARDLY = 0.95, 0.5
_HELD = 0.8  # a column that holds so many keys of another table refers to it
_VALUES = 30  # what values of the right kind add to the likeness of a name
_TIE = 3
# How alike the names must be when the values are of the right kind.
_NAMED = {"day": 60, "instant": 60, "month": 60, "bool": 75, "money": 70, "integer": 70, "share": 70, "rate": 70, "choice": 50}
_KINDS = {"day": "a day", "instant": "an instant", "month": "a month", "money": "an amount", "integer": "a whole number",
          "share": "a share", "rate": "a rate", "bool": "yes or no", "currency": "a currency code",
          "quarter": "a quarter"}  # fmt: skip
_DATE = r"\d{1,4}[/.-]\d{1,2}[/.-]\d{2,4}(?:[, T].*)?|\d{5}(?:[.,]\d+)?"
_EMAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"


@dataclass(frozen=True)
class Found:
    """A canonical column and the column of the file; `doubt` is empty when nothing is doubtful."""

    target: str
    place: int
    doubt: str = ""


@dataclass
class Columns:
    """What a file was found to hold, by canonical column. `refused`: known by name, but their values are no such values."""

    found: dict[str, Found] = field(default_factory=dict)
    refused: list[Found] = field(default_factory=list)

    @property
    def places(self) -> set[int]:
        return {one.place for one in (*self.found.values(), *self.refused)}


@dataclass(frozen=True)
class Key:
    """Keys that a table of the export holds, and the file they are in."""

    file: str
    values: frozenset[str]


def find_columns(
    source: Source, model: Model, knowledge: Knowledge, alike: np.ndarray, keys: dict[str, Key], *, whole: bool = True
) -> Columns:
    """The columns of a file that is the table of `model`; with `whole` false only those the model knows.

    `keys` by table; `alike` as in `Knowledge.likeness`.
    """
    columns = Columns()
    for target, one in known(source, model, knowledge, whole=whole).items():
        doubt, is_refused = _doubt(source, model, one, keys)
        checked = replace(one, doubt=doubt or one.doubt)
        if is_refused:
            columns.refused.append(checked)
        else:
            columns.found[target] = checked
    if whole:
        _add_offers(columns, source, model, knowledge, alike, keys)
    if model.table == "opportunities":
        _settle_state(columns, source)
    order = [*model.targets, *tables.TABLES[model.table].names, *FLAGS, *(FIELDS + field for field in tables.TRACKED)]
    columns.found = dict(sorted(columns.found.items(), key=lambda item: order.index(item[0])))
    return columns


def key_of(source: Source, model: Model, knowledge: Knowledge, alike: np.ndarray) -> Key | None:
    """What the key of a table holds, where the file has a column for it."""
    target = tables.TABLES[model.table].key[0]
    columns = Columns(known(source, model, knowledge))
    if target not in columns.found:
        _add_offers(columns, source, model, knowledge, alike, {}, only=target)
    if target not in columns.found:
        return None
    return Key(source.member.name, frozenset(source.distinct(columns.found[target].place)))


def spec_of(table: str, target: str) -> tables.Column:
    """What a target holds: a column of the table, a field of opportunities, a flag."""
    if target.startswith(FIELDS):
        return tables.TABLES["opportunities"].column(target.removeprefix(FIELDS))
    if target in FLAGS:
        return tables.Column(target, "bool", target.replace("_", " "))
    return tables.TABLES[table].column(target)


# --- known by name ---------------------------------------------------------------------------------------------------


def known(source: Source, model: Model, knowledge: Knowledge, *, whole: bool = True) -> dict[str, Found]:
    """Columns with a known name: those of the model and, with `whole`, what other mappings know.

    Where the file has all that the model's export must have, the model is right; else a name that known mappings read
    differently is doubtful.
    """
    skipped = {source.position(name) for name in model.one.skip} if model.one else set()
    is_sure = model.fits(source.header)
    found: dict[str, Found] = {}
    for target, place in exact(source, model).items():
        found[target] = Found(target, place, "" if is_sure else _disagreement(source, model.table, target, place, knowledge))
    for other in knowledge.models[model.table] if whole else []:
        for target, place in exact(source, other).items():
            taken = {one.place for one in found.values()} | skipped
            if target not in found and place not in taken and _has_shape(model, target):
                found[target] = Found(target, place, _disagreement(source, model.table, target, place, knowledge))
    return found


def _disagreement(source: Source, table: str, target: str, place: int, knowledge: Knowledge) -> str:
    for origin, meant in knowledge.meanings(table, source.header[place]).items():
        others = sorted(meant - {target})
        if others:
            return f"{origin} reads it as {' and '.join(others).replace(FIELDS, '')}"
    return ""


def _has_shape(model: Model, target: str) -> bool:
    """Whether a column belongs to a history of the model's shape: values at each row, or one change per row."""
    if model.table != "opportunity_history":
        return True
    is_wide = any(name.startswith(FIELDS) for name in model.targets)
    return target not in ("field", "old_value", "new_value") if is_wide else not target.startswith(FIELDS)


def _doubt(source: Source, model: Model, one: Found, keys: dict[str, Key]) -> tuple[str, bool]:
    """What speaks against a column known by name, after a look at what it holds; true when it can hardly be that."""
    column = spec_of(model.table, one.target)
    distinct = source.distinct(one.place)[:_LOOKED_AT]
    aliases = {folded(spelling) for spelling in model.values(one.target)}
    good = len(distinct) - _unreadable(column, distinct[~distinct.map(folded).isin(aliases)])
    if good < _MOSTLY * len(distinct):
        # A word that is none of the list sets its row aside: better without the column than without the rows.
        is_refused = good < _HARDLY * len(distinct) or column.kind in ("choice", "currency")
        return f"{good} of {len(distinct)} values can be read as {_kind(column)}", is_refused
    is_needed = column.required or (model.table, one.target) == ("opportunities", "stage")
    if is_needed and len(source.text(one.place)) and source.text(one.place).isna().mean() > 1 - _MOSTLY:
        return "many rows lack it", False
    key = keys.get(str(column.references)) if column.kind == "id" else None
    if key and len(distinct) and distinct.isin(key.values).mean() < _HARDLY:
        return f"few of its values are in {key.file}", False
    return "", False


def _kind(column: tables.Column) -> str:
    return _KINDS.get(column.kind) or f"one of {', '.join(column.choices)}"


def _unreadable(column: tables.Column, distinct: pd.Series) -> int:
    """How many spellings cannot be read as the column's kind, in whichever notation reads most."""
    if column.kind in ("id", "text") or distinct.empty:
        return 0
    distinct = distinct.reset_index(drop=True)
    choices = money.CURRENCIES if column.kind == "currency" else column.choices
    found, is_clear = _notations(column, distinct)
    counts = []
    for notation, percent in product(found, (False, True) if column.kind == "share" else (False,)):
        wrong = cast(column.kind, distinct, notation, "UTC", choices, percent).wrong
        bad = np.logical_or.reduce([np.zeros(len(distinct), dtype=bool), *wrong.values()])
        # What only the order of day and month, or the century, leaves open is a date all the same.
        is_date = (
            np.zeros(len(distinct), dtype=bool) if is_clear else distinct.str.strip().str.fullmatch(_DATE).to_numpy(dtype=bool)
        )
        counts.append(int((bad & ~is_date).sum()))
    return min(counts)


def _notations(column: tables.Column, distinct: pd.Series) -> tuple[list[sniff.Notation], bool]:
    """The notation of a column, or those it may have, and whether it is clear."""
    part = sniff.Column(column.name, column.kind, distinct)
    try:
        return sniff.notations([part], Profile(), "UTC", column.name), True
    except DataRefused:
        if column.kind in sniff.DATES:
            return [sniff.Notation(day_first=True)], False
        return [sniff.notations([part], Profile(decimal=sign), "UTC", column.name)[0] for sign in ".,"], True


# --- known by likeness and by what they hold -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Offer:
    target: str
    place: int
    score: float
    why: str


def _add_offers(
    columns: Columns,
    source: Source,
    model: Model,
    knowledge: Knowledge,
    alike: np.ndarray,
    keys: dict[str, Key],
    only: str = "",
) -> None:
    """Fill what is missing with the best of what is left, one canonical column per column, each with its doubt."""
    taken = columns.places | ({source.position(name) for name in model.one.skip} if model.one else set())
    free = [place for place in source.usable if place not in taken]
    missing = [only] if only else [name for name in _targets(model) if name not in columns.found and _has_shape(model, name)]
    offers = [
        offer
        for target in missing
        for place in free
        for offer in _offers(
            source, model.table, target, place, *_nearest(model.table, target, place, knowledge, alike), keys, knowledge
        )
    ]
    ranked = sorted(offers, key=lambda one: (-one.score, missing.index(one.target), one.place))
    for best in ranked:
        if best.target in columns.found or best.place in columns.places:
            continue
        rivals = [one.target for one in ranked if one.place == best.place and best.score - one.score <= _TIE]
        rivals = [target for target in dict.fromkeys(rivals) if target not in columns.found and target != best.target]
        doubt = best.why + (f"; could also be {' or '.join(rivals)}" if rivals else "")
        columns.found[best.target] = Found(best.target, best.place, doubt)
    if model.table == "opportunities" and not only and "amount" not in columns.found:
        numbers = [place for place in free if place not in columns.places and _is_amount(source, place)]
        if len(numbers) == 1:
            columns.found["amount"] = Found("amount", numbers[0], "the only column of numbers that is left")


def _targets(model: Model) -> list[str]:
    flags = FLAGS if model.table in ("opportunities", "stages") else ()
    return [*tables.TABLES[model.table].names, *flags, *(name for name in model.targets if name.startswith(FIELDS))]


def _nearest(table: str, target: str, place: int, knowledge: Knowledge, alike: np.ndarray) -> tuple[float, str]:
    """The known spelling of a canonical column that a column's name is most like, and how much."""
    index = knowledge.index(table, target)
    best = index[int(alike[place, index].argmax())]
    return float(alike[place, best]), knowledge.spellings[best]


def _offers(
    source: Source, table: str, target: str, place: int, like: float, spelling: str, keys: dict[str, Key], knowledge: Knowledge
) -> Iterator[_Offer]:
    """A column as a candidate for a canonical one, when its name or what it holds speaks for it."""
    column, distinct = spec_of(table, target), source.distinct(place)
    near = f"much like {shown(spelling)}"
    if distinct.empty:
        # A column that is empty in every row is no loss; without rows there are only names to go by.
        if like >= LIKE and not len(source.records.lines):
            yield _Offer(target, place, like, near)
        return
    told = _told_by_values(source, table, column, place, keys, knowledge)
    if told:
        yield _Offer(target, place, like + _VALUES, near if like >= LIKE else told)
    elif like >= _NAMED.get(column.kind, LIKE):
        some = distinct[:_LOOKED_AT]
        readable = 1 - _unreadable(column, some) / len(some)
        if column.kind in _NAMED and readable >= _MOSTLY:
            why = near if like >= LIKE else f"its values can be {_kind(column)}, its name is a little like {shown(spelling)}"
            yield _Offer(target, place, like + _VALUES, why)
        elif like >= LIKE and readable >= _HARDLY and column.kind not in ("choice", "currency"):
            yield _Offer(target, place, like, near)


def _told_by_values(
    source: Source, table: str, column: tables.Column, place: int, keys: dict[str, Key], knowledge: Knowledge
) -> str:
    """What a column holds, in words, when that alone speaks for a canonical one; else empty."""
    distinct = source.distinct(place)
    key = keys.get(str(column.references)) if column.kind == "id" else None
    if key and len(distinct) > 1 and distinct.isin(key.values).mean() >= _HELD:
        return f"its values are ids of {key.file}"
    if column.name == tables.TABLES[table].key[0] and column.kind == "id" and not column.references:
        text = source.text(place)
        is_named = words(source.header[place]) & {"id", "key", "no", "number", *words(column.name)}
        return "every row has another value" if is_named and text.notna().all() and text.is_unique and len(text) > 1 else ""
    if column.kind == "currency" and distinct.isin(money.CURRENCIES).all():
        return "its values are currency codes"
    if column.name == "email" and distinct.str.fullmatch(_EMAIL).mean() >= _HELD:
        return "its values are e-mail addresses"
    if table == "opportunities" and column.name == "stage" and knowledge.is_stage_list(distinct):
        return "its values are called like stages"
    return ""


def _is_amount(source: Source, place: int) -> bool:
    distinct, column = source.distinct(place), tables.TABLES["opportunities"].column("amount")
    return len(distinct) > 1 and not _unreadable(column, distinct[:_LOOKED_AT])


# --- stage and status ------------------------------------------------------------------------------------------------


def _settle_state(columns: Columns, source: Source) -> None:
    """A deal's stage decides its status: a status that stands alone serves as the stage; one flag alone tells nothing."""
    found = columns.found
    status = found.get("status") or next((one for one in columns.refused if one.target == "status"), None)
    if status and "stage" not in found:
        found.pop("status", None)
        columns.refused = [one for one in columns.refused if one is not status]
        found["stage"] = Found("stage", status.place, "there is no column of stages, the status serves as one")
    if "is_won" not in found:
        found.pop("is_closed", None)
