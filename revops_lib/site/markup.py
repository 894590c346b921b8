"""A page as MyST reads it: what is a title and what leads somewhere, and not what only looks so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from urllib.parse import unquote

from ..errors import UsageError
from ..pages import Page

LINK, DOC, REF, INCLUDED = "link", "doc", "ref", "include"
TITLE = re.compile(r"\A(?:---\n(?:.*\n)*?---\n)?(?:\s|\([^()\s]+\)=)*# +\S.*")  # what a page begins with
_DIRECTIVE = re.compile(r"\{([\w-]+)\}\s*(.*)")
_CODE = re.compile(r"code|math|mermaid|literal|parsed")  # directives whose body is not read like the page
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
_OPTION = re.compile(r"^ *:(link|link-type): *(\S+) *$", re.MULTILINE)
_ROLE = re.compile(r"(?:.*<([^<>]+)>|(.+))", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """What stands between fences: its first line and the one after its last, counted from 0, whether it holds code (which
    neither is translated nor has links or marks), and whether it is closed."""

    start: int
    end: int
    is_code: bool
    is_closed: bool


def check(page: Page) -> None:
    """UsageError unless the page begins with its title, has one only, and closes what it opens."""
    for block in (one for one in blocks(page.text) if not one.is_closed):
        what, where = "what opens here is not closed", f"{page.path}, line {page.above + block.start + 1}"
        raise UsageError(what, where, "end it with a line of the same marks, as many as it opens with")
    titles = [line for line, token in _tokens(page.text, page.above + 1) if token.type == "heading_open" and token.tag == "h1"]
    if not TITLE.match(page.text):
        do = "write `# Title` first below the front matter"
        raise UsageError("the page does not begin with its title", f"{page.path}, line {page.above + 1}", do)
    if len(titles) != 1:
        raise UsageError("the page has a second title", f"{page.path}, line {titles[1]}", "write it as `## …`")


def targets(page: Page) -> Iterator[tuple[int, str, str]]:
    """Where each link of a page stands, where it leads as it is written, and whether to a link, a doc, a ref or an include."""
    for line, token in _tokens(page.text, page.above + 1):
        name, options = _opened(token)
        if name == INCLUDED:
            yield line, _directive(token)[1], INCLUDED
        elif "link" in options:
            written = line + 1 + token.content[: token.content.index(":link:")].count("\n")
            yield written, options["link"], options.get("link-type", LINK)
        elif token.type == "link_open" or token.type == "image":
            yield line, unquote(str(token.attrs.get("href", token.attrs.get("src")))), LINK
        elif token.type == "myst_role" and token.meta["name"] in (DOC, REF) and (said := _ROLE.fullmatch(token.content)):
            yield line, said[1] or said[2], token.meta["name"]


def labels(page: Page) -> Iterator[str]:
    """The names `(name)=` that a page gives to its places."""
    yield from (token.content for _, token in _tokens(page.text, 1) if token.type == "myst_target")


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a text in their order, those inside others too."""
    lines = text.split("\n")
    for line, token in _tokens(text, 0):
        if token.type in ("fence", "colon_fence", "code_block") and token.map:
            end = line + token.map[1] - token.map[0]
            last = lines[end - 1].strip(" \t>") if end - 1 > line else ""
            is_closed = token.type == "code_block" or (last.startswith(token.markup) and not last.strip(token.markup[0]))
            yield Block(line, end, not (name := _directive(token)[0]) or bool(_CODE.match(name)), is_closed)


def code(text: str) -> list[tuple[int, int]]:
    """Where code stands in a text, from and to: blocks of it, and spans of backticks."""
    hidden = {line for block in blocks(text) if block.is_code for line in range(block.start, block.end)}
    spans, at = [], 0
    for number, line in enumerate(text.split("\n")):
        inside = [(0, len(line))] if number in hidden else [span.span() for span in _CODE_SPAN.finditer(line)]
        spans += [(at + start, at + end) for start, end in inside]
        at += len(line) + 1
    return spans


def _tokens(text: str, above: int) -> Iterator[tuple[int, Any]]:
    """Every token of a text with its line, also inside directives and inside lines; `above` is the line of the first."""
    for token in _parsed(text):
        line = above + (token.map[0] if token.map else 0)
        yield line, token
        for child in token.children or ():
            yield line, child
            line += child.type in ("softbreak", "hardbreak")
        name, argument = _directive(token)
        if name and name != INCLUDED and not _CODE.match(name):
            yield from _tokens(argument, line)
            yield from _tokens(token.content, line + 1)


def _directive(token: Any) -> tuple[str, str]:
    """Name and argument of a directive; empty for every other token."""
    found = _DIRECTIVE.fullmatch(token.info.strip()) if token.type in ("fence", "colon_fence") else None
    return (found[1], found[2]) if found else ("", "")


def _opened(token: Any) -> tuple[str, dict[str, str]]:
    """Name of a directive, and of its own options, above the first line that is none, those that lead somewhere."""
    name, _ = _directive(token)
    own = re.match(r"(?: *:[\w-]+:.*\n?)*", token.content) if name else None
    return name, dict(_OPTION.findall(own[0])) if own else {}


@lru_cache(maxsize=512)  # every text of a book is looked at several times
def _parsed(text: str) -> tuple[Any, ...]:
    return tuple(_parser().parse(text))


@cache
def _parser() -> Any:
    """The parser of the book, with the extensions of `_config.yml` that open blocks or links."""
    from markdown_it.renderer import RendererHTML
    from myst_parser.config.main import MdParserConfig
    from myst_parser.parsers.mdit import create_md_parser

    config = MdParserConfig(
        enable_extensions={"colon_fence", "deflist", "tasklist"}, disable_syntax=["html_block", "html_inline"]
    )
    return create_md_parser(config, RendererHTML)
