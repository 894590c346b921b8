"""Against which quota and for which target pay: by rep and accumulation window, in cents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, cached_property

import pandas as pd

from .. import money, periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from . import staff, targets
from .members import Led
from .plans import Component, Objectives, Plan, Quota

MONTHS = 12


def window_of(accumulation: str, dates: pd.Series, freq: str) -> pd.Series:
    """The accumulation period that each day belongs to, by name; every credit is its own where nothing accumulates."""
    if accumulation == "month":
        return dates.dt.strftime("%Y-%m")
    if accumulation in ("year", "year_to_date"):
        return dates.dt.to_period(freq).dt.qyear.astype("str")
    return dates.dt.to_period(freq).astype("str")


def quarters_of(accumulation: str, quarter: pd.Period) -> list[pd.Period]:
    """The quarters whose credits stand in the windows of a quarter's pay: its own, or the fiscal year's up to it."""
    first = quarter - (quarter.quarter - 1) if accumulation in ("year", "year_to_date") else quarter
    return [first + i for i in range((quarter - first).n + 1)]


class Quotas:
    """Quotas and target pay of everybody in the plan's role. `in_force`: the version of the plan whose quotas hold in a
    quarter; they do not change within it. `others`: the plans of other roles in a quarter, for who carries what others do."""

    def __init__(
        self, snapshot: Snapshot, plan: Plan, roster: pd.DataFrame, *, in_force: Callable[[pd.Period], Plan] | None = None,
        others: Callable[[pd.Period], Sequence[Plan]] = lambda _: (),
    ) -> None:  # fmt: skip
        self._snapshot, self._plan, self._roster, self._others = snapshot, plan, roster, others
        self._in_force = in_force or (lambda _: plan)
        self._days, self._hired = staff.days_in_role(roster, plan.role), staff.hired(roster)
        self.quota_of = cache(self._quota_of)

    def windows(self, component: Component, quarter: pd.Period) -> pd.Series:
        """Cents of quota by rep and window of a component in a quarter; empty where its tiers are amounts of money.

        `month`: a quarter's quota cut by its days, the plan's own by equal parts; `year`: all four quarters; `year_to_date`:
        those up to now. DataRefused without quotas, or with quotas in another currency.
        """
        if component.basis == "amount":
            return _by_window({})
        return self.of_measure(component.measure, component.accumulation, quarter)

    def of_measure(self, measure: str, accumulation: str, quarter: pd.Period) -> pd.Series:
        if accumulation == "month":
            return _by_window({
                (rep, name): cents for name, month, number in _numbered(quarter)
                for rep, cents in self._quota_of_month(measure, quarter, month, number).items()
            })  # fmt: skip
        quarters = quarters_of(accumulation, quarter)
        if accumulation == "year":
            quarters = [quarters[0] + i for i in range(4)]
            self._require_all(measure, quarters)
        name = str(quarter.qyear) if accumulation in ("year", "year_to_date") else str(quarter)
        total: dict[tuple[str, str], int] = {}
        for one in quarters:
            for rep, cents in self.quota_of(measure, one).items():
                total[rep, name] = total.get((rep, name), 0) + cents
        return _by_window(total)

    def targets(self, part: Component | Objectives, accumulation: str, quarter: pd.Period, *, plan: Plan) -> pd.Series:
        """Cents of variable pay at 100 % by rep and window: a twelfth of a year's for each month, cut at rounded sums; only the
        days in the role where the plan prorates."""
        annual = plan.target(part)
        if not annual:
            return _by_window({})
        if accumulation == "month":
            parts = [(name, month, _twelfths(annual, i)) for name, month, i in _numbered(quarter)]
        else:
            year = quarter - (quarter.quarter - 1)
            upto = {"year": 4, "year_to_date": quarter.quarter}.get(accumulation)
            chosen = [year + i for i in range(upto)] if upto else [quarter]
            name = str(quarter.qyear) if upto else str(quarter)
            parts = [(name, one, sum(_twelfths(annual, i) for _, _, i in _numbered(one))) for one in chosen]
        total: dict[tuple[str, str], int] = {}
        for rep, days in self._days.items():
            for name, period, cents in parts:
                total[rep, name] = total.get((rep, name), 0) + self._prorated(plan.quota, cents, days, period)
        return _by_window(total)

    def _quota_of(self, measure: str, quarter: pd.Period) -> dict[str, int]:
        """Cents of a quarter by rep; who has none, or 0, is not there: nothing can be attained against it."""
        found = {rep: self.carried(rep, whole, quarter) for rep, whole in self.whole(measure, quarter).items()}
        return {rep: own for rep, own in found.items() if own > 0}

    def carried(self, rep: str, whole: int, quarter: pd.Period) -> int:
        """What a rep carries of a quarter's whole quota: ramped and prorated."""
        quota = self._in_force(quarter).quota
        return self._prorated(quota, self._ramped(quota, rep, whole, quarter), self._days.get(rep, []), quarter)

    def _quota_of_month(self, measure: str, quarter: pd.Period, month: pd.Period, number: int) -> dict[str, int]:
        """The same for a month, the `number`-th of the fiscal year."""
        quota, found = self._in_force(quarter).quota, {}
        for rep, cents in self.whole(measure, quarter).items():
            if quota.source == "plan":
                part = targets.by_weights(quota.cents(measure), quota.weights, number, number)
            else:
                part = targets.by_days(cents, _days(quarter), _days(month))
            found[rep] = self._prorated(quota, self._ramped(quota, rep, part, quarter), self._days.get(rep, []), month)
        return {rep: own for rep, own in found.items() if own > 0}

    def unmeasured(self, measure: str, period: str, quarter: pd.Period) -> set[str]:
        """The members without a quota of their own of who carries what members do, in the quarters of a period."""
        first = quarter - (quarter.quarter - 1)
        quarters = [first + i for i in range(4)] if period == "year" else quarters_of(period, quarter)
        of_members = [one for one in quarters if self._in_force(one).quota.source == "members"]
        return {member for one in of_members for rep in self._here(one) for member in self._led(measure, one).unmeasured(rep)}

    def whole(self, measure: str, quarter: pd.Period) -> dict[str, int]:
        """A quarter's quotas before ramp and proration."""
        quota = self._in_force(quarter).quota
        if quota.source == "table":
            return self._stated.get((measure, str(quarter)), {})
        here = self._here(quarter)
        if quota.source == "members":
            led = self._led(measure, quarter)
            return {rep: led.cents(rep) for rep in here}
        last = 3 * quarter.quarter
        return dict.fromkeys(here, targets.by_weights(quota.cents(measure), quota.weights, last - 2, last))

    def _here(self, quarter: pd.Period) -> list[str]:
        """Who is in the role on a day of a quarter."""
        return [rep for rep, days in self._days.items() if staff.within(days, quarter)]

    def _led(self, measure: str, quarter: pd.Period) -> Led:
        return Led(self._roster, quarter, measure, self._plan.currency, self._of_roles(quarter))

    def _of_roles(self, quarter: pd.Period) -> list[tuple[Plan, Quotas]]:
        """The plans of a quarter, and the quotas of each."""
        others = [(plan, Quotas(self._snapshot, plan, self._roster)) for plan in self._others(quarter)]
        return [(self._in_force(quarter), self), *others]

    def _ramped(self, quota: Quota, rep: str, cents: int, quarter: pd.Period) -> int:
        """The quota at the share of the quarters since hire; whole for whom no day of hire is known."""
        hired = self._hired.get(rep)
        if hired is None or not quota.ramp:
            return cents
        since = (quarter - periods.quarter_of(hired, self._snapshot.fiscal_year_end)).n
        return targets.ramped(cents, max(since, 0), quota.ramp)

    def _prorated(self, quota: Quota, cents: int, days: list[staff.Days], period: pd.Period) -> int:
        """The part of a period's cents that falls on the days in the role."""
        if quota.proration == "none":
            return cents
        return sum(targets.by_days(cents, _days(period), part) for part in staff.within(days, period))

    @cached_property
    def _stated(self) -> dict[tuple[str, str], dict[str, int]]:
        """The table of quotas by measure and quarter, then rep."""
        if not self._snapshot.has("quotas"):
            raise DataRefused(
                "this source has no quotas: attainment and its tiers are not known",
                f"data {self._snapshot.data}",
                "map a table of quotas, or state them in the plan",
            )
        quotas = self._snapshot.table("quotas")
        is_other = (quotas["measure"] != "leads") & quotas["currency"].notna() & (quotas["currency"] != self._plan.currency)
        found_other = quotas[is_other]
        here = [self._is_here(rep, of) for rep, of in zip(found_other["rep_id"], found_other["quarter"], strict=True)]
        if others := sorted({*found_other.loc[here, "currency"]}):
            raise DataRefused(
                f"quotas are in {others[0]}, the plan pays {self._plan.currency}",
                "table quotas",
                "state quotas in the currency of the plan",
            )
        quotas = quotas[~is_other]  # of people whom other plans pay
        found: dict[tuple[str, str], dict[str, int]] = {}
        rows = zip(quotas["measure"], quotas["quarter"], quotas["rep_id"], money.to_cents(quotas["amount"]), strict=True)
        for measure, quarter, rep, cents in rows:
            found.setdefault((measure, quarter), {})[rep] = int(cents)
        return found

    def _is_here(self, rep: str, quarter: str) -> bool:
        """Whether somebody is in the plan's role on a day of a quarter."""
        return bool(staff.within(self._days.get(rep, []), pd.Period(quarter, freq=self._snapshot.quarter.freqstr)))

    def _require_all(self, measure: str, quarters: list[pd.Period]) -> None:
        """DataRefused when the table has quotas for some quarters of the year only: the whole year's are not known."""
        source = self._in_force(quarters[0]).quota.source
        asked = quarters if source == "table" else [one for one in quarters if self._here(one)]
        missing = [str(one) for one in asked if not any(self.whole(measure, one).values())]
        if source != "plan" and 0 < len(missing) < len(asked):
            raise DataRefused(
                f"there are no quotas for {measure} in {missing[0]}: the quota of the whole year is not known",
                f"data {self._snapshot.data}, table quotas",
                "state the year's quota in the plan, or accumulate year_to_date",
            )


def months_of(quarter: pd.Period) -> list[tuple[str, pd.Period]]:
    """The months of a quarter, by name."""
    return [(month.strftime("%Y-%m"), month) for month in pd.period_range(quarter.start_time, quarter.end_time, freq="M")]


def _numbered(quarter: pd.Period) -> list[tuple[str, pd.Period, int]]:
    """The months of a quarter with their number in the fiscal year, from 1."""
    return [(name, month, 3 * (quarter.quarter - 1) + i) for i, (name, month) in enumerate(months_of(quarter), start=1)]


def _twelfths(annual: int, month: int) -> int:
    """The month's part of a year's cents, cut at rounded sums."""
    return targets.by_weights(annual, [Fraction(1)] * MONTHS, month, month)


def _days(period: pd.Period) -> staff.Days:
    return periods.first_day(period), periods.last_day(period)


def _by_window(cents: dict[tuple[str, str], int]) -> pd.Series:
    index = (
        pd.MultiIndex.from_tuples(list(cents), names=["rep_id", "window"])
        if cents
        else pd.MultiIndex.from_arrays([[], []], names=["rep_id", "window"])
    )
    return pd.Series(list(cents.values()), index=index, dtype="int64")
