"""What the quarter will bring, from four methods weighted by their past, with an interval as wide as past misses demand.

`panel`: what was known at the start of every week. `ridge`, `odds`, `hazards`, `paths`, `methods`, `submitted`: ways to
forecast. `rolling`: their weights and the interval, quarter after quarter. `outlook`, `detail`, `scores`, `answers`: what
people ask. `movement`, `pushes`, `coverage`: how the pipeline changed and whether it suffices. `ledger`: how good frozen
forecasts were. `series`, `members`, `hierarchy`: histories without deals.
"""

from .answers import answer, checks, headline, metrics, notes, reached, recommendations
from .coverage import coverage, coverage_headline
from .detail import course, deals, groups
from .hierarchy import reconcile, summing
from .ledger import ledger_accuracy, scored
from .movement import movement
from .outlook import horizons, outlook, reach, shares, totals
from .points import target_quarter
from .pushes import push_counts, pushes
from .scores import accuracy, added, against_baselines, backtest, brier, by_week, reliability, same_point, submission_bias
from .series import project, series, series_outlook

__all__ = [
    "accuracy", "added", "against_baselines", "answer", "backtest", "brier", "by_week", "checks", "course", "coverage",
    "coverage_headline", "deals", "groups", "headline", "horizons", "ledger_accuracy", "metrics", "movement", "notes",
    "outlook", "project", "push_counts", "pushes", "reach", "reached", "recommendations", "reconcile", "reliability",
    "same_point", "scored", "series", "series_outlook", "shares", "submission_bias", "summing", "target_quarter",
    "totals",
]  # fmt: skip
