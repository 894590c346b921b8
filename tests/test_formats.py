"""Whatever the format and the notation of an export: the same tables, or one sentence that says what to declare."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
import os
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from revops_lib import sources
from revops_lib.errors import RevopsError
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("REVOPS_SHARED", ROOT.parent / "shared")) / "data"
CRM = SHARED / "crm_opportunities"
CRM_MAPPING = ROOT / "data" / "mappings" / "crm_opportunities.yml"
DAY = dt.date(2026, 11, 21)

COMPANY = {
    "name": "small",
    "currency": "EUR",
    "timezone": "Europe/Paris",
    "fiscal_year_end": "DEC",
    "stages": [
        {"stage": "Proposal", "position": 1, "status": "open"},
        {"stage": "Closed Won", "position": 2, "status": "won"},
        {"stage": "Closed Lost", "position": 3, "status": "lost"},
    ],
}
COLUMNS = {"opportunity_id": "id", "name": "name", "amount": "amount", "currency": "currency", "stage": "stage",
           "created_at": "created", "close_date": "closed"}  # fmt: skip
DEALS = [
    ["007", "Société Łódź – été, \"A\"\nB", "1234.50", "EUR", "Proposal", "2026-03-02T09:00:00+01:00", "2026-12-25"],
    ["1E5", "NA", "0.10", "EUR", "Closed Won", "2026-03-03T10:30:00+01:00", "2026-06-30"],
    ["None", "", "", "EUR", "Proposal", "2026-03-29T12:00:00+02:00", ""],
]  # fmt: skip


def imported(folder: Path, source: Path, to: str = "to", file: str = "deals", **more: object) -> pd.DataFrame:
    """The opportunities of an export; `more`: keys of the table's mapping, or of the whole mapping."""
    top = {key: more.pop(key) for key in ("profile", "fx", "currencies") if key in more}
    table = {"file": file, "columns": COLUMNS, **more}
    path = folder / f"{to}.yml"
    path.write_text(yaml.safe_dump({**COMPANY, **top, "tables": {"opportunities": table}}), encoding="utf-8")
    sources.import_export(path, source, folder / to, as_of=DAY)
    return sources.read_table(folder / to, "opportunities")


def refusal(folder: Path, *args: object, **kwargs: object) -> str:
    with pytest.raises(RevopsError) as failure:
        imported(folder, *args, **kwargs)  # type: ignore[arg-type]
    assert failure.value.exit_code == 3 and "\n" not in str(failure.value)
    return str(failure.value)


# --- formats ---------------------------------------------------------------------------------------------------------


def as_csv(
    folder: Path, text: str = "deals.csv", encoding: str = "utf-8", sep: str = ",", start: str = "", end: str = "\n"
) -> None:
    with (folder / text).open("w", encoding=encoding, newline="") as file:
        file.write(start)
        csv.writer(file, delimiter=sep, lineterminator=end).writerows([list(COLUMNS.values()), *DEALS])


def as_gzip(folder: Path) -> None:
    as_csv(folder)
    (folder / "deals.csv.gz").write_bytes(gzip.compress((folder / "deals.csv").read_bytes()))
    (folder / "deals.csv").unlink()


def typed() -> list[dict[str, object]]:
    """The deals as a database holds them: decimals, instants, days."""
    rows = []
    for row in DEALS:
        one = dict(zip(COLUMNS.values(), [cell or None for cell in row], strict=True))
        one["amount"] = one["amount"] and Decimal(one["amount"])
        one["created"] = dt.datetime.fromisoformat(one["created"]).astimezone(dt.UTC)
        one["closed"] = one["closed"] and dt.date.fromisoformat(one["closed"])
        rows.append(one)
    return rows


