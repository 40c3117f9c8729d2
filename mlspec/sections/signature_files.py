"""The files with which a stage verifies a signed bundle. Pure."""

from __future__ import annotations

from typing import Final

from mlspec.sections.export import ExportSpec
from mlspec.spec.project import Project

SIGNATURE: Final = "bundle.sig"
"""The signature below `artifacts/`: beside the bundle, whose digest it does not change."""


def signature_files(project: Project) -> tuple[str, ...]:
    """The signature and the public key, as inputs of a stage; none for a bundle that is not signed."""
    export = project.get(ExportSpec)
    if export is None or export.sign is None:
        return ()
    key = export.sign.key
    return (f"artifacts/{SIGNATURE}", *((key.public,) if key is not None else ()))
