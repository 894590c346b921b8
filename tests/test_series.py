"""Histories per period, their projection, and forecasts that add up."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED

from revops_lib.errors import DataRefused, UsageError
from revops_lib.forecast import hierarchy, members
from revops_lib.forecast.series import project, series, series_outlook
from revops_lib.snapshot import Snapshot

EIGHTY = [0.1, 0.5, 0.9]


@pytest.fixture(scope="module")
def snapshot():
    return Snapshot("data/sample", quarter="2026Q3")


@pytest.fixture(scope="module")
def quarterly():
    """Twenty quarters with trend, season and noise."""
    t = np.arange(20)
    return pd.Series(
        (100 + 4 * t) * np.array([0.9, 1, 0.95, 1.15])[t % 4] * np.exp(np.random.default_rng(1).normal(0, 0.05, 20))
    )


# History


@pytest.mark.parametrize(("every", "frequency"), [("quarter", "Q-DEC"), ("month", "M"), ("week", "W-SUN")])
def test_bookings_equal_a_plain_loop(snapshot, every, frequency):
    history = series(snapshot, every=every)
    expected = {}
    for deal in snapshot.opportunities.itertuples():
        if deal.status == "won":
            name = str(pd.Period(deal.close_date, freq=frequency))
            expected[name] = expected.get(name, 0.0) + float(deal.amount)
    assert len(history) > 20 and set(history["unit"]) == {"EUR"}
    for row in history.itertuples():
        assert row.value == pytest.approx(expected.get(row.period, 0.0))
    assert pd.Period(history["period"].iloc[-1], freq=frequency).end_time.date() <= snapshot.as_of
    assert pd.Period(history["period"].iloc[0], freq=frequency).start_time >= snapshot.first_complete_quarter.start_time


def test_recurring_revenue_equals_a_plain_loop(snapshot):
    history = series(snapshot, measure="mrr", every="month")
    contracts = snapshot.table("subscriptions")
    for row in history.iloc[[0, len(history) // 2, -1]].itertuples():
        day = pd.Period(row.period, freq="M").end_time.normalize()
        expected = 0.0
        for one in contracts.itertuples():
            if (
                not (pd.notna(one.is_trial) and one.is_trial)
                and one.start_date <= day
                and (pd.isna(one.end_date) or one.end_date >= day)
            ):
                expected += float(one.mrr)
        assert row.value == pytest.approx(expected)


def test_leads_equal_a_plain_count(snapshot):
    history = series(snapshot, measure="leads").set_index("period")["value"]
    created = snapshot.table("leads")["created_at"].dt.tz_localize("UTC").dt.tz_convert(snapshot.timezone).dt.tz_localize(None)
    assert history["2025Q4"] == ((created >= "2025-10-01") & (created < "2026-01-01")).sum()


def test_recurring_revenue_counts_the_last_day_and_no_trial(company):
    one = {"account_id": "a", "currency": "EUR", "is_trial": False}
    data = company(
        known_until="2026-04-15",
        subscriptions=[
            {**one, "subscription_id": "1", "mrr": "100.00", "start_date": "2026-01-10", "end_date": "2026-02-28"},
            {**one, "subscription_id": "2", "mrr": "30.00", "start_date": "2026-01-20", "end_date": "2026-03-30"},
            {**one, "subscription_id": "3", "mrr": "5.00", "start_date": "2026-01-31"},
            {**one, "subscription_id": "4", "mrr": "900.00", "start_date": "2026-01-10", "is_trial": True},
            {**one, "subscription_id": "5", "mrr": "70.00", "start_date": "2026-03-10", "end_date": "2026-01-15"},  # never ran
        ],
    )
    history = series(Snapshot(data, quarter="2026Q2"), measure="mrr", every="month")
    assert history[["period", "value"]].to_numpy().tolist() == [["2026-01", 135.0], ["2026-02", 135.0], ["2026-03", 5.0]]


def test_a_period_without_events_is_a_zero_and_an_incomplete_one_is_left_out(company):
    days = ["2026-01-02", "2026-01-05", "2026-01-20", "2026-03-31", "2026-04-03"]
    data = company(
        known_until="2026-04-15",
        timezone="Europe/Paris",
        tickets=[{"ticket_id": str(i), "opened_at": f"{day} 23:30"} for i, day in enumerate(days)],
        opportunities=[{"opportunity_id": "A", "status": "open", "created_at": "2026-01-01"}],
    )
    # 23:30 UTC on 31 March is 1 April in Paris: February and March had none, April is not over
    now = Snapshot(data, quarter="2026Q2")
    history = series(now, measure="tickets", every="month")
    assert history.to_numpy().tolist() == [
        ["2026-01", 3.0, "tickets"],
        ["2026-02", 0.0, "tickets"],
        ["2026-03", 0.0, "tickets"],
    ]
    past = Snapshot(data, quarter="2026Q1", as_of="2026-02-28")
    assert series(past, measure="tickets", every="month")["period"].tolist() == ["2026-01", "2026-02"]
    with pytest.raises(DataRefused, match="no complete period"):
        series(Snapshot(data, quarter="2026Q1", as_of="2026-01-20"), measure="tickets", every="month")


def test_what_cannot_be_counted_is_said(snapshot, company):
    with pytest.raises(DataRefused, match="no tickets"):
        series(snapshot, measure="tickets")
    with pytest.raises(UsageError, match="did you mean bookings"):
        series(snapshot, measure="booking")
    with pytest.raises(UsageError, match="valid: week, month, quarter"):
        series(snapshot, every="year")
    deal = {"opportunity_id": "A", "status": "won", "created_at": "2025-01-05", "close_date": "2025-02-01", "currency": "EUR"}
    unpriced = Snapshot(company(opportunities=[deal], known_until="2026-01-15"), quarter="2026Q1")
    history = series(unpriced)
    assert set(history["unit"]) == {"deals"} and history["value"].tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(DataRefused, match="no deal has been won"):
        series(Snapshot(company(opportunities=[{**deal, "status": "open"}], known_until="2026-01-15"), quarter="2026Q1"))


def test_the_outlook_names_the_periods_that_follow(snapshot):
    ahead = series_outlook(Snapshot("data/sample", quarter="2022Q2"), measure="leads", horizon=2)
    assert ahead["period"].tolist() == ["2022Q3", "2022Q4"] and set(ahead["unit"]) == {"leads"}
    assert (ahead["low"] < ahead["value"]).all() and (ahead["value"] < ahead["high"]).all()


def test_rows_after_the_day_change_nothing(snapshot):
    early = series(Snapshot("data/sample", quarter="2024Q4"), measure="leads")
    pd.testing.assert_frame_equal(early, series(snapshot, measure="leads").head(len(early)))


# Projection


def test_few_values_give_drift_with_the_spread_of_the_changes():
    # Changes 2, −1, 2, mean 1; distances from it 1, 2, 1: with 3 of them 80 % takes the largest. Spread √(h(1 + h/3)).
    ahead = project(pd.Series([10.0, 12, 11, 13]), horizon=2, season=4)
    assert ahead["value"].tolist() == [14.0, 15.0]
    assert (ahead["high"] - ahead["value"]).tolist() == pytest.approx([2 * np.sqrt(4 / 3), 2 * np.sqrt(2 * 5 / 3)])
    assert ahead["calibration"].iloc[0] == "not yet calibrated" and "4 values" in ahead["method"].iloc[0]
    assert project(pd.Series([5.0, 7.0]), horizon=1, season=4)["value"].iloc[0] == 7.0  # one change is no trend


def test_a_single_or_constant_value_has_no_interval():
    for values in ([5.0], [5.0] * 12):
        ahead = project(pd.Series(values), horizon=2, season=4)
        assert ahead["value"].tolist() == [5.0, 5.0] and ahead[["low", "high"]].isna().all(axis=None)
        assert "no spread" in ahead["calibration"].iloc[0]


def test_a_seasonal_model_on_ten_points_is_refused_and_the_default_degrades():
    ten = pd.Series(np.random.default_rng(2).lognormal(3, 0.2, 10))
    for season in (4, 12):
        with pytest.raises(DataRefused, match="10 values cannot carry a seasonal model"):
            project(ten, horizon=4, season=season, seasonal=True)
    ahead = project(ten, horizon=2, season=12)
    assert "no season: 10 values are too few for one of 12" in ahead["method"].iloc[0]
    assert "not yet calibrated" in ahead["calibration"].iloc[0]


def test_season_and_trend_are_carried_on(quarterly):
    ahead = project(quarterly, horizon=4, season=4, calibrate=False)["value"].to_numpy()
    expected = (100 + 4 * np.arange(20, 24)) * [0.9, 1, 0.95, 1.15]
    assert np.abs(ahead / expected - 1).max() < 0.1
    flat = project(quarterly, horizon=4, season=4, calibrate=False, seasonal=False)["value"].to_numpy()
    assert np.ptp(flat) < 0.5 * np.ptp(ahead)


def test_ets_is_the_best_of_fifteen_forms_by_a_plain_loop(quarterly):
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    best = (np.inf, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for error in ("add", "mul"):
            for trend, damped in ((None, False), ("add", False), ("add", True)):
                for seasonal in (None, "add", "mul"):
                    if error == "add" and seasonal == "mul":
                        continue
                    model = ETSModel(quarterly, error=error, trend=trend, damped_trend=damped, seasonal=seasonal,
                                     seasonal_periods=4 if seasonal else None)  # fmt: skip
                    fitted = model.fit(disp=False)
                    k = 3 + 2 * bool(trend) + damped + 4 * bool(seasonal)
                    aicc = -2 * fitted.llf + 2 * k + 2 * k * (k + 1) / (20 - k - 1)
                    best = min(best, (aicc, fitted), key=lambda pair: pair[0])
    found = members.quantiles(quarterly, horizon=3, season=4, probabilities=EIGHTY)["ets"][1]
    np.testing.assert_allclose(found, best[1].forecast(3), rtol=1e-6)


def test_calibration_equals_a_plain_loop(monkeypatch):
    """Models replaced by one that costs nothing, so that what is tested is how its past misses stretch the interval."""

    def model(values, horizon, season, probabilities, **_):
        return members.seasonal_naive(values, horizon, season, probabilities), []

    monkeypatch.setattr(members, "mean", model)
    values = pd.Series(np.random.default_rng(3).normal(50, 5, 20))
    raw = project(values, horizon=2, season=1, calibrate=False)
    ahead = project(values, horizon=2, season=1)
    scores = []
    for origin in range(8, 20):
        (low, middle, high), _ = model(values[:origin], min(2, 20 - origin), 1, EIGHTY)
        for step, actual in enumerate(values[origin : origin + 2]):
            half = high[step] - middle[step] if actual > middle[step] else middle[step] - low[step]
            scores.append(abs(actual - middle[step]) / half)
    factor = np.quantile(scores, np.ceil(13 * 0.8) / 12, method="higher")  # 12 origins
    for bound in ("low", "high"):
        assert (ahead[bound] - ahead["value"]).tolist() == pytest.approx((factor * (raw[bound] - raw["value"])).tolist())
    assert ahead["value"].tolist() == raw["value"].tolist()
    assert ahead["calibration"].iloc[0] == "calibrated, earlier forecasts measured: 12"
    few = project(values[:19], horizon=1, season=1)
    assert few["calibration"].iloc[0] == "not yet calibrated, earlier forecasts measured: 11"
    steady = pd.Series(
        [10.0, 20] * 4 + [15.0] * 8
    )  # calmer of late than the model thinks: without enough origins never narrower
    narrow, wide = project(steady, horizon=1, season=1), project(steady, horizon=1, season=1, calibrate=False)
    assert narrow["high"].iloc[0] >= wide["high"].iloc[0]


def test_quantiles_are_ordered_and_wider_at_a_higher_level(quarterly):
    eighty = project(quarterly, horizon=2, season=4, calibrate=False)
    wide = project(quarterly, horizon=2, season=4, level=0.95, calibrate=False)
    assert eighty["low"].tolist() == eighty["p10"].tolist() and eighty["high"].tolist() == eighty["p90"].tolist()
    assert wide["p10"].tolist() == eighty["p10"].tolist() and wide["p50"].tolist() == wide["value"].tolist()
    assert (wide["low"] < wide["p10"]).all() and (wide["high"] > wide["p90"]).all()
    pd.testing.assert_frame_equal(eighty, project(quarterly, horizon=2, season=4, calibrate=False))  # the same draws again


@pytest.mark.parametrize("answer", [1e9, np.nan])
def test_a_model_that_runs_away_is_replaced_by_the_seasonal_naive(quarterly, monkeypatch, answer):
    monkeypatch.setattr(
        members, "_components", lambda values, horizon, season, probabilities: np.full((len(probabilities), horizon), answer)
    )
    found = members.quantiles(quarterly, horizon=4, season=4, probabilities=EIGHTY)
    assert list(found) == ["theta", "ets", "components, replaced"]
    assert found["components, replaced"][1].tolist() == quarterly.iloc[-4:].tolist()
    ahead = project(quarterly, horizon=4, season=4, calibrate=False)
    assert "components replaced by the seasonal naive" in ahead["method"].iloc[0]


def test_explosive_growth_stays_within_three_ranges():
    values = pd.Series(np.exp(0.9 * np.arange(16)))
    ahead = project(values, horizon=8, season=4, calibrate=False)
    assert ahead["high"].max() <= values.max() + 3 * (values.max() - values.min())
    assert "replaced" in ahead["method"].iloc[0]


@pytest.mark.parametrize(
    "values",
    [
        [10, 12, 9, 15, 11, 0, 10, 16, 12, 14, 11, 18],
        [0, 0, 5, 0, 0, 0, 7, 0, 0, 0, 3, 0],
        [60, 52, 45, 39, 30, 22, 15, 9, 5, 2, 1, 1],
    ],
)
def test_zeros_and_falls_are_never_forecast_negative(values):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ahead = project(pd.Series(values, dtype="float64"), horizon=4, season=4, calibrate=False)
    numbers = ahead[["low", "value", "high"]].to_numpy()
    assert np.isfinite(numbers).all() and (numbers >= 0).all()
    assert numbers.max() <= max(values) + 3 * (max(values) - min(values))


def test_a_series_with_negative_values_may_go_negative():
    ahead = project(pd.Series([-5.0, 3, -2, 6, -4, 4, -1, 7, -6, 5, -3, 4]), horizon=2, season=1, calibrate=False)
    assert (ahead["low"] < 0).all()


def test_gaps_are_interpolated_and_said_or_refused():
    values = pd.Series([np.nan, 5.0, 7, np.nan, 8, 9])
    ahead = project(values, horizon=1, season=4)
    assert ahead["value"].iloc[0] == project(pd.Series([5.0, 7, 7.5, 8, 9]), horizon=1, season=4)["value"].iloc[0]
    assert "1 missing interpolated" in ahead["method"].iloc[0]
    refused = {
        "newest value is missing": [1.0, 2, np.nan],
        "2 of 4 values are missing": [1.0, np.nan, np.nan, 2],
        "infinite": [1.0, np.inf, 2],
        "without a single value": [np.nan],
    }
    for said, wrong in refused.items():
        with pytest.raises(DataRefused, match=said):
            project(pd.Series(wrong), horizon=1, season=4)


def test_parameters_are_checked():
    for wrong in ({"horizon": 0}, {"season": 0}, {"level": 1.0}):
        with pytest.raises(UsageError):
            project(pd.Series([1.0, 2, 3]), **{"horizon": 1, "season": 4, **wrong})


def test_the_import_stays_cheap():
    code = "import sys, revops_lib.forecast.series, revops_lib.forecast.hierarchy; print('statsmodels' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


@pytest.mark.truth
def test_public_series_are_forecast_better_than_by_the_seasonal_naive():
    """Five monthly and five quarterly series of M3; a hundred of each with every promise are in benchmarks/series.py."""
    folder = SHARED / "data" / "m3"
    if not folder.exists():
        pytest.skip("no M3 series: put them beside the checkout or name their parent in REVOPS_SHARED")
    info, rows = pd.read_csv(folder / "info.csv"), pd.read_csv(folder / "series.csv.gz")
    ours, naive, inside = [], [], []
    for frequency, season in (("MONTHLY", 12), ("QUARTERLY", 4)):
        for name in info.loc[info["period"] == frequency, "id"].sample(5, random_state=2):
            part = rows[rows["id"] == name].groupby("part")["value"]
            train, test = part.get_group("train").reset_index(drop=True), part.get_group("test").to_numpy()
            ahead = project(train, horizon=len(test), season=season, calibrate=False)
            scale = train.diff(season).abs().mean()
            ours.append(np.abs(ahead["value"] - test).mean() / scale)
            naive.append(np.abs(members.seasonal_naive(train, len(test), season, [0.5])[0] - test).mean() / scale)
            inside.append(((ahead["low"] <= test) & (test <= ahead["high"])).mean())
    assert np.mean(ours) < np.mean(naive)
    assert 0.6 <= np.mean(inside) <= 0.98


# Hierarchy


@pytest.fixture
def teams():
    return pd.DataFrame({"region": ["North"] * 3 + ["South"] * 2}, index=pd.Index(["NA", "NB", "NC", "SA", "SB"], name="team"))


@pytest.fixture
def base(teams):
    random = np.random.default_rng(4)
    return pd.DataFrame(random.uniform(10, 90, (8, 3)), index=hierarchy.summing(teams).index, columns=[1, 2, 3])


@pytest.fixture
def residuals(base):
    return pd.DataFrame(np.random.default_rng(5).normal(0, np.arange(1, 9), (30, 8)), columns=base.index)


def test_summing_matrix_of_the_textbook(teams):
    # Hyndman & Athanasopoulos 2021, Forecasting: Principles and Practice, equation 11.5
    expected = [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 1, 1], *np.eye(5).tolist()]
    assert hierarchy.summing(teams).to_numpy().tolist() == expected


def formula(matrix, weight, base):
    inverse = np.linalg.inv(weight)
    return matrix @ np.linalg.inv(matrix.T @ inverse @ matrix) @ matrix.T @ inverse @ base


def shrunk(errors):
    """Schäfer & Strimmer 2005, by loops: the estimated variance of each correlation against its square."""
    n, k = errors.shape
    sd = [np.sqrt(np.mean(errors[:, i] ** 2)) for i in range(k)]
    above = below = 0.0
    for i in range(k):
        for j in range(k):
            if i != j:
                products = errors[:, i] / sd[i] * errors[:, j] / sd[j]
                above += n / (n - 1) * np.mean((products - products.mean()) ** 2) / n
                below += products.mean() ** 2
    shrink = min(max(above / below, 0), 1)
    covariance = errors.T @ errors / n
    return shrink * np.diag(np.diag(covariance)) + (1 - shrink) * covariance


def test_reconciliation_equals_the_published_formula(teams, base, residuals):
    summing, errors = hierarchy.summing(teams), residuals.to_numpy()
    matrix = summing.to_numpy()
    weights = {
        "ols": np.eye(8),
        "wls": np.diag((errors**2).mean(axis=0)),
        "mint_shrink": shrunk(errors),
    }
    for method, weight in weights.items():
        found = hierarchy.reconcile(base, summing, residuals=residuals, method=method)
        np.testing.assert_allclose(found, formula(matrix, weight, base.to_numpy()), rtol=1e-9)
    structural = hierarchy.reconcile(base, summing, method="wls")
    np.testing.assert_allclose(structural, formula(matrix, np.diag(matrix.sum(axis=1)), base.to_numpy()), rtol=1e-9)


@pytest.mark.parametrize("method", hierarchy.METHODS)
def test_reconciled_forecasts_add_up_and_coherent_ones_stay(teams, base, residuals, method):
    summing = hierarchy.summing(teams)
    found = hierarchy.reconcile(base.sample(frac=1, random_state=1), summing, residuals=residuals, method=method).loc[
        base.index
    ]
    finest = found.loc["team"]
    np.testing.assert_allclose(found.loc[("company", "company")], finest.sum(), atol=1e-9)
    np.testing.assert_allclose(found.loc[("region", "South")], finest.loc[["SA", "SB"]].sum(), atol=1e-9)
    np.testing.assert_allclose(hierarchy.reconcile(found, summing, residuals=residuals, method=method), found, atol=1e-9)


def test_a_series_without_errors_keeps_its_forecast(teams, base, residuals):
    certain = residuals.copy()
    certain[("company", "company")] = 0.0
    for method in ("wls", "mint_shrink"):
        found = hierarchy.reconcile(base, hierarchy.summing(teams), residuals=certain, method=method)
        np.testing.assert_allclose(found.iloc[0], base.iloc[0], rtol=1e-12)
        assert not np.allclose(found.iloc[3:], base.iloc[3:])


def test_what_cannot_be_reconciled_is_said(teams, base, residuals):
    summing = hierarchy.summing(teams)
    with pytest.raises(UsageError, match="without forecast: \\('team', 'SB'\\)"):
        hierarchy.reconcile(base.iloc[:-1], summing, method="ols")
    with pytest.raises(UsageError, match="needs past errors"):
        hierarchy.reconcile(base, summing)
    with pytest.raises(UsageError, match="did you mean ols"):
        hierarchy.reconcile(base, summing, method="olss")
    with pytest.raises(UsageError, match="no row of its own"):
        hierarchy.reconcile(base.iloc[:7], summing.iloc[:7], residuals=residuals, method="ols")
