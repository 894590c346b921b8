"""Which cells slowed down, what that costs and what could have been seen, on companies small enough to work out."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from revops_lib import bottlenecks
from revops_lib.errors import DataRefused, NoHistory
from revops_lib.sample import write
from revops_lib.snapshot import Snapshot

PLAIN = dict.fromkeys(("bottleneck", "drop", "training", "duplicates", "fault"), False)
QUARTERS = pd.period_range("2024Q2", "2026Q3", freq="Q-DEC")


@pytest.fixture(scope="module")
def sample():
    return Snapshot("data/sample", quarter="2026Q3")


def regular(company, *, segments=("Small",), quarters=QUARTERS, per_quarter=30):
    """A company whose quarters are all alike: deals enter within the first 40 days and stay 5 to 15 days in Talk and in Offer,
    where every fifth is lost."""
    deals, history, accounts = [], [], []
    for segment in segments:
        accounts.append({"account_id": segment, "name": segment, "segment": segment})
    for quarter in quarters:
        for segment in segments:
            for i in range(per_quarter):
                deal = f"{quarter}-{segment}-{i}"
                at = quarter.start_time + pd.Timedelta(hours=1 + 40 * 24 * i / per_quarter)
                entry = [deal, None, "Talk", at]
                steps = [entry]
                for stage, following in (("Talk", "Offer"), ("Offer", "Won")):
                    spread = 0.5 + (i * 7 % per_quarter) / per_quarter
                    at = at + pd.Timedelta(days=10 * spread)
                    is_lost = stage == "Offer" and i % 5 == 0
                    steps.append([deal, stage, "Lost" if is_lost else following, at])
                history += steps
                end = steps[-1]
                deals.append({"opportunity_id": deal, "account_id": segment, "status": "lost" if end[2] == "Lost" else "won",
                              "stage": end[2], "amount": "100.00", "currency": "EUR", "created_at": entry[3],
                              "close_date": end[3].normalize()})  # fmt: skip
    rows = [{"change_no": n, "opportunity_id": d, "changed_at": at, "field": "stage", "old_value": old, "new_value": new}
            for n, (d, old, new, at) in enumerate(sorted(history, key=lambda step: step[3]))]  # fmt: skip
    data = company(tracked=["stage"], opportunities=deals, opportunity_history=rows, accounts=accounts)
    return Snapshot(data, quarter=str(quarters[-1]))


def row(table, stage, segment="all"):
    return table[(table["stage"] == stage) & (table["segment"] == segment)].iloc[0]


def test_quarters_that_are_all_alike_run_at_their_own_pace(company):
    found = bottlenecks.ranking(regular(company))
    assert set(found["segment"]) == {"all"} and set(found["stage"]) == {"Talk", "Offer"}
    assert found["ratio"].between(0.9, 1.1).all() and not found["is_alert"].any()
    assert found["lost_ratio"][found["stage"] == "Offer"].between(0.9, 1.15).all()


def chancy(company, *, slow, per_quarter=300):
    """Deals that enter Offer on any day and leave it by chance: won at 0.08 a day, or `slow` in the last quarter, lost at 0.02."""
    random = np.random.default_rng(5)
    deals, history = [], []
    for quarter in QUARTERS:
        for i in range(per_quarter):
            deal = f"{quarter}-{i}"
            begin = quarter.start_time + pd.Timedelta(days=float(random.uniform(0, 60)))
            won = random.exponential(1 / (slow if quarter == QUARTERS[-1] else 0.08))
            lost = random.exponential(1 / 0.02)
            end, to = begin + pd.Timedelta(days=min(won, lost)), "Won" if won < lost else "Lost"
            talk = begin - pd.Timedelta(days=float(random.exponential(10)))
            history += [(talk, deal, None, "Talk"), (begin, deal, "Talk", "Offer"), (end, deal, "Offer", to)]
            deals.append({"opportunity_id": deal, "status": to.lower(), "amount": "100.00", "currency": "EUR",
                          "created_at": talk, "close_date": end.normalize()})  # fmt: skip
    rows = [{"change_no": n, "opportunity_id": d, "changed_at": at, "field": "stage", "old_value": old, "new_value": new}
            for n, (at, d, old, new) in enumerate(sorted(history, key=lambda step: step[:2]))]  # fmt: skip
    return Snapshot(company(tracked=["stage"], opportunities=deals, opportunity_history=rows), quarter="2026Q3")


def test_half_the_chance_per_day_is_half_the_pace_and_its_price_is_that_of_the_deals_it_loses(company):
    snapshot = chancy(company, slow=0.04)
    first = bottlenecks.ranking(snapshot).iloc[0]
    assert first["stage"] == "Offer" and first["is_alert"] and first["quarters"] == 1
    assert first["low"] < 0.5 < first["high"] and first["ratio"] == pytest.approx(0.5, abs=0.1)
    # Of 300 deals that enter per quarter 0.08 ÷ 0.10 are won, slowed 0.04 ÷ 0.06: 300 × (0.8 − 0.667) × 100 = 4,000.
    offer = row(bottlenecks.value(snapshot), "Offer")
    assert offer["low"] < 4_000 < offer["high"] and offer["value"] == pytest.approx(4_000, rel=0.35)


def test_advances_of_the_quarter_equal_a_plain_loop(company):
    snapshot = regular(company)
    last = pd.Period("2026Q3", freq="Q-DEC")
    found, stays = bottlenecks.ranking(snapshot), bottlenecks.spells(snapshot)
    for stage, of in stays.groupby("stage"):
        within = [last.start_time <= stay.to_at < (last + 1).start_time for stay in of.itertuples()]
        ends = {end: sum(is_in and stay.end == end for is_in, stay in zip(within, of.itertuples(), strict=True)) for end in
                ("advanced", "lost")}  # fmt: skip
        assert row(found, stage)[["n", "lost"]].tolist() == [ends["advanced"], ends["lost"]]


def test_what_comes_after_the_quarter_moves_only_what_is_open_now(sample):
    later = bottlenecks.ranking(Snapshot("data/sample", quarter="2026Q4", as_of="2026-11-15"))
    now = bottlenecks.ranking(sample)
    fixed = [name for name in now if name not in ("n_open", "open_amount")]
    pd.testing.assert_frame_equal(now[fixed], later[fixed])
    assert later["n_open"].tolist() != now["n_open"].tolist()


def test_rows_of_a_stage_stand_together_and_name_their_parts(sample):
    found = bottlenecks.ranking(sample)
    assert found["stage"].ne(found["stage"].shift()).sum() == found["stage"].nunique()
    assert found.groupby("stage", sort=False)["z"].apply(lambda z: z.is_monotonic_increasing).all()
    one = found[(found["quarters"] == 1).groupby(found["stage"]).transform("all")]
    parts = one[one["segment"] != "all"].groupby("stage")["n"].sum()
    assert len(parts) == 4 and parts.to_dict() == one[one["segment"] == "all"].set_index("stage")["n"].to_dict()
    located = bottlenecks.locate(sample)
    assert located.iloc[0][["stage", "segment"]].tolist() == ["Proposal", "SMB"] and located["stage"].nunique() == 1


def test_the_fastest_segment_is_what_others_are_held_against(company):
    snapshot = regular(company, segments=("Large", "Small"), per_quarter=60)
    found = bottlenecks.ranking(snapshot)
    assert found.loc[found["segment"] == "all", "against_best"].isna().all()
    assert found.loc[found["segment"] != "all", "against_best"].to_numpy() == pytest.approx(1.0)  # both alike


def test_a_tighter_alpha_flags_less_and_sees_less(sample):
    usual, strict = (bottlenecks.detectable(sample, alpha=alpha) for alpha in (0.05, 0.005))
    both = usual.merge(strict, on=["stage", "segment"], suffixes=("", "_strict")).dropna()
    assert len(both) >= 15 and (both["ratio_strict"] < both["ratio"]).all()
    more = bottlenecks.detectable(sample, power=0.5)
    assert (more["ratio"].fillna(0) >= usual["ratio"].fillna(0)).all()
    assert bottlenecks.ranking(sample, alpha=1e-12)["is_alert"].sum() == 0


def test_a_slow_market_is_called_that_and_one_stuck_stage_is_none(tmp_path):
    def market_and_ranking(name, bottleneck):
        sample_of = {**PLAIN, "bottleneck": bottleneck}
        write(tmp_path / name, seed=1000, oracle_paths=0, **sample_of)
        snapshot = Snapshot(tmp_path / name, quarter="2026Q3")
        return bottlenecks.market(snapshot), bottlenecks.ranking(snapshot)

    fact = {"segment": None, "from": dt.date(2026, 7, 1), "multiplier": 0.5}
    shared, ranked = market_and_ranking("all", {**fact, "stage": None})
    assert shared.iloc[-1]["is_market_wide"] and shared.iloc[-1]["value"] < 0.75 and not ranked["is_alert"].any()
    shared, ranked = market_and_ranking("one", {**fact, "stage": "Proposal"})
    assert not shared["is_market_wide"].any() and len(shared) == 9 and ranked.iloc[0]["stage"] == "Proposal"


def test_the_value_is_drawn_with_its_seed(sample):
    first, again, other = (bottlenecks.value(sample, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert first["value"].tolist() != other["value"].tolist() or first["low"].tolist() != other["low"].tolist()
    assert (first["low"] <= first["high"]).all() and (first["unit"] == "EUR").all()
    slowed = row(first, "Proposal", "SMB")
    assert slowed["is_alert"] and 0 < slowed["low"] < slowed["value"] < slowed["high"]


def test_a_segment_and_a_stage_without_a_past_are_shown_but_not_compared(company):
    snapshot = regular(company, segments=("Large", "Small"))
    path = snapshot.directory / "opportunity_history.parquet"
    history = pd.read_parquet(path)
    is_new = history["opportunity_id"].str.contains("Large") & (history["changed_at"] < "2026-07-01")
    history[~is_new].to_parquet(path, index=False)
    found = bottlenecks.ranking(Snapshot(snapshot.directory, quarter="2026Q3"))
    large = found[found["segment"] == "Large"]
    assert len(large) == 2 and large["ratio"].isna().all() and not large["is_alert"].any() and (large["n"] > 0).all()
    assert found.loc[found["segment"] != "Large", "ratio"].notna().all()
    value = bottlenecks.value(Snapshot(snapshot.directory, quarter="2026Q3"))
    assert "Large" not in set(value["segment"])


def test_the_first_quarter_of_a_history_is_compared_with_nothing(company):
    snapshot = regular(company, quarters=QUARTERS[-1:])
    assert bottlenecks.ranking(snapshot)["ratio"].isna().all()
    assert bottlenecks.value(snapshot).empty and not bottlenecks.market(snapshot)["is_market_wide"].any()
    assert bottlenecks.detectable(snapshot)["ratio"].isna().all()


def test_several_currencies_and_no_history_are_refused(company, crm):
    questions = (bottlenecks.ranking, bottlenecks.detectable, bottlenecks.value)
    snapshot = regular(company)
    path = snapshot.directory / "opportunities.parquet"
    deals = pd.read_parquet(path)
    deals.assign(currency=["USD", *deals["currency"][1:]]).to_parquet(path, index=False)
    for question in questions:
        with pytest.raises(DataRefused, match="EUR and USD cannot be summed"):
            question(Snapshot(snapshot.directory, quarter="2026Q3"))
    for question in (*questions, bottlenecks.market):
        with pytest.raises(NoHistory):
            question(Snapshot(crm, quarter="2017Q4"))


def test_a_history_of_unknown_stages_only_is_refused_in_a_sentence(company):
    rows = [{"change_no": 1, "opportunity_id": "A", "changed_at": "2026-01-01", "field": "stage", "new_value": "Elsewhere"}]
    deals = [{"opportunity_id": "A", "status": "open", "created_at": "2026-01-01"}]
    snapshot = Snapshot(company(tracked=["stage"], opportunities=deals, opportunity_history=rows), quarter="2026Q3")
    with pytest.raises(DataRefused, match="are not in the table stages as open ones"):
        bottlenecks.ranking(snapshot)


@pytest.mark.parametrize("seed", [3002, 3003])
def test_a_stage_as_fast_as_ever_is_not_slow_because_another_one_sped_up(tmp_path, seed):
    fact = {"stage": "Proposal", "segment": None, "from": dt.date(2026, 7, 1), "multiplier": 2.0}
    write(tmp_path / "data", seed=seed, oracle_paths=0, **{**PLAIN, "bottleneck": fact})
    found = bottlenecks.ranking(Snapshot(tmp_path / "data", quarter="2026Q3"))
    assert row(found, "Proposal")["ratio"] > 1.4
    assert not found["is_alert"].any()


def test_with_two_stages_a_stuck_one_is_never_called_the_market(company):
    snapshot = regular(company)
    assert not bottlenecks.market(snapshot)["is_market_wide"].any()


def test_a_segment_that_is_called_all_is_told_from_all_segments(company):
    found = bottlenecks.ranking(regular(company, segments=("all", "Small")))
    assert set(found["segment"]) == {"all", "all (a segment)", "Small"}
    assert row(found, "Talk")["n"] == row(found, "Talk", "Small")["n"] + row(found, "Talk", "all (a segment)")["n"]


def test_without_amounts_a_price_and_open_money_are_not_known(company):
    snapshot = regular(company)
    path = snapshot.directory / "opportunities.parquet"
    pd.read_parquet(path).assign(amount=None).to_parquet(path, index=False)
    snapshot = Snapshot(snapshot.directory, quarter="2026Q3")
    assert bottlenecks.value(snapshot)["value"].isna().all()
    assert bottlenecks.ranking(snapshot)["open_amount"].isna().all()


def test_what_ends_as_a_quarter_turns_ends_in_the_new_one(company):
    """A history of days only: the deal leaves Talk on the first day of the quarter."""
    steps = [("2026-06-20", None, "Talk"), ("2026-07-01", "Talk", "Offer")]
    history = [{"change_no": i, "opportunity_id": "d", "changed_at": at, "field": "stage", "old_value": old, "new_value": new}
               for i, (at, old, new) in enumerate(steps)]  # fmt: skip
    deal = {"opportunity_id": "d", "status": "open", "stage": "Offer", "created_at": "2026-06-20"}
    data = company(tracked=["stage"], opportunities=[deal], opportunity_history=history)
    found = bottlenecks.ranking(Snapshot(data, quarter="2026Q3"))
    assert row(found, "Talk")["n"] == 1
    assert row(bottlenecks.ranking(Snapshot(data, quarter="2026Q2")), "Talk")["n"] == 0
