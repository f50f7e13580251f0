"""What heads look at, on networks made by hand and against plain numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade_circuits import CONTEXT, SHAPE, induction
from plain_transformer import Plain
from transformer_kit import SHAPE as DRAWN
from transformer_kit import drawn, place, run, skipped

from mi.engine.analyze import analyze
from mi.errors import PlanError
from mi_transformer_library.attention import followers

REPEAT = np.array([[5, 0, 1, 2, 3, 0, 1, 2], [3, 4, 5, 1, 4, 5, 1, 4]])
MIXED = np.random.default_rng(1).integers(0, 9, (5, 7))


@pytest.fixture(scope="module")
def plain() -> dict[str, np.ndarray]:
    return Plain(DRAWN, drawn({})).run(MIXED)


def patterns(found: dict[str, np.ndarray]) -> np.ndarray:
    """(layer, rows, head, query, key)."""
    return np.stack([found[f"blocks.{layer}.attn.hook_pattern"] for layer in (0, 1)])


def test_a_pattern_is_the_mean_over_rows_or_one_row(tmp_path: Path, plain: Any) -> None:
    mean = run(tmp_path / "mean", "attention_pattern", {}, drawn({}), MIXED)["pattern"]
    np.testing.assert_allclose(mean, patterns(plain).mean(1), atol=1e-6)
    np.testing.assert_allclose(mean.sum(-1), 1, atol=1e-5)
    one = run(tmp_path / "one", "attention_pattern", {}, drawn({}), MIXED, row=3)["pattern"]
    np.testing.assert_allclose(one, patterns(plain)[:, 3], atol=1e-6)


def test_a_previous_token_head_scores_one_and_others_what_they_spread(tmp_path: Path) -> None:
    score = run(tmp_path, "previous_token_score", SHAPE, induction(), REPEAT)["score"]
    even = np.mean([1 / (i + 1) for i in range(1, CONTEXT)])  # a head that attends evenly to what it sees
    np.testing.assert_allclose(score[0], [1, even], atol=1e-5)
    assert score[1, 0] < 0.2
    np.testing.assert_allclose(score[1, 1], even, atol=1e-5)


def test_the_previous_token_score_is_the_plain_mean(tmp_path: Path, plain: Any) -> None:
    score = run(tmp_path, "previous_token_score", {}, drawn({}), MIXED)["score"]
    every = patterns(plain)
    expected = np.mean([every[..., i, i - 1] for i in range(1, 7)], axis=(0, 2))
    np.testing.assert_allclose(score, expected, atol=1e-6)


def test_an_induction_head_matches_prefixes(tmp_path: Path) -> None:
    score = run(tmp_path, "prefix_matching_score", SHAPE, induction(), REPEAT)["score"]
    np.testing.assert_allclose(score[1, 0], 1, atol=1e-5)
    assert score[0, 0] < 1e-5  # the token before is never what followed, in these rows
    even = np.mean([1 / 6, 1 / 7, 1 / 8, 1 / 5, 1 / 6, 1 / 7, 2 / 8])  # the last 4 occurred twice before
    np.testing.assert_allclose([score[0, 1], score[1, 1]], even, atol=1e-5)


@pytest.mark.parametrize("ignore", [-1, 3])
def test_the_prefix_matching_score_is_the_plain_loop(tmp_path: Path, plain: Any, ignore: int) -> None:
    score = run(tmp_path, "prefix_matching_score", {}, drawn({}), MIXED, ignore=ignore)["score"]
    every, paid, queries = patterns(plain), np.zeros((2, 2)), 0
    for r, row in enumerate(MIXED):
        for i, token in enumerate(row):
            after = [j + 1 for j in range(i) if row[j] == token and j + 1 < i]
            if after and token != ignore:
                queries += 1
                paid += every[:, r, :, i, after].sum(0) if len(after) > 1 else every[:, r, :, i, after[0]]
    assert queries > 3
    np.testing.assert_allclose(score, paid / queries, atol=1e-6)


def test_followers_are_those_of_the_definition() -> None:
    found = followers(np.array([[7, 7, 1, 7, 2, 1]]))[0]
    # 7 at 0 and 1 come before 3: what followed is 1 (the second 7) and 2; 1 at 2 before 5: what followed is 3
    assert [(int(q), int(k)) for q, k in np.argwhere(found)] == [(3, 1), (3, 2), (5, 3)]
    assert not followers(np.array([[7, 7, 1, 7, 2, 1]]), ignore=7)[0, 3].any()


def test_what_does_not_apply_is_said_and_skipped(tmp_path: Path) -> None:
    unlike = np.array([[0, 1, 2, 3, 4, 5, 6]])
    uses = {"prefix_matching_score": {}, "attention_pattern": {"row": 4}, "previous_token_score": {}}
    variant = place(tmp_path, {}, [drawn({})], unlike, uses=uses)
    summary, why = skipped(variant)
    assert summary.failures == []
    assert why == {
        "prefix_matching_score": "not applicable: no row of the probe holds a token that occurred before, "
        "with another between",
        "attention_pattern": "not applicable: row is 4, the probe has rows 0 to 0",
    }
    assert summary.total.computed == 1
    with pytest.raises(PlanError, match="prefix_matching_score on probe given: not applicable: no row"):
        analyze([variant], analyzers=["transformer_library.prefix_matching_score"])


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("blocks.*.attn.hook_z", r"holds \(7, 2, 4\) a row, expected \(head, 7, 7\)"),
        ("blocks.*.hook_resid_pre", r"holds \(7, 12\) a row, expected \(head, query, key\)"),
        ("blocks.*.attn.hook_patern", "no hook of the model matches .*did you mean blocks.*hook_pattern"),
        ("blocks.*.attn.hook_attn_scores", "holds the attention pattern, after the softmax"),
        ("blocks.*.attn.hook_pattern@-1", "expected a site of all positions"),
    ],
)
def test_a_site_that_holds_no_pattern_is_refused(tmp_path: Path, pattern: str, sentence: str) -> None:
    uses = {"previous_token_score": {"pattern": pattern}}
    variant = place(tmp_path, {}, [drawn({})], MIXED, uses=uses)
    with pytest.raises(PlanError, match=sentence):
        analyze([variant], analyzers=["transformer_library.previous_token_score"])
