"""What the import brought: every row accounted for, how fresh, how much against the import before, which quarters are whole."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pandas as pd

from .. import periods, tables
from ..errors import DataRefused, UsageError
from ..snapshot import Snapshot
from .rows import read

# Columns that date what happened in a table, and how many times longer than an opportunity it may rest before it counts as old.
# Tables that rarely change (reps, products) and tables without dates are not judged.
DATED: dict[str, tuple[tuple[str, ...], int | None]] = {
    "opportunities": (("created_at", "stage_since"), 1),
    "opportunity_history": (("changed_at",), 1),
    "leads": (("created_at", "mql_at", "sql_at", "disqualified_at"), 1),
    "tickets": (("opened_at", "first_reply_at", "resolved_at"), 1),
    "ticket_events": (("at",), 1),
    "events": (("at",), 1),
    "contacts": (("created_at",), 4),
    "forecast_submissions": (("submitted_at",), 4),
    "subscriptions": (("start_date", "end_date"), 5),
    "fx_rates": (("month",), 9),
    "reps": (("start_date", "end_date"), None),
    "products": (("launch_date",), None),
}


def reconciliation(snapshot: Snapshot) -> pd.DataFrame:
    """What the import did with each source file, one row per file: read = accepted + quarantined + duplicates.

    Empty for a dataset that was not imported (the generated sample).
    """
    columns = ["file", "table", "read", "accepted", "quarantined", "duplicates"]
    return pd.DataFrame([{c: entry[c] for c in columns} for entry in snapshot.dataset["files"]], columns=columns)


def remarks(snapshot: Snapshot) -> pd.DataFrame:
    """What the import set aside, and what it remarked on rows it took; one row per table and code: table, code, meaning, n.

    Codes that begin with E_ were set aside as faults, W_ rows were counted or left out as the mapping says. Empty when nothing
    was, and for a dataset that was not imported.
    """
    aside = [{**entry, "meaning": entry["reason"]} for entry in snapshot.dataset["quarantined"]]
    columns = ["table", "code", "meaning", "n"]
    table = pd.DataFrame([*aside, *snapshot.dataset.get("remarks", [])], columns=columns)
    return table.sort_values(["n", "table", "code"], ascending=[False, True, True], ignore_index=True)


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


def freshness(snapshot: Snapshot, *, warn_days: int = 7, error_days: int = 30) -> pd.DataFrame:
    """How long before the snapshot's day each table last changed, one row per table that dates its rows, oldest first.

    Columns: table, newest (local day; missing when nothing is dated), days (from it to the snapshot's day), warn and error
    (days from which it counts as old or stale; longer for tables that change by the month, missing where none applies), state
    (fresh, old, stale, not judged, nothing dated). Plans such as the close date of an open deal do not count. Raises UsageError
    when `error_days` is below `warn_days`.
    """
    if not 0 < warn_days <= error_days:
        raise UsageError(
            f"{warn_days} to {error_days} days is no range", "warn_days, error_days", "give 0 < warn_days <= error_days"
        )
    rows = []
    for name, (columns, factor) in DATED.items():
        if not snapshot.has(name):
            continue
        newest = _newest(snapshot, name, columns)
        days = (pd.Timestamp(snapshot.as_of) - newest).days if pd.notna(newest) else None
        warn, error = (warn_days * factor, error_days * factor) if factor else (None, None)
        rows.append([name, newest, days, warn, error, _state(days, warn, error)])
    table = pd.DataFrame(rows, columns=["table", "newest", "days", "warn", "error", "state"])
    table = table.astype({"newest": "datetime64[us]", "days": "Int64", "warn": "Int64", "error": "Int64"})
    return table.sort_values(["days", "table"], ascending=[False, True], na_position="first", ignore_index=True)


def volume(snapshot: Snapshot, *, tolerance: float = 0.2) -> pd.DataFrame:
    """Rows and amount of each table against the import before, one row per table and measure, largest change first.

    Both are of the whole import, whatever day the snapshot looks at. Columns: table, measure ("rows", or "amount" and the
    currency, of opportunities), before, now, change_share (now ÷ before − 1; missing when there was nothing before), is_flagged
    (changed by more than `tolerance`, or gone), since (day up to which the import before was known). Raises DataRefused when
    nothing was imported before.
    """
    before = snapshot.dataset.get("previous")
    if not before:
        raise DataRefused(
            "there is no import before this one to compare with", f"data {snapshot.data}", "import into the same folder again"
        )
    rows: Counter[str] = Counter()
    amounts: dict[str, Decimal] = {}
    for file in snapshot.dataset["files"]:
        rows[file["table"]] += file["accepted"]
        for currency, amount in file.get("amount", {}).get("accepted", {}).items():
            amounts[currency] = amounts.get(currency, Decimal(0)) + Decimal(amount)
    compared: list[tuple[str, str, Any, Any]] = [
        ("rows", name, before["accepted"].get(name, 0), rows[name]) for name in {**before["accepted"], **rows}
    ]
    told = before.get("amount", {})
    compared += [
        (
            f"amount {currency or 'without currency'}",
            "opportunities",
            Decimal(told.get(currency, 0)),
            amounts.get(currency, Decimal(0)),
        )
        for currency in {**told, **amounts}
    ]
    table = pd.DataFrame(
        [(name, measure, float(old), float(new), _change(old, new)) for measure, name, old, new in compared],
        columns=["table", "measure", "before", "now", "change_share"],
    )
    table["is_flagged"] = table["change_share"].abs() > tolerance
    table["since"] = before["known_until"]
    order = table["change_share"].abs().fillna(-1)
    return (
        table.assign(order=order)
        .sort_values(["order", "table", "measure"], ascending=[False, True, True], ignore_index=True)
        .drop(columns="order")
    )


def _newest(snapshot: Snapshot, name: str, columns: tuple[str, ...]) -> pd.Timestamp:
    """The latest local day up to the snapshot's on which something happened in a table; NaT when nothing is dated."""
    frame = read(snapshot, name)
    days = [_days(snapshot, name, frame, column) for column in columns]
    if name == "opportunities":
        days.append(frame.loc[frame["status"] != "open", "close_date"])
    every = pd.concat(days)
    return every[every <= pd.Timestamp(snapshot.as_of)].max()


def _days(snapshot: Snapshot, name: str, frame: pd.DataFrame, column: str) -> pd.Series:
    is_instant = column == "stage_since" or tables.table(name).column(column).kind == "instant"
    return periods.local_day(frame[column], snapshot.timezone) if is_instant else frame[column]


def _state(days: int | None, warn: int | None, error: int | None) -> str:
    if days is None:
        return "nothing dated"
    if warn is None or error is None:
        return "not judged"
    return "stale" if days >= error else "old" if days >= warn else "fresh"


def _change(old: Any, new: Any) -> float | None:
    return float(new / old) - 1 if old else None
