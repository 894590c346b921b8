"""Thin, odd and broken companies: a sentence, or a degraded answer that is true. Never a traceback, never "nan"."""

import re
import shutil
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from revops_lib import forecast, sample, tables
from revops_lib.errors import DataRefused, RevopsError
from revops_lib.snapshot import Snapshot

DAY = "2024-02-29"
SINCE = pd.Timestamp("2023-03-20")  # 2023Q2 to 2023Q4 are complete on the day
BELOW = (forecast.groups, forecast.deals, forecast.shares, forecast.submission_bias, forecast.brier, forecast.reliability)
BEYOND = (forecast.course, forecast.horizons)
pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


@pytest.fixture(scope="module")
def frames():
    """A company of about ten wins a quarter that began to record in March 2023."""
    made, _ = sample.generate(622, 0.3, oracle_paths=0)
    told = made["forecast_submissions"]
    made["forecast_submissions"] = told[told["submitted_at"] >= SINCE]
    return keep(made, made["opportunities"].loc[made["opportunities"]["created_at"] >= SINCE, "opportunity_id"])


@pytest.fixture(scope="module")
def open_deals(frames, tmp_path_factory):
    deals = Snapshot(laid(frames, tmp_path_factory.mktemp("company")), quarter="2024Q1", as_of=DAY).opportunities
    return deals.loc[deals["status"] == "open", "opportunity_id"]


def laid(frames, folder, **dataset):
    told = {
        "name": "odd", "known_until": "2026-09-30", "timezone": "Europe/Paris", "fiscal_year_end": "DEC", "currency": "EUR",
        "tracked": list(tables.TRACKED), "files": [], "aliases": [], "quarantined": [],
    }  # fmt: skip
    tables.write(folder / "data", {name: tables.conform(name, frame) for name, frame in frames.items()}, told | dataset)
    return folder / "data"


def keep(frames, ids):
    """The company with these deals only."""
    of_deals = ("opportunities", "opportunity_history", "credits")
    return {n: f[f["opportunity_id"].isin(list(ids))] if n in of_deals else f for n, f in frames.items() if n != "leads"}


def put(frames, column, value):
    """The company with `value(old)` in a tracked column, at all times."""
    deals, history = frames["opportunities"].copy(), frames["opportunity_history"].copy()
    deals[column] = value(deals[column])
    mine = history["field"] == column
    history.loc[mine, "new_value"] = value(history.loc[mine, "new_value"])
    return frames | {"opportunities": deals, "opportunity_history": history}


def without(frames, ids):
    deals = frames["opportunities"]["opportunity_id"]
    return keep(frames, deals[~deals.isin(list(ids))])


def missing(column):
    return column.astype(object).where(pd.Series(False, index=column.index), None)


def missing_for_some(column):
    return column.astype(object).where(np.arange(len(column)) % 3 > 0, None)


def won(frames):
    deals = frames["opportunities"]
    return deals[deals["status"] == "won"]


def won_in(frames, quarter):
    of = won(frames)
    return of.loc[of["close_date"].dt.to_period("Q-DEC") == pd.Period(quarter), "opportunity_id"]


def told(snapshot, beyond=False):
    """What a reader sees, as one text, and the outlook by part; what was refused stands there as its sentence. `beyond`: the
    questions that take longer, too."""
    outlook, backtest = forecast.outlook(snapshot), forecast.backtest(snapshot)
    accuracy, coverage = forecast.accuracy(backtest), asked(forecast.coverage, snapshot)
    reached = forecast.reached(snapshot, coverage) if isinstance(coverage, pd.DataFrame) else ""
    said = [forecast.headline(outlook, accuracy, coverage, reached), *forecast.notes(snapshot, outlook)]
    for advice in forecast.recommendations(snapshot, outlook, accuracy).itertuples():
        said += [advice.finding, advice.action]
    checks = forecast.checks(snapshot, outlook)
    said += checks["check"].tolist() + checks["expected"].tolist()
    for function in BELOW + (BEYOND if beyond else ()):
        answer = asked(function, snapshot)
        said.append(answer if isinstance(answer, str) else "")
    forecast.added(backtest), forecast.by_week(accuracy), forecast.same_point(backtest)
    forecast.metrics(outlook, accuracy), forecast.against_baselines(accuracy)
    text = "\n".join(said)
    assert not re.search(r"\b(nan|inf|NaT|None)\b", text), text
    total = outlook.set_index("part").loc["total"]
    assert np.isfinite(total[["low", "value", "high"]].astype(float)).all()
    assert outlook.set_index("part").loc["won to date", "value"] <= total["low"] <= total["value"] <= total["high"]
    structural = checks.set_index("check")["holds"]
    assert structural[["parts sum to the total", "won to date is what the deals say"]].all()
    return text, outlook.set_index("part")


