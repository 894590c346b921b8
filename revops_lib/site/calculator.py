"""The page "What will I earn?": the plans in force, a form and one script that computes with them. There is no server.

Pages cannot carry HTML, so the form is put into the page after the book is built: `earn.html`, `earn.css` and `earn.js` beside
this module, which are the same on every site and whose hashes are in the scan's baseline (after a change: `make generated`).
Only the plans differ.
"""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import periods
from ..snapshot import Snapshot
from . import plans
from .personal import datasets
from .text import plain

if TYPE_CHECKING:
    from ..compensation import Plan

PAGE = "earn.html"
PLANS = "_plans.json"
_HERE = Path(__file__).resolve().parent
PLACE = ":::{div} earn-calculator\nThis calculator needs JavaScript.\n:::"
_BUILT = '<div class="earn-calculator docutils">\n'
_NONE = "The calculator is not here: {}. [How the plans pay](compensation.md)."


def write(book: Path, published: Sequence[Mapping[str, Any]], allowed: Mapping[str, Any], *, runs: Path, root: Path) -> None:
    """Write what pages include, the calculator's place `reference/_earn.md` and the rules by which it computes,
    `reference/_plans.md`; and beside the book the plans for `put`.

    The plans are those of the newest run's dataset (its manifest names it, `root` is where relative names begin) as in force on
    the run's day. They are left out, with the reason, where no run is published, its dataset is not here, or `allowed` does not
    publish the rules of plans to these readers. Raises what a faulty plan file raises.
    """
    from .. import compensation

    reason = _refused(published, allowed, runs, root)
    said, rules = _NONE.format(reason), f"The plans are not here: {reason}."
    if not reason:
        report = published[0]
        in_force = _in_force(report, _data(report, runs, root))
        exported = [compensation.exported(plan) for plan in in_force if plan.components]
        (book / PLANS).write_text(json.dumps(exported), encoding="utf-8")
        said = f"{PLACE}\n\nThe plans as in force on {plain(report['as_of'])}."
        rules = plans.text(in_force, allowed["compensation"]["tables"], report["as_of"])
    folder = book / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "_earn.md").write_text(f"{said}\n", encoding="utf-8")
    (folder / "_plans.md").write_text(f"{rules}\n", encoding="utf-8")


def put(book: Path, pages: Path) -> None:
    """Put the form, its script and the plans into the built page; nothing where the book has no calculator."""
    page, plans = pages / PAGE, book / PLANS
    if not page.exists() or not plans.exists():
        return
    text = page.read_text(encoding="utf-8")
    form = (_HERE / "earn.html").read_text(encoding="utf-8").replace("PLANS", html.escape(plans.read_text(encoding="utf-8")))
    if _BUILT in text:
        page.write_text(text.replace(_BUILT, _BUILT + form, 1), encoding="utf-8")
        for name in ("earn.js", "earn.css"):
            shutil.copyfile(_HERE / name, pages / "_static" / name)


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
    """Every plan as in force on the report's day."""
    from .. import compensation

    snapshot, day = Snapshot(data, quarter=report["quarter"]), periods.day(report["as_of"])
    names = [name for name, begin in compensation.begins(snapshot).items() if begin <= day]
    return [compensation.plan(snapshot, name=name, on=day) for name in names]
