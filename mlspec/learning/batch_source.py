"""Where the batches of a run come from: tensors in memory, batches prepared ahead, or processes of a data loader."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, Final

import torch
from torch.utils.data import DataLoader

from mlspec.learning.batches import Batch, Buckets, Collate
from mlspec.learning.packed_rows import fits, packed
from mlspec.learning.padding import Padding, padding
from mlspec.learning.split_rows import Rows
from mlspec.runtime.preprocess import Preprocess

DEPTH: Final = 4
"""Number of batches that are prepared ahead."""
CPU: Final = torch.device("cpu")


class Selected(DataLoader[Batch]):
    """Selects the rows of each batch from tensors in memory, without the cost of a data loader's own iterator."""

    def __iter__(self) -> Any:  # the base class declares its own iterator
        """The batches in order."""
        rows: Any = self.dataset
        return map(rows.__getitems__, self.batch_sampler)  # type: ignore[arg-type]


class Prefetched(DataLoader[Batch]):
    """Prepares batches in a thread while the device computes, in page-locked memory, from which it copies by itself."""

    def __iter__(self) -> Any:  # the base class declares its own iterator
        """The batches in order. Raises what preparing them raises."""
        return _ahead(super().__iter__())


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    ready: Queue[Batch | BaseException | None] = Queue(DEPTH)
    stop = Event()
    thread = Thread(target=_fill, args=(batches, ready, stop), name="mlspec-batches", daemon=True)
    thread.start()
    try:
        while (batch := ready.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            yield batch
    finally:
        stop.set()
        while thread.is_alive():
            _discard(ready)
            thread.join(0.01)


def _fill(batches: Iterator[Batch], ready: Queue[Batch | BaseException | None], stop: Event) -> None:
    try:
        for batch in batches:
            if stop.is_set():
                return
            ready.put(_pinned(batch))
    except BaseException as error:  # noqa: BLE001 - raised again where the batches are read
        ready.put(error)
        return
    ready.put(None)


def _discard(ready: Queue[Batch | BaseException | None]) -> None:
    try:
        ready.get_nowait()
    except Empty:
        return


def _pinned(batch: Batch) -> Batch:
    """The batch in page-locked memory; unchanged without CUDA."""
    if not torch.cuda.is_available():
        return batch
    inputs, targets = batch
    return {name: tensor.pin_memory() for name, tensor in inputs.items()}, targets.pin_memory()


def source(
    rows: Rows,
    preprocess: Preprocess,
    sampler: Buckets,
    device: torch.device = CPU,
    workers: int = 0,
    own: bool = False,
) -> DataLoader[Batch]:
    """The batches of `sampler` for a device. `own`: they are for a model of mlspec's.

    With `workers`, rows are collated in that many processes.
    """
    pads = padding(preprocess, device, own)
    tensors = packed(rows, preprocess, pads) if pads is not None and not workers else None
    if tensors is not None and fits(tensors, device):
        return _loader(Selected, tensors.to(device), sampler, _unchanged)
    kind: type[DataLoader[Batch]] = DataLoader if device.type == "cpu" or workers else Prefetched
    if tensors is not None:
        kind = Selected if kind is DataLoader else kind
        return _loader(kind, tensors, sampler, _unchanged)
    collate = Collate(preprocess, pads or Padding())
    return _loader(
        kind,
        rows,
        sampler,
        collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda" and workers > 0,
    )


def _unchanged(batch: Batch) -> Batch:
    return batch


def _loader(
    kind: type[DataLoader[Batch]], rows: Any, sampler: Buckets, collate: Any, **settings: Any
) -> DataLoader[Batch]:
    # Without a separate generator torch draws from the global one at every epoch, and a resumed run differs.
    return kind(rows, batch_sampler=sampler, collate_fn=collate, generator=torch.Generator(), **settings)
