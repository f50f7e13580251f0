"""What each frequency gives to the right answer, so that one pair's history can be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from mi_fourier_library import components
from mi_modular_arithmetic.analyzers.shared import on_device, row_classes

if TYPE_CHECKING:
    from mi.engine.data import CheckpointData


def pair_parts(data: CheckpointData) -> dict[str, torch.Tensor]:
    """The right logit of every pair, and how much of it each frequency gives.

    ``right`` (n, n): L at the right answer. ``part`` (n, n//2): r_k[s, s], the same for all pairs of a class
    s. ``constant`` (n,): mean over classes of M at the answer s. What Σ_k part + constant leaves of ``right``
    is within the class: it differs from pair to pair, and belongs to no frequency.
    """
    means = data.derived("modular_arithmetic.class_means")  # M (n, n)
    logits = data.derived("modular_arithmetic.centred_logits")  # (rows, n)
    n = len(means)
    cosine, sine = components(means)  # (n//2, answers)
    # At the answer c = s itself: r_k[s, s] = cos(w_k s) C_k[s] + sin(w_k s) S_k[s].
    ks, s = (torch.arange(*ends, device=means.device) for ends in ((1, n // 2 + 1), (n,)))
    angle = 2 * torch.pi * (ks[:, None] * s % n).to(means.dtype) / n
    labels = on_device(row_classes(data), data)
    return {
        "right": data.probe.fold(logits.gather(1, labels[:, None])[:, 0]),
        "part": (angle.cos() * cosine + angle.sin() * sine).T,
        "constant": means.mean(dim=0),
    }