def as_xlsx(folder: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([])
    sheet.append(list(COLUMNS.values()))
    for row in typed():
        local = (
            row["created"].astimezone(ZoneInfo("Europe/Paris")).replace(tzinfo=None)
        )  # a spreadsheet knows no offset: local time of the company
        sheet.append(
            [
                *list(row.values())[:2],
                row["amount"] and float(row["amount"]),
                row["currency"],
                row["stage"],
                local,
                row["closed"],
            ]
        )
    book.save(folder / "deals.xlsx")


def as_parquet(folder: Path) -> None:
    pq.write_table(pa.Table.from_pylist(typed()), folder / "deals.parquet")


def as_json_lines(folder: Path) -> None:
    lines = [json.dumps({"properties": {k: v for k, v in zip(COLUMNS.values(), row, strict=True) if v}}) for row in DEALS]
    (folder / "deals.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def as_duckdb(folder: Path) -> None:
    rows = pa.Table.from_pylist(typed())
    with duckdb.connect(str(folder / "crm.duckdb")) as base:
        base.register("rows", rows)
        base.execute("CREATE SCHEMA landed; CREATE TABLE landed.deals AS SELECT * FROM rows")


def as_sqlite(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "crm.sqlite")) as base:
        base.execute(
            "CREATE TABLE deals (id TEXT, name TEXT, amount REAL, currency TEXT, stage TEXT, created TEXT, closed TEXT)"
        )
        base.executemany("INSERT INTO deals VALUES (?, ?, ?, ?, ?, ?, ?)", [[cell or None for cell in row] for row in DEALS])
        base.commit()


FORMATS = {
    "csv": as_csv,
    "gzip": as_gzip,
    "semicolon and utf-8 mark": lambda folder: as_csv(folder, encoding="utf-8-sig", sep=";"),
    "tab and utf-16": lambda folder: as_csv(folder, "deals.txt", encoding="utf-16", sep="\t"),
    "utf-16 without mark": lambda folder: as_csv(folder, encoding="utf-16-le"),
    "sep line of Excel": lambda folder: as_csv(folder, sep="|", start="sep=|\r\n", end="\r\n"),
    "carriage returns": lambda folder: as_csv(folder, end="\r"),
    "xlsx": as_xlsx,
    "parquet": as_parquet,
    "json lines": as_json_lines,
    "duckdb": as_duckdb,
    "sqlite": as_sqlite,
}


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_every_format_gives_the_same_deals(tmp_path, write):
    (tmp_path / "export").mkdir()
    write(tmp_path / "export")
    deals = imported(tmp_path, tmp_path / "export").sort_values("opportunity_id", ignore_index=True)
    assert deals["opportunity_id"].tolist() == ["007", "1E5", "None"]
    assert deals["name"].tolist()[:2] == [DEALS[0][1], "NA"] and pd.isna(deals["name"][2])
    assert deals["amount"].tolist() == [Decimal("1234.50"), Decimal("0.10"), pd.NA]
    instants = ["2026-03-02 08:00", "2026-03-03 09:30", "2026-03-29 10:00"]
    assert deals["created_at"].tolist() == [pd.Timestamp(instant) for instant in instants]
    assert deals["close_date"].dt.strftime("%Y-%m-%d").tolist()[:2] == ["2026-12-25", "2026-06-30"]


def test_a_workbook_or_database_is_an_export_by_itself_and_unclear_names_are_refused(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    as_duckdb(folder)
    assert len(imported(tmp_path, folder / "crm.duckdb")) == 3
    as_sqlite(folder)
    line = refusal(tmp_path, folder, "again")
    assert "E_FILE_AMBIGUOUS" in line and "crm.duckdb#landed.deals, crm.sqlite#deals" in line
    as_xlsx(folder)
    book = openpyxl.load_workbook(folder / "deals.xlsx")
    book.create_sheet("Notes")
    book.save(folder / "deals.xlsx")
    assert "sheets Sheet, Notes" in refusal(tmp_path, folder, "again")
    assert len(imported(tmp_path, folder, "sheet", sheet="Sheet")) == 3
    assert "'Sheets' not found; there: Sheet, Notes" in refusal(tmp_path, folder, "again", sheet="Sheets")
    line = refusal(tmp_path, folder, "again", file="offers")
    assert "E_FILE_MISSING: file offers not found; there: crm.duckdb, crm.sqlite, deals.xlsx" in line


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("deals.jsonl", b'{"id": "1"}\n{"id": "2', ["E_TRUNCATED", "line 2"]),
        ("deals.jsonl", b"\n\n", ["E_EMPTY"]),
        ("deals.xlsx", b"id,name", ["E_NOT_XLSX", "save it as .xlsx"]),
        ("deals.parquet", b"PAR1", ["damaged"]),
        ("crm.duckdb", b"no database", ["cannot be read"]),
        ("deals.csv", b"PK\x03\x04", ["E_NOT_CSV", "Excel"]),
        ("deals.csv", b"\xef\xbb\xbf<!doctype html>", ["E_NOT_CSV", "HTML"]),
        ("deals.csv", b'[{"error": 1}]', ["E_NOT_CSV", "JSON"]),
        ("deals.csv", b"x;y|z\n", ["E_SEPARATOR_AMBIGUOUS", "sep"]),
        ("deals.csv", b"id,id,name\n1,2,x\n", ["E_COLUMN_DUPLICATE", "id (column 1), id (column 2)"]),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_or_cut_short_is_refused(tmp_path, name, content, words):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / name).write_bytes(content)
    line = refusal(tmp_path, tmp_path / "export", columns={"opportunity_id": "id", "stage": "name"})
    assert all(word in line for word in words)


def test_rejected_rows_of_typed_sources_are_kept_and_can_be_corrected(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    for write, cure in ((as_json_lines, ('"Proposal"', '"Closed Lost"')), (as_xlsx, ("Proposal", "Closed Lost"))):
        write(folder)
        stages = [
            {"stage": "Closed Won", "position": 2, "status": "won"},
            {"stage": "Closed Lost", "position": 3, "status": "lost"},
        ]
        path = tmp_path / "m.yml"
        content = {**COMPANY, "stages": stages, "tables": {"opportunities": {"file": "deals", "columns": COLUMNS}}}
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        to = tmp_path / write.__name__
        sources.import_export(path, folder, to, as_of=DAY, max_rejected=1)
        aside = sources.read_table(to, "quarantine")
        assert aside["code"].tolist() == ["E_STAGE_UNKNOWN"] * 2 and aside["line"].tolist() in (["1", "3"], ["3", "5"])
        text = (to / "quarantine.csv").read_text(encoding="utf-8")
        fixed = tmp_path / "fixed.csv"
        fixed.write_text(text.replace(cure[0].replace('"', '""'), cure[1].replace('"', '""')), encoding="utf-8")
        sources.import_export(path, folder, to, as_of=DAY, fixed=fixed)
        assert sources.read_table(to, "opportunities")["opportunity_id"].tolist() == ["007", "1E5", "None"]
        next(folder.iterdir()).unlink()


# --- notations -------------------------------------------------------------------------------------------------------


def amounts(
    folder: Path, *written: str, profile: dict[str, str] | None = None, currency: str = "EUR", close: str = "2026-12-25"
) -> list:
    """The amounts of a file that writes them so."""
    source = folder / "export"
    source.mkdir(exist_ok=True)
    with (source / "deals.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [[str(i), "x", amount, currency, "Proposal", "", close] for i, amount in enumerate(written)]
        csv.writer(file, delimiter=";").writerows([list(COLUMNS.values()), *rows])
    return imported(folder, source, profile=profile or {})["amount"].tolist()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["1 234,56 €", "99,5", "-12"], ["1234.56", "99.50", "-12.00"]),
        (["1.234,56", "1.000", "2.000.000"], ["1234.56", "1000.00", "2000000.00"]),
        (["1,234.56", "1,000"], ["1234.56", "1000.00"]),
        (["1'234.50", "1’000"], ["1234.50", "1000.00"]),
        (["1,234,567", "1,000"], ["1234567.00", "1000.00"]),
        (["€1,234.50", "EUR 7", "(8.25)", "-€9.00", "10.00-"], ["1234.50", "7.00", "-8.25", "-9.00", "-10.00"]),
        (["\u22125,25", "1\u202f000\u00a0000,00"], ["-5.25", "1000000.00"]),
        (["5", "1000"], ["5.00", "1000.00"]),
        (["0.500"], ["0.50"]),
        (["1234.500", "2"], ["1234.50", "2.00"]),
    ],
)  # fmt: skip
def test_an_amount_of_one_reading_decides_how_the_others_are_read(tmp_path, written, read):
    assert amounts(tmp_path, *written) == [Decimal(value) for value in read]


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (["1.234", "25.000"], "E_AMOUNT_AMBIGUOUS"),
        (["1,234", "12"], "E_AMOUNT_AMBIGUOUS"),
        (["1234.50", "1234,50"], "E_AMOUNT_MIXED"),
        (["1.234,50", "1,234.50"], "E_AMOUNT_MIXED"),
    ],
)
def test_amounts_of_two_readings_are_refused_until_the_notation_is_declared(tmp_path, written, code):
    with pytest.raises(RevopsError, match=code) as failure:
        amounts(tmp_path, *written)
    assert "decimal" in str(failure.value)
    if code == "E_AMOUNT_AMBIGUOUS":
        sign = "," if "," in written[0] else "."
        other = "." if sign == "," else ","
        assert amounts(tmp_path, *written, profile={"decimal": other})[0] == Decimal(written[0].replace(sign, ""))


