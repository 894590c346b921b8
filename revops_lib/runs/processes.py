"""The processes of a run: marked in their environment when they start, so that they are found however they got away.

A kernel has a session of its own and what a cell starts may have another: neither a process group nor a parent tells what
belongs to a run. The environment a process was started with does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

import psutil

RUN, JOB = "REVOPS_RUN", "REVOPS_JOB"
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
PATIENCE = 2.0  # seconds in which everything must be gone


def die_with(parent: int, number: int = signal.SIGKILL) -> None:
    """Have the system send this process a signal when its parent is gone; where it cannot, the parent must do without."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, number)
        if os.getppid() != parent:
            os.kill(os.getpid(), number)


def end(name: str, value: str, session: int | None = None) -> None:
    """Kill every process that was started with `name`=`value` in its environment or is in `session`, until none is left."""
    until = time.monotonic() + PATIENCE
    while (alive := _marked(name, value, session)) and time.monotonic() < until:
        for process in alive:
            try:
                process.kill()
            except psutil.Error:
                continue
        psutil.wait_procs(alive, timeout=0.05)


def _marked(name: str, value: str, session: int | None) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            if process.status() != psutil.STATUS_ZOMBIE and (
                process.environ().get(name) == value or (session is not None and os.getsid(process.pid) == session)
            ):
                found.append(process)
        except (psutil.Error, OSError):  # gone meanwhile, or somebody else's
            continue
    return found
