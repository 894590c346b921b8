"""What a plan would cost: drawn attainments against a plain loop, two plans on the same history, scenarios, capitalised cost."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revops_lib import compensation, money, sources
from revops_lib.compensation import Cap, Component, Gate, Plan, Quota, Schedule
from revops_lib.errors import UsageError
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
QUOTAS, TARGETS = (100_000_00, 250_000_00, 40_000_00), (10_000_00, 20_000_00, 5_000_00)


@pytest.fixture(scope="module")
def snapshot():
    return Snapshot("data/sample", quarter="2026Q3")


@pytest.fixture(scope="module")
def plan(snapshot):
    """A plan of one component, paid on booking: the sample's own has more."""
    file = ROOT / "tests" / "account_executive.yml"
    return compensation.planfile.read(sources.read_yaml(file), sources.yaml_lines(file), "account_executive")


def people(quotas=QUOTAS, targets=TARGETS) -> pd.DataFrame:
    amounts = {name: money.from_cents(pd.Series(cents)) for name, cents in {"quota": quotas, "target": targets}.items()}
    return pd.DataFrame({"rep_id": [f"R{i}" for i in range(len(quotas))], **amounts})


def of(*parts, **values) -> Plan:
    return Plan("p", "p", "r", "EUR", "us", "us", None, None, Quota(), parts, **values)


@st.composite
def components(draw):
    basis = draw(st.sampled_from(["quota", "amount", "target"]))
    application = draw(st.sampled_from(["marginal", "whole", "interpolated"]))
    starts = sorted(draw(st.sets(st.integers(0, 8), min_size=1, max_size=3)))
    unit = Fraction(20_000_00) if basis == "amount" else Fraction(1, 4)
    scale = 10**6 if application == "interpolated" and basis != "target" else 1
    values = tuple(Fraction(draw(st.integers(0, 200)), 1000) * scale for _ in starts)
    end = starts[-1] + draw(st.integers(1, 4)) if application == "interpolated" or draw(st.booleans()) else None
    schedule = Schedule(tuple(start * unit for start in starts), values, application, None if end is None else end * unit)
    cap = draw(st.sampled_from([None, Cap("hard", 6_000_00, Fraction(0)), Cap("soft", 6_000_00, Fraction(1, 3))]))
    gate = draw(st.sampled_from([None, Gate("bookings", "quarter", Fraction(1, 2))]))
    return Component("c", "", "bookings", ("split",), basis, "quarter", schedule, gate, cap,
                     weight=Fraction(1, 2) if basis == "target" else None)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(components(), st.lists(st.lists(st.integers(0, 60), min_size=3, max_size=3), min_size=1, max_size=4))
