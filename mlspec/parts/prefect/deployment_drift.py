"""How the deployments on a Prefect server differ from `prefect.yaml`: old pull steps, edits in the UI.

Changes nothing. A deployment that left the file, and settings that were edited on the server, stay there until they are
deployed again or deleted.
"""

from __future__ import annotations

import base64
import json
import os
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any

import yaml

from mlspec.sections.orchestrate import Orchestrate
from mlspec.spec.project import Project

TIMEOUT = 5
"""Seconds that the server has to answer."""
_FOLDER = "prefect.deployments.steps.set_working_directory"
_DEPLOY = "prefect deploy --all"


def notices(project: Project, texts: Mapping[str, str], root: Path) -> list[str]:
    """The differences, each with the command that removes it; none without `PREFECT_API_URL`."""
    section, address = project.get(Orchestrate), os.environ.get("PREFECT_API_URL", "")
    if section is None or section.prefect is None or not address.startswith(("http://", "https://")):
        return []
    try:
        actual = _deployments(address, project.info.name)
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        return [f"the deployments of Prefect were not compared: PREFECT_API_URL does not answer: {reason}"]
    return list(differences(yaml.safe_load(texts["prefect.yaml"]), actual, root))


def differences(desired: Mapping[str, Any], actual: Sequence[Mapping[str, Any]], root: Path) -> Iterator[str]:
    """A line for each deployment that the server lacks, that differs there, or that is only there."""
    known = {str(deployment["name"]): deployment for deployment in actual}
    for deployment in desired["deployments"]:
        name = deployment["name"]
        if name not in known:
            yield f"the deployment {name} is not on the server: {_DEPLOY}"
        elif changed := list(_changed(deployment, desired.get("pull"), known.pop(name), root)):
            yield f"the deployment {name} differs on the server in {', '.join(changed)}: {_DEPLOY}"
    for name in sorted(known.keys() - {deployment["name"] for deployment in desired["deployments"]}):
        yield (
            f"the deployment {name} is on the server and not in the spec: "
            f"prefect deployment delete '{desired['name']}/{name}'"
        )


def _changed(
    desired: Mapping[str, Any], pull: Sequence[Mapping[str, Any]] | None, actual: Mapping[str, Any], root: Path
) -> Iterator[str]:
    """What differs, with the value of the server."""
    pairs = {
        "entrypoint": (desired["entrypoint"], actual.get("entrypoint")),
        "parameters": (desired["parameters"], actual.get("parameters")),
        "work pool": (desired["work_pool"]["name"], actual.get("work_pool_name")),
        "schedules": (_crons(desired.get("schedules", [])), _crons(actual.get("schedules") or [])),
        "pull steps": (pull or [{_FOLDER: {"directory": str(root.resolve())}}], actual.get("pull_steps")),
    }
    for name, (here, there) in pairs.items():
        if here != there:
            yield f"{name} ({json.dumps(there)})"
    if actual.get("paused"):
        yield "paused (true)"


def _crons(schedules: Sequence[Mapping[str, Any]]) -> list[str]:
    """The active schedules of a file or of a server as `CRON TIMEZONE`."""
    rules = [row.get("schedule", row) for row in schedules if row.get("active", True)]
    return sorted(f"{rule.get('cron', rule)} {rule.get('timezone') or 'UTC'}" for rule in rules)


def _deployments(address: str, flow: str) -> list[dict[str, Any]]:
    """The deployments of the flow (https://docs.prefect.io/v3/api-ref/rest-api). Raises like urlopen, or ValueError."""
    body = json.dumps({"flows": {"name": {"any_": [flow]}}}).encode()
    headers = {"Content-Type": "application/json", **_authorization()}
    request = urllib.request.Request(f"{address.rstrip('/')}/deployments/filter", body, headers)  # noqa: S310 - http(s), see notices
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        actual = json.loads(answer.read())
    if not isinstance(actual, list) or not all(isinstance(row, dict) and "name" in row for row in actual):
        raise ValueError("the answer is not a list of deployments")
    return actual


def _authorization() -> dict[str, str]:
    """The credentials that Prefect's own programs use."""
    key, pair = os.environ.get("PREFECT_API_KEY"), os.environ.get("PREFECT_API_AUTH_STRING")
    if key:
        return {"Authorization": f"Bearer {key}"}
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"} if pair else {}
