"""People in the data: pseudonyms that join, keys that are kept apart, and somebody who is forgotten while every total stays."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import shutil
import stat
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest

from revops_lib import cli, privacy, quality, sources, tables
from revops_lib.errors import DataRefused, UsageError
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
MAPPING = """
name: small
currency: EUR
timezone: UTC
fiscal_year_end: DEC
stages:
  - {stage: Talk, position: 1, status: open}
  - {stage: Won, position: 2, status: won}
tables:
  reps:
    file: reps.csv
    columns: {rep_id: id, name: name, manager_id: boss, team: team}
    extra: [Office, Work E-Mail]
  accounts: {file: accounts.csv, columns: {account_id: id, name: name, owner_id: owner}}
  contacts:
    file: contacts.csv
    columns: {contact_id: id, account_id: account, name: name, email: mail, phone: phone, title: title}
    extra: [Mobile]
  leads: {file: leads.csv, columns: {lead_id: id, created_at: created, owner_id: owner},
          extra: [Email, lead_name, Prénom, Nom, Name, Tel, Company Name, campaign_name]}
  opportunities:
    file: deals.csv
    columns: {opportunity_id: id, owner_id: owner, amount: amount, stage: stage, created_at: created, close_date: closed}
    values: {owner_id: {Jo Long: R-100001}}
    extra: [Seller]
  opportunity_history:
    file: history.csv
    columns: {opportunity_id: id, changed_at: at, field: field, old_value: old, new_value: new, changed_by: by}
  forecast_submissions:
    file: calls.csv
    columns: {quarter: quarter, submitted_at: at, rep_id: rep, category: category, amount: amount, note: note}
  quotas: {file: quotas.csv, columns: {rep_id: rep, quarter: quarter, amount: amount}, constants: {measure: bookings}}
  credits: {file: credits.csv, columns: {opportunity_id: deal, rep_id: rep, share: share, kind: kind}}
  objectives:
    file: objectives.csv
    columns: {rep_id: rep, quarter: quarter, objective: goal, weight: weight, achieved: achieved, decided_by: by}
  disputes: {file: disputes.csv, columns: {dispute_id: id, line_id: line, rep_id: rep, raised_date: raised, reason: why}}
  adjustments:
    file: adjustments.csv
    columns: {adjustment_id: id, rep_id: rep, amount: amount, author: by, reason: why, decided_date: decided, dispute_id: dispute}
    constants: {currency: EUR}
  tickets: {file: tickets.csv, columns: {ticket_id: id, owner_id: owner, opened_at: opened}}
  ticket_events: {file: events.csv, columns: {ticket_id: id, at: at, activity: what, value: value, resource: who}}
