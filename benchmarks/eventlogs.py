"""Flow, variants, durations and rework of an event log of a million cases, beside pm4py doing the same.

    bash .ci/peer                                            pm4py, in an environment of its own
    python benchmarks/eventlogs.py                           100 thousand and 1 million cases, three rounds, alternating
    python benchmarks/eventlogs.py --cases 10000 -n 1        a first look

All read the same Parquet file (text case ids, eight activities, about six events a case, in order of time), each in a process
of its own, and deliver: per pair of activities how often one follows the other, with mean and median time; every variant with
its number of cases; every case's duration; the cases that repeat each activity. The answers must be equal. Exit code 1 when
they are not, or when at the largest size ours is not at least 10 times faster than pm4py on pandas, 4 times faster than pm4py
on polars, 2 times leaner than pm4py on pandas, or when ten times the cases take more than 15 times the CPU time. Compared is
the work, reading and computing; whole processes, with imports and the writing of the answers, are shown beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
PEER = ROOT / ".peers" / "pm4py" / "bin" / "python"
FASTER = {"pm4py pandas": 10.0, "pm4py polars": 4.0}
LEANER, GROWTH = 2.0, 15.0
ACTIVITIES = np.array(["Create", "Qualify", "Discover", "Propose", "Negotiate", "Revise", "Won", "Lost"])
# From each activity to every other; a case ends in one of the last two.
MOVES = np.array([
    [0.00, 0.90, 0.05, 0.00, 0.00, 0.02, 0.00, 0.03],
    [0.00, 0.05, 0.75, 0.03, 0.00, 0.05, 0.00, 0.12],
    [0.00, 0.00, 0.05, 0.70, 0.02, 0.10, 0.00, 0.13],
    [0.00, 0.00, 0.00, 0.06, 0.60, 0.12, 0.02, 0.20],
    [0.00, 0.00, 0.00, 0.10, 0.03, 0.12, 0.50, 0.25],
    [0.00, 0.10, 0.30, 0.40, 0.20, 0.00, 0.00, 0.00],
])  # fmt: skip
# Each leaves `follows` (activity, next, n, mean seconds, median seconds), `sequences` (activities, n), `seconds` of all cases
# and `again` (activity, cases).
OURS = (
    """
import pandas as pd, pyarrow.parquet
from revops_lib.bottlenecks.eventlog import event_log
""",
    """
def column(name, **how):
    return pyarrow.parquet.read_table(path, columns=[name], **how)[name]
case = column("case:concept:name").to_pandas()
activity = column("concept:name", read_dictionary=["concept:name"]).unify_dictionaries().to_pandas()
at = column("time:timestamp").to_pandas()
log = event_log(pd.DataFrame({"case_id": case, "activity": activity, "at": at}))
del case, activity, at
pairs, variants, durations, rework = log.directly_follows(), log.variants(), log.durations(), log.rework()
""",
    """
