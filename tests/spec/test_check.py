"""Checking: every fault in one pass, each at its place, through overlays, experiments and references."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from mlspec.diagnostics import Finding, render
from mlspec.errors import SpecError, UsageError
from mlspec.source.project_context import ProjectContext
from mlspec.source.reader import parse
from mlspec.spec.check import check
from mlspec.spec.project import Project
from tests.toy import Serving, Toy, Training


def too_eager(project: Project) -> Iterable[Finding]:
    train = project.get(Training)
    if train and train.max_epochs > 100:
        yield Finding("too-eager", ("train", "max_epochs"), "that is a lot", "take fewer")
    if train and train.max_epochs == 100:
        yield Finding("round-number", ("train",), "how round", severity="warning", on="key")


PARTS = (Toy("train", {"train": Training}, checks=too_eager), Toy("serve", {"serve": Serving}))


def checked(text: str, environment: str | None = None) -> Project:
    return check(parse(text.encode()), ProjectContext(), environment, PARTS)[0]


def faults(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        checked(text)
    return [
        f"{d.span.line if d.span else 0}:{d.span.column if d.span else 0} {d.code}" for d in caught.value.diagnostics
    ]


def test_defaults_fill_what_is_given_and_absent_sections_stay_absent() -> None:
    project = checked("project: {name: cola}\ntrain:\n")
    assert project.need(Training).max_epochs == 10
    assert project.get(Serving) is None
    assert list(project.values) == ["project", "train"]
    assert project.given["train"] == {}


def test_all_faults_come_at_once_in_file_order() -> None:
    text = """\
project: {name: cola}
train:
  max_epoch: 3
  learning_rate: 0
  optimizer: adam
  tags: [a, b, c, d]
  debug: 1
  stopping: {patience: "2"}
serve: {memory: 64}
"""
    assert faults(text) == [
        "3:3 unknown-key",
        "4:18 out-of-range",
        "5:14 not-one-of",
        "6:3 out-of-range",
        "7:10 wrong-type",
        "8:24 wrong-type",
        "9:17 out-of-range",
    ]


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("train: {max_epoch: 3}", "`train.max_epoch` is not a key of the spec", "did you mean `max_epochs`?"),
        ("train: {optimizer: adamv}", '`train.optimizer` cannot be "adamv"', "did you mean `adamw`?"),
        ("train: {optimizer: xyzzy}", '`train.optimizer` cannot be "xyzzy"', "use one of: `adamw`, `sgd`"),
        ("train: {max_epochs: -3}", "`train.max_epochs` must be at least 1, not -3", "default, 10"),
        ("train: {max_epochs: true}", "must be a whole number, not `true`", ""),
        ('train: {max_epochs: "3"}', 'must be a whole number, not "3"', "without quotes"),
        ("train: {learning_rate: .inf}", "must be a finite number", ""),
        ("train: [1]", "`train` must be a mapping, not a list", ""),
        ("zzz: 1", "`zzz` is not a key of the spec", "the keys are"),
    ],
)
def test_messages_have_the_fault_the_place_and_the_fix(text: str, message: str, help: str) -> None:
    with pytest.raises(SpecError) as caught:
        checked("project: {name: cola}\n" + text)
    (finding,) = caught.value.diagnostics
    assert message in finding.message
    assert help in finding.help


def test_a_missing_key_points_at_its_section() -> None:
    assert faults("project: {description: x}\n") == ["1:1 missing-key"]


def test_a_reference_takes_the_value_and_the_type() -> None:
    text = "project: {name: cola, description: '${project.name}, ${train.max_epochs} epochs, $${x}'}\n"
    project = checked(text + "train: {max_epochs: 3, stopping: {patience: '${train.max_epochs}'}}\n")
    assert project.info.description == "cola, 3 epochs, ${x}"
    train = project.need(Training)
    assert train.stopping is not None
    assert train.stopping.patience == 3


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("${train.max_epoch}", "bad-reference"),
        ("${serve}", "bad-reference"),
        ("x ${project}", "bad-reference"),
        ("${train.tags.0}", "reference-cycle"),
    ],
)
def test_bad_references(value: str, code: str) -> None:
    assert faults(f"project: {{name: cola}}\ntrain: {{tags: ['{value}']}}\n") == [f"2:16 {code}"]


def test_a_reference_error_is_placed_at_the_reference() -> None:
    assert faults("project: {name: cola}\ntrain: {max_epochs: '${train.learning_rate}', learning_rate: 0.5}\n") == [
        "2:21 wrong-type"
    ]


OVERLAID = """\
project: {name: cola}
train: {max_epochs: 3}
environments:
  prod: {train: {max_epochs: 5}}
  test:
    train: {max_epochs: 0}
"""


def test_an_environment_overlays_the_spec() -> None:
    text = OVERLAID.replace("max_epochs: 0", "max_epochs: 1")
    assert checked(text).need(Training).max_epochs == 3
    assert checked(text, "prod").need(Training).max_epochs == 5
    assert checked(text, "prod").environment == "prod"


def test_an_error_in_an_overlay_points_into_the_overlay() -> None:
    with pytest.raises(SpecError) as caught:
        checked(OVERLAID)
    (finding,) = caught.value.diagnostics
    assert (finding.span and finding.span.line, finding.code) == (6, "out-of-range")
    assert finding.message.startswith("in environment `test`: ")


def test_an_unknown_environment_is_wrong_usage() -> None:
    with pytest.raises(UsageError) as caught:
        checked(OVERLAID.replace("max_epochs: 0", "max_epochs: 1"), "prd")
    assert "prod" in caught.value.help


def test_checks_of_parts_have_their_place_and_warnings_do_not_stop() -> None:
    assert faults("project: {name: cola}\ntrain: {max_epochs: 101}\n") == ["2:21 too-eager"]
    document = parse(b"project: {name: cola}\ntrain: {max_epochs: 100}\n")
    _, warnings = check(document, ProjectContext(), None, PARTS)
    assert [(w.code, w.span and w.span.column) for w in warnings] == [("round-number", 1)]


SECRETS = [
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "ghp_" + "a1" * 18,
    "hf_" + "a1" * 17,
    "https://user:hunter22@example.org/x",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_literal_secret_is_named_but_never_shown(secret: str) -> None:
    with pytest.raises(SpecError) as caught:
        checked(f"project: {{name: cola, description: '{secret}', license: [x]}}\n")
    text = "\n".join(render(d) for d in caught.value.diagnostics)
    assert [d.code for d in caught.value.diagnostics] == ["literal-secret", "wrong-type"]
    assert secret not in text
    assert "hunter22" not in text


def test_a_key_that_names_a_secret_takes_no_literal() -> None:
    with pytest.raises(SpecError) as caught:
        checked("project: {name: cola, api_key: sesame}\n")
    assert {d.code for d in caught.value.diagnostics} == {"literal-secret", "unknown-key"}
    assert "sesame" not in "\n".join(render(d) for d in caught.value.diagnostics)


def test_the_rendered_form() -> None:
    with pytest.raises(SpecError) as caught:
        checked("project: {name: cola}\ntrain:\n  max_epochs: -3\n")
    assert render(caught.value.diagnostics[0]) == (
        "mlproject.yaml:3:15: error[out-of-range]: `train.max_epochs` must be at least 1, not -3\n"
        "   |\n"
        " 3 |   max_epochs: -3\n"
        "   |               ^^\n"
        "   = help: remove the key to use the default, 10\n"
        "   = see: mlspec explain out-of-range"
    )
