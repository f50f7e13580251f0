"""How torch computes while `mi` trains and analyzes: the same bits each time, in full precision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# cuBLAS gives the same bits each time only with workspaces of a fixed size; read when it is first used.
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


@contextmanager
def exactly() -> Iterator[None]:
    """Set what decides bits, and put it back.

    - No TF32 and no sums in reduced precision: products of float32 matrices are products of float32 matrices.
    - Deterministic algorithms where torch has a choice (scattered sums, cuDNN); an operation that has none
      warns, so that whoever uses it knows.

    Results then follow from inputs, device, number of threads and versions of the libraries;
    docs/determinism.md has the whole.
    """
    import torch

    os.environ.setdefault(WORKSPACE, ":4096:8")
    matmul, cudnn, fill = torch.backends.cuda.matmul, torch.backends.cudnn, torch.utils.deterministic
    wanted: list[tuple[Any, str, bool]] = [
        (matmul, "allow_fp16_reduced_precision_reduction", False),
        (matmul, "allow_bf16_reduced_precision_reduction", False),
        (cudnn, "allow_tf32", False),
        (cudnn, "benchmark", False),
        (cudnn, "deterministic", True),
        # Else every fresh tensor is filled, so that what is never read is the same each time too.
        (fill, "fill_uninitialized_memory", False),
    ]
    before = [(where, name, getattr(where, name)) for where, name, _ in wanted]
    precision = torch.get_float32_matmul_precision()
    # As use_deterministic_algorithms does, but that imports torch's compiler, to tell it too, for seconds.
    mode = torch.get_deterministic_debug_mode()
    try:
        for where, name, value in wanted:
            setattr(where, name, value)
        torch.set_float32_matmul_precision("highest")  # "high" is TF32, on some processors bfloat16
        torch.set_deterministic_debug_mode("warn")
        yield
    finally:
        for where, name, value in before:
            setattr(where, name, value)
        torch.set_float32_matmul_precision(precision)
        torch.set_deterministic_debug_mode(mode)


def settings(device: str) -> dict[str, Any]:
    """What decides bits beside inputs and versions, to be recorded; the first two as :func:`exactly` sets.

    Args:
        device: where results are made.
    """
    import torch

    found: dict[str, Any] = {
        "tf32": False,
        "deterministic": True,
        "threads": torch.get_num_threads(),  # sums are split among them, so the last bits may differ
        "cpu": torch.backends.cpu.get_cpu_capability(),  # and over its vectors
    }
    if device.startswith("cuda"):
        found["gpu"] = torch.cuda.get_device_name(device)
    return found
