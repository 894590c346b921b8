"""The ledger and the statements of a quarter as files for their owner alone; the same ledger gives the same bytes."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from .. import money, statements
from ..errors import IntegrityError
from ..sources.formulas import as_written, harmless

LINES, PEOPLE, DISPUTED = "lines.csv", "statements.csv", "disputes.csv"
_MONEY = ("credit", "quota", "earned", "withheld", "held", "pay")
_SHARES = ("before", "after")
_LONGEST = 40  # characters of a name in the name of a file


def write(
    folder: Path, lines: pd.DataFrame, disputed: pd.DataFrame, people: Sequence[statements.Statement], *, pages: str
) -> None:
    """Lay `lines.csv`, `statements.csv` (what each person is paid; empty where that of a line is not known) and `disputes.csv`
    in a folder, and a page and a PDF per person (and currency, where plans pay somebody in several) in `pages` below it."""
    (folder / LINES).write_bytes(to_csv(lines))
    (folder / DISPUTED).write_bytes(to_csv(disputed))
    (folder / pages).mkdir(exist_ok=True)
    several = Counter(told.rep_id for told in people)
    not_known = lines[lines["pay"].isna()]
    unknown = {*zip(not_known["rep_id"], not_known["currency"], strict=True)}
    rows = []
    for told in people:
        currency = f"-{told.currency.lower()}" if several[told.rep_id] > 1 else ""
        name = (Path(pages) / f"{file_name(told.rep_id)}{currency}").as_posix()
        (folder / f"{name}.html").write_bytes(statements.html(told).encode())
        (folder / f"{name}.pdf").write_bytes(statements.pdf(told))
        pay = None if (told.rep_id, told.currency) in unknown else told.total
        rows.append([told.rep_id, pay, told.later, told.withheld, told.owed, told.currency, f"{name}.html", f"{name}.pdf"])
    columns = ["rep_id", "pay", "held", "withheld", "owed", "currency", "page", "paper"]
    (folder / PEOPLE).write_bytes(to_csv(pd.DataFrame(rows, columns=columns)))


def make_private(folder: Path) -> None:
    """A folder and all in it for its owner alone."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)


def file_name(rep_id: str) -> str:
    """The name of a person's files: what is plain in the identifier, and a digest of all of it, as two identifiers may differ
    in what no file system keeps.

    >>> file_name("Ann/../B"), file_name("ann/../b") == file_name("Ann/../B")
    ('ann_.._b-fabaea367f0e', False)
    """
    plain = re.sub(r"[^a-z0-9.-]+", "_", rep_id.lower())[:_LONGEST].strip(".-_")
    return f"{plain or 'rep'}-{hashlib.sha256(rep_id.encode()).hexdigest()[:12]}"


def to_csv(frame: pd.DataFrame) -> bytes:
    """A table as CSV: texts in quotes, none that a spreadsheet would compute; two decimals of amounts; days as 2026-09-30."""
    columns = [_shown(frame[name]) for name in frame]
    rows = [[f'"{name}"' for name in frame], *([column[place] for column in columns] for place in range(len(frame)))]
    return "".join(",".join(row) + "\n" for row in rows).encode()


def read_lines(folder: Path) -> pd.DataFrame:
    """The lines of a closed quarter, as they were written."""
    path = folder / LINES
    try:
        header, *rows = csv.reader(io.StringIO(path.read_bytes().decode(), newline=""))
        table = pd.DataFrame(rows, columns=header, dtype="str")
        for name in _MONEY:
            table[name] = pd.Series([Decimal(text) if text else None for text in table[name]], dtype=money.DTYPE)
        for name in _SHARES:
            table[name] = pd.Series([float(text) if text else None for text in table[name]], dtype="float64")
        table["event_date"] = pd.to_datetime(table["event_date"].replace("", None)).astype("datetime64[us]")
        texts = [name for name in table if name not in (*_MONEY, *_SHARES, "event_date")]
        return table.assign(**{name: as_written(table[name].astype("str")) for name in texts})
    except (OSError, ValueError, KeyError, ArithmeticError) as failure:
        raise IntegrityError(f"closed lines cannot be read: {failure}", str(path), "restore them from a backup") from failure


def _shown(column: pd.Series) -> list[str]:
    if isinstance(column.dtype, pd.StringDtype):
        return ['"' + str(text).replace('"', '""') + '"' for text in harmless(column.fillna("").astype("str"))]
    return [_value(value) for value in column]


def _value(value: Any) -> str:
    if pd.isna(value):
        return ""
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    return f"{value:.6f}" if isinstance(value, float) else f"{value:.2f}"
