"""What is wrong with what pay rests on: nothing is lost, paid twice or unknown without being said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from .. import periods
from ..snapshot import Snapshot
from . import staff
from .awards import COLUMNS
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
        _of("won deals without a credit", won.loc[has_amount & ~has_credit, "opportunity_id"]),
        _of("won deals without an amount", won.loc[~has_amount, "opportunity_id"]),
        _of("credits of reps without a role on the close date", credited.loc[credited["role"].isna(), "opportunity_id"]),
        _of("reps with a credit and no quota", unknown.loc[unknown["quota"].isna(), "rep_id"].unique()),
        _of("reps with a credit and no target pay", unknown.loc[unknown["quota"].notna(), "rep_id"].unique()),
    ]


def _is_paid(snapshot: Snapshot, credits: pd.DataFrame, plans: Sequence[Plan]) -> pd.Series:
    """Whether a plan of the role pays on each credit: its kind, a renewal where only renewals count, a day and a deal that a
    SPIF is for. Those without a role are counted elsewhere."""
    found = credits["role"].isna()
    for plan in plans:
        own, book = credits["role"] == plan.role, booked(snapshot, plan).book
        parts: list[Component | Award] = [*plan.components, *plan.awards]
        for part in parts:
            if part.measure == "leads" or (isinstance(part, Component) and part.of != "own"):
                continue
            here = own & credits["kind"].isin(part.kinds)
            if part.measure == "renewals":
                here &= credits["opportunity_id"].map(book.attribute("type")) == "renewal"
            if isinstance(part, Award):
                here &= credits["close_date"].between(pd.Timestamp(part.first), pd.Timestamp(part.last))
                for name, values in part.eligible.items():
                    is_role = name == "role"
                    of = credits["role"] if is_role else credits["opportunity_id"].map(book.attribute(COLUMNS[name]))
                    here &= of.isin(values)
            found |= here
    return found


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
    is_paid = [key in {*zip(judged["rep_id"], judged["deal"], strict=True)}
               for key in zip(agreed["rep_id"], agreed["objective"], strict=True)]  # fmt: skip
    named = agreed["rep_id"] + ": " + agreed["objective"]
    yield _of("objectives that no plan pays", named[[not one for one in is_paid]])
    if any(plan.objectives for plan in plans):
        weights = agreed.groupby("rep_id")["weight"].sum()
        not_whole = weights.index[(weights - 1).abs() > 1e-6]
        yield _of("people whose objectives do not weigh 100 %", not_whole, is_pay=False)
        yield _of("objectives that nobody has judged", named[agreed["achieved"].isna()], is_pay=False)


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
