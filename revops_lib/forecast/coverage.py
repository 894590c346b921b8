"""Whether the pipeline due in a quarter covers what is left of its target, and what past quarters needed."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from .. import money, periods
from ..errors import DataRefused
from ..snapshot import Snapshot
from .movement import due_in
from .points import running_quarter, target_quarter

PAST = 8  # complete past quarters that needed coverage is learned from
FEW = 3  # past quarters below which their spread is not shown


def coverage(snapshot: Snapshot, *, level: float = 0.8) -> pd.DataFrame:
    """Whether the pipeline due in the target quarter covers what is left of its target, one row.

    Columns: quarter, target (bookings quotas of account executives, as known; missing without any), n_quotas, won (in the
    quarter, to date), remaining (target − won), due (open deals due in the quarter, as in `movement`), all exact; n_due,
    n_unpriced (of them without an amount: no money); pipeline_coverage = due ÷ remaining; needed_coverage = 1 ÷ the share of
    the due pipeline (by amount) that a past quarter won by its end from the same point, the median of the last eight complete
    quarters, needed_low and needed_high where the middle `level` of them lie; n_past, level, unit. Wins from deals that were
    not due then are in no share, so the needed coverage is on the safe side. pipeline_coverage is missing when the target is
    not known, zero or met; needed_coverage when there is no past quarter or it won nothing (no coverage would do). Raises
    NoHistory when close dates or amounts of open deals are not known on `as_of`, DataRefused when no open deal has a close
    date or quotas are in another currency.
    """
    quarter = target_quarter(snapshot)
    snapshot.require_one_currency()
    has_past = {"amount", "close_date"} <= set(snapshot.tracked)
    if not has_past and snapshot.as_of < snapshot.known_until:
        snapshot.require_history("close_date" if "amount" in snapshot.tracked else "amount")
    deals = snapshot.opportunities
    dates = deals.loc[deals["status"] == "open", "close_date"]
    if len(dates) and dates.isna().all():
        raise DataRefused(
            "no open deal carries a close date: what is due in the quarter is not known",
            f"data {snapshot.data}, table opportunities",
            "export the close dates of open deals too",
        )
    due, won = _pipeline(deals, snapshot.as_of, quarter), _won(deals, quarter)
    target = target_cents(snapshot, quarter)
    shares = pd.Series(_yields(snapshot, quarter) if has_past else [], dtype="float64")
    wanted = [0.5, (1 + level) / 2, (1 - level) / 2]  # a high share of wins needs a low coverage
    needed = 1 / shares.quantile(wanted).where(lambda share: share > 0)
    row = {"quarter": str(quarter), "target": target, "won": won["cents"].sum(), "due": due["cents"].sum()}
    row["remaining"] = None if target is None else target - row["won"]
    table = pd.DataFrame([row])
    exact = {name: table[name].astype("Int64") for name in ("target", "won", "remaining", "due")}
    is_left = exact["remaining"].fillna(0) > 0
    table = table.assign(
        **{name: money.from_cents(cents) for name, cents in exact.items()},
        n_quotas=len(_quotas(snapshot, quarter)),
        n_due=len(due),
        n_unpriced=int(due["amount"].isna().sum()),
        pipeline_coverage=(exact["due"] / exact["remaining"].where(is_left)).astype("float64"),
        needed_coverage=needed.iloc[0],
        needed_low=needed.iloc[1] if len(shares) >= FEW else np.nan,
        needed_high=needed.iloc[2] if len(shares) >= FEW else np.nan,
        n_past=len(shares),
        level=level,
        unit=snapshot.currency,
    )
    head = ["quarter", "target", "n_quotas", "won", "remaining", "due", "n_due", "n_unpriced"]
    return table[head + [name for name in table if name not in head]]


def coverage_headline(coverage: pd.DataFrame) -> str:
    """Whether the pipeline suffices, in one sentence."""
    row = coverage.iloc[0]
    unit = row["unit"]
    due = f"{row['due']:,.0f} {unit} are due in the pipeline"
    if row["n_unpriced"]:
        due += f" ({row['n_unpriced']:,} of {row['n_due']:,} deals carry no amount)"
    if pd.isna(row["target"]):
        return f"{row['quarter']}: {due}; no quota of an account executive is known, so there is no target to cover."
    if row["target"] <= 0:
        return f"{row['quarter']}: {due}; the target is zero, so there is nothing to cover."
    if row["remaining"] <= 0:
        return f"{row['quarter']}: the target of {row['target']:,.0f} {unit} is met ({row['won']:,.0f} won); {due}."
    have = row["pipeline_coverage"]
    text = f"{row['quarter']}: {due}, {have:.1f} times the {row['remaining']:,.0f} {unit} that the target still needs"
    if pd.isna(row["needed_coverage"]):
        why = "past quarters won nothing of theirs" if row["n_past"] else "no past quarter can be looked at"
        return f"{text}; whether that suffices is not known, because {why} from the same point."
    text += f"; the middle one of {row['n_past']} past quarters needed {row['needed_coverage']:.1f} times from the same point"
    if pd.isna(row["needed_low"]):
        return f"{text}, too few quarters for a verdict."
    high = f"to {row['needed_high']:.1f}" if pd.notna(row["needed_high"]) else "or more"
    verdict = (
        "it suffices even after a weak quarter's rate" if have >= row["needed_high"]
        else "it suffices at the usual rate, not at a weak quarter's" if have >= row["needed_coverage"]
        else "it falls short at the usual rate and suffices at a strong quarter's" if have >= row["needed_low"]
        else "it does not suffice, the rest must come from deals not yet due or not yet created"
    )  # fmt: skip
    return f"{text} ({row['needed_low']:.1f} {high} in {row['level']:.0%} of them): {verdict}."


def _yields(snapshot: Snapshot, quarter: pd.Period) -> list[float]:
    """Share of the pipeline due (by amount) that each of the last complete quarters won by its end, from the same point."""
    following = running_quarter(snapshot)
    complete = snapshot.first_complete_quarter
    past = [q for q in (following - back for back in range(PAST, 0, -1)) if complete is not None and q >= complete]
    if not past:
        return []
    days = {q: (_same_point(snapshot.as_of, quarter, q), periods.last_day(q)) for q in past}
    states = snapshot.states(sorted({day for pair in days.values() for day in pair}))
    shares = []
    for q, (point, end) in days.items():
        due = _pipeline(states[states["day"] == pd.Timestamp(point)], point, q)
        won = _won(states[states["day"] == pd.Timestamp(end)], q)
        if (whole := due["cents"].sum()) > 0:
            shares.append(won.loc[won["opportunity_id"].isin(due["opportunity_id"]), "cents"].sum() / whole)
    return shares


def _same_point(day: dt.date, target: pd.Period, quarter: pd.Period) -> dt.date:
    """The day as far from the end of `quarter` as `day` from the end of `target`; before its start, as far from the start."""
    if day < periods.first_day(target):
        return periods.first_day(quarter) - (periods.first_day(target) - day)
    return max(periods.last_day(quarter) - (periods.last_day(target) - day), periods.first_day(quarter))


def _pipeline(deals: pd.DataFrame, day: dt.date, quarter: pd.Period) -> pd.DataFrame:
    """Open deals due in the quarter as seen at the end of `day`, with their cents."""
    due = deals[(deals["status"] == "open") & (due_in(deals, day, quarter) == 0)]
    return due.assign(cents=money.to_cents(due["amount"]))


def _won(deals: pd.DataFrame, quarter: pd.Period) -> pd.DataFrame:
    """Deals won with a close date in the quarter, with their cents."""
    won = deals[(deals["status"] == "won") & deals["close_date"].between(quarter.start_time, quarter.end_time)]
    return won.assign(cents=money.to_cents(won["amount"]))


def target_cents(snapshot: Snapshot, quarter: pd.Period) -> int | None:
    """What account executives shall book in the quarter, in cents; None without a quota."""
    cents = _quotas(snapshot, quarter)
    return int(cents.sum()) if len(cents) else None


def _quotas(snapshot: Snapshot, quarter: pd.Period) -> pd.Series:
    """Quotas of account executives for bookings of the quarter, in cents."""
    reps = snapshot.table("reps").sort_values("start_date", na_position="first")
    reps = reps[reps["start_date"].isna() | (reps["start_date"] <= quarter.end_time)].drop_duplicates("rep_id", keep="last")
    sellers = reps.loc[reps["role"] == "account_executive", "rep_id"]
    quotas = snapshot.table("quotas")
    quotas = quotas[(quotas["quarter"] == str(quarter)) & (quotas["measure"] == "bookings") & quotas["rep_id"].isin(sellers)]
    others = sorted({*quotas["currency"].dropna()} - {snapshot.currency})
    if others:
        raise DataRefused(
            f"quotas in {others[0]} cannot be set against deals in {snapshot.currency}",
            f"data {snapshot.data}, table quotas",
            "state quotas in the currency of the deals",
        )
    return money.to_cents(quotas["amount"]).dropna()
