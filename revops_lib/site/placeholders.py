"""What a company has to put into the pages, `‹adapt: what›`, and what it may change there, `‹default: value›`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..pages import Page
from .markup import code

ADAPT, DEFAULT, MALFORMED = "adapt", "default", "malformed"
_MARK = re.compile(r"‹(?:(adapt|default):([^‹›]*[^\s‹›][^‹›]*)›)?|›")


@dataclass(frozen=True)
class Placeholder:
    page: str
    line: int
    text: str
    kind: str = ADAPT

    def __str__(self) -> str:
        return f"{self.page}, line {self.line}: {self.text}"


def placeholders(found: Iterable[Page]) -> Iterator[Placeholder]:
    """The placeholders of pages, in the order of pages and lines; what stands in code only speaks about them. A ‹ or › that
    belongs to none is MALFORMED."""
    for page in found:
        for mark in _marks(page.text):
            text = " ".join((mark[2] or mark[0] + page.text[mark.end() :].split("\n")[0][:40]).split())
            yield Placeholder(page.name, page.line(mark.start()), text, mark[1] or MALFORMED)


def check(page: Page) -> None:
    """UsageError naming page and line for a ‹ or › that belongs to no placeholder."""
    for one in (one for one in placeholders([page]) if one.kind == MALFORMED):
        do = "write ‹adapt: what to put here› or ‹default: value›, or set it as `code`"
        raise UsageError(f"no placeholder: {one.text}", f"{page.path}, line {one.line}", do)


def settings(playbook: Path) -> Iterator[Placeholder]:
    """What only its company knows beside the pages of a playbook: settings that are empty, tools that are made up."""
    file = playbook / "_config.yml"
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if re.fullmatch(r"feedback: *(?:\"\"|'')? *(?:#.*)?", line):
            yield Placeholder(file.name, number, "feedback: where readers tell what is wrong")
    tools = playbook.parent / "data" / "tools.csv"
    for number, line in enumerate(tools.read_text(encoding="utf-8").splitlines() if tools.is_file() else [], start=1):
        if line.startswith("Sample "):  # as the shipped list calls what it has made up
            yield Placeholder("data/tools.csv", number, f"{line.split(',')[0]}: a made-up tool")


def shown(text: str) -> str:
    """The text as readers see it: a default is the value itself, what must be put in stays marked.

    >>> shown("up to ‹default: 5 %›, ask ‹adapt: whom›")
    'up to 5 %, ask ‹adapt: whom›'
    """
    for mark in reversed(list(_marks(text))):
        if mark[1] == DEFAULT:
            text = text[: mark.start()] + mark[2].strip() + text[mark.end() :]
    return text


def _marks(text: str) -> Iterator[re.Match[str]]:
    hidden = code(text)
    return (mark for mark in _MARK.finditer(text) if not any(start <= mark.start() < end for start, end in hidden))
