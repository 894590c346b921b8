"""What a statement is made of, before and after it is put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pandas as pd


@dataclass(frozen=True)
class Statement:
    """Everything that one person's statement is made of, computed elsewhere; amounts are exact and in `currency`.

    `total`: what the quarter pays; `later`: what is held until later; `owed`: the debt of draws at the end; `withheld`: by
    caps. `parts`: what (text), amount; they sum to the total. `lines`: the person's lines of the ledger in the order in which
    they are shown, with `name` and `account` of the deal (empty where it is none) and `part`, the name of the lines that are
    added up together. `held`: deal, name, account, component, line_id, event_date, comes (text), held, gone, left. `draws`:
    period, earned, topped_up, recovered, paid, debt. `positions`: plan, credited, quota, attainment. `next_pays`: plan, amount,
    pays, is_on_deals (whether the plan pays on whatever deal is won), condition (of what deal, and what is in it). `disputes`:
    line_id, raised_date, reason, decision, amount. `notes`: sentences about the whole.
    """

    rep_id: str
    name: str
    company: str
    quarter: str
    as_of: str
    currency: str
    is_closed: bool
    total: Decimal
    later: Decimal
    owed: Decimal
    withheld: Decimal
    parts: pd.DataFrame
    lines: pd.DataFrame
    held: pd.DataFrame
    draws: pd.DataFrame
    positions: pd.DataFrame
    next_pays: pd.DataFrame
    disputes: pd.DataFrame
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """`columns`: heading, and whether it holds numbers. `rows`: a text per column. `why`: sentences below the second text of
    each row, where there are any. `sums`: the places of rows that add up others."""

    caption: str
    columns: list[tuple[str, bool]]
    rows: list[list[str]]
    why: list[list[str]] = field(default_factory=list)
    sums: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Section:
    title: str
    sentences: list[str]
    table: Table | None = None