def test_simulated_cost_equals_a_loop_over_the_engine(component, twentieths):
    found = compensation.simulated(of(component), people(), np.array(twentieths) / 20)
    loop = []
    for draw in twentieths:
        cost = 0
        for n, quota, target in zip(draw, QUOTAS, TARGETS, strict=True):
            is_open = component.gate is None or Fraction(n, 20) >= component.gate.at_least
            own = component.pay(n * quota // 20, quota, target=target // 2) if is_open else 0
            cost += own
        loop.append(cost / 100)
    row = found.set_index("component").loc["all components"]
    expected = [*np.quantile(loop, [0.1, 0.5, 0.9]), np.mean(loop)]
    assert row[["p10", "p50", "p90", "mean"]].tolist() == pytest.approx(expected, abs=0.05)  # ours is not rounded to cents


def test_blocks_and_one_array_are_the_same(plan):
    draws = np.random.default_rng(3).normal(1, 0.4, (250, 3))
    whole = compensation.simulated(plan, people(), draws)
    pd.testing.assert_frame_equal(whole, compensation.simulated(plan, people(), iter(np.array_split(draws, 7))))


def test_objectives_count_as_achieved():
    part = Component("c", "", "bookings", ("split",), "target", "quarter", Schedule((Fraction(0),), (Fraction(1),), "marginal"),
                     weight=Fraction(8, 10))  # fmt: skip
    plan = of(part, objectives=(compensation.Objectives("goals", "", Fraction(2, 10)),))
    found = compensation.simulated(plan, people(), np.ones((2, 3))).set_index("component")["p50"]
    assert found.to_dict() == {"c": 28_000.0, "goals": 7_000.0, "all components": 35_000.0}


@pytest.mark.parametrize("change", [{"cap": Cap("per_deal", 1, Fraction(0))}, {"application": "per_transaction"}])
def test_what_hangs_on_single_deals_is_refused(change):
    tiers = Schedule((Fraction(0), Fraction(1)), (Fraction(1), Fraction(2)), change.get("application", "marginal"))
    part = Component("c", "", "m", ("split",), "quota", "quarter", tiers, cap=change.get("cap"))
    with pytest.raises(UsageError, match="size of each deal"):
        compensation.simulated(of(part), people(), np.ones((1, 3)))


def history(*rows) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["rep_id", "quarter", "quota", "credited"])
    for name in ("quota", "credited"):
        table[name] = money.from_cents(table[name] * 100)
    return table.assign(attainment=money.to_float(table["credited"]) / money.to_float(table["quota"]))


def test_a_shock_moves_everybody_and_its_absence_nobody_together():
    past = history(*[(f"R{i}", quarter, 100, level) for quarter, level in (("2026Q1", 50), ("2026Q2", 150)) for i in range(3)])
    many = people((100_00,) * 200, (1,) * 200)
    together = np.vstack(list(compensation.attainments(past, many, draws=300)))
    assert together.shape == (300, 200) and set(together.std(axis=1)) == {0.0} and set(together[:, 0]) == {0.5, 1.5}
    apart = np.vstack(list(compensation.attainments(past, many, draws=300, shock=False)))
    assert apart.mean(axis=1).std() < 0.06 < together.mean(axis=1).std()  # 0.5 ÷ √200 against 0.5


def test_a_quarter_without_a_sale_is_one_that_can_come_again():
    past = history(("a", "2026Q1", 100, 0), ("b", "2026Q1", 100, 0), ("a", "2026Q2", 100, 50), ("b", "2026Q2", 100, 150))
    draws = np.vstack(list(compensation.attainments(past, people((100_00,), (1,)), draws=200)))
    assert set(np.unique(draws)) == {0.0, 0.5, 1.5}
    nothing = np.vstack(list(compensation.attainments(past.head(2), people((100_00,), (1,)), draws=200)))
    assert set(np.unique(nothing)) == {0.0}


def test_the_paths_of_a_forecast_are_sold_by_somebody(snapshot, plan):
    past = compensation.attainment_history(snapshot, plan, quarters=4)
    assert past["quarter"].nunique() == 4 and past["quarter"].iloc[-1] == "2026Q3"
    totals = np.array([500_000.0, 800_000.0, 0.0])
    draws = np.vstack(list(compensation.attainments(past, people(), totals=totals)))
    assert draws @ money.to_float(people()["quota"]).to_numpy() == pytest.approx(totals)
    again = np.vstack(list(compensation.attainments(past, people(), totals=totals)))
    assert (draws == again).all()


@pytest.fixture(scope="module")
def dearer(snapshot, plan):
    """The plan at twice its rates, and both compared in the last quarter."""
    places = enumerate(plan.components[0].schedule.values, start=1)
    changes = {f"components.bookings.tiers.{i}.rate": str(float(2 * rate)) for i, rate in places}
    found = compensation.patched(plan, patch(changes))
    return found, compensation.compared(snapshot, plan, found, quarters=1)


