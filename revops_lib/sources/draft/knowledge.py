"""What the known mappings teach: how files, columns and stages are called.

There is no other list of synonyms, but for the few words that say in every company how a deal ended.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from rapidfuzz import fuzz, process

from ... import tables
from ...errors import UsageError
from ..mapping import FLAGS, Mapping, TableMapping, fold, read_mapping
from .yamltext import MARK

# What a table is called besides what a mapping calls its file.
OWN = "the data dictionary"
FIELDS = "fields."  # begins the target of a history's column that holds the value of a field at each row
_WON = {"won", "closedwon", "gagne", "gagnee", "gagnes", "gagnees", "gewonnen"}
_LOST = {"lost", "closedlost", "perdu", "perdue", "perdus", "perdues", "verloren"}
_NOT = {"not", "non", "pas", "nicht", "or", "ou", "oder"}
_FEW = 40  # a column of stages holds no more of them
_CONTAINED = 85  # likeness of a name that holds another whole word by word


@cache
def folded(name: str) -> str:
    """`mapping.fold`, remembered: the same names are compared over and over."""
    return fold(name)


@dataclass(frozen=True, eq=False)
class Model:
    """How one known mapping fills a canonical table: canonical column -> spellings, in the order in which they are looked for.

    `one` is the entry of that mapping; None: the canonical names themselves.
    """

    origin: str
    table: str
    targets: dict[str, tuple[str, ...]]
    files: tuple[str, ...]
    one: TableMapping | None = None

    def values(self, target: str) -> dict[str, str]:
        """Spellings of a column's values, and what each is counted as."""
        return self.one.values.get(target.removeprefix(FIELDS), {}) if self.one else {}

    def fits(self, header: Sequence[str]) -> bool:
        """Whether a file has every column that the model's export must have, and they are more than a few."""
        names = {folded(name) for name in header}
        there = {target: names & set(map(folded, spelled)) for target, spelled in self.targets.items()}
        must = [target for target in self.targets if self.one and target.removeprefix(FIELDS) not in self.one.optional]
        return len(set().union(*there.values())) >= 3 and bool(must) and all(there[target] for target in must)


@dataclass(frozen=True)
class Knowledge:
    """`models` by table; `stages` by mapping: position and status of every spelling of a stage, folded; `entered`: how columns
    begin that say when a stage was entered; `unread`: a sentence per mapping that teaches nothing."""

    models: dict[str, list[Model]]
    stages: dict[str, dict[str, tuple[int, str]]]
    entered: list[str]
    unread: list[str]

    @cached_property
    def spellings(self) -> list[str]:
        """Every known spelling of a column, folded ones once."""
        every = [
            one for several in self.models.values() for model in several for names in model.targets.values() for one in names
        ]
        return list({folded(spelling): spelling for spelling in every}.values())

    @cached_property
    def tables_of(self) -> dict[str, set[str]]:
        """Tables that know a column, by folded spelling: a name that every table has tells nothing."""
        known: dict[str, set[str]] = {}
        for table, several in self.models.items():
            for model in several:
                for target, names in model.targets.items():
                    for name in names if model.one or not target.startswith(FIELDS) else ():
                        known.setdefault(folded(name), set()).add(table)
        return known

    def index(self, table: str, target: str) -> list[int]:
        """Where in `spellings` those of a canonical column are."""
        return self._indices[table, target]

    @cached_property
    def _indices(self) -> dict[tuple[str, str], list[int]]:
        places = {folded(spelling): i for i, spelling in enumerate(self.spellings)}
        found: dict[tuple[str, str], set[int]] = {}
        for table, several in self.models.items():
            for model in several:
                for target, names in model.targets.items():
                    found.setdefault((table, target), set()).update(places[folded(name)] for name in names)
        return {key: sorted(several) for key, several in found.items()}

    @cached_property
    def marks(self) -> dict[str, frozenset[str]]:
        """Columns of yes and no by which known mappings leave rows out when they say yes."""
        skips = [model.one.skip for several in self.models.values() for model in several if model.one]
        return {name: values for skip in skips for name, values in skip.items() if "true" in values}

    def family(self, model: Model) -> list[Model]:
        """The models by which a known mapping reads one file several times into one table: other rows each time."""
        return [one for one in self.models[model.table] if model.one and (one.origin, one.files) == (model.origin, model.files)]

    def companions(self, model: Model) -> list[Model]:
        """The models by which the same mapping reads the same file into other tables."""
        if not model.one:
            return []
        several = [one for table, models in self.models.items() if table != model.table for one in models]
        return [one for one in several if one.origin == model.origin and set(one.files) & set(model.files)]

    def meanings(self, table: str, name: str) -> dict[str, set[str]]:
        """What a column called so means in a table: by mapping, the canonical columns it feeds."""
        found: dict[str, set[str]] = {}
        for model in self.models[table]:
            meant = {target for target, names in model.targets.items() if folded(name) in map(folded, names)}
            if meant:
                found.setdefault(model.origin, set()).update(meant)
        return found

    def tracked(self, name: str) -> set[str]:
        """Fields of an opportunity that a history may mean by a name."""
        meant = set().union(*self.meanings("opportunities", name).values())
        for model in self.models["opportunity_history"]:
            pairs = model.one.values.get("field", {}) if model.one else {}
            meant |= {counted for spelling, counted in pairs.items() if folded(spelling) == folded(name)}
        return meant & set(tables.TRACKED)

    def is_stage_list(self, distinct: pd.Series) -> bool:
        """Whether values are called like stages: few of them, and most are known, or one tells how a deal ended."""
        if not 2 <= len(distinct) <= _FEW:
            return False
        known = {spelling for spellings in self.stages.values() for spelling in spellings}
        return bool(distinct.map(told_by_name).ne("").any() or distinct.map(folded).isin(known).mean() > 0.5)

    def likeness(self, header: Sequence[str]) -> np.ndarray:
        """How alike each name of the header and each known spelling are, 0–100 (one row per name)."""
        ours, theirs = ([folded(name) for name in names] for names in (header, self.spellings))
        alike = process.cdist(ours, theirs, scorer=fuzz.ratio)
        known = [(i, words(spelling)) for i, spelling in enumerate(self.spellings) if len(folded(spelling)) > 2]
        for row, name in enumerate(header):
            mine = words(name)
            for i, part in known:
                if part < mine:
                    alike[row, i] = max(alike[row, i], _CONTAINED)
        return alike


