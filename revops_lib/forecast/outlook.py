"""What the quarter will bring: the parts, the total with its interval, the baselines beside it, and what follows the
quarter."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import tables
from ..snapshot import Snapshot
from .panel import panel
from .paths import Paths, WhatIf
from .points import target_quarter
from .rolling import BASELINES, Look, looks, now

TESTED = 12  # past quarters the method is measured on
FEW = 3  # measured quarters below which past errors give no interval
NAMES = {
    "model": "Model",
    "stage_weighted": "CRM stage probability",
    "last_quarter": "Last quarter again",
    "seasonal_naive": "Same quarter last year",
    "reps": "Submitted by reps",
    "managers": "Submitted by managers",
    "submitted": "Submitted by reps, usual bias removed",
    "odds": "Chance of each deal",
    "paths": "Simulated paths",
    "yields": "Yield by stage and week",
    "series": "Time series",
}


def outlook(snapshot: Snapshot, *, level: float = 0.8, seed: int = 1, win_rate: float = 1.0, new_pipeline: float = 1.0,
            slip: float = 0.0) -> pd.DataFrame:  # fmt: skip
    """Forecast of the target quarter, one row per part, the total, and one per baseline.

    Columns: quarter, part, low, value, high, level, n, unit. The target is the snapshot's quarter while it runs, afterwards the
    quarter that follows `as_of`. Parts: won to date; open deals due in the quarter by forecast category; open deals due later
    that are pulled in; deals yet to be created. `value` is the middle of the simulated quarters (P50), `low` and `high` the
    10 % and 90 % points at level 0.8, widened or narrowed as past misses demand. Medians need not add up, every simulated
    quarter does. A baseline's `low` and `high` say where results came in when it had given such a number; a biased baseline
    lies outside. `n` counts deals, for the total and the baselines past quarters tested.

    What if: every chance to be won times `win_rate`, new deals times `new_pipeline`, a share `slip` of what open deals would
    bring is won later. Raises DataRefused when no past quarter is complete enough to learn from.
    """
    look, simulated = now(snapshot, level, seed, WhatIf(win_rate, new_pipeline, slip))
    paths, ahead = simulated[-1], len(simulated) - 1
    rows = [_won(snapshot, look), *_open(snapshot, look, paths, level)]
    rows.append(_row("yet to be created", look.stretched(paths.new), level, _learned(snapshot)))
    low, high = look.interval(level)
    past = tested(snapshot, level=level, seed=seed, ahead=ahead)
    measured = [(one, actual) for one, actual in past if one.is_same_point]
    rows.append({"part": "total", "low": low, "value": look.value, "high": high, "n": len(measured)})
    rows += [_baseline(name, look, measured, level) for name in BASELINES]
    table = pd.DataFrame(rows).assign(level=level, unit=panel(snapshot).unit, quarter=str(look.quarter))
    return table[["quarter", "part", "low", "value", "high", "level", "n", "unit"]]


def totals(snapshot: Snapshot, *, level: float = 0.8, seed: int = 1) -> np.ndarray:
    """Bookings of the target quarter on every simulated path, one number each: their middle is the forecast, and the middle
    `level` of them its interval, widened or narrowed as past misses demand. For what hangs on bookings, such as pay."""
    look, _ = now(snapshot, level, seed, WhatIf())
    return np.maximum(look.value + look.stretch * (look.totals - look.value), look.won_to_date)


def horizons(snapshot: Snapshot, *, level: float = 0.8, seed: int = 1) -> pd.DataFrame:
    """The running quarter, the next one and the fiscal year, one row each: horizon, low, value, high, level, coverage, n, unit.

    The next quarter joins the simulated paths and the time series of bookings by how both did in the past; `coverage` is the
    share of `n` past quarters whose result lay inside the interval given as early. The year adds what its finished quarters
    brought and the paths of the others; its interval is not measured. Raises DataRefused as `outlook`.
    """
    seen = panel(snapshot)
    look, _ = now(snapshot, level, seed, ahead=0)
    later, simulated = now(snapshot, level, seed, ahead=max(1, 4 - _of_year(seen.running)))
    following, _ = now(snapshot, level, seed, ahead=1)
    rows = []
    for one, ahead in ((look, 0), (following, 1)):
        past = [(o, a) for o, a in tested(snapshot, level=level, seed=seed, ahead=ahead) if o.is_same_point]
        inside = [o.interval(level)[0] <= a <= o.interval(level)[1] for o, a in past]
        low, high = one.interval(level)
        rows.append((str(one.quarter), low, one.value, high, np.mean(inside) if inside else np.nan, len(inside)))
    finished = [q for q in seen.quarters if q.qyear == seen.running.qyear]
    if len(finished) == _of_year(seen.running) - 1:
        whole = sum(seen.result(q, seen.today) for q in finished)
        scales = [look.scale, *[following.scale] * (len(simulated) - 1)]
        inner = simulated[: 4 - _of_year(seen.running) + 1]
        rest = sum(
            paths.won_to_date + (paths.total - paths.won_to_date) * scale for paths, scale in zip(inner, scales, strict=False)
        )
        total, stretch = whole + rest, max(look.stretch, later.stretch)
        middle = np.median(total)
        low, high = (middle + stretch * (np.quantile(total, q) - middle) for q in ((1 - level) / 2, (1 + level) / 2))
        rows.append((f"fiscal year {seen.running.qyear}", max(low, whole + look.won_to_date), middle, high, np.nan, 0))
    table = pd.DataFrame(rows, columns=["horizon", "low", "value", "high", "coverage", "n"])
    return table.assign(level=level, unit=seen.unit)[["horizon", "low", "value", "high", "level", "coverage", "n", "unit"]]


def shares(snapshot: Snapshot, *, level: float = 0.8, seed: int = 1) -> pd.DataFrame:
    """What each method says and how much it counts, one row per method: method, value, weight (0–1), unit.

    Weights are inverse mean squared relative errors of past quarters, errors of the same week of the quarter counting most,
    shrunk to equal weights while few quarters are known (Bates & Granger 1969).
    """
    look, _ = now(snapshot, level, seed)
    rows = [(NAMES[name], look.said[name], weight) for name, weight in look.weights.items()]
    return pd.DataFrame(rows, columns=["method", "value", "weight"]).assign(unit=panel(snapshot).unit)


def reach(snapshot: Snapshot, target: float, *, level: float = 0.8, seed: int = 1, **what_if: float) -> float:
    """Chance (0–1) that the target quarter brings at least `target`, by the simulated quarters widened as the interval is."""
    look, _ = now(snapshot, level, seed, WhatIf(**what_if))
    totals = look.value + look.stretch * (look.totals - look.value)
    return float((np.maximum(totals, look.won_to_date) >= target).mean())


def tested(snapshot: Snapshot, *, level: float, seed: int, ahead: int | None = None) -> list[tuple[Look, float]]:
    """The latest past looks with what their quarter had brought by the snapshot's day; from as far ahead as the target lies, or
    as is said."""
    seen = panel(snapshot)
    ahead = target_quarter(snapshot).ordinal - seen.running.ordinal if ahead is None else ahead
    last = set(seen.quarters[-TESTED:])
    return [(one, seen.result(one.quarter, seen.today)) for one in looks(snapshot, level, seed, ahead) if one.quarter in last]


def _won(snapshot: Snapshot, look: Look) -> dict[str, object]:
    won = panel(snapshot).won_on(look.day)
    n = int((won["quarter"] == look.quarter.ordinal).sum())
    return {"part": "won to date", "low": look.won_to_date, "value": look.won_to_date, "high": look.won_to_date, "n": n}


def _open(snapshot: Snapshot, look: Look, paths: Paths, level: float) -> list[dict[str, object]]:
    """A row per forecast category of the open deals due by the quarter's end, and one for those due later; one for all of them
    where the source has no categories or no close dates."""
    seen, deals = panel(snapshot), paths.deals
    if not seen.categories or not deals["is_dated"].any():
        return [_row("open pipeline", look.stretched(paths.open.sum(axis=1)), level, len(deals))]
    is_later = ~deals["due"].to_numpy() & (look.quarter == seen.running)  # a target further ahead: due or not, all may come
    category = deals["category"].to_numpy()
    named = sorted(range(len(seen.categories)), key=lambda code: -tables.CATEGORIES.index(seen.categories[code]))
    masks = {f"open, {seen.categories[code].replace('_', ' ')}": ~is_later & (category == code) for code in named}
    masks |= {"open, no category": ~is_later & (category < 0), "pulled in from later quarters": is_later}
    parts = {part: mask for part, mask in masks.items() if mask.any()}
    return [_row(part, look.stretched(paths.open[:, mask].sum(axis=1)), level, int(mask.sum())) for part, mask in parts.items()]


def _row(part: str, values: np.ndarray, level: float, n: int) -> dict[str, object]:
    low, middle, high = np.quantile(values, [(1 - level) / 2, 0.5, (1 + level) / 2])
    return {"part": part, "low": low, "value": middle, "high": high, "n": n}


def _baseline(name: str, look: Look, measured: list[tuple[Look, float]], level: float) -> dict[str, object]:
    """What the baseline says, and where results came in when it had said so."""
    value = look.said[name]
    ratios = [actual / one.said[name] for one, actual in measured if one.said[name] > 0]
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2]) * value if len(ratios) >= FEW else (np.nan, np.nan)
    return {"part": NAMES[name], "low": low, "value": value, "high": high, "n": len(ratios)}


def _learned(snapshot: Snapshot) -> int:
    seen = panel(snapshot)
    return len(seen.before(seen.running))


def _of_year(quarter: pd.Period) -> int:
    return int(quarter.quarter)
