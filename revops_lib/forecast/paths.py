"""Simulated quarters: one shared shock per path, open deals won or not, new deals that come and are won in time."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import periods
from .hazards import Cohort, Hazards, Week
from .inflow import Inflow
from .odds import Odds
from .panel import WEEKS, Panel, start_of_week

PATHS = 1000
NODES = np.array([-2.5, -1.2, 0.0, 1.2, 2.5])  # shocks, in standard deviations, at which chances are computed


@dataclass(frozen=True)
class Paths:
    """`open`: amount won from each open deal, one row per path, one column per deal of `deals`. `created`: wins from deals
    that do not exist yet, one row each: path, segment, amount."""

    deals: pd.DataFrame
    chance: np.ndarray  # of each open deal, at the expected shock
    won_to_date: float
    open: np.ndarray
    created: pd.DataFrame

    @property
    def new(self) -> np.ndarray:
        """Amount won from deals that do not exist yet, per path."""
        return np.bincount(self.created["path"], self.created["amount"], len(self.open))

    @property
    def total(self) -> np.ndarray:
        return self.won_to_date + self.open.sum(axis=1) + self.new


@dataclass(frozen=True)
class WhatIf:
    """Chances to be won times `win_rate`, new deals times `new_pipeline`, a share `slip` of what open deals would bring in the
    first quarter is won later."""

    win_rate: float = 1.0
    new_pipeline: float = 1.0
    slip: float = 0.0


AS_IT_IS = WhatIf()


def simulate(
    panel: Panel, hazards: Hazards, odds: Odds, inflow: Inflow, quarter: pd.Period, day: dt.date, *, seed: int, ahead: int = 0,
    what_if: WhatIf = AS_IT_IS,
) -> list[Paths]:  # fmt: skip
    """Paths of `quarter`, which runs at the end of `day`, and of `ahead` quarters after it. A deal is won in one at most."""
    random = np.random.default_rng([seed, quarter.ordinal, day.toordinal()])
    deals, n = panel.open_on(day), len(panel.open_on(day))
    schedule = _schedule(quarter, day, ahead)
    new, flow, flow_sd = inflow.expected(day, schedule)
    mean, sd = hazards.shock(quarter, day)
    chances = np.clip(hazards.won(Cohort.of(deals) + new, schedule, mean + sd * NODES) * what_if.win_rate, 0.0, 1.0)
    z = random.standard_normal(PATHS)
    price = deals["weight"].to_numpy() * odds.ratio
    noise = np.exp(odds.spread * random.standard_normal((PATHS, n)) - odds.spread**2 / 2)
    luck = random.random((PATHS, n))
    surprise = np.exp(flow_sd * random.standard_normal(PATHS) - flow_sd**2 / 2)[:, None]
    found, upper, lower = [], np.zeros((PATHS, n)), np.zeros((PATHS, n))
    for index in range(ahead + 1):
        chance = _between(chances[index], z)
        upper = upper + chance[:, :n]
        in_time = upper if index else upper * (1 - what_if.slip)  # what slips is won in the next quarter
        won = (lower <= luck) & (luck < in_time)
        counts = random.poisson(chance[:, n:] * flow * what_if.new_pipeline * surprise)
        created = _drawn(counts, new.segment, inflow.amounts, random)
        so_far = panel.result(quarter + index, day)
        found.append(Paths(deals, chances[index, :n, len(NODES) // 2], so_far, won * price * noise, created))
        lower = in_time
    return found


def _drawn(counts: np.ndarray, segments: np.ndarray, amounts: list[np.ndarray], random: np.random.Generator) -> pd.DataFrame:
    """As many wins as each path has in each segment, with amounts drawn from past ones: path, segment, amount."""
    paths, codes, drawn = [], [], []
    for code, known in enumerate(amounts):
        number = counts[:, segments == code].sum(axis=1)
        path = np.repeat(np.arange(len(counts)), number if len(known) else 0)
        paths.append(path)
        codes.append(np.full(len(path), code))
        drawn.append(random.choice(known, len(path)) if len(path) else np.zeros(0))
    return pd.DataFrame({"path": np.concatenate(paths), "segment": np.concatenate(codes), "amount": np.concatenate(drawn)})


def _schedule(quarter: pd.Period, day: dt.date, ahead: int) -> list[Week]:
    """The weeks from the end of `day` to the end of the last quarter; the first one may be shorter."""
    weeks = []
    for index in range(ahead + 1):
        one = quarter + index
        for week in range(1, WEEKS + 1):
            end = start_of_week(one, week + 1) if week < WEEKS else periods.last_day(one)
            if end > day:
                weeks.append(Week(index, week, one.ordinal % 4, min((end - day).days / 7, 1.0)))
    return weeks


def _between(chances: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Chances at the shock of each path (rows) between the nodes at which they were computed."""
    at = np.clip(np.searchsorted(NODES, z) - 1, 0, len(NODES) - 2)
    part = np.clip((z - NODES[at]) / (NODES[at + 1] - NODES[at]), 0, 1)[:, None]
    return chances.T[at] * (1 - part) + chances.T[at + 1] * part
