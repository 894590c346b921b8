"""The runner under faults, as processes: the exit code, the old quarter as it was, nothing half-written, nobody left, a rerun.

The last test prints what was seen, a line per fault (`pytest -rP`).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from test_runs import House, digests

from revops_lib import cli, runs
from revops_lib.errors import DataRefused

pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(sys.platform != "linux", reason="kills and counts processes as Linux does"),
]

# `revops`, with the notebooks of a folder in place of the repository's.
DOOR = """
import functools, sys
from pathlib import Path
from revops_lib import cli, runs
folder = Path(sys.argv[1])
runs.run = functools.partial(runs.run, notebooks=folder / "notebooks", reports=folder / "reports.yml")
sys.exit(cli.main(sys.argv[2:]))
"""
Q, SOON = "2026Q2", 2.0  # seconds in which every process must be gone
QUARTERS = ("2026Q1", "2026Q2", "2026Q3")
SEEN: list[tuple[str, int, str]] = []


@dataclasses.dataclass
class Ended:
    code: int
    said: str
    gone_after: float


class Place(House):
    """A house whose runs are processes."""

    def words(self, *words: object, quarter: str = Q, out: Path | None = None) -> list[str]:
        return list(map(str, ["run", quarter, "--data", self.data, "--out", out or self.out, *words]))

    def start(self, *words: object, quarter: str = Q, out: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", DOOR, str(self.root), *self.words(*words, quarter=quarter, out=out)]
        pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "encoding": "utf-8"}
        return subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True, **pipes)

    def revops(self, *words: object, quarter: str = Q, out: Path | None = None, **environment: str) -> Ended:
        return ended(self.start(*words, quarter=quarter, out=out, **environment), out or self.out)

    def old(self, out: Path | None = None) -> dict[str, str]:
        return digests((out or self.out) / Q)


def ended(process: subprocess.Popen[str], out: Path) -> Ended:
    """How a run ended, and how long after it the last of its processes was gone."""
    try:
        said = process.communicate(timeout=120)[1]
    finally:
        process.kill()
    since = time.monotonic()
    while members(out) and time.monotonic() < since + 20:
        time.sleep(0.02)
    return Ended(process.returncode, said, time.monotonic() - since)


def members(out: Path) -> list[psutil.Process]:
    """The living processes of the runs in `out`."""
    names, found = {path.name for path in (out / ".runs").glob("2*") if path.is_dir()}, []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get("REVOPS_RUN") in names and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def is_sound(out: Path) -> bool:
    """Nothing half-written: all that is there can be read, and nothing is there that should not be."""
    for path in out.rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))
    for path in out.rglob("*.ipynb"):
        nbformat.validate(nbformat.read(path, as_version=4))
    tops = {path.name for path in out.iterdir()} - {".runs", ".inputs", "heartbeat.json", "ledger", *QUARTERS}
    hidden = [path for part in out.glob("[!.]*") for path in part.rglob(".*")]
    assert (tops, hidden) == (set(), [])
    return True


def note(fault: str, code: int, *, intact: bool, again: bool) -> None:
    """A line of the table; both must be so."""
    assert (intact, again) == (True, True), fault
    SEEN.append((fault, code, "as it was" if code else "replaced"))


def until(happened: Callable[[], Any], seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < limit, "it never happened"
        time.sleep(0.02)


def without_times(files: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if name != "manifest.json"}


@pytest.fixture(autouse=True)
def nobody_outlives_a_failed_test() -> Iterator[None]:
    yield
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            child.kill()


# --- inside a notebook ----------------------------------------------------------------------------------------------

_CHILDREN = (
    "import subprocess\nfor _ in range(3): subprocess.Popen(['sh', '-c', 'sleep 600 & sleep 600'], start_new_session=True)"
)
_ODD = {
    "prints100mb": "for i in range(100): print(('y' * 99 + '\\n') * 10_000)",
    "longline": "for i in range(3): print('y' * 1_000_000, end='')",
    "children": _CHILDREN,
    "lingers": "import atexit, time; atexit.register(time.sleep, 600)",
}
_FAULTS = {
    "kill9": (5, "Kernel died", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
    "exits": (5, "Kernel died", "import os; os._exit(0)"),
    "memory": (
        4,
        "more memory",
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))\nx = bytearray(2**34)",
    ),
    "endless": (6, "no end after 3 seconds", "while True: pass"),
    "raises": (4, "ValueError: no", f"{_CHILDREN}\nraise ValueError('no')"),
    "leaves": (4, "SystemExit", "import sys; sys.exit(3)"),
    "swallows": (4, "was not written", "try:\n    1 / 0\nexcept Exception:\n    pass"),
    "asks": (4, "must not ask for input", "input('name')"),
    "worker": (5, "the process that runs", "import os, signal, time; os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)"),
    "newer": (2, "cannot be run", "1"),
}


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A good run of all notebooks, a run in which those with a fault fail, a run after they are mended."""
    house = Place(tmp_path_factory.mktemp("inside"))
    for stem, cell in (*_ODD.items(), *((stem, "1") for stem in _FAULTS)):
        house.add(stem, cell)
    house.allow(*_FAULTS)
    good, before = house.revops(), house.old()
    for stem, (_, _, cell) in _FAULTS.items():
        house.add(stem, cell, finish=stem != "swallows")
    newer = house.notebooks / "newer.ipynb"
    newer.write_text(newer.read_text(encoding="utf-8").replace('"nbformat": 4', '"nbformat": 9'), encoding="utf-8")
    only = ("--only", ",".join(_FAULTS))
    bad, after = house.revops(*only, "--timeout", 3), house.old()
    last = max((house.out / ".runs").glob("2*/manifest.json"))
    failed = json.loads(last.read_text(encoding="utf-8"))["notebooks"]
    sound = is_sound(house.out)
    for stem in _FAULTS:
        house.add(stem, "1")
    mended = house.revops(*only)
    return {"house": house, "good": good, "bad": bad, "mended": mended, "failed": failed, "sound": sound,
            "intact": before == after, "equal": without_times(before) == without_times(house.old())}  # fmt: skip


