"""What is wrong with the data, counted and weighed, before anyone believes a number.

`rules`: what a row must not do; `rows`, `deals`, `changes`, `others`: which do it; `counts`: how many, how much money, whose;
`imported`: what the import brought, how fresh, how much; `duplicates`: accounts and contacts that look entered twice;
`verdicts`: whether the inputs of every analysis are good enough; `answer`: the headline and what to do. Nothing is corrected
and no row is dropped; every rule stays in the table with its count, 0 included.
"""

from .answer import checks, headline, metrics, notes, recommendations
from .counts import at_stake, by_rep, by_team, findings, to_fix
from .duplicates import duplicate_accounts, duplicate_contacts, not_compared
from .imported import coverage, freshness, reconciliation, remarks, spellings, volume
from .rules import DIMENSIONS, RULES
from .verdicts import ANALYSES, OTHER_LIMITS, fitness, inputs

__all__ = [
    "ANALYSES",
    "DIMENSIONS",
    "OTHER_LIMITS",
    "RULES",
    "at_stake",
    "by_rep",
    "by_team",
    "checks",
    "coverage",
    "duplicate_accounts",
    "duplicate_contacts",
    "findings",
    "fitness",
    "freshness",
    "headline",
    "inputs",
    "metrics",
    "not_compared",
    "notes",
    "recommendations",
    "reconciliation",
    "remarks",
    "spellings",
    "to_fix",
    "volume",
]
