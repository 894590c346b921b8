"""The built pages of both languages as one site: the French ones in `fr/`, each page with a link to the other language."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from .french import FOLDER

_HEADER = '<div class="header-article-items__end">'
_LINK = '<a class="language-switch" href="{}" hreflang="{}" lang="{}" rel="alternate">{}</a>'
_SHARED = ("_static", "_images")
_LOADED = re.compile(rf'((?:src|href)=")((?:\.\./)*)((?:{"|".join(_SHARED)})/[^"?#]+)')


def join(english: Path, french: Path) -> None:
    """Move the pages of `french` into `english`/fr, share the files that are the same, and link the languages page by page."""
    to = english / FOLDER
    shutil.move(french, to)
    files = [path.relative_to(to) for folder in _SHARED for path in (to / folder).rglob("*") if path.is_file()]
    shared = {file.as_posix() for file in files if _is_same(to / file, english / file)}
    for path in _pages(to):
        text = _LOADED.sub(lambda link: _outwards(link) if link[3] in shared else link[0], path.read_text(encoding="utf-8"))
        way = path.relative_to(to)
        path.write_text(_linked(text, f"{_up(way)}../{way.as_posix()}", "en", "English"), encoding="utf-8")
        other = english / way
        other_text = other.read_text(encoding="utf-8")
        other.write_text(_linked(other_text, f"{_up(way)}{FOLDER}/{way.as_posix()}", "fr", "Français"), encoding="utf-8")
    for place in shared:
        (to / place).unlink()


def _is_same(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()


def _outwards(link: re.Match[str]) -> str:
    return f"{link[1]}{link[2]}../{link[3]}"


def _pages(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.html") if "_static" not in path.relative_to(folder).parts)


def _up(way: Path) -> str:
    return "../" * (len(way.parts) - 1)


def _linked(page: str, way: str, language: str, name: str) -> str:
    return page.replace(_HEADER, _HEADER + _LINK.format(way, language, language, name), 1)
