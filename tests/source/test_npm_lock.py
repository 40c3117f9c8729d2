from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.errors import MlspecError
from mlspec.sections.delivery_tool import SERVERLESS
from mlspec.source.npm_lock import FILE, parse
from tests.parts.targets import IN_GIT, LAMBDA, build

PACKAGE = SERVERLESS.npm_package
NAME, RELEASE = PACKAGE.split("@")
SPEC = LAMBDA.replace("{lambda: {}}", "{iac: serverless, lambda: {}}") + "ci: {}\n"


def text(release: str = RELEASE, **entry: str) -> str:
    """A lock of the framework with one dependency, which has these settings."""
    leaf = {"version": "1.0.0", "integrity": "sha512-a", **entry}
    packages = {
        "": {"dependencies": {NAME: release}},
        f"node_modules/{NAME}": {"version": release, "integrity": "sha512-b"},
        f"node_modules/{NAME}/node_modules/@a/leaf": {name: value for name, value in leaf.items() if value},
    }
    return json.dumps({"lockfileVersion": 3, "packages": packages})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (text(), ""),
        (text("4.0.0"), f"serverless/package-lock.json is for {NAME} 4.0.0, and package.json asks for {RELEASE}"),
        (text(integrity=""), "serverless/package-lock.json has no hash of @a/leaf@1.0.0"),
        (text(resolved="http://a"), "serverless/package-lock.json has the address of a registry for @a/leaf@1.0.0"),
        (None, f"the release workflow installs {PACKAGE} without hashes: serverless/package-lock.json is missing"),
    ],
)
def test_a_build_warns_about_a_lock_that_does_not_fit(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / FILE).parent.mkdir()
        (tmp_path / FILE).write_text(content, encoding="utf-8")
    warnings = [(one.code, one.message) for one in build(tmp_path, SPEC, IN_GIT).warnings]
    assert warnings == ([("unlocked-framework", message)] if message else [])
    assert build(tmp_path, SPEC.replace("ci: {}\n", ""), IN_GIT).warnings == (), "no workflow installs it"


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"packages": {"": 1}}', '{"packages": {"": {}, "node_modules/a": {}}}']
)
def test_an_invalid_lock_is_an_error(content: str) -> None:
    with pytest.raises(MlspecError, match=r"serverless/package-lock\.json is not a lock of npm") as raised:
        parse(content)
    assert (raised.value.code, raised.value.help) == ("broken-lock", f"delete {FILE}, then: mlspec lock")
