"""The names of an image on this machine, with real images: two folders with projects of one name."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlspec.docker.client import Docker
from mlspec.parts.package.image_tags import folder_tag, set_tags

pytestmark = pytest.mark.docker


@pytest.fixture
def name(docker: str) -> Iterator[str]:
    """A project's name that no image has yet."""
    name = f"mlspec-test-{uuid.uuid4().hex[:10]}"
    yield name
    images = subprocess.run([docker, "image", "ls", "--quiet", name], capture_output=True, text=True).stdout.split()
    if images:
        subprocess.run([docker, "image", "rm", "--force", *set(images)], capture_output=True)


def image(docker: str, folder: Path, content: str) -> str:
    """The id of an image with no name."""
    folder.mkdir(exist_ok=True)
    (folder / "content").write_text(content)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY content /content\n")
    command = [docker, "build", "--quiet", str(folder)]
    environment = {"DOCKER_BUILDKIT": "1", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


def test_each_folder_keeps_a_tag_of_its_own(
    name: str, docker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client, one, two = Docker(docker), tmp_path / "one", tmp_path / "two"
    first, second = image(docker, one, f"{name} 1"), image(docker, two, f"{name} 2")
    set_tags(client, first, name, one)
    assert client.inspect(name).id == client.inspect(folder_tag(name, one)).id == first
    assert capsys.readouterr().out == ""
    set_tags(client, second, name, two)
    assert client.inspect(name).id == client.inspect(folder_tag(name, two)).id == second
    assert client.inspect(folder_tag(name, one)).id == first
    output = capsys.readouterr().out
    assert output.startswith(f"warning: {name}:latest was the image of a project of the same name in another folder")
    assert folder_tag(name, one) in output
    assert folder_tag(name, two) in output


def test_the_same_folder_moves_its_tags_and_says_nothing(
    name: str, docker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client, one = Docker(docker), tmp_path / "one"
    set_tags(client, image(docker, one, f"{name} 1"), name, one)
    second = image(docker, one, f"{name} 2")
    set_tags(client, second, name, one)
    assert client.inspect(folder_tag(name, one)).id == second
    assert capsys.readouterr().out == ""


def test_a_folder_that_is_reached_by_a_link_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "link").symlink_to("one")
    assert folder_tag("cola", tmp_path / "one") == folder_tag("cola", tmp_path / "link")
