"""Rules about the other tables: people, customers, leads, credits and subscriptions. A rule about a table the source lacks is
not asked."""

from __future__ import annotations

import pandas as pd

from .. import money, periods
from ..snapshot import Snapshot
from .rows import Broken, is_in, present, read

SPLIT_TOLERANCE = 1e-4  # three shares of 0.3333 are a whole deal, as for pay


def looked(snapshot: Snapshot) -> Broken:
    """Every rule about tables beside opportunities and their history."""
    for table, part in (("reps", _people), ("accounts", _customers), ("leads", _leads), ("credits", _credits),
                        ("subscriptions", _subscriptions)):  # fmt: skip
        if table == "reps" or snapshot.has(table):
            yield from part(snapshot)


def _people(snapshot: Snapshot) -> Broken:
    """Persons with a running assignment, one row each: other rows of the table are neither checked nor broken."""
    reps, now = read(snapshot, "reps"), present(snapshot)
    sellers = now[(now["role"] == "account_executive") | now["role"].isna()]
    here, seller = (
        pd.Series(reps.index.isin(rows.drop_duplicates("rep_id").index), index=reps.index) for rows in (now, sellers)
    )
    yield "seller without any deal", seller & ~is_in(reps["rep_id"], snapshot.opportunities["owner_id"]), seller
    if snapshot.has("reps"):
        yield "rep without a team", here & reps["team"].isna(), here
    if snapshot.has("reps") and snapshot.has("quotas"):
        quotas = read(snapshot, "quotas")
        own = quotas.loc[quotas["quarter"] == str(snapshot.quarter), "rep_id"]
        yield "seller without a quota", seller & ~is_in(reps["rep_id"], own), seller


def _customers(snapshot: Snapshot) -> Broken:
    accounts, reps = read(snapshot, "accounts"), read(snapshot, "reps")
    owned = is_in(accounts["owner_id"], reps["rep_id"])
    yield "account of a rep who has left", owned & ~is_in(accounts["owner_id"], present(snapshot)["rep_id"]), owned


def _leads(snapshot: Snapshot) -> Broken:
    leads = read(snapshot, "leads")
    created, mql, sql = (periods.local_day(leads[c], snapshot.timezone) for c in ("created_at", "mql_at", "sql_at"))
    dated = mql.notna() | sql.notna()
    yield "lead steps out of order", (mql < created) | (sql < created) | (sql < mql), dated
    became = leads["opportunity_id"].notna()
    yield (
        "lead of an unknown opportunity",
        became & ~is_in(leads["opportunity_id"], snapshot.opportunities["opportunity_id"]),
        became,
    )


def _credits(snapshot: Snapshot) -> Broken:
    deals, credits = snapshot.opportunities, read(snapshot, "credits")
    credited = is_in(deals["opportunity_id"], credits["opportunity_id"])
    since = deals.loc[credited, "close_date"].min()
    due = (deals["status"] == "won") & (deals["close_date"] >= since)
    yield "won deal without a credit", due & ~credited, due
    whole = deals["opportunity_id"].map(credits[credits["kind"] == "split"].groupby("opportunity_id")["share"].sum())
    yield "shares do not sum to one", (whole - 1).abs() > SPLIT_TOLERANCE, whole.notna()


def _subscriptions(snapshot: Snapshot) -> Broken:
    held = read(snapshot, "subscriptions")
    paying = ~held["is_trial"].fillna(False).astype(bool)
    yield "recurring revenue zero or negative", paying & (money.to_float(held["mrr"]) <= 0), paying
    ended = held["end_date"].notna()
    yield "subscription ends before it starts", ended & (held["end_date"] < held["start_date"]), ended
    if snapshot.has("accounts"):
        unknown = ~is_in(held["account_id"], read(snapshot, "accounts")["account_id"])
        yield "subscription of an unknown account", unknown, pd.Series(True, index=held.index)
