"""Losses by position, the logit lens and direct logit attribution, against plain numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade_circuits import SHAPE as CIRCUIT
from handmade_circuits import induction
from plain_transformer import Plain, log_softmax
from transformer_kit import SHAPE, drawn, place, run, skipped

from mi.engine.analyze import analyze
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

TOKENS = np.random.default_rng(2).integers(0, 9, (6, 7))
LABELS = np.random.default_rng(3).integers(0, 9, 6)
SHAPES = [
    {"norm": "none", "d_mlp": 0},
    {"norm": "none", "d_mlp": 10},
    {"norm": "ln", "d_mlp": 0},
    {"norm": "ln", "d_mlp": 10, "layers": 3},
    {"norm": "rms", "d_mlp": 10},
]


def next_losses(logits: np.ndarray) -> np.ndarray:
    """Cross-entropy of the next token, (rows, 6)."""
    return -np.take_along_axis(log_softmax(logits)[:, :-1], TOKENS[:, 1:, None], -1)[..., 0]


class Case:
    """One network: what plain numpy sees in it, and what the engine stored of three analyzers in one pass."""

    def __init__(self, root: Path, shape: dict[str, Any], start: int) -> None:
        self.shape, self.start = {**SHAPE, **shape}, start
        state = drawn(shape)
        self.plain = Plain(self.shape, state)
        self.seen = self.plain.run(TOKENS)
        uses = {"position_loss": {}, "logit_lens": {}, "direct_logit_attribution": {"start": start}}
        variant = place(root, shape, [state], TOKENS, uses=uses)
        summary = analyze([variant])
        assert (summary.failures, summary.total.forward_passes) == ([], 1)
        self.reader = ArtifactReader(VariantPaths(variant.folder))

    def stored(self, name: str) -> Any:
        return self.reader.dataset("given", f"transformer_library.{name}").isel(epoch=0).load()


@pytest.fixture(scope="module", params=SHAPES, ids=lambda s: f"{s['norm']}-{s['d_mlp']}")
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    start = 4 if request.param["norm"] == "rms" else 0
    return Case(tmp_path_factory.mktemp("case"), request.param, start)


def test_loss_by_position_of_the_next_token(case: Case) -> None:
    expected = next_losses(case.seen["unembed.hook_out"])
    found = case.stored("position_loss")
    np.testing.assert_allclose(found["loss"], expected.mean(0), rtol=1e-4)
    np.testing.assert_allclose(found["overall"], expected.mean(), rtol=1e-4)
    assert found["position"].values.tolist() == [0, 1, 2, 3, 4, 5]


def test_loss_of_labels_at_the_last_position(tmp_path: Path) -> None:
    logits = Plain(SHAPE, drawn({})).run(TOKENS)["unembed.hook_out"]
    expected = -log_softmax(logits[:, -1])[np.arange(6), LABELS]
    for target in ("auto", "label"):
        found = run(tmp_path / target, "position_loss", {}, drawn({}), TOKENS, LABELS, target=target)
        assert found["loss"].shape == (1,)
        np.testing.assert_allclose(found["loss"][0], expected.mean(), rtol=1e-5)
    found = run(tmp_path / "next", "position_loss", {}, drawn({}), TOKENS, LABELS, target="next_token")
    np.testing.assert_allclose(found["overall"], next_losses(logits).mean(), rtol=1e-5)


def test_an_induction_circuit_knows_the_repeat(tmp_path: Path) -> None:
    state = induction(copy=40.0)
    loss = run(tmp_path, "position_loss", CIRCUIT, state, np.array([[5, 0, 1, 2, 3, 0, 1, 2]]))["loss"]
    assert (loss[5:] < 1e-4).all()
    assert (loss[:4] > 1).all()


def test_the_lens_decodes_every_stage(case: Case) -> None:
    found, layers = case.stored("logit_lens"), case.shape["layers"]
    streams = [case.seen[f"blocks.{i}.hook_resid_pre"] for i in range(layers)]
    streams.append(case.seen[f"blocks.{layers - 1}.hook_resid_post"])
    assert found["stage"].values.tolist() == [*(f"before {i}" for i in range(layers)), "final"]
    for stage, stream in enumerate(streams):
        logits = case.plain.decode(stream)[:, :-1]
        right = np.take_along_axis(logits, TOKENS[:, 1:, None], -1)
        losses = next_losses(case.plain.decode(stream))
        np.testing.assert_allclose(found["loss"][stage], losses.mean(0), rtol=1e-4)
        np.testing.assert_allclose(found["probability"][stage], np.exp(-losses).mean(0), rtol=1e-3, atol=1e-7)
        np.testing.assert_allclose(found["rank"][stage], (logits > right).sum(-1).mean(0), atol=1e-6)
    np.testing.assert_allclose(found["loss"][-1], case.stored("position_loss")["loss"], rtol=1e-4)


def test_the_lens_is_the_same_in_small_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(tmp_path / "whole", "logit_lens", {}, drawn({}), TOKENS)
    monkeypatch.setattr("mi_transformer_library.lens.CELLS", 2 * 6 * 9)  # two rows
    parts = run(tmp_path / "parts", "logit_lens", {}, drawn({}), TOKENS)
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, rtol=1e-6)


def test_contributions_are_those_of_the_plain_decomposition(case: Case) -> None:
    """Each component alone through the frozen norm and the unembedding; together, the logit difference."""
    plain, seen, full = case.plain, case.seen, case.shape
    final = seen[f"blocks.{full['layers'] - 1}.hook_resid_post"]
    centred = final - final.mean(-1, keepdims=True) if full["norm"] == "ln" else final
    scale = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)

    def difference(logits: np.ndarray) -> float:
        right = np.take_along_axis(logits[:, :-1], TOKENS[:, 1:, None], -1)[..., 0]
        return float((right - logits[:, :-1].mean(-1))[:, case.start :].mean())

    def alone(written: np.ndarray) -> float:
        if full["norm"] == "ln":
            written = written - written.mean(-1, keepdims=True)
        if full["norm"] != "none":
            written = written / scale * plain.w["ln_final.weight"]
        return difference(written @ plain.w["unembed.weight"].T)

    expected = {"embed": alone(seen["hook_embed"]), "pos_embed": alone(seen["hook_pos_embed"])}
    shift = plain.w.get("ln_final.bias", np.zeros(12)) @ plain.w["unembed.weight"].T
    biases = difference(np.broadcast_to(plain.w["unembed.bias"] + shift, (6, 7, 9)))
    for layer in range(full["layers"]):
        z = seen[f"blocks.{layer}.attn.hook_z"]
        for head in range(2):
            expected[f"L{layer}H{head}"] = alone(z[:, :, head] @ plain.head(layer, "o")[head])
        biases += alone(np.broadcast_to(plain.w[f"blocks.{layer}.attn.o.bias"], final.shape))
        if full["d_mlp"]:
            expected[f"L{layer} mlp"] = alone(seen[f"blocks.{layer}.hook_mlp_out"])
    expected["biases"] = biases

    found = case.stored("direct_logit_attribution")
    assert found["component"].values.tolist() == list(expected)
    np.testing.assert_allclose(found["contribution"], list(expected.values()), rtol=1e-3, atol=1e-4)
    total = difference(seen["unembed.hook_out"])
    np.testing.assert_allclose(found["total"], total, rtol=1e-4)
    np.testing.assert_allclose(found["contribution"].sum(), total, rtol=1e-4, atol=1e-4)


def test_the_induction_head_is_what_the_answer_is_owed_to(tmp_path: Path) -> None:
    rows = np.array([[5, 0, 1, 2, 3, 0, 1, 2]])
    found = run(tmp_path, "direct_logit_attribution", CIRCUIT, induction(), rows, start=5)
    # order: embed, pos_embed, L0H0, L0H1, L1H0, L1H1, biases; the copied token's logit is 1, the mean 1/6
    np.testing.assert_allclose(found["contribution"], [-1 / 6, 0, 0, 0, 5 / 6, 0, 0], atol=1e-5)


@pytest.mark.parametrize(
    ("uses", "labels", "sentence"),
    [
        ({"position_loss": {"target": "label"}}, None, "target is 'label', but the probe has no labels"),
        ({"position_loss": {}}, LABELS + 9, "answers are tokens .* the model writes tokens 0 to 8"),
        ({"position_loss": {"logits": "logits"}}, None, "has no hook 'logits'"),
        ({"position_loss": {"logits": "hook_embed"}}, LABELS + 9, "the model writes tokens 0 to 11"),
        ({"position_loss": {"logits": "blocks.0.attn.hook_z"}}, None, r"holds \(7, 2, 4\) a row, expected"),
        ({"direct_logit_attribution": {"start": 6}}, None, "the last position with an answer is 5"),
    ],
)
def test_what_does_not_apply_is_said(tmp_path: Path, uses: Any, labels: Any, sentence: str) -> None:
    import re

    variant = place(tmp_path, {}, [drawn({})], TOKENS, labels, uses)
    summary, why = skipped(variant)
    assert summary.total.computed == 0
    assert re.search(sentence, "".join(why.values())), why


def test_logits_that_are_not_the_models_own_are_refused(tmp_path: Path) -> None:
    """The residual stream in place of the logits has room for the answers, and means nothing."""
    uses = {"direct_logit_attribution": {"logits": "hook_embed"}}
    summary, why = skipped(place(tmp_path, {}, [drawn({})], TOKENS, uses=uses))
    assert why == {}
    assert "they are not those of the final norm and the unembedding" in summary.failures[0].message
    assert summary.total.computed == 0
