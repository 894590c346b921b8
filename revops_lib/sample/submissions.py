"""What people expect to book: account executives, and minutes later the managers of their teams."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import money, tables
from .deals import ORIGIN_WEEKS
from .oracle import Outlook
from .people import Staff
from .world import CURRENCY, World

BIAS = dict(zip(ORIGIN_WEEKS, (0.18, 0.14, 0.09, 0.04), strict=True))  # log, on what is still to come
NOISE = dict(zip(ORIGIN_WEEKS, (0.16, 0.13, 0.10, 0.05), strict=True))  # shared by all reps of a submission date
REP_NOISE = 0.12  # each rep's own, mean 1
MANAGERS_REMOVE = 0.5  # share of the reps' bias that a manager takes out
MANAGER_NOISE = 0.06  # each manager's own, mean 1
LATEST, MANAGERS_AFTER = 2_400, 3_000  # seconds after 17:00 UTC: reps until then, their managers from then on


def submissions(world: World, staff: Staff, outlooks: list[Outlook]) -> pd.DataFrame:
    """Both layers on the evening before weeks 1, 4, 8 and 12 begin: adding all rows up counts every deal twice."""
    rng, managers_rng = world.dice.rng("submissions"), world.dice.rng("manager submissions")
    frames = []
    for view in outlooks:
        week, quarter = int(world.calendar.week[view.step]), world.calendar.quarter[view.step]
        reps = _reps(world, staff, view, week, rng)
        both = pd.concat([reps, _managers(world, staff, view, week, reps, managers_rng)], ignore_index=True)
        frames.append(both.assign(quarter=str(world.calendar.quarters[quarter])))
    frame = pd.concat(frames, ignore_index=True)
    return tables.conform("forecast_submissions", pd.DataFrame({
        "quarter": frame["quarter"], "submitted_at": pd.to_datetime(frame["second"], unit="s"),
        "rep_id": staff.ids[frame["person"]], "category": "commit", "amount": money.from_cents(frame["cents"]),
        "currency": CURRENCY}))  # fmt: skip


def _reps(world: World, staff: Staff, view: Outlook, week: int, rng: np.random.Generator) -> pd.DataFrame:
    """What each active account executive expects: closed so far, plus the rest seen through planted bias."""
    shared = BIAS[week] + NOISE[week] * rng.standard_normal()
    own = REP_NOISE * rng.standard_normal(len(staff.ids)) - REP_NOISE**2 / 2
    seconds = rng.integers(0, LATEST, len(staff.ids))
    reps = np.flatnonzero((staff.load[view.step] > 0) & (staff.load[max(view.step - 1, 0)] > 0))
    amount = view.closed[reps] + view.to_come[reps] * np.exp(shared + own[reps])
    return _rows(world, view, reps, amount, seconds[reps])


def _managers(world: World, staff: Staff, view: Outlook, week: int, reps: pd.DataFrame,
              rng: np.random.Generator) -> pd.DataFrame:  # fmt: skip
    """What each manager expects: the sum of the team's numbers, with a part of their bias taken out of what is to come."""
    own = MANAGER_NOISE * rng.standard_normal(len(staff.ids)) - MANAGER_NOISE**2 / 2
    seconds = rng.integers(0, 300, len(staff.ids))
    team = staff.team[max(view.step - 1, 0)]
    managers = np.flatnonzero((staff.role == "manager") & (team >= 0))
    people, n_teams = reps["person"].to_numpy(), team.max() + 1
    closed = np.bincount(team[people], view.closed[people], n_teams)[team[managers]]
    submitted = np.bincount(team[people], reps["cents"] / 100, n_teams)[team[managers]]
    amount = closed + (submitted - closed) * np.exp(own[managers] - MANAGERS_REMOVE * BIAS[week])
    return _rows(world, view, managers, amount, MANAGERS_AFTER + seconds[managers])


def _rows(world: World, view: Outlook, people: np.ndarray, amount: np.ndarray, seconds: np.ndarray) -> pd.DataFrame:
    """The submissions of the evening before the step begins: they know what the oracle knows."""
    evening = (world.calendar.start[view.step] - 1) * 86_400 + 17 * 3_600
    cents = np.round(amount * 100).astype(np.int64)
    return pd.DataFrame({"person": people, "cents": cents, "second": evening + seconds})
