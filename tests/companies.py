"""Made-up companies laid on disk, once per process however many tests ask."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from revops_lib import sample, tables

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample"


@functools.cache
def invent(seed: int, *, oracle_paths: int = 200, **options: Any) -> tuple[Path, dict[str, Any]]:
    """The folder of a generated company, ready for `Snapshot`, and its truth; `options` are those of `sample.write`.

    Whoever asks for the same company gets the same one: change neither. The folders go when the process ends.
    """
    folder = Path(tempfile.mkdtemp(dir=_room().name)) / "data"
    return folder, sample.write(folder, seed=seed, oracle_paths=oracle_paths, **options)


def recent(to: Path) -> Path:
    """The sample company without the deals created before 2024, laid in `to`."""
    frames = since_2024({path.stem: pd.read_parquet(path) for path in SAMPLE.glob("*.parquet")})
    dataset = json.loads((SAMPLE / "dataset.json").read_text(encoding="utf-8"))
    tables.write(to, {name: tables.conform(name, frame) for name, frame in frames.items()}, dataset)
    return to


def since_2024(frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables without the deals created before 2024 and what belongs to them: the time of a whole run grows with the past
    quarters that can be forecast."""
    deals = frames["opportunities"]
    old = deals.loc[deals["created_at"] < pd.Timestamp("2024-01-01"), "opportunity_id"]
    return {
        name: frame[~frame["opportunity_id"].isin(old)].reset_index(drop=True) if "opportunity_id" in frame else frame
        for name, frame in frames.items()
    }


@functools.cache
def _room() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="companies-")
