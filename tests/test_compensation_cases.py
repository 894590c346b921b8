"""Worked examples of commission arithmetic that others published, recomputed: each by its mechanic, whatever the numbers."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import SHARED

from revops_lib import compensation, money
from revops_lib.compensation import Clawback, Payable, Schedule
from revops_lib.compensation.releases import Cancelled, moves

FILE = Path(os.environ.get("REVOPS_CASES", SHARED / "cases")) / "compensation.json"
CASES = json.loads(FILE.read_text(encoding="utf-8"))["cases"] if FILE.exists() else []
Inputs = dict[str, Any]


def exact(value: Any) -> Fraction:
    return Fraction(str(value))


def cents(value: Any) -> int:
    return money.round_half_up(exact(value) * 100)


def euros(value: Fraction | int) -> float:
    """Money as the cases write it, rounded to cents."""
    return money.round_half_up(Fraction(value) * 100) / 100


def schedule(tiers: list[list], application: str = "marginal") -> Schedule:
    """Tiers [from, to or null, value]; contiguous, the last one open or not."""
    starts, ends, values = zip(*tiers, strict=True)
    assert [exact(end) for end in ends[:-1]] == [exact(start) for start in starts[1:]]
    last = None if ends[-1] is None else exact(ends[-1])
    return Schedule(tuple(map(exact, starts)), tuple(map(exact, values)), application, last)


def placed(inputs: Inputs, application: str = "marginal") -> tuple[Schedule, Fraction]:
    """Tiers in money, and the credit: tiers by attainment are scaled to the quota."""
    tiers = schedule(inputs["tiers"], application)
    return tiers.scaled(exact(inputs["quota"])) if inputs["basis"] == "attainment" else tiers, exact(inputs["sales"])


def marginal_tiers(inputs: Inputs) -> dict:
    (tiers, sales), (whole, _) = placed(inputs), placed(inputs, "whole")
    paid = tiers.earned(sales)
    return {"payout": euros(paid), "effective_rate": float(paid / sales), "whole_attainment": euros(whole.earned(sales))}


def tier_vs_marginal(inputs: Inputs) -> dict:
    (tiers, sales), (whole, _) = placed(inputs), placed(inputs, "whole")
    return {
        "whole_rate": float(whole.value(sales)), "whole": euros(whole.earned(sales)), "marginal": euros(tiers.earned(sales))
    }  # fmt: skip


def whole_attainment(inputs: Inputs) -> dict:
    tiers = schedule(inputs.get("tiers", [[0, None, inputs.get("rate")]]), "whole")
    return {"payout": euros(tiers.earned(exact(inputs["sales"])))}


def per_transaction_step(inputs: Inputs) -> dict:
    each, upto = schedule(inputs["tiers"], "per_transaction"), schedule(inputs["tiers"])
    lines = [each.line(0, exact(amount)) for amount in inputs["transactions"]]
    together = upto.earned(sum(map(exact, inputs["transactions"])))
    return {"lines": [euros(line) for line in lines], "payout": euros(sum(lines)), "cumulative_payout": euros(together)}


def per_transaction_interpolated(inputs: Inputs) -> dict:
    tiers = schedule(inputs["amount_tiers"], "interpolated")
    lines = [tiers.earned(exact(amount)) for amount in inputs["transactions"]]
    return {"lines": [euros(line) for line in lines], "payout": euros(sum(lines))}


def blended_rate(inputs: Inputs) -> dict:
    tiers = schedule(inputs["tiers"])
    at = {name: exact(inputs[f"{name}_input"]) for name in ("step", "proportional")}
    return {f"{name}_rate": float(tiers.earned(amount) / amount) for name, amount in at.items()}


def over_quota_bands(inputs: Inputs) -> dict:
    tiers = schedule(inputs["bands"]).scaled(exact(inputs["quota"]))
    return {"payout": euros(tiers.earned(exact(inputs["actual"]))), "payout_at_20500": euros(tiers.earned(20_500))}


def multi_year_shared_quota(inputs: Inputs) -> dict:
    above = Schedule((Fraction(0), Fraction(1)), (Fraction(1), exact(inputs["accelerator"])), "marginal")
    tiers = above.scaled(exact(inputs["quota"]))

    def paid(deals: list[list]) -> float:
        position, total = Fraction(0), Fraction(0)
        for years, amount in deals:
            total += exact(inputs["base"][str(years)]) * tiers.line(position, position + exact(amount))
            position += exact(amount)
        return euros(total)

    return {"order_a": paid(inputs["deals_a"]), "order_b": paid(inputs["deals_b"])}


def quota_credit_uplift(inputs: Inputs) -> dict:
    curve = Schedule((Fraction(0), Fraction(1)), (Fraction(1), exact(inputs["above_quota_multiplier"])), "marginal")
    attained = (exact(inputs["acv"]) + exact(inputs["uplift"])) / exact(inputs["quota"])
    return {"attainment": float(attained), "payout_pct_at_200": float(curve.earned(2))}


def drawn(inputs: Inputs, **rules: Any) -> dict:
    draw = compensation.Draw("recoverable", cents(inputs["draw"]), **rules)
    found = compensation.settled(draw, [cents(earned) for earned in inputs["earned"]])
    return {name: [value / 100 for value in found[name]] for name in ("paid", "debt")}


def recoverable_draw_delayed(inputs: Inputs) -> dict:
    return drawn(inputs, first_recovery=inputs["recovery_starts_period"], share=exact(inputs["recovery_pct"]))


def hard_cap(inputs: Inputs) -> dict:
    pay, withheld = compensation.capped(cents(exact(inputs["sales"]) * exact(inputs["rate"])), cents(inputs["cap"]))
    return {"payout": pay / 100, "withheld": withheld / 100}


def clawback_share(inputs: Inputs) -> dict:
    return {"adjustment": compensation.clawback(cents(inputs["earned"]), exact(inputs["share"])) / 100}


def clawback_paid_only(inputs: Inputs) -> dict:
    """Instalments come month by month, those that are paid before the deal is cancelled."""
    parts = [cents(part) for _, part in sorted(zip(inputs["paid"], inputs["instalments"], strict=True), reverse=True)]
    payable = [Payable(Fraction(part, sum(parts)), "months", month) for month, part in enumerate(parts, start=1)]
    booked, gone = dt.date(2026, 1, 1), Cancelled(dt.date(2026, 1 + sum(inputs["paid"]), 15), None)
    found = moves(0, sum(parts), booked, payable, Clawback("share", 12, Fraction(1)), [], gone)
    taken = [move for move in found if move.cause == "clawback"]
    return {"adjustment": sum(move.pay for move in taken) / 100, "cancelled": -sum(move.held for move in taken) / 100}


def clawback_prorata(inputs: Inputs) -> dict:
    return {"share": float(compensation.unserved(inputs["term_months"], inputs["served_months"]))}


def split_pool(inputs: Inputs) -> dict:
    pool = exact(inputs["amount"]) * exact(inputs["rate"])
    return {"payouts": [euros(pool * exact(share)) for share in inputs["splits"]]}


def manager_override(inputs: Inputs) -> dict:
    rate, threshold = exact(inputs["rate"]), exact(inputs["threshold"])
    sales = [exact(amount) for amount in inputs["rep_sales"]]
    above = Schedule((threshold,), (rate,), "marginal")
    lines = [Schedule((Fraction(0),), (rate,), "marginal").earned(amount) for amount in sales]
    return {
        "first_dollar": euros(sum(lines)), "lines": [euros(line) for line in lines],
        "threshold_payout": euros(above.earned(sum(sales))),
    }  # fmt: skip


def quota_proration_weighted(inputs: Inputs) -> dict:
    annual, weights = cents(inputs["annual"]), [exact(weight) for weight in inputs["weights"]]
    return {
        "quota": compensation.by_weights(annual, weights, inputs["start_month"]) / 100,
        "by_start_month": {str(m): compensation.by_weights(annual, weights, m) / 100 for m in range(1, 13)},
    }


def team_quota_ramp(inputs: Inputs) -> dict:
    shares = [Fraction(1)] * inputs["ramped"] + [exact(inputs["ramping_share"])] * inputs["ramping"]
    return {"team_quota": sum(compensation.ramped(cents(inputs["quota"]), 0, [share]) for share in shares) / 100}


def spif(inputs: Inputs) -> dict:
    return {
        "fixed_payout": compensation.by_bands(inputs["deals"], [(1, None, cents(inputs["fixed"]))], retroactive=False) / 100,
        "revenue_payout": compensation.on_revenue(cents(inputs["revenue"]), exact(inputs["rate"])) / 100,
        "team_payout": compensation.from_pool(cents(inputs["pool"]), exact(inputs["achievement"])) / 100,
    }


def spif_tiered(inputs: Inputs) -> dict:
    bands = [(first, last, cents(each)) for first, last, each in inputs["bands"]]
    return {
        name: compensation.by_bands(inputs["deals"], bands, retroactive=name == "retroactive") / 100
        for name in ("retroactive", "marginal")
    }


def pay_on_receipt(inputs: Inputs) -> dict:
    return {
        "payout": compensation.on_revenue(min(cents(inputs["received"]), cents(inputs["invoiced"])), exact(inputs["rate"]))
        / 100
    }


def line_rates(inputs: Inputs) -> dict:
    return {"payout": euros(sum(exact(amount) * exact(rate) for amount, rate in inputs["lines"]))}


def capitalisation(inputs: Inputs) -> dict:
    month = pd.Period("2026-01")
    contract = compensation.Contract(cents(inputs["commission"]), month, inputs["months"])
    first = compensation.roll_forward([contract], [month]).iloc[0]
    assert first["closing"] == first["capitalised"] - first["amortised"]
    return {
        "asset": first["capitalised"] / 100, "per_month": first["amortised"] / 100,
        "expensed": sum(cents(other) for other in inputs["other_costs"]) / 100,
    }  # fmt: skip


MECHANICS: dict[str, Callable[[Inputs], dict]] = {
    function.__name__: function
    for function in (
        marginal_tiers, tier_vs_marginal, whole_attainment, per_transaction_step, per_transaction_interpolated, blended_rate,
        over_quota_bands, multi_year_shared_quota, quota_credit_uplift, recoverable_draw_delayed, hard_cap, clawback_share,
        clawback_paid_only, clawback_prorata, split_pool, manager_override, quota_proration_weighted, team_quota_ramp, spif,
        spif_tiered, pay_on_receipt, line_rates, capitalisation,
    )
} | {"recoverable_draw": drawn}  # fmt: skip


@pytest.mark.skipif(
    not CASES, reason="no worked examples: put shared/ beside the checkout or name their folder in REVOPS_CASES"
)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']} {case['mechanic']}")
def test_a_published_example_is_reproduced(case):
    found = MECHANICS[case["mechanic"]](case["inputs"])
    for name, expected in case["expected"].items():
        if isinstance(expected, dict):
            assert {key: found[name][key] for key in expected} == pytest.approx(expected, abs=1e-9), name
        else:
            assert found[name] == pytest.approx(expected, abs=1e-9), name
