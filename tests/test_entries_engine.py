"""Quarters whose terms, gates or quotas change: what caps count, what is trued up, what is paid on another amount."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest
import yaml
from test_entries import TIERS, component, deal, entries, firm, paid, plan_of, quota

from revops_lib import compensation
from revops_lib.compensation import Component, Schedule

__all__ = ["firm"]
HARD = {"kind": "hard", "share_above": "0"}
CASH = [{"share": "1", "on": "cash"}]


def gate(period: str, least: str = "0.5") -> dict:
    return {"measure": "bookings", "period": period, "at_least": least}


def rate(*steps: str) -> list[dict]:
    """One tier at 5 % or whatever the steps say: "2026-05-15 0.10"."""
    return [{"from": "0", "rate": dict(step.split() for step in steps)}]


def laid(firm, plan: dict, deals: list[dict], **more) -> Path:
    """A company whose plan has dated values; dates stand in the file without quotes."""
    folder = firm(plan_of(), deals, **more)
    text = yaml.safe_dump(plan, sort_keys=False)
    for day in ("2016-01-01", "2026-04-01", "2026-05-15"):
        text = text.replace(f"'{day}'", day)
    (folder / "plans" / "p.yml").write_text(text, encoding="utf-8")
    return folder


def quarters(folder: Path, *numbers: int) -> list[pd.DataFrame]:
    return [entries(folder, f"2026Q{number}") for number in numbers]


# Caps across terms, gates and months


@pytest.mark.parametrize("accumulation", ["quarter", "year"])
def test_a_cap_counts_what_was_paid_by_earlier_terms(firm, accumulation):
    cap = {**HARD, "amount": "10000"}
    tiers = rate("2016-01-01 0.10", "2026-05-15 0.05")
    days = [deal("A", "2026-05-01"), deal("B", "2026-06-01")]
    folder = laid(firm, plan_of(component(tiers=tiers, cap=cap, accumulation=accumulation)), days)
    rows = entries(folder)
    assert paid(rows) == ["10000.00", "0.00"] and paid(rows, column="withheld") == ["0.00", "5000.00"]


def test_pay_that_the_gate_refused_uses_up_no_cap(firm):
    cap = {**HARD, "amount": "6000"}
    one = component(accumulation="year", tiers=[{"from": "0", "rate": "0.20"}], gate=gate("quarter"), cap=cap)
    folder = firm(plan_of(one), [deal("A", "2026-02-01", "30000.00"), deal("B", "2026-05-01", "60000.00")])
    first, second = quarters(folder, 1, 2)
    assert paid(first) == ["0.00"] and paid(second) == ["6000.00"]
    assert paid(second, column="earned") == ["12000.00"] and paid(second, column="withheld") == ["6000.00"]


@pytest.mark.parametrize("opened", ["none", gate("month")])
def test_a_cap_counts_once_whatever_the_gates_period(firm, opened):
    one = component(accumulation="none", tier_application="per_transaction", gate=opened, cap={**HARD, "amount": "3000"})
    days = [deal(name, f"2026-0{month}-10", "60000.00") for name, month in zip("ABC", (4, 5, 6), strict=True)]
    assert paid(entries(firm(plan_of(one), days))) == ["3000.00", "0.00", "0.00"]


# True-ups


def test_a_closed_gate_changes_nothing_of_the_quarters_before(firm):
    one = component(accumulation="year_to_date", gate=gate("quarter"))
    days = [deal("A", "2026-02-01"), deal("B", "2026-05-01", "10000.00")]
    first, second = quarters(firm(plan_of(one), days), 1, 2)
    assert paid(first) == ["5000.00"] and paid(second, "true_up") == [] and paid(second, "pay") == ["0.00"]
    first, second = quarters(firm(plan_of(one), [deal("A", "2026-02-01", "10000.00"), deal("B", "2026-05-01")]), 1, 2)
    assert paid(first) == ["0.00"] and paid(second) == ["5000.00"]


def test_earlier_credits_are_trued_up_by_their_own_terms(firm):
    tiers = [*rate("2016-01-01 0.05", "2026-04-01 0.10"), {"from": "1", "rate": "0.20"}]
    days = [deal("A", "2026-02-01", "150000.00"), deal("B", "2026-05-01", "50000.00")]
    folder = laid(firm, plan_of(component(accumulation="year_to_date", tiers=tiers)), days)
    first, second = quarters(folder, 1, 2)
    assert paid(first) == ["15000.00"]  # 100,000 at 5 %, 50,000 at 20 %
    assert paid(second, "true_up") == ["-7500.00"] and paid(second, "pay") == ["5000.00"]  # 150,000 at 5 %, 50,000 at 10 %
    assert second.loc[second["cause"] == "true_up", "version"].tolist() == first["version"].tolist()


def test_each_credit_is_trued_up_on_its_own_and_what_is_held_stays_held(firm):
    days = [deal("A", "2026-02-01", "60000.00"), deal("B", "2026-03-01", "90000.00"), deal("C", "2026-08-01", "10000.00")]
    one = component(accumulation="year_to_date", payable=CASH)
    folder = firm(plan_of(one), days, invoices=[])
    first, second, third = quarters(folder, 1, 2, 3)
    ups = second[second["cause"] == "true_up"]
    assert paid(first, column="held") == ["3000.00", "7000.00"]
    # 200,000 of quota: A is paid what it was, B its 90,000 at 5 %.
    assert ups["deal"].tolist() == ["B"] and paid(ups) == ["0.00"] and paid(ups, column="held") == ["-2500.00"]
    assert paid(third, "true_up") == [] and sum(map(Decimal, paid(third, column="held"))) == 500
    assert first["line_id"].is_unique and second["line_id"].is_unique


@pytest.mark.parametrize("day", ["2026-03-01", "2026-08-01"])
def test_what_is_released_is_what_is_left_after_the_true_up(firm, day):
    bill = {"invoice_id": "1", "opportunity_id": "A", "amount": "150000.00", "currency": "EUR", "invoiced_date": "2026-02-05"}
    one = component(accumulation="year_to_date", payable=CASH)
    folder = firm(plan_of(one), [deal("A", "2026-02-01", "150000.00")], invoices=[{**bill, "paid_date": day}])
    rows = pd.concat(quarters(folder, 1, 2, 3))
    assert (rows["pay"].sum(), rows["held"].sum()) == (Decimal("7500.00"), 0)


# Amounts that are paid on beside those that count


def line(application: str, lines: list[tuple[str, str]], tiers=TIERS, **changes) -> list[int]:
    """What lines pay (whole units) at a quota of 100,000: credited, paid on."""
    schedule = Schedule(*(tuple(Fraction(tier[key]) for tier in tiers) for key in ("from", "rate")), application)
    one = Component("c", "", "m", ("split",), **{"basis": "quota", "accumulation": "quarter", "schedule": schedule, **changes})
    rows = pd.DataFrame({
        "rep_id": "x", "window": "w", "event_date": pd.Timestamp(2026, 1, 1), "line": "split", "kind": "split",
        "deal": [f"{place:02}" for place in range(len(lines))],
        "credit": [int(credit) * 100 for credit, _ in lines], "base": [int(base) * 100 for _, base in lines],
    })  # fmt: skip
    index = pd.MultiIndex.from_tuples([("x", "w")])
    found = compensation.paid(one, rows, pd.Series([100_000_00], index), targets=pd.Series([6_000_00], index))
    return [cents / 100 for cents in found["pay"]]


def test_a_credit_of_nothing_is_paid_at_the_rate_of_its_position():
    assert line("marginal", [("0", "100000")]) == [5000]
    assert line("marginal", [("120000", "120000"), ("0", "50000")]) == [7000, 5000]
    assert line("per_transaction", [("0", "100000")], accumulation="none") == [5000]
    assert line("marginal", [("0", "100000")], [{"from": "0", "rate": "1"}], basis="target", weight=Fraction(1)) == [6000]


def test_whole_attainment_pays_its_rate_on_all_that_is_paid_on():
    assert line("whole", [("80000", "80000"), ("40000", "80000")]) == [4000, 12000]  # 10 % of 160,000
    assert line("whole", [("80000", "80000"), ("40000", "0")]) == [4000, 4000]  # reaching the tier pays for the past
    assert line("whole", [("80000", "80000"), ("40000", "80000"), ("-40000", "-80000")]) == [4000, 12000, -12000]


def test_a_base_is_paid_at_the_rates_its_credit_passes():
    # Half of the credit lies below quota: the mean rate is 7.5 %.
    assert line("marginal", [("80000", "80000"), ("40000", "80000"), ("10000", "0")]) == [4000, 6000, 0]


def test_a_factor_on_what_counts_leaves_a_renewal_its_pay(firm):
    factors = {"multi_year": "none", "prepaid": "none", "renewal": "0.5"}
    folder = firm(plan_of(component(credited=factors)), [deal("A", "2026-05-01", type="renewal")])
    assert paid(entries(folder)) == ["5000.00"] and entries(folder)["after"].tolist() == [0.5]


def test_a_cap_per_deal_takes_back_no_more_than_it_paid():
    cap = compensation.Cap("per_deal", 1_000_00, Fraction(0))
    assert line("marginal", [("60000", "60000"), ("-60000", "-60000")], cap=cap) == [1000, -1000]


def test_a_year_to_date_needs_a_quota_of_the_quarter_only(firm):
    one = component(accumulation="year_to_date")
    folder = firm(plan_of(one), [deal("A", "2026-02-01"), deal("B", "2026-05-01")], quotas=quota("x", quarters=(2,)))
    assert paid(entries(folder, "2026Q1")) == ["<NA>"] and paid(entries(folder), "true_up") == []
