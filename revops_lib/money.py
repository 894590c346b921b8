"""Exact money: decimals in tables, integer cents in arithmetic, floats only for statistics.

In frames an `amount` is an Arrow decimal with two places: sums are exact. What is paid is computed in integer cents;
a float never holds it.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute

DTYPE = pd.ArrowDtype(pa.decimal128(18, 2))
CENT = pa.scalar(Decimal("0.01"))
RATE = pd.ArrowDtype(pa.decimal128(18, 8))
# Currencies in use, ISO 4217.
CURRENCIES = frozenset(
    """AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLF
    CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR
    ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP
    MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG
    SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF
    XCD XOF XPF YER ZAR ZMW ZWG""".split()
)
# They have no smaller unit: an amount with decimals is not one.
WHOLE = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split())
# What a sign written beside an amount may stand for; any other is the code itself.
SIGNS = {
    "€": {"EUR"}, "£": {"GBP", "EGP", "GIP", "FKP", "SHP"}, "¥": {"JPY", "CNY"}, "US$": {"USD"}, "$US": {"USD"},
    "A$": {"AUD"}, "AU$": {"AUD"}, "C$": {"CAD"}, "CA$": {"CAD"}, "NZ$": {"NZD"}, "HK$": {"HKD"}, "S$": {"SGD"},
    "MX$": {"MXN"}, "R$": {"BRL"}, "$": {code for code in CURRENCIES if code.endswith("D")} | {"MXN", "ARS", "CLP", "COP"},
}  # fmt: skip


def to_cents(amount: pd.Series) -> pd.Series:
    """Integer cents (Int64) of a decimal column; missing stays missing.

    >>> to_cents(pd.Series([Decimal("1200.50"), None], dtype=DTYPE)).tolist()
    [120050, <NA>]
    """
    return (amount.astype(DTYPE) * 100).astype("Int64")


def from_cents(cents: pd.Series) -> pd.Series:
    """Decimal column of integer cents.

    >>> from_cents(pd.Series([120050], dtype="Int64")).tolist()
    [Decimal('1200.50')]
    """
    whole = pa.array(cents.astype("Int64")).cast(pa.decimal128(19))
    return pd.Series(compute.multiply(whole, CENT).cast(DTYPE.pyarrow_dtype), index=cents.index, dtype=DTYPE, name=cents.name)


def to_float(amount: pd.Series) -> pd.Series:
    """Floats for statistics and pictures, never for pay; missing becomes NaN."""
    return amount.astype("float64")


ROUNDINGS = ("half_up", "half_even", "up", "down")


def round_half_up(value: Fraction) -> int:
    """Nearest integer, halves away from zero, exactly.

    >>> round_half_up(Fraction(5, 2)), round_half_up(Fraction(-5, 2)), round_half_up(Fraction(249, 100))
    (3, -3, 2)
    """
    over, under = value.numerator, value.denominator
    magnitude = (2 * abs(over) + under) // (2 * under)
    return int(magnitude if over >= 0 else -magnitude)


def rounded(value: Fraction, how: str) -> int:
    """An integer, exactly: the nearest one (`half_up`: halves away from zero, `half_even`: to the even one), or the next one
    away from zero (`up`) or towards it (`down`), as the modes of Python's decimal.

    >>> [[rounded(Fraction(n, 10), how) for n in (25, 35, 21, -21)] for how in ROUNDINGS]
    [[3, 4, 2, -2], [2, 4, 2, -2], [3, 4, 3, -3], [2, 3, 2, -2]]
    """
    if how == "half_up":
        return round_half_up(value)
    if how == "half_even":
        return round(value)
    magnitude = math.ceil(abs(value)) if how == "up" else math.floor(abs(value))
    return magnitude if value >= 0 else -magnitude


def part(cents: np.ndarray, share: Fraction) -> np.ndarray:
    """A share of many whole cents, halves away from zero; Python's own numbers where 64 bits might not do.

    >>> part(np.array([5, -5, 4]), Fraction(1, 2)).tolist()
    [3, -3, 2]
    """
    largest = 2 * int(np.max(np.abs(cents), initial=0)) * share.numerator + share.denominator
    exact = cents.astype("int64" if max(largest, 2 * share.denominator) < 2**63 else "object")
    sign = np.sign(cents)
    return sign * ((2 * sign * exact * share.numerator + share.denominator) // (2 * share.denominator)).astype("int64")
