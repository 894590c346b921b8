"""Which KPIs call for somebody: the rules of `data/plans/alerts.yml`, each judged on the newest quarter that can be judged."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from .. import statistics
from ..errors import DataRefused
from ..privacy import SMALLEST_GROUP
from ..snapshot import Snapshot
from . import alertrules
from .alertrules import SEVERITIES, Rule
from .counted import Counted
from .definitions import Definition, definitions
from .groups import People, after_people, owners
from .usual import ENOUGH, LOOKED_AT, Usual, usual
from .values import table
from .words import between, said

QUARTERS = LOOKED_AT  # the quarter judged and those it is compared with
COLUMNS = ["rule", "kpi", "by", "member", "quarter", "value", "unit", "low", "high", "bound", "usual", "usual_low",
           "usual_high", "n", "since", "sentence", "severity", "owner", "effort", "action"]  # fmt: skip
TOO_SMALL = "(too small to be named)"
CHECKED = [*COLUMNS[:-5], "when", "n_past", "p", "is_judged", "holds", *COLUMNS[-5:]]


def alerts(snapshot: Snapshot, *, rules: pd.DataFrame | None = None) -> pd.DataFrame:
    """The rules that hold, one row per rule and group, the most severe first; columns as in `checked`, without those that say
    how it was judged. Empty when none holds. `rules`: what `checked` gave, when it was asked before.

    >>> alerts(Snapshot("data/sample", quarter="2026Q3"))["rule"].tolist()
    ['bookings_below_target', 'nrr_below_one', 'coverage_below_target']
    """
    rows = checked(snapshot) if rules is None else rules
    rows = rows[rows["holds"]]
    order = rows["severity"].map(SEVERITIES.index)
    return rows.loc[order.sort_values(kind="stable").index, COLUMNS].reset_index(drop=True)


def checked(snapshot: Snapshot, *, counted: Counted | None = None) -> pd.DataFrame:
    """All rules, one row per rule and group, in the order of the file.

    Judged is the newest quarter that is complete, as `kpi` says. "moved" holds when the value lies further from what the
    quarters before let expect than the KPI's own noise explains (`usual`), at the plan's level for all moved rules together
    (Holm 1979); it needs five of them. Groups of fewer than five people, called after a person, or with fewer cases than the
    plan's least, are counted in one row without name and never hold, with the smallest of the others where these would tell
    them by subtraction. Nor is a rate or mean of the company judged that rests on fewer cases than the least.

    Columns: rule, kpi, by, member, quarter, value, unit, low and high (interval of the value), bound (of a rule with one, the
    target where it names that), usual (what the quarters before let expect), usual_low and usual_high (where the next one
    lies, at the level for one rule alone), n (cases), since (first quarter of the unbroken run on the wrong side of the bound;
    of a movement the quarter), when, n_past, p (corrected), is_judged, holds, sentence, severity, owner, effort (of the
    action), action. A rule that cannot be judged says why in its sentence. `counted`: cases of the last twelve quarters,
    counted before. UsageError naming the line when the plan cannot be read.
    """
    plan, known = alertrules.read(snapshot), definitions(snapshot)
    counted = counted or Counted(snapshot, snapshot.quarter, QUARTERS)
    rows = [row for rule in plan.rules for row in _judged(counted, known[rule.kpi], rule, plan.least_cases, plan.level)]
    found = pd.DataFrame(rows, columns=None if rows else [*CHECKED, "name", "is_target", "is_seasonal", "why"])
    found = found.astype({"holds": bool, "is_judged": bool})
    corrected = statistics.holm(found["p"].astype("float64"))
    found["holds"] = found["holds"] | (corrected <= 1 - plan.level)
    found["p"], n_tests = corrected, int(corrected.notna().sum())
    found["sentence"] = [_sentence(row, plan.level, n_tests) for row in found.to_dict("records")]
    return found[CHECKED]


def _judged(counted: Counted, definition: Definition, rule: Rule, least: int, level: float) -> list[dict[str, Any]]:
    told = {
        "rule": rule.id, "kpi": rule.kpi, "name": definition.name["en"], "by": rule.by or "company", "member": "company",
        "quarter": pd.NaT, "since": pd.NaT, "when": rule.when,
        "unit": definition.unit.replace("money", counted.snapshot.currency), **dict.fromkeys(_NUMBERS, math.nan), "n_past": 0,
        "is_seasonal": False,
        "is_judged": False, "holds": False, "is_target": rule.when != "moved" and rule.bound is None, "why": "",
        "severity": rule.severity, "owner": rule.owner, "effort": rule.effort,
        "action": rule.action,
    }  # fmt: skip
    try:
        values = table(counted.snapshot, [rule.kpi], by=rule.by, counted=counted)
    except DataRefused as refused:
        return [told | {"why": refused.what}]
    # What is moved is compared with ends of quarters; a bound also holds for what stands open in the running one.
    is_over = values["quarter"].map(counted.is_whole).astype(bool) | (rule.when != "moved")
    values = values[values["is_complete"] & is_over]
    newest, values = values["quarter"].max(), values[values["value"].notna()]
    if values.empty:
        return [told | {"why": "there is no complete quarter with cases"}]
    if values["quarter"].max() != newest:
        return [told | {"quarter": newest, "why": f"nothing in {newest} tells it"}]
    now = values[values["quarter"] == newest]
    if rule.by is None and definition.interval != "none" and (n := int(now["n"].iloc[0])) < least:
        return [told | {"quarter": newest, "n": n, "why": f"it rests on {n} of the {least} cases that are needed"}]
    named = [*now["member"]] if rule.by is None else _nameable(counted, definition, rule.by, now, least)
    rows = [told | _member(values[values["member"] == member], definition, rule, counted, level) for member in named]
    hidden = len(now) - len(rows)
    why = (f"{hidden} of its groups rest on fewer than {SMALLEST_GROUP} people or {least} cases, are called after a person, or"
           " would tell those that do")  # fmt: skip
    return [*rows, told | {"member": TOO_SMALL, "quarter": newest, "why": why}] if hidden else rows


_NUMBERS = ("value", "low", "high", "n", "bound", "usual", "usual_low", "usual_high", "p")


def _nameable(counted: Counted, definition: Definition, by: str, now: pd.DataFrame, least: int) -> list[str]:
    """Groups of the quarter with enough cases and people, where these belong to people; not those that with the company's own
    figure would tell the others."""
    found = owners(counted, definition.populations, by, now["quarter"].unique(), counted.keys(definition))
    shown = People(found).pooled(TOO_SMALL, apart=after_people(counted.snapshot, by, now["member"]))
    return [row.member for row in now.itertuples() if row.n >= least and shown.get(row.member, row.member) == row.member]


def _member(own: pd.DataFrame, definition: Definition, rule: Rule, counted: Counted, level: float) -> dict[str, Any]:
    """What a rule finds of one group, from its quarters."""
    now = own.iloc[-1]
    told = {name: now[name] for name in ("member", "quarter", "value", "unit", "low", "high", "n")}
    if rule.when != "moved":
        bound = counted.target(definition, now["quarter"]) if rule.bound is None else rule.bound
        if math.isnan(bound):
            return told | {"why": "there is no target"}
        side = -1 if rule.when == "below" else 1
        holds = side * (now["value"] - bound) > 0
        return told | {"bound": bound, "is_judged": True, "holds": holds, "since": _since(own, bound, side)}
    past = own.set_index("quarter")["value"].reindex([now["quarter"] - i for i in range(LOOKED_AT, 0, -1)])
    found = usual(past.to_numpy(float), now["value"], unit=now["unit"], level=level)
    told |= {"usual": found.mean, "usual_low": found.low, "usual_high": found.high, "p": found.p, "n_past": found.n,
             "is_seasonal": found.is_seasonal}  # fmt: skip
    if math.isnan(found.p):
        return told | {"why": _why_unknown(found)}
    is_out = not found.low <= now["value"] <= found.high
    return told | {"is_judged": True, "since": now["quarter"] if is_out else pd.NaT}


def _why_unknown(found: Usual) -> str:
    if found.n < ENOUGH:
        return f"it has {found.n} of the {ENOUGH} complete quarters before that are needed"
    return "nothing in the quarters before varies"


def _since(own: pd.DataFrame, line: float, side: int) -> Any:
    """The first quarter of the unbroken run up to now on that side of a line; missing when it is not there now."""
    since: Any = pd.NaT
    for quarter, value in zip(own["quarter"].iloc[::-1], own["value"].iloc[::-1], strict=True):
        if side * (value - line) <= 0 or (since is not pd.NaT and quarter + 1 != since):
            break
        since = quarter
    return since


def _sentence(row: dict[str, Any], level: float, n_tests: int) -> str:
    whom = row["name"] if row["by"] == "company" else f"{row['name']} of {row['member']} ({row['by']})"
    if not row["is_judged"]:
        by = "" if row["by"] == "company" else f" by {row['by']}"
        return f"{row['name']}{by} is not judged: {row['why']}."
    unit = row["unit"]
    value = said(row["value"], unit)
    if row["when"] == "moved":
        return f"{whom} {_moved(row, value, level, n_tests)}"
    interval = f" ({between(row['low'], row['high'], unit)})" if pd.notna(row["low"]) and pd.notna(row["high"]) else ""
    measure = f"{'its target of' if row['is_target'] else 'the bound of'} {said(row['bound'], unit)}"
    if not row["holds"]:
        return f"{whom}: {value}{interval} in {row['quarter']}, not {row['when']} {measure}."
    reaches = row["low"] <= row["bound"] <= row["high"]
    chance = " The interval reaches it, so this may be chance." if reaches else ""
    since = "" if row["since"] == row["quarter"] else f", since {row['since']} at least"
    return f"{whom}: {value}{interval} in {row['quarter']}, {row['when']} {measure}{since}.{chance}"


def _moved(row: dict[str, Any], value: str, level: float, n_tests: int) -> str:
    unit, course = row["unit"], "fell" if row["value"] < row["usual"] else "rose"
    usually = f"usual is {between(row['usual_low'], row['usual_high'], unit)} ({level:.0%})"
    n = row["n_past"]
    by = f"season and trend of the {n} quarters before" if row["is_seasonal"] else f"the {n} quarters before"
    past = f"where {by} let expect {said(row['usual'], unit)}; {usually}"
    if row["holds"]:
        return f"{course} to {value} in {row['quarter']}, {past}."
    if row["since"] is pd.NaT:
        return f"was {value} in {row['quarter']}, within what is usual: {usually.removeprefix('usual is ')}."
    return f"{course} to {value} in {row['quarter']}, {past}; one of {n_tests} such values may well lie there by chance."
