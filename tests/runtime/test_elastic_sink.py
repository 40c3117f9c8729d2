"""The sink against an in-memory server, through a proxy that has bad days."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlspec.runtime.elastic_counts import ElasticCounts
from mlspec.runtime.elastic_sink import ElasticSink, connect
from mlspec.runtime.elastic_spool import ElasticSpool
from tests.runtime.answered import TABLE, encoder, request
from tests.runtime.callers import until
from tests.runtime.elastic_proxy import ElasticProxy, cluster

STREAM = "predictions-cola"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with cluster() as url:
        yield url


class Sending:
    """A sink with everything it reports, and its proxy."""

    def __init__(self, proxy: ElasticProxy, folder: Path, stream: str) -> None:
        self.proxy, self.folder, self.stream = proxy, folder, stream
        self.messages: list[str] = []
        self.sinks: list[ElasticSink] = []

    def start(self, spool: int = 10**6, **more: Any) -> ElasticSink:
        self.spool = ElasticSpool(self.folder, spool)
        self.counts = ElasticCounts(TABLE, self.spool.size)
        url = more.pop("url", self.proxy.url)
        sink = ElasticSink(
            lambda: connect(url, "key"), self.stream, self.spool, self.counts, self.messages.append, pause=0.01, **more
        )
        self.sinks.append(sink)
        return sink

    def counted(self, outcome: str) -> int:
        return self.counts.documents[outcome]

    def stored(self) -> dict[str, Any]:
        return self.proxy.documents(self.stream)


@pytest.fixture
def sending(server: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Sending]:
    proxy = ElasticProxy(server)
    each = Sending(proxy, tmp_path, f"p-{abs(hash(request.node.name))}")
    yield each
    for sink in each.sinks:
        sink.close()
    proxy.close()


ENCODER = encoder()


def lines(count: int) -> list[bytes]:
    """New records, each with an id of its own."""
    return ENCODER.lines(request(count)).lines


def test_documents_are_stored_with_the_ids_of_the_records(sending: Sending) -> None:
    sink, sent = sending.start(), lines(3)
    sink.write("2026-11-27", sent)
    until(lambda: sending.counted("stored") == 3)
    assert set(sending.stored()) == {json.loads(line)["id"] for line in sent}
    assert sending.messages == []


@pytest.mark.parametrize("fault", ["429", "503"])
def test_an_overloaded_cluster_receives_the_batch_again(sending: Sending, fault: str) -> None:
    sending.proxy.faults = [fault, fault]
    sending.start().write("", lines(5))
    until(lambda: sending.counted("stored") == 5)
    assert sending.counts.failures["429" if fault == "429" else "5xx"] == 2
    until(lambda: len(sending.messages) == 2)
    assert [text.partition(":")[0] for text in sending.messages] == ["prediction log (elasticsearch)"] * 2
    assert "sent again" in sending.messages[0]
    assert "sending again" in sending.messages[1]


def test_only_the_documents_that_failed_are_sent_again(sending: Sending) -> None:
    sending.proxy.faults = ["one-429"]
    sending.start().write("", lines(5))
    until(lambda: sending.counted("stored") == 5)
    assert sending.proxy.bulks == [5, 1]
    assert len(sending.stored()) == 5


def test_a_batch_whose_response_is_lost_is_stored_once(sending: Sending) -> None:
    sending.proxy.faults = ["lost"]
    sending.start().write("", lines(4))
    until(lambda: sending.counted("duplicate") + sending.counted("stored") == 4)
    assert sending.counted("duplicate") == 4
    assert len(sending.stored()) == 4


def test_a_rollover_between_a_batch_and_its_repetition_makes_no_duplicate(sending: Sending) -> None:
    proxy, alias = sending.proxy, {"add": {"alias": sending.stream, "is_write_index": True}}
    proxy.json("PUT", f"/{sending.stream}-1")
    proxy.json("POST", "/_aliases", {"actions": [{"add": alias["add"] | {"index": f"{sending.stream}-1"}}]})
    proxy.faults = ["lost"]
    proxy.always = "503"
    sending.start().write("", lines(4))
    until(lambda: len(proxy.bulks) > 1)
    old = {"add": {"alias": sending.stream, "index": f"{sending.stream}-1", "is_write_index": False}}
    proxy.json("PUT", f"/{sending.stream}-2")
    proxy.json("POST", "/_aliases", {"actions": [old, {"add": alias["add"] | {"index": f"{sending.stream}-2"}}]})
    proxy.json("POST", f"/{sending.stream}-1/_refresh")
    proxy.always = ""
    until(lambda: sending.counted("duplicate") + sending.counted("stored") == 4)
    assert len(sending.stored()) == 4
    assert proxy.documents(f"{sending.stream}-2") == {}


def test_one_refused_document_is_kept_in_a_file_and_the_others_are_stored(sending: Sending) -> None:
    mapping = {"mappings": {"properties": {"inputs": {"properties": {"age": {"type": "double"}}}}}}
    sending.proxy.json("PUT", f"/{sending.stream}", mapping)
    wrong = {"sentence": "a", "age": "not a number", "town": None}
    good = {"sentence": "a", "age": 1.0, "town": None}
    sent = encoder().lines(request(3, rows=[good, wrong, good])).lines
    sending.start().write("", sent)
    until(lambda: sending.counted("stored") + sending.counted("refused") == 3)
    assert sending.counted("refused") == 1
    (file,) = (sending.folder / "refused").glob("*/*.jsonl")
    entry = json.loads(file.read_text())
    assert (entry["id"], entry["status"]) == (json.loads(sent[1])["id"], 400)
    assert entry["document"]["inputs"] == wrong
    (message,) = sending.messages
    assert "[inputs.age]" in message
    assert "help: `mlspec apply` gives the data stream the fields of this version" in message


def test_a_document_in_the_failure_store_is_counted(sending: Sending) -> None:
    sending.proxy.faults = ["failure-store"]
    sending.start().write("", lines(3))
    until(lambda: sending.counted("stored") == 2)
    assert sending.counted("failure_store") == 1
    (message,) = sending.messages
    assert (
        f"do not fit the fields of {sending.stream} are in {sending.stream}::failures. help: `mlspec apply`" in message
    )


def test_a_wrong_key_is_reported_once_and_nothing_is_lost(sending: Sending) -> None:
    sending.proxy.always = "401"
    sink = sending.start()
    sink.write("", lines(3))
    until(lambda: sending.counts.failures["unauthorized"] > 2)
    assert [text for text in sending.messages if "API key is not accepted" in text] == sending.messages
    assert len(sending.messages) == 1
    sink.close()
    assert sending.spool.size() > 0
    sending.proxy.always = ""
    sending.start()
    until(lambda: sending.counted("stored") == 3)
    assert len(sending.stored()) == 3
    until(lambda: sending.spool.size() == 0)


@pytest.mark.parametrize(
    ("status", "kind", "help"),
    [("403", "forbidden", "create_doc"), ("404", "not_found", "mlspec apply"), ("415", "rejected", "major version")],
)
def test_what_an_operator_has_to_fix_loses_nothing(sending: Sending, status: str, kind: str, help: str) -> None:
    sending.proxy.always = status
    sending.start().write("", lines(3))
    until(lambda: sending.counts.failures[kind] > 2)
    assert len(sending.messages) == 1
    assert help in sending.messages[0]
    sending.proxy.always = ""
    until(lambda: sending.counted("stored") == 3)
    assert sending.counted("refused") == 0
    until(lambda: len(sending.messages) == 2)


@pytest.mark.parametrize(("fault", "kind"), [("one-403", "forbidden"), ("no-pipeline", "not_found")])
def test_documents_that_wait_for_an_operator_are_sent_again(sending: Sending, fault: str, kind: str) -> None:
    sending.proxy.faults = [fault]
    sending.start().write("", lines(3))
    until(lambda: sending.counted("stored") == 3)
    assert (sending.counted("refused"), sending.counts.failures[kind]) == (0, 1)


@pytest.mark.parametrize("status", [400, 413])
def test_a_batch_refused_because_of_one_document_is_stored_without_it(sending: Sending, status: int) -> None:
    sent = lines(9)
    bad = json.loads(sent[5])["id"]
    sending.proxy.refuses = (bad.encode(), status)
    sending.start().write("", sent)
    until(lambda: sending.counted("stored") + sending.counted("refused") == 9)
    assert sending.counted("refused") == 1
    (file,) = (sending.folder / "refused").glob("*/*.jsonl")
    entry = json.loads(file.read_text())
    assert (entry["id"], entry["status"]) == (bad, status)
    assert set(sending.stored()) == {json.loads(line)["id"] for line in sent} - {bad}


def test_a_batch_that_is_too_large_is_sent_in_parts(sending: Sending) -> None:
    sending.proxy.most_bytes = 2_000
    sending.start().write("", lines(9))
    until(lambda: sending.counted("stored") == 9)
    assert sending.counted("refused") == 0
    assert len(sending.proxy.bulks) > 3


def test_a_server_of_another_major_version_refuses_no_document(sending: Sending) -> None:
    sending.proxy.media_type = True
    sending.start().write("", lines(2))
    until(lambda: sending.counts.failures["rejected"] > 1)
    sending.proxy.media_type = False
    until(lambda: sending.counted("stored") == 2)
    assert sending.counted("refused") == 0


def test_a_slow_cluster_never_delays_the_log(sending: Sending) -> None:
    sending.proxy.faults = ["late"]
    sink = sending.start(max_lines=10)
    sink.write("", lines(5))
    until(lambda: len(sending.proxy.bulks) == 1)
    began = time.monotonic()
    for _ in range(20):
        sink.write("", lines(5))
    assert time.monotonic() - began < 2
    assert sending.spool.size() > 0
    sending.proxy.go_on.set()
    until(lambda: sending.counted("stored") == 105)
    assert len(sending.stored()) == 105


def test_while_the_cluster_is_down_predictions_wait_on_disk_within_the_bound(sending: Sending) -> None:
    sending.proxy.always = "503"
    sink = sending.start(spool=6000, max_lines=5)
    for _ in range(10):
        sink.write("", lines(5))
    assert 0 < sending.spool.size() <= 6000
    dropped = sending.counted("dropped")
    assert dropped > 0
    assert any("spool is full" in text for text in sending.messages)
    sending.proxy.always = ""
    until(lambda: sending.counted("stored") == 50 - dropped)
    assert len(sending.stored()) == 50 - dropped


def test_a_spool_that_cannot_be_written_drops_counts_and_reports_once(sending: Sending) -> None:
    (sending.folder / "spool").write_text("a file where the folder would be")
    sending.proxy.always = "503"
    sink = sending.start(max_lines=1)
    for _ in range(3):
        sink.write("", lines(5))
    assert sending.counted("dropped") == 15
    assert sum("predictions are not sent" in text for text in sending.messages) == 1


def test_refused_documents_that_cannot_be_written_are_counted(sending: Sending) -> None:
    (sending.folder / "refused").write_text("a file where the folder would be")
    sending.proxy.refuses = (b"", 400)
    sending.start().write("", lines(3))
    until(lambda: sending.counted("refused") == 3)
    assert any(f"cannot write to {sending.folder / 'refused'}" in text for text in sending.messages)


def test_an_unreachable_cluster_does_not_fail_the_server(sending: Sending) -> None:
    sink = sending.start(url="http://127.0.0.1:9")
    sink.write("", lines(2))
    until(lambda: sending.counts.failures["connection"] > 0)
    sink.close()
    assert sending.spool.size() > 0


def test_another_program_at_the_address_receives_nothing_for_good(sending: Sending) -> None:
    sending.proxy.faults = ["stranger"]
    sending.start().write("", lines(2))
    until(lambda: sending.counted("duplicate") + sending.counted("stored") == 2)
    assert sending.counts.failures["connection"] == 1
    assert sending.counted("refused") == 0


def test_without_ids_documents_are_stored_by_ids_of_the_server(sending: Sending) -> None:
    sending.start(ids=False).write("", lines(2))
    until(lambda: sending.counted("stored") == 2)
    assert not set(sending.stored()) & {json.loads(line)["id"] for line in lines(2)}
