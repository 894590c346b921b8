"""A statement as a file: everything is in it, nothing in it runs or fetches, and the same statement gives the same bytes."""

from __future__ import annotations

import re
import zlib
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest

from revops_lib import money, statements

AMOUNTS = ("credit", "quota", "earned", "withheld", "held", "pay")


def line(**given: Any) -> dict[str, Any]:
    """A line of the ledger with the deal's name."""
    usual = {
        "line_id": "0123456789abcdef", "quarter": "2026Q3", "rep_id": "rep", "plan": "account_executive", "version": "v1",
        "component": "bookings", "cause": "pay", "deal": "D-1", "event_date": pd.Timestamp("2026-07-03"), "kind": "split",
        "credit": "10000.00", "quota": "100000.00", "before": 0.0, "after": 0.1, "tiers": "10,000.00 at 6.5 %", "gate": "",
        "earned": "650.00", "withheld": "0.00", "held": "0.00", "pay": "650.00", "currency": "EUR",
        "rule": "a rate on what is won", "link": "", "for_quarter": "2026Q3", "name": "Acme, renewal",
        "account": "Acme Ltd", "part": "bookings",
    }  # fmt: skip
    return {**usual, **given}


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    table = pd.DataFrame([*rows, line()])
    for name in AMOUNTS:
        table[name] = pd.Series([None if one is None else Decimal(one) for one in table[name]], dtype=money.DTYPE)
    return table.iloc[: len(rows)]


def statement(*rows: dict[str, Any], **given: Any) -> statements.Statement:
    exact = {"what": ["Deals"], "amount": [Decimal("650.00")]}
    held = {"line_id": ["0123456789abcdef"], "deal": ["D-1"], "name": ["Acme, renewal"], "account": ["Acme Ltd"], "component": ["bookings"],
            "event_date": [pd.Timestamp("2026-07-03")], "comes": ["When the customer has paid"],
            "held": [Decimal("650.00")], "gone": [Decimal("0.00")], "left": [Decimal("650.00")]}  # fmt: skip
    draws = {"period": ["2026-07"], "earned": [Decimal("500.00")], "topped_up": [Decimal("1000.00")],
             "recovered": [Decimal("0.00")], "paid": [Decimal("1500.00")], "debt": [Decimal("1000.00")]}  # fmt: skip
    positions = {"plan": ["Account executive"], "credited": [Decimal("10000.00")], "quota": [Decimal("100000.00")],
                 "attainment": [0.1]}  # fmt: skip
    disputes = {"line_id": ["0123456789abcdef"], "raised_date": [pd.Timestamp("2026-08-01")], "reason": ["Split is wrong"],
                "decision": ["accepted"], "adjusting_line": ["fedcba9876543210"], "amount": [Decimal("25.00")]}  # fmt: skip
    usual: dict[str, Any] = {
        "rep_id": "p-1f0c33a9b2d4", "name": "", "company": "Örtlich & Söhne", "quarter": "2026Q3", "as_of": "2026-09-30",
        "currency": "EUR", "is_closed": False, "total": Decimal("650.00"), "later": Decimal("650.00"),
        "owed": Decimal("1000.00"), "withheld": Decimal("0.00"),
        "parts": pd.DataFrame(exact), "lines": frame(*(rows or [line()])), "held": pd.DataFrame(held),
        "draws": pd.DataFrame(draws), "positions": pd.DataFrame(positions),
        "next_pays": pd.DataFrame({"plan": ["Account executive"], "amount": [10_000], "pays": [Decimal("975.00")],
                                   "is_on_deals": [True], "condition": ["That is a deal of your own."]}),
        "disputes": pd.DataFrame(disputes), "notes": ["One line waits for a quota."],
    }  # fmt: skip
    return statements.Statement(**{**usual, **given})


NOTHING = {name: pd.DataFrame() for name in ("parts", "held", "draws", "positions", "next_pays", "disputes")}
CORRECTION = line(cause="correction", line_id="00000000000000aa", kind="pay split", for_quarter="2026Q2", link="b" * 16, part="corrections of closed quarters",
                  pay="-120.00", rule="2026Q2 is corrected: the deal was won and is not any more.")  # fmt: skip


