"""Plan files: what they may say, and what is refused with its line."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from revops_lib import compensation
from revops_lib.errors import UsageError
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = (ROOT / "tests/account_executive.yml").read_text(encoding="utf-8")
TIERS = [{"from": "0", "rate": "0.05"}, {"from": "1", "rate": "0.10"}]


@pytest.fixture
def year(company):
    """One rep, 100,000 of quota a quarter, deals of 80,000 in the first and 150,000 in the second; a plan as asked."""

    def made(quarter="2026Q2", **component):
        days = {"one": "2026-02-01", "two": "2026-05-10", "three": "2026-06-20"}
        amounts = {"one": "80000.00", "two": "90000.00", "three": "60000.00"}
        won = {"status": "won", "stage": "Won", "created_at": "2026-01-01", "currency": "EUR"}
        data = company(
            opportunities=[{**won, "opportunity_id": d, "amount": amounts[d], "close_date": days[d]} for d in days],
            reps=[{"rep_id": "x", "role": "account_executive", "team": "T"}],
            credits=[{"opportunity_id": d, "rep_id": "x", "share": 1.0, "kind": "split"} for d in days],
            quotas=[{"rep_id": "x", "quarter": f"2026Q{q}", "measure": "bookings", "amount": "100000.00", "currency": "EUR"} for q in (1, 2, 3, 4)],
        )  # fmt: skip
        plan = {**yaml.safe_load(SHIPPED), "plan": "p"}
        plan["components"] = [{**plan["components"][0], "tiers": TIERS, **component}]
        (data / "plans").mkdir()
        (data / "plans" / "p.yml").write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
        snapshot = Snapshot(data, quarter=quarter)
        return compensation.lines(snapshot, compensation.plan(snapshot, name="p"))

    return made


def amounts(lines, column="pay"):
    return [str(value) for value in lines[column]]


def test_each_quarter_starts_at_zero(year):
    # 90,000 at 5 %; then 10,000 at 5 % and 50,000 at 10 %.
    assert amounts(year()) == ["4500.00", "5500.00"]


def test_a_year_goes_on_where_the_quarter_before_ended(year):
    # The first quarter's 80,000 fill the tier of 100,000 together with 20,000 of the second's.
    money = [{"from": "0", "rate": "0.05"}, {"from": "100000", "rate": "0.10"}]
    lines = year(accumulation="year", basis="amount", tiers=money)
    assert amounts(lines) == ["8000.00", "6000.00"] and lines["before"].isna().all()
    assert lines["tiers"].iloc[0] == "20,000.00 at 5.00% + 70,000.00 at 10.00%"


def test_a_month_has_its_days_share_of_the_quota(year):
    # Of 91 days: April 30, May 31, June 30. Cut at running sums, 32,967.03 + 34,065.94 + 32,967.03 = 100,000.00.
    assert amounts(year(accumulation="month"), "quota") == ["34065.94", "32967.03"]


def test_a_tier_reached_pays_for_the_past_where_it_applies_to_the_whole(year):
    # 90,000 at 5 %; the next credit reaches 150 % of quota: 150,000 at 10 %, less what was paid.
    lines = year(tier_application="whole")
    assert amounts(lines) == ["4500.00", "10500.00"]
    assert lines["tiers"].iloc[1] == "150,000.00 at 10.00%, less 90,000.00 at 5.00%"


def test_credits_stand_alone_where_nothing_accumulates(year):
    assert amounts(year(accumulation="none", tier_application="per_transaction")) == ["4500.00", "3000.00"]


def test_interpolated_tiers_pay_their_share(year):
    # The tier up to the quota pays 4,000 as a whole, the next one, up to 150 %, 6,000.
    tiers = [{"from": "0", "pays": "4000"}, {"from": "1", "to": "1.5", "pays": "6000"}]
    assert amounts(year(tier_application="interpolated", tiers=tiers)) == ["3600.00", "6400.00"]


def test_who_is_below_the_gate_is_paid_nothing_and_told(year):
    gate = {"measure": "bookings", "period": "year", "at_least": "1.2"}
    lines = year(gate=gate)  # 230,000 of the 200,000 of two quarters
    assert amounts(lines) == ["0.00", "0.00"]
    assert lines["gate"].iloc[0] == "115.0% of bookings in the year, 120.0% needed"
    assert amounts(year(gate={**gate, "at_least": "1.15"})) == ["4500.00", "5500.00"]


def test_caps_show_what_they_withhold(year):
    hard = year(cap={"kind": "hard", "amount": "6000.00", "share_above": "0"})
    assert (amounts(hard), amounts(hard, "withheld")) == (["4500.00", "1500.00"], ["0.00", "4000.00"])
    soft = year(cap={"kind": "soft", "amount": "6000.00", "share_above": "0.5"})
    assert (amounts(soft), amounts(soft, "withheld")) == (["4500.00", "3500.00"], ["0.00", "2000.00"])
    deal = year(cap={"kind": "per_deal", "amount": "5000.00", "share_above": "0"})
    assert (amounts(deal), amounts(deal, "withheld")) == (["4500.00", "5000.00"], ["0.00", "500.00"])


def test_a_holdback_is_kept_apart(year):
    lines = year(payable=[{"share": "0.8", "on": "booking"}, {"share": "0.2", "on": "cash"}])
    assert (amounts(lines), amounts(lines, "held")) == (["3600.00", "4400.00"], ["900.00", "1100.00"])
    assert lines["pay"].sum() + lines["held"].sum() == Decimal("10000.00")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("gate: none", "gate: {measure: bookings, period: week, at_least: '0.5'}"), r"period 'week' is not supported — .*, line 28"),
        (("gate: none", "gate: {measure: bookings, at_least: '0.5'}"), r"key 'period' is missing — .*, line 28"),
        (("gate: none", "gate: {measure: bookings, period: month, at_least: '1'}"), r"does not go with accumulation quarter — .*, line 28"),
        (("cap: none", "cap: {kind: hard, amount: {'2026-01-01': '100'}, share_above: '0'}"),
         r"\{'2026-01-01': '100'\} stands where a number should — .*, line 29 — write the days without quotes: 2026-01-01"),
        (("cap: none", "cap: {kind: hard, amount: '100', share_above: '0.5'}"), r"a hard cap with share_above 0.5 — .*, line 29"),
        (("cap: none", "cap: {kind: soft, amount: '10.005', share_above: '0.5'}"), r"'10.005' is no amount — .*, line 29"),
        (('share: "1", on', "share: '1.5', on"), r"share 1.5 is no share — .*, line 30"),
        (('share: "1", on', "share: 0.1, on"), r"0.1 is a bare number — .*, line 30"),
        (('share: "1", on', "share: '0.5', on"), r"sums to 50.00% of the pay — .*, line 30"),
        (("on: booking", "on: {months: '0'}"), r"'0' is no whole number from 1 on — .*, line 30"),
        *((("cap: none", f"cap: {{kind: hard, amount: '{text}', share_above: '0'}}"), rf"'{text}' is not a number — .*, line 29")
          for text in ("1e20000000", "1_000", "\u0663", "1e400", "1/0", " 1")),
        (("on: booking", "on: delivery"), r"on 'delivery' is not supported — .*, line 30"),
        (("clawback: none", "clawback: {kind: share, within_months: '12', share: none, steps: none}"), r"share of a clawback of kind share — .*, line 31"),
        (("clawback: none", "clawback: {kind: schedule, within_months: '12', share: none, steps: [{months: '6', share: '1'}, {months: '3', share: '1'}]}"), r"steps must rise — .*, line 31"),
        (("weight: none", "weight: '0.6'"), r"basis quota with a weight — .*, line 25"),
        (("basis: quota ", "basis: target "), r"basis target without a weight — .*, line 25"),
        (("credited: none", "credited: {multi_year: {1: '1'}, prepaid: none, renewal: none}"), r"multi_year is \{1: '1'\} — .*, line 22"),
        (("of: own", "of: region"), r"of 'region' is not supported — .*, line 20"),
        (("pays_on: credits", "pays_on: leads"), r"pays_on 'leads' is not supported — .*, line 17"),
        (("    pays_on: credits  ", "    # pays_on: credits"), r"key 'pays_on' is missing — .*, line 16"),
        (("pay: none", "pay: {base: '60000', variable: 40000}"), r"40000 is a bare number — .*, line 12"),
        (("from: table,", "from: plan,"), r"key 'annual' is missing — .*, line 13"),
        (("ramp: none", "ramp: ['0', '2']"), r"ramp 2 is no share — .*, line 13"),
        (("plan: account_executive", "plan: ae"), r"the file is called account_executive, the plan in it ae — plan account_executive, line 3"),
        (('- from: {2016-01-01: "0"}', '- from: "0.1"'), r"the first tier begins at 0.1: .*, line 33"),
        (("boundaries: half_open", "boundaries: closed"), r"boundaries 'closed' is not supported — .*, line 11"),
        (("tier_application: marginal", "tier_application: per_transaction"), r"does not go with accumulation quarter — .*, line 26"),
        (("tier_application: marginal", "tier_application: interpolated"), r"unknown key 'rate' — .*, line 34"),
        (("basis: quota", "basis: quotas"), r"basis 'quotas' is not supported — .*, line 24 — did you mean quota"),
        (("credits: [split, overlay]", "credits: []"), r"credits is \[\] — .*, line 21"),
        (("currency: EUR", "currency: EURO"), r"'EURO' is no currency — .*, line 8"),
        (("draw: none", "draw: {kind: loan, amount: '1', period: month, first_recovery: '1', share: '1', limit: none, months: none}"), r"kind 'loan' is not supported — .*, line 14"),
        (("draw: none", "draw: {kind: advance, amount: '1', period: month, first_recovery: '0', share: '1', limit: none, months: none}"), r"'0' is no whole number from 1 on — .*, line 14"),
        (("  - component: bookings", "  - component: bookings\n    measures: x"), r"unknown key 'measures' — .*, line 17 — did you mean measure"),
    ],
)  # fmt: skip
def test_what_a_plan_cannot_mean_is_refused_with_its_line(company, change, message):
    data = company(opportunities=[])
    assert change[0] in SHIPPED
    (data / "plans").mkdir()
    (data / "plans" / "account_executive.yml").write_text(SHIPPED.replace(*change), encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        compensation.plan(Snapshot(data, quarter="2026Q1"))


def test_the_version_changes_with_a_value_in_force_only(company):
    data = company(opportunities=[])
    (data / "plans").mkdir()
    file = data / "plans" / "account_executive.yml"
    versions = []
    for text in (SHIPPED, SHIPPED.replace('2025-01-01: "0.065"', '2025-01-01: "0.065", 2027-01-01: "0.070"'),
                 SHIPPED.replace('2025-01-01: "0.065"', '2025-01-01: "0.066"')):  # fmt: skip
        file.write_text(text, encoding="utf-8")
        versions.append(compensation.plan(Snapshot(data, quarter="2026Q1")).version)
    assert versions[0] == versions[1] != versions[2]
