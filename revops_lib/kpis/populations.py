"""Whom a KPI may count, by name: what a case is, the date that puts it into a quarter, and what can be summed of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from ..snapshot import Snapshot
from . import customers, deals, demand, people

Rows = Callable[[Snapshot, list[pd.Period]], pd.DataFrame]


@dataclass(frozen=True)
class Population:
    """`measures`: name → what it is; those in `money` are whole cents in the rows. `is_state`: seen on one day, not collected
    over the quarter."""

    what: str
    anchor: str
    rows: Rows
    counts: tuple[str, ...] = ()
    money: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    is_state: bool = False

    @property
    def measures(self) -> tuple[str, ...]:
        """What can be summed, `all` being the number of cases."""
        return ("all", *self.counts, *self.money, *self.other)


POPULATIONS = {
    "closed": Population(
        "opportunities won or lost", "close date", deals.closed, ("won", "lost", "won_priced", "won_dated"),
        ("amount", "won_amount", "lost_amount", "new_amount", "expansion_amount", "renewal_amount"), ("won_days",),
    ),
    "created": Population(
        "opportunities created", "creation date", deals.created, ("priced", "won_in_time", "still_open"), ("amount",)
    ),
    "open": Population(
        "opportunities open at the end of the quarter, today in the running one", "day of the snapshot", deals.open_deals,
        ("overdue",), ("amount", "weighted"), is_state=True,
    ),
    "due": Population(
        "opportunities open on the eve of the quarter and expected to close in it", "eve of the quarter", deals.due,
        ("slipped",), ("amount", "slipped_amount"), is_state=True,
    ),
    "leads": Population(
        "leads created", "creation date", demand.leads,
        ("mql_30", "mql_90", "mql_180", "sql_30", "sql_90", "sql_180", "opportunity", "won"),
    ),
    "mqls": Population(
        "leads qualified by marketing", "day of that", demand.mqls, ("sql_30", "sql_90", "sql_180", "opportunity", "won")
    ),
    "sqls": Population("leads accepted by sales", "day of that", demand.sqls, ("opportunity", "won")),
    "spend": Population("what was spent on marketing and sales", "month of it", demand.spending, (),
        ("amount", "amount_before"),
    ),
    "customers": Population(
        "accounts that pay at the start or the end of the quarter", "start and end of the quarter", customers.customers,
        ("at_start", "at_end", "lost", "is_new"),
        ("start", "end", "growth", "growth_a_quarter", "new", "expansion", "contraction", "churn", "reactivation"),
        ("lost_a_month",), is_state=True,
    ),
    "contracts": Population(
        "paid subscriptions that run when the quarter begins", "start of the quarter", customers.contracts, ("lost",),
        ("paid",), is_state=True,
    ),
    "targets": Population(
        "sellers with a quota of bookings in the quarter", "quarter of the quota", people.targets, ("reached",),
        ("quota", "credited"), ("attainment",),
    ),
    "sellers": Population(
        "people who own deals, there in the quarter", "end of the quarter", people.sellers,
        ("present", "gone", "ramped", "ramping"), is_state=True,
    ),
    "ramps": Population(
        "sellers hired in the two years before the quarter's end", "first day", people.ramps, ("ended",), (), ("months",),
        is_state=True,
    ),
    "submitted": Population(
        "sellers who submitted a forecast in the quarter's first four weeks", "fourth week", people.submitted, (),
        ("actual", "said", "error", "missed"),
    ),
}  # fmt: skip
