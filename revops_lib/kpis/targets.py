"""What KPIs and products are held against, `plans/targets.yml` and `plans/product_objectives.yml`, read strictly.

The shipped ones are the sample company's: another dataset has those that lie in `plans/` beside it, or none.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from .. import sources
from ..errors import nearest
from ..snapshot import Snapshot
from ..snapshot.plans import found_file, is_dated
from .definitions import ASSUMED, definitions

Dated = Mapping[dt.date, float]
HEAD = ("decided_by", "source", "currency")


@dataclass(frozen=True)
class Targets:
    """`kpis`: what each is held against; `assumptions`: such as the gross margin; both by the day from which they hold."""

    kpis: Mapping[str, Dated] = field(default_factory=dict)
    assumptions: Mapping[str, Dated] = field(default_factory=dict)


def targets(snapshot: Snapshot) -> Targets:
    """Targets and assumptions; none without a file. UsageError naming the line for a key, KPI or assumption that does not
    exist, a KPI that takes no target, what is no mapping of dates to quoted numbers, and a currency other than the
    company's."""
    if (file := _file(snapshot, "targets")) is None:
        return Targets()
    file.keys((), ("targets", *HEAD), ("assumptions", "kpis"))
    _require_currency(file, snapshot)
    known = definitions(snapshot)
    held = [id for id, one in known.items() if one.target != "none"]
    assumed = {ref[1] for one in known.values() for own in one.inputs.values() for ref in own if ref[0] == ASSUMED}
    return Targets(_section(file, "kpis", held, "KPI with a target"), _section(file, "assumptions", assumed, "assumption"))


def objectives(snapshot: Snapshot, day: dt.date) -> dict[str, float]:
    """What each product is to bring on a day; a product whose objective is 0, or begins later, has none. UsageError as for
    `targets`."""
    if (file := _file(snapshot, "product_objectives")) is None:
        return {}
    file.keys((), ("objectives", *HEAD, "products"))
    _require_currency(file, snapshot)
    told = {product: on(dated, day) for product, dated in _section(file, "products", None, "product").items()}
    return {product: amount for product, amount in told.items() if amount > 0}


def on(dated: Dated, day: dt.date) -> float:
    """The value in force on a day; missing before the first one.

    >>> on({dt.date(2026, 1, 1): 3.0, dt.date(2026, 7, 1): 4.0}, dt.date(2026, 6, 30)), on({}, dt.date(2026, 1, 1))
    (3.0, nan)
    """
    past = [begun for begun in dated if begun <= day]
    return dated[max(past)] if past else math.nan


def _file(snapshot: Snapshot, name: str) -> sources.Strict | None:
    path = found_file(snapshot, name)
    return None if path is None else sources.Strict(sources.read_yaml(path), sources.yaml_lines(path), f"plan {name}")


def _require_currency(file: sources.Strict, snapshot: Snapshot) -> None:
    """Figures are in the company's currency: what is stated in another cannot be held against them."""
    if (told := file.values["currency"]) != snapshot.currency:
        what = f"amounts in {told!r} cannot be held against figures in {snapshot.currency}"
        raise file.wrong(("currency",), what, f"state them in {snapshot.currency}, and write `currency: {snapshot.currency}`")


def _section(file: sources.Strict, section: str, known: Iterable[str] | None, what: str) -> dict[str, Dated]:
    """The values of a section by id and date; `known`: the ids there may be, without it any."""
    entries = file.values.get(section, {})
    if not isinstance(entries, dict):
        raise file.wrong((section,), f"{entries!r} stands where a {what} should", "write each as `id: {date: number}`")
    found: dict[str, Dated] = {}
    for id, told in entries.items():
        if known is not None and id not in known:
            raise file.wrong((section, id), f"unknown {what} {id!r}", nearest(str(id), known))
        if not isinstance(told, dict) or not is_dated(told):
            raise file.wrong((section, id), f"{id} is {told!r}", 'write it with the day it begins: {2026-01-01: "0.3"}')
        found[str(id)] = {day: _number(file, (section, id), value) for day, value in told.items()}
    return found


def _number(file: sources.Strict, at: sources.Way, told: object) -> float:
    try:
        if isinstance(told, str):
            return float(Fraction(told))
    except (ValueError, ZeroDivisionError):
        pass
    raise file.wrong(at, f"{told!r} is not a quoted number", 'write it like "0.3"')
