"""Who holds the deals and who handed them on. About persons: for the team's own use, never published."""

from __future__ import annotations

import pandas as pd

from .. import periods
from ..snapshot import Snapshot
from .spells import DAY, LOOKBACK
from .stalls import stalled

NOBODY = "(unknown)"


def queues(snapshot: Snapshot) -> pd.DataFrame:
    """What waits with whom now, one row per owner with open deals or hand-overs, longest queue first.

    Columns: owner_id, n_open, open_amount (missing without any), waiting_days (median days since the open deals last changed
    stage; since creation without a stage history), longest_days, n_stalled (see `stalled`), received, handed_on (deals taken
    over from, and passed on to, another owner in the last eight quarters; missing when the source has no owner history).

    >>> queues(Snapshot("data/sample", quarter="2026Q3"))[["n_open", "received", "handed_on"]].head(1).values.tolist()
    [[8, 5, 0]]
    """
    snapshot.require_one_currency()
    deals = snapshot.opportunities
    now = deals[deals["status"] == "open"]
    owner = now["owner_id"].fillna(NOBODY)
    since = now["stage_since"].fillna(now["created_at"])
    waiting = (snapshot.cutoff - since).dt.total_seconds() / DAY
    table = pd.DataFrame(
        {
            "n_open": now.groupby(owner).size(),
            "open_amount": now.groupby(owner)["amount"].sum(min_count=1),
            "waiting_days": waiting.groupby(owner).median(),
            "longest_days": waiting.groupby(owner).max(),
        }
    )
    late = stalled(snapshot)
    table["n_stalled"] = late.groupby(late["owner_id"].fillna(NOBODY)).size().reindex(table.index, fill_value=0)
    if "owner_id" in snapshot.tracked:
        passed = handovers(snapshot)
        received, handed_on = passed.groupby("to_owner")["n"].sum(), passed.groupby("from_owner")["n"].sum()
        table = table.reindex(table.index.union(received.index).union(handed_on.index))
        table["received"], table["handed_on"] = received.reindex(table.index), handed_on.reindex(table.index)
        counts = ["n_open", "n_stalled", "received", "handed_on"]
        table[counts] = table[counts].fillna(0).astype("int64")
    else:
        table["received"], table["handed_on"] = pd.NA, pd.NA
    table = table.rename_axis("owner_id").reset_index()
    return table.sort_values(["n_open", "owner_id"], ascending=[False, True], kind="stable", ignore_index=True)


def handovers(snapshot: Snapshot) -> pd.DataFrame:
    """Deals that went from one owner to another, one row per pair, most first; those of the last eight quarters.

    Columns: from_owner, to_owner, n (hand-overs), held_days (median days the deal had been with the first). The owner at
    creation is no hand-over. Raises NoHistory when the source does not say when owners changed.
    """
    held = snapshot.spells("owner_id").rename(columns={"value": "from_owner", "next_value": "to_owner"})
    held = held[held["to_at"].notna()].fillna({"from_owner": NOBODY, "to_owner": NOBODY})
    held = held[held["from_owner"] != held["to_owner"]]
    passed = periods.local_day(held["to_at"], snapshot.timezone).dt.to_period(f"Q-{snapshot.fiscal_year_end}")
    held = held[passed > periods.quarter_of(snapshot.as_of, snapshot.fiscal_year_end) - LOOKBACK]
    held = held.assign(days=(held["to_at"] - held["from_at"]).dt.total_seconds() / DAY)
    table = held.groupby(["from_owner", "to_owner"])["days"].agg(n="size", held_days="median").reset_index()
    return table.sort_values(["n", "from_owner", "to_owner"], ascending=[False, True, True], kind="stable", ignore_index=True)
