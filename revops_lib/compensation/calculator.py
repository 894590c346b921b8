"""A plan for the calculator of the site: its rules as exact numbers, and nothing about anybody."""

from __future__ import annotations

from typing import Any

from .plans import Component, Factors, Plan
from .wording import payable


def exported(plan: Plan) -> dict[str, Any]:
    """What is needed to compute the pay on one more deal, ready for JSON: name, title, currency, components, left_out.

    Exact numbers are texts, `"13/200"` or `"5"`; amounts of money are in cents, positions in shares of the quota or, where the
    basis is `amount`, in cents. `left_out`: what the plan pays or takes back beside its components, in words. The plan's own
    quota, base and target pay are not in it: where one person has the role, they are that person's.

    >>> from revops_lib.snapshot import Snapshot
    >>> from revops_lib import compensation
    >>> found = exported(compensation.plan(Snapshot("data/sample", quarter="2026Q3")))
    >>> found["components"][0]["tiers"][0], found["left_out"]
    ({'from': '0', 'value': '13/200'}, ['the SPIF new smb', 'the draw'])
    """
    left_out = [f"the SPIF {_said(award.name)}" for award in plan.awards]
    left_out += [f"the part {_said(goal.name)}" for goal in plan.objectives]
    left_out += ["the draw"] if plan.draw is not None else []
    return {
        "name": plan.name, "title": plan.title, "currency": plan.currency, "left_out": left_out,
        "components": [_component(part) for part in plan.components],
    }  # fmt: skip


def _said(name: str) -> str:
    return name.replace("_", " ")


def _component(part: Component) -> dict[str, Any]:
    tiers, gate, cap = part.schedule, part.gate, part.cap
    return {
        "name": part.name, "measure": part.measure, "of": part.of, "kinds": list(part.kinds), "basis": part.basis,
        "weight": None if part.weight is None else str(part.weight), "accumulation": part.accumulation,
        "application": tiers.application, "rounding": tiers.rounding,
        "tiers": [{"from": str(start), "value": str(value)} for start, value in zip(tiers.starts, tiers.values, strict=True)],
        "end": None if tiers.end is None else str(tiers.end),
        "credited": _factors(part.credited), "commissionable": _factors(part.commissionable),
        "gate": None if gate is None else {"measure": gate.measure, "period": gate.period, "at_least": str(gate.at_least)},
        "cap": None if cap is None else {"kind": cap.kind, "cents": str(cap.cents), "share_above": str(cap.share_above)},
        "payable": [{"share": str(one.share), "on": one.on, "months": one.months, "told": payable([one])}
                    for one in part.payable],
        "is_taken_back": part.clawback is not None,
    }  # fmt: skip


def _factors(factors: Factors) -> dict[str, Any] | None:
    if factors == Factors():
        return None
    years = [{"years": least, "factor": str(factor)} for least, factor in factors.multi_year]
    return {"multi_year": years, "prepaid": str(factors.prepaid), "renewal": str(factors.renewal)}