def test_a_sign_that_contradicts_the_currency_or_its_units_is_refused(tmp_path):
    assert amounts(tmp_path, "$5.50", "US$6", currency="USD") == [Decimal("5.50"), Decimal("6.00")]
    assert amounts(tmp_path, "1000", "¥7", currency="JPY") == [Decimal("1000.00"), Decimal("7.00")]
    for amount, currency in (("£5.00", "EUR"), ("USD 5", "EUR"), ("100.50", "JPY")):
        with pytest.raises(RevopsError, match="E_AMOUNT_FORMAT"):
            amounts(tmp_path, amount, currency=currency)


def days(folder: Path, *written: str, profile: dict[str, str] | None = None, created: str = "") -> list[str]:
    source = folder / "export"
    source.mkdir(exist_ok=True)
    with (source / "deals.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [[str(i), "x", "1", "EUR", "Proposal", created, day] for i, day in enumerate(written)]
        csv.writer(file).writerows([list(COLUMNS.values()), *rows])
    return imported(folder, source, profile=profile or {})["close_date"].dt.strftime("%Y-%m-%d").tolist()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["25/12/2026", "03/04/2026"], ["2026-12-25", "2026-04-03"]),
        (["12/25/2026", "03/04/2026"], ["2026-12-25", "2026-03-04"]),
        (["25.12.2026", "2026-04-03"], ["2026-12-25", "2026-04-03"]),
        (["2026/04/03", "3-Apr-2026", "Apr 3, 2026", "3 April 2026"], ["2026-04-03"] * 4),
        (["05/05/2026", "06/06/2026"], ["2026-05-05", "2026-06-06"]),
        (["12/25/2026 11:30 PM", "1/2/2026 12:15 AM"], ["2026-12-25", "2026-01-02"]),
        (["2026-04-03T23:30:00Z", "1775259000000"], ["2026-04-04", "2026-04-04"]),
        (["2026-04-03T23:30:00", "2026-04-03 9:05"], ["2026-04-03", "2026-04-03"]),
    ],
)  # fmt: skip
def test_a_date_of_one_reading_decides_how_the_others_are_read(tmp_path, written, read):
    assert days(tmp_path, *written) == read


