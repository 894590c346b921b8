"""Whatever fails on the way, and whenever: the old tables or the new ones, never something between."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import playbooks
import pyarrow.parquet
import pytest
from test_runs import House

from revops_lib import cli, disk, runs, site, sources
from revops_lib.errors import CannotWrite
from revops_lib.runs import job, quarter
from revops_lib.site import building

pytestmark = pytest.mark.whole
MAPPING = """
name: small
currency: EUR
timezone: Europe/Paris
fiscal_year_end: DEC
stages:
  - {stage: Proposal, position: 1, status: open}
  - {stage: Won, position: 2, status: won}
tables:
  accounts: {file: accounts.csv, columns: {account_id: id, name: name}}
  opportunities:
    file: deals.csv
    columns: {opportunity_id: id, account_id: account, amount: amount, stage: stage, created_at: created, close_date: closed}
"""


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., list[str]]:
    """A function that lays an export of n deals and returns the command that imports it into `to`."""

    def lay(n: int, verb: str = "import") -> list[str]:
        source = tmp_path / "export"
        source.mkdir(exist_ok=True)
        (source / "accounts.csv").write_text("id,name\nA,Acme\n", encoding="utf-8")
        rows = [f"D-{i},A,{i}.50,Proposal,2026-01-0{i},2026-12-01" for i in range(1, n + 1)]
        rows.append("D-9,A,oops,Proposal,2026-01-01,2026-12-01")
        header = "id,account,amount,stage,created,closed"
        (source / "deals.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
        (tmp_path / "m.yml").write_text(MAPPING, encoding="utf-8")
        limit = ["--max-rejected", "0.9"] if verb == "import" else []
        return [verb, str(tmp_path / "m.yml"), "--from", str(source), "--to", str(tmp_path / "to"), *limit]

    return lay


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Fault:
    """The n-th operation that writes, renames or syncs fails as on a full or broken disk; later ones work again."""

    def __init__(self, patch: pytest.MonkeyPatch, n: int) -> None:
        self.left = n
        for owner, name in (
            (Path, "rename"), (Path, "replace"), (Path, "write_bytes"), (Path, "mkdir"), (Path, "chmod"), (os, "fsync"),
            (pyarrow.parquet, "write_table"), (disk.tempfile, "mkdtemp"), (disk, "_swapped"), (Path, "write_text"),
            (shutil, "copyfile"), (os, "link"),
        ):  # fmt: skip
            patch.setattr(owner, name, self.counted(getattr(owner, name)))

    def counted(self, real: Callable) -> Callable:
        def operation(*args: object, **kwargs: object) -> object:
            if not any(isinstance(one, io.BytesIO) for one in args):  # memory is no disk
                self.left -= 1
            if self.left == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args, **kwargs)

        return operation


@pytest.mark.parametrize(
    ("verb", "is_first", "can_swap", "every"),
    [
        ("import", False, True, 5),
        ("snapshot", False, False, 5),
        *(
            pytest.param(verb, is_first, can_swap, 1, marks=pytest.mark.truth)
            for verb in ("import", "snapshot")
            for is_first, can_swap in ((True, True), (False, True), (False, False))
        ),
    ],
)
def test_the_nth_write_rename_or_sync_fails(tmp_path, export, monkeypatch, capsys, verb, is_first, can_swap, every):
    """`every`: after how many failures the verb is run again, which is half of the time."""
    if not can_swap:
        monkeypatch.setattr(disk, "_swapped", lambda new, old: False)
    if verb == "snapshot" or not is_first:
        assert cli.main(export(2)) == 0
    if is_first:
        shutil.rmtree(tmp_path / "to", ignore_errors=True)
    before = contents(tmp_path / "to") if (tmp_path / "to").exists() else {}
    kept = tmp_path / "kept"
    if before:
        shutil.copytree(tmp_path / "to", kept)
    again = export(3, "import")
    argv = again if verb == "import" else ["snapshot", *again[1:6]]
    if verb == "snapshot":
        (tmp_path / "export" / "deals.csv").write_text(
            "id,account,amount,stage,created,closed\nD-1,A,5,Proposal,2026-01-01,2026-12-01\n", encoding="utf-8"
        )
    assert cli.main(argv) == 0
    undisturbed = contents(tmp_path / "to")
    assert undisturbed != before
    for n in range(1, 200):
        shutil.rmtree(tmp_path / "to")
        if before:
            shutil.copytree(kept, tmp_path / "to")
        with monkeypatch.context() as patch:
            fault = Fault(patch, n)
            code = cli.main(argv)
        now = contents(tmp_path / "to") if (tmp_path / "to").exists() else {}
        if code == 0:
            assert now == undisturbed
        else:
            assert code == 7 and now in (before, undisturbed), f"operation {n}"
            assert "No space left" in capsys.readouterr().err
        strays = {path.name for path in tmp_path.glob(".*")} - {".to.lock"}
        assert not strays, f"operation {n} left {strays}"
        if n % every == 0:
            assert cli.main(argv) == 0
            assert contents(tmp_path / "to") == undisturbed
        if fault.left > 0:  # the fault came after everything was done
            break
    assert n > 8 and fault.left > 0


def test_a_kill_between_two_renames_is_healed_by_the_next_look(tmp_path, export):
    assert cli.main(export(2)) == 0
    old = contents(tmp_path / "to")
    argv = export(3)
    script = f"""
        import os, signal, sys
        from pathlib import Path
        from revops_lib import cli, disk
        disk._swapped = lambda new, old: False
        real = Path.rename
        def rename(self, target):
            if Path(target).name == "to":
                os.kill(os.getpid(), signal.SIGKILL)
            return real(self, target)
        Path.rename = rename
        cli.main({argv!r})
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, capture_output=True)
    assert ended.returncode == -9 and not (tmp_path / "to").exists()
    assert sources.read_dataset(tmp_path / "to")["name"] == "small"
    assert contents(tmp_path / "to") == old
    assert cli.main(argv) == 0
    assert len(sources.read_table(tmp_path / "to", "opportunities")) == 3


