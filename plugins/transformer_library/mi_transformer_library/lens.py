"""The logit lens: the residual stream decoded before the network is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from mi_transformer_library.anatomy import refuse, shapes
from mi_transformer_library.losses import cross_entropy
from mi_transformer_library.sums import Sums
from mi_transformer_library.targets import Targets, check_tokens, in_parts, targets

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject

PRE, POST = "blocks.*.hook_resid_pre", "blocks.*.hook_resid_post"
CELLS = 2**24  # logits at a time: 128 MB in float64


def coordinates(subject: Subject, *, target: str) -> dict[str, Any]:
    """``stage``: ``before 0``, …, ``final``; ``position``: those that have an answer.

    Raises:
        NotApplicableError: there is no residual stream, or nothing is to be predicted.
    """
    layers = list(shapes(subject, PRE, 2, "(position, d_model)"))
    shapes(subject, POST, 2, "(position, d_model)")
    return {
        "stage": [*(f"before {layer}" for layer in layers), "final"],
        "position": next(in_parts(subject.probe, target)).positions,
    }


@frozen(kw_only=True)
class LogitLens:
    """``loss``, ``probability`` and ``rank`` of the answer, (stage, position) each, means over rows.

    A stage is the residual stream before a layer, or after the last one, sent through the final norm and the
    unembedding as if the layers between were not there; ``final`` gives the model's own logits.

    Raises:
        NotApplicableError: the model has no ``ln_final`` or ``unembed``, or an answer is none of its tokens.
    """

    target: str

    def start(self, data: CheckpointData) -> Sums:
        """No rows yet."""
        return Sums()

    def update(self, sums: Sums, batch: CheckpointData) -> Sums:
        """What each stage makes of a batch's rows, added."""
        import torch

        found = targets(batch.probe, self.target)
        after = list(batch.sites(POST).values())[-1]
        streams = [*batch.sites(PRE).values(), after]  # (rows, position, d_model) each
        stages = [_stage(batch, found, stream) for stream in streams]
        return sums.plus({n: torch.stack([stage[n] for stage in stages]) for n in stages[0]}, len(after))

    def finish(self, sums: Sums) -> dict[str, torch.Tensor]:
        """The means."""
        return sums.means()


def _stage(data: CheckpointData, found: Targets, stream: torch.Tensor) -> dict[str, torch.Tensor]:
    """Sums over rows, float64 or whole, (P,) each."""
    module = data.model.module
    for name in ("ln_final", "unembed"):
        if not hasattr(module, name):
            raise refuse(f"the model has no {name}, expected a TransformerLens model")
    residual, answers = found.of(stream), found.on(data.device)  # (rows, P, d_model), (rows, P)
    total: dict[str, torch.Tensor] = {}
    low, size = 0, 1  # the first row tells how many tokens there are
    while low < len(residual):
        logits = module.unembed(module.ln_final(residual[low : low + size]))  # (some, P, tokens)
        if low == 0:
            check_tokens(found, logits.shape[-1])
        these = answers[low : low + size]
        loss = cross_entropy(logits, these)
        right = logits.gather(-1, these[..., None])
        parts = {"loss": loss, "probability": (-loss).exp(), "rank": (logits > right).sum(-1)}
        for name, part in parts.items():
            total[name] = total.get(name, 0) + part.sum(0)
        low, size = low + size, max(CELLS // (logits.shape[1] * logits.shape[2]), 1)
    return total
