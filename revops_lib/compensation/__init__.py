"""What a quarter pays: plans as dated rules, pay exact to the cent, every line explained.

All arithmetic is in integer cents and fractions. The pay of a line is the rounded cumulative pay after it minus the one before
it, so the lines of a rep sum to the cent to the pay on the whole credit, whatever the order of rounding.

Credit (what counts towards quota), quota and pay are three amounts. Where the source lacks one of them nothing is estimated.

In the order in which pay comes about: `reading`, `planparts` and `planfile` read a plan file (`plans`: what it says);
`credits`, `currencies`, `staff` and `quotas` say who is credited for what against which quota; `book` keeps them; `placing`
puts every credit in its place and lets the `engine` pay it; `booked` adds true-ups, `awards` and `objectives`; `later` says
what is released or taken back (`releases`), `drawn` what is topped up and recovered; `entries` are the lines of the ledger, in
words by `telling`, and `statements` their sums. `calculator` gives a plan's rules to the site's page.
"""

from . import planfile
from .ahead import next_quarter
from .answers import headline, metrics, notes, recommendations
from .calculator import exported
from .caps import capped
from .checking import checks
from .clawbacks import clawback, clawbacks, scheduled, unserved
from .company import Payroll, chosen, explained, payroll
from .comparison import compared, effects, fairness
from .costs import attainment, bookings, causes, cost, people, teams, total
from .curves import curve, curve_points, examples
from .drawn import debts
from .draws import Draw, settled
from .engine import paid
from .entries import entries
from .expense import Contract, capitalised, roll_forward
from .ledger import corrections, outstanding
from .lines import lines, statements
from .linter import lint
from .nearby import near, near_counts
from .nextdeal import next_condition, next_pays
from .planfile import begins, plan, plans
from .plans import Award, Cap, Clawback, Component, Factors, Gate, Objectives, Payable, Plan, Quota
from .problems import Problem, problems
from .review import findings, next_deals, owed, what_if
from .scenarios import patched, scenario
from .schedules import Schedule
from .simulation import attainment_history, attainments, simulated
from .spifs import by_bands, from_pool, on_revenue, within
from .targets import by_days, by_weights, ramped
from .wording import rules, terms

__all__ = [
    "Award", "Cap", "Clawback", "Component", "Contract", "Draw", "Factors", "Gate", "Objectives", "Payable", "Payroll",
    "Plan", "Problem", "Quota", "Schedule", "attainment", "attainment_history", "attainments", "begins", "bookings",
    "by_bands", "by_days", "by_weights", "capitalised", "capped", "causes", "checks", "chosen", "clawback", "clawbacks",
    "compared", "corrections", "cost", "curve", "curve_points", "debts", "effects", "entries", "examples", "explained",
    "exported", "fairness", "findings", "from_pool", "headline", "lines", "lint", "metrics", "near", "near_counts",
    "next_condition", "next_deals", "next_pays", "next_quarter", "notes", "on_revenue", "outstanding", "owed", "paid",
    "patched", "payroll", "people", "plan", "planfile", "plans", "problems", "ramped", "recommendations", "roll_forward",
    "rules", "scenario", "scheduled", "settled", "simulated", "statements", "teams", "terms", "total", "unserved",
    "what_if", "within",
]  # fmt: skip
