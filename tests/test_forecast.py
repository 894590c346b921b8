"""The forecast on companies whose future is known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from revops_lib import forecast, periods, sample, tables
from revops_lib.errors import DataRefused
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def snapshot():
    return Snapshot("data/sample", quarter="2026Q3")


@pytest.fixture(scope="module")
def outlook(snapshot):
    return forecast.outlook(snapshot).set_index("part")


def won_in(snapshot, quarter):
    deals = Snapshot(snapshot.data, quarter=str(quarter)).opportunities
    won = deals[(deals["status"] == "won") & (deals["close_date"].dt.to_period("Q-DEC") == quarter)]
    return float(won["amount"].sum())


def test_the_target_is_the_running_quarter_then_the_next():
    assert str(forecast.target_quarter(Snapshot("data/sample", quarter="2026Q2", as_of="2026-05-15"))) == "2026Q2"
    assert str(forecast.target_quarter(Snapshot("data/sample", quarter="2026Q2"))) == "2026Q3"
    assert str(forecast.target_quarter(Snapshot("data/sample", quarter="2026Q2", as_of="2026-03-15"))) == "2026Q2"


def test_interval_floor_is_what_is_won_to_date():
    late = Snapshot("data/sample", quarter="2026Q2", as_of="2026-06-15")
    outlook = forecast.outlook(late).set_index("part")
    deals = late.opportunities
    won = deals[(deals["status"] == "won") & (deals["close_date"] >= "2026-04-01")]["amount"].sum()
    assert outlook.loc["won to date", "value"] == pytest.approx(float(won))
    assert outlook.loc["total", "low"] >= float(won)
    widths = outlook["high"] - outlook["low"]
    early = forecast.outlook(Snapshot("data/sample", quarter="2026Q1")).set_index("part")
    assert widths["total"] < (early["high"] - early["low"])["total"]


def test_backtest_is_what_the_same_function_said_then(snapshot):
    """No information after the day enters: re-run as of the past day, the forecast of that day is the same to the digit."""
    tested = forecast.backtest(snapshot).set_index("quarter")
    for quarter in ("2025Q1", "2026Q2"):
        period = periods.quarter(quarter)
        then = Snapshot("data/sample", quarter=str(period - 1))
        total = forecast.outlook(then).set_index("part").loc["total"]
        assert total["quarter"] == quarter
        np.testing.assert_array_equal(
            total[["low", "value", "high"]].astype(float), tested.loc[quarter, ["low", "value", "high"]]
        )
        assert tested.loc[quarter, "actual"] == pytest.approx(won_in(snapshot, period))
        assert tested.loc[quarter, "last_quarter"] == pytest.approx(won_in(snapshot, period - 1))


def test_stage_weighted_baseline_equals_a_plain_sum(snapshot, outlook):
    deals = snapshot.opportunities
    probability = snapshot.table("stages").set_index("stage")["probability"]
    expected = 0.0
    for deal in deals.itertuples():
        if deal.status == "open" and deal.close_date <= pd.Timestamp("2026-12-31"):
            expected += float(deal.amount) * probability[deal.stage]
    assert outlook.loc["CRM stage probability", "value"] == pytest.approx(expected)


def test_the_model_beats_the_baselines_on_the_sample(snapshot):
    measured = forecast.accuracy(forecast.backtest(snapshot)).set_index("method")
    assert measured.loc["Stage and age", "n"] == 12
    assert measured.loc["Stage and age", "wape"] < measured.loc[["CRM stage probability", "Last quarter again"], "wape"].min()


def test_the_readme_tells_what_the_sample_shows(snapshot):
    tested = forecast.backtest(snapshot)
    measured = forecast.accuracy(tested).set_index("method")
    inside = {6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}[int(tested["is_inside"].sum())]
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"{inside} came in inside the 80 % interval" in text
    assert f"is {measured.loc['Stage and age', 'wape']:.0%}".replace("%", " %") in text
    assert f"against {measured.loc['Last quarter again', 'wape']:.0%}".replace("%", " %") in text


def test_accuracy_of_a_worked_example():
    # A 1,000 forecast 950, B 10 forecast 25: WAPE 6.436 %, forecaststudio.com.mx/blog/forecast-accuracy-metrics
    tested = pd.DataFrame(
        {"value": [950.0, 25.0], "stage_weighted": np.nan, "last_quarter": [1000.0, 10.0], "actual": [1000.0, 10.0],
         "is_inside": [True, False]}
    )  # fmt: skip
    measured = forecast.accuracy(tested).set_index("method")
    assert measured.loc["Stage and age", "wape"] == pytest.approx(0.06436, abs=5e-6)
    assert measured.loc["Stage and age", "bias"] == pytest.approx(-35 / 1010)
    assert measured.loc["Stage and age", "coverage"] == 0.5
    assert measured.loc["Last quarter again", "wape"] == 0
    assert np.isnan(measured.loc["CRM stage probability", "wape"])


def test_a_better_baseline_becomes_the_answer(outlook):
    measured = pd.DataFrame(
        {"method": ["Stage and age", "CRM stage probability", "Last quarter again"], "wape": [0.3, np.nan, 0.2],
         "coverage": [0.8, np.nan, np.nan], "n": [12, 0, 12]}
    )  # fmt: skip
    frame = outlook.reset_index()
    assert forecast.answer(frame, measured)["part"] == "Last quarter again"
    said = forecast.headline(frame, measured)
    assert "by “Last quarter again”, whose past error of 20% is smaller than the model's 30%" in said and "held" not in said
    assert forecast.answer(frame, measured.assign(wape=[0.1, np.nan, 0.2]))["part"] == "total"
    few = forecast.headline(frame.assign(low=np.nan, high=np.nan), measured.assign(n=1))
    assert "too few quarters tested (1) for an interval" in few and "unknown" not in few


def test_every_check_holds_on_the_sample(snapshot, outlook):
    assert forecast.checks(snapshot, outlook.reset_index())["holds"].all()


def test_without_amounts_deals_are_counted_and_no_money_is_invented(crm):
    past = Snapshot(crm, quarter="2017Q3")
    outlook = forecast.outlook(past)
    assert (outlook["unit"] == "deals").all()
    total = outlook.set_index("part").loc["total"]
    assert total["low"] <= 1196 <= total["high"]  # won in 2017Q4, counted in the CSV
    notes = " ".join(forecast.notes(past, outlook))
    assert "forecast in money is not shown" in notes
    assert "not yet calibrated" in forecast.headline(outlook, forecast.accuracy(forecast.backtest(past)))


def test_asked_a_quarter_ahead_the_past_forecasts_know_no_more(snapshot):
    """As of 2026-09-10 for 2026Q4: the test of 2026Q2 stands on 2026-03-11, when 2026Q1 was not over."""
    ahead = Snapshot("data/sample", quarter="2026Q4", as_of="2026-09-10")
    tested = forecast.backtest(ahead).set_index("quarter")
    then = Snapshot("data/sample", quarter="2026Q2", as_of="2026-03-11")
    total = forecast.outlook(then).set_index("part").loc[["total", "Last quarter again"], "value"]
    assert tested.loc["2026Q2", ["value", "last_quarter"]].tolist() == total.tolist()


def test_quarters_without_a_win_are_quarters(company):
    """Every second quarter brings nothing; the median forecast of the next one must not pretend they did not exist."""
    quarters = pd.period_range("2021Q1", "2026Q2", freq="Q")
    deals = [
        {"opportunity_id": f"{q}{i}", "status": "won", "created_at": q.start_time + pd.Timedelta(days=5), "close_date": q.start_time + pd.Timedelta(days=30), "amount": "10.00", "currency": "EUR"}
        for q in quarters[::2] for i in range(10)
    ]  # fmt: skip
    deals += [
        {
            "opportunity_id": f"o{q}",
            "status": "lost",
            "created_at": q.start_time + pd.Timedelta(days=60),
            "close_date": q.end_time + pd.Timedelta(days=9),
        }
        for q in quarters[:-1]
    ]
    outlook = forecast.outlook(Snapshot(company(opportunities=deals, known_until="2026-06-30"), quarter="2026Q2")).set_index(
        "part"
    )
    assert outlook.loc["yet to be created", "low"] == 0
    tested = forecast.backtest(Snapshot(company(opportunities=deals, known_until="2026-06-30"), quarter="2026Q2"))
    assert (tested["actual"] == 0).sum() >= 5


def test_no_past_quarter_is_said(company):
    data = company(opportunities=[{"opportunity_id": "A", "status": "open", "created_at": "2026-10-01", "amount": "5.00"}])
    with pytest.raises(DataRefused, match="fewer than two complete past quarters"):
        forecast.outlook(Snapshot(data, quarter="2026Q4"))


@pytest.mark.truth
def test_coverage_and_error_over_many_companies(tmp_path, record_property):
    """80 % intervals hold in 60 to 92 % of past quarters, and the model beats both baselines in error, over 12 companies."""
    parts = []
    for seed in range(101, 113):
        frames, _ = sample.generate(seed, oracle_paths=0)
        tables.write(tmp_path / str(seed), frames, {**Snapshot("data/sample", quarter="2026Q3").dataset})
        for quarter in ("2024Q2", "2026Q3"):
            parts.append(forecast.backtest(Snapshot(tmp_path / str(seed), quarter=quarter)).tail(8).assign(seed=seed))
    tested = pd.concat(parts).drop_duplicates(["seed", "quarter"])
    measured = forecast.accuracy(tested).set_index("method")
    print(f"\n{len(tested)} company-quarters\n{measured.round(3).to_string()}")
    assert 0.60 <= measured.loc["Stage and age", "coverage"] <= 0.92
    assert measured.loc["Stage and age", "wape"] < measured.loc[["CRM stage probability", "Last quarter again"], "wape"].min()
