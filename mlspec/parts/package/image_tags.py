"""The tags of an image on this machine: the project's, and one of its folder that no copy of the project moves."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from mlspec.docker.client import Docker
from mlspec.stage_result import warn

_FOLDER: Final = "folder-"


def folder_tag(image: str, root: Path) -> str:
    """The tag that only the project in `root` sets, so that projects of the same name in two folders have two tags.

    It protects the image from `docker image prune` after the other project moved `latest` to its own image.
    """
    return f"{image}:{_FOLDER}{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]}"


def set_tags(docker: Docker, image: str, name: str, root: Path) -> None:
    """Tag `image` as `name` (`latest`: the last one built, as usual in Docker) and with the tag of the folder."""
    own, before = folder_tag(name, root), docker.find(name)
    docker.output("tag", image, own)
    docker.output("tag", image, name)
    others = [tag for tag in (before.tags if before else ()) if tag.startswith(f"{name}:{_FOLDER}")]
    if before is not None and others and own not in others and before.id != image:
        warn(
            f"{name}:latest was the image of a project of the same name in another folder, which still has it as "
            f"{others[0]}; {name}:latest and {own} are now the image of this project"
        )
