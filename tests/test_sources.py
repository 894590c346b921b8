"""The inlet: nothing disappears, nothing is guessed, nothing is half-written."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import hashlib
import json
import os
import random
import re
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revops_lib import cli, sources, tables
from revops_lib.errors import CannotWrite, DataRefused, RevopsError, UsageError
from revops_lib.snapshot import Snapshot
from revops_lib.sources.cast import cast
from revops_lib.sources.mapping import find_column
from revops_lib.sources.sniff import Notation

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("REVOPS_SHARED", ROOT.parent / "shared")) / "data"
CRM = SHARED / "crm_opportunities"
CRM_MAPPING = ROOT / "data" / "mappings" / "crm_opportunities.yml"
needs_crm = pytest.mark.skipif(not CRM.is_dir(), reason=f"public CRM export not found at {CRM}; set REVOPS_SHARED")

COMPANY = """
name: small
currency: EUR
timezone: Europe/Paris
fiscal_year_end: DEC
stages:
  - {stage: Prospecting, position: 1, status: open}
  - {stage: Proposal, position: 2, status: open}
  - {stage: Negotiation, position: 3, status: open}
  - {stage: Closed Won, position: 4, status: won}
  - {stage: Closed Lost, position: 5, status: lost}
"""
DEALS = """
tables:
  opportunities:
    file: deals.csv
    columns: {opportunity_id: id, name: name, amount: amount, currency: currency, stage: stage,
              created_at: created, close_date: closed}
"""
HEADER = "id,name,amount,currency,stage,created,closed"
GOOD = "D-{},Deal,100.00,EUR,Negotiation,2026-03-02,2026-12-15"


def export(folder: Path, *rows: str, header: str = HEADER, mapping: str = COMPANY + DEALS, file: str = "deals.csv") -> Path:
    """A folder with one file and its mapping beside it; returns the mapping."""
    folder.mkdir(exist_ok=True)
    (folder / file).write_bytes("\n".join([header, *rows, ""]).encode())
    path = folder.parent / f"{folder.name}.yml"
    path.write_text(mapping, encoding="utf-8")
    return path


def imported(tmp_path: Path, *rows: str, max_rejected: float = 1.0, **parts: str) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    """Opportunities, quarantine and dataset of a small export."""
    mapping = export(tmp_path / "export", *rows, **parts)
    dataset = sources.import_export(
        mapping, tmp_path / "export", tmp_path / "to", as_of=dt.date(2026, 11, 21), max_rejected=max_rejected
    )
    return (
        sources.read_table(tmp_path / "to", "opportunities"),
        sources.read_table(tmp_path / "to", "quarantine"),
        dataset,
    )


def refused(code: int, call, *args, **kwargs) -> str:
    """The one line of the refusal, after checking its exit code."""
    with pytest.raises(RevopsError) as failure:
        call(*args, **kwargs)
    assert failure.value.exit_code == code
    line = str(failure.value)
    assert "\n" not in line and line.startswith("error: ")
    return line


def cells(frame: pd.DataFrame, *columns: str) -> list[list]:
    """The rows of some columns, None where a value is missing."""
    return [[None if pd.isna(value) else value for value in row] for row in frame[list(columns)].itertuples(index=False)]


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


# Nine lines that stand for 9**9 values.
BOMB = "a: &a [x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghij"))


# --- YAML ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3"),
        ("a: {x: 1, x: 2}\n", "'x' is written twice"),
        ('plan: !!python/object/apply:os.system ["touch PWNED"]\n', "python/object"),
        ("a: &a [*a]\n", "alias"),
        ("a: &a {b: *a}\n", "alias"),
        (BOMB, "alias"),
        ("- a\n- b\n", "top level"),
        ("", "top level"),
        ("a: [1\n", "line"),
        ("? [a, b]\n: 1\n", "plain value"),
        ("[" * 1000, "nested"),
        ("- " * 200_000, "nested"),
        ("a: \x07\n", "not valid YAML"),
    ],
)  # fmt: skip
def test_yaml_that_could_surprise_is_refused(tmp_path, text, word):
    path = tmp_path / "c.yml"
    path.write_text(text, encoding="utf-8")
    line = refused(2, sources.read_yaml, path)
    assert word in line and "c.yml" in line


def test_yaml_reads_plain_values_and_merge_keys(tmp_path):
    path = tmp_path / "c.yml"
    path.write_text("base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}\nid: '007'\n", encoding="utf-8-sig")
    assert sources.read_yaml(path) == {"base": {"x": 1, "y": 2}, "mine": {"x": 1, "y": 3}, "id": "007"}
    assert "nope.yml" in refused(2, sources.read_yaml, tmp_path / "nope.yml")
    path.write_bytes(b"a: \xe9\n")
    assert "UTF-8" in refused(2, sources.read_yaml, path)


# --- datasets --------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    assert "not a dataset folder" in refused(3, sources.read_dataset, tmp_path)
    assert "not a dataset folder" in refused(3, sources.read_table, tmp_path / "none", "accounts")
    for damaged in ("{", "[]", '{"name": "x"}'):
        (tmp_path / "dataset.json").write_text(damaged, encoding="utf-8")
        assert "dataset.json" in refused(3, sources.read_dataset, tmp_path)


@pytest.mark.parametrize(
    ("key", "value"), [("known_until", "31.12.2026"), ("timezone", "Mars/North"), ("fiscal_year_end", "X")]
)
def test_a_dataset_with_an_impossible_value_is_refused(tmp_path, key, value):
    imported(tmp_path, GOOD.format(1))
    path = tmp_path / "to" / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), key: value}), encoding="utf-8")
    assert value in refused(3, sources.read_dataset, tmp_path / "to")


def test_tables_come_back_in_canonical_types(tmp_path):
    deals, _, _ = imported(tmp_path, GOOD.format(1), "D-2,,,,Prospecting,,")
    assert {c: str(t) for c, t in deals.dtypes.items()} == {c: str(t) for c, t in tables.empty("opportunities").dtypes.items()}
    assert deals["amount"].tolist() == [Decimal("100.00"), pd.NA]
    assert sources.read_table(tmp_path / "to", "leads").equals(tables.empty("leads"))
    assert "valid:" in refused(2, sources.read_table, tmp_path / "to", "deals")
    (tmp_path / "to" / "opportunities.parquet").write_bytes(b"PAR1")
    assert "damaged" in refused(3, sources.read_table, tmp_path / "to", "opportunities")
    (tmp_path / "to" / "opportunities.parquet").unlink()
    assert "gone" in refused(3, sources.read_table, tmp_path / "to", "opportunities")


def test_check_lists_references_that_lead_nowhere(tmp_path):
    mapping = (
        COMPANY
        + """
