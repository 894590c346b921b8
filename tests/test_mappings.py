"""The shipped mappings: one truth, written as every CRM spells it, comes in as the same tables."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import openpyxl
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from revops_lib import periods, sources, tables
from revops_lib.errors import DataRefused
from revops_lib.sources.mapping import fold, read_mapping

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("REVOPS_SHARED", ROOT.parent / "shared")) / "data"
MAPPINGS = ROOT / "data" / "mappings"
SHIPPED = sorted(MAPPINGS.glob("*.yml"))
PARIS = ZoneInfo("Europe/Paris")
AS_OF = dt.date(2026, 6, 30)
SEEDS = {crm: SHARED / f"{crm}_fivetran_seeds" for crm in ("salesforce", "hubspot")}
needs_seeds = pytest.mark.skipif(
    not all(folder.is_dir() for folder in SEEDS.values()), reason=f"tables of Fivetran not found in {SHARED}; set REVOPS_SHARED"
)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- the truth -------------------------------------------------------------------------------------------------------


class Word(str):
    """A stage, category or state: every export has its own spelling."""


class Key(str):
    """An id."""


@dataclass(frozen=True)
class State:
    """What a deal was from `at` on; `owner` is a number of a rep."""

    at: str
    stage: str
    amount: str | None
    close: str
    category: str
    owner: int


@dataclass(frozen=True)
class Deal:
    name: str
    account: int
    type: str
    source: str
    currency: str
    states: tuple[State, ...]
    lost_reason: str | None = None


# Amounts and days that leave one reading only (1,250.50 and 25 June); one instant that lies in the next day in Paris; one deal
# without amount; one with a negative amount.
DEALS = (
    Deal("Roof, north wing", 0, "New Business", "Web", "EUR", (
        State("2026-01-12T09:30", "first", "1250.50", "2026-03-31", "pipeline", 0),
        State("2026-01-30T14:05", "second", "1250.50", "2026-03-31", "best_case", 0),
        State("2026-02-13T08:00", "second", "1250.50", "2026-03-31", "best_case", 1),
        State("2026-02-20T16:45", "third", "1400.00", "2026-03-31", "commit", 1),
        State("2026-03-18T11:15", "won", "1380.25", "2026-03-18", "closed", 1),
    )),
    Deal("Façade d'été", 1, "New Business", "Referral", "EUR", (
        State("2026-03-28T23:30", "first", "1234567.89", "2026-06-25", "pipeline", 0),
        State("2026-04-15T07:20", "second", "1234567.89", "2026-07-31", "pipeline", 0),
    )),
    Deal("Pilot", 1, "Renewal", "Web", "USD", (
        State("2026-02-02T10:00", "first", "980.00", "2026-04-30", "pipeline", 2),
        State("2026-04-13T13:40", "lost", "980.00", "2026-04-13", "omitted", 2),
    ), lost_reason="Price"),
    Deal("Call back", 2, "New Business", "Event", "EUR", (
        State("2026-05-04T12:00", "first", None, "2026-12-24", "pipeline", 2),
    )),
    Deal("Credit note", 0, "Renewal", "Web", "EUR", (
        State("2026-05-11T08:10", "first", "-75.00", "2026-05-29", "commit", 1),
        State("2026-05-29T15:55", "won", "-75.00", "2026-05-29", "closed", 1),
    )),
)  # fmt: skip
# In the trash: no export may count it.
DELETED = Deal(
    "Test", 2, "New Business", "Web", "EUR", (State("2026-05-12T08:10", "first", "9999.99", "2026-06-29", "pipeline", 0),)
)
FIELDS = {"stage": "stage", "amount": "amount", "close_date": "close", "forecast_category": "category", "owner_id": "owner"}
STATUS = {"first": "open", "second": "open", "third": "open", "won": "won", "lost": "lost"}


@dataclass(frozen=True)
class Crm:
    """Ids and names of stages as they must come out."""

    deals: tuple[str, ...]
    accounts: tuple[str, ...]
    reps: tuple[str, ...]
    stages: tuple[str, ...]

    def stage(self, key: str) -> str:
        return dict(zip(STATUS, self.stages, strict=True))[key]


CRMS = {
    "salesforce": Crm(
        ("006q000000HddohAAB", "006q000000HdPzpAAF", "006q000000Hbmd1AAB", "006q000000HcZXrAAN", "006q000000HddueAAB",
         "006q000000HK8jdAAD"),
        ("0015500000Xyy06AAB", "0015500000Ygpq1AAB", "001q000000wW9BeAAK"),
        ("0051G00000600MlQAI", "0051G000005Mx8dQAC", "00555000003F3Q6AAK"),
        ("Prospecting", "Proposal/Price Quote", "Negotiation/Review", "Closed Won", "Closed Lost"),
    ),
    "hubspot": Crm(
        ("9089908390", "1364146343", "1368273549", "1373595330", "1006463008", "1389291069"),
        ("2182162682", "2319384765", "2539352677"),
        ("44023296", "42972304", "44642080"),
        ("Appointment Scheduled", "Decision Maker Bought In", "Contract Sent", "Closed Won", "Closed Lost"),
    ),
    "dynamics": Crm(
        tuple(f"2f1b0c6e-0000-ee11-9ae7-00224883b00{n}" for n in range(6)),
        tuple(f"7d5e0f1a-0000-ee11-9ae7-00224883c00{n}" for n in range(3)),
        tuple(f"91aa4b2c-0000-ee11-9ae7-00224883d00{n}" for n in range(3)),
        ("Qualify", "Develop", "Propose", "Won", "Lost"),
    ),
    "pipedrive": Crm(
        ("1", "2", "3", "4", "5", "6"),
        ("11", "12", "13"),
        ("21", "22", "23"),
        ("Qualified", "Demo Scheduled", "Negotiations Started", "Won", "Lost"),
    ),
    "spreadsheet": Crm(
        ("D-001", "D-002", "D-003", "D-004", "D-005", "D-006"),
        ("North Ltd", "Sud SARL", "East GmbH"),
        ("Rep A", "Rep B", "Rep C"),
        ("Lead", "Proposal", "Negotiation", "Won", "Lost"),
    ),
}  # fmt: skip


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{text}+00:00")


def record(crm: Crm, number: int, state: State, before: State | None = None) -> dict[str, Any]:
    """A deal in one of its states, under the names that families use."""
    deal = [*DEALS, DELETED][number]
    status = STATUS[state.stage]
    at, close = instant(state.at), dt.date.fromisoformat(state.close)
    noon = dt.datetime.combine(close, dt.time(12), dt.UTC)
    return {
        "id": Key(crm.deals[number]),
        "row": f"{number}-{state.at}",
        "name": deal.name,
        "account": Key(crm.accounts[deal.account]),
        "account_name": f"Account {deal.account}",
        "owner": Key(crm.reps[state.owner]),
        "type": deal.type,
        "source": deal.source,
        "currency": deal.currency,
        "amount": None if state.amount is None else Decimal(state.amount),
        "won_amount": Decimal(state.amount) if state.amount and status == "won" else None,
        "stage": Word(state.stage),
        # Where a CRM leaves the stage alone when a deal closes: the last open one.
        "open_stage": Word(before.stage if before and status != "open" else state.stage),
        "status": Word(status),
        "won": status == "won",
        "closed": status != "open",
        "category": Word(state.category),
        "created": instant(deal.states[0].at),
        "close": close,
        "close_at": noon if status == "open" else at,
        "closed_at": None if status == "open" else at,
        "expected": close if status == "open" else dt.date(2026, 12, 31),
        "closed_on": None if status == "open" else close,
        "lost_reason": deal.lost_reason,
        "at": at,
        "by": Key(crm.reps[state.owner]),
        "deleted": number >= len(DEALS),
        "active": True,
        "no": None,
    }


def deals(crm: Crm) -> list[dict[str, Any]]:
    rows = []
    for number, deal in enumerate((*DEALS, DELETED)):
        last = deal.states[-1]
        entered = dict.fromkeys(f"entered_{stage}" for stage in STATUS)
        entered |= {f"entered_{state.stage}": instant(state.at) for state in reversed(deal.states)}
        rows.append(record(crm, number, last, deal.states[-2] if len(deal.states) > 1 else None) | entered)
    return rows


def states(crm: Crm) -> list[dict[str, Any]]:
    return [record(crm, n, state) for n, deal in enumerate((*DEALS, DELETED)) for state in deal.states]


def stage_changes(crm: Crm) -> list[dict[str, Any]]:
    """The states in which more than the owner is new: what OpportunityHistory has."""
    found = []
    for number, deal in enumerate((*DEALS, DELETED)):
        for before, state in zip((None, *deal.states), deal.states, strict=False):
            if before is None or any(getattr(before, one) != getattr(state, one) for one in ("stage", "amount", "close")):
                found.append(record(crm, number, state))
    return found


def changes(crm: Crm, fields: Iterable[str] = FIELDS, created: bool = True) -> list[dict[str, Any]]:
    """One row per change of one field; creations only when `created`."""
    found = []
    for number, deal in enumerate(DEALS):
        for name in fields:
            before = None
            for position, state in enumerate(deal.states):
                value = record(crm, number, state)[FIELDS[name]]
                if value != before and (position or created):
                    row = record(crm, number, state)
                    found.append(row | {"field": Word(name), "old": before, "new": value, "kind": "EntityId"})
                before = value
    return found


def owner_changes(crm: Crm) -> list[dict[str, Any]]:
    """As Salesforce logs them: twice, by name and by id."""
    by_id = changes(crm, ["owner_id"], created=False)
    by_name = [row | {"old": "Old Owner", "new": "New Owner", "kind": "Text"} for row in by_id]
    return [row for pair in zip(by_name, by_id, strict=True) for row in pair]


def stages(crm: Crm) -> list[dict[str, Any]]:
    return [
        {
            "stage": Word(key),
            "label": crm.stage(key),
            "position": str(position),
            "probability": Decimal(position) / 10 if status == "open" else Decimal(int(status == "won")),
            "percent": str(position * 10 if status == "open" else 100 * (status == "won")),
            "won": status == "won",
            "closed": status != "open",
            "deleted": False,
        }
        for position, (key, status) in enumerate(STATUS.items(), start=1)
    ]


def open_stages(crm: Crm) -> list[dict[str, Any]]:
    return [row for row in stages(crm) if not row["closed"]]


def expected_opportunities(crm: Crm, family: Family) -> pd.DataFrame:
    rows = []
    for row in deals(crm)[: len(DEALS)]:
        created = row["created"].replace(tzinfo=None)
        if family.created_on:  # a day only: it begins at midnight in Paris
            day = row["created"].astimezone(PARIS).replace(hour=0, minute=0)
            created = day.astimezone(dt.UTC).replace(tzinfo=None)
        rows.append({
            "opportunity_id": row["id"], "account_id": row["account"], "owner_id": row["owner"], "name": row["name"],
            "type": row["type"], "source": row["source"], "amount": row["amount"], "currency": row["currency"],
            "stage": crm.stage(row["stage"]), "status": row["status"], "forecast_category": row["category"],
            "created_at": created, "close_date": pd.Timestamp(row["close"]), "lost_reason": row["lost_reason"],
        })  # fmt: skip
    frame = pd.DataFrame(rows)
    frame[list(family.lacks)] = None
    return tables.conform("opportunities", frame.sort_values("opportunity_id"))


def expected_history(crm: Crm, family: Family) -> pd.DataFrame:
    def text(name: str, value: Any) -> str | None:
        return None if value is None else crm.stage(value) if name == "stage" else str(value)

    rows = [
        (
            row["id"],
            row["at"].replace(tzinfo=None),
            row["field"],
            text(row["field"], row["old"]),
            text(row["field"], row["new"]),
        )
        for row in changes(crm, family.fields)
    ]
    columns = ["opportunity_id", "changed_at", "field", "old_value", "new_value"]
    return _ordered(tables.conform("opportunity_history", pd.DataFrame(rows, columns=columns)))


def _ordered(history: pd.DataFrame) -> pd.DataFrame:
    kept = history[["opportunity_id", "field", "changed_at", "old_value", "new_value"]]
    return kept.sort_values(["opportunity_id", "field", "changed_at"], ignore_index=True)


# --- how exports write -----------------------------------------------------------------------------------------------


def zulu(at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def zed(at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def noon(day: dt.date) -> str:
    return f"{day}T12:00:00Z"


def plain(at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def american(at: dt.datetime) -> str:
    local = at.astimezone(PARIS)
    return f"{local.month}/{local.day}/{local.year} {local:%I:%M %p}".replace(" 0", " ")


def french(at: dt.datetime) -> str:
    return at.astimezone(PARIS).strftime("%d/%m/%Y %H:%M")


def grouped(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def grouped_french(amount: Decimal) -> str:
    return grouped(amount).replace(",", "\u00a0").replace(".", ",")


@dataclass(frozen=True)
class Style:
    """How an export writes a value, by kind; `words` spells what is a Word."""

    instant: Callable[[dt.datetime], Any] = zulu
    day: Callable[[dt.date], Any] = dt.date.isoformat
    money: Callable[[Decimal], Any] = str
    flag: Callable[[bool], Any] = lambda flag: str(flag).lower()
    key: Callable[[str], Any] = str
    words: dict[str, str] = field(default_factory=dict)

    def __call__(self, value: Any) -> Any:
        kinds: list[tuple[type, Callable[[Any], Any]]] = [
            (bool, self.flag), (dt.datetime, self.instant), (dt.date, self.day), (Decimal, self.money),
            (Word, lambda word: self.words.get(word, str(word))), (Key, self.key),
        ]  # fmt: skip
        for kind, written in kinds:
            if isinstance(value, kind):
                return written(value)
        return value


Rows = list[dict[str, Any]]


def text_file(path: Path, rows: Rows, *, sep: str = ",", encoding: str = "utf-8", is_quoted: bool = False) -> None:
    with path.with_suffix(".csv").open("w", encoding=encoding, newline="") as file:
        quoting: Any = csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL
        writer = csv.DictWriter(file, list(rows[0]), delimiter=sep, quoting=quoting, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def json_lines(path: Path, rows: Rows) -> None:
    lines = [json.dumps(_nested(row), ensure_ascii=False) for row in rows]
    path.with_suffix(".jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    """`properties/amount` as an object within an object."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        outer, _, inner = name.partition("/")
        if inner:
            found.setdefault(outer, {})[inner] = value
        else:
            found[outer] = value
    return found


