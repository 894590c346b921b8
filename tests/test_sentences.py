"""What plans pay, in sentences that need no program to be read or added: tests/plans/*.yml."""

from __future__ import annotations

import copy
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from revops_lib import compensation, money, sources
from revops_lib.errors import RevopsError, UsageError, nearest
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(__file__).resolve().parent / "plans"
SENTENCES = [(file.stem, one) for file in sorted(FOLDER.glob("*.yml")) for one in sources.read_yaml(file)["sentences"]]
ASKED = {
    "sold": ("pays", "lines", "withheld"),
    "earned": ("paid", "debt"),
    "members": ("team_quota",),
    "deals": ("pays", "held"),
}
KEYS = ("sentence", "source", "plan", "change", "quota", "target", "quarter", "people", *ASKED, *sum(ASKED.values(), ()))
DEAL = ("deal", "won", "amount", "split", "overlay", "years", "prepaid", "type", "cancelled", "invoiced", "cash")
PERSON = ("quota", "hired", "manager", "role")


def cents(amount: Any) -> int:
    if not isinstance(amount, str):
        raise UsageError(f"{amount} stands without quotes", "a sentence", f'write "{amount}"')
    exact = Fraction(amount) * 100
    assert exact.denominator == 1, f"{amount} is no amount"
    return int(exact)


def plan_of(case: dict[str, Any]) -> compensation.Plan:
    """The plan a sentence speaks of: a file, or the plan itself, with what the sentence changes."""
    if isinstance(case["plan"], dict):
        plan = compensation.planfile.read(case["plan"], {}, "inline")
    else:
        folder, name = case["plan"].split("/")
        file = (ROOT / "data" / "plans" if folder == "data" else FOLDER / folder) / f"{name}.yml"
        plan = compensation.planfile.read(sources.read_yaml(file), sources.yaml_lines(file), name)
    if "change" not in case:
        return plan
    return compensation.patched(plan, {"plan": plan.name, "title": case["sentence"], "set": case["change"]})


def of_credits(plan: compensation.Plan, case: dict[str, Any]) -> dict[str, Any]:
    """What one person's credits pay, by component, and by credit."""
    sold = case["sold"] if isinstance(case["sold"], list) else [case["sold"]]
    index = pd.MultiIndex.from_tuples([("Ada", "now")])
    pays, withheld, lines = {}, 0, [0] * len(sold)
    for part in plan.components:
        rows = pd.DataFrame({
            "rep_id": "Ada", "window": "now", "event_date": pd.Timestamp(2026, 1, 1), "deal": [f"{i:03}" for i in range(len(sold))],
            "line": "", "kind": part.kinds[0], "credit": [cents(amount) for amount in sold],
        })  # fmt: skip
        target = cents(case["target"]) if "target" in case else plan.target(part)
        amounts = [cents(case.get("quota", "0")), target]
        quotas, targets = (pd.Series([amount], index=index) for amount in amounts)
        found = compensation.paid(
            part, rows.assign(base=rows["credit"]), quotas, gates={"Ada": Fraction(10**9)}, targets=targets
        )
        own = found["pay"] + found["held"]
        pays[part.name] = int(own.sum())
        withheld += int(found["withheld"].sum())
        lines = [line + int(amount) for line, amount in zip(lines, own, strict=True)]
    everything = sum(pays.values())
    return {"pays": pays if isinstance(case.get("pays"), dict) else everything, "withheld": withheld, "lines": lines}


def of_draw(plan: compensation.Plan, case: dict[str, Any]) -> dict[str, Any]:
    assert plan.draw is not None
    found = compensation.settled(plan.draw, [cents(amount) for amount in case["earned"]])
    return {name: found[name].tolist() for name in ("paid", "debt")}


def of_team(case: dict[str, Any]) -> dict[str, Any]:
    return {"team_quota": sum(compensation.ramped(cents(case["quota"]), 0, [Fraction(share)]) for share in case["members"])}


