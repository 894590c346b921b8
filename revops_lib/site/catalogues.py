"""Catalogues of translations: what of a page people translate, in gettext's format so that every translation tool reads it.

A page `sell/demo` is translated in `playbook/locale/fr/LC_MESSAGES/sell/demo.po`. A message is one heading, paragraph, item of
a list or cell of a table as it is written in the page: links, `‹adapt: …›` and live numbers stand in it as marks, so that a
run changes numbers and no catalogue. A page without catalogue is not translated.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import PoFileError, read_po, write_po

from .. import disk
from ..errors import UsageError
from ..pages import names
from .markup import blocks

LANGUAGE = "fr"
SITE = "_site"  # words that stand on every page: owners, captions, what the book says about its pages
_TITLED = re.compile(r"(\s*(?::{3,}|`{3,}|~{3,})\{(?:grid-item-card|dropdown|tab-item|card|admonition)\} +)(.*)")
_KEPT = re.compile(r"\s*(?::[\w-]+:|\([^()\s]+\)=\s*$|$)")  # options and labels of MyST, empty lines
_OPENED = re.compile(r"((?:#{1,6}|>| *(?:[-*+]|\d+[.)])(?: \[[ xX]\])?) +)(.*)")
_RULE = re.compile(r"\|[\s:|-]+\|\s*")
_CELL = re.compile(r"(?<!\\)\|")
_WORDLESS = re.compile(r"\[\[[^\[\]]*\]\]|‹\w+:")
_MARK = re.compile(r"\[\[[^\[\]]*\]\]|\]\([^)\s]*\)|\{\}|‹\w+:")

_DAY = re.compile(r"\b(\d\d)/(\d\d)/(\d{4})\b")
_FIGURE = {
    "en": re.compile(r"\d{4}-\d\d-\d\d|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"),
    LANGUAGE: re.compile(r"\d{4}-\d\d-\d\d|\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:,\d+)?|\d+(?:,\d+)?"),
}
_NUMERIC = re.compile(r"[-−+<]? ?\d[\d,]*(?:\.\d+)? ?%?(?: – \d[\d,]*(?:\.\d+)? ?%)?(?: EUR)?")
_GAP = "\u202f"  # the narrow blank that neither breaks a number nor parts it from its sign


def rendered(text: str, say: Callable[[str], str]) -> str:
    """The text of a page with each of its messages replaced by what `say` makes of it; everything else stays.

    >>> rendered("## A *title*\\n\\nTwo\\nlines.\\n\\n| a | 12 |\\n", str.upper)
    '## A *TITLE*\\n\\nTWO LINES.\\n\\n| A | 12 |\\n'
    """
    kept = _kept(text)
    lines, made = list(enumerate(text.split("\n"))), []
    while lines:
        number, line = lines.pop(0)
        if number in kept:
            titled = _TITLED.fullmatch(line)
            made.append(titled[1] + _said(titled[2], say) if titled else line)
        elif _KEPT.match(line) or _RULE.fullmatch(line):
            made.append(line)
        elif line.startswith("|"):
            made.append("|".join(_cell(cell, say) for cell in _CELL.split(line)))
        else:
            opened = _OPENED.fullmatch(line)
            before, first = (opened[1], opened[2]) if opened else ("", line)
            more = [] if before.startswith("#") else _continued(lines, kept)
            made.append(before + _said(" ".join([first, *more]), say))
    return "\n".join(made)


def messages(text: str) -> list[str]:
    """What there is to translate in a page, each once, in its order."""
    found: dict[str, None] = {}

    def note(message: str) -> str:
        found.setdefault(message)
        return message

    rendered(text, note)
    return list(found)


def file(name: str, playbook: Path) -> Path:
    return playbook / "locale" / LANGUAGE / "LC_MESSAGES" / f"{name}.po"


def translated(playbook: Path) -> list[str]:
    """The pages that have a catalogue."""
    return [name for name in names(playbook) if file(name, playbook).exists()]


def words(name: str, playbook: Path) -> dict[str, str]:
    """The translations of a page that hold: neither empty nor fuzzy, with the live numbers, links, other marks and figures of
    their message.

    UsageError for a file that is no catalogue.
    """
    said = {str(message.id): str(message.string) for message in _read(name, playbook) if message.id and not message.fuzzy}
    return {
        message: text
        for message, text in said.items()
        if text and _marks(text) == _marks(message) and figures(text, LANGUAGE) == figures(message)
    }


def figures(text: str, language: str = "en") -> Counter[str]:
    """The numbers of a text outside its marks, however its language writes them.

    >>> figures("over 1,000.5 on 2026-11-22") == figures("plus de 1 000,5 le 22/11/2026", "fr")
    True
    """
    plain = _DAY.sub(r"\3-\2-\1", _MARK.sub(" ", text)) if language == LANGUAGE else _MARK.sub(" ", text)
    numbers = _FIGURE[language].findall(plain)
    return Counter(
        re.sub(r"[,\s]", "", one) if language == "en" else re.sub(r"\s", "", one).replace(",", ".") for one in numbers
    )


def spoken(text: str) -> str:
    """A number, an interval or a day as French readers write it; every other text as it is.

    >>> spoken("62.6%").replace("\\u202f", "_"), spoken("1,433").replace("\\u202f", "_"), spoken("2026-11-22"), spoken("v1.5")
    ('62,6_%', '1_433', '22/11/2026', 'v1.5')
    """
    if day := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", text):
        return "/".join(day.groups()[::-1])
    if not _NUMERIC.fullmatch(text):
        return text
    swapped = text.translate({ord(","): _GAP, ord("."): ","})
    return re.sub(r"(?<=\d) ?%", f"{_GAP}%", swapped)


def update(name: str, wanted: Iterable[str], *, playbook: Path) -> None:
    """Write a catalogue anew, with these messages.

    A message that changed keeps its nearest old translation, marked fuzzy: somebody reads it and takes the mark away. What is
    no longer wanted goes. UsageError for a file that is no catalogue.
    """
    catalogue, template = _read(name, playbook), Catalog(locale=LANGUAGE)
    for message in wanted:
        template.add(message)
    catalogue.update(template, update_creation_date=False)
    written = io.BytesIO()
    write_po(written, catalogue, width=128, ignore_obsolete=True)
    disk.write_text(file(name, playbook), written.getvalue().decode("utf-8"))


def _read(name: str, playbook: Path) -> Catalog:
    path = file(name, playbook)
    if not path.exists():
        comment = f"# French translation of {name}."
        return Catalog(LANGUAGE, header_comment=comment, project="playbook", version=" ", fuzzy=False)
    try:
        with path.open("rb") as text:
            return read_po(text, locale=LANGUAGE, abort_invalid=True)
    except (PoFileError, UnicodeDecodeError, ValueError) as failure:
        raise UsageError(
            f"the file is no catalogue of translations: {failure}", str(path), "correct or restore it"
        ) from failure


def _marks(text: str) -> Counter[str]:
    """Live numbers, targets of links, openings of `‹adapt: …›` and gaps of a message: a translation must hold the same ones."""
    return Counter(_MARK.findall(text))


def _said(message: str, say: Callable[[str], str]) -> str:
    """The translation of a message; one without words, such as a number, is none."""
    return say(message.strip()) if re.search(r"[^\W\d_]", _WORDLESS.sub("", message)) else message


def _cell(text: str, say: Callable[[str], str]) -> str:
    return f" {said} " if (said := _said(text.strip(), say)) else text


def _kept(text: str) -> set[int]:
    """The lines, counted from 0, that are code or the fences of a block."""
    found: set[int] = set()
    for block in blocks(text):
        found |= {*range(block.start, block.end)} if block.is_code else {block.start, *[block.end - 1] * block.is_closed}
    return found


def _continued(lines: list[tuple[int, str]], kept: set[int]) -> list[str]:
    """The lines that go on with a paragraph or an item, taken off the list."""
    more = []
    while lines and lines[0][0] not in kept and not re.match(rf"{_KEPT.pattern}|{_OPENED.pattern}|\|", lines[0][1]):
        more.append(lines.pop(0)[1].strip())
    return more
