"""Every rule fires on the row that breaks it and stays silent on a clean company; verdicts name the figure that decides."""

import json
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
import yaml

from revops_lib import charts, quality, report, sources, tables
from revops_lib.errors import DataRefused, UsageError
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def sample():
    return Snapshot("data/sample", quarter="2026Q3")


CLEAN = {"account_id": "a", "owner_id": "r", "product_id": "p", "name": "Deal", "amount": "1000.00", "currency": "EUR",
         "created_at": "2026-10-01 09:00", "lost_reason": "price"}  # fmt: skip
WON = {**CLEAN, "status": "won", "stage": "Won", "close_date": "2026-11-02"}
LOST = {**CLEAN, "status": "lost", "stage": "Lost", "close_date": "2026-11-02"}
OPEN = {**CLEAN, "status": "open", "stage": "Talk", "close_date": "2027-02-01"}


def found(company, *deals, **more):
    rows = [
        {"opportunity_id": f"d{i}", **deal, "name": deal["name"] and f"{chr(97 + i)} {deal['name']}"}
        for i, deal in enumerate(deals)
    ]
    reps = [{"rep_id": "r", "role": "account_executive", "team": "T"}]
    known = {"accounts": [{"account_id": "a"}], "reps": reps, "products": [{"product_id": "p", "list_price": "1000.00"}]}
    data = company(opportunities=rows, **{**known, **more})
    return quality.findings(Snapshot(data, quarter="2026Q4")).set_index("rule")


def test_a_clean_company_has_no_finding(company):
    assert (found(company, WON, LOST, OPEN)["n"] == 0).all()


FAULTY = {
    "account missing": {**OPEN, "account_id": None},
    "owner missing": {**OPEN, "owner_id": None},
    "creation date missing": {**OPEN, "created_at": None},
    "amount missing on an open deal": {**OPEN, "amount": None},
    "amount missing on a won deal": {**WON, "amount": None},
    "amount without currency": {**OPEN, "currency": None},
    "close date missing on an open deal": {**OPEN, "close_date": None},
    "close date missing on a closed deal": {**WON, "close_date": None},
    "stage missing": {**OPEN, "stage": None},
    "unknown stage": {**OPEN, "stage": "Demo"},
    "stage and status disagree": {**OPEN, "stage": "Won"},
    "reason missing on a lost deal": {**LOST, "lost_reason": None},
    "close date in the past on an open deal": {**OPEN, "close_date": "2026-12-31"},
    "closed before it was created": {**WON, "close_date": "2026-09-30"},
    "closed on the day it was created": {**WON, "close_date": "2026-10-01"},
    "open for more than a year": {**OPEN, "created_at": "2025-12-01"},
    "unknown account": {**OPEN, "account_id": "b"},
    "unknown rep": {**OPEN, "owner_id": "s"},
    "unknown product": {**OPEN, "product_id": "q"},
    "amount zero on a lost deal": {**LOST, "amount": "0.00"},
    "amount zero or negative on a won deal": {**WON, "amount": "-5.00"},
    "placeholder amount": {**OPEN, "amount": "1.00"},
    "amount a hundred times the usual": {**OPEN, "amount": "100001.00"},
}


def test_every_rule_finds_the_one_deal_that_breaks_it_and_no_other(company):
    table = found(company, WON, OPEN, *FAULTY.values())
    assert table.loc[table["n"] > 0, "examples"].to_dict() == {rule: f"d{i}" for i, rule in enumerate(FAULTY, 2)}
    assert (table.loc[list(FAULTY), "n"] == 1).all()


def test_a_deal_closed_later_than_the_data_is_found(company):
    table = found(company, WON, {**WON, "close_date": "2027-01-05"})
    assert table.loc["closed in the future", ["n", "examples"]].tolist() == [1, "d1"]


def test_a_deal_entered_twice_is_found_and_a_second_order_is_not(company):
    rows = [
        {**OPEN, "opportunity_id": "first", "name": "Customer 1 – Core"},
        {**OPEN, "opportunity_id": "copy", "name": "customer 1 - core (new)", "created_at": "2026-10-04 09:00"},
        {**OPEN, "opportunity_id": "later", "name": "Customer 1 – Core", "created_at": "2026-10-20 09:00"},
        {**OPEN, "opportunity_id": "other", "name": "Customer 2 – Core", "created_at": "2026-10-02 09:00", "product_id": "q"},
    ]
    data = company(opportunities=rows)
    table = quality.findings(Snapshot(data, quarter="2026Q4")).set_index("rule")
    assert table.loc["looks entered twice", ["n", "examples"]].tolist() == [1, "copy"]


def test_faults_of_the_history_are_found(company):
    def change(number, deal, day, new, old=None):
        return {
            "change_no": number,
            "opportunity_id": deal,
            "changed_at": day,
            "field": "stage",
            "old_value": old,
            "new_value": new,
        }

    history = [
        change(1, "good", "2026-10-01", "Talk"), change(2, "good", "2026-10-05", "Offer", "Talk"),
        change(3, "broken", "2026-10-01", "Talk"), change(4, "broken", "2026-10-05", "Won", "Offer"),
        change(5, "again", "2026-10-01", "Lost"), change(6, "again", "2026-10-05", "Talk", "Lost"),
        change(7, "gone", "2026-10-01", "Talk"),
        change(8, "late", "2026-10-01", "Talk"), change(9, "late", "2026-11-20", "Won", "Talk"),
    ]  # fmt: skip
    deals = [{**OPEN, "opportunity_id": d} for d in ("good", "broken", "again")]
    data = company(tracked=["stage"], opportunities=[*deals, {**WON, "opportunity_id": "late"}], opportunity_history=history)
    table = quality.findings(Snapshot(data, quarter="2026Q4")).set_index("rule")
    expected = {
        "history of a deal that is not there": "gone",
        "broken chain of stages": "broken",
        "re-opened after closing": "again",
        "closing recorded late": "late",
    }
    assert table.loc[list(expected), "examples"].to_dict() == expected
    assert (table.loc[list(expected), "n"] == 1).all()


