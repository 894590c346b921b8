"""The French edition: the book's sources once more, translated pages in French and the others in English, saying so."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from .. import sources
from ..errors import UsageError, nearest
from ..pages import Page, names, read, read_all
from . import catalogues, feedback, freshness, links, live
from .captions import METHODS, MORE, QUARTERS, sections

FOLDER = catalogues.LANGUAGE  # beside the English pages of the site
SEARCH = "Search the playbook"
IN_PART = "Not every text of this page has been translated yet."
NOT_YET = "This page has not been translated yet."
BELOW = "This part is in English:"
_PHRASES = [SEARCH, IN_PART, NOT_YET, BELOW, *freshness.PHRASES, *feedback.PHRASES, *live.PHRASES]
_HEADING = re.compile(r"^(#+ .*)$", re.MULTILINE)


def asked(playbook: Path, more: Iterable[str] = ()) -> dict[str, list[str]]:
    """By catalogue, the messages of the French edition: of the pages that have one and `more`, and of all pages together (what
    the book says about them, its title, its captions, who answers for pages). Nothing without a page.

    Pages that cannot be read are left out; UsageError for one of `more` that does not exist or cannot be read.
    """
    there, more = names(playbook), list(more)
    for name in more:
        if name not in there:
            raise UsageError(f"no page {name!r}", str(playbook), nearest(name, there))
        read(name, playbook)
    wanted = {*catalogues.translated(playbook), *more}
    pages = [page for page in read_all(playbook)[0] if page.name in wanted]
    title = str(sources.read_yaml(playbook / "_config.yml").get("title", ""))
    parts = [*sections(playbook).values(), MORE, QUARTERS, METHODS]
    common = {catalogues.SITE: list(dict.fromkeys([title, *_PHRASES, *parts, *(page.owner for page in pages)]))}
    return {page.name: catalogues.messages(page.text) for page in pages} | (common if pages else {})


def lacking(playbook: Path) -> dict[str, list[str]]:
    """By catalogue, the messages of the French edition without a translation that holds."""
    missing = {name: missed(wanted, catalogues.words(name, playbook)) for name, wanted in asked(playbook).items()}
    return {name: left for name, left in missing.items() if left}


def missed(wanted: Iterable[str], known: Mapping[str, str]) -> list[str]:
    return [message for message in wanted if message not in known]


def update(more: Iterable[str], *, playbook: Path) -> Iterator[str]:
    """Write the catalogues anew from their pages, and those of the pages `more`; a sentence for each with something to do."""
    for name, wanted in asked(playbook, more).items():
        catalogues.update(name, wanted, playbook=playbook)
        if left := missed(wanted, catalogues.words(name, playbook)):
            yield f"{catalogues.file(name, playbook)}: {len(left)} of {len(wanted)} to translate"


def write(
    book: Path, *, playbook: Path, written: Sequence[Page], finished: Callable[[Page, str, Callable[[str], str]], str]
) -> Iterator[str]:
    """Write the sources of the French edition into the folder `fr` beside `book`, which holds the English ones; nothing for a
    playbook without catalogues. `finished` makes of a page and its text in French the source, with what is said on each page in
    the words that it is given. Sentences about texts without a translation.
    """
    pages = [page for page in written if page.name in set(catalogues.translated(playbook))]
    if not pages:
        return
    to, missing = book.with_name(FOLDER), lacking(playbook)
    shutil.copytree(book, to)
    say = _into(catalogues.words(catalogues.SITE, playbook))
    parts = {way for page in pages for way in links.included(page)}
    for path in sorted(to.rglob("*.md")):
        text, is_part = path.read_text(encoding="utf-8"), path.name.startswith("_")
        if not is_part:
            path.write_text(_noted(text, say(NOT_YET), "untranslated"), encoding="utf-8")
        elif (own := path.with_suffix(f".{FOLDER}.md")).exists():  # the part in French
            own.replace(path)
        elif path.relative_to(to).as_posix() in parts:
            path.write_text(_marked_english(text, say(BELOW)), encoding="utf-8")
    for page in pages:
        text = finished(page, catalogues.rendered(page.text, _into(catalogues.words(page.name, playbook))), say)
        text = _noted(text, say(IN_PART), "about") if page.name in missing else text
        (to / f"{page.name}.md").write_text(text, encoding="utf-8")
    configure(to, say)
    for name, left in missing.items():
        path, many = catalogues.file(name, playbook), "1 text" if len(left) == 1 else f"{len(left)} texts"
        yield f"{name}: {many} not in French: `revops playbook translate`, then {path}"


def configure(to: Path, say: Callable[[str], str]) -> None:
    """Sphinx writes its own words and those of its theme in the language of the configuration."""
    config, contents = (sources.read_yaml(to / name) for name in ("_config.yml", "_toc.yml"))
    config["title"] = say(str(config.get("title", "")))
    sphinx = config["sphinx"]["config"]
    sphinx |= {"language": catalogues.LANGUAGE, freshness.OVERDUE_KEY: say(freshness.OVERDUE)}
    sphinx["html_theme_options"]["search_bar_text"] = say(SEARCH)
    contents["parts"] = [{**part, "caption": say(str(part.get("caption", MORE)))} for part in contents["parts"]]
    for name, given in (("_config.yml", config), ("_toc.yml", contents)):
        (to / name).write_text(yaml.safe_dump(given), encoding="utf-8")


def _into(known: Mapping[str, str]) -> Callable[[str], str]:
    """What translates with known words, writes numbers and days as French readers do and leaves the rest as it is."""
    return lambda text: known.get(text) or catalogues.spoken(text)


def _noted(text: str, note: str, kind: str) -> str:
    return freshness.under_title(text, f":::{{div}} page-{kind}\n{note}\n:::")


def _marked_english(part: str, note: str) -> str:
    """What pages include, marked as English. Headings cannot stand inside a mark: what lies between them does."""
    pieces = [piece.strip() for piece in _HEADING.split(part)]
    marked = [one if _HEADING.match(one) else f"::::::{{div}} in-english\n{one}\n::::::" for one in pieces if one]
    return "\n\n".join([f"*{note}*", *marked]) + "\n"
