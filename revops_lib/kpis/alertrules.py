"""The rules of `data/plans/alerts.yml`, read strictly: when a KPI calls, whom, and to do what."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .. import periods, sources
from ..errors import DataRefused
from ..snapshot import Snapshot
from ..snapshot.plans import ROOT, found_file, in_force
from .definitions import definitions

PLAN = "alerts"
TOP = ("alerts", "decided_by", "source", "level", "least_cases", "rules")
KEYS = ("id", "kpi", "by", "when", "bound", "severity", "owner", "effort", "action")
WHEN = ("below", "above", "moved")
SEVERITIES = ("high", "medium", "low")  # in the order in which they are told
EFFORTS = ("S", "M", "L")  # of the action: days, weeks, a quarter or more
PERSONS = ("owner_id", "manager_id", "rep_id")  # columns whose groups are one person
NONE, TARGET = "none", "target"
SHIPPED = ROOT / "data" / "plans" / f"{PLAN}.yml"
LATER = object()


@dataclass(frozen=True)
class Rule:
    """`by`: None for the company; `bound`: None where the KPI's own past or its target is the measure."""

    id: str
    kpi: str
    by: str | None
    when: str
    bound: float | None
    severity: str
    owner: str
    effort: str
    action: str


@dataclass(frozen=True)
class Rules:
    """`level`: of all moved rules together; `least_cases`: a group with fewer is not judged."""

    level: float
    least_cases: int
    rules: tuple[Rule, ...]


def read(snapshot: Snapshot) -> Rules:
    """The rules in force when the snapshot's quarter began, without those whose values are all dated later. A company that has
    written none has the shipped ones that ask for no decision of its own: a KPI of it against its own past. UsageError naming
    the line for a key, KPI, word or number that does not exist, a key left out, a column that names one person, an id given
    twice, or two rules that ask the same."""
    own = found_file(snapshot, PLAN)
    path = SHIPPED if own is None else own
    file = _File(_in_force(sources.read_yaml(path), snapshot), sources.yaml_lines(path), f"plan {PLAN}")
    file.keys((), TOP)
    level, least = file.number(("level",)), file.number(("least_cases",))
    if not 0 < level < 1:
        raise file.wrong(("level",), f"the level is {float(level):g}", 'write a number between 0 and 1, like "0.9"')
    if least < 1 or least.denominator != 1:
        raise file.wrong(("least_cases",), f"the least number of cases is {float(least):g}", 'write one like "20"')
    entries = file.values["rules"]
    if not isinstance(entries, list):
        raise file.wrong(("rules",), "no list of rules", "write `- id: …` below `rules:`")
    known, found = [*definitions(snapshot)], []
    for place, entry in enumerate(entries):
        if entry is LATER or (own is None and (entry["when"] != "moved" or entry["kpi"] not in known)):
            continue
        found.append(_rule(file, ("rules", place), known))
        for other in found[:-1]:
            if other.id == found[-1].id:
                raise file.wrong(("rules", place), f"two rules are called {other.id!r}", "give each its own id")
            if (other.kpi, other.by, other.when) == (found[-1].kpi, found[-1].by, found[-1].when):
                raise file.wrong(("rules", place), f"{found[-1].id} asks what {other.id} asks", "keep one of them")
    return Rules(float(level), int(least), tuple(found))


def _in_force(values: dict[str, Any], snapshot: Snapshot) -> dict[str, Any]:
    """What the file says when the quarter began; `LATER` in the place of a rule that has no value yet."""
    day = periods.first_day(snapshot.quarter)
    found = in_force({key: value for key, value in values.items() if key != "rules"}, day, PLAN)
    if isinstance(rules := values.get("rules"), list):
        rules = [_rule_on(day, rule) for rule in rules]
    return {**found, "rules": rules} if "rules" in values else found


def _rule_on(day: dt.date, rule: Any) -> Any:
    try:
        return in_force(rule, day, PLAN)
    except DataRefused:
        return LATER


class _File(sources.Strict):
    """The values of the plan and the lines they stand on."""

    def text(self, where: sources.Way) -> str:
        found = self.at(where)
        if not isinstance(found, str) or not found.strip():
            raise self.wrong(where, f"{where[-1]} is {found!r}", "write a text")
        return found.strip()

    def number(self, where: sources.Way) -> Fraction:
        found = self.at(where)
        if not isinstance(found, str):
            raise self.wrong(where, f"{found!r} is a bare number", f'quote it: "{found}"')
        try:
            return Fraction(found)
        except (ValueError, ZeroDivisionError):
            raise self.wrong(where, f"{found!r} is not a number", 'write it like "0.3"') from None


def _rule(file: _File, at: sources.Way, known: list[str]) -> Rule:
    file.keys(at, KEYS)
    by, when = file.text((*at, "by")), file.word((*at, "when"), WHEN, "condition")
    if by in PERSONS:
        raise file.wrong((*at, "by"), f"the groups of {by} are single persons", "name a larger group, or none")
    return Rule(
        file.text((*at, "id")), file.word((*at, "kpi"), known, "KPI"), None if by == NONE else by, when,
        _bound(file, at, by, when), file.word((*at, "severity"), SEVERITIES, "severity"), file.text((*at, "owner")),
        file.word((*at, "effort"), EFFORTS, "effort"), file.text((*at, "action")),
    )  # fmt: skip


def _bound(file: _File, at: sources.Way, by: str, when: str) -> float | None:
    told = file.at((*at, "bound"))
    if (told == NONE) != (when == "moved"):
        do = "write `bound: none`: it is measured by its own past" if when == "moved" else "write a number, or target"
        raise file.wrong((*at, "bound"), f"the bound is {told!r} and the condition {when}", do)
    if told == TARGET and by != NONE:
        raise file.wrong((*at, "bound"), f"targets are the company's, and the rule is by {by}", "write a number as bound")
    return None if told in (NONE, TARGET) else float(file.number((*at, "bound")))
