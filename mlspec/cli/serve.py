"""`mlspec serve`: the bundle behind HTTP, the same program as in the image."""

from __future__ import annotations

import click

from mlspec.cli.options import place
from mlspec.errors import StageError


@click.command()
@click.option("--spec", metavar="FILE", help="The spec. Default: mlproject.yaml here or in a folder above.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
def command(spec: str | None, host: str, port: int) -> int:
    """Answer requests with the exported model, as the image does. Ctrl-C ends it."""
    bundle = place(spec).root / "artifacts" / "bundle"
    if not (bundle / "model.onnx").is_file():
        raise StageError("there is no exported model", help="run the line up to it: mlspec apply --until export")
    try:
        from mlspec.runtime.http import main
    except ModuleNotFoundError as error:
        raise StageError(f"serving needs the package {error.name}", help="pip install 'mlspec[serve]'") from None
    return main(["--bundle", str(bundle), "--host", host, "--port", str(port)])
