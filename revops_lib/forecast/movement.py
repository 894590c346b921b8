"""How a quarter's pipeline came to be what it is: movement between two days.

The pipeline of a quarter holds the open deals due in it. An open deal whose close date has passed is due on the next day, so
it belongs to the quarter of that day; a deal without a close date is due later than any quarter.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from .. import money, periods
from ..errors import UsageError
from ..snapshot import Snapshot
from .points import target_quarter

LEAVING = ("pushed out", "brought forward", "won", "lost")
PARTS = ("opening", "new", "pulled in", "slipped in", "reopened", "increased", "decreased", *LEAVING, "closing")
COLUMNS = ["quarter", "since", "as_of", "pipeline", "by", "member", "part", "amount", "n", "n_unpriced", "value", "unit"]


def movement(snapshot: Snapshot, *, since: str | dt.date = "", by: str | None = None) -> pd.DataFrame:
    """Pipeline of the target quarter from the end of the day `since` to the end of `as_of`, one row per group and part.

    `since` is by default the day before the quarter of `as_of` began. Columns: quarter, since, as_of, pipeline (which deals
    it holds), by, member (the company first), part, amount (exact and signed: what leaves is negative), n (deals), n_unpriced
    (those without an amount on a day that is used: they count as deals and as no money), value (amount as a float for pictures
    and results files), unit. The amounts of all other parts sum to `closing` to the cent; deals at the opening plus those that
    entered minus those that left are the deals at the closing.

    `new`: not known before. `pulled in`: was due after the quarter, or undated. `slipped in`: was due before the quarter.
    `reopened`: was won or lost. `pushed out`, `brought forward`: still open, now due after or before the quarter. A deal
    enters with the amount it had at `since` (a new one with its latest) and leaves with its latest; the difference is
    increased or decreased, changed exchange rates included. A deal that entered and closed in between is in both parts when
    its close date lies in the quarter, so wins show whole; what was in the pipeline and was won or lost leaves it whatever
    its close date. Only the two days are compared: steps there and back between them do not show.

    `by` is anything `snapshot.members` knows. A deal counts in its group as of the closing day, hand-overs move no money.
    Without a history of close dates nobody knows what was due when: the pipeline is then every open deal. Without a history
    of amounts it is counted in deals: `unit` says so, `amount` is missing, `value` is the signed number of deals. UsageError
    unless `since` lies before `as_of`.

    >>> moved = movement(Snapshot("data/sample", quarter="2026Q3", as_of="2026-08-15")).set_index("part")["amount"]
    >>> moved["closing"] == moved.drop("closing").sum()
    True
    """
    quarter, start = target_quarter(snapshot), _since(snapshot, since)
    now = snapshot.opportunities
    is_priced, is_dated = "amount" in snapshot.tracked, "close_date" in snapshot.tracked
    if is_priced:
        snapshot.require_one_currency()
    steps = _steps(snapshot.states([start]), now, start, snapshot.as_of, quarter if is_dated else None)
    if not is_priced:
        steps = steps[~steps["part"].isin(["increased", "decreased"])].assign(is_unpriced=True)
    frames = [_summed(steps.assign(member="company"), ["company"]).assign(by="company")]
    if by is not None:
        groups = snapshot.members(now, by).set_axis(now["opportunity_id"])
        steps = steps.assign(member=steps["opportunity_id"].map(groups))
        frames.append(_summed(steps, sorted(steps["member"].unique())).assign(by=by))
    table = pd.concat(frames, ignore_index=True)
    table["amount"] = money.from_cents(table["cents"].where(table["cents"].notna() & is_priced))
    counted = table["n"].mask(table["part"].isin(LEAVING), -table["n"]).astype("float64")
    table["value"] = money.to_float(table["amount"]) if is_priced else counted
    table = table.assign(quarter=str(quarter), since=start.isoformat(), as_of=snapshot.as_of.isoformat())
    table["pipeline"] = f"due in {quarter}" if is_dated else "all open deals"
    table["unit"] = snapshot.currency if is_priced else "deals"
    return table[COLUMNS]


def _since(snapshot: Snapshot, since: str | dt.date) -> dt.date:
    """The opening day: the one asked for, or the day before the quarter of `as_of` began."""
    if not since:
        return periods.first_day(periods.quarter_of(snapshot.as_of, snapshot.fiscal_year_end)) - dt.timedelta(days=1)
    if (start := periods.day(since)) >= snapshot.as_of:
        raise UsageError(f"{start} is not before the closing day", f"snapshot as of {snapshot.as_of}", "ask an earlier day")
    return start


def _steps(then: pd.DataFrame, now: pd.DataFrame, start: dt.date, end: dt.date, quarter: pd.Period | None) -> pd.DataFrame:
    """One row per deal and part it belongs to: opportunity_id, part, cents (signed), is_unpriced."""
    before = then.set_index("opportunity_id").reindex(now["opportunity_id"]).reset_index()
    was, was_open, is_open = before["status"], before["status"] == "open", now["status"] == "open"
    old, new = due_in(before, start, quarter), due_in(now, end, quarter)
    was_in, is_in = was_open & (old == 0), is_open & (new == 0)
    passed = ~was_in & ~is_open & (now["status"] != was) & (new == 0)  # entered and closed in between
    last = money.to_cents(now["amount"])
    first = money.to_cents(before["amount"]).where(was.notna(), last)
    change = last.fillna(0) - first.fillna(0)
    entry = np.select([was.isna(), ~was_open, old > 0], ["new", "reopened", "pulled in"], "slipped in")
    leave = np.select([~is_open, new > 0], [now["status"], "pushed out"], "brought forward")
    entered, held = (is_in | passed) & ~was_in, was_in | is_in | passed
    parts = [
        (was_in, "opening", first, first.isna()),
        (entered, entry, first, first.isna()),
        (held & (change > 0), "increased", change, first.isna() | last.isna()),
        (held & (change < 0), "decreased", change, first.isna() | last.isna()),
        (held & ~is_in, leave, -last, last.isna()),
        (is_in, "closing", last, last.isna()),
    ]
    ids = now["opportunity_id"]
    rows = [
        pd.DataFrame({"opportunity_id": ids, "part": part, "cents": cents.fillna(0), "is_unpriced": unpriced})[chosen]
        for chosen, part, cents, unpriced in parts
    ]
    return pd.concat(rows, ignore_index=True)


def due_in(deals: pd.DataFrame, day: dt.date, quarter: pd.Period | None) -> pd.Series:
    """Where each deal is due as seen at the end of `day`: 0 in the quarter, -1 before it, 1 after it. A closed deal stands
    where it closed. Without a quarter all are 0."""
    if quarter is None:
        return pd.Series(0, index=deals.index)
    date, following = deals["close_date"], pd.Timestamp(day) + pd.Timedelta(days=1)
    date = date.mask((deals["status"] == "open") & (date < following), following)
    place = np.select([date < quarter.start_time, date <= quarter.end_time], [-1, 0], 1)
    return pd.Series(place, index=deals.index)


def _summed(steps: pd.DataFrame, members: list[str]) -> pd.DataFrame:
    """Steps summed per member and part, every part of every member: member, part, cents, n, n_unpriced."""
    found = steps.groupby(["member", "part"]).agg(cents=("cents", "sum"), n=("part", "size"), n_unpriced=("is_unpriced", "sum"))
    every = pd.MultiIndex.from_product([members, PARTS], names=["member", "part"])
    return found.reindex(every, fill_value=0).reset_index()
