"""The ledger's lines of a quarter: everything that a plan pays, takes back, holds or recovers, one line each."""

from __future__ import annotations

import datetime as dt

import pandas as pd

from .. import money, periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from . import staff
from .book import Book
from .booked import Booked, booked, identified
from .drawn import ledger
from .later import later
from .objectives import carries
from .placing import gate_told
from .plans import Component, Plan
from .telling import rule

CAUSES = ("pay", "true_up", "spif", "objective", "released", "clawback", "draw", "recovery", "adjustment", "correction")
COLUMNS = ["line_id", "quarter", "rep_id", "plan", "version", "component", "cause", "deal", "event_date", "kind", "credit",
           "quota", "before", "after", "tiers", "gate", "earned", "withheld", "held", "pay", "currency", "rule", "link",
           "for_quarter"]  # fmt: skip
AMOUNTS = ("credit", "quota", "earned", "withheld", "held", "pay")
TEXTS = ("version", "component", "tiers", "gate", "rule", "link")


def entries(snapshot: Snapshot, plan: Plan) -> pd.DataFrame:
    """The lines of the snapshot's quarter, one row per line, by rep, cause, component and day: a total order.

    Columns: line_id (16 hexadecimal digits of what the line is about, never of amounts), quarter, rep_id, plan, version (in
    force on the line's day), component, cause (pay, true_up, spif, objective, released, clawback, draw, recovery, adjustment),
    deal (or objective, period, adjustment), event_date, kind, credit, quota, before and after (positions in the quota, 0–…),
    tiers, gate (in words), earned (before gate and cap), withheld (by cap or budget), held (what is not payable yet; negative
    where it is released or cancelled), pay (what this line pays now), currency, rule (a sentence), link (line_id of the line
    that is released or taken back, or that an adjustment corrects), for_quarter (the quarter whose pay it belongs to). Amounts
    are exact; pay is missing where there is no quota.

    Everything is as known in the snapshot, what earlier quarters paid included. DataRefused where the source lacks a table or
    a rate that the plan needs.
    """
    return of_booked(booked(snapshot, plan)).copy()


def of_booked(booked: Booked) -> pd.DataFrame:
    """`entries` of what is read already, computed once."""
    if "entries" not in booked.kept:
        found = [_of_quarter(booked), _of_later(booked), _of_draws(booked), _of_adjustments(booked.book)]
        table = pd.concat([rows for rows in found if len(rows)] or found[:1], ignore_index=True)
        booked.kept["entries"] = _finished(booked.book, table)
    return booked.kept["entries"]


def _of_quarter(booked: Booked) -> pd.DataFrame:
    """The lines that the quarter books, with their words."""
    rows = booked.lines(booked.book.snapshot.quarter)
    parts = [booked.parts[key] for key in zip(rows["component"], rows["version"], strict=True)]
    gates = [gate_told(part, attained) if isinstance(part, Component) and cause == "pay" else ""
             for part, attained, cause in zip(parts, rows["attained"], rows["cause"], strict=True)]  # fmt: skip
    left = staff.left(booked.book.roster)
    told = [rule(part, line, left=left.get(str(line.rep_id)))
            for part, line in zip(parts, rows.itertuples(), strict=True)]  # fmt: skip
    places = {name: (rows[name].astype("Float64") / rows["quota"].astype("Float64")) for name in ("before", "after")}
    return rows.assign(gate=gates, rule=told, for_quarter=rows["quarter"], **places)


def _of_later(booked: Booked) -> pd.DataFrame:
    rows = later(booked).lines(booked.book.snapshot.quarter)
    # What is taken back was earned and is so no more; what is released had been earned before.
    earned = (rows["pay"] + rows["held"]).where(rows["cause"] == "clawback", 0)
    return rows.assign(rule=rows["why"], earned=earned, withheld=0)


