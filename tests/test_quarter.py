"""The main job, end to end: real kernels on the sample company and on the public export, through `revops`."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import test_locales
from companies import recent

from revops_lib import sources

pytestmark = pytest.mark.whole
ROOT = Path(__file__).resolve().parent.parent
STEMS = ["bottlenecks", "compensation", "diagnosis", "enablement", "forecast", "kpis", "quality"]
INTERFACE = ["quarter", "as_of", "metric", "by", "member", "value", "unit", "n", "low", "high", "level"]


def revops(*words: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "revops_lib", *map(str, words)], capture_output=True, text=True, encoding="utf-8"
    )


def text_of(notebook: Path) -> str:
    """Everything a reader sees in an executed notebook."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    plain = [output.get("data", {}).get("text/plain", output.get("text", "")) for output in outputs]
    return "\n".join(part if isinstance(part, str) else "".join(part) for part in plain)


@pytest.fixture(scope="module")
def sample_copy(tmp_path_factory):
    return recent(tmp_path_factory.mktemp("sample") / "data")


@pytest.fixture(scope="module")
def sample_run(sample_copy, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    ended = revops("run", "2026Q1", "--data", sample_copy, "--out", out)
    assert ended.returncode == 0, ended.stderr
    return out / "2026Q1"


@pytest.fixture(scope="module")
def crm_copy(crm, tmp_path_factory):
    return shutil.copytree(crm, tmp_path_factory.mktemp("crm") / "data")


@pytest.fixture(scope="module")
def crm_runs(crm_copy, tmp_path_factory):
    """A quarter, and of the last one what looks ahead of it; the test that alters the data comes after them."""
    out = tmp_path_factory.mktemp("runs")
    for quarter, words in (("2017Q3", []), ("2017Q4", ["--only", "compensation,forecast"])):
        ended = revops("run", quarter, "--data", crm_copy, "--out", out, *words)
        assert ended.returncode == 0, ended.stderr
    return out


@pytest.fixture(scope="module")
def crm_run(crm_runs):
    return crm_runs / "2017Q3"


def test_a_quarter_of_the_sample_leaves_what_others_rely_on(sample_run):
    manifest = json.loads((sample_run / "manifest.json").read_text(encoding="utf-8"))
    assert {stem: entry["state"] for stem, entry in manifest["notebooks"].items()} == dict.fromkeys(STEMS, "ok")
    assert manifest["as_of"] == "2026-03-31"
    for stem in STEMS:
        metrics = pd.read_parquet(sample_run / "results" / f"{stem}.parquet")
        assert list(metrics.columns) == INTERFACE and len(metrics) > 0
        ahead = metrics["metric"] == "forecast"  # these rows are about the quarter that follows
        assert set(metrics.loc[~ahead, "quarter"]) == {"2026Q1"} and set(metrics.loc[ahead, "quarter"]) <= {"2026Q2"}
        assert set(metrics["as_of"]) == {"2026-03-31"}
    advice = pd.read_parquet(sample_run / "results" / "recommendations.parquet")
    assert {"topic", "finding", "action", "owner"} <= set(advice.columns) and len(advice) > 0


def test_stored_parameters_include_the_defaults(sample_run):
    manifest = json.loads((sample_run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["notebooks"]["forecast"]["parameters"]["level"] == 0.8
    assert manifest["notebooks"]["bottlenecks"]["parameters"]["by"] == "segment"


def test_what_happens_after_the_day_changes_no_output_byte(sample_copy, sample_run, tmp_path):
    """Everything dated after 2026-03-31 is altered or removed; notebooks and results stay byte-identical."""
    cutoff, day = pd.Timestamp("2026-03-31 22:00"), pd.Timestamp("2026-03-31")
    changes = pd.read_parquet(sample_copy / "opportunity_history.parquet")
    won_by_then = changes.loc[(changes["new_value"] == "Closed Won") & (changes["changed_at"] < cutoff), "opportunity_id"]

    def alter(name, change):
        path = sample_copy / f"{name}.parquet"
        before = pd.read_parquet(path, dtype_backend="pyarrow")
        after = change(before.copy())
        assert not after.equals(before), f"the test altered nothing in {name}"
        after.to_parquet(path, index=False)

    def later(series):
        return pd.to_datetime(series) > day

    def history(frame):
        late = frame["changed_at"] >= cutoff
        frame.loc[late & (frame["field"] == "amount"), "new_value"] = "9999999.00"
        frame.loc[late & (frame["field"] == "owner_id"), "new_value"] = "nobody"
        return frame[~late | (frame["change_no"].astype("int64") % 3 != 0)]

    def opportunities(frame):
        frame.loc[later(frame["close_date"]), "stage"] = "Closed Lost"
        frame.loc[later(frame["close_date"]), "status"] = "lost"
        return frame[(frame["created_at"] < cutoff) | (frame["opportunity_id"].str[-1] == "7")]

    alter("opportunity_history", history)
    alter("opportunities", opportunities)
    alter("leads", lambda f: f[f["created_at"] < cutoff])
    alter("quotas", lambda f: f[f["quarter"] <= "2026Q2"])
    alter("forecast_submissions", lambda f: f[f["submitted_at"] < cutoff])
    alter("subscriptions", lambda f: f.assign(end_date=f["end_date"].where(~later(f["end_date"]).fillna(False))))
    alter("reps", lambda f: f.assign(end_date=f["end_date"].where(~later(f["end_date"]).fillna(False))))
    alter("credits", lambda f: f[f["opportunity_id"].isin(won_by_then)])
    alter("contracts", lambda f: f[f["opportunity_id"].isin(won_by_then)])
    alter("contracts", lambda f: f.assign(cancelled_date=f["cancelled_date"].where(~later(f["cancelled_date"]).fillna(False))))
    alter("invoices", lambda f: f[~later(f["invoiced_date"])])
    alter("objectives", lambda f: f.assign(achieved=f["achieved"].where(~later(f["decided_date"]).fillna(False), 0.25)))
    alter("disputes", lambda f: f[~later(f["raised_date"])])
    alter("spend", lambda f: f[~later(f["month"])])
    alter("adjustments", lambda f: f[~later(f["decided_date"])])
    alter("qualifications", lambda f: f.assign(score=f["score"].where(~later(f["scored_date"]), "0")))

    ended = revops("run", "2026Q1", "--data", sample_copy, "--out", tmp_path, "--as-of", "2026-03-31")
    assert ended.returncode == 0, ended.stderr
    compared = [
        path.relative_to(sample_run) for path in sample_run.rglob("*") if path.is_file() and path.name != "manifest.json"
    ]
    assert len(compared) > 20
    different = [
        str(name) for name in compared if (tmp_path / "2026Q1" / name).read_bytes() != (sample_run / name).read_bytes()
    ]
    assert different == []


def test_without_history_too_what_happens_after_the_day_changes_no_output_byte(crm_copy, crm_runs, tmp_path):
    """Deals closed after 2017-09-30 change their outcome, amount and stage, later ones disappear: 2017Q3 stays as it was."""
    data = crm_copy
    deals = pd.read_parquet(data / "opportunities.parquet", dtype_backend="pyarrow")
    late = (pd.to_datetime(deals["close_date"]) > "2017-09-30").fillna(False)
    assert late.sum() > 1000
    deals.loc[late, ["status", "stage", "lost_reason"]] = ["lost", "Lost", "changed"]
    deals.loc[late, "amount"] = None
    created_later = (deals["created_at"] >= pd.Timestamp("2017-10-01 04:00")).fillna(False)
    deals[~created_later].to_parquet(data / "opportunities.parquet", index=False)
    assert revops("run", "2017Q3", "--data", data, "--out", tmp_path / "after").returncode == 0
    files = [path.relative_to(crm_runs) for path in (crm_runs / "2017Q3").rglob("*") if path.is_file()]
    compared = [name for name in files if name.name != "manifest.json"]
    assert len(compared) > 15
    assert [str(n) for n in compared if (crm_runs / n).read_bytes() != (tmp_path / "after" / n).read_bytes()] == []


def test_a_french_export_gives_the_results_of_the_english_one(crm_run, crm_export, tmp_path):
    """The tables are seen to be the same in test_locales; here what is told of them, the notes of the import included."""
    sources.import_export(*test_locales.french_export(crm_export, tmp_path), tmp_path / "data")
    ended = revops("run", "2017Q3", "--data", tmp_path / "data", "--out", tmp_path, "--only", "kpis,quality")
    assert ended.returncode == 0, ended.stderr
    french, english = (
        {path.name: path.read_bytes() for stem in ("kpis", "quality") for path in (run / "results").glob(f"{stem}*.parquet")}
        for run in (tmp_path / "2017Q3", crm_run)
    )
    assert french == english and len(french) >= 4


@pytest.mark.parametrize(("quarter", "stems"), [("2017Q3", STEMS), ("2017Q4", ["compensation", "forecast"])])
def test_an_export_without_history_runs_and_says_what_it_cannot_say(crm_runs, quarter, stems):
    crm_run = crm_runs / quarter
    read = {stem: text_of(crm_run / f"{stem}.ipynb") for stem in stems}
    assert "A forecast in money is not shown" in read["forecast"]
    assert "no credits" in read["compensation"] and "no quotas" in read["compensation"]
    won = {"2017Q4": "1,196 deals", "2017Q3": "1,257 deals"}[quarter]
    assert won in read["compensation"]
    for text in read.values():
        assert "NaN" not in text and "None\n" not in text and "<NA>" not in text and "Traceback" not in text
    if "quality" in stems:
        assert "no history of the field stage" in read["bottlenecks"]
        assert "account missing" in read["quality"] and "GTXPro" in read["quality"]
    pay = pd.read_parquet(crm_run / "results" / "compensation.parquet")
    assert set(pay["metric"]) == {"bookings"}  # no pay, attainment or cost is made up


@pytest.mark.parametrize("quarter", ["2020Q3", "2026Q4"])
def test_the_first_and_the_running_quarter_run_too(quarter, tmp_path):
    data = [] if quarter == "2020Q3" else ["--data", recent(tmp_path / "data")]
    ended = revops("run", quarter, "--out", tmp_path / "runs", *data)
    assert ended.returncode == 0, ended.stderr
    assert "nan" not in ended.stdout and "None" not in ended.stdout
    if quarter == "2020Q3":
        assert "fewer than two complete past quarters" in ended.stdout
    else:
        assert '"as_of": "2026-11-15"' in (tmp_path / "runs" / quarter / "manifest.json").read_text(encoding="utf-8")


def test_a_group_of_persons_is_not_published_whatever_the_parameter(tmp_path):
    ended = revops("run", "2026Q3", "--only", "bottlenecks", "--param", "by=owner_id", "--out", tmp_path)
    assert ended.returncode == 0, ended.stderr
    public = json.loads((tmp_path / "2026Q3" / "public" / "report.json").read_text(encoding="utf-8"))
    names = [table["name"] for table in public["reports"][0]["tables"]]
    assert "win_rate" not in names and "ranking" in names
    assert "R005" not in json.dumps(public)
    assert "R005" in text_of(tmp_path / "2026Q3" / "bottlenecks.ipynb")  # the analyst still sees it


def test_no_cell_of_any_table_is_empty(crm_run, sample_run):
    for folder in (crm_run, sample_run):
        for stem in STEMS:
            told = json.loads((folder / "results" / f"{stem}.json").read_text(encoding="utf-8"))
            for name, table in told["tables"].items():
                cells = [cell for row in table["rows"] for cell in row]
                empty = [cell for cell in cells if not cell.strip()]
                assert not empty or name == "details", (stem, name)


def test_nothing_about_a_person_is_published(sample_run):
    public = json.loads((sample_run / "public" / "report.json").read_text(encoding="utf-8"))
    text = json.dumps(public, ensure_ascii=False)
    reps, accounts = (pd.read_parquet(ROOT / "data" / "sample" / f"{table}.parquet") for table in ("reps", "accounts"))
    assert {report["stem"] for report in public["reports"]} == set(STEMS)
    assert not [rep for rep in reps["rep_id"] if f'"{rep}"' in text]
    assert not [name for name in [*reps["name"].dropna(), *accounts["name"].dropna()] if name in text]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("2026Q5",), 2, "2026Q4"),
        (("2031Q1",), 2, "2026Q4"),
        (("2026Q1", "--only", "forcast"), 2, "forecast"),
        (("2026Q1", "--param", "levl=0.5"), 2, "level"),
        (("2026Q1", "--param", "level=high"), 2, "level"),
        (("2026Q1", "--data", "nowhere"), 3, "nowhere"),
    ],
)
def test_wrong_words_are_refused_in_one_line_before_anything_runs(words, code, said, tmp_path):
    out = tmp_path / "runs"
    ended = revops("run", *words, "--out", out)
    assert ended.returncode == code
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and said in lines[0]
    assert not out.exists()
