"""A drafted mapping: what is not marked is right, what is marked can be decided, and then it imports."""

from __future__ import annotations

import csv
import datetime as dt
import os
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import openpyxl
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from test_mappings import AS_OF, CRMS, FAMILIES, assert_told, expected_opportunities

from revops_lib import sources
from revops_lib.errors import DataRefused, RevopsError, UsageError
from revops_lib.sources.draft import draft
from revops_lib.sources.draft.yamltext import flow, plain, wrapped
from revops_lib.sources.mapping import fold, read_mapping

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("REVOPS_SHARED", ROOT.parent / "shared")) / "data"
KNOWN = sorted((ROOT / "data" / "mappings").glob("*.yml"))
SHEET = [ROOT / "data" / "mappings" / "spreadsheet.yml"]
CRM_MAPPING = ROOT / "data" / "mappings" / "crm_opportunities.yml"
MARK = "# unsure:"


def written(folder: Path, **files: str) -> Path:
    """A folder with one CSV per keyword."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def mapping_of(text: str, tmp_path: Path) -> dict:
    """What the text says, after it was found to be a valid mapping."""
    path = tmp_path / "mapping.yml"
    path.write_text(text, encoding="utf-8")
    read_mapping(path)
    return yaml.safe_load(text)


def columns(text: str, table: str = "opportunities") -> dict[str, str]:
    entry = yaml.safe_load(text)["tables"][table]
    return entry["columns"] if isinstance(entry, dict) else entry[0]["columns"]


def line_of(text: str, begin: str) -> str:
    """The one line whose content begins so, a # in the first column disregarded."""
    found = [line for line in text.splitlines() if line.lstrip("#").strip().startswith(begin)]
    assert len(found) == 1, (begin, found)
    return found[0]


def taken_in(text: str, begin: str, replace: tuple[str, str] = ("", "")) -> str:
    """The text with the # of one line taken away."""
    line = line_of(text, begin)
    assert line.startswith("#")
    return text.replace(line, line.removeprefix("#").replace(*replace))


def certain(text: str) -> Iterator[tuple[str, str, str]]:
    """Table, canonical column and header of every line without a mark; a table with a mark has none."""
    kept = [line for line in text.splitlines() if not re.match(rf" {{6,}}\w+: .*{MARK}", line)]
    content = yaml.safe_load("\n".join(re.sub(rf"file: .*{MARK}.*", "file: null", line) for line in kept))
    for table, entries in content["tables"].items():
        for entry in entries if isinstance(entries, list) else [entries]:
            for part in ("columns", "fields") if entry["file"] else ():
                yield from ((table, target, header) for target, header in (entry.get(part) or {}).items())


def spelled(mapping: Path) -> dict[tuple[str, str], set[str]]:
    """What a shipped mapping calls the columns of each table, folded."""
    found: dict[tuple[str, str], set[str]] = {}
    for one in read_mapping(mapping).tables:
        for target, names in {**one.columns, **one.fields}.items():
            found.setdefault((one.table, target), set()).update(map(fold, names))
    return found


def imported(text: str, export: Path, tmp_path: Path, name: str = "to", **options: object) -> Path:
    path = tmp_path / f"{name}.yml"
    path.write_text(text, encoding="utf-8")
    sources.import_export(path, export, tmp_path / name, **options)
    return tmp_path / name


DEALS = """Deal ID,Deal,Amount,Stage,Created,Close date,Owner
D-1,Roof,100.50,Talk,2026-01-10,2026-06-30,Ann
D-2,Door,200.00,Offer,2026-01-11,2026-06-30,Bob
D-3,Wall,300.00,Won,2026-01-12,2026-02-01,Ann
D-4,Gate,0,Lost,2026-01-13,2026-02-02,Bob
D-5,Path,70.00,Offer,2026-01-14,2026-07-31,Bob
"""


# --- the public CRM export ------------------------------------------------------------------------------------------


def same_as_shipped(text: str, export: Path, crm: Path, tmp_path: Path) -> None:
    """The opportunities of the draft, after they were found equal to those of the shipped mapping in what both map.

    Currency and time zone of the company are marked in the draft; the shipped ones are put there, as its reader would.
    """
    shipped = CRM_MAPPING.read_text(encoding="utf-8")
    for key in ("currency", "timezone"):
        line = next(line for line in text.splitlines() if line.startswith(f"{key}: "))
        assert MARK in line
        text = text.replace(line, next(line for line in shipped.splitlines() if line.startswith(f"{key}: ")))
    ours = sources.read_table(imported(text, export, tmp_path), "opportunities")
    theirs = sources.read_table(crm, "opportunities")
    both = ["currency", "status", *(target for target in columns(text) if target in columns(shipped))]
    assert len(ours) == 8800 and {"opportunity_id", "amount", "stage", "close_date", "created_at"} <= set(both)
    pd.testing.assert_frame_equal(ours[both], theirs[both])


