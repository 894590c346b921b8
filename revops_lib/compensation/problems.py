"""What is wrong with what pay rests on: nothing is lost, paid twice or unknown without being said."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from .. import periods
from ..snapshot import Snapshot
from . import staff
from .awards import COLUMNS
from .book import Book
from .booked import booked
from .credits import assignments, credit_lines, won_deals
from .curves import has_quota
from .plans import Award, Component, Plan

WHOLE = 1.0001  # splits of a deal may sum to so much: shares are written with few decimals
NEEDED = ("opportunities", "reps", "credits")  # without a row of them nobody can be paid


@dataclass(frozen=True)
class Problem:
    """A check, and the `ids` of what fails it (none: it holds). `is_pay`: what is paid is wrong, or not known, until it is
    settled."""

    check: str
    ids: tuple[str, ...]
    is_pay: bool = True


def problems(snapshot: Snapshot, plans: Sequence[Plan], lines: pd.DataFrame) -> list[Problem]:
    """Every check of what all plans of a company pay, those that hold included; `lines`: the entries of all of them."""
    credited = credit_lines(snapshot)
    return [
        *of_credits(snapshot, lines),
        _of("credits that no plan pays", credited.loc[~_is_paid(snapshot, credited, plans), "opportunity_id"]),
        *_of_decisions(snapshot, plans, lines),
        _of("members without a quota", _unmeasured(snapshot, plans)),
        _of("people in two roles or teams on one day", staff.overlapping(staff.roster(snapshot))),
        _of("tables without a row", _empty(snapshot, plans)),
        _of("people with a quota and no plan", _without_plan(snapshot, plans), is_pay=False),
        _of("deals won after the last day of who is paid", _after_leaving(snapshot, lines), is_pay=False),
    ]


def of_credits(snapshot: Snapshot, lines: pd.DataFrame) -> list[Problem]:
    """The checks of deals, credits and quotas; they make sense for one plan alone."""
    credited, won = credit_lines(snapshot), won_deals(snapshot, priced=False)
    splits = credited[credited["kind"] == "split"].groupby("opportunity_id")["share"].sum()
    has_amount, has_credit = won["amount"].notna(), won["opportunity_id"].isin(credited["opportunity_id"])
    unknown = lines[lines["pay"].isna()]
    return [
        _of("deals split over 100 %", splits.index[splits > WHOLE]),
        # Nobody may have sold it: what is credited is paid all the same.
        _of("won deals without a credit", won.loc[has_amount & ~has_credit, "opportunity_id"], is_pay=False),
        _of("won deals without an amount", won.loc[~has_amount, "opportunity_id"]),
        _of("credits of reps without a role on the close date", credited.loc[credited["role"].isna(), "opportunity_id"]),
        _of("reps with a credit and no quota", unknown.loc[unknown["quota"].isna(), "rep_id"].unique()),
        _of("reps with a credit and no target pay", unknown.loc[unknown["quota"].notna(), "rep_id"].unique()),
    ]


def _is_paid(snapshot: Snapshot, credits: pd.DataFrame, plans: Sequence[Plan]) -> pd.Series:
    """Whether a plan of the role pays on each credit, as it is in force on the credit's day. Those without a role are counted
    elsewhere."""
    found = credits["role"].isna()
    for plan in plans:
        book = booked(snapshot, plan).book
        for first, last, version in book.versions(snapshot.quarter):
            own = (credits["role"] == version.role) & _within(credits, first, last)
            parts: list[Component | Award] = [*version.components, *version.awards]
            for part in parts:
                found |= own & _counts(book, credits, part)
    return found


def _counts(book: Book, credits: pd.DataFrame, part: Component | Award) -> pd.Series:
    """Whether a part of a plan counts each credit: its kind, a renewal where only renewals count, a day and a deal that a SPIF
    is for."""
    if part.measure == "leads" or (isinstance(part, Component) and part.of != "own"):
        return pd.Series(data=False, index=credits.index)
    here = credits["kind"].isin(part.kinds)
    if part.measure == "renewals":
        here &= credits["opportunity_id"].map(book.attribute("type")) == "renewal"
    if isinstance(part, Award):
        here &= _within(credits, part.first, part.last)
        for name, values in part.eligible.items():
            of = credits["role"] if name == "role" else credits["opportunity_id"].map(book.attribute(COLUMNS[name]))
            here &= of.isin(values)
    return here


def _within(credits: pd.DataFrame, first: dt.date, last: dt.date) -> pd.Series:
    return credits["close_date"].between(pd.Timestamp(first), pd.Timestamp(last))


def _of_decisions(snapshot: Snapshot, plans: Sequence[Plan], lines: pd.DataFrame) -> Iterator[Problem]:
    """What somebody decided stands in the ledger once: not in no plan, and not in two."""
    rows = snapshot.table("adjustments")
    first, last = (pd.Timestamp(day(snapshot.quarter)) for day in (periods.first_day, periods.last_day))
    decided = rows.loc[rows["decided_date"].between(first, last), "adjustment_id"]
    made = lines[lines["cause"].isin(["adjustment", "objective"])]
    yield _of("adjustments that no plan pays", decided[~decided.isin(made.loc[made["cause"] == "adjustment", "deal"])])
    twice = made.duplicated(["cause", "rep_id", "deal", "for_quarter"])
    yield _of("adjustments and objectives paid twice", made.loc[twice, "deal"])
    if not snapshot.has("objectives"):
        return
    agreed = snapshot.table("objectives")
    agreed = agreed[agreed["quarter"] == str(snapshot.quarter)]
    judged = made[made["cause"] == "objective"]
    paid = {*zip(judged["rep_id"], judged["deal"], strict=True)}
    is_unpaid = [key not in paid for key in zip(agreed["rep_id"], agreed["objective"], strict=True)]
    named = agreed["rep_id"] + ": " + agreed["objective"]
    yield _of("objectives that no plan pays", named[is_unpaid])
    if any(plan.objectives for plan in plans):
        weights = agreed.groupby("rep_id")["weight"].sum()
        not_whole = weights.index[(weights - 1).abs() > 1e-6]
        yield _of("people whose objectives do not weigh 100 %", not_whole, is_pay=False)
        yield _of("objectives that nobody has judged", named[agreed["achieved"].isna()], is_pay=False)


def _unmeasured(snapshot: Snapshot, plans: Sequence[Plan]) -> set[str]:
    """Members of who is measured against what the members carry, who have no quota of that measure themselves though their
    plan asks for one."""
    found: set[str] = set()
    for plan in plans:
        book = booked(snapshot, plan).book
        parts = [part for _, _, version in book.versions(snapshot.quarter) for part in version.components]
        for measure, period in {asked for part in parts for asked in part.measured}:
            found |= book.quotas.unmeasured(measure, period, snapshot.quarter)
    return found


def _empty(snapshot: Snapshot, plans: Sequence[Plan]) -> list[str]:
    from_table = any(has_quota(plan) and plan.quota.source == "table" for plan in plans)
    names = (*NEEDED, *(["quotas"] if from_table else []))
    return [name for name in names if snapshot.has(name) and snapshot.table(name).empty]


def _without_plan(snapshot: Snapshot, plans: Sequence[Plan]) -> pd.Series:
    if not snapshot.has("quotas"):
        return pd.Series(dtype="str")
    quotas = snapshot.table("quotas")
    reps = quotas.loc[quotas["quarter"] == str(snapshot.quarter), "rep_id"].drop_duplicates()
    return reps[~reps.map(assignments(snapshot)["role"]).isin([plan.role for plan in plans])]


def _after_leaving(snapshot: Snapshot, lines: pd.DataFrame) -> pd.Series:
    """Deals that pay somebody who had left when they were won."""
    left = staff.left(staff.roster(snapshot))
    day = lines["rep_id"].map({rep: pd.Timestamp(last) for rep, last in left.items()}).astype("datetime64[us]")
    return lines.loc[lines["cause"].isin(["pay", "spif"]) & (lines["event_date"] > day), "deal"].drop_duplicates()


def _of(check: str, ids: Iterable[object], *, is_pay: bool = True) -> Problem:
    return Problem(check, tuple(sorted(map(str, ids))), is_pay)
