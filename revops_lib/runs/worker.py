"""One notebook executed by papermill, in a process of its own with a kernel of its own.

However the notebook ends, it ends as an `Outcome` in a file. What papermill says about it is not believed (`verdict`), secrets
are covered before anything is written, and the kernel with everything a cell has started is ended.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from .. import disk, masking
from ..errors import CannotWrite, KernelDied, NotebookFailed, RevopsError, TimedOut, UsageError
from . import processes
from .job import Job, Outcome
from .verdict import COLOUR, at_fault, line, place, tidy, timing, verdict

LARGEST_OUTPUT = 1_000_000  # characters a cell may show


def main() -> None:
    """An ordinary worker, where kernels cannot be forked: one job on the input; it ends when its input does."""
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # see nursery.main
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = b""
    while not told.endswith(b"\n"):
        read = os.read(0, 65536)
        if not read:  # the run was gone before it said what to do
            return
        told += read
    job = Job.read(told)
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    sys.exit(work(job, is_warm=False))


def _end_with_the_run() -> None:
    while os.read(0, 65536):
        pass
    processes.end(processes.RUN, os.environ[processes.RUN])
    os._exit(1)


def work(job: Job, *, is_warm: bool) -> int:
    """Do the job and leave its outcome; nothing that the notebook started is left behind. The exit code of the process: 0, or
    7 when not even the outcome could be written."""
    try:
        _work(job, is_warm)
    except (OSError, CannotWrite):
        return CannotWrite.exit_code
    return 0


def _work(job: Job, is_warm: bool) -> None:
    shutil.rmtree(job.folder, ignore_errors=True)
    job.results.mkdir(parents=True)
    job.private.mkdir(mode=0o700)
    os.chdir(job.folder)  # where the user stands must not matter: neither modules nor files are found there
    _redirect(job.log)
    os.environ[processes.JOB] = f"{os.environ[processes.RUN]}/{job.stem}"
    if job.parameters:
        os.environ["REVOPS_RESULTS"], os.environ["REVOPS_PRIVATE"] = str(job.results), str(job.private)
    processes.adopt_orphans()
    try:
        if is_warm:
            from . import warm

            warm.plant()
        outcome = _execute(job)
    finally:
        processes.end_below()
        processes.end(processes.JOB, os.environ[processes.JOB])
    outcome.write(job.outcome)


def _execute(job: Job) -> Outcome:
    import nbformat

    from .capped import join_streams

    error, notebook = _papermill(job)
    seconds, split = timing(notebook) if notebook is not None else (0.0, {})
    try:
        if notebook is not None:
            join_streams(notebook)
            error = error or verdict(notebook, job.stem, job.results, job.parameters)
            error = error or _secret_in_results(job)
            tidy(notebook, job.notebook)
            disk.write_text(job.executed, nbformat.writes(masking.masked(notebook)) + "\n")
            _log_tracebacks(notebook, job.log)
        _cover(job)
    except OSError as failure:
        error = CannotWrite(failure.strerror or "cannot write", str(failure.filename or job.executed), "free space")
    if error is not None:
        error = type(error)(*masking.masked([error.what, error.where, error.do]))
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
    from papermill.engines import Engine, papermill_engines
    from traitlets.config import Config

    from .capped import CappedClient, PromptClient

    seen: list[Any] = []

    class Keeper(Engine):
        """papermill's own engine but for two things: outputs have a limit, and the notebook is kept hold of, which papermill
        gives back only on success."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
            seen.append(nb_man.nb)
            about = {
                "transport_encryption": "auto",
                "connection_file": str(job.folder / "kernel.json"),
                "client_class": f"{PromptClient.__module__}.{PromptClient.__name__}",
            }
            options = {**_traits(options), "kernel_name": kernel_name, "config": Config({"KernelManager": about})}
            return CappedClient(nb_man, LARGEST_OUTPUT, **options).execute()

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
            shutdown_kernel="immediate",  # half a second sooner; all it had to say has arrived
        )
        return None, seen[0]
    except Exception as failure:
        return _failure(job, failure, seen[0] if seen else None), seen[0] if seen else None


