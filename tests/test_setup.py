"""One truth for dependencies: pyproject.toml, the lock, environment.yml and the Makefile agree."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def direct() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    both = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return {re.split(r"[<>=\[ ]", requirement)[0].lower() for requirement in both}


def locked() -> dict[str, set[str]]:
    pins: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", LOCK, re.MULTILINE):
        pins.setdefault(name.lower(), set()).add(version)
    return pins


def test_every_direct_dependency_is_locked_with_hashes():
    assert direct() <= set(locked())
    blocks = re.split(r"^(?=[A-Za-z0-9_.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) > 100
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_lock_names_no_server():
    assert "://" not in LOCK and "--index" not in LOCK and "--find-links" not in LOCK


def test_environment_has_the_pins_of_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    pins = {pin.split("==")[0].lower(): pin.split("==")[1] for pin in pip}
    assert set(pins) == direct()
    assert all(version in locked()[name] for name, version in pins.items())


def test_what_is_generated_is_up_to_date():
    code = f"import runpy, sys; g = runpy.run_path({str(ROOT / '.ci' / 'generated.py')!r}); sys.stdout.reconfigure(encoding='utf-8'); print(g['environment']() + g['data_readme'](), end='')"
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8").stdout
    stored = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("environment.yml", "data/README.md"))
    assert fresh == stored, "run: make generated"


def test_installed_versions_are_the_locked_ones():
    from importlib.metadata import version

    for name in ("pandas", "duckdb", "papermill", "statsmodels", "seaborn", "jupyter-book", "pyarrow", "nbval"):
        assert version(name) in locked()[name]


def test_nothing_machine_specific_is_committed():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    machine = re.compile(r"(?<![\w.])/(?:work|root|home|Users|tmp)/[a-z]")
    found = []
    for name in filter(None, tracked):
        path = ROOT / name
        if path.suffix in {".parquet", ".png", ".lock"} or not path.exists() or path == Path(__file__):
            continue
        found += [f"{name}: {match.group()}" for match in machine.finditer(path.read_text(encoding="utf-8"))]
    assert found == []
