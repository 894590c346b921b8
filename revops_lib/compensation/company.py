"""All plans of a company together: what a quarter pays, to whom and why."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ..errors import DataRefused
from ..snapshot import Snapshot
from .entries import entries
from .planfile import plan as named
from .planfile import plans as all_plans
from .plans import Plan
from .statements import statements


@dataclass(frozen=True)
class Payroll:
    """The plans that could be applied; their ledger's lines in the quarter (`entries`) and the sums per rep (`statements`, with
    the plan in front); `refused`: why another plan could not be applied, a sentence each."""

    snapshot: Snapshot
    plans: tuple[Plan, ...]
    entries: pd.DataFrame
    statements: pd.DataFrame
    refused: tuple[str, ...]


def chosen(snapshot: Snapshot, *, plan: str = "") -> list[Plan]:
    """All plans of the company as in force when the quarter began, or the one called `plan`."""
    return [named(snapshot, name=plan)] if plan else all_plans(snapshot)


def payroll(snapshot: Snapshot, *, plan: str = "") -> Payroll:
    """What the quarter pays by all plan files of the company, or by the one called `plan`.

    DataRefused, as the first of them says it, when none can be applied: no credits, no quotas, nobody in the role.
    """
    applied: list[Plan] = []
    lines: list[pd.DataFrame] = []
    sums: list[pd.DataFrame] = []
    failures: list[DataRefused] = []
    refused: list[str] = []
    for one in chosen(snapshot, plan=plan):
        try:
            found = entries(snapshot, one), statements(snapshot, one)
        except DataRefused as failure:
            failures.append(failure)
            refused.append(f"The plan “{one.title}” is not applied: {failure.what}.")
            continue
        applied.append(one)
        lines.append(found[0])
        sums.append(found[1].assign(plan=one.name))
    if not applied:
        raise failures[0]
    table = pd.concat(sums, ignore_index=True)
    first = ["plan", *(name for name in table if name != "plan")]
    return Payroll(snapshot, tuple(applied), pd.concat(lines, ignore_index=True), table[first], tuple(refused))


def explained(payroll: Payroll) -> pd.DataFrame:
    """The ledger's lines as a person reads them, one row per line: rep_id, component, cause, deal, before and after (position
    in the quota), held, pay, rule."""
    return payroll.entries[["rep_id", "component", "cause", "deal", "before", "after", "held", "pay", "rule"]]
