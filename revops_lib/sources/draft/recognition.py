"""Which canonical table a file is: by its name, and by how many of the table's columns it has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ... import tables
from .knowledge import FIELDS, Knowledge, Model, folded, words
from .reading import Source

LIKE = 85  # two names this alike may mean the same
_LIKELY, _DEALS = 2.05, 1.5  # a table found by less is not proposed; of deals, which matter most, fewer columns will do
_CLOSE = 0.8  # a second table with this share of the best score is named
_KEY, _REQUIRED, _LIKE_WEIGHT = 3.0, 2.0, 0.4
_REPEATED = 0.1  # a key that repeats in more of the rows than this is no key
# Kept beside a CRM in files that people name; their columns (id, account, start, end) are those of many an object of a CRM.
_OF_FINANCE = {"subscriptions", "spend"}
_OF_ENABLEMENT = {"trainings", "qualifications"}
# They call deals and people as the other tables do: a name tells no less of those because it stands here, too.
_OF_PAY = {"contracts", "invoices", "objectives", "disputes", "adjustments"}
_BY_NAME, _BESIDE = _OF_FINANCE | _OF_ENABLEMENT, _OF_PAY | _OF_ENABLEMENT
_FILE, _PART = 3.0, 1.0  # a file called as one of that table, or whose name holds such a name (and more per word)


@dataclass(frozen=True)
class Candidate:
    """A table that a file may be. `model`: the known mapping that explains most of its columns."""

    table: str
    model: Model
    score: float


def recognise(source: Source, knowledge: Knowledge, alike: np.ndarray) -> tuple[Candidate | None, str]:
    """The table a file most likely is (None: none of them), and the doubt about it.

    Each known column counts by how few tables know it; keys and required columns count more. `alike` as in
    `Knowledge.likeness`.
    """
    likely = [name for name in tables.TABLES if name not in _BY_NAME or is_called(source, name, knowledge)]
    ranked = sorted((_candidate(source, name, knowledge, alike) for name in likely), key=lambda one: -one.score)
    best, second = ranked[:2]
    # Of two tables that one mapping reads from the same file, the larger one is meant; the other comes along with it.
    if second.model in knowledge.companions(best.model) and _width(source, second) > _width(source, best):
        best, second = second, ranked[2]
    if best.score < (_DEALS if _is_deal(source, best, knowledge) else _LIKELY) or not _has_half(source, best, knowledge, alike):
        return None, f"a little like {best.table}" if best.score else "none of its columns is known"
    return best, _doubt(source, best, second, knowledge)


def is_called(source: Source, table: str, knowledge: Knowledge) -> bool:
    """Whether the file or sheet has a name under which a known mapping looks for the table."""
    return any(_called(source, model.files) >= _FILE for model in knowledge.models[table])


def exact(source: Source, model: Model) -> dict[str, int]:
    """Where the columns of a model stand in a file: the first of their spellings that is there."""
    found = {}
    for target, names in model.targets.items():
        places = (source.position(name) for name in names)
        place = next((place for place in places if place is not None), None)
        if place is not None:
            found[target] = place
    return found


def _width(source: Source, one: Candidate) -> int:
    return len(set(exact(source, one.model).values()))


def _is_deal(source: Source, one: Candidate, knowledge: Knowledge) -> bool:
    """Whether a file that is most like deals has a stage and an amount."""
    found = {target for model in knowledge.models["opportunities"] for target in exact(source, model)}
    return one.table == "opportunities" and {"stage", "amount"} <= found


def _has_half(source: Source, one: Candidate, knowledge: Knowledge, alike: np.ndarray) -> bool:
    """Whether half of the columns that every row must have are there, or one much like each."""
    models = knowledge.models[one.table]
    found = {target: place for model in models for target, place in exact(source, model).items()}
    like = {target for target, _ in _like(one.table, found, knowledge, alike)}
    numbers = tables.NUMBERED.values()  # the import gives them
    required = [column.name for column in tables.TABLES[one.table].columns if column.required and column.name not in numbers]
    return 2 * sum(name in found or name in like for name in required) >= len(required) or len(required) < 3


def _doubt(source: Source, best: Candidate, second: Candidate, knowledge: Knowledge) -> str:
    if is_called(source, best.table, knowledge) and not is_called(source, second.table, knowledge):
        return ""
    if second.score >= _CLOSE * best.score:
        return f"could also be {second.table}"
    called = {name: max(_called(source, model.files) for model in models) for name, models in knowledge.models.items()}
    name = max(called, key=lambda one: called[one])
    if called[name] > called[best.table]:
        return f"is called like {name}"
    key = tables.TABLES[best.table].key[0]
    if key in tables.NUMBERED.values() or any(key in exact(source, model) for model in knowledge.models[best.table]):
        return ""
    return "its key is not called as in any known mapping"


def _candidate(source: Source, table: str, knowledge: Knowledge, alike: np.ndarray) -> Candidate:
    models = knowledge.models[table]
    explained = [exact(source, model) for model in models]
    weighed = [
        sum(_weight(table, target) * _rarity(source.header[place], knowledge) for target, place in found.items())
        + _called(source, model.files)
        + model.fits(source.header)
        for model, found in zip(models, explained, strict=True)
    ]
    rank = [(_says_what(table, found), weight) for found, weight in zip(explained, weighed, strict=True)]
    best = max((i for i, model in enumerate(models) if model.targets), key=lambda i: (*rank[i], -i))
    found = {target: place for one in (*explained, explained[best]) for target, place in one.items()}
    score = sum(_weight(table, target) * _rarity(source.header[place], knowledge) for target, place in found.items())
    score += sum(_weight(table, target) * _LIKE_WEIGHT * rarity for target, rarity in _like(table, found, knowledge, alike))
    score += max(_called(source, model.files) for model in models)
    key = tables.TABLES[table].key
    if len(key) == 1 and key[0] in found and _repeats(source, found[key[0]]):
        score *= 0.3
    return Candidate(table, models[best], score)


def _says_what(table: str, found: dict[str, int]) -> bool:
    """Whether a history has what changed: the name of the field, or the values of fields. Of other tables nothing is asked."""
    return table != "opportunity_history" or "field" in found or any(target.startswith(FIELDS) for target in found)


def _weight(table: str, target: str) -> float:
    spec = tables.TABLES[table]
    if target.startswith(FIELDS) or target not in spec.names:
        return 1.0
    return _KEY if target == spec.key[0] else _REQUIRED if spec.column(target).required else 1.0


def _rarity(name: str, knowledge: Knowledge) -> float:
    return 1 / max(len(knowledge.tables_of[folded(name)] - _BESIDE), 1)


def _like(table: str, found: dict[str, int], knowledge: Knowledge, alike: np.ndarray) -> Iterable[tuple[str, float]]:
    """Columns that are not there, but one much like them, with the rarity of that name."""
    free = np.ones(len(alike), dtype=bool)
    free[list(found.values())] = False
    missing = dict.fromkeys(target for model in knowledge.models[table] for target in model.targets if target not in found)
    for target in missing:
        index = knowledge.index(table, target)
        if free.any() and alike[free][:, index].max() >= LIKE:
            yield target, max(_rarity(knowledge.spellings[i], knowledge) for i in index)


def _called(source: Source, files: Iterable[str]) -> float:
    """How much the name of the file or sheet speaks for one of these names."""
    inner = source.member.inner or ""
    ours = [inner, inner.rpartition(".")[2], _stem(source.member.path.name)]
    score = 0.0
    for name in files:
        for own in filter(None, ours):
            part = words(_stem(name))
            if folded(own) == folded(_stem(name)):
                score = max(score, _FILE)
            elif part and part <= words(own):
                score = max(score, _PART + len(part) / 2)
    return score


def _stem(name: str) -> str:
    """A file's name without its endings; a name with dots in it keeps the first part only."""
    return Path(name).name.split(".")[0]


def _repeats(source: Source, place: int) -> bool:
    text = source.text(place).dropna()
    return bool(text.duplicated().mean() > _REPEATED) if len(text) else False