def asked(function, *arguments):
    try:
        return function(*arguments)
    except RevopsError as error:
        assert "\n" not in str(error)
        return str(error)


@pytest.fixture
def tell(frames, tmp_path):
    return lambda change=None, day=DAY, quarter="2024Q1", beyond=False, **dataset: told(
        Snapshot(laid(change or frames, tmp_path, **dataset), quarter=quarter, as_of=day), beyond
    )


def test_a_company_of_three_quarters_is_forecast_and_says_that_it_is_not_calibrated(tell):
    text, outlook = tell(beyond=True)
    assert "not yet calibrated, 1 past quarter could be tested" in text
    assert outlook.loc["total", "value"] > 0


def test_one_quarter_only_is_a_sentence(frames, tmp_path):
    deals = frames["opportunities"]
    short = keep(frames, deals.loc[deals["created_at"] >= "2023-10-20", "opportunity_id"])
    snapshot = Snapshot(laid(short, tmp_path), quarter="2024Q1", as_of=DAY)
    with pytest.raises(DataRefused, match=r"fewer than two complete past quarters to learn from — .* — import an export"):
        forecast.outlook(snapshot)
    assert forecast.backtest(snapshot).empty
    for function in BELOW + BEYOND:
        asked(function, snapshot)


def test_without_a_history_of_fields_deals_are_counted(tell, frames):
    text, outlook = tell({n: f for n, f in frames.items() if n != "opportunity_history"}, tracked=[])
    assert (outlook["unit"] == "deals").all() and "forecast in money is not shown" in text


def test_without_a_single_win_nothing_is_expected_and_said(tell, frames):
    text, outlook = tell(without(frames, won(frames)["opportunity_id"]), beyond=True)
    assert "No past quarter brought a win" in text
    assert outlook.loc["won to date", "value"] == 0


def test_a_quarter_without_wins_is_a_quarter_of_zero(frames, tmp_path):
    empty = without(frames, won_in(frames, "2023Q4"))
    _, outlook = told(Snapshot(laid(empty, tmp_path), quarter="2024Q1", as_of=DAY))
    assert outlook.loc["Last quarter again", "value"] == 0 and outlook.loc["total", "value"] > 0


def test_one_seller_is_said(tell, frames):
    owned = put(frames, "owner_id", lambda column: column.where(column.isna(), "R005"))
    text, _ = tell(owned)
    assert "All open deals have one owner" in text


def test_without_amounts_deals_are_counted(tell, frames):
    text, outlook = tell(put(frames, "amount", missing))
    assert (outlook["unit"] == "deals").all() and "forecast in money is not shown" in text
    assert 0 < outlook.loc["total", "value"] < 200


def test_some_missing_amounts_are_counted_in_a_sentence(tell, frames):
    text, outlook = tell(put(frames, "amount", missing_for_some))
    assert "open deals carry no amount and add nothing" in text and (outlook["unit"] == "EUR").all()


@pytest.mark.parametrize("kept", [0, 1])
def test_hardly_an_open_deal(tell, frames, open_deals, kept):
    _, outlook = tell(without(frames, open_deals[kept:]), beyond=True)
    assert outlook.loc[[part for part in outlook.index if part.startswith(("open", "pulled"))], "n"].sum() == kept


def test_without_close_dates_nothing_is_due(tell, frames):
    closes = won(frames)["opportunity_id"]
    deals, history = frames["opportunities"].copy(), frames["opportunity_history"]
    deals.loc[~deals["opportunity_id"].isin(closes), "close_date"] = pd.NaT
    tell(frames | {"opportunities": deals, "opportunity_history": history[history["field"] != "close_date"]},
         tracked=[name for name in tables.TRACKED if name != "close_date"])  # fmt: skip


