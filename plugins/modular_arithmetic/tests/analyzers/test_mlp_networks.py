"""The exact network of neurons x² as an MLP: the analyzers of neurons and logits serve it unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from analysis_kit import analyze
from handmade_networks import NETWORKS, PHASES, activations, weights
from pair_kit import CODES, family

from mi.domain.probe import probe_from_rows
from mi.domain.values import check_options
from mi.errors import NotApplicableError
from mi.refs import resolve
from mi_modular_arithmetic.analyzers import ATTENTION_PATTERN, ATTENTION_SCORES, EFFECTIVE_DIMENSION
from mi_modular_arithmetic.pair_network import PairNetwork

POST, OUT = "blocks.0.mlp.hook_post@-1", "unembed.hook_out@-1"


def one_hot(p: int, amplitudes: Mapping[int, float]) -> dict[str, torch.Tensor]:
    """Neurons (cos(w a + φ) + cos(w b + φ))², each written on answer c with A cos(w c + 2φ)."""
    numbers, phi = np.arange(p)[:, None], 2 * np.pi * np.arange(PHASES) / PHASES
    read = np.concatenate([np.cos(2 * np.pi * k * numbers / p + phi) for k in amplitudes], axis=1)
    write = np.concatenate(
        [A * np.cos(2 * np.pi * k * numbers / p + 2 * phi) for k, A in amplitudes.items()], axis=1
    )
    return {"W_in": torch.as_tensor(np.concatenate([read, read])), "W_U": torch.as_tensor(write.T)}


def embedded(p: int, amplitudes: Mapping[int, float]) -> dict[str, torch.Tensor]:
    """The same with W_in = W_E W_in: an embedding of cosines and sines for each of the two operands."""
    whole = one_hot(p, amplitudes)
    waves = [wave(2 * np.pi * k * np.arange(p) / p) for k in amplitudes for wave in (np.cos, np.sin)]
    W_E = torch.as_tensor(np.stack(waves + waves, axis=1).reshape(p, 2, -1)[:, 0])
    return {
        "W_E": torch.cat([W_E, W_E]),
        "W_in": torch.linalg.lstsq(W_E, whole["W_in"][:p], driver="gelsd").solution,
        "W_U": whole["W_U"],
    }


def variant(name: str, p: int, W: Mapping[str, torch.Tensor]) -> PairNetwork:
    given: dict[str, Any] = {"d_mlp": len(W["W_U"]), "activation": "square"}
    if "W_E" in W:
        given["d_embed"] = W["W_E"].shape[1]
    parameters = family(name).complete(given) | {"prime": p}
    code = CODES[name].__new__(CODES[name])  # composite moduli are refused, and are good tests
    code.parameters = parameters
    return code


def sites(code: PairNetwork, W: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    a, b = (x.ravel() for x in np.meshgrid(*code.axes().values(), indexing="ij"))
    tokens = torch.as_tensor(probe_from_rows(code, {"a": a, "b": b}, complete=True).tokens)
    model = code.build_model("cpu").double()
    code.load_weights(model, W)
    with torch.inference_mode():
        _, cache = model.run_with_cache(tokens)
    return {POST: cache["blocks.0.mlp.hook_post"][:, -1], OUT: cache["unembed.hook_out"][:, -1]}


@pytest.mark.parametrize("p", NETWORKS)
@pytest.mark.parametrize(
    ("name", "build"), [("modular_addition_mlp", one_hot), ("modular_addition_embedding_mlp", embedded)]
)
def test_the_exact_network_has_the_exact_spectrum(name: str, build: Any, p: int) -> None:
    amplitudes = NETWORKS[p]
    W = build(p, amplitudes)
    code = variant(name, p, W)
    found = sites(code, W)
    transformer = weights(p, amplitudes)
    expected = activations(transformer)
    torch.testing.assert_close(found[POST], expected[POST], rtol=1e-9, atol=1e-9)
    neurons = analyze("neuron_frequencies", transformer, found)
    reference = analyze("neuron_frequencies", transformer, expected)
    for key in ("fraction", "rest", "dominant_fraction"):
        np.testing.assert_allclose(neurons[key], reference[key], atol=1e-9)
    if p != 12:  # 2 · 3 = p/2 and 2 · 4 = -4 there: other shares, as the transformer's own tests say
        np.testing.assert_allclose(neurons["dominant_fraction"], 0.8, atol=1e-9)
        assert neurons["dominant"].tolist() == [k for k in amplitudes for _ in range(PHASES)]
    spectrum = analyze("logit_spectrum", transformer, found)
    wanted = np.zeros(p // 2)
    for k, amplitude in amplitudes.items():
        wanted[k - 1] = amplitude * PHASES / 2  # Σ_φ cos(w(a+b) + 2φ) cos(w c + 2φ)
    if p != 12:
        np.testing.assert_allclose(spectrum["trig_coefficient"], wanted, atol=1e-9)
    answers = analyze("accuracy_grid", transformer, found)
    assert (answers["correct"] == 1).all() or p == 12


@pytest.mark.parametrize("analyzer", [ATTENTION_SCORES, ATTENTION_PATTERN, EFFECTIVE_DIMENSION])
def test_what_needs_attention_says_that_it_does_not_apply(analyzer: Any) -> None:
    from analysis_kit import subject
    from attrs import evolve

    W = one_hot(7, NETWORKS[7])
    data = evolve(
        subject(7, weights(7, NETWORKS[7])), weights={name: tuple(x.shape) for name, x in W.items()}
    )
    values = check_options(analyzer.id, analyzer.options, {})
    with pytest.raises(NotApplicableError, match=r"not applicable: .*attention"):
        resolve(analyzer.coordinates)(data, **values)
