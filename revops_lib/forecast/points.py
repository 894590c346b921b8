"""Which quarter runs, and which is forecast."""

from __future__ import annotations

import datetime as dt

import pandas as pd

from .. import periods
from ..snapshot import Snapshot


def running_quarter(snapshot: Snapshot) -> pd.Period:
    """The quarter of the day after `as_of`: the one that is still open."""
    return periods.quarter_of(snapshot.as_of + dt.timedelta(days=1), snapshot.fiscal_year_end)


def target_quarter(snapshot: Snapshot) -> pd.Period:
    """The quarter that is forecast: the snapshot's own until its last day has passed, then the one after `as_of`."""
    return max(snapshot.quarter, running_quarter(snapshot))