tables:
  reps: {file: deals.csv, columns: {rep_id: id, manager_id: name}}
"""
    )
    path = export(tmp_path / "export", "R-1,R-2,,,,,", "R-2,R-9,,,,,", "R-3,R-8,,,,,", "R-4,,,,,,", mapping=mapping)
    sources.import_export(path, tmp_path / "export", tmp_path / "to", as_of=dt.date(2026, 1, 1), named=True)
    found = sources.check(tmp_path / "to")
    assert found.to_dict("records") == [
        {"table": "reps", "column": "manager_id", "references": "reps", "n": 2, "first": "R-8, R-9"}
    ]


# --- the real export -------------------------------------------------------------------------------------------------


@needs_crm
def test_the_public_crm_export_is_read_whole(tmp_path):
    dataset = sources.import_export(CRM_MAPPING, CRM, tmp_path / "to")
    entry = next(file for file in dataset["files"] if file["table"] == "opportunities")
    assert entry["read"] == 8800 == entry["accepted"] + entry["quarantined"] + entry["duplicates"]
    with (CRM / "sales_pipeline.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    total = sum((Decimal(row["close_value"]) for row in rows if row["close_value"]), Decimal(0))
    assert Decimal(entry["amount"]["read"]["USD"]) == total
    deals = sources.read_table(tmp_path / "to", "opportunities")
    assert deals["status"].value_counts().to_dict() == {"won": 4238, "lost": 2473, "open": 2089}
    assert (deals.loc[deals["status"] == "lost", "amount"] == 0).all()
    assert deals.loc[deals["status"] == "open", "amount"].isna().all()
    assert deals["account_id"].isna().sum() == sum(not row["account"] for row in rows)
    assert "GTXPro" not in set(deals["product_id"])
    assert {
        "table": "opportunities",
        "column": "product_id",
        "written": "GTXPro",
        "counted_as": "GTX Pro",
        "n": 1480,
    } in (dataset["aliases"])
    assert (dataset["known_until"], dataset["tracked"]) == ("2017-12-31", [])
    assert dataset == sources.read_dataset(tmp_path / "to")
    found = sources.check(tmp_path / "to")
    assert found[["table", "column", "n"]].values.tolist() == [["reps", "manager_id", 35]]


@needs_crm
def test_the_same_export_gives_the_same_bytes_and_rows_in_any_order_the_same_tables(tmp_path):
    sources.import_export(CRM_MAPPING, CRM, tmp_path / "one")
    before = contents(tmp_path / "one")
    sources.import_export(CRM_MAPPING, CRM, tmp_path / "two")
    assert contents(tmp_path / "two") == before
    sources.import_export(CRM_MAPPING, CRM, tmp_path / "one")
    assert contents(tmp_path / "one") == before

    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    for file in CRM.glob("*.csv"):
        header, *lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        random.Random(7).shuffle(lines)
        with gzip.open(shuffled / f"{file.name}.gz", "wt", encoding="utf-8", newline="") as out:
            out.writelines([header, *lines])
    sources.import_export(CRM_MAPPING, shuffled, tmp_path / "three")
    for name in ("accounts", "reps", "products", "opportunities"):
        key = tables.TABLES[name].key[0]
        one, three = (sources.read_table(tmp_path / to, name).sort_values(key, ignore_index=True) for to in ("one", "three"))
        pd.testing.assert_frame_equal(one, three)


# --- row checks ------------------------------------------------------------------------------------------------------

ROWS = {
    "E_FIELD_COUNT": ["D-9,Acme, Inc.,100,EUR,Negotiation,2026-03-02,2026-12-15", "D-9,Deal,100"],
    "E_CONTROL_CHAR": ["D-9,a\0b,100,EUR,Negotiation,2026-03-02,2026-12-15", "D-9,bell\a,1,EUR,Proposal,,"],
    "E_TEXT_TOO_LONG": [f"D-9,{'x' * 4097},100,EUR,Negotiation,2026-03-02,2026-12-15"],
    "E_REQUIRED_MISSING": [
        ",Deal,100,EUR,Negotiation,,", "  ,Deal,1,EUR,Proposal,,", "Total,,300.00,EUR,,,", "D-9,Deal,100,,Proposal,,",
    ],
    "E_ID_SCIENTIFIC": ["6.05E+12,Deal,100,EUR,Negotiation,,"],
    "E_STAGE_UNKNOWN": ["D-9,Deal,100,EUR,Negociation/Review,2026-03-02,2026-12-15"],
    "E_AMOUNT_FORMAT": [
        f"D-9,Deal,{amount},EUR,Proposal,,"
        for amount in ("inf", "nan", "1e400", "0x10", "12.345", "N/A", "-", "100 $")
    ],
    "E_AMOUNT_RANGE": ["D-9,Deal,1000000000000.01,EUR,Negotiation,,", f"D-9,Deal,-{'9' * 40},EUR,Negotiation,,"],
    "E_CURRENCY_UNKNOWN": ["D-9,Deal,100,euro,Negotiation,,", "D-9,Deal,100,$,Negotiation,,"],
    "E_DATE_FORMAT": [
        f"D-9,Deal,100,EUR,Proposal,,{day}"
        for day in ("31/02/2026", "25/12/26", "46371", "2026-02-30", "2026-13-01", "NA")
    ],
    "E_DATE_RANGE": [f"D-9,Deal,100,EUR,Negotiation,,{day}" for day in ("1899-12-30", "2099-12-31", "9999-12-31")],
    "E_TIME_NONEXISTENT": ["D-9,Deal,100,EUR,Negotiation,2026-03-29 02:30:00,2026-12-15"],
    "E_TIME_AMBIGUOUS": ["D-9,Deal,100,EUR,Negotiation,2026-10-25 02:30:00,2026-12-15"],
    "E_AMOUNT_MISSING_WON": ["D-9,Deal,,EUR,Closed Won,2026-03-02,2026-06-30"],
    "E_CLOSE_BEFORE_CREATE": ["D-9,Deal,1,EUR,Closed Lost,2026-06-02,2026-06-01"],
}  # fmt: skip


@pytest.mark.parametrize(("code", "row"), [(code, row) for code, rows in ROWS.items() for row in rows])
def test_a_wrong_row_is_set_aside_with_its_code_line_and_text(tmp_path, code, row):
    deals, aside, dataset = imported(tmp_path, GOOD.format(1), row, GOOD.format(2))
    assert deals["opportunity_id"].tolist() == ["D-1", "D-2"]
    assert aside[["file", "line", "table", "code", "record"]].values.tolist() == [
        ["deals.csv", "3", "opportunities", code, row]
    ]
    assert aside["reason"].str.len().min() > 5
    assert [(q["table"], q["code"], q["n"]) for q in dataset["quarantined"]] == [("opportunities", code, 1)]
    entry = dataset["files"][1]
    assert (entry["read"], entry["accepted"], entry["quarantined"], entry["duplicates"]) == (3, 2, 1, 0)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("NA,None,,,Proposal,,", {"opportunity_id": "NA", "name": "None", "status": "open"}),
        ("00123,null,0.00,EUR,Closed Lost,,", {"opportunity_id": "00123", "amount": Decimal("0.00"), "status": "lost"}),
        ("1E5, two  words ,-500,EUR,Closed Won,,", {"name": " two  words ", "amount": Decimal("-500.00")}),
        ("D,x,(250.00),EUR, closed   WON ,,", {"amount": Decimal("-250.00"), "stage": "Closed Won"}),
        ("D,x,75.5-,EUR,Proposal,,", {"amount": Decimal("-75.50")}),
        ("D,x,999999999999.99,EUR,Proposal,,", {"amount": Decimal("999999999999.99")}),
        ("D,x,1,EUR,Proposal,2026-03-02,2026-12-15T23:30:00Z",
         {"created_at": pd.Timestamp("2026-03-01 23:00"), "close_date": pd.Timestamp("2026-12-16")}),
        ("D,x,1,EUR,Proposal,2026-07-01 10:00,", {"created_at": pd.Timestamp("2026-07-01 08:00")}),
        ("D,x,1,EUR,Proposal,2026-07-01T10:00:00.123+0530,", {"created_at": pd.Timestamp("2026-07-01 04:30:00.123")}),
        ("D,x,1,EUR,Closed Won,2026-06-01T17:00:00+02:00,2026-06-01", {"status": "won"}),
        ('D,"Line one\r\nLine ""two"", comma",1,EUR,Proposal,,', {"name": 'Line one\r\nLine "two", comma'}),
        ("D,<script>,1,EUR,Proposal,,", {"name": "<script>"}),
    ],
)  # fmt: skip
def test_a_right_row_keeps_exactly_what_it_says(tmp_path, row, expected):
    deals, aside, _ = imported(tmp_path, row)
    assert aside.empty
    assert {column: deals[column].iloc[0] for column in expected} == expected


def test_duplicates_are_removed_and_conflicts_set_aside_whole(tmp_path):
    clash = "D-3,Deal,900.00,EUR,Negotiation,2026-03-02,2026-12-15"
    rows = [GOOD.format(n) for n in (1, 2, 1, 3, 3)] + [clash, GOOD.format(1).replace("100.00", "100")]
    deals, aside, dataset = imported(tmp_path, *rows)
    assert deals["opportunity_id"].tolist() == ["D-1", "D-2"]
    assert aside[["line", "code"]].values.tolist() == [[line, "E_DUP_CONFLICT"] for line in "567"]
    entry = dataset["files"][1]
    assert (entry["read"], entry["accepted"], entry["quarantined"], entry["duplicates"]) == (7, 2, 3, 2)
    assert entry["amount"] == {
        "read": {"EUR": "1500.00"}, "accepted": {"EUR": "200.00"}, "quarantined": {"EUR": "1100.00"},
        "duplicates": {"EUR": "200.00"},
    }  # fmt: skip


def test_a_status_column_must_agree_with_the_stage(tmp_path):
    mapping = COMPANY + DEALS.replace("closed}", "closed, status: won}\n    values: {status: {'yes': won, 'no': open}}")
    rows = [
        "D-1,x,1,EUR,Closed Won,,,yes",
        "D-2,x,1,EUR,Closed Lost,,,yes",
        "D-3,x,1,EUR,Proposal,,,no",
        "D-4,x,1,EUR,Proposal,,,?",
    ]
    deals, aside, _ = imported(tmp_path, *rows, header=HEADER + ",won", mapping=mapping)
    assert deals["opportunity_id"].tolist() == ["D-1", "D-3"]
    assert aside["code"].tolist() == ["E_STATE_CONFLICT", "E_VALUE_FORMAT"]


def test_the_record_of_a_quoted_row_is_recovered_exactly(tmp_path):
    row = 'D-9,"a ""b""\n\nc",oops,EUR,Proposal,,'
    _, aside, _ = imported(tmp_path, GOOD.format(1), "", row, GOOD.format(2) + "\r")
    assert aside[["line", "record"]].values.tolist() == [["4", row]]


def test_history_values_are_written_as_the_tables_write_them(tmp_path):
    mapping = (
        COMPANY
        + """
