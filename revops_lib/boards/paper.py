"""The board pack as an A4 PDF with its fonts in it: one page to read, then the tables."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import pandas as pd

from .. import paper
from . import tiles
from .words import NOT_KNOWN, STATUS, Pack, heading, kinds, short, text, verdict

_RULE, _HEAD = "#bbbbbb", "#f1f1f1"
_FIRST = 5  # alerts, changes and recommendations on the first page
_CELL = 2.5  # points left and right in a cell
_WIDE = 8  # columns from which a table is set smaller


def pdf(pack: Pack) -> bytes:
    """The pack on A4, pages numbered, text that can be searched. No date of its own: the same pack, the same bytes."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import KeepInFrame, PageBreak, Paragraph, SimpleDocTemplate

    paper.register()
    styles, width = _styles(), A4[0] - 2 * (paper.MARGIN + paper.PADDING)
    height = A4[1] - 2 * paper.MARGIN - 12 - 2 * paper.PADDING
    first: list[Any] = [
        Paragraph(paper.safe(f"Board pack, {pack.quarter}"), styles["title"]),
        Paragraph(paper.safe(f"as of {pack.as_of}"), styles["quiet"]),
        Paragraph(paper.safe(pack.headline), styles["headline"]),
        tiles.grid(pack, width),
        Paragraph(paper.safe(_legend(pack)), styles["quiet"]),
        *_changes(pack, styles), *_alerts(pack, styles), *_advice(pack, styles),
    ]  # fmt: skip
    # Whatever is said fits on the first page: it is set smaller where it would not.
    story: list[Any] = [KeepInFrame(width, height, first, mode="shrink")]
    for number, (title, frame) in enumerate(pack.tables.items()):
        story += [PageBreak()] if number == 0 else []
        story += [Paragraph(paper.safe(title), styles["heading"]), _table(frame, pack.currency, styles, width)]
    story += [Paragraph(paper.safe(note), styles["quiet"]) for note in pack.notes]
    foot = f"{pack.quarter} · as of {pack.as_of} · data {pack.fingerprint} · internal"
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer, pagesize=A4, leftMargin=paper.MARGIN, rightMargin=paper.MARGIN, topMargin=paper.MARGIN,
        bottomMargin=paper.MARGIN + 12,
        title=f"Board pack, {pack.quarter}", subject=pack.quarter, creator="revops", lang="en", displayDocTitle=True,
        invariant=1, pageCompression=1, initialFontName=paper.REGULAR,
    )  # fmt: skip
    document.build(story, canvasmaker=paper.numbered(foot))
    return buffer.getvalue()


def _legend(pack: Pack) -> str:
    signs = ", ".join(f"{mark} {word}" for mark, word, _ in STATUS.values())
    quarters = pack.trend["quarter"].astype("str")
    course = f" Lines: {quarters.min()} to {quarters.max()}." if len(quarters) else ""
    return f"Against the target: {signs}; close is within 10%.{course}"


def _changes(pack: Pack, styles: dict[str, Any]) -> list[Any]:
    """What is beyond noise, with the figures behind it; of the others only the names."""
    rows = pack.changes.reindex(columns=["name", "sentence", "behind", "is_noise"])
    noise = rows["is_noise"].astype("boolean").fillna(False).astype(bool)
    told = [
        f"{row['sentence']} {row['behind'] if pd.notna(row['behind']) else ''}".strip() for _, row in rows[~noise].iterrows()
    ]
    names = ", ".join(str(name) for name in rows.loc[noise, "name"].dropna())
    return _listed("What changed against last year", told, styles, f"Within noise: {names}." if names else "", "Nothing.")


def _alerts(pack: Pack, styles: dict[str, Any]) -> list[Any]:
    told = [f"{row['severity']}: {row['sentence']} {row['action']} ({row['owner']})." for row in pack.alerts.to_dict("records")]
    return _listed("Alerts", told, styles, "", "None.")


def _advice(pack: Pack, styles: dict[str, Any]) -> list[Any]:
    told = []
    for row in pack.advice.to_dict("records"):
        worth = "" if pd.isna(row["expected_amount"]) else f", expected {short(row['expected_amount'], pack.currency)}"
        effort = f", effort {row['effort']}" if row["effort"] else ""
        told.append(f"{row['action']} ({row['owner']}{worth}{effort}). {row['finding']}")
    return _listed("What to do first", told, styles, "", "Nothing is recommended.")


