"""The linter finds what was planted in a plan, each with an example in money, and nothing in plans that are all right."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revops_lib import compensation, sources

ROOT = Path(__file__).resolve().parent.parent
PLANS = Path(__file__).resolve().parent / "plans"
FAULTY = sorted((PLANS / "faulty").glob("*.yml"))
GOOD = [
    *(file for file in sorted((ROOT / "data" / "plans").glob("*.yml")) if "components" in sources.read_yaml(file)),
    *sorted((PLANS / "published").glob("*.yml")),
    *sorted((PLANS / "examples").glob("*.yml")),
]
EXAMPLES = {
    "cliff": "selling 1.00 EUR more just below 100% of quota pays 3,000.05 EUR more",
    "cliff-gate": "selling 1.00 EUR more just below 80% of quota pays 4,000.00 EUR more",
    "gap": "from 60% of quota to 90% of quota selling pays nothing: 30,000.00 EUR sold there bring 0.00 EUR",
    "gap-end": "from 120% of quota on selling pays nothing",
    "gap-threshold": "from 0% of quota to 80% of quota selling pays nothing",
    "no_cap": "one deal of 300,000.00 EUR pays 40,000.00 EUR, 8.0 times what 100,000.00 EUR pay, and no cap is stated",
    "falling_rate": "100.00 EUR sold above 100% of quota pay 4.00 EUR, just below 8.00 EUR",
    "falling_rate-cap": "the cap of 6,600.00 EUR is reached at 120% of quota: 100.00 EUR sold above pay 0.00 EUR",
    "falling_rate-whole": "selling 1.00 EUR more just below 100% of quota pays 99.92 EUR less",
    "windfall": "one deal of 100,000.00 EUR with the largest factors pays 33,000.00 EUR, 6.6 times the 5,000.00 EUR",
    "unreachable_gate": "of a quota of 100,000.00 EUR 300,000.00 EUR must be sold before the component pays anything",
    "weights": "the weights sum to 0.9: with everything reached 36,000.00 EUR of 40,000.00 EUR variable pay are paid",
    "order": "pay 11,875.00 EUR in this order and 14,500.00 EUR in the other",
    "stacking": "a deal of 10,000.00 EUR won on 2026-07-15 is paid twice: summer 500.00 EUR and product 200.00 EUR",
    "clawback": "of 10,000.00 EUR paid 5,000.00 EUR are taken back after 2 months, 10,000.00 EUR after 5",
    "clawback-late": "a customer who stayed 23 months still costs 10,000.00 EUR of 10,000.00 EUR",
    "draw": "owes 4,500.00 EUR, and after 24 months on target (3,333.33 EUR each) still 4,500.00 EUR",
    "draw-large": "owes 12,000.00 EUR, and after 24 months on target (3,333.33 EUR each) still 20,000.00 EUR",
}


def read(file: Path) -> compensation.Plan:
    return compensation.planfile.read(sources.read_yaml(file), sources.yaml_lines(file), file.stem)


@pytest.mark.parametrize("file", FAULTY, ids=lambda file: file.stem)
def test_a_planted_fault_is_found_and_nothing_else(file):
    found = compensation.lint(read(file))
    assert found["rule"].tolist() == [file.stem.split("-")[0]]
    assert EXAMPLES[file.stem] in found["finding"].iloc[0]
    assert found["severity"].isin(["fault", "note"]).all()
    text, line = found["where"].iloc[0].split(", line ")
    key = next(step for step in reversed(text.split(".")) if not step.isdecimal())
    assert key in file.read_text(encoding="utf-8").splitlines()[int(line) - 1]


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_nothing_is_found_in_a_good_plan(file):
    assert compensation.lint(read(file)).empty


def test_every_rule_has_a_planted_fault():
    rules = {file.stem.split("-")[0] for file in FAULTY}
    assert rules == {"cliff", "gap", "no_cap", "falling_rate", "windfall", "unreachable_gate", "weights", "order", "stacking",
                     "clawback", "draw"}  # fmt: skip
    assert {file.stem for file in FAULTY} == set(EXAMPLES)


def changed(**values) -> compensation.Plan:
    plan = read(PLANS / "examples" / "one_rate.yml")
    return replace(plan, components=(replace(plan.components[0], **values),))


def rules(plan: compensation.Plan) -> list[str]:
    return compensation.lint(plan)["rule"].tolist()


def tiers(*pairs, application="marginal", end=None) -> compensation.Schedule:
    starts, values = zip(*[(Fraction(start), Fraction(value)) for start, value in pairs], strict=True)
    return compensation.Schedule(starts, values, application, None if end is None else Fraction(end))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        # Each rule just below and just above its threshold.
        ({"schedule": tiers(("0", "0.06"), ("1", "0.063"), application="whole")}, []),
        ({"schedule": tiers(("0", "0.06"), ("1", "0.064"), application="whole")}, ["cliff"]),
        ({"schedule": tiers(("0", "0"), ("0.5", "0.06"))}, []),
        ({"schedule": tiers(("0", "0"), ("0.51", "0.06"))}, ["gap"]),
        ({"schedule": tiers(("0", "0.06"), end="2")}, []),
        ({"schedule": tiers(("0", "0.06"), end="1.99")}, ["gap"]),
        ({"schedule": tiers(("0", "0.06"), ("1", "0.17"))}, []),
        ({"schedule": tiers(("0", "0.06"), ("1", "0.18"))}, ["no_cap"]),
        ({"schedule": tiers(("0", "0.06"), ("2", "0.05"))}, []),
        ({"schedule": tiers(("0", "0.06"), ("1.9", "0.05"))}, ["falling_rate"]),
        ({"cap": compensation.Cap("hard", 13_000_00, Fraction(0))}, []),
        ({"cap": compensation.Cap("hard", 12_999_99, Fraction(0))}, ["falling_rate"]),
        ({"gate": compensation.Gate("renewals", "year", Fraction(2))}, []),
        ({"gate": compensation.Gate("renewals", "year", Fraction(21, 10))}, ["unreachable_gate"]),
        ({"clawback": compensation.Clawback("share", 12, Fraction(1))}, []),
        ({"clawback": compensation.Clawback("share", 13, Fraction(1))}, ["clawback"]),
        ({"clawback": compensation.Clawback("pro_rata", 36, None)}, []),
        ({"cap": compensation.Cap("per_deal", 5_000_00, Fraction(0)), "schedule": tiers(("0", "0.05"), ("0.5", "0.1"))}, ["order"]),
    ],
)  # fmt: skip
def test_thresholds(values, found):
    assert rules(changed(**values)) == found


def test_what_another_component_pays_is_no_gap():
    plan = changed()
    above = replace(plan.components[0], name="above", schedule=tiers(("0", "0"), ("1", "0.03")))
    assert rules(replace(plan, components=(*plan.components, above))) == []
    assert rules(replace(plan, components=(above,))) == ["gap"]


def test_spifs_that_do_not_meet_are_no_finding():
    plan = read(PLANS / "faulty" / "stacking.yml")
    first, second = plan.awards
    assert rules(replace(plan, awards=(first, replace(second, stacks=False)))) == []
    later = replace(second, first=first.last.replace(month=10, day=1), last=first.last.replace(month=11))
    assert rules(replace(plan, awards=(first, later))) == []
    elsewhere = replace(first, eligible={"product_family": ("Storage",)})
    assert rules(replace(plan, awards=(elsewhere, second))) == []


def test_examples_follow_the_plans_own_quota():
    plan = read(PLANS / "faulty" / "no_cap.yml")
    assert "300,000.00" in compensation.lint(plan)["finding"].iloc[0]
    assert "1,500,000.00" in compensation.lint(plan, quota=500_000)["finding"].iloc[0]
    own = replace(plan, quota=compensation.Quota("plan", 200_000_00))
    assert "600,000.00" in compensation.lint(own)["finding"].iloc[0]


@st.composite
def components(draw):
    basis = draw(st.sampled_from(["quota", "amount", "target"]))
    accumulation = draw(st.sampled_from(["none", "quarter"]))
    application = draw(
        st.sampled_from(["per_transaction"] if accumulation == "none" else ["marginal", "whole", "interpolated"])
    )
    starts = sorted(draw(st.sets(st.integers(0, 12), min_size=1, max_size=4)))
    unit = Fraction(10_000_00) if basis == "amount" else Fraction(1, 4)
    end = starts[-1] + draw(st.integers(1, 4)) if application == "interpolated" or draw(st.booleans()) else None
    values = tuple(Fraction(draw(st.integers(0, 300)), 1000) for _ in starts)
    schedule = compensation.Schedule(tuple(s * unit for s in starts), values, application, None if end is None else end * unit)
    cap = draw(
        st.none()
        | st.builds(compensation.Cap, st.sampled_from(["hard", "per_deal"]), st.integers(0, 10**6), st.just(Fraction(0)))
    )
    gate = draw(
        st.none() | st.builds(compensation.Gate, st.sampled_from(["bookings", "leads"]), st.just("year"), st.fractions(0, 3))
    )
    factors = st.builds(compensation.Factors, st.sampled_from([(), ((1, Fraction(1)), (3, Fraction(2)))]))
    return compensation.Component(
        "bookings", "", "bookings", ("split",), basis, accumulation, schedule, gate, cap, credited=draw(factors),
        commissionable=draw(factors), weight=Fraction(1) if basis == "target" else None,
    )  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(components(), st.integers(1, 10**6))
def test_any_plan_can_be_looked_at(component, quota):
    plan = replace(read(PLANS / "examples" / "one_rate.yml"), components=(component,), variable=40_000_00)
    found = compensation.lint(plan, quota=quota)
    assert found.columns.tolist() == ["rule", "component", "where", "finding", "severity"]
    tiers, is_level = component.schedule, component.cap is None and component.gate is None
    if is_level and len(set(tiers.values)) == 1 and tiers.starts[0] == 0 and tiers.end is None and tiers.values[0] > 0:
        assert not {"cliff", "gap", "no_cap", "falling_rate"} & set(found["rule"])  # one rate for everything


def one_more(component, place: int, quota: int) -> int:
    return component.pay(place, quota, target=40_000_00) - component.pay(place - 100, quota, target=40_000_00)


@settings(max_examples=30, deadline=None)
@given(components())
def test_a_cliff_is_where_one_unit_more_leaps(component):
    quota = 100_000_00
    plain = replace(component, gate=None, cap=None)
    plan = replace(read(PLANS / "examples" / "one_rate.yml"), components=(plain,), variable=40_000_00)
    found = compensation.lint(plan)
    size = 1 if plain.basis == "amount" else quota
    places = [int(start * size) for start in plain.schedule.starts if start > 0]
    full = max(quota, int(plain.schedule.starts[-1])) if plain.basis == "amount" else quota
    leaps = [place for place in places if one_more(plain, place, quota) > plain.pay(full, quota, target=40_000_00) / 20]
    steep = plain.schedule.application != "whole"  # elsewhere pay grows by rates only
    assert (found["rule"] == "cliff").sum() == (0 if steep else len(leaps))
