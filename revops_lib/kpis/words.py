"""Numbers of KPIs as sentences tell them."""

from __future__ import annotations

import math

import pandas as pd


def said(value: float, unit: str) -> str:
    """A value with its unit.

    >>> said(0.2349, "share"), said(1487330.2, "EUR"), said(1.4222, "ratio"), said(67.03, "days"), said(float("nan"), "EUR")
    ('23.5%', '1,487,330 EUR', '1.42', '67 days', 'not known')
    """
    if value is None or math.isnan(value):
        return "not known"
    if unit == "share":
        return f"{value:.1%}".replace("-", "−")
    digits = 0 if abs(value) >= 20 or float(value).is_integer() else 2 if unit == "ratio" else 1
    number = f"{value:,.{digits}f}".replace("-", "−")
    return number if unit in ("ratio", "count") else f"{number} {unit}"


def between(low: float, high: float, unit: str) -> str:
    """The two ends of an interval; the unit once.

    >>> between(0.18, 0.3, "share"), between(60.2, 75.2, "days")
    ('18.0% to 30.0%', '60 to 75 days')
    """
    one = said(low, unit)
    return f"{one.removesuffix(f' {unit}')} to {said(high, unit)}"


def listed(names: list[str]) -> str:
    """Names as a sentence has them.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def change(value: float, before: float, unit: str) -> str:
    """How far a value lies from an earlier one: shares in points, the others in percent; empty where that is not known.

    >>> change(0.235, 0.31, "share"), change(90, 120, "EUR"), change(1, 0, "EUR")
    ('−7.5 points', '−25%', '')
    """
    if pd.isna(value) or pd.isna(before):
        return ""
    if unit == "share":
        return f"{100 * (value - before):+.1f} points".replace("-", "−")
    return f"{(value - before) / before:+.0%}".replace("-", "−") if before > 0 else ""


def inside(name: str) -> str:
    """A name inside a sentence.

    >>> inside("Deals won"), inside("MRR"), inside("Churned MRR")
    ('deals won', 'MRR', 'churned MRR')
    """
    return name if name[:2].isupper() else name[0].lower() + name[1:]
