"""Pictures of result frames. A chart computes nothing: what it draws stands in the frame beside it.

Each function returns a `Picture` that a notebook shows and `report.finish` stores, with a text alternative that names the
numbers. A `Reason` instead of a frame gives a picture of that sentence.
"""

from .drawing import Picture
from .drivers import drilldown, drivers, timeline
from .enablement import completeness, ramp, training
from .forecasts import backtest, calibration, fan, outlook, waterfall
from .kpis import bridge, tree, trend
from .pay import attainment, bookings, causes, costs, curve
from .processes import process_map
from .records import coverage, findings, freshness, stakes
from .stages import cohorts, comparison, funnel, ranking, survival, times

__all__ = ["Picture", "attainment", "backtest", "bookings", "bridge", "calibration", "causes", "cohorts", "comparison",
           "completeness", "costs", "coverage", "curve", "drilldown", "drivers", "fan", "findings", "freshness", "funnel",
           "outlook", "process_map", "ramp", "ranking", "stakes", "survival", "timeline", "times", "training", "tree",
           "trend", "waterfall"]  # fmt: skip
