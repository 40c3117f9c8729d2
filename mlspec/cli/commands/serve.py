"""`mlspec serve`: the bundle behind HTTP, the same program as in the image."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console
from mlspec.cli.example_request import example_request
from mlspec.cli.paths import PATH
from mlspec.errors import StageError
from mlspec.workspace.spec_file import find_spec

if TYPE_CHECKING:
    from mlspec.runtime.service import Service


@click.command()
@click.option("--spec", metavar="FILE", type=PATH, help="The spec. Default: mlproject.yaml here or in a folder above.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Port; 0: any free one.")
def command(spec: str | None, host: str, port: int) -> int:
    """Serve the exported model over HTTP, as the image does. Ctrl-C stops it."""
    root = find_spec(spec).root
    bundle = root / "artifacts" / "bundle"
    if not (bundle / "model.onnx").is_file():
        raise StageError(
            "no exported model: artifacts/bundle/model.onnx does not exist",
            help="run the pipeline up to the export: mlspec apply --until export",
        )
    return _serve(bundle, host, port, root)


def _serve(bundle: Path, host: str, port: int, root: Path) -> int:
    try:
        from mlspec.runtime import log_policy
        from mlspec.runtime.http import serve
        from mlspec.runtime.limits import Limits
        from mlspec.runtime.preprocess.bundle_errors import BundleError
    except ModuleNotFoundError as error:
        raise StageError(f"serving needs the package {error.name}", help="pip install 'mlspec[serve]'") from None
    try:
        return serve(bundle, host, port, Limits(), partial(_announce, root), root / log_policy.FILE)
    except BundleError as error:
        raise StageError(str(error), help="export it again: mlspec apply --force export") from None
    except OSError as error:
        help = "choose another port: mlspec serve --port 0 takes any free one"
        raise StageError(f"cannot listen on {host}:{port}: {error.strerror}", help=help) from None


def _announce(root: Path, service: Service, host: str, port: int) -> None:
    """Print the address, and a command to try it."""
    from mlspec.runtime import openapi

    console = Console()
    shown = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104
    origin = f"http://{shown}:{port}"
    console.say(f"{service.contract.name} answers at {origin} (documentation: {origin}/docs; Ctrl-C stops it)")
    console.say(f"\n  {example_request(f'{origin}/predict', openapi.example(service.contract), root)}\n")
