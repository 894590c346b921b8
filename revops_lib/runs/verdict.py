"""What an executed notebook shows: whether it really succeeded, how long it took, and how it is stored.

papermill's own status fields are not believed: after a dead kernel or a timeout they say `completed` for cells that
never ran. A notebook succeeded when every code cell ran in its turn, none shows an error and its results lie where they
should.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import NotebookFailed

PICTURES = (".png", ".svg")
KINDS = (".json", ".parquet", *PICTURES)
_JSON_KEYS = ("stem", "question", "headline", "notes", "stamp", "tables", "figures", "recommendations")
_SHOWN = {"tables": {"caption", "columns", "rows"}, "figures": {"file", "alt", "caption"}}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_WIDGET = "application/vnd.jupyter.widget-view+json"


def verdict(notebook: Any, stem: str, results: Path, parameters: Mapping[str, Any]) -> NotebookFailed | None:
    """Why a notebook that papermill let pass did not succeed; None when it did. No `parameters`, no results are due."""
    for number, (index, cell) in enumerate(((i, c) for i, c in enumerate(notebook.cells) if _runs(c)), start=1):
        where = place(stem, notebook, index)
        shown = next((output for output in cell.outputs if output.output_type == "error"), None)
        if shown is not None:
            where = place(stem, notebook, index, shown.traceback)
            return NotebookFailed(f"{shown.ename}: {line(shown.evalue)}", where, "a cell must not end with an error")
        if cell.execution_count != number:
            return NotebookFailed("a cell was not executed in its turn", where, "let every cell run, once, from top to bottom")
    problem = _faulty_results(stem, results, parameters) if parameters else None
    if problem is None:
        return None
    return NotebookFailed(problem, f"notebook {stem}, results", "end the notebook with report.finish(...)")


def _faulty_results(stem: str, results: Path, parameters: Mapping[str, Any]) -> str | None:
    """What is wrong with the results a notebook left; None when nothing is."""
    import pyarrow
    import pyarrow.parquet

    from ..report import ADVICE_COLUMNS, RESULT_COLUMNS  # not above: a kernel forked from here would have them imported

    names = {path.name for path in results.iterdir()}
    for name in sorted(names):
        if not name.startswith(f"{stem}."):
            return f"{name} is not a result of this notebook"
        if not name.endswith(KINDS) or not (results / name).is_file() or (results / name).is_symlink():
            return f"{name} is none of the files that results are ({', '.join(KINDS)})"
    columns = {f"{stem}.parquet": RESULT_COLUMNS, f"{stem}.recommendations.parquet": ADVICE_COLUMNS}
    for name in (f"{stem}.json", f"{stem}.parquet"):
        if name not in names:
            return f"{name} was not written"
    try:
        for name, expected in columns.items():
            if name in names and pyarrow.parquet.read_schema(results / name).names != expected:
                return f"{name} has other columns than {', '.join(expected)}"
        content = json.loads((results / f"{stem}.json").read_text(encoding="utf-8"))
        for key in _JSON_KEYS:
            if key not in content:
                return f"{stem}.json lacks {key}"
        for key in ("quarter", "as_of"):
            if content["stamp"][key] != parameters[key]:
                return f"the results are for {key} {content['stamp'][key]}, not {parameters[key]}"
        for kind, keys in _SHOWN.items():
            for name, shown in content[kind].items():
                if not keys <= set(shown):
                    return f"{kind} {name} of {stem}.json lacks {', '.join(sorted(keys - set(shown)))}"
        for figure, shown in content["figures"].items():
            suffix = Path(shown["file"]).suffix
            if suffix not in PICTURES or f"{stem}.{figure}{suffix}" not in names:
                return f"{stem}.{figure}{suffix} was not written"
    except (ValueError, KeyError, TypeError, AttributeError, OSError, pyarrow.ArrowException) as failure:
        return f"the results cannot be read: {type(failure).__name__} {line(failure)}"
    return None


def timing(notebook: Any) -> tuple[float, dict[str, float]]:
    """Seconds in all; of these until the kernel took its first cell, in cells that import, in the others."""
    about = notebook.metadata.get("papermill", {})
    if not (about.get("start_time") and about.get("end_time")):
        return 0.0, {}
    begin, end = (dt.datetime.fromisoformat(about[key]) for key in ("start_time", "end_time"))
    split = {"kernel": (end - begin).total_seconds(), "imports": 0.0, "work": 0.0}
    first: dt.datetime | None = None
    for cell in notebook.cells:
        at = cell.metadata.get("execution", {})
        if "iopub.status.busy" not in at or "iopub.status.idle" not in at:
            continue
        busy, idle = (dt.datetime.fromisoformat(at[f"iopub.status.{state}"]) for state in ("busy", "idle"))
        first = first or busy
        kind = "imports" if re.search(r"^\s*(import|from)\s", cell.source, flags=re.MULTILINE) else "work"
        split[kind] += (idle - busy).total_seconds()
    if first is not None:
        split["kernel"] = (first - begin).total_seconds()
    return round((end - begin).total_seconds(), 3), {name: round(value, 3) for name, value in split.items()}


def tidy(notebook: Any, source: Path) -> None:
    """Take out what differs between two equal runs: times, paths, random ids, widget state."""
    written = {cell.get("id") for cell in json.loads(source.read_text(encoding="utf-8"))["cells"]}
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    for number, cell in enumerate(notebook.cells, start=1):
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if not cell.metadata.get("tags"):
            cell.metadata.pop("tags", None)
        if cell.get("id") not in written:
            injected = "injected-parameters" in cell.metadata.get("tags", [])
            cell["id"] = "injected-parameters" if injected else f"cell-{number}"
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(_WIDGET, None)


def place(stem: str, notebook: Any, index: int, traceback: Iterable[str] = ()) -> str:
    """Notebook, number of the cell as Jupyter shows it, and the line at fault, its first line when that is unknown."""
    number = sum(1 for cell in notebook.cells[: index + 1] if _runs(cell))
    return f"notebook {stem}, cell {number}: {at_fault(notebook.cells[index].source, number, traceback)}"


def at_fault(source: str, number: int | None, traceback: Iterable[str]) -> str:
    """The innermost line of cell `number` that the traceback names; the cell's first line when it names none."""
    told = COLOUR.sub("", "\n".join(traceback))
    named = re.findall(rf"Cell In\[{number}\], line ([0-9]+)", told)
    lines = source.splitlines()
    quoted = line(lines[int(named[-1]) - 1]) if named and 0 < int(named[-1]) <= len(lines) else ""
    return quoted or line(source)


def line(text: object) -> str:
    """The first line that says something, without colour codes, at most 200 characters."""
    plain = COLOUR.sub("", str(text)).strip().removeprefix("error: ")
    return (plain.splitlines() or [""])[0][:200]


def _runs(cell: Any) -> bool:
    return cell.cell_type == "code" and bool(cell.source.strip())
