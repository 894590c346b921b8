"""The ledger across quarters: what a closed quarter would say today, and the lines of the open quarter that carry the
difference. Closed lines never change. Exact money throughout."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pandas as pd

from .. import money
from .plans import Payable, Plan

CORRECTION, LATEST = "correction", ""
AMOUNTS = ("credit", "earned", "withheld", "held", "pay")
_WON = ("pay", "spif", "true_up")  # causes whose `deal` is one that was won

# Why a line differs that has the same credit, quota and plan.
_MOVED = {"objective": "it was judged after the quarter was closed",
          **dict.fromkeys([*_WON, "draw", "recovery"], "other lines moved it")}  # fmt: skip
# What a line says beside its amounts: as its latest correction says it.
_SAID = ("version", "quota", "before", "after", "tiers", "gate")
_HELD = ("rep_id", "plan", "component", "deal", "currency")

Key = tuple[str, ...]  # quarter the line stands in, rep_id, plan, component, cause, deal, kind


@dataclass
class _Standing:
    """What the ledger says of one line: the sums in cents, the row that says the rest, and whether the pay is known."""

    row: dict[str, Any]
    cents: dict[str, int] = field(default_factory=lambda: dict.fromkeys(AMOUNTS, 0))
    is_paid: bool = False


def corrections(closed: pd.DataFrame, now: pd.DataFrame, *, quarter: str) -> pd.DataFrame:
    """Lines of the open `quarter` that bring closed quarters to what is known now, one row per closed line that differs.

    `closed`: the lines of all closed quarters as their files have them, the corrections they carried included; `now`: the
    entries of the same quarters, computed again. Columns are those of entries: cause "correction", kind (cause and kind of the
    line corrected), credit, earned, withheld, held and pay (now minus what stands: the closed line and all corrections of it so
    far), for_quarter (the one corrected), link (the line corrected, or the one it would have been), rule (why, and what it had
    paid and pays now); the rest as the line is now, or was. A missing amount counts as none, so
    Σ closed + Σ corrections = Σ now, to the cent, per rep and quarter. No row where nothing differs.
    """
    standing, fresh = _summed(closed), _summed(now)
    known = _Known(standing), _Known(fresh)
    rows = []
    for key in sorted({*standing, *fresh}):
        was, now_ = standing.get(key), fresh.get(key)
        change = {name: (now_.cents[name] if now_ else 0) - (was.cents[name] if was else 0) for name in AMOUNTS}
        if any(change.values()):
            rows.append(_correction(quarter, key, was, now_, change, _reason(key, was, now_, *known)))
    table = pd.DataFrame(rows, columns=list(now.columns))
    for name in AMOUNTS:
        table[name] = money.from_cents(table[name].astype("Int64"))
    return table.astype(now.dtypes.to_dict())


def _summed(lines: pd.DataFrame) -> dict[Key, _Standing]:
    """What stands, by the line it is about; a correction counts to the line it corrects."""
    cents = {name: money.to_cents(lines[name]) for name in AMOUNTS}
    found: dict[Key, _Standing] = {}
    for place, row in enumerate(lines.to_dict("records")):
        cause, of, kind = row["cause"], row["quarter"], row["kind"]
        if cause == CORRECTION:
            (cause, _, kind), of = kind.partition(" "), row["for_quarter"]
        key = (of, row["rep_id"], row["plan"], row["component"], cause, row["deal"], kind)
        one = found.setdefault(key, _Standing({str(name): value for name, value in row.items()}))
        if row["cause"] == CORRECTION:
            one.row.update({name: row[name] for name in _SAID})
        for name, column in cents.items():
            value = column.iloc[place]
            one.cents[name] += 0 if pd.isna(value) else int(value)
        one.is_paid = one.is_paid or not pd.isna(row["pay"])
    return found


def _correction(
    quarter: str, key: Key, was: _Standing | None, now: _Standing | None, change: dict[str, int], reason: str
) -> dict[str, Any]:
    of, *_, cause, _, kind = key
    latest, first = now or was, was or now
    assert latest is not None and first is not None
    paid = [_told(one, latest.row["currency"]) for one in (was, now)]
    return {
        **latest.row,
        **change,
        "line_id": hashlib.sha256("\0".join([CORRECTION, quarter, *key]).encode()).hexdigest()[:16],
        "quarter": quarter,
        "cause": CORRECTION,
        "kind": f"{cause} {kind}".strip(),
        "rule": f"{of} is corrected: {reason}. It had paid {paid[0]}; as known now it pays {paid[1]}.",
        "link": first.row["link"] if first.row["cause"] == CORRECTION else first.row["line_id"],
        "for_quarter": of,
    }


def _told(one: _Standing | None, currency: str) -> str:
    if one is None or not one.is_paid:
        return "nothing"
    return f"{one.cents['pay'] / 100:,.2f} {currency}"


class _Known:
    """Which deals, people and plans one side of the comparison has."""

    def __init__(self, lines: dict[Key, _Standing]) -> None:
        there = [key for key, one in lines.items() if any(one.cents.values())]
        self.plans = {(of, plan) for of, _, plan, *_ in there}
        self.ids = {rep for _, rep, *_ in there}
        self.deals: dict[tuple[str, str], set[str]] = {}  # who is credited
        for of, rep, _, _, cause, deal, _ in there:
            if cause in _WON:
                self.deals.setdefault((of, deal), set()).add(rep)


def _reason(key: Key, was: _Standing | None, now: _Standing | None, before: _Known, after: _Known) -> str:
    """Why a line differs, in words a rep can read; nobody else is named."""
    of, rep, plan, _, cause, deal, _ = key
    was, now = (one if one and (any(one.cents.values()) or one.is_paid) else None for one in (was, now))
    if was and now:
        changed = {
            "its amount or share changed": was.cents["credit"] != now.cents["credit"],
            "the plan was changed": was.row["version"] != now.row["version"],
            "the quota changed": _differ(was.row["quota"], now.row["quota"]),
        }
        said = " and ".join(name for name, is_so in changed.items() if is_so)
        return said or _MOVED.get(cause, "what it rests on changed after the quarter was closed")
    other, is_new = (before, True) if now else (after, False)
    if cause not in _WON or not deal:
        return "it was not known when the quarter was closed" if is_new else "it does not hold any more"
    if (of, deal) not in other.deals:
        return f"the deal was {'known as won after the quarter was closed' if is_new else 'won and is not any more'}"
    if (of, plan) not in other.plans:
        return f"the plan is {'new' if is_new else 'no longer in force'}"
    if rep not in other.deals[of, deal]:
        # Lines that went as a whole from one id to another are nobody's win.
        is_renamed = before.deals[of, deal].isdisjoint(after.ids) if is_new else rep not in after.ids
        asked = "; nothing is credited to the earlier id any more: the same person under a new one?" if is_renamed else ""
        return f"the deal {'was' if is_new else 'is now'} credited to somebody else{asked}"
    return "the plan or the credit changed"


def _differ(one: Any, other: Any) -> bool:
    return pd.isna(one) != pd.isna(other) or (not pd.isna(one) and one != other)


def outstanding(ledger: pd.DataFrame, plans: Iterable[Plan] = ()) -> pd.DataFrame:
    """What is earned and not payable yet, one row per rep, component, deal and currency that something is held of.

    `ledger`: the lines of the quarters so far, corrections included. Columns: line_id and event_date (of the first line that
    held something), rep_id, plan, component, deal, currency, held (in all), gone (released or cancelled since), left (held −
    gone, not 0), all exact, and comes (what the rest waits for, in words, by the plan of that name and version among `plans`,
    or else the last one of that name).
    """
    waits: dict[tuple[str, str, str], tuple[Payable, ...]] = {}
    for plan in plans:
        for version in (plan.version, LATEST):
            waits |= {(plan.name, version, one.name): one.payable for one in plan.components}
            waits |= {(plan.name, version, one.name): one.payable for one in plan.awards}
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    held = money.to_cents(ledger["held"]).fillna(0).astype("int64")
    rows = [(_is_gone(row), cents, row) for cents, row in zip(held, ledger.to_dict("records"), strict=True) if cents]
    # A quarter's releases stand before the corrections that may have held it: what held it says since when.
    for is_gone, cents, row in sorted(rows, key=lambda one: one[0]):
        one = found.setdefault(tuple(row[name] for name in _HELD), {**row, "held": 0, "gone": 0})
        one["gone" if is_gone else "held"] += cents
    waiting = [
        {**row, "gone": -row["gone"], "left": row["held"] + row["gone"],
         "comes": _comes(_payable(waits, row), row["event_date"])}
        for row in found.values()
    ]  # fmt: skip
    columns = ["line_id", "rep_id", "plan", "component", "deal", "currency", "event_date", "held", "gone", "left", "comes"]
    table = pd.DataFrame([row for row in waiting if row["held"] and row["left"]], columns=columns)
    for name in ("held", "gone", "left"):
        table[name] = money.from_cents(table[name].astype("Int64"))
    return table.sort_values(["rep_id", "event_date", "deal", "line_id"], kind="stable", ignore_index=True)


def _is_gone(row: dict[str, Any]) -> bool:
    """Whether a line releases or cancels what another one holds."""
    cause = row["kind"].split(" ")[0] if row["cause"] == CORRECTION else row["cause"]
    return cause in ("released", "clawback")


def _payable(waits: dict[tuple[str, str, str], tuple[Payable, ...]], row: dict[str, Any]) -> tuple[Payable, ...]:
    latest = waits.get((row["plan"], LATEST, row["component"]), ())
    return waits.get((row["plan"], row["version"], row["component"]), latest)


def _comes(payable: Iterable[Payable], earned_on: pd.Timestamp) -> str:
    """When the parts of a pay that wait become payable.

    >>> _comes((Payable(Fraction(1, 2), "booking"), Payable(Fraction(1, 2), "months", 6)), pd.Timestamp("2026-07-03"))
    '50 % on 2027-01-03'
    """
    words = {"invoice": "when the customer is invoiced", "cash": "when the customer has paid"}
    parts = []
    for part in payable:
        if part.on == "months":
            parts.append(f"{_percent(part.share)} on {earned_on + pd.DateOffset(months=part.months):%Y-%m-%d}")
        elif part.on in words:
            parts.append(f"{_percent(part.share)} {words[part.on]}")
    return " and ".join(parts) or "as the plan says"


def _percent(share: Fraction) -> str:
    return f"{float(100 * share):.4g} %"
