"""A population's rows in one shape, and what all populations need.

What is not known is missing, never 0: of a measure a case says how much it adds, 0 when it is none of those meant, and NaN when
it is one of them but the source does not say how much.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import money
from ..errors import DataRefused
from ..snapshot import Snapshot

GROUPS = ["opportunity_id", "account_id", "owner_id", "product_id", "source", "type", "kind"]
NEVER = pd.Timestamp.max  # since when cases are all there, where they never are


def frame(rows: pd.DataFrame, quarter: pd.Series, **measures: pd.Series | np.ndarray) -> pd.DataFrame:
    """One row per case and quarter: quarter, to whom the case belongs (as far as it says), `all` (1), measures as floats."""
    groups = {name: rows[name] for name in GROUPS if name in rows}
    own = {name: _floats(values) for name, values in measures.items()}
    return pd.DataFrame({"quarter": quarter, **groups, "all": 1.0, **own}, index=rows.index).reset_index(drop=True)


def _floats(values: pd.Series | np.ndarray) -> np.ndarray:
    return pd.Series(values).astype("Float64").to_numpy("float64", na_value=np.nan)


def added(values: np.ndarray, group: np.ndarray, n: int) -> np.ndarray:
    """The sum of what is known in each of `n` groups; missing where cases do not say and the others add nothing.

    >>> added(np.array([1.0, np.nan, np.nan, 0.0, 0.0]), np.array([0, 0, 1, 1, 2]), 4)
    array([ 1., nan,  0.,  0.])
    """
    unknown = np.isnan(values)
    total = np.bincount(group, np.where(unknown, 0.0, values), minlength=n)
    silent = np.bincount(group, unknown, minlength=n) > 0
    return np.where(silent & (total == 0), np.nan, total)


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


def in_company_currency(snapshot: Snapshot, rows: pd.DataFrame, what: str, column: str = "amount") -> pd.Series:
    """Whole cents in the company's currency, all at one rate, the latest known, so that rates move nothing. DataRefused for a
    currency without a rate."""
    cents = money.to_cents(rows[column]).astype("float64")
    foreign = rows["currency"].notna() & (rows["currency"] != snapshot.currency)
    if not foreign.any():
        return cents
    rates = snapshot.table("fx_rates") if snapshot.has("fx_rates") else pd.DataFrame(columns=["currency", "month", "rate"])
    latest = rates.sort_values("month").drop_duplicates("currency", keep="last").set_index("currency")["rate"]
    if missing := sorted({*rows.loc[foreign, "currency"]} - {*latest.index}):
        raise DataRefused(
            f"{what} are in {missing[0]}, for which no rate is known",
            "table fx_rates",
            "add its rate, or map it as dated",
        )
    return (cents * rows["currency"].map(latest).astype("float64").where(foreign, 1.0)).round()


def require(snapshot: Snapshot, table: str) -> None:
    if not snapshot.has(table):
        raise DataRefused(f"this source has no {table}", f"data {snapshot.data}", f"map a table of {table}")
