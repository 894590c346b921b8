"""The runner: what it refuses before anything runs, what counts as success, what ends up where."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from revops_lib import report, runs, tables
from revops_lib.errors import CannotWrite, DataRefused, KernelDied, NotebookFailed, UsageError

PARAMETERS = """\
quarter: str = "2026Q2"  # fiscal quarter
as_of: str | None = None  # last day that counts
data: str = "data/sample"  # dataset folder
level: float = 0.9  # share of cases inside the interval
draws: int = 100  # simulated quarters
strict: bool = False  # stop at the first problem
label: str = "all"  # title of the picture
"""
# What report.finish leaves behind, written by hand: the contract itself is tested, not one writer of it.
FINISH = """\
import json, os
from pathlib import Path
import pyarrow, pyarrow.parquet
def store(name, columns, row):
    table = pyarrow.table({column: [value] for column, value in zip(columns.split(), row)})
    pyarrow.parquet.write_table(table, folder / f"{name}.parquet")
folder = Path(os.environ["REVOPS_RESULTS"])
store(stem, "quarter as_of metric by member value unit n low high level",
      [quarter, as_of, "pipeline", None, None, 1.0, "EUR", 7, 0.5, 1.5, level])
store(f"{stem}.recommendations", "topic finding action expected_amount low high owner effort",
      [stem, f"found by {stem}", "call", 10.0 if stem == "forecast" else None, None, None, "sales", "S"])
for figure in ("outlook", "private"):
    (folder / f"{stem}.{figure}.png").write_bytes(b"picture")
table = {"caption": "c", "columns": ["a"], "rows": [["1"]]}
picture = {"file": "x.png", "alt": "a", "caption": "c"}
stamp = {"quarter": quarter, "as_of": as_of, "data": data, "fingerprint": "f00", "library": "0.1.0"}
item = {"finding": "f", "action": "a", "owner": "o", "expected": "10", "person": "SECRET-PERSON"}
content = {"stem": stem, "question": "How much?", "headline": f"{stem} {level}", "notes": ["n"], "stamp": stamp,
    "tables": {"outlook": table, "pay": {**table, "rows": [["SECRET-PAY"]]}},
    "figures": {"outlook": picture, "private": {**picture, "caption": "SECRET-FIGURE"}}, "recommendations": [item]}
