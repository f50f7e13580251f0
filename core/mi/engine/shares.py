"""What each analyzer has to compute: its checkpoints, their fingerprints, and which of them are stale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from mi.engine.bench import Bench
from mi.engine.item import Item
from mi.store.artifacts import ArtifactReader
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
    """

    item: Item
    spec: GroupSpec
    fingerprints: Mapping[int, str]
    keep: Mapping[int, str]
    stale: tuple[int, ...]
    outdated: bool
    why: str


def share(
    bench: Bench, chosen: tuple[int, ...], digests: Mapping[int, str], reference: int
) -> tuple[dict[str, Work], dict[str, set[int]]]:
    """Each checkpoint-scope analyzer's work, and the epochs at which it is wanted."""
    moments = [i for i in bench.items.values() if i.analyzer.scope == "checkpoint"]
    wanted = _wanted(bench, chosen, reference)
    work: dict[str, Work] = {}
    for item in moments:
        work[item.id] = _work(bench, item, work, digests, reference, wanted[item.id])
    return work, wanted


def _wanted(bench: Bench, chosen: tuple[int, ...], reference: int) -> dict[str, set[int]]:
    """Epochs at which each checkpoint-scope analyzer is wanted: those asked for, and where others need it."""
    wanted = {id: set(chosen) for id, i in bench.items.items() if i.analyzer.scope == "checkpoint"}
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
) -> Work:
    spec = bench.group(item)
    needs = sorted((n.analyzer, n.at) for n in item.analyzer.artifacts)
    at_reference = any(at == "reference" for _, at in needs)
    fingerprints = {}
    for epoch, content in digests.items():
        said: list[Any] = [FORMAT, spec.identity, content]
        if at_reference:
            said.append(digests.get(reference, "damaged"))
        for id, at in needs:
            there = reference if at == "reference" else epoch
            said.append([id, at, before[id].fingerprints.get(there, "damaged")])
        fingerprints[epoch] = digest_of(said)
    held, _ = stored(bench.paths, spec)
    # Results of a checkpoint whose file is gone cannot be checked, and stay.
    keep = {e: f for e, f in held.items() if fingerprints.get(e, f) == f}
    stale = tuple(sorted(e for e in wanted - keep.keys() if e in digests))
    why = _why(bench, spec, held, stale)
    return Work(item, spec, fingerprints, keep, stale, held.keys() != keep.keys(), why)


def _why(bench: Bench, spec: GroupSpec, held: Mapping[int, str], stale: tuple[int, ...]) -> str:
    if not stale:
        return ""
    if held:
        return "its inputs changed" if any(e in held for e in stale) else "new checkpoints"
    if place_of(bench.paths, spec.probe, spec.analyzer).exists():
        reader = ArtifactReader(bench.paths)
        if reader.attributes(spec.probe, spec.analyzer).get("identity") != spec.identity:
            return "its declaration, options or probe changed"
    return "never computed"
