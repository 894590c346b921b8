"""A plan in words and as a curve."""

from __future__ import annotations

from fractions import Fraction

import pandas as pd

from .plans import Component, Plan


def curve(plan: Plan, *, quota: int = 100_000) -> pd.DataFrame:
    """Pay at each attainment for a quota in whole units of currency, one row per step: attainment, pay (the credit coming at
    once, gates open), marginal (pay of the next unit sold)."""
    rows = []
    for step in (Fraction(i, 100) for i in range(0, 201, 5)):
        credit = int(step * quota * 100)
        pay = plan.pay(credit, quota * 100)
        rows.append([float(step), pay / 100, (plan.pay(credit + 100_00, quota * 100) - pay) / 100_00])
    return pd.DataFrame(rows, columns=["attainment", "pay", "marginal"])


def rules(plan: Plan) -> pd.DataFrame:
    """The plan's tiers in words, one row per component and tier: component, tier, rate, pays."""
    rows = []
    for component in plan.components:
        schedule = component.schedule
        ends = [*schedule.starts[1:], schedule.end]
        for start, end, value in zip(schedule.starts, ends, schedule.values, strict=True):
            rate = value / (end - start) if schedule.application == "interpolated" and end is not None else value
            rows.append([component.name, _tier(component, start, end, plan.currency), float(rate)])
    table = pd.DataFrame(rows, columns=["component", "tier", "rate"])
    return table.assign(pays=[f"{rate * 10_000:,.2f} {plan.currency} on 10,000 {plan.currency} sold" for rate in table["rate"]])


def _tier(component: Component, start: Fraction, end: Fraction | None, currency: str) -> str:
    if component.basis == "quota":
        return (
            f"{float(start):.0%} to {float(end):.0%} of quota" if end is not None else f"{float(start):.0%} of quota and more"
        )
    low = f"{float(start) / 100:,.2f}"
    return f"{low} {currency} and more" if end is None else f"{low} to {float(end) / 100:,.2f} {currency}"
