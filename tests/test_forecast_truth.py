"""The forecast against the oracle: companies whose true hazards are known, and what the best possible forecast was.

Rows compared: 2023Q4 to 2026Q3 at the start of weeks 1, 4, 8 and 12, through the public functions only. The shipped sample
is judged in `test_forecast.py`, with wider bounds.
"""

import pytest
from companies import invent
from oracle import WEEKS, bias, brier_ratio, measured, skill, tell, wape

from revops_lib.sample.variants import VARIANTS
from revops_lib.snapshot import Snapshot

USUAL = range(701, 711)
PLAIN = dict.fromkeys(("bottleneck", "drop", "training", "duplicates", "fault"), False)
# Beside the variants: all that is planted in the shipped sample at once, duplicates and typing faults included.
UNEXPECTED = {name: range(711 + 4 * i, 715 + 4 * i) for i, name in enumerate((*VARIANTS, None))}


@pytest.fixture(scope="module")
def usual():
    scored = measured(asked(USUAL, **PLAIN))
    tell("usual companies", scored)
    return scored


@pytest.fixture(scope="module")
def unexpected():
    found = {name: measured(asked(seeds, variant=name)) for name, seeds in UNEXPECTED.items()}
    for name, scored in found.items():
        tell(name or "everything planted", scored)
    return found


@pytest.mark.truth
def test_the_miss_is_close_to_that_of_the_oracle(usual):
    assert len(usual.rows) == len(USUAL) * 12 * len(WEEKS)
    assert wape(usual.rows, "value") <= 1.10 * wape(usual.rows, "oracle")


@pytest.mark.truth
def test_the_baselines_are_beaten_overall_and_in_every_week(usual):
    assert skill(usual.rows, "stage_weighted") >= 0.25
    assert skill(usual.rows, "seasonal_naive") >= 0.45
    for week in WEEKS:
        of = usual.rows[usual.rows["week"] == week]
        assert wape(of, "value") < min(wape(of, "stage_weighted"), wape(of, "seasonal_naive")), f"week {week}"


@pytest.mark.truth
def test_the_forecast_is_neither_too_high_nor_too_low(usual):
    assert abs(bias(usual.rows, "value")) <= 0.04


@pytest.mark.truth
def test_eighty_percent_intervals_hold_in_eighty_percent_of_cases(usual):
    assert 0.72 <= usual.rows["is_inside"].mean() <= 0.88


@pytest.mark.truth
def test_chances_of_deals_are_better_than_those_of_their_stage(usual):
    assert brier_ratio(usual) <= 0.85


@pytest.mark.truth
@pytest.mark.parametrize("layer", ["rep", "manager"])
def test_the_planted_bias_of_submitted_forecasts_is_recovered(usual, layer):
    of = usual.bias[usual.bias["layer"] == layer]
    assert sorted(of["week"].unique()) == WEEKS
    assert abs((of["value"] - of["planted"]).mean()) <= 0.05


@pytest.mark.truth
@pytest.mark.parametrize("name", list(UNEXPECTED))
def test_companies_unlike_the_expected_are_forecast_almost_as_well(unexpected, name):
    rows = unexpected[name].rows
    assert len(rows) == 4 * 12 * len(WEEKS)
    assert wape(rows, "value") <= 1.25 * wape(rows, "oracle")
    assert rows["is_inside"].mean() >= 0.65


def asked(seeds, **options):
    for seed in seeds:
        folder, truth = invent(seed, **options)
        yield Snapshot(folder, quarter="2026Q3"), truth