def _of_draws(booked: Booked) -> pd.DataFrame:
    """Pay topped up and recovered in the quarter's periods."""
    book, rows = booked.book, []
    for row in ledger(booked).itertuples():
        if row.quarter != str(book.snapshot.quarter):
            continue
        earned, debt = f"{row.earned / 100:,.2f}", f"{row.debt / 100:,.2f}"
        owed = "" if row.kind == "non_recoverable" else f"; owed at the end of {row.period}: {debt}"
        for cause, cents, what in (("draw", row.topped_up, "topped up"), ("recovery", -row.recovered, "of it recovered")):
            if cents:
                told = f"{earned} earned in {row.period}, {abs(cents) / 100:,.2f} {what}{owed}"
                rows.append([cause, row.rep_id, row.period, row.kind, pd.Timestamp(row.last_day), cents, told])
    table = pd.DataFrame(rows, columns=["cause", "rep_id", "deal", "kind", "event_date", "pay", "rule"])
    quarter = str(book.snapshot.quarter)
    table = table.assign(component="draw", quarter=quarter, line="", version=book.plan.version, earned=0, withheld=0, held=0)
    return identified(book.plan, table).assign(link="", for_quarter=quarter)


def _of_adjustments(book: Book) -> pd.DataFrame:
    """What somebody decided in the quarter for who was in the plan's role on the day. Of several plans for one role the first
    by name in the currency of the decision pays it, so that it is paid once."""
    snapshot, plan = book.snapshot, book.plan
    rows = snapshot.table("adjustments")
    rows = rows[rows["decided_date"].between(*map(pd.Timestamp, _days(snapshot)))]
    role = staff.on_day(book.roster, rows["rep_id"], rows["decided_date"])["role"]
    of_day = [_of_day(book, day.date()) for day in rows["decided_date"]]
    is_own = [one is not None and one.role == own and carries(snapshot, one, row.decided_date.date(), currency=row.currency)
              for one, own, row in zip(of_day, role, rows.itertuples(), strict=True)]  # fmt: skip
    rows = rows[pd.Series(is_own, rows.index, dtype="bool")].reset_index(drop=True)
    if rows.empty:
        return pd.DataFrame(columns=["line_id"])
    if others := sorted({*rows["currency"]} - {plan.currency}):
        raise DataRefused(
            f"an adjustment is in {others[0]}, the plan pays {plan.currency}",
            f"table adjustments, {rows.loc[rows['currency'] == others[0], 'adjustment_id'].iloc[0]}",
            "state it in the currency of the plan",
        )
    cents = money.to_cents(rows["amount"])
    told = [f"decided by {row.author} on {row.decided_date:%Y-%m-%d}: {row.reason}" for row in rows.itertuples()]
    table = pd.DataFrame({
        "component": "adjustment", "cause": "adjustment", "quarter": str(snapshot.quarter), "rep_id": rows["rep_id"],
        "deal": rows["adjustment_id"], "kind": "adjustment", "line": "", "event_date": rows["decided_date"],
        "version": plan.version, "pay": cents, "earned": cents, "held": 0, "withheld": 0, "rule": told,
        "link": rows["line_id"].fillna(""), "for_quarter": str(snapshot.quarter),
    })  # fmt: skip
    return identified(plan, table)


def _days(snapshot: Snapshot) -> tuple[str, str]:
    return str(periods.first_day(snapshot.quarter)), str(periods.last_day(snapshot.quarter))


def _of_day(book: Book, day: dt.date) -> Plan | None:
    """The plan as in force on a day of the quarter."""
    return next((plan for first, last, plan in book.versions(book.snapshot.quarter) if first <= day <= last), None)


def _finished(book: Book, rows: pd.DataFrame) -> pd.DataFrame:
    """Lines of all causes in one shape and order."""
    rows = rows.reindex(columns=COLUMNS).assign(plan=book.plan.name, currency=book.plan.currency)
    for name in AMOUNTS:
        rows[name] = money.from_cents(rows[name].astype("Int64"))
    for name in ("before", "after"):
        rows[name] = rows[name].astype("Float64").astype("float64")
    rows["event_date"] = rows["event_date"].astype("datetime64[us]")
    for name in set(COLUMNS) - {*AMOUNTS, "before", "after", "event_date"}:
        rows[name] = rows[name].astype("object").fillna("").astype("str")
    rank = rows["cause"].map({cause: place for place, cause in enumerate(CAUSES)})
    order = ["rep_id", "rank", "component", "event_date", "deal", "kind", "line_id"]
    return rows.assign(rank=rank).sort_values(order, kind="stable", ignore_index=True)[COLUMNS]
