"""A plan in words: its tiers, and everything else it states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import pandas as pd

from .curves import several
from .plans import Award, Clawback, Component, Factors, Payable, Plan
from .schedules import Schedule

OF = {"own": "", "reports": " of who reports to the person", "team": " of all below the person"}
MEASURES = {"bookings": "won deals", "renewals": "won renewals", "leads": "accepted leads"}
STARTS = {"none": "each credit stands alone", "month": "starts at 0 each month", "quarter": "starts at 0 each quarter",
          "year": "starts at 0 each year, against the year's quota",
          "year_to_date": "starts at 0 each year, against the quota up to now"}  # fmt: skip
APPLIES = {"marginal": "a rate pays on the part of the credit that lies in its tier",
           "whole": "the rate of the tier reached pays on all credit of the period",
           "per_transaction": "every credit is placed in the tiers by its own size",
           "interpolated": "a part of a tier pays its share of what the whole tier pays"}  # fmt: skip
WHOLE = "whole plan"
PAID_ON = {"booking": "on booking", "invoice": "on invoice", "cash": "when the customer has paid"}
ROUNDS = {"half_up": "", "half_even": "halves to the even cent", "up": "parts of a cent up", "down": "parts of a cent down"}
DRAWS = {"recoverable": "topped up, and owed", "advance": "paid beforehand, and owed",
         "non_recoverable": "topped up, not owed"}  # fmt: skip


def rules(plans: Plan | Sequence[Plan]) -> pd.DataFrame:
    """The tiers of plans in words, one row per plan, component and tier: plan, component, tier, rate, pays."""
    rows = [
        [plan.name, part.name, _tier(part, start, end, plan.currency), *_rate(plan, part, start, end, value)]
        for plan in several(plans)
        for part in plan.components
        for start, end, value in zip(part.schedule.starts, _ends(part.schedule), part.schedule.values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["plan", "component", "tier", "rate", "pays"])


def terms(plans: Plan | Sequence[Plan]) -> pd.DataFrame:
    """Everything else that plans state, one row per plan, component and term: plan, component,
    term, says. What a plan does not have is left out, and so are its target pay and quota: where one person has the role, they
    are that person's. Their shares are said."""
    rows = [[plan.name, *told] for plan in several(plans) for told in _terms(plan) if told[-1]]
    return pd.DataFrame(rows, columns=["plan", "component", "term", "says"])


def _terms(plan: Plan) -> Iterator[tuple[str, str, str]]:
    def amount(cents: int) -> str:
        return f"{cents / 100:,.2f} {plan.currency}"

    yield WHOLE, "applies to", plan.role.replace("_", " ")
    yield WHOLE, "decided by", plan.decided_by
    if plan.base is not None and plan.variable is not None:
        both = max(plan.base + plan.variable, 1)
        yield WHOLE, "target pay", f"{plan.base / both:.0%} base and {plan.variable / both:.0%} variable"
    if plan.quota.annual is not None:
        yield WHOLE, "quota", f"of the plan, in quarters of {_weights(plan.quota.weights)}"
    if plan.quota.source == "members":
        yield WHOLE, "quota", "the sum of what those who report to the person carry"
    rounding = next((part.schedule.rounding for part in plan.components), "half_up")
    yield WHOLE, "rounding", ROUNDS[rounding]
    if plan.quota.proration != "none":
        yield WHOLE, "quota of a part of the time", "by calendar days in the role"
    yield WHOLE, "quota of a new hire", ", ".join(f"{float(share):.0%}" for share in plan.quota.ramp)
    if plan.draw is not None:
        draw = plan.draw
        when = f" in the first {draw.months} months" if draw.months else ""
        limit = f", at most {amount(draw.limit)} owed" if draw.limit is not None else ""
        back = "" if draw.kind == "non_recoverable" else f"; {float(draw.share):.0%} of what exceeds it is taken back{limit}"
        yield WHOLE, "draw", f"{amount(draw.amount)} a {draw.period}{when}: {DRAWS[draw.kind]}{back}"
    for part in plan.components:
        yield from ((part.name, term, says) for term, says in _component(part, amount))
    for award in plan.awards:
        yield from ((award.name, term, says) for term, says in _award(award, amount, is_only=len(plan.awards) == 1))
    for goal in plan.objectives:
        yield goal.name, "pays on", goal.what
        yield goal.name, "weight", f"{float(goal.weight):.0%} of the variable pay when all is achieved"


