"""Interventions on networks over pairs: in the functional pass, in the hooked model, in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pair_kit import SHIPPED, grid

from mi.domain.code import VariantCode
from mi.domain.family import load_family
from mi.domain.intervention import Intervention, checked
from mi.domain.scaffold import add_family
from mi.domain.workspace import Workspace
from mi.engine.analyze import analyze
from mi.errors import ParameterError
from mi.store.artifacts import ArtifactReader
from mi.store.checkpoints import list_checkpoints, load_tensors
from mi.store.layout import VariantPaths
from mi.training import train
from mi_modular_arithmetic.family import ModularTransformer
from mi_modular_arithmetic.interventions import projector
from mi_modular_arithmetic.modular_mlp import EmbeddingMLP, OneHotMLP

ONE, TWO, MLP = "modular_addition_1layer", "modular_arithmetic_transformer", "modular_addition_mlp"
SMALL: dict[str, tuple[type[VariantCode], dict[str, Any]]] = {
    "modular_addition_1layer": (
        ModularTransformer,
        {"prime": 11, "d_model": 12, "n_heads": 3, "d_head": 4, "d_mlp": 16},
    ),
    "modular_arithmetic_transformer": (
        ModularTransformer,
        {
            "modulus": 7,
            "task": "mul",
            "n_layers": 2,
            "d_model": 12,
            "n_heads": 2,
            "d_head": 4,
            "d_mlp": 8,
        },
    ),
    "modular_addition_mlp": (OneHotMLP, {"prime": 11, "d_mlp": 16}),
    "modular_addition_embedding_mlp": (EmbeddingMLP, {"prime": 11, "d_embed": 5, "d_mlp": 16}),
}


def code_of(name: str) -> VariantCode:
    made, given = SMALL[name]
    family = load_family(SHIPPED / name / "family.json")
    return made(family.complete(given))


def under(code: VariantCode, kind: str, where: Any = (), **options: Any) -> VariantCode:
    return code.under(checked(code, [Intervention(kind=kind, where=where, options=options)]))


def weights_of(code: VariantCode) -> dict[str, torch.Tensor]:
    return {name: 2 * tensor.detach() for name, tensor in code.training("cpu").weights.items()}


def both(
    code: VariantCode, weights: dict[str, torch.Tensor], model: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of the functional pass and of the hooked model, which must be the same."""
    tokens = torch.as_tensor(grid(code).tokens)
    with torch.no_grad():
        code.load_weights(model, weights)
        found, hooked = code.forward(weights, tokens)[:, -1], model(tokens)[:, -1]
    assert torch.allclose(found, hooked, atol=1e-4 * float(hooked.abs().max()))
    return found, hooked


@pytest.mark.parametrize("name", SMALL)
def test_ablating_neurons_or_heads_equals_zeroing_their_rows(name: str) -> None:
    code = code_of(name)
    weights, model = weights_of(code), code.build_model("cpu")
    plain, _ = both(code, weights, model)
    prefix = "blocks.1." if "blocks.1.W_O" in weights else ""
    cases = [
        (
            "ablate_neurons",
            "neurons",
            [1, 3],
            f"{prefix}W_out" if "W_pos" in weights else "W_U",
            "mlp.hook_post",
        )
    ]
    if "W_pos" in weights:
        cases.append(("ablate_heads", "heads", [1], f"{prefix}W_O", "attn.hook_z"))
    for kind, option, rows, matrix, hook in cases:
        where = (f"blocks.{1 if prefix else 0}.{hook}",)
        changed = under(code, kind, where, **{option: rows})
        zeroed = {n: t.clone() for n, t in weights.items()}
        zeroed[matrix][rows] = 0
        found, _ = both(changed, weights, model)
        expected, _ = both(code, zeroed, model)
        assert torch.equal(found, expected) and not torch.equal(found, plain)
    assert torch.equal(both(code, weights, model)[0], plain)  # the model holds nothing of it any more


