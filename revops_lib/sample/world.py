"""The laws of the made-up company: its calendar, market, hazards and dice.

Time runs in steps: the 13 weeks of each calendar quarter, the last one lasting until the quarter's end. Days are
counted from 1970-01-01. Nothing here knows a single deal.
"""

from __future__ import annotations

import datetime as dt
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .. import periods
from .variants import Variant

KNOWN_UNTIL = dt.date(2026, 11, 15)
TIMEZONE, CURRENCY = "Europe/Paris", "EUR"
FIRST_QUARTER, LAST_QUARTER = "2020Q3", "2026Q4"

SEGMENTS = ("SMB", "Mid-market", "Enterprise")
REGIONS = ("North", "South", "West")
SOURCES = ("inbound", "outbound", "partner", "event")
OPEN_STAGES = ("Discovery", "Qualification", "Proposal", "Negotiation", "Contracting")
PROBABILITIES = (0.10, 0.25, 0.40, 0.60, 0.80)
STAGES = (*OPEN_STAGES, "Closed Won", "Closed Lost")
PROPOSAL, CONTRACTING, WON, LOST = 2, 4, 5, 6  # positions in STAGES

# Weekly hazards per segment (row) and open stage (column).
ADVANCE = np.array([
    [0.420, 0.430, 0.410, 0.440, 0.420],
    [0.325, 0.330, 0.315, 0.335, 0.330],
    [0.225, 0.230, 0.220, 0.235, 0.235],
])  # fmt: skip
LOSS = np.array([
    [0.210, 0.196, 0.147, 0.112, 0.070],
    [0.158, 0.150, 0.108, 0.082, 0.051],
    [0.104, 0.100, 0.072, 0.056, 0.036],
])  # fmt: skip
QUALITY_ON_ADVANCE, QUALITY_ON_LOSS = 0.55, -0.45
AGE_ON_LOSS = 0.012  # per week since creation
STAY_ON_ADVANCE, STAY_LIMIT = -0.10 / 3, 12  # per week in the stage, up to the limit
# Contracting closes late in the quarter and slowly at its start; index = week of the quarter.
RUSH = np.array([0, -0.5, -0.25, 0, 0, 0, 0, 0, 0, 0, 0, 0.35, 0.8, 1.3])
CLOSING_SEASON = np.array([-0.05, 0.0, -0.05, 0.10])  # by calendar quarter, Contracting only

ARRIVALS = np.array([2.50, 1.80, 1.30])  # new deals per week and segment when the company starts
GROWTH = 0.0035  # per week, log
SEASON = np.array([0.93, 1.00, 0.92, 1.15])  # arrivals by calendar quarter
SOURCE_SHARES = np.array([
    [0.40, 0.22, 0.22, 0.16],
    [0.26, 0.20, 0.42, 0.12],
    [0.06, 0.10, 0.80, 0.04],
])  # fmt: skip
LOG_AMOUNT, LOG_AMOUNT_SD = np.log([8_000, 35_000, 160_000]), np.array([0.50, 0.55, 0.70])
DISCOUNT, DISCOUNT_SD = -0.05, 0.10  # log of won amount over the amount before
TYPICAL_DAYS = np.array([60, 75, 110])  # what reps expect a deal to take, per segment

SHOCK_RHO, SHOCK_SD = 0.4, 0.14
REP_SD = 0.22
RAMP_WEEKS, RAMP_EFFECT = 26, -0.30  # a new hire starts this much slower (log) and catches up linearly

# What is planted.
BOTTLENECK: dict[str, Any] = {"stage": "Proposal", "segment": "SMB", "from": dt.date(2025, 10, 1), "multiplier": 0.5}
DROP: dict[str, Any] = {"driver": "opportunities", "source": "partner", "from": dt.date(2026, 4, 1), "multiplier": 0.15}
DRIVERS = {
    "opportunities": "share of new opportunities that still arrive", "win_rate": "loss hazard", "deal_value": "won amount",
}  # fmt: skip
TRAINING = {"Alder": dt.date(2023, 4, 1), "Cedar": dt.date(2023, 4, 1), "Birch": dt.date(2024, 1, 1)}
TRAINING_MULTIPLIER = 1.25
QUALIFICATION: dict[str, Any] = {"from": dt.date(2024, 7, 1), "log_odds": 0.8, "filled_in": 0.5}  # share of won deals
FAULT: dict[str, Any] = {"team": "Cedar", "from": dt.date(2026, 6, 1), "share": 0.60, "placeholder_cents": 100}
DUPLICATES: dict[str, Any] = {"n": 30, "n_recent": 12, "recent_from": dt.date(2026, 1, 1), "weeks_open": (3, 12)}


