"""The batches of a training set that can be indexed, read before training starts; no random generator is advanced."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, SequentialSampler
from torch.utils.data.distributed import DistributedSampler
from torch.utils.data.sampler import SubsetRandomSampler

MOST = 50_000
"""Rows that are read before training; a larger set is looked at while it is trained on."""
_CHUNK = 256
_VISITED = 10_000
"""Objects of a dataset that are searched for random generators."""


def trained_on(loader: Any) -> Sequence[int] | None:
    """The indices of its dataset that a loader gives in an epoch; None where they are not certain, or too many."""
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


def batches(loader: DataLoader[Any], indices: Sequence[int]) -> Iterator[Any]:
    """The rows at `indices` in batches, as the loader collates them. Raises whatever the dataset raises."""
    dataset: Any = loader.dataset
    for start in range(0, len(indices), _CHUNK):
        some = list(indices[start : start + _CHUNK])
        rows = dataset.__getitems__(some) if hasattr(dataset, "__getitems__") else [dataset[index] for index in some]
        yield loader.collate_fn(rows)


@contextmanager
def undisturbed(*objects: object) -> Iterator[None]:
    """Put the global random generators and those that `objects` hold back to where they stood."""
    with ExitStack() as stack:
        for restore in _restoring(objects):
            stack.callback(restore)
        states = ExitStack()
        states.enter_context(isolate_rng(include_cuda=torch.cuda.is_initialized()))  # type: ignore[no-untyped-call]
        # With no exception: that leaves the generators as they are.
        stack.callback(states.close)
        yield


def _restoring(objects: Sequence[object]) -> Iterator[Callable[[], object]]:
    """What puts each random generator that is reachable from `objects` back to its present state."""
    waiting, seen = list(objects), set[int]()
    while waiting and len(seen) < _VISITED:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        match found:
            case torch.Generator():
                yield partial(found.set_state, found.get_state())
            case np.random.RandomState():
                yield partial(found.set_state, found.get_state())
            case np.random.Generator():
                yield partial(setattr, found.bit_generator, "state", found.bit_generator.state)
            case random.Random():
                yield partial(found.setstate, found.getstate())
            case _:
                waiting += _held(found)


_PLAIN = (str, bytes, int, float, complex, bool, type(None), np.ndarray, torch.Tensor, type)


def _held(found: object) -> list[object]:
    """What an object of a dataset holds: attributes, items, variables of functions, generators of its module."""
    if isinstance(found, _PLAIN):
        return []
    if isinstance(found, Mapping):
        return list(found.values())[:_VISITED]
    if isinstance(found, list | tuple | set | frozenset):
        return list(found)[:_VISITED]
    held = [*getattr(found, "__dict__", {}).values()]
    held += [getattr(found, name, None) for name in ("__self__", "__func__", "func", "args", "keywords")]
    held += [cell.cell_contents for cell in getattr(found, "__closure__", None) or () if _filled(cell)]
    of_function = getattr(found, "__globals__", None)
    module = sys.modules.get(type(found).__module__)
    scopes = [of_function or {}, getattr(module, "__dict__", {})]
    kinds = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
    return held + [value for scope in scopes for value in list(scope.values()) if isinstance(value, kinds)]


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