def test_planted_duplicates_and_the_planted_fault_are_in_the_table():
    truth = yaml.safe_load((ROOT / "data/sample/truth.yml").read_text(encoding="utf-8"))
    snapshot = Snapshot("data/sample", quarter="2026Q4")
    table = quality.findings(snapshot).set_index("rule")
    copies = {pair["copy"] for pair in truth["duplicates"]["pairs"]}
    n = table.loc["looks entered twice", "n"]
    assert len(copies) <= n <= len(copies) + 10
    faulty = set(truth["data_entry_fault"]["opportunity_ids"])
    deals = snapshot.opportunities.set_index("opportunity_id")
    still = {deal for deal in faulty if deals.loc[deal, "amount"] == 1}  # a win brought the real amount
    assert len(still) >= 10
    assert table.loc["placeholder amount", "n"] == len(still)


def test_public_export_is_described_by_its_known_faults(crm):
    snapshot = Snapshot(crm, quarter="2017Q4")
    table = quality.findings(snapshot).set_index("rule")["n"]
    # Counted in the CSV files with a spreadsheet filter.
    assert table["account missing"] == 1425
    assert table["creation date missing"] == 500
    assert table["amount zero on a lost deal"] == 2473
    assert table["amount missing on an open deal"] == 2089
    assert table["seller without any deal"] == 5
    spellings = quality.spellings(snapshot).set_index("written")
    assert spellings.loc["GTXPro", "n"] == 1480
    read = quality.reconciliation(snapshot).set_index("file")
    row = read.loc["sales_pipeline.csv"]
    assert row["read"] == 8800 == row["accepted"] + row["quarantined"] + row["duplicates"]
    coverage = quality.coverage(snapshot).set_index("quarter")
    assert coverage["is_partial"].to_dict() == {
        "2016Q4": True,
        "2017Q1": True,
        "2017Q2": False,
        "2017Q3": False,
        "2017Q4": False,
    }


def test_counts_and_shares_are_consistent_and_every_rule_says_what_to_do(sample):
    table = quality.findings(sample)
    assert set(table["rule"]) == set(quality.RULES)
    assert ((table["n"] / table["n_checked"]).fillna(0) - table["share"].fillna(0)).abs().max() < 1e-12
    assert (table["action"].str.len() > 10).all() and isinstance(report.table(table), pd.DataFrame)
    assert set(table["table"]) <= set(tables.TABLES)
    assert set(table["dimension"]) == set(quality.DIMENSIONS)


# --- rules about changes and about other tables ---------------------------------------------------------------------------


def deal(name, status="open", created="2026-10-01 09:00", close="2027-02-01", label=None, **more):
    stage = {"open": "Talk", "won": "Won", "lost": "Lost"}[status]
    return {**CLEAN, "opportunity_id": name, "name": label or name, "status": status, "stage": stage, "created_at": created, "close_date": close, **more}  # fmt: skip


def log(*changes):
    """History rows of (deal, day, field, old, new), numbered in order."""
    names = ("opportunity_id", "changed_at", "field", "old_value", "new_value")
    return [{"change_no": i, **dict(zip(names, change, strict=True))} for i, change in enumerate(changes, 1)]


def good_log(name, created="2026-10-01 09:00", *, won=None):
    ways = [(name, created, "stage", None, "Talk"), (name, "2026-10-20 09:00", "stage", "Talk", "Offer")]
    return [*ways, (name, won, "stage", "Offer", "Won")] if won else ways


def rules(data, quarter="2026Q4", **more):
    return quality.findings(Snapshot(data, quarter=quarter, **more)).set_index("rule")


HISTORY_RULES = {
    "moved back to an earlier stage", "stages clicked through", "no stage history", "history begins after the deal",
    "changed before it was created", "changed after closing", "close date pushed often", "untouched for a quarter",
    "broken chain of stages", "re-opened after closing", "closing recorded late", "history and export disagree",
    "history of a deal that is not there",
}  # fmt: skip


def with_history(company, changes=(), deals=()):
    """A clean open deal, a clean won one, and the given deals with the given changes."""
    clean = [*good_log("fine"), *good_log("done", won="2026-11-03 10:00")]
    return company(
        tracked=["stage", "close_date"],
        opportunities=[deal("fine", stage="Offer"), deal("done", "won", close="2026-11-02"), *deals],
        opportunity_history=log(*clean, *changes),
    )


def test_a_clean_history_breaks_no_rule(company):
    table = rules(with_history(company))
    assert set(table.index) >= HISTORY_RULES
    assert (table.loc[list(HISTORY_RULES), "n"] == 0).all()


ODD = {
    "moved back to an earlier stage": (
        [*good_log("back"), ("back", "2026-11-05 09:00", "stage", "Offer", "Talk")],
        deal("back"),
    ),
    "stages clicked through": (
        [("quick", "2026-10-01 09:00", "stage", None, "Talk"), ("quick", "2026-10-01 09:00:30", "stage", "Talk", "Offer"),
         ("quick", "2026-11-20 09:00", "amount", None, "1000.00")],
        deal("quick", stage="Offer"),
    ),
    "no stage history": ([("none", "2026-11-20 09:00", "amount", None, "1000.00")], deal("none")),
    "history begins after the deal": ([("young", "2026-10-20 09:00", "stage", None, "Talk")], deal("young")),
    "changed before it was created": ([("early", "2026-09-30 09:00", "stage", None, "Talk"), ("early", "2026-11-05 09:00", "stage", "Talk", "Offer")], deal("early", stage="Offer")),
    "changed after closing": (
        [*good_log("after", won="2026-11-03 10:00"), ("after", "2026-11-20 09:00", "amount", "900.00", "1000.00")],
        deal("after", "won", close="2026-11-02"),
    ),
    "close date pushed often": (
        [*good_log("pushed"), *(("pushed", f"2026-11-0{i} 09:00", "close_date", None, f"2026-12-0{i}") for i in range(1, 6))],
        deal("pushed", stage="Offer"),
    ),
    "untouched for a quarter": (
        [("still", "2026-09-01 09:00", "stage", None, "Talk")],
        deal("still", created="2026-09-01 09:00"),
    ),
}  # fmt: skip


