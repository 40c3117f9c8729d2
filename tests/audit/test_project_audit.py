"""What an audit shows of a whole project, and each fault that it finds."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import pkgutil
import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import mlspec
from mlspec import sections
from mlspec.audit import generated_files, locked_packages, policy_statements, spec_entries
from mlspec.audit.audit_entry import RULES, AuditEntry
from mlspec.audit.project_audit import audit
from mlspec.audit.sarif import sarif
from mlspec.cli.app import main
from mlspec.compiler import compile_project
from mlspec.parts.package.part import image_name
from mlspec.render.renderer import RenderedFile
from mlspec.source.reader import read
from mlspec.spec.spec_model import SpecModel
from tests.conftest import CHECKOUT
from tests.parts.projects import written
from tests.parts.targets import BASE, LAMBDA, build

COMMIT = "3d3c42e5aac5ba805825da76410c181273ba90b1"
WORKFLOW = f"""\
permissions: {{}}
jobs:
  good:
    permissions:
      contents: read
    steps:
      - uses: actions/checkout@{COMMIT} # v7.0.1
      - uses: someone/action@v3
        env: {{KEY: '${{{{ secrets.KEY }}}}', ROLE: '${{{{ vars.ROLE }}}}'}}
  bad:
    permissions: write-all
    steps: []
"""
POLICY = {
    "Statement": [
        {"Sid": "Fine", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"},
        {"Sid": "LogIn", "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
        {"Sid": "All", "Effect": "Allow", "Action": ["s3:*"], "Resource": "arn:aws:s3:::b"},
        {"Sid": "Everywhere", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"},
        {"Sid": "No", "Effect": "Deny", "Action": "*", "Resource": "*"},
    ]
}
WATCHED = (
    BASE.replace("data:\n", "data:\n  remote: s3://my-bucket/dvc\n  collected: data/collected\n")
    + LAMBDA.replace("package: {", "package: {requirements: {scipy: '1.17.0'}, ")
    + "test: {textattack: {recipes: [deepwordbug]}}\nci: {github: {}}\nmonitor: {drift: {}, on_drift: retrain}\n"
)
"""Every lock is needed."""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with every section."""
    root = tmp_path_factory.mktemp("full")
    shutil.copyfile(CHECKOUT / "specs" / "full" / "mlproject.yaml", root / "mlproject.yaml")
    return root / "mlproject.yaml"


def rules(entries: Any) -> list[tuple[str, str, int]]:
    return sorted((entry.rule, entry.name, entry.line) for entry in entries if entry.rule)


def test_everything_that_the_full_example_reaches(full: Path) -> None:
    entries = audit(compile_project(full), full)
    names: dict[str, set[str]] = {}
    for entry in entries:
        names.setdefault(entry.kind, set()).add(entry.name)
    assert {"WANDB_API_KEY", "ELASTIC_API_KEY"} <= names["secret"]
    assert {"https://huggingface.co", "s3://cola-data"} <= names["host"]
    assert {"contents: read", "id-token: write"} <= names["permission"]
    assert any(name.startswith("lambda:") for name in names["permission"])
    assert "actions/checkout" in names["action"]
    assert "python:3.11-slim-bookworm" in names["image"]
    assert "requirements-serve.txt" in names["package"]
    assert [entry for entry in entries if entry.level == "error"] == []
    assert {entry.rule for entry in entries} <= {"", "image-without-digest", "package-without-hash"}
    lines = {file.path: file.text.splitlines() for file in compile_project(full).files}
    for entry in entries:
        if entry.kind == "action":
            assert f"uses: {entry.name}@" in lines[entry.file][entry.line - 1]
        if entry.kind == "secret" and entry.file == "mlproject.yaml":
            assert entry.line <= len(full.read_text(encoding="utf-8").splitlines())


def test_faults_of_generated_files() -> None:
    files = [
        RenderedFile(".github/workflows/x.yaml", WORKFLOW, "ci"),
        RenderedFile("Dockerfile", f"FROM a:1 AS one\nFROM b@sha256:{'0' * 64} AS two\nFROM one AS three\n", "package"),
        RenderedFile(
            "compose.yaml",
            f"services:\n  a:\n    image: own:latest\n  b:\n    image: c:2@sha256:{'1' * 64}\n",
            "package",
        ),
    ]
    entries = list(generated_files.entries(files, "own"))
    assert rules(entries) == [
        ("action-by-tag", "someone/action@v3", 8),
        ("broad-workflow-permission", "all", 10),
        ("image-without-digest", "a:1", 1),
    ]
    assert {e.name for e in entries if e.kind == "secret"} == {"KEY", "ROLE"}


def test_faults_of_policies(tmp_path: Path) -> None:
    project = build(tmp_path, "").project
    files = [RenderedFile("lambda/policy.json", json.dumps(POLICY, indent=2), "deploy")]
    entries = list(policy_statements.entries(project, files))
    assert rules(entries) == [("wildcard-permission", "s3:*", 16), ("wildcard-permission", "s3:GetObject", 24)]
    assert not any(e.detail.endswith("(No)") for e in entries)


