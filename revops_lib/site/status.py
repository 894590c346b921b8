"""How far the playbook can be trusted today: due pages, a score per section, broken links, placeholders."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..pages import CHANGED, DUE, UNVERIFIED, VERIFIED, Page, read_all, state
from . import catalogues, french, freshness
from .captions import HOME, METHODS, MORE, sections
from .links import broken
from .placeholders import ADAPT, DEFAULT, MALFORMED, Placeholder, placeholders, settings
from .text import plain

TRUST = "Verified in time: no longer ago than the page says, and since then unchanged. Trust is the share of a section's pages \
that are, verified by their own owner, and with nothing left to fill in."
BY_OTHERS = "Verified by another role than the owner"


@dataclass(frozen=True)
class Status:
    """What is known about pages on a day: `states` by page, `sections` as caption, pages, pages verified in time, pages to be
    trusted. `numbers` and `old` are known where a site is built: live numbers that are not there, and that the runs are old."""

    day: dt.date
    pages: Sequence[Page]
    states: Mapping[str, str]
    sections: Sequence[tuple[str, int, int, int]]
    faulty: Sequence[UsageError]  # pages without owner or with other faults above the text
    broken: Sequence[tuple[str, int, str]]
    placeholders: Sequence[Placeholder]
    untranslated: Mapping[str, Sequence[str]]  # texts that the French edition lacks, by catalogue
    numbers: Sequence[tuple[str, int, str]] | None = None
    old: str = ""

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
    lacking = {name: left for name, left in french.lacking(playbook).items() if name in states or name == catalogues.SITE}
    left = list(placeholders(kept))
    lacks = {one.page for one in left if one.kind != DEFAULT}
    trusted = {page.name for page in kept if states[page.name] == VERIFIED and not (page.verified_by or page.name in lacks)}
    counted = _sections(playbook, states, trusted)
    return Status(day, kept, states, counted, faulty, broken(found, playbook, kept), [*settings(playbook), *left], lacking)


def lines(told: Status) -> Iterator[str]:
    """The status as a text for a terminal."""
    n, of = told.in_time
    yield f"{n} of {_pages(of)} verified in time on {told.day}{_percent(n, of)}"
    yield ""
    width = max((len(caption) for caption, *_ in told.sections), default=0)
    for caption, many, fresh, trusted in told.sections:
        yield f"{caption:<{width}}  {fresh} of {_pages(many)}{_percent(fresh, many)}, trust {_share(trusted, many)}"
    for what, items in _details(told):
        yield ""
        yield f"{what}: {len(items) or 'none'}"
        yield from (f"  {name}{rest}" for name, rest in items)
    if left := [page for page in told.pages if told.states[page.name] != VERIFIED]:
        yield from ("", "Once their owners have read them:", *(command.strip("`") for command in freshness.commands(left)))


def page(told: Status) -> str:
    """The status as a page of the site."""
    n, of = told.in_time
    rows = [(caption, str(many), str(fresh), _share(trusted, many)) for caption, many, fresh, trusted in told.sections]
    table = ["| section | pages | verified in time | trust |", "| :--- | ---: | ---: | ---: |"]
    table += [f"| {' | '.join(map(plain, row))} |" for row in rows]
    parts = ["# State of this playbook", f":::{{div}} page-about\nas of {told.day}\n:::"]
    parts += [f"**{n} of {_pages(of)} verified in time{_percent(n, of)}.**", TRUST, told.old and f"**{told.old}**"]
    parts += ["## Trust by section", "\n".join(table)]
    for what, items in _details(told):
        parts += [f"## {what}", "\n".join(f"- {_link(name, told)}{plain(rest, 300)}" for name, rest in items) or "None."]
    return "\n\n".join(part for part in parts if part) + "\n"


def _link(name: str, told: Status) -> str:
    return f"[{name}](../{name}.md)" if name in told.states else plain(name)


def _details(told: Status) -> list[tuple[str, list[tuple[str, str]]]]:
    """What somebody has to do: page, and what is said about it. On a site no page is without owner: none would be built."""
    numbers = [(name, f", line {line}: {said}") for name, line, said in told.numbers or ()]
    return [
        ("Due for review", [(page.name, f", since {page.review_by}: {page.owner}") for page in told.of(DUE)]),
        (CHANGED.capitalize(), [(page.name, f": {page.owner}") for page in told.of(CHANGED)]),
        (UNVERIFIED.capitalize(), [(page.name, f": {page.owner}") for page in told.of(UNVERIFIED)]),
        (BY_OTHERS, [(page.name, f": {page.verified_by}") for page in told.pages if page.verified_by]),
        ("Without owner, or not to be read", [(fault.where, f": {fault.what}") for fault in told.faulty]),
        ("Broken links", [(name, f", line {line}: {target}") for name, line, target in told.broken]),
        ("Not in French", [(name, f": {_texts(left)}") for name, left in told.untranslated.items()]),
        ("Placeholders to fill in", _listed(told, ADAPT)),
        ("Defaults to check", _listed(told, DEFAULT)),
        ("Marks that are no placeholders", _listed(told, MALFORMED)),
        *([] if told.numbers is None else [("Live numbers that are not there", numbers)]),
    ]


def _listed(told: Status, kind: str) -> list[tuple[str, str]]:
    return [(one.page, f", line {one.line}: {one.text}") for one in told.placeholders if one.kind == kind]


def _sections(playbook: Path, states: Mapping[str, str], trusted: set[str]) -> list[tuple[str, int, int, int]]:
    captions = sections(playbook)
    counted: dict[str, list[str]] = {HOME: [], **{caption: [] for caption in captions.values()}, MORE: [], METHODS: []}
    for name in states:
        own = HOME if name == "index" else METHODS if name.startswith("methods/") else MORE
        counted[captions.get(name, own)].append(name)
    return [(caption, len(all_), sum(states[name] == VERIFIED for name in all_), len(trusted.intersection(all_)))
            for caption, all_ in counted.items() if all_]  # fmt: skip


def _texts(left: Sequence[str]) -> str:
    return "1 text" if len(left) == 1 else f"{len(left)} texts"


def _pages(n: int) -> str:
    return "1 page" if n == 1 else f"{n} pages"


def _share(n: int, of: int) -> str:
    return f"{n / of:.0%}"


def _percent(n: int, of: int) -> str:
    return f" ({_share(n, of)})" if of else ""