def test_every_rule_about_changes_finds_the_one_deal_that_breaks_it_and_no_other(company):
    changes = [change for those, _ in ODD.values() for change in those]
    table = rules(with_history(company, changes=changes, deals=[one for _, one in ODD.values()]))
    told = table.loc[list(HISTORY_RULES)]
    assert told.loc[told["n"] > 0, "examples"].to_dict() == {rule: one["opportunity_id"] for rule, (_, one) in ODD.items()}
    assert (table.loc[list(ODD), ["n", "amount", "at_stake"]] == [1, Decimal("1000.00"), Decimal("1000.00")]).all(axis=None)


def test_pushing_the_date_three_times_or_pulling_it_in_is_not_pushing_often(company):
    days = ["2026-12-01", "2026-12-02", "2026-12-03", "2026-12-04", "2026-11-30"]
    moves = [("odd", f"2026-11-0{i} 09:00", "close_date", None, day) for i, day in enumerate(days, 1)]
    table = rules(with_history(company, [*good_log("odd"), *moves], [deal("odd", stage="Offer")]))
    assert table.loc["close date pushed often", "n"] == 0


def test_a_history_that_begins_late_is_told_by_the_day_it_began(company):
    data = with_history(company, good_log("odd", "2026-09-01 09:00"), [deal("odd", stage="Offer", created="2026-09-01 09:00")])
    dataset = json.loads((data / "dataset.json").read_text(encoding="utf-8"))
    (data / "dataset.json").write_text(json.dumps({**dataset, "history_since": "2026-09-20"}), encoding="utf-8")
    assert rules(data).loc["history begins after the deal", ["n", "examples"]].tolist() == [1, "odd"]


def test_a_change_without_its_old_value_breaks_no_chain(company):
    moves = [("odd", "2026-10-01 09:00", "stage", None, "Talk"), ("odd", "2026-10-20 09:00", "stage", None, "Offer")]
    assert rules(with_history(company, moves, [deal("odd", stage="Offer")])).loc["broken chain of stages", "n"] == 0


def around(company, **more):
    """A clean company with every table; rows of `more` are added."""
    rep = {"rep_id": "r", "role": "account_executive", "team": "T"}
    given = {
        "opportunities": [deal("won", "won", close="2026-11-02"), deal("open")],
        "accounts": [{"account_id": "a", "name": "Alder", "owner_id": "r"}],
        "reps": [rep],
        "products": [{"product_id": "p", "list_price": "1000.00"}],
        "leads": [{"lead_id": "l", "created_at": "2026-09-01", "mql_at": "2026-09-02", "sql_at": "2026-09-03", "opportunity_id": "won"}],
        "quotas": [{"rep_id": "r", "quarter": "2026Q4", "measure": "bookings", "amount": "5000.00"}],
        "credits": [{"opportunity_id": "won", "rep_id": "r", "share": 1.0, "kind": "split"}],
        "subscriptions": [{"subscription_id": "s", "account_id": "a", "mrr": "10.00", "start_date": "2026-01-01", "end_date": "2026-06-30"}],
    }  # fmt: skip
    return company(**{name: [*rows, *more.get(name, [])] for name, rows in given.items()})


def test_a_clean_company_with_every_table_breaks_no_rule(company):
    table = rules(around(company))
    assert set(quality.RULES) - set(table.index) == HISTORY_RULES
    assert (table["n"] == 0).all(), table[table["n"] > 0]


LEFT = {"rep_id": "gone", "role": "account_executive", "team": "T", "end_date": "2026-12-30"}
HALF = {"rep_id": "r", "share": 0.5, "kind": "split"}
PAID = {"account_id": "a", "mrr": "10.00", "start_date": "2026-05-01"}


SELLER = {"role": "account_executive", "team": "T"}
ELSEWHERE = {
    "reps": [LEFT, {"rep_id": "m", "role": "manager"}, {**SELLER, "rep_id": "x"}, {**SELLER, "rep_id": "y"}],
    "opportunities": [
        deal("o2", owner_id="gone"),
        deal("o3", owner_id="x"),
        deal("w2", "won", close="2026-12-01"),
        deal("w3", "won", close="2026-12-02"),
    ],
    "accounts": [{"account_id": "b", "owner_id": "gone"}],
    "quotas": [{"rep_id": "y", "quarter": "2026Q4", "measure": "bookings", "amount": "1.00"}],
    "credits": [{**HALF, "opportunity_id": "w3"}],
    "leads": [
        {"lead_id": "m", "created_at": "2026-09-05", "mql_at": "2026-09-02"},
        {"lead_id": "n", "created_at": "2026-09-01", "sql_at": "2026-09-02", "opportunity_id": "not there"},
    ],
    "subscriptions": [
        {**PAID, "subscription_id": "t1", "mrr": "0.00"},
        {**PAID, "subscription_id": "t2", "end_date": "2026-04-30"},
        {**PAID, "subscription_id": "t3", "account_id": "z"},
    ],
}


def test_every_rule_about_other_tables_finds_the_one_row_that_breaks_it_and_no_other(company):
    table = rules(around(company, **ELSEWHERE))
    assert table.loc[table["n"] > 0, "examples"].to_dict() == {
        "owner has left": "o2", "account of a rep who has left": "b", "rep without a team": "m", "seller without a quota": "x",
        "seller without any deal": "y", "lead steps out of order": "m", "lead of an unknown opportunity": "n",
        "won deal without a credit": "w2", "shares do not sum to one": "w3", "recurring revenue zero or negative": "t1",
        "subscription ends before it starts": "t2", "subscription of an unknown account": "t3",
    }  # fmt: skip
    broken = table[table["n"] > 0]
    assert (broken["n"] == 1).all()
    by_deal = broken["table"] == "opportunities"
    assert (broken.loc[by_deal, "amount"] == Decimal("1000.00")).all() and broken.loc[~by_deal, "amount"].isna().all()


