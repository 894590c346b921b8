"""Why bookings moved: splits that add up, what was planted found, changes of the data told from changes of the business."""

import itertools
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revops_lib import charts, diagnosis, report, tables
from revops_lib.errors import DataRefused, UsageError
from revops_lib.shapley import shapley
from revops_lib.snapshot import Snapshot

YEAR = "previous year"


@pytest.fixture(scope="module")
def sample() -> Snapshot:
    return Snapshot("data/sample", quarter="2026Q3")


@pytest.fixture(scope="module")
def before_the_drop() -> Snapshot:
    return Snapshot("data/sample", quarter="2025Q4")


# --- Shapley values -------------------------------------------------------------------------------------------------


def test_published_splits():
    """Requirements of the project: opportunities × win rate × deal value, and velocity with the cycle as a divisor."""
    parts = shapley({"n": 200, "w": 0.25, "a": 40}, {"n": 180, "w": 0.20, "a": 44})
    assert [round(part, 4) for part in parts.values()] == [-188.6667, -398.6667, 171.3333]
    old = {"opportunities": 40, "deal value": 25_000, "win rate": 0.25, "cycle": 90}
    new = {"opportunities": 36, "deal value": 26_000, "win rate": 0.22, "cycle": 99}
    split = shapley(old, new, divisors=["cycle"])
    assert [round(part, 2) for part in split.values()] == [-254.30, 94.99, -308.37, -230.10]


def by_orders(before: dict, after: dict) -> dict:
    """The definition: the mean of what a factor's change adds over all orders."""
    parts, orders = dict.fromkeys(before, Fraction(0)), list(itertools.permutations(before))
    for order in orders:
        now = dict(before)
        for name in order:
            was = math.prod(now.values(), start=Fraction(1))
            now[name] = after[name]
            parts[name] += (math.prod(now.values(), start=Fraction(1)) - was) / len(orders)
    return parts


factors = st.lists(
    st.tuples(st.fractions(0, 50, max_denominator=9), st.fractions(0, 50, max_denominator=9)), min_size=1, max_size=4
)


@settings(deadline=None, max_examples=60)
@given(factors)
def test_a_split_is_the_mean_over_all_orders_and_adds_up_and_turns_round(pairs):
    names = "abcd"[: len(pairs)]
    before, after = (dict(zip(names, (pair[i] for pair in pairs), strict=True)) for i in (0, 1))
    parts = shapley(before, after)
    assert parts == by_orders(before, after)
    assert sum(parts.values()) == math.prod(after.values()) - math.prod(before.values())
    assert {name: -part for name, part in shapley(after, before).items()} == parts
    turned = shapley(dict(reversed(before.items())), dict(reversed(after.items())))
    assert turned == parts


def test_arrays_are_split_element_by_element():
    before, after = (
        {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 0.0])},
        {"a": np.array([2.0, 2.0]), "b": np.array([5.0, 4.0])},
    )
    parts = shapley(before, after)
    for i in (0, 1):
        one = shapley({k: v[i] for k, v in before.items()}, {k: v[i] for k, v in after.items()})
        assert [parts[name][i] for name in parts] == pytest.approx(list(one.values()))


# --- the split of bookings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("against", ["", "2025Q3", "last year", YEAR])
def test_parts_of_every_view_sum_to_the_change_to_the_cent(sample, against):
    drivers = diagnosis.drivers(sample, against=against)
    change = drivers.loc[0, "part"]
    assert drivers.iloc[1:]["part"].sum() == change
    assert diagnosis.tree(sample, against=against)["part"].sum() == change
    assert diagnosis.prices(sample, against=against)["part"].sum() == change
    cells = diagnosis.drilldown(sample, against=against)
    assert set(cells.groupby("by")["part"].sum()) == {change}
    assert diagnosis.checks(sample, drivers, cells, diagnosis.tree(sample, against=against), against=against)["holds"].all()


def test_parts_turn_round_when_the_periods_swap(company):
    rows = deals({"2026Q1": (20, 7, 300), "2026Q2": (31, 9, 401)})
    swapped = deals({"2026Q1": (31, 9, 401), "2026Q2": (20, 7, 300)})
    one, other = (diagnosis.drivers(Snapshot(company(opportunities=r), quarter="2026Q2")) for r in (rows, swapped))
    assert one["part"].tolist() == [-part for part in other["part"]]
    assert one["part"].ne(0).sum() == 4  # without groups there is no mix


def test_the_split_equals_a_plain_loop_over_segments(sample):
    """Four factors per segment, exact fractions, each order by hand."""
    deals_ = sample.opportunities
    deals_ = deals_[deals_["status"] != "open"].assign(segment=lambda d: sample.members(d, "segment"))
    quarter = deals_["close_date"].dt.to_period("Q-DEC").astype(str)
    sides = []
    for name in ("2026Q2", "2026Q3"):
        side = {}
        for segment, group in deals_[quarter == name].groupby("segment"):
            won = group[group["status"] == "won"]
            side[segment] = (len(group), len(won), sum((Fraction(amount) for amount in won["amount"]), Fraction(0)))
        sides.append(side)
    parts = dict.fromkeys(["n", "mix", "rate", "value"], Fraction(0))
    for segment in sides[0]:
        factors_ = []
        for side in sides:
            total = sum(n for n, _, _ in side.values())
            n, won, amount = side[segment]
            factors_.append({"n": Fraction(total), "mix": Fraction(n, total), "rate": Fraction(won, n), "value": amount / won})
        for name, part in by_orders(*factors_).items():
            parts[name] += part
    found = diagnosis.drivers(sample).set_index("driver")["part"]
    for name, driver in zip(parts, ("opportunities", "mix", "win rate", "deal value"), strict=True):
        assert abs(Fraction(found[driver]) - parts[name]) <= Fraction(1, 100)


