"""What an importer must do with bad files: every shared case gets its expected outcome.

The cases stand in `index.csv`, the company they belong to in `ref/contract.yml`; other folders of the same shape are tried with
REVOPS_CASES.
"""

from __future__ import annotations

import csv
import json
import os
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from revops_lib import cli, compensation, sources
from revops_lib.errors import RevopsError
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
GIVEN = Path(os.environ.get("REVOPS_CASES", ROOT.parent / "shared" / "cases"))
CASES = GIVEN if (GIVEN / "index.csv").is_file() else GIVEN / "badinput"
KEPT = {"accepted": 0, "rows_rejected": 0, "file_refused": 3}


def index() -> list[dict[str, str]]:
    if not (CASES / "index.csv").is_file():
        return []
    csv.field_size_limit(1 << 20)
    with (CASES / "index.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cases(*tables: str) -> list[Any]:
    found = [pytest.param(case, id=case["file"].rpartition(".")[0]) for case in index() if case["table"] in tables]
    reason = f"bad-input cases not found at {CASES}; set REVOPS_CASES"
    return found or [pytest.param({}, marks=pytest.mark.skip(reason=reason))]


@pytest.fixture(scope="session")
def contract() -> dict[str, Any]:
    return yaml.safe_load((CASES / "ref" / "contract.yml").read_text(encoding="utf-8"))


def mapping(folder: Path, contract: dict[str, Any], case: dict[str, str]) -> Path:
    """The mapping that the contract describes, for one case."""
    names: dict[str, list[str]] = {}
    for alias, name in contract["column_aliases"].items():
        names.setdefault(name, [name]).append(alias)
    columns = {"opportunity_id": "id", "name": "name", "amount": "amount", "currency": "currency", "stage": "stage",
               "account_id": "account_id", "owner_id": "owner_id", "created_at": "created_at", "close_date": "close_date",
               "is_won": "is_won", "is_closed": "is_closed"}  # fmt: skip
    base = case["import_args"].removeprefix("--base").strip()
    tables: dict[str, Any] = {
        "accounts": {"file": "ref/accounts.csv", "columns": {"account_id": "id", "name": "name"}},
        "account_merges": {"file": "ref/account_merges.csv", "columns": {"old_id": "old_id", "new_id": "new_id"}},
        "reps": {"file": "ref/users.csv", "columns": {"rep_id": "id", "manager_id": "manager_id", "start_date": "start_date"}},
        "opportunities": {
            "file": base or case["file"],
            "columns": {column: names.get(name, [name]) for column, name in columns.items()},
            "values": {"stage": contract["stage_aliases"], "currency": contract["currency_aliases"]},
            "required": ["owner_id"],
            "must_exist": ["owner_id", "account_id"],
        },
    }
    if case["table"] == "opportunity_history":
        tables["opportunity_history?"] = {
            "file": case["file"],
            "columns": {"opportunity_id": "opportunity_id", "changed_at": "changed_at", "field": "field",
                        "old_value": "old", "new_value": "new"},
            "must_exist": ["opportunity_id"],
        }  # fmt: skip
    status = {"Closed Won": "won", "Closed Lost": "lost"}
    content = {
        "name": "bad",
        "currency": contract["reporting_currency"],
        "currencies": list(contract["currencies"]),
        "timezone": contract["source_timezone"],
        "fiscal_year_end": "DEC",
        "fx": str((CASES / "ref" / "fx.csv").resolve()),
        "profile": {"date_window": contract["date_window"], "max_columns": contract["max_columns"]},
        "stages": [
            {"stage": stage, "position": i, "status": status.get(stage, "open")}
            for i, stage in enumerate(contract["stages"], start=1)
        ],
        "tables": tables,
    }
    path = folder / "bad.yml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def run(path: Path, source: Path, to: Path, contract: dict[str, Any], *more: str) -> int:
    argv = ["import", str(path), "--from", str(source), "--to", str(to), "--as-of", contract["as_of"], "--named", *more]
    return cli.main(argv)


def outcome(to: Path, table: str) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    return sources.read_table(to, table), sources.read_table(to, "quarantine"), sources.read_dataset(to)


def entry_of(dataset: dict[str, Any], table: str) -> dict[str, Any]:
    return next(file for file in dataset["files"] if file["table"] == table)


def shown(value: Any) -> str | None:
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}" if value == value.normalize() else f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return str(value)


