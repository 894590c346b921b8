"""What the next deal would pay."""

from __future__ import annotations

import pandas as pd

from .. import money, periods
from ..snapshot import Snapshot
from . import staff
from .book import Book
from .booked import Booked
from .plans import Component, Factors, Plan

WHOSE = {"own": "and credited to you alone", "reports": "by who reports to you", "team": "in your team"}
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


def next_condition(plan: Plan) -> str:
    """What deal `next_pays` prices, and what is in the amount and what is not, in a few sentences."""
    main = next((part for part in plan.components if part.measure == "bookings"), None)
    if main is None:
        return "It pays on no deal won."
    kind = "" if main.kinds[0] == "split" else f" as {main.kinds[0]}"
    said = [f"That is a deal won {WHOSE[main.of]}{kind} on the quarter's last day, with what is held of its pay"]
    if any(part.gate is not None for part in plan.components):
        said.append("the gate is judged with this deal, and while it stays closed nothing is paid")
    if any(part.cap is not None for part in plan.components):
        said.append("a cap is applied")
    left = ["years signed, prepayment and renewal"] if any(_has_factors(part) for part in plan.components) else []
    left += ["SPIFs"] if plan.awards else []
    left += ["the draw"] if plan.draw is not None else []
    return "; ".join(said) + (f". Left out: {', '.join(left)}." if left else ".")


def _has_factors(part: Component) -> bool:
    return not part.credited == part.commissionable == Factors()


def _paid(book: Book, reps: list[str]) -> pd.Series:
    """Cents of pay on credits and true-ups of each rep, held parts included; missing where that of a line is."""
    rows = Booked(book).lines(book.snapshot.quarter)
    rows = rows[rows["cause"].isin(["pay", "true_up"])]
    cents = (rows["pay"] + rows["held"]).groupby(rows["rep_id"])
    paid = cents.sum().where(cents.count() == cents.size())
    none = pd.Series(0, index=[rep for rep in reps if rep not in paid.index], dtype="Int64")
    return pd.concat([paid, none])[reps].reset_index(drop=True)
