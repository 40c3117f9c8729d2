"""`mlspec lock`: the packages of training, serving and delivery with their hashes, and the digests of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options
from mlspec.errors import EXIT_OK, EXIT_SPEC, EXIT_STAGE
from mlspec.workspace.spec_file import find_spec

if TYPE_CHECKING:
    from mlspec.run.image_lock import ImageLock, LockedImages


@click.command()
@click.option("--upgrade", is_flag=True, help="Choose the newest releases that are old enough, and the newest images.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a lock would change.")
@spec_options
def command(spec: str | None, env: str | None, as_json: bool, upgrade: bool, check: bool) -> int:
    """Lock the packages of training, releases, monitoring and `package.requirements`, and the images of others.

    Writes requirements-train.lock, requirements-release.lock, requirements-monitor.lock, requirements-retrain.lock,
    requirements-textattack.lock, serverless/package-lock.json, requirements-serve.lock and Dockerfile.lock, each where
    the spec needs it. What an existing lock has is kept. It needs the network, uv, npm for serverless/package-lock.json
    and Docker for an image that is not pinned yet; `mlspec build` needs none of them.
    """
    from datetime import UTC, datetime

    from mlspec.compiler import compile_project
    from mlspec.run.image_lock import ImageLock
    from mlspec.run.locked_file import write
    from mlspec.run.package_lock import PackageLock

    console = Console(as_json=as_json)
    where, now = find_spec(spec, env), datetime.now(UTC)
    project = compile_project(where.spec, where.environment).project
    files = list(PackageLock(project, where.root, upgrade, now).files())
    if not check:
        write(where.root, files)
    images = ImageLock(project, where.root, now, upgrade)
    pinned = locked_images(console, images, check=check)
    if pinned.file is not None:
        files.append(pinned.file)
        if not check:
            write(where.root, [pinned.file])
    changed = [file.path for file in files if file.changed]
    failed = upgrade and bool(pinned.failures)
    ok = not (check and changed) and not failed
    rows = [{"path": file.path, file.kind: file.count, "changed": file.changed} for file in files]
    if as_json:
        console.document({"ok": ok, "locks": rows})
    for file in files:
        state = "would change" if check and file.changed else "written" if file.changed else "unchanged"
        console.out(f"{file.path}: {file.counted}, {state}")
    if not files:
        console.out("nothing to lock: the spec has neither `train` nor `package`")
    elif {"requirements-serve.lock", "Dockerfile.lock"} & {*changed} and not check:
        console.out(
            "then: mlspec build, which writes the hashes to requirements-serve.txt, and the digests to the Dockerfile "
            "and the workflows"
        )
    return EXIT_STAGE if failed else EXIT_OK if ok else EXIT_SPEC


def locked_images(console: Console, images: ImageLock, *, check: bool) -> LockedImages:
    """The lock of the images. A check contacts no registry for one that is not pinned. Without Docker the packages are
    locked all the same: the first build of an image pins its base, and the workflows run without the other pin."""
    from mlspec.run.image_lock import LockedImages
    from mlspec.run.locked_file import LockedFile
    from mlspec.source import dockerfile_lock

    if check and not images.upgrade and images.missing:
        return LockedImages(LockedFile(dockerfile_lock.FILE, "", True, len(images.images), "images"))
    locked = images.locked()
    for image, error in locked.failures.items():
        known = image in images.project.surroundings.bases
        console.say(f"{dockerfile_lock.FILE}: {image} is not {'upgraded' if known else 'pinned'}: {error}")
        again = "mlspec lock --upgrade" if images.upgrade else "mlspec lock"
        later = ". `mlspec apply` pins it too, when it builds the image" if image == images.base and not known else ""
        console.say(f"  help: {error.help}; then run `{again}` again{later}")
    return locked
