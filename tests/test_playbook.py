"""The playbook as a thing that ages: owners, verification, live numbers, placeholders, the list of tools."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from pathlib import Path
from typing import Any

import playbooks
import pytest

from revops_lib import allowlist, cli, pages, site
from revops_lib.allowlist import BESIDE, FEW, NOT_AVAILABLE, TOO_FEW
from revops_lib.errors import DataRefused, UsageError
from revops_lib.report import UNKNOWN
from revops_lib.site import editing, links, live, placeholders, reports, status, tools

ROOT = playbooks.ROOT
DAY = dt.date(2026, 11, 22)
OWN = "---\nowner: RevOps\n---\n"


def written(folder: Path, text: str, name: str = "process") -> pages.Page:
    return pages.read(name, playbooks.small(folder, **{name: text}))


def verified(text: str, day: str = "2026-11-22", every: str = "90 days") -> str:
    seal = playbooks.seal(text, days=int(every.split()[0]))
    return f"---\nowner: Deal desk\nverified: {day}\nreview_every: {every}\nbody: {seal}\n---\n{text}"


# --- what stands above a page ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("front", "line", "said"),
    [
        (None, 1, "no owner"),
        ("verified: 2026-11-22", 1, "no owner"),
        ("owner:", 2, "owner is empty"),
        ("owner: x\nverifed: 2026-11-22", 3, "did you mean verified"),
        ("owner: x\nowner: y", 3, "twice"),
        ("owner: [x]", 2, "not one value"),
        ("- owner", 2, "not YAML"),
        ("owner: x\nverified: a: b", 3, "not YAML"),
        ("owner: x\nupdated: 22/11/2026", 3, "not a day"),
        ("owner: x\nupdated: 2026-02-30", 3, "not a day"),
        ("owner: x\nupdated: 20261122", 3, "not a day"),
        ("owner: x\nverified: 2026-11-22", 3, "verified stands alone"),
        ("owner: x\nreview_every: a while", 3, "write 90 days"),
        ("owner: x\nreview_every: 0 days", 3, "write 90 days"),
        ("owner: x\naudience: nobody", 3, "valid: everyone, internal"),
        ("owner: x\nverified: 2026-11-22\nbody: typed", 4, "revops playbook verify process"),
        ("owner: x\nbody: 0123456789ab", 3, "body stands alone"),
    ],
)
def test_front_matter_is_read_strictly_and_refused_with_its_line(
    tmp_path: Path, front: str | None, line: int, said: str
) -> None:
    text = "# Title\n" if front is None else f"---\n{front}\n---\n# Title\n"
    with pytest.raises(UsageError) as refused:
        written(tmp_path, text)
    assert f"process.md, line {line} " in f"{refused.value} " and said in str(refused.value)
    with pytest.raises(UsageError, match=r"process\.md"):  # and nothing is built
        site.build(runs=tmp_path / "runs", to=tmp_path / "site", playbook=tmp_path, day=DAY)


def test_a_page_is_due_when_its_time_is_over_and_changed_when_its_text_is_another(tmp_path: Path) -> None:
    text = "# Title\n\nText.\n"
    page = written(tmp_path, verified(text, "2026-11-12", "10 days"))
    assert [pages.state(page, DAY + dt.timedelta(days=n)) for n in (0, 1)] == [pages.VERIFIED, pages.DUE]
    page.path.write_bytes(page.path.read_bytes().replace(b"\n", b"\r\n"))  # as Windows checks it out
    assert pages.state(pages.read("process", tmp_path), DAY) == pages.VERIFIED
    for changed in (text + "\n", text.replace("Text", "text")):
        page = written(tmp_path, verified(text).replace(text, changed))
        assert pages.state(page, DAY) == pages.CHANGED
    for unknown in (OWN + text, verified(text, "2036-11-22")):
        assert pages.state(written(tmp_path, unknown), DAY) == pages.UNVERIFIED


@pytest.mark.parametrize(
    ("old", "new"),
    [("Deal desk", "An intern"), ("90 days", "9999 days"), ("owner:", "audience: internal\nowner:"), ("a.png", "b.png"),
     ("verified: 2026-11-22", "verified: 2027-11-22\n# "), ("20 %", "50 %")],
)  # fmt: skip
def test_whatever_a_reader_was_told_belongs_to_what_was_verified(tmp_path: Path, old: str, new: str) -> None:
    page = written(tmp_path, verified("# Title\n\n![x](a.png) 20 %\n"))
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(name.encode())
    editing.verify(["process"], playbook=tmp_path, on=DAY, today=DAY, by="Deal desk")
    page = pages.read("process", tmp_path)
    assert pages.state(page, DAY) == pages.VERIFIED
    page.path.write_text(page.path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    is_future_only = "2027" in new
    assert pages.state(pages.read("process", tmp_path), DAY) == (pages.UNVERIFIED if is_future_only else pages.CHANGED)
    with pytest.raises(UsageError, match="day that has not come" if is_future_only else "changed since verified: process"):
        site.build(runs=tmp_path / "runs", to=tmp_path / "site", playbook=tmp_path, audience="internal", day=DAY)
    page.path.write_text(page.path.read_text(encoding="utf-8").replace("# Title", "# Other"), encoding="utf-8")
    assert pages.state(pages.read("process", tmp_path), DAY) == pages.CHANGED  # whatever day it says


@pytest.mark.parametrize("key", ["verified", '"verified"', "'verified'"])
def test_a_quoted_key_is_written_over(tmp_path: Path, key: str) -> None:
    page = written(tmp_path, verified("# Title\n", "2026-01-01").replace("verified", key))
    editing.verify(["process"], playbook=tmp_path, on=DAY, today=DAY, by="Deal desk")
    assert page.front.count("verified") == 1 and pages.read("process", tmp_path).verified == DAY


def test_a_role_is_the_same_in_any_case_and_another_one_brings_no_trust(tmp_path: Path) -> None:
    written(tmp_path, f"{OWN}# Title\n")
    given: dict[str, Any] = {"playbook": tmp_path, "on": DAY, "today": DAY}
    assert "not the owner (RevOps): no trust" in editing.verify(["process"], by="Deal desk", **given)[0]
    assert pages.read("process", tmp_path).verified_by == "Deal desk"
    assert "not the owner" not in editing.verify(["process"], by="revops", **given)[0]
    assert pages.read("process", tmp_path).verified_by == ""


def test_another_picture_under_the_same_name_is_a_change(tmp_path: Path) -> None:
    written(tmp_path, f"{OWN}# Title\n\n![x](people/a.png)\n", "sell/demo")
    (tmp_path / "sell/people").mkdir()
    picture = tmp_path / "sell/people/a.png"
    picture.write_bytes(b"old")
    editing.verify(["sell/demo"], playbook=tmp_path, on=DAY, today=DAY, by="RevOps")
    assert pages.state(pages.read("sell/demo", tmp_path), DAY) == pages.VERIFIED
    picture.write_bytes(b"new")
    assert pages.state(pages.read("sell/demo", tmp_path), DAY) == pages.CHANGED


def test_a_part_of_other_pages_is_refused(tmp_path: Path) -> None:
    playbook = playbooks.small(tmp_path / "pb", _part=f"{OWN}# x\n")
    with pytest.raises(UsageError, match="a part of other pages"):
        site.build(runs=tmp_path / "runs", to=tmp_path / "site", playbook=playbook, day=DAY)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("Text only.\n", 4, "does not begin with its title"),
        ("```bash\n# install\n```\n\n# Late\n", 4, "does not begin with its title"),
        ("Setext\n======\n", 4, "does not begin with its title"),
        ("# One\n\n:::{note}\nx\n:::\n\n# Two\n", 10, "a second title"),
        ("# One\n\nTwo\n===\n", 6, "a second title"),
        ("# One\n\n```\ncode\n", 6, "not closed"),
        ("# One\n\n- a\n\n  ~~~~\n  code\n  ~~~\n", 8, "not closed"),
        ("# One\n\n:::{note}\n```text\ncode\n:::\n", 7, "not closed"),
        ("# One\n\n:::{note}\ntext\n", 6, "not closed"),
    ],
)
def test_a_page_begins_with_its_one_title_and_closes_what_it_opens(tmp_path: Path, text: str, line: int, said: str) -> None:
    written(tmp_path, OWN + text)
    with pytest.raises(UsageError, match=said) as refused:
        site.build(runs=tmp_path / "runs", to=tmp_path / "site", playbook=tmp_path, day=DAY)
    assert refused.value.where == f"{tmp_path / 'process.md'}, line {line}"
    with pytest.raises(UsageError, match=said):
        editing.verify(["process"], playbook=tmp_path, on=DAY, today=DAY, by="RevOps")


def test_freshness_counts_pages_verified_in_time_of_all_pages(tmp_path: Path) -> None:
    text = "# Title\n"
    playbook = playbooks.small(tmp_path, index=verified(text), process=verified(text, "2026-01-01"), x="# No owner\n")
    assert pages.freshness(playbook, as_of=DAY) == (
        1,
        4,
    )  # index; process is due, people/hiring was never verified, x has no owner
    assert pages.freshness(playbook, as_of=dt.date(2026, 1, 10)) == (
        1,
        4,
    )  # process; index is verified on a day that has not come


# --- what the commands write ----------------------------------------------------------------------------------------


def revops(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, list[str], str]:
    code = cli.main(["playbook", *map(str, words)])
    told = capsys.readouterr()
    return code, told.out.splitlines(), told.err


def test_verify_writes_what_was_read_and_leaves_every_other_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    stale = "verified: 2026-01-01\nreview_every: 30 days\nbody: 0123456789ab\n"
    front = f"---\n# who\nowner: 'Deal: desk'\n{stale}---\n"
    playbook = playbooks.small(
        tmp_path / "pb", process=f"{front}# Title\n\n‹adapt: a name›\n", people__hiring=f"{OWN}# Hiring\n"
    )
    file = playbook / "process.md"
    code, said, _ = revops(
        capsys, "verify", "process.md", "people/hiring", "--on", "2026-02-01", "--by", "Sales: ops", "--playbook", playbook
    )
    assert code == 0 and "placeholders left: 1" in said[0] and "before: 2026-01-01" in said[0] and str(file) in said[0]
    body = playbooks.seal("# Title\n\n‹adapt: a name›\n", owner="Deal: desk", days=30)
    head = "---\n# who\nowner: 'Deal: desk'\nverified: 2026-02-01\nreview_every: 30 days\n"
    text = "---\n# Title\n\n‹adapt: a name›\n"
    by_other = "verified_by: 'Sales: ops'\n"
    assert file.read_text(encoding="utf-8") == f"{head}body: {body}\n{by_other}updated: 2026-02-01\n{text}"
    owner = ["--by", "Deal: desk", "--playbook", playbook]
    revops(capsys, "verify", str(file), "--on", "2026-03-01", *owner)  # the text is the same
    assert file.read_text(encoding="utf-8") == f"{head.replace('02-01', '03-01')}body: {body}\nupdated: 2026-02-01\n{text}"
    assert pages.state(pages.read("process", playbook), dt.date(2026, 3, 31)) == pages.VERIFIED
    file.write_text(file.read_text(encoding="utf-8") + "more\n", encoding="utf-8")
    _, said, _ = revops(capsys, "verify", "process", "--on", "2026-04-01", *owner)
    assert "it has changed since" in said[0] and "updated: 2026-04-01" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["process", "proces"], "did you mean process"),
        (["process", "--on", "2999-01-01"], "has not come"),
        (["process", "--on", "soon"], "not a day"),
        (["process", "broken"], "no owner"),
        (["process", "late", "--on", "2026-11-21"], "verified later, on 2026-11-22"),
        (["process", "astray"], "line 6 — "),
        (["process", "astray"], "nowhere.md leads nowhere (and 1 more)"),
        (["process", "odd"], "no placeholder: ‹todo: x›"),
        (["process", "--by", " "], "nobody has read it"),
        ([], "required"),
    ],
)
def test_verify_refuses_before_it_writes_anything(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], said: str
) -> None:
    playbook = playbooks.small(
        tmp_path / "pb", broken="# x\n", late=verified("# x\n"), astray=f"{OWN}# x\n\n[a](nowhere.md) {{ref}}`no`\n",
        odd=f"{OWN}# x\n\n‹todo: x›\n",
    )  # fmt: skip
    before = (playbook / "process.md").read_bytes()
    by = [] if "--by" in words else ["--by", "RevOps"]
    code, _, error = revops(capsys, "verify", *words, *by, "--playbook", playbook)
    assert code == 2 and said in error and (playbook / "process.md").read_bytes() == before


def test_new_begins_a_page_and_lists_it_without_touching_the_rest(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    playbook = playbooks.small(tmp_path / "pb")
    before = (playbook / "_toc.yml").read_text(encoding="utf-8")
    words = ["--title", "Price a deal", "--owner", "Deal: desk", "--playbook", playbook]
    assert revops(capsys, "new", "people/pricing", *words)[0] == 0
    page = pages.read("people/pricing", playbook)
    assert (page.owner, page.review_every, pages.state(page, DAY)) == ("Deal: desk", 90, pages.UNVERIFIED)
    assert page.text.startswith("# Price a deal\n") and len(list(placeholders.placeholders([page]))) == 3
    assert (playbook / "_toc.yml").read_text(encoding="utf-8") == before + "      - file: people/pricing\n"
    assert revops(capsys, "new", "sell/price", *words, "--part", "Sell")[0] == 0
    after = before.replace("        title: Process\n", "        title: Process\n      - file: sell/price\n")
    assert (playbook / "_toc.yml").read_text(encoding="utf-8") == after + "      - file: people/pricing\n"
    for name, part, said in [
        ("people/pricing", "", "there already"),
        ("reports/x", "Sell", "no name for a page"),
        ("../x", "Sell", "no name for a page"),
        ("tools/x", "", "no part lists a page of tools/"),
        ("x", "Sel", "did you mean Sell"),
    ]:
        code, _, error = revops(capsys, "new", name, *words, *(["--part", part] if part else []))
        assert code == 2 and said in error
    for title in ("a\nb", "Price ‹deal›"):
        assert revops(capsys, "new", "y", "--title", title, "--owner", "x", "--playbook", playbook)[0] == 2
    assert not {"x", "y", "tools/x"} & set(pages.names(playbook))


def test_status_says_what_is_due_missing_broken_and_to_be_filled_in(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = "# Title\n\n(here)=\n## A\n\n[a](people/hiring.md) [b](#there) [c](here) [d](reports/index.md) [e](https://x.org) `[f](g)`\n"
    hiring = (
        "# Hiring\n\n[a](../process.md) [b](#here) [c](../no.md) [d](../process.md#here) [e](#nope)\n\n‹adapt:\nthe mailbox›\n"
        "\n‹default: 5 %› ‹todo: x› ‹ `‹adapt: …›`\n"
    )
    playbook = playbooks.small(
        tmp_path / "pb",
        index=verified(
            "# Home\n\n(there)=\n:::{card} x\n:link: process\n:link-type: doc\n:::\n:::{card} y\n:link: gone\n:link-type: ref\n:::\n"
        ),
        process=verified(text, "2026-06-01"),
        people__hiring=OWN + hiring,
        sell__demo=verified("# D\n").replace("body:", "verified_by: RevOps\nbody:"),
        methods__x=verified("# X\n").replace("# X", "# Y"),
        y="# Y\n",
    )
    code, said, _ = revops(capsys, "status", "--on", "2026-11-22", "--playbook", playbook)
    assert code == 0 and said[0] == "2 of 6 pages verified in time on 2026-11-22 (33%)"
    assert [line.split("  ")[0] for line in said[2:7]] == ["Home", "Sell", "People", "More", "How it is computed"]
    listed = "\n".join(said)
    assert "Home                1 of 1 page (100%), trust 100%" in listed
    assert "Sell                0 of 1 page (0%), trust 0%" in listed
    assert "More                1 of 1 page (100%), trust 0%" in listed  # another role than its owner
    for line in (
        "Due for review: 1\n  process, since 2026-08-30: Deal desk",
        "Changed since verified: 1\n  methods/x: Deal desk",
        "Not verified yet: 1\n  people/hiring: RevOps",
        f"not to be read: 1\n  {playbook / 'y.md'}, line 1: the page has no owner",
        "Broken links: 4\n  index, line 15: gone\n  people/hiring, line 6: ../no.md\n  people/hiring, line 6: ../process.md#here\n"
        "  people/hiring, line 6: #nope",
        "Placeholders to fill in: 2\n  _config.yml, line 8: feedback: where readers tell what is wrong\n"
        "  people/hiring, line 8: the mailbox",
        "Defaults to check: 1\n  people/hiring, line 11: 5 %",
        "Marks that are no placeholders: 3\n  people/hiring, line 11: ‹todo: x›",
        "Verified by another role than the owner: 1\n  sell/demo: RevOps",
        "Once their owners have read them:\nrevops playbook verify --by 'Deal desk' methods/x process\n"
        "revops playbook verify --by RevOps people/hiring",
    ):
        assert line in listed, listed
    code, said, _ = revops(capsys, "placeholders", "--playbook", playbook)
    assert code == 0 and said[1] == "people/hiring, line 8: the mailbox" and "no owner" in said[-1]
    assert said[-3:-1] == ["defaults to check:", "people/hiring, line 11: 5 %"]
    assert revops(capsys, "status", "--playbook", tmp_path)[0] == 2


# --- live numbers ---------------------------------------------------------------------------------------------------

HOSTILE = "<script>window.canary=1</script> | [x](javascript:alert(1)) {raw}`x` # h $a$"
LISTED = {
    name: {"title": name.title(), "tables": ["times", "rates", "none"], "audience": audience}
    for name, audience in (("bottlenecks", "everyone"), ("pay", "internal"), ("kpis", "everyone"))
}


def report(**topic: object) -> dict[str, Any]:
    rows = [
        ["Proposal", "SMB", "1,012.5", "3"],
        ["Proposal", "Mid-market", HOSTILE, FEW],
        ["Closed Won", "all", UNKNOWN, BESIDE],
    ]
    times = {"name": "times", "columns": ["stage", "segment", "median", "still there"], "rows": rows}
    secret = {"name": "secret", "columns": ["pay"], "rows": [["91,234"]]}
    none = {"name": "none", "columns": NOT_AVAILABLE, "rows": [["no history"]]}
    own = {"stem": "bottlenecks", "headline": "Proposal *slows* down.", "tables": [times, secret, none], **topic}
    few = {"stem": "pay", "headline": TOO_FEW, "tables": []}
    return {"quarter": "2026Q3", "as_of": "2026-09-30", "reports": [own] if "stem" in topic else [own, few], "failed": ["kpis"]}


def filled(tmp_path: Path, text: str, front: str = "owner: RevOps", name: str = "sell/demo", **topic: object) -> str:
    page = written(tmp_path, f"---\n{front}\n---\n{text}", name)
    return live.fill(page, [report(**topic)], LISTED)


def test_a_live_number_is_the_cell_that_the_run_published_with_where_it_comes_from(tmp_path: Path) -> None:
    asked = "| [[bottlenecks.times.median stage=Proposal segment=SMB]] | [[bottlenecks.times.still_there\nmedian=1,012.5]] |"
    text = filled(tmp_path, f"# Demo\n\n{asked}\n\n[[ bottlenecks.headline ]]\n")
    assert "| 1,012.5 | 3 |" in html.unescape(text) and "Proposal &#42;slows&#42; down." in text
    link = "[Bottlenecks](../reports/2026Q3/bottlenecks.md)"
    assert html.unescape(text).endswith(f":::{{div}} page-about\nNumbers: 2026Q3, as of 2026-09-30, from {link}.\n:::\n")
    rounded = "[[bottlenecks.times.median segment=SMB round=0]] [[bottlenecks.times.still_there segment=Mid-market round=0]]"
    assert f"\n1,012 {FEW}\n" in html.unescape(filled(tmp_path, f"# D\n\n{rounded}\n"))  # words stay words
    assert "[[" not in filled(tmp_path, "# D\n\n[[bottlenecks.none.median stage=Proposal]]")  # the source cannot say it
    assert "\n\nnot available\n" in filled(tmp_path, "# D\n\n[[bottlenecks.none.median]]")


def test_what_waits_for_the_end_of_a_quarter_is_the_last_ended_quarters(tmp_path: Path) -> None:
    listed = {"a": {"title": "A"}, **{name: {"title": name.upper(), "finished": True} for name in ("b", "c")}}
    listed = {name: {"tables": [], "audience": "everyone", **entry} for name, entry in listed.items()}
    page = written(tmp_path, f"{OWN}# Demo\n\n[[a.headline]] [[b.headline]]\n")

    def of(quarter: str, *stems: str) -> dict[str, Any]:
        topics = [{"stem": stem, "headline": f"{stem} in {quarter}", "tables": []} for stem in stems]
        about = {"quarter": quarter, "as_of": f"day of {quarter}", "asked": ["a", *stems]}
        return {**about, "reports": topics, "failed": [], "ended": quarter != "2026Q4"}

    text = live.fill(page, [of("2026Q4", "a"), of("2026Q3", "a", "b", "c"), of("2026Q2", "b")], listed)
    assert "a in 2026Q4 b in 2026Q3\n" in text
    links = "[A](reports/2026Q4/a.md); 2026Q3, as of day of 2026Q3, from [B](reports/2026Q3/b.md)"
    assert f"Numbers: 2026Q4, as of day of 2026Q4, from {links}." in text
    with pytest.raises(
        UsageError, match="the run of 2026Q3 was not asked for b"
    ):  # it has ended, and of 2026Q2 it would be older
        live.fill(page, [of("2026Q4", "a"), of("2026Q3", "a", "c"), of("2026Q2", "b")], listed)
    text = live.fill(page, [of("2026Q4", "a")], listed)
    with pytest.raises(UsageError, match="the run of 2026Q4 was not asked for b"):  # made with --only, after its end
        live.fill(page, [of("2026Q4", "a") | {"ended": True}, of("2026Q3", "a", "b", "c")], listed)
    assert "a in 2026Q4 no run yet\n" in text and text.endswith("(reports/2026Q4/a.md); no run yet.\n:::\n")


def test_a_page_without_live_numbers_stays_as_it_is_and_without_a_run_it_says_so(tmp_path: Path) -> None:
    code = "`[[a.b.c]]` ``[[a.b``\n\n```\n[[a.b.c]]\n```\n\n````{note}\n```yaml\n[[x]]\n```\n````\n"
    assert filled(tmp_path, f"# Demo\n\n{code}") == f"# Demo\n\n{code}"
    page = written(tmp_path, f"{OWN}# Demo\n\n[[bottlenecks.times.median stage=X]] {code}")
    assert live.fill(page, [], LISTED) == (
        f"# Demo\n\nno run yet {code.rstrip()}\n\n:::{{div}} page-about\nNumbers: no run yet.\n:::\n"
    )


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("[[bottlenecks.times.median stage=Gone]]", "no row has stage=Gone, valid: Proposal, Closed Won"),
        (
            "[[bottlenecks.times.median stage=Proposal]]",
            "2 rows fit, name one by key=value of stage, segment, median, still_there",
        ),
        ("[[bottlenecks.times.mean stage=Proposal segment=SMB]]", "no column 'mean', did you mean median"),
        ("[[bottlenecks.times.median member=all]]", "no column 'member'"),
        ("[[bottlenecks.rates.value]]", "has no table 'rates', did you mean times"),
        (
            "[[bottlenecks.secret.pay]]",
            "no table 'secret' of bottlenecks may be published",
        ),  # in the file, and not in the allow-list
        ("[[pay.headline]]", "pay is not for the readers of this page"),
        ("[[botlenecks.headline]]", "did you mean bottlenecks"),
        ("[[bottlenecks.times]]", "is not a live number"),
        ("[[bottlenecks.headline stage=x]]", "is not a live number"),
        ("[[bottlenecks.times.median segment=SMB round=x]]", "is not a live number"),
        ("[[bottlenecks.times.median stage='x]]", "is not a live number"),
        ("[[metric]]", "is not a live number"),
    ],
)
def test_a_number_that_is_missing_or_old_fails_with_page_and_line(tmp_path: Path, mark: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        filled(tmp_path, f"# Demo\n\nA {mark}\n")
    assert said in str(refused.value) and f"{tmp_path / 'sell/demo.md'}, line 6" in str(refused.value)


def test_a_topic_that_was_not_run_fails(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="bottlenecks is not in the run of 2026Q3"):
        filled(tmp_path, "[[bottlenecks.headline]]", stem="quality")


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("[[bottlenecks.times.still_there segment=Mid-market]]", FEW),
        ("[[bottlenecks.times.still_there stage='Closed Won']]", BESIDE),
        ("[[bottlenecks.times.median stage='Closed Won']]", UNKNOWN),
        ("[[bottlenecks.none.median]]", live.NOT_THERE),  # the source cannot support the table
        ("[[pay.headline]]", TOO_FEW),
    ],
)
def test_what_the_run_hides_or_does_not_know_is_said_in_its_place(tmp_path: Path, mark: str, said: str) -> None:
    page = written(tmp_path, f"---\nowner: x\naudience: internal\n---\nA {mark} b\n")
    noted: list[Any] = []
    text = live.fill(page, [report()], LISTED, note=lambda *told: noted.append(told))
    assert f"A {said} b" in html.unescape(text)
    assert noted == [("process", 5, f"{mark}: {said}")]


def test_a_number_of_a_failed_notebook_stops_the_build_unless_it_is_built_despite_that(tmp_path: Path) -> None:
    part = "```{include} ../reports/_kpis.md\n```"
    page = written(
        tmp_path, f"{OWN}# Demo\n\nA [[kpis.headline]] b\n[[bottlenecks.times.median stage=Gone]]\n\n{part}\n", "sell/demo"
    )
    failed = {**report(), "failed": ["kpis"]}
    for text in ("[[kpis.headline]]", part):
        alone = written(tmp_path, f"{OWN}# Demo\n\n{text}\n", "sell/alone")
        with pytest.raises(UsageError, match=r"kpis failed in the run of 2026Q3.*line 6"):
            live.fill(alone, [failed], LISTED)
    noted: list[Any] = []
    text = live.fill(page, [failed], LISTED, missed=lambda *told: noted.append(told))
    assert "A not available b\nnot available\n" in text
    assert sorted((line, said.split(": ")[1]) for _, line, said in noted) == [
        (6, "kpis failed in the run of 2026Q3"),
        (7, "no row has stage=Gone, valid"),
        (9, "kpis failed in the run of 2026Q3"),
    ]


@pytest.mark.parametrize(
    "part",
    [":::{include} reports/_kpis.md\n:::", "~~~{include} reports/_kpis.md\n~~~", "```{include} reports/_kpis.md \n:parser: myst\n```",
     "- x\n\n\t```{include} reports/_kpis.md\n\t```", "> ```{include} ./reports/_kpis.md\n> ```"],
)  # fmt: skip
def test_what_a_page_includes_is_missed_however_it_is_written(tmp_path: Path, part: str) -> None:
    page = written(tmp_path, f"{OWN}# Demo\n\n{part}\n")
    with pytest.raises(UsageError, match=r"kpis failed in the run of 2026Q3"):
        live.fill(page, [report()], LISTED)


def test_numbers_that_are_too_old_are_told_on_their_page(tmp_path: Path) -> None:
    page = written(tmp_path, f"{OWN}# Demo\n\n[[bottlenecks.headline]]\n")
    ends = {day: live.fill(page, [report()], LISTED, day=day).split("\n")[-3] for day in (DAY, dt.date(2027, 6, 1))}
    assert ends[dt.date(2027, 6, 1)] == ends[DAY].removesuffix(".") + ", **older than two quarters**."


def test_what_a_page_includes_is_of_the_newest_run_or_of_none(tmp_path: Path) -> None:
    def of(quarter: str, *stems: str) -> dict[str, Any]:
        given = {"headline": "", "tables": [], "figures": []}
        about = {"quarter": quarter, "as_of": "2026-09-30", "failed": [], "ended": True}
        return {**about, "reports": [{"stem": stem, **given} for stem in stems]}

    entry: dict[str, Any] = {"finished": True, "figures": [], "tables": []}
    shown = [
        reports.excerpt(runs, "a", entry, tmp_path) for runs in ([], [of("2026Q3", "a")], [of("2026Q4"), of("2026Q3", "a")])
    ]
    assert shown[0] == reports.NO_RUN and "the report of 2026Q3" in shown[1] and "not in the run of 2026Q4" in shown[2]
    assert "the report of 2026Q3" in reports.excerpt([of("2026Q4") | {"ended": False}, of("2026Q3", "a")], "a", entry, tmp_path)


def test_numbers_older_than_two_quarters_are_told() -> None:
    def of(day: str, has_ended: bool) -> dict[str, Any]:
        return {"quarter": "Q", "as_of": day, "ended": has_ended}

    assert not reports.aged([], DAY) and not reports.aged([of("2026-05-22", True)], DAY)
    assert "as of 2026-05-21" in reports.aged([of("2026-05-21", True)], DAY)
    assert "as of 2026-03-31" in reports.aged([of("2026-11-01", False), of("2026-03-31", True)], DAY)


@pytest.mark.parametrize(
    "text",
    ["# A {}", "- ## A {}", "- :::{{card}} {}\n  :::", "A {}\n===", "A {}\nB\n---", ":::{{card}} {}\n:::", "```{{note}} {}\n```", ":name: {}", "[x]({})", "[x](a/{})",
     "[x]: {}", "<https:{}>", "{{bdg}}`{}`"],
)  # fmt: skip
def test_a_number_stands_in_text_and_nowhere_else(tmp_path: Path, text: str) -> None:
    asked = text.format("[[bottlenecks.headline]]")
    assert "[[" in asked
    with pytest.raises(UsageError, match="cannot stand there"):
        filled(tmp_path, f"# Demo\n\n{asked}\n")


def test_text_of_a_crm_stays_text_in_a_page(tmp_path: Path) -> None:
    text = filled(tmp_path, "# D\n\n| a |\n| --- |\n| [[bottlenecks.times.median segment=Mid-market]] |\n")
    cell = text.splitlines()[4].strip("| ")
    assert html.unescape(cell) == HOSTILE and not set("<>|[](){}`#$*_") & set(re.sub(r"&#\d+;", "", cell))


def test_shipped_pages_ask_only_for_what_may_be_published() -> None:
    listed = allowlist.read(ROOT / "playbook" / "reports.yml")
    found, faulty = pages.read_all(ROOT / "playbook")
    assert not faulty
    for page in found:
        live.fill(page, [], listed)
        for stem, table in re.findall(r"\[\[(\w+)\.(\w+)\.", "" if page.name == "operations/writing" else page.text):
            assert table in listed[stem]["tables"], f"{page.name}: {stem}.{table}"


# --- the site -------------------------------------------------------------------------------------------------------


def run_of(runs: Path, **topic: object) -> Path:
    told = report(**topic)
    given = {"title": "x", "question": "?", "notes": [], "figures": [], "recommendations": []}
    topics = [{**given, **own, "tables": [{"caption": "c", **table} for table in own["tables"]]} for own in told["reports"]]
    about = {**told, "reports": topics, "data": "x", "known_until": "2026-09-30", "fingerprint": "ab", "library": "1"}
    (runs / "2026Q3" / "public").mkdir(parents=True)
    (runs / "2026Q3" / "public" / "report.json").write_text(json.dumps(about), encoding="utf-8")
    return runs


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The pages of the last book by name, as they are given to Jupyter Book, which does not run (test_site.py has it run)."""
    found: dict[str, str] = {}

    def no_book(book: Path, log: Path) -> Path:
        found.clear()
        for page in book.rglob("*.md"):
            found[page.relative_to(book).as_posix()] = html.unescape(page.read_text(encoding="utf-8"))
        folder = book / "html"
        folder.mkdir()
        (folder / "index.html").write_text("x", encoding="utf-8")
        (folder / "searchindex.js").write_text('Search.setIndex({"terms": {}})', encoding="utf-8")
        return folder

    monkeypatch.setattr(site.building, "_jupyter_book", no_book)
    return found


