"""Notebooks executed side by side, each by a worker process of its own with a kernel of its own.

However a notebook ends, by an error, a dead kernel, a timeout or a worker that is gone, it ends as an `Outcome`; and however
the run ends, no process of it is left.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from .. import disk
from ..errors import CannotWrite, KernelDied, TimedOut
from . import processes
from .job import TIMEOUT, Job, Outcome
from .request import NOTEBOOKS

_OF_A_JOB = ("REVOPS_RESULTS", "REVOPS_PRIVATE", processes.JOB)
LIMIT = 4 * 3600.0  # seconds per run
# The same bytes from the same inputs, on any number of cores: no random hash order, no sums split by thread. Nothing of the
# user's own Jupyter: no start-up files, no history. One thread, so that kernels can be forked.
_FIXED = {
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}


def execute(
    jobs: list[Job], *, run: str, place: Path, workers: int | None = None, limit: float = LIMIT, warm: bool = True
) -> Generator[Outcome]:
    """Execute the notebooks, `workers` at a time (default: one per core), and yield outcomes as they come.

    A notebook that fails, or whose worker dies, does not stop the others; what has not ended after `limit` seconds is ended.
    `run` marks the processes, `place` is a folder for what they need while they live. `warm` kernels are forked where the
    system can (Linux); else each starts on its own.
    """
    if not jobs:
        return
    until = time.monotonic() + limit
    waiting = list(jobs)
    running: dict[str, Job] = {}
    at_a_time = max(1, workers or os.cpu_count() or 1)
    nest: _Nest | None = None
    try:
        nest = _nest(run, place, jobs, warm)
        while waiting or running:
            while waiting and len(running) < at_a_time:
                job = waiting.pop(0)
                running[job.stem] = job
                assert nest is not None
                nest.start(job)
            assert nest is not None
            ended = nest.ended(until - time.monotonic())
            if ended is None:  # the nursery is gone, and its workers with it
                nest.close()
                processes.end(processes.RUN, run)
                ended, nest = [(stem, 1) for stem in running], _nest(run, place, jobs, warm) if waiting else None
            for stem, code in ended:
                job = running.pop(stem)
                yield Outcome.read(job.outcome) or _died(job, code)
            if time.monotonic() >= until:
                for job in (*running.values(), *waiting):
                    yield Outcome(job.stem, _too_late(job, limit))
                return
    finally:
        if nest is not None:
            nest.close()
        processes.end(processes.RUN, run)


def _died(job: Job, code: int) -> Outcome:
    """The outcome of a worker that left none."""
    if code == CannotWrite.exit_code:
        return Outcome(job.stem, CannotWrite("cannot write what the notebook left", str(job.folder), "free space"))
    where = f"notebook {job.stem}, outside any cell"
    return Outcome(job.stem, KernelDied("the process that runs the notebook died", where, "look for what ended it: memory?"))


def _too_late(job: Job, limit: float) -> TimedOut:
    do = "give more with --run-timeout, or run fewer notebooks with --only"
    return TimedOut(f"the run had not ended after {limit:g} seconds", f"notebook {job.stem}", do)


class _Nest(Protocol):
    """Where workers live."""

    def start(self, job: Job) -> None: ...

    def ended(self, patience: float) -> list[tuple[str, int]] | None:
        """Stem and exit code of workers that have ended, as soon as there are any; none after `patience` seconds; None: all
        are gone."""

    def close(self) -> None: ...


def _nest(run: str, place: Path, jobs: list[Job], warm: bool) -> _Nest:
    if warm and sys.platform == "linux" and hasattr(os, "pidfd_open"):
        nursery = _Nursery(run, place, jobs)
        if nursery.is_ready():
            return nursery
        nursery.close()
    return _Apart(run, place)


class _Nursery:
    """Workers forked from one process that has imported the libraries; see `nursery`."""

    def __init__(self, run: str, place: Path, jobs: list[Job]) -> None:
        self._process = _python(run, place, "nursery", str(os.getpid()), *_used(jobs))
        self._said = b""

    def is_ready(self) -> bool:
        assert self._process.stdout is not None
        return self._process.stdout.readline() == b"ready\n"

    def start(self, job: Job) -> None:
        with suppress(BrokenPipeError):  # it is gone: `ended` says so
            _tell(self._process, job)

    def ended(self, patience: float) -> list[tuple[str, int]] | None:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], max(0.0, patience))[0]:
            return []
        read = os.read(self._process.stdout.fileno(), 65536)
        if not read:
            return None
        *lines, self._said = (self._said + read).split(b"\n")
        return [(stem, int(code)) for stem, code in (line.decode().split(" ") for line in lines)]

    def close(self) -> None:
        _close(self._process)


class _Apart:
    """Workers started on their own, each with an ordinary kernel."""

    def __init__(self, run: str, place: Path) -> None:
        self._run, self._place = run, place
        self._workers: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, job: Job) -> None:
        self._workers[job.stem] = _python(self._run, self._place, "worker")
        _tell(self._workers[job.stem], job)

    def ended(self, patience: float) -> list[tuple[str, int]]:
        until = time.monotonic() + patience
        while True:
            ended = [(stem, code) for stem, worker in self._workers.items() if (code := worker.poll()) is not None]
            for stem, _ in ended:
                _close(self._workers.pop(stem))
            if ended or time.monotonic() >= until:
                return ended
            time.sleep(0.02)

    def close(self) -> None:
        for worker in self._workers.values():
            _close(worker)


def _python(run: str, place: Path, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A process of the run. It hears when the run is gone: its input ends."""
    own = {processes.RUN: run, "JUPYTER_RUNTIME_DIR": str(place / "jupyter"), "IPYTHONDIR": str(place / "ipython")}
    environment = {name: value for name, value in os.environ.items() if name not in _OF_A_JOB}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", f"{__package__}.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=place,
        env={**environment, **_FIXED, **own},
        start_new_session=True,  # Ctrl-C reaches the run alone, which then ends the rest
    )


