"""Where every credit stands in its window, and what it earns there: the engine on the company's credits."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pandas as pd

from ..snapshot import Snapshot
from . import engine
from .book import PLAIN, Book, counted, refuse_unpriced
from .plans import Component, Plan
from .quotas import months_of, quarters_of, window_of


def of_component(snapshot: Snapshot, plan: Plan, component: Component) -> pd.DataFrame:
    """Lines of one component, amounts in cents: those of the quarter, placed after the credits of the period before it."""
    rows = placed(Book(snapshot, plan), plan, component, snapshot.quarter)
    return explained(component, rows[rows["quarter"] == str(snapshot.quarter)])


def of_quarter(book: Book, quarter: pd.Period) -> list[tuple[Plan, Component, pd.DataFrame]]:
    """Lines of a quarter, amounts in cents, by version of the plan and component. A credit pays by the version in force on its
    day, at the position that it has whatever the version: positions do not depend on rates."""
    found = []
    for first, last, plan in book.versions(quarter):
        for component in plan.components:
            rows = placed(book, plan, component, quarter)
            found.append((plan, component, rows[rows["event_date"].between(pd.Timestamp(first), pd.Timestamp(last))]))
    return found


def placed(book: Book, plan: Plan, component: Component, quarter: pd.Period) -> pd.DataFrame:
    """What a component pays on the credits of a quarter and of those before it in the same window, as `engine.paid` has it;
    with quarter (by name) and attained (of the gate's measure; missing without a gate)."""
    credits = book.credits(
        component.measure, component.of, credited=component.credited, commissionable=component.commissionable
    )
    credits = credits[credits["quarter"].isin([str(one) for one in quarters_of(component.accumulation, quarter)])]
    counting = replace(component, kinds=counted(component.measure, component.kinds))
    credits = credits[credits["kind"].isin(counting.kinds)]
    refuse_unpriced(credits)
    credits = credits.assign(window=window_of(component.accumulation, credits["event_date"], book.freq))
    quotas = book.quotas.windows(component, quarter)
    targets = book.quotas.targets(component, component.accumulation, quarter, plan=plan)
    found = []
    for period, attained in _gates(book, component, quarter):
        own = credits if period is None else credits[window_of("month", credits["event_date"], book.freq) == period]
        rows = engine.paid(counting, own, quotas, gates=attained, targets=targets)
        found.append(rows.assign(attained=rows["rep_id"].map(attained).astype("object")))
    return pd.concat(found, ignore_index=True)


def _gates(book: Book, component: Component, quarter: pd.Period) -> list[tuple[str | None, dict[str, Fraction]]]:
    """What each rep has attained of the measure a gate asks for, over its period, as known: credited ÷ quota; for each month
    where the gate asks for the month, else for all credits."""
    gate = component.gate
    if gate is None:
        return [(None, {})]
    credits = book.credits(
        gate.measure, component.of, credited=component.credited if gate.measure == component.measure else PLAIN
    )
    credits = credits[credits["kind"].isin(counted(gate.measure, component.kinds))]
    if gate.period == "month":
        quotas = book.quotas.of_measure(gate.measure, "month", quarter)
        months = window_of("month", credits["event_date"], book.freq)
        return [(name, _attained(credits[months == name], quotas[quotas.index.get_level_values("window") == name]))
                for name, _ in months_of(quarter)]  # fmt: skip
    over = "year_to_date" if gate.period == "year" else "quarter"
    credits = credits[credits["quarter"].isin([str(one) for one in quarters_of(over, quarter)])]
    return [(None, _attained(credits, book.quotas.of_measure(gate.measure, over, quarter)))]


def _attained(credits: pd.DataFrame, quotas: pd.Series) -> dict[str, Fraction]:
    credited = credits.groupby("rep_id")["credit"].sum()
    return {rep: Fraction(int(credited.get(rep, 0)), int(quota)) for (rep, _), quota in quotas.items()}


def explained(component: Component, rows: pd.DataFrame) -> pd.DataFrame:
    """Lines with their words: component, tiers (how the credit falls into them), gate (what was attained of it)."""
    counting = replace(component, kinds=counted(component.measure, component.kinds))
    told = [gate_told(component, attained) for attained in rows["attained"]]
    tiers = [engine.explained(counting, row) for row in rows.itertuples()]
    return rows.assign(
        component=component.name, tiers=pd.Series(tiers, rows.index, "str"), gate=pd.Series(told, rows.index, "str")
    )


def gate_told(component: Component, attained: Any) -> str:
    """What a rep has attained of a gate, in words; empty without one."""
    gate = component.gate
    if gate is None:
        return ""
    have = f"{float(attained):.1%}" if isinstance(attained, Fraction) else "no quota"
    return f"{have} of {gate.measure} in the {gate.period}, {float(gate.at_least):.1%} needed"
