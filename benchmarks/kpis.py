"""All KPIs of opportunities, by every group and over 8 quarters, beside plain pandas group-bys of the same numbers.

    python benchmarks/kpis.py                 1 million opportunities, and 100 thousand for the growth; three rounds
    python benchmarks/kpis.py --deals 100000  a first look

Both read the same Parquet files, each in a process of its own, imports included. Ours also gives intervals, the number of
cases and completeness. The numbers must be equal; exit code 1 when they are not, or when ours is slower than the group-bys.
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

DATASET = {
    "name": "large", "known_until": "2026-09-30", "timezone": "UTC", "fiscal_year_end": "DEC", "currency": "EUR",
    "tracked": [], "files": [], "aliases": [], "quarantined": [],
}  # fmt: skip
IDS = [
    "opportunities_created", "pipeline_created", "bookings", "new_bookings", "expansion_bookings", "deals_won", "deals_lost",
    "lost_amount", "win_rate", "win_rate_value", "win_rate_cohort", "average_deal", "cycle_time", "sales_velocity",
    "required_coverage",
]  # fmt: skip
BY = ["segment", "region", "family", "team", "manager_id", "source", "type"]
# Each leaves `answer`: kpi, by, member, quarter, value.
OURS = """
import pandas as pd
from revops_lib import kpis
from revops_lib.snapshot import Snapshot
snapshot = Snapshot(folder, quarter="2026Q3")
counted = kpis.Counted(snapshot, snapshot.quarter, 8)
parts = [kpis.table(snapshot, ids, by=by, n_quarters=8, counted=counted) for by in (None, *groups)]
answer = pd.concat(parts)[["kpi", "by", "member", "quarter", "value"]]
"""
PEER = """
import numpy as np
import pandas as pd
deals = pd.read_parquet(f"{folder}/opportunities.parquet")
accounts = pd.read_parquet(f"{folder}/accounts.parquet", columns=["account_id", "segment", "region"])
products = pd.read_parquet(f"{folder}/products.parquet", columns=["product_id", "family"])
reps = pd.read_parquet(f"{folder}/reps.parquet", columns=["rep_id", "team", "manager_id"])
reps = reps.rename(columns={"rep_id": "owner_id"})
for other, key in ((accounts, "account_id"), (products, "product_id"), (reps, "owner_id")):
    deals = deals.merge(other, on=key, how="left")
deals["company"] = "company"
deals["amount"] = deals["amount"].astype("float64")
deals["close_date"] = pd.to_datetime(deals["close_date"])
took = deals["close_date"] - deals["created_at"].dt.normalize()
deals["days"] = took.dt.days.clip(lower=0)
deals["in_time"] = (deals["status"] == "won") & (took <= pd.Timedelta(days=180))
wanted = pd.period_range(end="2026Q3", periods=8, freq="Q-DEC")
created = deals.assign(quarter=deals["created_at"].dt.to_period("Q-DEC"))
created = created[created["quarter"].isin(wanted)]
closed = deals[deals["status"] != "open"].assign(quarter=deals["close_date"].dt.to_period("Q-DEC"))
closed = closed[closed["quarter"].isin(wanted)]
won = closed[closed["status"] == "won"]
lost = closed[closed["status"] == "lost"]
def grouped(frame, by, column, how):
    return frame.groupby(["quarter", by], observed=True)[column].agg(how)
parts = []
for by in ("company", *groups):
    n, n_won = grouped(closed, by, "status", "size"), grouped(won, by, "status", "size")
    rate = n_won.reindex(n.index, fill_value=0) / n
    value, cycle = grouped(won, by, "amount", "mean"), grouped(won, by, "days", "mean")
    values = {
        "opportunities_created": grouped(created, by, "status", "size"),
        "pipeline_created": grouped(created, by, "amount", "sum"), "bookings": grouped(won, by, "amount", "sum"),
        "new_bookings": grouped(won[won["type"] == "new"], by, "amount", "sum"),
        "expansion_bookings": grouped(won[won["type"] == "expansion"], by, "amount", "sum"),
        "deals_won": n_won, "deals_lost": grouped(lost, by, "status", "size"),
        "lost_amount": grouped(lost, by, "amount", "sum"), "win_rate": rate,
        "win_rate_value": grouped(won, by, "amount", "sum") / grouped(closed, by, "amount", "sum"),
        "win_rate_cohort": grouped(created, by, "in_time", "mean"), "average_deal": value, "cycle_time": cycle,
        "sales_velocity": n * rate * value / cycle,
        "required_coverage": grouped(closed, by, "amount", "sum") / grouped(won, by, "amount", "sum"),
    }
    for kpi, found in values.items():
        if kpi in ("bookings", "new_bookings", "expansion_bookings", "deals_won", "deals_lost", "lost_amount"):
            found = found.reindex(n.index, fill_value=0.0)
        found = found.rename_axis(["quarter", "member"]).rename("value").reset_index()
        parts.append(found.assign(kpi=kpi, by=by))
