"""The book's sources in one folder: people's pages, generated pages, table of contents, configuration."""

from __future__ import annotations

import datetime as dt
import posixpath
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from .. import allowlist, pages, sources, tables
from ..errors import UsageError
from ..pages import GENERATED, PICTURES, Page
from . import calculator, captions, feedback, french, freshness, live, markup, placeholders, reports, status, tools

_DICTIONARY = """\
# Data dictionary

What every table and column means. This page is made from the code that reads the data, so it cannot disagree with it.

## Tables

"""


def assemble(
    book: Path,
    quarters: list[str],
    *,
    runs: Path,
    audience: str,
    playbook: Path,
    day: dt.date,
    preview: bool,
    despite_failed: bool = False,
) -> list[str]:
    """Write everything Jupyter Book needs into the new folder `book`, and the French edition into the folder `fr` beside it;
    `quarters` are runs that published something, the newest first; `day` is the day on which pages are due. Sentences about
    pages that somebody has to look at.

    Raises UsageError naming the file of the playbook that is missing or wrong, pages that changed after they were verified (a
    `preview` tells them), a live number that is not there (`despite_failed` tells it), and for runs of different datasets;
    DataRefused for a run's report and for the list of tools.
    """
    from .. import kpis

    config = sources.read_yaml(playbook / "_config.yml")
    tell = feedback.address(config, playbook / "_config.yml")
    listed = allowlist.read(playbook / "reports.yml")
    allowed = _for_audience(listed, audience)
    written = [page for name in pages.names(playbook) if _is_for(page := pages.read(name, playbook), audience)]
    told = list(freshness.warnings(written, day, preview=preview, playbook=playbook))
    for page in written:
        markup.check(page)
        placeholders.check(page)
    for page in written:  # once more below, with their numbers: what a run shows depends on which pages there are
        _write(book / f"{page.name}.md", page.front + page.text)
    _copy_looks(playbook, book)
    if not (book / "index.md").exists():
        raise UsageError("the playbook has no index.md for everyone", str(playbook), "name the playbook's folder")
    published = [reports.publish(book, quarter, runs / quarter / "public", allowed) for quarter in quarters]
    _refuse_mixed(published, runs)
    tell = tell or (feedback.ASK if (book / f"{feedback.ASK}.md").exists() else "")
    numbers: list[tuple[str, int, str]] = []  # that are not there
    missing: list[str] = []  # those that stop the site

    def note(name: str, line: int, said: str) -> None:
        numbers.append((name, line, said))

    def missed(name: str, line: int, said: str) -> None:
        note(name, line, said)
        missing.append(f"{name}, line {line}: {said}")

    def finished(page: Page, text: str, say: Callable[[str], str]) -> str:
        asked = replace(page, text=text)
        text = live.fill(asked, published, listed, say, day=day, note=note, missed=missed)
        text = placeholders.shown(text) + feedback.link(page.name, page.owner, tell, say)
        return page.front + freshness.under_title(text, freshness.badge(page, day, say, is_translated=say is not str))

    for page in written:
        _write(book / f"{page.name}.md", finished(page, page.text, str))
    if missing and not despite_failed:
        raise UsageError(f"live numbers are missing: {'; '.join(missing)}", str(playbook), live.DO)
    told += [f"{name}, line {line}: {said}" for name, line, said in numbers if published]
    old = reports.aged(published, day)
    latest = reports.headlines(published[0], f"reports/{quarters[0]}/") if published else reports.NO_RUN
    _write(book / "reports/_latest.md", latest)
    for stem, entry in listed.items():  # for pages that include what the last quarter showed
        _write(book / f"reports/_{stem}.md", reports.excerpt(published, stem, entry, runs))
    _write(book / "reports/index.md", reports.overview(published, runs / "heartbeat.json"))
    _write(book / "reference/data-dictionary.md", _DICTIONARY + tables.dictionary())
    _write(book / "reference/kpis.md", kpis.glossary())
    for category in ("", *tools.GUIDES):
        name = f"_tools_{category.lower()}" if category else "_tools"
        _write(book / f"reference/{name}.md", tools.table(playbook.parent / "data" / "tools.csv", day, category))
    calculator.write(book, published, allowed, runs=runs, root=playbook.parent)
    state = status.status(playbook, day=day, only=[page.name for page in written])
    _write(book / "reference/status.md", status.page(replace(state, numbers=tuple(numbers), old=old)))
    for path in (path for folder in GENERATED for path in (book / folder).rglob("[!_]*.md")):
        text = freshness.under_title(path.read_text(encoding="utf-8"), freshness.owner_of_generated())
        name = path.relative_to(book).with_suffix("").as_posix()
        _write(path, text + feedback.link(name, freshness.OWNER_OF_GENERATED, tell))
    _write(book / "_toc.yml", yaml.safe_dump(_contents(book, playbook, published)))
    _write(book / "_config.yml", yaml.safe_dump(config))
    _write(book / "docutils.conf", "[general]\nraw_enabled: no\n")  # no page can carry raw HTML
    return [*told, *([old] if old else []), *french.write(book, playbook=playbook, written=written, finished=finished)]


