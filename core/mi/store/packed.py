"""Artifacts packed into one file: a zip archive whose members are stored as they are, read in place.

Chunks are compressed already, so the archive only gathers them. zarr opens it as a ``ZipStore``.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from attrs import frozen

from mi.errors import StoreError
from mi.store.contents import Content

_HEADER = 30  # bytes of a member's own header, before its name


@frozen
class _Index:
    """Members of an archive: name -> (place of its header, bytes); and what lies below each prefix."""

    members: Mapping[str, tuple[int, int]]
    children: Mapping[str, tuple[str, ...]]


@frozen
class Packed:
    """Keys that are members of an archive.

    Attributes:
        path: the archive.
        prefix: what stands before each key; empty for the root, else without a slash at its end.
    """

    path: str
    prefix: str = ""

    def open(self, key: str) -> Content:
        """The bytes of a key."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            stat = os.fstat(handle)  # of the file that is read, whatever stands at its name by now
            header, size = _index(self.path, stat.st_ino, stat.st_mtime_ns).members[self._name(key)]
            return Content(handle, _data(handle, header), size)
        except KeyError:
            os.close(handle)
            raise FileNotFoundError(self._name(key)) from None
        except BaseException:
            os.close(handle)
            raise

    def read(self, key: str) -> bytes:
        """All bytes of a key."""
        with self.open(key) as content:
            return content.whole()

    def exists(self, key: str) -> bool:
        """Whether there is such a key."""
        return self._name(key) in self._now().members

    def size(self, key: str) -> int:
        """How many bytes a key holds."""
        try:
            return self._now().members[self._name(key)][1]
        except KeyError:
            raise FileNotFoundError(self._name(key)) from None

    def children(self, prefix: str = "") -> list[str]:
        """Names directly below ``prefix`` that hold further keys, sorted."""
        return list(self._now().children.get(self._name(prefix), ()))

    def below(self, prefix: str = "") -> Iterator[str]:
        """All keys below ``prefix``, sorted."""
        top, own = self._name(prefix), len(self.prefix) + 1 if self.prefix else 0
        names = self._now().members
        return iter(sorted(n[own:] for n in names if not top or n.startswith(f"{top}/")))

    def under(self, prefix: str) -> Packed:
        """The keys below ``prefix``, named relative to it."""
        return Packed(self.path, self._name(prefix))

    def file(self, key: str = "") -> Path:
        """The place of a key, for messages: there is no such file."""
        return Path(self.path, self._name(key))

    def stamp(self, key: str = "") -> tuple[int, ...]:
        """Changes when the archive is replaced."""
        try:
            stat = Path(self.path).stat()
        except OSError:
            return (-1, -1)
        return (stat.st_ino, stat.st_mtime_ns)

    def store(self) -> Any:
        """The same as a store of zarr's, read-only."""
        from zarr.storage import WrapperStore, ZipStore

        prefix = self.prefix

        class Below(WrapperStore[ZipStore]):
            """Names relative to the prefix; zarr's readers only get."""

            async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
                return await super().get(f"{prefix}/{key}" if prefix else key, *args, **kwargs)

        return Below(ZipStore(self.path, mode="r"))

    def _name(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix and key else self.prefix or key

    def _now(self) -> _Index:
        stat = Path(self.path).stat()
        return _index(self.path, stat.st_ino, stat.st_mtime_ns)


def _data(handle: int, header: int) -> int:
    """Where the bytes of a member begin, whose own header is at ``header``.

    Raises:
        OSError: there is none.
    """
    head = os.pread(handle, _HEADER, header)
    if head[:4] != b"PK\x03\x04" or len(head) < _HEADER:
        raise OSError(f"damaged archive: no member at byte {header}")
    lengths = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    return header + _HEADER + lengths


@lru_cache(maxsize=64)
def _index(path: str, inode: int, modified: int) -> _Index:
    """The archive's members; ``inode`` and ``modified`` make it another question once it is replaced.

    Raises:
        StoreError: it is no archive, is cut off, or holds compressed members.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        advice = "`mi clean` drops it, and `mi analyze` computes it again"
        raise StoreError(f"{path}: damaged, cannot be read ({error}); {advice}") from None
    members, below = {}, dict[str, dict[str, None]]()
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED:
            raise StoreError(f"{path}: member {info.filename!r} is compressed, expected it stored as it is")
        members[info.filename] = (info.header_offset, info.file_size)
        parts = info.filename.split("/")
        for depth in range(len(parts) - 1):  # the last part is a key, not a folder
            below.setdefault("/".join(parts[:depth]), {})[parts[depth]] = None
    return _Index(members, {prefix: tuple(sorted(names)) for prefix, names in below.items()})
