"""Exact money: decimals in tables, integer cents in arithmetic, floats only for statistics.

In frames an `amount` is an Arrow decimal with two places: sums are exact. What is paid is computed in integer cents;
a float never holds it.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pandas as pd
import pyarrow as pa

DTYPE = pd.ArrowDtype(pa.decimal128(18, 2))


def to_cents(amount: pd.Series) -> pd.Series:
    """Integer cents (Int64) of a decimal column; missing stays missing.

    >>> to_cents(pd.Series([Decimal("1200.50"), None], dtype=DTYPE)).tolist()
    [120050, <NA>]
    """
    return (amount.astype(DTYPE) * 100).astype("Int64")


def from_cents(cents: pd.Series) -> pd.Series:
    """Decimal column of integer cents.

    >>> from_cents(pd.Series([120050], dtype="Int64")).tolist()
    [Decimal('1200.50')]
    """
    values = [None if pd.isna(value) else Decimal(int(value)).scaleb(-2) for value in cents]
    return pd.Series(values, index=cents.index, dtype=DTYPE, name=cents.name)


def to_float(amount: pd.Series) -> pd.Series:
    """Floats for statistics and pictures, never for pay; missing becomes NaN."""
    return amount.astype("float64")


def round_half_up(value: Fraction) -> int:
    """Nearest integer, halves away from zero, exactly.

    >>> round_half_up(Fraction(5, 2)), round_half_up(Fraction(-5, 2)), round_half_up(Fraction(249, 100))
    (3, -3, 2)
    """
    magnitude = (2 * abs(value) + 1) // 2
    return int(magnitude if value >= 0 else -magnitude)
