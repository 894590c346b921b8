"""Pay on a million credits beside a plain loop in decimals that does the same, what becomes of their lines in the ledger, and
the simulated cost of a plan.

    python benchmarks/pay.py                    1 million credits, three rounds, alternating
    python benchmarks/pay.py --deals 50000      a first look

Deals of 1,000 reps in four quarters, three in ten split 60 to 40, four marginal tiers with accelerators above quota, 3 % of the
credits clawed back by half, in no order. Every line must be equal to the cent. Then a dataset with a tenth of the deals, won
in one quarter, a fifth of their pay held for three months, 3 % of the contracts cancelled in the next one: the entries of that
quarter, from the tables on disk to the finished lines, beside the bare arithmetic in decimals. Then 10,000 draws of 1,000 reps'
attainments beside drawing the numbers alone. Exit code 1 when a line differs, when ours is not at least 10 times faster (of the
ledger only growth counts: the loop reads and explains nothing), when ten times the credits take more than 15 times as long, or
when the simulation takes more than 2.5 times as long as its numbers or 60 MB.
Everything runs in processes of its own, and their CPU time counts, so other work on the machine disturbs little; reading the
credits and importing are not counted. Seeds are fixed (7 for the deals, 1 for the draws).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import company
import numpy as np
import pandas as pd

FASTER, GROWTH = 10.0, 15.0
TIMES, MEGABYTES = 2.5, 60.0
RATES = ["0.05", "0.08", "0.12", "0.15"]
READ = """
credits = pd.read_parquet(sys.argv[1])
quotas = pd.read_parquet(sys.argv[2]).set_index(["rep_id", "window"])["quota"]
"""
OURS = """
from fractions import Fraction
from revops_lib import compensation
starts = (Fraction(0), Fraction(1, 2), Fraction(1), Fraction(3, 2))
tiers = compensation.Schedule(starts, tuple(map(Fraction, RATES)), "marginal")
component = compensation.Component("c", "", "m", ("split",), "quota", "quarter", tiers)
started = time.process_time()
lines = compensation.paid(component, credits, quotas)
back = lines[lines["is_clawed"]]
adjusted = compensation.clawbacks(back["pay"], Fraction(1, 2))
pay = pd.concat([lines["pay"], adjusted]).groupby(pd.concat([lines["key"], back["key"]])).sum()
seconds = time.process_time() - started
"""
LOOP = """
from decimal import ROUND_HALF_UP, Decimal
rates, edges = [Decimal(rate) for rate in RATES], [Decimal(0), Decimal("0.5"), Decimal(1), Decimal("1.5"), None]
cent, half = Decimal("0.01"), Decimal("0.5")
started = time.process_time()
rows = credits.sort_values(["rep_id", "window", "event_date", "deal", "line"], kind="stable")
amounts = [Decimal(cents).scaleb(-2) for cents in rows["credit"].tolist()]
rows = list(zip(rows["rep_id"], rows["window"], amounts, rows["is_clawed"], rows["key"]))
targets = {key: Decimal(int(value)).scaleb(-2) for key, value in quotas.items()}
position, pay = {}, {}
def upto(place, quota):
    total = Decimal(0)
    for rate, low, high in zip(rates, edges, edges[1:]):
        low = low * quota
        if place <= low:
            break
        total += (place - low if high is None else min(place, high * quota) - low) * rate
    return total.quantize(cent, ROUND_HALF_UP)
for rep, window, credit, is_clawed, key in rows:
    quota = targets[rep, window]
    before = position.get((rep, window), Decimal(0))
    line = upto(before + credit, quota) - upto(before, quota)
    position[rep, window] = before + credit
    if is_clawed:
        line -= (line * half).quantize(cent, ROUND_HALF_UP)
    pay[key] = line
