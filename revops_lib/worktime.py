"""Working time between instants: hours of the day, days of the week, holidays of a country, in the company's time zone.

One unit: the working day, which has as many hours as the calendar gives a full day. 32 hours of an eight-hour day are 4.0 days,
whatever the clock did in between.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from .errors import UsageError, nearest

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOUR = 3_600_000_000  # microseconds


@dataclass(frozen=True)
class Calendar:
    """When people work. `hours`: from and to of each stretch of a full day, local time, "24:00" is midnight; `country` (and
    `subdivision`, such as BY in DE) brings the public holidays and the half days of the package `holidays`; `days_off` and
    `half_days` are the company's own. On a half day work ends when half of the hours are done.

    Raises UsageError for what cannot be a calendar.

    >>> office = Calendar("Europe/Paris", hours=(("09:00", "12:30"), ("13:30", "17:00")), country="FR")
    >>> office.hours_per_day
    7.0
    >>> worked_days(office, pd.Series(["2026-07-13 07:00"]), pd.Series(["2026-07-15 10:30"])).tolist()  # 14 July is off
    [1.5]
    """

    timezone: str
    hours: tuple[tuple[str, str], ...] = (("09:00", "17:00"),)
    weekdays: tuple[str, ...] = WEEKDAYS[:5]
    country: str = ""
    subdivision: str = ""
    days_off: tuple[dt.date, ...] = ()
    half_days: tuple[dt.date, ...] = ()

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as failure:
            raise UsageError(f"{self.timezone!r} is not a time zone", "calendar", "write it like Europe/Paris") from failure
        for name in self.weekdays:
            if name not in WEEKDAYS:
                raise UsageError(f"{name!r} is not a day of the week", "calendar", nearest(str(name), WEEKDAYS))
        edges = [edge for stretch in self.stretches for edge in stretch]
        if not edges or not self.weekdays or any(late <= early for early, late in pairwise(edges)):
            what = f"{self.hours} on {self.weekdays} are not working hours"
            raise UsageError(what, "calendar", 'write stretches in order, like (("09:00", "12:30"), ("13:30", "17:00"))')

    @cached_property
    def stretches(self) -> tuple[tuple[int, int], ...]:
        """The stretches of a full day, in microseconds from midnight."""
        return tuple((_time_of_day(begin), _time_of_day(end)) for begin, end in self.hours)

    @property
    def hours_per_day(self) -> float:
        return sum(end - begin for begin, end in self.stretches) / HOUR


def worked(calendar: Calendar, start: pd.Series, end: pd.Series) -> pd.Series:
    """Working hours from `start` to `end` (UTC instants), row by row; negative when the end comes first, missing with either.

    Every stretch of work between the first and the last instant is laid on the UTC line, so an hour that a change of the clock
    takes away or repeats counts as it was lived. Raises UsageError for a country the package `holidays` does not know.
    """
    start, end = (pd.Series(pd.to_datetime(each)).astype("datetime64[us]") for each in (start, end))
    there = start.notna().to_numpy() & end.notna().to_numpy()
    hours = np.full(len(start), np.nan)
    if there.any():
        known = [each.to_numpy()[there].astype("int64") for each in (start, end)]
        edges, done = _worked_until(calendar, min(each.min() for each in known), max(each.max() for each in known))
        before, after = (np.interp(each, edges, done) for each in known)
        hours[there] = (after - before) / HOUR
    return pd.Series(hours, index=start.index)


def worked_days(calendar: Calendar, start: pd.Series, end: pd.Series) -> pd.Series:
    """`worked` in working days of `hours_per_day` hours."""
    return worked(calendar, start, end) / calendar.hours_per_day


def _worked_until(calendar: Calendar, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Begin and end of every stretch of work as UTC microseconds, in order, and what has been worked by then."""
    span = pd.to_datetime([first, last], unit="us", utc=True).tz_convert(calendar.timezone).tz_localize(None).normalize()
    days = pd.date_range(span[0], span[1], unit="us")
    off, half = _holidays(calendar, days.year.unique().tolist())
    weekdays = [WEEKDAYS.index(name) for name in calendar.weekdays]
    days = days[days.day_of_week.isin(weekdays) & ~days.isin(pd.to_datetime(sorted(off)))]
    is_half = days.isin(pd.to_datetime(sorted(half)))
    stretches = [*((days[~is_half], stretch) for stretch in calendar.stretches),
                 *((days[is_half], stretch) for stretch in _first_half(calendar.stretches))]  # fmt: skip
    begins, ends = (
        np.sort(np.concatenate([_utc(those, stretch[side], calendar.timezone) for those, stretch in stretches]))
        for side in (0, 1)
    )
    edges = np.column_stack([begins, ends]).ravel()
    if not len(edges):  # nobody worked in between
        return np.array([first, last]), np.zeros(2)
    done = np.column_stack([np.zeros(len(begins), dtype="int64"), ends - begins]).ravel().cumsum()
    return edges, done


def _utc(days: pd.DatetimeIndex, time_of_day: int, timezone: str) -> np.ndarray:
    local = days + pd.Timedelta(time_of_day, unit="us")
    twice = np.ones(len(local), dtype=bool)  # of an hour that comes twice the first
    aware = local.tz_localize(timezone, ambiguous=twice, nonexistent="shift_forward")
    return aware.tz_convert("UTC").tz_localize(None).as_unit("us").asi8


def _first_half(stretches: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    left = sum(end - begin for begin, end in stretches) // 2
    kept = []
    for begin, end in stretches:
        if left > 0:
            kept.append((begin, min(end, begin + left)))
        left -= end - begin
    return kept


def _holidays(calendar: Calendar, years: list[int]) -> tuple[set[dt.date], set[dt.date]]:
    """Days off, and half days."""
    off, half = set(calendar.days_off), set(calendar.half_days)
    if calendar.country:
        import holidays

        land, part = calendar.country, calendar.subdivision or None
        try:
            public = holidays.country_holidays(land, part, years)
        except NotImplementedError as failure:
            do = "write the country like FR or DE, the subdivision like BY, or list the days as days_off"
            raise UsageError(str(failure), "calendar", do) from failure
        off |= set(public)
        if holidays.HALF_DAY in public.supported_categories:
            half |= set(holidays.country_holidays(land, part, years, categories=holidays.HALF_DAY))
    return off, half - off


def _time_of_day(text: str) -> int:
    hour, _, minute = text.partition(":")
    if not (hour.isdigit() and minute.isdigit() and int(minute) < 60 and int(hour) * 60 + int(minute) <= 24 * 60):
        raise UsageError(f"{text!r} is not a time of day", "calendar", "write it like 09:00")
    return (int(hour) * 60 + int(minute)) * 60_000_000
