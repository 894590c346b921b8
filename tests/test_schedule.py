"""What is due on a day, how old data may be, and the ready-made schedules."""

from __future__ import annotations

import configparser
import datetime as dt
import functools
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import yaml
from test_runs import write_dataset, write_notebook, write_reports

from revops_lib import cli, periods, privacy, runs
from revops_lib.errors import DataRefused, UsageError
from revops_lib.runs import freshness as fresh
from revops_lib.runs.due import due

ROOT = Path(__file__).resolve().parent.parent
SCHEDULE = ROOT / "schedule"
PARIS = "Europe/Paris"
DATASET = {"name": "small", "known_until": "2026-09-28", "timezone": PARIS, "fiscal_year_end": "DEC"}


def at(text: str, zone: str = PARIS) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def company(folder: Path, known_until: str, zone: str = PARIS, year_end: str = "DEC") -> Path:
    """A dataset that knows its first deal on the last evening of 2025 UTC."""
    write_dataset(folder, known_until=known_until, fiscal_year_end=year_end)
    about = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    (folder / "dataset.json").write_text(json.dumps({**about, "timezone": zone}), encoding="utf-8")
    return folder


def asked(now: dt.datetime, data: Path, out: Path) -> list[str]:
    return [f"{one.quarter} {one.as_of}" for one in due(now, data=data, out=out)]


# --- which quarter ---------------------------------------------------------------------------------------------------

Q2, Q3 = "2026Q2 2026-06-30", "2026Q3 2026-09-30"
CASES = [
    ("the last minute of a quarter", "2026-09-30T23:59", PARIS, "DEC", "2026-09-30", [Q2, "2026Q3 2026-09-29"]),
    ("the first minute of the next", "2026-10-01T00:01", PARIS, "DEC", "2026-09-30", [Q3]),
    ("its second day", "2026-10-02T00:01", PARIS, "DEC", "2026-10-01", [Q3, "2026Q4 2026-10-01"]),
    ("data that do not reach the end", "2026-10-02T06:17", PARIS, "DEC", "2026-09-29", []),
    ("data that are behind", "2026-09-20T06:17", PARIS, "DEC", "2026-09-17", [Q2, "2026Q3 2026-09-17"]),
    ("a day of 23 hours, its first minute", "2026-03-29T00:01", PARIS, "DEC", "2026-03-28", ["2026Q1 2026-03-28"]),
    ("a day of 23 hours, its last minute", "2026-03-29T23:59", PARIS, "DEC", "2026-03-29", ["2026Q1 2026-03-28"]),
    ("the day after it", "2026-03-30T00:01", PARIS, "DEC", "2026-03-29", ["2026Q1 2026-03-29"]),
    ("a day of 25 hours, its first minute", "2026-10-25T00:01", PARIS, "DEC", "2026-10-24", [Q3, "2026Q4 2026-10-24"]),
    ("a day of 25 hours, its last minute", "2026-10-25T23:59", PARIS, "DEC", "2026-10-25", [Q3, "2026Q4 2026-10-24"]),
    ("the day after that", "2026-10-26T00:01", PARIS, "DEC", "2026-10-25", [Q3, "2026Q4 2026-10-25"]),
    ("late in New York", "2026-09-30T23:59", "America/New_York", "DEC", "2026-09-30", [Q2, "2026Q3 2026-09-29"]),
    ("early in New York", "2026-10-01T00:01", "America/New_York", "DEC", "2026-09-30", [Q3]),
    ("late in Kolkata", "2026-09-30T23:59", "Asia/Kolkata", "DEC", "2026-09-30", [Q2, "2026Q3 2026-09-29"]),
    ("early in Kolkata", "2026-10-01T00:01", "Asia/Kolkata", "DEC", "2026-09-30", [Q3]),
    ("late in Kiritimati", "2026-09-30T23:59", "Pacific/Kiritimati", "DEC", "2026-09-30", [Q2, "2026Q3 2026-09-29"]),
    ("early in Kiritimati", "2026-10-01T00:01", "Pacific/Kiritimati", "DEC", "2026-09-30", [Q3]),
    ("late in a fiscal year", "2027-01-31T23:59", PARIS, "JAN", "2027-01-31", ["2026Q3 2026-10-31", "2026Q4 2027-01-30"]),
    ("early in the next", "2027-02-01T00:01", PARIS, "JAN", "2027-01-31", ["2026Q4 2027-01-31"]),
]  # fmt: skip


