"""Free text from the spec in every file of the targets: each file still reads as what it is, and the text as text."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import yaml

from tests.parts.targets import BASE, PACKAGE, REGISTRY, files

TEXT = (
    "A \"quoted\" 'one' $(touch x) `id` $${HOME} {= x =} {% raw %} \\ # %{x} <script> --> */ EOF\n"
    "FROM scratch\nRUN id\n- run: id\n::set-output name=x::y"
)
PLAIN = TEXT.replace("$${", "${")
LABEL = TEXT.replace("\n", " ")
SPEC = (
    BASE.replace("Is this English sentence grammatical?", json.dumps(TEXT))
    + PACKAGE.replace("docker: {}", "docker: {labels: {" + json.dumps(LABEL) + ": " + json.dumps(LABEL) + "}}")
    + REGISTRY
    + "deploy: {lambda: {environment: {NOTE: " + json.dumps(TEXT) + "}}}\n"
    + "ci: {github: {train_on: [pull_request]}}\nmonitor: {elasticsearch: {}, alerts: {silence: 1h}}\n"
)  # fmt: skip


def test_every_file_still_reads_as_what_it_is(tmp_path: Path) -> None:
    made = files(tmp_path, "", SPEC)
    for path, text in made.items():
        if path.endswith(".json"):
            json.loads(text)
        elif path.endswith(".ndjson"):
            assert [json.loads(line)["type"] for line in text.splitlines()] == ["index-pattern", "dashboard"]
        elif path.endswith((".yaml", ".yml")):
            yaml.safe_load(text)
        elif path.endswith(".py"):
            ast.parse(text)


def test_the_text_arrives_as_text(tmp_path: Path) -> None:
    made = files(tmp_path, "", SPEC)
    function = json.loads(made["lambda/function.json"])
    assert function["Description"] == PLAIN
    assert function["Environment"]["Variables"] == {"NOTE": PLAIN}
    template = json.loads(made["elasticsearch/index-template.json"])
    assert template["_meta"]["mlspec"]["description"] == PLAIN
    assert json.loads(made["kibana/dashboard.ndjson"].splitlines()[1])["attributes"]["description"] == PLAIN


def test_a_dockerfile_gets_no_new_instruction(tmp_path: Path) -> None:
    lines = files(tmp_path, "", SPEC)["Dockerfile"].splitlines()
    words = [line.split(" ")[0] for line in lines if line and not line.startswith((" ", "#"))]
    stages = (
        "FROM ENV WORKDIR RUN COPY RUN RUN FROM ENV WORKDIR COPY COPY COPY RUN FROM LABEL ARG ENV COPY COPY WORKDIR"
    )
    assert words == f"{stages} USER EXPOSE HEALTHCHECK CMD".split()


def test_workflows_do_not_hold_it_at_all(tmp_path: Path) -> None:
    made = files(tmp_path, "", SPEC)
    assert "touch x" not in "".join(text for path, text in made.items() if path.startswith(".github"))
