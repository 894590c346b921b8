"""Who sells: hires, leavers, moves, managers, how good and how trained each rep is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from .. import tables
from .world import (
    RAMP_EFFECT,
    RAMP_WEEKS,
    REGIONS,
    REP_SD,
    TRAINING,
    TRAINING_MULTIPLIER,
    World,
    date_of,
    day_number,
)

TEAMS = {"Alder": "North", "Birch": "North", "Cedar": "South", "Maple": "West"}
FOREVER = 10**6  # a day nobody reaches
MANAGER_CHANGE = ("Cedar", "2024-07-01")
MIN_LOAD = 0.4  # share of a full load of new deals that a new hire gets on the first day
OUTSIDE_FOCUS = 0.005  # weight of a rep for deals of segments other than the own
FOCUS = (0, 1, 2, 0, 1, 0, 1, 2)  # segments of a team's account executives in order of hiring, repeated
PER_TEAM = {"first": 3, "later": 5, "leavers": 2}  # account executives at scale 1


@dataclass
class Person:
    role: str
    hired: int
    postings: list[tuple[int, str]]  # (first day, team)
    ends: int = FOREVER  # day after the last one
    focus: int = -1  # position in SEGMENTS
    stays: bool = False  # never leaves nor moves, so that no team is ever empty
    rows: list[dict] = field(default_factory=list)


@dataclass(frozen=True)
class Staff:
    """Arrays are per rep, or per step and rep; only account executives own deals."""

    frame: pd.DataFrame
    ids: np.ndarray
    role: np.ndarray
    focus: np.ndarray  # position in SEGMENTS, -1 for those who own no deals
    skill: np.ndarray  # log effect on advancing
    trained: np.ndarray  # first trained day, FOREVER when never; whether it changes anything is in `effect`
    hired: np.ndarray
    ends: np.ndarray
    team: np.ndarray  # step × rep, position in TEAMS, -1 while not employed
    region: np.ndarray  # step × rep, position in REGIONS
    load: np.ndarray  # step × rep, weight in the allocation of new deals, 0 unless an active account executive
    effect: np.ndarray  # step × rep, log effect on advancing with training and ramp
    gamers: np.ndarray  # whose category follows the calendar, in the variant that has such

    def pick(self, step: int, chance: np.ndarray, segment: int, region: int | None = None) -> np.ndarray:
        """An active account executive for each chance in [0, 1), by load and focus, in one region or any."""
        weight = self.load[step] * np.where(self.focus == segment, 1.0, OUTSIDE_FOCUS)
        if region is not None:
            weight = weight * (self.region[step] == region)
        bounds = np.cumsum(weight)
        return np.searchsorted(bounds, chance * bounds[-1], side="right")

    def fit(self, step: int, segment: np.ndarray, region: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """An active account executive for each deal of a step, by its segment and region."""
        chosen = np.empty(len(segment), dtype=np.int64)
        for cell in np.unique(len(REGIONS) * segment + region).tolist():
            rows = len(REGIONS) * segment + region == cell
            chosen[rows] = self.pick(step, chance[rows], *divmod(cell, len(REGIONS)))
        return chosen


def hire(world: World, *, training: bool) -> Staff:
    rng = world.dice.rng("people")
    people = _employ(world, rng)
    people.sort(key=lambda p: (p.hired, p.role != "manager", p.postings[0][1], p.role))
    ids = np.array([f"R{number:03d}" for number in range(1, len(people) + 1)], dtype=object)
    _assign(people, ids)
    rows = [{"rep_id": ids[i], "name": f"Rep {i + 1:02d}", **row} for i, p in enumerate(people) for row in p.rows]
    trained = np.array([_trained(p) if p.role == "account_executive" else FOREVER for p in people])
    return _arrays(world, people, tables.conform("reps", pd.DataFrame(rows)), ids, trained, rng, training)


def _employ(world: World, rng: np.random.Generator) -> list[Person]:
    cal, scale = world.calendar, world.scale
    begin = int(cal.start[0])
    people = []
    for name in TEAMS:
        people.append(Person("manager", begin, [(begin, name)], stays=True))
        team = [Person("account_executive", begin, [(begin, name)]) for _ in range(_count(PER_TEAM["first"] * scale))]
        team[0].stays = True
        for step in np.sort(rng.integers(8, 290, _count(PER_TEAM["later"] * scale))):
            day = int(cal.start[step])
            team.append(Person("account_executive", day, [(day, name)]))
        for i, person in enumerate(team):
            person.focus = FOCUS[i % len(FOCUS)]
        settled = [p for p in team if not p.stays and p.hired < cal.start[220]]
        leavers = rng.choice(len(settled), min(len(settled), round(PER_TEAM["leavers"] * scale)), replace=False)
        for i in np.sort(leavers):
            earliest = int(np.searchsorted(cal.start, settled[i].hired)) + 78
            settled[i].ends = int(cal.start[rng.integers(earliest, 318)])
        people += team
    for region in REGIONS:
        name = next(team for team in TEAMS if TEAMS[team] == region)
        people += [Person("solution_engineer", begin, [(begin, name)]) for _ in range(_count(scale))]
    _move(world, people, rng)
    return _replace_manager(people)


def _count(expected: float) -> int:
    return max(1, round(expected))


def _move(world: World, people: list[Person], rng: np.random.Generator) -> None:
    """A few account executives change team at the start of a quarter."""
    cal, names = world.calendar, list(TEAMS)
    movable = [p for p in people if p.role == "account_executive" and not p.stays and p.ends == FOREVER
               and p.hired < cal.start[220]]  # fmt: skip
    for i in np.sort(rng.choice(len(movable), min(len(movable), round(3 * world.scale)), replace=False)):
        earliest = cal.quarter[np.searchsorted(cal.start, movable[i].hired)] + 4
        quarter = rng.integers(earliest, len(cal.quarters) - 2)
        team = names[(names.index(movable[i].postings[0][1]) + int(rng.integers(1, len(names)))) % len(names)]
        movable[i].postings.append((int(cal.start[13 * quarter]), team))


def _replace_manager(people: list[Person]) -> list[Person]:
    team, day = MANAGER_CHANGE[0], int(np.datetime64(MANAGER_CHANGE[1]).astype(int))
    old = next(p for p in people if p.role == "manager" and p.postings[0][1] == team)
    old.ends = day
    return [*people, Person("manager", day, [(day, team)])]


def _assign(people: list[Person], ids: np.ndarray) -> None:
    """One row per person and time with the same team and manager."""
    managers = [(p.postings[0][1], p.hired, p.ends, ids[i]) for i, p in enumerate(people) if p.role == "manager"]
    for person in people:
        stops = [*(day for day, _ in person.postings[1:]), person.ends]
        for (start, team), stop in zip(person.postings, stops, strict=True):
            bosses = [(max(start, a), min(stop, b), boss) for led, a, b, boss in managers if led == team]
            spans = [(start, stop, None)] if person.role == "manager" else [span for span in bosses if span[0] < span[1]]
            person.rows += [
                {"role": person.role, "team": team, "manager_id": boss, "region": TEAMS[team],
                 "hire_date": date_of(person.hired), "start_date": date_of(a),
                 "end_date": None if b >= FOREVER else date_of(b - 1)}
                for a, b, boss in spans
            ]  # fmt: skip


def _trained(person: Person) -> int:
    """First trained day: the team's training, or the day of joining a team trained before."""
    stops = [*(day for day, _ in person.postings[1:]), person.ends]
    days = [max(start, day_number(TRAINING[team]))
            for (start, team), stop in zip(person.postings, stops, strict=True)
            if team in TRAINING and day_number(TRAINING[team]) < stop]  # fmt: skip
    return min(days, default=FOREVER)


