"""Made-up companies laid on disk, once per process however many tests ask."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

from revops_lib import sample


@functools.cache
def invent(seed: int, *, oracle_paths: int = 200, **options: Any) -> tuple[Path, dict[str, Any]]:
    """The folder of a generated company, ready for `Snapshot`, and its truth; `options` are those of `sample.write`.

    Whoever asks for the same company gets the same one: change neither. The folders go when the process ends.
    """
    folder = Path(tempfile.mkdtemp(dir=_room().name)) / "data"
    return folder, sample.write(folder, seed=seed, oracle_paths=oracle_paths, **options)


@functools.cache
def _room() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="companies-")
