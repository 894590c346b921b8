"""The process in which a run's libraries are imported once: it forks a worker per notebook.

It is told jobs on its input, a line each, and says on its output which have ended. When the input ends, because the run has
ended or is gone, it ends everything that belongs to the run. It starts no thread: a fork copies only the one that forks.
"""

from __future__ import annotations

import builtins
import gc
import importlib
import os
import select
import signal
import sys
from types import SimpleNamespace
from typing import NoReturn

from . import processes
from .job import Job

# What executes a notebook; and what is imported besides when some notebook names the library on the left. Never our own topics,
# which each notebook imports itself.
ALWAYS = ("papermill", "psutil", "numpy", "ipykernel.kernelapp", "ipykernel.ipkernel")
WHEN_USED = {
    "revops_lib": ("pandas", "pyarrow.parquet", "duckdb", "yaml", "matplotlib.pyplot", "seaborn"),
    "pandas": ("pandas",),
    "pyarrow": ("pyarrow.parquet",),
    "matplotlib": ("matplotlib.pyplot",),
    "seaborn": ("seaborn",),
    "statsmodels": ("statsmodels.api", "statsmodels.formula.api"),
    "scipy": ("scipy.stats",),
    "sklearn": ("sklearn",),
}


def main() -> None:
    signal.signal(signal.SIGTERM, _end)
    processes.die_with(int(sys.argv[1]), signal.SIGTERM)
    processes.adopt_orphans()
    # A check of web addresses that notebooks never need: building its grammar takes 2 of the 3 seconds papermill needs
    # to import. jsonschema goes without it when it is not there.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run decides when it ends
    # Some libraries look at import whether they are in a notebook (pandas: how wide a table is shown).
    builtins.get_ipython = lambda: SimpleNamespace(kernel=True)  # type: ignore[attr-defined]
    for name in (*ALWAYS, *(module for used in sys.argv[2:] for module in WHEN_USED[used])):
        try:
            importlib.import_module(name)
        except ImportError:  # the notebook that needs it will say so
            continue
    nbformat = importlib.import_module("nbformat")
    nbformat.validate(nbformat.v4.new_notebook())  # makes its validator, which every worker needs
    del builtins.get_ipython  # type: ignore[attr-defined]
    gc.freeze()  # what is imported stays shared between the forks
    os.write(1, b"ready\n" if _has_one_thread() else b"threads\n")
    _serve()


def _has_one_thread() -> bool:
    return sum(1 for _ in os.scandir("/proc/self/task")) == 1


def _serve() -> None:
    """Fork a worker per line until the input ends."""
    workers: dict[int, Job] = {}  # by the descriptor that tells when the process has ended
    told = b""
    while True:
        for ready in select.select([0, *workers], [], [])[0]:
            if ready in workers:
                job = workers.pop(ready)
                ended = os.waitid(os.P_PIDFD, ready, os.WEXITED)
                os.close(ready)
                os.write(1, f"{job.stem} {ended.si_status if ended else 1}\n".encode())
                continue
            read = os.read(0, 65536)
            if not read:
                _end()
            *lines, told = (told + read).split(b"\n")
            for line in lines:
                job = Job.read(line)
                workers[_fork(job)] = job


def _end(*_: object) -> NoReturn:
    """End everything of the run, then this process."""
    processes.end(processes.RUN, os.environ[processes.RUN])
    processes.end_below()
    os._exit(0)


def _fork(job: Job) -> int:
    """A worker that does the job; the descriptor that tells when it has ended."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            from . import worker

            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            processes.die_with(parent)
            code = worker.work(job, is_warm=True)
        finally:
            os._exit(code)
    return os.pidfd_open(pid)


if __name__ == "__main__":
    main()
