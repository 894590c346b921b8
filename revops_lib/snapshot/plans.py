"""Plan files and their dates: where they lie, and what they say on a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataRefused, UsageError, nearest

if TYPE_CHECKING:
    from .gate import Snapshot

ROOT = Path(__file__).resolve().parent.parent.parent
OTHERS = ("alerts", "product_objectives", "targets")  # what else may lie beside plans
SAMPLE = "sample"  # the company whose decisions the shipped files are


def plan_file(snapshot: Snapshot, name: str) -> Path:
    """The file of a plan: in `plans/` beside the data, else in `data/plans/`."""
    if (file := found_file(snapshot, name)) is not None:
        return file
    names = sorted({path.stem for folder in _folders(snapshot) for path in folder.glob("*.yml")})
    raise UsageError(f"unknown plan {name!r}", "data/plans", nearest(name, names))


def found_file(snapshot: Snapshot, name: str) -> Path | None:
    """The same; None where there is none. What a company holds its figures against is its own: the shipped targets, objectives
    and alerts are those of the sample."""
    folders = _folders(snapshot) if name not in OTHERS or snapshot.dataset["name"] == SAMPLE else _folders(snapshot)[:1]
    return next((path for folder in folders if (path := folder / f"{name}.yml").exists()), None)


def plan_names(snapshot: Snapshot) -> list[str]:
    """Names of the company's plans, in rising order: every file beside the data but alerts and targets, so that an empty or
    broken one is not left out; where there is none, the shipped ones. UsageError for a file that only looks like a plan."""
    return _plans(snapshot)[1]


def scenario_names(snapshot: Snapshot) -> list[str]:
    """Names of the scenarios kept beside the company's plans, in rising order."""
    return sorted(path.stem for path in (_plans(snapshot)[0] / "scenarios").glob("*.yml"))


def _plans(snapshot: Snapshot) -> tuple[Path, list[str]]:
    """The folder of the company's plans, and their names."""
    for folder in _folders(snapshot):
        if strange := sorted(folder.glob("*.yaml")):
            raise UsageError(f"{strange[0].name} would not be read", str(folder), "let its name end in .yml")
        if names := sorted(path.stem for path in folder.glob("*.yml") if path.stem not in OTHERS):
            break
    return folder, names


def _folders(snapshot: Snapshot) -> list[Path]:
    return [snapshot.directory / "plans", ROOT / "data" / "plans"]


def in_force(node: Any, day: dt.date | None, where: str) -> Any:
    """What a file says on a day: every mapping of dates replaced by the value in force; without a day, by the last one.

    >>> in_force({"rate": {dt.date(2025, 1, 1): "0.05", dt.date(2026, 1, 1): "0.06"}}, dt.date(2025, 6, 1), "p")
    {'rate': '0.05'}
    """
    if isinstance(node, list):
        return [in_force(item, day, where) for item in node]
    if not isinstance(node, dict):
        return node
    if is_dated(node):
        past = [key for key in node if day is None or key <= day]
        if not past:
            raise DataRefused(f"no plan is in force on {day}", f"plan {where}", f"date a value earlier than {min(node)}")
        return in_force(node[max(past)], day, where)
    # YAML takes the word `on` for the value true; as a key it is meant as a word.
    return {"on" if key is True else key: in_force(value, day, f"{where}.{key}") for key, value in node.items()}


def changes(node: Any) -> Iterator[dt.date]:
    """Every day from which a value of a file is dated."""
    if isinstance(node, dict) and is_dated(node):
        yield from node
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from changes(part)


def is_dated(node: dict[Any, Any]) -> bool:
    return bool(node) and all(isinstance(key, dt.date) for key in node)
