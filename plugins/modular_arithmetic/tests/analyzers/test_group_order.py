"""A network that multiplies is one that adds discrete logarithms: every analyzer says the same of both."""

from typing import Any

import numpy as np
import pytest
import torch
from analysis_kit import BY_ID, analyze, subject
from handmade_networks import NETWORKS, activations, relabelled, relu, weights

from mi.errors import NotApplicableError
from mi.refs import resolve
from mi_modular_arithmetic.tasks import Group

P, N = 13, 12
MULTIPLICATION = Group("mul", P)
CHECKPOINT = [name for name, analyzer in BY_ID.items() if analyzer.scope == "checkpoint"]


def both(name: str, **options: Any) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """An analyzer's results for the disturbed network that adds mod 12, and for it as one that multiplies."""
    generator = torch.Generator().manual_seed(0)
    added = {
        key: tensor + 0.1 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        for key, tensor in weights(N, NETWORKS[N]).items()
    }
    multiplied = relabelled(added, MULTIPLICATION.elements)
    neurons = analyze("neuron_frequencies", added, activations(added, relu))
    classes = analyze("class_geometry", added, activations(added, relu))
    at_both = {"modular_arithmetic.class_geometry": {k: torch.as_tensor(v) for k, v in classes.items()}}
    reference = {
        "modular_arithmetic.logit_spectrum": {"fve": torch.linspace(0.1, 1, N // 2)},
        "modular_arithmetic.neuron_frequencies": {k: torch.as_tensor(v) for k, v in neurons.items()},
        **at_both,
    }
    return (
        analyze(name, added, activations(added, relu), reference=reference, artifacts=at_both, **options),
        analyze(
            name,
            multiplied,
            activations(multiplied, relu, MULTIPLICATION.elements),
            reference=reference,
            artifacts=at_both,
            group=MULTIPLICATION,
            **options,
        ),
    )


@pytest.mark.parametrize("name", CHECKPOINT)
def test_multiplying_mod_13_is_adding_mod_12(name: str) -> None:
    added, multiplied = both(name)
    for output, expected in added.items():
        np.testing.assert_allclose(multiplied[output], expected, rtol=1e-9, atol=1e-12, err_msg=output)


def test_the_spectrum_of_the_unembedding_is_over_discrete_logarithms() -> None:
    added, multiplied = both("weight_spectrum", weight="W_U", along=1)
    np.testing.assert_allclose(multiplied["share"], added["share"], rtol=1e-9)


@pytest.mark.parametrize(("name", "p"), [("add", 12), ("mul", 13), ("sub", 12), ("div", 13), ("sub", 7)])
def test_the_exact_network_answers_in_its_frequencies(name: str, p: int) -> None:
    # Logits made of cos w_k (s - c) with c the answer and s the right one, all in group order.
    group = Group(name, p)
    n, k = group.size, 3
    c = np.argsort(group.elements)  # each logit's answer, by index in group order
    s = group.residues().reshape(-1, 1)
    logits = torch.as_tensor(np.cos(2 * np.pi * k * (s - c) / n))
    W = weights(n, {1: 1.0})
    found = analyze("logit_spectrum", W, {"unembed.hook_out@-1": logits}, group=group)
    np.testing.assert_allclose(found["trig_coefficient"], np.arange(1, n // 2 + 1) == k, atol=1e-12)
    np.testing.assert_allclose(found["fve"], np.arange(1, n // 2 + 1) == k, atol=1e-12)
    assert found["within_class"] == pytest.approx(0, abs=1e-12)
    answers = analyze("accuracy_grid", W, {"unembed.hook_out@-1": logits}, group=group)
    assert answers["correct"].all() == (n % k != 0), "k = 3 cannot tell answers apart that differ by n/3"


@pytest.mark.parametrize("name", ["logit_spectrum", "progress_measures"])
def test_what_needs_classes_does_not_apply_where_there_are_none(name: str) -> None:
    data = subject(7, weights(7, NETWORKS[7]), group=Group("quad", 7))
    with pytest.raises(NotApplicableError, match="not applicable: needs a task whose answer is a function"):
        resolve(BY_ID[name].coordinates)(data)
