"""Write what is generated and committed: environment.yml from the lock, the data dictionary into data/README.md, and what a
clean book has, which the scan of a site compares with."""

import json
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PYTHON = "3.11"
START, END = "<!-- dictionary: written by `make generated` -->\n", "<!-- end of dictionary -->\n"


def locked(name: str) -> str:
    """The pinned version of a package for the Python of environment.yml."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(rf"^{re.escape(name)}==([^ ;\\]+)(?: ; ([^\\]+))?", lock, re.MULTILINE | re.IGNORECASE)
    fitting = [version for version, marker in pins if not marker or "< '3.12'" in marker or "python" not in marker]
    return fitting[0]


def environment() -> str:
    """environment.yml: Python from conda-forge, every direct dependency at the version of the lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = sorted({re.split(r"[<>=\[ ]", requirement)[0] for requirement in direct}, key=str.lower)
    pins = "".join(f"      - {name}=={locked(name)}\n" for name in names)
    return (
        "# conda env create -f environment.yml && conda activate revops && pip install --no-deps -e .\n"
        "# The pins are those of requirements.lock; `make generated` writes this file.\n"
        f"name: revops\nchannels: [conda-forge]\ndependencies:\n  - python={PYTHON}\n  - pip\n  - pip:\n{pins}"
    )


def data_readme() -> str:
    """data/README.md with the dictionary between its marks replaced."""
    from revops_lib import tables

    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    before, after = text.split(START)[0], text.split(END)[1]
    return f"{before}{START}\n{tables.dictionary()}\n{END}{after}"


def baseline() -> str:
    """What the pinned theme makes of a clean book."""
    from revops_lib import site

    return json.dumps(site.clean(), indent=1) + "\n"


if __name__ == "__main__":
    (ROOT / "environment.yml").write_text(environment(), encoding="utf-8")
    (ROOT / "data" / "README.md").write_text(data_readme(), encoding="utf-8")
    (ROOT / "revops_lib" / "site" / "baseline.json").write_text(baseline(), encoding="utf-8")