def parquet(path: Path, rows: Rows) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path.with_suffix(".parquet"))


def database(path: Path, rows: Rows) -> None:
    landed = pyarrow.Table.from_pylist(rows)  # noqa: F841 - duckdb finds it by name
    with duckdb.connect(str(path.parent / "landed.duckdb")) as engine:
        engine.execute("CREATE SCHEMA IF NOT EXISTS crm")
        engine.execute(f'CREATE TABLE crm."{path.name}" AS SELECT * FROM landed')


def workbook(path: Path, rows: Rows) -> None:
    file = path.parent / "book.xlsx"
    book = openpyxl.load_workbook(file) if file.exists() else openpyxl.Workbook()
    sheet = book.create_sheet(path.name) if file.exists() else book.active
    sheet.title = path.name
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append(list(row.values()))
    book.save(file)


# --- the families ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Family:
    """One way a CRM's deals leave it: members of the export -> (rows of the truth, columns of the export)."""

    crm: str
    style: Style
    write: Callable[[Path, Rows], None]
    files: dict[str, tuple[Callable[[Crm], Rows], dict[str, str]]]
    lacks: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()  # that its history dates
    created_on: bool = False  # the creation is a day without time
    timezone: str = "UTC"  # of times without offset; not the shipped one: the mapping is edited as its first lines say
    is_kept_deleted: bool = True  # whether the export has deleted records
    source: str = ""  # a file of the folder that is imported in its place


STAGE, AMOUNT, CLOSE = "stage", "amount", "close_date"
ALL = tuple(FIELDS)

SF_WORDS = dict(zip(STATUS, CRMS["salesforce"].stages, strict=True))
SF_API = SF_WORDS | {"pipeline": "Pipeline", "best_case": "BestCase", "commit": "Forecast", "closed": "Closed",
                     "omitted": "Omitted", "owner_id": "Owner"}  # fmt: skip
