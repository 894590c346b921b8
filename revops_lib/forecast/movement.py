"""How a quarter's pipeline came to be what it is: movement between two days, pushes of close dates, coverage of the target.

The pipeline of a quarter holds the open deals due in it. An open deal whose close date has passed is due on the next day, so
it belongs to the quarter of that day; a deal without a close date is due later than any quarter.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from .. import money, periods, statistics
from ..errors import DataRefused, UsageError
from ..snapshot import Snapshot
from .points import running_quarter, target_quarter

PAST = 8  # complete past quarters that needed coverage is learned from
FEW = 3  # past quarters below which their spread is not shown
LEAVING = ("pushed out", "brought forward", "won", "lost")
PARTS = ("opening", "new", "pulled in", "slipped in", "reopened", "increased", "decreased", *LEAVING, "closing")
COLUMNS = ["quarter", "since", "as_of", "pipeline", "by", "member", "part", "amount", "n", "n_unpriced", "value", "unit"]


def movement(snapshot: Snapshot, *, since: str | dt.date = "", by: str | None = None) -> pd.DataFrame:
    """Pipeline of the target quarter from the end of the day `since` to the end of `as_of`, one row per group and part.

    `since` is by default the day before the quarter of `as_of` began. Columns: quarter, since, as_of, pipeline (which deals
    it holds), by, member (the company first), part, amount (exact and signed: what leaves is negative), n (deals), n_unpriced
    (those without an amount on a day that is used: they count as deals and as no money), value (amount as a float for pictures
    and results files), unit. The amounts of all other parts sum to `closing` to the cent; deals at the opening plus those that
    entered minus those that left are the deals at the closing.

    `new`: not known before. `pulled in`: was due after the quarter, or undated. `slipped in`: was due before the quarter.
    `reopened`: was won or lost. `pushed out`, `brought forward`: still open, now due after or before the quarter. A deal
    enters with the amount it had at `since` (a new one with its latest) and leaves with its latest; the difference is
    increased or decreased, changed exchange rates included. A deal that entered and closed in between is in both parts when
    its close date lies in the quarter, so wins show whole; what was in the pipeline and was won or lost leaves it whatever
    its close date. Only the two days are compared: steps there and back between them do not show.

    `by` is anything `snapshot.members` knows. A deal counts in its group as of the closing day, hand-overs move no money.
    Without a history of close dates nobody knows what was due when: the pipeline is then every open deal. Without a history
    of amounts it is counted in deals: `unit` says so, `amount` is missing, `value` is the signed number of deals. UsageError
    unless `since` lies before `as_of`.

    >>> moved = movement(Snapshot("data/sample", quarter="2026Q3", as_of="2026-08-15")).set_index("part")["amount"]
    >>> moved["closing"] == moved.drop("closing").sum()
    True
    """
    quarter, start = target_quarter(snapshot), _since(snapshot, since)
    now = snapshot.opportunities
    is_priced, is_dated = "amount" in snapshot.tracked, "close_date" in snapshot.tracked
    if is_priced:
        snapshot.require_one_currency()
    steps = _steps(snapshot.states([start]), now, start, snapshot.as_of, quarter if is_dated else None)
    if not is_priced:
        steps = steps[~steps["part"].isin(["increased", "decreased"])].assign(is_unpriced=True)
    frames = [_summed(steps.assign(member="company"), ["company"]).assign(by="company")]
    if by is not None:
        groups = snapshot.members(now, by).set_axis(now["opportunity_id"])
        steps = steps.assign(member=steps["opportunity_id"].map(groups))
        frames.append(_summed(steps, sorted(steps["member"].unique())).assign(by=by))
    table = pd.concat(frames, ignore_index=True)
    table["amount"] = money.from_cents(table["cents"].where(table["cents"].notna() & is_priced))
    counted = table["n"].mask(table["part"].isin(LEAVING), -table["n"]).astype("float64")
    table["value"] = money.to_float(table["amount"]) if is_priced else counted
    table = table.assign(quarter=str(quarter), since=start.isoformat(), as_of=snapshot.as_of.isoformat())
    table["pipeline"] = f"due in {quarter}" if is_dated else "all open deals"
    table["unit"] = snapshot.currency if is_priced else "deals"
    return table[COLUMNS]


def _since(snapshot: Snapshot, since: str | dt.date) -> dt.date:
    """The opening day: the one asked for, or the day before the quarter of `as_of` began."""
    if not since:
        return periods.first_day(periods.quarter_of(snapshot.as_of, snapshot.fiscal_year_end)) - dt.timedelta(days=1)
    if (start := periods.day(since)) >= snapshot.as_of:
        raise UsageError(f"{start} is not before the closing day", f"snapshot as of {snapshot.as_of}", "ask an earlier day")
    return start


def _steps(then: pd.DataFrame, now: pd.DataFrame, start: dt.date, end: dt.date, quarter: pd.Period | None) -> pd.DataFrame:
    """One row per deal and part it belongs to: opportunity_id, part, cents (signed), is_unpriced."""
    before = then.set_index("opportunity_id").reindex(now["opportunity_id"]).reset_index()
    was, was_open, is_open = before["status"], before["status"] == "open", now["status"] == "open"
    old, new = _due(before, start, quarter), _due(now, end, quarter)
    was_in, is_in = was_open & (old == 0), is_open & (new == 0)
    passed = ~was_in & ~is_open & (now["status"] != was) & (new == 0)  # entered and closed in between
    last = money.to_cents(now["amount"])
    first = money.to_cents(before["amount"]).where(was.notna(), last)
    change = last.fillna(0) - first.fillna(0)
    entry = np.select([was.isna(), ~was_open, old > 0], ["new", "reopened", "pulled in"], "slipped in")
    leave = np.select([~is_open, new > 0], [now["status"], "pushed out"], "brought forward")
    entered, held = (is_in | passed) & ~was_in, was_in | is_in | passed
    parts = [
        (was_in, "opening", first, first.isna()),
        (entered, entry, first, first.isna()),
        (held & (change > 0), "increased", change, first.isna() | last.isna()),
        (held & (change < 0), "decreased", change, first.isna() | last.isna()),
        (held & ~is_in, leave, -last, last.isna()),
        (is_in, "closing", last, last.isna()),
    ]
    ids = now["opportunity_id"]
    rows = [
        pd.DataFrame({"opportunity_id": ids, "part": part, "cents": cents.fillna(0), "is_unpriced": unpriced})[chosen]
        for chosen, part, cents, unpriced in parts
    ]
    return pd.concat(rows, ignore_index=True)


def _due(deals: pd.DataFrame, day: dt.date, quarter: pd.Period | None) -> pd.Series:
    """Where each deal is due as seen at the end of `day`: 0 in the quarter, -1 before it, 1 after it. A closed deal stands
    where it closed. Without a quarter all are 0."""
    if quarter is None:
        return pd.Series(0, index=deals.index)
    date, following = deals["close_date"], pd.Timestamp(day) + pd.Timedelta(days=1)
    date = date.mask((deals["status"] == "open") & (date < following), following)
    place = np.select([date < quarter.start_time, date <= quarter.end_time], [-1, 0], 1)
    return pd.Series(place, index=deals.index)


def _summed(steps: pd.DataFrame, members: list[str]) -> pd.DataFrame:
    """Steps summed per member and part, every part of every member: member, part, cents, n, n_unpriced."""
    found = steps.groupby(["member", "part"]).agg(cents=("cents", "sum"), n=("part", "size"), n_unpriced=("is_unpriced", "sum"))
    every = pd.MultiIndex.from_product([members, PARTS], names=["member", "part"])
    return found.reindex(every, fill_value=0).reset_index()


def pushes(snapshot: Snapshot, *, level: float = 0.9) -> pd.DataFrame:
    """How often close dates were pushed, and what became of the deals, one row per kind of push and number k of pushes.

    A push moves a close date to a later quarter (kind `quarter`) or to a later day (`day`), and to a day still to come: a
    date written when a deal closes is no push. Columns: kind, pushes (k, from 0), n (deals pushed at least k times), n_again
    (more than k times), n_won, n_lost, n_open (exactly k times, and won, lost or open now; with n_again they sum to n), share
    (n_again ÷ (n_again + n_won + n_lost); missing when that is 0), low, high (Wilson 1927), level, unit. Open deals may yet be
    pushed: they stand apart and are in no share. Deals whose close date is not logged are left out. Raises NoHistory.
    """
    deals = snapshot.opportunities
    rows = []
    for kind in ("quarter", "day"):
        pushed = push_counts(snapshot, across_quarters=kind == "quarter")
        counts = deals["opportunity_id"].map(pushed).dropna().astype("int64")
        for k in range(counts.max() + 1 if len(counts) else 0):
            status = deals.loc[counts.index[counts == k], "status"]
            outcomes = [int((status == outcome).sum()) for outcome in ("won", "lost", "open")]
            rows.append([kind, k, int((counts >= k).sum()), int((counts > k).sum()), *outcomes])
    table = pd.DataFrame(rows, columns=["kind", "pushes", "n", "n_again", "n_won", "n_lost", "n_open"])
    decided = table["n_again"] + table["n_won"] + table["n_lost"]
    table["share"] = table["n_again"] / decided.where(decided > 0)
    table["low"], table["high"] = statistics.wilson(table["n_again"], decided, level)
    return table.assign(level=level, unit="share")


def push_counts(snapshot: Snapshot, *, across_quarters: bool = True) -> pd.Series:
    """How often each deal was pushed as `pushes` counts it, to a later quarter or, not `across_quarters`, to any later day; one
    integer per opportunity_id, 0 for a deal never pushed. Deals whose close date is not logged are absent. Raises NoHistory.

    >>> int(push_counts(Snapshot("data/sample", quarter="2026Q3")).min())
    0
    """
    spells = snapshot.spells("close_date")
    old, new = pd.to_datetime(spells["value"]), pd.to_datetime(spells["next_value"])
    is_later = new > old
    if across_quarters:
        fiscal = f"Q-{snapshot.fiscal_year_end}"
        is_later &= new.dt.to_period(fiscal) != old.dt.to_period(fiscal)
    is_push = is_later & (new > periods.local_day(spells["to_at"], snapshot.timezone))
    return is_push.groupby(spells["opportunity_id"]).sum().astype("int64").rename("pushes")


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
    due = deals[(deals["status"] == "open") & (_due(deals, day, quarter) == 0)]
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
