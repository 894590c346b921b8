"""Pay taken back when a deal is cancelled: a share of what was paid on its line, never more. Integer cents."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pandas as pd

from .. import money


def clawback(paid: int, share: Fraction) -> int:
    """The adjusting line for a share of what was paid; never more than was paid, and nothing where nothing was.

    >>> clawback(10_000_00, Fraction(1, 2)), clawback(500_00, Fraction(3, 2)), clawback(-200_00, Fraction(1))
    (-500000, -50000, 0)
    """
    return -min(money.round_half_up(max(paid, 0) * share), max(paid, 0))


def clawbacks(paid: pd.Series, share: Fraction) -> pd.Series:
    """`clawback` of many lines at once, whole cents.

    >>> clawbacks(pd.Series([100_01, -5_00, 0]), Fraction(1, 2)).tolist()
    [-5001, 0, 0]
    """
    cents = paid.clip(lower=0).to_numpy("int64")
    return pd.Series(-np.minimum(money.part(cents, share), cents), index=paid.index, dtype="Int64")


def unserved(term_months: int, served_months: int) -> Fraction:
    """Share of a term that is not served: the pro-rata clawback.

    >>> unserved(12, 6)
    Fraction(1, 2)
    """
    return Fraction(min(max(term_months - served_months, 0), term_months), term_months)


def scheduled(schedule: Sequence[tuple[int, Fraction]], served_months: int) -> Fraction:
    """Share to take back by months served: of the first step (months, share) whose months are not yet served; then nothing.

    >>> steps = [(3, Fraction(1)), (6, Fraction(1, 2))]
    >>> [scheduled(steps, served) for served in (2, 3, 6)]
    [Fraction(1, 1), Fraction(1, 2), Fraction(0, 1)]
    """
    return next((share for months, share in schedule if served_months < months), Fraction(0))
