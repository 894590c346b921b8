"""An export becomes a dataset: read as text, renamed, cast, checked, written whole. Nothing disappears.

Every record of every file ends in exactly one place: accepted, quarantined with a code, or removed as an exact
duplicate.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from .. import __version__, periods, privacy, tables
from ..errors import DataRefused, UsageError
from ..privacy import People
from . import copies, history, people, pseudonyms, remarks
from .codes import REMARKS, ROWS, refusal
from .dataset import QUARANTINE, changing, previous, quarantine_csv, read_fixes, refuse_foreign, rejected_beside
from .loading import Loaded, Loading, load
from .mapping import Mapping, TableMapping, read_mapping
from .members import Member, absent, locate
from .reconcile import MAX_REJECTED, file_entry, refuse_too_many

# A table is read after those it names, so that what it names can be looked up.
_ORDER = ("stages", "fx_rates", "account_merges", "products", "reps", "accounts", "contacts", "opportunities")


def import_export(
    mapping: Path,
    source: Path,
    to: Path,
    *,
    as_of: dt.date | None = None,
    max_rejected: float = MAX_REJECTED,
    fixed: Path | None = None,
    keep_copy: bool = False,
    named: bool = False,
    progress: Callable[[str], None] = lambda line: None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Import the export in `source` (a folder, workbook or database), as `mapping` describes it, into dataset folder `to`.

    Returns the content of its dataset.json. Rejected rows go to `quarantine.parquet` and `quarantine.csv` beside the
    tables, one row each with file, line, code, reason and original text; `fixed` is such a CSV with `record` corrected: each
    of its records takes the place of the one at its line, so that it comes in exactly once. `as_of` is the day the export was
    made: what is recorded later is rejected; without it the data are known up to the latest day an opportunity was created,
    closed or changed. Creation rows that the history lacks are deduced (`history`); an export without history gets one from
    the dated copies that `keep_copy` stores in the dataset (`copies`). People get pseudonyms unless `named` or the mapping says
    otherwise (`people`). `progress` is told what is being read, `say` what somebody has to know.

    The folder is replaced as a whole or not at all; the same files give the same bytes, and importing what is there already
    changes nothing (`is_unchanged` in the answer).

    Raises UsageError for a wrong mapping, folder or key, DataRefused for a file that cannot be read without guessing or of
    which more than `max_rejected` of the rows are rejected (or more than 1 % of the won amount; of that, too, at most
    `max_rejected` once a caller raises it; the rejected rows then lie in `<to>.rejected.csv`), CannotWrite (also when `to`
    holds a dataset of another name), Locked when somebody else changes the folder, and IntegrityError when accepted +
    quarantined + duplicates is not what was read.
    """
    plan, source, to = read_mapping(mapping), Path(source), Path(to)
    if not 0 <= max_rejected <= 1:
        raise UsageError(f"{max_rejected} is not a share", "max_rejected", "give a number from 0 to 1")
    fixes = read_fixes(fixed) if fixed else {}
    members = _members(plan, source)
    with changing(to, "snapshot" if keep_copy else "import"):
        refuse_foreign(to, plan.name)
        entries = [_entry(member, one) for one, member in members]
        there = people.of_dataset(to)
        who = people.to_call(there, to, named or plan.is_named, say)
        identity = _identity(Path(mapping), entries, as_of, max_rejected, fixed, keep_copy, who)
        before = previous(to)
        if before and before.get("import_id") == identity:
            return {**before, "is_unchanged": True}
        whole = _read(plan, members, entries, as_of, fixes, progress)
        _refuse(whole, to, max_rejected)
        known_until = _known_until(whole.frames, plan.timezone, Path(mapping), as_of)
        frames, change = pseudonyms.called(whole.frames, who)
        earlier = people.copies_called(there, to, who)
        frames, dated = _with_history(frames, earlier, to, known_until, plan.timezone)
        for name, frame in frames.items():
            tables.check(name, frame)
        kept = earlier | (copies.copy_of(frames, known_until) if keep_copy else {})
        dataset = {
            "name": plan.name,
            "known_until": str(known_until),
            "timezone": plan.timezone,
            "fiscal_year_end": plan.fiscal_year_end,
            "currency": plan.currency,
            "tracked": history.tracked(frames),
            **dated,
            **whole.told,
            "aliases": pseudonyms.aliases(whole.told["aliases"], change),
            **people.told(who),
            "import_id": identity,
            **({"previous": _told_before(before)} if before else {}),
            **({"copies": sorted(Path(name).stem for name in kept)} if kept else {}),
        }
        rejected = pseudonyms.without(whole.quarantine, change, who)
        progress(f"writing {to}")
        tables.write(to, {**frames, "quarantine": rejected}, dataset, {"quarantine.csv": quarantine_csv(rejected), **kept})
        return dataset


