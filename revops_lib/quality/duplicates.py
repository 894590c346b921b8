"""Accounts and contacts that look entered twice: proposed in groups with a score and the reason, never merged."""

from __future__ import annotations

from functools import lru_cache

import pandas as pd

from ..errors import DataRefused
from ..snapshot import Snapshot
from .rows import read

KEYS = {"accounts": "account_id", "contacts": "contact_id"}
# What a column says about the record, in the order it is compared. A company's own columns count when they are called so.
ACCOUNTS = {"name": "organisation", "industry": "category", "segment": "category", "country": "category"}
CONTACTS = {"name": "person", "email": "email", "phone": "phone", "account_id": "reference"}
OWN = {
    **dict.fromkeys(["phone", "telephone", "phone_number", "mobile"], "phone"),
    **dict.fromkeys(["website", "domain", "url", "web"], "website"),
    **dict.fromkeys(["email", "email_address"], "email"),
    **dict.fromkeys(["city", "town", "postcode", "postal_code", "zip", "zip_code"], "place"),
    **dict.fromkeys(["street", "address", "billing_street"], "address"),
    **dict.fromkeys(["vat_number", "vat_id", "tax_id", "registration_number", "siren", "siret", "duns"], "code"),
}


def duplicate_accounts(snapshot: Snapshot, *, score: float = 0.95) -> pd.DataFrame:
    """Accounts that look like one, one row per account of a group, most money first. A proposal: a person decides.

    Compared: name, industry, segment, country, and the company's own columns for phone, website, e-mail, place, address and
    register number (`OWN`); a parent and its subsidiary are not proposed, nor accounts that were merged before. Columns:
    cluster, account_id, name, n (accounts in the group), score (0–1, weakest link), n_deals and amount (opportunities of the
    account, company's currency), reason. Raises DataRefused when the source has no accounts, or nothing of
    them to compare.
    """
    found = _clusters(snapshot, "accounts", score)
    accounts, deals = read(snapshot, "accounts").set_index("account_id"), snapshot.opportunities
    worth = deals["amount"].where(deals["currency"] == snapshot.currency)
    held = worth.groupby(deals["account_id"]).agg(["size", "sum"])
    table = found.rename(columns={"key": "account_id"})
    table["name"] = table["account_id"].map(accounts["name"])
    table["n_deals"] = table["account_id"].map(held["size"]).fillna(0).astype("int64")
    table["amount"] = table["account_id"].map(held["sum"]).astype(held["sum"].dtype)
    order = table["amount"].astype("float64").groupby(table["cluster"]).transform("sum")
    table = table.assign(order=order).sort_values(
        ["order", "cluster", "account_id"], ascending=[False, True, True], ignore_index=True
    )
    table["cluster"] = table["cluster"].factorize()[0] + 1
    return table[["cluster", "account_id", "name", "n", "score", "n_deals", "amount", "reason"]]


def duplicate_contacts(snapshot: Snapshot, *, score: float = 0.95) -> pd.DataFrame:
    """Contacts that look like one person, one row per contact of a group, largest group first. Never published.

    Compared: name, e-mail, phone, account, and the company's own columns (`OWN`). Columns: cluster, contact_id, name,
    account_id, n (contacts in the group), score (0–1, weakest link), reason. Raises DataRefused as `duplicate_accounts`.
    """
    found = _clusters(snapshot, "contacts", score).rename(columns={"key": "contact_id"})
    contacts = read(snapshot, "contacts").set_index("contact_id")
    found = found.assign(
        name=found["contact_id"].map(contacts["name"]), account_id=found["contact_id"].map(contacts["account_id"])
    )
    return found[["cluster", "contact_id", "name", "account_id", "n", "score", "reason"]]


def surplus(snapshot: Snapshot, *, score: float = 0.95) -> tuple[int, int]:
    """How many accounts there are too many should every proposal be right, and how many accounts there are."""
    if not _is_comparable(snapshot, "accounts"):
        return 0, 0
    found = _clusters(snapshot, "accounts", score)
    return len(found) - found["cluster"].nunique(), len(read(snapshot, "accounts"))


def not_compared(snapshot: Snapshot) -> pd.DataFrame:
    """What the search for duplicates did not compare in full, one row per group of records too large, largest first.

    Columns: table, block (what the records share), value, n (records), n_left_out (pairs this group does not compare; another
    one may). Never published: the value may be part of a name or a phone number.
    """
    from ..duplicates import limits

    parts = [pd.DataFrame(columns=["table", "block", "value", "n", "n_left_out"])]
    for table, key in KEYS.items():
        if _is_comparable(snapshot, table):
            records, compare = _records(snapshot, table)
            parts.append(limits(records, key=key, compare=compare).assign(table=table))
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)[parts[0].columns]


@lru_cache(maxsize=8)
def _clusters(snapshot: Snapshot, table: str, score: float) -> pd.DataFrame:
    from ..duplicates import clusters, pairs

    if not snapshot.has(table):
        raise DataRefused(f"this source has no {table}", f"data {snapshot.data}", f"export the {table} too")
    if not _is_comparable(snapshot, table):
        raise DataRefused(f"the {table} hold nothing to compare", f"data {snapshot.data}", "export their names too")
    records, compare = _records(snapshot, table)
    parent = "parent_id" if table == "accounts" else None
    return clusters(pairs(records, key=KEYS[table], compare=compare, level=score, parent=parent))


def _is_comparable(snapshot: Snapshot, table: str) -> bool:
    return snapshot.has(table) and bool(_records(snapshot, table)[1])


def _records(snapshot: Snapshot, table: str) -> tuple[pd.DataFrame, dict[str | tuple[str, ...], str]]:
    """The records to compare, and what each filled column says about them."""
    records = read(snapshot, table)
    if table == "accounts":
        merges = read(snapshot, "account_merges")
        gone = merges.loc[~(merges["merged_at"] >= snapshot.cutoff), "old_id"]
        records = records[~records["account_id"].isin(gone)]
    kinds = ACCOUNTS if table == "accounts" else CONTACTS
    own = {column: OWN[name] for column in records if (name := column.lower().replace(" ", "_")) in OWN and column not in kinds}
    compare: dict[str | tuple[str, ...], str] = {c: kind for c, kind in {**kinds, **own}.items() if records[c].notna().any()}
    return records, compare
