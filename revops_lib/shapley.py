"""A change of a product, split fairly over its factors, and parts that add up to the cent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from math import factorial
from typing import Any

from . import money


def shapley(before: Mapping[str, Any], after: Mapping[str, Any], *, divisors: Collection[str] = ()) -> dict[str, Any]:
    """What each factor contributes to the change of their product (Shapley 1953), one entry per factor.

    A factor's part is the mean, over all orders in which the factors can change, of what its own change adds. Parts sum to
    the change, do not depend on an order, change their sign when before and after swap, and zeros do no harm. Factors in
    `divisors` divide and must not be zero. Values are fractions (then exact), floats or arrays.

    >>> parts = shapley({"deals": 200, "rate": 0.25, "value": 40}, {"deals": 180, "rate": 0.20, "value": 44})
    >>> {name: round(part, 4) for name, part in parts.items()}
    {'deals': -188.6667, 'rate': -398.6667, 'value': 171.3333}
    """
    old = {name: 1 / value if name in divisors else value for name, value in before.items()}
    new = {name: 1 / after[name] if name in divisors else after[name] for name in before}
    n = len(old)
    parts = {}
    for name in old:
        # The others' product with any s of them already changed, summed over all choices: coefficients of ∏ (old + new·t).
        sums: list[Any] = [1]
        for other in old:
            if other != name:
                lower, upper = [*sums, 0], [0, *sums]
                sums = [a * old[other] + b * new[other] for a, b in zip(lower, upper, strict=True)]
        weighted = sum(value * (factorial(s) * factorial(n - 1 - s)) for s, value in enumerate(sums))
        parts[name] = weighted * (new[name] - old[name]) / factorial(n)
    return parts


def whole_cents(parts: Sequence[Fraction], total: int) -> list[int]:
    """The parts in whole cents with the sum `total`: each is rounded, halves away from zero; what is then left over goes, a
    cent each, to the parts that rounding moved most the other way, the first ones of equals."""
    rounded = [money.round_half_up(part) for part in parts]
    left = total - sum(rounded)
    step = 1 if left > 0 else -1
    moved = sorted(range(len(parts)), key=lambda i: step * (rounded[i] - parts[i]))
    for i in range(abs(left)):
        rounded[moved[i % len(parts)]] += step
    return rounded
