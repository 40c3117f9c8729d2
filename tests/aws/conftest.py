"""A function in an emulated Lambda."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.role import RoleProvider
from tests.aws.functions import converge, function


@pytest.fixture
def alias(target: AwsTarget, tmp_path: Path) -> str:
    """The name of the alias of a function `cola`."""
    deployed = function(target, tmp_path)
    converge(RoleProvider(target), "cola", deployed.spec.role())
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("handler.py", "")
    target.client("lambda").create_function(
        FunctionName="cola", Role=deployed.spec.role_arn, Runtime="python3.12", Handler="handler.handle",
        Code={"ZipFile": code.getvalue()}, Publish=True,
    )  # fmt: skip
    target.client("lambda").create_alias(FunctionName="cola", Name="live", FunctionVersion="1")
    return "live"
