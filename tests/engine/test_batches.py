"""A pass in batches of rows: the same tensors, to the bit, however the rows divide."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from attrs import evolve
from bridges import Code, native

from mi.domain.site import Site
from mi.engine.batches import evenly
from mi.engine.capture import Resident
from mi.engine.trial import Trial, try_out

SITES = (
    Site("blocks.0.mlp.hook_post", -1),
    Site("blocks.0.attn.hook_pattern", -1),
    Site("blocks.0.hook_out"),
    Site("unembed.hook_out", -1),
)


@pytest.fixture(scope="module")
def resident() -> Resident:
    """One layer of widths that are no multiples of each other."""
    widths = {"d_model": 36, "d_head": 12, "n_heads": 3, "d_vocab": 30, "d_vocab_out": 29, "d_mlp": 100}
    return Resident(Code(), native(n_layers=1, n_ctx=3, **widths), "cpu", "float32")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tokens() -> Any:
    return torch.randint(0, 30, (1100, 3), generator=torch.Generator().manual_seed(1)).numpy()


@pytest.fixture(scope="module")
def trial(resident: Resident, tokens: Any) -> Trial:
    return try_out(resident, tokens, SITES)


def in_batches_of(most: int, trial: Trial, monkeypatch: pytest.MonkeyPatch) -> Trial:
    monkeypatch.setattr("mi.engine.capture.CPU_BUDGET", most * trial.row_bytes)
    return trial


@pytest.mark.parametrize("rows", [1, 2, 129, 257, 513, 1100])
def test_a_pass_in_batches_holds_the_bits_of_a_pass_in_one(
    rows: int, resident: Resident, tokens: Any, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = tokens[:rows]
    whole = resident.capture(every, SITES, in_batches_of(2048, trial, monkeypatch))
    parts = resident.capture(every, SITES, in_batches_of(128, trial, monkeypatch))
    assert whole.keys() == parts.keys() == {site.key for site in SITES}
    for key, tensor in parts.items():
        assert torch.equal(tensor, whole[key]), key
        assert tensor.is_inference() and tensor.is_contiguous()


def test_batches_are_the_rows_in_order_and_one_pass(
    resident: Resident, tokens: Any, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = resident.capture(tokens, SITES, trial)
    before, at = resident.passes, 0
    for rows, found in resident.batches(tokens, SITES, in_batches_of(128, trial, monkeypatch)):
        assert not torch.is_inference_mode_enabled()  # whoever reads the batch cannot edit it
        assert rows.start == at
        at = rows.stop
        for key, tensor in found.items():
            assert tensor.is_inference() and tensor.is_contiguous()
            assert torch.equal(tensor, whole[key][rows])
    assert at == len(tokens)
    assert resident.passes == before + 1


def test_no_batch_is_much_shorter_than_the_others() -> None:
    for length, most in ((1, 8), (8, 8), (9, 8), (17, 8), (12769, 2048)):
        slices = list(evenly(length, most))
        lengths = [s.stop - s.start for s in slices]
        assert [i for s in slices for i in range(length)[s]] == list(range(length))
        assert len(slices) == -(-length // most) and max(lengths) <= most
        assert max(lengths) - min(lengths) <= 1


def test_a_row_weighs_the_same_whatever_the_probes_length(resident: Resident, tokens: Any) -> None:
    """A hook that shows the tokens shows a view of all of them."""
    weights = {try_out(resident, tokens[:rows], SITES).row_bytes for rows in (2, 100, 1100)}
    assert len(weights) == 1


def test_batches_are_as_large_as_the_budget_allows(
    resident: Resident, tokens: Any, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(1, trial, monkeypatch)
    assert resident.rows_at_once(trial) == 1
    assert resident.rows_at_once(evolve(trial, row_bytes=10**12)) == 1
    in_batches_of(700, trial, monkeypatch)
    assert resident.rows_at_once(trial) == 512
