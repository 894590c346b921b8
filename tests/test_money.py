from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from revops_lib import money


@given(st.lists(st.one_of(st.none(), st.integers(-(10**15), 10**15))))
def test_cents_survive_the_way_to_decimals_and_back(cents):
    series = pd.Series(cents, dtype="Int64")
    assert money.to_cents(money.from_cents(series)).equals(series)


def test_sums_are_exact():
    tenth = pd.Series([Decimal("0.10")] * 10, dtype=money.DTYPE)
    assert tenth.sum() == Decimal("1.00")


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_rounding_is_half_away_from_zero(numerator, denominator):
    value = Fraction(numerator, denominator)
    rounded = money.round_half_up(value)
    assert abs(value - rounded) <= Fraction(1, 2)
    if abs(value - rounded) == Fraction(1, 2):
        assert abs(rounded) > abs(value)
    assert money.round_half_up(-value) == -rounded


@given(st.lists(st.integers(-(10**12), 10**12)), st.integers(0, 10**12), st.integers(1, 10**12))
def test_parts_are_exact_whatever_their_size(cents, numerator, denominator):
    share = Fraction(min(numerator, denominator), denominator)
    found = money.part(np.array(cents, "int64"), share)
    assert found.dtype == "int64" and found.tolist() == [money.round_half_up(one * share) for one in cents]


def test_a_fine_share_of_a_large_amount_does_not_overflow():
    assert money.part(np.array([20_000_000]), Fraction("0.333333333333")).tolist() == [6_666_667]
