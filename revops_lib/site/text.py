"""Text from a CRM as source of a page: it shows what was typed and can be nothing else."""

from __future__ import annotations

import re
import unicodedata

CELL, SENTENCE = 200, 600
MARKS = frozenset(" ,.%€:-/")


def plain(text: object, limit: int = CELL) -> str:
    """Text as MyST source that shows exactly this text: nothing in it can become markup, whatever was typed.

    Only letters, digits and a few marks stay as they are, everything else becomes a numeric entity; so does a mark or
    a number's dot at the start, where it could open a list or a block. Control and direction characters are dropped,
    white space is one blank, text beyond `limit` characters is cut. Not for headings (the search page shows their text
    unescaped) and not for places where entities are not read: `bare` is.

    >>> plain("<b>10</b> {{ x }}")
    '&#60;b&#62;10&#60;/b&#62; &#123;&#123; x &#125;&#125;'
    >>> plain("1. first"), plain("- 5 %"), plain(":::note")
    ('1&#46; first', '&#45; 5 %', '&#58;::note')
    """
    clean = cleaned(text, limit)
    opener = re.match(r"[0-9]*[^\w\s]", clean)
    guarded = opener.end() - 1 if opener else -1
    return "".join(char if _is_safe(char) and position != guarded else f"&#{ord(char)};" for position, char in enumerate(clean))


def bare(text: object) -> str:
    """The text reduced to letters, digits and harmless marks.

    >>> bare("Fan <b>chart</b>: P10")
    'Fan b chart /b : P10'
    """
    return re.sub(r" +", " ", "".join(char if _is_safe(char) else " " for char in cleaned(text, CELL))).strip(" -:")


def cleaned(text: object, limit: int) -> str:
    """The text on one line, without control, direction, private and unassigned characters, cut at `limit`."""
    one_line = re.sub(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029 ]+", " ", str(text))
    clean = "".join(char for char in one_line if unicodedata.category(char)[0] != "C").strip(" ")
    return clean if len(clean) <= limit else clean[: limit - 1].rstrip(" ") + "…"


def _is_safe(char: str) -> bool:
    return char.isalnum() or char in MARKS