@pytest.mark.parametrize("tool", ["terraform", "sam", "serverless"])
def test_rights_that_a_delivery_tool_gives(tmp_path: Path, tool: str) -> None:
    """Every statement of the tool's files is shown at its line, and none of a file that the tool does not use."""
    written(
        tmp_path, {"mlproject.yaml": WATCHED.replace("{lambda: {}}", f"{{iac: {tool}, lambda: {{}}}}") + "bucket:\n"}
    )
    built = compile_project(tmp_path / "mlproject.yaml")
    texts = {file.path: file.text for file in built.files if file.path.startswith(f"{tool}/")}
    entries = list(policy_statements.entries(built.project, built.files))
    shown: dict[str, set[int]] = {}
    for entry in entries:
        line = texts[entry.file].splitlines()[entry.line - 1]
        sid = re.search(r"\((\w+)\)$", entry.detail)
        assert (sid[1] if sid else entry.name.partition(",")[0]) in line, entry
        shown.setdefault(entry.file, set()).add(entry.line)
    written_sids = {
        path: {number for number, line in enumerate(text.splitlines(), 1) if re.search(r"\bSid\b", line)}
        for path, text in texts.items()
    }
    denied = {path for path, text in texts.items() if re.search(r"Effect\W+Deny", text)}
    assert {path for path, lines in written_sids.items() if lines} - denied <= set(shown)
    for path in set(shown) - denied:
        assert written_sids[path] <= shown[path]
    assert any("github" in path or "foundation" in path for path in shown)
    assert any(e.name.startswith("sts:AssumeRoleWithWebIdentity") for e in entries)


def test_what_a_workflow_installs_without_a_lock(tmp_path: Path) -> None:
    built = build(tmp_path, LAMBDA.replace("{lambda: {}}", "{iac: serverless, lambda: {}}") + "ci: {github: {}}\n")
    entries = list(generated_files.entries(built.files, image_name("cola")))
    details = {entry.name: entry.detail for entry in entries if entry.kind in ("package", "image")}
    assert details["public.ecr.aws/lambda/python:3.12"].startswith("by tag")
    assert details[f"mlspec[aws]=={mlspec.__version__}"] == "pip: its release is pinned, without a hash"
    emulator = f"public.ecr.aws/lambda/python:3.12@sha256:{'1' * 64}"
    (tmp_path / "Dockerfile.lock").write_text(f"{emulator}\n", encoding="utf-8")
    pinned = build(tmp_path, LAMBDA + "ci: {github: {}}\n")
    images = {e.name: e.detail for e in generated_files.entries(pinned.files, image_name("cola")) if e.kind == "image"}
    assert images[emulator].startswith("by digest")
    assert image_name("cola") not in {name.partition(":")[0] for name in details}


def test_hosts_whose_addresses_are_in_the_environment(tmp_path: Path) -> None:
    more = (
        "track: {mlflow: {uri: {env: TRACKING}}}\nmonitor: {drift: {}, elasticsearch: {kibana_url: {env: KIBANA}}, "
        "prometheus: {pushgateway: {env: GATEWAY}}, notify: {slack: {env: SLACK}, webhook: {env: HOOK}}}\n"
    )
    text = LAMBDA.replace("lambda: {}", "lambda: {environment: {url: {env: NOT_SHOWN}}}")
    built = build(tmp_path, text + more)
    spec = tmp_path / "mlproject.yaml"
    entries = spec_entries.entries(built.project, read(spec), tmp_path)
    hosts = {entry.name.removeprefix("the address in ") for entry in entries if entry.name.startswith("the address in")}
    assert hosts == {"TRACKING", "ELASTIC_URL", "KIBANA", "GATEWAY", "SLACK", "HOOK"}


def test_every_secret_that_is_an_address_counts_as_a_host() -> None:
    """Options that may be an address or a variable with one, and variables described as one."""
    names = set()
    for module in pkgutil.iter_modules(sections.__path__):
        for model in vars(importlib.import_module(f"mlspec.sections.{module.name}")).values():
            if isinstance(model, type) and issubclass(model, SpecModel):
                for name, field in model.model_fields.items():
                    own = "SecretRef" in str(field.annotation)
                    if own and re.search(r"(?i)\bURL\b|\baddress", field.description or ""):
                        names.add(name)
    assert names == spec_entries.ADDRESSES


def test_faults_of_locks(tmp_path: Path) -> None:
    locked = "numpy==2.4.6\ntorch==2.13.0 \\\n    --hash=sha256:" + "0" * 64 + "\n"
    names = ("train", "release", "textattack", "monitor", "retrain", "serve")
    written(tmp_path, {"mlproject.yaml": WATCHED})
    built = compile_project(tmp_path / "mlproject.yaml")
    written(tmp_path, {f"requirements-{name}.lock": locked for name in names})
    written(tmp_path, {"requirements.txt": "lightning==2.6.3\n"})
    entries = list(locked_packages.entries(built.project, "", tmp_path, read(tmp_path / "mlproject.yaml")))
    assert [e for e in rules(entries) if e[0] == "known-bad-release"] == [("known-bad-release", "lightning==2.6.3", 1)]
    bare = {entry.file: entry.name for entry in entries if entry.rule == "package-without-hash"}
    assert bare == {f"requirements-{name}.lock": "numpy==2.4.6" for name in names}
    assert [e.detail for e in entries].count("2 packages, 1 with hashes") == len(names)


