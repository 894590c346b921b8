"""Connectors, tried on three CRMs of this machine that turn pages, throttle, cut connections and remember what they were asked.

The shipped connector files are used as they are, but for the address.
"""

import datetime as dt
import json
import logging
import re
import socket
import subprocess
import sys
import threading
import traceback
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet
import pytest

from revops_lib.errors import CannotWrite, DataRefused, RevopsError, UsageError
from revops_lib.sources.connect import fetch

pytest.importorskip("dlt", reason="the connectors are an extra: pip install -e .[connect]")

SHIPPED = Path(__file__).resolve().parent.parent / "data" / "connectors"
SECRET, CLIENT, TOKEN = "s3cr3t+of/the=app", "client-0815", "tok3n-of-the-hour"
PAGE = 3
CUT, DROP = "cut half-way", "dropped"


# --- CRMs of this machine -------------------------------------------------------------------------------------------


class Crm:
    """A CRM that answers from `tables`. `faults` says by the number of a request what goes wrong, `down` from which one on."""

    def __init__(self) -> None:
        self.tables: dict[str, list[dict]] = {}
        self.asked: list[dict] = []
        self.faults: dict[int, object] = {}
        self.down: int | None = None
        self.date: dt.datetime | None = None
        self.until: str | None = None
        self.lock = threading.Lock()
        self.before_answer = lambda asked: None
        crm = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                length = int(self.headers.get("Content-Length") or 0)
                with crm.lock:
                    crm.handle(self, self.rfile.read(length).decode())

            do_POST = do_GET

            def date_time_string(self, timestamp=None):
                return format_datetime(crm.date, usegmt=True) if crm.date else super().date_time_string(timestamp)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client that gives up is no error
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def handle(self, handler, body: str) -> None:
        parts = urlsplit(handler.path)
        asked = {
            "method": handler.command,
            "path": parts.path,
            "query": {key: values[0] for key, values in parse_qs(parts.query).items()},
            "body": body,
            "json": json.loads(body) if body.startswith("{") else None,
            "login": handler.headers.get("Authorization"),
        }
        self.asked.append(asked)
        self.before_answer(asked)
        number = len(self.asked)
        fault = CUT if self.down is not None and number >= self.down else self.faults.get(number)
        if fault == DROP:
            handler.close_connection = True
            return
        headers = {}
        if isinstance(fault, tuple):
            status, content, headers = fault
        elif not self.knows(asked):
            status, content = 401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
        else:
            status, content = self.answer(asked)
        sent = content if isinstance(content, bytes) else encoded(content)
        handler.send_response(status)
        for key, value in {"Content-Length": str(len(sent)), **headers}.items():
            handler.send_header(key, value)
        handler.end_headers()
        if fault == CUT:
            sent, handler.close_connection = sent[: len(sent) // 2], True
        handler.wfile.write(sent)
        handler.wfile.flush()
        if fault == CUT:
            handler.connection.shutdown(socket.SHUT_RDWR)

    def knows(self, asked: dict) -> bool:
        return asked["login"] == f"Bearer {TOKEN}" or asked["path"].endswith("token")

    def token(self, asked: dict) -> tuple[int, object]:
        given = {key: values[0] for key, values in parse_qs(asked["body"]).items()}
        if given.get("client_id") != CLIENT or given.get("client_secret") != SECRET:
            return 400, {"error": "invalid_client", "error_description": f"no client {given.get('client_secret')}"}
        return 200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}

    def questions(self, path: str) -> list[dict]:
        return [one for one in self.asked if one["path"].endswith(path)]


class Salesforce(Crm):
    environ: ClassVar = {"SALESFORCE_CLIENT_ID": CLIENT, "SALESFORCE_CLIENT_SECRET": SECRET}
    file, variable, main, history, key = "salesforce.yml", "SALESFORCE_URL", "opportunity", "opportunity_history", "id"
    amount, name = "amount", "name"
    few = "opportunity_stage"
    unavailable = ("OpportunitySplit", "OpportunitySplitType")

    def fill(self) -> None:
        self.tables = {
            "Opportunity": [
                {"Id": f"006{n:015d}", "Name": f"Deal {n}", "Amount": Number(amount), "StageName": "Negotiation",
                 "IsDeleted": False, "IsWon": n == 2, "CloseDate": "2025-06-30", "CreatedDate": sf(n), "SystemModstamp": sf(n),
                 "LeadSource": None}
                for n, amount in enumerate(AMOUNTS, 1)
            ],
            "OpportunityHistory": [
                {"Id": f"008{n:015d}", "OpportunityId": f"006{1 + n % 8:015d}", "StageName": "Negotiation",
                 "Amount": Number("10.5"), "CreatedDate": sf(n), "IsDeleted": False}
                for n in range(1, 8)
            ],
            "User": [{"Id": "005000000000000001", "Name": "Rep 1", "IsActive": True, "SystemModstamp": sf(1)}],
        }  # fmt: skip

    def answer(self, asked: dict) -> tuple[int, object]:
        if asked["path"].endswith("/token"):
            return self.token(asked)
        if "q" not in asked["query"]:
            name, since, start = asked["path"].rpartition("/")[2].split("-", 2)
            query = (name, *since.split("~"), int(start))
        else:
            found = re.fullmatch(r"SELECT (\S+) FROM (\w+)(?: WHERE (\w+) >= (\S+))?", asked["query"]["q"])
            query = (found[2], found[3] or "", (found[4] or "").replace("-", "_"), 0)
            if found[2] in self.unavailable:
                return 400, [{"message": f"sObject type '{found[2]}' is not supported.", "errorCode": "INVALID_TYPE"}]
        name, cursor, since, start = query
        records = [one for one in self.tables.get(name, []) if not cursor or utc(one[cursor]) >= utc(since.replace("_", "-"))]
        page = [{"attributes": {"type": name}, **one} for one in records[start : start + PAGE]]
        more = {"nextRecordsUrl": f"/services/data/v62.0/query/{name}-{cursor}~{since}-{start + PAGE}"}
        done = start + PAGE >= len(records)
        return 200, {"totalSize": Number(len(records)), "done": done, "records": page, **({} if done else more)}

    stage = "Negotiation"

    def make_importable(self) -> None:
        names = ("ApiName", "MasterLabel")
        stage = {"Id": "01J", "IsClosed": False, "IsWon": False, "SortOrder": Number(1), "DefaultProbability": Number("50")}
        self.tables["OpportunityStage"] = [stage | dict.fromkeys(names, "Negotiation")]
        for deal in self.tables["Opportunity"]:
            deal["IsWon"] = False
        self.tables["Opportunity"][4]["Amount"], self.tables["Opportunity"][7]["Amount"] = Number(5), Number(8)

    def change(self, n: int, moment: dt.datetime, **values) -> None:
        self.tables["Opportunity"][n - 1] |= {"Name": "changed", "SystemModstamp": sf(moment), **values}

    def add(self, moment: dt.datetime) -> None:
        new = {"Id": f"006{9:015d}", "Name": "new", "Amount": Number("9"), "IsDeleted": False, "SystemModstamp": sf(moment)}
        self.tables["Opportunity"].append(new)

    def delete(self, n: int, moment: dt.datetime) -> None:
        self.change(n, moment, IsDeleted=True)

    def since(self, asked: dict) -> dt.datetime:
        return utc(asked["query"]["q"].rpartition(">= ")[2])

    def main_questions(self) -> list[dict]:
        return [one for one in self.asked if "FROM Opportunity WHERE" in one["query"].get("q", "")]


