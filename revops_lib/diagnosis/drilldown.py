"""Where it happened: each driver in each segment, region, product family, source and cohort, beside its own past."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pandas as pd

from .. import money, tables
from ..errors import DataRefused, UsageError
from ..shapley import whole_cents
from ..snapshot import Snapshot
from . import noise
from .compared import Comparison, closed, compare, counted, quarter_closed, smallest, span
from .factors import DEAL_VALUE, OPPORTUNITIES, WIN_RATE, exact, money_change, within

GROUPS = ("segment", "region", "family", "source", "tenure")
YEARS, TENURE = (1, 3), ("in the first year", "in the second or third year", "after three years")
STAFF = ("tenure", "team", "role")  # groups of people: how many deals they have depends on how many they are
PEOPLE, FEW = 5, "(fewer than five people)"  # no number about fewer people
UNKNOWN = "(unknown)"
CELLS = (OPPORTUNITIES, WIN_RATE, DEAL_VALUE)


def drilldown(snapshot: Snapshot, *, against: str = "", by: Sequence[str] = GROUPS) -> pd.DataFrame:
    """Each driver in each member of each group, one row per group, member and driver, what stands out first.

    Within a group the parts (Shapley values of the member's opportunities × win rate × deal value) sum to the change of
    bookings to the cent. How unusual a cell is, is judged on logarithms: deals closed, odds of winning, mean logarithm of won
    amounts within segments, so that one large deal is not a trend. From the change the mean change of the cell's past
    comparisons is taken; its variance is that of chance plus the between-quarter variance of the group's members or the
    member's own, whichever is larger (DerSimonian & Laird 1986). Columns: by, member, driver, n (what the driver rests on:
    deals closed, or wins), n_was (the smallest such number of one quarter before), was, now, part (exact money), change (log),
    z, p, n_past, is_beyond (at most 2 % of those named are false, over all rows), unit. First come cells beyond noise that
    moved the way bookings did, the largest part first; then the others by z. `by` names columns of deals, accounts, products or
    owners' assignments, and tenure: how long the owner had been here at the close. Groups of people with fewer than five in one
    of the quarters compared are put together and not judged; of the others the number of deals is not, for it follows the
    number of people. Groups without a known member are left out; DataRefused when none is left, UsageError when `by` names
    people.
    """
    comparison = compare(snapshot, against)
    deals = closed(snapshot, comparison)
    past = noise.past_comparisons(snapshot, comparison)
    quarters = span(min([*comparison.before, *(one.before[0] for one in past)]), comparison.after)
    deals["log_amount"] -= deals.groupby(snapshot.members(deals, "segment"))["log_amount"].transform("mean")
    found = []
    for name in by:
        member = members(snapshot, deals, name, comparison)
        if (member == UNKNOWN).all():
            continue
        cells = _cells(deals, member, comparison, past, quarters)
        if name in STAFF:
            cells.loc[(cells["driver"] == OPPORTUNITIES) | (cells["member"] == FEW), "z"] = np.nan
        found.append(cells.assign(by=name))
    if not found:
        raise DataRefused(f"no deal has a known {', '.join(by)}", f"data {snapshot.data}", "map one of these columns")
    rows = pd.concat(found, ignore_index=True)
    rows["p"] = 2 * _tail(rows["z"].abs())
    rows["is_beyond"] = noise.beyond(rows["p"])
    rows["part"] = money.from_cents(rows["part"].astype("Int64"))
    names = ["by", "member", "driver", "n", "n_was", "was", "now", "part", "change", "z", "p", "n_past", "is_beyond"]
    return _ordered(rows)[names].assign(unit=snapshot.currency)


def members(snapshot: Snapshot, deals: pd.DataFrame, by: str, comparison: Comparison) -> pd.Series:
    """The group of each deal, aligned with `deals`; in people's groups five or more closed deals in every quarter compared."""
    opportunities = tables.table("opportunities")
    if by in opportunities.names and opportunities.column(by).personal:
        raise UsageError(f"{by!r} names people", "by", "name a group of people, such as tenure or team")
    if by == "tenure":
        member = _tenure(snapshot, deals)
    else:
        member = snapshot.members(deals, by)
        if by not in STAFF:
            return member
    quarters = [*comparison.before, comparison.after]
    people = deals["owner_id"].groupby([member, quarter_closed(deals, comparison)]).nunique().unstack(fill_value=0)
    fewest = people.reindex(columns=quarters, fill_value=0).min(axis=1)
    return member.where((member.map(fewest) >= PEOPLE) | (member == UNKNOWN), FEW)


