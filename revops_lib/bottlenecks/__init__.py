"""Where work gets stuck, in deals and in any process: time in stage with open cases counted as open, what becomes of cohorts,
slowed cells and what they cost, the flow of events, rework and queues.

A spell is one stay of a deal in a stage. A spell still running on the snapshot's day is censored: it has lasted at least so
long. Leaving a stage forward, backward or by a loss are competing ends.

`events`, `spells`: one shape for every process; `flow`, `waits`, `usable`: what its log shows, and what cannot be counted;
`times`, `cohorts`: how long, and with which end; `pace`, `value`: what slowed down, and its price; `stalls`, `owners`,
`setbacks`: what waits, with whom, what moves back; `compare`: two processes; `answers`: what is said about it all.
"""

from .answers import checks, common, headline, metrics, notes, priced, published, recommendations
from .cohorts import cohorts, funnel, wins_by_cohort
from .compare import compare
from .events import events
from .flow import directly_follows, durations, rework, variants
from .owners import handovers, queues
from .pace import detectable, locate, market, ranking
from .setbacks import setbacks
from .spells import spells
from .stalls import stalled
from .times import conversion, not_timed, outcome, survival, time_in_stage, time_to_close, win_rate
from .usable import unusable
from .value import value
from .waits import handoffs, timers, waiting

__all__ = ["checks", "cohorts", "common", "compare", "conversion", "detectable", "directly_follows", "durations", "events",
           "funnel", "handoffs", "handovers", "headline", "locate", "market", "metrics", "not_timed", "notes", "outcome",
           "priced", "published", "queues", "ranking", "recommendations", "rework", "setbacks", "spells", "stalled", "survival",
           "time_in_stage", "time_to_close", "timers", "unusable", "value", "variants", "waiting", "win_rate",
           "wins_by_cohort"]  # fmt: skip