seconds = time.process_time() - started
pay = pd.Series({key: int(value.scaleb(2)) for key, value in pay.items()}).sort_index()
"""
SIMULATED = """
import json, time, tracemalloc
import numpy as np, pandas as pd
from fractions import Fraction
from revops_lib import compensation, money
random = np.random.default_rng(1)
people = pd.DataFrame({"rep_id": [f"R{i:04}" for i in range(1000)]})
cents = pd.Series(random.integers(100_000_00, 400_000_00, 1000), dtype="Int64")
people = people.assign(quota=money.from_cents(cents), target=money.from_cents(cents // 10))
starts = (Fraction(0), Fraction(1, 2), Fraction(1), Fraction(3, 2))
tiers = compensation.Schedule(starts, tuple(map(Fraction, %r)), "marginal")
part = compensation.Component("c", "", "bookings", ("split",), "quota", "quarter", tiers)
plan = compensation.Plan("p", "p", "r", "EUR", "us", "us", None, None, compensation.Quota(), (part,))
def drawn():
    random = np.random.default_rng(1)
    return (random.normal(1, 0.3, (100, 1000)) for _ in range(100))
def measured(work):
    began = time.process_time()
    answer = work()
    return time.process_time() - began, answer
measured(lambda: compensation.simulated(plan, people, [np.ones((1, 1000))]))
numbers, _ = measured(lambda: sum(float(block[0, 0]) for block in drawn()))
seconds, cost = measured(lambda: compensation.simulated(plan, people, drawn()))
tracemalloc.start()
compensation.simulated(plan, people, drawn())
peak = tracemalloc.get_traced_memory()[1] / 1e6
print(json.dumps({"numbers": numbers, "seconds": seconds, "peak": peak, "cost": cost.iloc[-1, 1:4].tolist()}))
"""
MEASURED = """
import hashlib, json, resource, sys, time
import pandas as pd
RATES = %r
%s
pay = pay.astype("int64").sort_index()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
digest = hashlib.sha256(pay.to_numpy().tobytes() + pay.index.to_numpy("int64").tobytes()).hexdigest()
print(json.dumps({"seconds": seconds, "peak": peak, "lines": len(pay), "total": int(pay.sum()), "answer": digest[:16]}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deals", type=int, default=769_231)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    found = [credits(asked.deals, asked.rounds), ledger(asked.deals // 10, asked.rounds), simulation(asked.rounds)]
    return 0 if all(found) else 1


def credits(deals: int, rounds: int) -> bool:
    """Print our engine beside the loop; whether it holds."""
    with tempfile.TemporaryDirectory() as room, tempfile.TemporaryDirectory() as small:
        files = {"ours": lay(Path(room), deals), "ours, a tenth": lay(Path(small), deals // 10)}
        found = beside(READ + OURS, READ + LOOP, files, rounds)
    ratios = [loop["seconds"] / ours["seconds"] for ours, loop in zip(found["ours"], found["loop"], strict=True)]
    each = ", ".join(f"{ratio:.1f}" for ratio in ratios)
    print(f"faster per round: {each}; median {statistics.median(ratios):.1f} (at least {FASTER:.0f})\n")
    return holds(found) and statistics.median(ratios) >= FASTER


def ledger(deals: int, rounds: int) -> bool:
    """Print what is released and taken back, from the tables on disk to the ledger's lines, beside the bare arithmetic."""
    with tempfile.TemporaryDirectory() as room, tempfile.TemporaryDirectory() as small:
        files = {"ours": company.lay(Path(room), deals), "ours, a tenth": company.lay(Path(small), deals // 10)}
        print("Released and taken back in the ledger:\n")
        found = beside(company.OURS, company.LOOP, files, rounds)
    each = statistics.median(run["seconds"] / run["lines"] for run in found["ours"])
    print(f"a deal takes {1e6 * each:.0f} µs\n")
    return holds(found)


def beside(ours: str, loop: str, files: dict[str, list[str]], rounds: int) -> dict[str, list[dict]]:
    """Rounds of ours, of the loop and of ours on a tenth, in turn; printed as a table."""
    asked = (("ours", ours, files["ours"]), ("loop", loop, files["ours"]), ("ours, a tenth", ours, files["ours, a tenth"]))
    found: dict[str, list[dict]] = {name: [] for name, _, _ in asked}
    for _ in range(rounds):
        for name, code, what in asked:
            found[name].append(measured(code, what))
    print("| median of the rounds | CPU s | peak MB | lines | total, cents | answer |")
    print("|---|---|---|---|---|---|")
    for name, runs in found.items():
        seconds, peak = (statistics.median(run[what] for run in runs) for what in ("seconds", "peak"))
        one = runs[0]
        print(f"| {name} | {seconds:.2f} | {peak:,.0f} | {one['lines']:,} | {one['total']:,} | {one['answer']} |")
    print()
    return found


def holds(found: dict[str, list[dict]]) -> bool:
    """Print whether every round gives the same cents, and what ten times the credits take; whether both are as they should."""
    equal = len({run["answer"] for name in ("ours", "loop") for run in found[name]}) == 1
    growth = statistics.median(
        ours["seconds"] / tenth["seconds"] for ours, tenth in zip(found["ours"], found["ours, a tenth"], strict=True)
    )
    print(f"ten times the credits take {growth:.1f} times as long (at most {GROWTH:.0f})")
    print(f"equal to the cent: {'yes' if equal else 'NO'}\n")
    return equal and growth <= GROWTH


def simulation(rounds: int) -> bool:
    """Print the simulated cost beside drawing the numbers; whether it holds."""
    runs = [json.loads(child(SIMULATED % (RATES,)).stdout) for _ in range(rounds)]
    numbers, seconds, peak = (statistics.median(run[what] for run in runs) for what in ("numbers", "seconds", "peak"))
    times = statistics.median(run["seconds"] / run["numbers"] for run in runs)
    low, middle, high = runs[0]["cost"]
    print(f"10,000 draws × 1,000 reps: the plan costs P10 {low:,.0f}, P50 {middle:,.0f}, P90 {high:,.0f}")
    print(f"drawing {numbers:.2f} CPU s, drawing and paying {seconds:.2f} CPU s: {times:.2f} times (at most {TIMES})")
    print(f"most memory at a time, drawing and paying: {peak:.0f} MB (at most {MEGABYTES:.0f})")
    return times <= TIMES and peak <= MEGABYTES


def lay(room: Path, deals: int) -> list[str]:
    """Credits and quotas as Parquet files; key: the number of the credit."""
    rng = np.random.default_rng(7)
    amount = np.round(np.exp(rng.normal(9, 1, deals))).astype("int64") * 100 + rng.integers(0, 100, deals)
    rep, split = rng.integers(0, 1000, (2, deals)), rng.random(deals) < 0.3
    day = np.datetime64("2026-01-01") + rng.integers(0, 365, deals).astype("timedelta64[D]")
    larger = np.where(split, (amount * 6 + 5) // 10, amount)
    deal = np.arange(deals)
    second = np.where(rep[1] == rep[0], (rep[1] + 1) % 1000, rep[1])
    both = [(rep[0], larger, deal, day), tuple(of[split] for of in (second, amount - larger, deal, day))]
    who, credit, deal, day = (np.concatenate(part) for part in zip(*both, strict=True))
    frame = pd.DataFrame({
        "rep_id": pd.Series(who).map("R{:04}".format), "window": pd.Series(day).dt.to_period("Q").astype("str"),
        "event_date": day, "deal": pd.Series(deal).map("D{:07}".format), "line": "split", "kind": "split",
        "credit": credit, "base": credit, "is_clawed": rng.random(len(who)) < 0.03, "key": np.arange(len(who)),
    })  # fmt: skip
    frame = frame.sample(frac=1, random_state=3, ignore_index=True)
    quotas = frame[["rep_id", "window"]].drop_duplicates().sort_values(["rep_id", "window"], ignore_index=True)
    quotas["quota"] = rng.integers(100_000_00, 400_000_00, len(quotas)) * max(deals // 50_000, 1) // 16
    frame.to_parquet(room / "credits.parquet")
    quotas.to_parquet(room / "quotas.parquet")
    return [str(room / "credits.parquet"), str(room / "quotas.parquet")]


def measured(code: str, files: list[str]) -> dict:
    return json.loads(child(MEASURED % (RATES, code), *files).stdout)


def child(code: str, *files: str) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"a round failed:\n{ended.stderr}")
    return ended


if __name__ == "__main__":
    sys.exit(main())