def test_the_list_of_rejected_rows_of_a_refused_import_is_written_whole_or_not(tmp_path, export, monkeypatch):
    argv = export(2)[:-2]
    assert cli.main(argv) == 3
    whole = (tmp_path / "to.rejected.csv").read_bytes()
    (tmp_path / "to.rejected.csv").write_bytes(b"earlier")
    for n in range(1, 50):
        with monkeypatch.context() as patch:
            fault = Fault(patch, n)
            code = cli.main(argv)
        assert [path.name for path in tmp_path.glob(".*")] == [".to.lock"]
        if code == 3:
            break
        assert code == 7 and (tmp_path / "to.rejected.csv").read_bytes() in (b"earlier", whole)
    assert fault.left > 0 and n > 6
    assert (tmp_path / "to.rejected.csv").read_bytes() == whole and (
        tmp_path / "to.rejected.csv"
    ).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("verb", ["import", "forget"])
def test_what_a_killed_import_left_goes_with_the_next_change(tmp_path, export, verb):
    assert cli.main(export(2)) == 0
    argv = export(3)
    script = f"""
        import os, signal
        from revops_lib import cli, disk
        disk.put = lambda new, directory: os.kill(os.getpid(), signal.SIGKILL)
        cli.main({argv!r})
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False).returncode == -9
    [left] = [path for path in tmp_path.glob(".to.*") if path.is_dir()]
    assert "oops" in (left / "quarantine.csv").read_text(encoding="utf-8")
    shutil.copytree(left, tmp_path / ".to.before")  # as another may be left that was killed after two renames
    (tmp_path / ".other.new-x").mkdir()
    assert cli.main(argv if verb == "import" else ["forget", "nobody", "--data", str(tmp_path / "to")]) in (0, 2)
    assert sorted(path.name for path in tmp_path.glob(".*")) == [".other.new-x", ".to.lock"]


@pytest.mark.parametrize("n", [1, 2])
def test_an_interrupt_between_two_renames_leaves_the_old_folder(tmp_path, monkeypatch, n):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name, encoding="utf-8")
    real, calls = Path.rename, []

    def rename(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 2 and n == 1:
            raise KeyboardInterrupt
        done = real(self, target)
        if len(calls) == 1 and n == 2:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(disk, "_swapped", lambda new, old: False)
    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        disk.put(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old" / "file").read_text(encoding="utf-8") == "old"


def test_a_file_replaced_has_its_mode_from_the_start(tmp_path):
    path = tmp_path / "folder" / "file"
    with pytest.raises(CannotWrite, match="No space"), disk.replacing(path, mode=0o600) as new:
        assert new.stat().st_mode & 0o777 == 0o600
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(path.parent.iterdir()) == []


# --- runs -----------------------------------------------------------------------------------------------------------


class Replayed(House):
    """A house with one notebook, which is executed once; later runs find what that has left in `made`, and note it in `ran`."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(root)
        self.made, self.ran = root / "made", []
        self.add("forecast", "1")
        self.allow("forecast")
        self.run()
        shutil.copytree(self.out / "2026Q2" / "results", self.made / "results")
        (self.made / "results" / "recommendations.parquet").unlink()
        (self.made / "private").mkdir()
        (self.out / "2026Q2" / "forecast.ipynb").replace(self.made / "notebook.ipynb")
        shutil.rmtree(self.out)
        patch.setattr(quarter, "execute", self._lay)

    def run(self, *args: object, **more: object) -> dict:
        return super().run(*args, warm=False, **more)

    def say(self, headline: str) -> None:
        told = self.made / "results" / "forecast.json"
        told.write_text(json.dumps({**json.loads(told.read_text(encoding="utf-8")), "headline": headline}), encoding="utf-8")

    def _lay(self, jobs: list[job.Job], *_: object, **__: object):
        for one in jobs:
            self.ran.append(one.stem)
            shutil.copytree(self.made, one.folder)
            yield job.Outcome(one.stem, None, 1.0, {})


