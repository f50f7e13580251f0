"""Bringing what spans a family's variants up to date, once the variants' own work is committed.

The analyzer is called without the family's lock, which is held for the writing alone: processes that work on
different variants wait for one another no longer than that. Before it is written, what it was made from is
looked at again; where another process has committed something meanwhile, it is made anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from mi.engine.failure import Failure, StrictError
from mi.engine.family import FamilyScope
from mi.engine.item import Item
from mi.engine.plan import Plan
from mi.engine.session import Session
from mi.engine.summary import VariantSummary, log_call
from mi.errors import LockedError, MiError, PluginError, StoreError
from mi.faults import details
from mi.store.artifacts import ArtifactReader
from mi.store.lock import family_lock
from mi.store.prepare import sweep

TRIES = 5  # how often it is made anew at most


def update_family(scope: FamilyScope, session: Session, plans: Iterable[Plan] = ()) -> VariantSummary:
    """Compute what is stale of a family's analyzers of scope ``family``, over all variants there are.

    Args:
        scope: the analyzers.
        session: holds the resident model.
        plans: of variants that have just been worked on.

    Returns:
        What was done; what failed is in it.

    Raises:
        StrictError: in strict mode, the first analyzer that raised.
    """
    name = scope.family.name
    summary = VariantSummary(name, analyzers=len(scope.items))
    summary.failures = [Failure(name, why, id) for id, why in scope.broken.items()]
    start = time.perf_counter()
    scope.gather(session, plans)
    summary.seconds["plan"] += time.perf_counter() - start
    for id, item in scope.items.items():
        start = time.perf_counter()
        try:
            _update(scope, item, summary)
        except MiError as error:
            if isinstance(error, PluginError) and scope.workspace.host.strict:
                raise StrictError(str(error)) from (error.__cause__ or error)
            told = "" if error.__cause__ is None else details(error.__cause__)
            said = f"analyzer {id}: {error}" if isinstance(error, LockedError) else str(error)
            summary.failures.append(Failure(name, said, id, details=told))
        took = time.perf_counter() - start
        summary.analyzer_seconds[id] = took
        summary.seconds["analyze"] += took
    reader = ArtifactReader(scope.paths)
    flagged = {id: list(reader.nonfinite(scope.probe, id)) for id in scope.items}
    summary.nonfinite = {id: epochs for id, epochs in flagged.items() if epochs}
    if summary.computed or (summary.failures and scope.paths.root.is_dir()):
        log_call(scope.paths, scope.probe, list(scope.items), summary, False)
    return summary


def _update(scope: FamilyScope, item: Item, summary: VariantSummary) -> None:
    """One analyzer.

    Raises:
        PluginError: it failed.
        LockedError: another process writes what spans the family, and does not end.
        StoreError: the store cannot be read or written.
    """
    for attempt in range(TRIES):
        share = scope.share(item)
        if share.missing:
            summary.left_out[item.id] = dict(share.missing)
        else:
            summary.left_out.pop(item.id, None)
        if share.lacking:
            summary.skipped[item.id] = share.lacking
            summary.left_out.pop(item.id, None)
            return
        if share.fresh:
            summary.fresh += 1
            return
        try:
            values = scope.call(share)
        except StoreError:  # a group that is read may be computed anew at this moment
            if attempt + 1 == TRIES:
                raise
            continue
        with family_lock(scope.paths):
            sweep(scope.paths)
            if scope.share(item).fingerprint == share.fingerprint:
                scope.write(share, values)
                summary.computed += 1
                return
    raise StoreError(
        f"analyzer {item.id}: variants of {scope.family.name} are written by other processes all the time; "
        "analyze one again when they are done"
    )
