"""What the quarter will bring: open pipeline by empirical win probability, plus what is yet to be created.

A quarter's result has three parts that add up: won by the day of the forecast, won from the deals open on that day, won from
deals created later. The open ones get the share of comparable deals (same stage, same age) that past quarters won from the
same point to their end; the later ones are drawn from past quarters. All quarters of a path share one shock, because deals of
a quarter rise and fall together. Past quarters are forecast the same way with what was known then, and that decides how far
the interval can be trusted and whether the model may be shown at all.

A source without amounts on open deals is forecast in won deals; a sum of money is then not invented.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from .. import periods, statistics
from ..errors import DataRefused
from ..snapshot import Snapshot
from .paths import simulate
from .points import PAST, TESTED, Point, collect, usable, won

FEW = 3  # measured quarters below which past errors give no interval
ENOUGH = 8  # measured quarters below which an interval is called not yet calibrated
METHODS = {"model": "Stage and age", "stage_weighted": "CRM stage probability", "last_quarter": "Last quarter again"}


def outlook(snapshot: Snapshot, *, level: float = 0.8, seed: int = 1) -> pd.DataFrame:
    """Forecast of the target quarter, one row per part and method: part, low, value, high, level, n, unit.

    The target is the snapshot's quarter while it runs, afterwards the quarter that follows `as_of`. Parts `won to date`,
    `open pipeline`, `yet to be created` and `total` are the model's; their medians need not add up, every path does. Baselines
    follow; their low and high say where results came in when the method had given such a number, so a biased baseline lies
    outside its own interval. `low` and `high` are the 10 % and 90 % points at level 0.8. `n` counts deals (won, open) or past
    quarters. Raises DataRefused when no past quarter is complete enough to learn from.
    """
    seen, unit = collect(snapshot)
    now, past = seen[-1], seen[:-1]
    learned = usable(past)[-PAST:]
    if len(learned) < 2 or not any(len(p.deals) for p in learned):
        raise DataRefused(
            "fewer than two complete past quarters to learn from",
            f"data {snapshot.data}, as of {snapshot.as_of}",
            "import an export that reaches further back",
        )
    simulated = simulate(now, learned, seed=seed)
    rows = [_quantiles(part, values, level) for part, values in simulated.items()]
    for row, n in zip(rows, (now.n_won, len(now.deals), len(learned), len(learned)), strict=True):
        row["n"] = n
    tested = _tested(snapshot, level=level, seed=seed)
    for method in ("stage_weighted", "last_quarter"):
        value = _baseline(now, method)
        ratios = [t["actual"] / t[method] for t in tested if t[method] > 0]
        low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2]) * value if len(ratios) >= FEW else (np.nan, np.nan)
        rows.append({"part": METHODS[method], "low": low, "value": value, "high": high, "n": len(ratios)})
    table = pd.DataFrame(rows).assign(level=level, unit=unit, quarter=str(now.quarter))
    return table[["quarter", "part", "low", "value", "high", "level", "n", "unit"]]


def backtest(snapshot: Snapshot, *, level: float = 0.8, seed: int = 1) -> pd.DataFrame:
    """The same forecast made in past quarters from the same point of the quarter, one row per quarter.

    Columns: quarter, low, value, high (model), stage_weighted, last_quarter, actual, is_inside, unit. Each forecast uses only
    what was known on its day; `actual` is what was known when the quarter ended. Empty with fewer than three past quarters.
    """
    _, unit = collect(snapshot)
    rows = _tested(snapshot, level=level, seed=seed)
    columns = ["quarter", "low", "value", "high", "stage_weighted", "last_quarter", "actual", "is_inside", "unit"]
    table = pd.DataFrame(rows, columns=columns[:-2])
    table["is_inside"] = (table["low"] <= table["actual"]) & (table["actual"] <= table["high"])
    return table.assign(unit=unit)


def accuracy(tested: pd.DataFrame, *, level: float = 0.8) -> pd.DataFrame:
    """How good each method was on past quarters, one row per method: method, wape, bias, coverage,
    coverage_low, coverage_high, n, level.

    WAPE = Σ|actual − forecast| ÷ Σ actual; bias = Σ(forecast − actual) ÷ Σ actual, + when too high; coverage = share of actuals
    inside the model's interval with its Wilson interval. A baseline has no coverage of its own here.
    """
    names = ["method", "wape", "bias", "coverage", "coverage_low", "coverage_high", "n", "level"]
    rows = []
    for method, column in {
        "model": "value",
        "stage_weighted": "stage_weighted",
        "last_quarter": "last_quarter",
    }.items():
        known = tested[tested[column].notna() & tested["actual"].notna()]
        total = known["actual"].sum()
        error = known[column] - known["actual"]
        wape, bias = (error.abs().sum() / total, error.sum() / total) if total > 0 else (np.nan, np.nan)
        inside = float(known["is_inside"].sum()) if method == "model" else np.nan
        low, high = statistics.wilson(inside, len(known), 0.9)
        coverage = inside / len(known) if len(known) else np.nan
        rows.append([METHODS[method], wape, bias, coverage, float(low), float(high), len(known), level])
    return pd.DataFrame(rows, columns=names)


def answer(outlook: pd.DataFrame, accuracy: pd.DataFrame) -> pd.Series:
    """The row of `outlook` that may be shown as the answer: the model's total, or a baseline that was better in the past."""
    measured = accuracy.dropna(subset="wape")
    best = measured.sort_values("wape", kind="stable")["method"].iloc[0] if len(measured) else METHODS["model"]
    part = "total" if best == METHODS["model"] else best
    return outlook[outlook["part"] == part].iloc[0]


