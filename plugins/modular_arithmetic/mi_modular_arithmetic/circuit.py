"""What analyses of weights need to know of a network: which kind it is, and where its parts lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mi.errors import NotApplicableError

if TYPE_CHECKING:
    import numpy as np
    import torch

    from mi.engine.data import Subject

TRANSFORMER, MLP = "transformer", "mlp"
_TRANSFORMER = {"W_E", "W_pos", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_U"}
_MLP = ({"W_in", "W_U"}, {"W_E", "W_in", "W_U"}, {"W_E_left", "W_E_right", "W_in", "W_U"})


def kind_of(subject: Subject) -> str:
    """``transformer``: one layer of attention and neurons, read at '='; ``mlp``: neurons over two operands.

    Raises:
        NotApplicableError: it is neither, or is normalized between its parts, so that products of its weights
            say nothing of what it computes.
    """
    names, parameters = set(subject.weights), subject.parameters
    if parameters.get("layer_norm"):
        raise NotApplicableError("not applicable: needs a network without LayerNorm")
    if names == _TRANSFORMER and len(subject.weights["W_Q"]) == 3:
        return TRANSFORMER
    if names in _MLP:
        return MLP
    raise NotApplicableError(
        "not applicable: needs a transformer of one layer without biases, or an MLP of one hidden layer over "
        "two operands"
    )


def needs_attention(subject: Subject) -> None:
    """Nothing for a one-layer transformer.

    Raises:
        NotApplicableError: it is none.
    """
    if kind_of(subject) != TRANSFORMER:
        raise NotApplicableError("not applicable: needs attention, and this network has none")


def operand_rows(weights: Mapping[str, torch.Tensor], n: int) -> tuple[tuple[str, int], ...]:
    """Where the rows of the n operands lie: names of matrices, and what is added to an operand's token.

    A transformer has one table for both operands, an MLP one for each.
    """
    if "W_pos" in weights:
        return (("W_E", 0),)
    if "W_E_left" in weights:
        return (("W_E_left", 0), ("W_E_right", 0))
    name = "W_E" if "W_E" in weights else "W_in"
    return ((name, 0), (name, n))


def readout(weights: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """What the neurons are multiplied with to give their part of the logits, W_L: (neurons, classes)."""
    return weights["W_out"] @ weights["W_U"] if "W_out" in weights else weights["W_U"]


def neuron_inputs(weights: Mapping[str, torch.Tensor], elements: np.ndarray) -> torch.Tensor:
    """What each operand adds to the neurons before their activation, θ_a and θ_b: (2, n, neurons).

    Of a transformer on the mean over all pairs: θ_j = Σ_h ā_{h,j} W_E W_V^h W_O^h W_in with ā the
    attention of '=' to the operand j. Of an MLP exactly: embedding times W_in.

    Args:
        weights: of a network of either kind.
        elements: tokens of the operands in group order, (n,).
    """
    import torch

    from mi_fourier_library import in_order

    if "W_pos" not in weights:
        from mi_modular_arithmetic.mlp import operand_tables

        return torch.stack([in_order(table, elements, 0) for table in operand_tables(weights)])
    from mi_modular_arithmetic.analyzers.attention import mean_attention, scores_of, written_by_heads

    numbers = in_order(weights["W_E"], elements, 0)  # (n, d)
    attention = mean_attention(*scores_of(weights, numbers))  # (heads, 2)
    return torch.einsum("hj,hnm->jnm", attention, written_by_heads(weights, numbers))
