"""The model: empirical win probability by stage and age, deals yet to be created, one shock per path."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .points import AGE_BOUNDS, Point

PATHS = 4000
PRIOR = 10.0  # deals' worth of trust in the coarser rate


def simulate(point: Point, learned: list[Point], *, seed: int) -> dict[str, np.ndarray]:
    """Simulated results of the quarter, part by part; one array entry per path, parts of a path add up to its total."""
    random = np.random.default_rng([seed, point.quarter.ordinal])
    table = _win_table(learned)
    growth = _value_growth(learned)
    expected = np.array([(_probability(p.deals, table)).sum() for p in learned])
    observed = np.array([p.deals["is_won"].sum() for p in learned], dtype=float)
    shock = random.normal(0, _shock_sd(observed, expected), PATHS)
    p = _probability(point.deals, table)
    weight = point.deals["weight"].to_numpy() * growth
    chance = 1 - (1 - p)[None, :] ** np.exp(shock)[:, None]
    open_part = (random.random(chance.shape) < chance) @ weight if len(p) else np.zeros(PATHS)
    scale = [q.won_later / q.trailing for q in learned if q.trailing > 0]
    later = (
        random.choice(scale, PATHS) * point.trailing
        if scale and point.trailing > 0
        else random.choice([q.won_later for q in learned], PATHS)
    )
    later = later * np.exp(shock)
    won = np.full(PATHS, point.won_to_date)
    return {
        "won to date": won,
        "open pipeline": open_part,
        "yet to be created": later,
        "total": won + open_part + later,
    }


def _win_table(learned: list[Point]) -> pd.DataFrame:
    """Share of past open deals won by the end of their quarter, by stage and age; small cells lean on coarser ones."""
    deals = pd.concat([p.deals[["stage_cell", "age_cell", "is_won"]] for p in learned], ignore_index=True)
    overall = deals["is_won"].mean()
    stage = deals.groupby("stage_cell")["is_won"].agg(["sum", "size"])
    stage_rate = (stage["sum"] + PRIOR * overall) / (stage["size"] + PRIOR)
    cell = deals.groupby(["stage_cell", "age_cell"])["is_won"].agg(["sum", "size"])
    prior = cell.index.get_level_values("stage_cell").map(stage_rate)
    cell["p"] = (cell["sum"] + PRIOR * prior) / (cell["size"] + PRIOR)
    table = cell["p"].unstack().reindex(columns=range(len(AGE_BOUNDS) + 1))
    table = table.reindex(stage_rate.index)
    return table.apply(lambda column: column.fillna(stage_rate)).assign(other=stage_rate)


def _probability(deals: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """Win probability of each open deal; a stage never seen before gets the lowest known rate."""
    row = table.index.get_indexer(deals["stage_cell"])
    p = table.to_numpy()[row, deals["age_cell"].to_numpy()]
    return np.where(row >= 0, p, np.nanmin(table.to_numpy()))


def _value_growth(learned: list[Point]) -> float:
    """Won amount of past open deals over their amount while open: deals shrink on the way to the signature."""
    asked = sum(float(p.deals.loc[p.deals["is_won"] & (p.deals["weight"] > 0), "weight"].sum()) for p in learned)
    got = sum(float(p.deals.loc[p.deals["is_won"] & (p.deals["weight"] > 0), "won_weight"].sum()) for p in learned)
    return got / asked if asked > 0 else 1.0


def _shock_sd(observed: np.ndarray, expected: np.ndarray) -> float:
    """Between-quarter standard deviation of log(observed ÷ expected) beyond chance (DerSimonian & Laird 1986)."""
    if len(observed) < 3:
        return 0.2  # too few quarters to estimate: what a usual B2B company shows
    y, w = np.log((observed + 0.5) / (expected + 0.5)), observed + 0.5
    q = (w * (y - (w * y).sum() / w.sum()) ** 2).sum()
    return float(np.sqrt(max(0.0, (q - (len(y) - 1)) / (w.sum() - (w**2).sum() / w.sum()))))
