"""Cases of each population over some quarters, counted once for all KPIs and groups."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from .. import periods
from ..errors import DataRefused, UsageError
from ..snapshot import Snapshot
from .definitions import Definition
from .populations import POPULATIONS


class Counted:
    """The quarters up to `last` (the snapshot's), `n_quarters` of them, the oldest first; without a number as many as the board
    pack needs. Handed to several functions, it counts once for all of them."""

    def __init__(self, snapshot: Snapshot, last: pd.Period | None = None, n_quarters: int = 12) -> None:
        last = snapshot.quarter if last is None else last
        self.snapshot, self.quarters = snapshot, [last - i for i in reversed(range(n_quarters))]
        self.values: dict[tuple[str, str | None, float], pd.DataFrame] = {}  # KPI, group, level: what `values.table` found
        self._rows: dict[str, pd.DataFrame] = {}
        self._groups: dict[tuple[str, str | None], tuple[np.ndarray, pd.MultiIndex]] = {}

    def rows(self, population: str) -> pd.DataFrame:
        if population not in self._rows:
            self._rows[population] = POPULATIONS[population].rows(self.snapshot, self.quarters)
        return self._rows[population]

    def groups(self, population: str, by: str | None) -> tuple[np.ndarray, pd.MultiIndex]:
        """The group of every case, and what the groups are: quarter and member, in order."""
        if (population, by) not in self._groups:
            rows = self.rows(population)
            code, names = (np.zeros(len(rows), int), ["company"]) if by is None else self._members(rows, population, by)
            place = rows["quarter"].astype("int64").to_numpy()
            found, group = np.unique(place * len(names) + code, return_inverse=True) if len(rows) else (np.empty(0, int), code)
            at, which = np.divmod(found, max(len(names), 1))
            index = pd.MultiIndex.from_arrays(
                [pd.PeriodIndex.from_ordinals(at, freq=self.quarters[0].freq), np.asarray(names, object)[which]],
                names=["quarter", "member"],
            )
            self._groups[population, by] = group, index
        return self._groups[population, by]

    def sums(self, population: str, measure: str, by: str | None) -> pd.Series:
        """The sum of a measure per group; money in units of currency."""
        group, index = self.groups(population, by)
        total = np.bincount(group, self.rows(population)[measure].to_numpy(), minlength=len(index))
        return pd.Series(total / scale(population, measure), index=index)

    def columns(self, definition: Definition, by: str | None) -> Iterator[dict[str, np.ndarray]]:
        """What a KPI takes of the cases of each group."""
        rows = self.rows(definition.population)
        taken = {name: rows[refs[0][1]].to_numpy() / scale(*refs[0]) for name, refs in definition.inputs.items()}
        for places in self.places(definition.population, by):
            yield {name: values[places] for name, values in taken.items()}

    def places(self, population: str, by: str | None) -> Iterator[np.ndarray]:
        """The rows of each group."""
        group, index = self.groups(population, by)
        order = np.argsort(group, kind="stable")
        for begin, end in pairwise(np.searchsorted(group[order], np.arange(len(index) + 1))):
            yield order[begin:end]

    def _members(self, rows: pd.DataFrame, population: str, by: str) -> tuple[np.ndarray, np.ndarray]:
        try:
            member = self.snapshot.members(rows, by)
        except UsageError as failure:
            raise DataRefused(f"{POPULATIONS[population].what} cannot be told apart by {by}", "by", failure.do) from failure
        code, names = pd.factorize(member, sort=True)
        return code, np.asarray(names, object)

    def target(self, definition: Definition, quarter: pd.Period) -> float:
        """What a KPI is held against in a quarter; missing without a target."""
        plan = self._plans[quarter] if definition.target == "plan" else None
        found = plan["kpis"].get(definition.id) if plan else None
        return float("nan") if found is None else float(Fraction(found))

    def assumed(self, name: str, quarters: pd.Index) -> np.ndarray:
        """An assumption, such as the gross margin, as in force in each quarter; missing before the first one."""
        plans = (self._plans[quarter] for quarter in quarters)
        return np.array([float(Fraction(plan["assumptions"][name])) if plan else float("nan") for plan in plans])

    @cached_property
    def _plans(self) -> dict[pd.Period, dict[str, Any] | None]:
        """Targets and assumptions (data/plans/targets.yml) in force when each quarter began; None before there were any."""
        return {quarter: self._plan(quarter) for quarter in self.quarters}

    def _plan(self, quarter: pd.Period) -> dict[str, Any] | None:
        try:
            return self.snapshot.plan("targets", on=periods.first_day(quarter))
        except DataRefused:
            return None

    @cached_property
    def is_whole(self) -> dict[pd.Period, bool]:
        """Whether all of a quarter is in the data, and over."""
        first = self.snapshot.first_complete_quarter
        return {q: periods.last_day(q) <= self.snapshot.as_of and (first is None or q >= first) for q in self.quarters}


def scale(population: str, measure: str) -> int:
    """What a sum of a measure is divided by: money is in cents."""
    return 100 if measure in POPULATIONS[population].money else 1
