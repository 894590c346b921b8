"""The pages of the runs: what each quarter showed, written from `public/report.json` and nothing else.

What `playbook/reports.yml` does not list is left out here once more, whatever the run published.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataRefused
from ..report import EFFORTS, UNKNOWN
from .text import SENTENCE, bare, plain

OLD = 184  # days: the longest two quarters
_ORDER = "First what is expected to bring most, with its interval where that is known; last what nobody has put an amount on."
NO_RUN = "No quarter has been published yet: `revops run` computes one, `revops site` then shows it here.\n"


def publish(book: Path, quarter: str, public: Path, allowed: dict[str, Any]) -> dict[str, Any]:
    """Write the pages of one run and copy its pictures; the report, with only the topics that may appear, in order, and
    `actions`: their recommendations in one list.

    `allowed`: topic -> title, tables, figures, recommendations; other topics are not even mentioned. Raises DataRefused when
    report.json is not a run's.
    """
    try:
        report = json.loads((public / "report.json").read_text(encoding="utf-8"))
        if report["quarter"] != quarter:
            raise ValueError(f"it is about {report['quarter']!r}")
        given = {topic["stem"]: topic for topic in report["reports"]}
        dt.date.fromisoformat(report["as_of"])
        report["ended"] = report.get("ended", True)  # an older run does not say it: what it lacks is missing
        report["asked"] = report.get("asked", [*given, *report["failed"]])
        report["failed"] = [stem for stem in report["failed"] if stem in allowed]
        report["reports"] = [{**given[stem], "title": bare(allowed[stem]["title"])} for stem in allowed if stem in given]
        folder = book / "reports" / quarter
        folder.mkdir(parents=True)
        for topic in report["reports"]:
            entry, figures = allowed[topic["stem"]], _figures(topic, allowed[topic["stem"]], public)
            method = (book / "methods" / f"{topic['stem']}.md").exists()
            (folder / f"{topic['stem']}.md").write_text(_page(topic, report, entry, figures, method), encoding="utf-8")
            for figure in figures:
                shutil.copyfile(public / figure["file"], folder / figure["file"])
        report["actions"] = _ranked([topic for topic in report["reports"] if allowed[topic["stem"]]["recommendations"]])
        if report["actions"]:
            (folder / "actions.md").write_text(_actions(report), encoding="utf-8")
        (folder / "index.md").write_text(f"# {quarter}\n\n{headlines(report)}\n{_stamp(report)}", encoding="utf-8")
    except (AttributeError, KeyError, TypeError, ValueError) as failure:
        what = f"the file is not what a run writes ({type(failure).__name__}: {failure})"
        raise DataRefused(what, str(public / "report.json"), f"run `revops run {quarter}` again") from failure
    return report


def overview(reports: list[dict[str, Any]], heartbeat: Path) -> str:
    """The page that lists the quarters, in the order given, under what `heartbeat` says of the last runs."""
    rows = ["quarter | as of | data known until | reports", ":---|:---|:---|---:"]
    for report in reports:
        name, days = report["quarter"], [plain(report["as_of"]), plain(report["known_until"])]
        rows.append(" | ".join([f"[{name}]({name}/index.md)", *days, str(len(report["reports"]))]))
    listed = "".join(f"| {row} |\n" for row in rows) if reports else NO_RUN
    return "\n\n".join(["# Quarterly reports", *_last_runs(heartbeat), listed])


def _last_runs(heartbeat: Path) -> list[str]:
    """When a run last succeeded, and that the last one failed where it did; nothing when the file is missing or damaged."""
    try:
        told = json.loads(heartbeat.read_text(encoding="utf-8"))
        success, attempt = told["last_success"], told["last_attempt"]
        said = [f"Last successful run: {_when(success)}." if success else "No run has succeeded yet."]
        if attempt["state"] != "ok":
            said.append(f"The last attempt did not succeed: {_when(attempt)}, exit code {plain(attempt['exit_code'])}.")
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return said


def _when(run: dict[str, Any]) -> str:
    ended = dt.datetime.fromisoformat(run["ended"]).astimezone(dt.UTC)
    about = f" ({plain(run['quarter'])} as of {plain(run['as_of'])})" if run["quarter"] else ""  # refused before it began
    return f"{ended:%Y-%m-%d %H:%M} UTC{about}"


def headlines(report: dict[str, Any], folder: str = "") -> str:
    """Where a quarter stands, one line per topic; `folder` is the way from the page to the quarter's reports."""
    lines = [f"- **[{t['title']}]({folder}{t['stem']}.md)**: {plain(t['headline'], SENTENCE)}" for t in report["reports"]]
    failed = ", ".join(plain(stem) for stem in report["failed"])
    missing = [f"These analyses failed and are not shown: {failed}."] if failed else []
    start = f"**{report['quarter']}** as of {plain(report['as_of'])}:"
    todo = [f"[What to do]({folder}actions.md): the recommendations of all pages in one list."] if report["actions"] else []
    return "\n\n".join([start, "\n".join(lines) or "No analysis of this run is published.", *todo, *missing]) + "\n"


