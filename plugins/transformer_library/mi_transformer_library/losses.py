"""Cross-entropy of the right answer at each position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mi_transformer_library.targets import check_logits, scored, targets

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject


def coordinates(subject: Subject, *, target: str, logits: str) -> dict[str, Any]:
    """``position``: those whose logits are scored.

    Raises:
        NotApplicableError: nothing is to be predicted, or the logits cannot hold the answers.
    """
    found = targets(subject.probe, target)
    check_logits(subject, found, logits)
    return {"position": found.positions}


def position_loss(data: CheckpointData, *, target: str, logits: str) -> dict[str, torch.Tensor]:
    """``loss`` (position,): mean cross-entropy over rows in nats; ``overall`` (): its mean over positions."""
    found = targets(data.probe, target)
    loss = cross_entropy(scored(data.site(logits), found), found.on(data.device)).mean(0)
    return {"loss": loss, "overall": loss.mean()}


def cross_entropy(logits: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """-log softmax(logits)[answer] in nats, float64 inside: logits (…, tokens), answers (…), result (…)."""
    wide = logits.double()
    right = wide.gather(-1, answers[..., None])[..., 0]
    return wide.logsumexp(-1) - right
