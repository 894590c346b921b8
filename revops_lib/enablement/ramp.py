"""How long people who are new need: from the first day to the first won deal, and to a full quarter.

Who is not there yet counts as on the way, who has left as on the way until the last day: leaving them out would keep only the
quick ones.
"""

from __future__ import annotations

import pandas as pd

from .. import money, periods, statistics
from ..errors import DataRefused, UsageError, nearest
from ..snapshot import Snapshot

MONTH = 30.4375  # days
TENURED_DAYS = 365  # from then on a seller is a peer
FEWEST_PEERS = 3
FIRST_WIN, FULL = "first won deal", "full productivity"
MILESTONES = (FIRST_WIN, FULL)
GROUPS = ("cohort", "role", "team", "region")
MONTHS = (3, 6, 9, 12, 18, 24)


def starters(snapshot: Snapshot) -> pd.DataFrame:
    """Who began to sell while outcomes were kept, and how far each came: one row per person and milestone.

    Counted are people of a role in which somebody owns deals, managers left out, hired since the first quarter whose closed
    deals are all there; for full productivity a year later, when there were peers. Columns: milestone, rep_id,
    cohort (year of the first day), role, team, region (of the first assignment), months (from the first day to the milestone,
    else to the last day or as far as was seen), is_reached, has_left.

    "first won deal": close date of the first own win. "full productivity": end of the first quarter, there to its end, in which
    the own wins reach the median of the peers' (same role and same main segment, in the company for a year and there to the
    end; a quarter with fewer than three of them, or a median of 0, tells nothing); seen up to the last complete quarter. Raises
    DataRefused without dated hires, and for amounts in several currencies.
    """
    snapshot.require_one_currency()
    people, since = _people(snapshot), snapshot.first_complete_quarter
    first = pd.NaT if since is None else pd.Timestamp(periods.first_day(since))
    new = people[people["hired"] >= first]
    if new.empty:
        what = "nobody began to sell since closed deals are kept, with a first day that is known"
        raise DataRefused(what, f"data {snapshot.data}, table reps", "export the reps with hire dates")
    won = snapshot.opportunities.query("status == 'won'")
    first_win = won.groupby("owner_id")["close_date"].agg(list)
    reached = {FIRST_WIN: {}, FULL: _full_quarters(snapshot, people, won)}
    for rep, hired, left in new[["hired", "left"]].itertuples():
        own = [day for day in first_win.get(rep, ()) if day >= hired and not day > left]  # not what was left behind
        reached[FIRST_WIN][rep] = min(own, default=pd.NaT)
    seen = {FIRST_WIN: pd.Timestamp(snapshot.as_of), FULL: pd.Timestamp(_last_complete(snapshot))}
    began = {FIRST_WIN: first, FULL: first + pd.Timedelta(days=TENURED_DAYS)}
    parts = [_followed(new[new["hired"] >= began[n]], n, pd.Series(reached[n]), seen[n]) for n in MILESTONES]
    return pd.concat(parts, ignore_index=True)


def ramp(snapshot: Snapshot, *, by: str = "role", level: float = 0.9) -> pd.DataFrame:
    """Months until half of the new people are there (Kaplan & Meier 1958), one row per milestone, and per milestone and group.

    `by`: cohort (year of the first day), role, team or region, as on the first day. Columns: milestone, member ("company" or
    the group), n (people), n_reached, n_left (gone before), n_waiting (still on the way), median, low, high (interval of the
    median; missing where not reached), p75 (by which three quarters are there), unit. Raises as `starters` does, UsageError
    for another group.

    >>> ramp(Snapshot("data/sample", quarter="2026Q3"))["milestone"].unique().tolist()
    ['first won deal', 'full productivity']
    """
    if by not in GROUPS:
        raise UsageError(f"cannot group people by {by!r}", "by", nearest(by, GROUPS))
    found, rows = starters(snapshot), []
    for milestone, name, group in _grouped(found, by):
        curve = statistics.survival_curve(group["months"], group["is_reached"], level)
        median, low, high = statistics.survival_quantile(curve, 0.5)
        n_left = int((group["has_left"] & ~group["is_reached"]).sum())
        n_waiting = int((~group["has_left"] & ~group["is_reached"]).sum())
        counts = [len(group), int(group["is_reached"].sum()), n_left, n_waiting]
        rows.append([milestone, name, *counts, median, low, high, statistics.survival_quantile(curve, 0.75)[0]])
    names = ["milestone", "member", "n", "n_reached", "n_left", "n_waiting", "median", "low", "high", "p75"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[6:], float)).assign(unit="months")


