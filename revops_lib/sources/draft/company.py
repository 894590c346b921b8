"""What holds for the whole export: its currency, and how it writes ids."""

from __future__ import annotations

import re
from collections import Counter

from ... import money
from ..cast import currency_written
from ..profile import Profile
from .columns import spec_of
from .planning import Part, Plan

_DEFAULT = "EUR"
_SALESFORCE = r"[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?"
_MOSTLY = 0.9


def currency_of(plan: Plan) -> tuple[str, str]:
    """The currency of most amounts, and the doubt about it: from a column of codes, else the signs beside amounts, else a
    header such as "Amount (EUR)"."""
    parts = sorted((part for part in plan.parts if part.is_active), key=lambda part: part.table != "opportunities")
    for evidence in (_codes, _signs, _headers):
        for part in parts:
            counts = evidence(part)
            if counts:
                ranked = sorted(counts, key=lambda code: (-counts[code], code))
                others = ", ".join(ranked[1:6])
                return ranked[0], f"the most frequent one; there are {others}, too" if others else ""
    return _DEFAULT, "no value says it"


def profile_of(plan: Plan) -> tuple[dict[str, str], str]:
    """How a known mapping says that all files of such an export are written (ids, times without offset), and a comment."""
    fitting = [part for part in plan.parts if part.is_active and part.model.one and part.model.fits(part.source.header)]
    profile: dict[str, str] = {}
    told: list[str] = []
    origins: list[str] = []
    for part in fitting:
        declared = part.model.one.profile if part.model.one else Profile()
        if declared.ids == "salesforce" and "ids" not in profile and _are_salesforce(plan, part):
            profile["ids"] = declared.ids
            told.append("ids of 15 characters are the same as those of 18")
            origins.append(part.model.origin)
    for part in fitting:
        declared = part.model.one.profile if part.model.one else Profile()
        has_times = any(spec_of(part.table, target).kind == "instant" for target in part.columns.found)
        if declared.timezone and has_times and "timezone" not in profile:
            profile["timezone"] = declared.timezone
            told.insert(0, "unsure: the time zone of times without an offset")
            origins.append(part.model.origin)
    return profile, f"{'; '.join(told)}, as in {' and '.join(dict.fromkeys(origins))}" if profile else ""


def _are_salesforce(plan: Plan, part: Part) -> bool:
    keys = plan.keys[part.table].values if part.table in plan.keys else frozenset()
    return bool(keys) and sum(bool(re.fullmatch(_SALESFORCE, key)) for key in keys) >= _MOSTLY * len(keys)


def _codes(part: Part) -> Counter[str]:
    if "currency" not in part.columns.found:
        return Counter()
    text = part.source.text(part.columns.found["currency"].place)
    return Counter({str(code): int(n) for code, n in text.value_counts().items() if code in money.CURRENCIES})


def _signs(part: Part) -> Counter[str]:
    """Codes beside amounts, and signs that stand for one currency only."""
    counts: Counter[str] = Counter()
    for target, one in part.columns.found.items():
        if spec_of(part.table, target).kind == "money":
            for sign, n in currency_written(part.source.text(one.place)).value_counts().items():
                meant = money.SIGNS.get(str(sign), {str(sign)}) & money.CURRENCIES
                if len(meant) == 1:
                    counts[next(iter(meant))] += int(n)
    return counts


def _headers(part: Part) -> Counter[str]:
    counts: Counter[str] = Counter()
    for target, one in part.columns.found.items():
        if spec_of(part.table, target).kind == "money":
            header = part.source.header[one.place].replace("€", " EUR ").replace("£", " GBP ")
            counts.update(code for code in re.findall(r"\b[A-Z]{3}\b", header) if code in money.CURRENCIES)
    return counts
