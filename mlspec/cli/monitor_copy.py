"""`mlspec monitor restore` and `save`: the store between the runs of a scheduled job, below the DVC remote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlspec.cli.console import Console
from mlspec.cli.monitoring import missing_package
from mlspec.compiler import compile_project
from mlspec.errors import EXIT_OK, StageError, UnobservableError
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.workspace.spec_file import find_spec
from mlspec.workspace.template_cache import template_cache

if TYPE_CHECKING:
    from mlspec.monitoring.store_copy import StoreCopy


def restore_store(console: Console, spec: str | None, env: str | None) -> int:
    """Bring the saved store to this machine."""
    copy = _store_copy(spec, env)
    done = copy.restore()
    if console.as_json:
        console.document({"ok": True, "files": done.files, "transferred": done.transferred})
    console.out(f"restored {done.files} files from s3://{copy.bucket}/{copy.prefix} ({done.transferred} downloaded)")
    return EXIT_OK


def save_store(console: Console, spec: str | None, env: str | None) -> int:
    """Save the store of this machine."""
    copy = _store_copy(spec, env)
    done = copy.save()
    if console.as_json:
        console.document({"ok": True, "files": done.files, "transferred": done.transferred})
    console.out(f"saved {done.files} files to s3://{copy.bucket}/{copy.prefix} ({done.transferred} uploaded)")
    return EXIT_OK


def _store_copy(spec: str | None, env: str | None) -> StoreCopy:
    """The copy below `data.remote`; each environment has its own."""
    where = find_spec(spec, env)
    project = compile_project(where.spec, env, compiled=template_cache()).project
    monitor, data = project.get(Monitor), project.get(DataSpec)
    if monitor is None:
        raise UnobservableError("the spec has no section `monitor`", help="add to mlproject.yaml: monitor: {drift: {}}")
    remote = (data.remote if data else None) or ""
    if not remote.startswith("s3://"):
        message = f"the store can be saved below a DVC remote in S3 only, and data.remote is {remote or 'not set'}"
        raise StageError(message, help="set data.remote: s3://BUCKET/PREFIX")
    try:
        import boto3

        from mlspec.monitoring.store_copy import StoreCopy, bucket_of
    except ModuleNotFoundError as error:
        raise missing_package(error) from None
    bucket, prefix = bucket_of(remote)
    name = "-".join(filter(None, (project.info.name, project.environment)))
    path = "/".join(filter(None, (prefix, "monitor", name)))
    return StoreCopy(where.root / monitor.log.folder, bucket, path, boto3.client("s3"))
