"""The scan of a built site: what is planted is found however it is written, and a clean site is clean."""

from __future__ import annotations

import base64
import datetime as dt
import html
import json
import shlex
import time
import zlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import pandas as pd
import playbooks
import pytest
from companies import since_2024
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from revops_lib import cli, compensation, runs, sample, site, tables
from revops_lib.errors import UsageError
from revops_lib.site import active, building
from revops_lib.site.values import Search, Value, folded, number
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
NAME = "Zoé Dupont-Müller"
Scanned = Callable[..., list[str]]


@pytest.fixture
def scanned(tmp_path: Path) -> Scanned:
    """What is found in a site of one file, by default a page."""

    def scan(content: str | bytes, file: str = "page.html", **given: Any) -> list[str]:
        path = tmp_path / "site" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        (tmp_path / "scan.yml").write_text(f"allow: {json.dumps(given.pop('allow', []))}\n", encoding="utf-8")
        found = site.scan(tmp_path / "site", allowed=tmp_path / "scan.yml", **given)
        path.unlink()
        assert {finding.file for finding in found} <= {file}
        return [finding.reason for finding in found]

    return scan


def packed(text: str, skipped: int) -> str:
    return base64.b64encode(b"<?!"[:skipped] + text.encode() + b" and more").decode()


def index_of(text: str) -> str:
    """What Sphinx writes of a page into its search index: stems of its words."""
    from sphinx.search.en import SearchEnglish

    language = SearchEnglish({})
    terms = {language.stem(word.lower()): [0, 3] for word in language.split(text)}
    return f"Search.setIndex({json.dumps({'titles': {}, 'terms': terms})})"


# --- values, however they are written -------------------------------------------------------------------------------

WRITTEN = {
    "plain": NAME,
    "capitals": NAME.upper(),
    "decomposed": "Zoe\u0301 Dupont-Mu\u0308ller",
    "html": html.escape(NAME).replace("é", "&#233;").replace("ü", "&uuml;"),
    "json": json.dumps(NAME),
    "address": quote(NAME),
    "form": quote_plus(NAME),
    "html in an address": quote(NAME.replace("é", "&eacute;")),
    "over lines": "Zoé\n      Dupont-Müller",
    "narrow blank": "Zoé\u202fDupont-Müller",
    "soft hyphen": "Zoé Du\u00adpont-Müller",
    "coloured": '<span class="n">Zoé Du</span><span class="o">pont-</span><em>Müller</em>',
    "attribute": f'<img alt="x {NAME} y" src="a.png">',
    "comment": f"<!-- {NAME} -->",
    **{f"base64 at {skipped}": packed(NAME, skipped) for skipped in range(3)},
    "base64 of addresses": base64.urlsafe_b64encode(b"\xff\xfe?" + NAME.encode()).decode(),
    "base64 over lines": "\n".join(packed(NAME, 1)[at : at + 10] for at in range(0, 40, 10)),
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_a_name_is_found_however_it_is_written(scanned: Scanned, written: str) -> None:
    page = f"<p>before {written} after</p>"
    assert [
        reason for reason in scanned(page, canaries=["x y z", NAME]) if reason.startswith("the value of line 2 of the list")
    ]
    assert scanned(page, canaries=["x y z", "Zoé Dupont-Meyer"]) == []
    assert [reason for reason in scanned(page, values=[Value(NAME, "the name of reps R001", is_name=True)])]
    assert all(NAME not in reason for reason in scanned(page, canaries=[NAME]))  # a log tells no names


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("style.css", f"/* {NAME} */".encode()),
        ("searchindex.js", f"Search.setIndex({json.dumps({'terms': {}, 'titles': [NAME]})})".encode()),
        ("searchindex.js", index_of(f"call {NAME} tomorrow").encode()),
        ("searchindex.js", index_of(f"call {NAME} tomorrow").replace('"terms"', '"terms": {}, "titleterms"').encode()),
        ("fr/searchindex.js", index_of(f"call {NAME} tomorrow").encode()),
        ("objects.inv", b"# Sphinx inventory version 2\n# using zlib.\n" + zlib.compress(f"x std:label 1 # {NAME}".encode())),
        ("chart.png", b"\x89PNG\r\n\x1a\n\0\0\0\x1ftEXtTitle\0Zoe Dupont-Muller, pay\0\x05\x07"),
        (f"{NAME}.html", b"<p>x</p>"),
    ],
)
def test_a_name_is_found_in_every_file_that_a_site_has(scanned: Scanned, file: str, content: bytes) -> None:
    assert scanned(content, file, canaries=[NAME, "Zoe Dupont-Muller"]) != []
    assert scanned(content, file, canaries=["Anna Schmidt"]) == []


