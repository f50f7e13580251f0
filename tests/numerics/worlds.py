"""Two real families with every analyzer that any plugin offers them; also run as a process of its own.

python worlds.py FOLDER THREADS…    lays a variant of each, and analyzes it once for each number of threads
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PLUGINS = {
    "modular_addition_1layer": (
        "modular_arithmetic",
        "fourier_library",
        "geometry_library",
        "transformer_library",
    ),
    "induction_attention_only": ("induction", "geometry_library", "transformer_library"),
}
# Large enough that two threads share the work; and, for what is done many times, as small as can be.
LARGE: Mapping[str, Mapping[str, Any]] = {
    "modular_addition_1layer": {"prime": 23, "train_fraction": 0.5},
    "induction_attention_only": {"vocabulary": 24, "context": 16, "segment_max": 7, "test_rows": 8},
}
SMALL: Mapping[str, Mapping[str, Any]] = {
    "modular_addition_1layer": {"prime": 7, "d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 32}
    | {"train_fraction": 0.5},
    "induction_attention_only": {
        "vocabulary": 24,
        "context": 12,
        "segment_max": 5,
        "batch": 4,
        "test_rows": 4,
    }
    | {"d_model": 8, "n_heads": 2, "d_head": 4},
}
UNFIT = (
    "modular_addition_1layer",
    "transformer_library.copying_score",
)  # it reads tokens that it never writes
EPOCHS = (0, 3, 8)


def workspace_of(root: Path, family: str) -> Any:
    """A workspace whose family lists every analyzer that is offered to it."""
    from mi.domain.scaffold import add_family
    from mi.domain.workspace import Workspace
    from mi.testing.workspace import make_workspace

    workspace = make_workspace(root, *PLUGINS[family])
    add_family(workspace, family)
    offered = workspace.host.analyzers(workspace.family(family))
    listed = [id for id in offered if (family, id) != UNFIT]
    rewrite(workspace.family(family).folder / "family.json", listed)
    for file in (workspace.family(family).folder / "probes").glob("repeated.json"):
        probe = json.loads(file.read_text(encoding="utf-8"))
        probe["options"]["rows"] = 48
        file.write_text(json.dumps(probe), encoding="utf-8")
    return Workspace(root, workspace.host)


def rewrite(file: Path, ids: Iterable[str]) -> None:
    """Let family.json list these analyzers in this order, with the options that it gave them."""
    data = json.loads(file.read_text(encoding="utf-8"))
    options = {use["id"]: use for use in data["analyzers"]}
    data["analyzers"] = [options.get(id, {"id": id}) for id in ids]
    file.write_text(json.dumps(data), encoding="utf-8")


def laid(workspace: Any, family: str, parameters: Mapping[str, Any]) -> Any:
    """A variant of the family with three checkpoints: its initialization, on its way to another seed's."""
    from mi.store.checkpoints import save_tensors
    from mi.store.layout import VariantPaths

    variant = workspace.declare(workspace.family(family), parameters)
    variant.save_config()
    start, end = (
        workspace.host.variant_code(variant.family, {**variant.parameters, "seed": seed}).training("cpu")
        for seed in (0, 1)
    )
    for epoch in EPOCHS:
        weights = {n: t.detach().lerp(end.weights[n].detach(), epoch / 10) for n, t in start.weights.items()}
        save_tensors(VariantPaths(variant.folder).checkpoint(epoch), weights, {"epoch": str(epoch)})
    return variant


def main(folder: Path, threads: Iterable[int]) -> None:
    import torch

    from mi.engine.analyze import analyze
    from mi.store.layout import VariantPaths

    for family in PLUGINS:
        torch.set_num_threads(1)
        variant = laid(workspace_of(folder / f"{family}.ws", family), family, LARGE[family])
        paths = VariantPaths(variant.folder)
        for count in threads:
            torch.set_num_threads(count)
            summary = analyze([variant])
            assert not summary.failures, summary.failures
            kept = folder / f"threads{count}" / family
            for place in (paths.checkpoints, paths.artifacts, paths.commits):
                shutil.copytree(place, kept / place.name)
            shutil.rmtree(paths.artifacts)
            shutil.rmtree(paths.commits)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(n) for n in sys.argv[2:]])
