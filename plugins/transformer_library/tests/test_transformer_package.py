"""The distribution: light to list, described, and bound by a family that has never heard of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mi.engine.analyze import analyze
from mi.store.artifacts import ArtifactReader
from mi.store.checkpoints import list_checkpoints, load_tensors
from mi.store.layout import VariantPaths
from mi_transformer_library.plugin import ANALYZERS, VISUALIZATIONS

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
FAMILY = "modular_addition_1layer"
TINY = {"prime": 5, "d_model": 8, "n_heads": 2, "d_head": 4, "d_mlp": 12}


def test_listing_it_costs_no_heavy_import() -> None:
    heavy = ("torch", "numpy", "bokeh", "xarray", "zarr", "transformer_lens")
    code = (
        "import mi_transformer_library.plugin as p, sys; p.analyze(None), p.visualize(None); "
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_everything_is_in_the_readme() -> None:
    text = README.replace("…_score_history", " ".join(f"`{s}_score_history`" for s in SCORES))
    names = [one.id.split(".")[1] for one in (*ANALYZERS, *VISUALIZATIONS)]
    assert [name for name in names if f"`{name}`" not in text] == []


SCORES = ("previous_token", "prefix_matching", "copying")


def test_the_readmes_json_names_what_there_is() -> None:
    (text,) = re.findall(r"```json\n(.*?)```", README, flags=re.DOTALL)
    declared = json.loads(f"{{{text}}}")
    for kind, known in (("analyzers", ANALYZERS), ("visualizations", VISUALIZATIONS)):
        options = {one.id: one.options for one in known}
        for use in declared[kind]:
            assert use.get("options", {}).keys() <= options[use["id"]].keys()


@pytest.fixture
def mi_plugins() -> tuple[str, ...]:
    return ("transformer_library", "modular_arithmetic", "fourier_library", "geometry_library")


def test_modular_addition_can_be_read(mi_variant: Callable[..., Any]) -> None:
    """A family that has never heard of the library: its attention, lens and attribution, checked by hand."""
    variant = mi_variant(FAMILY, TINY, epochs=4, schedule="0::2")
    ids = ["attention_pattern", "logit_lens", "direct_logit_attribution", "position_loss"]
    summary = analyze([variant], analyzers=[f"transformer_library.{id}" for id in ids])
    assert summary.failures == []
    assert (summary.total.forward_passes, summary.total.own_passes) == (3, 0)

    reader = ArtifactReader(VariantPaths(variant.folder))
    name, probe = variant.probe()
    pattern, lens, owed, loss = (reader.at(name, f"transformer_library.{id}", 4) for id in ids)
    w = load_tensors(list_checkpoints(VariantPaths(variant.folder))[-1].path)
    w = {key: np.asarray(t, dtype=np.float64) for key, t in w.items()}
    x = w["W_E"][probe.tokens] + w["W_pos"]  # (25, 3, 8)
    q, k, v = (np.einsum("rpd,hdk->rhpk", x, w[f"W_{c}"]) for c in "QKV")
    scores = np.einsum("rhqk,rhpk->rhqp", q, k) / 2 + np.where(np.tri(3, dtype=bool), 0, -np.inf)
    attention = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    np.testing.assert_allclose(pattern["pattern"][0], attention.mean(0), atol=1e-5)

    written = np.einsum("rhqp,rhpk,hkd->rhqd", attention, v, w["W_O"])[:, :, -1]  # (25, head, 8)
    middle = x[:, -1] + written.sum(1)
    mlp = np.maximum(middle @ w["W_in"], 0) @ w["W_out"]
    logits = (middle + mlp) @ w["W_U"]
    rows = np.arange(25)

    def owes(part: np.ndarray) -> float:
        direct = part @ w["W_U"]
        return float((direct[rows, probe.labels] - direct.mean(-1)).mean())

    parts = [w["W_E"][probe.tokens[:, -1]], np.broadcast_to(w["W_pos"][-1], (25, 8))]
    parts += [written[:, 0], written[:, 1], mlp]
    np.testing.assert_allclose(owed["contribution"], [*map(owes, parts), 0], atol=1e-5)
    np.testing.assert_allclose(owed["total"], owes(middle + mlp), atol=1e-5)

    def cross_entropy(values: np.ndarray) -> float:
        return float((np.log(np.exp(values).sum(-1)) - values[rows, probe.labels]).mean())

    np.testing.assert_allclose(
        lens["loss"][:, 0], [cross_entropy(x[:, -1] @ w["W_U"]), cross_entropy(logits)], rtol=1e-4
    )
    np.testing.assert_allclose(loss["overall"], cross_entropy(logits), rtol=1e-4)


def test_what_fits_no_modular_addition_says_so(
    mi_variant: Callable[..., Any], mi_cli: Callable[..., Any]
) -> None:
    variant = mi_variant(FAMILY, TINY, epochs=2, schedule="0::2")
    ran = mi_cli("analyze", variant.name, "--analyzers", "transformer_library.prefix_matching_score")
    assert ran.code == 2
    assert "not applicable" in ran.err
    ran = mi_cli("analyze", variant.name, "--analyzers", "transformer_library.copying_score")
    assert ran.code == 2
    assert "not applicable: the model reads 6 tokens and writes 5" in ran.err


def test_a_model_without_attention_says_so(mi_tiny: Any, mi_cli: Callable[..., Any]) -> None:
    """The kit's tiny family is no transformer."""
    for name in (a.id for a in ANALYZERS):
        ran = mi_cli("analyze", mi_tiny.name, "--analyzers", name)
        assert ran.code == 2, name
        assert re.search(r"no hook of the model matches|has no hook|not applicable", ran.err), ran.err
