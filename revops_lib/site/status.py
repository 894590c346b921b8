"""How far the playbook can be trusted today: due pages, a score per section, broken links, placeholders."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import sources
from ..errors import UsageError
from ..pages import CHANGED, DUE, UNVERIFIED, VERIFIED, Page, read_all, state
from .links import broken
from .text import plain

HOME, METHODS, MORE = "Home", "How it is computed", "More"
TRUST = "Trust is the share of a section's pages that are verified in time: by their owner, no longer ago than the page says, \
and since then unchanged."
_PLACEHOLDER = re.compile(r"‹adapt:\s*(?!…›)([^‹›]*)›")  # ‹adapt: …› speaks about them


@dataclass(frozen=True)
class Placeholder:
    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}, line {self.line}: {self.text}"


@dataclass(frozen=True)
class Status:
    """What is known about pages on a day: `states` by page, `sections` as caption, pages, pages verified in time."""

    day: dt.date
    pages: Sequence[Page]
    states: Mapping[str, str]
    sections: Sequence[tuple[str, int, int]]
    faulty: Sequence[UsageError]  # pages without owner or with other faults above the text
    broken: Sequence[tuple[str, int, str]]
    placeholders: Sequence[Placeholder]

    def of(self, wanted: str) -> list[Page]:
        return [page for page in self.pages if self.states[page.name] == wanted]

    @property
    def in_time(self) -> tuple[int, int]:
        return len(self.of(VERIFIED)), len(self.pages) + len(self.faulty)


def status(playbook: Path, *, day: dt.date, only: Iterable[str] | None = None) -> Status:
    """The status of a playbook's pages, or of those named in `only`. A page that cannot be read is in no section."""
    found, faulty = read_all(playbook)
    shown = None if only is None else set(only)
    kept = [page for page in found if shown is None or page.name in shown]
    states = {page.name: state(page, day) for page in kept}
    told = [(name, line, target) for name, line, target in broken(found, playbook) if name in states]
    return Status(day, kept, states, _sections(playbook, states), faulty, told, list(placeholders(kept)))


def placeholders(found: Iterable[Page]) -> Iterator[Placeholder]:
    """What a company still has to put in, ‹adapt: …› in the text, in the order of pages and lines."""
    for page in found:
        for mark in _PLACEHOLDER.finditer(page.text):
            yield Placeholder(page.name, page.line(mark.start()), " ".join(mark[1].split()))


def lines(told: Status) -> Iterator[str]:
    """The status as a text for a terminal."""
    n, of = told.in_time
    yield f"{n} of {_pages(of)} verified in time on {told.day}{_percent(n, of)}"
    yield ""
    width = max((len(caption) for caption, _, _ in told.sections), default=0)
    for caption, many, fresh in told.sections:
        yield f"{caption:<{width}}  {fresh} of {_pages(many)}{_percent(fresh, many)}"
    for what, items in _details(told):
        yield ""
        yield f"{what}: {len(items) or 'none'}"
        yield from (f"  {name}{rest}" for name, rest in items)


def page(told: Status) -> str:
    """The status as a page of the site."""
    n, of = told.in_time
    rows = [(caption, str(many), str(fresh), _share(fresh, many)) for caption, many, fresh in told.sections]
    table = ["| section | pages | verified in time | trust |", "| :--- | ---: | ---: | ---: |"]
    table += [f"| {' | '.join(map(plain, row))} |" for row in rows]
    parts = ["# State of this playbook", f":::{{div}} page-about\nas of {told.day}\n:::"]
    parts += [f"**{n} of {_pages(of)} verified in time{_percent(n, of)}.**", TRUST, "## Trust by section", "\n".join(table)]
    for what, items in _details(told):
        parts += [f"## {what}", "\n".join(f"- [{name}](../{name}.md){plain(rest, 300)}" for name, rest in items) or "None."]
    return "\n\n".join(parts) + "\n"


def _details(told: Status) -> list[tuple[str, list[tuple[str, str]]]]:
    """What somebody has to do: page, and what is said about it. On a site no page is without owner: none would be built."""
    return [
        ("Due for review", [(page.name, f", since {page.review_by}: {page.owner}") for page in told.of(DUE)]),
        (CHANGED.capitalize(), [(page.name, f": {page.owner}") for page in told.of(CHANGED)]),
        (UNVERIFIED.capitalize(), [(page.name, f": {page.owner}") for page in told.of(UNVERIFIED)]),
        ("Without owner, or not to be read", [(fault.where, f": {fault.what}") for fault in told.faulty]),
        ("Broken links", [(name, f", line {line}: {target}") for name, line, target in told.broken]),
        ("Placeholders to fill in", [(one.page, f", line {one.line}: {one.text}") for one in told.placeholders]),
    ]


def _sections(playbook: Path, states: Mapping[str, str]) -> list[tuple[str, int, int]]:
    captions = sections(playbook)
    counted: dict[str, list[str]] = {HOME: [], **{caption: [] for caption in captions.values()}, MORE: [], METHODS: []}
    for name, now in states.items():
        own = HOME if name == "index" else METHODS if name.startswith("methods/") else MORE
        counted[captions.get(name, own)].append(now)
    return [(caption, len(all_), all_.count(VERIFIED)) for caption, all_ in counted.items() if all_]


def sections(playbook: Path) -> dict[str, str]:
    """The caption under which `_toc.yml` lists each page."""

    def below(chapters: list[dict[str, Any]]) -> Iterator[str]:
        for chapter in chapters:
            yield str(chapter.get("file", "")).removesuffix(".md")
            yield from below(chapter.get("sections", []))

    parts = sources.read_yaml(playbook / "_toc.yml").get("parts", [])
    return {name: str(part.get("caption", MORE)) for part in parts for name in below(part.get("chapters", []))}


def _pages(n: int) -> str:
    return "1 page" if n == 1 else f"{n} pages"


def _share(n: int, of: int) -> str:
    return f"{n / of:.0%}"


def _percent(n: int, of: int) -> str:
    return f" ({_share(n, of)})" if of else ""
