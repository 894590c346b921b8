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
from collections.abc import Callable

import psutil

RUN, JOB = "REVOPS_RUN", "REVOPS_JOB"
_DEATH_SIGNAL, _SUBREAPER = 1, 36  # PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER of prctl(2)
PATIENCE = 2.0  # seconds in which everything must be gone


def die_with(parent: int, number: int = signal.SIGKILL) -> None:
    """Have the system send this process a signal when its parent is gone; where it cannot, the parent must do without."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, number)
        if os.getppid() != parent:
            os.kill(os.getpid(), number)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent is gone: they stay below this process, whatever else they do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1)


def end(name: str, value: str) -> None:
    """Kill every process that was started with `name`=`value` in its environment, until none is left."""
    _end(lambda: _marked(name, value))


def end_below() -> None:
    """Kill every descendant of this process, until none is left."""
    _end(lambda: [one for one in psutil.Process().children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE])


def _end(find: Callable[[], list[psutil.Process]]) -> None:
    until = time.monotonic() + PATIENCE
    while (alive := find()) and time.monotonic() < until:
        for process in alive:
            try:
                process.kill()
            except psutil.Error:
                continue
        psutil.wait_procs(alive, timeout=0.05)


def _marked(name: str, value: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(name) == value:
                found.append(process)
        except (psutil.Error, OSError):  # gone meanwhile, or somebody else's
            continue
    return found