def test_a_draft_of_the_public_export_imports_as_it_is(crm_export, crm, tmp_path):
    text = draft([crm_export], known=KNOWN)
    content = mapping_of(text, tmp_path)
    shipped = yaml.safe_load(CRM_MAPPING.read_text(encoding="utf-8"))
    assert "???" not in text.split("\n\n", 1)[1]
    assert content["stages"] == shipped["stages"]
    assert set(content["tables"]) == set(shipped["tables"])
    assert {target for table, target, _ in certain(text) if table == "opportunities"} == set(
        shipped["tables"]["opportunities"]["columns"]
    )
    assert "data_dictionary.csv" in text.partition("# Not used:")[2]
    same_as_shipped(text, crm_export, crm, tmp_path)


def test_what_is_not_marked_is_right_without_the_mapping_of_that_export(crm_export, tmp_path):
    text = draft([crm_export], known=[path for path in KNOWN if path != CRM_MAPPING])
    truth = spelled(CRM_MAPPING)
    found = list(certain(text))
    assert found and [one for one in found if fold(one[2]) not in truth[one[:2]]] == []
    assert MARK in line_of(text, "created_at: engage_date")
    mapping_of(text, tmp_path)


def test_without_any_known_mapping_a_draft_still_imports(crm_export, crm, tmp_path):
    text = draft([crm_export], known=[])
    truth = spelled(CRM_MAPPING)
    assert [one for one in certain(text) if fold(one[2]) not in truth[one[:2]]] == []
    text = re.sub(rf"(stage: (?:Engaging|Prospecting), .*)  {MARK}.*", r"\1", text)
    assert "the only column of numbers" in line_of(text, "amount: close_value")
    text = taken_in(text, "owner_id: ???", ("???", "sales_agent"))
    same_as_shipped(text, crm_export, crm, tmp_path)


