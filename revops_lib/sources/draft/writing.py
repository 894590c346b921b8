"""The draft as YAML: what is certain as it is, what is doubtful marked, what is missing as a comment to fill in.

A line that is to be decided first has a # in its first column: with it taken away, the line stands as it must.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ... import tables
from ...errors import DataRefused
from .company import currency_of, profile_of
from .entries import Line, entered, entry
from .knowledge import Knowledge, learn
from .planning import Plan, make_plan
from .reading import read
from .stages import MOST
from .yamltext import MARK, flow, mark, plain

_WIDTH = 118


def draft(files: Sequence[Path], *, known: Sequence[Path]) -> str:
    """The text of a mapping for an export nobody has mapped yet, proposed from the headers and values of its files.

    `files` are files of one folder, or the folder itself; a workbook stands for its sheets, a database for its tables. `known`
    are mapping files: how they spell columns and stages is how a column is recognised. What is not spelled exactly so is
    proposed when its name is much alike or its values are of that kind, and marked `# unsure:`; what is missing stands as
    `???`, what is not recognised is listed. The same files give the same text.

    The draft can be imported as soon as nothing required is missing. Raises UsageError when no file is named, one does not
    exist or they lie in several folders; DataRefused when a file cannot be read or none looks like a table of an export.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> rows = "opportunity_id,stage,amounts\\nD-1,Won,100\\nD-2,Offer,50\\n"
    >>> _ = (folder / "opportunities.csv").write_text(rows, encoding="utf-8")
    >>> print("\\n".join(draft([folder], known=[]).partition("fiscal_year_end")[2].splitlines()[2:]))
    stages:
      - {stage: Offer, position: 1, status: open}  # unsure: open, won or lost?
      - {stage: Won, position: 2, status: won}
    <BLANKLINE>
    tables:
      opportunities:
        file: opportunities.csv
        columns:
          opportunity_id: opportunity_id
          amount: amounts  # unsure: much like 'amount'
          stage: stage
    #      close_date: ???  # not found; needed for the quarter a deal belongs to
    #      created_at: ???  # not found; needed for the age of deals and how long they take
    #      owner_id: ???  # not found; needed for results by rep, and compensation
    """
    knowledge = learn(known)
    folder, sources, unread = read(files, knowledge.tables_of)
    plan = make_plan(sources, knowledge)
    if not plan.parts:
        what = "no table of an export is recognised; " + "; ".join(plan.unused[:3])
        raise DataRefused(what, folder.name, "name the files of the export, or write the mapping by hand (data/README.md)")
    body = [
        *_company(plan, folder),
        *_stages(plan),
        *_tables(plan, knowledge, folder),
        *_rest(plan, [*knowledge.unread, *unread]),
    ]
    text = "\n".join(body).rstrip()
    return "\n".join([*_preface(plan, folder, text), text, ""])


def _preface(plan: Plan, folder: Path, text: str) -> list[str]:
    drafted = ", ".join(dict.fromkeys(part.source.member.name for part in plan.parts if part.is_active))
    told = f"Drafted from {drafted}. What is not marked is called as in a known mapping or in data/README.md. To decide: "
    told += f'{text.count(MARK)} marks "unsure", {text.count(": ???")} lines with "???". '
    told += "A line with # in its first column counts once that # is taken away. Then:"
    command = plain(f"revops import MAPPING.yml --from {folder.name} --to data/{_slug(folder)}")
    return [*_comment(told), "#", f"#     {command}", ""]


def _company(plan: Plan, folder: Path) -> list[str]:
    currency, doubt = currency_of(plan)
    profile, told = profile_of(plan)
    lines = [
        f"name: {flow(_slug(folder))}  # how reports call this dataset",
        f"currency: {currency}  # {'unsure: ' + doubt if doubt else 'of every amount, unless a table maps a currency column'}",
        "timezone: UTC  # unsure: where a day begins and ends, such as Europe/Paris; also of times without an offset",
        "fiscal_year_end: DEC  # unsure: last month of the fiscal year",
    ]
    if profile:
        lines.append(f"profile: {flow(profile)}  # {told}")
    return [*lines, ""]


def _stages(plan: Plan) -> list[str]:
    if plan.stages is None:
        return []
    lines = [f"stages:{mark(plan.stages.doubt)}"]
    for position, stage in enumerate(plan.stages.ordered, start=1):
        said: dict[str, Any] = {"stage": stage.name, "position": position, "status": stage.status}
        if stage.probability is not None:
            said["probability"] = stage.probability
        lines.append(f"  - {flow(said)}{mark(stage.doubt)}")
    if plan.stages.left_out:
        told = f"{plan.stages.left_out} more are not listed: a column of stages rarely has more than {MOST} of them"
        lines.append(f"  {mark(told).strip()}")
    return [*lines, ""]


def _tables(plan: Plan, knowledge: Knowledge, folder: Path) -> list[str]:
    """Every table with its entries; where it has several, as a list."""
    profile, _ = profile_of(plan)
    lines = ["tables:"]
    for table in tables.TABLES:
        entries = [
            (entry(part, plan, knowledge, folder, profile), part.is_active) for part in plan.parts if part.table == table
        ]
        if table == "opportunity_history":
            entries.append(entered(plan, folder))
        entries = [(block, is_active) for block, is_active in entries if block]
        if not entries:
            continue
        is_off = not any(is_active for _, is_active in entries)
        lines.append(f"{'#' if is_off else ''}  {table}:")
        for block, is_active in entries:
            lines += _indented(block, is_listed=len(entries) > 1, is_off=not is_active)
        lines.append("")
    return lines


def _indented(block: list[Line], is_listed: bool, is_off: bool) -> Iterator[str]:
    for i, line in enumerate(block):
        indent = ("    - " if i == 0 else "      ") if is_listed else "    "
        text = f"{'#' if line.is_off and not is_off else ''}{indent}{line.text}"
        # What is off within an entry that is off stays so when the entry is taken in.
        yield f"{'##' if line.is_off else '#'}{text}" if is_off else text


def _rest(plan: Plan, unread: list[str]) -> list[str]:
    lines = []
    for told, several in (("Not used", plan.unused), ("Not read", unread)):
        if several:
            lines += [f"# {told}:", *(f"#   {plain(one)}" for one in several), ""]
    return lines


def _slug(folder: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "_", folder.name.lower()).strip("_") or "export"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(plain(text), _WIDTH)]
