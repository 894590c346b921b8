"""What a statement says, section by section: sentences, and tables of display text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd

from .parts import Section, Statement, Table

NOT_KNOWN = "not known"
NO_QUOTA, NO_TARGET = "there is no quota for it, or it is 0", "the target pay it is a part of is not stated"
# What a line is beside the pay on a deal, after the name of its component.
_CAUSES = {"true_up": "true-up", "released": "paid out of what was held", "clawback": "taken back",
           "draw": "topped up", "recovery": "paid back", "correction": "correction"}  # fmt: skip


def about(told: Statement) -> list[str]:
    """Who, what and when, in lines below the title."""
    who = told.rep_id if told.name in ("", told.rep_id) else f"{told.name} ({told.rep_id})"
    state = f"Closed: this is what was known on {told.as_of}. It does not change any more."
    if not told.is_closed:
        state = f"Draft: what is known on {told.as_of}. The quarter is not closed, and amounts can still change."
    return [who, told.company, state]


def sections(told: Statement) -> list[Section]:
    """The statement in the order in which a person reads it; what does not apply is left out, but for what is always asked."""
    found = [_pays(told), _lines(told), _held(told), _owed(told), _positions(told), _next(told)]
    if len(told.disputes):
        found.append(_disputes(told))
    return [*found, _how_to_dispute()]


def money(amount: Any, currency: str = "") -> str:
    """An amount as people read it.

    >>> money(Decimal("-1234.5"), "EUR"), money(None)
    ('-1,234.50 EUR', 'not known')
    """
    return NOT_KNOWN if pd.isna(amount) else f"{amount:,.2f} {currency}".strip()


def _pays(told: Statement) -> Section:
    is_known = _is_known(told.lines)
    rows = [[row.what, money(row.amount)] for row in told.parts.itertuples()]
    rows += [["Total", money(told.total) if is_known else NOT_KNOWN]] if rows else []
    columns = [("What", False), ("Amount", True)]
    caption = f"What adds up to it, {told.currency}"
    table = Table(caption, columns, rows, sums=frozenset({len(rows) - 1})) if rows else None
    sentences = [f"This quarter pays you {money(told.total, told.currency)}."]
    if told.total < 0:
        sentences = [f"This quarter takes back {money(-told.total, told.currency)}."]
    if not is_known:
        sentences = [f"What this quarter pays you is not known yet; {money(told.total, told.currency)} of it is."]
    if told.later:
        sentences.append(f"{money(told.later, told.currency)} are held until later: “What is held” says until when.")
    if told.owed:
        sentences.append(f"You owe {money(told.owed, told.currency)} of your draw.")
    if told.withheld:
        sentences.append(f"A cap or budget withheld {money(told.withheld, told.currency)}.")
    return Section("What I earned", [*sentences, *told.notes], table)


def _lines(told: Statement) -> Section:
    """Every line, a sum after those of one part, and the sum of all at the end: the total that stands at the head."""
    title = "How each amount came about"
    if told.lines.empty:
        return Section(title, ["There is no line in this quarter."])
    columns = [("Day", False), ("What", False), ("Counts", True), ("Earned", True), ("Held", True), ("Pays now", True)]
    rows: list[list[str]] = []
    why: list[list[str]] = []
    sums = []
    for part, own in told.lines.groupby("part", sort=False):
        for row in own.to_dict("records"):
            amounts = [_or_dash(row[name]) for name in ("credit", "earned", "held", "pay")]
            rows.append([_day(row["event_date"]), _what(row), *amounts])
            why.append(_why(row))
        rows.append(_summed(f"Sum of {part}", own))
        why.append([])
        sums.append(len(rows) - 1)
    rows.append(_summed("Total", told.lines))
    sentences = ["Every line of this quarter, one part of the plan after the other, each by day, with its sum."]
    if (told.lines["cause"] == "correction").any():
        sentences.append("Closed quarters stay as they were; what has changed since is settled by lines of correction.")
    table = Table(f"Lines, {told.currency}", columns, rows, [*why, []], frozenset([*sums, len(rows) - 1]))
    return Section(title, sentences, table)


def _summed(what: str, lines: pd.DataFrame) -> list[str]:
    """What lines sum to, where what they pay is known."""
    sums = [money(sum(lines[name].dropna(), start=Decimal(0))) for name in ("earned", "held", "pay")]
    return ["", what, "", *(sums if _is_known(lines) else [NOT_KNOWN] * 3)]


def _is_known(lines: pd.DataFrame) -> bool:
    """Whether what all lines pay is known; a correction says what it is."""
    return not (lines["pay"].isna() & (lines["cause"] != "correction")).any()


def _what(row: dict[str, Any]) -> str:
    what = ": ".join(text for text in (row["name"] or row["deal"], row["component"].replace("_", " ")) if text)
    cause = _CAUSES.get(row.get("cause", ""), "")
    if row.get("cause") == "correction":
        cause = f"{cause} of {row['for_quarter']}"
    return f"{what}, {cause}" if cause else what


def _deal(row: dict[str, Any]) -> list[str]:
    """The deal by its number and account; nothing where the line is about none."""
    account = f", account {row['account']}" if row["account"] else ""
    return [f"Deal {row['deal']}{account}."] if row["name"] or account else []


def _why(row: dict[str, Any]) -> list[str]:
    """The trace of a line: rule, place in the quota, tiers, gate, what a cap kept, version, number."""
    rule = str(row["rule"])
    said = [*_deal(row), rule]
    if pd.notna(row["before"]) and pd.notna(row["after"]):
        quota = "" if pd.isna(row["quota"]) else f" of {money(row['quota'])}"
        said.append(f"Place in the quota{quota}: {row['before']:.2%} before, {row['after']:.2%} after.")
    said += [f"{label}: {row[name]}." for label, name in (("Tiers", "tiers"), ("Gate", "gate")) if row[name] not in rule]
    if pd.notna(row["withheld"]) and row["withheld"]:
        said.append(f"Withheld by a cap or budget: {money(row['withheld'])}.")
    if pd.isna(row["pay"]):
        said.append(f"What it pays is not known: {NO_QUOTA if pd.isna(row['quota']) else NO_TARGET}.")
    refers = f" It refers to line {row['link']}." if row["link"] else ""
    return [*said, f"Plan {row['plan']}, version {row['version']}. Line {row['line_id']}.{refers}"]


def _held(told: Statement) -> Section:
    if told.held.empty:
        return Section("What is held", ["Nothing is held."])
    amounts = ["held", "gone", "left"]
    columns = [("Day", False), ("What", False), ("When it comes, in shares of the pay", False), ("Held", True),
               ("Paid or cancelled since", True), ("Still to come", True)]  # fmt: skip
    held = told.held.to_dict("records")
    rows = [[_day(row["event_date"]), _what(row), row["comes"], *(money(row[name]) for name in amounts)] for row in held]
    rows.append(["", "Total", "", *(money(sum(told.held[name], start=Decimal(0))) for name in amounts)])
    why = [[*_deal(row), f"Line {row['line_id']}."] for row in held]
    table = Table(f"Held, {told.currency}", columns, rows, [*why, []], frozenset({len(rows) - 1}))
    return Section("What is held", ["Earned, and paid later."], table)


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
            sentences.append(row["condition"])
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


def _how_to_dispute() -> Section:
    return Section(
        "Something is wrong?",
        [
            "What to send: the number of the line, the sixteen letters and digits after “Line”; what you expected; and what "
            "says so, like the rule of the plan, the contract or the agreed split.",
            "To whom: Revenue Operations, who enter it as a dispute.",
            "By when: as your company's rules on pay say. The plans state no day: tell Revenue Operations as soon as you "
            "see it.",
            "What happens: the decision and its reason stand in your statement. When it is accepted, a line of adjustment "
            "settles it in the quarter that is open then; a closed statement does not change.",
        ],
    )


def _day(value: Any) -> str:
    return "" if pd.isna(value) else f"{value:%Y-%m-%d}"


def _or_dash(amount: Any) -> str:
    return "–" if pd.isna(amount) else money(amount)
