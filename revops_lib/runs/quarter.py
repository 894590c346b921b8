"""A whole run: every notebook of a quarter executed and put in place together, or not at all.

`OUT/<quarter>/` holds `<stem>.ipynb`, `results/`, `public/` and `manifest.json` and is replaced as a whole, in one step, by a
folder made beside it. A reader sees the old quarter or the new one, never something between. What fails stays in the run's own
folder (`journal`); the earlier good files of that notebook stay in place.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import disk, masking
from ..errors import CannotWrite, DataRefused, RevopsError, UsageError
from . import inputs, journal, ledger
from .declared import Value
from .execution import LIMIT, Nest, execute
from .job import TIMEOUT, Job, Outcome
from .journal import MANIFEST
from .publication import merge_recommendations, publish
from .request import NOTEBOOKS, REPORTS, ROOT, Request, resolve

_OURS = {MANIFEST, "public", "results", "private"}  # beside notebooks; anything else in the folder is somebody's and stays
_SAME = ("quarter", "as_of", "data", "inputs", "code", "libraries")  # when these are equal, a notebook would say the same


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
    run_timeout: float = LIMIT,
    replace: bool = False,
    resume: bool = False,
    whole: bool = False,
    warm: bool = True,
    progress: bool = True,
    notebooks: Path = NOTEBOOKS,
    reports: Path = REPORTS,
) -> dict[str, Any]:
    """Run the notebooks of a quarter into `out`/<quarter> and return the manifest.

    The arguments are those of `resolve`; `jobs` notebooks run at a time (default: one per core), `timeout` is seconds per cell
    and `run_timeout` for all, `out` is relative to the repository root, `warm` kernels are forked where the system can.

    A notebook that fails does not stop the others: its entry says state failed, exit_code and error, and the manifest's
    exit_code is the highest of all. When none succeeds, or with `whole` not all, nothing in `out`/<quarter> changes. With
    `only`, the other notebooks' results of an earlier run stay when inputs, code, day and libraries are the same; with
    `resume`, so do those of the notebooks asked for when their parameters are the same, too, even when that run was killed. A
    run of other data or of another day is there already: UsageError, unless `replace`.

    Raises UsageError and DataRefused before anything runs or is written, Locked when another run works on the quarter,
    CannotWrite when `out` cannot be written, DataRefused when an input or our own code changed meanwhile, IntegrityError when
    the ledger of forecasts was altered.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"{jobs} jobs", "run", "give at least 1")
    for seconds in (timeout, run_timeout):
        if not seconds > 0:
            raise UsageError(f"a timeout of {seconds:g} seconds", "run", "give more than 0")
    started = dt.datetime.now(dt.UTC)
    place, name = ROOT / out, journal.name_of_run(quarter, started)
    holder = {"run": name, "process": os.getpid(), "since": started.isoformat(timespec="seconds")}
    with Nest(name, place / journal.FOLDER / name, notebooks.glob("*.ipynb"), warm=warm) as nest:
        request = resolve(quarter, data=data, as_of=as_of, only=only, params=params, notebooks=notebooks, reports=reports)
        folder = place / request.quarter
        _refuse_links(place, folder)
        with disk.locked(place / journal.FOLDER / f"{request.quarter}.lock", holder):
            disk.recover(folder)
            ledger.read(place)  # a damaged one is told of now, not after all notebooks have run
            other = _other_run(folder, request)
            if other and not replace:
                raise UsageError(f"{quarter} holds the run of {other}", str(folder), "add --replace, or choose another --out")
            journal.bury(place, request.quarter)
            try:
                this = _Run(request, place, journal.begin(place, name), started, carries=other is None)
                return this.go(nest, jobs, timeout, run_timeout, resume=resume, whole=whole, progress=progress)
            except OSError as failure:
                what = failure.strerror or "cannot write"
                raise CannotWrite(what, str(folder), "free space or choose another folder") from failure


def headline(folder: Path, stem: str) -> str:
    """The sentence a notebook of the run in `folder` answers with."""
    content = json.loads((folder / "results" / f"{stem}.json").read_text(encoding="utf-8"))
    return str(content["headline"])


