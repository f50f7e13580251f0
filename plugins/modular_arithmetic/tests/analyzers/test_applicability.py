"""Every analyzer on every task, depth and normalization: it applies and is finite, or it says why not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from mi.domain.scaffold import add_family
from mi.domain.workspace import Variant, Workspace
from mi.engine.analyze import analyze
from mi.engine.summary import AnalysisSummary
from mi.training import train

FAMILY = "modular_arithmetic_transformer"
TASKS = ("add", "sub", "mul", "div", "quad")
CASES = list(product(TASKS, (1, 2), (False, True)))
SIZES = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_mlp": 12, "train_fraction": 0.5}

# Scope family spans variants: those that lack what it needs are left out of it, not it of them.
OVER_VARIANTS = {"modular_arithmetic.grok_summary", "modular_arithmetic.frequency_sets"}
NEEDS_CLASSES = {
    "modular_arithmetic.logit_spectrum",
    "modular_arithmetic.progress_measures",
    "modular_arithmetic.phase_alignment",
    "modular_arithmetic.pair_parts",
    "modular_arithmetic.class_geometry",
    "modular_arithmetic.class_positions",
}
NEEDS_PRODUCTS_OF_WEIGHTS = {
    "modular_arithmetic.attention_scores",
    "modular_arithmetic.frequency_ablation",
    "modular_arithmetic.head_ablation",
    "modular_arithmetic.phase_alignment",
    "modular_arithmetic.frequency_board",
    "modular_arithmetic.gradient_spectrum",
}
Analyzed = tuple[dict[tuple[str, int, bool], Variant], AnalysisSummary]


@pytest.fixture(scope="module")
def analyzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Analyzed]:
    root: Path = tmp_path_factory.mktemp("workspace")
    (root / "model_families").mkdir()
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # small matrices want one
    workspace = Workspace.open(root)
    add_family(workspace, FAMILY)
    family, found = workspace.family(FAMILY), {}
    for task, layers, norm in CASES:
        modulus = {"add": 6, "sub": 4}.get(task, 5)  # even and composite, or prime; n is 6, 4, 4, 4, 5
        given = {"task": task, "modulus": modulus, "n_layers": layers, "layer_norm": norm}
        variant = workspace.declare(family, {**SIZES, **given})
        train(variant, epochs=2, schedule="0:2:2")
        found[task, layers, norm] = variant
    yield found, analyze(list(found.values()))
    torch.set_num_threads(before)


@pytest.mark.parametrize(("task", "layers", "norm"), CASES)
def test_what_does_not_apply_says_so_and_all_else_is_finite(
    analyzed: Analyzed, task: str, layers: int, norm: bool
) -> None:
    variants, summary = analyzed
    variant = variants[task, layers, norm]
    one = next(one for one in summary.variants if one.variant.endswith(variant.name))
    assert one.failures == [] and one.nonfinite == {}
    refused = (NEEDS_CLASSES if task == "quad" else set()) | (
        NEEDS_PRODUCTS_OF_WEIGHTS if layers > 1 or norm else set()
    )
    listed = {use.id for use in variant.family.analyzers}
    assert set(one.skipped) == refused & listed
    for reason in one.skipped.values():
        assert "not applicable: needs a" in reason
    for id in listed - refused - OVER_VARIANTS:
        stored = xr.open_zarr(variant.folder / "artifacts.zarr", group=f"full/{id}", consolidated=False)
        declared = variant.workspace.host.analyzers(variant.family)[id]
        for name, output in declared.outputs.items():
            values = stored[name].values
            if not output.gaps and values.dtype.kind == "f":
                assert np.isfinite(values).all(), f"{id}: {name}"
            assert not np.isinf(values).any(), f"{id}: {name}"


def test_variants_without_key_frequencies_are_left_out_of_what_compares_them(analyzed: Analyzed) -> None:
    left_out = analyzed[1].families[0].left_out["modular_arithmetic.grok_summary"]
    assert {name.split("_")[1] for name in left_out} == {"quad"}


@pytest.mark.parametrize(("task", "structure"), [("mul", 1), ("div", -1), ("add", 1), ("sub", -1)])
def test_rows_of_the_store_are_in_group_order(analyzed: Analyzed, task: str, structure: int) -> None:
    """p(correct) as the store has it, against the hooked model asked pair by pair about numbers."""
    from mi.store.checkpoints import list_checkpoints, load_tensors
    from mi.store.layout import VariantPaths

    variant = analyzed[0][task, 2, True]
    code, p = variant.code, variant.parameters["modulus"]
    first = 1 if task in ("mul", "div") else 0
    model = code.build_model("cpu")
    code.load_weights(model, load_tensors(list_checkpoints(VariantPaths(variant.folder))[-1].path))
    group = "full/modular_arithmetic.accuracy_grid"
    stored = xr.open_zarr(variant.folder / "artifacts.zarr", group=group, consolidated=False).isel(epoch=-1)
    answers = {
        "add": lambda a, b: (a + b) % p,
        "sub": lambda a, b: (a - b) % p,
        "mul": lambda a, b: a * b % p,
        "div": lambda a, b: next(c for c in range(p) if c * b % p == a),
    }
    for a in stored["a"].values.tolist():
        for b in stored["b"].values.tolist():
            right = answers[task](a, b)
            with torch.inference_mode():
                logits = model(torch.tensor([[a - first, b - first, p - first]]))[0, -1]
            share = logits.softmax(-1)[right - first].item()
            assert stored["p_correct"].sel(a=a, b=b).item() == pytest.approx(share, rel=1e-4)
    residues = code.context()["residues"]
    i, j = np.indices(residues.shape)
    assert np.array_equal(residues, (i + structure * j) % len(residues))


def test_another_layer_is_an_option_and_one_that_is_not_there_a_sentence(analyzed: Analyzed) -> None:
    from mi.engine.data import Subject
    from mi.errors import NotApplicableError
    from mi.refs import resolve

    variant = analyzed[0]["add", 2, False]
    host, family = variant.workspace.host, variant.family
    for id, site in (
        ("modular_arithmetic.neuron_frequencies", "blocks.{}.mlp.hook_post@-1"),
        ("modular_arithmetic.attention_pattern", "blocks.{}.attn.hook_pattern@-1"),
    ):
        declared = host.analyzers(family)[id]
        subject = Subject(
            parameters=variant.parameters,
            dimensions=variant.code.dimensions(),
            context=variant.code.context(),
            probe=variant.workspace.build_probe(
                family, variant.workspace.probe_spec(family, "full"), variant.code
            ),
            epochs=(),
            weights={"blocks.0.W_Q": (2, 8, 4)},
        )
        assert resolve(declared.coordinates)(subject, site=site.format(1)) == {}
        with pytest.raises(
            NotApplicableError, match=r"not applicable: the site is blocks\.2.*last layer is 1"
        ):
            resolve(declared.coordinates)(subject, site=site.format(2))


def test_a_family_that_names_the_second_layers_neurons_gets_those(analyzed: Analyzed) -> None:
    from mi.store.checkpoints import list_checkpoints, load_tensors
    from mi.store.layout import VariantPaths
    from mi_fourier_library import frequency_fractions

    variant = analyzed[0]["add", 2, False]
    workspace, id = variant.workspace, "modular_arithmetic.neuron_frequencies"
    file = variant.family.folder / "family.json"
    site = "blocks.1.mlp.hook_post@-1"
    plain, other = f'{{"id": "{id}"}}', f'{{"id": "{id}", "options": {{"site": "{site}"}}}}'
    assert plain in file.read_text()
    file.write_text(file.read_text().replace(plain, other))
    again = workspace.variant(f"{FAMILY}/{variant.name}")
    assert analyze([again], analyzers=[id]).failures == []
    code = variant.code
    model, n = code.build_model("cpu"), code.group.size
    code.load_weights(model, load_tensors(list_checkpoints(VariantPaths(variant.folder))[-1].path))
    tokens = torch.tensor([[a, b, n] for a in range(n) for b in range(n)])
    stored = xr.open_zarr(variant.folder / "artifacts.zarr", group=f"full/{id}", consolidated=False)
    found = stored["fraction"].isel(epoch=-1).values
    with torch.inference_mode():
        _, cache = model.run_with_cache(tokens)
    for layer in range(2):
        post = cache[f"blocks.{layer}.mlp.hook_post"][:, -1].reshape(n, n, -1).numpy()
        expected = frequency_fractions(post).frac
        assert np.allclose(found, expected, rtol=1e-3, atol=1e-5, equal_nan=True) == (layer == 1)