def _traits(options: dict[str, Any]) -> dict[str, Any]:
    """papermill's options under the names of nbclient."""
    renamed = {"start_timeout": "startup_timeout", "execution_timeout": "timeout"}
    unused = {"input_path", "log_output", "stdout_file", "stderr_file"}
    return {renamed.get(name, name): value for name, value in options.items() if name not in unused}


def _failure(job: Job, failure: Exception, notebook: Any) -> RevopsError:
    """What ended the notebook, in one line: which cell, the line at fault, the error; and with which exit code."""
    from papermill.exceptions import PapermillExecutionError

    if notebook is None:
        return UsageError(f"the notebook cannot be run: {line(failure)}", str(job.notebook.name), "restore it")
    if isinstance(failure, PapermillExecutionError):
        quoted = at_fault(failure.source, failure.exec_count, failure.traceback)
        where = f"notebook {job.stem}, cell {failure.exec_count}: {quoted}"
        is_full = failure.ename == "OSError" and f"[Errno {errno.ENOSPC}]" in str(failure.evalue)
        kind = CannotWrite if is_full else NotebookFailed
        return kind(f"{failure.ename}: {line(failure.evalue)}", where, _ADVICE.get(failure.ename, _CORRECT))
    started = [i for i, cell in enumerate(notebook.cells) if cell.metadata.get("papermill", {}).get("start_time")]
    where = place(job.stem, notebook, started[-1]) if started else f"notebook {job.stem}, before its first cell"
    if isinstance(failure, TimeoutError):
        return TimedOut(f"no end after {job.timeout:g} seconds", where, "make the cell faster or give more with --timeout")
    if isinstance(failure, RuntimeError):
        return KernelDied(line(failure), where, "look for what ended it: memory, a crash, an exit?")
    return NotebookFailed(f"{type(failure).__name__}: {line(failure)}", where, "see the log")


_CORRECT = "correct the notebook or the data"
_ADVICE = {
    "MemoryError": "it needs more memory than there is",
    "StdinNotImplementedError": "a notebook must not ask for input",
}


def _secret_in_results(job: Job) -> NotebookFailed | None:
    """Results for programs are not covered but refused: a cell of a table that holds a secret is a fault."""
    if not masking.secrets():
        return None
    import pyarrow.parquet

    for name, path in job.made().items():
        where, texts = f"notebook {job.stem}, {masking.masked(name)}", [("its name", name)]
        if path.suffix == ".parquet":
            try:
                table = pyarrow.parquet.read_table(path)
            except (pyarrow.ArrowException, OSError) as failure:
                return NotebookFailed(f"the file cannot be read: {line(failure)}", where, "write it again")
            columns = zip(table.column_names, table.columns, strict=True)
            texts += [(f"column {column}", "\n".join(map(str, [column, *values.to_pylist()]))) for column, values in columns]
        for what, text in texts:
            if variable := masking.named_in(text):
                return NotebookFailed(f"{what} holds the secret of {variable}", where, "leave it out of the results")
    return None


def _log_tracebacks(notebook: Any, log: Path) -> None:
    """The tracebacks of a notebook's cells, where people look first."""
    shown = [one for cell in notebook.cells for one in cell.get("outputs", []) if one.output_type == "error"]
    with log.open("a", encoding="utf-8") as file:
        for output in shown:
            file.write(COLOUR.sub("", "\n".join(output.traceback)) + "\n")


def _cover(job: Job) -> None:
    """Cover secrets in the texts a notebook left: its log and its results for people."""
    for path in (job.log, *job.results.glob("*.json")):
        text = path.read_text(encoding="utf-8", errors="replace")
        if (covered := masking.masked(text)) != text:
            disk.write_text(path, covered)


if __name__ == "__main__":
    main()
