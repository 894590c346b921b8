"""Files that nearly slipped through: each was once read wrongly, lost, or ended in a traceback."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
import yaml

from revops_lib import sources
from revops_lib.errors import RevopsError

COMPANY: dict[str, Any] = {
    "name": "small", "currency": "EUR", "timezone": "Europe/Paris", "fiscal_year_end": "DEC",
    "stages": [{"stage": "Proposal", "position": 1, "status": "open"}, {"stage": "Negotiation", "position": 2, "status": "open"},
               {"stage": "Won", "position": 3, "status": "won"}],
}  # fmt: skip
HEADER = ["id", "name", "amount", "currency", "stage", "created", "closed", "won", "done"]
COLUMNS = {"opportunity_id": "id", "name": "name", "amount": "amount", "currency": "currency", "stage": "stage",
           "created_at": "created", "close_date": "closed", "is_won": "won", "is_closed": "done"}  # fmt: skip
GOOD = "{},Deal,100.00,EUR,Proposal,2026-03-02,2026-12-15,no,no"


def load(
    folder: Path, content: str | bytes, file: str = "deals.csv", fixed: Path | None = None, limit: float = 1, **more: Any
) -> pd.DataFrame:
    """The accepted deals of one file."""
    (folder / "export").mkdir(exist_ok=True)
    text = "\n".join([",".join(HEADER), content, ""]).encode() if isinstance(content, str) else content
    (folder / "export" / file).write_bytes(text)
    top = {key: more.pop(key) for key in ("profile", "fx") if key in more}
    tables = {"opportunities": {"file": file.partition(".")[0], "columns": COLUMNS, **more}}
    (folder / "m.yml").write_text(yaml.safe_dump({**COMPANY, **top, "tables": tables}), encoding="utf-8")
    day = dt.date(2026, 11, 21)
    sources.import_export(folder / "m.yml", folder / "export", folder / "to", as_of=day, max_rejected=limit, fixed=fixed)
    return sources.read_table(folder / "to", "opportunities")


def aside(folder: Path) -> list[str]:
    return sources.read_table(folder / "to", "quarantine")["code"].tolist()


def refusal(code: str, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(RevopsError) as failure:
        load(*args, **kwargs)
    assert failure.value.exit_code == 3 and code in str(failure.value)
    return str(failure.value)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("Subtotal,,2000.00,EUR,,,,,", "E_REQUIRED_MISSING"),  # without a stage it is no open deal
        ("D,x,2000.00,EUR,,2026-03-02,2026-12-15,no,no", "E_REQUIRED_MISSING"),
        (",".join(HEADER), "E_HEADER_REPEATED"),
        (f"D,{'x' * 200_000},1.00,EUR,Proposal,2026-03-02,2026-12-15,no,no", "E_TEXT_TOO_LONG"),
        *((f"{key},x,1.00,EUR,Proposal,2026-03-02,2026-12-15,no,no", "E_ID_SCIENTIFIC") for key in ("605E+10", "6.05E12", "6.05E+12 ")),
        ("D,x,1.00,EUR,Proposal,2026-03-02 14:30 AM,2026-12-15,no,no", "E_DATE_FORMAT"),
        ("D,x,1.00,EUR,Proposal,12 Marble 2026,2026-12-15,no,no", "E_DATE_FORMAT"),
        ("D,x,1500.-,EUR,Proposal,2026-03-02,2026-12-15,no,no", "E_AMOUNT_FORMAT"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_deal_is_set_aside(tmp_path, row, code):
    deals = load(tmp_path, "\n".join([GOOD.format("A"), row, GOOD.format("B")]))
    assert deals["opportunity_id"].tolist() == ["A", "B"] and aside(tmp_path) == [code]


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (["A,x,\"1,234\",EUR,Proposal,,,no,no", "B,x,call 2.5,EUR,Proposal,,,no,no"], "E_AMOUNT_AMBIGUOUS"),
        (["A,x,1,EUR,Proposal,,03/04/2026,no,no", "B,x,1,EUR,Proposal,,31/02/2026,no,no"], "E_DATE_AMBIGUOUS"),
        (["A,x,1,EUR,Proposal,,25-Dec-26,no,no", "B,x,1,EUR,Proposal,,26-Dec-26,no,no"], "E_DATE_FORMAT"),
        (["A,x,1,EUR,Proposal,,46371,no,no", "B,x,1,EUR,Proposal,,46372,no,no", "C,x,1,EUR,Proposal,,tbd,no,no"], "E_DATE_SERIAL"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_read_decides_nothing(tmp_path, rows, code):
    refusal(code, tmp_path, "\n".join(rows))


def test_rows_swallowed_between_two_stray_quotes_are_not_lost(tmp_path):
    rows = [
        'A,"Deal,100.00,EUR,Proposal,2026-03-02,2026-12-15,no,no',
        'B,Deal",100.00,EUR,Proposal,2026-03-02,2026-12-15,no,no',
    ]
    assert "line 2" in refusal("E_UNCLOSED_QUOTE", tmp_path, "\n".join(rows))


def test_one_wrong_byte_does_not_turn_every_accent_of_the_file(tmp_path):
    sound = "\n".join([",".join(HEADER), *(GOOD.format(n).replace("Deal", "Société") for n in range(50))]).encode()
    mixed = sound + b"\nX,caf\xe9,1.00,EUR,Proposal,2026-03-02,2026-12-15,no,no\n"
    assert "line 52 of 52" in refusal("E_ENCODING", tmp_path, mixed)
    french = sound.decode().encode("cp1252") + b"\nX,CAF\xc9\xbb,1.00,EUR,Proposal,2026-03-02,2026-12-15,no,no\n"
    assert load(tmp_path, french)["name"].iloc[0] == "Société"


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"<table><tr>", "HTML"), (b"  <!-- x -->", "HTML"), ("<html>".encode("utf-16"), "HTML"), (b'["e"]', "JSON"), (b"[\r\n{", "JSON"),
     (b"\x89PNG\r\n", "picture")],
)  # fmt: skip
def test_what_is_no_table_is_called_what_it_is(tmp_path, content, word):
    assert word in refusal("E_NOT_CSV", tmp_path, content)


def test_a_footer_of_words_is_a_row_set_aside_and_a_cut_file_is_refused(tmp_path):
    text = "\n".join([",".join(HEADER), GOOD.format("A"), "Confidential Information - Do Not Distribute"]).encode()
    assert len(load(tmp_path, text)) == 1 and aside(tmp_path) == ["E_FIELD_COUNT"]
    refusal("E_TRUNCATED", tmp_path, "\n".join([",".join(HEADER), GOOD.format("A"), "B,De"]).encode())


def test_a_declared_date_without_separators_needs_all_its_digits(tmp_path):
    rows = "\n".join(f"{i},x,1,EUR,Proposal,,{day},no,no" for i, day in enumerate(["20261225", "202612", "2026120"]))
    deals = load(tmp_path, rows, profile={"date_format": "%Y%m%d"})
    assert deals["close_date"].dt.strftime("%Y-%m-%d").tolist() == ["2026-12-25"] and len(aside(tmp_path)) == 2


# --- exchange rates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", ["0", "0.0", "-1", '"1,234"', "9E-1", ""])
def test_a_rate_that_is_none_is_refused_in_one_line(tmp_path, rate):
    (tmp_path / "fx.csv").write_text(f"currency,month,rate_to_eur\nUSD,2026-01,{rate}\n", encoding="utf-8")
    refusal("rows are rejected", tmp_path, GOOD.format("A").replace("EUR", "USD"), fx="fx.csv", limit=0.05)
    load(tmp_path, GOOD.format("A").replace("EUR", "USD"), fx="fx.csv")
    assert sources.read_table(tmp_path / "to", "fx_rates").empty


# --- corrections -----------------------------------------------------------------------------------------------------


def correction(folder: Path, change: Any) -> Path:
    """The quarantine of the last import with every record changed."""
    with (folder / "to" / "quarantine.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    path = folder / "fixed.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *[[*row[:-1], change(row[-1])] for row in rows]])
    return path


def test_a_correction_belongs_to_the_file_it_came_from(tmp_path):
    bad = GOOD.format("B").replace("100.00", "oops")
    load(tmp_path, "\n".join([GOOD.format("A"), bad]))
    fixed = correction(tmp_path, lambda record: record.replace("oops", "7.00"))
    assert load(tmp_path, "\n".join([GOOD.format("A"), bad]), fixed=fixed)["amount"].tolist() == [
        Decimal("100.00"),
        Decimal("7.00"),
    ]
    with pytest.raises(RevopsError, match="another file now"):  # a row was inserted: line 3 is another one
        load(tmp_path, "\n".join([GOOD.format("A"), GOOD.format("N"), bad]), fixed=fixed)


def test_a_corrected_record_is_one_record_and_the_file_a_quarantine(tmp_path):
    bad = "=B" + GOOD.format("").replace("100.00", "oops")
    load(tmp_path, bad)
    fixed = correction(tmp_path, lambda record: record.replace("oops", "7.00"))
    assert load(tmp_path, bad, fixed=fixed)["opportunity_id"].tolist() == ["=B"]
    load(tmp_path, bad)
    two = correction(tmp_path, lambda record: record.replace("oops", "7.00") + "\n" + GOOD.format("Z"))
    assert load(tmp_path, bad, fixed=two).empty and aside(tmp_path) == ["E_FIELD_COUNT"]
    for content in (b"a;b\n", b"", b"\0\0"):
        (tmp_path / "no.csv").write_bytes(content)
        with pytest.raises(RevopsError) as failure:
            load(tmp_path, bad, fixed=tmp_path / "no.csv")
        assert failure.value.exit_code == 2 and "quarantine" in str(failure.value)


# --- other formats ---------------------------------------------------------------------------------------------------


def book(folder: Path, *rows: list[Any]) -> bytes:
    workbook = openpyxl.Workbook()
    for row in [HEADER, *rows]:
        workbook.active.append(row)
    workbook.save(folder / "x.xlsx")
    return (folder / "x.xlsx").read_bytes()


def test_a_formula_without_result_is_refused_and_a_damaged_workbook_too(tmp_path):
    content = book(tmp_path, ["A", "x", "=500+500", "EUR", "Proposal", None, None, "no", "no"])
    assert "cell C2" in refusal("E_FORMULA", tmp_path, content, file="deals.xlsx")
    for cut in range(200, len(content), 450):
        refusal("E_NOT_XLSX", tmp_path, content[:cut], file="deals.xlsx")
        broken = content[:cut] + bytes([content[cut] ^ 0xFF]) + content[cut + 1 :]
        try:
            load(tmp_path, broken, file="deals.xlsx")
        except RevopsError as failure:
            assert "\n" not in str(failure)


def test_a_key_twice_or_half_a_character_makes_a_line_odd(tmp_path):
    lines = [
        b'{"id": "A", "stage": "Proposal"}',
        b'{"id": "B", "id": "C", "stage": "Proposal"}',
        b'{"id": "\\ud800", "stage": "Proposal"}',
    ]
    deals = load(tmp_path, b"\n".join([*lines, b""]), file="deals.jsonl", columns={"opportunity_id": "id", "stage": "stage"})
    assert deals["opportunity_id"].tolist() == ["A"] and aside(tmp_path) == ["E_FIELD_COUNT"] * 2
    damaged = bytearray(gzip.compress(b"\n".join(lines)))
    damaged[20] ^= 0xFF
    refusal(
        "cannot read the file",
        tmp_path,
        bytes(damaged),
        file="other.jsonl.gz",
        columns={"opportunity_id": "id", "stage": "stage"},
    )


def test_control_characters_of_a_file_do_not_reach_the_terminal(tmp_path):
    line = refusal("E_COLUMN_MISSING", tmp_path, b"\x1b[31mid,name\n1,2\n")
    assert "\x1b" not in line


# --- a history within one second -------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_changes_of_one_instant_are_ordered_by_what_each_starts_from(tmp_path, order):
    (tmp_path / "export").mkdir()
    changes = ["D,2026-03-01T10:00:00Z,stage,Proposal,Negotiation", "D,2026-03-01T10:00:00Z,stage,Negotiation,Won"]
    text = "\n".join(["id,at,field,old,new", *(changes[i] for i in order), ""])
    (tmp_path / "export" / "history.csv").write_text(text, encoding="utf-8")
    columns = {"opportunity_id": "id", "changed_at": "at", "field": "field", "old_value": "old", "new_value": "new"}
    tables = {"opportunity_history": {"file": "history", "columns": columns}}
    (tmp_path / "m.yml").write_text(yaml.safe_dump({**COMPANY, "tables": tables}), encoding="utf-8")
    dataset = sources.import_export(tmp_path / "m.yml", tmp_path / "export", tmp_path / "to")
    assert sources.read_table(tmp_path / "to", "opportunity_history")["new_value"].tolist() == ["Negotiation", "Won"]
    assert not dataset["remarks"]


@pytest.mark.parametrize(
    "text", ["a: {0.5: 1, .5: 2}\n", "a: {yes: 1, true: 2}\n", "a: {16: 1, 0x10: 2}\n", "a: !!int ''\n", "a: !!bool x\n"]
)
def test_yaml_that_reads_two_keys_as_one_is_refused(tmp_path, text):
    (tmp_path / "c.yml").write_text(text, encoding="utf-8")
    with pytest.raises(RevopsError) as failure:
        sources.read_yaml(tmp_path / "c.yml")
    assert failure.value.exit_code == 2
