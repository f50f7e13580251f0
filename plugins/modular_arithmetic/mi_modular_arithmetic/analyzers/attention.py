"""Attention as the circuit uses it: from '=' alone, whose query is one vector a head."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mi_fourier_library import amplitude_phase, energy_share, frequency_fractions, in_order
from mi_modular_arithmetic.analyzers.shared import check_layer, needs_attention
from mi_modular_arithmetic.circuit import needs_attention as needs_one_layer

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject


def attention_scores(data: CheckpointData) -> dict[str, torch.Tensor]:
    """Scores from '=' to each number at each operand's position, their spectra, and what a head then writes.

    Numbers x are in group order, n of them. With q_h = (W_E['='] + W_pos[2]) W_Q^h: ``score`` (heads, 2, n)
    is (W_E[x] + W_pos[j]) W_K^h q_h / sqrt(d_head) and ``score_equals`` (heads,) the same for '=' itself.
    Their softmax, score[h, 0, a], score[h, 1, b], score_equals[h], *is* the attention row of '='. ``share``
    and ``phase`` (heads, 2, n//2): of the scores over x; phases in radians. ``ov_share`` (heads, n//2):
    energy share over x of W_E W_V W_O W_in, what attending to x does to the neurons.

    Number tokens as queries are left out on purpose: the circuit reads nothing at their positions.
    """
    import torch

    numbers = in_order(data.weights["W_E"], data.context["elements"], 0)  # (n, d)
    score, score_equals = scores_of(data.weights, numbers)
    written = written_by_heads(data.weights, numbers)
    return {
        "score": score,
        "score_equals": score_equals,
        "share": energy_share(score, axis=-1, keep_other_axes=True),
        "phase": amplitude_phase(score, axis=-1).phase,
        "ov_share": torch.stack([energy_share(one, axis=0) for one in written]),
    }


def scores_of(W: Mapping[str, torch.Tensor], numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores from '=': to each of the embedded numbers (n, d) at each operand's position, and to itself.

    (heads, 2, n) and (heads,): see :func:`attention_scores`.
    """
    import torch

    equals = W["W_E"][-1] + W["W_pos"][2]  # (d,)
    query = torch.einsum("d,hdk->hk", equals, W["W_Q"])
    # What a residual vector is multiplied with to give its score: (h, d)
    key = torch.einsum("hdk,hk->hd", W["W_K"], query) / math.sqrt(W["W_K"].shape[-1])
    inputs = numbers + W["W_pos"][:2, None]  # (2, n, d)
    return torch.einsum("jnd,hd->hjn", inputs, key), key @ equals


def written_by_heads(W: Mapping[str, torch.Tensor], numbers: torch.Tensor) -> torch.Tensor:
    """What each head would write into the neurons if it attended to one number alone: (heads, n, neurons)."""
    import torch

    return torch.einsum("nd,hdk->hnk", numbers, W["W_V"]) @ (W["W_O"] @ W["W_in"])


def mean_attention(score: torch.Tensor, score_equals: torch.Tensor) -> torch.Tensor:
    """Attention from '=' to each operand, averaged over all pairs (a, b): (heads, 2)."""
    import torch

    heads, _, n = score.shape
    rows = torch.stack(
        [
            score[:, 0, :, None].expand(heads, n, n),
            score[:, 1, None, :].expand(heads, n, n),
            score_equals[:, None, None].expand(heads, n, n),
        ]
    )  # (position, heads, a, b)
    return rows.softmax(dim=0)[:2].mean(dim=(2, 3)).T


def attention_pattern(data: CheckpointData, *, site: str) -> dict[str, torch.Tensor]:
    """Where '=' looks: mean and spread of each head's attention, and the frequencies of its map over (a, b).

    ``mean``, ``spread`` (heads, 3): mean and standard deviation over all pairs of the attention to each
    position. ``fraction`` (heads, 3, n//2), ``rest`` (heads, 3): share of the map's variance in each
    frequency, and the share that mixes frequencies; as for neurons. Of the layer whose patterns ``site`` are.
    """
    pattern = data.probe.fold(data.activations[site])  # (n, n, heads, 3)
    fractions = frequency_fractions(pattern)
    flat = pattern.flatten(0, 1)
    return {
        "mean": flat.mean(dim=0),
        "spread": flat.std(dim=0, correction=0),
        "fraction": fractions.frac,
        "rest": fractions.rest,
    }


def coordinates(subject: Subject) -> dict[str, range]:
    """``operand``: 0 for a, 1 for b, which is also the position of its token.

    Raises:
        NotApplicableError: the network is no transformer of one layer without LayerNorm; in others scores do
            not follow from weights and single tokens so.
    """
    needs_one_layer(subject)
    return {"operand": range(2)}


def pattern_coordinates(subject: Subject, *, site: str) -> dict[str, range]:
    """No coordinates of its own.

    Raises:
        NotApplicableError: the network has no attention, or no such layer.
    """
    needs_attention(subject)
    return check_layer(subject, site)
