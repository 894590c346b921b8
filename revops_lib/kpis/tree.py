"""A KPI from the company down to its branches, and at every branch the KPIs it is made of: where it moved, and by what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

import numpy as np
import pandas as pd

from .. import money
from ..errors import UsageError, nearest
from ..shapley import shapley, whole_cents
from ..snapshot import Snapshot
from .cells import Cells, Path, together
from .counted import Counted
from .parts import OPENING, REST, Made

AGAINST = {"quarter": 1, "year": 4}  # how many quarters before
COLUMNS = ["path", "level", "member", "kpi", "of", "unit", "value", "n", "before", "n_before", "change", "part",
           "share_of_change", "is_complete"]  # fmt: skip


def tree(
    snapshot: Snapshot, *, id: str = "bookings", levels: Sequence[str] = ("region", "team"), against: str = "year",
    pool: bool = False, counted: Counted | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The snapshot's quarter against the one before (`quarter`) or that of the year before (`year`), from the company down
    through `levels` (columns of deals, accounts, products or owners): one row per branch, and below each branch one per KPI
    it is made of (data/kpi_trees.yml); siblings by how much they moved.

    A product's change is split by Shapley values, a sum's by its parts, in exact fractions. Columns: path, level, member, kpi,
    of (the KPI it is a part of; empty: the branch itself), unit, value, n (cases), before, n_before, change (of this KPI), part
    (what it adds to the change of `id` here: exact, hundredths; equal to the change for a branch), share_of_change (of the
    company's), is_complete (both quarters are whole). Branches add up to the one above them, and parts to what they are part
    of, to the cent; the part of a rate does not add up over branches, for above them it holds their mix, too. What one quarter
    cannot tell, such as a win rate where nothing closed, is missing, and its part is 0; a sum that no case tells is missing and
    adds nothing. `opening` is the value in the quarter compared with; movements are then those since. `pool`: branches of fewer
    than five people, in the one or the other quarter, and teams called after a person are counted together as "other teams".
    `counted`: cases of these quarters, counted before.
    UsageError for an unknown KPI or one that does not add up over branches, such as a rate; DataRefused as `kpi` does.

    >>> found = tree(Snapshot("data/sample", quarter="2026Q3"), levels=["region"], against="quarter")
    >>> company = found[found["level"] == "company"].set_index("kpi")["part"]
    >>> company["bookings"] == company["deals_closed"] + company["win_rate"] + company["average_deal"]
    True
    """
    if against not in AGAINST:
        raise UsageError(f"unknown comparison {against!r}", "against", nearest(against, AGAINST))
    cells = Cells(counted or Counted(snapshot, snapshot.quarter, AGAINST[against] + 1), tuple(levels), AGAINST[against])
    cells.require_additive(id)
    if pool:
        cells.pool(cells.population(id))
    rows = [row for path in cells.paths(id) for row in _branch(cells, id, path)]
    found = pd.DataFrame(rows, columns=["names", *COLUMNS[1:-2]])
    part = found["part"].astype("float64")
    company = part.iloc[0]
    found["share_of_change"] = part / company if company else np.nan
    found["is_complete"] = all(cells.counted.is_whole[quarter] for quarter in (cells.now, cells.before))
    found["path"] = [" / ".join(["company", *names]) for names in found["names"]]
    found["part"] = money.from_cents(found["part"].astype("Int64"))
    return _ordered(found)[COLUMNS]


def branches(tree: pd.DataFrame) -> pd.DataFrame:
    """The branches of a tree without what they are made of: path, value, unit, n, previous (in the quarter compared with),
    change, share_of_change."""
    own = tree[tree["of"] == ""].rename(columns={"before": "previous"})
    return own[["path", "value", "unit", "n", "previous", "change", "share_of_change"]].reset_index(drop=True)


def _branch(cells: Cells, id: str, path: Path) -> Iterator[list]:
    """The row of a branch, then those of what the KPI is made of there."""
    before, now = _both(cells, id, path)
    part = money.round_half_up((now - before) * 100)
    level, member = (cells.levels[len(path) - 1], path[-1]) if path else ("company", "company")
    yield [path, level, member, id, "", *_shown(cells, id, path, before, now), part]
    for row in _made_of(cells, id, path, Fraction(1), part):
        yield [path, level, member, *row]