def test_a_french_export_is_drafted_alike(crm_export, crm, tmp_path):
    """The same deals as a French spreadsheet program writes them: cp1252, semicolons, decimal commas, the day first."""
    folder = tmp_path / "export"
    folder.mkdir()
    for path in sorted(crm_export.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        amounts = [i for i, name in enumerate(rows[0]) if name in ("close_value", "sales_price", "revenue")]
        for row in rows[1:]:
            for i, cell in enumerate(row):
                if re.fullmatch(r"\d{4}-\d\d-\d\d", cell):
                    row[i] = dt.date.fromisoformat(cell).strftime("%d/%m/%Y")
                elif i in amounts and cell:
                    row[i] = f"{float(cell):,.2f}".replace(",", "\u00a0").replace(".", ",")
        with (folder / path.name).open("w", encoding="cp1252", newline="") as file:
            csv.writer(file, delimiter=";", lineterminator="\r\n").writerows(rows)
    text = draft([folder], known=KNOWN)
    assert all(line.startswith("#") and MARK in line for line in text.splitlines() if "profile: {encoding: cp1252}" in line)
    assert "decide;" not in text
    same_as_shipped(text, folder, crm, tmp_path)


# --- exports of every CRM, as the tests of the shipped mappings write them -------------------------------------------


def laid(name: str, folder: Path) -> Path:
    """The export of a family, and what of it is imported."""
    family = FAMILIES[name]
    folder.mkdir()
    for member, (rows, names) in family.files.items():
        family.write(
            folder / member, [{c: family.style(row[key]) for c, key in names.items()} for row in rows(CRMS[family.crm])]
        )
    return folder / family.source


@pytest.mark.parametrize(
    "name",
    ["salesforce, french report of history", "hubspot, api with dates of stages", "dynamics, view", "pipedrive, api"],
)  # fmt: skip
def test_a_draft_of_a_known_crm_imports_as_it_is(name, tmp_path):
    family = FAMILIES[name]
    export = laid(name, tmp_path / "export")
    text = draft([export], known=KNOWN)
    assert ": ???" not in text
    # The three settings of the company that no file tells; each is marked.
    for written_, meant in (
        ("timezone: UTC  #", "timezone: Europe/Paris  #"),
        ("timezone: UTC}", f"timezone: {family.timezone}}}"),
    ):
        assert all(MARK in line for line in text.splitlines() if written_ in line)
        text = text.replace(written_, meant)
    to = imported(text, export, tmp_path, as_of=AS_OF, named=True)
    read, expected = sources.read_table(to, "opportunities"), expected_opportunities(CRMS[family.crm], family)
    # Stages keep the names that the company gave them.
    assert_told(read.drop(columns="stage"), expected.drop(columns="stage"), family.lacks)
    assert set(sources.read_dataset(to)["tracked"]) == set(family.fields)


@pytest.mark.parametrize(
    "name",
    ["salesforce, data loader", "hubspot, fivetran with stages entered", "dynamics, view", "pipedrive, api",
     "spreadsheet, american csv"],
)  # fmt: skip
def test_what_is_not_marked_is_right_for_a_crm_nobody_has_mapped(name, tmp_path):
    own = ROOT / "data" / "mappings" / f"{FAMILIES[name].crm}.yml"
    text = draft([laid(name, tmp_path / "export")], known=[path for path in KNOWN if path != own])
    truth = spelled(own) | {("opportunities", "created_at"): spelled(own)["opportunities", "created_at"] | {"createdat"}}
    found = list(certain(text))
    assert len(found) >= 3
    assert [one for one in found if fold(one[2]) not in truth.get(one[:2], set())] == []


@pytest.mark.parametrize("crm", ["salesforce", "hubspot"])
def test_the_seeds_of_a_loader_are_drafted(crm, tmp_path):
    folder = SHARED / f"{crm}_fivetran_seeds"
    if not folder.is_dir():
        pytest.skip(f"seeds not found at {folder}; set REVOPS_SHARED")
    text = draft([folder], known=KNOWN)
    truth = spelled(ROOT / "data" / "mappings" / f"{crm}.yml")
    assert [one for one in certain(text) if fold(one[2]) not in truth[one[:2]]] == []
    content = mapping_of(text, tmp_path)
    assert {"opportunities", "accounts", "reps", "contacts"} <= set(content["tables"])
    assert MARK in text and "# not mapped:" in text and "# Not used:" in text
    to = imported(text, folder, tmp_path, as_of=AS_OF)
    entries = sources.read_dataset(to)["files"]
    assert all(entry["read"] == entry["accepted"] + entry["quarantined"] for entry in entries)
    without = draft([folder], known=[path for path in KNOWN if path.stem != crm])
    assert [one for one in certain(without) if fold(one[2]) not in truth.get(one[:2], set())] == []


# --- columns ---------------------------------------------------------------------------------------------------------


def test_a_name_much_alike_is_proposed_with_a_mark(tmp_path):
    text = draft(
        [written(tmp_path / "x", deals=DEALS.replace("Close date", "Closing dates").replace("Amount", "Amounts"))], known=SHEET
    )
    assert columns(text)["close_date"] == "Closing dates" and columns(text)["amount"] == "Amounts"
    assert "much like 'Closing date'" in line_of(text, "close_date:") and MARK in line_of(text, "amount:")
    assert MARK not in line_of(text, "opportunity_id:") and MARK not in line_of(text, "stage: Stage")


def test_values_tell_what_a_name_does_not(tmp_path):
    deals = "Deal ID,Montante,Wohin,Wer,Code,Stufe\nD-1,100.50,Acme,U1,EUR,Offer\nD-2,20.00,Bolt,U2,EUR,Won\nD-3,30.00,Acme,U1,EUR,Lost\n"
    accounts = "Account ID,Name,Industry,Country\nAcme,Acme Ltd,Steel,FR\nBolt,Bolt AG,Steel,DE\n"
    reps = "Rep ID,Name,Role,Team,Region\nU1,One,AE,North,EMEA\nU2,Two,AE,North,EMEA\n"
    contacts = "Contact ID,Name,Phone,Title,Where,AccountX\nC1,A,,CEO,a@acme.example,Acme\nC2,B,,CFO,b@bolt.example,Bolt\n"
    text = draft([written(tmp_path / "x", deals=deals, accounts=accounts, reps=reps, contacts=contacts)], known=SHEET)
    found = columns(text)
    assert {target: found[target] for target in ("account_id", "owner_id", "currency", "stage", "amount")} == {
        "account_id": "Wohin", "owner_id": "Wer", "currency": "Code", "stage": "Stufe", "amount": "Montante"}  # fmt: skip
    assert "ids of accounts.csv" in line_of(text, "account_id: Wohin") and "ids of reps.csv" in line_of(text, "owner_id: Wer")
    assert "currency codes" in line_of(text, "currency: Code") and MARK in line_of(text, "stage: Stufe")
    assert columns(text, "contacts")["email"] == "Where" and "e-mail" in line_of(text, "email: Where")
    to = imported(text, tmp_path / "x", tmp_path, as_of=AS_OF)
    assert sources.read_table(to, "opportunities")["account_id"].tolist() == ["Acme", "Bolt", "Acme"]


def test_a_doubtful_header_feeds_one_column(tmp_path):
    deals = DEALS.replace("Owner", "Account owner").replace("Stage", "Stage name").replace("Deal ID", "opportunity_id")
    for known in ([], KNOWN):
        text = draft([written(tmp_path / "x", deals=deals)], known=known)
        entry = list(columns(text).values())
        assert len(entry) == len(set(entry))
        assert entry.count("Account owner") <= 1 and entry.count("Stage name") == 1


def test_a_name_that_known_mappings_read_differently_is_marked(tmp_path):
    one = "name: {}\ncurrency: EUR\ntimezone: UTC\nfiscal_year_end: DEC\ntables:\n  contacts:\n    file: people\n"
    one += "    columns: {{contact_id: Key, {}: Label, '{}?': Other, 'phone?': Fon, 'email?': Mail}}\n"
    for name, first, second in (("a", "title", "name"), ("b", "name", "title")):
        (tmp_path / f"{name}.yml").write_text(one.format(name, first, second), encoding="utf-8")
    people = written(tmp_path / "x", people="Label,Mail,Fon,Nr\nA,a@x.example,1,7\nB,b@x.example,2,8\n")
    text = draft([people], known=[tmp_path / "a.yml", tmp_path / "b.yml"])
    assert "reads it as" in "".join(line for line in text.splitlines() if ": Label" in line)


def test_a_known_name_with_other_values_is_not_taken_silently(tmp_path):
    deals = DEALS.replace("2026-06-30", "soon").replace("2026-07-31", "later").replace("Owner", "Forecast category")
    text = draft([written(tmp_path / "x", deals=deals)], known=SHEET)
    assert "2 of 4 values can be read as a day" in line_of(text, "close_date: Close date")
    assert line_of(text, "forecast_category:").startswith("#") and "0 of 2 values" in line_of(text, "forecast_category:")
    mapping_of(text, tmp_path)


def test_a_list_of_words_with_an_unknown_one_is_left_out_of_the_import(tmp_path):
    words = "commit,pipeline,omitted,closed,hopeful".split(",")
    deals = "Deal ID,Amount,Stage,Close date,Forecast category\n" + "".join(
        f"D-{i},1.50,Offer,2026-01-31,{word}\n" for i, word in enumerate(words)
    )
    text = draft([written(tmp_path / "x", deals=deals)], known=SHEET)
    line = line_of(text, "forecast_category:")
    assert line.startswith("#") and "4 of 5 values can be read as one of pipeline" in line
    imported(text, tmp_path / "x", tmp_path, as_of=AS_OF)


def test_what_a_known_mapping_says_besides_columns_is_taken_over(tmp_path):
    accounts = "Id,Name,Industry,MasterRecordId,IsDeleted\n001A,Acme,Steel,,false\n001B,Acme Ltd,Steel,001A,true\n"
    splits = "OpportunityId,SplitOwnerId,SplitPercentage,SplitType__MasterLabel\n006A,005A,60,Revenue\n006A,005B,40,Revenue\n"
    folder = written(tmp_path / "x", Account=accounts, OpportunitySplit=splits)
    text = draft([folder], known=[ROOT / "data" / "mappings" / "salesforce.yml"])
    content = mapping_of(text, tmp_path)["tables"]
    assert content["account_merges"]["columns"] == {"old_id": "Id", "new_id": "MasterRecordId"}
    assert content["accounts"]["skip"]["IsDeleted"] == ["1", "true"] and content["credits"]["percent"] == ["share"]
    to = imported(text, folder, tmp_path, as_of=AS_OF)
    assert sources.read_table(to, "account_merges")[["old_id", "new_id"]].to_numpy().tolist() == [["001B", "001A"]]
    assert sources.read_table(to, "accounts")["account_id"].tolist() == ["001A"]
    assert sources.read_table(to, "credits")["share"].tolist() == [0.6, 0.4]


def test_a_column_by_which_others_leave_rows_out_is_offered(tmp_path):
    deals = DEALS.replace("Owner", "Owner,IsDeleted").replace(",Ann", ",Ann,false").replace(",Bob", ",Bob,true")
    text = draft([written(tmp_path / "x", deals=deals)], known=KNOWN)
    assert len(sources.read_table(imported(text, tmp_path / "x", tmp_path), "opportunities")) == 5
    to = imported(taken_in(text, "skip:"), tmp_path / "x", tmp_path, "without")
    assert sources.read_table(to, "opportunities")["opportunity_id"].tolist() == ["D-1", "D-3"]


def test_a_file_without_rows_is_drafted_by_its_names(tmp_path):
    text = draft([written(tmp_path / "x", deals=DEALS.splitlines()[0] + "\n")], known=SHEET)
    content = mapping_of(text, tmp_path)
    assert len(content["tables"]["opportunities"]["columns"]) == 7
    assert [stage["status"] for stage in content["stages"]] == ["open", "won", "lost"] and MARK in line_of(text, "stages:")


def test_references_that_lead_nowhere_are_marked_and_respelled(tmp_path):
    deals = DEALS.replace("Owner", "Owner,Product").replace(",Ann", ",Ann,GTXPro").replace(",Bob", ",U9,GTX Pro")
    products = "Product ID,Product Name,Family\nGTX Pro,GTX Pro,GTX\nMG,MG Special,MG\n"
    reps = "Rep ID,Name,Role,Team\nU1,One,AE,North\nU2,Two,AE,North\n"
    text = draft([written(tmp_path / "x", deals=deals, products=products, reps=reps)], known=SHEET)
    assert "few of its values are in reps.csv" in line_of(text, "owner_id: Owner")
    assert "GTXPro: GTX Pro" in line_of(text, "product_id: {") and "as products.csv writes it" in line_of(text, "product_id: {")


def test_what_is_missing_is_asked_for_and_can_be_filled_in(tmp_path):
    text = draft(
        [
            written(
                tmp_path / "x",
                deals="Deal,Amount,Stage,Close date,Kennung\nA,1.50,Offer,2026-01-31,K1\nB,2.50,Won,2026-02-01,K2\n",
            )
        ],
        known=SHEET,
    )
    line = line_of(text, "opportunity_id: ???")
    assert "needed for every row" in line and line.startswith("#")
    assert "needed for the age of deals" in line_of(text, "created_at: ???")
    path = tmp_path / "incomplete.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="opportunity_id"):
        read_mapping(path)
    to = imported(taken_in(text, "opportunity_id: ???", ("???", "Kennung")), tmp_path / "x", tmp_path)
    assert sources.read_table(to, "opportunities")["opportunity_id"].tolist() == ["K1", "K2"]


def test_columns_nobody_reads_are_listed_and_offered(tmp_path):
    deals = (
        DEALS.replace("Owner", "Owner,Next step,Void,Next step 2,,Twice,Twice")
        .replace(",Ann", ",Ann,call,,x,y,1,2")
        .replace(",Bob", ",Bob,mail,,x,y,1,2")
    )
    text = draft([written(tmp_path / "x", deals=deals)], known=SHEET)
    assert "Next step, Next step 2, column 11 without a name, Twice, Twice" in text
    assert "# not mapped, and empty: Void" in text
    assert line_of(text, "extra:") == "#    extra: [Next step, Next step 2]"
    to = imported(taken_in(text, "extra:"), tmp_path / "x", tmp_path)
    assert sources.read_table(to, "opportunities")["Next step"].tolist() == ["call", "mail", "call", "mail", "mail"]


# --- stages ----------------------------------------------------------------------------------------------------------


def staged(tmp_path: Path, rows: list[tuple], header: str = "Stage") -> tuple[list[dict], str]:
    """The stages of a draft, and its text; `rows` are what follows the id of each deal."""
    lines = [f"Deal ID,Amount,Close date,{header}"]
    lines += [f"D-{i},1.50,2026-01-31,{','.join(map(str, row))}" for i, row in enumerate(rows)]
    text = draft([written(tmp_path / "x", deals="\n".join(lines) + "\n")], known=SHEET)
    return mapping_of(text, tmp_path)["stages"], text


def test_a_stages_name_tells_how_it_ends(tmp_path):
    won = ["Closed won", "Fermé gagné", "Affaire gagnée", "Gewonnen", "Won!"]
    lost = ["Closed/Lost", "Fermée perdue", "Verloren"]
    unclear = ["Wonder", "Won or lost", "Xyz"]
    stages, text = staged(tmp_path, [(name,) for name in won + lost + unclear])
    assert {stage["stage"]: stage["status"] for stage in stages} == {
        **dict.fromkeys(won, "won"), **dict.fromkeys(lost, "lost"), **dict.fromkeys(unclear, "open")}  # fmt: skip
    assert [name for name in won + lost + unclear if MARK in line_of(text, f"- {{stage: {name},")] == unclear


def test_flags_tell_how_a_stage_ends_whatever_its_name(tmp_path):
    rows = [("Alpha", "false", "false"), ("Beta", "true", "true"), ("Gamma", "false", "true"), ("Lost cause", "true", "true")]
    stages, text = staged(tmp_path, rows, "Stage,IsWon,IsClosed")
    assert {stage["stage"]: stage["status"] for stage in stages} == {
        "Alpha": "open",
        "Beta": "won",
        "Lost cause": "won",
        "Gamma": "lost",
    }
    assert MARK not in line_of(text, "- {stage: Beta") and "its name says lost" in line_of(text, "- {stage: Lost cause")


def test_a_stage_that_does_not_tell_how_deals_ended_gives_way_to_the_status(tmp_path):
    rows = [("Talk", "open"), ("Talk", "won"), ("Talk", "lost"), ("Offer", "open"), ("Offer", "won")]
    stages, text = staged(tmp_path, rows, "Stage,Status")
    assert columns(text)["stage"] == "Status" and line_of(text, "stage: Stage").startswith("#")
    assert {stage["stage"]: stage["status"] for stage in stages} == {"open": "open", "won": "won", "lost": "lost"}
    to = imported(text, tmp_path / "x", tmp_path)
    assert sources.read_table(to, "opportunities")["status"].tolist() == [status for _, status in rows]


def test_stages_are_ordered_by_probability_else_by_frequency(tmp_path):
    rows = [("Zeta", 20), ("Zeta", 20), ("Alpha", 60), ("Alpha", 60), ("Alpha", 80), ("Won", 100), ("Lost", 0)]
    stages, text = staged(tmp_path, rows, "Stage,Probability")
    assert [stage["stage"] for stage in stages] == ["Zeta", "Alpha", "Won", "Lost"]
    assert [stage.get("probability") for stage in stages] == [0.2, None, 1.0, 0.0]
    assert "order" not in line_of(text, "stages:")
    stages, text = staged(tmp_path, [row[:1] for row in rows])
    assert [stage["stage"] for stage in stages] == ["Alpha", "Zeta", "Won", "Lost"]
    assert "order; by frequency" in line_of(text, "stages:")
    assert [stage["position"] for stage in stages] == [1, 2, 3, 4]


def test_a_column_of_too_many_stages_is_named(tmp_path):
    stages, text = staged(tmp_path, [(f"step {i}",) for i in range(57)] + [("Won",)] * 2)
    assert len(stages) == 40 and "18 more are not listed" in text
    assert text.count(MARK) > 40


def test_stages_that_only_the_history_has_are_listed(tmp_path):
    log = "Deal ID,Changed at,Field,Old value,New value\nD-1,2026-01-10 10:00,Stage,,Early\nD-1,2026-01-20 10:00,Stage,Early,Talk\nD-2,2026-01-11 10:00,Amount,1.00,2.00\n"
    text = draft([written(tmp_path / "x", deals=DEALS, history=log)], known=SHEET)
    stages = [stage["stage"] for stage in mapping_of(text, tmp_path)["stages"]]
    assert "Early" in stages and "2.00" not in stages
    to = imported(text, tmp_path / "x", tmp_path)
    assert sources.read_dataset(to)["tracked"] == ["stage", "amount"]


# --- numbers and dates of two readings -------------------------------------------------------------------------------


AMBIGUOUS = (
    "Deal ID,Amount,Stage,Created,Close date\nD-1,1.234,Offer,03/04/2026,05/06/2026\nD-2,2.500,Won,04/04/2026,07/06/2026\n"
)


@pytest.mark.parametrize(
    ("said", "amount", "day"),
    [
        ("decimal: ',', date_format: '%d/%m/%Y'", "1234.00", "2026-06-05"),
        ("decimal: ',', date_format: '%m/%d/%Y'", "1234.00", "2026-05-06"),
    ],
)
def test_numbers_and_dates_of_two_readings_are_asked_about_with_an_example(said, amount, day, tmp_path):
    export = written(tmp_path / "x", deals=AMBIGUOUS)
    text = draft([export], known=SHEET)
    lines = [line for line in text.splitlines() if "profile:" in line]
    assert len(lines) == 4 and all(line.startswith("#") and f"{MARK} decide;" in line for line in lines)
    assert "'Amount' '1.234' is 1234" in lines[0] and "'Amount' '1.234' is 1.234" in lines[3]
    assert "'Close date' '07/06/2026' is 7 June 2026" in lines[0] and "'Close date' '07/06/2026' is 6 July 2026" in lines[1]
    with pytest.raises(DataRefused, match="AMBIGUOUS"):
        imported(text, export, tmp_path)
    deals = sources.read_table(imported(taken_in(text, f"profile: {{{said}}}"), export, tmp_path), "opportunities")
    assert str(deals["amount"][0]) == amount and str(deals["close_date"][0])[:10] == day


@pytest.mark.parametrize(
    ("first", "second", "said", "day"),
    [
        ("45000", "45031", "date_format: excel-1900", "2023-03-15"),
        ("45000", "45031", "date_format: excel-1904", "2027-03-16"),
        ("03.04.26", "04.04.26", "date_format: '%d.%m.%y'", "2026-04-03"),
        ("03/04/2026 10:30", "04/04/2026 11:00", "datetime_format: '%d/%m/%Y %H:%M'", "2026-04-03"),
    ],
)
def test_dates_that_a_format_must_tell(first, second, said, day, tmp_path):
    export = written(tmp_path / "x", deals=f"Deal ID,Amount,Stage,Close date\nD-1,1.50,Offer,{first}\nD-2,2.50,Talk,{second}\n")
    text = draft([export], known=SHEET)
    to = imported(taken_in(text, f"profile: {{{said}}}"), export, tmp_path, as_of=dt.date(2030, 1, 1))
    assert str(sources.read_table(to, "opportunities")["close_date"][0])[:10] == day


def test_what_the_file_itself_decides_is_not_asked(tmp_path):
    export = written(
        tmp_path / "x",
        deals=AMBIGUOUS.replace("2.500", "2.500,75")
        .replace("07/06/2026", "25/06/2026")
        .replace(",", ";")
        .replace(";75", ",75"),
    )
    text = draft([export], known=SHEET)
    assert "profile:" not in text
    assert sources.read_table(imported(text, export, tmp_path), "opportunities")["amount"].astype("str").tolist() == [
        "1234.00",
        "2500.75",
    ]


def test_a_column_of_two_notations_is_named(tmp_path):
    text = draft([written(tmp_path / "x", deals=DEALS.replace("100.50", '"1,5"'))], known=SHEET)
    assert "writes the decimal point and the decimal comma" in text and "profile: {" not in text


# --- the company -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code", "doubt"),
    [
        (("Amount,", "Amount,"), "EUR", "no value says it"),
        (("Amount,", "Amount (CHF),"), "CHF", ""),
        (("100.50", "£100.50"), "EUR", "no value says it"),  # pounds of several countries
        (("100.50", "100.50 US$"), "USD", ""),
        ((",Owner\n", ",Currency\n"), "GBP", ""),
    ],
)
def test_the_currency_is_what_the_values_say(change, code, doubt, tmp_path):
    deals = DEALS.replace(*change).replace(",Ann", ",GBP").replace(",Bob", ",GBP")
    text = draft([written(tmp_path / "x", deals=deals)], known=SHEET)
    line = (
        line_of(text, "currency: " + code)
        if ",Owner\n" not in change
        else next(x for x in text.splitlines() if x.startswith("currency:"))
    )
    assert line.startswith(f"currency: {code}  #") and (doubt or MARK) in line if doubt else MARK not in line


