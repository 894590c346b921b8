"""All plans of the sample together: what they cost and why, in words, curves and examples, and what the next quarter costs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from revops_lib import compensation, money, report
from revops_lib.compensation import checking
from revops_lib.errors import DataRefused
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
NAMES = ["account_executive", "sales_manager", "solution_engineer"]


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return Snapshot("data/sample", quarter="2026Q3")


@pytest.fixture(scope="module")
def payroll(snapshot: Snapshot) -> compensation.Payroll:
    return compensation.payroll(snapshot)


def cents(amounts: pd.Series) -> int:
    return int(money.to_cents(amounts).sum())


def test_lines_sum_to_statements_causes_teams_and_cost(snapshot, payroll):
    bookings = compensation.bookings(snapshot)
    cost = compensation.cost(payroll.statements, bookings)
    paid = cents(payroll.entries["pay"])
    assert paid == cents(payroll.statements["pay"]) == cents(compensation.causes(payroll)["pay"])
    assert paid == cents(compensation.teams(payroll.statements)["pay"])
    assert cost["member"].tolist() == ["company", *NAMES] and [plan.name for plan in payroll.plans] == NAMES
    assert cents(cost["pay"].iloc[:1]) == paid == cents(cost["pay"].iloc[1:])
    assert cost["credited"].iloc[0] == bookings["amount"].iloc[0]  # a deal credited by two plans was won once
    assert cost["n"].iloc[0] == payroll.statements["rep_id"].nunique()
    assert list(compensation.total(cost).columns) == ["member", "n", "credited", "pay", "cost", "cost_share"]


def test_the_cost_share_is_of_what_the_same_quarter_earned(payroll):
    """Solution engineers are paid 2 % of their credits, when the customer has paid: the share is 2 % whenever that is."""
    cost = compensation.cost(payroll.statements).set_index("member").loc["solution_engineer"]
    assert cost["pay"] + cost["held"] == cost["cost"] and cost["held"] != 0
    assert cost["cost_share"] == pytest.approx(0.02, abs=1e-6)


def test_causes_are_told_apart(payroll):
    causes = compensation.causes(payroll).set_index("cause")
    for cause in ("commission", "override on the team", "SPIF", "objectives", "released", "taken back", "draw topped up"):
        assert causes.loc[cause, "n"] > 0
    assert causes.loc["taken back", "pay"] < 0 and causes.loc["released", "pay"] == -causes.loc["released", "held"]
    assert causes.loc["SPIF", "pay"] == Decimal("2000.00")  # the budget is used up
    assert causes.loc["adjustment", "pay"] == Decimal("450.00")


def test_the_disputed_lines_of_the_sample_are_lines_of_the_ledger(snapshot):
    before = Snapshot("data/sample", quarter="2026Q2")
    lines = compensation.entries(before, compensation.plan(before)).set_index("line_id")
    disputes = snapshot.table("disputes")
    assert len(disputes) == 2 and lines.loc[disputes["line_id"], "rep_id"].tolist() == disputes["rep_id"].tolist()


def test_one_plan_alone_is_what_it_is_among_all(snapshot, payroll):
    alone = compensation.payroll(snapshot, plan="sales_manager")
    among = payroll.statements[payroll.statements["plan"] == "sales_manager"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.statements, among)


def test_every_check_holds_but_what_nobody_has_judged(snapshot, payroll):
    checks = compensation.checks(snapshot, payroll).set_index("check")
    assert checks.index[~checks["holds"]].tolist() == ["objectives that nobody has judged"]
    advice = compensation.recommendations(payroll.statements, checks.reset_index(), near=compensation.near_counts(payroll))
    assert advice["finding"].iloc[0].startswith("objectives that nobody has judged: 2")
    assert not advice["finding"].str.contains(r"R\d{3}").any()


def company_of(company, **tables):
    won = {"opportunity_id": "d", "status": "won", "stage": "Won", "amount": "1000.00", "currency": "EUR",
           "created_at": "2025-01-01", "close_date": "2025-02-01"}  # fmt: skip
    given = {
        "opportunities": [won],
        "reps": [{"rep_id": "x", "role": "account_executive", "team": "T", "manager_id": "m"},
                 {"rep_id": "m", "role": "manager", "team": "T", "start_date": "2020-01-01"},
                 {"rep_id": "p", "role": "partner", "team": "T"}],
        "credits": [{"opportunity_id": "d", "rep_id": "x", "share": 1.0, "kind": "split"}],
        "quotas": [{"rep_id": "x", "quarter": "2025Q1", "measure": "bookings", "amount": "1000.00", "currency": "EUR"}],
    } | tables  # fmt: skip
    return Snapshot(company(**given), quarter="2025Q1")


@pytest.mark.parametrize(
    ("check", "tables"),
    [
        ("deals split over 100 %", {"credits": [{"opportunity_id": "d", "rep_id": rep, "share": 0.7, "kind": "split"} for rep in "xm"]}),
        ("credits that no plan pays", {"credits": [{"opportunity_id": "d", "rep_id": "p", "share": 1.0, "kind": "split"}]}),
        ("people with a quota and no plan", {"quotas": [
            {"rep_id": rep, "quarter": "2025Q1", "measure": "bookings", "amount": "9.00", "currency": "EUR"} for rep in "xp"]}),
        ("people whose objectives do not weigh 100 %", {"objectives": [
            {"rep_id": "m", "quarter": "2025Q1", "objective": "a", "weight": 0.5, "achieved": 1.0, "decided_date": "2025-03-30"}]}),
        ("adjustments that no plan pays", {"adjustments": [
            {"adjustment_id": "a", "rep_id": "p", "amount": "5.00", "currency": "EUR", "author": "cfo", "reason": "agreed",
             "decided_date": "2025-03-01"}]}),
        ("objectives that nobody has judged", {"objectives": [{"rep_id": "m", "quarter": "2025Q1", "objective": "a", "weight": 1.0}]}),
    ],
)  # fmt: skip
def test_what_is_paid_wrongly_or_not_at_all_fails_a_check(company, check, tables):
    snapshot = company_of(company, **tables)
    checks = compensation.checks(snapshot, compensation.payroll(snapshot)).set_index("check")
    assert checks.loc[check, ["found", "holds"]].tolist() == ["1", False]
    judged = {
        "rep_id": "m",
        "quarter": "2025Q1",
        "objective": "a",
        "weight": 1.0,
        "achieved": 1.0,
        "decided_date": "2025-03-30",
    }
    fine = company_of(company, objectives=[judged])
    rest = compensation.checks(fine, compensation.payroll(fine)).set_index("check")
    assert rest.loc[check, "holds"]


@pytest.mark.parametrize(
    "change",
    [{"measure": "renewals"}, {"credits": ["overlay"]}, {"of": "team"}, {"window": {"from": "2025-02-02", "to": "2025-03-31"}},
     {"window": {"from": "2025-01-01", "to": "2025-03-31"}, "eligible": {"type": ["renewal"]}}],
)  # fmt: skip
def test_a_credit_that_only_looks_paid_fails_a_check(company, change):
    part = yaml.safe_load((ROOT / "tests" / "account_executive.yml").read_text("utf-8"))["components"][0]
    award = {"component": "bonus", "pays_on": "deals", "what": "a bonus", "measure": "bookings", "credits": ["split"],
             "payable": part["payable"], "clawback": "none", "eligible": "none", "award": {"fixed": "500"}, "budget": "none",
             "stacks": True}  # fmt: skip
    quota = {"rep_id": "x", "quarter": "2025Q1", "amount": "1000.00", "currency": "EUR"}
    quotas = [quota | {"measure": measure} for measure in ("bookings", "renewals")]
    data = Path(company_of(company, quotas=quotas).data)
    plan = yaml.safe_load((ROOT / "tests" / "account_executive.yml").read_text("utf-8"))
    other = [part | {"credits": ["overlay"]}, award | change]
    plan["components"] = other if "window" in change else [part | change]
    (data / "plans").mkdir()
    (data / "plans" / "account_executive.yml").write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    snapshot = Snapshot(data, quarter="2025Q1")
    checks = compensation.checks(snapshot, compensation.payroll(snapshot)).set_index("check")
    assert checks.loc["credits that no plan pays", "found"] == "1"


def test_a_cent_lost_on_the_way_fails_a_check(company, monkeypatch):
    snapshot, check = company_of(company), "lines sum to the pay on each rep's whole credit"
    payroll = compensation.payroll(snapshot)
    assert compensation.checks(snapshot, payroll).set_index("check").loc[check, "holds"]
    real = checking.of_component
    monkeypatch.setattr(checking, "of_component", lambda *given: real(*given).assign(earned=lambda rows: rows["earned"] - 1))
    assert not compensation.checks(snapshot, payroll).set_index("check").loc[check, "holds"]


def test_a_plan_that_cannot_be_applied_is_left_out_and_said(company):
    snapshot = company_of(company)
    payroll = compensation.payroll(snapshot)
    assert [plan.name for plan in payroll.plans] == ["account_executive", "sales_manager"]
    notes = compensation.notes(snapshot, payroll)
    assert any("Solution engineer, overlay credits” is not applied: " in note for note in notes)
    assert any("no objectives" in note for note in notes)
    nobody = company_of(company, reps=[{"rep_id": "p", "role": "partner", "team": "T"}], quotas=[])
    with pytest.raises(DataRefused):
        compensation.payroll(nobody)
    assert [plan.name for plan in compensation.chosen(nobody)] == NAMES  # what they say can be read all the same
    assert isinstance(report.ask(compensation.causes, report.ask(compensation.payroll, nobody)), report.Reason)


def test_the_headline_tells_no_attainment_of_few(snapshot, payroll):
    bookings = compensation.bookings(snapshot)
    cost = compensation.cost(payroll.statements, bookings)
    said = compensation.headline(payroll, cost, bookings, "2026Q3", "EUR")
    assert said.startswith("2026Q3: 3 plans pay ") and "35 deals worth" in said
    assert "Account executive, bookings” stands at 46.0% of quota." in said and "Sales manager" not in said


def test_worked_examples_are_the_curve_at_their_points(payroll):
    examples, curve = compensation.examples(payroll.plans), compensation.curve(payroll.plans)
    assert examples.groupby("plan")["example"].nunique().to_dict() == {NAMES[0]: 3, NAMES[1]: 3, NAMES[2]: 1}
    earned = examples.groupby(["plan", "example"])["earned"].sum()
    at = curve.assign(place=curve["attainment"].round(2)).set_index(["plan", "place"])["pay"]
    for name, share in (("below quota", 0.8), ("past quota", 1.3), ("far past quota", 1.8)):
        assert float(earned["account_executive", name]) == pytest.approx(at["account_executive", share])
        assert 4 * float(earned["sales_manager", name]) == pytest.approx(at["sales_manager", share])
    assert examples["earned"].sum() == examples["held"].sum() + examples["pay"].sum()
    points = compensation.curve_points(curve)
    assert points["attainment"].tolist() == 2 * [0.5, 0.8, 1.0, 1.2, 1.5, 2.0]
    assert points["next 10,000 sold"].tolist()[:6] == [650, 650, 975, 975, 1300, 1300]


def test_plans_in_words_say_every_rule(payroll):
    terms = compensation.terms(payroll.plans).set_index(["plan", "component", "term"])["says"]
    assert terms["account_executive", "bookings", "is payable"] == "80% on booking, 20% 3 months after the booking"
    assert "never more than was paid" in terms["account_executive", "bookings", "clawback"]
    assert terms["account_executive", "new_smb", "budget"].startswith("2,000.00 EUR")
    assert terms["sales_manager", "objectives", "weight"] == "20% of the variable pay when all is achieved"
    # Where one person has a role, the target pay and quota of the role are that person's.
    assert terms["sales_manager", "whole plan", "target pay"] == "77% base and 23% variable"
    shown = pd.concat([compensation.terms(payroll.plans).astype(str), compensation.examples(payroll.plans).astype(str)])
    assert not shown.stack().str.contains(r"24,?000|19,?200|2,?400,?000|600,?000").any()
    rules = compensation.rules(payroll.plans).set_index("plan")
    assert rules.loc["sales_manager", "pays"].tolist()[0] == "64.00 EUR on 10,000 EUR sold"  # 0.8 × 19,200 ÷ 2,400,000 × 10,000


def test_who_is_near_a_threshold_is_below_it_and_counted(payroll):
    near, counts = compensation.near(payroll), compensation.near_counts(payroll)
    many = near[near["plan"] == "account_executive"]
    assert {*counts["plan"]} == {"account_executive"}  # the sample has four managers
    assert len(many) == counts["n"].sum() > 0 and (near["attainment"] < near["threshold"]).all()
    row = near[near["plan"] == "account_executive"].iloc[0]
    own = payroll.statements.set_index(["plan", "rep_id"]).loc[("account_executive", row["rep_id"])]
    assert row["missing"] == pytest.approx(row["threshold"] * float(own["quota"]) - float(own["credited"]), abs=0.01)
    assert compensation.near(payroll, within=0.0).empty


def test_the_next_quarter_is_priced_on_history_or_on_given_totals(snapshot, payroll):
    ahead = compensation.next_quarter(snapshot, payroll, draws=500)
    assert ahead["plan"].tolist() == NAMES[:2] and (ahead["quarter"] == "2026Q4").all()
    assert ((ahead["p10"] < ahead["p50"]) & (ahead["p50"] < ahead["p90"])).all()
    cost = compensation.cost(payroll.statements).set_index("member")
    assert ahead["attainment_now"].tolist() == cost.loc[NAMES[:2], "attainment"].tolist()
    pd.testing.assert_frame_equal(ahead, compensation.next_quarter(snapshot, payroll, draws=500))
    low, high = (
        compensation.next_quarter(snapshot, payroll, totals=np.full(200, total)).set_index("plan")["p50"]
        for total in (500_000.0, 3_000_000.0)
    )
    assert (low < high).all()


def test_a_scenario_and_the_linter_look_at_the_plans_of_the_sample(snapshot, payroll):
    assert compensation.findings(payroll).empty
    changed = compensation.what_if(snapshot, payroll, quarters=1).set_index("what")
    assert changed.loc["marginal pay at quota", ["old", "new"]].tolist() == [9.75, 11.0]
    only = compensation.payroll(snapshot, plan="solution_engineer")
    with pytest.raises(DataRefused, match="no scenario"):
        compensation.what_if(snapshot, only)
