"""What a run lays down beside its notebooks: everyone's recommendations in one table, and `public/`.

`public/` is all the site may read: what `playbook/reports.yml` lists, copied name by name. Everything else a notebook
wrote stays where it is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataRefused
from .verdict import RECOMMENDATION_COLUMNS

SMALLEST_GROUP = 5  # people; nothing about fewer is published
_AMOUNTS = ("expected_amount", "low", "high")
TOO_FEW = "Not published: fewer than five people stand behind this number."


def merge_recommendations(results: Path, stems: Iterable[str]) -> None:
    """Write recommendations.parquet: the rows of all `stems`, in their order; texts as string, amounts as float64.

    A notebook without advice adds no row, whatever types its empty columns have. Raises DataRefused for a column that
    cannot be read as such.
    """
    import pyarrow
    import pyarrow.parquet

    parts = [results / f"{stem}.recommendations.parquet" for stem in sorted(stems)]
    read = [pyarrow.parquet.read_table(part) for part in parts if part.exists()]
    kinds = {name: pyarrow.float64() if name in _AMOUNTS else pyarrow.string() for name in RECOMMENDATION_COLUMNS}
    schema = pyarrow.schema(list(kinds.items()))
    try:
        filled = [table.replace_schema_metadata(None).cast(schema) for table in read if table.num_rows]
        merged = pyarrow.concat_tables([schema.empty_table(), *filled])
    except pyarrow.ArrowException as failure:
        raise DataRefused(
            f"recommendations do not fit together: {failure}", str(results), "write them with report.finish(...)"
        ) from failure
    target = results / "recommendations.parquet"
    beside = target.with_suffix(".partial")
    pyarrow.parquet.write_table(merged, beside)
    beside.replace(target)


def publish(
    folder: Path,
    work: Path,
    about: Mapping[str, Any],
    allowed: Mapping[str, Mapping[str, Any]],
    states: Mapping[str, str],
    parameters: Mapping[str, Mapping[str, Any]],
) -> None:
    """Replace `folder`/public by what `allowed` lists of the notebooks whose state is ok; built in `work` first.

    `parameters` are those each notebook ran with. `about` opens report.json: quarter, as_of, data, known_until. A listed table
    or figure that a notebook did not make (its source cannot support it) is left out; a listed notebook that failed is named
    under `failed`.
    """
    results, built, public = folder / "results", work / "public", folder / "public"
    built.mkdir()
    stamps: dict[str, Any] = {}
    reports = []
    for stem, entry in allowed.items():
        if states.get(stem) != "ok":
            continue
        content = json.loads((results / f"{stem}.json").read_text(encoding="utf-8"))
        stamps = stamps or content["stamp"]
        reports.append(_report(stem, entry, content, parameters.get(stem, {})))
        for figure in reports[-1]["figures"]:
            shutil.copyfile(results / figure["file"], built / figure["file"])
    report = {
        **about,
        "fingerprint": stamps.get("fingerprint"),
        "library": stamps.get("library"),
        "reports": reports,
        "failed": [stem for stem in allowed if states.get(stem) == "failed"],
    }
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    (built / "report.json").write_text(text, encoding="utf-8")
    if public.exists():
        public.rename(work / "public.before")
    built.rename(public)


def _report(stem: str, entry: Mapping[str, Any], content: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The public part of one notebook's results; keys are copied by name, so that nothing else slips through."""
    few = content.get("people") is not None and content["people"] < SMALLEST_GROUP
    hidden = [*(entry.get("personal", []) if few else [])]
    hidden += [name for name, groups in entry.get("grouped", {}).items() if parameters.get("by") not in groups]
    tables = [name for name in entry.get("tables", []) if name in content["tables"] and name not in hidden]
    figures = [name for name in entry.get("figures", []) if name in content["figures"]]
    advice = content["recommendations"] if entry.get("recommendations") else []
    return {
        "stem": stem,
        "title": entry["title"],
        "question": content["question"],
        "headline": TOO_FEW if few else content["headline"],
        "notes": content["notes"],
        "tables": [{"name": name, **_only(content["tables"][name], "caption", "columns", "rows")} for name in tables],
        "figures": [{"file": f"{stem}.{name}.png", **_only(content["figures"][name], "alt", "caption")} for name in figures],
        "recommendations": [_only(item, "finding", "action", "owner", "expected") for item in advice],
    }


def _only(item: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: item[key] for key in keys if key in item}