class HubSpot(Crm):
    environ: ClassVar = {"HUBSPOT_TOKEN": TOKEN}
    file, variable, main, history, key = "hubspot.yml", None, "deals", "deals_history", "id"
    amount, name, few = "properties__amount", "properties__dealname", "deal_stages"

    def fill(self) -> None:
        self.companies = {"101": [900], "102": [900, 901], "103": [902]}
        self.tables = {
            "deals": [
                {"id": str(100 + n), "archived": False, "updatedAt": hs(n),
                 "properties": {"dealname": f"Deal {n}", "amount": amount, "hs_lastmodifieddate": hs(n), "dealstage": "117"},
                 "history": {"dealstage": [{"value": "117", "timestamp": hs(n), "sourceType": "CRM_UI"},
                                           {"value": "116", "timestamp": hs(n - 40), "sourceType": "IMPORT"}]}}
                for n, amount in enumerate(AMOUNTS, 1)
            ],
            "companies": [],
            "contacts": [],
            "archived": [],
            "owners": [{"id": str(n), "email": f"rep{n}@example.com", "archived": False, "teams": [{"id": "7", "name": "East"}]}
                       for n in range(1, 6)],
        }  # fmt: skip

    def answer(self, asked: dict) -> tuple[int, object]:
        path, given = asked["path"], asked["json"]
        if path.endswith("/tickets/search"):
            return 403, {
                "status": "error",
                "message": "This app hasn't been granted all required scopes",
                "category": "MISSING_SCOPES",
            }
        if path.endswith("/search"):
            since, after = (one["value"] for one in given["filterGroups"][0]["filters"])
            assert given["sorts"] == [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
            cursor = given["filterGroups"][0]["filters"][0]["propertyName"]
            found = sorted(self.tables[path.split("/")[-2]], key=lambda one: int(one["id"]))
            found = [
                one for one in found if milliseconds(one["properties"][cursor]) >= int(since) and int(one["id"]) > int(after)
            ]
            shown = [{key: value for key, value in one.items() if key != "history"} for one in found[:PAGE]]
            return 200, {"total": Number(len(found)), "results": shown}
        if path.endswith("/deals/batch/read"):
            assert len(given["inputs"]) <= 50 and given["propertiesWithHistory"][0] == "dealstage"
            ids = {one["id"] for one in given["inputs"]}
            found = [one for one in self.tables["deals"] if one["id"] in ids]
            return 200, {"results": [{"id": one["id"], "propertiesWithHistory": one["history"]} for one in found]}
        if path.endswith("/companies/batch/read"):
            linked = [(one["id"], self.companies.get(one["id"])) for one in given["inputs"]]
            results = [
                {"from": {"id": deal}, "to": [{"toObjectId": Number(one)} for one in found]} for deal, found in linked if found
            ]
            return 207, {"results": results, "numErrors": Number(len(linked) - len(results))}
        if path.endswith("/pipelines/deals"):
            stage = {
                "id": "117",
                "label": "Offer",
                "displayOrder": Number(1),
                "metadata": {"isClosed": "false", "probability": "0.4"},
            }
            return 200, {"results": [{"id": "default", "label": "Sales", "displayOrder": Number(0), "stages": [stage]}]}
        name = "archived" if path.endswith("/deals") else "owners"
        records = self.tables[name] if asked["query"].get("archived") != "true" or name == "archived" else []
        start = int(asked["query"].get("after", 0))
        more = {"paging": {"next": {"after": str(start + PAGE), "link": f"{self.url}{path}?limit=100&after={start + PAGE}"}}}
        return 200, {"results": records[start : start + PAGE], **(more if start + PAGE < len(records) else {})}

    stage = "Offer"

    def make_importable(self) -> None:
        for n, amount in ((2, "15000000"), (5, "5"), (7, "0.01"), (8, "8")):
            self.tables["deals"][n - 1]["properties"]["amount"] = amount
        for n, deal in enumerate(self.tables["deals"], 1):
            deal["properties"] |= {"createdate": hs(n - 40), "closedate": hs(n + 500)}
            deal["history"]["dealstage"][1]["value"] = "117"
            deal["history"]["amount"] = [{"value": "1", "timestamp": hs(n - 40)}]

    def change(self, n: int, moment: dt.datetime) -> None:
        deal = self.tables["deals"][n - 1]
        deal["properties"] |= {"dealname": "changed", "hs_lastmodifieddate": hs(moment), "dealstage": "118"}
        deal["history"]["dealstage"].insert(0, {"value": "118", "timestamp": hs(moment), "sourceType": "CRM_UI"})

    def add(self, moment: dt.datetime) -> None:
        properties = {"dealname": "new", "amount": "9", "hs_lastmodifieddate": hs(moment)}
        self.tables["deals"].append({"id": "109", "archived": False, "properties": properties, "history": {"dealstage": []}})

    def delete(self, n: int, moment: dt.datetime) -> None:
        deal = self.tables["deals"].pop(n - 1)
        self.tables["archived"].append({"id": deal["id"], "archived": True, "properties": {}})

    def since(self, asked: dict) -> dt.datetime:
        value = asked["json"]["filterGroups"][0]["filters"][0]["value"]
        return dt.datetime.fromtimestamp(int(value) / 1000, dt.UTC)

    def main_questions(self) -> list[dict]:
        searches = self.questions("/deals/search")
        return [one for one in searches if "dealname" in one["json"]["properties"]]


class Dynamics(Crm):
    environ: ClassVar = {"DYNAMICS_TENANT": "tenant-1", "DYNAMICS_CLIENT_ID": CLIENT, "DYNAMICS_CLIENT_SECRET": SECRET}
    file, variable, main, key = "dynamics.yml", "DYNAMICS_URL", "opportunities", "opportunityid"
    history = "opportunitysalesprocesses"
    amount, name, few = "estimatedvalue", "name", "processstages"

    def fill(self) -> None:
        self.tables = {
            "opportunities": [
                {"@odata.etag": 'W/"1"', "opportunityid": f"00000000-0000-0000-0000-{n:012d}", "name": f"Deal {n}",
                 "estimatedvalue": Number(amount), "statecode": Number(0), "modifiedon": dyn(n), "msdyn_forecastcategory": None,
                 "statecode@OData.Community.Display.V1.FormattedValue": "Open"}
                for n, amount in enumerate(AMOUNTS, 1)
            ],
            "opportunitysalesprocesses": [
                {"businessprocessflowinstanceid": f"b{n}", "_opportunityid_value": f"00000000-0000-0000-0000-{n:012d}",
                 "activestagestartedon": dyn(n), "modifiedon": dyn(n)}
                for n in range(1, 9)
            ],
        }  # fmt: skip

    def answer(self, asked: dict) -> tuple[int, object]:
        if asked["path"].endswith("/token"):
            assert (
                asked["path"] == "/tenant-1/oauth2/v2.0/token"
                and f"scope={self.url.replace(':', '%3A').replace('/', '%2F')}" in asked["body"]
            )
            return self.token(asked)
        name, query = asked["path"].rpartition("/")[2], asked["query"]
        since = query.get("$filter", "").rpartition(" ge ")[2]
        records = [one for one in self.tables.get(name, []) if not since or utc(one["modifiedon"]) >= utc(since)]
        if query["$select"] == "opportunityid":
            records = [{"opportunityid": one["opportunityid"]} for one in records]
        start = int(query.get("$skiptoken", 0))
        link = f"{self.url}{asked['path']}?$select={query['$select']}&$filter=modifiedon%20ge%20{since or dyn(0)}&$skiptoken={start + PAGE}"
        more = {"@odata.nextLink": link} if start + PAGE < len(records) else {}
        return 200, {"@odata.context": "…", "value": records[start : start + PAGE], **more}

    stage = "Develop"

    def make_importable(self) -> None:
        for n, deal in enumerate(self.tables["opportunities"], 1):
            deal |= {"stepname": "2-Develop", "createdon": dyn(n), "estimatedclosedate": "2025-06-30"}
            if n in (5, 8):
                deal["estimatedvalue"] = Number(f"{n}.0000")

    def change(self, n: int, moment: dt.datetime) -> None:
        self.tables["opportunities"][n - 1] |= {"name": "changed", "modifiedon": dyn(moment)}

    def add(self, moment: dt.datetime) -> None:
        new = {"opportunityid": f"00000000-0000-0000-0000-{9:012d}", "name": "new", "estimatedvalue": Number("9")}
        self.tables["opportunities"].append({**new, "modifiedon": dyn(moment)})

    def delete(self, n: int, moment: dt.datetime) -> None:
        del self.tables["opportunities"][n - 1]

    def since(self, asked: dict) -> dt.datetime:
        return utc(asked["query"]["$filter"].rpartition(" ge ")[2])

    def main_questions(self) -> list[dict]:
        questions = self.questions("/opportunities")
        return [one for one in questions if "name" in one["query"]["$select"] and "$skiptoken" not in one["query"]]


# Amounts no float could carry through, and the way each must arrive.
AMOUNTS = ["1200.50", "1.5E7", "0.10", "-2500.00", "99999999999999.99", "0", "1E-2", "123456789012345678901"]
ARRIVED = ["1200.50", "15000000", "0.10", "-2500.00", "99999999999999.99", "0", "0.01", "123456789012345678901"]
START = dt.datetime(2025, 3, 1, 12, tzinfo=dt.UTC)


class Number:
    """A number as it is written."""

    def __init__(self, text: object) -> None:
        self.text = str(text)


def encoded(content: object) -> bytes:
    text = json.dumps(content, default=lambda number: f"<<{number.text}>>")
    return re.sub(r'"<<(.*?)>>"', r"\1", text).encode()


def moment(n: int | dt.datetime) -> dt.datetime:
    return n if isinstance(n, dt.datetime) else START + dt.timedelta(hours=n)


def sf(n: int | dt.datetime) -> str:
    return moment(n).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def hs(n: int | dt.datetime) -> str:
    """HubSpot leaves out the milliseconds when there are none, but not always."""
    return moment(n).strftime("%Y-%m-%dT%H:%M:%SZ" if moment(n).hour % 2 else "%Y-%m-%dT%H:%M:%S.000Z")


def dyn(n: int | dt.datetime) -> str:
    return moment(n).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def milliseconds(text: str) -> int:
    return int(utc(text).timestamp() * 1000)


# --- what the tests share -------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def nothing_but_this_machine(monkeypatch, tmp_path):
    """No other host is spoken to, waiting takes no time, and the home folder is an empty one."""
    connect = socket.socket.connect

    def local(self, address):
        assert address[0] == "127.0.0.1", f"connected to {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local)
    monkeypatch.setattr(socket, "getaddrinfo", _local_names(socket.getaddrinfo))
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "USERPROFILE", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "DLT_DATA_DIR"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.chdir(home)
    yield
    assert list(home.rglob("*")) == []


def _local_names(look_up):
    def local(host, *rest, **more):
        assert host == "127.0.0.1", f"looked up {host}"
        return look_up(host, *rest, **more)

    return local


@pytest.fixture(autouse=True)
def waits(monkeypatch) -> list[float]:
    """Seconds that were waited between attempts."""
    import time

    taken: list[float] = []
    monkeypatch.setattr(time, "sleep", taken.append)
    return taken


@pytest.fixture(params=[Salesforce, HubSpot, Dynamics], ids=lambda crm: crm.__name__)
def crm(request):
    """Each CRM with every table of its connector file."""
    yield from started(request.param)


@pytest.fixture(params=[Salesforce, HubSpot, Dynamics], ids=lambda crm: crm.__name__)
def small(request):
    """Each CRM with the first tables of its connector file, which is quicker."""
    yield from started(request.param, until=request.param.few)


@pytest.fixture
def salesforce():
    yield from started(Salesforce, until=Salesforce.few)


@pytest.fixture
def hubspot():
    yield from started(HubSpot, until=HubSpot.few)


def started(kind: type[Crm], until: str | None = None):
    crm = kind()
    crm.fill()
    crm.until = until
    yield crm
    crm.server.shutdown()
    crm.server.server_close()


def connector(crm: Crm, folder: Path, *changes: tuple[str, str]) -> Path:
    """The shipped connector file with the address of the CRM, and with changes a test makes."""
    text = (SHIPPED / crm.file).read_text(encoding="utf-8")
    for old, new in (("https://api.hubapi.com", crm.url), ("https://login.microsoftonline.com", crm.url), *changes):
        text = text.replace(old, new)
    if crm.until:
        text = text[: text.index(f"\n  {crm.until}:") + 1]
    path = folder / crm.file
    path.write_text(text, encoding="utf-8")
    return path


def run(crm: Crm, tmp_path: Path, *changes: tuple[str, str], to: str = "raw", progress=None) -> dict:
    environ = {**crm.environ, **({crm.variable: crm.url} if crm.variable else {})}
    return fetch(connector(crm, tmp_path, *changes), tmp_path / to, environ=environ, progress=progress)


def table(folder: Path, name: str) -> list[dict]:
    return pyarrow.parquet.read_table(folder / f"{name}.parquet").to_pylist()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()}


