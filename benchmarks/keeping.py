"""Kept activations: the room they take, and reading them against making the pass again.

    python benchmarks/keeping.py [--prime 17] [--checkpoints 4] [--rounds 2] [--full]

Both sides end with the same tensor, which is checked (of float16, with the same in fewer bits). The pass
swaps a checkpoint's weights into the resident model and captures one site; the other reads that site from the
store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common import FAMILY, Took, alternate, begin, make_variant, place, publish, size, span, table

FULL = {"prime": 113, "checkpoints": 4, "rounds": 5}
SITES = ("blocks.0.mlp.hook_post@-1", "blocks.0.hook_resid_post", "blocks.0.attn.hook_pattern")
PASS, READ = "a pass", "kept"


class Case:
    """One site of a variant, kept in one data type.

    Attributes:
        raw, stored: bytes before compression and on the disk.
        files: how many.
    """

    def __init__(self, variant: Any, site: str, dtype: str, device: str) -> None:
        import torch

        from mi.domain.site import Site
        from mi.engine.analyze import analyze
        from mi.engine.cache import kept_of
        from mi.engine.capture import build
        from mi.engine.kept import KeptReader
        from mi.engine.readahead import read_weights
        from mi.engine.trial import try_out
        from mi.store.checkpoints import list_checkpoints
        from mi.store.layout import VariantPaths

        paths = VariantPaths(variant.folder)
        if paths.kept.artifacts.exists():
            drop(variant)
        summary = analyze([variant], analyzers=[], keep=[site], keep_dtype=dtype, device=device)
        assert not summary.failures, summary.failures
        (kept,) = kept_of(variant)
        self.site, self.dtype, self.stored, self.files = Site.parse(site), dtype, kept.bytes, kept.files
        name, probe = variant.probe()
        self.tokens = probe.tokens
        self.resident = build(variant, device, "float32")
        self.checkpoints = list_checkpoints(paths)
        self.weights = [read_weights(one, device) for one in self.checkpoints]
        self.resident.load(self.weights[0])
        self.trial = try_out(self.resident, self.tokens, [self.site])
        self.reader = KeptReader(paths, name, len(probe), device)
        self.raw = 0
        for one, other in zip(self.passes(), self.reads(), strict=True):
            given = one.to(getattr(torch, dtype))
            self.raw += given.nbytes
            assert torch.equal(given.float(), other.float())

    def passes(self) -> list[Any]:
        found = []
        for weights in self.weights:
            self.resident.load(weights)
            found.append(self.resident.capture(self.tokens, [self.site], self.trial)[self.site.key])
        return found

    def reads(self) -> list[Any]:
        return [self.reader.read(one.epoch, [self.site])[self.site.key] for one in self.checkpoints]


def drop(variant: Any) -> None:
    """Drop everything that is kept."""
    from mi.engine.cache import kept_of, plan_removal
    from mi.engine.clean import clean

    clean(plan_removal(kept_of(variant)))


def main(argv: Sequence[str] | None = None) -> None:
    given = begin(__doc__, FULL, argv, prime=17, checkpoints=4)
    with place() as folder:
        variant = make_variant(folder / "workspace", given.checkpoints, stride=10, prime=given.prime)
        rows = []
        for site in SITES:
            for dtype in ("float32", "float16"):
                case = Case(variant, site, dtype, given.device)
                took = alternate({PASS: case.passes, READ: case.reads}, given.rounds)
                rows.append(row(case, took, given.checkpoints))
        publish(given, "keeping", report(given, rows))


def row(case: Case, took: dict[str, Took], checkpoints: int) -> list[str]:
    passed, read = (took[way].processors / checkpoints for way in (PASS, READ))
    return [
        f"`{case.site.key}` {case.dtype}",
        size(case.raw / checkpoints),
        f"{case.stored / case.raw:.2f}",
        str(case.files),
        span(passed),
        span(read),
        f"{passed / read:.1f} ×",
    ]


def report(given: Any, rows: list[list[str]]) -> str:
    head = ["site", "bytes an epoch", "stored / raw", "files", PASS, READ, "pass / kept"]
    return f"""## Kept activations

{FAMILY}, p = {given.prime}, {given.checkpoints} checkpoints early in training, {given.device}; processor \
time a checkpoint, medians of {given.rounds} alternating rounds. {given.machine}

{table(head, rows)}

Bytes and files count everything: chunks, coordinates, metadata and commit records."""


if __name__ == "__main__":
    main()
