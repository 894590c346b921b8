"""The same company exported in France and in the United States: the same tables (and results: test_quarter)."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from revops_lib import cli, sources, tables

ROOT = Path(__file__).resolve().parent.parent
ENGLISH = ROOT / "data" / "mappings" / "crm_opportunities.yml"
FRENCH_HEADERS = {
    "opportunity_id": "Identifiant de l’opportunité", "sales_agent": "Propriétaire", "product": "Produit", "account": "Compte",
    "deal_stage": "Étape", "engage_date": "Date de création", "close_date": "Date de clôture", "close_value": "Montant",
    "sector": "Secteur", "year_established": "Année de création", "revenue": "Chiffre d'affaires", "employees": "Effectif",
    "office_location": "Pays", "subsidiary_of": "Filiale de", "series": "Gamme", "sales_price": "Prix", "manager": "Responsable",
    "regional_office": "Bureau",
}  # fmt: skip
FRENCH_STAGES = {"Prospecting": "Prospection", "Engaging": "Négociation", "Won": "Gagnée", "Lost": "Perdue"}
DATES = ("engage_date", "close_date")


def french(column: str, value: str) -> str:
    """One cell as a French export writes it: 1 054,00 € and 31/12/2017."""
    if not value:
        return value
    if column in DATES:
        year, month, day = value.split("-")
        return f"{day}/{month}/{year}"
    if column in ("close_value", "sales_price", "revenue"):
        return (
            f"{float(value):,.2f}".replace(",", "\u00a0").replace(".", ",") if column != "revenue" else value.replace(".", ",")
        )
    return FRENCH_STAGES.get(value, value) if column == "deal_stage" else value


def american(column: str, value: str) -> str:
    if not value:
        return value
    if column in DATES:
        year, month, day = map(int, value.split("-"))
        return f"{month}/{day}/{year}"
    return f"${float(value):,.2f}" if column in ("close_value", "sales_price") else value


def rewritten(source: Path, to: Path, cell: Callable[[str, str], str], headers: dict[str, str], **dialect: Any) -> Path:
    """The export written again, every cell by `cell`."""
    to.mkdir()
    encoding = dialect.pop("encoding")
    for path in source.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        with (to / path.name).open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file, **dialect)
            writer.writerow([headers.get(name, name) for name in header])
            writer.writerows([[cell(name, value) for name, value in zip(header, row, strict=True)] for row in rows])
    return to


def translated(to: Path, profile: dict[str, str], headers: dict[str, str], stages: dict[str, str]) -> Path:
    """The English mapping with other headers, stages and profile."""
    content = yaml.safe_load(ENGLISH.read_text(encoding="utf-8"))
    content["profile"] = profile
    for table in content["tables"].values():
        for column, names in table["columns"].items():
            several = names if isinstance(names, list) else [names]
            table["columns"][column] = [headers.get(name, name) for name in several]
        table["extra"] = [headers.get(name, name) for name in table.get("extra", [])] or None
    for table in content["tables"].values():
        if table["extra"] is None:
            del table["extra"]
    if stages:
        content["tables"]["opportunities"].setdefault("values", {})["stage"] = {v: k for k, v in stages.items()}
    to.parent.mkdir(exist_ok=True)
    to.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return to


def french_export(export: Path, place: Path) -> tuple[Path, Path]:
    """A mapping, and the export that it reads."""
    profile = {"sep": ";", "encoding": "cp1252", "decimal": ",", "thousands": " ", "date_format": "%d/%m/%Y"}
    mapping = translated(place / "fr.map" / ENGLISH.name, profile, FRENCH_HEADERS, FRENCH_STAGES)
    return mapping, rewritten(export, place / "fr", french, FRENCH_HEADERS, encoding="cp1252", delimiter=";")


def american_export(export: Path, place: Path) -> tuple[Path, Path]:
    profile = {"decimal": ".", "thousands": ",", "date_format": "%m/%d/%Y"}
    mapping = translated(place / "us.map" / ENGLISH.name, profile, {}, {})
    return mapping, rewritten(export, place / "us", american, {}, encoding="utf-8", delimiter=",")


@pytest.mark.whole
def test_a_french_and_an_american_export_give_the_tables_of_the_english_one(crm, crm_export, tmp_path, capsys):
    exports = {"french": french_export(crm_export, tmp_path), "american": american_export(crm_export, tmp_path)}
    for name, (mapping, source) in exports.items():
        sources.import_export(mapping, source, tmp_path / "data" / name)
        for table in ("accounts", "opportunities", "products", "reps"):  # own columns keep the names they have at home
            columns = tables.table(table).names
            read = [sources.read_table(folder, table)[columns] for folder in (tmp_path / "data" / name, crm)]
            assert read[0].equals(read[1]), (name, table)
    assert cli.main(["import", str(ENGLISH), "--from", str(tmp_path / "fr"), "--to", str(tmp_path / "no")]) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and not (tmp_path / "no").exists()
    assert "looked for" in error and "present: " in error and "Produit" in error


@pytest.mark.parametrize(("cell", "column"), [(french, "close_date"), (american, "engage_date")])
def test_without_a_declared_format_the_same_dates_are_read_where_one_decides(crm, crm_export, tmp_path, cell, column):
    headers = FRENCH_HEADERS if cell is french else {}
    source = rewritten(crm_export, tmp_path / "x", cell, headers, encoding="utf-8", delimiter=";")
    stages = FRENCH_STAGES if cell is french else {}
    sources.import_export(translated(tmp_path / "x.yml", {}, headers, stages), source, tmp_path / "to")
    assert sources.read_table(tmp_path / "to", "opportunities").equals(sources.read_table(crm, "opportunities"))


def test_a_single_day_of_such_an_export_is_refused_not_guessed(crm_export, tmp_path, capsys):
    source = rewritten(crm_export, tmp_path / "x", american, {}, encoding="utf-8", delimiter=",")
    lines = (source / "sales_pipeline.csv").read_text(encoding="utf-8").splitlines()
    unclear = [
        line for line in lines[1:] if all(int(part) <= 12 for day in line.split(",")[5:7] if day for part in day.split("/")[:2])
    ]
    (source / "sales_pipeline.csv").write_text("\n".join([lines[0], *unclear, ""]), encoding="utf-8")
    mapping = translated(tmp_path / "x.yml", {}, {}, {})
    assert cli.main(["import", str(mapping), "--from", str(source), "--to", str(tmp_path / "to")]) == 3
    assert "E_DATE_AMBIGUOUS" in capsys.readouterr().err
