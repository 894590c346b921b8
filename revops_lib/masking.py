"""Secrets: what the environment holds under a name that says so, and texts in which their values are covered.

Secrets come from the environment and never become parameters. Whatever a run writes or prints passes `masked` first.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
from typing import Any
from urllib.parse import quote

COVER = "•••"
SHORTEST = 6  # a shorter value would cover ordinary words
_NAME = re.compile(
    r"token|secret|passw|passphrase|pgpass|(^|_)pass$|(^|_)pat$|(^|_)creds?$|pwd$|api_?key|private_?key|access_?key|credential"
    r"|_key$|^key$|_dsn$|_auth$|connection_string",
    re.IGNORECASE,
)
_PLACES = {"PWD", "OLDPWD"}  # folders
_IN_ADDRESS = re.compile(r"://[^/@\s:]*:([^@/\s]+)@")


def is_secret(name: str) -> bool:
    """Whether a name says that what it holds is a secret.

    >>> is_secret("DB_PASSWORD"), is_secret("hubspot_token"), is_secret("level"), is_secret("PWD")
    (True, True, False, False)
    """
    return name not in _PLACES and bool(_NAME.search(name))


def secrets() -> dict[str, str]:
    """The secrets of the environment by the name of their variable: values under such a name, passwords inside addresses."""
    found = {name: value for name, value in os.environ.items() if is_secret(name) and len(value) >= SHORTEST}
    for name, value in os.environ.items():
        for number, inside in enumerate(_IN_ADDRESS.findall(value), start=1):
            if len(inside) >= SHORTEST:
                found[f"{name} ({number})"] = inside
    return found


def masked(content: Any) -> Any:
    """The text, or every text inside lists and dictionaries, with each secret covered however it is written there."""
    spelled = [one for value in secrets().values() for one in _spellings(value)]
    if not spelled:
        return content
    pattern = re.compile("|".join(re.escape(one) for one in sorted(set(spelled), key=len, reverse=True)))
    return _covered(content, pattern)


def named_in(text: str) -> str | None:
    """The variable whose secret a text holds; None when it holds none."""
    for name, value in secrets().items():
        if any(one in text for one in _spellings(value)):
            return name
    return None


def _covered(content: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(content, str):
        return pattern.sub(COVER, content)
    if isinstance(content, dict):
        return type(content)({_covered(key, pattern): _covered(value, pattern) for key, value in content.items()})
    if isinstance(content, list | tuple):
        return type(content)(_covered(one, pattern) for one in content)
    return content


def _spellings(value: str) -> set[str]:
    """A value as it stands in plain text, Python, JSON, HTML, addresses and base64 at any of the three positions."""
    encoded = set()
    for skipped in range(3):
        cut = (len(value.encode()) - (3 - skipped) % 3) % 3
        bytes_ = value.encode()[(3 - skipped) % 3 :]
        encoded.add(base64.b64encode(bytes_[: len(bytes_) - cut] if cut else bytes_).decode())
    plain = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    plain |= {html.escape(value), html.escape(value, quote=False), quote(value), quote(value, safe="")}
    return plain | {one for one in encoded if len(one) >= SHORTEST}
