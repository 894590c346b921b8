"""The made-up company: same seed same bytes, tables that agree with each other, and the planted facts really in it."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
from pathlib import Path

import companies
import numpy as np
import pandas as pd
import pytest
import yaml

from revops_lib import money, sample, tables
from revops_lib.errors import CannotWrite, UsageError
from revops_lib.sample.variants import VARIANTS
from revops_lib.snapshot import Snapshot

SHIPPED = Path(__file__).resolve().parent.parent / "data" / "sample"
BIG = 6.0  # scale at which the planted effects stand out of the noise
Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("written") / "sample"
    sample.write(directory)
    return directory


@pytest.fixture(scope="module")
def frames(written: Path) -> Frames:
    return {path.stem: tables.conform(path.stem, pd.read_parquet(path)) for path in sorted(written.glob("*.parquet"))}


@pytest.fixture(scope="module")
def truth(written: Path) -> dict:
    return yaml.safe_load((written / "truth.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def planted() -> tuple[Frames, dict]:
    return sample.generate(scale=BIG, oracle_paths=0)


@pytest.fixture(scope="module")
def nothing_planted() -> tuple[Frames, dict]:
    return sample.generate(
        scale=BIG,
        bottleneck=False,
        drop=False,
        training=False,
        duplicates=False,
        fault=False,
        qualification=False,
        oracle_paths=0,
    )


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def test_same_seed_same_bytes_and_equal_to_the_shipped_sample(written: Path, tmp_path: Path) -> None:
    sample.write(tmp_path / "again", seed=1, scale=1.0)
    first, second, shipped = contents(written), contents(tmp_path / "again"), contents(SHIPPED)
    assert list(first) == list(second) == list(shipped)
    assert [name for name in first if first[name] != second[name]] == []
    assert [name for name in first if first[name] != shipped[name]] == []


def test_another_seed_is_another_company() -> None:
    (one, _), (two, _) = (sample.generate(seed, 0.1, oracle_paths=0) for seed in (1, 2))
    assert not one["opportunities"].equals(two["opportunities"])


def test_small_enough_for_git() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 4_000_000
    assert (SHIPPED / "truth.yml").stat().st_size < 400_000


# The sample company has one currency, merged no account and keeps neither contacts nor tickets.
LACKING = {"contacts", "account_merges", "fx_rates", "tickets", "ticket_events", "events"}


def test_the_sample_has_every_other_table(frames: Frames) -> None:
    assert set(frames) == set(tables.TABLES) - LACKING


@pytest.mark.parametrize("name", [name for name in tables.TABLES if name not in LACKING])
def test_every_table_obeys_its_schema(frames: Frames, name: str) -> None:
    assert len(tables.check(name, frames[name]))


def test_every_reference_exists(frames: Frames) -> None:
    for name, frame in frames.items():
        for column in tables.table(name).columns:
            if column.references:
                keys = frames[column.references][tables.table(column.references).key[0]]
                assert set(frame[column.name].dropna()) <= set(keys), f"{name}.{column.name}"


def test_current_state_is_the_replay_of_the_history(frames: Frames) -> None:
    state: dict[tuple[str, str], str] = {}
    last_no, last_at = 0, pd.Timestamp.min
    for change in frames["opportunity_history"].itertuples():
        key = (change.opportunity_id, change.field)
        assert change.change_no == last_no + 1 and change.changed_at >= last_at
        before = state.get(key)
        assert pd.isna(change.old_value) if before is None else change.old_value == before
        assert change.new_value != before
        state[key], last_no, last_at = change.new_value, change.change_no, change.changed_at
    assert len(state) == 5 * len(frames["opportunities"])
    for deal in frames["opportunities"].itertuples():
        current = [deal.stage, f"{deal.amount:.2f}", deal.close_date.date().isoformat(), deal.forecast_category]
        assert current == [state[deal.opportunity_id, field] for field in tables.TRACKED[:4]]
        assert deal.owner_id == state[deal.opportunity_id, "owner_id"]


def test_creation_writes_all_tracked_fields_at_once(frames: Frames) -> None:
    first = frames["opportunity_history"].query("old_value.isna()")
    created = first.groupby("opportunity_id")["changed_at"].agg(["size", "nunique", "min"])
    assert (created["size"] == len(tables.TRACKED)).all() and (created["nunique"] == 1).all()
    deals = frames["opportunities"].set_index("opportunity_id")["created_at"]
    assert (created["min"] == deals.reindex(created.index)).all()


def test_status_and_category_follow_the_stage(frames: Frames) -> None:
    deals = frames["opportunities"].merge(frames["stages"][["stage", "status"]], on="stage", suffixes=("", "_of_stage"))
    assert (deals["status"] == deals["status_of_stage"]).all()
    assert (deals.loc[deals["status"] == "won", "forecast_category"] == "closed").all()
    assert deals.loc[deals["status"] == "lost", "lost_reason"].notna().all()


def test_nothing_is_dated_after_the_data_end(frames: Frames) -> None:
    end = pd.Timestamp("2026-11-16")
    for name, frame in frames.items():
        for column in tables.table(name).columns:
            if column.kind in ("instant", "day") and (name, column.name) != ("opportunities", "close_date"):
                assert not (frame[column.name] >= end).any(), f"{name}.{column.name}"
    closed = frames["opportunities"].query("status != 'open'")
    assert (closed["close_date"] < end).all()


def test_events_happen_on_working_days(frames: Frames) -> None:
    at = frames["opportunity_history"]["changed_at"]
    assert (at.dt.day_of_week < 5).all() and at.dt.hour.between(6, 16).all()


def test_size_of_the_company(frames: Frames) -> None:
    won = frames["opportunities"].query("status == 'won'")
    wins = won.groupby(won["close_date"].dt.to_period("Q")).size()
    assert wins.index.min() == pd.Period("2020Q3") and (wins.loc["2020Q3":"2026Q3"] > 0).sum() == 25
    assert 45 <= wins.loc["2025Q3":"2026Q2"].mean() <= 60
    decided = frames["opportunities"].query("status != 'open'")
    assert 0.25 <= (decided["status"] == "won").mean() <= 0.30
    current = frames["reps"][frames["reps"]["end_date"].isna()]
    assert 27 <= current["rep_id"].nunique() <= 33
    assert current["team"].nunique() == 4 and current["region"].nunique() == 3


@pytest.mark.parametrize(("segment", "shortest", "longest"), [("SMB", 50, 75), ("Mid-market", 60, 95), ("Enterprise", 85, 150)])
def test_cycle_of_won_deals(frames: Frames, segment: str, shortest: int, longest: int) -> None:
    won = frames["opportunities"].query("status == 'won'").merge(frames["accounts"], on="account_id")
    days = (won["close_date"] - won["created_at"]).dt.days[won["segment"] == segment]
    assert shortest <= days.mean() <= longest


def test_assignments_do_not_overlap_and_leavers_hold_no_open_deal(frames: Frames, truth: dict) -> None:
    for _, rows in frames["reps"].sort_values("start_date").groupby("rep_id"):
        for before, after in itertools.pairwise(rows.itertuples()):
            assert after.start_date == before.end_date + pd.Timedelta(days=1)
    last = frames["reps"].sort_values("start_date").groupby("rep_id").last()
    left = frames["reps"].groupby("rep_id")["end_date"].agg(lambda ends: ends.notna().all())
    assert left.sum() >= 5 and last["manager_id"].notna().sum() == (last["role"] != "manager").sum()
    copies = [pair["copy"] for pair in truth["duplicates"]["pairs"]]  # nobody works on a copy, so nobody hands it over
    open_deals = frames["opportunities"].query("status == 'open'")
    assert not left[open_deals.loc[~open_deals["opportunity_id"].isin(copies), "owner_id"]].any()


def test_credits_share_out_every_won_deal(frames: Frames) -> None:
    won = frames["opportunities"].query("status == 'won'")["opportunity_id"]
    split = frames["credits"].query("kind == 'split'").groupby("opportunity_id")["share"].agg(["sum", "size"])
    assert set(split.index) == set(won) and np.allclose(split["sum"], 1)
    assert 0.08 <= (split["size"] == 2).mean() <= 0.2
    engineers = frames["reps"].query("role == 'solution_engineer'")["rep_id"]
    assert frames["credits"].query("kind == 'overlay'")["rep_id"].isin(engineers).all()


def test_every_win_has_a_contract_and_is_invoiced_over_its_term(frames: Frames) -> None:
    won = frames["opportunities"].query("status == 'won'")[["opportunity_id", "close_date", "amount"]]
    signed = frames["contracts"].merge(won, on="opportunity_id")
    assert set(frames["contracts"]["opportunity_id"]) == set(won["opportunity_id"]) and set(signed["term_months"]) == {
        12,
        24,
        36,
    }
    cancelled = signed.dropna(subset="cancelled_date")
    assert (cancelled["cancelled_date"] > cancelled["close_date"]).all() and cancelled["cancelled_reason"].notna().all()
    assert signed.loc[signed["cancelled_date"].isna(), "cancelled_reason"].isna().all()
    months = (cancelled["cancelled_date"] - cancelled["close_date"]).dt.days / 30.44
    assert 0.03 <= len(cancelled) / len(signed) <= 0.15 and (months < 12).any() and (months > 12).any()
    bills = frames["invoices"].merge(signed, on="opportunity_id", suffixes=("", "_of_deal"))
    assert (bills["invoiced_date"] > bills["close_date"]).all() and not (bills["invoiced_date"] > bills["cancelled_date"]).any()
    sums = bills.groupby("opportunity_id").agg(n=("amount", "size"), billed=("amount", "sum"))
    sums = sums.join(signed.set_index("opportunity_id"))
    assert (sums["billed"] <= sums["amount"]).all() and (sums.loc[sums["is_prepaid"], "n"] == 1).all()
    old = sums[sums["cancelled_date"].isna() & (sums["close_date"] < "2023-06-01")]  # the longest term has ended
    assert len(old) > 100 and (old["billed"] == old["amount"]).all()
    waited = (bills["paid_date"] - bills["invoiced_date"]).dt.days
    assert waited.min() >= 10 and 0.02 < (waited > 62).mean() < 0.10 and bills["paid_date"].isna().any()


def test_managers_have_objectives_and_what_is_not_judged_says_nothing(frames: Frames) -> None:
    agreed = frames["objectives"]
    managers = frames["reps"].query("role == 'manager'")["rep_id"]
    assert agreed["rep_id"].isin(managers).all() and np.allclose(agreed.groupby(["rep_id", "quarter"])["weight"].sum(), 1)
    assert (agreed["achieved"].isna() == agreed["decided_date"].isna()).all()
    assert agreed.loc[agreed["quarter"] == "2026Q4", "achieved"].isna().all()
    late = agreed["decided_date"] > pd.PeriodIndex(agreed["quarter"], freq="Q").end_time
    assert 0.05 < late.mean() < 0.3


def test_two_lines_were_disputed_and_one_adjusted(frames: Frames) -> None:
    disputes, adjustments = frames["disputes"], frames["adjustments"]
    assert disputes["decision"].tolist() == ["accepted", "rejected"] and disputes["line_id"].str.fullmatch("[0-9a-f]{16}").all()
    settled = adjustments.merge(disputes, on="dispute_id", suffixes=("", "_of_dispute"))
    assert len(settled) == 1 and (settled["line_id"] == settled["line_id_of_dispute"]).all()
    assert (settled["rep_id"] == settled["rep_id_of_dispute"]).all() and settled["decision"].item() == "accepted"


def test_every_month_that_has_ended_says_what_winning_customers_cost(frames: Frames) -> None:
    spent = frames["spend"]
    assert {tuple(sorted(kinds)) for _, kinds in spent.groupby("month")["kind"]} == {("marketing", "sales")}
    assert (spent["month"].min(), spent["month"].max()) == (pd.Timestamp("2020-07-01"), pd.Timestamp("2026-10-01"))
    assert (spent["amount"] > 0).all() and (spent["currency"] == "EUR").all()


def test_what_follows_a_win_changes_no_other_table(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, _ = sample.generate(scale=0.3, oracle_paths=0)
    for name, other in {
        "PREPAID": 0.9,
        "CANCELLED": 0.9,
        "BY_QUARTER": 1.0,
        "LATE": 0.5,
        "JUDGED_AFTER": 1.0,
        "SPEND_NOISE": 0.5,
    }.items():
        monkeypatch.setattr(sample.agreements, name, other)
    unusual, _ = sample.generate(scale=0.3, oracle_paths=0)
    changed = {name for name in usual if not usual[name].equals(unusual[name])}
    assert changed == {"contracts", "invoices", "objectives", "spend"}


def test_leads_carry_the_source_of_their_deal(frames: Frames) -> None:
    led = (
        frames["leads"]
        .dropna(subset="opportunity_id")
        .merge(frames["opportunities"], on="opportunity_id", suffixes=("", "_of_deal"))
    )
    assert (led["source"] == led["source_of_deal"]).all() and (led["sql_at"] == led["created_at_of_deal"]).all()
    assert (led["created_at"] <= led["mql_at"]).all() and (led["mql_at"] <= led["sql_at"]).all()
    assert 0.2 <= len(led) / len(frames["leads"]) <= 0.5


def test_median_attainment_is_plausible(frames: Frames) -> None:
    deals = frames["opportunities"].query("status == 'won'")
    credited = frames["credits"].query("kind == 'split'").merge(deals, on="opportunity_id")
    credited["quarter"] = credited["close_date"].dt.to_period("Q").astype(str)
    credited["booked"] = credited["share"] * money.to_float(credited["amount"])
    booked = credited.groupby(["rep_id", "quarter"])["booked"].sum()
    quotas = frames["quotas"].query("'2021Q1' <= quarter <= '2026Q2'").set_index(["rep_id", "quarter"])
    attainment = booked.reindex(quotas.index, fill_value=0) / money.to_float(quotas["amount"])
    assert 0.75 <= attainment.median() <= 1.05


def test_late_and_reopened_deals_are_counted(frames: Frames, truth: dict) -> None:
    stages = frames["opportunity_history"].query("field == 'stage'")
    wins = stages.query("new_value == 'Closed Won'").merge(frames["opportunities"], on="opportunity_id")
    late = wins["changed_at"].dt.normalize() > wins["close_date"]
    assert 0 < late.sum() == truth["counts"]["wins_recorded_late"]
    across = wins["changed_at"].dt.to_period("Q") > wins["close_date"].dt.to_period("Q")
    assert 0 < across.sum() == truth["counts"]["wins_recorded_in_a_later_quarter"]
    assert 0 < (stages["old_value"] == "Closed Lost").sum() == truth["counts"]["deals_reopened"]


def test_planted_duplicates(frames: Frames, truth: dict) -> None:
    pairs = pd.DataFrame(truth["duplicates"]["pairs"])
    assert len(pairs) == 30 == truth["duplicates"]["n"]
    deals = frames["opportunities"].set_index("opportunity_id")
    typed = frames["opportunity_history"].query("old_value.isna() and field == 'amount'").set_index("opportunity_id")
    one, two = deals.loc[pairs["original"]].reset_index(), deals.loc[pairs["copy"]].reset_index()
    assert (one["account_id"] == two["account_id"]).all() and (one["product_id"] == two["product_id"]).all()
    assert (one["name"] != two["name"]).all()
    first, second = (typed.loc[pairs[side], "new_value"].to_numpy() for side in ("original", "copy"))
    assert (first == second).all()
    days = two["created_at"].dt.normalize() - one["created_at"].dt.normalize()
    assert days.between(pd.Timedelta(0), pd.Timedelta(days=3)).all()
    assert ((two["status"] == "open") | (two["lost_reason"] == "duplicate")).all()
    assert set(deals.index[deals["lost_reason"] == "duplicate"]) <= set(pairs["copy"])
    assert (two["created_at"] >= "2026-01-01").sum() >= 8


def test_planted_data_entry_fault(frames: Frames, truth: dict) -> None:
    fault = truth["data_entry_fault"]
    history = frames["opportunity_history"]
    typed = history.query("old_value.isna() and field == 'amount' and new_value == '1.00'")
    assert set(typed["opportunity_id"]) == set(fault["opportunity_ids"]) and len(typed) == fault["n"] > 15
    faulty = frames["opportunities"].query("opportunity_id in @fault['opportunity_ids']")
    assert (faulty["created_at"] >= "2026-06-01").all()
    assert (money.to_cents(faulty.query("status != 'won'")["amount"]) == 100).all()
    assert (money.to_cents(faulty.query("status == 'won'")["amount"]) > 100_00).all()
    owners = history.query("old_value.isna() and field == 'owner_id'").set_index("opportunity_id")["new_value"]
    team = frames["reps"][frames["reps"]["end_date"].isna()].set_index("rep_id")["team"]
    assert set(owners.loc[fault["opportunity_ids"]].map(team).dropna()) == {fault["team"]}


def stays(frames: Frames) -> pd.DataFrame:
    """One row per stay of a deal in an open stage: who held it, when it began and ended, whether it advanced."""
    rows = frames["opportunity_history"].query("field == 'stage'").sort_values(["opportunity_id", "change_no"])
    order = {stage: i for i, stage in enumerate(frames["stages"]["stage"])}
    position = rows["new_value"].map(order)
    same = rows["opportunity_id"] == rows["opportunity_id"].shift(-1)
    rows = rows.assign(
        stage=rows["new_value"],
        until=rows["changed_at"].shift(-1).where(same, pd.Timestamp("2026-11-16")),
        advanced=same & (position.shift(-1) == position + 1),
    )
    deals = frames["opportunities"][["opportunity_id", "account_id"]].merge(frames["accounts"], on="account_id")
    return rows[position < 5].merge(deals[["opportunity_id", "segment"]], on="opportunity_id")


def rate(rows: pd.DataFrame, start: str, stop: str) -> float:
    """Advances per week between two days."""
    begin, end = pd.Timestamp(start), pd.Timestamp(stop)
    weeks = (rows["until"].clip(upper=end) - rows["changed_at"].clip(lower=begin)).dt.total_seconds().clip(lower=0)
    return (rows["advanced"] & (rows["until"] >= begin) & (rows["until"] < end)).sum() / weeks.sum() * 604_800


def bottleneck_ratio(frames: Frames, stage: str, segment: str) -> float:
    rows = stays(frames).query("stage == @stage and segment == @segment")
    return rate(rows, "2025-10-01", "2026-10-01") / rate(rows, "2023-10-01", "2025-10-01")


def test_planted_bottleneck_halves_one_cell_only(planted: tuple[Frames, dict], nothing_planted: tuple[Frames, dict]) -> None:
    fact = planted[1]["bottleneck"]
    assert (fact["stage"], fact["segment"], fact["multiplier"]) == ("Proposal", "SMB", 0.5)
    assert planted[0]["accounts"]["segment"].value_counts().idxmax() == "SMB"
    with_it, without = (bottleneck_ratio(f, "Proposal", "SMB") for f in (planted[0], nothing_planted[0]))
    assert 0.45 < with_it < 0.65 and 0.88 < without < 1.14 and 0.45 < with_it / without < 0.62
    for stage, segment in itertools.product(["Discovery", "Proposal", "Negotiation"], ["Mid-market", "Enterprise"]):
        assert 0.75 < bottleneck_ratio(planted[0], stage, segment) < 1.3, (stage, segment)


def test_planted_training_lifts_the_trained(planted: tuple[Frames, dict], nothing_planted: tuple[Frames, dict]) -> None:
    fact = planted[1]["training"]
    assert sorted(map(str, fact["teams"].values())) == ["2023-04-01", "2023-04-01", "2024-01-01", "None"]
    trained = [rep for rep, day in fact["reps"].items() if day == dt.date(2023, 4, 1)]

    def lift(frames: Frames) -> float:
        rows = stays(frames)
        groups = (rows[rows["changed_by"].isin(trained)], rows[rows["changed_by"].isin(fact["never"])])
        treated, never = (rate(g, "2023-07-01", "2025-07-01") / rate(g, "2021-04-01", "2023-04-01") for g in groups)
        return float(np.log(treated / never))

    assert abs(lift(planted[0]) - fact["log_effect"]) < 0.1
    assert abs(lift(nothing_planted[0])) < 0.1


def test_trainings_are_those_of_the_truth_and_stay_when_they_change_nothing(
    planted: tuple[Frames, dict], nothing_planted: tuple[Frames, dict]
) -> None:
    frames, truth = planted
    done = frames["trainings"].set_index("rep_id")["completed_date"]
    told = pd.Series(truth["training"]["reps"]).map(pd.Timestamp)
    assert set(done.index) == set(told.index) and (done - told.reindex(done.index)).dt.days.between(0, 2).all()
    assert frames["trainings"].equals(nothing_planted[0]["trainings"])


def evidence(frames: Frames) -> pd.Series:
    """Letters scored 2 or 3 when a deal entered Proposal, by its outcome."""
    rows = stays(frames).query("stage == 'Proposal'").drop_duplicates("opportunity_id")
    scores = frames["qualifications"].merge(rows[["opportunity_id", "changed_at"]], on="opportunity_id")
    scores = scores[scores["scored_date"] <= scores["changed_at"]].sort_values("scored_date")
    last = scores.drop_duplicates(["opportunity_id", "letter"], keep="last")
    letters = last["score"].isin(["2", "3"]).groupby(last["opportunity_id"]).sum()
    return letters.groupby(frames["opportunities"].set_index("opportunity_id")["status"].reindex(letters.index)).mean()


def test_planted_scores_go_with_winning_and_others_do_not(
    planted: tuple[Frames, dict], nothing_planted: tuple[Frames, dict]
) -> None:
    (with_it, without) = (evidence(company[0]) for company in (planted, nothing_planted))
    assert with_it["won"] - with_it["lost"] > 0.7 and abs(without["won"] - without["lost"]) < 0.15


def test_some_winners_are_filled_in_after_the_win(frames: Frames) -> None:
    won = frames["opportunities"].query("status == 'won'")[["opportunity_id", "close_date"]]
    scores = frames["qualifications"].merge(won, on="opportunity_id")
    late = scores[scores["scored_date"] > scores["close_date"]]
    assert (late["score"] == "3").all() and 0.3 < late["opportunity_id"].nunique() / scores["opportunity_id"].nunique() < 0.6


def test_what_is_learned_changes_no_other_table(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, _ = sample.generate(scale=0.3, oracle_paths=0)
    for name, other in {"NAME": "Another", "UNSCORED": 0.5, "LETTER_SD": 2.0}.items():
        monkeypatch.setattr(sample.learning, name, other)
    unusual, _ = sample.generate(scale=0.3, oracle_paths=0, qualification=False)
    assert {name for name in usual if not usual[name].equals(unusual[name])} == {"trainings", "qualifications"}


def bookings(frames: Frames) -> pd.Series:
    won = frames["opportunities"].query("status == 'won'")
    return money.to_float(won["amount"]).groupby(won["close_date"].dt.to_period("Q")).sum()


def test_planted_drop_exceeds_the_noise(frames: Frames) -> None:
    (with_it, _), (without, _) = (sample.generate(scale=2.0, drop=drop, oracle_paths=0) for drop in (True, False))

    def partners(company: Frames) -> int:
        deals = company["opportunities"].query("source == 'partner' and lost_reason != 'duplicate'")
        return int((deals["created_at"] >= "2026-04-01").sum())

    assert 0.10 < partners(with_it) / partners(without) < 0.20
    assert np.log(bookings(with_it) / bookings(without))["2026Q3"] < -0.45
    log = np.log(bookings(frames).loc["2022Q3":"2026Q3"])
    trend = np.polynomial.Polynomial.fit(np.arange(16), log.iloc[:-1], 1)
    noise = np.sqrt(((log.iloc[:-1] - trend(np.arange(16))) ** 2).sum() / 14)
    assert log.iloc[-1] - trend(16) < -2 * noise


def test_without_planted_facts_there_are_none(nothing_planted: tuple[Frames, dict]) -> None:
    frames, truth = nothing_planted
    facts = ("bottleneck", "drop", "training", "duplicates", "data_entry_fault", "qualification")
    assert [truth[name] for name in facts] == [None] * 6
    assert not (frames["opportunities"]["lost_reason"] == "duplicate").any()
    assert (money.to_cents(frames["opportunities"]["amount"]) > 100).all()


def test_a_fact_switched_off_leaves_the_rest_as_it_was() -> None:
    (with_it, _), (without, _) = (sample.generate(scale=0.5, bottleneck=b, oracle_paths=0) for b in (True, False))
    one, two = (f["opportunity_history"].drop(columns="change_no") for f in (with_it, without))
    before = [history[history["changed_at"] < "2025-10-01"].reset_index(drop=True) for history in (one, two)]
    pd.testing.assert_frame_equal(*before)
    large = with_it["opportunities"].merge(with_it["accounts"]).query("segment == 'Enterprise'")["opportunity_id"]
    untouched = [history[history["opportunity_id"].isin(large)].reset_index(drop=True) for history in (one, two)]
    pd.testing.assert_frame_equal(*untouched)
    assert len(one) != len(two)


def test_oracle_and_bookings_agree_with_the_tables(frames: Frames, truth: dict) -> None:
    oracle, booked = pd.DataFrame(truth["oracle"]), bookings(frames)
    assert len(oracle) == 19 * 4 and set(oracle["week"]) == {1, 4, 8, 12}
    assert (oracle["p10"] < oracle["p50"]).all() and (oracle["p50"] < oracle["p90"]).all()
    assert (oracle["closed"] <= oracle["p10"]).all()
    actual = oracle["quarter"].map(lambda quarter: booked[quarter])
    assert ((actual - oracle["actual"]).abs() <= 1).all()
    inside = oracle["actual"].between(oracle["p10"], oracle["p90"]).mean()
    assert 0.6 <= inside <= 0.95
    assert abs(oracle["mean"].sum() / oracle["actual"].sum() - 1) < 0.1


def by_layer(frames: Frames) -> dict[str, pd.DataFrame]:
    """Submitted forecasts by the role of who submitted them, with the team of that day; the first ones are a day older than the
    company."""
    rows = frames["forecast_submissions"].merge(frames["reps"], on="rep_id")
    day = rows["submitted_at"].dt.normalize().clip(lower=frames["reps"]["start_date"].min())
    rows = rows[(rows["start_date"] <= day) & ~(rows["end_date"] < day)]
    assert len(rows) == len(frames["forecast_submissions"])
    return {str(role): layer for role, layer in rows.groupby("role")}


def test_submitted_forecasts_carry_the_planted_bias(frames: Frames, truth: dict) -> None:
    submitted = by_layer(frames)["account_executive"]
    total = money.to_float(submitted["amount"]).groupby([submitted["quarter"], submitted["submitted_at"].dt.date]).sum()
    total = total.rename("submitted").reset_index()
    total["week"] = total.groupby("quarter").cumcount().map(dict(enumerate((1, 4, 8, 12))))
    seen = pd.DataFrame(truth["oracle"]).merge(total, on=["quarter", "week"])
    assert len(seen) == 19 * 4
    bias = np.log((seen["submitted"] - seen["closed"]) / (seen["mean"] - seen["closed"])).groupby(seen["week"]).mean()
    for week, expected in truth["submissions"]["log_bias"].items():
        spread = np.hypot(truth["submissions"]["log_noise_sd"][week], truth["submissions"]["rep_noise_sd"])
        assert abs(bias[week] - expected) < 3 * spread / np.sqrt(19)
    assert bias[1] > bias[12]


def test_managers_submit_their_teams_sum_with_half_the_bias_removed(frames: Frames, truth: dict) -> None:
    layers = by_layer(frames)
    assert set(layers) == {"account_executive", "manager"}
    deals = frames["opportunities"].query("status == 'won'")
    week_of, removed, times = {0: 1, 3: 4, 7: 8, 11: 12}, [], 0
    for (quarter, day), managers in layers["manager"].groupby(["quarter", layers["manager"]["submitted_at"].dt.normalize()]):
        first = pd.Period(quarter).start_time
        start = day + pd.Timedelta(days=1)
        reps = layers["account_executive"].query("submitted_at.dt.normalize() == @day")
        closed = deals[(deals["close_date"] >= first) & (deals["close_date"] < start)]
        assert sorted(managers["team"]) == sorted(reps["team"].unique())
        assert reps["submitted_at"].max() < managers["submitted_at"].min()
        assert managers["submitted_at"].max() < day + pd.Timedelta(hours=18)
        for manager in managers.itertuples():
            team = reps[reps["team"] == manager.team]
            won = float(closed.loc[closed["owner_id"].isin(team["rep_id"]), "amount"].sum())
            to_come, submitted = float(manager.amount) - won, float(team["amount"].sum()) - won
            assert (abs(to_come) < 0.01) == (abs(submitted) < 0.01)  # the company's first weeks: nothing can come
            if submitted >= 0.01:
                removed.append((week_of[(start - first).days // 7], np.log(to_come / submitted)))
        times += 1
    assert times == 4 * 26 - 2  # of 2026Q4 the data hold weeks 1 and 4
    mean = pd.DataFrame(removed, columns=["week", "log"]).groupby("week")["log"].agg(["mean", "std", "size"])
    planted = truth["submissions"]
    for week, bias in planted["managers"]["log_bias"].items():
        sd = planted["managers"]["manager_noise_sd"]
        assert bias == planted["log_bias"][week] / 2
        assert abs(mean.loc[week, "mean"] - (bias - planted["log_bias"][week])) < 3 * sd / np.sqrt(mean.loc[week, "size"])
        assert mean.loc[week, "std"] == pytest.approx(sd, rel=0.25)


@pytest.mark.parametrize(("seed", "scale"), [(1, 0.0), (1, float("nan")), (-1, 1.0)])
def test_impossible_size_or_seed_is_refused(tmp_path: Path, seed: int, scale: float) -> None:
    with pytest.raises(UsageError):
        sample.write(tmp_path / "sample", seed=seed, scale=scale)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(CannotWrite):
        sample.write(tmp_path, scale=0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


# Variants: the same company with one other law.


@functools.cache
def varied(variant: str | None) -> tuple[Frames, dict]:
    return sample.generate(2, 0.5, variant=variant, oracle_paths=8)


def changes(frames: Frames) -> pd.DataFrame:
    return frames["opportunity_history"].drop(columns="change_no").sort_values("opportunity_id", kind="stable")


def moves(frames: Frames) -> pd.DataFrame:
    """Changes of stage of deals that were open, with the positions before and after."""
    rows = changes(frames).query("field == 'stage'")
    order = {stage: i for i, stage in enumerate(frames["stages"]["stage"])}
    rows = rows.assign(old=rows["old_value"].map(order), new=rows["new_value"].map(order))
    return rows[rows["old"] < order["Closed Won"]]


def assert_same_history(variant: str, touched: set[str]) -> None:
    """Every deal that is not `touched` has the history that it has in the usual company."""
    usual, other = (rows[~rows["opportunity_id"].isin(touched)] for rows in map(changes, [varied(None)[0], varied(variant)[0]]))
    assert usual["opportunity_id"].nunique() > 50
    pd.testing.assert_frame_equal(usual.reset_index(drop=True), other.reset_index(drop=True))


@pytest.mark.parametrize("variant", [None, *VARIANTS])
def test_bookings_of_the_truth_are_the_wins_of_the_tables(variant: str | None) -> None:
    """To the cent, by close date, late-logged wins included; copies are never won and a typed 1.00 is gone at the win."""
    frames, truth = varied(variant)
    won = frames["opportunities"].query("status == 'won'")
    cents = money.to_cents(won["amount"]).groupby(won["close_date"].dt.to_period("Q").astype(str)).sum()
    booked = {quarter: round(100 * row["amount"]) for quarter, row in truth["bookings"].items() if row["wins"]}
    assert cents.to_dict() == booked
    oracle = pd.DataFrame(truth["oracle"])
    assert set(oracle["quarter"]) == set(pd.period_range("2022Q1", "2026Q3", freq="Q").astype(str))
    assert (oracle.groupby("quarter")["week"].agg(list).map(tuple) == (1, 4, 8, 12)).all()
    assert oracle["actual"].tolist() == [round(cents[quarter] / 100) for quarter in oracle["quarter"]]
    assert (truth["variant"] or {}).get("name") == variant


def test_skipped_stages() -> None:
    frames, truth = varied("skips")
    ahead = moves(frames).query("old < 4 and new != 6")  # from Contracting there is nothing to skip
    skipped = ahead["new"] - ahead["old"] == 2
    assert truth["variant"]["skipped"] == 0.2 and len(skipped) > 2_000
    assert skipped.mean() == pytest.approx(0.2, abs=0.02) and (skipped | (ahead["new"] - ahead["old"] == 1)).all()
    assert (ahead.loc[skipped, "new"] == 5).any()
    usual = moves(varied(None)[0]).query("new != 6")
    assert (usual["new"] - usual["old"] == 1).all()
    assert_same_history("skips", set(ahead.loc[skipped, "opportunity_id"]))


def test_change_of_regime() -> None:
    (frames, truth), (usual, _) = varied("regime"), varied(None)
    begins = pd.Timestamp(truth["variant"]["begins"])
    assert begins == pd.Timestamp("2025-04-01")
    before = [rows[rows["changed_at"] < begins].reset_index(drop=True) for rows in map(changes, (usual, frames))]
    deals = [company["opportunities"].query("lost_reason != 'duplicate'") for company in (usual, frames)]
    copies = {pair["copy"] for known in (truth, varied(None)[1]) for pair in known["duplicates"]["pairs"]}
    pd.testing.assert_frame_equal(*(rows[~rows["opportunity_id"].isin(copies)].reset_index(drop=True) for rows in before))
    expected, came = (int((rows["created_at"] >= begins).sum()) for rows in deals)
    assert came / expected == pytest.approx(truth["variant"]["arrivals"], abs=0.1)
    pace = [rate(stays(company), "2025-04-01", "2026-10-01") for company in (usual, frames)]
    # A weekly chance falls by less than its hazard, and good deals stay longer among the rest.
    assert truth["variant"]["advance"] == 0.75 and 0.72 < pace[1] / pace[0] < 0.86


def test_gamed_categories() -> None:
    frames, truth = varied("gaming")
    rows, usual = changes(frames), changes(varied(None)[0])
    others = [r[r["field"] != "forecast_category"].reset_index(drop=True) for r in (usual, rows)]
    pd.testing.assert_frame_equal(*others)
    assert truth["oracle"] == varied(None)[1]["oracle"]

    copies = [pair["copy"] for pair in truth["duplicates"]["pairs"]]

    def commit(day: str, rows: pd.DataFrame) -> list[float]:
        """Share of open deals called commit on a day, of those who game and of the others."""
        state = rows[rows["changed_at"] < day].pivot_table("new_value", "opportunity_id", "field", "last")
        state = state[~state["stage"].str.startswith("Closed") & ~state.index.isin(copies)]  # nobody works on a copy
        games = state["owner_id"].isin(truth["variant"]["gaming_reps"])
        return [(state.loc[who, "forecast_category"] == "commit").mean() for who in (games, ~games)]

    assert commit("2024-12-14", rows) == commit("2024-12-14", usual)
    for early, late in [("2025-02-15", "2025-03-15"), ("2026-08-15", "2026-09-15")]:
        assert commit(early, rows)[0] < 0.02 and commit(late, rows)[0] > 0.98
        for day in (early, late):
            assert 0.02 < commit(day, rows)[1] < 0.5 and commit(day, rows)[1] == pytest.approx(commit(day, usual)[1], abs=0.05)
    sellers = frames["reps"].query("role == 'account_executive'")["rep_id"].nunique()
    assert 0.4 < len(truth["variant"]["gaming_reps"]) / sellers < 0.9


def late_wins(frames: Frames) -> pd.DataFrame:
    wins = frames["opportunity_history"].query("field == 'stage' and new_value == 'Closed Won'")
    wins = wins.merge(frames["opportunities"], on="opportunity_id")
    lag = (wins["changed_at"].dt.normalize() - wins["close_date"]).dt.days
    return wins.assign(lag=lag, last=wins["close_date"].dt.days_in_month - wins["close_date"].dt.day < 8)


def test_wins_logged_late() -> None:
    frames, truth = sample.generate(2, 2.0, variant="late_logged", oracle_paths=0)
    wins = late_wins(frames)
    assert truth["variant"]["late"] == truth["variant"]["late_at_quarter_end"] == 0.05
    late = wins["lag"] > 0
    assert wins.loc[late, "lag"].between(3, 12).all()  # up to ten days, and on to the Monday
    quarter_end = wins["last"] & (wins["close_date"].dt.month % 3 == 0)
    for group in (quarter_end, ~quarter_end):
        assert late[group].mean() == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / group.sum()))
    assert varied("late_logged")[1]["bookings"] == varied(None)[1]["bookings"]
    touched = {deal for name in (None, "late_logged") for deal in late_wins(varied(name)[0]).query("lag > 0")["opportunity_id"]}
    assert_same_history("late_logged", touched)


def test_reopened_deals() -> None:
    frames, truth = varied("reopened")
    stages = changes(frames).query("field == 'stage' and changed_at < '2026-09-01'")
    lost = stages.query("new_value == 'Closed Lost'")["opportunity_id"]
    again = changes(frames).query("field == 'stage' and old_value == 'Closed Lost'")["opportunity_id"]
    copies = [pair["copy"] for pair in truth["duplicates"]["pairs"]]
    lost = pd.Index(lost[~lost.isin(copies)].unique())
    assert len(lost) > 800 and truth["variant"]["reopened"] == 0.1
    assert lost.isin(again).mean() == pytest.approx(0.1, abs=0.025)
    assert_same_history("reopened", set(again))


def test_unknown_variant_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean skips"):
        sample.generate(variant="skip")


@pytest.mark.truth
@pytest.mark.parametrize("variant", [None, "skips", "regime", "reopened"])  # the other two have the usual oracle
def test_the_oracle_knows_the_laws(variant: str | None) -> None:
    """Its 80 % interval holds in 72 to 88 % of 228 company-quarters at each week, and its mean is right.

    Deals re-opened later are not in the oracle: where a tenth of the lost come back, it says 1.3 % too little in week 1.
    """
    seen = pd.concat([pd.DataFrame(sample.generate(seed, variant=variant, oracle_paths=200)[1]["oracle"])
                      for seed in range(301, 313)])  # fmt: skip
    seen = seen.assign(inside=seen["actual"].between(seen["p10"], seen["p90"]))
    weeks = seen.groupby("week").agg({"inside": "mean", "mean": "sum", "actual": "sum"})
    weeks["bias"] = weeks["mean"] / weeks["actual"] - 1
    print(f"\n{variant or 'usual'}\n{weeks[['inside', 'bias']].round(3).to_string()}")
    assert weeks["inside"].between(0.72, 0.88).all()
    assert (weeks["bias"].abs() < 0.04).all()


def test_a_company_on_disk_is_made_once() -> None:
    folder, truth = companies.invent(3, scale=0.1, oracle_paths=8, variant="skips")
    assert companies.invent(3, scale=0.1, oracle_paths=8, variant="skips") == (folder, truth)
    assert truth == yaml.safe_load((folder / "truth.yml").read_text(encoding="utf-8"))
    deals = Snapshot(folder, quarter="2026Q3").opportunities
    assert set(deals["status"]) == {"open", "won", "lost"}
    assert "a share of advances goes two stages at once" in (folder / "README.md").read_text(encoding="utf-8")
    assert companies.invent(4, scale=0.1, oracle_paths=8)[0] != folder
