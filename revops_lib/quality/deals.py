"""Rules about opportunities as they stand: missing fields, impossible dates and amounts, names that lead nowhere, twins."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import money, periods
from ..snapshot import Snapshot
from .rows import Broken, is_in, is_known, present, read
from .rules import STALE_DAYS, TWIN_DAYS


def looked(snapshot: Snapshot) -> Broken:
    """Every rule about the present state of opportunities."""
    for part in (_fields, _stages, _dates, _twins, _references, _amounts):
        yield from part(snapshot)


def _fields(snapshot: Snapshot) -> Broken:
    deals = snapshot.opportunities
    everything = pd.Series(True, index=deals.index)
    is_open, is_won, is_lost = (deals["status"] == status for status in ("open", "won", "lost"))
    for field in ("amount", "close_date"):
        if is_known(snapshot, field):
            yield f"{field.replace('_', ' ')} missing on an open deal", is_open & deals[field].isna(), is_open
    for rule, column, population in (
        ("account missing", "account_id", everything),
        ("owner missing", "owner_id", everything),
        ("creation date missing", "created_at", everything),
        ("amount missing on a won deal", "amount", is_won),
        ("amount without currency", "currency", deals["amount"].notna()),
        ("close date missing on a closed deal", "close_date", ~is_open),
        ("reason missing on a lost deal", "lost_reason", is_lost),
    ):
        yield rule, population & deals[column].isna(), population


def _stages(snapshot: Snapshot) -> Broken:
    deals = snapshot.opportunities
    has_stage = deals["stage"].notna()
    if is_known(snapshot, "stage"):
        yield "stage missing", ~has_stage, pd.Series(True, index=deals.index)
    status = deals["stage"].map(read(snapshot, "stages").set_index("stage")["status"])
    yield "unknown stage", has_stage & status.isna(), has_stage
    yield "stage and status disagree", status.notna() & (status != deals["status"]), status.notna()


def _dates(snapshot: Snapshot) -> Broken:
    deals, today = snapshot.opportunities, pd.Timestamp(snapshot.as_of)
    close, created = deals["close_date"], periods.local_day(deals["created_at"], snapshot.timezone)
    is_open = deals["status"] == "open"
    wrong = snapshot.contradictions
    future = is_in(deals["opportunity_id"], wrong.loc[wrong["what"] == "future", "opportunity_id"])
    yield "close date in the past on an open deal", is_open & (close <= today), is_open
    yield "closed before it was created", ~is_open & (close < created), ~is_open
    yield "closed on the day it was created", ~is_open & (close == created), ~is_open
    yield "closed in the future", future | (~is_open & (close > today)), pd.Series(True, index=deals.index)
    yield "open for more than a year", is_open & ((today - created).dt.days > STALE_DAYS), is_open


def _twins(snapshot: Snapshot) -> Broken:
    """Deals entered twice: same account and product, created within five days, one name beginning like the other. Where deals
    carry no name, the owner and the day must be the same, or every busy account would look like a duplicate. Each deal is
    compared with the five before it on the same account and product."""
    everything = snapshot.opportunities.index
    deals = snapshot.opportunities.dropna(subset=["account_id", "product_id", "created_at"])
    deals = deals.sort_values(["account_id", "product_id", "created_at", "opportunity_id"])
    created = periods.local_day(deals["created_at"], snapshot.timezone)
    name = deals["name"].fillna("").str.casefold().str.replace(r"[^\w]+", "", regex=True)
    twin = np.zeros(len(deals), dtype=bool)
    for back in range(1, 6):
        same = (deals[["account_id", "product_id"]] == deals[["account_id", "product_id"]].shift(back)).all(axis=1)
        apart = (created - created.shift(back)).dt.days
        nameless = (name == "") & (deals["owner_id"] == deals["owner_id"].shift(back)) & (apart == 0)
        at = np.flatnonzero(same & ((apart <= TWIN_DAYS) | nameless))
        pairs = zip(name.iloc[at], name.iloc[at - back], nameless.iloc[at], strict=True)
        alike = [bare or bool(a and b and (a.startswith(b) or b.startswith(a))) for a, b, bare in pairs]
        twin[at] |= np.array(alike, dtype=bool)
    found = pd.Series(twin, index=deals.index).reindex(everything, fill_value=False)
    yield "looks entered twice", found, pd.Series(everything.isin(deals.index), index=everything)


def _references(snapshot: Snapshot) -> Broken:
    deals = snapshot.opportunities
    for column, table, key in (
        ("account_id", "accounts", "account_id"),
        ("owner_id", "reps", "rep_id"),
        ("product_id", "products", "product_id"),
    ):
        if snapshot.has(table):
            written = deals[column].notna()
            yield f"unknown {table[:-1]}", written & ~is_in(deals[column], read(snapshot, table)[key]), written
    owned = (deals["status"] == "open") & is_in(deals["owner_id"], read(snapshot, "reps")["rep_id"])
    yield "owner has left", owned & ~is_in(deals["owner_id"], present(snapshot)["rep_id"]), owned


def _amounts(snapshot: Snapshot) -> Broken:
    deals, usual = snapshot.opportunities, usual_deal(snapshot)
    amount = money.to_float(deals["amount"])
    is_lost, is_won, priced = deals["status"] == "lost", deals["status"] == "won", amount > 0
    yield "amount zero on a lost deal", is_lost & (amount == 0), is_lost
    yield "amount zero or negative on a won deal", is_won & (amount <= 0), is_won
    stated = amount.notna() & deals["currency"].notna()
    yield "amount in another currency", stated & (deals["currency"] != snapshot.currency), amount.notna()
    yield "placeholder amount", priced & (amount < usual / 100), priced
    yield "amount a hundred times the usual", priced & (amount > usual * 100), priced


def usual_deal(snapshot: Snapshot) -> pd.Series:
    """The usual amount of each opportunity's product: the median of its won amounts above 0, without a win its list price;
    missing when neither is known."""
    deals = snapshot.opportunities
    amount = money.to_float(deals["amount"])
    prices = read(snapshot, "products").set_index("product_id")["list_price"]
    price = money.to_float(deals["product_id"].map(prices).astype(money.DTYPE))
    won = amount.where((deals["status"] == "won") & (amount > 0))
    return won.groupby(deals["product_id"]).transform("median").fillna(price)
