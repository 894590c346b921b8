"""The French edition: what is translated, what is not and says so, the same numbers, and the way from a page to its other language."""

from __future__ import annotations

import datetime as dt
import html
import re
import shutil
from pathlib import Path

import playbooks
import pytest
from babel.messages.pofile import read_po, write_po
from frames import in_frames
from keyboard import keyboard
from test_reader import RESULTS, SEEN, over_http, searches
from test_site import OWN, page, pages, topic, write_run

from revops_lib import cli, site
from revops_lib.errors import UsageError
from revops_lib.pages import names, read
from revops_lib.site import catalogues, editing, french, freshness, reader, status

ROOT = Path(__file__).resolve().parent.parent
DAY = dt.date(2026, 11, 22)
# Home, where its cards lead, stages, MEDDIC, onboarding and pay.
FRENCH = {"index", "process", "qualification", "sell/close", "discovery", "negotiation", "handover", "onboarding", "compensation", "earn",
          "sell/prospecting", "sell/demo", "sell/quotes", "sell/renewals", "sell/stuck", "sell/pay-questions", "sell/spifs",
          *(name for name in names(ROOT / "playbook") if name.startswith("people/onboarding-"))}  # fmt: skip
TEXT = """\
# Stages

(times)=
## How *long*?

Half leave within [[forecast.outlook.value level=P10]] days:
[the method](people/hiring.md).

| stage | days | 12 |
|---|---|---|
| Proposal | [[forecast.outlook.value level=P10]] | 5 % |

:::{dropdown} Sum
:open:
- [ ] one item
  on two lines
1. first
:::

```{include} reports/_latest.md
```

> Said by them.
"""
MESSAGES = ["Stages", "How *long*?", "Half leave within [[forecast.outlook.value level=P10]] days: [the method](people/hiring.md).",
            "stage", "days", "Proposal", "Sum", "one item on two lines", "first", "Said by them."]  # fmt: skip
SAID = {
    "Stages": "Étapes",
    MESSAGES[2]: "La prévision : [[forecast.outlook.value level=P10]] jours, [la méthode](people/hiring.md).",
    "This page has not been translated yet.": "Pas encore traduite en français.",
    "Owner: {}": "Responsable : {}",
    "next by {}": "à revoir le {}",
    "RevOps": "Opérations",
    "{}, as of {}, from {}": "{}, au {}, d'après {}",
    "Sell": "Vendre",
}


def translated(folder: Path, text: str = TEXT) -> Path:
    """A playbook whose page `process` is TEXT, in French as SAID; every other message is its own translation."""
    playbook = playbooks.small(folder, process=OWN + text)
    (playbook / "reports.yml").write_text("forecast: {title: Forecast, tables: [outlook]}\n", encoding="utf-8")
    editing.verify(["process"], playbook=playbook, on=DAY, today=DAY, by="RevOps")
    list(french.update(["process"], playbook=playbook))
    for name in ("process", catalogues.SITE):
        rewrite(catalogues.file(name, playbook), lambda message: SAID.get(message, message))
    return playbook


def rewrite(file: Path, say: object) -> None:
    with file.open("rb") as text:
        catalogue = read_po(text, locale="fr")
    for message in catalogue:
        if message.id:
            message.string = say(message.id)  # type: ignore[operator]
    with file.open("wb") as text:
        write_po(text, catalogue, width=128)


def run_of(runs: Path) -> Path:
    table = {"name": "outlook", "caption": "c", "columns": ["level", "value"], "rows": [["P10", "1,012.5"]]}
    write_run(runs, "2026Q3", [topic("forecast", tables=[table])])
    return runs