def _refuse_links(place: Path, folder: Path) -> None:
    """What a run writes stays below `place`."""
    ours = [place / name for name in (journal.FOLDER, inputs.STORE, ledger.FOLDER)]
    for path in (folder, *(folder / name for name in _OURS), *ours):
        if path.is_symlink():
            raise UsageError("it is a link to elsewhere", str(path), "remove the link or choose another --out")


def _other_run(folder: Path, request: Request) -> str | None:
    """Which run of other data or of another day lies in the folder; None when there is none."""
    before = journal.read(folder / MANIFEST)
    if not before or (before.get("data"), before.get("as_of")) == (request.data, request.as_of):
        return None
    return f"{before.get('data')} as of {before.get('as_of')}"


class _Run:
    """One run, from its first manifest to the quarter in its place. `own` is its folder in the journal."""

    def __init__(self, request: Request, place: Path, own: Path, started: dt.datetime, *, carries: bool) -> None:
        self.request, self.own, self.started = request, own, started
        self.place, self.folder = place, place / request.quarter
        self.read = inputs.files(request)
        self.sources = {stem: inputs.sha256(path) for stem, path in request.notebooks.items()}
        there = journal.read(self.folder / MANIFEST)
        self.before, self.known = there if carries else {}, {*there.get("notebooks", {}), *request.notebooks}
        self.manifest: dict[str, Any] = {
            "run": own.name,
            "state": "running",
            "quarter": request.quarter,
            "as_of": request.as_of,
            "data": request.data,
            "inputs": inputs.hashes(self.read),
            "code": inputs.code(),
            "libraries": inputs.libraries(),
            "started": started.isoformat(),
            "notebooks": {},
        }

    def go(
        self, nest: Nest, workers: int | None, timeout: float, limit: float, resume: bool, whole: bool, progress: bool
    ) -> dict[str, Any]:
        taken = self._resumed() if resume else {}
        sources = {**self._carried(), **taken}  # where the files of each entry are, as folders of the shape of a quarter
        entries = self.manifest["notebooks"]
        entries |= {stem: entry for stem, (entry, _) in sources.items()}
        self.manifest["resumed"] = sorted(taken)
        self.manifest["dropped"] = sorted(self.known - {*entries, *self.request.notebooks})
        planned = [
            Job(stem, path, self.own / "work" / stem, self.request.parameters[stem], timeout)
            for stem, path in self.request.notebooks.items()
            if stem not in sources
        ]
        earlier = _earlier(self.place)
        # The longest first, so that none is waited for at the end: by the time it took, or else by what there is to read.
        planned.sort(key=lambda job: (-earlier.get(job.stem, 0.0), -job.notebook.stat().st_size))
        self._note()
        try:
            for outcome in _watched(execute(planned, nest, workers=workers, limit=limit), len(planned), progress):
                job = next(job for job in planned if job.stem == outcome.stem)
                entries[job.stem] = self._settled(job, outcome)
                self._note()
            self._refuse_changed()
            self._finish(list(self.request.notebooks), sources, whole)
        except BaseException as failure:
            self.manifest["state"], self.manifest["exit_code"] = "failed", _exit_code(failure)
            self._end(keep_work=not isinstance(failure, RevopsError))
            raise
        return self.manifest

    def _carried(self) -> dict[str, tuple[dict[str, Any], Path]]:
        """Entries in place that still hold, of notebooks not asked for."""
        if not self._same(self.before):
            return {}
        asked, found = self.request.notebooks, self.before["notebooks"]
        kept = {stem: (entry, self.folder) for stem, entry in found.items() if stem not in asked}
        return {stem: kept[stem] for stem in kept if kept[stem][0]["state"] != "ok" or _is_there(stem, *kept[stem])}

    def _resumed(self) -> dict[str, tuple[dict[str, Any], Path]]:
        """Entries of notebooks asked for that are good and still hold, in place or finished by a run that was not."""
        found: dict[str, tuple[dict[str, Any], Path]] = {}
        candidates = [(self.before, self.folder), *journal.unfinished(self.place, self.request.quarter)]
        for manifest, folder in candidates:
            for stem, entry in manifest.get("notebooks", {}).items() if self._same(manifest) else ():
                files = folder if folder == self.folder else folder / stem
                if stem not in found and self._is_good(stem, entry) and _is_there(stem, entry, files):
                    found[stem] = (entry, files)
        return found

    def _is_good(self, stem: str, entry: Mapping[str, Any]) -> bool:
        """Whether an earlier entry answers what is asked now."""
        if entry["state"] != "ok" or entry["sha256"] != self.sources.get(stem):
            return False
        asked = dict(self.request.parameters[stem])
        return bool(entry["parameters"] in (asked, masking.masked(asked)))

    def _same(self, manifest: Mapping[str, Any]) -> bool:
        return all(manifest.get(key) == self.manifest[key] for key in _SAME)

    def _settled(self, job: Job, outcome: Outcome) -> dict[str, Any]:
        """The entry of a notebook that has ended; what a failed one left is set aside."""
        entry: dict[str, Any] = {
            "state": "failed" if outcome.error else "ok",
            "exit_code": outcome.error.exit_code if outcome.error else 0,
            "parameters": dict(job.parameters),
            "sha256": self.sources[job.stem],
            "seconds": outcome.seconds,
            "split": dict(outcome.split),
        }
        if outcome.error is None:
            return {**entry, "results": {name: inputs.sha256(path) for name, path in job.made().items()}}
        log = self.own / f"{job.stem}.log"
        if job.executed.exists():
            job.executed.replace(self.own / f"{job.stem}.failed-{self.own.name}.ipynb")
        if job.log.exists():  # of a notebook that was cut off nobody has covered the secrets yet
            disk.write_text(log, masking.masked(job.log.read_text(encoding="utf-8", errors="replace")))
        shutil.rmtree(job.folder, ignore_errors=True)
        shown = log.relative_to(ROOT) if log.is_relative_to(ROOT) else log
        error = outcome.error
        return {**entry, "error": str(RevopsError(error.what, error.where, f"{error.do}; log: {shown.as_posix()}"))}

    def _refuse_changed(self) -> None:
        now = inputs.hashes({**inputs.files(self.request), **self.request.notebooks})
        then = {**self.manifest["inputs"], **self.sources}
        changed = [name for name in {**now, **then} if now.get(name) != then.get(name)]
        changed += ["the code of revops_lib"] if inputs.code() != self.manifest["code"] else []
        if changed:
            raise DataRefused("the data changed while the run read it", ", ".join(changed[:3]), "run again; nothing was kept")

    def _finish(self, asked: list[str], sources: Mapping[str, tuple[dict[str, Any], Path]], whole: bool) -> None:
        """Put the quarter in its place, when anything in it is good, or all of it if it shall be whole; close the manifest."""
        entries = self.manifest["notebooks"]
        self.manifest["notebooks"] = entries = {stem: entries[stem] for stem in sorted(entries)}
        self.manifest["exit_code"] = max(entries[stem]["exit_code"] for stem in asked)
        self.manifest["state"] = "failed" if self.manifest["exit_code"] else "ok"
        ended = dt.datetime.now(dt.UTC)
        self.manifest["ended"] = ended.isoformat()
        self.manifest["seconds"] = round((ended - self.started).total_seconds(), 3)
        good = [stem for stem in asked if entries[stem]["state"] == "ok"]
        if good == asked or (good and not whole):
            notebooks = [(entries[stem]["sha256"], path) for stem, path in self.request.notebooks.items()]
            inputs.keep(self.place, [*((self.manifest["inputs"][name], path) for name, path in self.read.items()), *notebooks])
            stage = self.own / "stage"
            self._stage(stage, sources)
            with ledger.freezing(self.place, stage, self.own.name):
                disk.put(stage, self.folder)
            journal.tidy(self.place, self.request.quarter, self.own.name)
        self._end(keep_work=False)

    def _stage(self, stage: Path, sources: Mapping[str, tuple[dict[str, Any], Path]]) -> None:
        """The new quarter as a folder: what was made now, what is carried over, what others have put there."""
        stage.mkdir(mode=self.folder.stat().st_mode & 0o777 if self.folder.exists() else 0o700)  # notebooks show pay
        (stage / "results").mkdir()
        entries, fresh = self.manifest["notebooks"], {job.name: job for job in (self.own / "work").iterdir()}
        for stem, entry in entries.items():
            if stem in sources:
                _take(stem, sources[stem][1], stage)
            elif entry["state"] == "ok":
                _take(stem, fresh[stem], stage)
            elif self.before:  # its earlier good files stay
                _take(stem, self.folder, stage)
        for path in self._of_others():
            inputs.link(path, stage / path.relative_to(self.folder))
        good = [stem for stem, entry in entries.items() if entry["state"] == "ok"]
        merge_recommendations(stage / "results", good)
        label = self.request.folder.name if Path(self.request.data).is_absolute() else self.request.data
        about = {  # no path of a machine in public
            "quarter": self.request.quarter,
            "as_of": self.request.as_of,
            "data": label,
            "known_until": self.request.dataset["known_until"],
            "asked": sorted(entries),  # with those kept from before
            "ended": self.request.has_ended,
        }
        states = {stem: entry["state"] for stem, entry in entries.items()}
        used = {stem: entry["parameters"] for stem, entry in entries.items()}
        publish(stage, about, self.request.published, states, used)
        journal.write(stage / MANIFEST, self.manifest)

    def _of_others(self) -> Iterator[Path]:
        """What somebody else has put into the quarter's folder, or among its results."""
        for path in self.folder.iterdir() if self.folder.exists() else ():
            if path.name not in _OURS and not (path.suffix == ".ipynb" and path.stem in self.known):
                yield path
        for path in (self.folder / "results").iterdir() if (self.folder / "results").exists() else ():
            if path.name != "recommendations.parquet" and path.name.split(".")[0] not in self.known:
                yield path

    def _note(self) -> None:
        journal.write(self.own / MANIFEST, self.manifest)

    def _end(self, *, keep_work: bool) -> None:
        """Close the run's own folder. Work is kept when the run was cut off, for a later one to take over."""
        self.manifest.setdefault("ended", dt.datetime.now(dt.UTC).isoformat())
        for left in (*journal.SCRATCH, *(() if keep_work else ("work",))):
            shutil.rmtree(self.own / left, ignore_errors=True)
        self._note()
        journal.beat(self.place, self.manifest)


