"""The dictionary of KPIs, `data/kpis.yml`, read strictly: one definition each, used by every number, page and alert."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from .. import sources
from ..errors import nearest
from ..snapshot import Snapshot
from . import arithmetic
from .populations import POPULATIONS

KEYS = ("id", "name", "unit", "direction", "population", "anchor", "period", "formula", "code", "inputs", "cases", "interval",
        "ripe_after", "zero", "target", "owner", "version", "not_to_be_confused_with", "example")  # fmt: skip
UNITS = ("share", "money", "count", "days", "months", "ratio", "money per day")
DIRECTIONS = ("up", "down", "none")
INTERVALS = ("wilson", "bootstrap", "order", "none")
TARGETS = ("none", "plan")
PERIODS = ("quarter", "instant", "running")
OF_CASES = ("middle", "half_reached")  # formulas of the cases themselves, not of their sums
ROOT = Path(__file__).resolve().parent.parent.parent
FILE = "data/kpis.yml"
ASSUMED = "plan"  # inputs that are no sums: assumptions of data/plans/targets.yml
Ref = tuple[str, str]  # population, measure


@dataclass(frozen=True)
class Definition:
    """One KPI. `inputs`: argument of the formula → the sum it takes, or two: a quotient of sums; `cases`: the measure whose
    cases it rests on."""

    id: str
    name: dict[str, str]
    unit: str
    direction: str
    formula: str
    code: str
    inputs: dict[str, tuple[Ref, ...]]
    cases: Ref
    period: str
    interval: str
    ripe_after: str
    target: str
    owner: str
    version: str
    confused_with: tuple[str, ...]
    example: dict[str, Any]

    @property
    def population(self) -> str:
        """Whose cases are counted: those of the first input."""
        return self.populations[0]

    @property
    def populations(self) -> list[str]:
        """All whose cases are counted, assumptions left out."""
        return [*dict.fromkeys(ref[0] for own in self.inputs.values() for ref in own if ref[0] != ASSUMED)]

    @property
    def ripe_days(self) -> int | None:
        """How many days after the quarter its cases are judged; None: at once."""
        return None if self.ripe_after == "none" else int(self.ripe_after.removesuffix(" days"))

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
    return _read(sources.Strict(values, lines, FILE))


def of_file(path: Path | None = None) -> dict[str, Definition]:
    """`definitions` of a file, without one of the dictionary of the house."""
    path = ROOT / "data" / "kpis.yml" if path is None else path
    return _read(sources.Strict(sources.read_yaml(path), sources.yaml_lines(path), FILE))


def counted_elsewhere(id: str, **inputs: float) -> dict[str, Any]:
    """A KPI of the house's dictionary whose cases no snapshot holds, from what was counted: kpi, name, value, unit, n (cases).

    >>> counted_elsewhere("playbook_freshness", part=17, whole=20)["value"]
    0.85
    """
    one = of_file()[id]
    value = float(one.function(**inputs))
    return {"kpi": id, "name": one.name["en"], "value": value, "unit": one.unit, "n": inputs["whole"]}


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


def _read(file: sources.Strict) -> dict[str, Definition]:
    entries = file.values.get("kpis")
    if not isinstance(entries, list) or not entries:
        raise file.wrong(("kpis",), "no list of kpis", "write `kpis:` and a list below it")
    found: dict[str, Definition] = {}
    formulas: dict[tuple[Any, ...], str] = {}
    for place, entry in enumerate(entries):
        one = _definition(file, ("kpis", place), entry)
        if one.id in found:
            raise file.wrong(("kpis", place), f"two KPIs are called {one.id!r}", "give each its own id")
        formula = (one.code, tuple(sorted(one.inputs.items())))
        if formula in formulas:
            raise file.wrong(("kpis", place), f"{one.id} is what {formulas[formula]} is", "one KPI, one id")
        found[one.id], formulas[formula] = one, one.id
    for place, one in enumerate(found.values()):
        for other in one.confused_with:
            if other not in found:
                raise file.wrong(("kpis", place, "not_to_be_confused_with"), f"unknown KPI {other!r}", nearest(other, found))
    return found


def _definition(file: sources.Strict, at: sources.Way, entry: Any) -> Definition:
    file.keys(at, KEYS)
    file.keys((*at, "name"), ("en", "fr"))
    file.keys((*at, "example"), ("inputs", "gives", "source"))
    for key, known in (("unit", UNITS), ("direction", DIRECTIONS), ("interval", INTERVALS), ("target", TARGETS),
                       ("period", PERIODS),
                       ("zero", ("missing",)), ("population", [*POPULATIONS])):  # fmt: skip
        if entry[key] not in known:
            raise file.wrong((*at, key), f"{key} {entry[key]!r} is not known", nearest(str(entry[key]), known))
    if entry["anchor"] != POPULATIONS[entry["population"]].anchor:
        raise file.wrong(
            (*at, "anchor"), f"{entry['population']} are dated by the {POPULATIONS[entry['population']].anchor}", "say so"
        )
    code = str(entry["code"])
    if code.startswith("_") or not inspect.isfunction(getattr(arithmetic, code, None)):
        raise file.wrong((*at, "code"), f"unknown formula {entry['code']!r}", "name a function of kpis.arithmetic")
    try:
        inspect.signature(getattr(arithmetic, entry["code"])).bind(**entry["inputs"])
    except TypeError as failure:
        raise file.wrong((*at, "inputs"), f"inputs of {entry['code']}: {failure}", "name its arguments, each once") from failure
    inputs = {name: _refs(file, (*at, "inputs", name), told) for name, told in entry["inputs"].items()}
    if next(iter(inputs.values()))[0][0] != entry["population"]:
        raise file.wrong(
            (*at, "population"), f"the first input is not of {entry['population']}", "name the population counted first"
        )
    if entry["interval"] == "wilson" and {*inputs} != {"part", "whole"}:
        raise file.wrong((*at, "interval"), "wilson is of a part of a whole", "name another interval, or none")
    if (entry["interval"] == "order") != (code in OF_CASES):
        raise file.wrong((*at, "interval"), f"{entry['interval']} is no interval of {code}", "order is that of a median")
    (counted,) = _refs(file, (*at, "cases"), entry["cases"])
    if counted[0] not in {ref[0] for own in inputs.values() for ref in own}:
        raise file.wrong((*at, "cases"), f"{counted[0]} are not counted in it", "name a measure of its inputs' populations")
    if entry["ripe_after"] != "none" and not re.fullmatch(r"\d+ days", str(entry["ripe_after"])):
        raise file.wrong((*at, "ripe_after"), f"{entry['ripe_after']!r} is no number of days", "write none, or such as 90 days")
    others = entry["not_to_be_confused_with"]
    one = Definition(
        str(entry["id"]), entry["name"], entry["unit"], entry["direction"], entry["formula"], entry["code"], inputs,
        counted, entry["period"], entry["interval"], entry["ripe_after"], entry["target"], entry["owner"],
        str(entry["version"]), () if others == "none" else tuple(others), entry["example"],
    )  # fmt: skip
    try:
        _, found, holds = example(one)
    except (TypeError, ValueError, AttributeError, ZeroDivisionError) as failure:
        raise file.wrong(
            (*at, "example"), f"the example cannot be computed: {failure}", "name the formula's arguments"
        ) from failure
    if not holds:
        raise file.wrong((*at, "example"), f"the example gives {found:g}, not {entry['example']['gives']}", "correct either")
    return one


def _refs(file: sources.Strict, at: sources.Way, told: Any) -> tuple[Ref, ...]:
    refs = []
    if isinstance(told, list) and len(told) != 2:
        raise file.wrong(at, f"{len(told)} sums where one or two should be", "write population.measure, or [sum, sum]")
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
