"""Working hours between instants: a plain loop over minutes, hand-worked cases, changes of the clock, holidays."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from revops_lib.errors import UsageError
from revops_lib.worktime import WEEKDAYS, Calendar, worked, worked_days


def hours(calendar, start, end):
    """Of local times."""
    instants = [
        pd.Series([pd.Timestamp(each, tz=calendar.timezone).tz_convert("UTC").tz_localize(None)]) for each in (start, end)
    ]
    return worked(calendar, *instants).iloc[0]


EIGHT = Calendar("Europe/Vienna", hours=(("08:00", "16:00"),))


@pytest.mark.parametrize(
    ("calendar", "end", "days"),
    [
        # pm4py issue 559: 32 hours at eight a day are 4.0 days, not 32 / 24 = 1.33.
        (EIGHT, "2026-01-08 16:00", 4.0),
        # Its example goes on to Friday, five working days; four in Austria, where 6 January is a holiday (pm4py issue 558).
        (EIGHT, "2026-01-09 16:00", 5.0),
        (Calendar("Europe/Vienna", hours=(("08:00", "16:00"),), country="AT"), "2026-01-09 16:00", 4.0),
    ],
)
def test_hours_become_days_of_the_calendars_length(calendar, end, days):
    assert hours(calendar, "2026-01-05 08:00", end) == days * 8
    start, stop = (pd.Series(pd.to_datetime([each])) for each in ("2026-01-05 07:00", f"{end[:11]}15:00"))  # UTC
    assert worked_days(calendar, start, stop).tolist() == [days]


LUNCH = Calendar(
    "Europe/Paris", hours=(("09:00", "12:30"), ("13:30", "17:30")), weekdays=("Mon", "Tue", "Wed", "Thu", "Sat"), country="FR",
    days_off=(dt.date(2026, 5, 13),), half_days=(dt.date(2026, 5, 16), dt.date(2026, 12, 24)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-05-11 09:00", "2026-05-11 17:30", 7.5),  # a Monday
        ("2026-05-11 12:45", "2026-05-11 13:15", 0),  # lunch
        ("2026-05-11 17:30", "2026-05-12 09:00", 0),  # the night
        ("2026-05-12 16:30", "2026-05-18 10:00", 1 + 3.75 + 1),  # off, Ascension, Friday, half a Saturday, Sunday
        ("2026-05-16 09:00", "2026-05-16 18:00", 3.75),  # 12:30 comes after 3.5 hours, the rest after lunch
        ("2026-12-31 09:00", "2027-01-02 10:00", 7.5 + 1),  # New Year's Day
    ],
)
def test_hand_worked_hours(start, end, expected):
    assert hours(LUNCH, start, end) == pytest.approx(expected)
    assert hours(LUNCH, end, start) == pytest.approx(-expected)


def by_minutes(calendar, start, end):
    """Hours between two UTC instants, a minute at a time: on while the local clock shows working hours."""
    import holidays

    off = set(calendar.days_off) | set(
        holidays.country_holidays(calendar.country, years=range(2025, 2028)) if calendar.country else ()
    )
    count, at, zone = 0, start, ZoneInfo(calendar.timezone)
    while at < end:
        local = at.tz_localize("UTC").tz_convert(zone)
        left = sum(stop - begin for begin, stop in calendar.stretches) // (2 if local.date() in calendar.half_days else 1)
        clock = (local.hour * 60 + local.minute) * 60_000_000
        for begin, stop in calendar.stretches:
            stop, length = min(stop, begin + max(left, 0)), stop - begin
            is_on = begin <= clock < stop and local.date() not in off and WEEKDAYS[local.weekday()] in calendar.weekdays
            count, left = count + is_on, left - length
        at += pd.Timedelta(minutes=1)
    return count / 60


CALENDARS = {
    "lunch": LUNCH,
    "nights": Calendar("Europe/Paris", hours=(("00:00", "06:00"), ("22:00", "24:00")), weekdays=WEEKDAYS),
    "always": Calendar("America/New_York", hours=(("00:00", "24:00"),), weekdays=WEEKDAYS),
    "south": Calendar("Australia/Lord_Howe", hours=(("08:30", "16:45"),), country="AU"),
}


@pytest.mark.parametrize("name", CALENDARS)
@pytest.mark.parametrize("around", ["2026-03-27", "2026-10-23", "2026-05-10", "2026-12-22", "2026-03-06", "2026-04-03"])
def test_hours_equal_a_loop_over_minutes(name, around):
    """Among them the nights of March, April and October in which clocks change."""
    random = np.random.default_rng([ord(letter) for letter in name + around])
    start = pd.Timestamp(around) + pd.to_timedelta(random.integers(0, 4 * 1440, 4), unit="min")
    end = start + pd.to_timedelta(random.integers(0, 5 * 1440, 4), unit="min")
    found = worked(CALENDARS[name], pd.Series(start), pd.Series(end))
    assert found.tolist() == pytest.approx([by_minutes(CALENDARS[name], *pair) for pair in zip(start, end, strict=True)])


def test_an_hour_that_comes_twice_is_lived_twice():
    always = CALENDARS["nights"]
    assert hours(always, "2026-10-25 00:00", "2026-10-25 06:00") == 7  # Paris falls back at 3:00
    assert hours(always, "2026-03-29 00:00", "2026-03-29 06:00") == 5


def test_missing_instants_stay_missing_and_order_and_index_are_kept():
    start = pd.Series(pd.to_datetime(["2026-05-11 07:00", None, "2026-05-11 07:00"]), index=[5, 3, 9])
    end = pd.Series(pd.to_datetime(["2026-05-11 08:00", "2026-05-11 08:00", None]), index=[5, 3, 9])
    found = worked(LUNCH, start, end)
    assert found.index.tolist() == [5, 3, 9] and found.isna().tolist() == [False, True, True] and found[5] == 1
    assert worked(LUNCH, start[:0], end[:0]).empty


def test_nothing_is_worked_where_nobody_works():
    only = Calendar("UTC", days_off=tuple(dt.date(2026, 5, day) for day in range(1, 32)))
    assert hours(only, "2026-05-04 00:00", "2026-05-20 00:00") == 0


def test_half_days_of_the_country_come_along():
    iceland = Calendar("Atlantic/Reykjavik", country="IS")  # work ends at noon on Christmas Eve and New Year's Eve
    assert hours(iceland, "2026-12-23 00:00", "2026-12-29 00:00") == 8 + 4 + 0 + 8
    assert hours(iceland, "2026-12-24 13:00", "2026-12-25 00:00") == 0


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"timezone": "Paris"}, "time zone"),
        ({"country": "XX"}, "XX"),
        ({"country": "DE", "subdivision": "QQ"}, "QQ"),
        ({"hours": (("17:00", "09:00"),)}, "working hours"),
        ({"hours": (("09:00", "13:00"), ("12:00", "17:00"))}, "working hours"),
        ({"hours": ()}, "working hours"),
        ({"hours": (("9h", "17:00"),)}, "time of day"),
        ({"hours": (("09:00", "24:30"),)}, "time of day"),
        ({"weekdays": ("Monday",)}, "did you mean Mon"),
        ({"weekdays": ()}, "working hours"),
    ],
)
def test_what_cannot_be_a_calendar_is_refused(given, what):
    with pytest.raises(UsageError, match=what):
        worked(Calendar(**{"timezone": "UTC", **given}), *(pd.Series(pd.to_datetime(["2026-01-05"])) for _ in range(2)))
