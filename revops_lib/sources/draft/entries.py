"""A table of the mapping as lines of YAML: its file, its columns, and what else the columns need to be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ... import tables
from ...errors import RevopsError
from ..cast import cast
from ..members import locate
from ..sniff import DATES, NUMBERS, Column, Notation
from .columns import spec_of
from .knowledge import FIELDS, Knowledge, folded
from .notation import profiles, undecided
from .planning import Part, Plan, rows_of
from .yamltext import flow, mark, shown, wrapped

_MANY = 20  # spellings of one column that are written down
_NEEDED = {
    "stage": "whether a deal is open, won or lost",
    "amount": "forecast, bookings and quotas",
    "close_date": "the quarter a deal belongs to",
    "created_at": "the age of deals and how long they take",
    "owner_id": "results by rep, and compensation",
}


@dataclass(frozen=True)
class Line:
    """A line of an entry. `is_off`: it is to be decided first, and has a # in its first column."""

    text: str
    is_off: bool = False


def entry(part: Part, plan: Plan, knowledge: Knowledge, folder: Path, profile: dict[str, str]) -> list[Line]:
    """The lines of a file as a table; `profile` is what the mapping says of all files."""
    columns, fields = _columns(part)
    columns += [Line(f"  {name}: ???  # not found; needed for {why}", True) for name, why in _wanted(part)]
    lines = _file(part, folder)
    lines += [Line("columns:"), *columns] if any(not line.is_off for line in columns) else [Line("columns: {}"), *columns]
    lines += [Line("fields:"), *fields] if fields else []
    lines += _values(part, plan, knowledge)
    if part.constants:
        lines.append(Line("constants:"))
        lines += [
            Line(f"  {name}: {flow(value)}{mark(origin and f'as in {origin}')}")
            for name, (value, origin) in part.constants.items()
        ]
    percent = [target for target in part.columns.found if _is_percent(part, target)]
    lines += [Line(f"percent: {flow(percent)}{mark('they go beyond 1')}")] if percent else []
    lines += _fill(part)
    lines += [_skip(part)] if part.skip else _deleted(part, knowledge)
    return [*lines, *_profile(part, knowledge, profile), *_not_mapped(part, plan)]


def _columns(part: Part) -> tuple[list[Line], list[Line]]:
    """The lines of the columns, and of the fields of a history that holds their values at each row."""
    columns: list[Line] = []
    fields: list[Line] = []
    for one, is_off in [*((one, False) for one in part.columns.found.values()), *((one, True) for one in part.columns.refused)]:
        several = fields if one.target.startswith(FIELDS) else columns
        name = one.target.removeprefix(FIELDS)
        several.append(Line(f"  {name}: {flow(part.source.header[one.place])}{mark(one.doubt)}", is_off))
    return columns, fields


def entered(plan: Plan, folder: Path) -> tuple[list[Line], bool]:
    """The columns of the deals that say when each stage was entered, as a history, and whether all those stages are listed; no
    lines when there are no such columns."""
    if plan.entered is None:
        return [], False
    deals, unlisted = plan.entered.deals, sorted(plan.entered.stages - plan.listed_stages())
    doubt = f"the list of stages lacks {', '.join(map(shown, unlisted))}" if unlisted else ""
    lines = [*_file(deals, folder), Line("columns:"), Line(f"  opportunity_id: {flow(deals.header('opportunity_id'))}")]
    lines.append(Line(f"entered: {flow(plan.entered.prefix)}{mark(doubt)}"))
    return [*lines, *([_skip(deals)] if deals.skip else [])], not unlisted


def _file(part: Part, folder: Path) -> list[Line]:
    """Where the table is, and whether an import would find it there."""
    member = part.source.member
    is_workbook = member.path.suffix.lower() == ".xlsx"
    name = member.path.name if is_workbook or not member.inner else member.inner
    sheet = member.inner if is_workbook else None  # also the only one: the workbook itself may be the export
    doubt = part.doubt
    try:
        place = locate(folder, [name], sheet)
        if place is None or (place.path.resolve(), place.inner or sheet) != (member.path.resolve(), sheet or place.inner):
            doubt = "another file has the same name"
    except RevopsError as failure:
        doubt = failure.what
    return [Line(f"file: {flow(name)}{mark(doubt)}")] + ([Line(f"sheet: {flow(sheet)}")] if sheet else [])