(folder / f"{stem}.json").write_text(json.dumps(content), encoding="utf-8")
"""


def write_notebook(folder: Path, stem: str, *cells: str, parameters: str = PARAMETERS, finish: bool = True) -> Path:
    """A small notebook: title, parameters, the given cells, and the results unless told otherwise."""
    code = [*cells, f'stem = "{stem}"\n{FINISH}'] if finish else list(cells)
    made = [_cell("title", "markdown", f"# {stem}"), _cell("parameters", "code", parameters, ["parameters"])]
    made += [_cell(f"code-{i}", "code", source) for i, source in enumerate(code)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    folder.mkdir(exist_ok=True)
    path = folder / f"{stem}.ipynb"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _cell(name: str, kind: str, source: str, tags: Iterable[str] = ()) -> dict[str, Any]:
    code = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"id": name, "cell_type": kind, "metadata": {"tags": list(tags)} if tags else {}, "source": source, **code}


def write_dataset(folder: Path, *, known_until: str = "2026-08-15", fiscal_year_end: str = "DEC") -> Path:
    """A dataset with one opportunity, created in the last minutes of 2025 UTC: 2026 in Paris."""
    deal = {"opportunity_id": ["1"], "status": ["open"], "created_at": pd.to_datetime(["2025-12-31 23:30:00"])}
    dataset = {
        "name": "tiny",
        "known_until": known_until,
        "timezone": "Europe/Paris",
        "fiscal_year_end": fiscal_year_end,
        "currency": "EUR",
        **{key: [] for key in ("tracked", "files", "aliases", "quarantined")},
    }
    tables.write(folder, {"opportunities": tables.conform("opportunities", pd.DataFrame(deal))}, dataset)
    return folder


def write_reports(folder: Path, *stems: str) -> Path:
    path = folder / "reports.yml"
    lines = "title: Title, tables: [outlook, absent], figures: [outlook], recommendations: true"
    path.write_text("".join(f"{stem}: {{{lines}}}\n" for stem in stems), encoding="utf-8")
    return path


class House:
    """A folder with notebooks, a dataset, an allow-list and a place for runs."""

    def __init__(self, root: Path) -> None:
        self.notebooks, self.out = root / "notebooks", root / "out"
        self.data, self.root = write_dataset(root / "company"), root

    def add(self, stem: str, *cells: str, **more: Any) -> Path:
        return write_notebook(self.notebooks, stem, *cells, **more)

    def allow(self, *stems: str) -> None:
        write_reports(self.root, *stems)

    def arguments(self) -> dict[str, Any]:
        return {"data": self.data, "notebooks": self.notebooks, "reports": self.root / "reports.yml"}

    def run(self, quarter: str = "2026Q2", **more: Any) -> dict[str, Any]:
        return runs.run(quarter, **self.arguments(), **{"out": self.out, "progress": False, "jobs": 2, **more})

    def resolve(self, quarter: str = "2026Q2", **more: Any) -> runs.Request:
        return runs.resolve(quarter, **self.arguments(), **more)


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.add("forecast")
    made.allow("forecast")
    return made


def in_place(files: dict[str, str]) -> dict[str, str]:
    """Without what a run notes about itself."""
    return {name: digest for name, digest in files.items() if not name.startswith(".") and name != "heartbeat.json"}


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# --- before anything runs -------------------------------------------------------------------------------------------


def test_parameters_are_read_with_type_default_and_help(tmp_path: Path) -> None:
    declared = runs.parameters(write_notebook(tmp_path, "forecast"))
    assert list(declared) == ["quarter", "as_of", "data", "level", "draws", "strict", "label"]
    assert declared["level"] == runs.Parameter("level", "float", 0.9, "share of cases inside the interval")
    assert declared["as_of"] == runs.Parameter("as_of", "str", None, "last day that counts", optional=True)


@pytest.mark.parametrize(
    "line",
    [
        "level = 0.9  # no type",
        "level: float = 0.9",
        "level: float  # no value",
        'level: float = "0.9"  # text',
        "level: int = True  # a truth value is no number",
        "level: float = 9 / 10  # computed",
        "level: list = [1]  # no such type",
        "import os  # code",
        "level: float = (  # broken",
        'quarter: str = "2026Q2"  # twice',
        "level: float = 0.4  # default outside [0.5 to 0.99]",
        "level: float = 0.9  # no number [half to 0.99]",
        'by: str = "rep"  # numbers of a text [1 to 2]',
        "level: float = 0.9  # choices of a number [one of 0.8, 0.9]",
    ],
)
def test_parameters_cell_with_anything_else_is_refused(tmp_path: Path, line: str) -> None:
    path = write_notebook(tmp_path, "forecast", parameters=f'quarter: str = "2026Q2"  # quarter\n{line}\n')
    with pytest.raises(UsageError, match=r"forecast\.ipynb"):
        runs.parameters(path)


def test_notebook_needs_exactly_one_parameters_cell(tmp_path: Path) -> None:
    path = write_notebook(tmp_path, "forecast")
    content = json.loads(path.read_text(encoding="utf-8"))
    tagged = [cell for cell in content["cells"] if cell["metadata"].get("tags")]
    for cells in ([], tagged * 2):
        path.write_text(json.dumps({**content, "cells": cells}), encoding="utf-8")
        with pytest.raises(UsageError, match="tagged `parameters`"):
            runs.parameters(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match="not a notebook"):
        runs.parameters(path)


@pytest.mark.parametrize("quarter", ["2026Q5", "2026-Q3", "２０２６Q3", "2026Q3\n", "../2026Q3", "", "2026"])
def test_wrong_quarter_is_refused(house: House, quarter: str) -> None:
    with pytest.raises(UsageError, match="is not a quarter"):
        house.run(quarter)
    assert not house.out.exists()


@pytest.mark.parametrize(("quarter", "closest"), [("2026Q4", "2026Q3"), ("2031Q1", "2026Q3"), ("2025Q4", "2026Q1")])
def test_quarter_outside_the_data_is_refused_with_the_nearest(house: House, quarter: str, closest: str) -> None:
    with pytest.raises(UsageError, match=f"the nearest quarter is {closest}"):
        house.run(quarter)
    assert not house.out.exists()


def test_quarter_follows_the_fiscal_year(house: House) -> None:
    write_dataset(house.data, fiscal_year_end="JAN")
    assert house.resolve("2027Q2").as_of == "2026-07-31"
    with pytest.raises(UsageError, match="the nearest quarter is 2027Q3"):
        house.resolve("2027Q4")


def test_as_of_is_the_last_known_day_of_the_quarter_or_what_is_asked(house: House) -> None:
    assert house.resolve("2026Q2").as_of == "2026-06-30"
    assert house.resolve("2026Q3").as_of == "2026-08-15"
    assert house.resolve("2026Q3", as_of="2026-07-08").parameters["forecast"]["as_of"] == "2026-07-08"
    with pytest.raises(UsageError, match="use 2026-08-15"):
        house.resolve("2026Q3", as_of="2026-08-16")
    with pytest.raises(UsageError, match="use 2026-01-01"):
        house.resolve("2026Q1", as_of="2025-12-31")
    with pytest.raises(UsageError, match="is not a day"):
        house.resolve("2026Q3", as_of="16.8.2026")


def test_params_are_read_by_the_declared_type(house: House) -> None:
    given = {"level": "0.8", "draws": "5", "strict": "true", "label": "no"}
    found = house.resolve(params=given).parameters["forecast"]
    assert {name: found[name] for name in given} == {"level": 0.8, "draws": 5, "strict": True, "label": "no"}
    assert house.resolve(params={"level": 1}).parameters["forecast"]["level"] == 1.0


@pytest.mark.parametrize(
    ("name", "value"),
    [("draws", "1e3"), ("draws", "5.0"), ("draws", True), ("draws", "５"), ("level", "nan"), ("level", "high"),
     ("level", ""), ("level", float("inf")), ("strict", "yes"), ("strict", "True"), ("strict", 1),
     ("label", 3), ("label", None)],
)  # fmt: skip
def test_param_of_the_wrong_type_is_refused(house: House, name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"parameter {name} is not of type"):
        house.run(params={name: value})
    assert not house.out.exists()


RANGED = f"""\
{PARAMETERS}
share: float = 0.8  # share [0.5 to 0.99]
weeks: int | None = None  # weeks [1 to 52]
by: str = "rep"  # group [one of rep, team]
"""


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("share", "1", "parameter share is 1.0, outside its range: 0.5 to 0.99"),
        ("share", 0.49, "0.5 to 0.99"),
        ("weeks", "0", "outside its range: 1 to 52"),
        ("weeks", "53", "1 to 52"),
        ("by", "reps", "did you mean rep"),
        ("by", "", "one of rep, team"),
    ],
)
def test_param_outside_its_range_is_refused(house: House, name: str, value: Any, message: str) -> None:
    house.add("forecast", parameters=RANGED)
    with pytest.raises(UsageError, match=message):
        house.run(params={name: value})
    assert not house.out.exists()


def test_bounds_of_a_range_are_inside(house: House) -> None:
    house.add("forecast", parameters=RANGED)
    for given in ({"share": 0.5, "weeks": 52, "by": "team"}, {"share": 0.99, "weeks": None, "by": "rep"}):
        found = house.resolve(params=given).parameters["forecast"]
        assert {name: found[name] for name in given} == given


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"params": {"levle": "0.8"}}, "did you mean level"),
        ({"params": {"a=1;import os#": "x"}}, "unknown parameter"),
        ({"params": {"quarter": "2026Q1"}}, "quarter is not a --param"),
        ({"only": ["forcast"]}, "did you mean forecast"),
        ({"only": ["../forecast"]}, "unknown notebook"),
        ({"jobs": 0}, "0 jobs"),
        ({"timeout": 0}, "timeout"),
    ],
)
def test_unknown_names_are_refused_and_nothing_is_written(house: House, arguments: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        house.run(**arguments)
    assert not house.out.exists()


def test_param_goes_to_the_notebooks_that_have_it(house: House) -> None:
    given = "".join(line for line in PARAMETERS.splitlines(keepends=True) if line.split(":")[0] in runs.GIVEN)
    house.add("quality", parameters=given)
    found = house.resolve(params={"level": "0.8"}).parameters
    assert found["forecast"]["level"] == 0.8
    assert "level" not in found["quality"]
    with pytest.raises(UsageError, match="unknown parameter 'level'"):
        house.resolve(params={"level": "0.8"}, only=["quality"])


def test_notebook_without_the_given_parameters_is_refused(house: House) -> None:
    house.add("quality", parameters='quarter: str = "2026Q2"  # quarter\n')
    with pytest.raises(UsageError, match="no parameter as_of"):
        house.resolve()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("forcast: {title: T}", "did you mean forecast"),
        ("forecast: {tables: [outlook]}", "has no title"),
        ("forecast: {title: T, tabels: [outlook]}", "did you mean tables"),
        ("forecast: {title: T, tables: outlook}", "tables of forecast is not a list"),
        ("forecast: {title: T, recommendations: 1}", "recommendations of forecast is not a bool"),
    ],
)
def test_faulty_allow_list_is_refused(house: House, text: str, message: str) -> None:
    (house.root / "reports.yml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        house.run()
    assert not house.out.exists()


def test_folder_that_is_no_dataset_is_refused(house: House) -> None:
    (house.data / "opportunities.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataRefused, match="damaged"):
        house.run()
    (house.data / "dataset.json").unlink()
    with pytest.raises(DataRefused, match="not a dataset"):
        house.run()
    assert not house.out.exists()


def test_place_that_cannot_be_written_is_refused(house: House) -> None:
    house.out.write_text("a file", encoding="utf-8")
    with pytest.raises(CannotWrite):
        house.run()
    house.out.unlink()
    house.out.mkdir()
    (house.out / "2026Q2").symlink_to(house.root)
    with pytest.raises(UsageError, match="link"):
        house.run()
    assert not (house.root / "results").exists()


# --- a good run -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, dict[str, Any]]:
    """A run of two notebooks, one of them listed for the site; the other was saved before cells had ids."""
    house = House(tmp_path_factory.mktemp("good"))
    house.add("forecast", "1 + 1  # shown", "", "# only a comment")
    old = house.add("quality", "str({'a', 'b', 'c'})", "import sys; print('x'); print('y', file=sys.stderr); print('z')")
    content = json.loads(old.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        del cell["id"]
    old.write_text(json.dumps({**content, "nbformat_minor": 4}), encoding="utf-8")
    house.allow("forecast")
    return house, house.run(params={"level": "0.8"})


def test_run_lays_out_the_quarter(good: Any) -> None:
    house, manifest = good
    folder = house.out / "2026Q2"
    assert manifest == json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["exit_code"] == 0
    assert (manifest["quarter"], manifest["as_of"]) == ("2026Q2", "2026-06-30")
    assert manifest["notebooks"]["forecast"]["parameters"] == {
        "quarter": "2026Q2", "as_of": "2026-06-30", "data": house.data.as_posix(),
        "level": 0.8, "draws": 100, "strict": False, "label": "all",
    }  # fmt: skip
    company = house.data.as_posix()
    parquet = hashlib.sha256((house.data / "opportunities.parquet").read_bytes()).hexdigest()
    assert manifest["inputs"][f"{company}/opportunities.parquet"] == parquet
    assert f"{company}/dataset.json" in manifest["inputs"]
    assert {"revops", "pandas", "duckdb", "papermill", "python"} <= set(manifest["libraries"])
    entry = manifest["notebooks"]["forecast"]
    assert entry["state"] == "ok"
    assert entry["split"]["imports"] > 0
    assert 0 < sum(entry["split"].values()) <= entry["seconds"]
    stems = [f"{stem}.{end}" for stem in ("forecast", "quality") for end in
             ("json", "outlook.png", "parquet", "private.png", "recommendations.parquet")]  # fmt: skip
    assert sorted(p.name for p in (folder / "results").iterdir()) == sorted([*stems, "recommendations.parquet"])
    assert sorted(p.name for p in folder.iterdir()) == [
        "forecast.ipynb", "manifest.json", "public", "quality.ipynb", "results"
    ]  # fmt: skip
    merged = pd.read_parquet(folder / "results" / "recommendations.parquet")
    assert merged["topic"].tolist() == ["forecast", "quality"]
    assert pd.read_parquet(folder / "results" / "forecast.parquet")["level"].tolist() == [0.8]


def test_public_holds_only_what_is_listed(good: Any) -> None:
    house, _ = good
    public = house.out / "2026Q2" / "public"
    assert sorted(p.name for p in public.iterdir()) == ["forecast.outlook.png", "report.json"]
    text = (public / "report.json").read_text(encoding="utf-8")
    assert "SECRET" not in text
    assert str(house.root) not in text
    report = json.loads(text)
    reports = report.pop("reports")
    assert report == {
        "quarter": "2026Q2", "as_of": "2026-06-30", "data": "company", "fingerprint": "f00", "library": "0.1.0",
        "known_until": "2026-08-15", "failed": [], "asked": ["forecast", "quality"], "ended": True,
    }  # fmt: skip
    assert reports == [{
        "stem": "forecast", "title": "Title", "question": "How much?", "headline": "forecast 0.8", "notes": ["n"],
        "tables": [{"name": "outlook", "caption": "c", "columns": ["a"], "rows": [["1"]]}],
        "figures": [{"file": "forecast.outlook.png", "alt": "a", "caption": "c"}],
        "recommendations": [{"finding": "f", "action": "a", "owner": "o", "expected": "10"}],
    }]  # fmt: skip


def test_equal_runs_give_equal_bytes(good: Any, tmp_path: Path) -> None:
    house, _ = good
    house.run(params={"level": "0.8"}, out=tmp_path, jobs=1)
    first, second = digests(house.out / "2026Q2"), digests(tmp_path / "2026Q2")
    del first["manifest.json"], second["manifest.json"]
    assert first == second
    text = (tmp_path / "2026Q2" / "quality.ipynb").read_text(encoding="utf-8")
    assert not [word for word in ("papermill", "iopub", '"status"') if word in text]


def test_only_keeps_the_rest_when_it_still_holds(good: Any, tmp_path: Path) -> None:
    house, _ = good
    shutil.copytree(house.out, tmp_path / "out")
    public = tmp_path / "out" / "2026Q2" / "public" / "report.json"
    before = public.read_bytes()
    manifest = house.run(only=["quality"], out=tmp_path / "out", jobs=1)
    assert {stem: entry["parameters"]["level"] for stem, entry in manifest["notebooks"].items()} == {
        "forecast": 0.8, "quality": 0.9
    }  # fmt: skip
    assert public.read_bytes() == before
    manifest = house.run(only=["quality"], out=tmp_path / "out", as_of="2026-05-31", jobs=1, replace=True)
    assert list(manifest["notebooks"]) == ["quality"]  # the forecast was made as of another day
    assert json.loads(public.read_text(encoding="utf-8"))["reports"] == []
    names = {path.name for path in (tmp_path / "out" / "2026Q2").rglob("*")}
    assert "quality.ipynb" in names
    assert not [name for name in names if name.startswith(("forecast", "."))]


def test_run_of_other_data_or_another_day_is_not_replaced_unasked(good: Any, tmp_path: Path) -> None:
    house, _ = good
    out = Path(shutil.copytree(house.out, tmp_path / "out"))
    before = digests(out)
    asked: list[dict[str, Any]] = [{"as_of": "2026-05-31"}, {"data": write_dataset(tmp_path / "other")}]
    for other in asked:
        with pytest.raises(UsageError, match=r"2026Q2 holds the run of .*company as of 2026-06-30 — .* add --replace"):
            runs.run("2026Q2", **{**house.arguments(), "out": out, "progress": False, **other})
    broken = write_notebook(tmp_path / "broken", "forecast", "1 / 0").parent
    options = {**house.arguments(), "notebooks": broken, "out": out, "progress": False}
    assert runs.run("2026Q2", as_of="2026-05-31", replace=True, **options)["exit_code"] == 4
    assert in_place(digests(out)) == in_place(before)  # nothing good came of it: the other run stays


def test_public_stays_when_no_notebook_succeeds(good: Any, tmp_path: Path) -> None:
    house, _ = good
    out = Path(shutil.copytree(house.out, tmp_path / "out"))
    before = digests(out / "2026Q2" / "public")
    broken = write_notebook(tmp_path / "broken", "forecast", "1 / 0").parent
    options = {**house.arguments(), "notebooks": broken, "out": out, "progress": False}
    assert runs.run("2026Q2", **options)["exit_code"] == 4
    assert digests(out / "2026Q2" / "public") == before


def test_notebooks_without_advice_are_a_good_run(house: House) -> None:
    for stem, kind in (("forecast", "object"), ("quality", "int64")):
        empty = f"pd.DataFrame(columns='{' '.join(report.ADVICE_COLUMNS)}'.split(), dtype='{kind}')"
        last = f"empty = {empty}\nempty.to_parquet(folder / f'{{stem}}.recommendations.parquet')"
        house.add(stem, f"stem = '{stem}'\n{FINISH}\nimport pandas as pd\n{last}", finish=False)
    merged = house.out / "2026Q2" / "results" / "recommendations.parquet"
    assert house.run()["exit_code"] == 0
    assert pd.read_parquet(merged).empty
    house.add("territory")
    assert house.run()["exit_code"] == 0
    found = pd.read_parquet(merged)
    assert found["topic"].tolist() == ["territory"]
    assert {str(found[name].dtype) for name in ("expected_amount", "low", "high")} == {"float64"}


def test_what_is_private_is_no_result_and_one_file_per_person(house: House) -> None:
    told = "frame = pd.DataFrame({'rep': ['../a', 'b', 'b'], 'pay': [1, 2, 3]})"
    finish = (
        "report.finish({'quarter': quarter, 'as_of': as_of, 'data': data}, stem='forecast', question='', headline='', notes=[],"
    )
    finish += " metrics=report.Reason('no'), tables={}, figures={}, recommendations=report.Reason('no'), private={'pay': (frame, 'rep')})"
    house.add("forecast", f"import pandas as pd\nfrom revops_lib import report\n{told}\n{finish}", finish=False)
    manifest = house.run()
    assert manifest["exit_code"] == 0
    folder = house.out / "2026Q2" / "private"
    files = {path.name: path for path in (folder / "forecast" / "pay").iterdir()}
    assert {name: pd.read_parquet(path)["pay"].tolist() for name, path in files.items()} == {
        "..%2Fa.parquet": [1], "b.parquet": [2, 3]
    }  # fmt: skip
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*")) if path.is_dir()} == {0o700}
    assert not list((house.out / "2026Q2" / "results").glob("*pay*"))
    assert "private/forecast/pay/b.parquet" in manifest["notebooks"]["forecast"]["results"]


def test_plans_beside_the_data_are_inputs(house: House) -> None:
    plan = house.data / "plans" / "quotas.yml"
    plan.parent.mkdir()
    plan.write_text("x: 1\n", encoding="utf-8")
    inputs = house.run()["inputs"]
    assert inputs[f"{house.data.as_posix()}/plans/quotas.yml"] == hashlib.sha256(plan.read_bytes()).hexdigest()


def test_refresh_stores_outputs_in_place(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVOPS_RESULTS", str(house.root / "elsewhere"))
    source = "import os\n'REVOPS_RESULTS' in os.environ"
    path = house.add("forecast", source, "quarter", finish=False)
    runs.refresh([path])
    content = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == [1, 2, 3]
    assert [cell["outputs"][0]["data"]["text/plain"] for cell in cells[1:]] == [["False"], ["'2026Q2'"]]
    assert "papermill" not in path.read_text(encoding="utf-8")
    before = path.read_bytes()
    broken = house.add("quality", "1 / 0", finish=False)
    with pytest.raises(NotebookFailed, match="ZeroDivisionError"):
        runs.refresh([path, broken])
    assert path.read_bytes() == before


# --- what counts as failure -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, dict[str, Any], dict[str, str]]:
    """A good run of one notebook, then a run in which that one fails, and others in all the ways there are."""
    house = House(tmp_path_factory.mktemp("spoiled"))
    house.add("forecast")
    house.allow("forecast")
    assert house.run()["exit_code"] == 0
    before = digests(house.out / "2026Q2")
    house.add("forecast", "x = 1\nraise ValueError('no deals\\nsecond line')")
    house.add("quality")
    house.allow("forecast", "quality")
    house.add("nested", "import json\ndef f():\n    return {}['a']\nx = 1\nf()")
    house.add("unreadable", "x = 1\ny = = 2")
    house.add("leaves", "import sys; sys.exit(0)")
    house.add("dies", "import os; os._exit(0)")
    house.add("loops", "while True: pass")
    house.add("asks", "input('name')")
    house.add("silent", finish=False)
    house.add("overwrites", "quarter = '2026Q1'")
    house.add("trespasses", "import os; open(os.environ['REVOPS_RESULTS'] + '/quality.json', 'w').close()")
    house.add("bare", "1", finish=False)
    house.add("refused", "class NoHistory(Exception): pass\nraise NoHistory('error: no history — stage — ask')")
    house.add("shows", f"stem = 'shows'\n{FINISH.replace('columns', 'colums')}", finish=False)
    house.add("columns", f"stem = 'columns'\n{FINISH}\nstore('columns', 'a', [1])",
              finish=False)  # fmt: skip
    for stem, tag in (("skips", "skip-execution"), ("tolerates", "raises-exception")):
        path = house.add(stem, "1 / 0")
        content = json.loads(path.read_text(encoding="utf-8"))
        content["cells"][2]["metadata"]["tags"] = [tag]
        path.write_text(json.dumps(content), encoding="utf-8")
    return house, house.run(timeout=3), before


@pytest.mark.parametrize(
    ("stem", "code", "message"),
    [
        ("forecast", 4, "error: ValueError: no deals — notebook forecast, cell 3: raise ValueError('no deals\\n"),
        ("nested", 4, "error: KeyError: 'a' — notebook nested, cell 3: return {}['a'] — correct"),
        ("unreadable", 4, "notebook unreadable, cell 3: y = = 2 — correct"),
        ("leaves", 4, "SystemExit: 0 — notebook leaves, cell 3"),
        ("dies", 5, "Kernel died — notebook dies, cell 3: import os; os._exit(0)"),
        ("loops", 6, "no end after 3 seconds — notebook loops, cell 3: while True: pass"),
        ("asks", 4, "StdinNotImplementedError"),
        ("silent", 4, "silent.json was not written"),
        ("bare", 4, "bare.json was not written"),
        ("overwrites", 4, "the results are for quarter 2026Q1, not 2026Q2"),
        ("trespasses", 4, "quality.json is not a result of this notebook"),
        ("refused", 4, "NoHistory: no history — stage — ask"),
        ("columns", 4, "columns.parquet has other columns"),
        ("shows", 4, "tables outlook of shows.json lacks columns"),
        ("skips", 4, "a cell was not executed in its turn — notebook skips, cell 3: 1 / 0"),
        ("tolerates", 4, "ZeroDivisionError: division by zero — notebook tolerates, cell 3"),
    ],
)
def test_failure_is_told_in_one_line(spoiled: Any, stem: str, code: int, message: str) -> None:
    house, manifest, _ = spoiled
    entry = manifest["notebooks"][stem]
    assert (entry["state"], entry["exit_code"]) == ("failed", code)
    assert entry["error"].startswith("error: ")
    assert message in entry["error"]
    assert "\n" not in entry["error"]
    own = house.out / ".runs" / manifest["run"]
    assert (own / f"{stem}.failed-{manifest['run']}.ipynb").exists()
    assert (own / f"{stem}.log").exists()
    assert stem == "forecast" or not (house.out / "2026Q2" / f"{stem}.ipynb").exists()


def test_failures_stop_nobody_and_spoil_nothing(spoiled: Any) -> None:
    house, manifest, before = spoiled
    assert manifest["exit_code"] == 6
    assert manifest["notebooks"]["quality"]["state"] == "ok"
    after = digests(house.out / "2026Q2")
    own = [name for name in before if "forecast" in name and not name.startswith("public/")]
    assert len(own) == 6
    assert {name: after[name] for name in own} == {name: before[name] for name in own}
    assert sorted(path.name for path in house.out.iterdir()) == [".inputs", ".runs", "2026Q2", "heartbeat.json"]


def test_failed_notebook_is_not_published(spoiled: Any) -> None:
    house, _, _ = spoiled
    report = json.loads((house.out / "2026Q2" / "public" / "report.json").read_text(encoding="utf-8"))
    assert [entry["stem"] for entry in report["reports"]] == ["quality"]
    assert report["failed"] == ["forecast"]
    merged = pd.read_parquet(house.out / "2026Q2" / "results" / "recommendations.parquet")
    assert merged["topic"].tolist() == ["quality"]


def test_notebook_that_takes_its_worker_down_stops_nobody(house: House) -> None:
    house.add("kills", "import os, signal, time; os.kill(os.getppid(), signal.SIGKILL); time.sleep(20)")
    manifest = house.run()
    assert manifest["notebooks"]["kills"]["exit_code"] == KernelDied.exit_code
    assert manifest["notebooks"]["forecast"]["state"] == "ok"


def test_working_directory_does_not_matter(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.add("forecast", "open('left.txt', 'w').close()")
    place = house.root / "braces {and} spaces"
    place.mkdir()
    house.notebooks = house.notebooks.rename(place / "notebooks")
    (place / "pandas.py").write_text("raise ImportError('found where the user stands')", encoding="utf-8")
    monkeypatch.chdir(place)
    assert house.run(jobs=1)["exit_code"] == 0
    assert sorted(path.name for path in place.iterdir()) == ["notebooks", "pandas.py"]


def test_what_others_have_put_into_the_quarter_stays(house: House) -> None:
    house.run()
    folder = house.out / "2026Q2"
    (folder / "my_analysis.ipynb").write_text("{}", encoding="utf-8")
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("mine", encoding="utf-8")
    (folder / "elsewhere").symlink_to(house.root)
    (folder / "results" / "mine.csv").write_text("1", encoding="utf-8")
    house.add("quality")
    (house.notebooks / "forecast.ipynb").unlink()
    house.allow("quality")
    assert house.run(replace=True, as_of="2026-05-31")["dropped"] == ["forecast"]
    assert (folder / "notes" / "a.txt").read_text(encoding="utf-8") == "mine"
    assert (folder / "elsewhere").is_symlink() and (folder / "results" / "mine.csv").exists()
    assert sorted(path.name for path in folder.glob("*.ipynb")) == ["my_analysis.ipynb", "quality.ipynb"]


def test_a_run_that_shall_be_whole_changes_nothing_when_one_fails(house: House) -> None:
    house.run()
    before = digests(house.out / "2026Q2")
    house.add("quality", "1 / 0")
    assert house.run(whole=True, replace=True, as_of="2026-05-31")["exit_code"] == 4
    assert digests(house.out / "2026Q2") == before


def test_runs_are_closed_to_others(house: House) -> None:
    (house.data / "opportunities.parquet").chmod(0o644)
    own = house.out / ".runs" / house.run()["run"]
    closed = [house.out / "2026Q2", own, house.out / ".inputs"]
    assert {path.stat().st_mode & 0o777 for path in closed} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in (house.out / ".inputs").iterdir()} == {0o600}
    (house.out / "2026Q2").chmod(0o750)
    house.run()
    assert (house.out / "2026Q2").stat().st_mode & 0o777 == 0o750  # as somebody has decided


@pytest.mark.parametrize("made", ["(folder / 'forecast.dir').mkdir()", "(folder / 'forecast.csv').touch()"])
def test_results_of_another_kind_fail_their_notebook_alone(house: House, made: str) -> None:
    house.add("forecast", f"stem = 'forecast'\n{FINISH}\n{made}", finish=False)
    house.add("quality")
    manifest = house.run()
    assert "is none of the files that results are" in manifest["notebooks"]["forecast"]["error"]
    assert manifest["notebooks"]["quality"]["state"] == "ok"


def test_code_that_changes_during_a_run_is_noticed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = iter(["before", "after"])
    monkeypatch.setattr("revops_lib.runs.inputs.code", lambda: next(codes))
    with pytest.raises(DataRefused, match="the code of revops_lib"):
        house.run()
    assert not (house.out / "2026Q2").exists()


def test_a_secret_like_a_word_of_ours_does_not_spoil_the_manifest(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "revops")
    monkeypatch.setenv("CRM_PASS", house.data.name)
    assert house.run()["exit_code"] == 0
    assert house.run(resume=True)["resumed"] == ["forecast"]


@pytest.mark.parametrize("warm", [True, False])
def test_what_a_cell_hides_from_its_run_is_ended_too(house: House, warm: bool) -> None:
    hidden = "import subprocess\np = subprocess.Popen(['sleep', '77.25'], env={}, start_new_session=True)"
    house.add("forecast", hidden)
    assert house.run(warm=warm)["exit_code"] == 0
    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "77.25"]]
