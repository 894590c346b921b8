"""Links of the playbook's pages that lead nowhere, found in their sources; the build itself follows every link once more."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..pages import GENERATED, Page
from . import markup


def broken(found: Sequence[Page], playbook: Path, only: Sequence[Page] | None = None) -> list[tuple[str, int, str]]:
    """Page, line and target of each link (of `only` these pages) to a page, a label `(name)=` or a file that does not exist.

    The book knows labels by `#name` alone, from every page: `page.md#name` leads nowhere. Generated pages are taken to exist;
    nothing else can be included.
    """
    pages = {page.name for page in found}
    labels = {label for page in found for label in markup.labels(page)}

    def leads(page: Page, target: str, kind: str) -> bool:
        if kind == markup.REF or target.removeprefix("#") in labels:
            return target.removeprefix("#") in labels
        way = _way(page, target)
        if way.split("/")[0] in GENERATED or kind == markup.INCLUDED:
            return way.split("/")[0] in GENERATED
        is_page = kind == markup.DOC or way.endswith(".md")
        return way.removesuffix(".md") in pages if is_page else (playbook / way).exists()

    return [(page.name, line, target) for page in (found if only is None else only)
            for line, target, kind in markup.targets(page)
            if not re.match(r"[a-z]+:", target) and not leads(page, target, kind)]  # fmt: skip


def included(page: Page) -> Iterator[str]:
    """The files that a page includes, from the top of the playbook."""
    return (_way(page, target) for _, target, kind in markup.targets(page) if kind == markup.INCLUDED)


def _way(page: Page, target: str) -> str:
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(page.name), target)).lstrip("/")
