"""What is wrong with the data, counted, before anyone believes a number.

A finding is a rule with the rows that break it: how many, of how many, how much money is touched, the first ids and what to
do. Nothing is corrected here and no row is dropped; every rule stays in the table with its count, 0 included.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from . import money, periods, statistics
from .snapshot import Snapshot

LATE_DAYS, TWIN_DAYS, STALE_DAYS = 3, 5, 365

# rule: (table, what it means, what to do)
RULES = {
    "account missing": (
        "opportunities", "The deal cannot be counted by segment or industry.", "Attach the account."),
    "owner missing": (
        "opportunities", "Nobody follows the deal, nobody is credited.", "Assign an owner."),
    "creation date missing": (
        "opportunities", "Age is unknown; the deal is absent from past days.", "Export the creation date."),
    "amount missing on an open deal": (
        "opportunities", "The deal adds nothing to the value of the pipeline.", "Ask for an amount from the second stage on."),
    "close date missing on an open deal": (
        "opportunities", "The deal is in no quarter's forecast.", "Ask for an expected close date."),
    "close date missing on a closed deal": (
        "opportunities", "The deal is won or lost in no quarter.", "Export the day it closed."),
    "reason missing on a lost deal": (
        "opportunities", "Nobody learns from the loss.", "Require the reason when a deal is lost."),
    "close date in the past on an open deal": (
        "opportunities", "The deal was promised for a day that has gone.", "Close it or give it an honest date."),
    "closed before it was created": (
        "opportunities", "Cycle time is negative.", "Correct one of the two dates."),
    "closed in the future": (
        "opportunities", "A closed deal cannot carry a later date.", "Correct the close date."),
    "open for more than a year": (
        "opportunities", "Few deals this old are won; they inflate the pipeline.", "Close it or restart it as a new deal."),
    "looks entered twice": (
        "opportunities", f"Same account, product and name within {TWIN_DAYS} days (without names: same owner and day).",
        "Merge the two, keep the older id."),
    "unknown account": (
        "opportunities", "The deal names an account that the accounts lack.", "Add the account or map its spelling."),
    "unknown rep": (
        "opportunities", "The deal names an owner that the reps lack.", "Add the rep or map the spelling."),
    "unknown product": (
        "opportunities", "The deal names a product that the products lack.", "Add the product or map its spelling."),
    "seller without any deal": (
        "reps", "Listed as a seller, owns no opportunity.", "End the assignment or correct the owner names."),
    "amount zero on a lost deal": (
        "opportunities", "The value of what was lost is unknown: no win rate by value.", "Keep the last offered amount."),
    "amount zero or negative on a won deal": (
        "opportunities", "A win without money, or a credit note booked as a deal.", "Book credits apart from deals."),
    "amount in another currency": (
        "opportunities", "It cannot be summed with the others.", "Convert it, or import that currency apart."),
    "placeholder amount": (
        "opportunities", "Below 1 % of the product's usual deal: typed to get past a required field.",
        "Replace it by an estimate; ask the team why."),
    "amount a hundred times the usual": (
        "opportunities", "Above 100 times the product's usual deal: a slipped decimal point?", "Check it with the owner."),
    "history of a deal that is not there": (
        "opportunity_history", "Deleted or merged deals left their history.", "Export deleted deals too."),
    "broken chain of stages": (
        "opportunities", "A change starts from a stage the deal was not in.", "Check the export of the history."),
    "closing recorded late": (
        "opportunities", f"Recorded more than {LATE_DAYS} days after the close date: until then the past looked worse.",
        "Close deals on the day, at quarter end above all."),
    "history and export disagree": (
        "opportunities", "The history ends in another stage than the export shows.", "Export both on the same day."),
    "re-opened after closing": (
        "opportunities", "Counted once, in its last state.", "Prefer a new deal to re-opening an old one."),
}  # fmt: skip
Broken = Iterator[tuple[str, pd.Series, int]]  # rule, ids of the rows that break it, rows looked at


def findings(snapshot: Snapshot) -> pd.DataFrame:
    """Every rule with what breaks it, one row per rule, most frequent first.

    Columns: rule, table, n (rows that break it), n_checked, share (0–1), amount (sum over the opportunities concerned in the
    company's currency, missing
    where none is known and for other tables), examples (first ids), meaning, action. Rules about changes are absent
    when there is no history.

    >>> found = findings(Snapshot("data/sample", quarter="2026Q3"))
    >>> bool((found["n"] <= found["n_checked"]).all())
    True
    """
    deals = snapshot.opportunities
    amounts = deals["amount"].where(deals["currency"] == snapshot.currency).set_axis(deals["opportunity_id"])
    rows = []
    for looked in (_fields, _dates, _twins, _references, _amounts, _history):
        rows += [_row(rule, broken, checked, amounts) for rule, broken, checked in looked(snapshot)]
    names = ["rule", "table", "n", "n_checked", "share", "amount", "examples", "meaning", "action"]
    found = pd.DataFrame(rows, columns=names)
    return found.sort_values(["n", "rule"], ascending=[False, True], kind="stable", ignore_index=True)


def reconciliation(snapshot: Snapshot) -> pd.DataFrame:
    """What the import did with each source file, one row per file: read = accepted + quarantined + duplicates.

    Empty for a dataset that was not imported (the generated sample).
    """
    columns = ["file", "table", "read", "accepted", "quarantined", "duplicates"]
    return pd.DataFrame([{c: entry[c] for c in columns} for entry in snapshot.dataset["files"]], columns=columns)


def spellings(snapshot: Snapshot) -> pd.DataFrame:
    """Values that the mapping counts under another name, one row per spelling: table, column, written, counted_as, n."""
    return pd.DataFrame(snapshot.dataset["aliases"], columns=["table", "column", "written", "counted_as", "n"])


def coverage(snapshot: Snapshot) -> pd.DataFrame:
    """Opportunities created and closed per quarter, one row per quarter: quarter, n_created, n_won, n_lost, is_partial.

    A quarter is partial when it lies before the first complete one or ends after the snapshot's day.
    """
    deals = snapshot.opportunities
    closed = deals[deals["status"] != "open"]
    frequency = f"Q-{snapshot.fiscal_year_end}"
    created = periods.local_day(deals["created_at"], snapshot.timezone).dt.to_period(frequency).value_counts()
    by_status = closed.groupby([closed["close_date"].dt.to_period(frequency), "status"]).size().unstack(fill_value=0)
    table = pd.DataFrame({"n_created": created}).join(by_status, how="outer").sort_index()
    table = table.reindex(columns=["n_created", "won", "lost"]).fillna(0).astype("int64")
    complete = snapshot.first_complete_quarter
    table["is_partial"] = [
        complete is None or quarter < complete or periods.last_day(quarter) > snapshot.as_of for quarter in table.index
    ]
    table = table.rename(columns={"won": "n_won", "lost": "n_lost"}).reset_index(names="quarter")
    return table.assign(quarter=table["quarter"].astype("str"))


def headline(snapshot: Snapshot, found: pd.DataFrame) -> str:
    """The answer in one sentence: rules broken, the most frequent one, and rows the import set aside."""
    broken, deals = found[found["n"] > 0], len(snapshot.opportunities)
    if broken.empty:
        text = f"{deals:,} opportunities checked: all {len(found)} rules hold"
    else:
        worst = broken.iloc[0]
        table = worst["table"].replace("_", " ")
        text = (
            f"{deals:,} opportunities checked: {len(broken)} of {len(found)} rules are broken, most often "
            f"“{worst['rule']}” ({worst['n']:,} of {worst['n_checked']:,} {table})"
        )
    read = reconciliation(snapshot)
    aside = int(read["quarantined"].sum())
    return f"{text}; the import set aside {aside:,} of {int(read['read'].sum()):,} rows." if aside else f"{text}."


def checks(snapshot: Snapshot, found: pd.DataFrame) -> pd.DataFrame:
    """Whether the counting is sound, one row per check: check, expected, found, holds."""
    read = reconciliation(snapshot)
    total, parts = int(read["read"].sum()), int(read[["accepted", "quarantined", "duplicates"]].to_numpy().sum())
    over = int((found["n"] > found["n_checked"]).sum())
    imported = [("read = accepted + quarantined + duplicates", f"{total:,}", f"{parts:,}", total == parts)] if len(read) else []
    rows = [
        *imported,
        ("no rule is broken by more rows than it looks at", "0", str(over), over == 0),
        (
            "nothing later than the snapshot's day",
            f"before {snapshot.cutoff}",
            str(snapshot.newest),
            snapshot.newest < snapshot.cutoff,
        ),
    ]
    return pd.DataFrame(rows, columns=["check", "expected", "found", "holds"])


def metrics(found: pd.DataFrame) -> pd.DataFrame:
    """Rows of the results file: rows that break each rule, and their share."""
    counts = statistics.tidy(
        found, metric="rows_breaking_rule", by="rule", member="rule", value="n", n="n_checked", unit="rows"
    )
    shares = statistics.tidy(
        found, metric="share_breaking_rule", by="rule", member="rule", value="share", n="n_checked", unit="share"
    )
    return pd.concat([counts, shares], ignore_index=True)


def recommendations(found: pd.DataFrame) -> pd.DataFrame:
    """What to correct first, one row per broken rule, most frequent first."""
    rows = [
        (f"{row.rule}: {row.n:,} of {row.n_checked:,} {row.table.replace('_', ' ')}", row.action, "data owner of the CRM")
        for row in found[found["n"] > 0].head(5).itertuples()
    ]
    return pd.DataFrame(rows, columns=["finding", "action", "owner"], dtype="str")


def _row(rule: str, broken: pd.Series, checked: int, amounts: pd.Series) -> list[object]:
    table, meaning, action = RULES[rule]
    ids = broken.drop_duplicates()
    touched = amounts.reindex(ids).sum(min_count=1) if table == "opportunities" else None
    share = len(broken) / checked if checked else np.nan
    examples = ", ".join(ids.sort_values().astype("str").head(3))
    return [rule, table, len(broken), checked, share, touched, examples, meaning, action]


def _fields(snapshot: Snapshot) -> Broken:
    deals = snapshot.opportunities
    everything = pd.Series(True, index=deals.index)
    is_open, is_lost = deals["status"] == "open", deals["status"] == "lost"
    for rule, column, population in (
        ("account missing", "account_id", everything),
        ("owner missing", "owner_id", everything),
        ("creation date missing", "created_at", everything),
        ("amount missing on an open deal", "amount", is_open),
        ("close date missing on an open deal", "close_date", is_open),
        ("close date missing on a closed deal", "close_date", ~is_open),
        ("reason missing on a lost deal", "lost_reason", is_lost),
    ):
        yield rule, deals.loc[population & deals[column].isna(), "opportunity_id"], int(population.sum())


def _dates(snapshot: Snapshot) -> Broken:
    deals, today = snapshot.opportunities, pd.Timestamp(snapshot.as_of)
    ids, close = deals["opportunity_id"], deals["close_date"]
    created = periods.local_day(deals["created_at"], snapshot.timezone)
    is_open = deals["status"] == "open"
    n_open, n_closed = int(is_open.sum()), int((~is_open).sum())
    yield "close date in the past on an open deal", ids[is_open & (close <= today)], n_open
    yield "closed before it was created", ids[~is_open & (close < created)], n_closed
    wrong = snapshot.contradictions
    future = pd.concat([ids[~is_open & (close > today)], wrong.loc[wrong["what"] == "future", "opportunity_id"]])
    yield "closed in the future", future.drop_duplicates(), len(deals)
    yield "open for more than a year", ids[is_open & ((today - created).dt.days > STALE_DAYS)], n_open


def _twins(snapshot: Snapshot) -> Broken:
    """Deals entered twice: same account and product, created within five days, one name beginning like the other. Where deals
    carry no name, the owner and the day must be the same, or every busy account would look like a duplicate. Each deal is
    compared with the five before it on the same account and product."""
    deals = snapshot.opportunities.dropna(subset=["account_id", "product_id", "created_at"])
    deals = deals.sort_values(["account_id", "product_id", "created_at", "opportunity_id"])
    created = periods.local_day(deals["created_at"], snapshot.timezone)
    name = deals["name"].fillna("").str.casefold().str.replace(r"[^\w]+", "", regex=True)
    twin = np.zeros(len(deals), dtype=bool)
    for back in range(1, 6):
        same = (deals[["account_id", "product_id"]] == deals[["account_id", "product_id"]].shift(back)).all(axis=1)
        apart = (created - created.shift(back)).dt.days
        alike = [
            bool(one and other) and (one.startswith(other) or other.startswith(one))
            for one, other in zip(name, name.shift(back, fill_value=""), strict=True)
        ]
        nameless = (name == "") & (deals["owner_id"] == deals["owner_id"].shift(back)) & (apart == 0)
        twin |= (same & ((np.array(alike, dtype=bool) & (apart <= TWIN_DAYS)) | nameless)).to_numpy()
    yield "looks entered twice", deals.loc[twin, "opportunity_id"], len(deals)


def _references(snapshot: Snapshot) -> Broken:
    deals = snapshot.opportunities
    for column, table, key in (
        ("account_id", "accounts", "account_id"),
        ("owner_id", "reps", "rep_id"),
        ("product_id", "products", "product_id"),
    ):
        if not snapshot.has(table):
            continue
        written = deals[deals[column].notna()]
        orphans = written.loc[~written[column].isin(snapshot.table(table)[key]), "opportunity_id"]
        yield f"unknown {table[:-1]}", orphans, len(written)
    reps = snapshot.table("reps")
    sellers = reps[(reps["role"] == "account_executive") | reps["role"].isna()]
    idle = sellers.loc[~sellers["rep_id"].isin(deals["owner_id"]) & sellers["end_date"].isna(), "rep_id"]
    yield "seller without any deal", idle.drop_duplicates(), sellers["rep_id"].nunique()


def _amounts(snapshot: Snapshot) -> Broken:
    deals = snapshot.opportunities
    ids, amount = deals["opportunity_id"], money.to_float(deals["amount"])
    is_lost, is_won = deals["status"] == "lost", deals["status"] == "won"
    prices = snapshot.table("products").set_index("product_id")["list_price"]
    price = money.to_float(deals["product_id"].map(prices).astype(money.DTYPE))
    usual = amount.where(is_won & (amount > 0)).groupby(deals["product_id"]).transform("median").fillna(price)
    priced = amount > 0
    yield "amount zero on a lost deal", ids[is_lost & (amount == 0)], int(is_lost.sum())
    yield "amount zero or negative on a won deal", ids[is_won & (amount <= 0)], int(is_won.sum())
    foreign = amount.notna() & deals["currency"].notna() & (deals["currency"] != snapshot.currency)
    yield "amount in another currency", ids[foreign], int(amount.notna().sum())
    yield "placeholder amount", ids[priced & (amount < usual / 100)], int(priced.sum())
    yield "amount a hundred times the usual", ids[priced & (amount > usual * 100)], int(priced.sum())


def _history(snapshot: Snapshot) -> Broken:
    """Rules about changes; none without a stage history."""
    if "stage" not in snapshot.tracked:
        return
    deals, history = snapshot.opportunities, snapshot.history
    orphans = history.loc[~history["opportunity_id"].isin(deals["opportunity_id"]), "opportunity_id"]
    yield "history of a deal that is not there", orphans, len(history)
    wrong = snapshot.contradictions
    yield "history and export disagree", wrong.loc[wrong["what"] == "stage", "opportunity_id"], len(deals)
    changes = history[history["field"] == "stage"].sort_values(["opportunity_id", "changed_at", "change_no"])
    n_deals = changes["opportunity_id"].nunique()
    before = changes.groupby("opportunity_id")["new_value"].shift()
    broken = changes.loc[before.notna() & (before != changes["old_value"]), "opportunity_id"]
    yield "broken chain of stages", broken.drop_duplicates(), n_deals
    status = snapshot.table("stages").set_index("stage")["status"]
    reopened = changes[changes["old_value"].map(status).isin(["won", "lost"]) & (changes["new_value"].map(status) == "open")]
    yield "re-opened after closing", reopened["opportunity_id"].drop_duplicates(), n_deals
    closed = deals[deals["status"] != "open"]
    recorded = periods.local_day(closed["stage_since"], snapshot.timezone)
    late = closed.loc[(recorded - closed["close_date"]).dt.days > LATE_DAYS, "opportunity_id"]
    yield "closing recorded late", late, len(closed)
