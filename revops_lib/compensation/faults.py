"""What the linter's rules share: a finding, and examples computed with the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import pandas as pd

from .engine import paid
from .plans import Component, Plan

FAULT, NOTE = "fault", "note"


@dataclass(frozen=True)
class Finding:
    """`keys`: what leads to the value from its component (from the plan's top without one), places in lists from 0."""

    rule: str
    component: str
    keys: tuple[str | int, ...]
    finding: str
    severity: str = FAULT


@dataclass(frozen=True)
class Example:
    """A plan, and the quota (cents) its examples are computed for."""

    plan: Plan
    quota: int

    def pay(self, part: Component, credit: int | Fraction) -> int:
        """Cents that a component pays on credit that comes at once, its gate open."""
        return part.pay(int(credit), self.quota, target=self.plan.target(part))

    def place(self, part: Component, position: Fraction) -> Fraction:
        """A position of a component's tiers in cents."""
        return position if part.basis == "amount" else position * self.quota

    def lines(self, part: Component, deals: Sequence[tuple[Fraction, Fraction]]) -> list[int]:
        """What deals pay in their order, by the engine: (credit, what is paid on) in cents."""
        rows = pd.DataFrame({
            "rep_id": "rep", "window": "window", "event_date": pd.Timestamp(2026, 1, 1), "line": "", "kind": part.kinds[0],
            "deal": [f"{i:03}" for i in range(len(deals))],
            "credit": [int(credit) for credit, _ in deals], "base": [int(base) for _, base in deals],
        })  # fmt: skip
        index = pd.MultiIndex.from_tuples([("rep", "window")])
        quotas, targets = (pd.Series([cents], index=index) for cents in (self.quota, self.plan.target(part)))
        gates = {"rep": Fraction(10**6)}
        found = paid(part, rows, quotas, gates=gates, targets=targets)
        return (found["pay"] + found["held"]).tolist()

    def told(self, cents: int | Fraction) -> str:
        return f"{float(cents) / 100:,.2f} {self.plan.currency}"

    def told_place(self, part: Component, cents: int | Fraction) -> str:
        """A position in words: a share of the quota, or money."""
        return self.told(cents) if part.basis == "amount" else f"{float(cents) / self.quota:.0%} of quota"

    def where(self, one: Finding) -> str:
        """The keys that lead to the finding and the line they stand on."""
        names = [entry.get("component") for entry in self.plan.values.get("components", [])]
        at = (("components", names.index(one.component)) if one.component in names else ()) + one.keys
        told = ("components", one.component, *one.keys) if one.component else one.keys
        path = ".".join(str(step + 1) if isinstance(step, int) else step for step in told)
        while at and at not in self.plan.lines:
            at = at[:-1]
        return f"{path}, line {self.plan.lines[at]}" if at else path
