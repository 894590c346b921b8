"""The dictionary of KPIs, `data/kpis.yml`, read strictly: one definition each, used by every number, page and alert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from .. import sources
from ..errors import UsageError, nearest
from ..snapshot import Snapshot
from . import arithmetic
from .populations import POPULATIONS

KEYS = ("id", "name", "unit", "direction", "population", "anchor", "formula", "code", "inputs", "interval", "ripe_after",
        "zero", "target", "owner", "version", "not_to_be_confused_with", "example")  # fmt: skip
UNITS = ("share", "money", "count", "days", "months", "ratio", "money per day")
DIRECTIONS = ("up", "down", "none")
INTERVALS = ("wilson", "bootstrap", "order", "none")
TARGETS = ("none", "plan")
OF_CASES = ("middle", "half_reached")  # formulas of the cases themselves, not of their sums
ROOT = Path(__file__).resolve().parent.parent.parent
ASSUMED = "plan"  # inputs that are no sums: assumptions of data/plans/targets.yml
Ref = tuple[str, str]  # population, measure


@dataclass(frozen=True)
class Definition:
    """One KPI. `inputs`: argument of the formula → the sum it takes, or two: a quotient of sums."""

    id: str
    name: dict[str, str]
    unit: str
    direction: str
    formula: str
    code: str
    inputs: dict[str, tuple[Ref, ...]]
    interval: str
    ripe_after: str
    target: str
    owner: str
    version: str
    confused_with: tuple[str, ...]
    example: dict[str, Any]

    @property
    def population(self) -> str:
        """Whose cases are counted as `n`: those of the first input."""
        return next(iter(self.inputs.values()))[0][0]

    @property
    def function(self) -> Callable[..., Any]:
        return getattr(arithmetic, self.code)

    @property
    def is_of_cases(self) -> bool:
        return self.code in OF_CASES


@lru_cache(maxsize=4)
def definitions(snapshot: Snapshot) -> dict[str, Definition]:
    """All KPIs by id, in the order of the file. UsageError naming the line for a key, population, measure, formula or other id
    that does not exist, an id given twice, or two ids with one formula."""
    values, lines = snapshot.dictionary("kpis")
    return _read(_Yaml(values, lines))


def of_file(path: Path | None = None) -> dict[str, Definition]:
    """`definitions` of a file, without one of the dictionary of the house."""
    path = ROOT / "data" / "kpis.yml" if path is None else path
    return _read(_Yaml(sources.read_yaml(path), sources.yaml_lines(path)))


def dictionary(snapshot: Snapshot) -> pd.DataFrame:
    """The dictionary as a table, one row per KPI: id, name, name_fr, unit, formula, counts, anchor, ripe_after, owner, version,
    not_to_be_confused_with, example, source."""
    rows = []
    for one in definitions(snapshot).values():
        whom = POPULATIONS[one.population]
        given = ", ".join(f"{name} {value}" for name, value in one.example["inputs"].items())
        rows.append([one.id, one.name["en"], one.name["fr"], one.unit, one.formula, whom.what, whom.anchor, one.ripe_after,
                     one.owner, one.version, ", ".join(one.confused_with), f"{given}: {one.example['gives']}",
                     one.example["source"]])  # fmt: skip
    return pd.DataFrame(rows, columns=["id", "name", "name_fr", "unit", "formula", "counts", "anchor", "ripe_after", "owner",
                                       "version", "not_to_be_confused_with", "example", "source"])  # fmt: skip


def examples(snapshot: Snapshot) -> pd.DataFrame:
    """The worked example of every KPI, computed by the formula that its values use: id, expected, found, holds (to the last
    digit written)."""
    rows = [[one.id, *example(one)] for one in definitions(snapshot).values()]
    return pd.DataFrame(rows, columns=["id", "expected", "found", "holds"])


def example(one: Definition) -> tuple[str, float, bool]:
    """expected, found, holds of the worked example of one KPI."""
    found = float(one.function(**{name: _numbers(value) for name, value in one.example["inputs"].items()}))
    told = str(one.example["gives"])
    half = 0.5 * 10.0 ** -len(told.partition(".")[2])
    return told, found, abs(found - float(told)) <= half * (1 + 1e-9)


def _numbers(value: Any) -> Any:
    return [float(Fraction(one)) for one in value] if isinstance(value, list) else float(Fraction(value))


class _Yaml:
    """Values and the lines they stand on."""

    def __init__(self, values: dict[str, Any], lines: dict[tuple[str | int, ...], int]) -> None:
        self.values, self._lines = values, lines

    def wrong(self, at: tuple[str | int, ...], what: str, do: str) -> UsageError:
        while at and at not in self._lines:
            at = at[:-1]
        return UsageError(what, f"data/kpis.yml, line {self._lines.get(at, 1)}", do)


def _read(file: _Yaml) -> dict[str, Definition]:
    entries = file.values.get("kpis")
    if not isinstance(entries, list) or not entries:
        raise file.wrong(("kpis",), "no list of kpis", "write `kpis:` and a list below it")
    found: dict[str, Definition] = {}
    formulas: dict[tuple[Any, ...], str] = {}
    for place, entry in enumerate(entries):
        one = _definition(file, ("kpis", place), entry)
        if one.id in found:
            raise file.wrong(("kpis", place), f"two KPIs are called {one.id!r}", "give each its own id")
        formula = (one.code, tuple(one.inputs.items()))
        if formula in formulas:
            raise file.wrong(("kpis", place), f"{one.id} is what {formulas[formula]} is", "one KPI, one id")
        found[one.id], formulas[formula] = one, one.id
    for place, one in enumerate(found.values()):
        for other in one.confused_with:
            if other not in found:
                raise file.wrong(("kpis", place, "not_to_be_confused_with"), f"unknown KPI {other!r}", nearest(other, found))
    return found


def _definition(file: _Yaml, at: tuple[str | int, ...], entry: Any) -> Definition:
    if not isinstance(entry, dict):
        raise file.wrong(at, f"{entry!r} is no KPI", "write its keys")
    for key in entry:
        if key not in KEYS:
            raise file.wrong((*at, key), f"unknown key {key!r}", nearest(str(key), KEYS))
    for key in KEYS:
        if key not in entry:
            raise file.wrong(at, f"key {key!r} is missing", "a KPI states every key")
    for key, known in (("unit", UNITS), ("direction", DIRECTIONS), ("interval", INTERVALS), ("target", TARGETS),
                       ("zero", ("missing",)), ("population", [*POPULATIONS])):  # fmt: skip
        if entry[key] not in known:
            raise file.wrong((*at, key), f"{key} {entry[key]!r} is not known", nearest(str(entry[key]), known))
    if entry["anchor"] != POPULATIONS[entry["population"]].anchor:
        raise file.wrong(
            (*at, "anchor"), f"{entry['population']} are dated by the {POPULATIONS[entry['population']].anchor}", "say so"
        )
    if not callable(getattr(arithmetic, str(entry["code"]), None)):
        raise file.wrong((*at, "code"), f"unknown formula {entry['code']!r}", "name a function of kpis.arithmetic")
    inputs = {name: _refs(file, (*at, "inputs", name), told) for name, told in entry["inputs"].items()}
    if next(iter(inputs.values()))[0][0] != entry["population"]:
        raise file.wrong(
            (*at, "population"), f"the first input is not of {entry['population']}", "name the population counted first"
        )
    others = entry["not_to_be_confused_with"]
    return Definition(
        str(entry["id"]), entry["name"], entry["unit"], entry["direction"], entry["formula"], entry["code"], inputs,
        entry["interval"], entry["ripe_after"], entry["target"], entry["owner"], str(entry["version"]),
        () if others == "none" else tuple(others), entry["example"],
    )  # fmt: skip


def _refs(file: _Yaml, at: tuple[str | int, ...], told: Any) -> tuple[Ref, ...]:
    refs = []
    for text in told if isinstance(told, list) else [told]:
        population, _, measure = str(text).partition(".")
        if population == ASSUMED:
            refs.append((population, measure))
            continue
        if population not in POPULATIONS:
            raise file.wrong(at, f"unknown population {population!r}", nearest(population, POPULATIONS))
        if measure not in POPULATIONS[population].measures:
            raise file.wrong(at, f"{population} have no column {measure!r}", nearest(measure, POPULATIONS[population].measures))
        refs.append((population, measure))
    return tuple(refs)
