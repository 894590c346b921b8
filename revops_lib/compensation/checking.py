"""Whether nothing was lost or paid twice on the way from deals to pay."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import money
from ..snapshot import Snapshot
from .company import Payroll
from .credits import credit_lines, won_deals
from .entries import entries
from .lines import of_component
from .plans import Component, Plan
from .problems import of_credits, problems


def checks(snapshot: Snapshot, paid: Payroll | Plan) -> pd.DataFrame:
    """Whether everything won is credited, everything credited is paid, once, by a plan, and sums to the cent.

    One row per check: check, expected, found, holds. Of all plans of a payroll, or of one plan; what fails is named by
    `problems`.
    """
    if isinstance(paid, Plan):
        plans, found = [paid], of_credits(snapshot, entries(snapshot, paid))
    else:
        plans, found = list(paid.plans), problems(snapshot, paid.plans, paid.entries)
    whole, lined = _both_sums([(one, of_component(snapshot, plan, one)) for plan in plans for one in plan.components])
    credited, won = credit_lines(snapshot), won_deals(snapshot, priced=False)
    split = credited.loc[credited["kind"] == "split", "cents"]
    rows = [
        _sums("lines sum to the pay on each rep's whole credit", whole, lined),
        _sums("split credits sum to what was won", int(money.to_cents(won["amount"]).sum()), int(split.sum())),
        *((one.check, "0", f"{len(one.ids):,}", not one.ids) for one in found),
    ]
    return pd.DataFrame(rows, columns=["check", "expected", "found", "holds"])


def _both_sums(found: list[tuple[Component, pd.DataFrame]]) -> tuple[int, int]:
    """Cents earned on each rep's whole credit at once, and by the lines before gates, caps and holdbacks; where credits add up,
    other lines stand by themselves."""
    whole = lined = 0
    for component, rows in found:
        if component.accumulation == "none" or component.credited != component.commissionable:
            continue
        known = rows[rows["earned"].notna()]
        lined += int(known["earned"].sum())
        for _, own in known.groupby(["rep_id", "window"]):
            before = int(own["before"].iloc[0])
            ends = np.array([before, before + int(own["credit"].sum())], "int64")
            quota, target = (int(own[name].iloc[0]) if pd.notna(own[name].iloc[0]) else 1 for name in ("quota", "target"))
            upto = component.schedule.cents(ends, quota, target if component.basis == "target" else None)
            whole += int(upto[1] - upto[0])
    return whole, lined


def _sums(check: str, expected: int, found: int) -> tuple[str, str, str, bool]:
    return check, f"{expected / 100:,.2f}", f"{found / 100:,.2f}", expected == found
