"""Chunks that were decoded a moment ago, up to so many bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np

LIMIT = 32 * 2**20


class ChunkCache:
    """The least recently used go first. A chunk larger than the limit is never kept.

    Args:
        limit: bytes of all chunks together.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self.held = limit, 0
        self._chunks: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The chunk of that name, made when it is not there; read-only."""
        with self._lock:
            if key in self._chunks:
                self._chunks.move_to_end(key)
                return self._chunks[key]
        chunk = make()
        if chunk.nbytes > self.limit:
            return chunk
        with self._lock:
            if key not in self._chunks:
                self._chunks[key] = chunk
                self.held += chunk.nbytes
            while self.held > self.limit:
                self.held -= self._chunks.popitem(last=False)[1].nbytes
        return chunk
