"""How good the forecast was: past quarters, each forecast from what was known then, against what came and what people use."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import statistics
from ..snapshot import Snapshot
from .odds import is_won
from .outlook import NAMES, tested
from .panel import ORIGINS, panel
from .rolling import BASELINES, METHODS
from .submitted import LAYERS, biases, log_bias, submissions

LAYER_NAMES = ("reps", "managers")


def backtest(snapshot: Snapshot, *, level: float = 0.8, seed: int = 1) -> pd.DataFrame:
    """The same forecast made in past quarters, one row per quarter and day: the start of weeks 1, 4, 8 and 12, and the day that
    corresponds to the snapshot's.

    Columns: quarter, week, day, is_same_point, low, value, high, p10, p90, what each baseline, method and layer of people said,
    actual, is_inside, unit. Each forecast uses only what was known on its day; `actual` is what is known on the snapshot's
    day, wins recorded late included. Empty with fewer than three past quarters.
    """
    rows = []
    for look, actual in tested(snapshot, level=level, seed=seed):
        (low, high), (p10, p90) = look.interval(level), look.interval(0.8)
        at = (str(look.quarter), look.week, look.day, look.is_same_point)
        said = (look.said[name] for name in (*BASELINES, *METHODS, *LAYER_NAMES))
        rows.append((*at, low, look.value, high, p10, p90, *said, actual))
    at_names = ["quarter", "week", "day", "is_same_point", "low", "value", "high", "p10", "p90"]
    table = pd.DataFrame(rows, columns=[*at_names, *BASELINES, *METHODS, *LAYER_NAMES, "actual"])
    table["is_inside"] = (table["low"] <= table["actual"]) & (table["actual"] <= table["high"])
    return table.assign(day=pd.to_datetime(table["day"]), unit=panel(snapshot).unit)


def same_point(backtest: pd.DataFrame) -> pd.DataFrame:
    """The rows of the backtest that look at their quarter from the same point as the snapshot, in the columns people read."""
    rows = backtest[backtest["is_same_point"].astype(bool)]
    return rows[["quarter", "low", "value", "high", *BASELINES, "actual", "is_inside", "unit"]].reset_index(drop=True)


def accuracy(backtest: pd.DataFrame, *, level: float = 0.8) -> pd.DataFrame:
    """How good each method was, one row per method and point of the quarter: method, at, wape, bias, pinball, skill, coverage,
    coverage_low, coverage_high, n, level.

    `at`: "same point", week 1, 4, 8 or 12, or "all weeks". WAPE = Σ|actual − forecast| ÷ Σ actual; bias = Σ(forecast −
    actual) ÷ Σ actual, + when too high; pinball = mean pinball loss at P10, P50 and P90 ÷ mean actual (model only); skill = 1
    − the model's WAPE ÷ this method's, on quarters both forecast; coverage = share of actuals inside the model's interval
    with its Wilson interval. A method that said nothing has missing scores.
    """
    points = {"same point": backtest["is_same_point"].astype(bool)}
    points |= {f"week {week}": (backtest["week"] == week) & ~_is_extra(backtest) for week in ORIGINS}
    points["all weeks"] = ~_is_extra(backtest)
    columns = {"model": "value", **{name: name for name in (*BASELINES, *METHODS, *LAYER_NAMES)}}
    rows = [{"method": NAMES[method], "at": at, **_scores(backtest[mask.to_numpy(bool)], column, level), "level": level}
            for at, mask in points.items() for method, column in columns.items()]  # fmt: skip
    names = ["method", "at", "wape", "bias", "pinball", "skill", "coverage", "coverage_low", "coverage_high", "n", "level"]
    return pd.DataFrame(rows)[names]


def against_baselines(accuracy: pd.DataFrame) -> pd.DataFrame:
    """The rows of `accuracy` that decide what is shown: the model and the baselines, from the same point of the quarter."""
    names = [NAMES[name] for name in ("model", *BASELINES)]
    rows = accuracy[(accuracy["at"] == "same point") & accuracy["method"].isin(names)]
    return rows.drop(columns="at").reset_index(drop=True)


def by_week(accuracy: pd.DataFrame) -> pd.DataFrame:
    """WAPE of every method through the quarter, one row per method, one column per week and one for all."""
    rows = accuracy[(accuracy["at"] != "same point") & (accuracy["n"] > 0)]
    table = rows.pivot(index="method", columns="at", values="wape")[rows["at"].unique()]
    return table.reindex(rows["method"].unique()).rename_axis(columns=None).reset_index().assign(unit="share")


def added(backtest: pd.DataFrame) -> pd.DataFrame:
    """Forecast value added, one row per layer, from the naive baseline over people to the model: layer, wape, bias, added, n.

    added = WAPE of the layer before − WAPE of this one: positive where the layer helped (Gilliland 2010). Only days on which
    every layer had said something are compared; a layer that never submits is left out.
    """
    rows = backtest[~_is_extra(backtest)]
    layers = ["last_quarter", *(name for name in (*LAYER_NAMES, "submitted") if rows[name].notna().any()), "value"]
    rows = rows.dropna(subset=[*layers, "actual"])
    total = rows["actual"].sum()
    table = pd.DataFrame({
        "layer": [NAMES.get(name, NAMES["model"]) for name in layers],
        "wape": [(rows[name] - rows["actual"]).abs().sum() / total if total > 0 else np.nan for name in layers],
        "bias": [(rows[name] - rows["actual"]).sum() / total if total > 0 else np.nan for name in layers],
    })  # fmt: skip
    return table.assign(added=-table["wape"].diff(), n=len(rows))


def submission_bias(snapshot: Snapshot) -> pd.DataFrame:
    """How far submitted forecasts lie above what comes beyond the closed, one row per layer (rep, manager) and week: layer,
    week, value (log; 0.1 is about 10 % too much), low, high (90 %, jackknife over the rounds), n (rounds). Empty without
    submissions."""
    seen = panel(snapshot)
    past = biases(seen, submissions(snapshot), seen.running)
    rows = []
    for layer, week in ((layer, week) for layer in LAYERS for week in ORIGINS):
        of = past[(past["layer"] == layer) & (past["week"] == week)]
        if len(of):
            value = log_bias(of)
            without = [log_bias(of.drop(index=row)) for row in of.index]
            spread = np.sqrt((len(of) - 1) * np.var(without))  # jackknife over the rounds
            half = statistics.normal_quantile(0.9) * spread if len(of) > 1 else np.nan
            rows.append((layer, week, value, value - half, value + half, len(of)))
    return pd.DataFrame(rows, columns=["layer", "week", "value", "low", "high", "n"])


def reliability(snapshot: Snapshot, *, level: float = 0.9, seed: int = 1) -> pd.DataFrame:
    """Whether deals given a chance of 30 % are won in 30 % of cases, one row per tenth of the past open deals, ordered by
    chance: predicted (mean chance), observed (share won by the end of the quarter), low, high (Wilson), n, unit.

    Deals open at the start of weeks 1, 4, 8 and 12 of the last twelve quarters; a deal still open at the quarter's end was
    not won in it. Empty without a past quarter.
    """
    cases = _cases(snapshot, seed)
    if cases.empty:
        return pd.DataFrame(columns=["predicted", "observed", "low", "high", "n", "unit"])
    tenth = pd.qcut(cases["chance"].rank(method="first"), min(10, len(cases)), labels=False)
    table = cases.groupby(tenth).agg(
        predicted=("chance", "mean"), observed=("won", "mean"), wins=("won", "sum"), n=("won", "size")
    )
    low, high = statistics.wilson(table["wins"], table["n"], level)
    table = table.assign(low=low, high=high, unit="share")
    return table[["predicted", "observed", "low", "high", "n", "unit"]].reset_index(drop=True)


def brier(snapshot: Snapshot, *, seed: int = 1) -> pd.DataFrame:
    """Mean squared error of the chances of past open deals (Brier 1950), one row per method: method, brier, n. Beside the
    model the CRM's stage probability and the share won of all, on the same deals as `reliability`."""
    cases = _cases(snapshot, seed)
    columns = {NAMES["model"]: cases["chance"], NAMES["stage_weighted"]: cases["crm"]}
    columns["Share won of all"] = pd.Series(cases["won"].mean(), index=cases.index)
    rows = [(name, ((chance - cases["won"]) ** 2).mean(), int(chance.notna().sum())) for name, chance in columns.items()]
    return pd.DataFrame(rows, columns=["method", "brier", "n"])