def _arrays(world: World, people: list[Person], frame: pd.DataFrame, ids: np.ndarray, trained: np.ndarray,
            rng: np.random.Generator, training: bool) -> Staff:  # fmt: skip
    start = world.calendar.start[:, None]
    hired, ends = np.array([p.hired for p in people]), np.array([p.ends for p in people])
    role = np.array([p.role for p in people], dtype=object)
    names = list(TEAMS)
    team = np.full((len(start), len(people)), -1)
    for i, person in enumerate(people):
        for day, name in person.postings:
            team[start[:, 0] >= day, i] = names.index(name)
    team[(start < hired) | (start >= ends)] = -1
    region_of = np.array([REGIONS.index(TEAMS[name]) for name in names] + [-1])
    seller = (team >= 0) & (role == "account_executive")
    newness = np.clip(1 - (start - hired) / (7 * RAMP_WEEKS), 0, 1) * (hired > world.calendar.start[0])
    skill = np.where(role == "account_executive", rng.standard_normal(len(people)) * REP_SD, 0.0)
    uplift = np.log(TRAINING_MULTIPLIER) if training else 0.0
    gamers = (role == "account_executive") & (world.dice.uniform("gamer", np.arange(len(ids))) < world.variant.gamers)
    return Staff(
        frame=frame, ids=ids, role=role, focus=np.array([p.focus for p in people]), skill=skill, trained=trained,
        hired=hired, ends=ends, team=team, region=region_of[team], load=seller * (1 - (1 - MIN_LOAD) * newness),
        effect=skill + uplift * (start >= trained) + RAMP_EFFECT * newness, gamers=gamers,
    )  # fmt: skip