def _component(part: Component, amount: Any) -> Iterator[tuple[str, str]]:
    yield "pays on", f"{' and '.join(part.kinds)} credits of {MEASURES[part.measure]}{OF[part.of]}"
    yield "position in the quota", STARTS[part.accumulation]
    yield "tiers", APPLIES[part.schedule.application]
    yield "counts towards the quota", _factors(part.credited)
    yield "is paid on", _factors(part.commissionable)
    if part.gate is not None:
        yield "gate", f"at least {float(part.gate.at_least):.0%} of the quota for {part.gate.measure} in the {part.gate.period}"
    if part.cap is not None:
        above = f"; {float(part.cap.share_above):.0%} of what is above" if part.cap.share_above else ""
        yield "cap", f"{amount(part.cap.cents)} {'a deal' if part.cap.kind == 'per_deal' else 'a period'}{above}"
    yield "is payable", payable(part.payable)
    yield "clawback", _clawback(part.clawback)


def _award(award: Award, amount: Any, *, is_only: bool) -> Iterator[tuple[str, str]]:
    yield "pays on", f"deals won from {award.first} to {award.last}{_eligible(award.eligible)}"
    if award.kind == "bands":
        by = [f"deal {a}{f' to {b}' if b else ' and more' if b is None else ''}: {amount(c)}" for a, b, c in award.bands]
        yield "award", "; ".join(by) + (", for all deals at what the last one reaches" if award.retroactive else "")
    else:
        yield "award", {
            "fixed": f"{amount(award.cents)} a deal", "share": f"{float(award.rate):.2%} of the credit",
            "pool": f"{amount(award.cents)} for all, at the share of {amount(award.goal)} reached",
        }[award.kind]  # fmt: skip
    yield "budget", "" if award.budget is None else f"{amount(award.budget)}, in the order of the deals"
    if not is_only:
        yield "beside another SPIF", "both pay" if award.stacks else "a deal that an earlier one paid pays no second one"
    yield "is payable", payable(award.payable)
    yield "clawback", _clawback(award.clawback)


def payable(parts: Sequence[Payable]) -> str:
    """When pay is payable, in words.

    >>> payable([Payable(Fraction(4, 5), "booking"), Payable(Fraction(1, 5), "months", 12)])
    '80% on booking, 20% 12 months after the booking'
    """
    if len(parts) == 1:
        return _when(parts[0])
    return ", ".join(f"{float(part.share):.0%} {_when(part)}" for part in parts)


def _when(part: Payable) -> str:
    return PAID_ON.get(part.on, f"{part.months} months after the booking")


def _clawback(clawback: Clawback | None) -> str:
    if clawback is None:
        return ""
    told = {
        "share": f"{float(clawback.share or 0):.0%} of the pay", "pro_rata": "the part of the term that is not served",
        "schedule": ", ".join(f"{float(share):.0%} within {months} months" for months, share in clawback.steps),
    }[clawback.kind]  # fmt: skip
    return f"{told}, of contracts cancelled within {clawback.within_months} months; never more than was paid"


def _factors(factors: Factors) -> str:
    told = [f"{years} years × {float(factor):g}" for years, factor in factors.multi_year]
    told += [f"paid in advance × {float(factors.prepaid):g}"] if factors.prepaid != 1 else []
    told += [f"renewals × {float(factors.renewal):g}"] if factors.renewal != 1 else []
    return ", ".join(told)


def _eligible(eligible: Mapping[str, Sequence[str]]) -> str:
    told = [f"{key.replace('_', ' ')} {' or '.join(values)}" for key, values in eligible.items()]
    return f", {', '.join(told)}" if told else ""


def _weights(weights: Sequence[Fraction]) -> str:
    return ", ".join(f"{float(weight / sum(weights)):.0%}" for weight in weights)


def _ends(schedule: Schedule) -> list[Fraction | None]:
    return [*schedule.starts[1:], schedule.end]


def _tier(part: Component, start: Fraction, end: Fraction | None, currency: str) -> str:
    if part.basis == "amount":
        low = f"{float(start) / 100:,.2f}"
        return f"{low} {currency} and more" if end is None else f"{low} to {float(end) / 100:,.2f} {currency}"
    return f"{float(start):.0%} to {float(end):.0%} of quota" if end is not None else f"{float(start):.0%} of quota and more"


def _rate(plan: Plan, part: Component, start: Fraction, end: Fraction | None, value: Fraction) -> tuple[str, str]:
    """The rate of a tier, and what it comes to."""
    if part.schedule.application == "interpolated":
        share = f"{float(value):.0%} of the target pay"
        whole = share if part.basis == "target" else f"{float(value) / 100:,.2f} {plan.currency}"
        return "in proportion", f"{whole} for the whole tier"
    if part.basis == "target":
        told = f"{float(value):g} × target"
        if plan.quota.annual is None:
            return told, f"{float(value):.2f} % of the target pay for 1 % of quota"
        value = value * plan.target(part) / plan.quota.annual
    else:
        told = f"{float(value):.2%}"
    if part.measure == "leads":
        return f"{float(value):,.2f}", f"{float(value):,.2f} {plan.currency} a lead"
    return told, f"{float(value) * 10_000:,.2f} {plan.currency} on 10,000 {plan.currency} sold"
