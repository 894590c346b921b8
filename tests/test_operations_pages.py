"""Pages on people and operations: one person answers for each process, what a page names exists, its sums are right."""

import ast
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from revops_lib import sample

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


def tables(page):
    """The cells of each table of a page, its head first."""
    text = (ROOT / "playbook" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    cells = [[[cell.strip(" *") for cell in line.strip("|").split("|")] for line in block.splitlines()] for block in blocks]
    return [[table[0], *table[2:]] for table in cells]


def test_every_competency_of_a_scorecard_has_a_question():
    scored = {row[0] for table in tables("people/hiring") if "×" in str(table) for row in table[1:]}
    (asked,) = [table for table in tables("people/hiring") if table[0][:2] == ["competency", "ask"]]
    assert len(scored) == 17 and {row[0] for row in asked[1:]} == scored


def test_each_of_the_five_roles_has_scorecard_exercise_onboarding_and_letter():
    (roles,) = [table for table in tables("operations/roles") if table[0][0] == "role"]
    (exercises,) = [table for table in tables("people/hiring") if table[0][:2] == ["role", "task"]]
    tasks, raci = " ".join(row[0] for row in exercises[1:]).casefold(), RACI.read_text(encoding="utf-8")
    hiring = (ROOT / "playbook/people/hiring.md").read_text(encoding="utf-8")
    letters = {"RevOps manager": "RM", "RevOps engineer": "RE", "Revenue analyst": "RA", "Enablement manager": "EM",
               "Strategic project manager": "PM"}  # fmt: skip
    assert [row[0] for row in roles[1:]] == list(letters)
    for role, letter in letters.items():
        assert (
            role.split()[-1].casefold() in tasks and re.search(rf"\| {letter} ", hiring) and re.search(rf"\| {letter} \|", raci)
        ), role
    welcome = (ROOT / "playbook/onboarding.md").read_text(encoding="utf-8")
    assert all(f":link: people/onboarding-{name}\n" in welcome for name in ("revops", "enablement", "project-manager"))


def test_every_level_of_the_career_path_has_each_competency():
    shown = tables("people/career-path")
    (levels,) = [[row[0].split()[0] for row in table[1:]] for table in shown if table[0][:2] == ["level", "in one sentence"]]
    parts = [table for table in shown if table[0][:2] in (["level", "seen"], ["level", "selling"])]
    (matrix,) = [table for table in shown if len(table[0]) == 6]
    assert levels == ["1", "2", "3", "4E", "4M", "5", "6"] and len(parts) == 5
    for table in [*parts, matrix]:
        assert [row[0] for row in table[1:]] == levels and all(all(row) for row in table[1:]), table[0]


def test_no_tool_of_the_example_is_bought_against_the_rule_below_it():
    page = (ROOT / "playbook/operations/tool-selection.md").read_text(encoding="utf-8")
    (points,) = [[int(cell) for cell in row[1:]] for table in tables("operations/tool-selection") for row in table[1:]
                 if row[0] == "points of 300"]  # fmt: skip
    lead = int(re.search(r"does not beat it by (\d+) points", page)[1])
    assert points[1] - points[3] >= lead and points[2] - points[3] >= lead


def test_the_exercise_draws_where_its_facts_lie(tmp_path, monkeypatch):
    page = (ROOT / "playbook/people/interview-sales-operations.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    write = sample.write
    monkeypatch.setattr(sample, "write", lambda folder, **asked: write(folder, scale=0.1, oracle_paths=0, **asked))
    monkeypatch.chdir(tmp_path)
    exec(code, told := {})
    truth = yaml.safe_load((tmp_path / "exercise/truth.yml").read_text(encoding="utf-8"))
    for fact, drawn in (("bottleneck", "slow"), ("drop", "fall")):
        assert {key: truth[fact][key] for key in told[drawn]} == told[drawn]
    assert len(pd.read_csv(tmp_path / "exercise/opportunities.csv")) > 100