def test_whatever_happens_inside_notebooks_the_old_quarter_stays(inside):
    assert inside["good"].code == 0, inside["good"].said
    assert inside["bad"].code == 6 and inside["intact"] and inside["sound"]
    assert inside["mended"].code == 0 and inside["equal"]
    assert max(inside[run].gone_after for run in ("good", "bad", "mended")) < SOON


@pytest.mark.parametrize("stem", _FAULTS)
def test_fault_inside_a_notebook(inside, stem):
    code, message, _ = _FAULTS[stem]
    entry = inside["failed"][stem]
    assert (entry["state"], entry["exit_code"]) == ("failed", code)
    assert message in entry["error"] and entry["error"] in inside["bad"].said
    note(f"notebook: {stem}", code, intact=inside["intact"], again=inside["equal"])


@pytest.mark.parametrize("stem", _ODD)
def test_an_odd_notebook_is_a_good_one(inside, stem):
    stored = (inside["house"].out / Q / f"{stem}.ipynb").read_text(encoding="utf-8")
    assert len(stored) < 1_200_000
    assert ("a cell may show 1,000,000 characters" in stored) == (stem in ("prints100mb", "longline"))
    note(f"notebook: {stem}", 0, intact=inside["good"].code == 0, again=inside["equal"])


# --- to the run itself ----------------------------------------------------------------------------------------------

