"""Fiscal quarters as pandas Periods, days and instants.

A quarter is written `2026Q3`; the company's fiscal year decides which days it holds. A day is a local date, an
instant is UTC without an offset. "As of a day" means everything known before the next local midnight.
"""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pandas as pd

from .errors import UsageError, nearest

MONTH = 30.4375  # days of an average month
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_QUARTER = re.compile(r"[0-9]{4}Q[1-4]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def quarter(text: str, fiscal_year_end: str = "DEC", name: str = "quarter") -> pd.Period:
    """The fiscal quarter that `text` names; `fiscal_year_end` is the month the fiscal year ends in, `name` what the error calls
    it.

    >>> quarter("2026Q3").end_time.date().isoformat()
    '2026-09-30'
    >>> quarter("2027Q1", "JAN").start_time.date().isoformat()
    '2026-02-01'
    """
    if fiscal_year_end not in MONTHS:
        raise UsageError(
            f"fiscal year end {fiscal_year_end!r} is not a month", "fiscal_year_end", nearest(fiscal_year_end, MONTHS)
        )
    if not isinstance(text, str) or not _QUARTER.fullmatch(text):
        raise UsageError(f"{text!r} is not a quarter", name, f"write it like {_repair(str(text))}")
    return pd.Period(text, freq=f"Q-{fiscal_year_end}")


def _repair(text: str) -> str:
    """The valid quarter closest to a wrong spelling."""
    digits = re.sub(r"[^0-9]", "", text)
    year = digits[:4] if len(digits) >= 4 else "2026"
    number = digits[4:5] or "1"
    return f"{year}Q{min(max(int(number), 1), 4)}"


def day(text: str | dt.date, name: str = "as_of") -> dt.date:
    """The calendar day written `YYYY-MM-DD`; `name` is what the error calls it.

    >>> day("2026-09-30")
    datetime.date(2026, 9, 30)
    """
    if isinstance(text, dt.datetime):
        return text.date()
    if isinstance(text, dt.date):
        return text
    if isinstance(text, str) and _DAY.fullmatch(text):
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            pass
    raise UsageError(f"{text!r} is not a day", name, "write it like 2026-09-30")


def quarter_of(date: dt.date, fiscal_year_end: str = "DEC") -> pd.Period:
    """The fiscal quarter that holds a day.

    >>> str(quarter_of(dt.date(2026, 2, 1), "JAN"))
    '2027Q1'
    """
    return pd.Period(date, freq=f"Q-{fiscal_year_end}")


def last_complete(day: dt.date, fiscal_year_end: str = "DEC") -> pd.Period:
    """The latest quarter that is over at the end of a day.

    >>> str(last_complete(dt.date(2026, 9, 30))), str(last_complete(dt.date(2026, 9, 29)))
    ('2026Q3', '2026Q2')
    """
    running = quarter_of(day, fiscal_year_end)
    return running if day >= last_day(running) else running - 1


def first_day(period: pd.Period) -> dt.date:
    return period.start_time.date()


def last_day(period: pd.Period) -> dt.date:
    return period.end_time.date()


def week_of_quarter(date: dt.date, fiscal_year_end: str = "DEC") -> int:
    """Week within the quarter, 1 to 14; weeks are counted from the quarter's first day.

    >>> week_of_quarter(dt.date(2026, 7, 8))
    2
    """
    return (date - first_day(quarter_of(date, fiscal_year_end))).days // 7 + 1


def cutoff(as_of: dt.date, timezone: str) -> pd.Timestamp:
    """The instant (UTC) at which the local day `as_of` ends: an event is known when it lies before it.

    >>> cutoff(dt.date(2026, 9, 30), "Europe/Paris")
    Timestamp('2026-09-30 22:00:00')
    """
    midnight = dt.datetime.combine(as_of + dt.timedelta(days=1), dt.time(), tzinfo=ZoneInfo(timezone))
    return pd.Timestamp(midnight.astimezone(dt.UTC).replace(tzinfo=None))


def local_day(instants: pd.Series, timezone: str) -> pd.Series:
    """The local calendar day of UTC instants, at midnight; missing stays missing."""
    return instants.dt.tz_localize("UTC").dt.tz_convert(timezone).dt.tz_localize(None).dt.normalize()
