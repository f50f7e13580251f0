"""How torch computes while an analyzer or a training runs is set, recorded, and put back."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import torch

from mi import Analyzer, Output
from mi.engine.analyze import analyze
from mi.numerics import exactly
from mi.store.layout import VariantPaths
from mi.testing.workspace import isolated_host, make_variant, make_workspace


def flags() -> dict[str, Any]:
    """What decides precision and the choice of algorithms."""
    return {
        "precision": torch.get_float32_matmul_precision(),
        "tf32": torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32,
        "half": torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction,
        "bfloat16": torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warns": torch.is_deterministic_algorithms_warn_only_enabled(),
        "cudnn": torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark,
        "fill": torch.utils.deterministic.fill_uninitialized_memory,
    }


EXACT = {
    "precision": "highest",
    "tf32": False,
    "half": False,
    "bfloat16": False,
    "deterministic": True,
    "warns": True,
    "cudnn": True,
    "fill": False,
}


@pytest.fixture
def loose() -> Any:
    """A process whose user asked for short cuts."""
    with exactly():  # restores everything
        torch.use_deterministic_algorithms(False)
        torch.set_float32_matmul_precision("medium")
        torch.backends.cudnn.allow_tf32 = True
        yield


def test_settings_are_made_and_put_back_even_after_an_error(loose: Any) -> None:
    before = flags()
    assert before["tf32"] and before["precision"] == "medium"
    with pytest.raises(ZeroDivisionError), exactly():
        assert flags() == EXACT
        raise ZeroDivisionError
    assert flags() == before


def test_analyzers_of_every_scope_and_trainings_compute_exactly_and_records_say_so(
    tmp_path: Any, loose: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen = flags(), {}

    def noted(name: str) -> Any:
        def function(data: Any) -> dict[str, float]:
            seen[name] = flags()
            return {"value": 0.0}

        return function

    class Plugin:
        @staticmethod
        def analyze(family: Any) -> list[Analyzer]:
            return [
                Analyzer(
                    id=f"noting.{scope}",
                    version=1,
                    title=scope,
                    function=noted(scope),
                    scope=scope,
                    weights=True,
                    outputs={"value": Output(())},
                )
                for scope in ("checkpoint", "trajectory")
            ]

    from mi import hookimpl

    Plugin.analyze = staticmethod(hookimpl(Plugin.analyze))  # type: ignore[method-assign]
    root = tmp_path / "ws"
    make_workspace(root)
    host = isolated_host(root / ".home", "testing", root=root, given={"noting": Plugin})
    from mi.domain.workspace import Workspace

    variant = make_variant(Workspace(root, host))
    assert flags() == before, "training puts everything back"
    analyze([variant], analyzers=["noting.checkpoint", "noting.trajectory"])
    assert seen == {"checkpoint": EXACT, "trajectory": EXACT}
    assert flags() == before
    records = list(VariantPaths(variant.folder).commits.rglob("*.json"))
    assert len(records) == 2
    for record in records:
        said = json.loads(record.read_bytes())
        assert (said["tf32"], said["deterministic"]) == (False, True)
        assert said["threads"] >= 1 and said["cpu"] and said["versions"]["torch"]


def test_making_them_imports_no_compiler() -> None:
    code = (
        "import sys, torch\nfrom mi.numerics import exactly\nbefore = {*sys.modules}\n"
        "with exactly():\n    assert torch.is_deterministic_algorithms_warn_only_enabled()\n"
        "print(sorted(n for n in {*sys.modules} - before if n.partition('.')[0] != 'mi'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
