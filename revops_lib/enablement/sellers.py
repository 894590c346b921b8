"""What each seller did in each complete quarter, and when each was trained: the panel that `training` compares."""

from __future__ import annotations

import pandas as pd

from .. import money, periods
from ..errors import DataRefused, UsageError, nearest
from ..snapshot import Snapshot
from .assignments import last_day, segment

MEASURES = {
    "pace": "moves to a later stage, as a multiple of those expected of deals in the same stage and segment",
    "wins": "deals won",
    "won amount": "amount of deals won",
}
RAMP_WEEKS = 26  # a seller counts from the first quarter that begins so long after the hire
WEEK = pd.Timedelta(weeks=1)


def sellers_quarters(snapshot: Snapshot, *, training: str, measure: str = "pace") -> pd.DataFrame:
    """One row per seller and complete quarter in which the seller was there throughout, hired half a year before or longer.

    Columns: rep_id, team (when `training` began for the seller, or for anybody; unknown: the seller's own), quarter (Period),
    started (Period, the quarter in which `training` was completed for the first time; missing: never), value, expected,
    unexpected (moves not in `value`). `measure` "wins" and "won amount": value by close date and owner of the deal, expected 1.
    "pace": value is the moves to a later stage or to won while the seller owned the deal; expected is the weeks that open
    deals spent with the seller, each times the moves per week of its stage and segment, as far as nobody trained had them.
    Weeks and moves in a stage and segment that only trained sellers had are left out of both: nothing says what to expect.
    Sellers are whoever owned a deal. Raises DataRefused without trainings, NoHistory ("pace" without stage history),
    UsageError for an unknown measure or training.
    """
    if measure not in MEASURES:
        raise UsageError(f"{measure!r} cannot be measured", "measure", nearest(measure, MEASURES))
    started = _started(snapshot, training)
    cells = (_pace(snapshot, started) if measure == "pace" else _won(snapshot, measure)).reset_index()
    sellers = pd.Index(cells["rep_id"].unique())
    grid = _there(snapshot, sellers).merge(cells, on=["rep_id", "quarter"], how="left")
    if measure == "pace" and (since := snapshot.dataset.get("history_since")):  # earlier moves are not all known
        grid = grid[grid["quarter"] > periods.quarter_of(periods.day(since), snapshot.fiscal_year_end)]
    grid["expected"] = 1.0 if measure != "pace" else grid["expected"].fillna(0.0)
    grid["started"] = pd.PeriodIndex(grid["rep_id"].map(started), freq=snapshot.quarter.freq)
    grid["team"] = grid["rep_id"].map(_teams(snapshot, started)).fillna(grid["rep_id"])
    grid = grid.fillna({"value": 0.0, "unexpected": 0.0})
    return grid[["rep_id", "team", "quarter", "started", "value", "expected", "unexpected"]]


def trainings(snapshot: Snapshot) -> list[str]:
    """Names of the trainings that anybody has completed. DataRefused when the source brought none."""
    names = sorted(snapshot.table("trainings")["training"].unique()) if snapshot.has("trainings") else []
    if not names:
        raise DataRefused(
            "nobody is known to have completed a training", f"data {snapshot.data}, table trainings",
            "import who completed which training when",
        )  # fmt: skip
    return names


def _started(snapshot: Snapshot, training: str) -> pd.Series:
    """The quarter of the first completion, by rep_id."""
    if training not in (names := trainings(snapshot)):
        raise UsageError(f"nobody completed a training {training!r}", "training", nearest(training, names))
    done = snapshot.table("trainings").query("training == @training")
    return done.groupby("rep_id")["completed_date"].min().dt.to_period(snapshot.quarter.freq)


def _teams(snapshot: Snapshot, started: pd.Series) -> pd.Series:
    """Each seller's team on the first day of the quarter of the training, by rep_id; of others, when the first were trained."""
    rows = snapshot.table("reps").sort_values("start_date", na_position="first")
    own = pd.PeriodIndex(rows["rep_id"].map(started), freq=snapshot.quarter.freq).to_timestamp()
    day = pd.Series(own, index=rows.index).fillna(started.min().start_time)
    return rows[~(rows["start_date"] > day)].drop_duplicates("rep_id", keep="last").set_index("rep_id")["team"]


def _quarters(snapshot: Snapshot) -> pd.PeriodIndex:
    """Complete quarters whose closed deals are all there."""
    first, last = snapshot.first_complete_quarter, periods.last_complete(snapshot.as_of, snapshot.fiscal_year_end)
    if first is None or first > last:
        raise DataRefused("no complete quarter of closed deals", f"data {snapshot.data}", "ask a later day")
    return pd.period_range(first, last)