def test_a_dearer_plan_costs_what_its_lines_say(snapshot, plan, dearer):
    new, found = dearer
    paid = [money.to_cents(compensation.lines(snapshot, which)["pay"]).sum() for which in (plan, new)]
    assert paid[1] == pytest.approx(2 * paid[0], abs=len(found))  # but for a cent of rounding per rep
    assert money.to_cents(found["change"]).sum() == paid[1] - paid[0]


def test_a_scenario_that_changes_nothing_costs_nothing(company):
    """A plan that takes back since 2026, and a deal of 2025 cancelled then: a scenario, which has no dates, takes no more."""
    won = {"status": "won", "stage": "Won", "created_at": "2025-01-01", "currency": "EUR", "amount": "50000"}
    data = company(
        opportunities=[{**won, "opportunity_id": "old", "close_date": "2025-11-05"},
                       {**won, "opportunity_id": "new", "close_date": "2026-02-05"}],
        reps=[{"rep_id": "ann", "role": "account_executive"}],
        credits=[{"opportunity_id": deal, "rep_id": "ann", "share": 1.0, "kind": "split"} for deal in ("old", "new")],
        quotas=[{"rep_id": "ann", "quarter": quarter, "measure": "bookings", "amount": "100000", "currency": "EUR"}
                for quarter in ("2025Q4", "2026Q1")],
        contracts=[{"opportunity_id": "old", "term_months": 12, "cancelled_date": "2026-02-10"}], known_until="2026-03-31",
    )  # fmt: skip
    rule = 'clawback: {2016-01-01: none, 2026-01-01: {kind: share, within_months: "12", share: "1", steps: none}}'
    text = (ROOT / "tests/account_executive.yml").read_text(encoding="utf-8")
    (data / "plans").mkdir(exist_ok=True)
    (data / "plans" / "account_executive.yml").write_text(text.replace("clawback: none", rule), encoding="utf-8")
    snapshot = Snapshot(data, quarter="2026Q1")
    plan = compensation.plan(snapshot)
    same = compensation.patched(plan, patch({"components.bookings.tiers.1.rate": "0.065"}))
    found = compensation.compared(snapshot, plan, same, quarters=1)
    assert plan.components[0].clawback and found["change"].map(str).tolist() == ["0.00"]


def test_what_changing_the_plan_does(plan, dearer):
    new, found = dearer
    pay = {name: money.to_cents(found[name]) for name in ("old", "new")}
    told = compensation.effects(found, plan, new).set_index("what")
    assert told.loc["cost", ["old", "new"]].tolist() == pytest.approx([own.sum() / 100 for own in pay.values()])
    assert told.loc["cost of sales", "new"] == pytest.approx(100 * pay["new"].sum() / money.to_cents(found["credited"]).sum())
    counts = [(pay["new"] > pay["old"]).sum(), 0, (pay["new"] == pay["old"]).sum()]
    assert told.loc[["reps who win", "reps who lose", "reps for whom nothing changes"], "new"].tolist() == counts
    assert sum(counts) == len(found) > 3
    assert told.loc["marginal pay at quota", ["old", "new"]].tolist() == [9.75, 19.5]  # per 100 sold
    back = found.rename(columns={"old": "new", "new": "old"}).assign(change=money.from_cents(pay["old"] - pay["new"]))
    assert compensation.effects(back, new, plan).set_index("what").loc["reps who lose", "new"] == counts[0]


def test_pay_mix_and_quota_follow_from_the_stated_pay():
    paid = replace(of(Component("c", "", "m", ("split",), "target", "year", Schedule((Fraction(0),), (Fraction(1),), "marginal"),
                                weight=Fraction(1))), base=60_000_00, variable=40_000_00)  # fmt: skip
    amounts = {name: money.from_cents(pd.Series([cents])) for name, cents in
               {"credited": 1, "quota": 250_000_00, "old": 100, "new": 100, "change": 0}.items()}  # fmt: skip
    one = pd.DataFrame({"rep_id": ["a"], "n_quarters": 1, "attainment": 1.0, **amounts})
    told = compensation.effects(one, paid, of()).set_index("what")
    assert told.loc[["pay mix", "quota ÷ OTE"], "old"].tolist() == [0.6, 10.0]  # 1,000,000 a year ÷ 100,000
    assert told.loc[["pay mix", "quota ÷ OTE"], "new"].isna().all()


