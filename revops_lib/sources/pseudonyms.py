"""People in the tables of a dataset: pseudonyms in place of who they are, and nothing of those who were forgotten.

Which column says what about a person stands in `tables`. A person is known by the table whose key the identifier is (reps,
contacts, leads). Companies are no people: accounts stay as they are. Texts that somebody wrote freely (deal names, reasons for
losing) stay, too; `remarks` counts those with an address or a number in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from .. import privacy, tables
from ..duplicates.spelling import fields
from ..errors import DataRefused
from .cast import salesforce_ids
from .mapping import fold

KINDS = ("reps", "contacts", "leads")
# What a company's own column holds, by its folded name; `contacts` have no column that says nothing of a person.
_OWN = {
    "email": r".*(e-?mail|courriel)(address)?",
    "phone": r".*(phone|mobile)(number)?|t[eé]l",
    "person": r".*(first|last|full|contact|owner|user|rep|manager)name",
}
# What else names the person in a company's own column of `leads`.
_OF_A_LEAD = r"(?!.*(company|account|campaign|product|source|entreprise|soci[eé]t[eé]|compte|campagne|produit)).*(name|nom)"
_WORD = re.compile(r"[^\W\d_]{4,}")
_CELL = r"""[^,;|\t\r\n"'{}\[\]]+"""  # a cell of a record, in whatever format; JSON's `: ` is trimmed


@dataclass(frozen=True)
class Change:
    """What becomes of people. `ids`: per kind, identifier -> what stands in its place; `names`: of reps -> same; `gone`: who
    is forgotten, by what stands for them; `hidden` gives addresses and the like pseudonyms, None leaves them as written."""

    ids: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    hidden: privacy.People | None = None


def called(frames: dict[str, pd.DataFrame], people: privacy.People) -> tuple[dict[str, pd.DataFrame], Change]:
    """The tables of an export with people called as `people` has it, and what was changed.

    Raises DataRefused when two people of a kind get the same pseudonym.
    """
    if people.is_named and not people.forgotten:
        return frames, Change()
    known = identifiers(frames).items()
    ids = {kind: {one: told for one in found if (told := people.of(kind, one)) != one} for kind, found in known}
    for kind, pairs in ids.items():
        if len(set(pairs.values())) < len(pairs):
            what = "two people get the same pseudonym"
            raise DataRefused(what, f"{kind}, {len(pairs):,} people", f"use another key: {privacy.ENVIRONMENT}")
    hidden = None if people.is_named else people
    change = Change(ids, names_of(frames, ids), frozenset(people.forgotten.values()), hidden)
    return changed(frames, change), change


def changed(frames: dict[str, pd.DataFrame], change: Change) -> dict[str, pd.DataFrame]:
    """The tables with people replaced: references between tables hold, rows and amounts stay."""
    return {name: _table(name, frame, change) for name, frame in frames.items()}


def names_of(frames: dict[str, pd.DataFrame], ids: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Full names of reps, and what stands for each; a single word may as well be a team or a region."""
    reps = frames.get("reps", tables.empty("reps"))
    told = reps["rep_id"].map(ids.get("reps", {}))
    full = told.notna() & reps["name"].str.contains(r"\S\s+\S", regex=True).fillna(False)
    return dict(zip(reps.loc[full, "name"], told[full], strict=True))


def identifiers(frames: dict[str, pd.DataFrame]) -> dict[str, list[str]]:
    """Everyone whom a column of identifiers names, by kind."""
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for name, frame in frames.items():
        for column in tables.TABLES[name].columns:
            if column.personal == "id":
                found[kind_of(name, column.name)] |= set(frame[column.name].dropna().unique())
        if name == "opportunity_history":
            owners = frame[frame["field"] == "owner_id"]
            found["reps"] |= {*owners["old_value"].dropna(), *owners["new_value"].dropna()}
    return {kind: sorted(several) for kind, several in found.items()}


def kind_of(table: str, column: str) -> str:
    """The table whose key a column of identifiers holds."""
    return table if table in KINDS and column == tables.TABLES[table].key[0] else "reps"


def _table(name: str, frame: pd.DataFrame, change: Change) -> pd.DataFrame:
    spec, frame = tables.TABLES[name], frame.copy(deep=False)
    personal = {column.name: column.personal for column in spec.columns if column.personal}
    own = {str(column): _own(name, str(column)) for column in frame if column not in spec.names}
    is_gone = pd.Series(False, index=frame.index)
    for column in (column for column, what in personal.items() if what == "id"):
        frame[column] = put(frame[column], change.ids.get(kind_of(name, column), {}))
        if column in spec.key[:1] or column == "rep_id":
            is_gone = frame[column].isin(list(change.gone))
    for column, what in {**personal, **own}.items():
        if what == "value":
            frame[column] = _value(name, column, frame, change)
        elif name == "reps" and column == "name":
            hidden = is_gone if change.hidden is None else pd.Series(True, index=frame.index)
            frame[column] = frame[column].mask(hidden & frame[column].notna(), frame["rep_id"])
        elif what != "id":
            frame[column] = _hidden(what, frame[column], change).mask(is_gone).astype("str")
    if name == "contacts":
        frame["title"] = frame["title"].mask(is_gone).astype("str")
    return frame


def _own(table: str, column: str) -> str:
    """What a company's own column holds of a person; "value" where nothing but its values can tell."""
    if table == "accounts":
        return "value"
    found = [what for what, pattern in _OWN.items() if re.fullmatch(pattern, fold(column))]
    is_name = table == "contacts" or (table == "leads" and re.fullmatch(_OF_A_LEAD, fold(column)))
    return found[0] if found else "person" if is_name else "value"


def put(values: pd.Series, pairs: Mapping[str, str]) -> pd.Series:
    """The values with those of `pairs` replaced."""
    return values.map(pairs).fillna(values).astype("str") if pairs else values


def _value(table: str, column: str, frame: pd.DataFrame, change: Change) -> pd.Series:
    """A column that names people among other things: an identifier or a rep's full name; a team, by a word of it, too."""
    values = frame[column]
    if column in ("team", "queue"):
        return put(values, _called_after(values, _telling(change)))
    if table != "opportunity_history":
        return put(values, _telling(change))
    owner, other = frame["field"] == "owner_id", ~frame["field"].isin(tables.TRACKED)
    told = values.mask(other) if change.hidden else values.where(~other, put(values, _telling(change)))
    return told.where(~owner, put(values.where(owner), change.ids.get("reps", {}))).astype("str")


def _telling(change: Change) -> dict[str, str]:
    """Identifiers and names that are known wherever they stand: short digits may as well be an amount or a rank."""
    ids = change.ids.get("reps", {})
    return {**{text: told for text, told in ids.items() if len(text) >= 6 or not text.isdigit()}, **change.names}


def _called_after(labels: pd.Series, telling: dict[str, str]) -> dict[str, str]:
    """Labels that name somebody, in whole or by a longer word of a full name -> the same with the pseudonym there."""
    words = {word: told for text, told in telling.items() if " " in text for word in _WORD.findall(text.casefold())}
    found = {}
    for label in labels.dropna().unique():
        found[label] = telling.get(label) or _WORD.sub(lambda word: words.get(word[0].casefold(), word[0]), label)
    return found


def _hidden(what: str, values: pd.Series, change: Change) -> pd.Series:
    """Names, addresses and numbers, equal where they say the same however it is spelled; notes are left out."""
    if change.hidden is None:
        return values
    if what == "note":
        return values.mask(values.notna())
    known = fields(values.to_frame("value"), {"value": what})[0]  # compares as the search for duplicates does
    told = np.array([*(change.hidden.contact(what, value) for value in known.values), None], dtype=object)
    return pd.Series(told[known.code], index=values.index, dtype="str")


def aliases(told: list[dict[str, Any]], change: Change) -> list[dict[str, Any]]:
    """How spellings were counted, without the spellings of people."""
    return [{**one, **_spelled(one, change)} for one in told]


def _spelled(alias: dict[str, Any], change: Change) -> dict[str, str]:
    personal = {column.name: column.personal for column in tables.TABLES[alias["table"]].columns}
    if not (alias["column"] == "owner_id" or personal.get(alias["column"])):
        return {}
    kind = kind_of(alias["table"], alias["column"])
    pairs = change.ids.get(kind, {})
    counted = pairs.get(alias["counted_as"], alias["counted_as"])
    if counted in change.gone:
        return {"written": counted, "counted_as": counted}
    if change.hidden is None:
        return {}
    return {key: change.hidden.of(kind, alias[key]) if alias[key] else "" for key in ("written", "counted_as")}


def without(rejected: pd.DataFrame, change: Change, people: privacy.People) -> pd.DataFrame:
    """The quarantine with the rows emptied that mention somebody who is forgotten: file, line and code stay."""
    if not change.gone or rejected.empty:
        return rejected
    found = cells(rejected)
    gone = [cell for cell in found.unique() if any(people.of(kind, cell) in change.gone for kind in KINDS)]
    hit = rejected.index.isin(found.index[found.isin(gone)])
    if known := [re.escape(text) for text, told in _telling(change).items() if told in change.gone]:
        hit |= rejected["record"].str.contains(rf"(?<!\w)(?:{'|'.join(known)})(?!\w)", regex=True).fillna(False).to_numpy(bool)
    return rejected.assign(reason=rejected["reason"].mask(hit, "forgotten"), record=rejected["record"].mask(hit, ""))


def cells(rejected: pd.DataFrame) -> pd.Series:
    """What stands in the records of a quarantine, whatever the format they were read from; the index says in which."""
    found = rejected["record"].fillna("").str.findall(_CELL).explode().dropna().astype("str").str.strip(" :")
    return pd.concat([found, salesforce_ids(found)])
