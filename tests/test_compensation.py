"""Pay exact to the cent, with a plain-loop twin, and the sentences where pay cannot be known."""

import shutil
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops_lib import compensation, money, sources
from revops_lib.errors import DataRefused, UsageError
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
LEADS = ROOT / "data" / "plans" / "development_rep.yml"


def tiered(*tiers, application="marginal"):
    """A plan of one component with tiers (share of quota it starts at, rate)."""
    starts, rates = zip(*[(Fraction(start), Fraction(rate)) for start, rate in tiers], strict=True)
    schedule = compensation.Schedule(starts, rates, application)
    component = compensation.Component("bookings", "", "bookings", ("split", "overlay"), "quota", "quarter", schedule)
    return compensation.Plan("p", "p", "account_executive", "EUR", "us", "us", None, None, compensation.Quota(), (component,))


PLAN = tiered(("0", "0.065"), ("1", "0.0975"), ("1.5", "0.13"))


@pytest.fixture(scope="module")
def snapshot():
    return Snapshot("data/sample", quarter="2026Q2")


@pytest.fixture(scope="module")
def plan(snapshot):
    """A plan of one component, paid on booking: the sample's own has more."""
    file = ROOT / "tests" / "account_executive.yml"
    return compensation.planfile.read(sources.read_yaml(file), sources.yaml_lines(file), "account_executive")


def test_a_published_plan_pays_what_was_published():
    # Account executive: 60,000 variable pay on bookings of a 1,000,000 quota, double rate above quota (Sourcegraph handbook):
    # 0.8 M pays 48,000 and 1.2 M pays 84,000.
    plan = tiered(("0", "0.06"), ("1", "0.12"))
    assert [plan.pay(credit * 100, 100_000_000) for credit in (800_000, 1_200_000)] == [48_000_00, 84_000_00]


def by_decimals(credit: int, quota: int) -> int:
    """The same plan as a reader would compute it, tier by tier in decimals."""
    paid, edges = Decimal(0), [Decimal(0), Decimal(1), Decimal("1.5"), None]
    for start, end, rate in zip(edges, edges[1:], (Decimal("0.065"), Decimal("0.0975"), Decimal("0.13")), strict=False):
        upper = Decimal(credit) if end is None else min(Decimal(credit), end * quota)
        paid += max(upper - start * quota, Decimal(0)) * rate
    return int(paid.to_integral_value(ROUND_HALF_UP))


@given(st.integers(0, 10**10), st.integers(1, 10**9))
def test_pay_equals_a_decimal_loop(credit, quota):
    assert PLAN.pay(credit, quota) == by_decimals(credit, quota)


@given(st.lists(st.integers(0, 10**8), max_size=12), st.integers(1, 10**8))
def test_lines_sum_to_the_pay_on_the_whole_credit(credits, quota):
    upto = [0, *np.cumsum(credits, dtype=object).tolist()]
    lines = [PLAN.pay(after, quota) - PLAN.pay(before, quota) for before, after in zip(upto, upto[1:], strict=False)]
    assert sum(lines) == PLAN.pay(sum(credits), quota)
    assert all(line >= 0 for line in lines)
    parts = [
        PLAN.components[0].schedule.scaled(quota).parts(before, after) for before, after in zip(upto, upto[1:], strict=False)
    ]
    assert all(sum(part for part, _ in split) == credit for split, credit in zip(parts, credits, strict=True))


def test_parts_sum_to_the_whole_on_the_sample(snapshot, plan):
    assert compensation.checks(snapshot, plan)["holds"].all()


