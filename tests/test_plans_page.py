"""The plans in force on a page are those of the calculator, also when a plan changes between two runs."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from revops_lib.site import calculator
from revops_lib.site.paywords import FRENCH

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {"compensation": {"tables": ["plan", "terms", "curve"]}}


def laid(runs: Path, data: Path, quarter: str, day: str) -> dict[str, Any]:
    (runs / quarter).mkdir(parents=True)
    (runs / quarter / "manifest.json").write_text(json.dumps({"data": str(data)}), encoding="utf-8")
    return {"quarter": quarter, "as_of": day}


@pytest.mark.parametrize(("day", "rate", "at_quota"), [("2026-10-31", "6.50%", "6,500"), ("2026-11-01", "7.00%", "7,000")])
def test_page_and_calculator_show_the_plan_of_one_day(company, tmp_path: Path, day: str, rate: str, at_quota: str) -> None:
    data = company()
    (data / "plans").mkdir()
    plan = (ROOT / "data" / "plans" / "account_executive.yml").read_text(encoding="utf-8")
    first = '2025-01-01: "0.065"'
    assert plan.count(first) == 1
    changed = plan.replace(first, f'{first}, 2026-11-01: "0.07"')
    (data / "plans" / "account_executive.yml").write_text(changed, encoding="utf-8")
    runs = [laid(tmp_path / "runs", data, "2026Q4", day), laid(tmp_path / "runs", data, "2026Q3", "2026-09-30")]
    calculator.write(tmp_path, runs, ALLOWED, runs=tmp_path / "runs", root=tmp_path)
    page = unescape((tmp_path / "reference" / "_plans.md").read_text(encoding="utf-8"))
    assert f"in force on {day}" in page and "### Account executive, bookings" in page
    assert f"| bookings | 0% to 100% of quota | {rate} |" in page and re.search(rf"\| 100\.0% \| {at_quota} \|", page)
    assert "account_executive" not in page and "new_smb" not in page
    (exported,) = json.loads((tmp_path / calculator.PLANS).read_text(encoding="utf-8"))
    shown = exported["components"][0]["tiers"][0]["value"]
    assert shown == {"6.50%": "13/200", "7.00%": "7/100"}[rate]
    assert f"in force on {day}" in unescape((tmp_path / "reference" / "_earn.md").read_text(encoding="utf-8"))


def test_what_is_not_listed_is_not_on_the_page(tmp_path: Path) -> None:
    run = laid(tmp_path, ROOT / "data" / "sample", "2026Q3", "2026-09-30")
    calculator.write(tmp_path, [run], {"compensation": {"tables": ["plan", "terms"]}}, runs=tmp_path, root=tmp_path)
    page = (tmp_path / "reference" / "_plans.md").read_text(encoding="utf-8")
    assert "### Development rep" in page and "attainment" not in page
    calculator.write(tmp_path, [run], {}, runs=tmp_path, root=tmp_path)
    page = (tmp_path / "reference" / "_plans.md").read_text(encoding="utf-8")
    assert page == "The plans are not here: the rules of plans are not published here.\n"


def test_a_plan_whose_role_nobody_has_is_told_as_an_example(tmp_path: Path) -> None:
    run = laid(tmp_path, ROOT / "data" / "sample", "2026Q3", "2026-09-30")
    calculator.write(tmp_path, [run], {"compensation": {"tables": ["plan", "terms"]}}, runs=tmp_path, root=tmp_path)
    titles = [plan["title"] for plan in json.loads((tmp_path / calculator.PLANS).read_text(encoding="utf-8"))]
    held = set(pd.read_parquet(ROOT / "data" / "sample" / "reps.parquet")["role"])
    assert {"account_executive", "manager", "solution_engineer"} == held
    assert [title for title in titles if ": example, nobody has this role" not in title] == [
        "Account executive, bookings", "Sales manager, team bookings and objectives", "Solution engineer, overlay credits",
    ]  # fmt: skip
    assert "### Development rep, accepted leads: example, nobody has this role" in unescape(
        (tmp_path / "reference" / "_plans.md").read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("reps", ["unknown", "left"])
def test_a_role_is_held_by_who_is_there_and_unknown_is_not_nobody(tmp_path: Path, reps: str) -> None:
    data = Path(shutil.copytree(ROOT / "data" / "sample", tmp_path / "company"))
    people = pd.read_parquet(data / "reps.parquet")
    engineers = people["role"] == "solution_engineer"
    if reps == "unknown":
        (data / "reps.parquet").unlink()
    else:
        left = people["end_date"].mask(engineers, people["start_date"].max())
        people.assign(end_date=left).to_parquet(data / "reps.parquet")
    run = laid(tmp_path, data, "2026Q3", "2026-09-30")
    calculator.write(tmp_path, [run], ALLOWED, runs=tmp_path, root=tmp_path)
    plans = json.loads((tmp_path / calculator.PLANS).read_text(encoding="utf-8"))
    told = [plan["name"] for plan in plans if plan["title"].endswith("nobody has this role")]
    assert told == ([] if reps == "unknown" else ["customer_success", "development_rep", "solution_engineer"])


def test_the_french_edition_tells_plans_and_calculator_in_french(tmp_path: Path) -> None:
    run = laid(tmp_path, ROOT / "data" / "sample", "2026Q3", "2026-09-30")
    (tmp_path / "fr").mkdir()
    calculator.write(tmp_path / "fr", [run], ALLOWED, runs=tmp_path, root=tmp_path)
    said = unescape((tmp_path / "fr" / "reference" / "_plans.fr.md").read_text(encoding="utf-8"))
    assert "Les plans en vigueur au 30/09/2026." in said and "### Commercial : affaires gagnées" in said.replace("\xa0", " ")
    assert re.search(r"\| affaires gagnées \| de 0.% à 100.% du quota \| 6,50.% \| 650,00 EUR pour 10\s000 EUR vendus \|", said)
    assert not re.search(r"\b(?:the|and|of|pays|quarter|credits of)\b", said)
    assert "besoin de JavaScript" in (tmp_path / "fr" / "reference" / "_earn.fr.md").read_text(encoding="utf-8")
    pages = tmp_path / "built"
    (pages / "_static").mkdir(parents=True)
    (pages / "earn.html").write_text('<div class="earn-calculator docutils">\n<p>x</p>\n</div>', encoding="utf-8")
    calculator.put(tmp_path / "fr", pages)
    page = (pages / "earn.html").read_text(encoding="utf-8")
    plans, words = (json.loads(unescape(re.findall(rf'data-{name}="([^"]*)"', page)[0])) for name in ("plans", "words"))
    assert ">Fonction</label>" in page and words["This deal pays {}"] == "Cette affaire rapporte {}"
    assert plans[0]["left_out"] == ["le SPIF nouveaux clients PME (SMB)", "l’avance récupérable"]
    assert [one["told"] for one in plans[0]["components"][0]["payable"]] == ["à la commande", "3 mois après la commande"]


def test_every_text_of_the_calculator_has_its_french_words_with_the_same_gaps() -> None:
    script = (ROOT / "revops_lib" / "site" / "earn.js").read_text(encoding="utf-8")
    shown = script[script.index("// --- the page") :]
    texts = {*re.findall(r'say\(\s*"([^"]+)"', shown), *re.findall(r'(?<![\w`])"([A-Z][a-z]+ [^"]*)"', shown)}
    assert len(texts) > 50 and sorted(texts - FRENCH.keys()) == []
    assert [text for text, said in FRENCH.items() if text.count("{}") != said.count("{}")] == []
