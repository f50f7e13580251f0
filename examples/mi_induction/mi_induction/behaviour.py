"""What the model does with repeats: losses along them, where heads look, and what happens without a head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mi_induction.probes import TOLD, match_depth, targets_of

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject

LOGITS = "unembed.hook_out"


def depths(subject: Subject) -> dict[str, range]:
    """`depth`: 0 to the deepest match in the probe."""
    return {"depth": range(max(int(match_depth(subject.probe).max()), TOLD) + 1)}


def loss_by_depth(data: CheckpointData) -> dict[str, torch.Tensor]:
    """`loss` (depth,) in nats, missing where the probe has no such target; `in_context_score` ().

    The score follows Olsson et al. 2022 (loss late in the context minus loss early in it), within the repeat:
    mean over targets in the deeper half of depths, minus the mean where the repeat begins (depth 1).
    """
    import torch

    losses = _losses(data.site(LOGITS), data)  # (rows, n)
    depth = match_depth(data.probe)
    deepest = max(int(depth.max()), TOLD)
    at = torch.as_tensor(depth, device=data.device)
    # Targets without a depth are summed apart, so that nothing has to be chosen by its value.
    apart = at.where(at >= 0, deepest + 1).flatten()
    total = losses.new_zeros(deepest + 2).index_add(0, apart, losses.flatten())
    count = torch.as_tensor(np.bincount(depth[depth >= 0], minlength=deepest + 1), device=data.device)
    loss = total[:-1] / count  # 0 / 0 where there is none: missing
    late = _mean(losses, at > (deepest + 1) / 2)
    return {"loss": loss, "in_context_score": late - loss[1]}


def duplicate_token_score(data: CheckpointData) -> dict[str, torch.Tensor]:
    """`score` (layer, head): attention to earlier places of the query's token, mean over repeated ones."""
    import torch

    tokens = torch.as_tensor(data.probe.tokens, device=data.device)
    same = (tokens[:, :, None] == tokens[:, None, :]).tril(-1)  # (rows, query, key)
    queries = same.any(-1)  # (rows, query)
    scores = []
    for layer in range(2):
        pattern = data.site(f"blocks.{layer}.attn.hook_pattern")  # (rows, head, query, key)
        looked = (pattern * same[:, None]).sum(-1)  # (rows, head, query); zero where nothing is repeated
        scores.append(looked.sum((0, 2)) / queries.sum())
    return {"score": torch.stack(scores)}


def head_ablation(data: CheckpointData) -> dict[str, torch.Tensor]:
    """`increase` (layer, head) in nats: one pass a head, over the probe's rows.

    The head's z is replaced by its mean over all rows at the same position, so that the network keeps what
    the head writes whatever it reads (mean ablation).
    """
    import torch

    told = torch.as_tensor(match_depth(data.probe) >= TOLD, device=data.device)
    before = _mean(_losses(data.site(LOGITS), data), told)
    increase = []
    for layer in range(2):
        hook = f"blocks.{layer}.attn.hook_z"
        mean = data.site(hook).mean(0)  # (n, head, k)
        for head in range(mean.shape[1]):

            def without(z: torch.Tensor, rows: slice, mean: Any = mean, head: int = head) -> torch.Tensor:
                kept = z.clone()
                kept[:, :, head] = mean[:, head]
                return kept

            logits = data.model.run(data.probe.tokens, sites=(LOGITS,), edits={hook: without})[LOGITS]
            increase.append(_mean(_losses(logits, data), told) - before)
    return {"increase": torch.stack(increase).view(2, -1)}


def _mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over a mask of the same shape; what is outside does not count, not even NaN."""
    return values.where(mask, 0).sum() / mask.sum()


def _losses(logits: torch.Tensor, data: CheckpointData) -> torch.Tensor:
    """Cross-entropy of every target, (rows, n); zero where a row has none."""
    import torch
    import torch.nn.functional as F

    targets = torch.as_tensor(targets_of(data.probe), device=data.device)
    return F.cross_entropy(logits.transpose(1, 2), targets, reduction="none", ignore_index=-1)