class Page(HTMLParser):
    """What a browser would show, and the elements that it would make."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)


def printed(content: bytes) -> str:
    """The text of a PDF as far as it is ASCII: its fonts keep these characters where they are."""
    streams = re.findall(rb"/ASCII85Decode /FlateDecode.*?stream\r?\n(.*?)endstream", content, re.DOTALL)
    assert streams
    import base64

    plain = [zlib.decompress(base64.a85decode(one.strip(), adobe=False) if not one.strip().endswith(b"~>")
             else base64.a85decode(b"<~" + one.strip(), adobe=True)) for one in streams]  # fmt: skip
    return " ".join(text.decode("latin-1") for one in plain for text in re.findall(rb"\((.*?)(?<!\\)\)\s*Tj", one, re.DOTALL))


@pytest.mark.parametrize("shown", [lambda told: " ".join(Page(statements.html(told)).texts), lambda told: printed(statements.pdf(told))],
                         ids=["page", "paper"])  # fmt: skip
def test_a_person_finds_what_why_what_is_held_owed_corrected_and_next(shown):
    text = " ".join(shown(statement(line(), CORRECTION)).split())
    for said in (
        "This quarter pays you 650.00 EUR", "One line waits for a quota", "0123456789abcdef", "Acme, renewal", "version v1",
        "10,000.00 at 6.5 %", "0.00% before, 10.00% after", "When the customer has paid", "you owe 1,000.00 EUR",
        "10.0%", "The next 10,000 EUR would pay 975.00 EUR", "before what your draw", "2026Q2 is corrected: the deal was won and is not any more",
        "-120.00", "It refers to line bbbbbbbbbbbbbbbb", "Split is wrong", "25.00", "Something is wrong?", "Draft",
        "Deal D-1, account Acme Ltd.", "correction of 2026Q2", "That is a deal of your own.", "What to send: the number",
        "To whom: Revenue Operations", "By when:",
    ):  # fmt: skip
        assert said in text, said


def table_of(html: str, title: str) -> list[list[str]]:
    """The cells of the table below a heading, row by row; of a cell with small print what stands above it."""
    part = html.split(f">{title}</h2>")[1].split("</section>")[0]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", part, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>([^<]*)", row) for row in rows]


def test_lines_stand_part_by_part_with_a_sum_each_and_a_total_that_is_the_head():
    bonus = line(component="new_smb", cause="spif", part="new smb", earned="200.00", pay="200.00")
    waiting = line(deal="D-3", earned="100.00", held="40.00", pay="60.00")
    told = statement(line(), waiting, bonus, CORRECTION, total=Decimal("790.00"))
    _, *rows = table_of(statements.html(told), "How each amount came about")
    sums = {row[1]: row[2:] for row in rows if row[1].startswith(("Sum", "Total"))}
    assert sums == {
        "Sum of bookings": ["", "750.00", "40.00", "710.00"],
        "Sum of new smb": ["", "200.00", "0.00", "200.00"],
        "Sum of corrections of closed quarters": ["", "650.00", "0.00", "-120.00"],
        "Total": ["", "1,600.00", "40.00", "790.00"],
    }
    assert [row[1] for row in rows[-3:]] == ["Acme, renewal: bookings, correction of 2026Q2", *list(sums)[-2:]]
    assert f"pays you {sums['Total'][-1]} EUR" in statements.html(told)
    assert table_of(statements.html(statement()), "What I earned")[-1] == ["Total", "650.00"]


def test_no_sum_is_told_where_what_a_line_pays_is_not_known():
    bonus = line(component="new_smb", cause="spif", part="new smb", earned="200.00", pay="200.00")
    told = statement(line(), line(deal="D-2", earned=None, held=None, pay=None), bonus, total=Decimal("850.00"))
    _, *rows = table_of(statements.html(told), "How each amount came about")
    sums = {row[1]: row[2:] for row in rows if row[1].startswith(("Sum", "Total"))}
    unknown = ["", *["not known"] * 3]
    assert sums == {"Sum of bookings": unknown, "Sum of new smb": ["", "200.00", "0.00", "200.00"], "Total": unknown}
    assert table_of(statements.html(told), "What I earned")[-1] == ["Total", "not known"]
    assert "What this quarter pays you is not known yet; 850.00 EUR of it is." in statements.html(told)


def test_what_is_held_says_when_it_comes_and_sums_to_the_head():
    heads, row, total = table_of(statements.html(statement()), "What is held")
    assert row[heads.index("When it comes, in shares of the pay")] == "When the customer has paid"
    assert total == ["", "Total", "", "650.00", "0.00", "650.00"]


def test_what_does_not_apply_is_said_in_a_sentence():
    text = " ".join(
        Page(statements.html(statement(**NOTHING, lines=frame(), total=Decimal("0.00"), owed=Decimal("0.00")))).texts
    )
    for said in (
        "There is no line in this quarter",
        "Nothing is held",
        "owe nothing",
        "You have no quota",
        "there is no quota",
    ):
        assert said in text
    assert statements.pdf(statement(**NOTHING, lines=frame())).startswith(b"%PDF-")


def test_a_line_without_quota_says_so():
    text = " ".join(Page(statements.html(statement(line(pay=None, earned=None, held=None, withheld=None, quota=None,
                                                        before=None, after=None)))).texts)  # fmt: skip
    assert "What it pays is not known: there is no quota" in text and not re.search(r"\bnan\b", text, re.I)


def test_a_line_without_target_pay_says_so():
    assert "not known: the target pay" in statements.html(statement(line(pay=None)))


@pytest.mark.parametrize(
    ("is_on_deals", "why"), [(True, "there is no quota, or it is 0"), (False, "the plan does not pay on every deal")]
)
def test_what_the_next_deal_pays_is_not_known_of_every_plan(is_on_deals, why):
    following = pd.DataFrame(
        {"plan": ["Renewals"], "amount": [10_000], "pays": [None], "is_on_deals": [is_on_deals], "condition": [""]}
    )
    assert f"would pay is not known (Renewals): {why}" in statements.html(statement(next_pays=following))


def test_a_page_runs_nothing_fetches_nothing_and_says_its_language_and_heads():
    page = Page(statements.html(statement(line(), CORRECTION)))
    kinds = {tag for tag, _ in page.elements}
    assert kinds <= {"html", "head", "meta", "title", "style", "body", "main", "section", "h1", "h2", "p", "table", "caption",
                     "thead", "tbody", "tr", "th", "td", "small", "footer"}  # fmt: skip
    assert not [
        name for _, given in page.elements for name in given if name in ("src", "href", "style") or name.startswith("on")
    ]
    assert ("html", {"lang": "en"}) in page.elements
    heads = [given for tag, given in page.elements if tag == "th"]
    assert heads and all(given["scope"] in ("col", "row") for given in heads)
    assert "url(" not in statements.html(statement()) and "@import" not in statements.html(statement())
    assert any("default-src 'none'" in (given.get("content") or "") for tag, given in page.elements if tag == "meta")


HOSTILE = '<script>alert(1)</script>" onload="x" & <b>Müller</b> \x00\x1b]0;x\x07\u202e <img src=x>'


def test_whatever_a_crm_wrote_is_text():
    names = ("line_id", "deal", "name", "rule", "tiers", "gate", "component", "plan", "version", "link")
    told = statement(line(**dict.fromkeys(names, HOSTILE)), rep_id=HOSTILE, name=HOSTILE, company=HOSTILE, notes=[HOSTILE])
    page = Page(statements.html(told))
    assert {tag for tag, _ in page.elements} == {tag for tag, _ in Page(statements.html(statement())).elements}
    assert not any(name.startswith("on") or name == "src" for _, given in page.elements for name in given)
    assert all(text.replace("\n", "").isprintable() for text in page.texts)
    assert "<script>alert(1)</script>" in " ".join(page.texts)
    assert "alert\\(1\\)" in printed(statements.pdf(told))


def test_the_same_statement_gives_the_same_bytes_whatever_was_written_before():
    told = statement(line(), CORRECTION)
    first = statements.html(told), statements.pdf(told)
    statements.pdf(statement(line(name="Ωmega €uro ß 漢字 😀"), rep_id="other"))
    assert (statements.html(told), statements.pdf(told)) == first
    assert b"2026" not in re.sub(rb"2026Q3", b"", b"".join(re.findall(rb"/(?:CreationDate|ModDate) \((.*?)\)", first[1])))


def test_fonts_are_in_the_file_and_pages_are_numbered():
    content = statements.pdf(statement(*(line(line_id=f"{n:016x}", rule="why " * 30) for n in range(60))))
    pages = len(re.findall(rb"/Type /Page\b", content))
    assert pages > 3 and f"page {pages} of {pages}" in printed(content)
    assert content.count(b"/FontFile2") == 2 and b"/Lang (en)" in content


@pytest.mark.parametrize("text", ["x" * 20_000, "why " * 5_000], ids=["one word", "many words"])
def test_a_text_longer_than_a_page_loses_nothing(text):
    content = printed(statements.pdf(statement(line(rule=f"{text} end-of-rule"))))
    assert "end-of-rule" in content and content.count("x" * 20 if text[0] == "x" else "why") > 500
