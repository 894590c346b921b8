"""What a board pack holds, and how its numbers read: as text on paper, as number formats in a workbook."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pandas as pd

NOT_KNOWN = "not known"
# Columns of a table whose rows have a unit that are in it; in the others the name says what they are.
MEASURES = {
    "value",
    "low",
    "high",
    "previous",
    "year_ago",
    "change_year",
    "target",
    "bound",
    "usual",
    "usual_low",
    "usual_high",
}
SHARES = {"win_rate", "win_rate_low", "win_rate_high", "quota_attainment", "attainment", "level", "share", "p"}
MONEY = {"bookings", "year_ago", "objective", "average_deal", "pipeline_created", "expected_amount"}
DAYS = {"cycle_time"}
FORMATS = {
    "share": "0.0%", "points": "0.0%", "money": "#,##0", "cents": "#,##0.00", "number": "#,##0.##", "count": "#,##0",
    "days": "#,##0.0", "ratio": "0.00", "text": "General",
}  # fmt: skip
STATUS = {"green": ("●", "met", "#1b6b35"), "yellow": ("▲", "close", "#8a5a00"), "red": ("■", "missed", "#b2182b")}
NO_STATUS = ("", "no target", "#555555")
NOT_FINAL = ("", "not judged yet", "#555555")


@dataclass(frozen=True)
class Pack:
    """Everything on the board's pages, computed elsewhere.

    `tiles`: kpi, name, value, unit, low, high, year_ago, target, status; `trend`: kpi, quarter, value; `changes`: sentence and,
    as far as they are there, name, behind and is_noise; `alerts`: severity, sentence, owner, action; `advice`: the ranked list
    with action, finding, expected_amount, owner, effort; `tables`: title → frame, in the order of the pages; `notes`:
    sentences.
    """

    quarter: str
    as_of: str
    currency: str
    fingerprint: str
    headline: str
    tiles: pd.DataFrame
    trend: pd.DataFrame
    changes: pd.DataFrame
    alerts: pd.DataFrame
    advice: pd.DataFrame
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    notes: Sequence[str] = ()


def verdict(status: Any, target: Any) -> tuple[str, str, str]:
    """Sign, word and colour of a status; an empty one is that of a figure without a target, or of one that is not final.

    >>> verdict("red", 3.0)[1], verdict("", 3.0)[1], verdict("", None)[1]
    ('missed', 'not judged yet', 'no target')
    """
    return STATUS.get(status, NO_STATUS if pd.isna(target) else NOT_FINAL)


def kinds(frame: pd.DataFrame, column: str) -> list[str]:
    """What the numbers of a column are, row by row: share, points (a difference of shares), money, cents, count, days, ratio,
    number or text."""
    if column in MEASURES and "unit" in frame:
        found = [_of_unit(str(unit)) for unit in frame["unit"]]
        return ["points" if kind == "share" and column == "change_year" else kind for kind in found]
    return [_of_column(frame, column)] * len(frame)


def formats(frame: pd.DataFrame) -> dict[str, list[str]]:
    """The number format of every cell of a workbook, by column."""
    return {column: [FORMATS[kind] for kind in kinds(frame, column)] for column in frame}


def heading(frame: pd.DataFrame, column: str, currency: str) -> str:
    """A column's name as people read it, with the unit where every row has the same.

    >>> heading(pd.DataFrame({"average_deal": [1.0]}), "average_deal", "EUR")
    'average deal (EUR)'
    """
    found = {*kinds(frame, column)} if not (column in MEASURES and "unit" in frame) else {"unit"}
    unit = {"money": currency, "cents": currency, "days": "days"}.get(found.pop(), "") if len(found) == 1 else ""
    return column.replace("_", " ") + (f" ({unit})" if unit else "")


def text(value: Any, kind: str) -> str:
    """A value as it reads on paper.

    >>> text(0.2349, "share"), text(1487330.2, "money"), text(1.4222, "ratio"), text(None, "money"), text("Alder", "text")
    ('23.5%', '1,487,330', '1.42', 'not known', 'Alder')
    """
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return NOT_KNOWN
    if str(value) in ("True", "False"):
        return "yes" if str(value) == "True" else "no"
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat()
    if isinstance(value, str) or not isinstance(value, int | float | Decimal):
        return str(value)
    if kind == "share":
        return _minus(f"{value:.1%}")
    if kind == "points":
        return _minus(f"{100 * value:+.1f} points")
    size = float(value)
    digits = {"cents": 2, "ratio": 2, "days": 1, "number": 0 if abs(size) >= 100 or size.is_integer() else 2}.get(kind, 0)
    return _minus(f"{value:,.{digits}f}")


def short(value: Any, unit: str) -> str:
    """A value in the room of a tile: money in thousands and millions.

    >>> short(1487330.2, "EUR"), short(22189.5, "EUR per day"), short(0.2349, "share"), short(67.03, "days")
    ('1.49 M EUR', '22.2 k EUR per day', '23.5%', '67 days')
    """
    kind = _of_unit(unit)
    if value is None or pd.isna(value):
        return NOT_KNOWN
    if kind == "money":
        size, mark = (1e6, " M") if abs(value) >= 1e6 else (1e3, " k") if abs(value) >= 1e4 else (1, "")
        return _minus(f"{value / size:,.{2 if size == 1e6 else 1 if size == 1e3 else 0}f}{mark} {unit}")
    if kind == "days":
        return _minus(f"{value:,.0f} {unit}")
    return text(float(value), kind)


def _of_unit(unit: str) -> str:
    if unit in ("share", "ratio", "count"):
        return unit
    return "days" if unit in ("days", "months") else "money" if unit else "number"


def _of_column(frame: pd.DataFrame, column: str) -> str:
    values = frame[column]
    if pd.api.types.is_bool_dtype(values) or not (pd.api.types.is_numeric_dtype(values) or _is_exact(values)):
        return "text"
    if column in SHARES:
        return "share"
    if _is_exact(values):
        return "cents"
    if column in MONEY or (column in ("low", "high") and "expected_amount" in frame):
        return "money"
    if column in DAYS:
        return "days"
    return "count" if column == "n" or column.startswith("n_") or pd.api.types.is_integer_dtype(values) else "number"


def _is_exact(values: pd.Series) -> bool:
    known = values.dropna()
    return len(known) > 0 and isinstance(known.iloc[0], Decimal)


def _minus(number: str) -> str:
    return number.replace("-", "−")
