"""Build the book and put it in the place of the old site, or leave the old site as it is.

Jupyter Book runs in a process of its own, executes nothing and treats every warning as an error. What it built is
looked through for anything a browser would fetch from elsewhere before anybody sees it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ..errors import CannotWrite, RevopsError, UsageError, nearest
from .book import AUDIENCES, PLAYBOOK, assemble

_QUARTER = re.compile(r"[0-9]{4}Q[1-4]")
_OUTSIDE = re.compile(
    r"<(?:script|link|img|iframe|source|object|embed|form)\b[^>]*?\s(?:src|href|data|action)\s*=\s*[\"']?(?:https?:)?//[^\s\"'>]*"
    r"|url\(\s*[\"']?(?:https?:)?//[^)]*|@import\s+[\"']?(?:https?:)?//[^;]*",
    flags=re.IGNORECASE,
)


class SiteFailed(RevopsError):
    """The book has a fault; the old site is untouched."""

    exit_code = 4


class SiteRefused(RevopsError):
    """The built pages hold what must not be published; the old site is untouched."""

    exit_code = 10


def build(
    quarter: str | None = None,
    *,
    runs: Path,
    to: Path,
    audience: str = "everyone",
    playbook: Path | None = None,
) -> Path:
    """Build the site from the playbook and the runs in `runs`, put it in the place of `to`, return its index.html.

    With a `quarter` the site shows that run only, which must exist; without, every run found, and a sentence when
    there is none. Pages with `audience: internal` are in the internal site only. On any failure `to` stays as it was.
    Raises UsageError (audience, quarter, runs of different datasets, playbook files), DataRefused (a run's report.json),
    SiteFailed (first warning of the build, full log in `runs`/site.log), SiteRefused (a page would load something from
    elsewhere), CannotWrite.
    """
    if audience not in AUDIENCES:
        raise UsageError(f"unknown audience {audience!r}", "site", nearest(audience, AUDIENCES))
    runs, to = runs.resolve(), to.resolve()
    if to.exists() and not (to.is_dir() and ((to / "searchindex.js").exists() or not any(to.iterdir()))):
        raise CannotWrite("the folder holds something that is not a site", str(to), "name an empty or new folder")
    quarters = _quarters(runs, quarter)
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
    except OSError as failure:
        raise CannotWrite(failure.strerror or "cannot write", str(to.parent), "choose another folder") from failure
    try:
        assemble(work / "book", quarters, runs=runs, audience=audience, playbook=playbook or PLAYBOOK)
        pages = _jupyter_book(work / "book", log=runs / "site.log")
        _refuse_outside(pages)
        _replace(to, pages, work / "before")
    except OSError as failure:
        where = str(failure.filename or to)
        raise CannotWrite(failure.strerror or "cannot write", where, "free space or choose another folder") from failure
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return to / "index.html"


def published(runs: Path) -> list[str]:
    """Quarters with something published in `runs`, the latest first."""
    names = [file.parts[-3] for file in runs.glob("*/public/report.json")]
    return sorted((name for name in names if _QUARTER.fullmatch(name)), reverse=True)


def _quarters(runs: Path, quarter: str | None) -> list[str]:
    """Every published quarter; only `quarter` when one is given."""
    found = published(runs)
    if quarter is not None and quarter not in found:
        do = nearest(quarter, found) if found else "there is no run yet: make one with `revops run`"
        raise UsageError(f"no run of {quarter!r}", str(runs), do)
    return found if quarter is None else [quarter]


def _jupyter_book(book: Path, log: Path) -> Path:
    """The folder of built pages; SiteFailed with the first warning, the whole output in `log`."""
    command = "from jupyter_book.cli.main import main; main()"
    fixed = {"DOCUTILSCONFIG": str(book / "docutils.conf"), "PYTHONUTF8": "1", "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", command, "build", str(book), "--warningiserror", "--keep-going"],
        cwd=book,
        env={**os.environ, **fixed},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    pages = book / "_build" / "html"
    if done.returncode == 0 and (pages / "index.html").exists():
        log.unlink(missing_ok=True)
        return pages
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).replace(f"{book}{os.sep}", "")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(said, encoding="utf-8")
    warnings = [line for line in said.splitlines() if re.search(r"\b(WARNING|ERROR|CRITICAL|\w+Error)\b", line)]
    first = (warnings or ["it ended without saying why"])[0]
    raise SiteFailed(f"the site does not build: {first}", f"all of it in {log}", "correct the page and build again")


def _refuse_outside(pages: Path) -> None:
    """Refuse pages that would make the browser load a script, style, font or picture from another place."""
    for file in sorted(pages.rglob("*")):
        if file.suffix in (".html", ".css") and (hit := _OUTSIDE.search(file.read_text(encoding="utf-8"))):
            what = f"a page loads something from elsewhere: {hit[0][:120]}"
            raise SiteRefused(what, file.relative_to(pages).as_posix(), "take it out of the page")


def _replace(to: Path, pages: Path, before: Path) -> None:
    """Put `pages` in the place of `to`; when that fails the old site is back."""
    if to.exists():
        to.rename(before)
    try:
        pages.rename(to)
    except OSError:
        if before.exists():
            before.rename(to)
        raise
