"""A line of pay per credit and component."""

from __future__ import annotations

import pandas as pd

from .. import money
from ..snapshot import Snapshot
from .book import Book
from .placing import explained, of_component, of_quarter
from .plans import Plan
from .statements import statements

__all__ = ["lines", "of_component", "statements"]
LINE_COLUMNS = ["component", "rep_id", "opportunity_id", "close_date", "kind", "share", "credited", "quota", "before", "after",
                "tiers", "gate", "withheld", "held", "pay"]  # fmt: skip


def lines(snapshot: Snapshot, plan: Plan) -> pd.DataFrame:
    """The quarter's pay, one row per component and credit, in the plan's order.

    Credits of deals known as won with a close date in the quarter (accepted leads, where a component counts them). Columns:
    component, rep_id, opportunity_id, close_date, kind, share, credited (what counts towards quota: amount × share, where the
    plan has no factors; shares of a deal sum to its amount), quota (of the accumulation period), before and after (position in
    the quota, 0–…; missing where tiers are amounts), tiers (how the credit falls into them), gate (what was attained of it;
    empty without one), withheld (by the cap), held (not payable yet), pay; all amounts exact. A rep counts in the role held on
    the close date. A rep without quota, or with quota 0, keeps the line with pay missing. Raises DataRefused when the source
    has no credits or no quotas, or a deal's currency has no rate.
    """
    book = Book(snapshot, plan)
    found = [explained(part, rows) for _, part, rows in of_quarter(book, snapshot.quarter)]
    if not found:  # the plan pays on SPIFs or objectives only
        return pd.DataFrame(columns=LINE_COLUMNS)
    table = pd.concat(found, ignore_index=True)
    for place in ("before", "after"):
        table[place] = (table[place].astype("Float64") / table["quota"].astype("Float64")).astype("float64")
    table = table.rename(columns={"deal": "opportunity_id", "event_date": "close_date", "credit": "credited"})
    for column in ("credited", "quota", "withheld", "held", "pay"):
        table[column] = money.from_cents(table[column].astype("Int64"))
    return table[LINE_COLUMNS]
