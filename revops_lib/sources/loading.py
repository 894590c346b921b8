"""One file of an export: its records as text, renamed, counted as the mapping says, cast, checked and split.

`Loading` is what earlier files of the same import have taught: stages, merged accounts, who and what is there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from .. import tables
from . import checks, history, remarks, sniff
from .cast import Cast, cast, salesforce_ids
from .codes import refusal
from .dataset import QUARANTINE
from .formulas import as_written
from .mapping import FLAGS, Mapping, TableMapping, find_column, fold, has_column
from .members import Member
from .reconcile import assert_whole, totals
from .records import Records
from .sniff import Notation

_FOLDED = ("stage", "status", "currency", "forecast_category", "field", *FLAGS)  # spelled alike whatever the case


@dataclass
class Loading:
    """What is known of the export so far. `end`: the instant at which the day of the export ended, where it is declared."""

    plan: Mapping
    end: pd.Timestamp | None
    statuses: dict[str, str] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)  # every spelling of a stage, ids included -> its name
    merged: dict[str, str] = field(default_factory=dict)  # account that is gone -> the one it became in the end
    keys: dict[str, pd.Series] = field(default_factory=dict)
    aliases: dict[str, dict[str, str]] = field(default_factory=dict)  # of opportunities, for the values of their history
    dated: set[str] = field(default_factory=set)

    def know(self, table: str, frame: pd.DataFrame) -> None:
        """Take in a table that was read."""
        self.keys[table] = frame[tables.TABLES[table].key[0]]
        if table == "stages":
            self.statuses = dict(zip(frame["stage"], frame["status"], strict=True))
            self.stages = {name: name for name in self.statuses}
            if "stage_id" in frame:
                self.stages |= {key: name for key, name in zip(frame["stage_id"], frame["stage"], strict=True) if pd.notna(key)}
        elif table == "account_merges":
            self.merged = _survivors(dict(zip(frame["old_id"], frame["new_id"], strict=True)))
        elif table == "opportunity_history":
            self.dated |= set(frame["field"].unique()) & set(tables.TRACKED)


@dataclass(frozen=True)
class Loaded:
    """One file after import. `won` holds the won amount per currency: read, and quarantined, signs disregarded."""

    accepted: pd.DataFrame
    quarantine: pd.DataFrame
    entry: dict[str, Any]
    aliases: list[dict[str, Any]]
    won: dict[str, tuple[Decimal, Decimal]]
    remarks: Counter[tuple[str, str]]


def load(member: Member, one: TableMapping, loading: Loading, entry: dict[str, Any], fixes: dict[int, str]) -> Loaded:
    """One file read, cast, checked and split into accepted, quarantined and duplicate rows."""
    records, written, skipped, where = _text(member, one, fixes)
    if one.table == "opportunities":
        loading.aliases = {**loading.aliases, **one.values}
    findings = checks.Findings(len(written))
    findings.add(skipped, "W_ROW_SKIPPED", lambda row: "left out as the mapping's `skip` says")
    checks.check_header(findings, written, {column: records.header[i] for column, i in where.items()})
    checks.check_text(findings, written)
    text, aliases = _counted_as(written, one, loading)
    checks.check_required(findings, one.table, text, one.required, "status" in one.fill)
    checks.check_ids(findings, one.table, text)
    if one.table == "opportunities" and "stage" in text:
        checks.check_stages(findings, text, loading.stages)
    noted: Counter[str] = Counter()
    frame, notation = _typed(findings, text, one, loading, member.where, noted)
    _check_row(findings, frame, text, one, loading)
    key = list(tables.TABLES[one.table].key)
    # A number the importer itself gave to a row does not tell two rows apart.
    compared = frame.drop(columns=[column for column in key if column in tables.NUMBERED.values() and column not in text])
    duplicate = checks.find_duplicates(findings, compared, [column for column in key if column in compared])
    bad = ~findings.sound
    accepted = frame[~bad & ~duplicate].reset_index(drop=True)
    entry = {
        **entry,
        "read": records.n,
        "accepted": len(accepted),
        "quarantined": int(bad.sum()) + len(records.odd),
        "duplicates": int(duplicate.sum()),
        **_explained(records, where, one, notation),
    }
    if "amount" in frame and "currency" in frame:
        parts = {"read": frame, "accepted": accepted, "quarantined": frame[bad], "duplicates": frame[duplicate]}
        entry["amount"] = {name: totals(part) for name, part in parts.items()}
    assert_whole(entry, member.where)
    sound = pd.Series(~bad & ~duplicate)
    noted.update(remarks.of_rows(one.table, frame[sound], text[sound]))
    noted.update({"W_ENCODING_GUESSED": int(records.is_guessed), "W_DUP_EXACT": int(duplicate.sum())})
    noted.update({"W_ACCOUNT_MERGED": sum(alias["n"] for alias in aliases if alias.get("merged"))})
    return Loaded(
        accepted=_long(accepted, one, loading, member),
        quarantine=_quarantine(member, one, records, findings, entry["sha256"][:12]),
        entry=entry,
        aliases=aliases,
        won=_won(frame[~skipped], bad[~skipped]) if one.table == "opportunities" else {},
        remarks=Counter({(one.table, code): n for code, n in noted.items() if n}),
    )


# --- text ------------------------------------------------------------------------------------------------------------


def _text(member: Member, one: TableMapping, fixes: dict[int, str]) -> tuple[Records, pd.DataFrame, np.ndarray, dict[str, int]]:
    """The mapped columns under canonical names, all text as written; constants and the company's own columns too.

    Also the records themselves, the rows the mapping skips, and where each column stands.
    """
    where: dict[str, int] = {}
    skip: dict[str, int] = {}

    def choose(header: list[str]) -> list[int]:
        own = {column: (column,) for column in one.extra}
        for column, names in {**one.columns, **one.fields, **own}.items():
            if column not in one.optional or has_column(header, names):
                where[column] = find_column(header, names, member.where)
        skip.update({name: find_column(header, (name,), member.where) for name in one.skip if has_column(header, (name,))})
        if one.entered:
            where.update({name: i for i, name in enumerate(header) if fold(name).startswith(fold(one.entered))})
        return sorted({*where.values(), *skip.values()})

    records = member.records(one.profile, choose, one.wanted).corrected(fixes, member.where)
    if one.table == "opportunities" and not records.n:
        raise refusal("E_EMPTY", "the file holds a header and no rows", member.where, "export it again")
    n = len(records.lines)
    columns = {column: records.cells[i] for column, i in where.items()}
    if member.is_spreadsheet:
        columns = {column: as_written(text) for column, text in columns.items()}
    constants = {c: pd.Series([value] * n, dtype="str") for c, value in one.constants.items()}
    for name in (spec.name for spec in tables.TABLES[one.table].columns if spec.kind == "id" and spec.name in columns):
        if one.profile.ids == "salesforce":
            columns[name] = salesforce_ids(columns[name])
    skipped = np.zeros(n, dtype=bool)
    for name, i in skip.items():
        skipped |= records.cells[i].fillna("").map(fold).isin(one.skip[name]).to_numpy()
    return records, pd.DataFrame({**columns, **constants}, index=range(n)), skipped, where


def _counted_as(written: pd.DataFrame, one: TableMapping, loading: Loading) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """The text with spellings replaced as the mapping says, and how often each was; stages as the list spells them."""
    text = written.copy()
    for column, value in one.fill.items():
        if column in text:
            text[column] = text[column].fillna(value)
        elif column in one.columns:
            text[column] = pd.Series([value] * len(text), index=text.index, dtype="str")
    for column, pairs in one.values.items():
        if column in text:
            text[column] = _replaced(text[column], pairs, folded=column in _FOLDED)
    if one.table == "opportunities" and "stage" in text:
        text["stage"] = checks.stage_names(text["stage"], loading.stages)
    if one.table == "opportunity_history" and "field" in text:
        text["field"] = _replaced(text["field"], {name: name for name in tables.TRACKED}, folded=True)
    gone: set[str] = set()
    for spec in tables.TABLES[one.table].columns:
        if spec.references == "accounts" and spec.name in text and loading.merged:
            gone.add(spec.name)
            text[spec.name] = _replaced(text[spec.name], loading.merged)
    aliases = []
    for column in map(str, text):
        if column not in written:
            continue
        changed = written[column].notna() & (text[column].isna() | (text[column] != written[column]))
        uses = Counter(zip(written.loc[changed, column], text.loc[changed, column].fillna(""), strict=True))
        for (spelling, counted), n in sorted(uses.items()):
            merged = {"merged": True} if column in gone and spelling in loading.merged else {}
            aliases.append({"table": one.table, "column": column, "written": spelling, "counted_as": counted, "n": n, **merged})
    return text, aliases


def _replaced(text: pd.Series, pairs: dict[str, str], folded: bool = False) -> pd.Series:
    """Spellings replaced; where `folded`, upper and lower case, spaces and underscores do not matter."""
    alike = {fold(spelling): counted for spelling, counted in pairs.items()} if folded else {}
    known = {}
    for spelling in text.dropna().unique():
        if spelling in pairs:
            known[spelling] = pairs[spelling]
        elif folded and fold(spelling) in alike:
            known[spelling] = alike[fold(spelling)]
    if not known:
        return text
    return text.map(known).where(text.isin(list(known)), text).replace("", None).astype("str")


def _survivors(merged: dict[str, str]) -> dict[str, str]:
    """Every account that is gone with the one at the end of its chain. Raises DataRefused for a chain that runs in a circle."""
    found = {}
    for gone in merged:
        at, seen = gone, {gone}
        while at in merged:
            at = merged[at]
            if at in seen:
                chain = " → ".join([*sorted(seen), at])
                raise refusal("E_MERGE_CIRCLE", f"accounts merged in a circle: {chain}", "table account_merges", "correct it")
            seen.add(at)
        found[gone] = at
    return found


# --- types -----------------------------------------------------------------------------------------------------------


def _typed(
    findings: checks.Findings, text: pd.DataFrame, one: TableMapping, loading: Loading, where: str, noted: Counter[str]
) -> tuple[pd.DataFrame, dict[str, Notation]]:
    """The canonical table of all rows, and the notation of its columns; what cannot be read is missing and has its finding.

    A history that holds the value of fields at each row keeps one column per field here.
    """
    spec = tables.TABLES[one.table]
    kinds = {column.name: column for column in spec.columns if column.name in text}
    kinds |= {name: tables.TABLES["opportunities"].column(name) for name in one.fields if name in text}
    kinds |= {flag: tables.Column(flag, "bool", "") for flag in FLAGS if flag in text}
    entered = [name for name in text if one.entered and fold(name).startswith(fold(one.entered))]
    kinds |= {name: tables.Column(name, "instant", "") for name in entered}
    logged = _logged(text, one)
    # A row that is set aside already decides nothing about how the others are to be read.
    sound = pd.Series(findings.sound, index=text.index)
    parts = [sniff.Column(name, column.kind, text.loc[sound, name]) for name, column in kinds.items()]
    parts += [sniff.Column(label, column.kind, values[sound[values.index]]) for label, column, values, _ in logged]
    found = sniff.notations(parts, one.profile, loading.plan.timezone, where)
    notation = dict(zip([part.name for part in parts], found, strict=True))
    columns: dict[str, pd.Series] = {column: text[column] for column in one.extra if column in text}
    for name, column in kinds.items():
        if (name in one.fields or name in entered) and name == "stage":
            columns[name] = _stage(findings, name, text[name], loading)
            continue
        values = (
            _replaced(text[name], loading.aliases.get(name, {}), folded=name in _FOLDED) if name in one.fields else text[name]
        )
        read = _cast(column, values, notation[name], one, loading)
        for code, mask in read.wrong.items():
            findings.value(mask, code, name, text[name], checks.valid_values(column))
        noted.update({code: int(mask.sum()) for code, mask in read.noted.items()})
        columns[name] = read.values
    for label, column, values, target in logged:
        columns[target] = _log_value(findings, columns.get(target, text[target]), column, values, notation[label], one, loading,
                                     f"{target} of {column.name}", text[target])  # fmt: skip
    return _shaped(columns, text, one, loading, findings, entered), notation


def _cast(column: tables.Column, text: pd.Series, notation: Notation, one: TableMapping, loading: Loading) -> Cast:
    choices = loading.plan.currencies if column.kind == "currency" else column.choices
    return cast(column.kind, text, notation, loading.plan.timezone, choices, percent=column.name in one.percent)


def _logged(text: pd.DataFrame, one: TableMapping) -> list[tuple[str, tables.Column, pd.Series, str]]:
    """Old and new values of a history, field by field: label, column of opportunities, text at its rows, column here."""
    if one.table != "opportunity_history" or "field" not in text:
        return []
    deals = tables.TABLES["opportunities"]
    return [
        (f"{column} of {name}", deals.column(name), values, column)
        for name, column, values in checks.tracked_values(text, text["field"])
    ]


def _log_value(
    findings: checks.Findings, so_far: pd.Series, column: tables.Column, values: pd.Series, notation: Notation,
    one: TableMapping, loading: Loading, label: str, written: pd.Series,
) -> pd.Series:  # fmt: skip
    """A value column of a history with the rows of one field written canonically: amounts as 1234.50, days as 2026-09-30."""
    rows, values = values.index.to_numpy(), values.reset_index(drop=True)
    values = _replaced(values, loading.aliases.get(column.name, {}), folded=column.name in _FOLDED)
    if column.name == "stage":
        canonical = checks.stage_names(values, loading.stages)
        wrong = {"E_STAGE_UNKNOWN": (canonical.notna() & ~canonical.isin(loading.statuses)).to_numpy()}
    else:
        read = _cast(column, values, notation, one, loading)
        canonical, wrong = history.canonical_text(column.name, read.values), read.wrong
    for code, mask in wrong.items():
        everywhere = np.zeros(len(written), dtype=bool)
        everywhere[rows[mask]] = True
        findings.value(everywhere, code, label, written, checks.valid_values(column))
    so_far = so_far.copy()
    so_far.iloc[rows] = canonical.to_numpy()
    return so_far


def _stage(findings: checks.Findings, name: str, text: pd.Series, loading: Loading) -> pd.Series:
    values = _replaced(text, loading.aliases.get("stage", {}), folded=True)
    canonical = checks.stage_names(values, loading.stages)
    findings.value((canonical.notna() & ~canonical.isin(loading.statuses)).to_numpy(), "E_STAGE_UNKNOWN", name, text)
    return canonical


def _shaped(
    columns: dict[str, pd.Series], text: pd.DataFrame, one: TableMapping, loading: Loading, findings: checks.Findings,
    entered: list[str],
) -> pd.DataFrame:  # fmt: skip
    """The columns as the canonical table, with what follows from others: the status, the number of a row."""
    flags = pd.DataFrame({flag: columns.pop(flag) for flag in FLAGS if flag in columns}, index=text.index)
    if one.table == "opportunities" and "status" not in columns:
        nothing = pd.Series(pd.NA, index=text.index, dtype="str")
        told = columns["stage"].map(loading.statuses).astype("str") if "stage" in columns else nothing
        told = told.fillna(checks.status_of(flags)) if "is_won" in flags else told
        columns["status"] = told.fillna(one.fill["status"]) if "status" in one.fill else told
    if one.table == "stages" and "status" not in columns and "is_won" in flags:
        columns["status"] = checks.status_of(flags)
    elif "is_won" in flags:
        checks.check_flags(findings, flags, columns["status"])
    if one.table == "stages":
        columns["stage"] = _distinct(columns)
    number = tables.NUMBERED.get(one.table)
    if number and number not in text:
        columns[number] = pd.Series(np.arange(1, len(text) + 1), index=text.index)
    frame = pd.DataFrame(columns, index=text.index)
    kept = [*one.fields, *entered]
    wide = frame[[name for name in kept if name in frame]]
    return pd.concat([tables.conform(one.table, frame.drop(columns=list(wide))), wide], axis=1)


def _distinct(columns: dict[str, pd.Series]) -> pd.Series:
    """Names of stages; one that several pipelines share is told apart by its id."""
    name = columns["stage"]
    if "stage_id" not in columns:
        return name
    return name.where(~name.duplicated(keep=False), name + " (" + columns["stage_id"] + ")")


def _long(accepted: pd.DataFrame, one: TableMapping, loading: Loading, member: Member) -> pd.DataFrame:
    """The accepted rows as rows of the canonical table; numbered ones get the numbers after those already read."""
    if one.table == "events" and "events" in loading.keys and "event_no" not in one.columns:
        return _renumbered(accepted, one.table, loading)
    if one.table != "opportunity_history":
        return accepted
    long = history.unfolded(accepted, [*one.fields], one.entered, loading.stages)
    long = long[~long["field"].isin(loading.dated)].reset_index(drop=True)
    if "" not in one.optional and not long["field"].isin(tables.TRACKED).any() and len(long) and not loading.dated:
        raise _nothing_tracked(member, long["field"])
    if one.fields or one.entered or loading.keys.get("opportunity_history") is not None:
        long = _renumbered(long, one.table, loading)
    return history.in_order(long)


def _renumbered(rows: pd.DataFrame, table: str, loading: Loading) -> pd.DataFrame:
    number = tables.NUMBERED[table]
    before = loading.keys.get(table, rows[number][:0])
    start = int(before.max()) if len(before) else 0
    return rows.assign(**{number: pd.array(range(start + 1, start + 1 + len(rows)), dtype="Int64")})


def _nothing_tracked(member: Member, written: pd.Series) -> Exception:
    """The refusal of a history without any field that is read: its field names have to be mapped."""
    found = written.value_counts().index
    shown = ", ".join(found[:20]) + (f" and {len(found) - 20} more" if len(found) > 20 else "")
    what = f"no row changes a field that is read; fields found: {shown}; valid: {', '.join(tables.TRACKED)}"
    return refusal("E_FIELDS_UNKNOWN", what, f"{member.where}, table opportunity_history", "map them under `values`")


def _check_row(findings: checks.Findings, frame: pd.DataFrame, text: pd.DataFrame, one: TableMapping, loading: Loading) -> None:
    """What is wrong between the columns of a row, and between a row and other tables."""
    for column in tables.TABLES[one.table].columns:
        if column.kind == "money" and column.name in text and "currency" in frame:
            checks.check_currencies(findings, column.name, text, frame["currency"])
            checks.check_units(findings, column.name, frame[column.name], frame["currency"])
        if column.name in one.must_exist and str(column.references) in loading.keys:
            checks.check_known(findings, one.table, column.name, frame, loading.keys[str(column.references)])
    if loading.end is not None:
        checks.check_future(findings, one.table, frame, loading.end)
    if one.table == "opportunities":
        checks.check_deals(findings, frame, loading.statuses, loading.plan.timezone)
    if one.table == "opportunity_history" and "field" in text and loading.dated:
        dated = frame["field"].isin(loading.dated).to_numpy()
        findings.add(dated, "W_ALREADY_DATED", lambda row: f"{frame['field'].iat[row]} is dated by an earlier file")


# --- what is left ----------------------------------------------------------------------------------------------------


def _won(frame: pd.DataFrame, bad: np.ndarray) -> dict[str, tuple[Decimal, Decimal]]:
    closed = (frame["status"] == "won").to_numpy()
    size = frame.assign(amount=frame["amount"].abs())  # a credit note must not offset what is lost
    lost = totals(size[closed & bad])
    return {c: (Decimal(total), Decimal(lost.get(c, "0"))) for c, total in totals(size[closed]).items()}


def _quarantine(member: Member, one: TableMapping, records: Records, findings: checks.Findings, digest: str) -> pd.DataFrame:
    """Rejected rows in the order of the file, one row each, with the text the file holds at that place."""
    bad = np.flatnonzero(~findings.sound)
    rows = [(*map(int, records.lines[row]), findings.code[row], findings.reason[row]) for row in bad]
    rows += [(odd.first, odd.last, odd.code, odd.reason) for odd in records.odd]
    rows.sort(key=lambda row: row[0])
    texts = records.original([row[:2] for row in rows]) if rows else {}
    return pd.DataFrame(
        [(member.name, str(first), one.table, code, reason, digest, texts[first]) for first, _, code, reason in rows],
        columns=list(QUARANTINE),
        dtype="str",
    )


def _explained(records: Records, where: dict[str, int], one: TableMapping, notation: dict[str, Notation]) -> dict[str, Any]:
    """How the file was read: columns by canonical name, what nothing reads, notation of numbers and dates."""
    lacking = sorted({*one.columns, *one.fields} - set(where))
    skipped = {fold(name) for name in one.skip}
    read = {column: records.header[i] for column, i in where.items()}
    told = {}
    for name, how in notation.items():
        if how.is_number:
            told[name] = f"decimal {how.decimal}"
        elif how.day_first is not None or how.formats:
            order = {None: "", True: "day first", False: "month first"}[how.day_first]
            told[name] = ", ".join(filter(None, [order, *how.formats]))
    found = {
        "read_as": records.read_as,
        "columns": read,
        "constants": one.constants,
        "lacking": lacking,
        "unmapped": [name for i, name in enumerate(records.header) if i not in where.values() and fold(name) not in skipped],
        "notation": told,
    }
    return {key: value for key, value in found.items() if value}