def test_what_no_file_tells_of_the_company_is_marked(tmp_path):
    text = draft([written(tmp_path / "x", deals=DEALS)], known=SHEET)
    for begin in ("timezone: UTC", "fiscal_year_end: DEC"):
        assert MARK in line_of(text, begin)


# --- files -----------------------------------------------------------------------------------------------------------


def test_workbooks_databases_and_other_files(tmp_path):
    rows = list(csv.reader(DEALS.splitlines()))
    folder = tmp_path / "x"
    folder.mkdir()
    book = openpyxl.Workbook()
    book.active.title = "Deals"
    for row in [
        rows[0],
        *([a, b, float(c), d, dt.date.fromisoformat(e), dt.date.fromisoformat(f), g] for a, b, c, d, e, f, g in rows[1:]),
    ]:
        book["Deals"].append(row)
    book.create_sheet("Notes").append(["nothing"])
    book.create_sheet("Empty")
    book.save(folder / "book.xlsx")
    with duckdb.connect(str(folder / "crm.duckdb")) as engine:
        engine.execute("CREATE SCHEMA s; CREATE TABLE s.reps AS SELECT 'Ann' AS \"Rep ID\", 'Ann A' AS Name, 'AE' AS Role")
    text = draft([folder], known=SHEET)
    content = mapping_of(text, tmp_path)
    assert (content["tables"]["opportunities"]["file"], content["tables"]["opportunities"]["sheet"]) == ("book.xlsx", "Deals")
    assert content["tables"]["reps"]["file"] == "s.reps"
    assert "book.xlsx#Empty" in text.partition("# Not read:")[2] and "book.xlsx#Notes" in text.partition("# Not used:")[2]
    deals = sources.read_table(imported(text, folder, tmp_path), "opportunities")
    assert deals["amount"].astype("str").tolist() == ["100.50", "200.00", "300.00", "0.00", "70.00"]
    alone = draft([folder / "book.xlsx"], known=SHEET)
    assert sources.read_table(imported(alone, folder / "book.xlsx", tmp_path, "alone"), "opportunities").equals(deals)


