"""What follows a win, what was agreed with people, and what winning customers costs: contracts, invoices, objectives, disputes,
adjustments and spend.

Its random numbers are its own: no other table changes with them.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from .. import money, periods, tables
from .arrivals import Arrivals
from .events import Played
from .people import Staff
from .world import CURRENCY, World, date_of, day_number

TERMS = (12, 24, 36)  # months
TERM_SHARES = np.array([[0.80, 0.15, 0.05], [0.60, 0.25, 0.15], [0.40, 0.30, 0.30]])  # by segment
PREPAID = 0.12  # share of contracts
CANCELLED, CANCELLED_WITHIN = 0.12, (30, 540)  # share of contracts, days after the close date
CANCELLED_REASONS = ("budget cut", "changed supplier", "project stopped", "customer insolvent")
BY_QUARTER = 0.5  # share of contracts of 12 months that are invoiced by quarter; longer ones by year
INVOICED_AFTER = (13, 22)  # days after the close date or the beginning of a part; later than any late record of a win
PAID_AFTER, PAID_LATE = (10, 60), (75, 150)  # days after the invoice
LATE, UNPAID = 0.06, 0.02  # share of invoices
OBJECTIVES = {"Every open deal has a next step": 0.4, "Forecast of week 4 within 15 %": 0.4, "Two coaching talks per rep": 0.2}
ACHIEVED, ACHIEVED_SHARES = (0.0, 0.5, 0.75, 1.0), (0.1, 0.2, 0.2, 0.5)
JUDGED_AFTER = 0.15  # share of objectives judged after the quarter's end, the others in its last week
MARKETING_PER_LEAD, SALES_PER_PERSON = 260, 9_500  # a lead; a month of a person who sells, in units of currency
SPEND_NOISE = 0.06
DISPUTED = "2026Q2"  # the quarter whose lines are disputed


def contracts(world: World, played: Played, won: pd.DataFrame) -> pd.DataFrame:
    """One per won deal: a term, sometimes prepaid, sometimes cancelled. `won`: opportunity_id, close_date and amount."""
    number, segment = _of_won(played.arrivals, played)
    chance = {
        what: world.dice.uniform(what, number) for what in ("term", "prepaid", "cancelled", "cancelled on", "cancelled why")
    }
    term = np.array(TERMS)[(chance["term"][:, None] >= np.cumsum(TERM_SHARES[segment], axis=1)[:, :-1]).sum(axis=1)]
    shortest, longest = CANCELLED_WITHIN
    day = _days(won["close_date"]) + shortest + (chance["cancelled on"] * (longest - shortest)).astype(np.int64)
    day = world.calendar.next_workday(day)
    is_cancelled = (chance["cancelled"] < CANCELLED) & (day <= _end(world)) & (day < _days(won["close_date"]) + 30 * term)
    reason = np.array(CANCELLED_REASONS, dtype=object)[(chance["cancelled why"] * len(CANCELLED_REASONS)).astype(int)]
    return tables.conform("contracts", pd.DataFrame({
        "opportunity_id": won["opportunity_id"], "term_months": term, "is_prepaid": chance["prepaid"] < PREPAID,
        "cancelled_date": _dates(day, is_cancelled), "cancelled_reason": np.where(is_cancelled, reason, None),
    }))  # fmt: skip


def invoices(world: World, played: Played, won: pd.DataFrame, contracts: pd.DataFrame) -> pd.DataFrame:
    """The amount of each deal in equal parts over its term, to the cent; none after a cancellation, some paid late or never."""
    number, _ = _of_won(played.arrivals, played)
    term, is_prepaid = contracts["term_months"].to_numpy("int64"), contracts["is_prepaid"].to_numpy(bool)
    by_quarter = (term == 12) & (world.dice.uniform("invoiced", number) < BY_QUARTER)
    parts = np.where(is_prepaid, 1, np.where(by_quarter, 4, term // 12))
    deal = np.repeat(np.arange(len(parts)), parts)
    part = np.arange(len(deal)) - np.repeat(np.cumsum(parts) - parts, parts)
    cents = money.to_cents(won["amount"]).to_numpy("int64")[deal]
    own = cents * (part + 1) // parts[deal] - cents * part // parts[deal]
    first, last = INVOICED_AFTER
    waited = first + (world.dice.uniform("invoiced on", number[deal], part) * (last + 1 - first)).astype(np.int64)
    begins = _days(won["close_date"])[deal] + part * np.where(by_quarter[deal], 91, 365)
    invoiced = world.calendar.next_workday(begins + waited)
    ended = np.where(contracts["cancelled_date"].isna(), np.iinfo(np.int64).max, _days(contracts["cancelled_date"]))
    kept = (invoiced <= _end(world)) & (invoiced <= ended[deal])
    luck = world.dice.uniform("paid", number[deal], part)
    (soon, late), (very_late, latest) = PAID_AFTER, PAID_LATE
    chance = world.dice.uniform("paid on", number[deal], part)
    usual, slow = (a + (chance * (b + 1 - a)).astype(np.int64) for a, b in ((soon, late), (very_late, latest)))
    paid = world.calendar.next_workday(invoiced + np.where(luck < LATE, slow, usual))
    is_paid = (luck < 1 - UNPAID) & (paid <= _end(world))
    rows = pd.DataFrame({
        "opportunity_id": won["opportunity_id"].to_numpy(dtype=object)[deal], "amount": own, "day": invoiced, "part": part,
        "paid_date": _dates(paid, is_paid), "invoiced_date": _dates(invoiced),
    })[kept].sort_values(["day", "opportunity_id", "part"], ignore_index=True)  # fmt: skip
    return tables.conform("invoices", pd.DataFrame({
        "invoice_id": [f"I{i:05d}" for i in range(1, len(rows) + 1)], "opportunity_id": rows["opportunity_id"],
        "amount": money.from_cents(rows["amount"]), "currency": CURRENCY, "invoiced_date": rows["invoiced_date"],
        "paid_date": rows["paid_date"],
    }))  # fmt: skip


def objectives(world: World, staff: Staff) -> pd.DataFrame:
    """What every manager in office at the start of a quarter agreed to do in it, and what came of it as far as it is judged."""
    cal, rng, rows = world.calendar, world.dice.rng("objectives"), []
    for index, quarter in enumerate(cal.quarters):
        for manager in np.flatnonzero((staff.role == "manager") & (staff.team[13 * index] >= 0)):
            for objective, weight in OBJECTIVES.items():
                achieved = float(rng.choice(ACHIEVED, p=ACHIEVED_SHARES))
                late, days = rng.random() < JUDGED_AFTER, int(rng.integers(0, 5))
                day = int(cal.next_workday(np.array([cal.quarter_ends[index] + (days + 3 if late else -days - 2)]))[0])
                row = [staff.ids[manager], str(quarter), objective, weight]
                judged = [achieved, date_of(day), "CRO"] if day <= _end(world) else [None] * 3
                rows.append([*row, *judged])
    return tables.conform("objectives", pd.DataFrame(rows, columns=tables.table("objectives").names))


def disputes(staff: Staff, won: pd.DataFrame, credits: pd.DataFrame) -> pd.DataFrame:
    """Two lines of pay that were questioned: one dispute was accepted, the other rejected."""
    lines = _disputed(staff, won, credits)
    first = periods.last_day(periods.quarter(DISPUTED))
    told = [("two people brought this deal in, the split came too late", "accepted", 8, 21),
            ("the amount before the discount should count", "rejected", 15, 30)]  # fmt: skip
    rows = [
        (f"D{i}", line, rep, date_of(day_number(first) + raised), reason, decision, date_of(day_number(first) + decided), "CRO")
        for i, ((line, rep), (reason, decision, raised, decided)) in enumerate(zip(lines, told, strict=False), start=1)
    ]
    return tables.conform("disputes", pd.DataFrame(rows, columns=tables.table("disputes").names))


def adjustments(disputes: pd.DataFrame) -> pd.DataFrame:
    """What finance pays after the accepted dispute."""
    rows = [
        (f"J{i}", row.rep_id, "450.00", CURRENCY, "FINANCE", "share of a deal brought in together", row.decided_date,
         row.line_id, row.dispute_id)
        for i, row in enumerate(disputes[disputes["decision"] == "accepted"].itertuples(), start=1)
    ]  # fmt: skip
    return tables.conform("adjustments", pd.DataFrame(rows, columns=tables.table("adjustments").names))


def _disputed(staff: Staff, won: pd.DataFrame, credits: pd.DataFrame) -> list[tuple[str, str]]:
    """The line and the rep of two deals of the quarter that one rep each won alone."""
    quarter = periods.quarter(DISPUTED)
    first, last = (pd.Timestamp(day) for day in (periods.first_day(quarter), periods.last_day(quarter)))
    deals = won.loc[won["close_date"].between(first, last), "opportunity_id"]
    alone = credits[(credits["kind"] == "split") & (credits["share"] == 1) & credits["opportunity_id"].isin(deals)]
    alone = alone.drop_duplicates("rep_id").head(2)
    return [(line_id(rep, deal), rep) for rep, deal in alone[["rep_id", "opportunity_id"]].itertuples(index=False, name=None)]


def spend(world: World, staff: Staff, leads: pd.DataFrame) -> pd.DataFrame:
    """What marketing and sales cost in each month that has ended: so much per lead, so much per person who sells, and noise."""
    rng, rows = world.dice.rng("spend"), []
    created = leads["created_at"].dt.to_period("M").value_counts()
    months = pd.period_range(world.calendar.quarters[0].start_time, pd.Timestamp(date_of(_end(world))), freq="M")
    for month in months[months.end_time <= pd.Timestamp(date_of(_end(world) + 1))]:
        first, last = (day_number(day.date()) for day in (month.start_time, month.end_time))
        people = int(((staff.hired <= last) & (staff.ends >= first)).sum())
        sums = {"marketing": MARKETING_PER_LEAD * int(created.get(month, 0)), "sales": SALES_PER_PERSON * people}
        for kind, usual in sums.items():
            cents = round(usual * float(np.exp(SPEND_NOISE * rng.standard_normal()))) * 100
            rows.append([month.start_time, kind, cents])
    table = pd.DataFrame(rows, columns=["month", "kind", "cents"])
    amount = money.from_cents(table["cents"].astype("Int64"))
    return tables.conform("spend", table.assign(amount=amount, currency=CURRENCY).drop(columns="cents"))


def line_id(rep: str, deal: str) -> str:
    """The line of the ledger on which the plan account_executive pays a rep's split of a deal of the disputed quarter."""
    parts = ["account_executive", "bookings", "pay", DISPUTED, rep, deal, "split", "0"]
    return hashlib.sha256("\x1f".join(parts).encode("utf-8")).hexdigest()[:16]


def _of_won(arrivals: Arrivals, played: Played) -> tuple[np.ndarray, np.ndarray]:
    return arrivals.number[played.won], arrivals.segment[played.won]


def _end(world: World) -> int:
    """The last day the data cover."""
    return int(world.calendar.stop[world.calendar.n_known - 1]) - 1


def _days(dates: pd.Series) -> np.ndarray:
    return dates.to_numpy("datetime64[D]").astype(np.int64)


def _dates(days: np.ndarray, there: np.ndarray | bool = True) -> np.ndarray:
    return np.where(there, days.astype("datetime64[D]"), np.datetime64("NaT", "D")).astype("datetime64[s]")
