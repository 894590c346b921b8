"""How long people who are new to a selling role need: from the first day in it to the first won deal, and to a full quarter.

Shares are of everybody who began. Who is still on the way has an open case; who has left without getting there is not there and
never will be: leaving them out, or waiting for them as for the others, would keep only the quick ones.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from .. import money, periods, statistics
from ..errors import DataRefused, UsageError, nearest
from ..snapshot import Snapshot
from . import assignments

TENURED_DAYS = 365  # in a role; from then on a seller is a peer
FEWEST_PEERS = 3
FIRST_WIN, FULL = "first won deal", "full productivity"
MILESTONES = (FIRST_WIN, FULL)
THERE, GONE = "there", "gone"
GROUPS = ("cohort", "role", "team", "region")
MONTHS = (3, 6, 9, 12, 18, 24)


def starters(snapshot: Snapshot) -> pd.DataFrame:
    """Who began in a selling role while outcomes were kept, and how far each came: one row per person and milestone.

    A role sells when somebody in it who led nobody has won a deal. A person begins on the first day in such a role (the hire
    date when it is the first role), is followed until leading people, and is gone after the last day in such a role. Counted
    are those who began since the first quarter whose closed deals are all there; for full productivity a year later, when there
    were peers. Columns: milestone, rep_id, cohort (year of the first day), role, team, region (of that day), months (from the
    first day to the milestone, to the last day, or as far as was seen), outcome ("there", "gone"; missing: on the way).

    "first won deal": close date of the first own win. "full productivity": end of the first quarter, there to its end, in which
    the own wins reach the median of the peers' (same main segment, a year in the same role and there to the end; a quarter with
    fewer than three of them, or a median of 0, tells nothing); seen up to the last complete quarter. Raises DataRefused without
    dated hires, and for amounts in several currencies.
    """
    snapshot.require_one_currency()
    spells, since = assignments.selling(snapshot), snapshot.first_complete_quarter
    first = pd.NaT if since is None else pd.Timestamp(periods.first_day(since))
    new = _beginners(spells).query("begin >= @first")
    if new.empty:
        what = "nobody began to sell since closed deals are kept, with a first day that is known"
        raise DataRefused(what, f"data {snapshot.data}, table reps", "export the reps with hire dates, those who left too")
    won = snapshot.opportunities.query("status == 'won'")
    closed = won.groupby("owner_id")["close_date"].agg(list)
    last = periods.last_complete(snapshot.as_of, snapshot.fiscal_year_end)
    reached = {FIRST_WIN: {}, FULL: _full_quarters(snapshot, spells, won, last)}
    for rep, begin, end in new[["begin", "end"]].itertuples():
        own = [day for day in closed.get(rep, ()) if day >= begin and not day > end]  # not what was left behind
        reached[FIRST_WIN][rep] = min(own, default=pd.NaT)
    seen = {FIRST_WIN: pd.Timestamp(snapshot.as_of), FULL: pd.Timestamp(periods.last_day(last))}
    began = {FIRST_WIN: first, FULL: first + pd.Timedelta(days=TENURED_DAYS)}
    parts = [_followed(new[new["begin"] >= began[n]], n, pd.Series(reached[n]), seen[n]) for n in MILESTONES]
    return pd.concat(parts, ignore_index=True)


def ramp(snapshot: Snapshot, *, by: str = "role", level: float = 0.95) -> pd.DataFrame:
    """Months until half of all who began are there, one row per milestone, and per milestone and group.

    The share there is that of Aalen & Johansen 1978: leaving competes with getting there, who is on the way is censored. Where
    half never get there, the median is missing. `by`: cohort (year of the first day), role, team or region, as on the first
    day. Columns: milestone, member ("company" or the group), n (people), n_reached, n_left (gone without), n_waiting (on the
    way), median, low, high (where the bounds of the share, as in `ramp_course`, pass a half; missing where they do not), p75
    (by which three quarters are there), unit. Raises as `starters` does, UsageError for another group.

    >>> ramp(Snapshot("data/sample", quarter="2026Q3"))["milestone"].unique().tolist()
    ['first won deal', 'full productivity']
    """
    if by not in GROUPS:
        raise UsageError(f"cannot group people by {by!r}", "by", nearest(by, GROUPS))
    found, rows = starters(snapshot), []
    for milestone, name, group in _grouped(found, by):
        shares = _shares(group, sorted(group["months"].unique()), level)
        bounds = (("value", 0.5), ("high", 0.5), ("low", 0.5), ("value", 0.75))
        told = [shares.loc[shares[bound] >= share - 1e-12, "month"].min() for bound, share in bounds]
        counts = [len(group), *((group["outcome"] == end).sum() for end in (THERE, GONE)), group["outcome"].isna().sum()]
        rows.append([milestone, name, *map(int, counts), *told])
    names = ["milestone", "member", "n", "n_reached", "n_left", "n_waiting", "median", "low", "high", "p75"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[6:], float)).assign(unit="months")


def ramp_course(snapshot: Snapshot, *, level: float = 0.95) -> pd.DataFrame:
    """Share of all who began who got there by so many months, one row per milestone and month (`MONTHS`).

    Columns: milestone, month, at_risk (people watched so long, neither there nor gone), n (all people), value (share there by
    then; missing where nobody was watched so long), low, high (`statistics.share_of_few`), unit. Raises as `starters` does.
    """
    parts = [
        _shares(group, MONTHS, level).assign(milestone=milestone, n=len(group), unit="share")
        for milestone, group in starters(snapshot).groupby("milestone", sort=False)
    ]
    return pd.concat(parts, ignore_index=True)[["milestone", "month", "at_risk", "n", "value", "low", "high", "unit"]]


def _shares(group: pd.DataFrame, months: Iterable[float], level: float) -> pd.DataFrame:
    """Share there by each month, with its bounds; missing where nobody was watched so long and some are on the way."""
    curve = statistics.cumulative_incidence(group["months"], group["outcome"], level)
    is_open, rows = group["outcome"].isna(), []
    for month in months:
        at_risk, unseen = (group["months"] > month).sum(), (is_open & (group["months"] <= month)).sum()
        seen = statistics.share_of_few(curve[curve["time"] <= month], THERE, len(group) - unseen, level)
        is_known = at_risk or not unseen or (group["months"] == month).any()
        rows.append([month, int(at_risk), *(seen if is_known else [float("nan")] * 3)])
    return pd.DataFrame(rows, columns=["month", "at_risk", "value", "low", "high"])


def _beginners(spells: pd.DataFrame) -> pd.DataFrame:
    """People by rep_id as on the first day in a role that sells, with the end of the last such role."""
    people = spells.drop_duplicates("rep_id").set_index("rep_id")
    last = spells.drop_duplicates("rep_id", keep="last").set_index("rep_id")
    return people.assign(end=last["end"], is_leader=last["is_leader"])


def _full_quarters(snapshot: Snapshot, spells: pd.DataFrame, won: pd.DataFrame, last: pd.Period) -> dict[str, pd.Timestamp]:
    """The last day of each person's first quarter at the median of the peers, or more."""
    own = won.assign(quarter=won["close_date"].dt.to_period(snapshot.quarter.freqstr), value=money.to_float(won["amount"]))
    booked = own.groupby(["quarter", "owner_id"])["value"].sum()
    reached: dict[str, pd.Timestamp] = {}
    for quarter in pd.period_range(snapshot.first_complete_quarter, last):
        begin, end = (pd.Timestamp(day(quarter)) for day in (periods.first_day, periods.last_day))
        there = spells[(spells["begin"] <= end) & ~(spells["end"] < end)].set_index("rep_id")
        value = booked.get(quarter, pd.Series(dtype=float)).reindex(there.index, fill_value=0.0)
        is_peer = (begin - there["begin"]).dt.days >= TENURED_DAYS
        for _, group in there.groupby(["role", "segment"]):
            peers = value[group.index[is_peer[group.index]]]
            if len(peers) >= FEWEST_PEERS and peers.median() > 0:
                for rep in group.index[value[group.index] >= peers.median()]:
                    reached.setdefault(rep, end)
    return reached