def test_the_site_shows_numbers_badges_the_state_of_the_playbook_and_tools(tmp_path: Path, sources: dict[str, str]) -> None:
    asked = "# Process\n\nHalf within [[bottlenecks.times.median segment=SMB]] days.\n"
    playbook = playbooks.small(
        tmp_path / "playbook",
        process=verified(asked, "2026-06-01").replace("body:", "updated: 2026-05-01\nverified_by: Sales *ops*\nbody:"),
        people__hiring=verified("# Hiring\n\n```{include} ../reference/_tools.md\n```\n\n‹adapt: who›\n"),
        inside="---\nowner: x\naudience: internal\n---\n# Xyzzy\n\n‹adapt: xyzzy› [[pay.times.median]]\n",
    )
    listed = [
        f"{name}: {{title: {own['title']}, tables: [times, none], audience: {own['audience']}}}\n"
        for name, own in LISTED.items()
    ]
    (playbook / "reports.yml").write_text("".join(listed), encoding="utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tools.csv").write_text(TOOLS, encoding="utf-8")
    said: list[str] = []
    site.build(runs=run_of(tmp_path / "runs"), to=tmp_path / "site", playbook=playbook, day=DAY, say=said.append)
    process = sources["process.md"]
    assert "Half within 1,012.5 days." in process and "from [Bottlenecks](reports/2026Q3/bottlenecks.md)." in process
    about = "Owner: Deal desk · Verified: 2026-06-01 by Sales *ops* · **due since 2026-08-30** · Last updated: 2026-05-01"
    assert f"# Process\n\n:::{{div}} page-about page-due\n{about}\n:::\n" in process
    about = "Owner: Deal desk · Verified: 2026-11-22 · next by 2027-02-20"
    assert f":::{{div}} page-about page-verified until-2027-02-20\n{about}\n:::\n" in sources["people/hiring.md"]
    for name, text in sources.items():
        assert "\nOwner: " in text or name.split("/")[-1].startswith("_"), f"{name} has no owner"
    assert "2026-12-01, in 9 days" in sources["reference/_tools.md"]
    state = sources["reference/status.md"]
    assert (
        "1 of 3 pages verified in time (33%)" in state
        and "| People | 1 | 1 | 0% |" in state
        and "[people/hiring](../people/hiring.md), line 12: who" in state
    )
    assert not [name for name, text in sources.items() if "xyzzy" in text.lower()]
    assert (
        said[0] == "process is due since 2026-08-30: Deal desk reads it, then `revops playbook verify --by 'Deal desk' process`"
    )
    assert said[1].startswith("not verified yet (1): index:")


