"""One person's statement of pay, as a page for the phone (`page`) and on paper (`paper`).

Both show the same sections (`words`), which state what they are given and compute nothing but the sums of what they show. The
same statement gives the same bytes, whatever the time zone, the locale or the hash seed.
"""

from .page import html
from .paper import pdf
from .parts import Statement
from .words import NO_QUOTA, NO_TARGET

__all__ = ["NO_QUOTA", "NO_TARGET", "Statement", "html", "pdf"]
