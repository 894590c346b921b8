"""A link on each page with which its reader tells the owner what is wrong or missing."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from ..errors import UsageError
from ..pages import Page
from .text import bare

KEY = "feedback"
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


def link(page: Page, to: str) -> str:
    """The line for the end of a page, empty without an address: it opens a new issue, or a message, named after the page.

    One parameter only: MyST breaks the mark between two.
    """
    if not to:
        return ""
    about = quote(f"Playbook: {page.name}", safe="")
    way = f"mailto:{to}?subject={about}" if "@" in to else f"{to}/issues/new?title={about}"
    return f"\n\n:::{{div}} page-feedback\nSomething wrong or missing? [Tell {bare(page.owner)}]({way})\n:::\n"
