"""The same failure at many checkpoints, said once."""

from __future__ import annotations

from collections.abc import Iterable

from mi.engine.failure import Failure


def folded(failures: Iterable[Failure]) -> list[str]:
    """Sentences in the order in which they came first; equal ones of one analyzer are one.

    ``… at 61 checkpoints (first: epoch 0): …`` stands for failures that differ in their epoch alone.
    """
    groups: dict[tuple[str, str, str], list[tuple[int | None, str]]] = {}
    for failure in failures:
        start, found, end = failure.message.partition(f" at epoch {failure.epoch}: ")
        same = failure.analyzer and found
        key = (failure.analyzer, start, end) if same else ("", failure.message, "")
        groups.setdefault(key, []).append((failure.epoch, failure.message))
    said = []
    for (id, start, end), members in groups.items():
        epochs = {epoch for epoch, _ in members if epoch is not None}
        several = f"{start} at {len(epochs)} checkpoints (first: epoch {min(epochs, default=0)}): {end}"
        said.append(several if id and len(epochs) > 1 else members[0][1])
    return said
