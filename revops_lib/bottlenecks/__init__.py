"""Where deals get stuck: time in stage with open deals counted as open, conversion per stage, slowed cells, stalled deals.

A spell is one stay of a deal in a stage. A spell still running on the snapshot's day is censored: it has lasted at least so
long. Leaving a stage forward, backward or by a loss are competing ends.
"""

from .answers import checks, headline, metrics, published, recommendations
from .pace import ranking
from .spells import spells
from .stalls import stalled
from .times import conversion, survival, time_in_stage, time_to_close, win_rate

__all__ = ["checks", "conversion", "headline", "metrics", "published", "ranking", "recommendations", "spells", "stalled",
           "survival", "time_in_stage", "time_to_close", "win_rate"]  # fmt: skip
