"""Somebody asks to be forgotten: out of a dataset, its dated copies and its quarantine, with every total as it was."""

from __future__ import annotations

import io
import json
import re
import secrets
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.parquet

from .. import privacy, tables
from ..errors import UsageError, nearest
from . import copies, people, pseudonyms
from .dataset import changing, quarantine_csv, read_dataset, read_table


@dataclass(frozen=True)
class Forgotten:
    """`rows`: how many changed, by table; none where the person was forgotten before. `texts`: what the person was called."""

    rows: dict[str, int]
    texts: frozenset[str]


def forget(person: str, data: Path, *, kind: str = "", say: Callable[[str], None] = lambda line: None) -> Forgotten:
    """Give somebody a random pseudonym everywhere in dataset folder `data`, and empty names, addresses, numbers and notes.

    `person` is the identifier as the dataset has it, or as the export does; `kind` (reps, contacts, leads) where several people
    share it. No row goes and no amount changes. Records of the quarantine that mention the person are emptied. The dataset has
    a keyed digest, so that later imports into the folder give the same random pseudonym. The folder is replaced as a whole.

    Raises UsageError for a person the dataset does not know or several share, and for a key that is not the one of the dataset;
    Locked when somebody else changes the folder.
    """
    read_dataset(data)
    with changing(Path(data), "forget"):
        return _forget(person, Path(data), kind, say)


def mentions(runs: Path, texts: frozenset[str]) -> list[Path]:
    """Folders of runs that still hold one of the texts as a whole word; a file outside any run counts for its folder."""
    spelled = {form for text in texts for form in (text, json.dumps(text)[1:-1])}
    word = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, sorted(spelled)))})(?![\w-])")
    files = [path for path in sorted(runs.rglob("*")) if path.is_file() and any(word.search(text) for text in _texts(path))]
    return sorted({next((up for up in path.parents if (up / "manifest.json").exists()), path.parent) for path in files})


def _forget(person: str, data: Path, kind: str, say: Callable[[str], None]) -> Forgotten:
    dataset = read_dataset(data)
    frames = {name: read_table(data, name) for name in tables.TABLES if (data / f"{name}.parquet").exists()}
    rejected = read_table(data, "quarantine")
    is_named = dataset.get("people") != "pseudonyms"
    key = privacy.key(say, make="key" not in dataset)
    who = people.same(privacy.People(key, is_named, dataset.get("forgotten", {})), dataset, data)
    known = pseudonyms.identifiers(frames)
    found = _found(person, kind, known, rejected, who)
    names = {text for one in pseudonyms.KINDS for text in (person, who.pseudonym(one, person))}
    if not found and any(who.trace(text) in who.forgotten for text in names):
        return Forgotten({}, frozenset(names))
    if len(found) != 1:
        what = f"{person!r} is {'several people: ' + ', '.join(found) if found else 'nobody in this dataset'}"
        do = "name one with --kind" if found else nearest(person, [one for several in known.values() for one in several])
        raise UsageError(what, str(data), do)
    [(kind, there)] = found.items()
    pseudonym = who.pseudonym(kind, there) if is_named else there
    new = f"p-{secrets.token_hex(privacy.DIGITS // 2)}"
    after = privacy.People(key, is_named, {**who.forgotten, who.trace(pseudonym): new})
    ids = {kind: {there: new, person: new}}
    change = pseudonyms.Change(ids, pseudonyms.names_of(frames, ids), frozenset({new}))
    changed = pseudonyms.changed(frames, change)
    emptied = pseudonyms.without(rejected, change, after)
    aliases = pseudonyms.aliases(dataset["aliases"], change)
    texts = frozenset({there, person, pseudonym, *change.names})
    files = _files(data) | _copies(data, change)
    if (data / "quarantine.parquet").exists():
        changed["quarantine"], files["quarantine.csv"] = emptied, quarantine_csv(emptied).encode()
    tables.write(data, changed, {**dataset, "aliases": aliases, **people.told(after)}, files)
    before = {**frames, "quarantine": rejected}
    return Forgotten({name: n for name, now in changed.items() if (n := _differing(before[name], now))}, texts)


def _found(
    person: str, kind: str, known: dict[str, list[str]], rejected: pd.DataFrame, who: privacy.People
) -> dict[str, str]:  # fmt: skip
    """By kind, what the dataset calls the person; whoever is in the quarantine only is known by the table of the row."""
    kinds = [kind] if kind else pseudonyms.KINDS
    found = {one: text for one in kinds for text in (person, who.pseudonym(one, person)) if text in known[one]}
    cells = pseudonyms.cells(rejected) if not found else pd.Series(dtype="str")
    for cell, table in zip(cells, rejected["table"].reindex(cells.index), strict=True):
        one = table if table in pseudonyms.KINDS else "reps"
        if one in kinds and person in (cell, who.pseudonym(one, cell)) and who.of(one, cell) not in who.forgotten.values():
            found[one] = cell if who.is_named else who.pseudonym(one, cell)
    return found


def _files(data: Path) -> dict[str, str | bytes]:
    """What lies in the folder beside tables and dataset.json."""
    other = [path for path in sorted(data.rglob("*")) if path.is_file()]
    names = {path.relative_to(data).as_posix(): path for path in other}
    tabular = {"dataset.json", "quarantine.parquet", *(f"{name}.parquet" for name in tables.TABLES)}
    return {name: path.read_bytes() for name, path in names.items() if name not in tabular}


def _copies(data: Path, change: pseudonyms.Change) -> dict[str, str | bytes]:
    pairs = change.ids.get("reps", {})
    kept = copies.kept(data) if pairs else {}
    return {**copies.changed(kept, data, lambda state: state.assign(owner_id=pseudonyms.put(state["owner_id"], pairs)))}


def _differing(before: pd.DataFrame, now: pd.DataFrame) -> int:
    """Rows in which a text is another one."""
    texts = before.select_dtypes("str").columns
    return int((before[texts].fillna("") != now[texts].fillna("")).any(axis=1).sum())


def _texts(path: Path) -> list[str]:
    """What a file holds, as text: a table's values, the members of a workbook."""
    content = path.read_bytes()
    try:
        if content.startswith(b"PAR1"):  # whatever it is called: runs keep their inputs by digest
            columns = pyarrow.parquet.read_table(io.BytesIO(content)).columns
            return ["\n".join(map(str, column.unique().to_pylist())) for column in columns]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return [archive.read(name).decode("utf-8", errors="replace") for name in archive.namelist()]
    except (pyarrow.ArrowException, zipfile.BadZipFile):
        pass  # damaged: its bytes are looked at
    return [content.decode("utf-8", errors="replace")]
