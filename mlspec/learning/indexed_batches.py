"""Reads the batches of an indexable training set before training starts, without advancing any random generator."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from types import CellType
from typing import Any

import numpy as np
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, SequentialSampler
from torch.utils.data.distributed import DistributedSampler
from torch.utils.data.sampler import SubsetRandomSampler

MOST = 50_000
"""Maximum number of rows that are read before training; larger sets are compared during the first epoch."""
_CHUNK = 256
_VISITED = 10_000
"""Maximum number of objects of a dataset that are searched for random generators."""


def trained_on(loader: object) -> Sequence[int] | None:
    """The dataset indices that a loader reads in an epoch; None if they are unknown or more than MOST."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return None
    if type(loader.batch_sampler) is not BatchSampler or not hasattr(loader.dataset, "__len__"):
        return None
    sampler, count = loader.sampler, len(loader.dataset)
    if not 0 < count <= MOST:
        return None
    if type(sampler) is SequentialSampler:
        return range(count - count % (loader.batch_size or 1) if loader.drop_last else count)
    if type(sampler) is SubsetRandomSampler:
        return list(sampler.indices)
    whole = type(sampler) is RandomSampler and not sampler.replacement and sampler.num_samples == count
    return range(count) if whole or type(sampler) is DistributedSampler else None


def batches(loader: DataLoader[object], indices: Sequence[int]) -> Iterator[object]:
    """The rows at `indices` in batches, collated by the loader. Raises any exception of the dataset."""
    dataset: Any = loader.dataset
    for start in range(0, len(indices), _CHUNK):
        some = list(indices[start : start + _CHUNK])
        rows = dataset.__getitems__(some) if hasattr(dataset, "__getitems__") else [dataset[index] for index in some]
        yield loader.collate_fn(rows)


@contextmanager
def undisturbed(*objects: object) -> Iterator[None]:
    """Restore the global random generators, and those reachable from `objects`, on exit."""
    with ExitStack() as stack:
        for restore in _restoring(objects):
            stack.callback(restore)
        states = ExitStack()
        states.enter_context(isolate_rng(include_cuda=torch.cuda.is_initialized()))  # type: ignore[no-untyped-call]
        # Closed without an exception, after which isolate_rng would not restore the generators.
        stack.callback(states.close)
        yield


def _restoring(objects: Sequence[object]) -> Iterator[Callable[[], object]]:
    """For each random generator reachable from `objects` a function that restores its current state."""
    waiting, seen = list(objects), set[int]()
    while waiting and len(seen) < _VISITED:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        match item:
            case torch.Generator():
                yield partial(item.set_state, item.get_state())
            case np.random.RandomState():
                yield partial(item.set_state, item.get_state())
            case np.random.Generator():
                yield partial(setattr, item.bit_generator, "state", item.bit_generator.state)
            case random.Random():
                yield partial(item.setstate, item.getstate())
            case _:
                waiting += _held(item)


_PLAIN = (str, bytes, int, float, complex, bool, type(None), np.ndarray, torch.Tensor, type)


def _held(item: object) -> list[object]:
    """The objects that an object refers to: attributes, items, closures, and generators of its module."""
    if isinstance(item, _PLAIN):
        return []
    if isinstance(item, Mapping):
        return list(item.values())[:_VISITED]
    if isinstance(item, list | tuple | set | frozenset):
        return list(item)[:_VISITED]
    held = [*getattr(item, "__dict__", {}).values()]
    held += [getattr(item, name, None) for name in ("__self__", "__func__", "func", "args", "keywords")]
    held += [cell.cell_contents for cell in getattr(item, "__closure__", None) or () if _filled(cell)]
    of_function = getattr(item, "__globals__", None)
    module = sys.modules.get(type(item).__module__)
    scopes = [of_function or {}, getattr(module, "__dict__", {})]
    kinds = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
    return held + [value for scope in scopes for value in list(scope.values()) if isinstance(value, kinds)]


def _filled(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
