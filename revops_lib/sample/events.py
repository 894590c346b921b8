"""What the story of the deals leaves behind: an event log, who won what when, and the looks ahead.

An event is deal, step, field, value. Values are whole numbers: position of the stage, cents, day, position of the
category, position of the rep.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from .. import tables
from .arrivals import Arrivals

FIELDS = tables.TRACKED


@dataclass(frozen=True)
class Open:
    """The open deals at the start of a step, for looking ahead."""

    step: int
    deal: np.ndarray
    stage: np.ndarray
    entered: np.ndarray
    owner: np.ndarray
    cents: np.ndarray


@dataclass
class Log:
    """The event log while it grows, one array per entry made for many deals at once."""

    deal: list[np.ndarray] = field(default_factory=list)
    step: list[np.ndarray] = field(default_factory=list)
    field_: list[np.ndarray] = field(default_factory=list)
    value: list[np.ndarray] = field(default_factory=list)

    def add(self, deal: np.ndarray, step: int | np.ndarray, name: str, value: np.ndarray | int) -> None:
        self.deal.append(deal)
        self.step.append(np.broadcast_to(np.asarray(step), deal.shape))
        self.field_.append(np.full(deal.shape, FIELDS.index(name)))
        self.value.append(np.broadcast_to(np.asarray(value), deal.shape).astype(np.int64))


@dataclass(frozen=True)
class Played:
    """The finished story: events, when each deal was won (step, -1 never), what for, and the looks ahead."""

    arrivals: Arrivals
    events: pd.DataFrame  # deal, step, time (seconds), field (position in FIELDS), value
    won_step: np.ndarray
    won_owner: np.ndarray
    final_cents: np.ndarray
    late: np.ndarray
    late_quarter: np.ndarray  # late, and recorded in a later quarter than closed
    reopened: np.ndarray
    origins: list[Open]

    @property
    def won(self) -> np.ndarray:
        return np.flatnonzero(self.won_step >= 0)