def _ranked(topics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The recommendations of all topics, those expected to bring most first; without an amount last, in the order of names."""
    advice = [{**item, "topic": topic["title"]} for topic in sorted(topics, key=lambda topic: topic["stem"])
              for item in topic["recommendations"]]  # fmt: skip
    return sorted(advice, key=lambda item: -float(item.get("expected_amount", "-inf")))


def _actions(report: dict[str, Any]) -> str:
    """The page of what to do."""
    keys = ["rank", "topic", "finding", "action", "expected", "owner", "effort"]
    rows = [[{"rank": rank, **item}.get(key, "") for key in keys] for rank, item in enumerate(report["actions"], start=1)]
    scale = ", ".join(f"{name} {what}" for name, what in EFFORTS.items())
    parts = [f"# What to do, {report['quarter']}", f":::{{div}} page-about\nas of {plain(report['as_of'])}\n:::"]
    parts += [f"The recommendations of all pages in one list. {_ORDER} Effort: {scale}."]
    return "\n\n".join([*parts, grid([_heading(key) for key in keys], rows), _stamp(report)])


def excerpt(reports: list[dict[str, Any]], stem: str, entry: dict[str, Any], runs: Path) -> str:
    """Pictures and tables of a topic as its `newest` run showed them, for a page at the top of the book; `live` refuses a page
    that includes what is missing."""
    if not (report := newest(reports, entry)):
        return NO_RUN
    folder = f"reports/{report['quarter']}/"
    for topic in (topic for topic in report["reports"] if topic["stem"] == stem):
        said = f"As of {plain(report['as_of'])}, from [the report of {report['quarter']}]({folder}{stem}.md)."
        figures = _figures(topic, entry, runs / report["quarter"] / "public")
        return "\n\n".join([said, *_shown(topic, entry, figures, folder)]) + "\n"
    return f"Not available: it is not in the run of {report['quarter']}.\n"


def newest(reports: Sequence[Mapping[str, Any]], entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The run whose numbers a topic shows: the newest; for a topic that waits for the end of the quarter, the newest of a
    quarter that had ended. Empty where there is none. What it lacks is missing: an older run's numbers would be old."""
    return next((report for report in reports if not entry.get("finished") or report["ended"]), {})


def aged(reports: Sequence[Mapping[str, Any]], day: dt.date) -> str:
    """A sentence when the newest run, or the newest one of an ended quarter, is too old on a day; else empty."""
    shown = [report for entry in ({}, {"finished": True}) if (report := newest(reports, entry))]
    old = [one for one in shown if is_old(one, day)]
    if not old:
        return ""
    said = f"numbers of {old[-1]['quarter']}, as of {old[-1]['as_of']}, are older than two quarters"
    return f"{said}: `revops run` makes newer ones"


def is_old(report: Mapping[str, Any], day: dt.date) -> bool:
    return dt.date.fromisoformat(report["as_of"]) < day - dt.timedelta(days=OLD)


def _figures(topic: dict[str, Any], entry: dict[str, Any], public: Path) -> list[dict[str, Any]]:
    """The pictures that may appear and are there, in the order of the list."""
    names = [f"{topic['stem']}.{name}{suffix}" for name in entry["figures"] for suffix in (".png", ".svg")]
    there = {figure["file"]: figure for figure in topic["figures"]}
    return [there[name] for name in names if name in there and (public / name).is_file()]


def _page(topic: dict[str, Any], report: dict[str, Any], entry: dict[str, Any], figures: list[Any], method: bool) -> str:
    """The page of one topic: answer first, then pictures, tables, what to do, and where the numbers come from."""
    parts = [f"# {topic['title']}, {report['quarter']}", f":::{{div}} page-about\nas of {plain(report['as_of'])}\n:::"]
    parts += [f"*{plain(topic['question'])}*"]
    parts += [f":::{{admonition}} Answer\n:class: tip\n{plain(topic['headline'], SENTENCE)}\n:::"]
    parts += ["\n".join(f"- {plain(note, SENTENCE)}" for note in topic["notes"])]
    parts += _shown(topic, entry, figures)
    if entry["recommendations"] and topic["recommendations"]:
        keys = [
            "finding",
            "action",
            "owner",
            *(key for key in ("effort", "expected") if any(key in advice for advice in topic["recommendations"])),
        ]
        rows = [[advice.get(key, "") for key in keys] for advice in topic["recommendations"]]
        parts += ["## What to do", grid([_heading(key) for key in keys], rows)]
    parts += [f"How it is computed: [the method](../../methods/{topic['stem']}.md)." if method else "", _stamp(report)]
    return "\n\n".join(part for part in parts if part)


def _shown(topic: dict[str, Any], entry: dict[str, Any], figures: list[Any], folder: str = "") -> list[str]:
    """Pictures and tables of a topic, in the order of the list; `folder` is the way from the page to the pictures."""
    parts = []
    for figure in figures:
        parts += [f"![{bare(figure['alt'])}]({folder}{figure['file']})", plain(figure["caption"], SENTENCE)]
    published = {table["name"]: table for table in topic["tables"]}
    for name in (name for name in entry["tables"] if name in published):
        table = published[name]
        parts += [f"## {_heading(name)}", plain(table["caption"], SENTENCE), grid(table["columns"], table["rows"])]
    return parts


def _heading(name: str) -> str:
    """A name from the allow-list as a heading: headings never hold text of a CRM."""
    return bare(name.replace("_", " ")).capitalize()


def grid(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table of display strings; columns of numbers stand right. A missing cell is shown as a dash."""
    if any(len(row) != len(columns) for row in rows):
        raise ValueError("a row has not as many cells as its table has columns")
    if not rows:
        return "None."
    right = [all(_NUMBER.fullmatch(str(row[i])) for row in rows) for i in range(len(columns))]
    lines = [[plain(cell) or "–" for cell in row] for row in [columns, *rows]]
    lines.insert(1, ["---:" if numeric else ":---" for numeric in right])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# Digits, perhaps with a sign, a currency and a short unit; or none.
_NUMBER = re.compile(rf"[-−+]?[€$£]?\s?\d[\d\s.,]*[^\d\s]{{0,4}}|[–-]?|{UNKNOWN}")


def _stamp(report: dict[str, Any]) -> str:
    """Which data and which code the numbers come from."""
    said = {"Quarter": "quarter", "as of": "as_of", "data known until": "known_until", "data": "data",
            "fingerprint": "fingerprint", "library": "library"}  # fmt: skip
    line = " · ".join(f"{label} {plain(report[key] or UNKNOWN)}" for label, key in said.items())
    return f":::{{div}} page-about\n{line}\n:::\n"
