"""Expected numbers are published ones; their source stands beside them."""

import numpy as np
import pandas as pd
import pytest

from revops_lib import statistics

# Freireich et al. 1963: weeks of remission, 6-MP group; + = still in remission.
SIX_MP = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+".split()
PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23".split()
# Loprinzi et al. 1994, as in R's survival::lung: days from enrolment to death; + = alive when last seen.
LUNG_MEN = """
    11 11 11 12 13 13 15 26 30 31 53 53 54 59 60 65 65 71 81 88 88 92 93 95 105 107 110 116 118 131 132 132 135 142 144
    147 156 156 163 163 163 166 170 174+ 175 176 177 179 179 180 181 181 183 185+ 188+ 189 191+ 196+ 197 197+ 202 207
    210 212 218 221+ 222 222+ 223 225+ 225+ 229 230 237+ 239 246 259+ 267 269 270 279+ 283 284 284+ 285 286 288 291 292+
    300+ 301 301+ 303 303+ 306 310 320 329 337 353 353 363 364 371 387 390 394 404+ 413+ 428 429 442 444+ 455 457 458+
    460 477 519 524 533 558 567 574 583 613 624 643 655 689 707 791 806+ 814 840+ 883 1010+ 1022+""".split()
LUNG_WOMEN = """
    5 60 61 62 79 81 92+ 95 105+ 107 122 145 145 153 166 167 173+ 175+ 177+ 182 186 192+ 194 199 201 201 202+ 203+ 208
    211+ 224+ 226 235+ 239 240+ 243+ 245 252+ 266+ 268 269+ 272+ 276+ 285 292+ 293 296+ 305 310 315+ 332+ 340 345 348
    350 351 356+ 361 363 364+ 371 376+ 382+ 384+ 426 433 444 450 473 511+ 511+ 520 524 529+ 543+ 550 551+ 559+ 588+ 641
    654 687 705 728 731 735 740+ 765 821+ 965+""".split()


def cases(texts):
    return pd.Series([float(t.rstrip("+")) for t in texts]), pd.Series([not t.endswith("+") for t in texts])


def test_median_remission_of_freireich_1963():
    assert statistics.survival_quantile(statistics.survival_curve(*cases(SIX_MP)), 0.5)[0] == 23
    assert statistics.survival_quantile(statistics.survival_curve(*cases(PLACEBO)), 0.5)[0] == 8


def lung():
    time, died = cases(LUNG_MEN + LUNG_WOMEN)
    return time, died, pd.Series(["men"] * len(LUNG_MEN) + ["women"] * len(LUNG_WOMEN))


def test_median_survival_of_the_lung_study_with_its_interval():
    """R, `survfit(Surv(time, status) ~ 1, lung)` and `~ sex`, log intervals: survival vignette, Therneau."""
    time, died, sex = lung()
    assert (len(time), died.sum()) == (228, 165)
    published = {"all": (310, 285, 363), "men": (270, 212, 310), "women": (426, 348, 550)}
    for group, expected in published.items():
        own = (sex == group) | (group == "all")
        assert statistics.survival_quantile(statistics.survival_curve(time[own], died[own], 0.95), 0.5) == expected


def test_logrank_of_published_studies():
    time, died, sex = lung()
    chi_square, p = statistics.logrank(time, died, sex)
    assert (round(chi_square, 1), round(p, 3)) == (10.3, 0.001)  # R, survdiff(Surv(time, status) ~ sex, lung)
    time, ended = cases(SIX_MP + PLACEBO)
    drug = pd.Series(["6-MP"] * len(SIX_MP) + ["placebo"] * len(PLACEBO))
    chi_square, p = statistics.logrank(time, ended, drug)
    assert round(chi_square, 2) == 16.79 and p < 0.0001  # Kleinbaum & Klein, Survival Analysis, ch. 2


def test_logrank_equals_statsmodels_with_strata_and_with_delayed_entry():
    from statsmodels.duration.survfunc import survdiff

    random = np.random.default_rng(23)
    n = 300
    time, ended = pd.Series(random.integers(2, 40, n).astype(float)), pd.Series(random.random(n) < 0.7)
    group, strata = pd.Series(random.integers(0, 3, n)), pd.Series(random.integers(0, 4, n))
    entry = pd.Series(random.uniform(0, 2, n))
    for options in ({}, {"strata": strata}, {"entry": entry}):
        peer = survdiff(
            time.to_numpy(), ended.to_numpy().astype(int), group.to_numpy(), **{k: v.to_numpy() for k, v in options.items()}
        )
        np.testing.assert_allclose(statistics.logrank(time, ended, group, **options), peer, rtol=1e-8)


