"""A statement as an A4 PDF with its fonts in it; the same statement gives the same bytes."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

from .. import paper
from .parts import Section, Statement, Table
from .words import about, sections

_ROOM = 120  # points that must be left on a page for a section to begin there
_NUMBER = 67  # points that a column of amounts takes
_QUIET, _RULE, _HEAD = "#555555", "#bbbbbb", "#f1f1f1"


def pdf(told: Statement) -> bytes:
    """The statement on A4, pages numbered, text that can be searched and copied; no date or number of its own."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import Paragraph, SimpleDocTemplate

    paper.register()
    styles, title = _styles(), f"Statement of pay, {told.quarter}"
    story: list[Any] = [Paragraph(paper.safe(title), styles["title"])]
    story += [Paragraph(paper.safe(line), styles["text"]) for line in about(told) if line]
    for number, one in enumerate(sections(told)):
        story += _section(one, styles, A4[0] - 2 * (paper.MARGIN + paper.PADDING), "total" if number == 0 else "text")
    foot = f"{told.quarter} · {paper.plain(told.rep_id)[:60]} · for you, your manager and finance"
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer, pagesize=A4, leftMargin=paper.MARGIN, rightMargin=paper.MARGIN, topMargin=paper.MARGIN,
        bottomMargin=paper.MARGIN + 12,
        title=title, author=told.company, subject=told.quarter, creator="revops", lang="en", displayDocTitle=True,
        invariant=1, pageCompression=1, initialFontName=paper.REGULAR,
    )  # fmt: skip
    document.build(story, canvasmaker=paper.numbered(foot))
    return buffer.getvalue()


@cache
def _styles() -> dict[str, Any]:
    from reportlab.lib.colors import HexColor
    from reportlab.lib.styles import ParagraphStyle

    def style(size: float, font: str = paper.REGULAR, **more: Any) -> Any:
        return ParagraphStyle("s", fontName=font, fontSize=size, leading=size * 1.35, **more)

    return {
        "title": style(16, paper.BOLD, spaceAfter=4),
        "heading": style(12, paper.BOLD, spaceBefore=12, spaceAfter=3),
        "total": style(12, paper.BOLD, spaceAfter=3),
        "text": style(9, spaceAfter=2),
        "cell": style(8),
        "head": style(8, paper.BOLD),
        "number": style(8, alignment=2),
        "head number": style(8, paper.BOLD, alignment=2),
        "why": style(6.5, textColor=HexColor(_QUIET)),
    }


def _section(one: Section, styles: dict[str, Any], width: float, first: str) -> list[Any]:
    from reportlab.platypus import CondPageBreak, Paragraph

    found: list[Any] = [CondPageBreak(_ROOM), Paragraph(paper.safe(one.title), styles["heading"])]
    found += [Paragraph(paper.safe(line), styles[first if at == 0 else "text"]) for at, line in enumerate(one.sentences)]
    return [*found, _table(one.table, styles, width)] if one.table else found


def _table(table: Table, styles: dict[str, Any], width: float) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import LongTable, Paragraph

    def cell(text: str, is_number: bool, why: list[str], is_sum: bool) -> list[Any]:
        names = ("head", "head number") if is_sum else ("cell", "number")
        return [
            Paragraph(paper.safe(text), styles[names[is_number]]),
            *(Paragraph(paper.safe(line), styles["why"]) for line in why),
        ]

    heads = [Paragraph(paper.safe(name), styles["head number" if is_number else "head"]) for name, is_number in table.columns]
    rows = [
        [cell(text, is_number, table.why[place] if table.why and at == 1 else [], place in table.sums)
         for at, (text, (_, is_number)) in enumerate(zip(row, table.columns, strict=True))]
        for place, row in enumerate(table.rows)
    ]  # fmt: skip
    look = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"), ("LINEBELOW", (0, 0), (-1, -1), 0.5, HexColor(_RULE)),
        ("BACKGROUND", (0, 0), (-1, 0), HexColor(_HEAD)), ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3), ("LEFTPADDING", (0, 0), (-1, -1), 3), ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ]  # fmt: skip
    look += [("BACKGROUND", (0, place + 1), (-1, place + 1), HexColor(_HEAD)) for place in sorted(table.sums)]
    return LongTable([heads, *rows], _widths(table, width), style=look, repeatRows=1, splitInRow=1, hAlign="LEFT")


def _widths(table: Table, width: float) -> list[float]:
    """Numbers and days take what they need; the texts share the rest."""
    taken = {at: _NUMBER for at, (_, is_number) in enumerate(table.columns) if is_number}
    taken |= {0: 58} if table.why else {}
    others = len(table.columns) - len(taken)
    return [taken.get(at, (width - sum(taken.values())) / max(others, 1)) for at in range(len(table.columns))]
