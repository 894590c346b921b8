"""Quotas of who leads others: the sum of what those who report to them carry. Integer cents, and no cent is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import pandas as pd

from .. import money
from ..errors import DataRefused
from . import staff
from .plans import Plan

if TYPE_CHECKING:
    from .quotas import Quotas


Report = tuple[str, str, Fraction, Fraction]  # member, role, and the part of the quota carried: from a share of it to another


class Led:
    """A quarter's quotas of leaders, by the plans of all roles and the quotas of each.

    A leader carries the quotas of who reports to them, ramp and proration included; who reports to several in the quarter is
    carried by each for the days of it. A member whose own quota is that of members counts with what these carry.
    """

    def __init__(
        self, roster: pd.DataFrame, quarter: pd.Period, measure: str, currency: str, plans: Sequence[tuple[Plan, Quotas]]
    ) -> None:
        self._quarter, self._measure, self._currency = quarter, measure, currency
        self._plans: dict[str, list[tuple[Plan, Quotas]]] = {}
        for plan, quotas in plans:
            self._plans.setdefault(plan.role, []).append((plan, quotas))
        self._reports: dict[str, list[Report]] = {}
        for leader, report in _reports(roster, quarter):
            self._reports.setdefault(leader, []).append(report)

    def cents(self, leader: str, path: tuple[str, ...] = ()) -> int:
        """What the members of a leader carry together; `path`: the leaders above, so that a circle of leaders ends."""
        total, above = 0, (*path, leader)
        for member, role, begin, end in self._reports.get(leader, []):
            cents = 0 if member in above else self._own(member, role, above)
            total += money.round_half_up(cents * end) - money.round_half_up(cents * begin)
        return total

    def _own(self, member: str, role: str, above: tuple[str, ...]) -> int:
        known = self._plans.get(role, [])
        here = next(((plan, quotas) for plan, quotas in known if plan.currency == self._currency), None)
        if here is None and known:
            raise DataRefused(
                f"the quota of {member} is in {known[0][0].currency}, that of who leads them in {self._currency}",
                f"plan {known[0][0].name}",
                "state both plans in one currency",
            )
        if here is None:
            return 0
        plan, quotas = here
        if plan.quota.source == "members":
            return quotas.carried(member, self.cents(member, above), self._quarter)
        return quotas.quota_of(self._measure, self._quarter).get(member, 0)


def _reports(roster: pd.DataFrame, quarter: pd.Period) -> Iterator[tuple[str, Report]]:
    """Who reported to whom in a quarter, by the days of a member in a role; the parts sum to the whole."""
    days: dict[tuple[str, str], list[tuple[str | None, int]]] = {}
    for row, first, last in staff.assigned(roster):
        for begin, end in staff.within([(first, last)], quarter):
            leader = None if pd.isna(row.manager_id) else str(row.manager_id)
            days.setdefault((str(row.rep_id), str(row.role)), []).append((leader, (end - begin).days + 1))
    for (member, role), parts in days.items():
        whole, upto = sum(n for _, n in parts), 0
        for leader, n in parts:
            if leader is not None:
                yield leader, (member, role, Fraction(upto, whole), Fraction(upto + n, whole))
            upto += n