def test_a_name_with_small_words_is_found_in_the_index_of_its_language(scanned: Scanned) -> None:
    kept = index_of("Anne Tour")  # a French index leaves out `de` and `la`
    assert scanned(kept, "fr/searchindex.js", canaries=["Anne de la Tour"]) != []
    assert scanned(kept, "fr/searchindex.js", canaries=["Anne de la Porte"]) == []


FORMATS = ["91234.00", "91234", "91,234.00", "91,234", "91 234,00", "91\u00a0234,00", "91\u202f234", "91&nbsp;234", "91'234.00"]
FORMATS += ["91’234", "91.234,00", "91.234", "91234.0", "91234,00", r"91\u202f234,00", "<b>91</b><i>,234</i>", "€91,234.00 EUR"]


@pytest.mark.parametrize("canary", ["91234.00", "91234", "91,234.00", "91 234"])
@pytest.mark.parametrize("written", FORMATS)
def test_an_amount_is_found_in_every_format(scanned: Scanned, canary: str, written: str) -> None:
    assert scanned(f"<td>{written}</td>", canaries=[canary]) == ["the value of line 1 of the list"]


@pytest.mark.parametrize(
    "other", ["191,234.00", "91,234.56", "91,234,000", "912345", "0.91234", "91,235", "1'091'234", "91234.001"]
)
def test_another_amount_is_not_taken_for_it(scanned: Scanned, other: str) -> None:
    assert scanned(f"<td>{other}</td>", canaries=["91234.00"]) == []


def test_a_name_of_the_data_is_a_whole_word_and_a_listed_value_any_part(scanned: Scanned) -> None:
    page = "<p>Annaberg and Lisanna met AnnaX.</p>"
    assert scanned(page, values=[Value("Anna", "the name", is_name=True)]) == []
    assert scanned(page.replace("met", "“Anna”"), values=[Value("Anna", "the name", is_name=True)]) == ["the name"]
    assert scanned(page, canaries=["Anna"]) == ["the value of line 1 of the list"]


ways = [str, html.escape, json.dumps, quote, quote_plus, str.upper, lambda text: "&#x2063;".join(text.split("\0"))]
ways += [lambda text: "".join(f"&#{ord(char)};" for char in text), lambda text: packed(text, 1), lambda text: packed(text, 2)]
typed = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=6, max_size=30)


@settings(deadline=None, max_examples=200)
@given(typed.map(str.strip), st.sampled_from(ways))
def test_any_text_is_found_in_any_writing(text: str, way: Callable[[str], str]) -> None:
    written = way(text)
    assume(len(text) > 5 and not number(text))
    assume("\\" not in text and html.unescape(unquote(text)) == text)  # what is written as an escape means something else
    assume(way is not str.upper or folded(text) == folded(written))  # letters without a way back from capitals
    assert Search([Value("another value", "other"), Value(text, "it")]).found(f"x {written} y")


def test_secrets_of_the_environment_are_named_and_not_shown(scanned: Scanned) -> None:
    found = scanned("<p>zq93-hidden-Value</p>", secrets={"CRM_TOKEN": "zq93-hidden-value"})
    assert found == ["the secret CRM_TOKEN of the environment"]


