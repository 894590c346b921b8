"""Plans looked at before they are signed: what the linter finds, what a scenario would change, what one more deal pays."""

from __future__ import annotations

import pandas as pd

from ..errors import DataRefused
from ..snapshot import Snapshot
from ..snapshot.plans import scenario_names
from .company import Payroll
from .comparison import compared, effects
from .drawn import debts
from .linter import COLUMNS, lint
from .nextdeal import next_pays
from .scenarios import scenario as named


def findings(payroll: Payroll) -> pd.DataFrame:
    """What the linter finds in the plans, one row per finding: plan, rule, component, where, finding, severity."""
    parts = [lint(plan).assign(plan=plan.name) for plan in payroll.plans]
    return pd.concat(parts, ignore_index=True)[["plan", *COLUMNS]]


def what_if(snapshot: Snapshot, payroll: Payroll, *, scenario: str = "", quarters: int = 4) -> pd.DataFrame:
    """What the plan of a scenario would have done in past quarters, beside the plan it changes; columns as of `effects`, with
    the scenario's title in front.

    `scenario` is a file in `scenarios/` of the folder of plans; without a name the first one that changes an applied plan.
    DataRefused when there is none.
    """
    old = {plan.name: plan for plan in payroll.plans}
    for name in [scenario] if scenario else scenario_names(snapshot):
        new = named(snapshot, name=name)
        if new.name in old:
            both = (old[new.name], new)
            return effects(compared(snapshot, *both, quarters=quarters), *both).assign(scenario=new.title)[
                ["scenario", "what", "old", "new", "unit"]
            ]
    raise DataRefused(
        f"there is no scenario {f'{scenario!r} ' if scenario else ''}of a plan that is applied",
        f"data {snapshot.data}",
        "write one into data/plans/scenarios",
    )


def next_deals(payroll: Payroll, *, amount: int = 10_000) -> pd.DataFrame:
    """`next_pays` of all plans that pay on own deals, with the plan in front: what one more deal of `amount` pays each rep."""
    own = [plan for plan in payroll.plans if any(part.of == "own" and part.measure != "leads" for part in plan.components)]
    parts = [next_pays(payroll.snapshot, plan, amount=amount).assign(plan=plan.name) for plan in own]
    columns = ["plan", "rep_id", "amount", "pays"]
    return pd.concat([pd.DataFrame(columns=columns), *parts], ignore_index=True)[columns]


def owed(payroll: Payroll) -> pd.DataFrame:
    """`debts` of all plans with a draw, with the plan in front: what each rep owes."""
    parts = [debts(payroll.snapshot, plan).assign(plan=plan.name) for plan in payroll.plans if plan.draw is not None]
    columns = ["plan", "rep_id", "period", "earned", "topped_up", "recovered", "paid", "debt"]
    return pd.concat([pd.DataFrame(columns=columns), *parts], ignore_index=True)[columns]
