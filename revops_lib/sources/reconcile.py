"""The books of an import: what was read must be somewhere, and what is rejected must stay small."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow

from ..errors import DataRefused, IntegrityError

MAX_REJECTED = 0.05
# Above this share of the won amount an import is refused, unless the caller allows more rejected rows than usual.
_MAX_REJECTED_WON = 0.01


def file_entry(path: Path, file: str, table: str) -> dict[str, Any]:
    """What dataset.json says about a source file before it is read: its digest, and the table it feeds."""
    try:
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256")
        for log in (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}.wal")):
            if log.is_file():  # what a database in use has not merged yet
                digest.update(log.read_bytes())
    except OSError as failure:
        raise DataRefused(f"cannot read the file: {failure.strerror}", str(path), "check the file") from failure
    return {"file": file, "table": table, "sha256": digest.hexdigest()}


def totals(frame: pd.DataFrame) -> dict[str, str]:
    """Exact sum of `amount` per currency, as text; a row without a readable amount adds nothing."""
    money = pyarrow.table(
        {
            "currency": pyarrow.array(frame["currency"].fillna(""), type=pyarrow.string()),
            "amount": pyarrow.array(frame["amount"], from_pandas=True),
        }
    )
    sums = money.drop_null().group_by("currency").aggregate([("amount", "sum")]).to_pylist()
    return {row["currency"]: str(row["amount_sum"]) for row in sorted(sums, key=lambda row: row["currency"])}


def assert_whole(entry: dict[str, Any], where: str) -> None:
    """accepted + quarantined + duplicates = read, in rows and in money per currency."""
    parts = ("accepted", "quarantined", "duplicates")
    if sum(entry[part] for part in parts) != entry["read"]:
        raise IntegrityError("rows were lost or invented", f"{where}: {entry}", "do not use this import; report it")
    amounts = entry.get("amount", {})
    for currency in {currency for part in amounts.values() for currency in part}:
        total = sum(Decimal(amounts[part].get(currency, "0")) for part in parts)
        if total != Decimal(amounts["read"].get(currency, "0")):
            what = f"amounts in {currency} do not sum to what was read"
            raise IntegrityError(what, f"{where}: {amounts}", "do not use this import; report it")


def refuse_too_many(
    where: str, read: int, faults: pd.DataFrame, won: dict[str, tuple[Decimal, Decimal]], max_rejected: float
) -> None:
    """DataRefused when more than `max_rejected` of the rows, or too much of the won amount, is rejected.

    `faults` are the quarantined rows that are faults of the export, `won` the won amount per currency, read and lost.
    """
    n = len(faults)
    allowed, needed = Fraction(str(max_rejected)), Fraction(0)
    problems = []
    if n > allowed * read:
        problems.append(f"{n} of {read} rows are rejected, at most {max_rejected:.1%} may be")
        needed = Fraction(n, read)
    usual = max_rejected <= MAX_REJECTED
    allowed = Fraction(str(_MAX_REJECTED_WON)) if usual else allowed
    for currency, (total, lost) in won.items():
        if Fraction(lost) > allowed * Fraction(total):
            problems.append(f"{lost} of {total} {currency} won is rejected, at most {float(allowed):.1%} may be")
            # Only a share above the usual one moves the limit on the won amount.
            needed = max(needed, Fraction(lost) / Fraction(total), Fraction(str(MAX_REJECTED)) + Fraction(1, 100))
    if problems:
        share = math.ceil(needed * 100) / 100
        do = f"allow it with --max-rejected {share:g}"
        raise DataRefused("; ".join([*problems, *_by_code(faults)]), where, do)


def _by_code(faults: pd.DataFrame) -> Iterator[str]:
    """Every code with its first lines and an example; unknown stages by name, since the cure is to list them."""
    for code, n in faults["code"].value_counts(sort=True).items():
        those = faults[faults["code"] == code]
        lines = ", ".join(those["line"].head(3)) + (" …" if n > 3 else "")
        example = those["reason"].iloc[0]
        if code == "E_STAGE_UNKNOWN":
            spellings = those["reason"].str.extract(r"['\"](.*)['\"]: ", expand=False).value_counts().index[:5]
            example = f"unknown: {', '.join(spellings)}"
        yield f"{code} {n} (line {lines}: {example})"