def test_logrank_with_strata_and_delayed_entry_equals_a_plain_loop():
    """The peer cannot take both together."""
    random = np.random.default_rng(29)
    n = 120
    time, ended = pd.Series(random.integers(5, 30, n).astype(float)), pd.Series(random.random(n) < 0.7)
    is_b, strata, entry = (
        pd.Series(random.random(n) < 0.4),
        pd.Series(random.integers(0, 3, n)),
        pd.Series(random.integers(0, 10, n) * 1.0),
    )
    entry = entry.clip(upper=time - 1)
    excess = variance = 0.0
    for layer in range(3):
        for t in sorted(set(time[ended & (strata == layer)])):
            there = (strata == layer) & (entry < t) & (time >= t)
            ends = there & ended & (time == t)
            n_all, n_b, d = there.sum(), (there & is_b).sum(), ends.sum()
            excess += (ends & is_b).sum() - d * n_b / n_all
            if n_all > 1:
                variance += d * n_b * (n_all - n_b) * (n_all - d) / (n_all**2 * (n_all - 1))
    chi_square, _ = statistics.logrank(time, ended, is_b, entry=entry, strata=strata)
    assert chi_square == pytest.approx(excess**2 / variance)


def test_logrank_of_nothing_to_compare_is_unknown():
    time = pd.Series([1.0, 2, 3])
    assert np.isnan(statistics.logrank(time, pd.Series([True] * 3), pd.Series(["a"] * 3))).all()
    assert np.isnan(statistics.logrank(time, pd.Series([False] * 3), pd.Series(["a", "b", "b"]))).all()
    assert np.isnan(statistics.logrank(pd.Series([], dtype=float), pd.Series([], dtype=bool), pd.Series([], dtype=str))).all()


def test_holm_equals_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = pd.Series([0.2, 0.001, 0.04, 0.03, 0.9, 0.0004])
    np.testing.assert_allclose(statistics.holm(p), multipletests(p, method="holm")[1])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((48, 80), (56, 70), (0.0524, 0.3339)),
        ((3, 10), (9, 10), (0.1705, 0.8090)),
        ((0, 29), (5, 56), (-0.0381, 0.1926)),
    ],
)
def test_difference_of_shares_of_newcombe_1998(one, other, expected):
    """Table II, method 10."""
    first, second = ((k / n, *(float(x) for x in statistics.wilson(k, n, 0.95))) for k, n in (one, other))
    assert statistics.difference(first, second)[1:] == pytest.approx(expected, abs=5e-5)


def test_cumulative_incidence_with_ties_of_a_hand_worked_example():
    """Eight cases; at time 2 one is won, one lost, one last seen: all three are at risk there, 8 of 8.

    still there: 1, after 2: 6/8, after 5: 6/8 × 3/5 = 9/20, after 9: 9/20 × 1/2 = 9/40
    won: 1/8 at 2; + 6/8 × 1/5 = 11/40 at 5; + 9/20 × 1/2 = 1/2 at 9. Lost: 1/8; 11/40.
    """
    time = pd.Series([2, 2, 2, 5, 5, 7, 9, 12])
    cause = pd.Series(["won", "lost", None, "won", "lost", None, "won", None])
    curve = statistics.cumulative_incidence(time, cause)
    won, lost = (curve[curve["cause"] == name].set_index("time")["value"] for name in ("won", "lost"))
    np.testing.assert_allclose(won.loc[[2, 5, 9]], [1 / 8, 11 / 40, 1 / 2])
    np.testing.assert_allclose(lost.loc[[2, 5, 9]], [1 / 8, 11 / 40, 11 / 40])
    # Lost deals taken for open ones would say 65 % won.
    naive = statistics.survival_curve(time, cause == "won")["value"].iloc[-1]
    assert 1 - naive == pytest.approx(1 - 7 / 8 * 4 / 5 * 1 / 2) and 1 - naive > won.loc[9]


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
