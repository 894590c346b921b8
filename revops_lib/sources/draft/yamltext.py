"""Pieces of YAML on one line, whatever a header or a value holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

MARK = "# unsure:"
_WIDTH = 118


def flow(value: Any) -> str:
    """A text, list or mapping as YAML in one line that reads back the same.

    >>> flow({"amount": "Montant : total", "name": " l'affaire", "stage": "no", "note": "two\\nlines"})
    '{amount: \\'Montant : total\\', name: \\' l\\'\\'affaire\\', stage: \\'no\\', note: "two\\\\nlines"}'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(one) for one in value) + "]"
    text = _dumped(value)
    return _dumped(value, style='"') if len(text.splitlines()) > 1 else text


def _dumped(value: Any, style: str | None = None) -> str:
    # Within a list, what would end a value there is quoted, too.
    text = yaml.safe_dump([value], default_flow_style=True, default_style=style, allow_unicode=True, width=float("inf"))
    return text.removesuffix("\n")[1:-1]


def wrapped(begin: str, items: Sequence[str], end: str = "", width: int = _WIDTH) -> list[str]:
    """Items with commas between them, on as many lines as they need; the later ones are indented by two more than the first."""
    indent = " " * (len(begin) - len(begin.lstrip()) + 2)
    lines = [begin]
    for i, item in enumerate(items):
        piece = item + (", " if i < len(items) - 1 else end)
        if i and len(lines[-1]) + len(piece) > width:
            lines.append(indent)
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def plain(text: str) -> str:
    """A sentence as it may stand in a comment, on one line."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def mark(doubt: str) -> str:
    """The end of a line that is doubtful."""
    return f"  {MARK} {plain(doubt)}" if doubt else ""


def shown(text: str) -> str:
    """A text from a file as it may stand in a comment: quoted, without line ends and control characters, not too long."""
    return repr(text if len(text) <= 40 else text[:39] + "…")