def headline(outlook: pd.DataFrame, accuracy: pd.DataFrame) -> str:
    """The answer in one sentence: forecast, interval, how often such intervals held, and the baseline beaten."""
    chosen = answer(outlook, accuracy)
    if chosen["part"] != "total":
        return _baseline_headline(chosen, accuracy)
    model = accuracy.iloc[0]
    interval = f"between {_amount(chosen['low'], chosen['unit'])} and {_amount(chosen['high'], chosen['unit'])}"
    expected = _amount(chosen["value"], chosen["unit"])
    text = f"{chosen['quarter']}: {expected} expected, {interval} in {chosen['level']:.0%} of cases"
    if model["n"] >= ENOUGH:
        text += f"; such intervals held in {model['coverage'] * model['n']:.0f} of the last {model['n']} quarters"
    else:
        text += f"; not yet calibrated, {model['n'] or 'no'} past quarter{'s' if model['n'] > 1 else ''} could be tested"
    others = accuracy.iloc[1:].dropna(subset="wape")
    if len(others) and pd.notna(model["wape"]):
        best = others.sort_values("wape").iloc[0]
        text += f" (past error {model['wape']:.0%} against {best['wape']:.0%} for “{best['method']}”)"
    return text + "."


def _baseline_headline(chosen: pd.Series, accuracy: pd.DataFrame) -> str:
    """The sentence when a baseline is the answer: its number, why the model is not shown, where its errors put the result."""
    errors, n = accuracy.set_index("method")["wape"], accuracy["n"].iloc[0]
    judged = (
        f"judged by those errors the result lies between {_amount(chosen['low'], chosen['unit'])} and "
        f"{_amount(chosen['high'], chosen['unit'])} in {chosen['level']:.0%} of cases"
        if pd.notna(chosen["low"])
        else f"too few quarters tested ({n}) for an interval"
    )
    return (
        f"{chosen['quarter']}: {_amount(chosen['value'], chosen['unit'])} by “{chosen['part']}”, whose past error of "
        f"{errors[chosen['part']]:.0%} is smaller than the model's {errors.iloc[0]:.0%}; {judged}."
    )


def notes(snapshot: Snapshot, outlook: pd.DataFrame) -> list[str]:
    """What stands in for numbers this source cannot support, in sentences."""
    found = list(snapshot.limits)
    found.append(
        "Each simulated quarter adds up; the middle values of the parts need not. A baseline's interval says where results "
        "came in when it gave such a number, so a baseline that is usually too low or too high lies outside its own."
    )
    open_deals = snapshot.opportunities[snapshot.opportunities["status"] == "open"]
    without = int(open_deals["amount"].isna().sum())
    if (outlook["unit"] == "deals").all():
        found.append(
            "A forecast in money is not shown: this source does not tell what open deals were worth on past days, so nothing "
            "can be learned about amounts. The forecast counts won deals instead."
        )
    elif without:
        found.append(f"{without:,} of {len(open_deals):,} open deals carry no amount and add nothing to the forecast.")
    ageless = int(open_deals["created_at"].isna().sum())
    if ageless:
        found.append(
            f"{ageless:,} open deals have no creation date: no past deal can be compared with them, so they are left out "
            "of the forecast."
        )
    if outlook.loc[outlook["part"] == METHODS["stage_weighted"], "value"].isna().all():
        found.append(
            "The baseline by CRM stage probability is not shown: this source gives no probability, amount or date for it."
        )
    return found


