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
from .definitions import ASSUMED, Definition, Ref, definitions

COLUMNS = ["kpi", "quarter", "by", "member", "value", "unit", "n", "low", "high", "level", "is_complete", "target", "status"]
QUARTERS = 8  # shown unless asked otherwise
NEAR = 0.1  # within 10 % of the target: yellow


def kpi(
    snapshot: Snapshot, id: str, *, by: str | None = None, quarter: str | None = None, n_quarters: int = 1, level: float = 0.9
) -> pd.DataFrame:
    """One KPI, one row per quarter (the oldest first) and group.

    `quarter`: the last one shown, the snapshot's without it; `by`: a column of deals, accounts, products or owners, as far as
    the KPI's cases have one (of a KPI of several populations a column of what all have: of deals and sellers, the owner's).
    Columns: kpi, quarter, by, member, value (a share is 0–1, money in units), unit, n (the cases that it rests on), low, high,
    level (Wilson of shares of cases, bootstrap of means and rates, missing for sums), is_complete (False: the quarter still
    runs or began before the data, or its cases can still convert), target, status (green: met, yellow: within 10 % of it, red;
    empty without a target, for a group, or where it is not complete). A sum of no case is 0; a denominator of 0, and what no
    case says, such as the value of deals without an amount, is missing. Every quarter since the data begin has a row, and every
    group that has cases in one of the quarters asked. UsageError for an unknown id; DataRefused when the source lacks what the
    KPI counts, or its cases have no such group.

    >>> found = kpi(Snapshot("data/sample", quarter="2026Q2"), "win_rate", by="team")
    >>> found["member"].tolist(), found["n"].sum().item()
    (['Alder', 'Birch', 'Cedar', 'Maple'], 162.0)
    """
    return table(snapshot, [id], by=by, quarter=quarter, n_quarters=n_quarters, level=level)


def table(
    snapshot: Snapshot, ids: Sequence[str] | None = None, *, by: str | None = None, quarter: str | None = None,
    n_quarters: int | None = None, level: float = 0.9, counted: Counted | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Several KPIs as `kpi` gives each. Without `ids` all of the dictionary, as far as the source can give them and their cases
    have such groups. `n_quarters`: eight without it, or all of `counted`: cases of this snapshot counted before, when many
    tables are asked for. UsageError for a level outside 0 to 1, fewer than one quarter, or cases of another snapshot or not of
    the quarters asked."""
    known = definitions(snapshot)
    if not 0 < level < 1:
        raise UsageError(f"the level is {level:g}", "level", "name one between 0 and 1, like 0.9")
    if n_quarters is not None and n_quarters < 1:
        raise UsageError(f"{n_quarters} quarters are asked", "n_quarters", "name at least one")
    last = snapshot.quarter if quarter is None else periods.quarter(quarter, snapshot.fiscal_year_end)
    if counted is None:
        counted = Counted(snapshot, last, n_quarters or QUARTERS)
    asked = counted.quarters if quarter is None and n_quarters is None else [last - i for i in range(n_quarters or QUARTERS)]
    if counted.snapshot is not snapshot or not {*asked} <= {*counted.quarters}:
        raise UsageError("other cases were counted than those asked", "counted", "count them anew, or leave it out")
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
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    return found if asked is counted.quarters else found[found["quarter"].isin(asked)].reset_index(drop=True)


def _rows(counted: Counted, definition: Definition, by: str | None, level: float) -> pd.DataFrame:
    index = counted.index(definition, by)
    quarters = index.get_level_values("quarter")
    value = _of_cases(counted, definition, by, index) if definition.is_of_cases else _of_sums(counted, definition, by, index)
    if definition.period == "running":
        value = np.where([periods.last_day(quarter) <= counted.snapshot.as_of for quarter in quarters], np.nan, value)
    low, high = intervals.bounds(counted, definition, by, level)
    complete = {quarter: counted.is_complete(definition, quarter) for quarter in quarters.unique()}
    is_complete = quarters.map(complete).to_numpy(bool)
    target = [np.nan if by else counted.target(definition, quarter) for quarter in quarters]
    return pd.DataFrame(
        {
            "kpi": definition.id, "quarter": quarters, "by": by or "company", "member": index.get_level_values("member"),
            "value": value, "unit": definition.unit.replace("money", counted.snapshot.currency),
            "n": counted.number(definition, by).reindex(index, fill_value=0).to_numpy(),
            "low": low.reindex(index).where(~np.isnan(value)).to_numpy(),
            "high": high.reindex(index).where(~np.isnan(value)).to_numpy(),
            "level": np.full(len(index), np.nan if definition.interval == "none" else level), "is_complete": is_complete,
            "target": target,
            "status": [_status(definition, *row) for row in zip(value, target, is_complete, strict=True)],
        },
        columns=COLUMNS,
    )  # fmt: skip


def _of_sums(counted: Counted, definition: Definition, by: str | None, index: pd.MultiIndex) -> np.ndarray:
    """The formula on sums per group."""
    told = {}
    for name, refs in definition.inputs.items():
        if refs[0][0] == ASSUMED:
            told[name] = counted.assumed(refs[0][1], index.get_level_values("quarter"))
        else:
            told[name] = intervals.quotient([_sum(counted, definition, ref, by, index) for ref in refs])
    return definition.function(**told)


def _sum(counted: Counted, definition: Definition, ref: Ref, by: str | None, index: pd.MultiIndex) -> np.ndarray:
    """A sum per group: 0 where its population has no case, missing where nobody counted them."""
    found = counted.sums(*ref, by, counted.keys(definition))
    none = ~index.isin(found.index) & index.get_level_values("quarter").isin(counted.there(ref[0]))
    return np.where(none, 0.0, found.reindex(index))


def _of_cases(counted: Counted, definition: Definition, by: str | None, index: pd.MultiIndex) -> np.ndarray:
    """The formula on the cases of each group, such as a median."""
    found = [float(definition.function(**columns)) for columns in counted.columns(definition, by)]
    return pd.Series(found, index=counted.groups(definition.population, by)[1], dtype="float64").reindex(index).to_numpy()


def _status(definition: Definition, value: float, target: float, is_complete: bool) -> str:
    if not is_complete or np.isnan(value) or np.isnan(target) or definition.direction == "none":
        return ""
    ahead = value - target if definition.direction == "up" else target - value
    edge = 1e-9 * abs(target)  # binary fractions: 0.72 is 10 % below 0.80
    return "green" if ahead >= -edge else "yellow" if ahead >= -NEAR * abs(target) - edge else "red"
