"""Notebooks executed by papermill, each in a worker process with a kernel of its own.

However a notebook ends, by an error, a dead kernel, a timeout or a worker that is gone, it ends as an `Outcome`.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CannotWrite, KernelDied, NotebookFailed, RevopsError, TimedOut, UsageError
from .request import NOTEBOOKS
from .verdict import at_fault, line, place, tidy, timing, verdict

TIMEOUT = 900  # seconds per cell
# The same bytes from the same inputs, on any number of cores: no random hash order, no sums split by thread.
_KERNEL_ENV = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Job:
    """A notebook to execute. `folder` is its own new folder: notebook.ipynb, log.txt and results/ are written there.

    Without `parameters` it runs with its defaults, gets no cell injected and writes no results.
    """

    stem: str
    notebook: Path
    folder: Path
    parameters: Mapping[str, Any]
    timeout: float = TIMEOUT

    @property
    def executed(self) -> Path:
        return self.folder / "notebook.ipynb"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"


@dataclass(frozen=True)
class Outcome:
    """How a notebook ended: its error, or None; seconds in all and split into kernel start, imports and work."""

    stem: str
    error: RevopsError | None = None
    seconds: float = 0.0
    split: Mapping[str, float] = field(default_factory=dict)


def execute(jobs: list[Job], *, workers: int | None = None) -> Iterator[Outcome]:
    """Execute the notebooks in `workers` processes (default: one per core) and yield outcomes as they come.

    A notebook that fails, or takes its whole worker down, does not stop the others.
    """
    workers = max(1, min(workers or os.cpu_count() or 1, len(jobs)))
    lost: list[Job] = []
    with _pool(workers) as pool:
        futures = {pool.submit(_execute, job): job for job in jobs}
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                lost.append(futures[future])
    for job in lost:  # one of them took the pool down: each again, alone
        with _pool(1) as pool:
            yield _alone(job, pool.submit(_execute, job))


def _alone(job: Job, future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        where = f"notebook {job.stem}, outside any cell"
        return Outcome(
            job.stem, KernelDied("the process that runs the notebook died", where, "look for what ended it: memory?")
        )


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of fresh processes; when the run is interrupted they end, and their kernels with them."""
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)
    before = set(multiprocessing.active_children())
    try:
        yield pool
    except BaseException:
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


_stopping = threading.Event()


def _start_worker() -> None:
    """The parent alone decides when a worker stops; a worker whose parent is gone ends too, and so does its kernel."""
    os.environ.update(_KERNEL_ENV)
    # A check of web addresses that notebooks never need: building its grammar takes 2 of the 3 seconds papermill needs
    # to import. jsonschema goes without it when it is not there.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _stop(*_: object) -> None:
    """Unwind, so that the kernel is ended on the way out; start no further notebook."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _stopping.set()
    raise KeyboardInterrupt


def _execute(job: Job) -> Outcome:
    """Execute one notebook in this worker; whatever happens is told in the outcome."""
    if _stopping.is_set():
        raise KeyboardInterrupt
    shutil.rmtree(job.folder, ignore_errors=True)  # what an earlier try in a worker that died left
    job.results.mkdir(parents=True)
    os.chdir(job.folder)  # where the user stands must not matter: neither modules nor files are found there
    _redirect(job.log)
    if job.parameters:
        os.environ["REVOPS_RESULTS"] = str(job.results)
    else:
        os.environ.pop("REVOPS_RESULTS", None)
    error, notebook = _papermill(job)
    if notebook is None:
        return Outcome(job.stem, error)
    seconds, split = timing(notebook)
    try:
        error = error or verdict(notebook, job.stem, job.results, job.parameters)
        tidy(notebook, job.notebook)
        _write(notebook, job.executed)
    except OSError as failure:
        error = CannotWrite(failure.strerror or "cannot write", str(failure.filename or job.executed), "free space")
    return Outcome(job.stem, error, seconds, split)


def _redirect(log: Path) -> None:
    """What this worker and its kernel say on the terminal goes to the notebook's log instead."""
    sys.stdout.flush()
    sys.stderr.flush()
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)


def _papermill(job: Job) -> tuple[RevopsError | None, Any]:
    """The error, or None, and the notebook as far as it came; None when it did not even start."""
    import papermill
    from papermill.engines import NBClientEngine, papermill_engines

    seen: list[Any] = []

    class Keeper(NBClientEngine):
        """papermill's engine; keeps hold of the notebook, which papermill gives back only on success."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> Any:
            seen.append(nb_man.nb)
            return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)

    papermill_engines.register("revops", Keeper)
    try:
        papermill.execute_notebook(
            str(job.notebook).replace("{", "{{").replace("}", "}}"),  # papermill fills in braces of a path
            None,
            parameters=dict(job.parameters),
            engine_name="revops",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            request_save_on_cell_execute=False,
            start_timeout=120,
            execution_timeout=job.timeout,
            iopub_timeout=60,
            coalesce_streams=True,
            shutdown_kernel="immediate",  # half a second sooner; all it had to say has arrived
        )
        return None, seen[0]
    except Exception as failure:
        return _failure(job, failure, seen[0] if seen else None), seen[0] if seen else None


def _failure(job: Job, failure: Exception, notebook: Any) -> RevopsError:
    """What ended the notebook, in one line: which cell, the line at fault, the error; and with which exit code."""
    from papermill.exceptions import PapermillExecutionError

    if notebook is None:
        return UsageError(f"the notebook cannot be run: {line(failure)}", str(job.notebook.name), "restore it")
    if isinstance(failure, PapermillExecutionError):
        quoted = at_fault(failure.source, failure.exec_count, failure.traceback)
        where = f"notebook {job.stem}, cell {failure.exec_count}: {quoted}"
        return NotebookFailed(f"{failure.ename}: {line(failure.evalue)}", where, "correct the notebook or the data")
    started = [i for i, cell in enumerate(notebook.cells) if cell.metadata.get("papermill", {}).get("start_time")]
    where = place(job.stem, notebook, started[-1]) if started else f"notebook {job.stem}, before its first cell"
    if isinstance(failure, TimeoutError):
        return TimedOut(f"no end after {job.timeout:g} seconds", where, "make the cell faster or give more with --timeout")
    if isinstance(failure, RuntimeError):
        return KernelDied(line(failure), where, "look for what ended it: memory, a crash, an exit?")
    return NotebookFailed(f"{type(failure).__name__}: {line(failure)}", where, "see the log")


def _write(notebook: Any, path: Path) -> None:
    import nbformat

    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def refresh(notebooks: Iterable[Path] | None = None, *, workers: int | None = None, timeout: float = TIMEOUT) -> None:
    """Execute notebooks with their defaults and store them in place, all or none; no results are written.

    Default: every notebook of the repository. Raises the first failure; then every file is as it was.
    """
    paths = sorted(NOTEBOOKS.glob("*.ipynb") if notebooks is None else notebooks)
    with tempfile.TemporaryDirectory(prefix="revops-") as work:
        jobs = [Job(path.stem, path, Path(work) / path.stem, {}, timeout) for path in paths]
        outcomes = {outcome.stem: outcome for outcome in execute(jobs, workers=workers)}
        for job in jobs:
            if error := outcomes[job.stem].error:
                raise error
        for job in jobs:
            beside = job.notebook.with_name(f".{job.notebook.name}.partial")
            shutil.copyfile(job.executed, beside)
            beside.replace(job.notebook)
