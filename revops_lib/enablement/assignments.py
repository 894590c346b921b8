"""Who sold when, and in which role: people change roles, begin to lead others, and leave."""

from __future__ import annotations

import pandas as pd

from ..snapshot import Snapshot

UNKNOWN = "(unknown)"
DAY = pd.Timedelta(days=1)


def selling(snapshot: Snapshot) -> pd.DataFrame:
    """One row per person and time in one role that sells, in order of time; what somebody does later changes no earlier row.

    A role sells when somebody in it who led nobody has won a deal. Columns: rep_id, role, team, region (of its first day),
    begin (of the first role: the hire date; missing: not known), end (last day; missing: still there), is_leader (it ended
    because the person began to lead people), segment (in which the person owned most deals).
    """
    spells = _spells(snapshot)
    spells = spells[~(spells["leads"] <= spells["begin"])]
    is_leader = spells["leads"].notna() & ~(spells["end"] < spells["leads"])
    spells = spells.assign(is_leader=is_leader, end=spells["end"].where(~is_leader, spells["leads"] - DAY))
    deals = snapshot.opportunities
    won = deals.loc[deals["status"] == "won", ["owner_id", "close_date"]].rename(columns={"owner_id": "rep_id"})
    won = won.merge(spells, on="rep_id")
    roles = won.loc[~(won["close_date"] < won["begin"]) & ~(won["close_date"] > won["end"]), "role"].unique()
    owned = deals.assign(segment=segment(snapshot, deals)).groupby(["owner_id", "segment"]).size()
    most = owned.sort_values(ascending=False, kind="stable").reset_index().drop_duplicates("owner_id")
    spells = spells[spells["role"].isin(roles)].drop(columns="leads").reset_index(drop=True)
    return spells.assign(segment=spells["rep_id"].map(most.set_index("owner_id")["segment"]).fillna(UNKNOWN))


def segment(snapshot: Snapshot, deals: pd.DataFrame) -> pd.Series | str:
    """The segment of each deal; one for all where accounts have none."""
    return snapshot.members(deals, "segment") if "segment" in snapshot.table("accounts") else UNKNOWN


def last_day(rows: pd.DataFrame) -> pd.Series:
    """The last day in the company by rep_id, of all assignments; missing: still there."""
    return rows.groupby("rep_id")["end_date"].agg(lambda days: pd.NaT if days.isna().any() else days.max())


def _spells(snapshot: Snapshot) -> pd.DataFrame:
    """One row per person and time in one role, with the day since when the person leads somebody (missing: nobody)."""
    rows = snapshot.table("reps").sort_values("start_date", kind="stable", na_position="first")
    rows = rows.fillna({"role": UNKNOWN, "team": UNKNOWN, "region": UNKNOWN})
    by_rep = rows.groupby("rep_id")
    begin = rows["start_date"].where(rows.duplicated("rep_id"), by_rep["hire_date"].transform("min"))
    spells = rows.assign(begin=begin)[(rows["role"] != by_rep["role"].shift().fillna("")).to_numpy(bool)]
    own = spells["rep_id"]
    left = last_day(rows).reindex(own).set_axis(spells.index)
    since = rows["start_date"].fillna(pd.Timestamp.min.as_unit("us")).groupby(rows["manager_id"]).min()
    end = (spells.groupby("rep_id")["begin"].shift(-1) - DAY).fillna(left)
    spells = spells.assign(end=end, leads=since.reindex(own).set_axis(spells.index))
    return spells[["rep_id", "role", "team", "region", "begin", "end", "leads"]]
