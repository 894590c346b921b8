"""Whether the inputs of every analysis are good enough: shares that were measured, against limits that are named.

An analysis is judged by its worst input. From `care` on it is read with care, from `stop` on it is not usable; the sentence
names the figure that decided. Every limit stands in `ANALYSES` and `OTHER_LIMITS`, and is explained in the methods page.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from .. import periods
from ..snapshot import Snapshot
from .counts import Found, looked
from .duplicates import surplus
from .imported import freshness
from .rows import is_known, read
from .rules import RULES

RECENT = 12  # quarters: a deal closed before them no longer decides what an analysis says
QUARTERS, CLOSED, CLOSED_EVER = 8, 30, 50  # complete past quarters, deals closed in the quarter, deals closed recently
ANY, NEVER = 0.0, np.nan  # limits: a single row is too many; no share is
GOOD, CARE, STOP = "good", "with care", "not usable"
LACKING = "table or history"  # the input that is not there at all


class Limit(NamedTuple):
    """`told`: what the share is a share of; `care`, `stop`: shares from which on the analysis is read with care, not usable;
    `of`: which deals are looked at where they are not those of the analysis (all: sums in two currencies are refused)."""

    told: str
    care: float
    stop: float
    of: str = ""


class Analysis(NamedTuple):
    """`rests_on`: the inputs in words; `main`: the table it reads most; `tables` it cannot do without beside it; `limits` per
    rule; `of`: the deals it reads (recent: still open or closed in the last quarters; open; won: in the quarter)."""

    rests_on: str
    main: str
    tables: tuple[str, ...]
    limits: dict[str, Limit]
    of: str = "recent"


_TWINS = Limit("of deals look entered twice", 0.02, 0.10)
_LATE = Limit("of closings were recorded late", 0.05, 0.25)
_PLACEHOLDER = Limit("of open deals with an amount carry a placeholder", 0.02, 0.20, "open")
_HUNDREDFOLD = Limit("of open deals with an amount carry a hundred times the usual", ANY, 0.02, "open")
_FOREIGN = Limit("of amounts are in another currency", ANY, ANY, "all")
ANALYSES: dict[str, Analysis] = {
    "forecast": Analysis("deals", "opportunities", (), {
        "creation date missing": Limit("of deals have no creation date", 0.05, 0.50),
        "amount missing on an open deal": Limit("of open deals have no amount", 0.05, 0.30),
        "placeholder amount": _PLACEHOLDER,
        "amount a hundred times the usual": _HUNDREDFOLD,
        "amount in another currency": _FOREIGN,
        "close date missing on a closed deal": Limit("of closed deals have no close date", 0.02, 0.20),
        "closing recorded late": _LATE,
        "closed on the day it was created": Limit("of closed deals were entered on the day they closed", 0.10, 0.40),
        "looks entered twice": _TWINS,
    }),
    "dwell times": Analysis("stage history", "opportunity_history", (), {
        "moved back to an earlier stage": Limit("of deals move back to an earlier stage", 0.05, 0.20),
        "broken chain of stages": Limit("of deals start a change from a stage they were not in", 0.02, 0.10),
        "stages clicked through": Limit("of deals left a stage within a minute", 0.10, 0.30),
        "no stage history": Limit("of deals have no stage history", 0.05, 0.20),
        "history begins after the deal": Limit("of deals were created before their history begins", 0.10, 0.40),
        "changed before it was created": Limit("of deals change before they were created", 0.02, 0.10),
        "closing recorded late": _LATE,
    }),
    "win rate": Analysis("closed deals", "opportunities", (), {
        "close date missing on a closed deal": Limit("of closed deals have no close date", 0.02, 0.20),
        "re-opened after closing": Limit("of deals were re-opened after closing", 0.05, 0.20),
        "looks entered twice": _TWINS,
        "closed in the future": Limit("of deals are closed at a later date than the data cover", ANY, 0.05),
    }),
    "cycle time": Analysis("creation and close dates", "opportunities", (), {
        "creation date missing": Limit("of deals have no creation date", 0.05, 0.30),
        "close date missing on a closed deal": Limit("of closed deals have no close date", 0.02, 0.20),
        "closed before it was created": Limit("of closed deals were closed before they were created", 0.01, 0.05),
        "closed on the day it was created": Limit("of closed deals were entered on the day they closed", 0.10, 0.40),
        "closing recorded late": _LATE,
    }),
    "compensation": Analysis("credits and quotas", "opportunities", ("credits", "quotas"), {
        "won deal without a credit": Limit("of the quarter's won deals have no credit", ANY, 0.05),
        "amount missing on a won deal": Limit("of the quarter's won deals have no amount", ANY, 0.05),
        "shares do not sum to one": Limit("of the quarter's won deals are not credited as a whole", ANY, 0.05),
        "seller without a quota": Limit("of sellers have no quota for the quarter", ANY, 0.50),
        "unknown rep": Limit("of the quarter's won deals name an unknown rep", ANY, 0.05),
        "closing recorded late": Limit("of the quarter's wins were recorded late", 0.05, 0.25),
        "changed after closing": Limit("of the quarter's wins were changed after closing", ANY, 0.10),
        "amount in another currency": _FOREIGN,
    }, of="won"),
    "pipeline value and KPIs": Analysis("open deals", "opportunities", (), {
        "amount missing on an open deal": Limit("of open deals have no amount", 0.05, 0.30),
        "placeholder amount": _PLACEHOLDER,
        "amount a hundred times the usual": _HUNDREDFOLD,
        "amount in another currency": _FOREIGN,
        "close date missing on an open deal": Limit("of open deals have no close date", 0.05, 0.30),
        "close date in the past on an open deal": Limit("of open deals should have closed already", 0.10, 0.40),
        "close date pushed often": Limit("of open deals were pushed again and again", 0.10, 0.40),
        "open for more than a year": Limit("of open deals are older than a year", 0.10, 0.40),
        "untouched for a quarter": Limit("of open deals were not touched for a quarter", 0.20, 0.60),
        "owner has left": Limit("of open deals belong to somebody who has left", 0.02, 0.20),
        "looks entered twice": _TWINS,
    }, of="open"),
    "lead funnel": Analysis("leads", "leads", ("leads",), {
        "lead steps out of order": Limit("of leads have steps out of order", 0.01, 0.10),
        "lead of an unknown opportunity": Limit("of converted leads lead to an unknown opportunity", 0.02, 0.20),
    }),
    "recurring revenue": Analysis("subscriptions", "subscriptions", ("subscriptions",), {
        "recurring revenue zero or negative": Limit("of paying subscriptions bring no revenue", 0.01, 0.10),
        "subscription ends before it starts": Limit("of ended subscriptions end before they start", ANY, 0.05),
        "subscription of an unknown account": Limit("of subscriptions belong to an unknown account", 0.01, 0.10),
    }),
}  # fmt: skip
OTHER_LIMITS = {
    "past quarters": Limit("complete past quarters", ANY, 0.8),
    "closed deals": Limit("closed deals", ANY, 1.0),
    "quarter not whole": Limit("days of the quarter", 0.02, 0.90),
    "past amounts": Limit("amounts of past days", ANY, NEVER),
    "no lost deals": Limit("lost deals", ANY, ANY),
    "duplicate accounts": Limit("accounts", 0.01, 0.10),
    "rows gone": Limit("rows of the import before", 0.20, 0.50),
}


class Input(NamedTuple):
    """One measured input of an analysis: its share `n_bad` ÷ `n` against the limits, and the sentence that says so."""

    analysis: str
    input: str
    told: str
    n_bad: int
    n: int
    care: float
    stop: float


def inputs(snapshot: Snapshot, *, warn_days: int = 7, error_days: int = 30, score: float = 0.95) -> pd.DataFrame:
    """Everything that was measured, one row per analysis and input, in the order of `ANALYSES`.

    Columns: analysis, input (a rule or a further requirement), told (the figure in words), n_bad, n (rows looked at), share
    (n_bad ÷ n; missing when there is no row), care, stop (limits of the share), verdict (good, with care, not usable). An
    analysis whose table the source lacks has one row without a share. `warn_days`, `error_days` as in `freshness`, `score` as
    in `duplicate_accounts`.
    """
    rows = [
        *_lacking(snapshot),
        *_by_rule(snapshot),
        *_enough(snapshot),
        *_fresh(snapshot, warn_days, error_days),
        *_as_before(snapshot),
        *_customers(snapshot, score),
    ]
    table = pd.DataFrame(rows, columns=list(Input._fields))
    share = table["share"] = table["n_bad"] / table["n"].where(table["n"] > 0)
    is_bad, lacks = table["n_bad"] > 0, table["input"] == LACKING
    table["verdict"] = np.select(
        [lacks | (is_bad & (share >= table["stop"])), is_bad & (share >= table["care"])], [STOP, CARE], GOOD
    )
    order = pd.Categorical(table["analysis"], list(ANALYSES), ordered=True)
    table = table.iloc[np.argsort(order.codes, kind="stable")].reset_index(drop=True)
    return table[["analysis", "input", "told", "n_bad", "n", "share", "care", "stop", "verdict"]]


def fitness(snapshot: Snapshot, *, warn_days: int = 7, error_days: int = 30, score: float = 0.95) -> pd.DataFrame:
    """Whether each analysis can be trusted with these inputs, one row per analysis.

    Columns: analysis, verdict (good, with care, not usable), reason (the sentence with the measured figure), n (rows looked
    at), share (of bad ones, 0–1; missing when the table itself is missing), threshold (share from which this verdict holds; for
    a good one the share from which care is due). The input that stands worst against its limits decides, and the sentence names
    up to three that failed. Options as in `inputs`.

    >>> judged = fitness(Snapshot("data/sample", quarter="2026Q3")).set_index("analysis")
    >>> judged.loc["dwell times", "reason"]
    'stage history good enough for dwell times: 0.3 % of closings were recorded late'
    """
    measured = inputs(snapshot, warn_days=warn_days, error_days=error_days, score=score)
    rows = [_judged(name, ANALYSES[name], group) for name, group in measured.groupby("analysis", sort=False)]
    return pd.DataFrame(rows, columns=["analysis", "verdict", "reason", "n", "share", "threshold"])


def _judged(name: str, analysis: Analysis, measured: pd.DataFrame) -> list[object]:
    verdict = next(v for v in (STOP, CARE, GOOD) if (measured["verdict"] == v).any())
    limit = measured["stop"] if verdict == STOP else measured["care"]
    weight = (measured["share"] / limit.clip(lower=1e-9)).fillna(np.inf).where(measured["verdict"] == verdict, -1)
    ordered = measured.iloc[np.argsort(-weight.to_numpy(), kind="stable")]
    worst = ordered.iloc[0]
    said = "; ".join(ordered.loc[ordered["verdict"] == verdict, "told"].head(1 if verdict == GOOD else 3))
    if worst["input"] == LACKING:
        return [name, verdict, f"{name} not usable: {said}", 0, np.nan, np.nan]
    words = {GOOD: "good enough", CARE: "usable with care", STOP: "unusable"}[verdict]
    reason = f"{analysis.rests_on} {words} for {name}: {said}"
    return [name, verdict, reason, int(worst["n"]), float(worst["share"]), float(worst["stop" if verdict == STOP else "care"])]


def _lacking(snapshot: Snapshot) -> Iterator[Input]:
    for name, analysis in ANALYSES.items():
        for table in analysis.tables:
            if read(snapshot, table).empty:
                told = f"no {table} were known" if snapshot.has(table) else f"this source has no {table}"
                yield Input(name, LACKING, told, 0, 0, ANY, ANY)
    if "stage" not in snapshot.tracked:
        yield Input("dwell times", LACKING, "this source has no stage history", 0, 0, ANY, ANY)
    if not is_known(snapshot, "amount"):
        told = f"this source does not tell what open deals were worth on {snapshot.as_of}"
        yield Input("pipeline value and KPIs", LACKING, told, 0, 0, ANY, ANY)


def _by_rule(snapshot: Snapshot) -> Iterator[Input]:
    """What the rules found among the rows an analysis reads."""
    deals = snapshot.opportunities
    quarter = deals["close_date"].dt.to_period(f"Q-{snapshot.fiscal_year_end}")
    is_open = deals["status"] == "open"
    populations = {
        "all": pd.Series(True, index=deals.index),
        "recent": is_open | quarter.isna() | (quarter > snapshot.quarter - RECENT),
        "open": is_open,
        "won": (deals["status"] == "won") & (quarter == snapshot.quarter),
    }
    found = looked(snapshot)
    by_deal = not _in_money(snapshot)
    for name, analysis in ANALYSES.items():
        for rule, limit in analysis.limits.items():
            if rule not in found or (name == "forecast" and by_deal and "amount" in rule):
                continue
            read = _read(rule, found[rule], populations[limit.of or analysis.of])
            bad, n = int((found[rule].broken & read).sum()), int(read.sum())
            if n:
                yield Input(name, rule, f"{_percent(bad / n)} {limit.told}", bad, n, limit.care, limit.stop)


def _read(rule: str, found: Found, deals: pd.Series) -> pd.Series:
    """Which rows of a rule an analysis reads: all that it looks at, of deals only those the analysis is about."""
    return found.checked & deals if RULES[rule].table == "opportunities" else found.checked


def _in_money(snapshot: Snapshot) -> bool:
    """Whether a forecast can be one of money: amounts of past days are known, and open deals carry some."""
    deals = snapshot.opportunities
    return "amount" in snapshot.tracked and bool((deals.loc[deals["status"] == "open", "amount"] > 0).fillna(False).any())


def _enough(snapshot: Snapshot) -> Iterator[Input]:
    """Whether there is enough to learn from, and the quarter is whole."""
    deals, complete = snapshot.opportunities, snapshot.first_complete_quarter
    following = periods.quarter_of(snapshot.as_of + dt.timedelta(days=1), snapshot.fiscal_year_end)
    past = max((following - complete).n, 0) if complete is not None else 0
    yield _short("forecast", "past quarters", "complete past quarters", past, QUARTERS)
    if not _in_money(snapshot):
        n_open = int((deals["status"] == "open").sum())
        told = "amounts of past days are not known, so it counts deals, not money"
        yield Input("forecast", "past amounts", told, n_open, n_open, *_limit("past amounts"))
    closed = deals[deals["status"] != "open"]
    quarter = closed["close_date"].dt.to_period(f"Q-{snapshot.fiscal_year_end}")
    in_quarter = int((quarter == snapshot.quarter).sum())
    yield _short("win rate", "closed deals", "deals closed in the quarter", in_quarter, CLOSED)
    dated = int(((quarter > snapshot.quarter - RECENT) & closed["created_at"].notna()).sum())
    yield _short("cycle time", "closed deals", "closed deals with both dates", dated, CLOSED_EVER)
    if len(closed):
        none_lost = len(closed) * int(not (closed["status"] == "lost").any())
        told = "no lost deal is there" if none_lost else "lost deals are there"
        yield Input("win rate", "no lost deals", told, none_lost, len(closed), *_limit("no lost deals"))
    first, last = periods.first_day(snapshot.quarter), periods.last_day(snapshot.quarter)
    since = max(first, snapshot.outcomes_since or last)
    n_days = (last - first).days + 1
    covered = max((min(last, snapshot.as_of) - since).days + 1, 0)
    told = f"{covered} of {n_days} days of {snapshot.quarter} are covered"
    for name in ("win rate", "compensation", "pipeline value and KPIs"):
        yield Input(name, "quarter not whole", told, n_days - covered, n_days, *_limit("quarter not whole"))


def _short(name: str, what: str, told: str, n: int, needed: int) -> Input:
    return Input(name, what, f"{told}: {n:,}, at least {needed} make it steady", max(needed - n, 0), needed, *_limit(what))


def _fresh(snapshot: Snapshot, warn_days: int, error_days: int) -> Iterator[Input]:
    """How long before the day the main table last changed, as a share of the days from which it counts as stale."""
    ages = freshness(snapshot, warn_days=warn_days, error_days=error_days).dropna(subset="days").set_index("table")
    for name, analysis in ANALYSES.items():
        if analysis.main in ages.index:
            days, warn, error = (int(ages.loc[analysis.main, c]) for c in ("days", "warn", "error"))
            told = f"the newest change in {_words(analysis.main)} is {days:,} days old"
            yield Input(name, "freshness", told, days, error, warn / error, 1.0)


def _as_before(snapshot: Snapshot) -> Iterator[Input]:
    """Whether rows of the import before are gone."""
    before = snapshot.dataset.get("previous", {}).get("accepted", {})
    for name, analysis in ANALYSES.items():
        if before.get(analysis.main):
            now = sum(file["accepted"] for file in snapshot.dataset["files"] if file["table"] == analysis.main)
            gone = max(before[analysis.main] - now, 0)
            told = f"{_percent(gone / before[analysis.main])} fewer {_words(analysis.main)} than in the import before"
            yield Input(name, "rows gone", told, gone, before[analysis.main], *_limit("rows gone"))


def _customers(snapshot: Snapshot, score: float) -> Iterator[Input]:
    too_many, n = surplus(snapshot, score=score)
    if n:
        told = f"{_percent(too_many / n)} of accounts look like another one"
        for name in ("pipeline value and KPIs", "recurring revenue"):
            yield Input(name, "duplicate accounts", told, too_many, n, *_limit("duplicate accounts"))


def _limit(name: str) -> tuple[float, float]:
    return OTHER_LIMITS[name].care, OTHER_LIMITS[name].stop


def _words(table: str) -> str:
    return "the stage history" if table == "opportunity_history" else table


def _percent(share: float) -> str:
    """A share in words: whole percents, one decimal below one percent, never 0 for what is there."""
    if share <= 0 or share >= 0.01:
        return f"{100 * share:.0f} %"
    return f"{100 * share:.1f} %" if share >= 0.001 else "less than 0.1 %"
