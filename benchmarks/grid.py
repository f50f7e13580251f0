"""Many seeds of one variant: one after the other, a process a core, or stacked into one batch of matrices.

    python benchmarks/grid.py [--prime 11] [--seeds 3] [--epochs 30] [--rounds 1] [--full]

All train the same variants for as long. "One after the other" is `mi train` in one process, with one thread
and with torch's default number; "a process a core" is `mi train --grid`, its processes' start included. Both
store checkpoints, states and losses. "Stacked" is the bare loop: ``torch.func.vmap`` over the family's
functional pass with the seeds' weights stacked, one optimizer over all, the same losses measured, nothing
stored. What comes out of each is compared with the first to the bit.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import FAMILY, PLUGINS, Took, alternate, begin, place, publish, span, table, verdict

if TYPE_CHECKING:
    from mi.domain.workspace import Variant

FULL = {"prime": 59, "seeds": 10, "epochs": 500, "rounds": 3}
TARGET = 0.6
ALONE, THREADS = "one after the other, one thread", "one after the other, torch's threads"
GRID, STACK = "`mi train --grid`, a process a core", "stacked (`torch.func.vmap`), one thread"
STACK_THREADS = "stacked, torch's threads"


class Seeds:
    """The variants, and each way to train them; every way begins anew."""

    def __init__(self, root: Path, prime: int, seeds: int, epochs: int) -> None:
        import torch

        from mi.domain.scaffold import add_family, create_workspace
        from mi.domain.workspace import Workspace
        from mi.testing.workspace import isolated_host

        create_workspace(root)
        workspace = Workspace(root, isolated_host(root / ".home", *PLUGINS, root=root))
        add_family(workspace, FAMILY)
        family = workspace.family(FAMILY)
        given = [{"prime": prime, "train_fraction": 0.5, "seed": seed} for seed in range(seeds)]
        self.variants: list[Variant] = [workspace.declare(family, one) for one in given]
        self.length = {"epochs": epochs, "schedule": f"0:{epochs}:{max(epochs // 5, 1)}"}
        self.epochs, self.default = epochs, torch.get_num_threads()
        self.found: dict[str, list[dict[str, Any]]] = {}

    def alone(self, way: str, threads: int) -> None:
        import torch

        from mi.training import train

        self._forget()
        torch.set_num_threads(threads)
        for variant in self.variants:
            train(variant, **self.length)  # type: ignore[arg-type]
        torch.set_num_threads(self.default)
        self.found[way] = self._last()

    def grid(self) -> None:
        from mi.training import train_many

        self._forget()
        summary = train_many(self.variants, **self.length)  # type: ignore[arg-type]
        assert not summary.failed, summary.outcomes
        self.found[GRID] = self._last()

    def stacked(self, way: str, threads: int) -> None:
        import torch
        import torch.nn.functional as F
        from torch.func import vmap

        from mi.numerics import exactly

        torch.set_num_threads(threads)
        codes = [variant.code for variant in self.variants]
        tasks = [code.training("cpu") for code in codes]
        weights = {
            name: torch.stack([task.weights[name].detach() for task in tasks]).requires_grad_()
            for name in tasks[0].weights
        }
        optimizer = tasks[0].optimizer(list(weights.values()))
        sets = _sets(codes[0])

        def loss(one: Any, name: str) -> Any:
            tokens, labels = sets[name]
            return F.cross_entropy(codes[0].forward(one, tokens)[:, -1].double(), labels)

        over = {name: vmap(lambda one, name=name: loss(one, name)) for name in sets}
        with exactly():
            for epoch in range(self.epochs + 1):
                losses = over["train"](weights)
                with torch.no_grad():
                    over["test"](weights)
                if epoch == self.epochs:
                    break
                optimizer.zero_grad()
                losses.sum().backward()
                optimizer.step()
        torch.set_num_threads(self.default)
        self.found[way] = [
            {name: stack[i].detach().clone() for name, stack in weights.items()} for i in range(len(tasks))
        ]

    def same(self, way: str) -> bool:
        """Whether every variant came out as when trained alone with one thread."""
        import torch

        pairs = zip(self.found[ALONE], self.found[way], strict=True)
        return all(torch.equal(one[name], other[name]) for one, other in pairs for name in one)

    def _forget(self) -> None:
        for variant in self.variants:
            shutil.rmtree(variant.folder, ignore_errors=True)

    def _last(self) -> list[dict[str, Any]]:
        from mi.store.checkpoints import load_tensors
        from mi.store.layout import VariantPaths

        return [load_tensors(VariantPaths(one.folder).checkpoint(self.epochs)) for one in self.variants]


def _sets(code: Any) -> dict[str, tuple[Any, Any]]:
    """Tokens and labels of the training and test pairs, in the training's order."""
    import numpy as np
    import torch

    a, b = (grid.ravel() for grid in np.meshgrid(*code.axes().values(), indexing="ij"))
    rows = code.encode({"a": a, "b": b})
    tokens, labels = torch.as_tensor(rows.tokens), torch.as_tensor(rows.labels)
    return {name: (tokens[mask], labels[mask]) for name, mask in rows.masks.items()}


def main(argv: Sequence[str] | None = None) -> None:
    given = begin(__doc__, FULL, argv, prime=11, seeds=3, epochs=30, rounds=1)
    with place() as folder:
        seeds = Seeds(folder / "workspace", given.prime, given.seeds, given.epochs)
        ways: dict[str, Callable[[], None]] = {ALONE: lambda: seeds.alone(ALONE, 1)}
        if seeds.default > 1:
            ways[THREADS] = lambda: seeds.alone(THREADS, seeds.default)
        ways |= {GRID: seeds.grid, STACK: lambda: seeds.stacked(STACK, 1)}
        if seeds.default > 1:
            ways[STACK_THREADS] = lambda: seeds.stacked(STACK_THREADS, seeds.default)
        took = alternate(ways, given.rounds)
        publish(given, "grid", section(given, took, {way: seeds.same(way) for way in ways}))


def section(given: Any, took: dict[str, Took], same: dict[str, bool]) -> str:
    base = took[ALONE]
    rows = [
        [
            way,
            span(one.clock),
            f"{one.clock / base.clock:.2f}",
            span(one.processors),
            f"{one.processors / base.processors:.2f}",
            "yes" if same[way] else "no",
        ]
        for way, one in took.items()
    ]
    best = min((way for way in took if way in (ALONE, THREADS)), key=lambda way: took[way].clock)
    ratio = took[GRID].clock / took[best].clock
    head = ["way", "seconds", "× first", "processor seconds", "× first", "same bits"]
    return f"""## Many seeds at once

{FAMILY}, p = {given.prime}, {given.seeds} seeds, {given.epochs} epochs each, {given.device}; medians of \
{given.rounds} alternating rounds. {given.machine}

{table(head, rows)}

- Target: `--grid` takes at most {TARGET} × of one after the other, whichever of the two is quicker. Found: \
{ratio:.2f} ×, {verdict(ratio <= TARGET)}. The start of its processes (a few seconds each, once) is in it.
- `--grid` takes processes because a stack changes bits, needs equal shapes, and fails as a whole."""


if __name__ == "__main__":
    main()