def _tenure(snapshot: Snapshot, deals: pd.DataFrame) -> pd.Series:
    """How long the owner had been in the company when the deal closed."""
    hired = snapshot.table("reps").groupby("rep_id")["hire_date"].min().to_dict()
    years = (deals["close_date"] - pd.to_datetime(deals["owner_id"].map(hired))).dt.days / 365.25
    band = np.searchsorted(YEARS, years.to_numpy(), side="right")
    return pd.Series(np.array(TENURE, dtype=object)[np.minimum(band, len(YEARS))], index=deals.index).where(
        years.notna(), UNKNOWN
    )


def _cells(
    deals: pd.DataFrame, member: pd.Series, comparison: Comparison, past: Sequence[Comparison], quarters: list[pd.Period]
) -> pd.DataFrame:
    """Rows of one group: member, driver, n, n_was, was, now, part (whole cents), change, z, n_past."""
    names = sorted(member.unique())
    table = counted(deals, member, quarters)
    pair = table[[quarters.index(one) for one in (*comparison.before, comparison.after)]]
    before, after = exact(pair)
    parts = within(before, after)
    whole = whole_cents([parts[driver][i] for driver in CELLS for i in range(len(names))], money_change(before, after))
    logs = _log_amounts(deals, member, names, quarters)
    rows = []
    for k, driver in enumerate(CELLS):
        change, chance = _log_changes(driver, table, logs, quarters, [*past, comparison])
        z, n_past = _unusual(change, chance)
        was, now = _levels(driver, before), _levels(driver, after)
        n = pair[:, 1 if driver == DEAL_VALUE else 0]
        n_was = smallest(n[:-1])
        for i, name in enumerate(names):
            cents = whole[k * len(names) + i]
            rows.append([name, driver, int(n[-1, i]), int(n_was[i]), was[i], now[i], cents, change[-1, i], z[i], n_past[i]])
    return pd.DataFrame(rows, columns=["member", "driver", "n", "n_was", "was", "now", "part", "change", "z", "n_past"])


def _levels(driver: str, counts: np.ndarray) -> list[float]:
    """A driver's value by member; missing where there is nothing to form it from."""
    n, won, cents = counts.tolist()
    if driver == OPPORTUNITIES:
        return [float(value) for value in n]
    over, under, scale = (won, n, 1) if driver == WIN_RATE else (cents, won, 100)
    return [float(Fraction(a) / b / scale) if b else np.nan for a, b in zip(over, under, strict=True)]


def _log_amounts(deals: pd.DataFrame, member: pd.Series, names: list[str], quarters: list[pd.Period]) -> np.ndarray:
    """Priced wins, sum and sum of squares of the logarithms of their amounts, by quarter, measure and member."""
    priced = deals[deals["log_amount"].notna() & deals["quarter"].isin(quarters)]
    rows = priced["quarter"].array.asi8 - quarters[0].ordinal
    column = np.searchsorted(np.array(names, dtype=object), member[priced.index].to_numpy(dtype=object))
    table = np.zeros((len(quarters), 3, len(names)))
    for power in range(3):
        np.add.at(table[:, power], (rows, column), priced["log_amount"].to_numpy() ** power)
    return table


