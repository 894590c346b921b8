"""What a plan costs and how it spreads, and what was booked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import money
from ..snapshot import Snapshot
from .credits import assignments, won_deals


def cost(statements: pd.DataFrame) -> pd.DataFrame:
    """What the plan costs, one row per team and one for all: member, n (reps), credited, quota, attainment, pay, cost_share.

    `attainment` = credited ÷ quota of the reps who have a quota, `cost_share` = pay ÷ credited; missing when the denominator is
    0. Sums are exact.
    """
    measured = money.to_float(statements["credited"]).where(statements["quota"].notna(), 0.0)
    statements = statements.assign(measured=measured)
    everyone = statements.assign(team="all teams")
    both = pd.concat([everyone, statements.assign(team=statements["team"].fillna("(unknown)"))])
    table = both.groupby("team", sort=False).agg(
        n=("rep_id", "size"),
        credited=("credited", "sum"),
        quota=("quota", "sum"),
        n_quota=("quota", "count"),
        pay=("pay", "sum"),
        n_paid=("pay", "count"),
        measured=("measured", "sum"),
    )
    table["pay"] = table["pay"].where(table["n_paid"] > 0)  # nobody's pay is known: not known, not 0
    table["quota"] = table["quota"].where(table["n_quota"] > 0)
    credited, quota = money.to_float(table["credited"]), money.to_float(table["quota"])
    table["attainment"] = table["measured"] / quota.where(quota > 0)
    table["cost_share"] = money.to_float(table["pay"]) / credited.where(credited > 0)
    order = [table.index[0], *sorted(table.index[1:])]
    return table.loc[order].reset_index(names="member")[["member", "n", "credited", "quota", "attainment", "pay", "cost_share"]]


def total(cost: pd.DataFrame) -> pd.DataFrame:
    """The row of `cost` for all teams: what may be published."""
    return cost.head(1)


def people(statements: pd.DataFrame) -> int:
    """How many reps stand behind the pay: those with a credit."""
    return int((statements["n"] > 0).sum())


def attainment(statements: pd.DataFrame) -> pd.DataFrame:
    """How many reps lie in each band of attainment, one row per band: band, n, share. Nobody is named."""
    bands = pd.cut(statements["attainment"], [-np.inf, 0.5, 0.8, 1.0, 1.5, np.inf], right=False,
                   labels=["under 50 %", "50–80 %", "80–100 %", "100–150 %", "150 % and more"])  # fmt: skip
    counts = bands.value_counts(sort=False)
    table = pd.DataFrame({"band": counts.index.astype("str"), "n": counts.to_numpy()})
    return table.assign(share=table["n"] / max(int(table["n"].sum()), 1))


def bookings(snapshot: Snapshot, *, by: str = "team") -> pd.DataFrame:
    """Won in the quarter, one row per group and one for all: member, n (deals), n_reps, amount. Needs no credits or quotas."""
    snapshot.require_one_currency()
    won = won_deals(snapshot, priced=False)
    team = won["owner_id"].map(assignments(snapshot)["team"]).fillna("(unknown)")  # as `cost` has it: in the quarter
    member = team if by == "team" else snapshot.members(won, by)
    both = pd.concat([won.assign(member=f"all {by}s"), won.assign(member=member)])
    table = both.groupby("member", sort=False).agg(
        n=("amount", "size"), n_reps=("owner_id", "nunique"), amount=("amount", "sum")
    )
    return table.loc[[*table.index[:1], *sorted(table.index[1:])]].reset_index()
