"""Which errors mean that a memory does not suffice. Does not import torch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mlspec.errors import StageError

MORE_MEMORY: Final = "use a machine with more memory, or a smaller model"
_TEXTS: Final = re.compile(
    r"\b(CUDA|HIP|MPS|XPU|NCCL)\b.*\bout of memory\b"  # also in the texts of torch.AcceleratorError
    r"|\b(CUBLAS|CUDNN|CUSOLVER|CUSPARSE|CUFFT|HIPBLAS)_(STATUS_)?ALLOC_FAILED\b"
    r"|\bDefaultCPUAllocator\b"
    r"|Failed to allocate memory for requested buffer|Available memory of \d+ is smaller than requested bytes",
    re.IGNORECASE | re.DOTALL,
)
"""Texts of torch, of NVIDIA's and AMD's libraries, and of ONNX Runtime."""
_HOST: Final = re.compile(r"\bDefaultCPUAllocator\b|requested b")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error is one about memory, or followed from one: recording a CUDA graph then fails a second time."""
    return any(map(_about_memory, _chain(error)))


def of_host(error: BaseException) -> bool:
    """Whether the memory is that of the machine, not of its GPU."""
    return any(isinstance(one, MemoryError) or bool(_HOST.search(str(one))) for one in _chain(error))


def first_reason(error: BaseException) -> str:
    """The first line of the error from which the others followed."""
    *_, first = _chain(error)
    return (str(first).strip() or type(first).__name__).splitlines()[0]


def _about_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or any(c.__name__ == "OutOfMemoryError" for c in type(error).__mro__):
        return True
    library = isinstance(error, RuntimeError) or type(error).__module__.startswith("onnxruntime")
    return library and _TEXTS.search(str(error)) is not None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and those while or because of which it was raised."""
    one: BaseException | None = error
    seen: set[int] = set()
    while one is not None and id(one) not in seen:
        yield one
        seen.add(id(one))
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


@contextmanager
def memory_sentence(help: str) -> Iterator[None]:
    """Convert an error about memory to a StageError with that help."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise StageError("out of memory", help=help) from None
