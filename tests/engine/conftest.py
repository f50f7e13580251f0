"""A workspace with one variant of the tiny family, whose plugin is found as any installed one is."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mi.testing import Ran, run

SITE = Path(__file__).parent / "site"
EPOCHS = (0, 50, 100, 200, 400)
PARAMETERS = {"size": 11, "hidden": 6, "seed": 0}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The tiny plugin's module, unchanged at the start of each test, and the only plugin there is."""
    monkeypatch.syspath_prepend(SITE)
    monkeypatch.setenv("MI_LOAD_PLUGINS", "tiny")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")]))
    import mi_tiny
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # eleven rows: threads only wait for one another
    import mi_tiny.analyzers
    import mi_tiny.code

    before = dict(mi_tiny.ANALYZERS)
    mi_tiny.analyzers.CALLS.clear()
    mi_tiny.code.MODELS.clear()
    yield mi_tiny
    torch.set_num_threads(threads)
    mi_tiny.ANALYZERS.clear()
    mi_tiny.ANALYZERS.update(before)
    for name in [n for n in sys.modules if n.startswith("mi_tiny")]:
        del sys.modules[name]


Make = Callable[..., Any]


def family_json(analyzers: list[Any]) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": "tiny",
        "code": "tiny.mlp",
        "variant": "n{size}_seed{seed}",
        "parameters": {
            "size": {"type": "int", "default": 11, "minimum": 2},
            "hidden": {"type": "int", "default": 6, "minimum": 1},
            "seed": {"type": "int", "default": 0, "minimum": 0},
        },
        "probes": {"kinds": ["core.full_grid", "core.filter"], "default": "full"},
        "analyzers": analyzers,
    }


@pytest.fixture
def make(tmp_path: Path, tiny: Any) -> Make:
    """``make(epochs, analyzers=…, options=…, **parameters)``: write a variant, open it with a fresh host."""

    def one(
        epochs: Any = EPOCHS,
        analyzers: list[str] | None = None,
        options: dict[str, dict[str, Any]] | None = None,
        root: Path | None = None,
        **parameters: Any,
    ) -> Any:
        from mi_tiny.code import weights_at

        from mi.domain.workspace import Workspace
        from mi.store.checkpoints import save_tensors
        from mi.store.layout import VariantPaths

        root = root or tmp_path / "work"
        folder = root / "model_families" / "tiny"
        (folder / "probes").mkdir(parents=True, exist_ok=True)
        listed = [
            {"id": id, "options": (options or {}).get(id, {})} for id in (analyzers or list(tiny.ANALYZERS))
        ]
        (folder / "family.json").write_text(json.dumps(family_json(listed)))
        probes = {"full": ("core.full_grid", {}), "few": ("core.filter", {"where": ["x < 3"]})}
        for name, (kind, chosen) in probes.items():
            text = json.dumps({"schema": 1, "kind": kind, "options": chosen})
            (folder / "probes" / f"{name}.json").write_text(text)
        workspace = Workspace.open(root)
        variant = workspace.declare(workspace.family("tiny"), {**PARAMETERS, **parameters})
        if not variant.exists:
            variant.save_config()
        paths = VariantPaths(variant.folder)
        for epoch in epochs:
            if not paths.checkpoint(epoch).exists():
                save_tensors(paths.checkpoint(epoch), weights_at(variant.parameters, epoch), {})
        return variant

    return one


@pytest.fixture
def mi() -> Callable[..., Ran]:
    """``mi(variant, *words)``: the command in this process, on the variant's workspace."""
    return lambda variant, *words: run("-w", str(variant.workspace.root), *words)


@pytest.fixture
def row_logits(tiny: Any) -> str:
    """The id of a streaming analyzer with a value for each row of the probe, which the plugin offers."""
    from mi import Analyzer, Output, Site

    tiny.ANALYZERS["tiny.rows"] = Analyzer(
        id="tiny.rows",
        version=1,
        title="Rows",
        function="mi_tiny.streams:RowLogits",
        streaming=True,
        sites=(Site("hook_logits", -1),),
        outputs={"top": Output(("row",))},
    )
    return "tiny.rows"
