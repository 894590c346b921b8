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
    kind, overdue = ("unverified", words[freshness.OVERDUE]) if words else ("verified", freshness.OVERDUE)

    def shown(day: str) -> str:
        return catalogues.spoken(day) if words else day

    def line(until: str) -> str:
        said = [freshness.VERIFIED_ON.format("1999"), words.get(freshness.NEXT, freshness.NEXT).format(shown(until)), "more"]
        return f'<div class="page-about page-{kind} until-{until} docutils"><p>Owner: &lt;b&gt;x · {" · ".join(said)}</p></div>'

    shutil.copyfile(reader.BADGE, tmp_path / reader.BADGE.name)
    body = f'{line("2000-02-01")}{line("2999-02-01")}<script src="{reader.BADGE.name}" defer></script>'
    page = reader.improved(f'<!doctype html><html lang="{language}"><body>{body}', language, overdue)
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    seen = html.unescape(browse((tmp_path / "page.html").as_uri(), tmp_path))
    due = overdue.format(shown("2000-02-01")).strip("*")
    assert f"<p>Owner: <b>x · Verified: 1999 · <strong>{due}</strong> · more</p>" in seen
    assert '<div class="page-about until-2000-02-01 docutils page-due"' in seen and seen.count("<strong>") == 1
    assert shown("2999-02-01") in seen.split("until-2999")[1]
