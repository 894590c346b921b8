"""How good the forecasts were that had really been made: those frozen by earlier runs, beside what their quarters brought."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import money, periods, statistics
from ..errors import DataRefused
from ..snapshot import Snapshot

PARTS = ("won to date", "open", "yet to be created", "pulled in")  # how the names of parts of a forecast begin
BAND = 0.9  # level of the band of a coverage
SCORED = [
    "quarter", "as_of", "days_left", "member", "low", "value", "high", "level", "actual", "error", "is_inside", "state", "unit",
    "is_ahead", "n_revisions",
]  # fmt: skip
ACCURACY = [
    "member", "n", "n_quarters", "wape", "bias", "coverage", "coverage_low", "coverage_high", "level", "unit", "is_ahead",
]  # fmt: skip


def scored(snapshot: Snapshot, ledger: pd.DataFrame) -> pd.DataFrame:
    """Frozen forecasts beside what came in, one row per forecast and method, in the order of quarter and day.

    `ledger` as `runs` keeps it. Of forecasts of this dataset as of the snapshot's day or earlier the first that was told is
    scored, `n_revisions` says how many others were told later; parts of a forecast are not scored. Columns: quarter, as_of,
    days_left (days of the quarter after `as_of`), member ("total" is the model's answer), low, value, high, level, actual (won
    in the quarter as known on the snapshot's day; missing while it runs), error (value − actual, + when too high), is_inside
    (low ≤ actual ≤ high; missing without an actual or an interval), state (open, scored), unit (a currency or deals), is_ahead
    (frozen before the quarter ended; others were made afterwards as of a past day), n_revisions. A won deal without amount
    counts as a deal and as no money. DataRefused when the ledger is in another currency than the data.
    """
    known = ledger[(ledger["data"] == snapshot.data) & (ledger["as_of"] <= snapshot.as_of.isoformat())]
    revisions = known.groupby(["quarter", "as_of"])["revision"].max()
    rows = known[(known["revision"] == 0) & ~known["member"].str.startswith(PARTS)]
    rows = rows.sort_values(["quarter", "as_of"], kind="stable", ignore_index=True)
    quarters = {name: periods.quarter(name, snapshot.fiscal_year_end) for name in rows["quarter"].unique()}
    ended = {name: periods.last_day(quarter) for name, quarter in quarters.items()}
    last = rows["quarter"].map(ended).astype("datetime64[us]")
    midnight = rows["quarter"].map({name: periods.cutoff(day, snapshot.timezone) for name, day in ended.items()})
    actual = {
        (name, unit): _won(snapshot, quarters[name], unit)
        for name, unit in rows[["quarter", "unit"]].drop_duplicates().itertuples(index=False)
        if ended[name] <= snapshot.as_of
    }
    rows["actual"] = [actual.get(key, np.nan) for key in zip(rows["quarter"], rows["unit"], strict=True)]
    rows["days_left"] = (last - rows["as_of"].astype("datetime64[us]")).dt.days
    rows["error"] = rows["value"] - rows["actual"]
    is_inside = (rows["low"] <= rows["actual"]) & (rows["actual"] <= rows["high"])
    rows["is_inside"] = is_inside.astype("boolean").where(rows[["low", "actual", "high"]].notna().all(axis=1))
    rows["state"] = np.where(rows["actual"].notna(), "scored", "open")
    rows["is_ahead"] = rows["frozen_at"] < midnight.astype("datetime64[us]")
    rows["n_revisions"] = [revisions[key] for key in zip(rows["quarter"], rows["as_of"], strict=True)]
    return rows[SCORED]


def ledger_accuracy(scored: pd.DataFrame) -> pd.DataFrame:
    """How good each method's frozen forecasts were, one row per member, level of its interval, unit and is_ahead.

    Columns: member, n (forecasts with a result), n_quarters, wape, bias, coverage, coverage_low, coverage_high, level (of the
    forecasts' intervals), unit, is_ahead. WAPE = Σ|actual − forecast| ÷ Σ actual; bias = Σ(forecast − actual) ÷ Σ actual, +
    when too high; both missing when nothing was won. coverage = share of actuals inside the interval, with its 90 % Wilson
    interval for as many cases as quarters: forecasts of one quarter share its result. Open forecasts are not counted; a method
    that has none but these keeps its row, with n 0.

    >>> told = pd.DataFrame({"quarter": ["2026Q1", "2026Q2"], "member": "total", "level": 0.8, "unit": "EUR", "is_ahead": True,
    ...                      "value": [110.0, 160.0], "actual": [100.0, 200.0], "error": [10.0, -40.0],
    ...                      "is_inside": [True, False]})
    >>> ledger_accuracy(told)[["member", "n", "wape", "bias", "coverage"]].round(2).values.tolist()
    [['total', 2, 0.17, -0.1, 0.5]]
    """
    rows = []
    keys = ["member", "level", "unit", "is_ahead"]
    for (member, level, unit, is_ahead), told in scored.groupby(keys, sort=False, dropna=False):
        known = told[told["error"].notna()]
        total = known["actual"].sum()
        wape, bias = (known["error"].abs().sum() / total, known["error"].sum() / total) if total > 0 else (np.nan, np.nan)
        judged = known[known["is_inside"].notna()]
        coverage = float(judged["is_inside"].astype("float64").mean())
        cases = judged["quarter"].nunique()
        low, high = statistics.wilson(coverage * cases, cases, BAND)
        band = [coverage, float(low), float(high)]
        rows.append([member, len(known), known["quarter"].nunique(), wape, bias, *band, level, unit, is_ahead])
    return pd.DataFrame(rows, columns=ACCURACY)


def _won(snapshot: Snapshot, quarter: pd.Period, unit: str) -> float:
    """Won in a quarter as known on the snapshot's day, in money or in deals."""
    deals = snapshot.opportunities
    won = deals[(deals["status"] == "won") & (deals["close_date"].dt.to_period(quarter.freqstr) == quarter)]
    if unit == "deals":
        return float(len(won))
    if unit != snapshot.currency:
        do = "name the dataset the forecasts were made from"
        raise DataRefused(f"the frozen forecasts are in {unit}, the data in {snapshot.currency}", f"data {snapshot.data}", do)
    snapshot.require_one_currency()
    return int(money.to_cents(won["amount"]).sum()) / 100
