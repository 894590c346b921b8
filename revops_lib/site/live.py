"""Live numbers: what a page takes from the newest run, `[[stem.table.column key=value]]` or `[[stem.headline]]`. Among the keys
`round=0` shows a number without decimals.

A page can show nothing else than what the run has published for its readers: the report of `public/`, the list of
`playbook/reports.yml` once more, and the page's own audience. A number that is missing or old stops the build; one that was
measured and is not known is said to be so.
"""

from __future__ import annotations

import datetime as dt
import posixpath
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..allowlist import BESIDE, FEW, NOT_AVAILABLE, NOT_TOLD, TOO_FEW
from ..errors import UsageError, nearest
from ..pages import Page
from ..report import UNKNOWN
from . import markup
from .reports import is_old, newest
from .text import CELL, SENTENCE, bare, plain

NO_RUN = "no run yet"
NOT_THERE = "not available"
NUMBERS, FROM, OLD = "Numbers: {}.", "{}, as of {}, from {}", "**older than two quarters**"
PHRASES = (NO_RUN, NOT_THERE, UNKNOWN, FEW, BESIDE, NUMBERS, FROM, OLD)
_UNMEASURED = {NO_RUN, NOT_THERE, UNKNOWN, FEW, BESIDE, TOO_FEW, NOT_TOLD}
DO = "correct the mark, run every topic of the quarter again, or build with --despite-failed"
HEADLINE, ROUND = "headline", "round"
_NUMBER = re.compile(r"-?[0-9,]+(?:\.[0-9]+)?")
_PART = re.compile(r"(?:.*/)?reports/_(\w+)\.md")
_MARK = re.compile(r"\[\[([^\[\]]*)\]\]")
_ROLE = re.compile(r"\{[^{}`]*\}`+[^`]*$")
# Where text is not read as text, or is shown elsewhere without its escapes: headings, options of directives, targets of links;
# the line that opens a directive is one more.
_BEFORE = re.compile(r"[\s>*+\-0-9.)]*#{1,6}\s|\s*:[a-z-]+:|\s*\[[^\]]*\]:|.*(?:\]\([^)]*|<[^>\s]*)$")
_UNDERLINE = re.compile(r"[\s>]*(?:=+|-+)\s*")


def fill(
    page: Page,
    published: Sequence[Mapping[str, Any]],
    listed: Mapping[str, Mapping[str, Any]],
    say: Callable[[str], str] = str,
    *,
    day: dt.date | None = None,
    note: Callable[[str, int, str], object] = lambda page, line, said: None,
    missed: Callable[[str, int, str], object] | None = None,
) -> str:
    """The text of a page with its live numbers in their places and, below it, a line about the runs they come from.

    `published` are the reports of the runs as `reports.publish` gives them, the newest first; which of them a topic shows, says
    `reports.newest`. "no run yet" stands in the place where there is none, "not available" where the run says that the source
    cannot support the whole table, "not known" where it does not know the cell, the report's own words where a small group
    stands behind it: `note` is told page, line and words. `listed` are all topics of `playbook/reports.yml`; `say` translates
    what stands around the numbers and writes them as its language does. Of numbers that are too old on `day` the line says so.

    UsageError naming page and line for a mark that is not one, a topic or table that is not for the page's readers, a place
    where escaped text is not safe; and for a topic that failed or was not in the run, a table, column or single row that is not
    in its results, also where the page includes what a topic showed: `missed` is told page, line and what in place of
    the error, and "not available" stands there.
    """
    used: dict[str, Mapping[str, Any]] = {}
    hidden = markup.code(page.text)
    openings = {block.start for block in markup.blocks(page.text)}

    def tell(line: int, what: str) -> str:
        if missed is None:
            raise UsageError(what, f"{page.path}, line {line}", DO)
        missed(page.name, line, what)
        return NOT_THERE

    def put(mark: re.Match[str]) -> str:
        if any(start <= mark.start() < end for start, end in hidden):
            if _ROLE.search(_before(page, mark)):
                raise _misplaced(page, mark)
            return mark[0]
        below = page.text[mark.end() :].split("\n\n", 1)[0].split("\n")[1:]
        is_opening = page.text.count("\n", 0, mark.start()) in openings
        if is_opening or _BEFORE.match(_before(page, mark)) or any(map(_UNDERLINE.fullmatch, below)):
            raise _misplaced(page, mark)
        stem, table, column, keys = _asked(page, mark, listed)
        used[stem] = report = newest(published, listed[stem])
        try:
            shown = _value(_topic(report, stem), table, column, keys) if report else NO_RUN
        except _Missing as missing:
            return say(tell(page.line(mark.start()), f"{mark[0]}: {missing}"))
        if shown in _UNMEASURED:
            note(page.name, page.line(mark.start()), f"{mark[0]}: {shown}")
        return plain(say(shown), SENTENCE if table == HEADLINE else CELL)

    for line, target, kind in markup.targets(page):
        part = _PART.fullmatch(target) if kind == markup.INCLUDED else None
        if part and part[1] in listed and (report := newest(published, listed[part[1]])):
            try:
                _topic(report, part[1])
            except _Missing as missing:
                tell(line, f"{target}: {missing}")
    text = _MARK.sub(put, page.text)
    if text == page.text:
        return text
    return f"{text.rstrip()}\n\n:::{{div}} page-about\n{say(NUMBERS).format(_origin(page, listed, used, say, day))}\n:::\n"


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
        digits = [value for key, value in keys if key == ROUND]
        if len(column) != (table != HEADLINE) or (keys and table == HEADLINE) or not {*digits} <= {*"0123"}:
            raise ValueError
    except ValueError as failure:
        raise UsageError(f"{mark[0]} is not a live number", _where(page, mark), form) from failure
    if stem not in listed:
        raise UsageError(f"{mark[0]}: unknown topic {stem!r}", _where(page, mark), nearest(stem, listed))
    if page.audience != "internal" and listed[stem]["audience"] == "internal":
        do = "give the page `audience: internal`, or take the number out"
        raise UsageError(f"{mark[0]}: {stem} is not for the readers of this page", _where(page, mark), do)
    if table != HEADLINE and table not in listed[stem]["tables"]:
        do = nearest(table, listed[stem]["tables"])
        raise UsageError(f"{mark[0]}: no table {table!r} of {stem} may be published", _where(page, mark), do)
    return stem, table, column[0] if column else "", keys


