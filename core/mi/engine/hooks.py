"""A model's hooks as they were when its activations were kept: what can be asked of it without building it.

``activations.commits/<probe>/hooks.json`` says which hooks there were and what one row of each was. With it a
pattern expands, and an analyzer learns how many layers there are, when the model cannot be built any more.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mi.domain.jsonfile import write_json
from mi.domain.workspace import Variant
from mi.engine.bench import Bench
from mi.engine.keep import code_identity
from mi.errors import PlanError
from mi.store.files import store_errors
from mi.store.layout import VariantPaths
from mi.store.schema import digest_of

SCHEMA = 1


class RecordedHooks(Mapping[str, tuple[int, ...]]):
    """A model's hooks as they were when its activations were kept: what can be asked without the model."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._table = table

    def dtype(self, hook: str) -> str:
        """The data type of a hook's activation, as torch names it.

        Raises:
            PlanError: it never fires.
        """
        return str(self._fired(hook)[0])

    def __getitem__(self, hook: str) -> tuple[int, ...]:
        return tuple(self._fired(hook)[1])

    def _fired(self, hook: str) -> list[Any]:
        found: list[Any] | None = self._table[hook]
        if found is None:
            raise PlanError(f"hook {hook} exists but never fires in this model")
        return found

    def __contains__(self, hook: object) -> bool:
        return hook in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


def hooks_file(paths: VariantPaths, probe: str) -> Path:
    """Where the hooks of a probe's kept activations are recorded."""
    return paths.kept.commits / probe / "hooks.json"


def record_hooks(bench: Bench) -> None:
    """Record the hooks of the model, before any of its activations are kept.

    Raises:
        StoreError: the folder cannot be written.
    """
    hooks: Any = bench.subject.hooks
    if isinstance(hooks, RecordedHooks):
        return
    made_for = _made_for(bench.variant, bench.probe.n_ctx, bench.dtype)
    file = hooks_file(bench.paths, bench.probe_name)
    with store_errors(file, "written"):
        write_json(file, {"schema": SCHEMA, "made_for": made_for, "hooks": hooks.table()})


def recorded_hooks(variant: Variant, probe: str, n_ctx: int, dtype: str) -> RecordedHooks | None:
    """The hooks that were recorded for this model over inputs of this length; None where none were."""
    try:
        data = json.loads(hooks_file(VariantPaths(variant.folder), probe).read_bytes())
        usable = data["schema"] == SCHEMA and data["made_for"] == _made_for(variant, n_ctx, dtype)
        return RecordedHooks(data["hooks"]) if usable else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget_hooks(paths: VariantPaths) -> None:
    """Remove what is recorded for probes of which no activations are kept any more, and what is empty then.

    The variant's lock must be held.

    Raises:
        StoreError: the folder cannot be written.
    """
    root, commits = paths.kept.artifacts, paths.kept.commits
    with store_errors(paths.root, "written"):
        for folder in sorted(commits.glob("*/")):
            if not (root / folder.name).is_dir():
                (folder / "hooks.json").unlink(missing_ok=True)
                folder.rmdir()
        if commits.is_dir() and not any(commits.iterdir()):
            commits.rmdir()
            shutil.rmtree(root, ignore_errors=True)


def _made_for(variant: Variant, n_ctx: int, dtype: str) -> str:
    return digest_of([code_identity(variant, dtype), n_ctx])
