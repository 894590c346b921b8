"""Stored notebooks: executed from top to bottom, small, and free of what a notebook must not hold."""

import ast
import copy
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
STEMS = [path.stem for path in NOTEBOOKS]


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]


def offences(notebook) -> list[str]:
    """Everything that is wrong with a stored notebook, in words."""
    cells, found = code_cells(notebook), []
    if [cell["execution_count"] for cell in cells] != list(range(1, len(cells) + 1)):
        found.append("not executed from top to bottom")
    outputs = [output for cell in cells for output in cell["outputs"]]
    if any(output["output_type"] == "error" for output in outputs):
        found.append("an error is stored")
    if any(output.get("name") == "stderr" for output in outputs):
        found.append("a warning is stored")
    if any("parameters" not in cell["metadata"].get("tags", []) and not cell["outputs"] for cell in cells):
        found.append("a cell shows nothing")
    if len([cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]) != 1:
        found.append("not one parameters cell")
    if any("injected-parameters" in cell["metadata"].get("tags", []) for cell in cells):
        found.append("injected parameters are stored")
    source = "\n".join("".join(cell["source"]) for cell in cells)
    if len([line for line in source.splitlines() if line.strip()]) > 90 or len(notebook["cells"]) > 34:
        found.append("too long")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.For | ast.While | ast.Lambda):
            found.append(f"holds a {type(node).__name__}")
    for banned in (r"\.style\b", r"escape\s*=\s*False", r"\bHTML\(", r"\bMarkdown\(", "render_links", r"\.merge\(", r"open\("):
        if re.search(banned, source):
            found.append(f"uses {banned}")
    prose = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    if any(re.search(r"\d{2,}", text) for text in prose):
        found.append("a number is typed into prose")
    if any(str(ROOT) in json.dumps(output) for output in outputs):
        found.append("a path of a machine is stored")
    sections = [line for text in prose for line in text.splitlines() if line.startswith("#")]
    if not sections[0].startswith("# ") or "## Answer" not in sections or sections[-2:] != ["## Checks", "## What to do"]:
        found.append("sections are not title, Answer, …, Checks, What to do")
    if notebook["metadata"]["kernelspec"]["name"] != "python3" or "papermill" in notebook["metadata"]:
        found.append("metadata are not those of a stored notebook")
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=STEMS)
def test_a_stored_notebook_is_sound(path):
    assert offences(json.loads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("stem", STEMS)
def test_one_stem_in_four_rooms(stem):
    rooms = [ROOT / "revops_lib" / f"{stem}.py", ROOT / "revops_lib" / stem / "__init__.py"]
    assert any(room.exists() for room in rooms)
    assert (ROOT / "tests" / f"test_{stem}.py").exists()
    assert (ROOT / "playbook" / "methods" / f"{stem}.md").exists()


def broken(change):
    notebook = copy.deepcopy(json.loads((ROOT / "notebooks" / "quality.ipynb").read_text(encoding="utf-8")))
    change(notebook, code_cells(notebook))
    return offences(notebook)


def skip_a_cell(notebook, cells):
    cells[3]["execution_count"] = None


def never_run(notebook, cells):
    for cell in cells:
        cell.update(execution_count=None, outputs=[])


def run_out_of_order(notebook, cells):
    cells[2]["execution_count"], cells[3]["execution_count"] = 4, 3


def store_an_error(notebook, cells):
    cells[3]["outputs"] = [{"output_type": "error", "ename": "E", "evalue": "", "traceback": []}]


def store_a_warning(notebook, cells):
    cells[3]["outputs"].append({"output_type": "stream", "name": "stderr", "text": "careful"})


def define(notebook, cells):
    cells[3]["source"] = "def f():\n    pass"


def style(notebook, cells):
    cells[3]["source"] = "findings.style.hide()"


def type_a_number(notebook, cells):
    answer = next(cell for cell in notebook["cells"] if "## Answer" in "".join(cell["source"]))
    answer["source"] = "## Answer\n\nWe won 1234 deals."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (skip_a_cell, "not executed"),
        (never_run, "not executed"),
        (run_out_of_order, "not executed"),
        (store_an_error, "error"),
        (store_a_warning, "warning"),
        (define, "FunctionDef"),
        (style, "style"),
        (type_a_number, "number"),
    ],
)
def test_an_unsound_notebook_is_seen(change, said):
    assert any(said in offence for offence in broken(change)), broken(change)
