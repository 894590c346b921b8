"""A company whose deals were won in one quarter and are paid or taken back in the next: what `pay.py` runs the ledger on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from revops_lib import money, tables

PLAN = """plan: rep
title: One rate, a part of it later
decided_by: the benchmark
source: the benchmark
applies_to: rep
currency: EUR
credit_order: [event_date, deal, line]
rounding: {mode: half_up, point: line}
boundaries: half_open
pay: none
quota: {from: table, proration: none, ramp: none}
draw: none
components:
  - component: bookings
    pays_on: credits
    what: a rate on what is won
    measure: bookings
    of: own
    credits: [split]
    credited: none
    commissionable: none
    basis: amount
    weight: none
    accumulation: quarter
    tier_application: marginal
    tiers: [{from: "0", rate: "0.065"}]
    gate: none
    cap: none
    payable: [{share: "0.8", on: booking}, {share: "0.2", on: {months: "3"}}]
    clawback: {kind: share, within_months: "12", share: "0.5", steps: none}
"""
OURS = """
from revops_lib import compensation, money
from revops_lib.snapshot import Snapshot
started = time.process_time()
snapshot = Snapshot(sys.argv[1], quarter="2026Q2")
lines = compensation.entries(snapshot, compensation.plan(snapshot, name="rep"))
seconds = time.process_time() - started
assert set(lines["cause"]) == {"released", "clawback"}
pay = money.to_cents(lines["pay"]).groupby(lines["deal"].str[1:].astype("int64")).sum()
"""
LOOP = """
from decimal import ROUND_HALF_UP, Decimal
cent, rate, later, half = Decimal("0.01"), Decimal("0.065"), Decimal("0.2"), Decimal("0.5")
deals = pd.read_parquet(sys.argv[1] + "/opportunities.parquet", columns=["opportunity_id", "owner_id", "amount", "close_date"])
gone = pd.read_parquet(sys.argv[1] + "/contracts.parquet").set_index("opportunity_id")["cancelled_date"]
gone = pd.to_datetime(gone).dt.date.to_dict()
started = time.process_time()
rows = deals.sort_values(["owner_id", "close_date", "opportunity_id"])
won = pd.to_datetime(rows["close_date"])
due = dict(zip(rows["opportunity_id"], (won + pd.DateOffset(months=3)).dt.date))
def rounded(amount):
    return amount.quantize(cent, ROUND_HALF_UP)
sold, pay = {}, {}
for deal, rep, amount in zip(rows["opportunity_id"], rows["owner_id"], rows["amount"]):
    before = sold.get(rep, Decimal(0))
    sold[rep] = before + Decimal(amount)
    earned = [rounded(before * rate), rounded(sold[rep] * rate)]
    held = rounded(earned[1] * later) - rounded(earned[0] * later)
    paid = earned[1] - earned[0] - held
    moved = held
    if deal in gone and gone[deal] < due[deal]:
        moved = -rounded(paid * half) + held - rounded(held * half)
    elif deal in gone:
        moved = held - rounded((paid + held) * half)
    pay[int(deal[1:])] = moved
seconds = time.process_time() - started
pay = pd.Series({key: int(value.scaleb(2)) for key, value in pay.items()}).sort_index()
"""


def lay(room: Path, deals: int) -> list[str]:
    """A dataset of deals won in the first quarter of 2026, each credited to one of 1,000 reps, and the plan."""
    rng = np.random.default_rng(7)
    ids, reps = pd.Series(range(deals)).map("D{:07}".format), pd.Series(rng.integers(0, 1000, deals)).map("R{:04}".format)
    cents = pd.Series(np.exp(rng.normal(14, 1, deals)).astype("int64"), dtype="Int64")
    day = pd.Timestamp("2026-01-01") + pd.to_timedelta(pd.Series(rng.integers(0, 90, deals)), unit="D")
    is_gone = rng.random(deals) < 0.03
    gone = pd.Timestamp("2026-04-01") + pd.to_timedelta(pd.Series(rng.integers(0, 91, deals)), unit="D")
    rows = {
        "stages": {"stage": ["Won"], "position": [1], "status": ["won"]},
        "reps": {"rep_id": sorted(set(reps)), "role": "rep", "team": "North"},
        "opportunities": {"opportunity_id": ids, "owner_id": reps, "amount": money.from_cents(cents), "currency": "EUR",
                          "stage": "Won", "status": "won", "created_at": pd.Timestamp("2025-11-01"), "close_date": day},
        "credits": {"opportunity_id": ids, "rep_id": reps, "share": 1.0, "kind": "split"},
        "contracts": {"opportunity_id": ids[is_gone], "term_months": 12, "cancelled_date": gone[is_gone]},
    }  # fmt: skip
    frames = {name: tables.conform(name, pd.DataFrame(given).reset_index(drop=True)) for name, given in rows.items()}
    told = {"name": "benchmark", "known_until": "2026-06-30", "timezone": "UTC", "fiscal_year_end": "DEC", "currency": "EUR",
            "tracked": [], "files": [], "aliases": [], "quarantined": []}  # fmt: skip
    tables.write(room, frames, told, {"plans/rep.yml": PLAN})
    return [str(room)]
