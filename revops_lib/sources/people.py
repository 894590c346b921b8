"""How people are called in a dataset folder, from one import to the next: by the same pseudonyms, or by their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from .. import privacy
from ..errors import DataRefused, UsageError
from . import copies
from .dataset import read_dataset
from .mapping import PEOPLE
from .pseudonyms import put


def to_call(there: dict[str, Any], to: Path, is_named: bool, say: Callable[[str], None]) -> privacy.People:
    """How an import calls people in the folder `to`, of which `there` is the dataset.json (empty without one).

    Raises UsageError where people would not be the same as in what the folder holds: another key, or names beside pseudonyms.
    """
    if is_named and there.get("people") == PEOPLE[0] and copies.kept(to):
        do = "import without names, or into another folder"
        raise UsageError("people are named now, the dated copies in the folder hold pseudonyms", str(to), do)
    forgotten = there.get("forgotten", {})
    key = b"" if is_named and not forgotten else privacy.key(say, make="key" not in there)
    return same(privacy.People(key, is_named, forgotten), there, to)


def same(people: privacy.People, there: dict[str, Any], directory: Path) -> privacy.People:
    """The people themselves when their key is the one of the dataset; else UsageError."""
    if people.key and there.get("key", people.fingerprint) != people.fingerprint:
        what = f"the key of the pseudonyms is another one ({people.fingerprint}) than of the dataset ({there['key']})"
        raise UsageError(what, str(directory), "give the key it was imported with, or import into another folder")
    return people


def of_dataset(directory: Path) -> dict[str, Any]:
    """The dataset.json of a folder; empty where there is none, or none that can be read."""
    try:
        return read_dataset(directory)
    except DataRefused:
        return {}


def told(people: privacy.People) -> dict[str, Any]:
    """What dataset.json says of how people are called."""
    key = {"key": people.fingerprint} if people.key else {}
    return {"people": PEOPLE[people.is_named], **key, **({"forgotten": people.forgotten} if people.forgotten else {})}


def copies_called(there: dict[str, Any], directory: Path, people: privacy.People) -> dict[str, bytes]:
    """The dated copies of a dataset; those from before there were pseudonyms get them."""
    kept = copies.kept(directory)
    if people.is_named or not there or there.get("people") == PEOPLE[0]:
        return kept

    def owners(state: pd.DataFrame) -> pd.DataFrame:
        pairs = {one: people.of("reps", one) for one in state["owner_id"].dropna().unique()}
        return state.assign(owner_id=put(state["owner_id"], pairs))

    return copies.changed(kept, directory, owners)