def ramp_course(snapshot: Snapshot, *, level: float = 0.9) -> pd.DataFrame:
    """Share of the new people who are there after so many months, one row per milestone and month (`MONTHS`).

    Columns: milestone, month, at_risk (people watched so long and not there yet), n (all people), value (share there by then;
    missing where nobody was watched so long), low, high (Greenwood on the log scale; Wilson 1927 where nobody or everybody is
    there), unit. Raises as `starters` does.
    """
    found, rows = starters(snapshot), []
    for milestone, group in found.groupby("milestone", sort=False):
        curve = statistics.survival_curve(group["months"], group["is_reached"], level)
        for month in MONTHS:
            at_risk = int((group["months"] > month).sum())
            left = curve[curve["time"] <= month].tail(1)
            share = [0.0] * 3 if left.empty else [1 - float(left[name].iloc[0]) for name in ("value", "high", "low")]
            if share[0] in (0, 1):  # nobody or everybody: the interval of a share of all watched
                share[1:] = (float(bound) for bound in statistics.wilson(share[0] * len(group), len(group), level))
            is_known = at_risk > 0 or share[0] == 1
            rows.append([milestone, month, at_risk, len(group), *(share if is_known else [float("nan")] * 3)])
    names = ["milestone", "month", "at_risk", "n", "value", "low", "high"]
    return pd.DataFrame(rows, columns=names).assign(unit="share")


def _people(snapshot: Snapshot) -> pd.DataFrame:
    """Sellers by rep_id: hired, left (missing: there), and role, team and region of their first assignment."""
    rows = snapshot.table("reps").sort_values("start_date", na_position="first")
    deals = snapshot.opportunities
    roles = rows.loc[rows["rep_id"].isin(deals["owner_id"].dropna().unique()), "role"].unique()
    rows = rows[~rows["rep_id"].isin(rows["manager_id"].dropna()) & rows["role"].isin(roles)]
    people = rows.groupby("rep_id").agg(
        hired=("hire_date", "min"), left=("end_date", _last_day), role=("role", "first"), team=("team", "first"),
        region=("region", "first"),
    )  # fmt: skip
    segment = snapshot.members(deals, "segment") if "segment" in snapshot.table("accounts") else "(unknown)"
    owned = deals.assign(segment=segment).groupby(["owner_id", "segment"]).size()
    most = owned.sort_values(ascending=False, kind="stable").reset_index().drop_duplicates("owner_id")
    people["segment"] = most.set_index("owner_id")["segment"].reindex(people.index)
    return people.fillna({"role": "(unknown)", "team": "(unknown)", "region": "(unknown)"})


def _last_day(days: pd.Series) -> pd.Timestamp:
    return pd.NaT if days.isna().any() else days.max()


def _last_complete(snapshot: Snapshot) -> pd.Timestamp:
    running = periods.quarter_of(snapshot.as_of, snapshot.fiscal_year_end)
    is_over = periods.last_day(running) == snapshot.as_of
    return pd.Timestamp(periods.last_day(running if is_over else running - 1))


def _full_quarters(snapshot: Snapshot, people: pd.DataFrame, won: pd.DataFrame) -> dict[str, pd.Timestamp]:
    """The last day of each person's first quarter at the median of the peers, or more."""
    own = won.assign(quarter=won["close_date"].dt.to_period(snapshot.quarter.freqstr), value=money.to_float(won["amount"]))
    booked = own.groupby(["quarter", "owner_id"])["value"].sum()
    last = _last_complete(snapshot)
    reached: dict[str, pd.Timestamp] = {}
    for quarter in pd.period_range(snapshot.first_complete_quarter, periods.quarter_of(last, snapshot.fiscal_year_end)):
        begin, end = (pd.Timestamp(day(quarter)) for day in (periods.first_day, periods.last_day))
        there = people[(people["hired"] <= end) & ~(people["left"] < end)]
        value = booked.get(quarter, pd.Series(dtype=float)).reindex(there.index, fill_value=0.0)
        is_peer = (begin - there["hired"]).dt.days >= TENURED_DAYS
        for _, group in there.groupby(["role", "segment"]):
            peers = value[group.index[is_peer[group.index]]]
            if len(peers) >= FEWEST_PEERS and peers.median() > 0:
                for rep in group.index[value[group.index] >= peers.median()]:
                    reached.setdefault(rep, end)
    return reached


def _followed(new: pd.DataFrame, milestone: str, reached: pd.Series, seen: pd.Timestamp) -> pd.DataFrame:
    """How long each was watched: to the milestone, else to the last day in the company, else to `seen`."""
    day = pd.to_datetime(reached.reindex(new.index))
    until = day.fillna(new["left"].where(new["left"] < seen, seen))
    months = (until - new["hired"]).dt.days.clip(lower=0) / MONTH
    found = new[["role", "team", "region"]].assign(
        milestone=milestone, cohort=new["hired"].dt.year.astype("str"), months=months, is_reached=day.notna(),
        has_left=new["left"].notna(),
    )  # fmt: skip
    columns = ["milestone", "rep_id", "cohort", "role", "team", "region", "months", "is_reached", "has_left"]
    return found.rename_axis("rep_id").reset_index()[columns]


def _grouped(found: pd.DataFrame, by: str) -> list[tuple[str, str, pd.DataFrame]]:
    """Everybody's rows of each milestone, then those of each group."""
    parts = []
    for milestone, own in found.groupby("milestone", sort=False):
        parts += [(milestone, "company", own), *((milestone, str(name), group) for name, group in own.groupby(by))]
    return parts
