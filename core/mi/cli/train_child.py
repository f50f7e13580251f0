"""``mi train VARIANT --intervene``: a child that does otherwise than its parent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mi.domain.workspace import Variant, Workspace


def child_of(workspace: Workspace, name: str, file: str, threads: int | None) -> tuple[Variant, int | None]:
    """The child that a file declares of the variant of that name, and the threads to train it with.

    They are the parent's by default: others would round otherwise before anything else differs.

    Raises:
        MiError: no such variant, or a declaration that does not fit it.
    """
    from mi.domain.intervention import read_interventions
    from mi.store.layout import VariantPaths
    from mi.training import read_record

    parent = workspace.variant(name)
    slug, interventions = read_interventions(Path(file))
    child = workspace.child(parent, slug, interventions)
    record = read_record(VariantPaths(parent.folder))
    return child, threads or (record.threads if record is not None else None)
