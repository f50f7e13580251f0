"""One shared cache of frames, capped by bytes; sessions hold no data of their own."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

CACHE_BYTES = 1024 * 2**20


class Sized(Protocol):
    """Anything that knows its size."""

    @property
    def nbytes(self) -> int:
        """Bytes it holds."""


T = TypeVar("T", bound=Sized)


class ByteCache:
    """Least recently used values go first once all of them hold more than ``limit`` bytes.

    A key is made once even when several threads ask for it at the same time. A value larger than the limit is
    handed out and not kept.
    """

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self.limit = limit
        self.held = 0
        self._values: OrderedDict[Hashable, Sized] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of ``key``, made now if it is not held."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        try:
            with making:
                with self._lock:
                    if key in self._values:
                        self._values.move_to_end(key)
                        return self._values[key]  # type: ignore[return-value]
                value = make()
                with self._lock:
                    self._keep(key, value)
                return value
        finally:
            with self._lock:
                self._making.pop(key, None)

    def _keep(self, key: Hashable, value: Sized) -> None:
        if value.nbytes > self.limit:
            return
        self._values[key] = value
        self.held += value.nbytes
        while self.held > self.limit:
            _, gone = self._values.popitem(last=False)
            self.held -= gone.nbytes


FRAMES = ByteCache()