def test_files_of_one_table_are_joined_or_named(tmp_path):
    header, *rows = DEALS.splitlines()
    parts = {"deals_2025": rows[:3], "deals_2026": rows[3:], "old_deals": rows[:2]}
    folder = written(tmp_path / "x", **{name: "\n".join([header, *some, ""]) for name, some in parts.items()})
    text = draft([folder], known=SHEET)
    assert "old_deals.csv: looks like opportunities, too" in text
    assert "goes on where deals_2025.csv ends" in line_of(text, "- file: deals_2026.csv")
    assert len(sources.read_table(imported(text, folder, tmp_path), "opportunities")) == 5


def test_two_tables_that_a_file_may_be_are_both_named(tmp_path):
    known = "name: {0}\ncurrency: EUR\ntimezone: UTC\nfiscal_year_end: DEC\ntables:\n  {1}:\n    file: y\n    columns: {2}\n"
    a, b = tmp_path / "a.yml", tmp_path / "b.yml"
    a.write_text(known.format("a", "contacts", "{contact_id: Key, name: Label, created_at: Born}"), encoding="utf-8")
    b.write_text(known.format("b", "leads", "{lead_id: Key, source: Label, created_at: Born}"), encoding="utf-8")
    text = draft([written(tmp_path / "x", people="Key,Label,Born\n1,A,2026-01-01\n2,B,2026-01-02\n")], known=[a, b])
    assert re.search(rf"file: people.csv  {MARK} could also be (leads|contacts)", text)


