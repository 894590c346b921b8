"""How pay follows from a position: tiers of rates, and the four ways in which plans apply them. Exact fractions throughout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm

import numpy as np

from .. import money

APPLICATIONS = ("marginal", "whole", "per_transaction", "interpolated")


@dataclass(frozen=True)
class Schedule:
    """Tiers [start, next start) in rising order; the last one is open unless `end` closes it: what lies beyond pays nothing.

    `application`:
    - marginal: each part of the credit pays the rate of the tier it lies in;
    - whole: all credit so far pays the rate of the tier that its sum has reached, so reaching a tier pays for the past, too;
    - per_transaction: every credit is placed in the tiers by its own size, as if it were the first;
    - interpolated: `values` are what whole tiers pay, and a part of a tier pays its share of that; needs `end`.

    A position below the first tier has earned nothing, a negative one neither. `rounding`: how cents are made of what is
    earned, one of `money.ROUNDINGS`.

    >>> tiers = Schedule((Fraction(0), Fraction(100)), (Fraction(10, 100), Fraction(12, 100)), "marginal")
    >>> float(tiers.earned(Fraction(125))), float(replace(tiers, application="whole").earned(Fraction(125)))
    (13.0, 15.0)
    """

    starts: tuple[Fraction, ...]
    values: tuple[Fraction, ...]
    application: str
    end: Fraction | None = None
    rounding: str = "half_up"

    def scaled(self, by: int | Fraction) -> Schedule:
        """The same tiers with positions in money where they were shares of a quota, `by` being the quota."""
        return replace(self, starts=tuple(start * by for start in self.starts), end=None if self.end is None else self.end * by)

    def earned(self, position: int | Fraction) -> Fraction:
        """What the credit up to a position has earned."""
        if self.application == "whole":
            reached = self._within(Fraction(position))
            return reached * self.value(position)
        return sum((part * rate for part, rate in self.parts(0, position)), Fraction(0))

    def line(self, before: int | Fraction, after: int | Fraction) -> Fraction:
        """What one credit earns that moves the position from `before` to `after`; a credit note takes back what its amount
        had earned."""
        if self.application == "per_transaction":
            size = after - before
            return self.earned(size) if size >= 0 else -self.earned(-size)
        return self.earned(after) - self.earned(before)

    def cents(self, position: np.ndarray, quota: np.ndarray | int = 1, target: np.ndarray | int | None = None) -> np.ndarray:
        """`earned`, rounded to whole cents, of many positions in cents at once; tiers are shares of `quota` (cents; 1: they
        are in cents themselves), rates multiples of `target` (cents; None: of the credit).
        Whole numbers throughout: where wide tiers or fine rates might not fit into 64 bits they are Python's own.

        >>> tiers = Schedule((Fraction(0), Fraction(1)), (Fraction(6, 100), Fraction(12, 100)), "marginal")
        >>> tiers.cents(np.array([80_000_00, 120_000_00]), 100_000_00).tolist()
        [480000, 840000]
        >>> multiples = replace(tiers, values=(Fraction(1), Fraction(2)))
        >>> multiples.cents(np.array([80_000_00, 120_000_00]), 100_000_00, 6_000_00).tolist()
        [480000, 840000]
        """
        if self.application == "interpolated":
            return self._cents_one_by_one(position, quota, target)
        bounds = [*self.starts, *([] if self.end is None else [self.end])]
        per, unit = lcm(*(bound.denominator for bound in bounds)), lcm(*(rate.denominator for rate in self.values))
        starts, rates = [int(bound * per) for bound in bounds], [int(rate * unit) for rate in self.values]
        own, times, parts = np.asarray(quota), np.asarray(1 if target is None else target), np.asarray(1)
        if target is not None:  # of the credit's share of the quota
            common = np.gcd(own, times)
            times, parts = times // np.maximum(common, 1), np.maximum(own // np.maximum(common, 1), 1)
        furthest = int(np.max(np.abs(position), initial=0)) * per + int(np.max(own, initial=0)) * max(starts)
        largest = (furthest + per) * (max(rates) + unit) * (int(np.max(times, initial=1)) + int(np.max(parts, initial=1)))
        kind = "int64" if 2 * largest < 2**62 else "object"
        place, own, times, parts = (np.asarray(number).astype(kind) for number in (position, own, times, parts))
        place = np.maximum(place, 0) * per
        if self.end is not None:
            place = np.minimum(place, starts[-1] * own)
        earned = place * 0
        for start, following, rate in zip(starts, [*starts[1:], None], rates, strict=False):
            if self.application == "whole":
                earned = np.where(place >= start * own, place * rate, earned)
            else:
                upto = place if following is None else np.minimum(place, following * own)
                earned = earned + np.maximum(upto - start * own, 0) * rate
        return _divided(earned * times, per * unit * parts, self.rounding).astype("int64")

    def _cents_one_by_one(self, position: np.ndarray, quota: np.ndarray | int, target: np.ndarray | int | None) -> np.ndarray:
        each = np.broadcast_arrays(position, quota, 1 if target is None else target)
        found = [
            money.rounded(times * self.scaled(own or 1).earned(place), self.rounding)
            for place, own, times in zip(*(numbers.tolist() for numbers in each), strict=True)
        ]
        return np.array(found, dtype="int64")

    def value(self, position: int | Fraction) -> Fraction:
        """Rate (or, interpolated, the pay of the tier) in force at a position; 0 below the first tier."""
        return next(
            (value for start, value in zip(self.starts[::-1], self.values[::-1], strict=True) if position >= start), Fraction(0)
        )

    def parts(self, before: int | Fraction, after: int | Fraction) -> list[tuple[Fraction, Fraction]]:
        """How the credit between two positions falls into the tiers: (amount, rate); tiers without any are left out."""
        ends = [*self.starts[1:], self.end]
        found = []
        for start, end, value in zip(self.starts, ends, self.values, strict=True):
            upper = Fraction(after) if end is None else min(Fraction(after), end)
            inside = upper - max(Fraction(before), start)
            if inside > 0:
                found.append(
                    (inside, value / (end - start) if self.application == "interpolated" and end is not None else value)
                )
        return found

    def _within(self, position: Fraction) -> Fraction:
        return max(position if self.end is None else min(position, self.end), Fraction(0))


def _divided(parts: np.ndarray, whole: np.ndarray, rounding: str) -> np.ndarray:
    """Whole numbers divided by whole numbers above 0, as `money.rounded` rounds."""
    if rounding == "half_up":
        return (2 * parts + whole) // (2 * whole)
    result = parts // whole
    rest = parts - result * whole
    if rounding == "half_even":
        return result + ((2 * rest > whole) | ((2 * rest == whole) & (result % 2 == 1)))
    return result + (rest > 0) if rounding == "up" else result