@pytest.mark.parametrize("case", cases("opportunities", "opportunity_history"))
def test_a_bad_file_gets_its_expected_outcome(tmp_path, capsys, contract, case):
    path, to = mapping(tmp_path, contract, case), tmp_path / "to"
    code = run(path, CASES, to, contract, "--max-rejected", "1")
    error = capsys.readouterr().err
    assert code == KEPT[case["expected"]], error
    if case["expected"] == "file_refused":
        assert error.startswith("error: ") and error.count("\n") == 1 and not to.exists()
        assert case["file_code"] in error and case["file"] in error
        assert all(word.lower() in error.lower() for word in case["message_must_contain"].split(";") if word)
        return
    frame, aside, dataset = outcome(to, case["table"])
    aside = aside[aside["table"] == case["table"]]
    entry = entry_of(dataset, case["table"])
    assert {f"line {line}": code for line, code in zip(aside["line"], aside["code"], strict=True)} == json.loads(
        case["rejected"]
    )
    expected = json.loads(case["accepted"])
    if "rows" in expected:
        assert entry["accepted"] == expected.pop("rows")
    else:
        assert sorted(frame["opportunity_id"]) == sorted(expected)
    deals = frame.set_index("opportunity_id")
    for key, values in expected.items():
        for column, value in values.items():
            got = deals.loc[key, "status"] == "won" if column == "is_won" else shown(deals.loc[key, column])
            assert got == value, f"{key} {column}"
    remarks = {remark["code"] for remark in dataset["remarks"]}
    assert set(filter(None, case["warnings"].split(";"))) <= remarks
    if case["class"] == "control":
        assert not remarks and aside.empty
    words = " ".join(q["reason"] for q in aside.to_dict("records"))
    assert all(word in words for word in case["message_must_contain"].split(";") if word)
    assert_whole(entry, CASES / case["file"], aside, frame)
    before = {file.name: file.read_bytes() for file in to.iterdir()}
    assert run(path, CASES, to, contract, "--max-rejected", "1") == 0  # imported twice is imported once
    assert {file.name: file.read_bytes() for file in to.iterdir()} == before
    shuffled = tmp_path / "shuffled"
    if copy_shuffled(CASES, shuffled, case["file"], dataset):
        assert run(path, shuffled, tmp_path / "again", contract, "--max-rejected", "1") == 0
        assert told(to, case["table"]) == told(tmp_path / "again", case["table"])


def assert_whole(entry: dict[str, Any], file: Path, aside: pd.DataFrame, frame: pd.DataFrame) -> None:
    """Accepted + rejected + duplicates = read, in rows and in money; rejected rows are there byte for byte."""
    assert entry["read"] == entry["accepted"] + entry["quarantined"] + entry["duplicates"]
    assert entry["quarantined"] == len(aside)
    deduced = frame["change_no"] < 0 if "change_no" in frame else pd.Series(False, index=frame.index)
    assert entry["accepted"] == int((~deduced).sum())
    raw = file.read_bytes()
    assert all(record.encode(entry["read_as"]["encoding"].replace("-sig", "")) in raw for record in aside["record"])
    amounts = entry.get("amount", {})
    for currency, total in amounts.get("read", {}).items():
        parts = (Decimal(amounts[part].get(currency, "0")) for part in ("accepted", "quarantined", "duplicates"))
        assert sum(parts) == Decimal(total)


@pytest.mark.parametrize("case", cases("opportunities", "opportunity_history"))
def test_without_leave_more_than_a_few_rejected_rows_refuse_the_import(tmp_path, capsys, contract, case):
    path, to = mapping(tmp_path, contract, case), tmp_path / "to"
    code = run(path, CASES, to, contract)
    rejected = json.loads(case["rejected"])
    if case["expected"] == "rows_rejected":  # every case is small: one row of it is more than 5 %
        error = capsys.readouterr().err
        assert code == 3 and not to.exists() and all(code in error for code in rejected.values())
        beside = (tmp_path / "to.rejected.csv").read_text(encoding="utf-8")
        assert all(code in beside for code in rejected.values())
    else:
        assert code == KEPT[case["expected"]]


