"""Checkpoints that came by densifying are analyzed alone, and what there is then is as if always there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from mi.domain.workspace import Variant
from mi.engine.analyze import analyze
from mi.engine.summary import AnalysisSummary
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths
from mi.testing.tiny import ACTIVITY, ANSWERS, FAMILY, PATH
from mi.training import densify, train

Make = Callable[..., Variant]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def passes(summary: AnalysisSummary) -> int:
    return sum(one.forward_passes for one in summary.variants)


def test_only_new_checkpoints_are_passed_and_all_results_are_those_of_a_dense_training(
    mi_variant: Make,
) -> None:
    variant = mi_variant(FAMILY, {"seed": 3}, epochs=12, schedule="0:12:4")
    assert passes(analyze([variant])) == 4
    densify(variant, "3:9:2")
    summary = analyze([variant])
    assert not summary.failures
    assert passes(summary) == 4  # 3, 5, 7 and 9
    assert passes(analyze([variant])) == 0
    dense = Variant(
        workspace=variant.workspace,
        family=variant.family,
        parameters=variant.parameters,
        folder=variant.folder.with_name("dense"),
    )
    train(dense, epochs=12, schedule="0:12:4,3:9:2")
    assert passes(analyze([dense])) == 8
    for id in (ACTIVITY.id, ANSWERS.id, PATH.id):
        found, expected = (
            ArtifactReader(VariantPaths(one.folder)).dataset("full", id).load() for one in (variant, dense)
        )
        assert found.epoch.values.tolist() == [0, 3, 4, 5, 7, 8, 9, 12]
        assert found.drop_attrs().identical(expected.drop_attrs()), id
