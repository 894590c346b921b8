"""Who is credited for what was won, and against which quota."""

from __future__ import annotations

from fractions import Fraction

import pandas as pd

from .. import money, periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from .plans import Plan


def won_deals(snapshot: Snapshot, *, priced: bool = True) -> pd.DataFrame:
    """Deals won in the quarter; `priced`: only those with an amount."""
    deals = snapshot.opportunities
    in_quarter = deals["close_date"].dt.to_period(snapshot.quarter.freqstr) == snapshot.quarter
    return deals[(deals["status"] == "won") & in_quarter & (deals["amount"].notna() | (not priced))]


def credit_lines(snapshot: Snapshot) -> pd.DataFrame:
    """Credits of the quarter's won deals in the plan's order, with `cents` and the rep's `role`."""
    if not snapshot.has("credits"):
        raise DataRefused(
            "this source has no credits: who is paid for a deal is not known",
            f"data {snapshot.data}",
            "map a table of credits",
        )
    won = won_deals(snapshot)
    found = snapshot.table("credits").merge(won[["opportunity_id", "close_date", "amount"]], on="opportunity_id")
    found = found.sort_values(["opportunity_id", "kind", "rep_id"], kind="stable")
    cents = money.to_cents(found["amount"])
    # Shares of one deal are cut at rounded cumulative shares, so that they sum to its amount without a cent missing.
    millionths = (found["share"] * 1_000_000).round().astype("int64")
    deal = [found["opportunity_id"], found["kind"]]
    upto = millionths.groupby(deal).cumsum()
    begin = upto - millionths
    shares = millionths.groupby(deal)
    whole = (shares.transform("sum") - 1_000_000).abs() <= 100 * shares.transform("size")  # thirds written as 0.3333
    upto = upto.mask(whole & ~found.duplicated(["opportunity_id", "kind"], keep="last"), 1_000_000)
    found["cents"] = [
        _part(int(amount), end) - _part(int(amount), start) for amount, start, end in zip(cents, begin, upto, strict=True)
    ]
    found["cents"] = found["cents"].astype("Int64")
    found["role"] = _roles(snapshot, found)
    return found.sort_values(["close_date", "opportunity_id", "kind", "rep_id"], kind="stable", ignore_index=True)


def _part(cents: int, millionths: int) -> int:
    return money.round_half_up(Fraction(cents * int(millionths), 1_000_000))


def quotas_of(snapshot: Snapshot, plan: Plan) -> dict[str, int]:
    """Quota of the quarter in cents per rep."""
    if not snapshot.has("quotas"):
        raise DataRefused(
            "this source has no quotas: attainment and its tiers are not known",
            f"data {snapshot.data}",
            "map a table of quotas",
        )
    quotas = snapshot.table("quotas")
    quotas = quotas[(quotas["quarter"] == str(snapshot.quarter)) & (quotas["measure"] == plan.measure)]
    others = sorted({*quotas["currency"].dropna()} - {plan.currency})
    if others:
        raise DataRefused(
            f"quotas are in {others[0]}, the plan pays {plan.currency}",
            "table quotas",
            "state quotas in the currency of the plan",
        )
    quotas = quotas[money.to_cents(quotas["amount"]) > 0]  # a quota of 0 is no quota: nothing can be attained against it
    return {rep: int(cents) for rep, cents in zip(quotas["rep_id"], money.to_cents(quotas["amount"]), strict=True)}


def _roles(snapshot: Snapshot, credits: pd.DataFrame) -> pd.Series:
    """The role each credited rep held on the deal's close date, aligned with `credits`."""
    reps = snapshot.table("reps")[["rep_id", "role", "start_date"]].copy()
    reps["start_date"] = reps["start_date"].fillna(pd.Timestamp.min.as_unit("us"))
    dated = credits[["rep_id", "close_date"]].reset_index().sort_values("close_date", kind="stable")
    found = pd.merge_asof(dated, reps.sort_values("start_date"), by="rep_id", left_on="close_date", right_on="start_date")
    return found.set_index("index")["role"].reindex(credits.index)


def assignments(snapshot: Snapshot) -> pd.DataFrame:
    """Role and team of each rep in the quarter: the assignment that started last by its end."""
    reps = snapshot.table("reps")
    reps = reps[reps["start_date"].isna() | (reps["start_date"] <= pd.Timestamp(periods.last_day(snapshot.quarter)))]
    return reps.sort_values("start_date", na_position="first").drop_duplicates("rep_id", keep="last").set_index("rep_id")