SF_LABELS = SF_API | {"best_case": "Best Case", "commit": "Commit", "owner_id": "Opportunity Owner"}
SF_FRENCH = {"first": "Prospection", "second": "Proposition/Devis", "third": "Négociation/Révision", "won": "Fermée gagnée",
             "lost": "Fermée perdue", "pipeline": "Pipeline", "best_case": "Meilleur cas", "commit": "Engagé",
             "closed": "Clôturé", "omitted": "Omis"}  # fmt: skip
SF_DEAL = {"Id": "id", "IsDeleted": "deleted", "AccountId": "account", "Name": "name", "StageName": "stage", "Amount": "amount",
           "CurrencyIsoCode": "currency", "CloseDate": "close", "Type": "type", "LeadSource": "source", "IsClosed": "closed",
           "IsWon": "won", "ForecastCategory": "category", "OwnerId": "owner", "CreatedDate": "created",
           "Loss_Reason__c": "lost_reason"}  # fmt: skip
SF_HISTORY = {"Id": "row", "OpportunityId": "id", "CreatedById": "by", "CreatedDate": "at", "StageName": "stage",
              "Amount": "amount", "CloseDate": "close", "ForecastCategory": "category", "IsDeleted": "deleted"}  # fmt: skip
SF_OWNERS = {"OpportunityId": "id", "CreatedDate": "at", "Field": "field", "DataType": "kind", "OldValue": "old",
             "NewValue": "new", "CreatedById": "by"}  # fmt: skip
SF_STAGES = {"MasterLabel": "label", "ApiName": "stage", "SortOrder": "position", "DefaultProbability": "percent",
             "IsWon": "won", "IsClosed": "closed"}  # fmt: skip
SF_REPORT = {"Opportunity ID": "id", "Opportunity Name": "name", "Account ID": "account", "Account Name": "account_name",
             "Opportunity Owner ID": "owner", "Stage": "stage", "Amount Currency": "currency", "Amount": "amount",
             "Close Date": "close", "Created Date": "created", "Type": "type", "Lead Source": "source", "Won": "won",
             "Closed": "closed", "Forecast Category": "category", "Loss Reason": "lost_reason"}  # fmt: skip
SF_RAPPORT = {"ID de l’opportunité": "id", "Nom de l'opportunité": "name", "ID du compte": "account",
              "ID du propriétaire": "owner", "Étape": "stage", "Montant Devise": "currency", "Montant": "amount",
              "Date de clôture": "close", "Date de création": "created", "Type": "type", "Origine de la piste": "source",
              "Catégorie de prévision": "category", "Motif de perte": "lost_reason"}  # fmt: skip


def snake(columns: dict[str, str], **more: str) -> dict[str, str]:
    """Column names as Fivetran and dlt land them."""
    return {
        "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_"): key for name, key in columns.items()
    } | more


def short(key: str) -> str:
    return key[:15]


def american_day(day: dt.date) -> str:
    return f"{day.month}/{day.day}/{day.year}"


REPORT = Style(american, american_day, grouped, lambda flag: str(int(flag)), short, SF_LABELS)
RAPPORT = Style(french, lambda day: day.strftime("%d/%m/%Y"), grouped_french, lambda flag: str(int(flag)), short, SF_FRENCH)


def _days(style: Style) -> Style:
    """A style whose instants are days: reports have no time of creation."""
    return Style(lambda at: style.day(at.astimezone(PARIS).date()), style.day, style.money, style.flag, style.key, style.words)


HS_LABELS = dict(zip(STATUS, CRMS["hubspot"].stages, strict=True)) | {"second": "Decision Maker Bought-In"}
HS_IDS = {"first": "appointmentscheduled", "second": "decisionmakerboughtin", "third": "contractsent", "won": "closedwon",
          "lost": "closedlost", "pipeline": "PIPELINE", "best_case": "BEST_CASE", "commit": "COMMIT", "closed": "CLOSED",
          "omitted": "OMIT", "stage": "dealstage", "amount": "amount", "close_date": "closedate",
          "owner_id": "hubspot_owner_id", "forecast_category": "hs_manual_forecast_category"}  # fmt: skip
HS_NUMBERS = HS_IDS | {"first": "978101", "second": "978102", "third": "978103", "won": "978104", "lost": "978105"}
HS_DEAL = {"dealname": "name", "hs_primary_associated_company": "account", "hubspot_owner_id": "owner", "dealtype": "type",
           "hs_analytics_source": "source", "amount": "amount", "deal_currency_code": "currency", "dealstage": "stage",
           "hs_is_closed_won": "won", "hs_is_closed": "closed", "hs_manual_forecast_category": "category",
           "createdate": "created", "closedate": "close_at", "closed_lost_reason": "lost_reason"}  # fmt: skip
HS_LANDED = {f"property_{name}": key for name, key in HS_DEAL.items()} | {"deal_id": "id", "is_deleted": "deleted"}
HS_LANDED = {("deal_pipeline_stage_id" if name == "property_dealstage" else name): key for name, key in HS_LANDED.items()}
HS_API = {"id": "id", "archived": "deleted", "createdAt": "created"} | {f"properties/{n}": key for n, key in HS_DEAL.items()}
HS_STAGES = {"stage_id": "stage", "label": "label", "display_order": "position", "probability": "probability",
             "closed_won": "won", "is_closed": "closed", "_fivetran_deleted": "deleted"}  # fmt: skip
HS_CONNECTOR = {"id": "stage", "label": "label", "display_order": "position", "metadata__is_closed": "closed",
                "metadata__probability": "probability"}  # fmt: skip
HS_HISTORY = {"deal_id": "id", "name": "field", "value": "new", "timestamp": "at", "source_type": "no"}
HS_ENTERED = {f"properties/hs_v2_date_entered_{HS_IDS[stage]}": f"entered_{stage}" for stage in STATUS}


OData = "@OData.Community.Display.V1.FormattedValue"
D365_STAGES = {"first": "1-Qualify", "second": "2-Develop", "third": "3-Propose"}
D365_CODES = D365_STAGES | {"open": "0", "won": "1", "lost": "2", "pipeline": "100000001", "best_case": "100000002",
                            "commit": "100000003", "omitted": "100000004", "closed": "100000005"}  # fmt: skip
D365_DEAL = {"opportunityid": "id", "name": "name", "_parentaccountid_value": "account", "_ownerid_value": "owner",
             "estimatedvalue": "amount", "actualvalue": "won_amount", "estimatedclosedate": "expected",
             "actualclosedate": "closed_on", "statecode": "status", "stepname": "open_stage",
             "msdyn_forecastcategory": "category", "createdon": "created"}  # fmt: skip
D365_VIEW = {"(Do Not Modify) Opportunity": "id", "Topic": "name", "Account": "account", "Owner": "owner",
             "Est. revenue": "amount", "Actual Revenue": "won_amount", "Est. close date": "expected",
             "Actual Close Date": "closed_on", "Status": "status", "Pipeline Phase": "open_stage", "Currency": "currency",
             "Forecast category": "category", "Created On": "created", "Lead Source": "source",
             "Status Reason": "lost_reason"}  # fmt: skip

PD_STAGES = dict(zip(STATUS, ("31", "33", "35"), strict=False))
PD_NAMES = dict(zip(STATUS, CRMS["pipedrive"].stages[:3], strict=False))
PD_DEAL = {"id": "id", "title": "name", "org_id/value": "account", "user_id/id": "owner", "origin": "source",
           "value": "amount", "currency": "currency", "stage_id": "open_stage", "status": "status", "add_time": "created",
           "close_time": "closed_at", "expected_close_date": "expected", "lost_reason": "lost_reason"}  # fmt: skip
PD_LIST = {"Deal - ID": "id", "Deal - Title": "name", "Organization - ID": "account", "Deal - Owner": "owner",
           "Deal - Value": "amount", "Deal - Currency of value": "currency", "Deal - Stage": "open_stage",
           "Deal - Status": "status", "Deal - Deal created": "created", "Deal - Deal closed on": "closed_at",
           "Deal - Expected close date": "expected", "Deal - Lost reason": "lost_reason"}  # fmt: skip

SHEET = {"Deal ID": "id", "Deal": "name", "Customer": "account", "Sales rep": "owner", "Type": "type", "Source": "source",
         "Amount": "amount", "Currency": "currency", "Stage": "stage", "Status": "status", "Forecast": "category",
         "Created": "created", "Close date": "close", "Lost reason": "lost_reason"}  # fmt: skip
