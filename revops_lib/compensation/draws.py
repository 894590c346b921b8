"""Draws: pay guaranteed before it is earned, and how it is recovered. Integer cents, period by period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import pandas as pd

from .. import money

KINDS = ("recoverable", "non_recoverable", "advance")
PERIODS = ("month", "quarter")


@dataclass(frozen=True)
class Draw:
    """`recoverable`: earnings are topped up to the amount, the top-up is owed and recovered from what later exceeds the amount.
    `advance`: the same, but the amount is paid beforehand and settled at the end of the period. `non_recoverable`: topped up,
    nothing is owed.

    `first_recovery`: the first period (from 1) in which anything is recovered; `share`: of what exceeds the draw that goes into
    the recovery; `limit`: what may be owed at most, beyond which nothing is topped up; `period`: month or quarter; `months`:
    since hire in which it tops up (None: always), the debt is recovered after them too.
    """

    kind: str
    amount: int
    first_recovery: int = 1
    share: Fraction = Fraction(1)
    limit: int | None = None
    period: str = "month"
    months: int | None = None


def settled(draw: Draw, earned: Sequence[int], *, tops_up: Sequence[bool] | None = None) -> pd.DataFrame:
    """What is paid and owed, one row per period: period (from 1), earned, topped_up, recovered, paid, debt (at its end), cents.

    paid = earned + topped_up − recovered; over all periods paid = earned + closing debt, unless the draw is non-recoverable.
    A recovery never takes pay below the draw. `tops_up`: whether each period is one in which the draw is paid (default: all);
    in the others what is owed is recovered.

    >>> settled(Draw("recoverable", 1500_00), [500_00, 3000_00])[["paid", "debt"]].to_numpy().tolist()
    [[150000, 100000], [200000, 0]]
    """
    debt, rows = 0, []
    for period, (own, is_paid) in enumerate(zip(earned, tops_up or [True] * len(earned), strict=True), start=1):
        rows.append([period, *step(draw, own, debt, is_paid=is_paid, recovers=period >= draw.first_recovery)])
        debt = rows[-1][-1]
    return pd.DataFrame(rows, columns=["period", "earned", "topped_up", "recovered", "paid", "debt"])


def step(draw: Draw, own: int, debt: int, *, is_paid: bool, recovers: bool) -> tuple[int, int, int, int, int]:
    """One period: earned, topped_up, recovered, paid, debt at its end; `is_paid`: whether the draw is, `recovers`: whether
    what is owed is recovered."""
    owes = draw.kind != "non_recoverable"
    # What a period takes back in all is not topped up: a guarantee of pay is no guarantee against clawbacks.
    missing = max(draw.amount - max(own, 0), 0) if is_paid else 0
    if owes and draw.limit is not None:
        missing = min(missing, max(draw.limit - debt, 0))
    above = max(own - draw.amount, 0)
    recovered = min(debt, money.round_half_up(above * draw.share)) if owes and recovers else 0
    return own, missing, recovered, own + missing - recovered, debt + (missing if owes else 0) - recovered
