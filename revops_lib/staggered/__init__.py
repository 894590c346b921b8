"""Difference-in-differences where groups start at different times: what a measure did to those who had it.

Callaway & Sant'Anna 2021 without covariates. Each group, those who started in the same period, is compared with units that
never start or have not started yet, period by period, and only then are the comparisons averaged: one regression over
everything would use those who started long ago as controls (Goodman-Bacon 2021). Between treated and controls everything else
must have moved alike; `pre_trend` asks whether it did before, nothing can say whether it did after.

Standard errors come from influence functions summed over clusters: what a unit added to the estimate. They take the sizes of
the groups as given, and a part is made larger the more of its arm it is (CR2 of Bell & McCaffrey 2002). Quantiles are Student's
t, with the degrees of freedom that the design has where all units vary alike in proportion to their size (Satterthwaite 1946),
so few units, or few large ones, give wide intervals.

`panel`: units × periods, who is compared with whom. `effects`: group-time effects. `averages`: averages of them, the test of
what was before, intervals that hold together. `power`: what the design can find at all. `simple`: two groups and two times.
"""

from .averages import aggregate, pre_trend, simultaneous
from .effects import Effects, group_time_effects
from .panel import CONTROLS
from .power import minimum_detectable_effect
from .simple import two_by_two

__all__ = ["CONTROLS", "Effects", "aggregate", "group_time_effects", "minimum_detectable_effect", "pre_trend",
           "simultaneous", "two_by_two"]  # fmt: skip
