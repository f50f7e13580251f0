"""Activation patching, on a circuit made by hand and against plain numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade_circuits import SHAPE as CIRCUIT
from handmade_circuits import induction
from plain_transformer import Plain
from transformer_kit import SHAPE, drawn, place, run, skipped

from mi.engine.analyze import analyze
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

ROWS = np.array([[3, 1, 4, 1, 5, 2, 6], [2, 7, 1, 8, 2, 3, 8], [5, 5, 5, 5, 5, 5, 5]])
HOOKS = {"residual": "hook_resid_pre", "attention": "hook_attn_out", "mlp": "hook_mlp_out"}
ID = "transformer_library.activation_patching"


@pytest.mark.parametrize(
    "shape",
    [{"norm": "none"}, {"norm": "ln", "d_mlp": 10}],
    ids=lambda s: s["norm"],
)
def test_recovery_is_the_plain_one(tmp_path: Path, shape: Any) -> None:
    state, full = drawn(shape), {**SHAPE, **shape}
    plain = Plain(full, state)
    found = run(tmp_path, "activation_patching", shape, state, ROWS, position=4, answer=7, against=0)
    clean, corrupt = (plain.run(ROWS[i : i + 1]) for i in (0, 1))

    def difference(seen: dict[str, np.ndarray]) -> float:
        logits = seen["unembed.hook_out"][0, 4]
        return float(logits[7] - logits[0])

    def recovered(hook: str, *where: Any) -> float:
        def patch(name: str, x: np.ndarray) -> np.ndarray:
            if name != hook:
                return x
            x = x.copy()
            x[(0, *where)] = clean[hook][(0, *where)]
            return x

        seen = plain.run(ROWS[1:2], patch)
        return (difference(seen) - difference(corrupt)) / (difference(clean) - difference(corrupt))

    kinds = ["residual", "attention", "mlp"] if full["d_mlp"] else ["residual", "attention"]
    assert found["recovery"].shape == (len(kinds), full["layers"], 7)
    for layer in range(full["layers"]):
        for i in range(7):
            for k, kind in enumerate(kinds):
                expected = recovered(f"blocks.{layer}.{HOOKS[kind]}", i)
                np.testing.assert_allclose(found["recovery"][k, layer, i], expected, rtol=5e-3, atol=5e-4)
            for head in range(2):
                expected = recovered(f"blocks.{layer}.attn.hook_z", i, head)
                np.testing.assert_allclose(
                    found["head_recovery"][layer, head, i], expected, rtol=5e-3, atol=5e-4
                )
    np.testing.assert_allclose(found["clean_difference"], difference(clean), rtol=1e-4)
    np.testing.assert_allclose(found["corrupt_difference"], difference(corrupt), rtol=1e-4)


def test_all_comes_back_at_the_end_and_nothing_from_what_does_not_matter(tmp_path: Path) -> None:
    """Rows differ in the token that followed: the answer is there, and then in the induction head alone."""
    rows = np.array([[5, 0, 1, 2, 3, 4, 0, 1], [5, 0, 2, 1, 3, 4, 0, 2]])
    found = run(tmp_path, "activation_patching", CIRCUIT, induction(), rows)
    recovery, heads = found["recovery"], found["head_recovery"]
    assert found["clean_difference"] == pytest.approx(1, abs=1e-5)
    assert found["corrupt_difference"] == pytest.approx(-1, abs=1e-5)
    expected = np.zeros(8)
    expected[2] = 1  # the token after the first 0: what the induction head reads
    np.testing.assert_allclose(recovery[0, 1], expected, atol=1e-5)
    np.testing.assert_allclose(recovery[0, 0], expected, atol=1e-5)
    at_query = np.zeros(8)
    at_query[6] = 1  # what it writes, where the answer is read
    np.testing.assert_allclose(recovery[1, 1], at_query, atol=1e-5)
    np.testing.assert_allclose(heads[1, 0], at_query, atol=1e-5)
    np.testing.assert_allclose(heads[[0, 0, 1], [0, 1, 1]], 0, atol=1e-5)


def test_passes_are_counted_apart(tmp_path: Path) -> None:
    uses = {"activation_patching": {}, "position_loss": {}}
    variant = place(tmp_path, {"d_mlp": 10}, [drawn({"d_mlp": 10}, i) for i in range(3)], ROWS, uses=uses)
    summary = analyze([variant])
    assert summary.failures == []
    each = 1 + 3 * 2 + 2  # both rows; three kinds and the heads in two layers
    assert (summary.total.forward_passes, summary.total.own_passes) == (3, 3 * each)
    assert f"3 forward passes, {3 * each} passes made by analyzers" in summary.line()


def test_it_is_the_same_in_small_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(tmp_path / "whole", "activation_patching", {}, drawn({}), ROWS)
    monkeypatch.setattr("mi.engine.capture.CPU_BUDGET", 1)  # a row at a time
    parts = run(tmp_path / "parts", "activation_patching", {}, drawn({}), ROWS)
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, rtol=1e-4, atol=1e-5)


def test_rows_that_the_network_cannot_tell_apart_recover_nothing_rather_than_nonsense(tmp_path: Path) -> None:
    state = induction()
    state["unembed.weight"].zero_()
    rows = np.array([[5, 0, 1, 2, 3, 4, 0, 1], [5, 0, 2, 1, 3, 4, 0, 2]])
    found = run(tmp_path, "activation_patching", CIRCUIT, state, rows)
    assert np.isnan(found["recovery"]).all()
    assert np.isnan(found["head_recovery"]).all()
    assert found["clean_difference"] == found["corrupt_difference"] == 0


def test_labels_are_read_at_the_last_position(tmp_path: Path) -> None:
    logits = Plain(SHAPE, drawn({})).run(ROWS)["unembed.hook_out"][:, -1]
    found = run(tmp_path, "activation_patching", {}, drawn({}), ROWS, np.array([4, 2, 0]))
    np.testing.assert_allclose(found["clean_difference"], logits[0, 4] - logits[0, 2], rtol=1e-4)
    np.testing.assert_allclose(found["corrupt_difference"], logits[1, 4] - logits[1, 2], rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"clean": 3}, "clean is row 3, the probe has rows 0 to 2"),
        ({"clean": 1}, "rows 1 and 1 hold the same tokens"),
        ({"position": 6}, "position is 6, but positions 0 to 5 have an answer"),
        ({"position": -7}, "position is -7"),
        ({"answer": 8}, "rows 0 and 1 have the same answer, 8"),
        ({"answer": 9}, "the model writes tokens 0 to 8"),
    ],
)
def test_a_question_without_an_answer_is_refused(tmp_path: Path, options: Any, sentence: str) -> None:
    variant = place(tmp_path, {}, [drawn({})], ROWS, uses={"activation_patching": options})
    summary, why = skipped(variant)
    assert sentence in why["activation_patching"]
    assert summary.total.own_passes == 0
    assert not ArtifactReader(VariantPaths(variant.folder)).analyzers("given")
