"""How fast a large export is imported and checked, and in how much memory, beside plain `pandas.read_csv` of the same files.

    python benchmarks/imports.py                  100 thousand and 1 million opportunities, six changes each
    python benchmarks/imports.py --sizes 10000    a first look

Both read the same CSV files in a process of their own. `read_csv` parses and guesses types; the import reads every cell as
text, casts it exactly, checks it, accounts for every row and writes the tables. What counts are the ratios and how they grow.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

MAPPING = """
name: large
currency: EUR
timezone: Europe/Paris
fiscal_year_end: DEC
stages:
  - {stage: Prospecting, position: 1, status: open}
  - {stage: Proposal, position: 2, status: open}
  - {stage: Negotiation, position: 3, status: open}
  - {stage: Won, position: 4, status: won}
  - {stage: Lost, position: 5, status: lost}
tables:
  reps: {file: reps.csv, columns: {rep_id: id, name: name}}
  opportunities:
    file: deals.csv
    columns:
      {opportunity_id: id, name: name, owner_id: owner, amount: amount, stage: stage, created_at: created, close_date: closed}
    must_exist: [owner_id]
  opportunity_history:
    file: history.csv
    columns: {opportunity_id: deal, changed_at: at, field: field, old_value: old, new_value: new, changed_by: by}
    must_exist: [opportunity_id]
"""
STAGES = np.array(["Prospecting", "Proposal", "Negotiation", "Won", "Lost"])
# Each runs in a process of its own and prints seconds and peak memory in MB.
MEASURED = {
    "pandas.read_csv": """
import pandas as pd
for file in ("reps", "deals", "history"):
    pd.read_csv(f"{folder}/{file}.csv")
""",
    "import and check": """
from pathlib import Path
from revops_lib import sources
dataset = sources.import_export(Path(f"{folder}/large.yml"), Path(folder), Path(f"{folder}/to"))
assert all(file["accepted"] == file["read"] for file in dataset["files"]), dataset["files"]
assert not len(sources.check(Path(f"{folder}/to")))
""",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000], metavar="N", help="opportunities")
    sizes = parser.parse_args().sizes
    print(f"{'':<18}{'deals':>10}{'rows':>10}{'seconds':>9}{'rows/s':>10}{'peak MB':>9}{'B/row':>7}")
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            rows = write_export(Path(folder), n)
            figures = {name: measure(code, folder) for name, code in MEASURED.items()}
        for name, (seconds, megabytes) in figures.items():
            each = f"{seconds:>9.1f}{rows / seconds:>10,.0f}{megabytes:>9,.0f}{megabytes * 1e6 / rows:>7,.0f}"
            print(f"{name:<18}{n:>10,}{rows:>10,}{each}", flush=True)
        (plain, ours) = figures.values()
        print(f"{'ratio':<18}{n:>10,}{'':>10}{ours[0] / plain[0]:>9.2f}{plain[0] / ours[0]:>10.2f}{ours[1] / plain[1]:>9.2f}\n")


def write_export(folder: Path, n: int) -> int:
    """An export of n opportunities with six changes each; returns its number of rows."""
    rng = np.random.default_rng(1)
    created = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 2000, n), unit="D")
    stage = rng.integers(0, 5, n)
    ids = "006" + pd.Series(np.arange(n)).astype("str").str.zfill(12)
    owner = "R-" + pd.Series(rng.integers(0, 2000, n)).astype("str")
    deals = pd.DataFrame({
        "id": ids, "name": "Deal " + ids, "owner": owner, "amount": (rng.integers(100, 10**8, n) / 100).round(2),
        "stage": STAGES[stage], "created": created.strftime("%Y-%m-%d"),
        "closed": (created + pd.to_timedelta(rng.integers(1, 200, n), unit="D")).strftime("%Y-%m-%d"),
    })  # fmt: skip
    deals["amount"] = deals["amount"].map("{:.2f}".format)
    deals.to_csv(folder / "deals.csv", index=False)
    pd.DataFrame({"id": [f"R-{i}" for i in range(2000)], "name": [f"Rep {i}" for i in range(2000)]}).to_csv(
        folder / "reps.csv", index=False
    )
    step = np.tile(np.arange(6), n)
    seconds = rng.integers(0, 80_000, 6 * n).astype("timedelta64[s]")
    at = np.repeat(created.to_numpy(), 6) + (step * 7).astype("timedelta64[D]") + seconds
    reached = np.minimum(step, np.repeat(stage, 6))
    pd.DataFrame({
        "deal": np.repeat(ids.to_numpy(), 6), "at": pd.Series(at).dt.strftime("%Y-%m-%dT%H:%M:%SZ"), "field": "stage",
        "old": np.where(step == 0, "", STAGES[np.maximum(reached - 1, 0)]), "new": STAGES[reached],
        "by": np.repeat(owner.to_numpy(), 6),
    }).to_csv(folder / "history.csv", index=False)  # fmt: skip
    (folder / "large.yml").write_text(MAPPING, encoding="utf-8")
    return 7 * n + 2000


def measure(code: str, folder: str) -> tuple[float, float]:
    """Seconds and peak memory in MB of a piece of code in a fresh process, imports included."""
    script = f"import resource, time\nfolder = {folder!r}\nstart = time.perf_counter()\n{code}\n"
    script += "print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)"
    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    seconds, megabytes = map(float, ended.stdout.split())
    return seconds, megabytes


if __name__ == "__main__":
    main()
