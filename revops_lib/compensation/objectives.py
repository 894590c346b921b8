"""Pay on objectives: agreed for a quarter, weighted, judged."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import Any

import pandas as pd

from .. import money, periods, sources
from ..errors import DataRefused
from ..snapshot import Snapshot
from ..snapshot.plans import in_force, plan_file, plan_names
from . import staff
from .book import Book
from .plans import Objectives, Plan


def judged(book: Book, plan: Plan, part: Objectives, quarter: pd.Period) -> pd.DataFrame:
    """What the objectives of a quarter pay, one row per rep in the plan's role and objective: rep_id, deal (the objective),
    event_date (day of the judgement; the quarter's last one while there is none), kept (cents), tiers (in words).

    variable × weight ÷ 4 × Σ (weight of the objective × achieved), cut at rounded sums in the order of the objectives; one
    that is not judged yet pays nothing. Weights count as written, whatever they sum to.
    """
    rows = of_quarter(book.snapshot, book.roster, plan, quarter)
    if not carries(book.snapshot, plan, periods.first_day(quarter), objectives=True):
        rows = rows.head(0)
    targets = book.quotas.targets(part, "quarter", quarter, plan=plan).droplevel("window")
    target = [int(targets.get(rep, 0)) for rep in rows["rep_id"]]
    paid, upto = [], dict.fromkeys(rows["rep_id"], Fraction(0))
    for rep, own, weight, done in zip(rows["rep_id"], target, rows["weight"], rows["achieved"], strict=True):
        before = upto[rep]
        upto[rep] += _exact(weight) * (_exact(done) if pd.notna(done) else 0)
        paid.append(money.rounded(own * upto[rep], part.rounding) - money.rounded(own * before, part.rounding))
    told = [_told(row, own, book.plan.currency) for row, own in zip(rows.itertuples(), target, strict=True)]
    last = pd.Timestamp(periods.last_day(quarter)).as_unit("us")
    return pd.DataFrame({
        "rep_id": rows["rep_id"], "deal": rows["objective"], "event_date": rows["decided_date"].fillna(last), "kept": paid,
        "tiers": told,
    }).astype({"kept": "int64", "tiers": "str"})  # fmt: skip


def of_quarter(snapshot: Snapshot, roster: pd.DataFrame, plan: Plan, quarter: pd.Period) -> pd.DataFrame:
    """The objectives of a quarter of who is in the plan's role on the day they are judged; on the quarter's last day where that
    comes later, or has not come."""
    found = snapshot.table("objectives")
    found = found[found["quarter"] == str(quarter)].sort_values(["rep_id", "objective"], ignore_index=True)
    first, last = (pd.Timestamp(day).as_unit("us") for day in (periods.first_day(quarter), periods.last_day(quarter)))
    days = found["decided_date"].fillna(last).clip(first, last)
    return found[staff.on_day(roster, found["rep_id"], days)["role"] == plan.role].reset_index(drop=True)


def carries(snapshot: Snapshot, plan: Plan, day: dt.date, *, objectives: bool = False, currency: str = "") -> bool:
    """Whether a plan is the first by name that is in force for its role on a day (and pays on objectives): what belongs to a
    person and no credit is paid once. One that pays in `currency` comes before those that do not."""

    def rank(name: str, pays: object) -> tuple[bool, str]:
        return currency not in ("", pays), name

    names = plan_names(snapshot)
    for name in names if plan.name in names else []:
        try:
            values = in_force(sources.read_yaml(plan_file(snapshot, name)), day, name)
        except DataRefused:  # not in force yet
            continue
        pays = [part.get("pays_on") for part in values.get("components") or [] if isinstance(part, dict)]
        is_of_role = values.get("applies_to") == plan.role and (not objectives or "objectives" in pays)
        if is_of_role and rank(name, values.get("currency")) < rank(plan.name, plan.currency):
            return False
    return True


def _exact(share: float) -> Fraction:
    """A share as it was written, to a millionth."""
    return Fraction(round(share * 1_000_000), 1_000_000)


def _told(row: Any, target: int, currency: str) -> str:
    done = "not judged yet" if pd.isna(row.achieved) else f"{row.achieved:.1%} achieved"
    return f"{done}, {row.weight:.1%} of {target / 100:,.2f} {currency}"
