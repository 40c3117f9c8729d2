"""Checkpoints that load with `weights_only=True`, which unpickles tensors and plain values and runs no code."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch.serialization import get_unsafe_globals_in_checkpoint

from mlspec.errors import StageError

FORMAT: Final = 2
"""Raised when a run cannot resume from the checkpoints of earlier releases: it then trains from the start."""
_HYPER: Final = ("hyper_parameters", "datamodule_hyper_parameters", "hparams_type")
"""Keys of arguments, which a run that resumes has from the spec."""
_BEST: Final = ("state_dict", "mlspec", "epoch", "global_step")


class SafeCheckpoints(TorchCheckpointIO):
    """Writes checkpoints without the arguments of modules if these contain objects; `best.ckpt` without other objects.

    `last.ckpt` is left complete: mlspec does not load it.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write the file; where it contains objects, write it again without them."""
        super().save_checkpoint(checkpoint, path, storage_options)
        file = Path(path)
        if file.name == "last.ckpt" or not objects_in(file):
            return
        super().save_checkpoint({k: v for k, v in checkpoint.items() if k not in _HYPER}, path, storage_options)
        if file.name == "best.ckpt" and objects_in(file):
            super().save_checkpoint({key: checkpoint[key] for key in _BEST}, path, storage_options)


def objects_in(path: Path) -> list[str]:
    """The classes and functions that only loading with `weights_only=False` would import."""
    names: list[str] = get_unsafe_globals_in_checkpoint(path)
    return sorted(names)


def load_tensors(path: Path) -> dict[str, Any]:
    """A checkpoint of tensors and plain values. Raises UnpicklingError where it contains objects."""
    checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return checkpoint


def resumable(path: Path, *, trust: bool) -> None:
    """Raise StageError if resuming from `path` would unpickle objects and the spec does not trust them."""
    if trust or not (names := objects_in(path)):
        return
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    raise StageError(
        f"cannot resume the interrupted run: {path.name} contains objects ({shown}), and loading them can run any code",
        help=f"to resume, set model: {{trust: true}}; to train from the start, delete {path}",
    )