def _topic(report: Mapping[str, Any], stem: str) -> Mapping[str, Any]:
    """What a run published of a topic."""
    for topic in report["reports"]:
        if topic["stem"] == stem:
            found: Mapping[str, Any] = topic
            return found
    if stem in report["failed"]:
        raise _Missing(f"{stem} failed in the run of {report['quarter']}")
    if stem not in report.get("asked", [stem]):
        raise _Missing(f"the run of {report['quarter']} was not asked for {stem}, a number of it would be older")
    raise _Missing(f"{stem} is not in the run of {report['quarter']}, a number of it would be older")


def _value(topic: Mapping[str, Any], table: str, column: str, keys: list[tuple[str, str]]) -> str:
    if table == HEADLINE:
        return str(topic["headline"])
    published = {one["name"]: one for one in topic["tables"]}
    if table not in published:
        raise _Missing(f"the run of {topic['stem']} has no table {table!r}, {nearest(table, published)}")
    columns, rows = published[table]["columns"], published[table]["rows"]
    if columns == NOT_AVAILABLE:
        return NOT_THERE
    cells = [row for row in rows if len(row) == len(columns)]
    for key, value in (pair for pair in keys if pair[0] != ROUND):
        place = _place(key, columns)
        kept = [row for row in cells if row[place] == value]
        if not kept:
            raise _Missing(f"no row has {key}={value}, {nearest(value, dict.fromkeys(row[place] for row in cells))}")
        cells = kept
    if len(cells) != 1:
        raise _Missing(f"{len(cells)} rows fit, name one by key=value of {', '.join(_name(name) for name in columns)}")
    cell = str(cells[0][_place(column, columns)]) or UNKNOWN
    is_number = ROUND in dict(keys) and _NUMBER.fullmatch(cell)
    return f"{Decimal(cell.replace(',', '')):,.{dict(keys)[ROUND]}f}" if is_number else cell


def _place(name: str, columns: list[str]) -> int:
    named = [_name(column) for column in columns]
    if name not in named:
        raise _Missing(f"no column {name!r}, {nearest(name, named)}")
    return named.index(name)


def _name(column: str) -> str:
    """How a mark names a column: as the report shows it, without blanks."""
    return column.replace(" ", "_")


def _origin(
    page: Page,
    listed: Mapping[str, Mapping[str, Any]],
    used: Mapping[str, Mapping[str, Any]],
    say: Callable[[str], str],
    day: dt.date | None,
) -> str:
    """Quarter and day of each run that the numbers are from, with links to its reports, and whether they are too old."""
    said: dict[tuple[str, str, str], list[str]] = {}
    for stem in (stem for stem in listed if stem in used):
        report = used[stem]
        way = posixpath.relpath(f"reports/{report.get('quarter')}", posixpath.dirname(page.name) or ".")
        age = f", {say(OLD)}" if report and day and is_old(report, day) else ""
        links = said.setdefault((report["quarter"], plain(say(report["as_of"])), age) if report else ("", "", ""), [])
        links += [f"[{bare(listed[stem]['title'])}]({way}/{stem}.md)"] if report else []
    return "; ".join(
        say(FROM).format(quarter, as_of, ", ".join(links)) + age if links else say(NO_RUN)
        for (quarter, as_of, age), links in said.items()
    )
