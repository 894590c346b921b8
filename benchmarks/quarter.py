"""Runs against the same notebooks one after another with papermill: the whole quarter, and eight small notebooks.

    .venv/bin/python benchmarks/quarter.py [-n ROUNDS] [--at-least RATIO]          (make bench)

All sides run as processes in the same environment, alternating, each round in new folders. Printed: seconds of all and
their ratios; what of each notebook's time was kernel start, imports and our own work (from the manifest of the last round) and
what share of the time was not their cells (at most 15 %); what importing the library costs beside importing pandas. Exit
code 1 when a median ratio is too low (quarter: RATIO; small notebooks: 5 against papermill's command line, 3 against its Python
function), or when `import revops_lib` costs more than 1.3 times `import pandas`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
QUARTER, DATA = "2026Q3", "data/sample"  # the defaults of every notebook, so that both sides compute the same
STEMS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
IMPORTS = {
    "import pandas": "import pandas",
    "import revops_lib": "import revops_lib",
    "all that a notebook imports": "from revops_lib import charts, forecast, report, snapshot",
}
IMPORT_ROUNDS, IMPORT_AT_MOST = 7, 1.3
BESIDE_AT_MOST = 0.15  # share of the notebooks' time that is kernel start, verification and the like
SMALL, COMMAND_AT_LEAST, FUNCTION_AT_LEAST = 8, 5.0, 3.0
SMALL_CELLS = [
    'quarter: str = "2026Q3"  # fiscal quarter\nas_of: str = "2026-09-30"  # last day\ndata: str = "data/sample"  # dataset',
    "import numpy as np\nimport pandas as pd\nimport seaborn as sns\nimport statsmodels.api as sm\n"
    "from revops_lib import report",
    'draw = np.random.default_rng(7)\nframe = pd.DataFrame({"segment": draw.choice(list("abc"), 500), '
    '"days": draw.exponential(30, 500), "size": draw.normal(9, 2, 500)})\n'
    'fit = sm.OLS(frame["days"], sm.add_constant(frame["size"])).fit()\nprint(fit.summary())',
    'axes = sns.boxplot(frame, x="segment", y="days")',
    'row = {"metric": "slope", "value": fit.params["size"], "unit": "days", "n": 500}\n'
    "metrics = pd.DataFrame([row]).reindex(columns=report.RESULT_COLUMNS)\n"
    'report.finish({"quarter": quarter, "as_of": as_of}, stem=stem, question="?", headline="!", notes=[], metrics=metrics, '
    'tables={"days": (frame.head(), "Days")}, figures={}, recommendations=report.Reason("None."))',
]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=3, metavar="ROUNDS", help="rounds of both sides (default: 3)")
    parser.add_argument("--at-least", type=float, default=1.5, metavar="RATIO", help="median ratio to reach (default: 1.5)")
    arguments = parser.parse_args()
    if arguments.n < 1:
        parser.error("-n must be at least 1")
    faster, beside = compare_quarters(arguments.n)
    command, function = compare_small(arguments.n)
    imported = compare_imports()
    problems = []
    if command < COMMAND_AT_LEAST or function < FUNCTION_AT_LEAST:
        problems.append(
            f"small notebooks are {command:.2f} and {function:.2f} times as fast, "
            f"not {COMMAND_AT_LEAST:g} and {FUNCTION_AT_LEAST:g} times"
        )
    if faster < arguments.at_least:
        problems.append(f"the quarter is {faster:.2f} times as fast, not {arguments.at_least:g} times")
    if beside > BESIDE_AT_MOST:
        problems.append(f"{beside:.0%} of the notebooks' time is not their own work, more than {BESIDE_AT_MOST:.0%}")
    if imported > IMPORT_AT_MOST:
        problems.append(f"import revops_lib costs {imported:.2f} times import pandas, not at most {IMPORT_AT_MOST}")
    for problem in problems:
        print(f"too slow: {problem}", file=sys.stderr)
    return 1 if problems else 0


def compare_quarters(rounds: int) -> tuple[float, float]:
    """Run all sides alternately, print seconds, ratios and the split; the median ratio and the share beside own work."""
    ours, cold, papermill, manifest = [], [], [], {}
    for number in range(1, rounds + 1):
        with tempfile.TemporaryDirectory(prefix="revops-bench-") as folder:
            ours.append(run_quarter(Path(folder)))
            manifest = json.loads((Path(folder) / QUARTER / "manifest.json").read_text(encoding="utf-8"))
            if sorted(manifest["notebooks"]) != STEMS:
                sys.exit(f"revops run executed {', '.join(manifest['notebooks'])}, papermill {', '.join(STEMS)}")
        with tempfile.TemporaryDirectory(prefix="revops-bench-") as folder:
            cold.append(run_quarter(Path(folder), "--cold"))
        with tempfile.TemporaryDirectory(prefix="revops-bench-") as folder:
            papermill.append(run_papermill(Path(folder)))
        print(f"round {number} of {rounds}: {ours[-1]:.1f} s and {papermill[-1]:.1f} s", file=sys.stderr)
    ratios = [b / a for a, b in zip(ours, papermill, strict=True)]
    print(f"{len(STEMS)} notebooks, {os.cpu_count()} cores, {rounds} rounds\n")
    print_table(
        ["seconds", "min", "median", "max"],
        [
            ["A `revops run`", *(f"{f(ours):.1f}" for f in (min, median, max))],
            ["`revops run --cold`", *(f"{f(cold):.1f}" for f in (min, median, max))],
            ["B `papermill`, one after another", *(f"{f(papermill):.1f}" for f in (min, median, max))],
        ],
    )
    print(f"B ÷ A per round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}; median {median(ratios):.2f}")
    print(f"cold ÷ warm: median {median(b / a for a, b in zip(ours, cold, strict=True)):.2f}")
    entries = manifest["notebooks"].values()
    cells = sum(entry["split"]["imports"] + entry["split"]["work"] for entry in entries)
    beside = 1 - cells / sum(entry["seconds"] for entry in entries)
    print(f"beside the notebooks' own work: {beside:.0%} of the time the notebooks took; of wall time × cores, idle ones and")
    print(f"the one import of the libraries included, {1 - cells / (ours[-1] * (os.cpu_count() or 1)):.0%}\n")
    print_split(manifest)
    return median(ratios), beside


def run_quarter(folder: Path, *more: str) -> float:
    """Seconds of A: one command, as many notebooks at a time as there are cores."""
    return seconds([BIN / "revops", "run", QUARTER, "--data", DATA, "--out", folder, *more])


def run_papermill(folder: Path) -> float:
    """Seconds of B: one papermill process per notebook, in turn, with the notebooks' default parameters."""
    environment = {**os.environ, "REVOPS_RESULTS": str(folder), "REVOPS_PRIVATE": str(folder)}
    return sum(seconds([BIN / "papermill", f"notebooks/{stem}.ipynb", folder / f"{stem}.ipynb"], environment) for stem in STEMS)


