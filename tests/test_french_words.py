"""What French readers of the playbook read: values of the CRM as the CRM shows them, and one fact in one number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from revops_lib.pages import names, read
from revops_lib.site import catalogues

PLAYBOOK = Path(__file__).resolve().parent.parent / "playbook"
VALUES = {"Découverte": "Discovery", "Proposition": "Proposal", "Négociation": "Negotiation", "Contractualisation": "Contracting",
          "nouveau": "new", "extension": "expansion", "renouvellement": "renewal"}  # fmt: skip


def said(page: str) -> dict[str, str]:
    return {english: text.replace("\xa0", " ") for english, text in catalogues.words(page, PLAYBOOK).items()}


@pytest.mark.parametrize("page", catalogues.translated(PLAYBOOK))
def test_a_stage_or_a_type_in_french_keeps_the_value_of_the_crm(page: str) -> None:
    value = rf"\[?({'|'.join(VALUES)})\b(?:\]\([^)]*\))?( \([^)]*\))?"
    for text in said(page).values():
        found = re.findall(rf"(?:\btype :|[Éé]tape(?: à)?|^) ?{value}", text if re.search(r"type :|tape ", text) else "")
        assert [one for one, crm in found if crm != f" ({VALUES[one]})"] == [], text


def test_what_a_crm_asks_for_is_named_as_it_names_it() -> None:
    cells = {"process": ["Discovery", "Proposal", "Negotiation", "Contracting", "competitor", "no decision", "no budget", "price"],
             "sell/renewals": ["new", "renewal", "expansion"]}  # fmt: skip
    for page, values in cells.items():
        assert {value: said(page)[value].endswith(f"({value})") for value in values} == dict.fromkeys(values, True)
    assert said("sell/renewals")["renewal and expansion"] == "renouvellement (renewal) et extension (expansion)"


def test_the_chance_to_sign_is_one_number() -> None:
    close, process = (read(name, PLAYBOOK).text for name in ("sell/close", "process"))
    assert "[[bottlenecks.funnel.win_rate step=Contracting]]" in close and "bottlenecks.conversion" not in close
    assert "[[bottlenecks.funnel.win_rate step=Contracting]]" in process


def test_days_of_work_have_one_name() -> None:
    assert [name for name in names(PLAYBOOK) if "business day" in read(name, PLAYBOOK).text] == []
