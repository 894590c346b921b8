"""What each run did, from its first moment on: `OUT/.runs/<run>/` with its manifest, what failed, and work in progress.

Whoever holds a quarter's lock knows that no other run of it lives: a manifest that still says "running" is of a run that was
killed. What such a run had finished is kept until the next one, which may take it over.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import disk, masking
from ..errors import CannotWrite
from . import inputs, processes

FOLDER, MANIFEST, HEARTBEAT = ".runs", "manifest.json", "heartbeat.json"
_TYPED = ("parameters", "error")
SCRATCH = ("stage", "jupyter", "ipython")  # needed while a run lives
KEPT = 20  # runs per quarter whose manifest and failed notebooks are kept


def name_of_run(quarter: str, started: dt.datetime) -> str:
    quarter = re.sub(r"[^0-9Q]", "", quarter)  # whether it is one is not known yet
    return f"{quarter}-{started:%Y%m%dT%H%M%S%f}-{os.getpid()}"


def begin(out: Path, run: str) -> Path:
    """The folder of a new run."""
    folder = out / FOLDER / run
    try:
        (out / FOLDER).mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        (folder / "work").mkdir()
    except OSError as failure:
        raise CannotWrite(failure.strerror or "cannot write", str(folder), "choose another --out") from failure
    return folder


def write(path: Path, manifest: Mapping[str, Any]) -> None:
    """A manifest in its place; secrets are covered where somebody may have typed or raised one."""
    told = {stem: {**entry, **masking.masked({key: entry[key] for key in _TYPED if key in entry})} for stem, entry in
            manifest.get("notebooks", {}).items()}  # fmt: skip
    disk.write_text(path, json.dumps({**manifest, "notebooks": told}, indent=1, ensure_ascii=False) + "\n")


def read(path: Path) -> dict[str, Any]:
    """A manifest; empty when there is none or it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def bury(out: Path, quarter: str) -> None:
    """Mark the runs of a quarter that were killed as abandoned and end what is left of them. Needs the quarter's lock."""
    for folder in _runs(out, quarter):
        manifest = read(folder / MANIFEST)
        if manifest.get("state") == "running" or not manifest:
            processes.end(processes.RUN, folder.name)
            for left in SCRATCH:
                shutil.rmtree(folder / left, ignore_errors=True)
            write(folder / MANIFEST, {**manifest, "run": folder.name, "state": "abandoned"})


def unfinished(out: Path, quarter: str) -> Iterator[tuple[dict[str, Any], Path]]:
    """Runs whose finished notebooks were never put in place, the latest first: manifest and work folder."""
    for folder in reversed(_runs(out, quarter)):
        if (folder / "work").is_dir() and (manifest := read(folder / MANIFEST)):
            yield manifest, folder / "work"


def tidy(out: Path, quarter: str, run: str) -> None:
    """Throw away the work of other runs, the oldest runs and the kept inputs that no manifest names any more.

    To be called when a quarter is in its place: until then a later run may take the work of others over.
    """
    others = [folder for folder in _runs(out, quarter) if folder.name != run]
    for folder in others:
        shutil.rmtree(folder / "work", ignore_errors=True)
    for folder in others[: max(0, len(others) + 1 - KEPT)]:
        shutil.rmtree(folder, ignore_errors=True)
    manifests = [read(path) for path in (*out.glob(f"*/{MANIFEST}"), *(out / FOLDER).glob(f"*/{MANIFEST}"))]
    inputs.forget(out, {digest for one in manifests for digest in inputs.named(one)})


def beat(out: Path, manifest: Mapping[str, Any]) -> None:
    """Note when a run was last tried and when one last succeeded."""
    about = {key: manifest[key] for key in ("run", "quarter", "as_of", "ended")}
    with disk.locked(out / FOLDER / "heartbeat.lock", {"run": manifest["run"]}, patience=10):  # quarters may end together
        told = read(out / HEARTBEAT)
        told["last_attempt"] = {**about, "state": manifest["state"], "exit_code": manifest["exit_code"]}
        told["last_success"] = about if manifest["exit_code"] == 0 else told.get("last_success")
        disk.write_text(out / HEARTBEAT, json.dumps(told, indent=1) + "\n")


def _runs(out: Path, quarter: str) -> list[Path]:
    """The folders of a quarter's runs, the oldest first."""
    return sorted(path for path in (out / FOLDER).glob(f"{quarter}-*") if path.is_dir() and not path.is_symlink())
