"""What is to be sold: quotas cut from a year, ramped for new hires. Integer cents, and no cent is lost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from fractions import Fraction

from .. import money

MONTHS = 12


def by_days(annual: int, year: tuple[dt.date, dt.date], part: tuple[dt.date, dt.date]) -> int:
    """The part of an annual quota that falls on some days of its year (first and last day, both included), by calendar days.

    It is the difference of the rounded quota up to its last day and up to the day before it, so the parts of any partition of
    the year sum to the annual quota to the cent.

    >>> year = dt.date(2026, 1, 1), dt.date(2026, 12, 31)
    >>> by_days(100_000_00, year, (dt.date(2026, 7, 1), dt.date(2026, 12, 31)))
    5041096
    """
    first, last = year
    n = (last - first).days + 1

    def upto(days: int) -> int:
        return money.round_half_up(Fraction(annual * min(max(days, 0), n), n))

    return upto((part[1] - first).days + 1) - upto((part[0] - first).days)


def by_weights(annual: int, weights: Sequence[Fraction], first_month: int, last_month: int = MONTHS) -> int:
    """The part of an annual quota that falls on months `first_month` to `last_month` (1 to 12), with quarters (or other equal
    parts of the year) of unequal weight; the months of a part weigh the same.

    >>> by_weights(100_000_00, [Fraction(2, 10)] * 3 + [Fraction(4, 10)], 3)
    8666667
    """
    each = MONTHS // len(weights)
    total = sum(weights)

    def upto(months: int) -> int:
        whole, rest = divmod(months, each)
        share = sum(weights[:whole], Fraction(0)) + (weights[whole] * Fraction(rest, each) if rest else 0)
        return money.round_half_up(annual * share / total)

    return upto(last_month) - upto(first_month - 1)


def ramped(quota: int, months_since_hire: int, ramp: Sequence[Fraction]) -> int:
    """A month's, quarter's or other quota at the share that `ramp` states for the months since hire (0 in the first); after the
    last one it is whole.

    >>> [ramped(250_000_00, month, [Fraction(0), Fraction(1, 2)]) for month in (0, 1, 2)]
    [0, 12500000, 25000000]
    """
    share = ramp[months_since_hire] if months_since_hire < len(ramp) else Fraction(1)
    return money.round_half_up(quota * share)
