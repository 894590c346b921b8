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
    parts = diagnosis.shapley({"n": 200, "w": 0.25, "a": 40}, {"n": 180, "w": 0.20, "a": 44})
    assert [round(part, 4) for part in parts.values()] == [-188.6667, -398.6667, 171.3333]
    old = {"opportunities": 40, "deal value": 25_000, "win rate": 0.25, "cycle": 90}
    new = {"opportunities": 36, "deal value": 26_000, "win rate": 0.22, "cycle": 99}
    split = diagnosis.shapley(old, new, divisors=["cycle"])
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
    parts = diagnosis.shapley(before, after)
    assert parts == by_orders(before, after)
    assert sum(parts.values()) == math.prod(after.values()) - math.prod(before.values())
    assert {name: -part for name, part in diagnosis.shapley(after, before).items()} == parts
    turned = diagnosis.shapley(dict(reversed(before.items())), dict(reversed(after.items())))
    assert turned == parts


def test_arrays_are_split_element_by_element():
    before, after = (
        {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 0.0])},
        {"a": np.array([2.0, 2.0]), "b": np.array([5.0, 4.0])},
    )
    parts = diagnosis.shapley(before, after)
    for i in (0, 1):
        one = diagnosis.shapley({k: v[i] for k, v in before.items()}, {k: v[i] for k, v in after.items()})
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
