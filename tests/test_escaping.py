"""The lint that bans what reaches a browser unescaped: it sees every such thing, and the repository holds none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = ["HTML", "Markdown", "Javascript", "Latex", "SVG", "IFrame"]
PYTHON = [
    "frame.style.hide()",
    "x = frame.style",
    "import pandas as pd\nshown = pd.io.formats.style.Styler(frame)",
    "frame.to_html(escape=False)",
    "frame.to_html(render_links=True)",
    "display(bundle, raw=True)",
    *[f"from IPython.display import {name} as fine" for name in NAMES],
    *[f"import IPython.display as d\nd.{name}(text)" for name in NAMES],
    *[f"display_{kind}(text)" for kind in ("html", "markdown", "javascript", "latex", "svg")],
    "from IPython.display import publish_display_data",
    *[f"class A:\n    def _repr_{kind}_(self): return text" for kind in ("html", "markdown", "svg", "mimebundle")],
    "A._repr_html_ = show",
    "class A:\n    _repr_html_ = show",
]
CELLS = [*PYTHON, *[f"%%{magic}\n<b>x</b>" for magic in ("html", "HTML", "javascript", "js", "markdown", "svg", "latex")]]
CELLS += ["%matplotlib inline\nframe.style", "!ls\n HTML(", "print('fine')\n%%html"]
MARKDOWN = ["```{raw} html\nx\n```", "{raw}`x`", "```{eval-rst}\n.. raw:: html\n```", "a <b>bold</b> word", "<script>", "<br/>",
            "<img\nsrc=x>", "<!-- a note -->", "</div>", "```{note}\n<b>x</b>\n```", "`a` <b> `c`", "a ` b\n<b>\n`",
            "```{note}\nx\n```\n<b>\n```{tip}\nx\n```", "````{note}\n```\n<b>\n```\n<b>\n````", "```\n~~~\n```\n<b>"]  # fmt: skip
FINE = {
    "revops_lib/report.py": "def table(frame, escape=True):\n    '''HTML( and .style are banned'''\n    return style(frame, raw=False)\n",
    "notebooks/forecast.ipynb": "%matplotlib inline\nframe.to_html(escape=True)\nline_style = frame._repr_html_()",
    "playbook/index.md": "# Title\n\nFewer than 5 < 6, <https://example.org>, `<b>`, ``a `<i>` b``\n\n```html\n<b>x</b>\n```\n\n~~~\n<b>\n~~~\n",
}


def lint(folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, ROOT / ".ci" / "escaping.py", folder], capture_output=True, text=True)


def plant(folder: Path, file: str, text: str) -> None:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".ipynb":
        prose = {"cell_type": "markdown", "source": ["# HTML("]}
        text = json.dumps({"cells": [prose, {"cell_type": "code", "source": text.splitlines(keepends=True)}]})
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "planted"), [("revops_lib/sub/a{}.py", PYTHON), ("notebooks/a{}.ipynb", CELLS), ("playbook/sub/a{}.md", MARKDOWN)]
)
def test_everything_that_does_not_escape_is_seen(kind, planted, tmp_path):
    for number, text in enumerate(planted):
        plant(tmp_path, kind.format(number), text)
    done = lint(tmp_path)
    seen = {line.split(",")[0] for line in done.stdout.splitlines()}
    assert [text for number, text in enumerate(planted) if kind.format(number) not in seen] == [] and done.returncode == 1


def test_the_place_is_named(tmp_path):
    plant(tmp_path, "notebooks/forecast.ipynb", "a = 1\nframe.style")
    plant(tmp_path, "playbook/index.md", "# Title\n\n```\ncode\n```\n<b>")
    assert lint(tmp_path).stdout.splitlines() == [
        "notebooks/forecast.ipynb, cell 1, line 2: style",
        "playbook/index.md, line 6: raw <b",
    ]


def test_what_escapes_is_let_through_and_the_repository_is_clean(tmp_path):
    for file, text in FINE.items():
        plant(tmp_path, file, text)
    for folder in (tmp_path, ROOT):
        assert (lint(folder).stdout, lint(folder).returncode) == ("", 0)
