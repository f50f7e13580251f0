"""Nothing in the loop over checkpoints waits for the device, and of the analyzers only those that say why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import define, evolve, field
from waiting.unwaited import Device, WaitError, unwaited

from mi.domain.workspace import Workspace
from mi.engine.analyze import analyze
from mi.engine.blockwork import BlockWork
from mi.engine.moment import Moment
from mi.engine.stream import Streams
from mi.refs import resolve
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

EPOCHS = (0, 3, 6)
ADDITION = "modular_addition_1layer"
FAMILIES = {
    ADDITION: (
        ("modular_arithmetic", "fourier_library", "geometry_library", "transformer_library"),
        {"prime": 7, "d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 12},
    ),
    "symmetric_group_composition": (("modular_arithmetic",), {"n": 3, "d_embed": 4, "d_mlp": 8}),
    "induction_attention_only": (
        ("induction", "transformer_library"),
        {
            "d_model": 8,
            "n_heads": 2,
            "d_head": 4,
            "vocabulary": 24,
            "context": 12,
            "segment_min": 2,
            "segment_max": 5,
            "batch": 4,
            "test_rows": 4,
        },
    ),
}
# What may wait, operator by operator, and why.
WAITING = {
    "modular_arithmetic.effective_dimension": {
        "_linalg_svd": "found step by step; the library looks on the host whether it is done"
    },
    "modular_arithmetic.class_geometry": {
        "_linalg_eigh": "found step by step; the library looks on the host whether it is done"
    },
    "modular_arithmetic.class_positions": {
        "_linalg_svd": "of matrices of six, to rotate one basis to another: found step by step"
    },
    "transformer_library.copying_score": {
        "linalg_eig": "of matrices that are not symmetric: found on the host, whatever the device"
    },
    "geometry_library.top_curvature": {
        "_local_scalar_dense": "found step by step; each looks whether it is near enough"
    },
    "modular_arithmetic.progress_measures": {
        "_local_scalar_dense": "on the CPU alone: whether exponentials underflow decides between two formulas"
    },
    "modular_arithmetic.irrep_progress": {
        "_local_scalar_dense": "on the CPU alone: whether exponentials underflow decides between two formulas"
    },
}
# What has no meaning for a family's model or probe, and so runs with the other family alone.
ELSEWHERE = {"transformer_library.copying_score", "transformer_library.prefix_matching_score"}


@define
class Loop:
    """What the loop over checkpoints did while waiting raised."""

    epochs: list[int] = field(factory=list)
    analyzers: set[str] = field(factory=set)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    """Every checkpoint of the loop runs where waiting raises, but for what :data:`WAITING` allows."""
    seen = Loop()
    mode: Any = None
    checkpoint, run, finish = BlockWork.checkpoint, Moment.run, Streams.finish

    def watched(self: BlockWork, loaded: Any) -> None:
        nonlocal mode
        with unwaited() as mode:
            checkpoint(self, loaded)
        seen.epochs.append(loaded.checkpoint.epoch)

    def named(self: Moment, item: Any, *rest: Any) -> Any:
        seen.analyzers.add(item.id)
        mode.allowed = WAITING.get(item.id, {})
        try:
            return run(self, item, *rest)
        finally:
            mode.allowed = ()

    monkeypatch.setattr(BlockWork, "checkpoint", watched)

    def finished(self: Streams, item: Any, *rest: Any) -> Any:
        result = finish(self, item, *rest)
        seen.analyzers.add(item.id)
        return result

    monkeypatch.setattr(Moment, "run", named)
    monkeypatch.setattr(Streams, "finish", finished)
    yield seen


def make(root: Path, name: str) -> Any:
    """A variant of a family that uses every analyzer that its plugins offer it."""
    from mi.domain.scaffold import add_family, create_workspace
    from mi.store.checkpoints import save_tensors
    from mi.testing import isolated_host

    plugins, parameters = FAMILIES[name]
    create_workspace(root)
    workspace = Workspace(root, isolated_host(root / ".home", *plugins))
    add_family(workspace, name)
    file = root / "model_families" / name / "family.json"
    family = json.loads(file.read_text())
    listed = {entry["id"] for entry in family["analyzers"]}
    offered = workspace.host.analyzers(workspace.family(name))
    family["analyzers"] += [{"id": id} for id in sorted(offered) if id not in listed]
    file.write_text(json.dumps(family))
    workspace = Workspace(root, workspace.host)
    variant = workspace.declare(workspace.family(name), parameters)
    variant.save_config()
    for epoch in EPOCHS:
        weights = variant.code.training("cpu").weights
        changed = {n: (1 + epoch / 10) * t.detach() for n, t in weights.items()}
        save_tensors(VariantPaths(variant.folder).checkpoint(epoch), changed, {})
    return variant


@pytest.mark.parametrize("name", FAMILIES)
def test_no_analyzer_waits_but_those_that_say_why(tmp_path: Path, name: str, loop: Loop) -> None:
    variant = make(tmp_path, name)
    summary = analyze([variant], device=Device("cpu"))
    failures = [f for f in summary.failures if f.analyzer not in ELSEWHERE or name != ADDITION]
    assert not failures, "\n".join(f.message for f in failures)
    assert sorted(loop.epochs) == list(EPOCHS)
    assert summary.total.forward_passes == len(EPOCHS)
    offered = variant.workspace.host.analyzers(variant.family).values()
    expected = {a.id for a in offered if a.scope == "checkpoint"} - (ELSEWHERE if name == ADDITION else set())
    assert loop.analyzers >= expected
    reader = ArtifactReader(VariantPaths(variant.folder))
    for id in expected:
        assert list(reader.committed(variant.family.default_probe, id)) == list(EPOCHS)


TENSOR, MASK = torch.arange(4.0), torch.arange(4) > 1
WAITS: dict[str, Callable[[], Any]] = {
    "item": lambda: TENSOR.sum().item(),
    "bool": lambda: bool(MASK.any()),
    "float": lambda: float(TENSOR[0]),
    "equal": lambda: torch.equal(TENSOR, TENSOR),
    "numpy": lambda: TENSOR.numpy(),
    "asarray": lambda: np.asarray(TENSOR),
    "tolist": lambda: TENSOR.tolist(),
    "cpu": lambda: TENSOR.cpu(),
    "to cpu": lambda: TENSOR.to("cpu"),
    "to another device": lambda: TENSOR.to("meta"),
    "copy to another device": lambda: torch.empty(4, device="meta").copy_(TENSOR),
    "choose by a mask": lambda: TENSOR[MASK],
    "nonzero": lambda: MASK.nonzero(),
    "where": lambda: torch.where(MASK),
    "unique": lambda: TENSOR.unique(),
    "set by a mask": lambda: TENSOR.clone().__setitem__(MASK, TENSOR[:2]),
}


@pytest.mark.parametrize("how", WAITS)
def test_whatever_waits_is_seen(how: str) -> None:
    WAITS[how]()
    with unwaited(), pytest.raises(WaitError):
        WAITS[how]()
    WAITS[how]()


def test_what_does_not_wait_and_other_threads_are_let_be() -> None:
    with unwaited(), ThreadPoolExecutor(1) as pool:
        filled = TENSOR.clone()
        filled[MASK] = 0.0
        TENSOR.to(Device("cpu"), torch.float64)
        torch.where(MASK, TENSOR, 0).sum()
        assert pool.submit(filled.tolist).result() == [0, 1, 0, 0]


def test_an_analyzer_that_waits_is_told(tmp_path: Path, loop: Loop) -> None:
    """The check can fail: one value read back is enough."""
    variant = make(tmp_path, ADDITION)
    host = variant.workspace.host
    plain = type(host).analyzers

    def analyzers(self: Any, family: Any) -> Any:
        found = dict(plain(self, family))
        id = "fourier_library.weight_spectrum"
        function = found[id].function

        def waiting(data: Any, **options: Any) -> Any:
            assert data.weights[options["weight"]].sum().item() == 0
            return resolve(function)(data, **options)

        return found | {id: evolve(found[id], function=waiting)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(host), "analyzers", analyzers)
        summary = analyze([variant], analyzers=["fourier_library.weight_spectrum"], device=Device("cpu"))
    assert len(summary.failures) == len(EPOCHS)
    assert "raised WaitError: _local_scalar_dense waits for the device" in summary.failures[0].message