def explain(mapping: Path, source: Path) -> dict[str, Any]:
    """How an import would read the export, without writing anything: `files` of the dataset.json it would write.

    Each entry says, beside the counts: `columns` (canonical column: column of the file), `constants`, `lacking` (canonical
    columns the file lacks), `unmapped` (columns of the file nothing reads), `read_as` (encoding, separator) and `notation` (how
    numbers and dates of a column are read).
    """
    plan = read_mapping(mapping)
    members = _members(plan, Path(source))
    whole = _read(plan, members, [_entry(member, one) for one, member in members], None, {}, lambda line: None)
    return {"name": plan.name, **whole.told, "optional": _left_out(plan, members)}


def reveal(mapping: Path, source: Path, asked: list[str]) -> pd.DataFrame:
    """Who stands behind pseudonyms, for the holder of the key; read from the export again, nothing is written.

    One row per person: pseudonym, kind (the table whose key it is), identifier. Raises UsageError for a missing key, and for a
    pseudonym that is of nobody in this export.
    """
    who = People(privacy.key(make=False))
    plan = read_mapping(mapping)
    members = _members(plan, Path(source))
    whole = _read(plan, members, [_entry(member, one) for one, member in members], None, {}, lambda line: None)
    found = {who.pseudonym(kind, one): (kind, one) for kind, ids in pseudonyms.identifiers(whole.frames).items() for one in ids}
    for pseudonym in asked:
        if pseudonym not in found:
            do = "give a pseudonym made with this key from this export"
            raise UsageError(f"{pseudonym!r} is nobody of this export", str(source), do)
    return pd.DataFrame([(one, *found[one]) for one in asked], columns=["pseudonym", "kind", "identifier"])


@dataclass
class _Whole:
    """All files of an export after reading. `told`: what dataset.json says of them."""

    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    loaded: list[tuple[Member, Loaded]] = field(default_factory=list)
    quarantine: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(QUARANTINE), dtype="str"))
    told: dict[str, Any] = field(default_factory=dict)


def _members(plan: Mapping, source: Path) -> list[tuple[TableMapping, Member]]:
    """What feeds each table, in the order of reading. Raises DataRefused when a file that must be there is not."""
    if not source.exists():
        raise UsageError("the folder of the export does not exist", str(source), "correct --from")
    order = [*_ORDER, *(name for name in tables.TABLES if name not in _ORDER)]
    found = []
    for one in sorted(plan.tables, key=lambda entry: order.index(entry.table)):
        member = locate(source, one.file, one.sheet)
        if member is None and "" not in one.optional:
            raise absent(source, one.file)
        if member is not None:
            found.append((one, member))
    if not found:
        raise absent(source, [name for one in plan.tables for name in one.file[:1]])
    return found


def _left_out(plan: Mapping, members: list[tuple[TableMapping, Member]]) -> list[dict[str, Any]]:
    """Tables the mapping knows and the export lacks."""
    there = [id(one) for one, _ in members]
    return [{"table": one.table, "file": list(one.file)} for one in plan.tables if id(one) not in there]


def _entry(member: Member, one: TableMapping) -> dict[str, Any]:
    return file_entry(member.path, member.name, one.table)


def _identity(
    mapping: Path, entries: list[dict[str, Any]], as_of: dt.date | None, max_rejected: float, fixed: Path | None, copy: bool,
    who: People,
) -> str:  # fmt: skip
    """Equal for equal files, mapping, options and library: the same import again changes nothing."""
    parts = [__version__, mapping.read_bytes().hex(), str(as_of), str(max_rejected), str(copy)]
    parts += [f"{entry['table']} {entry['file']} {entry['sha256']}" for entry in entries]
    parts += [fixed.read_bytes().hex() if fixed else "", "named" if who.is_named else who.fingerprint]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _read(
    plan: Mapping,
    members: list[tuple[TableMapping, Member]],
    entries: list[dict[str, Any]],
    as_of: dt.date | None,
    fixes: dict[tuple[str, str, str], dict[int, str]],
    progress: Callable[[str], None],
) -> _Whole:
    """Every file read, cast, checked and split into accepted, quarantined and duplicate rows."""
    whole = _Whole()
    loading = Loading(plan, periods.cutoff(as_of, plan.timezone) if as_of else None)
    files, aliases, aside, remarked = [], [], [whole.quarantine], Counter[tuple[str, str]]()
    if plan.stages and not any(one.table == "stages" for one, _ in members):
        whole.frames["stages"] = tables.conform("stages", pd.DataFrame(plan.stages, columns=tables.TABLES["stages"].names))
        n = len(plan.stages)
        entry = file_entry(plan.path, plan.path.name, "stages")
        files.append(entry | {"read": n, "accepted": n, "quarantined": 0, "duplicates": 0})
        loading.know("stages", whole.frames["stages"])
    for (one, member), entry in zip(members, entries, strict=True):
        progress(f"reading {member.name} → {one.table}")
        loaded = load(member, one, loading, entry, fixes.pop((member.name, one.table, entry["sha256"][:12]), {}))
        frame = loaded.accepted
        if one.table in whole.frames:
            frame = pd.concat([whole.frames[one.table], frame], ignore_index=True)
            _refuse_again(frame, one.table, member)
        whole.frames[one.table] = frame
        loading.know(one.table, frame)
        whole.loaded.append((member, loaded))
        files.append(loaded.entry)
        aliases += loaded.aliases
        aside.append(loaded.quarantine)
        remarked.update(loaded.remarks)
    if fixes:
        file, table, _ = next(iter(fixes))
        what = f"the corrected quarantine is not of this export: {file} → {table} is another file now, or was not read"
        raise UsageError(what, "--fixed", "correct the quarantine of this very import")
    remarked.update(remarks.of_history(whole.frames))
    remarked.update(remarks.of_currencies(whole.frames, plan.currency))
    whole.quarantine = pd.concat(aside, ignore_index=True)
    counted = Counter(zip(whole.quarantine["table"], whole.quarantine["code"], strict=True))
    whole.told = {
        "files": files,
        "aliases": aliases,
        "quarantined": [{"table": t, "code": c, "reason": ROWS[c], "n": n} for (t, c), n in sorted(counted.items())],
        "remarks": [{"table": t, "code": c, "meaning": REMARKS[c], "n": n} for (t, c), n in sorted(remarked.items()) if n],
    }
    return whole


