"""What leaves for a spreadsheet: nothing in it is computed, and an import reads back what was written."""

from __future__ import annotations

import csv
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from revops_lib import cli, sources, spreadsheets
from revops_lib.errors import CannotWrite, DataRefused, UsageError

MAPPING = """
name: small
currency: EUR
timezone: Europe/Paris
fiscal_year_end: DEC
stages: [{stage: Talk, position: 1, status: open}]
tables:
  opportunities:
    file: forecast.deals
    columns: {opportunity_id: opportunity_id, name: name, amount: amount, stage: stage, close_date: close_date}
"""
COMPUTED = "=+-@\t\n\r＝＋－＠"
# Texts a CRM may hold: often with something before them that a spreadsheet would compute, often with quotes before that.
WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=8)
TEXTS = st.builds(
    "{}{}{}".format, st.sampled_from(["", "'", "''", " "]), st.sampled_from(["", *COMPUTED, "=HYPERLINK("]), WORDS
)


def lay(folder: Path, **tables: pd.DataFrame) -> Path:
    """The results of a run of 2026Q3; returns the folder of the run."""
    results = folder / "2026Q3" / "results"
    results.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        frame.to_parquet(results / f"{name}.parquet")
    return folder / "2026Q3"


def deals(texts: list[str]) -> pd.DataFrame:
    n = range(len(texts))
    rows = {"opportunity_id": [f"D-{i}" for i in n], "name": texts, "amount": [Decimal(f"{i}.25") for i in n],
            "stage": ["Talk" for _ in n], "close_date": [pd.Timestamp("2026-09-30") for _ in n]}  # fmt: skip
    return pd.DataFrame(rows)


def read_back(folder: Path, source: Path) -> list[str | None]:
    """The names that an import reads from an export, in order."""
    mapping = folder / "small.yml"
    mapping.write_text(MAPPING, encoding="utf-8")
    sources.import_export(mapping, source, folder / "company", as_of=dt.date(2026, 10, 1))
    frame = sources.read_table(folder / "company", "opportunities")
    frame = frame.assign(at=frame["opportunity_id"].str[2:].astype(int)).sort_values("at")
    assert frame["amount"].tolist() == [Decimal(f"{i}.25") for i in range(len(frame))]
    return [None if pd.isna(name) else name for name in frame["name"]]


