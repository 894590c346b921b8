"""Playbooks for tests: small ones, and the shipped one without its live numbers."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from revops_lib.pages import Page, fingerprint

ROOT = Path(__file__).resolve().parent.parent


def small(folder: Path, **pages: str) -> Path:
    """A playbook in which `_toc.yml` lists the home page and `process`; `pages` are texts by name, `__` for a slash."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("_config.yml", "reports.yml"):
        shutil.copyfile(ROOT / "playbook" / name, folder / name)
    contents = "# order of pages\nformat: jb-book\nroot: index\nparts:\n  - caption: Sell  # first\n    chapters:\n"
    contents += (
        "      - file: process\n        title: Process\n  - caption: People\n    chapters:\n      - file: people/hiring\n"
    )
    (folder / "_toc.yml").write_text(contents, encoding="utf-8")
    own = "---\nowner: RevOps\n---\n"
    given = {"index": f"{own}# Home\n\nText.\n", "process": f"{own}# Process\n\nText.\n"}
    for name, text in {**given, "people__hiring": f"{own}# Hiring\n\nText.\n", **pages}.items():
        path = folder / f"{name.replace('__', '/')}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def seal(text: str, owner: str = "Deal desk", days: int = 90, audience: str = "everyone") -> str:
    """The `body` of a page without pictures."""
    return fingerprint(Page("page", Path("pages/page.md"), "", text, owner, None, "", days, "", None, audience))


def without_numbers(to: Path) -> Path:
    """The shipped playbook without live numbers, for runs that do not have them."""
    shutil.copytree(ROOT / "playbook", to)
    for path in to.rglob("*.md"):
        text = path.read_text(encoding="utf-8")
        if "[[" in text:
            path.write_text(
                re.sub(r"^(?:body|verified): .*\n", "", re.sub(r"\[\[[^\[\]]*\]\]", "–", text), flags=re.M), encoding="utf-8"
            )
    return to
