"""SPIFs whose windows overlap, quarter after quarter, beside a plain loop over the deals in their order."""

from __future__ import annotations

import random

import pandas as pd
import pytest
import yaml
from test_entries import component, credit, deal, plan_of, quota, seller, spif

from revops_lib import compensation, money
from revops_lib.snapshot import Snapshot

DAYS = pd.date_range("2026-04-01", "2026-12-31")
WINDOWS = [("2026-04-01", "2026-06-30"), ("2026-05-15", "2026-10-31"), ("2026-07-01", "2026-12-31")]


def loop(awards: list[dict], deals: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Cents by SPIF and quarter: each deal in the order of days and names; who was paid by an earlier one is left out of one
    that does not stack, and a budget lasts until it is used up."""
    paid_by: dict[str, set[str]] = {}
    found: dict[tuple[str, str], int] = {}
    for award in awards:
        left = 10**9 if award["budget"] == "none" else int(award["budget"]) * 100
        for day, name in sorted(deals):
            is_in = award["window"]["from"] <= day <= award["window"]["to"]
            if not is_in or (not award["stacks"] and paid_by.get(name)):
                continue
            pays = min(int(award["award"]["fixed"]) * 100, left)
            left -= pays
            if pays:
                paid_by.setdefault(name, set()).add(award["component"])
            key = award["component"], str(pd.Period(day, freq="Q"))
            found[key] = found.get(key, 0) + pays
    return {key: cents for key, cents in found.items() if cents}


@pytest.mark.parametrize("seed", range(4))
def test_spifs_stack_or_not_across_quarters_as_a_plain_loop_says(company, seed):
    drawn = random.Random(seed)
    names = ["spring", "middle", "autumn"]
    awards = [
        spif(component=name, window={"from": first, "to": last}, stacks=drawn.random() < 0.4,
             award={"fixed": str(drawn.choice([100, 300, 500]))}, budget=drawn.choice(["none", "700", "1300"]))
        for name, (first, last) in zip(names, WINDOWS, strict=True)
    ]  # fmt: skip
    deals = [(str(drawn.choice(DAYS).date()), f"D{number:02}") for number in range(14)]
    folder = company(
        opportunities=[deal(name, day) for day, name in deals],
        credits=[credit(name, drawn.choice("xy")) for _, name in deals],
        reps=[seller(rep) for rep in "xy"], quotas=[row for rep in "xy" for row in quota(rep)],
    )  # fmt: skip
    (folder / "plans").mkdir()
    (folder / "plans" / "p.yml").write_text(yaml.safe_dump(plan_of(component(), *awards), sort_keys=False), encoding="utf-8")
    found: dict[tuple[str, str], int] = {}
    for quarter in ("2026Q2", "2026Q3", "2026Q4"):
        snapshot = Snapshot(folder, quarter=quarter, as_of="2026-12-31")
        lines = compensation.entries(snapshot, compensation.plan(snapshot, name="p"))
        lines = lines[lines["cause"] == "spif"]
        sums = money.to_cents(lines["pay"]).groupby(lines["component"]).sum()
        found |= {(str(name), quarter): int(cents) for name, cents in sums.items() if cents}
    expected = loop(awards, deals)
    assert found == expected and len({quarter for _, quarter in expected}) > 1, f"seed {seed}"
