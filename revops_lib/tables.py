"""What each canonical table and column means: one schema per table, the only place that says so.

`TABLES` is plain data, cheap to import. `schema(name)` turns an entry into a pandera schema, `empty(name)` and
`conform(name, frame)` give frames in the canonical types, `write` lays a dataset on disk (one Parquet file per table and
`dataset.json`, all of them or none), `dictionary()` gives the data dictionary. Naming: `_id` is text
kept as written, `_at` an instant in UTC, `_date` a local day, `n_` a count, `is_` a boolean, `amount` exact money with
`currency` beside it, `_share` lies between 0 and 1.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.compute
import pyarrow.parquet

from . import disk, money
from .errors import CannotWrite, DataRefused, UsageError, nearest

if TYPE_CHECKING:
    import pandera.pandas as pa

DTYPES = {
    "id": "str",
    "text": "str",
    "choice": "str",
    "quarter": "str",
    "currency": "str",
    "integer": "Int64",
    "share": "float64",
    "bool": "boolean",
    "instant": "datetime64[us]",
    "day": "datetime64[us]",
    "money": money.DTYPE,
    "month": "datetime64[us]",
    "rate": money.RATE,
}
MEANINGS = {
    "id": "text, kept as written",
    "text": "text",
    "choice": "one of a list",
    "quarter": "fiscal quarter such as 2026Q3",
    "currency": "three-letter currency code",
    "integer": "whole number",
    "share": "share between 0 and 1",
    "bool": "true or false",
    "instant": "instant, UTC",
    "day": "local day",
    "money": "exact money, two decimals",
    "month": "day from which it holds, the first of a month where only the month is given",
    "rate": "exact rate, eight decimals",
}
# What an import leaves of a person in a column, unless people stay named.
PERSONAL = {
    "id": "pseudonym",
    "person": "pseudonym",
    "email": "pseudonym, equal for equal addresses",
    "phone": "pseudonym, equal for equal numbers",
    "note": "left out",
    "value": "pseudonym where it names a person",
}
PRIVATE = ("quarantine.parquet", "quarantine.csv")  # hold rows as the source wrote them
OWN = ("plans", "kpis.yml", "kpi_trees.yml")  # what a company keeps beside its tables and no export brings
STATUSES = ("open", "won", "lost")
CATEGORIES = ("pipeline", "best_case", "commit", "closed", "omitted")
# MEDDPICC; MEDDIC is the same without paper process and competition.
LETTERS = ("metrics", "economic buyer", "decision criteria", "decision process", "paper process", "identified pain",
           "champion", "competition")  # fmt: skip


@dataclass(frozen=True)
class Column:
    name: str
    kind: str
    description: str
    required: bool = False
    choices: tuple[str, ...] = ()
    references: str | None = None  # "table" whose key this column names
    personal: str = ""  # what it says about a person, one of PERSONAL


@dataclass(frozen=True)
class Table:
    """`known_at` dates the row: it is known from then on. `dated` names, per date column, what is unknown before that date."""

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    known_at: str | None = None
    dated: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]


# Fields of an opportunity that change during its life; the history says when.
TRACKED = ("stage", "amount", "close_date", "forecast_category", "owner_id")


def _table(name: str, description: str, key: str, *columns: Column, known_at: str | None = None,
           dated: dict[str, tuple[str, ...]] | None = None) -> Table:  # fmt: skip
    return Table(name, description, columns, tuple(key.split()), known_at, dated or {})


_ALL = (
    _table(
        "stages", "Steps of the sales process in order; one row per stage.", "stage",
        Column("stage", "text", "name of the stage", True),
        Column("position", "integer", "order in the process, from 1; won and lost come last", True),
        Column("status", "choice", "what an opportunity in this stage is", True, STATUSES),
        Column("probability", "share", "win probability the CRM attaches to the stage"),
        Column("stage_id", "id", "id by which the CRM names the stage elsewhere"),
    ),
    _table(
        "accounts", "Customers and prospects; one row per account.", "account_id",
        Column("account_id", "id", "account", True),
        Column("name", "text", "company name"),
        Column("parent_id", "id", "account it belongs to", references="accounts"),
        Column("segment", "text", "size class"),
        Column("industry", "text", "industry"),
        Column("region", "text", "sales region"),
        Column("country", "text", "country"),
        Column("n_employees", "integer", "employees"),
        Column("owner_id", "id", "rep who owns the account", references="reps", personal="id"),
    ),
    _table(
        "reps", "Dated assignments of the people who sell; one row per rep and assignment.", "rep_id start_date",
        Column("rep_id", "id", "rep", True, personal="id"),
        Column("name", "text", "display name", personal="person"),
        Column("role", "text", "role"),
        Column("team", "text", "team", personal="value"),
        Column("manager_id", "id", "rep_id of the manager", references="reps", personal="id"),
        Column("region", "text", "sales region"),
        Column("hire_date", "day", "first day in the company"),
        Column("start_date", "day", "first day of this assignment; missing: since ever"),
        Column("end_date", "day", "last day of this assignment; missing: still running"),
        known_at="start_date", dated={"end_date": ()},
    ),
    _table(
        "products", "What is sold; one row per product.", "product_id",
        Column("product_id", "id", "product", True),
        Column("name", "text", "product name"),
        Column("family", "text", "product family"),
        Column("list_price", "money", "list price"),
        Column("currency", "currency", "currency of the list price"),
        Column("launch_date", "day", "first day of sale"),
        known_at="launch_date",
    ),
    _table(
        "contacts", "People at accounts, never published; one row per contact.", "contact_id",
        Column("contact_id", "id", "contact", True, personal="id"),
        Column("account_id", "id", "account", references="accounts"),
        Column("name", "text", "name", personal="person"),
        Column("email", "text", "e-mail address", personal="email"),
        Column("phone", "text", "telephone", personal="phone"),
        Column("title", "text", "job title"),
        Column("created_at", "instant", "created"),
        known_at="created_at",
    ),
    _table(
        "account_merges", "Accounts merged into another; one row per account that is gone.", "old_id",
        Column("old_id", "id", "account that is gone", True),
        Column("new_id", "id", "account it became", True),
        Column("merged_at", "instant", "when"),
    ),
    _table(
        "fx_rates", "What a currency is worth in the company's; one row per currency and month.", "currency month",
        Column("currency", "currency", "currency", True),
        Column("month", "month", "from this month on, until a later row", True),
        Column("rate", "rate", "one unit in the company's currency", True),
        known_at="month",
    ),
    _table(
        "leads", "Marketing and sales leads; one row per lead.", "lead_id",
        Column("lead_id", "id", "lead", True, personal="id"),
        Column("source", "text", "where it came from"),
        Column("created_at", "instant", "created", True),
        Column("mql_at", "instant", "qualified by marketing"),
        Column("sql_at", "instant", "accepted by sales"),
        Column("disqualified_at", "instant", "dropped"),
        Column("account_id", "id", "account it became", references="accounts"),
        Column("opportunity_id", "id", "opportunity it became; known only with `sql_at`", references="opportunities"),
        Column("owner_id", "id", "rep", references="reps", personal="id"),
        known_at="created_at",
        dated={"mql_at": (), "sql_at": ("account_id", "opportunity_id"), "disqualified_at": ()},
    ),
    _table(
        "opportunities", "Deals in their current state; one row per opportunity.", "opportunity_id",
        Column("opportunity_id", "id", "opportunity", True),
        Column("account_id", "id", "account", references="accounts"),
        Column("owner_id", "id", "rep who owns the deal", references="reps", personal="id"),
        Column("name", "text", "deal name"),
        Column("type", "text", "new, expansion or renewal"),
        Column("product_id", "id", "product", references="products"),
        Column("source", "text", "where the deal came from"),
        Column("amount", "money", "deal value"),
        Column("currency", "currency", "currency of the amount"),
        Column("stage", "text", "stage", references="stages"),
        Column("status", "choice", "open, won or lost", True, STATUSES),
        Column("forecast_category", "choice", "the rep's judgement", choices=CATEGORIES),
        Column("created_at", "instant", "created"),
        Column("close_date", "day", "day it closed; while open, the day the rep expects"),
        Column("lost_reason", "text", "why it was lost"),
    ),
    _table(
        "opportunity_history", "Changes of opportunities, creation included; one row per change of one field.", "change_no",
        Column("change_no", "integer", "order in the source, decides between changes of the same instant", True),
        Column("opportunity_id", "id", "opportunity", True, references="opportunities"),
        Column("changed_at", "instant", "when it was recorded", True),
        Column("field", "text", f"field that changed; analyses read {', '.join(TRACKED)}", True),
        Column("old_value", "text", "value before; missing at creation", personal="value"),
        Column("new_value", "text", "value after", personal="value"),
        Column("changed_by", "id", "who changed it", references="reps", personal="id"),
        known_at="changed_at",
    ),
    _table(
        "forecast_submissions", "Forecasts that people submitted; one row per submitted number, a manager's of the whole team.",
        "quarter submitted_at rep_id category",
        Column("quarter", "quarter", "quarter the forecast is for", True),
        Column("submitted_at", "instant", "when it was submitted", True),
        Column("rep_id", "id", "who submitted it", True, references="reps", personal="id"),
        Column("category", "choice", "what the number covers", True, CATEGORIES),
        Column("amount", "money", "forecast bookings of the quarter", True),
        Column("currency", "currency", "currency of the amount"),
        Column("note", "text", "comment", personal="note"),
        known_at="submitted_at",
    ),
    _table(
        "quotas", "Sales targets; one row per rep, quarter and measure.", "rep_id quarter measure",
        Column("rep_id", "id", "rep", True, references="reps", personal="id"),
        Column("quarter", "quarter", "quarter", True),
        Column("measure", "text", "what is measured", True),
        Column("amount", "money", "target", True),
        Column("currency", "currency", "currency of the target"),
    ),
    _table(
        "credits", "Who is credited for a deal; one row per opportunity and credited rep.", "opportunity_id rep_id kind",
        Column("opportunity_id", "id", "opportunity", True, references="opportunities"),
        Column("rep_id", "id", "rep", True, references="reps", personal="id"),
        Column("share", "share", "share of the deal's amount", True),
        Column("kind", "choice", "split shares of a deal sum to 1, overlays come on top", True, ("split", "overlay")),
    ),
    _table(
        "contracts", "What was signed with a won deal; one row per opportunity.", "opportunity_id",
        Column("opportunity_id", "id", "opportunity", True, references="opportunities"),
        Column("term_months", "integer", "months it runs"),
        Column("is_prepaid", "bool", "whether the whole term is paid at its beginning"),
        Column("cancelled_date", "day", "day it was cancelled; missing: still running"),
        Column("cancelled_reason", "text", "why it was cancelled"),
        dated={"cancelled_date": ("cancelled_reason",)},
    ),
    _table(
        "invoices", "What was invoiced for won deals and when it was paid; one row per invoice.", "invoice_id",
        Column("invoice_id", "id", "invoice", True),
        Column("opportunity_id", "id", "opportunity", True, references="opportunities"),
        Column("amount", "money", "amount of the invoice", True),
        Column("currency", "currency", "currency of the amount"),
        Column("invoiced_date", "day", "day of the invoice", True),
        Column("paid_date", "day", "day it was paid; missing: unpaid"),
        known_at="invoiced_date", dated={"paid_date": ()},
    ),
    _table(
        "objectives", "What was agreed with a person for a quarter, and what came of it; one row per person, quarter and "
        "objective.", "rep_id quarter objective",
        Column("rep_id", "id", "rep", True, references="reps", personal="id"),
        Column("quarter", "quarter", "quarter", True),
        Column("objective", "text", "what is to be achieved", True),
        Column("weight", "share", "its part of all objectives of the person and quarter", True),
        Column("achieved", "share", "how much of it was achieved; missing: not judged yet"),
        Column("decided_date", "day", "day it was judged"),
        Column("decided_by", "id", "who judged it", personal="id"),
        dated={"decided_date": ("achieved", "decided_by")},
    ),
    _table(
        "disputes", "Lines of pay that somebody questions; one row per dispute.", "dispute_id",
        Column("dispute_id", "id", "dispute", True),
        Column("line_id", "text", "line of the ledger it is about", True),
        Column("rep_id", "id", "whose pay it is about", True, references="reps", personal="id"),
        Column("raised_date", "day", "day it was raised", True),
        Column("reason", "text", "what is questioned", personal="note"),
        Column("decision", "choice", "what was decided; missing: open", choices=("accepted", "rejected")),
        Column("decided_date", "day", "day of the decision"),
        Column("decided_by", "id", "who decided", personal="id"),
        known_at="raised_date", dated={"decided_date": ("decision", "decided_by")},
    ),
    _table(
        "adjustments", "Pay that somebody decided beside what the plans say; one row per decision.", "adjustment_id",
        Column("adjustment_id", "id", "adjustment", True),
        Column("rep_id", "id", "whose pay it changes", True, references="reps", personal="id"),
        Column("amount", "money", "what is paid in addition; negative: taken back", True),
        Column("currency", "currency", "currency of the amount", True),
        Column("author", "id", "who decided it", True, personal="id"),
        Column("reason", "text", "why; the rep reads it", True),
        Column("decided_date", "day", "day of the decision; it is paid in the quarter of this day", True),
        Column("line_id", "text", "line of the ledger it corrects"),
        Column("dispute_id", "id", "dispute it settles", references="disputes"),
        known_at="decided_date",
    ),
    _table(
        "trainings", "Trainings that people have completed; one row per person, training and day.",
        "rep_id training completed_date",
        Column("rep_id", "id", "who completed it", True, references="reps", personal="id"),
        Column("training", "text", "name of the training", True),
        Column("completed_date", "day", "day it was completed; of repetitions the first one counts", True),
        known_at="completed_date",
    ),
    _table(
        "qualifications", "What was known of deals by MEDDPICC; one row per deal, letter and day it was scored.",
        "opportunity_id letter scored_date",
        Column("opportunity_id", "id", "opportunity", True, references="opportunities"),
        Column("letter", "choice", "what was scored", True, LETTERS),
        Column("score", "choice", "0 unknown, 1 believed, 2 told, 3 proven", True, ("0", "1", "2", "3")),
        Column("scored_date", "day", "day of the score; it holds until the next one of the same letter", True),
        known_at="scored_date",
    ),
    _table(
        "subscriptions", "Recurring contracts; one row per subscription period.", "subscription_id start_date",
        Column("subscription_id", "id", "subscription", True),
        Column("account_id", "id", "account", True, references="accounts"),
        Column("product_id", "id", "product", references="products"),
        Column("mrr", "money", "recurring revenue per month", True),
        Column("currency", "currency", "currency of the revenue"),
        Column("start_date", "day", "first day", True),
        Column("end_date", "day", "last day; missing: still running"),
        Column("is_trial", "bool", "a trial counts 0"),
        known_at="start_date", dated={"end_date": ()},
    ),
    _table(
        "spend", "What was spent on winning customers; one row per month and kind.", "month kind",
        Column("month", "month", "month it belongs to", True),
        Column("kind", "choice", "what for: people of sales count as sales", True, ("marketing", "sales")),
        Column("amount", "money", "what was spent", True),
        Column("currency", "currency", "currency of the amount"),
        known_at="month",
    ),
    _table(
        "tickets", "Support requests; one row per ticket.", "ticket_id",
        Column("ticket_id", "id", "ticket", True),
        Column("account_id", "id", "account", references="accounts"),
        Column("owner_id", "id", "who works on it", references="reps", personal="id"),
        Column("queue", "text", "queue, group or pipeline", personal="value"),
        Column("category", "text", "what it is about"),
        Column("priority", "text", "priority"),
        Column("status", "text", "state as the source names it"),
        Column("opened_at", "instant", "opened", True),
        Column("first_reply_at", "instant", "first answer of a person"),
        Column("resolved_at", "instant", "resolved"),
        known_at="opened_at", dated={"first_reply_at": (), "resolved_at": ()},
    ),
    _table(
        "ticket_events", "What happened to tickets; one row per event.", "ticket_id at activity",
        Column("ticket_id", "id", "ticket", True, references="tickets"),
        Column("at", "instant", "when", True),
        Column("activity", "text", "what happened", True),
        Column("value", "text", "what it became", personal="value"),
        Column("resource", "text", "who did it", personal="id"),
        known_at="at",
    ),
    _table(
        "events", "What happened in any other process, such as onboarding, orders or approvals; one row per event.", "event_no",
        Column("event_no", "integer", "order in the source, decides between events of the same instant", True),
        Column("process", "text", "name of the process", True),
        Column("case_id", "id", "case that went through it, such as an order or a customer", True),
        Column("activity", "text", "what was done", True),
        Column("at", "instant", "when", True),
        Column("lifecycle", "choice", "whether the activity began or was done; missing: done", choices=("start", "complete")),
        Column("resource", "text", "who did it", personal="id"),
        known_at="at",
    ),
)  # fmt: skip
# Tables whose rows have no key of their own: the import numbers them in the order of the source.
NUMBERED = {"opportunity_history": "change_no", "events": "event_no"}
TABLES: dict[str, Table] = {table.name: table for table in _ALL}


def table(name: str) -> Table:
    """The canonical table called `name`; an unknown name is a UsageError."""
    if name not in TABLES:
        raise UsageError(f"unknown table {name!r}", "canonical tables", nearest(name, TABLES))
    return TABLES[name]


def empty(name: str) -> pd.DataFrame:
    """A canonical table without rows, in the canonical types."""
    return pd.DataFrame({c.name: pd.Series(dtype=DTYPES[c.kind]) for c in table(name).columns})


def conform(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with every canonical column, in canonical order and type; the company's own columns follow as text."""
    canonical = {
        c.name: frame[c.name].astype(DTYPES[c.kind]) if c.name in frame else pd.Series(index=frame.index, dtype=DTYPES[c.kind])
        for c in table(name).columns
    }
    extra = {column: frame[column].astype("str") for column in frame if column not in canonical}
    return pd.DataFrame({**canonical, **extra}, index=frame.index).reset_index(drop=True)


