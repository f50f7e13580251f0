"""Stored results computed once more, elsewhere, and compared to what the store holds."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from attrs import frozen

from mi.domain.workspace import FAMILIES, RESULTS, FamilyResults, Variant, Workspace
from mi.engine.analyze import Progress, analyze
from mi.engine.judgement import JUDGED, Judgement
from mi.engine.trajectory import call_span, span_data
from mi.errors import MiError
from mi.store.artifacts import ArtifactReader
from mi.store.commits import Commits
from mi.store.layout import VariantPaths

# Where torch, the device, the number of threads or the rows of a batch differ, sums round differently: then
# two results agree when they differ by at most this share of the largest value of their array.
TOLERANCE = 1e-3
# Of what is recorded, what may change bits.
_BATCHES = ("batch", "gradient_bytes")
COMPUTING = ("torch", "transformer-lens", "numpy", "device", "cpu", "gpu", "threads", *_BATCHES)

Arrays = Mapping[str, np.ndarray]


@frozen(eq=False)
class Draw:
    """One stored result to be computed again.

    Attributes:
        judged: its group, judged fresh there.
        epoch: of the checkpoint; None for what spans the trajectory.
        made: with what it was made, as its commit record says.
    """

    judged: Judgement
    epoch: int | None
    made: Mapping[str, Any]

    @property
    def place(self) -> str:
        """``probe/analyzer`` with the epoch, for messages."""
        at = f" at epoch {self.epoch:,}" if self.epoch is not None else ""
        return f"{self.judged.probe}/{self.judged.analyzer}{at}"


@frozen
class Comparison:
    """What came of one.

    Attributes:
        draw: what was computed again.
        outcome: ``equal`` (to the bit), ``near`` (within the tolerance, with other versions, device or
            threads), ``differs`` or ``failed``.
        why: a clause.
    """

    draw: Draw
    outcome: str
    why: str = ""


def draw(judged: Sequence[Judgement], paths: VariantPaths, count: int, seed: int) -> list[Draw]:
    """``count`` fresh results, drawn at random without repetition; the same for the same seed and store.

    Kept activations are results too; what has no checkpoint any more cannot be computed again.
    """
    pool = [
        (one, epoch)
        for one in judged
        if one.state == JUDGED
        for epoch in sorted(one.computable, key=lambda e: -1 if e is None else e)
    ]
    chosen = random.Random(seed).sample(range(len(pool)), min(count, len(pool)))
    return [Draw(*pool[i], made=_made(paths, *pool[i])) for i in sorted(chosen)]


def recompute(
    owner: Variant | FamilyResults, draws: Sequence[Draw], progress: Progress | None = None
) -> Iterator[Comparison]:
    """Compute each again with the real engine, into a temporary store, and compare.

    As many threads are used as the record says, since sums are split among them.

    Args:
        owner: whose.
        draws: what to compute.
        progress: told as work goes on.
    """
    import torch

    before = torch.get_num_threads()
    try:
        for threads in sorted({_threads(d.made, before) for d in draws}):
            torch.set_num_threads(threads)
            some = [d for d in draws if _threads(d.made, before) == threads]
            if isinstance(owner, Variant):
                with mirror(owner) as copy:
                    mine = [d for d in some if d.epoch is not None and d.judged.kept is None]
                    yield from _checkpoints(copy, mine, progress)
                    yield from _activations(copy, [d for d in some if d.judged.kept], progress)
            yield from (_span(d) for d in some if d.epoch is None)
    finally:
        torch.set_num_threads(before)


@contextmanager
def mirror(variant: Variant) -> Iterator[Variant]:
    """The same variant with the same checkpoints in a temporary workspace, without artifacts."""
    with TemporaryDirectory(prefix="mi-verify-") as folder:
        root, origin = Path(folder), variant.workspace.root
        place = root / RESULTS / variant.family.name / variant.name
        place.mkdir(parents=True)
        (root / FAMILIES).symlink_to((origin / FAMILIES).resolve(), target_is_directory=True)
        source, paths = VariantPaths(variant.folder.resolve()), VariantPaths(place)
        shutil.copyfile(source.config, paths.config)
        for one, other in ((paths.checkpoints, source.checkpoints), (paths.losses, source.losses)):
            if other.exists():
                one.symlink_to(other, target_is_directory=True)
        yield Workspace(root, variant.workspace.host).variant(variant.id)


def _checkpoints(copy: Variant, draws: Sequence[Draw], progress: Progress | None) -> Iterator[Comparison]:
    """Scope checkpoint: one pass an epoch for each probe, whatever the number of analyzers drawn there."""
    groups: dict[tuple[str, str, str], list[Draw]] = {}
    for one in draws:
        assert one.judged.plan is not None
        bench = one.judged.plan.bench
        groups.setdefault((bench.probe_name, bench.device, bench.dtype), []).append(one)
    for (probe, device, dtype), some in groups.items():
        summary = analyze(
            [copy],
            analyzers=sorted({d.judged.analyzer for d in some}),
            epochs=sorted({d.epoch for d in some if d.epoch is not None}),
            probe=probe,
            device=device,
            dtype=dtype,
            progress=progress,
        )
        failed = {(f.analyzer, f.epoch): f.message for f in summary.failures}
        reader = ArtifactReader(VariantPaths(copy.folder))
        for one in some:
            why = next(filter(None, map(failed.get, _whose(one))), None)
            if why is not None:
                yield Comparison(one, "failed", why)
                continue
            assert one.epoch is not None
            now = _made(VariantPaths(copy.folder), one.judged, one.epoch)
            batch = {name: now.get(name) for name in _BATCHES}
            yield _compared(one, partial(reader.at, probe, one.judged.analyzer, one.epoch), batch)


def _whose(one: Draw) -> list[tuple[str, int | None]]:
    """Failures that cost this result: its own there or everywhere, or the checkpoint's."""
    return [(one.judged.analyzer, one.epoch), (one.judged.analyzer, None), ("", one.epoch)]


