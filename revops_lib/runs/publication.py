"""What a run lays down beside its notebooks: everyone's recommendations in one table, and `public/`.

`public/` is all the site may read: what `playbook/reports.yml` lists, copied name by name, with small groups hidden
(`disclosure`). Everything else a notebook wrote stays where it is.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..allowlist import BESIDE, FEW, NOT_AVAILABLE, NOT_TOLD, TOO_FEW
from ..errors import DataRefused
from .disclosure import SMALLEST_GROUP, TOTALS, Groups, hide, is_few

_AMOUNTS = ("expected_amount", "low", "high")
_ADVISED = ("finding", "action", "owner", "effort", "expected", *_AMOUNTS)  # what of an advice may be published
EXPLAINED = {"bookings"}  # rows a topic is about: where one is hidden, neither answer nor advice nor picture is published
_WHY = f"Groups of fewer than five are hidden; “{BESIDE}” stands where the difference to a total would give them."


def merge_recommendations(results: Path, stems: Iterable[str]) -> None:
    """Write recommendations.parquet: the rows of all `stems`, in their order; texts as string, amounts as float64.

    A notebook without advice adds no row, whatever types its empty columns have. Raises DataRefused for a column that
    cannot be read as such.
    """
    import pyarrow
    import pyarrow.parquet

    from ..report import ADVICE_COLUMNS

    parts = [results / f"{stem}.recommendations.parquet" for stem in sorted(stems)]
    read = [pyarrow.parquet.read_table(part) for part in parts if part.exists()]
    kinds = {name: pyarrow.float64() if name in _AMOUNTS else pyarrow.string() for name in ADVICE_COLUMNS}
    schema = pyarrow.schema(list(kinds.items()))
    try:
        filled = [table.replace_schema_metadata(None).cast(schema) for table in read if table.num_rows]
        merged = pyarrow.concat_tables([schema.empty_table(), *filled])
    except pyarrow.ArrowException as failure:
        raise DataRefused(
            f"recommendations do not fit together: {failure}", str(results), "write them with report.finish(...)"
        ) from failure
    pyarrow.parquet.write_table(merged, results / "recommendations.parquet")


def publish(
    folder: Path,
    about: Mapping[str, Any],
    allowed: Mapping[str, Mapping[str, Any]],
    states: Mapping[str, str],
    parameters: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write into the new folder `folder`/public what `allowed` lists of the notebooks whose state is ok.

    `parameters` are those each notebook ran with. `about` opens report.json: quarter, as_of, data, known_until, asked
    (notebooks), ended (whether the quarter had). A listed table or figure that a notebook did not make (its source cannot
    support it) is left out; a listed notebook that failed is named under `failed`.
    """
    results, public = folder / "results", folder / "public"
    public.mkdir()
    good = {stem: entry for stem, entry in allowed.items() if states.get(stem) == "ok"}
    contents = {stem: json.loads((results / f"{stem}.json").read_text(encoding="utf-8")) for stem in good}
    tables = {stem: _tables(entry, contents[stem], parameters.get(stem, {})) for stem, entry in good.items()}
    groups = {stem: _groups(stem, tables[stem], entry["counted"], results) for stem, entry in good.items()}
    hide([group for of_topic in groups.values() for group in of_topic.values()])
    reports = [_report(stem, entry, contents[stem], tables[stem], groups[stem]) for stem, entry in good.items()]
    for figure in (figure for topic in reports for figure in topic["figures"]):
        shutil.copyfile(results / figure["file"], public / figure["file"])
    stamps: dict[str, Any] = next((content["stamp"] for content in contents.values()), {})
    report = {
        **about,
        "fingerprint": stamps.get("fingerprint"),
        "library": stamps.get("library"),
        "reports": reports,
        "failed": [stem for stem in allowed if states.get(stem) == "failed"],
    }
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    (public / "report.json").write_text(text, encoding="utf-8")


