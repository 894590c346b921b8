"""KPIs: one definition each (`data/kpis.yml`), used by every number, page and alert.

`definitions`: the dictionary and its worked examples; `populations`: whom a KPI counts (`deals`, `demand`, `customers`,
`people`: their cases; `cases`, `counted`: in one shape, once); `arithmetic`: the formulas; `values`: a KPI per quarter and
group with its interval (`intervals`), status and what it is held against (`targets`). `revenue`: recurring revenue and its
movements; `tree` (`parts`, `cells`): a number cascaded to teams and split into its factors; `funnel`: leads by cohort;
`staying`: customers over time; `best` (`habits`): what the best do differently; `alerts` (`alertrules`, `usual`): what is out
of bounds; `board`, `groups`, `answers`: the board pack; `glossary`: the dictionary as a page.
"""

from .alerts import alerts, checked
from .answers import checks, notes, recommendations, sellers
from .best import best
from .board import changes, figures, headline, metrics, tiles, trend
from .counted import Counted
from .definitions import counted_elsewhere, definitions, dictionary, examples
from .funnel import funnel, steps
from .glossary import glossary
from .groups import products, regions, teams
from .revenue import bridge, movements
from .staying import churn_survival, retention, survival_by
from .tree import branches, tree
from .values import kpi, table

__all__ = [
    "Counted", "alerts", "best", "branches", "bridge", "changes", "checked", "checks", "churn_survival", "counted_elsewhere",
    "definitions", "dictionary", "examples", "figures", "funnel", "glossary", "headline", "kpi", "metrics", "movements",
    "notes", "products", "recommendations", "regions", "retention", "sellers", "steps", "survival_by", "table", "teams",
    "tiles", "tree", "trend",
]  # fmt: skip
