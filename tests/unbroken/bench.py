"""Workspaces to be killed in, made of plain files, and what is visible in them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mi.store.artifacts import ArtifactReader
from mi.store.checkpoints import save_tensors
from mi.store.groupcheck import check_group, groups_of
from mi.store.groups import open_group
from mi.store.integrity import Finding, Tally, check_files
from mi.store.keys import keys_of
from mi.store.layout import VariantPaths

SIZE, HIDDEN = 5, 4
NAME = f"n{SIZE}_seed0"
ANALYZERS = ("tiny.means", "tiny.gap", "tiny.path")


def workspace(
    root: Path,
    epochs: Iterable[int],
    analyzers: Iterable[str] = ANALYZERS,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
) -> VariantPaths:
    """Write, or write over, a workspace with one variant of the family ``tiny``; checkpoints are added."""
    family = root / "model_families" / "tiny"
    (family / "probes").mkdir(parents=True, exist_ok=True)
    declared = {
        "schema": 1,
        "name": "tiny",
        "code": "tiny.mlp",
        "variant": "n{size}_seed{seed}",
        "parameters": {
            "size": {"type": "int", "default": SIZE, "minimum": 2},
            "hidden": {"type": "int", "default": HIDDEN, "minimum": 1},
            "seed": {"type": "int", "default": 0, "minimum": 0},
        },
        "probes": {"kinds": ["core.full_grid"], "default": "full"},
        "analyzers": [{"id": id, "options": (options or {}).get(id, {})} for id in analyzers],
    }
    (family / "family.json").write_text(json.dumps(declared))
    probe = {"schema": 1, "kind": "core.full_grid", "options": {}}
    (family / "probes" / "full.json").write_text(json.dumps(probe))
    paths = VariantPaths(root / "results" / "tiny" / f"n{SIZE}_seed{seed}")
    paths.root.mkdir(parents=True, exist_ok=True)
    parameters = {"size": SIZE, "hidden": HIDDEN, "seed": seed}
    paths.config.write_text(json.dumps({"schema": 1, "family": "tiny", "parameters": parameters}))
    for epoch in epochs:
        if not paths.checkpoint(epoch).exists():
            checkpoint(paths, epoch)
    return paths


def checkpoint(paths: VariantPaths, epoch: int, seed: int = 0) -> None:
    """Write one checkpoint, drawn from its epoch and ``seed``."""
    generator = torch.Generator().manual_seed(1000 * seed + epoch)
    shapes = {"embed": (SIZE, 4), "inner": (4, HIDDEN), "outer": (HIDDEN, SIZE)}
    save_tensors(
        paths.checkpoint(epoch), {n: torch.randn(s, generator=generator) for n, s in shapes.items()}, {}
    )


def copied(source: Path, target: Path) -> Path:
    """A copy of a workspace; what stood there goes."""
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(source, target, symlinks=True))


Bits = dict[str, bytes]
Visible = dict[tuple[str, int | None], tuple[str, Bits]]


def visible(paths: VariantPaths) -> Visible:
    """(analyzer, epoch or None) -> fingerprint and bits of all its arrays: all that a reader is shown.

    Kept activations too, under the names of their groups.
    """
    return _visible(paths) | _visible(paths.kept)


def _visible(paths: VariantPaths) -> Visible:
    reader = ArtifactReader(paths)
    found: Visible = {}
    for id in reader.analyzers("full"):
        held = reader.committed("full", id)
        data = reader.loaded("full", id)
        whole = reader.whole("full", id)
        if whole is not None:
            bits = {str(n): _bits(v.dims, v.values) for n, v in data.variables.items()}
            found[id, None] = (whole, bits)
            continue
        shown = {int(e) for e in data["epoch"]}
        assert held.keys() <= shown <= reader.committed("full", id).keys(), id
        for epoch, fingerprint in held.items():
            one = data.sel(epoch=epoch)
            bits = {str(n): _bits(v.dims, v.values) for n, v in one.data_vars.items()}
            found[id, epoch] = (fingerprint, bits)
    return found


def flagged(paths: VariantPaths) -> dict[tuple[str, int], Bits]:
    """(analyzer, epoch) -> bits, of every epoch that the coordinate ``committed`` shows to plain readers."""
    return _flagged(paths) | _flagged(paths.kept)


def _flagged(paths: VariantPaths) -> dict[tuple[str, int], Bits]:
    found = {}
    for probe, id in groups_of(paths):
        keys = keys_of(paths, probe, id)
        if not keys.exists("zarr.json"):
            continue
        arrays = open_group(keys).arrays
        if "committed" not in arrays:
            continue
        epochs, flags = arrays["epoch"].read(), arrays["committed"].read()
        for at in np.flatnonzero(flags):
            rows = {
                n: _bits(a.dims[1:], a.row(int(at)))
                for n, a in arrays.items()
                if n not in ("epoch", "committed") and a.dims[:1] == ("epoch",)
            }
            found[id, int(epochs[at])] = rows
    return found


def _bits(dims: Any, values: np.ndarray) -> bytes:
    return f"{tuple(dims)}{values.dtype.str}{values.shape}".encode() + np.ascontiguousarray(values).tobytes()


def findings(paths: VariantPaths) -> list[Finding]:
    """Everything that `mi verify` finds without computing anything."""
    tally = Tally()
    found = list(check_files(paths, tally, deep=True))
    for held in (paths, paths.kept):
        for probe, analyzer in groups_of(held):
            found += check_group(held, probe, analyzer, tally, deep=True)
    return found
