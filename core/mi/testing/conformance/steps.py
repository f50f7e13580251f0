"""A streaming analyzer's steps, with an eye on what they read and what their state holds on to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from attrs import define

from mi.engine.data import CheckpointData
from mi.engine.item import Item

Noted = Callable[[CheckpointData], CheckpointData]


@define(eq=False)
class Steps:
    """Stands in for the object that a streaming analyzer's ``function`` makes.

    Attributes:
        inner: that object.
        noted: notes what is read of the data.
        returned: takes what ``finish`` returned.
        held: sites of batches whose memory the state shares.
    """

    inner: Any
    noted: Noted
    returned: Callable[[Any], None]
    held: set[str]

    def start(self, data: CheckpointData) -> Any:
        """As of the analyzer."""
        return self.inner.start(self.noted(data))

    def update(self, state: Any, batch: CheckpointData) -> Any:
        """As of the analyzer."""
        state = self.inner.update(state, self.noted(batch))
        mine = {memory for memory in _memories(state) if memory}
        self.held |= {key for key, tensor in batch.activations.items() if mine & set(_memories(tensor))}
        return state

    def finish(self, state: Any) -> Any:
        """As of the analyzer."""
        found = self.inner.finish(state)
        self.returned(found)
        return found


def with_steps(
    item: Item, noted: Noted, returned: Callable[[Any], None], held: set[str]
) -> Callable[..., Any]:
    """A streaming analyzer's ``function`` whose steps are watched."""

    def function(**options: Any) -> Any:
        inner = item.function(**options)
        steps = all(callable(getattr(inner, step, None)) for step in ("start", "update", "finish"))
        return Steps(inner, noted, returned, held) if steps else inner

    return function


def _memories(value: Any, depth: int = 0) -> Iterator[int]:
    """Where the memory of each tensor and array inside ``value`` begins."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value.untyped_storage().data_ptr()
    elif isinstance(value, np.ndarray):
        while isinstance(value.base, np.ndarray):
            value = value.base
        yield int(value.__array_interface__["data"][0])
    elif depth < 8:
        inside = value.values() if isinstance(value, Mapping) else value
        if not isinstance(inside, list | tuple | set) and not isinstance(value, Mapping):
            names = [f.name for f in getattr(type(value), "__attrs_attrs__", ())]
            inside = [getattr(value, n) for n in names] or list(getattr(value, "__dict__", {}).values())
        for one in inside:
            yield from _memories(one, depth + 1)
