"""A page that became due after the site was built says so in the reader's browser, from a folder, in its language."""

from __future__ import annotations

import html
import shutil
from pathlib import Path

import pytest
from test_site import browse

from revops_lib.site import catalogues, freshness, reader

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_page_is_due_on_the_readers_day(tmp_path: Path, language: str) -> None:
    words = catalogues.words(catalogues.SITE, ROOT / "playbook") if language == "fr" else {}

    def line(until: str) -> str:
        said = [phrase.format(day) for phrase, day in ((freshness.VERIFIED_ON, "1999-12-01"), (freshness.NEXT, until))]
        return (
            f'<div class="page-about page-verified until-{until} docutils"><p>Owner: &lt;b&gt;x · {" · ".join(said)}</p></div>'
        )

    shutil.copyfile(reader.BADGE, tmp_path / reader.BADGE.name)
    body = f'{line("2000-01-01")}{line("2999-01-01")}<script src="{reader.BADGE.name}" defer></script>'
    (tmp_path / "page.html").write_text(f'<!doctype html><html lang="{language}"><body>{body}', encoding="utf-8")
    shown = browse((tmp_path / "page.html").as_uri(), tmp_path)
    overdue = words.get(freshness.OVERDUE, freshness.OVERDUE).format("2000-01-01").strip("*")
    due = f"<p>Owner: &lt;b&gt;x · Verified: 1999-12-01 · <strong>{overdue}</strong></p>"
    assert f'<div class="page-about page-due until-2000-01-01 docutils">{due}</div>' in shown
    assert line("2999-01-01") in shown and html.unescape(shown).count("<strong>") == 1