"""
EXPORT = {
    "reps": ["id,name,boss,team,Office,Work E-Mail", "R-100001,Joanna Longname,R-100002,Team Bossman,Lyon,jo@corp.example",
             "R-100002,Bert Bossman,,North,Lyon,bert@corp.example"],
    "accounts": ["id,name,owner", "A1,Acme,R-100001", "A2,Birch,R-100002"],
    "contacts": ["id,account,name,mail,phone,title,Mobile", "C-1,A1,Mr. Zoë Quill,Zoe.Quill@acme.example,+33 1 22 33 44 55,CEO,0611223344",
                 "C-2,A1,quill zoe,zoe.quill+crm@ACME.example,01 22 33 44 55,CEO,", "C-3,A2,Ann Other,ann@birch.example,n/a,,"],
    "leads": ["id,created,owner,Email,lead_name,Prénom,Nom,Name,Tel,Company Name,campaign_name",
              "L-1,2026-01-05,R-100001,lead@acme.example,Petra Vantage,Petra,Vantage,Vantage Petra,06 77 88 99 00,Acme,Spring"],
    "deals": ["id,owner,amount,stage,created,closed,Seller", "D1,Jo Long,100.10,Won,2026-01-01,2026-02-01,Joanna Longname",
              "D2,R-100002,200.20,Talk,2026-01-02,2026-09-01,Bert Bossman", "D3,R-100001,50.05,Talk,2026-01-03,2026-09-01,",
              *[f"E{n},R-100002,1.00,Talk,2026-01-03,2026-09-01," for n in range(60)], "D9,R-100001,x7,Talk,2026-01-03,2026-09-01,"],
    "history": ["id,at,field,old,new,by", "D1,2026-01-01,stage,,Talk,R-100001", "D1,2026-02-01,stage,Talk,Won,R-100002",
                "D1,2026-01-09,owner_id,R-100002,R-100001,R-100002", "D1,2026-01-10,Next Step,ask Zoë Quill,call her,R-100001"],
    "calls": ["quarter,at,rep,category,amount,note", "2026Q1,2026-01-10,R-100001,commit,90.00,Zoë Quill promised"],
    "quotas": ["rep,quarter,amount", "R-100001,2026Q1,1000.00", "R-100002,2026Q1,2000.00"],
    "credits": ["deal,rep,share,kind", "D1,R-100001,0.6,split", "D1,R-100002,0.4,split"],
    "objectives": ["rep,quarter,goal,weight,achieved,by", "R-100001,2026Q1,Coaching,1,0.5,R-100002"],
    "disputes": ["id,line,rep,raised,why", "X1,0123456789abcdef,R-100001,2026-02-10,Ann Other promised"],
    "adjustments": ["id,rep,amount,by,why,decided,dispute", "J1,R-100001,-12.50,R-100002,split came late,2026-02-12,X1"],
    "tickets": ["id,owner,opened", "T1,R-100001,2026-01-04"],
    "events": ["id,at,what,value,who", "T1,2026-01-04 09:00,assigned,R-100001,R-100002", "T1,2026-01-04 10:00,priority,2,R-100001"],
}  # fmt: skip
RAW = ["R-10000", "Longname", "Jo Long", "Bossman", "corp.example", "C-1", "Quill", "quill", "33 44 55", "0611223344",
       "L-1", "lead@", "promised", "Ann Other", "birch.example", "Petra", "Vantage", "88 99"]  # fmt: skip
JO = "p-" + hmac.new(b"the key of the tests, no secret", b"reps\0R-100001", hashlib.sha256).hexdigest()[:12]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export with its mapping, imported with pseudonyms (`to`) and with names (`named`), each with a dated copy."""
    place = tmp_path_factory.mktemp("people")
    (place / "export").mkdir()
    for name, lines in EXPORT.items():
        (place / "export" / f"{name}.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    (place / "m.yml").write_text(MAPPING, encoding="utf-8")
    take(place, verb="snapshot")
    take(place, "--named", to="named", verb="snapshot")
    return place


@pytest.fixture
def place(imported: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(imported, tmp_path / "place"))


@pytest.fixture
def reps(tmp_path: Path) -> Path:
    """An export of reps alone, not imported yet."""
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "reps.csv").write_text("\n".join([*EXPORT["reps"], ""]), encoding="utf-8")
    (tmp_path / "m.yml").write_text(MAPPING.split("  accounts:")[0], encoding="utf-8")
    return tmp_path


def take(tmp_path: Path, *more: str, to: str = "to", day: str = "2026-03-01", verb: str = "import", code: int = 0) -> Path:
    argv = [verb, str(tmp_path / "m.yml"), "--from", str(tmp_path / "export"), "--to", str(tmp_path / to), "--as-of", day]
    assert cli.main([*argv, *more]) == code
    return tmp_path / to


def frames(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: sources.read_table(folder, name) for name in tables.TABLES if (folder / f"{name}.parquet").exists()}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def words(folder: Path) -> dict[str, str]:
    """Every file of a dataset as text."""
    tabular = {path.name: str(pyarrow.parquet.read_table(path).to_pydict()) for path in sorted(folder.rglob("*.parquet"))}
    return tabular | {
        path.name: path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.suffix in (".json", ".csv")
    }


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- pseudonyms ------------------------------------------------------------------------------------------------------