def test_what_is_too_short_is_refused_rather_than_not_looked_for(scanned: Scanned) -> None:
    with pytest.raises(UsageError, match="line 3"):
        scanned("<p>x</p>", canaries=[NAME, "", " ab "])
    assert scanned("<p>x</p>", canaries=[NAME, "", "  "]) == []


def test_time_grows_with_the_site_and_not_with_the_values(scanned: Scanned) -> None:
    page = "<p>" + "customer of the quarter &amp; 91,000.00 worth </p>\n<p>" * 40_000 + "</p>"  # 2 MB
    spent = []
    for count in (2_000, 20):
        values = [f"Customer Number{n:05}" for n in range(count // 2)] + [f"{20_000 + n}.00" for n in range(count // 2)]
        started = time.process_time()
        assert scanned(page, canaries=values) == []
        spent.append(time.process_time() - started)
    assert spent[0] < 4 * spent[1] + 2, spent


# --- what looks like a secret or an address -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
        ("AKIAABCDEFGHIJKLMNOP", "a key of a cloud"),
        ("ghp_" + "a1B2" * 9, "a key of a cloud"),
        ("xoxb-123456789012-abcdef", "a key of a cloud"),
        ("password=pw123", "a password, key or token"),
        ("<span>pass</span><span>word</span>=<b>pw</b>123", "a password, key or token"),
        ("API_KEY: 'a8s7d6f5g4'", "a password, key or token"),
        ("postgres://sales:hunter2@db.internal/crm", "a password in an address"),
        ("write to anna.schmidt@example.org", "an e-mail address"),
        ('<a href="mailto:anna@example.org">her</a>', "an e-mail address"),
        ("FR76 3000 6000 0112 3456 7890 189", "an IBAN"),
        ("call 06 12 34 56 78", "a phone number"),
        ("call +33 (0)6 12 34 56 78", "a phone number"),
        ("call 06.12.34.56.78 now", "a phone number"),
        ("call +44 20 7946 0958", "a phone number"),
        ("in /" + "home/anna/export", "a folder of a person's machine"),
        (r"in C:\Users\anna", "a folder of a person's machine"),
        ("Traceback (most recent call last):", "a traceback"),
        ('<div class="tag_injected-parameters">', "a notebook's injected parameters"),
    ],
)
def test_secrets_and_addresses_are_found_by_their_look(scanned: Scanned, text: str, what: str) -> None:
    assert [reason for reason in scanned(f"<p>{text}</p>") if reason.startswith(what)]


@pytest.mark.parametrize(
    "text",
    [
        "1,487,329.63 EUR of 3,231,500.00",
        "2026-09-30 06:12:34.567890",
        "<td>0</td>\n<td>1</td>\n<td>23</td>\n<td>45</td>\n<td>67</td>\n<td>89</td>",
        "Password: ask IT. Token: none.",
        "FR76 3000 6000 0112 3456 7890 188",
        "the homepage /homes and user@home",
        "+12 % and −3.5, n=12345678901234567890",
        "ratio 58.1% (47.3% to 71.3%)",
        "fingerprint ab0612345678",
        "fingerprint 0612345678ab",
    ],
)
def test_what_only_looks_a_little_like_it_is_not(scanned: Scanned, text: str) -> None:
    assert scanned(f"<p>{text}</p>") == []


def test_the_playbook_may_allow_a_text(scanned: Scanned) -> None:
    page = "<p>revops@example.org</p>"
    assert scanned(page) != [] and scanned(page, allow=["revops@Example.org"]) == []
    assert scanned(page + "<p>anna@example.org</p>", allow=["revops@example.org"]) != []