follows = [(r.activity, r.next_activity, r.n, r.mean * 86_400, r.median * 86_400) for r in pairs.itertuples()]
sequences = [(r.variant.split(" → "), r.n) for r in variants.itertuples()]
seconds, again = (durations["days"] * 86_400).tolist(), zip(rework["activity"], rework["n_cases"])
""",
)
PM4PY = """
log = pm4py.format_dataframe(log)
count, time_of = pm4py.discover_dfg(log)[0], pm4py.discover_performance_dfg(log)[0]
variants, durations = pm4py.get_variants(log), pm4py.get_all_case_durations(log)
rework = pm4py.get_rework_cases_per_activity(log)
"""
PM4PY_SAYS = """
follows = [(a, b, n, time_of[a, b]["mean"], time_of[a, b]["median"]) for (a, b), n in count.items()]
sequences, seconds, again = variants.items(), durations, rework.items()
"""
CODES = {
    "ours": (sys.executable, *OURS),
    "pm4py pandas": (str(PEER), "import pandas as pd, pm4py", f"log = pd.read_parquet(path){PM4PY}", PM4PY_SAYS),
    "pm4py polars": (str(PEER), "import polars as pl, pm4py", f"log = pl.scan_parquet(path){PM4PY}", PM4PY_SAYS),
}
MEASURED = """
import hashlib, json, resource, time
{imports}
began, used = time.perf_counter(), time.process_time()
{code}
work, cpu = time.perf_counter() - began, time.process_time() - used
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
{says}
def digest(rows):
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]
print(json.dumps({{
    "work": work, "cpu": cpu, "megabytes": megabytes,
    "follows": sorted([str(a), str(b), int(n), float(mean), float(half)] for a, b, n, mean, half in follows),
    "rest": [digest(sorted((tuple(map(str, v)), int(n)) for v, n in sequences)),
             digest(sorted(round(s * 1000) for s in seconds)), digest(sorted((str(a), int(n)) for a, n in again))],
}}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, nargs="+", default=[100_000, 1_000_000], metavar="N")
    parser.add_argument("-n", "--rounds", type=int, default=3, metavar="N")
    asked = parser.parse_args()
    if not PEER.exists():
        sys.exit("pm4py has no environment here: bash .ci/peer")
    middle: dict[int, dict[str, dict[str, float]]] = {}
    holds = True
    for n in sorted(asked.cases):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/log.parquet"
            # In a process of its own: what is started later would inherit this one's peak memory.
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                n_events = pool.submit(write_log, path, n).result()
            rounds = [{name: measure(name, path) for name in CODES} for _ in range(asked.rounds)]
        holds &= show(n, n_events, rounds)
        middle[n] = {name: medians([each[name] for each in rounds]) for name in CODES}
    smallest, largest = min(middle), max(middle)
    if len(middle) > 1:
        grown, times = middle[largest]["ours"]["cpu"] / middle[smallest]["ours"]["cpu"], largest / smallest
        limit = GROWTH * times / 10
        print(f"{times:g} times the cases take {grown:.1f} times the CPU time (at most {limit:g})")
        holds &= grown <= limit
    for name, least in FASTER.items():
        ratio = middle[largest][name]["work"] / middle[largest]["ours"]["work"]
        print(f"{largest:,} cases: {ratio:.1f} times faster than {name} (at least {least:g})")
        holds &= ratio >= least
    leaner = middle[largest]["pm4py pandas"]["megabytes"] / middle[largest]["ours"]["megabytes"]
    print(f"{largest:,} cases: {leaner:.2f} times leaner than pm4py pandas (at least {LEANER:g})")
    sys.exit(0 if holds and leaner >= LEANER else 1)


def write_log(path: str, n: int) -> int:
    """A log of n cases in order of time, written to `path`; returns its number of events.

    Times are whole seconds, because pm4py on polars drops what is finer.
    """
    rng = np.random.default_rng(7)
    reached = MOVES.cumsum(axis=1)
    now, at = np.zeros(n, dtype="int64"), rng.integers(0, 3 * 365 * 86_400, n)  # seconds within three years
    running, parts = np.arange(n), []
    while len(running):
        parts.append((running, now[running], at[running]))
        running = running[now[running] < len(MOVES)]
        drawn = rng.random(len(running))[:, None]
        now[running] = np.minimum((drawn > reached[now[running]]).sum(axis=1), len(ACTIVITIES) - 1)
        at[running] += rng.lognormal(13, 1, len(running)).astype("int64")
    case, activity, at = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(at, kind="stable")
    ids = pd.Series(rng.permutation(n)).map("006{:012d}".format).to_numpy()
    instants = np.datetime64("2023-01-01", "us") + at[order].astype("timedelta64[s]")
    log = {"case:concept:name": ids[case[order]], "concept:name": ACTIVITIES[activity[order]], "time:timestamp": instants}
    pd.DataFrame(log).to_parquet(path, index=False)
    return len(order)


def measure(name: str, path: str) -> dict:
    """What one tool takes in a fresh process, and its answers."""
    python, imports, code, says = CODES[name]
    script = f"path = {path!r}\n{MEASURED.format(imports=imports, code=code, says=says)}"
    began = time.perf_counter()
    ended = subprocess.run([python, "-c", script], capture_output=True, text=True, cwd=ROOT)
    if ended.returncode:
        sys.exit(f"{name} failed:\n{ended.stderr}")
    return {**json.loads(ended.stdout.splitlines()[-1]), "whole": time.perf_counter() - began}


def medians(found: list[dict]) -> dict[str, float]:
    return {key: statistics.median(one[key] for one in found) for key in ("work", "whole", "cpu", "megabytes")}


def show(n: int, n_events: int, rounds: list[dict]) -> bool:
    """Print one size; whether all answers are equal."""
    first = rounds[0]["ours"]
    print(f"{n:,} cases, {n_events:,} events, {len(first['follows'])} pairs\n")
    print("| median of the rounds | work s | work, CPU s | whole process s | peak MB | work ÷ ours, per round |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in CODES:
        m = medians([each[name] for each in rounds])
        ratios = ", ".join(f"{each[name]['work'] / each['ours']['work']:.1f}" for each in rounds)
        print(f"| {name} | {m['work']:.2f} | {m['cpu']:.2f} | {m['whole']:.2f} | {m['megabytes']:,.0f} | {ratios} |")
    is_equal = all(is_same(first, each[name]) for each in rounds for name in CODES)
    print(f"\nequal answers: {'yes' if is_equal else 'NO'}\n")
    return is_equal


def is_same(one: dict, other: dict) -> bool:
    """Counts exactly, times to the billionth part: tools add them up in another order."""
    pairs = zip(one["follows"], other["follows"], strict=False)
    return (
        one["rest"] == other["rest"]
        and len(one["follows"]) == len(other["follows"])
        and all(a[:3] == b[:3] and all(map(lambda x, y: math.isclose(x, y, rel_tol=1e-9), a[3:], b[3:])) for a, b in pairs)
    )


if __name__ == "__main__":
    main()
