"""A family of transformers whose weights are given by hand, and the real engine run on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mi import FamilyCode, Option, Probe, ProbeKind, Rows, VariantCode, hookimpl
from mi.engine.analyze import analyze
from mi.engine.summary import AnalysisSummary
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

LIBRARY = "transformer_library"
SHAPE = {
    "layers": 2, "heads": 2, "d_head": 4, "d_model": 12, "d_mlp": 0,
    "vocabulary": 9, "writes": 9, "context": 7, "norm": "none",
}  # fmt: skip


class Handmade(VariantCode):
    """A native TransformerBridge; checkpoints hold its state dict."""

    def axes(self) -> Mapping[str, np.ndarray]:
        return {}

    def encode(self, columns: Mapping[str, np.ndarray]) -> Rows:
        raise NotImplementedError

    def dimensions(self) -> Mapping[str, Sequence[Any]]:
        return {}

    def build_model(self, device: str) -> Any:
        return bridge(self.parameters, device)

    def load_weights(self, model: Any, weights: Mapping[str, torch.Tensor]) -> None:
        model.load_state_dict(dict(weights), strict=True)


def bridge(shape: Mapping[str, Any], device: str = "cpu") -> Any:
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    config = TransformerBridgeConfig(
        d_model=shape["d_model"],
        d_head=shape["d_head"],
        n_heads=shape["heads"],
        n_layers=shape["layers"],
        n_ctx=shape["context"],
        d_vocab=shape["vocabulary"],
        d_vocab_out=shape["writes"],
        d_mlp=shape["d_mlp"] or 4,
        attn_only=shape["d_mlp"] == 0,
        act_fn="relu",
        normalization_type=None if shape["norm"] == "none" else shape["norm"].upper(),
        init_weights=False,
    )
    with torch.random.fork_rng(devices=[]):
        return TransformerBridge.boot_native(config, device=device).eval()


def rows_of(code: VariantCode, options: Mapping[str, Any], folder: Path) -> Probe:
    given = json.loads(options["rows"])
    labels = None if given["labels"] is None else np.array(given["labels"])
    return Probe(tokens=np.array(given["tokens"]), labels=labels)


class Plugin:
    """The family's plugin, handed to the host as an object."""

    @hookimpl
    def register_family(self) -> FamilyCode:
        return FamilyCode(id="handmade.bridge", implementation=Handmade, title="Hand-made transformer")

    @hookimpl
    def provide_probe(self, family: object) -> list[ProbeKind]:
        options = {"rows": Option(type="str", default="")}
        return [ProbeKind(id="handmade.rows", title="Given rows", build=rows_of, options=options)]


def place(
    root: Path,
    shape: Mapping[str, Any],
    checkpoints: Sequence[Mapping[str, torch.Tensor]],
    tokens: np.ndarray,
    labels: np.ndarray | None = None,
    uses: Mapping[str, Mapping[str, Any]] | None = None,
) -> Any:
    """A variant in a workspace of its own: checkpoint i at epoch i, one probe.

    Args:
        root: an empty folder.
        shape: of the model, over ``SHAPE``.
        checkpoints: state dicts.
        tokens, labels: of the probe.
        uses: short name of an analyzer of the library -> options.
    """
    from mi.domain.workspace import Workspace
    from mi.store.checkpoints import save_tensors
    from mi.testing import isolated_host

    parameters = {**SHAPE, **shape}
    folder = root / "model_families" / "handmade"
    (folder / "probes").mkdir(parents=True)
    given = {"tokens": tokens.tolist(), "labels": None if labels is None else labels.tolist()}
    probe = {"schema": 1, "kind": "handmade.rows", "options": {"rows": json.dumps(given)}}
    (folder / "probes" / "given.json").write_text(json.dumps(probe))
    declared = {
        "schema": 1,
        "name": "handmade",
        "code": "handmade.bridge",
        "variant": "layers{layers}",
        "parameters": {
            name: {"type": "str" if isinstance(value, str) else "int", "default": value}
            for name, value in parameters.items()
        },
        "probes": {"kinds": ["handmade.rows"], "default": "given"},
        "analyzers": [{"id": f"{LIBRARY}.{name}", "options": dict(o)} for name, o in (uses or {}).items()],
    }
    (folder / "family.json").write_text(json.dumps(declared))
    host = isolated_host(root / ".home", LIBRARY, given={"handmade": Plugin()})
    workspace = Workspace(root, host)
    variant = workspace.declare(workspace.family("handmade"), {})
    variant.save_config()
    paths = VariantPaths(variant.folder)
    for epoch, state in enumerate(checkpoints):
        save_tensors(paths.checkpoint(epoch), {n: t.contiguous() for n, t in state.items()}, {})
    return variant


def run(
    root: Path,
    name: str,
    shape: Mapping[str, Any],
    state: Mapping[str, torch.Tensor],
    tokens: np.ndarray,
    labels: np.ndarray | None = None,
    **options: Any,
) -> dict[str, np.ndarray]:
    """What the real engine stores of one analyzer at one checkpoint."""
    variant = place(root, shape, [state], tokens, labels, {name: options})
    summary = analyze([variant], analyzers=[f"{LIBRARY}.{name}"])
    assert summary.failures == []
    return dict(ArtifactReader(VariantPaths(variant.folder)).at("given", f"{LIBRARY}.{name}", 0))


def skipped(variant: Any) -> tuple[AnalysisSummary, dict[str, str]]:
    """A summary of the family's own analyzers, and why some of them were skipped."""
    summary = analyze([variant])
    return summary, {id.split(".")[1]: why for id, why in summary.variants[0].skipped.items()}


def drawn(shape: Mapping[str, Any], seed: int = 0, scale: float = 0.6) -> dict[str, torch.Tensor]:
    """Every weight and bias drawn at random, gains about 1: nothing is zero by accident."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, tensor in bridge({**SHAPE, **shape}).state_dict().items():
        noise = scale * torch.randn(tensor.shape, generator=generator)
        state[name] = noise + ("ln" in name and name.endswith("weight"))
    return state


def zeros(shape: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """A network that does nothing, to be filled by hand."""
    return {name: torch.zeros_like(t) for name, t in bridge({**SHAPE, **shape}).state_dict().items()}


def set_head(state: dict[str, torch.Tensor], layer: int, head: int, **matrices: torch.Tensor) -> None:
    """Fill W_Q, W_K, W_V (d_model, d_head) of a head, as q, k, v, or W_O (d_head, d_model), as o."""
    for letter, matrix in matrices.items():
        name = f"blocks.{layer}.attn.{letter}.weight"
        if letter == "o":
            k = matrix.shape[0]
            state[name][:, head * k : (head + 1) * k] = matrix.T
        else:
            k = matrix.shape[1]
            state[name][head * k : (head + 1) * k] = matrix.T
