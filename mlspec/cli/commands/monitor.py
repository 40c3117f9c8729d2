"""`mlspec monitor`: the state of a served model, and what to do about it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options, target_option
from mlspec.cli.paths import PATH
from mlspec.errors import EXIT_OK, EXIT_STAGE, UsageError
from mlspec.target_facts import TargetName

if TYPE_CHECKING:
    from mlspec.cli.retrain_command import ApprovalStep


@click.group(invoke_without_command=True)
@spec_options
@click.option("--last", default="1d", show_default=True, metavar="DURATION", help="Time range to show.")
@click.option("--html", is_flag=True, help="Write a page to artifacts/monitor.html and print its path.")
@click.option(
    "--metrics",
    type=PATH,
    metavar="FILE",
    help="Write what was measured for Prometheus, for the textfile collector of node_exporter; `-`: to stdout.",
)
@click.option("--serve", is_flag=True, help="Show the page in a browser and keep it up to date. Ctrl-C stops it.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="With --serve: listen here.")
@click.option(
    "--port",
    default=8090,
    show_default=True,
    metavar="PORT",
    type=click.IntRange(0, 65535),
    help="With --serve: port; 0 takes a free one.",
)
@click.option(
    "--rows",
    default=20,
    show_default=True,
    metavar="N",
    type=click.IntRange(0, 1000),
    help="Example rows to print, shared among the alarms. The page and --json have 20 for each alarm.",
)
@click.option("--no-notify", is_flag=True, help="Do not notify, and send no reports to Elasticsearch.")
@click.pass_context
def command(
    context: click.Context,
    spec: str | None,
    env: str | None,
    as_json: bool,
    last: str,
    html: bool,
    metrics: str | None,
    serve: bool,
    host: str,
    port: int,
    rows: int,
    no_notify: bool,
) -> int:
    """Show the state of the served model: availability, latency, quality and drift.

    Reads the prediction log, passes new rows to the drift detectors, checks the alerts of the spec, notifies of alarms
    that begin or clear, and exits with 4 while an alarm fires. Run it as often as you like: each row counts once, so
    that the rate of false alarms stays as declared.
    """
    if context.invoked_subcommand is not None:
        return EXIT_OK
    console = Console(as_json=as_json)
    if serve:
        return _serve(console, spec, env, last, host, port)
    return _show(console, spec, env, last, html=html, metrics=metrics, notify=not no_notify, rows=rows)


def _show(
    console: Console,
    spec: str | None,
    env: str | None,
    last: str,
    *,
    html: bool,
    metrics: str | None,
    notify: bool,
    rows: int,
) -> int:
    from mlspec.cli import monitoring
    from mlspec.cli.labelling import take_labels
    from mlspec.cli.monitor_text import show_state, state_json
    from mlspec.job import write_text
    from mlspec.report.monitor_page import monitor_page

    span = monitoring.time_range(last)
    model = monitoring.served_model(spec, env)
    take_labels(console, model)
    observation = monitoring.observe(model, span, notifies=notify)
    state = observation.state
    if notify:
        monitoring.send_notifications(console, model, observation)
        monitoring.report_to_elasticsearch(console, spec, model, observation)
        monitoring.push_metrics(console, model, observation)
    if metrics is not None:
        monitoring.write_metrics(metrics, observation)
    if metrics == "-":
        return EXIT_STAGE if state.alarms else EXIT_OK
    if console.as_json:
        console.document(state_json(state))
    show_state(console, state, rows)
    if html:
        path = monitoring.page_path(model)
        write_text(path, monitor_page(state))
        console.say(f"page: {path}")
    return EXIT_STAGE if state.alarms else EXIT_OK


def _serve(console: Console, spec: str | None, env: str | None, last: str, host: str, port: int) -> int:
    from mlspec.cli.monitor_server import LatestState, monitor_server
    from mlspec.cli.monitoring import observe, served_model, time_range

    span, model = time_range(last), served_model(spec, env)
    try:
        server = monitor_server(LatestState(lambda: observe(model, span, notifies=False).state), host, port)
    except OSError as error:
        help = "choose another port: mlspec monitor --serve --port 0 takes any free one"
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}", help=help) from None
    with suppress(KeyboardInterrupt), server:
        console.say(f"{model.project} is shown at http://{host}:{server.server_port} (Ctrl-C stops it)")
        server.serve_forever()
    return EXIT_OK


@command.command("retrain", short_help="Train on labelled predictions if an alarm calls for it.")
@spec_options
@target_option
@click.option("--now", "anyway", is_flag=True, help="Train even without an alarm, and ignore pauses and limits.")
@click.option("--hold", is_flag=True, help="A model that wins waits for `mlspec monitor approve`.")
def retrain_command(
    spec: str | None, env: str | None, as_json: bool, target: TargetName | None, anyway: bool, hold: bool
) -> int:
    """Train on labelled predictions if an alarm calls for it, and release the new model if it is better.

    Part of the labelled predictions joins the training data, the rest compares both models. With `on_drift: retrain` a
    scheduled job runs this after `mlspec monitor`; cool-down, minimum of rows and trainings per week are in
    `monitor.retrain`.
    """
    from mlspec.cli.retrain_command import retrain

    return retrain(Console(as_json=as_json), spec, env, target, anyway=anyway, hold=hold)


@command.command("approve", short_help="Release the new model that waits for approval.")
@spec_options
@target_option
@click.option("--reject", "step", flag_value="reject", help="Drop the new model instead.")
@click.option("--build", "step", flag_value="build", help="Only train it and build what is released.")
@click.option("--released", "step", flag_value="record", help="Only record that another machine released it.")
def approve_command(
    spec: str | None, env: str | None, as_json: bool, target: TargetName | None, step: ApprovalStep | None
) -> int:
    """Release the model that won and waits for approval.

    A job that releases need not run the project's code: one job runs this with --build, a second one releases what that
    built with `mlspec apply`, and a third one runs this with --released.
    """
    from mlspec.cli.retrain_command import approve

    return approve(Console(as_json=as_json), spec, env, target, step or "release")


@command.command("power", short_help="Show which changes can be detected at your traffic.")
@spec_options
def power_command(spec: str | None, env: str | None, as_json: bool) -> int:
    """Show which changes of an input can be detected, and after how many rows, at the declared traffic."""
    from mlspec.cli.monitor_checks import show_power

    return show_power(Console(as_json=as_json), spec, env)


@command.command("test", short_help="Replay incidents: which alert fires, after how many rows.")
@spec_options
def test_command(spec: str | None, env: str | None, as_json: bool) -> int:
    """Replay synthetic incidents through the alerts and detectors: which fires, after how many rows.

    An alert that no incident can fire is an error, and so is one that fires on healthy traffic. The rules of Prometheus
    are tested with promtool, where it is installed.
    """
    from mlspec.cli.monitor_checks import test_alarms

    return test_alarms(Console(as_json=as_json), spec, env)


@command.command("pull", short_help="Fetch the predictions of a Lambda function or a container.")
@spec_options
@target_option
@click.option("--file", metavar="FILE", help="Read lines of the prediction log from FILE; `-`: standard input.")
def pull_command(spec: str | None, env: str | None, as_json: bool, target: TargetName | None, file: str | None) -> int:
    """Fetch the predictions that a Lambda function logged to CloudWatch into the store; with --file those that a
    container wrote or printed: docker logs CONTAINER | mlspec monitor pull --file -

    Continues where the last pull stopped; a prediction is stored once, however often it is pulled.
    """
    from mlspec.cli.monitor_pull import pull_predictions

    return pull_predictions(Console(as_json=as_json), spec, env, target, file)


@command.command("restore", short_help="Fetch the predictions that another machine saved.")
@spec_options
def restore_command(spec: str | None, env: str | None, as_json: bool) -> int:
    """Fetch the predictions and the state of the detectors that `mlspec monitor save` stored."""
    from mlspec.cli.monitor_copy import restore_store

    return restore_store(Console(as_json=as_json), spec, env)


@command.command("save", short_help="Store predictions in the DVC remote.")
@spec_options
def save_command(spec: str | None, env: str | None, as_json: bool) -> int:
    """Store the predictions and the state of the detectors in the DVC remote (s3://), for the next run of a job.

    It is all or nothing, and refused if another run has saved since `mlspec monitor restore`.
    """
    from mlspec.cli.monitor_copy import save_store

    return save_store(Console(as_json=as_json), spec, env)
