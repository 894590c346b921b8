"""Which records are compared: those that share a word, a number or a neighbourhood. Cost does not grow with the square."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .spelling import ADDRESSES, NAMES, Field

NEIGHBOURS = 8  # records of a block too large are compared with so many that follow in alphabetical order
TOO_COMMON = {"place", "category"}  # no reason to compare


@dataclass(frozen=True)
class Block:
    """A reason to compare. `members` has record, value (records with the same one are compared) and order (within it)."""

    name: str
    members: pd.DataFrame
    everything: bool = False


def blocks(fields: list[Field], n: int) -> list[Block]:
    """Every reason to compare. Within a block records stand in alphabetical order of all that is compared."""
    line = pd.Series("", index=range(n), dtype="object")
    for field in fields:
        line = line + " " + pd.Series(np.append(field.values, "")[field.code], dtype="object")
    order = line.rank(method="first").to_numpy()
    found = []
    for field in fields:
        have = np.flatnonzero(field.code >= 0)
        whole = pd.DataFrame({"record": have, "value": field.values[field.code[have]], "order": order[have]})
        if field.kind in ADDRESSES:
            found.append(Block(f"house number and street of {field.label}", _spread(whole, field, _corners(field))))
        elif field.kind not in TOO_COMMON:
            found.append(Block(f"same {field.label}", whole))
        if field.kind in NAMES:
            words = [[word for word in value.split() if len(word) > 1] for value in field.values]
            found.append(Block(f"word of {field.label}", _spread(whole, field, words)))
            backwards = pd.Series([value[::-1] for value in field.values], dtype="object").rank().to_numpy()
            found.append(Block(f"alphabet of {field.label}", whole.assign(value=""), everything=True))
            reverse = whole.assign(value="", order=backwards[field.code[have]])
            found.append(Block(f"backward alphabet of {field.label}", reverse, everything=True))
    return found


def candidates(blocks: list[Block], n: int, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the records to compare, each pair once. A block of more than `largest` is compared between neighbours only."""
    parts, taken = [], 0
    for block in blocks:
        value, distinct = pd.factorize(block.members["value"])
        parts.append(block.members.assign(block=value + taken)[["block", "order", "record"]])
        taken += len(distinct)
    if not parts or not n:
        return np.array([], dtype="int64"), np.array([], dtype="int64")
    table = pd.concat(parts, ignore_index=True)
    table["size"] = table.groupby("block")["record"].transform("size")
    table = table[table["size"] > 1].sort_values(["block", "order", "record"])
    number, record, size = (table[column].to_numpy() for column in ("block", "record", "size"))
    found = [np.array([], dtype="int64")]
    for step in range(1, int(size.max(initial=1))):
        at = np.flatnonzero((number[step:] == number[:-step]) & ((size[step:] <= largest) | (step <= NEIGHBOURS)))
        if not len(at):
            break
        one, other = record[at], record[at + step]
        found.append(np.minimum(one, other) * n + np.maximum(one, other))
    both = np.unique(np.concatenate(found))
    return both // n, both % n


def _spread(whole: pd.DataFrame, field: Field, keys: list[list[str]]) -> pd.DataFrame:
    """One row per record and key of its value."""
    lists = pd.Series(keys, dtype="object").take(field.code[whole["record"]])
    return whole.assign(value=lists.to_numpy()).explode("value").dropna(subset="value").drop_duplicates(["record", "value"])


def _corners(field: Field) -> list[list[str]]:
    """The house number with the beginning of each word of the street; none without a number."""
    return [
        [f"{number} {word[:4]}" for word in street.split()] if number else []
        for number, street in zip(field.fixed, field.rest, strict=True)
    ]