def test_the_mix_of_segments_is_told_from_what_happened_within(company):
    """Simpson: the win rate falls in no segment, the company's falls; all of it is mix."""
    accounts = [{"account_id": name, "segment": name} for name in ("easy", "hard")]
    rows = deals({"2026Q1": (80, 40, 100)}, account="easy") + deals({"2026Q1": (20, 2, 100)}, account="hard", prefix="h")
    rows += deals({"2026Q2": (20, 10, 100)}, account="easy", prefix="e") + deals(
        {"2026Q2": (80, 8, 100)}, account="hard", prefix="x"
    )
    snapshot = Snapshot(company(opportunities=rows, accounts=accounts), quarter="2026Q2")
    drivers = diagnosis.drivers(snapshot).set_index("driver")
    assert drivers["part"].astype(float).to_dict() == {
        "bookings": -2400.0, "opportunities": 0.0, "mix": -2400.0, "win rate": 0.0, "deal value": 0.0
    }  # fmt: skip
    assert drivers.loc["win rate", "was"] == 0.42 and drivers.loc["win rate", "now"] == 0.18
    worse = [{**row, "status": "lost", "stage": "Lost"} if row["opportunity_id"] == "e0" else row for row in rows]
    for one in rows:  # and where the rates within rise while the company's falls, a note says so
        assert one["opportunity_id"] != "e10" or one["status"] == "lost"
    better = [{**row, "status": "won", "stage": "Won"} if row["opportunity_id"] == "e10" else row for row in rows]
    said = [
        diagnosis.notes(s, diagnosis.drivers(s))
        for s in (Snapshot(company(opportunities=r, accounts=accounts), quarter="2026Q2") for r in (worse, better))
    ]
    assert ["Simpson" in " ".join(notes) for notes in said] == [False, True]


def test_a_quarter_without_a_win_does_no_harm(company):
    snapshot = Snapshot(company(opportunities=deals({"2026Q1": (20, 5, 100), "2026Q2": (10, 0, 0)})), quarter="2026Q2")
    parts = diagnosis.drivers(snapshot).set_index("driver")["part"].astype(float)
    # 20 × 0.25 × 100 → 10 × 0 × (100: nothing says otherwise)
    assert parts.to_dict() == {"bookings": -500.0, "opportunities": -125.0, "mix": 0.0, "win rate": -375.0, "deal value": 0.0}
    nothing_before = Snapshot(company(opportunities=deals({"2026Q2": (10, 2, 100)})), quarter="2026Q2")
    parts = diagnosis.drivers(nothing_before).set_index("driver")["part"].astype(float)
    assert parts["bookings"] == parts["opportunities"] == 200.0
    with pytest.raises(DataRefused, match="no win with a creation date"):
        diagnosis.velocity(snapshot)


def test_velocity_is_split_by_four_factors(company):
    """40 × 25,000 × 25 % ÷ 90 → 36 × 26,000 × 8/36 ÷ 60, by the definition."""
    rows = deals({"2026Q2": (40, 10, 25_000)}, days=90) + deals({"2026Q3": (36, 8, 26_000)}, days=60, prefix="x")
    found = diagnosis.velocity(Snapshot(company(opportunities=rows), quarter="2026Q3")).set_index("driver")
    assert found.loc["velocity", "was"] == pytest.approx(40 * 25_000 * 0.25 / 90)
    expected = by_orders(
        {"opportunities": 40, "deal value": 25_000, "win rate": Fraction(1, 4), "cycle": Fraction(1, 90)},
        {"opportunities": 36, "deal value": 26_000, "win rate": Fraction(8, 36), "cycle": Fraction(1, 60)},
    )
    assert {name: found.loc[name, "part"] for name in expected} == pytest.approx({k: float(v) for k, v in expected.items()})


def test_volume_mix_and_price_of_products(company):
    products = [{"product_id": "A", "name": "A", "list_price": "100"}, {"product_id": "B", "name": "B", "list_price": "300"}]
    rows = deals({"2026Q1": (10, 10, 100)}, product_id="A") + deals({"2026Q1": (10, 10, 300)}, product_id="B", prefix="b")
    rows += deals({"2026Q2": (10, 10, 90)}, product_id="A", prefix="x") + deals(
        {"2026Q2": (30, 30, 300)}, product_id="B", prefix="y"
    )
    found = diagnosis.prices(Snapshot(company(opportunities=rows, products=products), quarter="2026Q2"))
    parts = found.set_index(["product", "driver"])["part"].astype(float)
    expected = by_orders(
        {"volume": Fraction(20), "mix": Fraction(1, 2), "price": Fraction(1)},
        {"volume": Fraction(40), "mix": Fraction(1, 4), "price": Fraction(9, 10)},
    )
    assert parts["A"].tolist() == pytest.approx([float(part) * 100 for part in expected.values()], abs=0.01)
    assert parts[("B", "price against list")] == 0 and found["part"].sum() == 5_900


def test_what_stands_behind_the_deals_closed(sample):
    behind = diagnosis.behind(sample, against=YEAR)
    assert (behind["created"] + behind["pace"]).tolist() == pytest.approx((behind["now"] - behind["was"]).tolist())
    by_segment = behind.iloc[1:]
    assert by_segment[["was", "now"]].sum().tolist() == behind.loc[0, ["was", "now"]].tolist()
    # planted: most new deals of Enterprise come from the source that dried up
    assert by_segment.set_index("member")["created"].idxmin() == "Enterprise"


