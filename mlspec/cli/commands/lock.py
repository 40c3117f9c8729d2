"""`mlspec lock`: the packages of training and serving with their hashes."""

from __future__ import annotations

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options
from mlspec.errors import EXIT_OK, EXIT_SPEC
from mlspec.workspace.spec_file import find_spec


@click.command()
@click.option("--upgrade", is_flag=True, help="Choose the newest releases that are old enough (lock.wait).")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a lock would change.")
@spec_options
def command(spec: str | None, env: str | None, as_json: bool, upgrade: bool, check: bool) -> int:
    """Lock the packages of training, releases, monitoring and `package.requirements` with their hashes.

    Writes requirements-train.lock, requirements-release.lock, requirements-monitor.lock, requirements-retrain.lock,
    requirements-textattack.lock and requirements-serve.lock, each where the spec needs it.
    Releases in an existing lock are kept. It needs the network and uv; `mlspec build` needs neither.
    """
    from datetime import UTC, datetime

    from mlspec.compiler import compile_project
    from mlspec.run.package_lock import PackageLock, write

    console = Console(as_json=as_json)
    where = find_spec(spec, env)
    project = compile_project(where.spec, where.environment).project
    files = tuple(PackageLock(project, where.root, upgrade, datetime.now(UTC)).files())
    if not check:
        write(where.root, files)
    changed = [file.path for file in files if file.changed]
    ok = not (check and changed)
    rows = [{"path": file.path, "packages": file.packages, "changed": file.changed} for file in files]
    if as_json:
        console.document({"ok": ok, "locks": rows})
    for file in files:
        state = "would change" if check and file.changed else "written" if file.changed else "unchanged"
        console.out(f"{file.path}: {file.packages} packages, {state}")
    if not files:
        console.out("nothing to lock: the spec has neither `train` nor `package.requirements`")
    elif "requirements-serve.lock" in changed and not check:
        console.out("then: mlspec build, which writes the hashes to requirements-serve.txt")
    return EXIT_OK if ok else EXIT_SPEC