def refused(crm: Crm, tmp_path: Path, *changes: tuple[str, str]) -> RevopsError:
    with pytest.raises(RevopsError) as caught:
        run(crm, tmp_path, *changes)
    assert "\n" not in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(secret in shown for secret in (SECRET, TOKEN, CLIENT, "s3cr3t%2Bof%2Fthe%3Dapp"))
    return caught.value


# --- what is fetched ------------------------------------------------------------------------------------------------


def test_every_record_arrives_once_through_throttling_and_cut_connections(crm, tmp_path, waits):
    crm.faults = {2: (429, {"message": "slow down"}, {"Retry-After": "7"}), 4: CUT, 5: CUT, 7: DROP, 9: (503, b"", {}), 12: CUT}
    told: list[str] = []
    outcome = run(crm, tmp_path, progress=told.append)

    rows = table(tmp_path / "raw", crm.main)
    assert len({row[crm.key] for row in rows}) == len(rows) == len(AMOUNTS)
    # Exact: a number of any size and spelling, and a text as it is (HubSpot writes numbers as text).
    assert [row[crm.amount] for row in rows] == (AMOUNTS if isinstance(crm, HubSpot) else ARRIVED)
    assert {type(value) for row in rows for value in row.values()} <= {str, type(None)}
    members = {member["member"]: member for member in outcome["members"]}
    assert (members[crm.main]["rows"], members[crm.main]["read"]) == (8, 8)
    assert set(members) == {path.stem for path in (tmp_path / "raw").glob("*.parquet")}
    assert members[crm.main]["columns"] == list(rows[0])
    assert 7 in waits and all(wait <= 300 for wait in waits)
    assert "the CRM asks to wait: 7 s" in told
    assert any(line.startswith(f"{crm.main}: 8 read in ") for line in told)

    folder = tmp_path / "raw"  # the columns, as data/mappings reads them
    if isinstance(crm, Salesforce):
        assert table(folder, "opportunity")[1] == {
            **dict.fromkeys(("account_id", "owner_id", "probability", "expected_revenue", "is_closed", "forecast_category",
                             "forecast_category_name", "type", "lead_source", "campaign_id", "last_modified_date")),
            "id": "006000000000000002", "name": "Deal 2", "stage_name": "Negotiation", "amount": "15000000",
            "close_date": "2025-06-30", "created_date": sf(2), "is_won": "true", "is_deleted": "false",
            "system_modstamp": sf(2),
        }  # fmt: skip
        assert len(table(folder, "opportunity_history")) == 7
    elif isinstance(crm, HubSpot):
        assert {"deal_id": "101", "name": "dealstage", "value": "117", "timestamp": hs(1), "source_type": "CRM_UI"} in table(
            folder, "deals_history"
        )
        assert len(table(folder, "deals_history")) == 16
        assert table(folder, "deals_companies")[0] == {"deal_id": "101", "to_object_id": "900"}
        stage = {"pipeline_id": "default", "pipeline_label": "Sales", "pipeline_display_order": "0", "id": "117", "label": "Offer",
                 "display_order": "1", "metadata__is_closed": "false", "metadata__probability": "0.4"}  # fmt: skip
        assert table(folder, "deal_stages") == [stage]
        assert [row["id"] for row in table(folder, "owners")] == ["1", "2", "3", "4", "5"]
        assert table(folder, "owner_teams")[4] == {"owner_id": "5", "id": "7", "name": "East"}
        assert not (folder / "deals_archived.parquet").exists()
    else:
        first = table(folder, "opportunities")[0]
        assert (first["statecode"], first["statecode_label"], first["msdyn_forecastcategory"]) == ("0", "Open", None)
        assert not any("odata" in name for name in first)
        assert {row["_opportunityid_value"] for row in table(folder, "opportunitysalesprocesses")} == {
            row["opportunityid"] for row in table(folder, "opportunities")
        }


