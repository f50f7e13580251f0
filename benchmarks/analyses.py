"""What each analysis takes a checkpoint against what it declares: floating-point operations and seconds.

    python benchmarks/analyses.py [--prime 17] [--rounds 2] [--threads N] [--full]

Every analyzer's function is called on the activations of one pass, its derived quantities computed before, by
itself. What it takes on the processors is compared with the time that a product of two square matrices needs
for the declared number of operations, measured in the same rounds: a large ratio is time that goes into
memory, exponentials and many small calls, or a declaration that forgets something.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import (
    FAMILY,
    Took,
    begin,
    make_variant,
    median,
    place,
    publish,
    span,
    table,
    tell,
    timed,
    verdict,
)

FULL = {"prime": 113, "rounds": 5}
LIGHT, TOGETHER, ABLATION = 0.150, 1.0, 15.0  # seconds a checkpoint
SLOW = ("ablation", "sharpness")  # parts of the names of analyzers that have targets of their own
SIZE = 1024  # of the square matrices


class Cases:
    """Every checkpoint analyzer of the family, called again and again at the one checkpoint."""

    def __init__(self, variant: Any, device: str) -> None:
        import plain

        self.bench = plain.bench_of(variant, device=device)
        self.loop = plain.Loop(self.bench, device)
        self.at = self.loop.order[0]
        self.captured = self.loop.capture(self.at, self.loop.moments)
        self.done: dict[str, Any] = {}
        self.memo: dict[str, Any] = {}
        for item in self.loop.moments:  # derived quantities and imports are nobody's
            self.done[item.id] = self.call(item)

    def light(self) -> None:
        """All but the slow ones, with what they share, one after another."""
        self.memo = {}
        for item in self.loop.moments:
            if not any(name in item.id for name in SLOW):
                self.call(item)

    def call(self, item: Any) -> Any:
        return self.loop.call(item, self.at, self.captured, self.done, self.done, self.memo)


def main(argv: Sequence[str] | None = None) -> None:
    import torch

    given = begin(__doc__, FULL, argv, prime=17)
    with place() as folder:
        variant = make_variant(Path(folder) / "workspace", 1, prime=given.prime)
        cases = Cases(variant, given.device)
        left, right = (torch.randn(SIZE, SIZE, device=given.device) for _ in range(2))
        product: list[Took] = []
        together: list[Took] = []
        found: dict[str, list[Took]] = {item.id: [] for item in cases.loop.moments}
        for number in range(given.rounds):
            product.append(timed(lambda: torch.mm(left, right)))
            for item in cases.loop.moments:
                found[item.id].append(timed(lambda item=item: cases.call(item)))
            together.append(timed(cases.light))
            tell(f"round {number + 1} of {given.rounds}")
        rate = 2 * SIZE**3 / statistics.median(t.processors for t in product)
        publish(
            given,
            "analyses",
            report(given, cases, {k: median(v) for k, v in found.items()}, median(together), rate),
        )


def report(given: Any, cases: Cases, took: dict[str, Took], together: Took, rate: float) -> str:
    from mi.domain.sizes import said_operations
    from mi.engine.cost import declared_cost

    rows, silent = [], []
    for id, one in sorted(took.items(), key=lambda pair: -pair[1].processors):
        cost = declared_cost(cases.bench, cases.bench.items[id])
        if cost is None:
            silent.append(id)
        ratio = "" if not cost else f"{one.processors / (cost / rate):.1f}"
        said = "" if cost is None else said_operations(cost)
        rows.append([id, said, span(one.clock), span(one.processors), ratio])
    light = {id: t for id, t in took.items() if not any(name in id for name in SLOW)}
    ablation = sum(t.processors for id, t in took.items() if "ablation" in id)
    worst = max(light, key=lambda id: light[id].processors)
    head = ["analyzer", "declared", "seconds", "on the processors", "× a matrix product's time"]
    return f"""## Each analysis against what it declares

{FAMILY}, p = {given.prime}, {given.device}; medians of {given.rounds} rounds; without the pass and derived
quantities. A product of two {SIZE} × {SIZE} matrices made {said_operations(rate)} a second on the processors.
{given.machine}

{table(head, rows)}

- None but sharpness and ablation takes longer than {span(LIGHT)} a checkpoint: the slowest, {worst}, takes
  {span(light[worst].processors)}: {verdict(light[worst].processors <= LIGHT)}.
- All of them but sharpness and ablation together, with what they share: target {span(TOGETHER)}, found
  {span(together.processors)}: {verdict(together.processors <= TOGETHER)}.
- Ablation at five places and of every head: target {span(ABLATION)}, found {span(ablation)}:
  {verdict(ablation <= ABLATION)}.
- Analyzers that declare no cost: {", ".join(silent) or "none"}."""


if __name__ == "__main__":
    main()