# With a label it says that it is there and waits until it may go on.
_WAITS = """
import subprocess, time
from pathlib import Path
marks = Path({marks!r})
if label != "all":
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    (marks / label).touch()
    while not (marks / "go").exists():
        time.sleep(0.02)
"""
_SIGNALS = {
    "SIGTERM": (143, signal.SIGTERM),
    "SIGTERM while libraries are imported": (143, signal.SIGTERM),
    "SIGINT": (130, signal.SIGINT),
    "SIGKILL of the runner": (-9, signal.SIGKILL),
    "SIGKILL of the nursery": (5, signal.SIGKILL),
    "run timeout": (6, None),
}


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A house with one notebook that waits when it has a label, and a good run of it."""
    house = Place(tmp_path_factory.mktemp("waiting"))
    (house.root / "marks").mkdir()
    house.add("waits", _WAITS.format(marks=str(house.root / "marks")))
    house.allow("waits")
    assert house.revops().code == 0
    return house


def test_the_run_is_ended_from_outside(waiting: Place):
    place = {name: shutil.copytree(waiting.out, waiting.root / f"out{i}") for i, name in enumerate(_SIGNALS)}
    running = {}
    for i, (name, (_, number)) in enumerate(_SIGNALS.items()):
        limit = () if number else ("--run-timeout", 6)
        running[name] = waiting.start("--param", f"label=wait{i}", *limit, out=place[name])
    for i, (name, (_, number)) in enumerate(_SIGNALS.items()):
        process = running[name]
        if "imported" in name:
            until(lambda to=place[name]: members(to))
        elif number:
            until(lambda i=i: (waiting.root / "marks" / f"wait{i}").exists())
        if number:
            os.kill(psutil.Process(process.pid).children()[0].pid if "nursery" in name else process.pid, number)
    how = {name: ended(process, place[name]) for name, process in running.items()}
    kept = {name: waiting.old(out) == waiting.old() and is_sound(out) for name, out in place.items()}
    again = {name: waiting.start("--cold", out=out) for name, out in place.items()}
    for name, (code, _) in _SIGNALS.items():
        assert how[name].code == code, how[name].said
        assert how[name].gone_after < SOON, name
        assert ended(again[name], place[name]).code == 0
        states = [json.loads(path.read_text(encoding="utf-8"))["state"] for path in place[name].glob(".runs/2*/manifest.json")]
        wanted = ["abandoned" if code < 0 else "failed", "ok", "ok"]
        assert sorted(states) == wanted, name
        note(name, code, intact=kept[name], again=without_times(waiting.old(place[name])) == without_times(waiting.old()))


def test_two_runs_at_once(waiting: Place):
    old, go = waiting.old(), waiting.root / "marks" / "go"
    first = waiting.start("--param", "label=hold")
    until((waiting.root / "marks" / "hold").exists)
    second, other = waiting.start(), waiting.start("--cold", quarter="2026Q1")
    said = second.communicate(timeout=60)[1]
    assert second.returncode == 8
    holder = max((path for path in (waiting.out / ".runs").glob(f"{Q}-*") if path.is_dir()), key=lambda path: path.name)
    assert f"in use by run {holder.name}, process {first.pid}, since" in said
    intact = waiting.old() == old
    assert other.wait(timeout=60) == 0
    other.communicate()
    go.touch()
    assert ended(first, waiting.out).code == 0
    go.unlink()
    note("two runs of the same quarter", 8, intact=intact, again=is_sound(waiting.out))
    note("two runs of different quarters", 0, intact=True, again=(waiting.out / "2026Q1" / "manifest.json").exists())


def test_input_that_changes_during_the_run_is_noticed(tmp_path: Path):
    house = House(tmp_path)
    (house.data / "plans").mkdir()
    plan = house.data / "plans" / "quotas.yml"
    plan.write_text("x: 1\n", encoding="utf-8")
    changes = f"from pathlib import Path\nif draws == 5: Path({str(plan)!r}).write_text('x: 2')"
    house.add("forecast", changes)
    house.allow("forecast")
    assert house.run(warm=False)["exit_code"] == 0
    old = digests(house.out / Q)
    with pytest.raises(DataRefused, match=r"plans/quotas\.yml") as refused:
        house.run(params={"draws": 5}, warm=False)
    intact, sound = digests(house.out / Q) == old, is_sound(house.out)
    again = house.run(warm=False)["exit_code"] == 0
    note("input changed during the run", refused.value.exit_code, intact=intact, again=again and sound)


def test_reader_during_writes(tmp_path: Path):
    house = Place(tmp_path)
    house.add("forecast")
    house.allow("forecast")
    assert house.revops("--cold").code == 0
    # Execution is quick, replacing is what matters: all but the first keep what the first has made.
    often = DOOR.replace("sys.exit(cli.main(sys.argv[2:]))", "for _ in range(6): assert cli.main(sys.argv[2:]) == 0")
    command = [sys.executable, "-c", often, str(house.root), *house.words("--resume", "--cold")]
    folder, made, reads = house.out / Q, set(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as writer:
        while writer.poll() is None or reads < 2000:
            made.add(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["run"])
            nbformat.reads((folder / "forecast.ipynb").read_text(encoding="utf-8"), as_version=4)
            table = (folder / "results" / "forecast.parquet").read_bytes()
            assert table[:4] == table[-4:] == b"PAR1"
            reads += 3
    assert writer.returncode == 0 and len(made) > 3
    note(f"reader during writes: {reads:,} reads of {len(made)} runs, 0 invalid", 0, intact=True, again=is_sound(house.out))


# --- before anything runs, and no place to write --------------------------------------------------------------------


@pytest.fixture
def door(waiting: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """`revops run` on the waiting house in this process: exit code and what it said."""
    folders = {"notebooks": waiting.notebooks, "reports": waiting.root / "reports.yml"}
    monkeypatch.setattr(runs, "run", functools.partial(runs.run, **folders))

    def ask(*words: object, **place: Any) -> tuple[int, str]:
        return cli.main(waiting.words(*words, **place)), capsys.readouterr().err

    return ask


_WRONG = {
    "unknown parameter": ("--param", "levle=0.8"),
    "parameter name is code": ("--param", "x;__import__('os').abort()#=hunter2hunter2"),
    "parameter named like a secret": ("--param", "api_key=hunter2hunter2"),
    "value of another type": ("--param", "draws=hunter2hunter2"),
    "unknown notebook": ("--only", "../waits"),
    "no time": ("--timeout", "0"),
}
_QUARTERS = ["2026Q5", "2026-Q3", "２０２６Q3", "../x", "2026Q3\n", "", "2026Q2/../../x"]


@pytest.mark.parametrize(
    ("fault", "words", "place"),
    [*((fault, words, {}) for fault, words in _WRONG.items()), *((f"quarter {q!r}", (), {"quarter": q}) for q in _QUARTERS)],
)
def test_wrong_use_runs_nothing(waiting: Place, door, fault, words, place):
    before = digests(waiting.root)
    code, said = door(*words, **place)
    assert (code, said.count("\n")) == (2, 1) and "hunter2" not in said
    note(fault, code, intact=digests(waiting.root) == before, again=True)


@pytest.mark.parametrize("content", ["", "{", '{"cells": 1}', "[]", "half"])
def test_damaged_notebook_runs_nothing(waiting: Place, door, content):
    notebook = waiting.notebooks / "waits.ipynb"
    whole, old = notebook.read_text(encoding="utf-8"), waiting.old()
    notebook.write_text(whole[: len(whole) // 2] if content == "half" else content, encoding="utf-8")
    code, said = door()
    notebook.write_text(whole, encoding="utf-8")
    assert code == 2 and "waits.ipynb" in said
    note(f"damaged notebook: {content or 'empty'}", code, intact=waiting.old() == old, again=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    tried = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"no small disk can be mounted here: {tried.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_full_and_read_only_disk(waiting: Place, small_disk: Path):
    out = small_disk / "new" / "out"
    assert waiting.revops("--cold", out=out).code == 0
    old = waiting.old(out)
    for free in (0, 40):  # kB: before the first cell, while results are written
        filler = small_disk / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        os.truncate(filler, filler.stat().st_size - free * 1024)
        full = waiting.revops("--cold", out=out)
        assert full.code == 7 and full.said.startswith("error: ") and full.gone_after < SOON, (free, full.said)
        filler.unlink()
        intact = waiting.old(out) == old
        note(f"full disk, {free} kB free", 7, intact=intact, again=is_sound(out))
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    refused = waiting.revops(out=out)
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert refused.code == 7, refused.said
    again = waiting.revops("--cold", out=out)
    assert again.code == 0, again.said
    note("read-only folder", 7, intact=without_times(waiting.old(out)) == without_times(old), again=is_sound(out))
    assert waiting.old(out)["manifest.json"] != old["manifest.json"]


# --- resume ---------------------------------------------------------------------------------------------------------


def test_resume_after_a_kill_runs_only_the_rest(tmp_path: Path):
    house = Place(tmp_path)
    ran, hold = tmp_path / "ran.txt", tmp_path / "hold"
    hold.touch()
    for stem in "abcdef":  # all of one size, so that they run in this order
        cell = f"import time\nfrom pathlib import Path\nwith open({str(ran)!r}, 'a') as file: file.write('{stem}')"
        house.add(stem, f"{cell}\nwhile '{stem}' in 'ef' and Path({str(hold)!r}).exists(): time.sleep(0.02)")
    house.allow("a", "f")
    first = house.start("--jobs", 1)
    until(lambda: ran.exists() and ran.read_text(encoding="utf-8") == "abcde")
    first.kill()
    assert ended(first, house.out).gone_after < SOON and not (house.out / Q).exists()
    hold.unlink()
    second = house.revops("--resume", "--jobs", 1)
    assert second.code == 0 and "not run again: a, b, c, d" in second.said
    assert ran.read_text(encoding="utf-8") == "abcdeef"
    resumed = house.old()
    assert house.revops(out=tmp_path / "whole").code == 0
    whole = house.old(tmp_path / "whole")
    note(
        "SIGKILL after the 4th of 6, resumed",
        -9,
        intact=is_sound(house.out),
        again=without_times(resumed) == without_times(whole),
    )


# --- many runs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rounds", [3, pytest.param(200, marks=pytest.mark.truth)])
def test_random_kills_leave_nothing_behind(tmp_path: Path, rounds: int):
    house, draw, temp = Place(tmp_path), random.Random(8), tmp_path / "temp"
    house.add("forecast", "import time; time.sleep(0.2)")
    house.allow("forecast")
    temp.mkdir()
    assert house.revops(TMPDIR=str(temp)).code == 0
    good, files, sizes, codes = without_times(house.old()), psutil.Process().num_fds(), [], set()
    for _ in range(rounds):
        runner = house.start(TMPDIR=str(temp))
        victim, moment = draw.randrange(4), draw.uniform(0, 3)  # the runner, its nursery, the worker, the kernel
        time.sleep(moment)
        with suppress(psutil.NoSuchProcess):
            line = [psutil.Process(runner.pid)]
            while len(line) <= victim and (children := line[-1].children()):
                line.append(children[0])
            line[-1].kill()
        how = ended(runner, house.out)
        codes.add(how.code)
        assert how.code in (0, -9, 4, 5) and how.gone_after < SOON, how
        assert without_times(house.old()) == good and is_sound(house.out)
        sizes.append(len(digests(house.out)))
    assert house.run()["exit_code"] == 0  # in this process, whose descriptors are counted
    assert psutil.Process().num_fds() == files and list(temp.iterdir()) == []
    assert -9 in codes and max(sizes) < 150
    for left in ("work", "stage", "jupyter", "ipython", "*.holder"):
        assert list((house.out / ".runs").rglob(left)) == []
    assert not [path for path in (house.out / ".inputs").iterdir() if path.name.startswith(".")]
    note(f"{rounds} runs with random kills", 0, intact=True, again=without_times(house.old()) == good)


# --- the same bytes -------------------------------------------------------------------------------------------------

_ZONES, _LOCALES, _SEEDS = ("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati"), ("C", "C.UTF-8"), ("0", "1")
_FEW = [("America/New_York", "C", "1"), ("Pacific/Kiritimati", "C.UTF-8", "3")]


@pytest.mark.parametrize(
    ("stems", "worlds"),
    [
        ("bottlenecks", _FEW),  # hours of work; statements of pay do the same in test_closing
        pytest.param("bottlenecks,compensation,diagnosis,enablement,forecast,kpis,quality", list(itertools.product(_ZONES, _LOCALES, _SEEDS)), marks=pytest.mark.truth),
    ],
    ids=["one notebook, 2 worlds", "all notebooks, 16 worlds"],
)  # fmt: skip
def test_neither_time_zone_nor_locale_nor_hash_seed_nor_a_cold_kernel_changes_a_byte(tmp_path, stems, worlds):
    command = [sys.executable, "-m", "revops_lib", "run", "2026Q3", "--only", stems, "--jobs", "1", "--out"]
    running = []
    for number, (zone, locale, seed) in enumerate(worlds):
        world = {"TZ": zone, "LC_ALL": locale, "PYTHONHASHSEED": seed}
        out = [str(tmp_path / str(number)), *(["--cold"] if number % 4 == 1 else [])]
        running.append(subprocess.Popen([*command, *out], env={**os.environ, **world}, stdout=subprocess.DEVNULL))
        if number % 2:  # two at a time
            assert [process.wait() for process in running[-2:]] == [0, 0]
    seen = [without_times(digests(tmp_path / str(number) / "2026Q3")) for number in range(len(worlds))]
    assert all(one == seen[0] for one in seen) and len(seen[0]) > 5
    note(f"{len(worlds)} time zones, locales, hash seeds; warm and cold", 0, intact=True, again=True)


def test_nothing_leaks_from_one_notebook_into_the_next(tmp_path: Path):
    house = Place(tmp_path)
    shows = """