def test_recurring_revenue_moves_from_opening_to_closing_to_the_cent(sample, company):
    found = diagnosis.recurring(sample).set_index("part")["value"]
    assert found["opening"] + found[["new", "expansion", "contraction", "churn"]].sum() == found["closing"]
    contracts = [
        {"subscription_id": "1", "account_id": "stays", "mrr": "10", "start_date": "2026-01-01"},
        {"subscription_id": "2", "account_id": "grows", "mrr": "10", "start_date": "2026-01-01", "end_date": "2026-04-30"},
        {"subscription_id": "2", "account_id": "grows", "mrr": "15", "start_date": "2026-05-01"},
        {"subscription_id": "3", "account_id": "leaves", "mrr": "7", "start_date": "2026-01-01", "end_date": "2026-05-31"},
        {"subscription_id": "4", "account_id": "comes", "mrr": "3", "start_date": "2026-06-01"},
        {"subscription_id": "5", "account_id": "tries", "mrr": "99", "start_date": "2026-06-01", "is_trial": True},
        {"subscription_id": "6", "account_id": "unpriced", "mrr": None, "start_date": "2026-06-01"},
    ]
    for row in contracts:
        row |= {"currency": "EUR", **{name: pd.Timestamp(row[name]) for name in ("start_date", "end_date") if name in row}}
    data = company(opportunities=deals({"2026Q2": (1, 1, 1)}), subscriptions=contracts)
    values = diagnosis.recurring(Snapshot(data, quarter="2026Q2")).set_index("part")["value"].astype(float)
    assert values.to_dict() == {"opening": 27, "new": 3, "expansion": 5, "contraction": 0, "churn": -7, "closing": 28}


# --- noise ------------------------------------------------------------------------------------------------------------


def test_what_is_planted_in_the_sample_is_found(sample):
    """truth.yml: new deals of partners × 0.15 from 2026-04-01 on."""
    cells = diagnosis.drilldown(sample, against=YEAR)
    assert (
        cells.loc[0, ["by", "member", "driver"]].tolist() == ["source", "partner", "opportunities"]
        and cells.loc[0, "is_beyond"]
    )
    segment = cells[cells["by"] == "segment"].iloc[0]
    assert (segment["member"], segment["driver"]) == ("Enterprise", "opportunities")
    months = diagnosis.began(sample, cells)
    assert months["began"].iloc[0] == pd.Timestamp("2026-04-01") and months["p"].iloc[0] < 0.01
    drivers = diagnosis.drivers(sample, against=YEAR)
    assert set(drivers.loc[drivers["is_beyond"], "driver"]) == {"bookings", "opportunities", "mix"}
    data = diagnosis.data_changes(sample, against=YEAR)
    said = diagnosis.headline(sample, drivers, data, cells, months, against=YEAR)
    assert "no change of the data" in said and "opportunities of partner (source)" in said and "since 2026-04" in said
    assert diagnosis.recommendations(drivers, data, cells)["finding"].iloc[0] == (
        "Opportunities of partner (source) fell beyond noise"
    )


def test_before_the_drop_nothing_stands_out(before_the_drop):
    drivers = diagnosis.drivers(before_the_drop, against=YEAR)
    assert not drivers["is_beyond"].any() and drivers["n_past"].tolist() == [12] * 5
    advice = diagnosis.recommendations(drivers, diagnosis.data_changes(before_the_drop), "")
    assert advice["finding"].tolist() == ["No driver left its usual spread"]


def test_intervals_are_seeded_and_accounts_move_together(company, before_the_drop):
    first, again, other = (diagnosis.drivers(before_the_drop, seed=seed) for seed in (1, 1, 2))
    assert first.equals(again) and not first["low"].equals(other["low"])
    assert (first["low"] < first["part"].astype(float)).all() and (first["part"].astype(float) < first["high"]).all()
    # 60 wins of 60 accounts say more than 60 wins of 6
    rows = deals({"2026Q1": (60, 60, 100), "2026Q2": (60, 60, 100)})
    widths = []
    for n in (60, 6):
        named = [{**row, "account_id": f"{row['close_date']:%m}-{i % n}"} for i, row in enumerate(rows)]
        found = diagnosis.drivers(Snapshot(company(opportunities=named), quarter="2026Q2")).iloc[0]
        widths.append(found["high"] - found["low"])
    assert widths[1] > 1.5 * widths[0]


def test_with_few_past_quarters_noise_is_not_known_and_said(company):
    quarters = [str(quarter) for quarter in pd.period_range("2024Q4", "2026Q2", freq="Q")]
    snapshot = Snapshot(
        company(opportunities=deals({q: (20 + i, 5 + i % 3, 100) for i, q in enumerate(quarters)}, type="new")),
        quarter="2026Q2",
    )
    drivers = diagnosis.drivers(snapshot)
    assert drivers["n_past"].max() == 5 and drivers["t"].isna().all() and not drivers["is_beyond"].any()
    assert any("5 past quarters allow this comparison" in note for note in diagnosis.notes(snapshot, drivers))
    said = diagnosis.headline(snapshot, drivers, diagnosis.data_changes(snapshot), "")
    assert "whether it is beyond noise is not known with 5 past quarters" in said
    assert diagnosis.drilldown(snapshot, by=["type"])["z"].isna().all()


