"""Plans as curves and worked examples, computed by the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pandas as pd

from .. import money
from . import engine
from .plans import Component, Plan

# Deals of each example, as shares of the quota.
EXAMPLES = {"below quota": ["0.8"], "past quota": ["0.8", "0.5"], "far past quota": ["0.8", "0.5", "0.5"]}
ONE_RATE = {"three deals": EXAMPLES["far past quota"]}
STEPS = [Fraction(i, 100) for i in range(0, 201, 5)]
SHOWN = (0.5, 0.8, 1.0, 1.2, 1.5, 2.0)


def curve(plans: Plan | Sequence[Plan], *, quota: int = 100_000) -> pd.DataFrame:
    """Pay at each attainment, one row per plan and step: plan, attainment, pay, marginal.

    For a `quota` in whole units of currency, or for four times as much, a year's, where the plan states quotas. Target pay is
    in proportion to it (`_shown`): what a role is paid is private where one person holds it. `pay`: the credit coming at once,
    gates open, without SPIFs, objectives and draws; `marginal`: pay of the next unit sold. A plan without quota, or one that
    counts leads, has no row: its tiers say it all.
    """
    rows = []
    for one in several(plans):
        cents = quota * 100 * (4 if one.quota.annual else 1)
        plan = _shown(one, cents)
        for step in STEPS if has_quota(plan) and not _counts_leads(plan) else []:
            credit = int(step * cents)
            pay = plan.pay(credit, cents)
            rows.append([plan.name, float(step), pay / 100, (plan.pay(credit + 100_00, cents) - pay) / 100_00])
    return pd.DataFrame(rows, columns=["plan", "attainment", "pay", "marginal"])


def curve_points(curve: pd.DataFrame) -> pd.DataFrame:
    """A few points of a curve, one row per plan and point: plan, attainment (50, 80, 100, 120, 150 and 200 % of quota), pay,
    next 10,000 sold (what they pay there)."""
    table = curve[curve["attainment"].round(2).isin(SHOWN)].reset_index(drop=True)
    return table[["plan", "attainment", "pay"]].assign(**{"next 10,000 sold": (table["marginal"] * 10_000).round(2)})


def examples(plans: Plan | Sequence[Plan], *, quota: int = 100_000) -> pd.DataFrame:
    """Worked examples of each plan's first component, one row per deal, computed by the engine: three where there is a quota,
    one where there is none.

    Columns: plan, example, deal (1, 2 …), credited, position (in the quota, before and after), tiers (how the deal falls into
    them), earned, held (not payable on booking), pay (what is paid now), together (pay of the example so far). A quarter at
    `quota` whole units of currency, target pay in proportion as in `curve`; gates are passed. Of plans that count leads none.
    """
    shown = [_shown(plan, 4 * quota * 100) for plan in several(plans) if not _counts_leads(plan)]
    rows = [row for plan in shown for row in (_worked(plan, plan.components[0], quota) if plan.components else [])]
    columns = ["plan", "example", "deal", "credited", "position", "tiers", "earned", "held", "pay", "together"]
    table = pd.DataFrame(rows, columns=columns)
    for name in ("credited", "earned", "held", "pay", "together"):
        table[name] = money.from_cents(table[name].astype("Int64"))
    return table


def _counts_leads(plan: Plan) -> bool:
    return any(part.measure == "leads" for part in plan.components)


def _shown(plan: Plan, annual: int) -> Plan:
    """The plan for a quota of `annual` cents a year: with the variable pay that it has per unit of its own quota, or, where its
    quota is not in the plan, with a tenth of that quota."""
    if plan.variable is None:
        return plan
    share = Fraction(plan.variable, plan.quota.annual) if plan.quota.annual else Fraction(1, 10)
    quota = replace(plan.quota, annual=annual) if plan.quota.annual else plan.quota
    return replace(plan, variable=money.round_half_up(annual * share), quota=quota)


def several(plans: Plan | Sequence[Plan]) -> list[Plan]:
    """One plan or several as a list."""
    return [plans] if isinstance(plans, Plan) else list(plans)


def has_quota(plan: Plan) -> bool:
    """Whether what a plan pays on credits hangs on a quota."""
    return any(part.basis != "amount" for part in plan.components)


def _worked(plan: Plan, part: Component, quota: int) -> list[list[object]]:
    own, kind = quota * 100, part.kinds[0]
    named = EXAMPLES if part.basis != "amount" else ONE_RATE
    rows = [
        {"rep_id": str(no), "window": name, "event_date": pd.Timestamp(2000, 1, 1), "deal": str(i), "line": kind, "kind": kind,
         "credit": int(Fraction(share) * own)}
        for no, (name, shares) in enumerate(named.items())
        for i, share in enumerate(shares, start=1)
    ]  # fmt: skip
    credits = pd.DataFrame(rows).assign(base=lambda table: table["credit"])
    index = pd.MultiIndex.from_tuples([(str(no), name) for no, name in enumerate(named)], names=["rep_id", "window"])
    quotas, targets = pd.Series(own, index=index), pd.Series(plan.target(part) // 4, index=index)
    passed = {str(no): Fraction(10) for no in range(len(named))}
    paid = engine.paid(part, credits, quotas, gates=passed, targets=targets)
    together = paid.groupby("window", sort=False)["pay"].cumsum()
    return [
        [plan.name, row.window, row.deal, row.credit, _position(part, row, own), engine.explained(part, row), row.earned,
         row.held, row.pay, total]
        for row, total in zip(paid.itertuples(), together, strict=True)
    ]  # fmt: skip


def _position(part: Component, line: Any, quota: int) -> str:
    return "–" if part.basis == "amount" else f"{line.before / quota:.0%} – {line.after / quota:.0%}"
