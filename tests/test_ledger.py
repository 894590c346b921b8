"""The ledger: what a run freezes, that it stays as it is whatever happens, and how it is scored."""

from __future__ import annotations

import functools
import json
import math
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_faults import Fault, contents
from test_runs import FINISH, PARAMETERS, House, write_dataset

from revops_lib import cli, periods, runs, site
from revops_lib.errors import CannotWrite, DataRefused, IntegrityError, UsageError
from revops_lib.forecast import ledger as forecasts
from revops_lib.report import RESULT_COLUMNS
from revops_lib.runs import again, job, ledger, quarter
from revops_lib.snapshot import Snapshot

TOTAL, METHOD = ("2026Q3", "forecast", "part", "total"), ("2026Q3", "forecast", "part", "Last quarter again")
PART = ("2026Q3", "forecast", "part", "won to date")


class Told(House):
    """A house whose forecast notebook is not executed: it leaves the numbers that `says` holds, by quarter of the run."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.says: dict[str, dict[tuple[str, ...], float]] = {}
        self.fingerprint = "f00"
        self.ran: list[str] = []
        if not (root / "notebooks").exists():
            self.add("forecast", "1", finish=False)
        self.allow("forecast")

    def run(self, quarter: str = "2026Q2", **more: Any) -> dict[str, Any]:
        return super().run(quarter, warm=False, **more)

    def frozen(self) -> pd.DataFrame:
        return ledger.read(self.out)

    def lay(self, jobs: list[job.Job], *_: object, **__: object):
        for one in jobs:
            self.ran.append(one.parameters["quarter"])
            one.results.mkdir(parents=True)
            one.private.mkdir()
            shutil.copyfile(one.notebook, one.executed)
            told = self.says.get(one.parameters["quarter"], {})
            rows = [[*key[:1], one.parameters["as_of"], *key[1:], value, "EUR", 7.0, value - 5, value + 5, 0.8]
                    for key, value in told.items()]  # fmt: skip
            pd.DataFrame(rows, columns=RESULT_COLUMNS).to_parquet(one.results / "forecast.parquet")
            stamp = {**{key: one.parameters[key] for key in ("quarter", "as_of", "data")}, "fingerprint": self.fingerprint}
            content = {"stem": "forecast", "question": "?", "headline": "h", "notes": [], "tables": {}, "figures": {}}
            text = json.dumps({**content, "recommendations": [], "stamp": {**stamp, "library": "0.1.0"}})
            (one.results / "forecast.json").write_text(text, encoding="utf-8")
            yield job.Outcome("forecast", None, 1.0, {})


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    made = Told(tmp_path)
    monkeypatch.setattr(quarter, "execute", made.lay)
    return made


def said(frozen: pd.DataFrame) -> list[tuple[str, str, int, str, float]]:
    return list(frozen[["quarter", "as_of", "revision", "member", "value"]].itertuples(index=False, name=None))


# --- what is frozen -------------------------------------------------------------------------------------------------


def test_a_run_freezes_what_it_forecasts_and_nothing_else(house: Told) -> None:
    house.says["2026Q2"] = {
        TOTAL: 100.0, PART: 20.0,
        ("2026Q2", "forecast", "part", "total"): 1.0,  # has ended on the day
        ("2026Q3", "wape", "method", "total"): 0.2,  # is no forecast
        ("2026Q3", "forecast", "rep", "R-1"): 9.0,  # is about a person
        ("2026Q3", "forecast", "team", "North"): 8.0,
        ("2027", "forecast", "part", "total"): 7.0,  # is no quarter
    }  # fmt: skip
    manifest = house.run()
    frozen = house.frozen()
    assert said(frozen) == [("2026Q3", "2026-06-30", 0, "total", 100.0), ("2026Q3", "2026-06-30", 0, "won to date", 20.0)]
    first = frozen.iloc[0]
    assert (first["run"], first["data"], first["fingerprint"], first["library"]) == (
        manifest["run"],
        str(house.data),
        "f00",
        "0.1.0",
    )
    assert (first["low"], first["high"], first["level"], first["n"], first["unit"]) == (95.0, 105.0, 0.8, 7.0, "EUR")
    ended = pd.Timestamp(manifest["ended"]).tz_localize(None)
    assert first["frozen_at"] == ended
    assert [path.name for path in (house.out / "ledger").iterdir()] == ["forecast.parquet"]
    assert (house.out / "ledger").stat().st_mode & 0o777 == 0o700
    assert site.published(house.out) == ["2026Q2"]  # the folder is not taken for a quarter


def test_a_running_quarter_is_frozen_day_by_day(house: Told) -> None:
    house.says["2026Q2"] = {("2026Q2", "forecast", "part", "total"): 100.0}
    for day in ("2026-05-30", "2026-05-31"):
        house.run(as_of=day, replace=True)
    house.run(replace=True)  # of the last day the quarter has ended
    assert said(house.frozen()) == [("2026Q2", day, 0, "total", 100.0) for day in ("2026-05-30", "2026-05-31")]


def test_the_fiscal_year_says_when_a_quarter_has_ended(house: Told) -> None:
    write_dataset(house.data, fiscal_year_end="JAN")
    house.says["2027Q2"] = {("2027Q2", "forecast", "part", "total"): 1.0, ("2027Q3", "forecast", "part", "total"): 2.0}
    house.run("2027Q2", as_of="2026-07-30")
    house.run("2027Q2", replace=True)
    assert [(row[0], row[1]) for row in said(house.frozen())] == [
        ("2027Q2", "2026-07-30"), ("2027Q3", "2026-07-30"), ("2027Q3", "2026-07-31")
    ]  # fmt: skip


def test_a_failed_forecast_and_a_run_that_shall_be_whole_freeze_nothing(house: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    house.says["2026Q2"] = {TOTAL: 100.0}

    def fails(jobs: list[job.Job], *args: object, **more: object):
        for outcome in house.lay(jobs):
            yield job.Outcome(outcome.stem, DataRefused("no", "here", "mend it"), 1.0, {})

    monkeypatch.setattr(quarter, "execute", fails)
    assert (house.run()["exit_code"], house.run(whole=True)["exit_code"]) == (3, 3)
    assert not (house.out / "ledger").exists()


def test_a_what_if_is_no_forecast(house: Told) -> None:
    declared = "win_rate: float = 1.0  # what if\nslip: float = 0.0  # what if\n"
    house.add("forecast", "1", finish=False, parameters=PARAMETERS + declared)
    house.says["2026Q2"] = {TOTAL: 100.0}
    house.run(params={"win_rate": "1.5"})
    house.run(params={"slip": "0.2"})
    assert not (house.out / "ledger").exists()
    house.run(params={"win_rate": "1", "level": "0.8"})
    assert said(house.frozen()) == [("2026Q3", "2026-06-30", 0, "total", 100.0)]


def test_the_same_again_adds_nothing_and_other_numbers_are_a_revision(house: Told) -> None:
    house.says["2026Q2"] = {TOTAL: 100.0, METHOD: 80.0}
    house.run()
    before = house.frozen()
    path = house.out / "ledger" / "forecast.parquet"
    content = path.read_bytes()
    house.run()
    house.run(resume=True)
    house.run(only=["forecast"], params={"draws": 7})
    assert path.read_bytes() == content
    house.says["2026Q2"] = {TOTAL: 101.0, METHOD: 80.0}
    second = house.run()["run"]
    house.says["2026Q2"] = {TOTAL: 100.0, METHOD: 80.0}
    house.run()  # was told before
    house.fingerprint = "f01"
    house.run()
    after = house.frozen()
    pd.testing.assert_frame_equal(after.iloc[:2], before)
    assert [(row[2], row[3], row[4]) for row in said(after)] == [
        (0, "total", 100.0), (0, "Last quarter again", 80.0),
        (1, "total", 101.0), (1, "Last quarter again", 80.0),
        (2, "total", 100.0), (2, "Last quarter again", 80.0),
    ]  # fmt: skip
    assert after["run"].iloc[2] == second and after["fingerprint"].tolist() == ["f00"] * 4 + ["f01"] * 2


def test_missing_numbers_are_equal_to_missing_numbers(house: Told) -> None:
    house.says["2026Q2"] = {TOTAL: math.nan}
    house.run()
    house.run()
    assert len(house.frozen()) == 1


def test_another_company_in_the_same_folder_is_no_revision(house: Told) -> None:
    house.says["2026Q2"] = {TOTAL: 100.0}
    house.run()
    house.says["2026Q2"] = {TOTAL: 5.0}
    house.data = write_dataset(house.root / "other")
    house.run(replace=True)
    assert [(row["data"], row["revision"]) for _, row in house.frozen().iterrows()] == [
        (str(house.root / "company"), 0), (str(house.root / "other"), 0)
    ]  # fmt: skip


# --- whatever happens -----------------------------------------------------------------------------------------------


def test_an_executed_notebook_is_frozen_once(tmp_path: Path) -> None:
    house = House(tmp_path)
    line = 'store(stem, "quarter as_of metric by member value unit n low high level",'
    numbers = '["2026Q3", as_of, "forecast", "part", "total", 100.0, "EUR", 7, 90.0, 110.0, 0.8])'
    house.add("forecast", f'stem = "forecast"\n{FINISH}\n{line}\n{numbers}', finish=False)
    house.allow("forecast")
    assert house.run(warm=False)["exit_code"] == 0
    assert said(ledger.read(house.out)) == [("2026Q3", "2026-06-30", 0, "total", 100.0)]
    before = contents(house.out / "ledger")
    assert house.run(warm=False, resume=True)["resumed"] == ["forecast"]
    assert contents(house.out / "ledger") == before


def test_a_run_made_again_leaves_the_ledger_alone(house: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    house.says["2026Q2"] = {TOTAL: 100.0}
    house.run()
    before = contents(house.out / "ledger")
    house.says["2026Q2"] = {TOTAL: 101.0}
    monkeypatch.setattr(again, "execute", house.lay)
    monkeypatch.setattr(again, "Nest", functools.partial(again.Nest, warm=False))
    assert runs.rerun(house.out / "2026Q2" / "manifest.json").differing == ["forecast.parquet"]
    assert contents(house.out / "ledger") == before


def test_what_the_quarters_in_place_hold_is_frozen_when_the_ledger_lacks_it(house: Told) -> None:
    house.says |= {"2026Q1": {("2026Q2", *TOTAL[1:]): 50.0}, "2026Q2": {TOTAL: 100.0}, "2026Q3": {TOTAL: 70.0}}
    first, second = house.run("2026Q2")["run"], house.run("2026Q1")["run"]
    shutil.rmtree(house.out / "ledger")
    house.says["2026Q2"] = {TOTAL: 200.0}
    third = house.run("2026Q2")["run"]
    assert said(house.frozen()) == [
        ("2026Q3", "2026-06-30", 0, "total", 100.0),
        ("2026Q2", "2026-03-31", 0, "total", 50.0),
        ("2026Q3", "2026-06-30", 1, "total", 200.0),
    ]
    assert house.frozen()["run"].tolist() == [first, second, third]


def test_results_altered_in_place_are_not_frozen(house: Told) -> None:
    house.says["2026Q2"] = {TOTAL: 100.0}
    house.run()
    shutil.rmtree(house.out / "ledger")
    results = house.out / "2026Q2" / "results" / "forecast.parquet"
    frame = pd.read_parquet(results)
    results.unlink()
    frame.assign(value=999.0).to_parquet(results)
    house.run("2026Q1")
    assert not (house.out / "ledger").exists()


def started(house: Told, body: str) -> subprocess.Popen[str]:
    """A process with a house of the same folders; its runs do what `body` says."""
    head = f"""
        import os, signal, sys, time
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_ledger import TOTAL, Told
        from revops_lib.runs import ledger, quarter
        house = Told(Path({str(house.root)!r}))
        quarter.execute = house.lay
    """
    script = textwrap.dedent(head.rstrip(" ")) + textwrap.dedent(body)
    return subprocess.Popen([sys.executable, "-c", script])


def test_a_run_killed_between_quarter_and_ledger_is_made_up_for_by_the_next(house: Told) -> None:
    body = """
        real = Path.replace
        def replace(self, target):
            if Path(target).parent.name == "ledger":
                os.kill(os.getpid(), signal.SIGKILL)
            return real(self, target)
        Path.replace = replace
        house.says["2026Q2"] = {TOTAL: 100.0}
        house.run()
    """
    assert started(house, body).wait(timeout=60) == -9
    killed = json.loads((house.out / "2026Q2" / "manifest.json").read_text(encoding="utf-8"))
    [left] = (house.out / "ledger").iterdir()
    assert killed["state"] == "ok" and house.frozen().empty and left.name.startswith(".forecast.parquet.new-")
    house.run("2026Q1")
    frozen = house.frozen()
    assert said(frozen) == [("2026Q3", "2026-06-30", 0, "total", 100.0)]
    assert frozen["run"].tolist() == [killed["run"]]
    assert [path.name for path in (house.out / "ledger").iterdir()] == ["forecast.parquet"]


def test_the_nth_operation_of_freezing_fails(house: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quarter is the old or the new one, and never is frozen what is not in place."""
    folder, kept, real = house.out / "2026Q2", house.root / "kept", ledger.freezing
    house.says["2026Q2"] = {TOTAL: 100.0}
    house.run()
    shutil.copytree(house.out, kept)
    old, old_ledger = contents(folder), contents(house.out / "ledger")
    house.says["2026Q2"] = {TOTAL: 200.0}
    seen = set()
    for n in range(1, 100):
        shutil.rmtree(house.out)
        shutil.copytree(kept, house.out)
        with monkeypatch.context() as patch:
            faults: list[Fault] = []

            def freezing(*args: Any, n: int = n, faults: list[Fault] = faults, patch: pytest.MonkeyPatch = patch):
                faults.append(Fault(patch, n))  # what comes before is that of every run: test_faults looks at it
                return real(*args)

            patch.setattr(ledger, "freezing", freezing)
            try:
                house.run()
            except CannotWrite as failure:
                assert "No space left" in str(failure)
        is_new, values = contents(folder) != old, house.frozen()["value"].tolist()
        assert values == ([100.0, 200.0] if len(values) == 2 else [100.0]) and (is_new or len(values) == 1), f"operation {n}"
        assert len(values) == 2 or contents(house.out / "ledger") == old_ledger
        assert [path.name for path in (house.out / "ledger").iterdir()] == ["forecast.parquet"], f"operation {n}"
        if is_new and len(values) == 1 and (True, 1) not in seen:  # a run of another quarter makes up for it
            house.run("2026Q1")
            assert house.frozen()["value"].tolist() == [100.0, 200.0]
        seen.add((is_new, len(values)))
        if faults[0].left > 0:
            break
    assert faults[0].left > 0 and seen == {(False, 1), (True, 1), (True, 2)}


