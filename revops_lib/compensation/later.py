"""What a quarter pays on lines of earlier quarters and its own: parts released, pay taken back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pandas as pd

from .. import periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from .booked import Booked, identified
from .credits import LEAD
from .plans import Award, Component, Objectives
from .quotas import quarters_of
from .releases import Cancelled, Change, Due, Invoice, Move, due, months_after, moved

Deal = tuple[pd.Period, Decimal | None, str | None]  # quarter in which it was won, amount and currency as written
COLUMNS = ["component", "cause", "quarter", "rep_id", "deal", "kind", "line", "event_date", "version", "pay", "held", "why",
           "link", "for_quarter"]  # fmt: skip
READ = ["line_id", "quarter", "component", "version", "rep_id", "deal", "kind", "line", "event_date", "pay", "held"]


def later(booked: Booked) -> Later:
    """What happens to booked lines, computed once for all who ask."""
    if "later" not in booked.kept:
        booked.kept["later"] = Later(booked)
        if booked.past is not None:
            booked.kept["later"]._moved |= later(booked.past)._moved
    return booked.kept["later"]


class Later:
    """What is known of won deals after the booking: invoices, payments, cancellations; and what it does to their lines."""

    def __init__(self, booked: Booked) -> None:
        self._booked, self._snapshot = booked, booked.book.snapshot
        parts: list[Component | Award] = []
        for _, plan in booked.book.all_versions:
            parts += [*plan.components, *plan.awards]
        waits = {payable.on for part in parts for payable in part.payable}
        self._months = sorted({one.months for part in parts for one in part.payable if one.on == "months"})
        self._is_trued_up = any(isinstance(part, Component) and part.accumulation == "year_to_date" for part in parts)
        for part in parts:
            _refuse_waiting(part)
        self._is_quiet = waits == {"booking"} and not any(part.clawback for part in parts)
        self._won = {} if self._is_quiet else _won(self._snapshot)
        self._invoices = _invoices(self._snapshot, self._won) if waits & {"invoice", "cash"} else {}
        self._cancelled = _cancelled(self._snapshot) if not self._is_quiet else {}
        self._moved: dict[tuple[pd.Period, int], list[tuple[Any, Move]]] = {}

    def lines(self, quarter: pd.Period) -> pd.DataFrame:
        """One row per movement in a quarter of a booked line: the columns of `COLUMNS`, line_id; cents."""
        rows = [
            (line.component, move.cause, str(quarter), line.rep_id, line.deal, line.kind, line.line, pd.Timestamp(move.day),
             line.version, move.pay, move.held, f"booked in {line.quarter}: {move.why}", line.line_id, line.quarter)
            for earlier in self._earlier(quarter) for line, move in self._moves(earlier, quarter)
        ]  # fmt: skip
        return identified(self._booked.book.plan, pd.DataFrame(rows, columns=COLUMNS))

    def _moves(self, booked: pd.Period, quarter: pd.Period) -> Iterator[tuple[Any, Move]]:
        """The lines of an earlier quarter that move in this one."""
        first, last = periods.first_day(quarter), min(periods.last_day(quarter), self._snapshot.as_of)
        trued_up = min((quarter - booked).n, 4 - booked.quarter) if self._is_trued_up else 0
        if (booked, trued_up) not in self._moved:
            self._moved[booked, trued_up] = list(self._all_moves(booked, trued_up))
        yield from ((line, move) for line, move in self._moved[booked, trued_up] if first <= move.day <= last)

    def _all_moves(self, booked: pd.Period, trued_up: int) -> Iterator[tuple[Any, Move]]:
        """All that ever happens to the lines of a quarter, as known after some quarters of true-ups."""
        changes = self._changes(booked, trued_up)
        dues: dict[tuple[str, str, dt.date, str], Due] = {}
        rows = self._booked.lines(booked)
        rows = rows.loc[(rows["cause"] != "true_up") & rows["pay"].notna(), READ]
        for line in rows.astype("object").itertuples(index=False):
            part = self._booked.parts[str(line.component), str(line.version)]
            if isinstance(part, Objectives):  # paid at once
                continue
            day = line.event_date.date()
            deal = "" if line.kind in (LEAD, "pool") else line.deal  # these are no deal, whatever they are called
            key = line.component, line.version, day, deal if deal in self._invoices else ""
            if key not in dues:
                dues[key] = due(part.payable, day, self._invoices.get(deal, ()))
            done = moved(int(line.pay), int(line.held), day, dues[key], part.clawback, self._cancelled.get(deal),
                         changes.get(line.line_id, ()))  # fmt: skip
            yield from ((line, move) for move in done if move.pay or move.held)

    def _changes(self, booked: pd.Period, trued_up: int) -> dict[str, list[Change]]:
        """What the true-ups of the next quarters have changed of the lines of one, by line_id."""
        found: dict[str, list[Change]] = {}
        for number in range(1, trued_up + 1):
            rows = self._booked.lines(booked + number)
            for one in rows[rows["cause"] == "true_up"].itertuples():
                found.setdefault(one.link, []).append((one.event_date.date(), int(one.pay), int(one.held)))
        return found

    def _earlier(self, quarter: pd.Period) -> list[pd.Period]:
        """The quarters with lines that may move in this one, in order."""
        if self._is_quiet:
            return []
        first, last = periods.first_day(quarter), periods.last_day(quarter)
        billed = ((deal, day) for deal, found in self._invoices.items() for one in found for day in (one.invoiced, one.paid))
        deals = {deal for deal, day in billed if day is not None and first <= day <= last}
        deals |= {deal for deal, one in self._cancelled.items() if first <= one.day <= last}
        year = quarters_of("year_to_date", quarter) if self._is_trued_up else []
        found = {quarter, *year, *(self._won[deal][0] for deal in deals if deal in self._won)}
        for months in self._months:
            for day in (first, last):
                found.add(periods.quarter_of(months_after(day, -months), self._snapshot.fiscal_year_end))
        return sorted(one for one in found if one <= quarter)


def _refuse_waiting(part: Component | Award) -> None:
    """DataRefused where pay waits for an invoice that can never come: leads and pools belong to no deal."""
    waits = [payable.on for payable in part.payable if payable.on in ("invoice", "cash")]
    if waits and (part.measure == "leads" or (isinstance(part, Award) and part.kind == "pool")):
        raise DataRefused(
            f"{part.name} pays on {'leads' if part.measure == 'leads' else 'a pool'} when there is an invoice, which has none",
            f"plan component {part.name}, payable",
            "let it be payable on booking or after months",
        )


def _won(snapshot: Snapshot) -> dict[str, Deal]:
    """Quarter, amount and currency as written of every won deal."""
    deals = snapshot.opportunities
    won = deals[(deals["status"] == "won") & deals["close_date"].notna()]
    of = won["close_date"].dt.to_period(snapshot.quarter.freqstr)
    names = ("amount_written", "currency_written") if "amount_written" in won else ("amount", "currency")
    columns = (won["opportunity_id"], of, won[names[0]], won[names[1]])
    rows = zip(*(column.astype("object") for column in columns), strict=True)
    return {deal: (quarter, None if pd.isna(amount) else Decimal(amount), currency) for deal, quarter, amount, currency in rows}


def _invoices(snapshot: Snapshot, won: dict[str, Deal]) -> dict[str, list[Invoice]]:
    """Invoices of each deal as parts of what it is worth, together never more than all of it."""
    if not snapshot.has("invoices"):
        raise DataRefused(
            "this source has no invoices: what is payable on an invoice or its payment is not known",
            f"data {snapshot.data}, table invoices",
            "map a table of invoices, or pay on booking",
        )
    found: dict[str, list[Invoice]] = {}
    credited: dict[str, list[Invoice]] = {}  # what credit notes have cancelled
    for row in snapshot.table("invoices").sort_values(["opportunity_id", "invoiced_date", "invoice_id"]).itertuples():
        _, amount, currency = won.get(row.opportunity_id, (None, None, None))
        if amount is None:
            continue
        if pd.notna(row.currency) and pd.notna(currency) and row.currency != currency:
            raise DataRefused(
                f"invoice {row.invoice_id} is in {row.currency}, its deal in {currency}",
                "table invoices",
                "state invoices in the currency of the deal",
            )
        own = found.setdefault(row.opportunity_id, [])
        part = Fraction(row.amount) / Fraction(amount) if amount else Fraction(1)
        paid = None if pd.isna(row.paid_date) else row.paid_date.date()
        free = credited.setdefault(row.opportunity_id, [])
        if part < 0:
            _credit_note(own, free, -part)
        else:
            _invoice(own, free, part, row.invoiced_date.date(), paid)
    return {deal: [*own, *credited[deal]] for deal, own in found.items()}


def _credit_note(own: list[Invoice], free: list[Invoice], part: Fraction) -> None:
    """Cancels what is not paid, the latest invoice first: a later invoice may take its place. What was paid stays paid."""
    for place in reversed(range(len(own))):
        one = own[place]
        gone = min(part, one.part) if one.paid is None else Fraction(0)
        if gone:
            own[place], part = replace(one, part=one.part - gone), part - gone
            free.append(replace(one, part=gone))


def _invoice(own: list[Invoice], free: list[Invoice], part: Fraction, day: dt.date, paid: dt.date | None) -> None:
    """A new invoice first takes the place of cancelled ones, whose day of invoice stays (what waited for it is paid), then
    counts for what is not invoiced yet."""
    while free and part > 0:
        one = free.pop(0)
        taken = min(part, one.part)
        own.append(Invoice(taken, one.invoiced, paid))
        part -= taken
        if one.part > taken:
            free.insert(0, replace(one, part=one.part - taken))
    left = 1 - sum((one.part for one in [*own, *free]), Fraction(0))
    own.append(Invoice(min(part, left), day, paid))


def _cancelled(snapshot: Snapshot) -> dict[str, Cancelled]:
    """Cancelled contracts by deal; none where the source has no contracts."""
    rows = snapshot.table("contracts") if snapshot.has("contracts") else pd.DataFrame()
    rows = rows[rows["cancelled_date"].notna()] if len(rows) else rows
    return {
        row.opportunity_id: Cancelled(row.cancelled_date.date(), None if pd.isna(row.term_months) else int(row.term_months))
        for row in rows.itertuples()
    }