def test_statements_equal_a_plain_loop(snapshot, plan):
    statements = compensation.statements(snapshot, plan).set_index("rep_id")
    deals = snapshot.opportunities.set_index("opportunity_id")
    credited: dict[str, Decimal] = {}
    for credit in snapshot.table("credits").itertuples():
        deal = deals.loc[credit.opportunity_id]
        if "2026-04-01" <= str(deal["close_date"].date()) <= "2026-06-30":
            credited[credit.rep_id] = credited.get(credit.rep_id, Decimal(0)) + deal["amount"] * Decimal(str(credit.share))
    quotas = snapshot.table("quotas")
    quotas = quotas[quotas["quarter"] == "2026Q2"].set_index("rep_id")["amount"]
    assert len(statements) >= 20
    for rep, row in statements.iterrows():
        assert abs(row["credited"] - credited.get(rep, Decimal(0))) < Decimal("0.05")  # shares are cut at cents
        assert row["quota"] == quotas[rep]
        assert money.to_cents(pd.Series([row["pay"]], dtype=money.DTYPE))[0] == by_decimals(
            int(row["credited"] * 100), int(row["quota"] * 100)
        )


def test_credits_of_a_deal_are_cut_without_losing_a_cent(company):
    deals = [
        {
            "opportunity_id": "A",
            "status": "won",
            "stage": "Won",
            "amount": "100.01",
            "created_at": "2026-01-01",
            "close_date": "2026-02-01",
            "currency": "EUR",
        }
    ]
    reps = [{"rep_id": r, "role": "account_executive", "team": "T"} for r in "xyz"]
    data = company(
        opportunities=deals, reps=reps,
        credits=[{"opportunity_id": "A", "rep_id": r, "share": s, "kind": "split"} for r, s in zip("xyz", (0.333333, 0.333333, 0.333334), strict=True)],
        quotas=[{"rep_id": r, "quarter": "2026Q1", "measure": "bookings", "amount": "50.00", "currency": "EUR"} for r in "xy"],
    )  # fmt: skip
    snapshot = Snapshot(data, quarter="2026Q1")
    lines = compensation.lines(snapshot, compensation.plan(snapshot))
    assert lines["credited"].sum() == Decimal("100.01")
    assert set(lines["credited"]) == {Decimal("33.33"), Decimal("33.34")}
    statements = compensation.statements(snapshot, compensation.plan(snapshot)).set_index("rep_id")
    assert statements["pay"].isna().to_dict() == {"x": False, "y": False, "z": True}  # no quota: unknown, and still there
    assert lines.set_index("rep_id").loc["z", "tiers"] == "no quota"


def test_deals_won_later_or_known_later_do_not_pay(company):
    deal = {"status": "won", "stage": "Won", "amount": "10.00", "created_at": "2026-01-01", "currency": "EUR"}
    data = company(
        opportunities=[{**deal, "opportunity_id": "in", "close_date": "2026-03-31"}, {**deal, "opportunity_id": "next", "close_date": "2026-04-01"}],
        reps=[{"rep_id": "x", "role": "account_executive", "team": "T"}],
        credits=[{"opportunity_id": o, "rep_id": "x", "share": 1.0, "kind": "split"} for o in ("in", "next")],
        quotas=[{"rep_id": "x", "quarter": "2026Q1", "measure": "bookings", "amount": "100.00", "currency": "EUR"}],
    )  # fmt: skip
    snapshot = Snapshot(data, quarter="2026Q1", as_of="2026-05-01")
    assert compensation.lines(snapshot, compensation.plan(snapshot))["opportunity_id"].tolist() == ["in"]


def test_rules_in_words(plan):
    assert compensation.rules(plan)["tier"].tolist() == [
        "0% to 100% of quota",
        "100% to 150% of quota",
        "150% of quota and more",
    ]
    assert compensation.rules(plan)["pays"].iloc[1] == "975.00 EUR on 10,000 EUR sold"


def test_curve_is_continuous_and_rises(plan):
    curve = compensation.curve(plan).set_index("attainment")
    assert curve.loc[1.0, "pay"] == 6500 and curve.loc[2.0, "pay"] == 6500 + 4875 + 6500
    assert (curve["pay"].diff().dropna() > 0).all()