profile: {decimal: ",", date_format: "%d/%m/%Y", datetime_format: "%d/%m/%Y %H:%M", sep: ";"}
tables:
  opportunity_history:
    file: deals.csv
    columns: {opportunity_id: id, changed_at: at, field: field, old_value: old, new_value: new}
    values: {field: {StageName: stage}}
"""
    )
    rows = [
        "D-1;02/03/2026 09:00;StageName;;prospecting", "D-1;03/03/2026 09:00;Amount;100,5;1000",
        "D-1;04/03/2026 09:00;Close Date;01/05/2026;", "D-1;05/03/2026 09:00;Next Step;call;mail",
        "D-1;06/03/2026 09:00;stage;Prospecting;Demo", "D-1;03/03/2026 09:00;Amount;100,5;1000",
    ]  # fmt: skip
    path = export(tmp_path / "export", *rows, header="id;at;field;old;new", mapping=mapping)
    dataset = sources.import_export(path, tmp_path / "export", tmp_path / "to", max_rejected=0.5, named=True)
    history = sources.read_table(tmp_path / "to", "opportunity_history")
    assert cells(history, "change_no", "field", "old_value", "new_value") == [
        [1, "stage", None, "Prospecting"], [2, "amount", "100.50", "1000.00"], [3, "close_date", "2026-05-01", None],
        [4, "Next Step", "call", "mail"],
    ]  # fmt: skip
    assert history["changed_at"].iloc[0] == pd.Timestamp("2026-03-02 08:00")
    assert dataset["tracked"] == ["stage", "amount", "close_date"]
    assert dataset["known_until"] == "2026-03-05"
    assert {q["code"]: q["n"] for q in dataset["quarantined"]} == {"E_STAGE_UNKNOWN": 1}
    assert {q["code"]: q["n"] for q in dataset["remarks"]} == {"W_FIELD_IGNORED": 1, "W_DUP_EXACT": 1}
    assert dataset["files"][1]["duplicates"] == 1


def test_a_field_that_no_analysis_reads_is_no_fault_of_the_export(tmp_path):
    mapping = (
        COMPANY
        + """
