"""A notebook to execute and how it ended, as both sides of the pipe know them: the run and the process that executes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .. import disk
from ..errors import CannotWrite, DataRefused, KernelDied, NotebookFailed, RevopsError, TimedOut, UsageError

TIMEOUT = 900.0  # seconds per cell
_ENDS = {kind.exit_code: kind for kind in (UsageError, DataRefused, NotebookFailed, KernelDied, TimedOut, CannotWrite)}


@dataclass(frozen=True)
class Job:
    """A notebook to execute. `folder` is its own new folder: notebook.ipynb, log.txt, outcome.json and results/ go there.

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
    def private(self) -> Path:
        return self.folder / "private"

    def made(self) -> dict[str, Path]:
        """What the notebook left, by the name it has in the quarter's folder."""
        apart = (path for path in self.private.rglob("*") if path.is_file())
        return {path.name: path for path in sorted(self.results.iterdir())} | {
            path.relative_to(self.folder).as_posix(): path for path in sorted(apart)
        }

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def outcome(self) -> Path:
        return self.folder / "outcome.json"

    def line(self) -> bytes:
        """The job as one line, for the process that will do it."""
        return json.dumps({**asdict(self), "parameters": dict(self.parameters)}, default=str).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Job:
        told = json.loads(line)
        return cls(**{**told, "notebook": Path(told["notebook"]), "folder": Path(told["folder"])})


@dataclass(frozen=True)
class Outcome:
    """How a notebook ended: its error, or None; seconds in all and split into kernel start, imports and work."""

    stem: str
    error: RevopsError | None = None
    seconds: float = 0.0
    split: Mapping[str, float] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        error = self.error and {"code": self.error.exit_code, "said": [self.error.what, self.error.where, self.error.do]}
        told = {"stem": self.stem, "error": error, "seconds": self.seconds, "split": dict(self.split)}
        disk.write_text(path, json.dumps(told, ensure_ascii=False))

    @classmethod
    def read(cls, path: Path) -> Outcome | None:
        """The outcome that a process left; None when it left none."""
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        error = told["error"] and _ENDS[told["error"]["code"]](*told["error"]["said"])
        return cls(told["stem"], error, told["seconds"], told["split"])
