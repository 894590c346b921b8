"""Why bookings moved: data or business, which driver, where, since when, and whether it is more than noise.

`compared`: which quarters, their closed deals. `factors`, `drivers`: the split of bookings. `noise`: what is usual.
`drilldown`: where. `beginning`: since when. `recording`: data or business. `views`: the same change by type, as velocity, as
price and volume. `answers`: what people read.
"""

from .answers import began, checks, headline, metrics, notes, recommendations
from .beginning import timeline
from .drilldown import drilldown
from .drivers import drivers
from .recording import data_changes
from .views import behind, prices, recurring, tree, velocity

__all__ = [
    "began", "behind", "checks", "data_changes", "drilldown", "drivers", "headline", "metrics", "notes", "prices",
    "recommendations", "recurring", "timeline", "tree", "velocity",
]  # fmt: skip
