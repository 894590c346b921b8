"""Live numbers: what a page takes from the newest run, `[[stem.table.column key=value]]` or `[[stem.headline]]`.

A page can show nothing else than what the run has published for its readers: the report of `public/`, the list of
`playbook/reports.yml` once more, and the page's own audience. A number that is not there stops the build.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ..allowlist import NOT_AVAILABLE
from ..errors import UsageError, nearest
from ..pages import Page, code
from ..report import UNKNOWN
from .text import SENTENCE, bare, plain

NO_RUN = "no run yet"
NOT_THERE = "not available"
HEADLINE = "headline"
_MARK = re.compile(r"\[\[([^\[\]]*)\]\]")
_ROLE = re.compile(r"\{[^{}`]*\}`+[^`]*$")
# Where text is not read as text, or is shown elsewhere without its escapes: headings, openings and options of directives,
# targets of links.
_BEFORE = re.compile(r"[\s>*+\-0-9.)]*#{1,6}\s|\s*(?::{3,}|`{3,}|~{3,})|\s*:[a-z-]+:|\s*\[[^\]]*\]:|.*(?:\]\([^)]*|<[^>\s]*)$")
_UNDERLINE = re.compile(r"[\s>]*(?:=+|-+)\s*")


def fill(page: Page, published: Sequence[Mapping[str, Any]], listed: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a page with its live numbers in their places and, below it, a line about the runs they come from.

    `published` are the reports of the runs as `reports.publish` gives them, the newest first. Numbers are the newest run's; of
    topics that are published of ended quarters only, those of the newest run that has such topics. "no run yet" stands in the
    place where there is none, "not available" where the run says that the source cannot support the whole table, does not know
    the cell or that the topic failed, the report's own words where a small group stands behind it. `listed` are all topics of
    `playbook/reports.yml`.

    UsageError naming page and line for a mark that is not one, a topic that is not for the page's readers or was not in the
    run, a table, column or row that is not published, several rows, and for a place where escaped text is not safe.
    """
    used: dict[str, Mapping[str, Any]] = {}
    hidden = code(page.text)

    def put(mark: re.Match[str]) -> str:
        if any(start <= mark.start() < end for start, end in hidden):
            if _ROLE.search(_before(page, mark)):
                raise _misplaced(page, mark)
            return mark[0]
        below = page.text[mark.end() :].split("\n\n", 1)[0].split("\n")[1:]
        if _BEFORE.match(_before(page, mark)) or any(map(_UNDERLINE.fullmatch, below)):
            raise _misplaced(page, mark)
        stem, table, column, keys = _asked(page, mark, listed)
        used[stem] = report = _report(published, stem, listed)
        if not report:
            return NO_RUN
        try:
            return _value(report, listed[stem], stem, table, column, keys)
        except _Missing as missing:
            do = "correct the mark, take it out, or run the quarter again"
            raise UsageError(f"{mark[0]}: {missing}", _where(page, mark), do) from missing

    text = _MARK.sub(put, page.text)
    if text == page.text:
        return text
    return f"{text.rstrip()}\n\n:::{{div}} page-about\nNumbers: {_origin(page, listed, used)}.\n:::\n"


class _Missing(Exception):
    """Why there is no such number."""


def _where(page: Page, mark: re.Match[str]) -> str:
    return f"{page.path}, line {page.line(mark.start())}"


def _before(page: Page, mark: re.Match[str]) -> str:
    return page.text[: mark.start()].rsplit("\n", 1)[-1]


def _misplaced(page: Page, mark: re.Match[str]) -> UsageError:
    do = "put it into plain text or a table, not into a heading, a directive, a role or a link"
    return UsageError(f"a live number cannot stand there: {mark[0]}", _where(page, mark), do)