SHEET_LOG = {"Deal ID": "id", "Changed at": "at", "Field": "field", "Old value": "old", "New value": "new", "Changed by": "by"}
FEUILLE = {"N°": "id", "Affaire": "name", "Client": "account", "Commercial": "owner", "Type": "type", "Origine": "source",
           "Montant": "amount", "Devise": "currency", "Étape": "stage", "Prévision": "category", "Créée le": "created",
           "Date de clôture": "close", "Motif de perte": "lost_reason"}  # fmt: skip
SHEET_WORDS = dict(zip(STATUS, CRMS["spreadsheet"].stages, strict=True)) | {"open": "Open", "best_case": "Best case"}
FEUILLE_WORDS = {"first": "Prospect", "second": "Devis envoyé", "third": "Négociation", "won": "Signé", "lost": "Perdu",
                 "best_case": "Meilleur cas", "commit": "Engagé", "closed": "Fermé", "omitted": "Omis"}  # fmt: skip


def local(at: dt.datetime) -> dt.datetime:
    return at.astimezone(PARIS).replace(tzinfo=None)


def kept(rows: Callable[[Crm], Rows]) -> Callable[[Crm], Rows]:
    """Without deleted records, which people do not export."""
    return lambda crm: [row for row in rows(crm) if not row["deleted"]]


FAMILIES = {
    "salesforce, data loader": Family(
        "salesforce", Style(words=SF_API), text_file,
        {"Opportunity": (deals, SF_DEAL), "OpportunityHistory": (stage_changes, SF_HISTORY),
         "OpportunityFieldHistory": (owner_changes, SF_OWNERS), "OpportunityStage": (stages, SF_STAGES)},
        fields=ALL),
    "salesforce, api as json": Family(
        "salesforce", Style(money=float, flag=bool, words=SF_API), json_lines,
        {"Opportunity": (deals, SF_DEAL), "OpportunityHistory": (stage_changes, SF_HISTORY)},
        fields=(STAGE, AMOUNT, CLOSE, "forecast_category")),
    "salesforce, data export": Family(
        "salesforce", Style(plain, flag=lambda flag: str(int(flag)), words=SF_API),
        partial(text_file, is_quoted=True, encoding="cp1252"),
        {"Opportunity": (deals, SF_DEAL), "OpportunityHistory": (stage_changes, SF_HISTORY),
         "OpportunityFieldHistory": (owner_changes, SF_OWNERS)},
        fields=ALL),
    "salesforce, english report": Family(
        "salesforce", _days(REPORT), partial(text_file, is_quoted=True),
        {"opportunities": (kept(deals), SF_REPORT)},
        timezone="Europe/Paris", created_on=True, is_kept_deleted=False),
    "salesforce, english report of history": Family(
        "salesforce", REPORT, partial(text_file, is_quoted=True),
        {"opportunities": (kept(deals), SF_REPORT),
         "opportunity_history": (kept(stage_changes), {"Opportunity ID": "id", "To Stage": "stage", "Amount": "amount",
                                                       "Close Date": "close", "Last Modified": "at"}),
         "opportunity_field_history": (lambda crm: changes(crm, ["owner_id"], created=False),
                                       {"Opportunity ID": "id", "Field / Event": "field", "Old Value": "old",
                                        "New Value": "new", "Edit Date": "at"})},
        fields=(STAGE, AMOUNT, CLOSE, "owner_id"), timezone="Europe/Paris", is_kept_deleted=False),
    "salesforce, french report": Family(
        "salesforce", _days(RAPPORT), partial(text_file, sep=";", encoding="cp1252"),
        {"opportunities": (kept(deals), SF_RAPPORT)},
        timezone="Europe/Paris", created_on=True, is_kept_deleted=False),
    "salesforce, french report of history": Family(
        "salesforce", RAPPORT, partial(text_file, sep=";", encoding="cp1252"),
        {"opportunités": (kept(deals), SF_RAPPORT),
         "opportunity_history": (kept(stage_changes), {"ID de l'opportunité": "id", "Étape": "stage", "Montant": "amount",
                                                       "Date de clôture": "close", "Dernière modification": "at"})},
        fields=(STAGE, AMOUNT, CLOSE), timezone="Europe/Paris", is_kept_deleted=False),
    "salesforce, fivetran": Family(
        "salesforce", Style(plain, lambda day: f"{day} 00:00:00", words=SF_API), text_file,
        {"opportunity": (deals, snake(SF_DEAL, _fivetran_active="active")),
         "opportunity_history": (stage_changes, snake(SF_HISTORY)),
         "opportunity_field_history": (owner_changes, snake(SF_OWNERS))},
        fields=ALL),
    "salesforce, fivetran history mode": Family(
        "salesforce", Style(plain, lambda day: f"{day} 00:00:00", words=SF_API), text_file,
        {"opportunity": (deals, snake(SF_DEAL, _fivetran_active="active")),
         "opportunity_history": (states, snake(SF_DEAL, _fivetran_start="at", last_modified_by_id="by"))},
        fields=ALL),
    "salesforce, dlt": Family(
        "salesforce", Style(lambda at: at, money=float, flag=bool, words=SF_API), database,
        {"opportunity": (deals, snake(SF_DEAL, _dlt_id="name")), "opportunity_history": (stage_changes, snake(SF_HISTORY)),
         "opportunity_stage": (stages, snake(SF_STAGES))},
        fields=(STAGE, AMOUNT, CLOSE, "forecast_category"), source="landed.duckdb"),
    "salesforce, connector": Family(
        "salesforce", Style(words=SF_API), parquet,
        {"opportunity": (kept(deals), snake(SF_DEAL)), "opportunity_history": (kept(stage_changes), snake(SF_HISTORY)),
         "opportunity_field_history": (owner_changes, snake(SF_OWNERS)), "opportunity_stage": (stages, snake(SF_STAGES))},
        fields=ALL, is_kept_deleted=False),
    "hubspot, english export": Family(
        "hubspot", Style(lambda at: local(at).strftime("%Y-%m-%d %H:%M"), words=HS_LABELS),
        partial(text_file, encoding="utf-8-sig"),
        {"deals": (kept(deals), {"Record ID": "id", "Deal Name": "name", "Associated Company IDs (Primary)": "account",
                                 "Deal owner": "owner", "Deal Type": "type", "Original Traffic Source": "source",
                                 "Amount": "amount", "Currency": "currency", "Deal Stage": "stage", "Is Closed Won": "won",
                                 "Forecast category": "category", "Create Date": "created", "Close Date": "close_at",
                                 "Closed Lost Reason": "lost_reason"})},
        timezone="Europe/Paris", is_kept_deleted=False),
    "hubspot, french export": Family(
        "hubspot", Style(lambda at: local(at).strftime("%Y-%m-%d %H:%M"),
                         words=HS_LABELS | {"won": "Fermé gagné", "lost": "Fermé perdu"}), text_file,
        {"transactions": (kept(deals), {"ID de fiche d'informations": "id", "Nom de la transaction": "name",
                                        "Associated Company IDs (Primary)": "account",
                                        "Propriétaire de la transaction": "owner", "Type de transaction": "type",
                                        "Montant": "amount", "Devise": "currency", "Phase de la transaction": "stage",
                                        "Date de création": "created", "Date de fermeture": "close_at",
                                        "Raison de la perte": "lost_reason"})},
        lacks=("source", "forecast_category"), timezone="Europe/Paris", is_kept_deleted=False),
    "hubspot, api": Family(
        "hubspot", Style(zed, noon, words=HS_IDS), json_lines,
        {"deals": (deals, HS_API), "deals_history": (changes, HS_HISTORY)},
        fields=ALL),
    "hubspot, api with dates of stages": Family(
        "hubspot", Style(zed, noon, words=HS_IDS), json_lines,
        {"deals": (deals, HS_API | HS_ENTERED)},
        fields=(STAGE,)),
    "hubspot, connector": Family(
        "hubspot", Style(zed, noon, words=HS_NUMBERS), parquet,
        {"deals": (kept(deals), {name.replace("/", "__"): key for name, key in HS_API.items()}),
         "deals_history": (changes, HS_HISTORY), "deal_stages": (stages, HS_CONNECTOR)},
        fields=ALL, is_kept_deleted=False),
    "hubspot, fivetran": Family(
        "hubspot", Style(plain, words=HS_NUMBERS), text_file,
        {"deal": (deals, HS_LANDED), "deal_pipeline_stage": (stages, HS_STAGES),
         "deal_property_history": (changes, HS_HISTORY)},
        fields=ALL),
    "hubspot, fivetran with stages entered": Family(
        "hubspot", Style(plain, words=HS_NUMBERS), text_file,
        {"deal": (deals, HS_LANDED), "deal_pipeline_stage": (stages, HS_STAGES),
         "deal_stage": (lambda crm: changes(crm, ["stage"]), {"deal_id": "id", "value": "new", "date_entered": "at"})},
        fields=(STAGE,)),
    "dynamics, api": Family(
        "dynamics", Style(zed, money=float, words=D365_CODES), json_lines,
        {"opportunities": (kept(deals), D365_DEAL | {"transactioncurrencyid/isocurrencycode": "currency",
                                                     f"leadsourcecode{OData}": "source", f"statuscode{OData}": "lost_reason"})},
        lacks=("type",), is_kept_deleted=False),
    "dynamics, connector": Family(
        "dynamics", Style(zed, money=lambda amount: f"{amount}00", words=D365_CODES), parquet,
        {"opportunities": (kept(deals), D365_DEAL | {"_transactioncurrencyid_value_label": "currency",
                                                     "statuscode_label": "lost_reason"})},
        lacks=("type", "source"), is_kept_deleted=False),
    "dynamics, view": Family(
        "dynamics", Style(local, money=float, words=D365_STAGES | {"open": "Open", "won": "Won", "lost": "Lost",
                                                                   "best_case": "Best Case", "commit": "Committed",
                                                                   "closed": "Won"}), workbook,
        {"opportunities": (kept(deals), D365_VIEW)},
        lacks=("type",), timezone="Europe/Paris", is_kept_deleted=False, source="book.xlsx"),
    "pipedrive, api": Family(
        "pipedrive", Style(plain, money=float, key=int, words=PD_STAGES), json_lines,
        {"deals": (deals, PD_DEAL | {"deleted": "deleted"}),
         "stages": (open_stages, {"id": "stage", "name": "label", "order_nr": "position", "deal_probability": "percent"})},
        lacks=("type", "forecast_category")),
    "pipedrive, api version 2": Family(
        "pipedrive", Style(zed, money=float, key=int, words=PD_STAGES), json_lines,
        {"deals": (deals, {name.replace("user_id/id", "owner_id").replace("/value", ""): key for name, key in PD_DEAL.items()}
                   | {"is_deleted": "deleted"}),
         "stages": (open_stages, {"id": "stage", "name": "label", "order_nr": "position", "deal_probability": "percent"})},
        lacks=("type", "forecast_category")),
    "pipedrive, list": Family(
        "pipedrive", Style(lambda at: plain(local(at)), words=PD_NAMES | {"open": "Open", "won": "Won", "lost": "Lost"}),
        text_file,
        {"deals": (kept(deals), PD_LIST)},
        lacks=("type", "source", "forecast_category"), timezone="Europe/Paris", is_kept_deleted=False),
    "spreadsheet, workbook": Family(
        "spreadsheet", Style(local, lambda day: dt.datetime.combine(day, dt.time()), float, words=SHEET_WORDS), workbook,
        {"Deals": (kept(deals), SHEET), "History": (changes, SHEET_LOG)},
        fields=ALL, is_kept_deleted=False, source="book.xlsx"),
    "spreadsheet, french csv": Family(
        "spreadsheet", Style(french, lambda day: day.strftime("%d/%m/%Y"), grouped_french, words=FEUILLE_WORDS),
        partial(text_file, sep=";", encoding="cp1252"),
        {"affaires": (kept(deals), FEUILLE)},
        is_kept_deleted=False),
    "spreadsheet, american csv": Family(
        "spreadsheet", Style(american, american_day, lambda amount: grouped(amount) if amount > 0 else f"({-amount})",
                             words=SHEET_WORDS), text_file,
        {"pipeline": (kept(deals), SHEET)},
        is_kept_deleted=False),
}  # fmt: skip


