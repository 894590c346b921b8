"""What a reader of the site has: search, a phone, paper, a keyboard, a screen reader, and a way to tell what is wrong.

The tests of the shipped playbook open all of it in a browser without a network: `make whole`.
"""

from __future__ import annotations

import functools
import http.server
import itertools
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import playbooks
import pytest
import yaml
from frames import PHONE, in_frames, script, shown
from keyboard import keyboard
from test_site import DAY, OWN, browse, page, pages, topic, write_run

from revops_lib import site
from revops_lib.errors import UsageError
from revops_lib.pages import read
from revops_lib.site import feedback, reader

ROOT = Path(__file__).resolve().parent.parent
QUESTIONS = yaml.safe_load((ROOT / "tests" / "playbook_questions.yml").read_text(encoding="utf-8"))
PARAPHRASES = yaml.safe_load((ROOT / "tests" / "playbook_paraphrases.yml").read_text(encoding="utf-8"))
CARDS = sorted(path.stem for path in (ROOT / "playbook" / "battlecards").glob("*.md") if path.stem != "index")
AXE = ROOT / ".peers" / "axe" / "axe.min.js"
FIVE = ["index.html", "process.html", "reports/2026Q3/forecast.html", "earn.html", "search.html?q=proposal"]
REPOSITORY = "https://github.example/company/playbook"
NEAR = 5  # results that a reader looks at
HEAVIEST = 1_500_000  # bytes of the home page with everything it loads
HERE = "document.activeElement"
# A ring around what has the focus, its first child (a fold's arrow) or what lies over it (the surface of a card).
SEEN = f"""[getComputedStyle({HERE}), getComputedStyle({HERE}, "::after"), getComputedStyle({HERE}.firstElementChild || {HERE})].some(
  (style) => style.outlineStyle !== "none" || style.boxShadow !== "none")"""
MOMENTS = "[...document.querySelectorAll('.moments a')].map((link) => link.href)"
RESULTS = """async (inside, page, sleep) => {
  const said = () => page.querySelector("#search-results p.search-summary")?.innerText || "";
  for (let waited = 0; !said() && waited < 100; waited++) await sleep(50);
  return [...page.querySelectorAll("#search-results li > a")].map((link) => link.getAttribute("href"));
}"""
LOADED = """async (inside, page, sleep) => {
  await page.fonts.ready;
  await sleep(500);
  const entries = [...inside.performance.getEntriesByType("navigation"), ...inside.performance.getEntriesByType("resource")];
  return entries.map((entry) => [entry.name, entry.decodedBodySize]);
}"""
FAULTS = """async (inside, page, sleep) => {
  const still = page.createElement("style");
  still.textContent = "*, ::before, ::after { transition: none !important; animation: none !important }";
  page.head.append(still);
  page.documentElement.dataset.theme = page.documentElement.dataset.mode = "MODE";
  const axe = page.createElement("script");
  axe.src = "AXE";
  await new Promise((loaded) => { axe.onload = loaded; page.head.append(axe); });
  await sleep(300);
  const found = await inside.axe.run(page, { resultTypes: ["violations"] });
  const serious = found.violations.filter((one) => ["serious", "critical"].includes(one.impact));
  return [found.passes.length > 10, serious.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 200))])];
}"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of pages with and without accents, and of pages that hold the words of a question without answering it."""
    place = tmp_path_factory.mktemp("small")
    words = "How do I give a discount? Who approves it, and when? My rule: what we must do.\n"
    playbook = playbooks.small(
        place / "playbook",
        with_accents=f"{OWN}# Ventes\n\nLa prévision de l'œuvre, à Zürich.\n",
        without=f"{OWN}# Sales\n\nLa prevision de l'oeuvre, a Zurich.\n",
        answer=f"{OWN}# Price\n\n## Discount over 20 %? Who approves it\n\nThe manager.\n",
        order="---\nowner: RevOps\nalso: PO number, ghosted by them\n---\n# Paper\n\nWhat is written.\n",
        methods__paper=f"{OWN}# Paper of others\n\nPaper, written.\n",
        **{f"noise{number}": f"{OWN}# Page {number}\n\n{words * 9}\nOver 20 of them.\n" for number in range(8)},
    )
    configure(playbook, REPOSITORY)
    return site.build(runs=place / "runs", to=place / "site", playbook=playbook, day=DAY).parent


def configure(playbook: Path, feedback: str) -> None:
    text = (playbook / "_config.yml").read_text(encoding="utf-8")
    assert text.count('feedback: ""') == 1
    (playbook / "_config.yml").write_text(text.replace('feedback: ""', f"feedback: {feedback!r}"), encoding="utf-8")


