"""All KPIs of opportunities, by every group and over 8 quarters, beside plain pandas group-bys of the same numbers: values,
cases and intervals.

    python benchmarks/kpis.py                 1 million opportunities, and 100 thousand for the growth; three rounds
    python benchmarks/kpis.py --deals 100000  a first look

All read the same Parquet files, each in a process of its own, imports included. Values, cases and the intervals of shares must
be equal; the bootstrap's ends may lie apart by a fifth of their interval on average, for each draws its own cases. Group-bys of
values alone, without cases and intervals, stand beside them. Exit code 1 when numbers differ, or when ours is slower than the
group-bys that give the same.
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
# Each leaves `answer`: kpi, by, member, quarter, value, and where it gives them n, low, high.
OURS = """
import pandas as pd
from revops_lib import kpis
from revops_lib.snapshot import Snapshot
snapshot = Snapshot(folder, quarter="2026Q3")
counted = kpis.Counted(snapshot, snapshot.quarter, 8)
parts = [kpis.table(snapshot, ids, by=by, n_quarters=8, counted=counted) for by in (None, *groups)]
answer = pd.concat(parts)[["kpi", "by", "member", "quarter", "value", "n", "low", "high"]]
"""
VALUES = """
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
PEER = (
    VALUES
    + """
from statsmodels.stats.proportion import proportion_confint
rng = np.random.default_rng(1)
closed["won"], closed["one"] = closed["status"] == "won", 1.0
closed["won_amount"], closed["won_days"] = closed["amount"].where(closed["won"], 0), closed["days"].where(closed["won"], 0)
drawn = {
    "win_rate_value": lambda s: s["won_amount"] / s["amount"], "average_deal": lambda s: s["won_amount"] / s["won"],
    "cycle_time": lambda s: s["won_days"] / s["won"], "required_coverage": lambda s: s["amount"] / s["won_amount"],
    "sales_velocity": lambda s: s["won_amount"] / (s["won_days"] / s["won"]),
}
columns, parts = ["amount", "won_amount", "won_days", "won"], []
counted = {"created": created, "closed": closed, "lost": lost, "won": won}
counted |= {f"{type}_bookings": won[won["type"] == type] for type in ("new", "expansion")}
cases = dict.fromkeys(["opportunities_created", "pipeline_created", "win_rate_cohort"], "created")
cases |= {"win_rate": "closed", "win_rate_value": "closed", "deals_lost": "lost", "lost_amount": "lost"}
for by in ("company", *groups):
    own = answer[answer["by"] == by].set_index(["quarter", "member"])
    counts = {name: grouped(rows, by, "status", "size") for name, rows in counted.items()}
    bounds = {kpi: {} for kpi in drawn}
    for key, group in closed.groupby(["quarter", by], observed=True):
        cells = group[columns].to_numpy("float64")
        weights = rng.multinomial(len(cells), np.full(len(cells), 1 / len(cells)), size=400)
        sums = dict(zip(columns, (weights @ cells).T))
        for kpi, function in drawn.items():
            bounds[kpi][key] = np.nanquantile(function(sums), [0.05, 0.95])
    for kpi, rows in own.groupby("kpi"):
        n = counts[kpi if kpi in counted else cases.get(kpi, "won")].reindex(rows.index, fill_value=0)
        low = high = np.nan
        if kpi in ("win_rate", "win_rate_cohort"):
            low, high = proportion_confint((rows["value"] * n).round(), n, alpha=0.1, method="wilson")
        elif kpi in drawn:
            low, high = np.array([bounds[kpi][key] for key in rows.index]).T
        parts.append(rows.assign(n=n, low=low, high=high).reset_index())
answer = pd.concat(parts)[["kpi", "by", "member", "quarter", "value", "n", "low", "high"]]
"""
)
DRAWN = ("win_rate_value", "average_deal", "cycle_time", "sales_velocity", "required_coverage")
MEASURED = """
import json, resource, time
folder, ids, groups = {folder!r}, {ids!r}, {groups!r}
began = time.perf_counter()
{code}
seconds = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_SELF)
answer.astype({{"quarter": "str", "member": "str"}}).to_parquet({answer!r})
print(json.dumps({{
    "seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / 1000, "rows": len(answer),
}}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deals", type=int, default=1_000_000, metavar="N")
    parser.add_argument("-n", "--rounds", type=int, default=3, metavar="N")
    asked = parser.parse_args()
    codes = {"kpis.table": OURS, "group-bys": PEER, "group-bys, values alone": VALUES}
    found: dict[str, list[dict]] = {name: [] for name in codes}
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: what is started later would inherit this one's peak memory.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            for n, name in ((asked.deals, "large"), (asked.deals // 10, "small")):
                pool.submit(write_company, Path(folder) / name, n).result()
        for _ in range(asked.rounds):
            for name, code in codes.items():
                found[name].append(measure(code, f"{folder}/large", f"{folder}/{name}.parquet"))
        small = measure(OURS, f"{folder}/small", f"{folder}/small.parquet")
        answers = [pd.read_parquet(f"{folder}/{name}.parquet") for name in codes]
    apart, differences = compare(*answers)
    print(f"{asked.deals:,} opportunities, {len(IDS)} KPIs, {len(BY) + 1} ways to group, 8 quarters\n")
    print("| median of the rounds | CPU seconds | peak MB | numbers |\n| --- | --- | --- | --- |")
    for name, each in found.items():
        cpu, megabytes = (statistics.median(one[key] for one in each) for key in ("cpu", "megabytes"))
        print(f"| `{name}` | {cpu:.1f} | {megabytes:,.0f} | {each[0]['rows']:,} |")
    ours, *peers = found.values()
    faster, than_values = (statistics.median(b["cpu"] / a["cpu"] for a, b in zip(ours, one, strict=True)) for one in peers)
    leaner = statistics.median(b["megabytes"] / a["megabytes"] for a, b in zip(ours, peers[0], strict=True))
    grown = statistics.median(one["cpu"] for one in ours) / small["cpu"]
    print(f"\n{faster:.2f} times the CPU time for the group-bys (at least 1), {leaner:.2f} times the memory")
    print(f"{than_values:.2f} times the CPU time for values alone")
    print(f"ten times the opportunities cost {grown:.1f} times the CPU time")
    print(f"equal numbers: {differences or 'yes'}; bootstraps {apart:.0%} of an interval apart")
    sys.exit(0 if not differences and apart < 0.2 and faster >= 1 else 1)


def compare(ours: pd.DataFrame, peer: pd.DataFrame, values: pd.DataFrame) -> tuple[float, list[str]]:
    """How far the ends of the two bootstraps lie apart on average, and the columns that differ though they should not."""
    one, other, third = (rows.set_index(["kpi", "by", "member", "quarter"]).sort_index() for rows in (ours, peer, values))
    is_drawn = one.index.get_level_values("kpi").isin(DRAWN)
    pairs = [(one["value"], other["value"]), (one["value"], third["value"]), (one["n"], other["n"])]
    pairs += [(one.loc[~is_drawn, end], other.loc[~is_drawn, end]) for end in ("low", "high")]
    differences = [a.name for a, b in pairs if not a.index.equals(b.index) or not np.allclose(a, b, rtol=1e-7, equal_nan=True)]
    width = (one["high"] - one["low"])[is_drawn]
    return float(((one["low"] - other["low"])[is_drawn].abs() / width).mean()), differences


def measure(code: str, folder: str, answer: str) -> dict:
    text = MEASURED.format(code=code, folder=folder, ids=IDS, groups=BY, answer=answer)
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
