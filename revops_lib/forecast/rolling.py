"""The forecast of every past quarter and of the target, each from what was known then: methods, their weights, the interval.

Quarter after quarter: the methods are fitted on the quarters before, weighted by how they did in them, and the interval is as
wide as the misses of the quarters before demand.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd

from .. import periods, statistics
from ..errors import DataRefused
from ..snapshot import Snapshot
from . import methods
from .hazards import Hazards
from .inflow import Inflow
from .odds import Odds
from .panel import ORIGINS, Panel, panel
from .paths import AS_IT_IS, Paths, WhatIf, simulate
from .points import target_quarter
from .series import project
from .submitted import Submission, biases, bucket, from_submitted, submissions

FADING = 0.93  # weight of a quarter's errors relative to the next quarter's
EQUAL = 6.0  # quarters' worth of trust in equal weights
OTHER_WEEKS = 0.25  # what an error in another week of the quarter counts
FIRST = 2  # complete quarters that must lie before a forecast
REMEMBERED = 16  # past quarters whose errors count
LARGEST_SCALE = 5.0  # at most so much larger may the methods together make what is still to come on the paths
NARROW = 0.01  # share of a forecast that half of its interval is at least taken for when its miss is measured
ENOUGH = 8  # measured quarters below which an interval is called not yet calibrated
METHODS = ("odds", "paths", "yields", "submitted", "series")
BASELINES = ("stage_weighted", "last_quarter", "seasonal_naive")


@dataclass(frozen=True)
class Look:
    """A quarter seen from a day: what each method says, what the weights make of it, the simulated rest scaled to it."""

    quarter: pd.Period
    week: int  # 1, 4, 8 or 12: the nearest
    day: dt.date
    is_same_point: bool  # as far into its quarter as the snapshot's day
    won_to_date: float
    said: dict[str, float]  # by method, baseline and layer of people
    weights: dict[str, float]
    scale: float  # of what is still to come, from the paths to the weighted methods
    value: float
    totals: np.ndarray = field(repr=False)  # one per path, scaled
    stretch: float  # how much wider than the paths the interval has to be
    chance: np.ndarray = field(repr=False)  # of each open deal

    @cached_property
    def _ordered(self) -> np.ndarray:
        return np.sort(self.totals)

    def raw(self, level: float) -> tuple[float, float]:
        """The middle `level` of the simulated totals."""
        n = len(self._ordered) - 1
        return float(self._ordered[round(n * (1 - level) / 2)]), float(self._ordered[round(n * (1 + level) / 2)])

    def interval(self, level: float) -> tuple[float, float]:
        """The middle of the totals, stretched as past misses demand; never below what is won."""
        low, high = (self.value + self.stretch * (end - self.value) for end in self.raw(level))
        return max(low, self.won_to_date), high

    def scaled(self, paths: Paths) -> np.ndarray:
        """Totals of the paths with what is still to come scaled to the weighted methods."""
        return self.won_to_date + (paths.total - paths.won_to_date) * self.scale

    def stretched(self, values: np.ndarray, floor: float = 0.0) -> np.ndarray:
        """Simulated amounts still to come, scaled and widened as the whole is."""
        scaled = values * self.scale
        middle = np.median(scaled, axis=0)
        return np.maximum(middle + self.stretch * (scaled - middle), floor)


class Fit:
    """Everything fitted on what was known when a quarter began."""

    def __init__(self, seen: Panel, told: list[Submission], quarter: pd.Period) -> None:
        self.panel, self.told, self.quarter = seen, told, quarter
        self.hazards, self.odds, self.inflow = Hazards(seen, quarter), Odds(seen, quarter), Inflow(seen, quarter)
        self.bias = biases(seen, told, quarter)


@lru_cache(maxsize=4)
def looks(snapshot: Snapshot, level: float, seed: int, ahead: int) -> list[Look]:
    """Past quarters that could be forecast, each at the start of weeks 1, 4, 8 and 12 and on the day that corresponds to the
    snapshot's. `ahead` quarters before they run: on that day only."""
    seen = panel(snapshot)
    found: list[Look] = []
    for quarter in seen.quarters[: len(seen.quarters) - ahead]:
        if can_learn(seen, quarter):
            same = _same_point(seen, quarter)
            days = {seen.origin(quarter, week) for week in ORIGINS} if not ahead else set()
            found += [_look(fitted(snapshot, quarter), day, found, level, seed, ahead=ahead, is_same_point=day == same)[0]
                      for day in sorted(days | {same})]  # fmt: skip
    return found