def spread(attained, old, new) -> pd.DataFrame:
    """Reps of one quarter with what they attained and earn under two plans."""
    amounts = {"credited": [int(100 * share) for share in attained], "quota": [100] * len(attained), "old": old, "new": new}
    table = pd.DataFrame({name: money.from_cents(pd.Series(cents) * 100) for name, cents in amounts.items()})
    change = money.from_cents(money.to_cents(table["new"]) - money.to_cents(table["old"]))
    return table.assign(attainment=attained, n_quarters=1, rep_id="x", change=change)


def test_who_gets_the_pay_is_told_of_five_people_at_least():
    table = spread([0.3] * 5 + [0.6, 0.9] + [1.2] * 4 + [2.0] * 2, [3] * 5 + [5] * 2 + [10] * 4 + [20] * 2, [1] * 13)
    found = compensation.fairness(table)
    assert found["band"].tolist() == ["under 50 %", "50 % and more"]
    assert found["n"].tolist() == [5, 8] and found["reps"].tolist() == pytest.approx([5 / 13, 8 / 13])
    assert found["old"].tolist() == pytest.approx([15 / 105, 90 / 105]) and found["new"].tolist() == found["reps"].tolist()
    assert compensation.fairness(table.head(4)).empty


def test_what_changing_a_plan_does_says_who_gets_the_pay():
    told = compensation.effects(spread([0.3] * 5 + [2.0] * 5, [1] * 5 + [3] * 5, [2] * 10), of(), of()).set_index("what")
    assert told.loc["pay of the 5 reps with under 50 % of quota", ["old", "new", "unit"]].tolist() == [
        25.0,
        50.0,
        "% of all pay",
    ]


def patch(values, plan="account_executive"):
    return {"plan": plan, "title": "What if", "set": values}


def test_a_scenario_changes_what_it_says_and_nothing_else(plan):
    found = compensation.patched(plan, patch({"components.bookings.tiers.2.rate": "0.10"}))
    assert found.title == "What if" and found.name == plan.name and found.version != plan.version
    before, after = plan.components[0].schedule, found.components[0].schedule
    assert after.values == (before.values[0], Fraction(1, 10), before.values[2]) and after.starts == before.starts
    assert found.pay(100_000_00, 100_000_00) == plan.pay(100_000_00, 100_000_00)
    assert plan.components[0].schedule.values[1] != Fraction(1, 10)  # the plan itself stays


def test_a_scenario_file(company):
    data = company(
        opportunities=[
            {"opportunity_id": "d", "status": "open", "stage": "Talk", "created_at": "2026-01-01", "close_date": "2026-09-01"}
        ]
    )
    (data / "plans" / "scenarios").mkdir(parents=True)
    shipped = (ROOT / "tests/account_executive.yml").read_text(encoding="utf-8")
    (data / "plans" / "account_executive.yml").write_text(shipped, encoding="utf-8")
    text = 'plan: account_executive\ntitle: A cap\nset:\n  components.bookings.cap: {kind: hard, amount: "5000", share_above: "0"}\n'
    (data / "plans" / "scenarios" / "cap.yml").write_text(text, encoding="utf-8")
    found = compensation.scenario(Snapshot(data, quarter="2026Q3"), name="cap")
    assert found.components[0].cap == Cap("hard", 5_000_00, Fraction(0))
    assert len(compensation.plans(Snapshot(data, quarter="2026Q3"))) == 1  # a scenario is no plan of its own


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"components.booking.cap": "none"}, "there is no 'booking' — scenario s, line 7 — did you mean bookings"),
        ({"components.bookings.tiers.4.rate": "0.1"}, "there is no '4' — scenario s, line 7 — valid: 1, 2, 3"),
        ({"components.bookings.tiers.1.rate": 0.1}, "bare number — plan account_executive in scenario s, line 7"),
        ({"components.bookings.tiers.2.from": "2"}, "must rise"),
        ({"title.x": "y"}, "there is no 'x'"),
    ],
)
def test_a_scenario_that_cannot_be_meant_is_refused_with_its_line(plan, values, error):
    lines = {("set", next(iter(values))): 7}
    with pytest.raises(UsageError, match=error):
        compensation.patched(plan, patch(values), lines=lines, name="s")


