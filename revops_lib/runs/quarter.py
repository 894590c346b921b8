"""A whole run: every notebook of a quarter executed, good ones put in place, the manifest written last.

`OUT/<quarter>/` holds `<stem>.ipynb`, `results/`, `public/` and `manifest.json`. Work happens in `.partial-…` beside
them and is moved, never copied, so a reader sees an old file or a new one. What failed lies in `.failed/`, and the
earlier good file of that notebook stays as it was. A folder never mixes runs of different data or days.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import CannotWrite, RevopsError, UsageError
from .declared import Value
from .execution import TIMEOUT, Job, Outcome, execute
from .publication import merge_recommendations, publish
from .request import NOTEBOOKS, REPORTS, ROOT, Request, resolve

MANIFEST = "manifest.json"
_LIBRARIES = ("pandas", "numpy", "duckdb", "pyarrow", "statsmodels", "seaborn", "papermill")


def run(
    quarter: str,
    *,
    data: Path,
    out: Path,
    as_of: str | dt.date | None = None,
    only: Iterable[str] | None = None,
    jobs: int | None = None,
    params: Mapping[str, Value] | None = None,
    timeout: float = TIMEOUT,
    replace: bool = False,
    progress: bool = True,
    notebooks: Path = NOTEBOOKS,
    reports: Path = REPORTS,
) -> dict[str, Any]:
    """Run the notebooks of a quarter into `out`/<quarter> and return the manifest.

    The arguments are those of `resolve`; `jobs` notebooks run at a time (default: one per core), `timeout` is seconds
    per cell, `out` is relative to the repository root. A notebook that fails does not stop the others: its entry says
    state failed, exit_code and error, and the manifest's exit_code is the highest of all. With `only`, the other
    notebooks' results of an earlier run with the same data, day and libraries stay part of the whole; any others are no
    longer shown. When no notebook succeeds, an earlier `public/` stays. A run of other data or of another day is there
    already: UsageError, or with `replace` it goes as soon as this one has something good. Raises UsageError and
    DataRefused before anything runs or is written, CannotWrite when `out` cannot be written.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"{jobs} jobs", "run", "give at least 1")
    if not timeout > 0:
        raise UsageError(f"a timeout of {timeout:g} seconds", "run", "give more than 0")
    request = resolve(quarter, data=data, as_of=as_of, only=only, params=params, notebooks=notebooks, reports=reports)
    folder = ROOT / out / request.quarter
    other = _other_run(folder, request)
    if other and not replace:
        raise UsageError(f"{quarter} holds the run of {other}", str(folder), "add --replace, or choose another --out")
    work = _work_folder(folder)
    try:
        return _run(request, folder, work, jobs, timeout, progress, replacing=other is not None)
    except OSError as failure:
        raise CannotWrite(failure.strerror or "cannot write", str(folder), "free space or choose another folder") from failure
    finally:
        shutil.rmtree(work, ignore_errors=True)


def headline(folder: Path, stem: str) -> str:
    """The sentence a notebook of the run in `folder` answers with."""
    content = json.loads((folder / "results" / f"{stem}.json").read_text(encoding="utf-8"))
    return str(content["headline"])


def _other_run(folder: Path, request: Request) -> str | None:
    """Which run of other data or of another day lies in the folder; None when there is none."""
    before = _read(folder / MANIFEST)
    if not before or (before.get("data"), before.get("as_of")) == (request.data, request.as_of):
        return None
    return f"{before.get('data')} as of {before.get('as_of')}"


def _work_folder(folder: Path) -> Path:
    """A new folder for the work in progress, on the same file system as the results."""
    if folder.is_symlink():
        raise CannotWrite("the folder is a link to elsewhere", str(folder), "remove the link or choose another --out")
    try:
        (folder / "results").mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    except OSError as failure:
        raise CannotWrite(failure.strerror or "cannot write", str(folder), "choose another --out") from failure


