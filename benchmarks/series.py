"""Forecasts of public business series (M3, monthly and quarterly) beside the usual models and statsforecast's ensemble.

    python benchmarks/series.py                                   100 + 100 series, half an hour of one core
    python benchmarks/series.py --series 10 --jobs 2              a first look
    python benchmarks/series.py --peer .venv-peer/bin/python       the ensemble too, from an environment of its own

The ensemble is the mean of AutoETS, AutoTheta, AutoARIMA and AutoCES. statsforecast is not a dependency and wants another
pandas, so it lives elsewhere: `python -m venv .venv-peer && .venv-peer/bin/pip install statsforecast`. Without it its line is
left out.

OWA is the mean of sMAPE and MASE, each divided by that of Naive2 (Makridakis, Spiliotis & Assimakopoulos 2020); MASE is scaled
by the seasonal naive within the training part. Exit code 1 when a promise does not hold: OWA at most 0.03 above the ensemble's,
80 % interval holds in 75 to 90 % of the values, no forecast leaves three ranges of its history, better than the seasonal naive.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from revops_lib.forecast import members
from revops_lib.forecast.series import project

SHARED = Path(os.environ.get("REVOPS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
SEASONS = {"QUARTERLY": 4, "MONTHLY": 12}
LEVEL = 0.8
PROBABILITIES = [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2]
OURS, PEER, NAIVE2 = "ours: mean of three, calibrated", "statsforecast, mean of four", "Naive2"
CLOSE, COVERED = 0.03, (0.75, 0.90)
# Runs in the peer's interpreter: a JSON list of {values, season, horizon} in, a line {answer, seconds} per series out.
ENSEMBLE = """
import json, sys, time
import numpy as np
from statsforecast.models import AutoARIMA, AutoCES, AutoETS, AutoTheta, SeasonalNaive
for case in json.load(sys.stdin):
    y, m, h, begun, found = np.array(case["values"]), case["season"], case["horizon"], time.process_time(), []
    for Model in (AutoETS, AutoTheta, AutoARIMA, AutoCES):
        try:
            got = Model(season_length=m).forecast(y, h, level=[80])
        except Exception:
            got = SeasonalNaive(season_length=m).forecast(y, h, level=[80])
        found.append([got["lo-80"], got["mean"], got["hi-80"]])
    print(json.dumps({"answer": np.mean(found, axis=0).tolist(), "seconds": time.process_time() - begun}), flush=True)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=100, help="how many of each frequency")
    parser.add_argument("--frequency", choices=list(SEASONS), help="only this one")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--peer", default=sys.executable, metavar="PYTHON", help="an interpreter that has statsforecast")
    chosen = parser.parse_args()
    has_peer = subprocess.run([chosen.peer, "-c", "import statsforecast"], capture_output=True).returncode == 0
    if not has_peer:
        print("statsforecast is not installed there, its line is left out; --help says how to have it")
    broken = []
    for frequency in [chosen.frequency] if chosen.frequency else SEASONS:
        cases = sample(frequency, chosen.series, chosen.seed, SEASONS[frequency])
        answers = forecasts(cases, chosen.jobs, chosen.peer if has_peer else "")
        table, replaced = score(cases, answers), sum(answer["replaced"] for answer in answers)
        length = np.median([len(case["values"]) for case in cases])
        print(f"\n{frequency.lower()}, {len(cases)} series, {length:.0f} values at the median\n")
        print(markdown(table), flush=True)
        print(f"\nseries in which one of our models ran away or failed and was replaced: {replaced}")
        broken += [f"{frequency.lower()}: {promise}" for promise in unkept(table)]
    print("\n" + ("\n".join(f"does not hold: {promise}" for promise in broken) or "all promises hold"))
    return bool(broken)


def sample(frequency: str, n: int, seed: int, season: int) -> list[dict[str, Any]]:
    """A fixed random sample: values, actual, season, horizon, the MASE scale and how far a forecast may go."""
    folder = SHARED / "data" / "m3"
    if not folder.exists():
        sys.exit(f"no M3 data in {folder}: name their parent in REVOPS_SHARED")
    info, rows = pd.read_csv(folder / "info.csv"), pd.read_csv(folder / "series.csv.gz")
    ids = sorted(info.loc[info["period"] == frequency, "id"].sample(n, random_state=seed))
    parts = {key: part["value"].to_numpy() for key, part in rows[rows["id"].isin(ids)].groupby(["id", "part"])}
    cases = []
    for name in ids:
        train, test = parts[name, "train"], parts[name, "test"]
        cases.append(
            {"values": train.tolist(), "actual": test, "season": season, "horizon": len(test),
             "scale": np.abs(train[season:] - train[:-season]).mean(), "band": members.band(pd.Series(train))}
        )  # fmt: skip
    return cases


def forecasts(cases: list[dict[str, Any]], jobs: int, peer: str) -> list[dict[str, Any]]:
    """Per series the answers (low, middle, high × step) and seconds of every method, and whether a model was replaced."""
    asked = json.dumps([{key: case[key] for key in ("values", "season", "horizon")} for case in cases])
    ask = functools.partial(subprocess.run, [peer, "-c", ENSEMBLE], input=asked, capture_output=True, text=True, check=True)
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool, ThreadPoolExecutor(1) as beside:
        ran = beside.submit(ask) if peer else None
        found = list(pool.map(one, cases))
    for answer, line in zip(found, ran.result().stdout.splitlines() if ran else [], strict=ran is not None):
        told = json.loads(line)
        answer["methods"][PEER] = (np.array(told["answer"]), told["seconds"])
    return found


