"""What a scheduled run has to do on a day. The calendar decides, so a day that was missed is made up for at the next."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ..errors import UsageError
from . import journal
from .request import NOTEBOOKS, ROOT, first_day


class Due(NamedTuple):
    """A run that is due, and why."""

    quarter: str
    as_of: dt.date
    why: str


def due(now: dt.datetime, *, data: Path, out: Path, notebooks: Path = NOTEBOOKS) -> list[Due]:
    """The runs that are due at `now`, an instant with its offset; none when all are in place. Nothing is run or written.

    Two can be: the last finished fiscal quarter as of its last day, once the data are known until then, and the running one
    as of yesterday, or as of the day the data are known until when that is earlier. A run is in place when `out` holds it
    for this very day and every notebook succeeded. `data` and `out` are relative to the repository root. Raises DataRefused
    when `data` is no dataset, UsageError when `out` holds a run of other data.
    """
    from .. import periods, sources

    folder = (ROOT / data).resolve()
    dataset = sources.read_dataset(folder)
    known_until, timezone, year_end = periods.day(dataset["known_until"]), dataset["timezone"], dataset["fiscal_year_end"]
    today = now.astimezone(ZoneInfo(timezone)).date()
    running = periods.quarter_of(today, year_end)
    finished, last = running - 1, periods.last_day(running - 1)
    latest = min(today - dt.timedelta(days=1), known_until)
    wanted = []
    if last <= known_until:
        wanted.append(Due(str(finished), last, f"the quarter ended on {last}"))
    if periods.first_day(running) <= latest:
        wanted.append(Due(str(running), latest, f"the quarter is running, the data are known until {known_until}"))
    first = first_day(folder, timezone) or known_until
    label = folder.relative_to(ROOT).as_posix() if folder.is_relative_to(ROOT) else folder.as_posix()
    expected = {path.stem for path in notebooks.glob("*.ipynb")}
    return [one for one in wanted if one.as_of >= first and not _in_place(ROOT / out / one.quarter, one, label, expected)]


def _in_place(folder: Path, wanted: Due, data: str, expected: set[str]) -> bool:
    """Whether a folder holds the wanted run, complete. Raises UsageError when it holds a run of other data."""
    manifest = journal.read(folder / journal.MANIFEST)
    if manifest and manifest.get("data") != data:
        what = f"{wanted.quarter} holds the run of {manifest.get('data')} as of {manifest.get('as_of')}"
        raise UsageError(what, str(folder), "choose another --out")
    entries = manifest.get("notebooks", {})
    succeeded = {stem for stem, entry in entries.items() if entry.get("state") == "ok"}
    return (manifest.get("as_of"), manifest.get("exit_code")) == (wanted.as_of.isoformat(), 0) and succeeded >= expected
