"""What the notebook says: the headline, checks, metrics and advice."""

from __future__ import annotations

import pandas as pd

from .. import money, statistics
from ..snapshot import Snapshot
from .credits import credit_lines, won_deals
from .lines import of_component, statements
from .plans import Component, Plan


def headline(plan: Plan | str, cost: pd.DataFrame | str, bookings: pd.DataFrame | str, quarter: str, currency: str) -> str:
    """The answer in one sentence; the reason in its place when the plan cannot be applied."""
    if isinstance(bookings, str):
        return bookings
    n, amount = bookings[["n", "amount"]].iloc[0] if len(bookings) else (0, 0)
    won = f"{n:,} deal{'s' if n != 1 else ''} worth {amount:,.2f} {currency}" if n else "no deals"
    if isinstance(cost, str):
        return f"{quarter}: {won} won; what they pay is not known. {cost}"
    everyone = cost.iloc[0]
    if pd.isna(everyone["pay"]):
        return f"{quarter}: {won} won; what they pay is not known, because nobody has a quota."
    title = plan.title if isinstance(plan, Plan) else plan
    return (
        f"{quarter}: the plan “{title}” pays {everyone['pay']:,.2f} {currency} to {everyone['n']} reps "
        f"for {everyone['credited']:,.2f} {currency} credited ({_percent(everyone['cost_share'])}), "
        f"at {_percent(everyone['attainment'])} of quota; {won} won."
    )


def _percent(share: float) -> str:
    return "share not known" if pd.isna(share) else f"{share:.1%}"


def metrics(cost: pd.DataFrame | str, bookings: pd.DataFrame | str, currency: str) -> pd.DataFrame:
    """Rows of the results file: bookings and, where the plan applies, credit, pay, cost and attainment per team."""
    parts = [pd.DataFrame(columns=statistics.RESULT_COLUMNS)]
    if isinstance(bookings, pd.DataFrame):
        parts = [statistics.tidy(bookings, metric="bookings", by="team", member="member", value="amount", unit=currency)]
    if isinstance(cost, pd.DataFrame):
        for name, unit in (("credited", currency), ("pay", currency), ("attainment", "share"), ("cost_share", "share")):
            parts.append(statistics.tidy(cost, metric=name, by="team", member="member", value=name, unit=unit))
    return pd.concat(parts, ignore_index=True)


def checks(snapshot: Snapshot, plan: Plan) -> pd.DataFrame:
    """Whether nothing was lost on the way from deals to pay, one row per check: check, expected, found, holds."""
    paid, credited = statements(snapshot, plan), credit_lines(snapshot)
    whole, lined = _both_sums([(component, of_component(snapshot, plan, component)) for component in plan.components])
    split = int(credited.loc[credited["kind"] == "split", "cents"].sum())
    won = won_deals(snapshot, priced=False)
    uncredited = won["amount"].notna() & ~won["opportunity_id"].isin(credited["opportunity_id"])
    rows = [
        _sums("lines sum to the pay on each rep's whole credit", whole, lined),
        _sums("split credits sum to what was won", int(money.to_cents(won["amount"]).sum()), split),
        _none("won deals without a credit", int(uncredited.sum())),
        _none("won deals without an amount", int(won["amount"].isna().sum())),
        _none("credits of reps without a role on the close date", int(credited["role"].isna().sum())),
        _none("reps with a credit and no quota", int((paid["quota"].isna() & (paid["n"] > 0)).sum())),
    ]
    return pd.DataFrame(rows, columns=["check", "expected", "found", "holds"])


def _both_sums(found: list[tuple[Component, pd.DataFrame]]) -> tuple[int, int]:
    """Cents earned on each rep's whole credit at once, and by the lines before gates, caps and holdbacks."""
    whole = lined = 0
    for component, rows in found:
        known = rows[rows["earned"].notna()]
        lined += int(known["earned"].sum())
        if component.accumulation == "none":
            whole += int(known["earned"].sum())
            continue
        for _, own in known.groupby(["rep_id", "window"]):
            tiers = component.schedule.scaled(int(own["quota"].iloc[0])) if component.basis == "quota" else component.schedule
            upto, from_ = (max(int(place), 0) for place in (own["after"].iloc[-1], own["before"].iloc[0]))
            whole += money.round_half_up(tiers.earned(upto)) - money.round_half_up(tiers.earned(from_))
    return whole, lined


def _told(cents: int) -> str:
    return f"{cents / 100:,.2f}"


def _sums(check: str, expected: int, found: int) -> tuple[str, str, str, bool]:
    return check, _told(expected), _told(found), expected == found


def _none(check: str, found: int) -> tuple[str, str, str, bool]:
    return check, "0", f"{found:,}", found == 0


def recommendations(statements: pd.DataFrame | str, checks: pd.DataFrame | str) -> pd.DataFrame:
    """What to settle before paying, one row per failed check and advice; nobody is named."""
    rows = []
    if isinstance(checks, pd.DataFrame):
        for check in checks[~checks["holds"]].itertuples():
            rows.append((f"{check.check}: {check.found} instead of {check.expected}", "Settle it before paying", "RevOps"))
    if isinstance(statements, pd.DataFrame):
        low = int((statements["attainment"] < 0.5).sum())
        if low:
            finding = f"{low} of {len(statements)} reps are under half of their quota"
            rows.append((finding, "Look at pipeline and ramp before the quota", "sales managers"))
    else:
        rows.append(("The plan cannot be applied", "Export credits and quotas, or keep them in two spreadsheets", "RevOps"))
    return pd.DataFrame(rows, columns=["finding", "action", "owner"], dtype="str")
