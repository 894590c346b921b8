"""Build the book and put it in the place of the old site, or leave the old site as it is.

Jupyter Book runs in a process of its own, executes nothing and treats every warning as an error. What it built is
scanned before anybody sees it.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from .. import disk, masking
from ..allowlist import AUDIENCES
from ..errors import CannotWrite, RevopsError, UsageError, nearest
from ..pages import PLAYBOOK
from . import active, calculator, editions, french
from .book import assemble
from .personal import personal
from .scan import SiteRefused, scan

_QUARTER = re.compile(r"[0-9]{4}Q[1-4]")


class SiteFailed(RevopsError):
    """The book has a fault; the old site is untouched."""

    exit_code = 4


def build(
    quarter: str | None = None,
    *,
    runs: Path,
    to: Path,
    audience: str = "everyone",
    playbook: Path | None = None,
    day: dt.date | None = None,
    preview: bool = False,
    despite_failed: bool = False,
    say: Callable[[str], object] = lambda sentence: None,
) -> Path:
    """Build the site from the playbook and the runs in `runs`, put it in the place of `to`, return its index.html.

    With a `quarter` the site shows that run only, which must exist; without, every run found, and a sentence when
    there is none. Pages and reports with `audience: internal` are in the internal site only. `day` (default: today) decides
    which pages are due. `say` is told them, and what the scan did not look for. A page that changed after it was verified
    stops the build, unless it is a `preview`; a live number that is missing does, unless the site is built `despite_failed`
    notebooks. On any failure `to` stays as it was.
    Raises UsageError (audience, quarter, runs of different datasets, playbook files, changed pages, live numbers), DataRefused
    (a run's report.json, the list of tools),
    SiteFailed (first warning of the build, full log in `runs`/site.log), SiteRefused (what the scan found), CannotWrite,
    Locked (another build of `to`).
    """
    if audience not in AUDIENCES:
        raise UsageError(f"unknown audience {audience!r}", "site", nearest(audience, AUDIENCES))
    runs, to, playbook = runs.resolve(), to.resolve(), (playbook or PLAYBOOK).resolve()
    started = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC"
    with disk.locked(to.parent / f".{to.name}.lock", {"process": os.getpid(), "started": started}):
        disk.clear_away(to)
        if to.exists() and not (to.is_dir() and ((to / "searchindex.js").exists() or not any(to.iterdir()))):
            raise CannotWrite("the folder holds something that is not a site", str(to), "name an empty or new folder")
        quarters = _quarters(runs, quarter)
        try:
            with disk.beside(to) as work:
                day = day or dt.datetime.now(dt.UTC).date()
                for sentence in assemble(
                    work / "book",
                    quarters,
                    runs=runs,
                    audience=audience,
                    playbook=playbook,
                    day=day,
                    preview=preview,
                    despite_failed=despite_failed,
                ):
                    say(sentence)
                pages = _jupyter_book(work / "book", log=runs / "site.log")
                _refuse(pages, runs, quarters, playbook, say)
                disk.put(pages, to)
        except OSError as failure:
            where = str(failure.filename or to)
            raise CannotWrite(failure.strerror or "cannot write", where, "free space or choose another folder") from failure
    return to / "index.html"


def published(runs: Path) -> list[str]:
    """Quarters with something published in `runs`, the latest first."""
    names = [file.parts[-3] for file in runs.glob("*/public/report.json")]
    return sorted((name for name in names if _QUARTER.fullmatch(name)), reverse=True)


def clean() -> dict[str, Any]:
    """What the shipped settings make of a book of harmless pages and the calculator's: the baseline of the scan."""
    with tempfile.TemporaryDirectory() as folder:
        book = Path(folder, "book")
        book.mkdir()
        shutil.copyfile(PLAYBOOK / "_config.yml", book / "_config.yml")
        chapters = [{"file": "page"}, {"file": "earn"}]
        contents = {"format": "jb-book", "root": "index", "parts": [{"caption": "Pages", "chapters": chapters}]}
        (book / "_toc.yml").write_text(yaml.safe_dump(contents), encoding="utf-8")
        (book / "index.md").write_text("# Book\n\nText.\n", encoding="utf-8")
        (book / "page.md").write_text("# Page\n\nText.\n", encoding="utf-8")
        (book / "earn.md").write_text(f"# Page\n\n{calculator.PLACE}\n", encoding="utf-8")
        (book / calculator.PLANS).write_text("[]", encoding="utf-8")
        shutil.copytree(book, book.with_name(french.FOLDER))
        french.configure(book.with_name(french.FOLDER), str)
        return active.measured(_jupyter_book(book, log=Path(folder, "site.log")))


def _quarters(runs: Path, quarter: str | None) -> list[str]:
    """Every published quarter; only `quarter` when one is given."""
    found = published(runs)
    if quarter is not None and quarter not in found:
        do = nearest(quarter, found) if found else "there is no run yet: make one with `revops run`"
        raise UsageError(f"no run of {quarter!r}", str(runs), do)
    return found if quarter is None else [quarter]


def _jupyter_book(book: Path, log: Path) -> Path:
    """The folder of built pages, with those of the French edition where there is one: both are built at the same time.

    SiteFailed with the first warning, the whole output in `log`.
    """
    books = [one for one in (book, book.with_name(french.FOLDER)) if one.exists()]
    with ThreadPoolExecutor() as both:
        made = list(both.map(_sphinx, books))
    for what, (pages, said) in zip(("site", "French edition"), made, strict=False):
        if pages:
            continue
        disk.write_text(log, masking.masked(said))
        warnings = [line for line in said.splitlines() if re.search(r"\b(WARNING|ERROR|CRITICAL|\w+Error)\b", line)]
        first = (warnings or ["it ended without saying why"])[0]
        raise SiteFailed(f"the {what} does not build: {first}", f"all of it in {log}", "correct the page and build again")
    log.unlink(missing_ok=True)
    built = [pages for pages, _ in made if pages]
    for one, pages in zip(books, built, strict=True):
        calculator.put(one, pages)
    if built[1:]:
        editions.join(*built)
    return built[0]


def _sphinx(book: Path) -> tuple[Path | None, str]:
    """The folder of built pages, none where the build failed, and what it said."""
    # Without a check of web addresses that no page needs and that takes most of the time of its imports (runs/nursery.py).
    command = "import sys; sys.modules['rfc3987_syntax'] = None; from jupyter_book.cli.main import main; main()"
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
    is_built = done.returncode == 0 and (pages / "index.html").exists()
    return pages if is_built else None, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).replace(f"{book}{os.sep}", "")


def _refuse(pages: Path, runs: Path, quarters: list[str], playbook: Path, say: Callable[[str], object]) -> None:
    """Refuse pages with secrets of the environment, names of the runs' datasets, or anything else the scan finds."""
    values, not_looked_for = personal(runs, quarters, playbook=playbook)
    for sentence in not_looked_for:
        say(sentence)
    findings = scan(pages, secrets=masking.secrets(), values=values, allowed=playbook / "scan.yml")
    if findings:
        raise SiteRefused(findings, "take it out of the page, or allow a harmless text in playbook/scan.yml")
