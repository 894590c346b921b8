"""A connector file: where a CRM is, how one logs in, and what is asked of it. Edited by an analyst, no code.

Everything that is not understood is refused with the nearest valid word. Secrets are never written here: the file names
the environment variables that hold them.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...errors import UsageError, nearest
from ..config import only, read_yaml

_TOP = ("name", "url", "auth", "headers", "since", "overlap", "attempts", "longest_wait", "drop", "columns", "kinds",
        "resources")  # fmt: skip
_AUTH = {"bearer": ("token",), "oauth2_client_credentials": ("token_url", "client_id", "client_secret", "scope")}
_SECRETS = ("token", "client_id", "client_secret")
_RESOURCE = ("kind", "object", "path", "method", "params", "json", "records", "next", "last", "total", "key", "cursor",
             "since_as", "whole", "under", "fields", "rows", "changed", "batch", "answers_each", "replaces", "deleted",
             "parent", "optional", "hidden")  # fmt: skip
_ENV = ("env", "before", "after")
_DELETED = ("column", "listed", "unlisted")
_NAME = re.compile("[a-z][a-z0-9_]*")
_PLACE = re.compile(r"\{([a-z_]+)\}")
_PLACES = ("object", "key", "fields", "cursor", "since", "last", "ids")
_WHERE_TO_START = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Rows:
    """A list inside each record becomes the rows: `path` to it, fields of the record to `keep`, column for a `name`."""

    path: str
    keep: dict[str, str]
    name: str | None


@dataclass(frozen=True)
class Resource:
    """One table of the CRM. What each key means is written in the shipped connector files."""

    name: str
    path: str
    object: str = ""
    method: str = "GET"
    params: dict[str, Any] = field(default_factory=dict)
    json: dict[str, Any] | None = None
    records: str = "$"
    next: str | None = None
    last: str | None = None
    total: str | None = None
    key: tuple[str, ...] = ()
    cursor: str | None = None
    since_as: str = "text"
    whole: bool = False
    under: str | None = None
    fields: tuple[str, ...] = ()
    rows: Rows | None = None
    changed: str | None = None
    batch: int = 50
    answers_each: bool = False
    replaces: str | None = None
    deleted: dict[str, str] = field(default_factory=dict)
    parent: dict[str, str] = field(default_factory=dict)
    optional: bool = False
    hidden: bool = False

    @property
    def telling(self) -> Resource:
        """The same resource asked only for what has changed."""
        return replace(self, fields=((self.cursor or "").rpartition(".")[2],))

    def filled(self, template: Any, **more: str) -> Any:
        """A part of the request with what is known of the resource, and what is given in `more`, in its `{places}`."""
        cursor = (self.cursor or "").rpartition(".")[2]
        known = {"object": self.object, "key": self.key[0], "fields": list(self.fields), "cursor": cursor}
        return fill(template, {**known, **more})

    def parameters(self, **more: str) -> dict[str, str]:
        filled = self.filled(self.params, **more)
        return {key: ",".join(value) if isinstance(value, list) else value for key, value in filled.items()}


@dataclass(frozen=True)
class Connector:
    path: Path
    name: str
    url: str
    auth: dict[str, str] = field(repr=False)
    headers: dict[str, str]
    since: dt.datetime
    overlap: int
    attempts: int
    longest_wait: int
    drop: frozenset[str]
    columns: tuple[tuple[str, str], ...]  # what the name of a column has, and what is written instead
    resources: tuple[Resource, ...]
    variables: tuple[str, ...]

    @property
    def secrets(self) -> list[str]:
        """What must never be shown."""
        return [value for key, value in self.auth.items() if key in _SECRETS]

    def resource(self, name: str) -> Resource:
        return next(one for one in self.resources if one.name == name)


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """A template with its `{places}` filled; a place that stands alone keeps a list, inside text it is joined by commas.

    >>> fill({"q": "SELECT {fields} FROM {object}", "list": "{fields}"}, {"fields": ["Id", "Name"], "object": "User"})
    {'q': 'SELECT Id,Name FROM User', 'list': ['Id', 'Name']}
    """
    if isinstance(template, dict):
        return {key: fill(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [fill(value, values) for value in template]
    if not isinstance(template, str):
        return template
    alone = _PLACE.fullmatch(template)
    if alone and alone[1] in values:
        return values[alone[1]]

    def text(place: re.Match[str]) -> str:
        value = values.get(place[1], place[0])
        return ",".join(value) if isinstance(value, list) else str(value)

    return _PLACE.sub(text, template)


def read_connector(path: Path, environ: Mapping[str, str]) -> Connector:
    """The connector a YAML file describes, with what it takes from the environment.

    Raises UsageError naming the file, the key and the nearest valid names, or the environment variable that is missing.
    """
    path = Path(path)
    content = read_yaml(path)
    only(content, _TOP, str(path), required=("name", "url", "auth", "resources"))
    asked: list[str] = []  # environment variables, in the order they are asked for
    url = _address(_text(content["url"], f"{path}, url", environ, asked), f"{path}, url")
    kinds = _mapping(content.get("kinds") or {}, f"{path}, kinds")
    for kind, entry in kinds.items():
        only(_mapping(entry, f"{path}, kinds.{kind}"), _RESOURCE, f"{path}, kinds.{kind}")
    described = _mapping(content["resources"], f"{path}, resources")
    if not described:
        raise UsageError("nothing is asked for", f"{path}, resources", "name at least one resource")
    resources = tuple(_resource(f"{path}, resources.{name}", name, entry, kinds) for name, entry in described.items())
    for resource in resources:
        _check_references(f"{path}, resources.{resource.name}", resource, {one.name: one for one in resources})
    auth = _auth(path, content["auth"], environ, asked)
    return Connector(
        path=path,
        name=_text(content["name"], f"{path}, name"),
        url=url if url.endswith("/") else url + "/",
        auth=auth,
        headers=_texts(content.get("headers") or {}, f"{path}, headers"),
        since=_moment(content.get("since"), f"{path}, since"),
        overlap=_whole(content.get("overlap", 60), f"{path}, overlap", least=0),
        attempts=_whole(content.get("attempts", 6), f"{path}, attempts"),
        longest_wait=_whole(content.get("longest_wait", 300), f"{path}, longest_wait"),
        drop=frozenset(_list(content.get("drop") or [], f"{path}, drop")),
        columns=tuple(_texts(content.get("columns") or {}, f"{path}, columns").items()),
        resources=resources,
        variables=tuple(dict.fromkeys(asked)),
    )


def _auth(path: Path, entry: Any, environ: Mapping[str, str], asked: list[str]) -> dict[str, str]:
    where = f"{path}, auth"
    entry = _mapping(entry, where)
    kind = entry.get("type")
    if kind not in _AUTH:
        raise UsageError(f"unknown type of login {kind!r}", where, nearest(str(kind), _AUTH))
    required = [key for key in _AUTH[kind] if key != "scope"]
    only(entry, ("type", *_AUTH[kind]), where, required=required)
    given = {"type": kind}
    for key in (key for key in _AUTH[kind] if key in entry):
        if key in _SECRETS and not isinstance(entry[key], dict):
            raise UsageError(f"{key} is written in the file", where, f"write `{key}: {{env: NAME_OF_A_VARIABLE}}` instead")
        value = _text(entry[key], f"{where}.{key}", environ, asked)
        # A line break that slipped into a secret would be shown by whoever refuses it as a header.
        if key in _SECRETS and not re.fullmatch("[!-~]+", value):
            do = "set it again without spaces and line breaks"
            raise UsageError(f"{entry[key]['env']} holds a character no secret has", f"{where}.{key}", do)
        given[key] = value
    if "token_url" in given:
        given["token_url"] = _address(given["token_url"], f"{where}.token_url")
    return given


def _address(text: str, where: str) -> str:
    try:
        parts = urlsplit(text)
        host, login = parts.hostname or "", parts.username or parts.password
    except ValueError:
        parts, host, login = urlsplit(""), "", None
    if login:
        raise UsageError("the address holds a user name or password", where, "put them under `auth`")
    if not host or parts.query or parts.fragment or not re.fullmatch("[!-~]+", text):
        raise UsageError(f"{text!r} is not the address of a CRM", where, "write it like https://company.example.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and host == "127.0.0.1"):
        raise UsageError(f"{text!r} does not begin with https://", where, "secrets are sent over https only")
    return text


def _resource(where: str, name: Any, entry: Any, kinds: dict[str, Any]) -> Resource:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a file", where, "use small letters, digits and _")
    entry = _mapping(entry, where)
    only(entry, _RESOURCE, where)
    if "kind" in entry and entry["kind"] not in kinds:
        raise UsageError(f"unknown kind {entry['kind']!r}", f"{where}.kind", nearest(str(entry["kind"]), kinds))
    entry = {**kinds.get(entry.get("kind"), {}), **entry}
    only(entry, _RESOURCE, where, required=("path", "key"))
    given: dict[str, Any] = {"name": name}
    for key in ("object", "path", "records", "next", "last", "total", "cursor", "under", "changed", "replaces"):
        if key in entry:
            given[key] = _text(entry[key], f"{where}.{key}")
    for key in ("whole", "answers_each", "optional", "hidden"):
        if key in entry:
            given[key] = _flag(entry[key], f"{where}.{key}")
    for key in ("key", "fields"):
        if key in entry:
            given[key] = _list(entry[key], f"{where}.{key}")
    given |= _choice(entry, "method", ("GET", "POST"), where) | _choice(entry, "since_as", ("text", "milliseconds"), where)
    if "batch" in entry:
        given["batch"] = _whole(entry["batch"], f"{where}.batch")
    if "params" in entry:
        given["params"] = _texts(entry["params"], f"{where}.params")
    if "json" in entry:
        given["json"] = _mapping(entry["json"], f"{where}.json")
    if "parent" in entry:
        given["parent"] = _texts(entry["parent"], f"{where}.parent")
    if "deleted" in entry:
        given["deleted"] = _texts(entry["deleted"], f"{where}.deleted")
        only(given["deleted"], _DELETED, f"{where}.deleted")
        if len(given["deleted"]) != 1:
            raise UsageError("say one way to know what was deleted", f"{where}.deleted", f"one of: {', '.join(_DELETED)}")
    if "rows" in entry:
        given["rows"] = _rows(entry["rows"], f"{where}.rows")
    resource = Resource(**given)
    _check_places(where, resource)
    return resource


def _rows(entry: Any, where: str) -> Rows:
    only(_mapping(entry, where), ("from", "keep", "name"), where, required=("from",))
    name = entry.get("name")
    keep = _texts(entry.get("keep") or {}, f"{where}.keep")
    return Rows(_text(entry["from"], f"{where}.from"), keep, None if name is None else _text(name, f"{where}.name"))


def _check_places(where: str, resource: Resource) -> None:
    """A request that lacks a place, or has one that nothing fills, would ask for something else than was meant."""
    used = set(_PLACE.findall(f"{resource.path} {resource.params} {resource.json}"))
    for place in sorted(used - set(_PLACES)):
        raise UsageError(f"unknown place {{{place}}}", where, nearest(place, _PLACES))
    if "{" in _PLACE.sub("", resource.path):
        raise UsageError("the path holds a brace", f"{where}.path", "leave it out")
    given = {"object": resource.object, "fields": resource.fields, "cursor": resource.cursor, "since": resource.cursor,
             "last": resource.last, "ids": resource.changed}  # fmt: skip
    for place in sorted(used & set(given)):
        if not given[place]:
            key = {"since": "cursor", "ids": "changed"}.get(place, place)
            raise UsageError(f"{{{place}}} is asked for, but not given", where, f"add `{key}`")
    if resource.last and resource.next:
        raise UsageError("next and last are two ways to turn the page", where, "keep one of them")
    if not (resource.last or resource.next or resource.changed):
        raise UsageError("nothing says how the next page is found", where, "add `next`, or only the first page would be read")
    if resource.last and ("last" not in used or resource.json is None):
        raise UsageError("last is given, but {last} is not in `json`", where, "add it to the filter")
    if resource.changed and (resource.cursor or resource.next or resource.last or resource.total):
        raise UsageError("changed goes without cursor, next, last and total", where, "take them away")
    if resource.changed and "ids" not in used:
        raise UsageError("changed is given, but {ids} is not in `json`", where, "add it")
    if resource.replaces and not resource.changed:
        raise UsageError("replaces goes with changed only", where, "take it away")
    if resource.cursor and not resource.whole and not resource.changed and "since" not in used:
        raise UsageError("cursor is given, but {since} is not asked for", where, "add it to the filter, or add `whole: true`")


def _check_references(where: str, resource: Resource, known: dict[str, Resource]) -> None:
    named = [resource.deleted.get("listed"), resource.deleted.get("unlisted"), resource.changed, *resource.parent.values()]
    for name in (name for name in named if name is not None):
        if name not in known:
            raise UsageError(f"unknown resource {name!r}", where, nearest(name, known))
        if known[name].optional or name == resource.name:
            raise UsageError(f"{name} may be missing, nothing can depend on it", where, "name another one")
    if resource.changed and (known[resource.changed].changed or not known[resource.changed].cursor):
        raise UsageError(f"{resource.changed} cannot tell what has changed", where, "name a resource with a cursor")


def _text(value: Any, where: str, environ: Mapping[str, str] | None = None, asked: list[str] | None = None) -> str:
    if isinstance(value, dict) and environ is not None and asked is not None:
        only(value, _ENV, where, required=("env",))
        parts = {key: _text(part, f"{where}.{key}") for key, part in value.items()}
        asked.append(parts["env"])
        found = environ.get(parts["env"], "").strip("\r\n")
        if not found:
            do = f"set the environment variable {parts['env']}, for instance `export {parts['env']}=…`"
            raise UsageError(f"{parts['env']} is not set", where, do)
        after = parts.get("after", "")
        return parts.get("before", "") + (found.rstrip("/") if after.startswith("/") else found) + after
    # YAML turns 007, 1.10 and no into something else, so a value that is not text must be quoted.
    if not isinstance(value, str) or not value:
        raise UsageError("expected text", where, "put it in quotes")
    return value


def _texts(value: Any, where: str) -> dict[str, str]:
    return {_text(key, where): _text(text, f"{where}.{key}") for key, text in _mapping(value, where).items()}


def _list(value: Any, where: str) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    listed = tuple(_text(item, where) for item in given)
    for item in listed:
        if listed.count(item) > 1:
            raise UsageError(f"{item!r} is there twice", where, "keep one of them")
    return listed


def _choice(entry: dict[str, Any], key: str, valid: tuple[str, ...], where: str) -> dict[str, str]:
    if key in entry and entry[key] not in valid:
        raise UsageError(f"{entry[key]!r} is not a {key}", f"{where}.{key}", f"one of: {', '.join(valid)}")
    return {key: entry[key]} if key in entry else {}


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{value!r} is neither true nor false", where, "write true or false")
    return value


def _whole(value: Any, where: str, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 1_000_000:
        raise UsageError(f"{value!r} is not a whole number", where, f"write {least} or more")
    return value


def _moment(value: Any, where: str) -> dt.datetime:
    if value is None:
        return _WHERE_TO_START
    try:
        moment = dt.datetime.fromisoformat(str(value))
    except ValueError:
        raise UsageError(f"{value!r} is not a day", where, "write it like 2020-01-01") from None
    return moment.replace(tzinfo=moment.tzinfo or dt.UTC).astimezone(dt.UTC)


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError("expected `key: value` lines", where, "correct the file")
    return value
