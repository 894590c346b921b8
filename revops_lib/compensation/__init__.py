"""What the quarter's deals pay: one tiered plan with accelerator, exact to the cent, a line per credit.

All arithmetic is in integer cents and fractions. The pay of a line is the rounded cumulative pay after it minus the one before
it, so the lines of a rep sum to the cent to the pay on the whole credit, whatever the order of rounding.

Credit (what counts towards quota), quota and pay are three amounts. Where the source lacks one of them nothing is estimated.
"""

from .answers import checks, headline, metrics, recommendations
from .caps import capped
from .clawbacks import clawback, clawbacks, of_instalments, scheduled, unserved
from .costs import attainment, bookings, cost, people, total
from .curves import curve, rules
from .draws import Draw, settled
from .engine import paid
from .expense import Contract, roll_forward
from .lines import lines, statements
from .planfile import plan
from .plans import Cap, Component, Gate, Plan
from .schedules import Schedule
from .spifs import by_bands, from_pool, on_revenue, per_deal, within
from .targets import by_days, by_weights, of_team, ramped

__all__ = [
    "Cap", "Component", "Contract", "Draw", "Gate", "Plan", "Schedule", "attainment", "bookings", "by_bands", "by_days",
    "by_weights", "capped", "checks", "clawback", "clawbacks", "cost", "curve", "from_pool", "headline", "lines", "metrics",
    "of_instalments", "of_team", "on_revenue", "paid", "people", "per_deal", "plan", "ramped", "recommendations",
    "roll_forward", "rules", "scheduled", "settled", "statements", "total", "unserved", "within",
]  # fmt: skip