def _tell(process: subprocess.Popen[bytes], job: Job) -> None:
    stream: IO[bytes] | None = process.stdin
    assert stream is not None
    stream.write(job.line())
    stream.flush()


def _close(process: subprocess.Popen[bytes]) -> None:
    """Let a process of the run end itself and what it started, for its input ends; or else end it."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    try:
        process.wait(timeout=processes.PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()


def _used(jobs: list[Job]) -> list[str]:
    """The larger libraries that some notebook seems to import."""
    from .nursery import WHEN_USED

    texts = (job.notebook.read_text(encoding="utf-8", errors="replace") for job in jobs if job.notebook.is_file())
    imported = {name for text in texts for name in re.findall(r"\b(?:import|from)\s+(\w+)", text)}
    return sorted(imported & set(WHEN_USED))


def refresh(notebooks: Iterable[Path] | None = None, *, workers: int | None = None, timeout: float = TIMEOUT) -> None:
    """Execute notebooks with their defaults and store them in place, all or none; no results are written.

    Default: every notebook of the repository. Raises the first failure; then every file is as it was.
    """
    paths = sorted(NOTEBOOKS.glob("*.ipynb") if notebooks is None else notebooks)
    with tempfile.TemporaryDirectory(prefix="revops-") as work:
        place = Path(work)
        jobs = [Job(path.stem, path, place / path.stem, {}, timeout) for path in paths]
        outcomes = {one.stem: one for one in execute(jobs, run=place.name, place=place, workers=workers)}
        for job in jobs:
            if error := outcomes[job.stem].error:
                raise error
        for job in jobs:
            beside = job.notebook.with_name(f".{job.notebook.name}.partial")
            shutil.copyfile(job.executed, beside)
            disk.sync(beside)
            beside.replace(job.notebook)
