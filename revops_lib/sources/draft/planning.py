"""Which files become which tables of the mapping, with what is doubtful or missing about each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ... import tables
from .columns import Columns, Found, Key, find_columns, key_of, known
from .knowledge import FIELDS, Knowledge, Model, folded
from .reading import Source
from .recognition import is_called, recognise
from .stages import Deals, Stages, find_stages, is_contradicted

_HISTORY = "opportunity_history"
_WEAK = 3.5  # a table recognised by less, and not by its name, is proposed as a comment only
_COVERED = 0.95
_HARDLY = 0.5
# Required columns that an import derives from others.
_FOLLOWS = {"status": ("stage", "is_won"), "change_no": ("changed_at",), "event_no": ("at",)}


@dataclass
class Part:
    """A file as a table of the mapping: `source` without the rows that `skip` leaves out, `whole` with them.

    `doubt`: about the table; `is_split`: one of several readings of a file that a known mapping makes, taken over as it is;
    `is_foreign`: a history of other things than these deals; `constants`: what a known mapping puts into columns the file
    lacks, and which one; `missing`: required columns that nothing fills; `is_active`: else it is written as a comment.
    """

    source: Source
    whole: Source
    table: str
    model: Model
    score: float
    doubt: str = ""
    is_split: bool = False
    is_foreign: bool = False
    skip: dict[str, frozenset[str]] = field(default_factory=dict)
    columns: Columns = field(default_factory=Columns)
    constants: dict[str, tuple[str, str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    is_active: bool = True

    def header(self, target: str) -> str:
        return self.source.header[self.columns.found[target].place]

    def stage_values(self) -> dict[str, str]:
        """Stages that count as others, by folded spelling: only where a known mapping is taken over as it is."""
        return {folded(spelling): name for spelling, name in self.model.values("stage").items()} if self.is_split else {}


@dataclass(frozen=True)
class Entered:
    """Columns of the deals that say when a stage was entered: how they begin, and the (folded) stages they name."""

    deals: Part
    prefix: str
    stages: set[str]


@dataclass
class Plan:
    """The parts in the order of the tables. `unused`: a sentence per file that is no part; `keys` by table; `stages`: None when
    a file of the export lists them, or there are no deals."""

    parts: list[Part]
    unused: list[str]
    keys: dict[str, Key]
    stages: Stages | None = None
    entered: Entered | None = None

    def active(self, table: str) -> list[Part]:
        return [part for part in self.parts if part.table == table and part.is_active]

    def listed_stages(self) -> set[str]:
        """Folded names and ids of the stages, from the list or from the file of stages."""
        if self.stages:
            return {folded(stage.name) for stage in self.stages.ordered}
        return {spelling for part in self.active("stages") for spelling in _spelled(part)}


def make_plan(sources: list[Source], knowledge: Knowledge) -> Plan:
    """Every file as the table it most likely is; of several files of one table those that can be read one after another."""
    alike = {source.member.where: knowledge.likeness(source.header) for source in sources}
    groups, unused = _recognised(sources, knowledge, alike)
    parts, keys = _taken(groups, unused, knowledge, alike)
    for part in parts:
        likeness = alike[part.source.member.where]
        part.columns = find_columns(part.source, part.model, knowledge, likeness, keys, whole=not part.is_split)
        if part.table == "opportunities" and not part.is_split and is_contradicted(part.source, part.columns):
            _without_stage(part)
        part.constants = dict(_constants(part, knowledge))
        part.missing = _missing(part)
    parts = _without_foreign(parts, unused, knowledge, keys)
    _decide(parts, knowledge)
    plan = Plan(parts, sorted(unused), keys)
    named = _entered(plan, knowledge)
    plan.stages = _stages(plan, knowledge, named)
    return plan


def _recognised(
    sources: list[Source], knowledge: Knowledge, alike: dict[str, np.ndarray]
) -> tuple[list[list[Part]], list[str]]:
    """The readings of every file that is a table, the most likely file of a table first; a sentence for every other file."""
    groups, unused = [], []
    for source in sources:
        best, doubt = recognise(source, knowledge, alike[source.member.where])
        if best is None:
            unused.append(f"{source.member.name}: {doubt}")
        else:
            groups.append(_readings(source, best.model, best.score, doubt, knowledge))
    return sorted(groups, key=lambda group: (-group[0].score, group[0].source.member.name)), unused


def _taken(
    groups: list[list[Part]], unused: list[str], knowledge: Knowledge, alike: dict[str, np.ndarray]
) -> tuple[list[Part], dict[str, Key]]:
    """The parts in the order of the tables, and the keys they hold: one file per table, files that go on, every history."""
    taken: list[Part] = []
    keys: dict[str, Key] = {}
    for group in groups:
        first, table = group[0], group[0].table
        before = next((part for part in taken if part.table == table), None)
        key = _key(group, knowledge, alike[first.source.member.where])
        if before and table != _HISTORY:
            if not _continues(first, before, key, keys.get(table)):
                unused.append(f"{first.source.member.name}: looks like {table}, too; {before.source.member.name} is taken")
                continue
            first.doubt = f"goes on where {before.source.member.name} ends"
        taken += [*group, *_companions(first, knowledge)]
        if key:
            keys[table] = Key(keys[table].file, keys[table].values | key.values) if table in keys else key
    order = list(tables.TABLES)
    return sorted(taken, key=lambda part: order.index(part.table)), keys


def _without_stage(part: Part) -> None:
    """Where deals stay in their stage when they are won or lost, the status says more than the stage."""
    found = part.columns.found
    stage = found.pop("stage")
    part.columns.refused.append(replace(stage, doubt="deals of the same stage are open, won and lost"))
    if "status" in found:
        found["stage"] = Found("stage", found.pop("status").place, "the status serves as the stage, which does not tell it")


def _readings(source: Source, model: Model, score: float, doubt: str, knowledge: Knowledge) -> list[Part]:
    """A file as one part; as several where a known mapping reads such a file several times, other rows each time."""
    family = knowledge.family(model)
    if len(family) < 2 or not all(_can_split(source, one) for one in family):
        is_split = len(family) > 1 and bool(model.one and model.one.skip)
        skip = dict(model.one.skip) if model.one and model.fits(source.header) and not is_split else {}
        return [_part(source, model, score, doubt, skip)]
    return [_part(source, one, score, doubt, dict(one.one.skip) if one.one else {}, is_split=True) for one in family]


def _can_split(source: Source, model: Model) -> bool:
    """Whether a file has the columns of one of several readings, and one that tells its rows from the others."""
    if not model.targets:
        return True
    skip = model.one.skip if model.one else {}
    return model.fits(source.header) and (not skip or any(source.position(name) is not None for name in skip))


def _part(
    source: Source, model: Model, score: float, doubt: str, skip: dict[str, frozenset[str]], is_split: bool = False
) -> Part:
    there = {name: values for name, values in skip.items() if source.position(name) is not None}
    kept = source.without(there)
    # Where nothing is left, the rows that are left out still say what the columns are.
    return Part(kept if len(kept.records.lines) else source, source, model.table, model, score, doubt, is_split, skip=there)


def _companions(first: Part, knowledge: Knowledge) -> Iterator[Part]:
    """Other tables that the same known mapping reads from this file, where it has all that they need."""
    if not first.model.fits(first.source.header):
        return
    for model in knowledge.companions(first.model):
        part = _part(first.whole, model, first.score, "", dict(model.one.skip) if model.one else {}, is_split=True)
        must = [target for target in model.targets if model.one and target not in model.one.optional]
        has_all = must and set(must) <= set(known(first.whole, model, knowledge, whole=False))
        is_all = bool(model.one and model.one.skip and not part.skip)
        if has_all and not is_all and len(first.whole.without(part.skip).records.lines):
            yield part


def _key(group: list[Part], knowledge: Knowledge, alike: np.ndarray) -> Key | None:
    """The keys that all readings of a file hold."""
    found = [key for part in group if (key := key_of(part.source, part.model, knowledge, alike))]
    return Key(found[0].file, frozenset().union(*(key.values for key in found))) if found else None


def _continues(first: Part, before: Part, key: Key | None, keys: Key | None) -> bool:
    """Whether a file goes on where another of the same table ends: the same columns, other rows."""
    same = {folded(name) for name in first.source.header} == {folded(name) for name in before.source.header}
    if len(tables.TABLES[first.table].key) > 1:
        return same
    return same and key is not None and keys is not None and not key.values & keys.values


def _constants(part: Part, knowledge: Knowledge) -> Iterator[tuple[str, tuple[str, str]]]:
    """Columns that nothing fills and a known mapping fills with a constant: any where it is taken over, else required ones."""
    if part.is_split and part.model.one:
        own = {name: value for name, value in part.model.one.constants.items() if name != "currency"}
        yield from ((name, (value, "")) for name, value in own.items())
        return
    for name in _missing(part):
        for model in (part.model, *knowledge.models[part.table]):
            if model.one and model.targets and name in model.one.constants:
                yield name, (model.one.constants[name], model.origin)
                break


def _missing(part: Part) -> list[str]:
    filled = {*part.columns.found, *part.constants}
    if any(target.startswith(FIELDS) for target in filled):
        filled |= {"field"}
    required = [column.name for column in tables.TABLES[part.table].columns if column.required]
    return [name for name in required if name not in filled and not filled & set(_FOLLOWS.get(name, ()))]


def _decide(parts: list[Part], knowledge: Knowledge) -> None:
    """What is written as a comment only: a table that lacks a required column, is hardly recognised, or a history of something
    else. Deals never are, and one table must be left."""
    for part in parts:
        weak = part.score < _WEAK and not is_called(part.source, part.table, knowledge)
        if weak and not part.doubt:
            part.doubt = "few of its columns are known"
        part.is_active = part.table == "opportunities" or not (part.missing or weak or part.is_foreign)
    if parts and not any(part.is_active for part in parts):
        max(parts, key=lambda part: part.score).is_active = True


def _without_foreign(parts: list[Part], unused: list[str], knowledge: Knowledge, keys: dict[str, Key]) -> list[Part]:
    """The parts without histories of something else; those that are called like a history of deals stay, as a comment."""
    kept = []
    for part in parts:
        told = _foreign(part, knowledge, keys)
        if told and not is_called(part.source, part.table, knowledge):
            unused.append(f"{part.source.member.name}: a little like {part.table}, but {told}")
            continue
        if told:
            part.doubt, part.is_foreign = told, True
        kept.append(part)
    return kept


def _foreign(part: Part, knowledge: Knowledge, keys: dict[str, Key]) -> str:
    """Why a history is none of these deals; else empty."""
    found = part.columns.found
    if part.table != _HISTORY or "opportunity_id" not in found:
        return ""
    deals, ids = keys.get("opportunities"), part.source.distinct(found["opportunity_id"].place)
    if deals and len(ids) and ids.isin(deals.values).mean() < _HARDLY:
        return f"few of its ids are in {deals.file}"
    if "field" in found and not any(knowledge.tracked(name) for name in part.source.distinct(found["field"].place)):
        return f"none of its fields is one of {', '.join(tables.TRACKED)}; name them under `values`"
    return ""


# --- stages ----------------------------------------------------------------------------------------------------------


def _entered(plan: Plan, knowledge: Knowledge) -> list[str]:
    """Take in the columns that say when a stage was entered; the names of those stages, as the headers write them."""
    deals = next(iter(plan.active("opportunities")), None)
    if deals is None or "opportunity_id" not in deals.columns.found:
        return []
    for prefix in knowledge.entered:
        source = deals.source
        columns = [i for i in source.usable if folded(source.header[i]).startswith(folded(prefix)) and len(source.distinct(i))]
        if columns:
            names = [_after(source.header[i], prefix) for i in columns]
            plan.entered = Entered(deals, prefix, {folded(name) for name in names})
            return names
    return []


def _after(header: str, prefix: str) -> str:
    """What follows the beginning of a header, whatever a loader put before it."""
    ends = (end for end in range(len(header)) if folded(header[:end]) == folded(prefix))
    return header[max(ends) :]


def _stages(plan: Plan, knowledge: Knowledge, named: list[str]) -> Stages | None:
    deals = plan.active("opportunities")
    if not deals:
        return None
    listed = plan.active("stages")
    if listed and _covers(listed, deals):
        return None
    for part in listed:
        part.is_active, part.doubt = False, "the deals are in other stages"
    passed = [*named, *(stage for part in plan.active(_HISTORY) for stage in _passed(part, knowledge))]
    return find_stages([_deals(part) for part in deals], passed, knowledge)


def _deals(part: Part) -> Deals:
    return Deals(part.source, part.columns, part.stage_values())


def _covers(listed: list[Part], deals: list[Part]) -> bool:
    """Whether the stages of the deals are in a file of stages."""
    spelled = {spelling for part in listed for spelling in _spelled(part)}
    held = {folded(name) for one in deals if "stage" in one.columns.found for name in _deals(one).stage.dropna().unique()}
    return len(held & spelled) >= _COVERED * len(held)


def _spelled(listed: Part) -> set[str]:
    """Folded names and ids of a file of stages."""
    places = [listed.columns.found[target].place for target in ("stage", "stage_id") if target in listed.columns.found]
    constants = {folded(value) for name, (value, _) in listed.constants.items() if name == "stage"}
    return {folded(spelling) for place in places for spelling in listed.source.distinct(place)} | constants


def _passed(part: Part, knowledge: Knowledge) -> Iterable[str]:
    """Stages that a history names, each spelling once."""
    found = part.columns.found
    if f"{FIELDS}stage" in found:
        return part.source.distinct(found[f"{FIELDS}stage"].place)
    if "field" not in found:
        return []
    rows = rows_of("stage", part.source, found["field"].place, knowledge)
    values = [part.source.text(found[name].place)[rows] for name in ("old_value", "new_value") if name in found]
    return dict.fromkeys(value for text in values for value in text.dropna())


def rows_of(field: str, source: Source, place: int, knowledge: Knowledge) -> np.ndarray:
    """Which rows of a history change a field; `place` is the column that names it."""
    names = [name for name in source.distinct(place) if field in knowledge.tracked(name)]
    return source.text(place).isin(names).to_numpy()
