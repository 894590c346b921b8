"""Look through a built site for what must not be published. Nothing is trusted because of how it was built.

Not seen: text inside pictures, and persons whom a small group gives away (`runs.publication` sees to those).
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CannotWrite, RevopsError, UsageError
from . import active, patterns
from .values import SHORTEST, Search, Value, folded

ALLOWED = Path(__file__).resolve().parent.parent.parent / "playbook" / "scan.yml"
_TEXT = {".html", ".css", ".js", ".svg", ".txt", ".buildinfo", ".inv"}
_PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".webp"}
_INDEXES = ("searchindex.js", "fr/searchindex.js")
_INDEX = re.compile(r"Search\.setIndex\((\{.*\})\)\s*", re.DOTALL)
_PRINTED = re.compile(rb"[\x20-\x7e]{8,}")


class SiteRefused(RevopsError):
    """The built pages hold what must not be published; the old site is untouched."""

    exit_code = 10

    def __init__(self, findings: Sequence[Finding], do: str) -> None:
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        super().__init__(f"{findings[0].reason}{more}", findings[0].file, do)
        self.findings = findings


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that must not be published: in which file of the site, and what it is."""

    file: str
    reason: str

    def __str__(self) -> str:
        return "".join(char if char.isprintable() else "�" for char in f"{self.file}: {self.reason}")


def scan(
    site: Path,
    *,
    canaries: Iterable[str] = (),
    secrets: Mapping[str, str] | None = None,
    values: Iterable[Value] = (),
    allowed: Path = ALLOWED,
) -> list[Finding]:
    """Everything in the site that must not be published, in the order of the files.

    Looked for: values of a list (`canaries`: by their line), of the environment (`secrets`: name -> value) and of datasets
    (`values`) in every way they can be written; what looks like a secret, an address or a phone number; files of a kind that no
    site needs; whatever a browser would run or fetch that a clean book does not have. `allowed`: file with texts that may
    appear. Raises UsageError for a folder that is not there, a canary too short to be looked for, a faulty file of texts.
    """
    if not site.is_dir():
        raise UsageError("there is no such folder", str(site), "name the folder of a built site")
    lines = ((number, text) for number, text in enumerate(canaries, start=1) if text.strip())
    listed = [Value(text, f"the value of line {number} of the list") for number, text in lines]
    for value in listed:
        if len(folded(value.text).strip().encode()) < SHORTEST:
            what = f"{value.reason} is too short to be looked for"
            raise UsageError(what, "canaries", f"give at least {SHORTEST} characters")
    listed += [Value(text, f"the secret {name} of the environment") for name, text in (secrets or {}).items()]
    search, permitted, known = Search([*listed, *values]), allowed_texts(allowed), active.baseline()
    findings = []
    try:
        for path in sorted(site.rglob("*")):
            place = path.relative_to(site).as_posix()
            if path.is_symlink():
                findings.append(Finding(place, "a link to elsewhere"))
            elif path.is_file() and not _is_known(path, place, known):
                findings += [Finding(place, reason) for reason in _file(path, place, search, listed, permitted, known)]
    except OSError as failure:
        raise CannotWrite(failure.strerror or "cannot read", str(failure.filename or site), "give access to it") from failure
    return sorted(set(findings))


def allowed_texts(path: Path) -> frozenset[str]:
    """The texts, folded, that the list in the playbook lets pass; none without a list."""
    from .. import sources

    listed = sources.read_yaml(path) if path.exists() else {"allow": []}
    texts = listed.get("allow")
    if set(listed) != {"allow"} or not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise UsageError("the file is not one list of texts named `allow`", str(path), "correct or restore it")
    return frozenset(folded(text).strip() for text in texts)


def _is_known(path: Path, place: str, known: dict[str, Any]) -> bool:
    """Whether a clean book has the very same file: what its theme brings."""
    return known["files"].get(place) == hashlib.sha256(path.read_bytes()).hexdigest()


def _file(
    path: Path, place: str, search: Search, listed: Sequence[Value], permitted: frozenset[str], known: dict[str, Any]
) -> Iterable[str]:
    """What is wrong with one file."""
    yield from search.found(place)
    kind = path.suffix.lower() or path.name.lower()
    if "_sources" in place.split("/") or kind not in _TEXT | _PICTURES:
        yield "a file of a kind that a site does not need"
    text = _read(path, kind)
    yield from search.found(text)
    if kind in _PICTURES:
        return
    said = text
    if kind in (".html", ".svg"):
        page = active.Page(place, text)
        said = page.text
        yield from page.beyond(known)
        yield from search.found(said)
    elif kind == ".css":
        yield from active.in_style(text)
    elif kind == ".js":
        index = _INDEX.fullmatch(text) if place in _INDEXES else None
        yield from _indexed(index[1], listed, is_french="/" in place) if index else ["a script that a clean site does not have"]
    yield from patterns.matched(said, permitted)


def _read(path: Path, kind: str) -> str:
    """What a file says; of pictures the text beside the picture, of Sphinx's packed list of links what is packed."""
    raw = path.read_bytes()
    if kind in _PICTURES:
        return "\n".join(part.decode() for part in _PRINTED.findall(_beside_pixels(raw)))
    if kind == ".inv" and b"zlib" in raw[:300]:
        head, _, packed = raw.partition(b"using zlib.\n")
        with suppress(zlib.error):
            raw = head + zlib.decompress(packed)
    return raw.decode("utf-8", "replace")


def _beside_pixels(raw: bytes) -> bytes:
    """A PNG without its packed pixels, which look like any text somewhere; another picture as it is."""
    if not raw.startswith(b"\x89PNG"):
        return raw
    parts, at = [], 8
    while at + 8 <= len(raw):
        length, kind = struct.unpack(">I4s", raw[at : at + 8])
        parts.append(b"" if kind == b"IDAT" else raw[at + 4 : at + 8 + length])
        at += length + 12
    return b"".join(parts)


def _indexed(index: str, listed: Sequence[Value], *, is_french: bool) -> Iterable[str]:
    """Listed values all of whose words the search finds on one page: the index holds stems of words, each by itself."""
    from .search import FrenchWords, Words, without_accents

    try:
        content = json.loads(index)
        pages: dict[str, set[int]] = {}
        words = [*content["terms"].items(), *content.get("titleterms", {}).items()]
        for word, found in words:  # with accents in the index of another Sphinx
            pages.setdefault(without_accents(word), set()).update(found if isinstance(found, list) else [found])
    except (ValueError, KeyError, AttributeError, TypeError):
        yield "a script that a clean site does not have"
        return
    language = FrenchWords({}) if is_french else Words({})
    for value in listed:
        stems = [language.stem(word) for word in language.split(value.text)]
        kept = [pages.get(stem, set()) for stem in stems if language.word_filter(stem)]
        if any(map(str.isalpha, value.text)) and kept and set.intersection(*kept):
            yield f"{value.reason}, in words that the search finds"
