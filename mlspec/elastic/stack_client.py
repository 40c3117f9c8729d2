"""Requests to Elasticsearch and Kibana. No other module knows their clients, headers or status codes.

Both speak plain JSON: the media types of the Elasticsearch client name a version that an older server refuses.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote

from pydantic import JsonValue

from mlspec.elastic.stack_errors import Refusal, answered, not_elasticsearch, not_set, refused, too_old, unreachable
from mlspec.sections.monitor_elasticsearch import Elasticsearch as Options
from mlspec.spec.types import SecretRef

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

Method = Literal["GET", "PUT", "POST", "DELETE"]
Version = tuple[int, int]
Json = Mapping[str, JsonValue]
OLDEST: Final[Version] = (8, 19)
"""Oldest supported Elasticsearch: failure stores are not experimental since then; 9.0 is older in this respect."""
_JSON: Final = {"content-type": "application/json", "accept": "application/json"}


@dataclass(frozen=True)
class StackClient:
    """One Elasticsearch and its Kibana. `kibana_url` is "" where the spec has none.

    `hasty` is for a plan: a short timeout and no second try.
    """

    url: str
    api_key: str = field(repr=False)
    kibana_url: str = ""
    hasty: bool = False

    @property
    def _seconds(self) -> float:
        return 5 if self.hasty else 30

    @cached_property
    def _client(self) -> Elasticsearch:
        from elasticsearch import Elasticsearch

        retries = 0 if self.hasty else 3
        return Elasticsearch(
            self.url,
            request_timeout=self._seconds,
            max_retries=retries,
            retry_on_status=(429, 502, 503, 504),
            retry_on_timeout=retries > 0,
        )

    def elasticsearch(self, method: Method, path: str, body: Json | None = None) -> dict[str, JsonValue] | None:
        """The JSON object that Elasticsearch answers; None where the resource does not exist. Raises StageError."""
        from elasticsearch import TransportError

        headers = {**_JSON, "authorization": f"ApiKey {self.api_key}"}
        try:
            meta, answer = self._client.transport.perform_request(method, path, headers=headers, body=body)
        except TransportError as error:
            raise unreachable("Elasticsearch", self.url, error.message) from None
        if meta.status >= 300:
            if meta.status == 404 and method in ("GET", "DELETE"):
                return None
            raise refused(Refusal("Elasticsearch", self.url, method, path, meta.status, answer))
        if meta.headers.get("x-elastic-product") != "Elasticsearch":
            raise not_elasticsearch(self.url, _product(answer))
        return answered("Elasticsearch", path, answer)

    def kibana(self, method: Method, path: str, body: Json | None = None) -> dict[str, JsonValue] | None:
        """The JSON object that Kibana answers; None where the resource does not exist. Raises StageError."""
        data = None if body is None else json.dumps(body).encode()
        text = self._kibana(method, path, data, "application/json")
        return None if text is None else answered("Kibana", path, json.loads(text) if text.strip() else {})

    def kibana_lines(self, path: str, body: Json) -> list[dict[str, JsonValue]] | None:
        """The JSON lines that Kibana answers; None where a resource does not exist."""
        text = self._kibana("POST", path, json.dumps(body).encode(), "application/json", absent=(400, 404))
        return None if text is None else [json.loads(line) for line in text.splitlines() if line.strip()]

    def kibana_upload(self, path: str, name: str, lines: Sequence[Json]) -> dict[str, JsonValue] | None:
        """Upload JSON lines as a file of that name, as the import of saved objects takes them."""
        boundary = "mlspec-saved-objects"
        disposition = f'form-data; name="file"; filename="{name}"'
        content = "\n".join(json.dumps(line) for line in lines)
        data = (
            f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: application/ndjson\r\n\r\n"
            f"{content}\n\r\n--{boundary}--\r\n"
        )
        text = self._kibana("POST", path, data.encode(), f"multipart/form-data; boundary={boundary}")
        return answered("Kibana", path, json.loads(text or "{}"))

    def _kibana(
        self, method: Method, path: str, data: bytes | None, media_type: str, absent: Collection[int] = (404,)
    ) -> str | None:
        """The text that Kibana answers; None for a status that says that the resource does not exist."""
        headers = {"kbn-xsrf": "mlspec", "content-type": media_type, "authorization": f"ApiKey {self.api_key}"}
        request = urllib.request.Request(self.kibana_url.rstrip("/") + path, data, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self._seconds) as response:  # noqa: S310 - the spec allows http, https
                return str(response.read().decode("utf-8"))
        except urllib.error.HTTPError as error:
            if error.code in absent:
                return None
            body: object = error.read().decode("utf-8", errors="replace")
            with suppress(ValueError):
                body = json.loads(str(body))
            raise refused(Refusal("Kibana", self.kibana_url, method, path, error.code, body)) from None
        except (OSError, ValueError) as error:
            raise unreachable("Kibana", self.kibana_url, str(getattr(error, "reason", error))) from None

    def check_version(self) -> Version:
        """The version of Elasticsearch. Raises StageError for OpenSearch and for a version that is too old."""
        about = self._about
        if about.get("distribution") == "opensearch":
            raise not_elasticsearch(self.url, "OpenSearch")
        version = _version(about.get("number"))
        if not self.serverless and (version < OLDEST or version[:2] == (9, 0)):
            raise too_old(self.url, version)
        return version

    @cached_property
    def _about(self) -> Mapping[str, JsonValue]:
        """What Elasticsearch says of itself."""
        about = (self.elasticsearch("GET", "/") or {}).get("version")
        return about if isinstance(about, dict) else {}

    @property
    def serverless(self) -> bool:
        """Whether it is a serverless project, which has no replicas, no ILM and no version to compare."""
        return self._about.get("build_flavor") == "serverless"

    @cached_property
    def kibana_version(self) -> Version:
        """The version of Kibana; of a serverless project, that of its code."""
        status = self.kibana("GET", "/api/status") or {}
        about = status.get("version")
        return _version(about.get("number") if isinstance(about, dict) else None)


def _product(root: object) -> str:
    """What the root of a server says that it is."""
    about = root.get("version") if isinstance(root, dict) else None
    distribution = about.get("distribution") if isinstance(about, dict) else None
    return "OpenSearch" if distribution == "opensearch" else "another product, or a proxy in front of it"


def stack_client(options: Options, *, hasty: bool = False) -> StackClient:
    """The client of the section `monitor.elasticsearch`. Raises StageError where a variable is not set."""
    url, key = _value(options.url, "url"), _value(options.api_key, "api_key")
    kibana = "" if options.kibana_url is None else _value(options.kibana_url, "kibana_url")
    return StackClient(url, key, kibana, hasty)


def _value(given: str | SecretRef, key: str) -> str:
    if not isinstance(given, SecretRef):
        return given
    value = os.environ.get(given.env, "").strip()
    if not value:
        raise not_set(given.env, f"monitor.elasticsearch.{key}")
    return value


def _version(number: object) -> Version:
    match = re.match(r"(\d+)\.(\d+)", str(number or ""))
    return (int(match[1]), int(match[2])) if match else (0, 0)


def path_of(*parts: str) -> str:
    """A path with each part quoted."""
    return "/" + "/".join(quote(part, safe="@_.") for part in parts)
