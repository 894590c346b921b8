"""What finance and operations keep about deals: credits, quotas, subscriptions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import money, tables
from .arrivals import Arrivals
from .events import Played
from .market import PRODUCTS, Accounts
from .people import Staff
from .world import CURRENCY, World, date_of

SPLIT_SHARE, OWNER_SPLIT = 0.15, 0.6  # deals shared by two account executives, and the owner's part
OVERLAY_SHARE, OVERLAY = 0.20, 0.2  # deals with a solution engineer's overlay credit, and its part
QUOTA = (11_000, 34_000, 170_000)  # EUR per quarter in 2020Q3, by the rep's segment
QUOTA_GROWTH = 0.03  # per quarter, log
RAMP_QUOTA = (0.25, 0.50, 0.75)  # first quarters after hiring
RENEWED, UPLIFTED = 0.86, 0.45  # at each anniversary: share that stays, share of those that grows
TRIALS = 0.15  # share of Platform deals that had a trial


def credits(world: World, staff: Staff, played: Played, ids: np.ndarray) -> pd.DataFrame:
    deals = played.won
    number, step, owner = played.arrivals.number[deals], played.won_step[deals], played.won_owner[deals]
    dice = world.dice
    cells = zip(step.tolist(), dice.uniform("split with", number), played.arrivals.segment[deals], strict=True)
    partner = np.array([staff.pick(s, np.array([c]), g)[0] for s, c, g in cells], dtype=np.int64)
    split = (dice.uniform("split", number) < SPLIT_SHARE) & (partner != owner)
    engineers = np.flatnonzero(staff.role == "solution_engineer")
    engineer = engineers[(dice.uniform("overlay by", number) * len(engineers)).astype(int)]
    overlay = dice.uniform("overlay", number) < OVERLAY_SHARE
    parts = [
        pd.DataFrame({"deal": deals, "rep": owner, "share": np.where(split, OWNER_SPLIT, 1.0), "kind": "split"}),
        pd.DataFrame({"deal": deals, "rep": partner, "share": 1 - OWNER_SPLIT, "kind": "split"})[split],
        pd.DataFrame({"deal": deals, "rep": engineer, "share": OVERLAY, "kind": "overlay"})[overlay],
    ]
    rows = pd.concat(parts).sort_values(["deal", "kind", "share"], ascending=[True, False, False], kind="stable")
    return tables.conform("credits", rows.assign(opportunity_id=ids[rows["deal"]], rep_id=staff.ids[rows["rep"]]).drop(
        columns=["deal", "rep"]))  # fmt: skip


def quotas(world: World, staff: Staff) -> pd.DataFrame:
    """Each quarter's target of every account executive active at its start: by segment, growing, lower after hiring."""
    cal, rows = world.calendar, []
    for index, quarter in enumerate(cal.quarters):
        first = 13 * index
        for rep in np.flatnonzero(staff.load[first] > 0):
            age = index - cal.quarter[np.searchsorted(cal.start, staff.hired[rep])]
            ramps = staff.hired[rep] > cal.start[0] and age < len(RAMP_QUOTA)
            target = QUOTA[staff.focus[rep]] * np.exp(QUOTA_GROWTH * index) * (RAMP_QUOTA[age] if ramps else 1.0)
            rows.append((staff.ids[rep], str(quarter), "bookings", round(target / 500) * 500, CURRENCY))
    frame = pd.DataFrame(rows, columns=["rep_id", "quarter", "measure", "amount", "currency"])
    return tables.conform("quotas", frame.assign(amount=money.from_cents(frame["amount"] * 100)))


def subscriptions(world: World, played: Played, accounts: Accounts) -> pd.DataFrame:
    """Yearly contracts of won Platform deals: churn or uplift at each anniversary; trials before some deals."""
    cal, rng, arrivals = world.calendar, world.dice.rng("subscriptions"), played.arrivals
    end = int(cal.stop[cal.n_known - 1]) - 1
    platform = np.flatnonzero((PRODUCTS["family"].to_numpy() == "Platform")[arrivals.product])
    deals = platform[played.won_step[platform] >= 0]
    periods = _contracts(cal.stop[played.won_step[deals]] + 5, played.final_cents[deals], end, rng)
    periods["deal"] = deals[periods["contract"]]
    periods = pd.concat([periods, _trials(world, played, arrivals, platform, end)], ignore_index=True)
    periods = periods.sort_values(["start", "deal", "is_trial"], kind="stable", ignore_index=True)
    number = periods.groupby(["deal", "is_trial"], sort=False).ngroup() + 1
    return tables.conform("subscriptions", pd.DataFrame({
        "subscription_id": [f"S{value:05d}" for value in number],
        "account_id": accounts.frame["account_id"].to_numpy(dtype=object)[arrivals.account[periods["deal"]]],
        "product_id": PRODUCTS["product_id"].to_numpy(dtype=object)[arrivals.product[periods["deal"]]],
        "mrr": money.from_cents(periods["mrr"]), "currency": CURRENCY,
        "start_date": [date_of(day) for day in periods["start"]],
        "end_date": [date_of(day) if day <= end else None for day in periods["stop"]],
        "is_trial": periods["is_trial"],
    }))  # fmt: skip


def _contracts(start: np.ndarray, cents: np.ndarray, end: int, rng: np.random.Generator) -> pd.DataFrame:
    """One row per contract and price: a new row begins where the price changes."""
    contract, mrr, stop = np.arange(len(start)), (2 * cents + 12) // 24, start + 365
    live, parts = start <= end, []
    begin = start.copy()
    while live.any():
        due = live & (stop <= end)
        stays, grows = rng.random(len(start)) < RENEWED, rng.random(len(start)) < UPLIFTED
        factor = rng.integers(103, 131, len(start))
        closed = (live & ~due) | (due & ~stays) | (due & stays & grows)
        last = np.where(live & ~due, end + 1, stop - 1)
        parts.append(pd.DataFrame({"contract": contract, "mrr": mrr, "start": begin, "stop": last})[closed])
        renewed = due & stays & grows
        begin, mrr = np.where(renewed, stop, begin), np.where(renewed, mrr * factor // 100, mrr)
        live, stop = due & stays, stop + 365
    return pd.concat(parts, ignore_index=True).assign(is_trial=False)


def _trials(world: World, played: Played, arrivals: Arrivals, platform: np.ndarray, end: int) -> pd.DataFrame:
    """Thirty days from some days after the deal was created, at a price nobody pays yet."""
    tried = platform[world.dice.uniform("trial", arrivals.number[platform]) < TRIALS]
    lag = 3 + (world.dice.uniform("trial start", arrivals.number[tried]) * 15).astype(np.int64)
    start = arrivals.created[tried] // 86_400 + lag
    trials = pd.DataFrame({"deal": tried, "mrr": (2 * arrivals.cents[tried] + 12) // 24, "start": start,
                           "stop": start + 29, "is_trial": True})  # fmt: skip
    return trials[trials["start"] <= end]
