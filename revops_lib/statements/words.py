"""What a statement says, section by section: sentences, and tables of display text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pandas as pd

NOT_KNOWN = "not known"
NO_QUOTA, NO_TARGET = "there is no quota for it, or it is 0", "the target pay it is a part of is not stated"
# What a line is beside the pay on a deal, after the name of its component.
_CAUSES = {"true_up": "true-up", "released": "paid out of what was held", "clawback": "taken back",
           "draw": "topped up", "recovery": "paid back", "correction": "correction"}  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """Everything that one person's statement is made of, computed elsewhere; amounts are exact and in `currency`.

    `total`: what the quarter pays; `later`: what is held until later; `owed`: the debt of draws at the end; `withheld`: by
    caps. `parts`: what (text), amount; they sum to the total. `lines`: the person's lines of the ledger with `name` of the
    deal; those of cause "correction" are told apart. `held`: deal, name, component, line_id, event_date, comes (text), held,
    gone, left. `draws`: period, earned, topped_up, recovered, paid, debt. `positions`: plan, credited, quota, attainment.
    `next_pays`: plan, amount, pays, is_on_deals (whether the plan pays on whatever deal is won). `disputes`: line_id,
    raised_date, reason, decision, amount. `notes`: sentences about the whole.
    """

    rep_id: str
    name: str
    company: str
    quarter: str
    as_of: str
    currency: str
    is_closed: bool
    total: Decimal
    later: Decimal
    owed: Decimal
    withheld: Decimal
    parts: pd.DataFrame
    lines: pd.DataFrame
    held: pd.DataFrame
    draws: pd.DataFrame
    positions: pd.DataFrame
    next_pays: pd.DataFrame
    disputes: pd.DataFrame
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """`columns`: heading, and whether it holds numbers. `rows`: a text per column. `why`: sentences below the second text of
    each row, where there are any."""

    caption: str
    columns: list[tuple[str, bool]]
    rows: list[list[str]]
    why: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    title: str
    sentences: list[str]
    table: Table | None = None


def about(told: Statement) -> list[str]:
    """Who, what and when, in lines below the title."""
    who = told.rep_id if told.name in ("", told.rep_id) else f"{told.name} ({told.rep_id})"
    state = f"Closed: this is what was known on {told.as_of}. It does not change any more."
    if not told.is_closed:
        state = f"Draft: what is known on {told.as_of}. The quarter is not closed, and amounts can still change."
    return [who, told.company, state]


def sections(told: Statement) -> list[Section]:
    """The statement in the order in which a person reads it; what does not apply is left out, but for what is always asked."""
    own = told.lines[told.lines["cause"] != "correction"]
    corrected = told.lines[told.lines["cause"] == "correction"]
    found = [
        _pays(told),
        _lines("How each amount came about", "Every line of this quarter, in the order in which it counts.", own, told),
        _held(told),
        _owed(told),
        _positions(told),
        _next(told),
    ]
    if len(corrected):
        text = "Closed quarters stay as they were; what has changed since is settled here."
        found.append(_lines("Corrections of closed quarters", text, corrected, told))
    if len(told.disputes):
        found.append(_disputes(told))
    return [*found, _how_to_dispute(told)]


def money(amount: Any, currency: str = "") -> str:
    """An amount as people read it.

    >>> money(Decimal("-1234.5"), "EUR"), money(None)
    ('-1,234.50 EUR', 'not known')
    """
    return NOT_KNOWN if pd.isna(amount) else f"{amount:,.2f} {currency}".strip()


def _pays(told: Statement) -> Section:
    rows = [[row.what, money(row.amount)] for row in told.parts.itertuples()]
    table = Table(f"What adds up to it, {told.currency}", [("What", False), ("Amount", True)], rows) if rows else None
    sentences = [f"This quarter pays you {money(told.total, told.currency)}."]
    if told.total < 0:
        sentences = [f"This quarter takes back {money(-told.total, told.currency)}."]
    if told.later:
        sentences.append(f"{money(told.later, told.currency)} are held until later.")
    if told.owed:
        sentences.append(f"You owe {money(told.owed, told.currency)} of your draw.")
    if told.withheld:
        sentences.append(f"A cap or budget withheld {money(told.withheld, told.currency)}.")
    return Section("What I earned", [*sentences, *told.notes], table)


def _lines(title: str, text: str, lines: pd.DataFrame, told: Statement) -> Section:
    if lines.empty:
        return Section(title, ["There is no line in this quarter."])
    columns = [("Day", False), ("What", False), ("Counts", True), ("Earned", True), ("Held", True), ("Pays now", True)]
    rows = [
        [_day(row["event_date"]), _what(row), *(_or_dash(row[name]) for name in ("credit", "earned", "held", "pay"))]
        for row in lines.to_dict("records")
    ]
    why = [_why(row) for row in lines.to_dict("records")]
    return Section(title, [text], Table(f"Lines, {told.currency}", columns, rows, why))


def _what(row: dict[str, Any]) -> str:
    what = ": ".join(text for text in (row["name"] or row["deal"], row["component"]) if text)
    return f"{what}, {_CAUSES[row['cause']]}" if row.get("cause") in _CAUSES else what


def _why(row: dict[str, Any]) -> list[str]:
    """The trace of a line: rule, place in the quota, tiers, gate, what a cap kept, version, number."""
    said = [str(row["rule"])]
    if pd.notna(row["before"]) and pd.notna(row["after"]):
        quota = "" if pd.isna(row["quota"]) else f" of {money(row['quota'])}"
        said.append(f"Place in the quota{quota}: {row['before']:.2%} before, {row['after']:.2%} after.")
    said += [f"{label}: {row[name]}." for label, name in (("Tiers", "tiers"), ("Gate", "gate")) if row[name] not in said[0]]
    if pd.notna(row["withheld"]) and row["withheld"]:
        said.append(f"Withheld by a cap or budget: {money(row['withheld'])}.")
    if pd.isna(row["pay"]):
        said.append(f"What it pays is not known: {NO_QUOTA if pd.isna(row['quota']) else NO_TARGET}.")
    refers = f" It refers to line {row['link']}." if row["link"] else ""
    deal = f"Deal {row['deal']}, plan" if row["name"] else "Plan"
    return [*said, f"{deal} {row['plan']}, version {row['version']}. Line {row['line_id']}.{refers}"]


def _held(told: Statement) -> Section:
    if told.held.empty:
        return Section("What is held", ["Nothing is held."])
    columns = [("Day", False), ("What", False), ("Held", True), ("Paid or cancelled since", True), ("Still to come", True)]
    rows = [
        [_day(row["event_date"]), _what(row), *(money(row[name]) for name in ("held", "gone", "left"))]
        for row in told.held.to_dict("records")
    ]
    why = [[f"{row['comes']}.", f"Line {row['line_id']}."] for row in told.held.to_dict("records")]
    return Section("What is held", ["Earned, and paid later."], Table(f"Held, {told.currency}", columns, rows, why))


def _owed(told: Statement) -> Section:
    if told.draws.empty:
        return Section("What I owe", ["You have no draw and owe nothing."])
    names = ["earned", "topped_up", "recovered", "paid", "debt"]
    headings = ["Earned", "Topped up", "Recovered", "Paid", "Owed at its end"]
    columns = [("Period", False), *((heading, True) for heading in headings)]
    rows = [[str(row["period"]), *(money(row[name]) for name in names)] for row in told.draws.to_dict("records")]
    sentence = f"At the end you owe {money(told.owed, told.currency)} of your draw." if told.owed else "You owe nothing."
    return Section("What I owe", [sentence], Table(f"Draw, {told.currency}", columns, rows))


def _positions(told: Statement) -> Section:
    if told.positions.empty:
        return Section("Where I stand in the quota", ["You have no quota in this quarter."])
    columns = [("Plan", False), ("Credited", True), ("Quota", True), ("Attained", True)]
    rows = [
        [row["plan"], money(row["credited"]), money(row["quota"]),
         NOT_KNOWN if pd.isna(row["attainment"]) else f"{row['attainment']:.1%}"]
        for row in told.positions.to_dict("records")
    ]  # fmt: skip
    return Section("Where I stand in the quota", [], Table(f"Quota, {told.currency}", columns, rows))


def _next(told: Statement) -> Section:
    draw = "" if told.draws.empty else ", before what your draw tops up or takes back"
    sentences = []
    for row in told.next_pays.to_dict("records"):
        one = f"{row['amount']:,.0f} {told.currency}"
        if pd.notna(row["pays"]):
            sentences.append(f"The next {one} would pay {money(row['pays'], told.currency)} ({row['plan']}){draw}.")
        else:
            why = "there is no quota, or it is 0" if row["is_on_deals"] else "the plan does not pay on every deal won"
            sentences.append(f"What the next {one} would pay is not known ({row['plan']}): {why}.")
    return Section("What the next deal pays", sentences or ["That is not known: there is no quota."])


def _disputes(told: Statement) -> Section:
    columns = [("Raised", False), ("Line", False), ("Reason", False), ("Decision", False), ("Settled", True)]
    rows = [
        [_day(row["raised_date"]), str(row["line_id"]), str(row["reason"] or ""), str(row["decision"] or "open"),
         _or_dash(row["amount"])]
        for row in told.disputes.to_dict("records")
    ]  # fmt: skip
    return Section("Disputes", [], Table(f"Disputes, {told.currency}", columns, rows))


def _how_to_dispute(told: Statement) -> Section:
    return Section(
        "Something is wrong?",
        [
            "Every line has a number of sixteen letters and digits. Write to whoever runs compensation: the number of the "
            "line, what you expected, and why.",
            "It is entered as a dispute. When it is accepted, a line of adjustment settles it in the quarter that is open "
            "then; a closed statement does not change.",
        ],
    )


def _day(value: Any) -> str:
    return "" if pd.isna(value) else f"{value:%Y-%m-%d}"


def _or_dash(amount: Any) -> str:
    return "–" if pd.isna(amount) else money(amount)
