"""Pairs of records that look like the same one, and what was not compared."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import DataRefused, UsageError, nearest
from .blocks import NEIGHBOURS, blocks, candidates
from .evidence import KINDS, scored
from .spelling import Compare, fields

LARGEST = 40  # records of a block that are all compared with each other
CHUNK = 100_000  # pairs scored at a time, to bound memory


def pairs(
    records: pd.DataFrame, *, key: str, compare: Compare, level: float = 0.95, parent: str | None = None, block: int = LARGEST
) -> pd.DataFrame:
    """Pairs of records that look like the same one, one row per pair, best first; for a human to judge.

    `key` names the column of ids, each present once. `compare` says what each column is; a tuple of columns is read as one
    text. `level` is the least score of a proposed pair. `parent` names a column with another record's id: a record and its
    parent are related, not duplicates. Columns: first, second (ids), score (0–1), reason (a sentence).

    | kind | same after | also near | when it differs |
    |---|---|---|---|
    | organisation | accents, case, punctuation, word order, legal form | typing error, rare words in common | counts a little |
    | person | accents, case, punctuation, word order, title | typing error, further names | counts strongly |
    | site | street type, punctuation | same house number, street alike | counts strongly: another branch |
    | address | as site | as site | counts a little: people move |
    | phone | digits without country code and extension | | hardly counts |
    | email | case, +tag | mailbox a letter apart, same domain and digits | counts a little |
    | website | host | | counts a little |
    | code (date, register number) | case, punctuation | one or two edits | counts a little |
    | reference (an account_id) | exact | | counts a little |
    | place (city, postcode) | case, punctuation | one or two edits; only swapped digits | hardly counts |
    | category (segment, country) | case, punctuation | | hardly counts |

    A typing error leaves 88 % of the letters alike and makes a word that no other name has: two established words are two
    names. Numbers in names must agree. Where somebody is found (site, address, phone, website, reference, place, category)
    proposes nothing alone. How evidence adds up to a score: see `evidence`. Its bits were chosen on febrl dataset1, half of the
    true clusters of dedupe_sites and generated lists, and hold on the rest: tests/test_duplicates.py prints the figures.

    Only records that share a word of the name, a phone number, a house number and street … or stand close in the alphabet are
    compared. A block of more than `block` records is compared between its alphabetical neighbours only, and `limits` lists it:
    cost grows with the number of records, not with its square. Equal for any order of rows. Raises DataRefused for an id that
    is missing or there twice, UsageError for a column or kind that does not exist or a level outside 0–1.

    >>> accounts = pd.DataFrame({"account_id": ["A1", "A2", "A3"], "name": ["Müller Söhne GmbH", "MULLER SOHNE", "Alder & Co"]})
    >>> pairs(accounts, key="account_id", compare={"name": "organisation"}).round(2)
      first second  score     reason
    0    A1     A2   0.98  same name
    """
    if not 0 < level < 1:
        raise UsageError(f"level {level} is not between 0 and 1", "level", "give the least score, for example 0.95")
    records = _ordered(records, key, compare, parent)
    compared = fields(records, compare)
    first, second = candidates(blocks(compared, len(records)), len(records), block)
    ids = records[key]
    if parent is not None:
        own, above = (
            ids.to_numpy(dtype=object),
            records[parent].astype("object").where(records[parent].notna(), None).to_numpy(),
        )
        related = (own[first] == above[second]) | (own[second] == above[first])
        first, second = first[~related], second[~related]
    starts = range(0, max(len(first), 1), CHUNK)
    table = pd.concat([scored(compared, first[at : at + CHUNK], second[at : at + CHUNK], level) for at in starts])
    table = table.sort_values(["score", "first", "second"], ascending=[False, True, True], ignore_index=True)
    return table.assign(first=ids.take(table["first"]).array, second=ids.take(table["second"]).array)


def limits(records: pd.DataFrame, *, key: str, compare: Compare, block: int = LARGEST) -> pd.DataFrame:
    """What `pairs` does not compare in full, one row per block too large, largest first.

    Columns: block (what its records share), value, n (records), n_left_out (pairs that this block does not compare; another
    one may). Empty when every block is compared in full.

    >>> many = pd.DataFrame({"id": range(50), "name": [f"Alder Branch {letter * 3}" for letter in map(chr, range(97, 147))]})
    >>> limits(many, key="id", compare={"name": "organisation"})
                block   value   n  n_left_out
    0    word of name   alder  50         861
    1    word of name  branch  50         861
    """
    records = _ordered(records, key, compare, None)
    found = [part for part in blocks(fields(records, compare), len(records)) if not part.everything]
    counts = [part.members.groupby("value").size().rename("n").reset_index().assign(block=part.name) for part in found]
    table = pd.concat([pd.DataFrame({"block": [], "value": [], "n": []}, dtype="object"), *counts], ignore_index=True)
    table = table[table["n"] > block].astype({"block": "str", "value": "str", "n": "int64"})
    apart = np.maximum(table["n"] - 1 - NEIGHBOURS, 0)
    table = table.assign(n_left_out=apart * (apart + 1) // 2)
    table = table.sort_values(["n", "block", "value"], ascending=[False, True, True], ignore_index=True)
    return table[["block", "value", "n", "n_left_out"]]


def _ordered(records: pd.DataFrame, key: str, compare: Compare, parent: str | None) -> pd.DataFrame:
    """The records in the order of their ids, so that the order of rows changes nothing."""
    if not compare:
        raise UsageError("nothing to compare", "compare", "name at least one column and its kind")
    columns = [name for given in compare for name in ((given,) if isinstance(given, str) else given)]
    for name in [key, *columns, *([parent] if parent else [])]:
        if name not in records.columns:
            raise UsageError(f"column {name} is not there", "records to compare", nearest(name, map(str, records.columns)))
    for kind in compare.values():
        if kind not in KINDS:
            raise UsageError(f"unknown kind of evidence {kind}", "compare", nearest(kind, KINDS))
    ids = records[key].astype("str").where(records[key].notna(), "missing")
    wrong = ids[records[key].isna() | ids.duplicated()]
    if len(wrong):
        which = ", ".join(wrong.drop_duplicates().sort_values().head(3))
        raise DataRefused("ids must be present and unique", f"{key}: {which} ({len(wrong):,} rows)", "correct the ids first")
    return records.iloc[ids.argsort(kind="stable").to_numpy()].reset_index(drop=True)
