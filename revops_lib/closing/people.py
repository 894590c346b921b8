"""One statement per person, put together from a quarter's ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal

import pandas as pd

from .. import compensation, money, periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from ..statements import NO_QUOTA, NO_TARGET, Statement
from .computing import Ledger

NEXT = 10_000  # what the next so much pays, in the plan's currency
DISPUTES = ["dispute_id", "line_id", "rep_id", "raised_date", "reason", "decision", "decided_date", "adjusting_line", "amount",
            "currency"]  # fmt: skip
_OWN = ["rep_id", "currency"]
_PARTS = {
    "pay": "Deals",
    "true_up": "True-up to the year so far",
    "spif": "Extra incentives",
    "objective": "Objectives",
    "released": "Paid out of what was held",
    "clawback": "Taken back for cancelled deals",
    "draw": "Topped up to the draw",
    "recovery": "Draw paid back",
    "adjustment": "Adjustments",
    "correction": "Corrections of closed quarters",
}


def statements(ledger: Ledger, *, is_closed: bool) -> list[Statement]:
    """The statement of everyone with a line, a quota or a debt, by rep_id, one for each currency that plans pay somebody; their
    totals sum to the lines."""
    positions = _of_plans(ledger, _positions)
    debts = _of_plans(ledger, compensation.debts)
    following = _of_plans(ledger, _next_pays)
    held = compensation.outstanding(pd.concat([ledger.before, ledger.lines], ignore_index=True), _versions(ledger))
    disputed = _of_now(disputes(ledger), periods.first_day(ledger.snapshot.quarter))
    disputed_in = _currencies(ledger, disputed)
    deals = _deals(ledger.snapshot)
    names = ledger.snapshot.table("reps").dropna(subset=["name"]).set_index("rep_id")["name"].astype("str").to_dict()
    lines, held = (
        frame.assign(**{what: frame["deal"].map(deals[what]).astype("object").fillna("").astype("str") for what in deals})
        for frame in (ledger.lines, held)
    )
    frames = {
        "lines": _in_order(lines, ledger.plans),
        "held": held,
        "draws": debts,
        "positions": positions,
        "next_pays": following,
    }
    apart = {name: dict(iter(frame.groupby(_OWN, sort=False))) for name, frame in frames.items()}
    owners = sorted({owner for name in ("lines", "held", "draws", "positions") for owner in apart[name]})
    found = []
    for rep, currency in owners:
        own = {name: apart[name].get((rep, currency), frames[name].iloc[:0]) for name in frames}
        own["disputes"] = disputed[(disputed["rep_id"] == rep) & disputed_in.isin([currency, ""])]
        found.append(_statement(ledger, rep, names.get(rep, ""), currency, is_closed, own))
    return found


def disputes(ledger: Ledger) -> pd.DataFrame:
    """Every dispute known, and the line that settles it, one row per dispute and line of adjustment."""
    snapshot = ledger.snapshot
    known = snapshot.table("disputes")
    settled = snapshot.table("adjustments").dropna(subset=["dispute_id"])[["dispute_id", "adjustment_id", "amount", "currency"]]
    lines = pd.concat([ledger.before, ledger.lines])
    adjusting = lines.loc[lines["cause"] == "adjustment"].drop_duplicates("deal").set_index("deal")["line_id"]
    table = known.merge(settled.assign(adjusting_line=settled["adjustment_id"].map(adjusting)), on="dispute_id", how="left")
    for name in ("reason", "decision", "adjusting_line", "currency"):
        table[name] = table[name].astype("str").fillna("")
    return table[DISPUTES].sort_values(["raised_date", "dispute_id", "adjusting_line"], ignore_index=True)


def _versions(ledger: Ledger) -> list[compensation.Plan]:
    """The plans of the quarter as they were at any time, the latest last: a line is paid by what held on its day."""
    last = periods.last_day(ledger.snapshot.quarter)
    found = [compensation.planfile.versions(ledger.snapshot, plan, dt.date.min, last) for plan in ledger.plans]
    return [plan for versions in found for _, plan in versions]


def _deals(snapshot: Snapshot) -> dict[str, pd.Series]:
    """Name and account of every deal, by its id."""
    deals = snapshot.opportunities.set_index("opportunity_id")
    accounts = snapshot.table("accounts").set_index("account_id")["name"].dropna()
    return {"name": deals["name"].dropna(), "account": deals["account_id"].map(accounts).dropna()}


def _in_order(lines: pd.DataFrame, plans: Sequence[compensation.Plan]) -> pd.DataFrame:
    """Lines part by part of the plans, as their files have them, each by day; `part` names the part. What belongs to no part of
    a plan in force comes after them, corrections of closed quarters last."""
    parts = [(plan.name, one["component"]) for plan in plans for one in plan.values["components"]]
    places = {key: place for place, key in enumerate(parts)}
    place = [places.get(key, len(parts)) for key in zip(lines["plan"], lines["component"], strict=True)]
    is_correction = lines["cause"] == "correction"
    part = lines["component"].str.replace("_", " ").mask(lines["cause"] == "adjustment", "adjustments")
    part = part.mask(is_correction, "corrections of closed quarters")
    ordered = lines.assign(part=part, place=place, rank=is_correction)
    by = ["rank", "place", "plan", "component", "event_date", "deal", "kind", "line_id"]
    return ordered.sort_values(by, kind="stable", ignore_index=True).drop(columns=["place", "rank"])


def _of_plans(ledger: Ledger, question: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """A frame per plan below each other, with the plan's name (titles of two may be the same), title and currency."""
    parts = [
        question(ledger.snapshot, plan).assign(plan_name=plan.name, plan=plan.title, currency=plan.currency)
        for plan in ledger.plans
    ]
    return pd.concat(parts, ignore_index=True)