def told(to: Path, table: str) -> Any:
    """What came of the rows, whatever their order."""
    frame, aside, dataset = outcome(to, table)
    rows = frame.drop(columns="change_no", errors="ignore").map(shown)
    entry = {part: entry_of(dataset, table)[part] for part in ("read", "accepted", "quarantined", "duplicates")}
    return sorted(map(str, rows.to_numpy().tolist())), sorted(aside["code"] + aside["record"]), entry, dataset["remarks"]


def copy_shuffled(source: Path, to: Path, name: str, dataset: dict[str, Any]) -> bool:
    """The folder of the cases with the records of one file in another order; False where there is only one record."""
    read_as = next(file["read_as"] for file in dataset["files"] if file["file"] == name)
    with (source / name).open(encoding=read_as["encoding"], newline="") as file:
        header, *rows = csv.reader(file, delimiter=read_as["sep"])
    if len(rows) < 2:
        return False
    to.mkdir()
    (to / "ref").symlink_to((source / "ref").resolve())
    with (to / name).open("w", encoding=read_as["encoding"], newline="") as file:
        text = (source / name).read_bytes()
        writer = csv.writer(file, delimiter=read_as["sep"], lineterminator="\r\n" if b"\r\n" in text else "\n")
        writer.writerows([header, *random.Random(7).sample(rows, len(rows))])
    return True


@pytest.mark.parametrize(
    "case",
    [c for c in cases("opportunities") if c.values[0].get("class") in ("stage", "dup_conflict", "amount_format", "currency")],
)
def test_a_corrected_quarantine_brings_its_rows_in_exactly_once(tmp_path, capsys, contract, case):
    path, to = mapping(tmp_path, contract, case), tmp_path / "to"
    assert run(path, CASES, to, contract, "--max-rejected", "1") == 0
    before, _, dataset = outcome(to, "opportunities")
    with (to / "quarantine.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    cure = {"E_STAGE_UNKNOWN": 6, "E_AMOUNT_FORMAT": 4, "E_CURRENCY_UNKNOWN": 5, "E_REQUIRED_MISSING": 5, "E_DUP_CONFLICT": 0}
    sound = {6: "Proposal", 4: "7.25", 5: "EUR", 0: "NEW-{}"}
    for i, row in enumerate(rows):
        cells = next(csv.reader([row[-1]]))
        place = cure[row[3]]
        cells[place] = sound[place].format(i)
        row[-1] = ",".join(cells)
    fixed = tmp_path / "fixed.csv"
    with fixed.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    for _ in range(2):
        assert run(path, CASES, to, contract, "--fixed", str(fixed)) == 0, capsys.readouterr().err
        after, aside, dataset = outcome(to, "opportunities")
        assert aside.empty and len(after) == len(before) + len(rows) == entry_of(dataset, "opportunities")["read"]
        assert after["opportunity_id"].is_unique


@pytest.mark.parametrize("case", cases("config"))
def test_a_configuration_that_could_surprise_is_refused(tmp_path, case):
    path = CASES / case["file"]
    with pytest.raises(RevopsError) as failure:
        content = sources.read_yaml(path)
        plan = sources.read_yaml(ROOT / "data" / "plans" / "account_executive.yml")
        plan["plan"], plan["components"][0]["tiers"] = "case", content["tiers"]
        (tmp_path / "plans").mkdir()
        (tmp_path / "plans" / "case.yml").write_text(yaml.safe_dump(plan), encoding="utf-8")
        for file in (ROOT / "data" / "sample").iterdir():
            (tmp_path / file.name).symlink_to(file)
        compensation.plan(Snapshot(tmp_path, quarter="2026Q3"), name="case")
    assert failure.value.exit_code == 2
    assert case["message_must_contain"] in str(failure.value) and "\n" not in str(failure.value)
    assert not Path("PWNED_160").exists()
