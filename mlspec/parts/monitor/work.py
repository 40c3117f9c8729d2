"""The stage `monitor`: installs in Elasticsearch and Kibana what the spec describes, and changes what differs."""

from __future__ import annotations

import sys

from mlspec.elastic.stack_client import StackClient
from mlspec.job import Job
from mlspec.parts.monitor.stack import installation
from mlspec.sections.monitor import Monitor


def main(job: Job) -> None:
    """Bring the stack to its desired state; a second run changes nothing."""
    install(job)


def install(job: Job, client: StackClient | None = None) -> None:
    """The same, through that client."""
    if job.need(Monitor).elasticsearch is None or not job.context.facts.installs_monitoring:
        return
    installed = installation(job, job.root, client)
    count = installed.install(installed.plan(), _say)
    _say(f"{count} change{'' if count == 1 else 's'} in Elasticsearch and Kibana")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
