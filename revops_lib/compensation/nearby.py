"""Who is close to a rate or a gate: for the own team's eyes, and as counts for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pandas as pd

from .. import money
from .company import Payroll
from .plans import Component, Plan

FEWEST = 5  # people, of whom something is said
COLUMNS = ["plan", "rep_id", "team", "component", "threshold", "what", "attainment", "missing"]


def near(payroll: Payroll, *, within: float = 0.2) -> pd.DataFrame:
    """Who is below a threshold of the plan by at most `within` of the quota, one row per person and threshold: plan, rep_id,
    team, component, threshold (share of the quota), what (a higher rate, a lower rate, a gate), attainment, missing (money up
    to the threshold), the nearest first.

    Of each plan's first component, whose attainment is in the statements, and of gates on its measure. Names people: for the
    own team's eyes.
    """
    rows = []
    for plan in payroll.plans:
        own = payroll.statements[(payroll.statements["plan"] == plan.name) & payroll.statements["attainment"].notna()]
        for part, threshold, what in _thresholds(plan):
            short = float(threshold) - own["attainment"]
            for row in own[(short > 0) & (short <= within)].itertuples():
                cents = round(float(threshold) * int(money.to_cents(pd.Series([row.quota], dtype=money.DTYPE)).iloc[0]))
                rows.append([plan.name, row.rep_id, row.team, part.name, float(threshold), what, row.attainment,
                             (cents / 100) - float(row.credited)])  # fmt: skip
    table = pd.DataFrame(rows, columns=COLUMNS)
    order = (table["threshold"] - table["attainment"]).sort_values(kind="stable").index
    return table.loc[order].reset_index(drop=True)


def near_counts(payroll: Payroll, *, within: float = 0.2) -> pd.DataFrame:
    """How many people are close to each threshold of each plan, one row per threshold: plan, threshold (in words), what, n.
    Nobody is named, and plans of fewer than five people with a quota are left out: that none of four is close is about each.
    """
    found = near(payroll, within=within)
    rows = []
    standing = payroll.statements[payroll.statements["attainment"].notna()]
    for plan in payroll.plans:
        if standing.loc[standing["plan"] == plan.name, "rep_id"].nunique() < FEWEST:
            continue
        for part, threshold, what in _thresholds(plan):
            here = found[(found["plan"] == plan.name) & (found["threshold"] == float(threshold)) & (found["what"] == what)]
            rows.append([plan.name, f"{float(threshold):.0%} of quota, {part.name}", what, here["rep_id"].nunique()])
    return pd.DataFrame(rows, columns=["plan", "threshold", "what", "n"])


def _thresholds(plan: Plan) -> Iterator[tuple[Component, Fraction, str]]:
    """Shares of the quota at which the pay of a plan's first component changes, and gates that look at its attainment."""
    main = plan.components[0] if plan.components else None
    if main is None:
        return
    schedule = main.schedule
    if main.basis != "amount" and main.accumulation != "none" and schedule.application in ("marginal", "whole"):
        rates = [Fraction(0), *schedule.values]
        for before, start, rate in zip(rates, schedule.starts, schedule.values, strict=False):
            if start > 0 and rate != before:
                yield main, start, "a higher rate" if rate > before else "a lower rate"
    for part in plan.components:
        if part.gate is not None and (part.gate.measure, part.gate.period) == (main.measure, main.accumulation):
            yield part, part.gate.at_least, "a gate"
