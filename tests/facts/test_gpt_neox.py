"""A model of another architecture, wrapped: what it has and lacks, and how `mi` says so."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from bridges import Code
from facts.conftest import Still, bare_neox, wrapped_neox

from mi.domain.site import Site
from mi.engine.capture import Resident
from mi.engine.trial import try_out
from mi.errors import PlanError

SCORES = Site("blocks.0.attn.hook_attn_scores")


@pytest.fixture
def resident(neox: Any) -> Resident:
    return Resident(Code(lambda: wrapped_neox(0)), neox, "cpu", "float32")  # type: ignore[arg-type]


def test_it_is_wrapped_offline_and_without_a_tokenizer(neox: Any, tokens: Any, still: Still) -> None:
    same = torch.allclose(neox(tokens), bare_neox(0)(tokens).logits, atol=1e-6)
    still(same, "a wrapped model is its bare one no more")


def test_true_scores_are_masked_with_the_least_number_and_taken(
    neox: Any, resident: Resident, tokens: Any, still: Still
) -> None:
    _, cache = neox.run_with_cache(tokens)
    scores = cache[SCORES.hook]
    still(bool((scores[..., 0, 1:] == torch.finfo(torch.float32).min).all()), "masked scores are -3.4e38")
    assert not torch.equal(scores, cache["blocks.0.attn.hook_pattern"])
    found = resident.capture(tokens.numpy(), [SCORES], try_out(resident, tokens.numpy(), [SCORES]))
    assert torch.equal(found[SCORES.key], scores)


def test_parallel_blocks_have_no_middle_and_a_site_there_is_refused(
    neox: Any, resident: Resident, tokens: Any, still: Still
) -> None:
    still("blocks.0.hook_resid_mid" not in neox.hook_dict, "sites of every architecture may be taken as read")
    with pytest.raises(PlanError, match=r"no hook 'blocks\.0\.hook_resid_mid'; did you mean"):
        try_out(resident, tokens.numpy(), [Site("blocks.0.hook_resid_mid")])


def test_a_bare_state_loaded_loosely_leaves_a_mixture(neox: Any, tokens: Any, still: Still) -> None:
    bare = bare_neox(1)
    old, new = neox(tokens), bare(tokens).logits
    with pytest.raises(RuntimeError, match="Missing key"):
        neox.load_state_dict(bare.state_dict(), strict=True)
    told = neox.load_state_dict(bare.state_dict(), strict=False)
    mixed = neox(tokens)
    still(
        len(told.missing_keys) > 30
        and told.unexpected_keys == []
        and not torch.allclose(mixed, old)
        and not torch.allclose(mixed, new),
        "`test_weights_load_strictly` of the conformance kit may allow strict=False",
    )


def test_another_bridges_state_loads_whole(neox: Any, tokens: Any, still: Still) -> None:
    other = wrapped_neox(1)
    neox.load_state_dict(other.state_dict(), strict=True)
    still(torch.equal(neox(tokens), other(tokens)), "states of one bridge fit another")
