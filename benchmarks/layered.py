"""A family of transformers with any number of layers and rows, to see how analyses grow with them.

Nothing is learned: the weights begin at random and every step shrinks them, which changes no cost of a pass.
A family has one number of layers, because what an analyzer reads is declared for a family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mi.domain.analyzer import Analyzer
from mi.domain.code import FamilyCode, Training, TrainingPass, VariantCode
from mi.domain.family import Family
from mi.domain.jsonfile import write_json
from mi.domain.output import Output
from mi.domain.probe import Rows
from mi.domain.site import Site
from mi.domain.workspace import Variant, Workspace
from mi.hookspecs import hookimpl

if TYPE_CHECKING:
    import numpy as np
    import torch

    from mi.engine.data import CheckpointData

ROWS, CONTEXT, VOCABULARY, WIDTH, HEADS = 512, 16, 64, 128, 4
ALL = "blocks.0.hook_resid_post"  # 8 kB a row, at all positions


class Layered(VariantCode):
    """Random tokens; the answer is nothing in particular."""

    def axes(self) -> Mapping[str, np.ndarray]:
        import numpy as np

        return {"sequence": np.arange(self.parameters["rows"])}

    def encode(self, columns: Mapping[str, np.ndarray]) -> Rows:
        import numpy as np

        row, position = np.asarray(columns["sequence"])[:, None], np.arange(CONTEXT)
        return Rows(
            tokens=(row * 7919 + position * (row + 104729)) % VOCABULARY
        )  # each from its number alone

    def dimensions(self) -> Mapping[str, Sequence[Any]]:
        return {
            "layer": range(self.parameters["layers"]),
            "feature": range(WIDTH),
            "neuron": range(4 * WIDTH),
        }

    def build_model(self, device: str) -> Any:
        from transformer_lens.config import TransformerBridgeConfig
        from transformer_lens.model_bridge import TransformerBridge

        config = TransformerBridgeConfig(
            d_model=WIDTH,
            d_head=WIDTH // HEADS,
            n_heads=HEADS,
            n_layers=self.parameters["layers"],
            n_ctx=CONTEXT,
            d_vocab=VOCABULARY,
            d_mlp=4 * WIDTH,
            act_fn="relu",
            normalization_type=None,
            init_weights=False,
        )
        return TransformerBridge.boot_native(config, device=device).eval()

    def load_weights(self, model: Any, weights: Mapping[str, torch.Tensor]) -> None:
        model.load_state_dict(dict(weights), strict=True)

    def training(self, device: str) -> Training:
        import torch

        generator = torch.Generator().manual_seed(0)
        shapes = {name: tensor.shape for name, tensor in self.build_model("cpu").state_dict().items()}
        weights = {
            name: (0.05 * torch.randn(shape, generator=generator)).to(device).requires_grad_()
            for name, shape in shapes.items()
        }

        def step(weights: Mapping[str, torch.Tensor], step: int, generator: Any) -> TrainingPass:
            loss = sum((w.square().sum() for w in weights.values()), start=torch.zeros(()))
            return TrainingPass(loss=loss, metrics={"train_loss": loss.detach()})

        return Training(
            weights=weights,
            training_pass=step,
            evaluate=lambda weights: {},
            optimizer=lambda tensors: torch.optim.SGD(tensors, lr=1e-3),
            metrics=("train_loss",),
        )


def residual(data: CheckpointData) -> dict[str, Any]:
    """``mean`` (layer, feature), ``active`` (layer, neuron): over rows, at the last position."""
    import torch

    layers = range(data.parameters["layers"])
    stream = torch.stack([data.site(f"blocks.{i}.hook_resid_post", -1).mean(0) for i in layers])
    active = torch.stack([(data.site(f"blocks.{i}.mlp.hook_post", -1) > 0).float().mean(0) for i in layers])
    return {"mean": stream, "active": active}


def held(data: CheckpointData) -> dict[str, Any]:
    """``mean`` (feature,): of the first layer's residual stream, over rows and positions held all at once."""
    return {"mean": data.site(ALL).mean((0, 1))}


class Streamed:
    """The same, of one batch of rows after another."""

    def start(self, data: CheckpointData) -> tuple[Any, int]:
        """Nothing yet."""
        return 0.0, 0

    def update(self, state: tuple[Any, int], batch: CheckpointData) -> tuple[Any, int]:
        """A batch's sum and number of vectors."""
        found = batch.site(ALL).flatten(0, 1)
        return state[0] + found.sum(0), state[1] + len(found)

    def finish(self, state: tuple[Any, int]) -> dict[str, Any]:
        """The mean."""
        return {"mean": state[0] / state[1]}


@hookimpl
def register_family() -> FamilyCode:
    """Transformers of any depth."""
    return FamilyCode(id="layered.transformer", implementation=Layered)


@hookimpl
def analyze(family: Family) -> list[Analyzer]:
    """One analyzer that reads every layer, and two that read all positions of the first."""
    if family.code != "layered.transformer":
        return []
    layers = range(int(family.parameters["layers"].default))
    return [
        Analyzer(
            id="layered.residual",
            version=1,
            title="Residual stream and neurons of every layer",
            function=residual,
            sites=[
                Site(f"blocks.{i}.{hook}", -1)
                for i in layers
                for hook in ("hook_resid_post", "mlp.hook_post")
            ],
            outputs={"mean": Output(("layer", "feature")), "active": Output(("layer", "neuron"), units="1")},
        ),
        *(
            Analyzer(
                id=f"layered.{name}",
                version=1,
                title=f"Mean of the residual stream, {name}",
                function=function,
                streaming=name == "streamed",
                sites=[Site(ALL)],
                outputs={"mean": Output(("feature",))},
            )
            for name, function in (("held", held), ("streamed", Streamed))
        ),
    ]


def declare(workspace: Workspace, layers: int, rows: int = ROWS, analyzer: str = "residual") -> Variant:
    """The variant with this many layers and rows, of a family made for it."""
    name = f"layered_{layers}_{analyzer}"
    folder = Path(workspace.root) / "model_families" / name
    integer = {"type": "int", "minimum": 1, "maximum": 1000, "description": "Layers."}
    family = {
        "schema": 1,
        "name": name,
        "title": f"{layers} layers",
        "description": "For the benchmark of growth.",
        "code": "layered.transformer",
        "parameters": {
            "layers": {**integer, "default": layers},
            "rows": {**integer, "default": ROWS, "maximum": 10**9, "description": "Rows of the probe."},
        },
        "variant": "l{layers}",
        "probes": {"kinds": ["core.full_grid"], "default": "full"},
        "analyzers": [{"id": f"layered.{analyzer}"}],
        "visualizations": [],
        "training": {"epochs": 1, "checkpoints": "0"},
    }
    write_json(folder / "family.json", family)
    write_json(
        folder / "probes" / "full.json",
        {"schema": 1, "title": "All", "kind": "core.full_grid", "options": {}},
    )
    return workspace.declare(workspace.family(name), {"rows": rows})
