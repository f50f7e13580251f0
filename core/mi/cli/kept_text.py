"""What a plan does with kept activations, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mi.cli.show import size_of
from mi.plural import counted

if TYPE_CHECKING:
    from mi.engine.plan import Plan

# How sites are named in options, said in the same words everywhere.
PATTERNS = "In a pattern, * is any text without a dot, ** any text: blocks.*.mlp.hook_post, 'blocks.0.**'."


def kept_lines(plan: Plan) -> list[str]:
    """Lines of a dry run: what keeping takes, and which epochs make no pass."""
    from mi.engine.room import kept_work, room_free, room_needed

    lines = []
    needed = room_needed(plan)
    if needed:
        works = [work for work in kept_work(plan) if work.stale]
        epochs = len({e for work in works for e in work.stale})
        lines.append(
            f"  keeping: {counted(len(works), 'site')} of {counted(len(plan.bench.probe), 'row')} at "
            f"{counted(epochs, 'epoch')}, {size_of(needed)} before compression; "
            f"{size_of(room_free(plan.bench.paths.root))} free"
        )
    if plan.kept_epochs:
        lines.append(f"  read from kept activations, without a pass: epoch {some(plan.kept_epochs)}")
    if absent := tuple(plan.known.absent):
        lines.append(f"  known from kept activations alone, the checkpoint is gone: epoch {some(absent)}")
    return lines + [f"  {sentence}" for sentence in lost_sentences(plan.lost)]


def lost_sentences(lost: dict[str, tuple[int, ...]]) -> list[str]:
    """Analyzers that cannot be computed at some epochs, one sentence each."""
    return [
        f"{id}: cannot be computed at epoch {some(epochs)}: the checkpoint is gone, and what is kept of it "
        "does not suffice"
        for id, epochs in lost.items()
        if epochs
    ]


def some(epochs: Sequence[int]) -> str:
    """A few epochs, for a sentence."""
    if len(epochs) <= 8:
        return ", ".join(map(str, epochs))
    return f"{', '.join(map(str, epochs[:4]))}, … {', '.join(map(str, epochs[-2:]))}"
