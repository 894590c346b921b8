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


Part = tuple[Fraction, Fraction]  # from a share of a quota to another
Report = tuple[str, str, Part, Part]  # member, role, and the part carried: of the days in the role, of those in all roles


class Led:
    """A quarter's quotas of leaders, by the plans of all roles and the quotas of each.

    A leader carries the quotas of who reports to them, ramp and proration included; who reports to several in the quarter is
    carried by each for the days of it. A member whose own quota is that of members counts with what these carry, and so does
    one whose role has no plan; who has neither plan nor members counts 0. Who has two roles in the quarter, the whole quota in
    each, counts with the part of the days of each.
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
        for member, role, of_role, of_all in self._reports.get(leader, []):
            cents = 0 if member in above else self._own(member, role, above)
            here = self._of_role(member, role)
            begin, end = of_role if here and here[0].quota.proration != "none" else of_all
            total += money.round_half_up(cents * end) - money.round_half_up(cents * begin)
        return total

    def unmeasured(self, leader: str, path: tuple[str, ...] = ()) -> set[str]:
        """The members of a leader who have no quota though the plan of their role asks for one."""
        found, above = set(), (*path, leader)
        for member, role, _, _ in self._reports.get(leader, []):
            here = self._of_role(member, role)
            if here is None or here[0].quota.source == "members":
                found |= set() if member in above else self.unmeasured(member, above)
            elif self._asks(here[0]) and member not in here[1].whole(self._measure, self._quarter):
                found.add(member)
        return found

    def _asks(self, plan: Plan) -> bool:
        return any(self._measure == measure for part in plan.components for measure, _ in part.measured)

    def _own(self, member: str, role: str, above: tuple[str, ...]) -> int:
        here = self._of_role(member, role)
        if here is None:
            return self.cents(member, above)
        plan, quotas = here
        if plan.quota.source == "members":
            return quotas.carried(member, self.cents(member, above), self._quarter)
        return quotas.quota_of(self._measure, self._quarter).get(member, 0)

    def _of_role(self, member: str, role: str) -> tuple[Plan, Quotas] | None:
        known = self._plans.get(role, [])
        here = next(((plan, quotas) for plan, quotas in known if plan.currency == self._currency), None)
        if here is None and known:
            raise DataRefused(
                f"the quota of {member} is in {known[0][0].currency}, that of who leads them in {self._currency}",
                f"plan {known[0][0].name}",
                "state both plans in one currency",
            )
        return here


def _reports(roster: pd.DataFrame, quarter: pd.Period) -> Iterator[tuple[str, Report]]:
    """Who reported to whom in a quarter, in which role and for which part of it; the parts sum to the whole."""
    days: dict[str, list[tuple[str, str | None, int]]] = {}
    for row, first, last in staff.assigned(roster):
        for begin, end in staff.within([(first, last)], quarter):
            leader = None if pd.isna(row.manager_id) else str(row.manager_id)
            days.setdefault(str(row.rep_id), []).append((str(row.role), leader, (end - begin).days + 1))
    for member, parts in days.items():
        for place, (role, leader, _) in enumerate(parts):
            if leader is not None:
                of_all = [n for _, _, n in parts]
                of_role = [n if one == role else 0 for one, _, n in parts]
                yield leader, (member, role, _part(of_role, place), _part(of_all, place))


def _part(days: list[int], place: int) -> Part:
    whole = sum(days)
    return Fraction(sum(days[:place]), whole), Fraction(sum(days[: place + 1]), whole)
