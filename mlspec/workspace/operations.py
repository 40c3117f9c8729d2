"""The system calls for writing generated files as one object, so that a test can pass one whose calls fail."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Final

_TEMPORARY: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW


class Operations:
    """The calls of the `os` module."""

    open = staticmethod(os.open)
    close = staticmethod(os.close)
    read = staticmethod(os.read)
    write = staticmethod(os.write)
    fstat = staticmethod(os.fstat)
    fsync = staticmethod(os.fsync)
    fchmod = staticmethod(os.fchmod)
    utime = staticmethod(os.utime)
    lstat = staticmethod(os.lstat)
    listdir = staticmethod(os.listdir)
    mkdir = staticmethod(os.mkdir)
    rmdir = staticmethod(os.rmdir)
    unlink = staticmethod(os.unlink)
    rename = staticmethod(os.rename)
    link = staticmethod(os.link)

    def exists(self, path: str) -> bool:
        """Whether `path` exists, including a broken link. Raises OSError."""
        try:
            self.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def entries(self, folder: str) -> list[str]:
        """The names in `folder`; empty if the folder does not exist. Raises OSError."""
        try:
            return self.listdir(folder)
        except FileNotFoundError:
            return []

    def make_folders(self, folder: str) -> None:
        """Create `folder` and missing folders above it. Raises OSError."""
        if self.exists(folder):
            return
        self.make_folders(os.path.dirname(folder))
        with suppress(FileExistsError):
            self.mkdir(folder)

    def save(self, path: str, data: bytes, mode: int | None = None, *, flush: bool = False) -> None:
        """Write a file; an existing one is overwritten in place. Raises OSError."""
        descriptor = self.open(path, _TEMPORARY, 0o666)
        try:
            if mode is not None:
                self.fchmod(descriptor, mode)
            left = memoryview(data)
            while left:
                left = left[self.write(descriptor, left) :]
            if flush:
                self.fsync(descriptor)
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None
        finally:
            self.close(descriptor)

    def contents(self, descriptor: int, size: int) -> bytes:
        """All bytes of an open file of about `size`. Raises OSError."""
        chunks = []
        while chunk := self.read(descriptor, max(size, 1) + 1):
            chunks.append(chunk)
        return b"".join(chunks)

    def copy(self, source: str, target: str) -> None:
        """Copy a file with its mode and times, flushed. Raises OSError."""
        descriptor = self.open(source, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            facts = self.fstat(descriptor)
            data = self.contents(descriptor, facts.st_size)
        finally:
            self.close(descriptor)
        self.save(target, data, facts.st_mode & 0o777, flush=True)
        self.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    def bring(self, source: str, target: str, beside: str) -> None:
        """Rename `source` to `target`; from another file system by a copy at `beside`, next to `target`."""
        try:
            self.rename(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self.copy(source, beside)
            self.rename(beside, target)
            self.unlink(source)

    def remove(self, path: str) -> None:
        """Remove a file or a link if it exists. Raises OSError."""
        if self.exists(path):
            self.unlink(path)

    def flush_folder(self, folder: str) -> None:
        """Flush the names in `folder`, if the file system supports it."""
        with suppress(OSError):
            descriptor = self.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                self.fsync(descriptor)
            finally:
                self.close(descriptor)


SYSTEM: Final = Operations()
