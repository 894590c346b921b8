"""Events of any process in one shape: deals, leads, tickets, subscriptions, and every process of the table `events`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from .. import periods
from ..errors import DataRefused, UsageError, nearest
from ..snapshot import Snapshot

COLUMNS = ["case_id", "activity", "at", "resource", "lifecycle"]
# What a case of a known process ends with; of another process nothing is known but what its log shows.
ENDINGS = {"leads": ("Won", "Lost", "Disqualified"), "tickets": ("Resolved",), "subscriptions": ("Ended",)}


def events(snapshot: Snapshot, *, process: str = "opportunities") -> pd.DataFrame:
    """What happened in a process, one row per event, in the order of the source.

    Columns: case_id, activity, at (instant), resource (who, a pseudonym unless people stay named; may be missing), lifecycle
    (start or complete). `process` is `opportunities` (stages entered), `leads` (Created, MQL, SQL, Opportunity, then Won, Lost
    or Disqualified), `tickets` (its events, where a change of the field `status` is called by what it became; without any:
    Opened, First reply, Resolved), `subscriptions` (Trial, Started, Renewed, Ended; a day is the start of that day) or one that
    the table `events` names. Nothing is left out: `unusable` says what cannot be counted.

    Raises UsageError for an unknown process, naming those that are there, DataRefused for one without an event, NoHistory.

    >>> events(Snapshot("data/sample", quarter="2026Q3"), process="leads")["activity"].unique().tolist()
    ['Created', 'MQL', 'SQL', 'Opportunity', 'Won', 'Lost', 'Disqualified']
    """
    logged = snapshot.table("events")
    names = list(logged["process"].unique())
    if both := sorted(set(names) & set(_KNOWN)):
        where = f"data {snapshot.data}, table events"
        raise DataRefused(f"the process {both[0]!r} is read off other tables already", where, "give it another name")
    there = [*(name for name, (table, _) in _KNOWN.items() if snapshot.has(table)), *names]
    if process not in there:
        raise UsageError(f"unknown process {process!r}", f"data {snapshot.data}", nearest(process, there))
    found = _KNOWN[process][1](snapshot) if process in _KNOWN else logged[logged["process"] == process]
    if found.empty:
        where = f"data {snapshot.data}, as of {snapshot.as_of}"
        raise DataRefused(f"the process {process!r} has no event", where, "ask a later day or another process")
    return found.assign(lifecycle=found["lifecycle"].fillna("complete"))[COLUMNS].reset_index(drop=True)


def _deals(snapshot: Snapshot) -> pd.DataFrame:
    snapshot.require_history()
    changes = snapshot.history[snapshot.history["field"] == "stage"]
    names = {"opportunity_id": "case_id", "new_value": "activity", "changed_at": "at", "changed_by": "resource"}
    return changes.rename(columns=names).assign(lifecycle="complete")


def _leads(snapshot: Snapshot) -> pd.DataFrame:
    leads = snapshot.table("leads")
    deals = snapshot.opportunities.set_index("opportunity_id")
    became = deals.reindex(leads["opportunity_id"]).reset_index()
    day = became["close_date"].map(lambda close: periods.cutoff(close.date(), snapshot.timezone), na_action="ignore")
    last = pd.to_datetime(day) - pd.Timedelta(1, unit="us")  # a day of closing counts until its end
    closed = became["stage_since"].fillna(last).astype("datetime64[us]")
    steps = [("Created", leads["created_at"], leads["owner_id"]), ("MQL", leads["mql_at"], leads["owner_id"]),
             ("SQL", leads["sql_at"], leads["owner_id"]), ("Opportunity", became["created_at"], became["owner_id"]),
             ("Won", closed.where(became["status"] == "won"), became["owner_id"]),
             ("Lost", closed.where(became["status"] == "lost"), became["owner_id"]),
             ("Disqualified", leads["disqualified_at"], leads["owner_id"])]  # fmt: skip
    return _stacked(leads["lead_id"], steps)


def _tickets(snapshot: Snapshot) -> pd.DataFrame:
    found = snapshot.table("ticket_events")
    if len(found):
        became = found["value"].where(found["activity"].str.lower() == "status")
        return found.assign(case_id=found["ticket_id"], activity=became.fillna(found["activity"]), lifecycle="complete")
    tickets = snapshot.table("tickets")
    who = tickets["owner_id"]
    steps = [("Opened", tickets["opened_at"], who), ("First reply", tickets["first_reply_at"], who),
             ("Resolved", tickets["resolved_at"], who)]  # fmt: skip
    return _stacked(tickets["ticket_id"], steps)


def _subscriptions(snapshot: Snapshot) -> pd.DataFrame:
    table = snapshot.table("subscriptions").sort_values(["subscription_id", "start_date"], ignore_index=True)
    begin = _midnight(table["start_date"], snapshot.timezone)
    end = _midnight(table["end_date"] + pd.Timedelta(days=1), snapshot.timezone)
    same = table["subscription_id"] == table["subscription_id"].shift()
    renewed = same & (begin <= end.shift()) & ~table["is_trial"].shift().fillna(False).astype(bool)
    goes_on = same.shift(-1, fill_value=False) & (begin.shift(-1) <= end)
    name = pd.Series("Started", index=table.index).mask(renewed, "Renewed").mask(table["is_trial"].fillna(False), "Trial")
    nobody = pd.Series(None, index=table.index, dtype="str")
    return _stacked(table["subscription_id"], [(name, begin, nobody), ("Ended", end.mask(goes_on), nobody)])


def _midnight(days: pd.Series, timezone: str) -> pd.Series:
    """The instant at which each local day begins."""
    twice = np.ones(len(days), dtype=bool)  # of a midnight that comes twice the first
    local = days.dt.tz_localize(timezone, ambiguous=twice, nonexistent="shift_forward")
    return local.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]")


def _stacked(case: pd.Series, steps: list[tuple[str | pd.Series, pd.Series, pd.Series]]) -> pd.DataFrame:
    """Dated steps as events: those of a case one after another in the order of the steps, whatever their dates."""
    parts = [
        pd.DataFrame({"case_id": case, "activity": name, "at": at, "resource": who, "lifecycle": "complete"}).assign(step=step)
        for step, (name, at, who) in enumerate(steps)
    ]
    long = pd.concat(parts)
    return long[long["at"].notna()].rename_axis("case").sort_values(["case", "step"], kind="stable")


# The table that must be there, and how its events are read.
_KNOWN: dict[str, tuple[str, Callable[[Snapshot], pd.DataFrame]]] = {
    "opportunities": ("opportunities", _deals),
    "leads": ("leads", _leads),
    "tickets": ("tickets", _tickets),
    "subscriptions": ("subscriptions", _subscriptions),
}
