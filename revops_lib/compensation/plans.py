"""A compensation plan in force: what it says, as exact values. `planfile` reads it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from .. import money
from .caps import capped
from .draws import Draw
from .schedules import Schedule
from .spifs import Band

ACCUMULATIONS = ("none", "month", "quarter", "year", "year_to_date")
MEASURES = ("bookings", "renewals", "leads")
OF = ("own", "reports", "team")
BASES = ("quota", "amount", "target")
CAPS = ("hard", "soft", "per_deal")
PAYABLE = ("booking", "invoice", "cash", "months")
CLAWBACKS = ("share", "pro_rata", "schedule")
AWARDS = ("fixed", "share", "pool", "bands")
SOURCES = ("table", "plan", "members")
PRORATIONS = ("none", "calendar_days")


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
class Factors:
    """What a deal's amount is multiplied by: by years signed (`multi_year`: the last number of years reached counts), when paid
    in advance, when it is a renewal. They multiply each other."""

    multi_year: tuple[tuple[int, Fraction], ...] = ()
    prepaid: Fraction = Fraction(1)
    renewal: Fraction = Fraction(1)


@dataclass(frozen=True)
class Payable:
    """A share of the pay and what it waits for: `booking`, `invoice`, `cash`, or `months` after the booking."""

    share: Fraction
    on: str
    months: int = 0


BOOKED = (Payable(Fraction(1), "booking"),)


@dataclass(frozen=True)
class Clawback:
    """What is taken back when a contract is cancelled within some months: `share` of the pay; `pro_rata`, the part of the term
    not served; `schedule`, by steps (months, share)."""

    kind: str
    within_months: int
    share: Fraction | None
    steps: tuple[tuple[int, Fraction], ...] = ()


@dataclass(frozen=True)
class Component:
    """One rule of a plan that pays on credits.

    `basis`: tiers are shares of the quota, amounts in cents, or (`target`) shares of the quota whose rates are multiples of the
    target pay, `weight` of the plan's variable. `accumulation`: when the position starts at 0 again; `none`: with every credit.
    `kinds` of credits count, of deals won (`measure` names the quota), of the rep's own, of who reports to the rep, or of all
    below (`of`). `credited` and `commissionable`: factors on what counts towards quota and on what is paid on.
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
    of: str = "own"
    weight: Fraction | None = None
    credited: Factors = Factors()
    commissionable: Factors = Factors()
    payable: tuple[Payable, ...] = BOOKED
    clawback: Clawback | None = None

    @property
    def holdback(self) -> Fraction:
        """Share of the pay that is not payable on booking."""
        return 1 - sum((part.share for part in self.payable if part.on == "booking"), Fraction(0))

    @property
    def measured(self) -> list[tuple[str, str]]:
        """The measures whose quotas it looks at, each with the period of the quota."""
        own = [(self.measure, self.accumulation)] if self.basis != "amount" else []
        return [*own, *([(self.gate.measure, self.gate.period)] if self.gate else [])]

    def pay(self, credit: int, quota: int, target: int = 0) -> int:
        """Cents on `credit` cents that come at once, the gate open; with what is payable later. `target`: cents at quota."""
        tiers = self.schedule if self.basis == "amount" else self.schedule.scaled(quota)
        earned = tiers.earned(max(credit, 0))
        if self.basis == "target":
            # Interpolated tiers already say what they pay; their values are multiples of the target as well.
            earned = earned * target / (1 if self.schedule.application == "interpolated" else quota)
        cents = money.rounded(earned, self.schedule.rounding)
        return cents if self.cap is None else capped(cents, self.cap.cents, share_above=self.cap.share_above)[0]


@dataclass(frozen=True)
class Award:
    """A SPIF: what deals won from `first` to `last` pay beside the components.

    `kind` fixed: `cents` per deal; share: `rate` of the credit; pool: `cents` at the share of `goal` (cents) reached; bands: by
    the number of deals, `retroactive` or not. `eligible`: the values of product_family, segment, type or role that count.
    `budget`: cents at most, in the plan's order. `stacks`: a deal that an earlier award of the plan paid pays again.
    """

    name: str
    what: str
    measure: str
    kinds: tuple[str, ...]
    kind: str
    first: dt.date
    last: dt.date
    cents: int = 0
    rate: Fraction = Fraction(0)
    goal: int = 0
    bands: tuple[Band, ...] = ()
    retroactive: bool = False
    eligible: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    budget: int | None = None
    stacks: bool = True
    payable: tuple[Payable, ...] = BOOKED
    clawback: Clawback | None = None
    rounding: str = "half_up"


@dataclass(frozen=True)
class Objectives:
    """Pay on objectives judged each quarter: `weight` of the plan's variable."""

    name: str
    what: str
    weight: Fraction
    rounding: str = "half_up"


@dataclass(frozen=True)
class Quota:
    """Where quotas come from: the table, the plan's `annual` cents cut by `weights` of the quarters, or the `members`: the sum
    of what those who report to a person carry. `of_measure`: annual cents by measure, where the plan states several (`annual`
    is then that of the first component). `proration` calendar_days: only days in the role count; `ramp`: shares by quarters
    since hire."""

    source: str = "table"
    annual: int | None = None
    weights: tuple[Fraction, ...] = (Fraction(1),) * 4
    proration: str = "none"
    ramp: tuple[Fraction, ...] = ()
    of_measure: Mapping[str, int] = field(default_factory=dict)

    def cents(self, measure: str) -> int:
        """The plan's own quota of a year; 0: none."""
        return self.of_measure.get(measure, 0) if self.of_measure else self.annual or 0


@dataclass(frozen=True)
class Plan:
    """A plan as in force on a day; `version` changes whenever a value in force does that pay follows from. `base` and
    `variable`: cents a year at target. `values`: the file's values in force, `lines`: the line each stands on."""

    name: str
    title: str
    role: str
    currency: str
    decided_by: str
    source: str
    base: int | None
    variable: int | None
    quota: Quota
    components: tuple[Component, ...]
    awards: tuple[Award, ...] = ()
    objectives: tuple[Objectives, ...] = ()
    draw: Draw | None = None
    version: str = ""
    values: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict, repr=False, compare=False)

    def pay(self, credit: int, quota: int) -> int:
        """What all components pay together, cents; the target pay is that of a year."""
        return sum(part.pay(credit, quota, target=self.target(part)) for part in self.components)

    def target(self, part: Component | Objectives) -> int:
        """Cents a year that a component with a weight pays at 100 %; 0 without one."""
        return money.round_half_up((self.variable or 0) * (part.weight or Fraction(0)))
