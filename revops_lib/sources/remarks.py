"""What is remarkable about rows that are accepted: nothing is rejected or changed for it, every remark is counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pandas as pd

from .. import tables

_EMAIL = r"[\w.+-]+@[\w-]+\.\w+"
_PHONE = r"(?:\(\d{3}\) ?|\b\d{3}[-.])\d{3}[-.]\d{4}\b|(?<!\w)(?:\+|00?)\d(?:[ .()/-]{0,2}\d){7,13}(?!\w)"
_PEOPLE = ("reps", "contacts")  # whose names and addresses are what the table is for


def of_rows(table: str, frame: pd.DataFrame, text: pd.DataFrame) -> dict[str, int]:
    """Remarks on the accepted rows of one file, by code; `text` is what was written."""
    texts = [c.name for c in tables.TABLES[table].columns if c.kind == "text" and c.name in text]
    found = {"W_MOJIBAKE": _any(text, texts, _is_mojibake)}
    if table not in _PEOPLE:
        found["W_PII"] = _any(text, texts, _is_personal)
    if table == "opportunities":
        amount, status = frame["amount"], frame["status"]
        found["W_AMOUNT_NEGATIVE"] = int((amount < 0).fillna(False).sum())
        found["W_AMOUNT_MISSING"] = int((amount.isna() & (status == "open")).sum()) if "amount" in text else 0
        found["W_AMOUNT_ZERO_WON"] = int(((amount == 0).fillna(False) & (status == "won")).sum())
    return found


def of_history(frames: dict[str, pd.DataFrame]) -> Counter[tuple[str, str]]:
    """Remarks on what the history says, by table and code: gaps and ignored fields in rows, the others in opportunities."""
    found: Counter[tuple[str, str]] = Counter()
    if "opportunity_history" not in frames:
        return found
    history = frames["opportunity_history"]
    tracked = history[history["field"].isin(tables.TRACKED)]
    name = "opportunity_history"
    found[name, "W_FIELD_IGNORED"] = len(history) - len(tracked)
    ordered = tracked.sort_values(["opportunity_id", "field", "changed_at", "change_no"], kind="stable")
    key = ordered["opportunity_id"] + "\0" + ordered["field"]
    follows = (key == key.shift()).to_numpy()
    before = ordered["new_value"].shift()
    gap = follows & ordered["old_value"].notna().to_numpy() & (ordered["old_value"] != before).fillna(True).to_numpy()
    found[name, "W_HISTORY_GAP"] = int(gap.sum())
    stages = ordered[ordered["field"] == "stage"]
    if "stages" in frames:
        statuses = dict(zip(frames["stages"]["stage"], frames["stages"]["status"], strict=True))
        status = stages["new_value"].map(statuses)
        same = (stages["opportunity_id"] == stages["opportunity_id"].shift()).to_numpy()
        again = same & (status == "open").to_numpy() & status.shift().isin(["won", "lost"]).to_numpy()
        found[name, "W_REOPENED"] = int(stages.loc[again, "opportunity_id"].nunique())
    if "opportunities" in frames:
        last = stages.drop_duplicates("opportunity_id", keep="last").set_index("opportunity_id")["new_value"]
        deals = frames["opportunities"].set_index("opportunity_id")["stage"]
        both = pd.concat([deals, last], axis=1, keys=["now", "last"], join="inner").dropna()
        found[name, "W_HISTORY_MISMATCH"] = int((both["now"] != both["last"]).sum())
    return found


def of_currencies(frames: dict[str, pd.DataFrame], currency: str) -> Counter[tuple[str, str]]:
    """Opportunities whose amount no exchange rate up to their close date converts; nothing where no rates are declared."""
    if "fx_rates" not in frames or "opportunities" not in frames:
        return Counter()
    first = frames["fx_rates"].groupby("currency")["month"].min()
    deals = frames["opportunities"]
    foreign = deals[deals["amount"].notna() & (deals["currency"] != currency)]
    since = pd.Series([first.get(code, pd.NaT) for code in foreign["currency"]], index=foreign.index, dtype="datetime64[us]")
    lacking = since.isna() | ((foreign["status"] != "open") & (foreign["close_date"] < since))
    return Counter({("opportunities", "W_CURRENCY_NO_RATE"): int(lacking.sum())})


def _any(text: pd.DataFrame, columns: list[str], is_so: Callable[[pd.Series], pd.Series]) -> int:
    """Rows in which one of the columns is so; every spelling is looked at once."""
    hit = np.zeros(len(text), dtype=bool)
    for column in columns:
        unique = pd.Series(text[column].dropna().unique(), dtype="str")
        those = unique[is_so(unique)]
        if len(those):
            hit |= text[column].isin(those).to_numpy()
    return int(hit.sum())


def _is_mojibake(text: pd.Series) -> pd.Series:
    """UTF-8 that somebody read as cp1252 or Latin-1: a run of such characters is a letter when written back as bytes."""
    likely = text.str.contains("[\u00c2-\u00f4][^\x00-\x7f]|\ufffd", regex=True)
    return _looked_at(text, likely, lambda some: some.map(_reads_back))


def _reads_back(text: str) -> bool:
    for run in re.findall("[\u00c2-\u00f4][^\x00-\x7f]{1,3}", text):
        for encoding in ("cp1252", "latin-1"):
            for length in range(2, len(run) + 1):
                with suppress(UnicodeError):
                    run[:length].encode(encoding).decode("utf-8")
                    return True
    return "\ufffd" in text


def _is_personal(text: pd.Series) -> pd.Series:
    # A cheap look at most texts, the exact one at what is left.
    likely = text.str.contains(r"@|(?:^|[^A-Za-z0-9])[+0][0-9]|[0-9]{3}[-.][0-9]{4}", regex=True)
    return _looked_at(text, likely, lambda some: some.str.contains(f"{_EMAIL}|{_PHONE}", regex=True))


def _looked_at(text: pd.Series, likely: pd.Series, exactly: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """`exactly` for the texts that are likely so; False for the others."""
    found = likely.astype(bool).to_numpy(copy=True)
    if found.any():
        found[found] = exactly(text[found]).to_numpy(dtype=bool)
    return pd.Series(found, index=text.index)