def _listed(title: str, told: list[str], styles: dict[str, Any], last: str, empty: str) -> list[Any]:
    from reportlab.platypus import Paragraph

    shown = [f"{number}. {line}" for number, line in enumerate(told[:_FIRST], start=1)]
    shown += [f"… {len(told) - _FIRST} more on the next pages."] if len(told) > _FIRST else []
    shown += [last] if last else []
    return [
        Paragraph(paper.safe(title), styles["heading"]),
        *(Paragraph(paper.safe(line), styles["text"]) for line in shown or [empty]),
    ]


def _table(frame: pd.DataFrame, currency: str, styles: dict[str, Any], width: float) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import LongTable, Paragraph

    if frame.empty:
        return Paragraph("None.", styles["text"])
    size = " small" if len(frame.columns) > _WIDE else ""
    texts = [[heading(frame, column, currency), *_cells(frame, column)] for column in frame]
    sides = [" number" if {*kinds(frame, column)} != {"text"} else "" for column in frame]
    cells = [
        [Paragraph(paper.safe(value), styles[f"{'cell' if at else 'head'}{side}{size}"]) for at, value in enumerate(column)]
        for column, side in zip(texts, sides, strict=True)
    ]
    look = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"), ("LINEBELOW", (0, 0), (-1, -1), 0.5, HexColor(_RULE)),
        ("BACKGROUND", (0, 0), (-1, 0), HexColor(_HEAD)), ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3), ("LEFTPADDING", (0, 0), (-1, -1), _CELL),
        ("RIGHTPADDING", (0, 0), (-1, -1), _CELL),
    ]  # fmt: skip
    rows = [list(row) for row in zip(*cells, strict=True)]
    widths = _widths(texts, styles[f"head{size}"].fontSize, width)
    return LongTable(rows, widths, style=look, repeatRows=1, splitInRow=1, hAlign="LEFT")


def _cells(frame: pd.DataFrame, column: str) -> list[str]:
    """The values as they stand in a table, a status in its word; what is missing leaves a dash."""
    if column == "status":
        targets = frame["target"] if "target" in frame else [None] * len(frame)
        return [verdict(value, target)[1] for value, target in zip(frame[column], targets, strict=True)]
    told = [text(value, kind) for value, kind in zip(frame[column], kinds(frame, column), strict=True)]
    return ["–" if value == NOT_KNOWN else value for value in told]


def _widths(texts: list[list[str]], size: float, width: float) -> list[float]:
    """Room for the longest word of each column, unless it is very long; what is left goes to the long texts."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    def needed(text: str) -> float:
        return stringWidth(text, paper.BOLD, size) + 2 * _CELL + 1

    words = [min(max(needed(word) for text in column for word in text.split() or [""]), width / 4) for column in texts]
    whole = [min(max(map(needed, column)), width / 2) for column in texts]
    if sum(words) >= width:
        return [width * one / sum(words) for one in words]
    wanted = [max(long - word, 0) for long, word in zip(whole, words, strict=True)]
    spare = min((width - sum(words)) / max(sum(wanted), 1), 1)
    return [word + spare * more for word, more in zip(words, wanted, strict=True)]


@cache
def _styles() -> dict[str, Any]:
    from reportlab.lib.colors import HexColor
    from reportlab.lib.styles import ParagraphStyle

    def style(size: float, font: str = paper.REGULAR, **more: Any) -> Any:
        return ParagraphStyle("s", fontName=font, fontSize=size, leading=size * 1.35, **more)

    return {
        "title": style(16, paper.BOLD, spaceAfter=1),
        "quiet": style(7, textColor=HexColor(tiles.QUIET), spaceAfter=2),
        "headline": style(11, paper.BOLD, spaceBefore=2, spaceAfter=6),
        "heading": style(10.5, paper.BOLD, spaceBefore=7, spaceAfter=2, keepWithNext=1),
        "text": style(8.5, spaceAfter=2.5),
        **{
            f"{part}{side}{small}": style(
                6 if small else 7.5,
                paper.BOLD if part == "head" else paper.REGULAR,
                alignment=2 if side else 0,
                splitLongWords=1,
            )
            for part in ("head", "cell")
            for side in ("", " number")
            for small in ("", " small")
        },
    }
