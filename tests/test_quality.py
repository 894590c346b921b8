"""Every rule fires on the row that breaks it and stays silent on a clean company."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from revops_lib import quality, report, tables
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent

CLEAN = {"account_id": "a", "owner_id": "r", "product_id": "p", "name": "Deal", "amount": "1000.00", "currency": "EUR",
         "created_at": "2026-10-01 09:00", "lost_reason": "price"}  # fmt: skip
WON = {**CLEAN, "status": "won", "stage": "Won", "close_date": "2026-11-02"}
LOST = {**CLEAN, "status": "lost", "stage": "Lost", "close_date": "2026-11-02"}
OPEN = {**CLEAN, "status": "open", "stage": "Talk", "close_date": "2027-02-01"}


def found(company, *deals, **more):
    rows = [
        {"opportunity_id": f"d{i}", **deal, "name": deal["name"] and f"{'xyzuvw'[i]} {deal['name']}"}
        for i, deal in enumerate(deals)
    ]
    reps = [{"rep_id": "r", "role": "account_executive", "team": "T"}]
    known = {"accounts": [{"account_id": "a"}], "reps": reps, "products": [{"product_id": "p", "list_price": "1000.00"}]}
    data = company(opportunities=rows, **{**known, **more})
    return quality.findings(Snapshot(data, quarter="2026Q4")).set_index("rule")


def test_a_clean_company_has_no_finding(company):
    assert (found(company, WON, LOST, OPEN)["n"] == 0).all()


@pytest.mark.parametrize(
    ("rule", "deal"),
    [
        ("account missing", {**OPEN, "account_id": None}),
        ("owner missing", {**OPEN, "owner_id": None}),
        ("creation date missing", {**OPEN, "created_at": None}),
        ("amount missing on an open deal", {**OPEN, "amount": None}),
        ("close date missing on an open deal", {**OPEN, "close_date": None}),
        ("reason missing on a lost deal", {**LOST, "lost_reason": None}),
        ("close date in the past on an open deal", {**OPEN, "close_date": "2026-12-31"}),
        ("closed before it was created", {**WON, "close_date": "2026-09-30"}),
        ("open for more than a year", {**OPEN, "created_at": "2025-12-01"}),
        ("unknown account", {**OPEN, "account_id": "b"}),
        ("unknown rep", {**OPEN, "owner_id": "s"}),
        ("unknown product", {**OPEN, "product_id": "q"}),
        ("amount zero on a lost deal", {**LOST, "amount": "0.00"}),
        ("amount zero or negative on a won deal", {**WON, "amount": "-5.00"}),
        ("placeholder amount", {**OPEN, "amount": "1.00"}),
        ("amount a hundred times the usual", {**OPEN, "amount": "100001.00"}),
    ],
)
def test_a_rule_finds_the_deal_that_breaks_it(company, rule, deal):
    table = found(company, WON, OPEN, deal)
    assert table.loc[rule, "n"] == 1
    assert table.loc[rule, "examples"] == "d2"
    assert (table.drop(rule)["n"] == 0).all()


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


def test_counts_and_shares_are_consistent_and_every_rule_says_what_to_do():
    table = quality.findings(Snapshot("data/sample", quarter="2026Q3"))
    assert set(table["rule"]) == set(quality.RULES)
    assert ((table["n"] / table["n_checked"]).fillna(0) - table["share"].fillna(0)).abs().max() < 1e-12
    assert (table["action"].str.len() > 10).all() and isinstance(report.table(table), pd.DataFrame)
    assert set(table["table"]) <= set(tables.TABLES)
