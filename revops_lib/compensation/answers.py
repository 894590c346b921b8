"""What the notebook says: the headline, metrics and advice."""

from __future__ import annotations

import pandas as pd

from .. import statistics
from ..snapshot import Snapshot
from .company import Payroll
from .plans import Plan

TOLD_FROM = 5  # people: what fewer have attained is not told in a sentence that is published
NEAR = 3  # people near a threshold of a plan from which on it is worth a talk


def headline(
    plans: Payroll | Plan | str, cost: pd.DataFrame | str, bookings: pd.DataFrame | str, quarter: str, currency: str
) -> str:
    """The answer in one sentence; the reason in its place when no plan can be applied."""
    if isinstance(bookings, str):
        return bookings
    n, amount = bookings[["n", "amount"]].iloc[0] if len(bookings) else (0, 0)
    won = f"{n:,} deal{'s' if n != 1 else ''} worth {amount:,.2f} {currency}" if n else "no deals"
    if isinstance(cost, str):
        return f"{quarter}: {won} won; what they pay is not known. {cost}"
    everyone = cost.iloc[0]
    if pd.isna(everyone["pay"]):
        return f"{quarter}: {won} won; what they pay is not known, because nobody has a quota."
    titles = {plan.name: plan.title for plan in (plans.plans if isinstance(plans, Payroll) else ())}
    titles |= {plans.name: plans.title} if isinstance(plans, Plan) else {}
    pays = f"{everyone['pay']:,.2f} {currency} to {everyone['n']} people"
    share = _percent(everyone["cost_share"])
    if len(titles) > 1:
        said = f"{quarter}: {len(titles)} plans pay {pays}. What the quarter earned, paid now or later, is {share} of {won}."
    else:
        title = next(iter(titles.values()), "")
        credited = f"{everyone['credited']:,.2f} {currency} credited"
        attained = _percent(everyone["attainment"])
        said = f"{quarter}: the plan “{title}” pays {pays}. What the quarter earned, paid now or later, is {share} of the "
        said += f"{credited}, at {attained} of quota; {won} won."
    reached = [f"“{titles.get(row.member, row.member)}” stands at {_percent(row.attainment)} of quota."
               for row in cost.iloc[1:].itertuples()
               if len(titles) > 1 and row.n >= TOLD_FROM and not pd.isna(row.attainment)]  # fmt: skip
    return " ".join([said, *reached])


def _percent(share: float) -> str:
    return "share not known" if pd.isna(share) else f"{share:.1%}"


def notes(snapshot: Snapshot, payroll: Payroll | str) -> list[str]:
    """What the reader has to know: limits of the source, plans that could not be applied, what plans ask for and the source
    lacks."""
    said = [*snapshot.limits, *snapshot.lacking("quotas", "credits")]
    if isinstance(payroll, Payroll):
        taken = [part.clawback for plan in payroll.plans for part in plan.components]
        taken += [award.clawback for plan in payroll.plans for award in plan.awards]
        if any(taken) and not snapshot.has("contracts"):
            said.append("This source has no contracts: nothing is taken back for cancelled ones.")
        if any(plan.objectives for plan in payroll.plans) and not snapshot.has("objectives"):
            said.append("This source has no objectives: nothing is paid on them.")
        said += payroll.refused
    return said


def metrics(
    cost: pd.DataFrame | str, bookings: pd.DataFrame | str, currency: str, *, teams: pd.DataFrame | str = ""
) -> pd.DataFrame:
    """Rows of the results file: bookings and pay per team and, where plans apply, credit, pay, cost and attainment per plan."""
    parts = [pd.DataFrame(columns=statistics.RESULT_COLUMNS)]
    if isinstance(bookings, pd.DataFrame):
        parts = [statistics.tidy(bookings, metric="bookings", by="team", member="member", value="amount", unit=currency)]
    if isinstance(teams, pd.DataFrame):
        parts.append(statistics.tidy(teams, metric="pay", by="team", member="team", value="pay", unit=currency))
    if isinstance(cost, pd.DataFrame):
        amounts, shares = ("credited", "pay", "held", "owed", "cost"), ("attainment", "cost_share")
        for name, unit in [*((name, currency) for name in amounts), *((name, "share") for name in shares)]:
            parts.append(statistics.tidy(cost, metric=name, by="plan", member="member", value=name, unit=unit))
    return pd.concat(parts, ignore_index=True)


def recommendations(
    statements: pd.DataFrame | str, checks: pd.DataFrame | str, *, near: pd.DataFrame | str = "",
    findings: pd.DataFrame | str = "", outlook: pd.DataFrame | str = "",
) -> pd.DataFrame:  # fmt: skip
    """What to settle before paying and what to decide, one row per failed check and advice (finding, action, owner,
    effort: S, M or L); nobody is named.

    `near`: as of `near_counts`; `findings`: of the linter; `outlook`: what the next quarter costs.
    """
    rows = []
    if isinstance(checks, pd.DataFrame):
        for check in checks[~checks["holds"]].itertuples():
            rows.append((f"{check.check}: {check.found} instead of {check.expected}", "Settle it before paying", "RevOps", "S"))
    if isinstance(statements, pd.DataFrame):
        measured = statements[statements["attainment"].notna()]
        low = int((measured["attainment"] < 0.5).sum())
        if low:
            finding = f"{low} of {len(measured)} people are under half of their quota"
            rows.append((finding, "Look at pipeline and ramp before the quota", "sales managers", "M"))
    else:
        rows.append(("No plan can be applied", "Export credits and quotas, or keep them in two spreadsheets", "RevOps", "M"))
    if isinstance(near, pd.DataFrame):
        for row in near[near["n"] >= NEAR].itertuples():
            finding = f"{row.n} people are close to {row.threshold} ({row.what}, plan {row.plan})"
            action = "Look at their open deals together, and at deals moved over the border"
            rows.append((finding, action, "sales managers", "S"))
    if isinstance(findings, pd.DataFrame):
        for row in findings.itertuples():
            rows.append((f"plan {row.plan}, {row.component}: {row.finding}", "Decide it before the next period", "RevOps", "M"))
    if isinstance(outlook, pd.DataFrame):
        for row in outlook[outlook["p90"] > 2 * outlook["p50"]].itertuples():
            finding = f"plan {row.plan}: the next quarter may cost {row.p90 / row.p50:.1f} times what is usual"
            rows.append((finding, "Set money aside for the upper end", "finance", "S"))
    return pd.DataFrame(rows, columns=["finding", "action", "owner", "effort"], dtype="str")
