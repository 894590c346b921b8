"""Draws: pay guaranteed before it is earned, and how it is recovered. Integer cents, period by period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import pandas as pd

from .. import money

KINDS = ("recoverable", "non_recoverable", "advance")


@dataclass(frozen=True)
class Draw:
    """`recoverable`: earnings are topped up to the amount, the top-up is owed and recovered from what later exceeds the amount.
    `advance`: the same, but the amount is paid beforehand and settled at the end of the period. `non_recoverable`: topped up,
    nothing is owed.

    `first_recovery`: the first period (from 1) in which anything is recovered; `share`: of what exceeds the draw that goes into
    the recovery; `limit`: what may be owed at most, beyond which nothing is topped up.
    """

    kind: str
    amount: int
    first_recovery: int = 1
    share: Fraction = Fraction(1)
    limit: int | None = None


def settled(draw: Draw, earned: Sequence[int]) -> pd.DataFrame:
    """What is paid and owed, one row per period: period (from 1), earned, topped_up, recovered, paid, debt (at its end), cents.

    paid = earned + topped_up − recovered; over all periods paid = earned + closing debt, unless the draw is non-recoverable.
    A recovery never takes pay below the draw.

    >>> settled(Draw("recoverable", 1500_00), [500_00, 3000_00])[["paid", "debt"]].to_numpy().tolist()
    [[150000, 100000], [200000, 0]]
    """
    debt, rows = 0, []
    for period, own in enumerate(earned, start=1):
        missing = max(draw.amount - own, 0)
        if draw.kind != "non_recoverable" and draw.limit is not None:
            missing = min(missing, max(draw.limit - debt, 0))
        above = max(own - draw.amount, 0)
        owed = debt if period >= draw.first_recovery else 0
        recovered = 0 if draw.kind == "non_recoverable" else min(owed, money.round_half_up(above * draw.share))
        debt += (missing if draw.kind != "non_recoverable" else 0) - recovered
        rows.append([period, own, missing, recovered, own + missing - recovered, debt])
    return pd.DataFrame(rows, columns=["period", "earned", "topped_up", "recovered", "paid", "debt"])