def test_a_plan_that_counts_leads_shows_no_amounts_sold():
    by_lead = compensation.planfile.read(sources.read_yaml(LEADS), sources.yaml_lines(LEADS), "development_rep")
    assert compensation.curve(by_lead).empty and compensation.examples(by_lead).empty and len(compensation.rules(by_lead)) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"0.065"', "0.065"), "bare number"),
        (("accumulation: quarter", "accumulation: week"), "not supported"),
        (("mode: half_up", "mode: nearest"), "not supported"),
        (('"0.0975"', '"-0.0975"'), "negative"),
        (('        rate: {2016-01-01: "0.060", 2025-01-01: "0.065"}\n', ""), "'rate' is missing"),
        (("measure: bookings", "meassure: bookings"), "unknown key 'meassure'"),
        (("decided_by: chief revenue officer and finance\n", ""), "'decided_by' is missing"),
        (('{2016-01-01: "1.5"}', '{2016-01-01: "0.5"}'), "tiers must rise — plan account_executive, line 35"),
    ],
)
def test_a_wrong_plan_is_refused_in_one_line(company, change, message):
    data = company(opportunities=[])
    text = (ROOT / "tests/account_executive.yml").read_text(encoding="utf-8")
    assert change[0] in text
    (data / "plans").mkdir()
    (data / "plans" / "account_executive.yml").write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        compensation.plan(Snapshot(data, quarter="2026Q1"))


def test_without_credits_the_reason_stands_where_pay_would(crm):
    from revops_lib import report

    snapshot = Snapshot(crm, quarter="2017Q4")
    plan = compensation.plan(snapshot)
    with pytest.raises(DataRefused, match="no credits"):
        compensation.statements(snapshot, plan)
    statements = report.ask(compensation.statements, snapshot, plan)
    cost = report.ask(compensation.cost, statements)
    assert isinstance(cost, report.Reason)
    bookings = compensation.bookings(snapshot)
    assert bookings["n"].iloc[0] == 1196 and bookings["n"].iloc[1:].sum() == 1196
    headline = compensation.headline(plan, cost, bookings, "2017Q4", "USD")
    assert "1,196 deals" in headline and "not known" in headline


def small_company(company, credits, *, deals=("100000.00",), currency="EUR", reps=None, quota="100000.00"):
    won = {"status": "won", "stage": "Won", "created_at": "2026-01-01", "close_date": "2026-02-01", "currency": currency}
    people = reps or [{"rep_id": r, "role": "account_executive", "team": "T"} for r in ("x", "y", "z")]
    data = company(
        opportunities=[{**won, "opportunity_id": f"d{i}", "amount": amount} for i, amount in enumerate(deals)],
        reps=people,
        credits=[{"opportunity_id": f"d{i}", "rep_id": rep, "share": share, "kind": "split"} for i, rep, share in credits],
        quotas=[{"rep_id": "x", "quarter": "2026Q1", "measure": "bookings", "amount": quota, "currency": currency}],
    )  # fmt: skip
    (data / "plans").mkdir()
    shutil.copyfile(ROOT / "tests" / "account_executive.yml", data / "plans" / "account_executive.yml")
    snapshot = Snapshot(data, quarter="2026Q1")
    return snapshot, compensation.plan(snapshot)


@pytest.mark.parametrize("third", [1 / 3, 0.3333, 0.3334])
def test_three_equal_shares_lose_no_cent(company, third):
    snapshot, plan = small_company(company, [(0, rep, third) for rep in "xyz"])
    lines = compensation.lines(snapshot, plan)
    assert lines["credited"].sum() == Decimal("100000.00")
    assert lines["credited"].max() - lines["credited"].min() <= Decimal("20.00")


