"""The draw ledger: what each rep was topped up, what was recovered and what is still owed, period by period."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from functools import cache

import pandas as pd

from .. import money, periods
from ..snapshot import Snapshot
from . import staff
from .book import Book
from .booked import Booked, booked
from .draws import Draw, step
from .later import later
from .plans import Plan
from .quotas import months_of
from .releases import months_between

COLUMNS = ["rep_id", "period", "quarter", "last_day", "kind", "earned", "topped_up", "recovered", "paid", "debt"]


def debts(snapshot: Snapshot, plan: Plan) -> pd.DataFrame:
    """The draw ledger, one row per rep and period that has ended: rep_id, period (month or quarter), earned (commission, SPIFs,
    objectives, what was released and taken back; no adjustments), topped_up, recovered, paid, debt (at the end); exact amounts.

    It begins with the rep's hire, the first win or quota known or the first day of a draw, whichever is last. Who has left on
    a period's last day is topped up no more; what is owed is recovered from what is still earned. Empty for a plan without
    draw.
    """
    table = ledger(booked(snapshot, plan)).copy()
    for name in ("earned", "topped_up", "recovered", "paid", "debt"):
        table[name] = money.from_cents(table[name].astype("Int64"))
    return table[["rep_id", "period", "earned", "topped_up", "recovered", "paid", "debt"]]


def ledger(booked: Booked) -> pd.DataFrame:
    """The rows of `debts` in cents, with quarter and last_day of the period and the kind of the draw; computed once."""
    if "draws" not in booked.kept:
        booked.kept["draws"] = _ledger(booked)
    return booked.kept["draws"]


def _ledger(booked: Booked) -> pd.DataFrame:
    book = booked.book
    if all(plan.draw is None for _, plan in book.all_versions):
        return pd.DataFrame(columns=COLUMNS)
    snapshot, plan = book.snapshot, book.plan
    days, hired = staff.days_in_role(book.roster, plan.role), staff.hired(book.roster)
    quarters = _quarters(book)
    earned: dict[tuple[str, str], int] = defaultdict(int)
    for quarter in quarters:
        for rows in (booked.lines(quarter), later(booked).lines(quarter)):
            for rep, day, cents in zip(rows["rep_id"], rows["event_date"], rows["pay"], strict=True):
                if pd.notna(cents):
                    # Judged after the quarter, an objective is still pay of the quarter.
                    within = min(max(day, pd.Timestamp(periods.first_day(quarter))), pd.Timestamp(periods.last_day(quarter)))
                    earned[rep, within.strftime("%Y-%m")] += int(cents)
    found = []
    for rep in sorted({*days, *(rep for rep, _ in earned)}):
        debt, number = 0, 0
        draw: Draw | None = None
        for quarter in quarters:
            stated = next((plan.draw for _, _, plan in book.versions(quarter)), None)
            draw = stated or draw  # what is owed of a draw that the plan has no more is still recovered
            for name, first, last, months in _periods(draw.period if draw else "", quarter):
                own = sum(earned[rep, month] for month in months)
                is_there = any(a <= last <= b for a, b in days.get(rep, []))
                if draw is None or last > snapshot.as_of or not (is_there or own):
                    continue
                number += 1
                since = months_between(hired[rep].replace(day=1), first) if rep in hired else 0
                is_paid = is_there and stated is not None and (draw.months is None or since < draw.months)
                row = step(draw, own, debt, is_paid=is_paid, recovers=number >= draw.first_recovery)
                debt = row[-1]
                found.append([rep, name, str(quarter), last, draw.kind, *row])
    return pd.DataFrame(found, columns=COLUMNS)


def _quarters(book: Book) -> list[pd.Period]:
    """The quarters the ledger covers: from the first with a quota or a win in which a draw is in force, until the snapshot's.
    Of earlier ones nobody knows whether they were paid."""
    snapshot, last = book.snapshot, book.snapshot.quarter
    deals = snapshot.opportunities
    won = deals.loc[deals["status"] == "won", "close_date"].min()
    known = [] if pd.isna(won) else [periods.quarter_of(won.date(), snapshot.fiscal_year_end)]
    if snapshot.has("quotas"):
        known += [pd.Period(name, freq=book.freq) for name in snapshot.table("quotas")["quarter"].unique()]
    first = min([*known, last])
    begin = next((day for day, plan in book.all_versions if plan.draw is not None), dt.date.min)
    if begin > dt.date.min:
        first = max(first, min(periods.quarter_of(begin, book.snapshot.fiscal_year_end), last))
    return [first + i for i in range((last - first).n + 1)]


@cache
def _periods(kind: str, quarter: pd.Period) -> list[tuple[str, dt.date, dt.date, list[str]]]:
    """The draw's periods in a quarter, months or the quarter itself: name, first and last day, months in it."""
    months = months_of(quarter)
    if kind == "quarter":
        return [(str(quarter), periods.first_day(quarter), periods.last_day(quarter), [name for name, _ in months])]
    return [(name, periods.first_day(one), periods.last_day(one), [name]) for name, one in months]
