"""What plans cost and how it spreads, why it is paid, and what was booked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import money
from ..snapshot import Snapshot
from .company import Payroll
from .credits import assignments, won_deals

ALL = "company"
BANDS = {"under 50 %": 0.5, "50–80 %": 0.8, "80–100 %": 1.0, "100–150 %": 1.5, "150 % and more": np.inf}
CAUSES = {
    "pay": "commission", "override": "override on the team", "true_up": "true-up", "spif": "SPIF", "objective": "objectives",
    "released": "released", "clawback": "taken back", "draw": "draw topped up", "recovery": "draw recovered",
    "adjustment": "adjustment", "correction": "correction of a closed quarter",
}  # fmt: skip
AMOUNTS = ("credited", "quota", "pay", "held", "owed")


def cost(statements: pd.DataFrame, bookings: pd.DataFrame | None = None) -> pd.DataFrame:
    """What plans cost, one row for the company and one per plan: member, n (people), credited, quota, attainment, pay, held,
    owed, cost, cost_share.

    `attainment` = credited ÷ quota of those who have a quota. `cost` = pay + held: what the quarter earned, paid now or later,
    so that what earlier quarters had held and this one pays is not in it; draws and what is taken back count when they happen.
    `cost_share` = cost ÷ credited, both of the quarter. Missing when the denominator is 0.

    One deal can be credited by several plans: with several of them the company's `credited` is what was booked (`bookings`, its
    first row), and it has no quota of its own. `held`: what is not payable yet; `owed`: draws to be paid back. Sums are exact.
    """
    named = statements if "plan" in statements else statements.assign(plan="the plan")
    parts = _summed(named, named["plan"])
    whole = _summed(named, pd.Series(ALL, index=named.index))
    if len(parts) > 1:
        whole["quota"], whole["measured"] = money.from_cents(pd.Series(pd.NA, whole.index, "Int64")), np.nan
        if bookings is not None:
            whole["credited"] = bookings["amount"].iloc[:1].set_axis(whole.index)
    table = pd.concat([whole, parts] if "plan" in statements else [whole])
    table = table.astype(dict.fromkeys(AMOUNTS, money.DTYPE))
    credited, quota = money.to_float(table["credited"]), money.to_float(table["quota"])
    table["attainment"] = table["measured"] / quota.where(quota > 0)
    table["cost"] = money.from_cents(money.to_cents(table["pay"]) + money.to_cents(table["held"]))
    table["cost_share"] = money.to_float(table["cost"]) / credited.where(credited > 0)
    return table.reset_index(names="member")[
        ["member", "n", "credited", "quota", "attainment", "pay", "held", "owed", "cost", "cost_share"]
    ]


def total(cost: pd.DataFrame) -> pd.DataFrame:
    """The row of `cost` for the company: what may be published. Quota and attainment only where all are paid by one plan."""
    return cost.head(1).drop(columns=["held", "owed", *(["quota", "attainment"] if len(cost) > 2 else [])])


def teams(statements: pd.DataFrame) -> pd.DataFrame:
    """What is paid to each team, one row per team: team, n (people), pay, held, owed."""
    table = _summed(statements, statements["team"].fillna("(unknown)")).sort_index().reset_index(names="team")
    return table[["team", "n", "pay", "held", "owed"]]


def causes(payroll: Payroll) -> pd.DataFrame:
    """Why it is paid, one row per cause: cause, n (people), lines, pay, held (what it adds to what is held, or takes from it).

    The pay of all rows is the pay of all statements. Commission on what somebody else sold is an override.
    """
    overrides = {(plan.name, part.name) for plan in payroll.plans for part in plan.components if part.of != "own"}
    rows = payroll.entries
    lifted = pd.Series([key in overrides for key in zip(rows["plan"], rows["component"], strict=True)], index=rows.index)
    cause = rows["cause"].mask((rows["cause"] == "pay") & lifted, "override")
    table = rows.groupby(cause).agg(n=("rep_id", "nunique"), lines=("pay", "size"), pay=("pay", "sum"), held=("held", "sum"))
    table = table.reindex([name for name in CAUSES if name in table.index])
    return table.rename(index=CAUSES).reset_index(names="cause")


def people(statements: pd.DataFrame) -> int:
    """How many people stand behind the pay: those with a credit."""
    return int(statements.loc[statements["n"] > 0, "rep_id"].nunique())


def attainment(statements: pd.DataFrame) -> pd.DataFrame:
    """How many people lie in each band of attainment, one row per plan with quotas and band: plan, band, n, share. Nobody is
    named."""
    named = statements if "plan" in statements else statements.assign(plan="")
    parts = []
    for plan, own in named[named["attainment"].notna()].groupby("plan", sort=False):
        bands = pd.cut(own["attainment"], [-np.inf, *BANDS.values()], right=False, labels=list(BANDS))
        counts = bands.value_counts(sort=False)
        table = pd.DataFrame({"plan": plan, "band": counts.index.astype("str"), "n": counts.to_numpy()})
        parts.append(table.assign(share=table["n"] / len(own)))
    return pd.concat([pd.DataFrame(columns=["plan", "band", "n", "share"]), *parts], ignore_index=True)


def bookings(snapshot: Snapshot, *, by: str = "team") -> pd.DataFrame:
    """Won in the quarter, one row per group and one for all: member, n (deals), n_reps, amount. Needs no credits or quotas."""
    snapshot.require_one_currency()
    won = won_deals(snapshot, priced=False)
    team = won["owner_id"].map(assignments(snapshot)["team"]).fillna("(unknown)")  # as `statements` has it: in the quarter
    member = team if by == "team" else snapshot.members(won, by)
    both = pd.concat([won.assign(member=f"all {by}s"), won.assign(member=member)])
    table = both.groupby("member", sort=False).agg(
        n=("amount", "size"), n_reps=("owner_id", "nunique"), amount=("amount", "sum")
    )
    return table.loc[[*table.index[:1], *sorted(table.index[1:])]].reset_index()


def _summed(statements: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """Statements added up by group: n (people), the amounts, measured (credited of those who have a quota)."""
    rows = statements.assign(measured=money.to_float(statements["credited"]).where(statements["quota"].notna(), 0.0))
    rows = rows.assign(**{name: money.from_cents(pd.Series(0, rows.index, "Int64")) for name in AMOUNTS if name not in rows})
    table = rows.groupby(group, sort=False).agg(
        n=("rep_id", "nunique"), measured=("measured", "sum"), n_quota=("quota", "count"), n_paid=("pay", "count"),
        **{name: (name, "sum") for name in AMOUNTS},
    )  # fmt: skip
    table["pay"] = table["pay"].where(table["n_paid"] > 0)  # nobody's pay is known: not known, not 0
    table["quota"] = table["quota"].where(table["n_quota"] > 0)
    return table
