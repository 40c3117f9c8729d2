"""The monitoring workflow with the real programs, executed by act: an alarm, a new model, its release and its record.

AWS is emulated on this machine; `released.STAND_INS` has what is not real, and why.
"""

from __future__ import annotations

import json
import shutil
import time

import pytest

from tests.integration.released import DATA, Released
from tests.scenarios.test_retraining_loop import Shop, penguins, shifted
from tests.warm_python import WarmPython
from tests.workflow_runner import git

pytestmark = pytest.mark.slow
MONITOR = ".github/workflows/mlspec-monitor.yaml"
GROUP = "/aws/lambda/penguins"


def served(released: Released, warm: WarmPython) -> None:
    """Answer requests with the current model, before and after a shift; the log goes to CloudWatch, the labels to S3."""
    shop = Shop(released.root, warm.variables(released.environment))
    rows = penguins(released.root)
    with shop.serving() as port:
        shop.predict(port, rows[:60], labelled=60)
        shop.predict(port, shifted(rows), labelled=len(rows))
    lines = [line for file in sorted(shop.store.root.rglob("*.jsonl")) for line in file.read_text().splitlines()]
    logs, now = released.client("logs"), int(time.time() * 1000)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="one")
    events = [{"timestamp": now, "message": json.dumps({"mlspec": "prediction"} | json.loads(line))} for line in lines]
    logs.put_log_events(logGroupName=GROUP, logStreamName="one", logEvents=events)
    for file in released.root.glob("labels-*.csv"):
        released.client("s3").upload_file(str(file), DATA, f"labels/{file.name}")
        file.unlink()
    shutil.rmtree(shop.store.root)


def test_an_alarm_leads_to_a_released_and_recorded_model(released: Released, warm: WarmPython) -> None:
    released.model(1)
    released.administer()
    one = released.live()
    served(released, warm)
    result = released.run(MONITOR, "schedule", repository={"private": False})
    assert result.code == 0, result
    assert set(result.jobs) == {"monitor", "retrain", "build", "release", "record", "propose"}, result
    assert "alarm[harmful]" in result.summary["monitor"]
    assert "waiting: the challenger is better" in result.summary["retrain"]
    two = released.live()
    assert (one[0], two[0], one[1] != two[1]) == ("1", "2", True)
    branch = "mlspec-retrained-1"
    changed = git(released.folder / "origin.git", "show", "--name-only", "--format=", branch).split()
    assert {"dvc.lock", "data/collected.dvc", "artifacts/metrics/evaluate.json"} <= set(changed)
    assert not [name for name in changed if name.endswith(".parquet")]

    git(released.root, "fetch", "-q", "origin", branch)
    git(released.root, "checkout", "-q", "--force", "FETCH_HEAD")
    released.program("dvc", "pull", "--force")
    released.program("mlspec", "monitor", "restore")
    (retraining,) = json.loads((released.root / ".mlspec/monitor/state/retraining.json").read_text())["retrainings"]
    assert retraining["verdict"] == "approved"
    assert (released.root / retraining["file"]).is_file()
    assert "Nothing to do" in released.program("mlspec", "plan", "--until", "package")
