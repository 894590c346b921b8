"""SPIFs: what deals of a window pay beside the components. Integer cents, a line per deal and rep."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from fractions import Fraction

import pandas as pd

from .. import money, periods
from . import spifs
from .book import Book, counted, refuse_unpriced
from .credits import shared
from .plans import Award, Plan

COLUMNS = {"product_family": "family", "segment": "segment", "type": "type"}  # what `Snapshot.members` calls them


Version = tuple[Plan, Award, dt.date, dt.date]  # an award as a version of the plan has it, and the days for which it holds


def awarded(book: Book, quarter: pd.Period) -> list[tuple[Plan, Award, pd.DataFrame]]:
    """What the awards pay in a quarter, by version of the plan: the columns of credits, and earned, withheld (what the budget
    does not pay), kept (cents) and tiers (how it comes about, in words).

    Every credit is paid by the version in force on its day; budgets, counts of deals and what earlier awards paid run from the
    beginning of a window. A deal with a negative amount, or 0, counts for no fixed award and no band. Windows are looked at up
    to the quarter's end.
    """
    awards = _versions(book, quarter)
    first = pd.Timestamp(periods.first_day(quarter))
    if all(award.last < first.date() for versions in awards.values() for _, award, _, _ in versions):
        return []
    found = []
    has_paid: set[str] = set()
    for versions in awards.values():
        rows = [_eligible(book, award, days, has_paid) for _, award, *days in versions]
        claims = _claims(book, versions, rows, quarter)
        kept = _within([award.budget for _, award, _, _ in versions], claims)
        claims = claims.assign(kept=kept, withheld=[a - b for a, b in zip(claims["earned"], kept, strict=True)])
        has_paid |= {*claims.loc[claims["kept"] > 0, "deal"]}
        own = claims[claims["quarter"] == str(quarter)]
        found += [(plan, award, own[own["at"] == at].reset_index(drop=True)) for at, (plan, award, *_) in enumerate(versions)]
    return found


def _versions(book: Book, quarter: pd.Period) -> dict[str, list[Version]]:
    """Versions of each award until the quarter's end, in the order in which the plan came to have them."""
    last = periods.last_day(quarter)
    begins = [day for day, _ in book.all_versions]
    ends = [*(day - dt.timedelta(days=1) for day in begins[1:]), dt.date.max]
    found: dict[str, list[Version]] = {}
    for (begin, plan), end in zip(book.all_versions, ends, strict=True):
        for award in plan.awards:
            days = max(award.first, begin), min(award.last, end, last)
            # What a pool pays is known on the window's last day only: the version of that day says it for the whole window.
            if award.kind == "pool" and begin <= award.last <= min(end, last):
                days = award.first, award.last
            elif award.kind == "pool":
                continue
            if days[0] <= days[1]:
                found.setdefault(award.name, []).append((plan, award, *days))
    return found


def _eligible(book: Book, award: Award, days: Sequence[dt.date], has_paid: set[str]) -> pd.DataFrame:
    """Credits of some days that count for an award, in the plan's order."""
    rows = book.credits(award.measure)
    rows = rows[rows["event_date"].between(*map(pd.Timestamp, days))]
    rows = rows[rows["kind"].isin(counted(award.measure, award.kinds))]
    for name, values in award.eligible.items():
        own = rows["role"] if name == "role" else rows["deal"].map(book.attribute(COLUMNS[name]))
        rows = rows[own.isin(values)]
    refuse_unpriced(rows)
    if not award.stacks:
        rows = rows[~rows["deal"].isin(has_paid)]
    return rows.sort_values(["event_date", "deal", "line", "rep_id"], kind="stable", ignore_index=True)


def _claims(book: Book, versions: list[Version], rows: list[pd.DataFrame], quarter: pd.Period) -> pd.DataFrame:
    """What each credit would be paid without a budget: earned and tiers; `at`: the version that pays it."""
    found = []
    for at, ((_, award, _, _), own) in enumerate(zip(versions, rows, strict=True)):
        before = pd.concat(rows[:at])["rep_id"].where(_is_deal(pd.concat(rows[:at]))).value_counts() if at else None
        found.append(_claimed(book, award, own, quarter, {} if before is None else before.to_dict()).assign(at=at))
    return pd.concat(found, ignore_index=True)