def test_quarters_that_end_at_once_are_all_frozen(house: Told) -> None:
    body = """
        real = ledger._grown
        def slow(before, told):
            found = real(before, told)
            time.sleep(0.5)  # without the lock both have read before one has written
            return found
        def lay(jobs, *_, **__):
            yield from house.lay(jobs)
            (house.root / name).touch()
            while not all((house.root / one).exists() for one in ("2026Q1", "2026Q2")):
                time.sleep(0.01)
        ledger._grown, ledger._in_place = slow, lambda out: []  # nobody heals what another has lost
        quarter.execute = lay
        house.says[name] = {("2026Q3", *TOTAL[1:]): float(name[-1])}
        house.run(name)
    """
    processes = [started(house, f"\n        name = {name!r}{body}") for name in ("2026Q1", "2026Q2")]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert sorted(house.frozen()["value"]) == [1.0, 2.0]


_SPOILS: dict[str, Callable[[Path], Any]] = {
    "no table": lambda path: path.write_bytes(b"altered"),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "a column is gone": lambda path: pd.read_parquet(path).drop(columns="low").to_parquet(path),
    "a column more": lambda path: pd.read_parquet(path).assign(more=1).to_parquet(path),
    "text for numbers": lambda path: pd.read_parquet(path).assign(value="many").to_parquet(path),
}


