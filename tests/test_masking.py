"""Secrets: recognised by name, covered however they are written, and nowhere in what a run leaves."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from test_runs import House

from revops_lib import cli, masking
from revops_lib.errors import UsageError

SECRET = 'p<w>"7&ß/secret'


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        f"dsn://user:{SECRET}@host",
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        repr(SECRET),
        "p&lt;w&gt;&quot;7&amp;ß/secret",
        "p%3Cw%3E%227%26%C3%9F/secret",
        *(base64.b64encode(before + SECRET.encode() + b"tail").decode() for before in (b"", b"x", b"xy")),
    ],
)
def test_a_secret_is_covered_however_it_is_written(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("CRM_TOKEN", SECRET)
    covered = masking.masked({"a": [f"before {written} after"]})["a"][0]
    core = written[12:20] if "secret" not in written else "secret"  # of base64 what the text before it does not change
    assert masking.COVER in covered and core not in covered
    assert masking.named_in(written) == "CRM_TOKEN"


def test_the_password_inside_an_address_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE", "postgres://reader:hunter22@db/sales")
    assert masking.masked("login hunter22 failed") == f"login {masking.COVER} failed"


def test_other_texts_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_TOKEN", "abc")  # too short to be told from words
    monkeypatch.setenv("LEVEL", "confident")
    assert masking.masked(["abc confident", 3, None]) == ["abc confident", 3, None]


def test_a_secret_is_nowhere_in_what_a_run_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_PASSWORD", SECRET)
    house = House(tmp_path)
    shown = (
        "import os, sys\nx = os.environ['CRM_PASSWORD']\nprint(x, file=sys.stderr); os.system('echo \"$CRM_PASSWORD\"')\n{x}"
    )
    headline = "import json, os\np = folder / f'{stem}.json'\nc = json.loads(p.read_text()); c['headline'] = x"
    house.add("forecast", shown)
    told = json.loads((house.notebooks / "forecast.ipynb").read_text(encoding="utf-8"))
    told["cells"][-1]["source"] += f"\n{headline}\np.write_text(json.dumps(c))"
    (house.notebooks / "forecast.ipynb").write_text(json.dumps(told), encoding="utf-8")
    house.add("fails", f"{shown}\nraise ValueError('cannot log in with ' + x)")
    house.allow("forecast")
    manifest = house.run(params={"label": SECRET})
    assert manifest["notebooks"]["forecast"]["state"] == "ok"
    assert manifest["notebooks"]["fails"]["exit_code"] == 4 and masking.COVER in manifest["notebooks"]["fails"]["error"]
    spelled = [SECRET.encode(), b"7&\xc3\x9f/secret", b"7&\\u00df/secret", b"%C3%9F", base64.b64encode(SECRET.encode())[:-4]]
    left = [path for path in house.out.rglob("*") if path.is_file() and path.suffix != ".png"]
    assert len(left) > 15
    for path in left:
        assert not [one for one in spelled if one in path.read_bytes()], path


def test_a_secret_in_a_results_table_fails_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_PASSWORD", SECRET)
    house = House(tmp_path)
    path = house.add("forecast")
    text = path.read_text(encoding="utf-8").replace('f\\"found by {stem}\\"', "os.environ['CRM_PASSWORD']")
    path.write_text(text, encoding="utf-8")
    house.allow("forecast")
    error = house.run()["notebooks"]["forecast"]["error"]
    assert "column finding holds the secret of CRM_PASSWORD" in error


@pytest.mark.parametrize("name", ["password", "api_key", "crm_token"])
def test_a_secret_is_no_parameter(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    house = House(tmp_path)
    house.add(
        "forecast",
        parameters=f'quarter: str = "2026Q2"  # q\nas_of: str = ""  # a\ndata: str = ""  # d\n{name}: str = ""  # s\n',
    )
    house.allow("forecast")
    with pytest.raises(UsageError, match="not a parameter"):
        house.run()
    assert cli.main(["run", "2026Q3", "--out", str(tmp_path / "o"), "--param", f"{name}=hunter22"]) == 2
    told = capsys.readouterr()
    assert "never become parameters" in told.err and "hunter22" not in told.err + told.out
    assert not (tmp_path / "o").exists()
