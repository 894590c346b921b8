"""What `revops playbook` writes: that a page was verified, and a new page. Taken back with git like every other edit."""

from __future__ import annotations

import datetime as dt
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from .. import disk
from ..errors import UsageError, nearest
from ..pages import GENERATED, REVIEW_EVERY, fingerprint, names, parsed, read, read_all
from .captions import sections
from .links import broken
from .markup import check as check_markup
from .placeholders import ADAPT, check, placeholders

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)*")
_TEMPLATE = """\
---
owner: {owner}
review_every: {days} days
---
# {title}

**‹adapt: the answer in one or two sentences, as you would give it on the phone›**

## ‹adapt: what a reader would type into the search›

‹adapt: what to do, in the order in which it is done; links to the pages that say more›
"""


def verify(wanted: list[str], *, playbook: Path, on: dt.date, today: dt.date, by: str) -> list[str]:
    """Write into pages that the role `by` has read them and that they are right: `verified`, `body`, who when it was not the
    owner, and `updated` when something has changed. A sentence per page; all pages are looked at before the first is written.

    Pages are named as in links, with or without `.md`. UsageError for an unknown page, front matter that is wrong, a day that
    has not come or lies before the last verification, an empty role, a page without its one title, with a broken link or with a
    mark that is no placeholder.
    """
    if not by or not by.isprintable():
        raise UsageError("nobody has read it", "--by", "name the role that has read the pages, never a person")
    if on > today:
        raise UsageError(f"{on} has not come", "--on", f"today is {today}")
    there = names(playbook)
    for name in wanted:
        if name not in there:
            raise UsageError(f"no page {name!r}", str(playbook), nearest(name, there))
    found = [read(name, playbook) for name in dict.fromkeys(wanted)]
    for page in found:
        if page.verified and on < page.verified <= today:
            raise UsageError(f"{page.name} was verified later, on {page.verified}", "--on", "name that day or a later one")
        check_markup(page)
        check(page)
    if faults := broken(read_all(playbook)[0], playbook, found):
        name, line, target = faults[0]
        many = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        do = "correct the link: `revops playbook status` lists them"
        raise UsageError(f"{target} leads nowhere{many}", f"{playbook / f'{name}.md'}, line {line}", do)
    said = []
    for page in found:
        body = fingerprint(page)
        is_new = body != page.body
        by_other = "" if by.casefold() == page.owner.casefold() else by
        values = {"verified": on.isoformat(), "verified_by": _scalar(by_other) if by_other else "", "body": body}
        front = _with(page.front, values | ({"updated": on.isoformat()} if is_new else {}))
        disk.write_text(page.path, front + page.text)
        left = sum(one.kind == ADAPT for one in placeholders([page]))
        before = f"before: {page.verified}" if page.verified else "for the first time"
        until = on + dt.timedelta(days=page.review_every)
        text = f"it has {'changed' if is_new else 'not changed'} since ({body})"
        said.append(f"{page.path}: verified {on} by {by} until {until} ({before}), {text}")
        said[-1] += f", not the owner ({page.owner}): no trust" if by_other else ""
        said[-1] += f", placeholders left: {left}" if left else ""
    return said


def new(name: str, *, playbook: Path, title: str, owner: str, part: str = "") -> list[str]:
    """Write a page from a template and list it in `_toc.yml`, at the end of `part` (default: where its folder's pages are).

    Sentences about what was written. UsageError for a name that is taken or none, an empty title or owner, a title that makes
    a page which would be refused, a part that is not there or not to be told.
    """
    name = name.removesuffix(".md")
    if not _NAME.fullmatch(name) or name.split("/")[0] in GENERATED:
        raise UsageError(f"{name!r} is no name for a page", "revops playbook new", "small letters, digits, hyphens: sell/demo")
    if (playbook / f"{name}.md").exists():
        raise UsageError(f"the page {name} is there already", str(playbook / f"{name}.md"), "choose another name")
    for what, value in (("title", title), ("owner", owner)):
        if not value.strip() or not value.isprintable():
            raise UsageError(f"the {what} is empty or not one line", f"--{what}", "write a few words")
    contents = playbook / "_toc.yml"
    before = contents.read_text(encoding="utf-8")
    part = part or _part_of(name, playbook)
    after = _listed(before, part, name, contents)
    text = _TEMPLATE.format(owner=_scalar(owner.strip()), title=title.strip(), days=REVIEW_EVERY)
    page = parsed(name, playbook / f"{name}.md", text)
    check_markup(page)
    check(page)
    disk.write_text(page.path, text)
    disk.write_text(contents, after)
    then = f"fill in ‹adapt: …› and then `revops playbook verify {name} --by {shlex.quote(page.owner)}`"
    return [
        f"{playbook / f'{name}.md'}: written from the template, {then}",
        f"{contents}: listed at the end of “{part}”",
    ]


def _with(front: str, values: dict[str, str]) -> str:
    """Front matter in which keys have these values, an empty one not at all; every other line stays as it is."""
    lines = front.splitlines()
    for key, value in values.items():
        at = next((number for number, line in enumerate(lines) if re.match(rf"""(["']?){key}\1 *:""", line)), None)
        written = [f"{key}: {value}"] if value else []
        if at is not None:
            lines[at : at + 1] = written
        else:
            lines[-1:-1] = written
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """Text as YAML writes it on one line, quoted where it must be."""
    return yaml.safe_dump(text, width=10_000, allow_unicode=True).split("\n")[0]


def _part_of(name: str, playbook: Path) -> str:
    """The part of the contents that lists most pages of the page's folder."""
    folder = name.rpartition("/")[0]
    captions = sections(playbook)
    alike = [caption for page, caption in captions.items() if page.rpartition("/")[0] == folder]
    if not alike:
        raise UsageError(f"no part lists a page of {folder}/", "--part", nearest("", dict.fromkeys(captions.values())))
    return max(dict.fromkeys(alike), key=alike.count)


def _listed(text: str, part: str, name: str, path: Path) -> str:
    """The table of contents with a page at the end of a part; comments and everything else stay as they are."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    parts = _get(root, "parts")
    given = {_get(one, "caption").value: one for one in (parts.value if parts else []) if _get(one, "caption")}
    chapters = _get(given[part], "chapters") if part in given else None
    if chapters is None or not chapters.value or chapters.flow_style:
        raise UsageError(f"no part {part!r} with pages in lines of their own", str(path), nearest(part, given))
    lines = text.splitlines()
    at = _last_line(chapters.value[-1]) + 1
    lines.insert(at, f"{' ' * chapters.start_mark.column}- file: {name}")
    return "\n".join(lines) + "\n"


def _get(node: Any, key: str) -> Any:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _last_line(node: yaml.Node) -> int:
    if isinstance(node, yaml.ScalarNode):
        return int(node.start_mark.line)
    parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
    return max(map(_last_line, parts), default=int(node.start_mark.line))
