"""What of a variant's artifacts nobody will read again, and dropping it; a kill leaves a valid store.

Records go first, so that nothing visible ever points at arrays that are gone; a group leaves its place in one
rename, into the staging folder, which the next holder of the lock clears.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from attrs import define, evolve, field, frozen

from mi.domain.workspace import FamilyResults, Variant
from mi.engine.hooks import forget_hooks
from mi.engine.judge import judge
from mi.engine.judge_family import judge_family
from mi.engine.judge_kept import judge_kept
from mi.engine.judgement import ORPHAN, UNJUDGED, Judgement
from mi.engine.owner import nobodys
from mi.engine.session import Session
from mi.errors import UnknownNameError
from mi.store.checkpoints import list_checkpoints
from mi.store.commits import Commits
from mi.store.files import store_errors
from mi.store.groupcheck import check_group, groups_of, some_of
from mi.store.integrity import DAMAGED, LEFT, Finding, Tally, check_root, leftovers, said
from mi.store.keys import damage_of, keys_of
from mi.store.layout import VariantPaths
from mi.store.pack import pack, unpack
from mi.store.remove import drop_group, mend_flags, mend_root, only_of, retract, sweep_leftovers


@frozen
class Drop:
    """Something to drop.

    Attributes:
        probe, analyzer: its place; empty for files that a killed process left behind.
        why: one clause.
        epochs: those of its epochs that go; empty when all of it goes.
        kept: how many of its epochs stay.
        files, bytes: what it takes on disk. An epoch frees no chunk that it shares with one that stays.
        file: the one file to delete, of what is no group.
        keeps: whether it is kept activations, of the site whose group ``analyzer`` names.
    """

    why: str
    probe: str = ""
    analyzer: str = ""
    epochs: tuple[int, ...] = ()
    kept: int = 0
    files: int = 0
    bytes: int = 0
    file: Path | None = None
    keeps: bool = False

    @property
    def place(self) -> str:
        """``probe/analyzer``, or what it is."""
        prefix = "activations.zarr/" if self.keeps else ""
        return f"{prefix}{self.probe}/{self.analyzer}" if self.analyzer else self.probe or "left behind"


@define
class Cleaning:
    """What a cleaning would do, or did.

    Attributes:
        owner: whose: a variant's, or what spans a family.
        drops: what goes.
        kept: place -> why it stays though nobody can tell whether it is fresh.
        mends: metadata that is written anew, without any result being lost.
    """

    owner: Variant | FamilyResults
    drops: list[Drop] = field(factory=list)
    kept: dict[str, str] = field(factory=dict)
    mends: list[str] = field(factory=list)

    @property
    def files(self) -> int:
        """Files that go."""
        return sum(d.files for d in self.drops)

    @property
    def bytes(self) -> int:
        """Bytes that go."""
        return sum(d.bytes for d in self.drops)


def plan_cleaning(
    owner: Variant | FamilyResults, *, unbound: bool = False, session: Session | None = None
) -> Cleaning:
    """What would go, and what stays and why; nothing is written.

    Stale results go, and those whose checkpoint is gone; what has no analyzer or probe any more; records
    without arrays and arrays without records; chunks that cannot be read, with their epochs; what a killed
    process left. The same goes for kept activations, but those whose checkpoint is gone stay: they are all
    that is left of it. Fresh results stay. What a plugin owns that failed to load stays.

    Args:
        owner: an existing variant, or what spans a family.
        unbound: drop fresh results too when family.json does not list their analyzer any more.
        session: holds the resident model; a new one when None.

    Raises:
        UnknownNameError: the variant has no checkpoint at all, so that nothing can be judged.
    """
    paths = VariantPaths(owner.folder)
    unknown = groups_of(paths) and not groups_of(paths.kept) and not list_checkpoints(paths)
    if isinstance(owner, Variant) and unknown:
        raise UnknownNameError(
            f"variant {owner.id} has no checkpoint, so nobody can tell what is stale; nothing is dropped"
        )
    session = session or Session({owner.workspace.root: owner.workspace})
    cleaning = Cleaning(owner)
    for store in (paths, paths.kept):
        if why := damage_of(store):
            archive = store.packed
            size = archive.stat().st_size
            cleaning.drops.append(Drop(why, archive.name, files=1, bytes=size, file=archive))
        _plan_groups(session, owner, store, unbound, cleaning)
        if not why and any(f.state == DAMAGED for f in check_root(store)):
            cleaning.mends.append(said(paths, store.artifacts / "zarr.json"))
    for file in leftovers(paths):
        files = _files(file)
        where, size = said(paths, file), _size(files)
        cleaning.drops.append(Drop("a killed process left it", where, files=len(files), bytes=size))
    return cleaning


def _plan_groups(
    session: Session,
    owner: Variant | FamilyResults,
    paths: VariantPaths,
    unbound: bool,
    cleaning: Cleaning,
) -> None:
    """What would go of the artifacts, or of the kept activations."""
    damage = {group: list(check_group(paths, *group, Tally(), deep=True)) for group in groups_of(paths)}
    broken = {g for g, found in damage.items() if any(_of_group(f) for f in found)}
    if not damage:
        return
    if not isinstance(owner, Variant):
        judgements = judge_family(session, owner, but=broken)
    elif paths.keeps:
        judgements = judge_kept(owner, but=broken)
    else:
        judgements = judge(session, owner, without_gone=True, but=broken)
    judged = {(j.probe, j.group): j for j in judgements}
    for group, found in damage.items():
        one = judged.get(group) or (None if paths.keeps else nobodys(owner, *group))
        drop = _drop(paths, group, one, found, unbound, cleaning)
        if drop is not None:
            cleaning.drops.append(drop)
        for finding in found if drop is None or drop.epochs else ():
            if finding.file is not None and finding.state == LEFT and finding.file.exists():
                size = finding.file.stat().st_size
                cleaning.drops.append(
                    Drop(finding.what, finding.where, files=1, bytes=size, file=finding.file)
                )
        flags = f"{paths.prefix}{group[0]}/{group[1]}/committed"
        if drop is None and any(f.where == flags and f.state == DAMAGED for f in found):
            cleaning.mends.append(flags)


def clean(cleaning: Cleaning) -> None:
    """Do it. The variant's lock must be held, and have been held since the cleaning was planned.

    What was packed is packed again; a process killed before that leaves a folder, as whole.

    Raises:
        StoreError: the folder cannot be written.
    """
    paths = VariantPaths(cleaning.owner.folder)
    packed = paths.packed.exists() and not paths.artifacts.is_dir() and not damage_of(paths)
    if (cleaning.drops or cleaning.mends) and packed:
        unpack(paths)
    for drop in cleaning.drops:
        store = paths.kept if drop.keeps else paths
        if drop.file is not None:
            with store_errors(drop.file, "deleted"):
                drop.file.unlink(missing_ok=True)
        elif not drop.analyzer:
            continue
        elif drop.epochs:
            retract(store, drop.probe, drop.analyzer, drop.epochs)
        else:
            drop_group(store, drop.probe, drop.analyzer)
    for place in cleaning.mends:
        if place.endswith("/committed"):
            store = paths.kept if place.startswith(paths.kept.prefix) else paths
            mend_flags(store, *place.removeprefix(store.prefix).split("/")[:2])
    if not cleaning.drops and not cleaning.mends:
        return
    for store in (paths, paths.kept):
        # It was damaged, or a group that is dropped was consolidated.
        if any(f.state == DAMAGED for f in check_root(store)):
            mend_root(store)
    sweep_leftovers(paths)
    forget_hooks(paths)
    if packed:
        pack(paths)  # as it was


def _of_group(finding: Finding) -> bool:
    """Whether damage is such that the group as a whole cannot be read."""
    return finding.state == DAMAGED and not finding.epochs and not finding.where.endswith("/committed")


def _drop(
    paths: VariantPaths,
    group: tuple[str, str],
    judged: Judgement | None,
    found: list[Finding],
    unbound: bool,
    cleaning: Cleaning,
) -> Drop | None:
    keys, commits = keys_of(paths, *group), Commits.of(paths, *group)
    inside = [] if damage_of(paths) else [keys.size(key) for key in keys.below()]
    sizes = inside + [f.stat().st_size for f in _files(commits.folder)]
    name = paths.prefix + "/".join(group)
    everything = Drop("", *group, files=len(sizes), bytes=sum(sizes), keeps=paths.keeps)
    if judged is not None and judged.state == UNJUDGED:
        cleaning.kept[name] = judged.why
        return None
    if judged is not None and judged.state == ORPHAN:
        return evolve(everything, why=judged.why)
    damage = next((f for f in found if _of_group(f)), None)
    if damage is not None or judged is None:
        return evolve(everything, why=f"damaged: {damage.what}" if damage else "damaged")
    if not commits.files():
        return evolve(everything, why="nothing of it is committed")
    held = commits.read()
    unreadable = {e for f in found for e in f.epochs}
    going = {e for e in judged.stale | judged.gone if e is not None} | unreadable
    if not judged.bound and unbound:
        return evolve(everything, why="family.json does not list its analyzer")
    if not judged.bound and judged.fresh:
        cleaning.kept[name] = "fresh, though family.json does not list it; --unbound drops it"
    if None in judged.stale:
        return evolve(everything, why="stale")
    if unsure := sorted(e for e in judged.damaged - unreadable if e is not None):
        said_ = f"epoch {some_of(unsure)} cannot be judged: a checkpoint (or the reference) is damaged"
        cleaning.kept[name] = said_
    if None in judged.damaged:
        cleaning.kept[name] = "cannot be judged: a checkpoint is damaged"
    if not going:
        return None
    why = ", ".join(
        f"{len(some)} {word}"
        for some, word in (
            (judged.stale, "stale"),
            (judged.gone, "without a checkpoint"),
            (unreadable - judged.stale - judged.gone, "unreadable"),
        )
        if some
    )
    if going >= held.keys():
        return evolve(everything, why=why)
    freed = only_of(paths, *group, going)
    return Drop(
        why,
        *group,
        epochs=tuple(sorted(going)),
        kept=len(held.keys() - going),
        files=sum(one.left is None for one in freed),
        bytes=sum(one.size for one in freed),
        keeps=paths.keeps,
    )


def _files(place: Path) -> list[Path]:
    """A file, or all files below a folder."""
    return [f for f in place.rglob("*") if f.is_file()] if place.is_dir() else [place] * place.exists()


def _size(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files)