def test_a_table_that_lacks_a_required_column_is_a_comment(tmp_path):
    tickets = "Ticket ID,Priority,Ticket status,Category,Pipeline\nT1,high,open,a,b\nT2,low,open,a,b\n"
    text = draft([written(tmp_path / "x", deals=DEALS, tickets=tickets)], known=SHEET)
    assert "tickets" not in mapping_of(text, tmp_path)["tables"]
    assert line_of(text, "tickets:") == "#  tickets:" and line_of(text, "opened_at: ???").startswith("##")


def test_a_history_of_values_at_each_row_is_drafted_without_its_mapping(tmp_path):
    log = "Deal ID,Changed at,Stage,Owner\nD-1,2026-01-10 10:00,Talk,Ann\nD-1,2026-01-20 10:00,Offer,Bob\nD-2,2026-01-11 10:00,Talk,Bob\n"
    folder = written(tmp_path / "x", deals=DEALS, history=log)
    text = draft([folder], known=SHEET)
    assert yaml.safe_load(text)["tables"]["opportunity_history"]["fields"] == {"stage": "Stage", "owner_id": "Owner"}
    to = imported(text, folder, tmp_path)
    assert sources.read_dataset(to)["tracked"] == ["stage", "owner_id"]


def test_the_same_files_give_the_same_text(tmp_path):
    folder = written(tmp_path / "x", deals=DEALS, reps="Rep ID,Name,Role\nAnn,Ann A,AE\nBob,Bob B,AE\n")
    files = sorted(folder.iterdir())
    assert draft([folder], known=SHEET) == draft(files, known=SHEET) == draft(files[::-1], known=SHEET)


