"""Values that must not be in a site, looked for in every way they can be written, thousands of them in one pass.

Instead of spelling each value in every way, a file is read in several ways (as it stands, unescaped, without mark-up) and
folded: small letters, one blank for any white space. Only base64 and the ways to write a number are spelled out.
"""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

import numpy as np

SHORTEST = 4  # bytes; what is shorter stands in every file
SHORTEST_ENCODED = 6  # bytes; base64 of less is found in any encoded picture
_GRAM, _SLOTS = 4, 1 << 20
_NUMBER = re.compile(r"[-−]?([1-9]\d{0,17}|[1-9]\d{0,2}([ ,.'’])\d{3}(?:\2\d{3})*)(?:[.,](\d{1,2}))?")
_MARKS = ("", ",", ".", " ", "'", "’")  # of thousands; every kind of blank is one blank in folded text
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_JSON_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([\"\\/])|[nrt])")
_BASE64 = str.maketrans("-_", "+/", " \r\n\t")


@dataclass(frozen=True)
class Value:
    """A text nobody may find, and `reason`, what a finding says of it: never the text itself.

    `is_name`: only where no letter or digit stands before or behind. A number is found only as the whole number.
    """

    text: str
    reason: str
    is_name: bool = False


@dataclass(frozen=True)
class _Needle:
    reason: str
    before: re.Pattern[str] | None = None  # what may not stand before it
    behind: re.Pattern[str] | None = None

    def stands(self, text: bytes, start: int, end: int) -> bool:
        """Whether nothing is around this place of the text that makes it another word or number."""
        before = text[max(0, start - 8) : start].decode("utf-8", "ignore")
        behind = text[end : end + 8].decode("utf-8", "ignore")
        return not ((self.before and self.before.search(before)) or (self.behind and self.behind.match(behind)))


class Search:
    """Finds which of many values a text holds, in time that grows with the text and not with the number of values."""

    def __init__(self, values: Iterable[Value]) -> None:
        self._folded, self._encoded = _Needles(), _Needles()
        for value in values:
            for spelled, needle in _spelled(value):
                self._folded.add(spelled.encode(), needle)
            for part in _in_base64(value.text):
                self._encoded.add(part.encode(), _Needle(f"{value.reason}, in base64"))

    def found(self, text: str) -> set[str]:
        """The reasons of all values in the text as it stands, unescaped, or encoded."""
        ways = {folded(text), folded(_unescaped(text)), folded(_unescaped(text.replace("+", " ")))}
        hits = {reason for way in ways for reason in self._folded.found(way.encode("utf-8", "replace"))}
        return hits | set(self._encoded.found(text.translate(_BASE64).encode("utf-8", "replace")))


def folded(text: str) -> str:
    """Small letters, compatible forms, one blank for any white space, nothing invisible.

    >>> folded("Zoé\\u00a0 DUPONT"), folded("91\\u202f234,00")
    ('zoé dupont', '91 234,00')
    """
    plain = unicodedata.normalize("NFKC", text.translate(_INVISIBLE)).casefold()
    return re.sub(r"\s+", " ", plain)


def number(text: str) -> set[str]:
    """The ways to write a number: with and without cents and every separator of thousands; empty when it is none.

    >>> sorted(number("91234.50"))[:4]
    ['91 234', '91 234,5', '91 234,50', '91 234.5']
    """
    match = _NUMBER.fullmatch(folded(text).strip())
    if match is None:
        return set()
    whole, cents = int(re.sub(r"\D", "", match[1])), (match[3] or "").ljust(2, "0")
    tails = ["", *(f"{mark}{shown}" for mark in ".," for shown in {cents, cents.rstrip("0") or "0"})]
    exact = {f"{whole:,}".replace(",", mark) + tail for mark in _MARKS for tail in tails}
    return exact | {f"{whole + (cents >= '50'):,}".replace(",", mark) for mark in _MARKS}


def _spelled(value: Value) -> Iterator[tuple[str, _Needle]]:
    """What to look for in folded text. A number must not be part of a longer one."""
    if numbers := number(value.text):
        needle = _Needle(value.reason, re.compile(r"\d[.,'’]?$"), re.compile(r"[.,'’]?\d"))
        yield from ((one, needle) for one in numbers if len(re.sub(r"\D", "", one)) >= SHORTEST)
        return
    edge = re.compile(r"\w$") if value.is_name else None
    needle = _Needle(value.reason, edge, re.compile(r"\w") if value.is_name else None)
    yield folded(value.text).strip(), needle


def _in_base64(text: str) -> Iterator[str]:
    """What base64 shows of a text at each of its three positions in a longer one."""
    raw = text.encode()
    if len(raw) < SHORTEST_ENCODED:
        return
    for skipped in range(3):
        encoded = base64.b64encode(b"\0" * skipped + raw).decode().rstrip("=")
        whole = (skipped + len(raw)) % 3 == 0
        yield encoded[(0, 2, 3)[skipped] : None if whole else -1]


def _unescaped(text: str) -> str:
    plain = html.unescape(unquote(text))
    plain = _JSON_ESCAPE.sub(lambda escape: chr(int(escape[1], 16)) if escape[1] else escape[2] or " ", plain)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # JSON writes rare letters as two halves


class _Needles:
    """Byte strings in a table by their first bytes; a text is compared with the table, not with each of them."""

    def __init__(self) -> None:
        self._needles: dict[bytes, set[_Needle]] = {}
        self._lengths: dict[bytes, set[int]] = {}
        self._begins = np.zeros(_SLOTS, dtype=bool)

    def add(self, raw: bytes, needle: _Needle) -> None:
        if len(raw) < SHORTEST:
            return
        self._needles.setdefault(raw, set()).add(needle)
        self._lengths.setdefault(raw[:_GRAM], set()).add(len(raw))
        self._begins[_slots(raw[:_GRAM])] = True

    def found(self, text: bytes) -> Iterator[str]:
        if len(text) < _GRAM:
            return
        for place in np.flatnonzero(self._begins[_slots(text)]).tolist():
            for length in self._lengths.get(text[place : place + _GRAM], ()):
                for needle in self._needles.get(text[place : place + length], ()):
                    if needle.stands(text, place, place + length):
                        yield needle.reason


def _slots(text: bytes) -> np.ndarray:
    """For each place in the text, the slot of the four bytes that begin there."""
    raw = np.frombuffer(text, dtype=np.uint8).astype(np.uint32)
    grams = raw[:-3] | raw[1:-2] << 8 | raw[2:-1] << 16 | raw[3:] << 24
    return (grams * np.uint32(2654435761)) >> np.uint32(12)