def day_number(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days


def date_of(day: int) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(day))


@dataclass(frozen=True)
class Calendar:
    """Arrays over steps; `workdays` holds each step's weekdays, `n_workdays` how many of them count."""

    quarters: tuple[pd.Period, ...]
    start: np.ndarray
    stop: np.ndarray
    quarter: np.ndarray  # index into quarters
    week: np.ndarray  # 1 to 13
    workdays: np.ndarray
    n_workdays: np.ndarray
    n_known: int  # steps that begin before the data end; the last of them is cut at that day

    @property
    def exposure(self) -> np.ndarray:
        """Length of each step in weeks."""
        return (self.stop - self.start) / 7

    @cached_property
    def quarter_ends(self) -> np.ndarray:
        """Last day of every quarter, with two years beyond the last one for expected close dates."""
        return np.array([day_number(periods.last_day(self.quarters[0] + i)) for i in range(len(self.quarters) + 8)])

    def season(self, step: int) -> int:
        return self.quarters[self.quarter[step]].quarter - 1

    def next_workday(self, days: np.ndarray) -> np.ndarray:
        """The day itself, or the Monday after a weekend."""
        weekday = (days + 3) % 7  # 1970-01-01 was a Thursday
        return days + np.where(weekday == 5, 2, np.where(weekday == 6, 1, 0))


def calendar() -> Calendar:
    end = day_number(KNOWN_UNTIL) + 1
    first, last = periods.quarter(FIRST_QUARTER), periods.quarter(LAST_QUARTER)
    quarters = tuple(first + i for i in range((last - first).n + 1))
    starts, stops, of_quarter, weeks = [], [], [], []
    for index, quarter in enumerate(quarters):
        day, beyond = day_number(periods.first_day(quarter)), day_number(periods.last_day(quarter)) + 1
        for week in range(1, 14):
            begin = day + 7 * (week - 1)
            finish = beyond if week == 13 else begin + 7
            starts.append(begin)
            stops.append(end if begin < end < finish else finish)
            of_quarter.append(index)
            weeks.append(week)
    start, stop = np.array(starts), np.array(stops)
    days = [[d for d in range(a, b) if (d + 3) % 7 < 5] for a, b in zip(starts, stops, strict=True)]
    width = max(map(len, days))
    return Calendar(
        quarters, start, stop, np.array(of_quarter), np.array(weeks),
        np.array([d + [d[-1]] * (width - len(d)) for d in days]), np.array(list(map(len, days))),
        int((start < end).sum()),
    )  # fmt: skip


COMPANIES = 56  # made-up companies skipped: seed 1 is one whose planted drop stands out of the noise