def learn(known: Sequence[Path]) -> Knowledge:
    """What mapping files say. One that cannot be understood, or still has doubts of its own, teaches nothing."""
    models: dict[str, list[Model]] = {name: [] for name in tables.TABLES}
    stages: dict[str, dict[str, tuple[int, str]]] = {}
    entered: list[str] = []
    unread: list[str] = []
    for path in map(Path, known):
        try:
            mapping = read_mapping(path)
        except UsageError as failure:
            unread.append(f"{path.name}: {failure.what}")
            continue
        if MARK in path.read_text(encoding="utf-8-sig"):
            unread.append(f"{path.name}: it has lines marked unsure")
            continue
        for one in mapping.tables:
            if one.entered:
                entered.append(one.entered)
                continue
            fields = {FIELDS + name: names for name, names in one.fields.items()}
            models[one.table].append(Model(path.name, one.table, {**one.columns, **fields}, one.file, one))
        stages[path.name] = _stages(mapping)
    for name, spec in tables.TABLES.items():
        flags = FLAGS if name in ("opportunities", "stages") else ()
        own: dict[str, tuple[str, ...]] = {column: (column,) for column in (*spec.names, *flags)}
        models[name].append(Model(OWN, name, own, (name, _singular(name))))
    models["opportunity_history"].append(_wide_history(models))
    return Knowledge(models, stages, entered, unread)


def _wide_history(models: dict[str, list[Model]]) -> Model:
    """A history that holds the values of fields at each row, called as in the opportunities."""
    targets: dict[str, tuple[str, ...]] = {name: (name,) for name in ("opportunity_id", "changed_at", "changed_by")}
    for field in tables.TRACKED:
        names = [name for model in models["opportunities"] for name in model.targets.get(field, ())]
        targets[FIELDS + field] = tuple(dict.fromkeys(names))
    return Model(OWN, "opportunity_history", targets, ("opportunity_history",))


def _stages(mapping: Mapping) -> dict[str, tuple[int, str]]:
    """Position and status by folded spelling; what deals call a stage, too."""
    listed = {folded(entry["stage"]): (entry["position"], entry["status"]) for entry in mapping.stages}
    pairs = [pair for one in mapping.tables if one.table == "opportunities" for pair in one.values.get("stage", {}).items()]
    return {folded(spelling): listed[folded(name)] for spelling, name in pairs if folded(name) in listed} | listed


def words(name: str) -> frozenset[str]:
    """The words of a name: StageName, stage_name and "Stage name" have the same.

    >>> sorted(words("OpportunityStage__c")), sorted(words("Nom de l'opportunité"))
    (['c', 'opportunity', 'stage'], ['de', 'l', 'nom', 'opportunité'])
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ")
    return frozenset(re.findall(r"\w+", spaced.lower()))


def told_by_name(name: str) -> str:
    """Won or lost, when the words of a stage's name say so; else empty.

    >>> told_by_name("Closed Won"), told_by_name("Fermé - perdu"), told_by_name("Not lost"), told_by_name("Offer")
    ('won', 'lost', '', '')
    """
    plain = unicodedata.normalize("NFKD", name.lower())
    parts = "".join(one if one.isalnum() else " " for one in plain if not unicodedata.combining(one)).split()
    found = {status for status, known in (("won", _WON), ("lost", _LOST)) if known & set(parts)}
    return found.pop() if len(found) == 1 and not _NOT & set(parts) else ""


def _singular(name: str) -> str:
    return re.sub(r"ies$", "y", name) if name.endswith("ies") else name.removesuffix("s")