def _wanted(part: Part) -> Iterator[tuple[str, str]]:
    """Columns that every row must have, or that most analyses need, and nothing fills."""
    filled = {*part.columns.found, *part.constants, *(one.target for one in part.columns.refused)}
    for name in part.missing:
        if (part.table, name) != ("opportunities", "status"):  # it follows from the stage, which is asked for below
            yield name, f"every row: {spec_of(part.table, name).description}"
    if part.table == "opportunities":
        yield from ((name, why) for name, why in _NEEDED.items() if name not in filled and name not in part.missing)


# --- values ----------------------------------------------------------------------------------------------------------


def _values(part: Part, plan: Plan, knowledge: Knowledge) -> list[Line]:
    """Spellings of values that count as others: as the model says, fields of a history by their known names, references that
    another file writes a little differently."""
    lines = []
    for target, one in part.columns.found.items():
        column, distinct = spec_of(part.table, target), part.source.distinct(one.place)
        pairs, doubt = _fields(distinct, knowledge) if target == "field" else _known_values(part, target, column, distinct), ""
        if not pairs and column.kind == "id" and column.references in plan.keys:
            key = plan.keys[column.references]
            pairs, doubt = _respelled(distinct, key.values), f"as {key.file} writes it"
        items = [f"{flow(spelling)}: {flow(counted)}" for spelling, counted in pairs.items()]
        *before, last = wrapped(f"  {target.removeprefix(FIELDS)}: {{", items, "}")
        lines += [*map(Line, before), Line(f"{last}{mark(doubt)}")] if items else []
    return [Line("values:"), *lines] if lines else []


def _known_values(part: Part, target: str, column: tables.Column, distinct: pd.Series) -> dict[str, str]:
    """What the model counts as others: of a list of words all of it, since another export may have the rest; else what is here.

    Stages keep the names the company gave them, unless the known mapping is taken over as it is.
    """
    pairs = part.model.values(target)
    is_stage = target.removeprefix(FIELDS) == "stage"
    if is_stage and not part.is_split:
        return {}
    if is_stage or (column.kind in ("choice", "currency", "bool") and part.model.fits(part.source.header)):
        return pairs
    return {value: pairs[value] for value in distinct if value in pairs}


def _fields(distinct: pd.Series, knowledge: Knowledge) -> dict[str, str]:
    meant = {name: knowledge.tracked(name) for name in distinct}
    return {name: min(found) for name, found in meant.items() if len(found) == 1 and folded(name) != folded(min(found))}


def _respelled(distinct: pd.Series, keys: Iterable[str]) -> dict[str, str]:
    """Values that are no key, but are spelled like exactly one."""
    keys = frozenset(keys)
    unknown = [value for value in distinct if value not in keys]
    if not unknown or len(unknown) > _MANY:
        return {}
    by_fold: dict[str, list[str]] = {}
    for key in sorted(keys):
        by_fold.setdefault(folded(key), []).append(key)
    return {value: by_fold[folded(value)][0] for value in unknown if len(by_fold.get(folded(value), [])) == 1}


def _is_percent(part: Part, target: str) -> bool:
    column, place = spec_of(part.table, target), part.columns.found[target].place
    distinct = part.source.distinct(place)
    if column.kind != "share" or distinct.empty:
        return False
    wrong = [
        sum(int(mask.sum()) for mask in cast("share", distinct, Notation(), "UTC", percent=percent).wrong.values())
        for percent in (False, True)
    ]
    return wrong[1] < wrong[0]


# --- notation --------------------------------------------------------------------------------------------------------


def _profile(part: Part, knowledge: Knowledge, profile: dict[str, str]) -> list[Line]:
    """A `profile` for each way to read what has two readings, each with an example."""
    questions, broken = undecided(_read_as(part, knowledge), "UTC")
    records = part.source.records
    guess = {"encoding": records.read_as["encoding"]} if records.is_guessed else {}
    lines = [Line(mark(told).strip()) for told in broken]
    for said, told in profiles(questions):
        doubts = [f"decide; {told}" if told else "", f"the encoding is a guess{_accented(part)}" if guess else ""]
        if said or guess:
            lines.append(Line(f"profile: {flow({**profile, **guess, **said})}{mark('; '.join(filter(None, doubts)))}", True))
    return lines