@pytest.mark.parametrize("content", ["allow: text\n", "allowed: []\n", "allow: [1]\n", "allow: []\nallow: []\n"])
def test_a_faulty_list_of_texts_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "scan.yml").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"scan\.yml"):
        site.scan(tmp_path, allowed=tmp_path / "scan.yml")


# --- files and active content ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file",
    [
        *(f"x{kind}" for kind in ".ipynb .csv .parquet .xlsx .pkl .db .log .env .py .yml .zip .map .json .md .exe".split()),
        ".env", "noending", "_sources/page.html", "_static/x.csv",
    ],
)  # fmt: skip
def test_files_that_no_site_needs(scanned: Scanned, file: str) -> None:
    assert "a file of a kind that a site does not need" in scanned("x", file)


def test_a_link_to_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "secret.txt").write_text(NAME, encoding="utf-8")
    (tmp_path / "site" / "page.html").symlink_to(tmp_path / "secret.txt")
    assert [str(found) for found in site.scan(tmp_path / "site")] == ["page.html: a link to elsewhere"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("<script>alert(1)</script>", "a script"),
        ("<SCRIPT\nsrc=evil.js></SCRIPT>", "a script"),
        ("<script src=//evil.example/x.js></script>", "from elsewhere"),
        ("<img src=x OnError=alert(1)>", "onerror on img"),
        ("<svg/onload=alert(1)>", "onload on svg"),
        ('<a href="java\nscript:alert(1)">x</a>', "an address that runs"),
        ('<a href="&#106;avascript&colon;alert(1)">x</a>', "an address that runs"),
        ('<a href="vbscript:x">x</a>', "an address that runs"),
        ('<a href="data:text/html,<b>x</b>">x</a>', "an address that runs"),
        ('<img src="data:image/svg+xml,x">', "an address that runs"),
        ("<iframe src=page.html></iframe>", "the element iframe"),
        ("<object data=x.html></object>", "the element object"),
        ("<embed src=x.html>", "the element embed"),
        ("<base href=/x/>", "the element base"),
        ('<form action="https://evil.example/"></form>', "a form"),
        ('<form action="search.html" method="post"></form>', "a form"),
        ('<button formaction="javascript:x">', "an address that runs"),
        ('<meta http-equiv="refresh" content="0;url=x.html">', "the element meta"),
        ("<div srcdoc='x'>", "srcdoc on div"),
        ("<a href=page.html ping=//tracker.example/>x</a>", "ping on a"),
        ("<![any[ <script>alert(1)</script> ]]>", "a script"),
        ('<link rel="stylesheet" href="https://fonts.example/x.css">', "from elsewhere"),
        ('<img srcset="a.png 1x, //tracker.example/x.png 2x">', "from elsewhere"),
        ('<p style="background: url(//tracker.example/x.png)">', "a style loads"),
        ("<style>@import 'https://evil.example/x.css';</style>", "a style loads"),
        ("<!--><script>alert(1)</script>-->", "a script"),
        ("<svg><script href=//evil.example/x.js /></svg>", "from elsewhere"),
    ],
)
def test_what_a_browser_would_run_or_fetch(scanned: Scanned, content: str, what: str) -> None:
    assert [reason for reason in scanned(f"<body>{content}</body>") if what in reason or "two ways" in reason]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("x.svg", "<svg xmlns='x'><script>alert(1)</script></svg>"),
        ("x.svg", "<s:svg xmlns:s='x'><s:script>alert(1)</s:script></s:svg>"),
        ("x.svg", "<svg><a xlink:href='javascript:alert(1)'/></svg>"),
        ("x.svg", "<?xml-stylesheet href='javascript:alert(1)'?><svg/>"),
        ("objects.inv", "# using zlib.\nbroken /" + "home/anna"),
        ("x.svg", "<!DOCTYPE svg [<!ENTITY x 'y'>]><svg/>"),
        ("x.css", "body { background: url('https://tracker.example/x.png') }"),
        ("x.js", "alert(1)"),
        ("_static/doctools.js", "alert(1)"),  # what the theme brings, changed
        ("searchindex.js", "Search.setIndex({}); alert(1)"),
        ("searchindex.js", "Search.setIndex({x: alert(1)})"),
    ],
)
def test_active_files(scanned: Scanned, file: str, content: str) -> None:
    assert scanned(content, file) != []