def _there(snapshot: Snapshot, sellers: pd.Index) -> pd.DataFrame:
    """Sellers × quarters in which they were there throughout and no beginners; unknown dates: since ever, until today."""
    rows = snapshot.table("reps")
    rows = rows[rows["rep_id"].isin(sellers)]
    people = pd.DataFrame({
        "from": rows["hire_date"].fillna(rows["start_date"]).groupby(rows["rep_id"]).min() + RAMP_WEEKS * WEEK,
        "until": last_day(rows),
    }).reindex(sellers).rename_axis("rep_id").reset_index()  # fmt: skip
    grid = people.merge(pd.DataFrame({"quarter": _quarters(snapshot)}), how="cross")
    begins, ends = grid["quarter"].dt.start_time, grid["quarter"].dt.end_time.dt.normalize()
    there = ~(begins < grid["from"]) & ~(grid["until"] < ends)
    return grid.loc[there, ["rep_id", "quarter"]]


def _won(snapshot: Snapshot, measure: str) -> pd.DataFrame:
    deals = snapshot.opportunities
    won = deals[(deals["status"] == "won") & deals["owner_id"].notna() & deals["close_date"].notna()]
    if measure == "won amount":
        snapshot.require_one_currency()
    value = money.to_float(won["amount"]) if measure == "won amount" else pd.Series(1.0, index=won.index)
    quarter = won["close_date"].dt.to_period(snapshot.quarter.freq)
    cells = pd.DataFrame({"rep_id": won["owner_id"], "quarter": quarter, "value": value.fillna(0.0), "expected": 1.0})
    others = pd.DataFrame({"rep_id": deals["owner_id"].dropna().unique(), "quarter": _quarters(snapshot)[0]})
    return (
        pd.concat([cells, others.assign(value=0.0, expected=1.0)]).groupby(["rep_id", "quarter"]).sum().assign(unexpected=0.0)
    )


def _pace(snapshot: Snapshot, started: pd.Series) -> pd.DataFrame:
    spent = _spent(snapshot)
    untrained = ~(spent["quarter"] >= spent["rep_id"].map(started).astype(spent["quarter"].dtype))
    rates = spent[untrained].groupby(["stage", "segment"])[["moves", "weeks"]].sum()
    rate = (rates["moves"] / rates["weeks"]).rename("rate").reset_index()
    spent = spent.merge(rate, on=["stage", "segment"], how="left")
    spent["expected"], expected = spent["rate"] * spent["weeks"], spent["rate"].notna()
    spent["value"], spent["unexpected"] = spent["moves"].where(expected, 0.0), spent["moves"].where(~expected, 0.0)
    return spent.groupby(["rep_id", "quarter"])[["value", "expected", "unexpected"]].sum()


def _spent(snapshot: Snapshot) -> pd.DataFrame:
    """Weeks that open deals spent in a stage with an owner, per quarter, and the moves on that ended them."""
    stages = snapshot.table("stages").set_index("stage")
    spells = snapshot.spells("stage")
    status = spells["value"].map(stages["status"])
    spells = spells[(status == "open").to_numpy()].rename(columns={"value": "stage"})
    onward = spells["next_value"].map(stages["position"]) > spells["stage"].map(stages["position"])
    spells["on"] = (onward & (spells["next_value"].map(stages["status"]) != "lost")).to_numpy(bool, na_value=False)
    deals = snapshot.opportunities
    spells = spells.merge(deals[["opportunity_id"]].assign(segment=segment(snapshot, deals)), on="opportunity_id")
    held = _held(snapshot, deals)
    both = spells.merge(held, on="opportunity_id")
    end = both["to_at"].fillna(snapshot.cutoff)
    both["begin"], both["end"] = both["from_at"].clip(lower=both["held_from"]), end.clip(upper=both["held_to"])
    both["on"] &= both["end"] == end
    both = both[both["begin"] < both["end"]]
    edges = [
        (q, *(periods.cutoff(periods.last_day(end), snapshot.timezone) for end in (q - 1, q))) for q in _quarters(snapshot)
    ]
    rows = both.merge(pd.DataFrame(edges, columns=["quarter", "opens", "closes"]), how="cross")
    rows = rows[(rows["begin"] < rows["closes"]) & (rows["end"] > rows["opens"])]
    rows["weeks"] = (rows["end"].clip(upper=rows["closes"]) - rows["begin"].clip(lower=rows["opens"])) / WEEK
    rows["moves"] = (rows["on"] & (rows["end"] <= rows["closes"])).astype("float64")
    return rows[["rep_id", "quarter", "stage", "segment", "weeks", "moves"]]


def _held(snapshot: Snapshot, deals: pd.DataFrame) -> pd.DataFrame:
    """Who owned each deal from when to when; without a history of owners, whoever owns it now."""
    since, until = pd.Timestamp.min.as_unit("us"), pd.Timestamp.max.as_unit("us")
    if "owner_id" not in snapshot.tracked:
        owned = deals.loc[deals["owner_id"].notna(), ["opportunity_id", "owner_id"]]
        return owned.rename(columns={"owner_id": "rep_id"}).assign(held_from=since, held_to=until)
    held = snapshot.spells("owner_id").dropna(subset=["value"])
    held = held.rename(columns={"value": "rep_id", "from_at": "held_from", "to_at": "held_to"})
    return held.fillna({"held_to": until})[["opportunity_id", "rep_id", "held_from", "held_to"]]