def _log_changes(
    driver: str, table: np.ndarray, logs: np.ndarray, quarters: list[pd.Period], comparisons: Sequence[Comparison]
) -> tuple[np.ndarray, np.ndarray]:
    """Change of a driver's logarithm and its variance by chance, by comparison and member; NaN where it is not known."""
    changes, variances = [], []
    for one in comparisons:
        before = [quarters.index(quarter) for quarter in one.before]
        after = quarters.index(one.after)
        if driver == DEAL_VALUE:
            (was, v), (now, w) = (_mean_log(logs[rows].sum(axis=0), logs) for rows in (before, [after]))
        else:
            measure = _log_count if driver == OPPORTUNITIES else _log_odds
            (was, v), (now, w) = (measure(table[rows].sum(axis=0), len(rows)) for rows in (before, [after]))
        changes.append(now - was)
        variances.append(v + w)
    return np.array(changes), np.array(variances)


def _log_count(counts: np.ndarray, n_quarters: int) -> tuple[np.ndarray, np.ndarray]:
    return np.log((counts[0] + 0.5) / n_quarters), 1 / (counts[0] + 0.5)


def _log_odds(counts: np.ndarray, n_quarters: int) -> tuple[np.ndarray, np.ndarray]:
    won, lost = counts[1] + 0.5, counts[0] - counts[1] + 0.5
    return np.log(won / lost), np.where(counts[0] > 0, 1 / won + 1 / lost, np.nan)


def _mean_log(sums: np.ndarray, all_quarters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean logarithm of won amounts; its variance is that of the member's wins of all quarters over the wins at hand."""
    n, total, squares = all_quarters.sum(axis=0)
    spread = (squares - total**2 / np.where(n > 0, n, 1)) / np.where(n > 1, n - 1, np.nan)
    wins = np.where(sums[0] > 0, sums[0], np.nan)
    return sums[1] / wins, spread / wins


def _unusual(change: np.ndarray, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """z of the last change of each member against its past ones, and how many there are; NaN with fewer than six."""
    past, v = change[:-1], chance[:-1]
    known = np.isfinite(past) & np.isfinite(v) & (v > 0)
    n_past = known.sum(axis=0)
    y, w = np.where(known, past, 0.0), np.where(known, 1 / np.where(known, v, 1.0), 0.0)
    own = [_between(y[:, [i]], w[:, [i]]) for i in range(y.shape[1])]
    tau2 = np.maximum(own, _between(y, w))  # a restless member is not judged by the calm of the others
    weight = np.where(known, 1 / (np.where(known, v, 1.0) + tau2), 0.0)
    total = np.where(n_past >= noise.ENOUGH, weight.sum(axis=0), np.nan)
    mean = (weight * np.where(known, past, 0.0)).sum(axis=0) / total
    return (change[-1] - mean) / np.sqrt(chance[-1] + tau2 + 1 / total), n_past


def _between(y: np.ndarray, w: np.ndarray) -> float:
    """One between-quarter variance for all members, beyond chance (DerSimonian & Laird 1986, pooled)."""
    total = w.sum(axis=0)
    used = total > 0
    if not used.any():
        return 0.0
    y, w, total = y[:, used], w[:, used], total[used]
    mean = (w * y).sum(axis=0) / total
    q, freedom = (w * (y - mean) ** 2).sum(), (w > 0).sum() - used.sum()
    scale = (total - (w**2).sum(axis=0) / total).sum()
    return float(max(0.0, (q - freedom) / scale)) if scale > 0 else 0.0


def _tail(z: pd.Series) -> pd.Series:
    from scipy import stats

    return pd.Series(stats.norm.sf(z.to_numpy(float)), index=z.index)


def _ordered(rows: pd.DataFrame) -> pd.DataFrame:
    """Beyond noise and the way of the change first, by part; then by z that way; what has no past last."""
    one = rows[rows["by"] == rows["by"].iloc[0]]
    way = 1 if one["part"].map(float).sum() > 0 else -1
    toward = rows["z"] * way
    is_first = rows["is_beyond"] & (toward > 0)
    key = toward.where(~is_first, np.inf)
    order = pd.DataFrame({"key": key.fillna(-np.inf), "part": (rows["part"].astype(float) * way).where(is_first, 0)})
    return rows.loc[order.sort_values(["key", "part"], ascending=False, kind="stable").index].reset_index(drop=True)
