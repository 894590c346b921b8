"""Caps: what is paid at most, and what is withheld. Integer cents."""

from __future__ import annotations

from fractions import Fraction

from .. import money


def capped(pay: int, cap: int, *, share_above: Fraction = Fraction(0)) -> tuple[int, int]:
    """Pay and what is withheld. A hard cap pays nothing above itself, a soft one the share stated.

    >>> capped(12_000_00, 10_000_00), capped(12_000_00, 10_000_00, share_above=Fraction(1, 2))
    ((1000000, 200000), (1100000, 100000))
    """
    above = max(pay - cap, 0)
    kept = money.round_half_up(above * share_above)
    return pay - above + kept, above - kept
