"""Predictions to a data stream in Elasticsearch: a thread sends batches, and repeats what failed.

Ids are those of the records and documents are only created, so that a repeated document is stored once. What
Elasticsearch has not confirmed within the flush interval is on disk, within a bound, so that it survives a killed
server; beyond the bound it waits in memory, and beyond that it is dropped and counted. Documents that are refused for
good go to `FOLDER/refused/DAY/PROCESS.jsonl`.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import orjson

from mlspec.runtime.drop_notes import DropNotes
from mlspec.runtime.elastic_counts import FAILURES, ElasticCounts
from mlspec.runtime.elastic_document import ElasticDocument, document
from mlspec.runtime.elastic_spool import ElasticSpool, SpooledBatch, SpoolFullError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from mlspec.runtime.elastic_bulk import BulkResult, RefusedDocument

MAX_LINES: Final = 20_000
"""Maximum number of lines in memory while the disk takes none."""
MAX_BYTES: Final = 32 * 2**20
"""Maximum size of the lines in memory."""
BATCH: Final = 1_000
"""Maximum number of documents in a request."""
BATCH_BYTES: Final = 5 * 2**20
MAX_REFUSED: Final = 64 * 2**20
"""Maximum size of the files with the refused documents of a process."""
_LONGEST: Final = 60.0
"""Longest pause between two attempts, in seconds."""
_IDLE: Final = 1.0
_CLOSING: Final = 4.0
_PREFIX: Final = "prediction log (elasticsearch): "


def connect(url: str, api_key: str) -> Elasticsearch:
    """A client that does not repeat requests itself."""
    from elasticsearch import Elasticsearch

    return Elasticsearch(url, api_key=api_key, request_timeout=30, max_retries=0, retry_on_timeout=False)


class ElasticSink:
    """Sends lines of the prediction log to a data stream. `write` never waits for the server."""

    name: Final = "elasticsearch"

    def __init__(
        self,
        connect: Callable[[], Elasticsearch],
        stream: str,
        spool: ElasticSpool,
        counts: ElasticCounts,
        say: Callable[[str], None],
        *,
        ids: bool = True,
        low_confidence: float = 0.5,
        known: Mapping[str, Container[str]] | None = None,
        max_lines: int = MAX_LINES,
        pause: float = 0.5,
        flush: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        """`flush`: seconds after which unconfirmed lines are on disk; `tick` is called in half of that."""
        self._connect, self._stream, self._spool = connect, stream, spool
        self._counts, self._say, self._ids, self._low = counts, say, ids, low_confidence
        self._known = known or {}
        self._max_lines, self._pause, self._patience = max_lines, pause, flush / 4
        self._clock, self._wait = clock, wait
        self._notes = DropNotes(
            spool.folder.parent, f"elasticsearch-{spool.process}", "elasticsearch", counts.lost, clock
        )
        self._refused, self._refused_bytes = spool.folder.parent / "refused", 0
        self._lock, self._wake, self._stop = threading.Lock(), threading.Event(), threading.Event()
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._current: Sequence[bytes] = ()
        self._held: SpooledBatch | None = None
        """What is on disk of the lines that are being sent."""
        self._waits_since = self._sent_since = clock()
        self._failure, self._refusals = "", 0
        self._reported: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="elasticsearch", daemon=True)
        self._thread.start()

    def write(self, day: str, lines: Sequence[bytes]) -> None:  # noqa: ARG002 - the interface of a sink
        """Queue the lines; what does not fit in memory is spooled to disk."""
        lines = [line for text in lines for line in text.splitlines(keepends=True)]
        size = sum(map(len, lines))
        with self._lock:
            fits = len(self._waiting) + len(lines) <= self._max_lines and self._bytes + size <= MAX_BYTES
            if fits:
                if not self._waiting:
                    self._waits_since = self._clock()
                self._waiting.extend(lines)
                self._bytes += size
        if fits:
            self._wake.set()
        elif lost := self._put_aside(lines):
            self._counts.add("dropped", len(lost))

    def tick(self) -> None:
        """Put on disk what Elasticsearch has not confirmed for a while, so that a killed server does not lose it."""
        now = self._clock()
        self._spool.tend()
        self._notes.tick()
        with self._lock:
            late = self._current and self._held is None and now - self._sent_since >= self._patience
            if late:
                with self._disk():
                    self._held = self._spool.hold(self._current)
            rest: list[bytes] = []
            if self._waiting and now - self._waits_since >= self._patience:
                rest, self._waiting, self._bytes = [*self._waiting], deque(), 0
        if left := self._put_aside(rest):
            with self._lock:
                self._waiting.extendleft(reversed(left))
                self._bytes += sum(map(len, left))

    def close(self) -> None:
        """Send what is queued for a few seconds, and spool the rest for the next start."""
        self._stop.set()
        self._wake.set()
        self._thread.join(_CLOSING)
        with self._lock:
            unsent = () if self._held else self._current
            rest, self._waiting = [*unsent, *self._waiting], deque()
            held, self._held, self._current, self._bytes = self._held, None, (), 0
        if held:
            held.release()
        if lost := self._put_aside(rest):
            self._counts.add("dropped", len(lost))
        self._spool.complete()
        self._notes.write()

    def _put_aside(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """Spool lines. Returns those that the disk does not take."""
        done = 0
        with self._disk():
            while done < len(lines):
                self._spool.put(lines[done : done + BATCH])
                done += BATCH
        return lines[done:]

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Report the first failure to write to the spool, and end the block."""
        wait = "predictions wait in memory, and are dropped when that is full too"
        try:
            yield
        except SpoolFullError:
            self._report("full", f"the spool is full; {wait}")
        except OSError as error:
            self._report("disk", f"cannot write to {self._spool.folder}: {error.strerror}; {wait}")

    def _run(self) -> None:
        try:
            self._send_all(self._connect())
        except Exception as error:  # noqa: BLE001 - no caller would receive it
            self._say(f"{_PREFIX}stopped, predictions are kept on disk: {type(error).__name__}: {error}")

    def _send_all(self, client: Elasticsearch) -> None:
        while True:
            self._spool.tend()
            if lines := self._take():
                if not self._deliver(client, lines):
                    return
            elif self._stop.is_set():
                return
            elif (batch := self._spool.take()) is not None:
                if not self._resend(client, batch):
                    return
            else:
                self._wait(self._wake, _IDLE)
                self._wake.clear()

    def _take(self) -> Sequence[bytes]:
        """The next batch from memory; none if the process stops and Elasticsearch does not answer."""
        batch: list[bytes] = []
        size = 0
        with self._lock:
            if self._stop.is_set() and self._failure:
                return ()
            while self._waiting and len(batch) < BATCH and size < BATCH_BYTES:
                batch.append(self._waiting.popleft())
                size += len(batch[-1])
            self._bytes -= size
            self._current, self._sent_since = batch, self._clock()
        return batch

    def _resend(self, client: Elasticsearch, batch: SpooledBatch) -> bool:
        """Send a batch from disk, which may have been sent before. Returns False if the process stops."""
        with self._lock:
            self._current, self._held = batch.lines, batch
        return self._deliver(client, batch.lines, unknown=True)

    def _deliver(self, client: Elasticsearch, lines: Sequence[bytes], unknown: bool = False) -> bool:
        """Send until each document is stored or refused. Returns False if the process stops before.

        `unknown`: whether Elasticsearch may have stored some of them already.
        """
        from mlspec.runtime import elastic_bulk

        left = {each.id: (each, line) for each, line in self._documents(lines)}
        attempt = 0
        while left:
            if unknown and self._ids:
                for id in elastic_bulk.stored_already(client, self._stream, [each for each, _ in left.values()]):
                    left.pop(id, None)
                    self._counts.add("duplicate", 1)
            result = elastic_bulk.send(client, self._stream, [each for each, _ in left.values()], self._ids)
            self._count(result)
            left, unknown = {each.id: left[each.id] for each in result.again}, result.unknown
            self._confirm([line for _, line in left.values()])
            if result.failure is None:
                continue
            self._counts.failed(result.failure)
            self._report(result.failure, _message(result))
            self._spool.tend()
            if self._wait(self._stop, min(self._pause * 2**attempt, _LONGEST) * random.uniform(0.5, 1.0)):
                return False
            attempt = min(attempt + 1, 20)
        self._confirm(())
        self._works()
        return True

    def _documents(self, lines: Sequence[bytes]) -> Iterator[tuple[ElasticDocument, bytes]]:
        """The documents of lines. A damaged one, from a disk, is dropped and counted."""
        for line in lines:
            try:
                yield document(line, self._low, self._known), line
            except (ValueError, LookupError, TypeError, AttributeError):
                self._counts.add("dropped", 1)
                self._report("damaged", f"a waiting prediction in {self._spool.folder} cannot be read and is not sent")

    def _confirm(self, left: Sequence[bytes]) -> None:
        """Elasticsearch has answered for all lines of the batch except these, which are sent again."""
        with self._lock:
            self._current, held = left, self._held
            if held is None or len(left) == len(held.lines):
                return
            kept = None
            if left:
                with self._disk():
                    kept = self._spool.hold(left)
                if kept is None:
                    return
            self._held = kept
        held.done()

    def _count(self, result: BulkResult) -> None:
        if result.refused:
            self._keep_refused(result.refused)
        if result.failure_store:
            message = f"documents that do not fit the fields of {self._stream} are in {self._stream}::failures"
            help = f"{_FIELDS}, and `FROM {self._stream}::failures` names the field"
            self._report("failure_store", f"{message}. help: {help}")
        for outcome, count in (
            ("stored", result.stored),
            ("duplicate", result.duplicate),
            ("failure_store", result.failure_store),
            ("refused", len(result.refused)),
        ):
            if count:
                self._counts.add(outcome, count)

    def _keep_refused(self, refused: Sequence[RefusedDocument]) -> None:
        """Append refused documents to the file of the day, within a bound."""
        first = refused[0]
        path = self._refused / datetime.now(UTC).date().isoformat() / f"{self._spool.process}.jsonl"
        if not self._refusals:
            help = f". help: {_FIELDS}" if "mapp" in first.reason or "pars" in first.reason else ""
            refusal = f"{self._stream} refused a document ({first.status}, {first.reason})"
            self._say(f"{_PREFIX}{refusal}: see {path}{help}")
        self._refusals += len(refused)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                for each in refused:
                    if self._refused_bytes < MAX_REFUSED:
                        entry = {"status": each.status, "reason": each.reason, "id": each.document.id}
                        line = orjson.dumps(entry | {"document": each.document.source}) + b"\n"
                        self._refused_bytes += file.write(line)
        except OSError as error:
            self._report("refused", f"cannot write to {path}: {error.strerror}")

    def _report(self, kind: str, message: str) -> None:
        """Report the first failure of a kind, until it works again."""
        if kind not in self._reported:
            self._reported.add(kind)
            self._say(_PREFIX + message)
        if kind in FAILURES:
            self._failure = kind

    def _works(self) -> None:
        if self._failure:
            self._failure = ""
            self._reported.clear()
            self._say(f"{_PREFIX}sending again to {self._stream}")


_FIELDS: Final = "`mlspec apply` gives the data stream the fields of this version of the model"
_CAUSES: Final = {
    "unauthorized": ("the API key is not accepted", "check the variable with the key"),
    "forbidden": (
        "the API key may not write there",
        "give it the right `create_doc` on the data stream, as in elasticsearch/server-key.json",
    ),
    "not_found": ("the data stream or its pipeline does not exist", "`mlspec apply` creates them"),
    "rejected": (
        "the server rejects the request",
        "check the URL, proxies, and that the Python package elasticsearch has the major version of the server",
    ),
}
"""What an operator has to change, by failure, and how."""


def _message(result: BulkResult) -> str:
    cause, help = _CAUSES.get(result.failure or "", ("cannot send predictions", ""))
    kept = f"{cause}: {result.reason}. Predictions are kept and sent again"
    return f"{kept}. help: {help}" if help else kept
