"""The open pipeline as of 208 past weeks from millions of history rows, beside `pandas.merge_asof` doing the same.

    python benchmarks/snapshots.py                    6 million rows, three rounds, alternating
    python benchmarks/snapshots.py --rows 200000      a first look

Both read the same Parquet files, each in a process of its own, imports included, and deliver per week and stage the number of
open deals and the sum of their amounts in cents, as known at the end of the week's last day in the company's time zone. The
answers must be equal; exit code 1 when they are not, or when ours is not at least 1.5 times faster and 2 times leaner.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from revops_lib import money, tables

FASTER, LEANER = 1.5, 2.0
STAGES = ["Qualification", "Discovery", "Proposal", "Negotiation", "Closed Won", "Closed Lost"]
DATASET = {
    "name": "large", "known_until": "2026-09-30", "timezone": "Europe/Paris", "fiscal_year_end": "DEC", "currency": "EUR",
    "tracked": ["stage", "amount"], "files": [], "aliases": [], "quarantined": [],
}  # fmt: skip
# Each leaves `answer`: week (0 to 207), stage, n, cents.
OURS = """
import datetime as dt
from revops_lib import money
from revops_lib.snapshot import Snapshot
snapshot = Snapshot(folder, quarter="2026Q3")
days = [snapshot.as_of - dt.timedelta(weeks=back) for back in range(207, -1, -1)]
totals = snapshot.totals(days, status="open", by="stage")
totals["week"] = totals["day"].map({day: week for week, day in enumerate(sorted(totals["day"].unique()))})
totals["cents"] = money.to_cents(totals["amount"]).fillna(0)
answer = totals.rename(columns={"member": "stage"})[["week", "stage", "n", "cents"]]
"""
# Deals become numbers before they are sorted and looked up, and a deal is asked about only from its first change to
# its closing: 208 weeks of every deal would not fit into memory.
PEER = """
import numpy as np
import pandas as pd
days = pd.date_range(end="2026-09-30", periods=208, freq="7D")
ends = (days + pd.Timedelta(days=1)).tz_localize("Europe/Paris").tz_convert("UTC").tz_localize(None).as_unit("us")
columns = ["opportunity_id", "changed_at", "change_no", "field", "new_value"]
known = [("field", "in", ["stage", "amount"]), ("changed_at", "<", ends[-1])]
history = pd.read_parquet(f"{folder}/opportunity_history.parquet", columns=columns, filters=known)
history["deal"] = pd.factorize(history.pop("opportunity_id"))[0]
history = history.sort_values(["changed_at", "change_no"], ignore_index=True)
status = pd.read_parquet(f"{folder}/stages.parquet").set_index("stage")["status"]
stage = history.loc[history["field"] == "stage", ["deal", "changed_at", "new_value"]]
stage["stage"] = stage.pop("new_value").astype("category")
amount = history.loc[history["field"] == "amount", ["deal", "changed_at", "new_value"]]
amount["cents"] = amount.pop("new_value").str.replace(".", "", regex=False).astype("int64")
del history
first = stage.groupby("deal")["changed_at"].first()
last = stage.drop_duplicates("deal", keep="last").set_index("deal").reindex(first.index)
start = np.searchsorted(ends, first, side="right")
is_closed = last["stage"].map(status).ne("open").to_numpy()
stop = np.where(is_closed, np.searchsorted(ends, last["changed_at"], side="right"), 208)
n = np.maximum(stop - start, 0)
week = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + np.repeat(start, n)
asked = pd.DataFrame({"deal": np.repeat(first.index.to_numpy(), n), "week": week.astype("int16")})
asked["end"] = ends[asked["week"]]
asked = asked.sort_values("end", ignore_index=True)
by = {"left_on": "end", "right_on": "changed_at", "by": "deal", "allow_exact_matches": False}
asked = pd.merge_asof(asked, stage, **by).drop(columns="changed_at")
asked = asked[asked["stage"].map(status).eq("open")]
asked = pd.merge_asof(asked, amount, **by)
answer = asked.groupby(["week", "stage"], observed=True)["cents"].agg(n="size", cents="sum").reset_index()
"""
MEASURED = """
import hashlib, json, resource, time
began = time.perf_counter()
{code}
seconds = time.perf_counter() - began
rows = sorted((int(w), str(s), int(n), int(c)) for w, s, n, c in answer.itertuples(index=False))
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({{
    "seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / 1000, "groups": len(rows),
    "looks": sum(row[2] for row in rows), "hash": hashlib.sha256(repr(rows).encode()).hexdigest()[:16],
}}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=6_000_000, metavar="N", help="rows of the history")
    parser.add_argument("-n", "--rounds", type=int, default=3, metavar="N")
    asked = parser.parse_args()
    found: dict[str, list[dict]] = {"Snapshot.totals": [], "pandas.merge_asof": []}
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: what is started later would inherit this one's peak memory.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            rows = pool.submit(write_company, Path(folder) / "data", asked.rows // 6).result()
        for _ in range(asked.rounds):
            found["Snapshot.totals"].append(measure(OURS, f"{folder}/data"))
            found["pandas.merge_asof"].append(measure(PEER, f"{folder}/data"))
    one = found["Snapshot.totals"][0]
    print(f"{rows:,} history rows, 208 weeks, {one['groups']} weeks and stages, {one['looks']:,} open deals counted\n")
    print("| median of the rounds | seconds | CPU seconds | peak MB | answer |\n| --- | --- | --- | --- | --- |")
    middle = {
        name: {k: statistics.median(m[k] for m in each) for k in ("seconds", "cpu", "megabytes")}
        for name, each in found.items()
    }
    for name, m in middle.items():
        print(f"| `{name}` | {m['seconds']:.1f} | {m['cpu']:.1f} | {m['megabytes']:,.0f} | {found[name][0]['hash']} |")
    rounds = list(zip(*found.values(), strict=True))
    faster = statistics.median(peer["seconds"] / ours["seconds"] for ours, peer in rounds)
    leaner = statistics.median(peer["megabytes"] / ours["megabytes"] for ours, peer in rounds)
    is_equal = len({m["hash"] for each in found.values() for m in each}) == 1
    listed = ", ".join(f"{peer['seconds'] / ours['seconds']:.2f}" for ours, peer in rounds)
    print(f"\nfaster per round: {listed}; median {faster:.2f} (at least {FASTER})")
    print(f"leaner: median {leaner:.2f} (at least {LEANER})\nequal answers: {'yes' if is_equal else 'NO'}")
    sys.exit(0 if is_equal and faster >= FASTER and leaner >= LEANER else 1)


