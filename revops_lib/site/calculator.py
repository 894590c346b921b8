"""The page "What will I earn?": the plans in force, a form and one script that computes with them. There is no server.

Pages cannot carry HTML, so the form is put into the page after the book is built: `earn.html`, `earn.css` and `earn.js` beside
this module, which are the same on every site and whose hashes are in the scan's baseline (after a change: `make generated`).
Only the plans differ.
"""

from __future__ import annotations

import datetime as dt
import html
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from .. import periods
from ..snapshot import Snapshot
from . import catalogues, plans
from .paywords import FRENCH, in_french
from .personal import datasets
from .text import plain

if TYPE_CHECKING:
    from ..compensation import Plan

PAGE = "earn.html"
PLANS = "_plans.json"
_HERE = Path(__file__).resolve().parent
_NEEDS = "This calculator needs JavaScript."
PLACE = f":::{{div}} earn-calculator\n{_NEEDS}\n:::"
_BUILT = '<div class="earn-calculator docutils">\n'
_NONE = "The calculator is not here: {}. [How the plans pay](compensation.md)."
_NOBODY = "example, nobody has this role"
_NO_PLANS = "The plans are not here: {}."
_IN_FRENCH = f".{catalogues.LANGUAGE}.md"  # of a part of pages that the French edition takes instead


def write(book: Path, published: Sequence[Mapping[str, Any]], allowed: Mapping[str, Any], *, runs: Path, root: Path) -> None:
    """Write what pages include, the calculator's place `reference/_earn.md` and the rules by which it computes,
    `reference/_plans.md`, both in French, too; and beside the book the plans for `put`.

    The plans are those of the newest run's dataset (its manifest names it, `root` is where relative names begin) as in force on
    the run's day. They are left out, with the reason, where no run is published, its dataset is not here, or `allowed` does not
    publish the rules of plans to these readers. Raises what a faulty plan file raises.
    """
    from .. import compensation

    reason, in_force = _refused(published, allowed, runs, root), []
    if not reason:
        in_force = _in_force(published[0], _data(published[0], runs, root))
        exported = [compensation.exported(plan) for plan in in_force if plan.components]
        (book / PLANS).write_text(json.dumps(exported), encoding="utf-8")
    folder = book / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    languages: dict[str, Callable[[str], str]] = {".md": str, _IN_FRENCH: in_french}
    for ending, say in languages.items():
        said, rules = say(_NONE).format(say(reason)), say(_NO_PLANS).format(say(reason))
        if not reason:
            day = published[0]["as_of"]
            said = f"{PLACE.replace(_NEEDS, say(_NEEDS))}\n\n{plain(say(f'The plans as in force on {day}.'))}"
            rules = plans.text(in_force, allowed["compensation"]["tables"], day, say=say)
        (folder / f"_earn{ending}").write_text(f"{said}\n", encoding="utf-8")
        (folder / f"_plans{ending}").write_text(f"{rules}\n", encoding="utf-8")


def put(book: Path, pages: Path) -> None:
    """Put the form, its script and the plans into the built page; nothing where the book has no calculator."""
    page, plans = pages / PAGE, book / PLANS
    if not page.exists() or not plans.exists():
        return
    text, given = page.read_text(encoding="utf-8"), json.loads(plans.read_text(encoding="utf-8"))
    is_french = book.name == catalogues.LANGUAGE
    words = FRENCH if is_french else {}
    fill = {"PLANS": [_translated(plan) for plan in given] if is_french else given, "WORDS": words}
    form = (_HERE / "earn.html").read_text(encoding="utf-8").replace("ROLE", words.get("Role", "Role"))
    for name, value in reversed(fill.items()):  # titles of plans come last: nothing in them is taken for a place
        form = form.replace(name, html.escape(json.dumps(value)), 1)
    if _BUILT in text:
        page.write_text(text.replace(_BUILT, _BUILT + form, 1), encoding="utf-8")
        for name in ("earn.js", "earn.css"):
            shutil.copyfile(_HERE / name, pages / "_static" / name)


def _translated(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan as exported, with what it says of itself in French."""
    said = {"title": in_french(plan["title"]), "left_out": [in_french(one) for one in plan["left_out"]]}
    parts = [
        {**part, "payable": [{**one, "told": in_french(one["told"])} for one in part["payable"]]} for part in plan["components"]
    ]
    return {**plan, **said, "components": parts}


def _refused(published: Sequence[Mapping[str, Any]], allowed: Mapping[str, Any], runs: Path, root: Path) -> str:
    """Why there is no calculator; empty where there is one."""
    if not published:
        return "there is no run yet"
    if not {"plan", "terms"} <= {*allowed.get("compensation", {}).get("tables", [])}:
        return "the rules of plans are not published here"
    data = _data(published[0], runs, root)
    return "" if (data / "dataset.json").exists() else "the data of the last run are not where this site was built"


def _data(report: Mapping[str, Any], runs: Path, root: Path) -> Path:
    """The dataset of a run."""
    return next(iter(datasets(runs, [report["quarter"]], root)))


def _in_force(report: Mapping[str, Any], data: Path) -> list[Plan]:
    """Every plan as in force on the report's day; the title of one whose role nobody has that day says so."""
    from .. import compensation

    snapshot, day = Snapshot(data, quarter=report["quarter"], as_of=report["as_of"]), periods.day(report["as_of"])
    names = [name for name, begin in compensation.begins(snapshot).items() if begin <= day]
    plans, roles = [compensation.plan(snapshot, name=name, on=day) for name in names], _roles(snapshot, day)
    return [plan if plan.role in roles or not roles else replace(plan, title=f"{plan.title}: {_NOBODY}") for plan in plans]


def _roles(snapshot: Snapshot, day: dt.date) -> set[str]:
    """What those who are there on a day do; empty where the source does not say."""
    if not snapshot.has("reps"):
        return set()
    reps = snapshot.table("reps")
    return set(reps.loc[~(reps["end_date"] < pd.Timestamp(day)), "role"].dropna())
