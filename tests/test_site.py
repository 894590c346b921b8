"""The site: built once from the shipped playbook and two runs with hostile text, then looked at as a browser would.

What must never get out is planted in the runs and searched for in every built file.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import html
import html.parser
import json
import os
import re
import shutil
import struct
import subprocess
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import playbooks
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from revops_lib import disk, site
from revops_lib import pages as pages_of
from revops_lib.errors import CannotWrite, DataRefused, Locked, UsageError

pytestmark = pytest.mark.whole
ROOT = Path(__file__).resolve().parent.parent
HOSTILE = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "[x](javascript:alert(1))",
    "![x](https://tracker.example/x.png)",
    "{{ x }}",
    "$a$ and $$b$$",
    "a | b",
    "`code` and ```fence",
    "{raw} html",
    "{math}`x`",
    ":::{note}",
    "--- # heading",
    "- item",
    "+ item",
    "1. item",
    "1) item",
    "> quote",
    "# heading",
    "(label)=",
    "% comment",
    "&amp; &#60;b&#62;",
    "*bold* _it_ ~~no~~ \\* ^1^",
    "[^note]: foot",
    "https://tracker.example/zyxword",
    "=HYPERLINK(1)",
    "<svg onload=window.canary=1>",
    '"><script>window.canary=1</script>',
    "'><iframe srcdoc='<script>parent.canary=1</script>'>",
    "<a href=javascript:window.canary=1>x</a>",
    "<JaVaScRiPt:window.canary=1>",
    "<details open ontoggle=window.canary=1>",
    "{raw}`<script>window.canary=1</script>`",
    "```{raw} html <script>window.canary=1</script>",
    "```{include} ../../_config.yml",
    "```{mermaid} graph TD; A[<img src=x onerror=window.canary=1>]; click A href javascript:window.canary=1",
    "<div class=mermaid>graph TD; click A call window.alert()</div>",
    "{{ ''.__class__ }} {% raw %}",
    "$\\href{javascript:window.canary=1}{x}$",
    "|substitution| `link <javascript:window.canary=1>`_",
    "</td></table><script>window.canary=1</script>",
    "<!--><script>window.canary=1</script>-->",
]
OWN = "---\nowner: RevOps\n---\n"
DAY = dt.date(2026, 11, 22)
INTERNAL = "xyzzyinternalonly"
CANARIES = [
    "canarytable",
    "canaryfigure",
    "canarytopic",
    "canaryadvice",
    "canaryresult",
    "canaryreport",
    "canarypicture",
    INTERNAL,
]
RAN = (
    "<script>window.canary=1</script>",
    "<a href='javascript:window.canary=1'>x</a>",
    "<script>document.title='owned'</script>",
)


def topic(stem: str, **given: object) -> dict[str, object]:
    about = {
        "stem": stem,
        "title": "x",
        "question": "How much?",
        "headline": f"The answer of {stem} is 4.21 M€.",
        "notes": [],
    }
    return {**about, "tables": [], "figures": [], "recommendations": [], **given}


def write_run(runs: Path, quarter: str, topics: list[dict[str, object]], data: str = "data/sample") -> Path:
    public = runs / quarter / "public"
    public.mkdir(parents=True)
    about = {
        "quarter": quarter,
        "as_of": "2026-09-30",
        "data": data,
        "fingerprint": "ab12",
        "library": "0.1.0",
    }
    report = {**about, "known_until": "2026-09-30", "failed": ["bottlenecks"], "reports": topics}
    (public / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return public


def write_png(path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\x3c\x78\xc8")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site for everyone: the shipped playbook with an internal page, an unlisted page and a method added."""
    place = tmp_path_factory.mktemp("site")
    playbook = playbooks.without_numbers(place / "playbook")
    (playbook / "methods" / "forecast.md").write_text(f"{OWN}# How the forecast is computed\n\nText.\n", encoding="utf-8")
    shown = "![rival](_static/canarypicture.png) ![rival](pictures/map.png)"
    inside = f"---\nowner: x\naudience: internal\n---\n# Battlecards\n\n{INTERNAL} {shown}\n"
    (playbook / "battlecards.md").write_text(inside, encoding="utf-8")
    drawn = "![a](_static/a-open.png) ![b](/_static/b.png) ![map](./map.png)"
    part = "```{include} reports/_compensation.md\n```"
    asked = "| a |\n| --- |\n| **[[compensation.headline]]** |\n\n- [[compensation.headline]]"
    written = f"{OWN}# Glossary\n\n<b id=typed>x</b>\n\n<hr id=typed>\n\n{drawn}\n\n{asked}\n\n{part}\n"
    (playbook / "glossary.md").write_text(written, encoding="utf-8")
    (playbook / "pictures").mkdir()
    for name in ("_static/canarypicture.png", "_static/open.png", "_static/a-open.png", "_static/b.png"):
        write_png(playbook / name)
    for name in ("map.png", "pictures/map.png"):
        write_png(playbook / name)
    toc = yaml.safe_load((playbook / "_toc.yml").read_text(encoding="utf-8"))
    toc["parts"][0]["chapters"].append({"file": "battlecards"})
    allowed = yaml.safe_load((playbook / "reports.yml").read_text(encoding="utf-8"))
    allowed["quality"] = {**allowed["quality"], "audience": "internal", "title": "canaryreport"}
    (playbook / "reports.yml").write_text(yaml.safe_dump(allowed, sort_keys=False), encoding="utf-8")
    (playbook / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")

    runs = place / "runs"
    write_run(runs, "2026Q2", [topic("forecast", headline="An older answer.")])
    attempt = {"run": "x", "quarter": "2026Q3", "as_of": "2026-09-30", "ended": "2026-11-23T07:10:00+01:00"}
    success = {**attempt, "ended": "2026-11-22T06:10:59+00:00"}
    heartbeat = {"last_success": success, "last_attempt": {**attempt, "state": "failed", "exit_code": 4}}
    (runs / "heartbeat.json").write_text(json.dumps(heartbeat), encoding="utf-8")
    outlook = {
        "name": "outlook",
        "caption": HOSTILE[0],
        "columns": ["text", "value"],
        "rows": [[h, "1,200"] for h in HOSTILE],
    }
    titled = {"name": "accuracy", "caption": HOSTILE[-1], "columns": HOSTILE, "rows": [HOSTILE]}
    secret = {"name": "statements", "caption": "canarytable", "columns": ["rep"], "rows": [["canarytable"]]}
    figures = [
        {"file": f"forecast.{name}.png", "alt": HOSTILE[1], "caption": HOSTILE[2]} for name in ("outlook", "canaryfigure")
    ]
    advice = [{"finding": HOSTILE[0], "action": HOSTILE[4], "owner": "sales managers", "expected": "120,000"}]
    advice += [{"finding": one, "action": one, "owner": one, "expected": one} for one in HOSTILE]
    paid = [{"finding": "canaryadvice", "action": "x", "owner": "x", "expected": "x"}]
    public = write_run(
        runs,
        "2026Q3",
        [
            topic("forecast", notes=HOSTILE, tables=[secret, outlook, titled], figures=figures, recommendations=advice),
            topic("compensation", headline=HOSTILE[1], question=HOSTILE[3], recommendations=paid),
            topic("canarytopic"),
            topic("quality", headline="canaryreport", question="canaryreport"),
        ],
    )
    told = json.loads((public / "report.json").read_text(encoding="utf-8"))
    (public / "report.json").write_text(json.dumps({**told, "failed": ["bottlenecks", "quality"]}), encoding="utf-8")
    for name in ("outlook", "canaryfigure"):
        write_png(public / f"forecast.{name}.png")
    (runs / "2026Q3" / "results").mkdir()
    (runs / "2026Q3" / "results" / "forecast.json").write_text('"canaryresult"', encoding="utf-8")
    index = site.build(runs=runs, to=place / "site", playbook=playbook, day=DAY)
    assert index == place / "site" / "index.html"
    return index.parent


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A playbook of one page, for builds that need no more."""
    playbook = tmp_path / "playbook"
    playbook.mkdir()
    shutil.copyfile(ROOT / "playbook" / "_config.yml", playbook / "_config.yml")
    shutil.copyfile(ROOT / "playbook" / "reports.yml", playbook / "reports.yml")
    (playbook / "_toc.yml").write_text("format: jb-book\nroot: index\nparts: []\n", encoding="utf-8")
    (playbook / "index.md").write_text(f"{OWN}# Book\n\n```{{include}} reports/_latest.md\n```\n", encoding="utf-8")
    return playbook


class Page(html.parser.HTMLParser):
    """Tags with attributes, those of the article also apart, and the visible text of the article."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.article: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside += tag == "article"
        if self._inside:
            self.article.append(self.tags[-1])

    def handle_endtag(self, tag: str) -> None:
        self._inside -= tag == "article"

    def handle_data(self, data: str) -> None:
        self.text += data if self._inside else ""

    @property
    def ids(self) -> set[str | None]:
        return {attributes.get("id") for _, attributes in self.tags}


@functools.cache
def page(path: Path) -> Page:
    return Page(path)


def pages(built: Path) -> Iterator[Path]:
    """The pages a reader can open; the theme leaves templates among its static files."""
    return (path for path in built.rglob("*.html") if "_static" not in path.parts)


def fingerprint(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


# --- what a reader finds --------------------------------------------------------------------------------------------


def test_home_leads_by_moment_and_says_where_the_quarter_stands(built: Path) -> None:
    home = page(built / "index.html")
    for moment in ("Qualify", "Discover", "Propose", "Negotiate", "Close", "Hand over", "stuck", "earn", "new here"):
        assert moment in home.text
    assert "2026Q3" in home.text and "The answer of forecast is 4.21 M€." in home.text
    assert "failed and are not shown: bottlenecks." in home.text  # and not `quality`, which is not for everyone
    assert "An older answer." not in home.text
    assert "An older answer." in page(built / "reports/2026Q2/forecast.html").text


def test_report_shows_answer_tables_picture_advice_stamp_and_method(built: Path) -> None:
    report = page(built / "reports/2026Q3/forecast.html")
    for text in (
        "The answer of forecast",
        "1,200",
        "sales managers",
        "120,000",
        "fingerprint ab12",
        "as of 2026-09-30",
    ):
        assert text in report.text
    owner = "Owner: RevOps manager · made from the runs and the code"
    assert f"Forecast, 2026Q3#{owner}as of 2026-09-30" in "".join(report.text.split("\n"))
    assert any(tag == "img" and "forecast.outlook" in (a["src"] or "") for tag, a in report.tags)
    assert any(a.get("href") == "../../methods/forecast.html" for _, a in report.tags)


def test_what_to_do_is_one_list_of_all_topics_by_what_it_brings(tmp_path: Path) -> None:
    def advice(finding: str, **amounts: object) -> dict[str, object]:
        return {"finding": finding, "action": "a", "owner": "o", "effort": "S", **amounts}

    little, much = ({"expected_amount": amount, "expected": f"{amount:,.0f} EUR"} for amount in (900.0, 38288.0))
    topics = [
        topic("quality", recommendations=[advice("none1")]),
        topic("bottlenecks", recommendations=[advice("little", **little), advice("none2")]),
        topic("forecast", recommendations=[advice("much", **much)]),
        topic("compensation", recommendations=[advice("secret", **much)]),
    ]
    listed = {name: {"title": name.capitalize(), "tables": [], "figures": [], "recommendations": name != "compensation"}
              for name in ("quality", "forecast", "bottlenecks", "compensation")}  # fmt: skip
    report = site.reports.publish(tmp_path, "2026Q3", write_run(tmp_path / "runs", "2026Q3", topics), listed)
    text = html.unescape((tmp_path / "reports" / "2026Q3" / "actions.md").read_text(encoding="utf-8"))
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert rows == [
        ["1", "Forecast", "much", "a", "38,288 EUR", "o", "S"], ["2", "Bottlenecks", "little", "a", "900 EUR", "o", "S"],
        ["3", "Bottlenecks", "none2", "a", "–", "o", "S"], ["4", "Quality", "none1", "a", "–", "o", "S"],
    ]  # fmt: skip
    assert "secret" not in text and "S days, M weeks, L a quarter or more" in text
    assert "(actions.md)" in site.reports.headlines(report)


def test_every_page_can_be_reached_and_no_link_inside_is_broken(built: Path) -> None:
    reached = {(built / "index.html").resolve()}
    for file in pages(built):
        for tag, attributes in page(file).tags:
            name = "href" if tag == "a" else "src" if tag in ("img", "script") else None
            parts = urlsplit(attributes.get(name) or "") if name else None
            if not parts or parts.scheme or not (parts.path or parts.fragment):
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            assert target.exists(), f"{file.relative_to(built)} -> {parts.geturl()}"
            if parts.fragment and tag == "a":
                assert unquote(parts.fragment) in page(target).ids, f"{file.relative_to(built)} -> {parts.geturl()}"
            reached.add(target)
    written = {file.resolve() for file in pages(built)} - {built / name for name in ("genindex.html", "search.html")}
    assert not written - reached
    assert (built / "glossary.html").resolve() in reached


def test_shipped_pages_name_owner_and_verification_and_hold_no_filler(built: Path) -> None:
    shown, _ = pages_of.read_all(ROOT / "playbook")
    assert len(shown) > 20
    for one in shown:
        assert one.owner and one.verified
        assert not re.search(r"lorem|todo|tbd", one.text, flags=re.IGNORECASE), one.name
        if one.name != "methods/forecast" and one.audience == "everyone":
            assert f"Owner: {one.owner} · " in page(built / f"{one.name}.html").text


def test_a_live_number_of_hostile_text_is_text(built: Path) -> None:
    glossary = page(built / "glossary.html")
    assert glossary.text.count(HOSTILE[1]) == 2 and "Numbers: 2026Q3, as of 2026-09-30, from Compensation." in glossary.text
    assert not [a for _, a in glossary.article if "onerror" in a or a.get("src") == "x"]
    assert any(a.get("href") == "reports/2026Q3/compensation.html" for _, a in glossary.article)


def test_the_list_of_reports_says_when_a_run_last_succeeded_and_that_the_last_one_failed(built: Path) -> None:
    text = page(built / "reports/index.html").text
    assert "Last successful run: 2026-11-22 06:10 UTC (2026Q3 as of 2026-09-30)." in text
    assert "did not succeed: 2026-11-23 06:10 UTC (2026Q3 as of 2026-09-30), exit code 4." in text


def test_a_page_includes_what_the_newest_quarter_showed(built: Path) -> None:
    assert "As of 2026-09-30, from the report of 2026Q3." in page(built / "glossary.html").text


def test_data_dictionary_is_generated(built: Path) -> None:
    assert "opportunity_history" in page(built / "reference/data-dictionary.html").text


# --- what must not get out ------------------------------------------------------------------------------------------


def test_hostile_text_is_shown_as_it_was_typed(built: Path) -> None:
    text = " ".join(page(built / "reports/2026Q3/forecast.html").text.split())
    for typed in HOSTILE:
        assert text.count(" ".join(typed.split())) >= 2, typed  # in a note and in a table's cell


def test_hostile_text_adds_no_element_to_a_page(built: Path) -> None:
    clean = [
        (tag, attributes)
        for tag, attributes in page(built / "reports/2026Q2/forecast.html").tags
        if tag in ("script", "iframe", "form")
    ]
    for name in ("forecast", "compensation"):
        report = page(built / f"reports/2026Q3/{name}.html")
        assert [(t, a) for t, a in report.tags if t in ("script", "iframe", "form")] == clean
        for tag, attributes in report.article:
            assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
            assert not re.match(r"\s*(javascript|data|https?):", attributes.get("href") or attributes.get("src") or "")
            assert "math" not in (attributes.get("class") or "").split()
    written = page(built / "glossary.html")
    assert "<b id=typed>x</b>" in written.text and "typed" not in written.ids
    headings = {
        html.unescape(a.get("id") or "") for t, a in page(built / "reports/2026Q3/forecast.html").tags if t == "section"
    }
    assert headings == {"forecast-2026q3", "outlook", "accuracy", "what-to-do"}  # headings hold names of the allow-list only


def test_only_what_is_listed_appears(built: Path) -> None:
    files = [path for path in built.rglob("*") if path.is_file()]
    for canary in CANARIES:
        hits = [str(path.relative_to(built)) for path in files if canary in path.name or canary.encode() in path.read_bytes()]
        assert not hits, canary
    assert not (built / "battlecards.html").exists()


def test_pictures_of_pages_for_the_inside_are_left_out(built: Path) -> None:
    there = {path.name for path in built.rglob("*.png")}
    assert {"a-open.png", "b.png", "map.png"} <= there and "open.png" not in there
    assert len(list(built.rglob("map*.png"))) == 1  # the glossary's, not the one in `pictures` that only an internal page names


def test_a_report_for_the_inside_is_neither_shown_nor_mentioned(built: Path) -> None:
    assert not (built / "reports/2026Q3/quality.html").exists()
    for file in ("index.html", "reports/index.html", "reports/2026Q3/index.html", "searchindex.js"):
        assert "reports/2026Q3/quality" not in (built / file).read_text(encoding="utf-8")


def test_no_sources_and_no_data_files(built: Path) -> None:
    assert not (built / "_sources").exists()
    forbidden = {".ipynb", ".md", ".csv", ".parquet", ".xlsx", ".py", ".yml", ".log", ".env", ".zip", ".db"}
    assert not [path for path in built.rglob("*") if path.suffix in forbidden]
    for file in pages(built):
        assert not [a for _, a in page(file).tags if "btn-download-source-button" in (a.get("class") or "")]


def test_nothing_is_loaded_from_elsewhere(built: Path) -> None:
    for file in pages(built):
        for tag, attributes in page(file).tags:
            if tag != "a":
                for name in ("src", "href", "action", "data", "srcset"):
                    assert not re.match(r"\s*(https?:)?//", attributes.get(name) or ""), (file.name, tag, attributes)
    for file in [*built.rglob("*.css"), *built.rglob("*.js")]:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import\s+['\"]?https?:", text), file.name
        assert not re.search(r"cdn\.|unpkg|jsdelivr|googleapis|mathjax@", text), file.name


# --- search in a browser, without a network -------------------------------------------------------------------------


def browse(url: str, tmp_path: Path, *more: str) -> str:
    """The page as Chromium shows it after its scripts ran; no name resolves."""
    command = [*chromium(tmp_path), "--virtual-time-budget=10000", "--dump-dom", *more, url]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=True).stdout


def chromium(tmp_path: Path) -> list[str]:
    """The command of a browser without window and network."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        reason = "no Chromium: .ci/chromium installs it"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND"]
    return [found, *flags, f"--user-data-dir={tmp_path / 'profile'}"]


# Opens every page in a frame, follows every link that would run, and tells which pages ran something that was typed.
WATCH = """<!doctype html><meta charset="utf-8"><pre id="found"></pre><script>
const pages = PAGES, found = {};
for (const page of pages) {
  const frame = document.createElement("iframe");
  frame.onload = () => {
    frame.onload = null;
    const inside = frame.contentWindow;
    setTimeout(() => {
      inside.document.querySelectorAll("a").forEach((link) => /^(javascript|data|vbscript):/i.test(link.protocol) && link.click());
      setTimeout(() => {
        found[page] = Boolean(inside.canary || window.canary) || inside.document.title === "owned";
        window.canary = 0;
        if (Object.keys(found).length === pages.length) document.getElementById("found").textContent = JSON.stringify(found);
      }, 100);
    }, 500);
  };
  frame.src = page;
  document.body.append(frame);
}
</script>"""


def test_nothing_that_was_typed_runs_on_any_page(built: Path, tmp_path: Path) -> None:
    clean = {file.as_uri(): False for file in pages(built)}
    ran = {}
    for number, typed in enumerate(RAN):  # what would run is seen to run
        control = tmp_path / f"control-{number}.html"
        control.write_text(f"<!doctype html><body>{typed}", encoding="utf-8")
        ran[control.as_uri()] = True
    watch = tmp_path / "watch.html"
    watch.write_text(WATCH.replace("PAGES", json.dumps([*clean, *ran])), encoding="utf-8")
    shown = browse(watch.as_uri(), tmp_path, "--allow-file-access-from-files")
    found = re.search(r'<pre id="found">(.*?)</pre>', shown)
    assert found and json.loads(html.unescape(found[1])) == {**clean, **ran}


def test_search_works_from_a_folder_and_runs_nothing_that_was_typed(built: Path, tmp_path: Path) -> None:
    found = browse(f"{(built / 'search.html').as_uri()}?q=proposal", tmp_path)
    results = found.split('id="search-results"')[1]
    assert re.search(r'<li[^>]*><a href="process\.html[^"]*"', results)
    found = browse(f"{(built / 'search.html').as_uri()}?q=zyxword", tmp_path)
    assert "reports/2026Q3/forecast.html" in found.split('id="search-results"')[1]
    assert "<title>owned</title>" not in found


# --- failures leave the old site ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "failure", "said"),
    [
        ("[next](nowhere.md)", site.SiteFailed, "nowhere.md"),
        ("```{raw} html\n<b>x</b>\n```", site.SiteFailed, "raw"),
        ("```{math}\nx^2\n```", site.SiteRefused, "index.html"),
        ("![x](https://tracker.example/x.png)", site.SiteRefused, "tracker.example"),
    ],
)
def test_a_faulty_page_leaves_the_old_site(tiny: Path, tmp_path: Path, line: str, failure: type[Exception], said: str) -> None:
    old = tmp_path / "site"
    old.mkdir()
    (old / "searchindex.js").write_text("", encoding="utf-8")
    (old / "index.html").write_text("the old site", encoding="utf-8")
    before = fingerprint(old)
    with (tiny / "index.md").open("a", encoding="utf-8") as index:
        index.write(f"\n{line}\n")
    with pytest.raises(failure) as raised:
        site.build(runs=tmp_path / "runs", to=old, playbook=tiny)
    assert said in str(raised.value) and "\n" not in str(raised.value)
    assert raised.value.exit_code == (4 if failure is site.SiteFailed else 10)
    assert fingerprint(old) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [".site.lock", "playbook", "site"] + (["runs"] if failure is site.SiteFailed else [])
    )
    if failure is site.SiteFailed:
        log = tmp_path / "runs" / "site.log"
        assert str(log) in str(raised.value) and said in log.read_text(encoding="utf-8")


def test_without_a_run_the_site_says_so_and_replaces_the_old_one(tiny: Path, tmp_path: Path) -> None:
    old = tmp_path / "site"
    old.mkdir()
    for name in ("searchindex.js", "gone.html"):
        (old / name).write_text("", encoding="utf-8")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "heartbeat.json").write_text('{"last_success": {}}', encoding="utf-8")  # damaged: nothing is shown
    index = site.build(runs=tmp_path / "runs", to=old, playbook=tiny)
    assert "No quarter has been published yet" in Page(index).text
    assert "uccessful" not in Page(old / "reports/index.html").text
    assert not (old / "gone.html").exists()


def test_a_quarter_is_shown_alone_and_the_internal_site_has_internal_pages(tiny: Path, tmp_path: Path) -> None:
    inside = "---\nowner: x\naudience: internal\n---\n# Battlecards\n\n![rival](rival.png)\n"
    (tiny / "battlecards.md").write_text(inside, encoding="utf-8")
    write_png(tiny / "rival.png")
    for quarter in ("2026Q2", "2026Q3"):
        write_run(tmp_path / "runs", quarter, [topic("quality")], data=f"data/of-{quarter}")  # one alone is never mixed
    (tiny / "reports.yml").write_text("quality: {title: Data quality, audience: internal}\n", encoding="utf-8")
    arguments = {"runs": tmp_path / "runs", "to": tmp_path / "site", "audience": "internal", "playbook": tiny}
    to = site.build("2026Q2", **arguments).parent
    assert (to / "battlecards.html").exists() and (to / "_images" / "rival.png").exists()
    assert (to / "reports/2026Q2/quality.html").exists() and not (to / "reports/2026Q3").exists()
    first = fingerprint(to)
    site.build("2026Q2", **arguments)
    assert fingerprint(to) == first  # the same run gives the same bytes


def test_an_unknown_quarter_or_audience_builds_nothing(tiny: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "runs", "2026Q3", [topic("quality")])
    with pytest.raises(UsageError, match="2026Q3"):
        site.build("2026Q1", runs=tmp_path / "runs", to=tmp_path / "site", playbook=tiny)
    with pytest.raises(UsageError, match="everyone"):
        site.build(runs=tmp_path / "runs", to=tmp_path / "site", audience="everybody", playbook=tiny)
    assert not (tmp_path / "site").exists()


def test_a_second_build_of_the_same_site_is_refused_and_an_interrupted_one_mended(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / ".site.before").mkdir()  # a build ended between taking the old site away and putting the new one in place
    for name in ("index.html", "searchindex.js"):
        (tmp_path / ".site.before" / name).write_text("the old site", encoding="utf-8")
    for name, file in ((".site.new-k1lled99", "book/_toc.yml"), (".site.somebody", "book.txt")):
        (tmp_path / name / file).parent.mkdir(parents=True)
        (tmp_path / name / file).write_text("x", encoding="utf-8")
    arguments = {"runs": tmp_path / "runs", "to": tmp_path / "site", "playbook": tiny}
    with disk.locked(tmp_path / ".site.lock", {"process": 4711}), pytest.raises(Locked, match="process 4711"):
        site.build(**arguments)
    assert not (tmp_path / "site").exists()
    with pytest.raises(UsageError):
        site.build("2026Q1", **arguments)
    assert (tmp_path / "site" / "index.html").read_text(encoding="utf-8") == "the old site"
    assert sorted(path.name for path in tmp_path.glob(".site.*")) == [".site.lock", ".site.somebody"]


def test_runs_of_different_datasets_are_not_shown_together(tiny: Path, tmp_path: Path) -> None:
    for quarter, data in (("2026Q2", "company"), ("2026Q3", "data/sample")):
        write_run(tmp_path / "runs", quarter, [topic("quality")], data=data)
    arguments = {"runs": tmp_path / "runs", "to": tmp_path / "site", "playbook": tiny}
    with pytest.raises(UsageError, match=r"company \(2026Q2\), data/sample \(2026Q3\) .* name one quarter"):
        site.build(**arguments)
    assert not (tmp_path / "site").exists()


def test_a_folder_that_is_no_site_is_not_replaced(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(CannotWrite, match="not a site"):
        site.build(runs=tmp_path / "runs", to=tmp_path / "work", playbook=tiny)
    assert (tmp_path / "work" / "thesis.txt").exists()


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"quarter": "2026Q2"}',
        json.dumps({"quarter": "2026Q3", "reports": [{"stem": "quality"}], "failed": []}),
    ],
)
def test_a_broken_report_is_refused(tiny: Path, tmp_path: Path, content: str) -> None:
    public = write_run(tmp_path / "runs", "2026Q3", [])
    (public / "report.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataRefused, match="revops run 2026Q3"):
        site.build(runs=tmp_path / "runs", to=tmp_path / "site", playbook=tiny)
    assert not (tmp_path / "site").exists()


WHOLE = "title: x, tables: [outlook], figures: [], recommendations: true"


@pytest.mark.parametrize(
    "entry",
    [
        "{tables: []}",
        "[]",
        f"{{{WHOLE}, scores: 1}}",
        f"{{{WHOLE}, audience: nobody}}",
        f"{{{WHOLE}, counted: [outlook]}}",
        f"{{{WHOLE}, counted: {{backtest: n}}}}",
        f"{{{WHOLE}, counted: {{outlook: 5}}}}",
    ],
)
def test_a_wrong_allow_list_is_refused(tiny: Path, tmp_path: Path, entry: str) -> None:
    (tiny / "reports.yml").write_text(f"forecast: {entry}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="forecast"):
        site.build(runs=tmp_path / "runs", to=tmp_path / "site", playbook=tiny)


# --- the one escaping function --------------------------------------------------------------------------------------


@functools.cache
def parser() -> MarkdownIt:
    """MyST with everything switched on that the book switches off: what is inert here is inert there."""
    from markdown_it.renderer import RendererHTML
    from myst_parser.config.main import MdParserConfig
    from myst_parser.parsers.mdit import create_md_parser

    syntax = "amsmath attrs_block attrs_inline colon_fence deflist dollarmath fieldlist strikethrough substitution tasklist"
    return create_md_parser(MdParserConfig(enable_extensions=set(syntax.split())), RendererHTML)


hostile = st.one_of(
    st.text(max_size=80),
    st.text(alphabet="<>&;#[](){}!*_`~$^|\\:-+=.%'\"/ \n\t1a@\u202e\u200b", max_size=60),
    st.sampled_from(HOSTILE),
)


@settings(deadline=None)
@given(hostile)
def test_plain_is_one_paragraph_of_text_and_nothing_else(typed: str) -> None:
    source = site.plain(typed)
    rendered = parser().render(source)
    inner = re.fullmatch(r"(?:<p>([^<>]*)</p>\n)?", rendered)
    assert inner, (source, rendered)
    visible = [char for char in typed if not char.isspace() and unicodedata.category(char)[0] != "C"]
    assert [char for char in html.unescape(inner[1] or "") if not char.isspace()] == visible


@settings(deadline=None)
@given(hostile)
def test_plain_stays_inside_its_table_cell(typed: str) -> None:
    rendered = parser().render(f"| a | b |\n|---|---|\n| {site.plain(typed) or '-'} | end |\n")
    tags = re.findall(r"</?([a-z0-9]+)", rendered)
    assert set(tags) == {"table", "thead", "tbody", "tr", "th", "td"} and tags.count("td") == 4


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("abc" * 100, 200),
        ("a\u202eb\u200bc\x00d", "abcd"),
        ("line\nnext\u2028third", "line next third"),
        (None, "None"),
        ("12 000 €", "12 000 €"),
    ],
)
def test_plain_cuts_and_cleans(typed: object, shown: object) -> None:
    text = html.unescape(site.plain(typed))
    assert (len(text) if isinstance(shown, int) else text) == shown