@pytest.mark.parametrize(
    ("change", "error"),
    [({"plan": "x"}, "changes plan x"), ({"set": {}}, "sets nothing"), ({"sets": {}}, "did you mean set")],
)
def test_a_scenario_states_plan_title_and_set(plan, change, error):
    with pytest.raises(UsageError, match=error):
        compensation.patched(plan, {**patch({"draw": "none"}), **change})


def entry(deal, day, pay, held=0, cause="pay", quarter="2026Q1"):
    kind = "pay split" if cause == "correction" else "split"
    return {
        "deal": deal,
        "event_date": pd.Timestamp(day),
        "pay": pay,
        "held": held,
        "cause": cause,
        "kind": kind,
        "quarter": quarter,
    }


@pytest.fixture
def booked(company):
    """Three deals: signed for a year and cancelled in May, signed for four years, without a contract."""
    days = {"one": "2026-01-10", "four": "2026-02-10", "bare": "2026-02-20"}
    won = {"status": "won", "stage": "Won", "created_at": "2025-01-01", "currency": "EUR", "amount": "100000"}
    data = company(
        opportunities=[{**won, "opportunity_id": deal, "close_date": day} for deal, day in days.items()],
        contracts=[{"opportunity_id": "one", "term_months": 12, "cancelled_date": "2026-05-15"},
                   {"opportunity_id": "four", "term_months": 48}],
        known_until="2026-06-30",
    )  # fmt: skip
    rows = [entry("one", "2026-01-10", 800_00, 400_00), entry("four", "2026-02-10", 4_800_00), entry("bare", "2026-02-20", 360_00),
            entry("one", "2026-03-01", 400_00, cause="released"), entry("four", "2026-02-10", 480_00, cause="correction", quarter="2026Q2"),
            entry("goal", "2026-02-01", 999_00, cause="objective"), entry("one", "2026-05-15", -600_00, cause="clawback", quarter="2026Q2")]  # fmt: skip
    table = pd.DataFrame(rows)
    return Snapshot(data, quarter="2026Q2"), table.assign(**{name: money.from_cents(table[name]) for name in ("pay", "held")})


def test_the_asset_rolls_forward(booked):
    found = compensation.capitalised(*booked, customer_life=24).set_index("month")
    # One: 1,200.00 over 24 months, four left; four: 4,800.00 over 48; bare: 360.00 over 24; the correction: 480.00 over 48 from April.
    assert found["capitalised"].map(str).tolist() == ["1200.00", "5160.00", "0.00", "480.00", "0.00", "0.00"]
    assert found["amortised"].map(str).tolist() == ["50.00", "165.00", "165.00", "175.00", "125.00", "125.00"]
    assert found["written_off"].map(str).tolist() == ["0.00", "0.00", "0.00", "0.00", "1000.00", "0.00"]
    assert (found["opening"] + found["capitalised"] - found["amortised"] - found["written_off"] == found["closing"]).all()
    assert found["opening"].tolist()[1:] == found["closing"].tolist()[:-1]


def test_what_is_amortised_within_a_year_may_be_expensed_at_once(booked):
    found = compensation.capitalised(*booked, customer_life=12, expedient=True)
    assert found["capitalised"].map(str).tolist() == ["4800.00", "0.00", "480.00", "0.00", "0.00"]  # four years only
