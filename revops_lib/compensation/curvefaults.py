"""Rules of the linter that look at how pay grows with what is sold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import ceil

from .faults import NOTE, Example, Finding
from .plans import Component

UNIT = 100  # one more unit of currency sold
# A step of a few per cent of the pay at quota works as a bonus. From a twentieth on it pays to move a deal across the boundary.
CLIFF = Fraction(1, 20)
# Thresholds of up to half of the quota are common: few sell less. A longer stretch without pay is nobody's incentive.
THRESHOLD = Fraction(1, 2)
# Few sell more than twice their quota: what a plan does beyond, it does to hardly anybody.
HORIZON = 2
# Accelerators are published at up to 2 and 2.5 times the rate below quota. Three times without a cap is an open bill.
STEEP = 3


def cliffs(example: Example, part: Component) -> Iterator[Finding]:
    """Where one unit more pays a leap: a whole-attainment tier reached, or a gate on the component's own measure. A gate on
    another measure does not hang on the next unit sold of this one."""
    full = example.pay(part, _full(example, part))
    places = [(("tiers", i, "from"), start) for i, start in enumerate(part.schedule.starts) if start > 0]
    jumps: list[tuple[tuple[str | int, ...], int, int]] = [
        (keys, ceil(place), example.pay(part, ceil(place) - UNIT))
        for keys, place in ((keys, example.place(part, start)) for keys, start in places)
        if part.schedule.application == "whole"
    ]
    if part.gate is not None and part.gate.measure == part.measure:
        jumps.append((("gate", "at_least"), ceil(part.gate.at_least * example.quota), 0))
    for keys, place, before in jumps:
        jump = example.pay(part, place) - before
        if jump > CLIFF * full:
            at = example.told_place(part, place)
            finding = f"selling {example.told(UNIT)} more just below {at} pays {example.told(jump)} more"
            yield Finding("cliff", part.name, keys, finding)


def gaps(example: Example, part: Component) -> Iterator[Finding]:
    """Stretches that pay nothing, where no other component on the same measure pays."""
    tiers = part.schedule
    found = [
        (("tiers", i, _value(part)), start, following)
        for i, (start, following, value) in enumerate(zip(tiers.starts, tiers.starts[1:], tiers.values[:-1], strict=False))
        if value == 0
    ]
    last = tiers.starts[-1] if tiers.values[-1] == 0 else tiers.end
    if last is not None and example.place(part, last) < _horizon(example, part):
        found.append((("tiers", len(tiers.starts) - 1, "to"), last, last + max(tiers.starts[-1], Fraction(1))))
    for keys, start, end in found:
        begin, upto = example.place(part, start), example.place(part, end)
        if start == 0 and upto <= THRESHOLD * example.quota:
            continue
        if any(example.pay(other, upto) > example.pay(other, begin) for other in _others(example, part)):
            continue
        told = example.told_place(part, begin)
        stretch = f"from {told} on" if start == last else f"from {told} to {example.told_place(part, upto)}"
        finding = f"{stretch} selling pays nothing: {example.told(upto - begin)} sold there bring {example.told(0)}"
        yield Finding("gap", part.name, keys, finding)


def no_cap(example: Example, part: Component) -> Iterator[Finding]:
    """Rates that rise steeply without a cap or an end."""
    slopes = [slope for slope in _slopes(part) if slope > 0]
    if part.cap is not None or part.schedule.end is not None or not slopes:
        return
    below = [slope for start, slope in zip(part.schedule.starts, _slopes(part), strict=True) if slope > 0 and start < 1]
    base = below[-1] if part.basis != "amount" and below else slopes[0]
    if slopes[-1] >= STEEP * base:
        full = _full(example, part)
        large, at_quota = example.pay(part, 3 * full), example.pay(part, full)
        times = f", {large / at_quota:.1f} times what {example.told(full)} pay" if at_quota else ""
        finding = f"one deal of {example.told(3 * full)} pays {example.told(large)}{times}, and no cap is stated"
        yield Finding("no_cap", part.name, ("cap",), finding, NOTE)


def falling_rates(example: Example, part: Component) -> Iterator[Finding]:
    """Selling more that pays less: a tier with a lower rate, or a cap, within reach."""
    slopes, whole = _slopes(part), part.schedule.application == "whole"
    for i, start in enumerate(part.schedule.starts):
        place = example.place(part, start)
        if i == 0 or not 0 < slopes[i] < slopes[i - 1] or place >= _horizon(example, part):
            continue
        at = example.told_place(part, place)
        if whole:
            less = example.pay(part, ceil(place) - UNIT) - example.pay(part, ceil(place))
            finding = f"selling {example.told(UNIT)} more just below {at} pays {example.told(less)} less"
        else:
            size = 100 * UNIT
            above, below = (example.pay(part, end) - example.pay(part, end - size) for end in (place + size, place))
            finding = f"{example.told(size)} sold above {at} pay {example.told(above)}, just below {example.told(below)}"
        yield Finding("falling_rate", part.name, ("tiers", i, _value(part)), finding)
    if part.cap is not None and part.cap.kind != "per_deal":
        low, high, uncapped = 0, _horizon(example, part), replace(part, cap=None)
        if example.pay(uncapped, high) <= part.cap.cents:
            return
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if example.pay(uncapped, middle) >= part.cap.cents else (middle, high)
        more = example.pay(part, high + 100 * UNIT) - example.pay(part, high)
        finding = (
            f"the cap of {example.told(part.cap.cents)} is reached at {example.told_place(part, high)}: "
            f"{example.told(100 * UNIT)} sold above pay {example.told(more)}"
        )
        yield Finding("falling_rate", part.name, ("cap", "amount"), finding, NOTE)


def _others(example: Example, part: Component) -> list[Component]:
    return [other for other in example.plan.components if other is not part and other.measure == part.measure]


def _full(example: Example, part: Component) -> int:
    """Where a component is in full pay: at quota; where tiers are money, where the last one begins."""
    return max(ceil(part.schedule.starts[-1]), example.quota) if part.basis == "amount" else example.quota


def _horizon(example: Example, part: Component) -> int:
    return HORIZON * _full(example, part)


def _slopes(part: Component) -> list[Fraction]:
    """What a unit sold pays in each tier."""
    tiers = part.schedule
    if tiers.application != "interpolated" or tiers.end is None:
        return list(tiers.values)
    ends = [*tiers.starts[1:], tiers.end]
    return [value / (end - start) for start, end, value in zip(tiers.starts, ends, tiers.values, strict=True)]


def _value(part: Component) -> str:
    return "pays" if part.schedule.application == "interpolated" else "rate"


RULES = (cliffs, gaps, no_cap, falling_rates)
