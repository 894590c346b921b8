"""What the best do differently: habits and kinds of deals that tell the best sellers, or won deals, from the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import periods, statistics
from ..errors import DataRefused, UsageError, nearest
from ..snapshot import Snapshot
from .habits import DAY, ended, habits
from .people import targets

WHO = ("sellers", "deals")
QUARTERS = 4
TOP = 4  # the best are one in four
PEOPLE = 5  # no number about fewer
YOUNG_DAYS, NEW_DAYS = 730, 180  # two years; half a year: too new to be judged
FIRST_DAYS = 28  # of a deal
DRAWS, SHUFFLES, SEED = 1000, 4000, 7
# Measure: unit, sum over deals, divided by the sum of.
MEASURES = {
    "pace in early stages": ("steps per week", "moves_early", "weeks_early"),
    "first step within two weeks": ("share", "is_quick", "was_watched"),
    "weeks with an update": ("share", "weeks_updated", "weeks_open"),
    "steps back": ("per deal", "n_back", "all"),
    "close date pushed": ("share", "is_pushed", "all"),
    "taken over": ("share", "is_taken_over", "all"),
    "value against the segment's median": ("log", "log_value", "is_priced"),
    "new business": ("share", "is_new", "is_typed"),
    "outside the own segment": ("share", "is_outside", "all"),
}
HABITS = ("pace in early stages", "first step within two weeks", "weeks with an update", "steps back", "close date pushed")
# Of a single deal these say nothing, or only how far it has got already.
OF_SELLERS = ("outside the own segment", "pace in early stages", "first step within two weeks",
              "weeks with an update", "close date pushed")  # fmt: skip


def best(snapshot: Snapshot, *, who: str = "sellers", level: float = 0.9) -> pd.DataFrame:
    """How the best differ, one row per measure, the surest first; no names.

    `who`: sellers (one in four, by attainment over the last four quarters that are over, of those who sell to the same segment,
    with a quota in two of them and half a year here) or deals (those won in these quarters against those lost).
    Sellers are compared by their deals that were not won, so that luck in closing does not look like a habit; who attains the
    same is on the same side. How many deals they worked is not compared: attainment is their number times what is won of each,
    so who is given more of them attains more whatever they do. Deals by what happened in their first four weeks, those open for
    that long, for a deal that lives on has more of everything. Like is
    compared with like: sellers of one segment and tenure (under two years, or longer), deals of one segment and seller.
    Columns: measure, kind (habit: what they do; mix: what they work on, often given to them), unit, best, others (weighted to
    the mix of the best), difference, low, high (bootstrap over sellers), level, p (ranks within strata, van Elteren 1960, by
    shuffling within them), p_adjusted (Holm 1979, over the measures), n_best, n_others (sellers or deals). What separates is no
    cause: it is a candidate to be tried. Discounts are in no table. Numbers are missing where the strata that have both hold
    fewer than five sellers on a side; DataRefused without quotas, or with fewer than five sellers on either side.
    """
    if who not in WHO:
        raise UsageError(f"unknown group {who!r}", "who", nearest(who, WHO))
    table, names = _of_sellers(snapshot) if who == "sellers" else _of_deals(snapshot)
    _require_people(snapshot, *(table.loc[table["is_best"] == side, "seller"].nunique() for side in (True, False)))
    rows = [[name, *_compared(table, name, who, level)] for name in names if _varies(table, name)]
    found = pd.DataFrame(rows, columns=["measure", "best", "others", "difference", "low", "high", "p", "n_best", "n_others"])
    found["kind"] = np.where(found["measure"].isin(HABITS), "habit", "mix")
    found["unit"] = [MEASURES[name][0] if name in MEASURES else "share" for name in found["measure"]]
    found = found.assign(level=level, p_adjusted=statistics.holm(found["p"]))
    found = found.sort_values(["p", "measure"], kind="stable", ignore_index=True)
    return found[["measure", "kind", "unit", "best", "others", "difference", "low", "high", "level", "p", "p_adjusted",
                  "n_best", "n_others"]]  # fmt: skip


def _require_people(snapshot: Snapshot, n_best: int, n_others: int) -> None:
    if min(n_best, n_others) < PEOPLE:
        what = f"{n_best} sellers among the best and {n_others} others are too few to compare"
        raise DataRefused(what, f"data {snapshot.data}, as of {snapshot.as_of}", f"at least {PEOPLE} of each are needed")


def _of_sellers(snapshot: Snapshot) -> tuple[pd.DataFrame, list[str]]:
    """One row per seller who can be judged: seller, stratum, is_best and the measures."""
    quarters = _quarters(snapshot)
    quotas = targets(snapshot, quarters).groupby("owner_id")[["quota", "credited", "all"]].sum(min_count=1)
    hired = snapshot.table("reps").groupby("rep_id")["hire_date"].min().reindex(quotas.index)
    days = (pd.Timestamp(snapshot.as_of) - hired).dt.days
    quotas = quotas[(quotas["all"] >= 2) & ~(days < NEW_DAYS) & quotas["credited"].notna()]
    deals = _worked(snapshot, quarters)
    deals = deals[(deals["status"] != "won") & deals["owner_id"].isin(quotas.index)]
    if deals.empty:
        _require_people(snapshot, 0, 0)
    deals = habits(snapshot, deals)
    main = deals.groupby("owner_id")["segment"].agg(lambda own: own.mode().iloc[0])
    quotas = quotas[quotas.index.isin(main.index)]
    deals["is_outside"] = (deals["segment"] != deals["owner_id"].map(main)).astype("float64")
    sums = deals.groupby("owner_id")[deals.select_dtypes("number").columns].sum(min_count=1).reindex(quotas.index)
    ranked = (quotas["credited"] / quotas["quota"]).groupby(main.reindex(quotas.index)).rank(method="min", ascending=False)
    size = main.reindex(quotas.index).map(main.reindex(quotas.index).value_counts())
    is_young = (days.reindex(quotas.index) < YOUNG_DAYS).map({True: "new", False: "long here"})
    table = pd.DataFrame({"seller": quotas.index, "stratum": main.reindex(quotas.index) + ", " + is_young,
                          "is_best": ranked <= np.ceil(size / TOP)})  # fmt: skip
    return _measured(table, sums, exclude=())


def _of_deals(snapshot: Snapshot) -> tuple[pd.DataFrame, list[str]]:
    """One row per deal closed: seller, stratum, is_best (won) and the measures."""
    deals = _worked(snapshot, _quarters(snapshot))
    deals = deals[deals["status"].isin(["won", "lost"]) & deals["owner_id"].notna()]
    deals = deals[ended(snapshot, deals) - deals["created_at"] >= FIRST_DAYS * DAY]
    if deals.empty:
        _require_people(snapshot, 0, 0)
    found = habits(snapshot, deals, first_days=FIRST_DAYS).set_index("opportunity_id").sort_index()
    table = pd.DataFrame({"seller": found["owner_id"], "stratum": found["segment"] + ", " + found["owner_id"].astype("object"),
                          "is_best": found["status"] == "won"})  # fmt: skip
    return _measured(table, found, exclude=OF_SELLERS)


def _quarters(snapshot: Snapshot) -> list[pd.Period]:
    """The last four that are over, the oldest first."""
    last = snapshot.quarter if periods.last_day(snapshot.quarter) <= snapshot.as_of else snapshot.quarter - 1
    return [last - i for i in reversed(range(QUARTERS))]


def _measured(table: pd.DataFrame, sums: pd.DataFrame, exclude: tuple[str, ...]) -> tuple[pd.DataFrame, list[str]]:
    """The measures beside the rows of `table`, as far as the source has what they are formed of, and their names."""
    sources = {name: ("share", name, "all") for name in sums if str(name).startswith("from ")}
    formed = {name: told for name, told in {**MEASURES, **sources}.items() if name not in exclude}
    values = {name: sums[part] / sums[whole].where(sums[whole] > 0)
              for name, (_, part, whole) in formed.items() if part in sums and whole in sums}  # fmt: skip
    return table.assign(**values).reset_index(drop=True), [*values]


def _worked(snapshot: Snapshot, quarters: list[pd.Period]) -> pd.DataFrame:
    """Deals that were created or closed in the quarters."""
    deals = snapshot.opportunities
    begin, end = (pd.Timestamp(day) for day in (periods.first_day(quarters[0]), periods.last_day(quarters[-1])))
    born = periods.local_day(deals["created_at"], snapshot.timezone).between(begin, end)
    return deals[born | ((deals["status"] != "open") & deals["close_date"].between(begin, end))]


def _varies(table: pd.DataFrame, name: str) -> bool:
    return table[name].nunique() > 1


@dataclass
class _Strata:
    """Where the best and others of one stratum stand in the arrays."""

    best: list[np.ndarray]
    others: list[np.ndarray]


def _compared(table: pd.DataFrame, name: str, who: str, level: float) -> list[float]:
    """best, others, difference, low, high, p, n_best, n_others of one measure, over strata that have both; no number where
    these hold fewer than five sellers on one side."""
    rows = table[table[name].notna()]
    both = rows.groupby("stratum")["is_best"].transform("nunique") == 2
    rows = rows[both].sort_values(["stratum", "seller", name], kind="stable")
    value, is_best = rows[name].to_numpy("float64"), rows["is_best"].to_numpy()
    counts = [int(is_best.sum()), int((~is_best).sum())]
    if rows.groupby("is_best")["seller"].nunique().reindex([True, False], fill_value=0).min() < PEOPLE:
        return [np.nan] * 6 + counts
    stratum = pd.factorize(rows["stratum"])[0]
    strata = _Strata(*([np.flatnonzero((stratum == k) & (is_best == side)) for k in range(stratum.max() + 1)]
                       for side in (True, False)))  # fmt: skip
    point = _matched(value, np.ones((1, len(value))), strata)
    drawn = _matched(value, _weights(rows, who), strata)
    low, high = np.nanquantile(drawn[0] - drawn[1], [(1 - level) / 2, (1 + level) / 2])
    one, other = float(point[0][0]), float(point[1][0])
    return [one, other, one - other, low, high, van_elteren(value, is_best, stratum), *counts]


def _matched(value: np.ndarray, weight: np.ndarray, strata: _Strata) -> tuple[np.ndarray, np.ndarray]:
    """Means of the best and of the others, the others' weighted to the best's strata; one number per row of weights."""
    totals = np.zeros((3, len(weight)))
    for best, others in zip(strata.best, strata.others, strict=True):
        n, n_others = weight[:, best].sum(axis=1), weight[:, others].sum(axis=1)
        has_both = (n > 0) & (n_others > 0)
        mean = weight[:, others] @ value[others] / np.where(n_others > 0, n_others, 1)
        totals += np.where(has_both, [n, weight[:, best] @ value[best], n * mean], 0.0)
    n = np.where(totals[0] > 0, totals[0], np.nan)
    return totals[1] / n, totals[2] / n


def _weights(rows: pd.DataFrame, who: str) -> np.ndarray:
    """How often each row is drawn when sellers are drawn again, the best and the others apart; all deals of one together."""
    rng = np.random.default_rng(SEED)
    side = rows["is_best"].to_numpy() if who == "sellers" else np.zeros(len(rows), bool)
    weight = np.zeros((DRAWS, len(rows)))
    for one in np.unique(side):
        own = np.flatnonzero(side == one)
        code, sellers = pd.factorize(rows["seller"].to_numpy()[own])
        drawn = rng.multinomial(len(sellers), np.full(len(sellers), 1 / len(sellers)), size=DRAWS)
        weight[:, own] = drawn[:, code]
    return weight


def van_elteren(value: np.ndarray, is_best: np.ndarray, stratum: np.ndarray) -> float:
    """Two-sided p value of the rank sums of the best, each stratum's divided by its size + 1 (van Elteren 1960), among
    4,000 shufflings within strata; `stratum` counts from 0."""
    rng = np.random.default_rng(SEED)
    found, shuffled = 0.0, np.zeros(SHUFFLES)
    for k in range(stratum.max() + 1):
        own = stratum == k
        rank = pd.Series(value[own]).rank().to_numpy() - (own.sum() + 1) / 2
        score, n = rank / (own.sum() + 1), int(is_best[own].sum())
        found += score[is_best[own]].sum()
        shuffled += rng.permuted(np.broadcast_to(score, (SHUFFLES, len(score))), axis=1)[:, :n].sum(axis=1)
    return float((1 + (np.abs(shuffled) >= abs(found) - 1e-9).sum()) / (1 + SHUFFLES))