# --- a mapping by itself ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_a_mapping_counts_values_as_exists(path: Path) -> None:
    mapping = read_mapping(path)
    listed = {stage["stage"] for stage in mapping.stages}
    for one in mapping.tables:
        columns = {column.name: column for column in tables.TABLES[one.table].columns}
        for name, pairs in one.values.items():
            valid: Iterable[str] = columns[name].choices if name in columns else ()
            valid = {"stage": listed, "field": tables.TRACKED, "forecast_category": tables.CATEGORIES}.get(name, valid)
            if one.table != "stages" and valid:
                assert set(pairs.values()) <= set(valid), (one.table, name)
        for name, value in one.constants.items():
            assert not columns[name].choices or value in columns[name].choices, (one.table, name)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_no_spelling_stands_twice(path: Path) -> None:
    """A name that is another one after folding is never looked for, and would only mislead who edits the list."""
    for one in read_mapping(path).tables:
        for column, names in {**one.columns, **one.fields, "file": one.file}.items():
            alike = list(map(str.lower if column == "file" else fold, names))
            assert len(set(alike)) == len(alike), (one.table, column, names)
        for column, pairs in one.values.items():
            assert len({fold(spelling) for spelling in pairs}) == len(pairs), (one.table, column)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_mapping_begins_with_what_to_do(path: Path) -> None:
    first = path.read_text(encoding="utf-8").partition("\nname: ")[0]
    assert all(line.startswith("#") for line in first.strip().splitlines())
    assert f"revops import data/mappings/{'YOURS' if path.stem == 'crm_opportunities' else path.stem}.yml --from" in first
    assert read_mapping(path).name == path.stem


VARIABLES = {name: "x" for name in ("SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET", "HUBSPOT_TOKEN", "DYNAMICS_TENANT",
                                    "DYNAMICS_CLIENT_ID", "DYNAMICS_CLIENT_SECRET")}  # fmt: skip
VARIABLES |= {name: "https://crm.example.com" for name in ("SALESFORCE_URL", "DYNAMICS_URL")}


@pytest.mark.parametrize("path", sorted((ROOT / "data" / "connectors").glob("*.yml")), ids=lambda path: path.stem)
def test_what_a_connector_fetches_has_the_columns_of_the_mapping(path: Path) -> None:
    pytest.importorskip("dlt", reason="the connectors are an extra")
    from revops_lib.sources.connect.connector import read_connector
    from revops_lib.sources.connect.rows import declared

    fetched = read_connector(path, VARIABLES).resources
    # What a list inside of records has besides its key is not declared; the families of connectors below have such tables.
    landed = {one.name: {fold(name) for name in declared(one)} for one in fetched if one.rows is None and not one.hidden}
    found = set()
    for one in read_mapping(MAPPINGS / path.name).tables:
        member = next((name for file in one.file for name in landed if name == file.lower()), None)
        if member:
            found.add(one.table)
            needed = {column: names for column, names in {**one.columns, **one.fields}.items() if column not in one.optional}
            for column, names in needed.items():
                assert landed[member] & {fold(name) for name in names}, (member, column)
    assert found >= {"opportunities", "accounts", "reps"}


# --- one truth in every spelling -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_every_spelling_gives_the_same_deals_and_history(name: str, tmp_path: Path) -> None:
    family = FAMILIES[name]
    crm = CRMS[family.crm]
    dataset, read = imported(family, tmp_path)
    assert_told(read("opportunities"), expected_opportunities(crm, family), family.lacks)
    assert dataset["tracked"] == list(family.fields)
    if family.fields:
        assert_told(_ordered(read("opportunity_history")), expected_history(crm, family))
    quarantine = read("quarantine")
    assert set(quarantine["code"]) <= {"W_ROW_SKIPPED", "W_ALREADY_DATED"}
    for entry in dataset["files"]:
        assert entry["read"] == entry["accepted"] + entry["quarantined"] + entry["duplicates"]
    if family.is_kept_deleted:
        assert quarantine.loc[quarantine["table"] == "opportunities", "record"].str.contains(crm.deals[-1], regex=False).any()


