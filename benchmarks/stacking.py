"""Several checkpoints in one pass, when the probe is tiny, and what of the whole that would save.

    python benchmarks/stacking.py [--prime 17] [--checkpoints 8] [--stacked 16] [--rounds 2] [--full]

The loop swaps each checkpoint's weights into one resident model and makes a pass, as the engine does. The
stack makes one ``torch.func.vmap`` over a functional call of the same hooked model, with the weights and
buffers of its checkpoints stacked; both give the same tensors, which is checked. Beside them stands the whole
`mi analyze` of the same checkpoints over the same rows with twelve light analyzers: what stacking could save
is what it saves of the passes in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common import FAMILY, Took, alternate, begin, make_variant, place, publish, span, table

FULL = {"prime": 59, "checkpoints": 64, "rounds": 5}
ROWS = (8, 16, 64, 256, 2048)
LOOP, STACK, WHOLE = "passes in a loop", "passes stacked", "`mi analyze`"


class Case:
    """A probe of so many rows, over the variant's checkpoints.

    Attributes:
        apart: the largest difference between loop and stack, as a share of the largest value.
        exact: whether they are the same to the bit.
    """

    def __init__(self, variant: Any, rows: int, stacked: int, device: str) -> None:
        import light

        from mi.domain.probe import ProbeSpec
        from mi.domain.site import Site
        from mi.engine.capture import build
        from mi.engine.readahead import read_weights
        from mi.engine.trial import try_out
        from mi.store.checkpoints import list_checkpoints
        from mi.store.layout import VariantPaths

        self.variant, self.rows, self.stacked, self.device = variant, rows, stacked, device
        spec = ProbeSpec(name=f"some-{rows}", kind="core.sample", options={"rows": rows, "seed": 0})
        variant.workspace.save_probe(variant.family, spec)
        self.probe, probe = variant.probe(spec.name)
        self.tokens = probe.tokens
        self.sites = [Site(hook, -1) for hook in light.SITES]
        self.resident = build(variant, device, "float32")
        checkpoints = list_checkpoints(VariantPaths(variant.folder))
        self.weights = [read_weights(one, device) for one in checkpoints]
        self.resident.load(self.weights[0])
        self.trial = try_out(self.resident, self.tokens, self.sites)
        self.pass_of_several = self._stacker()
        self.exact, self.apart = self._compare()

    def ways(self) -> dict[str, Any]:
        return {LOOP: self.loop, STACK: self.stack, WHOLE: self.whole}

    def loop(self) -> list[dict[str, Any]]:
        found = []
        for weights in self.weights:
            self.resident.load(weights)
            found.append(self.resident.capture(self.tokens, self.sites, self.trial))
        return found

    def stack(self) -> list[dict[str, Any]]:
        """Results of each checkpoint; loading included, since the family's code says what a state is."""
        import torch

        found = []
        for low in range(0, len(self.weights), self.stacked):
            states: list[dict[str, Any]] = []
            for weights in self.weights[low : low + self.stacked]:
                self.resident.load(weights)
                model = self.resident.model
                held = [*model.named_parameters(), *model.named_buffers()]
                states.append({f"model.{name}": tensor.detach().clone() for name, tensor in held})
            together = {name: torch.stack([one[name] for one in states]) for name in states[0]}
            results = self.pass_of_several(together)  # key -> (checkpoints, rows, ...)
            found += [{key: t[i] for key, t in results.items()} for i in range(len(states))]
        return found

    def whole(self) -> None:
        import light
        from engine import forget

        from mi.engine.analyze import analyze

        forget(self.variant)
        ids = [analyzer.id for analyzer in light.ANALYZERS]
        summary = analyze([self.variant], analyzers=ids, probe=self.probe, device=self.device)
        assert not summary.failures, summary.failures
        assert summary.total.forward_passes == len(self.weights)

    def _stacker(self) -> Any:
        import torch
        from torch.func import functional_call, vmap

        from mi.engine.batches import keep

        tokens = torch.tensor(self.tokens, device=self.device)
        hooks, sites = {site.hook for site in self.sites}, self.sites

        class Pass(torch.nn.Module):
            def __init__(self, model: Any) -> None:
                super().__init__()
                self.model = model

            def forward(self, rows: Any) -> dict[str, Any]:
                _, cache = self.model.run_with_cache(rows, names_filter=hooks.__contains__)
                return {site.key: keep(site, cache[site.hook]) for site in sites}

        # Without tie_weights=False a bridge, whose modules are reached by two paths, keeps the last weights.
        module = Pass(self.resident.model)
        one = vmap(lambda state: functional_call(module, state, (tokens,), tie_weights=False))
        return torch.no_grad()(one)

    def _compare(self) -> tuple[bool, float]:
        import torch

        exact, apart = True, 0.0
        for one, other in zip(self.loop(), self.stack(), strict=True):
            for key, tensor in one.items():
                exact = exact and torch.equal(tensor, other[key])
                apart = max(apart, float((tensor - other[key]).abs().max() / tensor.abs().max()))
        assert apart < 1e-4, apart
        return exact, apart


def main(argv: Sequence[str] | None = None) -> None:
    given = begin(__doc__, FULL, argv, prime=17, checkpoints=8, stacked=16)
    with place() as folder:
        import light

        variant = make_variant(
            folder / "workspace", given.checkpoints, given={"light": light}, prime=given.prime
        )
        most = given.prime**2
        cases = [Case(variant, rows, given.stacked, given.device) for rows in ROWS if rows <= most]
        cases[0].whole()  # imports are nobody's
        took = {case.rows: alternate(case.ways(), given.rounds) for case in cases}
        publish(given, "stacking", report(given, cases, took))


def report(given: Any, cases: list[Case], took: dict[int, dict[str, Took]]) -> str:
    head = ["rows", LOOP, STACK, "loop / stack", WHOLE, "passes of it", "whole at best", "same bits"]
    rows, gains = [], []
    for case in cases:
        loop, stack, whole = (took[case.rows][way].processors for way in (LOOP, STACK, WHOLE))
        gains.append(whole / (whole - loop + stack))
        each = [span(seconds / given.checkpoints) for seconds in (loop, stack, whole)]
        rows.append(
            [
                case.rows,
                each[0],
                each[1],
                f"{loop / stack:.2f}",
                each[2],
                f"{100 * loop / whole:.0f} %",
                f"{gains[-1]:.2f} ×",
                "yes" if case.exact else "no",
            ]
        )
    best = max(range(len(cases)), key=lambda i: gains[i])
    loop, stack = (took[cases[best].rows][way].processors for way in (LOOP, STACK))
    return f"""## Several checkpoints in one pass

{FAMILY}, p = {given.prime}, {given.checkpoints} checkpoints, {given.stacked} at a time, {given.device}; \
processor time a checkpoint, medians of {given.rounds} alternating rounds. \
{given.machine}

{table(head, rows)}

- "Whole at best" is `mi analyze` if its passes were stacked and nothing else cost more: \
{gains[best]:.2f} ×, \
{span((loop - stack) / given.checkpoints)} a checkpoint, over {cases[best].rows} rows.
- It is not in the engine. It would save that little where an analysis takes seconds as it is, lose on \
larger probes, and make what a checkpoint is computed with depend on which others happen to be stale: one \
damaged file, one analyzer that asks for the model, and a stack is cut differently."""


if __name__ == "__main__":
    main()
