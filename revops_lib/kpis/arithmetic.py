"""The formulas of the KPIs, as plain arithmetic on numbers or arrays: one place each, named by the dictionary.

A denominator of zero gives NaN, never 0: nothing was measured.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .. import statistics

Number = Any  # a number or an array of numbers


def ratio(part: Number, whole: Number) -> Number:
    """part ÷ whole.

    >>> float(ratio(20, 50)), float(ratio(3, 0))
    (0.4, nan)
    """
    whole = np.asarray(whole, float)
    return np.asarray(part, float) / np.where(whole == 0, np.nan, whole)


def total(value: Number) -> Number:
    """The sum itself."""
    return np.asarray(value, float)


def yearly(monthly: Number) -> Number:
    """Twelve times a monthly amount.

    >>> float(yearly(1000))
    12000.0
    """
    return 12 * np.asarray(monthly, float)


def monthly(billed: Number) -> Number:
    """The monthly part of what is billed for a year.

    >>> round(float(monthly(2000)), 4)
    166.6667
    """
    return np.asarray(billed, float) / 12


def sales_velocity(opportunities: Number, win_rate: Number, value: Number, cycle: Number) -> Number:
    """Amount won per day: opportunities × win rate × value of a won deal ÷ days that a won deal took.

    All four on the same opportunities, those that closed: then velocity × cycle is what was booked.

    >>> round(float(sales_velocity(18, 0.24, 42_000, 78)), 2)
    2326.15
    """
    return ratio(np.asarray(opportunities, float) * win_rate * value, cycle)


def retained(start: Number, churn: Number, contraction: Number, expansion: Number = 0) -> Number:
    """Share of recurring revenue kept by those who were customers at the start; expansion makes it net (NRR), without it is
    gross (GRR).

    >>> float(retained(20_000, 1_200, 800)), float(retained(20_000, 1_200, 800, 3_000))
    (0.9, 1.05)
    """
    return ratio(np.asarray(start, float) + expansion - contraction - churn, start)


def coverage(pipeline: Number, target: Number, won: Number = 0) -> Number:
    """Pipeline ÷ what is still to be won; NaN once the target is reached.

    >>> float(coverage(4_800_000, 2_000_000, 400_000))
    3.0
    """
    left = np.asarray(target, float) - won
    return ratio(pipeline, np.where(left > 0, left, np.nan))


def required_coverage(win_rate: Number, slippage: Number = 0) -> Number:
    """Pipeline needed per unit of target: (1 + slippage) ÷ win rate of the same opportunities.

    >>> round(float(required_coverage(0.22)), 3)
    4.545
    """
    return ratio(1 + np.asarray(slippage, float), win_rate)


def won_of_closed(won: Number, lost: Number) -> Number:
    """What was won of what was won or lost, by value.

    >>> float(won_of_closed(300_000, 700_000))
    0.3
    """
    return ratio(won, np.asarray(won, float) + lost)


def coverage_of_wins(won: Number, lost: Number) -> Number:
    """`required_coverage` at the win rate by value, without a buffer for deals that slip.

    >>> round(float(coverage_of_wins(22, 78)), 3)
    4.545
    """
    return required_coverage(won_of_closed(won, lost))


def cac_payback(cac: Number, arpa: Number, gross_margin: Number) -> Number:
    """Months until a new customer has paid for winning it: CAC ÷ (monthly revenue × gross margin).

    >>> float(cac_payback(600, 120, 0.8))
    6.25
    """
    return ratio(cac, np.asarray(arpa, float) * gross_margin)


def ltv(arpa: Number, gross_margin: Number, churn: Number) -> Number:
    """Gross margin of a customer's life: monthly revenue × gross margin ÷ monthly churn, were churn constant.

    >>> round(float(ltv(1200, 0.7, 0.06)))
    14000
    """
    return ratio(np.asarray(arpa, float) * gross_margin, churn)


def ltv_to_cac(arpa: Number, gross_margin: Number, churn: Number, cac: Number) -> Number:
    """Lifetime value per unit of what winning a customer costs.

    >>> round(float(ltv_to_cac(1200, 0.7, 0.06, 3000)), 2)
    4.67
    """
    return ratio(ltv(arpa, gross_margin, churn), cac)


def magic_number(growth: Number, spend: Number) -> Number:
    """Yearly recurring revenue added per unit of sales and marketing: 4 × growth of the quarter's revenue ÷ spend of the
    quarter before.

    >>> round(float(magic_number(480_000, 1_800_000)), 4)
    1.0667
    """
    return ratio(4 * np.asarray(growth, float), spend)


def capacity(ramped: Number, ramping: Number, quota: Number, attainment: Number, productivity: Number = 0.5) -> Number:
    """What a team can sell: ramped sellers × quota × attainment + ramping sellers × quota × productivity.

    >>> float(capacity(7, 3, 150_000, 0.85, 0.4))
    1072500.0
    """
    return np.asarray(quota, float) * (np.asarray(ramped, float) * attainment + np.asarray(ramping, float) * productivity)


def wape(actual: Number, forecast: Number) -> float:
    """Weighted absolute percentage error: Σ|actual − forecast| ÷ Σ|actual|.

    >>> round(float(wape([1000, 10], [950, 25])), 4)
    0.0644
    """
    actual, forecast = np.asarray(actual, float), np.asarray(forecast, float)
    return float(ratio(np.abs(actual - forecast).sum(), np.abs(actual).sum()))


def mape(actual: Number, forecast: Number) -> float:
    """Mean absolute percentage error: mean of |actual − forecast| ÷ |actual|; it overweights small actuals.

    >>> float(mape([1000, 10], [950, 25]))
    0.775
    """
    actual, forecast = np.asarray(actual, float), np.asarray(forecast, float)
    return float(np.mean(ratio(np.abs(actual - forecast), np.abs(actual))))


def bias(actual: Number, forecast: Number) -> float:
    """Σ(forecast − actual) ÷ Σ|actual|; above 0: forecast too high.

    >>> round(float(bias([100, 100], [110, 130])), 2)
    0.2
    """
    actual, forecast = np.asarray(actual, float), np.asarray(forecast, float)
    return float(ratio((forecast - actual).sum(), np.abs(actual).sum()))


def nps(promoters: Number, detractors: Number) -> Number:
    """Net promoter score: percent of promoters (9–10) − percent of detractors (0–6).

    >>> float(nps(0.7, 0.2).round(9))
    50.0
    """
    return 100 * (np.asarray(promoters, float) - detractors)


def middle(values: Number) -> float:
    """The median of those known; NaN of nothing."""
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else float("nan")


def half_reached(duration: Number, ended: Number) -> float:
    """Duration by which half have got there, those still on the way counted as such (Kaplan & Meier 1958).

    >>> half_reached([4, 6, 8, 9], [1, 1, 0, 1])
    6.0
    """
    return _half(duration, ended, 0.9)[0]


def half_between(duration: Number, ended: Number, level: float) -> tuple[float, float]:
    """Low and high of `half_reached`."""
    return _half(duration, ended, level)[1:]


def _half(duration: Number, ended: Number, level: float) -> tuple[float, float, float]:
    curve = statistics.survival_curve(pd.Series(np.asarray(duration, float)), pd.Series(np.asarray(ended, bool)), level)
    return statistics.survival_quantile(curve, 0.5)