def _accented(part: Part) -> str:
    """An example of what only the encoding decides."""
    names = [*part.source.header, *(value for i in part.source.usable for value in part.source.distinct(i))]
    odd = [name for name in names if not name.isascii()]
    example = next((name for name in odd if any(one.isalpha() and not one.isascii() for one in name)), next(iter(odd), None))
    return f"; is {shown(example)} right?" if example else ""


def _read_as(part: Part, knowledge: Knowledge) -> list[Column]:
    """The columns of a file that are numbers and dates, those of a history field by field."""
    columns = {}
    for target, one in part.columns.found.items():
        column, header = spec_of(part.table, target), part.source.header[one.place]
        if column.kind in (*NUMBERS, *DATES):
            columns[header] = Column(header, column.kind, part.source.distinct(one.place))
    if "field" in part.columns.found:
        for field in tables.TRACKED:
            rows = rows_of(field, part.source, part.columns.found["field"].place, knowledge)
            for value in ("old_value", "new_value"):
                if value in part.columns.found and rows.any():
                    label, kind = f"{part.header(value)} of {field}", spec_of("opportunities", field).kind
                    columns[label] = Column(label, kind, part.source.text(part.columns.found[value].place)[rows])
    return [column for column in columns.values() if column.kind in (*NUMBERS, *DATES)]


# --- the rest --------------------------------------------------------------------------------------------------------


def _not_mapped(part: Part, plan: Plan) -> list[Line]:
    """Columns nobody reads; those that hold something can be kept as the company's own. A file read several times has them
    once."""
    readings = [other for other in plan.parts if other.source.member == part.source.member]
    if max(readings, key=lambda one: len(one.columns.found)) is not part:
        return []
    source = part.whole
    read = {place for other in readings for place in (*other.columns.places, *(place for place, _ in _skipped(other)))}
    if plan.entered and plan.entered.deals.source.member == source.member:
        read |= {i for i, name in enumerate(source.header) if folded(name).startswith(folded(plan.entered.prefix))}
    left = [i for i in range(len(source.header)) if i not in read]
    full = [i for i in left if len(source.distinct(i))]
    canonical = tables.TABLES[part.table].names
    offered = [source.header[i] for i in full if i in source.usable and source.header[i].lower() not in canonical]
    lines = []
    for told, several in (("not mapped", full), ("not mapped, and empty", [i for i in left if i not in full])):
        names = [flow(source.header[i]) if source.header[i].strip() else f"column {i + 1} without a name" for i in several]
        if names:
            lines += [Line(f"# {line}") for line in wrapped(f"{told}: ", names)]
    return [*lines, *(Line(line, True) for line in wrapped("extra: [", [flow(name) for name in offered], "]") if offered)]


def _fill(part: Part) -> list[Line]:
    """What a known mapping puts where a value is missing; the currency goes without saying."""
    known = part.model.one.fill if part.model.one and part.model.fits(part.source.header) else {}
    filled = {*part.columns.found, *(["status"] if part.table == "opportunities" else [])} - {"currency"}
    fill = {name: value for name, value in known.items() if name in filled}
    return [Line(f"fill: {flow(fill)}  # as in {part.model.origin}")] if fill else []


def _skip(part: Part) -> Line:
    skip = {part.source.header[place]: sorted(values) for place, values in _skipped(part)}
    return Line(f"skip: {flow(skip)}  # as in {part.model.origin}")


def _deleted(part: Part, knowledge: Knowledge) -> list[Line]:
    """A column by which other known mappings leave out rows that are marked, such as deleted ones, as a proposal."""
    for name, values in knowledge.marks.items():
        place = None if part.is_split else part.source.position(name)
        if place is not None and place not in part.columns.places and len(part.source.distinct(place)):
            text = flow({part.source.header[place]: sorted(values)})
            return [Line(f"skip: {text}{mark('rows that another known mapping leaves out')}", True)]
    return []


def _skipped(part: Part) -> list[tuple[int, frozenset[str]]]:
    places = ((part.source.position(name), values) for name, values in part.skip.items())
    return [(place, values) for place, values in places if place is not None]