def _is_for(page: Page, audience: str) -> bool:
    return audience == "internal" or page.audience != "internal"


def _copy_looks(playbook: Path, book: Path) -> None:
    """Styles, and the pictures that pages or styles of this book name."""
    there = [path.relative_to(playbook) for path in sorted(playbook.rglob("*")) if path.is_file()]
    there = [path for path in there if path.parts[0] not in GENERATED]
    pictures = [path for path in there if path.suffix in PICTURES]
    for path in [path for path in there if path.suffix == ".css"]:
        (book / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(playbook / path, book / path)
    for path in _named(pictures, book):
        (book / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(playbook / path, book / path)


def _named(pictures: list[Path], book: Path) -> list[Path]:
    """The pictures that a page or a style of this book names: the others may belong to pages that are not for its readers."""
    texts = {file.relative_to(book): file.read_text(encoding="utf-8") for file in book.rglob("*") if file.is_file()}
    return [picture for picture in pictures if any(_names(text, file, picture) for file, text in texts.items())]


def _names(text: str, file: Path, picture: Path) -> bool:
    """Whether a text names a picture by its way from the text's own place or from the top of the book."""
    way = posixpath.relpath(picture.as_posix(), file.parent.as_posix())
    ways = "|".join(re.escape(one) for one in (way, f"./{way}", f"/{picture.as_posix()}"))
    return re.search(rf"(?<![\w./-])(?:{ways})(?![\w-])", text) is not None


def _refuse_mixed(published: list[dict[str, Any]], runs: Path) -> None:
    """One site tells about one company: quarters of different datasets must not stand beside each other."""
    quarters: dict[str, list[str]] = {}
    for report in published:
        quarters.setdefault(str(report["data"]), []).append(report["quarter"])
    if len(quarters) > 1:
        named = ", ".join(f"{data} ({' '.join(names)})" for data, names in sorted(quarters.items()))
        do = "name one quarter, or keep them in different --out folders"
        raise UsageError(f"the runs are of different datasets: {named}", str(runs), do)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _for_audience(allowed: dict[str, Any], audience: str) -> dict[str, Any]:
    """Without the topics that are not for this audience."""
    return {stem: entry for stem, entry in allowed.items() if audience in ("internal", entry["audience"])}


def _contents(book: Path, playbook: Path, published: list[dict[str, Any]]) -> dict[str, Any]:
    """The table of contents: the order people gave, pages that nobody listed, then the generated parts."""
    listed = set()

    def for_audience(chapters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Without the pages left out of this site; a page that exists nowhere stays, so that the build names it."""
        kept = []
        for chapter in chapters:
            page = str(chapter.get("file", "")).removesuffix(".md")
            listed.add(page)
            if (book / f"{page}.md").exists() or not (playbook / f"{page}.md").exists():
                kept.append(_nest(chapter, for_audience(chapter.get("sections", []))))
        return kept

    given = sources.read_yaml(playbook / "_toc.yml").get("parts", [])
    parts = [{**part, "chapters": for_audience(part.get("chapters", []))} for part in given]
    there = [page.relative_to(book).with_suffix("").as_posix() for page in sorted(book.rglob("[!_]*.md"))]
    unlisted = [page for page in there if page not in listed and page != "index" and page.split("/")[0] not in GENERATED]
    methods = [page for page in unlisted if page.startswith("methods/")]
    quarters = []
    for report in published:
        folder = f"reports/{report['quarter']}"
        names = [*(["actions"] if report["actions"] else []), *(topic["stem"] for topic in report["reports"])]
        quarters.append(_nest(f"{folder}/index", [_nest(f"{folder}/{name}") for name in names]))
    parts += [
        {"caption": captions.MORE, "chapters": [_nest(page) for page in unlisted if page not in methods]},
        {"caption": captions.QUARTERS, "chapters": [_nest("reports/index", quarters)]},
        {
            "caption": captions.METHODS,
            "chapters": [_nest(page) for page in [*methods, "reference/kpis", "reference/data-dictionary", "reference/status"]],
        },
    ]
    return {"format": "jb-book", "root": "index", "parts": [part for part in parts if part["chapters"]]}


def _nest(chapter: str | dict[str, Any], sections: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """An entry of the table of contents; the format does not allow an empty list of sections."""
    entry = {"file": chapter} if isinstance(chapter, str) else {k: v for k, v in chapter.items() if k != "sections"}
    return {**entry, "sections": sections} if sections else entry
