"""What is stored of what spans a family against what would be stored now. Read-only."""

from __future__ import annotations

from collections.abc import Collection

from mi.domain.workspace import FamilyResults
from mi.engine.family_bind import family_scope
from mi.engine.judgement import JUDGED, UNJUDGED, Judgement
from mi.engine.owner import dtype_of, nobodys
from mi.engine.session import Session
from mi.errors import MiError
from mi.store.commits import Commits
from mi.store.groupcheck import groups_of
from mi.store.layout import VariantPaths


def judge_family(
    session: Session, results: FamilyResults, *, but: Collection[tuple[str, str]] = ()
) -> list[Judgement]:
    """Every group of what spans a family, sorted by place.

    Args:
        session: holds the resident model.
        results: whose.
        but: groups to leave out, since they are damaged.
    """
    paths = VariantPaths(results.folder)
    listed = {use.id for use in results.family.analyzers}
    out: list[Judgement] = []
    for probe, id in groups_of(paths):
        if (probe, id) in but:
            continue
        orphan = nobodys(results, probe, id)
        if orphan is not None:
            out.append(orphan)
            continue
        dtype = dtype_of(paths, probe, id)
        try:
            scope = family_scope(results.workspace, results.family, asked=[id], probe=probe, dtype=dtype)
            scope.gather(session)
            share = scope.share(scope.items[id])
        except MiError as error:
            out.append(Judgement(probe, id, UNJUDGED, " ".join(str(error).split())))
            continue
        whole = Commits.of(paths, probe, id).whole()  # not damaged: see `but`
        mine: frozenset[int | None] = frozenset({None} if whole is not None else ())
        lost_chunks = whole == share.fingerprint and not share.fresh
        out.append(
            Judgement(
                probe,
                id,
                JUDGED,
                fresh=mine if share.fresh else frozenset(),
                stale=mine if not share.fresh and not lost_chunks else frozenset(),
                damaged=mine if lost_chunks else frozenset(),
                bound=id in listed,
                share=share,
                scope=scope,
            )
        )
    return sorted(out, key=lambda one: (one.probe, one.analyzer))
