"""The rows that rules look at: tables read once, ids looked up, people who are there, fields that are known."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import pandas as pd

from ..snapshot import Snapshot

Broken = Iterator[tuple[str, pd.Series, pd.Series]]  # rule; which rows of its table break it; which rows it looks at


@lru_cache(maxsize=32)
def read(snapshot: Snapshot, name: str) -> pd.DataFrame:
    """A table as the snapshot knows it, read once for all rules."""
    return snapshot.table(name)


def present(snapshot: Snapshot) -> pd.DataFrame:
    """Assignments that run on the day, as rows of `reps`; the day an assignment ends is its last."""
    reps = read(snapshot, "reps")
    return reps[reps["end_date"].isna() | (reps["end_date"] >= pd.Timestamp(snapshot.as_of))]


def is_in(ids: pd.Series, known: pd.Series) -> pd.Series:
    """Which ids are among the known ones; a missing id never is. (`Series.isin` is slow for long lists of text.)"""
    return pd.Series(pd.Index(known.dropna().unique()).get_indexer(ids) >= 0, index=ids.index)


def is_known(snapshot: Snapshot, field: str) -> bool:
    """Whether `field` of an open deal is known: on a past day the gate hides what has no history, and nobody is to blame."""
    return field in snapshot.tracked or snapshot.as_of >= snapshot.known_until
