"""What Sphinx does for the readers of this book beyond its theme; `_config.yml` names it among the extensions.

Search without accents (`search`), names for what the theme leaves nameless to a screen reader, and light pages: the theme
brings its icons twice, as fonts and as a script of 1.5 MB.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from sphinx import addnodes

from . import freshness
from .catalogues import LANGUAGE, spoken
from .search import SCORER, FrenchWords, Words

BADGE = Path(__file__).with_name("badge.js")  # pages that became due after the site was built
_ICONS = "_static/scripts/fontawesome.js"
_ICON_SCRIPT = re.compile(rf'<script defer src="[./]*{re.escape(_ICONS)}[^"]*"></script>\s*')
_UNFOLD = re.compile(r'(<a class="[^"]*" href="[^"]*">)((?:(?!</a>).)*)(</a><details[^>]*><summary)>', re.DOTALL)
_UNDER = {"en": "Pages under {}", "fr": "Pages sous {}"}
# What is in another language than its page: an untranslated page of the French edition, an English part of a translated one.
_LANGUAGES = {
    '<div class="page-untranslated docutils">': '<div class="page-untranslated docutils" lang="fr">',
    '<div class="in-english docutils">': '<div class="in-english docutils" lang="en">',
}
_UNTIL = re.compile(r'<div class="page-about page-\w+ until-([\d-]+) docutils"')
_TASK = re.compile(r'<p>(<input class="task-list-item-checkbox"[^>]*>)(.*?)</p>', re.DOTALL)


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_config_value(freshness.OVERDUE_KEY, freshness.OVERDUE, "html")
    app.add_search_language(Words)
    app.add_search_language(FrenchWords)
    app.connect("config-inited", _configure)
    app.add_js_file(BADGE.name, loading_method="defer")
    app.connect("doctree-resolved", _also)
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True}


def improved(page: str, language: str = "en", overdue: str = freshness.OVERDUE) -> str:
    """A built page without the script of the icons, whose boxes to tick and folds of the contents have names, whose texts in
    another language are marked so, and whose badge carries what `badge.js` shows once it is `overdue`.

    >>> improved('<p><input class="task-list-item-checkbox" type="checkbox"> a date</p>')
    '<p><label><input class="task-list-item-checkbox" type="checkbox"> a date</label></p>'
    """
    page = _ICON_SCRIPT.sub("", page)
    page = _UNFOLD.sub(lambda fold: _named(fold, _UNDER[language]), page)
    if "page-untranslated" in page:
        page = page.replace('<article class="bd-article">', '<article class="bd-article" lang="en">')
    for plain, marked in _LANGUAGES.items():
        page = page.replace(plain, marked)
    page = _UNTIL.sub(lambda badge: f'{badge[0]} data-due="{_due(badge[1], language, overdue)}"', page)
    return _TASK.sub(r"<p><label>\1\2</label></p>", page)


def _due(day: str, language: str, overdue: str) -> str:
    return html.escape(overdue.strip("*").format(spoken(day) if language == LANGUAGE else day))


def _named(fold: re.Match[str], under: str) -> str:
    title = html.escape(html.unescape(re.sub(r"<[^>]*>", "", fold[2])).strip())
    return f'{fold[1]}{fold[2]}{fold[3]} aria-label="{under.format(title)}">'


def _configure(app: Any, config: Any) -> None:
    config.html_search_scorer = str(SCORER)
    config.html_static_path.append(str(BADGE))


def _also(app: Any, page: Any, name: str) -> None:
    """Other words for what a page answers, as its front matter tells them: found by the search, not shown."""
    said = app.env.metadata[name].get("also", "").split(",")
    entries = [("single", words.strip(), "", "main", None) for words in said if words.strip()]
    page.insert(0, addnodes.index(entries=entries))


def _finish(app: Any, failure: Exception | None) -> None:
    for path in Path(app.outdir).rglob("*.html"):
        if "_static" not in path.relative_to(app.outdir).parts:
            path.write_text(
                improved(path.read_text(encoding="utf-8"), app.config.language or "en", app.config[freshness.OVERDUE_KEY]),
                encoding="utf-8",
            )
    for path in Path(app.outdir).glob(f"{_ICONS}*"):
        path.unlink()
