"""What is on disk of a variant, for listings: no array is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mi.errors import MiError

if TYPE_CHECKING:
    from mi.domain.workspace import Variant


def variant_row(variant: Variant) -> dict[str, Any]:
    """One object a variant; keys in docs/cli-json.md."""
    from mi.store.checkpoints import list_checkpoints
    from mi.store.layout import VariantPaths

    checkpoints = list_checkpoints(VariantPaths(variant.folder))
    return {
        "id": variant.id,
        "family": variant.family.name,
        "name": variant.name,
        "state": judged_state(variant),
        "parent": variant.parent or None,
        "parameters": dict(variant.parameters),
        "checkpoints": len(checkpoints),
        "last_epoch": checkpoints[-1].epoch if checkpoints else None,
        "error": "",
    }


def listed_row(variant: Variant) -> dict[str, Any]:
    """As :func:`variant_row`; a variant that cannot be read is ``damaged``, and ``error`` says why."""
    try:
        return variant_row(variant)
    except MiError as error:
        return {
            "id": variant.id,
            "family": variant.family.name,
            "name": variant.name,
            "state": "damaged",
            "parent": variant.parent or None,
            "parameters": dict(variant.parameters),
            "checkpoints": 0,
            "last_epoch": None,
            "error": str(error),
        }


def state_of(variant: Variant) -> str:
    """The state of its training, or ``analyzed`` when it is trained and nothing is left to analyze.

    That is judged by what is committed for the default probe alone; see :func:`judged_state`.
    """
    from mi.store.layout import VariantPaths
    from mi.training.record import variant_state

    state: str = variant_state(VariantPaths(variant.folder))
    return "analyzed" if state == "trained" and _analyzed(variant) else state


def judged_state(variant: Variant) -> str:
    """As :func:`state_of`, by fingerprints: ``stale`` where what is committed is not what would be now.

    Takes some hundredths of a second, and reads the checkpoints; where it cannot be told so, it is as there.
    """
    from mi.engine.fresh import is_fresh

    state = state_of(variant)
    if state not in ("trained", "analyzed"):
        return state
    fresh = is_fresh(variant)
    if fresh:
        return "analyzed"
    return "stale" if fresh is False and state == "analyzed" else state


def _analyzed(variant: Variant) -> bool:
    from mi.store.checkpoints import list_checkpoints
    from mi.store.layout import VariantPaths

    offered = variant.workspace.host.analyzers(variant.family)
    spanning = {id for id, analyzer in offered.items() if analyzer.scope == "family"}  # no variant holds them
    wanted = {use.id for use in variant.family.analyzers} - spanning
    count = len(list_checkpoints(VariantPaths(variant.folder)))
    done = {
        row["analyzer"]
        for row in artifact_rows(variant)
        if row["probe"] == variant.family.default_probe and row["epochs"] in (None, count)
    }
    return bool(wanted) and wanted <= done


def artifact_rows(variant: Variant) -> list[dict[str, Any]]:
    """What is committed: one object a probe and analyzer; ``epochs`` is None where no axis is epochs.

    ``nonfinite`` lists the epochs whose values are not finite, ``[None]`` where no axis is epochs.
    """
    from mi.store.commits import Commits
    from mi.store.layout import VariantPaths

    paths = VariantPaths(variant.folder)
    rows = []
    for folder in sorted(paths.commits.glob("*/*")):
        commits = Commits.of(paths, folder.parent.name, folder.name)
        if not commits.files():
            continue
        row: dict[str, Any] = {"probe": folder.parent.name, "analyzer": folder.name}
        try:
            whole = commits.whole() is not None
            row["epochs"] = None if whole else len(commits.read())
            rows.append(row | {"nonfinite": list(commits.nonfinite()), "error": ""})
        except MiError as error:
            rows.append(row | {"epochs": 0, "nonfinite": [], "error": str(error)})
    return rows


def disk_use(folder: Path) -> tuple[int, int]:
    """(files, bytes) below a folder; what vanishes meanwhile does not count."""
    files = size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += (Path(place) / name).lstat().st_size
                files += 1
            except OSError:
                continue
    return files, size
