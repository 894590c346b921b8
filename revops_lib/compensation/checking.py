"""Whether nothing was lost or paid twice on the way from deals to pay."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import money, periods
from ..snapshot import Snapshot
from .awards import COLUMNS
from .book import Book
from .company import Payroll
from .credits import assignments, credit_lines, won_deals
from .curves import has_quota
from .lines import of_component, statements
from .plans import Award, Component, Plan

WHOLE = 1.0001  # splits of a deal may sum to so much: shares are written with few decimals


def checks(snapshot: Snapshot, paid: Payroll | Plan) -> pd.DataFrame:
    """Whether everything won is credited, everything credited is paid, once, by a plan, and sums to the cent.

    One row per check: check, expected, found, holds. Of all plans of a payroll, or of one plan.
    """
    plans = [paid] if isinstance(paid, Plan) else list(paid.plans)
    sums = statements(snapshot, paid).assign(plan=paid.name) if isinstance(paid, Plan) else paid.statements
    whole, lined = _both_sums([(one, of_component(snapshot, plan, one)) for plan in plans for one in plan.components])
    credited, won = credit_lines(snapshot), won_deals(snapshot, priced=False)
    split = credited[credited["kind"] == "split"]
    uncredited = won["amount"].notna() & ~won["opportunity_id"].isin(credited["opportunity_id"])
    with_quota = sums["plan"].isin([plan.name for plan in plans if has_quota(plan)])
    rows = [
        _sums("lines sum to the pay on each rep's whole credit", whole, lined),
        _sums("split credits sum to what was won", int(money.to_cents(won["amount"]).sum()), int(split["cents"].sum())),
        _none("deals split over 100 %", int((split.groupby("opportunity_id")["share"].sum() > WHOLE).sum())),
        _none("won deals without a credit", int(uncredited.sum())),
        _none("won deals without an amount", int(won["amount"].isna().sum())),
        _none("credits of reps without a role on the close date", int(credited["role"].isna().sum())),
        _none("reps with a credit and no quota", int((sums["quota"].isna() & (sums["n"] > 0) & with_quota).sum())),
    ]
    if not isinstance(paid, Plan):
        rows += [
            _none("credits that no plan pays", int((~_is_paid(snapshot, credited, plans)).sum())),
            *_of_decisions(snapshot, paid),
            _none("people with a quota and no plan", _without_plan(snapshot, plans)),
            *_of_objectives(snapshot, plans),
        ]
    return pd.DataFrame(rows, columns=["check", "expected", "found", "holds"])


def _both_sums(found: list[tuple[Component, pd.DataFrame]]) -> tuple[int, int]:
    """Cents earned on each rep's whole credit at once, and by the lines before gates, caps and holdbacks; where credits add up,
    other lines stand by themselves."""
    whole = lined = 0
    for component, rows in found:
        if component.accumulation == "none" or component.credited != component.commissionable:
            continue
        known = rows[rows["earned"].notna()]
        lined += int(known["earned"].sum())
        for _, own in known.groupby(["rep_id", "window"]):
            before = int(own["before"].iloc[0])
            ends = np.array([before, before + int(own["credit"].sum())], "int64")
            quota, target = (int(own[name].iloc[0]) if pd.notna(own[name].iloc[0]) else 1 for name in ("quota", "target"))
            upto = component.schedule.cents(ends, quota, target if component.basis == "target" else None)
            whole += int(upto[1] - upto[0])
    return whole, lined


def _of_decisions(snapshot: Snapshot, payroll: Payroll) -> list[tuple[str, str, str, bool]]:
    """What somebody decided stands in the ledger once: not in no plan, and not in two."""
    lines = payroll.entries[payroll.entries["cause"].isin(["adjustment", "objective"])]
    rows = snapshot.table("adjustments")
    first, last = periods.first_day(snapshot.quarter), periods.last_day(snapshot.quarter)
    decided = rows.loc[rows["decided_date"].between(pd.Timestamp(first), pd.Timestamp(last)), "adjustment_id"]
    paid = lines.loc[lines["cause"] == "adjustment", "deal"]
    return [
        _none("adjustments that no plan pays", int((~decided.isin(paid)).sum())),
        _none("adjustments and objectives paid twice", int(lines.duplicated(["cause", "rep_id", "deal", "for_quarter"]).sum())),
    ]


def _is_paid(snapshot: Snapshot, credits: pd.DataFrame, plans: list[Plan]) -> pd.Series:
    """Whether a plan of the role pays on each credit: its kind, a renewal where only renewals count, a day and a deal that a
    SPIF is for. Those without a role are counted elsewhere."""
    found = credits["role"].isna()
    for plan in plans:
        own, book = credits["role"] == plan.role, Book(snapshot, plan)
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


def _without_plan(snapshot: Snapshot, plans: list[Plan]) -> int:
    if not snapshot.has("quotas"):
        return 0
    quotas = snapshot.table("quotas")
    reps = quotas.loc[quotas["quarter"] == str(snapshot.quarter), "rep_id"].drop_duplicates()
    role = reps.map(assignments(snapshot)["role"])
    return int((~role.isin([plan.role for plan in plans])).sum())


def _of_objectives(snapshot: Snapshot, plans: list[Plan]) -> list[tuple[str, str, str, bool]]:
    """Of objectives that a plan pays on: weights of a person that do not sum to 1, and those that nobody has judged."""
    if not any(plan.objectives for plan in plans) or not snapshot.has("objectives"):
        return []
    agreed = snapshot.table("objectives")
    agreed = agreed[agreed["quarter"] == str(snapshot.quarter)]
    weights = agreed.groupby("rep_id")["weight"].sum()
    return [
        _none("people whose objectives do not weigh 100 %", int(((weights - 1).abs() > 1e-6).sum())),
        _none("objectives that nobody has judged", int(agreed["achieved"].isna().sum())),
    ]


def _told(cents: int) -> str:
    return f"{cents / 100:,.2f}"


def _sums(check: str, expected: int, found: int) -> tuple[str, str, str, bool]:
    return check, _told(expected), _told(found), expected == found


def _none(check: str, found: int) -> tuple[str, str, str, bool]:
    return check, "0", f"{found:,}", found == 0
