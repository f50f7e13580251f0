"""What a call changes of its process: random states, default dtype, gradient mode."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_NOWHERE = 2654435761


def left_behind(call: Callable[[], Any]) -> list[str]:
    """What of the process ``call`` changed; put back afterwards."""
    with _state() as changed:
        call()
    return changed


@contextmanager
def _state() -> Iterator[list[str]]:
    import torch

    def now() -> dict[str, Any]:
        kind, keys, *rest = np.random.get_state()
        return {
            "torch's random state": torch.get_rng_state().numpy().tobytes(),
            "numpy's random state": (kind, bytes(np.asarray(keys)), *rest),
            "Python's random state": random.getstate(),
            "torch's default dtype": torch.get_default_dtype(),
            "torch's gradient mode": torch.is_grad_enabled(),
        }

    usual, numpy_state = now(), np.random.get_state()
    # Somewhere that no call would seed, or one that seeds what it seeded before would go unnoticed.
    torch.default_generator.manual_seed(_NOWHERE)
    np.random.seed(_NOWHERE)
    random.seed(_NOWHERE)
    before = now()
    changed: list[str] = []
    try:
        yield changed
        after = now()
        changed += [name for name, value in before.items() if after[name] != value]
    finally:
        torch.set_rng_state(torch.frombuffer(bytearray(usual["torch's random state"]), dtype=torch.uint8))
        np.random.set_state(numpy_state)
        random.setstate(usual["Python's random state"])
        torch.set_default_dtype(usual["torch's default dtype"])
        torch.set_grad_enabled(usual["torch's gradient mode"])
