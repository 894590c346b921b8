"""Asking a CRM through dlt's REST source: log in, wait when told to, and give up with one sentence.

dlt logs in, turns the pages and repeats what failed. What is added: numbers stay the text that was sent, secrets go to
the CRM's own address only, and every failure becomes one line without secrets. dlt's pipelines are not used: they would
read numbers as floats and make half a resource visible.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import requests
from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client.auth import AuthConfigBase, BearerTokenAuth, OAuth2ClientCredentials
from dlt.sources.rest_api import rest_api_resources
from requests.adapters import HTTPAdapter

from ...errors import RevopsError, UsageError
from . import rows
from .connector import Connector, Resource
from .pages import FetchFailed, Say, Visit, batches, endpoint

_TIMEOUT = 120  # seconds without a byte
_SHOWN = 300  # characters of what a CRM says about a failure
_MINUTE = 60_000  # milliseconds


class NotOffered(UsageError):
    """The CRM does not have a resource that the connector calls optional, or does not let one read it."""


class Crm:
    """One login to a CRM."""

    def __init__(self, connector: Connector, say: Say) -> None:
        self.connector, self.say = connector, say
        client = Client(
            request_timeout=_TIMEOUT,
            request_max_attempts=connector.attempts,
            request_max_retry_delay=connector.longest_wait,
            raise_for_status=False,
        )
        self._session = client.session
        adapter = _Adapter(connector, say)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._auth = _login(connector, self._session)

    def rows(self, visit: Visit, known: int | None) -> Iterator[tuple[int | None, rows.Row]]:
        """Every row of a resource that changed since `known` (less the overlap), and when; all rows when it is None.

        Raises UsageError (login, rights, address, question), FetchFailed (anything that may pass) and NotOffered.
        """
        resource, connector = visit.resource, self.connector
        start = rows.milliseconds(connector.since)
        since = start if known is None else max(start, known - connector.overlap * _MINUTE)
        for record in self._records(visit, since):
            changed = rows.changed_at(record, resource, connector)
            visit.saw(changed)
            for row in rows.rows_of(record, resource, connector):
                yield changed, row
        visit.check_complete()

    def _records(self, visit: Visit, since: int) -> Iterator[Any]:
        resource = visit.resource
        client = {
            "base_url": self.connector.url,
            "headers": self.connector.headers,
            "auth": self._auth,
            "session": self._session,
        }
        try:
            config: Any = {"client": client, "resources": self._described(visit, since)}
            asked = {one.name: one for one in rest_api_resources(config)}
            yield from asked[resource.name]
        except Exception as failure:
            # Without its cause: the request it carries holds the login.
            raise self._explained(failure, resource) from None

    def _described(self, visit: Visit, since: int) -> list[dict[str, Any]]:
        """The resource in dlt's words; before it, when it depends on what changed elsewhere, the one that tells."""
        resource = visit.resource
        if resource.changed is None:
            return [endpoint(resource, visit, since)]
        told_by = self.connector.resource(resource.changed)
        finder = f"{resource.name}_changed"
        teller = endpoint(told_by, visit, since)
        teller["name"], teller["endpoint"]["data_selector"] = finder, "$"
        teller["processing_steps"] = [{"yield_map": batches(told_by, visit)}]
        reader = endpoint(resource, visit, since, ids=f"{{resources.{finder}.ids}}")
        return [teller, reader]

    def _explained(self, failure: BaseException, resource: Resource) -> RevopsError:
        chain = list(_causes(failure))
        where = f"{self.connector.path}, {resource.name}: {self._shown(self.connector.url)}"
        for cause in chain:
            if isinstance(cause, RevopsError):
                return type(cause)(cause.what, where, cause.do)
        for cause in chain:
            if isinstance(cause, requests.HTTPError) and cause.response is not None:
                return self._refused(cause.response, resource)
        for cause in chain:
            if isinstance(cause, requests.Timeout):
                return FetchFailed("the CRM does not answer", where, "try again later")
            if isinstance(cause, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
                return FetchFailed("the connection to the CRM was cut or could not be made", where, "try again later")
            if isinstance(cause, ValueError):
                what = self._shown(f"the answer of the CRM cannot be read: {cause}")
                return FetchFailed(what, where, "try again later, or ask who runs the CRM")
        what = self._shown(f"unexpected {type(chain[-1]).__name__}: {chain[-1]}")
        return FetchFailed(what, where, "report it with the connector file")

    def _refused(self, response: requests.Response, resource: Resource) -> RevopsError:
        status, said = response.status_code, self._shown(_said(response))
        url = response.url.partition("?")[0]
        where = f"{self.connector.path}, {resource.name}: {response.request.method} {self._shown(url)}"
        answer = f"{status} {response.reason or ''}".strip() + (f": {said}" if said else "")
        # Salesforce says 403 when the day's requests are used up.
        if status == 429 or (status == 403 and "LIMIT_EXCEEDED" in said):
            what = f"the CRM still asks to wait after {self.connector.attempts} attempts ({answer})"
            return FetchFailed(what, where, "try again later")
        if status >= 500:
            return FetchFailed(f"the CRM is out of order ({answer})", where, "try again later")
        if status == 401 or url == self.connector.auth.get("token_url"):
            do = f"check {', '.join(self.connector.variables)}"
            return UsageError(f"the CRM does not accept the login ({answer})", where, do)
        if resource.optional and status in (400, 403, 404):
            return NotOffered(f"not offered by the CRM ({answer})", where, "")
        if status == 403:
            do = "give the app's user the right to read it, or take the resource out of the file"
            return UsageError(f"the login may not read this ({answer})", where, do)
        return UsageError(f"the CRM does not understand the question ({answer})", where, "correct the connector file")

    def _shown(self, text: str) -> str:
        """Text without secrets, on one line."""
        secrets = [*self.connector.secrets, str(getattr(self._auth, "access_token", None) or "")]
        for secret in sorted((secret for secret in secrets if secret), key=len, reverse=True):
            for spelling in (secret, quote(secret, safe=""), quote_plus(secret)):
                text = text.replace(spelling, "***")
        text = " ".join(text.split())
        return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _login(connector: Connector, session: requests.Session) -> AuthConfigBase:
    given = connector.auth
    if given["type"] == "bearer":
        return BearerTokenAuth(token=given["token"])
    return OAuth2ClientCredentials(
        access_token_url=given["token_url"],
        client_id=given["client_id"],
        client_secret=given["client_secret"],
        access_token_request_data={"scope": given["scope"]} if "scope" in given else {},
        session=session,
    )


class _Adapter(HTTPAdapter):
    """Sends to the CRM's own addresses only, reads numbers as text, and says when the CRM asks to wait."""

    def __init__(self, connector: Connector, say: Say) -> None:
        super().__init__()
        self._connector, self._say = connector, say
        self._origins = {_origin(url) for url in (connector.url, connector.auth.get("token_url")) if url}

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if _origin(request.url or "") not in self._origins:
            what = f"the CRM's answer leads to another address, {_origin(request.url or '')}"
            raise FetchFailed(what, str(self._connector.path), "correct `url`, or ask who runs the CRM")
        response = super().send(request, *args, **kwargs)
        wait = response.headers.get("Retry-After", "")
        if response.status_code in (429, 503) and wait:
            self._say(f"the CRM asks to wait: {wait}" + (" s" if wait.isdigit() else ""))
        # Read here, an answer that is cut off is asked for again, whatever its status.
        content = response.content
        read: list[Any] = []

        def exact(**_: Any) -> Any:
            if not read:
                read.append(rows.read_json(content))
            return read[0]

        response.json = exact  # type: ignore[method-assign]
        return response


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _causes(failure: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while failure is not None and id(failure) not in seen:
        seen.add(id(failure))
        yield failure
        failure = failure.__cause__ or failure.__context__


def _said(response: requests.Response) -> str:
    """What a CRM says about a failure, in its own words."""
    try:
        content = response.json()
    except ValueError:
        return response.text
    content = content[0] if isinstance(content, list) and content else content
    for path in ("message", "error.message", "error_description", "error"):
        text = rows.at(content, path)
        if isinstance(text, str):
            code = rows.at(content, "errorCode") or ""
            return f"{code} {text}".strip()
    return response.text
