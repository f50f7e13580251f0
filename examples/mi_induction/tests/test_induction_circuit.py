"""Every analysis on an induction circuit built by hand, whose answers are known, through the real engine.

The residual stream holds a token, a position, the previous token and the answer, each one-hot. L0H0 copies
the token before into "previous"; L1H0 looks for positions whose "previous" is its own token and copies their
token into the answer. Heads 1 of both layers are noise of size 1e-3.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import mi
import mi_induction.task
from mi.testing import isolated, make_variant, make_workspace, run
from mi_induction.transformer import shapes

VOCABULARY, CONTEXT, SEGMENT = 24, 12, 4
TOKENS = VOCABULARY + 1
PARAMETERS = {
    "vocabulary": VOCABULARY, "context": CONTEXT, "segment_min": 2, "segment_max": 5, "n_heads": 2,
    "d_model": 3 * TOKENS + CONTEXT, "d_head": TOKENS, "batch": 2, "test_rows": 2,
}  # fmt: skip
SHARP = 60.0  # attention goes to a match by a factor e^60
SURE = 12.0  # logit of the answer


def circuit(parameters: dict[str, Any], device: str) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    W = {name: 1e-3 * torch.randn(shape, generator=generator) for name, shape in shapes(parameters).items()}
    for name in ("W_E", "W_pos", "W_U"):
        W[name].zero_()
    for name in ("W_Q", "W_K", "W_V", "W_O"):
        W[name][:, 0] = 0
    token, previous, answer = (slice(i * TOKENS, (i + 1) * TOKENS) for i in range(3))
    place = slice(3 * TOKENS, 3 * TOKENS + CONTEXT)
    same, scale = torch.eye(TOKENS), SHARP * math.sqrt(TOKENS)
    W["W_E"][:, token] = same
    W["W_pos"][:, place] = torch.eye(CONTEXT)
    W["W_U"][answer] = SURE * same
    W["W_Q"][0, 0, place, :CONTEXT] = scale * torch.eye(CONTEXT).roll(-1, 1)  # position t asks for t - 1
    W["W_K"][0, 0, place, :CONTEXT] = torch.eye(CONTEXT)
    W["W_V"][0, 0, token], W["W_O"][0, 0, :, previous] = same, same
    W["W_Q"][1, 0, token], W["W_K"][1, 0, previous] = scale * same, same
    W["W_V"][1, 0, token], W["W_O"][1, 0, :, answer] = same, same
    return {name: tensor.to(device) for name, tensor in W.items()}


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Analyzer id -> its artifacts, without the epoch axis of the one checkpoint."""
    folder = tmp_path_factory.mktemp("circuit")
    with isolated(folder, "induction", "transformer_library"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(mi_induction.task, "initialize", circuit)
        workspace = make_workspace(folder / "ws", "induction", "transformer_library")
        name = make_variant(workspace, "induction_attention_only", PARAMETERS, epochs=0, schedule="0").name
        done = run("-w", str(workspace.root), "analyze", name)
        assert done.code == 0, done.err
        variant = mi.open(workspace.root).variant(name)

        def found(id: str) -> xr.Dataset:
            data = variant.artifacts(id)
            return data if id == "induction.formation" else data.isel(epoch=0)

        yield found


def test_targets_that_the_row_tells_are_known(artifacts: Any) -> None:
    loss = artifacts("induction.loss_by_depth")["loss"]
    assert loss["depth"].values.tolist() == list(range(SEGMENT + 1))
    assert (loss.sel(depth=slice(2, None)) < 0.01).all()
    # Nothing is found for a new token, so attention is even, and every token seen so far gets SURE / n.
    assert loss.sel(depth=0) > math.log(VOCABULARY) - 1
    assert loss.sel(depth=1) < loss.sel(depth=0)  # the start of the repeat has been seen


def test_the_in_context_score_is_late_minus_early(artifacts: Any) -> None:
    found = artifacts("induction.loss_by_depth")
    late = found["loss"].sel(depth=[3, 4]).mean()  # all depths from 1 on are equally frequent
    assert float(found["in_context_score"]) == pytest.approx(
        float(late - found["loss"].sel(depth=1)), abs=1e-5
    )


def test_the_librarys_scores_name_the_two_heads(artifacts: Any) -> None:
    previous = artifacts("transformer_library.previous_token_score")["score"].values
    prefix = artifacts("transformer_library.prefix_matching_score")["score"].values
    assert previous[0, 0] == pytest.approx(1, abs=1e-4) and prefix[1, 0] == pytest.approx(1, abs=1e-4)
    previous[0, 0] = prefix[1, 0] = 0
    assert previous.max() < 0.4 and prefix.max() < 0.4
    assert artifacts("transformer_library.copying_score")["score"].values[1, 0] == pytest.approx(1, abs=1e-3)


def test_each_head_of_the_circuit_is_needed_and_no_other(artifacts: Any) -> None:
    increase = artifacts("induction.head_ablation")["increase"].values
    assert increase[0, 0] > 1 and increase[1, 0] > 1
    assert np.abs(increase[:, 1]).max() < 0.01


def test_the_heads_compose_by_keys_alone(artifacts: Any) -> None:
    found = artifacts("induction.composition")
    pair = found["score"].sel(earlier="L0H0", later="L1H0")
    # Both products are a one-to-one map of TOKENS tokens: s / (s s) with s = sqrt(TOKENS).
    assert float(pair.sel(read_as="key")) == pytest.approx(1 / math.sqrt(TOKENS), abs=1e-5)
    assert float(pair.sel(read_as="query")) == pytest.approx(0, abs=1e-5)
    assert float(pair.sel(read_as="value")) == pytest.approx(0, abs=1e-5)
    matching = found["matching"]
    assert float(matching.sel(earlier="L0H0", later="L1H0")) == 1
    assert matching.sel(earlier="L0H1").max() < 0.3 and matching.sel(later="L1H1").max() < 0.3


def test_nobody_looks_at_the_same_token(artifacts: Any) -> None:
    score = artifacts("induction.duplicate_token_score")["score"].values
    # Repeated tokens stand at positions 9 to 11; the noise heads look everywhere alike, at one place of n.
    even = np.mean([1 / n for n in range(10, 13)])
    assert score[:, 0].max() < 1e-4
    assert score[:, 1] == pytest.approx([even, even], abs=1e-3)


def test_one_token_carries_the_answer_from_twin_to_twin(artifacts: Any) -> None:
    found = artifacts("transformer_library.activation_patching")
    recovery = found["recovery"].sel(kind="residual", layer=0).values
    changed = 1 + (CONTEXT - 2 * SEGMENT) // 2 + SEGMENT - 1  # the last token of the first copy
    assert recovery[changed] == pytest.approx(1, abs=1e-3)
    assert np.abs(np.delete(recovery, changed)).max() < 0.01


def test_one_checkpoint_forms_nothing(artifacts: Any) -> None:
    found = artifacts("induction.formation")
    assert math.isnan(found["bump"]) and math.isnan(found["lag"])
    assert int(found["head_previous"]) == 0 and int(found["head_prefix"]) == 0
