"""What of a variant is kept, how much it takes, and dropping it: `mi cache`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import frozen

from mi.domain.site import Site
from mi.domain.workspace import Variant
from mi.engine.clean import Cleaning, Drop
from mi.engine.judge_kept import judge_kept
from mi.engine.judgement import ORPHAN, Judgement
from mi.errors import unknown
from mi.store.commits import Commits
from mi.store.layout import VariantPaths
from mi.store.prepare import place_of
from mi.store.remove import only_of


@frozen(eq=False)
class Kept:
    """The kept activations of one site over one probe.

    Attributes:
        variant: whose.
        judged: which epochs are fresh, stale, or not to be judged.
        files, bytes: what they take on the disk.
    """

    variant: Variant
    judged: Judgement
    files: int
    bytes: int

    @property
    def group(self) -> str:
        """The name of their zarr group."""
        return self.judged.kept.group if self.judged.kept else ""

    @property
    def site(self) -> str:
        """The site's key; the group's name where the group is damaged."""
        return self.judged.analyzer.partition(":")[2]

    @property
    def absent(self) -> frozenset[int]:
        """Epochs whose checkpoint is gone, so that they could not be kept again."""
        return self.judged.kept.absent if self.judged.kept else frozenset()


def kept_of(variant: Variant) -> list[Kept]:
    """Everything that is kept of a variant, sorted by probe and site.

    Raises:
        StoreError: the folder cannot be read.
    """
    paths = VariantPaths(variant.folder).kept
    found = []
    for one in judge_kept(variant):
        group = one.kept.group if one.kept else ""
        files = _files(place_of(paths, one.probe, group), Commits.of(paths, one.probe, group).folder)
        found.append(Kept(variant, one, len(files), sum(file.stat().st_size for file in files)))
    return found


def plan_removal(
    kept: Sequence[Kept], *, sites: Iterable[str] = (), probe: str | None = None, stale: bool = False
) -> Cleaning:
    """What dropping some of a variant's kept activations would take; nothing is written.

    Args:
        kept: everything that is kept of the variant.
        sites: only these; a hook may be a pattern, which without a position stands for every position.
        probe: only over this probe.
        stale: only epochs that are not what would be kept now, and what is nobody's.

    Raises:
        UnknownNameError: nothing is kept of a site or over the probe.
        PlanError: a site's position is no whole number.
    """
    variant = kept[0].variant
    paths = VariantPaths(variant.folder).kept
    chosen = list(kept)
    if probe is not None:
        chosen = [one for one in chosen if one.judged.probe == probe]
        if not chosen:
            raise unknown(f"probe with activations of {variant.id}", probe, {k.judged.probe for k in kept})
    asked = list(sites)
    if asked:
        named = [one for text in asked for one in _of_site(variant, text, chosen)]
        chosen = [one for one in chosen if one in named]
    cleaning = Cleaning(variant)
    for one in chosen:
        every = one.judged.fresh | one.judged.stale | one.judged.damaged
        going = tuple(sorted(e for e in one.judged.stale if e is not None))
        nobodys = one.judged.state == ORPHAN
        if not stale or nobodys or len(going) == len(every) > 0:
            why = one.judged.why or _why(one)
            drop = Drop(why, one.judged.probe, one.group, files=one.files, bytes=one.bytes, keeps=True)
            cleaning.drops.append(drop)
        elif going:
            freed = only_of(paths, one.judged.probe, one.group, going)
            drop = Drop(
                "stale",
                one.judged.probe,
                one.group,
                epochs=going,
                kept=len(every) - len(going),
                files=sum(f.left is None for f in freed),
                bytes=sum(f.size for f in freed),
                keeps=True,
            )
            cleaning.drops.append(drop)
    return cleaning


def _of_site(variant: Variant, text: str, kept: Sequence[Kept]) -> list[Kept]:
    asked = Site.parse(text)
    sites = {one: Site.parse(one.site) for one in kept}
    hooks = {one.hook for one in asked.expand(site.hook for site in sites.values())}
    anywhere = asked.glob and asked.position is None
    found = [
        one
        for one, site in sites.items()
        if site.hook in hooks and (anywhere or site.position == asked.position)
    ]
    if not found:
        hint = "(* is any text without a dot, ** any text)" if asked.glob else ""
        raise unknown(f"kept site of {variant.id}", text, [one.site for one in kept], hint=hint)
    return found


def _why(one: Kept) -> str:
    fresh, stale = len(one.judged.fresh), len(one.judged.stale)
    said = f"{fresh} fresh" + (f", {stale} stale" if stale else "")
    return said + (f", {len(one.absent)} without a checkpoint, never to be had again" if one.absent else "")


def _files(*folders: Path) -> list[Path]:
    return [file for folder in folders if folder.is_dir() for file in folder.rglob("*") if file.is_file()]