@pytest.mark.parametrize("how", _SPOILS)
def test_an_altered_ledger_ends_9_before_anything_runs(house: Told, capsys: pytest.CaptureFixture[str], how: str) -> None:
    house.says["2026Q2"] = {TOTAL: 100.0}
    house.run()
    path = house.out / "ledger" / "forecast.parquet"
    _SPOILS[how](path)
    before, ran = contents(house.out / "2026Q2") | contents(path.parent), len(house.ran)
    with pytest.raises(IntegrityError, match=r"ledger of forecasts was altered: .* — .*/ledger/forecast\.parquet — restore"):
        house.run()
    assert contents(house.out / "2026Q2") | contents(path.parent) == before and len(house.ran) == ran
    assert cli.main(["ledger", "--out", str(house.out), "--data", str(house.data)]) == 9
    told = capsys.readouterr()
    assert told.err.startswith("error: ") and told.err.count("\n") == 1 and told.out == ""
    path.rename(house.root / "away")
    house.run("2026Q1")
    assert house.frozen()["value"].tolist() == [100.0]


def test_a_ledger_elsewhere_or_a_file_in_its_way_is_refused(house: Told) -> None:
    house.says["2026Q2"] = {TOTAL: 100.0}
    house.out.mkdir()
    (house.out / "ledger").symlink_to(house.root)
    with pytest.raises(UsageError, match="link to elsewhere"):
        house.run()
    (house.out / "ledger").unlink()
    (house.out / "ledger").write_text("mine", encoding="utf-8")
    with pytest.raises(CannotWrite, match=r"exists — .*/ledger — move"):
        house.run()
    assert not (house.out / "2026Q2").exists() and (house.out / "ledger").read_text(encoding="utf-8") == "mine"


