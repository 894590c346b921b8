"""Nothing that was recorded after the day enters a forecast, and rows may stand in any order."""

import datetime as dt
import shutil
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from companies import invent

from revops_lib import forecast, periods
from revops_lib.snapshot import Snapshot

DAYS = ["2021-11-17", "2021-12-31", "2022-01-01"]  # within a quarter, its last day, its first day
# Columns of opportunities whose past values the history tells; today's value says nothing about an earlier day.
NOW_ONLY = {
    "stage": "Closed Won",
    "status": "won",
    "amount": Decimal("7777777.00"),
    "owner_id": "R005",
    "forecast_category": "commit",
}


@pytest.fixture(scope="module")
def folder():
    return invent(621, scale=0.3, oracle_paths=0)[0]


@pytest.fixture(scope="module")
def said(folder):
    """What every function said on each day."""
    return {day: everything(folder, day) for day in DAYS}


def everything(folder, day):
    known = Snapshot(folder, quarter=str(periods.quarter_of(dt.date.fromisoformat(day), "DEC")), as_of=day)
    backtest = forecast.backtest(known)
    return {
        "outlook": forecast.outlook(known), "backtest": backtest, "accuracy": forecast.accuracy(backtest),
        "segments": forecast.groups(known), "teams": forecast.groups(known, by="team"), "deals": forecast.deals(known),
        "horizons": forecast.horizons(known), "course": forecast.course(known), "shares": forecast.shares(known),
        "submission_bias": forecast.submission_bias(known), "brier": forecast.brier(known),
        "reliability": forecast.reliability(known),
    }  # fmt: skip


def deleted(name, late, frame, random):
    return frame[~late]


def altered(name, late, frame, random):
    """Later rows say something else, and every past deal that changes later ends otherwise."""
    if name == "opportunity_history":
        new = pd.Series(random.choice(["Closed Won", "Negotiation", "Closed Lost"], len(frame)), index=frame.index)
        frame.loc[late & (frame["field"] == "stage"), "new_value"] = new
        frame.loc[late & (frame["field"] == "amount"), "new_value"] = "9999999.00"
        frame.loc[late & (frame["field"] == "close_date"), "new_value"] = "2020-08-01"
        frame.loc[late & (frame["field"] == "owner_id"), "new_value"] = "nobody"
    elif name == "opportunities":
        for column, value in NOW_ONLY.items():
            frame[column] = frame[column].where(~late, value)
        frame["close_date"] = frame["close_date"].where(~late, pd.Timestamp("2021-02-03").date())
    elif name == "forecast_submissions":
        frame["amount"] = frame["amount"].where(~late, Decimal("1.00"))
    return frame


def shuffled(name, late, frame, random):
    return frame.iloc[random.permutation(len(frame))]


def some_deleted_altered_and_shuffled(name, late, frame, random):
    gone = late & (random.random(len(frame)) < 0.5)
    frame, late = altered(name, late, frame, random)[~gone], late[~gone]
    return shuffled(name, late, frame, random)


CASES = [*zip(DAYS, (deleted, altered, shuffled), strict=True), *((day, some_deleted_altered_and_shuffled) for day in DAYS)]
MORE = [pytest.param(*case, marks=pytest.mark.truth) for case in CASES[4:]]


@pytest.mark.parametrize(("day", "change"), [*CASES[:4], *MORE], ids=lambda given: getattr(given, "__name__", given))
def test_what_is_recorded_later_changes_no_bit(folder, said, tmp_path, day, change):
    copy = shutil.copytree(folder, tmp_path / "data")
    random = np.random.default_rng(CASES.index((day, change)))
    cutoff, midnight = pd.Timestamp(Snapshot(folder, quarter="2021Q4", as_of=day).cutoff), pd.Timestamp(day)
    history = pd.read_parquet(copy / "opportunity_history.parquet")
    changes_later = set(history.loc[history["changed_at"] >= cutoff, "opportunity_id"])
    for path in sorted(copy.glob("*.parquet")):
        before = pd.read_parquet(path, dtype_backend="pyarrow")
        late = np.zeros(len(before), dtype=bool)
        for column in {"changed_at", "created_at", "submitted_at"} & set(before.columns):
            late |= (pd.to_datetime(before[column]) >= cutoff).to_numpy(bool)
        if path.stem in ("reps", "subscriptions"):
            late |= (pd.to_datetime(before["start_date"]) > midnight).to_numpy(bool)
        if path.stem == "opportunities" and change is not deleted:
            late |= before["opportunity_id"].isin(list(changes_later)).to_numpy(bool) if change is altered else False
        after = change(path.stem, late, before.copy(), random)
        assert not late.any() or path.stem not in ("opportunities", "opportunity_history") or not after.equals(before)
        after.to_parquet(path, index=False)
    for name, frame in everything(copy, day).items():
        pd.testing.assert_frame_equal(frame, said[day][name], check_exact=True, obj=name)


def test_a_past_forecast_of_the_backtest_is_what_was_said_then(folder):
    """To the digit: value, bounds, every method, and what each baseline said; `actual` alone is known only now."""
    tested = forecast.backtest(Snapshot(folder, quarter="2022Q2")).set_index("day")
    for week, day in ((1, "2021-12-31"), (8, "2022-02-18")):
        row = tested.loc[pd.Timestamp(day)]
        assert (row["quarter"], row["week"]) == ("2022Q1", week)
        then = Snapshot(folder, quarter="2022Q1", as_of=day)
        outlook = forecast.outlook(then).set_index("part")
        assert outlook.loc["total", ["low", "value", "high"]].tolist() == row[["low", "value", "high"]].tolist()
        baselines = outlook.loc[["CRM stage probability", "Last quarter again", "Same quarter last year"], "value"]
        assert baselines.tolist() == row[["stage_weighted", "last_quarter", "seasonal_naive"]].tolist()
        methods = forecast.shares(then).set_index("method")["value"]
        assert (
            methods[["Chance of each deal", "Simulated paths", "Yield by stage and week"]].tolist()
            == row[["odds", "paths", "yields"]].tolist()
        )


def test_asked_a_quarter_ahead_the_past_forecasts_know_no_more(folder):
    """As of 2022-03-10 for 2022Q2: the row of 2021Q4 stands on the same day of 2021Q3, with what was known then."""
    ahead = Snapshot(folder, quarter="2022Q2", as_of="2022-03-10")
    assert set(forecast.outlook(ahead)["quarter"]) == {"2022Q2"}
    later = forecast.horizons(ahead).set_index("horizon")
    following = forecast.outlook(ahead).set_index("part").loc["total"]
    assert later.loc["2022Q2", ["low", "value", "high"]].tolist() == following[["low", "value", "high"]].tolist()
    assert forecast.backtest(ahead)["quarter"].max() == "2021Q4"
