"""What the right answer is, and where: the next token at every position, or a row's label at the last one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from mi.domain.site import Site
from mi_transformer_library.anatomy import refuse

if TYPE_CHECKING:
    import torch

    from mi.domain.probe import Probe
    from mi.engine.data import Subject


@frozen(eq=False)
class Targets:
    """Right answers of a probe.

    Attributes:
        positions: whose logits are to give them, (P,); position i predicts token i + 1.
        tokens: the answers, int64, (rows, P).
    """

    positions: np.ndarray
    tokens: np.ndarray

    def on(self, device: str | torch.device) -> torch.Tensor:
        """``tokens`` as a tensor."""
        import torch

        return torch.as_tensor(self.tokens, device=device)

    def of(self, values: torch.Tensor) -> torch.Tensor:
        """The scored positions of activations or logits (rows, position, …): (rows, P, …)."""
        import torch

        return values[:, torch.as_tensor(self.positions, device=values.device)]


def targets(probe: Probe, target: str) -> Targets:
    """The right answers of a probe.

    Args:
        probe: the probe.
        target: ``next_token``, ``label``, or ``auto``: the label where the probe has labels.

    Raises:
        NotApplicableError: rows have no label, or no next token.
    """
    n = probe.n_ctx
    if target == "label" or (target == "auto" and probe.labelled):
        if probe.labels is None:
            raise refuse("target is 'label', but the probe has no labels")
        return Targets(np.array([n - 1]), np.asarray(probe.labels)[:, None])
    if n < 2:
        raise refuse("rows have one token and no label, so nothing is to be predicted")
    return Targets(np.arange(n - 1), probe.tokens[:, 1:])


def in_parts(probe: Probe, target: str) -> Iterator[Targets]:
    """The right answers of a probe that may be larger than memory, a part of its rows at a time.

    Raises:
        NotApplicableError: as :func:`targets`.
    """
    for _, part in probe.batches(probe.rows_at_once):
        yield targets(part, target)


def check_logits(subject: Subject, found: Targets, logits: str) -> None:
    """Refuse logits that cannot hold the answers: no such site, another form, too few tokens.

    Raises:
        NotApplicableError: says which.
    """
    site = Site.parse(logits)
    if site.glob or site.position is not None:
        raise refuse(f"logits is {logits!r}, expected one hook, all positions")
    if site.hook not in subject.hooks:
        raise refuse(f"the model has no hook {site.hook!r}; name that of its logits in the option `logits`")
    shape, n = subject.hooks[site.hook], subject.probe.n_ctx
    if len(shape) == 1:
        shape = (1, *shape)
    if len(shape) != 2 or shape[0] not in (1, n):
        raise refuse(f"{site.hook} holds {shape} a row, expected ({n}, tokens)")
    if shape[0] == 1 and len(found.positions) > 1:
        raise refuse(f"{site.hook} holds logits of one position, but every position has a next token")
    check_tokens(found, shape[1])


def check_tokens(found: Targets, count: int) -> None:
    """Refuse answers that are no token of the model's output.

    Raises:
        NotApplicableError: one is not.
    """
    low, high = int(found.tokens.min()), int(found.tokens.max())
    if low < 0 or high >= count:
        raise refuse(
            f"the answers are tokens {low} to {high}, but the model writes tokens 0 to {count - 1}; "
            "choose another `target`"
        )


def scored(logits: torch.Tensor, found: Targets) -> torch.Tensor:
    """The logits that give the answers, (rows, P, tokens), from all positions' or the only one's."""
    if logits.ndim == 2:
        return logits[:, None]
    return logits if logits.shape[1] == 1 else found.of(logits)