@pytest.mark.parametrize(
    "content",
    [
        "<p>&lt;script&gt;alert(1)&lt;/script&gt; and javascript:alert(1), onclick=x</p>",
        '<a href="https://example.org">x</a><a href="page.html#javascript:">y</a>',
        '<img src="a.png" alt="onerror=x">',
        '<form action="../search.html" method="get"></form>',
    ],
)
def test_harmless_content(scanned: Scanned, content: str) -> None:
    assert scanned(content, "folder/page.html") == []


def test_the_baseline_is_what_a_clean_book_has_today() -> None:
    """Fails when the theme changed: look at what is new, then `make generated`."""
    assert site.clean() == active.baseline()


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_prints_every_finding_and_ends_with_10(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "page.html").write_text("<p>fine</p>", encoding="utf-8")
    (tmp_path / "list.txt").write_text(f"\n{NAME}\n91234.00\n", encoding="utf-8")
    words = ["scan", str(tmp_path / "site"), "--canaries", str(tmp_path / "list.txt")]
    assert cli.main(words) == 0 and capsys.readouterr().out == "nothing found\n"
    (tmp_path / "site" / "page.html").write_text(f"<p>{NAME} 91,234</p>", encoding="utf-8")
    (tmp_path / "site" / "pay.csv").write_text("x", encoding="utf-8")
    assert cli.main(words) == 10
    told = capsys.readouterr()
    lines = ["page.html: the value of line 2 of the list", "page.html: the value of line 3 of the list"]
    assert told.out.splitlines() == [*lines, "pay.csv: a file of a kind that a site does not need"]
    assert told.err.startswith("error: the value of line 2 of the list (and 2 more) — page.html — ")
    assert cli.main(["scan", str(tmp_path / "nowhere")]) == 2 and cli.main([*words[:3], str(tmp_path / "no.txt")]) == 2


# --- a company whose every sensitive value is known -----------------------------------------------------------------

