"""Is θ what the neurons see? The correlation of both at the last checkpoint of a trained variant.

    python examples/neuron_inputs.py p59_seed999_frac0.5 [WORKSPACE]

θ_j = Σ_h ā_{h,j} W_E W_V^h W_O^h W_in, with ā the mean attention, is what the operand j adds to the
neurons: what `modular_arithmetic.phase_alignment` takes apart. It is compared with what neurons see of the
operand, averaged over the other one, at the frequency that each neuron reads most (amplitude and phase:
what the analysis tells), and over all frequencies. The latter is less where attention depends on the number
that is looked at: two waves multiplied make others. Beside it W_E W_in, which leaves out the OV circuit
that operands pass through.

Ends with 1 where θ does not correlate better than 0.999 at the frequencies that neurons read.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from mi.domain.workspace import Workspace
from mi.store.checkpoints import list_checkpoints, load_tensors
from mi.store.layout import VariantPaths
from mi_modular_arithmetic.circuit import neuron_inputs

LEAST, HOOK = 0.999, "blocks.0.mlp.hook_pre"


def at_dominant(x: torch.Tensor, y: torch.Tensor) -> float:
    """Of two tables' complex coefficients, each neuron's at the frequency that is strongest in x."""
    X, Y = (torch.fft.rfft(v.double(), dim=0)[1:] for v in (x, y))
    place = X.abs().argmax(dim=0, keepdim=True)
    u, v = X.gather(0, place), Y.gather(0, place)
    return float((u.conj() * v).real.sum() / (u.abs().square().sum() * v.abs().square().sum()).sqrt())


def correlation(x: torch.Tensor, y: torch.Tensor) -> float:
    """Of two tables (n, neurons), each neuron's mean over the operand taken out."""
    x, y = (v.double() - v.double().mean(dim=0) for v in (x, y))
    return float((x * y).sum() / (x.norm() * y.norm()))


def main(name: str, root: str = ".") -> int:
    """Print the correlations; the exit code."""
    variant = Workspace.open(Path(root)).variant(name)
    last = list_checkpoints(VariantPaths(variant.folder))[-1]
    weights, elements = load_tensors(last.path), variant.code.context()["elements"]
    model = variant.code.build_model("cpu")
    variant.code.load_weights(model, weights)
    _, probe = variant.probe("full")
    with torch.inference_mode():
        _, cache = model.run_with_cache(
            torch.tensor(probe.tokens), names_filter=[HOOK], return_cache_object=False
        )
    seen = probe.fold(cache[HOOK][:, -1])  # (a, b, neurons), before the activation
    theta = neuron_inputs(weights, elements)
    print(f"{variant.name}, epoch {last.epoch}: correlation with the neurons' mean input")
    found = []
    for j, operand in enumerate("ab"):
        mean = seen.mean(dim=1 - j)
        found.append(at_dominant(theta[j], mean))
        every = correlation(theta[j], mean)
        print(f"  θ of operand {operand}: {found[j]:.6f} at what neurons read most, {every:.6f} over all")
    if "W_pos" in weights:
        without = weights["W_E"][elements] @ weights["W_in"]
        print(f"  W_E W_in, without the OV circuit: {correlation(without, seen.mean(dim=1)):.3f}")
    return 0 if min(found) > LEAST else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
