"""Figures by team, region and product, as the board pack shows them. Groups of fewer than five people are pooled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from .. import periods, privacy
from ..errors import DataRefused
from ..privacy import SMALLEST_GROUP
from ..snapshot import Snapshot
from . import cases
from .arithmetic import ratio
from .counted import Counted, Keys
from .targets import objectives
from .values import table

YEAR = 4  # quarters
DEALS = ("bookings", "win_rate", "average_deal", "cycle_time", "pipeline_created")  # figures that all groups of deals have
NOT_SOLD = "(not among the products)"
PEOPLED = ("closed", "created", "targets")  # populations whose people are counted


def teams(snapshot: Snapshot, *, level: float = 0.9, counted: Counted | None = None) -> pd.DataFrame:
    """Figures of the quarter by team, one row per team of at least five people, in the order of their names.

    Smaller ones, and those called after a person, are counted together as "other teams", with the smallest of the others where
    they are still too few, so that none can be had by subtraction; with fewer than five people in all the frame is empty.
    People: owners of the deals closed or created, or with a quota, in this quarter and in the same one last year, whichever are
    fewest. Team: that of the owner's latest assignment. Columns: team, n_people, n (deals closed), bookings, year_ago
    (bookings), win_rate, win_rate_low, win_rate_high, average_deal, cycle_time (days), pipeline_created, quota_attainment.
    `counted`: cases of at least the last five quarters, counted before.
    """
    return _of_people(snapshot, "team", level, counted)


def regions(snapshot: Snapshot, *, level: float = 0.9, counted: Counted | None = None) -> pd.DataFrame:
    """Figures of the quarter by region (of the account, else of the owner), as `teams` gives them by team, without
    quota_attainment, which is not told by accounts."""
    return _of_people(snapshot, "region", level, counted).drop(columns="quota_attainment", errors="ignore")


def products(snapshot: Snapshot, *, level: float = 0.9, counted: Counted | None = None) -> pd.DataFrame:
    """Results by product against its objective (`plans/product_objectives.yml`), one row per product that is for sale, has
    closed deals in the quarter or an objective, in the order of their ids. What only deals or objectives know, such as
    a misspelt product, is named "(not among the products)".

    Columns: product_id, name, family, launched (quarter of its launch; missing without a date), is_new (launched in the year up
    to the quarter's end), n (deals closed), bookings (missing where no win has an amount), objective (missing where none is
    set), attainment (bookings ÷ objective), year_ago (bookings), win_rate, win_rate_low, win_rate_high. Deals without a product
    are those of "(unknown)". DataRefused without products.
    """
    if not snapshot.has("products"):
        raise DataRefused("this source has no products", f"data {snapshot.data}", "map a table of products")
    counted = counted or Counted(snapshot, snapshot.quarter, YEAR + 1)
    found = _wide(snapshot, "product_id", counted, ("bookings", "win_rate"), level)
    known = snapshot.table("products").set_index("product_id")[["name", "family", "launch_date"]]
    quarter = known["launch_date"].dt.to_period(snapshot.quarter.freqstr)
    known = known.assign(launched=quarter)
    sold = known.index[(quarter <= snapshot.quarter) | quarter.isna()]
    objective = pd.Series(objectives(snapshot, periods.first_day(snapshot.quarter)), dtype="float64")
    shown = known.reindex(sold.union(found.index, sort=False).union(objective.index, sort=False)).join(found)
    shown.index.name = "product_id"
    shown = shown[shown["n"].fillna(0).gt(0) | shown.index.isin([*sold, *objective.index])]
    objective = objective.reindex(shown.index)
    shown = shown.assign(
        name=shown["name"].where(shown.index.isin(known.index), NOT_SOLD), n=shown["n"].fillna(0),
        bookings=shown["bookings"].where(shown["n"].notna(), 0.0),
    )  # fmt: skip
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


def _of_people(snapshot: Snapshot, by: str, level: float, counted: Counted | None) -> pd.DataFrame:
    counted, others = counted or Counted(snapshot, snapshot.quarter, YEAR + 1), f"other {by}s"
    people = People(_owners(counted, by))
    shown = people.pooled(others, apart=after_people(snapshot, by, people.number.index))
    number = People(people.owners.assign(member=people.owners["member"].map(shown))).number
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
    found = pd.DataFrame({"n": now["win_rate"]["n"], "bookings": now["bookings"]["value"]})
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


@dataclass(frozen=True)
class People:
    """Whose cases are counted in which group. `owners`: one row per case, figure (what is counted, in which quarter), member
    (its group) and owner_id. Of a group, or several together, count the fewest behind any figure that has cases in it."""

    owners: pd.DataFrame

    @cached_property
    def number(self) -> pd.Series:
        return self.owners.groupby(["member", "figure"])["owner_id"].nunique().groupby("member").min()

    def together(self, members: Iterable[str]) -> int:
        """A person who is in several of these groups counts once."""
        own = self.owners[self.owners["member"].isin([*members])]
        return int(own.groupby("figure")["owner_id"].nunique().min()) if len(own) else 0

    def pooled(self, others: str, *, apart: Iterable[str] = ()) -> dict[str, str]:
        return privacy.pooled(self.number, others, apart=apart, together=self.together)


def owners(
    counted: Counted, populations: Iterable[str], by: str, quarters: Iterable[pd.Period], keys: Keys = cases.GROUPS
) -> pd.DataFrame:
    """`People.owners` of populations in some quarters; none where cases belong to nobody."""
    parts = []
    for population in populations:
        rows = counted.rows(population)
        group, index = counted.groups(population, by, keys)
        if "owner_id" in rows:
            figure = population + " " + rows["quarter"].astype("str")
            member = np.asarray(index.get_level_values("member"), object)[group]
            own = pd.DataFrame({"figure": figure, "member": member, "owner_id": rows["owner_id"]})
            parts.append(own[rows["quarter"].isin([*quarters])])
    return pd.concat(parts) if parts else pd.DataFrame(columns=["figure", "member", "owner_id"])


def _owners(counted: Counted, by: str) -> pd.DataFrame:
    """Who stands behind the figures of this quarter and the same one last year."""
    quarters = (counted.quarters[-1], counted.quarters[-1] - YEAR)
    parts, refused = [], []
    for population in PEOPLED:
        try:
            parts.append(owners(counted, [population], by, quarters))
        except DataRefused as failure:
            refused.append(failure)
    if not parts:
        raise refused[0]
    return pd.concat(parts)


def after_people(snapshot: Snapshot, by: str, names: Iterable[str]) -> set[str]:
    """The teams called after a rep or a manager; groups of another kind are not."""
    reps = snapshot.table("reps")
    persons = pd.concat([reps["rep_id"], reps["name"], reps["manager_id"]]).dropna().unique()
    return privacy.after_people(names, persons) if by == "team" else set()
