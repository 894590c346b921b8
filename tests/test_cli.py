"""The command line: exit codes, one line per failure, nothing written by a wrong command."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from revops_lib import cli, doctor, runs, site, sources
from revops_lib.errors import DataRefused

ROOT = Path(__file__).resolve().parent.parent
REVOPS = [sys.executable, "-m", "revops_lib"]


def fails(capsys: pytest.CaptureFixture[str], argv: list[str], code: int) -> str:
    """The one line a failing command prints."""
    assert cli.main(argv) == code
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert told.count(" — ") >= 2
    return told


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required: COMMAND"),
        (["rnu"], "did you mean run"),
        (["run"], "required: QUARTER"),
        (["run", "2026Q3", "--jbos", "2"], "unrecognized arguments: --jbos 2"),
        (["run", "2026Q3", "--jobs", "two"], "invalid int value: 'two'"),
        (["run", "2026Q3", "--job", "2"], "unrecognized arguments"),
        (["run", "2026Q3", "--param", "level"], "has no value"),
        (["run", "2026Q3", "--param", "a=1", "--param", "a=2"], "given twice"),
        (["sample"], "required: --to"),
        (["import", "m.yml", "--from", "x", "--to", "y", "--as-of", "yesterday"], "is not a day"),
        (["site", "--audience", "all"], "unknown audience"),
    ],
)
def test_wrong_usage_ends_2(capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    assert message in fails(capsys, argv, 2)


@pytest.mark.parametrize("quarter", ["2026Q5", "2099Q1", "２０２６Q3"])
@pytest.mark.parametrize("more", [[], ["--only", "forcast"]])
def test_wrong_quarter_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, quarter: str, more: list[str]
) -> None:
    assert "quarter" in fails(capsys, ["run", quarter, "--out", str(tmp_path / "out"), *more], 2)
    assert not any(tmp_path.iterdir())


def test_paths_count_from_where_the_user_stands(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path / "nowhere") in fails(capsys, ["run", "2026Q3", "--data", "nowhere"], 3)
    assert str(tmp_path / "nowhere") in fails(capsys, ["check", "nowhere"], 3)


def test_help_shows_commands_and_examples_at_once() -> None:
    began = time.monotonic()
    told = subprocess.run([*REVOPS, "--help"], capture_output=True, text=True, check=True, encoding="utf-8").stdout
    assert time.monotonic() - began < 2  # nothing heavy is imported
    assert all(verb in told for verb in ("sample", "import", "check", "run", "site", "doctor", "exit codes"))
    heavy = "import sys, revops_lib.cli; print({'pandas', 'papermill', 'argparse'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True).stdout == "{'argparse'}\n"


def test_failure_nobody_foresaw_goes_to_the_log(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(directory: Path) -> pd.DataFrame:
        raise ZeroDivisionError("first\nsecond")

    monkeypatch.setattr(sources, "check", broken)
    monkeypatch.setattr(cli, "RUNS", tmp_path)
    assert "unexpected ZeroDivisionError: first second" in fails(capsys, ["check", "x"], 1)
    assert "Traceback" in (tmp_path / "revops.log").read_text(encoding="utf-8")


def test_interrupt_ends_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(directory: Path) -> pd.DataFrame:
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "check", interrupted)
    fails(capsys, ["check", "x"], 130)


def test_import_tells_counts_gaps_and_the_next_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def imported(mapping: Path, source: Path, to: Path, **options: Any) -> dict[str, Any]:
        asked.update(options, mapping=mapping, source=source)
        to.mkdir()
        (to / "opportunities.parquet").touch()
        counts = {"read": 8800, "accepted": 8790, "quarantined": 7, "duplicates": 3}
        files = [{"file": "deals.csv", "table": "opportunities", **counts}]
        said = {"quarantined": [], "remarks": [{"table": "opportunities", "code": "W_X", "meaning": "odd", "n": 2}]}
        said |= {"known_until": "2017-12-31", "people": "named" if options.get("named") else "pseudonyms"}
        return {"files": files, "fiscal_year_end": "JAN", "tracked": [], **said}

    monkeypatch.setattr(sources, "import_export", imported)
    argv = ["import", "m.yml", "--from", str(tmp_path), "--to", str(tmp_path / "data"), "--as-of", "2017-12-31"]
    assert cli.main([*argv, "--max-rejected", "0.1"]) == 0
    told = capsys.readouterr().out
    assert "deals.csv → opportunities: 8,800 read = 8,790 accepted + 7 quarantined + 3 duplicates" in told
    assert "opportunity_history" in told.split("not in this export: ")[1]
    assert "opportunities," not in told.split("not in this export: ")[1]
    assert f"next: revops run 2018Q4 --data {tmp_path / 'data'} --out runs/data\n" in told
    assert asked["max_rejected"] == 0.1
    assert asked["as_of"].isoformat() == "2017-12-31"
    assert "  opportunities: 2 W_X: odd\n" in told and "revops snapshot" in told
    (tmp_path / "data" / "opportunities.parquet").unlink()
    (tmp_path / "data").rmdir()
    assert cli.main(["snapshot", *argv[1:], "--fixed", "x.csv", "--named"]) == 0
    assert asked["keep_copy"] and asked["fixed"].name == "x.csv" and asked["named"]
    assert "people are named" not in told and "people are named" in capsys.readouterr().out


def test_explain_and_draft_show_how_an_export_would_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "export").mkdir()
    text = "opportunity_id;amount;stage;close_date;colour\nD-1;1.234,50;Won;25/12/2026;red\nD-2;12,00;Offer;01/02/2026;blue\n"
    (tmp_path / "export" / "deals.csv").write_text(text, encoding="utf-8")
    drafted = tmp_path / "mine.yml"
    assert cli.main(["mapping", "draft", str(tmp_path / "export"), "--to", str(drafted)]) == 0
    told = capsys.readouterr().out
    assert "lines are marked" in told and "--explain" in told
    assert cli.main(["mapping", "draft", str(tmp_path / "export"), "--to", str(drafted)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert cli.main(["import", str(drafted), "--from", str(tmp_path / "export"), "--explain"]) == 0
    told = capsys.readouterr().out
    assert "deals.csv → opportunities (2 rows, 0 would be set aside) encoding 'utf-8', sep ';'" in told
    for line in (
        "amount               ← amount  (decimal ,)",
        "close_date           ← close_date  (day first)",
        "read by nothing:     colour",
    ):
        assert line in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export", "mine.yml"]
    assert cli.main(["import", str(drafted), "--from", str(tmp_path / "export")]) == 2
    assert "--to is missing" in capsys.readouterr().err


def test_check_lists_what_leads_nowhere(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = pd.DataFrame(
        {"table": ["opportunities"], "column": ["owner_id"], "references": ["reps"], "n": [2], "first": ["r9"]}
    )
    monkeypatch.setattr(sources, "check", lambda directory: found)
    assert cli.main(["check", "x"]) == 0
    assert "owner_id" in capsys.readouterr().out


def test_run_prints_headlines_and_folder_and_returns_the_worst_code(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def ran(quarter: str, **options: Any) -> dict[str, Any]:
        asked.update(options)
        results = tmp_path / quarter / "results"
        results.mkdir(parents=True)
        (results / "forecast.json").write_text(json.dumps({"headline": "3 of 4."}), encoding="utf-8")
        failed = {"state": "failed", "error": "error: a — b — c", "exit_code": 5}
        carried = {"state": "ok"}  # of an earlier run, not printed
        notebooks = {"bottlenecks": carried, "forecast": {"state": "ok"}, "quality": failed}
        return {"exit_code": 5, "notebooks": notebooks, "resumed": [], "dropped": ["territories"]}

    monkeypatch.setattr(runs, "run", ran)
    argv = ["run", "2026Q3", "--out", str(tmp_path), "--only", "forecast, quality", "--param", "label=a=b"]
    assert cli.main([*argv, "--jobs", "3", "--timeout", "7", "--replace"]) == 5
    told = capsys.readouterr()
    assert told.out == f"forecast: 3 of 4.\n{tmp_path / '2026Q3'}\n"
    assert told.err == "not shown any more, made from other data or code: territories\nerror: a — b — c\n"
    assert (asked["only"], asked["params"]) == (["forecast", "quality"], {"label": "a=b"})
    assert (asked["jobs"], asked["timeout"], asked["data"]) == (3, 7.0, ROOT / "data" / "sample")
    assert asked["replace"] is True


def test_site_prints_its_index(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def built(quarter: str | None, *, runs: Path, to: Path, audience: str, **_: Any) -> Path:
        if quarter:
            raise DataRefused("what", "where", "do")
        return to / f"{audience}.html"

    monkeypatch.setattr(site, "build", built)
    assert cli.main(["site", "--to", str(tmp_path), "--audience", "internal"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'internal.html'}\n"
    fails(capsys, ["site", "2026Q3", "--to", str(tmp_path)], 3)


def test_site_of_runs_that_are_not_there_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "build", lambda quarter, *, runs, to, **_: to / "index.html")
    runs_folder = tmp_path / "runs"
    argv = ["site", "--runs", str(runs_folder), "--to", str(tmp_path / "site")]
    assert "no such folder" in fails(capsys, argv, 2)
    runs_folder.mkdir()
    assert cli.main(argv) == 0
    told = capsys.readouterr().err
    assert told.startswith("no report is in the site") and told.count("\n") == 1
    (runs_folder / "2026Q3" / "public").mkdir(parents=True)
    (runs_folder / "2026Q3" / "public" / "report.json").touch()
    assert cli.main(argv) == 0
    assert capsys.readouterr().err == ""


def test_doctor_says_what_is_not_as_pinned(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    pins = ["pandas==0.1 \\", "    --hash=sha256:0", "no-such-package==1.0", "numpy==0.1 ; python_full_version < '3'"]
    lock.write_text("\n".join(pins) + "\n", encoding="utf-8")
    (tmp_path / "runs").write_text("a file", encoding="utf-8")
    found = {finding.what: finding for finding in doctor.examine(tmp_path / "runs" / "x", lock)}
    versions = found["package versions as in requirements.lock"].problem or ""
    assert "pandas" in versions
    assert "not 0.1" in versions
    assert "no-such-package missing, not 1.0" in versions
    assert "numpy" not in versions
    assert next(finding for finding in found.values() if finding.writing).problem
    assert found["a python3 kernel starts and finds the library"].problem is None


def test_doctor_ends_with_the_code_of_what_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [doctor.Finding("good"), doctor.Finding("bad", "why"), doctor.Finding("disk", "full", writing=True)]
    for end, code in ((1, 0), (2, 2), (3, 7)):
        monkeypatch.setattr(doctor, "examine", lambda runs, lock, end=end: iter(findings[:end]))
        assert cli.main(["doctor"]) == code
    assert capsys.readouterr().out.splitlines()[-3:] == ["ok      good", "not ok  bad: why", "not ok  disk: full"]


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_signal_ends_the_run_its_workers_and_its_kernels(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    repository = _copy_with_endless_notebook(tmp_path / "repository")
    env = {**os.environ, "PYTHONPATH": str(repository)}
    argv = [*REVOPS, "run", "2026Q3", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(argv, env=env, cwd=repository, stderr=subprocess.PIPE, start_new_session=True)
    started = repository / "started"
    _wait(lambda: started.exists() and started.read_text(encoding="utf-8"))
    kernel = int(started.read_text(encoding="utf-8"))
    os.killpg(process.pid, sent) if sent is signal.SIGINT else process.send_signal(sent)  # Ctrl-C reaches the whole group
    assert process.wait(timeout=20) == code
    _wait(lambda: not Path(f"/proc/{kernel}").exists())
    if sent is not signal.SIGKILL:
        manifest = next((tmp_path / "out" / ".runs").glob("2026Q3-*/manifest.json"))
        assert json.loads(manifest.read_text(encoding="utf-8"))["exit_code"] == code
        assert not (tmp_path / "out" / "2026Q3").exists()


def _copy_with_endless_notebook(repository: Path) -> Path:
    """A repository whose only notebook writes its process number to `started` and never ends."""
    for name in ("revops_lib", "data/sample"):
        shutil.copytree(ROOT / name, repository / name, ignore=shutil.ignore_patterns("__pycache__"))
    lines = ['quarter: str = ""  # q', 'as_of: str = ""  # a', 'data: str = ""  # d']
    started = f"pathlib.Path({str(repository / 'started')!r})"
    code = f"import os, pathlib\n{started}.write_text(str(os.getpid()), encoding='utf-8')\nwhile True: pass"
    cells = [
        {
            "id": name,
            "cell_type": "code",
            "metadata": {"tags": tags},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for name, tags, source in (("a", ["parameters"], "\n".join(lines)), ("b", [], code))
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    for path, text in (
        ("notebooks/endless.ipynb", json.dumps(notebook)),
        ("playbook/reports.yml", "endless: {title: T}"),
    ):
        (repository / path).parent.mkdir(exist_ok=True)
        (repository / path).write_text(text, encoding="utf-8")
    return repository


def _wait(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def test_a_reader_that_has_read_enough_is_no_failure() -> None:
    running = subprocess.Popen([*REVOPS, "playbook", "status"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None and running.stderr is not None
    running.stdout.close()
    assert (running.stderr.read(), running.wait(timeout=60)) == ("", 141)
    running.stderr.close()
