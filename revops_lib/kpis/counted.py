"""Cases of each population over some quarters, counted once for all KPIs and groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd

from .. import periods
from ..errors import DataRefused, UsageError
from ..snapshot import Snapshot
from . import cases
from .definitions import Definition
from .populations import POPULATIONS
from .targets import Targets, on, targets

GRACE = pd.Timedelta(days=14)  # a quarter that began no longer before its first case is whole
Keys = Sequence[str]


class Counted:
    """The quarters up to `last` (the snapshot's), `n_quarters` of them, the oldest first; without a number as many as the board
    pack needs. Handed to several functions, it counts once for all of them."""

    def __init__(self, snapshot: Snapshot, last: pd.Period | None = None, n_quarters: int = 12) -> None:
        last = snapshot.quarter if last is None else last
        self.snapshot, self.quarters = snapshot, [last - i for i in reversed(range(n_quarters))]
        self.values: dict[tuple[str, str | None, float], pd.DataFrame] = {}  # KPI, group, level: what `values.table` found
        self._rows: dict[str, pd.DataFrame] = {}
        self._groups: dict[tuple[str, str | None, Keys], tuple[np.ndarray, pd.MultiIndex]] = {}
        self._since: dict[str, pd.Timestamp] = {}
        self._there: dict[str, list[pd.Period]] = {}

    def rows(self, population: str) -> pd.DataFrame:
        if population not in self._rows:
            self._rows[population] = POPULATIONS[population].rows(self.snapshot, self.quarters)
        return self._rows[population]

    def groups(self, population: str, by: str | None, keys: Keys = cases.GROUPS) -> tuple[np.ndarray, pd.MultiIndex]:
        """The group of every case, and what the groups are that have any: quarter and member, in order. `keys`: by which of the
        case's columns its group is found."""
        rows = self.rows(population)
        asked = population, by, tuple(key for key in keys if key in rows)
        if asked not in self._groups:
            own = rows[list(asked[2])]
            code, names = (np.zeros(len(rows), int), ["company"]) if by is None else self._members(own, population, by)
            place = rows["quarter"].astype("int64").to_numpy()
            found, group = np.unique(place * len(names) + code, return_inverse=True) if len(rows) else (np.empty(0, int), code)
            at, which = np.divmod(found, max(len(names), 1))
            index = pd.MultiIndex.from_arrays(
                [pd.PeriodIndex.from_ordinals(at, freq=self.quarters[0].freq), np.asarray(names, object)[which]],
                names=["quarter", "member"],
            )
            self._groups[asked] = group, index
        return self._groups[asked]

    def keys(self, definition: Definition) -> list[str]:
        """The columns that the cases of all populations of a KPI have: by these its groups are found, the same for all."""
        columns = [self.rows(population).columns for population in definition.populations]
        return [key for key in cases.GROUPS if all(key in own for own in columns)]

    def index(self, definition: Definition, by: str | None) -> pd.MultiIndex:
        """Quarters and members of a KPI: the quarters in which its cases are there, if only as none; all members that any of
        its populations has in any quarter."""
        keys = self.keys(definition)
        found = [self.groups(population, by, keys)[1] for population in definition.populations]
        quarters = sorted({*found[0].get_level_values("quarter"), *self.there(definition.population)})
        members = sorted({member for index in found for member in index.get_level_values("member")}) if by else ["company"]
        return pd.MultiIndex.from_product(
            [pd.PeriodIndex(quarters, freq=self.quarters[0].freq), members], names=["quarter", "member"]
        )

    def there(self, population: str) -> list[pd.Period]:
        """The quarters, up to the running one, in which a population's cases are counted: no case means none."""
        if population not in self._there:
            begun, today = self.since(population), self.snapshot.as_of
            self._there[population] = [q for q in self.quarters if periods.first_day(q) <= today and q.end_time >= begun]
        return self._there[population]

    def since(self, population: str) -> pd.Timestamp:
        """The day from which a population's cases are all there."""
        if population not in self._since:
            self._since[population] = POPULATIONS[population].since(self.snapshot)
        return self._since[population]

    def sums(self, population: str, measure: str, by: str | None, keys: Keys = cases.GROUPS) -> pd.Series:
        """The sum of a measure per group, missing where it is not known; money in units of currency."""
        group, index = self.groups(population, by, keys)
        total = cases.added(self.rows(population)[measure].to_numpy(), group, len(index))
        return pd.Series(total / scale(population, measure), index=index)

    def number(self, definition: Definition, by: str | None) -> pd.Series:
        """On how many cases a KPI rests, per group: those whose measure `cases` is known and not 0."""
        (population, measure), keys = definition.cases, self.keys(definition)
        group, index = self.groups(population, by, keys)
        values = self.rows(population)[measure].to_numpy()
        return pd.Series(np.bincount(group, ~np.isnan(values) & (values != 0), minlength=len(index)), index=index)

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
            what = f"{POPULATIONS[population].what} cannot be told apart by {by}, or not like what they are held against"
            raise DataRefused(what, "by", "name a column that all cases of the KPI have, such as team") from failure
        code, names = pd.factorize(member, sort=True)
        return code, np.asarray(names, object)

    def target(self, definition: Definition, quarter: pd.Period) -> float:
        """What a KPI is held against in a quarter; missing without a target."""
        return on(self._targets.kpis.get(definition.id, {}), periods.first_day(quarter))

    def assumed(self, name: str, quarters: pd.Index) -> np.ndarray:
        """An assumption, such as the gross margin, as in force when each quarter began; missing before the first one.
        DataRefused where nobody has stated it."""
        if name not in self._targets.assumptions:
            where = f"data {self.snapshot.data}"
            raise DataRefused(f"nobody has stated the {name}", where, "write it into plans/targets.yml beside the data")
        return np.array([on(self._targets.assumptions[name], periods.first_day(quarter)) for quarter in quarters])

    @cached_property
    def _targets(self) -> Targets:
        return targets(self.snapshot)

    @cached_property
    def is_whole(self) -> dict[pd.Period, bool]:
        """Whether all deals that closed in a quarter are in the data, and it is over."""
        return {quarter: self.has_whole("closed", quarter) for quarter in self.quarters}

    def has_whole(self, population: str, quarter: pd.Period) -> bool:
        """Whether all of a quarter is among those in which cases are counted, and over."""
        begun = self.since(population)
        is_over = periods.last_day(quarter) <= self.snapshot.as_of
        return is_over and begun != cases.NEVER and quarter.start_time > begun - GRACE

    def is_complete(self, definition: Definition, quarter: pd.Period) -> bool:
        """Whether a KPI of a quarter is final: what is seen on one day once its cases are there; what is collected over the
        quarter once it is over, all in the data, and as old as the KPI has to be."""
        is_collected = definition.period == "quarter"
        age = (self.snapshot.as_of - periods.last_day(quarter)).days
        is_ripe = definition.ripe_days is None or age >= definition.ripe_days
        return is_ripe and all(
            self.has_whole(population, quarter) if is_collected else quarter in self.there(population)
            for population in definition.populations
        )


def scale(population: str, measure: str) -> int:
    """What a sum of a measure is divided by: money is in cents."""
    return 100 if measure in POPULATIONS[population].money else 1