Read = Callable[[str], pd.DataFrame]


def imported(family: Family, folder: Path, as_of: dt.date = AS_OF, keep_copy: bool = False) -> tuple[dict[str, Any], Read]:
    """The dataset.json of a family's export, and a reader of its tables."""
    export = folder / "export"
    export.mkdir(exist_ok=True)
    for member, (rows, columns) in family.files.items():
        written = [{column: family.style(row[key]) for column, key in columns.items()} for row in rows(CRMS[family.crm])]
        family.write(export / member, written)
    mapping = MAPPINGS / f"{family.crm}.yml"
    if family.timezone != "UTC":
        text = mapping.read_text(encoding="utf-8")
        mapping = folder / mapping.name
        mapping.write_text(text.replace("timezone: UTC}", f"timezone: {family.timezone}}}"), encoding="utf-8")
        assert mapping.read_text(encoding="utf-8") != text
    source = export / family.source
    dataset = sources.import_export(mapping, source, folder / "to", as_of=as_of, keep_copy=keep_copy, named=True)
    return dataset, partial(sources.read_table, folder / "to")


def assert_told(read: pd.DataFrame, expected: pd.DataFrame, lacks: Iterable[str] = ()) -> None:
    """Equal in every value; `lacks` names columns that an export cannot fill, which must be empty then."""
    key = [column for column in ("opportunity_id", "field", "changed_at") if column in expected]
    pd.testing.assert_frame_equal(
        read.sort_values(key, ignore_index=True), expected.sort_values(key, ignore_index=True), check_freq=False
    )
    assert read[list(lacks)].isna().all(axis=None)


# --- what only shows in the small ------------------------------------------------------------------------------------

DEAL = {"Id": "006q000000HddohAAB", "StageName": "Closed Won", "Amount": "10.00", "CloseDate": "2026-03-18",
        "CreatedDate": "2026-01-12T09:30:00.000+0000"}  # fmt: skip


def small(folder: Path, crm: str = "salesforce", **files: Rows) -> Read:
    """A small export, imported; a reader of its tables."""
    (folder / "export").mkdir(exist_ok=True)
    for member, rows in files.items():
        text_file(folder / "export" / member, rows)
    sources.import_export(MAPPINGS / f"{crm}.yml", folder / "export", folder / "to", as_of=AS_OF)
    return partial(sources.read_table, folder / "to")


def test_without_a_column_of_currencies_amounts_are_in_the_companys(tmp_path: Path) -> None:
    assert small(tmp_path, Opportunity=[DEAL])("opportunities")["currency"].tolist() == ["EUR"]


def test_a_deleted_won_deal_is_left_out_and_no_fault(tmp_path: Path) -> None:
    deals = [DEAL | {"IsDeleted": "false"}, DEAL | {"Id": "006q000000HdPzpAAF", "IsDeleted": "true"}]
    assert small(tmp_path, Opportunity=deals)("opportunities")["opportunity_id"].tolist() == [DEAL["Id"]]


def test_an_empty_history_beside_another_one(tmp_path: Path) -> None:
    gone = {"OpportunityId": DEAL["Id"], "StageName": "Prospecting", "CreatedDate": DEAL["CreatedDate"], "IsDeleted": "true"}
    change = {"OpportunityId": DEAL["Id"], "Field": "StageName", "OldValue": "Prospecting", "NewValue": "Closed Won",
              "CreatedDate": "2026-03-18T10:00:00.000+0000"}  # fmt: skip
    read = small(tmp_path, Opportunity=[DEAL], OpportunityHistory=[gone], OpportunityFieldHistory=[change])
    assert read("opportunity_history")["new_value"].tolist() == ["Prospecting", "Closed Won"]


@pytest.mark.parametrize("name", ["hubspot, api", "pipedrive, list"])
def test_what_has_no_history_gets_one_from_dated_copies(name: str, tmp_path: Path) -> None:
    family = FAMILIES[name]
    crm = CRMS[family.crm]
    member, (rows, columns) = next(iter(family.files.items()))
    only = replace(family, files={m: content for m, content in family.files.items() if m in (member, "stages")}, fields=())
    imported(only, tmp_path, as_of=dt.date(2026, 5, 31), keep_copy=True)
    doubled = [row | {"amount": row["amount"] and row["amount"] * 2} for row in rows(crm)]
    later = replace(only, files={**only.files, member: (lambda _: doubled, columns)})
    dataset, read = imported(later, tmp_path, as_of=AS_OF, keep_copy=True)
    assert dataset["history_since"] == "2026-05-31"
    history = read("opportunity_history")
    grown = history[(history["field"] == "amount") & history["old_value"].notna()]
    was = {crm.deals[n]: deal.states[-1].amount for n, deal in enumerate(DEALS) if deal.states[-1].amount}
    assert dict(zip(grown["opportunity_id"], grown["old_value"], strict=True)) == was


# --- what else an export brings --------------------------------------------------------------------------------------

NORTH, NORD = "0015500000Xyy06AAB", "0015500000Ygpq1AAB"
ONE, TWO = "0051G00000600MlQAI", "0051G000005Mx8dQAC"
WON = CRMS["salesforce"].deals[0]
SALESFORCE: dict[str, Rows] = {
    "Opportunity": [{"Id": WON, "Name": "Roof", "AccountId": NORD, "OwnerId": ONE, "StageName": "Closed Won", "Amount": "10.00",
                     "CloseDate": "2026-03-18", "CreatedDate": "2026-01-12T09:30:00.000+0000"}],
    "User": [{"Id": ONE, "Name": "Rep One", "Title": "Director", "Department": "North", "ManagerId": "", "Division": "EMEA"},
             {"Id": TWO, "Name": "Rep Two", "Title": "AE", "Department": "North", "ManagerId": ONE, "Division": "EMEA"}],
    "Account": [{"Id": key, "Name": name, "ParentId": "", "Industry": "Steel", "BillingCountry": "France",
                 "NumberOfEmployees": "120", "OwnerId": ONE, "MasterRecordId": survivor, "IsDeleted": deleted}
                for key, name, survivor, deleted in ((NORTH, "North", "", "false"), (NORD, "Nord", NORTH, "true"))],
    "Lead": [{"Id": "00Q1G00000nDnM5UAK", "LeadSource": "Web", "CreatedDate": "2026-01-02T08:00:00.000+0000",
              "ConvertedDate": "2026-01-12", "ConvertedAccountId": NORD, "ConvertedOpportunityId": WON, "OwnerId": TWO}],
    "OpportunitySplit": [{"OpportunityId": WON, "SplitOwnerId": owner, "SplitPercentage": share, "SplitType__MasterLabel": kind}
                         for owner, share, kind in ((ONE, "60", "Revenue"), (TWO, "40.0", "Revenue"), (TWO, "100", "Overlay"))],
    "Product2": [{"Id": "01t1G000002Uf3MQAS", "Name": "Roof", "Family": "Building"}],
    "Case": [{"Id": "5001G00000abcdeQAB", "AccountId": NORD, "OwnerId": ONE, "Origin": "Email", "Type": "Problem",
              "Priority": "High", "Status": "Closed", "CreatedDate": "2026-03-01T10:00:00.000+0000",
              "ClosedDate": "2026-03-02T11:30:00.000+0000"}],
    "quotas": [{"User ID": ONE[:15], "Quarter": "2026Q1", "Quota": "250,000.50"}],
}  # fmt: skip


