import datetime as dt

import pandas as pd
import pytest

from revops_lib import periods
from revops_lib.errors import UsageError


@pytest.mark.parametrize("text", ["2026Q5", "2026-Q3", "../x", "2026Q3\n", "２０２６Q3", "", "2026q3", "Q32026", "2026Q3 "])
def test_a_quarter_is_four_digits_and_q1_to_q4(text):
    with pytest.raises(UsageError, match="not a quarter"):
        periods.quarter(text)


def test_a_wrong_quarter_names_a_valid_one():
    with pytest.raises(UsageError, match="write it like 2026Q4"):
        periods.quarter("2026Q9")


@pytest.mark.parametrize("not_text", [2026, None, dt.date(2026, 9, 30)])
def test_a_quarter_is_text(not_text):
    with pytest.raises(UsageError):
        periods.quarter(not_text)


def test_fiscal_year_that_ends_in_january():
    first = periods.quarter("2027Q1", "JAN")
    assert (periods.first_day(first), periods.last_day(first)) == (dt.date(2026, 2, 1), dt.date(2026, 4, 30))
    assert periods.quarter_of(dt.date(2026, 1, 31), "JAN") == periods.quarter("2026Q4", "JAN")


def test_weeks_of_the_quarter_start_on_its_first_day():
    weeks = [periods.week_of_quarter(dt.date(2026, 7, 1) + dt.timedelta(days=d)) for d in range(92)]
    assert weeks[0] == 1 and weeks[6] == 1 and weeks[7] == 2 and weeks[-1] == 14
    assert weeks == sorted(weeks)


@pytest.mark.parametrize(
    ("timezone", "expected"),
    [
        ("UTC", "2026-10-01 00:00"),
        ("Europe/Paris", "2026-09-30 22:00"),
        ("America/New_York", "2026-10-01 04:00"),
        ("Pacific/Kiritimati", "2026-09-30 10:00"),
    ],
)
def test_a_day_ends_at_local_midnight(timezone, expected):
    assert periods.cutoff(dt.date(2026, 9, 30), timezone) == pd.Timestamp(expected)


def test_days_of_the_clock_change_have_23_and_25_hours():
    def hours(day: dt.date) -> float:
        after, before = periods.cutoff(day, "Europe/Paris"), periods.cutoff(day - dt.timedelta(days=1), "Europe/Paris")
        return (after - before).total_seconds() / 3600

    assert hours(dt.date(2026, 3, 29)) == 23
    assert hours(dt.date(2026, 10, 25)) == 25


@pytest.mark.parametrize("text", ["2026-02-30", "30/09/2026", "2026-9-30", "tomorrow", "２０２６-09-30"])
def test_a_day_is_an_iso_date(text):
    with pytest.raises(UsageError, match="not a day"):
        periods.day(text)
