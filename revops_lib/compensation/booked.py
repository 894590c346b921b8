"""The lines that a quarter books: pay on credits, true-ups, SPIFs, objectives; each with its id. Integer cents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pandas as pd

from .. import money, periods
from ..snapshot import Snapshot
from . import placing
from .awards import awarded
from .book import Book, Part
from .objectives import judged
from .plans import Award, Component, Objectives, Plan

AMOUNTS = ("earned", "withheld", "held", "pay")
KEY = ("component", "cause", "quarter", "rep_id", "deal", "kind")
COLUMNS = ["version", "component", "cause", "rep_id", "deal", "kind", "line", "event_date", "share", "credit", "quota",
           "before", "after", "gated", "attained", "tiers", "rate", "link", *AMOUNTS]  # fmt: skip
TEXTS = ("tiers", "gate", "rate", "line", "link")
WHOSE = ["rep_id", "deal", "kind", "line"]
CREDIT = [*WHOSE, "event_date", "quarter"]


def booked(snapshot: Snapshot, plan: Plan, *, past: Booked | None = None) -> Booked:
    """What a plan books as known in a snapshot, computed once for all who ask. `past`: the same of an earlier quarter, known on
    the same day: its lines are not computed again."""
    key = ("booked", plan.name, plan.version)
    if key not in snapshot.kept:
        snapshot.kept[key] = Booked(Book(snapshot, plan), past=past)
    return snapshot.kept[key]


class Booked:
    """Booked lines by quarter, computed once each, and the part of the plan that each line comes from."""

    def __init__(self, book: Book, *, past: Booked | None = None) -> None:
        self.book, self.past = book, past
        self.parts: dict[tuple[str, str], Part] = {} if past is None else dict(past.parts)  # by component and version
        self.kept: dict[str, Any] = {}  # what is computed from the lines, once for all who ask
        self._quarters: dict[str, pd.DataFrame] = {} if past is None else dict(past._quarters)

    def lines(self, quarter: pd.Period) -> pd.DataFrame:
        """One row per line: line_id, quarter, version, component, cause, rep_id, deal, kind, line, event_date, share, credit,
        quota, before, after (cents), gated, attained, tiers, rate, link (of a true-up: the line_id of the line it changes),
        earned (before gate and cap), withheld, held, pay (cents; missing without a quota)."""
        if str(quarter) not in self._quarters:
            found = []
            if versions := self.book.versions(quarter):
                found = [*self._paid(quarter), *self._trued_up(quarter), *self._awards(quarter),
                         *self._objectives(versions[0][2], quarter)]  # fmt: skip
            table = pd.concat([one for one in found if len(one)] or [pd.DataFrame(columns=COLUMNS)], ignore_index=True)
            self._quarters[str(quarter)] = identified(self.book.plan, table.assign(quarter=str(quarter)))
        return self._quarters[str(quarter)]

    def _paid(self, quarter: pd.Period) -> list[pd.DataFrame]:
        is_read = quarter == self.book.snapshot.quarter  # the words of earlier lines nobody reads
        found = []
        for plan, part, rows in placing.of_quarter(self.book, quarter):
            found.append(self._of(plan, part, "pay", placing.explained(part, rows) if is_read else rows))
        return found

    def _trued_up(self, quarter: pd.Period) -> list[pd.DataFrame]:
        """What the year's earlier credits pay more or less against the quota up to now than against the one before, one row per
        credit, with the share of it that is held, and linked to the credit's own line."""
        parts = [part for _, _, plan in self.book.versions(quarter) for part in plan.components]
        names = dict.fromkeys(part.name for part in parts if part.accumulation == "year_to_date")
        return [rows for name in names if quarter.quarter > 1 for rows in self._trued_up_of(name, quarter)]

    def _trued_up_of(self, name: str, quarter: pd.Period) -> Iterator[pd.DataFrame]:
        now, then = (placing.by_version(self.book, name, one) for one in (quarter, quarter - 1))
        before = pd.concat([rows for _, _, rows in then]) if then else pd.DataFrame(columns=[*CREDIT, "pay", "held"])
        for plan, part, rows in now:
            rows = rows.merge(before[[*CREDIT, "pay", "held"]], on=CREDIT, suffixes=("", "_before"))
            pay, held = (rows[cents] - rows[f"{cents}_before"] for cents in ("pay", "held"))
            rows = rows.assign(pay=pay, held=held)[((pay != 0) | (held != 0)).fillna(False)]
            rows = rows[["rep_id", "deal", "kind", "line", "event_date", "quarter", "pay", "held"]]
            if rows.empty:
                continue
            rows = rows.assign(
                earned=rows["pay"] + rows["held"], withheld=0, tiers="", link=self._ids(name, rows),
                event_date=pd.Timestamp(periods.last_day(quarter)),
            )  # fmt: skip
            yield self._of(plan, part, "true_up", rows)

    def _ids(self, name: str, rows: pd.DataFrame) -> list[str]:
        """The ids of the lines that credits of earlier quarters were booked on."""
        known: dict[tuple[str, ...], str] = {}
        for one in {*rows["quarter"]}:
            lines = self.lines(pd.Period(one, freq=self.book.freq))
            own = lines[(lines["component"] == name) & (lines["cause"] == "pay")]
            known |= dict(zip(zip(*(own[key] for key in WHOSE), strict=True), own["line_id"], strict=True))
        return [known.get(key, "") for key in zip(*(rows[name] for name in WHOSE), strict=True)]

    def _awards(self, quarter: pd.Period) -> list[pd.DataFrame]:
        found = []
        for plan, award, rows in awarded(self.book, quarter):
            waiting = 1 - sum(part.share for part in award.payable if part.on == "booking")
            held = [money.round_half_up(cents * waiting) for cents in rows["kept"]]
            rows = rows.assign(held=held, pay=[kept - part for kept, part in zip(rows["kept"], held, strict=True)])
            found.append(self._of(plan, award, "spif", rows))
        return found

    def _objectives(self, plan: Plan, quarter: pd.Period) -> list[pd.DataFrame]:
        found = []
        for part in plan.objectives:
            rows = judged(self.book, plan, part, quarter)
            rows = rows.assign(kind="objective", line="objective", earned=rows["kept"], pay=rows["kept"], withheld=0, held=0)
            found.append(self._of(plan, part, "objective", rows))
        return found

    def _of(self, plan: Plan, part: Component | Award | Objectives, cause: str, rows: pd.DataFrame) -> pd.DataFrame:
        self.parts[part.name, plan.version] = part
        rows = rows.assign(component=part.name, version=plan.version, cause=cause)
        for name in ("credit", "quota", "before", "after", *AMOUNTS):
            rows[name] = rows[name].astype("Int64") if name in rows else pd.array([pd.NA] * len(rows), "Int64")
        for name in TEXTS:
            rows[name] = rows[name].fillna("") if name in rows else ""
        for name, empty in (("gated", True), ("attained", None), ("share", float("nan"))):
            rows[name] = rows[name] if name in rows else pd.Series([empty] * len(rows), index=rows.index, dtype="object")
        return rows[COLUMNS].astype({"gated": "object", "share": "object"})


def identified(plan: Plan, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows in a total order with the id of each line: 16 hexadecimal digits of what the line is about, never of amounts, so
    that a line computed again has the same one."""
    rows = rows.sort_values([*KEY[:4], "event_date", *KEY[4:], "line"], kind="stable", ignore_index=True)
    number = rows.groupby(list(KEY)).cumcount()
    parts = zip(*(rows[name].astype("object") for name in KEY), number, strict=True)
    ids = [hashlib.sha256("\x1f".join([plan.name, *map(str, of)]).encode("utf-8")).hexdigest()[:16] for of in parts]
    return rows.assign(line_id=ids)
