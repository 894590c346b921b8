"""The words of the book's own search: without accents, without the small words of a question, and with `percent` for %.

`search.js` does the same to what a reader types, so that `prevision` finds `prévision` and the other way.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from sphinx.search.en import SearchEnglish, english_stopwords
from sphinx.search.fr import french_stopwords

SCORER = Path(__file__).with_name("search.js")
_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "ß": "ss"})
_ASKED = "am can do does did how i me must my our should us we what when where which who whom why you your"
_ASKED_IN_FRENCH = "a ai combien comment d dois dont est j l m n ou puis puisje quand que quel quelle quelles quels qu s t"


def without_accents(text: str) -> str:
    """Small letters without accents.

    >>> without_accents("Prévision du chiffre d'affaires, Œuvre")
    "prevision du chiffre d'affaires, oeuvre"
    """
    apart = unicodedata.normalize("NFKD", text)
    return "".join(char for char in apart if unicodedata.category(char)[0] != "M").lower().translate(_LETTERS)


class Words(SearchEnglish):
    """English words for the index; a page need not hold the small words of a question to answer it."""

    stopwords = english_stopwords | set(_ASKED.split())

    def split(self, text: str) -> list[str]:
        return super().split(without_accents(text).replace("%", " percent "))


class FrenchWords(Words):
    """The same for the French edition, half of whose pages are in English."""

    lang = "fr"
    language_name = "French"
    stopwords = Words.stopwords | {without_accents(word) for word in french_stopwords} | set(_ASKED_IN_FRENCH.split())
