"""Waves that neurons read and write: amplitudes, phases, how well they fit, and how few each neuron uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from mi_fourier_library import amplitude_phase, in_order
from mi_modular_arithmetic.analyzers.declare_weights import HARMONICS
from mi_modular_arithmetic.circuit import neuron_inputs, readout

if TYPE_CHECKING:
    from mi.engine.data import CheckpointData


def phase_alignment(data: CheckpointData, *, threshold: float) -> dict[str, torch.Tensor]:
    """Amplitudes and phases of what each neuron reads of the operands and writes on the answers.

    θ_a, θ_b (n, neurons) are what each operand adds to the neurons (:func:`neuron_inputs`), ξ = W_Lᵀ what a
    neuron writes. A neuron that reads α cos(w a − φ_a) + α cos(w b − φ_b) makes cos(w (a + b) − φ_a − φ_b) of
    it, so that it ought to write cos(w c − ψ) with ψ = φ_a + φ_b, or φ_a − φ_b where the answer is a − b.

    By neuron and frequency: ``input_amplitude`` √(α_a α_b), ``input_phase`` φ_a ± φ_b, ``output_amplitude`` β
    and ``output_phase`` ψ. By neuron, at its ``dominant`` frequency (that of the largest α, 0 where there is
    none), which holds ``share`` of Σ α²: ``phase`` φ_a, ``misalignment`` |φ_a ± φ_b − ψ| wrapped to 0..π, and
    ``weight`` α² β. ``ipr`` (neurons,): Σ α⁴ / (Σ α²)², 1 where one frequency holds all.
    ``mean_misalignment`` () and ``misalignment_by_frequency`` (n//2,): weighted means. ``rayleigh``
    (harmonics, n//2): |mean of e^{i m φ_a}| over the neurons whose dominant frequency holds ``threshold`` of
    Σ α².
    """
    W, elements = data.weights, data.context["elements"]
    waves = amplitude_phase(neuron_inputs(W, elements), axis=1)  # (2, n//2, neurons)
    phases = waves.phase.transpose(1, 2)  # (2, neurons, n//2)
    alpha = waves.amplitude.prod(dim=0).sqrt().T  # (neurons, n//2)
    written = amplitude_phase(in_order(readout(W), data.context["classes"]), axis=1)
    sign = 1 if data.context["structure"] == "sum" else -1
    total = wrapped(phases[0] + sign * phases[1])
    power = alpha.square()
    energy = power.sum(dim=1)  # (neurons,)
    place = power.argmax(dim=1, keepdim=True)  # (neurons, 1)

    def own(x: torch.Tensor) -> torch.Tensor:
        return x.gather(1, place)[:, 0]

    misalignment = wrapped(total - written.phase).abs()
    weight = own(power * written.amplitude)
    member = torch.zeros_like(power).scatter(1, place, 1.0)  # (neurons, n//2): one frequency each
    share = own(power) / energy  # 0 / 0 is NaN: a neuron that reads nothing
    in_group = member * (share >= threshold)[:, None]
    circles = [torch.polar(in_group, m * phases[0]).sum(dim=0).abs() for m in HARMONICS]
    live = energy > 0
    return {
        "input_amplitude": alpha,
        "input_phase": total,
        "output_amplitude": written.amplitude,
        "output_phase": written.phase,
        "dominant": torch.where(live, place[:, 0] + 1, 0),
        "share": share,
        "phase": torch.where(live, own(phases[0]), torch.nan),
        "misalignment": torch.where(live, own(misalignment), torch.nan),
        "weight": weight,
        "ipr": power.square().sum(dim=1) / energy.square(),
        "mean_misalignment": (own(misalignment) * weight).sum() / weight.sum(),
        "misalignment_by_frequency": (own(misalignment) * weight) @ member / (weight @ member),
        "rayleigh": torch.stack(circles) / in_group.sum(dim=0),
    }


def wrapped(angle: torch.Tensor) -> torch.Tensor:
    """The same angles in [−π, π)."""
    return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi
