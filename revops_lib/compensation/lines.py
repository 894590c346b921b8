"""A line of pay per credit, and what they sum to per rep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .. import money
from ..errors import DataRefused
from ..snapshot import Snapshot
from .credits import assignments, credit_lines, quotas_of
from .plans import Plan

LINE_COLUMNS = [
    "rep_id",
    "opportunity_id",
    "close_date",
    "kind",
    "share",
    "credited",
    "quota",
    "before",
    "after",
    "tiers",
    "pay",
]


def lines(snapshot: Snapshot, plan: Plan) -> pd.DataFrame:
    """The quarter's pay, one row per credit, in the plan's order.

    Credits of deals known as won with a close date in the quarter. Columns: rep_id, opportunity_id, close_date, kind, share,
    credited (amount × share; shares of a deal sum to its amount), quota, before and after (position in the quota, 0–…), tiers
    (how the credit falls into them), pay; all amounts exact. A rep counts in the role held on the close date. A rep without
    quota, or with quota 0, keeps the line with pay missing. Raises DataRefused when the source has no credits or no quotas, or
    its deals are in another currency than the plan pays.
    """
    credited = credit_lines(snapshot)
    snapshot.require_one_currency()
    if snapshot.currency != plan.currency:
        raise DataRefused(
            f"deals are in {snapshot.currency}, the plan pays {plan.currency}",
            f"plan {plan.name}",
            "state a plan in the currency of the deals",
        )
    quotas = quotas_of(snapshot, plan)
    rows: list[dict[str, Any]] = []
    for rep, group in credited[credited["role"] == plan.role].groupby("rep_id"):
        position = 0
        for line in group.itertuples():
            after = position + line.cents
            known = {"rep_id": rep, "opportunity_id": line.opportunity_id, "close_date": line.close_date, "kind": line.kind}
            rows.append({**known, "share": line.share, "credited": line.cents, **_paid(plan, position, after, quotas.get(rep))})
            position = after
    table = pd.DataFrame(rows, columns=LINE_COLUMNS)
    for column in ("credited", "quota", "pay"):
        table[column] = money.from_cents(table[column].astype("Int64"))
    return table


def _paid(plan: Plan, position: int, after: int, quota: int | None) -> dict[str, Any]:
    """What one credit pays and why: quota, position before and after it, tiers it falls into, pay (cents)."""
    if not quota:
        return {"quota": quota, "before": np.nan, "after": np.nan, "tiers": "no quota", "pay": None}
    sign = 1 if after >= position else -1  # a credit note takes back what its amount had earned
    parts = plan.split(min(position, after), max(position, after), quota)
    tiers = " + ".join(f"{sign * float(part) / 100:,.2f} at {float(rate):.2%}" for part, rate in parts) or "0.00"
    pay = plan.pay(after, quota) - plan.pay(position, quota)
    return {"quota": quota, "before": position / quota, "after": after / quota, "tiers": tiers, "pay": pay}


def statements(snapshot: Snapshot, plan: Plan) -> pd.DataFrame:
    """What each rep earned, one row per rep with a quota or a credit.

    Columns: rep_id, team, n (credits), credited, quota, attainment (credited ÷ quota; missing without quota), pay. A rep with a
    quota and no credit is there with pay 0.00.
    """
    found = lines(snapshot, plan)
    quotas = quotas_of(snapshot, plan)
    assigned = assignments(snapshot)
    reps = sorted({*found["rep_id"], *(rep for rep in quotas if assigned["role"].get(rep) == plan.role)})
    per_rep = found.groupby("rep_id").agg(n=("pay", "size"), credited=("credited", "sum"), pay=("pay", "sum")).reindex(reps)
    table = per_rep.reset_index(names="rep_id")
    table["n"] = table["n"].fillna(0).astype("int64")
    table["team"] = table["rep_id"].map(assigned["team"])
    if table.empty:
        raise DataRefused(
            f"no rep has the role {plan.role} in {snapshot.quarter}", f"data {snapshot.data}", "correct applies_to or the roles"
        )
    table["quota"] = money.from_cents(table["rep_id"].map(quotas).astype("Int64"))
    zero = money.from_cents(pd.Series(0, index=table.index, dtype="Int64"))
    table["credited"] = table["credited"].astype(money.DTYPE).fillna(zero)
    paid = table["pay"].astype(money.DTYPE).fillna(zero)
    table["pay"] = paid.where(table["quota"].notna())
    quota = money.to_float(table["quota"])
    table["attainment"] = money.to_float(table["credited"]) / quota.where(quota > 0)
    return table[["rep_id", "team", "n", "credited", "quota", "attainment", "pay"]]