@pytest.mark.parametrize("host", ["UTC", "America/Los_Angeles", "Pacific/Auckland"])
def test_the_quarter_is_the_one_of_the_companys_calendar(host, tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", host)
    time.tzset()
    wrong = []
    for n, (_, now, zone, year_end, known_until, expected) in enumerate(CASES):
        if year_end == "JAN":
            expected = [one.replace("2026Q", "2027Q") for one in expected]  # the fiscal year is named after its end
        data = company(tmp_path / str(n), known_until, zone, year_end)
        found = asked(at(now, zone).astimezone(dt.UTC), data, tmp_path / "out")
        if found != expected:
            wrong.append((CASES[n], found))
    monkeypatch.undo()
    time.tzset()
    assert wrong == []


def test_data_that_begin_later_make_no_earlier_quarter_due(tmp_path):
    data = company(tmp_path / "data", "2026-01-10")
    assert asked(at("2026-01-11T06:17"), data, tmp_path) == ["2026Q1 2026-01-10"]  # 2025Q4 ended before the first deal


def manifest(out: Path, quarter: str, data: Path, as_of: str, **more: object) -> None:
    stems = [path.stem for path in runs.request.NOTEBOOKS.glob("*.ipynb")]
    about = {"data": data.as_posix(), "as_of": as_of, "exit_code": 0, "notebooks": {stem: {"state": "ok"} for stem in stems}}
    (out / quarter).mkdir(parents=True, exist_ok=True)
    (out / quarter / "manifest.json").write_text(json.dumps({**about, **more}), encoding="utf-8")


def test_only_a_complete_run_of_that_very_day_is_in_place(tmp_path):
    data, out, now = company(tmp_path / "data", "2026-10-01"), tmp_path / "out", at("2026-10-02T06:17")
    manifest(out, "2026Q3", data, "2026-09-30")
    manifest(out, "2026Q4", data, "2026-10-01")
    assert asked(now, data, out) == []
    assert asked(now + dt.timedelta(days=1), data, out) == []  # the data know nothing newer
    failed = {"forecast": {"state": "failed"}}
    for more in ({"as_of": "2026-09-29"}, {"exit_code": 4}, {"exit_code": None}, {"notebooks": {}}, {"notebooks": failed}):
        manifest(out, "2026Q3", data, **{"as_of": "2026-09-30", **more})
        assert asked(now, data, out) == [Q3], more
    (out / "2026Q3" / "manifest.json").write_text("{half", encoding="utf-8")
    assert asked(now, data, out) == [Q3]
    manifest(out, "2026Q3", tmp_path / "other", "2026-09-30")
    with pytest.raises(UsageError, match=r"2026Q3 holds the run of .*other"):
        asked(now, data, out)


# --- how old ---------------------------------------------------------------------------------------------------------


def limits(folder: Path, text: str = "freshness: {warn_after_hours: 24, error_after_hours: 48.5}") -> Path:
    path = folder / "operations.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_warned_and_refused_at_the_second(tmp_path):
    settings, second = limits(tmp_path), dt.timedelta(seconds=1)
    ended = at("2026-09-29T00:00")  # the end of 2026-09-28 in Paris
    warn, error = ended + dt.timedelta(hours=24), ended + dt.timedelta(hours=48.5)
    for now in (ended - 8 * 3600 * second, ended + second, warn - second, warn):
        assert fresh.staleness(now, DATASET, settings) is None
    for now in (warn + second, error - second, error):
        assert "more than 24" in (fresh.staleness(now, DATASET, settings) or "")
    with pytest.raises(DataRefused, match=r"known until 2026-09-28"):
        fresh.staleness(error + second, DATASET, settings)


def test_the_age_counts_real_hours_on_a_day_of_25(tmp_path):
    settings, dataset = limits(tmp_path), {**DATASET, "known_until": "2026-10-24"}
    assert fresh.staleness(at("2026-10-25T22:59:59"), dataset, settings) is None
    assert fresh.staleness(at("2026-10-25T23:00:01"), dataset, settings)


def test_data_of_a_day_that_has_not_begun_are_refused(tmp_path):
    settings, midnight = limits(tmp_path), at("2026-09-28T00:00")
    assert fresh.staleness(midnight.astimezone(ZoneInfo("America/New_York")), DATASET, settings) is None
    with pytest.raises(DataRefused, match="not begun: it is 2026-09-27"):
        fresh.staleness(midnight - dt.timedelta(seconds=1), DATASET, settings)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("freshness: {warn_after_hours: 1, error_after_hours: 2}\nretries: 1", "unknown key 'retries'"),
        ("freshness: {warn_after_hour: 1, error_after_hours: 2}", "did you mean warn_after_hours"),
        ("freshness: {warn_after_hours: 1}", "error_after_hours is missing"),
        ("freshness: {warn_after_hours: '1', error_after_hours: 2}", "warn_after_hours is '1'"),
        ("freshness: {warn_after_hours: true, error_after_hours: 2}", "warn_after_hours is True"),
        ("freshness: {warn_after_hours: 1, error_after_hours: .inf}", "error_after_hours is inf"),
        ("freshness: {warn_after_hours: 0, error_after_hours: 2}", "warn_after_hours is 0"),
        ("freshness: {warn_after_hours: 3, error_after_hours: 2}", "warn before refusing"),
        ("freshness: 24", "holds no names"),
    ],
)
def test_settings_are_read_strictly(text, said, tmp_path):
    with pytest.raises(UsageError, match=re.escape(said)):
        fresh.staleness(at("2026-09-29T12:00"), DATASET, limits(tmp_path, text))


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def morning(tmp_path, monkeypatch):
    """`revops due` on one small notebook and a company known until yesterday; the real clock, the real runner."""
    notebooks, yesterday = tmp_path / "notebooks", dt.datetime.now(ZoneInfo(PARIS)).date() - dt.timedelta(days=1)
    write_notebook(notebooks, "forecast")
    small = {"notebooks": notebooks, "reports": write_reports(tmp_path, "forecast"), "progress": False}
    monkeypatch.setattr(runs, "run", functools.partial(runs.run, **small))
    monkeypatch.setattr("revops_lib.runs.due.due", functools.partial(due, notebooks=notebooks))
    data = company(tmp_path / "data", yesterday.isoformat())
    deals = pd.read_parquet(data / "opportunities.parquet")  # the first one of yesterday, so that one run is due, not two
    deals.assign(created_at=pd.Timestamp(yesterday) + pd.Timedelta(hours=12)).to_parquet(data / "opportunities.parquet")
    return ["due", "--data", str(data), "--out", str(tmp_path / "out")]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_morning_runs_what_is_due_and_the_next_call_nothing(morning, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.main([*morning, "--dry-run", "--json"]) == 0 and not out.exists()
    planned = json.loads(capsys.readouterr().out)
    assert planned["warning"] is None and len(planned["due"]) == 1
    assert cli.main([*morning, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["due"] == [{**one, "exit_code": 0} for one in planned["due"]]
    made = {path: json.loads(path.read_text(encoding="utf-8")) for path in out.glob("*/manifest.json")}
    assert {path.parent.name: found["as_of"] for path, found in made.items()} == {
        one["quarter"]: one["as_of"] for one in planned["due"]
    }
    before = contents(out)
    assert cli.main(morning) == 0
    assert capsys.readouterr().out == "nothing is due\n" and contents(out) == before

    for path, found in made.items():  # as if they were the runs of an earlier morning
        path.write_text(json.dumps({**found, "as_of": "2026-01-15"}), encoding="utf-8")
    write_notebook(tmp_path / "notebooks", "forecast", "1 / 0")
    assert cli.main(morning) == 4 and "ZeroDivisionError" in capsys.readouterr().err
    assert cli.main([*morning, "--dry-run", "--json"]) == 0 and json.loads(capsys.readouterr().out) == planned


def test_a_run_of_other_data_stays_and_data_too_old_run_nothing(morning, tmp_path, capsys):
    out, data = tmp_path / "out", tmp_path / "data"
    assert cli.main([*morning, "--dry-run"]) == 0
    manifest(out, capsys.readouterr().out.split()[0], tmp_path / "other", "2026-01-31")
    before = contents(out)
    assert cli.main(morning) == 2 and "holds the run of" in capsys.readouterr().err and contents(out) == before
    company(data, (dt.datetime.now(ZoneInfo(PARIS)).date() - dt.timedelta(days=5)).isoformat())
    shutil.rmtree(out)
    assert cli.main([*morning, "--dry-run"]) == 0 and capsys.readouterr().err.startswith("warning: the data are ")
    company(data, "2026-01-31")
    assert cli.main([*morning, "--dry-run"]) == 3 and "hours old" in capsys.readouterr().err and not out.exists()
    assert cli.main(morning) == 3 and "hours old" in capsys.readouterr().err and not [*out.glob("*/manifest.json")]
    told = json.loads((out / "heartbeat.json").read_text(encoding="utf-8"))
    attempt = told["last_attempt"]
    assert (attempt["run"], attempt["state"], attempt["exit_code"]) == ("due", "refused", 3) and told["last_success"] is None


# --- the ready-made schedules ----------------------------------------------------------------------------------------


def assert_commands(text: str, expected: list[str]) -> None:
    """Every `revops …` of a text is one the command line understands, in the order expected; every `make …` has its target."""
    calls = [shlex.split(call) for call in re.findall(r"\.venv/bin/revops ([^&|;()\n]+)", text)]
    assert [words[0] for words in calls] == expected
    for words in calls:
        cli._parse(words)
    for target in re.findall(r"\bmake ([a-z]+)", text):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def assert_daily_at_an_odd_minute(expression: str) -> None:
    minute, hour, *rest = expression.split()
    assert int(minute) % 2 and 0 < int(minute) < 60 and 0 <= int(hour) < 24 and rest == ["*", "*", "*"]


@pytest.fixture
def pretended(tmp_path):
    """A function that runs a shell command beside a `revops` that does nothing but note its verb and end with a code.

    "due 4": only that verb ends with it.
    """

    def run(command: str, code: int | str) -> tuple[subprocess.CompletedProcess, list[str]]:
        tool, noted = tmp_path / ".venv" / "bin" / "revops", tmp_path / "noted"
        tool.parent.mkdir(parents=True, exist_ok=True)
        noted.write_text("")
        verb, _, only = str(code).rpartition(" ")
        fails = f'[ "$1" = "{verb}" ] || exit 0\n' if verb else ""
        tool.write_text(f'#!/bin/sh\necho "$1" >> {noted}\n{fails}exit {only}\n', encoding="utf-8")
        tool.chmod(0o755)
        shell = ["bash", "-eo", "pipefail", "-c", command]
        done = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
        return done, noted.read_text().split()

    return run


def test_the_crontab_line(tmp_path, pretended):
    lines = (SCHEDULE / "crontab").read_text(encoding="utf-8").splitlines()
    (job,) = [line for line in lines if line and not line.startswith("#") and not re.match(r"[A-Z_]+=", line)]
    *when, command = job.split(maxsplit=5)
    assert_daily_at_an_odd_minute(" ".join(when))
    assert_commands(command, ["due", "site"])
    assert "%" not in job  # cron would take it for a line end
    command = command.replace("/srv/revops", str(tmp_path)).replace("/var/log/revops", str(tmp_path))
    for code in (0, 3, "due 4", "site 10"):  # the site is built whatever `due` says; the code gets out
        done, noted = pretended(command, code)
        code = int(str(code).split()[-1])
        assert (done.returncode, noted) == (code, ["due", "site"]) and (f"code {code}" in done.stdout) == bool(code)


def test_the_systemd_units(tmp_path):
    units = {name: configparser.ConfigParser(strict=False, interpolation=None) for name in ("revops.service", "revops.timer")}
    for name, unit in units.items():
        unit.read(SCHEDULE / name, encoding="utf-8")
    timer, service = units["revops.timer"]["Timer"], units["revops.service"]["Service"]
    assert timer["Persistent"] == "true" and timer["OnCalendar"] == "*-*-* 06:17:00 Europe/Paris"
    assert service["Type"] == "oneshot" and {"timeoutstartsec", "timeoutstopsec", "protectsystem", "umask"} <= set(service)
    assert_commands(service["execstart"], ["due"])
    assert_commands(service["execstoppost"], ["site"])  # runs whether the run succeeded or not
    if shutil.which("systemd-analyze"):
        for name in units:
            there = (SCHEDULE / name).read_text(encoding="utf-8").replace("/srv/revops/.venv/bin/revops", sys.executable)
            (tmp_path / name).write_text(there, encoding="utf-8")
        checked = subprocess.run(["systemd-analyze", "verify", *map(str, tmp_path.iterdir())], capture_output=True, text=True)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_the_workflow(pretended):
    text = (SCHEDULE / "github-actions.yml").read_text(encoding="utf-8")
    flow = yaml.load(text, Loader=yaml.BaseLoader)
    assert_daily_at_an_odd_minute(flow["on"]["schedule"][0]["cron"])
    assert flow["permissions"] == {"contents": "read"} and flow["concurrency"]["cancel-in-progress"] == "false"
    steps = flow["jobs"]["due"]["steps"]
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"]) for step in steps if "uses" in step)
    by_name = {step.get("name"): step for step in steps}
    commands = "\n".join(step.get("run", "") for step in steps)
    assert_commands(commands, ["fetch", "import", "due", "site"])
    assert all((ROOT / path).is_file() for path in re.findall(r"\bdata/(?:connectors|mappings)/\S+", commands))
    secrets = [line.strip() for line in text.splitlines() if "secrets." in line]
    assert secrets == [f"{name}: ${{{{ secrets.{name} }}}}" for name in ("HUBSPOT_TOKEN", privacy.ENVIRONMENT)]
    assert "secrets" not in commands and privacy.ENVIRONMENT in by_name["Import"]["env"]
    assert "failure" in by_name["Build the site"]["if"] and by_name["Run what is due"]["id"] == "due"
    assert [step["with"]["path"] for step in steps if "upload-artifact" in step.get("uses", "")] == ["site"]
    run = by_name["Run what is due"]["run"]
    for code in (0, 3, 4, 8):
        done, _ = pretended(run, code)
        assert done.returncode == code and done.stdout.startswith("::error::") == bool(code)


class Task(types.SimpleNamespace):
    """A DAG or a task of the stub: keeps what it was given, and what comes before it."""

    def __enter__(self) -> Task:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __rshift__(self, other: Task) -> Task:
        other.after.append(self.task_id)
        return other


def executed(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Task], list[Task], list[Task], dict]:
    """A DAG file run against a stub of what Airflow documents: its DAGs, Bash tasks, papermill tasks, and its names."""
    made: dict[str, list[Task]] = {"DAG": [], "BashOperator": [], "PapermillOperator": []}
    allowed = {"DAG": "dag_id schedule start_date catchup max_active_runs default_args user_defined_macros",
               "BashOperator": "task_id bash_command env append_env cwd do_xcom_push trigger_rule",
               "PapermillOperator": "task_id input_nb output_nb parameters kernel_name language_name"}  # fmt: skip

    def stub(kind: str, **given: object) -> Task:
        assert set(given) <= set(allowed[kind].split())
        made[kind].append(Task(**given, after=[]))
        return made[kind][-1]

    places = {"DAG": "airflow.sdk", "BashOperator": "airflow.providers.standard.operators.bash",
              "PapermillOperator": "airflow.providers.papermill.operators.papermill"}  # fmt: skip
    for kind, place in places.items():
        monkeypatch.setitem(sys.modules, place, types.SimpleNamespace(**{kind: functools.partial(stub, kind)}))
    monkeypatch.setitem(sys.modules, "pendulum", types.SimpleNamespace(datetime=lambda *day, tz: dt.date(*day)))
    names = runpy.run_path(str(SCHEDULE / name))
    return *made.values(), names


def test_the_airflow_dag_of_what_is_published(monkeypatch):
    dag, bash, _, _ = executed("airflow_quarter.py", monkeypatch)
    (made,) = dag
    assert_daily_at_an_odd_minute(made.schedule)
    assert made.catchup is False and made.max_active_runs == 1
    assert [(task.task_id, task.after) for task in bash] == [("due", []), ("site", ["due"]), ("both", ["site", "due"])]
    assert [getattr(task, "trigger_rule", "all_success") for task in bash] == ["all_success", "all_done", "all_success"]
    assert_commands("\n".join(task.bash_command for task in bash), ["due", "site"])


def test_the_airflow_dag_of_single_notebooks(monkeypatch):
    _, _, papermill, names = executed("airflow_notebooks.py", monkeypatch)
    assert sorted(task.task_id for task in papermill) == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    for task in papermill:
        stem = task.task_id
        assert (ROOT / "notebooks" / f"{stem}.ipynb").is_file() and task.input_nb == f"{names['HOUSE']}/notebooks/{stem}.ipynb"
        assert set(task.parameters) <= set(runs.parameters(ROOT / "notebooks" / f"{stem}.ipynb")) and task.after == ["folder"]
        assert task.output_nb.startswith(names["PRIVATE"]) and not names["PRIVATE"].startswith(f"{names['HOUSE']}/")


@pytest.mark.parametrize("year_end", periods.MONTHS)
def test_the_airflow_macros_agree_with_the_library(year_end, tmp_path, monkeypatch):
    names = executed("airflow_notebooks.py", monkeypatch)[3]
    names["as_of"].__globals__["DATA"] = str(tmp_path)
    about = {"known_until": "2027-12-31", "timezone": "Pacific/Kiritimati", "fiscal_year_end": year_end}
    (tmp_path / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    for n in range(0, 800, 7):
        moment = at("2026-01-01T11:30", "UTC") + dt.timedelta(days=n)  # already tomorrow in Kiritimati
        pendulum = types.SimpleNamespace(in_timezone=lambda zone, moment=moment: moment.astimezone(ZoneInfo(zone)))
        day = min(moment.date(), dt.date(2027, 12, 31))
        assert names["as_of"](pendulum) == day.isoformat()
        assert names["quarter"](pendulum) == str(periods.quarter_of(day, year_end))


def test_the_readme_names_every_schedule():
    named = set(re.findall(r"\]\(([a-z_.-]+)\)", (SCHEDULE / "README.md").read_text(encoding="utf-8")))
    assert named == {path.name for path in SCHEDULE.iterdir() if path.is_file()} - {"README.md"}
