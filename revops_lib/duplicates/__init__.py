"""Records that look entered twice: proposed with a score and the reason, never merged. `spelling`: one spelling for what is the
same; `blocks`: which records are compared; `evidence`: what speaks for a pair; `proposals`: pairs, and what was not compared;
`groups`: pairs that belong together."""

from .groups import clusters
from .proposals import limits, pairs

__all__ = ["clusters", "limits", "pairs"]
