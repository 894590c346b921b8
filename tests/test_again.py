"""A past run made again from the inputs kept by hash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_runs import House, write_dataset

from revops_lib import cli, runs
from revops_lib.errors import IntegrityError, UsageError

pytestmark = pytest.mark.whole


@pytest.fixture
def done(tmp_path: Path) -> tuple[House, Path]:
    house = House(tmp_path)
    house.add("forecast", "import pandas\nn = len(pandas.read_parquet(f'{data}/opportunities.parquet'))")
    told = json.loads((house.notebooks / "forecast.ipynb").read_text(encoding="utf-8"))
    told["cells"][-1]["source"] = told["cells"][-1]["source"].replace('"EUR", 7,', '"EUR", n,')
    (house.notebooks / "forecast.ipynb").write_text(json.dumps(told), encoding="utf-8")
    house.allow("forecast")
    assert house.run(params={"level": "0.8"})["exit_code"] == 0
    return house, house.out / "2026Q2" / "manifest.json"


def test_a_run_is_made_again_after_data_and_notebook_have_changed(done, capsys):
    house, manifest = done
    write_dataset(house.data, known_until="2026-08-20")
    (house.notebooks / "forecast.ipynb").unlink()
    found = runs.rerun(manifest)
    names = ["json", "outlook.png", "parquet", "private.png", "recommendations.parquet"]
    assert found.equal == [f"forecast.{name}" for name in names]
    assert (found.quarter, found.differing, found.changed) == ("2026Q2", [], [])
    assert cli.main(["rerun", str(manifest)]) == 0
    assert capsys.readouterr().out == "2026Q2: 5 results made again, byte for byte\n"
    own = next((house.out / ".runs").glob("2026Q2-*/manifest.json"))
    assert runs.rerun(own).differing == []


def test_a_companys_own_dictionary_is_kept_as_it_was(tmp_path: Path) -> None:
    house = House(tmp_path)
    own = house.data / "kpis.yml"
    own.write_text("kpis: one\n", encoding="utf-8")
    house.add("forecast", "n = len(open(f'{data}/kpis.yml').read())")
    told = json.loads((house.notebooks / "forecast.ipynb").read_text(encoding="utf-8"))
    told["cells"][-1]["source"] = told["cells"][-1]["source"].replace('"EUR", 7,', '"EUR", n,')
    (house.notebooks / "forecast.ipynb").write_text(json.dumps(told), encoding="utf-8")
    house.allow("forecast")
    assert house.run()["exit_code"] == 0
    manifest = house.out / "2026Q2" / "manifest.json"
    assert str(own) in json.loads(manifest.read_text(encoding="utf-8"))["inputs"]
    own.write_text("kpis: another one\n", encoding="utf-8")
    assert runs.rerun(manifest).differing == []
    own.unlink()
    assert runs.rerun(manifest).differing == []


def test_a_result_that_comes_out_differently_is_named(done, capsys):
    _, manifest = done
    told = json.loads(manifest.read_text(encoding="utf-8"))
    told["notebooks"]["forecast"]["results"]["forecast.parquet"] = "0" * 64
    told["libraries"]["pandas"] = "2.0.0"
    manifest.write_text(json.dumps(told), encoding="utf-8")
    assert cli.main(["rerun", str(manifest)]) == 9
    said = capsys.readouterr().err
    assert "1 of 5 results differ: forecast.parquet" in said and "pandas 2.0.0 →" in said


def test_an_input_that_was_changed_or_is_gone_is_named(done):
    house, manifest = done
    digest = json.loads(manifest.read_text(encoding="utf-8"))["inputs"][f"{house.data}/dataset.json"]
    kept = house.out / ".inputs" / digest
    kept.write_text("{}", encoding="utf-8")
    with pytest.raises(IntegrityError, match=r"changed — .*dataset\.json"):
        runs.rerun(manifest)
    kept.unlink()
    with pytest.raises(IntegrityError, match=r"missing — .*dataset\.json"):
        runs.rerun(manifest)


def test_what_is_no_manifest_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="not the manifest"):
        runs.rerun(tmp_path / "manifest.json")


def test_old_runs_go_and_with_them_inputs_nobody_needs(done, monkeypatch):
    house, _ = done
    monkeypatch.setattr("revops_lib.runs.journal.KEPT", 2)
    known = {path.name for path in (house.out / ".inputs").iterdir()}
    for day in range(10, 12):
        write_dataset(house.data, known_until=f"2026-08-{day}")
        house.run()
    assert len(list((house.out / ".runs").glob("2026Q2-*"))) == 2
    needed = {digest for path in house.out.rglob("manifest.json") for digest in json.loads(path.read_text())["inputs"].values()}
    kept = {path.name for path in (house.out / ".inputs").iterdir()}
    assert needed <= kept and known - kept