def test_an_internal_site_has_internal_numbers_and_a_page_for_everyone_never(tmp_path: Path, sources: dict[str, str]) -> None:
    own = {"stem": "pay", "headline": "91,234 EUR"}
    runs = run_of(tmp_path / "runs", **own)
    inside = "---\nowner: x\naudience: internal\n---\n# Inside\n\n[[pay.headline]]\n"
    playbook = playbooks.small(tmp_path / "playbook", inside=inside)
    (playbook / "reports.yml").write_text("pay: {title: Pay, audience: internal}\n", encoding="utf-8")
    wanted = {"runs": runs, "to": tmp_path / "site", "playbook": playbook, "day": DAY}
    site.build(**wanted, audience="internal")
    assert "91,234 EUR" in sources["inside.md"]
    site.build(**wanted)
    assert "inside.md" not in sources and not [name for name, text in sources.items() if "91,234" in text]
    (playbook / "process.md").write_text(inside.replace("internal", "everyone"), encoding="utf-8")
    for audience in ("everyone", "internal"):
        with pytest.raises(UsageError, match="not for the readers of this page"):
            site.build(**wanted, audience=audience)


def test_a_page_changed_after_it_was_verified_stops_the_build_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sources: dict[str, str]
) -> None:
    playbook = playbooks.small(tmp_path / "playbook", process=verified("# P\n\n20 %\n").replace("20 %", "25 %"))
    monkeypatch.setattr(site.building, "PLAYBOOK", playbook)
    (tmp_path / "runs").mkdir()
    words = ["site", "--runs", str(tmp_path / "runs"), "--to", str(tmp_path / "site")]
    assert cli.main(words) == 2 and not (tmp_path / "site").exists()
    told = capsys.readouterr().err
    assert "1 page has changed since verified: process" in told and "`revops playbook status` lists a command" in told
    assert cli.main(["playbook", "status", "--playbook", str(playbook)]) == 0
    assert "\nrevops playbook verify --by 'Deal desk' process\n" in capsys.readouterr().out
    assert cli.main([*words, "--preview"]) == 0
    assert "changed since verified: process" in capsys.readouterr().err
    assert "**changed since verified**" in sources["process.md"]
    assert cli.main(["playbook", "verify", "process", "--by", "Deal desk", "--playbook", str(playbook)]) == 0
    assert cli.main(words) == 0


