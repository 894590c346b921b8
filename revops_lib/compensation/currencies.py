"""Deals in the currency a plan pays, at dated rates."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pandas as pd

from .. import money
from ..errors import DataRefused
from ..snapshot import Snapshot


def priced(snapshot: Snapshot, deals: pd.DataFrame, currency: str) -> pd.DataFrame:
    """What deals are worth in a currency, aligned with them: cents (Int64), rate (in words; empty without a conversion),
    unpriced (what rate is missing, in words; empty where none is).

    A deal in another currency converts at the rate of its close date, halves of a cent away from zero. DataRefused when the
    source has no rates and needs some.
    """
    if "amount_written" not in deals:
        snapshot.require_one_currency()
        if snapshot.currency != currency:
            raise DataRefused(
                f"deals are in {snapshot.currency}, the plan pays {currency}",
                f"data {snapshot.data}, no table fx_rates",
                "state a plan in the currency of the deals, or declare `fx` in the mapping",
            )
        cents = money.to_cents(deals["amount"])
        return pd.DataFrame({"cents": cents, "rate": "", "unpriced": ""}, index=deals.index)
    rates = _Rates(snapshot)
    rows = [
        rates.converted(written, of, currency, day)
        for written, of, day in zip(deals["amount_written"], deals["currency_written"], deals["close_date"], strict=True)
    ]
    table = pd.DataFrame(rows, columns=["cents", "rate", "unpriced"], index=deals.index)
    return table.astype({"cents": "Int64"})


class _Rates:
    """What one unit of a currency is worth in the company's, by month from which it holds."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._own = snapshot.currency
        self._dated: dict[str, list[tuple[pd.Timestamp, Decimal]]] = {}
        for row in snapshot.table("fx_rates").sort_values("month").itertuples():
            self._dated.setdefault(str(row.currency), []).append((row.month, row.rate))

    def converted(self, written: str, of: str, to: str, day: pd.Timestamp) -> tuple[int | None, str, str]:
        if pd.isna(written):
            return None, "", ""
        of = self._own if pd.isna(of) else of
        cents = Fraction(written) * 100
        if of == to:
            return money.round_half_up(cents), "", ""
        first, second = self._at(of, day), self._at(to, day)
        if first is None or second is None:
            return None, "", f"{of if first is None else to} in {day:%Y-%m}"
        rate, month = first[1] / second[1], max(first[0], second[0])
        told = f"{Decimal(written):,.2f} {of} at {float(rate):.6g} (rate of {month:%Y-%m})"
        return money.round_half_up(cents * rate), told, ""

    def _at(self, currency: str, day: pd.Timestamp) -> tuple[pd.Timestamp, Fraction] | None:
        if currency == self._own:
            return pd.Timestamp.min, Fraction(1)
        past = [(month, rate) for month, rate in self._dated.get(currency, []) if month <= day]
        return (past[-1][0], Fraction(past[-1][1])) if past else None
