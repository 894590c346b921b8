"""Names of persons, customers and deals in the datasets that a site's reports are about: none of them may be on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import tables
from .scan import allowed_texts
from .values import Search, Value, folded

_SENSITIVE = {
    table.name: [column.name for column in table.columns if column.personal in ("person", "email", "phone")]
    for table in tables.TABLES.values()
}
_CALLED = {"accounts": ["name"], "opportunities": ["name"]}
# What reports show: a customer or a deal called like one of them cannot be told from it.
_SHOWN = {
    "accounts": ["segment", "industry", "region", "country"],
    "products": ["name", "family"],
    "stages": ["stage"],
    "reps": ["team"],
    "opportunities": ["type", "source"],
}
_SHORTEST = 4


def personal(runs: Path, quarters: Sequence[str], *, playbook: Path) -> tuple[list[Value], list[str]]:
    """Names, e-mail addresses and phone numbers to be looked for, and sentences about what is not looked for.

    Not looked for: texts shorter than four characters or without a letter (phone numbers but for them), texts that the playbook
    itself uses or its scan.yml allows, customers and deals called like a stage, segment, product …, datasets that are not here.
    """
    found: dict[str, Value] = {}
    said = []
    left_out = 0
    for data, named in datasets(runs, quarters, playbook.parent).items():
        if not (data / "dataset.json").exists():
            said.append(f"the names in the data of {' '.join(named)} were not looked for: the dataset is not here")
            continue
        shown = {folded(text) for table, columns in _SHOWN.items() for text, _ in _texts(data, table, columns)}
        for table, columns in (_SENSITIVE | _CALLED).items():
            for text, reason in _texts(data, table, columns):
                plain = folded(text).strip()
                if _can_be_told(plain) and not (table in _CALLED and plain in shown):
                    found.setdefault(plain, Value(text, reason, is_name=True))
                else:
                    left_out += 1
    permitted = allowed_texts(playbook / "scan.yml")
    own = Search(found.values()).found(_own_words(playbook))
    kept = [value for plain, value in found.items() if value.reason not in own and plain not in permitted]
    left_out += len(found) - len(kept)
    if left_out:
        said.append(f"{left_out} names were not looked for: too short, words of the playbook, or allowed in scan.yml")
    return kept, said


def _can_be_told(text: str) -> bool:
    """Whether a text is long enough not to stand in a page by chance."""
    return len(text) >= _SHORTEST and (any(map(str.isalpha, text)) or sum(map(str.isdigit, text)) >= 8)


def datasets(runs: Path, quarters: Sequence[str], root: Path) -> dict[Path, list[str]]:
    """The dataset of each quarter, as its manifest names it; a place that does not exist where none does."""
    found: dict[Path, list[str]] = {}
    for quarter in quarters:
        manifest = runs / quarter / "manifest.json"
        try:
            data = str(json.loads(manifest.read_text(encoding="utf-8"))["data"])
        except (OSError, ValueError, KeyError, TypeError):
            data = str(manifest.parent / "none")
        found.setdefault(root / data, []).append(quarter)
    return found


def _texts(data: Path, table: str, columns: list[str]) -> list[tuple[str, str]]:
    """Every text of the columns that are there, with where it stands: by the row's id, not by what it says."""
    import pyarrow.parquet

    file = data / f"{table}.parquet"
    if not file.exists():
        return []
    there = [name for name in columns if name in pyarrow.parquet.read_schema(file).names]
    key = tables.TABLES[table].columns[0].name
    rows: dict[str, list[Any]] = pyarrow.parquet.read_table(file, columns=[key, *there]).to_pydict()
    return [
        (str(text), f"the {name} of {table} {identifier}")
        for name in there
        for identifier, text in zip(rows[key], rows[name], strict=True)
        if text
    ]


def _own_words(playbook: Path) -> str:
    """What people wrote for everybody to read: pages, their settings, the data dictionary."""
    written = sorted(path for path in playbook.rglob("*") if path.suffix in (".md", ".yml") and path.is_file())
    return "\n".join([path.read_text(encoding="utf-8") for path in written] + [tables.dictionary()])
