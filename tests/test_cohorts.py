"""Cohorts, the funnel, what moves back, who holds what, two processes: worked by hand and against plain loops."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from revops_lib import bottlenecks, report
from revops_lib.errors import DataRefused, NoHistory, UsageError
from revops_lib.snapshot import Snapshot

STATUS = {"Won": "won", "Lost": "lost"}


def lay(company, moves, *, owners=None, deals=None, tracked=("stage",), **more):
    """A company whose deals went through `moves`: deal -> [(day, stage)]; the first day is that of creation."""
    history, rows = [], []
    for deal, steps in moves.items():
        before = None
        for day, stage in steps:
            history.append(
                {"opportunity_id": deal, "changed_at": day, "field": "stage", "old_value": before, "new_value": stage}
            )
            before = stage
        status = STATUS.get(before, "open")
        row = {
            "opportunity_id": deal,
            "status": status,
            "created_at": steps[0][0],
            "close_date": steps[-1][0] if status != "open" else None,
        }
        rows.append({**row, "amount": Decimal(100), "currency": "EUR", **(deals or {}).get(deal, {})})
    for deal, steps in (owners or {}).items():
        history += [
            {"opportunity_id": deal, "changed_at": day, "field": "owner_id", "new_value": owner} for day, owner in steps
        ]
    history = [{"change_no": number, **row} for number, row in enumerate(history)]
    return company(tracked=list(tracked), opportunities=rows, opportunity_history=history, **more)


@pytest.fixture
def five(company):
    """Created in January and February 2026; D skips Offer, E goes back once, C is lost, B and E are open on 30 March."""
    moves = {
        "A": [("2026-01-01", "Talk"), ("2026-01-11", "Offer"), ("2026-01-21", "Won")],
        "B": [("2026-01-01", "Talk"), ("2026-01-21", "Offer")],
        "C": [("2026-01-01", "Talk"), ("2026-01-06", "Lost")],
        "D": [("2026-02-01", "Talk"), ("2026-02-11", "Won")],
        "E": [("2026-02-01", "Talk"), ("2026-02-05", "Offer"), ("2026-02-09", "Talk"), ("2026-02-19", "Offer")],
    }
    return Snapshot(lay(company, moves, known_until="2026-03-30"), quarter="2026Q1", as_of="2026-03-30")


def test_funnel_of_a_hand_worked_example(five):
    """Talk to Offer or beyond: 4 of 5, one lost at day 5. Offer to Won: D at once (0 days), A after 10, B and E still open."""
    steps = bottlenecks.funnel(five).set_index("step")
    assert steps["n"].tolist() == [5, 4, 2] and steps["n_open"].tolist() == [0, 2, 0]
    # Aalen-Johansen, days since the step before. Talk: E 4, C (lost) 5, A and D 10, B 20: nobody is open, 4/5.
    # Offer: D 0, A 10, then two open: 1/4, then 3/4 × 1/3 = 1/4: together 1/2.
    assert steps["value"].tolist() == pytest.approx([1, 4 / 5, 4 / 5 * 1 / 2])
    assert steps["previous_share"].tolist()[1:] == pytest.approx([4 / 5, 1 / 2])
    assert steps["days"].tolist()[1:] == [10, 0]
    assert ((steps["low"] <= steps["value"]) & (steps["value"] <= steps["high"])).all()


def test_a_deal_counts_once_in_its_cohort_and_open_ones_are_no_failures(five):
    talk = bottlenecks.cohorts(five).set_index("stage").loc["Talk"]
    assert (talk["n"], talk["reached"], talk["n_open"]) == (5, 4, 0)  # E went back and forward: once
    offer = bottlenecks.cohorts(five, until="won").set_index("stage").loc["Offer"]
    assert (offer["n"], offer["reached"], offer["n_open"]) == (4, 2, 2)
    assert offer["value"] == pytest.approx(1 / 2)  # with both open ones as failures 2 of 4 too, but not for the reason
    early = Snapshot(five.directory, quarter="2026Q1", as_of="2026-01-15")
    assert bottlenecks.cohorts(early, until="won").set_index("stage").loc["Talk", "value"] == 0  # nobody won yet, one lost
    assert bottlenecks.cohorts(early, until="next").set_index("stage").loc["Talk", "value"] == pytest.approx(1 / 3)


def test_funnel_equals_a_plain_loop_on_the_sample():
    snapshot = Snapshot("data/sample", quarter="2026Q3")
    funnel = bottlenecks.funnel(snapshot, by="segment")
    order = ["Discovery", "Qualification", "Proposal", "Negotiation", "Contracting", "Closed Won"]
    deals = snapshot.opportunities.set_index("opportunity_id")
    segment = dict(zip(deals.index, snapshot.members(deals.reset_index(), "segment"), strict=True))
    counts = {}
    for deal, own in snapshot.history[snapshot.history["field"] == "stage"].groupby("opportunity_id"):
        if own["changed_at"].min() < pd.Timestamp("2024-10-01") - pd.Timedelta(hours=2):
            continue  # midnight in Paris, summer time
        furthest = max((order.index(stage) for stage in own["new_value"] if stage in order), default=-1)
        for reached in range(furthest + 1):
            counts[segment[deal], reached] = counts.get((segment[deal], reached), 0) + 1
    for member, own in funnel.groupby("member"):
        assert own["n"].tolist() == [counts[member, reached] for reached in range(6)]
    assert (funnel.groupby("member")["value"].diff().dropna() <= 0).all()
    assert funnel["previous_share"].dropna().between(0, 1).all()


def test_an_immature_cohort_is_flagged_and_nearer_to_the_truth_than_a_count():
    """Seen at the quarter's end, the young cohort's share is near what it became, where won ÷ created is far off."""
    now = Snapshot("data/sample", quarter="2026Q2", as_of="2026-06-30")
    later = Snapshot("data/sample", quarter="2026Q3")
    young, became = (bottlenecks.cohorts(each, until="won").set_index(["stage", "cohort"]) for each in (now, later))
    cohort = pd.Period("2026Q2", freq="Q-DEC")
    talk, end = young.loc[("Discovery", cohort)], became.loc[("Discovery", cohort)]
    assert talk["is_immature"] and not became.loc[("Discovery", cohort - 4), "is_immature"]
    assert talk["reached"] / talk["n"] < 0.6 * end["value"]  # what a spreadsheet would say
    assert talk["low"] <= end["value"] <= talk["high"]
    assert talk["watched_days"] < talk["needed_days"]


def test_maturity_is_told_by_the_youngest_case(company):
    """Thirty stays of 10 days and one of 40: nine in ten have ended by day 10. A stay watched for 9 days is too young, for 11 not."""
    moves = {f"d{i}": [("2026-01-01", "Talk"), ("2026-01-11", "Offer")] for i in range(30)}
    moves["slow"] = [("2026-01-01", "Talk"), ("2026-02-10", "Offer")]
    moves["new"] = [("2026-04-01", "Talk")]
    data = lay(company, moves)
    for day, is_immature in (("2026-04-09", True), ("2026-04-12", False)):
        table = bottlenecks.cohorts(Snapshot(data, quarter="2026Q2", as_of=day))
        talk = table[table["stage"] == "Talk"].set_index("cohort")
        assert talk["needed_days"].iloc[0] == 10
        assert talk["is_immature"].tolist() == [False, is_immature]


def test_wins_by_cohort_equal_counts_where_everything_is_known_and_are_missing_where_nothing_is():
    snapshot = Snapshot("data/sample", quarter="2026Q3")
    table = bottlenecks.wins_by_cohort(snapshot)
    deals = snapshot.opportunities
    local = deals["created_at"].dt.tz_localize("UTC").dt.tz_convert("Europe/Paris").dt.tz_localize(None).dt.normalize()
    cohort = local.dt.to_period("Q-DEC")
    assert (table["cohort"].min(), table["cohort"].max()) == (pd.Period("2024Q4", "Q-DEC"), pd.Period("2026Q3", "Q-DEC"))
    mature = table[~table["is_immature"]]
    assert len(mature) > 40
    for row in mature.itertuples():
        own = cohort == row.cohort
        won = own & (deals["status"] == "won") & ((deals["close_date"] - local).dt.days <= 30 * row.month)
        assert row.value == pytest.approx(won.sum() / own.sum()) and row.n == own.sum()
    last = table[table["cohort"] == pd.Period("2026Q3", "Q-DEC")].set_index("month")
    assert last.loc[4:, "value"].isna().all() and last.loc[:3, "value"].notna().all() and last["is_immature"].all()


def test_shares_of_won_lost_and_open_sum_to_one_and_lost_deals_are_not_censored(five):
    table = bottlenecks.outcome(five, within_days=(5, 20, 60, 300)).set_index("days")
    total = table[["won_share", "lost_share", "open_share"]].sum(axis=1)
    assert total.loc[[5, 20, 60]].tolist() == pytest.approx([1, 1, 1])
    assert table.loc[300, ["won_share", "lost_share", "open_share"]].isna().all()  # nobody was watched so long
    # At 5 days one of five is lost, at 10 one of four won, at 20 one of three: 4/5 × 1/4 + 3/5 × 1/3.
    assert table.loc[5, "lost_share"] == pytest.approx(1 / 5) and table.loc[5, "won_share"] == 0
    assert table.loc[20, "won_share"] == pytest.approx(2 / 5) == table.loc[60, "won_share"]
    assert table.loc[20, "n_watched"] == 2


def test_deals_that_close_before_they_begin_are_counted_and_left_out(company):
    rows = [
        {"opportunity_id": "ok", "status": "won", "created_at": "2026-01-01", "close_date": "2026-01-11"},
        {"opportunity_id": "fine", "status": "won", "created_at": "2026-01-01", "close_date": "2026-01-21"},
        {"opportunity_id": "odd", "status": "won", "created_at": "2026-03-01", "close_date": "2026-02-01"},
        {"opportunity_id": "undated", "status": "lost", "created_at": "2026-01-01"},
        {"opportunity_id": "unborn", "status": "open"},
    ]
    snapshot = Snapshot(company(opportunities=rows), quarter="2026Q4")
    reasons = bottlenecks.not_timed(snapshot).set_index("reason")
    assert reasons["n"].to_dict() == {
        "no creation date": 1,
        "closed without a close date": 1,
        "closed before it was created": 1,
        "closed before the source kept outcomes": 0,
    }
    assert reasons.loc["closed before it was created", "example"] == "odd"
    assert bottlenecks.time_to_close(snapshot).iloc[0]["n"] == 2


def test_moves_back_of_a_hand_worked_example(five):
    """E left Offer for Talk on 9 February and was in Offer again ten days later."""
    move = bottlenecks.setbacks(five).iloc[0]
    assert (move["from_stage"], move["to_stage"]) == ("Offer", "Talk")
    assert (move["n"], move["n_deals"], move["n_again"], move["n_waiting"], move["days"]) == (1, 1, 1, 0, 10)
    assert move["amount"] == Decimal("100.00") and np.isnan(move["won_share"])  # E is open: no share yet
    assert move["straight_share"] == 1  # of A and B, which were in Offer and never went back, A has closed and is won
    before = bottlenecks.setbacks(Snapshot(five.directory, quarter="2026Q1", as_of="2026-02-15")).iloc[0]
    assert (before["n_again"], before["n_waiting"]) == (0, 1) and np.isnan(before["days"])


def test_moves_back_in_money_and_wins_equal_a_plain_loop(company):
    random, path = np.random.default_rng(41), ["Talk", "Offer"]
    moves, amounts = {}, {}
    for i in range(120):
        day, at, steps = pd.Timestamp("2026-01-01") + pd.Timedelta(days=int(random.integers(0, 100))), 0, []
        while day < pd.Timestamp("2026-09-01"):
            steps.append((str(day.date()), path[at] if at < 2 else "Won"))
            if at == 2:
                break
            day += pd.Timedelta(days=int(random.integers(1, 30)))
            at = int(random.choice([max(at - 1, 0), at + 1], p=[0.3, 0.7]))
            if steps[-1][1] == (path[at] if at < 2 else "Won"):
                steps.append((str(day.date()), "Lost"))
                break
        moves[f"d{i}"], amounts[f"d{i}"] = steps, {"amount": Decimal(int(random.integers(1, 1000)))}
    table = bottlenecks.setbacks(Snapshot(lay(company, moves, deals=amounts), quarter="2026Q4"))
    back = {d for d, s in moves.items() for (_, a), (_, b) in zip(s, s[1:], strict=False) if (a, b) == ("Offer", "Talk")}
    end = {deal: steps[-1][1] for deal, steps in moves.items()}
    closed = [deal for deal in back if end[deal] in STATUS]
    straight = [d for d, s in moves.items() if d not in back and end[d] in STATUS and any(stage == "Offer" for _, stage in s)]
    row = table.iloc[0]
    assert len(table) == 1 and row["n_deals"] == len(back) > 10 and row["amount"] == sum(amounts[d]["amount"] for d in back)
    assert row["won_share"] == pytest.approx(np.mean([end[d] == "Won" for d in closed]))
    assert row["straight_share"] == pytest.approx(np.mean([end[d] == "Won" for d in straight]))


def test_queues_and_hand_overs(company):
    moves = {d: [("2026-01-01", "Talk")] for d in "ABC"} | {"D": [("2026-01-01", "Talk"), ("2026-01-09", "Offer")]}
    owners = {
        "A": [("2026-01-01", "R1"), ("2026-01-11", "R2")],
        "B": [("2026-01-01", "R1")],
        "C": [("2026-01-01", "R1"), ("2026-01-04", "R2")],
        "D": [("2026-01-01", "R3")],
    }
    held = {"A": "R2", "B": "R1", "C": "R2", "D": "R3"}
    deals = {deal: {"owner_id": owner, "amount": Decimal(10)} for deal, owner in held.items()}
    snapshot = Snapshot(
        lay(company, moves, owners=owners, deals=deals, tracked=("stage", "owner_id"), known_until="2026-01-30"),
        quarter="2026Q1",
    )
    queues = bottlenecks.queues(snapshot).set_index("owner_id")
    assert queues["n_open"].to_dict() == {"R2": 2, "R1": 1, "R3": 1}
    assert queues.loc["R2", "open_amount"] == Decimal(20) and queues.loc["R2", "waiting_days"] == 30
    assert queues.loc["R3", "waiting_days"] == 22  # since it came into Offer, not since it was created
    assert queues.loc["R2", ["received", "handed_on"]].tolist() == [2, 0] and queues.loc["R1", "handed_on"] == 2
    passed = bottlenecks.handovers(snapshot)
    assert passed[["from_owner", "to_owner", "n", "held_days"]].values.tolist() == [["R1", "R2", 2, 6.5]]
    known_then = bottlenecks.queues(Snapshot(snapshot.directory, quarter="2026Q1", as_of="2026-01-05")).set_index("owner_id")
    assert known_then["n_open"].to_dict() == {"R1": 2, "R2": 1, "R3": 1}


def test_queues_without_owner_history(five):
    queues = bottlenecks.queues(five)
    assert queues["received"].isna().all() and queues["n_open"].tolist() == [2]
    with pytest.raises(NoHistory):
        bottlenecks.handovers(five)


def test_stalled_deals_tell_what_became_of_others_that_waited_so_long(company):
    """Ten winners left Talk after 1 to 10 days: P90 9.1. Of the closed deals that stayed longer, one was won and three lost."""
    moves = {f"w{i}": [("2026-01-01", "Talk"), (f"2026-01-{1 + i:02}", "Offer"), ("2026-02-01", "Won")] for i in range(1, 11)}
    moves |= {f"l{i}": [("2026-01-01", "Talk"), ("2026-02-10", "Lost")] for i in range(3)}
    moves |= {"late": [("2026-01-01", "Talk")], "young": [("2026-03-25", "Talk")]}
    late = bottlenecks.stalled(Snapshot(lay(company, moves), quarter="2026Q1"))
    assert late["opportunity_id"].tolist() == ["late"]
    assert (late["p90"].iloc[0], late["n_alike"].iloc[0], late["won_share"].iloc[0]) == (pytest.approx(9.1), 4, 0.25)
    del moves["w1"]
    assert bottlenecks.stalled(Snapshot(lay(company, moves), quarter="2026Q1")).empty  # nine winners say nothing


def merged(company):
    """Two companies in one: the north talks and offers, the south pitches, quotes and re-quotes; the south is slower."""
    stages = [("Talk", 1, "open"), ("Offer", 2, "open"), ("Pitch", 1, "open"), ("Quote", 2, "open"), ("Requote", 3, "open"),
              ("Won", 4, "won"), ("Lost", 5, "lost")]  # fmt: skip
    moves, deals = {}, {}
    for i in range(60):
        end = "Won" if i % 3 else "Lost"
        moves[f"n{i}"] = [("2026-01-01", "Talk"), (f"2026-01-{6 + i % 5:02}", "Offer"), (f"2026-01-{20 + i % 5:02}", end)]
        moves[f"s{i}"] = [("2026-01-01", "Pitch"), (f"2026-01-{12 + i % 5:02}", "Quote"), (f"2026-01-{19 + i % 5:02}", "Requote"),
                          (f"2026-01-{26 + i % 5:02}", end)]  # fmt: skip
        deals |= {f"n{i}": {"account_id": "n"}, f"s{i}": {"account_id": "s"}}
    table = [{"stage": name, "position": position, "status": status} for name, position, status in stages]
    accounts = [{"account_id": "n", "region": "North"}, {"account_id": "s", "region": "South"}]
    return Snapshot(lay(company, moves, deals=deals, stages=table, accounts=accounts), quarter="2026Q1")


def test_two_processes_are_compared_by_a_mapping(company):
    snapshot = merged(company)
    sides = {"by": "region", "one": "North", "other": "South"}
    mapping = {"Pitch": "Talk", "Quote": "Offer", "Requote": "Offer"}
    table = bottlenecks.compare(snapshot, **sides, mapping=mapping).set_index(["stage", "measure"])
    talk, offer = table.loc[("Talk", "median days")], table.loc[("Offer", "median days")]
    assert (talk["one"], talk["other"], talk["difference"]) == (7, 13, 6) and talk["is_different"]
    assert (offer["one"], offer["other"]) == (14, 14) and not offer[
        "is_different"
    ]  # quote and re-quote are one stay of 14 days
    moved = table.loc[("Offer", "moves on")]
    assert (moved["one"], moved["other"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3)) and not moved["is_different"]
    whole = table.loc[("whole process", "median days")]
    assert (whole["one"], whole["other"], whole["n_one"], whole["n_other"]) == (21, 27, 60, 60)
    assert talk["low"] <= 6 <= talk["high"] and talk["of_other"] == "region South"


def test_a_stage_that_maps_to_nothing_is_refused_in_a_sentence(company):
    snapshot = merged(company)
    sides = {"by": "region", "one": "North", "other": "South"}
    with pytest.raises(DataRefused, match="'Quote', 'Requote' of region South map to no stage of region North"):
        bottlenecks.compare(snapshot, **sides, mapping={"Pitch": "Talk"})
    told = report.ask(bottlenecks.compare, snapshot, **sides)
    assert "map to no stage" in told and "Offer, Talk" in told
    left_out = bottlenecks.compare(snapshot, **sides, mapping={"Pitch": "Talk", "Quote": None, "Requote": None})
    offer = left_out[left_out["stage"] == "Offer"]
    assert offer["n_other"].tolist() == [0, 0] and offer["difference"].isna().all() and not offer["is_different"].any()
    for wrong in (
        {"by": "region", "since": "2026-01-01"},
        {**sides, "one": "Nord"},
        {**sides, "mapping": {"Ptch": "Talk"}},
    ):
        with pytest.raises(UsageError):
            bottlenecks.compare(snapshot, **wrong)


def test_before_and_after_what_began_before_is_watched_up_to_that_day_only(company):
    """Before March a stay takes 20 days, from then on 10. Stays still running on the day say "at least so long"."""
    random, moves = np.random.default_rng(43), {}
    for i in range(400):
        day = pd.Timestamp("2026-01-01") + pd.Timedelta(days=int(random.integers(0, 140)))
        stay = 20 if day < pd.Timestamp("2026-03-01") else 10
        moves[f"d{i}"] = [(str(day.date()), "Talk"), (str((day + pd.Timedelta(days=stay)).date()), "Offer")]
    snapshot = Snapshot(lay(company, moves), quarter="2026Q2")
    talk = bottlenecks.compare(snapshot, since="2026-03-01").set_index(["stage", "measure"]).loc[("Talk", "median days")]
    assert (talk["one"], talk["other"], talk["difference"]) == (20, 10, -10) and talk["is_different"]
    assert talk["n_one"] + talk["n_other"] == 400
    with pytest.raises(DataRefused, match="no deal entered a stage before"):
        bottlenecks.compare(snapshot, since="2025-06-01")


def test_a_different_mix_of_segments_is_no_difference_of_pace(company):
    """Small deals take 5 days and large ones 25 in both regions, but the south has mostly large ones."""
    random, moves, deals = np.random.default_rng(47), {}, {}
    for i in range(300):
        region = ["n", "s"][i % 2]
        size = "large" if random.random() < (0.2, 0.8)[i % 2] else "small"
        stay = int(np.ceil(random.exponential({"small": 5, "large": 25}[size])))
        moves[f"d{i}"] = [("2026-01-01", "Talk"), (str((pd.Timestamp("2026-01-01") + pd.Timedelta(days=stay)).date()), "Offer")]
        deals[f"d{i}"] = {"account_id": f"{region}-{size}"}
    accounts = [{"account_id": f"{r}-{s}", "region": r, "segment": s} for r in "ns" for s in ("small", "large")]
    snapshot = Snapshot(lay(company, moves, deals=deals, accounts=accounts), quarter="2026Q2")
    talk = (
        bottlenecks.compare(snapshot, by="region", one="n", other="s")
        .set_index(["stage", "measure"])
        .loc[("Talk", "median days")]
    )
    assert talk["difference"] > 5 and not talk["is_different"]


def test_later_data_change_nothing(five, company):
    """Everything after the day asked is altered: equal answers."""
    early = Snapshot(five.directory, quarter="2026Q1", as_of="2026-02-15")
    questions = (bottlenecks.funnel, bottlenecks.cohorts, bottlenecks.wins_by_cohort, bottlenecks.outcome, bottlenecks.setbacks,
                 bottlenecks.queues, bottlenecks.not_timed)  # fmt: skip
    before = [question(early) for question in questions]
    path = five.directory / "opportunity_history.parquet"
    history = pd.read_parquet(path)
    late = history["changed_at"] > pd.Timestamp("2026-02-15 12:00")
    assert late.any()
    history.loc[late, "new_value"] = "Lost"
    history.to_parquet(path, index=False)
    again = Snapshot(five.directory, quarter="2026Q1", as_of="2026-02-15")
    for question, answer in zip(questions, before, strict=True):
        pd.testing.assert_frame_equal(question(again), answer)


def test_gaps_get_a_sentence_or_an_answer(company, crm):
    without = Snapshot(crm, quarter="2017Q4")
    for question in (bottlenecks.funnel, bottlenecks.cohorts, bottlenecks.setbacks):
        with pytest.raises(NoHistory):
            question(without)
    assert bottlenecks.outcome(without, by="region")["won_share"].notna().any()
    assert bottlenecks.wins_by_cohort(without)["n"].max() > 1000
    assert bottlenecks.queues(without)["n_open"].sum() == (without.opportunities["status"] == "open").sum()
    single = lay(company, {"A": [("2026-01-01", "Talk")]})
    alone = Snapshot(single, quarter="2026Q1")
    assert bottlenecks.funnel(alone)["value"].isna().tolist() == [False, True, True]  # nothing has ended: not 0, not known
    assert bottlenecks.cohorts(alone)["value"].isna().all() and bottlenecks.setbacks(alone).empty
    odd = lay(company, {"A": [("2026-01-01", "Talk"), ("2026-01-05", "Nowhere"), ("2026-01-09", "Offer")]})
    assert bottlenecks.funnel(Snapshot(odd, quarter="2026Q1"))["n"].tolist() == [1, 1, 0]  # a stage not listed has no place
    with pytest.raises(UsageError):
        bottlenecks.cohorts(alone, until="lost")
    with pytest.raises(DataRefused):
        bottlenecks.compare(alone, since="2025-12-31")


def process(*stages):
    return [dict(zip(("stage", "position", "status", "probability"), one, strict=True)) for one in stages]


ENDS = ("Won", 9, "won", 1.0), ("Lost", 9, "lost", 0.0)


def test_stages_of_equal_position_have_one_order_the_less_likely_first(company):
    """Offer and Bid are both second: all go Talk, Bid, Offer. Of eight, one is lost in Talk, one in Bid, two in Offer."""
    path = [("2026-01-01", "Talk"), ("2026-01-11", "Bid"), ("2026-01-21", "Offer"), ("2026-01-31", "Won")]
    last = [1, 2, 3, 3, 4, 4, 4, 4]
    moves = {f"d{i}": path[:n] + ([("2026-02-15", "Lost")] if n < 4 else []) for i, n in enumerate(last)}
    stages = process(("Talk", 1, "open", 0.1), ("Offer", 2, "open", 0.6), ("Bid", 2, "open", 0.3), *ENDS)
    snapshot = Snapshot(lay(company, moves, stages=stages), quarter="2026Q1")
    steps = bottlenecks.funnel(snapshot)
    assert steps["step"].tolist() == ["Created", "Bid", "Offer", "Won"] and steps["n"].tolist() == [8, 7, 6, 4]
    assert steps["value"].tolist() == pytest.approx([1, 7 / 8, 6 / 8, 4 / 8])
    shares = bottlenecks.conversion(snapshot)
    assert shares["back"].tolist() == [0, 0, 0] and shares["advanced"].tolist() == [7, 6, 4]


def test_two_first_stages_are_one_beginning(company):
    """Two processes, each numbered from 1: one funnel, by place, then by probability, and none of its steps twice."""
    moves = {"a": [("2026-01-01", "Talk"), ("2026-01-11", "Offer"), ("2026-01-21", "Won")], "p": [("2026-01-01", "Pitch")]}
    moves["q"] = [("2026-01-01", "Pitch"), ("2026-01-11", "Quote"), ("2026-01-16", "Lost")]
    stages = process(("Talk", 1, "open", 0.1), ("Offer", 2, "open", 0.5), ("Pitch", 1, "open", 0.2), ("Quote", 2, "open", 0.5),
                     *ENDS)  # fmt: skip
    steps = bottlenecks.funnel(Snapshot(lay(company, moves, stages=stages), quarter="2026Q1"))
    assert steps["step"].tolist() == ["Created", "Pitch", "Offer", "Quote", "Won"] and steps["n"].tolist() == [3, 3, 2, 2, 1]


@pytest.mark.parametrize("stages", [[], process(*ENDS), process(("Meet", 1, "open", 0.1), *ENDS)])
def test_a_history_whose_stages_are_not_listed_is_refused_in_a_sentence(company, stages):
    moves = {"a": [("2026-01-01", "Talk"), ("2026-01-11", "Offer")], "b": [("2026-01-01", "Talk"), ("2026-01-11", "Lost")]}
    data = lay(company, moves, **({"stages": stages} if stages else {}))
    if not stages:
        (data / "stages.parquet").unlink()
    snapshot = Snapshot(data, quarter="2026Q1")
    for question in (bottlenecks.funnel, bottlenecks.cohorts, bottlenecks.time_in_stage, bottlenecks.conversion,
                     bottlenecks.survival, bottlenecks.compare):  # fmt: skip
        with pytest.raises(DataRefused, match=r"stages of the history \(Lost, Offer, Talk\) are not in the table stages"):
            question(snapshot)
    assert bottlenecks.wins_by_cohort(snapshot)["n"].tolist() == [2] * 9  # needs no stages


def test_shares_of_none_and_all_have_the_interval_of_wilson(company):
    """Wilson 1927 at 90 %, z = 1.645, 0 of 6: from 0 to z² / (6 + z²) = 0.311."""
    z2 = 1.6448536**2
    moves = {f"d{i}": [("2026-01-01", "Talk"), ("2026-01-11", "Offer"), ("2026-01-21", "Lost")] for i in range(6)}
    deals = {f"d{i}": {"account_id": "n" if i < 3 else "s"} for i in range(6)}
    accounts = [{"account_id": "n", "region": "n"}, {"account_id": "s", "region": "s"}]
    snapshot = Snapshot(lay(company, moves, deals=deals, accounts=accounts), quarter="2026Q1")
    low, high, wide = ["value", "low", "high"], pytest.approx([0, 0, z2 / (6 + z2)]), pytest.approx([1, 6 / (6 + z2), 1])
    reached = bottlenecks.cohorts(snapshot).set_index("stage")[low]
    assert reached.loc["Talk"].tolist() == wide and reached.loc["Offer"].tolist() == high
    moved = bottlenecks.conversion(snapshot).set_index("stage")[low]
    assert moved.loc["Talk"].tolist() == wide and moved.loc["Offer"].tolist() == high
    assert bottlenecks.time_to_close(snapshot)[["won_share", "won_low", "won_high"]].loc[0].tolist() == high
    won = bottlenecks.wins_by_cohort(snapshot)
    assert all(row == high for row in won[low].values.tolist())
    table = bottlenecks.compare(snapshot, by="region", one="n", other="s").set_index("measure").loc[["moves on", "won"]]
    assert table["one"].tolist() == table["other"].tolist() == [1, 0, 0] and table["p"].tolist() == [1, 1, 1]
    assert (-table["low"]).tolist() == table["high"].tolist() == pytest.approx([z2 / (3 + z2)] * 3)


def test_half_watched_processes_are_read_at_the_same_age(company):
    """Both win a third by day 10. The old one wins another third by day 100, which the new one, watched for 30 days, cannot yet."""
    day, begin = pd.Timestamp, pd.Timestamp("2026-12-01")
    moves = {}
    for i in range(90):
        start = day("2026-03-01") + pd.Timedelta(days=i)
        end = start + pd.Timedelta(days=10 if i % 3 == 0 else 100)
        moves[f"o{i}"] = [(str(start.date()), "Talk"), (str(end.date()), "Lost" if i % 3 == 2 else "Won")]
        moves[f"n{i}"] = [(str(begin.date()), "Talk")] + ([("2026-12-11", "Won")] if i % 3 == 0 else [])
    snapshot = Snapshot(lay(company, moves, known_until="2026-12-30"), quarter="2026Q4", as_of="2026-12-30")
    table = bottlenecks.compare(snapshot, since="2026-12-01").set_index(["stage", "measure"])
    for row in (table.loc[("whole process", "won")], table.loc[("Talk", "moves on")]):
        assert (row["one"], row["other"]) == (pytest.approx(1 / 3), pytest.approx(1 / 3)) and not row["is_different"]
        assert row["within_days"] == 30
    later = bottlenecks.compare(snapshot, since="2026-04-15").set_index(["stage", "measure"]).loc[("whole process", "won")]
    assert later["within_days"] == 45  # what began before could be watched from 1 March to 15 April


def test_what_compares_nothing_is_refused_for_its_reason(company):
    snapshot = merged(company)
    with pytest.raises(DataRefused, match="before 2024-01-01 within the last eight quarters"):
        bottlenecks.compare(snapshot, since="2024-01-01")
    sides = {"by": "region", "one": "North", "other": "South"}
    with pytest.raises(UsageError, match="leaves every stage out"):
        bottlenecks.compare(snapshot, **sides, mapping=dict.fromkeys(["Talk", "Offer", "Pitch", "Quote", "Requote"]))
    with pytest.raises(UsageError, match="region 'North' is compared with itself"):
        bottlenecks.compare(snapshot, by="region", one="North", other="North")


@pytest.mark.truth
def test_groups_and_years_without_a_planted_difference_are_rarely_called_different():
    """Two industries of the made-up company have the same laws: at most 5 % of companies may show any difference. Regions have
    their own reps, and two years their own market, which nothing in the test takes out: printed, not held to 5 %."""
    from companies import invent

    called = {"industries": 0, "regions": 0, "years": 0}
    seeds = range(1000, 1030)
    for seed in seeds:
        data, _ = invent(seed, oracle_paths=0, bottleneck=False, drop=False, training=False, duplicates=False, fault=False)
        snapshot = Snapshot(data, quarter="2026Q3")
        industries = snapshot.table("accounts")["industry"].value_counts().index
        sides = {"by": "industry", "one": industries[0], "other": industries[1]}
        called["industries"] += bottlenecks.compare(snapshot, **sides)["is_different"].any()
        called["regions"] += bottlenecks.compare(snapshot, by="region", one="North", other="South")["is_different"].any()
        called["years"] += bottlenecks.compare(snapshot, since="2025-10-01")["is_different"].any()
    print(f"\n{len(seeds)} companies, nothing planted, any difference called: {called}")
    assert called["industries"] <= 4  # 5 % of 30 is 1.5; five or more would come by chance in 2 % of tries


@pytest.mark.truth
def test_pale_cells_are_near_what_the_cohort_becomes():
    """Deals of a quarter as seen at its end, by months since creation, and what the same cell says when all have been watched so
    long: inside the 90 % interval in 85 % or more. Closings hurry at a quarter's end, so the cells are a little too high there;
    won ÷ created is far too low."""
    from companies import invent

    held, naive, young, became = [], [], [], []
    for seed in range(1000, 1012):
        data, _ = invent(seed, oracle_paths=0, bottleneck=False, drop=False, training=False, duplicates=False, fault=False)
        later = bottlenecks.wins_by_cohort(Snapshot(data, quarter="2026Q3")).set_index(["cohort", "month"])
        for quarter in ("2025Q2", "2025Q3", "2025Q4", "2026Q1"):
            snapshot = Snapshot(data, quarter=quarter)
            then = bottlenecks.wins_by_cohort(snapshot).set_index(["cohort", "month"])
            for month in (2, 3):
                cell = (pd.Period(quarter, freq="Q-DEC"), month)
                now, end = then.loc[cell], later.loc[cell]
                assert now["is_immature"] and not end["is_immature"]
                if np.isnan(now["value"]):  # nobody watched so long: an empty cell says nothing
                    continue
                held.append(now["low"] <= end["value"] <= now["high"])
                young.append(now["value"])
                became.append(end["value"])
            own = snapshot.opportunities["created_at"].dt.to_period("Q-DEC") == cell[0]
            naive.append(((snapshot.opportunities["status"] == "won") & own).sum() / own.sum() / end["value"])
    ratio = sum(young) / sum(became)
    print(
        f"\n{len(held)} pale cells: {ratio:.0%} of what they became, inside the interval {np.mean(held):.0%}; won ÷ created {np.mean(naive):.0%}"
    )
    assert np.mean(held) >= 0.85 and 0.85 <= ratio <= 1.2
    assert np.mean(naive) < 0.6
