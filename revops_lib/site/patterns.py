"""What looks like a secret or like a person's address, whoever it belongs to."""

from __future__ import annotations

import re
from collections.abc import Set

from .values import folded

_BLANK = "[ \u00a0\u202f.-]"
_FRENCH = rf"(?:(?:\+|00)33{_BLANK}?(?:\(0\))?|0){_BLANK}?[1-9](?:{_BLANK}?\d\d){{4}}"
_ABROAD = r"\+(?:\d[ \u00a0\u202f().-]{0,2}){8,14}\d"
# Each begins where a word or a number begins, so that a long text is read once; digits of a fingerprint are no phone number.
PATTERNS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a key of a cloud or a service": re.compile(
        r"\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,}|xox[abeprs]-[0-9A-Za-z-]{10,}"
        r"|AIza[\w-]{35}|[sr]k_(?:live|test)_[0-9A-Za-z]{16,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,})"
    ),
    "a password, key or token": re.compile(
        r"(?:passw(?:or)?d|passphrase|pwd|secret|token|(?:api|access|private|secret)[_-]?key)[\"']?\s*"
        r"(?:=\s*[\"']?[^\s\"'<>&=]{4,}|:\s*[\"']?(?=[^\s\"'<>&]*\d)[^\s\"'<>&;,(){}\[\]]{6,})",
        re.IGNORECASE,
    ),
    "a password in an address": re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>]{1,64}:[^\s/@\"'<>]+@", re.IGNORECASE),
    "an e-mail address": re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"),
    "an IBAN": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"),
    "a phone number": re.compile(rf"(?<![\d.,+])(?:(?<![^\W_]){_FRENCH}(?![^\W_])|{_ABROAD})(?![\d.,]?\d)"),
    "a folder of a person's machine": re.compile(r"(?<![\w/.])/(?:home|Users)/[\w.-]+|\b[A-Za-z]:\\Users\\|(?<![\w/.])/root/"),
    "a traceback": re.compile(r"\bTraceback\b"),
    "a notebook's injected parameters": re.compile(r"injected-parameters"),
}


def matched(text: str, allowed: Set[str] = frozenset()) -> set[str]:
    """What was found in the text and how it begins; nothing that is, folded, in `allowed`."""
    found = set()
    for what, pattern in PATTERNS.items():
        for hit in pattern.finditer(text):
            if folded(hit[0]).strip() not in allowed and not (what == "an IBAN" and not _is_iban(hit[0])):
                found.add(f"{what} ({' '.join(hit[0].split())[:4]}…)")
    return found


def _is_iban(text: str) -> bool:
    """Whether the check digits fit, as ISO 13616 asks."""
    plain = text.replace(" ", "")
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1
