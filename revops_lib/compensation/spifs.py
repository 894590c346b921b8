"""SPIFs: short incentives beside the plan, paid per deal, on revenue, from a pool or by bands of deals. Integer cents."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from .. import money

Band = tuple[int, int | None, int]  # first deal, last deal (None: open), cents per deal


def on_revenue(revenue: int, rate: Fraction, rounding: str = "half_up") -> int:
    return money.rounded(revenue * rate, rounding)


def from_pool(pool: int, achievement: Fraction) -> int:
    """A pool paid out at the share of the goal reached, at most whole.

    >>> from_pool(10_000_00, Fraction(8, 10)), from_pool(10_000_00, Fraction(12, 10))
    (800000, 1000000)
    """
    return money.round_half_up(pool * min(max(achievement, Fraction(0)), Fraction(1)))


def by_bands(deals: int, bands: Sequence[Band], *, retroactive: bool) -> int:
    """Pay per deal by bands of deal counts; retroactive: every deal pays what the last one's band pays.

    >>> bands = [(1, 3, 250_00), (4, 6, 400_00), (7, None, 600_00)]
    >>> by_bands(7, bands, retroactive=True), by_bands(7, bands, retroactive=False)
    (420000, 255000)
    """

    def of(deal: int) -> int:
        return next((cents for first, last, cents in bands if first <= deal and (last is None or deal <= last)), 0)

    return of(deals) * deals if retroactive else sum(of(deal) for deal in range(1, deals + 1))


def within(budget: int, wanted: Sequence[int]) -> list[int]:
    """What a budget pays of claims in their order: in full while it lasts, then the rest of it, then nothing.

    >>> within(1000_00, [600_00, 600_00, 100_00])
    [60000, 40000, 0]
    """
    paid, left = [], budget
    for claim in wanted:
        paid.append(min(claim, left))
        left -= paid[-1]
    return paid
