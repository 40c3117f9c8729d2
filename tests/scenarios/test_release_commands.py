"""`plan`, `apply` and `destroy` of what lies in an account, as a person calls them; AWS is emulated."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.shipping.cloud import RUN, Run, Shipped


@pytest.fixture
def live(shipped: Callable[..., Shipped]) -> Shipped:
    """A project that is deployed."""
    project = shipped("{memory: 512, url: true}")
    project.push()
    project.deploy()
    return project


def remote(text: str, name: str) -> list[str]:
    """The lines of the section `Remote`."""
    section = text.partition("\nRemote\n")[2].partition("\n\n")[0]
    shown = re.sub("sha256:[0-9a-f]{64}", "DIGEST", section)
    return [line.strip().replace(name, "NAME") for line in shown.splitlines()]


def test_the_plan_shows_what_differs_out_there(live: Shipped, mlspec: Run) -> None:
    code, out, _ = mlspec(live, "plan", "--only", "deploy", "--only", "push")
    assert (code, remote(out, live.root.name)) == (0, [])
    assert "push    up to date" in out
    live.spec("memory: 512", "memory: 1024")
    code, out, _ = mlspec(live, "plan", "--only", "deploy")
    assert remote(out, live.root.name) == [
        "~ lambda function NAME MemorySize: 512 -> 1024",
        "+ lambda version of NAME: (known after apply)",
        "+ release history /mlspec/NAME events: published, started, promoted",
        "+ ecr tag keep-(known after apply): DIGEST",
        "~ lambda alias live version: 1 -> (known after apply)",
        "~ record artifacts/release.json: function, rollout",
    ]
    assert "> deploy  +3 ~3" in out
    record = json.loads(mlspec(live, "plan", "--json")[1])["remote"]
    assert record["unseen"] == {}
    assert {k: v for k, v in record["changes"][0].items() if k != "resource"} == {
        "stage": "deploy", "sign": "~", "setting": "MemorySize", "old": 512, "new": 1024, "breaking": "", "held": "",
        "condition": "",
    }  # fmt: skip


def test_without_aws_the_plan_has_one_line_about_it_and_continues(live: Shipped, mlspec: Run, tmp_path: Path) -> None:
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    code, out, _ = mlspec(live, "plan", **nowhere)
    assert code == 0
    (line,) = remote(out, live.root.name)
    assert line.startswith("push and deploy: cannot compare with what is deployed: AWS cannot be reached")
    assert "> deploy" in out
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}  # fmt: skip
    _, out, _ = mlspec(live, "plan", **none)
    assert remote(out, live.root.name) == [
        "push and deploy: cannot compare with what is deployed: no AWS credentials found"
    ]


def test_a_network_that_never_answers_does_not_hold_up_the_plan(live: Shipped, mlspec: Run) -> None:
    """Whoever listens here takes the connection and stays silent; it is asked twice, and not once for each stage."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        code, out, _ = mlspec(live, "plan", AWS_ENDPOINT_URL=address)
        silent.settimeout(0)
        requested = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                silent.accept()[0].close()
                requested += 1
    assert code == 0
    assert remote(out, live.root.name)[0].startswith(
        "push and deploy: cannot compare with what is deployed: AWS cannot be"
    )
    assert requested == 2


def test_apply_changes_what_differs_and_then_has_nothing_to_do(live: Shipped, mlspec: Run) -> None:
    live.spec("memory: 512", "memory: 1024")
    code, out, err = mlspec(live, "apply", "--yes", "--only", "deploy")
    assert code == 0, out + err
    assert live.release["function"]["version"] == "2"
    code, out, _ = mlspec(live, "apply", "--yes", "--only", "deploy", "--only", "push")
    assert "Nothing to do: all files and 2 stages are up to date." in out
    (live.artifacts / "release.json").unlink()
    _, out, _ = mlspec(live, "plan", "--only", "push")
    assert remote(out, live.root.name)[0].startswith("+ record artifacts/release.json")


def test_a_manual_rollback_is_in_the_history_of_both_versions(live: Shipped, mlspec: Run) -> None:
    live.spec("memory: 512", "memory: 1024")
    assert mlspec(live, "apply", "--yes", "--only", "deploy")[0] == 0
    assert mlspec(live, "rollback", "--yes", "--why", "too slow")[0] == 0
    assert re.search(r"^ +2 +rolled-back ", mlspec(live, "releases")[1], re.M)
    code, _, err = mlspec(live, "rollback", "--yes")
    assert code == 4, "a second rollback does not return to the version that was rolled back"
    assert "version 1 is live, and no version was live before it" in err
    assert re.search(r"rollback to 1  too slow$", mlspec(live, "why", "2")[1], re.M)
    assert re.search(r"rollback from 2  too slow$", mlspec(live, "why", "1")[1], re.M)
    assert RUN in mlspec(live, "why", "2")[1]
    events = json.loads(mlspec(live, "why", "2", "--json")[1])["events"]
    assert (events[-1]["kind"], events[-1]["version"], events[-1]["before"]) == ("rollback", "1", "2")