def assembled(tmp_path: Path, playbook: Path, runs: Path | None = None) -> tuple[dict[str, str], list[str]]:
    """The sources of the French edition by name, and what was told."""
    quarters = ["2026Q3"] if runs else []
    given = {"runs": runs or tmp_path, "audience": "everyone", "playbook": playbook, "day": DAY, "preview": False}
    told = site.book.assemble(tmp_path / "work" / "book", quarters, **given)  # type: ignore[arg-type]
    there = tmp_path / "work" / "fr"
    return {
        path.relative_to(there).as_posix(): html.unescape(path.read_text(encoding="utf-8")) for path in there.rglob("*.md")
    }, told


# --- messages -------------------------------------------------------------------------------------------------------------


def test_a_message_is_a_text_as_written_with_its_marks_and_without_what_myst_needs_around_it() -> None:
    assert catalogues.messages(TEXT) == MESSAGES
    said = catalogues.rendered(
        TEXT, lambda message: message.replace("one item on two lines", "une ligne").replace("Sum", "Somme")
    )
    assert "\n:::{dropdown} Somme\n:open:\n- [ ] une ligne\n1. first\n:::\n" in said
    assert "(times)=\n## How *long*?\n" in said and "```{include} reports/_latest.md\n```\n" in said
    assert "| Proposal | [[forecast.outlook.value level=P10]] | 5 % |\n" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```\na b\n````\nAfter\n", "```\na b\n````\n<After>\n"),  # closed by a longer fence
        ("Words\n\n```", "<Words>\n\n```"),
        ("```{tip}\nIn it\n```\nAfter", "```{tip}\n<In it>\n```\n<After>"),
        ("```{dropdown} Sum\nIn it\n```", "```{dropdown} <Sum>\n<In it>\n```"),
        ("~~~{code-block} python\na b\n~~~", "~~~{code-block} python\na b\n~~~"),
        ("> ```\n> a b\n> ```\n", "> ```\n> a b\n> ```\n"),
    ],
)
def test_blocks_are_read_as_the_book_reads_them(text: str, said: str) -> None:
    assert catalogues.rendered(text, lambda message: f"<{message}>") == said


def test_every_page_of_the_playbook_is_what_its_messages_make_of_it() -> None:
    for name in names(ROOT / "playbook"):
        text = read(name, ROOT / "playbook").text
        assert catalogues.rendered(text, str).split() == text.split(), name


# --- what is shipped ------------------------------------------------------------------------------------------------------


def test_no_text_of_the_french_pages_is_untranslated_or_fuzzy() -> None:
    playbook = ROOT / "playbook"
    assert set(catalogues.translated(playbook)) >= FRENCH
    assert {name: left[:3] for name, left in french.lacking(playbook).items()} == {}


def test_the_shipped_catalogues_are_what_the_command_writes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    playbook = Path(shutil.copytree(ROOT / "playbook", tmp_path / "playbook"))
    assert cli.main(["playbook", "translate", "--playbook", str(playbook)]) == 0
    assert capsys.readouterr().out == f"French: {len(catalogues.translated(playbook))} pages, nothing left to translate\n"
    for file in (playbook / "locale").rglob("*.po"):
        shipped = (ROOT / file.relative_to(tmp_path)).read_text(encoding="utf-8")
        assert file.read_text(encoding="utf-8").split("\n\n", 1)[1] == shipped.split("\n\n", 1)[1]  # below the header


def test_french_speaks_the_words_of_the_vocabulary_to_vous() -> None:
    said = [text for name in FRENCH for text in catalogues.words(name, ROOT / "playbook").values()]
    known = " ".join(said).lower()
    for word in ("prévision de ventes", "cycle de vente", "pipeline commercial", "attrition", "seuils de déclenchement", "plafond",
                 "avance récupérable", "accélérateur", "montée en compétence", "atteinte", "reprise", "secteur"):  # fmt: skip
        assert word in known, word
    plain = re.sub(r"\([^)]*\)|deal desk", "", known)  # targets of links, values of the CRM
    assert not re.search(r"\b(?:tu|ton|tes|toi|deals?|leads?|churn|clawback|forecast|demo|email)\b", plain)
    assert [text for text in said if re.search(r"\w [:;?!»]", text)] == []  # a line does not break before these