def one(case: dict[str, Any]) -> dict[str, Any]:
    y, season, horizon = pd.Series(case["values"]), case["season"], case["horizon"]
    asked: dict[str, Any] = {"horizon": horizon, "season": season, "probabilities": PROBABILITIES}
    ours = functools.partial(project, y, horizon=horizon, season=season, level=LEVEL)
    calibrated, seconds = timed(lambda: ours()[["low", "value", "high"]].to_numpy().T)
    single, together = timed(lambda: members.quantiles(y, **asked))
    naive, _ = timed(lambda: members.seasonal_naive(y, horizon, season, PROBABILITIES))
    methods = {OURS: (calibrated, seconds), "the same, not calibrated": (np.mean(list(single.values()), axis=0), together)}
    names = {"theta": "Theta alone", "ets": "ETS alone, 15 forms", "components": "components alone"}
    methods |= {names[name.split(",")[0]]: (answer, np.nan) for name, answer in single.items()}
    methods |= {"seasonal naive": (naive, np.nan), NAIVE2: (naive2(y.to_numpy(), horizon, season), np.nan)}
    return {"methods": methods, "replaced": any("replaced" in name for name in single)}


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.process_time()
    return call(), time.process_time() - begun


def naive2(y: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The last value, seasonally adjusted where a test at 90 % finds a season (as in the M4 competition); no interval."""
    from statsmodels.tsa.seasonal import seasonal_decompose

    centred = y - y.mean()
    r = np.array([(centred[lag:] * centred[: len(y) - lag]).sum() for lag in range(1, season + 1)]) / (centred**2).sum()
    limit = 1.645 * np.sqrt((1 + 2 * (r[:-1] ** 2).sum()) / len(y))
    index = np.ones(len(y) + horizon)
    if abs(r[-1]) > limit:
        index = np.resize(seasonal_decompose(y, model="multiplicative", period=season).seasonal[:season], len(index))
    middle = y[-1] / index[len(y) - 1] * index[len(y) :]
    return np.array([np.full(horizon, np.nan), middle, np.full(horizon, np.nan)])


def score(cases: list[dict[str, Any]], answers: list[dict[str, Any]]) -> pd.DataFrame:
    """One row per method: MASE, sMAPE (%), OWA, coverage of the 80 % interval, series out of bounds, CPU seconds per series."""
    rows = {}
    for method in answers[0]["methods"]:
        found = []
        for case, answer in zip(cases, answers, strict=True):
            (low, middle, high), seconds = answer["methods"][method]
            actual, error = case["actual"], np.abs(middle - case["actual"])
            smape = (200 * error / (np.abs(actual) + np.abs(middle))).mean()
            inside = ((low <= actual) & (actual <= high)).mean() if np.isfinite(low).all() else np.nan
            is_out = middle.min() < case["band"][0] or middle.max() > case["band"][1] or not np.isfinite(middle).all()
            found.append([error.mean() / case["scale"], smape, inside, is_out, seconds])
        mase, smape, inside, out, seconds = np.array(found, float).T
        rows[method] = {"MASE": mase.mean(), "sMAPE": smape.mean(), "coverage": inside.mean(), "out of bounds": out.sum(),
                        "CPU s": seconds.mean()}  # fmt: skip
    table = pd.DataFrame(rows).T
    table.insert(2, "OWA", (table["MASE"] / table.loc[NAIVE2, "MASE"] + table["sMAPE"] / table.loc[NAIVE2, "sMAPE"]) / 2)
    return table.sort_values("OWA")


def unkept(table: pd.DataFrame) -> list[str]:
    """Promises that do not hold, in words."""
    ours, promises = table.loc[OURS], []
    if PEER in table.index and ours["OWA"] > table.loc[PEER, "OWA"] + CLOSE:
        promises.append(f"OWA {ours['OWA']:.3f} within {CLOSE} of the ensemble's {table.loc[PEER, 'OWA']:.3f}")
    if ours["MASE"] >= table.loc["seasonal naive", "MASE"]:
        promises.append("MASE below the seasonal naive's")
    if not COVERED[0] <= ours["coverage"] <= COVERED[1]:
        promises.append(f"coverage {ours['coverage']:.3f} from {COVERED[0]} to {COVERED[1]}")
    if ours["out of bounds"]:
        promises.append(f"no forecast out of bounds, {ours['out of bounds']:.0f} are")
    return promises


def markdown(table: pd.DataFrame) -> str:
    digits = {"MASE": 3, "sMAPE": 2, "OWA": 3, "coverage": 3, "out of bounds": 0, "CPU s": 2}
    lines = ["| method | " + " | ".join(digits) + " |", "|---" * (len(digits) + 1) + "|"]
    for method, row in table.iterrows():
        cells = [f"{row[name]:.{n}f}" if pd.notna(row[name]) else "–" for name, n in digits.items()]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