def test_a_rep_counts_in_the_role_of_the_close_date(company):
    reps = [
        {"rep_id": "x", "role": "account_executive", "team": "T", "start_date": "2025-01-01", "end_date": "2026-03-27"},
        {"rep_id": "x", "role": "manager", "team": "T", "start_date": "2026-03-28"},
    ]
    snapshot, plan = small_company(company, [(0, "x", 1.0)], reps=reps)
    assert compensation.lines(snapshot, plan)["pay"].tolist() == [Decimal("6500.00")]


def test_a_credit_note_takes_back_what_its_amount_had_earned(company):
    snapshot, plan = small_company(company, [(0, "x", 1.0), (1, "x", 1.0)], deals=("120000.00", "-30000.00"))
    lines = compensation.lines(snapshot, plan)
    assert lines["pay"].tolist() == [Decimal("8450.00"), Decimal("-2600.00")]
    assert lines["tiers"].iloc[1] == "-10,000.00 at 6.50% + -20,000.00 at 9.75%"


def test_a_quota_of_zero_and_a_missing_one_are_said_and_do_not_inflate_attainment(company):
    snapshot, plan = small_company(company, [(0, "x", 0.5), (0, "y", 0.5)])
    cost = compensation.cost(compensation.statements(snapshot, plan)).iloc[0]
    assert cost["attainment"] == 0.5  # the credit of y, who has no quota, is not attainment of x's
    snapshot, plan = small_company(company, [(0, "x", 1.0)], quota="0.00")
    statements = compensation.statements(snapshot, plan)
    assert statements["pay"].isna().all() and (compensation.lines(snapshot, plan)["tiers"] == "no quota").all()
    said = compensation.headline(plan, compensation.cost(statements), compensation.bookings(snapshot), "2026Q1", "EUR")
    assert said == "2026Q1: 1 deal worth 100,000.00 EUR won; what they pay is not known, because nobody has a quota."


def test_deals_in_another_currency_are_refused_with_a_reason(company):
    from revops_lib import quality

    snapshot, plan = small_company(company, [(0, "x", 1.0)], currency="JPY")
    with pytest.raises(DataRefused, match="amounts in EUR and JPY cannot be summed"):
        compensation.lines(snapshot, plan)
    found = quality.findings(snapshot).set_index("rule")  # the page that tells about it is still there
    assert found.loc["amount in another currency", "n"] == 1


def test_nobody_in_the_role_is_said(company):
    snapshot, plan = small_company(company, [(0, "x", 1.0)], reps=[{"rep_id": "x", "role": "partner", "team": "T"}])
    with pytest.raises(DataRefused, match="no rep has the role account_executive"):
        compensation.statements(snapshot, plan)


def test_a_won_deal_without_an_amount_is_counted(company):
    snapshot, plan = small_company(company, [(0, "x", 1.0)], deals=("100.00", None))
    checks = compensation.checks(snapshot, plan).set_index("check")
    assert checks.loc["won deals without an amount", ["found", "holds"]].tolist() == ["1", False]


@pytest.mark.parametrize(
    ("check", "credits", "reps"),
    [
        ("won deals without a credit", [(0, "x", 1.0)], None),
        ("credits of reps without a role on the close date", [(0, "x", 1.0), (1, "gone", 1.0)], None),
        ("reps with a credit and no quota", [(0, "x", 1.0), (1, "y", 1.0)], None),
        ("split credits sum to what was won", [(0, "x", 0.5), (1, "x", 1.0)], None),
    ],
)
def test_pay_that_would_disappear_fails_a_check_and_is_advised(company, check, credits, reps):
    snapshot, plan = small_company(company, credits, deals=("100.00", "200.00"), reps=reps)
    checks = compensation.checks(snapshot, plan)
    assert not checks.set_index("check").loc[check, "holds"]
    advice = compensation.recommendations(compensation.statements(snapshot, plan), checks)
    assert advice["finding"].str.startswith(check).any()


def test_people_behind_the_pay_are_those_with_a_credit(snapshot, plan):
    statements = compensation.statements(snapshot, plan)
    assert compensation.people(statements) == (statements["n"] > 0).sum() < len(statements)
