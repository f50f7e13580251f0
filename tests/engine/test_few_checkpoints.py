"""Analyzers that run at few checkpoints by default, and what an analyzer declares that it costs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from attrs import evolve

from mi.domain.analyzer import Analyzer
from mi.domain.output import Output
from mi.domain.sizes import said_operations
from mi.engine.analyze import analyze
from mi.engine.cost import declared_cost, sizes_of
from mi.engine.epochs import spread
from mi.engine.plan import make_plan
from mi.engine.session import Session
from mi.errors import ParameterError, PluginError
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

EPOCHS = tuple(range(0, 90, 10))


def few(tiny: Any, id: str, most: int) -> None:
    tiny.ANALYZERS[id] = evolve(tiny.ANALYZERS[id], checkpoints=most)


def held(variant: Any, id: str) -> list[int]:
    return list(ArtifactReader(VariantPaths(variant.folder)).committed("full", id))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 24, 25, 26, 60, 1000])
@pytest.mark.parametrize("most", [2, 3, 25])
def test_the_choice_has_both_ends_and_even_steps(count: int, most: int) -> None:
    epochs = [3 * i * i for i in range(count)]
    chosen = spread(epochs, most)
    assert len(chosen) == min(count, most)
    assert (chosen[0], chosen[-1]) == (epochs[0], epochs[-1])
    steps = {epochs.index(b) - epochs.index(a) for a, b in pairwise(chosen)}
    assert len(steps) == 0 or max(steps) - min(steps) <= 1
    assert spread(epochs, None) == tuple(epochs)


def test_it_runs_at_few_checkpoints_and_its_siblings_at_all(make: Any, tiny: Any) -> None:
    few(tiny, "tiny.grid", 4)
    variant = make(EPOCHS)
    summary = analyze([variant], analyzers=["tiny.grid", "tiny.means"])
    assert summary.failures == []
    assert held(variant, "tiny.grid") == [0, 30, 50, 80]
    assert held(variant, "tiny.means") == list(EPOCHS)
    again = analyze([variant], analyzers=["tiny.grid", "tiny.means"]).total
    assert (again.computed, again.forward_passes) == (0, 0)
    alone = make(EPOCHS, root=variant.workspace.root.with_name("alone"))
    assert analyze([alone], analyzers=["tiny.grid"]).total.forward_passes == 4


def test_epochs_that_are_asked_for_by_name_are_all_computed(make: Any, tiny: Any) -> None:
    few(tiny, "tiny.grid", 3)
    variant = make(EPOCHS)
    analyze([variant], analyzers=["tiny.grid"], epochs="10:50:10")
    assert held(variant, "tiny.grid") == [10, 20, 30, 40, 50]
    analyze([variant], analyzers=["tiny.grid"])
    assert held(variant, "tiny.grid") == [0, 10, 20, 30, 40, 50, 80]


def test_new_checkpoints_make_it_choose_anew_and_nothing_is_computed_twice(make: Any, tiny: Any) -> None:
    from mi_tiny.analyzers import CALLS

    few(tiny, "tiny.grid", 3)
    variant = make(EPOCHS)
    analyze([variant], analyzers=["tiny.grid"])
    assert held(variant, "tiny.grid") == [0, 40, 80]
    CALLS.clear()
    variant = make((*EPOCHS, 41, 42, 43, 44))  # denser in a window: the middle is another
    analyze([variant], analyzers=["tiny.grid"])
    assert held(variant, "tiny.grid") == [0, 40, 42, 80]
    assert CALLS["grid"] == 1
    variant = make((*EPOCHS, 41, 42, 43, 44, 90, 100))
    analyze([variant], analyzers=["tiny.grid"])
    assert held(variant, "tiny.grid") == [0, 40, 42, 43, 80, 100]
    assert CALLS["grid"] == 3


def test_whoever_needs_its_artifacts_has_them(make: Any, tiny: Any) -> None:
    few(tiny, "tiny.means", 2)
    variant = make(EPOCHS)
    analyze([variant], analyzers=["tiny.path"])  # over all epochs: those that there are
    assert held(variant, "tiny.means") == [0, 80]
    assert ArtifactReader(VariantPaths(variant.folder)).dataset("full", "tiny.path").sizes["epoch"] == 2
    few(tiny, "tiny.gap", 3)
    analyze([make(EPOCHS)], analyzers=["tiny.gap"])  # at the same checkpoint
    assert held(variant, "tiny.gap") == held(variant, "tiny.means") == [0, 40, 80]


def test_how_few_is_no_part_of_the_fingerprint(make: Any, tiny: Any) -> None:
    variant = make(EPOCHS)
    analyze([variant], analyzers=["tiny.grid"])
    few(tiny, "tiny.grid", 2)
    assert analyze([make(EPOCHS)], analyzers=["tiny.grid"]).total.computed == 0


@pytest.mark.parametrize(("scope", "most"), [("trajectory", 5), ("checkpoint", 1), ("checkpoint", 0)])
def test_a_number_of_checkpoints_that_cannot_be_is_refused(scope: str, most: int) -> None:
    declared: dict[str, Any] = {"id": "a.b", "version": 1, "title": "", "function": "x:y"}
    with pytest.raises(ParameterError, match=f"analyzer a.b: checkpoints is {most} with scope '{scope}'"):
        Analyzer(**declared, outputs={"z": Output(())}, scope=scope, checkpoints=most)


def priced(make: Any, tiny: Any, id: str, cost: Any) -> Any:
    tiny.ANALYZERS[id] = evolve(tiny.ANALYZERS[id], cost=cost)
    return make_plan(Session(), make(EPOCHS), analyzers=[id]).bench


def test_a_cost_is_a_function_of_sizes_and_options(make: Any, tiny: Any) -> None:
    bench = priced(make, tiny, "tiny.means", lambda n, power: power * n["row"] * n["unit"])
    item = bench.items["tiny.means"]
    assert declared_cost(bench, item) == 11 * 6
    assert sizes_of(bench, item, 4) == {
        "size": 11, "hidden": 6, "seed": 0, "unit": 6, "klass": 11, "x": 11, "row": 11,
        "epoch": 4, "numbers": 134,
    }  # fmt: skip
    bench = priced(make, tiny, "tiny.norms", lambda n: n["matrix"])
    assert declared_cost(bench, bench.items["tiny.norms"]) == 3
    assert (
        declared_cost(bench, evolve(bench.items["tiny.norms"], analyzer=tiny.ANALYZERS["tiny.grid"])) is None
    )


@pytest.mark.parametrize(
    ("cost", "sentence"),
    [
        (lambda n: n["rows"], "its cost raised KeyError: 'rows'"),
        (lambda n: -1, "its cost is -1.0, expected a number of at least 0"),
        (lambda n: float("nan"), "its cost is nan"),
        ("mi_tiny.analyzers:nothing", "nothing"),
    ],
)
def test_a_cost_that_is_none_is_said(make: Any, tiny: Any, cost: Any, sentence: str) -> None:
    bench = priced(make, tiny, "tiny.norms", cost)
    with pytest.raises(PluginError, match=sentence):
        declared_cost(bench, bench.items["tiny.norms"])


def test_operations_for_people() -> None:
    said = [said_operations(n) for n in (0, 999, 1000, 3.21e9, 5e15)]
    assert said == ["0 FLOP", "999 FLOP", "1 kFLOP", "3.21 GFLOP", "5e+03 TFLOP"]
