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

Failure: TypeAlias = Literal["429", "5xx", "connection", "unauthorized", "forbidden", "not_found", "rejected"]
"""`forbidden`, `not_found` and `rejected` last until an operator removes the cause, and are no fault of a document."""
_EXISTS: Final = 409
_OF_DOCUMENTS: Final = (400, 413)
"""Statuses that may be due to one document: it cannot be parsed, or it makes the request too large."""
_OPERATOR: Final[Mapping[int, Failure]] = {401: "unauthorized", 403: "forbidden", 404: "not_found"}
_NO_PIPELINE: Final = "pipeline with id ["
_MEDIA_TYPE: Final = "media_type_header_exception"
"""Elasticsearch of another major version than its client answers 400 with it."""


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
    """Create the documents in the data stream. Never raises for a failure of the server.

    A batch that is refused as a whole, because of its size or of a document that cannot be parsed, is halved until that
    document is alone.
    """
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
        if _is_of_documents(error) and len(documents) > 1:
            middle = len(documents) // 2
            first, second = documents[:middle], documents[middle:]
            return _joined(send(client, stream, first, ids), send(client, stream, second, ids))
        return _failed(list(documents), error)
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
        response = client.search(index=stream, query={"ids": {"values": ids}}, size=len(ids), source=False)
    except (ApiError, TransportError):
        return set()
    return {str(hit["_id"]) for hit in response["hits"]["hits"]}


def _is_of_documents(error: ApiError) -> bool:
    """Whether the server may accept a part of the batch."""
    return error.status_code in _OF_DOCUMENTS and _MEDIA_TYPE not in str(error)


def _failed(documents: list[ElasticDocument], error: ApiError) -> BulkResult:
    """The result of a request that failed as a whole."""
    reason = _short(str(error))
    if _is_of_documents(error):
        return BulkResult(refused=[RefusedDocument(document, error.status_code, reason) for document in documents])
    failure = _failure(error.status_code) or "rejected"
    return BulkResult(again=documents, failure=failure, reason=reason, unknown=failure == "5xx")


def _failure(status: int) -> Failure | None:
    """Why a request or a document is sent again; None if the status is not a reason."""
    if status == 429:
        return "429"
    return "5xx" if status >= 500 else _OPERATOR.get(status)


def _joined(one: BulkResult, other: BulkResult) -> BulkResult:
    return BulkResult(
        stored=one.stored + other.stored,
        duplicate=one.duplicate + other.duplicate,
        failure_store=one.failure_store + other.failure_store,
        refused=one.refused + other.refused,
        again=one.again + other.again,
        failure=one.failure or other.failure,
        reason=one.reason or other.reason,
        unknown=one.unknown or other.unknown,
    )


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
        elif failure := "not_found" if _NO_PIPELINE in _reason(outcome) else _failure(status):
            result.again.append(document)
            result.failure, result.reason = failure, _reason(outcome)
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