def now(
    snapshot: Snapshot, level: float, seed: int, what_if: WhatIf = AS_IT_IS, ahead: int | None = None
) -> tuple[Look, list[Paths]]:
    """The target (or the quarter `ahead` of the running one) on the snapshot's day, and the paths until its end. DataRefused
    when no past quarter is complete enough to learn from."""
    seen = panel(snapshot)
    if not can_learn(seen, seen.running):
        raise DataRefused(
            "fewer than two complete past quarters to learn from",
            f"data {snapshot.data}, as of {snapshot.as_of}",
            "import an export that reaches further back",
        )
    ahead = target_quarter(snapshot).ordinal - seen.running.ordinal if ahead is None else ahead
    return _now(snapshot, level, seed, what_if, ahead)


@lru_cache(maxsize=8)
def _now(snapshot: Snapshot, level: float, seed: int, what_if: WhatIf, ahead: int) -> tuple[Look, list[Paths]]:
    seen = panel(snapshot)
    if what_if != AS_IT_IS:
        return _supposed(snapshot, *_now(snapshot, level, seed, AS_IT_IS, ahead), what_if, seed)
    past = looks(snapshot, level, seed, ahead)
    return _look(fitted(snapshot, seen.running), seen.today, past, level, seed, ahead=ahead)


def can_learn(seen: Panel, quarter: pd.Period) -> bool:
    """Whether enough quarters lie before, and some deal was seen open in one of them and was followed for a week."""
    past = seen.before(quarter)
    return len(past) >= FIRST and any(len(seen.moved_in(q)) for q in past[:-1])


def _supposed(snapshot: Snapshot, look: Look, paths: list[Paths], what_if: WhatIf, seed: int) -> tuple[Look, list[Paths]]:
    """The look under a supposition: other paths, scaled and stretched as those without it."""
    fit = fitted(snapshot, panel(snapshot).running)
    simulated = _simulated(fit, look.day, seed, len(paths) - 1, what_if)
    totals = look.scaled(simulated[-1])
    return replace(look, totals=totals, value=float(np.median(totals))), simulated


def look_at(fit: Fit, day: dt.date, past: list[Look], level: float, seed: int) -> Look:
    """The fitted quarter seen from another of its days."""
    return _look(fit, day, past, level, seed)[0]


@lru_cache(maxsize=64)
def fitted(snapshot: Snapshot, quarter: pd.Period) -> Fit:
    return Fit(panel(snapshot), submissions(snapshot), quarter)


def _same_point(seen: Panel, quarter: pd.Period) -> dt.date:
    gone = seen.today - periods.first_day(seen.running)
    return min(periods.first_day(quarter) + gone, periods.last_day(quarter) - dt.timedelta(days=1))


def _simulated(fit: Fit, day: dt.date, seed: int, ahead: int, what_if: WhatIf = AS_IT_IS) -> list[Paths]:
    models = (fit.hazards, fit.odds, fit.inflow)
    return simulate(fit.panel, *models, fit.quarter, day, seed=seed, ahead=ahead, what_if=what_if)


def _look(
    fit: Fit, day: dt.date, past: list[Look], level: float, seed: int, *, ahead: int = 0, is_same_point: bool = True
) -> tuple[Look, list[Paths]]:
    target = fit.quarter + ahead
    simulated = _simulated(fit, day, seed, ahead)
    paths = simulated[-1]
    chance = fit.odds.chance(paths.deals)
    said = _said(fit, day, ahead, paths, chance)
    week = bucket(fit.quarter, day + dt.timedelta(days=1))
    known = _known(fit, past)
    weights = _weights(known, said, target, week)
    mean = max(sum(weights[name] * said[name] for name in weights), paths.won_to_date)
    rest = paths.total.mean() - paths.won_to_date
    # Where paths see next to nothing a factor would blow up the few that do: what is left is then little anyway.
    scale = min((mean - paths.won_to_date) / rest, LARGEST_SCALE) if rest > 0 else 1.0
    totals = paths.won_to_date + (paths.total - paths.won_to_date) * scale
    return Look(
        quarter=target, week=week, day=day, is_same_point=is_same_point, won_to_date=paths.won_to_date, said=said,
        weights=weights, scale=scale, value=float(np.median(totals)), totals=totals,
        stretch=_stretch(known, week, level, len(fit.panel.before(fit.quarter))),
        chance=paths.chance if ahead else _pooled(chance, paths.chance),
    ), simulated  # fmt: skip


