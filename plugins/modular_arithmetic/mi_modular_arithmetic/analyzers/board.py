"""One spectrum a station of the circuit: how much of each frequency is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from mi_fourier_library import energy, energy_share, in_order
from mi_modular_arithmetic.circuit import neuron_inputs, operand_rows, readout

if TYPE_CHECKING:
    from mi.engine.data import CheckpointData


def frequency_board(data: CheckpointData) -> dict[str, torch.Tensor]:
    """``share`` (stations, n//2): energy share of each frequency at each station that the network has.

    (|cos_k · X|² + |sin_k · X|²) / Σ_k over the operands, rows of numbers alone ('=' would spoil the period),
    for ``embedding`` W_E, ``attention`` the scores that '=' gives to numbers, all heads and both operands
    together, ``input`` what operands add to the neurons (:func:`neuron_inputs`); over the answers for
    ``output`` W_L = W_out W_U and ``logits``. Missing for what does not vary.
    """
    W, elements, classes = data.weights, data.context["elements"], data.context["classes"]
    tables = [W[name][offset:] for name, offset in operand_rows(W, len(elements))]
    numbers = torch.cat([in_order(table, elements, 0) for table in tables], dim=1)
    found = []
    if any(name.startswith("W_E") for name in W):
        found.append(energy_share(numbers, axis=0))
    if "W_Q" in W:
        from mi_modular_arithmetic.analyzers.attention import scores_of

        found.append(_pooled(scores_of(W, numbers)[0]))
    found.append(energy_share(neuron_inputs(W, elements), axis=1))
    found.append(energy_share(in_order(readout(W), classes), axis=1))
    found.append(energy_share(data.derived("modular_arithmetic.centred_logits"), axis=1))
    return {"share": torch.stack(found)}


def _pooled(scores: torch.Tensor) -> torch.Tensor:
    """Share of each frequency in scores (heads, operands, n), all rows together; NaN where none varies."""
    every: torch.Tensor = energy(scores, axis=-1)
    return every / every.sum()