@pytest.mark.parametrize(
    ("written", "code", "profile", "read"),
    [
        (["03/04/2026"], "E_DATE_AMBIGUOUS", {"date_format": "%m/%d/%Y"}, ["2026-03-04"]),
        (["25/12/2026", "12/25/2026"], "E_DATE_AMBIGUOUS", None, None),
        (["46371", "46372"], "E_DATE_SERIAL", {"date_format": "excel-1900"}, ["2026-12-15", "2026-12-16"]),
        (["44909"], "E_DATE_SERIAL", {"date_format": "excel-1904"}, ["2026-12-15"]),
        (["25/12/26"], "E_DATE_FORMAT", {"date_format": "%d/%m/%y"}, ["2026-12-25"]),
    ],
)
def test_dates_of_two_readings_are_refused_until_the_format_is_declared(tmp_path, written, code, profile, read):
    with pytest.raises(RevopsError, match=code):
        days(tmp_path, *written)
    if profile:
        assert days(tmp_path, *written, profile=profile) == read


def test_a_column_without_a_deciding_value_follows_the_other_dates_of_its_file(tmp_path):
    assert days(tmp_path, "03/04/2026", created="25/01/2026 10:00") == ["2026-04-03"]
    assert days(tmp_path, "03/04/2026", created="01/25/2026 10:00") == ["2026-03-04"]