def _is_extra(backtest: pd.DataFrame) -> pd.Series:
    """Rows that are there only because they correspond to the snapshot's day: a quarter's week has another row for its
    start."""
    repeated = backtest.duplicated(["quarter", "week"], keep=False)
    return repeated & backtest["is_same_point"].astype(bool)


def _scores(rows: pd.DataFrame, column: str, level: float) -> dict[str, float]:
    known = rows[rows[column].notna() & rows["actual"].notna()]
    total, error = known["actual"].sum(), known[column] - known["actual"]
    if not total > 0:
        return {"wape": np.nan, "bias": np.nan, "pinball": np.nan, "skill": np.nan, "coverage": np.nan, "coverage_low": np.nan,
                "coverage_high": np.nan, "n": len(known)}  # fmt: skip
    model, own = (known["value"] - known["actual"]).abs().sum(), error.abs().sum()
    is_model = column == "value"
    inside = float(known["is_inside"].sum()) if is_model else np.nan
    low, high = statistics.wilson(inside, len(known), 0.9)
    return {
        "wape": own / total, "bias": error.sum() / total, "pinball": _pinball(known) / total if is_model else np.nan,
        "skill": np.nan if is_model or not own > 0 else 1 - model / own, "coverage": inside / len(known),
        "coverage_low": float(low), "coverage_high": float(high), "n": len(known),
    }  # fmt: skip


def _pinball(rows: pd.DataFrame) -> float:
    losses = []
    for column, q in (("p10", 0.1), ("value", 0.5), ("p90", 0.9)):
        gap = rows["actual"] - rows[column]
        losses.append(np.maximum(q * gap, (q - 1) * gap).sum())
    return float(np.mean(losses))


def _cases(snapshot: Snapshot, seed: int) -> pd.DataFrame:
    """Past open deals with their chance, the CRM's probability and whether they were won in the quarter: chance, crm, won."""
    seen, parts = panel(snapshot), []
    for look, _ in tested(snapshot, level=0.8, seed=seed, ahead=0):
        if look.day == seen.origin(look.quarter, look.week):
            deals = seen.open_on(look.day)
            crm = seen.probability[deals["stage"]]
            parts.append(
                pd.DataFrame({"chance": look.chance, "crm": crm, "won": is_won(seen, deals, seen.today).astype(float)})
            )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["chance", "crm", "won"], dtype=float)
