"""A compensation plan in force: what it says, as exact values. `planfile` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .. import money
from .caps import capped
from .draws import Draw
from .schedules import Schedule

ACCUMULATIONS = ("none", "month", "quarter", "year")
BASES = ("quota", "amount")
CAPS = ("hard", "soft", "per_deal")


@dataclass(frozen=True)
class Gate:
    """What must be attained before a component pays: a share of the quota of `measure` over the month, quarter or year."""

    measure: str
    period: str
    at_least: Fraction


@dataclass(frozen=True)
class Cap:
    """`hard`: nothing above the amount per accumulation period; `soft`: `share_above` of what is above; `per_deal`: at most the
    amount per credit."""

    kind: str
    cents: int
    share_above: Fraction


@dataclass(frozen=True)
class Component:
    """One rule of a plan that pays on credits.

    `basis`: tiers are shares of the quota, or amounts in cents. `accumulation`: when the position starts at 0 again; `none`:
    with every credit. `kinds` of credits count, of deals won (`measure` names the quota).
    """

    name: str
    what: str
    measure: str
    kinds: tuple[str, ...]
    basis: str
    accumulation: str
    schedule: Schedule
    gate: Gate | None = None
    cap: Cap | None = None
    holdback: Fraction = Fraction(0)

    def pay(self, credit: int, quota: int) -> int:
        """Cents on `credit` cents that come at once, the gate open; what a holdback keeps until later is in it."""
        tiers = self.schedule.scaled(quota) if self.basis == "quota" else self.schedule
        earned = money.round_half_up(tiers.earned(max(credit, 0)))
        return earned if self.cap is None else capped(earned, self.cap.cents, share_above=self.cap.share_above)[0]


@dataclass(frozen=True)
class Plan:
    """A plan as in force when the quarter began; `version` changes whenever a value in force does."""

    name: str
    title: str
    role: str
    currency: str
    components: tuple[Component, ...]
    draw: Draw | None
    version: str

    def pay(self, credit: int, quota: int) -> int:
        """What all components pay together."""
        return sum(component.pay(credit, quota) for component in self.components)