def seconds(command: list[str | Path], environment: dict[str, str] | None = None) -> float:
    """Wall seconds of a command from the repository root; a command that fails ends the benchmark with what it said."""
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8")
    taken = time.perf_counter() - begin
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return taken


def compare_small(rounds: int) -> tuple[float, float]:
    """Eight small notebooks, all that a run does switched on: median ratios to papermill's command line and to its function."""
    taken: dict[str, list[float]] = {
        "A `runs.run`": [],
        "B `papermill`, one after another": [],
        "C `execute_notebook`, one process": [],
    }
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="revops-bench-") as name:
            folder = Path(name)
            results = write_small(folder)
            start = "import sys; from pathlib import Path; f = Path(sys.argv[1])\n"
            ours = f"{start}from revops_lib import runs\nm = runs.run('{QUARTER}', data=Path('{DATA}'), out=f / 'out', "
            ours += "notebooks=f / 'in', reports=f / 'reports.yml')\nsys.exit(m['exit_code'])"
            api = f"{start}import papermill\nfor p in sorted((f / 'in').iterdir()):\n  "
            api += "papermill.execute_notebook(p, f / p.name, progress_bar=False)"
            each = [[BIN / "papermill", path, folder / path.name] for path in sorted((folder / "in").iterdir())]
            a, b, c = taken.values()
            a.append(seconds([sys.executable, "-c", ours, folder]))
            b.append(sum(seconds(command, results) for command in each))
            c.append(seconds([sys.executable, "-c", api, folder], results))
    rows = [[name, *(f"{f(values):.1f}" for f in (min, median, max))] for name, values in taken.items()]
    print_table([f"{SMALL} small notebooks, seconds", "min", "median", "max"], rows)
    ratios = median(y / x for x, y in zip(a, b, strict=True)), median(y / x for x, y in zip(a, c, strict=True))
    print(f"B ÷ A: median {ratios[0]:.2f}; C ÷ A: median {ratios[1]:.2f}\n")
    return ratios


def write_small(folder: Path) -> dict[str, str]:
    """Write the small notebooks; the environment in which papermill leaves their results."""
    (folder / "in").mkdir()
    (folder / "reports.yml").write_text("small1: {title: Small, tables: [days]}\n", encoding="utf-8")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number in range(1, SMALL + 1):
        sources = [*SMALL_CELLS[:-1], f'stem = "small{number}"\n{SMALL_CELLS[-1]}']
        cells = [
            {"id": f"cell{i}", "cell_type": "code", "metadata": {} if i else {"tags": ["parameters"]}, "source": source}
            | {"execution_count": None, "outputs": []}
            for i, source in enumerate(sources)
        ]
        content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        (folder / "in" / f"small{number}.ipynb").write_text(json.dumps(content), encoding="utf-8")
    return {**os.environ, "REVOPS_RESULTS": str(folder)}


def print_split(manifest: dict) -> None:
    """Where each notebook's time went inside A; `rest` is papermill's own work and the end of the kernel."""
    rows = []
    for stem, entry in manifest["notebooks"].items():
        split, whole = entry["split"], entry["seconds"]
        parts = [split["kernel"], split["imports"], split["work"], whole - sum(split.values())]
        rows.append([stem, f"{whole:.1f}", *(f"{part:.1f} ({part / whole:.0%})" for part in parts)])
    print_table(["last round of A, seconds", "all", "kernel start", "imports", "our own work", "rest"], rows)


def compare_imports() -> float:
    """Print what imports cost beside pandas, each in a new interpreter, and return the ratio of `import revops_lib`."""
    taken: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for statement in IMPORTS.values():  # once unmeasured: files come from the disk only the first time
        seconds([sys.executable, "-c", statement])
    for _ in range(IMPORT_ROUNDS):
        for name, statement in IMPORTS.items():
            taken[name].append(seconds([sys.executable, "-c", statement]))
    middle = {name: median(values) for name, values in taken.items()}
    ratio = {name: value / middle["import pandas"] for name, value in middle.items()}
    rows = [[name, f"{middle[name]:.2f}", f"{ratio[name]:.2f}"] for name in IMPORTS]
    print_table([f"new interpreter, median of {IMPORT_ROUNDS}", "seconds", "÷ pandas"], rows)
    return ratio["import revops_lib"]


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """A table that reads well on the terminal and is Markdown, too."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        print("| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |")
    print()


if __name__ == "__main__":
    sys.exit(main())