def test_a_forecast_without_numbers_is_refused(house: Told) -> None:
    house.says["2026Q2"] = {TOTAL: 100.0}
    real = pd.DataFrame.to_parquet
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_parquet", lambda self, path: real(self.assign(value="many"), path))
        with pytest.raises(DataRefused, match="cannot be frozen"):
            house.run()
    assert not (house.out / "2026Q2").exists()


# --- the score ------------------------------------------------------------------------------------------------------


def row(quarter: str, as_of: str, member: str, value: float, **more: Any) -> dict[str, Any]:
    told = {"run": "r", "frozen_at": pd.Timestamp(as_of) + pd.Timedelta(hours=30), "data": "data/sample", "quarter": quarter,
            "as_of": as_of, "revision": 0, "by": "part", "member": member, "unit": "EUR", "value": value, "n": 7.0,
            "low": value - 200_000, "high": value + 200_000, "level": 0.8, "fingerprint": "f", "library": "0"}  # fmt: skip
    return {**told, **more}


def frozen_by_hand() -> pd.DataFrame:
    again = {"revision": 1, "frozen_at": pd.Timestamp("2026-05-02")}
    return pd.DataFrame(
        [
            row("2026Q2", "2026-03-31", "won to date", 0.0),
            row("2026Q2", "2026-03-31", "open pipeline", 1e6),
            row("2026Q2", "2026-03-31", "total", 2_400_000.0),
            row("2026Q2", "2026-03-31", "Last quarter again", 4_400_000.0, low=math.nan, high=math.nan),
            row("2026Q2", "2026-04-30", "total", 3_000_000.0),
            row("2026Q2", "2026-04-30", "total", 2_500_000.0, **again),
            row("2026Q3", "2026-06-30", "total", 1_600_000.0, frozen_at=pd.Timestamp("2026-11-01")),
            row("2026Q3", "2026-06-30", "total", 60.0, unit="deals", low=1.0, high=90.0),
            row("2026Q4", "2026-09-30", "total", 1_700_000.0),
            row("2026Q4", "2026-10-31", "total", 1_800_000.0),
            row("2026Q3", "2026-06-30", "total", 7.0, data="data/company"),
        ]
    )


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return Snapshot("data/sample", quarter="2026Q3", as_of="2026-09-30")


