"""Imports run one way, no clock below the operation floor, no path from the working directory."""

import ast
from pathlib import Path

import pytest

LIB = Path(__file__).resolve().parent.parent / "revops_lib"
FLOORS = {
    **dict.fromkeys(["errors"], 0),
    **dict.fromkeys(["disk", "masking", "privacy", "tables", "periods", "money", "statistics", "worktime", "duplicates"], 1),
    **dict.fromkeys(["shapley", "queues", "paper", "sizing", "staggered"], 1),
    **dict.fromkeys(["sources", "sample"], 2),
    **dict.fromkeys(["snapshot", "allowlist"], 3),
    **dict.fromkeys(["quality", "forecast", "bottlenecks", "diagnosis", "compensation", "kpis", "pages", "enablement"], 4),
    **dict.fromkeys(["charts", "report", "statements", "boards"], 5),
    **dict.fromkeys(["runs", "site", "doctor", "spreadsheets", "closing", "alerting", "portfolio"], 6),
    "cli": 7,
    "__main__": 8,
}
# Ground may lean on ground; the door on its hinge.
SIDEWAYS = {("tables", "money"), ("tables", "disk"), ("privacy", "disk"), ("shapley", "money")}
VOICE = ("charts", "report", "statements", "boards")
MAY_IMPORT = {room: {"errors", "paper"} for room in VOICE}  # it takes frames: it knows no other floor
CLOCKS = {"now", "today", "utcnow", "localtime", "gmtime"}
OPERATION = 6


def modules():
    return sorted(path for path in LIB.rglob("*.py") if path != LIB / "__init__.py")


def room(path: Path) -> str:
    return path.relative_to(LIB).parts[0].removesuffix(".py")


def imported_rooms(path: Path, text: str | None = None) -> set[str]:
    """Rooms of the package that a module imports, relative or absolute, at top level or inside a function."""
    depth = len(path.relative_to(LIB).parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8") if text is None else text)):
        if isinstance(node, ast.ImportFrom):
            if node.level == depth:
                found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
            elif node.level == 0 and node.module and node.module.split(".")[0] == "revops_lib":
                parts = node.module.split(".")
                found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("revops_lib.")}
    return found & set(FLOORS)


def offences(path: Path, text: str | None = None) -> list[str]:
    text = path.read_text(encoding="utf-8") if text is None else text
    here = room(path)
    found = []
    for other in imported_rooms(path, text) - {here}:
        upward = FLOORS[other] >= FLOORS[here] and (here, other) not in SIDEWAYS
        if upward or other not in MAY_IMPORT.get(here, FLOORS):
            found.append(f"{path.name} imports {other}")
    for node in ast.walk(ast.parse(text)):
        name = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
        called = ast.unparse(node.func) if name else ""
        if FLOORS[here] < OPERATION and (name in CLOCKS or called in {"time.time", "time.monotonic", "time.perf_counter"}):
            found.append(f"{path.name} reads the clock: {ast.unparse(node)}")
        plain = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        literal = (
            isinstance(node, ast.Call)
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        )
        relative = literal and plain in {"Path", "open"} and not str(node.args[0].value).startswith("/")
        if isinstance(node, ast.ImportFrom) and node.module == "time" and FLOORS[here] < OPERATION:
            found.append(f"{path.name} imports a clock")
        if FLOORS[here] < FLOORS["cli"] and (name in {"cwd", "getcwd", "absolute", "abspath"} or relative):
            found.append(f"{path.name} uses the working directory: {ast.unparse(node)}")
    return found


def test_every_module_has_a_floor():
    assert {room(path) for path in modules()} <= set(FLOORS)


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(LIB).as_posix())
def test_imports_run_one_way_without_clock_or_working_directory(path):
    assert offences(path) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("forecast/answers.py", "from ..bottlenecks import ranking"),
        ("forecast/answers.py", "from .. import report"),
        ("tables.py", "from .snapshot import Snapshot"),
        ("charts/stages.py", "from .. import periods"),
        ("sample/world.py", "def f():\n    from ..sources import read_yaml"),
        ("snapshot/gate.py", "import datetime as dt\nday = dt.date.today()"),
        ("quality.py", "import pandas as pd\nday = pd.Timestamp.now()"),
        ("sources/dataset.py", "from pathlib import Path\nhere = Path.cwd()"),
        ("money.py", "import revops_lib.cli"),
        ("runs/quarter.py", "from pathlib import Path\nPath('runs').mkdir()"),
        ("site/book.py", "open('data/x.csv')"),
        ("sources/cast.py", "import os\nos.path.abspath('x')"),
        ("snapshot/gate.py", "from time import time"),
    ],
)
def test_an_offence_is_seen(file, text):
    assert offences(LIB / file, text)


def test_importing_the_library_imports_nothing_heavy():
    import subprocess
    import sys

    code = "import sys, revops_lib; print([m for m in ('pandas', 'numpy', 'seaborn', 'statsmodels', 'duckdb') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_notebooks_imports_leave_out_what_it_does_not_need():
    import subprocess
    import sys

    heavy = ("seaborn", "matplotlib", "statsmodels", "scipy", "papermill", "pandera", "nbformat")
    rooms = "charts, forecast, quality, bottlenecks, diagnosis, compensation, kpis, report, snapshot"
    code = f"import sys; from revops_lib import {rooms}; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
