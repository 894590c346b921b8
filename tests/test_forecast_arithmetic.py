"""The forecast's sums, chances and scores against plain loops and worked examples."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from companies import invent

from revops_lib import forecast
from revops_lib.forecast import paths, rolling
from revops_lib.forecast.hazards import Cohort
from revops_lib.forecast.panel import panel
from revops_lib.snapshot import Snapshot


@pytest.fixture(scope="module")
def snapshot():
    """A company of about fifteen wins a quarter in the middle of a quarter, five complete ones behind it."""
    return Snapshot(invent(621, scale=0.3, oracle_paths=0)[0], quarter="2022Q1", as_of="2022-02-15")


@pytest.fixture(scope="module")
def fit(snapshot):
    return rolling.fitted(snapshot, panel(snapshot).running)


def test_every_simulated_quarter_is_the_sum_of_its_parts(snapshot):
    look, simulated = rolling.now(snapshot, 0.8, 1)
    one = simulated[-1]
    for path in (0, 17, len(one.total) - 1):
        created = one.created.loc[one.created["path"] == path, "amount"].sum()
        assert one.total[path] == pytest.approx(one.won_to_date + sum(one.open[path]) + created)
    assert look.totals.mean() == pytest.approx(look.won_to_date + look.scale * (one.total.mean() - one.won_to_date))
    assert (one.open >= 0).all() and (one.created["amount"] > 0).all()


@pytest.mark.parametrize("by", ["segment", "team", "owner_id"])
def test_groups_add_up_to_the_company(snapshot, by):
    look, _ = rolling.now(snapshot, 0.8, 1)
    groups = forecast.groups(snapshot, by=by)
    assert groups["expected"].sum() == pytest.approx(look.totals.mean())
    assert groups["won"].sum() == pytest.approx(look.won_to_date)
    assert (groups["low"] <= groups["value"]).all() and (groups["value"] <= groups["high"]).all()


def test_the_methods_share_one_whole_and_make_the_forecast(snapshot):
    look, _ = rolling.now(snapshot, 0.8, 1)
    shares = forecast.shares(snapshot)
    assert shares["weight"].sum() == pytest.approx(1) and (shares["weight"] > 0).all()
    assert (shares["value"] * shares["weight"]).sum() == pytest.approx(look.totals.mean())


def test_chances_to_win_equal_a_plain_simulation(snapshot, fit):
    """Every third deal walked 4,000 times week by week with the same hazards, its time in the stage and its age growing."""
    hazards, deals = fit.hazards, panel(snapshot).open_on(snapshot.as_of)
    schedule = paths._schedule(fit.quarter, snapshot.as_of, 1)
    assert {week.exposure < 1 for week in schedule} == {True, False} and len(deals) > 10
    computed = hazards.won(Cohort.of(deals), schedule, np.zeros(1))[:, :, 0]
    random, walks = np.random.default_rng(1), 4_000
    for at, deal in list(enumerate(deals.itertuples()))[::3]:
        won = np.zeros(2)
        stage, entered = np.full(walks, deal.stage), np.zeros(walks, dtype=int)
        for t, week in enumerate(schedule):
            is_open = stage >= 0
            stay = np.where(entered == 0, deal.in_stage / 7 + t, t - entered + 0.5)
            rows = pd.DataFrame({
                "stage": np.maximum(stage, 0), "segment": deal.segment, "week": week.week, "season": week.season,
                "in_stage": 7 * stay, "age": deal.age + 7 * t, "weight": deal.weight,
            })  # fmt: skip
            x = hazards._history(rows)
            move, lose = hazards._moving.chance(x), hazards._losing.chance(x)
            goes = 1 - (1 - (move + lose)) ** week.exposure
            luck = random.random(walks)
            moves = is_open & (luck < goes * move / (move + lose))
            loses = is_open & ~moves & (luck < goes)
            to = (random.random(walks)[:, None] > hazards._to.cumsum(axis=1)[stage]).sum(axis=1)
            won[week.ahead] += (moves & (to == hazards._n)).sum()
            stage = np.where(loses | (moves & (to == hazards._n)), -1, np.where(moves, to, stage))
            entered = np.where(moves, t + 1, entered)
        share = won / walks
        assert np.abs(share - computed[:, at]).max() < 4.5 * 0.5 / np.sqrt(walks), deal


def test_a_deal_is_won_once_at_most(snapshot, fit):
    deals = panel(snapshot).open_on(snapshot.as_of)
    schedule = paths._schedule(fit.quarter, snapshot.as_of, 3)
    chances = fit.hazards.won(Cohort.of(deals), schedule, np.array([-1.0, 0.0, 2.0]))
    assert chances.min() > -1e-12 and chances.sum(axis=0).max() <= 1 + 1e-12
    assert (np.diff(chances[0], axis=1) > 0).all()  # a good quarter is good for every deal
    simulated = rolling.now(snapshot, 0.8, 1, ahead=3)[1]
    assert sum((one.open > 0).astype(int) for one in simulated).max() == 1


def test_scores_of_a_worked_example():
    # A 1,000 forecast 950, B 10 forecast 25: WAPE 6.436 %, forecaststudio.com.mx/blog/forecast-accuracy-metrics
    rows = pd.DataFrame({
        "quarter": ["2026Q1", "2026Q2"], "week": 1, "day": [dt.date(2025, 12, 31), dt.date(2026, 3, 31)], "is_same_point": True,
        "low": [900.0, 20.0], "value": [950.0, 25.0], "high": [1100.0, 30.0], "p10": [900.0, 20.0], "p90": [1100.0, 30.0],
        "stage_weighted": np.nan, "last_quarter": [800.0, 10.0], "seasonal_naive": [1000.0, 10.0],
        **dict.fromkeys(("odds", "paths", "yields", "submitted", "series", "reps", "managers"), np.nan),
        "actual": [1000.0, 10.0], "is_inside": [True, False], "unit": "EUR",
    })  # fmt: skip
    measured = forecast.accuracy(rows)
    same = measured[measured["at"] == "same point"].set_index("method")
    assert same.loc["Model", "wape"] == pytest.approx(0.06436, abs=5e-6)
    assert same.loc["Model", "bias"] == pytest.approx(-35 / 1010)
    assert same.loc["Model", "coverage"] == 0.5 and same.loc["Model", "n"] == 2
    # P10: 0.1 × 100 and 0.9 × 10; P50: 0.5 × 50 and 0.5 × 15; P90: 0.1 × 100 and 0.1 × 20
    assert same.loc["Model", "pinball"] == pytest.approx((10 + 9 + 25 + 7.5 + 10 + 2) / 3 / 1010)
    assert same.loc["Last quarter again", "skill"] == pytest.approx(1 - 65 / 200)
    assert same.loc["Same quarter last year", "wape"] == 0 and np.isnan(same.loc["Same quarter last year", "skill"])
    assert same.loc["CRM stage probability", ["wape", "skill"]].isna().all()
    everywhere = measured[measured["at"] == "all weeks"].set_index("method")["wape"]
    pd.testing.assert_series_equal(everywhere, same["wape"])


def test_the_interval_is_as_wide_as_past_misses_demand():
    """Nine quarters, half-widths of 10: the misses are 1 to 9, of week 1 where one was 9. Of ten misses (the same week counts
    twice) the ceil(11 × 0.8) = 9th stands for 80 %: 9 − but only 8 where no miss is of the same week."""
    looks = [(look(quarter, week=1 if miss == 9 else 8), 100.0 + miss) for quarter, miss in enumerate(range(1, 10), 1)]
    assert rolling._stretch(looks, 1, 0.8, 16) == pytest.approx(9 / 10)
    assert rolling._stretch(looks, 4, 0.8, 16) == pytest.approx(8 / 10)
    below = [(one, 200 - actual) for one, actual in looks]
    assert rolling._stretch(below, 4, 0.8, 16) == pytest.approx(8 / 10)
    # Fewer than eight quarters: never narrower than the paths, and wider by Student's t for four quarters, 1.638 / 1.282.
    assert rolling._stretch(looks[:3], 4, 0.8, 4) == pytest.approx(1.6377 / 1.2816, rel=1e-4)


def look(quarter, week):
    """Totals of 90 to 110 in 80 % of paths."""
    totals = np.concatenate([np.full(150, 90.0), np.full(701, 100.0), np.full(150, 110.0)])
    return rolling.Look(
        quarter=pd.Period(ordinal=200 + quarter, freq="Q-DEC"), week=week, day=dt.date(2026, 1, 1), is_same_point=True,
        won_to_date=0.0, said={}, weights={}, scale=1.0, value=100.0, totals=totals, stretch=1.0,
        chance=np.zeros(0),
    )  # fmt: skip


def test_what_if_moves_the_forecast_in_its_direction(snapshot):
    snapshot = Snapshot(snapshot.data, quarter="2021Q4")  # the first day of 2022Q1, when most of it is yet to be created

    def total(column="value", **what_if):
        return forecast.outlook(snapshot, **what_if).set_index("part")[column]

    base, new = total(), total("high")["yet to be created"]
    assert total(win_rate=1.2)["total"] > base["total"] > total(win_rate=0.8)["total"]
    assert total("high", new_pipeline=2.0)["yet to be created"] > new > total("high", new_pipeline=0.5)["yet to be created"]
    assert total("high", new_pipeline=0.0)["yet to be created"] == 0
    assert total(slip=0.3)["total"] < base["total"]
    assert total(slip=0.3)["won to date"] == base["won to date"]
    certain = forecast.reach(snapshot, 0.0)
    assert certain == 1 >= forecast.reach(snapshot, base["total"]) >= forecast.reach(snapshot, base["total"] * 3)


def test_the_course_ends_with_today(snapshot):
    course, outlook = forecast.course(snapshot), forecast.outlook(snapshot).set_index("part")
    assert course["day"].is_monotonic_increasing and course["day"].iloc[-1] == pd.Timestamp(snapshot.as_of)
    assert course.iloc[-1][["low", "value", "high"]].tolist() == outlook.loc["total", ["low", "value", "high"]].tolist()
    assert course["won"].is_monotonic_increasing


def test_deals_carry_the_uncertainty_they_add(snapshot):
    deals = forecast.deals(snapshot)
    assert deals["chance"].between(0, 1).all() and deals["swing"].is_monotonic_decreasing
    one = deals.iloc[0]
    ratio = one["expected"] / (one["amount"] * one["chance"])
    assert one["swing"] == pytest.approx(ratio * one["amount"] * np.sqrt(one["chance"] * (1 - one["chance"])))
    further = deals.dropna(subset="next_chance")
    assert len(further) > 3 and (further["next_chance"] > further["chance"]).mean() > 0.8
