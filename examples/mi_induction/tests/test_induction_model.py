import subprocess
import sys
from typing import Any

import pytest
import torch

from mi import MiError
from mi_induction.family import AttentionOnly
from mi_induction.transformer import initialize, shapes

SMALL = {
    "seed": 0, "data_seed": 0, "d_model": 24, "n_heads": 3, "d_head": 8, "vocabulary": 20, "context": 16,
    "segment_min": 2, "segment_max": 6, "batch": 4, "test_rows": 4, "learning_rate": 0.01,
    "weight_decay": 0.01,
}  # fmt: skip


def code(normalization: str) -> AttentionOnly:
    return AttentionOnly(SMALL | {"normalization": normalization})


def scattered(parameters: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Weights far from the initialization, LayerNorm's too."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: tensor + 0.2 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in initialize(parameters, "cpu").items()
    }


@pytest.mark.parametrize("normalization", ["none", "layernorm"])
@pytest.mark.parametrize("length", [16, 5, 1])
def test_the_pure_pass_is_the_hooked_model(normalization: str, length: int) -> None:
    family = code(normalization)
    weights = scattered(family.parameters)
    model = family.build_model("cpu")
    family.load_weights(model, weights)
    tokens = torch.randint(21, (6, length), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        hooked, cache = model.run_with_cache(tokens)
    pure = family.forward(weights, tokens)
    assert pure.shape == (6, length, 21)
    torch.testing.assert_close(pure, hooked, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(cache["unembed.hook_out"], hooked)
    assert cache["blocks.1.attn.hook_pattern"].shape == (6, 3, length, length)


@pytest.mark.parametrize("normalization", ["none", "layernorm"])
def test_the_past_does_not_see_the_future(normalization: str) -> None:
    family = code(normalization)
    weights = scattered(family.parameters)
    tokens = torch.arange(16).repeat(2, 1)
    tokens[1, 9:] = 3
    logits = family.forward(weights, tokens)
    torch.testing.assert_close(logits[0, :9], logits[1, :9])
    assert not torch.allclose(logits[0, 9:], logits[1, 9:])


def test_the_hooked_models_weights_are_in_the_classic_orientation() -> None:
    family = code("none")
    weights = scattered(family.parameters)
    model = family.build_model("cpu")
    family.load_weights(model, weights)
    for name in ("W_E", "W_pos", "W_U", "W_Q", "W_K", "W_V", "W_O"):
        torch.testing.assert_close(getattr(model, name).detach(), weights[name])
    assert not model.b_U.any()


def test_what_is_no_checkpoint_of_the_variant_is_refused_by_name() -> None:
    family, other = code("none"), code("layernorm")
    with pytest.raises(MiError, match="tensor ln_b has shape"):
        family.load_weights(family.build_model("cpu"), initialize(other.parameters, "cpu"))
    with pytest.raises(MiError, match=r"tensor ln_b has shape None, expected \(3, 24\)"):
        other.load_weights(other.build_model("cpu"), initialize(family.parameters, "cpu"))


def test_every_weight_gets_a_gradient() -> None:
    training = code("layernorm").training("cpu")
    generator = torch.Generator().manual_seed(training.generator_seed)
    training.training_pass(training.weights, 0, generator).loss.backward()
    assert training.weights.keys() == shapes(SMALL | {"normalization": "layernorm"}).keys()
    assert all(w.grad is not None and bool(w.grad.abs().sum() > 0) for w in training.weights.values())


def test_losses_are_split_by_what_the_row_tells() -> None:
    training = code("none").training("cpu")
    with torch.no_grad():
        metrics = training.evaluate(training.weights)
        blank = training.evaluate({**training.weights, "W_U": torch.zeros(24, 21)})
    # 4 rows of 16 targets; a loss over all is the mean of the two parts, weighted by their sizes.
    whole, first, repeat = (metrics[f"test_{name}"] for name in ("loss", "first_loss", "repeat_loss"))
    assert min(first, repeat) < whole < max(first, repeat)
    for name in ("test_loss", "test_first_loss", "test_repeat_loss"):
        torch.testing.assert_close(blank[name], torch.tensor(21.0).log())


def test_listing_the_plugin_imports_nothing_heavy() -> None:
    light = (
        "import sys, mi_induction.plugin, mi_induction.family\n"
        "heavy = {'torch', 'transformer_lens', 'xarray', 'zarr', 'bokeh', 'pandas'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", light], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