def _tables(entry: Mapping[str, Any], content: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The tables of one notebook that may be published, by name, whatever their rows."""
    hidden = [*(entry["personal"] if _are_few(content) else [])]
    hidden += [name for name, groups in entry["grouped"].items() if parameters.get("by") not in groups]
    names = [name for name in entry["tables"] if name in content["tables"] and name not in hidden]
    return {name: _only(content["tables"][name], "caption", "columns", "rows") for name in names}


def _are_few(content: Mapping[str, Any]) -> bool:
    """Whether a headline about persons is about too few."""
    return content.get("people") is not None and content["people"] < SMALLEST_GROUP


def _groups(stem: str, tables: Mapping[str, Any], counted: Mapping[str, str], results: Path) -> dict[str, Groups]:
    """The tables as the notebook left them, by name; without those whose rows should be counted and cannot be."""
    import pandas as pd

    groups: dict[str, Groups] = {}
    for name, table in tables.items():
        file = results / f"{stem}.{name}.parquet"
        frame = pd.read_parquet(file) if file.exists() and table["columns"] != NOT_AVAILABLE else pd.DataFrame()
        if name not in counted or table["columns"] == NOT_AVAILABLE:
            groups[name] = Groups(f"{stem}.{name}", frame)
        elif counted[name] in frame:
            groups[name] = Groups(f"{stem}.{name}", frame, frame[counted[name]].fillna(0).astype(int).tolist())
    return groups


def _report(
    stem: str, entry: Mapping[str, Any], content: Mapping[str, Any], tables: Mapping[str, Any], groups: Mapping[str, Groups]
) -> dict[str, Any]:
    """The public part of one notebook's results; keys are copied by name, so that nothing else slips through."""
    small = [group for group in groups.values() if group.hidden]
    tells = _teller(small)
    figures = [name for name in entry["figures"] if name in content["figures"] and _may_be_drawn(name, groups, small)]
    is_silent = any(group.names[row] & EXPLAINED for group in small for row in group.hidden)
    may_advise = entry["recommendations"] and not is_silent and not _are_few(content)
    advice = [item for item in content["recommendations"] if may_advise and not tells(f"{item['finding']} {item['action']}")]
    headline = NOT_TOLD if is_silent or tells(content["headline"]) else content["headline"]
    notes = [f"{name} is not published: its groups cannot be counted." for name in tables if name not in groups]
    return {
        "stem": stem,
        "title": entry["title"],
        "question": content["question"],
        "headline": TOO_FEW if _are_few(content) else headline,
        "notes": [note for note in content["notes"] if not tells(note)] + notes,
        "tables": [{"name": name, **_hidden(table, groups[name])} for name, table in tables.items() if name in groups],
        "figures": [
            {"file": f"{stem}.{name}{Path(shown['file']).suffix}", **_only(shown, "alt", "caption")}
            for name, shown in ((name, content["figures"][name]) for name in figures)
        ],
        "recommendations": [_only(item, *_ADVISED) for item in advice],
    }


def _hidden(table: Mapping[str, Any], group: Groups) -> Mapping[str, Any]:
    """A table as people read it, with the cells of hidden rows covered but for the group's name."""
    if not group.hidden:
        return table
    from ..report import LABELS

    names = {LABELS.get(key, key.replace("_", " ")) for key in group.keys}
    rows = [*table["rows"]]
    shown = len(rows) if len(rows) == len(group.frame) else len(rows) - 1  # a long table ends with how many more there are
    for number in (number for number in group.hidden if number < shown):
        cover = FEW if group.counts and is_few(group.counts[number]) else BESIDE
        rows[number] = [cell if column in names else cover for column, cell in zip(table["columns"], rows[number], strict=True)]
    return {**table, "caption": f"{table['caption']}. {_WHY}", "rows": rows}


def _may_be_drawn(figure: str, groups: Mapping[str, Groups], small: list[Groups]) -> bool:
    """A picture shows what its table shows; one without a table of its name might show any of the topic's groups."""
    return not small or (figure in groups and not groups[figure].hidden)


def _teller(small: Iterable[Groups]) -> Callable[[str], bool]:
    """Whether a sentence names the group of a hidden row, in small letters or capitals."""
    hidden = [names for group in small for row in group.hidden if not (names := group.spoken[row]) & TOTALS]
    looked_for = [[re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE) for name in names] for names in hidden]
    return lambda sentence: any(all(name.search(sentence) for name in names) for names in looked_for)


def _only(item: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: item[key] for key in keys if key in item}
