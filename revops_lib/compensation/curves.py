"""A plan in words and as a curve."""

from __future__ import annotations

from fractions import Fraction

import pandas as pd

from .plans import Plan


def curve(plan: Plan, *, quota: int = 100_000) -> pd.DataFrame:
    """Pay at each attainment for a quota in whole units of currency, one row per step: attainment, pay, marginal (pay of the
    next unit sold)."""
    steps = [Fraction(i, 100) for i in range(0, 201, 5)]
    rows = []
    for step in steps:
        rate = next(rate for start, rate in reversed(plan.tiers) if step >= start)
        rows.append([float(step), plan.pay(int(step * quota * 100), quota * 100) / 100, float(rate)])
    return pd.DataFrame(rows, columns=["attainment", "pay", "marginal"])


def rules(plan: Plan) -> pd.DataFrame:
    """The plan's tiers in words, one row per tier: tier, rate, pays."""
    ends = [*(start for start, _ in plan.tiers[1:]), None]
    rows = [
        [
            f"{float(start):.0%} to {float(end):.0%} of quota" if end is not None else f"{float(start):.0%} of quota and more",
            float(rate),
        ]
        for (start, rate), end in zip(plan.tiers, ends, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["tier", "rate"])
    return table.assign(pays=[f"{rate * 10_000:,.2f} {plan.currency} on 10,000 {plan.currency} sold" for rate in table["rate"]])