# --- an edited page -------------------------------------------------------------------------------------------------------


def test_an_edited_page_lacks_its_translation_until_somebody_has_read_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    playbook = translated(tmp_path / "playbook")
    file, source = catalogues.file("process", playbook), playbook / "process.md"
    assert french.lacking(playbook) == {}
    source.write_text(source.read_text(encoding="utf-8").replace("Said by them.", "Said by all of them."), encoding="utf-8")
    now = {"process": ["Said by all of them."]}
    assert french.lacking(playbook) == now
    told = "\n".join(status.lines(status.status(playbook, day=DAY)))
    assert "\nNot in French: 1\n  process: 1 text\n" in told
    assert cli.main(["playbook", "translate", "--playbook", str(playbook)]) == 0
    assert capsys.readouterr().out == f"{file}: 1 of {len(MESSAGES)} to translate\n"
    written = file.read_text(encoding="utf-8")
    assert '#, fuzzy\nmsgid "Said by all of them."\nmsgstr "Said by them."\n' in written and french.lacking(playbook) == now
    file.write_text(written.replace("#, fuzzy\n", ""), encoding="utf-8")
    assert french.lacking(playbook) == {}


@pytest.mark.parametrize(
    "text", ["Sans chiffre : [m](people/hiring.md)", "[[forecast.outlook.value level=P10]] [m](people/other.md)", ""]
)
def test_a_translation_without_the_numbers_and_links_of_its_text_does_not_hold(tmp_path: Path, text: str) -> None:
    playbook = translated(tmp_path / "playbook")
    rewrite(catalogues.file("process", playbook), lambda message: text if message == MESSAGES[2] else message)
    assert french.lacking(playbook) == {"process": [MESSAGES[2]]}


@pytest.mark.parametrize(
    ("message", "text", "holds"),
    [
        ("over 20 %", "plus de 20 %", True),
        ("over 20%", "plus de 40 %", False),
        ("‹default: 30 days›", "‹default: 30 jours›", True),
        ("‹default: 30 days›", "‹default: 90 jours›", False),
        ("from 1,000.50 on", "dès 1\u202f000,50", True),
        ("from 1,000 on", "dès 1,000", False),  # which is one in French
        ("since 2026-11-02", "depuis le 02/11/2026", True),
        ("since 2026-11-02", "depuis le 11/02/2026", False),
        ("in 30 days", "sous un mois", False),
    ],
)
def test_a_translation_has_the_figures_of_its_text(tmp_path: Path, message: str, text: str, holds: bool) -> None:
    playbook = translated(tmp_path / "playbook", f"# Stages\n\n{message}\n")
    rewrite(catalogues.file("process", playbook), lambda one: text if one == message else one)
    assert french.lacking(playbook) == ({} if holds else {"process": [message]})


def test_pages_and_files_that_are_none_are_told(tmp_path: Path) -> None:
    playbook = translated(tmp_path / "playbook")
    with pytest.raises(UsageError, match="no page 'proces'"):
        list(french.update(["proces"], playbook=playbook))
    (playbook / "people" / "hiring.md").write_text("# No owner\n", encoding="utf-8")
    with pytest.raises(UsageError, match="has no owner"):
        list(french.update(["people/hiring"], playbook=playbook))
    (playbook / "process.md").write_text("# No owner\n", encoding="utf-8")
    assert french.lacking(playbook) == {}  # the status tells such pages apart
    (playbook / "process.md").write_text(f"{OWN}{TEXT}", encoding="utf-8")
    catalogues.file("process", playbook).write_bytes(b'msgid "\xff"')
    with pytest.raises(UsageError, match="no catalogue of translations"):
        french.lacking(playbook)


# --- the sources of the edition -------------------------------------------------------------------------------------------


