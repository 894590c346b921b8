"""Whom a KPI may count, by name: what a case is, the date that puts it into a quarter, and what can be summed of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..errors import DataRefused
from ..snapshot import Snapshot
from . import customers, deals, demand, people

Rows = Callable[[Snapshot, list[pd.Period]], pd.DataFrame]


@dataclass(frozen=True)
class Population:
    """`rows`: the cases; `since`: the day from which they are all there, so that no case means none. Measures: `counts`, whole
    cents of `money`, `other`. `elsewhere`: who counts them where a snapshot does not hold them; empty where it does."""

    what: str
    anchor: str
    rows: Rows
    since: Callable[[Snapshot], pd.Timestamp]
    counts: tuple[str, ...] = ()
    money: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    elsewhere: str = ""

    @property
    def measures(self) -> tuple[str, ...]:
        """What can be summed, `all` being the number of cases."""
        return ("all", *self.counts, *self.money, *self.other)


def _none(snapshot: Snapshot, *_: object) -> Any:
    where = f"data {snapshot.data}, as of {snapshot.as_of}"
    raise DataRefused("a snapshot holds no such cases", where, "make a run and its board pack: `revops board` counts them")


POPULATIONS = {
    "closed": Population(
        "opportunities won or lost", "close date", deals.closed, deals.since,
        ("won", "lost", "priced", "won_priced", "won_dated"),
        ("won_amount", "lost_amount", "new_amount", "expansion_amount"), ("won_days",),
    ),
    "created": Population(
        "opportunities created", "creation date", deals.created, deals.open_since, ("won_in_time",), ("amount",)
    ),
    "open": Population(
        "opportunities open at the end of the quarter, today in the running one", "day of the snapshot", deals.open_deals,
        deals.open_since, ("dated", "overdue"), ("amount", "weighted", "due_now"),
    ),
    "due": Population(
        "opportunities open on the eve of the quarter and expected to close in it", "eve of the quarter", deals.due,
        deals.open_since, ("slipped",), ("amount",),
    ),
    "leads": Population("leads created", "creation date", demand.leads, demand.leads_since, ("mql_30", "sql_180")),
    "mqls": Population(
        "leads qualified by marketing", "day of that", demand.mqls, demand.leads_since, ("sql_90", "won_180")
    ),
    "sqls": Population("leads accepted by sales", "day of that", demand.sqls, demand.leads_since, ("opportunity_90",)),
    "spend": Population("what was spent on marketing and sales", "month of it", demand.spending, demand.spend_since, (),
        ("amount", "marketing", "amount_before"),
    ),
    "customers": Population(
        "accounts that pay at the start or the end of the quarter", "start and end of the quarter", customers.customers,
        customers.since, ("at_start", "at_end", "lost", "is_new"),
        ("start", "end", "growth", "growth_a_quarter", "new", "expansion", "contraction", "churn", "reactivation"),
        ("lost_a_month",),
    ),
    "contracts": Population(
        "paid subscriptions that ran on the eve of the quarter", "start of the quarter", customers.contracts,
        customers.since, ("lost",),
    ),
    "targets": Population(
        "sellers with a quota of bookings in the quarter", "quarter of the quota", people.targets, people.targets_since,
        ("reached",), ("quota", "credited"), ("attainment",),
    ),
    "sellers": Population(
        "people who own deals, there in the quarter", "end of the quarter", people.sellers, people.sellers_since,
        ("present", "gone", "ramped", "ramping"),
    ),
    "ramps": Population(
        "sellers hired in the two years before the quarter's end", "first day", people.ramps, people.targets_since,
        ("ended",), (), ("months",),
    ),
    "submitted": Population(
        "sellers who submitted a forecast in the quarter's first four weeks", "fourth week", people.submitted,
        people.submitted_since, (), ("actual", "error", "missed"),
    ),
    "findings": Population(
        "rows looked at by the rules of data quality", "day of the snapshot", _none, _none, ("kept",),
        elsewhere="the page on data quality",
    ),
    "pages": Population("pages of the playbook", "day of the snapshot", _none, _none, ("fresh",), elsewhere="the playbook"),
}  # fmt: skip
