"""What a run reads, by hash: the dataset, the plans, the notebooks, our own code; and copies of it, kept by hash.

`OUT/.inputs/<sha256>` holds every file that a run in OUT has read, once, so that the run can be made again when the dataset has
been imported anew and the plans have changed.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

from .. import __version__, disk
from .request import ROOT, Request

STORE = ".inputs"
PLANS = ROOT / "data" / "plans"
DICTIONARIES = ("kpis.yml", "kpi_trees.yml")  # definitions, beside the dataset or of the house
_LIBRARIES = ("pandas", "numpy", "duckdb", "pyarrow", "statsmodels", "seaborn", "papermill")


def files(request: Request) -> dict[str, Path]:
    """Everything the notebooks read, by the name it has in the manifest: the dataset's files, the plans, the definitions.

    Not the rows set aside at import: no notebook reads them, and they hold people as the source wrote them.
    """
    from .. import tables

    ours = (p for p in request.folder.iterdir() if p.suffix == ".parquet" or p.name == "dataset.json")
    found = {f"{request.data}/{path.name}": path for path in ours if path.name not in tables.PRIVATE}
    for label, folder in ((f"{request.data}/plans", request.folder / "plans"), ("data/plans", PLANS)):
        plans = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        found |= {f"{label}/{path.relative_to(folder).as_posix()}": path for path in plans}
    for label, folder in ((request.data, request.folder), ("data", ROOT / "data")):
        found |= {f"{label}/{name}": folder / name for name in DICTIONARIES if (folder / name).exists()}
    return {name: found[name] for name in sorted(found)}


def hashes(found: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of each file; a file that is gone has none, which is a change, too."""
    return {name: sha256(path) if path.exists() else "" for name, path in found.items()}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code() -> str:
    """One SHA-256 of all of our own modules."""
    package = Path(__file__).resolve().parent.parent
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        total.update(f"{path.relative_to(package).as_posix()} {sha256(path)}\n".encode())
    return total.hexdigest()


def libraries() -> dict[str, str]:
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"revops": __version__, **versions, "python": platform.python_version()}


def keep(out: Path, paths: Iterable[tuple[str, Path]]) -> None:
    """Keep a copy of files under their hashes, for the owner of the runs alone: a dataset may hold names."""
    store = out / STORE
    store.mkdir(mode=0o700, exist_ok=True)
    for digest, path in paths:
        if (store / digest).exists():
            continue
        with disk.replacing(store / digest, mode=0o600) as beside:
            shutil.copyfile(path, beside)


def named(manifest: Mapping[str, Any]) -> set[str]:
    """The hashes of all files that a manifest's run has read."""
    notebooks = (entry["sha256"] for entry in manifest.get("notebooks", {}).values())
    return {*manifest.get("inputs", {}).values(), *notebooks}


def forget(out: Path, needed: Collection[str]) -> None:
    """Throw away the kept files that are not needed, and what a killed run had begun to keep."""
    for path in (out / STORE).iterdir():
        writer = path.name.rpartition("-")[2] if path.name.startswith(".") else ""
        being_kept = writer.isdecimal() and psutil.pid_exists(int(writer))
        if path.name not in needed and not being_kept and path.is_file():
            path.unlink(missing_ok=True)


def link(source: Path, target: Path) -> None:
    """A file or a folder under another name, linked where the file system can; a link to elsewhere stays one."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir(mode=source.stat().st_mode & 0o777)
        for path in sorted(source.iterdir()):
            link(path, target / path.name)
    elif not _linked(source, target):
        shutil.copy2(source, target)


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:
        return False
    return True