tables:
  opportunity_history: {file: deals.csv, columns: {opportunity_id: id, changed_at: at, field: f, new_value: new}}
"""
    )
    path = export(
        tmp_path / "export",
        "D,2026-01-01,Owner Name,x",
        "D,2026-01-02,stage,Proposal",
        header="id,at,f,new",
        mapping=mapping,
    )
    dataset = sources.import_export(path, tmp_path / "export", tmp_path / "to", max_rejected=0.0)
    assert not dataset["quarantined"] and ("W_FIELD_IGNORED", 1) in [(r["code"], r["n"]) for r in dataset["remarks"]]
    path = export(
        tmp_path / "export", "D,2026-01-01,Owner Name,x", "E,2026-01-02,Étape,y", header="id,at,f,new", mapping=mapping
    )
    line = refused(3, sources.import_export, path, tmp_path / "export", tmp_path / "to")
    for word in ("Owner Name", "Étape", "valid: stage, amount, close_date", "map them under `values`", "deals.csv"):
        assert word in line


# --- a history without creation rows ----------------------------------------------------------------------------------

LOGGED = (
    COMPANY
    + DEALS.replace("closed}", "closed, owner_id: owner}")
    + """
  opportunity_history:
    file: changes.csv
    columns: {opportunity_id: id, changed_at: at, field: field, old_value: old, new_value: new}
    values: {field: {StageName: stage, Amount: amount, CloseDate: close_date}}
