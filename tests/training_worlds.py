"""Sellers and quarters of made-up companies as `sellers_quarters` gives them, straight from the played weeks: a company that is
laid on disk and read again takes ten times as long."""

from __future__ import annotations

import numpy as np
import pandas as pd

from revops_lib.sample import arrivals, deals, market, people, variants
from revops_lib.sample import world as laws
from revops_lib.sample.events import FIELDS
from revops_lib.sample.people import FOREVER

DAYS = 26 * 7


def played(seed: int, *, scale: float, training: bool) -> pd.DataFrame:
    """rep_id, team, quarter, started, value (moves), expected; with and without `training` the same people on the same days."""
    world = laws.world(seed, scale, bottleneck=None, drop=None, variant=variants.named(None))
    staff = people.hire(world, training=training)
    story = deals.play(world, staff, arrivals.arrive(world, staff, market.accounts(world)))
    spent = _spent(world, story)
    rates = (
        spent[~(spent["quarter"] >= _started(world, staff)[spent["rep"]])].groupby(["segment", "stage"])[["move", "n"]].sum()
    )
    rate = (rates["move"] / rates["n"]).rename("rate")
    spent = spent.join(rate, on=["segment", "stage"])
    cells = spent.assign(expected=spent["rate"] * spent["n"], value=spent["move"]).groupby(["rep", "quarter"])
    grid = (
        _there(world, staff)
        .join(cells[["value", "expected"]].sum(), on=["rep", "quarter"])
        .fillna({"value": 0.0, "expected": 0.0})
    )
    quarters = pd.PeriodIndex(world.calendar.quarters)
    started = pd.Series(_started(world, staff)[grid["rep"]], index=grid.index)
    return pd.DataFrame({
        "rep_id": staff.ids[grid["rep"]], "team": staff.team.max(axis=0)[grid["rep"]], "quarter": quarters[grid["quarter"]],
        "started": pd.PeriodIndex([quarters[q] if q < len(quarters) else pd.NaT for q in started], freq=quarters.freq),
        "value": grid["value"].to_numpy(), "expected": grid["expected"].to_numpy(),
    })  # fmt: skip


def few(seed: int, trained: int, others: int, *, team_shock: float = 0.0) -> pd.DataFrame:
    """Sellers of unequal size and no effect: Poisson counts, person's own course AR(0.5), and of teams of five AR(0.7)."""
    quarters, rng, n = pd.period_range("2021Q1", "2024Q4", freq="Q-DEC"), np.random.default_rng(seed), trained + others
    size, team = 15 * np.exp(rng.normal(0, 0.7, n)), np.arange(n) // 5
    course = _drifts(rng, n, len(quarters), 0.5, 0.2) + _drifts(rng, team.max() + 1, len(quarters), 0.7, team_shock)[team]
    sellers = pd.DataFrame({"rep_id": np.arange(n), "team": team, "expected": size})
    sellers["started"] = pd.PeriodIndex(np.where(np.arange(n) < trained, "2023Q1", "NaT"), freq="Q-DEC")
    rows = sellers.loc[np.repeat(np.arange(n), len(quarters))].reset_index(drop=True)
    return rows.assign(quarter=list(quarters) * n, value=rng.poisson(size[:, None] * np.exp(course)).ravel().astype(float))


def _drifts(rng: np.random.Generator, n: int, length: int, memory: float, sd: float) -> np.ndarray:
    steps = rng.normal(0, sd, (n, length))
    for t in range(1, length):
        steps[:, t] += memory * steps[:, t - 1]
    return steps


def _started(world: laws.World, staff: people.Staff) -> np.ndarray:
    """The quarter of each rep's training, beyond the last one for never."""
    day = np.where(staff.trained < FOREVER, staff.trained, FOREVER)
    return np.where(
        day < FOREVER, world.calendar.quarter[np.searchsorted(world.calendar.start, day, "right").clip(1) - 1], 10**3
    )


def _spent(world: laws.World, story) -> pd.DataFrame:
    """Weeks at risk (n) and moves on of open deals, one row per owner, quarter, segment and stage."""
    cal = world.calendar
    events = story.events[story.events["field"].isin([FIELDS.index("stage"), FIELDS.index("owner_id")])]
    events = events.sort_values(["deal", "step"], kind="stable")
    owner = events["value"].where(events["field"] == FIELDS.index("owner_id")).groupby(events["deal"]).ffill()
    stays = events.assign(rep=owner)[events["field"] == FIELDS.index("stage")]
    last = stays["deal"] != stays["deal"].shift(-1)
    stays["until"] = stays["step"].shift(-1).where(~last, cal.n_known).astype(int)
    onward = stays["value"].shift(-1).where(~last, -1)
    stays["on"] = (onward > stays["value"]) & (onward != laws.LOST)
    stays = stays[stays["value"] < len(laws.OPEN_STAGES)].reset_index(drop=True)
    weeks = stays.loc[stays.index.repeat(stays["until"] - stays["step"])]
    step = weeks["step"] + 1 + weeks.groupby(level=0).cumcount()
    weeks = weeks.assign(at=step, move=(weeks["on"] & (step == weeks["until"])).astype(float), n=1.0)[step < cal.n_known]
    weeks["quarter"], weeks["segment"] = cal.quarter[weeks["at"]], story.arrivals.segment[weeks["deal"]]
    weeks = weeks.astype({"rep": int}).rename(columns={"value": "stage"})
    return weeks.groupby(["rep", "quarter", "segment", "stage"], as_index=False)[["move", "n"]].sum()


def _there(world: laws.World, staff: people.Staff) -> pd.DataFrame:
    """Account executives × whole quarters, hired half a year before, not gone."""
    cal = world.calendar
    n = cal.n_known // 13
    begins, ends = cal.start[::13][:n], cal.stop[12::13][:n]
    sellers = np.flatnonzero(staff.role == "account_executive")
    there = (staff.hired[sellers, None] + DAYS <= begins) & (staff.ends[sellers, None] >= ends)
    rep, quarter = np.nonzero(there)
    return pd.DataFrame({"rep": sellers[rep], "quarter": quarter})
