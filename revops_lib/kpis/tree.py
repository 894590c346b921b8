"""A KPI from the company down to its branches, and at every branch the KPIs it is made of: where it moved, and by what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property

import numpy as np
import pandas as pd

from .. import money
from ..errors import UsageError, nearest
from ..shapley import shapley, whole_cents
from ..snapshot import Snapshot
from .counted import Counted, scale
from .definitions import Definition, Ref, definitions
from .parts import OPENING, REST, Made, trees
from .populations import POPULATIONS

AGAINST = {"quarter": 1, "year": 4}  # how many quarters before
ADDITIVE = ("total", "yearly")  # formulas whose value for a whole is the sum over its members
COLUMNS = ["path", "level", "member", "kpi", "of", "unit", "value", "n", "before", "n_before", "change", "part",
           "share_of_change", "is_complete"]  # fmt: skip
Path = tuple[str, ...]


def tree(
    snapshot: Snapshot, *, id: str = "bookings", levels: Sequence[str] = ("region", "team"), against: str = "year"
) -> pd.DataFrame:
    """The snapshot's quarter against the one before (`quarter`) or that of the year before (`year`), from the company down
    through `levels` (columns of deals, accounts, products or owners): one row per branch, and below each branch one per KPI
    it is made of (data/kpi_trees.yml); siblings by how much they moved.

    A product's change is split by Shapley values, a sum's by its parts, in exact fractions. Columns: path, level, member, kpi,
    of (the KPI it is a part of; empty: the branch itself), unit, value, n (cases), before, n_before, change (of this KPI), part
    (what it adds to the change of `id` here: exact, hundredths; equal to the change for a branch), share_of_change (of the
    company's), is_complete (both quarters are whole). Branches add up to the one above them, and parts to what they are part
    of, to the cent; the part of a rate does not add up over branches, for above them it holds their mix, too. What one quarter
    cannot tell, such as a win rate where nothing closed, is missing, and its part is 0. `opening` is the value in the quarter
    compared with; movements are then those since. UsageError for an unknown KPI or one that does not add up over branches,
    such as a rate; DataRefused as `kpi` does.

    >>> found = tree(Snapshot("data/sample", quarter="2026Q3"), levels=["region"], against="quarter")
    >>> company = found[found["level"] == "company"].set_index("kpi")["part"]
    >>> company["bookings"] == company["deals_closed"] + company["win_rate"] + company["average_deal"]
    True
    """
    if against not in AGAINST:
        raise UsageError(f"unknown comparison {against!r}", "against", nearest(against, AGAINST))
    cells = _Cells(snapshot, tuple(levels), AGAINST[against])
    cells.require_additive(id)
    rows = [row for path in cells.paths(id) for row in _branch(cells, id, path)]
    found = pd.DataFrame(rows, columns=["names", *COLUMNS[1:-2]])
    part = found["part"].astype("float64")
    company = part.iloc[0]
    found["share_of_change"] = part / company if company else np.nan
    found["is_complete"] = all(cells.counted.is_whole[quarter] for quarter in (cells.now, cells.before))
    found["path"] = [" / ".join(["company", *names]) for names in found["names"]]
    found["part"] = money.from_cents(found["part"].astype("Int64"))
    return _ordered(found)[COLUMNS]


class _Cells:
    """Exact values of KPIs at each branch, in the two quarters."""

    def __init__(self, snapshot: Snapshot, levels: Path, lag: int) -> None:
        self.levels, self.known = levels, definitions(snapshot)
        self.made = trees(snapshot, self.known)
        self.counted = Counted(snapshot, snapshot.quarter, lag + 1)
        self.before, self.now = self.counted.quarters[0], self.counted.quarters[-1]
        self.currency = snapshot.currency
        self._sums: dict[str, dict[tuple[pd.Period, Path], dict[str, float]]] = {}

    def require_additive(self, id: str) -> None:
        if id not in self.known and id not in self.made:
            raise UsageError(f"unknown KPI {id!r}", "data/kpis.yml", nearest(id, [*self.known, *self.made]))
        if not self._is_additive(id):
            raise UsageError(f"{id} of a whole is not the sum of its branches", "id", "name a sum, such as bookings")

    def paths(self, id: str) -> list[Path]:
        """All branches that had cases of the KPI, the company first."""
        return sorted({(), *(path for _, path in self.sums(self.population(id)))})

    def population(self, id: str) -> str:
        return self.known[id].population if id in self.known else self.population(next(iter(self.made[id].parts)))

    def unit(self, id: str) -> str:
        if id not in self.known:
            return self.unit(next(iter(self.made[id].parts)))
        return self.known[id].unit.replace("money", self.currency)

    def n(self, id: str, path: Path, quarter: pd.Period) -> int:
        return int(self._sum((self.population(id), "all"), path, [quarter]))

    @cached_property
    def since(self) -> list[pd.Period]:
        return self.counted.quarters[1:]

    def value(self, id: str, path: Path, quarters: Sequence[pd.Period]) -> Fraction | None:
        """A KPI of a branch over some quarters; None where its denominator is 0."""
        if id in self.known:
            return self._by_formula(self.known[id], path, quarters)
        made = self.made[id]
        parts = {part: self.value(part, path, quarters) for part in made.parts}
        if any(value is None for value in parts.values()):
            return None
        return _together(made, {part: value for part, value in parts.items() if value is not None})

    def sums(self, population: str) -> dict[tuple[pd.Period, Path], dict[str, float]]:
        """The sums of all measures by quarter and branch, at every depth; of whole numbers, so exact in any order."""
        if population not in self._sums:
            rows = self.counted.rows(population)
            names = [f"level {i}" for i in range(len(self.levels))]
            for name, by in zip(names, self.levels, strict=True):
                group, index = self.counted.groups(population, by)
                rows = rows.assign(**{name: index.get_level_values("member").to_numpy()[group]})
            measures, found = list(POPULATIONS[population].measures), {}
            for depth in range(len(names) + 1):
                for key, total in rows.groupby(["quarter", *names[:depth]])[measures].sum().to_dict("index").items():
                    quarter, path = (key[0], tuple(key[1:])) if depth else (key, ())
                    found[quarter, path] = total
            self._sums[population] = found
        return self._sums[population]

    def _sum(self, ref: Ref, path: Path, quarters: Sequence[pd.Period]) -> Fraction:
        found = self.sums(ref[0])
        told = sum((Fraction(found[quarter, path][ref[1]]) for quarter in quarters if (quarter, path) in found), Fraction(0))
        return told / scale(*ref)

    def _by_formula(self, definition: Definition, path: Path, quarters: Sequence[pd.Period]) -> Fraction | None:
        told = {name: [self._sum(ref, path, quarters) for ref in refs] for name, refs in definition.inputs.items()}
        if definition.code == "ratio":
            whole = told["whole"][0]
            return told["part"][0] / whole if whole else None
        (value,) = told.values()
        return value[0] * (12 if definition.code == "yearly" else 1)

    def _is_additive(self, id: str) -> bool:
        if id in self.known:
            return self.known[id].code in ADDITIVE
        return self.made[id].kind == "sum" and all(self._is_additive(part) for part in self.made[id].parts)


def _branch(cells: _Cells, id: str, path: Path) -> Iterator[list]:
    """The row of a branch, then those of what the KPI is made of there."""
    before, now = _both(cells, id, path)
    part = money.round_half_up((now - before) * 100)
    level, member = (cells.levels[len(path) - 1], path[-1]) if path else ("company", "company")
    yield [path, level, member, id, "", *_shown(cells, id, path, before, now), part]
    for row in _made_of(cells, id, path, Fraction(1), part):
        yield [path, level, member, *row]


def _made_of(cells: _Cells, id: str, path: Path, weight: Fraction, total: int) -> Iterator[list]:
    """What a KPI is made of, each followed by what it is made of in turn. `weight`: what one more of this KPI adds to the
    branch; `total`: the hundredths that its change adds, which its parts share."""
    if id not in cells.made:
        return
    made = cells.made[id]
    before, now = _of_parts(cells, id, made, path)
    weights = _weights(made, before, now)
    parts = {part: weight * weights[part] * (now[part] - before[part]) for part in before}
    hundredths = dict(zip(parts, whole_cents([100 * part for part in parts.values()], total), strict=True))
    for part in parts:
        yield [part, id, *_shown(cells, id if part in (OPENING, REST) else part, path, before[part], now[part], part),
               hundredths[part]]  # fmt: skip
        if part not in (OPENING, REST):
            yield from _made_of(cells, part, path, weight * weights[part], hundredths[part])


def _of_parts(cells: _Cells, id: str, made: Made, path: Path) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """The parts of a KPI in both quarters, and the rest that they leave where they leave one."""
    before, now = {}, {}
    for part in made.parts:
        if part == OPENING:
            before[part] = now[part] = _both(cells, id, path)[0]
        elif OPENING in made.parts:
            before[part], now[part] = Fraction(0), cells.value(part, path, cells.since) or Fraction(0)
        else:
            before[part], now[part] = _both(cells, part, path)
    if id in cells.known:
        whole = _both(cells, id, path)
        rest = [_rest(made, value, parts, id) for value, parts in zip(whole, (before, now), strict=True)]
        if rest != [1, 1] if made.kind == "product" else rest != [0, 0]:
            before[REST], now[REST] = rest
    return before, now


def _both(cells: _Cells, id: str, path: Path) -> tuple[Fraction, Fraction]:
    """A KPI in both quarters; what one of them cannot tell is taken from the other."""
    before, now = cells.value(id, path, [cells.before]), cells.value(id, path, [cells.now])
    known = [value for value in (before, now) if value is not None] or [Fraction(0)]
    return (known[0] if before is None else before), (known[-1] if now is None else now)


def _together(made: Made, parts: Mapping[str, Fraction]) -> Fraction:
    if made.kind == "sum":
        return sum((made.parts[part] * value for part, value in parts.items()), Fraction(0))
    product = made.times
    for value in parts.values():
        product *= value
    return product


def _rest(made: Made, value: Fraction, parts: Mapping[str, Fraction], id: str) -> Fraction:
    together = _together(made, parts)
    if made.kind == "sum":
        return value - together
    if not together and value:
        raise UsageError(f"{id} is not the product of {', '.join(parts)}", "data/kpi_trees.yml", "name what it is made of")
    return value / together if together else Fraction(1)


def _weights(made: Made, before: Mapping[str, Fraction], now: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """What one more of each part adds to the whole; a part's Shapley value is this times its change."""
    if made.kind == "sum":
        return {part: Fraction(made.parts.get(part, 1)) for part in before}
    return {part: made.times * shapley(before, {**now, part: before[part] + 1})[part] for part in before}


def _shown(cells: _Cells, id: str, path: Path, before: Fraction, now: Fraction, part: str = "") -> list:
    """unit, value, n, before, n_before, change of a row; missing what a quarter cannot tell."""
    unit = "ratio" if part == REST and cells.made[id].kind == "product" else cells.unit(id)
    n, n_before = (cells.n(id, path, quarter) for quarter in (cells.now, cells.before))
    value, was = (np.nan if cells.value(id, path, [quarter]) is None else float(told)
                  for quarter, told in ((cells.now, now), (cells.before, before)))  # fmt: skip
    return [unit, value, n, was, n_before, float(now - before) if value == value and was == was else np.nan]


def _ordered(found: pd.DataFrame) -> pd.DataFrame:
    """Branches below the one they belong to, those that moved most first, each followed by its parts."""
    moved = found[found["of"] == ""].set_index("names")["part"].astype("float64").abs().to_dict()
    keys = [tuple((-moved[names[: depth + 1]], names[depth]) for depth in range(len(names))) for names in found["names"]]
    order = sorted(range(len(found)), key=lambda i: keys[i])  # stable: parts stay behind their branch
    return found.iloc[order].reset_index(drop=True)
