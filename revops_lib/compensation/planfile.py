"""Plan files: read strictly, so that nothing about pay is ever assumed.

A plan states every key; a part that it does not have is `none`. Numbers are quoted, because a bare YAML number has already
lost its exactness. Whatever is wrong is told with the line it stands on.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

from .. import money, periods, sources
from ..errors import DataRefused, UsageError
from ..snapshot import Snapshot
from ..snapshot.plans import changes, found_file, in_force, is_dated, plan_file, plan_names
from .draws import KINDS as DRAWS
from .draws import PERIODS, Draw
from .planparts import award, component, objectives
from .plans import MEASURES, PRORATIONS, SOURCES, Award, Component, Objectives, Plan, Quota
from .reading import Path, Reader

KEYS = ("plan", "title", "decided_by", "source", "applies_to", "currency", "credit_order", "rounding", "boundaries", "pay",
        "quota", "draw", "components")  # fmt: skip
TEXTS = ("title", "applies_to", "currency", "decided_by", "source")
WORDS = ("title", "decided_by", "source")
ORDER = ["event_date", "deal", "line"]
ROUNDING_POINT = "line"  # each line is a difference of two rounded sums, so that lines sum to what is paid
BOUNDARIES = "half_open"
Part = Component | Award | Objectives
KINDS: dict[str, Callable[[Reader, Path], Part]] = {"credits": component, "deals": award, "objectives": objectives}


def plan(snapshot: Snapshot, *, name: str = "account_executive", on: dt.date | None = None) -> Plan:
    """The plan file `name` with the values in force when the quarter began, or on a day; later looks at the quarter do not
    change them.

    UsageError naming the line for a key that is unknown or missing, a number that is not quoted, tiers with a gap or an
    overlap, a rule that is not known, another name than the file's; DataRefused when no value is in force yet.
    """
    file = plan_file(snapshot, name)
    values, lines = sources.read_yaml(file), sources.yaml_lines(file)
    found = read(values, lines, name, on=on or periods.first_day(snapshot.quarter))
    if values["plan"] != name:
        what = f"the file is called {name}, the plan in it {values['plan']}"
        raise UsageError(what, f"plan {name}, line {lines['plan',]}", "call both the same")
    return found


def plans(snapshot: Snapshot) -> list[Plan]:
    """Every plan of the company in force when the quarter began, by name: the files in `plans/` beside the data; where there is
    none, those of `data/plans/`. One that begins after the quarter is left out (`begins`).

    DataRefused when one begins within the quarter (there are no rates for the days before), or when two pay one role in one
    currency.
    """
    last = periods.last_day(snapshot.quarter)
    found = [plan(snapshot, name=name) for name, day in begins(snapshot).items() if day <= last]
    for one, other in combinations(found, 2):
        if (one.role, one.currency) == (other.role, other.currency):
            raise DataRefused(
                f"the plans {one.name} and {other.name} would both pay the role {one.role} in {one.currency}",
                f"data {snapshot.data}, plans",
                "keep one plan per role: make components of both, or take one away",
            )
    return found


def begins(snapshot: Snapshot) -> dict[str, dt.date]:
    """The first day of each plan of the company, by name: that on which all it states is in force."""
    return {name: _earliest(sources.read_yaml(plan_file(snapshot, name))) for name in plan_names(snapshot)}


def versions(snapshot: Snapshot, plan: Plan, first: dt.date, last: dt.date) -> list[tuple[dt.date, Plan]]:
    """The plan as in force through some days: from which day on, and what it says; the first one holds on the first day.

    Before the day from which every value of the file is dated there is no plan. A plan that is not the company's file as it
    stood when the quarter began (another version, a scenario) holds throughout.
    """
    file = found_file(snapshot, plan.name)
    values = {} if file is None else sources.read_yaml(file)
    if file is None or in_force(values, periods.first_day(snapshot.quarter), plan.name) != plan.values:
        return [(first, plan)]
    begin = max(first, _earliest(values))
    found: list[tuple[dt.date, Plan]] = []
    for day in sorted({begin, *(day for day in changes(values) if begin < day <= last)}):
        one = read(values, plan.lines, plan.name, on=day)
        if not found or found[-1][1].version != one.version:
            found.append((day, one))
    return found


def _earliest(values: Any) -> dt.date:
    """The first day on which every dated value of a file is in force."""
    if isinstance(values, dict) and is_dated(values):
        return min(values)
    parts = values.values() if isinstance(values, dict) else values if isinstance(values, list) else ()
    return max((_earliest(part) for part in parts), default=dt.date.min)


def read(values: Mapping[str, Any], lines: Mapping[Path, int], name: str, *, on: dt.date | None = None) -> Plan:
    """The plan that a file's `values` state, with the line of each; dated values as in force on a day, else the last ones."""
    return _plan(Reader(in_force(values, on, name), lines, name))


