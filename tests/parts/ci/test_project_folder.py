"""Folder names from outside the spec: each is refused, or stands in every workflow as the text that it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlspec.compiler import make_plan
from mlspec.errors import SpecError
from mlspec.parts.all_parts import PARTS
from mlspec.parts.ci import project_folder
from mlspec.render.quoting import FILTERS
from mlspec.render.renderer import render
from mlspec.source.document import Document
from mlspec.source.project_context import ProjectContext, look
from mlspec.source.reader import read
from mlspec.spec.check import check
from tests.parts.targets import BASE, LAMBDA
from tests.yaml_text import parsed

REMOTE = BASE.replace("data:\n", "data:\n  track: git\n  remote: s3://my-bucket/dvc\n")
SPEC = REMOTE + LAMBDA + "test:\nci: {github: {train_on: [pull_request, push, dispatch]}}\n"
STEP = "x\n      - uses: evil/pwn@v1\n        with:\n          k: | #"
ACCEPTED = ["c++", "a+b", "[ab]", "a?b", "a*b", "!a", "#a", "a b", "a #b", "a: b", "- a", "'a'", '"a"', "true", "1.0", "{a}",
            "a'b", "&a", "%a", "@a", "`a`", "$HOME", "$(id)", "été", "ml/c++/[x]", "a, b", "? a", "a:", "|", ">"]  # fmt: skip
REFUSED = [STEP, "a\nb", "a\u2028b", "a\u2029b", "a\x85b", "a\x00b", "a\x1bb", "a\u202eb", "a\ufeffb", "a\udcffb", " a", "a ",
           "a\\b", "~", "~root", "${{ github.token }}", "a/${{x", "a\r- uses: evil/pwn@v1"]  # fmt: skip
PIECES = [*"ab+*?[]!#:-'\"{}$%&|> ,\\~/\n\r\t\u2028\x85\x1b", "${{ x }}", "\n      - uses: evil/pwn@v1"]
NAMES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Document, ProjectContext]:
    root = tmp_path_factory.mktemp("folder")
    (root / "mlproject.yaml").write_text(SPEC, encoding="utf-8")
    document = read(root / "mlproject.yaml")
    return document, look(document, root)


def workflows(project: tuple[Document, ProjectContext], prefix: str) -> dict[str, Any]:
    document, surroundings = project
    checked, _ = check(document, surroundings._replace(prefix=prefix), None, PARTS)
    artifacts = [a for a in make_plan(checked).artifacts if a.path.startswith(".github")]
    return {file.path: parsed(file.text) for file in render(artifacts, {})}


def leaves(value: Any, at: tuple[object, ...] = ()) -> Iterator[tuple[tuple[object, ...], object]]:
    """Every scalar of a document with its place."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from leaves(below, (*at, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from leaves(below, (*at, index))
    else:
        yield at, value


def assert_as_its_twin(project: tuple[Document, ProjectContext], prefix: str) -> None:
    twin, generated = workflows(project, "twin"), workflows(project, prefix)
    forms = (prefix, project_folder.filter_glob(prefix), project_folder.action_glob(prefix))
    assert generated.keys() == twin.keys()
    for path, document in generated.items():
        expected, actual = dict(leaves(twin[path])), dict(leaves(document))
        assert actual.keys() == expected.keys()
        for at, value in expected.items():
            allowed = [value.replace("twin", form) if isinstance(value, str) else value for form in forms]
            assert actual[at] in allowed, (path, at, actual[at])


@pytest.mark.parametrize("prefix", ACCEPTED)
def test_a_folder_is_quoted_in_the_workflows(project: tuple[Document, ProjectContext], prefix: str) -> None:
    assert_as_its_twin(project, prefix)


@pytest.mark.parametrize("prefix", REFUSED)
def test_a_folder_that_no_workflow_can_name_is_refused(project: tuple[Document, ProjectContext], prefix: str) -> None:
    with pytest.raises(SpecError) as caught:
        workflows(project, prefix)
    (finding,) = caught.value.diagnostics
    assert finding.code == "unfit-folder"
    assert finding.span is not None
    assert finding.message.isprintable()
    finding.message.encode("utf-8")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prefix=NAMES)
@example(prefix=STEP)
def test_no_folder_changes_a_workflow(project: tuple[Document, ProjectContext], prefix: str) -> None:
    try:
        assert_as_its_twin(project, prefix)
    except SpecError as error:
        assert [d.code for d in error.diagnostics] == ["unfit-folder"]


def test_a_line_of_a_block_cannot_end() -> None:
    assert FILTERS["line"](STEP + "\u2028\x85") == STEP.replace("\n", " ") + "  "


def test_globs_match_only_the_folder() -> None:
    assert project_folder.filter_glob("c++/[a]!") == r"c\+\+/\[a\]\!"
    assert project_folder.action_glob("a*[b]?") == "a[*][[]b][?]"
    assert project_folder.action_glob("!a") == "./!a"
    assert project_folder.action_glob("#a") == "./#a"
