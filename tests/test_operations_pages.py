"""Pages on people and operations: one person answers for each process, what a page names exists, its sums are right."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [
        *(ROOT / "playbook" / "operations").glob("*.md"),
        *(ROOT / "playbook" / "people").glob("*.md"),
        ROOT / "playbook/revops.md",
    ]
)
RACI = ROOT / "playbook" / "operations" / "raci.md"


def rows():
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in RACI.read_text(encoding="utf-8").splitlines()
        if line[:1] == "|"
    ]
    return [row for row in cells if row[0] != "process" and not set(row[0]) <= set(":-")]


def initials():
    return {word for word in re.findall(r"\b[A-Z]{2}\b", RACI.read_text(encoding="utf-8").split("\n## ")[0])}


def verbs():
    calls = (
        node
        for file in (ROOT / "revops_lib" / "cli").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    )
    return {
        node.args[1].value
        for node in calls
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "verb" and isinstance(node.args[1], ast.Constant)
    }


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_one_person_answers_for_a_process_and_something_serves_it(row):
    process, does, answers, others, served = row
    assert does in initials() and answers in initials(), process
    asked, told = others.split(" · ")
    assert {name.strip() for name in f"{asked},{told}".split(",")} <= initials() | {"users", "page owners", "–"}, process
    assert re.search(r"notebook `|`revops |\]\(", served), process


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_notebooks_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"`?\brevops ([a-z]+)", text)) <= verbs()
    named = {
        name
        for listed in re.findall(r"[Nn]otebooks? ((?:`[a-z_]+`(?:, | and | or )?)+)", text)
        for name in re.findall(r"`([a-z_]+)`", listed)
    }
    assert named <= {notebook.stem for notebook in (ROOT / "notebooks").glob("*.ipynb")}


def test_the_example_of_the_tool_matrix_adds_up():
    lines = (ROOT / "playbook" / "operations" / "tool-selection.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines]
    scored = [
        [int(cell) for cell in row[1:]] for row in cells if len(row) == 5 and row[0] != "points of 300" and row[1].isdigit()
    ]
    (points,) = [[int(cell) for cell in row[1:]] for row in cells if row[0] == "points of 300"]
    assert points == [sum(row[0] for row in scored), *(sum(row[0] * row[tool] for row in scored) for tool in (1, 2, 3))]


def test_the_interview_has_ten_questions_each_with_four_scores():
    page = (ROOT / "playbook" / "people" / "interview-sales-operations.md").read_text(encoding="utf-8")
    asked = re.split(r"^## (\d+)\. .*$", page.split("## The exercise")[0], flags=re.MULTILINE)[1:]
    assert asked[::2] == [str(number) for number in range(1, 11)]
    for text in asked[1::2]:
        assert re.search(r"^\*\*\".*?[?.]\"\*\*$", text, flags=re.MULTILINE | re.DOTALL) and "A strong answer:" in text
        assert re.findall(r"^\| (\d) \|", text, flags=re.MULTILINE) == ["1", "2", "3", "4"]
