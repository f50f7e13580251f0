"""`mi verify`: every chunk, record and checkpoint read, a sample computed again; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from attrs import define, field

from mi.domain.workspace import FamilyResults, Variant
from mi.engine.analyze import Progress
from mi.engine.judge import judge
from mi.engine.judge_family import judge_family
from mi.engine.judge_kept import judge_kept
from mi.engine.judgement import JUDGED, ORPHAN, Judgement
from mi.engine.readahead import read_weights
from mi.engine.recompute import Comparison, draw, recompute
from mi.engine.session import Session
from mi.errors import LockedError, MiError
from mi.plural import are, counted
from mi.store.checkpoints import list_checkpoints
from mi.store.groupcheck import check_group, chunks_of, groups_of, some_of
from mi.store.groups import open_group
from mi.store.integrity import DAMAGED, NOTE, Finding, Tally, check_files, files_of
from mi.store.keys import keys_of
from mi.store.layout import VariantPaths
from mi.store.lock import held, is_locked
from mi.store.schema import GroupSpec

STALE = "stale"


class Watcher(Progress, Protocol):
    """Told as work goes on; see :class:`mi.engine.analyze.Progress` too."""

    def reading(self, variant: str, files: int) -> None:
        """A variant's files are about to be read: about so many."""

    def read(self) -> None:
        """One more file is read."""


@define
class Verdict:
    """What was found of one variant.

    Attributes:
        variant: ``family/name``.
        findings: everything that is not as it ought to be, and notes.
        groups, chunks, bytes, checkpoints: what was read.
        fresh, stale: stored results that are (or are not) what would be computed now; of ``unjudged`` ones
            nobody can tell.
        unjudged: how many groups.
        compared: results computed again.
        seed: of the sample.
    """

    variant: str
    seed: int
    findings: list[Finding] = field(factory=list)
    groups: int = 0
    chunks: int = 0
    bytes: int = 0
    checkpoints: int = 0
    fresh: int = 0
    stale: int = 0
    unjudged: int = 0
    compared: list[Comparison] = field(factory=list)

    @property
    def damaged(self) -> bool:
        """Whether something is wrong that no reader should trust."""
        return any(f.state == DAMAGED for f in self.findings)

    def count(self, outcome: str) -> int:
        """How many comparisons came out so."""
        return sum(c.outcome == outcome for c in self.compared)


def verify(
    owner: Variant | FamilyResults,
    *,
    sample: int,
    seed: int,
    device: str = "cpu",
    session: Session | None = None,
    watcher: Watcher | None = None,
) -> Verdict:
    """Verify one variant, or what spans a family; what is wrong is in the verdict.

    Args:
        owner: an existing variant, or a family's results.
        sample: how many results to compute again.
        seed: which.
        device: where.
        session: holds the resident model; a new one when None.
        watcher: told as work goes on.

    Raises:
        LockedError: another process is writing the variant.
    """
    paths = VariantPaths(owner.folder)
    if is_locked(paths):
        raise LockedError(f"{held(paths)}; verify it when that is done")
    session = session or Session({owner.workspace.root: owner.workspace})
    verdict = Verdict(owner.id, seed)
    broken = _files(paths, verdict, watcher)
    but = {(probe, group) for store, probe, group in broken if not store.keeps}
    if isinstance(owner, Variant):
        judged = judge(session, owner, device=device, but=but)
        but = {(probe, group) for store, probe, group in broken if store.keeps}
        judged += judge_kept(owner, device=device, but=but)
    else:
        judged = judge_family(session, owner, but=but)
    for one in judged:
        verdict.fresh += len(one.fresh)
        verdict.stale += len(one.stale)
        verdict.unjudged += one.state != JUDGED
        verdict.findings += _said(one)
    if isinstance(owner, Variant):
        _weights(session, owner, device, verdict)
    for compared in recompute(owner, draw(judged, paths, sample, seed), watcher):
        verdict.compared.append(compared)
        if compared.outcome in ("differs", "failed"):
            advice = "the function changed without a new version, or is not deterministic"
            what = f"computed again, {compared.why}; {advice}"
            if compared.outcome == "failed":
                what = f"cannot be computed again: {compared.why}"
            verdict.findings.append(Finding(DAMAGED, compared.draw.place, what))
        elif compared.outcome == "near":
            verdict.findings.append(Finding(NOTE, compared.draw.place, f"computed again, {compared.why}"))
    return verdict


