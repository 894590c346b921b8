"""Exact values of KPIs at each branch of a tree, in the two quarters that it compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import pandas as pd

from ..errors import UsageError, nearest
from .counted import Counted, scale
from .definitions import Definition, Ref, definitions
from .groups import People, after_people
from .parts import Made, trees
from .populations import POPULATIONS

ADDITIVE = ("total", "yearly")  # formulas whose value for a whole is the sum over its members
Path = tuple[str, ...]


class Cells:
    """Exact values of KPIs at each branch, in the two quarters."""

    def __init__(self, counted: Counted, levels: Path, lag: int) -> None:
        self.counted, self.levels, self.known = counted, levels, definitions(counted.snapshot)
        self.made = trees(counted.snapshot, self.known)
        self.before, self.now = counted.quarters[-1] - lag, counted.quarters[-1]
        self.since = [self.before + i for i in range(1, lag + 1)]
        self.currency = counted.snapshot.currency
        self._sums: dict[str, dict[tuple[pd.Period, Path], dict[str, float]]] = {}
        self._shown: dict[str, dict[str, str]] = {}  # branch → under which name those below it are shown, where they are pooled

    def require_additive(self, id: str) -> None:
        if id not in self.known and id not in self.made:
            raise UsageError(f"unknown KPI {id!r}", "data/kpis.yml", nearest(id, [*self.known, *self.made]))
        if not self.is_additive(id):
            raise UsageError(f"{id} of a whole is not the sum of its branches", "id", "name a sum, such as bookings")

    def paths(self, id: str) -> list[Path]:
        """All branches that had cases of the KPI, the company first."""
        return sorted({(), *(path for quarter, path in self.sums(self.population(id)) if quarter >= self.before)})

    def population(self, id: str) -> str:
        return self.known[id].population if id in self.known else self.population(next(iter(self.made[id].parts)))

    def unit(self, id: str) -> str:
        if id not in self.known:
            return self.unit(next(iter(self.made[id].parts)))
        return self.known[id].unit.replace("money", self.currency)

    def n(self, id: str, path: Path, quarter: pd.Period) -> int:
        return int(self._sum((self.population(id), "all"), path, [quarter]) or 0)

    def value(self, id: str, path: Path, quarters: Sequence[pd.Period]) -> Fraction | None:
        """A KPI of a branch over some quarters; None where its denominator is 0, or its cases do not say."""
        if id in self.known:
            return self._by_formula(self.known[id], path, quarters)
        made = self.made[id]
        parts = {part: self.value(part, path, quarters) for part in made.parts}
        if any(value is None for value in parts.values()):
            return None
        return together(made, {part: value for part, value in parts.items() if value is not None})

    def sums(self, population: str) -> dict[tuple[pd.Period, Path], dict[str, float]]:
        """The sums of all measures by quarter and branch, at every depth, missing as `cases.added` has it; of whole numbers, so
        exact in any order."""
        if population not in self._sums:
            rows = self.counted.rows(population)
            names = [f"level {i}" for i in range(len(self.levels))]
            rows = rows.assign(**dict(zip(names, self._branches(population), strict=True)))
            measures, found = list(POPULATIONS[population].measures), {}
            for depth in range(len(names) + 1):
                keys = [rows[key] for key in ("quarter", *names[:depth])]
                total, silent = rows[measures].groupby(keys).sum(), rows[measures].isna().groupby(keys).any()
                for key, told in total.mask(silent & (total == 0)).to_dict("index").items():
                    quarter, path = (key[0], tuple(key[1:])) if depth else (key, ())
                    found[quarter, path] = told
            self._sums[population] = found
        return self._sums[population]

    def pool(self, population: str) -> None:
        """Count small branches together, by the people of this population; where its cases belong to nobody all are shown."""
        rows = self.counted.rows(population)
        for depth, by in enumerate(self.levels if "owner_id" in rows else ()):
            known = rows.assign(
                member=self._members(population, by), branch=_joined(self._branches(population, depth), len(rows))
            )
            known = known[known["quarter"].isin([self.before, self.now])].assign(figure=lambda own: own["quarter"])
            for branch, own in known.groupby("branch"):
                people = People(own)
                apart = after_people(self.counted.snapshot, by, people.number.index)
                self._shown[str(branch)] = people.pooled(f"other {by}s", apart=apart)

    def _branches(self, population: str, depth: int | None = None) -> list[np.ndarray]:
        """The branch of every case at each level, down to a depth."""
        found: list[np.ndarray] = []
        for by in self.levels[:depth]:
            own = self._members(population, by)
            if self._shown:
                above = zip(_joined(found, len(own)), own, strict=True)
                own = np.array([self._shown.get(branch, {}).get(name, f"other {by}s") for branch, name in above], object)
            found.append(own)
        return found

    def _members(self, population: str, by: str) -> np.ndarray:
        group, index = self.counted.groups(population, by)
        return np.asarray(index.get_level_values("member"), object)[group]

    def _sum(self, ref: Ref, path: Path, quarters: Sequence[pd.Period]) -> Fraction | None:
        found = self.sums(ref[0])
        told = [found[quarter, path][ref[1]] for quarter in quarters if (quarter, path) in found]
        known = [Fraction(value) for value in told if not np.isnan(value)]
        total = sum(known, Fraction(0))
        return None if len(known) < len(told) and not total else total / scale(*ref)

    def _by_formula(self, definition: Definition, path: Path, quarters: Sequence[pd.Period]) -> Fraction | None:
        told = {name: [self._sum(ref, path, quarters) for ref in refs] for name, refs in definition.inputs.items()}
        if definition.code == "ratio":
            part, whole = told["part"][0], told["whole"][0]
            return part / whole if whole and part is not None else None
        ((value,),) = told.values()
        return None if value is None else value * (12 if definition.code == "yearly" else 1)

    def is_additive(self, id: str) -> bool:
        if id in self.known:
            return self.known[id].code in ADDITIVE
        return self.made[id].kind == "sum" and all(self.is_additive(part) for part in self.made[id].parts)


def together(made: Made, parts: Mapping[str, Fraction]) -> Fraction:
    if made.kind == "sum":
        return sum((made.parts[part] * value for part, value in parts.items()), Fraction(0))
    product = made.times
    for value in parts.values():
        product *= value
    return product


def _joined(levels: list[np.ndarray], n: int) -> np.ndarray:
    """One name per case for its branch down to the last of these levels."""
    found = np.full(n, "", object)
    for own in levels:
        found = found + "\0" + own
    return found
