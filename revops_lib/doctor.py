"""Whether this machine can run a quarter: versions, compiled libraries, a place to write, disk, a kernel."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FREE_BYTES = 10**9
_COMPILED = ("pandas", "numpy", "duckdb", "matplotlib", "seaborn", "statsmodels", "papermill", "ipykernel")
_PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\\n]+?))? *\\?$", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `problem` is None when it is as it should be, `writing` says it is about places to write."""

    what: str
    problem: str | None = None
    writing: bool = False


def examine(runs: Path, lock: Path) -> Iterator[Finding]:
    """One finding per thing looked at: packages as in `lock`, compiled, `runs` can be written, disk, a kernel."""
    yield Finding("package versions as in requirements.lock", _versions(lock))
    yield Finding("libraries compiled (else every kernel starts three times slower)", _compiled())
    yield Finding(f"{runs} can be written", _writable(runs), writing=True)
    yield Finding("at least 1 GB of disk is free", _space(runs), writing=True)
    yield Finding("a python3 kernel starts and finds the library", _kernel())


def _versions(lock: Path) -> str | None:
    from packaging.markers import Marker

    try:
        text = lock.read_text(encoding="utf-8")
    except OSError as failure:
        return f"{failure.strerror}: {lock}"
    differing = []
    for pin in _PIN.finditer(text):
        if pin["marker"] and not Marker(pin["marker"]).evaluate():
            continue
        try:
            installed = importlib.metadata.version(pin["name"])
        except importlib.metadata.PackageNotFoundError:
            installed = "missing"
        if installed != pin["version"]:
            differing.append(f"{pin['name']} {installed}, not {pin['version']}")
    more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
    return f"{'; '.join(differing[:5])}{more}; install again with `make setup`" if differing else None


def _compiled() -> str | None:
    slow = []
    for name in _COMPILED:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None or not Path(importlib.util.cache_from_source(spec.origin)).exists():
            slow.append(name)
    return f"{', '.join(slow)}; compile with `python -m compileall`" if slow else None


def _writable(runs: Path) -> str | None:
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=runs):
            return None
    except OSError as failure:
        return failure.strerror or "cannot write"


def _space(runs: Path) -> str | None:
    there = next(folder for folder in (runs, *runs.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    return None if free >= FREE_BYTES else f"{free / 1e9:.1f} GB"


def _kernel() -> str | None:
    from jupyter_client.manager import start_new_kernel

    try:
        manager, client = start_new_kernel(kernel_name="python3", startup_timeout=60, stderr=subprocess.DEVNULL)
    except Exception as failure:  # whatever keeps a kernel from starting is the finding
        return f"{type(failure).__name__}: {failure}"
    try:
        reply = client.execute_interactive("import revops_lib", timeout=60, output_hook=lambda message: None)["content"]
        return None if reply["status"] == "ok" else f"{reply['ename']}: {reply['evalue']}"
    except TimeoutError:
        return "it does not answer"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