@pytest.mark.parametrize(
    "more",
    [
        {"reps": [{**LEFT, "end_date": "2026-12-31"}], "opportunities": [deal("o2", owner_id="gone")], "quotas": [{"rep_id": "gone", "quarter": "2026Q4", "measure": "b", "amount": "1.00"}]},
        {"reps": [{**LEFT, "start_date": "2025-01-01"}, {**LEFT, "start_date": "2026-12-31", "end_date": None}], "opportunities": [deal("o2", owner_id="gone")], "quotas": [{"rep_id": "gone", "quarter": "2026Q4", "measure": "b", "amount": "1.00"}]},
        {"subscriptions": [{**PAID, "subscription_id": "t", "mrr": "0.00", "is_trial": True}]},
        {"credits": [{"opportunity_id": "won", "rep_id": "r", "share": 0.3, "kind": "overlay"}]},
        {"opportunities": [deal("before credits began", "won", close="2026-10-15")]},
    ],
    ids=["last day in the house", "moved to another assignment", "a trial", "an overlay", "won before credits began"],
)  # fmt: skip
def test_what_only_looks_like_a_fault_is_none(company, more):
    table = rules(around(company, **more))
    assert (table["n"] == 0).all(), table[table["n"] > 0]


def test_nobody_is_blamed_for_what_a_past_day_hides(company):
    data = company(opportunities=[deal("a"), deal("b", amount=None, close_date=None)])
    assert rules(data).loc["amount missing on an open deal", "n"] == 1
    past = rules(data, as_of="2026-11-30")
    assert not {"amount missing on an open deal", "close date missing on an open deal", "stage missing"} & set(past.index)
    judged = quality.fitness(Snapshot(data, quarter="2026Q4", as_of="2026-11-30")).set_index("analysis")
    said = judged.loc["pipeline value and KPIs"]
    assert said["verdict"] == "not usable" and "does not tell what open deals were worth on 2026-11-30" in said["reason"]


# --- money, teams, lists to fix -------------------------------------------------------------------------------------------


def test_money_counts_once_and_a_doubtful_amount_is_replaced_by_the_usual_deal(company):
    wins = [
        deal(f"w{i}", "won", close="2026-11-02", amount=amount) for i, amount in enumerate(("3000.00", "4000.00", "5000.00"))
    ]
    faulty = [
        deal("typed", amount="1.00", lost_reason=None),  # usual deal: 4,000
        deal("blank", amount=None, close_date=None),  # 4,000, two rules
        deal("old", created="2025-10-01 09:00", close="2026-12-30", amount="700.00"),  # two rules
        deal("gone", "lost", close="2026-11-02", amount="90000.00", lost_reason=None),  # lost: not at stake
        deal("yen", currency="JPY", amount="50.00", account_id=None),  # another currency: not summed
    ]
    snapshot = Snapshot(company(opportunities=[*wins, *faulty]), quarter="2026Q4")
    whole = quality.at_stake(snapshot).set_index("dimension").loc["all"]
    assert whole[["n", "n_estimated"]].tolist() == [5, 2]
    assert whole["amount"] == Decimal("90701.00")
    assert whole["at_stake"] == whole["open_at_stake"] == Decimal("8700.00")
    found = quality.findings(snapshot).set_index("rule")
    assert found.loc["placeholder amount", ["amount", "at_stake"]].tolist() == [Decimal("1.00"), Decimal("4000.00")]
    assert found.loc["reason missing on a lost deal", ["at_stake", "open_at_stake"]].tolist() == [0, 0]
    assert pd.isna(found.loc["amount in another currency", "at_stake"])  # a deal is at stake, its worth is not known
    said = quality.headline(snapshot, found.reset_index(), quality.at_stake(snapshot), quality.fitness(snapshot))
    assert "8,700 EUR at stake, 8,700 of it still open" in said


def test_the_worked_example_of_the_methods_page(company):
    wins = [
        deal(f"w{i}", "won", close="2026-11-02", amount=amount, account_id="b")
        for i, amount in enumerate(("30000.00", "40000.00", "50000.00"))
    ]
    open_deals = [
        deal("D1", label="Roof North", created="2026-10-02 09:00", amount="399.00"),
        deal("D2", label="roof-north (2)", created="2026-10-06 09:00", amount="401.00"),
        deal("D3", label="Garage", created="2026-10-20 09:00", amount="4000001.00"),
    ]
    snapshot = Snapshot(company(opportunities=[*wins, *open_deals]), quarter="2026Q4")
    found = quality.findings(snapshot).set_index("rule")
    expected = {"placeholder amount": "D1", "looks entered twice": "D2", "amount a hundred times the usual": "D3"}
    assert found.loc[list(expected), "examples"].to_dict() == expected
    assert (found.loc[list(expected), ["n", "n_checked"]] == [1, 6]).all(axis=None)
    assert quality.at_stake(snapshot)["at_stake"].iloc[0] == Decimal("80401.00")
    judged = quality.fitness(snapshot, warn_days=400, error_days=400).set_index("analysis")
    assert "33 % of open deals with an amount carry a placeholder" in judged.loc["pipeline value and KPIs", "reason"]


def teams_of(company, sizes, *, names=None, faults=1):
    """A company whose teams have so many owners, each with one open deal; `faults` of a team's deals have no account."""
    names = names or {}
    reps = [
        {"rep_id": f"{team}{i}", "name": f"Rep {team}{i}", "team": names.get(team, team), "role": "account_executive"}
        for team, n in sizes.items()
        for i in range(n)
    ]
    deals = [
        deal(f"d-{rep['rep_id']}", owner_id=rep["rep_id"], account_id=None if int(rep["rep_id"][1:]) < faults else "a")
        for rep in reps
    ]
    return company(reps=reps, opportunities=deals, accounts=[{"account_id": "a"}])


def shown(data, **options):
    table = quality.by_team(Snapshot(data, quarter="2026Q4"), **options)
    return table[table["rule"] == "account missing"].set_index("team")


def test_teams_of_five_are_shown_and_smaller_ones_together(company):
    table = shown(teams_of(company, {"A": 6, "B": 3, "C": 2}))
    assert table["n_people"].to_dict() == {"A": 6, "other teams": 5}
    assert table["n"].to_dict() == {"A": 1, "other teams": 2}
    assert table.loc["other teams", ["n_checked", "share", "at_stake"]].tolist() == [5, 0.4, Decimal("2000.00")]


def test_a_group_too_small_cannot_be_had_by_subtraction(company):
    table = shown(teams_of(company, {"A": 7, "B": 6, "C": 2}))
    assert table["n_people"].to_dict() == {"A": 7, "other teams": 8}  # B hides C
    assert shown(teams_of(company, {"A": 2, "B": 2})).empty
    assert shown(teams_of(company, {"A": 5, "B": 5}))["n_people"].to_dict() == {"A": 5, "B": 5}


