"""Whether enablement changes anything: how quickly new people come along, what a training did, and what goes with deals of
which more is known. Never "influenced revenue": every deal is influenced by something.

`assignments`, `ramp`: time from the first day in a role that sells to the first won deal and to a full quarter; `sellers`,
`training`: sellers before and after a training, beside those who did not have it yet; `qualification`: letters of MEDDIC
as they were known before the outcome; `answers`: what is said about it all.
"""

from .answers import checks, content_trust, course, design, found, headline, metrics, notes, people, published, recommendations
from .qualification import association, completeness
from .ramp import ramp, ramp_course, starters
from .sellers import sellers_quarters
from .training import effect_in, training_course, training_effect

__all__ = ["association", "checks", "completeness", "content_trust", "course", "design", "effect_in", "found", "headline",
           "metrics", "notes", "people", "published", "ramp", "ramp_course", "recommendations", "sellers_quarters",
           "starters", "training_course", "training_effect"]  # fmt: skip
