"""What people read below the figures: limits of the source, whether everything adds up, and what to do."""

from __future__ import annotations

import pandas as pd

from ..privacy import SMALLEST_GROUP
from ..snapshot import Snapshot
from . import revenue
from .deals import gaps
from .definitions import definitions
from .populations import POPULATIONS
from .words import between, said

ADVICE = ["finding", "action", "expected_amount", "owner", "effort"]
CHANCE = 0.1  # what of the best is beyond chance, corrected for the number of measures
MOVEMENTS = ["new", "expansion", "contraction", "churn", "reactivation"]


def sellers(tiles: pd.DataFrame | str) -> int | None:
    """How many people stand behind the attainment told; None where none is."""
    found = pd.DataFrame() if isinstance(tiles, str) else tiles[(tiles["kpi"] == "quota_attainment") & tiles["value"].notna()]
    return None if found.empty else int(found["n_least"].iloc[0])


def notes(snapshot: Snapshot, tiles: pd.DataFrame | str, figures: pd.DataFrame | str, alerts: pd.DataFrame | str) -> list[str]:
    """What stands in for figures this source cannot support, and how to read the others, in sentences."""
    found = [*snapshot.limits, *gaps(snapshot), *revenue.gaps(snapshot)]
    if isinstance(figures, pd.DataFrame):
        known = definitions(snapshot)
        told = {id: one for id, one in known.items() if not POPULATIONS[one.population].elsewhere}
        missing = [one.name["en"] for id, one in told.items() if id not in set(figures["kpi"])]
        if missing:
            found.append(f"{len(missing)} of {len(told)} KPIs cannot be told from this source: {', '.join(missing)}.")
        young = figures.loc[~figures["is_complete"].astype(bool), "name"].tolist()
        if young:
            found.append(f"Not final, because the quarter runs or cases can still move on: {', '.join(young)}.")
    if isinstance(tiles, pd.DataFrame):
        n = int(tiles["target"].notna().sum())
        found.append(
            f"{n} of {len(tiles)} figures have a target in plans/targets.yml; the others are judged by their past alone."
            if n
            else "No figure has a target: write plans/targets.yml beside the data, as data/plans/targets.yml is written."
        )
    if isinstance(alerts, pd.DataFrame) and alerts["usual"].notna().any():
        found.append("In about one quarter of ten a rule of movement holds although nothing happened.")
    return found


def checks(
    snapshot: Snapshot, examples: pd.DataFrame, tiles: pd.DataFrame | str, bridge: pd.DataFrame | str,
    months: pd.DataFrame | str, tree: pd.DataFrame | str,
) -> pd.DataFrame:  # fmt: skip
    """Whether the figures are sound, one row per check: check, expected, found, holds."""
    known = definitions(snapshot)
    told = examples[[known[id].code != "total" for id in examples["id"]]]  # the example of a sum cannot fail
    n, n_held = len(told), int(told["holds"].sum())
    rows = [("worked examples of the dictionary's formulas", f"{n} hold", f"{n_held} hold", n == n_held)]
    if isinstance(tiles, pd.DataFrame) and "bookings" in tiles["kpi"].tolist():
        deals, quarter = snapshot.opportunities, snapshot.quarter
        inside = deals["close_date"].dt.to_period(quarter.freqstr) == quarter
        booked = float(deals.loc[(deals["status"] == "won") & inside, "amount"].sum())
        value = float(tiles.set_index("kpi").loc["bookings", "value"])
        value = 0.0 if value != value else value
        rows.append(("bookings are what the deals say", f"{booked:,.2f}", f"{value:,.2f}", abs(booked - value) < 0.005))
    for name, frame in (("quarters", bridge), ("months", months)):
        if isinstance(frame, pd.DataFrame):
            rows.append(_closing(name, frame))
    if isinstance(bridge, pd.DataFrame) and isinstance(months, pd.DataFrame):
        one, other = bridge["closing"].iloc[-1], months["closing"].iloc[-1]
        rows.append(("months end where the quarter does", f"{one:,.2f}", f"{other:,.2f}", one == other))
    if isinstance(tree, pd.DataFrame) and len(tree):
        rows += _sums(tree)
    return pd.DataFrame(rows, columns=["check", "expected", "found", "holds"]).astype({"holds": bool})


def _closing(name: str, bridge: pd.DataFrame) -> tuple[str, str, str, bool]:
    """Opening and movements give the closing, which is the next one's opening."""
    moved = bridge["opening"] + sum(bridge[movement] for movement in MOVEMENTS)
    follows = bridge["opening"].eq(bridge["closing"].shift()) | (bridge.index == bridge.index[0])
    closes = moved.eq(bridge["closing"]) & follows
    return f"{name} of recurring revenue close", f"{len(bridge)} close", f"{int(closes.sum())} close", bool(closes.all())


def _sums(tree: pd.DataFrame) -> list[tuple[str, str, str, bool]]:
    """Whether parts and branches of the tree sum to the company's change, to the cent."""
    top, id = tree.iloc[0], tree.iloc[0]["kpi"]
    parts = tree[(tree["level"] == "company") & (tree["of"] == id)]["part"].sum()
    branches = tree[(tree["level"] != "company") & (tree["of"] == "")].groupby("level", sort=False)["part"].sum()
    told = [("what it is made of", parts), *((f"its {level}s", found) for level, found in branches.items())]
    return [
        (f"change of {id} is that of {name}", f"{top['part']:,.2f}", f"{found:,.2f}", found == top["part"])
        for name, found in told
    ]


def recommendations(alerts: pd.DataFrame | str, best: pd.DataFrame | str) -> pd.DataFrame:
    """What to do, one row per advice: finding, action, expected_amount, owner, effort (S, M, L); the gravest alert first, then
    habits of the best to be tried.

    A habit is advised when it separates the best beyond chance, corrected for all measures; a mix is not, for it is often given
    to a seller. Nobody has put an amount on these: it is missing. Alerts about groups, or about fewer than five cases,
    are not advised here: teams and regions are people, products may be few deals.
    """
    rows: list[tuple[str, str, float, str, str]] = []
    if isinstance(alerts, pd.DataFrame):
        whole = alerts[(alerts["by"] == "company") & (alerts["n"] >= SMALLEST_GROUP)]
        rows += [(row.sentence.rstrip("."), row.action, float("nan"), row.owner, row.effort) for row in whole.itertuples()]
    if isinstance(best, pd.DataFrame):
        sure = best[(best["kind"] == "habit") & (best["p_adjusted"] <= CHANCE)]
        rows += [(_habit(row), "Try it with some of the others for a quarter, and compare", float("nan"), "sales managers", "L")
                 for row in sure.to_dict("records")]  # fmt: skip
    return pd.DataFrame(rows, columns=ADVICE).astype({"expected_amount": "float64"})


def _habit(row: dict[str, float]) -> str:
    unit = str(row["unit"])
    interval = between(row["low"], row["high"], unit)
    both = f"{said(row['best'], unit)} against {said(row['others'], unit)}"
    return f"The best sellers differ in {row['measure']}: {both} (difference {interval})"
