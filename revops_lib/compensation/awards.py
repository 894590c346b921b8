"""SPIFs: what deals of a window pay beside the components. Integer cents, a line per deal and rep."""

from __future__ import annotations

from fractions import Fraction

import pandas as pd

from .. import money, periods
from . import spifs
from .book import Book, counted, refuse_unpriced
from .credits import shared
from .plans import Award, Plan

COLUMNS = {"product_family": "family", "segment": "segment", "type": "type"}  # what `Snapshot.members` calls them


def awarded(book: Book, plan: Plan, quarter: pd.Period) -> list[tuple[Award, pd.DataFrame]]:
    """What the awards of a plan pay in a quarter: the columns of credits, and earned, withheld (what the budget does not pay),
    kept (cents) and tiers (how it comes about, in words).

    A deal with a negative amount, or 0, counts for no fixed award and no band. Windows are looked at up to the quarter's end.
    """
    first, last = periods.first_day(quarter), periods.last_day(quarter)
    if all(award.last < first or award.first > last for award in plan.awards):
        return []
    found = []
    has_paid: dict[str, set[str]] = {}
    for award in plan.awards:
        if award.first > periods.last_day(quarter) or award.last < periods.first_day(quarter):
            continue
        rows = _eligible(book, award, quarter)
        if not award.stacks:
            rows = rows[~rows["deal"].isin(set().union(*has_paid.values()) if has_paid else set())]
        rows = _claims(book, award, rows, quarter)
        kept = rows["earned"].tolist()
        if award.budget is not None:
            kept = spifs.within(award.budget, kept)
        rows = rows.assign(kept=kept, withheld=[a - b for a, b in zip(rows["earned"], kept, strict=True)])
        has_paid[award.name] = {*rows.loc[rows["kept"] > 0, "deal"]}
        found.append((award, rows[rows["quarter"] == str(quarter)].reset_index(drop=True)))
    return found


def _eligible(book: Book, award: Award, quarter: pd.Period) -> pd.DataFrame:
    """Credits of the award's window that count, in the plan's order."""
    last = min(award.last, periods.last_day(quarter))
    rows = book.credits(award.measure)
    rows = rows[rows["event_date"].between(pd.Timestamp(award.first), pd.Timestamp(last))]
    rows = rows[rows["kind"].isin(counted(award.measure, award.kinds))]
    for name, values in award.eligible.items():
        own = rows["role"] if name == "role" else rows["deal"].map(book.attribute(COLUMNS[name]))
        rows = rows[own.isin(values)]
    refuse_unpriced(rows)
    return rows.sort_values(["event_date", "deal", "line", "rep_id"], kind="stable", ignore_index=True)


def _claims(book: Book, award: Award, rows: pd.DataFrame, quarter: pd.Period) -> pd.DataFrame:
    if award.kind == "pool":
        return _from_pool(book, award, rows, quarter)
    credit = rows["credit"].astype("int64")
    currency = book.plan.currency
    if award.kind == "share":
        earned = [money.round_half_up(int(cents) * award.rate) for cents in credit]
        told = [f"{float(award.rate):.2%} of {_told(cents)} {currency}" for cents in credit]
        return rows.assign(earned=earned, tiers=told)
    rows = rows[credit > 0].reset_index(drop=True)
    if award.kind == "fixed":
        by_deal = rows.sort_values(["deal", "kind", "rep_id"], kind="stable")
        earned = shared(by_deal, pd.Series(award.cents, index=by_deal.index, dtype="Int64")).reindex(rows.index).astype("int64")
        return rows.assign(earned=earned.tolist(), tiers=f"{_told(award.cents)} {currency} per deal")
    number = rows.groupby("rep_id").cumcount() + 1
    upto = [spifs.by_bands(int(n), award.bands, retroactive=award.retroactive) for n in number]
    before = [spifs.by_bands(int(n) - 1, award.bands, retroactive=award.retroactive) for n in number]
    told = [f"deal {n} of the window" for n in number]
    return rows.assign(earned=[a - b for a, b in zip(upto, before, strict=True)], tiers=told)


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
