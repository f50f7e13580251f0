"""One epoch after the other: the weights' pass, then the step. All trainings go through here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    import torch

    from mi.domain.code import Training


@frozen(eq=False)
class Moment:
    """An epoch before its step.

    Attributes:
        epoch: optimizer steps taken.
        drawn: the generator's state before this epoch's pass, which a resumed training repeats.
        loss: of the pass, a scalar without a graph.
        metrics: name -> scalar, of the same weights.
    """

    epoch: int
    drawn: torch.Tensor
    loss: torch.Tensor
    metrics: Mapping[str, torch.Tensor]


def moments(
    training: Training,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    start: int,
    last: int,
    evaluated: Callable[[int], bool],
    at: Callable[[int], Training] | None = None,
) -> Iterator[Moment]:
    """Epochs ``start`` to ``last``; the step to the next is taken when the next is asked for.

    Args:
        training: whose weights are those of ``start``.
        optimizer, generator: in the state that belongs to them.
        start, last: the first and the last epoch given.
        evaluated: whether the evaluation sets are measured at an epoch.
        at: the training whose passes count at an epoch; ``training`` itself by default.
    """
    import torch

    for epoch in range(start, last + 1):
        drawn = generator.get_state()
        now = training if at is None else at(epoch)
        passed = now.training_pass(training.weights, epoch, generator)
        metrics = dict(passed.metrics)
        if evaluated(epoch):
            with torch.no_grad():
                metrics |= now.evaluate(training.weights)
        yield Moment(epoch, drawn, passed.loss.detach(), metrics)
        if epoch == last:
            return
        optimizer.zero_grad()
        passed.loss.backward()  # type: ignore[no-untyped-call]
        for name in now.frozen:
            training.weights[name].grad = None  # the optimizer leaves it, and its state, as they are
        optimizer.step()