def _next_pays(snapshot: Snapshot, plan: compensation.Plan) -> pd.DataFrame:
    """What one more deal pays; not known where the plan counts only some deals, or leads."""
    found = compensation.next_pays(snapshot, plan, amount=NEXT)
    is_on_deals = any(part.measure == "bookings" for part in plan.components)
    pays = found["pays"] if is_on_deals else None
    return found.assign(is_on_deals=is_on_deals, pays=pays, condition=compensation.next_condition(plan))


def _positions(snapshot: Snapshot, plan: compensation.Plan) -> pd.DataFrame:
    """Where everyone with a quota stands; nobody where nobody is in the role."""
    try:
        found = compensation.statements(snapshot, plan)[["rep_id", "credited", "quota", "attainment"]]
    except DataRefused:  # what else could be missing the entries have asked for
        return pd.DataFrame({"rep_id": pd.Series(dtype="str"), "credited": None, "quota": None, "attainment": None})
    return found[found["quota"].notna()]


def _of_now(found: pd.DataFrame, first: object) -> pd.DataFrame:
    """Disputes that are open, or were decided in the quarter."""
    return found[found["decided_date"].isna() | (found["decided_date"] >= pd.Timestamp(str(first)))]


def _currencies(ledger: Ledger, disputed: pd.DataFrame) -> pd.Series:
    """The currency of what settles each dispute, or else of the disputed line; none where the line is not in the ledger."""
    lines = pd.concat([ledger.before, ledger.lines]).drop_duplicates("line_id").set_index("line_id")["currency"]
    of_line = disputed["line_id"].map(lines).astype("object").fillna("")
    return disputed["currency"].where(disputed["currency"] != "", of_line)


def _statement(ledger: Ledger, rep: str, name: str, currency: str, is_closed: bool, own: dict[str, pd.DataFrame]) -> Statement:
    snapshot, lines = ledger.snapshot, own["lines"]
    unknown = lines[lines["pay"].isna() & (lines["cause"] != "correction")]
    counts = {NO_QUOTA: int(unknown["quota"].isna().sum()), NO_TARGET: int(unknown["quota"].notna().sum())}
    missing = [f"{n} {'line pays' if n == 1 else 'lines pay'} nothing yet: {why}." for why, n in counts.items() if n]
    causes = [*_PARTS, *sorted({*lines["cause"]} - {*_PARTS})]
    parts = [(_PARTS.get(cause, cause), _sum(lines.loc[lines["cause"] == cause, "pay"])) for cause in causes]
    draws, latest = own["draws"], own["draws"].drop_duplicates("plan_name", keep="last")
    happened = (draws[["topped_up", "recovered", "debt"]] != 0).any(axis=1)
    of_quarter = draws[draws["period"].isin(_periods(snapshot.quarter)) & happened]
    return Statement(
        rep_id=rep,
        name=name,
        company=str(snapshot.dataset["name"]),
        quarter=str(snapshot.quarter),
        as_of=snapshot.as_of.isoformat(),
        currency=currency,
        is_closed=is_closed,
        total=_sum(lines["pay"]),
        later=_sum(own["held"]["left"]),
        owed=_sum(latest["debt"]),
        withheld=_sum(lines["withheld"]),
        parts=pd.DataFrame([part for part in parts if part[1]], columns=["what", "amount"]),
        lines=lines,
        held=own["held"],
        draws=of_quarter if len(of_quarter) else latest[latest["debt"] != 0],
        positions=own["positions"],
        next_pays=own["next_pays"],
        disputes=own["disputes"],
        notes=[*ledger.notes, *missing],
    )


def _periods(quarter: pd.Period) -> list[str]:
    """What the draw's periods of a quarter are called: the quarter, its months."""
    return [str(quarter), *(f"{month}" for month in pd.period_range(quarter.start_time, quarter.end_time, freq="M"))]


def _sum(amounts: pd.Series) -> Decimal:
    return Decimal(int(money.to_cents(amounts).sum())).scaleb(-2)
