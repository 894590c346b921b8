"""An old plan and a new one on the same history: who wins, who loses, what it costs, and how fairly it spreads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from .. import money
from ..snapshot import Snapshot
from .booked import Booked, booked
from .costs import BANDS
from .lines import statements
from .nearby import FEWEST
from .plans import Plan
from .simulation import complete


def compared(snapshot: Snapshot, old: Plan, new: Plan, *, quarters: int = 4) -> pd.DataFrame:
    """What each rep would have earned under either plan, one row per rep with a quota: rep_id, team, n_quarters, credited,
    quota, attainment, old, new, change (exact; all quarters together).

    Of each quarter what it earned, paid now or later (pay + held), so that old and new are of the same deals. The last complete
    quarters, as known on the snapshot's day, both plans as they are now, for deals of earlier quarters, too. What people would
    have done otherwise under the other plan is not in it; what somebody decided beside the plan is in both. Names people: for
    the own team's eyes only.
    """
    parts, both = [], [_throughout(plan) for plan in (old, new)]
    lines: list[Booked | None] = [None, None]
    for quarter in complete(snapshot, quarters):
        one = snapshot.looking_at(quarter)
        lines = [booked(one, plan, past=past) for plan, past in zip(both, lines, strict=True)]
        before, after = (_earned(statements(one, plan)) for plan in both)
        parts.append(before.merge(after[["rep_id", "earned"]], on="rep_id", suffixes=("_old", "_new")))
    known = pd.concat(parts, ignore_index=True).dropna(subset=["quota", "earned_old", "earned_new"])
    table = known.groupby("rep_id").agg(
        team=("team", "last"), credited=("credited", "sum"), quota=("quota", "sum"), n_quarters=("quota", "size"),
        old=("earned_old", "sum"), new=("earned_new", "sum"),
    ).reset_index()  # fmt: skip
    table["attainment"] = money.to_float(table["credited"]) / money.to_float(table["quota"])
    table["change"] = money.from_cents(money.to_cents(table["new"]) - money.to_cents(table["old"]))
    return table[["rep_id", "team", "n_quarters", "credited", "quota", "attainment", "old", "new", "change"]]


def effects(compared: pd.DataFrame, old: Plan, new: Plan) -> pd.DataFrame:
    """What changing the plan does, one row per question: what, old, new, unit (floats). Nobody is named.

    cost: what is earned, paid now or later; cost of sales: cost ÷ credited; pay mix: base ÷ OTE, the pay on target (base +
    variable); quota ÷ OTE: a year's quota of the average rep; marginal pay at quota: what the next 100 sold pay there; Gini: 0
    when all earn the same, 1 when one earns all; correlation with quota: of attainment, below 0 when those with small quotas
    attain more; the share of the pay that goes to each band of attainment (`fairness`). Missing where a plan does not state
    its pay.
    """
    credited, quota = (float(money.to_float(compared[name]).sum()) for name in ("credited", "quota"))
    year = 4 * quota / max(int(compared["n_quarters"].sum()), 1)
    pay = {name: money.to_float(compared[name]).to_numpy("float64") for name in ("old", "new")}
    plans = {"old": old, "new": new}
    change = money.to_cents(compared["change"])
    attained, size = compared["attainment"].to_numpy("float64"), money.to_float(compared["quota"]) / compared["n_quarters"]
    correlation = _correlation(attained, size.to_numpy("float64"))
    rows = [
        ["cost", *(float(pay[name].sum()) for name in pay), old.currency],
        ["cost of sales", *(100 * float(pay[name].sum()) / credited if credited else np.nan for name in pay), "per 100 sold"],
        ["reps who win", np.nan, float((change > 0).sum()), "reps"],
        ["reps who lose", np.nan, float((change < 0).sum()), "reps"],
        ["reps for whom nothing changes", np.nan, float((change == 0).sum()), "reps"],
        ["largest loss", np.nan, float(min(change.min(), 0)) / 100 if len(change) else np.nan, old.currency],
        ["pay mix", *(_mix(plan) for plan in plans.values()), "share"],
        ["quota ÷ OTE", *(year / _ote(plan) for plan in plans.values()), "times"],
        ["marginal pay at quota", *(marginal(plan, int(year * 100)) for plan in plans.values()), "per 100 sold"],
        ["Gini of pay", *(gini(pay[name]) for name in pay), "0 to 1"],
        ["correlation of attainment with quota", correlation, correlation, "-1 to 1"],
        *(
            [f"pay of the {row.n} reps with {row.band} of quota", 100 * row.old, 100 * row.new, "% of all pay"]
            for row in fairness(compared).itertuples()
        ),
    ]
    return pd.DataFrame(rows, columns=["what", "old", "new", "unit"])


def fairness(compared: pd.DataFrame) -> pd.DataFrame:
    """Who gets the pay, one row per band of attainment: band, n, reps (share of the reps), old, new (share of the pay).

    Bands of fewer than five people are told together with the next one, the last with the one before; nothing where there are
    fewer than five in all.
    """
    band = pd.cut(compared["attainment"], [-np.inf, *BANDS.values()], right=False, labels=list(BANDS))
    pay = {name: money.to_float(compared[name]) for name in ("old", "new")}
    bands = pd.DataFrame({"n": 1, **pay}).groupby(band, observed=False).sum().reset_index(names="band")
    numbers = _large(bands["n"].tolist())
    table = bands.groupby(numbers)[["n", "old", "new"]].sum().assign(band=_named(numbers))
    shares = {name: table[name] / (table[name].sum() or np.nan) for name in ("old", "new")}
    table = table.assign(reps=table["n"] / max(len(compared), 1), **shares)[["band", "n", "reps", "old", "new"]]
    return table[table["n"] >= FEWEST]


def _large(counts: list[int]) -> list[int]:
    """Which bands are told together, by number, so that each is of enough people.

    >>> _large([12, 2, 4, 1, 0])
    [0, 1, 1, 1, 1]
    """
    groups: list[list[int]] = []
    for n in counts:
        if not groups or sum(groups[-1]) >= FEWEST:
            groups.append([])
        groups[-1].append(n)
    if len(groups) > 1 and sum(groups[-1]) < FEWEST:
        last = groups.pop()
        groups[-1] += last
    return [number for number, group in enumerate(groups) for _ in group]


def _named(numbers: list[int]) -> list[str]:
    """What bands are called that are told together.

    >>> _named([0, 1, 1, 2, 2]), _named([0, 0, 1, 1, 1])
    (['under 50 %', '50–100 %', '100 % and more'], ['under 80 %', '80 % and more'])
    """
    edges = [0.0, *BANDS.values()]
    found = []
    for number in dict.fromkeys(numbers):
        places = [place for place, own in enumerate(numbers) if own == number]
        low, high = 100 * edges[places[0]], 100 * edges[places[-1] + 1]
        if low == 0:
            found.append("any share" if high == np.inf else f"under {high:.0f} %")
        else:
            found.append(f"{low:.0f} % and more" if high == np.inf else f"{low:.0f}–{high:.0f} %")
    return found


def _throughout(plan: Plan) -> Plan:
    """The plan without its dates: a scenario has none, and rules that are new in both must not count in one of them only."""
    return replace(plan, values={}, version=f"{plan.version} throughout")


def _earned(statements: pd.DataFrame) -> pd.DataFrame:
    """Statements with what the quarter earned, paid now or later."""
    cents = money.to_cents(statements["pay"]) + money.to_cents(statements["held"])
    return statements.assign(earned=money.from_cents(cents))


def gini(values: np.ndarray) -> float:
    """How unequally a sum is spread: 0 when everybody has the same, near 1 when one has all; missing when there is none.

    >>> round(gini(np.array([0.0, 0.0, 0.0, 1.0])), 2), gini(np.array([5.0, 5.0]))
    (0.75, 0.0)
    """
    ordered, n = np.sort(values), len(values)
    if not n or ordered.sum() <= 0:
        return float("nan")
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))


def marginal(plan: Plan, quota: int) -> float:
    """What the next 100 sold pay someone who has just reached a year's quota (cents)."""
    return (plan.pay(quota + 100_00, quota) - plan.pay(quota, quota)) / 100


def _mix(plan: Plan) -> float:
    return float("nan") if plan.base is None else plan.base / 100 / _ote(plan)


def _ote(plan: Plan) -> float:
    """On-target earnings a year."""
    return float("nan") if plan.base is None or plan.variable is None else (plan.base + plan.variable) / 100


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if len(one) < 3 or one.std() == 0 or other.std() == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])
