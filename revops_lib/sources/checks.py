"""What is wrong with the rows of a table: the checks run from "cannot be a row" to "contradicts itself"."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from .. import money, periods, tables
from .cast import currency_written
from .codes import MAX_TEXT, ROWS, unknown
from .mapping import FLAGS, fold

_SCIENTIFIC = r" *-?(?:[0-9]+(?:[.,][0-9]+)? ?[eE]\+[0-9]+|[0-9][.,][0-9]+ ?[eE][0-9]{2,}) *"
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
        told = f"{ROWS[code]}; valid: {valid}" if code == "E_VALUE_FORMAT" and valid else ROWS[code]
        self.add(mask, code, lambda row: f"{column} {str(text.iat[row])[:80]!r}: {told}")


def valid_values(column: tables.Column) -> str:
    """What a column can hold, in words; empty where the kind of column has a code of its own."""
    words = {
        "share": "a share such as 0.6 or 60 %; `percent` in the mapping says that 60 stands for 60 %",
        "integer": "a whole number",
        "rate": "a rate above 0 such as 0.9",
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


def check_header(findings: Findings, text: pd.DataFrame, header: dict[str, str]) -> None:
    """Rows that repeat the header, as in files that were put together."""
    if len(header) > 1 and len(text):
        again = np.logical_and.reduce([(text[column] == name).fillna(False).to_numpy() for column, name in header.items()])
        findings.add(again, "E_HEADER_REPEATED", lambda row: ROWS["E_HEADER_REPEATED"])


def check_ids(findings: Findings, table: str, text: pd.DataFrame) -> None:
    for column in (column.name for column in tables.TABLES[table].columns if column.kind == "id"):
        if column in text:
            findings.value(_true(text[column].str.fullmatch(_SCIENTIFIC)), "E_ID_SCIENTIFIC", column, text[column])


def check_required(findings: Findings, table: str, text: pd.DataFrame, more: tuple[str, ...], is_filled: bool) -> None:
    """Required columns that are empty, and `more` of them; a deal's stage when it decides the status (unless the
    mapping fills the status in); a currency with money."""
    spec = tables.TABLES[table]
    required = [column.name for column in spec.columns if column.required and column.name in text]
    if table == "opportunities" and "status" not in text and not is_filled and ("stage" in text or "is_won" not in text):
        required.append("stage")
    for column in [*required, *(column for column in more if column in text)]:
        _missing(findings, column, (text[column].isna() | (text[column].str.strip() == "")).to_numpy())
    for name in (column.name for column in spec.columns if column.kind == "money"):
        if name in text and "currency" in text:
            _missing(findings, "currency", (text[name].notna() & text["currency"].isna()).to_numpy())


def _missing(findings: Findings, column: str, mask: np.ndarray) -> None:
    findings.add(mask, "E_REQUIRED_MISSING", lambda row: f"{column} is missing")


def check_stages(findings: Findings, text: pd.DataFrame, stages: dict[str, str]) -> None:
    unlisted = (text["stage"].notna() & ~text["stage"].isin(stages)).to_numpy()
    findings.value(unlisted, "E_STAGE_UNKNOWN", "stage", text["stage"])


def check_currencies(findings: Findings, column: str, text: pd.DataFrame, currency: pd.Series) -> None:
    """A sign beside an amount must be the row's currency; a currency without a smaller unit has no decimals."""
    written = currency_written(text[column])
    for sign in written.dropna().unique():
        meant = money.SIGNS.get(sign, {sign})
        conflict = ((written == sign) & currency.notna() & ~currency.isin(meant)).to_numpy()
        findings.add(
            conflict, "E_AMOUNT_FORMAT", lambda row: f"{column} {text[column].iat[row]!r}: the currency is {currency.iat[row]}"
        )


def check_units(findings: Findings, column: str, amount: pd.Series, currency: pd.Series) -> None:
    whole = currency.isin(money.WHOLE)
    if whole.any():
        cents = (money.to_cents(amount[whole]) % 100 != 0).fillna(False).astype(bool)
        broken = cents.reindex(amount.index, fill_value=False).to_numpy()
        findings.add(broken, "E_AMOUNT_FORMAT", lambda row: f"{column} {amount.iat[row]}: {currency.iat[row]} has no decimals")


def check_flags(findings: Findings, flags: pd.DataFrame, status: pd.Series) -> None:
    """The flags "is won" and "is closed" must say the same as the status."""
    told, said = status_of(flags), status
    if "is_closed" not in flags:  # "not won" may be open or lost
        told, said = told == "won", status == "won"
    conflict = (status.notna() & (told != said)).to_numpy()
    findings.add(conflict, "E_STATE_CONFLICT", lambda row: f"status {status.iat[row]}, {_shown(flags, row)}")
    if "is_won" in flags and "is_closed" in flags:
        never = (flags["is_won"].fillna(False) & ~flags["is_closed"].fillna(False)).to_numpy()
        findings.add(never, "E_STATE_CONFLICT", lambda row: _shown(flags, row))


def status_of(flags: pd.DataFrame) -> pd.Series:
    """The status that the flags tell; an empty flag is "no"."""
    won = flags["is_won"].fillna(False).astype(bool)
    closed = flags["is_closed"].fillna(False).astype(bool) if "is_closed" in flags else won
    return pd.Series(np.where(won, "won", np.where(closed, "lost", "open")), index=flags.index, dtype="str")


def _shown(flags: pd.DataFrame, row: int) -> str:
    return ", ".join(f"{flag} {flags[flag].iat[row]}" for flag in FLAGS if flag in flags)


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


def check_future(findings: Findings, table: str, frame: pd.DataFrame, end: pd.Timestamp) -> None:
    """What was recorded after the export was made: creations, changes, submissions; `end` is the instant that day ended."""
    spec = tables.TABLES[table]
    dated = [c.name for c in spec.columns if c.kind == "instant" and (c.name in (spec.known_at, "created_at"))]
    for column in dated:
        findings.value((frame[column] >= end).to_numpy(), "E_TIME_FUTURE", column, frame[column])


def check_known(findings: Findings, table: str, column: str, frame: pd.DataFrame, known: pd.Series) -> None:
    lost = (frame[column].notna() & ~tables.is_among(frame[column], known)).to_numpy()
    code = unknown(str(tables.TABLES[table].column(column).references))
    findings.value(lost, code, column, frame[column])


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
    """Stages as the list of stages spells them; a stage that is not in the list stays as written.

    `stages`: every spelling that is known (names, ids) -> name.
    """
    spelled = {fold(spelling): name for spelling, name in stages.items()}
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
