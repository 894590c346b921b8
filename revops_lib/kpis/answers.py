"""What people read below the figures: limits of the source, whether everything adds up, and what to do."""

from __future__ import annotations

import pandas as pd

from ..snapshot import Snapshot
from .definitions import definitions
from .words import between, said

ADVICE = ["finding", "action", "expected_amount", "owner"]
STAFF = ("team", "role", "manager_id")  # groups of people are not named in advice
CHANCE = 0.1  # what of the best is beyond chance, corrected for the number of measures
MOVEMENTS = ["new", "expansion", "contraction", "churn", "reactivation"]


def sellers(tiles: pd.DataFrame | str) -> int | None:
    """How many people stand behind the attainment told; None where none is."""
    found = pd.DataFrame() if isinstance(tiles, str) else tiles[(tiles["kpi"] == "quota_attainment") & tiles["value"].notna()]
    return None if found.empty else int(found["n_least"].iloc[0])


def notes(snapshot: Snapshot, tiles: pd.DataFrame | str, figures: pd.DataFrame | str, alerts: pd.DataFrame | str) -> list[str]:
    """What stands in for figures this source cannot support, and how to read the others, in sentences."""
    found = list(snapshot.limits)
    if isinstance(figures, pd.DataFrame):
        known = definitions(snapshot)
        missing = [one.name["en"] for id, one in known.items() if id not in set(figures["kpi"])]
        if missing:
            found.append(f"{len(missing)} of {len(known)} KPIs cannot be told from this source: {', '.join(missing)}.")
        young = figures.loc[~figures["is_complete"].astype(bool), "name"].tolist()
        if young:
            found.append(f"Not final, because the quarter runs or cases can still move on: {', '.join(young)}.")
    if isinstance(tiles, pd.DataFrame) and (n := int(tiles["target"].notna().sum())):
        found.append(
            f"{n} of {len(tiles)} figures have a target in plans/targets.yml; the others are judged by their past alone."
        )
    if isinstance(alerts, pd.DataFrame):
        found.append("In about one quarter of ten a rule of movement holds although nothing happened.")
    return found


def checks(
    snapshot: Snapshot, examples: pd.DataFrame, tiles: pd.DataFrame | str, bridge: pd.DataFrame | str,
    months: pd.DataFrame | str, tree: pd.DataFrame | str,
) -> pd.DataFrame:  # fmt: skip
    """Whether the figures are sound, one row per check: check, expected, found, holds."""
    newest, n = snapshot.newest, len(examples)
    rows = [
        ("nothing later than the day", f"before {snapshot.cutoff}", str(newest), newest < snapshot.cutoff),
        ("worked examples of the dictionary", f"{n} hold", f"{int(examples['holds'].sum())} hold", examples["holds"].all()),
    ]
    if isinstance(tiles, pd.DataFrame) and "bookings" in tiles["kpi"].tolist():
        deals, quarter = snapshot.opportunities, snapshot.quarter
        inside = deals["close_date"].dt.to_period(quarter.freqstr) == quarter
        booked = float(deals.loc[(deals["status"] == "won") & inside, "amount"].sum())
        told = float(tiles.set_index("kpi").loc["bookings", "value"])
        told = 0.0 if told != told else told
        rows.append(("bookings are what the deals say", f"{booked:,.2f}", f"{told:,.2f}", abs(booked - told) < 0.005))
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
    first = tree.loc[(tree["level"] != "company"), "level"].head(1).tolist()
    branches = tree[tree["level"].isin(first) & (tree["of"] == "")]["part"].sum()
    told = [("what it is made of", parts), *((f"its {level}s", branches) for level in first)]
    return [
        (f"change of {id} is that of {name}", f"{top['part']:,.2f}", f"{found:,.2f}", found == top["part"])
        for name, found in told
    ]


def recommendations(alerts: pd.DataFrame | str, best: pd.DataFrame | str) -> pd.DataFrame:
    """What to do, one row per advice: finding, action, expected_amount, owner; the gravest alert first, then habits of the best
    to be tried.

    A habit is advised when it separates the best beyond chance, corrected for all measures; a mix is not, for it is often given
    to a seller. Nobody has put an amount on these: it is missing. Groups of people are not named.
    """
    rows: list[tuple[str, str, float, str]] = []
    if isinstance(alerts, pd.DataFrame):
        named = alerts[~alerts["by"].isin(STAFF)]
        rows += [(row.sentence.rstrip("."), row.action, float("nan"), row.owner) for row in named.itertuples()]
    if isinstance(best, pd.DataFrame):
        sure = best[(best["kind"] == "habit") & (best["p_adjusted"] <= CHANCE)]
        rows += [(_habit(row), "Try it with some of the others for a quarter, and compare", float("nan"), "sales managers")
                 for row in sure.to_dict("records")]  # fmt: skip
    return pd.DataFrame(rows, columns=ADVICE).astype({"expected_amount": "float64"})


def _habit(row: dict[str, float]) -> str:
    unit = str(row["unit"])
    interval = between(row["low"], row["high"], unit)
    both = f"{said(row['best'], unit)} against {said(row['others'], unit)}"
    return f"The best sellers differ in {row['measure']}: {both} (difference {interval})"
