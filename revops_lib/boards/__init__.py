"""The board pack on paper: a page that a director reads in two minutes, then the tables behind it.

`words`: what the pack holds and how its numbers read; `tiles`: the drawn figures; `paper`: the PDF. It states what it is given
and computes nothing; the same pack gives the same bytes.
"""

from .paper import pdf
from .words import Pack, formats, heading

__all__ = ["Pack", "formats", "heading", "pdf"]
