"""Values in HCL, read back by Terraform itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mlspec.render.hcl import ACCOUNT, Expression, hcl, hcl_document
from tests.conftest import missing
from tests.render.terraform_console import evaluated

HOSTILE = [
    "plain", "", 'a "quoted" word', "back\\slash", "${local.account_id}", "%{ if true }x%{ endif }", "$${x} %%{y}",
    "$", "%", "$$${", "line\nbreak", "\b\f\v\0", "tab\tand\rreturn", "U+2028 \u2028 and \u2029", "\x1b[31mred\x1b[0m", "é ß 漢 😀",
    "{{ jinja }}", "$(id)", "`id`", "# comment", "/* */", "<<EOT\nx\nEOT", "x" * 5000, "\x7f\x80", "\U000e0001",
]  # fmt: skip


@pytest.fixture
def terraform() -> str:
    return shutil.which("terraform") or missing("terraform")


def test_every_text_is_read_back_unchanged(terraform: str, tmp_path: Path) -> None:
    values = {f"key {number} ${{x}}": text for number, text in enumerate(HOSTILE)}
    assert evaluated(terraform, tmp_path, hcl(values, 1)) == values
    done = subprocess.run([terraform, "fmt", "-check", "-diff", "."], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "value", [None, True, 1.5, [], {}, [1], ["a", "b"], [{"a": 1}], {"a": {"b": [{"c": "d" * 90}, "e"]}, "f": 1}]
)
def test_every_structure_is_read_back_and_laid_out(value: object, terraform: str, tmp_path: Path) -> None:
    assert evaluated(terraform, tmp_path, hcl(value, 1)) == value
    done = subprocess.run([terraform, "fmt", "-check", "-diff", "."], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_document_refers_to_the_account_and_nothing_else_does(terraform: str, tmp_path: Path) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/x"
    assert evaluated(terraform, tmp_path, hcl_document([arn, "${file(x)}"])) == ["arn:aws:iam::1:role/x", "${file(x)}"]
    assert evaluated(terraform, tmp_path, hcl(arn)) == arn
    assert hcl({"a": Expression("local.account_id")}) == "{\n  a = local.account_id\n}"