def test_a_team_called_after_a_person_is_not_named_in_public(company):
    data = teams_of(company, {"A": 5, "B": 5}, names={"B": "rep a0 "})
    assert set(shown(data).index) == {"A", "rep a0 "}
    assert shown(data, public=True)["n_people"].to_dict() == {"A": 5, "other teams": 5}


@pytest.mark.parametrize(("team", "is_named"), [("Team Marlowe", False), ("marlowe", False), ("North", True), ("Mar", True)])
def test_a_longer_word_of_a_persons_name_is_enough(company, team, is_named):
    reps = [{"rep_id": f"r{i}", "name": "Ada Marlowe" if i == 0 else None, "team": team} for i in range(5)]
    deals = [deal(f"d{i}", owner_id=f"r{i}") for i in range(5)]
    table = quality.by_team(Snapshot(company(reps=reps, opportunities=deals), quarter="2026Q4"), public=True)
    assert set(table["team"]) == ({team} if is_named else {"other teams"})


def test_teams_sum_to_the_findings(company):
    snapshot = Snapshot(teams_of(company, {"A": 6, "B": 3, "C": 2}, faults=2), quarter="2026Q4")
    found, stake = quality.findings(snapshot), quality.at_stake(snapshot)
    checks = quality.checks(snapshot, found, stake, quality.by_team(snapshot)).set_index("check")
    assert checks["holds"].all()
    assert checks.loc["teams sum to the findings of their rules", "found"] == "6"
    fewer = quality.by_team(snapshot).query("team != 'A'")
    assert (
        not quality.checks(snapshot, found, stake, fewer)
        .set_index("check")
        .loc["teams sum to the findings of their rules", "holds"]
    )
    dearer = quality.at_stake(snapshot).assign(amount=10**9)
    assert not quality.checks(snapshot, found, dearer, quality.by_team(snapshot))["holds"].all()


def test_the_list_to_fix_is_of_one_team_open_deals_and_most_money_first(company):
    reps = [{"rep_id": name, "team": team, "role": "account_executive"} for name, team in (("x", "A"), ("y", "A"), ("z", "B"))]
    deals = [
        deal("small", owner_id="x", amount="100.00", account_id=None),
        deal("large", owner_id="y", amount="900.00", account_id=None, close="2026-12-01"),
        deal("closed", "won", close="2026-11-02", owner_id="y", amount="5000.00", account_id=None),
        deal("sound", owner_id="y"),
        deal("theirs", owner_id="z", account_id=None),
    ]
    snapshot = Snapshot(company(reps=reps, opportunities=deals), quarter="2026Q4")
    table = quality.to_fix(snapshot, team="A")
    assert table["opportunity_id"].tolist() == ["large", "large", "small", "closed"]
    assert set(table["rule"][:2]) == {"account missing", "close date in the past on an open deal"}
    assert (table["action"] == table["rule"].map(lambda rule: quality.RULES[rule].action)).all()
    assert quality.to_fix(snapshot, rep="x")["opportunity_id"].tolist() == ["small"]
    reps = quality.by_rep(snapshot, team="A").set_index("rep_id")
    assert reps["open_at_stake"].tolist() == [Decimal("900.00"), Decimal("100.00")] and reps.index.tolist() == ["y", "x"]
    assert reps.loc["y", ["n_deals", "n", "at_stake"]].tolist() == [3, 2, Decimal("5900.00")]


def test_the_list_to_fix_asks_whose_it_is(company):
    snapshot = Snapshot(teams_of(company, {"A": 2}), quarter="2026Q4")
    with pytest.raises(UsageError, match="no team and no rep is named"):
        quality.to_fix(snapshot)
    with pytest.raises(UsageError, match=r"unknown team 'B' .* valid: A"):
        quality.to_fix(snapshot, team="B")
    with pytest.raises(UsageError, match="unknown rep"):
        quality.to_fix(snapshot, rep="A7")
    with pytest.raises(UsageError, match="unknown team"):
        quality.by_rep(snapshot, team="B")


def test_lists_about_persons_and_customers_are_not_allowed_on_the_site():
    allowed = yaml.safe_load((ROOT / "playbook/reports.yml").read_text(encoding="utf-8"))["quality"]
    private = {"to_fix", "by_rep", "by_team", "details", "stake", "duplicate_accounts", "duplicate_contacts", "not_compared"}
    assert not private & {*allowed["tables"], *allowed["figures"]}


def test_a_teams_list_stays_in_the_runs_folder(tmp_path):
    words = ["run", "2026Q3", "--only", "quality", "--param", "team=Cedar", "--out", str(tmp_path)]
    ended = subprocess.run([sys.executable, "-m", "revops_lib", *words], capture_output=True, text=True, encoding="utf-8")
    assert ended.returncode == 0, ended.stderr
    listed = pd.read_parquet(tmp_path / "2026Q3/results/quality.to_fix.parquet")
    assert set(listed["team"]) == {"Cedar"} and len(listed) > 10
    public = (tmp_path / "2026Q3/public/report.json").read_text(encoding="utf-8")
    assert not [rep for rep in listed["owner_id"].unique() if rep in public]
    assert not [name for name in listed["opportunity_id"].unique() if name in public]
    told = {table["name"]: table for table in json.loads(public)["reports"][0]["tables"]}
    assert {"fitness", "teams", "freshness"} <= set(told)
    people = told["teams"]["columns"].index("n people")
    assert min(int(row[people]) for row in told["teams"]["rows"]) >= 5


# --- fresh, as much as before ---------------------------------------------------------------------------------------------


