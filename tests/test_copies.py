"""A source without history: dated copies give one from the first copy on, and nothing before it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from revops_lib import cli, sources
from revops_lib.errors import NoHistory, RevopsError
from revops_lib.snapshot import Snapshot

MAPPING = """
name: small
currency: EUR
timezone: Europe/Paris
fiscal_year_end: DEC
stages:
  - {stage: Talk, position: 1, status: open}
  - {stage: Offer, position: 2, status: open}
  - {stage: Won, position: 3, status: won}
tables:
  opportunities:
    file: deals.csv
    columns: {opportunity_id: id, owner_id: owner, amount: amount, stage: stage, created_at: created, close_date: closed}
"""
DAYS = {
    "2026-07-01": ["A,R1,100,Talk,2026-06-01,2026-09-30", "B,R1,50,Offer,2026-06-15,2026-08-31"],
    "2026-07-15": ["A,R1,120,Offer,2026-06-01,2026-09-30", "B,R1,50,Offer,2026-06-15,2026-08-31",
                   "C,R2,10,Talk,2026-07-10,2026-12-31"],
    "2026-08-01": ["A,R2,120,Won,2026-06-01,2026-07-20", "B,R1,,Offer,2026-06-15,2026-10-31",
                   "C,R2,10,Talk,2026-07-10,2026-12-31"],
}  # fmt: skip


def take(folder: Path, day: str, verb: str = "snapshot", rows: list[str] | None = None) -> int:
    (folder / "export").mkdir(exist_ok=True)
    text = "\n".join(["id,owner,amount,stage,created,closed", *(rows or DAYS[day]), ""])
    (folder / "export" / "deals.csv").write_text(text, encoding="utf-8")
    (folder / "m.yml").write_text(MAPPING, encoding="utf-8")
    argv = [verb, str(folder / "m.yml"), "--from", str(folder / "export"), "--to", str(folder / "to")]
    return cli.main([*argv, "--as-of", day, "--named"])


def seen(folder: Path, day: str) -> list[list]:
    deals = Snapshot(folder / "to", quarter="2026Q3", as_of=day).opportunities
    deals = deals.assign(
        amount=deals["amount"].astype("str").fillna("none"), close_date=deals["close_date"].dt.strftime("%m-%d")
    )
    return deals[["opportunity_id", "owner_id", "amount", "stage", "status", "close_date"]].values.tolist()


def test_every_past_day_from_the_first_copy_on_is_as_it_was(tmp_path, capsys):
    for day in DAYS:
        assert take(tmp_path, day) == 0
    dataset = sources.read_dataset(tmp_path / "to")
    assert dataset["copies"] == list(DAYS) and dataset["history_since"] == "2026-07-01"
    assert "no history" not in capsys.readouterr().out.splitlines()[-1]
    assert seen(tmp_path, "2026-07-01") == [
        ["A", "R1", "100.00", "Talk", "open", "09-30"],
        ["B", "R1", "50.00", "Offer", "open", "08-31"],
    ]
    assert seen(tmp_path, "2026-07-14")[0] == ["A", "R1", "100.00", "Talk", "open", "09-30"]
    assert [row[:4] for row in seen(tmp_path, "2026-07-15")] == [
        ["A", "R1", "120.00", "Offer"], ["B", "R1", "50.00", "Offer"], ["C", "R2", "10.00", "Talk"],
    ]  # fmt: skip
    assert seen(tmp_path, "2026-08-01") == [
        ["A", "R2", "120.00", "Won", "won", "07-20"], ["B", "R1", "none", "Offer", "open", "10-31"], ["C", "R2", "10.00", "Talk", "open", "12-31"],
    ]  # fmt: skip
    spells = Snapshot(tmp_path / "to", quarter="2026Q3").spells()
    assert spells.loc[spells["opportunity_id"] == "A", "value"].tolist() == ["Talk", "Offer", "Won"]
    limits = " ".join(Snapshot(tmp_path / "to", quarter="2026Q3").limits)
    assert "history begins on 2026-07-01" in limits


def test_without_a_copy_there_is_no_history_and_the_command_says_how_to_get_one(tmp_path, capsys):
    assert take(tmp_path, "2026-07-01", "import") == 0
    assert "revops snapshot" in capsys.readouterr().out
    with pytest.raises(NoHistory):
        Snapshot(tmp_path / "to", quarter="2026Q3").spells()
    assert "copies" not in sources.read_dataset(tmp_path / "to")


def test_a_plain_import_keeps_the_copies_and_uses_them_without_adding_one(tmp_path):
    take(tmp_path, "2026-07-01")
    take(tmp_path, "2026-07-15", "import")
    dataset = sources.read_dataset(tmp_path / "to")
    assert dataset["copies"] == ["2026-07-01"] and "stage" in dataset["tracked"]
    history = sources.read_table(tmp_path / "to", "opportunity_history")
    change = history[(history["field"] == "stage") & history["old_value"].notna()]
    assert change[["opportunity_id", "old_value", "new_value"]].values.tolist() == [["A", "Talk", "Offer"]]
    assert change["changed_at"].iloc[0] == pd.Timestamp("2026-07-15 21:59:59")  # the end of that day in Paris


def test_the_same_copy_twice_changes_nothing_and_a_day_has_one_copy(tmp_path, capsys):
    take(tmp_path, "2026-07-01")
    before = {path: path.read_bytes() for path in (tmp_path / "to").rglob("*") if path.is_file()}
    take(tmp_path, "2026-07-01")
    assert "nothing was changed" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in (tmp_path / "to").rglob("*") if path.is_file()} == before
    take(tmp_path, "2026-07-01", rows=["A,R1,7,Talk,2026-06-01,2026-09-30"])
    assert [path.name for path in (tmp_path / "to" / "copies").iterdir()] == ["2026-07-01.parquet"]
    take(tmp_path, "2026-07-15")
    assert seen(tmp_path, "2026-07-02")[0][2] == "7.00"


def test_later_copies_change_nothing_that_was_known_before(tmp_path):
    take(tmp_path, "2026-07-01")
    take(tmp_path, "2026-07-15")
    known = Snapshot(tmp_path / "to", quarter="2026Q3", as_of="2026-07-10")
    before, fingerprint = known.opportunities, known.fingerprint
    take(tmp_path, "2026-08-01")
    after = Snapshot(tmp_path / "to", quarter="2026Q3", as_of="2026-07-10")
    pd.testing.assert_frame_equal(after.opportunities, before)
    assert after.fingerprint == fingerprint


def test_a_damaged_copy_is_refused(tmp_path):
    take(tmp_path, "2026-07-01")
    (tmp_path / "to" / "copies" / "2026-07-01.parquet").write_bytes(b"PAR1")
    assert take(tmp_path, "2026-07-15", "import") == 3
    with pytest.raises(RevopsError, match="damaged"):
        sources.import_export(tmp_path / "m.yml", tmp_path / "export", tmp_path / "to", as_of=dt.date(2026, 7, 16))
