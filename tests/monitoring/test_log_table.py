"""The lines of the real writer, in its real files, read by the store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mlspec.monitoring.log_table import identity
from mlspec.monitoring.prediction_store import PredictionStore
from mlspec.records.bundle_signature import BundleSignature, SignatureGraph, SignatureInput, SignatureOutput
from mlspec.runtime.log_output import marked
from mlspec.runtime.log_policy import LogPolicy
from mlspec.runtime.log_segments import LogSegments
from tests.runtime.answered import encoder, refused, request

NOW = datetime(2026, 11, 27, 15, tzinfo=UTC)
SIGNATURE = BundleSignature(
    name="cola",
    task="classification",
    inputs=(SignatureInput(name="sentence", type="text"),),
    output=SignatureOutput(labels=("bad", "ok")),
    graph=SignatureGraph(inputs=("input_ids",), output="logits"),
)


def test_what_the_server_writes_is_what_the_store_reads(tmp_path: Path) -> None:
    written, segments = encoder(LogPolicy()), LogSegments(tmp_path)
    for answered in (request(2), refused()):
        segments.write(*written.lines(answered))
    store = PredictionStore(tmp_path, SIGNATURE)
    sql = 'SELECT request_id, row, outcome, status, "input.sentence" AS s, "words.sentence" AS w, label FROM predictions ORDER BY id'
    before = store.query(sql).to_pylist()
    assert [(r["row"], r["outcome"], r["status"], r["w"]) for r in before] == [
        (0, "success", 200, 3.0),
        (1, "success", 200, 3.0),
        (None, "refused", before[2]["status"], None),
    ]
    assert store.seal().segments == 0  # this process still writes to it
    segments.close()
    sealed = store.seal()
    assert (sealed.segments, sealed.rows, sealed.corrupt) == (1, 3, 0)
    assert store.query(sql).to_pylist() == before


def test_a_line_on_standard_output_is_the_same_prediction() -> None:
    _, (line,) = encoder(LogPolicy()).lines(request())
    assert identity(marked(line)) == identity(line) is not None