def searches(built: Path, *asked: str) -> list[str]:
    return [f"{(built / 'search.html').as_uri()}?q={quote(question)}" for question in asked]


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The folder's address on this machine, and what was asked of it."""
    asked: list[str] = []

    class Told(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *values: object) -> None:
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Told, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def over_http(built: Path, addresses: list[str], work: str, tmp_path: Path) -> tuple[list[Any], list[str], str]:
    """As `in_frames`, of addresses inside a site that a server of this machine hands out."""
    folder = shutil.copytree(built, tmp_path / "served" / "site").parent
    with served(folder) as (address, asked):
        (folder / "watch.html").write_text(script([f"{address}/site/{one}" for one in addresses], work, 1280), encoding="utf-8")
        only = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
        return shown(browse(f"{address}/watch.html", tmp_path, only)), asked, address


# --- search ---------------------------------------------------------------------------------------------------------------


@pytest.mark.whole
def test_search_finds_words_with_and_without_accents_typed_either_way(small: Path, tmp_path: Path) -> None:
    typed = ["prevision", "prévision", "PRÉVISION", "œuvre", "oeuvre", "zurich", "pre\u0301vision"]
    both = {"with_accents.html", "without.html"}  # and the glossary, where it has the word
    for asked, found in zip(typed, in_frames(searches(small, *typed), RESULTS, tmp_path), strict=True):
        assert both <= set(found), asked
    found, _, _ = over_http(small, [f"search.html?q={quote(asked)}" for asked in typed], RESULTS, tmp_path)
    assert len(found) == len(typed) and all(both <= set(one) for one in found)


@pytest.mark.whole
def test_small_words_of_a_question_do_not_bury_its_answer(small: Path, tmp_path: Path) -> None:
    typed = ["how do I get a discount over 20 %? who approves", "discount over 20 %?", "who approves a discount"]
    answers = in_frames(searches(small, *typed), RESULTS, tmp_path)
    assert [found[:1] for found in answers[1:]] == [["answer.html#discount-over-20-who-approves-it"]] * 2
    assert answers[0][0] == "answer.html"  # it does not hold `get`, and all the others do not answer


@pytest.mark.whole
def test_a_page_is_found_by_other_words_that_it_does_not_show(small: Path, tmp_path: Path) -> None:
    typed = ["PO", "po number?", "they ghosted me", "written paper", "20%", "20 percent", "nowhere"]
    answers = in_frames(searches(small, *typed), RESULTS, tmp_path)
    *by_words, paper, sign, spelled, nothing = answers
    assert by_words == [["order.html"]] * 3
    assert paper[:2] == ["order.html", "methods/paper.html"]  # what a seller reads comes first
    assert sign == spelled == ["answer.html#discount-over-20-who-approves-it"] and nothing == []
    assert "ghosted" not in (small / "order.html").read_text(encoding="utf-8")
    assert "ghosted" not in (small / "genindex.html").read_text(encoding="utf-8")


@pytest.mark.whole
def test_what_is_typed_into_the_search_does_not_run(small: Path, tmp_path: Path) -> None:
    typed = "<img src=x onerror=document.title='owned'>"
    assert "<title>owned</title>" not in browse(searches(small, typed)[0], tmp_path)


# --- a link to tell what is wrong -----------------------------------------------------------------------------------------


@pytest.mark.whole
def test_each_page_tells_its_owner_what_is_wrong(small: Path) -> None:
    for name in ("index", "people/hiring"):
        shown = page(small / f"{name}.html")
        (way,) = [a["href"] for tag, a in shown.tags if tag == "a" and REPOSITORY in (a.get("href") or "")]
        assert way and way.startswith(f"{REPOSITORY}/issues/new?")
        assert parse_qs(urlsplit(way).query) == {"title": [f"Playbook: {name}"]}
        assert "Something wrong or missing? Tell RevOps" in shown.text


def test_the_link_may_be_a_message_or_may_not_be_there(tmp_path: Path) -> None:
    config, playbook = tmp_path / "_config.yml", playbooks.small(tmp_path / "playbook")
    process = read("process", playbook)
    for given, way in (("revops@company.example", "(mailto:revops@company.example?subject=Playbook%3A%20process)"), ("", "")):
        to = feedback.address({"feedback": given}, config)
        link = feedback.link(process.name, process.owner, to)
        assert way in link and bool(link) == bool(given)
    assert feedback.address({}, config) == ""


