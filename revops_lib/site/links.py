"""Links of the playbook's pages that lead nowhere, found in their sources; the build itself follows every link once more."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..pages import GENERATED, Page, code

_LINK = re.compile(r"\]\(\s*([^)\s]+)\s*\)")
_CARD = re.compile(r"^ *:link: *(\S+) *\n *:link-type: *(doc|ref) *$", re.MULTILINE)
_LABEL = re.compile(r"^\(([^()\s]+)\)= *$", re.MULTILINE)


def broken(found: Sequence[Page], playbook: Path) -> list[tuple[str, int, str]]:
    """Page, line and target of each link to a page, a label `(name)=` or a file that does not exist.

    The book knows labels by `#name` alone, from every page: `page.md#name` leads nowhere. Generated pages are taken to exist.
    """
    pages = {page.name for page in found}
    labels = {label for page in found for label in _LABEL.findall(page.text)}

    def leads(page: Page, target: str, kind: str) -> bool:
        way = posixpath.normpath(posixpath.join(posixpath.dirname(page.name), target))
        if kind == "ref" or target.removeprefix("#") in labels:
            return target.removeprefix("#") in labels
        if way.split("/")[0] in GENERATED:
            return True
        return way.removesuffix(".md") in pages if kind == "doc" or way.endswith(".md") else (playbook / way).exists()

    return [(page.name, page.line(at), target) for page in found for at, target, kind in _targets(page)
            if not leads(page, target, kind)]  # fmt: skip


def _targets(page: Page) -> Iterator[tuple[int, str, str]]:
    """Where each link inside the playbook begins, where it leads, and whether to a doc, a ref or a file."""
    hidden = code(page.text)
    for link in _LINK.finditer(page.text):
        if not re.match(r"[a-z]+:", link[1]) and not any(start <= link.start() < end for start, end in hidden):
            yield link.start(), link[1], "file"
    for card in _CARD.finditer(page.text):
        yield card.start(), card[1], card[2]
