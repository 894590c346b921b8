"""Compensation plans: read, checked, in force when the quarter began."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .. import money
from ..errors import UsageError, nearest
from ..snapshot import Snapshot

_KEYS = [
    "plan",
    "title",
    "decided_by",
    "source",
    "applies_to",
    "measure",
    "accumulation",
    "tier_application",
    "credit_order",
    "rounding",
    "currency",
    "tiers",
]
SUPPORTED: dict[str, Any] = {
    "accumulation": "quarter",
    "tier_application": "marginal",
    "credit_order": ["close_date", "opportunity_id", "kind"],
    "rounding": {"mode": "half_up", "point": "line"},
}


@dataclass(frozen=True)
class Plan:
    """A tiered plan in force. `tiers`: (share of quota the tier starts at, rate), contiguous, the last one open."""

    name: str
    title: str
    role: str
    measure: str
    currency: str
    tiers: tuple[tuple[Fraction, Fraction], ...]

    def pay(self, credit: int, quota: int) -> int:
        """Pay in cents on `credit` cents against `quota` cents; negative credit pays nothing.

        >>> tiers = ((Fraction(0), Fraction(6, 100)), (Fraction(1), Fraction(12, 100)))
        >>> Plan("p", "p", "ae", "bookings", "EUR", tiers).pay(120_000_00, 100_000_00)
        840000
        """
        exact = sum((amount * rate for amount, rate in self.split(0, max(credit, 0), quota)), start=Fraction(0))
        return money.round_half_up(exact)

    def split(self, before: int, after: int, quota: int) -> list[tuple[Fraction, Fraction]]:
        """How much of the credit between two positions lies in each tier: (cents, rate), tiers without any left out."""
        starts = [share * quota for share, _ in self.tiers]
        ends: list[Fraction | None] = [*starts[1:], None]
        parts = []
        for start, end, (_, rate) in zip(starts, ends, self.tiers, strict=True):
            upper = Fraction(after) if end is None else min(Fraction(after), end)
            inside = upper - max(Fraction(before), start)
            if inside > 0:
                parts.append((inside, rate))
        return parts


def plan(snapshot: Snapshot, *, name: str = "account_executive") -> Plan:
    """The plan file `name` as in force when the quarter began.

    UsageError for an unknown or missing key, a value that is not supported, tiers out of order; DataRefused when no value is in
    force yet.
    """
    values = snapshot.plan(name)
    unknown = [key for key in values if key not in _KEYS]
    missing = [key for key in _KEYS if key not in values]
    where = f"plan {name}"
    if unknown:
        raise UsageError(f"unknown key {unknown[0]!r}", where, nearest(unknown[0], _KEYS))
    if missing:
        raise UsageError(f"key {missing[0]!r} is missing", where, "a plan states every key, there are no defaults")
    for key, value in SUPPORTED.items():
        if values[key] != value:
            raise UsageError(f"{key} {values[key]!r} is not supported", where, f"write {value}")
    for tier in values["tiers"]:
        if not isinstance(tier, dict) or not {"from", "rate"} <= set(tier) <= {"from", "to", "rate"}:
            raise UsageError(f"a tier is {tier!r}", where, "give each tier `from` and `rate`, and `to` if you like")
    tiers = tuple((exact(tier["from"], where), exact(tier["rate"], where)) for tier in values["tiers"])
    starts = [start for start, _ in tiers]
    if not starts or starts[0] != 0 or starts != sorted(set(starts)):
        raise UsageError("tiers must start at 0 and rise", where, "order the tiers by `from`, each once")
    for tier, following in zip(values["tiers"], starts[1:], strict=False):
        if "to" in tier and (end := exact(tier["to"], where)) != following:
            what = "tiers overlap" if end > following else "there is a gap between tiers"
            tell = f"{what}: one ends at {float(end):g}, the next begins at {float(following):g}"
            raise UsageError(tell, where, "let each tier begin where the one before ends")
    if any(rate < 0 for _, rate in tiers):
        raise UsageError("a rate is negative", where, "correct the rate")
    return Plan(name, values["title"], values["applies_to"], values["measure"], values["currency"], tiers)


def exact(text: Any, where: str) -> Fraction:
    """A share or rate written as quoted text; a bare YAML number has already lost its exactness."""
    if not isinstance(text, str):
        raise UsageError(f"{text!r} is a bare number", where, f'quote it: "{text}"')
    try:
        return Fraction(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a number", where, 'write it like "0.065"') from None
