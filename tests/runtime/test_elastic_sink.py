"""The sink against an in-memory server, through a proxy that has bad days."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlspec.monitoring.dropped_records import dropped_records
from mlspec.monitoring.store_folders import StoreFolders
from mlspec.runtime.elastic_counts import ElasticCounts
from mlspec.runtime.elastic_sink import ElasticSink, connect
from mlspec.runtime.elastic_spool import ElasticSpool
from tests.conftest import CHECKOUT
from tests.runtime.answered import TABLE, encoder, request
from tests.runtime.callers import until
from tests.runtime.elastic_proxy import ElasticProxy, cluster

STREAM = "predictions-cola"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with cluster() as url:
        yield url


class SimulatedTime:
    """A clock that the test advances, and waiting by it."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def wait(self, event: threading.Event, seconds: float) -> bool:
        end = self.now + seconds
        while self.now < end and not event.wait(0.001):
            pass
        return event.is_set()


class Sending:
    """A sink with everything it reports, and its proxy."""

    def __init__(self, proxy: ElasticProxy, folder: Path, stream: str) -> None:
        self.proxy, self.folder, self.stream = proxy, folder, stream
        self.messages: list[str] = []
        self.sinks: list[ElasticSink] = []

    def start(self, spool: int = 10**6, **more: Any) -> ElasticSink:
        self.spool = ElasticSpool(self.folder, spool, more.get("clock", time.monotonic))
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
ALWAYS = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


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


def waiting(folder: Path) -> list[str]:
    """The ids of the records on disk."""
    files = (folder / "spool").iterdir()
    return [json.loads(line)["id"] for file in files for line in file.read_bytes().splitlines()]


@pytest.mark.parametrize("spool", [10**8, 100_000], ids=["all-fits", "more-than-the-bound"])
def test_a_cluster_that_is_down_for_an_hour_receives_everything_within_the_bound_once(
    sending: Sending, spool: int
) -> None:
    simulated, sent = SimulatedTime(), lines(1200)
    sending.proxy.always = "503"
    sink = sending.start(spool, max_lines=100, clock=simulated.clock, wait=simulated.wait)
    for second in range(3600):
        sink.write("", sent[second // 3 : second // 3 + 1] if second % 3 == 0 else [])
        sink.tick()
        simulated.now += 1.0
    sink.tick()
    fits = spool == 10**8
    on_disk, dropped = waiting(sending.folder), sending.counted("dropped")
    assert sending.spool.size() <= spool
    assert (len(set(on_disk)) == 1200) == fits
    assert (dropped == 0) == fits
    sending.proxy.always = ""
    until(lambda: _later(simulated) and sending.counted("stored") + sending.counted("duplicate") == 1200 - dropped)
    assert len(sending.stored()) == 1200 - dropped
    assert set(on_disk) <= set(sending.stored())
    sink.close()
    noted = dropped_records(StoreFolders(sending.folder), *ALWAYS).get("elasticsearch", {})
    assert noted == ({"dropped": dropped} if dropped else {})
    until(lambda: sending.spool.size() == 0)


def _later(simulated: SimulatedTime) -> bool:
    simulated.now += 1.0
    return True


KILLED = """
import sys, time
from pathlib import Path
from mlspec.runtime.contract import Contract
from mlspec.monitoring.dropped_records import dropped_records
from mlspec.monitoring.store_folders import StoreFolders
from mlspec.runtime.elastic_counts import ElasticCounts
from mlspec.runtime.elastic_sink import ElasticSink, connect
from mlspec.runtime.elastic_spool import ElasticSpool
url, folder, stream = sys.argv[1:]
first, *others = Path(folder, "records").read_bytes().splitlines(keepends=True)
spool = ElasticSpool(Path(folder), 10**6)
counts = ElasticCounts(Contract("cola", "7", {}, ()), spool.size)
sink = ElasticSink(lambda: connect(url, "key"), stream, spool, counts, print, flush=0.01)
sink.write("", [first])
while not Path(folder, "asked").exists():
    time.sleep(0.005)
while True:
    time.sleep(0.005)
    sink.tick()
    if spool.size() and others:
        sink.write("", others)
        others = []
"""
"""A server that is sending the first record while the others wait."""


def test_what_a_killed_server_had_not_sent_is_sent_by_the_one_that_runs(sending: Sending) -> None:
    sent = lines(5)
    (sending.folder / "records").write_bytes(b"".join(sent))
    sending.proxy.faults = ["late"]
    arguments = [sys.executable, "-c", KILLED, sending.proxy.url, str(sending.folder), sending.stream]
    killed = subprocess.Popen(arguments, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    until(lambda: sending.proxy.bulks == [1])
    (sending.folder / "asked").touch()
    until(lambda: (sending.folder / "spool").is_dir() and len(waiting(sending.folder)) == 5)
    killed.kill()
    killed.wait()
    simulated = SimulatedTime()
    sending.start(clock=simulated.clock, wait=simulated.wait)
    sending.proxy.go_on.set()
    until(lambda: _later(simulated) and sending.counted("stored") + sending.counted("duplicate") == 5)
    assert set(sending.stored()) == {json.loads(line)["id"] for line in sent}
    until(lambda: sending.spool.size() == 0)


def test_a_damaged_line_on_disk_is_counted_and_the_others_are_sent(sending: Sending) -> None:
    (sending.folder / "spool").mkdir()
    good = lines(2)
    (sending.folder / "spool" / "1-a-0.jsonl").write_bytes(good[0] + b'{"id": 1}\n\xff\n' + good[1])
    sending.start()
    until(lambda: sending.counted("stored") == 2)
    assert sending.counted("dropped") == 2
    assert sum("cannot be read" in text for text in sending.messages) == 1


def test_a_spool_that_cannot_be_written_drops_counts_and_reports_once(sending: Sending) -> None:
    (sending.folder / "spool").write_text("a file where the folder would be")
    sending.proxy.always = "503"
    sink = sending.start(max_lines=1)
    for _ in range(3):
        sink.write("", lines(5))
    assert sending.counted("dropped") == 15
    assert sum("predictions wait in memory, and are dropped" in text for text in sending.messages) == 1


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