def test_scores_equal_a_plain_loop(snapshot: Snapshot) -> None:
    frozen = frozen_by_hand()
    found = forecasts.scored(snapshot, frozen)
    expected = []
    for one in frozen.itertuples():
        is_part = one.member in ("won to date", "open pipeline")
        if one.data != "data/sample" or one.as_of > "2026-09-30" or one.revision > 0 or is_part:
            continue
        period = periods.quarter(one.quarter)
        last, result = periods.last_day(period), math.nan
        if last <= snapshot.as_of:
            cents, n = 0, 0
            for deal in snapshot.opportunities.itertuples():
                if deal.status == "won" and periods.first_day(period) <= deal.close_date.date() <= last:
                    cents, n = cents + int(deal.amount * 100), n + 1
            result = float(n) if one.unit == "deals" else cents / 100
        inside = None if math.isnan(result) or math.isnan(one.low) else one.low <= result <= one.high
        days = (last - periods.day(one.as_of)).days
        ahead = one.frozen_at.date() <= last
        expected.append(
            (one.quarter, one.as_of, days, one.member, one.value, result, one.value - result, inside, one.unit, ahead)
        )
    keys = ["quarter", "as_of", "days_left", "member", "value", "actual", "error", "is_inside", "unit", "is_ahead"]
    told = found[keys].astype({"is_inside": "object"})
    told["is_inside"] = [None if value is pd.NA else value for value in told["is_inside"]]
    assert repr(list(told.itertuples(index=False, name=None))) == repr(expected)
    assert found["state"].tolist() == ["scored"] * 5 + ["open"]
    assert found["n_revisions"].tolist() == [0, 0, 1, 0, 0, 0]
    assert found["actual"].iloc[0] > 1e6 and found["is_inside"].iloc[0] and not found["is_ahead"].iloc[3]


