"""The page that tells how to write a plan: every key the reader knows is on it, and the reader takes every example of it."""

from __future__ import annotations

import ast
import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from revops_lib import compensation, money, sources
from revops_lib.compensation import draws, planfile, planparts, schedules
from revops_lib.compensation.plans import (
    ACCUMULATIONS,
    AWARDS,
    BASES,
    CAPS,
    CLAWBACKS,
    MEASURES,
    OF,
    PAYABLE,
    PRORATIONS,
    SOURCES,
)

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## Compensation plans")[1].split("\n## ")[0]
CHOICES = [
    *ACCUMULATIONS, *MEASURES, *OF, *BASES, *CAPS, *PAYABLE, *CLAWBACKS, *AWARDS, *SOURCES, *PRORATIONS, *draws.KINDS,
    *draws.PERIODS, *schedules.APPLICATIONS, *planparts.CREDITS, *planparts.ELIGIBLE, *planfile.KINDS, *money.ROUNDINGS,
]  # fmt: skip


def written(text: str) -> set[str]:
    """The words that stand as code."""
    spans = [*re.findall(r"```yaml\n(.*?)```", text, re.DOTALL), *re.findall(r"`([^`\n]+)`", text)]
    return {word for span in spans for word in re.findall(r"[a-z_]+", span)}


def asked() -> set[str]:
    """Every key that a reader of plans asks for: texts in calls of `keys`, and of the names they are kept under."""
    found: set[str] = set()
    for module in (planfile, planparts):
        tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "keys"]
        found |= {
            one.value
            for call in calls
            for one in ast.walk(call)
            if isinstance(one, ast.Constant) and isinstance(one.value, str)
        }
    return found | {*planfile.KEYS, *planparts.COMPONENT, *planparts.AWARD, *planparts.OBJECTIVES}


def test_every_key_and_choice_of_the_reader_is_on_the_page():
    assert {"within_months", "retroactive", "share_above"} < asked()
    assert {*asked(), *CHOICES} <= written(SECTION)


def test_a_key_that_is_not_told_would_be_missed():
    assert "ramp" not in written(SECTION.replace("ramp", ""))


BASE = yaml.safe_load((ROOT / "data/plans/account_executive.yml").read_text(encoding="utf-8"))


def examples() -> list[tuple[str, str]]:
    """Key and value of each example: mappings and lists as code, in the row or the sentence that begins with the key."""
    found = []
    for line in SECTION.splitlines():
        key = re.match(r"(?:\| |\*\*)`([a-z_]+)`", line)
        spans = re.findall(r"`([\[{][^`]+[\]}])`", line)
        found += [(key[1], span) for span in spans if key]
    return found


@pytest.mark.parametrize(("key", "text"), examples(), ids=[f"{key}: {text}" for key, text in examples()])
def test_the_reader_takes_every_example_of_the_page(key, text):
    value: Any = yaml.safe_load(text)
    plan = copy.deepcopy(BASE)
    rates, spif = plan["components"]
    if key in ("annual", "weights", "ramp"):
        quota = {"from": "plan", "annual": "1", "weights": ["1"] * 4, "proration": "none", "ramp": "none", key: value}
        plan["quota"] = quota
    elif key in plan:
        plan[key] = value
    elif key in ("credits", "tiers", "gate", "cap", "payable", "clawback", "credited"):
        rates[key] = [value] if key == "tiers" and isinstance(value, dict) else value
    elif key in CLAWBACKS:
        rates["clawback"] = value
    else:
        assert key in spif
        spif[key] = value
    compensation.planfile.read(plan, {}, "example")


@pytest.mark.parametrize("basis", ["quota", "amount", "target"])
def test_the_three_bases_pay_what_the_page_says(basis):
    plan = sources.read_yaml(ROOT / "tests/account_executive.yml")
    rates = ("1", "2") if basis == "target" else ("0.05", "0.10")
    starts = ("0", "100000" if basis == "amount" else "1")
    part = {"basis": basis, "tiers": [{"from": start, "rate": rate} for start, rate in zip(starts, rates, strict=True)]}
    plan["components"][0] |= part
    if basis == "target":
        plan["pay"] = {"base": "0", "variable": "5000"}
        plan["components"][0]["weight"] = "1"
    assert compensation.planfile.read(plan, {}, "example").pay(120_000_00, 100_000_00) == 7_000_00
    assert SECTION.count("= 7,000 |") == 2
