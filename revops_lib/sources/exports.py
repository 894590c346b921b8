"""An export becomes a dataset: read as text, renamed, cast, checked, written whole. Nothing disappears.

Every record of every file ends in exactly one place: accepted, quarantined with a code, or removed as an exact
duplicate.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .. import periods, tables
from ..errors import DataRefused, UsageError
from . import checks, history
from .cast import cast
from .dataset import QUARANTINE, quarantine_csv, refuse_foreign
from .delimited import Records, locate, original_records, read_records
from .mapping import Mapping, TableMapping, find_column, read_mapping
from .reconcile import MAX_REJECTED, assert_whole, file_entry, refuse_too_many, totals


def import_export(
    mapping: Path, source: Path, to: Path, *, as_of: dt.date | None = None, max_rejected: float = MAX_REJECTED
) -> dict[str, Any]:
    """Import the export in folder `source`, as `mapping` describes it, into dataset folder `to`.

    Returns the content of its dataset.json. Rejected rows go to `quarantine.parquet` and `quarantine.csv` beside the
    tables, one row each with file, line, code, reason and original text. `as_of` is the day up to which the data is
    known; without it the latest day an opportunity was created, closed or changed. Creation rows that the history lacks
    are deduced (`history`). The folder is replaced as a whole or not at all; the same files give the same bytes.

    Raises UsageError for a wrong mapping or folder or an `as_of` before the export's latest day, DataRefused for a file
    that cannot be read without guessing or of which more than `max_rejected` of the rows are rejected (or more than 1 %
    of the won amount; of that, too, at most `max_rejected` once a caller raises it), CannotWrite (also when `to` holds
    a dataset of another name), and IntegrityError when accepted + quarantined + duplicates is not what was read.
    """
    plan = read_mapping(mapping)
    refuse_foreign(Path(to), plan.name)
    source = Path(source)
    if not source.is_dir():
        raise UsageError("the folder of the export does not exist", str(source), "correct --from")
    if not 0 <= max_rejected <= 1:
        raise UsageError(f"{max_rejected} is not a share", "max_rejected", "give a number from 0 to 1")
    frames, entries, aliases, quarantine = {}, [], [], []
    statuses = {entry["stage"]: entry["status"] for entry in plan.stages}
    if plan.stages:
        frames["stages"] = _stages(plan)
        entries.append(file_entry(Path(mapping), Path(mapping).name, "stages", len(plan.stages), len(plan.stages), 0, 0))
    for one in sorted(plan.tables, key=lambda entry: list(tables.TABLES).index(entry.table)):
        path = locate(source, one.file)
        loaded = _load(path, one, plan, statuses)
        faults = loaded.quarantine[loaded.quarantine["code"] != checks.IGNORED]
        refuse_too_many(path, loaded.entry["read"], faults, loaded.won, max_rejected)
        frames[one.table] = loaded.accepted
        entries.append(loaded.entry)
        aliases += loaded.aliases
        quarantine.append(loaded.quarantine)
        if one.table == "stages":
            statuses = dict(zip(loaded.accepted["stage"], loaded.accepted["status"], strict=True))
    known_until = _known_until(frames, plan.timezone, mapping, as_of)
    frames, deduced = history.with_creations(frames, plan.timezone)
    for name, frame in frames.items():
        tables.check(name, frame)
    rejected = pd.concat(quarantine, ignore_index=True)
    dataset = {
        "name": plan.name,
        "known_until": str(known_until),
        "timezone": plan.timezone,
        "fiscal_year_end": plan.fiscal_year_end,
        "currency": plan.currency,
        "tracked": history.tracked(frames),
        **deduced,
        "files": entries,
        "aliases": aliases,
        "quarantined": [
            {"table": table, "code": code, "reason": checks.CODES[code], "n": n}
            for (table, code), n in sorted(Counter(zip(rejected["table"], rejected["code"], strict=True)).items())
        ],
    }
    tables.write(Path(to), {**frames, "quarantine": rejected}, dataset, files={"quarantine.csv": quarantine_csv(rejected)})
    return dataset


@dataclass(frozen=True)
class _Loaded:
    """One file after import. `won` holds the won amount per currency: read, and quarantined, signs disregarded."""

    accepted: pd.DataFrame
    quarantine: pd.DataFrame
    entry: dict[str, Any]
    aliases: list[dict[str, Any]]
    won: dict[str, tuple[Decimal, Decimal]]


def _load(path: Path, one: TableMapping, plan: Mapping, statuses: dict[str, str]) -> _Loaded:
    """One file read, cast, checked and split into accepted, quarantined and duplicate rows."""
    records, written = _text(path, one)
    findings = checks.Findings(len(written))
    checks.check_text(findings, written)
    text, aliases = _counted_as(written, one, statuses)
    checks.check_required(findings, one.table, text)
    checks.check_ids(findings, one.table, text)
    if one.table == "opportunities" and "stage" in text:
        unknown = (text["stage"].notna() & ~text["stage"].isin(statuses)).to_numpy()
        findings.value(unknown, "E_STAGE_UNKNOWN", "stage", text["stage"])
    frame = _typed(findings, text, one, plan, statuses)
    key = list(tables.TABLES[one.table].key)
    if one.table == "opportunities":
        checks.check_deals(findings, frame, statuses, plan.timezone)
    # A number the importer itself gave to a change does not tell two changes apart.
    compared = frame.drop(columns=[column for column in key if column == "change_no" and column not in text])
    duplicate = checks.find_duplicates(findings, compared, [column for column in key if column in compared])
    bad = ~findings.sound
    if one.table == "opportunity_history" and len(bad) and (findings.code == checks.IGNORED).all():
        raise _nothing_tracked(path, written["field"])
    accepted = frame[~bad & ~duplicate].reset_index(drop=True)
    entry = file_entry(path, path.name, one.table, len(frame) + len(records.odd), len(accepted),
                   int(bad.sum()) + len(records.odd), int(duplicate.sum()))  # fmt: skip
    if "amount" in text:
        parts = {"read": frame, "accepted": accepted, "quarantined": frame[bad], "duplicates": frame[duplicate]}
        entry["amount"] = {name: totals(part) for name, part in parts.items()}
    assert_whole(entry, path)
    won = {}
    if one.table == "opportunities":
        closed = (frame["status"] == "won").to_numpy()
        size = frame.assign(amount=frame["amount"].abs())  # a credit note must not offset what is lost
        lost = totals(size[closed & bad])
        won = {c: (Decimal(total), Decimal(lost.get(c, "0"))) for c, total in totals(size[closed]).items()}
    return _Loaded(accepted, _quarantine(path, one, records, findings), entry, aliases, won)


def _nothing_tracked(path: Path, written: pd.Series) -> DataRefused:
    """The refusal of a history without any field that is read: its field names have to be mapped."""
    found = written.value_counts().index
    shown = ", ".join(found[:20]) + (f" and {len(found) - 20} more" if len(found) > 20 else "")
    what = f"no row changes a field that is read; fields found: {shown}; valid: {', '.join(tables.TRACKED)}"
    return DataRefused(what, f"{path}, table opportunity_history", "map them under `values`")


def _text(path: Path, one: TableMapping) -> tuple[Records, pd.DataFrame]:
    """The mapped columns under canonical names, all text as written; constants and the company's own columns too."""
    where: dict[str, int] = {}

    def choose(header: list[str]) -> list[int]:
        where.update({column: find_column(header, names, str(path)) for column, names in one.columns.items()})
        where.update({column: find_column(header, (column,), str(path)) for column in one.extra})
        return sorted(set(where.values()))

    records = read_records(path, one.profile, choose)
    if one.table == "opportunities" and not len(records.lines) and not records.odd:
        raise DataRefused("the file holds a header and no rows", str(path), "export it again")
    cells = {i: pd.Series(cell, dtype="str") for i, cell in records.cells.items()}
    columns = {column: cells[i] for column, i in where.items()}
    constants = {c: pd.Series([value] * len(records.lines), dtype="str") for c, value in one.constants.items()}
    return records, pd.DataFrame({**columns, **constants})