def test_each_missing_lock_is_a_warning_at_the_section_that_needs_it(tmp_path: Path) -> None:
    written(tmp_path, {"mlproject.yaml": WATCHED})
    spec = tmp_path / "mlproject.yaml"
    missing = {
        entry.detail: (entry.name, WATCHED.splitlines()[entry.line - 1].partition(":")[0])
        for entry in audit(compile_project(spec), spec)
        if entry.rule == "package-without-hash" and entry.file == "mlproject.yaml"
    }
    assert missing == {
        "requirements-train.lock is missing: mlspec lock": ("packages of training and its tests", "train"),
        "requirements-release.lock is missing: mlspec lock": ("packages of a release", "deploy"),
        "requirements-textattack.lock is missing: mlspec lock": ("packages of the environment of TextAttack", "test"),
        "requirements-monitor.lock is missing: mlspec lock": ("packages of watching a served model", "monitor"),
        "requirements-retrain.lock is missing: mlspec lock": (
            "packages of a training after an alarm, and its release",
            "monitor",
        ),
    }


class _Evil:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


def test_pickles_of_a_trusted_model_are_scanned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("picklescan")
    spec = (
        "project: {name: x}\ndata: {source: d.csv, inputs: {a: number}, target: {column: b, type: number}}\n"
        'model: {class: "net:Net", args: {weights: w.pkl, other: e.pkl}, trust: true}\n'
    )
    net = "class Net:\n    def __init__(self, **more): ...\n"
    written(tmp_path, {"mlproject.yaml": spec, "net.py": net, "d.csv": "a,b\n1,2\n", "w.pkl": pickle.dumps([1, 2]), "e.pkl": pickle.dumps(_Evil())})  # fmt: skip
    assert main(["audit", "--json", "--spec", str(tmp_path / "mlproject.yaml")]) == 1
    document = json.loads(capsys.readouterr().out)
    pickles = {row["name"]: row for row in document["entries"] if row["kind"] == "pickle"}
    assert (pickles["e.pkl"]["rule"], pickles["e.pkl"]["level"]) == ("dangerous-pickle", "error")
    assert "system" in pickles["e.pkl"]["detail"]
    assert (pickles["w.pkl"]["rule"], pickles["w.pkl"]["detail"]) == (
        "trusted-pickle",
        "picklescan found nothing in it",
    )
    assert document["errors"] == 1


def test_exit_codes_and_sarif(full: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "audit.sarif"
    assert main(["audit", "--spec", str(full), "--sarif", str(file)]) == 0
    assert re.search(r"(?m)^0 errors, \d+ warnings$", capsys.readouterr().out)
    assert main(["audit", "--spec", str(full), "--strict"]) == 1
    log = json.loads(file.read_text(encoding="utf-8"))
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(ids[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    assert {result["level"] for result in run["results"]} == {"warning"}
    _judge(log)


def _judge(log: Any) -> None:
    """Compare with the published schema, where it is on this machine."""
    schema = Path(os.environ.get("MLSPEC_CONTRACTS", "")) / "sarif-schema-2.1.0.json"
    if schema.is_file():
        jsonschema.validate(log, json.loads(schema.read_text(encoding="utf-8")))


def test_every_rule_as_sarif_in_a_subfolder() -> None:
    entries = [AuditEntry("package", "a b", "x y.txt", 3, "why", rule, "error") for rule in RULES]
    entries += [AuditEntry("action", "c", ".github/workflows/x.yaml", 1, "", "action-by-tag", "warning")]
    entries += [AuditEntry("host", "https://a", "mlproject.yaml")]
    log = json.loads(sarif(entries, "services/ranker"))
    results = log["runs"][0]["results"]
    uris = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in results}
    assert uris == {"services/ranker/x%20y.txt", ".github/workflows/x.yaml"}
    assert len(results) == len(RULES) + 1
    _judge(log)


def test_hosts_and_secrets_of_trackers_and_of_a_remote_on_dagshub(tmp_path: Path) -> None:
    spec = tmp_path / "mlproject.yaml"
    shutil.copyfile(CHECKOUT / "specs" / "dagshub" / "mlproject.yaml", spec)
    actual = {(entry.kind, entry.name, entry.detail) for entry in audit(compile_project(spec), spec)}
    assert ("host", "https://dagshub.com", "data.remote") in actual
    assert ("host", "https://dagshub.com", "track.dagshub") in actual
    assert ("secret", "DAGSHUB_USER_TOKEN", "environment variable, for data.remote") in actual
    assert ("secret", "DAGSHUB_USER_TOKEN", "environment variable, for track.dagshub.token") in actual
    assert not any("dagshub://" in name for _, name, _ in actual)
