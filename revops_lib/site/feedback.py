"""A link on each page with which its reader tells the owner what is wrong or missing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from ..errors import UsageError
from .text import bare

KEY = "feedback"
ASK = "sell/ask-revops"  # the page that says how to ask: where no address is given
ASKED = "Something wrong or missing? [Tell {}]({})"
PHRASES = (ASKED,)
_REPOSITORY = re.compile(r"https://[\w.-]+(?:/[\w.~-]+){2}/?")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def address(config: dict[str, object], file: Path) -> str:
    """The address of the configuration's key `feedback`, which is taken out: Jupyter Book does not know it. Empty for none.

    UsageError when it is neither a repository's address nor an e-mail address.
    """
    given = str(config.pop(KEY, None) or "").strip().rstrip("/")
    if given and not (_REPOSITORY.fullmatch(given) or _MAIL.fullmatch(given)):
        do = "write https://HOST/OWNER/REPOSITORY, an e-mail address, or nothing"
        raise UsageError(f"{KEY} leads nowhere: {given!r}", str(file), do)
    return given


def link(name: str, owner: str, to: str, say: Callable[[str], str] = str) -> str:
    """The line for the end of the page `name`, empty without an address: it opens a new issue, or a message, named after the
    page, or leads to the page `ASK`. `say` translates it.

    One parameter only: MyST breaks the mark between two.
    """
    if not to:
        return ""
    about = quote(f"Playbook: {name}", safe="")
    way = f"mailto:{to}?subject={about}" if "@" in to else f"{to}/issues/new?title={about}"
    if to == ASK:
        way = posixpath.relpath(f"{ASK}.md", posixpath.dirname(name) or ".")
    return f"\n\n:::{{div}} page-feedback\n{say(ASKED).format(bare(say(owner)), way)}\n:::\n"
