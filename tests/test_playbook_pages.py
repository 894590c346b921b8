"""What the pages of the playbook say: answers where a seller looks for them, and nothing that the code says otherwise."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from revops_lib.quality.rules import RULES
from revops_lib.site import tools

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


def test_the_limits_of_eight_and_of_six_letters_are_sums_of_the_same_table() -> None:
    table = [row for row in rows(section("qualification", "What must be known at the end of each stage")) if row]
    points = {
        letter: [int(cell) for cell in cells] for letter, *cells in (row[:1] + [c.strip("*") for c in row[1:]] for row in table)
    }
    eight, six = points.pop("eight letters"), points.pop("six letters")
    assert len(points) == 8 and all(len(one) == 5 and one == sorted(one) and max(one) <= 3 for one in points.values())
    assert eight == [sum(column) for column in zip(*points.values(), strict=True)]
    fewer = [one for letter, one in points.items() if letter not in ("Paper process", "Competition")]
    assert six == [sum(column) for column in zip(*fewer, strict=True)]
    named = section("qualification", "MEDDIC or MEDDPICC? Six letters or eight")
    limits = [
        [int(cell) for cell in re.findall(r"‹default: (\d+)›", line)] for line in named.splitlines() if "at least" in line
    ]
    assert limits == [[eight[1], six[1]], [eight[2], six[2]]]
    assert f"Below {eight[1]} after Qualification, stop" in text("qualification")
    assert f"Below {eight[2]}, never commit" in text("qualification")
    assert f"[six letters](#six-letters): {six[1]} and {six[2]}." in text("qualification")
    assert f"the score is at least {eight[1]} of 24; [with six letters](#six-letters) {six[1]} of 18" in text("process")
    assert f"| {eight[1]} of 24 or more, [with six letters](#six-letters) {six[1]} of 18," in text("process")
    for page in ("forecasting", "sell/close"):
        assert re.search(rf"{eight[2]} (?:or more|of 24).*{six[2]} (?:or more|of 18 \[)", text(page)), page
        assert "(#six-letters)" in text(page)


def test_each_stage_says_who_how_long_what_it_needs_and_when_it_ends() -> None:
    stages = re.split(r"^## ", text("process").split("(stage-discovery)=")[1], flags=re.MULTILINE)[1:]
    told = {part.split("\n", 1)[0]: part for part in stages}
    assert list(told) == ["Discovery", "Qualification", "Proposal", "Negotiation", "Contracting", "Closed Won", "Closed Lost"]
    for stage, part in told.items():
        assert re.search(r"^Required in the CRM:|^### What must be in the CRM", part, flags=re.MULTILINE), stage
        if not stage.startswith("Closed"):
            assert re.search(r"^Leaves the stage when", part, flags=re.MULTILINE), stage
            owner = part.split("\n\n")[1]
            won = "[[bottlenecks.funnel.value step=Won]]"  # of all deals, which all begin in the first stage
            won = won if stage == "Discovery" else f"[[bottlenecks.funnel.win_rate step={stage}]]"
            assert owner.startswith("Account executive") and f"median stage={stage} round=0]]" in owner and won in owner, stage


def test_lost_reasons_that_other_pages_name_are_in_the_list() -> None:
    listed = {row[0] for row in rows(section("process", "Closed Lost"))}
    pages = sorted(PLAYBOOK.glob("*/*.md"))
    named = {page.stem: re.findall(r'reason "([a-z ]+)"', page.read_text(encoding="utf-8")) for page in pages}
    assert {reason for reasons in named.values() for reason in reasons} and not {
        (page, reason) for page, reasons in named.items() for reason in reasons if reason not in listed
    }


def test_home_names_every_page_but_those_below_another_one() -> None:
    contents = yaml.safe_load((PLAYBOOK / "_toc.yml").read_text(encoding="utf-8"))
    top = [chapter["file"] for part in contents["parts"] for chapter in part["chapters"]]
    linked = {target.split(".md")[0] for target in re.findall(r"\]\(([^)#]+)\)", text("index"))}
    assert sorted(set(top) - linked) == []


def test_what_is_hidden_on_paper_is_not_there() -> None:
    for page in sorted(PLAYBOOK.rglob("*.md")):
        assert not re.search(r"\{(?:dropdown|tab-set|tab-item)\}", page.read_text(encoding="utf-8")), page


def test_pages_say_the_same_about_the_same_rule() -> None:
    pushed = r"pushed more than 3 times"
    assert re.search(pushed, text("forecasting")) and re.search(pushed, text("sell/stuck"))
    assert "more than 3 times later" in text("data-hygiene")  # the rule that `quality` counts
    friday = [row for page in ("forecasting", "operations/rhythm") for row in rows(text(page)) if row[0] == "Friday"]
    assert (
        len(friday) == 2
        and all("20 min" in " ".join(row) for row in friday)
        and "Twenty minutes on Friday" in text("data-hygiene")
    )
    moved = [
        page for page in sorted(PLAYBOOK.rglob("*.md")) if "when accounts move" in page.read_text(encoding="utf-8").casefold()
    ]
    stated = [page.stem for page in moved if "## Who keeps an open deal" in page.read_text(encoding="utf-8")]
    assert stated == ["rules-of-engagement"] and len(moved) >= 3
    for page in sorted(PLAYBOOK.rglob("*.md")):
        assert "sales engineer" not in page.read_text(encoding="utf-8").casefold(), page


def test_the_example_spif_keeps_the_rule_on_its_page() -> None:
    plan = yaml.safe_load((ROOT / "data/plans/account_executive.yml").read_text(encoding="utf-8"))
    windows = [part["window"] for part in plan["components"] if "window" in part]
    quarters = [{pd.Period(day, "Q") for day in window.values()} for window in windows]
    assert "at most one quarter" in text("sell/spifs") and "at most one quarter" in text("compensation")
    assert quarters and all(len(quarter) == 1 for quarter in quarters)


@pytest.mark.parametrize("guide", tools.GUIDES)
def test_a_tool_guide_shows_owner_licences_and_renewal_of_its_category(guide: str) -> None:
    assert f"```{{include}} ../reference/_tools_{guide.lower()}.md\n```" in text(f"tools/{guide.lower()}")
    shown = tools.table(ROOT / "data/tools.csv", dt.date(2026, 11, 22), guide).splitlines()[2:]
    assert shown and all(f"| {guide}: " in line for line in shown)


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


def test_the_card_close_leads_to_order_calls_delays_and_commit() -> None:
    assert ":::{grid-item-card} Close\n:link: sell/close\n" in text("index")
    asked = ("In which order?", "Whom do I call?", "The signature slips", "Legal or purchasing is silent", "The signer is away",
             "May it be in commit?")  # fmt: skip
    assert [part for part in asked if not section("sell/close", part).strip()] == []
    assert "time_in_stage.median stage=Contracting" in text("sell/close").split("\n## ")[0]