def _followed(new: pd.DataFrame, milestone: str, reached: pd.Series, seen: pd.Timestamp) -> pd.DataFrame:
    """How long each was watched: to the milestone, else to the last day in such a role, else to `seen`."""
    day = pd.to_datetime(reached.reindex(new.index))
    until = day.fillna(new["end"].where(new["end"] < seen, seen))
    is_gone = day.isna() & (new["end"] <= seen) & ~new["is_leader"]
    outcome = pd.Series(None, index=new.index, dtype="object").mask(day.notna(), THERE).mask(is_gone, GONE)
    found = new[["role", "team", "region"]].assign(
        milestone=milestone, cohort=new["begin"].dt.year.astype("str"), outcome=outcome,
        months=(until - new["begin"]).dt.days.clip(lower=0) / periods.MONTH,
    )  # fmt: skip
    columns = ["milestone", "rep_id", "cohort", "role", "team", "region", "months", "outcome"]
    return found.rename_axis("rep_id").reset_index()[columns]


def _grouped(found: pd.DataFrame, by: str) -> list[tuple[str, str, pd.DataFrame]]:
    """Everybody's rows of each milestone, then those of each group."""
    parts = []
    for milestone, own in found.groupby("milestone", sort=False):
        parts += [(milestone, "company", own), *((milestone, str(name), group) for name, group in own.groupby(by))]
    return parts
