"""How old the data are when a report is made, and how old they may be: data/operations.yml says it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ..errors import DataRefused, UsageError
from .request import ROOT

OPERATIONS = ROOT / "data" / "operations.yml"
_LIMITS = ("warn_after_hours", "error_after_hours")
_RENEW = "import a newer export, or change data/operations.yml"


def staleness(now: dt.datetime, dataset: Mapping[str, Any], settings: Path = OPERATIONS) -> str | None:
    """A warning when the data are older than warn_after_hours at `now`, an instant with its offset; None when they are not.

    Their age counts from the end of the local day they are known until; `dataset` is what dataset.json says. Raises
    DataRefused when they are older than error_after_hours, or know a day that has not begun; UsageError for faulty settings.
    """
    from .. import periods

    warn, error = _limits(settings)
    known_until, zone = periods.day(dataset["known_until"]), ZoneInfo(dataset["timezone"])
    where = f"dataset {dataset['name']}, known until {known_until}"
    today = now.astimezone(zone).date()
    if known_until > today:
        raise DataRefused(f"the data know a day that has not begun: it is {today}", where, "check the clock, import again")
    ended = periods.cutoff(known_until, dataset["timezone"]).tz_localize("UTC")
    age = (now - ended) / dt.timedelta(hours=1)
    if age > error:
        raise DataRefused(f"the data are {age:.0f} hours old, at most {error:g} are allowed", where, _RENEW)
    return f"warning: the data are {age:.0f} hours old, more than {warn:g} — {where} — {_RENEW}" if age > warn else None


def _limits(settings: Path) -> tuple[float, float]:
    """The hours after which to warn, and after which to refuse."""
    from ..sources.config import only, read_yaml

    content = read_yaml(settings)
    only(content, ("freshness",), str(settings), required=("freshness",))
    limits = content["freshness"]
    if not isinstance(limits, dict):
        raise UsageError("freshness holds no names", str(settings), f"give it {' and '.join(_LIMITS)}")
    only(limits, _LIMITS, f"{settings}, freshness", required=_LIMITS)
    for key in _LIMITS:
        if type(limits[key]) not in (int, float) or not 0 < limits[key] < float("inf"):
            raise UsageError(f"{key} is {limits[key]!r}", f"{settings}, freshness", "give hours, more than 0")
    warn, error = (float(limits[key]) for key in _LIMITS)
    if warn > error:
        raise UsageError("warn_after_hours is more than error_after_hours", f"{settings}, freshness", "warn before refusing")
    return warn, error
