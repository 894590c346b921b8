"""Pictures of result frames. A chart computes nothing: what it draws stands in the frame beside it.

Each function returns a `Picture` that a notebook shows and `report.finish` stores, with a text alternative that names the
numbers. A `Reason` instead of a frame gives a picture of that sentence.
"""

from .drawing import Picture
from .forecasts import backtest, calibration, fan, outlook, waterfall
from .pay import attainment, bookings, curve
from .records import coverage, findings, freshness, stakes
from .stages import ranking, survival, times

__all__ = ["Picture", "attainment", "backtest", "bookings", "calibration", "coverage", "curve", "fan", "findings",
           "freshness", "outlook", "ranking", "stakes", "survival", "times", "waterfall"]  # fmt: skip