def test_a_translated_page_has_the_same_numbers_and_speaks_french_about_itself(tmp_path: Path) -> None:
    playbook = translated(tmp_path / "playbook", TEXT.replace("reports/_latest.md", "reports/_forecast.md"))
    sources, told = assembled(tmp_path, playbook, run_of(tmp_path / "runs"))
    process = sources["process.md"]
    english = html.unescape((tmp_path / "work" / "book" / "process.md").read_text(encoding="utf-8"))
    assert process.startswith("---\n") and "La prévision : 1\u202f012,5 jours, [la méthode](people/hiring.md)." in process
    assert process.count("1\u202f012,5") == english.count("1,012.5") == 2
    assert "Numbers: 2026Q3, au 30/09/2026, d'après [Forecast](reports/2026Q3/forecast.md)." in process
    assert (
        "# Étapes\n\n:::{div} page-about" in process and "à revoir le 20/02/2027" in process
    )  # verified as its English page is, and not itself
    assert "page-unverified until-2027-02-20\n" in process and freshness.TRANSLATED in process
    assert freshness.TRANSLATED not in english
    assert "Pas encore traduite" not in process and not [line for line in told if "French" in line]
    assert "# Hiring\n\n:::{div} page-untranslated\nPas encore traduite en français.\n:::\n" in sources["people/hiring.md"]
    assert "page-untranslated" in sources["reports/2026Q3/forecast.md"]
    part = sources["reports/_forecast.md"]
    assert part.startswith("*This part is in English:*\n\n::::::{div} in-english\nAs of 2026-09-30")
    assert "\n::::::\n\n## Outlook\n\n::::::{div} in-english\n" in part  # headings stand outside
    contents = (tmp_path / "work" / "fr" / "_toc.yml").read_text(encoding="utf-8")
    assert "caption: Vendre" in contents and "language: fr" in (tmp_path / "work" / "fr" / "_config.yml").read_text(
        encoding="utf-8"
    )


def test_a_page_with_texts_left_says_so_and_the_build_tells_it(tmp_path: Path) -> None:
    playbook = translated(tmp_path / "playbook")
    rewrite(
        catalogues.file("process", playbook), lambda message: "" if message in ("Sum", "first") else SAID.get(message, message)
    )
    sources, told = assembled(tmp_path, playbook, run_of(tmp_path / "runs"))
    assert ":::{dropdown} Sum\n" in sources["process.md"] and french.IN_PART in sources["process.md"]
    assert told[-1].startswith("process: 2 texts not in French: `revops playbook translate`, then ")


def test_a_playbook_without_catalogues_has_no_french_edition(tmp_path: Path) -> None:
    sources, told = assembled(tmp_path, playbooks.small(tmp_path / "playbook"))
    assert sources == {} and not [line for line in told if "French" in line]
    assert not (tmp_path / "work" / "fr").exists()


def test_a_reader_that_speaks_hears_which_language_a_text_is_in() -> None:
    whole = '<article class="bd-article">\n<div class="page-untranslated docutils">\n<p>Pas encore.</p>\n</div>\n<p>Text.</p></article>'
    part = '<article class="bd-article"><div class="in-english docutils">\n'
    assert reader.improved(whole, "fr").startswith(
        '<article class="bd-article" lang="en">\n<div class="page-untranslated docutils" lang="fr">\n'
    )
    assert reader.improved(part, "fr") == '<article class="bd-article"><div class="in-english docutils" lang="en">\n'
    fold = '<li><a class="reference internal" href="a.html">Étapes</a><details><summary>'
    assert 'aria-label="Pages sous Étapes"' in reader.improved(fold, "fr")


# --- in a browser ---------------------------------------------------------------------------------------------------------