def _run(
    request: Request, folder: Path, work: Path, jobs: int | None, timeout: float, progress: bool, *, replacing: bool
) -> dict[str, Any]:
    started = dt.datetime.now(dt.UTC)
    manifest: dict[str, Any] = {
        "quarter": request.quarter,
        "as_of": request.as_of,
        "data": request.data,
        "inputs": _inputs(request),
        "libraries": _libraries(),
    }
    earlier = _earlier(folder.parent)
    planned = [Job(stem, path, work / stem, request.parameters[stem], timeout) for stem, path in request.notebooks.items()]
    planned.sort(key=lambda job: -earlier.get(job.stem, 0.0))  # the longest first, so that none is waited for at the end
    entries = _carried(folder / MANIFEST, manifest, set(request.notebooks))
    outcomes = _watched(planned, jobs, progress)
    if replacing:  # nothing is put in place before it is known whether anything will be
        outcomes = list(outcomes)
        if any(outcome.error is None for outcome in outcomes):
            _take_away(folder, work / ".before")
    for outcome in outcomes:
        job = next(job for job in planned if job.stem == outcome.stem)
        entries[job.stem] = _settle(job, outcome, folder)
    manifest["notebooks"] = {stem: entries[stem] for stem in sorted(entries)}

    manifest["exit_code"] = max(entries[stem]["exit_code"] for stem in request.notebooks)
    succeeded = any(entries[stem]["state"] == "ok" for stem in request.notebooks)
    if replacing and not succeeded:
        return manifest  # the other run stays, with its manifest
    if succeeded or not (folder / "public").exists():
        _publish(request, entries, folder, work)

    ended = dt.datetime.now(dt.UTC)
    manifest["started"], manifest["ended"] = started.isoformat(), ended.isoformat()
    manifest["seconds"] = round((ended - started).total_seconds(), 3)
    (work / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (work / MANIFEST).replace(folder / MANIFEST)
    return manifest


def _take_away(folder: Path, before: Path) -> None:
    """Move what an earlier run left out of the way, its manifest first; `before` is cleared away with the work."""
    before.mkdir()
    left = [folder / MANIFEST, folder / "public", folder / "results", *folder.glob("*.ipynb"), folder / ".failed"]
    for path in left:
        if path.exists():
            path.rename(before / path.name)
    (folder / "results").mkdir()


def _publish(request: Request, entries: Mapping[str, Mapping[str, Any]], folder: Path, work: Path) -> None:
    """Everyone's recommendations and `public/`, from what succeeded now and what is carried over."""
    merge_recommendations(folder / "results", [stem for stem, entry in entries.items() if entry["state"] == "ok"])
    label = request.data if not Path(request.data).is_absolute() else request.folder.name  # no path of a machine in public
    about = {
        "quarter": request.quarter,
        "as_of": request.as_of,
        "data": label,
        "known_until": request.dataset["known_until"],
    }
    states = {stem: entry["state"] for stem, entry in entries.items()}
    used = {stem: entry["parameters"] for stem, entry in entries.items()}
    publish(folder, work, about, request.published, states, used)


def _inputs(request: Request) -> dict[str, str]:
    """SHA-256 of everything the notebooks read: the dataset's files and the plans."""
    files = {
        f"{request.data}/{p.name}": p for p in request.folder.iterdir() if p.suffix == ".parquet" or p.name == "dataset.json"
    }
    for label, plans in ((f"{request.data}/plans", request.folder / "plans"), ("data/plans", ROOT / "data" / "plans")):
        found = (path for path in plans.rglob("*") if path.is_file() and not path.name.startswith("."))
        files |= {f"{label}/{path.relative_to(plans).as_posix()}": path for path in found}
    return {name: _sha256(files[name]) for name in sorted(files)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _libraries() -> dict[str, str]:
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"revops": __version__, **versions, "python": platform.python_version()}


def _earlier(out: Path) -> dict[str, float]:
    """Seconds each notebook took in earlier runs, the latest quarter last."""
    seconds: dict[str, float] = {}
    for file in sorted(out.glob(f"*/{MANIFEST}")):
        seconds |= {stem: entry["seconds"] for stem, entry in _read(file).get("notebooks", {}).items()}
    return seconds


def _read(manifest: Path) -> dict[str, Any]:
    """An earlier manifest; empty when there is none or it is damaged, it will be replaced."""
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _carried(path: Path, manifest: Mapping[str, Any], running: set[str]) -> dict[str, dict[str, Any]]:
    """Entries of an earlier run that still hold: notebooks not run now, from the same inputs, day and libraries."""
    before = _read(path)
    if any(before.get(key) != manifest[key] for key in manifest):
        return {}
    return {stem: entry for stem, entry in before.get("notebooks", {}).items() if stem not in running}


def _watched(planned: list[Job], jobs: int | None, progress: bool) -> Iterable[Outcome]:
    """The outcomes, with a bar on the terminal that names what just ended."""
    from tqdm import tqdm

    shown = progress and sys.stderr.isatty()
    with tqdm(total=len(planned), unit="notebook", disable=not shown, file=sys.stderr) as bar:
        for outcome in execute(planned, workers=jobs):
            bar.set_description_str(f"{outcome.stem} {'failed' if outcome.error else 'done'}")
            bar.update()
            yield outcome


def _settle(job: Job, outcome: Outcome, folder: Path) -> dict[str, Any]:
    """Move what a notebook left to its place, good or failed, and give its entry in the manifest."""
    failed = folder / ".failed"
    for old in (failed / f"{job.stem}.ipynb", failed / f"{job.stem}.log"):
        old.unlink(missing_ok=True)
    entry: dict[str, Any] = {
        "state": "failed" if outcome.error else "ok",
        "exit_code": outcome.error.exit_code if outcome.error else 0,
        "parameters": dict(job.parameters),
        "sha256": _sha256(job.notebook),
        "seconds": outcome.seconds,
        "split": dict(outcome.split),
    }
    if outcome.error:
        failed.mkdir(exist_ok=True)
        for source, name in ((job.executed, f"{job.stem}.ipynb"), (job.log, f"{job.stem}.log")):
            if source.exists():
                source.replace(failed / name)
        return {**entry, "error": _told(outcome.error, failed / f"{job.stem}.log")}
    results = folder / "results"
    made = {path.name for path in job.results.iterdir()}
    for name in sorted(made):
        (job.results / name).replace(results / name)
    for stale in results.glob(f"{job.stem}.*"):
        if stale.name not in made:
            stale.unlink()
    job.executed.replace(folder / f"{job.stem}.ipynb")
    return entry


def _told(error: RevopsError, log: Path) -> str:
    """The error's one line, with the place of the log."""
    shown = log.relative_to(ROOT) if log.is_relative_to(ROOT) else log
    return str(RevopsError(error.what, error.where, f"{error.do}; log: {shown.as_posix()}"))