def test_a_failed_deployment_ends_in_a_sentence(live: Shipped, mlspec: Run) -> None:
    live.spec("url: true", "environment: {TOKEN: {env: NOT_SET_HERE}}")
    code, out, err = mlspec(live, "apply", "--yes", "--only", "deploy")
    assert code == 4
    assert "the function's variable TOKEN comes from NOT_SET_HERE, which is not set here" in err
    assert "export NOT_SET_HERE=..." in err
    assert "Traceback" not in out + err


def test_destroy_shows_asks_and_removes_what_is_ours(live: Shipped, mlspec: Run) -> None:
    name, client = live.root.name, live.target.client
    code, out, err = mlspec(live, "destroy")
    assert code == 2
    assert "cannot ask for confirmation" in err
    assert f"- lambda function {name} (1 version, alias live, https://" in out
    assert f"ecr repository {name} (1 image) is kept: --images removes it too" in out
    client("lambda").get_function(FunctionName=name)
    code, out, _ = mlspec(live, "destroy", "--yes", "--json")
    assert code == 0
    assert json.loads(out) == {
        "ok": True,
        "removed": [
            f"lambda function {name}",
            f"iam role {name}",
            f"log group /aws/lambda/{name}",
            f"log group /mlspec/{name}",
        ],
        "left": [{"resource": f"ecr repository {name}", "why": "--images removes it too, with all its images"}],
        "notices": [],
    }
    assert live.release["function"] is None
    code, out, _ = mlspec(live, "destroy", "--yes", "--images")
    assert f"- ecr repository {name} (1 image)" in out
    assert not (live.artifacts / "release.json").exists()
    code, out, _ = mlspec(live, "destroy", "--yes", "--images")
    assert (code, out) == (0, "Nothing to remove.\n")


def test_destroy_leaves_images_that_another_function_runs(live: Shipped, mlspec: Run) -> None:
    """As a second environment's function does, which shares the repository."""
    name, client = live.root.name, live.target.client("ecr")
    (image,) = client.batch_get_image(repositoryName=name, imageIds=[{"imageTag": live.release["image"]["tag"]}])[
        "images"
    ]
    client.put_image(repositoryName=name, imageTag="keep-prod-7", imageManifest=image["imageManifest"])
    code, out, _ = mlspec(live, "destroy", "--yes", "--images")
    assert code == 0
    assert f"ecr repository {name} (1 image) is kept: it has images that other functions run (keep-prod-7)" in out
    assert client.describe_repositories(repositoryNames=[name])["repositories"]


def test_destroy_keeps_foreign_resources_and_resumes_where_it_stopped(live: Shipped, mlspec: Run) -> None:
    name, client = live.root.name, live.target.client
    client("iam").untag_role(RoleName=name, TagKeys=["mlspec:project"])
    client("lambda").delete_function(FunctionName=name)
    code, out, _ = mlspec(live, "destroy", "--yes", "--json")
    assert code == 0
    record: dict[str, Any] = json.loads(out)
    assert record["removed"] == [f"log group /aws/lambda/{name}", f"log group /mlspec/{name}"]
    assert record["left"][0] == {"resource": f"iam role {name}", "why": "it was not created by mlspec"}
    client("iam").get_role(RoleName=name)


def test_a_function_without_tags_is_taken_over_with_adopt(live: Shipped, mlspec: Run) -> None:
    client = live.target.client("lambda")
    arn = client.get_function(FunctionName=live.root.name)["Configuration"]["FunctionArn"]
    client.untag_resource(Resource=arn, TagKeys=list(client.list_tags(Resource=arn)["Tags"]))
    live.spec("memory: 512", "memory: 1024")
    code, _, err = mlspec(live, "apply", "--yes", "--only", "deploy")
    assert code == 4
    assert "it was not created by mlspec" in err
    assert "take it over: mlspec apply --adopt" in err
    assert "~ lambda function NAME mlspec:project: NAME" in remote(
        mlspec(live, "plan", "--only", "deploy", "--adopt")[1], live.root.name
    )
    assert mlspec(live, "apply", "--yes", "--only", "deploy", "--adopt")[0] == 0
    assert client.list_tags(Resource=arn)["Tags"]["mlspec:project"] == live.root.name
    assert remote(mlspec(live, "plan", "--only", "deploy")[1], live.root.name) == []