def _counted_as(
    written: pd.DataFrame, one: TableMapping, statuses: dict[str, str]
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """The text with spellings replaced as the mapping says, and how often each was; stages as the list spells them."""
    text = written.copy()
    for column, pairs in one.values.items():
        if column in text:
            counted = text[column].map(pairs)
            text[column] = counted.where(text[column].isin(pairs), text[column]).replace("", None).astype("str")
    if one.table == "opportunities" and "stage" in text:
        text["stage"] = checks.stage_names(text["stage"], statuses)
    aliases = []
    for column in map(str, text):
        changed = written[column].notna() & (text[column].isna() | (text[column] != written[column]))
        uses = Counter(zip(written.loc[changed, column], text.loc[changed, column].fillna(""), strict=True))
        aliases += [
            {"table": one.table, "column": column, "written": spelling, "counted_as": counted, "n": n}
            for (spelling, counted), n in sorted(uses.items())
        ]
    return text, aliases


def _typed(
    findings: checks.Findings, text: pd.DataFrame, one: TableMapping, plan: Mapping, statuses: dict[str, str]
) -> pd.DataFrame:
    """The canonical table of all rows; what cannot be read is missing and has its finding."""
    spec = tables.TABLES[one.table]
    if one.table == "opportunity_history":
        text = _history(findings, text, one, plan, statuses)
    columns = {column: text[column] for column in one.extra}
    blank = tables.empty(one.table)
    for column in spec.columns:
        if column.name not in text:
            columns[column.name] = blank[column.name].reindex(text.index)
        else:
            read = cast(column.kind, text[column.name], one.profile, plan.timezone, column.choices)
            for code, mask in read.wrong.items():
                ignored = (one.table, column.name) == ("opportunity_history", "field")
                code = checks.IGNORED if ignored else code
                findings.value(mask, code, column.name, text[column.name], checks.valid_values(column))
            columns[column.name] = read.values
    if one.table == "opportunities" and "status" not in text:
        columns["status"] = columns["stage"].map(statuses)
    if one.table == "opportunity_history" and "change_no" not in text:
        columns["change_no"] = pd.Series(np.arange(1, len(text) + 1))
    return tables.conform(one.table, pd.DataFrame(columns, index=text.index))


def _history(
    findings: checks.Findings, text: pd.DataFrame, one: TableMapping, plan: Mapping, statuses: dict[str, str]
) -> pd.DataFrame:
    """Old and new values written canonically: stages as listed, amounts as 1234.50, days as 2026-09-30."""
    text = text.copy()
    changed = tables.TABLES["opportunity_history"].column("field")
    fields = cast("choice", text["field"], one.profile, plan.timezone, changed.choices).values
    for name, column, values in checks.tracked_values(text, fields):
        rows, values = values.index.to_numpy(), values.reset_index(drop=True)
        if name == "stage":
            canonical = checks.stage_names(values, statuses)
            wrong = {"E_STAGE_UNKNOWN": (canonical.notna() & ~canonical.isin(statuses)).to_numpy()}
        else:
            spec = tables.TABLES["opportunities"].column(name)
            read = cast(spec.kind, values, one.profile, plan.timezone, spec.choices)
            canonical, wrong = history.canonical_text(name, read.values), read.wrong
        for code, mask in wrong.items():
            everywhere = np.zeros(len(text), dtype=bool)
            everywhere[rows[mask]] = True
            valid = checks.valid_values(tables.TABLES["opportunities"].column(name))
            findings.value(everywhere, code, f"{column} of {name}", text[column], valid)
        text.loc[rows, column] = canonical.to_numpy()
    return text


def _quarantine(path: Path, one: TableMapping, records: Records, findings: checks.Findings) -> pd.DataFrame:
    """Rejected rows in the order of the file, one row each, with the text the file holds at that place."""
    width = len(records.header)
    rows = [(*records.lines[row], findings.code[row], findings.reason[row]) for row in np.flatnonzero(~findings.sound)]
    rows += [(first, last, "E_FIELD_COUNT", f"{n} fields, the header has {width}") for first, last, n in records.odd]
    rows.sort(key=lambda row: row[0])
    texts = original_records(path, one.profile, [row[:2] for row in rows]) if rows else {}
    return pd.DataFrame(
        [(path.name, str(first), one.table, code, reason, texts[first]) for first, _, code, reason in rows],
        columns=list(QUARANTINE),
        dtype="str",
    )


def _stages(plan: Mapping) -> pd.DataFrame:
    return tables.conform("stages", pd.DataFrame(plan.stages, columns=tables.TABLES["stages"].names))


def _known_until(frames: dict[str, pd.DataFrame], timezone: str, mapping: Path, as_of: dt.date | None) -> dt.date:
    """The day up to which the data is known: the given one, else the export's latest; never earlier than that."""
    latest = _latest_day(frames, timezone)
    known = as_of or latest
    if known is None:
        raise UsageError("the export does not say up to which day it is known", str(mapping), "give --as-of YYYY-MM-DD")
    if latest is not None and known < latest:
        do = f"leave --as-of out and give it to `revops run`, or give {latest}"
        raise UsageError(f"the export reaches to {latest}, asked as of {known}", str(mapping), do)
    return known


def _latest_day(frames: dict[str, pd.DataFrame], timezone: str) -> dt.date | None:
    """The latest day something was created, changed or closed; None when the export dates nothing."""
    days = []
    if "opportunities" in frames:
        deals = frames["opportunities"]
        days += [periods.local_day(deals["created_at"], timezone).max()]
        days += [_last_closing(deals.loc[deals["status"].isin(["won", "lost"]), "close_date"])]
    if "opportunity_history" in frames:
        days += [periods.local_day(frames["opportunity_history"]["changed_at"], timezone).max()]
    known = [day for day in days if pd.notna(day)]
    return max(known).date() if known else None


def _last_closing(closed: pd.Series) -> pd.Timestamp:
    """The last of three closings within thirty days, so that one mistyped future date does not move it.

    Where no three lie that close together nothing tells a mistyped date: the latest closing. NaT without any.
    """
    closed = closed.dropna().sort_values()
    dense = closed[(closed - closed.shift(2)).dt.days <= 30]
    return (dense if len(dense) else closed).max()