HREF = (
    "(inside, page) => [page.documentElement.lang, page.querySelector('.language-switch').href, page.querySelector('h1').lang]"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("french")
    playbook = translated(place / "playbook")
    return site.build(runs=run_of(place / "runs"), to=place / "site", playbook=playbook, day=DAY).parent


@pytest.mark.whole
def test_each_page_leads_to_itself_in_the_other_language_and_back_from_a_folder_and_a_server(
    built: Path, tmp_path: Path
) -> None:
    ways = sorted(path.relative_to(built).as_posix() for path in pages(built) if "fr" not in path.relative_to(built).parts)
    assert {"index.html", "process.html", "search.html", "people/hiring.html", "reports/2026Q3/forecast.html"} <= set(ways)
    both = [*ways, *(f"fr/{way}" for way in ways)]
    assert sorted(both) == sorted(path.relative_to(built).as_posix() for path in pages(built))
    said = [["en", f"fr/{way}"] for way in ways] + [["fr", way] for way in ways]
    found = in_frames([f"{built.as_uri()}/{way}" for way in both], HREF, tmp_path)
    assert [one[:2] for one in found] == [[language, f"{built.as_uri()}/{way}"] for language, way in said]
    found, _, address = over_http(built, both, HREF, tmp_path)
    assert [one[:2] for one in found] == [[language, f"{address}/site/{way}"] for language, way in said]


@pytest.mark.whole
def test_a_keyboard_switches_the_language_and_returns(built: Path, tmp_path: Path) -> None:
    with keyboard(tmp_path) as keys:
        keys.open(f"{built.as_uri()}/process.html")
        for name, way in (("Français", "/fr/process.html"), ("English", "/process.html")):
            for _ in range(20):
                keys.press("Tab")
                if keys.focused()[1] == name:
                    break
            assert keys.value(SEEN)
            keys.press("Enter")
            keys.wait(f"location.href === '{built.as_uri()}{way}' && document.readyState === 'complete'")


@pytest.mark.whole
def test_the_numbers_of_both_languages_are_the_same_and_texts_say_their_language(built: Path) -> None:
    english, translation = page(built / "process.html"), page(built / "fr" / "process.html")
    for way, day in (("process.html", "2027-02-20"), ("fr/process.html", "20/02/2027")):
        assert f'data-due="due since {day}"' in (built / way).read_text(encoding="utf-8")
    included = "The answer of forecast is 4.21 M€."  # in a part that is in English
    assert included in english.text and included in translation.text
    said = [one.text.replace(included, "") for one in (english, translation)]
    assert catalogues.figures(said[0]) == catalogues.figures(said[1], "fr")
    assert "1\u202f012,5" in translation.text
    assert ("html", "fr") in [(tag, a.get("lang")) for tag, a in translation.tags]
    fallback = page(built / "fr" / "people" / "hiring.html")
    assert ("article", "en") in [(tag, a.get("lang")) for tag, a in fallback.tags] and "Pas encore traduite" in fallback.text
    assert {"times"} <= translation.ids  # a label leads to the same place in both


@pytest.mark.whole
def test_french_pages_load_what_they_share_with_the_english_ones_and_it_is_there(built: Path) -> None:
    for file in pages(built / "fr"):
        for tag, attributes in page(file).tags:
            way = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
            if way and not way.startswith("data:"):
                assert (file.parent / way.split("?")[0].split("#")[0]).exists(), (file, way)
    own = {path.name for path in (built / "fr" / "_static").rglob("*") if path.is_file()}
    assert own == {"documentation_options.js", "language_data.js", "translations.js"}


@pytest.mark.whole
def test_search_in_french_finds_words_typed_without_accents(built: Path, tmp_path: Path) -> None:
    typed = ["prevision", "quelle est la prévision ?", "PRÉVISION", "etapes"]
    for asked, found in zip(typed, in_frames(searches(built / "fr", *typed), RESULTS, tmp_path), strict=True):
        assert "process.html" in {way.split("#")[0] for way in found}, asked
    found, _, _ = over_http(built, ["fr/search.html?q=prevision"], RESULTS, tmp_path)
    assert "process.html" in {way.split("#")[0] for way in found[0]}
