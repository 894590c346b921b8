"""Text that a spreadsheet would compute: made harmless by one quote before it, and read back as it was written.

What begins with = + - @, a tab or a line end, or with a full-width form of these, is computed when a spreadsheet opens it, and
can fetch or send data. Quotes that stand there already count as part of the text, so that what is added can be taken off again
exactly.
"""

from __future__ import annotations

import pandas as pd

_COMPUTED = r"(?='*[=+\-@\t\r\n＝＋－＠])"


def harmless(text: pd.Series) -> pd.Series:
    """The texts with one quote before those that a spreadsheet would compute; missing stays missing.

    >>> harmless(pd.Series(["=1+1", "'=1+1", "Müller", None], dtype="str")).tolist()
    ["'=1+1", "''=1+1", 'Müller', nan]
    """
    return text.str.replace(f"^{_COMPUTED}", "'", regex=True)


def as_written(text: pd.Series) -> pd.Series:
    """The texts without the quote that `harmless` set.

    >>> as_written(pd.Series(["'=1+1", "''=1+1", "'tis", "=1+1"], dtype="str")).tolist()
    ['=1+1', "'=1+1", "'tis", '=1+1']
    """
    if not text.str.startswith("'").any():  # nearly always, and far quicker than a search
        return text
    return text.str.replace(f"^'{_COMPUTED}", "", regex=True)
