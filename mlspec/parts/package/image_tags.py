"""The names that an image gets on this machine: the project's own, and one of its folder's that no copy takes over."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from mlspec.docker.docker_engine import Client
from mlspec.stage_result import warn

_FOLDER: Final = "folder-"


def folder_tag(image: str, root: Path) -> str:
    """The name that only the project in `root` gives: two folders with projects of one name have two of them.

    It keeps the image from `docker image prune` after the other project has moved `latest` to its own image.
    """
    return f"{image}:{_FOLDER}{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]}"


def give(docker: Client, image: str, name: str, root: Path) -> None:
    """Tag `image` as `name` (`latest`: what was built last, as everywhere in Docker) and with the folder's own tag."""
    own, before = folder_tag(name, root), _known(docker, name)
    docker.ask("tag", image, own)
    docker.ask("tag", image, name)
    others = [tag for tag in before.get("RepoTags") or () if tag.startswith(f"{name}:{_FOLDER}")]
    if others and own not in others and before["Id"] != image:
        warn(
            f"{name}:latest was the image of a project of the same name in another folder, which keeps it as "
            f"{others[0]}; {name}:latest is now this project's, as is {own}"
        )


def _known(docker: Client, name: str) -> dict[str, Any]:
    """What the engine knows of the image of that name; nothing where there is none."""
    done = docker.run("image", "inspect", name)
    return dict(json.loads(done.stdout)[0]) if done.returncode == 0 else {}
