"""What a plan would cost: a distribution over drawn attainments.

Drawn numbers are statistics: floats, never pay. The payout curve of a component is made of straight pieces, so its corners
are computed once, exactly, and everybody's draws are read off between them, a block at a time: memory stays small however many
draws there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
import pandas as pd

from .. import money, periods
from ..errors import UsageError
from ..snapshot import Snapshot
from .book import Book, counted
from .credits import assignments
from .plans import Component, Plan

BLOCK = 100
FAR = {"quota": 10**4, "target": 10**4, "amount": 10**14}  # where an open tier ends for the curve: in quotas, in cents
QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}


def attainment_history(snapshot: Snapshot, plan: Plan, *, quarters: int = 8) -> pd.DataFrame:
    """What was attained, one row per rep in the plan's role with a quota, and quarter: rep_id, quarter, quota and credited
    (exact), attainment.

    The last complete quarters known, the oldest first, as known on the snapshot's day; `credited` counts for the plan's first
    component.
    """
    book, main = Book(snapshot, plan), plan.components[0]
    credits = book.credits(main.measure, main.of, credited=main.credited, commissionable=main.commissionable)
    credits = credits[credits["kind"].isin(counted(main.measure, main.kinds))]
    credited = credits.groupby(["rep_id", "quarter"])["credit"].sum().to_dict()
    role = assignments(snapshot)["role"]
    rows = [
        (rep, str(quarter), int(cents), int(credited.get((rep, str(quarter)), 0)))
        for quarter in complete(snapshot, quarters)
        for (rep, _), cents in book.quotas.of_measure(main.measure, "quarter", quarter).items()
        if role.get(rep) == plan.role
    ]
    table = pd.DataFrame(rows, columns=["rep_id", "quarter", "quota", "credited"])
    attained = table["credited"] / table["quota"]
    amounts = {name: money.from_cents(table[name].astype("Int64")) for name in ("quota", "credited")}
    return table.assign(**amounts, attainment=attained.astype("float64"))


def complete(snapshot: Snapshot, quarters: int) -> list[pd.Period]:
    """The last complete quarters known, the oldest first."""
    last = snapshot.quarter if snapshot.as_of >= periods.last_day(snapshot.quarter) else snapshot.quarter - 1
    first = snapshot.first_complete_quarter
    wanted = [last - i for i in reversed(range(quarters))]
    return [quarter for quarter in wanted if first is None or quarter >= first]


def attainments(
    history: pd.DataFrame, people: pd.DataFrame, *, totals: np.ndarray | None = None, draws: int = 10_000, shock: bool = True,
    seed: int = 1,
) -> Iterator[np.ndarray]:  # fmt: skip
    """Draws of everybody's attainment in a quarter, in blocks of at most 100 rows (a draw) with a column per row of `people`.

    An attainment is the level of a quarter times how a rep stood to it, both drawn from `history` (`attainment_history`), with
    replacement: `level` = credited ÷ quota of all. With `shock` everybody shares the level of one quarter in a draw, without it
    each rep has the level of another one, and the total varies much less. With `totals`, what paths of a forecast book in all,
    the level is theirs (÷ the quotas of `people`), one draw per path, and what the people sell sums to it.

    Every past quarter is as likely as every other, the last one too: after an unusual quarter the middle of the draws goes back
    to what was usual. Quotas of `people` are those of the simulated period; where they were raised against the past, and the
    market is not expected to follow, hand in `totals`.
    """
    random = np.random.default_rng(seed)
    amounts = history.assign(quota=money.to_float(history["quota"]), credited=money.to_float(history["credited"]))
    sums = amounts.groupby("quarter")[["credited", "quota"]].sum()
    levels = sums["credited"] / sums["quota"]
    level = history["quarter"].map(levels)
    stood = (history["attainment"] / level)[level > 0].to_numpy("float64")  # where nothing was sold, nobody stood out
    relative = stood if len(stood) else np.ones(1)
    past, quota = levels.to_numpy("float64"), money.to_float(people["quota"]).to_numpy("float64")
    n = draws if totals is None else len(totals)
    for begin in range(0, n, BLOCK):
        size = min(BLOCK, n - begin), len(people)
        own = relative[random.integers(len(relative), size=size)]
        if totals is not None:
            sold = own @ quota
            yield own * (np.asarray(totals[begin : begin + size[0]]) / np.where(sold != 0, sold, 1))[:, None]
        else:
            yield own * past[random.integers(len(past), size=(size[0], 1) if shock else size)]


def simulated(plan: Plan, people: pd.DataFrame, draws: np.ndarray | Iterable[np.ndarray]) -> pd.DataFrame:
    """What a plan costs over drawn attainments, one row per component and one for all: component, p10, p50, p90, mean (float,
    in the plan's currency, of all people together).

    `people`: rep_id, quota and target (variable pay at the whole quota) of the simulated period; `draws`: attainments, a row
    per draw and a column per row of `people`, as one array or as blocks of it (`attainments`). A gate on a component's own
    measure is judged on the drawn attainment, another one counts as passed; objectives count as achieved. SPIFs, draws and
    clawbacks are left out: they hang on single deals and on time. UsageError for a rule that hangs on the size of each deal.
    """
    costs = _costs(plan, people, draws)
    rows = [
        [name, *np.quantile(cost, list(QUANTILES.values())).tolist(), float(cost.mean())]
        for name, cost in [*costs.items(), ("all components", np.sum(list(costs.values()), axis=0))]
    ]
    return pd.DataFrame(rows, columns=["component", *QUANTILES, "mean"])


def _costs(plan: Plan, people: pd.DataFrame, draws: np.ndarray | Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Cost of each component and of the objectives in every draw."""
    quota, target = (money.to_float(people[name]).to_numpy("float64") for name in ("quota", "target"))
    curves = [(part, *corners(part)) for part in plan.components]
    found: dict[str, list[np.ndarray]] = {part.name: [] for part in plan.components}
    n = 0
    for block in _blocks(draws):
        n += len(block)
        for part, at, pays in curves:
            found[part.name].append(_paid(part, at, pays, block, quota, target))
    costs = {name: np.concatenate(parts) for name, parts in found.items()}
    return costs | {part.name: np.full(n, float(part.weight) * target.sum()) for part in plan.objectives}


def _blocks(draws: np.ndarray | Iterable[np.ndarray]) -> Iterable[np.ndarray]:
    if isinstance(draws, np.ndarray):
        return (draws[begin : begin + BLOCK] for begin in range(0, len(draws), BLOCK))
    return draws


def _paid(
    part: Component, at: np.ndarray, pays: np.ndarray, attained: np.ndarray, quota: np.ndarray, target: np.ndarray
) -> np.ndarray:
    """What a block of draws pays in all, one value per draw."""
    gate = part.gate if part.gate is not None and part.gate.measure == part.measure else None
    if part.basis == "amount":
        each, size = np.interp(attained * quota, at, pays), np.ones(len(quota))
    else:
        each = np.interp(attained, at, pays)
        fixed = part.basis == "quota" and part.schedule.application == "interpolated"  # tiers that say in money what they pay
        size = np.ones(len(quota)) if fixed else float(part.weight or 0) * target if part.basis == "target" else quota
    if gate is not None:
        each = np.where(attained >= float(gate.at_least), each, 0.0)
    if part.cap is None:
        return each @ size
    each = each * size
    return (each - (1 - float(part.cap.share_above)) * np.maximum(each - part.cap.cents / 100, 0)).sum(axis=1)


def corners(part: Component) -> tuple[np.ndarray, np.ndarray]:
    """Where the payout curve of a component bends: positions (shares of the quota, or money) and what is paid there per unit
    of quota, target pay or money, before its cap. A curve that jumps has two corners side by side."""
    tiers, scale = part.schedule, 100 if part.basis == "amount" else 1
    by_deal = tiers.application == "per_transaction" and (len(tiers.starts) > 1 or tiers.starts[0] > 0 or tiers.end is not None)
    if by_deal or (part.cap is not None and part.cap.kind == "per_deal"):
        raise UsageError(
            "what it pays hangs on the size of each deal: totals do not tell it",
            f"component {part.name}",
            "compare plans on the deals of past quarters",
        )
    last = tiers.starts[-1] + FAR[part.basis] if tiers.end is None else tiers.end
    in_cents = part.basis == "amount" or (part.basis == "quota" and tiers.application == "interpolated")
    points = [(Fraction(0), Fraction(0))]
    for place, rate_before in zip((*tiers.starts, last), (Fraction(0), *tiers.values), strict=True):
        if tiers.application == "whole" and place in tiers.starts:
            points.append((place, place * rate_before))
        points.append((place, tiers.earned(place)))
    at, pays = (np.array([float(point[i]) for point in points]) for i in (0, 1))
    at[:-1] = np.where(at[:-1] == at[1:], np.nextafter(at[:-1], 0), at[:-1])  # just below a jump
    return at / scale, pays / (100 if in_cents else 1)
