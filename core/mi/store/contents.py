"""The bytes of one key, opened: a stretch of a file, read in place."""

from __future__ import annotations

import os
from types import TracebackType

from attrs import frozen


@frozen
class Content:
    """A stretch of an open file; to be closed, or used with ``with``.

    Attributes:
        size: its bytes.
    """

    _handle: int
    _start: int
    size: int

    @classmethod
    def of_file(cls, path: str) -> Content:
        """A whole file.

        Raises:
            OSError: it cannot be opened.
        """
        handle = os.open(path, os.O_RDONLY)
        return cls(handle, 0, os.fstat(handle).st_size)

    def read(self, start: int, length: int) -> bytes:
        """Bytes from ``start`` on; fewer than ``length`` where they end."""
        length = max(min(length, self.size - start), 0)
        parts: list[bytes] = []
        while length:  # one call reads at most 2 GiB
            part = os.pread(self._handle, length, self._start + start)
            if not part:
                break
            parts.append(part)
            start, length = start + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def whole(self) -> bytes:
        """All of them."""
        return self.read(0, self.size)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)

    def __enter__(self) -> Content:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
