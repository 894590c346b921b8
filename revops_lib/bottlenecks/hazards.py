"""How fast deals leave a stage: time at risk, advances and losses by stage, segment, quarter and weeks in the stage, and what
a past pace lets expect.

A stay is cut at every week since it began and at every turn of a quarter, so that each day counts in the quarter it lies in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from .spells import DAY, LOOKBACK, require_open_stages, spells

WINDOWS = (1, 4)  # quarters that are compared with the LOOKBACK before them
SPAN = LOOKBACK + max(WINDOWS)
WEEK_BOUNDS = (1, 2, 3, 4, 6, 8, 12, 16, 26)  # weeks in the stage
CALENDAR_BOUNDS = (1, 2, 10, 11, 12)  # weeks of the quarter: closing is slow at its start and hurried at its end
BORROWED = 2.0  # advances that a small cell borrows from the cell above it
ALL = "all"  # in place of a segment: a stage in all of them


@dataclass(frozen=True)
class Exposure:
    """`days` at risk, `advanced` and `lost`: arrays of stage (by position), segment, quarter (the last one complete, the
    oldest first), weeks in the stage and part of the quarter. `entered`: stays begun, by stage, segment and quarter."""

    stages: list[str]
    segments: list[str]
    quarters: list[pd.Period]
    days: np.ndarray
    advanced: np.ndarray
    lost: np.ndarray
    entered: np.ndarray


def last_complete(snapshot: Snapshot) -> pd.Period:
    """The latest quarter that was over at the end of the snapshot's day."""
    return periods.last_complete(snapshot.as_of, snapshot.fiscal_year_end)


def stays(snapshot: Snapshot) -> pd.DataFrame:
    """The `spells` of deals; a segment that is called as the rows for all segments are gets another name."""
    found = spells(snapshot)
    return found.assign(segment=found["segment"].replace(ALL, f"{ALL} (a segment)"))


def exposure(snapshot: Snapshot, found: pd.DataFrame) -> Exposure:
    """Time at risk of the stays `found` (as `spells` gives them) in the last complete quarters."""
    require_open_stages(snapshot)
    if found.empty:
        raise DataRefused("no deal has entered a stage yet", f"data {snapshot.data}, as of {snapshot.as_of}", "ask a later day")
    last = last_complete(snapshot)
    quarters = [last - SPAN + 1 + i for i in range(SPAN)]
    turns = [periods.cutoff(periods.last_day(q - 1), snapshot.timezone) for q in [*quarters, last + 1]]
    bounds = np.array([(turn - turns[0]).total_seconds() / DAY for turn in turns])
    begin = ((found["from_at"] - turns[0]).dt.total_seconds() / DAY).to_numpy()
    pieces = _pieces(begin, begin + found["days"].to_numpy(), bounds)
    stages = found[["stage", "position"]].drop_duplicates().sort_values("position")["stage"].tolist()
    segments = sorted(found["segment"].unique())
    of_stage, of_segment = pd.Index(stages).get_indexer(found["stage"]), pd.Index(segments).get_indexer(found["segment"])
    shape = (len(stages), len(segments), SPAN, len(WEEK_BOUNDS) + 1, len(CALENDAR_BOUNDS) + 1)
    row = pieces["row"]
    cell = np.ravel_multi_index(
        (of_stage[row], of_segment[row], pieces["quarter"], pieces["weeks"], pieces["calendar"]), shape
    )  # fmt: skip
    end = found["end"].to_numpy(dtype=object)[row]

    def summed(weights: np.ndarray) -> np.ndarray:
        return np.bincount(cell, weights, int(np.prod(shape))).reshape(shape)

    entered = np.zeros(shape[:3])
    turn = np.searchsorted(bounds, begin, side="right") - 1
    inside = (turn >= 0) & (turn < SPAN)
    np.add.at(entered, (of_stage[inside], of_segment[inside], turn[inside]), 1)
    ends = {name: summed((pieces["is_last"] & (end == name)).astype(float)) for name in ("advanced", "lost")}
    return Exposure(stages, segments, quarters, summed(pieces["days"]), ends["advanced"], ends["lost"], entered)


def _pieces(begin: np.ndarray, finish: np.ndarray, bounds: np.ndarray) -> dict[str, np.ndarray]:
    """Weeks of stays, cut where a quarter turns, that lie within `bounds` (days): row of the stay, quarter, weeks in the stage
    and part of the quarter (codes), days, is_last (the stay ends with it)."""
    asked = np.flatnonzero((finish > bounds[0]) & (begin < bounds[-1]))
    n_weeks = np.maximum(np.ceil((finish - begin)[asked] / 7 - 1e-9), 1).astype(int)
    row = np.repeat(asked, n_weeks)
    week = np.arange(len(row)) - np.repeat(np.cumsum(n_weeks) - n_weeks, n_weeks)
    start = begin[row] + 7 * week
    stop = np.minimum(start + 7, finish[row])
    is_last = week == np.repeat(n_weeks, n_weeks) - 1
    first = np.searchsorted(bounds, start, side="right") - 1
    # What ends as a quarter turns ends in the new one: many histories know days only.
    final = np.where(is_last, np.searchsorted(bounds, stop, side="right"), np.searchsorted(bounds, stop, side="left")) - 1
    final = np.maximum(final, first)
    cut = final > first
    turn = np.where(cut, bounds[np.clip(final, 0, len(bounds) - 1)], stop)
    start, stop = np.concatenate([start, turn[cut]]), np.concatenate([turn, stop[cut]])
    quarter = np.concatenate([first, final[cut]])
    row, week = np.concatenate([row, row[cut]]), np.concatenate([week, week[cut]])
    is_last = np.concatenate([is_last & ~cut, is_last[cut]])
    inside = (quarter >= 0) & (quarter < len(bounds) - 1)
    of_quarter = ((start + stop)[inside] / 2 - bounds[quarter[inside]]) // 7
    return {
        "row": row[inside],
        "quarter": quarter[inside],
        "weeks": np.searchsorted(WEEK_BOUNDS, week[inside], side="right"),
        "calendar": np.searchsorted(CALENDAR_BOUNDS, of_quarter, side="right"),
        "days": (stop - start)[inside],
        "is_last": is_last[inside],
    }


def rates(ended: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Ends per day by stage, segment, weeks in the stage and part of the quarter, from arrays of these four.

    A cell with few ends borrows from its segment, a segment from its stage. Only the last stage follows the calendar.
    """
    calendar = np.ones((len(ended), ended.shape[-1]))
    found = borrowed(ended.sum(axis=3), days.sum(axis=3))
    for _ in range(4):  # weeks in the stage and the calendar are fitted in turn (iterative proportional fitting)
        expected = (days * found[..., None]).sum(axis=(1, 2))
        calendar[-1] = ((ended.sum(axis=(1, 2)) + BORROWED) / (expected + BORROWED))[-1]
        found = borrowed(ended.sum(axis=3), (days * calendar[:, None, None, :]).sum(axis=3))
    return found[..., None] * calendar[:, None, None, :]


def borrowed(ended: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Ends per day by stage, segment and weeks in the stage; each cell borrows `BORROWED` ends at the pace of the one above."""
    total = (ended.sum(axis=(1, 2)) + 0.5) / (days.sum(axis=(1, 2)) + 1)
    segment = (ended.sum(axis=2) + BORROWED) / (days.sum(axis=2) + BORROWED / total[:, None])
    return (ended + BORROWED) / (days + BORROWED / segment[..., None])