def test_wins_without_a_date_belong_to_no_quarter(tell, frames):
    with pytest.raises(DataRefused, match="fewer than two complete past quarters"):
        tell(put(frames, "close_date", missing))


def test_a_stage_that_is_not_listed(tell, frames):
    tell(put(frames, "stage", lambda column: column.where(column != "Proposal", "Mystery")))


def test_stages_without_a_probability_give_no_such_baseline(tell, frames):
    text, outlook = tell(frames | {"stages": frames["stages"].assign(probability=np.nan)})
    assert "The baseline by CRM stage probability is not shown" in text
    assert np.isnan(outlook.loc["CRM stage probability", "value"])


def test_all_in_one_segment(tell, frames):
    tell(frames | {"accounts": frames["accounts"].assign(segment="SMB")})


def test_only_deals_and_stages(tell, frames):
    tell({name: frames[name] for name in ("stages", "opportunities", "opportunity_history")})


def test_amounts_of_zero_and_a_typing_error_of_a_billion(tell, frames):
    tell(put(frames, "amount", lambda column: column.astype(str).where(np.arange(len(column)) % 2 > 0, "0.00")))
    deals = frames["opportunities"].copy()
    deals["amount"] = deals["amount"].where(np.arange(len(deals)) % 97 > 0, Decimal("999999999.99"))
    text, _ = tell(frames | {"opportunities": deals}, tracked=[name for name in tables.TRACKED if name != "amount"])
    assert "deals" in text


@pytest.mark.parametrize("day", ["2023-12-31", "2024-01-01", "2024-03-31"])
def test_the_first_and_last_days_of_a_quarter(tell, day):
    _, outlook = tell(day=day, quarter="2024Q1")
    assert set(outlook["quarter"]) == {"2024Q1" if day < "2024-03-31" else "2024Q2"}


def test_a_fiscal_year_that_ends_in_january(tell):
    _, outlook = tell(fiscal_year_end="JAN", quarter="2025Q1", beyond=True)
    assert set(outlook["quarter"]) == {"2025Q1"}  # February to April 2024


def test_the_next_quarter_asked_for_while_this_one_runs(tell):
    _, outlook = tell(quarter="2024Q2")
    assert set(outlook["quarter"]) == {"2024Q2"} and outlook.loc["won to date", "value"] == 0


def test_the_public_export_is_forecast_from_what_was_known_then(crm, tmp_path):
    """Its file was read at the end of 2017: what it tells of later days must not count on 2017-09-30."""
    day, copy = "2017-09-30", shutil.copytree(crm, tmp_path / "data")
    deals = pd.read_parquet(copy / "opportunities.parquet", dtype_backend="pyarrow")
    later = (pd.to_datetime(deals["close_date"]) > day) & (deals["status"] != "open")
    unknown = (deals["created_at"] >= Snapshot(crm, quarter="2017Q3").cutoff).fillna(False)
    assert later.sum() > 1000 and unknown.sum() > 500
    changed = deals.copy()
    changed.loc[later, "status"], changed.loc[later, "stage"] = "lost", "Lost"
    gone = unknown & (np.arange(len(deals)) % 2 == 0)
    changed[~gone].sample(frac=1, random_state=1).to_parquet(copy / "opportunities.parquet", index=False)
    answers = [told(Snapshot(folder, quarter="2017Q3", as_of=day)) for folder in (crm, copy)]
    pd.testing.assert_frame_equal(answers[0][1], answers[1][1], check_exact=True)
    total = answers[0][1].loc["total"]
    assert set(answers[0][1]["quarter"]) == {"2017Q4"} and set(answers[0][1]["unit"]) == {"deals"}
    assert total["low"] <= 1196 <= total["high"]  # won in 2017Q4, counted in the CSV
    assert "not yet calibrated" in answers[0][0]


def test_no_opportunity_known_is_a_sentence(frames, tmp_path):
    snapshot = Snapshot(laid(frames, tmp_path), quarter="2022Q1")
    with warnings.catch_warnings(), pytest.raises(RevopsError):
        forecast.outlook(snapshot)
