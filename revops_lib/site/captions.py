"""The parts of the contents: those that `_toc.yml` names and those that every book has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import sources

HOME, MORE, QUARTERS, METHODS = "Home", "More", "What the quarter showed", "How it is computed"


def sections(playbook: Path) -> dict[str, str]:
    """The caption under which `_toc.yml` lists each page."""

    def below(chapters: list[dict[str, Any]]) -> Iterator[str]:
        for chapter in chapters:
            yield str(chapter.get("file", "")).removesuffix(".md")
            yield from below(chapter.get("sections", []))

    parts = sources.read_yaml(playbook / "_toc.yml").get("parts", [])
    return {name: str(part.get("caption", MORE)) for part in parts for name in below(part.get("chapters", []))}