def test_all_numbers_that_are_missing_are_told_at_once(tmp_path: Path, sources: dict[str, str]) -> None:
    asked = {name: f"{OWN}# T\n\n[[bottlenecks.times.median stage={name}]]\n" for name in ("process", "people__hiring")}
    playbook = playbooks.small(tmp_path / "playbook", **asked)
    (playbook / "reports.yml").write_text("bottlenecks: {title: B, tables: [times], audience: everyone}\n", encoding="utf-8")
    given: dict[str, Any] = {"runs": run_of(tmp_path / "runs"), "to": tmp_path / "site", "playbook": playbook, "day": DAY}
    with pytest.raises(UsageError, match=r"people/hiring, line 6: .*; process, line 6: .*run every topic"):
        site.build(**given)
    site.build(**given, despite_failed=True)
    assert "\nnot available\n" in sources["process.md"] and "not available" in sources["people/hiring.md"]


# --- the list of tools ----------------------------------------------------------------------------------------------

TOOLS = """tool,category,owner,licences,renewal_date,purpose
Sample <b>CRM</b>,CRM,RevOps,48,2026-12-01,"deals, accounts"
Caller,calls,Enablement,,2026-11-21,
Analytics,reports,RevOps,3,2027-02-21,numbers
Sheet,office,RevOps,3,,
"""


