"""One batch of documents to Elasticsearch: a bulk request, and what became of each document.

Imported in the thread that sends, because it imports Elasticsearch's client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, cast

import orjson
from elasticsearch import ApiError, Elasticsearch, TransportError, UnsupportedProductError

from mlspec.runtime.elastic_document import ElasticDocument

Failure: TypeAlias = Literal["429", "5xx", "connection", "unauthorized"]
_EXISTS: Final = 409
_TOO_MANY: Final = 429
_UNAUTHORIZED: Final = (401, 403)


@dataclass(frozen=True, slots=True)
class RefusedDocument:
    """A document that Elasticsearch will never accept, and its reason."""

    document: ElasticDocument
    status: int
    reason: str


@dataclass(slots=True)
class BulkResult:
    """What became of the documents of a batch."""

    stored: int = 0
    duplicate: int = 0
    failure_store: int = 0
    refused: list[RefusedDocument] = field(default_factory=list)
    again: list[ElasticDocument] = field(default_factory=list)
    """Documents to send again."""
    failure: Failure | None = None
    """Why they are sent again."""
    reason: str = ""
    unknown: bool = False
    """Whether Elasticsearch may have stored some of them although it did not answer."""


def send(client: Elasticsearch, stream: str, documents: Sequence[ElasticDocument], ids: bool) -> BulkResult:
    """Create the documents in the data stream. Never raises for a failure of the server."""
    operations: list[bytes] = []
    for document in documents:
        operations += [
            orjson.dumps({"create": {"_id": document.id} if ids else {}}),
            orjson.dumps(document.source),
        ]
    try:
        response = client.bulk(index=stream, operations=cast("Sequence[Mapping[str, object]]", operations))
    except UnsupportedProductError as error:  # something else answers at that URL
        return BulkResult(again=list(documents), failure="connection", reason=_short(str(error)))
    except ApiError as error:
        return _failed(list(documents), error.status_code, str(error))
    except TransportError as error:
        return BulkResult(again=list(documents), failure="connection", reason=_short(str(error)), unknown=True)
    return _sorted(documents, response["items"])


def stored_already(client: Elasticsearch, stream: str, documents: Sequence[ElasticDocument]) -> set[str]:
    """The ids of those documents that the data stream contains.

    `create` refuses an id only within one backing index: after a rollover it would be stored twice. The key of the
    server may not be allowed to read; then only the backing index protects from duplicates.
    """
    ids = [document.id for document in documents]
    try:
        found = client.search(index=stream, query={"ids": {"values": ids}}, size=len(ids), source=False)
    except (ApiError, TransportError):
        return set()
    return {str(hit["_id"]) for hit in found["hits"]["hits"]}


def _failed(documents: list[ElasticDocument], status: int, reason: str) -> BulkResult:
    """The result of a request that failed as a whole."""
    reason = _short(reason)
    if status == _TOO_MANY:
        return BulkResult(again=documents, failure="429", reason=reason)
    if status >= 500:
        return BulkResult(again=documents, failure="5xx", reason=reason, unknown=True)
    if status in _UNAUTHORIZED:
        return BulkResult(again=documents, failure="unauthorized", reason=reason)
    return BulkResult(refused=[RefusedDocument(document, status, reason) for document in documents])


def _sorted(documents: Sequence[ElasticDocument], items: Sequence[Mapping[str, Mapping[str, object]]]) -> BulkResult:
    result = BulkResult()
    for document, item in zip(documents, items, strict=True):
        outcome = item["create"]
        status = int(cast("int", outcome["status"]))
        if status == _EXISTS:
            result.duplicate += 1
        elif status < 300:
            used = outcome.get("failure_store") == "used"
            result.failure_store += used
            result.stored += not used
        elif status == _TOO_MANY or status >= 500:
            result.again.append(document)
            result.failure = "429" if status == _TOO_MANY else "5xx"
            result.reason = _reason(outcome)
        else:
            result.refused.append(RefusedDocument(document, status, _reason(outcome)))
    return result


def _reason(outcome: Mapping[str, object]) -> str:
    error = outcome.get("error")
    if isinstance(error, Mapping):
        return _short(f"{error.get('type')}: {error.get('reason')}")
    return _short(str(error))


def _short(text: str) -> str:
    return " ".join(text.split())[:300]