def test_later_days_change_no_score() -> None:
    early = Snapshot("data/sample", quarter="2026Q2", as_of="2026-05-01")
    found = forecasts.scored(early, frozen_by_hand())
    assert found["as_of"].max() == "2026-04-30" and found["actual"].isna().all() and (found["state"] == "open").all()
    told = forecasts.ledger_accuracy(found)
    assert told["n"].tolist() == [0, 0] and told[["wape", "bias", "coverage"]].isna().all(axis=None)


def test_an_empty_ledger_has_no_scores(snapshot: Snapshot, tmp_path: Path) -> None:
    found = forecasts.scored(snapshot, ledger.read(tmp_path))
    assert found.empty and list(found) == forecasts.SCORED
    assert list(forecasts.ledger_accuracy(found)) == forecasts.ACCURACY


def test_a_ledger_in_another_currency_is_refused(snapshot: Snapshot) -> None:
    with pytest.raises(DataRefused, match="are in USD, the data in EUR"):
        forecasts.scored(snapshot, frozen_by_hand().assign(unit="USD"))


def test_accuracy_equals_a_plain_loop() -> None:
    told = [  # quarter, member, value, actual, is_inside
        ("2026Q1", "total", 110.0, 100.0, True),
        ("2026Q1", "total", 90.0, 100.0, True),
        ("2026Q2", "total", 150.0, 200.0, False),
        ("2026Q3", "total", 120.0, math.nan, None),
        ("2026Q1", "Last quarter again", 300.0, 100.0, None),
    ]
    frame = pd.DataFrame(told, columns=["quarter", "member", "value", "actual", "is_inside"]).astype({"is_inside": "boolean"})
    frame = frame.assign(error=frame["value"] - frame["actual"], level=0.8, unit="EUR", is_ahead=True)
    total, baseline = forecasts.ledger_accuracy(frame).to_dict("records")
    misses = actuals = errors = 0.0
    for quarter_, member, value, actual, _ in told:
        if member == "total" and quarter_ != "2026Q3":
            misses, errors, actuals = misses + abs(actual - value), errors + value - actual, actuals + actual
    assert (total["n"], total["n_quarters"]) == (3, 2)
    assert total["wape"] == pytest.approx(misses / actuals) and total["bias"] == pytest.approx(errors / actuals)
    share, cases, z = 2 / 3, 2, 1.6448536269514722  # Wilson 1927, with z of the standard normal at 95 %
    middle = (share + z**2 / (2 * cases)) / (1 + z**2 / cases)
    half = z / (1 + z**2 / cases) * math.sqrt(share * (1 - share) / cases + z**2 / (4 * cases**2))
    assert total["coverage"] == pytest.approx(share)
    assert (total["coverage_low"], total["coverage_high"]) == pytest.approx((middle - half, middle + half))
    assert baseline["wape"] == baseline["bias"] == pytest.approx(2.0) and math.isnan(baseline["coverage"])