@pytest.mark.parametrize(
    "to", ["javascript:alert(1)", "http://github.example/a/b", "github.example/a/b", "a b@c.example", "a@b.c)"]
)
def test_an_address_that_leads_nowhere_is_refused(tmp_path: Path, to: str) -> None:
    playbook = playbooks.small(tmp_path / "playbook")
    configure(playbook, to)
    with pytest.raises(UsageError, match="feedback leads nowhere"):
        site.build(runs=tmp_path / "runs", to=tmp_path / "site", playbook=playbook, day=DAY)


# --- names for a screen reader --------------------------------------------------------------------------------------------


def test_a_fold_of_the_contents_has_the_name_of_its_page() -> None:
    fold = '<li><a class="reference internal" href="a.html">A &amp; <em>"b"</em></a><details open="open"><summary><i></i></summary>'
    assert 'summary aria-label="Pages under A &amp; &quot;b&quot;"><i>' in reader.improved(fold)
    assert reader.improved("<p>text</p>") == "<p>text</p>"


# --- the shipped playbook in a browser ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped playbook with a run of one table, and the calculator of the sample."""
    place = tmp_path_factory.mktemp("whole")
    playbook = playbooks.without_numbers(place / "playbook")
    shutil.copytree(ROOT / "data" / "plans", place / "data" / "plans")
    shutil.copyfile(ROOT / "data" / "tools.csv", place / "data" / "tools.csv")
    table = {"name": "outlook", "caption": "Outlook", "columns": ["level", "value"], "rows": [["P10", "1,200"]] * 20}
    write_run(place / "runs", "2026Q3", [topic("forecast", tables=[table])])
    manifest = {"data": str(ROOT / "data" / "sample")}
    (place / "runs" / "2026Q3" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return site.build(runs=place / "runs", to=place / "site", playbook=playbook, day=DAY, preview=True).parent


@pytest.mark.whole
def test_each_question_finds_its_page_among_the_first_results(built: Path, tmp_path: Path) -> None:
    answers = in_frames(searches(built, *(asked["question"] for asked in QUESTIONS)), RESULTS, tmp_path)
    for asked, found in zip(QUESTIONS, answers, strict=True):
        near = {way.split("#")[0] for way in found[:NEAR]}
        assert f"{asked['page']}.html" in near, (asked["question"], found[:NEAR])
        assert asked["anchor"] in page(built / f"{asked['page']}.html").ids


@pytest.mark.whole
def test_a_question_in_other_words_finds_its_page_first(built: Path, tmp_path: Path) -> None:
    asked = [(page, question) for page, questions in PARAPHRASES.items() for question in questions]
    assert len(asked) >= 30
    answers = in_frames(searches(built, *(question for _, question in asked)), RESULTS, tmp_path)
    first = {question: [way.split("#")[0] for way in found[:1]] for (_, question), found in zip(asked, answers, strict=True)}
    assert first == {question: [f"{page}.html"] for page, question in asked}


@pytest.mark.whole
def test_a_french_question_finds_its_page_first_in_the_french_edition(built: Path, tmp_path: Path) -> None:
    listed = yaml.safe_load((ROOT / "tests" / "playbook_paraphrases_fr.yml").read_text(encoding="utf-8"))
    asked = [(page, question) for page, questions in listed.items() for question in questions]
    answers = in_frames(searches(built / "fr", *(question for _, question in asked)), RESULTS, tmp_path)
    first = {question: [way.split("#")[0] for way in found[:1]] for (_, question), found in zip(asked, answers, strict=True)}
    assert first == {question: [f"{page}.html"] for page, question in asked}


@pytest.mark.whole
def test_the_vocabulary_is_found_without_accents(built: Path, tmp_path: Path) -> None:
    (found,) = in_frames(searches(built, "prevision"), RESULTS, tmp_path)
    assert "people/vocabulary.html" in found[:NEAR]


@pytest.mark.whole
def test_no_page_is_wider_than_a_phone(built: Path, tmp_path: Path) -> None:
    files = sorted(pages(built))
    assert len(files) > 70
    wide = "(inside, page) => [page.documentElement.scrollWidth, inside.innerWidth]"
    for file, found in zip(files, in_frames([one.as_uri() for one in files], wide, tmp_path, width=PHONE), strict=True):
        assert found[1] == PHONE and found[0] <= PHONE, (file.relative_to(built), found)


@pytest.mark.whole
def test_no_table_of_a_page_that_sellers_open_is_wider_than_a_phone(built: Path, tmp_path: Path) -> None:
    open_often = ["tools/index", "index", "process", "qualification", "negotiation", "handover", "sell/renewals", "sell/stuck"]
    files = [f"{built.as_uri()}/{folder}{name}.html" for name in open_often for folder in ("", "fr/")]
    wide = """(inside, page) => [...page.querySelectorAll(".pst-scrollable-table-container")].map(
      (table) => [table.scrollWidth - table.clientWidth, table.innerText.slice(0, 60)])"""
    for file, found in zip(files, in_frames(files, wide, tmp_path, width=PHONE), strict=True):
        assert found and [table for table in found if table[0] > 0] == [], file


@pytest.mark.whole
@pytest.mark.parametrize("card", CARDS)
def test_a_battlecard_is_one_sheet_of_a4(built: Path, tmp_path: Path, card: str) -> None:
    sheet = tmp_path / "card.pdf"
    browse((built / "battlecards" / f"{card}.html").as_uri(), tmp_path, f"--print-to-pdf={sheet}", "--no-pdf-header-footer")
    raw = sheet.read_bytes()
    sizes = [[round(float(edge)) for edge in box.split()] for box in re.findall(rb"/MediaBox \[([\d. ]+)\]", raw)]
    assert len(re.findall(rb"/Type /Page\b", raw)) == 1 and sizes == [[0, 0, 595, 842]]


@pytest.mark.whole
def test_home_is_light_and_asks_its_own_folder_only(built: Path, tmp_path: Path) -> None:
    (home, *others), asked, address = over_http(built, FIVE, LOADED, tmp_path)
    weight = sum(size for _, size in home)
    assert 200_000 < weight < HEAVIEST
    for name, _ in itertools.chain(home, *others):
        assert name.startswith((f"{address}/site/", "data:image/"))
    assert {"/site/searchindex.js", "/site/index.html"} <= {path.split("?")[0] for path in asked}
    for entries in in_frames([f"{built.as_uri()}/{one}" for one in FIVE], LOADED, tmp_path):
        assert entries and all(name.startswith((built.as_uri(), "data:image/")) for name, _ in entries)


@pytest.mark.whole
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_nothing_serious_stops_a_screen_reader(built: Path, tmp_path: Path, mode: str) -> None:
    if not AXE.exists():
        reason = "no axe-core: .ci/axe downloads it"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    work = FAULTS.replace("MODE", mode).replace("AXE", AXE.as_uri())
    control = tmp_path / "control.html"
    control.write_text('<!doctype html><html lang="en"><title>x</title><main><h1>x</h1><input></main></html>', encoding="utf-8")
    several = [*FIVE, f"battlecards/{CARDS[0]}.html", "people/onboarding-account-executive.html", "negotiation.html"]
    several += ["fr/index.html", "fr/methods/forecast.html"]  # a page in French, and one that is not translated
    *found, seen = in_frames([*(f"{built.as_uri()}/{one}" for one in several), control.as_uri()], work, tmp_path)
    assert seen[1][0][0] == "label"  # a fault is seen as one
    for name, answer in zip(several, found, strict=True):
        assert answer == [True, []], (name, answer)


@pytest.mark.whole
def test_a_keyboard_reaches_every_moment_and_the_answer_of_a_search(built: Path, tmp_path: Path) -> None:
    with keyboard(tmp_path) as keys:
        keys.open((built / "index.html").as_uri())
        keys.press("Tab")
        assert keys.focused()[1] == "Skip to main content"
        keys.press("Enter")
        moments = keys.value(MOMENTS)
        assert len(moments) == 12
        walked = []
        for _ in range(len(moments) + NEAR):  # buttons of the page's head first
            keys.press("Tab")
            assert keys.value(SEEN), keys.focused()
            walked.append(keys.focused()[2])
        assert [way for way in walked if way in moments][
            : len(moments)
        ] == moments  # the table of contents below has them again
        keys.press("k", control=True)
        keys.type("champion left")
        keys.press("Enter")
        keys.wait("document.querySelector('#search-results li > a') !== null")
        for _ in range(200):
            keys.press("Tab")
            if keys.value(f"{HERE}.closest('#search-results') !== null"):
                break
        keys.press("Enter")
        keys.wait("location.pathname.endsWith('/sell/stuck.html') && location.hash === '#my-champion-left'")


@pytest.mark.whole
@pytest.mark.parametrize("name", ["index.html", "earn.html"])
def test_a_keyboard_is_held_nowhere_and_sees_where_it_is(built: Path, tmp_path: Path, name: str) -> None:
    with keyboard(tmp_path) as keys:
        keys.open((built / name).as_uri())
        many = keys.value("document.querySelectorAll('a[href], button, input, select, textarea, summary').length")
        walked = []
        for _ in range(many + 1):
            keys.press("Tab")
            walked.append(keys.focused())
            if len(walked) > 3 and (walked[-1][0] == "BODY" or walked[-1] == walked[0]):
                break  # once around
            assert keys.value(SEEN), walked[-1]
        assert len(walked) > 40 and (walked[-1][0] == "BODY" or walked[-1] == walked[0])
