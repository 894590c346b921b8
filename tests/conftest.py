"""Shared by the tests: the public data beside the checkout, and small companies made on the spot."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

# Workers share the cores: threads of linear algebra that wait for each other cost several times what they compute.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pandas as pd
import pytest

from revops_lib import tables

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("REVOPS_SHARED", ROOT.parent / "shared"))

# Imports make pseudonyms: always the same ones, and no key file in anybody's home.
os.environ["REVOPS_PSEUDONYM_KEY"] = "the key of the tests, no secret"

Company = Callable[..., Path]


@pytest.fixture(scope="session")
def crm_export() -> Path:
    """The public CRM export, which is not part of the project."""
    folder = SHARED / "data" / "crm_opportunities"
    if not folder.exists():
        pytest.skip("no public CRM export: put it beside the checkout or name its parent in REVOPS_SHARED")
    return folder


@pytest.fixture(scope="session")
def crm(crm_export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The public CRM export, imported."""
    from revops_lib import sources

    to = tmp_path_factory.mktemp("crm") / "data"
    sources.import_export(ROOT / "data" / "mappings" / "crm_opportunities.yml", crm_export, to)
    return to


@pytest.fixture
def company(tmp_path: Path) -> Company:
    """A function that lays a small company on disk: `company(opportunities=[…], opportunity_history=[…], tracked=[…])`."""

    def lay(
        *, tracked: list[str] | None = None, known_until: str = "2026-12-31", timezone: str = "UTC", **rows: list[dict]
    ) -> Path:
        stages = [
            {"stage": "Talk", "position": 1, "status": "open", "probability": 0.2},
            {"stage": "Offer", "position": 2, "status": "open", "probability": 0.5},
            {"stage": "Won", "position": 3, "status": "won", "probability": 1.0},
            {"stage": "Lost", "position": 4, "status": "lost", "probability": 0.0},
        ]
        frames = {name: tables.conform(name, pd.DataFrame(given)) for name, given in {"stages": stages, **rows}.items()}
        dataset = {
            "name": "small",
            "known_until": known_until,
            "timezone": timezone,
            "fiscal_year_end": "DEC",
            "currency": "EUR",
            "tracked": tracked or [],
            "files": [],
            "aliases": [],
            "quarantined": [],
        }
        folder = tmp_path / f"company-{len(list(tmp_path.glob('company-*')))}"
        tables.write(folder, frames, dataset)
        return folder

    return lay
