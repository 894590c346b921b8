"""What a page says about itself under its title, and what a build says about pages that nobody has looked at."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import UsageError
from ..pages import CHANGED, DUE, UNVERIFIED, Page, state
from .text import plain

_TITLE = re.compile(r"^# .*$", re.MULTILINE)


def badge(page: Page, day: dt.date) -> str:
    """Owner, state of the verification and last change in one line of words."""
    said = [f"Owner: {plain(page.owner)}"]
    now = state(page, day)
    if now == UNVERIFIED or page.verified is None:
        said += ["**not verified yet**"]
    else:
        by = f" by {plain(page.verified_by)}" if page.verified_by else ""
        verdict = {CHANGED: f"**{CHANGED}**", DUE: f"**due since {page.review_by}**"}.get(now, f"next by {page.review_by}")
        said += [f"Verified: {page.verified}{by}", verdict]
    said += [f"Last updated: {page.updated}"] if page.updated else []
    return f":::{{div}} page-about\n{' · '.join(said)}\n:::"


def under_title(text: str, line: str) -> str:
    """The text of a page with a line under its title."""
    return _TITLE.sub(lambda title: f"{title[0]}\n\n{line}", text, count=1)


def warnings(found: Iterable[Page], day: dt.date, *, preview: bool, playbook: Path) -> Iterator[str]:
    """Sentences about pages that are due or were never verified. UsageError naming all pages that changed after they were
    verified; a preview says only that."""
    states = {page: state(page, day) for page in found}
    changed = [page.name for page, now in states.items() if now == CHANGED]
    if changed:
        many = "1 page has" if len(changed) == 1 else f"{len(changed)} pages have"
        what = f"{many} changed since verified: {', '.join(changed)}"
        do = f"read what changed, then `revops playbook verify {' '.join(changed)}`"
        if not preview:
            raise UsageError(what, str(playbook), f"{do}; `revops site --preview` shows it before")
        yield f"{what}: {do}"
    for page, now in states.items():
        if now == DUE:
            yield f"{page.name} is due since {page.review_by}: {page.owner} reads it, then `revops playbook verify {page.name}`"
    if new := [page.name for page, now in states.items() if now == UNVERIFIED]:
        yield f"not verified yet ({len(new)}): {', '.join(new)}: read them, then `revops playbook verify PAGE`"
