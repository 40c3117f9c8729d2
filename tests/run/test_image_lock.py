"""`mlspec lock` and the images, with a program in the place of docker."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlspec.cli.commands.lock import locked_images
from mlspec.cli.console import Console
from mlspec.docker.client import Docker
from mlspec.errors import StageError
from mlspec.run.image_lock import ImageLock
from mlspec.run.lock_checks import lock_checks
from mlspec.run.locked_file import write
from mlspec.source import dockerfile_lock, npm_lock
from mlspec.source.dockerfile_lock import PinnedBase
from tests.parts.package.test_base_image import fake
from tests.parts.targets import EXPORT, LAMBDA, PACKAGE, build

PYTHON = "python:3.11-slim-bookworm"
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
DAY = datetime(2026, 11, 29, tzinfo=UTC)


def lock(root: Path, known: str, *, day: datetime = DAY, upgrade: bool = False, text: str = PACKAGE) -> ImageLock:
    """The lock of a project, with an engine that has these digests."""
    docker = fake(root, known, pull=0)
    return ImageLock(build(root, text).project, root, day, upgrade, lambda: docker)


def refused() -> Docker:
    raise StageError("no engine", help="start it")


def written(root: Path, lock: ImageLock) -> str:
    file = lock.locked().file
    assert file is not None
    write(root, [file])
    return (root / "Dockerfile.lock").read_text(encoding="utf-8").splitlines()[-1]


def test_a_base_image_is_pinned_with_the_day_and_kept_until_it_is_upgraded(tmp_path: Path) -> None:
    assert written(tmp_path, lock(tmp_path, f"python@{ONE}")) == f"{PYTHON}@{ONE} # 2026-11-29"
    later = datetime(2027, 1, 5, tzinfo=UTC)
    kept = ImageLock(build(tmp_path, PACKAGE).project, tmp_path, later, docker=refused)
    assert written(tmp_path, kept).endswith("# 2026-11-29"), "no engine is asked"
    same = lock(tmp_path, f"python@{ONE}", day=later, upgrade=True)
    assert written(tmp_path, same).endswith("# 2026-11-29"), "nothing changed since"
    upgraded = lock(tmp_path, f"python@{TWO}", day=later, upgrade=True)
    assert written(tmp_path, upgraded) == f"{PYTHON}@{TWO} # 2027-01-05"


@pytest.mark.parametrize(
    "text",
    [
        "train: {}\n",
        PACKAGE.replace("{docker: {}}", f"{{docker: {{base: 'python:3.11@{ONE}'}}}}"),
        PACKAGE.replace("{docker: {}}", "{zip: {}}") + "deploy: {lambda: {region: eu-west-1}}\n",
    ],
)
def test_a_spec_without_a_base_image_to_pin(text: str, tmp_path: Path) -> None:
    assert lock(tmp_path, "", text=text).locked().file is None


def test_a_base_that_is_in_no_registry_is_not_pinned(tmp_path: Path) -> None:
    assert lock(tmp_path, "").locked().file is None


def test_without_an_engine_the_packages_are_locked_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    console, project = Console(), build(tmp_path, PACKAGE).project
    images = ImageLock(project, tmp_path, DAY, docker=refused)
    assert locked_images(console, images, check=False).file is None
    shown = capsys.readouterr().err
    assert (
        f"Dockerfile.lock: {PYTHON} is not pinned: no engine\n  help: start it; then run `mlspec lock` again" in shown
    )
    checked = locked_images(console, images, check=True).file
    assert checked is not None
    assert checked.changed
    assert locked_images(console, lock(tmp_path, ""), check=True).file is None, "it is in no registry"
    upgraded = locked_images(console, ImageLock(project, tmp_path, DAY, True, refused), check=False)
    assert list(upgraded.failures) == [PYTHON], "the command exits with an error"
    assert "then run `mlspec lock --upgrade` again" in capsys.readouterr().err


IN_CI = LAMBDA + "ci: {github: {}}\n"
EMULATOR = "public.ecr.aws/lambda/python:3.12"
RELEASE = ".github/workflows/mlspec-release.yaml"


@pytest.mark.parametrize(
    ("text", "images"),
    [
        (IN_CI, (PYTHON, EMULATOR)),
        (EXPORT + "package: {zip: {}}\ndeploy: {lambda: {region: eu-west-1}}\nci: {github: {}}\n", (EMULATOR,)),
        (LAMBDA, (PYTHON,)),
        (PACKAGE + "ci: {github: {}}\n", (PYTHON,)),
    ],
    ids=["image", "zip", "no workflows", "no function"],
)
def test_the_image_of_the_emulator_is_pinned_where_a_workflow_tests_a_function(
    text: str, images: tuple[str, ...], tmp_path: Path
) -> None:
    known = f"python@{ONE} public.ecr.aws/lambda/python@{TWO}"
    assert lock(tmp_path, known, text=text).images == images
    written(tmp_path, lock(tmp_path, known, text=text))
    pins = dockerfile_lock.parse((tmp_path / "Dockerfile.lock").read_text(encoding="utf-8"))
    assert {name: pin.digest for name, pin in pins.items()} == {
        image: TWO if image == EMULATOR else ONE for image in images
    }
    workflows = {file.path: file.text for file in build(tmp_path, text).files if "/workflows/" in file.path}
    assert (f"IMAGE: {EMULATOR}@{TWO}\n" in workflows.get(RELEASE, "")) == (EMULATOR in images)
    assert "is not pinned yet" not in workflows.get(RELEASE, "")


def test_one_image_that_cannot_be_looked_up_does_not_keep_the_other_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = dockerfile_lock.dump({PYTHON: PinnedBase(ONE)})
    (tmp_path / "Dockerfile.lock").write_text(base, encoding="utf-8")
    project = build(tmp_path, IN_CI).project
    images = ImageLock(project, tmp_path, DAY, docker=refused)
    file = locked_images(Console(), images, check=False).file
    assert file is not None
    assert not file.changed
    assert (
        f"Dockerfile.lock: {EMULATOR} is not pinned: no engine\n  help: start it; then run `mlspec lock` again\n"
        in (capsys.readouterr().err)
    )
    checked = locked_images(Console(), images, check=True).file
    assert checked is not None
    assert checked.changed


def test_a_person_sees_which_locks_are_there(tmp_path: Path) -> None:
    def shown() -> dict[str, tuple[bool, str]]:
        return {one.name: (one.present, one.detail) for one in lock_checks(tmp_path, build(tmp_path, text).project)}

    text = LAMBDA.replace("deploy: {", "deploy: {iac: serverless, ")
    before = shown()
    assert set(before) == {"requirements-train.lock", "requirements-release.lock", npm_lock.FILE, "Dockerfile.lock"}
    assert not any(present for present, _ in before.values())
    (tmp_path / "Dockerfile.lock").write_text(f"{PYTHON}@{ONE} # 2026-11-29\n", encoding="utf-8")
    (tmp_path / "requirements-train.lock").touch()
    (tmp_path / "serverless").mkdir()
    (tmp_path / npm_lock.FILE).write_text('{"packages": {"": {"dependencies": {"osls": "1.0.0"}}}}', encoding="utf-8")
    after = shown()
    assert after["Dockerfile.lock"] == (True, f"{PYTHON}, pinned on 2026-11-29")
    assert after["requirements-train.lock"] == (True, "there")
    assert after[npm_lock.FILE] == (False, f"{npm_lock.FILE} is for osls 1.0.0, and package.json asks for 4.3.1")