def test_an_import_leaves_nothing_of_a_person_outside_the_quarantine(imported):
    to = imported / "to"
    for name, text in words(to).items():
        assert name.startswith("quarantine") or not [raw for raw in RAW if raw in text], name
    assert "R-100001" in (to / "quarantine.csv").read_text(encoding="utf-8")
    assert [mode(to / name) for name in (*tables.PRIVATE, "reps.parquet")] == [0o600, 0o600, mode(to / "accounts.parquet")]
    assert mode(to) == 0o755


def test_rows_amounts_and_references_are_those_of_a_named_import(imported):
    named, pseudonyms = frames(imported / "named"), frames(imported / "to")
    assert sources.check(imported / "to").empty
    for name, frame in named.items():
        assert len(pseudonyms[name]) == len(frame)
        for column in tables.TABLES[name].columns:
            one, other = frame[column.name], pseudonyms[name][column.name]
            if column.personal == "id":
                assert pd.factorize(one)[0].tolist() == pd.factorize(other)[0].tolist()
                assert other.dropna().str.fullmatch("p-[0-9a-f]{12}").all()
            elif not column.personal and column.name != "title":
                pd.testing.assert_series_equal(one, other)
    assert pseudonyms["reps"]["Office"].tolist() == ["Lyon", "Lyon"]
    assert pseudonyms["reps"]["team"].tolist() == [f"Team {pseudonyms['reps']['rep_id'].iloc[1]}", "North"]
    lead = pseudonyms["leads"].iloc[0]
    assert lead["lead_name"] == lead["Name"] != lead["Nom"] and lead["Tel"].startswith("+999")
    assert (lead["Company Name"], lead["campaign_name"]) == ("Acme", "Spring")
    history = pseudonyms["opportunity_history"].set_index("field")
    assert history.loc["owner_id", "new_value"].iloc[-1] == JO == pseudonyms["opportunities"]["Seller"].iloc[0]
    assert pseudonyms["ticket_events"]["value"].tolist() == [JO, "2"] and pseudonyms["reps"]["name"].iloc[0] == JO


def test_the_same_key_gives_the_same_people_and_another_key_others(reps, monkeypatch):
    to = take(reps)
    before = contents(to)
    assert frames(take(reps, to="again"))["reps"].equals(frames(to)["reps"])
    monkeypatch.setenv(privacy.ENVIRONMENT, "another key, as long as it must be")
    assert not set(frames(take(reps, to="other"))["reps"]["rep_id"]) & set(frames(to)["reps"]["rep_id"])
    take(reps, code=2)
    assert contents(to) == before


def test_two_people_with_one_pseudonym_are_refused(reps, monkeypatch):
    monkeypatch.setattr(privacy, "DIGITS", 1)
    rows = [f"R-{n},,,,," for n in range(17)]
    (reps / "export" / "reps.csv").write_text("\n".join([EXPORT["reps"][0], *rows, ""]), encoding="utf-8")
    with pytest.raises(DataRefused, match="same pseudonym"):
        sources.import_export(reps / "m.yml", reps / "export", reps / "to", as_of=dt.date(2026, 3, 1))


def test_contacts_that_are_one_are_found_under_pseudonyms(imported):
    found = quality.duplicate_contacts(Snapshot(imported / "to", quarter="2026Q1"))
    assert found["cluster"].tolist() == [1, 1] and "email, phone" in found["reason"].iloc[0]
    contacts = frames(imported / "to")["contacts"]
    assert contacts["phone"].isna().tolist() == [False, False, True] and contacts["name"].nunique() == 2
    assert set(found["contact_id"]) == set(contacts["contact_id"][:2])


