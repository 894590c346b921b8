"""Forecasts of made-up companies beside what the best possible forecast was and what came, and their scores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from revops_lib import forecast
from revops_lib.snapshot import Snapshot

WEEKS = [1, 4, 8, 12]
METHODS = ["value", "oracle", "stage_weighted", "last_quarter", "seasonal_naive", "odds", "paths", "yields", "submitted",
           "reps", "managers"]  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """`rows`: one row per company, quarter and week, what everybody said and what came. `brier`: one row per company and
    method. `bias`: one row per company, layer and week, estimated and planted bias of submitted forecasts (log)."""

    rows: pd.DataFrame
    brier: pd.DataFrame
    bias: pd.DataFrame


def measured(companies: Iterable[tuple[Snapshot, dict[str, Any]]]) -> Scored:
    """`companies`: each at the end of 2026Q3, with its truth. What came is what the truth says, wins recorded late
    included."""
    rows, brier, biases = [], [], []
    for snapshot, truth in companies:
        seed, tested = truth["seed"], forecast.backtest(snapshot)
        # The day that corresponds to the snapshot's is another row of week 12 or 13, unless it is the start of a week.
        tested = tested.sort_values("day").drop_duplicates(["quarter", "week"])
        oracle = pd.DataFrame(truth["oracle"])[["quarter", "week", "mean", "p10", "p90", "actual"]]
        oracle = oracle.rename(columns={"mean": "oracle", "p10": "oracle_p10", "p90": "oracle_p90"})
        both = tested.drop(columns="actual").merge(oracle, on=["quarter", "week"], validate="one_to_one")
        both["is_inside"] = both["actual"].between(both["p10"], both["p90"])
        rows.append(both.assign(seed=seed))
        brier.append(forecast.brier(snapshot).assign(seed=seed))
        found, planted = forecast.submission_bias(snapshot), truth["submissions"]
        laws = {"rep": planted["log_bias"], "manager": planted["managers"]["log_bias"]}
        expected = [laws[layer][week] for layer, week in zip(found["layer"], found["week"], strict=True)]
        biases.append(found.assign(planted=expected, seed=seed))
    return Scored(*(pd.concat(parts, ignore_index=True) for parts in (rows, brier, biases)))


def wape(rows: pd.DataFrame, method: str) -> float:
    """Σ|forecast − actual| ÷ Σ actual, where the method said something; missing where it never did."""
    said = rows.dropna(subset=method)
    return (said[method] - said["actual"]).abs().sum() / said["actual"].sum() if len(said) else float("nan")


def bias(rows: pd.DataFrame, method: str) -> float:
    said = rows.dropna(subset=method)
    return (said[method] - said["actual"]).sum() / said["actual"].sum() if len(said) else float("nan")


def skill(rows: pd.DataFrame, baseline: str) -> float:
    return 1 - wape(rows, "value") / wape(rows, baseline)


def brier_ratio(scored: Scored) -> float:
    """The model's mean squared error over that of the stages' probabilities, on the same deals."""
    summed = (scored.brier["brier"] * scored.brier["n"]).groupby(scored.brier["method"]).sum()
    return summed["Model"] / summed["CRM stage probability"]


def tell(name: str, scored: Scored) -> None:
    rows = scored.rows
    rows = rows.assign(oracle_inside=rows["actual"].between(rows["oracle_p10"], rows["oracle_p90"]))
    by_week = dict(iter(rows.groupby("week")))
    table = pd.DataFrame({
        "WAPE": {method: wape(rows, method) for method in METHODS},
        "bias": {method: bias(rows, method) for method in METHODS},
        **{f"week {week}": {method: wape(of, method) for method in METHODS} for week, of in by_week.items()},
    })  # fmt: skip
    inside = pd.DataFrame(
        {"model": rows.groupby("week")["is_inside"].mean(), "oracle": rows.groupby("week")["oracle_inside"].mean()}
    )
    mean = (scored.bias["value"] - scored.bias["planted"]).groupby([scored.bias["layer"], scored.bias["week"]]).mean()
    each = rows.groupby("seed").apply(lambda of: wape(of, "value") / wape(of, "oracle"), include_groups=False)
    print(f"\n{name}: {rows['seed'].nunique()} companies, {len(rows)} forecasts\n{table.round(3).to_string()}")
    print(f"model ÷ oracle {wape(rows, 'value') / wape(rows, 'oracle'):.3f}; by company {each.round(2).to_dict()}")
    print(f"skill: stages {skill(rows, 'stage_weighted'):.3f}, seasonal naive {skill(rows, 'seasonal_naive'):.3f}")
    print(
        f"inside 80 %: {rows['is_inside'].mean():.3f}, oracle {rows['oracle_inside'].mean():.3f}\n{inside.round(3).T.to_string()}"
    )
    print(
        f"Brier ÷ that of stages {brier_ratio(scored):.3f}; submitted bias found − planted\n{mean.unstack().round(3).to_string()}"
    )
