"""Lines of pay in sentences that a rep can read."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd

from .book import Part
from .plans import Award, Component

ROUNDED = {
    "half_up": "rounded",
    "half_even": "rounded with halves to the even cent",
    "up": "rounded up",
    "down": "rounded down",
}
WAITS = {"invoice": "on the invoice", "cash": "on the customer's payment"}


def rule(part: Part, line: Any, *, left: dt.date | None = None) -> str:
    """Why a booked line pays what it pays; amounts of the line in cents. `left`: the last day of who is paid."""
    said = [f"{part.what}: {_why(part, line)}"]
    if left is not None and line.cause in ("pay", "spif") and line.event_date.date() > left:
        said.append(f"won after the last day, {left}: paid as it is credited")
    if line.rate:
        said.append(f"converted from {line.rate}")
    if not line.gated:
        said.append("the gate is closed, nothing is paid")
    if pd.notna(line.withheld) and line.withheld:
        said.append(f"{amount(line.withheld)} are above the {'cap' if line.cause == 'pay' else 'budget'}")
    if pd.notna(line.held) and line.held:
        said.append(f"{amount(line.held)} are held and paid {_waits(part)}")
    return "; ".join(said)


def _why(part: Part, line: Any) -> str:
    if line.cause == "true_up":
        return f"what the earlier credits of {line.deal} pay more or less against the quota up to now"
    if line.cause in ("spif", "objective"):
        rounded = f", {ROUNDED[part.rounding]}" if isinstance(part, Award) and part.kind == "share" else ""
        return f"{line.tiers}{rounded}"
    one = f"{line.share:.2%} of the deal, " if pd.notna(line.share) and line.share < 1 else ""
    credited = f"{one}{amount(line.credit)} credited"
    if pd.isna(line.pay):
        return f"{credited}, but {line.tiers or 'no quota'}: what it pays is not known"
    assert isinstance(part, Component)
    by = "by itself" if part.accumulation == "none" else "on the running total"
    return f"{credited}, {line.tiers}, {ROUNDED[part.schedule.rounding]} {by}"


def _waits(part: Part) -> str:
    assert isinstance(part, Component | Award)
    waits = [WAITS.get(one.on, f"{one.months} months after the booking") for one in part.payable if one.on != "booking"]
    return " and ".join(dict.fromkeys(waits))


def amount(cents: Any) -> str:
    """Whole cents as an amount.

    >>> amount(-123_456)
    '-1,234.56'
    """
    return f"{int(cents) / 100:,.2f}"
