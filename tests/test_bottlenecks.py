"""Time in stage, conversion and slowdowns where the truth is known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from revops_lib import bottlenecks, sample, tables
from revops_lib.errors import DataRefused, NoHistory
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def snapshot():
    return Snapshot("data/sample", quarter="2026Q3")


def planted():
    return yaml.safe_load((ROOT / "data/sample/truth.yml").read_text(encoding="utf-8"))["bottleneck"]


def company_without(tmp_path, seed, **switches):
    frames, truth = sample.generate(seed, oracle_paths=0, **switches)
    tables.write(tmp_path / str(seed), frames, Snapshot("data/sample", quarter="2026Q3").dataset)
    return Snapshot(tmp_path / str(seed), quarter="2026Q3"), truth


def test_the_planted_bottleneck_ranks_first_and_is_flagged(snapshot):
    worst = bottlenecks.ranking(snapshot).iloc[0]
    assert (worst["stage"], worst["segment"]) == (planted()["stage"], planted()["segment"])
    assert worst["is_alert"]
    assert worst["low"] < worst["ratio"] < worst["high"] < 1


def test_nothing_is_flagged_before_the_bottleneck_began():
    assert not bottlenecks.ranking(Snapshot("data/sample", quarter="2025Q3"))["is_alert"].any()


def test_nothing_is_flagged_where_nothing_was_planted(tmp_path):
    ranking = bottlenecks.ranking(company_without(tmp_path, 1, bottleneck=False)[0])
    assert not ranking["is_alert"].any()


def test_observed_sums_to_all_advances_of_the_window(snapshot):
    ranking = bottlenecks.ranking(snapshot)
    spells = bottlenecks.spells(snapshot)
    quarter = spells.loc[spells["end"] == "advanced", "to_at"].dt.tz_localize("UTC").dt.tz_convert("Europe/Paris")
    quarter = quarter.dt.tz_localize(None).dt.to_period("Q-DEC")
    stage = spells.loc[spells["end"] == "advanced", "stage"]
    for row in ranking[ranking["segment"] == "all"].itertuples():
        counted = quarter[stage == row.stage] > pd.Period("2026Q3", freq="Q-DEC") - row.quarters
        assert row.n == counted.sum()


@pytest.fixture
def three_deals(company):
    """Talk: two advance after 10 and 20 days, one is lost after 5, one is still there after 30."""

    def change(number, deal, day, new, old=None):
        return {
            "change_no": number,
            "opportunity_id": deal,
            "changed_at": day,
            "field": "stage",
            "old_value": old,
            "new_value": new,
        }

    moves = {"A": [("01-01", "Talk"), ("01-11", "Offer"), ("01-21", "Won")], "B": [("01-01", "Talk"), ("01-21", "Offer")],
             "C": [("01-01", "Talk"), ("01-06", "Lost")], "D": [("01-01", "Talk")]}  # fmt: skip
    history, number = [], 0
    for deal, steps in moves.items():
        before = None
        for day, stage in steps:
            number += 1
            history.append(change(number, deal, f"2026-{day}", stage, before))
            before = stage
    closed = {"A": "2026-01-21", "C": "2026-01-06"}
    deals = [{"opportunity_id": d, "status": "open", "created_at": "2026-01-01", "close_date": closed.get(d)} for d in moves]
    return company(tracked=["stage"], opportunities=deals, opportunity_history=history)


def test_conversion_of_a_hand_worked_example(three_deals):
    snapshot = Snapshot(three_deals, quarter="2026Q1", as_of="2026-01-30")
    talk = bottlenecks.conversion(snapshot).set_index("stage").loc["Talk"]
    assert (talk["n"], talk["advanced"], talk["lost"], talk["n_running"]) == (4, 2, 1, 1)
    # Aalen-Johansen by hand: lost 1/4 at day 5; of the 3/4 left 1/3 advance at day 10 and 1/2 of the rest at day 20.
    assert talk["value"] == pytest.approx(0.25 + 0.25)


def test_an_open_deal_is_not_a_failure(three_deals):
    early = bottlenecks.conversion(Snapshot(three_deals, quarter="2026Q1", as_of="2026-01-15")).set_index("stage").loc["Talk"]
    assert (early["advanced"], early["n_running"]) == (1, 2)
    assert early["value"] == pytest.approx(0.25)  # one of four; the two open ones wait, they have not failed
    time = bottlenecks.time_to_close(Snapshot(three_deals, quarter="2026Q1", as_of="2026-01-30")).iloc[0]
    assert time["n"] == 4 and time["n_open"] == 2


def test_medians_recover_the_truth_with_two_in_five_open(company):
    """Planted median 20 days; two in five stays are still running. Closed stays alone would say far less."""
    random = np.random.default_rng(11)
    n, end = 4000, pd.Timestamp("2026-03-31 23:59")
    life = random.exponential(20 / np.log(2), n)
    begin = end - pd.to_timedelta(random.uniform(0, 60, n), unit="D")
    moved = begin + pd.to_timedelta(life, unit="D")
    deals = [{"opportunity_id": f"d{i}", "status": "open", "created_at": begin[i]} for i in range(n)]
    rows = [
        {"change_no": i, "opportunity_id": f"d{i}", "changed_at": begin[i], "field": "stage", "new_value": "Talk"}
        for i in range(n)
    ]
    rows += [
        {
            "change_no": n + i,
            "opportunity_id": f"d{i}",
            "changed_at": moved[i],
            "field": "stage",
            "old_value": "Talk",
            "new_value": "Offer",
        }
        for i in range(n)
        if moved[i] <= end
    ]
    snapshot = Snapshot(company(tracked=["stage"], opportunities=deals, opportunity_history=rows), quarter="2026Q1")
    talk = bottlenecks.time_in_stage(snapshot).set_index("stage").loc["Talk"]
    assert talk["n_running"] / talk["n"] == pytest.approx(0.4, abs=0.06)
    assert talk["median"] == pytest.approx(20, rel=0.05)
    closed = life[(moved <= end)]
    assert np.median(closed) < 15


def test_stalled_deals_equal_a_plain_loop(snapshot):
    late = bottlenecks.stalled(snapshot)
    spells = bottlenecks.spells(snapshot)
    recent = spells[spells["entered"] > pd.Period("2024Q3", freq="Q-DEC")]
    deals = snapshot.opportunities.set_index("opportunity_id")
    expected = set()
    for deal, row in deals[deals["status"] == "open"].iterrows():
        stays = recent[(recent["stage"] == row["stage"]) & (recent["opportunity_id"].map(deals["status"]) == "won")]["days"]
        if (snapshot.cutoff - row["stage_since"]).total_seconds() / 86_400 > np.quantile(stays, 0.9):
            expected.add(deal)
    assert set(late["opportunity_id"]) == expected


def test_without_history_time_to_close_remains(crm):
    snapshot = Snapshot(crm, quarter="2017Q4")
    for question in (bottlenecks.ranking, bottlenecks.time_in_stage, bottlenecks.conversion, bottlenecks.survival):
        with pytest.raises(NoHistory):
            question(snapshot)
    company = bottlenecks.time_to_close(snapshot).iloc[0]
    assert (company["n"], company["n_open"]) == (8300, 1589)  # 500 of 8,800 carry no creation date
    regions = bottlenecks.time_to_close(snapshot, by="region")
    assert regions["n"].sum() == 8300 and set(regions["member"]) == {"Central", "East", "West"}


@pytest.mark.truth
def test_ranking_over_many_companies(tmp_path):
    """Slow for a year, with all other facts planted: stage and segment come first in at least 85 % of companies; nothing slow:
    a flag in at most 5 %."""
    first = located = flagged = false = 0
    seeds = range(201, 241)
    for seed in seeds:
        snapshot, truth = company_without(tmp_path / "with", seed)
        worst = bottlenecks.ranking(snapshot).iloc[0]
        hit = worst["stage"] == truth["bottleneck"]["stage"]
        first, flagged = first + hit, flagged + (hit and bool(worst["is_alert"]))
        located += hit and worst["segment"] == truth["bottleneck"]["segment"]
        silent, _ = company_without(tmp_path / "without", seed, bottleneck=False)
        false += bool(bottlenecks.ranking(silent)["is_alert"].any())
    n = len(seeds)
    print(
        f"\n{n} companies: planted stage first {first / n:.0%}, segment named {located / n:.0%}, flagged {flagged / n:.0%}; "
        f"nothing planted, flagged {false / n:.0%}"
    )
    assert located / n >= 0.85
    assert false / n <= 0.05


def test_win_rate_is_won_by_won_and_lost_and_open_deals_stand_apart(company):
    def deals(n, status, close):
        return [
            {"opportunity_id": f"{status}{close}{i}", "status": status, "created_at": "2026-01-01", "close_date": close}
            for i in range(n)
        ]

    data = company(
        opportunities=[
            *deals(20, "won", "2026-02-01"),
            *deals(30, "lost", "2026-02-01"),
            *deals(50, "open", "2026-03-01"),
            *deals(7, "won", "2025-12-31"),
        ]
    )
    rate = bottlenecks.win_rate(Snapshot(data, quarter="2026Q1")).iloc[0]
    # 20 won, 30 lost, 50 open are 40 %, not the 20 % of a rate over all records (definition K05 against won ÷ closed)
    assert (rate["value"], rate["n"], rate["n_open"]) == (0.4, 50, 50)
    assert rate["low"] < 0.4 < rate["high"] and rate["member"] == "company"
    nothing = bottlenecks.win_rate(Snapshot(data, quarter="2026Q4")).iloc[0]
    assert nothing["n"] == 0 and np.isnan(nothing["value"])  # a zero denominator is unknown, never 0


def test_a_group_called_company_is_not_added_to_the_company(company):
    deals = [
        {"opportunity_id": f"{segment}{i}", "account_id": segment, "status": "won" if i else "lost", "created_at": "2026-01-01",
         "close_date": "2026-02-01"}
        for segment in ("company", "other")
        for i in range(3)
    ]  # fmt: skip
    accounts = [{"account_id": segment, "segment": segment} for segment in ("company", "other")]
    rate = bottlenecks.win_rate(Snapshot(company(opportunities=deals, accounts=accounts), quarter="2026Q1"), by="segment")
    assert rate[["member", "n", "won"]].values.tolist() == [["company", 6, 4], ["company", 3, 2], ["other", 3, 2]]


def test_survival_without_a_single_end_is_refused(three_deals):
    with pytest.raises(DataRefused, match="none of 4 stays begun in the last eight quarters has ended"):
        bottlenecks.survival(Snapshot(three_deals, quarter="2026Q1", as_of="2026-01-03"))


def test_deals_created_before_outcomes_were_kept_are_watched_from_then_on(company):
    """Half of the deals created in January close within 20 days, but the source keeps outcomes from February on: what closed
    before is not there. Counting the rest from their creation would make the cycle look twice as long."""
    random = np.random.default_rng(13)
    deals, kept = [], pd.Timestamp("2026-02-01")
    for i in range(6000):
        created = pd.Timestamp("2026-01-01") + pd.Timedelta(days=int(random.integers(0, 50)))
        closed = created + pd.Timedelta(days=int(np.ceil(random.exponential(20 / np.log(2)))))
        if closed >= kept:
            deals.append({"opportunity_id": str(i), "status": "won", "created_at": created, "close_date": closed})
    snapshot = Snapshot(company(opportunities=deals), quarter="2026Q4")
    assert bottlenecks.time_to_close(snapshot).iloc[0]["median"] == pytest.approx(20, abs=1.5)
    aged = pd.DataFrame(deals)
    assert (aged["close_date"] - aged["created_at"]).dt.days.median() > 24


def test_a_new_stage_has_nothing_to_be_compared_with_and_flags_nothing(company):
    def change(number, deal, at, new, old=None):
        return {
            "change_no": number,
            "opportunity_id": deal,
            "changed_at": at,
            "field": "stage",
            "old_value": old,
            "new_value": new,
        }

    history = [change(2 * i, f"d{i}", f"2026-0{1 + i % 8}-05", "Talk") for i in range(40)]
    history += [change(2 * i + 1, f"d{i}", f"2026-0{1 + i % 8}-15", "Offer", "Talk") for i in range(40)]
    deals = [{"opportunity_id": f"d{i}", "status": "open", "created_at": f"2026-0{1 + i % 8}-05"} for i in range(40)]
    ranking = bottlenecks.ranking(
        Snapshot(company(tracked=["stage"], opportunities=deals, opportunity_history=history), quarter="2026Q3")
    )
    assert set(ranking["stage"]) == {"Talk", "Offer"} and not ranking["is_alert"].any()


def test_history_of_a_deal_that_is_not_there_is_no_stay(three_deals):
    path = three_deals / "opportunity_history.parquet"
    history = pd.read_parquet(path)
    orphan = history.iloc[[0]].assign(change_no=99, opportunity_id="ghost")
    pd.concat([history, orphan]).to_parquet(path, index=False)
    snapshot = Snapshot(three_deals, quarter="2026Q1", as_of="2026-01-30")
    assert bottlenecks.conversion(snapshot).set_index("stage").loc["Talk", "n"] == 4


def test_sources_with_gaps_get_an_answer_or_a_sentence(company, three_deals):
    from revops_lib import report

    bare = Snapshot(company(opportunities=[{"opportunity_id": "A", "status": "open"}]), quarter="2026Q4")
    assert "no opportunity carries a creation date" in report.ask(bottlenecks.time_to_close, bare)
    history = pd.read_parquet(three_deals / "opportunity_history.parquet")
    history[history["opportunity_id"].isin(["A", "C"])].to_parquet(three_deals / "opportunity_history.parquet", index=False)
    deals = pd.read_parquet(three_deals / "opportunities.parquet")
    deals[deals["opportunity_id"].isin(["A", "C"])].to_parquet(three_deals / "opportunities.parquet", index=False)
    closed_only = Snapshot(three_deals, quarter="2026Q1")
    assert bottlenecks.stalled(closed_only).empty
    assert set(bottlenecks.time_in_stage(closed_only, by="team")["member"]) == {"(unknown)"}


COMPANY = pd.DataFrame({"member": ["company"], "n": [300], "n_open": [40], "median": [37.0]})
CELLS = pd.DataFrame(
    {"stage": ["Offer", "Talk", "Offer"], "segment": ["Small", "all", "all"], "quarters": [4, 1, 1], "n": [40, 90, 80],
     "ratio": [0.5, 0.9, 0.8], "low": [0.4, 0.8, 0.7], "high": [0.62, 1.0, 0.9], "is_alert": [True, False, False],
     "against_best": [0.6, np.nan, np.nan], "n_open": [3, 9, 8], "open_amount": [30.0, 90.0, 80.0], "unit": "ratio"}
)  # fmt: skip
WORTH = pd.DataFrame(
    {"stage": ["Offer"], "segment": ["Small"], "value": [120_000.4], "low": [50_000], "high": [200_000], "unit": ["EUR"]}
)
SMALLEST = pd.DataFrame({"stage": ["Offer", "Talk", "Offer"], "segment": ["Small", "all", "all"], "ratio": [0.3, 0.55, 0.45]})
MARKET = pd.DataFrame({"quarter": ["2026Q3"], "value": [0.7], "low": [0.6], "high": [0.8], "is_market_wide": [True]})
LATE = pd.DataFrame({"opportunity_id": ["A", "B"]})
REST = "half of the deals close within 37 days (40 of 300 still open, counted as open); 2 open deals have waited longer than nine in ten winners did."


def test_the_headline_names_stage_segment_pace_and_price():
    said = bottlenecks.headline(
        COMPANY, LATE, CELLS, worth=WORTH, market=MARKET.assign(is_market_wide=False), smallest=SMALLEST
    )
    assert said == (
        "Offer in Small is clearly slower than before: over the last four quarters at 50% (40% to 62%) of its past pace, which costs 120,000 EUR a quarter "
        f"(50,000 to 200,000); {REST}"
    )
    first = CELLS.iloc[[2]].assign(is_alert=True)
    assert bottlenecks.headline(COMPANY, LATE, first, worth=WORTH).startswith(
        "Offer is clearly slower than before: in the last quarter at 80% (70% to 90%) of its"
    )


def test_the_headline_names_the_first_flagged_row_and_the_other_flagged_stages():
    flagged = CELLS.assign(is_alert=[False, True, False])
    assert bottlenecks.headline(COMPANY, LATE, flagged).startswith(
        "Talk is clearly slower than before: in the last quarter at 90%"
    )
    both = bottlenecks.headline(COMPANY, LATE, CELLS.assign(is_alert=True), worth=WORTH)
    assert both.startswith("Offer in Small is clearly slower") and "; Talk is flagged, too; half of" in both


def test_the_headline_of_a_calm_quarter_says_what_would_have_shown():
    calm = CELLS.assign(is_alert=False)
    said = bottlenecks.headline(COMPANY, LATE, calm, worth=WORTH, smallest=SMALLEST)
    assert said == (
        "No stage is slower than usual beyond the spread between quarters (one at 45% to 55% of its past pace would have shown); "
        f"Offer in Small stands out most, at 50% (40% to 62%); {REST}"
    )
    assert bottlenecks.headline(COMPANY, LATE.head(0), calm.assign(ratio=np.nan)).endswith(
        "counted as open); 0 open deals have waited longer than nine in ten winners did."
    )


def test_a_slow_market_is_called_that():
    said = bottlenecks.headline(COMPANY, LATE, CELLS.assign(is_alert=False), market=MARKET)
    assert said == f"All stages are slow together, at 70% (60% to 80%) of their past pace: the market, no bottleneck; {REST}"
    notes = bottlenecks.notes(
        Snapshot("data/sample", quarter="2026Q3"), pd.DataFrame({"reason": ["undated"], "n": [3]}), "", "", MARKET
    )
    assert notes[-2] == "3 of 3,355 deals have no duration: undated." and "in 2026Q3, beyond the usual spread" in notes[-1]


def test_prices_stand_beside_their_cells_and_in_the_advice():
    priced = bottlenecks.priced(CELLS, WORTH, SMALLEST)
    assert priced["worth"].tolist()[0] == 120_000.4 and priced["worth"].isna().tolist() == [False, True, True]
    assert priced["detectable"].tolist() == [0.3, 0.55, 0.45]
    assert set(bottlenecks.priced(CELLS, "unknown", "unknown")) & {"worth", "detectable"} == set()
    advice = bottlenecks.recommendations(LATE, priced)
    assert advice["finding"].tolist()[0] == "Offer in Small moves at 50% of its past pace" and len(advice) == 2
    assert advice.iloc[0][["expected_amount", "low", "high"]].tolist() == [120_000.4, 50_000, 200_000]
    shown = bottlenecks.published(priced)  # only located cells, and nothing of single open deals
    assert bottlenecks.published(priced[priced["segment"] == "all"])["stage"].tolist() == ["Talk", "Offer"]
    assert shown["segment"].tolist() == ["Small"] and not {"n_open", "open_amount"} & set(shown)


def test_only_common_steps_are_published():
    steps = pd.DataFrame({"activity": ["a", "b"], "next_activity": ["b", "c"], "n": [5, 9], "n_cases": [5, 4]})
    assert bottlenecks.common(steps)["n"].tolist() == [5]


def test_checks_fail_when_parts_do_not_sum():
    snapshot = Snapshot("data/sample", quarter="2026Q3")
    overall, groups = bottlenecks.time_to_close(snapshot), bottlenecks.time_to_close(snapshot, by="segment")
    stages, steps, shares = bottlenecks.conversion(snapshot), bottlenecks.funnel(snapshot), bottlenecks.outcome(snapshot)
    assert bottlenecks.checks(snapshot, overall, groups, stages, steps, shares)["holds"].all()
    wrong = [
        (overall, groups.assign(n=groups["n"] + 1), stages, steps, shares),
        (overall.assign(n_open=overall["n"]), groups, stages, steps, shares),
        (overall, groups, stages.assign(lost=0), steps, shares),
        (overall, groups, stages, steps.assign(value=steps["value"].to_numpy()[::-1]), shares),
        (overall, groups, stages, steps, shares.assign(lost_share=0.0)),
    ]
    for frames in wrong:
        assert (~bottlenecks.checks(snapshot, *frames)["holds"]).sum() == 1


def test_the_worked_example_of_the_methods_page():
    from revops_lib import statistics

    days, ends = pd.Series([10, 20, 20, 30, 40]), pd.Series(["advanced", "lost", None, "advanced", None])
    curve = statistics.survival_curve(days, ends.notna())
    assert curve["value"].tolist() == pytest.approx([0.8, 0.6, 0.3]) and curve["at_risk"].tolist() == [5, 4, 2]
    assert statistics.survival_quantile(curve, 0.5)[0] == 30 and np.isnan(statistics.survival_quantile(curve, 0.9)[0])
    causes = statistics.cumulative_incidence(days, ends)
    assert causes.groupby("cause")["value"].last().to_dict() == pytest.approx({"advanced": 0.5, "lost": 0.2})
    naive = statistics.survival_curve(days, ends == "advanced")["value"].iloc[-1]
    assert 1 - naive == pytest.approx(0.60)  # what would be said with the lost one taken for an open one
    late = statistics.survival_curve(
        pd.Series([10, 30, 50, 60]), pd.Series([True] * 4), entry=pd.Series([-np.inf, -np.inf, 40, -np.inf])
    )
    assert late["value"].tolist() == pytest.approx([2 / 3, 1 / 3, 1 / 6, 0])
