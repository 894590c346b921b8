"""What the next deal would pay."""

from __future__ import annotations

import pandas as pd

from .. import money, periods
from ..snapshot import Snapshot
from . import staff
from .book import Book
from .booked import Booked
from .plans import Plan

DEAL = "\uffff"  # it comes last: after every deal of the quarter's last day


def next_pays(snapshot: Snapshot, plan: Plan, *, amount: int = 10_000) -> pd.DataFrame:
    """What one more deal would pay, one row per rep in the plan's role on the quarter's last day: rep_id, amount, pays.

    A deal of `amount` (whole units of the plan's currency) credited wholly to the rep on the last day of the quarter, in the
    first kind of credit that counts: the difference it makes to all that is paid for the quarter, held parts included. So it
    reaches an accelerator, opens a gate, meets a cap. Without SPIFs, draws and factors, which need to know more of the deal.
    Missing where the rep has no quota that the plan needs. Where a plan pays on what others sell it is a deal of theirs; where
    it counts leads it pays 0.
    """
    book = Book(snapshot, plan)
    last = pd.Timestamp(periods.last_day(snapshot.quarter)).as_unit("us")
    days = staff.days_in_role(book.roster, plan.role)
    reps = sorted(rep for rep, own in days.items() if any(first <= last.date() <= end for first, end in own))
    kind = next((kind for part in plan.components for kind in part.kinds if part.measure == "bookings"), "split")
    cents = pd.array([amount * 100] * len(reps), "Int64")
    added = pd.DataFrame({
        "rep_id": pd.Series(reps, dtype="str"), "event_date": last, "deal": [f"{DEAL}{rep}" for rep in reps], "line": kind,
        "kind": kind, "share": 1.0, "amount": cents, "cents": cents, "credit": cents, "base": cents, "rate": "", "unpriced": "",
        "quarter": str(snapshot.quarter), "role": plan.role,
    })  # fmt: skip
    now, then = (_paid(Book(snapshot, plan, added=more), reps) for more in (None, added))
    pays = money.from_cents(then - now)
    return pd.DataFrame({"rep_id": pd.Series(reps, dtype="str"), "amount": money.from_cents(pd.Series(cents)), "pays": pays})


def _paid(book: Book, reps: list[str]) -> pd.Series:
    """Cents of pay on credits and true-ups of each rep, held parts included; missing where that of a line is."""
    rows = Booked(book).lines(book.snapshot.quarter)
    rows = rows[rows["cause"].isin(["pay", "true_up"])]
    cents = (rows["pay"] + rows["held"]).groupby(rows["rep_id"])
    paid = cents.sum().where(cents.count() == cents.size())
    none = pd.Series(0, index=[rep for rep in reps if rep not in paid.index], dtype="Int64")
    return pd.concat([paid, none])[reps].reset_index(drop=True)