def test_people_keep_their_names_where_that_is_said(reps, capsys):
    told = [take(reps, "--named", to="flag"), capsys.readouterr().out]
    assert mode(told[0]) == 0o700 and "people are named" in told[1]
    assert sources.read_dataset(told[0])["people"] == "named" and "key" not in sources.read_dataset(told[0])
    text = (reps / "m.yml").read_text(encoding="utf-8")
    (reps / "m.yml").write_text("people: named\n" + text, encoding="utf-8")
    assert frames(take(reps))["reps"]["name"].tolist() == ["Joanna Longname", "Bert Bossman"]
    (reps / "m.yml").write_text("people: name\n" + text, encoding="utf-8")
    take(reps, code=2)
    assert "did you mean named" in capsys.readouterr().err


def test_dated_copies_join_whatever_they_were_taken_with(place, capsys):
    (place / "m.yml").write_text(MAPPING.replace("opportunity_history:", "opportunity_history?:"), encoding="utf-8")
    (place / "export" / "history.csv").unlink()
    deals = (place / "export" / "deals.csv").read_text(encoding="utf-8")
    (place / "export" / "deals.csv").write_text(deals.replace("D3,R-100001", "D3,R-100002"), encoding="utf-8")
    to = take(place, verb="snapshot", day="2026-04-01", to="named")
    owners = frames(to)["opportunity_history"].query("field == 'owner_id' and opportunity_id == 'D3'")
    assert owners["new_value"].tolist() == [JO, frames(to)["reps"]["rep_id"].iloc[1]]
    assert not any(raw in text for name, text in words(to).items() if "quarantine" not in name for raw in RAW)
    before = contents(to)
    take(place, "--named", day="2026-04-02", to="named", code=2)
    assert "dated copies" in capsys.readouterr().err and contents(to) == before


# --- the key ---------------------------------------------------------------------------------------------------------


def test_a_key_is_made_once_for_its_holder_alone(reps, monkeypatch, capsys):
    monkeypatch.delenv(privacy.ENVIRONMENT)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(reps / "config"))
    take(reps)
    file = reps / "config" / "revops" / "pseudonym.key"
    assert capsys.readouterr().out.count(str(file)) == 1
    assert (mode(file), mode(file.parent)) == (0o600, 0o700) and len(file.read_text(encoding="utf-8").strip()) == 64
    take(reps, to="again")
    assert str(file) not in capsys.readouterr().out
    assert file.read_text(encoding="utf-8").strip() not in str(words(reps / "to"))
    monkeypatch.setenv(privacy.KEY_FILE, str(reps / "elsewhere" / "a.key"))
    take(reps, "--max-rejected", "0.5", code=2)  # the dataset has a key already: no other one is made
    assert "cannot read the key" in capsys.readouterr().err and not (reps / "elsewhere").exists()


@pytest.mark.parametrize("given", ["", "short", "   fifteen chars "])
def test_a_key_too_short_is_refused(given, reps, monkeypatch, capsys):
    monkeypatch.setenv(privacy.ENVIRONMENT, given)
    take(reps, code=2)
    assert privacy.ENVIRONMENT in capsys.readouterr().err and not (reps / "to").exists()
    monkeypatch.delenv(privacy.ENVIRONMENT)
    monkeypatch.setenv(privacy.KEY_FILE, str(reps / "key"))
    (reps / "key").write_text(given, encoding="utf-8")
    with pytest.raises(UsageError, match="shorter than 16"):
        privacy.key()


def test_a_key_file_inside_the_project_is_refused(reps, monkeypatch):
    monkeypatch.delenv(privacy.ENVIRONMENT)
    (reps / "link").symlink_to(ROOT / "data")
    for inside in (ROOT / "my.key", reps / "link" / "my.key"):
        monkeypatch.setenv(privacy.KEY_FILE, str(inside))
        with pytest.raises(UsageError, match="inside the project"):
            privacy.key()
        assert not inside.exists()


