"""The prediction log of a process: its policy, where it writes, and what it counts.

Environment: `MLSPEC_MONITORING` is the file with the policy, by default `monitoring.json` beside the bundle,
`MLSPEC_LOG` is `file`, `stdout` or `off`, `MLSPEC_LOG_FOLDER` replaces the folder of the policy.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mlspec.runtime import log_policy
from mlspec.runtime.elastic_counts import ElasticCounts
from mlspec.runtime.elastic_sink import ElasticSink, connect
from mlspec.runtime.elastic_spool import ElasticSpool
from mlspec.runtime.image_statistics import statistics
from mlspec.runtime.known_categories import known_categories
from mlspec.runtime.log_counts import LogCounts
from mlspec.runtime.log_output import LogOutput
from mlspec.runtime.log_policy import ElasticPolicy, LogPolicy
from mlspec.runtime.log_segments import LogSegments
from mlspec.runtime.prediction_log import PredictionLog, Sink, say
from mlspec.runtime.prediction_record import Front, RecordEncoder
from mlspec.runtime.predictor import Predictor
from mlspec.runtime.preprocess.bundle_errors import BundleError
from mlspec.runtime.service import Service

_DESTINATIONS: Final = ("file", "stdout", "off")


def attach(service: Service, front: Front, policy_file: Path, environment: Mapping[str, str]) -> PredictionLog | None:
    """Give the service its log, which the caller starts and closes. Raises BundleError for an invalid policy.

    Without a policy nothing is written, but inputs and scores are counted for `/metrics`.
    """
    to = environment.get("MLSPEC_LOG", "stdout" if front == "lambda" else "file")
    if to not in _DESTINATIONS:
        raise BundleError(f"MLSPEC_LOG is {to!r}, which is not one of {', '.join(_DESTINATIONS)}")
    if to == "off":
        return None
    path = Path(environment.get("MLSPEC_MONITORING") or policy_file)
    policy = log_policy.read(path) if path.is_file() or "MLSPEC_MONITORING" in environment else None
    log = service.log = _log(service, front, policy or LogPolicy())
    if policy is not None:
        folder = Path(environment.get("MLSPEC_LOG_FOLDER") or path.parent / policy.folder)
        log.add_sink(_sink(to, folder, log.counts))
        if policy.elastic is not None and front != "lambda":
            known = known_categories(service.model.preprocess) if isinstance(service.model, Predictor) else {}
            _send_to_elasticsearch(log, policy, policy.elastic, folder, environment, known)
    return log


def _send_to_elasticsearch(
    log: PredictionLog,
    policy: LogPolicy,
    elastic: ElasticPolicy,
    folder: Path,
    environment: Mapping[str, str],
    known: Mapping[str, frozenset[str]],
) -> None:
    """Add the sink. A function does not send: it would be suspended while it does."""
    url = environment.get(elastic.url, "") if elastic.url_variable else elastic.url
    key = environment.get(elastic.api_key_variable, "")
    variables = [*([elastic.url] if elastic.url_variable else []), elastic.api_key_variable]
    missing = [name for name in variables if not environment.get(name)]
    if missing:
        say(f"prediction log (elasticsearch): predictions are not sent; variables not set: {', '.join(missing)}")
    elif importlib.util.find_spec("elasticsearch") is None:
        say("prediction log (elasticsearch): predictions are not sent. help: pip install 'mlspec[elastic]'")
    else:
        spool = ElasticSpool(folder, elastic.spool_bytes)
        counts = ElasticCounts(log.counts.contract, spool.size)
        log.counts.more = counts.lines
        sink = ElasticSink(
            lambda: connect(url, key),
            elastic.stream,
            spool,
            counts,
            say,
            ids=elastic.ids,
            low_confidence=policy.low_confidence,
            flush=policy.flush,
            # Of a hashed value it is not known whether it occurs in the training data.
            known={n: values for n, values in known.items() if policy.columns.get(n, "full") == "full"},
        )
        log.add_sink(sink)


@contextmanager
def logging(service: Service, front: Front, policy_file: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Log the requests to the service within the context, from a thread. Raises BundleError."""
    log = attach(service, front, policy_file, environment)
    if log is None:
        yield
        return
    log.start()
    try:
        yield
    finally:
        log.close()


def _log(service: Service, front: Front, policy: LogPolicy) -> PredictionLog:
    model = service.model
    preprocess = model.preprocess if isinstance(model, Predictor) else None
    counts = LogCounts(service.contract, known_categories(preprocess) if preprocess else {}, policy.low_confidence)
    encoder = RecordEncoder(service.contract, policy, front, statistics(preprocess) if preprocess else {})
    return PredictionLog(encoder, (), counts, flush=policy.flush)


def _sink(to: str, folder: Path, counts: LogCounts) -> Sink:
    if to == "stdout":
        return LogOutput()
    segments = LogSegments(folder, dropped=counts.lost)
    try:
        segments.check()
    except OSError as error:
        say(
            f"prediction log: cannot write to {folder} ({error.strerror}); predictions are printed to stdout. "
            "help: mount a writable folder there, or set MLSPEC_LOG_FOLDER"
        )
        return LogOutput()
    return segments
