"""Rules of the linter that look at what stands around the payout curve: factors, gates, weights, SPIFs, clawbacks, draws."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, pairwise

from .draws import settled
from .faults import NOTE, Example, Finding
from .plans import Award, Component, Factors, Objectives

# Multi-year and prepaid factors are published at up to 1.5 to 2. A deal that pays three times its yearly amount is a windfall.
WINDFALL = 3
# Few sell more than twice their quota (see `curvefaults`): a gate above that is a closed door.
REACH = 2
# Uplifts in a quota with accelerators always make the order matter a little; the order that every plan states decides that.
ORDER = Fraction(1, 10)
# A year served is what most commissions are paid for; who takes back more than half after it takes back what was earned.
SERVED, TAKEN = 12, Fraction(1, 2)
PERIODS = {"month": 12, "quarter": 4}


def windfalls(example: Example) -> Iterator[Finding]:
    """One large deal whose factors multiply with the accelerator."""
    for part in example.plan.components:
        credit, base = _largest(part.credited), _largest(part.commissionable)
        if credit == base == 1:
            continue  # every deal is a plain one
        plain = sum(example.lines(part, [(Fraction(example.quota),) * 2]))
        large = sum(example.lines(part, [(credit * example.quota, base * example.quota)]))
        if plain > 0 and large >= WINDFALL * plain:
            keys = ("credited" if credit >= base else "commissionable", "multi_year")
            finding = (
                f"one deal of {example.told(example.quota)} with the largest factors pays {example.told(large)}, "
                f"{large / plain:.1f} times the {example.told(plain)} of a plain one"
            )
            yield Finding("windfall", part.name, keys, finding, NOTE)


def unreachable_gates(example: Example) -> Iterator[Finding]:
    """A gate that nobody passes: above what can be sold, or on a measure nobody has a quota for."""
    measured = {part.measure for part in example.plan.components}
    for part in example.plan.components:
        if part.gate is None:
            continue
        if part.gate.at_least > REACH:
            needed = example.told(part.gate.at_least * example.quota)
            finding = f"of a quota of {example.told(example.quota)} {needed} must be sold before the component pays anything"
            yield Finding("unreachable_gate", part.name, ("gate", "at_least"), finding)
        if example.plan.quota.source == "plan" and part.gate.measure not in measured:
            pays = example.told(example.pay(part, example.quota))
            finding = f"the plan states no quota of {part.gate.measure}: {pays} at quota are never paid"
            yield Finding("unreachable_gate", part.name, ("gate", "measure"), finding)


def weights(example: Example) -> Iterator[Finding]:
    """Weights of the variable pay that do not sum to 1."""
    parts: list[Component | Objectives] = [part for part in example.plan.components if part.weight is not None]
    parts += example.plan.objectives
    total = sum((part.weight for part in parts if part.weight is not None), Fraction(0))
    if parts and total != 1:
        stated = example.plan.variable or 0
        finding = (
            f"the weights sum to {float(total):g}: with everything reached {example.told(stated * total)} of "
            f"{example.told(stated)} variable pay are paid"
        )
        yield Finding("weights", parts[-1].name, ("weight",), finding)


def order(example: Example) -> Iterator[Finding]:
    """The same two deals that pay another sum in another order."""
    quota = example.quota
    for part in example.plan.components:
        if part.accumulation == "none":
            continue
        credit, base = _largest(part.credited), _largest(part.commissionable)
        plain = (Fraction(3, 4) * quota,) * 2
        pairs = []
        if credit != base:  # else a deal moves the position by what it is paid on, and the sum does not depend on the order
            pairs.append(("a plain deal and one with the largest factors", plain, (credit * plain[0], base * plain[1])))
        if part.cap is not None and part.cap.kind == "per_deal":
            pairs.append(("a small deal and a large one", (Fraction(quota, 2),) * 2, (Fraction(quota),) * 2))
        for what, one, other in pairs:
            first, then = (sum(example.lines(part, deals)) for deals in ([one, other], [other, one]))
            if abs(first - then) > ORDER * max(first, then):
                finding = f"{what} pay {example.told(first)} in this order and {example.told(then)} in the other"
                keys = ("cap", "kind") if what.startswith("a small") else ("credited",)
                yield Finding("order", part.name, keys, finding, NOTE)


def stacking(example: Example) -> Iterator[Finding]:
    """SPIFs that pay the same deal twice."""
    for one, other in combinations(example.plan.awards, 2):
        first, last = max(one.first, other.first), min(one.last, other.last)
        if other.stacks and first <= last and one.measure == other.measure and _meet(one, other):
            pays = " and ".join(f"{each.name} {_award(example, each)}" for each in (one, other))
            finding = f"a deal of {example.told(10_000_00)} won on {first} is paid twice: {pays}"
            yield Finding("stacking", other.name, ("stacks",), finding, NOTE)


def clawbacks(example: Example) -> Iterator[Finding]:
    """A clawback that takes more the longer the customer stayed, or most of the pay after a year served."""
    parts: list[Component | Award] = [*example.plan.components, *example.plan.awards]
    for part in parts:
        if part.clawback is None:
            continue
        steps = part.clawback.steps or ((part.clawback.within_months, part.clawback.share or Fraction(0)),)
        pay = 10_000_00
        for i, ((earlier, less), (later, more)) in enumerate(pairwise(steps), start=1):
            if more > less:
                finding = (
                    f"of {example.told(pay)} paid {example.told(pay * less)} are taken back after {earlier - 1} months, "
                    f"{example.told(pay * more)} after {later - 1}"
                )
                yield Finding("clawback", part.name, ("clawback", "steps", i, "share"), finding)
        months, share = steps[-1]
        if part.clawback.kind != "pro_rata" and months > SERVED and share > TAKEN:
            finding = (
                f"a customer who stayed {months - 1} months still costs {example.told(pay * share)} of {example.told(pay)}"
            )
            keys = ("clawback", "steps", len(steps) - 1, "months") if part.clawback.steps else ("clawback", "within_months")
            yield Finding("clawback", part.name, keys, finding)


def draws(example: Example) -> Iterator[Finding]:
    """A draw whose debt never falls, although the pay on target is earned from the fourth period on."""
    draw = example.plan.draw
    if draw is None or draw.kind == "non_recoverable":
        return
    variable = example.plan.variable
    on_target = 2 * draw.amount if variable is None else variable // PERIODS[draw.period]
    n = max(24, draw.first_recovery + 3)
    months = n if draw.months is None else draw.months * PERIODS[draw.period] // 12
    found = settled(draw, [0, 0, 0] + [on_target] * n, tops_up=[i < months for i in range(n + 3)])
    debt = found["debt"].iloc[2], found["debt"].iloc[-1]
    if debt[0] and debt[1] >= debt[0]:
        key = "share" if draw.share == 0 else "amount"
        finding = (
            f"who sells nothing for three {draw.period}s owes {example.told(debt[0])}, and after {n} {draw.period}s on target "
            f"({example.told(on_target)} each) still {example.told(debt[1])}"
        )
        yield Finding("draw", "", ("draw", key), finding)


def _largest(factors: Factors) -> Fraction:
    """The largest factor a deal can have."""
    years = max((factor for _, factor in factors.multi_year), default=Fraction(1))
    return max(years, Fraction(1)) * max(factors.prepaid, Fraction(1))


def _meet(one: Award, other: Award) -> bool:
    """Whether a deal can be eligible for both."""
    both = set(one.eligible) & set(other.eligible)
    return bool(set(one.kinds) & set(other.kinds)) and all(set(one.eligible[key]) & set(other.eligible[key]) for key in both)


def _award(example: Example, award: Award) -> str:
    if award.kind == "fixed":
        return example.told(award.cents)
    if award.kind == "share":
        return example.told(award.rate * 10_000_00)
    return "from its pool" if award.kind == "pool" else example.told(award.bands[0][2])


RULES = (windfalls, unreachable_gates, weights, order, stacking, clawbacks, draws)
