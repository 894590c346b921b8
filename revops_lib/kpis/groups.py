"""Figures by team, region and product, as the board pack shows them. Groups of fewer than five people are pooled."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pandas as pd

from .. import periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from .arithmetic import ratio
from .counted import Counted
from .values import table

SMALLEST_GROUP = 5  # people
YEAR = 4  # quarters
DEALS = ("bookings", "win_rate", "average_deal", "cycle_time", "pipeline_created")  # figures that all groups of deals have
PEOPLED = ("closed", "created", "targets")  # populations whose people are counted
OBJECTIVES = "product_objectives"


def teams(snapshot: Snapshot, *, level: float = 0.9) -> pd.DataFrame:
    """Figures of the quarter by team, one row per team of at least five people, in the order of their names.

    Smaller ones are counted together as "other teams", with the smallest of the others where they are still too few, so that
    none can be had by subtraction; with fewer than five people in all the frame is empty. People: owners of the deals closed or
    created, or with a quota, in this quarter and in the same one last year, whichever are fewest. Team: that of the owner's
    latest assignment. Columns: team, n_people, n (deals closed), bookings, year_ago (bookings), win_rate, win_rate_low,
    win_rate_high, average_deal, cycle_time (days), pipeline_created, quota_attainment.
    """
    return _of_people(snapshot, "team", level)


def regions(snapshot: Snapshot, *, level: float = 0.9) -> pd.DataFrame:
    """Figures of the quarter by region (of the account, else of the owner), as `teams` gives them by team, without
    quota_attainment, which is not told by accounts."""
    return _of_people(snapshot, "region", level).drop(columns="quota_attainment", errors="ignore")


def products(snapshot: Snapshot, *, level: float = 0.9) -> pd.DataFrame:
    """Results by product against its objective (`data/plans/product_objectives.yml`), one row per product that is for sale or
    has closed deals in the quarter, in the order of their ids.

    Columns: product_id, name, family, launched (quarter of its launch; missing without a date), is_new (launched in the year up
    to the quarter's end), n (deals closed), bookings, objective (missing where none is set), attainment (bookings ÷ objective),
    year_ago (bookings), win_rate, win_rate_low, win_rate_high. Deals without a product are those of "(unknown)". DataRefused
    without products.
    """
    if not snapshot.has("products"):
        raise DataRefused("this source has no products", f"data {snapshot.data}", "map a table of products")
    found = _wide(snapshot, "product_id", Counted(snapshot, snapshot.quarter, YEAR + 1), ("bookings", "win_rate"), level)
    known = snapshot.table("products").set_index("product_id")[["name", "family", "launch_date"]]
    quarter = known["launch_date"].dt.to_period(snapshot.quarter.freqstr)
    known = known.assign(launched=quarter)[(quarter <= snapshot.quarter) | quarter.isna()]
    shown = known.reindex(known.index.union(found.index, sort=False)).join(found)
    shown.index.name = "product_id"
    shown = shown[shown["n"].fillna(0).gt(0) | shown["name"].notna()].assign(
        n=lambda rows: rows["n"].fillna(0), bookings=lambda rows: rows["bookings"].fillna(0.0)
    )
    objective = pd.Series(_objectives(snapshot), dtype="float64").reindex(shown.index)
    shown = shown.assign(
        objective=objective, attainment=ratio(shown["bookings"], objective.fillna(0)),
        is_new=(shown["launched"] > snapshot.quarter - YEAR).fillna(False).astype(bool),
    )  # fmt: skip
    return shown.reset_index()[["product_id", "name", "family", "launched", "is_new", "n", "bookings", "objective",
                                "attainment", "year_ago", "win_rate", "win_rate_low",
                                "win_rate_high"]]  # fmt: skip


class _Pooled(Counted):
    """Cases counted under the name by which their group is shown."""

    def __init__(self, counted: Counted, shown: Mapping[str, str], others: str) -> None:
        super().__init__(counted.snapshot, counted.quarters[-1], len(counted.quarters))
        self._rows, self._shown, self._others = counted._rows, shown, others

    def _members(self, rows: pd.DataFrame, population: str, by: str) -> tuple[np.ndarray, np.ndarray]:
        code, names = super()._members(rows, population, by)
        shown, groups = pd.factorize(np.array([self._shown.get(name, self._others) for name in names], object), sort=True)
        return shown[code] if len(names) else code, groups


def _of_people(snapshot: Snapshot, by: str, level: float) -> pd.DataFrame:
    counted, others = Counted(snapshot, snapshot.quarter, YEAR + 1), f"other {by}s"
    people = _people(counted, by)
    shown = _pooled(people, others)
    number = people.groupby(people.index.map(shown)).sum()
    found = _wide(snapshot, by, _Pooled(counted, shown, others), (*DEALS, "quota_attainment"), level)
    found = found[found.index.isin(number.index[number >= SMALLEST_GROUP])]
    found.insert(0, "n_people", number.reindex(found.index).astype("int64"))
    return found.reset_index(names=by)


def _wide(snapshot: Snapshot, by: str, counted: Counted, ids: tuple[str, ...], level: float) -> pd.DataFrame:
    """Figures of the snapshot's quarter side by side, one row per group."""
    parts = {id: rows for id in ids if (rows := _asked(snapshot, by, counted, id, level)) is not None}
    now = {id: rows[rows["quarter"] == snapshot.quarter].set_index("member") for id, rows in parts.items()}
    bookings = parts["bookings"]
    year_ago = bookings[(bookings["quarter"] == snapshot.quarter - YEAR) & bookings["is_complete"]].set_index("member")["value"]
    found = pd.DataFrame({"n": now["bookings"]["n"], "bookings": now["bookings"]["value"]})
    found["year_ago"] = year_ago.reindex(found.index)
    for id in ids[1:]:
        if id in now:
            found[id] = now[id]["value"].reindex(found.index)
        if id == "win_rate":
            found[["win_rate_low", "win_rate_high"]] = now[id][["low", "high"]].reindex(found.index)
    return found


def _asked(snapshot: Snapshot, by: str, counted: Counted, id: str, level: float) -> pd.DataFrame | None:
    """A figure by group; None where the source has it not, but for bookings, without which there is nothing to tell."""
    try:
        return table(snapshot, [id], by=by, counted=counted, level=level)
    except DataRefused:
        if id == "bookings":
            raise
        return None


def _people(counted: Counted, by: str) -> pd.Series:
    """People of each group: the fewest behind any figure of this quarter or the same one last year that has cases."""
    quarters = (counted.quarters[-1], counted.quarters[0])
    parts = []
    for population in PEOPLED:
        try:
            rows = counted.rows(population)
            group, index = counted.groups(population, by)
        except DataRefused:
            continue
        owners = rows["owner_id"].groupby(group).nunique().set_axis(index)
        parts.append(owners[owners.index.get_level_values("quarter").isin(quarters)])
    return pd.concat(parts).groupby("member").min()


def _pooled(people: pd.Series, others: str) -> dict[str, str]:
    """Under which name each group is shown."""
    ordered = people.sort_values(kind="stable")
    small = {*ordered[(ordered < SMALLEST_GROUP) | (ordered.index == others)].index}
    count = int(ordered[ordered.index.isin(small)].sum())
    for name, n in ordered.items():
        if not small or count >= SMALLEST_GROUP:
            break
        if name not in small:
            small.add(name)
            count += int(n)
    return {name: others if name in small else name for name in people.index}


def _objectives(snapshot: Snapshot) -> dict[str, float]:
    """Bookings that each product is to bring in the quarter."""
    plan = snapshot.plan(OBJECTIVES, on=periods.first_day(snapshot.quarter))["products"]
    return {product: float(amount) if (amount := Fraction(told)) > 0 else np.nan for product, told in plan.items()}