def is_among(values: pd.Series, known: pd.Series) -> pd.Series:
    """Which texts are among those known; False where missing. For millions of them: `Series.isin` walks texts one by one.

    >>> is_among(pd.Series(["a", None, "b"]), pd.Series(["b", "c"])).tolist()
    [False, False, True]
    """
    found = pyarrow.compute.is_in(
        pyarrow.array(values, pyarrow.string()), value_set=pyarrow.array(known.dropna(), pyarrow.string())
    )
    return pd.Series(np.asarray(found), index=values.index)


@cache
def schema(name: str) -> pa.DataFrameSchema:
    """The pandera schema of a canonical table: types, required columns, choices, ranges, unique key."""
    import pandera.pandas as pa

    def column(spec: Column) -> pa.Column:
        checks = []
        if spec.choices:
            checks.append(pa.Check.isin(spec.choices))
        if spec.kind == "share":
            checks.append(pa.Check.in_range(0, 1))
        if spec.kind == "quarter":
            checks.append(pa.Check.str_matches(r"^[0-9]{4}Q[1-4]$"))
        if spec.kind == "currency":
            checks.append(pa.Check.str_matches(r"^[A-Z]{3}$"))
        if spec.kind == "id":
            checks.append(pa.Check.str_length(min_value=1))
        return pa.Column(DTYPES[spec.kind], checks, nullable=not spec.required, description=spec.description)

    spec = table(name)
    return pa.DataFrameSchema(
        {c.name: column(c) for c in spec.columns},
        unique=list(spec.key),
        strict=False,
        name=spec.name,
        description=spec.description,
    )


