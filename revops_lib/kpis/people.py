"""Those who sell as KPIs count them: their targets, their number, how long they need, and what they foresee.

Managers, whose numbers are those of their teams, are left out everywhere. Who leaves is there on the last day, and gone on the
next: who leaves on the last day of a quarter is gone in the next one. Quotas are those of the table, not cut down for a part of
a quarter.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from .. import periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from . import cases

RAMPED_DAYS = 180  # from then on a seller counts as ramped
FULL_SHARE = 0.75  # of the quota, in two quarters running: fully productive
RAMP_QUARTERS = 16  # how far back people are followed
CALL_DAYS = 28  # a quarter's forecast is the last one of its first four weeks
FIRST_CHOICE = ["commit", "best_case", "pipeline"]  # of several numbers of one person the first of these counts


def targets_since(snapshot: Snapshot) -> pd.Timestamp:
    cases.require(snapshot, "quotas")
    rows = snapshot.table("quotas")
    first = rows.loc[rows["measure"] == "bookings", "quarter"].min()
    return cases.NEVER if pd.isna(first) else pd.Period(first, snapshot.quarter.freq).start_time


def sellers_since(snapshot: Snapshot) -> pd.Timestamp:
    first = snapshot.table("reps")[["hire_date", "start_date"]].min().min()
    return cases.NEVER if pd.isna(first) else first


def submitted_since(snapshot: Snapshot) -> pd.Timestamp:
    cases.require(snapshot, "forecast_submissions")
    first = snapshot.table("forecast_submissions")["submitted_at"].min()
    return cases.NEVER if pd.isna(first) else first.normalize()


def targets(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    """A row per seller and quarter with a quota of bookings."""
    cases.require(snapshot, "quotas")
    rows = snapshot.table("quotas").rename(columns={"rep_id": "owner_id"})
    rows = rows[(rows["measure"] == "bookings") & rows["quarter"].isin([str(quarter) for quarter in quarters])]
    rows = rows[(cases.amounts(rows) > 0) & ~rows["owner_id"].isin(_managers(snapshot))]
    quota = cases.in_company_currency(snapshot, rows, "quotas")
    credited = _per_seller(_credited(snapshot), rows)
    quarter = pd.Series(pd.PeriodIndex(rows["quarter"], freq=snapshot.quarter.freq), index=rows.index)
    reached = (credited >= quota).astype("float64").where(credited.notna())
    return cases.frame(rows, quarter, quota=quota, credited=credited, attainment=credited / quota, reached=reached)


def sellers(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    """People who ever owned a deal, by the quarters in which, or on whose eve, they were there."""
    people = snapshot.table("reps")
    if people[["start_date", "hire_date"]].isna().all(axis=None):
        raise DataRefused("this source does not say since when people sell", f"data {snapshot.data}", "map their dates")
    own = people[people["rep_id"].isin(snapshot.opportunities["owner_id"].dropna().unique())]
    own = own[~own["rep_id"].isin(_managers(snapshot))]
    spans = own.groupby("rep_id").agg(hired=("hire_date", "min"), begun=("start_date", "min"), left=("end_date", _last_day))
    since, parts = spans["hired"].fillna(spans["begun"]), []
    for quarter in quarters:
        begin, end = pd.Timestamp(periods.first_day(quarter)), pd.Timestamp(min(periods.last_day(quarter), snapshot.as_of))
        there = ~(since > end) & ~(spans["left"] < begin - pd.Timedelta(days=1))
        gone = spans["left"] < end
        is_ramped = ~((end - since).dt.days < RAMPED_DAYS)
        parts.append(pd.DataFrame({"quarter": quarter, "owner_id": spans.index, "gone": gone, "ramped": is_ramped & ~gone,
                                   "ramping": ~is_ramped & ~gone})[there])  # fmt: skip
    found = pd.concat(parts, ignore_index=True)
    return cases.frame(found, found["quarter"], present=~found["gone"], **{n: found[n] for n in ("gone", "ramped", "ramping")})


def ramps(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    """Sellers hired in the two years before a quarter's end: months from the first day to the end of the first of two quarters
    running at 75 % of the quota; who is not there yet counts as still on the way."""
    frame = targets(snapshot, [max(quarters) - i for i in range(RAMP_QUARTERS)])
    good = frame[frame["attainment"] >= FULL_SHARE].groupby("owner_id")["quarter"].agg(set)
    hired = snapshot.table("reps").groupby("rep_id")["hire_date"].min().dropna()
    hired, rows = hired[hired.index.isin(frame["owner_id"])], []
    for quarter in quarters:
        end = pd.Timestamp(min(periods.last_day(quarter), snapshot.as_of))
        for rep, since in hired[(hired <= end) & (hired > end - pd.DateOffset(years=2))].items():
            full = min((q for q in good.get(rep, ()) if q + 1 in good[rep] and q + 1 <= quarter), default=None)
            until = end if full is None else pd.Timestamp(periods.last_day(full))
            rows.append((quarter, rep, max((until - since).days, 0) / periods.MONTH, full is not None))
    found = pd.DataFrame(rows, columns=["quarter", "owner_id", "months", "ended"])
    return cases.frame(found, found["quarter"].astype(pd.PeriodDtype(snapshot.quarter.freq)), months=found["months"],
                       ended=found["ended"])  # fmt: skip


def submitted(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    """A row per seller and quarter with a number submitted in its first four weeks: that number, and what was won."""
    cases.require(snapshot, "forecast_submissions")
    rows = snapshot.table("forecast_submissions").rename(columns={"rep_id": "owner_id"})
    rows = rows[rows["quarter"].isin([str(quarter) for quarter in quarters]) & rows["category"].isin(FIRST_CHOICE)]
    rows = rows[~rows["owner_id"].isin(_managers(snapshot))]
    quarter = pd.Series(pd.PeriodIndex(rows["quarter"], freq=snapshot.quarter.freq), index=rows.index)
    day = periods.local_day(rows["submitted_at"], snapshot.timezone)
    rows = rows.assign(period=quarter, day=day, choice=rows["category"].map(FIRST_CHOICE.index))
    rows = rows[rows["day"] < cases.first(quarter) + dt.timedelta(days=CALL_DAYS)]
    rows = rows.sort_values(["day", "choice", "submitted_at"], ascending=[True, False, True], kind="stable")
    rows = rows.drop_duplicates(["owner_id", "quarter"], keep="last")
    actual, said = _per_seller(_brought(snapshot), rows), cases.in_company_currency(snapshot, rows, "submitted forecasts")
    return cases.frame(rows, rows["period"], actual=actual, error=said - actual, missed=np.abs(said - actual))


def _managers(snapshot: Snapshot) -> pd.Series:
    return snapshot.table("reps")["manager_id"].dropna()


def _last_day(days: pd.Series) -> pd.Timestamp:
    return pd.NaT if days.isna().any() else days.max()


def _won(snapshot: Snapshot) -> pd.DataFrame:
    deals = snapshot.opportunities
    won = deals[deals["status"] == "won"]
    quarter = won["close_date"].dt.to_period(snapshot.quarter.freqstr).astype("str")
    return pd.DataFrame({"opportunity_id": won["opportunity_id"], "owner_id": won["owner_id"], "quarter": quarter,
                         "value": cases.amounts(won)})  # fmt: skip


def _brought(snapshot: Snapshot) -> pd.Series:
    """What each seller won per quarter; missing where none of it has an amount."""
    return _won(snapshot).groupby(["owner_id", "quarter"])["value"].sum(min_count=1)


def _credited(snapshot: Snapshot) -> pd.Series:
    """What each seller was credited with per quarter, splits and overlays; what was won where there are no credits."""
    if not snapshot.has("credits"):
        return _brought(snapshot)
    rows = snapshot.table("credits").merge(_won(snapshot).drop(columns="owner_id"), on="opportunity_id")
    rows = rows.assign(value=(rows["value"] * rows["share"]).round(), owner_id=rows["rep_id"])
    return rows.groupby(["owner_id", "quarter"])["value"].sum(min_count=1)


def _per_seller(sums: pd.Series, rows: pd.DataFrame) -> pd.Series:
    """The sum of each row's seller and quarter, 0 where there is none."""
    found = sums.reindex(pd.MultiIndex.from_frame(rows[["owner_id", "quarter"]]), fill_value=0.0)
    return pd.Series(found.to_numpy(), index=rows.index)
