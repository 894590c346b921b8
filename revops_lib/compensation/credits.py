"""Who is credited for what was won."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import numpy as np
import pandas as pd

from .. import money, periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from . import staff
from .currencies import priced
from .plans import Factors

CREDIT_COLUMNS = ["rep_id", "event_date", "deal", "line", "kind", "share", "amount", "cents", "credit", "base", "rate",
                  "unpriced", "quarter"]  # fmt: skip
ONE = 1_000_000  # a whole share, in millionths
LEAD = "lead"  # kind of the credit for an accepted lead


def won_deals(snapshot: Snapshot, *, priced: bool = True, since: dt.date | None = None) -> pd.DataFrame:
    """Deals won in the quarter, or from a day before it until its end; `priced`: only those with an amount."""
    deals, first = snapshot.opportunities, pd.Timestamp(since or periods.first_day(snapshot.quarter))
    closed = deals["close_date"].between(first, pd.Timestamp(periods.last_day(snapshot.quarter)))
    return deals[(deals["status"] == "won") & closed & (deals["amount"].notna() | (not priced))]


def require_credits(snapshot: Snapshot) -> None:
    """DataRefused unless the source says who is credited."""
    if not snapshot.has("credits"):
        raise DataRefused(
            "this source has no credits: who is paid for a deal is not known",
            f"data {snapshot.data}",
            "map a table of credits",
        )


def credit_lines(snapshot: Snapshot, *, since: dt.date | None = None) -> pd.DataFrame:
    """Credits of the deals of `won_deals` in the plan's order, with `cents` and the rep's `role`."""
    require_credits(snapshot)
    won = won_deals(snapshot, since=since)
    found = _joined(snapshot, won[["opportunity_id", "close_date", "amount"]])
    found["cents"] = shared(found, money.to_cents(found["amount"]))
    found["role"] = staff.on_day(staff.roster(snapshot), found["rep_id"], found["close_date"])["role"]
    return found.sort_values(["close_date", "opportunity_id", "kind", "rep_id"], kind="stable", ignore_index=True)


def of_deals(snapshot: Snapshot, currency: str, *, credited: Factors, commissionable: Factors, renewals: bool) -> pd.DataFrame:
    """Credits of every deal known as won, in cents of a currency, one row per deal, kind and rep.

    Columns: rep_id, event_date (day won), deal, line and kind (of the credit), share, amount (of the deal), cents (amount ×
    share; shares of a deal sum to its amount), credit (what counts towards quota) and base (what is paid on), rate (of the
    conversion, in words), unpriced (the rate that is missing: amounts are missing too), quarter. `renewals`: only deals of the
    type renewal. DataRefused without credits, or without contracts where a factor needs them.
    """
    require_credits(snapshot)
    deals = snapshot.opportunities
    won = deals[(deals["status"] == "won") & deals["close_date"].notna() & ((deals["type"] == "renewal") | (not renewals))]
    won = won.join(priced(snapshot, won, currency))
    won = won[won["cents"].notna() | (won["unpriced"] != "")]
    for name, factors in (("credit", credited), ("base", commissionable)):
        won[name] = _times(snapshot, won, factors)
    columns = ["opportunity_id", "close_date", "cents", "credit", "base", "rate", "unpriced"]
    found = _joined(snapshot, won[columns]).assign(amount=lambda rows: rows["cents"])
    for name in ("cents", "credit", "base"):
        found[name] = shared(found, found[name])
    found = found.rename(columns={"opportunity_id": "deal", "close_date": "event_date"}).assign(line=found["kind"])
    found["quarter"] = found["event_date"].dt.to_period(snapshot.quarter.freqstr).astype("str")
    return found[CREDIT_COLUMNS]


def of_leads(snapshot: Snapshot) -> pd.DataFrame:
    """Credits for leads that sales accepted: each counts 1.00 for its owner on the local day of acceptance. Columns as of
    `of_deals`. DataRefused without leads."""
    if not snapshot.has("leads"):
        raise DataRefused(
            "this source has no leads: what a plan pays on accepted leads is not known",
            f"data {snapshot.data}, table leads",
            "map a table of leads, or pay on something else",
        )
    leads = snapshot.table("leads")
    leads = leads[leads["sql_at"].notna() & leads["owner_id"].notna()].reset_index(drop=True)
    day = periods.local_day(leads["sql_at"], snapshot.timezone)
    one = pd.Series(100, index=leads.index, dtype="Int64")
    table = pd.DataFrame({
        "rep_id": leads["owner_id"], "event_date": day, "deal": leads["lead_id"], "line": LEAD, "kind": LEAD, "share": 1.0,
        "amount": one, "cents": one, "credit": one, "base": one, "rate": "", "unpriced": "",
        "quarter": day.dt.to_period(snapshot.quarter.freqstr).astype("str"),
    })  # fmt: skip
    return table[CREDIT_COLUMNS]


def _joined(snapshot: Snapshot, won: pd.DataFrame) -> pd.DataFrame:
    """The credits of some deals, one row per deal, kind and rep, in this order."""
    found = snapshot.table("credits").merge(won, on="opportunity_id")
    return found.sort_values(["opportunity_id", "kind", "rep_id"], kind="stable", ignore_index=True)


def shared(credits: pd.DataFrame, amount: pd.Series) -> pd.Series:
    """The part of each deal's amount (Int64 cents) that a credit is worth, aligned with `credits`; missing where the amount is.

    Shares of one deal are cut at rounded cumulative shares, so that they sum to its amount without a cent missing. Rows stand
    by opportunity_id (or deal) and kind.
    """
    deal = ["deal" if "deal" in credits else "opportunity_id", "kind"]
    millionths = (credits["share"] * ONE).round().astype("int64")
    shares = millionths.groupby([credits[name] for name in deal])
    upto = shares.cumsum()
    begin = upto - millionths
    whole = (shares.transform("sum") - ONE).abs() <= 100 * shares.transform("size")  # thirds written as 0.3333
    upto = upto.mask(whole & ~credits.duplicated(deal, keep="last"), ONE)
    cents = amount.fillna(0).to_numpy("int64")
    parts = _part(cents, upto.to_numpy("int64")) - _part(cents, begin.to_numpy("int64"))
    return pd.Series(parts, index=credits.index).astype("Int64").where(amount.notna())


def _part(cents: np.ndarray, millionths: np.ndarray) -> np.ndarray:
    """A share of whole cents each, halves away from zero."""
    largest = int(np.abs(cents).max(initial=0)) * int(np.abs(millionths).max(initial=0))
    kind = "int64" if 4 * (largest + ONE) < 2**62 else "object"
    times = cents.astype(kind) * millionths.astype(kind)
    return (np.sign(times) * ((2 * np.abs(times) + ONE) // (2 * ONE))).astype("int64")


def _times(snapshot: Snapshot, won: pd.DataFrame, factors: Factors) -> pd.Series:
    """The deals' cents times the plan's factors, aligned with `won`."""
    if factors == Factors():
        return won["cents"]
    each = pd.Series(Fraction(1), index=won.index, dtype="object")
    if factors.renewal != 1:
        each = each.where(won["type"] != "renewal", factors.renewal)
    if factors.multi_year or factors.prepaid != 1:
        if not snapshot.has("contracts"):
            raise DataRefused(
                "this source has no contracts: years signed and payment in advance are not known",
                f"data {snapshot.data}, table contracts",
                "map a table of contracts, or state a plan without these factors",
            )
        signed = snapshot.table("contracts").set_index("opportunity_id")
        years = won["opportunity_id"].map(signed["term_months"]) // 12
        signed_for = pd.Series(Fraction(1), index=won.index, dtype="object")
        for least, factor in factors.multi_year:
            signed_for = signed_for.where(~(years >= least).fillna(False).astype("bool"), factor)
        each = each * signed_for
        is_prepaid = won["opportunity_id"].map(signed["is_prepaid"]).fillna(False).astype("bool")
        each = each.where(~is_prepaid, each * factors.prepaid)
    cents = [None if pd.isna(c) else money.round_half_up(int(c) * factor) for c, factor in zip(won["cents"], each, strict=True)]
    return pd.Series(cents, index=won.index, dtype="Int64")


def assignments(snapshot: Snapshot) -> pd.DataFrame:
    """Role and team of each rep in the quarter: the assignment that started last by its end."""
    reps = snapshot.table("reps")
    reps = reps[reps["start_date"].isna() | (reps["start_date"] <= pd.Timestamp(periods.last_day(snapshot.quarter)))]
    return reps.sort_values("start_date", na_position="first").drop_duplicates("rep_id", keep="last").set_index("rep_id")