def checks(snapshot: Snapshot, outlook: pd.DataFrame, *, seed: int = 1) -> pd.DataFrame:
    """Whether the forecast is sound, one row per check: check, expected, found, holds."""
    seen, unit = collect(snapshot)
    learned = usable(seen[:-1])[-PAST:]
    paths = simulate(seen[-1], learned, seed=seed)
    parts = sum(float(values.mean()) for name, values in paths.items() if name != "total")
    ends = [periods.last_day(p.quarter) for p in learned]
    known = snapshot.states(ends)
    whole = sum(
        float(won(known[known["day"] == pd.Timestamp(end)], p.quarter, unit)["weight"].sum())
        for p, end in zip(learned, ends, strict=True)
    )
    pieces = sum(p.actual for p in learned)
    ordered = outlook.iloc[: len(paths)]
    in_order = int(((ordered["low"] <= ordered["value"]) & (ordered["value"] <= ordered["high"])).sum())
    rows = [
        (
            "parts of a path sum to its total",
            f"{paths['total'].mean():,.2f}",
            f"{parts:,.2f}",
            abs(paths["total"].mean() - parts) < 0.01,
        ),
        (
            "past results = won by then + from open + from new",
            f"{whole:,.2f}",
            f"{pieces:,.2f}",
            abs(whole - pieces) < 0.01,
        ),
        ("intervals are ordered", str(len(ordered)), str(in_order), in_order == len(ordered)),
        (
            "nothing later than the snapshot's day",
            f"before {snapshot.cutoff}",
            str(snapshot.newest),
            snapshot.newest < snapshot.cutoff,
        ),
        ("past quarters to learn from", f"at least {ENOUGH}", str(len(learned)), len(learned) >= ENOUGH),
    ]
    return pd.DataFrame(rows, columns=["check", "expected", "found", "holds"])


def metrics(outlook: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Rows of the results file: every line of the outlook, and error, bias and coverage of every method."""
    unit = str(outlook["unit"].iloc[0])
    forecast = statistics.tidy(outlook, metric="forecast", by="part", member="part", unit=unit, level=outlook["level"].iloc[0])
    parts = [forecast.assign(quarter=outlook["quarter"].iloc[0])]  # the quarter that is forecast, not the one looked at
    parts += [
        statistics.tidy(accuracy, metric=name, by="method", member="method", value=name, unit="share",
                        low=f"{name}_low", high=f"{name}_high",
                        level=0.9 if name == "coverage" else None)
        for name in ("wape", "bias", "coverage")
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def recommendations(snapshot: Snapshot, outlook: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """What to do about the forecast, one row per advice."""
    rows = []
    chosen = answer(outlook, accuracy)
    open_deals = snapshot.opportunities[snapshot.opportunities["status"] == "open"]
    overdue = open_deals[open_deals["close_date"] <= pd.Timestamp(snapshot.as_of)]
    if len(overdue):
        rows.append(
            (
                f"{len(overdue):,} open deals carry a close date that has passed",
                "Date them again before the next call",
                "sales managers",
            )
        )
    pipeline = outlook[outlook["part"] == "open pipeline"].iloc[0]
    later = outlook[outlook["part"] == "yet to be created"].iloc[0]
    if later["value"] > pipeline["value"]:
        rows.append(
            (
                "More than half of what is still to come must come from deals that do not exist yet",
                "Plan pipeline generation now, not at the end of the quarter",
                "head of sales",
            )
        )
    if chosen["part"] != "total":
        rows.append(
            (
                f"The model lost to “{chosen['part']}” on past quarters",
                "Use that number until the data allow a better model",
                "RevOps",
            )
        )
    if accuracy["n"].iloc[0] < ENOUGH:
        rows.append(("The interval rests on few past quarters", "Keep every export so that the history grows", "RevOps"))
    return pd.DataFrame(rows, columns=["finding", "action", "owner"])


@lru_cache(maxsize=4)
def _tested(snapshot: Snapshot, *, level: float, seed: int) -> list[dict[str, Any]]:
    """Forecasts of past quarters, each learned from the quarters before it only. Kept, like the points."""
    past = usable(collect(snapshot)[0][:-1])
    rows = []
    for index in range(len(past))[-TESTED:]:
        point = past[index]
        learned = [p for p in past[:index] if periods.last_day(p.quarter) <= point.day][-PAST:]
        if len(learned) < 2 or not any(len(p.deals) for p in learned):
            continue
        total = _quantiles("total", simulate(point, learned, seed=seed)["total"], level)
        rows.append(
            {
                "quarter": str(point.quarter),
                "low": total["low"], "value": total["value"], "high": total["high"],
                "stage_weighted": _baseline(point, "stage_weighted"),
                "last_quarter": _baseline(point, "last_quarter"),
                "actual": point.actual,
            }
        )  # fmt: skip
    return rows


def _baseline(point: Point, method: str) -> float:
    """What people use without a model. A stage-weighted pipeline knows nothing of deals that do not exist yet."""
    if method == "last_quarter":
        return point.last
    return point.won_to_date + float(point.deals["crm"].sum(min_count=1))


def _quantiles(part: str, values: np.ndarray, level: float) -> dict[str, object]:
    low, middle, high = np.quantile(values, [(1 - level) / 2, 0.5, (1 + level) / 2])
    return {"part": part, "low": low, "value": middle, "high": high, "n": np.nan}


def _amount(value: float, unit: str) -> str:
    if not np.isfinite(value):
        return "an unknown amount"
    return f"{value:,.0f} {unit}"