TOKEN = "zq93-canary-token-5512"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A dataset in which every sensitive column holds values that stand nowhere else, and the list of them."""
    frames = since_2024(sample.generate(7, 0.25)[0])
    frames["reps"]["name"] = [f"Quorvex Hälde{n:03}" for n in range(len(frames["reps"]))]
    frames["accounts"]["name"] = [f"Blixwort & Söhne {n:04}" for n in range(len(frames["accounts"]))]
    deals = frames["opportunities"]
    deals["name"] = [f"Zindrapp {n:04} – Rollout" for n in range(len(deals))]
    people = pd.DataFrame({"contact_id": [f"C{n:04}" for n in range(200)]})
    people["account_id"] = frames["accounts"]["account_id"].head(200).to_numpy()
    people["name"] = [f"Ysolde O'Krampf{n:04}" for n in range(200)]
    people["email"] = [f"krampf{n:04}@blixwort.test" for n in range(200)]
    people["phone"] = [f"+33 6 12 34 {n // 100:02} {n % 100:02}" for n in range(200)]
    people["created_at"] = pd.Timestamp("2026-01-05")
    frames["contacts"] = tables.conform("contacts", people)
    quotas = frames["quotas"]
    quotas["amount"] = [Decimal(f"{71_003 + 7 * n}.00") for n in range(len(quotas))]
    frames["accounts"]["segment"] = frames["accounts"]["segment"].replace("SMB", "<img src=x onerror=alert(1)>")
    folder = tmp_path_factory.mktemp("company") / "data"
    dataset = json.loads((ROOT / "data" / "sample" / "dataset.json").read_text(encoding="utf-8"))
    tables.write(folder, {name: tables.conform(name, frame) for name, frame in frames.items()}, {**dataset, "name": "canary"})
    columns = [
        frames["reps"]["name"],
        frames["accounts"]["name"],
        deals["name"],
        people["name"],
        people["email"],
        people["phone"],
    ]
    return folder, [TOKEN, *(str(value) for column in [*columns, quotas["amount"]] for value in column)]


@pytest.fixture(scope="module")
def published(company: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], list[str]]:
    """The built site of one quarter of that company, what was not looked for, and all canaries, with what each rep is paid."""
    folder, canaries = company
    place = tmp_path_factory.mktemp("published")
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRM_TOKEN", TOKEN)
        manifest = runs.run("2026Q3", data=folder, out=place / "runs", progress=False)
        assert manifest["exit_code"] == 0
        playbook = playbooks.without_numbers(place / "playbook")
        (place / "data").symlink_to(ROOT / "data")
        every_number(place / "runs", playbook / "numbers.md")
        index = site.build(
            runs=place / "runs", to=place / "site", playbook=playbook, day=dt.date(2026, 11, 22), say=said.append
        )
    snapshot = Snapshot(folder, quarter="2026Q3", as_of="2026-09-30")
    statements = compensation.statements(snapshot, compensation.plan(snapshot, name="account_executive"))
    rules = (ROOT / "data" / "plans" / "account_executive.yml").read_text(encoding="utf-8")  # what anybody may read
    paid = {
        str(value)
        for column in ("pay", "credited")
        for value in statements[column]
        if value >= 3000 and str(value) not in rules
    }  # smaller ones look like years
    assert len(paid) > 4
    return index.parent, said, canaries + sorted(paid)


def every_number(runs: Path, file: Path) -> None:
    """A page with every headline and cell that a page may take from a run, whatever it holds."""
    told = json.loads((runs / "2026Q3" / "public" / "report.json").read_text(encoding="utf-8"))
    marks = [f"[[{topic['stem']}.headline]]" for topic in told["reports"] if not topic["headline"].startswith("Not published")]
    for own, table in ((topic, table) for topic in told["reports"] for table in topic["tables"]):
        names = [name.replace(" ", "_") for name in table["columns"]]
        for row in table["rows"]:
            keys = " ".join(f"{name}={shlex.quote(cell)}" for name, cell in zip(names, row, strict=True))
            if len(row) == len(names) > 1 and not set("[]\n") & set(keys) and table["rows"].count(row) == 1:
                marks += [f"[[{own['stem']}.{table['name']}.{name} {keys}]]" for name, cell in zip(names, row, strict=True)
                          if cell not in ("", "fewer than five", "not shown", "not known")]  # fmt: skip
    assert len(marks) > 500
    file.write_text("---\nowner: x\n---\n# Numbers\n\n" + "\n\n".join(marks) + "\n", encoding="utf-8")


@pytest.mark.whole
def test_nothing_sensitive_is_anywhere_in_the_site(published: tuple[Path, list[str], list[str]]) -> None:
    built, said, canaries = published
    own = ("verified", "not in French")  # these pages are neither: their numbers were taken out
    assert len(canaries) > 1000 and [sentence for sentence in said if not any(word in sentence for word in own)] == []
    assert site.scan(built, canaries=canaries, secrets={"CRM_TOKEN": TOKEN}) == []
    assert "Tiers of the plans" in (built / "reports/2026Q3/compensation.html").read_text(encoding="utf-8")
    for shown in ("reports/2026Q3/bottlenecks.html", "numbers.html"):
        assert "&lt;img src=x" in (built / shown).read_text(encoding="utf-8")


@pytest.mark.whole
def test_each_planted_value_is_found_in_that_site(published: tuple[Path, list[str], list[str]], tmp_path: Path) -> None:
    _, _, canaries = published
    planted = [TOKEN, "Quorvex Hälde004", "krampf0017@blixwort.test", "Ysolde O'Krampf0099", "71024.00", canaries[-1]]
    assert set(planted) <= set(canaries)
    written = [
        planted[0],
        html.escape(planted[1]),
        packed(planted[2], 2),
        json.dumps(planted[3]),
        "71 024,00",
        f"{Decimal(planted[5]):,}",
    ]
    (tmp_path / "page.html").write_text("\n".join(f"<p>{one}</p>" for one in written), encoding="utf-8")
    found = {finding.reason.split(" of the list")[0] for finding in site.scan(tmp_path, canaries=canaries)}
    assert {f"the value of line {canaries.index(value) + 1}" for value in planted} <= found


@pytest.mark.whole
def test_a_build_that_would_tell_a_name_or_a_secret_leaves_the_old_site(
    published: tuple[Path, list[str], list[str]], company: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    built, _, _ = published
    file = built.parent / "runs/2026Q3/public/report.json"
    told = json.loads(file.read_text(encoding="utf-8"))
    told["reports"][0]["headline"] = f"Ask Quorvex Hälde004 of Blixwort & Söhne 0007 about Zindrapp 0009 – Rollout, {TOKEN}"
    file.write_text(json.dumps(told), encoding="utf-8")
    monkeypatch.setenv("CRM_TOKEN", TOKEN)
    # The reports are what tells; the pages that people write need not be built again.
    monkeypatch.setattr(building, "PLAYBOOK", playbooks.small(built.parent / "small"))
    before = (built / "index.html").read_bytes()
    assert cli.main(["site", "--runs", str(built.parent / "runs"), "--to", str(built)]) == 10
    said = capsys.readouterr().err
    for reason in (
        "the name of reps R",
        "the name of accounts A",
        "the name of opportunities ",
        "the secret CRM_TOKEN of the environment",
    ):
        assert f"reports/2026Q3/{told['reports'][0]['stem']}.html: {reason}" in said
    assert "Quorvex" not in said and TOKEN not in said and (built / "index.html").read_bytes() == before


def test_what_is_not_looked_for_is_said(tmp_path: Path) -> None:
    from revops_lib.site.personal import personal

    frames = {
        "reps": pd.DataFrame({"rep_id": ["R1", "R2"], "name": ["Ann", "Quorvex Hälde"], "start_date": ["2026-01-01"] * 2}),
        "accounts": pd.DataFrame(
            {"account_id": ["A1", "A2", "A3"], "name": ["Spain", "Forecast", "Blixwort"], "country": ["Spain"] * 3}
        ),
        "opportunities": pd.DataFrame(
            {"opportunity_id": ["1", "2", "3"], "name": ["Forecast", "Upsell", "Zindrapp rollout"], "type": ["upsell"] * 3}
        ),
    }
    dataset = json.loads((ROOT / "data" / "sample" / "dataset.json").read_text(encoding="utf-8"))
    tables.write(tmp_path / "data", {name: tables.conform(name, frame) for name, frame in frames.items()}, dataset)
    (tmp_path / "playbook").mkdir()
    (tmp_path / "playbook" / "index.md").write_text("# The forecast\n", encoding="utf-8")
    for quarter, data in (("2026Q3", "data"), ("2026Q2", "gone")):
        (tmp_path / "runs" / quarter).mkdir(parents=True)
        (tmp_path / "runs" / quarter / "manifest.json").write_text(json.dumps({"data": data}), encoding="utf-8")
    values, said = personal(tmp_path / "runs", ["2026Q3", "2026Q2"], playbook=tmp_path / "playbook")
    assert {value.text for value in values} == {"Quorvex Hälde", "Blixwort", "Zindrapp rollout"}
    assert said[0] == "the names in the data of 2026Q2 were not looked for: the dataset is not here"
    assert said[1].startswith("4 names were not looked for")
