"""What would run: notebooks, their parameters, the quarter and the day, settled and checked before anything runs."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import allowlist, masking, pages
from ..errors import DataRefused, UsageError, nearest
from .declared import Parameter, Value, parameters

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).resolve().parent.parent.parent
NOTEBOOKS = ROOT / "notebooks"
REPORTS = ROOT / "playbook" / "reports.yml"
# Every notebook has these; they are set by the run, never by --param.
GIVEN = ("quarter", "as_of", "data")
# Set by the run as well, in the notebooks that declare them; their defaults say that nothing was counted.
COUNTED = ("pages_in_time", "pages")
_STEM = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Request:
    """A run that may start. `parameters` holds every parameter per stem with its effective value, defaults included."""

    quarter: str
    as_of: str
    data: str  # as the notebooks get it: relative to the repository root when it lies inside
    folder: Path
    dataset: Mapping[str, Any]
    notebooks: Mapping[str, Path]
    parameters: Mapping[str, Mapping[str, Value]]
    published: Mapping[str, Mapping[str, Any]]
    has_ended: bool  # the quarter, on the day it is looked at


def resolve(
    quarter: str,
    *,
    data: Path,
    as_of: str | dt.date | None = None,
    only: Iterable[str] | None = None,
    params: Mapping[str, Value] | None = None,
    notebooks: Path = NOTEBOOKS,
    reports: Path = REPORTS,
) -> Request:
    """Everything a run needs, checked; nothing is executed or written.

    `data` relative to the repository root. `as_of` defaults to the quarter's last day, or to the day the data is known
    until when that is earlier. `params` go to the notebooks that declare them. Raises UsageError for a quarter outside
    the data, a day later than the data, an unknown notebook or parameter, a value of the wrong type or outside its
    range, a notebook without a clean parameters cell, a faulty allow-list; DataRefused when `data` is no dataset.
    """
    from .. import periods, sources

    folder = (ROOT / data).resolve()
    dataset = sources.read_dataset(folder)
    label = folder.relative_to(ROOT).as_posix() if folder.is_relative_to(ROOT) else folder.as_posix()
    known_until = periods.day(str(dataset["known_until"])[:10])
    period = periods.quarter(quarter, dataset["fiscal_year_end"])
    first = first_day(folder, dataset["timezone"]) or known_until
    _check_quarter(period, first, known_until, dataset["fiscal_year_end"], label)
    day = periods.day(as_of) if as_of is not None else min(periods.last_day(period), known_until)
    if not first <= day <= known_until:
        bound = known_until if day > known_until else first
        raise UsageError(f"as of {day} nothing can be said", f"{label}, known from {first} to {known_until}", f"use {bound}")

    found = _notebooks(notebooks)
    stems = sorted(found) if only is None else _selected(only, found, notebooks)
    declared = {stem: parameters(found[stem]) for stem in stems}
    given = {"quarter": quarter, "as_of": day.isoformat(), "data": label, **_counted(reports.parent, day)}
    has_ended = day == periods.last_day(period)
    return Request(
        quarter,
        day.isoformat(),
        label,
        folder,
        dataset,
        {stem: found[stem] for stem in stems},
        _effective(declared, given, params or {}),
        _published(reports, found, is_finished=has_ended),
        has_ended,
    )


def first_day(folder: Path, timezone: str) -> dt.date | None:
    """Local day of the first thing known about an opportunity: created, or else closed; None when there is none."""
    import pandas as pd
    import pyarrow.compute
    import pyarrow.parquet

    from .. import periods

    file = folder / "opportunities.parquet"
    if not file.exists():
        return None
    try:
        dates = pyarrow.parquet.read_table(file, columns=["created_at", "close_date"])
        created, closed = (pyarrow.compute.min(dates[name]).as_py() for name in ("created_at", "close_date"))
    except (pyarrow.ArrowException, OSError, KeyError) as failure:
        raise DataRefused(f"the file is damaged: {failure}", str(file), "import again") from failure
    if created is None:
        return closed
    return periods.local_day(pd.Series([created]), timezone).iloc[0].date()


def _check_quarter(period: pd.Period, first: dt.date, known_until: dt.date, fiscal_year_end: str, label: str) -> None:
    from .. import periods

    if periods.first_day(period) > known_until:
        closest = periods.quarter_of(known_until, fiscal_year_end)
    elif periods.last_day(period) < first:
        closest = periods.quarter_of(first, fiscal_year_end)
    else:
        return
    what = f"quarter {period} lies outside the data"
    raise UsageError(what, f"{label}, known from {first} to {known_until}", f"the nearest quarter is {closest}")


def _notebooks(folder: Path) -> dict[str, Path]:
    """The notebooks of a folder by stem."""
    found = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    if not found:
        raise UsageError("there are no notebooks", str(folder), "name the folder that holds them")
    for stem, path in found.items():
        if not _STEM.fullmatch(stem):
            raise UsageError(
                f"{path.name} is not a notebook's name", str(folder), "one word: small letters, digits, underscores"
            )
    return found


def _selected(only: Iterable[str], found: Mapping[str, Path], folder: Path) -> list[str]:
    names = sorted(set(only))
    for name in names:
        if name not in found:
            raise UsageError(f"unknown notebook {name!r}", str(folder), nearest(name, found))
    if not names:
        raise UsageError("no notebook selected", str(folder), nearest("", found))
    return names


def _effective(
    declared: Mapping[str, Mapping[str, Parameter]], given: Mapping[str, Value], params: Mapping[str, Value]
) -> dict[str, dict[str, Value]]:
    """Per notebook all its parameters: what the run sets, what the user asks for, the defaults."""
    for name in params:
        if masking.is_secret(name):
            raise UsageError(f"{name} would be a secret", "run", "secrets never become parameters: use the environment")
        if name in GIVEN:
            raise UsageError(
                f"{name} is not a --param", "run", "give the quarter as argument, the others as --as-of and --data"
            )
        if name in COUNTED:
            raise UsageError(f"{name} is not a --param", "run", "the run counts the pages itself")
        if not any(name in own for own in declared.values()):
            known = sorted({n for own in declared.values() for n in own} - {*GIVEN, *COUNTED})
            do = nearest(name, known) if known else "the selected notebooks take none"
            raise UsageError(f"unknown parameter {name!r}", f"notebooks {', '.join(declared)}", do)
    effective = {}
    for stem, own in declared.items():
        for name in GIVEN:
            if name not in own:
                raise UsageError(f"the notebook has no parameter {name}", f"{stem}.ipynb", f"declare {', '.join(GIVEN)}")
        asked = {**{n: v for n, v in params.items() if n in own}, **given}
        effective[stem] = {n: p.value(asked[n], f"{stem}.ipynb") if n in asked else p.default for n, p in own.items()}
    return effective


def _counted(playbook: Path, day: dt.date) -> dict[str, Value]:
    """How many pages of the playbook are verified in time; nothing where there are none."""
    n_in_time, n = pages.freshness(playbook, as_of=day)
    return dict(zip(COUNTED, (n_in_time, n), strict=True)) if n else {}


def _published(reports: Path, found: Mapping[str, Path], *, is_finished: bool) -> dict[str, dict[str, Any]]:
    """The allow-list: per stem its title and the tables and figures that may appear on the site.

    Without the topics that are shown of a finished quarter only: of a running one, two nights would show what a day brought.
    """
    listed = allowlist.read(reports)
    for stem in listed:
        if stem not in found:
            raise UsageError(f"no notebook {stem!r}", str(reports), nearest(stem, found))
    return {stem: entry for stem, entry in listed.items() if is_finished or not entry["finished"]}
