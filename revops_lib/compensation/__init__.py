"""What the quarter's deals pay: one tiered plan with accelerator, exact to the cent, a line per credit.

All arithmetic is in integer cents and fractions. The pay of a line is the rounded cumulative pay after it minus the one before
it, so the lines of a rep sum to the cent to the pay on the whole credit, whatever the order of rounding.

Credit (what counts towards quota), quota and pay are three amounts. Where the source lacks one of them nothing is estimated.
"""

from .answers import checks, headline, metrics, recommendations
from .costs import attainment, bookings, cost, people, total
from .curves import curve, rules
from .lines import lines, statements
from .plans import Plan, plan

__all__ = ["Plan", "attainment", "bookings", "checks", "cost", "curve", "headline", "lines", "metrics", "people", "plan",
           "recommendations", "rules", "statements", "total"]  # fmt: skip