def test_times_without_offset_are_in_the_zone_of_the_file(tmp_path):
    utc = {"timezone": "UTC"}
    assert days(tmp_path, "2026-04-03 23:30", profile=utc) == ["2026-04-04"]
    assert days(tmp_path, "2026-04-03 00:00:00", profile=utc) == ["2026-04-03"]  # midnight in UTC: a day, not an instant
    days(tmp_path, "2026-12-25", created="2026-07-01 10:00", profile=utc)
    assert sources.read_table(tmp_path / "to", "opportunities")["created_at"].iloc[0] == pd.Timestamp("2026-07-01 10:00")


def test_shares_are_read_from_percent_signs_or_declared_and_never_guessed(tmp_path):
    def shares(*written: str, **more: object) -> list[float]:
        (tmp_path / "export").mkdir(exist_ok=True)
        with (tmp_path / "export" / "splits.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=";").writerows(
                [["deal", "rep", "share"], *[["D", str(i), w] for i, w in enumerate(written)]]
            )
        columns = {"opportunity_id": "deal", "rep_id": "rep", "share": "share"}
        table = {"file": "splits", "columns": columns, "constants": {"kind": "split"}, **more}
        path = tmp_path / "m.yml"
        path.write_text(yaml.safe_dump({**COMPANY, "tables": {"credits": table}}), encoding="utf-8")
        sources.import_export(path, tmp_path / "export", tmp_path / "to", as_of=DAY)
        return sources.read_table(tmp_path / "to", "credits")["share"].tolist()

    assert shares("60%", "40,00 %", "0") == [0.6, 0.4, 0.0]
    assert shares("60", "40", percent=["share"]) == [0.6, 0.4]
    assert shares("0.6", "0.4") == [0.6, 0.4]
    for wrong in ("60", "160%", "-5%"):
        with pytest.raises(RevopsError, match="E_VALUE_FORMAT"):
            shares(wrong)


def test_salesforce_ids_of_15_characters_join_those_of_18(tmp_path):
    (tmp_path / "export").mkdir()
    header = ",".join(COLUMNS.values())
    (tmp_path / "export" / "deals.csv").write_text(
        f"{header},owner\n0067E0000028LZP,x,1,EUR,Proposal,,,0051G00000600Ml\n", encoding="utf-8"
    )
    (tmp_path / "export" / "users.csv").write_text("id\n0051G00000600MlQAI\n", encoding="utf-8")
    tables = {"reps": {"file": "users", "columns": {"rep_id": "id"}},
              "opportunities": {"file": "deals", "columns": {**COLUMNS, "owner_id": "owner"}, "must_exist": ["owner_id"]}}  # fmt: skip
    path = tmp_path / "m.yml"
    path.write_text(yaml.safe_dump({**COMPANY, "profile": {"ids": "salesforce"}, "tables": tables}), encoding="utf-8")
    sources.import_export(path, tmp_path / "export", tmp_path / "to", as_of=DAY, named=True)
    deals = sources.read_table(tmp_path / "to", "opportunities")
    assert deals[["opportunity_id", "owner_id"]].values.tolist() == [["0067E0000028LZPQA2", "0051G00000600MlQAI"]]


