"""Bookings as opportunities × mix × win rate × deal value: the split of a change, of one pair of periods or of many at
once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from .. import money
from ..shapley import shapley
from .compared import Comparison

OPPORTUNITIES, MIX, WIN_RATE, DEAL_VALUE = "opportunities", "mix", "win rate", "deal value"
DRIVERS = (OPPORTUNITIES, MIX, WIN_RATE, DEAL_VALUE)


def split(before: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray]:
    """Parts of the change of bookings in cents by driver and member, from closed deals, wins and won cents by member.

    The axis before the last holds the three counts, the last one the members; fractions stay exact. Opportunities are deals
    closed; mix is how they spread over members; win rate and deal value are those within members. What one of the periods
    cannot say, such as the value of a deal where none was won, is taken from the other: it did not change the money.
    """
    n, won, cents = (np.moveaxis(np.stack([before, after]), -2, 0)[i] for i in range(3))
    total = n.sum(axis=-1, keepdims=True)
    share = _known(n / _positive(total), total)
    rate, value = _known(won / _positive(n), n), _known(cents / _positive(won), won)
    whole = np.broadcast_to(total, n.shape)
    old, new = ({OPPORTUNITIES: whole[i], MIX: share[i], WIN_RATE: rate[i], DEAL_VALUE: value[i]} for i in (0, 1))
    return shapley(old, new)


def within(before: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray]:
    """The same with each member's own number of deals as opportunities, so that there is no mix."""
    n, won, cents = (np.moveaxis(np.stack([before, after]), -2, 0)[i] for i in range(3))
    rate, value = _known(won / _positive(n), n), _known(cents / _positive(won), won)
    old, new = ({OPPORTUNITIES: n[i], WIN_RATE: rate[i], DEAL_VALUE: value[i]} for i in (0, 1))
    return shapley(old, new)


def exact(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts of the quarters compared (the last one is after) as exact fractions: mean of those before, and after."""
    as_fractions = np.vectorize(Fraction, otypes=[object])
    return as_fractions(table[:-1].sum(axis=0)) / (len(table) - 1), as_fractions(table[-1])


def money_change(before: np.ndarray, after: np.ndarray) -> int:
    """Change of bookings in whole cents."""
    return money.round_half_up(added(after[2])) - money.round_half_up(added(before[2]))


def added(values: np.ndarray) -> Fraction:
    return sum(values.tolist(), Fraction(0))


def mean_before(table: np.ndarray, quarters: list, comparison: Comparison) -> tuple[np.ndarray, np.ndarray]:
    """Counts before (mean) and after as floats, from a table that begins with the quarters listed."""
    rows = [quarters.index(one) for one in comparison.before]
    return table[rows].mean(axis=0), table[quarters.index(comparison.after)].astype(float)


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, 1)


def _known(rates: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Rates of both periods, that of the other one where there is nothing to form it from."""
    base = np.broadcast_to(base, rates.shape)
    return np.where(base > 0, rates, rates[::-1])
