"""The value of a KPI, by the dictionary: per quarter and group, with the number of cases, an interval, target and status."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .. import periods
from ..errors import DataRefused, UsageError, nearest
from ..snapshot import Snapshot
from . import intervals
from .counted import Counted
from .definitions import ASSUMED, Definition, definitions
from .populations import POPULATIONS

COLUMNS = ["kpi", "quarter", "by", "member", "value", "unit", "n", "low", "high", "level", "is_complete", "target", "status"]
NEAR = 0.1  # within 10 % of the target: yellow


def kpi(
    snapshot: Snapshot, id: str, *, by: str | None = None, quarter: str | None = None, n_quarters: int = 1, level: float = 0.9
) -> pd.DataFrame:
    """One KPI, one row per quarter (the oldest first) and group.

    `quarter`: the last one shown, the snapshot's without it; `by`: a column of deals, accounts, products or owners, as far as
    the KPI's cases have one. Columns: kpi, quarter, by, member, value (a share is 0–1, money in units), unit, n (cases), low,
    high, level (Wilson of shares of cases, bootstrap of means and rates, missing for sums), is_complete (False: the quarter
    still runs or began before the data, or its cases can still convert), target, status (green: met, yellow: within 10 % of it,
    red; empty without a target, for a group, or where it is not complete). A denominator of 0 gives a missing value.
    UsageError for an unknown id; DataRefused when the source lacks what the KPI counts, or its cases have no such group.

    >>> found = kpi(Snapshot("data/sample", quarter="2026Q2"), "win_rate", by="team")
    >>> found["member"].tolist(), found["n"].sum().item()
    (['Alder', 'Birch', 'Cedar', 'Maple'], 162.0)
    """
    return table(snapshot, [id], by=by, quarter=quarter, n_quarters=n_quarters, level=level)


def table(
    snapshot: Snapshot, ids: Sequence[str] | None = None, *, by: str | None = None, quarter: str | None = None,
    n_quarters: int = 8, level: float = 0.9, counted: Counted | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Several KPIs as `kpi` gives each. Without `ids` all of the dictionary, as far as the source can give them and their cases
    have such groups. `counted`: cases counted before, when many tables are asked for."""
    known = definitions(snapshot)
    last = snapshot.quarter if quarter is None else periods.quarter(quarter, snapshot.fiscal_year_end)
    counted = counted or Counted(snapshot, last, n_quarters)
    parts = []
    for id in known if ids is None else ids:
        if id not in known:
            raise UsageError(f"unknown KPI {id!r}", "data/kpis.yml", nearest(id, known))
        try:
            if (id, by, level) not in counted.values:
                counted.values[id, by, level] = _rows(counted, known[id], by, level)
            parts.append(counted.values[id, by, level])
        except DataRefused:
            if ids is not None:
                raise
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def _rows(counted: Counted, definition: Definition, by: str | None, level: float) -> pd.DataFrame:
    index = counted.groups(definition.population, by)[1]
    value = _of_cases(counted, definition, by) if definition.is_of_cases else _of_sums(counted, definition, by, index)
    low, high = intervals.bounds(counted, definition, by, level)
    found = pd.DataFrame(
        {"value": value, "n": counted.sums(definition.population, "all", by), "low": low, "high": high}, index=index
    )
    found = found.reset_index().assign(
        kpi=definition.id, by=by or "company", unit=definition.unit.replace("money", counted.snapshot.currency),
        level=np.nan if definition.interval == "none" else level, is_complete=_is_complete(counted, definition, by),
    )  # fmt: skip
    found["target"] = [np.nan if by else counted.target(definition, quarter) for quarter in found["quarter"]]
    found["status"] = [
        _status(definition, *row) for row in zip(found["value"], found["target"], found["is_complete"], strict=True)
    ]
    return found[COLUMNS]


def _of_sums(counted: Counted, definition: Definition, by: str | None, index: pd.MultiIndex) -> np.ndarray:
    """The formula on sums per group; what another population has none of in a group sums to 0 there."""
    told = {}
    for name, refs in definition.inputs.items():
        if refs[0][0] == ASSUMED:
            told[name] = counted.assumed(refs[0][1], index.get_level_values("quarter"))
            continue
        sums = [counted.sums(*ref, by).reindex(index, fill_value=0.0).to_numpy() for ref in refs]
        told[name] = intervals.quotient(sums)
    return definition.function(**told)


def _of_cases(counted: Counted, definition: Definition, by: str | None) -> list[float]:
    """The formula on the cases of each group, such as a median."""
    return [float(definition.function(**columns)) for columns in counted.columns(definition, by)]


def _is_complete(counted: Counted, definition: Definition, by: str | None) -> np.ndarray:
    group, index = counted.groups(definition.population, by)
    whole = np.array([counted.is_whole[quarter] for quarter in index.get_level_values("quarter")], bool)
    if POPULATIONS[definition.population].is_state:
        whole = np.ones(len(index), bool)
    if definition.ripe_after == "none":
        return whole
    return whole & (np.bincount(group, ~counted.rows(definition.population)["ripe"].to_numpy(), minlength=len(index)) == 0)


def _status(definition: Definition, value: float, target: float, is_complete: bool) -> str:
    if not is_complete or np.isnan(value) or np.isnan(target) or definition.direction == "none":
        return ""
    ahead = value - target if definition.direction == "up" else target - value
    return "green" if ahead >= 0 else "yellow" if ahead >= -NEAR * abs(target) else "red"
