"""What can be wrong with a row of an export: the codes, what they mean, and the checks that need more than one column.

A row is set aside once, for the first reason found; the checks run from "cannot be a row" to "contradicts itself".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from .. import periods, tables
from .cast import MAX_AMOUNT
from .mapping import fold

MAX_TEXT = 4096
IGNORED = "W_FIELD_IGNORED"  # kept in the quarantine, but not a fault of the export
CODES = {
    "E_FIELD_COUNT": "the row has more or fewer fields than the header",
    "E_CONTROL_CHAR": "a control character in a text",
    "E_TEXT_TOO_LONG": f"a text of more than {MAX_TEXT} characters",
    "E_REQUIRED_MISSING": "a required value is missing",
    "E_ID_SCIENTIFIC": "an id a spreadsheet turned into a number such as 6.05E+12; digits are lost",
    "E_STAGE_UNKNOWN": "the stage is not in the list of stages",
    "E_AMOUNT_FORMAT": "not an amount with at most two decimals, written as the profile says",
    "E_AMOUNT_RANGE": f"an amount beyond {MAX_AMOUNT}",
    "E_CURRENCY_UNKNOWN": "not a three-letter currency code",
    "E_DATE_FORMAT": "not a date written as the profile says, year with four digits",
    "E_DATE_RANGE": "a date outside the profile's date_window",
    "E_TIME_NONEXISTENT": "a local time skipped when the clocks went forward",
    "E_TIME_AMBIGUOUS": "a local time that came twice when the clocks went back",
    "E_VALUE_FORMAT": "not a value this column can hold",
    "E_STATE_CONFLICT": "the status contradicts the stage",
    "E_AMOUNT_MISSING_WON": "a won deal without amount",
    "E_CLOSE_BEFORE_CREATE": "closed before it was created",
    "E_DUP_CONFLICT": "the same key with different content",
    IGNORED: "a change of a field that no analysis reads",
}
_SCIENTIFIC = r"[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{2,}"
_CONTROL = "[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]|\x00"


class Findings:
    """The first code and reason of each row of a table; rows without a code are sound."""

    def __init__(self, n: int) -> None:
        self.code = np.full(n, "", dtype=object)
        self.reason = np.full(n, "", dtype=object)

    @property
    def sound(self) -> np.ndarray:
        return self.code == ""

    def add(self, mask: np.ndarray, code: str, reason: Callable[[int], str]) -> None:
        for row in np.flatnonzero(np.asarray(mask, dtype=bool) & self.sound).tolist():
            self.code[row], self.reason[row] = code, reason(row)

    def value(self, mask: np.ndarray, code: str, column: str, text: pd.Series, valid: str = "") -> None:
        """Rows whose `column` was written in a way that `code` objects to; the reason shows the spelling.

        What would be `valid` is added where the code itself does not tell.
        """
        told = f"{CODES[code]}; valid: {valid}" if code == "E_VALUE_FORMAT" and valid else CODES[code]
        self.add(mask, code, lambda row: f"{column} {str(text.iat[row])[:80]!r}: {told}")


def valid_values(column: tables.Column) -> str:
    """What a column can hold, in words; empty where the kind of column has a code of its own."""
    words = {
        "share": "a number from 0 to 1 such as 0.6",
        "integer": "a whole number",
        "bool": "yes or no",
        "quarter": "a fiscal quarter such as 2026Q3",
        "choice": ", ".join(column.choices),
    }
    return words.get(column.kind, "")


def check_text(findings: Findings, text: pd.DataFrame) -> None:
    """Characters and lengths no column may hold, whatever it means."""
    columns = [str(column) for column in text]
    for column in columns:
        findings.value(_true(text[column].str.contains(_CONTROL, regex=True)), "E_CONTROL_CHAR", column, text[column])
    for column in columns:
        findings.value(_true(text[column].str.len() > MAX_TEXT), "E_TEXT_TOO_LONG", column, text[column])


def check_ids(findings: Findings, table: str, text: pd.DataFrame) -> None:
    for column in (column.name for column in tables.TABLES[table].columns if column.kind == "id"):
        if column in text:
            findings.value(_true(text[column].str.fullmatch(_SCIENTIFIC)), "E_ID_SCIENTIFIC", column, text[column])


def check_required(findings: Findings, table: str, text: pd.DataFrame) -> None:
    """Required columns that are empty; a deal's stage when it decides the status; a currency where money stands."""
    spec = tables.TABLES[table]
    required = [column.name for column in spec.columns if column.required and column.name in text]
    if table == "opportunities" and "status" not in text:
        required.append("stage")
    for column in required:
        _missing(findings, column, (text[column].isna() | (text[column].str.strip() == "")).to_numpy())
    for money in (column.name for column in spec.columns if column.kind == "money"):
        if money in text and "currency" in text:
            _missing(findings, "currency", (text[money].notna() & text["currency"].isna()).to_numpy())


