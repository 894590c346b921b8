"""Commission as a cost of obtaining contracts: capitalised and spread over their time (IFRS 15.91–94, ASC 340-40-25). Cents."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pandas as pd

from .. import money


@dataclass(frozen=True)
class Contract:
    """Incremental cost of one contract: what was capitalised, in which month (as a period), over how many months; `ended`: the
    month in which the customer left, when the rest is written off."""

    cents: int
    month: pd.Period
    months: int
    ended: pd.Period | None = None

    def amortised(self, month: pd.Period) -> int:
        """Straight line, the first month whole: what was amortised by the end of a month, cut at rounded cumulative shares."""
        upto = month if self.ended is None else min(month, self.ended - 1)
        n = min(max((upto - self.month).n + 1, 0), self.months)
        return money.round_half_up(Fraction(self.cents * n, self.months))


def roll_forward(contracts: list[Contract], months: list[pd.Period]) -> pd.DataFrame:
    """The asset month by month: month, opening, capitalised, amortised, written_off, closing (cents), opening + capitalised −
    amortised − written off = closing.

    >>> one = Contract(9_000_00, pd.Period("2026-01"), 36)
    >>> roll_forward([one], [pd.Period("2026-01"), pd.Period("2026-02")]).iloc[:, 1:].to_numpy().tolist()
    [[0, 900000, 25000, 0, 875000], [875000, 0, 25000, 0, 850000]]
    """
    rows = []
    for month in months:
        before = month - 1
        new = sum(c.cents for c in contracts if c.month == month)
        spread = sum(c.amortised(month) - c.amortised(before) for c in contracts)
        lost = sum(c.cents - c.amortised(month) for c in contracts if c.ended == month)
        opening = sum(_left(c, before) for c in contracts)
        rows.append([month, opening, new, spread, lost, opening + new - spread - lost])
    return pd.DataFrame(rows, columns=["month", "opening", "capitalised", "amortised", "written_off", "closing"])


def _left(contract: Contract, month: pd.Period) -> int:
    """What of a contract's cost is still an asset at the end of a month."""
    if month < contract.month or (contract.ended is not None and month >= contract.ended):
        return 0
    return contract.cents - contract.amortised(month)
