"""The tools of the company, `data/tools.csv`, as a table that pages include."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

from ..errors import DataRefused, nearest
from .text import plain

COLUMNS = ("tool", "category", "owner", "licences", "renewal_date", "purpose")
SOON = 90  # days before a renewal in which it is marked
GUIDES = ("CRM", "prospecting", "CPQ", "analytics")  # categories that have a guide in `tools/`
MISSING = f"There is no list of tools: write `data/tools.csv` with the columns {', '.join(COLUMNS)}.\n"


def table(file: Path, day: dt.date, category: str = "") -> str:
    """The list as a table in the order of the file, renewals within 90 days of `day` or before it marked in words; of one
    `category`, written in large or small letters, or of all.

    DataRefused naming the line for other columns, a row of another length, a tool twice or without category or owner, licences
    that are not a whole number, a renewal that is not a day. Licences and renewal may be empty.
    """
    if not file.exists():
        return MISSING
    rows = [row for row in _read(file) if category.casefold() in ("", row["category"].casefold())]
    shown = ["| tool | what for | owner | licences | renewal |", "| :--- | :--- | :--- | ---: | :--- |"]
    for row in rows:
        what = f"{row['category']}: {row['purpose']}" if row["purpose"] else row["category"]
        cells = [row["tool"], what, row["owner"], row["licences"], _renewal(row["renewal_date"], day)]
        shown.append(f"| {' | '.join(plain(cell, 300) or '–' for cell in cells)} |")
    return "\n".join(shown) + "\n" if rows else f"No tool is listed{f' under {category}' if category else ''}.\n"


def _read(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as failure:
        raise DataRefused(f"cannot read the list of tools: {failure}", str(file), "save it as CSV in UTF-8") from failure
    header = lines[0][1] if lines else []
    if sorted(header) != sorted(COLUMNS):
        other = next((name for name in header if name not in COLUMNS), "")
        what = f"unknown column {other!r}" if other else "not every column is there once"
        do = nearest(other, COLUMNS) if other else f"needed: {', '.join(COLUMNS)}"
        raise DataRefused(what, f"{file}, line 1", do)
    rows: dict[str, dict[str, str]] = {}
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise DataRefused(f"{len(cells)} cells in place of {len(header)}", f"{file}, line {line}", "quote text with commas")
        row = dict(zip(header, cells, strict=True))
        _check(row, f"{file}, line {line}")
        if row["tool"] in rows:
            raise DataRefused(f"{row['tool']} is listed twice", f"{file}, line {line}", "keep one line")
        rows[row["tool"]] = row
    return list(rows.values())


def _check(row: dict[str, str], where: str) -> None:
    for column in ("tool", "category", "owner"):
        if not row[column]:
            raise DataRefused(f"{column} is empty", where, "fill it in; the owner is a role")
    if row["licences"] and not (row["licences"].isascii() and row["licences"].isdigit()):
        raise DataRefused(f"licences is not a whole number: {row['licences']!r}", where, "write 25, or leave it empty")
    try:
        if row["renewal_date"] and len(row["renewal_date"]) == len("2026-11-22"):
            dt.date.fromisoformat(row["renewal_date"])
        elif row["renewal_date"]:
            raise ValueError
    except ValueError as failure:
        do = "write it as 2026-11-22, or leave it empty"
        raise DataRefused(f"renewal_date is not a day: {row['renewal_date']!r}", where, do) from failure


def _renewal(text: str, day: dt.date) -> str:
    if not text:
        return ""
    days = (dt.date.fromisoformat(text) - day).days
    if days < 0:
        return f"{text}, passed"
    return f"{text}, in {days} days" if days <= SOON else text