def test_tables_age_from_fresh_to_stale(company):
    data = company(
        opportunities=[deal("d", created="2026-12-30 09:00", close="2027-12-31")],  # the plan to close is no change
        leads=[{"lead_id": "l", "created_at": "2026-12-01", "mql_at": "2026-12-24"}],
        tickets=[{"ticket_id": "t", "opened_at": "2026-12-01"}],
        subscriptions=[{"subscription_id": "s", "account_id": "a", "mrr": "1.00", "start_date": "2026-12-01", "end_date": "2027-06-30"}],
        products=[{"product_id": "p", "launch_date": "2020-01-01"}],
        contacts=[{"contact_id": "c"}],
    )  # fmt: skip
    table = quality.freshness(Snapshot(data, quarter="2026Q4")).set_index("table")
    assert table["days"].dropna().to_dict() == {
        "opportunities": 1,
        "leads": 7,
        "tickets": 30,
        "subscriptions": 30,
        "products": 2556,
    }
    assert table["state"].to_dict() == {"opportunities": "fresh", "leads": "old", "tickets": "stale", "subscriptions": "fresh",
                                        "products": "not judged", "contacts": "nothing dated"}  # fmt: skip
    earlier = quality.freshness(Snapshot(data, quarter="2026Q4", as_of="2026-12-30"), warn_days=40, error_days=40).set_index(
        "table"
    )
    assert earlier.loc["leads", ["days", "state"]].tolist() == [6, "fresh"]
    with pytest.raises(UsageError):
        quality.freshness(Snapshot(data, quarter="2026Q4"), warn_days=30, error_days=7)
    assert "leads 7 (old)" in charts.freshness(table.reset_index()).alt