def _refuse_again(frame: pd.DataFrame, table: str, member: Member) -> None:
    """DataRefused when a file repeats the key of an earlier file of the same table."""
    key = list(tables.TABLES[table].key)
    again = frame.duplicated(key)
    if again.any():
        first = frame.loc[again, key[0]].iloc[0]
        what = f"{int(again.sum())} rows are in an earlier file of {table}, too; the first is {first!r}"
        raise refusal("E_DUP_CONFLICT", what, member.where, "export every record once, or leave rows out with `skip`")


def _refuse(whole: _Whole, to: Path, max_rejected: float) -> None:
    """DataRefused for the first file too much of which is rejected; the rejected rows of all are then laid beside `to`."""
    try:
        for member, loaded in whole.loaded:
            faults = loaded.quarantine[loaded.quarantine["code"].str.startswith("E_")]
            refuse_too_many(member.where, loaded.entry["read"], faults, loaded.won, max_rejected)
    except DataRefused as refused:
        beside = rejected_beside(to, whole.quarantine)
        do = f"correct the export or the mapping, or the records in {beside} (then --fixed {beside.name}), or {refused.do}"
        raise DataRefused(refused.what, refused.where, do) from refused


def _with_history(
    frames: dict[str, pd.DataFrame], kept: dict[str, bytes], to: Path, known_until: dt.date, timezone: str
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables with the history that dated copies give an export without one, and the creation rows a history lacks."""
    if not history.tracked(frames) and "opportunities" in frames:
        frames, dated = copies.with_history(frames, kept, to, known_until, timezone)
        if dated:
            return frames, dated
    return history.with_creations(frames, timezone)


def _told_before(before: dict[str, Any]) -> dict[str, Any]:
    """What the next quality report needs of the import that is being replaced."""
    counts: Counter[str] = Counter()
    won: dict[str, Decimal] = {}
    for file in before["files"]:
        counts[file["table"]] += file["accepted"]
        for currency, amount in file.get("amount", {}).get("accepted", {}).items():
            won[currency] = won.get(currency, Decimal(0)) + Decimal(amount)
    amounts = {currency: str(amount) for currency, amount in sorted(won.items())}
    return {"known_until": before["known_until"], "accepted": dict(sorted(counts.items())), "amount": amounts}


def _known_until(frames: dict[str, pd.DataFrame], timezone: str, mapping: Path, as_of: dt.date | None) -> dt.date:
    """The day up to which the data is known: the given one, else the export's latest."""
    known = as_of or _latest_day(frames, timezone)
    if known is None:
        raise UsageError("the export does not say up to which day it is known", str(mapping), "give --as-of YYYY-MM-DD")
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
    if not known:  # no opportunity dates the export: whatever else was created does
        dated = [(name, tables.TABLES[name].known_at) for name in frames if tables.TABLES[name].known_at]
        instants = [frames[n][at] for n, at in dated if at and tables.TABLES[n].column(at).kind == "instant"]
        known = [day for at in instants if pd.notna(day := periods.local_day(at, timezone).max())]
    return max(known).date() if known else None


def _last_closing(closed: pd.Series) -> pd.Timestamp:
    """The last of three closings within thirty days, so that one mistyped future date does not move it.

    Where no three lie that close together nothing tells a mistyped date: the latest closing. NaT without any.
    """
    closed = closed.dropna().sort_values()
    dense = closed[(closed - closed.shift(2)).dt.days <= 30]
    return (dense if len(dense) else closed).max()
