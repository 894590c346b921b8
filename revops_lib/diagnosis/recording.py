"""Data or business? Changes in how deals are recorded, looked for before a cause in the market is named."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from .. import periods
from ..snapshot import Snapshot
from .compared import Comparison, closed, compare, first_whole

FOUND, NOTHING, UNKNOWN = "found", "nothing found", "not known"
SILENT = 10  # entries that were due since the last one before a name counts as no longer used
NEW, YOUNG = 5, 90  # entries a new name needs, and days of history before it
TOGETHER = 31  # days between the last use of one name and the first of another that replaces it
FILLED = {"amount": "won", "account_id": None, "owner_id": None, "product_id": None, "source": None, "type": None,
          "lost_reason": "lost"}  # fmt: skip
JUMP, SURE = 0.05, 3.5  # jump of a filled share that counts, and its standard errors
BATCH, TIMES = 20, 10  # deals of one day that may be a batch, and how many times a usual day they are
MOST = 0.5  # of the change that a finding must be able to explain to be a cause of it
LAGS, SETTLED = 8, 60  # quarters that say how late wins are entered, and days until all are
UNTOUCHED = "nothing"  # what a finding that only tells how to read the numbers distorts


class Finding(NamedTuple):
    """`money`: by how much it may have changed bookings; None: it can have made all of the change."""

    check: str
    text: str
    since: dt.date | None = None
    touches: str = UNTOUCHED
    money: float | None = 0.0
    state: str = FOUND


def data_changes(snapshot: Snapshot, *, against: str = "") -> pd.DataFrame:
    """Changes of the data themselves between the periods compared, one row per finding, or per check that found nothing.

    Looked at, up to the end of the quarter: periods that are not whole; stages that are no longer entered while another begins
    (renamed), or alone (given up, new); the same for sources and types of new deals; filled shares of fields that jump (5
    points and 3.5 standard errors); days with 20 deals and ten times the usual; wins entered after they closed, from how late
    past ones were. Columns: check, state (found, nothing found, not known), finding (a sentence), since (day), touches (what it
    distorts), is_cause (it can explain half of the change of bookings or more: until it is mended no other cause can be named).
    """
    comparison = compare(snapshot, against)
    deals = closed(snapshot, comparison)
    change = _moved(deals, comparison)
    looks = {
        "whole periods": _partial(snapshot, comparison),
        "stages": _stages(snapshot, comparison, deals),
        "labels": _labels(snapshot, comparison, deals),
        "filled fields": _filled(comparison, deals),
        "batches": _batches(snapshot, comparison, deals),
        "late entry": _late(snapshot, comparison, deals),
    }
    rows: list[Finding] = []
    for check, look in looks.items():
        rows += list(look) or [Finding(check, "none", state=NOTHING)]
    found = pd.DataFrame(rows)
    found["since"] = pd.to_datetime(found["since"]).astype("datetime64[us]")
    moved = found["money"].astype("float64")  # missing: can have made all of the change
    enough = moved.isna() | ((moved * change > 0) & (moved.abs() >= MOST * abs(change)))
    found["is_cause"] = (found["state"] == FOUND) & enough
    return found.rename(columns={"text": "finding"})[["check", "state", "finding", "since", "touches", "is_cause"]]


def _moved(deals: pd.DataFrame, comparison: Comparison) -> float:
    """By how much the bookings of these deals changed: those of the quarter less the mean of the quarters before."""
    now, was = (deals.loc[deals["quarter"].isin(list(q)), "cents"].sum() for q in ([comparison.after], comparison.before))
    return float(now - was / len(comparison.before)) / 100


def _partial(snapshot: Snapshot, comparison: Comparison) -> Iterator[Finding]:
    first = first_whole(snapshot)
    for quarter in (*comparison.before, comparison.after):
        if quarter < first:
            text = f"{quarter} is a partial quarter: closed deals are there from {snapshot.outcomes_since} on"
            yield Finding("whole periods", text, snapshot.outcomes_since, "everything", None)
    if comparison.days is not None:
        text = f"{comparison.after} still runs: its first {comparison.days} days are compared with as many of the others"
        yield Finding("whole periods", text, periods.first_day(comparison.after))


def _stages(snapshot: Snapshot, comparison: Comparison, deals: pd.DataFrame) -> Iterator[Finding]:
    """Stages no longer entered, and new ones. One that stands alone explains the bookings of deals that went through it; where
    wins became something else, or the other way round, all may be explained."""
    if "stage" not in snapshot.tracked:
        yield Finding("stages", "this source does not say when stages changed", state=UNKNOWN)
        return
    status = snapshot.table("stages").set_index("stage")["status"]
    entries = snapshot.history[snapshot.history["field"] == "stage"]
    days = periods.local_day(entries["changed_at"], snapshot.timezone)
    for gone, come, since in _replaced(entries["new_value"], days, snapshot, comparison):
        was, now = (status.get(name, "open") if name else None for name in (gone, come))
        touches, cause = _of_status(was, now)
        through = deals["opportunity_id"].isin(entries.loc[entries["new_value"] == (gone or come), "opportunity_id"])
        alone = _moved(deals[through], comparison) if None in (was, now) else None
        yield Finding("stages", _told("stage", gone, come, since), since, touches, alone if cause else 0.0)


def _of_status(was: str | None, now: str | None) -> tuple[str, bool]:
    """What a replaced stage distorts, and whether bookings are among it."""
    if was == now:
        return "times and rates per stage", False
    if "won" in (was, now):
        return "bookings, win rate, deals closed", True
    if "lost" in (was, now):
        return "win rate, deals closed", False
    return "times and rates per stage", False


def _labels(snapshot: Snapshot, comparison: Comparison, deals: pd.DataFrame) -> Iterator[Finding]:
    """Sources and types of deals that are no longer created, and new ones."""
    every = snapshot.opportunities
    every = every[every["created_at"].notna()]
    days = periods.local_day(every["created_at"], snapshot.timezone)
    for column in ("source", "type"):
        for gone, come, since in _replaced(every[column], days, snapshot, comparison):
            brought = _moved(deals[deals[column] == come], comparison) if come and not gone else 0.0
            yield Finding("labels", _told(column, gone, come, since), since, f"split by {column}", brought)


def _replaced(
    values: pd.Series, days: pd.Series, snapshot: Snapshot, comparison: Comparison
) -> Iterator[tuple[str | None, str | None, dt.date]]:
    """Names no longer used and names that began within the periods compared: (gone, come, since), paired when they meet."""
    end = pd.Timestamp(min(snapshot.as_of, periods.last_day(comparison.after)))
    used = pd.DataFrame({"name": values, "day": days}).dropna()
    used = used[used["day"] <= end]
    start = used["day"].min()
    begin = comparison.before[0].start_time
    gone, come = [], []
    for name, group in used.groupby("name")["day"]:
        first, last = group.min(), group.max()
        year = group[group > last - pd.Timedelta(days=365)]
        rate = len(year) / max((last - max(first, last - pd.Timedelta(days=365))).days, 30)
        if last >= begin and rate * (end - last).days >= SILENT:
            gone.append((name, last))
        if first >= begin and len(group) >= NEW and (first - start).days >= YOUNG:
            come.append((name, first))
    for name, last in gone:
        near = [one for one in come if one[0] != name and abs((one[1] - last).days) <= TOGETHER]
        successor = min(near, key=lambda one: abs((one[1] - last).days), default=(None, last + pd.Timedelta(days=1)))
        come = [one for one in come if one[0] != successor[0]]
        yield name, successor[0], successor[1].date()
    for name, first in come:
        yield None, name, first.date()


def _told(what: str, gone: str | None, come: str | None, since: dt.date) -> str:
    if gone and come:
        return f"the {what} “{gone}” is called “{come}” since {since}"
    return f"the {what} “{gone}” is no longer used since {since}" if gone else f"the {what} “{come}” is new since {since}"


def _filled(comparison: Comparison, deals: pd.DataFrame) -> Iterator[Finding]:
    """Fields of closed deals that are filled much more, or much less, often than before."""
    is_after = deals["quarter"] == comparison.after
    is_before = deals["quarter"].isin(comparison.before)
    for column, status in FILLED.items():
        chosen = deals["status"] == status if status else pd.Series(True, index=deals.index)
        new, old = (deals.loc[chosen & period, column].notna() for period in (is_after, is_before))
        if not len(new) or not len(old):
            continue
        jump, share = new.mean() - old.mean(), pd.concat([new, old]).mean()
        error = np.sqrt(share * (1 - share) * (1 / len(new) + 1 / len(old)))
        if abs(jump) < JUMP or abs(jump) < SURE * error:
            continue
        touches, money = f"split by {column.removesuffix('_id')}", 0.0
        if column == "amount":
            priced = deals.loc[chosen & (is_after | is_before) & deals["amount"].notna(), "cents"]
            touches, money = "bookings, deal value", jump * len(new) * float(priced.mean()) / 100
        name = column.removesuffix("_id").replace("_", " ")
        text = f"{name} is filled in {new.mean():.0%} of {status or 'closed'} deals, before in {old.mean():.0%}"
        yield Finding("filled fields", text, periods.first_day(comparison.after), touches, money)


def _batches(snapshot: Snapshot, comparison: Comparison, deals: pd.DataFrame) -> Iterator[Finding]:
    """Days on which far more deals were created, won or lost than on a usual day of the year before."""
    every = snapshot.opportunities
    created = periods.local_day(every.loc[every["created_at"].notna(), "created_at"], snapshot.timezone)
    kinds = {"created": created, **{name: deals.loc[deals["status"] == name, "close_date"] for name in ("won", "lost")}}
    touches = {"created": "opportunities", "won": "bookings, win rate", "lost": "win rate, deals closed"}
    for kind, days in kinds.items():
        counts = days.value_counts().sort_index()
        for day in counts.index[(counts >= BATCH) & _compared(counts.index, comparison)]:
            year = counts[(counts.index < day) & (counts.index >= day - pd.Timedelta(days=365))]
            if len(year) < SILENT or counts[day] < TIMES * year.mean():
                continue
            money = _moved(deals[deals["close_date"] == day], comparison) if kind == "won" else 0.0
            text = f"{counts[day]:,} deals were {kind} on {day.date()}, {year.mean():.1f} on a usual day with any"
            yield Finding("batches", text, day.date(), touches[kind], money)


def _compared(days: pd.DatetimeIndex, comparison: Comparison) -> np.ndarray:
    return days.to_period(comparison.after.freqstr).isin([*comparison.before, comparison.after])


def _late(snapshot: Snapshot, comparison: Comparison, deals: pd.DataFrame) -> Iterator[Finding]:
    """Wins of the quarter that are probably not entered yet: for every win entered after so many days of which a share F of
    past wins had been, 1/F − 1 are missing (chain ladder)."""
    if "stage" not in snapshot.tracked:
        yield Finding("late entry", "this source does not say when wins were entered", state=UNKNOWN)
        return
    status = snapshot.table("stages").set_index("stage")["status"]
    spells = snapshot.spells("stage")
    entered = spells[spells["value"].map(status) == "won"].groupby("opportunity_id")["from_at"].max()
    won = deals[deals["is_won"]]
    if won.empty or entered.empty:
        return
    won = won.assign(at=won["opportunity_id"].map(entered)).dropna(subset="at")
    lag = (periods.local_day(won["at"], snapshot.timezone) - won["close_date"]).dt.days.clip(lower=0)
    age = (pd.Timestamp(snapshot.as_of) - won["close_date"]).dt.days
    lags = np.sort(lag[(won["quarter"] > comparison.after - LAGS) & (age >= SETTLED)].to_numpy())
    now = won["quarter"] == comparison.after
    if len(lags) < SILENT or not now.any():
        return
    entered_share = np.searchsorted(lags, age[now], side="right") / len(lags)
    missing = 1 / np.maximum(entered_share, 1 / len(lags)) - 1
    n, amount = missing.sum(), float((missing * won.loc[now, "cents"]).sum()) / 100
    late = int((lags > 0).sum())
    if n >= 1:
        text = f"about {n:.0f} wins of {comparison.after} are probably not entered yet"
        text += f" ({late:,} of {len(lags):,} past wins were entered late)"
        yield Finding("late entry", text, periods.first_day(comparison.after), "bookings, win rate", -amount)
