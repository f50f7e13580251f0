"""The core's analyzer of gradients by weight tensor, against sums by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mi.engine.analyze import analyze
from mi.errors import CheckpointError
from mi.store.artifacts import ArtifactReader
from mi.store.checkpoints import WeightShapes, load_tensors, save_tensors
from mi.store.layout import VariantPaths

ID = "core.weight_gradients"
NAMES = ["embed", "inner", "outer"]


def by_hand(variant: Any, epoch: int, mask: str) -> dict[str, Any]:
    probe = variant.probe("full")[1]
    rows = np.flatnonzero(probe.masks[mask])
    stored = load_tensors(VariantPaths(variant.folder).checkpoint(epoch))
    weights = {n: t.double().requires_grad_() for n, t in stored.items()}
    logits = variant.code.forward(weights, torch.as_tensor(probe.tokens[rows]))[:, -1]
    F.cross_entropy(logits, torch.as_tensor(probe.labels[rows])).backward()
    w = {n: t.detach().numpy().ravel() for n, t in weights.items()}
    g = {n: t.grad.numpy().ravel() for n, t in weights.items() if t.grad is not None}
    norm = {n: np.sqrt((g[n] ** 2).sum()) for n in NAMES}
    size = {n: np.sqrt((w[n] ** 2).sum()) for n in NAMES}
    return {
        "gradient_norm": [norm[n] for n in NAMES],
        "weight_norm": [size[n] for n in NAMES],
        "cosine": [g[n] @ w[n] / norm[n] / size[n] for n in NAMES],
        "ratio": [norm[n] / size[n] for n in NAMES],
        "total_norm": np.sqrt(sum(n**2 for n in norm.values())),
    }


def test_norms_cosines_and_ratios_are_those_of_the_chosen_rows(make: Any) -> None:
    variant = make((0, 300), [ID], options={ID: {"rows": "train"}})
    summary = analyze([variant])
    assert summary.failures == []
    assert (summary.total.forward_passes, summary.total.own_passes) == (0, 2)
    found = ArtifactReader(VariantPaths(variant.folder)).dataset("full", ID)
    assert found["weight"].values.tolist() == NAMES
    for epoch in (0, 300):
        for name, expected in by_hand(variant, epoch, "train").items():
            np.testing.assert_allclose(found[name].sel(epoch=epoch), expected, rtol=1e-5, atol=1e-7)


def test_a_tensor_of_zeros_has_no_cosine(make: Any) -> None:
    variant = make((0,), [ID])
    path = VariantPaths(variant.folder).checkpoint(0)
    save_tensors(
        path, {n: torch.zeros_like(t) if n == "outer" else t for n, t in load_tensors(path).items()}, {}
    )
    assert analyze([variant]).failures == []
    found = ArtifactReader(VariantPaths(variant.folder)).at("full", ID, 0)
    # Without an output matrix nothing reaches the others, and the matrix itself has no direction.
    assert np.isnan(found["cosine"]).all()
    assert np.isnan(found["ratio"]).tolist() == [False, False, True]
    assert found["gradient_norm"][:2].tolist() == [0, 0]
    assert found["gradient_norm"][2] > 0


def test_a_mask_that_the_probe_lacks_is_said(make: Any) -> None:
    variant = make((0,), [ID, "tiny.norms"], options={ID: {"rows": "valid"}})
    assert analyze([variant]).variants[0].skipped == {
        ID: "not applicable: the gradient is over the mask 'valid', which the probe lacks"
    }


def test_names_of_weights_come_from_the_first_checkpoint_that_can_be_read(make: Any) -> None:
    variant = make((0, 50))
    paths = VariantPaths(variant.folder)
    extra = {**load_tensors(paths.checkpoint(50)), "step": torch.tensor(3)}
    save_tensors(paths.checkpoint(50), extra, {})
    paths.checkpoint(0).write_bytes(b"nothing of the kind")
    assert dict(WeightShapes(paths)) == {"embed": (11, 4), "inner": (4, 6), "outer": (6, 11)}
    paths.checkpoint(50).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"e00000000\.safetensors: damaged"):
        len(WeightShapes(paths))
