"""The book's sources in one folder: people's pages, generated pages, table of contents, configuration."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from .. import tables
from ..errors import UsageError, nearest
from . import reports

PLAYBOOK = Path(__file__).resolve().parent.parent.parent / "playbook"
AUDIENCES = ("everyone", "internal")
COPIED = {".md", ".png", ".jpg", ".css"}
GENERATED = {"reports", "reference"}
_STEM = re.compile(r"[a-z][a-z0-9_]*")
_ENTRY = {"title", "tables", "figures", "recommendations"}
_OPTIONAL = {"personal", "grouped", "audience", "counted"}
_DICTIONARY = """\
# Data dictionary

What every table and column means. This page is made from the code that reads the data, so it cannot disagree with it.

## Tables

"""


def assemble(book: Path, quarters: list[str], *, runs: Path, audience: str, playbook: Path) -> None:
    """Write everything Jupyter Book needs into the new folder `book`; `quarters` are runs that published something.

    Raises UsageError naming the file of the playbook that is missing or wrong and for runs of different datasets,
    DataRefused for a run's report.
    """
    config = _settings(playbook / "_config.yml")
    allowed = _for_audience(_allowed(playbook / "reports.yml"), audience)
    for source in sorted(path for path in playbook.rglob("*") if path.suffix in COPIED and path.is_file()):
        path = source.relative_to(playbook)
        if path.parts[0] in GENERATED:
            continue
        (book / path).parent.mkdir(parents=True, exist_ok=True)
        if source.suffix != ".md":
            shutil.copyfile(source, book / path)
        elif (text := _page(source, audience, is_home=path.as_posix() == "index.md")) is not None:
            _write(book / path, text)
    if not (book / "index.md").exists():
        raise UsageError("the playbook has no index.md for everyone", str(playbook), "name the playbook's folder")
    published = [reports.publish(book, quarter, runs / quarter / "public", allowed) for quarter in quarters]
    _refuse_mixed(published, runs)
    latest = reports.headlines(published[0], f"reports/{quarters[0]}/") if published else reports.NO_RUN
    _write(book / "reports/_latest.md", latest)
    _write(book / "reports/index.md", reports.overview(published, runs / "heartbeat.json"))
    _write(book / "reference/data-dictionary.md", _DICTIONARY + tables.dictionary())
    _write(book / "_toc.yml", yaml.safe_dump(_contents(book, playbook, published)))
    _write(book / "_config.yml", yaml.safe_dump(config))
    _write(book / "docutils.conf", "[general]\nraw_enabled: no\n")  # no page can carry raw HTML


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


def _settings(path: Path) -> dict[str, Any]:
    """A YAML file of the playbook that holds a mapping."""
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as failure:
        raise UsageError(f"cannot read the file: {failure}", str(path), "correct or restore it") from failure
    if not isinstance(settings, dict):
        raise UsageError("the file is not a list of names and values", str(path), "correct or restore it")
    return settings


def _allowed(path: Path) -> dict[str, Any]:
    """What may appear of a run, by topic, in the order of the site."""
    allowed = _settings(path)
    for stem, entry in allowed.items():
        if not _STEM.fullmatch(str(stem)) or not isinstance(entry, dict) or not _ENTRY <= entry.keys() <= _ENTRY | _OPTIONAL:
            raise UsageError(f"{stem!r} is not a topic with {', '.join(sorted(_ENTRY))}", str(path), "complete the entry")
        reader, counted = entry.get("audience", "everyone"), entry.get("counted", {})
        if reader not in AUDIENCES:
            raise UsageError(f"unknown audience {reader!r} of {stem}", str(path), nearest(str(reader), AUDIENCES))
        if not isinstance(counted, dict) or not all(isinstance(column, str) for column in counted.values()):
            raise UsageError(f"counted of {stem} does not name a column per table", str(path), "write {table: column}")
        for table in set(counted) - set(entry["tables"]):
            raise UsageError(f"counted of {stem} names no table {table!r}", str(path), nearest(str(table), entry["tables"]))
    return allowed


def _for_audience(allowed: dict[str, Any], audience: str) -> dict[str, Any]:
    """Without the topics that are not for this audience."""
    return {stem: entry for stem, entry in allowed.items() if audience in ("internal", entry.get("audience", "everyone"))}


def _page(source: Path, audience: str, is_home: bool) -> str | None:
    """A person's page with its owner and date under the title; None when it is not for this audience."""
    text = source.read_text(encoding="utf-8")
    front = re.match(r"---\n(.*?)\n---\n", text, flags=re.DOTALL)
    try:
        about = (yaml.safe_load(front[1]) if front else None) or {}
        reader = about.get("audience", "everyone")
    except (AttributeError, yaml.YAMLError) as failure:
        raise UsageError("the front matter is not YAML", str(source), "correct the lines between the ---") from failure
    if reader not in AUDIENCES:
        raise UsageError(f"unknown audience {reader!r}", str(source), nearest(str(reader), AUDIENCES))
    if reader == "internal" and audience != "internal":
        return None
    line = " · ".join(f"{key.capitalize()}: {about[key]}" for key in ("owner", "verified") if key in about)
    if line and not is_home:
        about_page = f"\n\n:::{{div}} page-about\n{line}\n:::"
        text = re.sub(r"^# .*$", lambda title: title[0] + about_page, text, count=1, flags=re.MULTILINE)
    return text


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

    given = _settings(playbook / "_toc.yml").get("parts", [])
    parts = [{**part, "chapters": for_audience(part.get("chapters", []))} for part in given]
    pages = [page.relative_to(book).with_suffix("").as_posix() for page in sorted(book.rglob("[!_]*.md"))]
    unlisted = [page for page in pages if page not in listed and page != "index" and page.split("/")[0] not in GENERATED]
    methods = [page for page in unlisted if page.startswith("methods/")]
    quarters = []
    for report in published:
        folder = f"reports/{report['quarter']}"
        quarters.append(_nest(f"{folder}/index", [_nest(f"{folder}/{topic['stem']}") for topic in report["reports"]]))
    parts += [
        {"caption": "More", "chapters": [_nest(page) for page in unlisted if page not in methods]},
        {"caption": "What the quarter showed", "chapters": [_nest("reports/index", quarters)]},
        {
            "caption": "How it is computed",
            "chapters": [_nest(page) for page in [*methods, "reference/data-dictionary"]],
        },
    ]
    return {"format": "jb-book", "root": "index", "parts": [part for part in parts if part["chapters"]]}


def _nest(chapter: str | dict[str, Any], sections: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """An entry of the table of contents; the format does not allow an empty list of sections."""
    entry = {"file": chapter} if isinstance(chapter, str) else {k: v for k, v in chapter.items() if k != "sections"}
    return {**entry, "sections": sections} if sections else entry
