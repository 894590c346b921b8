"""Which KPI is made of which, `data/kpi_trees.yml`, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .. import sources
from ..errors import nearest
from ..snapshot import Snapshot
from .definitions import ASSUMED, Definition

FILE = "data/kpi_trees.yml"
OPENING, REST = "opening", "rest"
KINDS = ("product", "sum")
EXACT = ("total", "ratio", "yearly")  # formulas of sums that fractions compute exactly


@dataclass(frozen=True)
class Made:
    """How a KPI is made: of its parts → their sign, and in a product the number it is multiplied by."""

    kind: str
    parts: dict[str, int]
    times: Fraction = Fraction(1)


def trees(snapshot: Snapshot, known: Mapping[str, Definition]) -> dict[str, Made]:
    """What each KPI is made of, of the `known` ones. UsageError naming the line for a key, kind or id that does not exist, a
    part whose formula is no sum and no ratio of sums, and a KPI that is a part of itself, however far below."""
    file = sources.Strict(*snapshot.dictionary("kpi_trees"), FILE)
    entries = file.values.get("trees")
    if not isinstance(entries, dict) or not entries:
        raise file.wrong((), "no trees", "write `trees:` and what each KPI is made of below it")
    found = {id: _made(id, entry, file, {*entries}, known) for id, entry in entries.items()}
    for id in found:
        _refuse_circle([id], found, file)
    return found


def _made(id: str, entry: Any, file: sources.Strict, made: set[str], known: Mapping[str, Definition]) -> Made:
    if not isinstance(entry, dict) or not isinstance(entry.get("of"), list) or not entry["of"]:
        raise file.wrong(("trees", id), f"what {id} is made of is missing", "write {is: product, of: [ids]}")
    for key in entry:
        if key not in ("is", "of", "minus"):
            raise file.wrong(("trees", id, key), f"unknown key {key!r}", nearest(str(key), ("is", "of", "minus")))
    kind = entry.get("is")
    if kind not in KINDS:
        raise file.wrong(("trees", id, "is"), f"{id} is {kind!r}", nearest(str(kind), KINDS))
    parts, times = {}, Fraction(1)
    for key, sign in (("of", 1), ("minus", -1)):
        for place, part in enumerate(entry.get(key, [])):
            if kind == "product" and key == "of" and isinstance(part, int):
                times *= part
                continue
            _require_part(part, kind, file, ("trees", id, key, place), made, known)
            if part in parts or (kind == "product" and sign < 0):
                raise file.wrong(("trees", id, key, place), f"{part} cannot be taken here", "name each part once, in `of`")
            parts[part] = sign
    if not parts:
        raise file.wrong(("trees", id), f"{id} is made of no KPI", "write {is: product, of: [ids]}")
    return Made(kind, parts, times)


def _require_part(
    part: Any, kind: str, file: sources.Strict, at: sources.Way, made: set[str], known: Mapping[str, Definition]
) -> None:
    if part == OPENING and kind == "sum":
        return
    if not isinstance(part, str) or (part not in known and part not in made):
        raise file.wrong(at, f"unknown KPI {part!r}", nearest(str(part), [*known, *made]))
    if part in known and not is_exact(known[part]):
        raise file.wrong(at, f"{part} is neither a sum nor a ratio of sums", "name a KPI that is")


def is_exact(definition: Definition) -> bool:
    refs = [ref for own in definition.inputs.values() for ref in own]
    return definition.code in EXACT and all(population != ASSUMED for population, _ in refs)


def _refuse_circle(way: list[str], made: Mapping[str, Made], file: sources.Strict) -> None:
    for part in made[way[-1]].parts:
        if part in way:
            circle = " → ".join([*way[way.index(part) :], part])
            raise file.wrong(("trees", way[-1]), f"{part} is a part of itself: {circle}", "take one of the steps out")
        if part in made:
            _refuse_circle([*way, part], made, file)