def test_the_holder_of_the_key_can_ask_who_it_is(reps, capsys, monkeypatch):
    argv = ["reveal", str(reps / "m.yml"), "--from", str(reps / "export")]
    assert cli.main([*argv, JO]) == 0
    assert capsys.readouterr().out == f"{JO} reps R-100001\n"
    assert cli.main([*argv, "p-000000000000"]) == 2
    monkeypatch.delenv(privacy.ENVIRONMENT)
    monkeypatch.setenv(privacy.KEY_FILE, str(reps / "none"))
    assert cli.main([*argv, JO]) == 2 and not (reps / "none").exists()


# --- forgetting ------------------------------------------------------------------------------------------------------


def forget(to: Path, person: str, *more: str, code: int = 0) -> None:
    assert cli.main(["forget", person, "--data", str(to), *more]) == code


def by_groups(folder: Path) -> dict[str, dict]:
    """Rows and money of every table by every column that says nothing of a person."""
    found = {}
    for name, frame in frames(folder).items():
        spec = {column.name: column for column in tables.TABLES[name].columns}
        money = [column for column in frame if column in spec and spec[column].kind == "money"]
        groups = [c for c in frame if c in spec and c not in (*money, "title") and (not spec[c].personal or c == "team")]
        for group in groups:
            by = frame.groupby(frame[group].astype("str").fillna("missing"))
            found[f"{name} {group}"] = by.size().to_dict(), [by[column].sum().to_dict() for column in money]
    return found


@pytest.mark.parametrize(("name", "person"), [("to", "R-100001"), ("to", JO), ("named", "R-100001")])
def test_a_rep_is_forgotten_everywhere_and_totals_stay(name, person, place, capsys):
    to = place / name
    before, totals, was = contents(to), by_groups(to), frames(to)
    capsys.readouterr()
    forget(to, person)
    told = capsys.readouterr().out
    assert "opportunities: 2 rows changed\n" in told and "quarantine: 1 rows changed\n" in told and "accounts: 1 rows" in told
    for name, text in words(to).items():
        assert not [gone for gone in (JO, "R-100001", "Longname", "Jo Long", "promised") if gone in text], name
    assert by_groups(to) == totals and sources.check(to).empty
    now, reps = frames(to), frames(to)["reps"]
    new = reps["rep_id"].iloc[0]
    for name in now:
        for column in (c.name for c in tables.TABLES[name].columns if c.personal == "id"):
            pairs = {was["reps"]["rep_id"].iloc[0]: new}
            assert now[name][column].fillna("").tolist() == was[name][column].replace(pairs).fillna("").tolist()
    assert {name for name in ("stages.parquet", "contacts.parquet") if contents(to)[name] != before[name]} == set()
    assert contents(to)["copies/2026-03-01.parquet"] != before["copies/2026-03-01.parquet"]
    assert sources.read_table(to, "quarantine")[["line", "code", "record"]].values.tolist() == [["65", "E_AMOUNT_FORMAT", ""]]
    forget(to, person)
    assert "forgotten before" in capsys.readouterr().out and frames(to)["reps"].equals(reps)


@pytest.mark.parametrize(("name", "more"), [("to", []), ("named", ["--named"])])
def test_an_import_after_it_does_not_bring_the_person_back(name, more, place, capsys):
    to = place / name
    forget(to, "R-100001")
    forget(to, "C-1")
    after = contents(to)
    take(place, *more, to=name, verb="snapshot")
    assert "nothing was changed" in capsys.readouterr().out and contents(to) == after
    before = frames(to)
    take(place, *more, "--max-rejected", "0.06", to=name)  # another import of the same rows
    assert {name: frame.equals(frames(to)[name]) for name, frame in before.items()} == dict.fromkeys(before, True)
    for name, text in words(to).items():
        assert not [raw for raw in ("R-100001", "Longname", "Jo Long", "C-1", "zoe.quill@") if raw.lower() in text.lower()], (
            name
        )