def test_what_happens_after_the_day_changes_nothing(company):
    past = deals(
        {str(quarter): (20, 5 + i % 3, 100) for i, quarter in enumerate(pd.period_range("2024Q1", "2026Q1", freq="Q"))}
    )
    later = deals({"2026Q2": (90, 80, 9_000)}, prefix="later", days=0, type="new", source="new")
    found = []
    for rows in (past, past + later):
        snapshot = Snapshot(company(opportunities=rows), quarter="2026Q1")
        found.append([diagnosis.drivers(snapshot), diagnosis.data_changes(snapshot), diagnosis.timeline(snapshot)])
    for one, other in zip(*found, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_people_are_groups_of_five_or_more(company, sample):
    with pytest.raises(UsageError, match="names people"):
        diagnosis.drilldown(sample, by=["owner_id"])
    reps = [{"rep_id": f"r{i}", "team": "big" if i < 5 else "small", "hire_date": pd.Timestamp("2020-01-01")} for i in range(8)]
    rows = deals({"2026Q1": (40, 20, 100), "2026Q2": (40, 20, 100)})
    for i, row in enumerate(rows):
        row["owner_id"] = f"r{i % 8}"
    cells = diagnosis.drilldown(Snapshot(company(opportunities=rows, reps=reps), quarter="2026Q2"), by=["team", "tenure"])
    assert set(cells.loc[cells["by"] == "team", "member"]) == {"big", "(fewer than five people)"}
    assert set(cells.loc[cells["by"] == "tenure", "member"]) == {"after three years"}
    with pytest.raises(UsageError, match="groups of people"):
        diagnosis.timeline(sample, by="tenure", member="after three years")


def test_groups_of_people_have_five_in_every_quarter_compared_and_are_not_named(company):
    """Five people of `new` closed deals over the years, one of them in the last quarter: that one's losses are nobody else's."""
    reps = [{"rep_id": f"r{i}", "team": "new" if i < 5 else "old", "hire_date": pd.Timestamp("2020-01-01")} for i in range(12)]
    rows = deals({str(quarter): (120, 60, 100) for quarter in pd.period_range("2023Q1", "2026Q2", freq="Q")}, type="new")
    for i, row in enumerate(rows):
        row["owner_id"] = f"r{i % 12}"
        if row["close_date"] >= pd.Timestamp("2026-04-01") and i % 12 < 5:
            row |= {"owner_id": "r0", "status": "lost", "stage": "Lost"}
    snapshot = Snapshot(company(opportunities=rows, reps=reps), quarter="2026Q2")
    cells = diagnosis.drilldown(snapshot, against=YEAR, by=["team", "type"])
    few = cells[cells["member"] == "(fewer than five people)"]
    assert set(cells.loc[cells["by"] == "team", "member"]) == {"old", "(fewer than five people)"}
    assert len(few) == 3 and few["z"].isna().all()
    # The same with five of them still there: judged, but named to nobody.
    for i, row in enumerate(rows):
        row["owner_id"] = f"r{i % 12}"
    snapshot = Snapshot(company(opportunities=rows, reps=reps), quarter="2026Q2")
    drivers, data = diagnosis.drivers(snapshot, against=YEAR), diagnosis.data_changes(snapshot, against=YEAR)
    cells = diagnosis.drilldown(snapshot, against=YEAR, by=["team", "type"])
    assert cells.iloc[0][["by", "member"]].tolist() == ["team", "new"] and cells.loc[0, "is_beyond"]
    said = diagnosis.headline(snapshot, drivers, data, cells, against=YEAR)
    advice = diagnosis.recommendations(drivers, data, cells)
    assert "win rate of new (type)" in said and "(team)" not in said + " ".join(advice["finding"])
    assert diagnosis.began(snapshot, cells)["member"].iloc[0] == "new" and len(diagnosis.began(snapshot, cells)) == 42
    only = diagnosis.drilldown(snapshot, against=YEAR, by=["team"])
    assert "only groups of people" in report.ask(diagnosis.began, snapshot, only)


def test_what_is_counted_for_publication_is_the_smallest_quarter(company):
    rows = deals({"2025Q3": (30, 9, 100), "2025Q4": (20, 1, 100), "2026Q1": (25, 0, 0), "2026Q2": (40, 12, 100)})
    found = diagnosis.drivers(Snapshot(company(opportunities=rows), quarter="2026Q2"), against=YEAR).set_index("driver")
    assert found.loc["bookings", ["n", "n_was", "n_least"]].tolist() == [12, 1, 1]
    assert found.loc["opportunities", ["n", "n_was", "n_least"]].tolist() == [40, 20, 20]
    few = diagnosis.drivers(Snapshot(company(opportunities=rows), quarter="2026Q2")).set_index("driver")
    assert few.loc["deal value", ["n", "n_was", "n_least"]].tolist() == [12, 0, 12]  # nobody is not a group


@pytest.mark.parametrize(("now", "before"), [(30, 3), (3, 30)])
def test_the_headline_tells_no_number_about_fewer_than_five(company, now, before):
    usual = {
        str(quarter): (before + i % 2, before, 100) for i, quarter in enumerate(pd.period_range("2023Q1", "2026Q1", freq="Q"))
    }
    snapshot = Snapshot(company(opportunities=deals({**usual, "2026Q2": (now, now, 100)}, type="new")), quarter="2026Q2")
    cells = diagnosis.drilldown(snapshot, by=["type"])
    assert cells.loc[0, "is_beyond"] and cells.loc[0, "driver"] == "opportunities"
    said = diagnosis.headline(snapshot, diagnosis.drivers(snapshot), diagnosis.data_changes(snapshot), cells)
    assert "opportunities of new (type): fewer than 5 deals in a quarter" in said and "→" not in said


@pytest.mark.parametrize(
    ("z", "change", "said"),
    [
        (-4, -0.3, "fell beyond noise"),
        (-4, 0.1, "grew less than usual beyond noise"),
        (4, 0.3, "rose beyond noise"),
        (4, -0.1, "fell less than usual beyond noise"),
    ],
)
def test_advice_goes_by_what_is_unusual(sample, z, change, said):
    cells = diagnosis.drilldown(sample, against=YEAR).head(1).assign(z=z, change=change)
    drivers, data = diagnosis.drivers(sample, against=YEAR), diagnosis.data_changes(sample, against=YEAR)
    advice = diagnosis.recommendations(drivers, data, cells).iloc[0]
    assert advice["finding"] == f"Opportunities of partner (source) {said}"
    assert advice["action"].startswith("Find out why fewer" if z < 0 else "Check that the team")


# --- since when -------------------------------------------------------------------------------------------------------


def test_the_change_point_is_the_one_a_plain_loop_finds(sample):
    """The step that leaves the smallest sum of squares beside trend and months, on square roots of counts."""
    months = diagnosis.timeline(sample, by="source", member="partner")
    y, n = np.sqrt(months["n"] + 3 / 8), len(months)
    usual = np.column_stack([np.ones(n), np.arange(n), pd.get_dummies(months["month"].dt.month).to_numpy(float)[:, 1:]])
    left = {}
    for start in range(n - 24, n - 1):
        design = np.column_stack([usual, np.arange(n) >= start])
        left[months["month"].iloc[start]] = float(((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum())
    assert months["began"].iloc[0] == min(left, key=left.get)
    assert months["is_after"].sum() == 6 and len(months) == 48


def test_where_nothing_changed_no_month_is_named(before_the_drop):
    for driver in ("opportunities", "win rate", "deal value"):
        months = diagnosis.timeline(before_the_drop, driver=driver)
        assert months["began"].isna().all() and not months["is_after"].any() and months["p"].iloc[0] > 0.05
        assert months["month"].max() == pd.Timestamp("2025-12-01")
    with pytest.raises(UsageError, match="did you mean win rate"):
        diagnosis.timeline(before_the_drop, driver="winrate")


def test_a_short_history_has_no_change_point(company):
    snapshot = Snapshot(company(opportunities=deals({"2026Q1": (20, 5, 100), "2026Q2": (20, 5, 100)})), quarter="2026Q2")
    assert "whole months of deals are known" in report.ask(diagnosis.timeline, snapshot)


# --- data or business -------------------------------------------------------------------------------------------------


def renamed(to: Path, old: str, new: str, status: str, day: str) -> Snapshot:
    """The sample company whose stage `old` is called `new` from a day on; the stages know both."""
    source = Path("data/sample")
    frames = {path.stem: pd.read_parquet(path, dtype_backend="pyarrow") for path in source.glob("*.parquet")}
    history, stages, deals_ = frames["opportunity_history"], frames["stages"], frames["opportunities"]
    late = (history["field"] == "stage") & (history["changed_at"] >= pd.Timestamp(day))
    history.loc[late & (history["new_value"] == old), "new_value"] = new
    last = history[history["field"] == "stage"].groupby("opportunity_id")["new_value"].last()
    deals_["stage"] = deals_["opportunity_id"].map(last)
    listed = pd.concat([stages, stages[stages["stage"] == old].assign(stage=new, status=status)])
    deals_["status"] = deals_["stage"].map(listed.set_index("stage")["status"])
    frames["stages"] = listed.sort_values("position", kind="stable").assign(position=range(1, len(listed) + 1))
    kept = {name: tables.conform(name, frame) for name, frame in frames.items()}
    tables.write(to, kept, json.loads((source / "dataset.json").read_text(encoding="utf-8")))
    return Snapshot(to, quarter="2026Q3")


def test_a_renamed_stage_is_a_data_change_and_not_demand(tmp_path, sample):
    assert set(diagnosis.data_changes(sample, against=YEAR)["state"]) == {"nothing found"}
    snapshot = renamed(tmp_path / "won", "Closed Won", "Signed", "open", "2026-07-15")
    data = diagnosis.data_changes(snapshot)
    cause = data[data["is_cause"]].iloc[0]
    assert cause["check"] == "stages" and "“Closed Won” is called “Signed”" in cause["finding"]
    assert abs((cause["since"] - pd.Timestamp("2026-07-15")).days) <= 7
    drivers = diagnosis.drivers(snapshot)
    said = diagnosis.headline(snapshot, drivers, data, diagnosis.drilldown(snapshot))
    assert said.startswith("Data change, not demand: the stage “Closed Won” is called “Signed”")
    advice = diagnosis.recommendations(drivers, data, diagnosis.drilldown(snapshot))
    assert len(advice) == 1 and advice["owner"].tolist() == ["RevOps"]


def test_a_renamed_open_stage_is_told_and_no_cause(tmp_path):
    snapshot = renamed(tmp_path / "open", "Proposal", "Offer", "open", "2026-07-15")
    data = diagnosis.data_changes(snapshot)
    found = data[data["state"] == "found"].iloc[0]
    assert "“Proposal” is called “Offer”" in found["finding"] and not data["is_cause"].any()
    said = diagnosis.headline(snapshot, diagnosis.drivers(snapshot), data, "")
    assert "a data change (the stage “Proposal” is called “Offer”" in said and "does not explain it" in said


def test_partial_quarters_and_running_ones(sample):
    running = Snapshot("data/sample", quarter="2026Q4")
    data = diagnosis.data_changes(running)
    assert "first 46 days" in data.loc[0, "finding"] and not data["is_cause"].any()
    drivers = diagnosis.drivers(running)
    deals_ = sample.opportunities
    won = deals_[(deals_["status"] == "won") & deals_["close_date"].between("2026-07-01", "2026-08-15")]
    assert drivers.loc[0, "was"] == pytest.approx(float(won["amount"].sum()))
    with pytest.raises(UsageError, match="is not before"):
        diagnosis.drivers(sample, against="2026Q3")
    ahead = Snapshot("data/sample", quarter="2027Q1")
    assert "2027Q1 has not begun" in report.ask(diagnosis.drivers, ahead)


def test_fields_filled_otherwise_new_sources_and_batches_are_found(company):
    usual = {str(quarter): (40, 20, 100) for quarter in pd.period_range("2025Q2", "2026Q1", freq="Q")}
    rows = deals(usual, source="web") + deals({"2026Q2": (40, 20, 100)}, source="web", prefix="n")
    assert (state(company, rows)["state"] != "found").all()
    unpriced = [{**row, "amount": None} if row["opportunity_id"] in {f"n{i}" for i in range(12)} else row for row in rows]
    found = state(company, unpriced).set_index("check").loc["filled fields"]
    assert found["finding"] == "amount is filled in 40% of won deals, before in 100%" and found["is_cause"]
    bought = rows + deals({"2026Q2": (40, 30, 100)}, source="other company", prefix="o")
    found = state(company, bought).set_index("check").loc["labels"]
    assert "the source “other company” is new since" in found["finding"] and found["is_cause"]
    cleaned = rows + [
        {**row, "close_date": pd.Timestamp("2026-05-05")} for row in deals({"2026Q2": (30, 0, 0)}, source="web", prefix="c")
    ]
    found = state(company, cleaned).set_index("check").loc["batches"]
    assert "deals were lost on 2026-05-05" in found["finding"] and not found["is_cause"]


def test_wins_not_entered_yet_are_estimated(company):
    """Half of past wins were entered twenty days late; of those of the last twenty days, half are missing."""
    rows, changes = [], []
    for row in deals({str(quarter): (80, 80, 100) for quarter in pd.period_range("2024Q1", "2026Q2", freq="Q")}):
        late = pd.Timedelta(days=20 * (len(rows) % 2), hours=12)
        rows.append(row)
        for at, stage in ((row["created_at"], "Talk"), (row["close_date"] + late, "Won")):
            changes.append({"change_no": len(changes), "opportunity_id": row["opportunity_id"], "changed_at": at, "field": "stage",
                            "new_value": stage})  # fmt: skip
    snapshot = Snapshot(company(opportunities=rows, opportunity_history=changes, tracked=["stage"]), quarter="2026Q2")
    entered = diagnosis.data_changes(snapshot).set_index("check").loc["late entry"]
    missing = 80 - diagnosis.drivers(snapshot).loc[0, "n"]
    said = int(entered["finding"].split()[1])
    assert missing > 5 and abs(said - missing) <= 3 and entered["is_cause"]


def moved(company, rows: list[dict], **options) -> pd.Series:
    """What the stages say of deals that all went Talk, then the stage they ended in."""
    changes = [
        {
            "change_no": 2 * i + k,
            "opportunity_id": row["opportunity_id"],
            "changed_at": at,
            "field": "stage",
            "new_value": stage,
        }
        for i, row in enumerate(rows)
        for k, (at, stage) in enumerate(
            [(row["created_at"], "Talk"), (row["close_date"] + pd.Timedelta(hours=9), row["stage"])]
        )
    ]
    stages = [
        {"stage": name, "position": i, "status": status, "probability": 0.5}
        for i, (name, status) in enumerate([("Talk", "open"), ("Won", "won"), ("Signed", "won"), ("Lost", "lost")])
    ]
    data = company(opportunities=rows, opportunity_history=changes, tracked=["stage"], stages=stages)
    return diagnosis.data_changes(Snapshot(data, **options)).set_index("check").loc["stages"]


def test_a_new_won_stage_explains_the_bookings_that_went_through_it(company):
    """Sixty wins of 100 more are demand, whatever five wins of 1 in a new stage are called; sixty in the new stage are not."""
    usual = {str(quarter): (90, 30, 100) for quarter in pd.period_range("2025Q2", "2026Q1", freq="Q")}
    rows = deals(usual) + deals({"2026Q2": (150, 90, 100)}, prefix="n")
    for n, amount, is_cause in ((5, "1", False), (60, "100", True)):
        new = {f"n{i * 17 % 90}" for i in range(n)}
        changed = [{**row, "stage": "Signed", "amount": amount} if row["opportunity_id"] in new else row for row in rows]
        found = moved(company, changed, quarter="2026Q2")
        assert "the stage “Signed” is new since" in found["finding"] and found["is_cause"] == is_cause


def test_what_was_renamed_after_the_quarter_is_no_cause_of_it(company):
    """Known on a later day: wins are called otherwise from the next quarter on."""
    usual = {str(quarter): (90, 30 + i, 100) for i, quarter in enumerate(pd.period_range("2025Q2", "2026Q3", freq="Q"))}
    rows = [
        {**row, "stage": "Signed"} if row["status"] == "won" and row["close_date"] >= pd.Timestamp("2026-07-01") else row
        for row in deals(usual)
    ]
    assert "is called “Signed”" in moved(company, rows, quarter="2026Q3", as_of="2026-09-30")["finding"]
    assert moved(company, rows, quarter="2026Q2", as_of="2026-09-30")["state"] == "nothing found"
    assert moved(company, rows, quarter="2026Q1", as_of="2026-09-30")["state"] == "nothing found"


def test_a_batch_in_one_of_four_quarters_counts_a_quarter(company):
    """Bookings fall by 1,000 a quarter; forty wins of 40 on one day of four quarters are 400 of it, not 1,600."""
    usual = {str(quarter): (60, 40, 100) for quarter in pd.period_range("2024Q4", "2026Q1", freq="Q")}
    rows = deals(usual) + deals({"2026Q2": (60, 34, 100)}, prefix="n")
    rows += [{**row, "close_date": pd.Timestamp("2025-11-05")} for row in deals({"2025Q4": (40, 40, 40)}, prefix="b")]
    snapshot = Snapshot(company(opportunities=rows), quarter="2026Q2")
    assert diagnosis.drivers(snapshot, against=YEAR).loc[0, "part"] == -1_000
    found = diagnosis.data_changes(snapshot, against=YEAR).set_index("check").loc["batches"]
    assert (
        "deals were won on 2025-11-05" in found["finding"]
        and found["since"] == pd.Timestamp("2025-11-05")
        and not found["is_cause"]
    )


def test_of_a_running_quarter_as_many_days_of_creation_count(company):
    """As many deals a day, closed ten days later, all the time: nothing moved, on day 40 of the quarter either."""
    days = pd.date_range("2024-01-01", "2026-08-09")
    rows = [
        {"opportunity_id": f"d{i}", "status": "lost", "stage": "Lost", "amount": "50", "currency": "EUR", "created_at": day,
         "close_date": day + pd.Timedelta(days=10)} if day + pd.Timedelta(days=10) <= days[-1] else
        {"opportunity_id": f"d{i}", "status": "open", "stage": "Talk", "amount": "50", "currency": "EUR", "created_at": day}
        for i, day in enumerate(days)
    ]  # fmt: skip
    snapshot = Snapshot(company(opportunities=rows), quarter="2026Q3", as_of="2026-08-09")
    found = diagnosis.behind(snapshot).iloc[0]
    assert found[["was", "now"]].tolist() == [40, 40]
    assert found[["created", "pace"]].tolist() == pytest.approx([0, 0], abs=0.5)  # quarters differ by a day


def test_on_a_day_without_a_closed_deal_the_notebook_says_so(company):
    """The first day of a quarter, when nothing closed on the first day of the quarters before either; and no win ever."""
    usual = deals({str(quarter): (40, 12, 100) for quarter in pd.period_range("2023Q1", "2026Q3", freq="Q")}, source="web")
    late = [{**row, "close_date": row["close_date"] + pd.Timedelta(days=1), "product_id": "A"} for row in usual]
    never = [{**row, "status": "lost", "stage": "Lost"} for row in late]
    for rows, quarter, day in (
        (late, "2026Q4", "2026-10-01"),
        (never, "2026Q4", "2026-10-01"),
        (never, "2026Q3", "2026-09-30"),
    ):
        changes = [
            {"change_no": i, "opportunity_id": row["opportunity_id"], "changed_at": row["close_date"], "field": "stage",
             "new_value": row["stage"]} for i, row in enumerate(rows)
        ]  # fmt: skip
        data = company(opportunities=rows, opportunity_history=changes, tracked=["stage"], products=[{"product_id": "A"}])
        snapshot = Snapshot(data, quarter=quarter, as_of=day)
        options = {"against": YEAR}
        drivers, changed, cells, types = (
            report.ask(ask, snapshot, **options)
            for ask in (diagnosis.drivers, diagnosis.data_changes, diagnosis.drilldown, diagnosis.tree)
        )
        months = report.ask(diagnosis.began, snapshot, cells)
        for ask in (diagnosis.behind, diagnosis.prices, diagnosis.velocity, diagnosis.timeline):
            report.ask(ask, snapshot, **(options if ask is not diagnosis.timeline else {}))
        said = diagnosis.headline(snapshot, drivers, changed, cells, months, **options)
        assert said.startswith("Not available: no deal closed in 2026Q4" if quarter == "2026Q4" else "Bookings of 2026Q3 did")
        diagnosis.notes(snapshot, drivers, **options)
        diagnosis.checks(snapshot, drivers, cells, types, **options)
        diagnosis.recommendations(drivers, changed, cells)
        diagnosis.metrics(drivers, cells)
        for draw, frame in ((charts.drivers, drivers), (charts.drilldown, cells), (charts.timeline, months)):
            assert draw(frame).alt


def test_several_currencies_and_an_empty_export_are_refused(company):
    mixed = deals({"2026Q1": (4, 2, 100), "2026Q2": (4, 2, 100)})
    mixed[0]["currency"] = "USD"
    for question in (diagnosis.drivers, diagnosis.drilldown, diagnosis.data_changes, diagnosis.tree):
        assert "cannot be summed" in report.ask(question, Snapshot(company(opportunities=mixed), quarter="2026Q2"))
    still = [{**row, "status": "open", "stage": "Talk"} for row in deals({"2026Q2": (4, 0, 0)})]
    snapshot = Snapshot(company(opportunities=still), quarter="2026Q2")
    assert "no deal has closed yet" in report.ask(diagnosis.drivers, snapshot)
    assert "no subscriptions" in report.ask(diagnosis.recurring, snapshot)
    bare = Snapshot(company(opportunities=deals({"2026Q1": (4, 2, 100), "2026Q2": (4, 2, 100)})), quarter="2026Q2")
    assert "no deal names its product" in report.ask(diagnosis.prices, bare)
    assert "no deal has a known segment, region" in report.ask(diagnosis.drilldown, bare)
    assert any("No segment is known" in note for note in diagnosis.notes(bare, diagnosis.drivers(bare)))


# --- the public export ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("quarter", "before"), [("2017Q3", "2017Q2"), ("2017Q4", "2017Q3")])
def test_the_public_export_is_explained_to_the_cent(crm, crm_export, quarter, before):
    snapshot = Snapshot(crm, quarter=quarter)
    raw = pd.read_csv(crm_export / "sales_pipeline.csv")
    won = raw[raw["deal_stage"] == "Won"]
    booked = won.groupby(pd.to_datetime(won["close_date"]).dt.to_period("Q").astype(str))["close_value"].sum()
    drivers = diagnosis.drivers(snapshot)
    cells = diagnosis.drilldown(snapshot)
    assert drivers.loc[0, "part"] == drivers.iloc[1:]["part"].sum() == int(booked[quarter] - booked[before])
    assert set(cells.groupby("by")["part"].sum()) == {drivers.loc[0, "part"]} and set(cells["by"]) >= {"region", "family"}
    assert diagnosis.prices(snapshot)["part"].sum() == drivers.loc[0, "part"]
    assert not diagnosis.data_changes(snapshot)["is_cause"].any()


def test_the_first_quarter_of_the_public_export_is_partial(crm):
    snapshot = Snapshot(crm, quarter="2017Q2")
    data = diagnosis.data_changes(snapshot)
    assert data.loc[0, "is_cause"] and "2017Q1 is a partial quarter" in data.loc[0, "finding"]
    said = diagnosis.headline(snapshot, diagnosis.drivers(snapshot), data, report.ask(diagnosis.drilldown, snapshot))
    assert said.startswith("Data change, not demand: 2017Q1 is a partial quarter")
    whole = diagnosis.drivers(Snapshot(crm, quarter="2017Q4"), against=YEAR)  # of the year only whole quarters count
    assert whole.loc[1, "was"] == (2032 + 2047) / 2


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_pictures_say_what_they_show(sample, tmp_path):
    cells = diagnosis.drilldown(sample, against=YEAR)
    pictures = [
        (charts.drivers(diagnosis.drivers(sample, against=YEAR)), "opportunities -605,254"),
        (charts.drilldown(cells), "opportunities · partner (source)"),
        (charts.timeline(diagnosis.began(sample, cells)), "on another level since 2026-04"),
    ]
    for number, (picture, words) in enumerate(pictures):
        assert words in picture.alt
        picture.save(tmp_path / f"{number}.png")
        assert (tmp_path / f"{number}.png").stat().st_size > 5_000
    reason = report.Reason("Not available: nothing.")
    assert {str(draw(reason).alt) for draw in (charts.drivers, charts.drilldown, charts.timeline)} == {
        "Not available: nothing."
    }


def deals(quarters: dict, *, account: str | None = None, prefix: str = "d", days: int = 5, **columns) -> list[dict]:
    """Closed deals, evenly over each quarter: quarter -> (closed, won, amount); the first ones are won."""
    rows = []
    for quarter, (n, won, amount) in quarters.items():
        start = pd.Period(quarter, freq="Q").start_time
        for i in range(n):
            day = start + pd.Timedelta(days=(7 * i) % 90)
            status = "won" if i < won else "lost"
            number = f"{prefix}{len(rows)}"
            rows.append({"opportunity_id": number, "account_id": account, "status": status, "stage": status.capitalize(),
                         "amount": str(amount) if amount else "50", "currency": "EUR",
                         "created_at": day - pd.Timedelta(days=days), "close_date": day, **columns})  # fmt: skip
    return rows


def state(company, rows: list[dict]) -> pd.DataFrame:
    return diagnosis.data_changes(Snapshot(company(opportunities=rows), quarter="2026Q2"))


def test_a_quarter_before_all_data_is_refused_by_its_name():
    snapshot = Snapshot("data/sample", quarter="2026Q3")
    with pytest.raises(DataRefused, match="no closed deal is known in 2019Q1: they are there from 2020-"):
        diagnosis.drivers(snapshot, against="2019Q1")
    with pytest.raises(UsageError, match=r"against \(or 'last year', 'previous year'\)"):
        diagnosis.drivers(snapshot, against="lastyear")


def test_bookings_are_split_by_groups_of_people_of_five_and_more():
    found = diagnosis.drivers(Snapshot("data/sample", quarter="2026Q3"), by="tenure")
    assert found["part"].iloc[1:].sum() == found["part"].iloc[0]


def test_without_amounts_there_is_nothing_to_split(company):
    won = {"status": "won", "stage": "Won", "created_at": "2026-01-01"}
    days = ("2026-02-01", "2026-05-01")
    deals = [{**won, "opportunity_id": f"d{i}", "close_date": day} for i, day in enumerate(days)]
    snapshot = Snapshot(company(opportunities=deals), quarter="2026Q2")
    with pytest.raises(DataRefused, match="no won deal carries an amount"):
        diagnosis.drivers(snapshot)


def test_a_share_of_nothing_or_less_is_not_told(company):
    won = {"status": "won", "stage": "Won", "created_at": "2026-01-01", "currency": "EUR"}
    rows = [("2026-02-01", "-500.00"), ("2026-05-01", "1000.00")]
    deals = [{**won, "opportunity_id": f"d{i}", "close_date": day, "amount": amount} for i, (day, amount) in enumerate(rows)]
    snapshot = Snapshot(company(opportunities=deals), quarter="2026Q2")
    said = diagnosis.headline(snapshot, diagnosis.drivers(snapshot), diagnosis.data_changes(snapshot))
    assert "rose by 1,500 EUR against" in said
