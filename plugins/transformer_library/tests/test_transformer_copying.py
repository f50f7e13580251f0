"""The copying score: on circuits made by hand, and against the eigenvalues of the whole matrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from handmade_circuits import SHAPE, induction
from plain_transformer import Plain
from transformer_kit import SHAPE as DRAWN
from transformer_kit import drawn, place, run, skipped

from mi.engine.analyze import analyze

TOKENS = np.array([[0, 1, 2, 3, 0, 1, 2]])


@pytest.mark.parametrize("copy", [1.0, -0.5])
def test_a_head_that_copies_scores_its_sign(tmp_path: Path, copy: float) -> None:
    score = run(tmp_path, "copying_score", SHAPE, induction(copy), np.array([[0, 1, 2, 3, 0, 1, 2, 3]]))[
        "score"
    ]
    assert score[1, 0] == pytest.approx(np.sign(copy), abs=1e-6)
    assert np.isnan(
        score[[0, 0, 1], [0, 1, 1]]
    ).all()  # what they write is not unembedded: a circuit of zeros


@pytest.mark.parametrize("norm", ["none", "ln"])
def test_the_small_product_has_the_eigenvalues_of_the_whole_circuit(tmp_path: Path, norm: str) -> None:
    shape = {"norm": norm, "layers": 2}
    state = drawn(shape)
    plain = Plain({**DRAWN, **shape}, state)
    expected = np.empty((2, 2))
    for layer in range(2):
        for head in range(2):
            ov = plain.head(layer, "v")[head] @ plain.head(layer, "o")[head]
            circuit = plain.w["embed.weight"] @ ov @ plain.w["unembed.weight"].T  # (9, 9)
            values = np.linalg.eigvals(circuit)
            expected[layer, head] = values.real.sum() / np.abs(values).sum()
    score = run(tmp_path, "copying_score", shape, state, TOKENS)["score"]
    np.testing.assert_allclose(score, expected, atol=1e-5)


def test_it_needs_no_pass(tmp_path: Path) -> None:
    variant = place(tmp_path, {}, [drawn({}), drawn({}, 1)], TOKENS, uses={"copying_score": {}})
    summary = analyze([variant])
    assert (summary.failures, summary.total.forward_passes, summary.total.own_passes) == ([], 0, 0)
    assert summary.total.computed == 2


def test_a_model_that_writes_other_tokens_than_it_reads_is_refused(tmp_path: Path) -> None:
    variant = place(tmp_path, {"writes": 8}, [drawn({"writes": 8})], TOKENS, uses={"copying_score": {}})
    summary, why = skipped(variant)
    assert summary.failures == []
    assert why["copying_score"].startswith("not applicable: the model reads 9 tokens and writes 8")
    assert summary.total.computed == 0
