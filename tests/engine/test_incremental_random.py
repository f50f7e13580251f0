"""Random graphs, random changes: exactly what depends on a change is computed again, and to the same bits."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from hypothesis import HealthCheck, Phase, given, settings
from random_graphs import CHECKPOINT, FAMILY, TRAJECTORY, Node, World, apply, changes, graphs

from mi import Analyzer, ArtifactNeed, Derived, Option, Output, Site
from mi.engine.analyze import analyze
from mi.store.artifacts import ArtifactReader
from mi.store.checkpoints import save_tensors
from mi.store.layout import VariantPaths

CALLS: Counter[tuple[int, int | None]] = Counter()  # (node, epoch) -> runs


def declare(world: World) -> dict[str, Analyzer]:
    """The analyzers of a world."""
    hidden = Site("hook_hidden", -1)

    def first(data: Any) -> Any:
        return data.site("hook_hidden", -1).mean() + world.versions[0] + world.sources[0] / 8

    def second(data: Any) -> Any:
        scaled = data.context["scale"] * data.derived("tiny.q0")
        return scaled + data.site("hook_hidden", -1).std() + world.versions[1] + world.sources[1] / 8

    q0 = Derived(id="tiny.q0", version=world.versions[0], function=first, sites=(hidden,))
    q0 = from_file(q0, world.sources[0])
    q1 = Derived(
        id="tiny.q1",
        version=world.versions[1],
        function=second,
        sites=(hidden,),
        derived=(q0,),
        context=("scale",),
    )
    q1 = from_file(q1, world.sources[1])
    return {f"tiny.n{i}": analyzer(i, node, [q0, q1]) for i, node in enumerate(world.nodes)}


def from_file(thing: Any, source: int) -> Any:
    """As the host does with what a local file declares."""
    return evolve(thing, source=f"digest{source}" if source else "")


def analyzer(i: int, node: Node, quantities: list[Derived]) -> Analyzer:
    own = float(i + 10 * node.version) + node.source / 4

    def at_checkpoint(data: Any, power: int) -> dict[str, Any]:
        CALLS[i, data.epoch] += 1
        total = torch.tensor(own, dtype=torch.float64) + len(data.probe)
        if node.site:
            total = total + (data.site("hook_logits", -1) ** power).mean()
        if node.weights:
            total = total + data.weights["inner"].sum() * power
        if node.context:
            total = total + data.context["scale"]
        if node.derived is not None:
            total = total + data.derived(f"tiny.q{node.derived}")
        for j, at in node.needs:
            source = data.reference if at == "reference" else data.artifacts
            total = total + source[f"tiny.n{j}"]["value"].double().mean() * (j + 2) * power
        return {"value": total.float().expand(6) if node.wide else total.float()}

    def over_all(data: Any, power: int) -> dict[str, Any]:
        CALLS[i, None] += 1
        total = own + len(data.subject.probe) + sum(data.subject.epochs)
        if node.context:
            total += data.subject.context["scale"]
        for j, at in node.needs:
            given = data.reference if at == "reference" else data.artifacts
            total += summed(given[f"tiny.n{j}"]["value"]) * (j + 2) * power
        if node.weights:
            total += sum(float(w["inner"].sum()) for _, w in data.checkpoints())
        return {"value": [total] * 2 if node.wide else total}

    def over_variants(data: Any, power: int) -> dict[str, Any]:
        CALLS[i, None] += 1
        total = own
        for j, at in node.needs:
            given = data.reference if at == "reference" else data.artifacts
            total += sum(summed(given[f"tiny.n{j}"][v]["value"]) for v in data.variants) * (j + 2) * power
        return {"value": [total] * 2 if node.wide else total}

    wide = "unit" if node.scope == CHECKPOINT else "side"
    return from_file(
        Analyzer(
            id=f"tiny.n{i}",
            version=node.version,
            title=f"Node {i}",
            function={CHECKPOINT: at_checkpoint, TRAJECTORY: over_all, FAMILY: over_variants}[node.scope],
            scope=node.scope,
            sites=(Site("hook_logits", -1),) if node.site else (),
            weights=node.weights,
            context=("scale",) if node.context else (),
            derived=(quantities[node.derived],) if node.derived is not None else (),
            artifacts=tuple(ArtifactNeed(f"tiny.n{j}", at=at) for j, at in node.needs),
            outputs={
                "value": Output(
                    (wide,) if node.wide else (), "float32" if node.scope == CHECKPOINT else "float64"
                )
            },
            options={"power": Option(type="int", default=1, minimum=1)},
            coordinates=None if node.scope == CHECKPOINT else lambda subject, **_: {"side": [0, 1]},
        ),
        node.source,
    )


def summed(values: Any) -> float:
    return float(np.asarray(values).astype("float64").sum())


def lay(make: Any, tiny: Any, world: World, root: Path) -> Any:
    """The world on disk, opened with a fresh host."""
    import mi_tiny.code

    tiny.ANALYZERS.clear()
    tiny.ANALYZERS.update(declare(world))
    mi_tiny.code.TinyMlp.context = lambda self: {"scale": world.scale}
    chosen = {f"tiny.n{i}": {"power": node.power} for i, node in enumerate(world.nodes)}
    variant = make([], analyzers=list(chosen), options=chosen, root=root)
    paths = VariantPaths(variant.folder)
    for epoch in world.epochs:
        moved = epoch + 100 * world.content.get(epoch, 0)
        save_tensors(paths.checkpoint(epoch), mi_tiny.code.weights_at(variant.parameters, moved), {})
    for _, epoch in world.gone:
        paths.checkpoint(epoch).unlink(missing_ok=True)
    probe = {"schema": 1, "kind": "core.filter", "options": {"where": [f"x < {world.rows}"]}}
    (variant.family.folder / "probes" / "some.json").write_text(json.dumps(probe))
    return variant


def run(variant: Any, world: World) -> tuple[dict[tuple[int, int | None], int], int]:
    """What was called, and how many passes were made."""
    CALLS.clear()
    summary = analyze([variant], probe="some", dtype=world.dtype)
    assert summary.failures == []
    return dict(CALLS), summary.total.forward_passes


def values(variant: Any, world: World) -> dict[str, Any]:
    """What is stored of every node: over the checkpoints there are."""
    found = {}
    for i, node in enumerate(world.nodes):
        folder = variant.folder if node.scope != FAMILY else variant.workspace.family_folder(variant.family)
        data = ArtifactReader(VariantPaths(Path(folder))).dataset("some", f"tiny.n{i}").load()
        found[f"tiny.n{i}"] = data.sel(epoch=world.epochs) if node.scope == CHECKPOINT else data
    return found


def check(make: Any, tiny: Any, tmp_path: Path, world: World, steps: list[tuple[str, int]]) -> None:
    roots = [tmp_path / "grown", tmp_path / "scratch"]
    for root in roots:
        shutil.rmtree(root, ignore_errors=True)
    variant = lay(make, tiny, world, roots[0])
    every = world.results()
    assert run(variant, world) == (dict.fromkeys(every, 1), world.passes(every))
    for kind, number in steps:
        before, world = world.results(), apply(world, kind, number)
        stale = [key for key, reads in world.results().items() if before.get(key) != reads]
        variant = lay(make, tiny, world, roots[0])
        assert run(variant, world) == (dict.fromkeys(stale, 1), world.passes(stale)), (kind, number)
        assert run(variant, world) == ({}, 0), kind
    straight = lay(make, tiny, world, roots[1])
    run(straight, world)
    grown, scratch = values(variant, world), values(straight, world)
    for i, node in enumerate(world.nodes):
        if world.gone and node.scope != CHECKPOINT:
            continue  # it saw results of checkpoints that are gone
        one, other = grown[f"tiny.n{i}"], scratch[f"tiny.n{i}"]
        assert one.equals(other), i
        assert one["value"].values.tobytes() == other["value"].values.tobytes(), i


# Derandomized: the same examples each time, so that a failure is everybody's and not one machine's.
same = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # shrinking a failure would take longer than a test may
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@same
@given(graphs(), changes)
def test_exactly_the_dependents_of_a_change_run_and_end_as_from_scratch(
    make: Any, tiny: Any, tmp_path: Path, world: World, steps: list[tuple[str, int]]
) -> None:
    check(make, tiny, tmp_path, world, steps)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@settings(same, max_examples=300)
@given(graphs(), changes)
def test_so_do_those_of_many_graphs(
    make: Any, tiny: Any, tmp_path: Path, world: World, steps: list[tuple[str, int]]
) -> None:
    check(make, tiny, tmp_path, world, steps)