def _missing(findings: Findings, column: str, mask: np.ndarray) -> None:
    findings.add(mask, "E_REQUIRED_MISSING", lambda row: f"{column} is missing")


def check_deals(findings: Findings, deals: pd.DataFrame, statuses: dict[str, str], timezone: str) -> None:
    """What an opportunity says twice must agree: status and stage, won and amount, created and closed."""
    expected = deals["stage"].map(statuses)
    conflict = (expected.notna() & (deals["status"] != expected)).to_numpy()
    findings.add(
        conflict, "E_STATE_CONFLICT", lambda row: f"status {deals['status'].iat[row]}, stage {deals['stage'].iat[row]}"
    )
    unpaid = ((deals["status"] == "won") & deals["amount"].isna()).to_numpy()
    findings.add(unpaid, "E_AMOUNT_MISSING_WON", lambda row: "amount is missing on a won deal")
    created = periods.local_day(deals["created_at"], timezone)
    early = (deals["status"].isin(["won", "lost"]) & (deals["close_date"] < created)).to_numpy()
    findings.add(
        early,
        "E_CLOSE_BEFORE_CREATE",
        lambda row: f"closed {deals['close_date'].iat[row]:%Y-%m-%d}, created {created.iat[row]:%Y-%m-%d}",
    )


def find_duplicates(findings: Findings, rows: pd.DataFrame, key: list[str]) -> np.ndarray:
    """Mask of sound rows that repeat an earlier one exactly.

    The same key with different content is set aside, all of it. Without a key in the file the whole row is the key.
    """
    keys = key or [str(column) for column in rows]
    sound = rows[findings.sound]
    several = sound[sound.duplicated(keys, keep=False)]
    repeated = several.duplicated()
    group = several.groupby(keys, dropna=False, sort=False).ngroup()
    conflicting = group.isin(group[~repeated][group[~repeated].duplicated()])
    conflict = np.zeros(len(rows), dtype=bool)
    conflict[several.index[conflicting]] = True
    findings.add(
        conflict,
        "E_DUP_CONFLICT",
        lambda row: f"{', '.join(str(rows[k].iat[row]) for k in keys)}: the same key with different content",
    )
    duplicate = np.zeros(len(rows), dtype=bool)
    duplicate[several.index[repeated & ~conflicting]] = True
    return duplicate


def stage_names(text: pd.Series, stages: dict[str, str]) -> pd.Series:
    """Stages as the list of stages spells them; a stage that is not in the list stays as written."""
    spelled = {fold(stage): stage for stage in stages}
    written = text.dropna().unique()
    return text.map({stage: spelled.get(fold(stage), stage) for stage in written}).astype("str")


def tracked_values(text: pd.DataFrame, fields: pd.Series) -> Iterator[tuple[str, str, pd.Series]]:
    """The old and new values of a history, field by field: (field, column, its text at the rows of the field)."""
    for name in tables.TRACKED:
        rows = (fields == name).to_numpy()
        for column in ("old_value", "new_value"):
            if column in text and rows.any():
                yield name, column, text.loc[rows, column]


def _true(mask: pd.Series) -> np.ndarray:
    return mask.fillna(False).astype(bool).to_numpy()