@pytest.mark.parametrize("is_landed", [False, True], ids=["api names", "landed names"])
def test_people_splits_quotas_and_merges_of_salesforce(is_landed: bool, tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    for member, rows in SALESFORCE.items():
        named = [
            dict(zip(snake({name: name for name in row}), row.values(), strict=True)) if is_landed else row for row in rows
        ]
        name = next(iter(snake({member: member}))) if is_landed and member != "Product2" else member
        text_file(tmp_path / "export" / name, named)
    dataset = sources.import_export(MAPPINGS / "salesforce.yml", tmp_path / "export", tmp_path / "to", as_of=AS_OF, named=True)
    read = partial(sources.read_table, tmp_path / "to")
    assert read("account_merges")[["old_id", "new_id"]].to_numpy().tolist() == [[NORD, NORTH]]
    assert read("accounts")["account_id"].tolist() == [NORTH]  # the merged one is deleted in Salesforce
    assert {table: read(table)["account_id"].tolist() for table in ("opportunities", "leads", "tickets")} == {
        "opportunities": [NORTH], "leads": [NORTH], "tickets": [NORTH]}  # fmt: skip
    assert read("reps")[["rep_id", "role", "team", "manager_id"]].fillna("").to_numpy().tolist() == [
        [ONE, "Director", "North", ""], [TWO, "AE", "North", ONE]]  # fmt: skip
    assert sorted(read("credits")[["rep_id", "kind", "share"]].to_numpy().tolist()) == [
        [TWO, "overlay", 1.0], [TWO, "split", 0.4], [ONE, "split", 0.6]]  # fmt: skip
    assert read("quotas").iloc[0][["rep_id", "quarter", "measure", "amount"]].tolist() == [
        ONE, "2026Q1", "bookings", Decimal("250000.50")]  # fmt: skip
    assert read("leads").loc[0, "sql_at"] == pd.Timestamp("2026-01-11 23:00")  # the day begins at midnight in Paris
    assert read("tickets").loc[0, "resolved_at"] == pd.Timestamp("2026-03-02 11:30")
    assert {entry["code"] for entry in dataset["quarantined"]} == {"W_ROW_SKIPPED"}


PAY_SHEETS = {
    "Affaires": [{"N°": "D1", "Montant": "1000", "Étape": "Gagnée", "Créée le": "2026-01-05", "Date de clôture": "2026-02-01"}],
    "Partages": [{"Affaire": "D1", "Commercial": "R1", "Part": "60 %", "Nature": "Partage"},
                 {"Affaire": "D1", "Commercial": "R2", "Part": "40 %", "Nature": "Partage"}],
    "Contrats": [{"Affaire": "D1", "Durée en mois": "24", "Prépayé": "oui", "Résilié le": "2026-03-01", "Motif": "budget"}],
    "Factures": [{"N° de facture": "F1", "Affaire": "D1", "Montant": "1000", "Date de facture": "2026-02-10", "Payée le": ""}],
    "Commerciaux": [{"ID": "R1", "Nom": "Ada", "Fonction": "AE", "Début": "2025-01-01", "Dernier jour": "2026-02-15"},
                    {"ID": "R1", "Nom": "Ada", "Fonction": "Manager", "Début": "2026-02-16", "Dernier jour": ""}],
    "Quotas": [{"Rep": "R1", "Quarter": "2026Q1", "Measure": "", "Quota": "9000"},
               {"Rep": "R1", "Quarter": "2026Q1", "Measure": "Leads", "Quota": "12"}],
    "Pistes": [{"ID piste": "L1", "Créée le": "2026-01-03", "Acceptée le": "2026-01-20", "Commercial": "R1"}],
    "Dépenses": [{"Mois": "2026-01-01", "Nature": "Ventes", "Montant": "9500"}],
    "Objectives": [{"Rep": "R1", "Quarter": "2026Q1", "Objective": "Coaching", "Weight": "1", "Achieved": "0.5"}],
    "Disputes": [{"Dispute ID": "X1", "Line ID": "0123456789abcdef", "Rep": "R1", "Raised on": "2026-02-20", "Reason": "why",
                  "Decision": "Acceptée", "Decided on": "2026-02-27"}],
    "Adjustments": [{"Adjustment ID": "J1", "Rep": "R1", "Amount": "-12.50", "Decided by": "FIN", "Reason": "split came late",
                     "Decided on": "2026-02-27", "Dispute ID": "X1"}],
}  # fmt: skip


def test_a_spreadsheet_brings_what_pay_needs(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    for member, rows in PAY_SHEETS.items():
        text_file(tmp_path / "export" / member, rows)
    dataset = sources.import_export(MAPPINGS / "spreadsheet.yml", tmp_path / "export", tmp_path / "to", as_of=AS_OF, named=True)
    assert not [entry for entry in dataset["quarantined"] if entry["code"].startswith("E_")]
    read = partial(sources.read_table, tmp_path / "to")
    assert read("credits")[["rep_id", "kind", "share"]].to_numpy().tolist() == [["R1", "split", 0.6], ["R2", "split", 0.4]]
    contract, bill = read("contracts").iloc[0], read("invoices").iloc[0]
    assert (contract["term_months"], contract["is_prepaid"], contract["cancelled_date"]) == (
        24,
        True,
        pd.Timestamp("2026-03-01"),
    )
    assert (bill["amount"], pd.isna(bill["paid_date"]), bill["currency"]) == (Decimal("1000.00"), True, "EUR")
    assert read("reps")[["role", "start_date", "end_date"]].astype("str").fillna("").to_numpy().tolist() == [
        ["AE", "2025-01-01", "2026-02-15"], ["Manager", "2026-02-16", ""]]  # fmt: skip
    assert sorted(read("quotas")[["measure", "amount"]].astype("str").to_numpy().tolist()) == [
        ["bookings", "9000.00"], ["leads", "12.00"]]  # fmt: skip
    lead = read("leads").iloc[0]
    assert (lead["owner_id"], periods.local_day(read("leads")["sql_at"], "Europe/Paris")[0]) == (
        "R1",
        pd.Timestamp("2026-01-20"),
    )
    assert read("objectives")[["weight", "achieved"]].to_numpy().tolist() == [[1.0, 0.5]]
    assert read("disputes")[["decision", "reason"]].to_numpy().tolist() == [["accepted", "why"]]
    adjusted = read("adjustments").iloc[0]
    spent = read("spend").iloc[0]
    assert (spent["month"], spent["kind"], spent["amount"]) == (pd.Timestamp("2026-01-01"), "sales", Decimal("9500.00"))
    assert (adjusted["amount"], adjusted["currency"], adjusted["dispute_id"]) == (Decimal("-12.50"), "EUR", "X1")


def test_a_split_of_an_unknown_type_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    text_file(tmp_path / "export" / "Opportunity", SALESFORCE["Opportunity"])
    splits = [{"OpportunityId": WON, "SplitOwnerId": ONE, "SplitPercentage": "100", "SplitTypeId": "0JB000000000001AAA"}]
    text_file(tmp_path / "export" / "OpportunitySplit", splits)
    with pytest.raises(DataRefused, match=r"kind '0JB000000000001AAA'.*valid: split, overlay"):
        sources.import_export(MAPPINGS / "salesforce.yml", tmp_path / "export", tmp_path / "to", as_of=AS_OF)


def test_a_label_of_two_pipelines_is_told_apart_by_its_id(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    labels = [
        ("1", "Talk", "0.2", "false"),
        ("2", "Won", "1.0", "true"),
        ("3", "Talk", "0.5", "false"),
        ("4", "Lost", "0.0", "true"),
    ]
    columns = ("id", "label", "metadata__probability", "metadata__is_closed")
    table = [dict(zip(columns, row, strict=True)) | {"display_order": str(n)} for n, row in enumerate(labels)]
    parquet(tmp_path / "export" / "deal_stages", table)
    deal = {"amount": "10.00", "createdate": "2026-01-12T09:30:00Z", "closedate": "2026-03-18T09:30:00Z"}
    rows = [{"id": str(n), **{f"properties__{name}": value for name, value in (deal | {"dealstage": str(n)}).items()}}
            for n in (1, 2, 3, 4)]  # fmt: skip
    parquet(tmp_path / "export" / "deals", rows)
    sources.import_export(MAPPINGS / "hubspot.yml", tmp_path / "export", tmp_path / "to", as_of=AS_OF)
    read = sources.read_table(tmp_path / "to", "opportunities")
    assert read["stage"].tolist() == ["Talk (1)", "Won", "Talk (3)", "Lost"]
    assert read["status"].tolist() == ["open", "won", "open", "lost"]


# --- ids of Salesforce -----------------------------------------------------------------------------------------------


def test_a_report_joins_an_export_by_ids_of_15_and_18_characters(tmp_path: Path) -> None:
    """The pair of ids was published by others; the last three characters tell the capitals of the first fifteen."""
    (tmp_path / "export").mkdir()
    deal = SALESFORCE["Opportunity"][0] | {"Id": "0067E0000028LZP", "AccountId": NORTH[:15], "OwnerId": ONE[:15]}
    other = deal | {"Id": "0067E0000028LZp"}  # another deal: upper and lower case count in the short form
    text_file(tmp_path / "export" / "opportunity", [deal, other])
    text_file(tmp_path / "export" / "Account", SALESFORCE["Account"])
    text_file(tmp_path / "export" / "User", SALESFORCE["User"])
    history = [
        {"OpportunityId": "0067E0000028LZPQA2", "StageName": "Closed Won", "CreatedDate": "2026-03-18T10:00:00.000+0000"}
    ]
    text_file(tmp_path / "export" / "OpportunityHistory", history)
    sources.import_export(MAPPINGS / "salesforce.yml", tmp_path / "export", tmp_path / "to", as_of=AS_OF, named=True)
    read = partial(sources.read_table, tmp_path / "to")
    deals = read("opportunities")
    assert deals["opportunity_id"].tolist()[0] == "0067E0000028LZPQA2" != deals["opportunity_id"].tolist()[1]
    assert set(deals["account_id"]) == {NORTH} and set(deals["owner_id"]) == {ONE}
    assert set(read("opportunity_history")["opportunity_id"]) == {"0067E0000028LZPQA2"}
    assert sources.check(tmp_path / "to").empty  # no broken reference


@needs_seeds
def test_every_id_of_the_seeds_is_had_again_from_its_first_15_characters(tmp_path: Path) -> None:
    written = {row.get("id", "") for path in SEEDS["salesforce"].glob("*.csv") for row in rows_of(path)}
    found = {key for key in written if len(key) == 18 and key.isalnum()}  # in some a blank took the place of a letter
    assert len(found) > 30
    (tmp_path / "export").mkdir()
    deal = SALESFORCE["Opportunity"][0]
    text_file(tmp_path / "export" / "opportunity", [deal | {"Id": key[:15]} for key in sorted(found)])
    sources.import_export(MAPPINGS / "salesforce.yml", tmp_path / "export", tmp_path / "to", as_of=AS_OF)
    assert set(sources.read_table(tmp_path / "to", "opportunities")["opportunity_id"]) == found


# --- tables landed by loaders, as published --------------------------------------------------------------------------

# Which table of the seeds feeds which canonical one, and by which column its key is called.
FIVETRAN = {
    "salesforce": {"sf_opportunity_data": ("opportunities", "id"), "sf_user_data": ("reps", "id"),
                   "sf_contact_data": ("contacts", "id"), "sf_lead_data": ("leads", "id"),
                   "sf_product_2_data": ("products", "id"), "sf_account_data": ("accounts", "id")},
    "hubspot": {"deal_pipeline_stage_data": ("stages", "stage_id"), "owner_data": ("reps", "owner_id"),
                "company_data": ("accounts", "id"), "contact_data": ("contacts", "id"), "ticket_data": ("tickets", "id")},
}  # fmt: skip


def is_deleted(row: dict[str, str]) -> bool:
    flags = [row.get(name, "").lower() for name in ("is_deleted", "_fivetran_deleted")]
    return "true" in flags or row.get("_fivetran_active", "").lower() == "false"


@needs_seeds
@pytest.mark.parametrize("crm", FIVETRAN)
def test_tables_that_fivetran_lands_come_in_whole(crm: str, tmp_path: Path) -> None:
    dataset = sources.import_export(MAPPINGS / f"{crm}.yml", SEEDS[crm], tmp_path / "to", named=True)
    entries = {(entry["file"].removesuffix(".csv"), entry["table"]): entry for entry in dataset["files"]}
    quarantine = sources.read_table(tmp_path / "to", "quarantine")
    for member, (table, key) in FIVETRAN[crm].items():
        rows = rows_of(SEEDS[crm] / f"{member}.csv")
        there = [row[key] for row in rows if not is_deleted(row)]
        entry = entries[member, table]
        assert (entry["read"], entry["accepted"], entry["quarantined"]) == (len(rows), len(there), len(rows) - len(there))
        column = "stage_id" if table == "stages" else tables.TABLES[table].key[0]
        assert sorted(sources.read_table(tmp_path / "to", table)[column]) == sorted(there)
        aside = quarantine[(quarantine["table"] == table) & (quarantine["file"] == f"{member}.csv")]
        assert set(aside["code"]) <= {"W_ROW_SKIPPED"} and len(aside) == len(rows) - len(there)
    faults = quarantine[quarantine["code"].str.startswith("E_")]
    if crm == "salesforce":
        merged = [(row["id"], row["master_record_id"]) for row in rows_of(SEEDS[crm] / "sf_account_data.csv")
                  if row["master_record_id"]]  # fmt: skip
        found = sources.read_table(tmp_path / "to", "account_merges")
        assert list(zip(found["old_id"], found["new_id"], strict=True)) == merged
        assert faults.empty
    else:
        stageless = rows_of(SEEDS[crm] / "deal_data.csv")
        assert not any(row["deal_pipeline_stage_id"] for row in stageless)
        deals = sources.read_table(tmp_path / "to", "opportunities")  # none has a stage, so all count as open
        assert faults.empty and (deals["status"] == "open").all() and deals["stage"].isna().all()
        assert sorted(deals["opportunity_id"]) == sorted(row["deal_id"] for row in stageless if not is_deleted(row))
        events = entries["ticket_property_history_data", "ticket_events"]
        assert events["accepted"] == len(rows_of(SEEDS[crm] / "ticket_property_history_data.csv"))
    # Nobody maps a history whose values are hashes: no stage in it is one of the list, no property has its name.
    hashed = {row["value"] for row in rows_of(SEEDS["hubspot"] / "deal_stage_data.csv")}
    assert not hashed & {row["stage_id"] for row in rows_of(SEEDS["hubspot"] / "deal_pipeline_stage_data.csv")}


# --- tickets ---------------------------------------------------------------------------------------------------------

TICKETS: Rows = [{"id": Key("101"), "account": Key("7001"), "owner": Key("55"), "queue": "Support", "type": "problem",
            "priority": "high", "status": "solved", "at": instant("2026-03-01T10:00"), "solved": instant("2026-03-02T11:30")},
           {"id": Key("102"), "account": Key("7002"), "owner": Key("56"), "queue": "Support", "type": "question",
            "priority": "normal", "status": "open", "at": instant("2026-03-28T23:30"), "solved": None}]  # fmt: skip
TICKET_SPELLINGS = {
    "zendesk, json export": ("zendesk", json_lines, "tickets", zed, {
        "id": "id", "organization/id": "account", "assignee/id": "owner", "group/name": "queue", "type": "type",
        "priority": "priority", "status": "status", "created_at": "at", "metric_set/solved_at": "solved"}),
    "zendesk, fivetran": ("zendesk", text_file, "ticket", plain, {
        "id": "id", "organization_id": "account", "assignee_id": "owner", "group_id": "queue", "type": "type",
        "priority": "priority", "status": "status", "created_at": "at", "metric_set__solved_at": "solved"}),
    "zendesk, view": ("zendesk", text_file, "tickets", plain, {
        "Id": "id", "Organization": "account", "Assignee": "owner", "Group": "queue", "Ticket Type": "type",
        "Priority": "priority", "Status": "status", "Created at": "at", "Solved at": "solved"}),
}  # fmt: skip


@pytest.mark.parametrize("name", TICKET_SPELLINGS)
def test_every_spelling_gives_the_same_tickets(name: str, tmp_path: Path) -> None:
    crm, write, member, written, columns = TICKET_SPELLINGS[name]
    (tmp_path / "export").mkdir()
    style = Style(written)
    write(tmp_path / "export" / member, [{c: style(row[key]) for c, key in columns.items()} for row in TICKETS])
    sources.import_export(MAPPINGS / f"{crm}.yml", tmp_path / "export", tmp_path / "to", as_of=AS_OF, named=True)
    expected = tables.conform("tickets", pd.DataFrame([
        {"ticket_id": row["id"], "account_id": row["account"], "owner_id": row["owner"], "queue": row["queue"],
         "category": row["type"], "priority": row["priority"], "status": row["status"],
         "opened_at": row["at"].replace(tzinfo=None), "resolved_at": row["solved"] and row["solved"].replace(tzinfo=None)}
        for row in TICKETS]))  # fmt: skip
    pd.testing.assert_frame_equal(sources.read_table(tmp_path / "to", "tickets"), expected)
