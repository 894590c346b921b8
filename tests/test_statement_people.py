"""Statements put together from a quarter's ledger: deals by name and account, lines part by part, what the next deal is."""

from __future__ import annotations

import pandas as pd
import pytest
from test_closing import PLAN, Firm, entries, line
from test_statement_files import table_of

from revops_lib import compensation, sources

HALF = '[{share: "0.5", on: booking}, {share: "0.5", on: {months: "3"}}]'
SPIF = """  - component: spring_spif
    pays_on: deals
    what: SPIF of the spring
    measure: bookings
    credits: [split]
    window: {from: "2026-04-01", to: "2026-06-30"}
    eligible: none
    award: {fixed: "100.00"}
    budget: none
    stacks: true
    payable: [{share: "1", on: booking}]
    clawback: none
"""


def test_lines_stand_by_component_and_day_with_account_and_corrections_last(tmp_path):
    firm = Firm(tmp_path)
    firm.plan = PLAN.replace('[{share: "1", on: booking}]', HALF).rstrip("\n") + "\n" + SPIF
    assert HALF in firm.plan
    assert firm.lay("2026-03-31").run("close", "2026Q1") == 0
    firm.deals["D-8"] = ("ann", "2026-03-20", "10000.00")
    assert firm.lay("2026-06-30").run("statements", "2026Q2") == 0
    page = firm.page("2026Q2", "ann")
    heads, *rows = table_of(page, "How each amount came about")
    assert [(row[0], row[1]) for row in rows] == [
        ("2026-04-10", "Deal of D-1: bookings, paid out of what was held"),
        ("2026-05-06", "Deal of D-6: bookings"),
        ("2026-05-20", "Deal of D-2: bookings, paid out of what was held"),
        ("2026-06-20", "Deal of D-8: bookings, paid out of what was held"),
        ("", "Sum of bookings"),
        ("2026-05-06", "Deal of D-6: spring spif"),
        ("", "Sum of spring spif"),
        ("2026-03-20", "Deal of D-8: bookings, correction of 2026Q1"),
        ("", "Sum of corrections of closed quarters"),
        ("", "Total"),
    ]
    assert f"This quarter pays you {rows[-1][heads.index('Pays now')]} EUR" in page
    assert "2026Q1 is corrected: the deal was known as won after the quarter was closed" in page
    assert "50 % on 2026-08-06" in page and "Left out: SPIFs." in page


def test_a_deal_stands_with_its_account(tmp_path):
    firm = Firm(tmp_path).lay("2026-03-31")
    deals = pd.read_parquet(firm.data / "opportunities.parquet").assign(account_id="A-1")
    deals.to_parquet(firm.data / "opportunities.parquet")
    pd.DataFrame({"account_id": ["A-1"], "name": ["Acme Ltd"]}, dtype="str").to_parquet(firm.data / "accounts.parquet")
    assert firm.run("statements", "2026Q1") == 0
    assert "Deal D-3, account Acme Ltd." in firm.page("2026Q1", "bo")


def test_what_a_correction_holds_waits_since_the_day_of_the_deal():
    """A deal of March, known in the next quarter: what it releases then stands in the ledger before what it had held."""
    released = line(cause="released", quarter="2026Q2", event_date=pd.Timestamp("2026-06-20"), held="-20.00", line_id="b")
    late = line(cause="correction", kind="pay split", quarter="2026Q2", event_date=pd.Timestamp("2026-03-20"), held="50.00",
                line_id="c")  # fmt: skip
    found = compensation.outstanding(entries(released, late)).iloc[0]
    assert (found["line_id"], str(found["event_date"].date()), str(found["left"])) == ("c", "2026-03-20", "30.00")


def test_what_is_held_comes_as_the_plan_said_on_the_day_of_the_deal(tmp_path):
    waits = [HALF.replace("3", months) for months in ("9", "12")]
    firm = Firm(tmp_path)
    firm.plan = PLAN.replace(
        'payable: [{share: "1", on: booking}]', f"payable: {{2016-01-01: {waits[0]}, 2026-04-01: {waits[1]}}}"
    )
    assert firm.lay("2026-03-31").run("close", "2026Q1") == firm.lay("2026-06-30").run("statements", "2026Q2") == 0
    _, *rows, _ = table_of(firm.page("2026Q2", "ann"), "What is held")
    assert [row[2] for row in rows] == ["50 % on 2026-10-10", "50 % on 2026-11-20", "50 % on 2027-05-06"]


GATE = 'gate: {measure: bookings, period: quarter, at_least: "0.5"}'


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "That is a deal won and credited to you alone on the quarter's last day, with what is held of its pay."),
        ({"gate: none": GATE}, "the gate is judged with this deal, and while it stays closed nothing is paid"),
        ({"of: own": "of: reports"}, "That is a deal won by who reports to you"),
        ({"[split, overlay]": "[overlay]"}, "credited to you alone as overlay"),
        ({"measure: bookings": "measure: leads"}, "It pays on no deal won."),
        ({"commissionable: none": 'commissionable: {multi_year: none, prepaid: "2", renewal: none}'}, "Left out: years signed"),
    ],
)
def test_what_the_next_deal_is(change, said, tmp_path):
    text = PLAN
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "ae.yml").write_text(text, encoding="utf-8")
    plan = compensation.planfile.read(sources.read_yaml(tmp_path / "ae.yml"), {}, "ae")
    assert said in compensation.next_condition(plan)
