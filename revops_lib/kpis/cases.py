"""A population's rows in one shape, and what all populations need."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import money
from ..errors import DataRefused
from ..snapshot import Snapshot

GROUPS = ["opportunity_id", "account_id", "owner_id", "product_id", "source", "type", "kind"]


def frame(
    rows: pd.DataFrame, quarter: pd.Series, *, ripe: pd.Series | np.ndarray | None = None, **measures: pd.Series
) -> pd.DataFrame:
    """One row per case and quarter: quarter, to whom the case belongs (as far as it says), `all` (1), measures as floats (a
    missing one adds nothing), ripe (whether the outcome can be judged yet)."""
    groups = {name: rows[name] for name in GROUPS if name in rows}
    own = {name: np.nan_to_num(np.asarray(values, float)) for name, values in measures.items()}
    judged = np.ones(len(rows), bool) if ripe is None else np.asarray(ripe, bool)
    return pd.DataFrame({"quarter": quarter, **groups, "all": 1.0, **own, "ripe": judged}, index=rows.index).reset_index(
        drop=True
    )


def within(rows: pd.DataFrame, days: pd.Series, quarters: list[pd.Period]) -> tuple[pd.DataFrame, pd.Series]:
    """Rows whose day lies in one of the quarters, and that quarter."""
    quarter = days.dt.to_period(quarters[0].freqstr)
    own = quarter.isin(quarters).to_numpy()
    return rows[own], quarter[own]


def first(quarter: pd.Series) -> pd.Series:
    return quarter.dt.start_time


def last(quarter: pd.Series) -> pd.Series:
    return quarter.dt.end_time.dt.normalize()


def amounts(rows: pd.DataFrame) -> pd.Series:
    """Whole cents as floats: their sums are exact in any order."""
    return money.to_cents(rows["amount"]).astype("float64")


def require(snapshot: Snapshot, table: str) -> None:
    if not snapshot.has(table):
        raise DataRefused(f"this source has no {table}", f"data {snapshot.data}", f"map a table of {table}")