def test_forecasts_made_afterwards_and_of_other_levels_are_counted_apart(snapshot: Snapshot) -> None:
    told = forecasts.ledger_accuracy(forecasts.scored(snapshot, frozen_by_hand()))
    assert told.groupby(["unit", "is_ahead"])["n"].sum().to_dict() == {("EUR", True): 3, ("EUR", False): 1, ("deals", True): 1}


# --- the command ----------------------------------------------------------------------------------------------------


def lay(out: Path, frozen: pd.DataFrame) -> None:
    (out / "ledger").mkdir(parents=True)
    frozen[list(ledger.COLUMNS)].to_parquet(out / "ledger" / "forecast.parquet")


def test_the_command_shows_forecasts_results_and_accuracy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(tmp_path, frozen_by_hand())
    assert cli.main(["ledger", "--out", str(tmp_path), "--as-of", "2026-09-30"]) == 0
    told = capsys.readouterr().out
    assert "left out, made from other data (name them with --data): data/company" in told
    assert "results as known on 2026-09-30" in told and "2,400,000" in told and "not known" in told
    revised, scores = told.index("told later for the same quarter and day, not scored"), told.index("how good they were")
    assert revised < told.index("2,500,000") < scores < told.index("WAPE")
    assert "not ahead: made after the quarter had ended" in told
    assert cli.main(["ledger", "--out", str(tmp_path), "--as-of", "2026-04-15"]) == 0
    assert "none can be scored yet" in capsys.readouterr().out


def test_the_command_says_when_there_is_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ledger", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("no forecast of data/sample as of ")
    assert cli.main(["ledger", "--out", str(tmp_path / "none")]) == 2
    assert cli.main(["ledger", "--out", str(tmp_path), "--as-of", "soon"]) == 2
    assert cli.main(["ledger", "--out", str(tmp_path), "--data", str(tmp_path)]) == 3
