"""Cross-entropy of the right answer at each position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from mi_transformer_library.sums import Sums
from mi_transformer_library.targets import check_logits, in_parts, scored, targets

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject


def coordinates(subject: Subject, *, target: str, logits: str) -> dict[str, Any]:
    """``position``: those whose logits are scored.

    Raises:
        NotApplicableError: nothing is to be predicted, or the logits cannot hold the answers.
    """
    for found in in_parts(subject.probe, target):
        check_logits(subject, found, logits)
    return {"position": found.positions}


@frozen(kw_only=True)
class PositionLoss:
    """``loss`` (position,): mean cross-entropy over rows in nats; ``overall`` (): its mean over positions."""

    target: str
    logits: str

    def start(self, data: CheckpointData) -> Sums:
        """No rows yet."""
        return Sums()

    def update(self, sums: Sums, batch: CheckpointData) -> Sums:
        """The losses of a batch's rows added."""
        found = targets(batch.probe, self.target)
        loss = cross_entropy(scored(batch.site(self.logits), found), found.on(batch.device))  # (rows, P)
        return sums.plus({"loss": loss.sum(0)}, len(loss))

    def finish(self, sums: Sums) -> dict[str, torch.Tensor]:
        """The means."""
        loss = sums.means()["loss"]
        return {"loss": loss, "overall": loss.mean()}


def cross_entropy(logits: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """-log softmax(logits)[answer] in nats, float64 inside: logits (…, tokens), answers (…), result (…)."""
    wide = logits.double()
    right = wide.gather(-1, answers[..., None])[..., 0]
    return wide.logsumexp(-1) - right