import os, random, sys
print("seaborn" in sys.modules, "sklearn" in sys.modules)
import matplotlib, numpy, pandas, seaborn
topics = ("forecast", "quality", "bottlenecks", "diagnosis", "compensation", "kpis", "charts", "report", "snapshot")
state = [os.environ.get("CANARY"), matplotlib.rcParams["figure.dpi"], pandas.get_option("display.max_rows")]
print([name for name in topics if f"revops_lib.{name}" in sys.modules], state)
print(random.random(), numpy.random.rand(), numpy.random.default_rng().random())
"""
    spoils = """
from revops_lib import charts, forecast
os.environ["CANARY"] = "seen"
matplotlib.rcParams["figure.dpi"] = 7
pandas.set_option("display.max_rows", 7)
"""
    house.add("first", shows, spoils)
    house.add("second", shows)
    house.allow("first")
    assert house.revops("--jobs", 1).code == 0
    told = []
    for stem in ("first", "second"):
        cells = nbformat.read(house.out / Q / f"{stem}.ipynb", as_version=4).cells
        told.append(next(cell.outputs[0].text for cell in cells if cell.get("outputs")).splitlines())
    assert told[0][:2] == told[1][:2] and told[0][0] == "True False"  # what they name is imported once, for all of them
    assert told[0][1].startswith("[] [None")
    draws = [lines[2].split() for lines in told]
    assert not set(draws[0]) & set(draws[1])


def test_the_table_of_faults():
    """A line per fault seen above: how the run ended, what became of the old quarter; each could be run again."""
    assert SEEN, "this test comes last"
    for fault, code, old in SEEN:
        print(f"{fault:<62} exit {code:>3}   {old:<10}  rerun ok")
