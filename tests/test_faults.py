"""Whatever fails on the way, and whenever: the old tables or the new ones, never something between."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest

from revops_lib import cli, disk, sources

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
            (pyarrow.parquet, "write_table"), (disk.tempfile, "mkdtemp"), (disk, "_swapped"),
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


@pytest.mark.parametrize("verb", ["import", "snapshot"])
@pytest.mark.parametrize(
    ("is_first", "can_swap"),
    [(True, True), (False, True), (False, False)],
    ids=["new folder", "old tables there", "old tables there, two renames"],
)
def test_the_nth_write_rename_or_sync_fails(tmp_path, export, monkeypatch, capsys, verb, is_first, can_swap):
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
        strays = [path.name for path in tmp_path.iterdir() if path.name.startswith(".to")]
        assert not strays, f"operation {n} left {strays}"
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
    for n in (1, 2, 3):
        with monkeypatch.context() as patch:
            Fault(patch, n)
            assert cli.main(argv) == 7
        assert (tmp_path / "to.rejected.csv").read_bytes() == b"earlier" and not list(tmp_path.glob(".*"))
    assert cli.main(argv) == 3 and (tmp_path / "to.rejected.csv").read_bytes() == whole
