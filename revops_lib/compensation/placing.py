"""Where every credit stands in its window, and what it earns there: the engine on the company's credits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from ..snapshot import Snapshot
from . import engine
from .book import PLAIN, Book, counted, refuse_unpriced
from .plans import Component, Gate, Plan
from .quotas import months_of, quarters_of, window_of

Term = tuple[dt.date, dt.date, Plan, Component]  # a component as in force from one day to another


def of_component(snapshot: Snapshot, plan: Plan, component: Component) -> pd.DataFrame:
    """Lines of one component, amounts in cents: those of the quarter, placed after the credits of the period before it."""
    rows = placed(Book(snapshot, plan), plan, component, snapshot.quarter)
    return explained(component, rows[rows["quarter"] == str(snapshot.quarter)])


def of_quarter(book: Book, quarter: pd.Period) -> list[tuple[Plan, Component, pd.DataFrame]]:
    """Lines of a quarter, amounts in cents, by component and version of the plan."""
    names = dict.fromkeys(part.name for _, _, plan in book.versions(quarter) for part in plan.components)
    return [
        (plan, part, rows[rows["quarter"] == str(quarter)])
        for name in names for plan, part, rows in by_version(book, name, quarter)
    ]  # fmt: skip


def by_version(book: Book, name: str, quarter: pd.Period) -> list[tuple[Plan, Component, pd.DataFrame]]:
    """What a component pays on the credits of a quarter and of those before it in the same window, by version of the plan.

    A credit pays by the version in force on its day, at the position that it has whatever the version: positions do not depend
    on rates. Caps and holdbacks go through all of them together.
    """
    terms: list[Term] = []
    for one in quarters_of("year", quarter):
        for first, last, plan in book.versions(one):
            part = next((part for part in plan.components if part.name == name), None)
            if part is None or one not in quarters_of(part.accumulation, quarter):
                continue
            is_more = bool(terms) and terms[-1][2] is plan
            begin = terms.pop()[0] if is_more else first
            terms.append((begin, last, plan, part))
    if not terms:
        return []
    rows = _settled(book, terms, quarter)
    return [(plan, part, rows[rows["part"] == place]) for place, (_, _, plan, part) in enumerate(terms)]


def placed(book: Book, plan: Plan, component: Component, quarter: pd.Period) -> pd.DataFrame:
    """What a component as it stands in one version pays on the credits of a quarter and of those before it in the same window,
    as `engine.paid` has it; with quarter (by name) and attained (of the gate's measure; missing without a gate)."""
    return _settled(book, [(dt.date.min, dt.date.max, plan, component)], quarter)


def _settled(book: Book, terms: Sequence[Term], quarter: pd.Period) -> pd.DataFrame:
    found = []
    for place, (first, last, plan, component) in enumerate(terms):
        rows = _earned(book, plan, component, quarter)
        day = rows["event_date"].dt.date
        found.append(rows[(day >= first) & (day <= last)].assign(part=place))
    return engine.settled([component for *_, component in terms], pd.concat(found, ignore_index=True))


def _earned(book: Book, plan: Plan, component: Component, quarter: pd.Period) -> pd.DataFrame:
    """What credits earn at their positions, and whether the gate of their own period lets it through."""
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
    rows = engine.earned(counting, credits, quotas, targets=targets)
    gate = component.gate
    if gate is None:
        return rows.assign(attained=pd.Series([None] * len(rows), rows.index, "object"), gated=True)
    period = window_of("month", rows["event_date"], book.freq) if gate.period == "month" else rows["quarter"]
    known = _gates(book, component, gate, quarter)
    attained = [known.get(key) for key in zip(rows["rep_id"], period, strict=True)]
    is_open = np.array([(one or 0) >= gate.at_least for one in attained], bool)
    return rows.assign(attained=pd.Series(attained, rows.index, "object"), gated=is_open)


def _gates(book: Book, component: Component, gate: Gate, quarter: pd.Period) -> dict[tuple[str, str], Fraction]:
    """What each rep has attained of the measure a gate asks for, as known: credited ÷ quota, by rep and month, or quarter whose
    credits the gate lets through. A gate of the year looks at the year up to that quarter; where earlier quarters are trued up,
    at the year up to now."""
    credits = book.credits(
        gate.measure, component.of, credited=component.credited if gate.measure == component.measure else PLAIN
    )
    credits = credits[credits["kind"].isin(counted(gate.measure, component.kinds))]
    found: dict[tuple[str, str], Fraction] = {}
    if gate.period == "month":
        quotas = book.quotas.of_measure(gate.measure, "month", quarter)
        months = window_of("month", credits["event_date"], book.freq)
        for name, _ in months_of(quarter):
            own = quotas[quotas.index.get_level_values("window") == name]
            found |= {(rep, name): share for rep, share in _attained(credits[months == name], own).items()}
        return found
    over = "year_to_date" if gate.period == "year" else "quarter"
    for one in quarters_of(component.accumulation, quarter):
        upto = quarter if gate.period == "year" and component.accumulation == "year_to_date" else one
        own = credits[credits["quarter"].isin([str(past) for past in quarters_of(over, upto)])]
        shares = _attained(own, book.quotas.of_measure(gate.measure, over, upto))
        found |= {(rep, str(one)): share for rep, share in shares.items()}
    return found


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