def test_an_import_is_compared_with_the_one_before(crm_export, tmp_path):
    mapping = ROOT / "data" / "mappings" / "crm_opportunities.yml"
    source, to = tmp_path / "export", tmp_path / "data"
    shutil.copytree(crm_export, source)
    sources.import_export(mapping, source, to)
    with pytest.raises(DataRefused, match="no import before"):
        quality.volume(Snapshot(to, quarter="2017Q4"))
    lines = (source / "sales_pipeline.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (source / "sales_pipeline.csv").write_text("".join(lines[: 1 + 4400]), encoding="utf-8")
    (source / "accounts.csv").write_text((source / "accounts.csv").read_text(encoding="utf-8").replace(",1996,", ",1997,"), encoding="utf-8")  # fmt: skip
    sources.import_export(mapping, source, to)
    snapshot = Snapshot(to, quarter="2017Q4")
    table = quality.volume(snapshot).set_index(["table", "measure"])
    deals = table.loc[("opportunities", "rows")]
    assert deals[["before", "now", "change_share", "is_flagged"]].tolist() == [8800, 4400, -0.5, True]
    assert table.loc[("opportunities", "amount USD"), "is_flagged"]
    assert table.loc[("accounts", "rows"), ["before", "now", "is_flagged"]].tolist() == [85, 85, False]
    halved = [quality.volume(snapshot, tolerance=limit).set_index(["table", "measure"]) for limit in (0.49, 0.5)]
    assert [bool(one.loc[("opportunities", "rows"), "is_flagged"]) for one in halved] == [True, False]
    judged = quality.fitness(snapshot).set_index("analysis")
    assert judged.loc["win rate", "verdict"] == "not usable"
    assert "50 % fewer opportunities than in the import before" in judged.loc["win rate", "reason"]


def test_a_table_that_is_new_or_gone_is_told(company):
    data = company(opportunities=[deal("d")])
    dataset = json.loads((data / "dataset.json").read_text(encoding="utf-8"))
    file = {"file": "d.csv", "table": "opportunities", "read": 1, "accepted": 1, "quarantined": 0, "duplicates": 0}
    previous = {"known_until": "2026-09-30", "accepted": {"leads": 7}, "amount": {}}
    (data / "dataset.json").write_text(json.dumps({**dataset, "files": [file], "previous": previous}), encoding="utf-8")
    table = quality.volume(Snapshot(data, quarter="2026Q4")).set_index("table")
    assert table.loc["leads", ["now", "change_share", "is_flagged"]].tolist() == [0, -1, True]
    assert pd.isna(table.loc["opportunities", "change_share"]) and not table.loc["opportunities", "is_flagged"]
    assert set(table["since"]) == {"2026-09-30"}


def test_what_the_import_remarked_is_told_with_its_meaning(company):
    data = company(opportunities=[deal("d")])
    dataset = json.loads((data / "dataset.json").read_text(encoding="utf-8"))
    assert quality.remarks(Snapshot(data, quarter="2026Q4")).empty
    dataset["quarantined"] = [{"table": "leads", "code": "E_X", "reason": "broken", "n": 3}]
    dataset["remarks"] = [{"table": "leads", "code": "W_Y", "meaning": "odd", "n": 9}]
    (data / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")
    assert quality.remarks(Snapshot(data, quarter="2026Q4"))[["code", "meaning", "n"]].to_numpy().tolist() == [
        ["W_Y", "odd", 9],
        ["E_X", "broken", 3],
    ]


# --- good enough? ---------------------------------------------------------------------------------------------------------


def moving_back(company, n, of=20):
    """`of` deals with a clean history, `n` of which move back a stage."""
    changes = [change for i in range(of) for change in good_log(f"d{i:02d}")]
    changes += [(f"d{i:02d}", "2026-11-05 09:00", "stage", "Offer", "Talk") for i in range(n)]
    deals = [deal(f"d{i:02d}", stage="Talk" if i < n else "Offer") for i in range(of)]
    return company(tracked=["stage"], opportunities=deals, opportunity_history=log(*changes))


def verdict(data, analysis, quarter="2026Q4", **options):
    return quality.fitness(Snapshot(data, quarter=quarter), **options).set_index("analysis").loc[analysis]


@pytest.mark.parametrize(
    ("n", "expected", "words", "threshold"),
    [(0, "good", "good enough", 0.05), (1, "with care", "usable with care", 0.05), (5, "not usable", "unusable", 0.20)],
)
def test_deals_that_move_back_decide_whether_dwell_times_can_be_used(company, n, expected, words, threshold):
    said = verdict(moving_back(company, n), "dwell times", error_days=400, warn_days=400)
    assert said["verdict"] == expected
    if n:
        assert said["reason"] == f"stage history {words} for dwell times: {5 * n} % of deals move back to an earlier stage"
        assert (said["n"], said["share"], said["threshold"]) == (20, n / 20, threshold)
    else:
        assert said["reason"].startswith("stage history good enough for dwell times: ")


def test_without_a_stage_history_dwell_times_are_not_usable(company):
    said = verdict(company(opportunities=[deal("d")]), "dwell times")
    assert said["verdict"] == "not usable" and said["reason"] == "dwell times not usable: this source has no stage history"
    assert pd.isna(said["share"])


def test_deals_entered_twice_are_held_against_the_forecast_and_the_pipeline(company):
    deals = [deal(f"d{i}", account_id=f"a{i}") for i in range(18)]
    copies = [deal(f"d{i} (new)", account_id=f"a{i}") for i in range(2)]
    data = company(opportunities=[*deals, *copies])
    for analysis in ("forecast", "pipeline value and KPIs"):
        assert verdict(data, analysis)["verdict"] == "not usable"
        assert "10 % of deals look entered twice" in verdict(data, analysis)["reason"]
    assert "entered twice" not in verdict(company(opportunities=deals), "pipeline value and KPIs")["reason"]


NAMES = ["Alder Metals", "Birch Foods", "Cedar Optics", "Dogwood Press", "Elm Logistics", "Fir Chemicals", "Ginkgo Travel",
         "Hazel Robotics", "Ivy Textiles", "Juniper Power"]  # fmt: skip


def test_accounts_entered_twice_are_proposed_and_held_against_revenue_per_customer(company):
    accounts = [{"account_id": f"a{i}", "name": name, "industry": "x"} for i, name in enumerate(NAMES)]
    clean = around(company, accounts=accounts)
    assert quality.duplicate_accounts(Snapshot(clean, quarter="2026Q4")).empty
    twice = [
        {"account_id": "copy", "name": "BIRCH foods, Inc.", "industry": "x"},
        {"account_id": "child", "name": "Cedar Optics SAS", "parent_id": "a2"},
    ]
    data = around(company, accounts=[*accounts, *twice], opportunities=[deal("worth", account_id="copy", amount="70.00")])
    table = quality.duplicate_accounts(Snapshot(data, quarter="2026Q4"))
    assert table["account_id"].tolist() == ["a1", "copy"] and (table["cluster"] == 1).all()
    assert table.set_index("account_id").loc["copy", ["n_deals", "amount"]].tolist() == [1, Decimal("70.00")]
    assert (table["score"] > 0.95).all() and table["reason"].str.contains("same name").all()
    said = verdict(data, "recurring revenue", warn_days=400, error_days=400)
    assert said["verdict"] == "with care" and "8 % of accounts look like another one" in said["reason"]
    assert "look like another" not in verdict(clean, "recurring revenue", warn_days=400, error_days=400)["reason"]


def test_an_own_column_is_evidence_and_a_merged_account_is_not_proposed_again(company):
    accounts = [
        {"account_id": "a1", "name": "Alder Metals", "phone": "+33 1 23 45 67 89"},
        {"account_id": "a2", "name": "Alder Metal Works", "phone": "01 23 45 67 89"},
        {"account_id": "a3", "name": "Birch Foods", "phone": "01 99 99 99 99"},
    ]
    data = company(opportunities=[deal("d")], accounts=accounts)
    table = quality.duplicate_accounts(Snapshot(data, quarter="2026Q4"))
    assert table["account_id"].tolist() == ["a1", "a2"] and table["reason"].str.contains("same phone").all()
    merged = company(opportunities=[deal("d")], accounts=accounts, account_merges=[{"old_id": "a2", "new_id": "a1"}])
    assert quality.duplicate_accounts(Snapshot(merged, quarter="2026Q4")).empty


def test_contacts_entered_twice_are_proposed(company):
    contacts = [
        {"contact_id": "c1", "account_id": "a", "name": "Contact One", "email": "one@alder.example"},
        {"contact_id": "c2", "account_id": "a", "name": "One Contact", "email": "ONE@alder.example"},
        {"contact_id": "c3", "account_id": "a", "name": "Contact Seven", "email": "seven@alder.example"},
    ]
    data = company(opportunities=[deal("d")], contacts=contacts)
    table = quality.duplicate_contacts(Snapshot(data, quarter="2026Q4"))
    assert table["contact_id"].tolist() == ["c1", "c2"] and table["name"].tolist() == ["Contact One", "One Contact"]
    with pytest.raises(DataRefused, match="this source has no contacts"):
        quality.duplicate_contacts(Snapshot(company(opportunities=[deal("d")]), quarter="2026Q4"))


def test_what_was_not_compared_is_said_without_the_words_of_anybodys_name(company):
    accounts = [{"account_id": f"a{i}", "name": f"Marlowe {chr(97 + i // 26)}{chr(97 + i % 26)} Works"} for i in range(60)]
    snapshot = Snapshot(company(opportunities=[deal("d")], accounts=accounts), quarter="2026Q4")
    assert quality.not_compared(snapshot)["value"].tolist() == ["marlowe", "works"]
    said = " ".join(quality.notes(snapshot))
    assert "up to 60 records share a word of name; where so many do, only neighbours in the alphabet were compared" in said
    assert "marlowe" not in said.casefold()
    few = Snapshot(company(opportunities=[deal("d")], accounts=accounts[:5]), quarter="2026Q4")
    assert quality.not_compared(few).empty and "neighbours" not in " ".join(quality.notes(few))


def test_accounts_without_anything_to_compare_are_told_so(company):
    data = company(opportunities=[deal("d")], accounts=[{"account_id": "a1"}, {"account_id": "a2"}])
    snapshot = Snapshot(data, quarter="2026Q4")
    with pytest.raises(DataRefused, match="the accounts hold nothing to compare"):
        quality.duplicate_accounts(snapshot)
    assert quality.not_compared(snapshot).empty and len(quality.fitness(snapshot)) == len(quality.ANALYSES)


def test_the_planted_fault_of_the_sample_is_called_out_and_nothing_else_is(sample):
    snapshot = sample
    judged = quality.fitness(snapshot).set_index("analysis")
    assert list(judged.index) == list(quality.ANALYSES)
    careful = judged[judged["verdict"] != "good"]
    assert set(careful.index) == {"forecast", "pipeline value and KPIs"} and (careful["verdict"] == "with care").all()
    assert careful["reason"].str.contains("of open deals with an amount carry a placeholder").all()
    teams = quality.by_team(snapshot)
    truth = yaml.safe_load((ROOT / "data/sample/truth.yml").read_text(encoding="utf-8"))["data_entry_fault"]
    assert set(teams.loc[(teams["rule"] == "placeholder amount") & (teams["n"] > 0), "team"]) == {truth["team"]}
    assert quality.duplicate_accounts(snapshot).empty
    first = quality.recommendations(snapshot, quality.findings(snapshot), quality.inputs(snapshot)).iloc[0]
    assert first["finding"].startswith("placeholder amount: 19 of 3,355")


def test_the_public_export_is_judged_by_what_it_lacks(crm):
    snapshot = Snapshot(crm, quarter="2017Q4")
    judged = quality.fitness(snapshot).set_index("analysis")
    assert judged["verdict"].to_dict() == {
        "forecast": "with care", "dwell times": "not usable", "win rate": "good", "cycle time": "with care",
        "compensation": "not usable", "pipeline value and KPIs": "not usable", "lead funnel": "not usable",
        "recurring revenue": "not usable",
    }  # fmt: skip
    assert judged.loc["dwell times", "reason"] == "dwell times not usable: this source has no stage history"
    assert "counts deals, not money" in judged.loc["forecast", "reason"]
    assert "100 % of open deals have no amount" in judged.loc["pipeline value and KPIs", "reason"]
    assert (
        judged.loc["compensation", "reason"] == "compensation not usable: this source has no credits; this source has no quotas"
    )
    assert "6 % of deals have no creation date" in judged.loc["cycle time", "reason"]
    found = quality.findings(snapshot)
    said = quality.headline(snapshot, found, quality.at_stake(snapshot), judged.reset_index())
    assert said.startswith("8,800 opportunities checked: ") and "not usable: dwell times, compensation" in said
    names = set(quality.by_team(snapshot)["team"])
    assert len(names) == 7 and set(quality.by_team(snapshot, public=True)["team"]) == {"other teams"}
    assert "looks entered twice" in charts.stakes(found, currency="USD").alt
    assert "not whole: 2016Q4, 2017Q1" in charts.coverage(quality.coverage(snapshot)).alt


@pytest.mark.parametrize(
    ("analysis", "more", "said"),
    [
        ("compensation", {"opportunities": [deal("w2", "won", close="2026-12-01")]}, "50 % of the quarter's won deals have no credit"),
        ("lead funnel", {"leads": [{"lead_id": "m", "created_at": "2026-09-05", "mql_at": "2026-09-02"}]}, "50 % of leads have steps out of order"),
        ("recurring revenue", {"subscriptions": [{**PAID, "subscription_id": "t", "account_id": "z"}]}, "50 % of subscriptions belong to an unknown account"),
        ("cycle time", {"opportunities": [deal("w2", "won", close="2026-09-01")]}, "50 % of closed deals were closed before they were created"),
        ("win rate", {}, "no lost deal is there"),
        ("forecast", {"opportunities": [deal("yen", currency="JPY")]}, "complete past quarters: 0, at least 8 make it steady"),
        ("pipeline value and KPIs", {"opportunities": [deal("yen", currency="JPY")]}, "33 % of amounts are in another currency"),
    ],
)  # fmt: skip
def test_a_planted_fault_makes_its_analysis_unusable_and_the_sentence_says_why(company, analysis, more, said):
    judged = verdict(around(company, **more), analysis, warn_days=400, error_days=400)
    assert judged["verdict"] == "not usable" and said in judged["reason"], judged["reason"]


def test_data_that_stopped_arriving_are_told(company):
    data = company(opportunities=[deal("d", created="2026-11-01 09:00")], leads=[{"lead_id": "l", "created_at": "2026-11-01"}])
    judged = verdict(data, "lead funnel")
    assert judged["verdict"] == "not usable" and "the newest change in leads is 60 days old" in judged["reason"]
    assert verdict(data, "lead funnel", warn_days=61, error_days=90)["verdict"] == "good"


def test_a_running_quarter_is_read_with_care():
    snapshot = Snapshot("data/sample", quarter="2026Q4")
    judged = quality.fitness(snapshot).set_index("analysis")
    assert "46 of 92 days of 2026Q4 are covered" in judged.loc["win rate", "reason"]
    measured = quality.inputs(snapshot)
    assert ((measured["n_bad"] <= measured["n"]) | (measured["n"] == 0) | (measured["input"] == "freshness")).all()
    assert (measured["share"].dropna() - (measured["n_bad"] / measured["n"]).dropna()).abs().max() < 1e-12


def test_results_carry_findings_money_verdicts_and_ages(sample):
    snapshot = sample
    found, stake = quality.findings(snapshot), quality.at_stake(snapshot)
    rows = quality.metrics(found, stake, quality.fitness(snapshot), quality.freshness(snapshot), currency="EUR")
    by_metric = rows.groupby("metric").size()
    assert by_metric.to_dict() == {
        "rows_breaking_rule": len(found), "share_breaking_rule": len(found), "at_stake": 6, "open_at_stake": 6,
        "share_unfit": len(quality.ANALYSES), "days_since_change": len(quality.freshness(snapshot)),
    }  # fmt: skip
    money = rows[(rows["metric"] == "at_stake") & (rows["member"] == "all")].iloc[0]
    assert money["value"] == float(stake["at_stake"].iloc[0]) and money["unit"] == "EUR"


def test_the_methods_page_names_every_rule_and_limit_as_the_code_has_it():
    page = (ROOT / "playbook/methods/quality.md").read_text(encoding="utf-8")

    def told(share):
        return "the first" if share == 0 else "never" if pd.isna(share) else f"{share:.0%}".replace("%", " %")

    for name, analysis in quality.ANALYSES.items():
        for rule, limit in analysis.limits.items():
            assert rule in quality.RULES and 0 <= limit.care <= limit.stop < 1
            assert f"| {name} | {rule} | {told(limit.care)} | {told(limit.stop)} |" in page
    for name, limit in quality.OTHER_LIMITS.items():
        line = next(line for line in page.splitlines() if line.startswith(f"| {name} |"))
        assert line.endswith(f"| {told(limit.care)} | {told(limit.stop)} |")
    listed = {
        dimension: next(line for line in page.splitlines() if line.startswith(f"| {dimension} |"))
        for dimension in quality.DIMENSIONS
    }
    assert not [name for name, rule in quality.RULES.items() if name not in listed[rule.dimension]]