def test_renewals_within_90_days_are_marked_in_words(tmp_path: Path) -> None:
    file = tmp_path / "tools.csv"
    assert "There is no list of tools" in tools.table(file, DAY)
    file.write_text(TOOLS, encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in tools.table(file, DAY).splitlines()[2:]]
    assert [html.unescape(row[-1]) for row in rows] == [
        "2026-12-01, in 9 days",
        "2026-11-21, passed",
        "2027-02-21",
        "–",
    ]  # that is 91 days
    assert rows[0][:4] == ["Sample &#60;b&#62;CRM&#60;/b&#62;", "CRM: deals, accounts", "RevOps", "48"] and rows[1][3] == "–"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("owner", "boss", 1, "unknown column 'boss'"),
        (",purpose", "", 1, "not every column"),
        (",3,,", ",3,", 5, "5 cells in place of 6"),
        (",48,", ",many,", 2, "not a whole number"),
        ("2027-02-21", "21/02/2027", 4, "not a day"),
        ("2027-02-21", "2027-02-31", 4, "not a day"),
        ("Sheet", "Caller", 5, "twice"),
        ("calls,Enablement", "calls,", 3, "owner is empty"),
    ],
)
def test_a_list_of_tools_is_read_strictly(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    file = tmp_path / "tools.csv"
    file.write_text(TOOLS.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataRefused) as refused:
        tools.table(file, DAY)
    assert said in str(refused.value) and f"line {line}" in refused.value.where


# --- what is shipped ------------------------------------------------------------------------------------------------


def test_every_shipped_page_is_listed_has_no_broken_link_and_is_the_text_that_was_verified() -> None:
    playbook = ROOT / "playbook"
    found, faulty = pages.read_all(playbook)
    assert not faulty and not links.broken(found, playbook)
    listed = status.sections(playbook)
    assert [page.name for page in found if page.name not in listed and not page.name.startswith("methods/")] == ["index"]
    assert {page.name: now for page in found if (now := pages.state(page, page.verified or DAY)) != pages.VERIFIED} == {}


def test_made_up_tools_are_to_be_filled_in_until_they_are_replaced(tmp_path: Path) -> None:
    playbook = playbooks.small(tmp_path / "playbook")
    (tmp_path / "data").mkdir()
    shipped = (ROOT / "data" / "tools.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "data" / "tools.csv").write_text("\n".join([*shipped, shipped[1].replace("Sample", "Our")]), encoding="utf-8")
    listed = [one.line for one in placeholders.settings(playbook) if one.page == "data/tools.csv"]
    assert listed == [*range(2, len(shipped) + 1)]


def test_the_shipped_list_of_tools_can_be_read() -> None:
    assert "| " in tools.table(ROOT / "data" / "tools.csv", DAY)


def test_editing_has_no_clock(tmp_path: Path) -> None:
    playbook = playbooks.small(tmp_path)
    assert editing.verify(["process"], playbook=playbook, on=dt.date(2020, 1, 1), today=dt.date(2020, 1, 1), by="RevOps")
    assert pages.read("process", playbook).verified == dt.date(2020, 1, 1)