def _said(fit: Fit, day: dt.date, ahead: int, paths: Paths, chance: np.ndarray) -> dict[str, float]:
    """What each method, baseline and layer of people says of the target; NaN where it says nothing."""
    seen, quarter, target = fit.panel, fit.quarter, fit.quarter + ahead
    naive = {
        "last_quarter": methods.last_quarter(seen, quarter, 1),
        "seasonal_naive": methods.last_quarter(seen, quarter, 4 - ahead),
    }
    if ahead:
        results = pd.Series([seen.result(q, seen.fitted_on(quarter)) for q in seen.before(quarter)])
        series = project(results, horizon=ahead + 1, season=4, calibrate=False, refined=0)["value"].iloc[-1]
        nothing = dict.fromkeys(("odds", "yields", "submitted", "stage_weighted", "reps", "managers"), np.nan)
        return {"paths": float(paths.total.mean()), "series": float(series), **naive, **nothing}
    created = float(paths.new.mean())  # of deals that do not exist yet only the paths know
    told = seen, fit.told, fit.bias, target, day
    return {
        "odds": methods.from_odds(seen, fit.odds, chance, quarter, day, created),
        "paths": float(paths.total.mean()),
        "yields": methods.from_yields(seen, quarter, day, created),
        "submitted": from_submitted(*told),
        "series": np.nan,
        "stage_weighted": methods.stage_weighted(seen, quarter, day),
        **naive,
        "reps": from_submitted(*told, "rep", corrected=False),
        "managers": from_submitted(*told, "manager", corrected=False),
    }


def _pooled(*chances: np.ndarray) -> np.ndarray:
    """Chance of each open deal to be won in the quarter: the methods that know deals, averaged on the scale of log-odds."""
    kept = [np.clip(each, 1e-6, 1 - 1e-6) for each in chances]
    return 1 / (1 + np.exp(-np.mean([np.log(p / (1 - p)) for p in kept], axis=0)))


def _known(fit: Fit, past: list[Look]) -> list[tuple[Look, float]]:
    """Past looks with what their quarter brought, as known when the fitted quarter began."""
    day = fit.panel.fitted_on(fit.quarter)
    before = {q: fit.panel.result(q, day) for q in fit.panel.before(fit.quarter)[-REMEMBERED:]}
    return [(look, before[look.quarter]) for look in past if look.quarter in before]


def _weights(known: list[tuple[Look, float]], said: dict[str, float], target: pd.Period, week: int) -> dict[str, float]:
    """Share of each method: inverse mean squared relative error, shrunk to equal shares while few quarters are known."""
    usable = [name for name in METHODS if np.isfinite(said[name])]
    inverse = {}
    for name in usable:
        past = [(look, actual) for look, actual in known if np.isfinite(look.said[name]) and actual > 0]
        if not past:
            return dict.fromkeys(usable, 1 / len(usable))
        trust = [
            FADING ** (target.ordinal - look.quarter.ordinal) * (1.0 if look.week == week else OTHER_WEEKS) for look, _ in past
        ]
        inverse[name] = 1 / max(np.average([(look.said[name] / actual - 1) ** 2 for look, actual in past], weights=trust), 1e-6)
    n, total = len({look.quarter for look, _ in known}), sum(inverse.values())
    return {name: (n * value / total + EQUAL / len(usable)) / (n + EQUAL) for name, value in inverse.items()}


def _stretch(known: list[tuple[Look, float]], week: int, level: float, n_learned: int) -> float:
    """Split-conformal factor: how much wider the paths' interval would have had to be to hold in a share `level` of past looks.

    Misses are measured in half-widths of the interval and pooled over the weeks; the same week counts twice (Vovk, Gammerman &
    Shafer 2005). While few quarters are measured the interval is never narrower than the paths', and wider by what Student's t
    adds for the `n_learned` quarters that the paths rest on.
    """
    misses = []
    for look, actual in known:
        low, high = look.raw(level)
        side = high - look.value if actual > look.value else look.value - low
        if look.value > 0:
            misses += [abs(actual - look.value) / max(side, NARROW * look.value)] * (2 if look.week == week else 1)
    found = float(np.sort(misses)[min(int(np.ceil((len(misses) + 1) * level)), len(misses)) - 1]) if misses else 1.0
    if len({look.quarter for look, _ in known}) >= ENOUGH:
        return found
    from scipy.stats import t

    return max(found, 1.0) * float(t.ppf(0.5 + level / 2, max(n_learned - 1, 1))) / statistics.normal_quantile(level)
