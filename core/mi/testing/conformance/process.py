"""What a call changes of its process: random states, default dtype, gradient mode."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


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

    before, numpy_state = now(), np.random.get_state()
    changed: list[str] = []
    try:
        yield changed
        after = now()
        changed += [name for name, value in before.items() if after[name] != value]
    finally:
        torch.set_rng_state(torch.frombuffer(bytearray(before["torch's random state"]), dtype=torch.uint8))
        np.random.set_state(numpy_state)
        random.setstate(before["Python's random state"])
        torch.set_default_dtype(before["torch's default dtype"])
        torch.set_grad_enabled(before["torch's gradient mode"])