class Dice:
    """Random numbers that belong to a purpose, a thing and a step, so that no draw depends on how many came before.

    Switching one planted fact off therefore leaves every deal it does not touch as it was. `rng(part)` is an ordinary
    generator for what is drawn once and for all.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed + COMPANIES
        self._keys: dict[str, int] = {}

    def rng(self, part: str, *more: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence([self.seed, zlib.crc32(part.encode()), *more]))

    def uniform(self, purpose: str, thing: np.ndarray, step: int | np.ndarray = 0) -> np.ndarray:
        """One number in [0, 1) per thing: splitmix64 over purpose, thing and step."""
        if purpose not in self._keys:
            words = np.random.SeedSequence([self.seed, zlib.crc32(purpose.encode()), 64]).generate_state(1, np.uint64)
            self._keys[purpose] = int(words[0])
        steps = np.broadcast_to(np.asarray(step), thing.shape).astype(np.uint64)
        x = _mix(thing.astype(np.uint64) + np.uint64(self._keys[purpose]))
        x = _mix(x + (steps + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))
        return (x >> np.uint64(11)) * 2.0**-53

    def normal(self, purpose: str, thing: np.ndarray, step: int | np.ndarray = 0) -> np.ndarray:
        radius = np.sqrt(-2 * np.log1p(-self.uniform(purpose, thing, step)))
        return radius * np.cos(2 * np.pi * self.uniform(purpose + " angle", thing, step))


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@dataclass(frozen=True)
class World:
    calendar: Calendar
    dice: Dice
    scale: float
    shock: np.ndarray  # per quarter
    arrivals: np.ndarray  # expected new deals per step and segment before the planted drop
    keep: np.ndarray  # per step, segment and source, share of new deals that still arrive
    slowed: np.ndarray  # per step, segment and open stage, multiplier of the advance hazard
    lost: np.ndarray  # per step and segment, multiplier of the loss hazard
    price: np.ndarray  # per step and segment, multiplier of the won amount
    variant: Variant
    pace: np.ndarray  # per step, multiplier of every advance hazard
    added: np.ndarray  # per step, arrivals that a variant adds, as a share of `arrivals`
    gaming: np.ndarray  # per step, whether some reps' categories follow the calendar


def world(
    seed: int, scale: float, *, bottleneck: dict[str, Any] | None, drop: dict[str, Any] | None, variant: Variant
) -> World:
    cal, dice = calendar(), Dice(seed)
    steps = np.arange(len(cal.start))
    seasons = np.array([cal.season(int(step)) for step in steps])
    level = scale * np.exp(GROWTH * steps) * SEASON[seasons] * cal.exposure
    shape = (len(steps), len(SEGMENTS))
    effects = {driver: (drop if drop and drop["driver"] == driver else None) for driver in DRIVERS}
    begun = cal.start >= day_number(variant.begins)
    return World(
        calendar=cal, dice=dice, scale=scale, shock=_shocks(dice.rng("shock"), len(cal.quarters)),
        arrivals=level[:, None] * ARRIVALS[None, :],
        keep=_planted(effects["opportunities"], cal, (*shape, len(SOURCES)), source=SOURCES),
        slowed=_planted(bottleneck, cal, (*shape, len(OPEN_STAGES)), stage=OPEN_STAGES),
        lost=_planted(effects["win_rate"], cal, shape), price=_planted(effects["deal_value"], cal, shape),
        variant=variant, pace=np.where(begun, variant.advance, 1.0), added=np.where(begun, variant.arrivals - 1, 0.0),
        gaming=begun & (variant.gamers > 0),
    )  # fmt: skip


def _planted(fact: dict[str, Any] | None, cal: Calendar, shape: tuple[int, ...], **named: tuple[str, ...]) -> np.ndarray:
    """A planted fact's multiplier where it holds (steps, segments, and what is `named`), 1 elsewhere; a fact that names no
    segment, stage or source holds for all of them."""
    multiplier = np.ones(shape)
    if fact:
        where = [
            np.array([names.index(fact[key])] if fact.get(key) else range(len(names)))
            for key, names in {"segment": SEGMENTS, **named}.items()
        ]
        multiplier[np.ix_(np.flatnonzero(cal.start >= day_number(fact["from"])), *where)] = fact["multiplier"]
    return multiplier


def _shocks(rng: np.random.Generator, n: int) -> np.ndarray:
    noise = rng.standard_normal(n) * SHOCK_SD
    shock = np.empty(n)
    shock[0] = noise[0]
    for i in range(1, n):
        shock[i] = next_shock(shock[i - 1], noise[i])
    return shock


def next_shock(before: float, noise: np.ndarray | float) -> np.ndarray:
    """The market shock of a quarter after `before`; `noise` has the stationary standard deviation."""
    return SHOCK_RHO * before + np.sqrt(1 - SHOCK_RHO**2) * noise


def chances(world: World, step: int, segment: np.ndarray, stage: np.ndarray, weeks_in_stage: np.ndarray,
            age: np.ndarray, quality: np.ndarray, effect: np.ndarray, shock: np.ndarray | float,
            ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Chance to advance, and chance to move at all (advance or be lost), of each open deal in a step."""
    cal = world.calendar
    drift = QUALITY_ON_ADVANCE * quality + effect + shock + STAY_ON_ADVANCE * np.minimum(weeks_in_stage, STAY_LIMIT)
    drift = drift + np.where(stage == CONTRACTING, RUSH[cal.week[step]] + CLOSING_SEASON[cal.season(step)], 0.0)
    advance = ADVANCE[segment, stage] * np.exp(drift) * world.pace[step]
    advance = advance * world.slowed[step][segment, stage]
    lost = LOSS[segment, stage] * np.exp(QUALITY_ON_LOSS * quality + AGE_ON_LOSS * age) * world.lost[step][segment]
    move = -np.expm1(-(advance + lost) * cal.exposure[step])
    return move * advance / (advance + lost), move
