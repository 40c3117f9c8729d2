from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlspec.runtime import log_policy
from tests.parts.targets import BASE, LAMBDA, PACKAGE, REGISTRY, files

TWO = BASE.replace("{sentence: text}", "{age: number, town: category}").replace("text-classifier", "tabular")


def policy(folder: Path, monitor: str, base: str = BASE) -> Any:
    return json.loads(files(folder, f"monitor: {monitor}\n", base)["monitoring.json"])


def test_the_runtime_reads_what_the_build_writes(tmp_path: Path) -> None:
    text = files(tmp_path, "monitor: {log: {sample: 0.5, flush: 1m, inputs: hashed}}\n")["monitoring.json"]
    (tmp_path / "monitoring.json").write_text(text)
    read = log_policy.read(tmp_path / "monitoring.json")
    assert read == log_policy.LogPolicy("cola", ".mlspec/monitor", 0.5, 60.0, 0.5, {"sentence": "hashed"})


def test_each_column_has_its_storage(tmp_path: Path) -> None:
    columns = policy(tmp_path, "{log: {inputs: none, columns: {age: hashed}}}", TWO)["log"]["columns"]
    assert columns == {"age": "hashed", "town": "redacted"}
    moved = policy(tmp_path, "{elasticsearch: {redact: [age], sample: 0.5, low_confidence: 0.7}}", TWO)["log"]
    assert moved["columns"] == {"age": "redacted", "town": "full"}
    assert (moved["sample"], moved["low_confidence"]) == (0.5, 0.7)


def test_elasticsearch_is_named_by_variables_and_not_by_secrets(tmp_path: Path) -> None:
    whole = policy(tmp_path, "{elasticsearch: {url: 'https://es:9200', api_key: {env: KEY}, spool: 1MB}}")
    assert whole["elasticsearch"] == {
        "url": "https://es:9200", "api_key": {"env": "KEY"}, "stream": "predictions-cola-default", "ids": True,
        "spool_bytes": 1_000_000,
    }  # fmt: skip
    assert "elasticsearch" not in policy(tmp_path, "{}")


def test_without_monitor_nothing_is_logged(tmp_path: Path) -> None:
    generated = files(tmp_path, PACKAGE)
    assert "monitoring.json" not in generated
    assert "monitoring.json" not in generated["Dockerfile"]
    assert "elasticsearch" not in generated["requirements-serve.txt"]


def test_compose_mounts_the_folder_that_is_read(tmp_path: Path) -> None:
    compose = yaml.safe_load(files(tmp_path, PACKAGE + "monitor: {}\n")["compose.yaml"])
    service = compose["services"]["serve"]
    assert service["user"] == "${MLSPEC_USER:-10001:10001}"
    assert service["volumes"] == [{
        "type": "bind", "source": "./.mlspec/monitor", "target": "/var/lib/mlspec", "bind": {"create_host_path": False},
    }]  # fmt: skip
    other = files(tmp_path, PACKAGE + "monitor: {log: {folder: '/srv/a $b'}}\n")["compose.yaml"]
    assert yaml.safe_load(other)["services"]["serve"]["volumes"][0]["source"] == "/srv/a $$b"
    assert "#   mkdir -p '/srv/a $b'\n" in other
    unwatched = yaml.safe_load(files(tmp_path, PACKAGE)["compose.yaml"])["services"]["serve"]
    assert not unwatched.keys() & {"user", "volumes"}


@pytest.mark.parametrize(
    ("options", "variables"),
    [("{}", ["ELASTIC_URL", "ELASTIC_API_KEY"]), ("{url: 'http://es:9200', api_key: {env: KEY}}", ["KEY"])],
)
def test_compose_gives_the_server_its_variables_for_elasticsearch(
    tmp_path: Path, options: str, variables: list[str]
) -> None:
    text = files(tmp_path, PACKAGE + f"monitor: {{elasticsearch: {options}}}\n")["compose.yaml"]
    service = yaml.safe_load(text)["services"]["serve"]
    assert service["environment"] == {name: f"${{{name}:-}}" for name in variables}
    assert "cat .mlspec/elasticsearch/server.env >> .env" in text
    assert (
        "environment"
        not in yaml.safe_load(files(tmp_path, PACKAGE + "monitor: {}\n")["compose.yaml"])["services"]["serve"]
    )


def test_the_image_holds_the_policy_a_volume_and_the_client(tmp_path: Path) -> None:
    generated = files(tmp_path, PACKAGE + "monitor: {elasticsearch: {}}\n")
    assert "COPY monitoring.json ./" in generated["Dockerfile"]
    assert "VOLUME /var/lib/mlspec" in generated["Dockerfile"]
    assert "!monitoring.json" in generated[".dockerignore"]
    assert "elasticsearch==" in generated["requirements-serve.txt"]
    logged = files(tmp_path, PACKAGE + "monitor: {}\n")
    assert "elasticsearch==" not in logged["requirements-serve.txt"]
    zipped = (
        LAMBDA.replace("docker: {}", "zip: {}")
        .replace(REGISTRY, "")
        .replace("lambda: {}", "lambda: {region: eu-west-1}")
    )
    assert "elasticsearch==" not in files(tmp_path, zipped + "monitor: {elasticsearch: {}}\n")["requirements-serve.txt"]
