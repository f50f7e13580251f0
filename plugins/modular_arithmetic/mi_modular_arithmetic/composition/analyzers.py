"""How much of a network lies in each irrep of the group that it composes in.

Irreps are numbered from 1, the trivial one, which is the constant and takes no part, left out: dimension
``irrep``, m of them. n! is the order of the group. After Chughtai, Chan & Nanda, *A Toy Model of
Universality* (2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi_fourier_library import (
    character_coefficients,
    character_variance,
    choose_key_frequencies,
    class_mean,
    dominant,
    group_fractions,
    group_share,
    regular_basis,
    symmetric_group,
)
from mi_modular_arithmetic.analyzers.logits import excluded_losses, mean_over_rows, restricted_losses
from mi_modular_arithmetic.mlp import operand_tables

if TYPE_CHECKING:
    import numpy as np
    import torch

    from mi.engine.data import CheckpointData, Subject

MATRICES = ("left embedding", "right embedding", "left into neurons", "right into neurons", "unembedding")


def irrep_weights(data: CheckpointData) -> dict[str, torch.Tensor]:
    """``share`` (matrices, m): energy of each irrep over the group's axis, as a share of all of them.

    ``into neurons`` is the embedding times its half of W_in, what the neurons read of it. NaN for a matrix
    that does not vary over the group.
    """
    import torch

    basis = regular_basis(symmetric_group(data.context["degree"]))
    W = data.weights
    left, right = operand_tables(W)
    matrices = (W["W_E_left"], W["W_E_right"], left, right, W["W_U"].T)
    return {"share": torch.stack([group_share(matrix, basis, 0) for matrix in matrices])}


def matrices(subject: Subject) -> dict[str, list[str]]:
    """``matrix``: names."""
    return {"matrix": list(MATRICES)}


def irrep_neurons(data: CheckpointData) -> dict[str, torch.Tensor]:
    """Shares of each neuron's energy over the pairs.

    ``fraction`` (neurons, m), of what is a function of the irrep in left, in right or in both, and ``rest``
    (neurons,), which mixes irreps, sum to 1; NaN for dead neurons. ``dominant`` (neurons,): the strongest
    irrep, from 1, 0 for dead neurons; ``dominant_fraction`` its share.
    """
    basis = regular_basis(symmetric_group(data.context["degree"]))
    found = group_fractions(data.grid("blocks.0.mlp.hook_post", -1), basis)
    strongest = dominant(found.frac)
    return {
        "fraction": found.frac,
        "rest": found.rest,
        "dominant": strongest.frequency,
        "dominant_fraction": strongest.fraction,
    }


def logits_and_means(data: CheckpointData) -> tuple[torch.Tensor, torch.Tensor]:
    """L (rows, n!), the logits minus their mean over answers; M[s, c] (n!, n!), their means by product s."""
    logits = data.site("unembed.hook_out", -1)
    logits = logits - logits.mean(dim=-1, keepdim=True)
    return logits, class_mean(logits, row_products(data), logits.shape[-1])


def row_products(data: CheckpointData) -> np.ndarray:
    """The product a b of each row, int64 (rows,), on the host: nothing waits for the device."""
    labels = data.probe.labels
    assert labels is not None, "declared in the analyzer's ProbeNeed, which the engine checks"
    return labels


def irrep_logits(data: CheckpointData) -> dict[str, torch.Tensor]:
    """How much of χ_ρ(a b c⁻¹), and of each irrep over answers c, is in the logits L, centred over c.

    ``coefficient`` (m,): coef_ρ of the projection on the characters, in the logits' unit. ``fve`` (m,): the
    fraction of the logits' variance that each character explains. ``share`` (m,): energy of each irrep over
    c, characters or not; sums to 1. ``within_class`` (): share of the variance that is no function of a b.
    """
    group = symmetric_group(data.context["degree"])
    logits, means = data.derived("modular_arithmetic.irrep_logits_and_means")
    coefficients = character_coefficients(means, group)
    total = logits.square().sum()
    # Every class has n! rows, so that the class means hold n! Σ M² of the variance.
    kept = len(group.elements) * means.square().sum()
    return {
        "coefficient": coefficients,
        "fve": character_variance(coefficients, total, group),
        "share": group_share(logits, regular_basis(group), 1),
        "within_class": ((total - kept) / total).clamp(min=0),  # 0 / 0 is NaN: no logits, no share
    }


def irrep_progress(data: CheckpointData, *, reach: float, floor: float) -> dict[str, torch.Tensor]:
    """Restricted and excluded loss for the key irreps of the reference checkpoint, in nats, from float64.

    r_ρ[s, c] = coef_ρ χ_ρ(s c⁻¹), s = a b. ``key`` (m,) is 1 for the key irreps, chosen by fve as key
    frequencies are. ``restricted_loss_test``, ``restricted_loss_all``: loss of Σ r_ρ over the key irreps,
    with the mean over rows of what is left added. ``excluded_loss`` (m,): train loss of L − r_ρ, one by one;
    ``excluded_loss_key``: of all key irreps at once.
    """
    import torch

    group = symmetric_group(data.context["degree"])
    logits, means = (x.double() for x in data.derived("modular_arithmetic.irrep_logits_and_means"))
    labels, masks = row_products(data), data.probe.masks
    key = choose_key_frequencies(data.reference["modular_arithmetic.irrep_logits"]["fve"], reach, floor)
    characters = torch.tensor(group.of_quotients[1:]).to(data.device, non_blocking=True)  # (m, n!, n!)
    parts = character_coefficients(means, group)[:, None, None] * characters
    kept = torch.einsum("i,isc->sc", key.to(parts.dtype), parts)
    excluded = excluded_losses(logits, torch.cat([parts, kept[None]]), labels, masks["train"])
    restricted = restricted_losses(logits, kept, labels)  # (n!,)
    return {
        "key": key.to(torch.int8),
        "restricted_loss_test": mean_over_rows(restricted, labels[masks["test"]]),
        "restricted_loss_all": mean_over_rows(restricted, labels),
        "excluded_loss": excluded[:-1],
        "excluded_loss_key": excluded[-1],
    }
