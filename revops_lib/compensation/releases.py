"""What becomes of a line's pay after the booking: parts that wait for an invoice, its payment or some months are released; a
cancelled contract takes back a share of what was paid and cancels that of what is held. Integer cents."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from .. import money
from .clawbacks import clawback, scheduled, unserved
from .plans import Clawback, Payable


@dataclass(frozen=True)
class Invoice:
    """A part of what a deal is worth (0 to 1), the day it was invoiced and the day it was paid (None: not yet)."""

    part: Fraction
    invoiced: dt.date
    paid: dt.date | None


@dataclass(frozen=True)
class Cancelled:
    """The day a contract was cancelled, and the months it was to run (None: not known)."""

    day: dt.date
    term_months: int | None


@dataclass(frozen=True)
class Move:
    """A later movement of a line: `pay` cents are paid (negative: taken back), `held` cents less are held (negative)."""

    day: dt.date
    cause: str
    pay: int
    held: int
    why: str


Change = tuple[dt.date, int, int]  # day, pay, held: what a true-up adds to a line


@dataclass(frozen=True)
class Due:
    """When a line's pay becomes payable after the booking, in order: day, share of the pay, what it had waited for; and all of
    these shares. Without invoices it is the same for all lines of a component and day."""

    steps: Sequence[tuple[dt.date, Fraction, str]]
    whole: Fraction


def moves(
    pay: int, held: int, booked: dt.date, payable: Sequence[Payable], rule: Clawback | None,
    invoices: Sequence[Invoice], cancelled: Cancelled | None, changes: Sequence[Change] = (),
) -> list[Move]:  # fmt: skip
    """Everything that happens to a line after its booking, in order of days.

    What is held is released at rounded cumulative shares, so that no cent is lost. A clawback never takes more than was paid on
    the line; what it cancels of the rest is released no more. `changes`: what later true-ups add to its pay and to
    what it holds: a clawback takes its share of them, before and after it.

    >>> parts = [Payable(Fraction(1, 2), "booking"), Payable(Fraction(1, 2), "months", 12)]
    >>> rule = Clawback("share", 12, Fraction(1))
    >>> [(m.pay, m.held) for m in moves(500_00, 500_00, dt.date(2026, 1, 5), parts, None, [], None)]
    [(50000, -50000)]
    >>> gone = Cancelled(dt.date(2026, 6, 1), 12)
    >>> [(m.pay, m.held) for m in moves(500_00, 500_00, dt.date(2026, 1, 5), parts, rule, [], gone)]
    [(-50000, -50000)]
    """
    return moved(pay, held, booked, due(payable, booked, invoices), rule, cancelled, changes)


def moved(
    pay: int, held: int, booked: dt.date, due: Due, rule: Clawback | None, cancelled: Cancelled | None,
    changes: Sequence[Change] = (),
) -> list[Move]:  # fmt: skip
    """`moves` of a line of which it is known already when it becomes payable."""
    share = Fraction(0) if rule is None or cancelled is None else taken_back(rule, booked, cancelled)
    gone_on = dt.date.max if cancelled is None else max(cancelled.day, booked)  # what is not booked yet cannot be taken back
    found: list[Move] = []
    taken = Fraction(0)
    done, left, paid, start = Fraction(0), held, pay, Fraction(0)  # shares released, cents of `left` from `start` on
    released = 0
    waiting = [(day, part, why, 0, 0) for day, part, why in due.steps]
    changed = [(day, Fraction(0), "what had waited before the true-up", pays, holds) for day, pays, holds in changes]
    for day, part, why, more, kept in sorted([*waiting, *changed, (dt.date.max, Fraction(0), "", 0, 0)]):
        if share and cancelled is not None and gone_on < day:
            open_ = left - released
            gone = money.round_half_up(open_ * share)
            back = clawback(paid, share)
            found.append(Move(gone_on, "clawback", back, -gone, _why(share, booked, cancelled)))
            left, released, start, share, taken = open_ - gone, 0, done, Fraction(0), share
        if more or kept:
            back, gone = (money.round_half_up(cents * taken) for cents in (more, kept))
            if back or gone:
                found.append(Move(day, "clawback", -back, -gone, _why(taken, booked, cancelled)))
            paid, left = paid + more - back, left + kept - gone
        done += part
        upto = left if done == due.whole else money.round_half_up(left * (done - start) / (due.whole - start))
        if upto != released:
            found.append(Move(day, "released", upto - released, released - upto, why))
            paid, released = paid + upto - released, upto
    return found


def due(payable: Sequence[Payable], booked: dt.date, invoices: Sequence[Invoice]) -> Due:
    """When what is not payable on booking becomes so."""
    found = []
    for part in payable:
        if part.on == "months":
            found.append((months_after(booked, part.months), part.share, f"{part.months} months after the booking"))
        for invoice in invoices if part.on == "invoice" else ():
            found.append((invoice.invoiced, part.share * invoice.part, "on the invoice"))
        for invoice in invoices if part.on == "cash" else ():
            if invoice.paid is not None:
                found.append((invoice.paid, part.share * invoice.part, "on the customer's payment"))
    whole = sum((part.share for part in payable if part.on != "booking"), Fraction(0))
    return Due(sorted((max(day, booked), share, why) for day, share, why in found), whole)


def taken_back(rule: Clawback, booked: dt.date, cancelled: Cancelled) -> Fraction:
    """The share of a line's pay that a cancellation takes back; 0 outside the months in which any is. A term that is not known
    is as long as these."""
    if cancelled.day >= months_after(booked, rule.within_months):
        return Fraction(0)
    served = months_between(booked, cancelled.day)
    if rule.kind == "pro_rata":
        return unserved(cancelled.term_months or rule.within_months, served)
    if rule.kind == "schedule":
        return scheduled(rule.steps, served)
    return rule.share or Fraction(0)


def _why(share: Fraction, booked: dt.date, cancelled: Cancelled | None) -> str:
    assert cancelled is not None
    served = months_between(booked, cancelled.day)
    return f"cancelled on {cancelled.day}, {served} whole months after the booking: {float(share):.2%} are taken back"


def months_after(day: dt.date, months: int) -> dt.date:
    """The same day some months later, or earlier; where the month is too short, its last one.

    >>> months_after(dt.date(2026, 1, 31), 1)
    datetime.date(2026, 2, 28)
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def months_between(first: dt.date, last: dt.date) -> int:
    """Whole months from one day to a later one.

    >>> months_between(dt.date(2026, 1, 31), dt.date(2026, 3, 30))
    1
    """
    whole = (last.year - first.year) * 12 + last.month - first.month
    return max(whole - (last.day < first.day), 0)
