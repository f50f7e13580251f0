"""Where the workspace is; apart from what it holds, so that those who only look for it stay light."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mi.errors import StoreError

FAMILIES, RESULTS = "model_families", "results"
FAMILY_SCOPE = "_family"  # in results/<family>/, beside variants; no variant's name begins so


def find_workspace(start: Path | str | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """The workspace's folder: the given one, else ``MI_WORKSPACE``, else upward from here.

    Raises:
        StoreError: there is none.
    """
    environ = os.environ if environ is None else environ
    named = start if start is not None else environ.get("MI_WORKSPACE") or None
    if named is not None:
        root = Path(named).expanduser().resolve()
        if (root / FAMILIES).is_dir():
            return root
        raise StoreError(
            f"{root} is no workspace: it holds no {FAMILIES}/ (create one with `mi init {root}`)"
        )
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FAMILIES).is_dir():
            return folder
    raise StoreError(
        f"no workspace: neither {here} nor a folder above it holds {FAMILIES}/ "
        "(create one with `mi init`, or name one with --workspace)"
    )