def _activations(copy: Variant, draws: Sequence[Draw], progress: Progress | None) -> Iterator[Comparison]:
    """Kept activations: a pass over the checkpoint, which keeps the site again."""
    for one in draws:
        kept = one.judged.kept
        assert kept is not None and kept.keep is not None and one.epoch is not None
        try:
            summary = analyze(
                [copy],
                analyzers=[],
                epochs=[one.epoch],
                probe=one.judged.probe,
                device=kept.device,
                dtype=kept.pass_dtype,
                progress=progress,
                keep=[kept.keep.site.key],
                keep_dtype=kept.keep.dtype or None,
            )
        except MiError as error:
            yield Comparison(one, "failed", str(error))
            continue
        if summary.failures:
            yield Comparison(one, "failed", summary.failures[0].message)
            continue
        reader = ArtifactReader(VariantPaths(copy.folder).kept)
        batch = {"batch": _made(VariantPaths(copy.folder), one.judged, one.epoch).get("batch")}
        yield _compared(one, partial(reader.at, one.judged.probe, kept.group, one.epoch), batch)


def _span(one: Draw) -> Comparison:
    """From the stored artifacts that it needs, which are compared for themselves."""
    plan, span, scope, share = one.judged.plan, one.judged.span, one.judged.scope, one.judged.share
    if scope is not None and share is not None:
        return _compared(one, lambda: scope.call(share))
    assert plan is not None and span is not None
    return _compared(one, lambda: call_span(span, span_data(plan, span)))


def _compared(one: Draw, again: Callable[[], Arrays], now: Mapping[str, Any] | None = None) -> Comparison:
    """What the store holds beside what ``again`` gives, made with ``now`` over what the judgement says."""
    reader, probe = ArtifactReader(one.judged.paths), one.judged.probe
    try:
        here = again()
        if one.epoch is not None:
            held: Arrays = reader.at(probe, one.judged.group, one.epoch)
        else:
            data = reader.dataset(probe, one.judged.group)
            held = {str(name): np.asarray(data[name].values) for name in data.data_vars}
    except MiError as error:
        return Comparison(one, "failed", str(error))
    unequal = [name for name in sorted(here) if not _same_bits(here[name], held[name])]
    if not unequal:
        return Comparison(one, "equal")
    name = max(unequal, key=lambda n: _apart(here[n], held[n]))
    apart = _apart(here[name], held[name])
    said = f"{name} is apart by {apart:.2g} of its largest value"
    others = _differences(one.made, {**one.judged.provenance, **(now or {})})
    if others and apart <= TOLERANCE:
        return Comparison(one, "near", f"{said} (made with {others}; at most {TOLERANCE:g} is allowed then)")
    return Comparison(one, "differs", said + (f" (made with {others})" if others else ""))


def _same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference as a share of the largest value; infinite where shapes or gaps differ."""
    if one.shape != other.shape:
        return float("inf")
    if one.dtype.kind not in "fc":
        return float(np.mean(one != other)) if one.size else 0.0
    a, b = one.astype(np.complex128), other.astype(np.complex128)
    finite = np.isfinite(a) & np.isfinite(b)
    if not np.array_equal(np.where(finite, 0, one), np.where(finite, 0, other), equal_nan=True):
        return float("inf")
    largest = float(np.abs(b[finite]).max(initial=0.0))
    return float(np.abs(a - b)[finite].max(initial=0.0)) / (largest or 1.0)


def _differences(made: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What of versions, device, processor and threads differs from when it was made."""
    one, other = ({**m, **(m.get("versions") or {})} for m in (made, now))
    names = [n for n in other if n != "versions" and one.get(n) != other[n]]
    told = [n for n in names if n in COMPUTING]
    return ", ".join(f"{n} {one[n]}, here {other[n]}" if one.get(n) else f"unknown {n}" for n in told)


def _threads(made: Mapping[str, Any], default: int) -> int:
    threads = made.get("threads")
    return threads if isinstance(threads, int) and threads > 0 else default


def _made(paths: VariantPaths, one: Judgement, epoch: int | None) -> Mapping[str, Any]:
    for epochs, made in Commits.of(paths.kept if one.kept else paths, one.probe, one.group).provenance():
        if epoch in epochs:
            return made
    return {}