answer = pd.concat(parts)[["kpi", "by", "member", "quarter", "value"]]
"""
MEASURED = """
import hashlib, json, resource, time
folder, ids, groups = {folder!r}, {ids!r}, {groups!r}
began = time.perf_counter()
{code}
seconds = time.perf_counter() - began
rows = sorted((k, b, m, str(q), "%.7g" % v) for k, b, m, q, v in answer.itertuples(index=False))
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({{
    "seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / 1000, "rows": len(rows),
    "hash": hashlib.sha256(repr(rows).encode()).hexdigest()[:16],
}}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deals", type=int, default=1_000_000, metavar="N")
    parser.add_argument("-n", "--rounds", type=int, default=3, metavar="N")
    asked = parser.parse_args()
    found: dict[str, list[dict]] = {"kpis.table": [], "group-bys": []}
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: what is started later would inherit this one's peak memory.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            for n, name in ((asked.deals, "large"), (asked.deals // 10, "small")):
                pool.submit(write_company, Path(folder) / name, n).result()
        for _ in range(asked.rounds):
            found["kpis.table"].append(measure(OURS, f"{folder}/large"))
            found["group-bys"].append(measure(PEER, f"{folder}/large"))
        small = measure(OURS, f"{folder}/small")
    print(f"{asked.deals:,} opportunities, {len(IDS)} KPIs, {len(BY) + 1} ways to group, 8 quarters\n")
    print("| median of the rounds | CPU seconds | peak MB | numbers | answer |\n| --- | --- | --- | --- | --- |")
    for name, each in found.items():
        cpu, megabytes = (statistics.median(one[key] for one in each) for key in ("cpu", "megabytes"))
        print(f"| `{name}` | {cpu:.1f} | {megabytes:,.0f} | {each[0]['rows']:,} | {each[0]['hash']} |")
    faster = statistics.median(b["cpu"] / a["cpu"] for a, b in zip(*found.values(), strict=True))
    leaner = statistics.median(b["megabytes"] / a["megabytes"] for a, b in zip(*found.values(), strict=True))
    grown = statistics.median(one["cpu"] for one in found["kpis.table"]) / small["cpu"]
    is_equal = len({one["hash"] for each in found.values() for one in each}) == 1
    print(f"\n{faster:.2f} times the CPU time for the group-bys (at least 1), {leaner:.2f} times the memory")
    print(f"ten times the opportunities cost {grown:.1f} times the CPU time\nequal answers: {'yes' if is_equal else 'NO'}")
    sys.exit(0 if is_equal and faster >= 1 else 1)


def measure(code: str, folder: str) -> dict:
    text = MEASURED.format(code=code, folder=folder, ids=IDS, groups=BY)
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(ended.stderr)
    return json.loads(ended.stdout)


def write_company(folder: Path, n: int) -> None:
    """n opportunities over four years, 98 % of them closed, of 20 accounts each, 500 sellers in 50 teams, 40 products."""
    rng = np.random.default_rng(1)
    created = np.datetime64("2022-10-01T08:00:00") + rng.integers(0, 4 * 365 * 86_400, n).astype("timedelta64[s]")
    life = rng.lognormal(np.log(50), 0.8, n).astype("int64").clip(1)
    close = created.astype("datetime64[D]") + life.astype("timedelta64[D]")
    status = rng.choice(["won", "lost"], n, p=[0.3, 0.7])
    status[close > np.datetime64("2026-09-30")] = "open"
    stage = pd.Series(status).map({"won": "Won", "lost": "Lost", "open": "Talk"})
    deals = {
        "opportunity_id": _ids("O", np.arange(n)), "account_id": _ids("A", rng.integers(0, n // 20, n)),
        "owner_id": _ids("R", rng.integers(0, 500, n)), "product_id": _ids("P", rng.integers(0, 40, n)),
        "type": rng.choice(["new", "expansion", "renewal"], n), "source": rng.choice(["inbound", "outbound", "partner"], n),
        "amount": money.from_cents(pd.Series((100 * rng.lognormal(10, 1, n)).astype("int64") + 1, dtype="Int64")),
        "currency": "EUR", "stage": stage, "status": status, "created_at": created, "close_date": close,
    }  # fmt: skip
    accounts = {
        "account_id": _ids("A", np.arange(n // 20)), "segment": rng.choice(["SMB", "Mid", "Large"], n // 20),
        "region": rng.choice(["North", "South", "East", "West"], n // 20),
    }  # fmt: skip
    team = np.arange(500) // 10
    reps = {"rep_id": _ids("R", np.arange(500)), "team": _ids("Team ", team), "manager_id": _ids("M", team)}
    managers = {"rep_id": _ids("M", np.arange(50)), "team": _ids("Team ", np.arange(50))}
    products = {"product_id": _ids("P", np.arange(40)), "family": _ids("Family ", np.arange(40) // 8)}
    stages = [("Talk", 1, "open"), ("Won", 2, "won"), ("Lost", 3, "lost")]
    frames = {
        "opportunities": pd.DataFrame(deals), "accounts": pd.DataFrame(accounts), "products": pd.DataFrame(products),
        "reps": pd.concat([pd.DataFrame(reps), pd.DataFrame(managers)], ignore_index=True),
        "stages": pd.DataFrame(stages, columns=["stage", "position", "status"]),
    }  # fmt: skip
    tables.write(folder, {name: tables.conform(name, frame) for name, frame in frames.items()}, DATASET)


def _ids(letter: str, numbers: np.ndarray) -> pd.Series:
    return pd.Series(pd.array([f"{letter}{number:07d}" for number in numbers.tolist()], dtype="str"))


if __name__ == "__main__":
    main()
