"""What was knowable: forward simulation of a quarter with the true hazards, from the start of a week.

It knows each deal's quality, each rep's skill and the past quarters' market shocks; this quarter's shock and the deals
yet to come are drawn. Hand-overs and re-opened deals are left out.
A win counts from its close date, also while it is not recorded yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .events import Open, Played
from .people import Staff
from .world import (
    DISCOUNT,
    DISCOUNT_SD,
    LOG_AMOUNT,
    LOG_AMOUNT_SD,
    SHOCK_SD,
    SOURCE_SHARES,
    WON,
    World,
    chances,
    next_shock,
)


@dataclass(frozen=True)
class Outlook:
    """Bookings (EUR) of a quarter seen from a step: closed so far and still to come, per path and per rep."""

    step: int
    closed: np.ndarray  # per rep
    paths: np.ndarray  # to come, per path
    to_come: np.ndarray  # mean to come, per rep


def look_ahead(world: World, staff: Staff, played: Played, *, paths: int) -> list[Outlook]:
    """One outlook per origin: the start of weeks 1, 4, 8 and 12 of every quarter."""
    return [_outlook(world, staff, played, origin, paths) for origin in played.origins]


def _outlook(world: World, staff: Staff, played: Played, origin: Open, paths: int) -> Outlook:
    cal, step = world.calendar, origin.step
    quarter = cal.quarter[step]
    same = (cal.quarter[played.won_step] == quarter) & (played.won_step >= 0) & (played.won_step < step)
    closed = np.bincount(played.won_owner[same], played.final_cents[same] / 100, len(staff.ids))
    rng = world.dice.rng("oracle", step)
    before = world.shock[quarter - 1] if quarter else 0.0
    shock = next_shock(before, rng.standard_normal(paths) * SHOCK_SD)
    path, owner, amount = _simulate(world, staff, played, origin, shock, rng)
    return Outlook(step, closed, np.bincount(path, amount, paths), np.bincount(owner, amount, len(staff.ids)) / paths)


def _simulate(world: World, staff: Staff, played: Played, origin: Open, shock: np.ndarray,
              rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Path, owner and amount of every win until the quarter's end."""
    cal, n_paths, arrivals = world.calendar, len(shock), played.arrivals
    last = int(np.flatnonzero(cal.quarter == cal.quarter[origin.step])[-1])
    live = {
        "path": np.repeat(np.arange(n_paths), len(origin.deal)), "stage": np.tile(origin.stage, n_paths),
        "entered": np.tile(origin.entered, n_paths), "born": np.tile(arrivals.step[origin.deal], n_paths),
        "segment": np.tile(arrivals.segment[origin.deal], n_paths), "owner": np.tile(origin.owner, n_paths),
        "quality": np.tile(arrivals.quality[origin.deal], n_paths), "amount": np.tile(origin.cents / 100, n_paths),
    }  # fmt: skip
    wins = []
    for step in range(origin.step, last + 1):
        advance, move = chances(
            world, step, live["segment"], live["stage"], step - live["entered"], step - live["born"], live["quality"],
            staff.effect[step, live["owner"]], shock[live["path"]])  # fmt: skip
        luck = rng.random(len(advance))
        forward = luck < advance
        skips = luck < world.variant.skipped * advance
        live["stage"] = np.minimum(live["stage"] + forward + skips, WON)
        live["entered"] = np.where(forward, step, live["entered"])
        won = live["stage"] == WON
        amount = live["amount"][won] * world.price[step, live["segment"][won]]
        wins.append([live["path"][won], live["owner"][won], amount])
        stays = ~won & (forward | (luck >= move))
        new = _arrivals(world, staff, step, n_paths, rng)
        live = {name: np.concatenate([values[stays], new[name]]) for name, values in live.items()}
    path, owner, amount = (np.concatenate(part) for part in zip(*wins, strict=True))
    return path, owner, amount * np.exp(DISCOUNT + DISCOUNT_SD * rng.standard_normal(len(amount)))


def _arrivals(world: World, staff: Staff, step: int, paths: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    expected = world.arrivals[step] * (1 + world.added[step]) * (SOURCE_SHARES * world.keep[step]).sum(axis=1)
    counts = rng.poisson(expected, (paths, 3)).ravel()
    segment = np.repeat(np.tile(np.arange(3), paths), counts)
    n = len(segment)
    owner, chance = np.empty(n, dtype=np.int64), rng.random(n)
    for which in range(3):
        owner[segment == which] = staff.pick(step, chance[segment == which], which)
    return {
        "path": np.repeat(np.repeat(np.arange(paths), 3), counts), "stage": np.zeros(n, dtype=np.int64),
        "entered": np.full(n, step), "born": np.full(n, step), "segment": segment,
        "owner": owner, "quality": rng.standard_normal(n),
        "amount": np.exp(LOG_AMOUNT[segment] + LOG_AMOUNT_SD[segment] * rng.standard_normal(n)),
    }  # fmt: skip
