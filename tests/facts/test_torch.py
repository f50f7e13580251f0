"""torch and safetensors: inference mode, what it does not guard, and files that are not the same twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from facts.conftest import Still
from safetensors.torch import save

from mi.engine.guard import Watch, versions
from mi.engine.results import conform
from mi.errors import PluginError
from mi.store.checkpoints import digest, save_tensors
from mi.store.schema import ArraySpec, GroupSpec


@pytest.fixture
def made() -> torch.Tensor:
    """Four ones, made in inference mode."""
    with torch.inference_mode():
        return torch.ones(4)


def test_an_edit_in_place_raises_and_is_made_all_the_same(made: torch.Tensor, still: Still) -> None:
    for edit in (lambda: made.mul_(2), lambda: made.view(2, 2).add_(1)):
        with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
            edit()
    still(made.tolist() == [3.0] * 4, "an analyzer that raises cannot have spoiled what others read")


def test_an_edit_through_numpy_raises_nothing_and_is_found(made: torch.Tensor, still: Still) -> None:
    watch = Watch()
    watch.add("it", made)
    made.numpy()[0] = 5
    still(made.tolist() == [5.0, 1.0, 1.0, 1.0], "checksums beside inference mode can go")
    assert watch.changed({"it"}, "somebody") == ["it"]


def test_inference_tensors_count_no_versions(made: torch.Tensor, still: Still) -> None:
    try:
        counted = made._version >= 0
    except RuntimeError:
        counted = False
    still(not counted, "`versions` may watch activations too")
    assert versions([made, torch.ones(2)]) != versions([made])


def test_inference_tensors_enter_no_gradient(made: torch.Tensor, still: Still) -> None:
    weight = torch.ones(4, requires_grad=True)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        (made * weight).sum().backward()
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor"):
        made.requires_grad_(True)
    still(made.clone().requires_grad_(True).requires_grad, "gradients need a copy made outside")


def test_bfloat16_results_are_stored_as_the_same_numbers_in_float32(still: Still) -> None:
    value = torch.tensor([1.0, 3.140625, -2e30], dtype=torch.bfloat16)
    with pytest.raises(TypeError, match="BFloat16"):
        value.numpy()
    arrays = (ArraySpec("x", ("part",), "float32", float("nan")),)
    spec = GroupSpec("grid", "plug.one", {"part": np.arange(3)}, arrays, "i1", epochal=False)
    stored = conform({"x": value}, spec, PluginError).settled()["x"]
    assert stored.dtype == np.float32
    assert stored.tolist() == value.double().tolist()


def test_safetensors_orders_metadata_at_random_and_our_files_are_the_same(
    tmp_path: Path, still: Still
) -> None:
    tensors, metadata = {"a": torch.ones(2)}, {str(i): "x" for i in range(8)}
    still(len({save(tensors, metadata) for _ in range(20)}) > 1, "`_canonical` need not sort metadata")
    for i in range(5):
        save_tensors(tmp_path / str(i), tensors, metadata)
    assert len({digest(tmp_path / str(i)) for i in range(5)}) == 1


def test_a_stacked_pass_equals_the_passes_one_by_one(bridge: Any, tokens: Any, still: Still) -> None:
    from bridges import drawn

    states = [drawn(bridge, seed) for seed in (1, 2, 3)]
    names = [n for n, _ in bridge.original_model.named_parameters()]
    assert names, "the native model has parameters of its own"
    module = bridge.original_model
    apart, stacks = [], {}
    for state in states:
        bridge.load_state_dict(state, strict=True)
        with torch.no_grad():
            apart.append(bridge(tokens))
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if tensor.is_floating_point():
                stacks.setdefault(name, []).append(tensor.detach().clone())
    stacked = {name: torch.stack(tensors) for name, tensors in stacks.items()}

    def one(weights: Any) -> Any:
        return torch.func.functional_call(module, weights, (tokens,), tie_weights=False)

    with torch.no_grad():
        found = torch.func.vmap(one)(stacked)
    logits = found if isinstance(found, torch.Tensor) else found.logits
    still(torch.allclose(logits, torch.stack(apart), atol=1e-4), "checkpoints cannot be stacked in one pass")
