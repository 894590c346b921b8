"""What every PDF of ours has: fonts of its own, numbered pages, text that no markup can hide in."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from typing import Any

REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
MARGIN, PADDING = 15 * 72 / 25.4, 6  # points: 15 mm around the page, and between margin and text


@cache
def register() -> None:
    """Fonts with accents, Greek, Cyrillic and €, which come with matplotlib under a free licence."""
    import matplotlib
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name in (REGULAR, BOLD):
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))


def numbered(foot: str) -> Any:
    """A canvas that writes "page x of y" when all pages are known."""
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._pages, start=1):
                self.__dict__.update(page)
                self.setFont(REGULAR, 7)
                self.drawString(MARGIN + PADDING, MARGIN - 8, foot)
                self.drawRightString(self._pagesize[0] - MARGIN - PADDING, MARGIN - 8, f"page {number} of {len(self._pages)}")
                super().showPage()
            super().save()

    return Numbered


def safe(given: str) -> str:
    """Text for a paragraph, which would read markup."""
    return escape(plain(given), quote=False)


def plain(given: str) -> str:
    return "".join(char if char.isprintable() else "�" for char in given)