def _is_deal(rows: pd.DataFrame) -> pd.Series:
    """Whether a credit is the rep's first of a deal that counts: a second kind of credit makes no second deal."""
    counts = rows["credit"] > 0
    return counts & ~rows.where(counts).duplicated(["rep_id", "deal"])


def _claimed(book: Book, award: Award, rows: pd.DataFrame, quarter: pd.Period, before: dict[str, int]) -> pd.DataFrame:
    """The same for the credits of one version; `before`: deals of each rep that earlier versions of the award counted."""
    if award.kind == "pool":
        return _from_pool(book, award, rows, quarter)
    credit = rows["credit"].astype("int64")
    currency = book.plan.currency
    if award.kind == "share":
        earned = [spifs.on_revenue(int(cents), award.rate, award.rounding) for cents in credit]
        told = [f"{float(award.rate):.2%} of {_told(cents)} {currency}" for cents in credit]
        return rows.assign(earned=earned, tiers=told)
    if award.kind == "fixed":
        rows = rows[credit > 0].reset_index(drop=True)
        return rows.assign(earned=_per_deal(award.cents, rows), tiers=f"{_told(award.cents)} {currency} per deal")
    rows = rows[_is_deal(rows)].reset_index(drop=True)
    number = rows.groupby("rep_id").cumcount() + 1 + rows["rep_id"].map(before).fillna(0).astype("int64")
    upto = [spifs.by_bands(int(n), award.bands, retroactive=award.retroactive) for n in number]
    earlier = [spifs.by_bands(int(n) - 1, award.bands, retroactive=award.retroactive) for n in number]
    told = [f"deal {n} of the window" for n in number]
    return rows.assign(earned=[a - b for a, b in zip(upto, earlier, strict=True)], tiers=told)


def _per_deal(cents: int, rows: pd.DataFrame) -> list[int]:
    """A fixed amount per deal, divided among its credits by their shares, whatever their kinds."""
    by_deal = rows.sort_values(["deal", "kind", "rep_id"], kind="stable")
    kinds = by_deal.groupby("deal")["kind"].transform("nunique")
    by_deal = by_deal.assign(share=by_deal["share"] / kinds, kind="all")
    earned = shared(by_deal, pd.Series(cents, index=by_deal.index, dtype="Int64"))
    return earned.reindex(rows.index).astype("int64").tolist()


def _within(budgets: list[int | None], claims: pd.DataFrame) -> list[int]:
    """What the budget pays of claims in their order; each claim finds the budget of its day, less all that was paid before."""
    kept: list[int] = []
    paid = 0
    for at, claim in zip(claims["at"], claims["earned"], strict=True):
        budget = budgets[at]
        kept.append(int(claim) if budget is None else min(int(claim), max(budget - paid, 0)))
        paid += kept[-1]
    return kept


def _from_pool(book: Book, award: Award, rows: pd.DataFrame, quarter: pd.Period) -> pd.DataFrame:
    """The pool is paid on the last day of the window to whom has sold, by what each sold; nothing before."""
    sold = rows.groupby("rep_id")["credit"].sum().astype("int64")
    sold = sold[sold > 0].sort_index()
    total = int(sold.sum())
    pool = spifs.from_pool(award.cents, Fraction(total, award.goal))
    is_over = award.last <= min(periods.last_day(quarter), book.snapshot.as_of) and total > 0
    upto = [money.round_half_up(Fraction(pool * int(cents), total)) for cents in sold.cumsum()] if is_over else []
    table = rows.head(0).reindex(range(len(upto)))
    told = f"{_told(total)} of {_told(award.goal)} {book.plan.currency} sold: {_told(pool)} {book.plan.currency} for all"
    day = pd.Timestamp(award.last)
    return table.assign(
        rep_id=sold.index[: len(upto)], event_date=day, deal=award.name, line="pool", kind="pool",
        credit=sold.to_list()[: len(upto)],
        quarter=str(periods.quarter_of(award.last, book.snapshot.fiscal_year_end)),
        earned=[a - b for a, b in zip(upto, [0, *upto[:-1]], strict=True)], tiers=told,
    )  # fmt: skip


def _told(cents: int) -> str:
    return f"{cents / 100:,.2f}"