@pytest.mark.parametrize(
    ("can_swap", "every"),
    [(True, 5), pytest.param(True, 1, marks=pytest.mark.truth), pytest.param(False, 1, marks=pytest.mark.truth)],
    ids=["in one step", "in one step, always again", "two renames"],
)
def test_the_nth_operation_of_a_run_fails(tmp_path, monkeypatch, can_swap, every):
    house = Replayed(tmp_path, monkeypatch)
    if not can_swap:
        monkeypatch.setattr(disk, "_swapped", lambda new, old: False)
    folder, kept = house.out / "2026Q2", tmp_path / "kept"
    house.say("old")
    house.run()
    old = contents(folder)
    shutil.copytree(house.out, kept)
    house.say("new")
    house.run()
    new = contents(folder)
    assert {name for name in new if new[name] != old[name]} == {
        "manifest.json", "public/report.json", "results/forecast.json"
    }  # fmt: skip
    for n in range(1, 300):
        shutil.rmtree(house.out)
        shutil.copytree(kept, house.out)
        with monkeypatch.context() as patch:
            fault = Fault(patch, n)
            try:
                house.run()
            except CannotWrite:
                pass
            else:
                assert contents(folder) != old
        now = contents(folder)
        assert now == old or now == {**new, "manifest.json": now["manifest.json"]}, f"operation {n}"
        about = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        assert about["state"] == "ok" and runs.headline(folder, "forecast") == ("old" if now == old else "new")
        if n % every == 0:
            house.run()
            assert contents(folder) | {"manifest.json": ""} == new | {"manifest.json": ""}
        strays = [path for path in house.out.rglob(".*") if path.name not in (".runs", ".inputs")]
        assert not strays, f"operation {n} left {strays}"
        if fault.left > 0:
            break
    assert n > 30 and fault.left > 0


def test_resume_skips_only_what_is_the_same(tmp_path, monkeypatch):
    house = Replayed(tmp_path, monkeypatch)
    folder = house.out / "2026Q2"

    def ran(**more: object) -> list[str]:
        house.ran.clear()
        assert house.run(resume=True, **more)["exit_code"] == 0
        return list(house.ran)

    assert (ran(), ran()) == (["forecast"], [])
    assert (ran(params={"draws": 5}), ran(params={"draws": 5})) == (["forecast"], [])
    house.add("forecast", "2")
    assert (ran(), ran()) == (["forecast"], [])
    (house.data / "plans").mkdir()
    (house.data / "plans" / "quotas.yml").write_text("x: 1\n", encoding="utf-8")
    assert (ran(), ran()) == (["forecast"], [])
    result = folder / "results" / "forecast.parquet"
    whole = result.read_bytes()
    for spoil in (lambda: result.unlink(), lambda: (result.unlink(), result.write_bytes(whole[:-9]))):
        spoil()
        assert (ran(), result.read_bytes(), ran()) == (["forecast"], whole, [])


# --- the site -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("can_swap", [True, False], ids=["in one step", "two renames"])
def test_the_nth_operation_of_a_site_build_fails(tmp_path, monkeypatch, can_swap):
    """The book itself is not built: two pages stand for it."""
    if not can_swap:
        monkeypatch.setattr(disk, "_swapped", lambda new, old: False)
    said = "old"

    def pages(book: Path, log: Path) -> Path:
        built = book / "_build" / "html"
        os.makedirs(built)  # noqa: PTH103, not one of the operations that fail
        for name in ("index.html", "searchindex.js", "page.html"):
            with open(built / name, "w", encoding="utf-8") as file:  # noqa: PTH123
                file.write('Search.setIndex({"terms": {}})' if name.endswith("js") else f"<html><body>{said}</body></html>")
        return built

    monkeypatch.setattr(building, "_jupyter_book", pages)
    (tmp_path / "runs").mkdir()
    playbook = playbooks.small(tmp_path / "playbook")
    to, kept = tmp_path / "site", tmp_path / "kept"
    site.build(runs=tmp_path / "runs", to=to, playbook=playbook)
    old = contents(to)
    shutil.copytree(to, kept)
    said = "new"
    site.build(runs=tmp_path / "runs", to=to, playbook=playbook)
    new = contents(to)
    assert old != new
    for n in range(1, 300):
        shutil.rmtree(to)
        shutil.copytree(kept, to)
        with monkeypatch.context() as patch:
            fault = Fault(patch, n)
            try:
                site.build(runs=tmp_path / "runs", to=to, playbook=playbook)
            except CannotWrite:
                assert contents(to) in (old, new), f"operation {n}"
            else:
                assert contents(to) == new
        strays = {path.name for path in tmp_path.iterdir()} - {"site", "kept", "runs", "playbook", ".site.lock"}
        assert not strays, f"operation {n} left {strays}"
        if fault.left > 0:
            break
    assert n > 8 and fault.left > 0