def _made_of(cells: Cells, id: str, path: Path, weight: Fraction, total: int) -> Iterator[list]:
    """What a KPI is made of, each followed by what it is made of in turn. `weight`: what one more of this KPI adds to the
    branch; `total`: the hundredths that its change adds, which its parts share."""
    if id not in cells.made:
        return
    made = cells.made[id]
    before, now = _of_parts(cells, id, made, path)
    weights = _weights(made, before, now)
    parts = {part: weight * weights[part] * (now[part] - before[part]) for part in before}
    hundredths = dict(zip(parts, whole_cents([100 * part for part in parts.values()], total), strict=True))
    for part in parts:
        yield [part, id, *_shown(cells, id if part in (OPENING, REST) else part, path, before[part], now[part], part),
               hundredths[part]]  # fmt: skip
        if part not in (OPENING, REST):
            yield from _made_of(cells, part, path, weight * weights[part], hundredths[part])


def _of_parts(cells: Cells, id: str, made: Made, path: Path) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """The parts of a KPI in both quarters, and the rest that they leave where they leave one."""
    before, now = {}, {}
    for part in made.parts:
        if part == OPENING:
            before[part] = now[part] = _both(cells, id, path)[0]
        elif OPENING in made.parts:
            before[part], now[part] = Fraction(0), cells.value(part, path, cells.since) or Fraction(0)
        else:
            before[part], now[part] = _both(cells, part, path)
    if id in cells.known:
        whole = _both(cells, id, path)
        rest = [_rest(made, value, parts, id) for value, parts in zip(whole, (before, now), strict=True)]
        if rest != [1, 1] if made.kind == "product" else rest != [0, 0]:
            before[REST], now[REST] = rest
    return before, now


def _both(cells: Cells, id: str, path: Path) -> tuple[Fraction, Fraction]:
    """A KPI in both quarters; what one of them cannot tell adds nothing to the branch above, a rate is taken from the other."""
    before, now = cells.value(id, path, [cells.before]), cells.value(id, path, [cells.now])
    if cells.is_additive(id):
        return before or Fraction(0), now or Fraction(0)
    known = [value for value in (before, now) if value is not None] or [Fraction(0)]
    return (known[0] if before is None else before), (known[-1] if now is None else now)


def _rest(made: Made, value: Fraction, parts: Mapping[str, Fraction], id: str) -> Fraction:
    told = together(made, parts)
    if made.kind == "sum":
        return value - told
    if not told and value:
        raise UsageError(f"{id} is not the product of {', '.join(parts)}", "data/kpi_trees.yml", "name what it is made of")
    return value / told if told else Fraction(1)


def _weights(made: Made, before: Mapping[str, Fraction], now: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """What one more of each part adds to the whole; a part's Shapley value is this times its change."""
    if made.kind == "sum":
        return {part: Fraction(made.parts.get(part, 1)) for part in before}
    return {part: made.times * shapley(before, {**now, part: before[part] + 1})[part] for part in before}


def _shown(cells: Cells, id: str, path: Path, before: Fraction, now: Fraction, part: str = "") -> list:
    """unit, value, n, before, n_before, change of a row; missing what a quarter cannot tell."""
    unit = "ratio" if part == REST and cells.made[id].kind == "product" else cells.unit(id)
    n, n_before = (cells.n(id, path, quarter) for quarter in (cells.now, cells.before))
    value, was = (np.nan if cells.value(id, path, [quarter]) is None else float(told)
                  for quarter, told in ((cells.now, now), (cells.before, before)))  # fmt: skip
    return [unit, value, n, was, n_before, float(now - before) if value == value and was == was else np.nan]


def _ordered(found: pd.DataFrame) -> pd.DataFrame:
    """Branches below the one they belong to, those that moved most first, each followed by its parts."""
    moved = found[found["of"] == ""].set_index("names")["part"].astype("float64").abs().to_dict()
    keys = [tuple((-moved[names[: depth + 1]], names[depth]) for depth in range(len(names))) for names in found["names"]]
    order = sorted(range(len(found)), key=lambda i: keys[i])  # stable: parts stay behind their branch
    return found.iloc[order].reset_index(drop=True)
