"""What pay is computed from, read once and kept: versions of the plan, credits of all quarters, quotas."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from functools import cached_property

import pandas as pd

from .. import periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from ..snapshot.plans import plan_names
from . import staff
from .credits import LEAD, of_deals, of_leads
from .planfile import plan as named
from .planfile import versions
from .plans import Award, Component, Factors, Objectives, Plan
from .quotas import Quotas

PLAIN = Factors()
Part = Component | Award | Objectives


class Book:
    """The plan and the data it pays on, as known in the snapshot. `added`: further credits that nobody has yet (what the next
    deal would pay), with the columns of those there are."""

    def __init__(self, snapshot: Snapshot, plan: Plan, *, added: pd.DataFrame | None = None) -> None:
        self.snapshot, self.plan, self._added = snapshot, plan, added
        self.freq: str = snapshot.quarter.freqstr
        self.roster = staff.roster(snapshot)
        self.quotas = Quotas(snapshot, plan, self.roster, in_force=self._at_beginning, others=self._others)
        self._attributes: dict[str, dict[str, str]] = {}
        self._credits: dict[tuple[str, str, Factors, Factors], pd.DataFrame] = {}

    def versions(self, quarter: pd.Period) -> list[tuple[dt.date, dt.date, Plan]]:
        """The versions of the plan in a quarter: first day, last day, plan."""
        first, last = periods.first_day(quarter), periods.last_day(quarter)
        begins = [day for day, _ in self.all_versions]
        ends = [*(day - dt.timedelta(days=1) for day in begins[1:]), dt.date.max]
        found = zip(begins, ends, (plan for _, plan in self.all_versions), strict=True)
        return [(max(begin, first), min(end, last), plan) for begin, end, plan in found if begin <= last and end >= first]

    @cached_property
    def all_versions(self) -> list[tuple[dt.date, Plan]]:
        """Every version of the plan until the quarter's end: from which day on, and what it says."""
        return versions(self.snapshot, self.plan, dt.date.min, periods.last_day(self.snapshot.quarter))

    def credits(
        self, measure: str, of: str = "own", *, credited: Factors = PLAIN, commissionable: Factors = PLAIN
    ) -> pd.DataFrame:
        """Credits of all quarters for who was in the plan's role on the day: the columns of `credits.of_deals`, and role."""
        key = (measure, of, credited, commissionable)
        if key not in self._credits:
            self._credits[key] = self._found(*key)
        rows = self._credits[key]
        if self._added is not None and measure == "bookings":
            rows = pd.concat([rows, self._added], ignore_index=True)
        return rows

    def _at_beginning(self, quarter: pd.Period) -> Plan:
        return next((plan for _, _, plan in self.versions(quarter)), self.plan)

    def _others(self, quarter: pd.Period) -> list[Plan]:
        """The company's other plans as in force when a quarter began."""
        found, day = [], periods.first_day(quarter)
        for name in plan_names(self.snapshot):
            if name != self.plan.name:
                with suppress(DataRefused):  # it is not in force yet
                    found.append(named(self.snapshot, name=name, on=day))
        return found

    def attribute(self, name: str) -> dict[str, str]:
        """What each deal belongs to, by its id: one of `Snapshot.members`."""
        if name not in self._attributes:
            deals = self.snapshot.opportunities
            deals = deals[deals["status"] == "won"]
            self._attributes[name] = dict(zip(deals["opportunity_id"], self.snapshot.members(deals, name), strict=True))
        return self._attributes[name]

    def _found(self, measure: str, of: str, credited: Factors, commissionable: Factors) -> pd.DataFrame:
        if measure == "leads":
            found = of_leads(self.snapshot)
        else:
            found = of_deals(
                self.snapshot, self.plan.currency, credited=credited, commissionable=commissionable,
                renewals=measure == "renewals",
            )  # fmt: skip
        found = staff.lifted(found, of, self.roster)
        found["role"] = staff.on_day(self.roster, found["rep_id"], found["event_date"])["role"]
        return found[found["role"] == self.plan.role].reset_index(drop=True)


def counted(measure: str, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds of credit that a part of a plan counts; an accepted lead is a kind of its own."""
    return (LEAD,) if measure == "leads" else kinds


def refuse_unpriced(credits: pd.DataFrame) -> None:
    """DataRefused naming the rate that is missing, where a credit has none."""
    missing = sorted({*credits["unpriced"]} - {""})
    if missing:
        deals = credits.loc[credits["unpriced"] == missing[0], "deal"]
        raise DataRefused(
            f"there is no rate of {missing[0]}: what the deal {deals.iloc[0]} pays is not known",
            "table fx_rates",
            "add the rate of the month, or of one before it",
        )
