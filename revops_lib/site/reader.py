"""What Sphinx does for the readers of this book beyond its theme; `_config.yml` names it among the extensions.

Search without accents (`search`), names for what the theme leaves nameless to a screen reader, and light pages: the theme
brings its icons twice, as fonts and as a script of 1.5 MB.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from .search import SCORER, Words

_ICONS = "_static/scripts/fontawesome.js"
_ICON_SCRIPT = re.compile(rf'<script defer src="[./]*{re.escape(_ICONS)}[^"]*"></script>\s*')
_UNFOLD = re.compile(r'(<a class="[^"]*" href="[^"]*">)((?:(?!</a>).)*)(</a><details[^>]*><summary)>', re.DOTALL)
_TASK = re.compile(r'<p>(<input class="task-list-item-checkbox"[^>]*>)(.*?)</p>', re.DOTALL)


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_search_language(Words)
    app.connect("config-inited", _configure)
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True}


def improved(page: str) -> str:
    """A built page without the script of the icons, whose boxes to tick and folds of the contents have names.

    >>> improved('<p><input class="task-list-item-checkbox" type="checkbox"> a date</p>')
    '<p><label><input class="task-list-item-checkbox" type="checkbox"> a date</label></p>'
    """
    page = _ICON_SCRIPT.sub("", page)
    page = _UNFOLD.sub(_named, page)
    return _TASK.sub(r"<p><label>\1\2</label></p>", page)


def _named(fold: re.Match[str]) -> str:
    title = html.escape(html.unescape(re.sub(r"<[^>]*>", "", fold[2])).strip())
    return f'{fold[1]}{fold[2]}{fold[3]} aria-label="Pages under {title}">'


def _configure(app: Any, config: Any) -> None:
    config.html_search_scorer = str(SCORER)


def _finish(app: Any, failure: Exception | None) -> None:
    for path in Path(app.outdir).rglob("*.html"):
        if "_static" not in path.relative_to(app.outdir).parts:
            path.write_text(improved(path.read_text(encoding="utf-8")), encoding="utf-8")
    for path in Path(app.outdir).glob(f"{_ICONS}*"):
        path.unlink()
