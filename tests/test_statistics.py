"""Expected numbers are published ones; their source stands beside them."""

import numpy as np
import pandas as pd
import pytest

from revops_lib import statistics

# Freireich et al. 1963: weeks of remission, 6-MP group; + = still in remission.
SIX_MP = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+".split()
PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23".split()


def cases(texts):
    return pd.Series([float(t.rstrip("+")) for t in texts]), pd.Series([not t.endswith("+") for t in texts])


def test_median_remission_of_freireich_1963():
    assert statistics.survival_quantile(statistics.survival_curve(*cases(SIX_MP)), 0.5)[0] == 23
    assert statistics.survival_quantile(statistics.survival_curve(*cases(PLACEBO)), 0.5)[0] == 8


def test_survival_curve_equals_statsmodels():
    from statsmodels.duration.survfunc import SurvfuncRight

    random = np.random.default_rng(3)
    time, ended = pd.Series(random.integers(1, 40, 200).astype(float)), pd.Series(random.random(200) < 0.6)
    curve = statistics.survival_curve(time, ended, 0.95)
    peer = SurvfuncRight(time.to_numpy(), ended.to_numpy().astype(int))
    np.testing.assert_allclose(curve["value"], peer.surv_prob, rtol=1e-12)
    greenwood = curve["value"] * np.log(curve["high"] / curve["value"]) / statistics.normal_quantile(0.95)
    free = curve["high"] < 1
    np.testing.assert_allclose(greenwood[free], np.asarray(peer.surv_prob_se)[free], rtol=1e-9)


def test_survival_curve_equals_a_plain_loop_and_averages_would_mislead():
    random = np.random.default_rng(5)
    life, watched = random.exponential(30, 3000), random.uniform(0, 60, 3000)
    time, ended = pd.Series(np.minimum(life, watched)), pd.Series(life <= watched)
    curve = statistics.survival_curve(time, ended)
    alive, expected = 1.0, []
    for t in sorted(time[ended]):
        alive *= 1 - 1 / (time >= t).sum()
        expected.append(alive)
    np.testing.assert_allclose(curve["value"], expected)
    median = statistics.survival_quantile(curve, 0.5)[0]
    assert median == pytest.approx(30 * np.log(2), rel=0.06)  # the truth, with half of the cases open
    assert time[ended].median() < 0.75 * 30 * np.log(2)  # what closed cases alone would say


def test_cumulative_incidence_of_a_hand_worked_example():
    # Ten cases at times 1..10; causes 1, 2, open (0): worked by hand, cause 1 ends at .481.
    cause = pd.Series([1, 2, 0, 1, 1, 2, 0, 2, 1, 0]).replace(0, None).astype("object")
    curve = statistics.cumulative_incidence(pd.Series(range(1, 11)), cause)
    first = curve[curve["cause"] == 1].set_index("time")["value"]
    np.testing.assert_allclose(first.loc[[1, 4, 5, 9]], [0.1, 0.2142857, 0.3285714, 0.4809524], atol=5e-7)


@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
def test_cumulative_incidence_equals_statsmodels_with_standard_errors():
    from statsmodels.duration.survfunc import CumIncidenceRight

    random = np.random.default_rng(7)
    time, status = random.permutation(80) + 1.0, random.integers(0, 3, 80)  # no ties: there the two agree exactly
    cause = pd.Series(status).map({0: None, 1: "won", 2: "lost"})
    mine = statistics.cumulative_incidence(pd.Series(time), cause, 0.9)
    peer = CumIncidenceRight(time, status)
    won = mine[mine["cause"] == "won"]
    at = np.searchsorted(peer.times, won["time"])
    np.testing.assert_allclose(won["value"], peer.cinc[0][at], rtol=1e-9)
    half = (won["high"] - won["low"]).to_numpy() / 2 / statistics.normal_quantile(0.9)
    error = peer.cinc_se[0][at]
    inner = ((won["low"] > 0) & (won["high"] < 1)).to_numpy() & np.isfinite(error)  # the peer's last error is not a number
    assert inner.sum() > 15
    np.testing.assert_allclose(half[inner], error[inner], rtol=1e-6)


def test_causes_and_open_sum_to_one():
    random = np.random.default_rng(9)
    time = pd.Series(random.integers(1, 30, 400).astype(float))
    cause = pd.Series(random.choice(["won", "lost", None], 400))
    curve = statistics.cumulative_incidence(time, cause)
    last = curve.groupby("cause")["value"].last().sum()
    still = statistics.survival_curve(time, cause.notna())["value"].iloc[-1]
    assert last + still == pytest.approx(1)


def test_wilson_interval_of_nothing_is_unknown():
    low, high = statistics.wilson(pd.Series([0.0, 8.0]), pd.Series([0, 10]), 0.95)
    assert np.isnan(low[0]) and np.isnan(high[0])
    assert (round(low[1], 4), round(high[1], 4)) == (0.4902, 0.9433)  # 8 of 10, Wilson score, any textbook


def test_left_truncated_curve_equals_statsmodels():
    from statsmodels.duration.survfunc import SurvfuncRight

    random = np.random.default_rng(17)
    life, entry = random.exponential(30, 500).round(3) + 0.5, random.uniform(0, 25, 500).round(3)
    seen = life > entry
    time, entry, ended = life[seen], entry[seen], random.random(seen.sum()) < 0.7
    curve = statistics.survival_curve(pd.Series(time), pd.Series(ended), entry=pd.Series(entry))
    peer = SurvfuncRight(time, ended.astype(int), entry=entry)
    np.testing.assert_allclose(curve["at_risk"], peer.n_risk)
    np.testing.assert_allclose(curve["value"], peer.surv_prob, rtol=1e-9)
