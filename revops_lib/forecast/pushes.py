"""How often close dates are pushed, and what becomes of the deals."""

from __future__ import annotations

import pandas as pd

from .. import periods, statistics
from ..snapshot import Snapshot


def pushes(snapshot: Snapshot, *, level: float = 0.9) -> pd.DataFrame:
    """How often close dates were pushed, and what became of the deals, one row per kind of push and number k of pushes.

    A push moves a close date to a later quarter (kind `quarter`) or to a later day (`day`), and to a day still to come: a
    date written when a deal closes is no push. Columns: kind, pushes (k, from 0), n (deals pushed at least k times), n_again
    (more than k times), n_won, n_lost, n_open (exactly k times, and won, lost or open now; with n_again they sum to n), share
    (n_again ÷ (n_again + n_won + n_lost); missing when that is 0), low, high (Wilson 1927), level, unit. Open deals may yet be
    pushed: they stand apart and are in no share. Deals whose close date is not logged are left out. Raises NoHistory.
    """
    deals = snapshot.opportunities
    rows = []
    for kind in ("quarter", "day"):
        pushed = push_counts(snapshot, across_quarters=kind == "quarter")
        counts = deals["opportunity_id"].map(pushed).dropna().astype("int64")
        for k in range(counts.max() + 1 if len(counts) else 0):
            status = deals.loc[counts.index[counts == k], "status"]
            outcomes = [int((status == outcome).sum()) for outcome in ("won", "lost", "open")]
            rows.append([kind, k, int((counts >= k).sum()), int((counts > k).sum()), *outcomes])
    table = pd.DataFrame(rows, columns=["kind", "pushes", "n", "n_again", "n_won", "n_lost", "n_open"])
    decided = table["n_again"] + table["n_won"] + table["n_lost"]
    table["share"] = table["n_again"] / decided.where(decided > 0)
    table["low"], table["high"] = statistics.wilson(table["n_again"], decided, level)
    return table.assign(level=level, unit="share")


def push_counts(snapshot: Snapshot, *, across_quarters: bool = True) -> pd.Series:
    """How often each deal was pushed as `pushes` counts it, to a later quarter or, not `across_quarters`, to any later day; one
    integer per opportunity_id, 0 for a deal never pushed. Deals whose close date is not logged are absent. Raises NoHistory.

    >>> int(push_counts(Snapshot("data/sample", quarter="2026Q3")).min())
    0
    """
    spells = snapshot.spells("close_date")
    old, new = pd.to_datetime(spells["value"]), pd.to_datetime(spells["next_value"])
    is_later = new > old
    if across_quarters:
        fiscal = f"Q-{snapshot.fiscal_year_end}"
        is_later &= new.dt.to_period(fiscal) != old.dt.to_period(fiscal)
    is_push = is_later & (new > periods.local_day(spells["to_at"], snapshot.timezone))
    return is_push.groupby(spells["opportunity_id"]).sum().astype("int64").rename("pushes")
