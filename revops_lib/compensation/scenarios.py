"""What-if plans: a few values of a plan changed, everything else as it is.

A scenario is a file of `plans/scenarios/`: the `plan` it changes, a `title`, and under `set` what it changes, by the keys that
lead there. Components go by their names, other lists are counted from 1:

    plan: account_executive
    title: A steeper accelerator
    set:
      components.bookings.tiers.2.rate: "0.12"
      components.bookings.cap: {kind: hard, amount: "50000", share_above: "0"}
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .. import periods, sources
from ..errors import UsageError, nearest
from ..snapshot import Snapshot
from ..snapshot.plans import in_force, plan_file
from . import planfile
from .plans import Plan
from .reading import Path

KEYS = ("plan", "title", "set")


def scenario(snapshot: Snapshot, *, name: str) -> Plan:
    """The plan that the scenario file `name` makes of its plan as in force when the quarter began. Raises as `patched`."""
    file = plan_file(snapshot, f"scenarios/{name}")
    first = periods.first_day(snapshot.quarter)
    patch, lines = in_force(sources.read_yaml(file), first, name), sources.yaml_lines(file)
    _require_keys(patch, lines, name)
    return patched(planfile.plan(snapshot, name=patch["plan"]), patch, lines=lines, name=name)


def patched(plan: Plan, patch: Mapping[str, Any], *, lines: Mapping[Path, int] | None = None, name: str = "scenario") -> Plan:
    """A plan with the values of a scenario, read as strictly as a plan file.

    UsageError naming the line for a key of the scenario that is not known, one that leads to nothing in the plan, or a value
    that the plan cannot have. `lines` of the result are the scenario's where it changed something.
    """
    told = dict(lines or {})
    _require_keys(patch, told, name)
    if patch["plan"] != plan.name:
        raise _wrong(f"it changes plan {patch['plan']}, not {plan.name}", told, ("plan",), name, "take the plan it names")
    values, changed = copy.deepcopy(dict(plan.values)), {}
    for keys, value in patch["set"].items():
        at = _place(values, str(keys), told, name)
        _parent(values, at)[at[-1]] = copy.deepcopy(value)
        changed[at] = told.get(("set", str(keys)), 0)
    values["title"] = patch["title"]
    where = {at: line for at, line in (dict(plan.lines) | changed).items() if line}
    found = planfile.read(values, where, f"{plan.name} in scenario {name}")
    return replace(found, name=plan.name)


def _require_keys(patch: Mapping[str, Any], lines: Mapping[Path, int], name: str) -> None:
    for key in patch:
        if key not in KEYS:
            raise _wrong(f"unknown key {key!r}", lines, (key,), name, nearest(str(key), KEYS))
    for key in KEYS:
        if key not in patch:
            raise _wrong(f"key {key!r} is missing", lines, (), name, "a scenario states plan, title and set")
    if not isinstance(patch["set"], dict) or not patch["set"]:
        raise _wrong("it sets nothing", lines, ("set",), name, 'write what it changes, like components.bookings.cap: "none"')


def _place(values: Any, keys: str, lines: Mapping[Path, int], name: str) -> Path:
    """The path of a value that the plan has; components by name, other lists counted from 1."""
    at: list[str | int] = []
    node = values
    for step in keys.split("."):
        if isinstance(node, list):
            known = {str(part["component"]): i for i, part in enumerate(node) if at == ["components"]}
            known = known or {str(i + 1): i for i in range(len(node))}
        else:
            known = {key: key for key in node} if isinstance(node, dict) else {}
        if step not in known:
            what = f"{keys} leads to nothing in the plan: there is no {step!r}"
            raise _wrong(what, lines, ("set", keys), name, nearest(step, known) if known else "end the key before it")
        at.append(known[step])
        node = node[known[step]]
    return tuple(at)


def _parent(values: Any, at: Path) -> Any:
    for step in at[:-1]:
        values = values[step]
    return values


def _wrong(what: str, lines: Mapping[Path, int], at: Path, name: str, do: str) -> UsageError:
    return UsageError(what, f"scenario {name}" + (f", line {lines[at]}" if at in lines else ""), do)
