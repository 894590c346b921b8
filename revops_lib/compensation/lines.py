"""A line of pay per credit and component, and what they sum to per rep."""

from __future__ import annotations

from fractions import Fraction

import pandas as pd

from .. import money
from ..errors import DataRefused
from ..snapshot import Snapshot
from . import engine
from .credits import assignments, credit_lines, quota_windows, quotas_of, require_credits, window_of
from .plans import Component, Plan

LINE_COLUMNS = ["component", "rep_id", "opportunity_id", "close_date", "kind", "share", "credited", "quota", "before", "after",
                "tiers", "gate", "withheld", "held", "pay"]  # fmt: skip


def lines(snapshot: Snapshot, plan: Plan) -> pd.DataFrame:
    """The quarter's pay, one row per component and credit, in the plan's order.

    Credits of deals known as won with a close date in the quarter. Columns: component, rep_id, opportunity_id, close_date,
    kind, share, credited (amount × share; shares of a deal sum to its amount), quota (of the accumulation period), before and
    after (position in the quota, 0–…; missing where tiers are amounts), tiers (how the credit falls into them), gate (what was
    attained of it; empty without one), withheld (by the cap), held (until the holdback is released), pay; all amounts exact. A
    rep counts in the role held on the close date. A rep without quota, or with quota 0, keeps the line with pay missing.
    Raises DataRefused when the source has no credits or no quotas, or its deals are in another currency than the plan pays.
    """
    require_credits(snapshot)
    snapshot.require_one_currency()
    if snapshot.currency != plan.currency:
        raise DataRefused(
            f"deals are in {snapshot.currency}, the plan pays {plan.currency}",
            f"plan {plan.name}",
            "state a plan in the currency of the deals",
        )
    table = pd.concat([of_component(snapshot, plan, component) for component in plan.components], ignore_index=True)
    for place in ("before", "after"):
        table[place] = (table[place].astype("Float64") / table["quota"].astype("Float64")).astype("float64")
    for column in ("credited", "quota", "withheld", "held", "pay"):
        table[column] = money.from_cents(table[column].astype("Int64"))
    return table[LINE_COLUMNS]


def of_component(snapshot: Snapshot, plan: Plan, component: Component) -> pd.DataFrame:
    """Lines of one component, amounts in cents: those of the quarter, placed after the credits of the period before it."""
    credits = credit_lines(snapshot, since=quota_windows(snapshot, component)[0])
    credits = credits[credits["role"] == plan.role]
    credits = credits.assign(
        event_date=credits["close_date"], deal=credits["opportunity_id"], line=credits["kind"], credit=credits["cents"],
        base=credits["cents"], window=window_of(snapshot, component.accumulation, credits["close_date"]),
    )  # fmt: skip
    quotas = quotas_of(snapshot, component, plan.currency)
    attained = _attained(snapshot, plan, component) if component.gate else {}
    paid = engine.paid(component, credits, quotas, gates=attained)
    paid = paid[paid["close_date"].dt.to_period(snapshot.quarter.freqstr) == snapshot.quarter]
    gate = ["" if component.gate is None else _gate_told(component, attained.get(rep)) for rep in paid["rep_id"]]
    return paid.assign(
        component=component.name, credited=paid["credit"], gate=gate,
        tiers=[engine.explained(component, row) for row in paid.itertuples()],
    )  # fmt: skip


def _attained(snapshot: Snapshot, plan: Plan, component: Component) -> dict[str, Fraction]:
    """What each rep has attained of the measure a gate asks for, over its period, as known: credited ÷ quota."""
    gate = component.gate
    assert gate is not None
    over = Component(component.name, "", gate.measure, component.kinds, "quota", gate.period, component.schedule)
    credits = credit_lines(snapshot, since=quota_windows(snapshot, over)[0])
    credits = credits[(credits["role"] == plan.role) & credits["kind"].isin(component.kinds)]
    credited = credits.groupby("rep_id")["cents"].sum()
    quotas = quotas_of(snapshot, over, plan.currency).groupby("rep_id").sum()
    return {rep: Fraction(int(credited.get(rep, 0)), int(quota)) for rep, quota in quotas.items() if quota}


def _gate_told(component: Component, attained: Fraction | None) -> str:
    gate = component.gate
    assert gate is not None
    have = "no quota" if attained is None else f"{float(attained):.1%}"
    return f"{have} of {gate.measure} in the {gate.period}, {float(gate.at_least):.1%} needed"


def statements(snapshot: Snapshot, plan: Plan) -> pd.DataFrame:
    """What each rep earned, one row per rep with a quota or a credit.

    Columns: rep_id, team, n (credits), credited, quota, attainment (credited ÷ quota; missing without quota), all of the plan's
    first component, pay (of all components). A rep with a quota and no credit is there with pay 0.00.
    """
    found, main = lines(snapshot, plan), plan.components[0]
    quotas = quotas_of(snapshot, main, plan.currency).groupby("rep_id").sum().to_dict()
    assigned = assignments(snapshot)
    reps = sorted({*found["rep_id"], *(rep for rep in quotas if assigned["role"].get(rep) == plan.role)})
    own = found[found["component"] == main.name].groupby("rep_id").agg(n=("pay", "size"), credited=("credited", "sum"))
    per_rep = own.join(found.groupby("rep_id").agg(pay=("pay", "sum")), how="outer").reindex(reps)
    table = per_rep.reset_index(names="rep_id")
    table["n"] = table["n"].fillna(0).astype("int64")
    table["team"] = table["rep_id"].map(assigned["team"])
    if table.empty:
        raise DataRefused(
            f"no rep has the role {plan.role} in {snapshot.quarter}", f"data {snapshot.data}", "correct applies_to or the roles"
        )
    table["quota"] = money.from_cents(table["rep_id"].map(quotas).astype("Int64"))
    zero = money.from_cents(pd.Series(0, index=table.index, dtype="Int64"))
    table["credited"] = table["credited"].astype(money.DTYPE).fillna(zero)
    paid = table["pay"].astype(money.DTYPE).fillna(zero)
    table["pay"] = paid.where(table["quota"].notna())
    quota = money.to_float(table["quota"])
    table["attainment"] = money.to_float(table["credited"]) / quota.where(quota > 0)
    return table[["rep_id", "team", "n", "credited", "quota", "attainment", "pay"]]
