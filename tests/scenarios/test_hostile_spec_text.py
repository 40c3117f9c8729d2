"""Free text from the spec in every file of the targets: each file still reads as what it is, and the text as text."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from mlspec.errors import SpecError
from tests.parts.targets import BASE, EXPORT, PACKAGE, REGISTRY, files
from tests.yaml_text import parsed

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
    generated = files(tmp_path, "", SPEC)
    for path, text in generated.items():
        if path.endswith(".json"):
            json.loads(text)
        elif path.endswith(".ndjson"):
            assert [json.loads(line)["type"] for line in text.splitlines()] == ["index-pattern", "dashboard"]
        elif path.endswith((".yaml", ".yml")):
            parsed(text)
        elif path.endswith(".py"):
            ast.parse(text)


def test_the_text_arrives_as_text(tmp_path: Path) -> None:
    generated = files(tmp_path, "", SPEC)
    function = json.loads(generated["lambda/function.json"])
    assert function["Description"] == PLAIN
    assert function["Environment"]["Variables"] == {"NOTE": PLAIN}
    template = json.loads(generated["elasticsearch/index-template.json"])
    assert template["_meta"]["mlspec"]["description"] == PLAIN
    assert json.loads(generated["kibana/dashboard.ndjson"].splitlines()[1])["attributes"]["description"] == PLAIN


def test_a_dockerfile_gets_no_new_instruction(tmp_path: Path) -> None:
    lines = files(tmp_path, "", SPEC)["Dockerfile"].splitlines()
    words = [line.split(" ")[0] for line in lines if line and not line.startswith((" ", "#"))]
    stages = (
        "FROM ENV WORKDIR RUN COPY RUN RUN FROM ENV WORKDIR COPY COPY COPY COPY RUN FROM LABEL ARG ENV COPY COPY COPY"
    )
    assert words == f"{stages} VOLUME WORKDIR USER EXPOSE HEALTHCHECK CMD".split()


def test_workflows_do_not_hold_it_at_all(tmp_path: Path) -> None:
    generated = files(tmp_path, "", SPEC)
    assert "touch x" not in "".join(text for path, text in generated.items() if path.startswith(".github"))


@pytest.mark.parametrize("folder", ["models/${{ github.token }}", "models/'q\"", "models/[ab]*", "models/a:b #c"])
def test_the_folder_of_a_pretrained_model_is_read_as_it_is_called(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(parents=True)
    model = "model: {type: text-classifier, pretrained: " + json.dumps(folder.replace("${", "$${")) + "}\n"
    spec = re.sub(r"(?m)^model: .*\n", lambda _: model, BASE) + EXPORT + "ci: {github: {}}\n"
    generated = files(tmp_path, "", spec)
    # DVC and Hydra read `\${` as the characters themselves.
    stage = parsed(generated["dvc.yaml"])["stages"]["train"]
    assert folder.replace("${", "\\${") in stage["deps"]
    assert OmegaConf.create(generated["conf/model/default.yaml"]).pretrained == folder
    assert not [path for path, text in generated.items() if path.startswith(".github") and folder in text]


@pytest.mark.parametrize("branch", ["a${{ x }}", "a'b", "a\nb", "a\u2028", "a b", "-x", "a;id", "$(id)"])
def test_a_branch_that_a_workflow_could_read_as_code_is_refused(branch: str, tmp_path: Path) -> None:
    spec = BASE + "ci: {github: {branches: [" + json.dumps(branch.replace("${", "$${")) + "]}}\n"
    with pytest.raises(SpecError) as raised:
        files(tmp_path, "", spec)
    (finding,) = raised.value.diagnostics
    assert finding.code == "bad-format"
    assert finding.span is not None
