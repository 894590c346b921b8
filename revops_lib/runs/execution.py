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
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

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


def execute(jobs: list[Job], nest: Nest, *, workers: int | None = None, limit: float = LIMIT) -> Generator[Outcome]:
    """Execute the notebooks in `nest`, `workers` at a time (default: one per core), and yield outcomes as they come.

    A notebook that fails, or whose worker dies, does not stop the others; what has not ended after `limit` seconds is ended.
    """
    until = time.monotonic() + limit
    waiting = list(jobs)
    running: dict[str, Job] = {}
    at_a_time = max(1, workers or os.cpu_count() or 1)
    while waiting or running:
        while waiting and len(running) < at_a_time:
            job = waiting.pop(0)
            running[job.stem] = job
            nest.start(job)
        for stem, code in nest.ended(until - time.monotonic()):
            job = running.pop(stem)
            yield Outcome.read(job.outcome) or _died(job, code)
        if time.monotonic() >= until:
            nest.stop()
            for job in (*running.values(), *waiting):
                yield Outcome(job.stem, _too_late(job, limit))
            return


def _died(job: Job, code: int) -> Outcome:
    """The outcome of a worker that left none."""
    if code == CannotWrite.exit_code:
        return Outcome(job.stem, CannotWrite("cannot write what the notebook left", str(job.folder), "free space"))
    where = f"notebook {job.stem}, outside any cell"
    return Outcome(job.stem, KernelDied("the process that runs the notebook died", where, "look for what ended it: memory?"))


def _too_late(job: Job, limit: float) -> TimedOut:
    do = "give more with --run-timeout, or run fewer notebooks with --only"
    return TimedOut(f"the run had not ended after {limit:g} seconds", f"notebook {job.stem}", do)


class Nest:
    """Where the workers of a run live: forked from a nursery that imports the libraries, where the system can; else apart.

    The nursery starts at once, so that it imports while the run still looks at what is asked. Whatever happens inside the
    `with`, afterwards no process of the run is left. `run` marks its processes, `place` is a folder for what they need.
    """

    def __init__(self, run: str, place: Path, notebooks: Iterable[Path], *, warm: bool = True) -> None:
        self._run, self._place, self._used = run, place, _used(notebooks)
        self._is_warm = warm and sys.platform == "linux" and hasattr(os, "pidfd_open")
        self._nursery: _Nursery | None = None
        self._apart = _Apart(self._python)
        self._forked: list[str] = []

    def __enter__(self) -> Self:
        if self._is_warm:
            self._nursery = _Nursery(self._python, self._used)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End every process of the run."""
        if self._nursery is not None:
            self._nursery.close()
        self._apart.close()
        processes.end(processes.RUN, self._run)

    def start(self, job: Job) -> None:
        if self._is_warm and self._nursery is None:  # the last one died
            self._nursery = _Nursery(self._python, self._used)
        if self._nursery is not None and not self._nursery.is_ready():
            self._nursery.close()
            self._nursery, self._is_warm = None, False
        if self._nursery is None:
            self._apart.start(job)
        else:
            self._forked.append(job.stem)
            self._nursery.start(job)

    def ended(self, patience: float) -> list[tuple[str, int]]:
        """Stem and exit code of workers that have ended, as soon as there are any; none after `patience` seconds."""
        if self._nursery is None:
            return self._apart.ended(patience)
        ended = self._nursery.ended(patience)
        if ended is None:  # it is gone, and its workers with it
            self._nursery.close()
            self._nursery = None
            processes.end(processes.RUN, self._run)
            ended = [(stem, 1) for stem in self._forked]
        self._forked = [stem for stem in self._forked if stem not in dict(ended)]
        return ended

    def _python(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A process of the run. It hears when the run is gone: its input ends."""
        own = {
            processes.RUN: self._run,
            "JUPYTER_RUNTIME_DIR": str(self._place / "jupyter"),
            "IPYTHONDIR": str(self._place / "ipython"),
        }
        environment = {name: value for name, value in os.environ.items() if name not in _OF_A_JOB}
        return subprocess.Popen(
            [sys.executable, "-P", "-m", f"{__package__}.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=tempfile.gettempdir(),
            env={**environment, **_FIXED, **own},
            start_new_session=True,  # Ctrl-C reaches the run alone, which then ends the rest
        )


class _Nursery:
    """Workers forked from one process that has imported the libraries; see `nursery`."""

    def __init__(self, python: Callable[..., subprocess.Popen[bytes]], used: Iterable[str]) -> None:
        self._process = python("nursery", str(os.getpid()), *used)
        self._said: bytes | None = None

    def is_ready(self) -> bool:
        """Whether it can fork; waits until it has imported everything."""
        assert self._process.stdout is not None
        if self._said is None:
            self._said = b""
            return self._process.stdout.readline() == b"ready\n"
        return True

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
        *lines, self._said = ((self._said or b"") + read).split(b"\n")
        return [(stem, int(code)) for stem, code in (line.decode().split(" ") for line in lines)]

    def close(self) -> None:
        _close(self._process)


class _Apart:
    """Workers started on their own, each with an ordinary kernel."""

    def __init__(self, python: Callable[..., subprocess.Popen[bytes]]) -> None:
        self._python = python
        self._workers: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, job: Job) -> None:
        self._workers[job.stem] = self._python("worker")
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
    process.terminate()
    try:
        process.wait(timeout=processes.PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()


def _used(notebooks: Iterable[Path]) -> list[str]:
    """The libraries that some notebook seems to import, of those that are imported once for all."""
    from .nursery import WHEN_USED

    texts = (path.read_text(encoding="utf-8", errors="replace") for path in notebooks if path.is_file())
    # No word boundary in front: where a cell is stored as one string, a line begins right after the letters \n.
    imported = {name for text in texts for name in re.findall(r"(?:import|from)\s+(\w+)", text)}
    return sorted(imported & set(WHEN_USED))


def refresh(notebooks: Iterable[Path] | None = None, *, workers: int | None = None, timeout: float = TIMEOUT) -> None:
    """Execute notebooks with their defaults and store them in place, all or none; no results are written.

    Default: every notebook of the repository. Raises the first failure; then every file is as it was.
    """
    paths = sorted(NOTEBOOKS.glob("*.ipynb") if notebooks is None else notebooks)
    with tempfile.TemporaryDirectory(prefix="revops-") as work:
        place = Path(work)
        jobs = [Job(path.stem, path, place / path.stem, {}, timeout) for path in paths]
        with Nest(place.name, place, paths) as nest:
            outcomes = {one.stem: one for one in execute(jobs, nest, workers=workers)}
        for job in jobs:
            if error := outcomes[job.stem].error:
                raise error
        for job in jobs:
            with disk.replacing(job.notebook) as beside:
                shutil.copyfile(job.executed, beside)
