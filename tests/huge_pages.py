"""Huge pages for a process that forks often: a fork copies a table of its pages, which has a 512th of the entries then."""

from __future__ import annotations

import contextlib
import ctypes
import re
import sys
from pathlib import Path

_SIZE = 2 << 20
_COLLAPSE = 25
"""MADV_COLLAPSE of madvise(2), since Linux 6.1."""
_WRITABLE = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw-p \S+ \S+ 0 *(?:\[heap\])?$", re.MULTILINE)
"""A mapping of memory alone, in `/proc/PID/maps`."""


def use_huge_pages() -> None:
    """Move the memory of this process into huge pages, where the system does that on request."""
    if not sys.platform.startswith("linux"):
        return
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with contextlib.suppress(OSError):
        for start, end in _WRITABLE.findall(Path("/proc/self/maps").read_text(encoding="ascii", errors="replace")):
            for page in range(-(-int(start, 16) // _SIZE) * _SIZE, int(end, 16) // _SIZE * _SIZE, _SIZE):
                advise(page, _SIZE, _COLLAPSE)  # fails where nothing is in the page, which then stays as it is
