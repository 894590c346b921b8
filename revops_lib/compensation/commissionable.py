"""What a component earns where the amounts it is paid on are not those that count towards the quota. Exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from .. import money
from .plans import Component
from .schedules import Schedule

POINT = Fraction(1, 10**9)  # of a cent: short enough to lie in one tier


def on_base(
    component: Component, cents: np.ndarray, credit: np.ndarray, base: np.ndarray, after: np.ndarray, group: np.ndarray,
    quota: np.ndarray, target: np.ndarray | None,
) -> np.ndarray:  # fmt: skip
    """Pay on the base at the rates of the positions that the credit passes; `cents` stay where both are the same.

    marginal, interpolated and each credit by its own size: the base, at the mean rate of what the credit passes; whole: all
    base so far, at the rate of the position reached. A credit of 0 has the rate of the position it stands at. Rounded on
    running sums of the group; where nothing accumulates, line by line.
    """
    result = cents.copy()
    for own in np.unique(group[base != credit]):
        rows = np.arange(*np.searchsorted(group, [own, own + 1]))  # groups stand together, in order
        if not quota[rows[0]] or (target is not None and not target[rows[0]]):
            continue
        tiers = component.schedule if component.basis == "amount" else component.schedule.scaled(int(quota[rows[0]]))
        # Interpolated tiers say what they pay themselves.
        parts = 1 if tiers.application == "interpolated" else int(quota[rows[0]])
        times = Fraction(1) if target is None else Fraction(int(target[rows[0]]), parts)
        lines = [(int(credit[row]), int(base[row]), int(after[row])) for row in rows]
        if component.accumulation == "none":
            result[rows] = [money.rounded(times * paid * _rate(tiers, 0, abs(size)), tiers.rounding) for size, paid, _ in lines]
            continue
        total, upto, done = Fraction(0), 0, 0
        for row, (size, paid, place) in zip(rows, lines, strict=True):
            upto += paid
            total = (
                _whole(tiers, upto, place) if tiers.application == "whole" else total + paid * _rate(tiers, place - size, place)
            )
            result[row] = money.rounded(times * total, tiers.rounding) - done
            done += int(result[row])
    return result


def _rate(tiers: Schedule, before: int, after: int) -> Fraction:
    """Mean rate between two positions; at one position that of the next bit of credit."""
    if before != after:
        return (tiers.earned(after) - tiers.earned(before)) / (after - before)
    place = Fraction(max(after, 0))
    return sum((rate for _, rate in tiers.parts(place, place + POINT)), Fraction(0))


def _whole(tiers: Schedule, base: int, place: int) -> Fraction:
    """The rate of the position reached on all base; beyond the end of the tiers only the part that lies within them."""
    within = Fraction(1) if tiers.end is None or place <= tiers.end else tiers.end / place
    return max(base, 0) * within * tiers.value(max(place, 0))
