"""What the logits owe to each frequency, and the progress measures of Nanda et al. (2023) made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from mi_fourier_library import (
    choose_key_frequencies,
    component,
    energy_share,
    fraction_of_variance,
    gini,
    in_order,
    trig_coefficients,
)
from mi_modular_arithmetic.analyzers.shared import embedding, on_device, row_classes

if TYPE_CHECKING:
    from mi.engine.data import CheckpointData
    from mi_fourier_library import Fractions

# The product of two exponentials is exact while neither underflows: e^-600 is far above float64's e^-708.
_SAFE_SPREAD = 600.0


def logit_spectrum(data: CheckpointData) -> dict[str, torch.Tensor]:
    """How much of cos(w_k (s - c)) is in the logits: s is the right class, a + b or a − b in group order.

    ``trig_coefficient`` (n//2,): coef_k, in the logits' unit. ``fve`` (n//2,): fraction of the logits'
    variance. ``within_class`` (): share of that variance which is no function of s, so belongs to no k.
    """
    logits, means = _logits_and_means(data)
    n = logits.shape[-1]
    total = logits.square().sum()
    coefficients = trig_coefficients(means)  # (n//2,)
    return {
        "trig_coefficient": coefficients,
        "fve": fraction_of_variance(coefficients, total, n),
        "within_class": (logits - means[on_device(row_classes(data), data)]).square().sum()
        / total,  # 0 / 0 is NaN: no logits, no share
    }


def progress_measures(data: CheckpointData, *, reach: float, floor: float) -> dict[str, torch.Tensor]:
    """Restricted and excluded loss for the key frequencies of the reference checkpoint.

    Losses are in nats and computed in float64: once a network has memorized, float32 rounds them to zero.
    ``key`` (n//2,) is 1 for key frequencies. ``excluded_loss`` (n//2,) leaves out one frequency at a time.
    """
    logits, means = (x.double() for x in _logits_and_means(data))
    labels = row_classes(data)
    fve = data.reference["modular_arithmetic.logit_spectrum"]["fve"]
    key = choose_key_frequencies(fve, reach, floor)  # (n//2,)
    n = logits.shape[-1]
    parts = component(means, range(1, n // 2 + 1))  # r_k, (n//2, n, n): 6 MB at p = 113
    kept = torch.einsum("k,ksc->sc", key.to(parts.dtype), parts)  # R[s, c]
    removed = torch.cat([parts, kept[None]])  # (n//2 + 1, n, n)
    excluded = excluded_losses(logits, removed, labels, data.probe.masks["train"])
    restricted = restricted_losses(logits, kept, labels)  # (n,), one value for all rows of a class
    fractions: Fractions = data.derived("modular_arithmetic.neuron_fractions")
    numbers = in_order(embedding(data.weights), data.context["elements"], 0)  # (n, width)
    live = ~fractions.frac.isnan().any(dim=-1)
    return {
        "key": key.to(torch.int8),
        "restricted_loss_test": mean_over_rows(restricted, labels[data.probe.masks["test"]]),
        "restricted_loss_all": mean_over_rows(restricted, labels),
        "excluded_loss": excluded[:-1],
        "excluded_loss_key": excluded[-1],
        "gini_embedding": gini(energy_share(numbers, axis=0)),
        "gini_neurons": gini(torch.where(live[:, None], fractions.frac, 0).sum(dim=0)),
        "sum_squared_weights": sum(
            (w.square().sum() for w in data.weights.values()), start=logits.new_zeros(())
        ),
    }


def restricted_losses(logits: torch.Tensor, kept: torch.Tensor, labels: np.ndarray) -> torch.Tensor:
    """Cross-entropy of R[s, c] + mean over rows of (L - R), for each class s: (n,).

    Args:
        logits: L (rows, n).
        kept: R[s, c], the sum of the kept components (n, n).
        labels: class of each row (rows,).
    """
    weight = torch.as_tensor(np.bincount(labels, minlength=len(kept)) / len(labels), device=logits.device)
    bias = logits.mean(dim=0) - weight.to(kept.dtype) @ kept  # (n,)
    return -(kept + bias).log_softmax(dim=-1).diagonal()


def excluded_losses(
    logits: torch.Tensor, removed: torch.Tensor, labels: np.ndarray, mask: np.ndarray
) -> torch.Tensor:
    """Mean cross-entropy of L - r over the rows of ``mask``, for each of several r: (sets,).

    log Σ_c exp(L - r) is one matrix product a class, Σ_c exp(L[row, c]) exp(-r[s, c]), instead of one softmax
    a
    frequency: n times fewer exponentials.

    Args:
        logits: L (rows, n), float64.
        removed: r[set, s, c], (sets, n, n), float64.
        labels: class of each row (rows,).
        mask: bool (rows,).
    """
    table = _rows_of_classes(labels, mask, removed.shape[1])
    rows, present = (torch.as_tensor(x, device=logits.device) for x in table)  # (n, most)
    own = torch.arange(removed.shape[1], device=logits.device)
    grouped = logits[rows]  # (s, most, c)
    target = grouped[own, :, own][..., None] - removed[:, own, own].T[:, None, :]  # (s, most, set)
    # Only on the CPU: an accelerator would be waited for, and has exponentials to spare.
    spread = removed.amax(dim=-1) - removed.amin(dim=-1)
    if logits.device.type == "cpu" and float(spread.max()) < _SAFE_SPREAD:
        top = grouped.amax(dim=-1, keepdim=True)  # (s, most, 1)
        low = removed.amin(dim=-1)  # (set, s)
        factors = (low[..., None] - removed).exp().permute(1, 2, 0)  # (s, c, set)
        total = torch.bmm((grouped - top).exp(), factors).log() + top - low.T[:, None, :]
    else:
        total = torch.stack([(grouped - r[:, None, :]).logsumexp(dim=-1) for r in removed], dim=-1)
    losses: torch.Tensor = (total - target) * present[..., None]  # (s, most, set)
    return losses.sum(dim=(0, 1)) / present.sum()


def _rows_of_classes(labels: np.ndarray, mask: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of ``mask`` by class, padded with row 0: indices (n, most), and which of them are real."""
    chosen = np.flatnonzero(mask)
    chosen = chosen[np.argsort(labels[chosen], kind="stable")]
    counts = np.bincount(labels[chosen], minlength=n)
    present = np.arange(counts.max(initial=1)) < counts[:, None]
    rows = np.zeros(present.shape, dtype=np.int64)
    rows[present] = chosen
    return rows, present


def mean_over_rows(values: torch.Tensor, labels: np.ndarray) -> torch.Tensor:
    """Mean over rows of a value that each class has, (n,) -> ()."""
    counts = torch.as_tensor(np.bincount(labels, minlength=len(values)), device=values.device)
    return (values * counts).sum() / counts.sum()


def _logits_and_means(data: CheckpointData) -> tuple[torch.Tensor, torch.Tensor]:
    """L (rows, n) and M (n, n), centred over answers."""
    return (
        data.derived("modular_arithmetic.centred_logits"),
        data.derived("modular_arithmetic.class_means"),
    )
