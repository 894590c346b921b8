"""CPU seconds of the forecast's backtest: twelve quarters at four weeks each, on companies of 50 and of 200 wins a quarter.

    python benchmarks/forecast.py               both companies, three rounds
    python benchmarks/forecast.py --rounds 1    a first look

Every round is a process of its own with one thread for linear algebra; inventing the company and importing are not counted,
reading it is. Exit code 1 when the median for 50 wins is above 60 seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from revops_lib import sample

AT_MOST, FORECASTS = 60.0, 48
SCALES = {50: 1.0, 200: 4.0}  # wins a quarter at the end, and the scale of the company
MEASURED = """
import json, resource, sys, time
from revops_lib import forecast
from revops_lib.snapshot import Snapshot
started = time.process_time()
snapshot = Snapshot(sys.argv[1], quarter="2026Q3")
tested = forecast.backtest(snapshot)
seconds = time.process_time() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak": peak, "forecasts": len(tested)}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    medians = {}
    print("| wins a quarter | forecasts | CPU s, min | median | max | peak MB |")
    print("| -------------- | --------- | ---------- | ------ | --- | ------- |")
    for wins, scale in SCALES.items():
        with tempfile.TemporaryDirectory() as room:
            sample.write(Path(room) / "data", seed=1, scale=scale, oracle_paths=0)
            found = [measured(Path(room) / "data") for _ in range(rounds)]
        seconds = sorted(one["seconds"] for one in found)
        medians[wins] = statistics.median(seconds)
        peak = max(one["peak"] for one in found)
        low, middle, high = seconds[0], medians[wins], seconds[-1]
        print(f"| {wins} | {found[0]['forecasts']} | {low:.1f} | {middle:.1f} | {high:.1f} | {peak:,.0f} |")
        if found[0]["forecasts"] != FORECASTS:
            print(f"{found[0]['forecasts']} forecasts, expected {FORECASTS}: twelve quarters at four weeks")
            return 1
    print(f"\nfour times the wins take {medians[200] / medians[50]:.2f} times the CPU time")
    print(f"50 wins a quarter: {medians[50]:.1f} s of CPU, at most {AT_MOST:.0f}")
    return 0 if medians[50] <= AT_MOST else 1


def measured(folder: Path) -> dict[str, float]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MEASURED, str(folder)]
    return json.loads(subprocess.check_output(command, text=True, encoding="utf-8", env=environment))


if __name__ == "__main__":
    sys.exit(main())
