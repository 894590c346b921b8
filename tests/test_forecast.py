"""The forecast as people ask for it: on the shipped company, and on one small enough to be asked on many days."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from companies import invent
from oracle import WEEKS, bias, brier_ratio, measured, skill, wape

from revops_lib import forecast
from revops_lib.errors import DataRefused
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def snapshot():
    return Snapshot("data/sample", quarter="2026Q3")


@pytest.fixture(scope="module")
def outlook(snapshot):
    return forecast.outlook(snapshot).set_index("part")


@pytest.fixture(scope="module")
def backtest(snapshot):
    return forecast.backtest(snapshot)


@pytest.fixture(scope="module")
def small():
    """The folder of a company of about fifteen wins a quarter."""
    return invent(621, scale=0.3, oracle_paths=0)[0]


def test_the_target_is_the_running_quarter_then_the_next():
    assert str(forecast.target_quarter(Snapshot("data/sample", quarter="2026Q2", as_of="2026-05-15"))) == "2026Q2"
    assert str(forecast.target_quarter(Snapshot("data/sample", quarter="2026Q2"))) == "2026Q3"
    assert str(forecast.target_quarter(Snapshot("data/sample", quarter="2026Q2", as_of="2026-03-15"))) == "2026Q2"


def test_the_interval_begins_at_what_is_won_and_narrows_through_the_quarter(small):
    widths = []
    for day in ("2021-12-31", "2022-02-10", "2022-03-15", "2022-03-30"):
        known = Snapshot(small, quarter="2022Q1", as_of=day)
        outlook, deals = forecast.outlook(known).set_index("part"), known.opportunities
        won = float(deals.loc[(deals["status"] == "won") & (deals["close_date"] >= "2022-01-01"), "amount"].sum())
        total = outlook.loc["total"]
        assert outlook.loc["won to date", "value"] == pytest.approx(won)
        assert won <= total["low"] <= total["value"] <= total["high"]
        widths.append(total["high"] - total["low"])
    assert widths == sorted(widths, reverse=True)


def test_a_higher_level_is_a_wider_interval(small):
    known = Snapshot(small, quarter="2021Q4")
    narrow, wide = (forecast.outlook(known, level=level).set_index("part").loc["total"] for level in (0.5, 0.9))
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]


def test_the_same_seed_says_the_same_and_another_almost(small):
    one, again, other = (forecast.outlook(Snapshot(small, quarter="2021Q4"), seed=seed).set_index("part") for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again, check_exact=True)
    assert 0 < abs(other.loc["total", "value"] / one.loc["total", "value"] - 1) < 0.1


def test_stage_weighted_baseline_equals_a_plain_sum(snapshot, outlook):
    probability = snapshot.table("stages").set_index("stage")["probability"]
    expected = 0.0
    for deal in snapshot.opportunities.itertuples():
        if deal.status == "open" and deal.close_date <= pd.Timestamp("2026-12-31"):
            expected += float(deal.amount) * probability[deal.stage]
    assert outlook.loc["CRM stage probability", "value"] == pytest.approx(expected)


def test_naive_baselines_are_what_past_quarters_brought(snapshot, backtest):
    deals = snapshot.opportunities[lambda frame: frame["status"] == "won"]
    brought = deals.groupby(deals["close_date"].dt.to_period("Q-DEC"))["amount"].sum().astype(float)
    for row in backtest.itertuples():
        quarter = pd.Period(row.quarter, "Q-DEC")
        assert row.actual == pytest.approx(brought[quarter])
        # Wins recorded late were not known when the next quarter began.
        assert 0.9 * brought[quarter - 1] <= row.last_quarter <= brought[quarter - 1] * (1 + 1e-9)
        assert row.seasonal_naive == pytest.approx(brought[quarter - 4])


def test_the_shipped_company_is_forecast_almost_as_well_as_by_its_oracle(snapshot):
    """One company: bounds so wide that chance does not break them, and a model that lost its features would."""
    scored = measured([(snapshot, yaml.safe_load((snapshot.directory / "truth.yml").read_text(encoding="utf-8")))])
    assert len(scored.rows) == 12 * len(WEEKS)
    assert wape(scored.rows, "value") <= 1.35 * wape(scored.rows, "oracle")
    assert skill(scored.rows, "stage_weighted") >= 0.20 and skill(scored.rows, "seasonal_naive") >= 0.40
    assert abs(bias(scored.rows, "value")) <= 0.10
    assert 0.60 <= scored.rows["is_inside"].mean() <= 0.97
    assert brier_ratio(scored) <= 0.92


def test_every_week_the_model_beats_what_people_use_without_one(backtest):
    measured = forecast.accuracy(backtest).set_index(["at", "method"])["wape"]
    for at in ("same point", "week 1", "week 4", "week 8", "week 12", "all weeks"):
        assert (
            measured[at, "Model"]
            < measured[at][["CRM stage probability", "Last quarter again", "Same quarter last year"]].min()
        )


def test_the_readme_tells_what_the_sample_shows(backtest):
    tested = forecast.same_point(backtest)
    measured = forecast.accuracy(backtest).set_index(["at", "method"]).loc["same point"]
    inside = {6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten", 11: "eleven"}[int(tested["is_inside"].sum())]
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"{inside} came in inside the 80 % interval" in text
    assert f"is {measured.loc['Model', 'wape']:.0%}".replace("%", " %") in text
    assert f"against {measured.loc['Last quarter again', 'wape']:.0%}".replace("%", " %") in text


def test_every_check_holds_on_the_sample(snapshot, outlook):
    checks = forecast.checks(snapshot, outlook.reset_index())
    assert checks["holds"].all(), checks[~checks["holds"]]


def test_a_better_baseline_becomes_the_answer_and_the_sentence_says_so(outlook, backtest):
    accuracy, frame = forecast.accuracy(backtest), outlook.reset_index()
    assert forecast.answer(frame, accuracy)["part"] == "total"
    said = forecast.headline(frame, accuracy)
    assert "expected, between" in said and "such intervals held in" in said and "past error" in said
    model, naive = ((accuracy["at"] == "same point") & (accuracy["method"] == name) for name in ("Model", "Last quarter again"))
    lost = accuracy.assign(
        wape=accuracy["wape"].mask(naive, 0.05).mask(model, 0.31), skill=accuracy["skill"].mask(naive, 1 - 0.31 / 0.05)
    )
    assert forecast.answer(frame, lost)["part"] == "Last quarter again"
    said = forecast.headline(frame, lost)
    assert "by “Last quarter again”, whose past error of 5% is smaller than the model's 31%" in said and "held" not in said
    assert forecast.answer(frame, lost.assign(n=2))["part"] == "total"  # two quarters are no evidence against the model
    assert "not yet calibrated, 2 past quarters could be tested" in forecast.headline(frame, lost.assign(n=2))


def test_quarters_without_a_win_are_quarters(company):
    """Every second quarter brings nothing; the forecast of the next one must not pretend that they did not exist."""
    quarters = pd.period_range("2021Q1", "2026Q2", freq="Q")
    deals = [
        {"opportunity_id": f"{q}{i}", "status": "won", "created_at": q.start_time + pd.Timedelta(days=5), "close_date": q.start_time + pd.Timedelta(days=30), "amount": "10.00", "currency": "EUR"}
        for q in quarters[::2] for i in range(10)
    ]  # fmt: skip
    deals += [
        {"opportunity_id": f"o{q}", "status": "lost", "created_at": q.start_time + pd.Timedelta(days=60), "close_date": q.end_time + pd.Timedelta(days=9)}
        for q in quarters[:-1]
    ]  # fmt: skip
    snapshot = Snapshot(company(opportunities=deals, known_until="2026-06-30"), quarter="2026Q2")
    total = forecast.outlook(snapshot).set_index("part").loc["total"]
    tested = forecast.backtest(snapshot)
    assert (tested["actual"] == 0).sum() >= 5
    assert 0 <= total["low"] < 5 < total["high"] and total["value"] < 10  # ten wins every second quarter: five a quarter


def test_no_past_quarter_is_said(company):
    data = company(opportunities=[{"opportunity_id": "A", "status": "open", "created_at": "2026-10-01", "amount": "5.00"}])
    with pytest.raises(DataRefused, match="fewer than two complete past quarters"):
        forecast.outlook(Snapshot(data, quarter="2026Q4"))