@pytest.mark.parametrize("name", SMALL)
def test_a_gain_scales_the_frequency_and_nothing_else(name: str) -> None:
    code = code_of(name)
    weights, model = weights_of(code), code.build_model("cpu")
    plain, _ = both(code, weights, model)
    classes, n = code.context()["classes"], code.context()["period"]
    found, _ = both(under(code, "frequency_gain", ("logits",), frequencies=[2], gain=3.0), weights, model)
    before, after = (np.fft.rfft(x.double().numpy()[:, classes], axis=1) for x in (plain, found))
    wanted = before.copy()
    wanted[:, 2] *= 3
    assert np.allclose(after, wanted, atol=1e-4 * np.abs(wanted).max())
    same, _ = both(
        under(code, "frequency_gain", ("embedding", "logits"), frequencies=[1, 2], gain=1.0), weights, model
    )
    assert torch.equal(same, plain)
    none, _ = both(
        under(code, "frequency_gain", ("embedding",), frequencies=list(range(1, n // 2 + 1)), gain=0.0),
        weights,
        model,
    )
    assert not torch.allclose(none, plain)
    # Without any frequency all operands are one, so all pairs have one answer.
    assert float((none - none[0]).abs().max()) <= 1e-4 * float(plain.abs().max())


@pytest.mark.parametrize("n", [7, 12])
def test_projectors_are_orthogonal_and_complete(n: int) -> None:
    parts = [projector(n, [k]) for k in range(1, n // 2 + 1)]
    for i, one in enumerate(parts):
        for j, other in enumerate(parts):
            assert np.allclose(one @ other, one if i == j else 0, atol=1e-12)
    assert np.allclose(sum(parts) + 1 / n, np.eye(n), atol=1e-12)
    assert np.array_equal(projector(n, [1, 2]), projector(n, [2, 1, 2]))


@pytest.mark.parametrize(
    ("name", "kind", "where", "options", "sentence"),
    [
        (ONE, "freeze", (), {}, "freeze names no weight, expected some of W_E"),
        (ONE, "freeze", ("W_e",), {}, "unknown weight 'W_e': did you mean "),
        (ONE, "ablate_heads", (), {"heads": [3]}, "heads are [3], expected some from 0 to 2"),
        (ONE, "ablate_heads", (), {}, "heads are [], expected"),
        (ONE, "ablate_neurons", ("blocks.1.mlp.hook_post",), {"neurons": [1]}, "unknown place"),
        (ONE, "frequency_gain", ("logits",), {"frequencies": [6]}, "expected some from 1 to 5"),
        (ONE, "frequency_gain", ("mlp",), {"frequencies": [1]}, "expected embedding, logits"),
        (TWO, "ablate_heads", (), {"heads": [0]}, "ablate_heads is where nothing"),
        (MLP, "ablate_heads", (), {"heads": [0]}, "unknown kind of intervention 'ablate_heads'"),
    ],
)
def test_what_the_network_does_not_have_is_refused(
    name: str, kind: str, where: tuple[str, ...], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ParameterError) as refusal:
        under(code_of(name), kind, where, **options)
    assert sentence in str(refusal.value)


def test_children_train_and_are_analyzed_as_declared(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    (tmp_path / "model_families").mkdir()
    workspace = Workspace.open(tmp_path)
    add_family(workspace, "modular_addition_mlp")
    given = {"prime": 7, "d_mlp": 24, "train_fraction": 0.6}
    parent = workspace.declare(workspace.family("modular_addition_mlp"), given)
    train(parent, epochs=12, schedule="0:12:2")
    window: dict[str, Any] = {"start": 4, "until": 8}
    once = {"frequencies": [1, 3], "gain": 1.0}
    gain = Intervention(kind="frequency_gain", where=("embedding", "logits"), options=once, **window)
    frozen = Intervention(kind="freeze", where=("W_in",), **window)
    silent = Intervention(kind="ablate_neurons", options={"neurons": list(range(24))}, **window)
    same, held, mute = (
        workspace.child(parent, slug, [one])
        for slug, one in (("same", gain), ("held", frozen), ("mute", silent))
    )
    for one in (same, held, mute):
        assert train(one).start == 4
    for a, b in zip(*(list_checkpoints(VariantPaths(v.folder)) for v in (parent, same)), strict=True):
        assert a.path.read_bytes() == b.path.read_bytes(), a.epoch
    of_held = {e: load_tensors(VariantPaths(held.folder).checkpoint(e)) for e in (4, 6, 8, 10)}
    assert torch.equal(of_held[4]["W_in"], of_held[8]["W_in"])
    assert not torch.equal(of_held[8]["W_in"], of_held[10]["W_in"])
    assert not torch.equal(of_held[4]["W_U"], of_held[6]["W_U"])
    # An analysis sees the intervention at its epochs alone: without neurons every logit is zero.
    id_ = "modular_arithmetic.accuracy_grid"
    summary = analyze([parent, mute], analyzers=[id_])
    assert not summary.failures
    ours, theirs = (
        ArtifactReader(VariantPaths(v.folder)).dataset("full", id_).load() for v in (mute, parent)
    )
    (name,) = [n for n in ours if {"a", "b"} <= set(ours[n].dims)][:1]
    assert ours[name].sel(epoch=[0, 2]).identical(theirs[name].sel(epoch=[0, 2]))
    spread = ours[name].sel(epoch=[4, 6]).values.reshape(2, -1)
    assert not np.array_equal(spread[0], theirs[name].sel(epoch=4).values.ravel())
