"""What the quarter will bring. `points`: quarters seen from one day; `paths`: the model; `answers`: what
people ask."""

from .answers import accuracy, answer, backtest, checks, headline, metrics, notes, outlook, recommendations
from .points import target_quarter

__all__ = [
    "accuracy", "answer", "backtest", "checks", "headline", "metrics", "notes", "outlook", "recommendations", "target_quarter",
]  # fmt: skip
