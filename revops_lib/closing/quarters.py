"""Closing a quarter, making its lines again, and the statements of an open one; all is put in place whole or not at all."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from .. import __version__, disk, periods, sources, tables
from ..errors import CannotWrite, DataRefused, IntegrityError, RevopsError, UsageError
from ..snapshot import Snapshot
from ..snapshot.plans import plan_file, plan_names
from . import doubts, files, people, seals
from .computing import Ledger, computed
from .seals import FOLDER, MANIFEST, ROOT, Closed

INPUTS, STATEMENTS = "inputs", "statements"
# Tables that say nothing about pay; all others are kept with a closed quarter.
_ASIDE = ("contacts", "forecast_submissions", "tickets", "ticket_events", "events")
_TOLD = ("name", "known_until", "timezone", "fiscal_year_end", "currency", "tracked", "history_since", "people", "key",
         "forgotten")  # fmt: skip
_LISTS = ("files", "aliases", "quarantined")


def close(quarter: str, *, data: Path, out: Path, as_of: str | dt.date | None = None, despite: str = "") -> Closed:
    """Close a quarter: lay its lines, statements and what they were computed from into `out`/closed/<quarter>, sealed.

    `as_of` is the last day that counts (default: the quarter's last). Lines are computed from the tables as they are laid
    there, so that they can be made again. Quarters are closed one after the other, without gaps; what was closed is looked
    through first. What is paid must be known: a check that fails refuses, unless `despite` says why to close all the same; the
    manifest keeps both. Raises UsageError when the quarter has not ended, is closed, or is not the next one, or when `out`
    holds closed quarters of another dataset; IntegrityError when something closed was touched; Locked when somebody else
    closes; DataRefused when pay cannot be computed, a check of it fails or the dataset is replaced meanwhile; CannotWrite.
    """
    with _alone(ROOT / out, "close", quarter) as place:
        dataset, period, day = _asked(quarter, ROOT / data, as_of)
        before = _before(place)
        _refuse(period, day, dataset, before)
        folder = place / FOLDER / quarter
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        disk.clear_away(folder)
        with disk.beside(folder) as stage:
            stage.chmod(0o700)
            _keep(ROOT / data, stage / INPUTS, dataset, quarter, day)
            with _called(stage / INPUTS, str(data)):
                ledger = computed(stage / INPUTS, quarter, day, _lines(before), _held(before))
                _refuse_doubts(ledger, data, despite)
            _write(stage, ledger, pages=STATEMENTS)
            files.make_private(stage)
            manifest = _manifest(stage, ledger, before, despite)
            (stage / MANIFEST).touch(0o600)
            (stage / MANIFEST).write_bytes(seals.sealed(manifest))
            disk.put(stage, folder)
        return seals.closed(place)[-1]


def again(one: Closed) -> bool:
    """Compute the lines of a closed quarter again from what was kept with it; IntegrityError unless every byte is the same.

    False, and nothing is said, when the quarter or one before it was emptied: its corrections rest on their lines.
    """
    earlier = [other for other in seals.closed(one.folder.parent.parent) if other.quarter < one.quarter]
    if any(other.is_emptied for other in (*earlier, one)):
        return False
    with _called(one.folder / INPUTS, f"closed {one.quarter}"):
        ledger = computed(one.folder / INPUTS, one.quarter, one.manifest["as_of"], _lines(earlier), _held(earlier))
    if files.to_csv(ledger.lines) != (one.folder / files.LINES).read_bytes():
        closed_by = one.manifest["library"]
        code = "the same version of the library" if closed_by == __version__ else f"version {closed_by}, this is {__version__}"
        what = f"the lines of {one.quarter} cannot be made again; they were made by {code}"
        raise IntegrityError(what, str(one.folder / files.LINES), "compare them, and see CHANGELOG.md")
    return True


def write_statements(quarter: str, *, data: Path, out: Path, as_of: str | dt.date | None = None) -> tuple[Path, Ledger]:
    """Write the lines and statements of a quarter that is not closed into `out`/statements/<quarter>, with the corrections of
    closed ones where it is the next to be closed; an earlier draft is replaced. Raises as `close`, but for the order."""
    with _alone(ROOT / out, "statements", quarter) as place:
        dataset, period, day = _asked(quarter, ROOT / data, as_of)
        before = _before(place)
        _refuse_other(period, day, dataset, before)
        ledger = computed(ROOT / data, quarter, day, _lines(before), _held(before))
        folder = place / STATEMENTS / quarter
        _refuse_strangers(folder)
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        disk.clear_away(folder)
        with disk.beside(folder) as stage:
            stage.chmod(0o700)
            _write(stage, ledger, pages="")
            files.make_private(stage)
            disk.put(stage, folder)
        return folder, ledger


@contextmanager
def _alone(out: Path, verb: str, quarter: str) -> Iterator[Path]:
    """The only one who closes or writes statements below `out`."""
    for path in (out / FOLDER, out / STATEMENTS):
        if path.is_symlink():
            raise UsageError("it is a link to elsewhere", str(path), "remove the link or choose another --out")
    with disk.locked(out / ".runs" / "closed.lock", {"command": verb, "quarter": quarter, "process": os.getpid()}):
        try:
            yield out
        except OSError as failure:
            where = str(failure.filename or out)
            raise CannotWrite(failure.strerror or "cannot write", where, "free space or choose another folder") from failure


@contextmanager
def _called(folder: Path, name: str) -> Iterator[None]:
    """Failures that name a folder of kept tables say where these came from."""
    try:
        yield
    except RevopsError as failure:
        raise type(failure)(*(text.replace(str(folder), name) for text in failure.args)) from failure


def _refuse_doubts(ledger: Ledger, data: Path, despite: str) -> None:
    """What is closed stays: DataRefused while it is not known what is paid."""
    doubted = {one.check: one.ids for one in ledger.problems if one.is_pay}
    if doubted and not despite.strip():
        raise DataRefused(
            f"{ledger.snapshot.quarter} cannot be closed, {'; '.join(doubts.told(doubted))}",
            f"data {data}",
            'settle it, or close with --despite "why", which the manifest keeps',
        )


def _asked(quarter: str, data: Path, as_of: str | dt.date | None) -> tuple[dict[str, Any], pd.Period, dt.date]:
    dataset = sources.read_dataset(data)
    period = periods.quarter(quarter, dataset["fiscal_year_end"])
    known = periods.day(dataset["known_until"])
    return dataset, period, periods.day(as_of) if as_of else min(periods.last_day(period), known)


def _before(place: Path) -> list[Closed]:
    """The quarters closed so far, untouched."""
    return seals.verify(place) if any(seals.closed(place)) else []


def _lines(closed: Sequence[Closed]) -> dict[str, pd.DataFrame]:
    return {one.quarter: files.read_lines(one.folder) for one in closed if not one.is_emptied}


def _held(closed: Sequence[Closed]) -> dict[str, dict[str, list[str]]]:
    """The versions of plans by which closed quarters were last computed: when the last of them was closed. Unknown for those
    closed before versions were kept."""
    return {quarter: plans for one in closed for quarter, plans in one.manifest.get("held", {}).items()}


def _refuse(period: pd.Period, day: dt.date, dataset: dict[str, Any], before: Sequence[Closed]) -> None:
    if day < periods.last_day(period):
        do = f"wait, or import newer data: they end on {dataset['known_until']}"
        raise UsageError(f"{period} has not ended on {day}", "close", do)
    _refuse_other(period, day, dataset, before)
    if before and str(period - 1) != before[-1].quarter:
        following = pd.Period(before[-1].quarter, freq=period.freqstr) + 1
        raise UsageError(f"{following} is not closed", "close", f"close {following} before {period}")


def _refuse_other(period: pd.Period, day: dt.date, dataset: dict[str, Any], before: Sequence[Closed]) -> None:
    if not before:
        return
    last = before[-1]
    if str(period) in [one.quarter for one in before]:
        following = pd.Period(last.quarter, freq=period.freqstr) + 1
        where = str(last.folder.with_name(str(period)))
        raise UsageError(f"{period} is closed", where, f"what has changed since goes into {following}")
    if str(period) < before[0].quarter:
        raise UsageError(f"{period} lies before {before[0].quarter}, the first closed", "close", "choose another --out")
    if day.isoformat() < last.manifest["as_of"]:
        what = f"{last.quarter} was closed as known on {last.manifest['as_of']}, which is later than {day}"
        raise UsageError(what, "--as-of", "give that day or a later one")
    for name in ("name", "currency", "fiscal_year_end"):
        if dataset[name] != last.manifest["dataset"][name]:
            what = f"the quarters closed there are of a dataset whose {name} is {last.manifest['dataset'][name]}"
            raise UsageError(what, str(last.folder.parent), "choose another --out")


def _refuse_strangers(folder: Path) -> None:
    """A draft is replaced as a whole: what somebody else put there would go."""
    ours = {files.LINES, files.PEOPLE, files.DISPUTED}
    there = [path for path in folder.iterdir() if path.name not in ours] if folder.is_dir() else []
    strangers = sorted(path.name for path in there if not re.fullmatch(r".*-[0-9a-f]{12}(-[a-z]{3})?\.(html|pdf)", path.name))
    if strangers:
        raise CannotWrite(f"the folder holds {strangers[0]}, which is not ours", str(folder), "move it elsewhere")


def _keep(data: Path, to: Path, dataset: dict[str, Any], quarter: str, day: dt.date) -> None:
    """Lay the tables that pay depends on, canonical columns in the order of their keys, and the plans into a dataset of their
    own."""
    begun = seals.files(data)
    names = [name for name in tables.TABLES if name not in _ASIDE and (data / f"{name}.parquet").exists()]
    frames = {}
    for name in names:
        spec = tables.table(name)
        frame = sources.read_table(data, name)[spec.names]
        frames[name] = frame.sort_values(list(spec.key), kind="stable", ignore_index=True)
    snapshot = Snapshot(data, quarter=quarter, as_of=day)
    kept = {f"plans/{name}.yml": plan_file(snapshot, name).read_bytes() for name in plan_names(snapshot)}
    told = {name: dataset[name] for name in _TOLD if name in dataset}
    tables.write(to, frames, {**told, **{name: [] for name in _LISTS}}, kept)
    if seals.files(data) != begun:
        raise DataRefused("the dataset was replaced while it was read", str(data), "close the quarter again")


def _write(stage: Path, ledger: Ledger, *, pages: str) -> None:
    told = people.statements(ledger, is_closed=pages == STATEMENTS)
    files.write(stage, ledger.lines, people.disputes(ledger), told, pages=pages)


def _manifest(stage: Path, ledger: Ledger, before: Sequence[Closed], despite: str) -> dict[str, Any]:
    snapshot, last = ledger.snapshot, before[-1] if before else None
    return {
        "quarter": str(snapshot.quarter),
        "as_of": snapshot.as_of.isoformat(),
        "closed": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "library": __version__,
        "dataset": {name: snapshot.dataset[name] for name in ("name", "currency", "fiscal_year_end")},
        "plans": {plan.name: plan.version for plan in ledger.plans},
        "held": {quarter: {name: [*versions] for name, versions in plans.items()} for quarter, plans in ledger.held.items()},
        "people": int(ledger.lines["rep_id"].nunique()),
        "totals": {currency: f"{amount:.2f}" for currency, amount in ledger.totals().items()},
        "left_out": [*ledger.left_out],
        "warnings": [*ledger.warnings],
        "checks": {one.check: [*one.ids] for one in ledger.problems},
        "despite": despite.strip(),
        "previous": {"quarter": last.quarter, "sha256": seals.sha256(last.folder / MANIFEST)} if last else None,
        "files": seals.files(stage),
    }
