"""What the commands of `mlspec monitor` share: the model that the spec names, and its observation."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mlspec.cli.console import Console
from mlspec.compiler import compile_project
from mlspec.errors import StageError, UnobservableError, UsageError
from mlspec.job import write_text
from mlspec.spec.types import duration_seconds
from mlspec.workspace.spec_file import find_spec
from mlspec.workspace.template_cache import template_cache

if TYPE_CHECKING:
    from mlspec.monitoring.observation import Observation
    from mlspec.monitoring.watched_model import WatchedModel


def served_model(spec: str | None, env: str | None) -> WatchedModel:
    """The model of the spec. Raises UnobservableError if there is none, or if a package is missing."""
    try:
        from mlspec.monitoring.watched_model import watched_model
    except ModuleNotFoundError as error:
        raise missing_package(error) from None
    where = find_spec(spec, env)
    project = compile_project(where.spec, env, compiled=template_cache()).project
    return watched_model(project, where.root)


def missing_package(error: ModuleNotFoundError) -> UnobservableError:
    """The error of a package that monitoring needs."""
    return UnobservableError(f"monitoring needs the package {error.name}", help="pip install 'mlspec[monitor]'")


def observe(model: WatchedModel, last: timedelta, *, notifies: bool = True) -> Observation:
    """An observation of the last `last` before now; `notifies`: its events are sent."""
    from mlspec.monitoring.observation import Observer
    from mlspec.monitoring.panel_data import ViewedRange

    moment = datetime.now(UTC)
    return Observer(model, moment, ViewedRange(moment - last, moment), notifies).observe()


def send_notifications(console: Console, model: WatchedModel, observation: Observation) -> None:
    """Send the events to the channels of the spec; a channel that fails is named, and gets them with the next run."""
    from mlspec.monitoring.notifications import Notifier

    notifier = Notifier(model.options.notify, os.environ, model.state / "notified.json")
    for failure in notifier.send(observation.changes.events):
        what = "not everyone got" if failure.delivered else "did not get"
        console.say(f"{console.paint('warning', 'yellow')}: {failure.channel} {what} the event: {failure.reason}")
        again = "" if failure.delivered else "it is sent again by the next `mlspec monitor`"
        console.say(f"  = help: {'; '.join(part for part in (failure.help, again) if part)}")


def report_to_elasticsearch(console: Console, spec: str | None, model: WatchedModel, observation: Observation) -> None:
    """Store the reports where the rules of Kibana read them; what prevents it is reported, and stops nothing."""
    options = model.options.elasticsearch
    if options is None:
        return
    from mlspec.monitoring.open_reports import FILE, ObservedModel, OpenReports
    from mlspec.parts.monitor.stack_names import report_stream
    from mlspec.runtime.elastic_sink import connect

    variables = [given for given in (options.url, options.api_key) if not isinstance(given, str)]
    if missing := [given.env for given in variables if not os.environ.get(given.env)]:
        console.say(f"nothing is reported to Elasticsearch: not set: {', '.join(missing)}")
        return
    project = compile_project(
        find_spec(spec, model.environment or None).spec, model.environment or None, compiled=template_cache()
    ).project
    url = options.url if isinstance(options.url, str) else os.environ[options.url.env]
    about = ObservedModel(model.project, observation.state.until)
    try:
        with connect(url, os.environ[options.api_key.env]) as client:
            OpenReports(model.state / FILE).report(client, report_stream(project), observation.reports, about)
    except ModuleNotFoundError as error:
        console.say(f"nothing is reported to Elasticsearch: the package {error.name} is missing")
        console.say("  = help: pip install 'mlspec[elastic]'")
    except StageError as error:
        console.say(f"{console.paint('warning', 'yellow')}: {error.message}")
        console.say(f"  = help: {error.help}")


def push_metrics(console: Console, model: WatchedModel, observation: Observation) -> None:
    """Replace the gauges at the Pushgateway of the spec; what prevents it is reported, and stops nothing."""
    from mlspec.monitoring.monitor_metrics import metrics_text
    from mlspec.monitoring.pushgateway import push

    options = model.options.prometheus
    if options is None or options.pushgateway is None:
        return
    given = options.pushgateway
    url = given if isinstance(given, str) else os.environ.get(given.env, "")
    if not url:
        console.say(f"nothing is pushed to Prometheus: not set: {given if isinstance(given, str) else given.env}")
        return
    try:
        push(url, f"{model.project}-monitor", metrics_text(observation.state.metrics), model.environment)
    except StageError as error:
        console.say(f"{console.paint('warning', 'yellow')}: {error.message}")
        console.say(f"  = help: {error.help}")


def write_metrics(file: str, observation: Observation) -> None:
    """Write the gauges as text for Prometheus, whole or not at all. Raises UsageError if the file cannot be written."""
    from mlspec.monitoring.monitor_metrics import metrics_text

    text = metrics_text(observation.state.metrics)
    if file == "-":
        sys.stdout.write(text)
        return
    try:
        write_text(Path(file), text)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}", help="--metrics names a file") from None


def time_range(text: str) -> timedelta:
    """A duration such as `1d`. Raises UsageError."""
    try:
        return timedelta(seconds=duration_seconds(text))
    except ValueError:
        raise UsageError(f"--last {text} is not a duration", help="for example --last 1d, --last 6h") from None


def page_path(model: WatchedModel) -> Path:
    """Where the page is written: beside the report."""
    return model.artifacts / "monitor.html"
