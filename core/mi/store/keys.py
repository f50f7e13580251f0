"""Where the keys of artifacts live: a folder, each key a file; or one archive, once they are packed.

Everything that reads artifacts asks for keys (``full/plug.one/x/c/0/0``) and never for files. Writing is a
folder's alone: it unpacks first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from mi.errors import StoreError
from mi.store.contents import Content
from mi.store.layout import VariantPaths
from mi.store.packed import Packed


class Keys(Protocol):
    """Some keys of a zarr hierarchy, named relative to a group of it; ``""`` is the group itself."""

    def open(self, key: str) -> Content:
        """The bytes of a key.

        Raises:
            FileNotFoundError: there is no such key.
        """
        ...

    def read(self, key: str) -> bytes:
        """All bytes of a key.

        Raises:
            FileNotFoundError: there is no such key.
        """
        ...

    def exists(self, key: str) -> bool:
        """Whether there is such a key."""
        ...

    def size(self, key: str) -> int:
        """How many bytes a key holds.

        Raises:
            FileNotFoundError: there is no such key.
        """
        ...

    def children(self, prefix: str = "") -> list[str]:
        """Names directly below ``prefix`` that hold further keys, sorted: groups and arrays."""
        ...

    def below(self, prefix: str = "") -> Iterator[str]:
        """All keys below ``prefix``, sorted."""
        ...

    def under(self, prefix: str) -> Keys:
        """The keys below ``prefix``, named relative to it."""
        ...

    def file(self, key: str = "") -> Path:
        """The place of a key, for messages and for who removes it."""
        ...

    def stamp(self, key: str = "") -> tuple[int, ...]:
        """Changes when what is there is replaced: the group, or a key's bytes."""
        ...

    def store(self) -> Any:
        """The same as a store of zarr's, read-only."""
        ...


@frozen
class Folder:
    """Keys that are files below a folder."""

    path: str

    def open(self, key: str) -> Content:
        """The bytes of a key."""
        return Content.of_file(f"{self.path}/{key}")

    def read(self, key: str) -> bytes:
        """All bytes of a key."""
        with self.open(key) as content:
            return content.whole()

    def exists(self, key: str) -> bool:
        """Whether there is such a key."""
        return os.path.isfile(f"{self.path}/{key}")

    def size(self, key: str) -> int:
        """How many bytes a key holds."""
        return os.stat(f"{self.path}/{key}").st_size

    def children(self, prefix: str = "") -> list[str]:
        """Names directly below ``prefix`` that hold further keys, sorted."""
        try:
            with os.scandir(f"{self.path}/{prefix}" if prefix else self.path) as found:
                return sorted(entry.name for entry in found if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def below(self, prefix: str = "") -> Iterator[str]:
        """All keys below ``prefix``, sorted."""
        top = Path(self.path, prefix) if prefix else Path(self.path)
        return iter(sorted(p.relative_to(self.path).as_posix() for p in top.rglob("*") if p.is_file()))

    def under(self, prefix: str) -> Keys:
        """The keys below ``prefix``, named relative to it."""
        return Folder(f"{self.path}/{prefix}")

    def file(self, key: str = "") -> Path:
        """The place of a key."""
        return Path(self.path, key) if key else Path(self.path)

    def stamp(self, key: str = "") -> tuple[int, ...]:
        """Changes when what is there is replaced: the group, or a key's bytes."""
        try:
            stat = os.stat(f"{self.path}/{key}" if key else self.path)
        except OSError:
            return (-1, -1)
        # Numbers of deleted files are used again, times within one tick of the clock too; hardly both.
        return (stat.st_ino, stat.st_mtime_ns, stat.st_size)

    def store(self) -> Any:
        """The same as a store of zarr's, read-only."""
        from zarr.storage import LocalStore

        return LocalStore(self.path, read_only=True)


def hierarchy(paths: VariantPaths) -> Keys:
    """All artifacts of a variant: ``<probe>/<analyzer>/<array>/…``."""
    if not os.path.isdir(paths.artifacts) and os.path.isfile(paths.packed):
        return Packed(str(paths.packed))
    return Folder(str(paths.artifacts))


def damage_of(paths: VariantPaths) -> str:
    """Why the archive that artifacts are packed in cannot be opened; empty where it can, or there is none."""
    keys = hierarchy(paths)
    if isinstance(keys, Packed):
        try:
            keys.children()
        except StoreError as error:
            return str(error).removeprefix(f"{paths.packed}: ").partition(";")[0]
    return ""


def keys_of(paths: VariantPaths, probe: str, analyzer: str) -> Keys:
    """The keys of one analyzer's group."""
    return hierarchy(paths).under(f"{probe}/{analyzer}")
