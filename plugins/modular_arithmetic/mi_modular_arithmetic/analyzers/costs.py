"""What the analyzers cost, in floating-point operations as functions of sizes; light, and counted by hand.

A multiplication and an addition are two; an exponential, a logarithm or a root counts as ``EXP``. With n the
period (``residue``), N the pairs (``row``), M neurons, d the residual width, h heads of width ``d_head``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXP = 10
Sizes = Mapping[str, int]


def _verdict(n: Sizes) -> float:
    """Loss and accuracy of one set of logits: differences, maximum, exponentials, sums."""
    return n["row"] * n["residue"] * (4 + EXP)


def _grid_part(n: Sizes) -> float:
    """One frequency's part of logits over the grid, and its subtraction: 3 waves in a, 3 in b."""
    return n["row"] * n["residue"] * (2 * 3 + 1) + 2 * 9 * n["residue"] ** 2


def _to_grid_basis(n: Sizes) -> float:
    return 2 * 2 * n["residue"] * n["row"] * n["residue"]


def _pass(n: Sizes) -> float:
    """One functional pass over all pairs: heads' values to neurons and logits, neurons to logits."""
    z = n.get("head", 0) * n.get("d_head", 0)
    return 2.0 * n["row"] * (z * (n["neuron"] + n["residue"]) + n["neuron"] * n["residue"])


def frequency_ablation(n: Sizes, **options: Any) -> float:
    """Four places by linear algebra and one by passes, a verdict for each frequency at each."""
    read = 2.0 * n["row"] * n["neuron"] * n["residue"]
    return (
        n["freq"] * (_pass(n) + 5 * _verdict(n) + 2 * _grid_part(n) + n["row"] * n["residue"] + read)
        + 2 * _to_grid_basis(n)
        + read
    )


def head_ablation(n: Sizes, **options: Any) -> float:
    """What one head changes in neurons and logits, head by head."""
    one = 2.0 * n["row"] * (n["d_head"] + n["neuron"]) * (n["residue"])
    return n["head"] * (one + 2.0 * n["row"] * n["d_head"] * n["neuron"] + _verdict(n))


def phase_alignment(n: Sizes, **options: Any) -> float:
    """Products of the weights, transforms over operands and answers, amplitudes and phases."""
    d, M, N = n.get("feature", n["neuron"]), n["neuron"], n["residue"]
    heads, k = n.get("head", 0), n.get("d_head", 0)
    written = 2.0 * heads * (N * d * k + k * d * M + N * k * M) + 2.0 * 2 * heads * N * M
    pattern = heads * N * N * 3 * EXP
    return written + pattern + 2.0 * M * d * N + 3 * (2.0 * N * N * M + M * n["freq"] * 4 * EXP)


def frequency_board(n: Sizes, **options: Any) -> float:
    """The same products, and transforms that keep no phases."""
    d, M, N = n.get("feature", n["neuron"]), n["neuron"], n["residue"]
    heads, k = n.get("head", 0), n.get("d_head", 0)
    written = 2.0 * heads * (N * d * k + k * d * M + N * k * M) + heads * N * N * 3 * EXP
    return written + 2.0 * M * d * N + 2.0 * N * N * (d + 2 * heads + 3 * M + n["row"])


def pair_parts(n: Sizes, **options: Any) -> float:
    """A transform over the classes of the class means."""
    return 2.0 * n["residue"] ** 3 + 2 * EXP * n["residue"] * n["freq"]


def logit_spectrum(n: Sizes, **options: Any) -> float:
    """Sums over all logits, and a transform over class differences."""
    return 5.0 * n["row"] * n["residue"] + 2.0 * n["residue"] ** 2


def progress_measures(n: Sizes, **options: Any) -> float:
    """r_k of every frequency, and the logits without each as one product of exponentials a class."""
    C, K = n["residue"], n["freq"]
    return K * C * C * (6 + EXP) + n["row"] * C * (EXP + 2.0 * (K + 1)) + 2.0 * C * C * n.get("feature", C)


def accuracy_grid(n: Sizes, **options: Any) -> float:
    """Largest of the others, and a softmax, for every pair."""
    return n["row"] * n["residue"] * (4.0 + EXP)


def neuron_frequencies(n: Sizes, **options: Any) -> float:
    """Two maxima over frequencies for each neuron."""
    return 4.0 * n["neuron"] * n["freq"]


def attention_scores(n: Sizes, **options: Any) -> float:
    """What heads write into the neurons, number by number, and its transform."""
    N, M, d, k = n["residue"], n["neuron"], n["feature"], n["d_head"]
    return n["head"] * (2.0 * N * d * k + 2.0 * k * d * M + 2.0 * N * k * M + 2.0 * N * N * M)


def attention_pattern(n: Sizes, **options: Any) -> float:
    """The fractions of three maps a head over the grid: a transform in a, and of each wave in b."""
    return 3.0 * n["head"] * n["row"] * (2 * n["residue"] + 2 * 3 + 8)


def effective_dimension(n: Sizes, **options: Any) -> float:
    """Singular values of four matrices, about 8 m² l each, and of two small cores a head."""
    N, M, d, k = n["residue"], n["neuron"], n["feature"], n["d_head"]
    joint = sum(8.0 * min(a, b) ** 2 * max(a, b) for a, b in ((N, d), (d, M), (M, d), (M, N)))
    return joint + 2.0 * M * d * N + n["head"] * 2 * (8.0 * d * k * k + 10.0 * k**3)


def neuron_timeline(n: Sizes, **options: Any) -> float:
    """Comparisons of every neuron's frequency at every checkpoint."""
    return n["epoch"] * n["neuron"] * (n["freq"] + 10.0)


def graduation(n: Sizes, **options: Any) -> float:
    """A window over the checkpoints of every pair."""
    return 8.0 * n["epoch"] * n["row"]


def class_geometry(n: Sizes, **options: Any) -> float:
    """Two products of centroids a site, and the decomposition of the smaller one (about 10 n³)."""
    return n["site"] * (4.0 * n["residue"] ** 2 * n["channel"] + 10.0 * n["residue"] ** 3)


def class_positions(n: Sizes, **options: Any) -> float:
    """Centroids onto six axes; the alignment is of matrices of six."""
    return 2.0 * n["site"] * n["residue"] * n["channel"] * n["component"]


def group_geometry(n: Sizes, **options: Any) -> float:
    """Inner products of the columns of a group, which together are all neurons, and their decomposition."""
    width = n.get("feature", 2 * n["residue"])
    return n["epoch"] * (4.0 * n["neuron"] * width**2 + 10.0 * n["freq"] * width**3 / 8)


def gradient_spectrum(n: Sizes, **options: Any) -> float:
    """Spectra of gradients and weights, what neurons read of both, a pass there and back."""
    d, M, N = n.get("feature", n["neuron"]), n["neuron"], n["residue"]
    heads, k = n.get("head", 0), n.get("d_head", 0)
    read = 2.0 * heads * (N * d * k + k * d * M + N * k * M) + heads * N * N * 3 * EXP
    spectra = 2.0 * N * N * (2 * d + 2 * heads + 2 * M)
    again = 2 * _pass(n) + _verdict(n) if heads else 0.0
    return 2 * (read + spectra) + again