def _asked(
    page: Page, mark: re.Match[str], listed: Mapping[str, Mapping[str, Any]]
) -> tuple[str, str, str, list[tuple[str, str]]]:
    """Topic, table, column and the cells that the row must have; table is HEADLINE for a headline."""
    form = "write [[topic.table.column key=value]] or [[topic.headline]]"
    try:
        name, *pairs = shlex.split(mark[1])
        stem, table, *column = name.split(".")
        keys = [(key, value) for key, value in (pair.split("=", 1) for pair in pairs)]
        if len(column) != (table != HEADLINE) or (keys and table == HEADLINE):
            raise ValueError
    except ValueError as failure:
        raise UsageError(f"{mark[0]} is not a live number", _where(page, mark), form) from failure
    if stem not in listed:
        raise UsageError(f"{mark[0]}: unknown topic {stem!r}", _where(page, mark), nearest(stem, listed))
    if page.audience != "internal" and listed[stem]["audience"] == "internal":
        do = "give the page `audience: internal`, or take the number out"
        raise UsageError(f"{mark[0]}: {stem} is not for the readers of this page", _where(page, mark), do)
    return stem, table, column[0] if column else "", keys


def _report(published: Sequence[Mapping[str, Any]], stem: str, listed: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The newest run's report. Where a topic waits for the end of the quarter, runs in which every such topic waits are passed
    over; empty when there is none."""
    waiting = {name for name, entry in listed.items() if entry.get("finished")}

    def has_ended(report: Mapping[str, Any]) -> bool:
        return bool(waiting & {*report["failed"], *(topic["stem"] for topic in report["reports"])})

    return next((report for report in published if stem not in waiting or has_ended(report)), {})


def _value(
    report: Mapping[str, Any], entry: Mapping[str, Any], stem: str, table: str, column: str, keys: list[tuple[str, str]]
) -> str:
    topic = next((topic for topic in report["reports"] if topic["stem"] == stem), None)
    if topic is None and stem in report["failed"]:
        return NOT_THERE
    if topic is None:
        raise _Missing(f"{stem} is not in the run of {report['quarter']}, a number of it would be older")
    if table == HEADLINE:
        return plain(topic["headline"], SENTENCE)
    published = {one["name"]: one for one in topic["tables"] if one["name"] in entry["tables"]}
    if table not in published:
        raise _Missing(f"no table {table!r} is published, {nearest(table, published)}")
    columns, rows = published[table]["columns"], published[table]["rows"]
    if columns == NOT_AVAILABLE:
        return NOT_THERE
    cells = [row for row in rows if len(row) == len(columns)]
    for key, value in keys:
        place = _place(key, columns)
        kept = [row for row in cells if row[place] == value]
        if not kept:
            raise _Missing(f"no row has {key}={value}, {nearest(value, dict.fromkeys(row[place] for row in cells))}")
        cells = kept
    if len(cells) != 1:
        raise _Missing(f"{len(cells)} rows fit, name one by key=value of {', '.join(_name(name) for name in columns)}")
    cell = str(cells[0][_place(column, columns)])
    return NOT_THERE if cell in ("", UNKNOWN) else plain(cell)


def _place(name: str, columns: list[str]) -> int:
    named = [_name(column) for column in columns]
    if name not in named:
        raise _Missing(f"no column {name!r}, {nearest(name, named)}")
    return named.index(name)


def _name(column: str) -> str:
    """How a mark names a column: as the report shows it, without blanks."""
    return column.replace(" ", "_")


def _origin(page: Page, listed: Mapping[str, Mapping[str, Any]], used: Mapping[str, Mapping[str, Any]]) -> str:
    """Quarter and day of each run that the numbers are from, with links to its reports."""
    said: dict[str, list[str]] = {}
    for stem in (stem for stem in listed if stem in used):
        report = used[stem]
        way = posixpath.relpath(f"reports/{report.get('quarter')}", posixpath.dirname(page.name) or ".")
        from_ = f"{report['quarter']}, as of {plain(report['as_of'])}, from " if report else NO_RUN
        said.setdefault(from_, []).extend([f"[{bare(listed[stem]['title'])}]({way}/{stem}.md)"] if report else [])
    return "; ".join(from_ + ", ".join(links) for from_, links in said.items())
