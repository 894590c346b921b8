"""What the pages of the playbook say: answers where a seller looks for them, and nothing that the code says otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from revops_lib.quality.rules import RULES

ROOT = Path(__file__).resolve().parent.parent
PLAYBOOK = ROOT / "playbook"
FORM = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "revops-request.yml").read_text(encoding="utf-8"))
QUESTIONS = yaml.safe_load((ROOT / "tests" / "playbook_questions.yml").read_text(encoding="utf-8"))
MOMENTS = [
    "Prospect", "Qualify", "Discover", "Demo", "Price", "Negotiate", "Close", "Hand over", "Renew", "What will I earn?",
    "My deal is stuck", "I am new here",
]  # fmt: skip


def text(page: str) -> str:
    return (PLAYBOOK / f"{page}.md").read_text(encoding="utf-8")


def words(sentence: str) -> set[str]:
    return set(re.findall(r"\w+", sentence.casefold()))


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one of the same level."""
    return re.split(r"^## ", text(page).split(f"\n## {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def rows(markdown: str) -> list[list[str]]:
    """The cells of every row of every table, without its head."""
    tables = re.findall(r"(?:^\|.*\n)+", markdown + "\n", flags=re.MULTILINE)
    lines = [line for table in tables for line in table.splitlines()[2:]]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines]


def test_ten_questions_are_asked() -> None:
    assert len({one["question"] for one in QUESTIONS}) >= 10


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda asked: asked["question"])
def test_a_question_has_a_heading_with_its_words(asked: dict[str, str]) -> None:
    place = re.search(rf"^\({asked['anchor']}\)=\n#+ (.+)$", text(asked["page"]), flags=re.MULTILINE)
    assert place and words(asked["question"]) <= words(place[1])


def test_the_home_page_has_a_card_for_each_moment() -> None:
    assert re.findall(r"^:::\{grid-item-card\} (.+)$", text("index"), flags=re.MULTILINE) == MOMENTS


def test_data_hygiene_tells_every_rule_by_its_name_and_no_other() -> None:
    people = ("the owner of a deal", "sales managers", "RevOps and finance")
    told = [row[0] for whom in people for row in rows(section("data-hygiene", f"Rules for {whom}"))]
    assert sorted(told) == sorted(RULES)


def test_points_of_the_stages_add_up_to_the_limits_of_the_text() -> None:
    *letters, total = rows(section("qualification", "What must be known at the end of each stage"))
    sums = [sum(int(row[stage]) for row in letters) for stage in (1, 2, 3)]
    assert len(letters) == 8 and sums == [int(cell) for cell in total[1:]]
    assert f"Below {sums[0]} after Qualification, stop" in text("qualification")
    assert f"Below {sums[1]}, never commit" in text("qualification")
    assert f"the score is at least {sums[0]} of 24" in text("process") and f"of {sums[1]} or more" in text("forecasting")


def test_the_request_form_promises_what_the_page_promises() -> None:
    elsewhere = {"discount or contract", "pay"}  # deal desk; and private
    promised = [f"{row[0]} ({row[1]})" for row in rows(section("sell/ask-revops", "Service levels")) if row[0] not in elsewhere]
    kinds = next(part for part in FORM["body"] if part.get("id") == "kind")["attributes"]["options"]
    assert kinds and sorted(kinds) == sorted(promised)


def test_the_request_form_has_what_a_form_needs() -> None:
    assert {"name", "description", "body"} <= FORM.keys()
    assert {part["type"] for part in FORM["body"]} <= {"markdown", "input", "dropdown", "textarea", "checkboxes"}
    asked = [part["id"] for part in FORM["body"] if part["type"] != "markdown"]
    assert len(asked) == len(set(asked)) and {"kind", "goal", "by_when", "data"} <= set(asked)


@pytest.mark.parametrize("card", ["do-nothing", "in-house", "low-price", "suite"])
def test_a_battlecard_has_the_same_parts_as_the_others(card: str) -> None:
    told = text(f"battlecards/{card}")
    for part in ("| You meet it |", "| They are right that |", "| We win when |", "## Questions that help", "## Do not"):
        assert part in told
    assert "Proof to bring" in told or "Stop when" in told
