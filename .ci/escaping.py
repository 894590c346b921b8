"""Find what would put text on a page unescaped: in the code cells of notebooks, in the library, in the playbook.

    python .ci/escaping.py [FOLDER]      prints file, cell, line and what; exit code 1 when there is anything

CRM text reaches people through plain DataFrames and sentences, which escape it. What hands HTML, Markdown or scripts to a
browser as they are has no place here; neither has a table style, because a Styler escapes nothing.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ACTIVE = {"HTML", "Markdown", "Javascript", "Latex", "SVG", "IFrame", "publish_display_data", "Styler"}
ACTIVE |= {f"display_{kind}" for kind in ("html", "markdown", "javascript", "latex", "svg")}
OWN_LOOKS = {f"_repr_{kind}_" for kind in ("html", "markdown", "javascript", "latex", "svg", "mimebundle")}
OPTIONS = {("escape", False), ("render_links", True), ("raw", True)}
MAGICS = re.compile(r"\s*%%?(html|javascript|js|markdown|svg|latex)\b", re.IGNORECASE)
TAG = re.compile(r"<(?:!--|[/!?]?[a-zA-Z][a-zA-Z0-9-]*(?=[\s/>]|$))")
RAW = re.compile(r"\{(raw|eval-rst)\}")
FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*(.*?)\s*$")
SPAN = re.compile(r"(?<!`)(`{1,2})(?!`).+?(?<!`)\1(?!`)")


def main(root: Path) -> int:
    found = list(findings(root))
    for where, what in found:
        print(f"{where}: {what}")
    return 1 if found else 0


def findings(root: Path) -> Iterator[tuple[str, str]]:
    """Everything in a checkout that does not escape: where, and what."""
    for path in sorted((root / "revops_lib").rglob("*.py")):
        for line, what in in_python(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(root).as_posix()}, line {line}", what
    for path in sorted((root / "notebooks").rglob("*.ipynb")):
        cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
        for number, cell in enumerate(cells, start=1):
            for line, what in in_cell("".join(cell["source"])):
                yield f"{path.relative_to(root).as_posix()}, cell {number}, line {line}", what
    for path in sorted((root / "playbook").rglob("*.md")):
        for line, what in in_markdown(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(root).as_posix()}, line {line}", what


def in_cell(source: str) -> Iterator[tuple[int, str]]:
    lines = source.splitlines()
    for number, line in enumerate(lines, start=1):
        if magic := MAGICS.match(line):
            yield number, f"the magic {magic[0].strip()}"
    yield from in_python("\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines))


def in_python(source: str) -> Iterator[tuple[int, str]]:
    try:
        tree = ast.parse(source)
    except SyntaxError as failure:
        yield failure.lineno or 1, "not Python, so nobody can tell"
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names} & ACTIVE
        elif isinstance(node, ast.Attribute):
            names = {node.attr} & ({*ACTIVE, "style"} | (OWN_LOOKS if isinstance(node.ctx, ast.Store) else set()))
        elif isinstance(node, ast.Name):
            names = {node.id} & (ACTIVE | (OWN_LOOKS if isinstance(node.ctx, ast.Store) else set()))
        elif isinstance(node, ast.FunctionDef):
            names = {node.name} & OWN_LOOKS
        elif isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
            names = {f"{node.arg}={node.value.value}"} if (node.arg, node.value.value) in OPTIONS else set()
        else:
            continue
        for name in sorted(names):
            yield node.lineno, name


def in_markdown(text: str) -> Iterator[tuple[int, str]]:
    """Raw directives anywhere, tags outside of code."""
    code, directives = "", []  # the fences that are open: of a block of code, and of directives, whose content is prose
    for number, line in enumerate(text.splitlines(), start=1):
        yield from ((number, f"raw {found[0]}") for found in RAW.finditer(line))
        fence, info = found.groups() if (found := FENCE.match(line)) else ("", "")
        if code:
            code = "" if fence.startswith(code) and not info else code
        elif fence and directives and fence.startswith(directives[-1]) and not info:
            directives.pop()
        elif fence and info.startswith("{") and not info.startswith("{code"):
            directives.append(fence)
        elif fence:
            code = fence
        else:
            yield from ((number, f"raw {found[0]}") for found in TAG.finditer(SPAN.sub("", line)))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT))
