"""What a page says about itself under its title, and what a build says about pages that nobody has looked at."""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..errors import UsageError
from ..pages import CHANGED, DUE, UNVERIFIED, VERIFIED, Page, is_ahead, state
from .markup import TITLE
from .text import plain

OWNER, VERIFIED_ON, VERIFIED_BY, NEXT = "Owner: {}", "Verified: {}", "Verified: {} by {}", "next by {}"
OVERDUE, EDITED, NEVER, UPDATED = "**due since {}**", f"**{CHANGED}**", f"**{UNVERIFIED}**", "Last updated: {}"
TRANSLATED = "**translation not verified**"
PHRASES = (OWNER, VERIFIED_ON, VERIFIED_BY, NEXT, OVERDUE, EDITED, NEVER, UPDATED, TRANSLATED)
COMMANDS = "`revops playbook status` lists a command for each owner"
OVERDUE_KEY = "badge_overdue"  # what the configuration of a book calls the words of OVERDUE in its language
OWNER_OF_GENERATED = "RevOps manager"  # answers for what no person writes: reports, KPIs, data dictionary
_KINDS = {VERIFIED: "verified", DUE: "due", CHANGED: "changed", UNVERIFIED: "unverified"}


def badge(page: Page, day: dt.date, say: Callable[[str], str] = str, *, is_translated: bool = False) -> str:
    """Owner, state of the verification and last change in one line of words, in the language into which `say` translates. Its
    class holds the state, and the last day of a verified page, which `badge.js` compares with the reader's. What was verified
    is the English text: a translation says that it is not."""
    said = [say(OWNER).format(plain(say(page.owner)))]
    now = state(page, day)
    if now == UNVERIFIED or page.verified is None:
        said += [say(NEVER)]
    else:
        by = page.verified_by
        on = say(str(page.verified))
        said += [say(VERIFIED_BY).format(on, plain(say(by))) if by else say(VERIFIED_ON).format(on)]
        said += [say({CHANGED: EDITED, DUE: OVERDUE}.get(now, NEXT)).format(say(str(page.review_by)))]
        said += [say(TRANSLATED)] if is_translated else []
    said += [say(UPDATED).format(say(str(page.updated)))] if page.updated else []
    until = f" until-{page.review_by}" if now == VERIFIED else ""
    kind = UNVERIFIED if is_translated and now == VERIFIED else now
    return f":::{{div}} page-about page-{_KINDS[kind]}{until}\n{' · '.join(said)}\n:::"


def owner_of_generated() -> str:
    return f":::{{div}} page-about\n{OWNER.format(OWNER_OF_GENERATED)} · made from the runs and the code\n:::"


def under_title(text: str, line: str) -> str:
    """The text of a page with a line under the title with which it begins."""
    return TITLE.sub(lambda title: f"{title[0]}\n\n{line}", text, count=1)


def warnings(found: Iterable[Page], day: dt.date, *, preview: bool, playbook: Path) -> Iterator[str]:
    """Sentences about pages that are due or were never verified. UsageError naming all pages that changed after they were
    verified, or that say that they were on a day that has not come; a preview says only that."""
    states = {page: state(page, day) for page in found}
    if ahead := [page.name for page in states if is_ahead(page, day)]:
        what = f"verified on a day that has not come: {', '.join(ahead)}"
        if not preview:
            raise UsageError(what, str(playbook), f"verify them: {COMMANDS}")
        yield what
    changed = [page.name for page, now in states.items() if now == CHANGED]
    if changed:
        many = "1 page has" if len(changed) == 1 else f"{len(changed)} pages have"
        what = f"{many} changed since verified: {', '.join(changed)}"
        do = f"read what changed, then verify it: {COMMANDS}"
        if not preview:
            raise UsageError(what, str(playbook), f"{do}; `revops site --preview` shows it before")
        yield f"{what}: {do}"
    for page, now in states.items():
        if now == DUE:
            do = f"{page.owner} reads it, then {next(commands([page]))}"
            yield f"{page.name} is due since {page.review_by}: {do}"
    if new := [page.name for page, now in states.items() if now == UNVERIFIED]:
        yield f"not verified yet ({len(new)}): {', '.join(new)}: {COMMANDS}"


def commands(found: Iterable[Page]) -> Iterator[str]:
    """What verifies pages, a command for each owner."""
    by_owner: dict[str, list[str]] = {}
    for page in found:
        by_owner.setdefault(page.owner, []).append(page.name)
    yield from (f"`revops playbook verify --by {shlex.quote(owner)} {' '.join(own)}`" for owner, own in by_owner.items())