def _exit_code(failure: BaseException) -> int:
    """What the command will end with."""
    if isinstance(failure, OSError):
        return CannotWrite.exit_code
    return 130 if isinstance(failure, KeyboardInterrupt) else getattr(failure, "exit_code", 1)


def _is_there(stem: str, entry: Mapping[str, Any], folder: Path) -> bool:
    """Whether the files of a good entry are in a quarter's folder, or in that of a job, as they were made."""
    made = {name: folder / name if name.startswith("private/") else folder / "results" / name for name in entry["results"]}
    executed = any((folder / name).is_file() for name in (f"{stem}.ipynb", "notebook.ipynb"))
    return executed and inputs.hashes(made) == entry["results"]


def _take(stem: str, source: Path, stage: Path) -> None:
    """The files of one notebook, from a quarter's folder or from the folder of its job."""
    for path, name in ((source / f"{stem}.ipynb", f"{stem}.ipynb"), (source / "notebook.ipynb", f"{stem}.ipynb")):
        if path.is_file():
            inputs.link(path, stage / name)
    for path in (source / "results").glob(f"{stem}.*"):
        inputs.link(path, stage / "results" / path.name)
    if (source / "private" / stem).is_dir():  # for each person alone: closed from the start
        (stage / "private").mkdir(mode=0o700, exist_ok=True)
        inputs.link(source / "private" / stem, stage / "private" / stem)


def _earlier(out: Path) -> dict[str, float]:
    """Seconds each notebook took in earlier runs, the latest quarter last."""
    seconds: dict[str, float] = {}
    for file in sorted(out.glob(f"*/{MANIFEST}")):
        seconds |= {stem: entry["seconds"] for stem, entry in journal.read(file).get("notebooks", {}).items()}
    return seconds


def _watched(outcomes: Iterable[Outcome], total: int, progress: bool) -> Iterator[Outcome]:
    """The outcomes, with a bar on the terminal that names what just ended."""
    from tqdm import tqdm

    shown = progress and sys.stderr.isatty()
    with tqdm(total=total, unit="notebook", disable=not shown, file=sys.stderr) as bar:
        for outcome in outcomes:
            bar.set_description_str(f"{outcome.stem} {'failed' if outcome.error else 'done'}")
            bar.update()
            yield outcome