@settings(max_examples=6, deadline=None, phases=[Phase.reuse, Phase.generate])  # an import per try: nothing is shrunk
@given(texts=st.lists(TEXTS, min_size=20, max_size=40))
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_import_reads_back_what_was_exported_and_no_cell_is_computed(kind, texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("round")
    run = lay(folder, **{"forecast.deals": deals(texts)})
    to = folder / ("deals.xlsx" if kind == "xlsx" else "tables")
    said = spreadsheets.export(run, to)
    if kind == "csv":
        cells = [row[1] for row in csv.reader((to / "forecast.deals.csv").open(encoding="utf-8", newline=""))]
        expected = texts
    else:
        cells = [row[1].value or "" for row in openpyxl.load_workbook(to)["forecast.deals"].iter_rows()]
        expected = [text.replace("\r", "\n").replace("￾", "�").replace("￿", "�") for text in texts]
        assert (expected != texts) == bool(said)
    assert not [cell for cell in cells if cell[:1] in tuple(COMPUTED)]
    assert read_back(folder, to) == [text or None for text in expected]


def test_what_is_computed_gets_one_quote_and_nothing_else_is_touched(tmp_path):
    texts = ["=1+1", "'=1+1", "＝1+1", "-", "'", "'tis", "Müller", "a=b", " =1", ""]
    run = lay(tmp_path, **{"forecast.deals": pd.DataFrame({"=name": texts, "n": range(-5, 5)})})
    spreadsheets.export(run, tmp_path / "tables")
    first, *rows = (tmp_path / "tables" / "forecast.deals.csv").read_text(encoding="utf-8").splitlines()
    assert first == '"\'=name","n"'
    safe = ["'=1+1", "''=1+1", "'＝1+1", "'-", "'", "'tis", "Müller", "a=b", " =1", ""]
    assert rows == [f'"{text}",{n}' for text, n in zip(safe, range(-5, 5), strict=True)]


def test_numbers_days_and_instants_are_what_they_are(tmp_path):
    frame = pd.DataFrame({
        "amount": [Decimal("-1234.50"), None], "share": [0.1, float("nan")], "n": pd.array([7, None], dtype="Int64"),
        "is_open": [True, False], "day": pd.to_datetime(["2026-09-30", None]),
        "at": pd.to_datetime(["2026-09-30 22:15", "2026-10-01 00:00"], utc=True).tz_convert("Asia/Kolkata"), "text": ["#N/A", None],
    })  # fmt: skip
    run = lay(tmp_path, forecast=frame)
    spreadsheets.export(run, tmp_path / "tables")
    lines = (tmp_path / "tables" / "forecast.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1] == '-1234.50,0.1,7,true,2026-09-30,2026-09-30T22:15:00Z,"#N/A"'
    assert lines[2] == ",,,false,,2026-10-01T00:00:00Z,"
    assert spreadsheets.export(run, tmp_path / "book.xlsx") == []
    sheet = openpyxl.load_workbook(tmp_path / "book.xlsx")["forecast"]
    amount, share, n, is_open, day, at, text = sheet[2]
    assert sheet.freeze_panes == "A2" and [cell.value for cell in sheet[1]] == list(frame)
    assert (amount.value, share.value, n.value, is_open.value) == (-1234.5, 0.1, 7, True)
    assert day.is_date and day.value.date() == dt.date(2026, 9, 30)
    assert at.value == dt.datetime(2026, 9, 30, 22, 15)
    assert (text.value, text.data_type) == ("#N/A", "s")  # a text, not an error


def test_what_a_workbook_cannot_hold_is_said(tmp_path):
    long = "forecast.a_table_with_a_name_of_many_words"
    frame = pd.DataFrame({"text": ["bell \x07", "two\r\nlines", "\x00=1", "x" * 40_000, "fine"]})
    run = lay(tmp_path, **{long: frame, f"{long}_too": pd.DataFrame({"n": [1]})})
    said = spreadsheets.export(run, tmp_path / "book.xlsx")
    book = openpyxl.load_workbook(tmp_path / "book.xlsx")
    assert all(len(title) <= 31 for title in book.sheetnames) and len(book.sheetnames) == 2
    texts = [row[0] for row in book.worksheets[0].iter_rows(min_row=2, values_only=True)]
    assert texts == ["bell �", "two\nlines", "�=1", "x" * 32_766, "fine"]
    assert said[0].endswith(f"holds {long}") and "control characters" in said[1] and said[2].endswith("_too") and len(said) == 3


def test_what_is_public_is_all_that_is_exported_as_public(tmp_path):
    run = lay(tmp_path, **{"compensation.statements": pd.DataFrame({"rep_id": ["R001"], "pay": [Decimal("912.34")]})})
    with pytest.raises(UsageError, match="published nothing"):
        spreadsheets.export(run, tmp_path / "none", public=True)
    (run / "public").mkdir()
    shown = {"name": "plan", "caption": "c", "columns": ["tier", "pays"], "rows": [["1", "6.50%"], ["2", "=1+1"]]}
    (run / "public" / "report.json").write_text(json.dumps({"reports": [{"stem": "compensation", "tables": [shown]}]}))
    spreadsheets.export(run, tmp_path / "tables", public=True)
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {"compensation.plan.csv", ".revops-export"}
    text = (tmp_path / "tables" / "compensation.plan.csv").read_text(encoding="utf-8")
    assert text == '"tier","pays"\n"1","6.50%"\n"2","\'=1+1"\n'
    (run / "public" / "report.json").write_text('{"reports": [{}]}')
    with pytest.raises(DataRefused, match="damaged"):
        spreadsheets.export(run, tmp_path / "again", public=True)


def test_a_folder_holds_one_export_and_nobody_elses_files(tmp_path, monkeypatch, capsys):
    run, to = (
        lay(tmp_path, **{name: pd.DataFrame({"n": [1]}) for name in ("forecast", "compensation.teams")}),
        tmp_path / "tables",
    )
    argv = ["export", "2026Q3", "--runs", str(tmp_path), "--to", str(to)]
    assert cli.main(argv) == 0
    to.chmod(0o700)
    (run / "public").mkdir()
    shown = {"name": "plan", "caption": "c", "columns": ["tier"], "rows": [["1"]]}
    (run / "public" / "report.json").write_text(json.dumps({"reports": [{"stem": "compensation", "tables": [shown]}]}))
    before = {path.name for path in to.iterdir()}
    with monkeypatch.context() as broken:
        broken.setattr(spreadsheets.disk, "put", lambda new, directory: (_ for _ in ()).throw(OSError(28, "No space left")))
        assert cli.main([*argv, "--public"]) == 7
    assert {path.name for path in to.iterdir()} == before and sorted(path.name for path in tmp_path.iterdir()) == [
        "2026Q3",
        "tables",
    ]
    assert cli.main([*argv, "--public"]) == 0
    assert [path.name for path in to.glob("*.csv")] == ["compensation.plan.csv"] and to.stat().st_mode & 0o777 == 0o700
    (to / "mine.csv").write_text("n\n", encoding="utf-8")
    assert cli.main(argv) == 7 and "not an export" in capsys.readouterr().err
    assert {path.name for path in to.glob("*.csv")} == {"compensation.plan.csv", "mine.csv"}


def test_a_workbook_is_there_whole_or_as_it_was(tmp_path, monkeypatch):
    run, to = lay(tmp_path, forecast=pd.DataFrame({"n": [1]})), tmp_path / "book.xlsx"
    spreadsheets.export(run, to)
    before = to.read_bytes()
    lay(tmp_path, forecast=pd.DataFrame({"n": [2]}))

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(spreadsheets.disk, "sync", full)
        with pytest.raises(CannotWrite, match="No space left"):
            spreadsheets.export(run, to)
    assert to.read_bytes() == before and sorted(path.name for path in tmp_path.iterdir()) == ["2026Q3", "book.xlsx"]
    spreadsheets.export(run, to)
    assert openpyxl.load_workbook(to)["forecast"]["A2"].value == 2


def test_the_export_command(tmp_path, capsys, monkeypatch):
    lay(tmp_path, forecast=pd.DataFrame({"text": ["bell \x07"]}))
    argv = ["export", "2026Q3", "--runs", str(tmp_path), "--to"]
    assert cli.main([*argv, str(tmp_path / "book.xlsx")]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(tmp_path / "book.xlsx") and "control characters" in said.err
    assert cli.main([*argv, str(tmp_path / "book.pdf")]) == 2
    assert cli.main(["export", "../x", "--runs", str(tmp_path), "--to", str(tmp_path / "x")]) == 2
    assert cli.main(["export", "2026Q2", "--runs", str(tmp_path), "--to", str(tmp_path / "x")]) == 2
    monkeypatch.setattr(spreadsheets, "MAX_ROWS", 1)
    assert cli.main([*argv, str(tmp_path / "book.xlsx")]) == 3
    (tmp_path / "2026Q3" / "results" / "forecast.parquet").write_bytes(b"PAR1 no")
    assert cli.main([*argv, str(tmp_path / "tables")]) == 3
    assert not (tmp_path / "tables").exists() and not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["=1.csv", "＝1.csv", "'=1.csv"])
def test_a_quarantine_of_any_beginning_comes_back_byte_for_byte(name, tmp_path):
    from revops_lib.sources.dataset import quarantine_csv, read_fixes

    records = ["=1+1,x", "＝1", "'=1", "''＠x", "'tis", '"=1",x', "\tx", "plain"]
    rows = [[name, str(i), "opportunities", "E", "r", "abc", record] for i, record in enumerate(records)]
    (tmp_path / "q.csv").write_text(
        quarantine_csv(pd.DataFrame(rows, columns=list(sources.QUARANTINE), dtype="str")), newline=""
    )
    cells = [cell for row in csv.reader((tmp_path / "q.csv").open(newline="")) for cell in row]
    assert not [cell for cell in cells if cell[:1] in tuple(COMPUTED)]
    assert read_fixes(tmp_path / "q.csv") == {(name, "opportunities", "abc"): dict(enumerate(records))}