def write_company(folder: Path, n: int) -> int:
    """A company of n deals with four changes of stage and two of amount each, over five years; returns its history's rows.

    Deals stay open for 50 days in the median; 2 % are still open after their last change.
    """
    rng = np.random.default_rng(1)
    created = np.datetime64("2021-09-01T00:00:00") + rng.integers(0, 5 * 365 * 86_400, n).astype("timedelta64[s]")
    life = rng.lognormal(np.log(50 * 86_400), 0.8, n).astype("int64")
    steps = np.sort(rng.random((n, 2)), axis=1)
    at = np.column_stack([np.zeros(n), steps[:, 0] * life, steps[:, 1] * life, life, np.zeros(n), rng.random(n) * life])
    end = rng.choice(STAGES[3:], n, p=[0.02, 0.3, 0.68])
    cents = (100 * rng.lognormal(10, 1, n)).astype("int64") + 1
    later = (cents * rng.uniform(0.6, 1.3, n)).astype("int64") + 1
    stages = [np.full(n, name, dtype=object) for name in STAGES[:3]]
    values = np.column_stack([*stages, end, *(_text(amount) for amount in (cents, later))])
    ids = pd.Series(rng.permutation(n)).map("006{:012d}".format)
    history = pd.DataFrame({
        "opportunity_id": np.repeat(ids.to_numpy(), 6), "new_value": values.ravel(),
        "changed_at": (created[:, None] + at.astype("int64").astype("timedelta64[s]")).ravel(),
        "field": np.tile(["stage"] * 4 + ["amount"] * 2, n),
    })  # fmt: skip
    history = history[history["changed_at"] < "2026-09-30T22:00"].sort_values("changed_at", kind="stable", ignore_index=True)
    history.insert(0, "change_no", np.arange(1, len(history) + 1))
    status = pd.Series(["open"] * 4 + ["won", "lost"], index=STAGES)
    deals = pd.DataFrame({
        "opportunity_id": ids, "amount": money.from_cents(pd.Series(later)), "currency": "EUR", "stage": end,
        "status": status[end].to_numpy(), "created_at": created,
        "close_date": (created + life.astype("timedelta64[s]")).astype("datetime64[D]"),
    })  # fmt: skip
    order = pd.DataFrame({"stage": STAGES, "position": range(1, 7), "status": status.to_numpy()})
    frames = {"stages": order, "opportunities": deals, "opportunity_history": history}
    tables.write(folder, {name: tables.conform(name, frame) for name, frame in frames.items()}, DATASET)
    return len(history)


def _text(cents: np.ndarray) -> np.ndarray:
    return np.array([f"{value // 100}.{value % 100:02d}" for value in cents.tolist()], dtype=object)


def measure(code: str, folder: str) -> dict:
    """What a piece of code takes in a fresh process, and its answer's hash."""
    script = f"folder = {folder!r}\n{MEASURED.format(code=code)}"
    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return json.loads(ended.stdout)


if __name__ == "__main__":
    main()
