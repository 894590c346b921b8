"""Commission as a cost of obtaining contracts: capitalised and spread over their time.

IFRS 15.91–94 (ASC 340-40-25): what is paid only because a contract was won is an asset (91–93); where it would be amortised
within a year it may be expensed at once (94). IFRS 15.99: it is amortised as the goods or services are transferred, also those
of anticipated renewals, so over the customer's expected life where that is longer than the contract. What is left when the
customer leaves is written off (101).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pandas as pd

from .. import money
from ..snapshot import Snapshot

CAUSES = ("pay", "true_up", "spif", "correction")  # what hangs on a contract; what was held is in the line that earned it
AMOUNTS = ["opening", "capitalised", "amortised", "written_off", "closing"]
YEAR = 12


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


def capitalised(snapshot: Snapshot, entries: pd.DataFrame, *, customer_life: int = 36, expedient: bool = False) -> pd.DataFrame:
    """The asset of commission paid for won deals, one row per month from the first entry to the snapshot's day: month (period),
    opening, capitalised, amortised, written_off, closing (exact). Opening + capitalised − amortised − written off = closing.

    `entries`: the ledger's lines of one or more quarters. Capitalised in the month of the win is what the deal has earned, due
    or held; a correction counts in the first month of the quarter that carries it. Straight line over the term of the table
    `contracts` or `customer_life` months, whichever is longer, the first month whole; in the month of `cancelled_date` the rest
    is written off, and pay taken back is income of its own, not in the asset. With `expedient` what is amortised within 12
    months is left out: it is expensed at once. Objectives, pay for leads and draws are no cost of a contract.
    """
    contracts = _contracts(snapshot, entries, customer_life)
    if expedient:
        contracts = [one for one in contracts if one.months > YEAR]
    last = pd.Period(snapshot.as_of, freq="M")
    first = min((one.month for one in contracts), default=last)
    table = roll_forward(contracts, list(pd.period_range(first, last, freq="M")))
    return table.assign(**{name: money.from_cents(table[name].astype("Int64")) for name in AMOUNTS})


def _contracts(snapshot: Snapshot, entries: pd.DataFrame, customer_life: int) -> list[Contract]:
    """What each deal cost in each month, with its time."""
    deals = snapshot.opportunities
    won = deals.loc[deals["status"] == "won", "opportunity_id"]
    # A correction says in its kind what it corrects; one of a clawback or a release is as little in the asset as these are.
    of = entries["kind"].where(entries["cause"] == "correction", entries["cause"]).str.split(" ").str[0]
    rows = entries[entries["cause"].isin(CAUSES) & of.isin(CAUSES) & entries["deal"].isin(won)]
    booked = pd.to_datetime(rows["event_date"]).dt.to_period("M")
    carried = pd.PeriodIndex(rows["quarter"].astype("str"), freq=snapshot.quarter.freqstr).asfreq("M", "start")
    month = booked.where(rows["cause"] != "correction", pd.Series(carried, index=rows.index))
    earned = money.to_cents(rows["pay"]).fillna(0) + money.to_cents(rows["held"]).fillna(0)
    costs = earned.groupby([rows["deal"], month.rename("month")]).sum()
    signed = snapshot.table("contracts").set_index("opportunity_id")
    found = []
    for (deal, begun), cents in costs[costs != 0].items():
        known = signed.loc[deal] if deal in signed.index else None
        term = 0 if known is None or pd.isna(known["term_months"]) else int(known["term_months"])
        gone = None if known is None or pd.isna(known["cancelled_date"]) else known["cancelled_date"].to_period("M")
        ended = None if gone is None else max(gone, begun)
        found.append(Contract(int(cents), begun, max(term, customer_life), ended))
    return found


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
    return pd.DataFrame(rows, columns=["month", *AMOUNTS])


def _left(contract: Contract, month: pd.Period) -> int:
    """What of a contract's cost is still an asset at the end of a month."""
    if month < contract.month or (contract.ended is not None and month >= contract.ended):
        return 0
    return contract.cents - contract.amortised(month)
