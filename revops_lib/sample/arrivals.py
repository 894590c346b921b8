"""New deals: when they come, from where, for which account and product, how large, how good, and to whom they go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .market import PRODUCT_SHARES, PRODUCTS, Accounts
from .people import Staff
from .world import LOG_AMOUNT, LOG_AMOUNT_SD, SOURCE_SHARES, World, day_number


@dataclass(frozen=True)
class Arrivals:
    """What is fixed when a deal is created; arrays per deal in order of creation."""

    number: np.ndarray  # identity, the same whatever is planted
    step: np.ndarray
    created: np.ndarray  # seconds since 1970
    segment: np.ndarray
    source: np.ndarray
    account: np.ndarray
    product: np.ndarray
    cents: np.ndarray
    quality: np.ndarray
    owner: np.ndarray

    def __len__(self) -> int:
        return len(self.number)


def arrive(world: World, staff: Staff, accounts: Accounts) -> Arrivals:
    """New deals of every step; the planted drop removes some, a variant adds some, and neither touches any other."""
    deals = _draw(world, staff, accounts, world.dice.rng("arrivals"), world.arrivals)
    if world.added.any():
        more = _draw(world, staff, accounts, world.dice.rng("added arrivals"), world.arrivals * world.added[:, None])
        deals = {name: np.concatenate([values, more[name]]) for name, values in deals.items()}
    number = np.arange(len(deals["step"]))
    gone = world.dice.uniform("partner", number) >= world.keep[deals["step"], deals["segment"], deals["source"]]
    order = np.argsort(deals["created"], kind="stable")
    order = order[~gone[order]]
    return Arrivals(number=number[order], **{name: values[order] for name, values in deals.items()})


def _draw(world: World, staff: Staff, accounts: Accounts, rng: np.random.Generator,
          expected: np.ndarray) -> dict[str, np.ndarray]:  # fmt: skip
    """Deals by their expected number per step and segment, in order of creation."""
    cal = world.calendar
    counts = rng.poisson(expected[: cal.n_known])
    step = np.repeat(np.repeat(np.arange(cal.n_known), 3), counts.ravel())
    segment = np.repeat(np.tile(np.arange(3), cal.n_known), counts.ravel())
    n = len(step)
    created = _created(world, rng, step)
    order = np.argsort(created, kind="stable")
    created, step, segment = created[order], step[order], segment[order]
    source = _choose(SOURCE_SHARES[segment], rng.random(n))
    account = np.empty(n, dtype=np.int64)
    for which in range(3):
        pool, rows = accounts.of_segment(which), segment == which
        account[rows] = pool[rng.integers(0, len(pool), rows.sum())]
    shares = PRODUCT_SHARES[segment] * _on_sale(created // 86_400)
    product = _choose(shares / shares.sum(axis=1, keepdims=True), rng.random(n))
    amount = np.exp(LOG_AMOUNT[segment] + LOG_AMOUNT_SD[segment] * rng.standard_normal(n))
    quality, chance = rng.standard_normal(n), rng.random(n)
    return {
        "step": step, "created": created, "segment": segment, "source": source, "account": account, "product": product,
        "cents": np.maximum(np.round(amount / 50), 1).astype(np.int64) * 5_000, "quality": quality,
        "owner": _allocate(staff, step, segment, accounts.region[account], chance),
    }  # fmt: skip


def _created(world: World, rng: np.random.Generator, step: np.ndarray) -> np.ndarray:
    cal = world.calendar
    day = cal.workdays[step, (rng.random(len(step)) * cal.n_workdays[step]).astype(int)]
    return day * 86_400 + 8 * 3_600 + rng.integers(0, 8 * 3_600, len(step))


def _choose(shares: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """One column per row, drawn by the row's shares."""
    return np.minimum((np.cumsum(shares, axis=1) <= chance[:, None]).sum(axis=1), shares.shape[1] - 1)


def _on_sale(day: np.ndarray) -> np.ndarray:
    launched = pd.to_datetime(PRODUCTS["launch_date"]).dt.date.map(day_number).to_numpy()
    return (day[:, None] >= launched[None, :]).astype(float)


def _allocate(staff: Staff, step: np.ndarray, segment: np.ndarray, region: np.ndarray,
              chance: np.ndarray) -> np.ndarray:  # fmt: skip
    """An owner for each deal; steps are in order, so each step's deals stand together."""
    owner = np.empty(len(step), dtype=np.int64)
    steps, begins = np.unique(step, return_index=True)
    for now, begin, finish in zip(steps.tolist(), begins, [*begins[1:], len(step)], strict=True):
        rows = np.arange(begin, finish)
        owner[rows] = staff.fit(now, segment[rows], region[rows], chance[rows])
    return owner