def test_accounts_merged_in_a_circle_are_refused(tmp_path):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "merges.csv").write_text("old,new\nA,B\nB,C\nC,A\n", encoding="utf-8")
    table = {"file": "merges", "columns": {"old_id": "old", "new_id": "new"}}
    path = tmp_path / "m.yml"
    path.write_text(yaml.safe_dump({**COMPANY, "tables": {"account_merges": table}}), encoding="utf-8")
    with pytest.raises(RevopsError, match="E_MERGE_CIRCLE"):
        sources.import_export(path, tmp_path / "export", tmp_path / "to", as_of=DAY)


# --- several currencies ----------------------------------------------------------------------------------------------


def test_amounts_convert_at_the_rate_of_their_day_and_a_missing_rate_is_missing(tmp_path):
    source = tmp_path / "export"
    source.mkdir()
    rows = [
        "won,x,100.00,USD,Closed Won,2026-01-05,2026-02-10",  # at the rate of February
        "open,x,100.00,USD,Proposal,2026-01-05,2026-12-31",  # at the latest rate known that day
        "home,x,100.00,EUR,Proposal,2026-01-05,2026-12-31",
        "late,x,100.00,GBP,Closed Won,2026-01-05,2026-02-10",  # the first rate is of March
        "none,x,100.00,CHF,Proposal,2026-01-05,2026-12-31",
    ]
    (source / "deals.csv").write_text("\n".join([",".join(COLUMNS.values()), *rows, ""]), encoding="utf-8")
    (tmp_path / "fx.csv").write_text(
        "currency,month,rate_to_eur\nUSD,2026-01,0.90\nUSD,2026-02,0.85\nUSD,2026-06,0.955\nGBP,2026-03,1.2\n", encoding="utf-8"
    )
    imported(tmp_path, source, fx="fx.csv")
    assert {"table": "opportunities", "code": "W_CURRENCY_NO_RATE", "n": 2}.items() <= next(
        remark for remark in sources.read_dataset(tmp_path / "to")["remarks"] if remark["code"] == "W_CURRENCY_NO_RATE"
    ).items()

    def seen(day: str) -> dict[str, Decimal]:
        snapshot = Snapshot(tmp_path / "to", quarter="2026Q4", as_of=day)
        snapshot.require_one_currency()
        deals = snapshot.opportunities
        assert (deals["currency"] == "EUR").all()
        assert deals.set_index("opportunity_id")["amount_written"].dropna().eq("100.00").all()
        return deals.set_index("opportunity_id")["amount"].to_dict()

    latest = seen("2026-11-21")
    assert latest["won"] == Decimal("85.00") and latest["open"] == Decimal("95.50") and latest["home"] == Decimal("100.00")
    assert pd.isna(latest["late"]) and pd.isna(latest["none"])
    assert any("2 opportunities are in a currency without exchange rate" in limit
               for limit in Snapshot(tmp_path / "to", quarter="2026Q4").limits)  # fmt: skip
    assert seen("2026-03-31")["won"] == Decimal("85.00")
    imported(tmp_path, source, "unconverted")
    with pytest.raises(RevopsError, match="cannot be summed") as failure:
        Snapshot(tmp_path / "unconverted", quarter="2026Q4").require_one_currency()
    assert "fx" in str(failure.value)


def test_the_rates_that_ship_are_empty_and_of_the_right_shape():
    text = (ROOT / "data" / "plans" / "fx.csv").read_text(encoding="utf-8")
    assert text.splitlines() == ["currency,month,rate_to_eur"]