def _plan(file: Reader) -> Plan:
    file.keys((), KEYS)
    file.same(("credit_order",), ORDER)
    file.keys(("rounding",), ("mode", "point"))
    file.choice(("rounding", "mode"), money.ROUNDINGS)
    file.same(("rounding", "point"), ROUNDING_POINT)
    file.same(("boundaries",), BOUNDARIES)
    title, role, currency, decided, source = (file.text((key,)) for key in TEXTS)
    if currency not in money.CURRENCIES:
        raise file.wrong(("currency",), f"{currency!r} is no currency", "write its code, like EUR")
    base, variable = _pay(file, ("pay",))
    parts = _parts(file, variable)
    return Plan(
        file.name, title, role, currency, decided, source, base, variable, _quota(file, ("quota",), parts),
        tuple(part for part in parts if isinstance(part, Component)), tuple(part for part in parts if isinstance(part, Award)),
        tuple(part for part in parts if isinstance(part, Objectives)), _draw(file, ("draw",)), _version(file.values),
        file.values, file.lines,
    )  # fmt: skip


def _parts(file: Reader, variable: int | None) -> list[Part]:
    parts: list[Part] = []
    for at in file.places(("components",)):
        if not isinstance(file.at(at), dict) or "pays_on" not in file.at(at):
            file.keys(at, ("component", "pays_on"), ("what", *file.at(at)))
        parts.append(KINDS[file.choice((*at, "pays_on"), list(KINDS))](file, at))
        if not isinstance(parts[-1], Award) and parts[-1].weight is not None and variable is None:
            raise file.wrong((*at, "weight"), "a weight is a share of `pay.variable`, which is not stated", "state `pay`")
        if [part.name for part in parts].count(parts[-1].name) > 1:
            what = f"two components are called {parts[-1].name!r}"
            raise file.wrong((*at, "component"), what, "give each its own name")
        if isinstance(parts[-1], Objectives) and sum(isinstance(part, Objectives) for part in parts) > 1:
            raise file.wrong(at, "two components pay on objectives", "an objective would be paid twice: keep one")
    return parts


def _pay(file: Reader, at: Path) -> tuple[int | None, int | None]:
    if file.is_none(at):
        return None, None
    file.keys(at, ("base", "variable"))
    return file.cents((*at, "base")), file.cents((*at, "variable"))


def _quota(file: Reader, at: Path, parts: list[Part]) -> Quota:
    file.keys(at, ("from", "proration", "ramp"), ("annual", "weights"))
    source = file.choice((*at, "from"), SOURCES)
    file.keys(at, ("from", "proration", "ramp", *(("annual", "weights") if source == "plan" else ())))
    proration = file.choice((*at, "proration"), PRORATIONS)
    ramp = () if file.is_none((*at, "ramp")) else tuple(file.share(one) for one in file.places((*at, "ramp")))
    if source != "plan":
        return Quota(source, proration=proration, ramp=ramp)
    weights = tuple(file.positive(one) for one in file.places((*at, "weights")))
    if len(weights) != 4 or not sum(weights):
        raise file.wrong((*at, "weights"), f"{len(weights)} weights, or all of them 0", "write one for each quarter")
    annual = (*at, "annual")
    if not isinstance(file.at(annual), dict):
        return Quota(source, file.cents(annual), weights, proration, ramp)
    needed = dict.fromkeys(measure for part in parts if isinstance(part, Component) for measure, _ in part.measured)
    file.keys(annual, tuple(needed), MEASURES)
    stated = {measure: file.cents((*annual, measure)) for measure in file.at(annual)}
    if not stated:
        raise file.wrong(annual, "annual states no quota", "write an amount, or one for each measure")
    return Quota(source, stated[next(iter(needed or stated))], weights, proration, ramp, stated)


def _draw(file: Reader, at: Path) -> Draw | None:
    if file.is_none(at):
        return None
    file.keys(at, ("kind", "amount", "period", "first_recovery", "share", "limit", "months"))
    return Draw(
        file.choice((*at, "kind"), DRAWS), file.cents((*at, "amount")), file.whole((*at, "first_recovery"), least=1),
        file.share((*at, "share")), None if file.is_none((*at, "limit")) else file.cents((*at, "limit")),
        file.choice((*at, "period"), PERIODS), None if file.is_none((*at, "months")) else file.whole((*at, "months"), least=1),
    )  # fmt: skip


def _version(values: Mapping[str, Any]) -> str:
    """A digest of all values but the words that no pay follows from."""
    parts = [{key: value for key, value in part.items() if key != "what"} for part in values["components"]]
    paying = {**{key: value for key, value in values.items() if key not in WORDS}, "components": parts}
    told = json.dumps(paying, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(told.encode("utf-8")).hexdigest()[:12]