"""
)
LOGGED_DEALS = [
    "D-1,x,1200,EUR,Closed Won,2026-01-10,2026-04-20,R-1",  # moved twice, then won
    "D-2,x,500.5,EUR,Proposal,2026-02-01,2026-12-15,R-1",  # amount and close date never changed
    "D-3,x,,EUR,Prospecting,2026-02-01,2026-12-15,R-1",  # no stage change: placed by its dates
    "D-4,x,70,EUR,Proposal,,2026-12-15,R-2",  # no creation date
]
CHANGES_ONLY = [
    "D-1,2026-02-10T10:00:00Z,StageName,Prospecting,Negotiation",
    "D-1,2026-03-05T10:00:00Z,Amount,1000,1200",
    "D-1,2026-04-20T10:00:00Z,StageName,Negotiation,Closed Won",
    "D-1,2026-04-20T10:00:00Z,CloseDate,2026-05-31,2026-04-20",
    "D-2,2026-03-01T10:00:00Z,StageName,Prospecting,Proposal",
    "D-3,2026-03-01T10:00:00Z,Amount,10,",
    "D-4,2026-03-01T10:00:00Z,StageName,Prospecting,Proposal",
]


def logged(tmp_path: Path, *changes: str) -> tuple[dict, pd.DataFrame]:
    """dataset.json and history of the four deals with these changes."""
    path = export(tmp_path / "export", *LOGGED_DEALS, header=HEADER + ",owner", mapping=LOGGED)
    lines = "\n".join(["id,at,field,old,new", *changes, ""])
    (tmp_path / "export" / "changes.csv").write_text(lines, encoding="utf-8")
    dataset = sources.import_export(path, tmp_path / "export", tmp_path / "to")
    return dataset, sources.read_table(tmp_path / "to", "opportunity_history")


def test_a_history_of_changes_only_gets_the_creation_rows_it_lacks(tmp_path):
    dataset, history = logged(tmp_path, *CHANGES_ONLY)
    assert (dataset["history_since"], dataset["deduced"]) == ("2026-02-10", 6)
    assert dataset["known_until"] == "2026-04-20" and dataset["files"][2]["accepted"] == len(CHANGES_ONLY)
    added = history[history["change_no"] < 0]
    assert cells(added, "change_no", "opportunity_id", "field", "old_value", "new_value", "changed_by") == [
        [-6, "D-1", "stage", None, "Prospecting", None], [-5, "D-1", "amount", None, "1000.00", None],
        [-4, "D-1", "close_date", None, "2026-05-31", None], [-3, "D-2", "stage", None, "Prospecting", None],
        [-2, "D-2", "amount", None, "500.50", None], [-1, "D-2", "close_date", None, "2026-12-15", None],
    ]  # fmt: skip
    assert added["changed_at"].iloc[0] == pd.Timestamp("2026-01-09 23:00")  # the start of the day in Paris
    states = Snapshot(tmp_path / "to", quarter="2026Q2").states([dt.date(2026, 2, 5), dt.date(2026, 3, 31)])
    told = states[states["opportunity_id"].isin(["D-1", "D-2"])]
    assert cells(told, "opportunity_id", "stage", "status", "amount", "close_date") == [
        ["D-1", "Prospecting", "open", Decimal("1000.00"), pd.Timestamp("2026-05-31")],
        ["D-2", "Prospecting", "open", Decimal("500.50"), pd.Timestamp("2026-12-15")],
        ["D-1", "Negotiation", "open", Decimal("1200.00"), pd.Timestamp("2026-05-31")],
        ["D-2", "Proposal", "open", Decimal("500.50"), pd.Timestamp("2026-12-15")],
    ]


def test_a_history_with_creation_rows_is_left_as_it_is(tmp_path):
    created = [
        f"{deal},2026-{day}T10:00:00Z,{field},,{value}"
        for deal, day, values in (("D-1", "01-10", ("Prospecting", "1000", "2026-05-31")),
                                  ("D-2", "02-01", ("Prospecting", "500.50", "2026-12-15")))
        for field, value in zip(("StageName", "Amount", "CloseDate"), values, strict=True)
    ]  # fmt: skip
    dataset, history = logged(tmp_path, *created, *CHANGES_ONLY)
    assert "history_since" not in dataset and "deduced" not in dataset
    assert history["change_no"].tolist() == list(range(1, len(created) + len(CHANGES_ONLY) + 1))
    state = Snapshot(tmp_path / "to", quarter="2026Q1", as_of="2026-02-05").opportunities.set_index("opportunity_id")
    assert state.loc["D-1", ["stage", "amount"]].tolist() == ["Prospecting", Decimal("1000.00")]


# --- up to which day the data is known --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("closings", "known_until"),
    [
        (["2026-06-01", "2026-06-20", "2026-07-01", "2034-01-01"], "2026-07-01"),
        (["2026-06-01", "2026-06-20", "2026-07-02", "2034-01-01"], "2034-01-01"),  # never three within thirty days
        (["2026-06-01", "2026-06-20"], "2026-06-20"),
        ([], "2026-03-02"),
    ],
)
def test_one_mistyped_close_date_does_not_move_the_last_known_day(tmp_path, closings, known_until):
    rows = [f"W-{day},x,1,EUR,Closed Won,2026-03-02,{day}" for day in closings]
    mapping = export(tmp_path / "export", GOOD.format(1), *rows)
    assert sources.import_export(mapping, tmp_path / "export", tmp_path / "to")["known_until"] == known_until


def test_what_is_recorded_after_the_day_of_the_export_is_set_aside(tmp_path):
    mapping = export(tmp_path / "export", GOOD.format(1))
    call = (sources.import_export, mapping, tmp_path / "export", tmp_path / "to")
    line = refused(3, *call, as_of=dt.date(2026, 3, 1))
    assert "E_TIME_FUTURE 1 (line 2: created_at" in line and "--as-of" in line
    assert call[0](*call[1:], as_of=dt.date(2026, 3, 2))["known_until"] == "2026-03-02"


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["empty"]),
        (b"\n\n", ["empty"]),
        (HEADER.encode() + b"\n", ["no rows"]),
        (HEADER.replace("amount,", "").encode() + b"\nD,x,,,,\n", ["column amount not found", "present: id, name"]),
        (b"D-1,Deal,1,EUR,Proposal,,\n", ["column id not found", "header"]),
        (HEADER.replace(",", ";").encode() + b"\n", ["no rows"]),
        (HEADER.encode() + b",ID\nD,x,1,EUR,Proposal,,,D\n", []),
        (HEADER.encode() + b",id\nD,x,1,EUR,Proposal,,,D\n", ["more than once"]),
        (HEADER.encode() + b'\nD,"x,1,EUR,Proposal,,\n', ["quote", "line 2"]),
        (HEADER.encode() + b'\nD,"x" y,1,EUR,Proposal,,\n', ["quote", "line 2"]),
        (HEADER.encode() + b"\nD,x,1,EUR,Proposal,,\nE,x,1,EU", ["truncated", "line 3"]),
        (HEADER.encode() + b"\nD,\xe9t\xe9,1,EUR,Proposal,,\n", []),
        (HEADER.encode() + b"\nD,\x81t\x8d,1,EUR,Proposal,,\n", ["E_ENCODING", "encoding"]),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_and_nothing_is_written(tmp_path, content, words):
    mapping = export(tmp_path / "export")
    (tmp_path / "export" / "deals.csv").write_bytes(content)
    call = (sources.import_export, mapping, tmp_path / "export", tmp_path / "to")
    if not words:
        call[0](*call[1:], as_of=dt.date(2026, 1, 1))
        return
    line = refused(3, *call)
    assert all(word in line for word in [*words, "deals.csv"])
    assert not (tmp_path / "to").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != ".to.lock") == ["export", "export.yml"]


def test_too_many_rejected_rows_refuse_the_import_and_leave_the_old_tables(tmp_path):
    imported(tmp_path, *[GOOD.format(n) for n in range(3)])
    before = contents(tmp_path / "to")
    rows = [GOOD.format(n) for n in range(10)]
    rows += [GOOD.format(10).replace("Negotiation", stage) for stage in ("Nego/Review", "Nego/Review", "D'accord")]
    line = refused(3, imported, tmp_path, *rows, max_rejected=0.05)
    for word in ("3 of 13 rows", "E_STAGE_UNKNOWN 3", "line 12, 13, 14", "Nego/Review, D'accord"):
        assert word in line
    assert contents(tmp_path / "to") == before
    assert [path.name for path in tmp_path.glob(".to.*")] == [".to.lock"]


def test_one_per_cent_of_the_won_amount_is_enough_to_refuse(tmp_path):
    won = "W-{},x,{},EUR,Closed Won,2026-03-02,{}"
    rows = [won.format(n, 100, "2026-06-30") for n in range(99)]
    imported(tmp_path, *rows, won.format("late", 99, "2026-01-01"), max_rejected=0.05)
    line = refused(3, imported, tmp_path, *rows, won.format("late", 200, "2026-01-01"), max_rejected=0.05)
    assert "200.00 of 10100.00 EUR won" in line
    assert line.endswith("or allow it with --max-rejected 0.06")
    imported(tmp_path, *rows, won.format("late", 200, "2026-01-01"), max_rejected=0.06)


def test_a_refusal_names_every_code_with_an_example_and_what_would_allow_it(tmp_path):
    rows = [GOOD.format(1) + ","] * 30
    rows += ["A,x,?,EUR,Proposal,,,", "B,x,1,?,Proposal,,,", "C,x,1,EUR,?,,,", "D,x,1,EUR,Proposal,?,,"]
    rows += ["E,x,1,EUR,Proposal,,?,", GOOD.format(9) + ",perhaps", "short"]
    mapping = COMPANY + DEALS.replace("closed}", "closed, forecast_category: cat}")
    line = refused(3, imported, tmp_path, *rows, header=HEADER + ",cat", mapping=mapping, max_rejected=0.05)
    for word in (
        "E_AMOUNT_FORMAT 1 (line 32: amount '?': not an amount", "E_CURRENCY_UNKNOWN 1 (line 33: currency '?'",
        "E_DATE_FORMAT 2 (line 35, 36: created_at '?': not a date", "E_FIELD_COUNT 1 (line 38: 1 fields", "E_STAGE_UNKNOWN 1 (line 34: unknown: ?)",
        "forecast_category 'perhaps': not a value this column can hold; valid: pipeline, best_case, commit, closed, omitted)",
    ):  # fmt: skip
        assert word in line
    assert "7 of 37 rows" in line and line.endswith("or allow it with --max-rejected 0.19")
    imported(tmp_path, *rows, header=HEADER + ",cat", mapping=mapping, max_rejected=0.19)


def test_the_share_a_refusal_names_is_exact(tmp_path):
    rows = [GOOD.format(n) for n in range(71)] + [GOOD.format(n).replace("100.00", "?") for n in range(71, 100)]
    assert refused(3, imported, tmp_path, *rows, max_rejected=0.28).endswith("--max-rejected 0.29")
    imported(tmp_path, *rows, max_rejected=0.29)


def test_the_quarantine_is_also_a_csv_that_no_spreadsheet_computes(tmp_path):
    rows = ["=1+1,x,?,EUR,Proposal,,", '-2,"é ""b""\n",?,EUR,Proposal,,', "@x,x,?,EUR,Proposal,,", "D-1,x,?,EUR,Proposal,,"]
    _, aside, _ = imported(tmp_path, *rows)
    text = (tmp_path / "to" / "quarantine.csv").read_bytes().decode("utf-8")
    header, *lines = csv.reader(text.splitlines(keepends=True))
    assert tuple(header) == sources.QUARANTINE and text.startswith('"file","line"')
    assert [line[-1] for line in lines] == ["'" + rows[0], "'" + rows[1], "'" + rows[2], rows[3]]
    assert [line[:-1] for line in lines] == aside[list(sources.QUARANTINE[:-1])].values.tolist()


def test_the_import_command_says_why_rows_were_set_aside(tmp_path, capsys):
    mapping = export(tmp_path / "export", GOOD.format(1), GOOD.format(2).replace("100.00", "?"))
    argv = ["import", str(mapping), "--from", str(tmp_path / "export"), "--to", str(tmp_path / "to")]
    assert cli.main(argv) == 3
    assert "--max-rejected 0.5" in capsys.readouterr().err
    assert cli.main([*argv, "--max-rejected", "0.5"]) == 0
    assert "  opportunities: 1 E_AMOUNT_FORMAT: not an amount" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["import", "--help"])
    help_ = " ".join(capsys.readouterr().out.split())
    assert "default: 0.05" in help_ and "1 %" in help_


def test_another_dataset_or_a_file_is_not_replaced(tmp_path):
    imported(tmp_path, GOOD.format(1))
    before = contents(tmp_path / "to")
    other = (COMPANY + DEALS).replace("name: small", "name: other")
    line = refused(7, imported, tmp_path, GOOD.format(2), mapping=other)
    assert "'small'" in line and "'other'" in line and contents(tmp_path / "to") == before
    mapping = export(tmp_path / "export", GOOD.format(1))
    assert "a file" in refused(7, sources.import_export, mapping, tmp_path / "export", mapping)
    assert mapping.read_text(encoding="utf-8") == COMPANY + DEALS


def test_an_import_that_loses_a_row_stops_with_an_integrity_error(tmp_path, monkeypatch):
    def careless(findings, rows, key):
        return rows["opportunity_id"].notna().to_numpy()

    monkeypatch.setattr("revops_lib.sources.checks.find_duplicates", careless)
    line = refused(9, imported, tmp_path, GOOD.format(1), "D-9,Deal,oops,EUR,Proposal,,")
    assert "deals.csv" in line and not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("name: small", "nmae: small", ["nmae", "name"]),
        ("opportunities:", "oportunities:", ["oportunities", "did you mean opportunities?"]),
        ("amount: amount", "amonut: amount", ["amonut", "did you mean amount?"]),
        ("file: deals.csv", "fle: deals.csv", ["fle", "did you mean file?"]),
        ("opportunity_id: id, ", "", ["opportunity_id"]),
        ("stage: stage,", "", ["status"]),
        ("status: lost}", "status: gone}", ["gone", "lost"]),
        ("position: 5", "position: five", ["position"]),
        ("Closed Lost", "closed won", ["twice"]),
        ("timezone: Europe/Paris", "timezone: Paris", ["Paris", "Europe/Paris"]),
        ("fiscal_year_end: DEC", "fiscal_year_end: 12", ["12", "quotes"]),
        ("currency: EUR", "currency: Euro", ["Euro"]),
        ("name: small", "name: small\nprofile: {decimal: ','  , thousands: ','}", ["decimal"]),
        ("name: small", "name: small\nprofile: {date_format: '%d/%m'}", ["%d/%m"]),
        ("name: small", "name: small\nprofile: {date_format: '%m/%m/%Y'}", ["date_format", "%m/%m/%Y"]),
        ("name: small", "name: small\nprofile: {datetime_format: '%Y-%m'}", ["datetime_format"]),
        ("name: small", "name: small\nprofile: {sep: ';;'}", ["sep"]),
        ("name: small", "name: small\nprofile: {encoding: utf-9}", ["utf-9"]),
        ("name: small", "name: small\nprofile: {date_window: [2026-01-01]}", ["date_window"]),
        ("file: deals.csv", "file: deals.csv\n    constants: {amount: '5'}", ["amount", "twice"]),
        ("file: deals.csv", "file: deals.csv\n    extra: [amount]", ["amount", "extra"]),
        ("file: deals.csv", "file: deals.csv\n    profile: 5", ["profile"]),
        ("name: name", "name: 7", ["7", "quotes"]),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_refused_with_the_nearest_names(tmp_path, before, after, words):
    text = COMPANY + DEALS
    assert before in text
    mapping = export(tmp_path / "export", GOOD.format(1), mapping=text.replace(before, after, 1))
    line = refused(2, sources.import_export, mapping, tmp_path / "export", tmp_path / "to")
    assert all(word in line for word in [*words, "export.yml"])
    assert not (tmp_path / "to").exists()


def test_wrong_arguments_are_refused(tmp_path):
    mapping = export(tmp_path / "export", "D-1,x,,,Proposal,,")
    assert "nowhere" in refused(2, sources.import_export, mapping, tmp_path / "nowhere", tmp_path / "to")
    assert "--as-of" in refused(2, sources.import_export, mapping, tmp_path / "export", tmp_path / "to")
    assert "share" in refused(2, sources.import_export, mapping, tmp_path / "export", tmp_path / "to", max_rejected=5)
    with pytest.raises(CannotWrite):
        sources.import_export(mapping, tmp_path / "export", tmp_path / "export", as_of=dt.date(2026, 1, 1))
    (tmp_path / "export" / "deals.csv").unlink()
    assert "deals.csv not found" in refused(3, sources.import_export, mapping, tmp_path / "export", tmp_path / "to")
    (tmp_path / "export" / "deals.csv.gz").write_bytes(gzip.compress(HEADER.encode() + b"\n" * 9000)[:30])
    assert "damaged" in refused(3, sources.import_export, mapping, tmp_path / "export", tmp_path / "to")


# --- mapping ---------------------------------------------------------------------------------------------------------


def test_column_names_match_whatever_the_loader_did_to_them():
    header = ["property_Deal_Name", "properties__amount", "Close Date", "STAGE"]
    for spelling, position in (("deal name", 0), ("Amount", 1), ("closedate", 2), ("stage", 3)):
        assert find_column(header, (spelling,), "f.csv") == position
    assert find_column(["b", "a"], ("x", "a", "b"), "f.csv") == 1
    assert find_column(["Amount", "amount"], ("amount",), "f.csv") == 1
    assert "more than once" in refused(3, find_column, ["Amount", "amount"], ("AMOUNT",), "f.csv")


def test_values_constants_and_own_columns(tmp_path):
    mapping = (
        COMPANY
        + DEALS
        + """
    values: {name: {n/a: "", Acme: ACME}}
    constants: {type: new}
    extra: [Deal Colour]