# --- what cannot be drafted ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "kind", "words"),
    [
        ([], UsageError, "no file is named"),
        (["none.csv"], UsageError, "does not exist"),
        (["x/a.csv", "y/b.csv"], UsageError, "several folders"),
        (["x/page.csv"], DataRefused, "E_NOT_CSV"),
        (["x/blank.csv"], DataRefused, "E_EMPTY"),
        (["x/broken.xlsx"], DataRefused, "E_NOT_XLSX"),
        (["x/a.csv"], DataRefused, "no table of an export is recognised"),
        (["z"], DataRefused, "no file that can be read"),
    ],
)
def test_a_refusal_is_one_line(files, kind, words, tmp_path):
    written(tmp_path / "x", a="foo,bar\n1,2\n", page="<html></html>", blank="")
    written(tmp_path / "y", b="foo,bar\n1,2\n")
    (tmp_path / "z").mkdir()
    (tmp_path / "x" / "broken.xlsx").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(RevopsError) as failure:
        draft([tmp_path / file for file in files], known=SHEET)
    assert isinstance(failure.value, kind) and words in str(failure.value) and "\n" not in str(failure.value)


def test_a_damaged_file_beside_the_others_is_named(tmp_path):
    folder = written(tmp_path / "x", deals=DEALS, page="<html></html>")
    text = draft([folder], known=SHEET)
    assert "page.csv: E_NOT_CSV" in text.partition("# Not read:")[2]
    mapping_of(text, tmp_path)
    with pytest.raises(DataRefused, match="E_NOT_CSV"):  # named by itself, it is meant
        draft([folder / "deals.csv", folder / "page.csv"], known=SHEET)


