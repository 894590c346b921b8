"""Faults of a plan that can be seen before anybody is paid by it, each with an example in money.

A finding is a stated threshold crossed, not a matter of taste: plans as they are usually published have none. `curvefaults`
holds the rules that look at the payout curve, `termfaults` those that look at what stands around it, each with its thresholds.
"""

from __future__ import annotations

import pandas as pd

from . import curvefaults, termfaults
from .faults import Example, Finding
from .plans import Plan

COLUMNS = ["rule", "component", "where", "finding", "severity"]


def lint(plan: Plan, *, quota: int = 100_000) -> pd.DataFrame:
    """What is wrong with a plan, one row per finding, in the plan's order: rule, component, where (keys that lead to the value,
    lists counted from 1, and its line), finding (a sentence with an example), severity (fault: it will hurt; note: decide it
    knowingly).

    Examples are computed with the engine for a `quota` in whole units of currency, or for the plan's own annual quota, gates
    open, and for the target pay of a year. Rules: cliff, gap, no_cap, falling_rate, windfall, unreachable_gate, weights, order,
    stacking, clawback, draw.
    """
    example = Example(plan, plan.quota.annual or quota * 100)
    findings: list[Finding] = []
    for part in plan.components:
        findings += [one for rule in curvefaults.RULES for one in rule(example, part)]
    findings += [one for rule in termfaults.RULES for one in rule(example)]
    rows = [[one.rule, one.component, example.where(one), one.finding, one.severity] for one in findings]
    return pd.DataFrame(rows, columns=COLUMNS, dtype="str")
