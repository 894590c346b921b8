"""One spelling for what is the same: every column to compare becomes numbered, normalised values."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

Compare = Mapping[str | tuple[str, ...], str]
NAMES, ADDRESSES = {"organisation", "person"}, {"site", "address"}
EMPTY = {"", "-", "na", "n a", "n/a", "nan", "none", "null", "unknown"}
LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})
LEGAL = (
    "inc|incorporated|corp|corporation|company|co|llc|llp|lp|ltd|limited|plc|pty|pte|pvt|gmbh|mbh|ag|kg|kgaa|ohg|ug|eg|se|"
    "sas|sasu|sarl|sa|snc|eurl|sci|srl|sl|slu|spa|bv|nv|vof|ab|as|asa|aps|oy|oyj|kk|doo|kft|zrt|sro|ooo|"
    "sp z oo|a s|s a|s a s|s r l|s p a|b v|n v|s l"
)
TITLES = "mr|mrs|ms|miss|dr|prof|jr|sr|ing|herr|frau|mme|mlle"
STREETS = (
    "street|st|str|strasse|avenue|av|ave|road|rd|boulevard|blvd|drive|dr|lane|ln|place|pl|court|ct|crescent|cres|circuit|"
    "terrace|parkway|pkwy|highway|hwy|rue|via|calle|de|du|des|la|le"
)
DIRECTIONS = {"north": "n", "south": "s", "east": "e", "west": "w"}
HOUSE_NUMBER = re.compile(r"\d+[a-z]?")
LONGEST = 16  # words of a name that are looked at one by one
WORLD = 1_000  # a shorter list says little about how common a word is: it counts as a piece of one of so many names


@dataclass(frozen=True)
class Words:
    """Words of every distinct name: the number of each word (-1 where there are fewer), and per word in how many names it
    stands and whether it holds a digit. `chance`: how many namesakes each name would have if words were drawn by lot."""

    numbers: np.ndarray
    spread: np.ndarray
    digits: np.ndarray
    chance: np.ndarray


@dataclass(frozen=True)
class Field:
    """One thing compared: per record the number of its value (-1 when missing), per value its text and how many hold it.

    `fixed` is the part of each value in which no typing error is allowed (house number, domain …), `rest` what is left of it.
    """

    label: str
    kind: str
    code: np.ndarray
    values: np.ndarray
    held: np.ndarray
    fixed: np.ndarray
    rest: np.ndarray
    words: Words | None


def fields(records: pd.DataFrame, compare: Compare) -> list[Field]:
    """The columns of `compare`, in its order."""
    return [_field(records, [given] if isinstance(given, str) else list(given), kind) for given, kind in compare.items()]


def _field(records: pd.DataFrame, columns: list[str], kind: str) -> Field:
    line = pd.Series("", index=records.index, dtype="object")
    for column in columns:
        text = records[column].astype("object").map(_text, na_action="ignore").where(records[column].notna(), "")
        line = line + text if len(columns) == 1 else line + " " + text
    number, written = pd.factorize(line)
    clean = _normalised(kind, pd.Series(written, dtype="object"))
    code, values = pd.factorize(clean.where(~clean.isin(EMPTY)), sort=True)
    code, values = np.asarray(code)[number], np.asarray(values, dtype=object)
    held = np.bincount(code[code >= 0], minlength=len(values))
    label = columns[0].replace("_", " ").lower() if len(columns) == 1 else "name" if kind in NAMES else kind
    split = [_fixed(kind, value) for value in values]
    fixed, rest = (np.array([part[k] for part in split], dtype=object) for k in (0, 1))
    return Field(label, kind, code, values, held, fixed, rest, _words(values) if kind in NAMES else None)


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _normalised(kind: str, raw: pd.Series) -> pd.Series:
    """One spelling per value; empty where nothing is left to compare."""
    if kind == "reference":
        return raw.str.strip()
    text = raw.map(_folded)
    if kind == "phone":
        digits = text.str.replace(r"(?:ext|x|poste|durchwahl).*$", "", regex=True).str.replace(r"\D", "", regex=True)
        real = (digits.str.len() >= 6) & ~digits.str.fullmatch(r"(.)\1*")
        return digits.str[-9:].where(real, "")  # nine digits: neither the country code nor a trunk 0 matters
    if kind == "email":
        text = text.str.replace(r"^mailto:|\s", "", regex=True).str.replace(r"\+[^@]*@", "@", regex=True)
        return text.where(text.str.fullmatch(r"[^@]+@[^@]+\.[^@.]+"), "")
    if kind == "website":
        text = text.str.replace(r"^(?:https?:)?(?://)?(?:www\d?\.)?", "", regex=True).str.replace(
            r"[/?#:\s].*$", "", regex=True
        )
        return text.where(text.str.contains(".", regex=False), "")
    text = text.str.replace("['’`.]", "", regex=True).str.replace(r"[\W_]+", " ", regex=True).str.strip()
    if kind == "organisation":
        text = text.str.replace(r"^the | (?:and|und|et)\b", "", regex=True)
        return text.str.replace(rf"(?: (?:{LEGAL}))+$", "", regex=True).map(_sorted)
    if kind == "person":
        return text.str.replace(rf"\b(?:{TITLES})\b", "", regex=True).map(_sorted)
    if kind in ADDRESSES:
        words = text.str.replace(rf"\b(?:{STREETS})\b|(?:strasse|str)\b", "", regex=True)
        return words.map(lambda line: " ".join(DIRECTIONS.get(word, word) for word in line.split()))
    return text.str.replace(" ", "") if kind == "code" else text


def _folded(value: str) -> str:
    """Lower case without accents."""
    text = unicodedata.normalize("NFKD", value.casefold().translate(LETTERS))
    return "".join(letter for letter in text if not unicodedata.combining(letter)).strip()


def _sorted(name: str) -> str:
    return " ".join(sorted(name.split()))


def _fixed(kind: str, value: str) -> tuple[str, str]:
    """The part of a value in which a typing error makes it another one, and the rest.

    An address: the first house number. An e-mail: its domain and every digit (anna1@ and anna2@ are two people). A place with
    digits: which digits (the next postcode is another place, swapped digits are not).
    """
    if kind in ADDRESSES:
        words = value.split()
        at = next((k for k, word in enumerate(words) if HOUSE_NUMBER.fullmatch(word)), None)
        return ("" if at is None else words[at]), " ".join(word for k, word in enumerate(words) if k != at)
    if kind == "email":
        return re.sub(r"[^\d@]+(?=.*@)", " ", value), value
    if kind == "place":
        return ("".join(sorted(value)) if re.search(r"\d", value) else ""), value
    return "", value


def _words(names: np.ndarray) -> Words:
    split = [name.split()[:LONGEST] for name in names]
    number, vocabulary = pd.factorize(np.array([word for words in split for word in words], dtype=object))
    lengths = np.array([len(words) for words in split], dtype="int64")
    width = int(lengths.max(initial=1))
    numbers = np.full((len(split), width), -1)
    numbers[np.arange(width) < lengths[:, None]] = number
    once = pd.DataFrame({"name": np.repeat(np.arange(len(split)), lengths), "word": number}).drop_duplicates()
    spread = np.append(np.bincount(once["word"], minlength=len(vocabulary)), 0)  # the last answers for the number -1
    digits = np.array([any(letter.isdigit() for letter in word) for word in [*vocabulary, ""]])
    world = max(len(split), WORLD)
    share = np.append((spread[:-1] - 1) / world, 1.0)
    chance = np.where(lengths > 1, world * share[numbers].prod(axis=1), 0.0)
    return Words(numbers, spread, digits, chance)