def check(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame itself when it obeys its schema; else DataRefused naming table, column and the first offending rows."""
    import pandera.errors

    try:
        return schema(name).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as failure:
        cases = failure.failure_cases
        first = cases.iloc[0]
        column = first["column"] if pd.notna(first["column"]) else ", ".join(table(name).key)
        key = table(name).key[0]
        rows = [int(i) for i in cases.loc[cases["check"] == first["check"], "index"].dropna()][:3]
        ids = ", ".join(str(frame[key].iloc[row]) for row in rows) if key in frame else ", ".join(map(str, rows))
        raise DataRefused(
            f"{len(cases)} values break the schema, first {first['failure_case']!r} ({first['check']})",
            f"table {name}, column {column}" + (f", {key} {ids}" if ids else ""),
            "correct the source or the mapping and import again",
        ) from failure


def write(
    directory: Path, frames: dict[str, pd.DataFrame], dataset: dict[str, Any], files: Mapping[str, str | bytes] | None = None
) -> None:
    """Lay a dataset on disk: `<table>.parquet`, `dataset.json` and further files (text or bytes by name), all or none.

    An earlier dataset in the directory is replaced as a whole, but what the company keeps beside it (`OWN`) stays; a directory
    that holds anything else is refused. The same frames give the same bytes. Whatever fails on the way, and whenever, the old
    dataset is there whole (`disk.recover`). Only its owner reads what is `PRIVATE`, and a dataset that says `people: named`.
    """
    directory = directory.resolve()
    disk.recover(directory)
    if directory.exists() and any(directory.iterdir()) and not (directory / "dataset.json").exists():
        raise CannotWrite("the folder holds something that is not a dataset", str(directory), "name an empty or new folder")
    text = json.dumps(dataset, indent=1, ensure_ascii=False, default=str) + "\n"
    try:
        with disk.beside(directory) as new:
            new.chmod(0o700)  # nobody else looks in before every mode is as it should be
            for kept in (directory / name for name in OWN):
                if kept.is_dir():
                    shutil.copytree(kept, new / kept.name, symlinks=True)
                elif kept.exists():
                    shutil.copy2(kept, new)
            for name, frame in frames.items():
                pyarrow.parquet.write_table(_arrow(name, frame), new / f"{name}.parquet", compression="zstd")
            for file, content in {"dataset.json": text, **(files or {})}.items():
                (new / file).parent.mkdir(exist_ok=True)
                (new / file).write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
            for path in (new / name for name in PRIVATE):
                if path.exists():
                    path.chmod(0o600)
            if dataset.get("people") != "named":
                new.chmod(0o755)
            disk.put(new, directory)
    except OSError as failure:
        what = failure.strerror or "cannot write"
        raise CannotWrite(what, str(directory), "free space or choose another folder") from failure


def _arrow(name: str, frame: pd.DataFrame) -> pyarrow.Table:
    """The frame as Arrow without pandas' own metadata, local days as dates."""
    types = {"instant": pyarrow.timestamp("us"), "day": pyarrow.date32(), "money": pyarrow.decimal128(18, 2),
             "integer": pyarrow.int64(), "share": pyarrow.float64(), "bool": pyarrow.bool_(),
             "month": pyarrow.date32(), "rate": pyarrow.decimal128(18, 8)}  # fmt: skip
    kinds = {c.name: c.kind for c in TABLES[name].columns} if name in TABLES else {}
    arrays = [pyarrow.Array.from_pandas(frame[c], type=types.get(kinds.get(c, "text"), pyarrow.string())) for c in frame]
    return pyarrow.table(arrays, names=list(frame.columns))


def dictionary() -> str:
    """The data dictionary in Markdown: one section per table, one line per column."""
    parts = []
    for spec in TABLES.values():
        rows = [f"### `{spec.name}`", "", f"{spec.description} Key: {', '.join(f'`{k}`' for k in spec.key)}.", ""]
        rows += ["| column | type | required | meaning |", "|---|---|---|---|"]
        for c in spec.columns:
            meaning = c.description
            if c.choices:
                meaning += " (" + ", ".join(f"`{choice}`" for choice in c.choices) + ")"
            if c.references:
                meaning += f" → `{c.references}`"
            if c.personal:
                meaning += f"; {PERSONAL[c.personal]}"
            rows.append(f"| `{c.name}` | {MEANINGS[c.kind]} | {'yes' if c.required else 'no'} | {meaning} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"
