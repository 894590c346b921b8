"""Public files of every kind: each is read to the right cells, or refused in one readable sentence."""

from __future__ import annotations

import csv
import datetime as dt
import os
from pathlib import Path

import pandas as pd
import pytest
import yaml

from revops_lib import sources
from revops_lib.errors import RevopsError

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("REVOPS_SHARED", ROOT.parent / "shared")) / "data"
FIXTURES, ZONAGE = SHARED / "csv_fixtures", SHARED / "fr_zonage"

TYPED = ["number", "text", "boolean", "date", "datetime", "timedelta"]
ROWS = [
    ["1", "a", "True", "2015-11-04", "2015-11-04T12:22:00", "0:04:15"],
    ["2", "👍", "False", "2015-11-05", "2015-11-04T12:45:00", "0:06:18"],
]
# file: (columns, the first of them being the id; rows accepted; rows set aside: line -> code)
READ = {
    "bad.csv": (["column_a", "column_b", "column_c"], [["0", "mixed types.... uh oh", "17"]],
                {"2": "E_FIELD_COUNT", "3": "E_FIELD_COUNT"}),
    "bad_skip_lines.csv": (["column_a", "column_b", "column_c"], [["0", "mixed types.... uh oh", "17"]],
                           {"5": "E_FIELD_COUNT", "6": "E_FIELD_COUNT"}),
    "blanks.csv": (["b", "a", "c", "d", "e", "f"], [["NA", None, "N/A", "NONE", "NULL", "."]], {}),
    "date_like_number.csv": (["a"], [["4.5"]], {}),
    "dummy_col_shuffled_ragged.csv": (["a", "b", "c", "d"], [["1", "2", "3", "4"]], {}),
    "mac_newlines.csv": (["a", "b", "c"], [["1", "2", "3"], ["Once upon\ra time", "5", "6"]], {}),
    "null_byte.csv": (["a", "b", "c"], [], {"2": "E_CONTROL_CHAR"}),
    "optional_quote_characters.csv": (["a", "b", "c"], [["1", "2", "3"]], {}),
    "test_cr.csv": (TYPED, ROWS, {"4": "E_REQUIRED_MISSING"}),
    "test_crlf.csv": (TYPED, ROWS, {"4": "E_REQUIRED_MISSING"}),
    "test_latin1.csv": (["a", "b", "c"], [["1", "2", "3"], ["4", "5", "©"]], {}),
    "test_utf16_big.csv": (["a", "b", "c"], [["1", "2", "3"], ["4", "5", "ʤ"]], {}),
    "test_utf16_little.csv": (["a", "b", "c"], [["1", "2", "3"], ["4", "5", "ʤ"]], {}),
    "test_utf8_bom.csv": (["foo", "bar", "baz"], [["1", "2", "3"], ["4", "5", "ʤ"]], {}),
}  # fmt: skip
REFUSED = {"empty.csv": ["E_EMPTY"], "no_header_row.csv": ["E_COLUMN_MISSING", "looked for a", "present: 1, 2, 3", "header"]}
needs_fixtures = pytest.mark.skipif(
    not FIXTURES.is_dir(), reason=f"public CSV files not found at {FIXTURES}; set REVOPS_SHARED"
)


def imported(folder: Path, source: Path, file: str, columns: list[str], **more: object) -> dict:
    """The file as a table of accounts: the first column is the id, the others are the company's own."""
    table = {"file": file, "columns": {"account_id": columns[0]}, "extra": columns[1:], **more}
    if not columns[1:]:
        del table["extra"]
    content = {"name": "x", "currency": "EUR", "timezone": "UTC", "fiscal_year_end": "DEC", "tables": {"accounts": table}}
    (folder / "m.yml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return sources.import_export(folder / "m.yml", source, folder / "to", as_of=dt.date(2026, 1, 1), max_rejected=1)


@needs_fixtures
def test_no_public_file_is_left_out():
    assert {path.name for path in FIXTURES.iterdir()} == {*READ, *REFUSED}


@needs_fixtures
@pytest.mark.parametrize("file", READ)
def test_a_hostile_file_is_read_to_the_right_cells(tmp_path, file):
    columns, rows, aside = READ[file]
    dataset = imported(tmp_path, FIXTURES, file, columns)
    accounts = sources.read_table(tmp_path / "to", "accounts")
    cells = accounts[["account_id", *columns[1:]]].astype("object")
    assert cells.where(cells.notna(), None).values.tolist() == rows
    quarantine = sources.read_table(tmp_path / "to", "quarantine")
    assert dict(zip(quarantine["line"], quarantine["code"], strict=True)) == aside
    entry = dataset["files"][0]
    assert entry["read"] == len(rows) + len(aside) == entry["accepted"] + entry["quarantined"]
    assert ("W_ENCODING_GUESSED" in {remark["code"] for remark in dataset["remarks"]}) == ("latin1" in file)


@needs_fixtures
@pytest.mark.parametrize("file", REFUSED)
def test_a_file_without_cells_is_refused_in_one_sentence(tmp_path, file):
    with pytest.raises(RevopsError) as failure:
        imported(tmp_path, FIXTURES, file, ["a"])
    assert failure.value.exit_code == 3 and "\n" not in str(failure.value)
    assert all(word in str(failure.value) for word in [*REFUSED[file], file])


@pytest.mark.skipif(not ZONAGE.is_dir(), reason=f"public French codes not found at {ZONAGE}; set REVOPS_SHARED")
def test_french_codes_keep_their_zeros_and_letters(tmp_path):
    (file,) = ZONAGE.glob("*.csv")
    with file.open(encoding="utf-8", newline="") as text:
        header, *rows = csv.reader(text, delimiter=";")
    dataset = imported(tmp_path, ZONAGE, file.name, header)
    entry = dataset["files"][0]
    assert (entry["read"], entry["accepted"]) == (34_935, 34_935) == (len(rows), len(rows))
    assert entry["read_as"] == {"encoding": "utf-8", "sep": ";"}
    accounts = sources.read_table(tmp_path / "to", "accounts")
    expected = pd.DataFrame(rows, columns=["account_id", *header[1:]], dtype="str")
    pd.testing.assert_frame_equal(accounts[expected.columns], expected.where(expected != ""), check_dtype=False)
    assert {"01001", "2A004"} <= set(accounts["account_id"])