"""
    )
    rows = ["D-1,n/a,1,EUR,Proposal,,,red", "D-2,Acme,1,EUR,Proposal,,,", "D-3,acme,1,EUR,PROPOSAL,,,007"]
    deals, _, dataset = imported(tmp_path, *rows, header=HEADER + ",deal_colour", mapping=mapping)
    assert cells(deals, "name", "type", "Deal Colour") == [
        [None, "new", "red"], ["ACME", "new", None], ["acme", "new", "007"],
    ]  # fmt: skip
    assert [(a["column"], a["written"], a["counted_as"], a["n"]) for a in dataset["aliases"]] == [
        ("name", "Acme", "ACME", 1), ("name", "n/a", "", 1), ("stage", "PROPOSAL", "Proposal", 1),
    ]  # fmt: skip


def test_the_commented_sections_of_the_example_mapping_import(tmp_path):
    head, tables_, rest = CRM_MAPPING.read_text(encoding="utf-8").partition("\ntables:\n")
    taught = rest[rest.index("#  opportunity_history:") :]
    mapping = head + tables_ + re.sub("(?m)^#(?=  )", "", taught)
    history = "opportunity_id,created_date,field,old_value,new_value,created_by_id\nD-1,2017-03-01,Stage,Prospecting,Engaging,R"
    path = export(tmp_path / "export", *history.splitlines()[1:], header=history.splitlines()[0], mapping=mapping,
                  file="field_history.csv")  # fmt: skip
    for file, text in (
        ("quotas", "sales_agent,quarter,quota\nR,2017Q1,1000"),
        ("splits", "opportunity_id,sales_agent,share\nD-1,R,0.6"),
    ):
        (tmp_path / "export" / f"{file}.csv").write_text(f"{text}\n", encoding="utf-8")
    sources.import_export(path, tmp_path / "export", tmp_path / "to")
    assert sources.read_table(tmp_path / "to", "opportunity_history")["field"].tolist() == ["stage"]
    assert cells(sources.read_table(tmp_path / "to", "quotas"), "measure", "amount") == [["bookings", Decimal("1000.00")]]
    assert cells(sources.read_table(tmp_path / "to", "credits"), "kind", "share") == [["split", 0.6]]
    plan = sources.read_yaml(ROOT / "data" / "plans" / "account_executive.yml")
    assert plan["components"][0]["measure"] == "bookings"


def test_stages_can_come_from_a_file(tmp_path):
    head, _, _ = COMPANY.partition("stages:")
    mapping = head + DEALS + "  stages: {file: stages.csv, columns: {stage: label, position: order, status: state}}\n"
    path = export(tmp_path / "export", GOOD.format(1), mapping=mapping)
    (tmp_path / "export" / "stages.csv").write_text("label,order,state\nNegotiation,1,Open\n", encoding="utf-8")
    sources.import_export(path, tmp_path / "export", tmp_path / "to")
    assert sources.read_table(tmp_path / "to", "opportunities")["status"].tolist() == ["open"]


# --- properties ------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.decimals(-(10**12), 10**12, places=2), st.sampled_from([(".", ""), (",", " "), (",", "."), (".", ",")]))
def test_money_is_exact_in_every_declared_notation(amount, notation):
    decimal, thousands = notation
    text = f"{amount:,.2f}".replace(",", "\0").replace(".", decimal).replace("\0", thousands)
    read = cast("money", pd.Series([text], dtype="str"), Notation(decimal=decimal, thousands=thousands), "UTC")
    assert read.values.tolist() == [amount] and not read.wrong


@settings(max_examples=60, deadline=None)
@given(
    st.datetimes(dt.datetime(2000, 1, 2), dt.datetime(2036, 12, 30)),
    st.sampled_from(["Europe/Paris", "America/New_York"]),
)
def test_an_instant_with_offset_is_the_same_instant_in_every_zone(moment, zone):
    aware = moment.replace(tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30)))
    read = cast("instant", pd.Series([aware.isoformat()], dtype="str"), Notation(timezone=zone), zone)
    assert read.values.iloc[0] == aware.astimezone(dt.UTC).replace(tzinfo=None)


_cell = st.sampled_from(["", "D-1", "D-2", "x", "100", "1.5", "oops", "EUR", "euro", "Proposal", "Closed Won", "Demo",
                         "2026-03-02", "2026-01-01", "1899-12-30", '"a\nb"', '"q""q"', " "])  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(st.lists(_cell, min_size=6, max_size=8), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_every_record_ends_in_one_place_whatever_the_order(tmp_path_factory, rows, seed):
    lines = [line for line in (",".join(row) for row in rows) if line]
    shuffled = random.Random(seed).sample(lines, len(lines))
    results = []
    for order in (lines, shuffled):
        deals, aside, dataset = imported(tmp_path_factory.mktemp("any"), *order)
        entry = dataset["files"][1]
        assert entry["read"] == len(lines) == len(deals) + len(aside) + entry["duplicates"]
        assert set(aside["record"]) <= set(lines)
        results.append((sorted(map(str, deals.to_dict("records"))), sorted(aside["code"] + aside["record"])))
    assert results[0] == results[1]


def test_the_errors_have_the_exit_codes_of_the_design():
    assert (UsageError.exit_code, DataRefused.exit_code, sources.IntegrityError.exit_code) == (2, 3, 9)