def test_what_is_fetched_can_be_imported_with_the_shipped_mapping(small, tmp_path):
    from revops_lib import sources

    small.until = {"opportunity_stage": "opportunity_split", "deal_stages": "companies"}.get(small.few, small.few)
    small.make_importable()
    run(small, tmp_path)
    mapping = SHIPPED.parent / "mappings" / small.file
    dataset = sources.import_export(mapping, tmp_path / "raw", tmp_path / "data")
    deals = sources.read_table(tmp_path / "data", "opportunities")
    assert [str(amount) for amount in deals["amount"]] == [
        "1200.50",
        "15000000.00",
        "0.10",
        "-2500.00",
        "5.00",
        "0.00",
        "0.01",
        "8.00",
    ]
    assert set(deals["stage"]) == {small.stage}
    assert dataset["tracked"] == ([] if isinstance(small, Dynamics) else ["stage", "amount"])


def test_a_later_run_asks_for_changes_only_and_merges_them(small, tmp_path):
    run(small, tmp_path)
    before = {row[small.key]: row for row in table(tmp_path / "raw", small.main)}
    first = small.main_questions()[0]
    assert small.since(first) == dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    small.change(2, moment(100))
    small.add(moment(101))
    small.asked.clear()
    outcome = run(small, tmp_path)

    assert small.since(small.main_questions()[0]) == moment(8) - dt.timedelta(minutes=60)  # the newest change, less the overlap
    after = {row[small.key]: row for row in table(tmp_path / "raw", small.main)}
    second = list(before)[1]
    assert after[second][small.name] == "changed"
    assert sorted(row[small.name] for row in after.values()).count("new") == 1
    assert {key: row for key, row in after.items() if key in before and key != second} == {
        key: row for key, row in before.items() if key != second
    }
    assert next(m for m in outcome["members"] if m["member"] == small.main)["read"] == 4  # two of them again, by the overlap
    if isinstance(small, HubSpot):
        stages = [row["value"] for row in table(tmp_path / "raw", "deals_history") if row["deal_id"] == "102"]
        assert sorted(stages) == ["116", "117", "118"]

    small.asked.clear()
    unchanged = files(tmp_path / "raw")
    run(small, tmp_path)
    assert small.since(small.main_questions()[0]) == moment(101) - dt.timedelta(minutes=60)
    assert files(tmp_path / "raw") == unchanged


