"""The engine of pay against a plain model in decimals, line by line, and laws that any plan must keep."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revops_lib import compensation
from revops_lib.compensation import Cap, Component, Gate, Payable, Schedule

REPS, WINDOWS = ("a", "b"), ("2026Q1", "2026Q2")
BOOKED = (Payable(Fraction(1), "booking"),)


def rounded(value: Fraction) -> int:
    """Whole cents, halves away from zero, by decimals of enough digits."""
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def earned_by(component: Component, position: int, quota: int, target: int) -> int:
    """Pay on everything up to a position, tier by tier."""
    schedule, total = component.schedule, Fraction(0)
    size = 1 if component.basis == "amount" else quota
    starts = [start * size for start in schedule.starts]
    last = None if schedule.end is None else schedule.end * size
    place = Fraction(max(position, 0) if last is None else min(max(position, 0), last))
    times = Fraction(target, 1 if schedule.application == "interpolated" else quota) if component.basis == "target" else 1
    for start, following, value in zip(starts, [*starts[1:], last], schedule.values, strict=True):
        upper = place if following is None else min(place, following)
        if schedule.application == "whole":
            total = place * value if place >= start else total
        elif upper > start:
            total += (upper - start) * (value / (following - start) if schedule.application == "interpolated" else value)
    return rounded(total * times)


def model(component: Component, credits: list[tuple], quotas: dict, targets: dict, gates: dict) -> list[tuple]:
    """Withheld, held and pay of each credit in order; None without a quota, or without a target where rates are its multiples."""
    position, owed, kept, held, result = {}, {}, {}, {}, []
    for rep, window, *_, credit in sorted(credits):
        key, quota, target = (rep, window), quotas.get((rep, window)), targets.get((rep, window))
        if (component.basis != "amount" and not quota) or (component.basis == "target" and not target):
            result.append((None, None, None))
            continue
        before = position.get(key, 0)
        position[key] = before + credit
        if component.accumulation == "none":
            own = earned_by(component, abs(credit), quota, target) * (1 if credit >= 0 else -1)
        else:
            own = earned_by(component, before + credit, quota, target) - earned_by(component, before, quota, target)
        if component.gate and gates.get(rep, 0) < component.gate.at_least:
            own = 0
        owed[key] = owed.get(key, 0) + own
        left = own
        if component.cap and component.cap.kind == "per_deal":
            left = min(max(own, -component.cap.cents), component.cap.cents)
        elif component.cap:
            above = max(owed[key] - component.cap.cents, 0)
            left = owed[key] - above + rounded(above * component.cap.share_above) - kept.get(key, 0)
        kept[key] = kept.get(key, 0) + left
        total_held = rounded(Fraction(kept[key]) * component.holdback)
        result.append((own - left, total_held - held.get(key, 0), left - (total_held - held.get(key, 0))))
        held[key] = total_held
    return result


@st.composite
def components(draw):
    basis = draw(st.sampled_from(["quota", "amount", "target"]))
    unit = Fraction(1, 1000) if basis == "amount" else 20
    starts = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=4)))
    accumulation = draw(st.sampled_from(["none", "month", "quarter", "year"]))
    applications = ["per_transaction"] if accumulation == "none" else ["marginal", "whole", "interpolated"]
    application = draw(st.sampled_from(applications))
    end = draw(st.integers(1, 30) if application == "interpolated" else st.one_of(st.none(), st.integers(1, 30)))
    scale = 10**6 if application == "interpolated" and basis != "target" else 1  # what tiers pay is in cents
    rates = [Fraction(draw(st.integers(0, 400)), 1000) * scale for _ in starts]
    bounds = tuple(Fraction(start) / unit for start in starts)
    schedule = Schedule(bounds, tuple(rates), application, None if end is None else bounds[-1] + Fraction(end) / unit)
    cap = draw(st.one_of(st.none(), st.builds(Cap, st.sampled_from(["hard", "soft", "per_deal"]), st.integers(0, 10**6),
                                              st.sampled_from([Fraction(0), Fraction(1, 3)]))))  # fmt: skip
    if cap and cap.kind != "soft":
        cap = Cap(cap.kind, cap.cents, Fraction(0))
    gate = draw(st.sampled_from([None, Gate("m", "quarter", Fraction(1, 2))]))
    payable = draw(st.sampled_from([BOOKED, (Payable(Fraction(6, 7), "booking"), Payable(Fraction(1, 7), "cash"))]))
    weight = Fraction(1) if basis == "target" else None
    return Component("c", "", "m", ("split",), basis, accumulation, schedule, gate, cap, weight=weight, payable=payable)


CREDITS = st.lists(
    st.tuples(st.sampled_from(REPS), st.sampled_from(WINDOWS), st.integers(1, 28), st.integers(0, 99), st.integers(-10**6, 10**7)),
    max_size=14, unique_by=lambda row: row[:4],
)  # fmt: skip


def frame(credits) -> pd.DataFrame:
    rows = [
        {"rep_id": rep, "window": window, "event_date": pd.Timestamp(dt.date(2026, 1, day)), "deal": f"{deal:02}", "line": "split",
         "kind": "split", "credit": credit, "base": credit}
        for rep, window, day, deal, credit in credits
    ]  # fmt: skip
    names = ["rep_id", "window", "event_date", "deal", "line", "kind", "credit", "base"]
    return pd.DataFrame(rows, columns=names).astype({"credit": "int64", "base": "int64"})


def by_window(cents: dict) -> pd.Series:
    index = pd.MultiIndex.from_tuples(list(cents) or [("x", "x")], names=["rep_id", "window"])
    return pd.Series(list(cents.values()) or [1], index=index)


OWN = st.dictionaries(st.tuples(st.sampled_from(REPS), st.sampled_from(WINDOWS)), st.integers(1, 10**7))


@settings(max_examples=60, deadline=None)
@given(components(), CREDITS, OWN, OWN, st.dictionaries(st.sampled_from(REPS), st.sampled_from([Fraction(0), Fraction(1)])))
def test_every_line_equals_the_plain_model(component, credits, quotas, targets, gates):
    by = {"gates": gates, "targets": by_window(targets)}
    found = compensation.paid(component, frame(credits), by_window(quotas), **by)
    columns = found[["withheld", "held", "pay"]].astype(object).where(found[["withheld", "held", "pay"]].notna(), None)
    assert list(columns.itertuples(index=False, name=None)) == model(component, credits, quotas, targets, gates)
    again = compensation.paid(component, frame(credits[::-1]), by_window(quotas), **by)
    pd.testing.assert_frame_equal(found, again)  # the order of rows does not matter


@pytest.mark.parametrize("application", ["marginal", "whole", "interpolated"])
@pytest.mark.parametrize("size", [1, 10**3, 10**6])
def test_large_amounts_are_as_exact_as_small_ones(application, size):
    tiers = Schedule(
        (Fraction(0), Fraction(1, 3), Fraction(7, 5)),
        (Fraction(7, 997), Fraction(11, 991), Fraction(1, 3)),
        application,
        Fraction(9),
    )
    quota, target = 1_000_003 * size, 77_777_777 * size
    places = [n * size * 999_983 // 7 for n in range(0, 70, 3)]
    for component in (Component("c", "", "m", ("split",), "quota", "quarter", tiers),
                      Component("c", "", "m", ("split",), "target", "quarter", tiers, weight=Fraction(1))):  # fmt: skip
        own = target if component.basis == "target" else None
        assert tiers.cents(np.array(places), quota, own).tolist() == [
            component.pay(place, quota, target=target) for place in places
        ]


def is_cumulative(component: Component) -> bool:
    return component.accumulation != "none" and (component.cap is None or component.cap.kind != "per_deal")


@settings(max_examples=30, deadline=None)
@given(components().filter(is_cumulative), CREDITS, st.integers(1, 10**7), st.integers(1, 10**7))
def test_lines_sum_to_the_pay_on_all_credit(component, credits, quota, target):
    component = replace(component, gate=None)
    everybody = {(rep, window): 0 for rep in REPS for window in WINDOWS}
    found = compensation.paid(
        component,
        frame(credits),
        by_window(dict.fromkeys(everybody, quota)),
        targets=by_window(dict.fromkeys(everybody, target)),
    )
    for _, own in found.groupby(["rep_id", "window"]):
        assert (own["pay"] + own["held"]).sum() == component.pay(int(own["credit"].sum()), quota, target=target)


IDS = st.one_of(
    st.lists(st.text(st.sampled_from("0129AZaz-_é€\0"), max_size=12), min_size=1, max_size=12),
    st.lists(st.integers(0, 99).map("D{:02}".format), min_size=1, max_size=40),
    st.lists(st.integers(0, 1200).map(str), min_size=1, max_size=40),
)


@settings(max_examples=50, deadline=None)
@given(IDS)
def test_deals_of_a_day_stand_in_the_order_of_their_ids(deals):
    rows = frame([("a", "2026Q1", 1, 0, 100) for _ in deals]).assign(deal=deals)
    component = Component(
        "c", "", "m", ("split",), "amount", "quarter", Schedule((Fraction(0),), (Fraction(1, 10),), "marginal")
    )
    found = compensation.paid(component, rows, by_window({}))
    assert found["deal"].tolist() == sorted(deals)


@settings(max_examples=40, deadline=None)
@given(components(), st.integers(1, 10**8), st.integers(1, 10**8), st.integers(0, 3 * 10**8))
def test_marginal_pay_of_a_component_neither_jumps_nor_falls(component, quota, target, credit):
    component = replace(component, cap=None, schedule=replace(component.schedule, application="marginal"))
    step = component.pay(credit + 1, quota, target=target) - component.pay(credit, quota, target=target)
    rate = max(component.schedule.values) * (Fraction(target, quota) if component.basis == "target" else 1)
    assert 0 <= step <= rate + 1  # a cent of rounding


@given(st.lists(st.integers(0, 400), min_size=2, max_size=5), st.integers(1, 10**8), st.integers(0, 3 * 10**8))
def test_marginal_pay_neither_jumps_nor_falls(rates, quota, credit):
    tiers = Schedule(tuple(Fraction(i, 2) for i in range(len(rates))), tuple(Fraction(r, 1000) for r in rates), "marginal")
    step = tiers.scaled(quota).earned(credit + 1) - tiers.scaled(quota).earned(credit)
    assert 0 <= step <= max(tiers.values)


@given(st.lists(st.integers(0, 400), min_size=2, max_size=5), st.integers(2, 10**6))
def test_whole_attainment_jumps_at_boundaries_only(rates, quota):
    rates = sorted(rates)
    tiers = Schedule(tuple(Fraction(i) for i in range(len(rates))), tuple(Fraction(r, 1000) for r in rates), "whole").scaled(
        quota
    )
    marginal = Schedule(tiers.starts, tiers.values, "marginal")
    for credit in (quota - 1, quota, 2 * quota - 1, 2 * quota):
        step = tiers.earned(credit) - tiers.earned(credit - 1)
        jumps = credit in tiers.starts and tiers.value(credit) > tiers.value(credit - 1)
        assert (step > tiers.value(credit)) == (jumps and credit > 1)
        assert tiers.earned(credit) >= marginal.earned(credit)  # rates rise


@given(st.integers(1, 10**6), st.lists(st.integers(0, 10**6), max_size=12), st.integers(1, 5), st.integers(0, 10),
       st.one_of(st.none(), st.integers(0, 10**6)))  # fmt: skip
def test_a_recoverable_draw_pays_what_is_earned_and_what_is_still_owed(amount, earned, first, tenths, limit):
    draw = compensation.Draw("recoverable", amount, first, Fraction(tenths, 10), limit)
    found = compensation.settled(draw, earned)
    assert found["paid"].sum() == sum(earned) + (found["debt"].iloc[-1] if len(found) else 0)
    assert (found["debt"] >= 0).all() and (found["paid"] >= found["earned"].clip(upper=amount)).all()
    recovering = found[found["recovered"] > 0]
    assert (recovering["paid"] >= amount).all()  # a recovery never takes pay below the draw


@given(st.integers(0, 10**7), st.integers(0, 30), st.integers(1, 30))
def test_a_clawback_never_takes_more_than_was_paid(paid, tenths, term):
    assert 0 <= -compensation.clawback(paid, Fraction(tenths, 10)) <= paid
    assert compensation.unserved(term, term + 5) == 0


@given(
    st.integers(1, 10**9),
    st.lists(st.integers(1, 364), max_size=6, unique=True),
    st.lists(st.integers(1, 9), min_size=4, max_size=4),
)
def test_parts_of_a_year_sum_to_the_annual_quota(annual, cuts, weights):
    first, last = dt.date(2026, 1, 1), dt.date(2026, 12, 31)
    starts = [first, *(first + dt.timedelta(days=cut) for cut in sorted(cuts))]
    ends = [*(start - dt.timedelta(days=1) for start in starts[1:]), last]
    parts = [compensation.by_days(annual, (first, last), pair) for pair in zip(starts, ends, strict=True)]
    assert sum(parts) == annual
    shares = [Fraction(weight, sum(weights)) for weight in weights]
    months = sorted({1, *(1 + cut % 12 for cut in cuts)})
    pieces = [compensation.by_weights(annual, shares, a, b - 1) for a, b in zip(months, [*months[1:], 13], strict=True)]
    assert sum(pieces) == annual


def test_published_plans_pay_what_was_published():
    # A development representative: 2,500 a month at a quota of 4 meetings, 750 for each above it; 6 pay 4,000 (Sourcegraph handbook).
    meetings = Schedule((Fraction(0), Fraction(4)), (Fraction(2500_00, 4), Fraction(750_00)), "marginal")
    assert meetings.earned(6) == 4000_00


@pytest.mark.parametrize(
    ("credits", "expected"),
    [([(120_000_00,)], [8450_00]), ([(120_000_00,), (-30_000_00,)], [8450_00, -2600_00]), ([(0,)], [0])],
)
def test_a_credit_note_takes_back_what_its_amount_had_earned(credits, expected):
    tiers = Schedule((Fraction(0), Fraction(1)), (Fraction("0.065"), Fraction("0.0975")), "marginal")
    component = Component("c", "", "m", ("split",), "quota", "quarter", tiers)
    rows = frame([("a", "2026Q1", 1 + i, i, credit) for i, (credit,) in enumerate(credits)])
    quotas = pd.Series([100_000_00], index=pd.MultiIndex.from_tuples([("a", "2026Q1")]))
    assert compensation.paid(component, rows, quotas)["pay"].tolist() == expected
