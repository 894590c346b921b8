"""What a browser would run or fetch: everything that a clean book does not have.

`baseline.json` holds what the pages and static files of a clean book contain with the pinned theme: its own scripts by
their hash, its search form, its files. It is written by `make generated`.
"""

from __future__ import annotations

import hashlib
import html.parser
import json
import posixpath
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

BASELINE = Path(__file__).with_name("baseline.json")
_REFUSED = {"iframe", "frame", "frameset", "object", "embed", "applet", "base", "portal", "animate", "set", "foreignobject"}
_TOLD = {"script", "form", "meta", "link", "style", "svg"} | _REFUSED  # must be seen wherever they are written
_WRITTEN = re.compile(rf"<({'|'.join(sorted(_TOLD))})(?=[\s/>])", re.IGNORECASE)
_ADDRESSES = {"href", "xlink:href", "src", "srcset", "imagesrcset", "action", "formaction", "data", "poster", "background"}
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp)[;,]")
_OUTSIDE = re.compile(r"(?:https?:|ftp:)?//")
_STYLE = re.compile(
    r"url\(\s*[\"']?(?:https?:)?//[^)]*|@import\s+[\"']?(?:https?:)?//[^;]*|expression\(|javascript:|-moz-binding|behavior\s*:",
    re.IGNORECASE,
)
_INLINE = {"a", "abbr", "b", "code", "em", "font", "i", "kbd", "mark", "small", "span", "strong", "sub", "sup", "u", "wbr"}


@cache
def baseline(path: Path = BASELINE) -> dict[str, Any]:
    """What a clean book has: hashes of scripts written in pages, forms, and static files with their hashes."""
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return known


def measured(pages: Path) -> dict[str, Any]:
    """The baseline, from the built pages of a clean book."""
    read = [Page(path.relative_to(pages).as_posix(), path.read_text(encoding="utf-8")) for path in _html(pages)]
    static = sorted(path for path in pages.rglob("*") if "_static" in path.relative_to(pages).parts and path.is_file())
    return {
        "scripts": sorted({script for page in read for script in page.scripts}),
        "forms": sorted({form for page in read for form in page.forms}),
        "files": {path.relative_to(pages).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in static},
    }


def _html(pages: Path) -> list[Path]:
    return sorted(path for path in pages.rglob("*.html") if "_static" not in path.relative_to(pages).parts)


def in_style(text: str) -> list[str]:
    """What a style sheet would fetch from elsewhere or run."""
    return [f"a style loads something from elsewhere or runs: {hit[0][:120]}" for hit in _STYLE.finditer(text)]


class Page(html.parser.HTMLParser):
    """One page or SVG picture. `text`: what it says, its attributes and comments, without mark-up; `active`: what it would
    run or fetch that is wrong anywhere; `scripts`, `forms`: what is right only in the baseline.
    """

    def __init__(self, place: str, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.active: list[str] = []
        self.scripts: list[str] = []
        self.forms: list[str] = []
        self._folder = posixpath.dirname(place)
        self._said: list[str] = []
        self._attributes: list[str] = []
        self._seen: Counter[str] = Counter()
        self._open = ""  # script or style: what it holds is not text
        try:
            self.feed(text)
            self.close()
        except AssertionError:  # the parser's way to say that it does not know a declaration
            self.active.append("mark-up that can be read in two ways")
        self.text = "".join(self._said) + "\n" + "\n".join(self._attributes)
        if self._seen != Counter(name.lower() for name in _WRITTEN.findall(text)):
            self.active.append("mark-up that can be read in two ways")

    def beyond(self, known: dict[str, Any]) -> list[str]:
        """Everything active that a clean book does not have."""
        new = [("script", one) for one in self.scripts if one not in known["scripts"]]
        new += [("form", one) for one in self.forms if one not in known["forms"]]
        return [*self.active, *(f"a {what} that a clean site does not have ({one[:60]})" for what, one in new)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        local = tag.rpartition(":")[2]
        if tag in _TOLD:
            self._seen[tag] += 1
        if local in _REFUSED:
            self.active.append(f"the element {local}")
        if local == "meta" and "http-equiv" in values:
            self.active.append(f"the element meta with http-equiv {values['http-equiv']!r}")
        if local == "script":
            self._script(values)
        if local == "form":
            self.forms.append(f"{values.get('method', 'get')} {self._place(values.get('action', ''))}")
        self._open = local if local in ("script", "style") else self._open
        for name, value in attrs:
            self._attribute(local, name, value or "")
        if tag not in _INLINE:
            self._said.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open = ""

    def handle_endtag(self, tag: str) -> None:
        self._open = "" if tag.rpartition(":")[2] == self._open else self._open
        if tag not in _INLINE:
            self._said.append("\n")

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            if data.strip():
                self.scripts.append(_hash(data))
        elif self._open == "style":
            self.active += in_style(data)
        else:
            self._said.append(data)

    def handle_comment(self, data: str) -> None:
        self._attributes.append(data)

    def handle_decl(self, decl: str) -> None:
        if "entity" in decl.lower():
            self.active.append("a declaration of entities")

    def handle_pi(self, data: str) -> None:
        if not data.startswith("xml "):
            self.active.append(f"an instruction to the browser: {data[:40]}")

    def unknown_decl(self, data: str) -> None:
        self._said.append(data)

    def _script(self, values: dict[str, str]) -> None:
        """A script of a file counts under the file's place; one from elsewhere is told by `_attribute`."""
        source = values.get("src", values.get("href", values.get("xlink:href", "")))
        if source and not _OUTSIDE.match(_squeezed(source)):
            self.scripts.append(self._place(source))

    def _attribute(self, tag: str, name: str, value: str) -> None:
        self._attributes.append(value)
        squeezed = _squeezed(value)
        if name.startswith("on"):
            self.active.append(f"{name} on {tag}")
        if name in ("srcdoc", "ping"):
            self.active.append(f"{name} on {tag}")
        if name == "style":
            self.active += in_style(value)
        if name not in _ADDRESSES:
            return
        if squeezed.startswith(("javascript:", "vbscript:")) or (squeezed.startswith("data:") and not _PICTURE.match(squeezed)):
            self.active.append(f"an address that runs: {squeezed[:40]}")
        elif tag not in ("a", "area") and any(_OUTSIDE.match(_squeezed(one)) for one in value.split(",")):
            self.active.append(f"a page loads something from elsewhere: {value[:120]}")

    def _place(self, address: str) -> str:
        """Where in the site a relative address leads, without its query: the same on every page."""
        path = address.split("?")[0].split("#")[0]
        return posixpath.normpath(posixpath.join(self._folder, path)) if path else "#"


def _squeezed(address: str) -> str:
    """An address as a browser reads it: without white space and control characters, small."""
    return re.sub(r"[\x00-\x20\x7f]", "", address).lower()


def _hash(script: str) -> str:
    """Of a script in a page, without the page's name, which Sphinx writes into one of them."""
    named = re.sub(r"(DOCUMENTATION_OPTIONS\.pagename = )'[^'\\<\n]*';", r"\1'';", script.strip())
    return hashlib.sha256(named.encode()).hexdigest()