def of_deals(plan: compensation.Plan, case: dict[str, Any], company) -> dict[str, Any]:
    """What a small company's statements say."""
    deals, people = case["deals"], case["people"]
    for one, known in [(deal, DEAL) for deal in deals] + [(person, PERSON) for person in people.values()]:
        require_known(one, known)
    won = {"status": "won", "stage": "Won", "created_at": "2025-01-01", "currency": plan.currency}
    start = "2020-01-01"
    data = company(
        opportunities=[
            {**won, "opportunity_id": deal["deal"], "amount": deal["amount"], "close_date": str(deal["won"]), "type": deal.get("type", "new")}
            for deal in deals
        ],
        reps=[
            {"rep_id": name, "role": person.get("role", plan.role), "team": "Team", "manager_id": person.get("manager"),
             "hire_date": str(person.get("hired", start)), "start_date": str(person.get("hired", start))}
            for name, person in people.items()
        ],
        credits=[
            {"opportunity_id": deal["deal"], "rep_id": name, "share": float(share), "kind": kind}
            for deal in deals for kind in ("split", "overlay") for name, share in deal.get(kind, {}).items()
        ],
        quotas=[
            {"rep_id": name, "quarter": f"{year}Q{number}", "measure": "bookings", "amount": person["quota"], "currency": plan.currency}
            for name, person in people.items() if "quota" in person for year in (2025, 2026) for number in (1, 2, 3, 4)
        ],
        contracts=[
            {"opportunity_id": deal["deal"], "term_months": 12 * deal.get("years", 1), "is_prepaid": deal.get("prepaid", False),
             "cancelled_date": str(deal["cancelled"]) if "cancelled" in deal else None}
            for deal in deals
        ],
        invoices=[
            {"invoice_id": f"of {deal['deal']}", "opportunity_id": deal["deal"], "amount": deal["amount"], "currency": plan.currency,
             "invoiced_date": str(deal["invoiced"]), "paid_date": str(deal["cash"]) if "cash" in deal else None}
            for deal in deals if "invoiced" in deal
        ],
    )  # fmt: skip
    dataset = data / "dataset.json"
    dataset.write_text(dataset.read_text(encoding="utf-8").replace('"EUR"', f'"{plan.currency}"'), encoding="utf-8")
    found = compensation.statements(Snapshot(data, quarter=case["quarter"]), plan).set_index("rep_id")
    names = {"pays": "pay", "held": "held"}
    return {key: {str(name): int(own) for name, own in money.to_cents(found[names[key]]).dropna().items()} for key in names}


def require_known(given: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            raise UsageError(f"unknown key {key!r}", "a sentence", nearest(str(key), known))


def told(amount: Any) -> str:
    if isinstance(amount, dict):
        return ", ".join(f"{name} {told(own)}" for name, own in amount.items())
    return ", ".join(map(told, amount)) if isinstance(amount, list) else f"{Decimal(amount).scaleb(-2):,.2f}"


def expected(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: expected(own) for name, own in value.items()}
    return [expected(own) for own in value] if isinstance(value, list) else cents(value)


def check(case: dict[str, Any], company) -> None:
    """AssertionError with the sentence and both amounts where it is not true."""
    require_known(case, KEYS)
    asked = [key for key in ASKED if key in case]
    wanted = [key for key in sum(ASKED.values(), ()) if key in case]
    assert len(asked) == 1, f"{case['sentence']}\n  says {asked or 'nothing'}: write one of {', '.join(ASKED)}"
    assert wanted, f"{case['sentence']}\n  expects nothing: write {', '.join(ASKED[asked[0]])}"
    plan = plan_of(case)
    found = {
        "sold": lambda: of_credits(plan, case), "earned": lambda: of_draw(plan, case), "members": lambda: of_team(case),
        "deals": lambda: of_deals(plan, case, company),
    }[asked[0]]()  # fmt: skip
    for key in wanted:
        want = expected(case[key])
        if isinstance(want, dict):
            require_known(want, tuple(found[key]))
            found[key] = {name: found[key][name] for name in want}
        assert found[key] == want, f"{case['sentence']}\n  {key}: expected {told(want)}, is {told(found[key])}"


@pytest.mark.parametrize(("file", "case"), SENTENCES, ids=[f"{file}: {one['sentence']}" for file, one in SENTENCES])
def test_a_sentence_is_true(file, case, company):
    check(case, company)


def test_a_wrong_expectation_fails_with_the_sentence_and_both_amounts(company):
    case = next(one for _, one in SENTENCES if one.get("pays") == {"bookings": "84000"})
    wrong = {**copy.deepcopy(case), "pays": {"bookings": "83000"}}
    with pytest.raises(AssertionError, match=r"(?s)1,200,000 on a quota.*expected bookings 83,000.00, is bookings 84,000.00"):
        check(wrong, company)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"sells": "1"}, "unknown key 'sells'"),
        ({"change": {"components.bookings.tiers.9.rate": "1"}}, "there is no '9'"),
        ({"change": {"components.bookings.tiers.1.rate": 0.06}}, "bare number"),
        ({"sold": 1200000}, '1200000 stands without quotes — a sentence — write "1200000"'),
        ({"pays": {"booking": "84000"}}, "unknown key 'booking' — a sentence — did you mean bookings"),
        ({"plan": "published/nobody"}, "cannot read the file"),
    ],
)
def test_a_sentence_that_cannot_be_meant_is_refused(change, error, company):
    case = next(one for _, one in SENTENCES if one.get("pays") == {"bookings": "84000"})
    with pytest.raises(RevopsError, match=error):
        check({**case, **change}, company)


def test_an_amount_is_expected(company):
    case = {key: value for key, value in SENTENCES[0][1].items() if key not in ("pays", "lines", "withheld", "paid", "debt")}
    with pytest.raises(AssertionError, match="expects nothing"):
        check(case, company)
