"""The plans in force as a page includes them: the rules by which the calculator on the same site computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .reports import grid
from .text import bare, plain

if TYPE_CHECKING:
    from ..compensation import Plan

QUOTA = 100_000


def text(plans: Iterable[Plan], tables: Iterable[str], day: str, *, say: Callable[[str], str] = str) -> str:
    """Tiers, terms and pay by attainment of each plan, as far as `tables` of the allow-list names them, under its title;
    in the words of `say`."""
    parts = [plain(say(f"The plans as in force on {day}."))]
    for plan in plans:
        parts += [f"### {bare(say(plan.title))}", *_shown(plan, set(tables), say)]
    return "\n\n".join(parts) + "\n"


def _shown(plan: Plan, tables: set[str], say: Callable[[str], str]) -> Iterator[str]:
    from .. import compensation, report

    def table(frame: Any) -> str:
        found = report.table(frame.drop(columns="plan"), rows=40)
        if isinstance(found, report.Reason):
            return plain(say(found))
        parts = {"component": lambda name: name.replace("_", " ")}
        rows = [[say(parts.get(column, str)(cell)) for column, cell in row.items()] for row in found.to_dict("records")]
        return grid([say("part" if column == "component" else column) for column in found.columns], rows)

    if "plan" in tables:
        yield table(compensation.rules(plan))
    if "terms" in tables:
        yield table(compensation.terms(plan))
    curve = compensation.curve(plan, quota=QUOTA)
    if "curve" in tables and len(curve):
        yield plain(say(f"Pay by attainment, for a quota of {QUOTA:,} {plan.currency}:"))
        yield table(compensation.curve_points(curve))