def test_a_draft_that_nobody_has_decided_teaches_nothing(tmp_path):
    folder = written(tmp_path / "x", deals=DEALS.replace("Close date", "Closing dates"))
    first = tmp_path / "first.yml"
    first.write_text(draft([folder], known=SHEET), encoding="utf-8")
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("name: wrong\n", encoding="utf-8")
    again = draft([folder], known=[*SHEET, first, wrong])
    assert MARK in line_of(again, "close_date: Closing dates")
    assert "first.yml: it has lines marked unsure" in again and "wrong.yml: currency is missing" in again
    first.write_text(re.sub(rf"  {MARK}.*", "", first.read_text(encoding="utf-8")), encoding="utf-8")
    assert MARK not in line_of(draft([folder], known=[*SHEET, first]), "close_date: Closing dates")


# --- YAML ------------------------------------------------------------------------------------------------------------

ODD = [
    'Propriétaire: "équipe"',
    " l'affaire",
    "#note",
    "- {a}, [b]",
    "no",
    "1.10",
    "a\nb",
    "tab\there",
    "a\u2028b",
    "&x *y !z",
    "é’",
]


def test_headers_of_any_spelling_read_back(tmp_path):
    rows = [["Deal ID", "Amount", "Stage", "Close date", *ODD], ["D-1", "1.50", "Ge: won, nicht", "2026-01-31", *"abcdefghijk"]]
    folder = tmp_path / "x: y"
    folder.mkdir()
    with (folder / "deals #1.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    text = draft([folder], known=SHEET)
    content = mapping_of(text, tmp_path)
    assert content["tables"]["opportunities"]["file"] == "deals #1.csv" and content["stages"][0]["stage"] == "Ge: won, nicht"
    used = set(columns(text).values())
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("#    extra: ["))
    end = next(i for i in range(at, len(lines)) if lines[i].endswith("]"))
    offered = "\n".join([*lines[:at], *(line.removeprefix("#") for line in lines[at : end + 1]), *lines[end + 1 :]])
    assert set(mapping_of(offered, tmp_path)["tables"]["opportunities"]["extra"]) == set(rows[0]) - used
    imported(offered, folder, tmp_path, as_of=AS_OF)


@given(st.text(min_size=1, max_size=40))
@settings(max_examples=80, deadline=None)
def test_any_text_is_one_line_of_yaml(text):
    assert "\n" not in flow(text) and yaml.safe_load(f"key: {{a: {flow(text)}, b: [{flow(text)}]}}  # {plain(text)}") == {
        "key": {"a": text, "b": [text]}
    }
    assert yaml.safe_load("\n".join(wrapped("key: [", [flow(text)] * 9, "]"))) == {"key": [text] * 9}
