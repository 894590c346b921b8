"""What the methods see: the deals open at the start of every week of past quarters, and the wins known when a quarter began.

The start of a week is the end of the day before it, so that nothing of the week itself is known. Every method is fitted on what
was known when the target quarter began and looks at the deals open on the day of the forecast; the same lines are used for a
past quarter and for the running one.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd

from .. import money, periods
from ..snapshot import Snapshot
from .points import running_quarter

WEEKS = 13  # the last one lasts until the quarter's end
ORIGINS = (1, 4, 8, 12)  # weeks at whose start past quarters are forecast, to measure the methods
LEARNED = 16  # quarters a method learns from
KEPT = 40  # past quarters looked at; a past look is what was said then while a company has no more than these
UNLISTED = "(not listed)"


@dataclass(frozen=True)
class Panel:
    """`deals`: one row per origin day and deal open then: day, quarter and week forecast on that day (ordinal, 1 to 13),
    days_left, deal, owner, segment, stage, category (codes), weight (amount, or 1 per deal), age, in_stage (days), pushes, due
    (whether the close date lies in or before the quarter).
    `wins`: one row per day asked and win known then: day, deal, closed (date), quarter (ordinal of the close date), weight,
    created, owner, segment. A win without close date is in quarter 0."""

    unit: str
    running: pd.Period  # the quarter that is open on `today`
    today: dt.date
    quarters: list[pd.Period]  # complete past quarters, the oldest first
    ids: pd.Index  # of the deals, by their code
    stages: list[str]  # by position; the last one wins most
    segments: list[str]
    categories: list[str]
    deals: pd.DataFrame
    wins: pd.DataFrame
    moved: pd.DataFrame
    probability: np.ndarray  # of each stage, as the CRM has it; NaN without one

    def origin(self, quarter: pd.Period, week: int) -> dt.date:
        return start_of_week(quarter, week)

    def fitted_on(self, quarter: pd.Period) -> dt.date:
        """The day whose knowledge a forecast of the quarter is fitted on."""
        return min(start_of_week(quarter, 1), self.today)

    def open_on(self, day: dt.date) -> pd.DataFrame:
        """Deals open at the end of the day, the columns of `deals`."""
        return self._open.get(pd.Timestamp(day), self.deals.iloc[:0])

    def won_on(self, day: dt.date) -> pd.DataFrame:
        """Wins known at the end of the day, the columns of `wins`."""
        return self._won.get(pd.Timestamp(day), self.wins.iloc[:0])

    def result(self, quarter: pd.Period, day: dt.date) -> float:
        """Won in the quarter as known at the end of the day."""
        return float(self._results.get((pd.Timestamp(day), quarter.ordinal), 0.0))

    @cached_property
    def _moved(self) -> dict[int, pd.DataFrame]:
        return dict(iter(self.moved.groupby("quarter")))

    @cached_property
    def _outcomes(self) -> dict[dt.date, tuple[np.ndarray, np.ndarray]]:
        return {}

    @cached_property
    def _open(self) -> dict[pd.Timestamp, pd.DataFrame]:
        return dict(iter(self.deals.groupby("day")))

    @cached_property
    def _won(self) -> dict[pd.Timestamp, pd.DataFrame]:
        return dict(iter(self.wins.groupby("day")))

    @cached_property
    def _results(self) -> dict[tuple[pd.Timestamp, int], float]:
        return self.wins.groupby(["day", "quarter"])["weight"].sum().to_dict()

    def before(self, quarter: pd.Period) -> list[pd.Period]:
        """Complete quarters that were over when `quarter` began, the latest `LEARNED`."""
        return [q for q in self.quarters if q < quarter][-LEARNED:]

    def moved_in(self, quarter: pd.Period) -> pd.DataFrame:
        """The rows of `moved` of one quarter."""
        return self._moved.get(quarter.ordinal, self.moved.iloc[:0])

    def outcome(self, day: dt.date) -> tuple[np.ndarray, np.ndarray]:
        """Quarter in which each deal was won (ordinal; −1: not won) and for how much, by deal, as known at the end of the
        day."""
        if day not in self._outcomes:
            won = self.won_on(day)
            quarter, weight = np.full(len(self.ids), -1), np.zeros(len(self.ids))
            quarter[won["deal"]], weight[won["deal"]] = won["quarter"], won["weight"]
            self._outcomes[day] = quarter, weight
        return self._outcomes[day]


def start_of_week(quarter: pd.Period, week: int) -> dt.date:
    """The day at whose end the week begins."""
    return periods.first_day(quarter) + dt.timedelta(days=7 * (week - 1) - 1)


@lru_cache(maxsize=4)
def panel(snapshot: Snapshot) -> Panel:
    """The panel of a snapshot, kept: every function of this room starts from it. A source without stage history has one
    stage, and one that does not tell what open deals were worth counts deals."""
    if "amount" in snapshot.tracked:
        snapshot.require_one_currency()
    running = running_quarter(snapshot)
    complete = snapshot.first_complete_quarter
    quarters = [running - back for back in range(KEPT, 0, -1)]
    quarters = [q for q in quarters if complete is not None and q >= complete]
    gone = snapshot.as_of - periods.first_day(running)
    points = {start_of_week(q, w): (q.ordinal, w, True) for q in [*quarters, running] for w in range(1, WEEKS + 1)}
    for q in [*quarters, running]:  # the same day of every quarter
        day = min(periods.first_day(q) + gone, periods.last_day(q) - dt.timedelta(days=1))
        points.setdefault(day, (q.ordinal, max(min(gone.days // 7 + 1, WEEKS), 1), False))
    place = pd.DataFrame.from_dict(points, orient="index", columns=["quarter", "week", "is_weekly"])
    place.index = pd.DatetimeIndex(place.index)
    place = place[place.index <= pd.Timestamp(snapshot.as_of)].sort_index()
    seen = snapshot.states(_dates(place.index), status="open", columns=_OPEN)
    seen = seen[seen["created_at"].notna()].reset_index(drop=True)
    asked = place[place["week"].isin(ORIGINS) | ~place["is_weekly"] | (place["quarter"] == running.ordinal)]
    won = snapshot.states(_dates(asked.index), status="won", columns=_WON)
    is_priced = "amount" in snapshot.tracked and any(money.to_float(frame["amount"]).gt(0).any() for frame in (seen, won))
    unit = snapshot.currency if is_priced else "deals"
    return _coded(snapshot, seen, won, place, unit, quarters, running)


_WON = ["created_at", "owner_id", "account_id", "amount", "close_date"]
_OPEN = [*_WON, "stage", "stage_since", "forecast_category"]


def _coded(snapshot: Snapshot, seen: pd.DataFrame, won: pd.DataFrame, place: pd.DataFrame, unit: str, quarters: list[pd.Period],
           running: pd.Period) -> Panel:  # fmt: skip
    """The panel of what was seen: names as codes, instants as days, money as numbers."""
    listed = snapshot.table("stages").sort_values("position").set_index("stage")
    # A stage that is missing or not listed has a place of its own at the beginning: nothing says that it is any further.
    stages = [UNLISTED, *listed.index[listed["status"] == "open"]] if "stage" in snapshot.tracked else [""]
    categories = sorted(set(seen["forecast_category"].dropna())) if "forecast_category" in snapshot.tracked else []
    segment = snapshot.members(pd.concat([seen[["account_id"]], won[["account_id"]]], ignore_index=True), "segment")
    segments, ids = sorted(set(segment)), pd.Index(pd.concat([seen["opportunity_id"], won["opportunity_id"]]).unique())
    code = pd.Index(segments).get_indexer(segment)
    quarter = seen["day"].map(place["quarter"])
    ends = {q: pd.Timestamp(periods.last_day(pd.Period(ordinal=q, freq=running.freqstr))) for q in quarter.unique()}
    end = quarter.map(ends)
    weight = [1.0 if unit == "deals" else money.to_float(frame["amount"]).fillna(0) for frame in (seen, won)]
    deals = pd.DataFrame({
        "day": seen["day"], "quarter": quarter, "season": quarter % 4, "week": seen["day"].map(place["week"]),
        "is_weekly": seen["day"].map(place["is_weekly"]), "days_left": (end - seen["day"]).dt.days,
        "deal": ids.get_indexer(seen["opportunity_id"]), "owner": seen["owner_id"], "segment": code[: len(seen)],
        "stage": np.maximum(pd.Index(stages).get_indexer(seen["stage"]), 0) if len(stages) > 1 else 0,
        "category": pd.Index(categories).get_indexer(seen["forecast_category"]) if categories else -1,
        "weight": weight[0], "age": _days(seen["day"], seen["created_at"]),
        "in_stage": _days(seen["day"], seen["stage_since"].fillna(seen["created_at"])),
        "pushes": _pushes(snapshot, seen), "due": (seen["close_date"] <= end).to_numpy(),
        "is_dated": seen["close_date"].notna(),
    })  # fmt: skip
    closed = won["close_date"]
    wins = pd.DataFrame({
        "day": won["day"], "deal": ids.get_indexer(won["opportunity_id"]), "closed": closed,
        "quarter": closed.dt.to_period(running.freqstr).astype("int64").where(closed.notna(), 0),
        "weight": weight[1], "created": won["created_at"], "owner": won["owner_id"], "segment": code[len(seen) :],
    })  # fmt: skip
    probability = listed["probability"].reindex(stages).astype("float64").to_numpy()
    return Panel(unit, running, snapshot.as_of, quarters, ids, stages, segments, categories, deals, wins,
                 _moved(deals[deals["is_weekly"]], place.index[place["is_weekly"]]), probability)  # fmt: skip


def _dates(days: pd.DatetimeIndex) -> list[dt.date]:
    return [day.date() for day in days]


def _moved(deals: pd.DataFrame, days: pd.DatetimeIndex) -> pd.DataFrame:
    """The weekly rows of `deals` and what became of them: next_day, next_stage (−1: not open then), is_new (not open at the
    origin before)."""
    at = days.get_indexer(deals["day"])
    key = deals["deal"].to_numpy() * len(days) * 2 + at
    stage = pd.Series(deals["stage"].to_numpy(), index=key)
    following = stage.reindex(key + 1).to_numpy()
    return deals.assign(
        next_day=pd.Series(days[np.minimum(at + 1, len(days) - 1)], index=deals.index).where(at + 1 < len(days)),
        next_stage=np.where(np.isnan(following), -1, following).astype(int),
        is_new=~np.isin(key - 1, key) & (at > 0),
    )


def _days(day: pd.Series, since: pd.Series) -> np.ndarray:
    return np.maximum((day - since).dt.total_seconds().to_numpy() / 86_400 + 1, 0)


def _pushes(snapshot: Snapshot, seen: pd.DataFrame) -> np.ndarray:
    """How often each deal's close date had been moved to a later day by the end of the row's day."""
    if "close_date" not in snapshot.tracked:
        return np.zeros(len(seen))
    spells = snapshot.spells("close_date")
    moved = spells[spells["next_value"] > spells["value"]]
    ids = pd.Index(seen["opportunity_id"].unique())
    deal = ids.get_indexer(moved["opportunity_id"])
    at = moved["to_at"].to_numpy().astype("datetime64[us]").astype(np.int64)[deal >= 0]
    deal = deal[deal >= 0]
    order = np.lexsort((at, deal))
    deal, at = deal[order], at[order]
    cutoffs = {day: periods.cutoff(day.date(), snapshot.timezone) for day in seen["day"].unique()}
    before = seen["day"].map(cutoffs).to_numpy().astype("datetime64[us]").astype(np.int64)
    row = ids.get_indexer(seen["opportunity_id"])
    # Both keys in one number: microseconds since 1970 need 51 bits, so they are counted in seconds here.
    key, asked = deal * 2**34 + at // 1_000_000, row * 2**34 + before // 1_000_000
    return (np.searchsorted(key, asked, side="left") - np.searchsorted(key, row * 2**34, side="left")).astype(float)
