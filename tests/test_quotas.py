"""Quotas that a plan sums from those of others, or states by measure; and how a plan rounds."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_entries import (
    GOALS,
    component,
    contract,
    credit,
    deal,
    entries,
    firm,
    objective,
    of_plan,
    paid,
    plan_of,
    quota,
    read,
    seller,
    spif,
)

from revops_lib import compensation, money
from revops_lib.compensation import Schedule
from revops_lib.errors import DataRefused, UsageError
from revops_lib.snapshot import Snapshot

__all__ = ["firm"]

MEMBERS = {"from": "members", "proration": "none", "ramp": "none"}
LED = component(of="reports", credits=["split"])


def teams(firm, leaders: dict, *others: dict, deals=(), **more) -> Path:
    """A company of sellers by plan p, led by who is paid by plan m; `others`: further plans."""
    annual = of_plan(annual="1000000", ramp=["0.5"])
    folder = firm(plan_of(quota=annual), list(deals), quotas=None, **more)
    for plan in (leaders, *others):
        (folder / "plans" / f"{plan['plan']}.yml").write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    return folder


def leading(**changes) -> dict:
    return plan_of(LED, plan="m", applies_to="manager", quota=MEMBERS, **changes)


def carried(folder: Path, name: str = "m", quarter: str = "2026Q2") -> dict[str, str]:
    snapshot = Snapshot(folder, quarter=quarter, as_of="2026-12-31")
    found = compensation.statements(snapshot, compensation.plan(snapshot, name=name)).set_index("rep_id")["quota"]
    return found.astype("str").to_dict()


def test_a_team_of_three_full_members_and_one_half_ramped_carries_875_000(firm):
    # PostHog handbook, growth/sales/how-we-work: 250,000 a quarter each.
    sellers = [seller(rep, manager_id="m") for rep in "xyz"]
    new = seller("n", manager_id="m", hire_date="2026-04-01", start_date="2026-04-01")
    folder = teams(firm, leading(), reps=[*sellers, new, seller("m", "manager")], deals=[deal("A", "2026-05-01", "875000.00")])
    assert carried(folder) == {"m": "875000.00"} and carried(folder, quarter="2026Q3") == {"m": "1000000.00"}
    snapshot = Snapshot(folder, quarter="2026Q2", as_of="2026-12-31")
    line = compensation.entries(snapshot, compensation.plan(snapshot, name="m")).iloc[0]
    assert (line["rep_id"], line["after"], str(line["pay"])) == ("m", 1.0, "43750.00")


def test_a_member_counts_for_each_leader_by_the_days_and_leaders_for_their_own(firm):
    reps = [
        seller("x", manager_id="m"), seller("y", manager_id="m", end_date="2026-05-31"),
        seller("y", manager_id="n", start_date="2026-06-01"), seller("m", "manager", manager_id="d"),
        seller("n", "manager", manager_id="d"), seller("d", "director"),
    ]  # fmt: skip
    director = plan_of(LED, plan="d", applies_to="director", quota=MEMBERS)
    folder = teams(firm, leading(), director, reps=reps)
    # 61 of 91 days of 250,000 with m, 30 with n: together what the two sellers carry.
    assert carried(folder) == {"m": "417582.42", "n": "82417.58"} and carried(folder, "d") == {"d": "500000.00"}
    # A leader who leaves on 30 April carries 30 of 91 days, where the plan prorates.
    leaver = [{**one, "end_date": "2026-04-30"} if one["rep_id"] == "m" else one for one in reps]
    prorated = leading() | {"quota": {**MEMBERS, "proration": "calendar_days"}}
    assert carried(teams(firm, leading(), reps=leaver))["m"] == "417582.42"
    assert carried(teams(firm, prorated, reps=leaver))["m"] == "137664.53"


def led_by_table(firm, reps: list[dict], quotas: list[dict], *others: dict, **changes) -> Path:
    """Sellers by plan p with quotas of the table, led by who is paid by plan m."""
    folder = firm(plan_of(), [deal("A", "2026-05-01")], reps=reps, quotas=quotas)
    for plan in (plan_of({**LED, **changes}, plan="m", applies_to="manager", quota=MEMBERS), *others):
        (folder / "plans" / f"{plan['plan']}.yml").write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    return folder


def test_a_leader_between_without_a_plan_carries_what_the_members_do(firm):
    reps = [
        seller("x", manager_id="l"),
        seller("l", "lead", manager_id="m"),
        seller("y", manager_id="m"),
        seller("m", "manager"),
    ]
    assert carried(led_by_table(firm, reps, quota("x") + quota("y"), of="team")) == {"m": "200000.00"}


def test_a_member_with_a_new_role_counts_once(firm):
    moved = [seller("x", manager_id="m", end_date="2026-05-15"),
             seller("x", "senior", manager_id="m", start_date="2026-05-16"), seller("m", "manager")]  # fmt: skip
    assert carried(led_by_table(firm, moved, quota("x"), plan_of(plan="s", applies_to="senior"))) == {"m": "100000.00"}
    # 45 of 91 days led by m, the others by nobody.
    moved[1]["manager_id"] = None
    assert carried(led_by_table(firm, moved, quota("x"), plan_of(plan="s", applies_to="senior"))) == {"m": "49450.55"}


def test_a_year_of_members_needs_all_its_quarters_but_those_before_the_leader(firm):
    reps = [seller("x", manager_id="m"), seller("m", "manager")]
    with pytest.raises(DataRefused, match="no quotas for bookings in 2026Q3: the quota of the whole year"):
        carried(led_by_table(firm, reps, quota("x", quarters=[1, 2]), accumulation="year"))
    reps[1]["start_date"] = reps[1]["hire_date"] = "2026-04-01"
    assert carried(led_by_table(firm, reps, quota("x"), accumulation="year"))["m"] == "300000.00"


def test_a_member_without_a_quota_fails_a_check(firm):
    reps = [
        seller("x", manager_id="m"),
        seller("y", manager_id="m"),
        seller("z", "clerk", manager_id="m"),
        seller("m", "manager"),
    ]
    for quotas, accumulation, missing in (
        (quota("x"), "quarter", ("y",)), (quota("x") + quota("y", quarters=[1, 2, 3]), "quarter", ()),
        (quota("x") + quota("y", quarters=[1, 2, 3]), "year", ("y",)),
    ):  # fmt: skip
        folder = led_by_table(firm, reps, quotas, accumulation=accumulation)
        snapshot = Snapshot(folder, quarter="2026Q2", as_of="2026-12-31")
        plans = compensation.plans(snapshot)
        rows = pd.concat([compensation.entries(snapshot, plan) for plan in plans])
        found = {one.check: one for one in compensation.problems(snapshot, plans, rows)}
        assert found["members without a quota"].ids == missing and found["members without a quota"].is_pay


def test_leaders_in_a_circle_end_and_other_currencies_are_refused(firm):
    circle = [seller("x", manager_id="m"), seller("m", "manager", manager_id="n"), seller("n", "manager", manager_id="m")]
    assert carried(teams(firm, leading(), reps=circle)) == {"m": "250000.00", "n": "250000.00"}
    with pytest.raises(DataRefused, match="the quota of x is in EUR, that of who leads them in USD — plan p"):
        carried(
            teams(
                firm, leading(currency="USD"), reps=circle, fx_rates=[{"currency": "USD", "month": "2026-01-01", "rate": "0.9"}]
            )
        )


def test_a_plan_states_a_quota_for_each_measure_it_looks_at(firm):
    leads = component(component="meetings", measure="leads", basis="target", weight="1", tiers=[{"from": "0", "rate": "1"}])
    own = of_plan(annual={"bookings": "400000", "leads": "48"})
    plan = plan_of(component(), leads, quota=own, pay={"base": "60000", "variable": "40000"})
    lead = {"lead_id": "L", "created_at": "2026-04-01", "sql_at": "2026-05-10", "owner_id": "x"}
    rows = entries(firm(plan, [deal("A", "2026-05-01", "60000.00")], quotas=None, leads=[lead]))
    assert dict(zip(rows["component"], paid(rows, column="quota"), strict=True)) == {
        "bookings": "100000.00",
        "meetings": "12.00",
    }
    assert paid(rows) == ["3000.00", "833.33"]  # a twelfth of 10,000
    missing = plan_of(component(), leads, quota=of_plan(annual={"bookings": "400000"}), pay=plan["pay"])
    with pytest.raises(UsageError, match="key 'leads' is missing"):
        read(firm(missing, []))
    on_money = component(basis="amount")
    with pytest.raises(UsageError, match="annual states no quota"):
        read(firm(plan_of(on_money, quota=of_plan(annual={})), []))


# Rounding


MODES = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "up": ROUND_UP, "down": ROUND_DOWN}
RATES = st.integers(0, 40).map(lambda n: Fraction(n, 400))


@given(
    st.sampled_from(sorted(MODES)), st.lists(st.tuples(st.integers(1, 400), RATES), min_size=1, max_size=3),
    st.lists(st.integers(-5, 1_000), min_size=1, max_size=6),
)  # fmt: skip
def test_pay_is_rounded_as_pythons_decimal_does(mode, widths, positions):
    starts = tuple(Fraction(sum(width for width, _ in widths[:i])) for i in range(len(widths)))
    tiers = Schedule(starts, tuple(rate for _, rate in widths), "marginal", None, mode)
    exact = [tiers.earned(place) for place in positions]
    wanted = [int((Decimal(one.numerator) / one.denominator).quantize(Decimal(1), MODES[mode])) for one in exact]
    assert tiers.cents(np.array(positions)).tolist() == [money.rounded(one, mode) for one in exact] == wanted


@pytest.mark.parametrize(
    ("mode", "lines", "said"),
    [
        ("half_even", ["0.02", "0.03"], "halves to the even cent"), ("up", ["0.03", "0.02"], "rounded up on"),
    ],
)  # fmt: skip
def test_a_plan_rounds_the_running_total_its_own_way_and_lines_sum(firm, mode, lines, said):
    # 5 % of 0.50 and of 0.50: 2.5 cents, then 5 in all, however the first half is rounded.
    deals = [deal("A", "2026-05-01", "0.50"), deal("B", "2026-05-02", "0.50")]
    award = spif(award={"share": "0.05"})
    plan = plan_of(component(), award, GOALS, rounding={"mode": mode, "point": "line"}, pay={"base": "0", "variable": "0.50"})
    folder = firm(plan, deals, objectives=[objective("a", 0.5, 1.0), objective("b", 0.5, 1.0)])
    rows = entries(folder)
    assert paid(rows, "pay") == lines and rows.loc[rows["cause"] == "pay", "rule"].str.contains(said).all()
    assert paid(rows, "spif") == [lines[0]] * 2  # each deal of a SPIF by itself
    # 40 % of 0.50 a year: 5 cents a quarter, half of them for each.
    assert paid(rows, "objective") == lines
    snapshot, read_plan = read(folder)
    statement = compensation.statements(snapshot, read_plan).set_index("rep_id").loc["x", "pay"]
    assert statement == rows["pay"].sum() == sum(map(Decimal, [*lines, *lines, lines[0], lines[0]]))


# Edges


@pytest.mark.parametrize(
    ("caps", "note", "expected"),
    [
        (("8000", "3000"), "-200000.00", ["8000.00", "0.00", "-7000.00"]),  # 1,000 are earned in the end, and paid
        (("8000", "3000"), "-40000.00", ["8000.00", "0.00", "0.00"]),  # 9,000: the first cap holds for what it let through
        (("3000", "8000"), "-80000.00", ["3000.00", "0.00", "0.00"]),  # 7,000: either cap leaves more than was paid
        (("3000", "8000"), "-200000.00", ["3000.00", "0.00", "-2000.00"]),
    ],
)
def test_a_cap_that_changes_within_the_quarter_and_a_credit_note(firm, caps, note, expected):
    cap = {"kind": "hard", "share_above": "0", "amount": dict(zip(("2016-01-01", "2026-05-15"), caps, strict=True))}
    tiers = [{"from": "0", "rate": "0.05"}]
    deals = [deal("A", "2026-05-01", "200000.00"), deal("B", "2026-05-20", "20000.00"), deal("C", "2026-06-01", note)]
    folder = firm(plan_of(), deals)
    text = yaml.safe_dump(plan_of(component(cap=cap, tiers=tiers)), sort_keys=False)
    for day in ("2016-01-01", "2026-05-15"):
        text = text.replace(f"'{day}'", day)
    (folder / "plans" / "p.yml").write_text(text, encoding="utf-8")
    assert paid(entries(folder)) == expected


def test_a_credit_note_before_its_deal_owes_nothing_and_counts_when_the_deal_comes(firm):
    deals = [deal("A", "2026-05-01", "-30000.00"), deal("B", "2026-06-01", "120000.00")]
    rows = entries(firm(plan_of(), deals))
    # Below 0 nothing is earned; then 90,000 of the 120,000 stand above 0.
    assert paid(rows) == ["0.00", "4500.00"] and rows["after"].tolist() == [-0.3, 0.9]


def test_what_stacks_not_looks_back_over_quarters_and_what_was_cancelled_has_paid(firm):
    half = {"from": "2026-04-01", "to": "2026-09-30"}
    second = spif(component="summer", window=half, stacks=False)
    deals = [deal("A", "2026-05-01"), deal("B", "2026-08-01")]
    folder = firm(plan_of(component(), spif(window=half), second), deals, contracts=[contract("A", "2026-06-01")])
    assert [paid(entries(folder, f"2026Q{q}"), "spif") for q in (2, 3)] == [["500.00"], ["500.00"]]
    assert {*entries(folder, "2026Q3").loc[lambda rows: rows["cause"] == "spif", "component"]} == {"spring"}


def test_a_true_up_says_which_line_it_changes(firm):
    deals = [deal("A", "2026-02-01", "200000.00"), deal("B", "2026-05-01", "1.00")]
    both = [credit("A", "x", 0.5), credit("A", "y", 0.5), credit("B")]
    folder = firm(plan_of(component(accumulation="year_to_date", tiers=[{"from": "0", "rate": "0.05"}, {"from": "0.5", "rate": "0.1"}])), deals, both)  # fmt: skip
    first, second = entries(folder, "2026Q1"), entries(folder)
    own = second[second["cause"] == "true_up"].set_index("rep_id")["link"]
    assert own.to_dict() == first.set_index("rep_id")["line_id"].to_dict() and len(own) == 2


def test_the_terms_say_where_the_quota_comes_from_and_how_cents_are_made():
    said = {}
    for how in ("half_up", "down"):
        plan = compensation.planfile.read(leading(rounding={"mode": how, "point": "line"}), {}, "m")
        said[how] = dict(compensation.terms(plan).set_index("term")["says"])
    assert said["down"]["quota"] == "the sum of what those who report to the person carry"
    assert said["down"]["rounding"] == "parts of a cent down" and "rounding" not in said["half_up"]