def test_after_a_failure_nothing_half_is_visible_and_the_next_run_ends_as_an_undisturbed_one(small, tmp_path):
    run(small, tmp_path, to="undisturbed")
    whole, requests = files(tmp_path / "undisturbed"), len(small.asked)
    progress = []
    for broken in range(2, requests // 2 + 2, 3):  # each time it gets a little further
        with pytest.raises(DataRefused, match=r"no file in .* has changed, the same command goes on") as caught:
            run_until(small, broken, tmp_path)
        progress.append(int(re.search(r"(\d+) of \d+ resources are kept", str(caught.value))[1]))
        assert files(tmp_path / "broken") == {}
    assert progress == sorted(progress) and progress[0] == 0 < progress[-1]
    small.asked.clear()
    run(small, tmp_path, to="broken")
    assert files(tmp_path / "broken") == whole
    assert all(small.since(one) == moment(7) for one in small.main_questions())  # what was complete is not read again

    small.change(3, moment(50))
    small.add(moment(51))
    with pytest.raises(DataRefused):
        run_until(small, requests // 2, tmp_path)
    assert files(tmp_path / "broken") == whole
    run(small, tmp_path, to="broken")
    run(small, tmp_path, to="undisturbed")
    assert files(tmp_path / "broken") == files(tmp_path / "undisturbed") != whole


def run_until(crm: Crm, broken: int, tmp_path: Path) -> None:
    """A run during which the CRM cuts every connection from request number `broken` on."""
    crm.asked.clear()
    crm.down = broken
    try:
        run(crm, tmp_path, ("attempts: 6", "attempts: 2"), to="broken")
    finally:
        crm.down = None


def test_what_was_deleted_in_the_crm_is_left_out_with_its_history(small, tmp_path):
    run(small, tmp_path)
    gone = table(tmp_path / "raw", small.main)[3][small.key]
    small.delete(4, moment(60))
    outcome = run(small, tmp_path)
    rows = table(tmp_path / "raw", small.main)
    assert len(rows) == 7 and gone not in {row[small.key] for row in rows}
    deleted = {member["member"]: member["deleted"] for member in outcome["members"]}
    assert deleted[small.main] == 1 and deleted[small.history] >= 1
    assert not any(gone in row.values() for row in table(tmp_path / "raw", small.history))


@pytest.mark.parametrize("small", [Dynamics], indirect=True, ids=["Dynamics"])
def test_an_empty_list_of_what_is_there_is_not_believed(small, tmp_path):
    run(small, tmp_path)
    before, answer = files(tmp_path / "raw"), small.answer
    small.answer = lambda asked: (200, {"value": []}) if asked["query"].get("$select") == "opportunityid" else answer(asked)
    assert refused(small, tmp_path).what == "opportunities_there is empty, as if all 8 rows of opportunities had been deleted"
    assert files(tmp_path / "raw") == before


def test_a_change_made_while_pages_are_turned_is_read_the_next_time(hubspot, tmp_path):
    """The first deal changes after its page was read, the last one later still; the cursor must not pass over the first."""
    hubspot.date = moment(20)

    def meanwhile(asked):
        if asked["path"].endswith("/deals/search") and asked["json"]["filterGroups"][0]["filters"][1]["value"] == "103":
            hubspot.change(1, moment(21))
            hubspot.change(8, moment(22))
            hubspot.before_answer = lambda asked: None

    hubspot.before_answer = meanwhile
    run(hubspot, tmp_path, ("overlap: 60", "overlap: 0"))
    assert [row["properties__dealname"] for row in table(tmp_path / "raw", "deals")][::7] == ["Deal 1", "changed"]
    hubspot.date = moment(30)
    run(hubspot, tmp_path, ("overlap: 60", "overlap: 0"))
    assert [row["properties__dealname"] for row in table(tmp_path / "raw", "deals")][::7] == ["changed", "changed"]


def test_of_two_versions_of_a_record_the_newer_stays(salesforce, tmp_path):
    older = {**salesforce.tables["Opportunity"][0], "Name": "older", "SystemModstamp": sf(0)}
    salesforce.tables["Opportunity"].append(older)
    run(salesforce, tmp_path)
    assert [row["name"] for row in table(tmp_path / "raw", "opportunity")] == [f"Deal {n}" for n in range(1, 9)]


def test_the_companies_of_a_deal_are_those_it_has_now(hubspot, tmp_path):
    run(hubspot, tmp_path)
    linked = [(row["deal_id"], row["to_object_id"]) for row in table(tmp_path / "raw", "deals_companies")]
    assert linked == [("101", "900"), ("102", "900"), ("102", "901"), ("103", "902")]
    hubspot.companies = {"101": [900], "102": [903]}
    hubspot.change(2, moment(30))
    hubspot.change(3, moment(31))
    run(hubspot, tmp_path)
    linked = [(row["deal_id"], row["to_object_id"]) for row in table(tmp_path / "raw", "deals_companies")]
    assert linked == [("101", "900"), ("102", "903")]


def test_a_field_that_is_added_is_read_for_old_records_too(salesforce, tmp_path):
    run(salesforce, tmp_path)
    for n, deal in enumerate(salesforce.tables["Opportunity"]):
        deal["Region__c"] = f"region {n}"
    salesforce.asked.clear()
    run(
        salesforce,
        tmp_path,
        ("fields: [Id, Name, AccountId, OwnerId, StageName,", "fields: [Region__c, Id, Name, AccountId, OwnerId, StageName,"),
    )
    assert [row["region__c"] for row in table(tmp_path / "raw", "opportunity")] == [f"region {n}" for n in range(8)]
    asked = [re.search(r"FROM (\w+) WHERE \w+ >= (\S+)", one["query"].get("q", "")) for one in salesforce.asked]
    since = {found[1]: found[2] for found in asked if found}
    assert since["Opportunity"].startswith("2000-01-01") and not since["OpportunityHistory"].startswith("2000-01-01")


def test_text_arrives_as_it_was_written(salesforce, tmp_path):
    strange = ["null", "None", "007", "1E5", "Ünïcode 😀 'q' \"d\"", "two\nlines", "", "a\\ud83d"]
    for deal, name in zip(salesforce.tables["Opportunity"], strange, strict=True):
        deal["Name"] = name
    salesforce.tables["Opportunity"][7]["Name"] = "half \ud83d"  # some CRMs cut a text in the middle of a character
    run(salesforce, tmp_path)
    assert [row["name"] for row in table(tmp_path / "raw", "opportunity")] == [*strange[:7], "half \ufffd"]


def test_what_the_crm_does_not_offer_is_left_out_and_said(salesforce, tmp_path):
    salesforce.until = "account"
    outcome = run(salesforce, tmp_path)
    assert [one["member"] for one in outcome["absent"]] == ["opportunity_split", "opportunity_split_type"]
    assert "INVALID_TYPE sObject type 'OpportunitySplit' is not supported." in outcome["absent"][0]["reason"]

    def cut_once(asked):
        if "FROM OpportunitySplit " in asked["query"].get("q", ""):
            salesforce.faults[len(salesforce.asked)] = CUT
            salesforce.before_answer = lambda asked: None

    salesforce.before_answer = cut_once  # an answer that says no can be cut off, too
    assert run(salesforce, tmp_path)["absent"] == outcome["absent"]
    salesforce.unavailable = ()
    assert run(salesforce, tmp_path)["absent"] == []
    before = files(tmp_path / "raw")
    salesforce.unavailable = ("OpportunitySplit",)  # what was there and is not any longer may not grow old in silence
    assert "not offered" in refused(salesforce, tmp_path).what
    assert files(tmp_path / "raw") == before


# --- failures -------------------------------------------------------------------------------------------------------


def fault_on_page(crm: Crm, wanted: str, fault) -> None:
    """From the first question on whose path or query holds `wanted`, answer with `fault`."""

    def meanwhile(asked):
        if wanted in f"{asked['path']} {asked['query']}":
            crm.answer = lambda asked: fault(asked) if callable(fault) else fault

    crm.before_answer = meanwhile


ENDLESS = iter(range(10**9))
FAILURES = {
    "login": ((401, [{"message": f"no {TOKEN}"}]), UsageError, "does not accept the login"),
    "rights": ((403, [{"message": "no access"}]), UsageError, "may not read this"),
    "limit": ((403, [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]), DataRefused, "asks to wait"),
    "address": ((404, b"<html>nothing here</html>"), UsageError, "does not understand the question (404"),
    "question": ((400, [{"message": "No such column 'Foo'", "errorCode": "INVALID_FIELD"}]), UsageError, "INVALID_FIELD No such column 'Foo'"),
    "throttled": ((429, {"message": "slow down"}), DataRefused, "still asks to wait after 6 attempts"),
    "broken": ((500, b"oops"), DataRefused, "out of order (500"),
    "html": ((200, b"<html>Maintenance</html>"), DataRefused, "cannot be read"),
    "cut json": ((200, b'{"records": [{"Id": "1"'), DataRefused, "cannot be read"),
    "no number": ((200, b'{"records": [{"Id": NaN}]}'), DataRefused, "NaN is not JSON"),
    "not text": ((200, b'{"records": [{"Id": "\xff"}]}'), DataRefused, "cannot be read"),
    "no list": ((200, {"error": "all is well"}), DataRefused, "it has no list 'records'"),
    "no object": ((200, {"totalSize": Number(1), "records": ["x"]}), DataRefused, "CreatedDate is None"),
    "no key": ((200, {"totalSize": Number(1), "records": [{"Name": "x", "CreatedDate": sf(1)}]}), DataRefused, "a record has no Id"),
    "no time": ((200, {"totalSize": Number(1), "records": [{"Id": "x", "CreatedDate": "soon"}]}), DataRefused, "'soon', not a time"),
    "too few": ((200, {"totalSize": Number(9), "records": []}), DataRefused, "speaks of 9 records and sent 0"),
    "circle": (lambda asked: (200, {"records": [], "nextRecordsUrl": "/services/data/v62.0/query/same"}), DataRefused, "lead in a circle"),
    "empty": (lambda asked: (200, {"records": [], "nextRecordsUrl": f"/services/data/v62.0/query/{next(ENDLESS)}"}), DataRefused, "25 pages in a row hold no record"),
    "elsewhere": ((200, {"records": [], "nextRecordsUrl": "https://evil.example.com/more"}), DataRefused, "another address, https://evil.example.com"),
    "two columns": ((200, {"totalSize": Number(1), "records": [{"Id": "1", "CreatedDate": sf(1), "A b": "1", "a_b": "2"}]}), DataRefused, "two fields would share the column a_b"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_is_one_line_that_says_what_is_left(case, salesforce, tmp_path):
    fault, kind, words = FAILURES[case]
    salesforce.until = "opportunity_field_history"
    fault_on_page(salesforce, "FROM OpportunityHistory ", fault)
    failure = refused(salesforce, tmp_path)
    assert isinstance(failure, kind) and failure.exit_code == kind.exit_code
    assert words in failure.what
    assert ", opportunity_history" in failure.where
    assert "1 of 2 resources are kept, no file in" in failure.do
    assert files(tmp_path / "raw") == {}


def test_a_redirection_to_another_host_is_not_followed(salesforce, tmp_path):
    salesforce.faults = {2: (302, b"", {"Location": "https://evil.example.com/"})}
    assert "another address, https://evil.example.com" in refused(salesforce, tmp_path).what


def test_a_refused_login_shows_neither_the_secret_nor_its_spellings(salesforce, tmp_path):
    salesforce.environ = {"SALESFORCE_CLIENT_ID": "someone", "SALESFORCE_CLIENT_SECRET": "wr0ng+secret/x"}
    failure = refused(salesforce, tmp_path)
    assert isinstance(failure, UsageError)
    assert "does not accept the login (400 Bad Request: no client ***)" in failure.what
    assert "check SALESFORCE_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET" in failure.do
    assert "wr0ng" not in str(failure)


def test_pages_out_of_order_and_unanswered_records_are_noticed(hubspot, tmp_path):
    answer = hubspot.answer

    def backwards(asked):
        status, content = answer(asked)
        return status, {**content, "results": content["results"][::-1]} if asked["path"].endswith("/search") else content

    hubspot.answer = backwards
    assert "the pages are not in order" in refused(hubspot, tmp_path).what

    def forgetful(asked):
        status, content = answer(asked)
        return status, {**content, "results": content["results"][1:]} if asked["path"].endswith("deals/batch/read") else content

    hubspot.answer = forgetful
    assert refused(hubspot, tmp_path).what == "3 records were asked for, 2 were answered"


@pytest.mark.parametrize("small", [Salesforce, HubSpot], indirect=True, ids=["login for a token", "token"])
def test_the_secrets_are_nowhere_and_dlt_is_silent(small, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    run(small, tmp_path, progress=told.append)
    small.down = len(small.asked) + 4
    refused(small, tmp_path)
    written = b"".join(path.read_bytes() for path in (tmp_path / "raw").rglob("*") if path.is_file())
    said = "\n".join([caplog.text, *told, *capfd.readouterr()])
    for secret in (SECRET, TOKEN, CLIENT, "s3cr3t%2Bof%2Fthe%3Dapp"):
        assert secret.encode() not in written
        assert secret not in said
    assert capfd.readouterr() == ("", "")


def test_telemetry_is_off(salesforce, tmp_path):
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
    from dlt.common.runtime import anon_tracker

    run(salesforce, tmp_path)
    assert anon_tracker._ANON_TRACKER_ENDPOINT is None
    assert Container()[PluggableRunContext].context.runtime_config.dlthub_telemetry is False


# --- the folder -----------------------------------------------------------------------------------------------------


def test_a_folder_of_something_else_is_not_touched(salesforce, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "opportunity.parquet").write_bytes(b"mine")
    assert isinstance(refused(salesforce, tmp_path), CannotWrite)
    assert files(tmp_path / "raw") == {"opportunity.parquet": b"mine"} and salesforce.asked == []


def test_two_crms_are_not_mixed_in_one_folder(hubspot, tmp_path):
    run(hubspot, tmp_path)
    before = files(tmp_path / "raw")
    other = next(started := _started(Salesforce))
    assert "the folder holds hubspot of 127.0.0.1" in refused(other, tmp_path).what
    assert files(tmp_path / "raw") == before
    started.close()


def _started(kind):
    yield from started(kind)


def test_a_table_taken_out_of_the_connector_leaves_no_old_file(salesforce, tmp_path):
    run(salesforce, tmp_path)
    assert (tmp_path / "raw" / "opportunity_history.parquet").exists()
    (tmp_path / "raw" / "quotas.csv").write_text("mine", encoding="utf-8")
    salesforce.until = "opportunity_history"
    run(salesforce, tmp_path)
    assert not (tmp_path / "raw" / "opportunity_history.parquet").exists()
    assert (tmp_path / "raw" / "opportunity.parquet").exists() and (tmp_path / "raw" / "quotas.csv").exists()


def test_a_folder_that_cannot_be_written_is_said(salesforce, tmp_path):
    (tmp_path / "raw").write_text("a file", encoding="utf-8")
    assert isinstance(refused(salesforce, tmp_path), CannotWrite)


def test_a_file_that_cannot_be_replaced_is_said_and_the_next_run_completes(salesforce, tmp_path, monkeypatch):
    run(salesforce, tmp_path)
    salesforce.change(1, moment(40))
    replace, failing = Path.replace, ["opportunity_history.parquet"]

    def full(self, target):
        if self.name in failing:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    failure = refused(salesforce, tmp_path)
    assert isinstance(failure, CannotWrite) and failure.what == "cannot write: No space left on device"
    failing.clear()
    run(salesforce, tmp_path)
    run(salesforce, tmp_path, to="undisturbed")
    assert files(tmp_path / "raw") == files(tmp_path / "undisturbed")


def test_a_damaged_state_says_what_to_do(salesforce, tmp_path):
    run(salesforce, tmp_path)
    (tmp_path / "raw" / ".state" / "landing.duckdb").write_bytes(b"not what it was " * 1000)
    before = files(tmp_path / "raw")
    failure = refused(salesforce, tmp_path)
    assert (failure.what, failure.do) == (
        "what was fetched earlier is damaged",
        "delete the folder; everything is read again then",
    )
    assert files(tmp_path / "raw") == before


def test_two_fetches_at_a_time_are_refused(salesforce, tmp_path):
    run(salesforce, tmp_path)
    code = f"import duckdb; base = duckdb.connect({str(tmp_path / 'raw' / '.state' / 'landing.duckdb')!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert refused(salesforce, tmp_path).what == "another fetch is at work in the folder"
        other.communicate(b"\n")


# --- the connector file ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crm", [Salesforce, HubSpot, Dynamics], ids=lambda crm: crm.__name__)
def test_a_missing_variable_is_named(crm, tmp_path):
    environ = {**crm.environ, **({crm.variable: "https://crm.example.com"} if crm.variable else {})}
    for missing in environ:
        for empty in ({}, {missing: ""}, {missing: "\n"}):
            rest = {key: value for key, value in environ.items() if key != missing}
            with pytest.raises(UsageError, match=f"{missing} is not set"):
                fetch(SHIPPED / crm.file, tmp_path / "raw", environ={**rest, **empty})
    assert not (tmp_path / "raw").exists()


MINIMAL = """\
name: small
url: https://crm.example.com/
auth: {type: bearer, token: {env: SMALL_TOKEN}}
resources:
  deals: {path: deals, key: id, records: list, next: more}
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("token: {env: SMALL_TOKEN}", "token: written-here", "token is written in the file"),
        ("type: bearer", "type: baerer", "did you mean bearer"),
        ("https://crm", "http://crm", "does not begin with https://"),
        ("https://crm.example.com", "http://localhost:1", "does not begin with https://"),
        ("https://crm.example.com", "ftp://127.0.0.1", "does not begin with https://"),
        ("https://crm", "https://me:pass@crm", "holds a user name or password"),
        ("https://crm.example.com/", "crm.example.com", "is not the address of a CRM"),
        ("https://crm.example.com/", "https://crm.example.com/?key=1", "is not the address of a CRM"),
        ("resources:", "resource:", "did you mean resources"),
        ("path: deals", "pth: deals", "did you mean path"),
        ("path: deals, ", "", "path is missing"),
        (", key: id", "", "key is missing"),
        ("deals: {", "Deals!: {", "cannot be the name of a file"),
        ("records: list", "records: list, cursor: updated", "{since} is not asked for"),
        ("records: list", "records: list, params: {after: '{sinse}'}", "did you mean since"),
        ("records: list", "records: list, params: {after: '{since}'}", "add `cursor`"),
        ("next: more", "last: id", "{last} is not in `json`"),
        ("next: more", "last: id, json: {above: '{last}'}, next: more", "two ways to turn the page"),
        (", next: more", "", "only the first page would be read"),
        ("records: list", "records: list, kind: short", "unknown kind 'short'"),
        (", next: more", ", changed: dealz, json: {ids: '{ids}'}", "did you mean deals"),
        (", next: more", ", changed: dealz, json: {ids: 1}", "{ids} is not in `json`"),
        ("records: list", "records: list, deleted: {listed: deals}", "nothing can depend on it"),
        ("records: list", "records: list, deleted: {colum: x}", "did you mean column"),
        ("records: list", "records: list, optional: maybe", "neither true nor false"),
        ("records: list", "records: list, batch: 0", "not a whole number"),
        ("records: list", "records: list, fields: [a, a]", "'a' is there twice"),
        ("records: list", "records: list, method: PUT", "is not a method"),
        ("path: deals", "path: 'x/{'", "holds a brace"),
        ("name: small", "name: small\nsince: soon", "is not a day"),
        ("  deals: {path: deals, key: id, records: list, next: more}", "  {}", "nothing is asked for"),
        ("name: small", "name: small\nname: large", "written twice"),
    ],
)  # fmt: skip
def test_what_a_connector_file_must_not_say_is_refused_before_anything_is_asked(old, new, words, tmp_path):
    assert old in MINIMAL
    path = tmp_path / "small.yml"
    path.write_text(MINIMAL.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        fetch(path, tmp_path / "raw", environ={"SMALL_TOKEN": "abc"})
    assert words in str(caught.value) and "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert not (tmp_path / "raw").exists()


def test_a_secret_with_a_line_break_inside_is_refused_without_being_shown(tmp_path):
    with pytest.raises(UsageError) as caught:
        fetch(SHIPPED / "hubspot.yml", tmp_path / "raw", environ={"HUBSPOT_TOKEN": "abc\ndef"})
    assert "HUBSPOT_TOKEN holds a character no secret has" in str(caught.value) and "abc" not in str(caught.value)


def test_without_the_extra_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dlt", None)
    with pytest.raises(UsageError, match=r'pip install "revops-notebooks\[connect\]"'):
        fetch(SHIPPED / "hubspot.yml", tmp_path / "raw", environ={"HUBSPOT_TOKEN": "abc"})
    assert not (tmp_path / "raw").exists()


def test_importing_the_package_does_not_import_dlt():
    code = "import sys, revops_lib.sources.connect; print('dlt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
