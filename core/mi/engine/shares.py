"""What each analyzer has to compute: its checkpoints, their fingerprints, and which of them are stale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from mi.engine.bench import Bench
from mi.engine.epochs import spread
from mi.engine.item import Item
from mi.engine.keep import fingerprint
from mi.engine.kept import Known
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths
from mi.store.prepare import place_of, stored
from mi.store.schema import GroupSpec, digest_of

FORMAT = 1  # raised when the meaning of stored artifacts changes


@frozen(eq=False)
class Work:
    """One checkpoint-scope analyzer's share.

    Attributes:
        item, spec: the analyzer and its group.
        fingerprints: epoch -> what a fresh result would carry, for every checkpoint that can be read.
        keep: epoch -> fingerprint of the stored results that stay, sorted.
        stale: epochs to compute, sorted.
        outdated: whether stored results do not stay.
        why: one of a few reasons, for people.
        lost: epochs at which it is wanted and cannot be had: the checkpoint is gone, and what is kept of it
            does not suffice.
    """

    item: Item
    spec: GroupSpec
    fingerprints: Mapping[int, str]
    keep: Mapping[int, str]
    stale: tuple[int, ...]
    outdated: bool
    why: str
    lost: tuple[int, ...] = ()


def share(
    bench: Bench,
    chosen: tuple[int, ...],
    digests: Mapping[int, str],
    reference: int,
    known: Known,
    by_name: bool = True,
) -> tuple[dict[str, Work], dict[str, set[int]]]:
    """Each checkpoint-scope analyzer's work, and the epochs at which it is wanted.

    Where the epochs were not chosen ``by_name``, analyzers that run at few checkpoints choose some of them.
    """
    moments = [i for i in bench.items.values() if i.analyzer.scope == "checkpoint"]
    wanted = wanted_epochs(bench, chosen, reference, by_name)
    work: dict[str, Work] = {}
    for item in moments:
        work[item.id] = _work(bench, item, work, digests, reference, wanted[item.id], known)
    return work, wanted


def wanted_epochs(
    bench: Bench, chosen: tuple[int, ...], reference: int, by_name: bool
) -> dict[str, set[int]]:
    """Epochs at which each checkpoint-scope analyzer is wanted: those asked for, and where others need it."""
    wanted = {
        id: set(spread(chosen, None if by_name else item.analyzer.checkpoints))
        for id, item in bench.items.items()
        if item.analyzer.scope == "checkpoint"
    }
    for item in reversed(list(bench.items.values())):  # dependents first
        for need in item.analyzer.artifacts:
            if need.analyzer not in wanted:
                continue
            if need.at == "reference":
                wanted[need.analyzer].add(reference)
            elif need.at == "checkpoint":
                wanted[need.analyzer] |= wanted[item.id]
    return wanted


def _work(
    bench: Bench,
    item: Item,
    before: Mapping[str, Work],
    digests: Mapping[int, str],
    reference: int,
    wanted: set[int],
    known: Known,
) -> Work:
    spec, store = bench.group(item), bench.store_of(item)
    held, _ = stored(store, spec)
    fingerprints = _fingerprints(item, spec.identity, before, digests, reference, known, held)
    # Of a checkpoint whose file is gone, what cannot be checked, or not be computed again, stays.
    keep = {e: f for e, f in held.items() if fingerprints.get(e, f) == f}
    due = sorted(e for e in wanted - keep.keys() if e in digests)
    stale = tuple(e for e in due if e in fingerprints)
    lost = tuple(e for e in due if e not in fingerprints)
    why = _why(store, spec, held, stale)
    return Work(item, spec, fingerprints, keep, stale, held.keys() != keep.keys(), why, lost)


def _fingerprints(
    item: Item,
    identity: str,
    before: Mapping[str, Work],
    digests: Mapping[int, str],
    reference: int,
    known: Known,
    held: Mapping[int, str],
) -> dict[int, str]:
    """Epoch -> what a fresh result carries; without the epochs at which none can be had any more.

    What is computed from activations that were kept in fewer bits, or from results so computed, says so after
    a ``~``, and has another hash.
    """
    needs = sorted((n.analyzer, n.at) for n in item.analyzer.artifacts)
    at_reference = any(at == "reference" for _, at in needs)
    found: dict[int, str] = {}
    for epoch, content in digests.items():
        if item.keep is not None:
            print_ = fingerprint(identity, content)
            if epoch not in known.absent or held.get(epoch) == print_:
                found[epoch] = print_
            continue
        said: list[Any] = [FORMAT, identity, content]
        if at_reference:
            said.append(digests.get(reference, "damaged"))
        marks: set[str] = set()
        for id, at in needs:
            theirs = before[id].fingerprints.get(reference if at == "reference" else epoch, "damaged")
            said.append([id, at, theirs])
            marks |= set(theirs.partition("~")[2].split(",")) - {""}
        exact = marked(digest_of(said), marks)
        if epoch in known.absent and held.get(epoch) != exact:
            if not _within_reach(item, epoch, needs, before, reference, known, content):
                continue
            if lossy := known.lossy(item.sites, epoch):
                exact = marked(digest_of([*said, ["kept", lossy]]), marks | set(lossy.values()))
        found[epoch] = exact
    return found


def marked(hash: str, marks: Iterable[str]) -> str:
    """A fingerprint: a hash, and in which data types kept activations were that are not exact."""
    names = ",".join(sorted(marks))
    return f"{hash}~{names}" if names else hash


def _within_reach(
    item: Item,
    epoch: int,
    needs: Sequence[tuple[str, str]],
    before: Mapping[str, Work],
    reference: int,
    known: Known,
    content: str,
) -> bool:
    """Whether it can be computed from kept activations alone, at a checkpoint whose file is gone."""
    if item.keep or item.file or not known.holds(item.sites, epoch, content):
        return False
    there = [(before[id], reference if at == "reference" else epoch) for id, at in needs]
    return all(e in work.keep or e in work.stale for work, e in there)


def _why(paths: VariantPaths, spec: GroupSpec, held: Mapping[int, str], stale: tuple[int, ...]) -> str:
    if not stale:
        return ""
    if held:
        return "its inputs changed" if any(e in held for e in stale) else "new checkpoints"
    if place_of(paths, spec.probe, spec.analyzer).exists():
        reader = ArtifactReader(paths)
        if reader.attributes(spec.probe, spec.analyzer).get("identity") != spec.identity:
            return "its declaration, options or probe changed"
    return "never computed"