def _files(
    paths: VariantPaths, verdict: Verdict, watcher: Watcher | None
) -> list[tuple[VariantPaths, str, str]]:
    """Read everything; the groups (of artifacts, or of kept activations) that are not whole."""
    groups = [(store, *group) for store in (paths, paths.kept) for group in groups_of(store)]

    def seen(_: Path) -> None:
        if watcher is not None:
            watcher.read()

    if watcher is not None:
        files = sum(chunks_of(*group) for group in groups) + files_of(paths)
        watcher.reading(verdict.variant.partition("/")[2], files)
    tally = Tally(seen)
    verdict.findings += check_files(paths, tally, deep=True)
    broken = []
    for group in groups:
        found = list(check_group(*group, tally, deep=True))
        verdict.findings += found
        if any(f.state == DAMAGED for f in found):
            broken.append(group)
    verdict.groups = len(groups)
    verdict.chunks, verdict.bytes, verdict.checkpoints = tally.chunks, tally.bytes, tally.checkpoints
    return broken


def _said(one: Judgement) -> Iterator[Finding]:
    """A judgement as findings, and the stored arrays against what the analyzer declares."""
    where = f"{one.probe}/{one.analyzer}"
    if one.state == ORPHAN:
        yield Finding(STALE, where, f"nobody's: {one.why}", "clean")
        return
    if one.state != JUDGED:
        yield Finding(NOTE, where, f"neither judged nor computed again: {one.why}")
        return
    held = len(one.fresh | one.stale | one.gone | one.damaged)
    if one.stale:
        number = len(one.stale)
        several = f"{number} of {counted(held, 'epoch')} {are(number)} stale"
        what = "stale" if None in one.stale else several
        yield Finding(STALE, where, what, "clean" if one.kept else "analyze")
    if epochs := sorted(e for e in one.gone if e is not None):
        yield Finding(NOTE, where, f"results whose checkpoint is gone, at epoch {some_of(epochs)}", "clean")
    if not one.bound:
        yield Finding(NOTE, where, "family.json does not list the analyzer (any more)")
    if one.fresh and one.kept is None and one.spec is not None:  # of a kept site nothing is declared
        yield from _declared(one, one.spec, where)
    flagged = [e for e in _flagged(one) if e is not None]
    if flagged:
        yield Finding(NOTE, where, f"non-finite values at epoch {some_of(flagged)}")


def _declared(one: Judgement, spec: GroupSpec, where: str) -> Iterator[Finding]:
    """Names, dtypes, dimensions and coordinates of the stored arrays against the declared ones."""
    arrays = open_group(keys_of(one.paths, one.probe, one.analyzer), own=True).arrays
    for array in spec.arrays:
        if array.name not in arrays:
            yield Finding(DAMAGED, f"{where}/{array.name}", "the declared array is missing", "analyze")
            continue
        held = arrays[array.name]
        shape = spec.shape(array, arrays["epoch"].shape[0] if spec.epochal else 0)
        for name, found, expected in (
            ("dimensions", held.dims, array.dims),
            ("dtype", held.dtype, np.dtype(array.dtype)),
            ("shape", held.shape, shape),
        ):
            if found != expected:
                what = f"has {name} {_plain(found)}, expected {_plain(expected)}"
                yield Finding(DAMAGED, f"{where}/{array.name}", what, "analyze")
    for dim, axis in spec.axes.items():
        if dim in arrays and not np.array_equal(arrays[dim].read().astype(axis.dtype), axis):
            what = "holds other coordinates than the analyzer declares"
            yield Finding(DAMAGED, f"{where}/{dim}", what, "analyze")


def _plain(value: object) -> str:
    return f"({', '.join(map(str, value))})" if isinstance(value, tuple) else str(value)


def _flagged(one: Judgement) -> list[int | None]:
    from mi.store.commits import Commits

    found = Commits.of(one.paths, one.probe, one.group).nonfinite()
    return sorted(found, key=lambda e: -1 if e is None else e)


def _weights(session: Session, variant: Variant, device: str, verdict: Verdict) -> None:
    """Every checkpoint's tensors, by name and shape, against the family's model."""
    bad = {f.where for f in verdict.findings if f.state == DAMAGED}
    try:
        model = session.model(variant, device, "float32")
    except Exception as error:  # whatever a family's code raises: without it, nothing is known of the model
        verdict.findings.append(Finding(NOTE, "checkpoints", f"not tried in the model: {error}"))
        return
    for checkpoint in list_checkpoints(VariantPaths(variant.folder)):
        where = f"checkpoints/{checkpoint.path.name}"
        if where in bad:
            continue
        try:
            model.load(read_weights(checkpoint, device))
        except MiError as error:
            verdict.findings.append(Finding(DAMAGED, where, str(error), "train"))
