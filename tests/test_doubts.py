"""What close and statements say before anybody is paid: plans edited back or gone, checks that hinder, pay not known."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
import yaml
from test_entries import component, credit, deal, entries, firm, plan_of, quota, seller, spif

from revops_lib import cli, compensation
from revops_lib.closing import doubts
from revops_lib.snapshot import Snapshot

__all__ = ["firm"]

BEGIN, APRIL, MAY = dt.date(2024, 1, 1), dt.date(2026, 4, 1), dt.date(2026, 5, 15)
LOST = "plans that paid in closed quarters and are gone, or begin later: p in 2026Q1"
TWO = {"reps": [seller("x"), seller("y", "csm")], "quotas": quota("x") + quota("y")}


def lay(folder: Path, name: str, plan: dict) -> Path:
    (folder / "plans" / f"{name}.yml").write_text(yaml.safe_dump({**plan, "plan": name}, sort_keys=False), encoding="utf-8")
    return folder


def run(verb: str, quarter: str, folder: Path) -> int:
    return cli.main([verb, quarter, "--data", str(folder), "--out", str(folder.parent / "out"), "--as-of", "2026-12-31"])


def draft(folder: Path) -> pd.DataFrame:
    found = pd.read_csv(folder.parent / "out" / "statements" / "2026Q2" / "lines.csv", dtype=str, keep_default_na=False)
    return found.assign(pay=found["pay"].map(Decimal))


def company(firm, *more: dict, of_plan: dict | None = None) -> Path:
    """Plan p pays x 5,000 for A and plan c pays y 5,000 for B, both in the first quarter."""
    deals = [deal("A", "2026-02-01"), deal("B", "2026-02-01"), *more]
    credits = [credit("A"), credit("B", "y"), *(credit(one["opportunity_id"]) for one in more)]
    return lay(firm(of_plan or plan_of(), deals, credits, **TWO), "c", plan_of(applies_to="csm"))


@pytest.fixture
def closed(firm):
    folder = company(firm)
    assert run("close", "2026Q1", folder) == 0
    return folder


def later_only(folder: Path) -> None:
    lay(folder, "p", plan_of(component(tiers=[{"from": "0", "rate": {APRIL: "0.06"}}, {"from": "1", "rate": "0.10"}])))


def deleted(folder: Path) -> None:
    (folder / "plans" / "p.yml").unlink()


def renamed(folder: Path) -> None:
    deleted(folder)
    lay(folder, "q", plan_of())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (later_only, ["plan p was edited for closed quarters and moves 2026Q1 by -5,000.00 EUR"]),
        (deleted, ["plan p was edited for closed quarters and moves 2026Q1 by -5,000.00 EUR"]),
        (renamed, ["plan p was edited for closed quarters and moves 2026Q1 by -5,000.00 EUR",
                   "plan q was edited for closed quarters and moves 2026Q1 by +5,000.00 EUR"]),
    ],
)  # fmt: skip
def test_a_plan_that_is_gone_for_a_closed_quarter_is_told_and_refused(closed, capsys, change, told):
    change(closed)
    assert run("statements", "2026Q2", closed) == 0
    said = capsys.readouterr().out
    assert all(f"warning: {one}" in said for one in told) and f"warning: {LOST}\n" in said
    assert said.count("was edited") == len(told)
    if change is deleted:
        assert run("close", "2026Q2", closed) == 3 and LOST in capsys.readouterr().err


def test_no_plan_in_force_in_a_closed_quarter_takes_its_pay_back(firm):
    folder = firm(plan_of(), [deal("A", "2026-02-01"), deal("B", "2026-05-01")])
    assert run("close", "2026Q1", folder) == 0
    later_only(folder)
    assert run("statements", "2026Q2", folder) == 0
    assert draft(folder).set_index("cause")["pay"].to_dict() == {"pay": 6000, "correction": -5000}


@pytest.mark.parametrize(
    ("parts", "moved"),
    [
        # 5,000 are taken back and 8 % of 100,000 paid, under another name; and 500 for A on top of what it paid.
        ([component(component="other", tiers=[{"from": "0", "rate": "0.08"}])], "+3,000.00"),
        ([component(), spif(window={"from": "2026-01-01", "to": "2026-03-31"})], "+500.00"),
    ],
)
def test_all_that_an_edit_moves_in_closed_quarters_is_told(closed, capsys, parts, moved):
    lay(closed, "p", plan_of(*parts))
    assert run("statements", "2026Q2", closed) == 0
    told = f"plan p was edited for closed quarters and moves 2026Q1 by {moved} EUR: date the change"
    assert told in (said := capsys.readouterr().out) and "plan c was" not in said
    if moved == "+500.00":
        assert run("close", "2026Q2", closed) == 0 and run("statements", "2026Q3", closed) == 0
        assert capsys.readouterr().out.count("was edited") == 1  # told once, and then it holds


def test_a_late_deal_is_no_edit_of_a_plan(firm, capsys):
    folder = lay(firm(plan_of(), [deal("B", "2026-02-01")], [credit("B", "y")], **TWO), "c", plan_of(applies_to="csm"))
    assert run("close", "2026Q1", folder) == 0
    # p had no line in the quarter; and only its words are others now.
    words = {"title": "Another", "source": "a letter", "decided_by": "them"}
    late = firm(plan_of(component(what="as agreed"), **words), [deal("B", "2026-02-01"), deal("A", "2026-02-02", "150000.00")],
                [credit("B", "y"), credit("A")], **TWO)  # fmt: skip
    assert run("statements", "2026Q2", lay(late, "c", plan_of(applies_to="csm"))) == 0
    assert draft(late)["pay"].tolist() == [10000] and "was edited" not in capsys.readouterr().out


# Checks


def failing(folder: Path, quarter: str = "2026Q2") -> dict[str, tuple[str, ...]]:
    snapshot = Snapshot(folder, quarter=quarter, as_of="2026-12-31")
    plans = compensation.plans(snapshot)
    rows = pd.concat([compensation.entries(snapshot, plan) for plan in plans])
    return {one.check: one.ids for one in compensation.problems(snapshot, plans, rows) if one.ids and one.is_pay}


def test_thousands_of_objectives_are_looked_through_at_once(firm):
    many = [
        {"rep_id": f"r{i}", "quarter": "2026Q2", "objective": f"o{i}", "weight": 1.0, "achieved": 1.0} for i in range(3_000)
    ]
    folder = firm(plan_of(), [deal("A", "2026-05-01")], objectives=many)
    lines = pd.DataFrame(many).assign(cause="objective", deal=[one["objective"] for one in many], for_quarter="2026Q2")
    lines.loc[2_999, "deal"] = "another"
    own = pd.concat([entries(folder), lines[["rep_id", "cause", "deal", "for_quarter"]]], ignore_index=True)
    own["pay"] = own["pay"].fillna(Decimal(0))
    snapshot = Snapshot(folder, quarter="2026Q2", as_of="2026-12-31")
    begun = dt.datetime.now(dt.UTC)
    found = {one.check: one.ids for one in compensation.problems(snapshot, [], own)}
    assert found["objectives that no plan pays"] == ("r2999: o2999",)
    assert dt.datetime.now(dt.UTC) - begun < dt.timedelta(seconds=20)  # a minute and more, were each compared with all


@pytest.mark.parametrize("kinds", [["split"], ["split", "overlay"]])
def test_a_credit_is_paid_by_the_plan_of_its_day(firm, kinds):
    """Overlays count from 15 May on, or until then; that of A is won on 1 June."""
    other = ["split"] if len(kinds) > 1 else ["split", "overlay"]
    parts = {BEGIN: [component(credits=kinds)], MAY: [component(credits=other)]}
    credits = [credit("A"), credit("A", "y", kind="overlay")]
    folder = firm({**plan_of(), "components": parts}, [deal("A", "2026-06-01")], credits)
    assert len(entries(folder)) == len(other)
    assert failing(folder) == ({"credits that no plan pays": ("A",)} if len(other) == 1 else {})


def test_what_nobody_sold_and_a_day_of_two_assignments_do_not_hinder(firm, capsys):
    """The later assignment holds on the day on which the earlier one is said to end."""
    reps = [seller("x", "csm", end_date="2026-05-01"), seller("x", start_date="2026-05-01")]
    folder = firm(plan_of(), [deal("A", "2026-05-01"), deal("house", "2026-05-02")], [credit("A")], reps=reps)
    assert run("close", "2026Q2", folder) == 0
    said = capsys.readouterr().out
    assert "warning: won deals without a credit: house\n" in said and "two roles" not in said
    assert "5,000.00 EUR to 1 person" in said


def test_a_line_of_any_earlier_quarter_can_be_disputed(firm):
    line_id = entries(firm(plan_of(), [deal("A", "2026-01-05")]), "2026Q1")["line_id"].iloc[0]
    raised = [{"rep_id": "x", "raised_date": "2026-10-02", "dispute_id": one, "line_id": one} for one in (line_id, "0" * 16)]
    folder = firm(plan_of(), [deal("A", "2026-01-05"), deal("B", "2026-11-05")], disputes=raised)
    snapshot = Snapshot(folder, quarter="2026Q4", as_of="2026-12-31")
    [found] = doubts.disputed(snapshot, compensation.plans(snapshot), entries(folder, "2026Q4"))
    assert found.ids == ("0" * 16,) and found.is_pay


def test_who_has_no_quota_reads_that_the_pay_is_not_known(firm):
    folder = firm(plan_of(), [deal("A", "2026-05-01")], quotas=quota("y"))
    assert run("statements", "2026Q2", folder) == 0
    page = next((folder.parent / "out" / "statements" / "2026Q2").glob("x-*.html")).read_text(encoding="utf-8")
    assert "What this quarter pays you is not known yet; 0.00 EUR of it is." in page and "pays you 0.00" not in page


def test_a_decision_is_paid_by_the_plan_in_its_currency(firm):
    given = {"adjustment_id": "J", "rep_id": "x", "amount": "100.00", "currency": "CHF", "decided_date": "2026-05-05",
             "author": "boss", "reason": "goodwill"}  # fmt: skip
    rates = [{"month": "2026-01-01", "currency": "CHF", "rate": "1"}]
    folder = firm(plan_of(), [deal("A", "2026-05-01")], adjustments=[given, {**given, "adjustment_id": "K", "currency": "EUR"}],
                  fx_rates=rates)  # fmt: skip
    lay(folder, "q", plan_of(component(basis="amount"), currency="CHF"))
    snapshot = Snapshot(folder, quarter="2026Q2", as_of="2026-12-31")
    rows = pd.concat([compensation.entries(snapshot, compensation.plan(snapshot, name=name)) for name in "pq"])
    own = rows[rows["cause"] == "adjustment"]
    assert dict(zip(own["deal"], own["currency"], strict=True)) == {"K": "EUR", "J": "CHF"} and not failing(folder)