def test_nobody_is_forgotten_while_an_import_runs_and_nothing_is_imported_meanwhile(place, capsys, monkeypatch):
    """The import would put back what it read before, the person included."""
    to, seen = place / "to", []
    real = tables.write

    def write(*given, **more):
        seen.append(cli.main(["forget", JO, "--data", str(to)]))
        seen.append(capsys.readouterr().err)
        real(*given, **more)

    monkeypatch.setattr("revops_lib.sources.exports.tables.write", write)
    take(place, "--max-rejected", "0.06")
    assert seen[0] == 8 and "in use by command import, process " in seen[1]
    monkeypatch.undo()
    with sources.dataset.changing(to, "forget"):
        take(place, code=8)
        take(place, code=8, verb="snapshot")
    forget(to, JO)


def test_a_contact_leaves_nothing_but_its_row(place):
    to = place / "to"
    forget(to, "C-1")
    contacts = frames(to)["contacts"]
    assert contacts[["name", "email", "phone", "title", "Mobile"]].isna().all(axis=1).tolist() == [True, False, False]
    assert contacts["account_id"].tolist() == ["A1", "A1", "A2"]


@pytest.mark.parametrize(("written", "known"), [("R-777777", "R-777777"), ("0051G00000600Ml", "0051G00000600MlQAI")])
def test_whoever_is_in_the_quarantine_only_is_forgotten_too(written, known, place):
    rejected = sources.read_table(place / "to", "quarantine").apply(lambda texts: texts.str.replace("R-100001", written))
    tables.write(place / "to", frames(place / "to") | {"quarantine": rejected}, sources.read_dataset(place / "to"))
    forget(place / "to", known)
    assert not any(written in text for text in words(place / "to").values())


def test_a_person_unknown_or_shared_is_refused(place, capsys):
    text = (place / "export" / "contacts.csv").read_text(encoding="utf-8")
    (place / "export" / "contacts.csv").write_text(text.replace("C-3", "R-100002"), encoding="utf-8")
    to = take(place, "--named", to="named")
    before = contents(to)
    forget(to, "R-10000", code=2)
    assert "did you mean R-10000" in capsys.readouterr().err
    forget(to, "R-100002", code=2)
    assert "several people: reps, contacts" in capsys.readouterr().err and contents(to) == before
    forget(to, "R-100002", "--kind", "contacts")
    assert frames(to)["contacts"]["name"].isna().tolist() == [False, False, True]
    assert frames(to)["reps"]["name"].notna().all()


def test_a_failure_leaves_the_dataset_as_it_was(place, monkeypatch):
    to = place / "to"
    before = contents(to)
    monkeypatch.setattr(tables.disk, "put", lambda new, directory: (_ for _ in ()).throw(OSError(28, "No space left")))
    forget(to, JO, code=7)
    assert contents(to) == before


def test_runs_that_mention_the_person_are_listed(place, capsys):
    to, runs = place / "to", place / "runs"
    for name in ("text", "table", "book", "clean"):
        (runs / name / "results").mkdir(parents=True)
        (runs / name / "manifest.json").write_text("{}", encoding="utf-8")
    (runs / "text" / "pay.ipynb").write_text(f'{{"text": "paid to {JO}"}}', encoding="utf-8")
    pd.DataFrame({"n": [1], "member": [JO]}).to_parquet(runs / "table" / "results" / "kept-input-without-suffix")
    with zipfile.ZipFile(runs / "book" / "results" / "pay.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/sharedStrings.xml", f"<t>{JO}</t>")
    (runs / "clean" / "pay.ipynb").write_text(f"{JO}0 and x{JO}", encoding="utf-8")
    forget(to, JO, "--runs", str(runs))
    told = capsys.readouterr().out
    assert "3 runs below" in told and [str(runs / name) in told for name in ("text", "table", "book", "clean")] == [1, 1, 1, 0]


# --- the matrix ------------------------------------------------------------------------------------------------------


def test_the_playbook_shows_the_matrix_of_the_code():
    page = (ROOT / "playbook" / "privacy.md").read_text(encoding="utf-8")
    assert privacy.matrix() in page
    assert all(len(forms) == len(privacy.ROLES) for forms in privacy.MATRIX.values())
