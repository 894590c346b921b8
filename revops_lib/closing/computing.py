"""The ledger of one quarter: its own lines, and the corrections of all quarters closed before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pandas as pd

from .. import compensation, periods, privacy
from ..errors import DataRefused
from ..snapshot import Snapshot
from .doubts import Held, disputed, edited, renamed, unpaid


@dataclass(frozen=True)
class Ledger:
    """A quarter as its statements need it. `lines`: entries and corrections, in order; `before`: the lines of the quarters
    closed earlier, under the names people have now; `problems`: the checks that fail; `left_out`: plans that pay nothing, and
    why; `warnings`: what else has to be looked at before anybody is paid; `held`: the versions of plans that this quarter and
    the corrected ones are computed by."""

    snapshot: Snapshot
    plans: Sequence[compensation.Plan]
    lines: pd.DataFrame
    before: pd.DataFrame
    notes: Sequence[str] = ()
    problems: Sequence[compensation.Problem] = ()
    left_out: Sequence[str] = ()
    warnings: Sequence[str] = ()
    held: Held = field(default_factory=dict)

    def totals(self, cause: str = "") -> dict[str, Decimal]:
        """What all lines pay, or those of one cause, by currency."""
        lines = self.lines[(self.lines["cause"] == cause) | (cause == "")]
        return {str(name): sum(own.dropna(), start=Decimal(0)) for name, own in lines.groupby("currency")["pay"]}


def computed(data: str | Path, quarter: str, as_of: str | dt.date, closed: Mapping[str, pd.DataFrame], then: Held) -> Ledger:
    """The ledger of a quarter as known at the end of `as_of`; `closed`: the lines of each quarter closed before, by quarter;
    `then`: the plans that these were last computed by.

    The quarter right after the last closed one carries the corrections of all of them; one further on says that it does not.
    A quarter whose lines are not among `closed` (an emptied one) is corrected no more.
    Raises DataRefused where the source cannot tell who is paid, or no plan applies to anybody.
    """
    snapshot = Snapshot(data, quarter=quarter, as_of=as_of)
    plans, left_out = _plans(snapshot)
    if not plans:
        told = "".join(f" ({one})" for one in left_out)
        raise DataRefused(f"no plan applies to a role of this source{told}", f"data {data}", "correct applies_to or the roles")
    own = pd.concat([compensation.entries(snapshot, plan) for plan in plans], ignore_index=True)
    held = {quarter: _versions(snapshot, plans)}
    found = [one for one in compensation.problems(snapshot, plans, own) if one.ids]
    if not closed:
        return Ledger(snapshot, plans, own, own.iloc[:0], (), [*found, *disputed(snapshot, plans, own)], left_out, (), held)
    before = _called_now(pd.concat(closed.values(), ignore_index=True).astype(own.dtypes.to_dict()), snapshot)
    gone = renamed(before, snapshot)
    if str(snapshot.quarter - 1) != max(closed):
        note = f"{snapshot.quarter - 1} is not closed yet: corrections of earlier quarters stand in it, not here."
        found += disputed(snapshot, plans, pd.concat([before, own]))
        return Ledger(snapshot, plans, own, before, [note], found, left_out, gone, held)
    snapshots = [snapshot.looking_at(pd.Period(name, freq=snapshot.quarter.freqstr)) for name in sorted(closed)]
    in_force = [(one, _plans(one)[0]) for one in snapshots]
    parts = [compensation.entries(one, plan) for one, found_then in in_force for plan in found_then]
    now = pd.concat([own.iloc[:0], *parts], ignore_index=True).astype(own.dtypes.to_dict())
    # Of an emptied quarter nothing is computed again: what has corrected it stands.
    standing = before[(before["cause"] != "correction") | before["for_quarter"].isin([*closed])]
    corrections = compensation.corrections(standing, now, quarter=quarter)
    lines = pd.concat([own, corrections], ignore_index=True).astype(own.dtypes.to_dict())
    everything = pd.concat([before, lines])
    held |= {str(one.quarter): _versions(one, found_then) for one, found_then in in_force}
    edits, lost = edited(corrections, before, {name: then.get(name, held[name]) for name in sorted(closed)}, held)
    found += [*lost, *disputed(snapshot, plans, everything), *unpaid(snapshot, everything, closed)]
    return Ledger(snapshot, plans, lines, before, (), found, left_out, [*edits, *gone], held)


def _plans(snapshot: Snapshot) -> tuple[list[compensation.Plan], list[str]]:
    """The plans in force when the quarter began, of roles that somebody has; and the others, each with the reason."""
    roles = set(snapshot.table("reps")["role"].dropna())
    last = periods.last_day(snapshot.quarter)
    left_out = [f"not yet in force: {name} from {day}" for name, day in compensation.begins(snapshot).items() if day > last]
    found = compensation.plans(snapshot)
    left_out += [f"nobody has the role {plan.role}: {plan.name}" for plan in found if plan.role not in roles]
    return [plan for plan in found if plan.role in roles], left_out


def _versions(snapshot: Snapshot, plans: Sequence[compensation.Plan]) -> dict[str, list[str]]:
    """The versions of each plan that hold on a day of the quarter, in order."""
    first, last = periods.first_day(snapshot.quarter), periods.last_day(snapshot.quarter)
    found = {plan.name: compensation.planfile.versions(snapshot, plan, first, last) for plan in plans}
    return {name: [plan.version for _, plan in versions] for name, versions in found.items()}


def _called_now(lines: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
    """Closed lines under the names that the dataset has for people now: who was forgotten since is called by a random one."""
    forgotten = snapshot.dataset.get("forgotten")
    if not forgotten:
        return lines
    is_named = snapshot.dataset.get("people") == "named"
    who = privacy.People(privacy.key(make=False), is_named, forgotten)
    now = {
        rep: forgotten.get(who.trace(who.pseudonym("reps", rep) if is_named else rep), rep) for rep in lines["rep_id"].unique()
    }
    return lines.assign(rep_id=lines["rep_id"].map(now))
